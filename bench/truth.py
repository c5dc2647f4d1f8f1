"""The truth about response times when a CSMS freezes: computed from the schedule, not measured.

Chargers make CALLs on a schedule and keep one outstanding, as OCPP-J demands. While the CSMS is
frozen nothing is answered; at its thaw each charger's overdue CALLs follow one another. The
response time that a driver or an operator would have seen counts from when a CALL was *due*: a CALL
due `x` seconds before the thaw took at least `x` seconds. A tool that counts from when it sent the
CALL (coordinated omission) forgets all but the first of them.

Pure functions; times in seconds on any one clock.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

Schedule = Sequence[float]
"""When the CALLs of one charger are due, ascending."""


class Answered(NamedTuple):
    """One CALL of the truth."""

    due_s: float
    sent_s: float
    done_s: float

    @property
    def response_s(self) -> float:
        """From when it was due."""
        return self.done_s - self.due_s

    @property
    def service_s(self) -> float:
        """From when it was sent: what coordinated omission reports."""
        return self.done_s - self.sent_s


def simulate(
    schedules: Sequence[Schedule],
    *,
    frozen_at_s: float,
    thawed_at_s: float,
    service_s: float = 0.0,
) -> list[Answered]:
    """Every CALL's fate against one server that answers in order of arrival, `service_s` each.

    Between `frozen_at_s` and `thawed_at_s` the server stands still, also in the middle of a CALL.
    Returned in the order of the answers.
    """
    if thawed_at_s < frozen_at_s:
        raise ValueError(f"thawed at {thawed_at_s} before it was frozen at {frozen_at_s}")
    # One entry per charger: when its next CALL is sent, its number, which CALL of its schedule.
    waiting = [(due[0], charger, 0) for charger, due in enumerate(schedules) if due]
    heapq.heapify(waiting)
    answered: list[Answered] = []
    free_s = -math.inf
    while waiting:
        sent_s, charger, index = heapq.heappop(waiting)
        due = schedules[charger]
        begun_s = max(sent_s, free_s)
        if frozen_at_s <= begun_s < thawed_at_s:
            begun_s = thawed_at_s
        done_s = begun_s + service_s
        if begun_s < frozen_at_s < done_s:
            done_s += thawed_at_s - frozen_at_s
        free_s = done_s
        answered.append(Answered(due[index], sent_s, done_s))
        if index + 1 < len(due):
            heapq.heappush(waiting, (max(due[index + 1], done_s), charger, index + 1))
    return answered


def delayed(
    schedules: Sequence[Schedule], delay_s: Callable[[float, int], float]
) -> list[Answered]:
    """Every CALL's fate against a server that answers each CALL by itself, late by what `delay_s`
    says of the moment it was sent and its number on the connection (from 0).

    A charger has one CALL outstanding, so what is due meanwhile waits.
    """
    answered: list[Answered] = []
    for due in schedules:
        free_s = -math.inf
        for number, due_s in enumerate(due):
            sent_s = max(due_s, free_s)
            free_s = sent_s + delay_s(sent_s, number)
            answered.append(Answered(due_s, sent_s, free_s))
    return answered


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


def off_by(measured_ms: float, truth_ms: float) -> float:
    """How far a measured time is from the truth, as a fraction of the truth."""
    return abs(measured_ms - truth_ms) / truth_ms


def worst_step_s(schedule: Schedule, *, interval_s: float) -> float:
    """The largest deviation of two neighbouring due times from one interval."""
    steps = (after - before for before, after in pairwise(schedule))
    return max((abs(step - interval_s) for step in steps), default=0.0)
