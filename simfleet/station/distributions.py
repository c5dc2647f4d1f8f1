"""Named distributions: what times and energies are drawn from, besides a plain `Span`.

Each is frozen, bounded by `low` and `high`, and draws by inverting its cumulative distribution
between the two, so a draw takes exactly one random number, always lies within the bounds, and the
truncation is exact: no draw is thrown away, none piles up at a bound.

Pure. Formulas: Devroye, "Non-Uniform Random Variate Generation", 1986, chapter II.2.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from simfleet.station.chance import Span

if TYPE_CHECKING:
    from simfleet.station.chance import Chance

SHARE_MIN: Final = 1e-6
"""The least part of a distribution that may lie within its bounds: with less, doubles run out of
digits, and somebody has mistaken a unit."""
_STANDARD: Final = NormalDist()
_BELOW_ONE: Final = math.nextafter(1.0, 0.0)
_ABOVE_ZERO: Final = 2.0**-60


class Bounded(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution with a cumulative and an inverse, cut off below `low` and above `high`.

    ValueError when the parameters make no distribution, or leave nothing between the bounds.
    """

    low: float
    high: float

    def cumulative(self, value: float) -> float:
        """The share of all values, before cutting off, that are at most this."""
        raise NotImplementedError

    def inverse(self, share: float) -> float:
        """The value that this share of all values does not exceed; `share` between 0 and 1."""
        raise NotImplementedError

    def quantile(self, share: float) -> float:
        """The value that this share of draws does not exceed, 0 to 1."""
        below, upto = self.cumulative(self.low), self.cumulative(self.high)
        wanted = below + (upto - below) * share
        value = self.inverse(min(_BELOW_ONE, max(_ABOVE_ZERO, wanted)))
        return min(self.high, max(self.low, value))

    def draw(self, chance: Chance) -> float:
        """One value; takes one random number."""
        return self.quantile(chance.random())

    def _check(self, **positive: float) -> None:
        for name, value in positive.items():
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be above 0")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError("min must be below max")
        within = self.cumulative(self.high) - self.cumulative(self.low)
        if not within >= SHARE_MIN:
            raise ValueError("hardly any value lies between min and max; widen them")


class Normal(Bounded, frozen=True, kw_only=True, tag_field="distribution", tag="normal"):
    """The bell curve around `mean`, before it is cut off."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        self._check(sd=self.sd)

    def cumulative(self, value: float) -> float:
        """See `Bounded`."""
        return _STANDARD.cdf((value - self.mean) / self.sd)

    def inverse(self, share: float) -> float:
        """See `Bounded`."""
        return self.mean + self.sd * _STANDARD.inv_cdf(share)


class Lognormal(Bounded, frozen=True, kw_only=True, tag_field="distribution", tag="lognormal"):
    """The logarithm is normal, `sigma` its standard deviation; half of all are below `median`."""

    median: float
    sigma: float

    def __post_init__(self) -> None:
        self._check(median=self.median, sigma=self.sigma)

    def cumulative(self, value: float) -> float:
        """See `Bounded`."""
        if value <= 0:
            return 0.0
        return _STANDARD.cdf(math.log(value / self.median) / self.sigma)

    def inverse(self, share: float) -> float:
        """See `Bounded`."""
        exponent = self.sigma * _STANDARD.inv_cdf(share)
        return self.median * math.exp(min(700.0, exponent))


class Exponential(Bounded, frozen=True, kw_only=True, tag_field="distribution", tag="exponential"):
    """Times between independent happenings, `mean` apart on average before it is cut off."""

    mean: float

    def __post_init__(self) -> None:
        self._check(mean=self.mean)

    def cumulative(self, value: float) -> float:
        """See `Bounded`."""
        return -math.expm1(-max(0.0, value) / self.mean)

    def inverse(self, share: float) -> float:
        """See `Bounded`."""
        return -self.mean * math.log1p(-share)


class Weibull(Bounded, frozen=True, kw_only=True, tag_field="distribution", tag="weibull"):
    """Durations until something ends: 63 % are below `scale`; `shape` 1 is exponential, above 1
    the values gather around the scale.
    """

    scale: float
    shape: float

    def __post_init__(self) -> None:
        self._check(scale=self.scale, shape=self.shape)

    def cumulative(self, value: float) -> float:
        """See `Bounded`."""
        if value <= 0:
            return 0.0
        exponent = self.shape * math.log(value / self.scale)
        return -math.expm1(-math.exp(min(700.0, exponent)))

    def inverse(self, share: float) -> float:
        """See `Bounded`."""
        exponent = math.log(-math.log1p(-share)) / self.shape
        return self.scale * math.exp(min(700.0, exponent))


class Choice(msgspec.Struct, frozen=True, tag_field="distribution", tag="choice"):
    """One of a few spans, each as likely as its weight; within a span, evenly.

    ValueError without spans, or with a weight that is not above 0.
    """

    spans: tuple[Span, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.spans or len(self.spans) != len(self.weights):
            raise ValueError("a choice has a weight for each of its values")
        if not all(math.isfinite(weight) and weight > 0 for weight in self.weights):
            raise ValueError("weights must be above 0")

    @property
    def low(self) -> float:
        """The least that is drawn."""
        return min(span.low for span in self.spans)

    @property
    def high(self) -> float:
        """The most that is drawn."""
        return max(span.high for span in self.spans)

    def draw(self, chance: Chance) -> float:
        """One value; takes one random number, two where the value is a range."""
        left = chance.random() * math.fsum(self.weights)
        for span, weight in zip(self.spans, self.weights, strict=True):
            left -= weight
            if left < 0:
                return span.draw(chance)
        return self.spans[-1].draw(chance)  # rounding


Distribution: TypeAlias = Span | Normal | Lognormal | Exponential | Weibull | Choice
"""Anything to `draw(chance)` from, between its `low` and its `high`. A constant is a Span too."""
