"""`run.hlog` added up: the whole run's histogram of every tag.

Reads what `HistogramLog` writes and what other tools keep of it. A line that is damaged is left
out and counted; a histogram is unpacked within bounds, however it was made. Measured: 0.03 to 0.2
ms for a line, as far as its times spread.
"""

from __future__ import annotations

import binascii
import ctypes
import struct
import zlib
from typing import TYPE_CHECKING, Final

from hdrh.codec import add_array, decode

from simfleet.observe.histogram import LATENCY_DIGITS, FastHistogram
from simfleet.observe.percentiles import SPECTRUM, values_ms

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HLOG_MAX_BYTES: Final = 512 * 2**20
"""Read of a log; what follows is not in the spectrum, and a report says so."""
LINE_MAX_BYTES: Final = 2 * 2**20
TAGS_MAX: Final = 400
_UNPACKED_MAX_BYTES: Final = 2**20
_WORD_BYTES: Final = 8
_OUTER: Final = struct.Struct(">II")
_INNER: Final = struct.Struct(">IIIIQQd")
_COOKIE_V2: Final = 0x1C849303
_COOKIE_V2_PACKED: Final = 0x1C849304


class Damaged(ValueError):
    """A line that is no interval histogram of ours."""


class Spectrum:
    """The percentiles of one tag over a whole run, in milliseconds."""

    __slots__ = ("count", "max_ms", "values_ms")

    def __init__(self, histogram: FastHistogram) -> None:
        self.count: int = histogram.total_count
        self.values_ms = values_ms(histogram, SPECTRUM)
        self.max_ms = histogram.max_value / 1000

    def points(self) -> tuple[list[float], list[float]]:
        """Percentiles and their values, as far as there are enough CALLs to tell them apart."""
        known = [
            (percentile, value)
            for percentile, value in zip(SPECTRUM, self.values_ms, strict=True)
            if percentile <= 90 or self.count * (100 - percentile) >= 100 - 1e-6
        ]
        return [percentile for percentile, _ in known], [value for _, value in known]


def read_spectra(path: Path, missing: list[str]) -> dict[str, Spectrum]:
    """The spectrum of every tag of a log; `missing` gets sentences about what could not be read."""
    totals: dict[str, FastHistogram] = {}
    room = FastHistogram()
    damaged = 0
    left = HLOG_MAX_BYTES
    try:
        with path.open("rb") as file:
            while line := file.readline(LINE_MAX_BYTES):
                left -= len(line)
                if left < 0:
                    missing.append(
                        f"{path.name}: only its first {HLOG_MAX_BYTES >> 20} MiB are shown."
                    )
                    break
                if not line.startswith(b"Tag="):
                    continue
                try:
                    add_line(line, totals, room)
                except (ValueError, IndexError, zlib.error, struct.error, binascii.Error):
                    damaged += 1
    except OSError as error:
        missing.append(f"{path.name} cannot be read: {error.strerror or error}.")
    if damaged:
        missing.append(f"{path.name}: {damaged} damaged lines are left out.")
    return {tag: Spectrum(total) for tag, total in totals.items() if total.total_count}


def add_line(line: bytes, totals: dict[str, FastHistogram], room: FastHistogram) -> None:
    """Add one interval to the histogram of its tag. `room` is a histogram to unpack into."""
    head, _, packed = line.rstrip(b"\r\n").rpartition(b",")
    parts = head.decode("utf-8", "replace").removeprefix("Tag=").rsplit(",", 3)
    if len(parts) != 4:
        raise Damaged("not four columns")
    tag, max_ms = parts[0], float(parts[3])
    counts = _unpack(packed)
    found = decode(counts, _INNER.size, ctypes.addressof(room.counts), room.counts_len, _WORD_BYTES)
    used = found["max_nonzero_index"] + 1
    try:
        total = totals.get(tag)
        if total is None:
            if len(totals) >= TAGS_MAX:
                raise Damaged("too many tags")
            total = totals[tag] = FastHistogram()
        add_array(ctypes.addressof(total.counts), ctypes.addressof(room.counts), used, _WORD_BYTES)
    finally:
        ctypes.memset(room.counts, 0, used * _WORD_BYTES)
    total.total_count += found["total"]
    longest = total.get_highest_equivalent_value(total.get_value_from_index(used - 1))
    total.max_value = max(total.max_value, min(longest, round(max_ms * 1000)))


def _unpack(packed: bytes) -> bytes:
    """The header and the counts of a histogram as it is in a log. Raises Damaged."""
    outer = binascii.a2b_base64(packed)
    cookie, length = _OUTER.unpack_from(outer)
    if cookie & ~0xF0 != _COOKIE_V2_PACKED or length != len(outer) - _OUTER.size:
        raise Damaged("no packed histogram")
    inflate = zlib.decompressobj()
    inner = inflate.decompress(outer[_OUTER.size :], _UNPACKED_MAX_BYTES)
    if not inflate.eof:
        raise Damaged("too large, or cut off")
    cookie, length, offset, digits, lowest, _, _ = _INNER.unpack_from(inner)
    if cookie & ~0xF0 != _COOKIE_V2 or length != len(inner) - _INNER.size:
        raise Damaged("no histogram")
    if offset != 0 or digits != LATENCY_DIGITS or lowest != 1:
        raise Damaged("a histogram of another shape")
    return inner


def of_kind(spectra: Mapping[str, Spectrum], kind: str) -> dict[str, Spectrum]:
    """Those of `response` or `service`, by action."""
    return {tag[: -len(kind) - 1]: one for tag, one in spectra.items() if tag.endswith(f".{kind}")}
