"""Whole stations in a closed loop, in turns with everything recorded and exported, or nothing.

    python -m bench.recorded_station --target ws://127.0.0.1:9000 --chargers 1000 --turns 6

One fleet, one process: the turns alternate, so what else the machine does falls on both. A turn
with recording is what `simfleet run` does with all exporters on: counters, ledger checks, hub,
histograms, an interval of `run.hlog` encoded and a scrape and a push rendered every second, which
is five to ten times as often as in a run. A turn without only counts round trips.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import trio
from prometheus_client import CollectorRegistry, generate_latest

from bench import whole_station
from bench.machine import raise_descriptor_limit
from simfleet.fleet.recorder import Recorder
from simfleet.load.annotations import Annotations
from simfleet.load.exports.buckets import CallBuckets
from simfleet.load.exports.families import families_of
from simfleet.load.exports.feed import Reading
from simfleet.load.exports.influx import lines_of
from simfleet.load.exports.prometheus import Prometheus
from simfleet.load.progress import Progress
from simfleet.load.scenario import parse_scenario
from simfleet.load.stages.engine import Engine
from simfleet.load.timeline import Interval, Timeline
from simfleet.observe.health import Health, ScheduleLag
from simfleet.observe.hlog import HistogramLog
from simfleet.ocpp.results import Outcome

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from simfleet.station.effects import Effect

TICK_S = 1.0


class Silent(Recorder):
    """Counts the answers, and nothing else."""

    __slots__ = ("answered",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.answered = 0

    def sent(self, identity: str, frames: Sequence[bytes], at_s: float) -> None:
        """Not recorded."""

    def received(self, identity: str, frame: bytes, at_s: float) -> None:
        """Not recorded."""

    def effect(self, identity: str, effect: Effect, at_s: float) -> None:
        """Counted."""
        if type(effect) is Outcome:
            self.answered += 1

    def late(self, late_s: float) -> None:
        """Not recorded."""


class Exporting:
    """What goes along with a run, done by hand once a second."""

    def __init__(self, fleet: whole_station.Fleet, folder: Path) -> None:
        at_s = trio.current_time()
        clock = fleet.clock
        self._clock = clock
        self._health = Health(at_s)
        self._calls = CallBuckets()
        self._log = HistogramLog(folder / "run.hlog", start_wall_s=clock.wall_s(at_s))
        self._latencies = fleet.recorder.latencies
        self._interval_s = at_s
        self._prometheus = Prometheus("127.0.0.1", 0)
        self._registry = CollectorRegistry()
        self._registry.register(self._prometheus)
        scenario = parse_scenario(
            whole_station.SCENARIO.format(chargers=1, interval_s=1, version="ocpp1.6").encode()
        )
        self._engine = Engine(
            scenario,
            (),
            mass=fleet.mass,
            supervisor=fleet.supervisor,
            surroundings=fleet.surroundings,
            recorder=fleet.recorder,
            health=self._health,
            timeline=Timeline(fleet.recorder.latencies, clock, write=self._log.write, at_s=at_s),
            annotations=Annotations(at_s),
            clock=clock,
            csms=None,
        )

    def tick(self) -> None:
        """One second's work of everything."""
        at_s, recorder = trio.current_time(), self._engine.recorder
        connect = recorder.counters.connect
        progress = Progress(
            elapsed_s=at_s,
            stage="",
            stage_left_s=0.0,
            chargers=connect.connected,
            wanted=connect.connected,
            connected=connect.connected,
            booted=len(recorder.booted),
            transactions=recorder.ledger.still_open,
            calls=recorder.latencies.count(),
            frames_per_s=0,
            problems=recorder.problems_total,
            loop_lag_p99_ms=0.0,
            response_p99_ms=recorder.latencies.summary_ms()["p99"],
        )
        wall_s = self._clock.wall_s
        taken = self._latencies.take_interval(wall_s(self._interval_s), wall_s(at_s))
        self._calls.add(Interval(self._interval_s, at_s, taken))
        self._interval_s = at_s
        self._log.write(taken)
        families = families_of(self._engine, progress, self._calls)
        reading = Reading(wall_s(at_s), wall_s(at_s), progress, families)
        self._prometheus.offer(reading)
        generate_latest(self._registry)
        lines_of(reading)


class RecordedFleet(whole_station.Fleet):
    """The fleet, measured in turns."""

    async def _measure(self, lasts_s: float) -> None:
        with TemporaryDirectory() as folder:
            exporting = Exporting(self, Path(folder))
            silent = Silent(self.clock, hub=None, schedule_lag=ScheduleLag())
            loud_us, silent_us = [], []
            for _ in range(self._options.turns):
                loud_us.append(await self._turn(lasts_s, exporting))
                self.surroundings.recorder = silent
                silent_us.append(await self._turn(lasts_s, None))
                self.recorder._calling.clear()  # answered, or sent, while nobody looked
                self.surroundings.recorder = self.recorder
            counters = self.recorder.counters
            whole_station.say(
                recorded_us=loud_us,
                silent_us=silent_us,
                cost=statistics.median(loud_us) / statistics.median(silent_us) - 1,
                faults=self.recorder.problems_total + counters.crashes.total,
                problems=[str(problem) for problem in self.recorder.problems[:3]],
            )

    async def _turn(self, lasts_s: float, exporting: Exporting | None) -> float:
        """CPU of a round trip over one turn, in microseconds."""
        recorder = self.surroundings.recorder
        before, cpu_s = self._answered(recorder), time.process_time()
        ends_s = trio.current_time() + lasts_s
        while trio.current_time() < ends_s:
            await trio.sleep(min(TICK_S, ends_s - trio.current_time()))
            if exporting is not None:
                exporting.tick()
        spent_s = time.process_time() - cpu_s
        return spent_s * 1e6 / (self._answered(recorder) - before)

    def _answered(self, recorder: Recorder) -> int:
        return recorder.answered if isinstance(recorder, Silent) else self.round_trips()


def parse() -> argparse.Namespace:
    parser = whole_station.parser()
    parser.add_argument("--turns", type=int, default=6)
    return parser.parse_args()


async def main(options: argparse.Namespace) -> None:
    await RecordedFleet(options).run()


if __name__ == "__main__":
    raise_descriptor_limit()
    trio.run(main, parse())
