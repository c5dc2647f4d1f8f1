from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simfleet.station.chance import Chance, Span

DRAWS = 20_000
finite = st.floats(-1e12, 1e12)


def test_the_first_numbers_are_those_of_the_published_generator() -> None:
    # Reference output of splitmix64.c (Sebastiano Vigna, public domain) for the seed 1234567.
    chance = Chance(1234567)
    assert [chance.bits() for _ in range(3)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_the_same_seed_and_index_give_the_same_charger_and_others_differ() -> None:
    assert Chance.of(42, 7).hex(64) == Chance.of(42, 7).hex(64)
    others = {Chance.of(seed, index).hex(16) for seed in range(20) for index in range(500)}
    assert len(others) == 20 * 500


def test_random_is_spread_evenly_and_successive_numbers_are_unrelated() -> None:
    chance = Chance.of(1, 1)
    drawn = [chance.random() for _ in range(DRAWS)]
    assert all(0.0 <= number < 1.0 for number in drawn)
    mean = sum(drawn) / DRAWS
    assert abs(mean - 0.5) < 5 * math.sqrt(1 / 12 / DRAWS)
    tenths = Counter(int(10 * number) for number in drawn)
    chi_squared = sum((tenths[i] - DRAWS / 10) ** 2 / (DRAWS / 10) for i in range(10))
    assert chi_squared < 33.7  # 9 degrees of freedom, one run in 10,000
    together = sum((a - 0.5) * (b - 0.5) for a, b in pairwise(drawn)) / DRAWS
    assert abs(together / (1 / 12)) < 5 / math.sqrt(DRAWS)


def test_the_first_numbers_of_neighbouring_chargers_are_spread_evenly() -> None:
    mean = sum(Chance.of(42, index).random() for index in range(5_000)) / 5_000
    assert abs(mean - 0.5) < 5 * math.sqrt(1 / 12 / 5_000)


@given(st.integers(), finite, finite)
def test_uniform_stays_within_its_ends(seed: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert low <= Chance(seed).uniform(low, high) <= high


@given(st.integers(), st.integers(-(10**9), 10**9), st.integers(0, 10**9))
def test_integer_stays_within_its_ends(seed: int, low: int, width: int) -> None:
    assert low <= Chance(seed).integer(low, low + width) <= low + width


def test_integer_and_choice_reach_every_value_equally() -> None:
    chance = Chance.of(3, 3)
    dice = Counter(chance.integer(1, 6) for _ in range(DRAWS))
    picks = Counter(chance.choice("abc") for _ in range(DRAWS))
    assert sorted(dice) == [1, 2, 3, 4, 5, 6]
    assert all(abs(n - DRAWS / 6) < 5 * math.sqrt(DRAWS / 6) for n in dice.values())
    assert all(abs(n - DRAWS / 3) < 5 * math.sqrt(DRAWS / 3) for n in picks.values())
    assert set(picks) == set("abc")


def test_an_empty_range_and_an_empty_choice_are_refused() -> None:
    with pytest.raises(ValueError, match="no whole number"):
        Chance(1).integer(2, 1)
    with pytest.raises(IndexError):
        Chance(1).choice([])


@given(st.integers(), st.integers(0, 100))
def test_hex_has_as_many_digits_as_asked(seed: int, digits: int) -> None:
    text = Chance(seed).hex(digits)
    assert len(text) == digits
    assert set(text) <= set("0123456789ABCDEF")


def test_a_fork_is_repeatable_and_leaves_its_parent_alone() -> None:
    untouched, parent = Chance.of(1, 2), Chance.of(1, 2)
    tags, times, again = parent.fork("tags"), parent.fork("times"), parent.fork("tags")
    assert tags.hex(16) == again.hex(16)
    assert len({tags.hex(16), times.hex(16), parent.hex(16)}) == 3
    untouched.hex(16)
    assert untouched.bits() == parent.bits()


@given(st.integers(), finite, finite)
def test_a_span_draws_within_its_ends(seed: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert low <= Span(low, high).draw(Chance(seed)) <= high


@pytest.mark.parametrize("ends", [(2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_a_span_with_ends_that_make_no_range_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a span runs"):
        Span(*ends)
