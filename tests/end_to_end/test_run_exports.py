"""A whole run whose figures are fetched, sent and written while it goes on."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from prometheus_client.parser import text_string_to_metric_families

from builders_exports import receiving

if TYPE_CHECKING:
    from prometheus_client import Metric

SCENARIO = """\
schema: 1
name: exported
seed: 3
fleet:
  - {name: ac, count: 5, id: "E-{n}", configuration: {MeterValueSampleInterval: 1}}
behaviour: {think_time: 50ms..200ms, energy_kwh: 5..9}
stages:
  - {do: ramp, to: 5, over: 500ms}
  - {do: hold, for: 6s}
  - {do: stop, over: 500ms}
"""
PAGE = "http://127.0.0.1:{}/metrics"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
    return port


def scrape(port: int) -> dict[str, Metric]:
    with urllib.request.urlopen(PAGE.format(port), timeout=5) as answer:
        text = answer.read().decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_a_run_is_watched_by_four_systems_at_once(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "s.yaml").write_text(SCENARIO)
    with receiving() as influx, receiving() as collector:
        options = [
            *("--prometheus", str(port)),
            *("--influx", f"{influx.url}/api/v2/write?org=o&bucket=b"),
            *("--otlp", collector.url),
            *("--jsonl", str(tmp_path / "run.jsonl")),
        ]
        command = [sys.executable, "-m", "simfleet", "run", str(tmp_path / "s.yaml"), *options]
        out = tmp_path / "out"
        run = subprocess.Popen(
            [*command, "--quiet", "--json", "--out", str(out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert collector.came.wait(30), run.poll()
            seen = scrape(port)
            stdout, stderr = run.communicate(timeout=40)
        finally:
            run.kill()
    assert run.returncode == 0, stderr
    chargers = {one.labels["state"]: one.value for one in seen["simfleet_run_chargers"].samples}
    assert set(chargers) == {"wanted", "alive", "connected", "booted"}
    assert seen["simfleet_run_info"].samples[0].labels["scenario"] == "exported"

    lines = influx.posts[-1].body.decode().splitlines()
    assert any(
        re.fullmatch(r"simfleet_run_calls_total,action=BootNotification,scenario=exported .*", one)
        for one in lines
    )
    request = ExportMetricsServiceRequest()
    request.ParseFromString(collector.posts[-1].body)
    names = {one.name for one in request.resource_metrics[0].scope_metrics[0].metrics}
    assert "simfleet_run_call_response_seconds" in names

    summary = json.loads(stdout)
    last = json.loads((tmp_path / "run.jsonl").read_text().splitlines()[-1])
    assert last["figures"]["simfleet_run_connects_total"] == summary["connect"]["opened"]
    assert summary["exports"]["prometheus"]["scrapes"] == 1
    assert summary["exports"]["influx"]["failed"] == summary["exports"]["otlp"]["failed"] == 0
    assert summary["exports"]["otlp"]["sent"] >= 2
    assert summary["exports"]["jsonl"]["lines"] >= 6
    page = (Path(__file__).parents[2] / "docs" / "summary.md").read_text()
    documented = set(re.findall(r"^\| `(exports\.\w+\.\w+)`", page, re.MULTILINE))
    told = {f"exports.{name}.{key}" for name, one in summary["exports"].items() for key in one}
    assert told == documented
