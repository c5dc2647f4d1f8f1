"""Whole runs on a virtual clock, and faster ones over real sockets."""

from __future__ import annotations

import csv
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from builders_load import a_scenario
from builders_service import a_run_lab, a_tiny_scenario
from simfleet.errors import ScenarioInvalid, UsageWrong
from simfleet.load.live.actions import InjectFault
from simfleet.load.prediction import Prediction, prediction_text
from simfleet.load.run_folder import RunFolder, manifest
from simfleet.load.runner import Runner
from simfleet.load.scenario import parse_scenario
from simfleet.load.virtual import virtual_world
from simfleet.load.worlds import with_stand_in, world_of
from simfleet.station.fault_kinds import MissingStop

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simfleet.load.progress import Progress
    from simfleet.load.schema1 import Scenario
    from simfleet.load.stages.engine import Companion, Engine
    from simfleet.load.world import World

DAY = ("{do: ramp, to: 50, over: 10m}", "{do: hold, for: 6h}", "{do: stop, over: 10m}")
DRIVERS = "think_time: 1m..2h, energy_kwh: 5..40, pause: 5m..3h"
WALL_S = 1_795_000_000.0


def a_day(**changes: Any) -> Scenario:
    return a_scenario(
        **{
            "chargers": 50,
            "stages": DAY,
            "behaviour": DRIVERS,
            "configuration": "MeterValueSampleInterval: 900",
            **changes,
        }
    )


def run(
    scenario: Scenario,
    path: Path,
    *,
    world: World | None = None,
    companions: Sequence[Companion] = (),
    seen: list[Progress] | None = None,
) -> dict[str, Any]:
    """The summary of a run."""
    world = virtual_world(scenario, wall_s=WALL_S) if world is None else world
    notes: list[Progress] = [] if seen is None else seen

    async def main() -> dict[str, Any]:
        made = RunFolder.create(
            path, name="tiny", start_wall_s=WALL_S, simulated_wall_s=world.wall_s or 0.0
        )
        with made as folder:
            runner = Runner(
                scenario, folder, watch=notes.append, companions=companions, world=world
            )
            finished = await runner.run()
        found: dict[str, Any] = msgspec.to_builtins(finished.summary)
        return found

    return trio.run(main, clock=world.clock())


def test_six_hours_of_fifty_chargers_pass_in_seconds_and_balance(tmp_path: Path) -> None:
    seen: list[Progress] = []
    began_s = time.perf_counter()
    summary = run(a_day(), tmp_path / "run", seen=seen)
    assert summary["verdict"]["result"] == "passed"
    assert summary["ledger"]["balanced"]
    assert summary["load_s"] >= 6 * 3600
    assert summary["chargers"]["connected_peak"] == 50
    assert summary["transactions"]["started"] >= 50
    assert time.perf_counter() - began_s < 60
    assert summary["clock"]["kind"] == "virtual"
    assert summary["clock"]["speed"] > 100
    assert seen[-1].clock == "virtual"
    assert seen[-1].speed > 100


def test_a_virtual_run_says_that_nothing_was_measured(tmp_path: Path) -> None:
    summary = run(a_scenario(), tmp_path / "run")
    assert summary["verdict"]["generator"] == "VALID"
    assert any("times of a CSMS are not measured" in one for one in summary["verdict"]["reasons"])


def test_two_virtual_runs_give_equal_manifests_and_the_same_bytes_of_schedule(
    tmp_path: Path,
) -> None:
    manifests, schedules = [], []
    for name in ("one", "two"):
        scenario = a_day()
        run(scenario, tmp_path / name)
        schedules.append((tmp_path / name / "schedule.csv").read_bytes())
        manifests.append(manifest(scenario, source=b"x", arguments=[], began_wall_s=WALL_S))
    assert manifests[0] == manifests[1]
    assert schedules[0] == schedules[1]
    rows = list(csv.DictReader(schedules[0].decode().splitlines()))
    assert {row["identity"] for row in rows} == {f"T-{n:02}" for n in range(1, 51)}
    assert len(rows) > 60
    assert all(float(row["energy_wh"]) > 0 for row in rows if row["reason"] == "EVDisconnected")
    assert rows == sorted(rows, key=lambda row: (row["identity"], int(row["session"])))


def test_another_seed_gives_another_fleet_and_another_schedule(tmp_path: Path) -> None:
    found = []
    for seed in (3, 4):
        scenario = a_day(seed=seed)
        run(scenario, tmp_path / str(seed))
        made = manifest(scenario, source=b"x", arguments=[], began_wall_s=WALL_S)
        found.append((made["fleet"]["digest"], (tmp_path / str(seed) / "schedule.csv").read_text()))
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


def test_a_dry_run_predicts_rates_peaks_and_needs(tmp_path: Path) -> None:
    scenario = with_stand_in(a_day(target="wss://csms.example.org/ocpp"))
    summary = run(scenario, tmp_path / "run", companions=[Prediction()])
    found = summary["prediction"]
    boots = found["calls_by_action"]["BootNotification"]
    assert boots["count"] == 50
    assert boots["per_s_peak"] == 1  # one in 12 s
    assert found["calls"]["count"] == summary["call_totals"]["count"]
    assert found["connects"]["count"] == 50
    assert found["connected_peak"] == 50
    assert found["connected_peak_at_s"] == pytest.approx(588, abs=3)
    assert found["needs"] == {"descriptors": 250, "ports": 50}
    assert found["transactions"]["count"] == summary["transactions"]["started"]
    assert found["over_time"][0]["connected"] <= 2
    assert max(point["connected"] for point in found["over_time"]) == 50
    assert len(found["over_time"]) <= 240
    text = prediction_text(summary)
    assert "PREDICTION, nothing was connected to" in text
    assert "250 open files" in text


def test_a_virtual_run_against_somebody_elses_csms_is_refused() -> None:
    with pytest.raises(UsageWrong, match=r"touches no network.*--dry-run"):
        world_of(a_scenario(target="ws://127.0.0.1:1/x"), virtual=True)


@pytest.mark.parametrize("profile", [1, 2, 3])
def test_security_profiles_work_on_a_memory_network(tmp_path: Path, profile: int) -> None:
    scenario = a_scenario()
    part = msgspec.structs.replace(scenario.fleet[0], security_profile=profile)
    summary = run(msgspec.structs.replace(scenario, fleet=(part,)), tmp_path / "run")
    assert summary["verdict"]["result"] == "passed"
    assert summary["connect"]["failures"] == {}


def test_a_command_reaches_the_chargers_of_a_virtual_run(tmp_path: Path) -> None:
    scenario = a_scenario(commands="{send: ClearCache, at: 2s}")
    summary = run(scenario, tmp_path / "run")
    assert summary["scenario_commands"]["totals"]["sent"] == 4


async def test_a_service_has_a_real_clock_and_says_so(tmp_path: Path) -> None:
    async with a_run_lab(tmp_path) as lab:
        content = a_tiny_scenario("embedded") + b"time_scale: 5\n"
        with pytest.raises(ScenarioInvalid, match=r"a service has a real clock.*simfleet run"):
            await lab.runs.start(lab.ann, content)


def test_a_scaled_run_is_faster_and_shows_real_times(tmp_path: Path) -> None:
    scenario = a_scenario(stages=("{do: ramp, to: 4, over: 2s}", "{do: hold, for: 20s}"))
    began_s = time.perf_counter()
    summary = run(scenario, tmp_path / "run", world=world_of(scenario, time_scale=10))
    took_s = time.perf_counter() - began_s
    clock = summary["clock"]
    assert summary["load_s"] >= 22
    assert took_s < summary["load_s"]
    assert (clock["kind"], clock["scale"]) == ("scaled", 10.0)
    assert clock["speed"] == pytest.approx(10, rel=0.1)
    calls, real_s = summary["call_totals"]["count"], clock["real_s"]
    assert summary["throughput"]["calls_per_s"] == pytest.approx(calls / real_s, rel=0.1)
    assert summary["generator"]["load_s"] == pytest.approx(real_s, rel=0.1)
    assert summary["verdict"]["result"] in ("passed", "invalid")


def test_what_is_due_at_the_same_moment_happens_in_the_same_order(tmp_path: Path) -> None:
    command = "{at: 2s, send: ClearCache}, {at: 2s, send: GetConfiguration}"
    scenario = a_scenario(commands=", ".join([command] * 10))
    told = [
        [event["send"] for event in run(scenario, tmp_path / name)["scenario_commands"]["events"]]
        for name in ("one", "two")
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 20


def test_two_sessions_of_one_moment_are_two(tmp_path: Path) -> None:
    once = "start, {until: {transaction: started}}, {stop: {unplug: true}}"
    once += ", {until: {transaction: stopped}}"
    text = f"""\
schema: 1
name: twice
fleet: [{{name: ac, count: 1, id: "T-{{n}}"}}]
stages: [{{do: step, to: 1, mode: connect}}, {{do: cases, within: 60s}}]
cases: [{{name: twice, each: {{}}, steps: [{once}, {once}]}}]
"""
    summary = run(parse_scenario(text.encode()), tmp_path / "run")
    assert summary["verdict"]["result"] == "passed"
    assert summary["ledger"]["csms"]["starts"] == summary["ledger"]["csms"]["stops"] == 2


class Saboteur:
    """Gives all chargers a fault, live, at its time."""

    def __init__(self, at_s: float) -> None:
        self._at_s = at_s

    async def run(
        self, engine: Engine, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        await trio.sleep(self._at_s)
        engine.live.act(InjectFault(fault=MissingStop()), by="tester")

    def figures(self) -> dict[str, Any]:
        return {}


def test_a_live_fault_outlasts_a_stage_with_faults_of_its_own(tmp_path: Path) -> None:
    stages = (
        "{do: step, to: 4}",
        "{do: hold, for: 5s, faults: [{kind: missing_stop, count: 1}]}",
        "{do: hold, for: 60s}",
    )
    sessions = "think_time: 100ms, energy_kwh: 0.01, pause: 1s"
    scenario = a_scenario(stages=stages, behaviour=sessions)
    summary = run(scenario, tmp_path / "run", companions=[Saboteur(1.0)])
    assert summary["injected"]["by_kind"]["missing_stop"] > 20
    assert summary["ledger"]["balanced"]
