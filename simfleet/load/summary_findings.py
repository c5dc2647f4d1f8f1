"""What a run was made to find out, for the terminal: a capacity, times of storms, cases, commands
that were followed. Nothing where the scenario did not ask.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STORMS_SHOWN: Final = 10
"""Storms; all are in `summary.json`."""
_WIDTH: Final = 80
_INDENT: Final = " " * 16
_TIMES: Final = {"seconds_to_50": "50 %", "seconds_to_95": "95 %", "seconds_to_100": "all"}


def findings(summary: Mapping[str, Any]) -> Iterator[str]:
    """Lines of text, each with what it is about."""
    capacity = summary.get("capacity")
    if capacity:
        yield _told("capacity", capacity["text"])
    storms = summary.get("storms") or []
    for storm in storms[:STORMS_SHOWN]:
        yield _told("storm", _storm(storm))
    if len(storms) > STORMS_SHOWN:
        yield f"{_INDENT}{len(storms) - STORMS_SHOWN} more"
    commands = summary.get("scenario_commands")
    for action, sent in ({} if commands is None else commands["by_action"]).items():
        if sent["watched"]:
            yield _told("converged", _converged(action, sent))
    cases = summary.get("case_totals")
    if cases and cases["total"]:
        skipped = f", {cases['skipped']} skipped" if cases["skipped"] else ""
        yield _told(
            "cases",
            f"{cases['passed']} of {cases['total']} passed, {cases['failed']} failed{skipped}",
        )


def _storm(storm: Mapping[str, Any]) -> str:
    name = storm["name"] or storm["do"]
    times = ", ".join(
        f"{word} never" if storm[key] is None else f"{word} in {storm[key]:.1f} s"
        for key, word in _TIMES.items()
    )
    return f"{name}: {storm['back']} of {storm['chargers']} back, {times}"


def _converged(action: str, sent: Mapping[str, Any]) -> str:
    times = sent["converged_ms"]
    told = f"{action}: {sent['converged']} of {sent['watched']} did it"
    if not sent["converged"]:
        return told
    p50_s, p95_s, most_s = (times[key] / 1000 for key in ("p50", "p95", "max"))
    return f"{told}, half in {p50_s:.1f} s, 95 % in {p95_s:.1f} s, the last in {most_s:.1f} s"


def _told(what: str, text: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=f"  {what:<14}",
        subsequent_indent=_INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )
