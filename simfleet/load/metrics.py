"""The figures of a run that a threshold can be put on: one table, names are an interface.

Each metric is read from the run's summary (the content of `summary.json`), so a verdict can be
checked again by anybody who has the file. Metrics of CALLs exist over all actions
(`call.response.p99`) and per action (`call[MeterValues].response.p99`).
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from simfleet.load import selectors
from simfleet.load.arrival_metrics import metrics_of_sessions, metrics_of_soaks
from simfleet.load.call_metrics import metrics_of_calls, metrics_of_commands
from simfleet.load.cases.metrics import metrics_of_cases
from simfleet.load.figures import Metric, figure, ratio, total_of
from simfleet.load.foreign_metrics import foreign
from simfleet.load.run_metrics import (
    metrics_of_boots,
    metrics_of_generator,
    metrics_of_losses,
    metrics_of_search,
    plain,
)
from simfleet.load.storm_metrics import metrics_of_storms, storm_metric
from simfleet.ocpp.versions import actions_sent_by

if TYPE_CHECKING:
    from simfleet.load.figures import Figures
    from simfleet.load.selectors import Selector


def _connect_failures(summary: Figures) -> float | None:
    attempted = figure(summary, "connect", "attempts")
    return total_of(summary["connect"].get("failures")) if attempted else None


def _violations(summary: Figures) -> float | None:
    violations = summary.get("violations")
    if not isinstance(violations, list | tuple):
        return None
    counted = (v.get("count", 1) if isinstance(v, Mapping) else 1 for v in violations)
    return float(sum(counted))


def _connections() -> list[Metric]:
    return [
        Metric(
            "boot.accepted_ratio",
            "ratio",
            "chargers whose BootNotification was accepted, of all that the scenario wants",
            "chargers.booted / chargers.target",
            lambda s: ratio(figure(s, "chargers", "booted"), figure(s, "chargers", "target")),
            of_slice=True,
        ),
        plain(
            "chargers.failed",
            "count",
            "wanted chargers that the CSMS never accepted",
            of_slice=True,
        ),
        plain("connect.attempts", "count", "connection attempts", of_stage=True),
        Metric(
            "connect.failures",
            "count",
            "connection attempts that failed, for whatever reason",
            "sum of connect.failures",
            _connect_failures,
            of_stage=True,
        ),
        plain("connect.per_s_peak", "rate", "most connections opened in a second"),
        plain(
            "connect.seconds_to_all",
            "duration",
            "from the first attempt until every wanted charger was connected",
        ),
        plain(
            "connections.peak",
            "count",
            "most chargers connected at once",
            source="chargers.connected_peak",
            of_stage=True,
        ),
        plain(
            "connections.min",
            "count",
            "fewest chargers connected after the first ramp and before the stop",
            source="chargers.connected_min",
            of_stage=True,
        ),
    ]


def _uploads() -> list[Metric]:
    return [
        plain(
            "uploads.received",
            "count",
            "files that chargers uploaded to the run's own server ($uploads)",
        ),
        plain(
            "uploads.served", "count", "firmware files that chargers downloaded from there, whole"
        ),
    ]


def _transactions() -> list[Metric]:
    return [
        plain(
            "transactions.started", "count", "transactions started", of_stage=True, of_slice=True
        ),
        plain(
            "transactions.stopped", "count", "transactions stopped", of_stage=True, of_slice=True
        ),
        plain(
            "transactions.energy_kwh",
            "energy",
            "energy of all transactions",
            of_stage=True,
            of_slice=True,
        ),
    ]


def _traffic() -> list[Metric]:
    return [
        Metric(
            "schema.violations",
            "count",
            "frames of the CSMS that break OCPP-J or the message schema",
            "sum of count over violations",
            _violations,
            of_stage=True,
        ),
        plain(
            "throughput.calls_per_s",
            "rate",
            "CALLs answered a second",
            of_stage=True,
            of_slice=True,
        ),
        plain("throughput.frames_per_s", "rate", "frames a second, both ways", of_stage=True),
    ]


def _table() -> dict[str, Metric]:
    """All metrics, in the order in which they are shown."""
    metrics = (
        *_connections(),
        *metrics_of_calls(),
        *metrics_of_commands(),
        *metrics_of_cases(),
        *_uploads(),
        *_transactions(),
        *metrics_of_sessions(),
        *metrics_of_soaks(),
        *metrics_of_storms(),
        *_traffic(),
        *metrics_of_losses(),
        *metrics_of_boots(),
        *metrics_of_generator(),
        *metrics_of_search(),
    )
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
    """The metric of a name, selector or not, and the action if it names one.

    Raises ValueError for a name that does not exist, with the nearest one that does.
    """
    bare, selector = selectors.split(name)
    found = _WITH_ACTION.fullmatch(bare)
    action, bare = (found[2], f"{found[1]}.{found[3]}") if found else (None, bare)
    if found is not None and found[1] == "call" and found[2] not in fleet_actions():
        near = _nearest(found[2], fleet_actions())
        raise ValueError(f"{found[2][:40]!r} is not an action that a charger sends{near}")
    if found is not None and found[1] == "command" and found[2] not in csms_actions():
        near = _nearest(found[2], csms_actions())
        raise ValueError(f"{found[2][:40]!r} is not an action that a CSMS sends{near}")
    metric = _of_books(bare) or storm_metric(bare) or METRICS.get(bare)
    if metric is None or (action is not None and not (metric.of_calls or metric.of_commands)):
        raise ValueError(f"unknown metric{foreign(bare) or _nearest(bare, METRICS)}")
    _ensure_selectable(metric, selector)
    return metric, action


def _ensure_selectable(metric: Metric, selector: Selector) -> None:
    known = {"stage": metric.of_stage, "slice": metric.of_slice}
    accepted = " or ".join(f"{{{key}=name}}" for key, is_known in known.items() if is_known)
    for key, is_known in known.items():
        if getattr(selector, key) is not None and not is_known:
            instead = f"; accepted here: {accepted}" if accepted else "; it is of the whole run"
            raise ValueError(f"{metric.name} is not known of one {key}{instead}")


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
