"""Monotonic seconds and wall time, joined by one anchor.

Two kinds of seconds exist in SimFleet, and a name says which one it holds:

- ``at_s``: monotonic seconds of the event loop (`trio.current_time()`): deadlines, due times,
  durations.
- ``wall_s``: Unix seconds, UTC; what goes into OCPP timestamps, logs and run folders.

`WallClock` reads the real time once, when a run starts, and computes every wall time from the
monotonic clock after that. An NTP step in the middle of a run therefore moves no timestamp, and no
meter value is ever older than the one before it. This module is the only place that reads a real
clock; everything else is handed the time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

__all__ = ["WallClock", "cpu_s", "iso", "real_wall_s", "stopwatch_s", "utc"]


def real_wall_s() -> float:
    """Return the machine's wall time now, Unix seconds. It may jump; `WallClock` does not."""
    return time.time()


def stopwatch_s() -> float:
    """Return real monotonic seconds of any origin, to measure what Trio's clock cannot see."""
    return time.perf_counter()


def cpu_s() -> float:
    """Return the CPU seconds (user + system, all threads) that this process has used so far."""
    return time.process_time()


def utc(wall_s: float) -> datetime:
    """Return `wall_s` as an aware UTC date-time, rounded to whole microseconds."""
    return datetime.fromtimestamp(wall_s, UTC)


def iso(wall_s: float) -> str:
    """Return `wall_s` as RFC 3339 in UTC with milliseconds and Z: ``2026-11-20T08:33:00.125Z``.

    Parts of a millisecond are cut off, not rounded: an event never seems to happen after it was
    written down.
    """
    return utc(wall_s).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class WallClock:
    """Maps ``at_s`` to ``wall_s`` and back along one straight line through one anchor.

    `at_s` is the monotonic time of the anchor; `wall_s` the wall time there, by default the real
    one, otherwise any simulated start. `speed` is simulated wall seconds per monotonic second, for
    runs that replay a day in minutes; it must be positive.
    """

    __slots__ = ("_anchor_at_s", "_anchor_wall_s", "speed")

    def __init__(self, at_s: float, *, wall_s: float | None = None, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"speed is {speed}, it must be above 0")
        self._anchor_at_s = at_s
        self._anchor_wall_s = real_wall_s() if wall_s is None else wall_s
        self.speed = speed

    def wall_s(self, at_s: float) -> float:
        """Return the wall time, Unix seconds, at the monotonic time `at_s`."""
        return self._anchor_wall_s + (at_s - self._anchor_at_s) * self.speed

    def at_s(self, wall_s: float) -> float:
        """Return the monotonic time at which it is (or was) `wall_s`."""
        return self._anchor_at_s + (wall_s - self._anchor_wall_s) / self.speed

    def utc(self, at_s: float) -> datetime:
        """Return the wall time at `at_s` as an aware UTC date-time, as OCPP messages carry it."""
        return utc(self.wall_s(at_s))

    def iso(self, at_s: float) -> str:
        """Return the wall time at `at_s` as text, see the function `iso`."""
        return iso(self.wall_s(at_s))
