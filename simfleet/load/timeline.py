"""A run in time: its stages as they went, and the interval histograms of `run.hlog`.

Every finished CALL is in exactly one interval, every interval in the log and in the figures of one
stage. So stages, log and totals of a run add up, also when it was cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import trio
from msgspec import Struct

from simfleet.observe.histogram import FastHistogram, TaggedHistograms

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.clock import WallClock
    from simfleet.observe.latency import Latencies


class StageResult(Struct, frozen=True):
    """One stage as it went: times in seconds from the beginning of the load.

    `complete` is False for a stage that a signal or the end of the CSMS cut short.
    """

    do: str
    detail: str
    complete: bool
    began_s: float
    ended_s: float
    chargers: int
    connected: int
    calls: dict[str, dict[str, Any]]
    name: str | None = None
    """What the scenario calls it."""
    storm: dict[str, Any] | None = None
    """How long its chargers took to be back, if it was a storm."""


class Interval(Struct, frozen=True):
    """What was answered between two moments (monotonic), by tag. Histograms are not to be changed
    by whoever is shown them.
    """

    began_s: float
    ended_s: float
    histograms: list[FastHistogram]
    slices: Mapping[str, list[FastHistogram]] = {}
    """The same of each slice, by name; empty where there is one slice. Beyond 16 slices their
    actions are not told apart, and the tags are ``.response`` and ``.service``.
    """


class Timeline:
    """See the module. `write` gets each interval in a worker thread, one at a time."""

    def __init__(
        self,
        latencies: Latencies,
        clock: WallClock,
        *,
        write: Callable[[list[FastHistogram]], None],
        at_s: float,
    ) -> None:
        self._latencies = latencies
        self._clock = clock
        self._write = write
        self._writing = trio.Lock()
        self._stage_histograms = TaggedHistograms()
        self._interval_began_s = at_s
        self.began_s = at_s
        self.ended_s = at_s
        self.stages: list[StageResult] = []
        self.listeners: list[Callable[[Interval], None]] = []
        """Told of every interval, in the event loop; must not wait."""

    def begin(self, at_s: float) -> None:
        """The load begins."""
        self.began_s = self.ended_s = self._interval_began_s = at_s

    async def take_interval(self) -> None:
        """End the running interval: into the stage's figures and, by a thread, into the log.

        What was taken is written even if the caller is cancelled meanwhile.
        """
        began_s, self._interval_began_s = self._interval_began_s, trio.current_time()
        wall_s = self._clock.wall_s
        intervals = self._latencies.take_intervals(wall_s(began_s), wall_s(self._interval_began_s))
        taken = intervals.whole
        self._stage_histograms.add(taken)
        for listener in self.listeners:
            listener(Interval(began_s, self._interval_began_s, taken, intervals.parts))
        if taken:
            with trio.CancelScope(shield=True):
                async with self._writing:
                    await trio.to_thread.run_sync(self._write, taken)

    async def end_stage(
        self,
        do: str,
        detail: str,
        *,
        complete: bool,
        began_s: float,
        chargers: int,
        connected: int,
        name: str | None = None,
        storm: dict[str, Any] | None = None,
    ) -> None:
        """Note that a stage is over."""
        ended_s = trio.current_time()
        await self.take_interval()
        calls, self._stage_histograms = self._stage_histograms.snapshot(), TaggedHistograms()
        self.stages.append(
            StageResult(
                do,
                detail,
                complete,
                round(began_s - self.began_s, 3),
                round(ended_s - self.began_s, 3),
                chargers,
                connected,
                calls,
                name,
                storm,
            )
        )
