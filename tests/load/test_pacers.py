"""When arrivals are due: monotone, exact in number, without drift, and Poisson where it says so."""

from __future__ import annotations

import itertools
import math
from statistics import fmean, pvariance

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simfleet.load.pacers import (
    DAY_S,
    NEVER_S,
    ConstantRate,
    Curve,
    LinearRate,
    Rate,
    due_times_s,
    even_marks,
    poisson_marks,
)
from simfleet.station.chance import Chance

HOUR_S = 3600.0
MORNING = Curve(((6 * HOUR_S, 0.1), (8.5 * HOUR_S, 1.0), (10 * HOUR_S, 0.3), (22 * HOUR_S, 0.0)))

per_s = st.floats(0, 1000)
times_s = st.floats(0, 7 * DAY_S)
shares = st.one_of(st.just(0.0), st.floats(0.001, 1))
curves = (
    st.dictionaries(st.integers(0, 1439), shares, min_size=1, max_size=12)
    .filter(lambda points: any(points.values()))
    .map(lambda points: Curve(tuple((60.0 * m, share) for m, share in sorted(points.items()))))
)
rates: st.SearchStrategy[Rate] = st.one_of(
    st.builds(ConstantRate, st.floats(0.0001, 1000)),
    st.builds(LinearRate, per_s, st.floats(0.0001, 1000), st.floats(0.001, DAY_S)),
    st.builds(lambda curve, day_s, top: curve.from_time(day_s, top), curves, times_s, per_s.filter(
        lambda top: top > 0.001)),
)  # fmt: skip


def numerically(rate: Rate, until_s: float, steps: int = 20_000) -> float:
    """The area under a rate by the midpoint rule, which knows nothing of closed forms."""
    width_s = until_s / steps
    return sum(rate.at((n + 0.5) * width_s) for n in range(steps)) * width_s


# ── rates ────────────────────────────────────────────────────────────────────────────────────────


@given(rates, times_s)
def test_the_moment_at_which_an_area_is_reached_has_that_area(rate: Rate, at_s: float) -> None:
    area = rate.area(at_s)
    due_s = rate.due_s(area)
    # Where the rate is 0, one rounding decides between both ends: so, a hair before.
    before_s = rate.due_s(max(0.0, area - 1e-9 * max(1.0, area)))
    assert before_s <= at_s + 1e-6 * max(1.0, at_s)
    assert rate.area(due_s) == pytest.approx(area, rel=1e-9, abs=1e-6)


@given(rates, times_s, times_s)
def test_the_area_only_grows(rate: Rate, one_s: float, other_s: float) -> None:
    early_s, late_s = sorted((one_s, other_s))
    assert rate.area(early_s) <= rate.area(late_s) * (1 + 1e-12) + 1e-9


@given(rates, st.lists(st.floats(0, 1e6), min_size=2))
def test_later_arrivals_are_never_due_earlier(rate: Rate, areas: list[float]) -> None:
    due_s = [rate.due_s(area) for area in sorted(areas)]
    assert all(a <= b + 1e-6 * max(1.0, a) for a, b in itertools.pairwise(due_s))


@settings(max_examples=25, deadline=None)
@given(curves, times_s)
def test_the_area_of_a_curve_is_its_integral(curve: Curve, day_s: float) -> None:
    rate = curve.from_time(day_s, 2.0)
    assert rate.area(DAY_S) == pytest.approx(numerically(rate, DAY_S), rel=2e-3, abs=200)


def test_a_ramp_of_the_rate_has_the_area_of_its_trapezium_and_then_stays() -> None:
    rate = LinearRate(2.0, 5.0, 60.0)
    assert rate.area(60.0) == 210.0
    assert rate.area(70.0) == 260.0
    assert rate.due_s(rate.area(30.0)) == pytest.approx(30.0)
    assert rate.due_s(260.0) == 70.0
    down = LinearRate(5.0, 0.0, 60.0)
    assert down.area(1e6) == 150.0
    assert down.due_s(149.999) < 60.0
    assert down.due_s(150.1) == NEVER_S


def test_nobody_is_ever_due_at_rate_zero() -> None:
    assert ConstantRate(0.0).due_s(0.5) == NEVER_S
    assert MORNING.from_time(0.0, 0.0).due_s(0.5) == NEVER_S


def test_a_curve_is_a_share_by_time_of_day_with_straight_lines_between() -> None:
    assert MORNING.share(6 * HOUR_S) == pytest.approx(0.1)
    assert MORNING.share(7.25 * HOUR_S) == pytest.approx(0.55)
    assert MORNING.share(8.5 * HOUR_S) == pytest.approx(1.0)
    assert MORNING.share(22 * HOUR_S) == pytest.approx(0.0)


def test_a_curve_goes_on_over_midnight_and_is_the_same_every_day() -> None:
    assert MORNING.share(2 * HOUR_S) == pytest.approx(0.05)  # halfway from 22:00 to 06:00
    for hour in range(0, 72, 5):
        assert MORNING.share(hour * HOUR_S) == pytest.approx(MORNING.share(hour % 24 * HOUR_S))


def test_a_curve_begins_at_the_time_of_day_of_its_stage() -> None:
    rate = MORNING.from_time(7.25 * HOUR_S, 4.0)
    assert rate.at(0.0) == pytest.approx(2.2)
    assert rate.at(1.25 * HOUR_S) == pytest.approx(4.0)
    assert rate.area(1.25 * HOUR_S) == pytest.approx(3.1 * 1.25 * HOUR_S)


def test_nobody_is_due_while_the_share_is_zero() -> None:
    closed = Curve(((0.0, 0.0), (6 * HOUR_S, 0.0), (7 * HOUR_S, 1.0), (8 * HOUR_S, 0.0)))
    due_s = due_times_s(closed.from_time(0.0, 1.0), even_marks(0.5), until_s=DAY_S)
    assert len(due_s) == 3600
    assert 6 * HOUR_S < due_s[0] < 6.1 * HOUR_S
    assert due_s[-1] < 8 * HOUR_S


# ── arrivals at even distances ───────────────────────────────────────────────────────────────────


@given(st.integers(1, 50), st.integers(1, 60), st.floats(0, 0.999))
def test_exactly_rate_times_time_arrive(rate: int, minutes: int, phase: float) -> None:
    due_s = due_times_s(ConstantRate(float(rate)), even_marks(phase), until_s=60.0 * minutes)
    assert len(due_s) == rate * 60 * minutes


def test_a_ramp_brings_exactly_the_integral_of_its_rate() -> None:
    due_s = due_times_s(LinearRate(2.0, 5.0, 60.0), even_marks(0.5), until_s=60.0)
    assert len(due_s) == 210
    assert sum(moment_s < 30.0 for moment_s in due_s) == 82  # (2 + 3.5) / 2 * 30 = 82.5


def test_the_millionth_arrival_is_due_when_it_should_be() -> None:
    rate, n = ConstantRate(3.0), 1_000_000
    mark = next(itertools.islice(even_marks(0.25), n, None))
    assert rate.due_s(mark) == (n + 0.25) / 3


def test_all_days_of_a_curve_have_as_many_arrivals() -> None:
    due_s = due_times_s(MORNING.from_time(0.0, 0.1), even_marks(0.5), until_s=30 * DAY_S)
    by_day = [0] * 30
    for moment_s in due_s:
        by_day[int(moment_s // DAY_S)] += 1
    assert max(by_day) - min(by_day) <= 1
    assert len(due_s) == pytest.approx(30 * MORNING.from_time(0.0, 0.1).area(DAY_S), abs=1)


# ── Poisson arrivals ─────────────────────────────────────────────────────────────────────────────


def poisson(seed: int, rate: Rate, until_s: float) -> list[float]:
    return list(due_times_s(rate, poisson_marks(Chance.of(seed, 0)), until_s=until_s))


def test_the_same_seed_gives_the_same_arrivals_and_another_one_others() -> None:
    rate = ConstantRate(2.0)
    assert poisson(1, rate, 1000.0) == poisson(1, rate, 1000.0)
    assert poisson(1, rate, 1000.0) != poisson(2, rate, 1000.0)


@pytest.mark.parametrize("seed", range(5))
def test_as_many_arrive_as_the_rate_says(seed: int) -> None:
    wanted = 50_000
    found = len(poisson(seed, ConstantRate(5.0), wanted / 5.0))
    assert abs(found - wanted) < 4 * math.sqrt(wanted)


@pytest.mark.parametrize("seed", range(5))
def test_counts_vary_as_much_as_their_mean(seed: int) -> None:
    """Dispersion index: 1 for Poisson, 0 for even arrivals. For 2,000 windows it is 1 +- 0.032."""
    due_s = poisson(seed, ConstantRate(4.0), 20_000.0)
    counts = [0] * 2000
    for moment_s in due_s:
        counts[int(moment_s // 10)] += 1
    assert pvariance(counts) / fmean(counts) == pytest.approx(1.0, abs=4 * math.sqrt(2 / 2000))


@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_exponential(seed: int) -> None:
    """Kolmogorov-Smirnov: the distance stays under 1.95 / sqrt(n) in 99.9 % of samples."""
    due_s = poisson(seed, ConstantRate(4.0), 5_000.0)
    gaps_s = sorted(b - a for a, b in itertools.pairwise([0.0, *due_s]))
    n = len(gaps_s)
    distance = max(
        max(abs(expected - k / n), abs(expected - (k + 1) / n))
        for k, gap_s in enumerate(gaps_s)
        for expected in (1 - math.exp(-4.0 * gap_s),)
    )
    assert distance < 1.95 / math.sqrt(n)


@pytest.mark.parametrize("seed", range(3))
def test_poisson_arrivals_follow_a_curve(seed: int) -> None:
    rate = MORNING.from_time(6 * HOUR_S, 2.0)
    due_s = poisson(seed, rate, 4 * HOUR_S)
    for begin_s in (0.0, HOUR_S, 2 * HOUR_S, 3 * HOUR_S):
        wanted = rate.area(begin_s + HOUR_S) - rate.area(begin_s)
        found = sum(begin_s <= moment_s < begin_s + HOUR_S for moment_s in due_s)
        assert abs(found - wanted) < 4 * math.sqrt(wanted)
