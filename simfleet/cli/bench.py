"""`simfleet bench`: run the benchmarks of a checkout, one process each.

The benchmarks live in `bench/bench_*.py` beside the package and are not installed with it: they
measure the code as it is, and write what they find to bench/RESULTS.md. Progress and tables go to
standard error, JSON to standard output.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import simfleet
from simfleet.cli.exit_codes import ExitCode
from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

PREFIX = "bench_"


def main(arguments: argparse.Namespace) -> int:
    """Run the benchmarks named, or all; `--list` only says what there is.

    PASSED when all ran and no target was missed, THRESHOLD_FAILED when one was; USAGE when some
    lack a package, INTERNAL when one failed. Raises UsageWrong without a checkout and for unknown
    names.
    """
    checkout = find_checkout()
    chosen = choose(find_benchmarks(checkout), arguments.names)
    if arguments.list:
        for name, path in chosen.items():
            print(f"{name:18}{summary(path)}")
        return ExitCode.PASSED
    options = ["--json"] + ["--quick"] * arguments.quick
    if arguments.out is not None:
        options += ["--out", str(arguments.out.resolve())]
    ran: list[dict[str, Any]] = []
    failed: dict[str, int] = {}
    for name in chosen:
        print(f"simfleet: {name} ...", file=sys.stderr, flush=True)
        code, found = run(checkout, name, options)
        if found is None:
            failed[name] = code
        else:
            ran.append(found)
    print(json.dumps({"schema": 1, "benchmarks": ran, "not_run": failed}, indent=2))
    return _judge(ran, failed)


def find_checkout() -> Path:
    """The folder that holds `simfleet/` and `bench/`. Raises UsageWrong where there is none."""
    checkout = Path(simfleet.__file__).resolve().parent.parent
    if not any(checkout.glob(f"bench/{PREFIX}*.py")):
        raise UsageWrong(
            f"there are no benchmarks beside {Path(simfleet.__file__).parent}: they are not "
            "installed with the package; run simfleet bench from a checkout (make bench)"
        )
    return checkout


def find_benchmarks(checkout: Path) -> dict[str, Path]:
    """All benchmarks of a checkout by name."""
    return {path.stem: path for path in sorted(checkout.glob(f"bench/{PREFIX}*.py"))}


def choose(benchmarks: dict[str, Path], names: Sequence[str]) -> dict[str, Path]:
    """The benchmarks named, with or without `bench_`, each once; all when none is named."""
    if not names:
        return benchmarks
    full = [name if name.startswith(PREFIX) else PREFIX + name for name in names]
    unknown = [name for name, stem in zip(names, full, strict=True) if stem not in benchmarks]
    if unknown:
        wrong, right = ", ".join(map(repr, unknown)), ", ".join(benchmarks)
        raise UsageWrong(f"no benchmark is called {wrong}; there are {right}")
    return {name: benchmarks[name] for name in full}


def summary(path: Path) -> str:
    """The first line of a benchmark's docstring; nothing is run for it."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def run(checkout: Path, name: str, options: Sequence[str]) -> tuple[int, dict[str, Any] | None]:
    """Run one benchmark in a process of its own; its exit code, and what it found if it did."""
    path = os.pathsep.join(filter(None, (str(checkout), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", *options],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
    )
    return done.returncode, json.loads(done.stdout) if done.returncode == 0 else None


def _judge(ran: list[dict[str, Any]], failed: dict[str, int]) -> ExitCode:
    for name, code in failed.items():
        print(f"simfleet: {name} did not run (exit code {code})", file=sys.stderr)
    if failed:
        lacks_packages = set(failed.values()) == {int(ExitCode.USAGE)}
        return ExitCode.USAGE if lacks_packages else ExitCode.INTERNAL
    missed = [
        (found["benchmark"], row["case"])
        for found in ran
        if not found["quick"]
        for row in found["rows"]
        if row["reached"] is False
    ]
    for name, case in missed:
        print(f"simfleet: {name} missed its target: {case}", file=sys.stderr)
    return ExitCode.THRESHOLD_FAILED if missed else ExitCode.PASSED
