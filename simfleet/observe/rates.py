"""Events per real second: how many now, and how many in the busiest second."""

from __future__ import annotations


class RatePerSecond:
    """Events per whole second of the monotonic clock: total, peak and the second just over. O(1).

    Buckets are whole seconds of `at_s`, not a sliding window: a burst that straddles a boundary is
    split, so `peak` may be lower than the busiest sliding second, never higher. Times must not go
    backwards by more than the second at hand; an older event counts in the current bucket.
    """

    __slots__ = ("_bucket", "_bucket_count", "_last_count", "_peak", "total")

    def __init__(self) -> None:
        self.total = 0
        self._bucket = -1
        self._bucket_count = 0
        self._last_count = 0
        self._peak = 0

    def add(self, at_s: float, n: int = 1) -> None:
        """Count `n` events at the monotonic time `at_s`."""
        second = int(at_s)
        if second > self._bucket:
            self._turn(second)
        self._bucket_count += n
        self.total += n

    def _turn(self, second: int) -> None:
        self._last_count = self._bucket_count if second == self._bucket + 1 else 0
        self._peak = max(self._peak, self._bucket_count)
        self._bucket = second
        self._bucket_count = 0

    @property
    def peak(self) -> int:
        """Events in the busiest whole second so far, the one at hand included."""
        return max(self._peak, self._bucket_count)

    def current(self, at_s: float) -> int:
        """Return the events in the last complete second before `at_s`; 0 if nothing happened."""
        second = int(at_s)
        if second <= self._bucket:
            return self._last_count
        return self._bucket_count if second == self._bucket + 1 else 0


class ScaledRate(RatePerSecond):
    """The same per real second, where the clock of `at_s` runs `speed` times as fast."""

    __slots__ = ("_speed",)

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def add(self, at_s: float, n: int = 1) -> None:
        """See `RatePerSecond`."""
        super().add(at_s / self._speed, n)

    def current(self, at_s: float) -> int:
        """See `RatePerSecond`."""
        return super().current(at_s / self._speed)


def rate_at(speed: float) -> RatePerSecond:
    """A rate per real second, for a clock that runs `speed` times as fast."""
    return RatePerSecond() if speed == 1.0 else ScaledRate(speed)
