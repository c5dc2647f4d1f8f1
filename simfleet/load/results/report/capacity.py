"""The capacity search: response times over the load, where the limits broke, and every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.load.results.report import scale, wording
from simfleet.load.results.report.blocks import shown
from simfleet.load.results.report.chart import Band, Frame, Line, Mark, line_chart
from simfleet.load.results.report.markup import NONE, Cell, Html, badge, facts, section, table

if TYPE_CHECKING:
    from simfleet.load.results.report.reading import Block

STEPS_SHOWN_MAX: Final = 250
"""A search has 200 steps at most."""
_ENDED: Final = {
    "knee": "the place where limits begin to break was found",
    "top": "the highest load that was to be tried kept every limit",
    "floor": "the very first load broke a limit",
    "generator": "SimFleet itself could not keep up: this says nothing about the CSMS",
    "unmeasured": "a limit had no figure to be judged by",
    "steps": "there were too many steps",
    "interrupted": "the run ended before the search did",
}
_PURPOSES: Final = {"climb": "one step up", "bisect": "half way between", "confirm": "once more"}
_TONES: Final = {"passed": "good", "failed": "bad", "invalid": "poor", "unmeasured": "poor"}
_OUTCOMES: Final = {
    "passed": "kept its limits",
    "failed": "broke a limit",
    "invalid": "generator too slow",
    "unmeasured": "not measured",
}
_HEAD: Final = (
    *("step", "load", "why", "outcome", "CALLs/s", "p50, ms", "p99, ms", "errors", "generator"),
    "what broke, or what speaks against the figures",
)


def capacity(summary: Block) -> Html:
    """The section of a capacity search; what another SimFleet wrote is shown as it is."""
    found = summary.block("capacity")
    if not found.blocks("steps"):
        content = summary.value("capacity")
        return section("capacity", "Capacity", shown("capacity", content)) if content else NONE
    ended = found.word("ended")
    about = facts(
        [
            ("Result", found.word("text")),
            ("Highest load that kept the limits", _load(found, "highest_passed")),
            ("Lowest load that broke one", _load(found, "lowest_failed")),
            ("Confirmed by repetition", "yes" if found.value("confirmed") is True else "no"),
            ("The search ended because", _ENDED.get(ended, ended)),
        ]
    )
    steps = found.blocks("steps")[:STEPS_SHOWN_MAX]
    rows = [_row(number, step) for number, step in enumerate(steps, start=1)]
    return section(
        "capacity",
        "Capacity: how much load until a limit breaks",
        about,
        _chart(found),
        table(_HEAD, rows, numbers=(0, 1, 4, 5, 6, 7)),
        intro="The load was raised step by step, each step measured by itself once it had settled."
        " Where a load was measured more than once, the chart shows its slowest step.",
    )


def _unit(found: Block) -> str:
    return "chargers" if found.word("of") == "chargers" else "sessions/s"


def _load(found: Block, name: str) -> str:
    load = found.number(name)
    return "none" if load is None else f"{wording.number(load)} {_unit(found)}"


def _row(number: int, step: Block) -> list[object]:
    outcome, purpose = step.word("outcome"), step.word("purpose")
    broken = [
        f"{one.word('metric')} {one.word('limit')}: was {one.word('actual_text')}"
        for one in step.blocks("broken")
    ]
    said: Cell | str = badge(_OUTCOMES.get(outcome, outcome), _TONES.get(outcome, "plain"))
    return [
        number,
        wording.number(step.number("load")),
        _PURPOSES.get(purpose, purpose),
        said,
        wording.number(step.number("calls_per_s")),
        wording.number(step.number("p50_ms")),
        wording.number(step.number("p99_ms")),
        wording.share(step.number("error_ratio")),
        step.word("generator"),
        "; ".join([*broken, *step.words("reasons")]),
    ]


def _chart(found: Block) -> Html:
    slowest: dict[float, tuple[float, float]] = {}
    for point in found.blocks("curve") or found.blocks("steps"):
        load, p50, p99 = (point.number(name) for name in ("load", "p50_ms", "p99_ms"))
        if load is not None and p50 is not None and p99 is not None:
            known = slowest.get(load, (0.0, 0.0))
            slowest[load] = (max(p50, known[0]), max(p99, known[1]))
    loads = sorted(slowest)
    if len(loads) < 2:
        return NONE
    p50s, p99s = [slowest[load][0] for load in loads], [slowest[load][1] for load in loads]
    values = [value for value in (*p50s, *p99s) if value > 0]
    return line_chart(
        f"Response time over the load, {_unit(found)}",
        [Line("p99", loads, p99s, "c-red"), Line("p50", loads, p50s, "c-blue")],
        frame=_frame(found, loads),
        y=scale.times_ms(min(values, default=0.0), max(values, default=0.0)),
        unit="ms",
    )


def _frame(found: Block, loads: list[float]) -> Frame:
    x = scale.linear(loads[-1], low=loads[0], ticks=8)
    passed, failed = found.number("highest_passed"), found.number("lowest_failed")
    broke_at = x.high if failed is None else failed
    kept_to = x.low if passed is None else passed
    bands = (
        Band(x.low, kept_to, "limits kept"),
        Band(kept_to, broke_at, "not known" if failed is None else "knee"),
        Band(broke_at, x.high, "limits broken"),
    )
    kept = None if passed is None else Mark(passed, 1, "kept", f"{passed:g} kept the limits")
    broke = None if failed is None else Mark(failed, 2, "abort", f"{failed:g} broke a limit")
    return Frame(x, bands, [mark for mark in (kept, broke) if mark is not None], load=_unit(found))
