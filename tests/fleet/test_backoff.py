"""Waits before connecting again: a minimum and chance, doubling, then constant."""

from __future__ import annotations

from itertools import pairwise

import pytest

from simfleet.fleet.backoff import (
    BACK_OFF,
    CRASH_PAUSE_MAX_S,
    BackOff,
    back_off_of,
    crash_pause_s,
)
from simfleet.station.chance import Chance
from simfleet.station.configuration import for_station

PLAIN = BackOff(wait_minimum_s=2.0, random_range_s=0.0, repeat_times=3)


def waits_of(back_off: BackOff, count: int, chance: Chance) -> list[float]:
    waits: list[float] = []
    for failures in range(1, count + 1):
        previous_s = waits[-1] if waits else 0.0
        waits.append(back_off.next_s(previous_s, failures=failures, chance=chance))
    return waits


def test_without_chance_a_wait_doubles_so_many_times_and_then_stays() -> None:
    assert waits_of(PLAIN, 7, Chance(1)) == [2, 4, 8, 16, 16, 16, 16]


def test_no_repetition_means_the_same_wait_always() -> None:
    back_off = BackOff(wait_minimum_s=3.0, random_range_s=0.0, repeat_times=0)
    assert waits_of(back_off, 4, Chance(1)) == [3, 3, 3, 3]


def test_chance_is_in_the_first_wait_and_in_every_doubling() -> None:
    back_off = BackOff(wait_minimum_s=1.0, random_range_s=5.0, repeat_times=3)
    runs = [waits_of(back_off, 6, Chance(seed)) for seed in range(2000)]
    first = [run[0] for run in runs]
    assert 1 <= min(first) < 1.05
    assert 5.95 < max(first) <= 6
    assert sum(first) / len(first) == pytest.approx(3.5, rel=0.03)
    for run in runs:
        assert all(0 <= after - 2 * before <= 5 for before, after in pairwise(run[:4]))
        assert run[3] == run[4] == run[5] <= back_off.longest_s


def test_a_station_of_2_x_waits_as_its_variables_say() -> None:
    """RetryBackOffWaitMinimum, RetryBackOffRandomRange, RetryBackOffRepeatTimes."""
    configuration = for_station(1, {}, version="ocpp2.0.1")
    assert back_off_of(configuration) == BACK_OFF == back_off_of(for_station(1, {}))
    for name, value in (("WaitMinimum", "7"), ("RandomRange", "0"), ("RepeatTimes", "1")):
        configuration.change(f"OCPPCommCtrlr.RetryBackOff{name}", value)
    assert waits_of(back_off_of(configuration), 4, Chance(1)) == [7, 14, 14, 14]


def test_ten_thousand_chargers_come_back_spread_over_the_random_range() -> None:
    back_off = BackOff()
    first = [back_off.next_s(0, failures=1, chance=Chance.of(7, n)) for n in range(10_000)]
    tenths = [0] * int(10 * (1 + back_off.longest_s))
    for wait_s in first:
        tenths[int(wait_s * 10)] += 1
    assert max(tenths) < 1.3 * 10_000 / (10 * back_off.random_range_s)


def test_the_longest_wait_is_the_one_with_the_worst_luck_throughout() -> None:
    class Worst(Chance):
        def uniform(self, low: float, high: float) -> float:
            return high

    back_off = BackOff(wait_minimum_s=1.0, random_range_s=5.0, repeat_times=3)
    assert max(waits_of(back_off, 9, Worst(1))) == back_off.longest_s == 83


def test_waits_follow_from_the_chance_alone() -> None:
    assert waits_of(BackOff(), 5, Chance(7)) == waits_of(BackOff(), 5, Chance(7))
    assert waits_of(BackOff(), 5, Chance(7)) != waits_of(BackOff(), 5, Chance(8))


@pytest.mark.parametrize(("crashes", "longest_s"), [(1, 2.0), (3, 8.0), (10**6, CRASH_PAUSE_MAX_S)])
def test_a_crashed_charger_stays_away_from_nothing_to_a_range_that_doubles(
    crashes: int, longest_s: float
) -> None:
    chance = Chance(1)
    pauses = [crash_pause_s(crashes, chance) for _ in range(4000)]
    assert 0 <= min(pauses) < 0.01 * longest_s
    assert 0.99 * longest_s < max(pauses) <= longest_s
