"""Clocks for Trio's event loop, beside its own: one that jumps, and one that runs faster.

Both keep the contract of `trio.abc.Clock` and nothing else of Trio. The loop asks a clock how long
it may sleep only when no task can run, which is the moment to jump.
"""

from __future__ import annotations

import math
from typing import Final

import trio

from simfleet.clock import stopwatch_s

IDLE_S: Final = 3600.0
"""How long the loop may sleep when nothing is due at all: input and threads wake it."""


class VirtualClock(trio.abc.Clock):
    """Jumps to the next deadline as soon as no task can run, so that no time is spent waiting.

    It lands exactly on the deadline. While a worker thread is at work it stands still: what a
    thread does takes no time, however long it takes. Other input, such as a signal or a socket, is
    looked at between jumps, and not waited for.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s
        self._threads: trio.CapacityLimiter | None = None
        self.jumps = 0
        """How often it has jumped: the moments at which something happened."""

    def start_clock(self) -> None:
        """See `trio.abc.Clock`."""
        self._threads = trio.to_thread.current_default_thread_limiter()

    def current_time(self) -> float:
        """See `trio.abc.Clock`."""
        return self._now_s

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """See `trio.abc.Clock`. Called when no task can run: time to jump."""
        if deadline <= self._now_s:
            return 0.0
        if math.isinf(deadline) or (self._threads is not None and self._threads.borrowed_tokens):
            return IDLE_S
        self._now_s = deadline
        self.jumps += 1
        return 0.0


class ScaledClock(trio.abc.Clock):
    """Runs `scale` times as fast as real time; `scale` is above 0."""

    def __init__(self, scale: float) -> None:
        if not scale > 0:
            raise ValueError(f"scale is {scale}, it must be above 0")
        self.scale = scale
        self._began_s = stopwatch_s()

    def start_clock(self) -> None:
        """See `trio.abc.Clock`."""
        self._began_s = stopwatch_s()

    def current_time(self) -> float:
        """See `trio.abc.Clock`."""
        return (stopwatch_s() - self._began_s) * self.scale

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """See `trio.abc.Clock`."""
        return (deadline - self.current_time()) / self.scale
