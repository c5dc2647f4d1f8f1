"""The whole station in a closed loop: what `floor` and Locust are compared with.

    python -m bench.whole_station --target ws://127.0.0.1:9000 --chargers 1000 [--job ...]

Chargers as `simfleet run` makes them, from a scenario: supervisor, actor, link, state machine,
validation of what arrives, meter, outbox, histograms, hub and ledger. The only change is the
schedule: the next MeterValues (or Heartbeat) is due the moment the last one is answered. Prints one
JSON object when all are charging (or booted), and one with the figures and a payload as it was
sent.
"""

from __future__ import annotations

import argparse
import gc
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import trio

from bench.machine import raise_descriptor_limit
from simfleet.clock import WallClock
from simfleet.fleet.actor import Charger
from simfleet.fleet.garbage import sweep_garbage
from simfleet.fleet.mass import Mass
from simfleet.fleet.orders import Mode, Surroundings
from simfleet.fleet.recorder import Recorder
from simfleet.fleet.supervisor import Supervisor
from simfleet.link.link import LinkOptions
from simfleet.link.opening import open_link
from simfleet.load.fleet_plans import plans_of
from simfleet.load.scenario import parse_scenario
from simfleet.observe.hub import Hub
from simfleet.observe.lag import ScheduleLag
from simfleet.ocpp.versions import VERSIONS
from simfleet.station.chance import Chance
from simfleet.station.configuration import Configuration
from simfleet.station.station import Station

if TYPE_CHECKING:
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.ocpp.results import Outcome

HANDSHAKES_AT_ONCE = 200
STARTS_PER_S = 1000
CHARGING_WITHIN_S = 60.0

SCENARIO = """\
schema: 1
name: closed-loop
seed: 1
target: {{url: embedded}}
fleet:
  - {{name: all, count: {chargers}, id: "SIM-{{n:05}}", version: {version}, type: AC,
     max_power_kw: 22, connectors: 1, configuration: {{MeterValueSampleInterval: {interval_s}}}}}
behaviour: {{think_time: 0s..1s, energy_kwh: 40..60}}
stages:
  - {{do: ramp, to: {chargers}, over: 1s, mode: charging}}
"""


class ClosedLoopStation(Station):
    """A station that samples its meter as often as the CSMS lets it, once `looping` is set."""

    __slots__ = ()
    looping = False
    action = "MeterValues"

    def _finished(self, outcome: Outcome, at_s: float) -> None:
        super()._finished(outcome, at_s)
        if ClosedLoopStation.looping and outcome.action.name == ClosedLoopStation.action:
            self.connectors[0].sample_due_s = at_s


class ClosedLoopBeat(Station):
    """The same with heartbeats."""

    __slots__ = ()

    def _finished(self, outcome: Outcome, at_s: float) -> None:
        super()._finished(outcome, at_s)
        if ClosedLoopStation.looping and outcome.action.name == "Heartbeat":
            self.heartbeat_due_s = at_s


class Job(NamedTuple):
    """What is repeated, by which station, in which mode of the fleet. 2.x has another message for
    the samples of a transaction.
    """

    action: str
    action_2: str
    station: type[Station]
    mode: Mode


JOBS = {
    "meter-values": Job("MeterValues", "TransactionEvent", ClosedLoopStation, Mode.CHARGING),
    "heartbeat": Job("Heartbeat", "Heartbeat", ClosedLoopBeat, Mode.CONNECT),
}


class Fleet:
    """All chargers together, as a load run sets them up."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._job = JOBS[options.job]
        self._action = self._job.action
        if options.version != "ocpp1.6":
            self._action = self._job.action_2
        ClosedLoopStation.action = self._action
        self._chargers: int = options.chargers
        # Before the loop begins, as seldom as lets every charger enter it within a second or so.
        interval_s = max(1, options.chargers // STARTS_PER_S)
        content = SCENARIO.format(
            chargers=options.chargers, interval_s=interval_s, version=options.version
        ).encode()
        self.plans = plans_of(parse_scenario(content, source="closed-loop.yaml"))
        self.clock = WallClock(trio.current_time())
        self.hub = Hub(self.clock)
        self.recorder = Recorder(self.clock, hub=self.hub, schedule_lag=ScheduleLag())
        self.surroundings = Surroundings(
            dial=open_link,
            url=options.target,
            options=LinkOptions(transport=options.transport),
            handshakes=trio.Semaphore(HANDSHAKES_AT_ONCE),
            recorder=self.recorder,
        )
        self.supervisor = Supervisor(self.surroundings, self.clock, make=self._make)
        self.mass = Mass(self.plans, self.supervisor)
        self._settles_s = interval_s + 1

    def _make(self, plan: ChargerPlan, mode: Mode) -> Charger:
        station = self._job.station(
            plan.identity,
            plan.spec,
            Configuration(plan.factory),
            chance=Chance.of(plan.seed, plan.index),
            wall_offset_s=self.clock.wall_s(0.0),
        )
        return Charger(station, self.surroundings, mode=mode)

    def round_trips(self) -> int:
        """CALLs of the job answered so far."""
        return self.recorder.latencies.count(self._action)

    def _begun(self) -> bool:
        """Whether all do what the loop needs: charge, or have reported their statuses."""
        if self._job.mode is Mode.CHARGING:
            return self.recorder.ledger.delivered_starts >= self._chargers
        statuses = self.recorder.latencies.count("StatusNotification")
        return statuses >= 2 * self._chargers

    async def run(self) -> None:
        """Start all, warm up, measure, and report on stdout."""
        options = self._options
        async with trio.open_nursery() as nursery:
            await nursery.start(self.supervisor.run)
            await nursery.start(self.mass.reconcile)
            began_s, began_cpu_s = time.perf_counter(), time.process_time()
            over_s = options.chargers / STARTS_PER_S
            self.mass.apply(options.chargers, self._job.mode, over_s=over_s)
            with trio.fail_after(CHARGING_WITHIN_S):
                while not self._begun():  # noqa: ASYNC110 (the books are plain objects)
                    await trio.sleep(0.1)
            say(
                connect_s=time.perf_counter() - began_s,
                connect_cpu_s=time.process_time() - began_cpu_s,
                rss_bytes=_rss_bytes(),
            )
            gc.collect()
            gc.freeze()
            gc.disable()  # but for the sweeps, as in `simfleet run`
            nursery.start_soon(sweep_garbage)
            ClosedLoopStation.looping = True
            await trio.sleep(self._settles_s + options.warms_up_s)
            await self._measure(options.lasts_s)
            nursery.cancel_scope.cancel()

    async def _measure(self, lasts_s: float) -> None:
        cpu_s, before, at_s = time.process_time(), self.round_trips(), time.perf_counter()
        await trio.sleep(lasts_s)
        cpu_s, took_s = time.process_time() - cpu_s, time.perf_counter() - at_s
        done = self.round_trips() - before
        counters, ledger = self.recorder.counters, self.recorder.ledger
        say(
            round_trips=done,
            cpu_us=cpu_s / done * 1e6,
            per_s=done / took_s,
            cpu_share=cpu_s / took_s,
            rss_bytes=_rss_bytes(),
            faults=ledger.faults_total + self.recorder.problems_total + counters.crashes.total,
            problems=[str(problem) for problem in self.recorder.problems[:3]],
            payload=self._payload(),
        )

    def _payload(self) -> str:
        """A payload of the job as a charger has sent it."""
        for record in self.hub.recent():
            frame = msgspec.json.decode(record.frame)
            if frame[0] == 2 and frame[2] == self._action:
                return msgspec.json.encode(frame[3]).decode()
        raise AssertionError(f"no {self._action} among the recent frames")


def _rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def say(**figures: Any) -> None:
    print(msgspec.json.encode(figures).decode(), flush=True)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="whole stations in a closed loop")
    parser.add_argument("--target", required=True, help="URL of a sink")
    parser.add_argument("--chargers", type=int, default=100)
    parser.add_argument("--warms-up-s", type=float, default=1.0)
    parser.add_argument("--lasts-s", type=float, default=5.0)
    parser.add_argument("--transport", default="websockets")
    parser.add_argument("--job", choices=JOBS, default="meter-values")
    parser.add_argument("--version", choices=VERSIONS, default="ocpp1.6")
    return parser


async def main(options: argparse.Namespace) -> None:
    await Fleet(options).run()


if __name__ == "__main__":
    raise_descriptor_limit()
    trio.run(main, parser().parse_args())
