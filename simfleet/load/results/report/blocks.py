"""Whatever else is in `summary.json`, shown as it is: figures, and tables of figures.

So a part of SimFleet that measures something need not know of reports. Bounded: long tables end
with how many rows more there are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from simfleet.load.results.report import wording
from simfleet.load.results.report.markup import (
    NONE,
    Cell,
    Html,
    badge,
    facts,
    foreign,
    join,
    section,
    table,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROWS_MAX: Final = 100
COLUMNS_MAX: Final = 40
DEPTH_MAX: Final = 4
BLOCKS_MAX: Final = 40
_INLINE_MAX: Final = 8


KNOWN: Final = {
    "connect": (
        "Connections",
        "Attempts to connect, those that succeeded, and why the others failed; the most in one"
        " second, and the seconds until every wanted charger was connected.",
    ),
    "commands": (
        "What the CSMS sent",
        "CALLs that chargers were sent, by action, and the errors that they answered with.",
    ),
    "scenario_commands": (
        "Commands of the scenario",
        "What the scenario had the CSMS send, and what became of it. Converged is a charger that"
        " was seen to do what it had been told; times count from when the command was due.",
    ),
    "clock": (
        "Clock",
        "Kind: whether the clock was a real one, scaled, or virtual, jumping to what was due next."
        " Run is time of the scenario, real is time of the machine.",
    ),
    "arrivals": (
        "Drivers who arrived",
        "Wanted: who was due. Arrived: who found a free connector; the others were turned away."
        " Unserved: who arrived and went without a session. Late: whom SimFleet itself began more"
        " than 100 ms after they were due, by the lag below.",
    ),
    "schedule": ("Schedule", "Sessions in schedule.csv."),
    "actions": (
        "What people did while it ran",
        "By keys or by REST. What was not done was refused, and had no effect.",
    ),
    "cases": ("Scripted cases", "Each case on each of its chargers, and the step that failed."),
    "case_totals": ("Scripted cases, in all", ""),
    "injected": (
        "Faults on purpose",
        "What chargers and their network were told to do wrong, and how often each happened. The"
        " ledger reckons with it.",
    ),
    "soak": ("Soaks: did anything drift?", "First tenth of the stage against its last tenth."),
    "windows": (
        "Figures of one stage, or after the warm-up",
        "What thresholds on a part of the run were judged by.",
    ),
}
"""Parts of `summary.json` as people call them, and what is in them."""


def other_blocks(summary: Mapping[str, Any], known: frozenset[str]) -> list[Html]:
    """A section for each part of a summary that no other section shows."""
    sections: list[Html] = []
    for name, value in list(summary.items()):
        if name in known or not isinstance(value, dict | list) or not value:
            continue
        if len(sections) >= BLOCKS_MAX:
            break
        title, about = KNOWN.get(str(name), (wording.title(str(name)), ""))
        content = shown(name, value)
        sections.append(section(f"b-{len(sections)}", title, content, intro=about))
    return sections


def shown(name: str, value: object, *, depth: int = 0) -> Html:
    """A value of `summary.json`, whatever it is."""
    if isinstance(value, list):
        return _list(name, value, depth)
    if isinstance(value, dict):
        return _object(value, depth)
    return Html(f"<p>{_scalar(name, value)}</p>")


def _object(content: Mapping[str, Any], depth: int) -> Html:
    if _is_table(content):
        rows = [{"": key, **row} for key, row in list(content.items())[:ROWS_MAX]]
        return join([_records(rows, depth), _more(len(content))])
    plain = {key: one for key, one in content.items() if _flat(one)}
    parts = [
        facts(
            (wording.title(str(key)), Cell(_scalar(str(key), one)))
            for key, one in list(plain.items())[:ROWS_MAX]
        )
    ]
    if depth < DEPTH_MAX:
        for key, one in content.items():
            if key not in plain and one:
                inner = shown(str(key), one, depth=depth + 1)
                parts.append(Html(f"<h3>{text(wording.title(str(key)))}</h3>{inner}"))
    return join(parts)


def _list(name: str, values: Sequence[Any], depth: int) -> Html:
    if all(isinstance(one, dict) for one in values):
        return join([_records(values[:ROWS_MAX], depth), _more(len(values))])
    lines = [f"<li>{_scalar(name, one)}</li>" for one in values[:ROWS_MAX]]
    return join([f"<ul>{''.join(lines)}</ul>", _more(len(values))])


def _more(count: int) -> Html:
    if count <= ROWS_MAX:
        return NONE
    return Html(f'<p class="note">{count - ROWS_MAX:,} more are in summary.json.</p>')


def _is_table(content: Mapping[str, Any]) -> bool:
    """Whether all values are alike: objects that share at least one name."""
    values = list(content.values())
    if not values or not all(isinstance(one, dict) and one for one in values):
        return False
    shared = set(values[0]).intersection(*values[1:])
    return bool(shared) and (len(values) > 1 or all(_flat(one) for one in values[0].values()))


def _records(rows: Sequence[Mapping[str, Any]], depth: int) -> Html:
    """A table of objects; what is in objects within them gets columns of its own."""
    flat = [_spread(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))[:COLUMNS_MAX]
    numeric = {
        place
        for place, name in enumerate(columns)
        if all(_is_number(row[name]) or row[name] is None for row in flat if name in row)
    }
    body = [
        [Cell(_scalar(name, row[name])) if name in row else "" for name in columns] for row in flat
    ]
    return table([_heading(name) for name in columns], body, numbers=numeric)


def _heading(name: str) -> str:
    return " · ".join(wording.title(part) for part in name.split("\0")) if name else ""


def _spread(row: Mapping[str, Any]) -> dict[str, Any]:
    spread: dict[str, Any] = {}
    for key, value in row.items():
        inline = isinstance(value, dict) and 0 < len(value) <= _INLINE_MAX
        if inline and all(map(_is_number, value.values())):
            for inner, one in value.items():
                spread[f"{key}\0{inner}"] = one
        else:
            spread[str(key)] = value
    return spread


def _flat(value: object) -> bool:
    if isinstance(value, list):
        return len(value) <= _INLINE_MAX and all(not isinstance(one, dict | list) for one in value)
    return not isinstance(value, dict) or not value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _scalar(name: str, value: object) -> str:
    """One value, as a cell or after its name."""
    if value is None or value in ({}, []):
        return wording.MISSING
    if isinstance(value, bool):
        return badge("yes", "plain") if value else badge("no", "plain")
    if isinstance(value, int | float):
        return text(_number(name, float(value)))
    if isinstance(value, list):
        return foreign(", ".join(map(str, value[:ROWS_MAX])))
    if isinstance(value, dict):
        inner = (f"{key}: {one}" for key, one in list(value.items())[:_INLINE_MAX])
        return foreign(", ".join(inner))
    return foreign(value)


def _number(name: str, value: float) -> str:
    if not math.isfinite(value):
        return wording.MISSING
    last = name.split("\0")[-1]
    if last.endswith("ratio"):
        return wording.share(value)
    return wording.number(round(value, 3) if abs(value) >= 0.01 else value)
