"""One reading in each format, read back by somebody else's parser where there is one."""

from __future__ import annotations

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_text
from prometheus_client.parser import text_string_to_metric_families

from builders_exports import a_reading
from simfleet.errors import UsageWrong
from simfleet.load.exports.buckets import BOUNDS_S, Bucketed
from simfleet.load.exports.families import Family, Labels, without_secrets
from simfleet.load.exports.influx import lines_of
from simfleet.load.exports.jsonl import JsonLines
from simfleet.load.exports.otlp import encoder
from simfleet.load.exports.prometheus import Prometheus
from simfleet.load.secrets import Redactor


def scraped(exporter: Prometheus) -> dict[str, Any]:
    registry = CollectorRegistry()
    registry.register(exporter)
    text = generate_latest(registry).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_prometheus_reads_counters_gauges_and_cumulative_buckets() -> None:
    exporter = Prometheus("127.0.0.1", 0)
    exporter.offer(a_reading())
    found = scraped(exporter)
    assert found["simfleet_run_chargers"].samples[0].value == 2
    (errors,) = found["simfleet_run_call_errors"].samples
    assert (errors.name, errors.value) == ("simfleet_run_call_errors_total", 4)
    assert errors.labels["code"] == 'a "b"\\,=c\nd'
    times = found["simfleet_run_call_response_seconds"].samples
    by_bound = {one.labels["le"]: one.value for one in times if one.name.endswith("_bucket")}
    assert (by_bound["0.001"], by_bound["0.005"], by_bound["+Inf"]) == (1, 2, 3)
    assert next(one.value for one in times if one.name.endswith("_count")) == 3


def test_before_the_first_reading_there_is_nothing_to_scrape() -> None:
    assert scraped(Prometheus("127.0.0.1", 0)) == {}


def test_a_port_in_use_is_said_before_the_run() -> None:
    first = Prometheus("127.0.0.1", 0)
    first.open()
    try:
        assert first.port is not None
        with pytest.raises(UsageWrong, match=r"--prometheus: cannot listen on 127\.0\.0\.1:"):
            Prometheus("127.0.0.1", first.port).open()
    finally:
        first.close()


def test_an_influx_line_has_measurement_tags_fields_and_nanoseconds() -> None:
    lines = lines_of(a_reading()).decode().splitlines()
    assert (
        r"simfleet_run_chargers,scenario=morning\,\ peak,state=alive value=2 1763627583500000000"
        in lines
    )
    (times,) = [line for line in lines if "response_seconds" in line]
    assert "0.001=1i" in times
    assert "30=2i" in times
    assert ",count=3i,sum=60.0049 " in times


def test_labels_that_a_peer_made_up_cannot_end_an_influx_line() -> None:
    awkward = Family("n", "counter", "", "1", [((("code", "x\ny z=1,2\\"),), 1.0)])
    lines = lines_of(a_reading(awkward)).decode().splitlines()
    assert len(lines) == 5
    assert lines[-1].startswith(r"n,code=x\ y\ z\=1\,2,scenario=")
    # Every line parses: unescaped, there are exactly two blanks and one "=" for each tag.
    for line in lines:
        bare = re.sub(r"\\.", "_", line)
        assert bare.count(" ") == 2


def test_a_collector_reads_what_otlp_sends() -> None:
    request = ExportMetricsServiceRequest()
    request.ParseFromString(encoder()(a_reading()))
    (resource,) = request.resource_metrics
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert named["service.name"] == "simfleet"
    metrics = {one.name: one for one in resource.scope_metrics[0].metrics}
    assert metrics["simfleet_run_chargers"].gauge.data_points[0].as_double == 2
    errors = metrics["simfleet_run_call_errors_total"].sum
    assert errors.is_monotonic
    assert errors.data_points[0].time_unix_nano == 1_763_627_583_500_000_000
    (times,) = metrics["simfleet_run_call_response_seconds"].histogram.data_points
    assert (times.count, len(times.bucket_counts)) == (3, len(BOUNDS_S) + 1)
    assert sum(times.bucket_counts) == 3
    assert list(times.explicit_bounds) == pytest.approx(BOUNDS_S)


def test_a_line_of_json_a_second(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    exporter = JsonLines(path)
    exporter.open()
    exporter.offer(a_reading())
    exporter.offer(a_reading())
    exporter.close()
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert len(lines) == 2
    assert lines[0]["at"] == "2025-11-20T08:33:03.500Z"
    assert lines[0]["progress"]["connected"] == 2
    assert lines[0]["figures"]["simfleet_run_chargers"] == {"state=alive": 2}
    times = lines[0]["figures"]["simfleet_run_call_response_seconds"]["action=Authorize"]
    assert (times["count"], times["buckets"]["0.001"]) == (3, 1)
    assert exporter.figures() == {"lines": 2, "passed_over": 0, "last_error": None}


def test_a_full_disk_ends_the_lines_and_not_the_run() -> None:
    exporter = JsonLines(Path("/dev/full"))
    exporter.open()
    exporter.offer(a_reading())
    exporter.offer(a_reading())
    exporter.close()
    figures = exporter.figures()
    assert (figures["lines"], figures["passed_over"]) == (0, 2)
    assert "/dev/full" in figures["last_error"]


def test_a_run_that_was_refused_leaves_no_empty_file(tmp_path: Path) -> None:
    path, older = tmp_path / "run.jsonl", tmp_path / "older.jsonl"
    older.touch()
    for exporter in (JsonLines(path), JsonLines(older)):
        exporter.open()
        exporter.close()
    assert [one.name for one in tmp_path.iterdir()] == ["older.jsonl"]


def test_labels_tell_no_secret_and_stay_apart_from_each_other() -> None:
    """Two codes that differ in nothing but the secret become one sample, or no scrape is valid."""
    samples: list[tuple[Labels, float | Bucketed]] = [
        ((("code", "No-hunter2hunter2"),), 1.0),
        ((("code", "No-${PASSWORD}"),), 2.0),
        ((("code", "Other"),), 4.0),
    ]
    family = Family("simfleet_run_call_errors_total", "counter", "errors", "1", samples)
    redactor = Redactor.of(named={"PASSWORD": "hunter2hunter2"})
    clean = without_secrets(family, redactor.clean)
    assert clean.samples == [((("code", "No-${PASSWORD}"),), 3.0), ((("code", "Other"),), 4.0)]
    reading = a_reading(clean)
    exporter = Prometheus("127.0.0.1", 0)
    exporter.offer(reading)
    assert scraped(exporter)


def test_openmetrics_reads_it_as_well() -> None:
    exporter = Prometheus("127.0.0.1", 0)
    exporter.offer(a_reading())
    registry = CollectorRegistry()
    registry.register(exporter)
    families = list(openmetrics.text_string_to_metric_families(openmetrics_text(registry).decode()))
    assert {one.name for one in families} >= {"simfleet_run_info", "simfleet_run_call_errors"}


def test_ten_scrapes_at_once_while_others_only_hold_the_line() -> None:
    exporter = Prometheus("127.0.0.1", 0)
    exporter.open()
    address = ("127.0.0.1", exporter.port or 0)
    silent = [socket.create_connection(address) for _ in range(10)]
    try:
        exporter.offer(a_reading())

        def scrape(_: int) -> bytes:
            with urlopen(f"http://127.0.0.1:{exporter.port}/metrics", timeout=10) as answer:
                body: bytes = answer.read()
            return body

        with ThreadPoolExecutor(10) as pool:
            bodies = list(pool.map(scrape, range(30)))
        assert all(b"simfleet_run_chargers" in body for body in bodies)
        assert exporter.figures() == {"scrapes": 30}
    finally:
        exporter.close()
        for one in silent:
            one.close()


def test_a_file_that_cannot_be_written_is_said_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(UsageWrong, match="--jsonl: cannot write to"):
        JsonLines(tmp_path / "nowhere" / "run.jsonl").open()
