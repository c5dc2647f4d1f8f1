from __future__ import annotations

import math
import sys

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from simfleet.observe.histogram import (
    LATENCY_DIGITS,
    LATENCY_MAX_US,
    FastHistogram,
    TaggedHistograms,
    summary_ms,
)
from simfleet.observe.latency import DETAILED_PARTS_MAX, Latencies

# Dense where buckets are exact, at their borders, and over the whole range.
MICROSECONDS = st.one_of(
    st.integers(0, 5_000),
    st.integers(0, 31).flatmap(lambda bits: st.integers(max(0, (1 << bits) - 2), (1 << bits) + 1)),
    st.integers(0, LATENCY_MAX_US),
)
PERCENTILES = [0, 1, 50, 90, 95, 99, 99.9, 100]


def an_original(*values: int) -> HdrHistogram:
    histogram = HdrHistogram(1, LATENCY_MAX_US, LATENCY_DIGITS)
    for value in values:
        assert histogram.record_value(value)
    return histogram


def a_fast_one(*values: int) -> FastHistogram:
    histogram = FastHistogram()
    for value in values:
        assert histogram.record_value(value)
    return histogram


# ── FastHistogram against the original ──────────────────────────────────────────────────────────


@given(st.lists(MICROSECONDS, max_size=60))
def test_a_fast_histogram_is_the_original_byte_for_byte(values: list[int]) -> None:
    fast, original = a_fast_one(*values), an_original(*values)
    assert fast.encode() == original.encode()
    assert list(fast.counts) == list(original.counts)
    assert fast.total_count == original.total_count
    assert fast.get_min_value() == original.get_min_value()
    assert fast.get_max_value() == original.get_max_value()


@given(st.lists(MICROSECONDS, max_size=60))
def test_percentiles_are_those_of_the_original_but_for_the_rank(values: list[int]) -> None:
    fast, original = a_fast_one(*values), an_original(*values)
    original.get_target_count_at_percentile = fast.get_target_count_at_percentile
    expected = original.get_percentile_to_value_dict(PERCENTILES) if values else {}
    assert fast.get_percentile_to_value_dict(PERCENTILES) == expected


@pytest.mark.parametrize("slow", [1, 2, 3, 25, 26])
def test_no_more_than_so_many_percent_are_above_a_percentile(slow: int) -> None:
    """p99.9 of 2,502 CALLs of which three took 4 s: more than one in a thousand, so it is 4 s."""
    times = a_fast_one(*[100] * (2502 - slow), *[4_000_000] * slow)
    found = times.get_percentile_to_value_dict([99, 99.9])
    assert (found[99] > 100) == (slow > 25)
    assert (found[99.9] > 100) == (slow > 2)
    assert a_fast_one(*range(1, 1001)).get_percentile_to_value_dict([99.9]) == {99.9: 999}


@given(st.lists(MICROSECONDS, max_size=30), st.lists(MICROSECONDS, max_size=30))
def test_adding_two_equals_recording_all_into_one(first: list[int], second: list[int]) -> None:
    total = a_fast_one(*first)
    total.add(a_fast_one(*second))
    together = a_fast_one(*first, *second)
    assert total.encode() == together.encode()
    assert total.sum_value == together.sum_value == sum(first) + sum(second)
    assert (total.min_value, total.max_value) == (together.min_value, together.max_value)


@given(st.lists(MICROSECONDS, min_size=1, max_size=40))
def test_mean_and_maximum_are_exact(values: list[int]) -> None:
    histogram = a_fast_one(*values)
    assert histogram.get_mean_value() == sum(values) / len(values)
    assert histogram.max_value == max(values)


@given(st.lists(MICROSECONDS, min_size=1, max_size=40))
def test_no_percentile_of_a_summary_is_above_its_maximum_or_off_by_a_thousandth(
    values: list[int],
) -> None:
    summary = summary_ms(a_fast_one(*values))
    assert summary["max"] == max(values) / 1000
    ranks = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9}
    for name, percentile in ranks.items():
        rank = math.ceil(percentile * len(values) / 100 - 1e-6)
        true_ms = sorted(values)[rank - 1] / 1000
        assert true_ms <= summary[name] <= min(true_ms * 1.001 + 1e-9, summary["max"])


def test_a_decoded_histogram_can_be_added() -> None:
    total = a_fast_one(100)
    total.add(HdrHistogram.decode(a_fast_one(200, 90_000).encode()))
    assert total.encode() == a_fast_one(100, 200, 90_000).encode()
    assert total.get_mean_value() == pytest.approx((100 + 200 + 90_000) / 3, rel=1e-3)


def test_values_out_of_range_are_refused_and_change_nothing() -> None:
    histogram = a_fast_one(5)
    assert histogram.record_value(-1) is False
    assert histogram.record_value(1 << 40) is False
    assert histogram.encode() == an_original(5).encode()
    assert (histogram.total_count, histogram.sum_value) == (1, 5)
    assert (histogram.min_value, histogram.max_value) == (5, 5)


def test_several_of_one_value_are_recorded_at_once() -> None:
    histogram = FastHistogram()
    assert histogram.record_value(7_000, 3)
    assert histogram.encode() == an_original(7_000, 7_000, 7_000).encode()
    assert histogram.sum_value == 21_000


def test_a_reset_histogram_is_as_good_as_new() -> None:
    histogram = a_fast_one(1, 50_000, LATENCY_MAX_US)
    histogram.reset()
    assert histogram.encode() == FastHistogram().encode()
    assert not any(histogram.counts)
    assert histogram.min_value == sys.maxsize
    assert summary_ms(histogram) == summary_ms(FastHistogram())
    assert histogram.record_value(9)
    assert histogram.encode() == an_original(9).encode()


def test_the_summary_of_nothing_is_all_zero() -> None:
    assert set(summary_ms(FastHistogram()).values()) == {0.0}
    assert list(summary_ms(FastHistogram())) == ["mean", "p50", "p90", "p95", "p99", "p99_9", "max"]


# ── Latencies ───────────────────────────────────────────────────────────────────────────────────


def test_response_counts_from_when_the_call_was_due_and_service_from_when_it_was_sent() -> None:
    latencies = Latencies()
    latencies.record("Authorize", 100.0, 100.75, 101.0)
    assert latencies.summary_ms("Authorize")["max"] == 1000.0
    assert latencies.summary_ms("Authorize", "service")["max"] == 250.0
    assert latencies.summary_ms("Authorize")["mean"] == 1000.0


def test_a_stalled_csms_shows_in_response_times_and_not_in_service_times() -> None:
    # One CALL a second for 25 s, answered at once except that nothing is answered from 10 to 15 s:
    # the truth about the CALLs due in the stall is 5, 4, 3, 2 and 1 seconds.
    latencies = Latencies()
    for due_s in range(25):
        done_s = 15.0 if 10 <= due_s < 15 else float(due_s)
        sent_s = float(due_s) if not 10 < due_s < 15 else 15.0
        latencies.record("MeterValues", due_s, sent_s, done_s)
    assert latencies.summary_ms("MeterValues")["mean"] == 15_000 / 25
    assert latencies.summary_ms("MeterValues")["p90"] == pytest.approx(3000, rel=1e-3)
    assert latencies.summary_ms("MeterValues", "service")["mean"] == 5_000 / 25
    assert latencies.summary_ms("MeterValues", "service")["p90"] == 0.0


def test_a_timeout_is_recorded_with_the_time_until_we_gave_up() -> None:
    latencies = Latencies()
    for n in range(9):
        latencies.record("Heartbeat", n, n, n + 0.010)
    latencies.record_timeout("Heartbeat", 10.0, 10.0, 40.0)
    assert latencies.count("Heartbeat") == 10
    assert latencies.timeouts("Heartbeat") == 1
    assert latencies.summary_ms("Heartbeat")["max"] == 30_000.0
    assert latencies.summary_ms("Heartbeat")["p99"] == 30_000.0
    assert latencies.errors("Heartbeat") == {}


def test_errors_are_counted_by_code_and_recorded_with_their_time() -> None:
    latencies = Latencies()
    latencies.record_error("Authorize", "InternalError", 0.0, 0.0, 0.5)
    latencies.record_error("Authorize", "InternalError", 0.0, 0.0, 0.5)
    latencies.record_error("Authorize", "GenericError", 0.0, 0.0, 0.5)
    latencies.record("Authorize", 0.0, 0.0, 0.5)
    assert latencies.errors("Authorize") == {"GenericError": 1, "InternalError": 2}
    assert latencies.count("Authorize") == 4
    assert latencies.summary_ms("Authorize")["mean"] == 500.0
    assert latencies.error_ratio("Authorize") == 0.75


def test_the_error_ratio_counts_errors_and_timeouts_and_is_zero_for_nothing() -> None:
    latencies = Latencies()
    assert latencies.error_ratio() == latencies.error_ratio("Authorize") == 0.0
    latencies.record("Authorize", 0, 0, 1)
    latencies.record_timeout("BootNotification", 0, 0, 1)
    latencies.record_error("Heartbeat", "GenericError", 0, 0, 1)
    latencies.record("Heartbeat", 0, 0, 1)
    assert latencies.error_ratio() == 0.5
    assert latencies.error_ratio("BootNotification") == 1.0


def test_a_lost_call_is_counted_apart_and_has_no_time() -> None:
    latencies = Latencies()
    latencies.record_lost("StopTransaction")
    latencies.record_lost("StopTransaction")
    assert latencies.lost("StopTransaction") == latencies.lost() == 2
    assert latencies.count("StopTransaction") == 0
    assert latencies.actions == ["StopTransaction"]


def test_totals_are_all_actions_merged() -> None:
    latencies = Latencies()
    latencies.record("Authorize", 0.0, 0.0, 0.1)
    latencies.record("Heartbeat", 0.0, 0.1, 0.3)
    latencies.record_timeout("Heartbeat", 0.0, 0.0, 2.0)
    latencies.record_lost("Authorize")
    totals = latencies.totals
    assert (totals["count"], totals["timeouts"], totals["lost"]) == (3, 1, 1)
    assert totals["response_ms"]["mean"] == pytest.approx(800.0)
    assert totals["response_ms"]["max"] == 2000.0
    assert totals["service_ms"]["mean"] == pytest.approx(2300 / 3)


def test_the_snapshot_has_every_action_with_the_fields_of_the_summary_file() -> None:
    latencies = Latencies()
    latencies.record("Heartbeat", 0.0, 0.0, 0.25)
    latencies.record_error("Authorize", "GenericError", 0.0, 0.0, 0.5)
    times_ms = dict.fromkeys(["mean", "p50", "p90", "p95", "p99", "p99_9", "max"], 250.0)
    assert list(latencies.snapshot()) == ["Authorize", "Heartbeat"]
    assert latencies.snapshot()["Heartbeat"] == {
        "count": 1,
        "errors": {},
        "timeouts": 0,
        "lost": 0,
        "response_ms": times_ms,
        "service_ms": times_ms,
    }
    assert latencies.snapshot()["Authorize"]["errors"] == {"GenericError": 1}


def test_an_action_never_called_has_an_empty_summary() -> None:
    latencies = Latencies()
    assert latencies.count("Authorize") == 0
    assert latencies.summary("Authorize")["response_ms"]["p99"] == 0.0
    assert latencies.actions == []


@pytest.mark.parametrize(
    ("due_s", "sent_s", "done_s", "clipped", "response_ms", "service_ms"),
    [
        (0.0, 0.0, 7200.0, 2, 3_600_000.0, 3_600_000.0),
        (0.0, 7000.0, 7200.0, 1, 3_600_000.0, 200_000.0),
        (10.0, 10.0, 9.0, 2, 0.0, 0.0),
        (0.0, 10.0, 9.0, 1, 9_000.0, 0.0),
        (5.0, 4.0, 6.0, 0, 1_000.0, 2_000.0),  # sent before due: odd, but nothing out of range
        (0.0, 0.0, 3600.0, 0, 3_600_000.0, 3_600_000.0),
    ],
)
def test_times_out_of_range_are_clipped_and_counted(
    due_s: float,
    sent_s: float,
    done_s: float,
    clipped: int,
    response_ms: float,
    service_ms: float,
) -> None:
    latencies = Latencies()
    latencies.record("Authorize", due_s, sent_s, done_s)
    assert latencies.clipped == clipped
    assert latencies.count() == 1
    assert latencies.summary_ms()["max"] == response_ms
    assert latencies.summary_ms(kind="service")["max"] == service_ms


def test_an_endless_list_of_error_codes_stays_bounded() -> None:
    latencies = Latencies()
    for n in range(1000):
        latencies.record_error("Authorize", f"Nonsense{n}", 0, 0, 0)
    assert sum(latencies.errors("Authorize").values()) == 1000
    assert len(latencies.errors("Authorize")) < 100


# ── intervals ───────────────────────────────────────────────────────────────────────────────────

CALLS = st.lists(
    st.tuples(
        st.sampled_from(["Authorize", "Heartbeat", "MeterValues"]),
        st.floats(0, 100),
        st.floats(0, 10),
        st.booleans(),  # ends the interval
    ),
    max_size=40,
)


@given(CALLS)
def test_intervals_add_up_to_the_totals_exactly(
    calls: list[tuple[str, float, float, bool]],
) -> None:
    latencies, merged = Latencies(), TaggedHistograms()
    for action, took_s, queued_s, ends in calls:
        latencies.record(action, 0.0, queued_s, queued_s + took_s)
        if ends:
            merged.add(latencies.take_interval(0.0, 1.0))
    merged.add(latencies.take_interval(1.0, 2.0))
    assert set(merged.by_tag) == {
        f"{action}.{kind}" for action in latencies.actions for kind in ("response", "service")
    }
    for tag, histogram in merged.by_tag.items():
        action, _, kind = tag.partition(".")
        total = latencies.histogram(action, "response" if kind == "response" else "service")
        assert histogram.encode() == total.encode()
        assert merged.snapshot()[tag] == {"count": total.total_count, **summary_ms(total)}


def test_taking_an_interval_changes_no_total() -> None:
    latencies = Latencies()
    for n in range(20):
        latencies.record("Authorize", 0.0, 0.0, 0.001 * n)
    latencies.record_error("Authorize", "GenericError", 0.0, 0.0, 1.0)
    before = latencies.snapshot()
    latencies.take_interval(0.0, 1.0)
    assert latencies.snapshot() == before
    latencies.record("Authorize", 0.0, 0.0, 2.0)
    assert latencies.count() == 22


def test_an_interval_holds_what_was_recorded_in_it_and_nothing_else() -> None:
    latencies = Latencies()
    latencies.record("Authorize", 0.0, 0.5, 1.0)
    first = latencies.take_interval(1000.0, 1001.5)
    assert [h.get_tag() for h in first] == ["Authorize.response", "Authorize.service"]
    assert [h.max_value for h in first] == [1_000_000, 500_000]
    assert {h.get_start_time_stamp() for h in first} == {1_000_000.0}
    assert {h.get_end_time_stamp() for h in first} == {1_001_500.0}
    assert latencies.take_interval(1001.5, 1003.0) == []

    latencies.record("Heartbeat", 0.0, 0.0, 0.25)
    second = latencies.take_interval(1003.0, 1004.0)
    assert [h.get_tag() for h in second] == ["Heartbeat.response", "Heartbeat.service"]
    assert [h.total_count for h in first] == [1, 1], "a taken interval is never touched again"


def test_stage_sums_leave_the_intervals_as_they_were() -> None:
    stage, latencies = TaggedHistograms(), Latencies()
    for _ in range(2):
        latencies.record("Authorize", 0.0, 0.0, 0.25)
        intervals = latencies.take_interval(0.0, 1.0)
        stage.add(intervals)
        assert [h.total_count for h in intervals] == [1, 1]
    assert stage.snapshot()["Authorize.response"]["count"] == 2
    assert math.isclose(stage.snapshot()["Authorize.response"]["mean"], 250.0)


# ── parts: what is merged is what one histogram would have ──────────────────────────────────────

CALLS = st.lists(
    st.tuples(
        st.integers(0, 2),  # the part
        st.sampled_from(["Authorize", "MeterValues"]),
        st.integers(0, 10_000_000),  # waiting, us
        st.integers(0, 10_000_000),  # service, us
        st.sampled_from(["answer", "answer", "error", "timeout", "lost"]),
        st.booleans(),  # whether an interval ends after it
    ),
    max_size=40,
)


def recorded(into: Latencies, action: str, waited: int, served: int, how: str) -> None:
    sent_s, done_s = waited / 1e6, (waited + served) / 1e6
    match how:
        case "answer":
            into.record(action, 0.0, sent_s, done_s)
        case "error":
            into.record_error(action, "InternalError", 0.0, sent_s, done_s)
        case "timeout":
            into.record_timeout(action, 0.0, sent_s, done_s)
        case _:
            into.record_lost(action)


@settings(deadline=None, max_examples=30)
@given(CALLS, st.sampled_from([3, DETAILED_PARTS_MAX + 1]))
def test_parts_and_intervals_merged_are_one_histogram_of_everything(
    calls: list[tuple[int, str, int, int, str, bool]], parts_count: int
) -> None:
    one, whole = Latencies(), Latencies()
    names = [f"slice-{number}" for number in range(parts_count)]
    parts = whole.divide(names)
    intervals, of_parts = TaggedHistograms(), TaggedHistograms()

    def end_interval() -> None:
        taken = whole.take_intervals(0.0, 1.0)
        intervals.add(taken.whole)
        for name in names:
            of_parts.add(taken.parts[name])

    for part, action, waited, served, how, ends in calls:
        recorded(one, action, waited, served, how)
        recorded(parts[names[part]], action, waited, served, how)
        if ends:
            end_interval()
    assert whole.snapshot() == one.snapshot()
    assert whole.totals == one.totals
    end_interval()
    assert whole.snapshot() == one.snapshot()
    assert not whole.in_interval
    # Each part has its own and no more; together they are everything.
    for kind in ("response", "service"):
        everything = one.histogram(kind=kind)
        merged = FastHistogram()
        for name in names:
            merged.add(parts[name].histogram(kind=kind))
        assert merged.encode() == everything.encode()
        assert merged.get_mean_value() == everything.get_mean_value()
    for action in one.actions:
        if one.count(action):
            by_tag = intervals.by_tag[f"{action}.response"]
            assert list(by_tag.counts) == list(one.histogram(action).counts)
            assert by_tag.sum_value == one.histogram(action).sum_value
    assert sum(part.lost() for part in parts.values()) == one.lost()
    assert sum(part.timeouts() for part in parts.values()) == one.timeouts()
    if parts_count > DETAILED_PARTS_MAX:
        assert all(part.actions == [] for part in parts.values())


@given(st.lists(MICROSECONDS, max_size=30), st.lists(MICROSECONDS, min_size=1, max_size=30))
def test_what_came_since_a_copy_is_exact_but_for_the_last_bucket(
    before: list[int], after: list[int]
) -> None:
    histogram = a_fast_one(*before)
    copy = histogram.copy()
    assert copy.encode() == histogram.encode()
    for value in after:
        histogram.record_value(value)
    rest, expected = histogram.since(copy), a_fast_one(*after)
    assert list(rest.counts) == list(expected.counts)
    assert rest.total_count == len(after)
    assert rest.get_mean_value() == expected.get_mean_value()
    assert expected.max_value <= rest.max_value <= expected.max_value * 1.001 + 1
    assert histogram.since(histogram.copy()).total_count == 0


def test_workers_that_add_their_histograms_have_what_one_would_have() -> None:
    workers = [Latencies() for _ in range(4)]
    one = Latencies()
    for number in range(4000):
        recorded(workers[number % 4], "MeterValues", number * 7, number * 31 % 9973, "answer")
        recorded(one, "MeterValues", number * 7, number * 31 % 9973, "answer")
    merged = FastHistogram()
    for worker in workers:
        merged.add(worker.histogram("MeterValues"))
    assert merged.encode() == one.histogram("MeterValues").encode()
    assert summary_ms(merged) == one.summary_ms("MeterValues")
