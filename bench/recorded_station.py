"""Whole stations in a closed loop, in turns with everything recorded and exported, or nothing.

    python -m bench.recorded_station --target ws://127.0.0.1:9000 --chargers 1000 --turns 6

One fleet, one process: the turns alternate, so what else the machine does falls on both. A turn
with recording has what `simfleet run` has with all exporters on, by the same classes: counters,
ledger, hub, histograms of the fleet and of two slices, health, progress, `run.hlog`, `timeline.csv`
and `actions.csv`, a scrape rendered every second and a push in each format every 5 s, where a run
pushes every 10. A turn without only counts round trips.
"""

from __future__ import annotations

import gzip
import statistics
import time
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import trio
from prometheus_client import CollectorRegistry, generate_latest

from bench import whole_station
from bench.machine import raise_descriptor_limit
from simfleet.fleet.recorder import Recorder
from simfleet.link.opening import open_link
from simfleet.load.annotations import Annotations
from simfleet.load.exports.feed import Exports
from simfleet.load.exports.influx import lines_of
from simfleet.load.exports.jsonl import JsonLines
from simfleet.load.exports.otlp import encoder
from simfleet.load.exports.prometheus import Prometheus
from simfleet.load.live.glance import Glance
from simfleet.load.network import Network
from simfleet.load.results.recording import RunTables
from simfleet.load.run_folder import RunFolder
from simfleet.load.scenario import parse_scenario
from simfleet.load.stages.engine import Engine
from simfleet.load.timeline import Timeline
from simfleet.load.uploads import RunFiles
from simfleet.load.world import INTERVAL_TICKS
from simfleet.observe.health import Health
from simfleet.observe.lag import ScheduleLag
from simfleet.ocpp.results import Outcome

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Sequence

    from simfleet.load.exports.feed import Reading
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


class Rendering:
    """An exporter that makes of each reading what all of them would send."""

    name = "rendering"

    def __init__(self) -> None:
        self._prometheus = Prometheus("127.0.0.1", 0)
        self._registry = CollectorRegistry()
        self._registry.register(self._prometheus)
        self._otlp = encoder()
        self._readings = 0

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def offer(self, reading: Reading) -> None:
        """A scrape; at times two pushes."""
        self._prometheus.offer(reading)
        generate_latest(self._registry)
        self._readings += 1
        if self._readings % INTERVAL_TICKS:
            return
        for body in (lines_of(reading), self._otlp(reading)):
            gzip.compress(body, compresslevel=1)

    async def run(
        self,
        *,
        speed: float = 1.0,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Nothing to wait for."""
        task_status.started()

    def figures(self) -> dict[str, Any]:
        """None."""
        return {}


class Recording:
    """What goes along with a run: its companions, and its ticker."""

    def __init__(self, fleet: whole_station.Fleet, folder: RunFolder, exports: Exports) -> None:
        at_s = trio.current_time()
        self._health = Health(at_s)
        self._timeline = Timeline(
            fleet.recorder.latencies, fleet.clock, write=folder.intervals, at_s=at_s
        )
        content = whole_station.SCENARIO.format(chargers=1, interval_s=1, version="ocpp1.6")
        scenario = parse_scenario(content.encode())
        self._engine = Engine(
            scenario,
            (),
            mass=fleet.mass,
            supervisor=fleet.supervisor,
            surroundings=fleet.surroundings,
            recorder=fleet.recorder,
            health=self._health,
            timeline=self._timeline,
            annotations=Annotations(at_s),
            clock=fleet.clock,
            network=Network(scenario, (), fleet.recorder, dial=open_link),
            files=RunFiles(),
            csms=None,
        )
        self._glance = Glance(self._engine)
        self._companions = (RunTables(folder), exports)
        self._ticks = 0

    async def begin(self, nursery: trio.Nursery) -> None:
        """Start the companions, in order."""
        for companion in self._companions:
            await nursery.start(companion.run, self._engine)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """While inside, the generator's health is watched."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._health.run)
            yield
            nursery.cancel_scope.cancel()

    async def tick(self) -> None:
        """One second's work of everything."""
        progress = self._glance.progress()
        for watch in self._engine.watchers:
            watch(progress)
        self._ticks += 1
        if self._ticks % INTERVAL_TICKS == 0:
            await self._timeline.take_interval()


class RecordedFleet(whole_station.Fleet):
    """The fleet, measured in turns."""

    async def _measure(self, lasts_s: float) -> None:
        self.recorder.divide(
            {plan.identity: ("odd", "even")[number % 2] for number, plan in enumerate(self.plans)}
        )
        with TemporaryDirectory() as path:
            wall_s = self.clock.wall_s(trio.current_time())
            with (
                RunFolder.create(
                    Path(path) / "run", name="recorded", start_wall_s=wall_s
                ) as folder,
                Exports([Rendering(), JsonLines(Path(path) / "run.jsonl")]) as exports,
            ):
                async with trio.open_nursery() as nursery:
                    recording = Recording(self, folder, exports)
                    await recording.begin(nursery)
                    await self._take_turns(lasts_s, recording)
                    nursery.cancel_scope.cancel()
                if folder.damage is not None:
                    raise RuntimeError(folder.damage)

    async def _take_turns(self, lasts_s: float, recording: Recording) -> None:
        silent = Silent(self.clock, hub=None, schedule_lag=ScheduleLag())
        loud_us, silent_us = [], []
        for _ in range(self._options.turns):
            async with recording.going_on():
                loud_us.append(await self._turn(lasts_s, recording))
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

    async def _turn(self, lasts_s: float, recording: Recording | None) -> float:
        """CPU of a round trip over one turn, in microseconds."""
        recorder = self.surroundings.recorder
        before, cpu_s = self._answered(recorder), time.process_time()
        ends_s = trio.current_time() + lasts_s
        while trio.current_time() < ends_s:
            await trio.sleep(min(TICK_S, ends_s - trio.current_time()))
            if recording is not None:
                await recording.tick()
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
