"""Charts as inline SVG, without any library.

A path's coordinates are the data: seconds and values (logarithms on a logarithmic axis), mapped to
the drawing by the viewBox alone. So nothing is written twice, and a read-out in the browser shows
the very numbers. The drawing stretches with the page; what is written around it is HTML and keeps
its size on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from simfleet.load.results.report.markup import NONE, Html, text
from simfleet.load.results.report.scale import Axis
from simfleet.load.results.report.thinning import thinned, thinned_rows

Unit = Literal["count", "ms", "rate", "ratio", "mib", "plain"]
MARKS_MAX: Final = 40
"""Drawn in a chart; a page lists them all."""
STRIP_LABEL_MIN_SHARE: Final = 4.0
"""Narrower stages, in percent of the width, are not named in the chart."""


class Line(Struct, frozen=True):
    """One line, or one area of a stack. `tone` is a colour of the style sheet."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    tone: str
    dashed: bool = False
    thin: bool = False


class Band(Struct, frozen=True):
    """A stretch of the x axis with a name."""

    began: float
    ended: float
    name: str


class Mark(Struct, frozen=True):
    """A moment on the x axis, with the number by which a list explains it."""

    at: float
    number: int
    kind: str
    text: str


class Frame(Struct, frozen=True):
    """What charts of the same time have in common."""

    x: Axis
    bands: Sequence[Band] = ()
    marks: Sequence[Mark] = ()
    percentiles: bool = False
    """The axis is `scale.slower_share`, not time."""
    load: str = ""
    """The axis is a load in this unit, not time."""


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    frame: Frame,
    y: Axis,
    unit: Unit,
    describes: str = "",
    small: bool = False,
) -> Html:
    """Lines over time, or over percentiles. Nothing if no line has two points."""
    drawn = [line for line in lines if len(line.xs) > 1]
    if not drawn:
        return NONE
    paths = []
    for line in drawn:
        xs, ys = thinned(line.xs, line.ys)
        look = f"l {line.tone}" + (" dash" if line.dashed else "") + (" thin" if line.thin else "")
        moves = _moves(xs, [y.at(value) for value in ys], log=y.log)
        paths.append(f'<path class="{look}" data-n="{text(line.name)}" d="M{moves}"/>')
    return _figure(
        title, drawn, paths, frame=frame, y=y, unit=unit, describes=describes, small=small
    )


def stacked_chart(
    title: str,
    areas: Sequence[Line],
    *,
    frame: Frame,
    y: Axis,
    unit: Unit,
    over: Sequence[Line] = (),
    describes: str = "",
) -> Html:
    """Areas on top of each other, which share their xs; the first is at the bottom. `over` are
    lines drawn upon them.
    """
    filled = [area for area in areas if any(area.ys)]
    if not filled or len(filled[0].xs) < 2:
        return NONE
    rows = thinned_rows([area.ys for area in filled])
    xs = [filled[0].xs[row] for row in rows]
    floor = [0.0] * len(rows)
    paths = []
    for area in filled:
        top = [low + area.ys[row] for low, row in zip(floor, rows, strict=True)]
        moves = f"{_moves(xs, top)}L{_moves(xs[::-1], floor[::-1])}"
        paths.append(f'<path class="a {area.tone}" data-n="{text(area.name)}" d="M{moves}Z"/>')
        floor = top
    for line in over:
        thin_xs, thin_ys = thinned(line.xs, line.ys)
        moves = _moves(thin_xs, [y.at(value) for value in thin_ys])
        paths.append(f'<path class="l dash {line.tone}" data-n="{text(line.name)}" d="M{moves}"/>')
    return _figure(title, [*filled, *over], paths, frame=frame, y=y, unit=unit, describes=describes)


def _moves(xs: Sequence[float], ys: Sequence[float], *, log: bool = False) -> str:
    digits = 5 if log else 6
    return "L".join(f"{_short(x, 7)} {_short(y, digits)}" for x, y in zip(xs, ys, strict=True))


def _short(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "0"
    return f"{value:.{digits}g}"


def _figure(
    title: str,
    lines: Sequence[Line],
    paths: Sequence[str],
    *,
    frame: Frame,
    y: Axis,
    unit: Unit,
    describes: str,
    small: bool = False,
) -> Html:
    x = frame.x
    keys = "".join(
        f'<li class="{line.tone}{" dash" if line.dashed else ""}">{text(line.name)}</li>'
        for line in lines
    )
    named = ", ".join(line.name for line in lines)
    about = describes or f"{title}: {named}; from {_ends(lines)}."
    drawing = (
        f'<svg viewBox="{_short(x.low, 9)} {_short(-y.high, 9)} {_short(x.span, 9)}'
        f' {_short(y.span, 9)}" preserveAspectRatio="none" role="img">'
        f"<title>{text(title)}</title><desc>{text(about)}</desc>"
        f'<g transform="scale(1 -1)">{_bands(frame, y)}{_grid(x, y)}{"".join(paths)}'
        f"{_mark_lines(frame, y)}</g></svg>"
    )
    strip = "" if small else _strip(frame)
    return Html(
        f'<figure class="chart{" small" if small else ""}" data-u="{unit}"'
        f' data-log="{int(y.log)}"{_axis(frame)}'
        f' data-x="{_short(x.low, 9)} {_short(x.span, 9)}">'
        f'<figcaption><b>{text(title)}</b><ul class="keys">{keys}</ul></figcaption>'
        f'{strip}<div class="plot">{drawing}{_labels(x, y)}{_flags(frame)}</div></figure>\n'
    )


def _axis(frame: Frame) -> str:
    """What the read-out needs to know of an axis that is not time."""
    if frame.percentiles:
        return " data-p"
    return f' data-w="{text(frame.load)}"' if frame.load else ""


def _ends(lines: Sequence[Line]) -> str:
    values = [value for line in lines for value in line.ys]
    return f"{min(values):.4g} to {max(values):.4g}"


def _bands(frame: Frame, y: Axis) -> str:
    shown = []
    for band in frame.bands[1::2]:  # every other one is shaded
        began, ended = frame.x.at(band.began), frame.x.at(band.ended)
        shown.append(
            f'<rect class="band" x="{_short(began, 7)}" y="{_short(y.low, 6)}"'
            f' width="{_short(max(0.0, ended - began), 7)}" height="{_short(y.span, 6)}"/>'
        )
    return "".join(shown)


def _grid(x: Axis, y: Axis) -> str:
    across = "".join(
        f"M{_short(x.low, 7)} {_short(tick.at, 6)}H{_short(x.high, 7)}" for tick in y.ticks
    )
    upright = "".join(
        f"M{_short(tick.at, 7)} {_short(y.low, 6)}V{_short(y.high, 6)}" for tick in x.ticks
    )
    return f'<path class="grid" d="{across}{upright}"/>'


def _mark_lines(frame: Frame, y: Axis) -> str:
    return "".join(
        f'<path class="mark k-{text(mark.kind)}" d="M{_short(frame.x.at(mark.at), 7)}'
        f' {_short(y.low, 6)}V{_short(y.high, 6)}"/>'
        for mark in frame.marks[:MARKS_MAX]
    )


def _labels(x: Axis, y: Axis) -> str:
    shown = [
        f'<i class="y" style="bottom:{y.share(tick.at):.2f}%">{text(tick.label)}</i>'
        for tick in y.ticks
    ]
    last = len(x.ticks) - 1
    for number, tick in enumerate(x.ticks):
        share = x.share(tick.at)
        place = " end" if number == last and share > 96 else " start" if share < 1 else ""
        odd = " odd" if number % 2 else ""
        shown.append(f'<i class="x{place}{odd}" style="left:{share:.2f}%">{text(tick.label)}</i>')
    return "".join(shown)


def _strip(frame: Frame) -> str:
    """The names of the stages, above the chart."""
    names = []
    for band in frame.bands:
        began = frame.x.share(frame.x.at(band.began))
        width = frame.x.share(frame.x.at(band.ended)) - began
        if width <= 0:
            continue
        shown = text(band.name) if width >= STRIP_LABEL_MIN_SHARE else ""
        names.append(
            f'<span style="left:{began:.2f}%;width:{width:.2f}%" title="{text(band.name)}">'
            f"{shown}</span>"
        )
    return f'<div class="strip" aria-hidden="true">{"".join(names)}</div>' if names else ""


def _flags(frame: Frame) -> str:
    return "".join(
        f'<b class="flag k-{text(mark.kind)}"'
        f' style="left:{frame.x.share(frame.x.at(mark.at)):.2f}%"'
        f' title="{text(mark.text)}">{mark.number}</b>'
        for mark in frame.marks[:MARKS_MAX]
    )
