"""A capacity search as a run: against a CSMS that answers so many CALLs a second and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from builders_load import MEMORY, Run, a_scenario, run_in_memory
from simfleet.csms.behaviour import Behaviour
from simfleet.errors import ScenarioInvalid

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = '{call.response.p99: "< 500ms"}'


def a_search(
    tmp_path: Path,
    *,
    more: str = "",
    until: str = LIMIT,
    thresholds: str = "",
    behaviour: Behaviour = Behaviour(throttle=10),  # noqa: B008  frozen
    **options: Any,
) -> Run:
    """20 chargers that each send a CALL a second."""
    search = (
        "{do: capacity, of: chargers, from: 2, to: 20, by: 4, precision: 1,"
        f" settle: 10s, hold: 20s, until: {until}{more}}}"
    )
    scenario = a_scenario(
        target=MEMORY,
        chargers=20,
        stages=[search, "{do: stop, over: 1s}"],
        behaviour="think_time: 100ms..300ms, energy_kwh: 50..90",
        thresholds=thresholds,
    )
    return run_in_memory(scenario, tmp_path, behaviour=behaviour, **options)


def test_the_knee_of_a_csms_is_found_and_said(tmp_path: Path) -> None:
    run = a_search(tmp_path, thresholds='capacity.passed: ">= 5"')
    found = run.summary["capacity"]
    assert found["ended"] == "knee"
    assert found["confirmed"]
    assert 7 <= found["highest_passed"] <= 10  # it answers ten CALLs a second
    assert found["lowest_failed"] == found["highest_passed"] + 1
    (broken,) = found["broken"]
    assert broken["metric"] == "call.response.p99"
    assert broken["by"] > 1
    assert found["text"].startswith(f"{found['highest_passed']:g} chargers; ")
    assert [point["load"] for point in found["curve"]] == sorted(
        step["load"] for step in found["steps"]
    )
    slowest, quickest = found["curve"][-1], found["curve"][0]
    assert slowest["p99_ms"] > 1000 > 300 > quickest["p99_ms"]
    assert run.result == "passed"
    assert len([s for s in run.summary["stages"] if s["do"] == "capacity"]) == len(found["steps"])
    searched = [note for note in run.summary["annotations"]["kept"] if note["kind"] == "search"]
    assert len(searched) == len(found["steps"]) + 1
    assert searched[-1]["text"] == found["text"]


def test_a_csms_that_carries_all_gives_at_least(tmp_path: Path) -> None:
    run = a_search(tmp_path, behaviour=Behaviour(), thresholds='capacity.passed: ">= 21"')
    found = run.summary["capacity"]
    assert (found["ended"], found["highest_passed"], found["lowest_failed"]) == ("top", 20, None)
    assert found["text"] == "at least 20 chargers: no limit was broken"
    assert run.result == "threshold_failed"  # 20 is less than 21


def test_a_limit_that_has_no_figure_ends_the_search_and_says_so(tmp_path: Path) -> None:
    run = a_search(tmp_path, until='{"call[Heartbeat].response.p99": "< 1s"}')
    found = run.summary["capacity"]
    assert found["ended"] == "unmeasured"
    assert "call[Heartbeat].response.p99 had no figure" in found["text"]


def test_a_rate_of_sessions_is_searched_as_well(tmp_path: Path) -> None:
    stages = [
        "{do: ramp, to: 20, over: 1s, mode: connect}",
        "{do: capacity, of: rate, from: 1/s, to: 3/s, by: 1/s, settle: 5s, hold: 20s,"
        f" until: {LIMIT}}}",
        "{do: stop, over: 1s}",
    ]
    scenario = a_scenario(
        target=MEMORY,
        chargers=20,
        stages=stages,
        configuration="MeterValueSampleInterval: 0",
        behaviour="think_time: 100ms..200ms, energy_kwh: 0.001..0.002",
    )
    run = run_in_memory(scenario, tmp_path, behaviour=Behaviour(throttle=12))
    found = run.summary["capacity"]
    assert found["of"] == "rate"
    assert found["ended"] == "knee"
    assert 1 <= found["highest_passed"] < 3
    assert "sessions/s" in found["text"]


def test_a_generator_that_is_the_limit_ends_the_search_and_never_blames_the_csms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from simfleet.load.stages import capacity
    from simfleet.observe.generator_verdict import GeneratorVerdict, Level

    steps = iter([Level.VALID, Level.INVALID])
    monkeypatch.setattr(
        capacity, "judge", lambda _: GeneratorVerdict(next(steps), ["it was too late"])
    )
    run = a_search(tmp_path)
    found = run.summary["capacity"]
    assert found["ended"] == "generator"
    assert (found["highest_passed"], found["lowest_failed"]) == (2, None)
    assert "at 6 chargers the generator was the limit, not the CSMS" in found["text"]
    assert run.summary["verdict"]["generator"] == "SUSPECT"
    assert any("capacity search" in reason for reason in run.summary["verdict"]["reasons"])


def test_a_search_that_is_interrupted_tells_what_it_knows(tmp_path: Path) -> None:
    run = a_search(tmp_path, before=lambda runner: None, watch=lambda seen: stop_at(seen, 45))
    assert run.result == "interrupted"
    assert run.summary["capacity"]["ended"] == "interrupted"
    assert run.summary["capacity"]["highest_passed"] == 2


def stop_at(seen: Any, at_s: float) -> None:
    import signal

    if at_s <= seen.elapsed_s < at_s + 1:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("of: chargers, from: 9, to: 3, by: 1", "to: is below `from`; write 9 or more"),
        ("of: chargers, from: 1, to: 9, by: 1", "to: 9 chargers are more than the fleet has"),
        ("of: rate, from: 1/s, to: 3, by: 1/s", "to: with of: rate, write a rate such as 2/s"),
        ("of: chargers, from: 1, to: 4, by: 1, precision: 2", "precision: is coarser than `by`"),
    ],
)
def test_a_search_that_contradicts_itself_is_a_located_mistake(fields: str, message: str) -> None:
    with pytest.raises(ScenarioInvalid) as caught:
        a_scenario(stages=[f"{{do: capacity, {fields}, until: {LIMIT}}}"])
    assert any(f"stages[0].{message}" in problem for problem in caught.value.problems), (
        caught.value.problems
    )


@pytest.mark.parametrize(
    ("until", "message"),
    [
        ("{}", "is empty; write what must hold"),
        ('{"call{stage=x}.count": "> 1"}', "write the metric without a selector"),
        ('{connect.seconds_to_all: "< 1s"}', "is not known of one step"),
    ],
)
def test_limits_of_a_search_are_of_one_step(until: str, message: str) -> None:
    search = f"{{do: capacity, of: chargers, from: 1, to: 4, by: 1, until: {until}}}"
    with pytest.raises(ScenarioInvalid, match="until") as caught:
        a_scenario(stages=[search])
    assert any(message in problem for problem in caught.value.problems)


def test_a_search_keeps_its_proportions_in_a_smaller_fleet() -> None:
    search = f"{{do: capacity, of: chargers, from: 10, to: 100, by: 20, until: {LIMIT}}}"
    stage = a_scenario(chargers=100, stages=[search]).stages[0]
    smaller = stage.scaled(10, 100)
    assert [getattr(smaller, name).amount for name in ("start", "to", "by")] == [1, 10, 2]
    assert msgspec.structs.replace(smaller) == smaller
