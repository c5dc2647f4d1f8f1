"""Metrics of open load models and of soaks: drivers who came, sessions lost, what has drifted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simfleet.load.figures import Metric, figure, ratio, seconds
from simfleet.load.run_metrics import plain

if TYPE_CHECKING:
    from simfleet.load.figures import Figures, Reader


def metrics_of_sessions() -> list[Metric]:
    """Charging sessions: of `sessions` stages, and of the whole run."""
    return [
        *(
            plain(f"sessions.{name}", "count", means, source=f"arrivals.{name}")
            for name, means in (
                ("wanted", "drivers of `sessions` stages who were due"),
                ("arrived", "of them, those who found a free connector"),
                ("turned_away", "of them, those who found none"),
                ("started", "of those who arrived, those whose session began"),
                ("unserved", "of those who arrived, those who went without a session"),
                ("late", "drivers whom SimFleet began more than 100 ms after they were due"),
            )
        ),
        Metric(
            "sessions.turned_away_ratio",
            "ratio",
            "drivers who found no free connector, of all who were due",
            "arrivals.turned_away / arrivals.wanted",
            lambda s: ratio(figure(s, "arrivals", "turned_away"), figure(s, "arrivals", "wanted")),
        ),
        Metric(
            "sessions.lag.p99",
            "duration",
            "99th percentile of how late SimFleet began drivers",
            "arrivals.lag_ms.p99 / 1000",
            lambda s: seconds(figure(s, "arrivals", "lag_ms", "p99")),
        ),
        Metric(
            "sessions.lost",
            "count",
            "transactions that never ended, or whose start or end the CSMS never answered, less"
            " those that faults on purpose have lost",
            "ledger.fleet.transactions_opened - the smaller of starts_delivered and"
            " stops_delivered, each with what is excused",
            _sessions_lost,
            of_slice=True,
        ),
    ]


def _sessions_lost(summary: Figures) -> float | None:
    books: Any = summary.get("ledger", {}).get("fleet")
    opened = figure(books or {}, "transactions_opened")
    if opened is None:  # of one slice
        started = figure(summary, "transactions", "started")
        stopped = figure(summary, "transactions", "stopped")
        return None if started is None or stopped is None else started - stopped

    def delivered(what: str) -> float:
        excused = sum(
            figure(books, "excused", f"{what}_{how}") or 0.0 for how in ("lost", "unanswered")
        )
        return (figure(books, f"{what}_delivered") or 0.0) + excused

    return max(0.0, opened - min(delivered("starts"), delivered("stops")))


def metrics_of_soaks() -> list[Metric]:
    """What has drifted during `soak` stages; of several, the worst."""
    return [
        Metric(
            "soak.response.p99_drift",
            "ratio",
            "how much longer the p99 of response times was in the last tenth of a soak than in the"
            " first; 0 where it was not",
            "soak[].response_p99_ms.drift_ratio",
            _worst("response_p99_ms", "drift_ratio"),
        ),
        Metric(
            "soak.generator.grown_kib",
            "count",
            "KiB for each charger by which SimFleet's memory grew during a soak",
            "soak[].generator.grown_per_charger_kib",
            _worst("generator", "grown_per_charger_kib"),
        ),
        Metric(
            "soak.csms.grown_kib",
            "count",
            "KiB for each charger by which the embedded CSMS's memory grew during a soak",
            "soak[].csms.grown_per_charger_kib",
            _worst("csms", "grown_per_charger_kib"),
        ),
    ]


def _worst(*steps: str) -> Reader:
    """The largest figure of all soaks, at least 0; None if one of them has none."""

    def read(summary: Figures) -> float | None:
        found = [figure(soak, *steps) for soak in summary.get("soak") or ()]
        known = [value for value in found if value is not None]
        return max(0.0, *known) if known and len(known) == len(found) else None

    return read
