"""A load run from its first preflight to its verdict: the task tree of `simfleet run`.

    target            the embedded CSMS in its own process, or nothing
      health          is the generator keeping up?
      supervisor      10,000 charger tasks in batches
        reconcile     brings the fleet to the size and mode the stages wish for
          ticker      once a second: interval histograms, progress
          signals     Ctrl-C: stop in order; twice: at once
          stages      one after the other

Leaving goes from the inside out. However the stages ended, the fleet is stopped first, paced, every
transaction once; only then are the books compared and the verdict given.
"""

from __future__ import annotations

import itertools
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio
from msgspec import Struct

from simfleet.clock import WallClock
from simfleet.csms.embedded import EmbeddedCsms, embedded_csms
from simfleet.errors import CsmsFailed
from simfleet.fleet.actor import Mode, Surroundings
from simfleet.fleet.garbage import calm_garbage, settle_garbage
from simfleet.fleet.mass import Mass
from simfleet.fleet.recorder import Recorder
from simfleet.fleet.supervisor import Supervisor
from simfleet.link.opening import open_link
from simfleet.load import preflight
from simfleet.load.audit import Check, audit
from simfleet.load.fleet_plans import plans_of
from simfleet.load.links import link_options
from simfleet.load.schema1 import Hold, Ramp, Stop
from simfleet.load.summary import StageResult, measure
from simfleet.load.thresholds import evaluate
from simfleet.load.verdict import Verdict, verdict_of
from simfleet.observe.generator_verdict import judge
from simfleet.observe.health import Health
from simfleet.observe.hub import Hub
from simfleet.observe.latency import TaggedHistograms
from simfleet.ocpp.v16 import V16

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from simfleet.link.link import Dialer
    from simfleet.load.run_folder import RunFolder
    from simfleet.load.schema1 import Scenario, Stage

HANDSHAKES_MAX: Final = 200
"""Connections being opened at the same time; more only queue in the CSMS's backlog."""
TICK_S: Final = 1.0
INTERVAL_TICKS: Final = 5
"""Ticks of one interval histogram in `run.hlog`; stage ends cut it short."""
RAMP_GRACE_S: Final = 60.0
"""How long a ramp waits, beyond its time, for its last chargers to be registered."""
STOPS_PER_S: Final = 500.0
"""Pace of a stop that the scenario does not describe (Ctrl-C, no final stop stage): no storm."""
LEAVE_GRACE_S: Final = 90.0
"""How long a stop waits for the last charger; those that do not leave by then are cut off."""


class Progress(Struct, frozen=True):
    """What a person watching wants to know, once a second."""

    elapsed_s: float
    stage: str
    stage_left_s: float
    chargers: int
    wanted: int
    connected: int
    booted: int
    transactions: int
    calls: int
    frames_per_s: int
    problems: int
    loop_lag_p99_ms: float
    response_p99_ms: float


class Finished(Struct, frozen=True):
    """The result of a run."""

    summary: dict[str, Any]
    verdict: Verdict
    checks: list[Check]


class Runner:
    """One run of one scenario. `watch` is called with the progress, once a second."""

    def __init__(
        self,
        scenario: Scenario,
        folder: RunFolder,
        *,
        watch: Callable[[Progress], None],
        dial: Dialer = open_link,
    ) -> None:
        self._scenario = scenario
        self._folder = folder
        self._watch = watch
        self._dial = dial
        self._plans = plans_of(scenario)
        self._target = max(
            (stage.to for stage in scenario.stages if isinstance(stage, Ramp)), default=0
        )
        at_s = trio.current_time()
        self._clock = WallClock(at_s)
        self._health = Health(at_s)
        self.recorder = Recorder(
            self._clock, hub=Hub(self._clock), schedule_lag=self._health.schedule_lag
        )
        self.recorder.on_problem = folder.problem
        self.recorder.counters.connect.wanted = max(1, self._target)
        self.recorder.expects_boot = any(
            isinstance(stage, Ramp) and stage.mode != "idle" for stage in scenario.stages
        )
        self._began_s = at_s
        self._ended_s = at_s
        self._stage_name = "starting"
        self._stage_ends_s = at_s
        self._stage_histograms = TaggedHistograms()
        self._interval_began_s = at_s
        self._stages: list[StageResult] = []
        self._interrupted: str | None = None
        self._aborted = False
        self._target_lost: str | None = None
        self._writing = trio.Lock()

    # ── the tree ────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> Finished:
        """Run the scenario. Raises `PreflightFailed` and `TargetUnreachable` before any load."""
        scenario = self._scenario
        preflight.ensure_descriptors(self._target)
        preflight.ensure_ports(self._target)
        V16.warm_up()
        with self._health, calm_garbage():
            async with self._target_of() as (url, csms):
                options = link_options(scenario.target)
                if self._plans and csms is None:
                    first = self._plans[0]
                    await preflight.ensure_target(
                        self._dial,
                        url,
                        identity=first.identity,
                        subprotocol=first.spec.version,
                        options=options,
                    )
                surroundings = Surroundings(
                    self._dial, url, options, trio.Semaphore(HANDSHAKES_MAX), self.recorder
                )
                supervisor = Supervisor(surroundings, self._clock)
                await self._load(supervisor, Mass(self._plans, supervisor), csms)
                csms_books = await self._books_of(csms)
        return self._conclude(csms_books)

    @asynccontextmanager
    async def _target_of(self) -> AsyncIterator[tuple[str, EmbeddedCsms | None]]:
        target = self._scenario.target
        if target.url != "embedded":
            yield target.url, None
            return
        async with embedded_csms(password=target.password) as csms:
            yield csms.url, csms

    async def _load(self, supervisor: Supervisor, mass: Mass, csms: EmbeddedCsms | None) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(self._health.run)
            await nursery.start(supervisor.run)
            await nursery.start(mass.reconcile)
            self._began_s = self._interval_began_s = trio.current_time()
            self._health.begin_load(self._began_s)
            nursery.start_soon(self._tick, mass)
            with trio.CancelScope() as everything:
                with trio.CancelScope() as stages:
                    await nursery.start(self._heed_signals, stages, everything)
                    if csms is not None:
                        nursery.start_soon(self._heed_csms, csms, everything)
                    for stage in self._scenario.stages:
                        await self._run_stage(stage, mass, supervisor)
                if supervisor.chargers:
                    await self._bring_home(mass, supervisor)
            self._ended_s = trio.current_time()
            self._health.end_load(self._ended_s)
            nursery.cancel_scope.cancel()

    async def _heed_signals(
        self,
        stages: trio.CancelScope,
        everything: trio.CancelScope,
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        """The first signal ends the stages, the next one everything."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for number in signals:
                if self._interrupted is None:
                    self._interrupted = f"interrupted by {signal.Signals(number).name}"
                    stages.cancel()
                else:
                    self._interrupted += ", cut off by another signal"
                    self._aborted = True
                    everything.cancel()

    async def _heed_csms(self, csms: EmbeddedCsms, everything: trio.CancelScope) -> None:
        await csms.died.wait()
        self._target_lost = csms.failure
        self._aborted = True
        everything.cancel()

    # ── stages ──────────────────────────────────────────────────────────────────────────────────

    async def _run_stage(self, stage: Stage, mass: Mass, supervisor: Supervisor) -> None:
        began_s = trio.current_time()
        connect = self.recorder.counters.connect
        self._stage_name = _described(stage)
        planned_s = stage.for_s if isinstance(stage, Hold) else stage.over_s
        self._stage_ends_s = began_s + planned_s
        match stage:
            case Ramp(to=to, over_s=over_s, mode=mode):
                mass.apply(to, Mode(mode), over_s=over_s)
                await mass.settled()
                await trio.sleep_until(self._stage_ends_s)
                if mode != "idle":
                    await self._until_up(to)
                    connect.watch_min(True)
                settle_garbage()
            case Hold(for_s=for_s):
                await trio.sleep(for_s)
            case Stop(over_s=over_s):
                connect.watch_min(False)
                await self._stop(mass, supervisor, over_s)
        await self._end_stage(type(stage).__name__.lower(), began_s, mass)

    async def _until_up(self, wanted: int) -> None:
        """Wait for the last chargers of a ramp, within reason."""
        connect = self.recorder.counters.connect
        with trio.move_on_after(RAMP_GRACE_S):
            # A count of 10,000 needs no event for each.
            while connect.connected < wanted or len(self.recorder.booted) < wanted:  # noqa: ASYNC110
                await trio.sleep(0.05)

    async def _stop(self, mass: Mass, supervisor: Supervisor, over_s: float) -> None:
        mass.apply(0, mass.wish.mode, over_s=over_s)
        await mass.settled()
        with trio.move_on_after(LEAVE_GRACE_S):
            await supervisor.wait_empty()

    async def _bring_home(self, mass: Mass, supervisor: Supervisor) -> None:
        """Stop what the stages left running: paced, every transaction once."""
        began_s = trio.current_time()
        self.recorder.counters.connect.watch_min(False)
        over_s = len(supervisor.chargers) / STOPS_PER_S
        self._stage_name, self._stage_ends_s = "stopping", began_s + over_s
        await self._stop(mass, supervisor, over_s)
        await self._end_stage("stop", began_s, mass)

    async def _end_stage(self, do: str, began_s: float, mass: Mass) -> None:
        await self._take_interval()
        calls, self._stage_histograms = self._stage_histograms.snapshot(), TaggedHistograms()
        self._stages.append(
            StageResult(
                do,
                self._stage_name,
                round(began_s - self._began_s, 3),
                round(trio.current_time() - self._began_s, 3),
                mass.size,
                self.recorder.counters.connect.connected,
                calls,
            )
        )

    # ── once a second ───────────────────────────────────────────────────────────────────────────

    async def _tick(self, mass: Mass) -> None:
        due_s = trio.current_time()
        for number in itertools.count(1):
            due_s += TICK_S
            await trio.sleep_until(due_s)
            self._watch(self._progress(mass))
            if number % INTERVAL_TICKS == 0:
                await self._take_interval()
                if not mass.is_settled:
                    settle_garbage()

    async def _take_interval(self) -> None:
        """End the running interval: into the stage's histograms and, by a thread, the log."""
        began_s, self._interval_began_s = self._interval_began_s, trio.current_time()
        clock = self._clock
        taken = self.recorder.latencies.take_interval(
            clock.wall_s(began_s), clock.wall_s(self._interval_began_s)
        )
        self._stage_histograms.add(taken)
        if taken:
            async with self._writing:
                await trio.to_thread.run_sync(self._folder.hlog.write, taken)

    def _progress(self, mass: Mass) -> Progress:
        at_s = trio.current_time()
        recorder = self.recorder
        counters = recorder.counters
        evidence = self._health.evidence(at_s)
        rates = (counters.frames_sent, counters.frames_received)
        return Progress(
            elapsed_s=at_s - self._began_s,
            stage=self._stage_name,
            stage_left_s=max(0.0, self._stage_ends_s - at_s),
            chargers=mass.size,
            wanted=mass.wish.target,
            connected=counters.connect.connected,
            booted=len(recorder.booted),
            transactions=recorder.ledger.still_open,
            calls=recorder.latencies.count(),
            frames_per_s=sum(rate.current(at_s) for rate in rates),
            problems=recorder.problems_total,
            loop_lag_p99_ms=evidence.loop_lag_p99_ms,
            response_p99_ms=recorder.latencies.summary_ms()["p99"],
        )

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    async def _books_of(self, csms: EmbeddedCsms | None) -> dict[str, Any] | None:
        if csms is None or self._target_lost is not None or self._aborted:
            return None
        try:
            return await csms.ledger()
        except CsmsFailed as failure:
            self._target_lost = str(failure)
            return None

    def _conclude(self, csms_books: dict[str, Any] | None) -> Finished:
        scenario, recorder = self._scenario, self.recorder
        fleet_books = recorder.ledger.snapshot()
        summary = measure(
            scenario,
            recorder,
            self._health,
            at_s=self._ended_s,
            load_s=self._ended_s - self._began_s,
            target=self._target,
            stages=self._stages,
        )
        checks = None
        if not self._aborted:
            identities = [plan.identity for plan in self._plans]
            checks = audit(
                fleet_books,
                csms_books,
                identities=len(identities),
                unique=len(set(identities)),
            )
        thresholds = evaluate(scenario.thresholds, msgspec.to_builtins(summary))
        verdict = verdict_of(
            thresholds=thresholds,
            checks=checks,
            generator=judge(self._health.evidence(self._ended_s)),
            interrupted=self._interrupted,
            target_lost=self._target_lost,
        )
        summary["thresholds"] = thresholds
        summary["ledger"] = {
            "balanced": None if checks is None else all(check.holds for check in checks),
            "checks": checks or [],
            "fleet": fleet_books,
            "csms": csms_books,
        }
        summary["verdict"] = verdict
        return Finished(_ordered(summary), verdict, checks or [])


def _described(stage: Stage) -> str:
    match stage:
        case Ramp(to=to, over_s=over_s, mode=mode):
            return f"ramp to {to} {mode} over {over_s:g} s"
        case Hold(for_s=for_s):
            return f"hold {for_s:g} s"
        case Stop(over_s=over_s):
            return f"stop over {over_s:g} s"


_FIRST: Final = ("schema", "scenario", "seed", "target", "verdict", "thresholds", "load_s")


def _ordered(summary: dict[str, Any]) -> dict[str, Any]:
    """Verdict first: the file is read by people, too."""
    return {**{key: summary[key] for key in _FIRST}, **summary}
