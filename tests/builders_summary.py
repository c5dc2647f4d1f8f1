"""The names of a summary, and those that docs/summary.md documents."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "summary.md"
STATISTICS = {"mean", "p50", "p90", "p95", "p99", "p99_9", "max"}

# Maps whose keys are what occurred, and what the page calls them.
OPEN = {
    "calls": "{Action}",
    "calls.{Action}.errors": "{code}",
    "call_totals.errors": "{code}",
    "commands": "{Action}",
    "commands.{Action}.errors": "{code}",
    "connect.failures": "{reason}",
    "disconnects": "{kind}",
    "dropped": "{message:why}",
    "stages[].calls": "{tag}",
    "scenario_commands.by_action": "{Action}",
    **{
        f"scenario_commands.{block}.{counts}": name
        for block in ("totals", "by_action.{Action}", "events[]")
        for counts, name in (
            ("statuses", "{status}"),
            ("errors", "{code}"),
            ("skipped", "{why}"),
        )
    },
    "injected.by_kind": "{kind}",
}
WHOLE = {  # documented elsewhere, or null
    "ledger.csms",
    *(f"slices[].{name}" for name in ("calls", "call_totals", "labels")),
    *(f"windows[].{name}" for name in ("calls", "call_totals", "generator", "violations")),
    *(f"windows[].{name}" for name in ("boot", "disconnects", "dropped", "connect.failures")),
    "capacity.steps[].broken",
    "actions[].asked",
}


def names_in(value: Any, path: str = "") -> set[str]:
    """The paths of a summary as the page writes them."""
    if path in WHOLE:
        return {path}
    if isinstance(value, list):
        if not any(isinstance(item, dict) for item in value):
            return {f"{path}[]"}
        return set().union(*(names_in(item, f"{path}[]") for item in value))
    if not isinstance(value, dict):
        return {path}
    found: set[str] = set()
    for key, inner in value.items():
        shown = OPEN.get(path) or ("{statistic}" if is_statistic(path, key) else key)
        found |= names_in(inner, f"{path}.{shown}" if path else shown)
    return found


def is_statistic(path: str, key: str) -> bool:
    times = path.endswith(("response_ms", "service_ms", "answered_ms", "converged_ms")) or path in (
        "stages[].calls.{tag}",
        "arrivals.lag_ms",
    )
    return times and key in STATISTICS


def names_documented() -> set[str]:
    names = re.findall(r"^\| `([^`]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(names) == len(set(names))
    return set(names)
