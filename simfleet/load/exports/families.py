"""The figures of a running run, as every exporter tells them. Pure reading, nothing is reset.

One table for all of them, so that a dashboard made for one exporter fits the others. Names follow
Prometheus: base units, `_total` for what only grows. Labels have few values each, and none of them
is a charger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, structs

from simfleet import __version__
from simfleet.clock import cpu_s
from simfleet.load.exports.buckets import Bucketed
from simfleet.observe.process import rss_mib

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simfleet.load.exports.buckets import CallBuckets
    from simfleet.load.progress import Progress
    from simfleet.load.stages.engine import Engine

Labels = tuple[tuple[str, str], ...]
Kind = Literal["counter", "gauge", "histogram"]
PREFIX: Final = "simfleet_run_"


class Family(Struct, frozen=True):
    """Figures of one name, one for each set of labels. `unit` is a UCUM code, as OTLP wants it."""

    name: str
    kind: Kind
    means: str
    unit: str
    samples: list[tuple[Labels, float | Bucketed]]


def families_of(engine: Engine, progress: Progress, calls: CallBuckets) -> list[Family]:
    """Everything, as it is now; those without a sample are left out."""
    found = [
        *_of_the_run(engine, progress),
        *_of_connections(engine),
        *_of_calls(engine, calls),
        *_of_the_generator(engine, progress),
    ]
    return [family for family in found if family.samples]


def without_secrets(family: Family, clean: Callable[[str], str]) -> Family:
    """The family with clean labels: a CSMS that makes up error codes may put anything in them.
    What is no longer told apart is added up.
    """
    samples: dict[Labels, Any] = {}
    for labels, value in family.samples:
        shown = tuple((name, clean(text)) for name, text in labels)
        known = samples.get(shown, 0.0)
        samples[shown] = value if isinstance(value, Bucketed) else known + value
    return structs.replace(family, samples=list(samples.items()))


def _gauge(name: str, means: str, value: float, unit: str = "1") -> Family:
    return Family(PREFIX + name, "gauge", means, unit, [((), float(value))])


def _counter(name: str, means: str, value: float, unit: str = "1") -> Family:
    return Family(PREFIX + name, "counter", means, unit, [((), float(value))])


def _counters(name: str, means: str, label: str, values: Mapping[str, float]) -> Family:
    samples: list[tuple[Labels, Any]] = [
        (((label, key),), float(value)) for key, value in sorted(values.items())
    ]
    return Family(PREFIX + name, "counter", means, "1", samples)


def _of_the_run(engine: Engine, progress: Progress) -> Iterator[Family]:
    scenario, ledger = engine.scenario, engine.recorder.ledger
    labels = (
        ("scenario", scenario.name),
        ("seed", str(scenario.seed)),
        ("version", __version__),
    )
    yield Family(PREFIX + "info", "gauge", "the run; always 1", "1", [(labels, 1.0)])
    yield _gauge("elapsed_seconds", "since the load began", progress.elapsed_s, "s")
    yield _gauge("stage", "number of the stage that goes on, from 1", engine.stage_number + 1)
    yield _gauge(
        "stage_left_seconds", "until the stage ends, as planned", progress.stage_left_s, "s"
    )
    chargers = {
        "wanted": progress.wanted,
        "alive": progress.chargers,
        "connected": progress.connected,
        "booted": progress.booted,
    }
    yield Family(
        PREFIX + "chargers",
        "gauge",
        "chargers wanted, alive, connected, and accepted at least once",
        "1",
        [((("state", state),), float(count)) for state, count in chargers.items()],
    )
    yield _gauge("transactions_open", "transactions that go on", ledger.still_open)
    yield _counter("transactions_started_total", "transactions begun", ledger.opened)
    yield _counter("transactions_stopped_total", "transactions ended", ledger.closed)
    yield _counter("energy_kwh_total", "delivered to vehicles", ledger.energy_wh / 1000, "kWh")
    yield _counter(
        "problems_total", "things that went wrong with a charger", engine.recorder.problems_total
    )


def _of_connections(engine: Engine) -> Iterator[Family]:
    counters = engine.recorder.counters
    connect = counters.connect
    yield _counter("connect_attempts_total", "connections begun", connect.attempts)
    yield _counter("connects_total", "connections opened", connect.opened.total)
    yield _counters(
        "connect_failures_total",
        "connections that could not be opened",
        "reason",
        dict(connect.failures.items()),
    )
    yield _counters(
        "disconnects_total", "connections that ended", "kind", dict(counters.disconnects.items())
    )
    frames = {"sent": counters.frames_sent.total, "received": counters.frames_received.total}
    yield _counters("frames_total", "messages of the chargers", "direction", frames)
    yield _counters(
        "boots_total", "answers to BootNotification", "status", dict(counters.boot.items())
    )


def _of_calls(engine: Engine, calls: CallBuckets) -> Iterator[Family]:
    latencies, counters = engine.recorder.latencies, engine.recorder.counters
    actions = latencies.actions
    yield _counters(
        "calls_total",
        "CALLs of the chargers that ended",
        "action",
        {action: latencies.count(action) for action in actions},
    )
    errors: list[tuple[Labels, Any]] = [
        ((("action", action), ("code", code)), float(count))
        for action in actions
        for code, count in latencies.errors(action).items()
    ]
    yield Family(
        PREFIX + "call_errors_total", "counter", "of them, answered with a CALLERROR", "1", errors
    )
    timeouts = {action: latencies.timeouts(action) for action in actions}
    yield _counters("call_timeouts_total", "of them, not answered in time", "action", timeouts)
    lost = {action: latencies.lost(action) for action in actions}
    yield _counters(
        "calls_lost_total", "CALLs cut off by the end of their connection", "action", lost
    )
    for kind, since in (("response", "it was due"), ("service", "it was sent")):
        samples: list[tuple[Labels, Any]] = [
            ((("action", action),), calls.of(action, kind)) for action in calls.actions(kind)
        ]
        means = f"from when {since} to the answer of a CALL"
        yield Family(f"{PREFIX}call_{kind}_seconds", "histogram", means, "s", samples)
    commands = {action: block["count"] for action, block in counters.snapshot()["commands"].items()}
    yield _counters(
        "commands_total", "CALLs of the CSMS that chargers answered", "action", commands
    )
    yield _counter("violations_total", "what the CSMS sent against OCPP", counters.violations.total)
    yield _counters(
        "dropped_total", "messages given up by chargers", "message", dict(counters.dropped.items())
    )
    yield _counters(
        "injected_total", "acts of faults on purpose", "kind", dict(counters.injected.items())
    )


def _of_the_generator(engine: Engine, progress: Progress) -> Iterator[Family]:
    yield _gauge(
        "loop_lag_p99_seconds",
        "how late the generator's event loop ran since the load began",
        progress.loop_lag_p99_ms / 1000,
        "s",
    )
    yield _counter("cpu_seconds_total", "CPU time of the generator", cpu_s(), "s")
    yield _gauge("resident_memory_bytes", "of the generator", rss_mib() * 2**20, "By")
    yield _counter("crashes_total", "bugs of ours", engine.recorder.counters.crashes.total)
