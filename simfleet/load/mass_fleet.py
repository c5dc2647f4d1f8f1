"""One mass fleet from its first charger to its last: the task tree behind `MassService`.

    health        is the generator keeping up?
    supervisor    the charger tasks, in batches
    reconcile     brings the fleet to the size and mode that were last applied
    ticker        once a second: garbage that has settled
    mover         to another CSMS, batch by batch
    until over    the end: with the last charger, or when time is up

Wishes come from outside, by `apply`, and never wait.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

import trio
from msgspec.structs import replace

from simfleet.fleet.garbage import calm_garbage, sweep_garbage
from simfleet.fleet.mass import DRAIN_MAX_S, Mass
from simfleet.fleet.orders import Mode, Redial, Surroundings
from simfleet.fleet.plan import ChargerPlan
from simfleet.fleet.recorder import Recorder
from simfleet.fleet.supervisor import Supervisor
from simfleet.load.links import link_options
from simfleet.load.mass_figures import Costly, ErrorRing, MassStats, naive_iso
from simfleet.load.runner import HANDSHAKES_MAX
from simfleet.load.schema1 import Target
from simfleet.load.stage_faults import chosen
from simfleet.models.model import merged
from simfleet.observe.health import Health
from simfleet.ocpp.versions import number_of
from simfleet.station.configuration import for_station
from simfleet.station.events import FaultInjected, FaultRemoved
from simfleet.station.meter import ElectricalSpec
from simfleet.station.spec import StationSpec
from simfleet.station.vehicle import vehicles_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.clock import WallClock
    from simfleet.link.link import Dialer
    from simfleet.load.generator import Hold
    from simfleet.models.model import ChargerModel
    from simfleet.observe.hub import Hub
    from simfleet.ocpp.versions import Version
    from simfleet.station.events import Event
    from simfleet.station.fault_kinds import Fault

TARGET_MAX: Final = 10_000
"""Mass chargers; one event loop's worth."""
IDENTITY_PATTERN: Final = re.compile(r"MASS[0-9]{6}")
"""Identities of mass chargers, and of nobody else."""
MAX_POWER_W: Final = 22_000.0
SAMPLE_INTERVAL_S: Final = 10
"""MeterValueSampleInterval that mass chargers come with: they are there to make load."""
BATCH_PERIOD_S: Final = 1.0
"""One batch (the setting `mass_batch_size`) is started, changed or sent away in this time."""
STOPS_PER_S: Final = 500.0
"""At least so fast is a whole fleet stopped, however small the batches."""
STOP_DRAIN_S: Final = 30.0
"""How long a charger of a stopped fleet may take to tell the CSMS what is owed to it."""
STOP_GRACE_S: Final = 10.0
"""Beyond that, for handshakes under way and closing sockets; then the fleet is cut off."""
TICK_S: Final = 1.0
COSTLY_EVERY_S: Final = 1.0
"""Percentiles are found anew at most so often: finding them holds the event loop up."""


class MassSettings(Protocol):
    """What a mass fleet takes from its user's settings; the registry's `UserSettings` has it."""

    @property
    def ocpp_backend_url(self) -> str:
        """Where the chargers connect; an identity is appended to it."""

    @property
    def rfid_card_id(self) -> str:
        """The tag of all drivers."""

    @property
    def heartbeat_interval(self) -> int:
        """Seconds, where the CSMS names none."""

    @property
    def mass_batch_size(self) -> int:
        """Chargers per `BATCH_PERIOD_S`."""


def mass_plans(
    settings: MassSettings, model: ChargerModel | None = None, *, version: Version = "ocpp1.6"
) -> list[ChargerPlan]:
    """All the chargers that a mass fleet can have: MASS000001 and on, of a model, or AC with 22 kW.

    A model's own intervals count, where it has any.
    """
    configuration = {
        "HeartbeatInterval": str(settings.heartbeat_interval),
        "MeterValueSampleInterval": str(SAMPLE_INTERVAL_S),
    }
    if model is None:
        electrical = ElectricalSpec.of("AC", max_power_w=MAX_POWER_W)
        spec = StationSpec(electrical=electrical, vehicles=vehicles_for("AC"), version=version)
        factory = for_station(1, configuration, kind="AC", version=version).factory
    else:
        spec = replace(model.spec(), version=version)
        factory = model.factory(
            configuration=merged(configuration, model.settings), version=version
        )
    id_tag = settings.rfid_card_id or None
    return [
        ChargerPlan(f"MASS{n + 1:06}", n, 0, "mass", spec, factory, id_tag)
        for n in range(TARGET_MAX)
    ]


class MassFleet:
    """A fleet of one user. `run` it once; `apply` may be called from before until it is over."""

    def __init__(
        self,
        plans: Sequence[ChargerPlan],
        settings: MassSettings,
        *,
        hold: Hold,
        errors: ErrorRing,
        hub: Hub,
        clock: WallClock,
        dial: Dialer,
        registers_wh: dict[str, tuple[float, ...]],
        model: str = "",
        version: Version = "ocpp1.6",
    ) -> None:
        at_s = trio.current_time()
        self.hold = hold
        self.model = model
        """What its chargers are; "": SimFleet's own."""
        self.version = version
        self.gone = trio.Event()
        """The last charger has gone, and nothing of the fleet runs any more."""
        self.cut_off = False
        """Time is up: nobody is called back any more."""
        self._clock = clock
        self._started_wall_s = clock.wall_s(at_s)
        self._errors = errors
        self._health = Health(at_s)
        self._recorder = Recorder(clock, hub=hub, schedule_lag=self._health.schedule_lag)
        self._recorder.on_problem = errors.add
        url = settings.ocpp_backend_url
        self._surroundings = Surroundings(
            dial,
            url,
            link_options(Target(url=url)),
            trio.Semaphore(HANDSHAKES_MAX),
            self._recorder,
        )
        self._supervisor = Supervisor(self._surroundings, clock, registers_wh=registers_wh)
        self._plans = plans
        self._faults_given = 0
        self._mass = Mass(plans, self._supervisor)
        self._wished = trio.Event()
        self._directed = trio.Event()
        self._batch = settings.mass_batch_size
        self._over_by_s = float("inf")
        self._ending: trio.CancelScope | None = None
        self._costly = Costly()
        self._costly_at_s = -COSTLY_EVERY_S

    # ── for the service ─────────────────────────────────────────────────────────────────────────

    def apply(self, target: int, mode: Mode, *, batch: int) -> None:
        """Wish for `target` chargers in `mode`, `batch` of them a second; 0 ends the fleet."""
        if not (target or self.target):
            return  # it is on its way out, and gets no more time for being asked again
        at_s = trio.current_time()
        self._batch = batch
        steps = self._mass.steps_to(target, mode)
        if target:
            over_s = steps / batch * BATCH_PERIOD_S
            self._mass.apply(target, mode, over_s=over_s, drain_s=DRAIN_MAX_S)
            self._over_by_s = float("inf")
        else:
            over_s = steps / max(batch / BATCH_PERIOD_S, STOPS_PER_S)
            self._mass.apply(0, self._mass.wish.mode, over_s=over_s, drain_s=STOP_DRAIN_S)
            self._over_by_s = at_s + over_s + STOP_DRAIN_S + STOP_GRACE_S
        self._wished.set()
        self._wished = trio.Event()
        if self._ending is not None:
            self._ending.cancel()

    def direct(self, url: str) -> None:
        """Move to the CSMS at `url`, if that is another one."""
        if url != self._surroundings.url:
            self._surroundings.options = link_options(Target(url=url))
            self._surroundings.url = url
            self._directed.set()

    def add_fault(self, fault: Fault, *, share: float) -> int:
        """Have a share of the chargers that there are do something wrong on purpose; how many."""
        self._faults_given += 1
        there = self._plans[: self._mass.size]
        found = chosen(there, share, seed=0, place=f"mass:{self._faults_given}")
        return self._tell([plan.identity for plan in found], FaultInjected(fault))

    def remove_faults(self, kind: str | None) -> int:
        """Have them all do right again, as to one kind of faults or to all; how many were told."""
        return self._tell(list(self._supervisor.chargers), FaultRemoved(kind))

    def _tell(self, identities: Sequence[str], event: Event) -> int:
        chargers = (self._supervisor.chargers.get(identity) for identity in identities)
        return sum(charger.post(event) for charger in chargers if charger is not None)

    def end_by(self, at_s: float) -> None:
        """A stopped fleet has no more time than until `at_s`."""
        self._over_by_s = min(self._over_by_s, at_s)
        if self._ending is not None:
            self._ending.deadline = self._over_by_s

    @property
    def target(self) -> int:
        """How many chargers are wished for."""
        return self._mass.wish.target

    def stats(self) -> MassStats:
        """The figures at this moment."""
        at_s = trio.current_time()
        recorder, wish = self._recorder, self._mass.wish
        counters = recorder.counters
        sent, received = (
            rate.current(at_s) for rate in (counters.frames_sent, counters.frames_received)
        )
        costly = self._costly_figures(at_s)
        return MassStats(
            connected=counters.connect.connected,
            charging=recorder.ledger.still_open,
            errors=self._errors.total,
            messages=counters.frames_sent.total + counters.frames_received.total,
            target=wish.target,
            mode=wish.mode,
            chargers=self._mass.size,
            leaving=len(self._supervisor.chargers) - self._mass.size,
            booted=len(recorder.booted),
            sessions=recorder.ledger.opened,
            energy_kwh=round(recorder.ledger.energy_wh / 1000, 3),
            messages_per_s=sent + received,
            sent_per_s=sent,
            received_per_s=received,
            connects_per_s=counters.connect.opened.current(at_s),
            latency_ms=costly.latency_ms,
            actions=costly.actions,
            generator=costly.generator,
            injected=counters.injected.snapshot(),
            ocpp_version=number_of(self.version),
            backend_url=self._surroundings.url,
            started_at=naive_iso(self._started_wall_s),
        )

    def last_stats(self) -> MassStats:
        """The figures of a fleet that is over, as they stay."""
        self._costly_at_s = -COSTLY_EVERY_S
        return self.stats()

    def _costly_figures(self, at_s: float) -> Costly:
        if at_s - self._costly_at_s >= COSTLY_EVERY_S:
            self._costly_at_s = at_s
            self._costly = Costly.of(self._recorder, self._health, at_s)
        return self._costly

    # ── the tree ────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Live until nobody is wished for and nobody is left, or until time is up."""
        with self._health, calm_garbage():
            async with trio.open_nursery() as nursery:
                await nursery.start(self._health.run)
                await nursery.start(self._supervisor.run)
                await nursery.start(self._mass.reconcile)
                nursery.start_soon(self._tick)
                nursery.start_soon(self._move)
                nursery.start_soon(sweep_garbage)
                self._health.begin_load(trio.current_time())
                try:
                    await self._until_over()
                finally:
                    self._health.end_load(trio.current_time())
                nursery.cancel_scope.cancel()

    def crashed(self, error: BaseException) -> None:
        """A bug of ours ended the whole fleet: it is in the errors, with its traceback counted."""
        self._recorder.crashed("", error, at_s=trio.current_time())

    async def _tick(self) -> None:
        due_s = trio.current_time()
        was_settled = False
        while True:
            due_s += TICK_S
            await trio.sleep_until(due_s)
            settled = self._mass.is_settled
            if settled is not was_settled:  # a ramp says nothing about the load after it
                self._health.begin_load(trio.current_time())
            was_settled = settled

    async def _move(self) -> None:
        """Have everybody connect again whenever the CSMS has changed; anew if it changes again."""
        while True:
            await self._directed.wait()
            self._directed = trio.Event()
            moving = list(self._supervisor.chargers.values())
            for number, charger in enumerate(moving, start=1):
                charger.post(Redial())
                if number % self._batch == 0:
                    with trio.move_on_after(BATCH_PERIOD_S):
                        await self._directed.wait()
                if self._directed.is_set():
                    break

    async def _until_over(self) -> None:
        while not self._is_over():
            if self.target:
                await self._wished.wait()
                continue
            with trio.CancelScope(deadline=self._over_by_s) as self._ending:
                await self._mass.settled()
                await self._supervisor.wait_empty()
            self._ending = None
        self.cut_off = True

    def _is_over(self) -> bool:
        if self.target:
            return False
        nobody_left = self._mass.is_settled and not self._supervisor.chargers
        return nobody_left or trio.current_time() >= self._over_by_s
