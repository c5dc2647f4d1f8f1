"""The truth about response times: from when CALLs were due and when their answers were written.

Nothing here comes from the generator's own measuring. The CSMS's side writes down, of each CALL,
when its frame came and when its answer was handed to the kernel; both processes read the same
monotonic clock. When a CALL was *due* follows from the frames: a charger that makes a CALL every
`interval_s` has a schedule of one unknown, its phase, and no CALL is sent before it is due, so the
earliest of many frames, counted back by whole intervals, came at the phase plus the shortest way
there. How long that way is at least, a bare client measures (`bench.probe`). What remains unknown
is the least that the generator itself ever takes from the due time to the first byte: the truth is
short by that, a fraction of a millisecond, and is never made to fit what the generator says.

When a CALL is *done* is known between two readings of the clock, before and after its answer was
handed to the kernel: on a loopback it is at the reader's socket by then. Figures are compared with
that range.

Pure functions; times in seconds on any one clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Logged(NamedTuple):
    """One CALL as the CSMS's side saw it."""

    received_s: float
    """When its frame was read."""
    writing_s: float
    """Just before its answer was handed to the kernel."""
    written_s: float
    """Just after."""


class Answered(NamedTuple):
    """One CALL of the truth."""

    due_s: float
    sent_s: float
    """When it could be sent at the earliest: when it was due, or when the one before was done."""
    done_s: float

    @property
    def response_s(self) -> float:
        """From when it was due."""
        return self.done_s - self.due_s

    @property
    def service_s(self) -> float:
        """From when it was sent: what coordinated omission reports."""
        return self.done_s - self.sent_s


def first_due_s(received_s: Sequence[float], *, interval_s: float, way_s: float) -> float:
    """When the first CALL of one charger was due, from when the frames of all its CALLs came.

    `way_s` is how long a frame is on its way at least. Late by what the generator itself took at
    least from then to the first byte.
    """
    return min(at_s - number * interval_s for number, at_s in enumerate(received_s)) - way_s


def answered(
    logs: Iterable[Sequence[Logged]], *, interval_s: float, way_s: float, last: bool
) -> list[Answered]:
    """Every CALL of some chargers, each of whose CALLs are in order. `last`: done when its answer
    was surely handed to the kernel, else at the first moment when it may have been.
    """
    calls: list[Answered] = []
    for log in logs:
        first_s = first_due_s([one.received_s for one in log], interval_s=interval_s, way_s=way_s)
        free_s = -math.inf
        for number, one in enumerate(log):
            due_s = first_s + number * interval_s
            done_s = one.written_s if last else one.writing_s
            calls.append(Answered(due_s, max(due_s, free_s), done_s))
            free_s = done_s
    return calls


class Spread(NamedTuple):
    """The figures that are compared, in milliseconds."""

    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p99_9: float
    max: float


def spread_ms(times_s: Sequence[float]) -> Spread:
    """Mean and percentiles (nearest rank) of some times."""
    if not times_s:
        raise ValueError("no times")
    ordered = sorted(time_s * 1000 for time_s in times_s)

    def percentile(quantile: float) -> float:
        return ordered[max(0, math.ceil(quantile / 100 * len(ordered)) - 1)]

    return Spread(
        mean=math.fsum(ordered) / len(ordered),
        p50=percentile(50),
        p90=percentile(90),
        p95=percentile(95),
        p99=percentile(99),
        p99_9=percentile(99.9),
        max=ordered[-1],
    )


class Truth(NamedTuple):
    """What the response times were, and what would be said of them."""

    at_least: Spread
    at_most: Spread
    naive: Spread
    """Service times: coordinated omission."""
    count: int

    def off_ms(self, figure: str, measured_ms: float) -> float:
        """How far a measured figure is outside what it may have been; 0 inside."""
        low_ms, high_ms = getattr(self.at_least, figure), getattr(self.at_most, figure)
        return max(low_ms - measured_ms, measured_ms - high_ms, 0.0)


def truth(logs: Mapping[str, Sequence[Logged]], *, interval_s: float, way_s: float) -> Truth:
    """The truth about all chargers, by their names."""
    first = answered(logs.values(), interval_s=interval_s, way_s=way_s, last=False)
    last = answered(logs.values(), interval_s=interval_s, way_s=way_s, last=True)
    return Truth(
        at_least=spread_ms([one.response_s for one in first]),
        at_most=spread_ms([one.response_s for one in last]),
        naive=spread_ms([one.service_s for one in last]),
        count=len(last),
    )
