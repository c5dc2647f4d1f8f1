"""The truth about response times: from when CALLs were due and when their answers were written.

Nothing here comes from the generator's own measuring. The CSMS's side writes down, of each CALL,
when its frame came and when its answer was handed to the kernel; both processes read the same
monotonic clock. When CALLs were *due* follows from the frames and from how schedules are made, in
which only a phase is unknown: a charger makes a CALL every `interval_s`, chargers' timers have
steps of `step_s` on one clock, and no CALL is sent before it is due. So the earliest of a charger's
frames, counted back by whole intervals, says which step is its own, and the earliest of all frames,
counted back by whole steps, where the steps are; less the shortest way of a frame, which a bare
client measures (`bench.probe`). What remains unknown is the least that the generator takes from a
due time to the first byte: true response times are too short by that, a fraction of a millisecond,
which stands against the generator.

When a CALL is *done* is known between two readings of the clock, before and after its answer was
handed to the kernel: on a loopback it is at the reader's socket by then. Figures are compared with
that range.

Pure functions; times in seconds on any one clock.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GAP_MIN = 0.2
"""Of a step: how much of it must be free of frames, so that one sees where steps begin."""


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


def first_dues_s(
    frames: Mapping[str, Sequence[float]], *, interval_s: float, step_s: float, way_s: float
) -> dict[str, float]:
    """When the first CALL of each charger was due, from when the frames of all its CALLs came.

    `way_s` is how long a frame is on its way at least.
    """
    by_then_s = {
        charger: min(at_s - number * interval_s for number, at_s in enumerate(times)) - way_s
        for charger, times in frames.items()
    }
    offsets = sorted(at_s % step_s for at_s in by_then_s.values())
    # On the circle of one step, they begin where the widest gap ends.
    gaps = [after - before for before, after in pairwise([offsets[-1] - step_s, *offsets])]
    if max(gaps) < step_s * GAP_MIN:
        return by_then_s  # frames came at any time: there is no saying where the steps are
    origin_s = offsets[gaps.index(max(gaps))] - 1e-7  # for the noise of floats
    return {charger: at_s - (at_s - origin_s) % step_s for charger, at_s in by_then_s.items()}


def answered(
    logs: Mapping[str, Sequence[Logged]],
    first_s: Mapping[str, float],
    *,
    interval_s: float,
    last: bool,
) -> list[Answered]:
    """Every CALL of some chargers, each of whose CALLs are in order, the first due at `first_s`.

    `last`: done when its answer was surely handed to the kernel, else when it was perhaps.
    """
    calls: list[Answered] = []
    for charger, log in logs.items():
        free_s = -math.inf
        for number, one in enumerate(log):
            due_s = first_s[charger] + number * interval_s
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
    calls: int
    first_due_s: dict[str, float]
    """Of each charger."""

    responses_s: list[float]
    """Of all CALLs, at most."""

    def off_ms(self, figure: str, measured_ms: float) -> float:
        """How far a measured figure is above what it may have been, below it (negative), or 0."""
        low_ms: float = getattr(self.at_least, figure)
        high_ms: float = getattr(self.at_most, figure)
        return max(measured_ms - high_ms, 0.0) + min(measured_ms - low_ms, 0.0)

    def read_late(self, delays_s: Sequence[float]) -> Spread:
        """What would be measured by somebody who is told of each answer late, by one of these
        delays, whichever: figures of all sums of a time and a delay.
        """
        return spread_ms([time_s + by_s for time_s in self.responses_s for by_s in delays_s])


def truth(
    logs: Mapping[str, Sequence[Logged]], *, interval_s: float, step_s: float, way_s: float
) -> Truth:
    """The truth about all chargers, by their names."""
    frames = {charger: [one.received_s for one in log] for charger, log in logs.items()}
    first_s = first_dues_s(frames, interval_s=interval_s, step_s=step_s, way_s=way_s)
    begun = answered(logs, first_s, interval_s=interval_s, last=False)
    ended = answered(logs, first_s, interval_s=interval_s, last=True)
    responses_s = [one.response_s for one in ended]
    return Truth(
        at_least=spread_ms([one.response_s for one in begun]),
        at_most=spread_ms(responses_s),
        naive=spread_ms([one.service_s for one in ended]),
        calls=len(ended),
        first_due_s=first_s,
        responses_s=responses_s,
    )
