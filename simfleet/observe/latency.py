"""How long CALLs took: two histograms (`histogram.py`) per action, in microseconds.

Two times are kept of every finished CALL:

- **response time** = done - due: from when the CALL was *due*, so time spent waiting behind an
  earlier CALL of the same charger counts. This is what a driver at the charger waits for, and the
  only honest figure when the CSMS stalls (the other one suffers from coordinated omission).
- **service time** = done - sent: from when the frame was written; what CSMS and network took.

What counts as finished, decided once and for every figure:

- A CALLRESULT and a CALLERROR are answers; both are recorded with their time.
- A CALL that timed out is recorded with the time until we gave up. Left out, percentiles would look
  *better* because the slowest CALLs were dropped. The true time was longer, so figures at or above
  the timeout are lower bounds.
- `count` = CALLRESULTs + CALLERRORs + timeouts. `errors` and `timeouts` are also counted apart.
- A CALL cut off because its connection closed has no time at all: it is only counted, as `lost`,
  and is not in `count`.

Memory: 184 KiB per histogram, four per action in use (two kinds, running
interval and finished intervals): at most 736 KiB per action, once per event loop and never per
charger; memory is touched only as far as the longest time reaches. Nothing is allocated for an
action before its first CALL.

A fleet of several slices is divided into parts, one for each, in which every CALL is recorded once;
the whole is their sum. Beyond `DETAILED_PARTS_MAX` parts, actions are kept for the whole only, and
a part knows all its actions together: 16 parts of 12 actions are 138 MiB at most, 100 parts without
actions 72 MiB.

Measured on a 2-core machine (CPython 3.11): 0.9 us to record both times, 0.6 ms for one summary, so
a `snapshot` of 12 actions holds the loop up for 15 ms: for the end of a run. A tick asks for
`totals` (1.2 ms) or for the action it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from simfleet.observe.histogram import (
    LATENCY_MAX_US,
    FastHistogram,
    TaggedHistograms,
    summary_ms,
)
from simfleet.observe.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DETAILED_PARTS_MAX", "Intervals", "Latencies"]

DETAILED_PARTS_MAX: Final = 16
"""Parts that keep their actions apart; if there are more, none does."""
ALL_ACTIONS: Final = ""
"""The one action of a part that keeps no actions apart."""

Kind = Literal["response", "service"]


class _ActionLatency:
    """One action: the running interval and the sum of the finished ones, for both times."""

    __slots__ = (
        "errors",
        "lost",
        "past_response",
        "past_service",
        "response",
        "service",
        "timeouts",
    )

    def __init__(self) -> None:
        self.response = FastHistogram()
        self.service = FastHistogram()
        self.past_response = FastHistogram()
        self.past_service = FastHistogram()
        self.errors = Tally()
        self.timeouts = 0
        self.lost = 0

    @property
    def count(self) -> int:
        return self.past_response.total_count + self.response.total_count

    def add_to(self, histogram: FastHistogram, kind: Kind) -> None:
        if kind == "response":
            histogram.add(self.past_response)
            histogram.add(self.response)
        else:
            histogram.add(self.past_service)
            histogram.add(self.service)


class Intervals(Struct, frozen=True):
    """One interval of everything: the histograms of the whole, and of each part, if there are any.

    Those of a part without actions of its own are tagged ``.response`` and ``.service``.
    """

    whole: list[FastHistogram]
    parts: Mapping[str, list[FastHistogram]]


class Latencies:
    """Response and service times, errors and timeouts of our CALLs, by action.

    One per event loop. `record` and its siblings are called once for each CALL, by the charger that
    made it, with monotonic seconds; the rest is for the run's ticks and summary. Wherever an
    `action` is None, all actions together are meant. What is recorded in a part (`divide`) is in
    the whole as well.
    """

    __slots__ = ("_adds_up", "_of", "_us_per_s", "clipped", "parts")

    def __init__(self, *, speed: float = 1.0) -> None:
        """`speed` is how many seconds of the clock of these times pass in a real one; what is kept
        is in real time.
        """
        self._us_per_s = 1e6 / speed
        self._of: dict[str, _ActionLatency] = {}
        self.parts: dict[str, Latencies] = {}
        """By name. Empty where the whole is not divided."""
        self._adds_up = True
        """Whether the whole is what was recorded here and in the parts, together."""
        self.clipped = 0
        """Times out of range: negative (recorded as 0) or over an hour (recorded as one hour)."""

    def divide(self, names: Iterable[str]) -> Mapping[str, Latencies]:
        """Make a part for each name, to record in. Once, before anything is recorded."""
        names = list(names)
        self._adds_up = len(names) <= DETAILED_PARTS_MAX
        speed = 1e6 / self._us_per_s
        self.parts = {
            name: Latencies(speed=speed) if self._adds_up else _Coarse(self) for name in names
        }
        return self.parts

    # Called for every CALL: keep it short. Positional on purpose.

    def record(self, action: str, due_s: float, sent_s: float, done_s: float) -> None:
        """Record a CALL of `action` that was answered with a CALLRESULT at `done_s`."""
        try:
            of = self._of[action]
        except KeyError:
            of = self._open(action)
        us_per_s = self._us_per_s
        response_us = int((done_s - due_s) * us_per_s + 0.5)
        service_us = int((done_s - sent_s) * us_per_s + 0.5)
        # One chained comparison for both ends of both times: due <= sent <= done, as it should be.
        if not 0 <= service_us <= response_us <= LATENCY_MAX_US:
            response_us, service_us = self._clip(response_us), self._clip(service_us)
        of.response.record_value(response_us)
        of.service.record_value(service_us)

    def record_error(
        self, action: str, code: str, due_s: float, sent_s: float, done_s: float
    ) -> None:
        """Record a CALL that was answered with a CALLERROR `code`."""
        self.record(action, due_s, sent_s, done_s)
        self._of[action].errors.add(code)

    def record_timeout(self, action: str, due_s: float, sent_s: float, done_s: float) -> None:
        """Record a CALL that we gave up at `done_s`, unanswered."""
        self.record(action, due_s, sent_s, done_s)
        self._of[action].timeouts += 1

    def record_lost(self, action: str) -> None:
        """Count a CALL that was cut off by the end of its connection: neither answer nor time."""
        of = self._of.get(action) or self._open(action)
        of.lost += 1

    def _open(self, action: str) -> _ActionLatency:
        return self._of.setdefault(action, _ActionLatency())

    def _clip(self, took_us: int) -> int:
        if 0 <= took_us <= LATENCY_MAX_US:
            return took_us
        self.clipped += 1
        return 0 if took_us < 0 else LATENCY_MAX_US

    # Read by ticks and summaries.

    @property
    def in_interval(self) -> bool:
        """Whether the running interval has any CALL."""
        running = any(of.response.total_count for of in self._of.values())
        return running or any(part.in_interval for part in self.parts.values())

    @property
    def actions(self) -> list[str]:
        """The actions seen so far, in alphabetical order."""
        if not self.parts or not self._adds_up:
            return sorted(self._of)
        return sorted(set(self._of).union(*(part._of for part in self.parts.values())))

    def _chosen(self, action: str | None) -> list[_ActionLatency]:
        if action is None:
            chosen = list(self._of.values())
        else:
            of = self._of.get(action)
            chosen = [] if of is None else [of]
        if self.parts and self._adds_up:
            for part in self.parts.values():
                chosen += part._chosen(action)
        return chosen

    def count(self, action: str | None = None) -> int:
        """Return the number of finished CALLs, see the top of this module."""
        return sum(of.count for of in self._chosen(action))

    def timeouts(self, action: str | None = None) -> int:
        """Return the number of CALLs that we gave up unanswered."""
        return sum(of.timeouts for of in self._chosen(action))

    def lost(self, action: str | None = None) -> int:
        """Return the number of CALLs cut off by the end of their connection."""
        return sum(of.lost for of in self._chosen(action))

    def errors(self, action: str | None = None) -> dict[str, int]:
        """Return the number of CALLERRORs by code."""
        merged: dict[str, int] = {}
        for of in self._chosen(action):
            for code, n in of.errors.items():
                merged[code] = merged.get(code, 0) + n
        return dict(sorted(merged.items()))

    def error_ratio(self, action: str | None = None) -> float:
        """Return (CALLERRORs + timeouts) / count, 0.0 if there was no CALL."""
        count = self.count(action)
        if not count:
            return 0.0
        return (sum(self.errors(action).values()) + self.timeouts(action)) / count

    def histogram(self, action: str | None = None, kind: Kind = "response") -> FastHistogram:
        """Return a copy of everything recorded since the start, intervals taken or not."""
        histogram = FastHistogram()
        for of in self._chosen(action):
            of.add_to(histogram, kind)
        return histogram

    def summary_ms(self, action: str | None = None, kind: Kind = "response") -> dict[str, float]:
        """Return mean, p50, p90, p95, p99, p99_9 and max in milliseconds."""
        return summary_ms(self.histogram(action, kind))

    def summary(self, action: str | None = None) -> dict[str, Any]:
        """Return one entry of `summary.json` `calls`: count, errors, timeouts, lost and times."""
        return {
            "count": self.count(action),
            "errors": self.errors(action),
            "timeouts": self.timeouts(action),
            "lost": self.lost(action),
            "response_ms": self.summary_ms(action, "response"),
            "service_ms": self.summary_ms(action, "service"),
        }

    @property
    def totals(self) -> dict[str, Any]:
        """The `summary` of all actions merged."""
        return self.summary()

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return the `summary` of every action, in alphabetical order."""
        return {action: self.summary(action) for action in self.actions}

    def take_interval(self, start_wall_s: float, end_wall_s: float) -> list[FastHistogram]:
        """End the running interval: return its histograms and begin the next one.

        Those with values only, tagged ``Action.response`` and ``Action.service``, stamped with the
        given wall times. They belong to the caller and are not touched again, so a worker thread
        may encode them. Totals since the start are not affected.
        """
        return self.take_intervals(start_wall_s, end_wall_s).whole

    def take_intervals(self, start_wall_s: float, end_wall_s: float) -> Intervals:
        """As `take_interval`, of the whole and of each part."""
        own = self._take_own(start_wall_s, end_wall_s)
        parts = {
            name: part._take_own(start_wall_s, end_wall_s) for name, part in self.parts.items()
        }
        if not parts or not self._adds_up:
            return Intervals(own, parts)
        sums = TaggedHistograms()
        sums.add(own)
        for taken in parts.values():
            sums.add(taken)
        whole = [histogram for _, histogram in sorted(sums.by_tag.items())]
        for histogram in whole:
            histogram.set_start_time_stamp(start_wall_s * 1000)
            histogram.set_end_time_stamp(end_wall_s * 1000)
        return Intervals(whole, parts)

    def _take_own(self, start_wall_s: float, end_wall_s: float) -> list[FastHistogram]:
        taken = []
        for action, of in sorted(self._of.items()):
            if not of.response.total_count:
                continue
            for tag, interval, past in (
                (f"{action}.response", of.response, of.past_response),
                (f"{action}.service", of.service, of.past_service),
            ):
                past.add(interval)
                interval.set_tag(tag)
                interval.set_start_time_stamp(start_wall_s * 1000)
                interval.set_end_time_stamp(end_wall_s * 1000)
                taken.append(interval)
            of.response, of.service = FastHistogram(), FastHistogram()
        return taken


class _Coarse(Latencies):
    """A part that keeps no actions apart: they are recorded in the whole, and once more here."""

    __slots__ = ("_whole",)

    def __init__(self, whole: Latencies) -> None:
        super().__init__(speed=1e6 / whole._us_per_s)
        self._whole = whole

    def record(self, action: str, due_s: float, sent_s: float, done_s: float) -> None:
        """See `Latencies`."""
        self._whole.record(action, due_s, sent_s, done_s)
        super().record(ALL_ACTIONS, due_s, sent_s, done_s)

    def record_error(
        self, action: str, code: str, due_s: float, sent_s: float, done_s: float
    ) -> None:
        """See `Latencies`."""
        self._whole.record_error(action, code, due_s, sent_s, done_s)
        super().record(ALL_ACTIONS, due_s, sent_s, done_s)
        self._of[ALL_ACTIONS].errors.add(code)

    def record_timeout(self, action: str, due_s: float, sent_s: float, done_s: float) -> None:
        """See `Latencies`."""
        self._whole.record_timeout(action, due_s, sent_s, done_s)
        super().record(ALL_ACTIONS, due_s, sent_s, done_s)
        self._of[ALL_ACTIONS].timeouts += 1

    def record_lost(self, action: str) -> None:
        """See `Latencies`."""
        self._whole.record_lost(action)
        super().record_lost(ALL_ACTIONS)

    @property
    def actions(self) -> list[str]:
        """None that it could tell apart."""
        return []
