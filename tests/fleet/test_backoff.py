"""Pauses with full jitter."""

from __future__ import annotations

import pytest

from simfleet.fleet.backoff import FIRST_PAUSE_MAX_S, PAUSE_MAX_S, pause_s
from simfleet.station.chance import Chance


@pytest.mark.parametrize(
    ("failures", "longest_s"),
    [(1, FIRST_PAUSE_MAX_S), (2, 4.0), (3, 8.0), (5, 32.0), (6, PAUSE_MAX_S), (10**6, PAUSE_MAX_S)],
)
def test_a_pause_is_drawn_from_zero_to_a_range_that_doubles_up_to_the_cap(
    failures: int, longest_s: float
) -> None:
    chance = Chance(1)
    pauses = [pause_s(failures, chance) for _ in range(4000)]
    assert 0 <= min(pauses) < 0.01 * longest_s
    assert 0.99 * longest_s < max(pauses) <= longest_s
    assert sum(pauses) / len(pauses) == pytest.approx(longest_s / 2, rel=0.05)


def test_pauses_follow_from_the_chance_alone() -> None:
    assert pause_s(3, Chance(7)) == pause_s(3, Chance(7)) != pause_s(3, Chance(8))
