"""`run.hlog` read by the library that the format comes from: HdrHistogram for Java."""

from __future__ import annotations

import csv
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from simfleet.observe.histogram import FastHistogram
from simfleet.observe.hlog import HistogramLog

JARS = (Path("/usr/share/java/hdrhistogram.jar"), Path("/usr/share/java/HdrHistogram.jar"))
JAVA = shutil.which("java")
JAR = next((jar for jar in JARS if jar.exists()), None)

pytestmark = pytest.mark.skipif(
    JAVA is None or JAR is None, reason="needs java and Debian's libhdrhistogram-java"
)


def processor(log: Path, *options: str) -> str:
    """What HistogramLogProcessor prints of a log."""
    assert JAVA is not None
    command = [JAVA, "-cp", str(JAR), "org.HdrHistogram.HistogramLogProcessor", "-i", str(log)]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def a_log(path: Path) -> FastHistogram:
    """Three intervals of two tags; the sum of the first tag."""
    chance = random.Random(5)
    total = FastHistogram()
    with HistogramLog(path, start_wall_s=1_763_627_580.0, comments=["a test"]) as log:
        for n in range(3):
            histograms = []
            for tag in ("Authorize.response", "Heartbeat.service"):
                histogram = FastHistogram()
                histogram.set_tag(tag)
                histogram.set_start_time_stamp((1_763_627_580 + 5 * n) * 1000)
                histogram.set_end_time_stamp((1_763_627_585 + 5 * n) * 1000)
                for _ in range(400):
                    histogram.record_value(int(chance.lognormvariate(9, 1.5)))
                histograms.append(histogram)
            total.add(histograms[0])
            log.write(histograms)
    return total


def test_java_finds_the_tags(tmp_path: Path) -> None:
    a_log(tmp_path / "run.hlog")
    listed = processor(tmp_path / "run.hlog", "-listtags")
    assert {"Authorize.response", "Heartbeat.service"} <= set(listed.split())


def test_java_adds_the_intervals_up_to_the_very_same_histogram(tmp_path: Path) -> None:
    total = a_log(tmp_path / "run.hlog")
    printed = processor(
        tmp_path / "run.hlog",
        *("-tag", "Authorize.response", "-csv", "-outputValueUnitRatio", "1"),
    )
    rows = csv.reader(line for line in printed.splitlines() if line[:1].isdigit())
    found = [(float(row[1]) * 100, float(row[0]), int(row[2])) for row in rows]
    assert len(found) > 20
    assert found[-1][2] == total.total_count == 1200
    counts = list(total.counts)
    for percentile, value_us, below in found:
        # Java prints the upper end of a bucket and how many values lie at or below it.
        index = total.get_counts_array_index(int(value_us))
        assert below == sum(counts[: index + 1]), percentile
