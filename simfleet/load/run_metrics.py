"""Metrics of a run as a whole that are no CALLs: replies, losses, the generator, a search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from simfleet.load.figures import STATISTICS, Metric, figure, seconds, total_of

if TYPE_CHECKING:
    from simfleet.load.figures import Figures, Reader

_ON_PURPOSE: Final = ("ended", "cut", "cancelled")
"""Disconnects that are no losses."""


def plain(name: str, kind: str, means: str, *, source: str = "", **of: bool) -> Metric:
    """A figure that the summary has as it is, under the metric's own name or another."""
    source = source or name
    steps = source.split(".")
    return Metric(name, kind, means, source, lambda s: figure(s, *steps), **of)  # type: ignore[arg-type]


def metrics_of_losses() -> list[Metric]:
    """What was lost on the way."""
    return [
        Metric(
            "connections.lost",
            "count",
            "connections that ended without being asked to",
            "sum of disconnects but ended, cut and cancelled",
            _connections_lost,
            of_stage=True,
        ),
        Metric(
            "messages.dropped",
            "count",
            "messages given up by chargers",
            "sum of dropped",
            lambda s: total_of(s.get("dropped")),
            of_stage=True,
        ),
        plain(
            "sessions.energy_lost_kwh",
            "energy",
            "energy of transactions that ended and whose end the CSMS never answered",
            source="transactions.energy_lost_kwh",
        ),
        *(
            plain(f"replies.{name}", "count", means)
            for name, means in (
                ("late", "replies to CALLs that had timed out"),
                ("duplicate", "replies to the CALL answered last"),
                ("unknown", "replies to nothing that was asked"),
            )
        ),
    ]


def _connections_lost(summary: Figures) -> float | None:
    disconnects = summary.get("disconnects")
    if not isinstance(disconnects, Mapping):
        return None
    return float(sum(n for kind, n in disconnects.items() if kind not in _ON_PURPOSE))


def metrics_of_boots() -> list[Metric]:
    """How BootNotification was answered."""
    return [
        plain("boot.accepted", "count", "BootNotifications accepted", of_stage=True),
        plain("boot.pending", "count", "BootNotifications answered with Pending", of_stage=True),
        plain("boot.rejected", "count", "BootNotifications rejected", of_stage=True),
        plain("chargers.crashed", "count", "chargers that a bug in SimFleet ended"),
    ]


def metrics_of_generator() -> list[Metric]:
    """How SimFleet itself did."""
    return [
        *_lags("loop_lag", "how late SimFleet's own event loop ran"),
        *_lags("schedule_lag", "how late chargers were woken for what they wanted to do"),
        plain(
            "generator.cpu_ratio",
            "ratio",
            "CPU time of SimFleet by time; one event loop has no more than 1",
            of_stage=True,
        ),
        Metric(
            "generator.gc.max",
            "duration",
            "longest garbage collection",
            "generator.gc.max_ms / 1000",
            lambda s: seconds(figure(s, "generator", "gc", "max_ms")),
            of_stage=True,
        ),
        plain("generator.descriptors.peak", "count", "most files and sockets open at once"),
    ]


def _lags(name: str, what: str) -> list[Metric]:
    def reader(statistic: str) -> Reader:
        return lambda summary: seconds(figure(summary, "generator", f"{name}_ms", statistic))

    return [
        Metric(
            f"generator.{name}.{statistic}",
            "duration",
            f"{STATISTICS[statistic]} {what}",
            f"generator.{name}_ms.{statistic} / 1000",
            reader(statistic),
            of_stage=True,
        )
        for statistic in ("p50", "p99", "max")
    ]


def metrics_of_search() -> list[Metric]:
    """What a `capacity` stage has found; of several, the last."""
    return [
        plain(
            "capacity.passed",
            "number",
            "highest load of the search that kept its limits: chargers, or sessions a second",
            source="capacity.highest_passed",
        ),
        plain(
            "capacity.failed",
            "number",
            "lowest load of the search that broke a limit",
            source="capacity.lowest_failed",
        ),
    ]
