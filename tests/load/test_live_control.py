"""What people do to a run while it goes on: what it does, what is recorded, what is judged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from builders_load import MEMORY, a_scenario, run_in_memory
from simfleet.errors import Refused
from simfleet.link.impairments import Latency, Reset
from simfleet.load.live.actions import (
    ChangeMode,
    ChangeRate,
    ChangeTarget,
    ClearFaults,
    ClearNetwork,
    ExtendStage,
    ImpairNetwork,
    InjectFault,
    KillChargers,
    PauseRun,
    ResumeRun,
    SkipStage,
    StopRun,
)
from simfleet.station.fault_kinds import ErrorCodeFault, MissingStop, UnansweredCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from builders_load import Run
    from simfleet.load.live.actions import LiveAction
    from simfleet.load.progress import Progress
    from simfleet.load.runner import Runner
    from simfleet.load.stages.engine import Engine

SHORT = ("{do: ramp, to: 4, over: 1s}", "{do: hold, for: 20s}", "{do: stop, over: 1s}")
Step = tuple[float, "LiveAction | Callable[[Engine], None]"]


def live_run(
    path: Path, *steps: Step, stages: tuple[str, ...] = SHORT, **how: Any
) -> tuple[Run, list[str]]:
    """A run in memory to which things are done at these seconds of its load, and what came of each:
    what was done, or the code of the refusal.
    """
    said: list[str] = []
    left = list(steps)
    at_work: list[Runner] = []

    def act(progress: Progress) -> None:
        engine = at_work[0].engine
        assert engine is not None
        while left and progress.elapsed_s >= left[0][0]:
            _, step = left.pop(0)
            if callable(step):
                step(engine)
                continue
            try:
                said.append(engine.live.act(step, by="ann"))
            except Refused as refused:
                said.append(refused.code)

    scenario = a_scenario(target=MEMORY, stages=stages, **how)
    run = run_in_memory(scenario, path, watch=act, before=at_work.append)
    assert not left, "the run was over before all was done"
    return run, said


def stage(run: Run, number: int) -> dict[str, Any]:
    found: dict[str, Any] = run.summary["stages"][number]
    return found


def took_s(run: Run, number: int) -> float:
    one = stage(run, number)
    return float(one["ended_s"] - one["began_s"])


# ── time ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_paused_stage_takes_as_much_longer_as_it_stood_still(tmp_path: Path) -> None:
    run, said = live_run(tmp_path / "run", (5, PauseRun()), (15, ResumeRun()))
    assert said == ["paused in 'hold 20 s'", "resumed"]
    assert took_s(run, 1) == pytest.approx(30, abs=0.1)
    assert run.result == "passed"
    seen = [progress.paused for progress in run.seen]
    assert seen.count(True) == 10
    assert run.summary["changed_live"] is True


def test_nobody_is_brought_in_while_paused_and_the_rest_comes_at_the_same_pace(
    tmp_path: Path,
) -> None:
    stages = ("{do: ramp, to: 40, over: 20s}", "{do: stop, over: 1s}")
    run, _ = live_run(
        tmp_path / "run", (5, PauseRun()), (25, ResumeRun()), stages=stages, chargers=40
    )
    sizes = {progress.elapsed_s: progress.chargers for progress in run.seen}
    assert sizes[6.0] == sizes[25.0] < 14
    assert took_s(run, 0) == pytest.approx(40, abs=0.5)
    assert stage(run, 0)["chargers"] == 40


def test_no_session_begins_in_a_pause_but_those_that_run_go_on(tmp_path: Path) -> None:
    started: list[int] = []

    def look(engine: Engine) -> None:
        started.append(engine.recorder.ledger.opened)

    run, _ = live_run(
        tmp_path / "run",
        (6, PauseRun()),
        (10, look),
        (120, look),
        (120, ResumeRun()),
        behaviour="think_time: 100ms..300ms, energy_kwh: 0.01..0.02, pause: 200ms..400ms",
    )
    assert started[0] == started[1] > 0
    assert run.summary["transactions"]["started"] > started[1]
    assert run.result == "passed"


def test_pausing_twice_and_resuming_what_goes_on_are_refused(tmp_path: Path) -> None:
    run, said = live_run(
        tmp_path / "run", (3, ResumeRun()), (4, PauseRun()), (5, PauseRun()), (6, ResumeRun())
    )
    assert said[0] == "NOT_PAUSED"
    assert said[2] == "PAUSED_ALREADY"
    refused = [one for one in run.summary["actions"] if not one["done"]]
    assert [one["do"] for one in refused] == ["resume", "pause"]


def test_a_stage_ends_later_or_sooner(tmp_path: Path) -> None:
    run, said = live_run(tmp_path / "later", (5, ExtendStage(by_s=30)))
    assert took_s(run, 1) == pytest.approx(50, abs=0.1)
    assert said[0].startswith("'hold 20 s' ends in ")
    run, _ = live_run(tmp_path / "sooner", (5, ExtendStage(by_s=-10)))
    assert took_s(run, 1) == pytest.approx(10, abs=0.1)
    run, _ = live_run(tmp_path / "now", (5, ExtendStage(by_s=-100)))
    assert took_s(run, 1) == pytest.approx(4, abs=0.2)
    _, said = live_run(tmp_path / "not", (5, ExtendStage(by_s=0)))
    assert said == ["NOTHING_TO_EXTEND"]


def test_a_skipped_stage_ends_at_once_and_the_next_one_begins(tmp_path: Path) -> None:
    run, said = live_run(tmp_path / "run", (5, SkipStage()))
    assert said == ["skipped the rest of 'hold 20 s'"]
    assert stage(run, 1)["complete"] is False
    assert took_s(run, 1) == pytest.approx(4, abs=0.2)
    assert [one["do"] for one in run.summary["stages"]] == ["ramp", "hold", "stop"]
    assert run.result == "passed"
    assert run.summary["ledger"]["balanced"] is True


def test_after_a_skipped_ramp_the_fleet_stays_as_large_as_it_is(tmp_path: Path) -> None:
    stages = ("{do: ramp, to: 40, over: 40s}", "{do: hold, for: 10s}", "{do: stop, over: 1s}")
    run, _ = live_run(tmp_path / "run", (10, SkipStage()), stages=stages, chargers=40)
    assert 8 <= stage(run, 0)["chargers"] == stage(run, 1)["chargers"] <= 12
    assert run.result == "passed"
    assert run.finished.verdict.reasons == []


def test_a_run_can_be_skipped_to_its_end_in_a_pause(tmp_path: Path) -> None:
    run, _ = live_run(tmp_path / "run", (5, PauseRun()), (6, SkipStage()), (9, SkipStage()))
    assert run.result == "passed"
    assert run.summary["ledger"]["balanced"] is True


# ── the fleet ────────────────────────────────────────────────────────────────────────────────────


def test_a_lower_target_wins_until_the_next_stage_that_names_one(tmp_path: Path) -> None:
    stages = (
        *("{do: ramp, to: 10, over: 1s}", "{do: hold, for: 20s}"),
        *("{do: ramp, to: 8, over: 1s}", "{do: hold, for: 5s}", "{do: stop, over: 1s}"),
    )
    run, said = live_run(
        tmp_path / "run", (5, ChangeTarget(to=3, over_s=2)), stages=stages, chargers=10
    )
    assert said == ["target 3 charging over 2s"]
    assert stage(run, 1)["chargers"] == 3
    assert stage(run, 3)["chargers"] == 8
    assert run.result == "passed"


def test_who_lowers_the_target_of_a_ramp_has_not_failed_the_run(tmp_path: Path) -> None:
    stages = ("{do: ramp, to: 40, over: 40s}", "{do: hold, for: 5s}", "{do: stop, over: 1s}")
    run, _ = live_run(tmp_path / "run", (10, ChangeTarget(to=5)), stages=stages, chargers=40)
    assert run.finished.verdict.reasons == []
    assert run.result == "passed"
    assert run.summary["chargers"]["failed"] == 0
    assert stage(run, 1)["chargers"] == 5


def test_a_higher_target_is_what_the_verdict_wants(tmp_path: Path) -> None:
    stages = ("{do: ramp, to: 2, over: 1s}", "{do: hold, for: 10s}", "{do: stop, over: 1s}")
    run, _ = live_run(tmp_path / "run", (4, ChangeTarget(to=4)), stages=stages)
    assert run.summary["chargers"]["booted"] == 4
    assert run.result == "passed"


def test_a_target_above_the_fleet_is_refused(tmp_path: Path) -> None:
    run, said = live_run(tmp_path / "run", (4, ChangeTarget(to=5)))
    assert said == ["TARGET_TOO_LARGE"]
    assert run.summary["changed_live"] is False
    assert run.summary["actions"][0]["result"] == "5 chargers; this fleet has 0 to 4"


def test_a_fleet_told_to_connect_only_ends_its_transactions(tmp_path: Path) -> None:
    open_ones: list[int] = []
    run, said = live_run(
        tmp_path / "run",
        (6, ChangeMode(mode="connect")),
        (15, lambda engine: open_ones.append(engine.recorder.ledger.still_open)),
    )
    assert said == ["target 4 connect"]
    assert open_ones == [0]
    assert run.result == "passed"


def test_a_rate_needs_a_stage_that_has_one(tmp_path: Path) -> None:
    _, said = live_run(tmp_path / "run", (4, ChangeRate(per_s=5)))
    assert said == ["NO_ARRIVALS"]


SESSIONS = (
    "{do: ramp, to: 20, over: 1s, mode: connect}",
    "{do: sessions, rate: 1/s, for: 40s}",
    "{do: stop, over: 1s}",
)


def test_a_live_rate_counts_from_then_on(tmp_path: Path) -> None:
    run, said = live_run(tmp_path / "run", (21, ChangeRate(per_s=3)), stages=SESSIONS, chargers=20)
    assert said == ["rate 3/s"]
    assert run.summary["arrivals"]["wanted"] == pytest.approx(20 + 20 * 3, abs=2)
    rates = {progress.elapsed_s: progress.rate_per_s for progress in run.seen}
    assert (rates[20.0], rates[22.0]) == (1, 3)


def test_nobody_arrives_in_a_pause_and_all_who_were_to_come_do_so_later(tmp_path: Path) -> None:
    arrived: list[int] = []

    def look(engine: Engine) -> None:
        arrived.append(engine.guests.counts.arrived)

    run, _ = live_run(
        tmp_path / "run",
        (11, PauseRun()),
        (11, look),
        (31, look),
        (31, ResumeRun()),
        stages=SESSIONS,
        chargers=20,
    )
    assert arrived[0] == arrived[1] == pytest.approx(10, abs=1)
    assert run.summary["arrivals"]["wanted"] == pytest.approx(40, abs=1)
    assert run.result == "passed"


# ── what goes wrong on purpose ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["link", "power"])
def test_killed_chargers_come_back_by_themselves(tmp_path: Path, how: Any) -> None:
    stages = ("{do: ramp, to: 10, over: 1s}", "{do: hold, for: 120s}", "{do: stop, over: 1s}")
    run, said = live_run(
        tmp_path / "run", (5, KillChargers(share=0.5, how=how)), stages=stages, chargers=10
    )
    assert said == [f"cut 5 of 10 chargers off ({how})"]
    assert run.summary["connect"]["opened"] == 15
    assert run.summary["injected"]["by_kind"] == {f"kill_{how}": 5}
    assert run.summary["chargers"]["connected_min"] == 5
    assert run.summary["ledger"]["balanced"] is True
    assert run.result == "passed"
    assert (run.summary["boot"]["accepted"] == 15) is (how == "power")


@pytest.mark.parametrize("how", ["link", "power"])
def test_killed_chargers_stay_away_as_long_as_they_are_told(tmp_path: Path, how: Any) -> None:
    stages = ("{do: ramp, to: 10, over: 1s}", "{do: hold, for: 200s}", "{do: stop, over: 1s}")
    run, _ = live_run(
        tmp_path / "run",
        (5, KillChargers(share=0.5, how=how, for_s=60)),
        stages=stages,
        chargers=10,
    )
    connected = {progress.elapsed_s: progress.connected for progress in run.seen}
    assert {connected[second] for second in (7.0, 30.0, 64.0)} == {5}
    assert connected[195.0] == 10


def test_killing_where_nobody_is_connected_is_refused(tmp_path: Path) -> None:
    stages = ("{do: ramp, to: 4, over: 1s, mode: idle}", "{do: hold, for: 5s}")
    _, said = live_run(tmp_path / "run", (3, KillChargers(share=0.5)), stages=stages)
    assert said == ["NO_CHARGERS"]


def test_a_fault_is_given_to_a_share_and_taken_again(tmp_path: Path) -> None:
    run, said = live_run(
        tmp_path / "run",
        (3, InjectFault(fault=MissingStop(), share=0.5)),
        (12, ClearFaults()),
        behaviour="think_time: 100ms..300ms, energy_kwh: 0.01..0.02, pause: 200ms..400ms",
    )
    assert said == ["2 of 4 chargers have missing_stop now", "all faults removed from 4 chargers"]
    assert run.summary["injected"]["by_kind"]["missing_stop"] > 0


def test_a_fault_that_the_chargers_cannot_have_is_refused(tmp_path: Path) -> None:
    fault = ErrorCodeFault(error_code="InternalError", connector_id=7)
    run, said = live_run(
        tmp_path / "run",
        (3, InjectFault(fault=fault)),
        (4, InjectFault(fault=UnansweredCall(), slices=("dc",))),
    )
    assert said == ["FAULT_IMPOSSIBLE", "NO_SUCH_SLICE"]
    wrong = run.summary["actions"][1]["result"]
    assert wrong == "'dc' is not a slice of the fleet; there is ac"


def test_the_network_is_made_worse_and_good_again(tmp_path: Path) -> None:
    run, said = live_run(
        tmp_path / "run",
        (3, ImpairNetwork(impairment=Latency(delay_s=0.5), share=0.5)),
        (10, ClearNetwork()),
        (11, ImpairNetwork(impairment=Reset())),
    )
    assert said == [
        "2 chargers have latency now",
        "the network of 2 chargers is good again",
        "IMPAIRMENT_IMPOSSIBLE",
    ]
    assert run.summary["call_totals"]["response_ms"]["max"] >= 500


# ── the end ──────────────────────────────────────────────────────────────────────────────────────


def test_a_live_stop_brings_the_chargers_home(tmp_path: Path) -> None:
    run, said = live_run(tmp_path / "run", (5, StopRun()))
    assert said == ["stopping: the chargers are brought home"]
    assert run.result == "interrupted"
    assert run.summary["verdict"]["reasons"][0] == "interrupted by ann (live)"
    assert run.summary["ledger"]["balanced"] is True
    assert run.summary["changed_live"] is False


def test_a_live_stop_now_cuts_everything_off(tmp_path: Path) -> None:
    run, _ = live_run(tmp_path / "run", (5, StopRun(now=True)))
    assert run.result == "interrupted"
    assert run.summary["ledger"]["balanced"] is None


def test_a_paused_run_that_is_stopped_goes_home(tmp_path: Path) -> None:
    run, _ = live_run(tmp_path / "run", (5, PauseRun()), (8, StopRun()))
    assert run.result == "interrupted"
    assert run.summary["ledger"]["balanced"] is True
    assert run.summary["load_s"] < 30


def test_once_the_stages_are_over_only_a_stop_is_left(tmp_path: Path) -> None:
    def over(engine: Engine) -> None:
        engine.stages_over = True

    _, said = live_run(tmp_path / "run", (5, over), (5, ChangeTarget(to=1)), (6, StopRun()))
    assert said == ["STAGES_OVER", "stopping: the chargers are brought home"]


# ── the books ────────────────────────────────────────────────────────────────────────────────────


def test_every_action_is_recorded_and_annotated(tmp_path: Path) -> None:
    run, _ = live_run(tmp_path / "run", (4, ChangeTarget(to=2, over_s=1)), (6, ChangeTarget(to=99)))
    done, refused = run.summary["actions"]
    assert list(done) == ["at_s", "at", "by", "do", "what", "asked", "done", "result"]
    page = (Path(__file__).parents[2] / "docs" / "summary.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `actions\[\]\.(\w+)` \|", page, re.MULTILINE) == list(done)
    assert (done["at_s"], done["by"], done["do"], done["done"]) == (4.0, "ann", "target", True)
    assert done["what"] == "target 2 over 1s"
    assert done["asked"] == {"do": "target", "to": 2, "over_s": 1.0}
    assert refused["done"] is False
    assert run.summary["actions_total"] == 2
    notes = [one for one in run.summary["annotations"]["kept"] if one["kind"] == "action"]
    assert [(one["at_s"], one["by"], one["text"]) for one in notes] == [
        (4.0, "ann", "target 2 charging over 1s")
    ]


def test_a_run_that_nobody_touched_says_so(tmp_path: Path) -> None:
    run, _ = live_run(tmp_path / "run")
    assert run.summary["changed_live"] is False
    assert run.summary["actions"] == []


def test_progress_tells_of_the_last_action_and_of_the_time_left(tmp_path: Path) -> None:
    run, _ = live_run(tmp_path / "run", (5, ExtendStage(by_s=30)))
    before, after = run.seen[3], run.seen[6]
    assert before.run_left_s == pytest.approx(20 + 1 - 3, abs=0.2)
    assert after.run_left_s == pytest.approx(50 + 1 - 6, abs=0.2)
    assert (before.stage_number, before.stages) == (2, 3)
    assert after.last_action.startswith("ann: 'hold 20 s' ends in ")
    assert after.last_action_at_s == 5.0
    assert after.changed_live
    assert not before.changed_live
