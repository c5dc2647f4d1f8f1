"""Figures are written down as they were found, and nothing else is touched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bench import results
from bench.machine import describe
from bench.results import NotInstalled, Row, number, table, write_section

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    Row(
        case="1,000 chargers",
        figure=52.4,
        unit="us",
        beside="bare pump",
        beside_figure=33.3,
        ratio=1.574,
        target="at most 2.0",
        reached=True,
        details={"per_s": 19_000.0, "how": "closed loop"},
    ),
    Row(case="10,000 chargers", figure=99.0, unit="us", target="at most 60 us", reached=False),
]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(results, "OUT", tmp_path / "out")


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    return ROWS[: 1 if quick else 2], ["A note."]


def run(name: str, *arguments: str) -> int:
    return results.main(name, "What it measures.", measure, arguments=list(arguments))


def test_a_row_says_figure_floor_ratio_target_and_whether_it_was_reached() -> None:
    assert table(ROWS).splitlines()[2:] == [
        "| 1,000 chargers | 52.4 us | bare pump: 33.3 us | 1.57 | at most 2.0 | yes |",
        "| 10,000 chargers | 99 us |  |  | at most 60 us | **no** |",
        "",
        "- 1,000 chargers: per_s 19,000, how closed loop",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (4.567, "4.57"), (99.96, "100"), (12_345.6, "12,346")],
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_full_run_writes_its_section_and_replaces_only_that(tmp_path: Path) -> None:
    report = tmp_path / "RESULTS.md"
    assert run("bench_b") == 0
    assert run("bench_a") == 0
    first = report.read_text()
    assert first.index("## bench_a") < first.index("## bench_b")
    assert run("bench_b") == 0
    again = report.read_text()
    assert again.count("## bench_b") == 1
    assert again.count("# Results") == 1
    assert again.splitlines()[:12] == first.splitlines()[:12]


def test_a_quick_run_leaves_the_real_figures_alone(tmp_path: Path) -> None:
    assert run("bench_a", "--quick", "--out", str(tmp_path / "quick.md")) == 0
    assert not (tmp_path / "RESULTS.md").exists()
    assert "(A quick run" in (tmp_path / "quick.md").read_text()
    assert json.loads((tmp_path / "out" / "bench_a.json").read_text())["quick"] is True


def test_json_has_stdout_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    run("bench_a", "--json")
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert [row["figure"] for row in found["rows"]] == [52.4, 99.0]
    assert found["machine"]["cores"] >= 1
    assert found["versions"]["trio"]
    assert "| 1,000 chargers |" in shown.err


def test_a_missing_package_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacks(*, quick: bool) -> tuple[list[Row], list[str]]:
        raise NotInstalled("needs locust: pip install simfleet[bench]")

    assert results.main("bench_a", "It.", lacks, arguments=[]) == results.NOT_INSTALLED
    assert "needs locust" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_sections_of_an_empty_file_get_the_preface(tmp_path: Path) -> None:
    run("bench_a", "--quick")
    result = results.Result(
        benchmark="bench_z",
        measures="Z.",
        quick=False,
        finished_at="2026-01-01T00:00:00+00:00",
        took_s=1,
        machine=describe(),
        versions={},
        rows=ROWS,
    )
    assert result.reached is False
    write_section(tmp_path / "new.md", result)
    assert (tmp_path / "new.md").read_text().startswith("# Results\n")
