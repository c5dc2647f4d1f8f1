"""Clocks for Trio's event loop, beside its own: one that jumps, and one that runs faster.

Both keep the contract of `trio.abc.Clock` and nothing else of Trio. The loop asks a clock how long
it may sleep only when no task can run, which is the moment to jump.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from simfleet.clock import stopwatch_s
from simfleet.fleet.clockwork import Clockwork

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_S: Final = 3600.0
"""How long the loop may sleep when nothing is due at all: input and threads wake it."""


class VirtualClock(trio.abc.Clock):
    """Jumps to the next deadline as soon as no task can run, so that no time is spent waiting.

    It lands exactly on the deadline. While a worker thread is at work it stands still: what a
    thread does takes no time, however long it takes. Other input, such as a signal or a socket, is
    looked at between jumps, and not waited for. With equal seeds, tasks that are due at the same
    moment run in the same order.
    """

    def __init__(self, start_s: float = 0.0, *, seed: int = 0) -> None:
        self._now_s = start_s
        self._seed = seed
        self._threads: trio.CapacityLimiter | None = None
        self._posted: deque[Callable[[], None]] = deque()
        self.clockwork: VirtualClockwork | None = None
        """Whose alarms ring without a task being woken."""
        self.jumps = 0
        """How often it has jumped: the moments at which something happened."""

    def start_clock(self) -> None:
        """See `trio.abc.Clock`."""
        self._threads = trio.to_thread.current_default_thread_limiter()
        # Trio tosses a coin for the order of the tasks that can run, and has no public name for it;
        # pytest-trio and hypothesis seed the same one.
        coin = getattr(trio._core._run, "_r", None)
        if coin is not None:
            coin.seed(self._seed)

    def current_time(self) -> float:
        """See `trio.abc.Clock`."""
        return self._now_s

    def post(self, call: Callable[[], None]) -> None:
        """Have something happen, by a plain call, as soon as no task can run and before the clock
        jumps. It must not raise.
        """
        self._posted.append(call)

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """See `trio.abc.Clock`. Called when no task can run: time to jump."""
        posted = self._posted
        if posted:
            while posted:
                posted.popleft()()
            return 0.0
        if deadline <= self._now_s:
            return 0.0
        if self._threads is not None and self._threads.borrowed_tokens:
            return IDLE_S
        clockwork = self.clockwork
        alarm_s = math.inf if clockwork is None else clockwork.next_s
        if alarm_s <= deadline:
            if alarm_s == math.inf:
                return IDLE_S
            if alarm_s > self._now_s:
                self._now_s = alarm_s
                self.jumps += 1
            assert clockwork is not None
            clockwork.ring()
            while posted:
                posted.popleft()()
            return 0.0
        self._now_s = deadline
        self.jumps += 1
        return 0.0


class VirtualClockwork(Clockwork):
    """A fleet's alarm clock that rings when the clock has jumped there, and needs no task for it:
    half of what a quiet charger costs would be waking that task.
    """

    __slots__ = ("_clock",)

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    @property
    def next_s(self) -> float:
        """When the next alarm rings; inf: never."""
        return self._alarms[0][0] if self._alarms else math.inf

    def ring(self) -> None:
        """Ring all alarms of this moment."""
        alarms, now_s = self._alarms, self._clock.current_time()
        while alarms and alarms[0][0] <= now_s:
            heapq.heappop(alarms)[2].ring(now_s)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """See `Clockwork.run`."""
        self.running = True
        self._clock.clockwork = self
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self.running = False
            self._clock.clockwork = None


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
