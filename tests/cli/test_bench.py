"""`simfleet bench` over a checkout made for the test, so that nothing is measured."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import simfleet
from simfleet.cli import bench
from simfleet.cli.exit_codes import ExitCode
from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    from collections.abc import Sequence

FOUND = '''"""Measures {name}.

And more.
"""
import json, sys
print("progress", file=sys.stderr)
print(json.dumps({{"benchmark": "{name}", "quick": "--quick" in sys.argv, "arguments": sys.argv[1:],
                  "rows": [{{"case": "one", "reached": {reached}}}]}}))
sys.exit({code})
'''


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose package is somewhere else: `simfleet.__file__` points into it."""
    (tmp_path / "bench").mkdir()
    monkeypatch.setattr(simfleet, "__file__", str(tmp_path / "simfleet" / "__init__.py"))
    return tmp_path


def write(checkout: Path, name: str, *, reached: bool | None = True, code: int = 0) -> None:
    text = FOUND.format(name=name, reached=reached, code=code)
    (checkout / "bench" / f"{name}.py").write_text(text)


def call(*names: str, quick: bool = False, only_list: bool = False, out: Path | None = None) -> int:
    return bench.main(argparse.Namespace(names=list(names), quick=quick, list=only_list, out=out))


def ran(capsys: pytest.CaptureFixture[str]) -> Sequence[str]:
    return [found["benchmark"] for found in json.loads(capsys.readouterr().out)["benchmarks"]]


def test_all_are_run_in_order_of_their_names(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(checkout, "bench_b")
    write(checkout, "bench_a", reached=None)
    assert call() == ExitCode.PASSED
    assert ran(capsys) == ["bench_a", "bench_b"]


def test_only_those_named_are_run_with_or_without_the_prefix(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("bench_a", "bench_b", "bench_c"):
        write(checkout, name)
    assert call("c", "bench_a", "bench_c") == ExitCode.PASSED
    assert ran(capsys) == ["bench_c", "bench_a"]


def test_list_runs_nothing(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(checkout, "bench_a", code=9)
    assert call(only_list=True) == ExitCode.PASSED
    assert capsys.readouterr().out == "bench_a           Measures bench_a.\n"


def test_options_reach_the_benchmark(
    checkout: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(checkout, "bench_a")
    monkeypatch.chdir(checkout)
    assert call(quick=True, out=Path("report.md")) == ExitCode.PASSED
    (found,) = json.loads(capsys.readouterr().out)["benchmarks"]
    assert found["arguments"] == ["--json", "--quick", "--out", str(checkout / "report.md")]


def test_an_unknown_name_is_refused_with_those_there_are(checkout: Path) -> None:
    write(checkout, "bench_a")
    with pytest.raises(UsageWrong, match=r"'z'; there are bench_a"):
        call("a", "z")


def test_without_a_checkout_it_says_where_the_benchmarks_are(checkout: Path) -> None:
    with pytest.raises(UsageWrong, match="run simfleet bench from a checkout"):
        call()


def test_a_missed_target_is_said_and_decides_the_exit_code(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(checkout, "bench_a", reached=False)
    assert call() == ExitCode.THRESHOLD_FAILED
    assert "bench_a missed its target: one" in capsys.readouterr().err


def test_a_quick_run_judges_nothing(checkout: Path) -> None:
    write(checkout, "bench_a", reached=False)
    assert call(quick=True) == ExitCode.PASSED


@pytest.mark.parametrize(("code", "ends"), [(2, ExitCode.USAGE), (1, ExitCode.INTERNAL)])
def test_a_benchmark_that_fails_does_not_stop_the_others(
    checkout: Path, capsys: pytest.CaptureFixture[str], code: int, ends: ExitCode
) -> None:
    write(checkout, "bench_a", code=code)
    write(checkout, "bench_b")
    assert call() == ends
    shown = capsys.readouterr()
    assert f"bench_a did not run (exit code {code})" in shown.err
    found = json.loads(shown.out)
    assert found["not_run"] == {"bench_a": code}
    assert [one["benchmark"] for one in found["benchmarks"]] == ["bench_b"]


def test_the_benchmarks_of_this_checkout_are_found() -> None:
    assert "bench_truth" in bench.find_benchmarks(bench.find_checkout())
