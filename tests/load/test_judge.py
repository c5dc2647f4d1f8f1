"""Thresholds of a part of a run, and those that end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders_load import MEMORY, Run, a_scenario, run_in_memory
from simfleet.csms.behaviour import Behaviour, Delay
from simfleet.errors import ScenarioInvalid
from simfleet.load.scenario import parse_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.load.schema1 import Scenario

SLOW = Behaviour(action_delays={"MeterValues": Delay(low_s=0.5, high_s=0.5)})


def two_slices(
    thresholds: str, *, warm_up: str = "0s", hold: str = "20s", berlin: int = 3, munich: int = 1
) -> Scenario:
    return parse_scenario(
        f"""\
schema: 1
name: two
seed: 3
target: {{url: "{MEMORY}"}}
fleet:
  - {{name: berlin, count: {berlin}, id: "B-{{n}}", configuration: {{MeterValueSampleInterval: 1}}}}
  - {{name: munich, count: {munich}, id: "M-{{n}}", configuration: {{MeterValueSampleInterval: 5}}}}
behaviour: {{think_time: 100ms..300ms, energy_kwh: 50..90}}
warm_up: {warm_up}
stages:
  - {{do: ramp, to: {berlin + munich}, over: 1s}}
  - {{do: hold, for: {hold}, name: peak}}
  - {{do: stop, over: 1s}}
thresholds:
{thresholds}
""".encode()
    )


def judged(run: Run) -> dict[str, Any]:
    return {one["metric"]: one for one in run.summary["thresholds"]}


# ── slices ───────────────────────────────────────────────────────────────────────────────────────


def test_slices_have_figures_of_their_own_that_add_up(tmp_path: Path) -> None:
    run = run_in_memory(two_slices('  call.count: "> 1"'), tmp_path)
    berlin, munich = run.summary["slices"]
    assert (berlin["name"], munich["name"]) == ("berlin", "munich")
    assert berlin["chargers"] == {"count": 3, "target": 3, "booted": 3, "failed": 0}
    for action, call in run.summary["calls"].items():
        parts = [one["calls"][action] for one in (berlin, munich) if action in one["calls"]]
        assert sum(part["count"] for part in parts) == call["count"], action
    for key in ("started", "stopped"):
        whole = run.summary["transactions"][key]
        assert berlin["transactions"][key] + munich["transactions"][key] == whole > 0
    energy = sum(one["transactions"]["energy_kwh"] for one in (berlin, munich))
    assert energy == pytest.approx(run.summary["transactions"]["energy_kwh"], abs=0.01)
    ratio = berlin["calls"]["MeterValues"]["count"] / munich["calls"]["MeterValues"]["count"]
    assert ratio > 8  # three chargers, five times as often


def test_a_fleet_of_one_slice_has_the_figures_of_the_fleet(tmp_path: Path) -> None:
    run = run_in_memory(a_scenario(target=MEMORY), tmp_path)
    (only,) = run.summary["slices"]
    assert only["calls"] == run.summary["calls"]
    assert only["chargers"]["booted"] == 4


# ── stages and slices of thresholds ──────────────────────────────────────────────────────────────


def test_a_threshold_of_one_stage_sees_that_stage_alone(tmp_path: Path) -> None:
    thresholds = """\
  call[BootNotification]{stage=peak}.count: "== 0"
  call[BootNotification]{stage=0}.count: "== 4"
  call[MeterValues]{stage=peak}.count: ">= 55"
  call[MeterValues]{stage=peak,slice=munich}.count: "<= 5"
  connections{stage=peak}.min: "== 4"
  generator{stage=peak}.loop_lag.p99: "< 1h"
  boot{slice=munich}.accepted_ratio: "== 1"
  sessions{slice=berlin}.lost: "== 0"
"""
    run = run_in_memory(two_slices(thresholds), tmp_path)
    assert run.result == "passed", run.finished.verdict.reasons
    found = {(one["stage"], one["slice"]): one for one in run.summary["windows"]}
    peak = next(stage for stage in run.summary["stages"] if stage["name"] == "peak")
    of_peak = found[("peak", None)]
    assert (
        of_peak["calls"]["MeterValues"]["count"] == peak["calls"]["MeterValues.response"]["count"]
    )
    assert of_peak["began_s"] == pytest.approx(peak["began_s"], abs=0.01)
    assert of_peak["ended_s"] == pytest.approx(peak["ended_s"], abs=0.01)
    by_slice = [found[("peak", "munich")]["calls"]["MeterValues"]["count"]]
    assert by_slice[0] in (4, 5)


def test_times_of_a_stage_are_those_of_the_timeline(tmp_path: Path) -> None:
    run = run_in_memory(
        two_slices('  call{stage=peak}.response.p99: "< 1s"'), tmp_path, behaviour=SLOW
    )
    (window,) = run.summary["windows"]
    peak = next(stage for stage in run.summary["stages"] if stage["name"] == "peak")
    for action, call in window["calls"].items():
        times = peak["calls"][f"{action}.response"]
        # What is answered while the log is written may be on either side of the border.
        assert abs(call["count"] - times["count"]) <= 1
        assert call["response_ms"]["p50"] == times["p50"]
        assert call["response_ms"]["max"] == times["max"]


def test_a_stage_that_was_never_reached_has_no_figures(tmp_path: Path) -> None:
    thresholds = """\
  call{stage=2}.count: ">= 0"
  call[MeterValues].response.p50: {limit: "< 100ms", abort_on_fail: true}
"""
    run = run_in_memory(two_slices(thresholds), tmp_path, behaviour=SLOW)
    assert run.result == "aborted"
    result = judged(run)["call{stage=2}.count"]
    assert (result["passed"], result["reason"]) == (False, "the run has no figures of stage 2")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("call{slice=paris}.count", "'paris' is not a slice of the fleet; write berlin, munich"),
        ("call{stage=noon}.count", "'noon' is not a stage; write 'peak', or its number, 0 to 2"),
        ("call{stage=3}.count", "'3' is not a stage"),
        ("connect{stage=peak}.seconds_to_all", "connect.seconds_to_all is not known of one stage"),
        ("boot{stage=peak}.accepted_ratio", "accepted here: {slice=name}"),
        ("call{region=x}.count", "write stage=name or slice=name"),
        ("call.count{stage=peak}", "write call{stage=peak}.count"),
        ("call.response.p(99)", "write call.response.p99 instead"),
    ],
)
def test_a_selector_that_selects_nothing_is_a_located_mistake(line: str, message: str) -> None:
    limit = '"< 1s"' if "response" in line or "seconds" in line else '">= 0"'
    with pytest.raises(ScenarioInvalid) as caught:
        two_slices(f"  {line}: {limit}")
    (problem,) = caught.value.problems
    assert problem.startswith("scenario.yaml:15:")
    assert message in problem


# ── warm-up ──────────────────────────────────────────────────────────────────────────────────────


def test_a_warm_up_is_left_out_of_thresholds_and_said(tmp_path: Path) -> None:
    thresholds = """\
  call[BootNotification].count: "== 0"
  call.count: {limit: "> 60", warm_up: included}
  call[MeterValues]{slice=munich}.count: ">= 1"
"""
    run = run_in_memory(two_slices(thresholds, warm_up="10s"), tmp_path)
    assert run.result == "passed", run.finished.verdict.reasons
    summary = run.summary
    assert summary["warm_up_s"] == 10
    whole = next(one for one in summary["windows"] if one["slice"] is None)
    assert whole["began_s"] == pytest.approx(10, abs=0.1)
    after = whole["call_totals"]["count"]
    assert after + summary["warm_up_calls"] == summary["call_totals"]["count"]
    assert summary["warm_up_calls"] > 20
    assert judged(run)["call[BootNotification].count"]["after_warm_up"]
    assert not judged(run)["call.count"]["after_warm_up"]


def test_a_warm_up_as_long_as_the_stages_is_a_mistake() -> None:
    with pytest.raises(ScenarioInvalid, match="is as long as all stages"):
        two_slices('  call.count: "> 1"', warm_up="22s")


# ── abort_on_fail ────────────────────────────────────────────────────────────────────────────────

ABORT = "  call[MeterValues].response.p50: {limit: '< 100ms', abort_on_fail: true, delay: 8s}"


def test_a_broken_limit_ends_the_run_in_order_after_its_delay(tmp_path: Path) -> None:
    run = run_in_memory(two_slices(ABORT, hold="500s"), tmp_path, behaviour=SLOW)
    assert run.result == "aborted"
    reason = run.finished.verdict.reasons[0]
    assert reason.startswith("aborted: threshold call[MeterValues].response.p50 < 100ms was broken")
    assert "after 8s of load" in reason
    assert 8 <= run.summary["load_s"] < 20
    transactions = run.summary["transactions"]
    assert transactions["started"] == transactions["stopped"] == 4
    assert run.summary["ledger"]["balanced"] is True
    (note,) = [note for note in run.summary["annotations"]["kept"] if note["kind"] == "abort"]
    assert note["at_s"] == pytest.approx(8, abs=0.5)


def test_a_kept_limit_ends_nothing(tmp_path: Path) -> None:
    run = run_in_memory(two_slices(ABORT), tmp_path)
    assert run.result == "passed"
    assert run.summary["load_s"] > 20


def test_a_limit_of_one_stage_ends_the_run_within_it_and_waits_for_its_delay(
    tmp_path: Path,
) -> None:
    line = "  call{stage=peak}.service.max: {limit: '< 100ms', abort_on_fail: true, delay: 12s}"
    run = run_in_memory(two_slices(line, hold="500s"), tmp_path, behaviour=SLOW)
    assert run.result == "aborted"
    assert "of the stage" in run.finished.verdict.reasons[0]
    assert 13 <= run.summary["load_s"] < 30


def test_what_has_no_figure_yet_ends_nothing(tmp_path: Path) -> None:
    line = "  connections.min: {limit: '>= 4', abort_on_fail: true}"
    assert run_in_memory(two_slices(line), tmp_path).result == "passed"


def test_a_running_rate_is_that_of_the_time_so_far(tmp_path: Path) -> None:
    line = "  throughput.calls_per_s: {limit: '>= 1', abort_on_fail: true, delay: 5s}"
    assert run_in_memory(two_slices(line), tmp_path).result == "passed"


def test_a_delay_without_abort_is_a_mistake() -> None:
    with pytest.raises(ScenarioInvalid, match="a delay is of no use without abort_on_fail"):
        two_slices("  call.count: {limit: '> 1', delay: 5s}")
