"""What a run will ask of a CSMS and of this machine, from a virtual run of it: `--dry-run`.

Counts are taken once a second of the simulated time, so a peak is the busiest of those seconds.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.load.preflight import DESCRIPTORS_SPARE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.load.stages.engine import Engine

SAMPLE_S: Final = 1.0
POINTS_MAX: Final = 240
"""Of the number of chargers over time; then every other one is left out."""


class _Peak:
    """The busiest second of something that is counted."""

    __slots__ = ("at_s", "count", "last", "rate")

    def __init__(self) -> None:
        self.count = self.last = 0
        self.rate = 0
        self.at_s = 0.0

    def look(self, count: int, at_s: float) -> None:
        new, self.last, self.count = count - self.last, count, count
        if new > self.rate:
            self.rate, self.at_s = new, at_s

    def shown(self, lasts_s: float) -> dict[str, Any]:
        return {
            "count": self.count,
            "per_s_mean": round(self.count / lasts_s, 3) if lasts_s else 0.0,
            "per_s_peak": self.rate,
            "peak_at_s": round(self.at_s, 3),
        }


class Prediction:
    """A companion of a virtual run: see the module."""

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._calls: dict[str, _Peak] = {}
        self._all, self._sent, self._received = _Peak(), _Peak(), _Peak()
        self._connects, self._starts = _Peak(), _Peak()
        self._connected, self._connected_at_s = 0, 0.0
        self._open, self._open_at_s = 0, 0.0
        self._points: list[tuple[float, int, int]] = []
        self._every_s = SAMPLE_S
        self._point_due_s = 0.0

    async def run(
        self, engine: Engine, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Count until cancelled."""
        self._engine = engine
        task_status.started()
        began_s = trio.current_time()
        for second in itertools.count(1):
            await trio.sleep_until(began_s + second * SAMPLE_S)
            self._look(engine, trio.current_time() - engine.timeline.began_s - SAMPLE_S)

    def _look(self, engine: Engine, at_s: float) -> None:
        """Count what has come since `at_s`, a second ago."""
        at_s = max(0.0, at_s)
        recorder, counters = engine.recorder, engine.recorder.counters
        latencies = recorder.latencies
        for action in latencies.actions:
            peak = self._calls.get(action)
            if peak is None:
                peak = self._calls[action] = _Peak()
            peak.look(latencies.count(action), at_s)
        self._all.look(sum(peak.count for peak in self._calls.values()), at_s)
        self._sent.look(counters.frames_sent.total, at_s)
        self._received.look(counters.frames_received.total, at_s)
        self._connects.look(counters.connect.opened.total, at_s)
        self._starts.look(recorder.ledger.opened, at_s)
        connected, running = counters.connect.connected, recorder.ledger.still_open
        if connected > self._connected:
            self._connected, self._connected_at_s = connected, at_s
        if running > self._open:
            self._open, self._open_at_s = running, at_s
        if at_s >= self._point_due_s:
            self._points.append((at_s, connected, running))
            if len(self._points) >= POINTS_MAX:
                del self._points[1::2]
                self._every_s *= 2
            self._point_due_s = at_s + self._every_s

    def figures(self) -> Mapping[str, Any]:
        """The prediction, for `summary.json`."""
        engine = self._engine
        if engine is None:
            return {}
        lasts_s = engine.timeline.ended_s - engine.timeline.began_s
        self._look(engine, lasts_s // SAMPLE_S * SAMPLE_S)  # the second that was cut short
        most = max(self._connected, engine.recorder.counters.connect.connected_peak)
        return {
            "prediction": {
                "lasts_s": round(lasts_s, 3),
                "calls": self._all.shown(lasts_s),
                "calls_by_action": {
                    action: self._calls[action].shown(lasts_s) for action in sorted(self._calls)
                },
                "frames_sent": self._sent.shown(lasts_s),
                "frames_received": self._received.shown(lasts_s),
                "connects": self._connects.shown(lasts_s),
                "transactions": {
                    **self._starts.shown(lasts_s),
                    "open_peak": self._open,
                    "open_peak_at_s": round(self._open_at_s, 3),
                },
                "connected_peak": most,
                "connected_peak_at_s": round(self._connected_at_s, 3),
                "needs": {"descriptors": most + DESCRIPTORS_SPARE, "ports": most},
                "over_time": [
                    {"at_s": round(at_s, 3), "connected": connected, "transactions": running}
                    for at_s, connected, running in self._points
                ],
            }
        }


def prediction_text(summary: Mapping[str, Any]) -> str:
    """The prediction in a summary, for people."""
    found, clock = summary["prediction"], summary["clock"]
    rows: list[tuple[str, Mapping[str, Any]]] = [
        *found["calls_by_action"].items(),
        ("all CALLs", found["calls"]),
        ("frames to the CSMS", found["frames_sent"]),
        ("frames from the CSMS", found["frames_received"]),
        ("connects", found["connects"]),
        ("transactions", found["transactions"]),
    ]
    needs = found["needs"]
    lines = [
        f"{summary['scenario']}: PREDICTION, nothing was connected to"
        f" (simulated {found['lasts_s']:g} s in {clock['real_s']:.1f} s)",
        "",
        f"  {'':<28}{'count':>10}{'per s':>11}{'peak/s':>9}  at",
        *(
            f"  {name:<28}{row['count']:>10}{row['per_s_mean']:>11.2f}{row['per_s_peak']:>9}"
            f"  {row['peak_at_s']:.0f} s"
            for name, row in rows
        ),
        "",
        f"  chargers      {found['connected_peak']} connected at once, from"
        f" {found['connected_peak_at_s']:.0f} s on",
        f"  transactions  {found['transactions']['open_peak']} open at once, at"
        f" {found['transactions']['open_peak_at_s']:.0f} s",
        f"  needs         {needs['descriptors']} open files (ulimit -n),"
        f" {needs['ports']} local ports for one address of the CSMS",
        "",
        "  connected and charging over time:",
        *(
            f"    {point['at_s']:>9.0f} s  {point['connected']:>7}  {point['transactions']:>7}"
            for point in _thinned(found["over_time"])
        ),
    ]
    return "\n".join(lines)


def _thinned(points: list[dict[str, Any]], most: int = 12) -> list[dict[str, Any]]:
    step = max(1, -(-len(points) // most))
    return points[::step]
