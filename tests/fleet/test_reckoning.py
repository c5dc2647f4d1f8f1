"""What can be known of one transaction, and what follows from it for the CSMS's books."""

from __future__ import annotations

from typing import Any

import pytest

from simfleet.fleet.reckoning import Excuse, Sums

RANGES = ("starts_fewer", "starts_more", "stops_fewer", "open_more", "stray_stops")
ENERGY = ("told_apart_wh", "told_less_wh", "told_more_wh")


def sums_of(**of_one: Any) -> Sums:
    sums = Sums()
    sums.add(Excuse(energy_wh=1000.0, **of_one))
    return sums


def not_zero(sums: Sums) -> dict[str, float]:
    names = sums.__struct_fields__
    return {name: getattr(sums, name) for name in names if getattr(sums, name)}


def test_a_transaction_that_was_answered_at_once_leaves_no_room() -> None:
    assert not_zero(sums_of(start_answered=True, stop_answered=True)) == {}


@pytest.mark.parametrize("times", [1, 3])
def test_a_stop_that_was_never_answered_counts_once_however_often_it_was_sent(times: int) -> None:
    assert not_zero(sums_of(start_answered=True, stop_unknown=times)) == {
        "unknown_stops": 1,
        "stops_fewer": 1,
        "open_more": 1,
        "told_less_wh": 1000.0,
    }


def test_a_stop_that_was_answered_in_the_end_is_known() -> None:
    assert not_zero(sums_of(start_answered=True, stop_unknown=2, stop_answered=True)) == {}


def test_a_start_of_2x_that_was_answered_in_the_end_is_known() -> None:
    found = sums_of(start_unknown=2, start_answered=True, stop_answered=True, by_event=True)
    assert not_zero(found) == {}


def test_a_start_of_16_that_was_repeated_may_be_one_more_that_stays_open() -> None:
    found = sums_of(start_unknown=2, start_answered=True, stop_answered=True)
    assert not_zero(found) == {"starts_more": 2, "open_more": 2}


def test_a_start_of_16_without_an_answer_is_never_stopped() -> None:
    assert not_zero(sums_of(start_unknown=1, start_lost=True)) == {
        "unknown_starts": 1,
        "starts_fewer": 1,
        "starts_unanswered": 1,
        "stops_lost": 1,
        "open_more": 1,
        "told_apart_wh": -1000.0,
    }


def test_a_start_of_2x_without_an_answer_may_make_its_end_one_of_nothing() -> None:
    found = sums_of(start_unknown=1, stop_answered=True, by_event=True)
    assert not_zero(found) == {
        "unknown_starts": 1,
        "starts_fewer": 1,
        "stops_fewer": 1,
        "open_more": 1,
        "told_less_wh": 1000.0,
        "stray_stops": 1,
    }


def test_what_surely_never_arrived_leaves_no_room() -> None:
    sums = sums_of(start_lost=True, stop_lost=True)
    assert not_zero(sums) == {"starts_lost": 1, "stops_lost": 1, "told_apart_wh": -1000.0}


def test_a_register_that_was_told_wrong_is_told_so_or_not_at_all() -> None:
    sums = sums_of(start_answered=True, stop_unknown=1, apart_wh=70.0)
    assert [getattr(sums, name) for name in ENERGY] == [70.0, 1070.0, 0.0]


def test_sums_go_on_from_a_copy() -> None:
    sums = sums_of(start_answered=True, stop_unknown=1)
    again = sums.copy()
    again.add(Excuse(energy_wh=500.0, start_answered=True, stop_unknown=1))
    assert (sums.stops_fewer, again.stops_fewer) == (1, 2)
    assert again.told_less_wh == 1500.0
    assert all(isinstance(getattr(again, name), int) for name in RANGES)
