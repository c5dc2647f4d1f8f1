"""`timeline.csv` and `actions.csv`, written while the run goes on.

Memory does not grow with a run's length: rows are written as they come, and from two planned hours
on a row is of more than one second. What the fleet does is counted by a walk over its chargers that
lets others run in between (measured: 10,000 chargers take 6 ms). A run that goes on beyond its plan
gets coarser rows, too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.load.results.columns import (
    ACTION_COLUMNS,
    ACTIONS,
    CONNECTOR_STATES,
    TIMELINE,
    TIMELINE_COLUMNS,
)
from simfleet.load.results.running_totals import RunningTotals
from simfleet.observe.histogram import TaggedHistograms
from simfleet.observe.percentiles import values_ms
from simfleet.station.phase import Phase
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simfleet.load.progress import Progress
    from simfleet.load.run_folder import RunFolder
    from simfleet.load.stages.engine import Engine
    from simfleet.load.timeline import Interval
    from simfleet.observe.histogram import FastHistogram

ROWS_MAX: Final = 7_200
"""Rows of one length; after as many, they get twice as long."""
WINDOWS_MAX: Final = 1_440
"""The same of `actions.csv`, which has a row for each action: two hours of 5 s."""
WINDOW_S: Final = 5.0
WALK_CHARGERS: Final = 500
"""Looked at in a row before others may run."""
QUEUED_MAX: Final = 120
"""Rows and windows that wait for a disk; more are not written, and counted."""

_COLUMN_OF: Final = {
    Phase.AVAILABLE: "available",
    Phase.PREPARING: "preparing",
    Phase.CHARGING: "charging",
    Phase.SUSPENDED_EV: "suspended_ev",
    Phase.SUSPENDED_EVSE: "suspended_evse",
    Phase.FINISHING: "finishing",
    Phase.RESERVED: "reserved",
    Phase.UNAVAILABLE: "unavailable",
    Phase.FAULTED: "faulted",
}


class Window:
    """What was answered in a row of `actions.csv`."""

    __slots__ = ("began_s", "ended_s", "failures", "histograms")

    def __init__(self, began_s: float) -> None:
        self.began_s = self.ended_s = began_s
        self.histograms = TaggedHistograms()
        self.failures: dict[str, tuple[int, int]] = {}
        """By action: CALLERRORs, timeouts."""


class RunTables:
    """See the module: a companion of every run. With `inline` no thread is used (virtual time)."""

    def __init__(self, folder: RunFolder, *, inline: bool = False) -> None:
        self._folder = folder
        self._inline = inline
        self._engine: Engine | None = None
        self._totals: RunningTotals | None = None
        self._row_s = 1.0
        self._window_s = WINDOW_S
        self._rows = 0
        self._rows_of_length = 0
        self._windows_of_length = 0
        self._row_began_s = 0.0
        self._stage = ""
        self._window: Window | None = None
        self._failures: dict[str, tuple[int, int]] = {}
        self._rows_due: list[str] = []
        self._windows_due: list[Window] = []
        self._not_written = 0
        self._headed: set[str] = set()
        self._work = trio.Event()
        self._walk_due = False

    # ── while it goes on ────────────────────────────────────────────────────────────────────────

    async def run(
        self, engine: Engine, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Write until cancelled; `figures` writes the rest."""
        self._engine = engine
        planned_s = engine.scenario.lasts_s
        self._row_s = float(max(1, math.ceil(planned_s / ROWS_MAX)))
        self._window_s = WINDOW_S * max(1, math.ceil(planned_s / WINDOW_S / WINDOWS_MAX))
        self._totals = RunningTotals(engine)
        engine.watchers.append(self._tick)
        engine.timeline.listeners.append(self._interval)
        task_status.started()
        while True:
            await self._work.wait()
            self._work = trio.Event()
            if self._walk_due:
                self._walk_due = False
                self._row(await self._walk())
            await self._flush()

    def _tick(self, progress: Progress) -> None:
        if progress.elapsed_s - self._row_began_s >= self._row_s - 0.5:
            self._walk_due = True
            self._work.set()

    def _interval(self, interval: Interval) -> None:
        engine = self._engine
        assert engine is not None
        began_s = engine.timeline.began_s
        if self._window is None:
            self._window = Window(interval.began_s - began_s)
        window = self._window
        window.ended_s = interval.ended_s - began_s
        window.histograms.add(interval.histograms)
        if window.ended_s - window.began_s >= self._window_s - 0.5:
            self._end_window()

    def _end_window(self) -> None:
        window, self._window = self._window, None
        if window is None or not window.histograms.by_tag:
            return
        assert self._engine is not None
        latencies = self._engine.recorder.latencies
        for action in latencies.actions:
            now = (sum(latencies.errors(action).values()), latencies.timeouts(action))
            before = self._failures.get(action, (0, 0))
            window.failures[action] = (now[0] - before[0], now[1] - before[1])
            self._failures[action] = now
        if len(self._windows_due) >= QUEUED_MAX:
            self._not_written += 1
            return
        self._windows_due.append(window)
        self._windows_of_length += 1
        if self._windows_of_length >= WINDOWS_MAX:
            self._windows_of_length, self._window_s = 0, self._window_s * 2
        self._work.set()

    async def _walk(self) -> dict[str, int]:
        """Where the connectors are, by column, and how many chargers are `alive` and
        `registered`.
        """
        assert self._engine is not None
        found = dict.fromkeys((*CONNECTOR_STATES, "registered"), 0)
        chargers = list(self._engine.supervisor.chargers.values())
        found["alive"] = len(chargers)  # later, some may have gone
        for first in range(0, len(chargers), WALK_CHARGERS):
            _count(chargers[first : first + WALK_CHARGERS], found)
            await trio.lowlevel.checkpoint()
        return found

    def _row(self, connectors: Mapping[str, int]) -> None:
        engine, totals = self._engine, self._totals
        assert engine is not None
        assert totals is not None
        t_s = trio.current_time() - engine.timeline.began_s
        lasts_s = t_s - self._row_began_s
        self._row_began_s = t_s
        row = {
            "t_s": f"{t_s:.3f}",
            "at": engine.clock.iso(trio.current_time()),
            "lasts_s": f"{lasts_s:.3f}",
            "stage": engine.stage_label,
            "wanted": engine.mass.wish.target,
            **connectors,
            **totals.since_last(),
        }
        if len(self._rows_due) >= QUEUED_MAX:
            self._not_written += 1
            return
        self._rows_due.append(_line([row[name] for name in TIMELINE_COLUMNS]))
        self._rows += 1
        self._rows_of_length += 1
        if self._rows_of_length >= ROWS_MAX:
            self._rows_of_length, self._row_s = 0, self._row_s * 2

    # ── writing ─────────────────────────────────────────────────────────────────────────────────

    async def _flush(self) -> None:
        rows, self._rows_due = self._rows_due, []
        windows, self._windows_due = self._windows_due, []
        if self._inline:
            self._write(rows, windows)
        elif rows or windows:
            await trio.to_thread.run_sync(self._write, rows, windows)

    def _write(self, rows: Sequence[str], windows: Sequence[Window]) -> None:
        """Blocking: 0.1 ms for a histogram."""
        if rows:
            self._append(TIMELINE, TIMELINE_COLUMNS, "".join(rows))
        if windows:
            self._append(ACTIONS, ACTION_COLUMNS, "".join(map(action_rows, windows)))

    def _append(self, name: str, columns: Sequence[str], text: str) -> None:
        if name not in self._headed:
            self._headed.add(name)
            text = _line(columns) + text
        self._folder.append(name, text)

    def figures(self) -> Mapping[str, Any]:
        """What is left goes into the files, and what they are into `summary.json`."""
        if self._engine is not None:
            found = dict.fromkeys((*CONNECTOR_STATES, "registered"), 0)
            chargers = list(self._engine.supervisor.chargers.values())
            found["alive"] = len(chargers)
            _count(chargers, found)
            self._row(found)
            self._end_window()
            self._write(self._rows_due, self._windows_due)
            self._rows_due, self._windows_due = [], []
        return {
            "tables": {
                "timeline_rows": self._rows,
                "row_s": self._row_s,
                "window_s": self._window_s,
                "not_written": self._not_written,
            }
        }


def _count(chargers: Sequence[Any], found: dict[str, int]) -> None:
    accepted = Registration.ACCEPTED
    for charger in chargers:
        station = getattr(charger, "station", None)  # the place of one that has crashed has none
        if station is None:
            continue
        if not station.online:
            found["offline"] += len(station.connectors)
            continue
        if station.registration is accepted:
            found["registered"] += 1
        for connector in station.connectors:
            found[_COLUMN_OF[connector.phase]] += 1


def action_rows(window: Window) -> str:
    """The lines of `actions.csv` for what was answered in a window."""
    by_tag = window.histograms.by_tag
    lines = []
    for tag, response in sorted(by_tag.items()):
        action, _, kind = tag.rpartition(".")
        service = by_tag.get(f"{action}.service")
        if kind != "response" or service is None or not response.total_count:
            continue
        errors, timeouts = window.failures.get(action, (0, 0))
        row = [
            *(f"{window.ended_s:.3f}", f"{window.ended_s - window.began_s:.3f}", action),
            *(response.total_count, errors, timeouts),
            *_times(response, (50.0, 90.0, 99.0, 99.9)),
            *_times(service, (50.0, 99.0)),
        ]
        lines.append(_line(row))
    return "".join(lines)


def _times(histogram: FastHistogram, percentiles: Sequence[float]) -> list[str]:
    """Percentiles and the maximum, ms."""
    found = values_ms(histogram, percentiles)
    return [f"{value:.3f}" for value in (*found, histogram.max_value / 1000)]


def _line(values: Sequence[object]) -> str:
    return ",".join(map(_cell, values)) + "\n"


def _cell(value: object) -> str:
    text = str(value)
    if any(sign in text for sign in ',"\n\r'):
        return '"' + " ".join(text.split()).replace('"', '""') + '"'
    return text
