"""The figures of a run that a threshold can be put on: one table, names are an interface.

Each metric is read from the run's summary (the content of `summary.json`), so a verdict can be
checked again by anybody who has the file. Metrics of CALLs exist over all actions
(`call.response.p99`) and per action (`call[MeterValues].response.p99`).
"""

from __future__ import annotations

import difflib
import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from simfleet.ocpp.versions import actions_sent_by

Figures: TypeAlias = Mapping[str, Any]
_Reader: TypeAlias = Callable[[Figures], float | None]
MetricKind: TypeAlias = Literal["ratio", "duration", "count", "rate", "energy"]


class Metric(msgspec.Struct, frozen=True):
    """One figure. `read` gives it in the unit of its kind, None where the run has nothing to say.

    ratio: 0 to 1; duration: seconds; count: a number of things; rate: per second; energy: kWh.
    For a metric of CALLs or of commands `read` gets the block of the action (or of all actions),
    else the whole summary.
    """

    name: str
    kind: MetricKind
    means: str
    source: str
    read: Callable[[Figures], float | None]
    of_calls: bool = False
    of_commands: bool = False


def figure(figures: Figures, *steps: str) -> float | None:
    """The number at a path of keys; None where there is none, or it is not finite."""
    here: Any = figures
    for step in steps:
        if not isinstance(here, Mapping) or step not in here:
            return None
        here = here[step]
    is_number = isinstance(here, int | float) and not isinstance(here, bool) and math.isfinite(here)
    return float(here) if is_number else None


def _ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _sum(counts: object) -> float | None:
    return float(sum(counts.values())) if isinstance(counts, Mapping) else None


def _call_errors(block: Figures) -> float | None:
    return _sum(block.get("errors")) if block.get("count") else None


def _call_error_ratio(block: Figures) -> float | None:
    errors, timeouts = _call_errors(block), figure(block, "timeouts")
    if errors is None or timeouts is None:
        return None
    return _ratio(errors + timeouts, figure(block, "count"))


def _connect_failures(summary: Figures) -> float | None:
    attempted = figure(summary, "connect", "attempts")
    return _sum(summary["connect"].get("failures")) if attempted else None


def _sessions_lost(summary: Figures) -> float | None:
    started = figure(summary, "transactions", "started")
    stopped = figure(summary, "transactions", "stopped")
    return None if started is None or stopped is None else started - stopped


def _violations(summary: Figures) -> float | None:
    violations = summary.get("violations")
    if not isinstance(violations, list | tuple):
        return None
    counted = (v.get("count", 1) if isinstance(v, Mapping) else 1 for v in violations)
    return float(sum(counted))


def _at(name: str, kind: MetricKind, means: str, *steps: str) -> Metric:
    return Metric(name, kind, means, ".".join(steps), lambda summary: figure(summary, *steps))


_STATISTICS = {
    "mean": "mean of",
    "p50": "median of",
    "p90": "90th percentile of",
    "p99": "99th percentile of",
    "p99_9": "99.9th percentile of",
    "max": "longest",
}


def _call_times(name: str, block: str, what: str) -> list[Metric]:
    def reader(statistic: str) -> Callable[[Figures], float | None]:
        return lambda call: _seconds(figure(call, block, statistic)) if call.get("count") else None

    return [
        Metric(
            f"call.{name}.{statistic}",
            "duration",
            f"{words} {what}",
            f"{block}.{statistic} / 1000",
            reader(statistic),
            of_calls=True,
        )
        for statistic, words in _STATISTICS.items()
    ]


def _call_counts() -> list[Metric]:
    return [
        Metric(
            "call.count",
            "count",
            "CALLs sent by the fleet",
            "count",
            lambda block: figure(block, "count") or 0.0,  # nothing sent is an answer, too
            of_calls=True,
        ),
        Metric(
            "call.errors",
            "count",
            "CALLs answered with a CALLERROR, whatever its code",
            "sum of errors",
            _call_errors,
            of_calls=True,
        ),
        Metric(
            "call.timeouts",
            "count",
            "CALLs not answered in time",
            "timeouts",
            lambda block: figure(block, "timeouts") if block.get("count") else None,
            of_calls=True,
        ),
        Metric(
            "call.error_ratio",
            "ratio",
            "CALLs answered with a CALLERROR or not in time, of all CALLs",
            "(sum of errors + timeouts) / count",
            _call_error_ratio,
            of_calls=True,
        ),
    ]


def _command(name: str, kind: MetricKind, means: str, source: str, read: _Reader) -> Metric:
    return Metric(f"command.{name}", kind, means, source, read, of_commands=True)


def _commands() -> list[Metric]:
    """Figures of the scenario's commands; a count of nothing sent is 0, a ratio of it is none."""

    def count(name: str, key: str, means: str) -> Metric:
        return _command(name, "count", means, key, lambda block: figure(block, key) or 0.0)

    def total(name: str, key: str, means: str) -> Metric:
        return _command(
            name, "count", means, f"sum of {key}", lambda block: _sum(block.get(key)) or 0.0
        )

    def time(statistic: str) -> Metric:
        words = _STATISTICS[statistic]
        return _command(
            f"answered.{statistic}",
            "duration",
            f"{words} time from when a command was due to a charger's answer, pacing included",
            f"answered_ms.{statistic} / 1000",
            lambda block: (
                _seconds(figure(block, "answered_ms", statistic))
                if _sum(block.get("statuses")) or _sum(block.get("errors"))
                else None
            ),
        )

    return [
        count("sent", "sent", "CALLs sent to chargers by the scenario's commands"),
        count("unexpected", "unexpected", "of them, those not answered as the command expects"),
        total("errors", "errors", "of them, answered with a CALLERROR, whatever its code"),
        count("timeouts", "timeouts", "of them, not answered in time"),
        count("not_connected", "not_connected", "of them, cut off by the end of the connection"),
        total("skipped", "skipped", "chosen chargers that could not be sent the command"),
        _command(
            "accepted_ratio",
            "ratio",
            "CALLs answered with status Accepted, of those sent",
            "statuses.Accepted / sent",
            lambda b: _ratio(figure(b, "statuses", "Accepted") or 0.0, figure(b, "sent")),
        ),
        _command(
            "expected_ratio",
            "ratio",
            "CALLs answered as the command expects, of those sent",
            "(sent - not_connected - unexpected) / sent",
            _expected_ratio,
        ),
        *(time(statistic) for statistic in ("p50", "p99", "max")),
    ]


def _expected_ratio(block: Figures) -> float | None:
    sent, lost, unexpected = (
        figure(block, name) for name in ("sent", "not_connected", "unexpected")
    )
    if sent is None or lost is None or unexpected is None:
        return None
    return _ratio(sent - lost - unexpected, sent)


def _loop_lag() -> list[Metric]:
    def reader(statistic: str) -> Callable[[Figures], float | None]:
        return lambda summary: _seconds(figure(summary, "generator", "loop_lag_ms", statistic))

    return [
        Metric(
            f"generator.loop_lag.{statistic}",
            "duration",
            f"{_STATISTICS[statistic]} how late SimFleet's own event loop ran",
            f"generator.loop_lag_ms.{statistic} / 1000",
            reader(statistic),
        )
        for statistic in ("p50", "p99", "max")
    ]


def _table() -> dict[str, Metric]:
    metrics = [
        Metric(
            "boot.accepted_ratio",
            "ratio",
            "chargers whose BootNotification was accepted, of all that the scenario wants",
            "chargers.booted / chargers.target",
            lambda s: _ratio(figure(s, "chargers", "booted"), figure(s, "chargers", "target")),
        ),
        _at(
            "chargers.failed",
            "count",
            "wanted chargers that the CSMS never accepted",
            "chargers",
            "failed",
        ),
        _at("connect.attempts", "count", "connection attempts", "connect", "attempts"),
        Metric(
            "connect.failures",
            "count",
            "connection attempts that failed, for whatever reason",
            "sum of connect.failures",
            _connect_failures,
        ),
        _at(
            "connect.per_s_peak",
            "rate",
            "most connections opened in a second",
            "connect",
            "per_s_peak",
        ),
        _at(
            "connect.seconds_to_all",
            "duration",
            "from the first attempt until every wanted charger was connected",
            "connect",
            "seconds_to_all",
        ),
        _at(
            "connections.peak",
            "count",
            "most chargers connected at once",
            "chargers",
            "connected_peak",
        ),
        _at(
            "connections.min",
            "count",
            "fewest chargers connected after the first ramp and before the stop",
            "chargers",
            "connected_min",
        ),
        *_call_counts(),
        *_call_times(
            "response", "response_ms", "response time, from when a CALL was due to its answer"
        ),
        *_call_times(
            "service", "service_ms", "service time, from when a CALL was sent to its answer"
        ),
        *_commands(),
        _at(
            "uploads.received",
            "count",
            "files that chargers uploaded to the run's own server ($uploads)",
            "uploads",
            "received",
        ),
        _at(
            "uploads.served",
            "count",
            "firmware files that chargers downloaded from there, whole",
            "uploads",
            "served",
        ),
        _at("transactions.started", "count", "transactions started", "transactions", "started"),
        _at("transactions.stopped", "count", "transactions stopped", "transactions", "stopped"),
        _at(
            "transactions.energy_kwh",
            "energy",
            "energy of all transactions",
            "transactions",
            "energy_kwh",
        ),
        Metric(
            "sessions.lost",
            "count",
            "transactions started and never stopped",
            "transactions.started - transactions.stopped",
            _sessions_lost,
        ),
        Metric(
            "schema.violations",
            "count",
            "frames of the CSMS that break OCPP-J or the message schema",
            "sum of count over violations",
            _violations,
        ),
        _at(
            "throughput.calls_per_s", "rate", "CALLs answered a second", "throughput", "calls_per_s"
        ),
        _at(
            "throughput.frames_per_s",
            "rate",
            "frames a second, both ways",
            "throughput",
            "frames_per_s",
        ),
        *_loop_lag(),
    ]
    return {metric.name: metric for metric in metrics}


METRICS: Mapping[str, Metric] = _table()

_WITH_ACTION = re.compile(r"(call|command)\[([^\[\]]*)\]\.(.*)", re.DOTALL)


@functools.cache
def fleet_actions() -> tuple[str, ...]:
    """The actions a charger may send in any version, of which CALL metrics can be asked."""
    return actions_sent_by("station")


@functools.cache
def csms_actions() -> tuple[str, ...]:
    """The actions a CSMS may send in any version, of which metrics of commands can be asked."""
    return actions_sent_by("csms")


def metric_named(name: str) -> tuple[Metric, str | None]:
    """The metric of a name, and the action if it names one.

    Raises ValueError for a name that does not exist, with the nearest one that does.
    """
    found = _WITH_ACTION.fullmatch(name)
    action, bare = (found[2], f"{found[1]}.{found[3]}") if found else (None, name)
    if found is not None and found[1] == "call" and found[2] not in fleet_actions():
        near = _nearest(found[2], fleet_actions())
        raise ValueError(f"{found[2][:40]!r} is not an action that a charger sends{near}")
    if found is not None and found[1] == "command" and found[2] not in csms_actions():
        near = _nearest(found[2], csms_actions())
        raise ValueError(f"{found[2][:40]!r} is not an action that a CSMS sends{near}")
    metric = _of_books(name) or METRICS.get(bare)
    if metric is None or (action is not None and not (metric.of_calls or metric.of_commands)):
        raise ValueError(f"unknown metric{_nearest(bare, METRICS)}")
    return metric, action


BOOKS_PATTERN = r"csms\[([a-z_]+)((?:\.[A-Za-z0-9_]+){0,2})\]"
"""A count in the books of the embedded CSMS: `csms[stops]`, `csms[stop_reasons.Remote]`."""


@functools.cache
def _of_books(name: str) -> Metric | None:
    """The metric of a name such as `csms[stop_reasons.Remote]`; None for other names.

    Raises ValueError for what the books do not have.
    """
    if not name.startswith("csms["):
        return None
    found = re.fullmatch(BOOKS_PATTERN, name)
    if found is None:
        raise ValueError("a count of the embedded CSMS is written csms[stop_reasons.Remote]")
    from simfleet.csms.book import Book  # for scenarios with such thresholds only

    ledger = {**Book().ledger(), "crashed": 0}
    counts = [key for key, value in ledger.items() if isinstance(value, int | dict)]
    if found[1] not in counts:
        near = _nearest(found[1], tuple(counts))
        raise ValueError(f"{found[1][:40]!r} is no count of the embedded CSMS{near}")
    if isinstance(ledger[found[1]], dict) != bool(found[2]):
        example = f"{found[1]}.Name" if not found[2] else found[1]
        raise ValueError(f"write csms[{example}]; docs/csms.md explains the names")
    steps = (found[1], *found[2].split(".")[1:])

    def read(summary: Figures) -> float | None:
        books = summary.get("ledger", {}).get("csms")
        if books is None:
            return None
        return figure(books, *steps) or 0.0  # what never occurred was not written down

    source = f"ledger.csms.{'.'.join(steps)}"
    return Metric(name, "count", "a count in the books of the embedded CSMS", source, read)


def _nearest(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word[:60], list(known), n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(known)}"
