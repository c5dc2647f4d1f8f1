"""Storms: who is struck, how long until all are back, and what is said when somebody is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_newcomer import ROOT
from builders_storms import broken, stormy, virtually
from simfleet.errors import ScenarioInvalid, UsageWrong
from simfleet.load.adjust import with_target
from simfleet.load.metrics import metric_named
from simfleet.load.scenario import parse_scenario
from simfleet.load.stages.recovery import CURVE_MAX, curve, recovery, seconds_to

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


# ── the figures ─────────────────────────────────────────────────────────────────────────────────


def test_the_time_to_a_share_is_when_the_last_of_that_share_came() -> None:
    back_s = [float(n) for n in range(1, 101)]
    assert seconds_to(back_s, 100, 0.5) == 50
    assert seconds_to(back_s, 100, 0.95) == 95
    assert seconds_to(back_s, 100, 1.0) == 100
    assert seconds_to([3.0], 1, 0.5) == 3


def test_a_share_that_was_never_reached_has_no_time() -> None:
    assert recovery([1.0, 2.0, 3.0], 4) == {
        "chargers": 4,
        "back": 3,
        "missing": 1,
        "seconds_to_50": 2.0,
        "seconds_to_95": None,
        "seconds_to_100": None,
    }
    assert recovery([], 0)["seconds_to_100"] is None


@given(st.lists(st.floats(0, 1e6), max_size=350))
def test_the_curve_is_short_and_says_how_many_were_back_when(back_s: list[float]) -> None:
    points = curve(back_s)
    assert len(points) <= CURVE_MAX
    for point in points:
        assert sum(round(at_s, 3) <= point["after_s"] for at_s in back_s) >= point["back"]
    assert [point["after_s"] for point in points] == sorted({point["after_s"] for point in points})
    assert not back_s or points[-1] == {"after_s": round(max(back_s), 3), "back": len(back_s)}


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.integers(0, 20))
def test_more_of_them_never_took_less_time(back_s: list[float], missing: int) -> None:
    whole = len(back_s) + missing
    times = [seconds_to(back_s, whole, share) for share in (0.5, 0.95, 1.0)]
    reached = [time_s for time_s in times if time_s is not None]
    assert reached == sorted(reached)
    assert (times[2] is None) == (missing > 0)
    for share, time_s in zip((0.5, 0.95, 1.0), times, strict=True):
        if time_s is not None:
            assert sum(one <= time_s for one in back_s) >= share * whole


# ── whole runs ──────────────────────────────────────────────────────────────────────────────────


def one(summary: dict[str, Any]) -> dict[str, Any]:
    [storm] = summary["storms"]
    return dict(storm)


def test_a_boot_storm_has_a_share_of_the_fleet_boot_at_once(tmp_path: Path) -> None:
    summary = virtually(stormy("{do: boot_storm, share: 50%, for: 20s, name: wave}"), tmp_path)
    storm = one(summary)
    assert (storm["name"], storm["chargers"], storm["missing"]) == ("wave", 10, 0)
    assert 2.0 <= storm["seconds_to_50"] <= storm["seconds_to_100"] < 4  # they take 2 s to boot
    assert summary["boot"]["accepted"] == 30
    assert broken(summary) == []
    [stage] = [stage for stage in summary["stages"] if stage["storm"]]
    assert stage["storm"]["seconds_to_95"] == storm["seconds_to_95"]
    assert "storm" in {note["kind"] for note in summary["annotations"]["kept"]}


def test_a_reconnect_storm_keeps_transactions_and_boots_nobody(tmp_path: Path) -> None:
    quick = virtually(stormy("{do: reconnect_storm, for: 20s, backoff: none}"), tmp_path / "a")
    assert one(quick)["chargers"] == 20
    assert one(quick)["seconds_to_100"] < 1
    assert quick["disconnects"] == {"cut": 20, "ended": 20}
    assert quick["problems"]["total"] == 0  # nobody is to blame
    assert quick["boot"]["accepted"] == 20
    assert broken(quick) == []
    own = virtually(stormy("{do: reconnect_storm, for: 3m}"), tmp_path / "b")
    assert one(own)["seconds_to_50"] > one(quick)["seconds_to_50"]
    assert one(own)["missing"] == 0


def test_a_blackout_ends_transactions_and_everybody_is_back_with_them(tmp_path: Path) -> None:
    summary = virtually(stormy("{do: hold, for: 3s}", "{do: blackout, for: 30s}"), tmp_path)
    assert one(summary)["seconds_to_50"] == pytest.approx(2.1, abs=0.2)  # from when power is back
    assert one(summary)["missing"] == 0
    assert summary["ledger"]["csms"]["stop_reasons"]["PowerLoss"] > 0
    assert broken(summary) == []
    [stage] = [stage for stage in summary["stages"] if stage["do"] == "blackout"]
    assert stage["ended_s"] - stage["began_s"] < 40  # over when the last is back


def test_whoever_is_still_in_the_dark_is_missing_and_named(tmp_path: Path) -> None:
    slow = ('{name: slow, count: 20, id: "S-{n:02}", reboot_time: 30s}',)
    scenario = stormy(
        "{do: boot_storm, for: 5s}",
        "{do: hold, for: 40s}",
        slices=slow,
        thresholds='{storm.missing: "== 0", storm.seconds_to_50: "< 1m"}',
    )
    summary = virtually(scenario, tmp_path)
    assert one(summary)["missing"] == 20
    assert one(summary)["seconds_to_50"] is None
    results = {result["metric"]: result for result in summary["thresholds"]}
    assert results["storm.missing"]["actual"] == 20
    assert not results["storm.seconds_to_50"]["passed"]  # what never came is not quick
    assert b"20 of 20 chargers are not back" in (tmp_path / "errors.jsonl").read_bytes()


def test_a_rolling_restart_takes_group_after_group(tmp_path: Path) -> None:
    summary = virtually(
        stormy("{do: rolling_restart, batch: 25%, every: 4s, what: chargers}"), tmp_path
    )
    storm = one(summary)
    assert storm["chargers"] == 20
    assert 6 <= storm["seconds_to_50"] < 8  # the second group, 4 s later, 2 s to boot
    assert 14 <= storm["seconds_to_100"] < 16
    assert summary["chargers"]["connected_min"] >= 15
    assert broken(summary) == []


def test_a_firmware_wave_is_over_when_all_run_the_new_one(tmp_path: Path) -> None:
    slices = (
        '{name: v16, count: 12, id: "A-{n:02}", reboot_time: 2s, transfers: simulated,'
        " install_time: 3s}",
        '{name: v201, count: 8, id: "B-{n:02}", version: ocpp2.0.1, reboot_time: 2s,'
        " transfers: simulated, install_time: 3s}",
    )
    scenario = stormy("{do: firmware_wave, batch: 50%, every: 5s}", slices=slices)
    summary = virtually(scenario.replace(b"mode: charging", b"mode: connect"), tmp_path)
    assert one(summary)["missing"] == 0
    assert one(summary)["seconds_to_50"] + 4 < one(summary)["seconds_to_100"] < 40
    assert summary["ledger"]["csms"]["commands"]["UpdateFirmware"] == {"answered": 20}
    assert summary["ledger"]["csms"]["boots"] == 40


FIRMWARE_SLICES = (
    '{name: v16, count: 20, id: "A-{n:02}", reboot_time: 2s, transfers: simulated,'
    " install_time: 3s}",
)


def waved(*stages: str, slices: Sequence[str] = FIRMWARE_SLICES) -> bytes:
    return stormy(*stages, slices=slices).replace(b"mode: charging", b"mode: connect")


def test_updates_are_told_to_their_end_over_a_network_that_spoils_messages(tmp_path: Path) -> None:
    """An `Installed` that got lost is said again: the CSMS hears of every update that ended."""
    scenario = waved(
        "{do: firmware_wave, batch: 50%, every: 5s, within: 5m, network:"
        " [{kind: corrupt, probability: 4%}, {kind: duplicate, probability: 10%}]}",
        "{do: hold, for: 2m}",
    )
    for seed in (b"1", b"2", b"3", b"4"):
        summary = virtually(scenario.replace(b"seed: 9", b"seed: " + seed), tmp_path / str(seed))
        assert summary["injected"]["by_kind"]["network_corrupt"] > 5
        assert one(summary)["missing"] == 0
        assert summary["ledger"]["csms"]["firmware_statuses"]["Installed"] >= 20
        assert broken(summary) == []


def test_one_silent_charger_does_not_hold_up_the_groups_behind_it(tmp_path: Path) -> None:
    scenario = waved(
        "{do: firmware_wave, batch: 25%, every: 5s, within: 1m, faults:"
        " [{kind: unanswered_call, actions: [UpdateFirmware], count: 1, to: {share: 5%}}]}"
    )
    storm = one(virtually(scenario, tmp_path))
    assert storm["missing"] == 0
    assert storm["seconds_to_95"] < 30  # the last group begins after 15 s
    assert 30 < storm["seconds_to_100"] < 70  # the silent one, which was told again


def test_a_charger_that_was_away_is_told_when_it_is_back(tmp_path: Path) -> None:
    scenario = waved(
        "{do: firmware_wave, batch: 50%, every: 10s, within: 2m, network:"
        " [{kind: reset, every: 5s, count: 1}]}"
    )
    summary = virtually(scenario, tmp_path)
    assert summary["injected"]["by_kind"]["network_reset"] > 10
    assert (one(summary)["chargers"], one(summary)["missing"]) == (20, 0)


def test_the_same_seed_strikes_the_same_chargers(tmp_path: Path) -> None:
    def boots(name: str, seed: str) -> list[Any]:
        scenario = stormy("{do: boot_storm, share: 20%, for: 10s}").replace(
            b"seed: 9", seed.encode()
        )
        summary = virtually(scenario, tmp_path / name)
        return [one(summary), summary["call_totals"]["count"]]

    assert boots("a", "seed: 9") == boots("b", "seed: 9")


# ── what cannot be ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("{do: boot_storm, share: 50%}", "'for' is missing"),
        ("{do: rolling_restart, batch: 0, every: 1s}", "out of range"),
        ("{do: reconnect_storm, for: 5s, backoff: some}", "write own or none"),
        ("{do: boot_storm, for: 5s, csms: {misbehave: stall=5s}}", "write freeze: 5s"),
        ("{do: hold, for: 5s, csms: {}}", "says nothing"),
        ("{do: hold, for: 5s, csms: {delay: soon}}", "is not a duration"),
    ],
)
def test_mistakes_in_storms_are_located(stage: str, says: str) -> None:
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(stormy(stage))
    [problem] = caught.value.problems
    assert says in problem
    assert problem.startswith("scenario.yaml:11:")


@pytest.mark.parametrize(
    "stage",
    ["{do: hold, for: 5s, csms: {delay: 1s}}", "{do: firmware_wave, batch: 50%, every: 5s}"],
)
def test_only_the_embedded_csms_does_as_it_is_told(stage: str) -> None:
    with pytest.raises(ScenarioInvalid, match="embedded CSMS"):
        parse_scenario(stormy(stage, target='"ws://127.0.0.1:9/"'))
    with pytest.raises(UsageWrong, match="embedded CSMS"):
        with_target(parse_scenario(stormy(stage)), "ws://127.0.0.1:9/")
    scenario = parse_scenario(stormy(stage))
    assert with_target(scenario, "embedded") == scenario  # which is what it said already


def test_figures_of_storms_are_metrics() -> None:
    assert metric_named("storm.seconds_to_100")[0].kind == "duration"
    assert metric_named("storm[wave].missing")[0].kind == "count"
    with pytest.raises(ValueError, match="seconds_to_95"):
        metric_named("storm[wave].seconds_to_96")


# ── the scenarios that come with SimFleet ───────────────────────────────────────────────────────

SCENARIOS = {
    "boot-storm": 60,
    "reconnect-storm": 60,
    "blackout": 60,
    "firmware-wave": 60,
    "slow-csms": 100,
    "rolling-restart": 60,
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_of_storms_passes(name: str, tmp_path: Path) -> None:
    scenario = ROOT / "scenarios" / f"{name}.yaml"
    summary = virtually(scenario, tmp_path, chargers=SCENARIOS[name])
    assert summary["verdict"]["result"] == "passed"
    assert summary["ledger"]["balanced"] is True
    assert (summary["storms"] != []) == (name != "slow-csms")
