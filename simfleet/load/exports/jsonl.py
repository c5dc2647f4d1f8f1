"""Readings as JSON, one line a second, for scripts that follow a run: `tail -f`, `jq`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import msgspec
import trio

from simfleet.clock import iso
from simfleet.errors import UsageWrong
from simfleet.load.exports.buckets import BOUNDS_S, Bucketed

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.load.exports.feed import Reading

SIZE_MAX_BYTES: Final = 1024 * 1024 * 1024
"""Then no more lines are written; about a week of seconds."""


class JsonLines:
    """Appends to a file, or writes to a pipe or device that is there already."""

    name = "jsonl"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._made = False
        """Whether the file was not there before."""
        self._lines = self._bytes = self._passed_over = 0
        self._last_error: str | None = None

    def offer(self, reading: Reading) -> None:
        """See `Exporter`. Written at once: a line is small, and a script may be waiting for it."""
        if self._file is None or self._bytes >= SIZE_MAX_BYTES:
            self._passed_over += 1
            return
        line = msgspec.json.encode(_line(reading)) + b"\n"
        try:
            self._file.write(line)
        except OSError as error:
            self._last_error = f"cannot write {self._path}: {error.strerror or error}"
            self._passed_over += 1
            self.close()
        else:
            self._lines += 1
            self._bytes += len(line)

    def open(self) -> None:
        """See `Exporter`."""
        self._made = not self._path.exists()
        try:
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise UsageWrong(
                f"--jsonl: cannot write to {self._path}: {error.strerror or error}"
            ) from None

    def close(self) -> None:
        """See `Exporter`. A run that was refused leaves no empty file."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                file.close()
                if self._made and not self._bytes:
                    self._path.unlink()

    async def run(
        self,
        *,
        speed: float = 1.0,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Exporter`."""
        task_status.started()

    def figures(self) -> dict[str, Any]:
        """See `Exporter`."""
        return {
            "lines": self._lines,
            "passed_over": self._passed_over,
            "last_error": self._last_error,
        }


def _line(reading: Reading) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for family in reading.families:
        for labels, value in family.samples:
            key = ",".join(f"{name}={text}" for name, text in labels)
            shown = _buckets(value) if isinstance(value, Bucketed) else value
            if labels:
                figures.setdefault(family.name, {})[key] = shown
            else:
                figures[family.name] = shown
    return {
        "at": iso(reading.at_wall_s),
        "progress": msgspec.to_builtins(reading.progress),
        "figures": figures,
    }


def _buckets(value: Bucketed) -> dict[str, Any]:
    bounds = [f"{bound:g}" for bound in BOUNDS_S]
    return {
        "count": value.count,
        "sum": value.sum_s,
        "buckets": dict(zip([*bounds, "inf"], value.counts, strict=True)),
    }
