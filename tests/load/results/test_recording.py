"""`timeline.csv` and `actions.csv`: they add up to the run, stay small, and never end it."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, ClassVar

import pytest
import trio

from builders_load import MEMORY, Run, a_folder, a_full_disk, a_scenario, run_in_memory
from simfleet.csms.behaviour import Behaviour
from simfleet.load.results.columns import ACTION_COLUMNS, CONNECTOR_STATES, TIMELINE_COLUMNS
from simfleet.load.results.recording import RunTables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simfleet.load.runner import Runner

STAGES = ("{do: ramp, to: 4, over: 1s}", "{do: hold, for: 40s}", "{do: stop, over: 1s}")


def rows_of(run: Run, name: str) -> list[dict[str, str]]:
    with (run.path / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def total(rows: Sequence[dict[str, str]], column: str) -> float:
    return sum(float(row[column]) for row in rows)


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with errors, timeouts' kin and lost links."""
    return run_in_memory(
        a_scenario(target=MEMORY, stages=STAGES),
        tmp_path_factory.mktemp("rough") / "run",
        behaviour=Behaviour(call_errors={"MeterValues": "InternalError"}, close_after=60),
    )


def test_rows_of_the_timeline_add_up_to_the_summary(rough: Run) -> None:
    rows, summary = rows_of(rough, "timeline.csv"), rough.summary
    totals = summary["call_totals"]
    assert list(rows[0]) == list(TIMELINE_COLUMNS)
    assert total(rows, "calls") == totals["count"] > 0
    assert total(rows, "errors") == sum(totals["errors"].values()) > 0
    assert total(rows, "timeouts") == totals["timeouts"]
    assert total(rows, "lost") == totals["lost"]
    assert total(rows, "started") == summary["transactions"]["started"] > 0
    assert total(rows, "stopped") == summary["transactions"]["stopped"]
    assert total(rows, "connects") == summary["connect"]["opened"] > 4
    assert total(rows, "disconnects") == sum(summary["disconnects"].values())
    assert total(rows, "problems") == summary["problems"]["total"]
    assert total(rows, "lasts_s") == pytest.approx(float(rows[-1]["t_s"]), abs=0.01)
    assert summary["tables"]["timeline_rows"] == len(rows)
    assert summary["tables"]["not_written"] == 0


def test_there_is_a_row_for_every_second_of_a_short_run(rough: Run) -> None:
    rows = rows_of(rough, "timeline.csv")
    lengths = [float(row["lasts_s"]) for row in rows]
    assert len(rows) >= 40
    assert all(0.9 < length < 1.1 for length in lengths[:-1])


def test_every_connector_is_somewhere_in_every_row(rough: Run) -> None:
    for row in rows_of(rough, "timeline.csv"):
        connectors = sum(int(row[state]) for state in CONNECTOR_STATES)
        assert connectors == int(row["alive"]), row["t_s"]
    assert any(int(row["charging"]) > 0 for row in rows_of(rough, "timeline.csv"))


def test_rows_of_the_actions_add_up_to_the_calls(rough: Run) -> None:
    rows = rows_of(rough, "actions.csv")
    assert list(rows[0]) == list(ACTION_COLUMNS)
    for action, call in rough.summary["calls"].items():
        mine = [row for row in rows if row["action"] == action]
        assert total(mine, "count") == call["count"]
        assert total(mine, "errors") == sum(call["errors"].values())
        longest = max((float(row["response_max_ms"]) for row in mine), default=0.0)
        assert longest == pytest.approx(call["response_ms"]["max"], abs=0.001)


def test_a_long_plan_has_rows_of_more_than_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simfleet.load.results.recording.ROWS_MAX", 10)
    run = run_in_memory(a_scenario(target=MEMORY, stages=STAGES), tmp_path / "run")
    rows = rows_of(run, "timeline.csv")
    assert run.summary["tables"]["row_s"] == 5  # 42 s, in ten rows at most
    assert 8 <= len(rows) <= 10 + 2
    assert total(rows, "calls") == run.summary["call_totals"]["count"]


def test_a_run_beyond_its_plan_gets_coarser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simfleet.load.results.recording.ROWS_MAX", 20)
    monkeypatch.setattr("simfleet.load.results.recording.WINDOWS_MAX", 3)

    def prolong(runner: Runner) -> None:
        from simfleet.load.schema1 import Scenario

        monkeypatch.setattr(Scenario, "lasts_s", property(lambda _: 10.0))

    run = run_in_memory(a_scenario(target=MEMORY, stages=STAGES), tmp_path / "run", before=prolong)
    rows = rows_of(run, "timeline.csv")
    lengths = [round(float(row["lasts_s"])) for row in rows]
    assert lengths[:20] == [1] * 20
    assert lengths[20:-1] == [2] * len(lengths[20:-1])
    assert total(rows, "calls") == run.summary["call_totals"]["count"]
    assert total(rows_of(run, "actions.csv"), "count") == run.summary["call_totals"]["count"]
    assert run.summary["tables"]["window_s"] > 5


@pytest.mark.parametrize("name", ["timeline.csv", "actions.csv"])
def test_a_full_disk_spoils_the_folder_and_not_the_run(tmp_path: Path, name: str) -> None:
    with a_folder(tmp_path / "run") as folder:
        folder.append(name, "t_s\n")
        with a_full_disk(folder.path / name):
            folder.append(name, "1\n" * 10)
        folder.append(name, "2\n")  # would leave a gap
    assert folder.damage is not None
    assert name in folder.damage
    assert "No space left" in folder.damage
    assert (folder.path / name).read_text() == "t_s\n"


def test_a_disk_that_is_full_in_the_middle_ends_no_run(tmp_path: Path) -> None:
    def fill(runner: Runner) -> None:
        folder = runner._folder

        def full(name: str, text: str) -> None:
            folder._spoil(name, OSError(28, "No space left on device"))

        folder.append = full  # type: ignore[method-assign]

    run = run_in_memory(a_scenario(target=MEMORY), tmp_path / "run", before=fill)
    assert run.result == "passed"
    assert run.runner._folder.damage is not None


def test_a_stalled_disk_costs_rows_and_not_memory(tmp_path: Path) -> None:
    with a_folder(tmp_path / "run") as folder:
        tables = RunTables(folder)
        tables._rows_due = ["x\n"] * 1_000

        class Mass:
            class wish:
                target = 0

        class Engine:
            class timeline:
                began_s = 0.0

            class clock:
                @staticmethod
                def iso(at_s: float) -> str:
                    return ""

            class supervisor:
                chargers: ClassVar[dict[str, object]] = {}

            mass = Mass
            stage_label = "hold"

        class Totals:
            def since_last(self) -> dict[str, float]:
                return dict.fromkeys(TIMELINE_COLUMNS, 0.0)

        async def one_more() -> None:
            tables._engine, tables._totals = Engine(), Totals()  # type: ignore[assignment]
            tables._row({})

        trio.run(one_more)
        assert len(tables._rows_due) == 1_000
        assert tables._not_written == 1
