"""How late this process does what is due: its event loop, and the CALLs of its chargers."""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

from simfleet.observe.histogram import LATENCY_MAX_US, FastHistogram

PROBE_PERIOD_S: Final = 0.010
"""Between two looks at the loop. Measured: 0.2 % of a core when the loop is busy anyway, 1.2 % when
it would sleep otherwise."""
PROBE_CATCH_UP_MAX_TICKS: Final = 6_000
"""Missed ticks recorded for one stall (one minute); a machine that slept all night is no news."""
RECENT_MAX: Final = 6_000
"""Samples of the loop's lag kept one by one until `take_recent_p99_s`."""


def _record_late(histogram: FastHistogram, late_s: float) -> None:
    # Early by rounding is on time; above an hour is an hour.
    histogram.record_value(min(max(int(late_s * 1e6 + 0.5), 0), LATENCY_MAX_US))


class LoopLagProbe:
    """Measures how late the event loop runs what is due, in microseconds.

    Wakes at absolute due times, `PROBE_PERIOD_S` apart. After a stall, each due time missed in it
    is recorded with its own lateness: of a 1 s stall, 100 samples from 1 s down to 10 ms, as tasks
    due in it would have seen, and not one. Timers of the kernel interface have a resolution of
    1 ms, so an idle loop shows up to 1 ms.
    """

    __slots__ = (
        "_due_s",
        "_period_s",
        "_recent_s",
        "_running",
        "_speed",
        "histogram",
        "skipped_ticks",
    )

    def __init__(self, *, speed: float = 1.0) -> None:
        """`speed` is how many seconds of the event loop's clock pass in a real one; what is kept
        is in real time.
        """
        self._speed = speed
        self._period_s = PROBE_PERIOD_S * speed
        self.histogram = FastHistogram()
        self.skipped_ticks = 0
        """Due times that were missed and not recorded, see `PROBE_CATCH_UP_MAX_TICKS`."""
        self._recent_s: deque[float] = deque(maxlen=RECENT_MAX)
        self._due_s = 0.0
        self._running = False

    async def run(self) -> None:
        """Measure until cancelled. Only while this runs does a due time count as missed."""
        self._running = True
        self.restart(trio.current_time())
        try:
            while True:
                await trio.sleep_until(self._due_s)
                self.catch_up(trio.current_time())
        finally:
            self._running = False

    def restart(self, at_s: float) -> None:
        """Forget what was measured and begin anew at `at_s`."""
        self.histogram.reset()
        self._recent_s.clear()
        self.skipped_ticks = 0
        self._due_s = at_s + self._period_s

    def catch_up(self, at_s: float) -> None:
        """Record all due times up to `at_s`; also before reading the histogram."""
        due_s = self._due_s
        if due_s > at_s or not self._running:
            return
        for _ in range(PROBE_CATCH_UP_MAX_TICKS):
            late_s = (at_s - due_s) / self._speed
            _record_late(self.histogram, late_s)
            self._recent_s.append(late_s)
            due_s += self._period_s
            if due_s > at_s:
                break
        else:
            missed = int((at_s - due_s) / self._period_s) + 1
            self.skipped_ticks += missed
            due_s += missed * self._period_s
        self._due_s = due_s

    def take_recent_p99_s(self) -> float:
        """The p99 of what was measured since this was last asked; 0.0 if nothing was."""
        ordered = sorted(self._recent_s)
        self._recent_s.clear()
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0


class ScheduleLag:
    """How late CALLs were started because of us: at_s - due_s of those that waited for nothing.

    A CALL waiting behind an earlier one of its charger waits for the CSMS; it does not belong here.
    """

    __slots__ = ("_speed", "_worst_s", "histogram")

    def __init__(self, *, speed: float = 1.0) -> None:
        """`speed` as of `LoopLagProbe`."""
        self._speed = speed
        self.histogram = FastHistogram()
        self._worst_s = 0.0

    def record(self, late_s: float) -> None:
        """Record one CALL started `late_s` seconds of the event loop's clock after it was due."""
        late_s /= self._speed
        _record_late(self.histogram, late_s)
        if late_s > self._worst_s:
            self._worst_s = late_s

    def take_worst_s(self) -> float:
        """The latest of those recorded since this was last asked."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s
