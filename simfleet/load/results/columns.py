"""The columns of `timeline.csv` and `actions.csv`. Their names are an interface, explained in
docs/run-folder.md; new ones go to the end.

Counts are of the row: over all rows they add up to the run's. Divide by `lasts_s` for a rate.
"""

from __future__ import annotations

from typing import Final

CONNECTOR_STATES: Final = (
    "available",
    "preparing",
    "charging",
    "suspended_ev",
    "suspended_evse",
    "finishing",
    "reserved",
    "unavailable",
    "faulted",
    "offline",
)
"""Where connectors are, each counted once; those of a charger without a connection are offline."""

TIMELINE: Final = "timeline.csv"
ACTIONS: Final = "actions.csv"

TIMELINE_COLUMNS: Final = (
    "t_s",
    "at",
    "lasts_s",
    "stage",
    "wanted",
    "alive",
    "connected",
    "registered",
    "booted",
    *CONNECTOR_STATES,
    "transactions",
    "arrivals",
    "started",
    "stopped",
    "calls",
    "errors",
    "timeouts",
    "lost",
    "frames_sent",
    "frames_received",
    "connects",
    "connect_failures",
    "disconnects",
    "problems",
    "injected",
    "loop_lag_p99_ms",
    "schedule_lag_max_ms",
    "cpu_ratio",
    "rss_mib",
    "gc_pauses",
    "gc_ms",
    "descriptors",
)

ACTION_COLUMNS: Final = (
    "t_s",
    "lasts_s",
    "action",
    "count",
    "errors",
    "timeouts",
    "response_p50_ms",
    "response_p90_ms",
    "response_p99_ms",
    "response_p99_9_ms",
    "response_max_ms",
    "service_p50_ms",
    "service_p99_ms",
    "service_max_ms",
)
