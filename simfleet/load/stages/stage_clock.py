"""The time of one stage, which can stand still and be prolonged while it passes.

Times are seconds since the stage began, as if it had never been paused.
"""

from __future__ import annotations

from typing import Any, Final

import trio

NEVER_S: Final = float("inf")


class StageClock:
    """See the module. Made when the stage begins."""

    __slots__ = (
        "_began_s",
        "_changed",
        "_paused_at_s",
        "_stood_s",
        "first_planned_s",
        "planned_s",
        "storm",
    )

    def __init__(self, planned_s: float) -> None:
        self._began_s = trio.current_time()
        self._stood_s = 0.0
        """For how long the stage has stood still."""
        self._paused_at_s: float | None = None
        self._changed = trio.Event()
        self.first_planned_s = self.planned_s = planned_s
        self.storm: dict[str, Any] | None = None
        """How long its chargers took to be back, if it is a storm."""

    @property
    def paused(self) -> bool:
        """Whether the stage stands still."""
        return self._paused_at_s is not None

    @property
    def elapsed_s(self) -> float:
        """How much of the stage is over."""
        now_s = trio.current_time() if self._paused_at_s is None else self._paused_at_s
        return now_s - self._began_s - self._stood_s

    @property
    def left_s(self) -> float:
        """How much of it is to come, as planned now: 0 as soon as nothing waits for its end."""
        if self._paused_at_s is not None:
            return max(0.0, self.planned_s - self.elapsed_s)
        # Not planned less elapsed, which rounding may leave above 0 for good on a clock that jumps.
        return max(0.0, self._due_s(self.planned_s) - trio.current_time())

    def pause(self) -> None:
        """Stand still. Again changes nothing."""
        if self._paused_at_s is None:
            self._paused_at_s = trio.current_time()
            self._tell()

    def resume(self) -> None:
        """Go on."""
        if self._paused_at_s is not None:
            self._stood_s += trio.current_time() - self._paused_at_s
            self._paused_at_s = None
            self._tell()

    def extend(self, by_s: float) -> None:
        """End later than planned; earlier for a negative time, but not before now."""
        self.planned_s = max(self.elapsed_s, self.planned_s + by_s)
        self._tell()

    async def until(self, elapsed_s: float) -> None:
        """Wait until so much of the stage is over."""
        while (due_s := self._due_s(elapsed_s)) > trio.current_time():
            with trio.CancelScope(deadline=due_s):
                await self._changed.wait()
        await trio.lowlevel.checkpoint()

    async def until_end(self) -> None:
        """Wait until the stage is over, however its end is moved meanwhile."""
        while (due_s := self._due_s(self.planned_s)) > trio.current_time():
            with trio.CancelScope(deadline=due_s):
                await self._changed.wait()
        await trio.lowlevel.checkpoint()

    async def until_or_change(self, elapsed_s: float) -> None:
        """Wait until so much of the stage is over, or it is paused, resumed or extended."""
        due_s = self._due_s(elapsed_s)
        if due_s > trio.current_time():
            with trio.CancelScope(deadline=due_s):
                await self._changed.wait()
        await trio.lowlevel.checkpoint()

    def _due_s(self, elapsed_s: float) -> float:
        if self._paused_at_s is not None:
            return NEVER_S
        return self._began_s + self._stood_s + elapsed_s

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
