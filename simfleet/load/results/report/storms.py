"""Storms: how many chargers were back when, drawn one line a storm, and their times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.load.results.report import scale, wording
from simfleet.load.results.report.blocks import shown
from simfleet.load.results.report.chart import Frame, Line, line_chart
from simfleet.load.results.report.markup import NONE, Html, section, table

if TYPE_CHECKING:
    from simfleet.load.results.report.reading import Block

DRAWN_MAX: Final = 6
ROWS_MAX: Final = 100
_TONES: Final = ("c-blue", "c-orange", "c-green", "c-pink", "c-sky", "c-red")
_SHARES: Final = ((0.0, "0 %"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "100 %"))
_HEAD: Final = (
    *("storm", "kind", "began after", "chargers struck"),
    *("50 % back after", "95 % back after", "all back after", "not back"),
)


def storms(summary: Block) -> Html:
    """The section of storms; what an older or another SimFleet wrote is shown as it is."""
    found = summary.blocks("storms")
    if not any(storm.number("chargers") is not None for storm in found):
        values = summary.value("storms")
        return section("storms", "Storms", shown("storms", values)) if values else NONE
    more = f"{len(found) - ROWS_MAX} more are in summary.json." if len(found) > ROWS_MAX else ""
    return section(
        "storms",
        "Storms: how long until the chargers were back",
        _chart(found[:DRAWN_MAX]),
        table(_HEAD, [_row(storm) for storm in found[:ROWS_MAX]], numbers=range(2, len(_HEAD))),
        f'<p class="note">{more}</p>' if more else "",
        intro="Back is who is connected again and was accepted by the CSMS; after a firmware wave,"
        " with the new firmware. Times count from the first charger that was struck; after a"
        " blackout, from when power came back.",
    )


def _named(storm: Block) -> str:
    stage = storm.number("stage")
    number = "" if stage is None else f"stages[{stage:.0f}]"
    return storm.word("name") or number or storm.word("do")


def _row(storm: Block) -> list[object]:
    chargers, missing = storm.number("chargers"), storm.number("missing")
    never = "never" if chargers else wording.MISSING
    times = (storm.number(f"seconds_to_{share}") for share in (50, 95, 100))
    return [
        _named(storm),
        storm.word("do").replace("_", " "),
        wording.duration(storm.number("began_s")),
        wording.count(chargers),
        *(never if time_s is None else wording.duration(time_s) for time_s in times),
        wording.count(missing),
    ]


def _chart(found: list[Block]) -> Html:
    lines = []
    for storm, tone in zip(found, _TONES, strict=False):
        points = [(one.number("after_s"), one.number("back")) for one in storm.blocks("curve")]
        struck = storm.number("chargers") or 0.0
        known = [(at_s, back) for at_s, back in points if at_s is not None and back is not None]
        if known and struck > 0:
            xs = [0.0, *(at_s for at_s, _ in known)]
            ys = [0.0, *(back / struck for _, back in known)]
            lines.append(Line(_named(storm), xs, ys, tone))
    if not lines:
        return NONE
    ends_s = max(max(line.xs) for line in lines)
    ticks = tuple(scale.Tick(share, label) for share, label in _SHARES)
    return line_chart(
        "Chargers back, of those struck",
        lines,
        frame=Frame(scale.elapsed(ends_s)),
        y=scale.Axis(0.0, 1.0 + scale.HEADROOM, ticks),
        unit="ratio",
    )
