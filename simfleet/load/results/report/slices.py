"""The parts of a fleet beside each other: what is the same for each, and times of each action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.load.results.report import wording
from simfleet.load.results.report.actions import call_table
from simfleet.load.results.report.blocks import shown
from simfleet.load.results.report.markup import NONE, Html, foreign, section, table

if TYPE_CHECKING:
    from simfleet.load.results.report.reading import Block

TABLES_MAX: Final = 20
"""Slices with a table of their actions; the first table has all of them."""
ROWS_MAX: Final = 200
_HEAD: Final = (
    *("slice", "version", "chargers", "booted", "started", "stopped", "kWh"),
    *("CALLs", "errors", "timeouts", "lost", "response p50, ms", "response p99, ms"),
)


def slices(summary: Block) -> Html:
    """The section of the parts of a fleet; none where all chargers are of one."""
    found = summary.blocks("slices")[:ROWS_MAX]
    if not found:
        other = summary.value("slices")
        return section("slices", "Slices of the fleet", shown("slices", other)) if other else NONE
    rows = [_row(one) for one in found]
    parts = [table(list(_HEAD), rows, numbers=range(2, len(_HEAD)))]
    for one in found[:TABLES_MAX]:
        if one.block("calls"):
            name = f"{one.word('name')} {_labels(one)}".strip()
            parts.append(Html(f"<h3>{foreign(name)}</h3>{call_table(one)}"))
    return section("slices", "Slices of the fleet", *parts)


def _labels(one: Block) -> str:
    labels = one.block("labels").content
    told = ", ".join(f"{key}: {value}" for key, value in labels.items())
    return f"({told})" if told else ""


def _row(one: Block) -> list[str]:
    calls = one.block("call_totals")
    return [
        one.word("name"),
        one.word("version"),
        wording.count(one.number("chargers", "target")),
        wording.count(one.number("chargers", "booted")),
        wording.count(one.number("transactions", "started")),
        wording.count(one.number("transactions", "stopped")),
        wording.number(one.number("transactions", "energy_kwh")),
        wording.count(calls.number("count")),
        wording.count(sum(calls.counts("errors").values())),
        wording.count(calls.number("timeouts")),
        wording.count(calls.number("lost")),
        wording.number(calls.number("response_ms", "p50")),
        wording.number(calls.number("response_ms", "p99")),
    ]
