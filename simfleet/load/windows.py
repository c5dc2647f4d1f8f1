"""Figures over a part of a run: a stage, a step of a search, what came after the warm-up.

A window has the shape of `summary.json`, so every metric that makes sense for a part of a run can
be read from it as from the whole. Times come from the interval histograms of the timeline, which is
made to begin a new interval where a window opens and closes, so windows are exact; everything else
is the difference of counters. Windows may overlap.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import trio
from msgspec import Struct

from simfleet.observe.histogram import FastHistogram, TaggedHistograms, summary_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping

    from simfleet.fleet.recorder import Recorder, SliceBooks
    from simfleet.load.timeline import Interval, Timeline
    from simfleet.observe.generator_verdict import GeneratorEvidence
    from simfleet.observe.health import Health
    from simfleet.observe.latency import Latencies

WHOLE: Final = ""
"""The name under which a window keeps all slices together; a slice has one of its own."""


class Failures(Struct, frozen=True):
    """CALLs of one action that have no answer, or a CALLERROR, at one moment."""

    errors: dict[str, int] = {}
    timeouts: int = 0
    lost: int = 0


class Mark(Struct, frozen=True):
    """Counters of a run, or of one of its slices, at one moment. `counts` is by dotted name."""

    counts: dict[str, float]
    failures: dict[str, Failures]


class Window:
    """See the module. Goes on collecting until it is closed."""

    def __init__(
        self,
        recorder: Recorder,
        health: Health,
        timeline: Timeline,
        *,
        slices: Collection[str],
        at_s: float,
    ) -> None:
        self._recorder = recorder
        self._timeline = timeline
        self._health = health
        self._histograms = {name: TaggedHistograms() for name in (WHOLE, *slices)}
        self._marks = {name: _mark(recorder, name) for name in self._histograms}
        self._health_mark = health.mark(at_s)
        self._tide = recorder.counters.connect.watch_tide()
        self._closed: dict[str, Any] | None = None
        self._closed_slices: dict[str, dict[str, Any]] = {}
        self.began_s = at_s
        self.collected_s = at_s
        """Until when times are in."""
        self.ended_s: float | None = None
        """None while it is open."""
        timeline.listeners.append(self._add)

    def _add(self, interval: Interval) -> None:
        self.collected_s = interval.ended_s
        self._histograms[WHOLE].add(interval.histograms)
        for name, histograms in interval.slices.items():
            if name in self._histograms:
                self._histograms[name].add(histograms)

    def evidence(self) -> GeneratorEvidence:
        """How the generator did since the window opened."""
        at_s = trio.current_time() if self.ended_s is None else self.ended_s
        return self._health.evidence_since(self._health_mark, at_s)

    def figures(self, slice_name: str | None = None) -> dict[str, Any]:
        """What was measured, of all slices or of one that the window was opened with.

        While the window is open: times up to the last interval of the timeline, counts up to now.
        """
        if slice_name and self._recorder.slices:
            return self._closed_slices.get(slice_name) or self._slice_figures(slice_name)
        return self._closed or self._whole_figures()

    def close(self) -> None:
        """Collect no more; `figures` are final. Again changes nothing."""
        if self.ended_s is not None:
            return
        self._timeline.listeners.remove(self._add)
        self._recorder.counters.connect.forget_tide(self._tide)
        self._closed = self._whole_figures()
        if self._recorder.slices:
            named = [name for name in self._histograms if name]
            self._closed_slices = {name: self._slice_figures(name) for name in named}
        self.ended_s = trio.current_time()
        self._histograms = {}

    @property
    def lasts_s(self) -> float:
        """For how long it is, or was, open."""
        ended_s = trio.current_time() if self.ended_s is None else self.ended_s
        return ended_s - self.began_s

    def _whole_figures(self) -> dict[str, Any]:
        counts = self._counts(WHOLE)
        calls = self._calls(WHOLE)
        lasts_s = self.lasts_s
        return {
            **calls,
            "chargers": {
                "connected_peak": self._tide.high,
                "connected_min": self._tide.low,
                "booted": int(counts["booted"]),
            },
            "connect": {
                "attempts": int(counts["attempts"]),
                "opened": int(counts["opened"]),
                "failures": _under(counts, "failures."),
            },
            "boot": _under(counts, "boot."),
            "disconnects": _under(counts, "disconnects."),
            "dropped": _under(counts, "dropped."),
            "violations": [{"kind": "all", "count": int(counts["violations"])}],
            "transactions": _transactions(counts),
            "throughput": {
                "calls_per_s": _per_s(calls["call_totals"]["count"], lasts_s),
                "frames_per_s": _per_s(counts["frames"], lasts_s),
            },
            "generator": self._health.snapshot_since(self._health_mark, trio.current_time()),
            "load_s": round(lasts_s, 3),
        }

    def _slice_figures(self, name: str) -> dict[str, Any]:
        counts, calls = self._counts(name), self._calls(name)
        return {
            **calls,
            "transactions": _transactions(counts),
            "throughput": {"calls_per_s": _per_s(calls["call_totals"]["count"], self.lasts_s)},
            "load_s": round(self.lasts_s, 3),
        }

    def _counts(self, name: str) -> dict[str, float]:
        before, now = self._marks[name].counts, _mark(self._recorder, name).counts
        return {key: count - before.get(key, 0) for key, count in now.items()}

    def _calls(self, name: str) -> dict[str, Any]:
        before, now = self._marks[name].failures, _mark(self._recorder, name).failures
        by_tag = self._histograms[name].by_tag
        calls = {}
        for action, after in now.items():
            entry = _call(
                by_tag.get(f"{action}.response"),
                by_tag.get(f"{action}.service"),
                _failed_between(before.get(action, Failures()), after),
            )
            if entry["count"] or entry["lost"]:
                calls[action] = entry
        totals = _call(
            _sum(histogram for tag, histogram in by_tag.items() if tag.endswith(".response")),
            _sum(histogram for tag, histogram in by_tag.items() if tag.endswith(".service")),
            _failed_between(_all_of(before.values()), _all_of(now.values())),
        )
        return {"calls": {k: v for k, v in calls.items() if k}, "call_totals": totals}


class Windows:
    """Opens windows on a run; one per run, as `engine.windows`."""

    def __init__(self, recorder: Recorder, health: Health, timeline: Timeline) -> None:
        self._recorder = recorder
        self._health = health
        self._timeline = timeline

    @asynccontextmanager
    async def window(self, *, slices: Collection[str] = ()) -> AsyncIterator[Window]:
        """A window that is open inside, with figures of these slices as well; they can be asked for
        afterwards, too.
        """
        window = await self.open(slices=slices)
        try:
            yield window
        finally:
            await self.close(window)

    async def open(self, *, slices: Collection[str] = ()) -> Window:
        """Open a window; the caller closes it by `close`."""
        await self._cut()
        return Window(
            self._recorder,
            self._health,
            self._timeline,
            slices=slices,
            at_s=trio.current_time(),
        )

    async def close(self, window: Window) -> None:
        """Close it, with everything in it that was answered until now."""
        try:
            await self._cut()
        finally:
            window.close()

    async def _cut(self) -> None:
        """Begin a new interval, unless there is nothing in the one that runs."""
        if self._recorder.latencies.in_interval:
            await self._timeline.take_interval()


def _mark(recorder: Recorder, name: str) -> Mark:
    if name != WHOLE:
        books: SliceBooks | None = recorder.slices.get(name)
        if books is None:
            return Mark({}, {})
        counts = {"opened": books.opened, "closed": books.closed, "energy_wh": books.energy_wh}
        transactions = {f"transactions.{key}": count for key, count in counts.items()}
        return Mark(transactions, _failures(books.latencies))
    counters, ledger = recorder.counters, recorder.ledger
    tallies = {
        "failures": counters.connect.failures,
        "boot": counters.boot,
        "disconnects": counters.disconnects,
        "dropped": counters.dropped,
    }
    named = {
        f"{name}.{key}": float(count)
        for name, tally in tallies.items()
        for key, count in tally.items()
    }
    return Mark(
        {
            **named,
            "attempts": counters.connect.attempts,
            "opened": counters.connect.opened.total,
            "booted": len(recorder.booted),
            "violations": counters.violations.total,
            "frames": counters.frames_sent.total + counters.frames_received.total,
            "transactions.opened": ledger.opened,
            "transactions.closed": ledger.closed,
            "transactions.energy_wh": ledger.energy_wh,
        },
        _failures(recorder.latencies),
    )


def _failures(latencies: Latencies) -> dict[str, Failures]:
    actions: list[str | None] = [*latencies.actions] or [None]
    return {
        action or "": Failures(
            latencies.errors(action), latencies.timeouts(action), latencies.lost(action)
        )
        for action in actions
    }


def _failed_between(before: Failures, after: Failures) -> Failures:
    grown = {code: count - before.errors.get(code, 0) for code, count in after.errors.items()}
    return Failures(
        {code: count for code, count in grown.items() if count},
        after.timeouts - before.timeouts,
        after.lost - before.lost,
    )


def _all_of(failures: Iterable[Failures]) -> Failures:
    errors: dict[str, int] = {}
    timeouts = lost = 0
    for one in failures:
        for code, count in one.errors.items():
            errors[code] = errors.get(code, 0) + count
        timeouts += one.timeouts
        lost += one.lost
    return Failures(errors, timeouts, lost)


def _call(
    response: FastHistogram | None, service: FastHistogram | None, failed: Failures
) -> dict[str, Any]:
    """An entry as `Latencies.summary` makes them."""
    response, service = response or FastHistogram(), service or FastHistogram()
    return {
        "count": response.total_count,
        "errors": failed.errors,
        "timeouts": failed.timeouts,
        "lost": failed.lost,
        "response_ms": summary_ms(response),
        "service_ms": summary_ms(service),
    }


def _sum(histograms: Iterable[FastHistogram]) -> FastHistogram:
    whole = FastHistogram()
    for histogram in histograms:
        whole.add(histogram)
    return whole


def _transactions(counts: Mapping[str, float]) -> dict[str, Any]:
    return {
        "started": int(counts.get("transactions.opened", 0)),
        "stopped": int(counts.get("transactions.closed", 0)),
        "energy_kwh": round(counts.get("transactions.energy_wh", 0.0) / 1000, 3),
    }


def _under(counts: Mapping[str, float], prefix: str) -> dict[str, int]:
    return {
        key.removeprefix(prefix): int(count)
        for key, count in sorted(counts.items())
        if key.startswith(prefix) and count
    }


def _per_s(count: float, lasts_s: float) -> float:
    return round(count / lasts_s, 1) if lasts_s > 0 else 0.0
