"""A run to compare: its summary, its manifest, and its figures interval by interval."""

from __future__ import annotations

import binascii
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from simfleet.errors import UsageWrong
from simfleet.load.results.report.reading import RunFiles, read_folder
from simfleet.load.results.report.spectra import LINE_MAX_BYTES, add_line
from simfleet.observe.latency import FastHistogram
from simfleet.observe.percentiles import values_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL: Final = ""
"""Instead of an action: all of them."""
STATISTICS: Final = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9}
INTERVALS_MAX: Final = 20_000
COUNT_MIN: Final = 20
"""CALLs of an interval that is worth a percentile."""


class ComparedRun(Struct, frozen=True):
    """One of the two. `series` are percentiles in ms, one per interval, by (action, statistic)."""

    path: Path
    files: RunFiles
    series: dict[tuple[str, str], list[float]]

    @property
    def summary(self) -> dict[str, Any]:
        """The content of `summary.json`."""
        return self.files.summary.content

    @property
    def scenario(self) -> dict[str, Any]:
        """What was run, as the manifest has it; empty if that is lost."""
        return self.files.manifest.block("scenario").content


def read_run(path: Path) -> ComparedRun:
    """Read a run folder. Raises UsageWrong where there is no summary to compare."""
    if not path.is_dir():
        raise UsageWrong(f"{path} is no run folder; name one, such as runs/smoke-20261120-091447")
    files = read_folder(path)
    if not isinstance(files.summary.value("verdict", "result"), str):
        why = " ".join(files.missing) or "summary.json has no verdict"
        raise UsageWrong(f"{path} cannot be compared: {why}")
    return ComparedRun(path, files, _series(path / "run.hlog"))


def _series(path: Path) -> dict[tuple[str, str], list[float]]:
    """Percentiles of response times, interval by interval; whatever cannot be read is left out."""
    found: dict[tuple[str, str], list[float]] = {}
    room = FastHistogram()
    taken: dict[str, FastHistogram] = {}
    interval: tuple[bytes, bytes] | None = None
    intervals = 0
    try:
        with path.open("rb") as file:
            while (line := file.readline(LINE_MAX_BYTES)) and intervals < INTERVALS_MAX:
                if not line.startswith(b"Tag="):
                    continue
                tag, began, lasted, *_ = line.split(b",", 3)
                if not tag.endswith(b".response"):
                    continue
                if (began, lasted) != interval:
                    _close(taken, found)
                    taken, interval = {}, (began, lasted)
                    intervals += 1
                try:
                    add_line(line, taken, room)
                except (ValueError, IndexError, zlib.error, struct.error, binascii.Error):
                    continue  # the report says how many
    except (OSError, ValueError):
        pass
    _close(taken, found)
    return found


def _close(taken: dict[str, FastHistogram], found: dict[tuple[str, str], list[float]]) -> None:
    if not taken:
        return
    everything = FastHistogram()
    for tag, histogram in taken.items():
        everything.add(histogram)
        _note(tag.removesuffix(".response"), histogram, found)
    _note(ALL, everything, found)


def _note(action: str, histogram: FastHistogram, found: dict[tuple[str, str], list[float]]) -> None:
    if histogram.total_count < COUNT_MIN:
        return
    values: Sequence[float] = values_ms(histogram, list(STATISTICS.values()))
    for statistic, value in zip(STATISTICS, values, strict=True):
        found.setdefault((action, statistic), []).append(value)
