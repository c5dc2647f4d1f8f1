"""One alarm clock for a whole fleet.

A connected charger waits for a frame nearly all the time, and now and then something is due: a
sample, a heartbeat, a deadline. Waking its task for that by cancelling its wait costs more than
all that the station then does: an exception through every frame of the task, a new cancel scope, a
new registration with the kernel. So one task keeps the alarms of all chargers and lets what is due
happen on the spot, by a plain call; the charger's own task goes on waiting for frames.

Everything happens in one event loop and between two checkpoints, so nobody can see it half done.
"""

from __future__ import annotations

import heapq
from typing import Final, Protocol

import trio

NEVER_S: Final = float("inf")
RINGS_MAX: Final = 500
"""Alarms in a row before the others may run, however many are due. In a busy loop a turn of the
others takes tens of milliseconds, so this is also how many can ring in that time."""


class Sleeper(Protocol):
    """Somebody with alarms."""

    def ring(self, at_s: float) -> None:
        """The alarm rings; `at_s` is now. Must not raise."""


class Clockwork:
    """Alarms at monotonic times. Works only while `run` runs: see `running`."""

    __slots__ = ("_alarms", "_number", "_sleep", "_until_s", "running")

    def __init__(self) -> None:
        self._alarms: list[tuple[float, int, Sleeper]] = []
        self._number = 0  # alarms of one moment ring in the order they were set
        self._sleep: trio.CancelScope | None = None
        self._until_s = NEVER_S
        self.running = False

    def set(self, sleeper: Sleeper, at_s: float) -> None:
        """Ring once at `at_s`, or as soon as possible after it. There is no taking back: a sleeper
        that is rung too early looks, and sets the next alarm.
        """
        self._number += 1
        heapq.heappush(self._alarms, (at_s, self._number, sleeper))
        if at_s < self._until_s and self._sleep is not None:
            self._until_s = self._sleep.deadline = at_s

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ring until cancelled."""
        self.running = True
        task_status.started()
        alarms = self._alarms
        try:
            while True:
                rings = 0
                while alarms and alarms[0][0] <= trio.current_time():
                    sleeper = heapq.heappop(alarms)[2]
                    sleeper.ring(trio.current_time())
                    rings += 1
                    if rings % RINGS_MAX == 0:
                        await trio.lowlevel.checkpoint()
                self._until_s = alarms[0][0] if alarms else NEVER_S
                with trio.CancelScope(deadline=self._until_s) as self._sleep:
                    await trio.sleep_forever()
                self._sleep = None
        finally:
            self.running = False
