# SimFleet. `make demo` shows what it does, `make test` proves that it works; `make help` lists the rest.
# Needs python3 (3.11 or newer) with venv, and make. Everything is installed into .venv, from
# requirements/*.lock, where each package is pinned to the hash.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
UV_VERSION := 0.13.8# only for `make lock`

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/run.stamp ## 10,000 chargers against the embedded CSMS, under two minutes
	$(BIN)/simfleet run scenarios/ten-thousand.yaml

.PHONY: serve
serve: $(VENV)/run.stamp ## the REST API on port 8080, with an embedded CSMS on port 9000
	$(BIN)/simfleet serve

.PHONY: test
test: check ## lint, types and all tests, three at a time: most of their time is waiting
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile

.PHONY: check
check: $(VENV)/test.stamp ## lint, format and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: format
format: $(VENV)/test.stamp ## let ruff repair what it can
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(VENV)/bench.stamp ## all benchmarks; takes a quiet machine and some minutes
	$(BIN)/simfleet bench

.PHONY: install
install: $(VENV)/run.stamp ## only set up .venv

.PHONY: lock
lock: $(VENV)/python.stamp ## resolve the dependencies anew and write requirements/*.lock
	$(PIP) install uv==$(UV_VERSION)
	$(call compile,run)
	$(call compile,test,--extra test --constraints requirements/run.lock)
	$(call compile,bench,--extra test --extra bench --constraints requirements/test.lock)

# One lock for Python 3.11 and newer on every platform; no index is named, pip's own setting decides.
compile = UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv --quiet pip compile pyproject.toml \
	--group build $(2) --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --upgrade --output-file requirements/$(1).lock

.PHONY: clean
clean: ## remove .venv, caches and build output; run folders stay
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis bench/out
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# ── .venv, in steps that each run once and again when their lock changes ─────────────────────────

$(VENV)/python.stamp:
	@command -v $(PYTHON) >/dev/null || { \
		echo 'error: no $(PYTHON) here; install Python 3.11 or newer, or name it: make PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is $$($(PYTHON) -V 2>&1); SimFleet needs 3.11 or newer: make PYTHON=python3.x" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo 'error: this Python cannot make a virtual environment; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/run.stamp: requirements/run.lock pyproject.toml $(VENV)/python.stamp
	$(PIP) install --require-hashes -r requirements/run.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/%.stamp: requirements/%.lock $(VENV)/run.stamp
	$(PIP) install --require-hashes -r requirements/$*.lock
	@touch $@
