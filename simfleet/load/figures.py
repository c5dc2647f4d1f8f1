"""What a metric is, and how figures are read from the content of a `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

Figures: TypeAlias = Mapping[str, Any]
Reader: TypeAlias = Callable[[Figures], float | None]
MetricKind: TypeAlias = Literal["ratio", "duration", "count", "rate", "energy", "number"]


class Metric(msgspec.Struct, frozen=True):
    """One figure. `read` gives it in the unit of its kind, None where the run has nothing to say.

    ratio: 0 to 1; duration: seconds; count: a number of things; rate: per second; energy: kWh;
    number: whatever the search varies.
    For a metric of CALLs or of commands `read` gets the block of the action (or of all actions),
    else the whole summary.
    """

    name: str
    kind: MetricKind
    means: str
    source: str
    read: Reader
    of_calls: bool = False
    of_commands: bool = False
    of_stage: bool = False
    """Whether it can be asked of one stage, as well."""
    of_slice: bool = False
    """Whether it can be asked of one slice, as well."""


def figure(figures: Figures, *steps: str) -> float | None:
    """The number at a path of keys; None where there is none, or it is not finite."""
    here: Any = figures
    for step in steps:
        if not isinstance(here, Mapping) or step not in here:
            return None
        here = here[step]
    is_number = isinstance(here, int | float) and not isinstance(here, bool) and math.isfinite(here)
    return float(here) if is_number else None


def ratio(part: float | None, whole: float | None) -> float | None:
    """A part of a whole; None where there is no whole."""
    return part / whole if part is not None and whole else None


def seconds(milliseconds: float | None) -> float | None:
    """Milliseconds, as summaries have them, in seconds."""
    return None if milliseconds is None else milliseconds / 1000


def total_of(counts: object) -> float | None:
    """All counts of a table of counts together."""
    return float(sum(counts.values())) if isinstance(counts, Mapping) else None


STATISTICS: Final = {
    "mean": "mean of",
    "p50": "median of",
    "p90": "90th percentile of",
    "p95": "95th percentile of",
    "p99": "99th percentile of",
    "p99_9": "99.9th percentile of",
    "max": "longest",
}
"""The statistics of a block of times, and how to say them before what was timed."""
