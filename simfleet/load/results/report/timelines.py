"""The run over time: what chargers did, how much was asked of the target, how it answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.load.results.report import scale
from simfleet.load.results.report.chart import (
    MARKS_MAX,
    Band,
    Frame,
    Line,
    Mark,
    line_chart,
    stacked_chart,
)
from simfleet.load.results.report.markup import NONE, Html, folded, join, section, table
from simfleet.load.results.report.wording import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.load.results.report.chart import Unit
    from simfleet.load.results.report.reading import Block, RunFiles, Table

STATES: Final = (
    ("charging", "charging", "c-green"),
    ("suspended_ev", "suspended by the vehicle", "c-yellow"),
    ("suspended_evse", "suspended by the charger", "c-orange"),
    ("finishing", "finishing", "c-pink"),
    ("preparing", "preparing", "c-sky"),
    ("reserved", "reserved", "c-blue"),
    ("available", "available", "c-grey"),
    ("unavailable", "unavailable", "c-slate"),
    ("faulted", "faulted", "c-red"),
    ("offline", "offline", "c-dark"),
)
"""Connectors, from the bottom of the stack: column, name, colour."""
MARKS_LISTED_MAX: Final = 200
BANDS_MAX: Final = 200
_NO_MARK: Final = frozenset({"stage"})


def frame_of(files: RunFiles) -> Frame:
    """The time axis of a run with its stages and what happened besides."""
    ended = files.timeline.column("t_s")
    actions_end = (max(table.column("t_s"), default=0.0) for table in files.actions.values())
    ends_s = max((*ended, *actions_end, files.summary.number("load_s") or 0.0), default=1.0)
    bands = [
        Band(
            stage.number("began_s") or 0.0,
            stage.number("ended_s") or 0.0,
            stage.word("name") or stage.word("detail") or stage.word("do"),
        )
        for stage in files.summary.blocks("stages")[:BANDS_MAX]
    ]
    return Frame(scale.elapsed(ends_s), bands, _marks(files.summary))


def _marks(summary: Block) -> list[Mark]:
    moments = [
        note
        for note in summary.blocks("annotations", "kept")
        if note.word("kind") not in _NO_MARK and note.number("at_s") is not None
    ]
    return [
        Mark(note.number("at_s") or 0.0, number, note.word("kind"), note.word("text"))
        for number, note in enumerate(moments[:MARKS_LISTED_MAX], start=1)
    ]


def timelines(files: RunFiles, frame: Frame) -> Html:
    """The section of what happened when."""
    table_ = files.timeline
    charts = [_states(table_, frame), _chargers(table_, frame), _load(table_, frame)]
    charts.append(_p99s(files, frame))
    charts.append(_errors(table_, frame))
    pair = [_connections(table_, frame), _frames(table_, frame)]
    return section(
        "time",
        "The run over time",
        *charts,
        f'<div class="two">{"".join(pair)}</div>' if any(pair) else "",
        _moments(files, frame),
        intro="Bands are the stages. Numbered flags are live actions, faults and the like,"
        " listed below the charts.",
    )


def _moments(files: RunFiles, frame: Frame) -> Html:
    if not frame.marks:
        return NONE
    notes = {mark.number: mark for mark in frame.marks}
    by = [
        note.word("by")
        for note in files.summary.blocks("annotations", "kept")
        if note.word("kind") not in _NO_MARK and note.number("at_s") is not None
    ]
    rows = [
        (number, duration(mark.at), mark.kind, mark.text, by[number - 1])
        for number, mark in notes.items()
    ]
    total = files.summary.number("annotations", "total") or 0
    stages = sum(
        note.word("kind") in _NO_MARK for note in files.summary.blocks("annotations", "kept")
    )
    more = int(total) - stages - len(rows)
    head = f"What happened ({len(rows)}"
    head += f", {more} more not listed)" if more > 0 else ")"
    if len(rows) > MARKS_MAX:
        head += f"; the first {MARKS_MAX} are drawn"
    shown = table(("", "after", "kind", "what", "by"), rows, numbers=(0, 1))
    return folded(head, shown, opened=len(rows) <= 12)


def rates(counts: Sequence[float], lasts_s: Sequence[float]) -> list[float]:
    """Counts of rows as counts a second."""
    return [
        count / lasted if lasted > 0 else 0.0
        for count, lasted in zip(counts, lasts_s, strict=False)
    ]


def _states(rows: Table, frame: Frame) -> Html:
    xs = rows.column("t_s")
    areas = [
        Line(name, xs, rows.column(column), tone)
        for column, name, tone in STATES
        if len(rows.column(column)) == len(xs)
    ]
    highest = (
        max(map(sum, zip(*(area.ys for area in areas), strict=True)), default=0.0) if areas else 0
    )
    return stacked_chart(
        "Connectors by state",
        areas,
        frame=frame,
        y=scale.linear(highest),
        unit="count",
    )


def _chargers(rows: Table, frame: Frame) -> Html:
    lines = (
        ("wanted", "wanted", "c-ink", True),
        ("alive", "alive", "c-grey", False),
        ("connected", "connected", "c-blue", False),
        ("registered", "accepted by the CSMS", "c-green", False),
        ("transactions", "transactions", "c-orange", False),
    )
    return _chart("Chargers", rows, frame, lines, unit="count")


def _load(rows: Table, frame: Frame) -> Html:
    lines = [
        ("calls", "CALLs answered or given up", "c-blue", False),
        ("arrivals", "arrivals", "c-orange", True),
        ("started", "transactions begun", "c-green", False),
    ]
    used = [line for line in lines if line[0] == "calls" or any(rows.column(line[0]))]
    return _chart("Load, per second", rows, frame, used, unit="rate", per_second=True)


def _errors(rows: Table, frame: Frame) -> Html:
    lines = [
        ("errors", "CALLERRORs", "c-red", False),
        ("timeouts", "timeouts", "c-orange", False),
        ("lost", "CALLs lost with their link", "c-pink", False),
        ("connect_failures", "failed connects", "c-blue", False),
        ("injected", "faults on purpose", "c-slate", True),
    ]
    used = [line for line in lines if any(rows.column(line[0]))]
    return _chart("Errors by cause, per second", rows, frame, used, unit="rate", per_second=True)


def _connections(rows: Table, frame: Frame) -> Html:
    lines = [
        ("connects", "opened", "c-blue", False),
        ("disconnects", "ended", "c-orange", False),
        ("connect_failures", "failed", "c-red", False),
    ]
    used = [line for line in lines if any(rows.column(line[0]))]
    return _chart(
        "Connections, per second", rows, frame, used, unit="rate", per_second=True, small=True
    )


def _frames(rows: Table, frame: Frame) -> Html:
    lines = [
        ("frames_sent", "sent", "c-blue", False),
        ("frames_received", "received", "c-green", False),
    ]
    return _chart(
        "Messages, per second", rows, frame, lines, unit="rate", per_second=True, small=True
    )


def _chart(
    title: str,
    rows: Table,
    frame: Frame,
    columns: Sequence[tuple[str, str, str, bool]],
    *,
    unit: Unit,
    per_second: bool = False,
    small: bool = False,
) -> Html:
    xs, lasts_s = rows.column("t_s"), rows.column("lasts_s")
    lines = []
    for column, name, tone, dashed in columns:
        ys: Sequence[float] = rows.column(column)
        if per_second:
            ys = rates(ys, lasts_s)
        if len(ys) == len(xs):
            lines.append(Line(name, xs, ys, tone, dashed=dashed))
    highest = max((max(line.ys, default=0.0) for line in lines), default=0.0)
    return line_chart(title, lines, frame=frame, y=scale.linear(highest), unit=unit, small=small)


def _p99s(files: RunFiles, frame: Frame) -> Html:
    tones = ("c-blue", "c-orange", "c-green", "c-pink", "c-sky", "c-red")
    busiest = sorted(files.actions, key=lambda name: -sum(files.actions[name].column("count")))
    lines = []
    for action, tone in zip(busiest, tones, strict=False):
        rows = files.actions[action]
        lines.append(Line(action, rows.column("t_s"), rows.column("response_p99_ms"), tone))
    values = [value for line in lines for value in line.ys if value > 0]
    y = scale.times_ms(min(values, default=0.0), max(values, default=0.0))
    return line_chart(
        "Response time, p99 of the busiest actions", lines, frame=frame, y=y, unit="ms"
    )


def generator(files: RunFiles, frame: Frame) -> Html:
    """Charts of this process: whether the generator kept up, at every moment."""
    rows = files.timeline
    late = (
        ("loop_lag_p99_ms", "event loop, p99", "c-blue", False),
        ("schedule_lag_max_ms", "wake-ups of chargers, worst", "c-orange", False),
    )
    single: tuple[tuple[str, str, str, Unit], ...] = (
        ("cpu_ratio", "CPU, share of one core", "c-blue", "ratio"),
        ("rss_mib", "Memory, MiB", "c-green", "mib"),
        ("descriptors", "Open descriptors", "c-pink", "count"),
    )
    charts = [_chart("Late by, ms", rows, frame, late, unit="ms", small=True)]
    for column, title, tone, unit in single:
        charts.append(
            _chart(title, rows, frame, ((column, title, tone, False),), unit=unit, small=True)
        )
    return join(["<div class=two>", *charts, "</div>"]) if any(charts) else NONE
