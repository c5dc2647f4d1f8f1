from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from simfleet.observe.histogram import (
    LATENCY_DIGITS,
    LATENCY_MAX_US,
    FastHistogram,
    TaggedHistograms,
)
from simfleet.observe.hlog import HistogramLog
from simfleet.observe.latency import Latencies

if TYPE_CHECKING:
    from pathlib import Path

START_WALL_S = 1_700_000_000.123


def an_interval(tag: str, *values_us: int, start_wall_s: float, end_wall_s: float) -> FastHistogram:
    histogram = FastHistogram()
    for value_us in values_us:
        histogram.record_value(value_us)
    histogram.set_tag(tag)
    histogram.set_start_time_stamp(start_wall_s * 1000)
    histogram.set_end_time_stamp(end_wall_s * 1000)
    return histogram


def read_back(path: Path) -> list[Any]:
    reader = HistogramLogReader(str(path), HdrHistogram(1, LATENCY_MAX_US, LATENCY_DIGITS))
    try:
        return list(iter(reader.get_next_interval_histogram, None))
    finally:
        reader.close()


def test_the_log_read_by_the_library_merges_to_the_totals_exactly(tmp_path: Path) -> None:
    chance, latencies = random.Random(7), Latencies()
    with HistogramLog(tmp_path / "run.hlog", start_wall_s=START_WALL_S) as log:
        for second in range(5):
            for _ in range(300):
                action = chance.choice(["Authorize", "MeterValues"])
                queued_s, took_s = chance.expovariate(10), chance.lognormvariate(-4, 1.5)
                latencies.record(action, 0.0, queued_s, queued_s + took_s)
            log.write(latencies.take_interval(START_WALL_S + second, START_WALL_S + second + 1))

    merged: dict[str, FastHistogram] = {}
    for interval in read_back(tmp_path / "run.hlog"):
        merged.setdefault(interval.get_tag(), FastHistogram()).add(interval)
    assert len(merged) == 4
    for action in ("Authorize", "MeterValues"):
        response, service = merged[f"{action}.response"], merged[f"{action}.service"]
        assert response.encode() == latencies.histogram(action, "response").encode()
        assert service.encode() == latencies.histogram(action, "service").encode()
        assert response.equals(latencies.histogram(action, "response"))
        assert response.encode() != service.encode()


def test_the_first_interval_survives_although_it_begins_with_the_log(tmp_path: Path) -> None:
    path = tmp_path / "run.hlog"
    with HistogramLog(path, start_wall_s=START_WALL_S) as log:
        log.write([an_interval("A", 5, start_wall_s=START_WALL_S, end_wall_s=START_WALL_S + 1.5)])
    (interval,) = read_back(path)
    assert interval.get_start_time_stamp() == pytest.approx(START_WALL_S * 1000, abs=1)
    assert interval.get_end_time_stamp() == pytest.approx(START_WALL_S * 1000 + 1500, abs=1)


def test_the_file_looks_as_the_format_says(tmp_path: Path) -> None:
    path = tmp_path / "run.hlog"
    with HistogramLog(path, start_wall_s=START_WALL_S, comments=["scenario: two\nlines"]) as log:
        log.write(
            [
                an_interval(
                    "Authorize.response",
                    12_345,
                    start_wall_s=START_WALL_S + 2,
                    end_wall_s=START_WALL_S + 3.25,
                )
            ]
        )
    *header, line = path.read_text(encoding="utf-8").splitlines()
    assert header == [
        "#[Logged with SimFleet; values are microseconds, Interval_Max is milliseconds]",
        "#[scenario: two lines]",
        "#[Histogram log format version 1.3]",
        "#[StartTime: 1700000000.123 (seconds since epoch), 2023-11-14T22:13:20.123Z]",
        "#[BaseTime: 1700000000.123 (seconds since epoch)]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    ]
    assert re.fullmatch(r"Tag=Authorize\.response,2\.000,1\.250,12\.345,HISTFAAAA[\w+/=]+", line)


def test_what_was_written_is_on_disk_before_the_log_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "run.hlog"
    with HistogramLog(path, start_wall_s=START_WALL_S) as log:
        log.write([an_interval("A", 5, start_wall_s=START_WALL_S, end_wall_s=START_WALL_S + 1)])
        assert [interval.get_tag() for interval in read_back(path)] == ["A"]


def test_a_run_without_calls_leaves_a_readable_log(tmp_path: Path) -> None:
    with HistogramLog(tmp_path / "run.hlog", start_wall_s=START_WALL_S) as log:
        log.write(Latencies().take_interval(START_WALL_S, START_WALL_S + 1))
    assert read_back(tmp_path / "run.hlog") == []


@pytest.mark.parametrize("tag", [None, "", "a,b", "a b", "a\nb"])
def test_a_tag_that_the_format_cannot_hold_is_refused(tmp_path: Path, tag: str | None) -> None:
    interval = an_interval("A", 5, start_wall_s=START_WALL_S, end_wall_s=START_WALL_S + 1)
    interval.set_tag(tag)
    with (
        HistogramLog(tmp_path / "run.hlog", start_wall_s=START_WALL_S) as log,
        pytest.raises(ValueError, match="is no tag"),
    ):
        log.write([interval])
    assert read_back(tmp_path / "run.hlog") == []


@pytest.mark.parametrize(("starts_s", "ends_s"), [(-1.0, 1.0), (2.0, 1.0)])
def test_an_interval_that_readers_would_drop_is_refused(
    tmp_path: Path, starts_s: float, ends_s: float
) -> None:
    interval = an_interval(
        "A", 5, start_wall_s=START_WALL_S + starts_s, end_wall_s=START_WALL_S + ends_s
    )
    with (
        HistogramLog(tmp_path / "run.hlog", start_wall_s=START_WALL_S) as log,
        pytest.raises(ValueError, match="must be 0 or more"),
    ):
        log.write([interval])


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        HistogramLog(tmp_path / "nowhere" / "run.hlog", start_wall_s=START_WALL_S)


def test_tagged_sums_of_a_log_can_be_written_again(tmp_path: Path) -> None:
    sums = TaggedHistograms()
    for n in range(3):
        sums.add([an_interval("A", n, start_wall_s=START_WALL_S, end_wall_s=START_WALL_S + 1)])
    total = sums.by_tag["A"]
    total.set_start_time_stamp(START_WALL_S * 1000)
    total.set_end_time_stamp((START_WALL_S + 1) * 1000)
    with HistogramLog(tmp_path / "run.hlog", start_wall_s=START_WALL_S) as log:
        log.write(sums.by_tag.values())
    (interval,) = read_back(tmp_path / "run.hlog")
    assert interval.get_total_count() == 3
