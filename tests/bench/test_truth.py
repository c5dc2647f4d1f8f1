"""What the truth benchmark compares with is itself right."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.truth import off_by, simulate, spread_ms, worst_step_s

SECONDS = st.integers(0, 40_960).map(lambda ms: ms / 1024)  # exact in binary
SCHEDULES = st.lists(st.lists(SECONDS, max_size=12).map(sorted), min_size=1, max_size=6)


def test_calls_due_while_it_was_frozen_took_from_then_to_the_thaw() -> None:
    schedule = [float(second) for second in range(10)]
    responses = [one.response_s for one in simulate([schedule], frozen_at_s=2.5, thawed_at_s=6.25)]
    assert responses == [0, 0, 0, 3.25, 2.25, 1.25, 0.25, 0, 0, 0]


def test_only_the_first_of_them_looks_slow_when_counted_from_when_it_was_sent() -> None:
    schedule = [float(second) for second in range(10)]
    answered = simulate([schedule], frozen_at_s=2.5, thawed_at_s=6.25)
    assert [one.service_s for one in answered] == [0, 0, 0, 3.25, 0, 0, 0, 0, 0, 0]


def test_overdue_calls_of_one_charger_follow_one_another() -> None:
    answered = simulate([[1.0, 2.0, 3.0]], frozen_at_s=0.5, thawed_at_s=4.0, service_s=0.5)
    assert [(one.sent_s, one.done_s) for one in answered] == [(1, 4.5), (4.5, 5), (5, 5.5)]


def test_chargers_take_turns_at_the_thaw() -> None:
    answered = simulate([[1.0, 2.0], [1.5, 2.5]], frozen_at_s=0.5, thawed_at_s=4.0, service_s=0.5)
    assert [one.due_s for one in answered] == [1.0, 1.5, 2.0, 2.5]
    assert [one.done_s for one in answered] == [4.5, 5.0, 5.5, 6.0]


def test_a_call_in_the_middle_of_its_service_waits_for_the_thaw_too() -> None:
    (one,) = simulate([[1.0]], frozen_at_s=1.25, thawed_at_s=3.25, service_s=0.5)
    assert one.done_s == 3.5


def test_the_example_of_the_load_notes() -> None:
    """100 chargers, 1 CALL/s, 25 s, frozen 5 s: p90 is about 3 s, the mean half a second or so."""
    schedules = [[charger / 100 + second for second in range(25)] for charger in range(100)]
    truth = spread_ms(
        [one.response_s for one in simulate(schedules, frozen_at_s=10, thawed_at_s=15)]
    )
    assert truth.mean == pytest.approx(500, abs=5)
    assert truth.p90 == pytest.approx(2500, abs=10)
    assert truth.max == 5000


@given(SCHEDULES, SECONDS, SECONDS)
def test_every_call_is_answered_once_in_order_and_never_before_it_was_due(
    schedules: list[list[float]], one_s: float, other_s: float
) -> None:
    frozen_at_s, thawed_at_s = sorted((one_s, other_s))
    answered = simulate(schedules, frozen_at_s=frozen_at_s, thawed_at_s=thawed_at_s, service_s=0.25)
    assert sorted(one.due_s for one in answered) == sorted(chain(*schedules))
    assert all(one.due_s <= one.sent_s <= one.done_s - 0.25 for one in answered)
    assert [one.done_s for one in answered] == sorted(one.done_s for one in answered)
    assert not any(frozen_at_s + 0.25 < one.done_s < thawed_at_s for one in answered)


def test_percentiles_are_of_nearest_rank() -> None:
    spread = spread_ms([number / 1000 for number in range(1, 101)])
    assert (spread.p50, spread.p90, spread.p95, spread.p99, spread.max) == (50, 90, 95, 99, 100)
    assert spread.mean == 50.5
    assert spread_ms([0.003]) == (3, 3, 3, 3, 3, 3, 3)


def test_no_times_have_no_spread() -> None:
    with pytest.raises(ValueError, match="no times"):
        spread_ms([])


def test_a_thaw_before_the_freeze_is_refused() -> None:
    with pytest.raises(ValueError, match="before it was frozen"):
        simulate([[1.0]], frozen_at_s=2, thawed_at_s=1)


def test_off_by_is_a_fraction_of_the_truth_in_either_direction() -> None:
    assert off_by(97, 100) == pytest.approx(0.03)
    assert off_by(103, 100) == pytest.approx(0.03)


def test_a_schedule_off_its_grid_is_seen() -> None:
    assert worst_step_s([1, 2, 3.25, 4.25], interval_s=1) == 0.25
    assert worst_step_s([1], interval_s=1) == 0
