"""A run to compare: its summary, its manifest, and its figures interval by interval."""

from __future__ import annotations

import binascii
import struct
import zlib
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

from simfleet.errors import UsageWrong
from simfleet.load.results.report.reading import RunFiles, read_folder
from simfleet.load.results.report.spectra import LINE_MAX_BYTES, add_line
from simfleet.observe.histogram import FastHistogram
from simfleet.observe.percentiles import values_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ALL: Final = ""
"""Instead of an action: all of them."""
STATISTICS: Final = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99_9": 99.9}
INTERVALS_MAX: Final = 20_000
_BASE: Final = b"#[BaseTime: "
COUNT_MIN: Final = 20
"""CALLs of an interval that is worth a percentile."""


BETWEEN: Final = -1
"""The place of an interval that is of no stage."""
Series: TypeAlias = dict[tuple[str, str], dict[int, list[float]]]


class ComparedRun(Struct, frozen=True):
    """One of the two. `series` are percentiles in ms, one per interval, by (action, statistic) and
    by the place of their stage among those of the run.
    """

    path: Path
    files: RunFiles
    series: Series
    log: IntervalLog

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
    log = IntervalLog(path / "run.hlog", files)
    return ComparedRun(path, files, _series(log), log)


class IntervalLog:
    """The intervals of `run.hlog`, and the stages in which they were."""

    def __init__(self, path: Path, files: RunFiles) -> None:
        self._path = path
        self._stages = [
            (began_s, ended_s)
            for one in files.summary.blocks("stages")
            if (began_s := one.number("began_s")) is not None
            and (ended_s := one.number("ended_s")) is not None
        ]
        self._began_wall_s = _began_wall_s(files)

    def intervals(self, tag: str = "") -> Iterator[tuple[int, dict[str, FastHistogram]]]:
        """Each interval: the place of its stage, and its response times by tag, or those of one
        tag. What cannot be read is left out; the report says how much.
        """
        room = FastHistogram()
        taken: dict[str, FastHistogram] = {}
        interval: tuple[bytes, bytes] | None = None
        place, base_s, intervals = BETWEEN, 0.0, 0
        with suppress(OSError), self._path.open("rb") as file:
            while (line := file.readline(LINE_MAX_BYTES)) and intervals < INTERVALS_MAX:
                if line.startswith(_BASE):
                    base_s = _number(line.removeprefix(_BASE).split(b" ", 1)[0])
                if not line.startswith(b"Tag="):
                    continue
                name, began, lasted = [*line.split(b",", 3), b"", b""][:3]
                if not name.endswith(f"{tag}.response".encode()):
                    continue
                if (began, lasted) != interval:
                    if taken:
                        yield place, taken
                    taken, interval = {}, (began, lasted)
                    place = self._place(base_s + _number(began), _number(lasted))
                    intervals += 1
                with suppress(ValueError, IndexError, zlib.error, struct.error, binascii.Error):
                    add_line(line, taken, room)
        if taken:
            yield place, taken

    def _place(self, began_wall_s: float, lasted_s: float) -> int:
        """The stage in which the middle of an interval was; its beginning may be a little before
        the stage's. 0 where nothing tells.
        """
        if self._began_wall_s is None:
            return 0
        middle_s = began_wall_s + lasted_s / 2 - self._began_wall_s
        for place, (began_s, ended_s) in enumerate(self._stages):
            if began_s <= middle_s <= ended_s:
                return place
        return BETWEEN

    def response_ms(self, place: int, action: str, statistic: str) -> float | None:
        """The percentile, or `max`, of the response times of one stage; None without any."""
        whole = FastHistogram()
        for its_place, taken in self.intervals(f"Tag={action}" if action else ""):
            if its_place == place:
                for histogram in taken.values():
                    whole.add(histogram)
        if not whole.total_count:
            return None
        if statistic in STATISTICS:
            return float(values_ms(whole, [STATISTICS[statistic]])[0])
        return float(whole.max_value) / 1000


def _began_wall_s(files: RunFiles) -> float | None:
    """When the load began, by the clock of the run."""
    t_s, at = files.timeline.column("t_s"), files.timeline.texts.get("at", ())
    if not t_s or not at:
        return None
    try:
        return datetime.fromisoformat(at[0]).timestamp() - t_s[0]
    except (ValueError, OverflowError):
        return None


def _number(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _series(log: IntervalLog) -> Series:
    """Percentiles of response times, interval by interval."""
    found: Series = {}
    for place, taken in log.intervals():
        everything = FastHistogram()
        for tag, histogram in taken.items():
            everything.add(histogram)
            _note(tag.removesuffix(".response"), place, histogram, found)
        _note(ALL, place, everything, found)
    return found


def _note(action: str, place: int, histogram: FastHistogram, found: Series) -> None:
    if place == BETWEEN or histogram.total_count < COUNT_MIN:
        return
    values: Sequence[float] = values_ms(histogram, list(STATISTICS.values()))
    for statistic, value in zip(STATISTICS, values, strict=True):
        found.setdefault((action, statistic), {}).setdefault(place, []).append(value)
