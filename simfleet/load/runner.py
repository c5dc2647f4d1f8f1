"""A load run from its first preflight to its verdict: the task tree of `simfleet run`.

    signals           Ctrl-C: stop in order; twice: at once (not in a service, which has `stop`)
      target          the embedded CSMS in its own process, or nothing
        health        is the generator keeping up?
        supervisor    10,000 charger tasks in batches
        reconcile     brings the fleet to the size and mode the stages wish for
        ticker        once a second: interval histograms, progress
        commander     sends what the scenario has the embedded CSMS send
        companions    exporters, the keyboard, a watch on thresholds: whatever goes along
        stages        one after the other

Leaving goes from the inside out. However the stages ended, the fleet is stopped first, paced, every
transaction once; only then are the books compared and the verdict given.
"""

from __future__ import annotations

import itertools
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import trio

from simfleet.clock import WallClock
from simfleet.errors import CsmsFailed, TargetUnreachable
from simfleet.fleet.garbage import calm_garbage, sweep_garbage
from simfleet.fleet.mass import Mass
from simfleet.fleet.orders import Surroundings
from simfleet.fleet.recorder import Recorder
from simfleet.fleet.supervisor import Supervisor
from simfleet.load import preflight
from simfleet.load.annotations import Annotations
from simfleet.load.commander import Commander, commander_of
from simfleet.load.conclusion import Course, Finished, conclude, redacted
from simfleet.load.fleet_plans import plans_of
from simfleet.load.judge import Judge
from simfleet.load.links import link_options
from simfleet.load.live.control import live_figures
from simfleet.load.live.glance import Glance
from simfleet.load.network import Network
from simfleet.load.results.recording import RunTables
from simfleet.load.results.schedule import Schedule
from simfleet.load.secrets import clean_error
from simfleet.load.security import as_charger, ensure_credentials, passwords_of
from simfleet.load.stage_csms import behaving
from simfleet.load.stage_faults import StageFaults
from simfleet.load.stages.engine import Engine, told
from simfleet.load.stages.plain import bring_home
from simfleet.load.stages.table import carry_out
from simfleet.load.summary import most_wanted
from simfleet.load.timeline import Timeline
from simfleet.load.uploads import RunFiles
from simfleet.load.world import REAL, Stopwatch
from simfleet.observe.health import Health
from simfleet.observe.hub import Hub
from simfleet.ocpp.versions import catalog_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from simfleet.csms.embedded import EmbeddedCsms
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.link.link import Dialer, LinkOptions
    from simfleet.load.progress import Progress
    from simfleet.load.run_folder import RunFolder
    from simfleet.load.schema1 import Scenario
    from simfleet.load.stages.engine import Companion
    from simfleet.load.world import World

HANDSHAKES_MAX: Final = 200
"""Connections being opened at the same time; more only queue in the CSMS's backlog."""


class Runner:
    """One run of one scenario. `watch` is called with the progress, once a second.

    `plans` are those of the scenario, for a caller that has made them already, in a thread. Run it
    with the clock of its `world`; `dial` replaces that world's dialer.
    """

    def __init__(
        self,
        scenario: Scenario,
        folder: RunFolder,
        *,
        watch: Callable[[Progress], None],
        dial: Dialer | None = None,
        plans: Sequence[ChargerPlan] | None = None,
        companions: Sequence[Companion] = (),
        world: World = REAL,
    ) -> None:
        self._scenario = scenario
        self._folder = folder
        folder.redactor = scenario.written.redactor
        self._watch = watch
        self._world = world
        self._dial = world.dial if dial is None else dial
        self._plans = plans_of(scenario) if plans is None else plans
        self._target = most_wanted(scenario)
        at_s = trio.current_time()
        self._clock = WallClock(at_s, wall_s=world.wall_s)
        self._health = Health(at_s, speed=world.scale, virtual=world.kind == "virtual")
        self.recorder = Recorder(
            self._clock,
            hub=Hub(self._clock),
            schedule_lag=self._health.schedule_lag,
            speed=world.scale,
        )
        self.recorder.on_problem = folder.problem
        self.recorder.divide({plan.identity: plan.slice_name for plan in self._plans})
        self.recorder.counters.connect.wanted = max(1, self._target)
        self._timeline = Timeline(
            self.recorder.latencies, self._clock, write=folder.intervals, at_s=at_s
        )
        tables = RunTables(folder, inline=world.kind == "virtual")
        self._companions: Sequence[Companion] = (tables, *companions)
        self._stopwatch = Stopwatch(world)
        if not world.measures:
            self._companions = (*self._companions, Schedule(folder))
        self._annotations = Annotations(at_s)
        self.engine: Engine | None = None
        """The run at work, once its load has begun."""
        self._course = Course()
        self._judge = Judge(scenario)
        self._stages = trio.CancelScope()
        self._everything = trio.CancelScope()

    # ── the tree ────────────────────────────────────────────────────────────────────────────────

    def stop(self, reason: str, *, now: bool = False) -> None:
        """End the stages, or a run that has not begun; `now`, or when asked again, everything.

        `reason` completes "interrupted by ...".
        """
        course = self._course
        if course.interrupted is None:
            course.interrupted = f"interrupted by {reason}"
            if self.engine is not None:
                self.engine.interrupted = course.interrupted
            self._stages.cancel()
            if now or self.engine is None:
                self._cut_off()
        elif not course.cut_off:
            course.interrupted += f", cut off by {reason}"
            self._cut_off()

    def _abort(self, reason: str) -> None:
        """A threshold ends the stages, unless somebody has."""
        engine, course = self.engine, self._course
        if engine is None or course.interrupted is not None or course.aborted is not None:
            return
        course.aborted = f"aborted: {reason}"
        engine.interrupted, engine.aborted = course.aborted, True
        engine.annotations.add("abort", reason, at_s=trio.current_time())
        self._stages.cancel()

    async def run(self, *, heed_signals: bool = True) -> Finished:
        """Run the scenario. Raises `PreflightFailed`, `TargetUnreachable` and `UsageWrong`, all of
        them before any load. Without `heed_signals`, only `stop` ends it early.

        Neither what is returned nor what is raised tells the scenario's secrets.
        """
        redactor = self._scenario.written.redactor
        try:
            return redacted(await self._carry_out(heed_signals=heed_signals), redactor)
        except BaseException as error:
            clean_error(error, redactor)
            raise

    async def _carry_out(self, *, heed_signals: bool) -> Finished:
        if self._world.touches_network:
            preflight.ensure_descriptors(self._target)
            preflight.ensure_ports(self._target)
        ensure_credentials(self._scenario, self._plans)
        options = link_options(self._scenario.target)
        for version in {plan.spec.version for plan in self._plans}:
            catalog_of(version).warm_up()
        refused: TargetUnreachable | None = None
        with _signals(heed_signals) as signals:
            async with trio.open_nursery() as nursery:
                if signals is not None:
                    nursery.start_soon(self._heed_signals, signals)
                try:
                    with self._everything, self._health, calm_garbage():
                        await self._run(options)
                except TargetUnreachable as failure:
                    refused = failure  # raised below, where no nursery wraps it
                nursery.cancel_scope.cancel()
            if refused is not None:
                raise refused
            await self._timeline.take_interval()  # what was answered while all was cut off
            self._judge.close()
            return conclude(
                self._scenario,
                self._plans,
                self.recorder,
                self._health,
                self._timeline,
                self._course,
                self._annotations,
                extra=self._stopwatch.figures()
                | self._judge.figures()
                | told(self.engine)
                | live_figures(self.engine)
                | {
                    name: figures
                    for companion in self._companions
                    for name, figures in companion.figures().items()
                },
                problems_kept=self._folder.problems_kept,
            )

    async def _run(self, options: LinkOptions) -> None:
        async with self._world.reached(self._scenario, self._plans, options) as target:
            target.keyring.passwords = passwords_of(self._plans)
            csms = target.csms
            if self._plans and csms is None:
                first = self._plans[0]
                url, first_options = as_charger(first, target, at_s=trio.current_time())
                await preflight.ensure_target(
                    self._dial,
                    url,
                    identity=first.identity,
                    subprotocol=first.spec.version,
                    options=first_options,
                )
            self._network = Network(self._scenario, self._plans, self.recorder, dial=self._dial)
            surroundings = Surroundings(
                self._network.dial,
                target.url,
                target.options,
                trio.Semaphore(HANDSHAKES_MAX),
                self.recorder,
                keyring=target.keyring,
                clockwork=self._world.clockwork(),
            )
            supervisor = Supervisor(surroundings, self._clock)
            self._network.attach(supervisor)
            with RunFiles() as self._files:
                commander = commander_of(
                    self._scenario,
                    csms,
                    files=self._files,
                    note=self._note_problem,
                    authority=target.authority,
                )
                mass = Mass(self._plans, supervisor)
                try:
                    await self._load(surroundings, supervisor, mass, csms, commander)
                finally:
                    if commander is not None:
                        self._course.commands = commander.figures()
                    self._course.uploads = self._files.figures()
            await self._compare_books(csms)

    def _note_problem(self, identity: str, kind: str, detail: str) -> None:
        self.recorder.note(identity, kind, detail, at_s=trio.current_time())

    async def _load(
        self,
        surroundings: Surroundings,
        supervisor: Supervisor,
        mass: Mass,
        csms: EmbeddedCsms | None,
        commander: Commander | None,
    ) -> None:
        engine = Engine(
            self._scenario,
            self._plans,
            mass=mass,
            supervisor=supervisor,
            surroundings=surroundings,
            recorder=self.recorder,
            health=self._health,
            timeline=self._timeline,
            annotations=self._annotations,
            clock=self._clock,
            csms=csms,
            network=self._network,
            files=self._files,
        )
        self._course.cases = engine.cases
        engine.watchers.append(self._watch)
        engine.end_stages = self._abort
        engine.stop = lambda reason, now: self.stop(reason, now=now)
        async with trio.open_nursery() as nursery:
            await nursery.start(self._health.run)
            await nursery.start(supervisor.run)
            await nursery.start(mass.reconcile)
            await nursery.start(engine.live.run)
            for companion in self._companions:
                await nursery.start(companion.run, engine)
            began_s = trio.current_time()
            self._timeline.begin(began_s)
            self._health.begin_load(began_s)
            self._stopwatch.begin(began_s)
            self._annotations.began_s = began_s
            self.engine = engine
            nursery.start_soon(self._tick, engine)
            nursery.start_soon(self._judge.run, engine)
            nursery.start_soon(sweep_garbage, self._world.sweep_s)
            if csms is not None:
                nursery.start_soon(self._heed_csms, csms)
            if commander is not None:
                nursery.start_soon(commander.run, began_s)
            try:
                with self._stages:
                    await self._run_stages(engine)
                await bring_home(engine)
                if commander is not None:
                    await commander.finish()
            finally:
                self._network.close()
                self._course.wanted = engine.live.wanted
                self._timeline.ended_s = trio.current_time()
                self._health.end_load(self._timeline.ended_s)
                self._stopwatch.end(self._timeline.ended_s)
            nursery.cancel_scope.cancel()

    async def _run_stages(self, engine: Engine) -> None:
        faults = StageFaults(self._plans, seed=self._scenario.seed, note=self._note_problem)
        for number, stage in enumerate(self._scenario.stages):
            with (
                engine.going_on(number),
                faults.during(stage, number, engine.mass, engine.supervisor),
                engine.network.during(stage.network, number, engine.mass, stage.most),
            ):
                async with (
                    self._judge.during(number, stage, engine),
                    behaving(stage.csms, engine),
                ):
                    await carry_out(stage, engine)

    async def _heed_signals(self, signals: AsyncIterator[int]) -> None:
        """The first signal ends the stages, or a run that has not begun; the next everything."""
        async for number in signals:
            again = self._course.interrupted is not None
            self.stop("another signal" if again else signal.Signals(number).name)

    async def _heed_csms(self, csms: EmbeddedCsms) -> None:
        await csms.died.wait()
        self._course.target_lost = csms.failure
        self._cut_off()

    def _cut_off(self) -> None:
        self._course.cut_off = True
        self._everything.cancel()

    # ── once a second ───────────────────────────────────────────────────────────────────────────

    async def _tick(self, engine: Engine) -> None:
        due_s = trio.current_time()
        glance = Glance(engine)
        for number in itertools.count(1):
            due_s += self._world.tick_s
            await trio.sleep_until(due_s)
            progress = glance.progress()
            for watch in engine.watchers:
                watch(progress)
            if number % self._world.interval_ticks == 0:
                await self._timeline.take_interval()

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    async def _compare_books(self, csms: EmbeddedCsms | None) -> None:
        if csms is None:
            self._course.target_lost = self.recorder.outage.described(
                began_s=self._timeline.began_s
            )
            return
        try:
            self._course.csms_books = await csms.ledger()
        except CsmsFailed as failure:
            self._course.target_lost = str(failure)


@contextmanager
def _signals(heeded: bool) -> Iterator[AsyncIterator[int] | None]:
    """The signals that end a run, while inside; None where somebody else heeds them."""
    if not heeded:
        yield None
        return
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        yield signals
