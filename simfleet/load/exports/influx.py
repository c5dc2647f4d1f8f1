"""Readings in the line protocol of InfluxDB, for its `/api/v2/write` (or `/write` of version 1).

One measurement per family; counters and gauges have the field `value`, histograms the fields
`count`, `sum` and one per bucket, cumulative, named by its upper end as Prometheus names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.load.exports.buckets import BOUNDS_S, Bucketed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simfleet.load.exports.feed import Reading

CONTENT_TYPE = "text/plain; charset=utf-8"


def lines_of(reading: Reading) -> bytes:
    """All figures of a reading, stamped with its time in nanoseconds."""
    stamp = int(reading.at_wall_s * 1000) * 1_000_000
    return "".join(f"{head} {fields} {stamp}\n" for head, fields in _points(reading)).encode()


def _points(reading: Reading) -> Iterator[tuple[str, str]]:
    run = next(
        labels
        for family in reading.families
        if family.name.endswith("_info")
        for labels, _ in family.samples
    )
    common = [(name, value) for name, value in run if name == "scenario"]
    for family in reading.families:
        for labels, value in family.samples:
            tags = sorted({**dict(labels), **dict(common)}.items())
            head = _escaped(family.name, ", ") + "".join(
                f",{_escaped(name, ',= ')}={_escaped(text, ',= ')}" for name, text in tags if text
            )
            yield head, _fields(value)


def _fields(value: float | Bucketed) -> str:
    if not isinstance(value, Bucketed):
        return f"value={value:.15g}"
    total, fields = 0, []
    for bound, count in zip(BOUNDS_S, value.counts, strict=False):
        total += count
        fields.append(f"{bound:g}={total}i")
    return ",".join((*fields, f"count={value.count}i", f"sum={value.sum_s:.15g}"))


def _escaped(text: str, special: str) -> str:
    """Line breaks cannot be escaped in tags: they become blanks. A backslash at the end would
    escape what follows.
    """
    text = " ".join(text.splitlines()) if "\n" in text or "\r" in text else text
    text = text.removesuffix("\\")
    return "".join(f"\\{char}" if char in special else char for char in text)
