"""A histogram is freed when nobody has it any more, without the help of the cycle collector."""

from __future__ import annotations

import gc
import weakref

from simfleet.observe.histogram import FastHistogram
from simfleet.observe.latency import Latencies


def test_a_histogram_is_freed_at_once_also_after_it_was_encoded_and_added_up() -> None:
    histogram, other = FastHistogram(), FastHistogram()
    histogram.record_value(1234)
    other.add(histogram)
    assert histogram.encode() == other.encode()
    seen = weakref.ref(histogram)
    gc.disable()
    try:
        del histogram
        assert seen() is None
    finally:
        gc.enable()


def test_intervals_of_a_run_leave_no_cycles_behind() -> None:
    latencies = Latencies()
    gc.collect()
    for n in range(10):
        latencies.record("Heartbeat", float(n), float(n), n + 0.01)
        latencies.take_interval(float(n), n + 1.0)
    assert gc.collect() == 0


def test_times_are_kept_in_real_seconds_where_the_clock_runs_faster() -> None:
    latencies = Latencies(speed=10)
    latencies.record("Heartbeat", 100.0, 101.0, 102.0)
    assert latencies.summary_ms("Heartbeat")["max"] == 200.0
    assert latencies.summary_ms("Heartbeat", kind="service")["max"] == 100.0
