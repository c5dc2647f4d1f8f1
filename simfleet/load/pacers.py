r"""When the n-th arrival of an open model is due. Pure: seconds from the beginning, no clock.

Two things are kept apart. A `Rate` says how many are due between two moments: the area under it.
Marks say at which areas: every whole number (`even_marks`), or after exponential gaps
(`poisson_marks`). The n-th is due where the area under the rate reaches the n-th mark, by a closed
form, so nothing adds up over time and nothing drifts. ::

    rate ^      ____            area under it up to t = arrivals due until t
         |    _/    \_
         |___/________\___> t
"""

from __future__ import annotations

import bisect
import itertools
import math
from typing import TYPE_CHECKING, Final, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simfleet.station.chance import Chance

NEVER_S: Final = float("inf")
DAY_S: Final = 86_400.0


class Rate(Protocol):
    """How many a second, over time."""

    def at(self, at_s: float) -> float:
        """Arrivals a second at that moment."""

    def area(self, at_s: float) -> float:
        """Arrivals due from 0 until that moment, a fraction included."""

    def due_s(self, area: float) -> float:
        """The first moment at which so many are due; infinity if they never are."""


class ConstantRate(Struct, frozen=True):
    """Always the same."""

    per_s: float

    def at(self, at_s: float) -> float:
        """See `Rate`."""
        return self.per_s

    def area(self, at_s: float) -> float:
        """See `Rate`."""
        return self.per_s * at_s

    def due_s(self, area: float) -> float:
        """See `Rate`."""
        return area / self.per_s if self.per_s > 0 else NEVER_S


class LinearRate(Struct, frozen=True):
    """From one rate to another, evenly over `over_s`; then it stays."""

    per_s: float
    to_per_s: float
    over_s: float

    def at(self, at_s: float) -> float:
        """See `Rate`."""
        if at_s >= self.over_s:
            return self.to_per_s
        return self.per_s + (self.to_per_s - self.per_s) * at_s / self.over_s

    def area(self, at_s: float) -> float:
        """See `Rate`."""
        inside_s = min(at_s, self.over_s)
        sloped = (self.per_s + self.at(inside_s)) / 2 * inside_s
        return sloped + self.to_per_s * (at_s - inside_s)

    def due_s(self, area: float) -> float:
        """See `Rate`."""
        sloped = (self.per_s + self.to_per_s) / 2 * self.over_s
        if area <= sloped:
            return min(self.over_s, _time_of(area, self.per_s, self.to_per_s, self.over_s))
        if self.to_per_s <= 0:
            return NEVER_S
        return self.over_s + (area - sloped) / self.to_per_s


class Curve(Struct, frozen=True):
    """A share of the rate by time of day: `points` are (seconds after midnight, share), straight
    lines between them, and from the last over midnight to the first. Times rise.
    """

    points: tuple[tuple[float, float], ...]

    def share(self, day_s: float) -> float:
        """The share at a time of day, or any number of days later."""
        return self.from_time(day_s).at(0.0)

    def from_time(self, day_s: float, per_s: float = 1.0) -> CurveRate:
        """The rate of a stage that begins at this time of day, `per_s` where the share is 100 %."""
        return CurveRate.of(self, day_s, per_s)


class CurveRate(Struct, frozen=True):
    """A rate that repeats every day: `times_s` from the beginning, 0 first and a day last, the
    rate at each, straight lines between, and the areas up to each.
    """

    times_s: tuple[float, ...]
    rates: tuple[float, ...]
    areas: tuple[float, ...]

    @classmethod
    def of(cls, curve: Curve, day_s: float, per_s: float) -> CurveRate:
        """The curve from a time of day on."""
        day_s %= DAY_S
        shifted = sorted(((time_s - day_s) % DAY_S, share) for time_s, share in curve.points)
        first_s, first = shifted[0]
        last_s, last = shifted[-1]
        gap_s = first_s + DAY_S - last_s
        begin = first if first_s == 0 else last + (first - last) * (DAY_S - last_s) / gap_s
        inner = [point for point in shifted if point[0] > 0]
        points = [(0.0, begin), *inner, (DAY_S, begin)]
        times_s = tuple(time_s for time_s, _ in points)
        rates = tuple(share * per_s for _, share in points)
        pieces = (
            (rates[n] + rates[n + 1]) / 2 * (times_s[n + 1] - times_s[n])
            for n in range(len(points) - 1)
        )
        return cls(times_s, rates, tuple(itertools.accumulate(pieces, initial=0.0)))

    def at(self, at_s: float) -> float:
        """See `Rate`."""
        inside_s = at_s % DAY_S
        n = bisect.bisect_right(self.times_s, inside_s) - 1
        return self._at(n, inside_s)

    def area(self, at_s: float) -> float:
        """See `Rate`."""
        days, inside_s = divmod(at_s, DAY_S)
        n = bisect.bisect_right(self.times_s, inside_s) - 1
        piece = (self.rates[n] + self._at(n, inside_s)) / 2 * (inside_s - self.times_s[n])
        return days * self.areas[-1] + self.areas[n] + piece

    def due_s(self, area: float) -> float:
        """See `Rate`."""
        a_day = self.areas[-1]
        if a_day <= 0:
            return NEVER_S if area > 0 else 0.0
        days, inside = divmod(area, a_day)
        if not inside and days:  # what a whole day brings is there when the last has come
            days, inside = days - 1, a_day
        n = max(0, bisect.bisect_left(self.areas, inside) - 1)
        length_s = self.times_s[n + 1] - self.times_s[n]
        into_s = _time_of(inside - self.areas[n], self.rates[n], self.rates[n + 1], length_s)
        return days * DAY_S + self.times_s[n] + min(length_s, into_s)

    def _at(self, n: int, inside_s: float) -> float:
        if n + 1 >= len(self.times_s):
            return self.rates[-1]
        length_s = self.times_s[n + 1] - self.times_s[n]
        part = (inside_s - self.times_s[n]) / length_s
        return self.rates[n] + (self.rates[n + 1] - self.rates[n]) * part


def _time_of(area: float, begin: float, end: float, length_s: float) -> float:
    """When the area under a straight line from `begin` to `end` over `length_s` reaches `area`.

    The root of begin * t + slope * t * t / 2 = area, in the form that does not cancel.
    """
    if area <= 0:
        return 0.0
    slope = (end - begin) / length_s
    if begin <= 0:
        return math.sqrt(2 * area / slope) if slope > 0 else length_s
    root = math.sqrt(max(0.0, begin * begin + 2 * slope * area))
    return 2 * area / (begin + root)


def even_marks(phase: float) -> Iterator[float]:
    """The n-th at n + `phase`, 0 to 1: so many arrivals as the area under the rate is, and the
    first of two runs with different seeds not at the same moment.
    """
    return (n + phase for n in itertools.count())


def poisson_marks(chance: Chance) -> Iterator[float]:
    """Exponential gaps of mean 1: arrivals that know nothing of one another (a Poisson process)."""
    mark = 0.0
    while True:
        mark -= math.log(1.0 - chance.random())
        yield mark


def due_times_s(rate: Rate, marks: Iterator[float], *, until_s: float) -> Sequence[float]:
    """When everything before `until_s` is due; for plans and tests, all of it at once."""
    due_s = map(rate.due_s, marks)
    return list(itertools.takewhile(lambda moment_s: moment_s < until_s, due_s))
