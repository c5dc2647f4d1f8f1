"""`run.hlog`: the interval histograms of a run, in the log format of HdrHistogram.

Text, one line per interval and tag, readable by the HistogramLogReader of Java, Python, C, Go and
by HistogramLogAnalyzer; format 1.3, see HistogramLogWriter of the Java library. Ours by hand,
because the Python library's writer knows no tags and fails on the start time.

::

    #[StartTime: 1763627580.000 (seconds since epoch), 2025-11-20T08:33:00.000Z]
    #[BaseTime: 1763627580.000 (seconds since epoch)]
    Tag=Authorize.response,0.000,1.000,12.351,HISTFAAAA...

The columns: tag (``Action.response`` from when the CALL was due, ``Action.service`` from when it
was sent), start in seconds after BaseTime, length in seconds, the interval's maximum in
*milliseconds*, and the histogram itself, whose values are *microseconds*. Histograms of one tag add
up exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self, TextIO

from simfleet.clock import iso

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from simfleet.observe.histogram import FastHistogram

__all__ = ["HistogramLog"]

HLOG_FORMAT: Final = "1.3"
US_PER_MS: Final = 1000.0


class HistogramLog:
    """Writes one .hlog file; a context manager. Blocking: encoding takes 0.4 ms per histogram.

    Call `write` from a worker thread when the event loop is under load; one thread at a time. Each
    `write` ends with a flush, so a run that is killed leaves a readable log. Raises OSError where
    the file system does, on opening too.
    """

    def __init__(self, path: Path, *, start_wall_s: float, comments: Iterable[str] = ()) -> None:
        # Milliseconds, as in the file: readers drop intervals that begin before StartTime, even by
        # a rounding error.
        self._start_ms = int(start_wall_s * 1000)
        self._file: TextIO = path.open("w", encoding="utf-8", newline="\n")
        try:
            self._write_header(comments)
        except BaseException:
            self._file.close()
            raise

    def _write_header(self, comments: Iterable[str]) -> None:
        start = f"{self._start_ms / 1000:.3f}"
        lines = [
            "#[Logged with SimFleet; values are microseconds, Interval_Max is milliseconds]",
            *(f"#[{' '.join(comment.split())}]" for comment in comments),
            f"#[Histogram log format version {HLOG_FORMAT}]",
            f"#[StartTime: {start} (seconds since epoch), {iso(self._start_ms / 1000)}]",
            f"#[BaseTime: {start} (seconds since epoch)]",
            '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
        ]
        self._file.write("\n".join(lines) + "\n")
        self._file.flush()

    def write(self, intervals: Iterable[FastHistogram]) -> None:
        """Append intervals as `Latencies.take_interval` returned them.

        Raises ValueError, before writing that line, for a tag that the format cannot hold or an
        interval that began before the log did.
        """
        for interval in intervals:
            tag = interval.get_tag()
            if not tag or not tag.isprintable() or "," in tag or " " in tag:
                raise ValueError(f"{tag!r} is no tag; commas, spaces and line breaks are forbidden")
            start_ms = round(interval.get_start_time_stamp()) - self._start_ms
            length_ms = round(interval.get_end_time_stamp() - interval.get_start_time_stamp())
            if start_ms < 0 or length_ms < 0:
                raise ValueError(
                    f"interval {tag} begins {start_ms} ms from the start of the log "
                    f"and lasts {length_ms} ms, both must be 0 or more"
                )
            self._file.write(
                f"Tag={tag},{start_ms / 1000:.3f},{length_ms / 1000:.3f},"
                f"{interval.max_value / US_PER_MS:.3f},{interval.encode().decode('ascii')}\n"
            )
        self._file.flush()

    def close(self) -> None:
        """Close the file; again is harmless."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()
