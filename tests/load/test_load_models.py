"""Closed and open load models as stages of whole runs, in memory and on a clock that jumps."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_load import MEMORY, Run, a_scenario, run_in_memory
from simfleet.csms.behaviour import GOOD, Behaviour, Delay
from simfleet.errors import ScenarioInvalid
from simfleet.fleet.actor import Charger
from simfleet.fleet.orders import Mode
from simfleet.load.closed_fields import STAIRS_MAX, Soak, Spike, Stairs, Step
from simfleet.load.open_fields import Sessions
from simfleet.load.pacers import Curve
from simfleet.load.scenario import parse_scenario
from simfleet.load.stages.closed import Drift
from simfleet.load.timeline import Interval
from simfleet.observe.histogram import FastHistogram
from simfleet.station.events import DriverArrives

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simfleet.load.progress import Progress
    from simfleet.load.runner import Runner

UP = "{do: step, to: 20, mode: connect}"
RUSH = "{do: sessions, rate: 30/min, for: 2m, energy_kwh: 0.2, think_time: 1s..3s}"
STOP = "{do: stop, over: 1s}"


def ran(
    tmp_path: Path,
    *stages: str,
    chargers: int = 20,
    seed: int = 3,
    behaviour: Behaviour = GOOD,
    thresholds: str = "",
    at_s: dict[int, Callable[[Runner], object]] | None = None,
    name: str = "run",
) -> Run:
    """A run of these stages; `at_s` is what to do at whole seconds of it."""
    runners: list[Runner] = []
    waiting = dict(at_s or {})

    def watch(progress: Progress) -> None:
        for moment_s in [moment_s for moment_s in waiting if moment_s <= progress.elapsed_s + 0.01]:
            waiting.pop(moment_s)(runners[0])

    scenario = a_scenario(
        chargers=chargers,
        target=MEMORY,
        stages=stages,
        seed=seed,
        thresholds=thresholds,
        behaviour="think_time: 1s..3s, energy_kwh: 0.1, pause: 5s..9s",
        configuration="MeterValueSampleInterval: 60",
    )
    return run_in_memory(
        scenario, tmp_path / name, behaviour=behaviour, watch=watch, before=runners.append
    )


def stages_of(run: Run) -> list[tuple[str, str | None, int, int]]:
    return [
        (stage["do"], stage["name"], stage["chargers"], stage["connected"])
        for stage in run.summary["stages"]
    ]


# ── closed ───────────────────────────────────────────────────────────────────────────────────────


def test_a_step_takes_no_longer_than_the_fleet_does(tmp_path: Path) -> None:
    run = ran(tmp_path, "{do: step, name: up, to: 20}", "{do: hold, for: 5s}", STOP)
    assert run.result == "passed"
    step = run.summary["stages"][0]
    assert stages_of(run)[0] == ("step", "up", 20, 20)
    assert step["ended_s"] < 1


def test_each_stair_is_a_stage_of_its_own(tmp_path: Path) -> None:
    stairs = "{do: stairs, name: climb, from: 5, to: 18, by: 5, every: 30s, mode: connect}"
    run = ran(tmp_path, stairs, STOP)
    assert stages_of(run)[:-1] == [
        ("stairs", "climb.1", 5, 5),
        ("stairs", "climb.2", 10, 10),
        ("stairs", "climb.3", 15, 15),
        ("stairs", "climb.4", 18, 18),
    ]
    began_s = [stage["began_s"] for stage in run.summary["stages"]]
    assert began_s == pytest.approx([0, 30, 60, 90, 120], abs=1)
    assert run.summary["stages"][1]["calls"]["BootNotification.response"]["count"] == 5


def test_stairs_also_lead_down(tmp_path: Path) -> None:
    stairs = "{do: stairs, from: 20, to: 5, by: 10, every: 10s, mode: connect}"
    run = ran(tmp_path, stairs, STOP)
    assert [(stage[1], stage[2]) for stage in stages_of(run)[:-1]] == [
        (None, 20),
        (None, 10),
        (None, 5),
    ]


def test_a_spike_goes_back_to_the_size_and_mode_before(tmp_path: Path) -> None:
    modes: list[Mode] = []
    run = ran(
        tmp_path,
        "{do: ramp, to: 5, over: 1s, mode: connect}",
        "{do: spike, name: rush, to: 20, over: 5s, for: 20s, mode: charging}",
        "{do: hold, for: 5s}",
        STOP,
        at_s={
            15: lambda runner: modes.append(runner.engine.mass.wish.mode),  # type: ignore[union-attr]
            34: lambda runner: modes.append(runner.engine.mass.wish.mode),  # type: ignore[union-attr]
        },
    )
    assert run.result == "passed"
    assert stages_of(run)[1:4] == [
        ("spike", "rush.up", 20, 20),
        ("spike", "rush.top", 20, 20),
        ("spike", "rush.back", 5, 5),
    ]
    assert modes == [Mode.CHARGING, Mode.CONNECT]
    assert run.summary["stages"][4]["ended_s"] == pytest.approx(36, abs=1)


def test_a_soak_tells_what_has_drifted(tmp_path: Path) -> None:
    run = ran(
        tmp_path,
        "{do: step, to: 20}",
        "{do: soak, name: long, for: 3m}",
        STOP,
        behaviour=Behaviour(delay=Delay(0.4, 0.4)),
        thresholds='soak.response.p99_drift: "< 100%", soak.generator.grown_kib: "< 100000"',
    )
    assert run.result == "passed", run.finished.verdict.reasons
    (soak,) = run.summary["soak"]
    assert (soak["name"], soak["for_s"], soak["chargers"]) == ("long", 180.0, 20)
    times = soak["response_p99_ms"]
    assert times["first_tenth"] >= 400
    assert times["last_tenth"] >= 400
    ratio = times["last_tenth"] / times["first_tenth"] - 1
    assert times["drift_ratio"] == pytest.approx(ratio, abs=1e-3)
    assert soak["generator"]["rss_end_mib"] > 10
    assert soak["csms"] is None  # in memory there is no process of its own


def answered(after_us: int) -> Interval:
    """An interval in which 100 CALLs were answered after that long."""
    histogram = FastHistogram()
    histogram.set_tag("Authorize.response")
    histogram.record_value(after_us, 100)
    return Interval(0.0, 5.0, [histogram])


def test_only_the_first_and_the_last_tenth_of_a_soak_are_compared() -> None:
    drift = Drift({"generator": 100.0, "csms": 50.0})
    drift.heed(answered(100_000))
    drift.first_over()
    drift.heed(answered(9_000_000))
    drift.last_begins()
    drift.heed(answered(150_000))
    drift.over(60.0, chargers=10)
    drift.memory_at_end = {"generator": 100.0, "csms": 51.0}
    figures = drift.figures("x")
    assert figures["response_p99_ms"]["drift_ratio"] == pytest.approx(0.5, abs=0.01)
    assert figures["csms"]["grown_per_charger_kib"] == pytest.approx(102.4)
    assert figures["generator"]["grown_per_charger_kib"] == 0.0


def test_a_soak_that_is_cut_short_says_so(tmp_path: Path) -> None:
    run = ran(
        tmp_path,
        "{do: step, to: 5}",
        "{do: soak, for: 3m}",
        at_s={100: lambda runner: runner.stop("a test")},
    )
    (soak,) = run.summary["soak"]
    assert soak["for_s"] == pytest.approx(100, abs=1)
    assert soak["response_p99_ms"]["last_tenth"] is None
    assert soak["generator"]["rss_end_mib"] is None


# ── open ─────────────────────────────────────────────────────────────────────────────────────────


def test_drivers_come_have_their_session_and_go(tmp_path: Path) -> None:
    run = ran(tmp_path, UP, RUSH, "{do: hold, for: 2m}", STOP, thresholds='sessions.lost: "== 0"')
    assert run.result == "passed"
    arrivals = run.summary["arrivals"]
    assert arrivals["wanted"] == 60
    assert arrivals["arrived"] + arrivals["turned_away"] == 60
    assert arrivals["arrived"] == arrivals["started"] == arrivals["finished"] > 20
    assert arrivals["under_way"] == 0
    assert run.summary["transactions"]["started"] == arrivals["started"]
    assert run.summary["ledger"]["balanced"]
    assert run.problems == []


def test_who_is_there_when_the_stages_end_is_brought_home(tmp_path: Path) -> None:
    run = ran(tmp_path, UP, RUSH)
    arrivals = run.summary["arrivals"]
    assert run.result == "passed"
    assert arrivals["under_way"] == 0
    assert arrivals["finished"] + arrivals["unserved"] == arrivals["arrived"]
    assert run.summary["transactions"]["started"] == run.summary["transactions"]["stopped"]


def came(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, float, int]]:
    """Who comes to which connector of which charger, in order, from here on."""
    seen: list[tuple[str, int, float, int]] = []
    post = Charger.post

    def noting(self: Charger, mail: Any) -> bool:
        if isinstance(mail, DriverArrives):
            identity = self.station.identity
            seen.append((identity, mail.connector_id, mail.energy_wh, mail.seed))
        return post(self, mail)

    monkeypatch.setattr(Charger, "post", noting)
    return seen


def test_the_same_seed_brings_the_same_drivers_to_the_same_chargers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = came(monkeypatch)
    rush = RUSH.replace("0.2", "0.1..0.3").replace("rate", "arrivals: poisson, rate")
    runs = []
    for number, seed in enumerate((3, 3, 4)):
        seen.clear()
        ran(tmp_path, UP, rush, STOP, seed=seed, name=str(number))
        runs.append(list(seen))
    assert len(runs[0]) > 20
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert len({identity for identity, *_ in runs[0]}) > 10  # not always the same few


def test_a_slow_csms_slows_a_closed_model_and_not_an_open_one(tmp_path: Path) -> None:
    slow = Behaviour(delay=Delay(5.0, 5.0))
    closed, opened = [], []
    for number, csms in enumerate((GOOD, slow)):
        stages = ("{do: step, to: 3}", "{do: hold, for: 3m}", STOP)
        closed.append(ran(tmp_path, *stages, behaviour=csms, name=f"closed{number}"))
        stages = (UP, RUSH.replace("30/min", "6/min").replace("2m", "3m"), STOP)
        opened.append(ran(tmp_path, *stages, behaviour=csms, name=f"open{number}"))
    assert [run.summary["arrivals"]["arrived"] for run in opened] == [18, 18]
    good, bad = (run.summary["calls"]["Authorize"]["count"] for run in closed)
    assert bad < good


def test_a_full_fleet_turns_drivers_away_and_a_threshold_sees_it(tmp_path: Path) -> None:
    rush = RUSH.replace("0.2", "20")
    run = ran(
        tmp_path,
        "{do: step, to: 5, mode: connect}",
        rush,
        STOP,
        thresholds='sessions.turned_away_ratio: "< 10%", sessions.arrived: "== 5"',
    )
    assert run.result == "threshold_failed"
    assert run.summary["arrivals"]["arrived"] == 5
    assert run.summary["arrivals"]["turned_away"] == 55
    failed = [one["metric"] for one in run.summary["thresholds"] if not one["passed"]]
    assert failed == ["sessions.turned_away_ratio"]


def test_who_waits_gets_a_connector_as_soon_as_one_is_free(tmp_path: Path) -> None:
    queueing = RUSH.replace("}", ", queue: 100}")
    run = ran(tmp_path, "{do: step, to: 5, mode: connect}", queueing, STOP)
    arrivals = run.summary["arrivals"]
    assert arrivals["queued"] > 5
    assert arrivals["arrived"] > 5
    assert arrivals["wanted"] == arrivals["arrived"] + arrivals["turned_away"] == 60


def test_drivers_only_come_to_chargers_that_are_there(tmp_path: Path) -> None:
    run = ran(
        tmp_path,
        "{do: step, to: 3, mode: connect}",
        "{do: sessions, rate: 1/s, for: 10s, energy_kwh: 0.001, think_time: 100ms}",
        STOP,
    )
    arrivals = run.summary["arrivals"]
    assert arrivals["arrived"] > 0
    assert arrivals["unserved"] == 0
    assert run.problems == []


def test_two_stages_of_sessions_are_counted_together_and_draw_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = came(monkeypatch)
    one = "{do: sessions, rate: 1/s, for: 10s, energy_kwh: 0.01..0.1, think_time: 100ms}"
    run = ran(tmp_path, UP, one, "{do: hold, for: 1m}", one, STOP)
    assert run.summary["arrivals"]["wanted"] == 20
    assert len({driver[3] for driver in seen}) == 20


def test_the_running_arrivals_can_be_changed(tmp_path: Path) -> None:
    seen: list[float] = []

    def faster(runner: Runner) -> None:
        engine = runner.engine
        assert engine is not None
        assert engine.arrivals is not None
        engine.arrivals.set_rate(2.0)
        seen.append(engine.arrivals.rate_per_s)

    run = ran(tmp_path, UP, RUSH, STOP, at_s={61: faster})
    assert seen == [2.0]
    assert run.summary["arrivals"]["wanted"] == pytest.approx(150, abs=2)
    assert run.runner.engine is not None
    assert run.runner.engine.arrivals is None


def test_the_response_time_of_what_a_driver_causes_counts_from_when_it_was_due(
    tmp_path: Path,
) -> None:
    """Nothing is late on this clock: what is left is the time that the CSMS takes."""
    run = ran(tmp_path, UP, RUSH, STOP, behaviour=Behaviour(delay=Delay(0.2, 0.2)))
    response = run.summary["calls"]["Authorize"]["response_ms"]
    assert response["p50"] == pytest.approx(200, rel=0.01)
    assert run.summary["arrivals"]["lag_ms"]["max"] < 1


# ── as fields ────────────────────────────────────────────────────────────────────────────────────


def a_file(*stages: str, more: str = "") -> bytes:
    return f"""\
schema: 1
name: x
fleet: [{{name: a, count: 100, id: "A{{n}}"}}]
stages:
{"".join(f"  - {stage}{chr(10)}" for stage in stages)}{more}""".encode()


def read(*stages: str, more: str = "") -> Any:
    return parse_scenario(a_file(*stages, more=more), source="s.yaml")


def problems_of(*stages: str, more: str = "") -> list[str]:
    with pytest.raises(ScenarioInvalid) as caught:
        read(*stages, more=more)
    return caught.value.problems


def test_every_model_is_read_from_yaml() -> None:
    scenario = read(
        "{do: step, to: 10, mode: connect}",
        "{do: stairs, from: 10, to: 50, by: 20, every: 1m, mode: connect}",
        "{do: spike, to: 100, over: 5s, for: 1m}",
        "{do: soak, for: 1h}",
        "{do: sessions, rate: 120/min, to: 18000/h, for: 10m, arrivals: poisson, queue: 5,"
        " energy_kwh: 5..10, think_time: 1s, first: at_once}",
        more='start_at: "06:30"\n',
    )
    assert scenario.stages == (
        Step(to=10, mode="connect"),
        Stairs(start=10, to=50, by=20, every_s=60.0, mode="connect"),
        Spike(to=100, over_s=5.0, for_s=60.0),
        Soak(for_s=3600.0),
        Sessions(
            rate_per_s=2.0,
            to_per_s=5.0,
            for_s=600.0,
            arrivals="poisson",
            queue=5,
            energy_wh=scenario.stages[4].energy_wh,
            think_time_s=scenario.stages[4].think_time_s,
            first="at_once",
        ),
    )
    assert scenario.start_at_s == 6.5 * 3600
    assert scenario.lasts_s == 0 + 3 * 60 + 70 + 3600 + 600


def test_a_curve_is_read_in_any_order() -> None:
    scenario = read(
        "{do: step, to: 10, mode: connect}",
        "{do: sessions, rate: 30/h, for: 1m}",
        more='curve: {"08:30": 100%, "06:00": 0.1, "22:00": 0%}\n',
    )
    assert scenario.curve == Curve(((21600.0, 0.1), (30600.0, 1.0), (79200.0, 0.0)))
    assert scenario.stages[1].rate_per_s == pytest.approx(30 / 3600)


sizes = st.integers(0, 500)


@given(st.one_of(st.none(), sizes), sizes, st.integers(1, 500))
def test_stairs_lead_from_the_first_to_the_last_size(start: int | None, to: int, by: int) -> None:
    stairs = Stairs(start=start, to=to, by=by, every_s=2.0)
    found = stairs.sizes
    first = (to if to < by else by) if start is None else start
    assert found[0] == first
    assert found[-1] == to
    assert all(0 < abs(b - a) <= by for a, b in itertools.pairwise(found))
    assert stairs.lasts_s == 2.0 * len(found)
    assert stairs.most == max(found)


@given(sizes, sizes, st.integers(1, 500), st.integers(1, 500))
def test_stairs_are_scaled_with_the_fleet(start: int, to: int, by: int, chargers: int) -> None:
    scaled = Stairs(start=start, to=to, by=by, every_s=2.0).scaled(chargers, 500)
    assert scaled.by >= 1
    assert all(size <= chargers for size in scaled.sizes)


def test_a_rate_is_not_scaled_and_sizes_are() -> None:
    assert Sessions(rate_per_s=2.0, for_s=60.0).scaled(10, 100).rate_per_s == 2.0
    assert Spike(to=100, for_s=60.0).scaled(10, 100).to == 10
    assert Step(to=50).scaled(10, 100).to == 5


CONNECT = "{do: ramp, to: 10, over: 1s, mode: connect}"
MISTAKES = [
    (
        ["{do: step, to: 101}"],
        "s.yaml:5:20: stages[0].to: 101 chargers are more than the fleet has; write 0 to 100",
    ),
    (
        ["{do: stairs, from: 200, to: 5, by: 1, every: 1s}"],
        "s.yaml:5:24: stages[0].from: 200 chargers are more than the fleet has; write 0 to 100",
    ),
    (
        [CONNECT, "{do: sessions, rate: 2, for: 1m}"],
        "s.yaml:6:26: stages[1].rate: '2' is not a rate;"
        " write a rate such as 2/s, 120/min or 30/h, up to 1000/s",
    ),
    (
        [CONNECT, "{do: sessions, rate: 2000/s, for: 1m}"],
        "s.yaml:6:26: stages[1].rate: '2000/s' is out of range;"
        " write a rate such as 2/s, 120/min or 30/h, up to 1000/s",
    ),
    (
        [CONNECT, '{do: sessions, rate: 2/s, for: 1m, curve: {"6:00": 10%}}'],
        "s.yaml:6:48: stages[1].curve.'6:00': '6:00' is not a time of day; write one such as 06:30",
    ),
    (
        [CONNECT, '{do: sessions, rate: 2/s, for: 1m, curve: {"06:00": 110%}}'],
        "s.yaml:6:57: stages[1].curve.'06:00': '110%' is out of range; write 0% to 100%",
    ),
    (
        [CONNECT, '{do: sessions, rate: 2/s, for: 1m, curve: {"06:00": 0%}}'],
        "s.yaml:6:47: stages[1].curve: is 0 all day; write a share above 0% somewhere",
    ),
    (
        [CONNECT, '{do: sessions, rate: 2/s, to: 3/s, for: 1m, curve: {"06:00": 1}}'],
        "s.yaml:6:35: stages[1].to: a rate that follows a curve cannot be ramped as well;"
        " leave `to` out",
    ),
    (
        ["{do: ramp, to: 10, over: 1s}", "{do: sessions, rate: 2/s, for: 1m}"],
        "s.yaml:6:5: stages[1]: drivers come to chargers in mode connect, and here they are in mode"
        " charging; write mode: connect in the stage that brings them up",
    ),
]


@pytest.mark.parametrize(("stages", "message"), MISTAKES)
def test_a_mistake_is_located_and_says_what_would_be_accepted(
    stages: list[str], message: str
) -> None:
    assert problems_of(*stages) == [message]


def test_a_ramped_rate_and_the_curve_of_the_scenario_exclude_one_another() -> None:
    (problem,) = problems_of(
        CONNECT,
        "{do: sessions, rate: 2/s, to: 3/s, for: 1m}",
        more='curve: {"06:00": 10%}\n',
    )
    assert problem.endswith("or write the scenario's `curve` into the stages that follow it")


def test_a_flight_of_too_many_stairs_is_refused() -> None:
    text = a_file("{do: stairs, to: 1000, by: 1, every: 1s}").replace(b"count: 100", b"count: 1000")
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(text, source="s.yaml")
    assert caught.value.problems == [
        f"s.yaml:5:32: stages[0].by: 1000 stairs; a stage has at most {STAIRS_MAX},"
        " so write 6 or more"
    ]
