"""Named distributions: seeded, within their bounds, and of the shape that they promise."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simfleet.station.chance import Chance, Span
from simfleet.station.distributions import (
    Bounded,
    Choice,
    Exponential,
    Lognormal,
    Normal,
    Weibull,
)

DRAWS = 5_000
WIDE = {"low": 0.0, "high": 1e9}
SHAPES = [
    Normal(mean=100, sd=10, **WIDE),
    Normal(mean=10, sd=20, low=0, high=25),
    Lognormal(median=15_000, sigma=0.6, **WIDE),
    Lognormal(median=15_000, sigma=1.5, low=5_000, high=40_000),
    Exponential(mean=300, **WIDE),
    Exponential(mean=300, low=60, high=400),
    Weibull(scale=7200, shape=1.5, **WIDE),
    Weibull(scale=7200, shape=0.8, low=100, high=9000),
]


def drawn(distribution: Bounded | Choice | Span, *, seed: int = 1) -> list[float]:
    chance = Chance.of(seed, 0)
    return sorted(distribution.draw(chance) for _ in range(DRAWS))


@pytest.mark.parametrize("distribution", SHAPES, ids=repr)
def test_draws_follow_the_distribution_that_was_cut_off(distribution: Bounded) -> None:
    values = drawn(distribution)
    below, upto = (
        distribution.cumulative(distribution.low),
        distribution.cumulative(distribution.high),
    )
    # Kolmogorov and Smirnov: the largest distance is below 1.95 / sqrt(n) in 99.9 % of all cases.
    distance = max(
        abs((distribution.cumulative(value) - below) / (upto - below) - (n + 0.5) / DRAWS)
        for n, value in enumerate(values)
    )
    assert distance < 1.95 / math.sqrt(DRAWS)
    assert distribution.low <= values[0]
    assert values[-1] <= distribution.high


@pytest.mark.parametrize(
    ("distribution", "mean"),
    [
        (Normal(mean=100, sd=10, **WIDE), 100.0),
        (Exponential(mean=300, **WIDE), 300.0),
        (Lognormal(median=15_000, sigma=0.6, **WIDE), 15_000 * math.exp(0.18)),
        (Weibull(scale=7200, shape=1.5, **WIDE), 7200 * math.gamma(1 + 1 / 1.5)),
    ],
    ids=repr,
)
def test_the_mean_is_that_of_the_books(distribution: Bounded, mean: float) -> None:
    values = drawn(distribution)
    off = 4 * statistics.stdev(values) / math.sqrt(DRAWS)
    assert statistics.fmean(values) == pytest.approx(mean, abs=off)


def test_percentiles_of_a_lognormal_are_what_its_parameters_say() -> None:
    energy = Lognormal(median=15_000, sigma=0.6, **WIDE)
    assert energy.quantile(0.5) == pytest.approx(15_000)
    assert energy.quantile(0.8413447) == pytest.approx(15_000 * math.exp(0.6), rel=1e-5)
    assert energy.quantile(1) <= 1e9


def test_nothing_piles_up_at_the_bounds() -> None:
    narrow = Normal(mean=10, sd=50, low=0, high=20)
    values = drawn(narrow)
    assert sum(value in (0, 20) for value in values) == 0


def test_a_choice_is_drawn_by_weight_and_a_range_in_it_evenly() -> None:
    energy = Choice((Span(7, 7), Span(20, 40)), (1, 3))
    values = drawn(energy)
    assert sum(value == 7 for value in values) / DRAWS == pytest.approx(0.25, abs=0.03)
    assert statistics.fmean(value for value in values if value != 7) == pytest.approx(30, abs=0.5)
    assert (energy.low, energy.high) == (7, 40)


@pytest.mark.parametrize("distribution", [*SHAPES, Choice((Span(1, 2),), (1,))], ids=repr)
def test_the_same_seed_draws_the_same(distribution: Bounded) -> None:
    assert drawn(distribution) == drawn(distribution)
    assert drawn(distribution) != drawn(distribution, seed=2)


@pytest.mark.parametrize("distribution", SHAPES, ids=repr)
def test_a_draw_takes_one_random_number(distribution: Bounded) -> None:
    chance, other = Chance.of(7, 7), Chance.of(7, 7)
    distribution.draw(chance)
    other.random()
    assert chance.bits() == other.bits()


@settings(max_examples=200)
@given(
    kind=st.sampled_from(["normal", "lognormal", "exponential", "weibull"]),
    place=st.floats(0.001, 86_400),
    spread=st.floats(0.001, 100),
    low=st.floats(0, 86_400),
    width=st.floats(0.001, 86_400),
    seed=st.integers(0, 2**64 - 1),
)
def test_whatever_is_accepted_draws_finite_numbers_within_its_bounds(
    kind: str, place: float, spread: float, low: float, width: float, seed: int
) -> None:
    bounds = {"low": low, "high": low + width}
    try:
        distribution: Bounded
        if kind == "normal":
            distribution = Normal(mean=place, sd=spread, **bounds)
        elif kind == "lognormal":
            distribution = Lognormal(median=place, sigma=min(10, spread), **bounds)
        elif kind == "exponential":
            distribution = Exponential(mean=place, **bounds)
        else:
            distribution = Weibull(scale=place, shape=max(0.1, spread), **bounds)
    except ValueError:
        return  # refused, with a reason
    chance = Chance(seed)
    for _ in range(5):
        value = distribution.draw(chance)
        assert math.isfinite(value)
        assert bounds["low"] <= value <= bounds["high"]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Normal(mean=1, sd=0, low=0, high=2), "sd must be above 0"),
        (lambda: Normal(mean=1, sd=1, low=2, high=2), "min must be below max"),
        (lambda: Normal(mean=1, sd=1, low=50, high=60), "hardly any value"),
        (lambda: Lognormal(median=0, sigma=1, low=0, high=1), "median must be above 0"),
        (lambda: Exponential(mean=math.inf, low=0, high=1), "mean must be above 0"),
        (lambda: Weibull(scale=1, shape=-1, low=0, high=1), "shape must be above 0"),
        (lambda: Choice((), ()), "a weight for each"),
        (lambda: Choice((Span(1, 1),), (0,)), "weights must be above 0"),
    ],
)
def test_what_is_no_distribution_is_refused(make: object, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make()  # type: ignore[operator]
