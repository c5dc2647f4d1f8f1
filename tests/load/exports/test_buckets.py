"""Buckets for monitoring systems, made of the run's own histograms."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_exports import an_interval, buckets
from simfleet.load.exports.buckets import BOUNDS_S
from simfleet.observe.histogram import LATENCY_MAX_US


def test_each_time_is_in_the_first_bucket_that_holds_it() -> None:
    found = buckets([1, 999, 1_001, 2_400, 29_000_000, 31_000_000]).of("Authorize", "response")
    assert found.counts[0] == 2  # up to 1 ms
    assert found.counts[1] == 2  # up to 2.5 ms
    assert found.counts[BOUNDS_S.index(30.0)] == 1
    assert found.counts[-1] == 1  # above 30 s
    assert found.sum_s == pytest.approx(60.004401)


@given(st.lists(st.integers(0, LATENCY_MAX_US), min_size=1, max_size=40))
def test_no_time_is_lost_and_none_is_shown_shorter_than_it_was(times_us: list[int]) -> None:
    found = buckets(times_us).of("Authorize", "response")
    assert found.count == len(times_us)
    for place in range(len(BOUNDS_S)):
        at_most = sum(found.counts[: place + 1])
        true = sum(1 for time_us in times_us if time_us <= BOUNDS_S[place] * 1e6)
        lenient = sum(1 for time_us in times_us if time_us <= BOUNDS_S[place] * 1e6 * 0.998)
        assert lenient <= at_most <= true


def test_intervals_add_up() -> None:
    calls = buckets([500])
    calls.add(an_interval("Authorize.response", [500, 700_000]))
    found = calls.of("Authorize", "response")
    assert found.counts[0] == 2
    assert found.counts[bisect_left(BOUNDS_S, 0.7)] == 1


def test_a_copy_does_not_change_under_its_reader() -> None:
    calls = buckets([500])
    copy = calls.of("Authorize", "response")
    calls.add(an_interval("Authorize.response", [500]))
    assert copy.count == 1
