"""`summary.json`: names are an interface, every one is documented, figures add up."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from builders_load import MEMORY, Run, a_run, a_scenario, on_dialling, run_in_memory
from builders_summary import names_documented, names_in
from simfleet.clock import WallClock
from simfleet.csms.behaviour import Behaviour
from simfleet.errors import ConnectFailed, ConnectReason, ProtocolViolation
from simfleet.fleet.recorder import Recorder
from simfleet.load.summary import VIOLATION_GROUPS_MAX, measure, most_wanted
from simfleet.load.timeline import Timeline
from simfleet.observe.counters import VIOLATIONS_MAX
from simfleet.observe.health import Health

if TYPE_CHECKING:
    from simfleet.link.link import Dialer
    from simfleet.load.schema1 import Scenario


number = (int, float)
maybe = (int, float, type(None))
# The names of the issue that introduced the file, with what they hold.
INTERFACE: dict[str, Any] = {
    "schema": int,
    "scenario": str,
    "seed": int,
    "verdict": {"result": str, "reasons": list, "generator": str},
    "chargers": {"target": int, "connected_peak": int, "booted": int, "failed": int},
    "connect": {"attempts": int, "failures": dict, "per_s_peak": int, "seconds_to_all": maybe},
    "calls": dict,
    "commands": dict,
    "violations": list,
    "transactions": {"started": int, "stopped": int, "energy_kwh": number},
    "throughput": {"calls_per_s": number, "frames_per_s": number},
    "generator": {
        "cpu_s": number,
        "cpu_us_per_call": maybe,
        "rss_peak_mib": number,
        "rss_per_charger_kib": maybe,
        "loop_lag_ms": {"p50": number, "p99": number, "max": number},
    },
    "ledger": dict,
    "stages": list,
}
CALL: dict[str, Any] = {
    "count": int,
    "errors": dict,
    "timeouts": int,
    "response_ms": dict.fromkeys(("mean", "p50", "p90", "p99", "p99_9", "max"), number),
    "service_ms": dict.fromkeys(("mean", "p50", "p90", "p99", "p99_9", "max"), number),
}


def unkept(contract: Any, value: Any, where: str = "") -> list[str]:
    """Where a value breaks a contract of names and types."""
    if not isinstance(contract, dict):
        kept = isinstance(value, contract) and not isinstance(value, bool)
        return [] if kept else [f"{where} is {value!r}"]
    if not isinstance(value, dict):
        return [f"{where} is {value!r}"]
    missing = [f"{where}.{name} is missing" for name in contract if name not in value]
    return missing + [
        problem
        for name, inner in contract.items()
        if name in value
        for problem in unkept(inner, value[name], f"{where}.{name}")
    ]


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which all is well."""
    return run_in_memory(
        a_scenario(target=MEMORY, thresholds='call.count: "> 1"'),
        tmp_path_factory.mktemp("calm") / "run",
    )


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in which everything happens that a summary can tell of."""
    dialled: list[str] = []

    def around(dial: Dialer) -> Dialer:
        def before(identity: str) -> None:
            dialled.append(identity)
            if identity == "T-02" and dialled.count("T-02") == 1:
                raise ConnectFailed(ConnectReason.RESET, "cut")
            if identity == "T-03" and dialled.count("T-03") == 1:
                raise RuntimeError("a bug made on purpose")

        return on_dialling(dial, before=before)

    return run_in_memory(
        a_scenario(
            target=MEMORY,
            thresholds='call.count: "> 1"',
            configuration="MeterValueSampleInterval: 1, TransactionMessageRetryInterval: 1",
            stages=(
                "{do: ramp, to: 4, over: 500ms}",
                "{do: hold, for: 5s, faults: [{kind: clock_skew, seconds: 60}]}",
                "{do: stop, over: 500ms}",
            ),
        ),
        tmp_path_factory.mktemp("rough") / "run",
        around=around,
        behaviour=Behaviour(
            call_first=frozenset({"Authorize"}),
            call_errors={"MeterValues": "InternalError"},
            bad_schema=frozenset({"StatusNotification"}),
            close_after=20,
        ),
    )


@pytest.fixture(scope="module")
def commanded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run with commands, which need the embedded CSMS."""
    path = tmp_path_factory.mktemp("commanded") / "run"
    scenario = a_scenario(
        stages=("{do: ramp, to: 4, over: 200ms}", "{do: soak, for: 1s}", "{do: stop, over: 200ms}"),
        commands="{at: 700ms, send: TriggerMessage, payload: {requestedMessage: Heartbeat}},"
        " {at: 800ms, send: DataTransfer, expect: UnknownVendorId,"
        '  payload: {vendorId: $uploads, messageId: "m$n"}},'
        " {at: 900ms, send: RemoteStopTransaction, expect: any,"
        "  payload: {transactionId: $transaction_id}}",
        thresholds='call.count: "> 1"',
    )
    return trio.run(partial(a_run, scenario, path))


@pytest.fixture(scope="module")
def visited(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run to which drivers come from outside, and a soak."""
    stages = (
        "{do: step, to: 4, mode: connect}",
        "{do: sessions, rate: 1/s, for: 5s}",
        "{do: soak, for: 10s}",
        "{do: reconnect_storm, for: 3s, backoff: none}",
        "{do: stop, over: 500ms}",
    )
    scenario = a_scenario(target=MEMORY, stages=stages)
    return run_in_memory(scenario, tmp_path_factory.mktemp("visited") / "run")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A search for the capacity of a CSMS, with thresholds of a stage."""
    stages = (
        "{do: capacity, of: chargers, from: 1, to: 4, by: 1, settle: 2s, hold: 10s,"
        ' until: {call.response.p99: "< 300ms"}}',
        "{do: stop, over: 500ms}",
    )
    scenario = a_scenario(target=MEMORY, stages=stages, thresholds='"call{stage=0}.count": "> 1"')
    behaviour = Behaviour(throttle=2)
    return run_in_memory(scenario, tmp_path_factory.mktemp("searched") / "run", behaviour=behaviour)


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("weather", ["calm", "rough"])
def test_every_name_of_the_interface_is_there_with_its_type(
    weather: str, request: pytest.FixtureRequest
) -> None:
    summary = request.getfixturevalue(weather).summary
    assert unkept(INTERFACE, summary) == []
    assert len(summary["calls"]) >= 6
    for action, call in summary["calls"].items():
        assert unkept(CALL, call, action) == []
    for command in summary["commands"].values():
        assert unkept({"count": int, "errors": dict}, command) == []


def test_the_contract_of_names_can_be_broken() -> None:
    assert unkept({"a": {"b": int}}, {"a": {"b": "1"}}) == [".a.b is '1'"]
    assert unkept({"a": {"b": int}}, {"a": {}}) == [".a.b is missing"]
    assert unkept({"a": {"b": int}}, {"a": [1]}) == [".a is [1]"]


def test_every_name_in_a_summary_is_documented(
    calm: Run, rough: Run, commanded: Run, visited: Run, searched: Run
) -> None:
    documented = names_documented()
    runs = (calm, rough, commanded, visited, searched)
    unknown = set().union(*(names_in(run.summary) for run in runs)) - documented
    empty_lists = {name for name in unknown if any(d.startswith(f"{name}.") for d in documented)}
    assert unknown - empty_lists == set()
    # Of the calm run.
    assert empty_lists <= {
        *("violations[]", "crashes[]", "soak[]", "actions[]", "storms[]", "thresholds[]"),
        *("windows[]", "capacity.broken[]", "cases[]", "worst_chargers.kept[]"),
    }


def test_every_documented_name_is_in_a_summary(
    calm: Run, rough: Run, commanded: Run, visited: Run, searched: Run
) -> None:
    never = {"commands.{Action}.errors.{code}"}  # a charger that refuses a CALL of the CSMS
    never |= {
        f"scenario_commands.{block}.{kind}"
        for block in ("totals", "by_action.{Action}", "events[]")
        for kind in ("errors.{code}", "skipped.{why}")
    }
    documented = names_documented()
    never |= {name for name in documented if name.startswith("exports.")}  # test_run_exports.py
    never |= {name for name in documented if name.startswith("actions[].")}  # test_live_control.py
    never.add("schedule.sessions")  # test_any_scenario.py
    # test_cases_run.py
    never |= {name for name in documented if name.startswith(("cases[].", "case_totals."))}
    missing = documented.difference(
        *(names_in(run.summary) for run in (calm, rough, commanded, visited, searched))
    )
    assert missing <= never


# ── figures ──────────────────────────────────────────────────────────────────────────────────────


def test_a_calm_run_has_no_problems(calm: Run) -> None:
    summary = calm.summary
    assert summary["chargers"] == {
        "target": 4,
        "connected_peak": 4,
        "connected_min": 4,
        "booted": 4,
        "failed": 0,
        "crashed": 0,
    }
    assert summary["connect"]["attempts"] == summary["connect"]["opened"] == 4
    assert summary["disconnects"] == {"ended": 4}
    assert summary["problems"] == {"total": 0, "kept": 0}
    assert summary["violations"] == summary["crashes"] == []
    assert summary["transactions"]["started"] == summary["transactions"]["stopped"] == 4


def test_the_totals_of_calls_are_the_sum_of_the_actions(rough: Run) -> None:
    totals, calls = rough.summary["call_totals"], rough.summary["calls"].values()
    for name in ("count", "timeouts", "lost"):
        assert totals[name] == sum(call[name] for call in calls)
    assert totals["errors"] == {"InternalError": rough.summary["calls"]["MeterValues"]["count"]}
    assert totals["response_ms"]["max"] == max(call["response_ms"]["max"] for call in calls)


def test_throughput_is_over_the_whole_load(calm: Run) -> None:
    summary = calm.summary
    per_s = summary["call_totals"]["count"] / summary["load_s"]
    assert summary["throughput"]["calls_per_s"] == pytest.approx(per_s, abs=0.06)
    # A CALL is two frames, and nothing else was said.
    assert summary["throughput"]["frames_per_s"] == pytest.approx(2 * per_s, abs=0.12)


def test_the_summary_begins_with_what_matters(calm: Run) -> None:
    assert list(calm.summary)[:6] == [
        "schema",
        "scenario",
        "seed",
        "target",
        "verdict",
        "thresholds",
    ]


# ── from figures at hand ─────────────────────────────────────────────────────────────────────────


class Measured:
    """A recorder on a clock at 0, and the summary of what it was told."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.clock = WallClock(0.0, wall_s=1_700_000_000.0)
        self.health = Health(0.0)
        self.recorder = Recorder(self.clock, hub=None, schedule_lag=self.health.schedule_lag)
        self.recorder.counters.connect.wanted = most_wanted(scenario)

    def summary(self, *, load_s: float = 10.0) -> dict[str, Any]:
        timeline = Timeline(
            self.recorder.latencies, self.clock, write=lambda _: None, at_s=trio.current_time()
        )
        timeline.begin(0.0)
        timeline.ended_s = load_s
        return measure(self.scenario, self.recorder, self.health, timeline)


async def test_a_run_that_did_nothing_divides_by_nothing() -> None:
    idle = a_scenario(chargers=0, stages=["{do: hold, for: 1s}"])
    summary = Measured(idle).summary(load_s=0.0)
    assert summary["throughput"] == {
        "calls_per_s": 0.0,
        "frames_per_s": 0.0,
        "frames_per_s_peak": 0,
    }
    assert summary["generator"]["cpu_us_per_call"] is None
    assert summary["generator"]["rss_per_charger_kib"] is None
    assert summary["connect"]["seconds_to_all"] is None
    assert summary["chargers"]["target"] == summary["chargers"]["failed"] == 0


async def test_seconds_to_all_is_from_the_first_attempt_to_the_last_charger() -> None:
    measured = Measured(a_scenario())
    for at_s in (1.0, 1.5, 2.0):
        measured.recorder.connecting(at_s)
        measured.recorder.connected(at_s=at_s + 0.25)
    assert measured.summary()["connect"]["seconds_to_all"] is None
    measured.recorder.connecting(3.0)
    measured.recorder.connected(at_s=4.5)
    assert measured.summary()["connect"]["seconds_to_all"] == 3.5


async def test_chargers_that_were_never_accepted_have_failed() -> None:
    measured = Measured(a_scenario())
    measured.recorder.booted.update({"T-01", "T-02", "T-03"})
    assert measured.summary()["chargers"]["failed"] == 1


async def test_chargers_that_are_only_to_be_idle_cannot_fail() -> None:
    stages = ["{do: ramp, to: 4, over: 1s, mode: idle}", "{do: ramp, to: 2, over: 1s}"]
    measured = Measured(a_scenario(stages=stages))
    measured.recorder.booted.add("T-01")
    assert measured.summary()["chargers"]["target"] == 4
    assert measured.summary()["chargers"]["failed"] == 1


async def test_equal_violations_are_one_entry_and_none_is_uncounted() -> None:
    measured = Measured(a_scenario())
    log = measured.recorder.counters.violations

    def violate(n: int, *, times: int) -> None:
        violation = ProtocolViolation("FormationViolation", f"mistake {n}", path="$.x")
        for _ in range(times):
            log.add(violation, charger_id="T-01", frame=b"[3]", at_wall_s=0.0, action="Heartbeat")

    violate(0, times=3)
    violate(1, times=5)
    first, second = measured.summary()["violations"]
    assert (first["count"], first["description"]) == (5, "mistake 1")
    assert (second["count"], second["example"]) == (3, {"charger": "T-01", "frame": "[3]"})

    for n in range(2, VIOLATION_GROUPS_MAX + 5):
        violate(n, times=1)
    violate(99, times=VIOLATIONS_MAX)
    found = measured.summary()["violations"]
    assert sum(entry["count"] for entry in found) == log.total
    assert len(found) == VIOLATION_GROUPS_MAX + 1
    assert found[-1]["kind"] == "more"


def test_the_most_wanted_is_the_highest_ramp() -> None:
    stages = ["{do: ramp, to: 3, over: 1s}", "{do: ramp, to: 2, over: 1s}", "{do: stop, over: 1s}"]
    assert most_wanted(a_scenario(stages=stages)) == 3
    assert most_wanted(a_scenario(stages=["{do: hold, for: 1s}"])) == 0
