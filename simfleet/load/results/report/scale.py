"""Axes: which part of the numbers is shown, and where the ticks are. Pure."""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

_TIME_STEPS_S: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200),
    *(86_400, 172_800, 604_800),
)
LOG_FROM_RATIO: Final = 60.0
"""Largest over smallest value from which an axis of times is logarithmic."""

HEADROOM: Final = 0.03
"""Left above the highest value, so that a line at the top is not on the edge."""


class Tick(Struct, frozen=True):
    """A line across the chart: where, in the axis' own numbers, and what is written there."""

    at: float
    label: str


class Axis(Struct, frozen=True):
    """From `low` to `high`, which are logarithms where `log` says so."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    log: bool = False

    @property
    def span(self) -> float:
        """How long it is, never 0."""
        return max(self.high - self.low, 1e-9)

    def at(self, value: float) -> float:
        """A value in the axis' numbers, within its bounds."""
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        return min(max(value, self.low), self.high)

    def share(self, at: float) -> float:
        """Where along the axis that is, 0 to 100."""
        return 100 * (at - self.low) / self.span


def nice_step(span: float, ticks: int) -> float:
    """The 1, 2 or 5 times a power of ten that makes about so many ticks."""
    if not (span > 0 and math.isfinite(span)):
        return 1.0
    rough = span / max(1, ticks)
    power = 10.0 ** math.floor(math.log10(rough))
    return next((factor * power for factor in (1, 2, 5) if factor * power >= rough), 10 * power)


def linear(high: float, *, low: float = 0.0, ticks: int = 4, unit: str = "") -> Axis:
    """From `low` (0) to the next tick above `high`."""
    if not math.isfinite(high) or high <= low:
        high = low + 1.0
    step = nice_step(high - low, ticks)
    first, last = math.floor(low / step), math.ceil(round(high / step, 9))
    suffix = f" {unit}" if unit else ""
    return Axis(
        first * step,
        max(last * step, high + HEADROOM * (high - low)),
        tuple(
            Tick(number * step, _plain(number * step, step) + suffix)
            for number in range(first, last + 1)
        ),
    )


def _plain(value: float, step: float) -> str:
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1 else 0
    return f"{value:,.{decimals}f}"


def times_ms(low: float, high: float) -> Axis:
    """An axis of milliseconds: logarithmic where values are far apart, otherwise from 0."""
    if low > 0 and high / low >= LOG_FROM_RATIO:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high) - 1e-9)
        ticks = tuple(
            Tick(float(power), f"{10.0**power:g} ms" if power < 3 else f"{10.0 ** (power - 3):g} s")
            for power in range(first, last + 1)
        )
        return Axis(float(first), float(last), ticks, log=True)
    if high >= 2000:
        in_s = linear(high / 1000, unit="s")
        ticks = tuple(Tick(tick.at * 1000, tick.label) for tick in in_s.ticks)
        return Axis(in_s.low * 1000, in_s.high * 1000, ticks)
    return linear(high, unit="ms")


def elapsed(high_s: float, *, ticks: int = 8) -> Axis:
    """Time since the beginning, seconds."""
    high_s = max(high_s, 1.0) if math.isfinite(high_s) else 1.0
    rough = high_s / ticks
    step = next(
        (step for step in _TIME_STEPS_S if step >= rough), math.ceil(rough / 604_800) * 604_800
    )
    marks = (number * step for number in range(int(high_s // step) + 1))
    return Axis(0.0, high_s, tuple(Tick(float(at), _time_label(at, step)) for at in marks))


def _time_label(at_s: int, step_s: int) -> str:
    if at_s == 0:
        return "0"
    if step_s < 60:
        return f"{at_s} s" if at_s < 60 else f"{at_s // 60}:{at_s % 60:02} min"
    if step_s < 3600:
        if at_s < 3600:
            return f"{at_s // 60} min"
        hours, left = divmod(at_s, 3600)
        return f"{hours}:{left // 60:02} h" if left else f"{hours} h"
    return f"{at_s // 3600} h" if step_s < 86_400 else f"{at_s // 86_400} d"


def slower_share() -> Axis:
    """Percentiles from 50 to 99.999, as far apart as the share above them shrinks tenfold."""
    marks = (50.0, 90.0, 99.0, 99.9, 99.99, 99.999)
    ticks = tuple(Tick(percentile_at(mark), f"p{mark:g}") for mark in marks)
    return Axis(ticks[0].at, ticks[-1].at, ticks)


def percentile_at(percentile: float) -> float:
    """Where a percentile is on `slower_share`: p90 at 1, p99 at 2, p99.9 at 3."""
    return -math.log10(max(1e-9, 1 - percentile / 100))
