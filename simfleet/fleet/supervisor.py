"""Keeps chargers alive: one task each, in batches, restarted after a crash, never taken down
together.

A crash is a bug of ours. It is contained to its charger, counted, kept with its traceback, and the
charger is made anew from its plan after a pause with full jitter; meanwhile a `Vacancy` takes its
orders. Everything else that can happen to a charger is the actor's own business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from simfleet.fleet.actor import Charger
from simfleet.fleet.backoff import CALM_S, crash_pause_s
from simfleet.fleet.orders import Away, Leave, Mode, Redial, Surroundings
from simfleet.station.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.clock import WallClock
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.station.events import Event

BATCH_CHARGERS: Final = 250
"""Chargers under one nursery."""


class Vacancy:
    """The place of a charger that has crashed: takes orders, no events."""

    __slots__ = ("_leave", "_waiting", "wished")

    online = False

    def __init__(self, wished: Mode) -> None:
        self.wished = wished
        self._leave: Leave | None = None
        self._waiting: trio.CancelScope | None = None

    def post(self, mail: Event | Mode | Leave | Redial | Away) -> bool:
        """See `Charger.post`. An event finds nobody: False."""
        if isinstance(mail, Mode):
            self.wished, self._leave = mail, None
        elif isinstance(mail, Leave):
            self._leave = mail
            if self._waiting is not None:
                self._waiting.cancel()
        else:
            return False
        return True

    @property
    def leaving(self) -> bool:
        """Whether the next charger here has been told to go before it came."""
        return self._leave is not None

    async def last(self, pause_s: float) -> None:
        """Wait until the place is to be filled again, or nobody is wanted in it any more."""
        with trio.move_on_after(pause_s) as self._waiting:
            await trio.sleep_forever()


class Supervisor:
    """Runs chargers inside `run`; `start` puts one in. `chargers` holds the living, by identity."""

    def __init__(
        self,
        surroundings: Surroundings,
        clock: WallClock,
        *,
        batch_chargers: int = BATCH_CHARGERS,
        make: Callable[[ChargerPlan, Mode], Charger] | None = None,
        registers_wh: dict[str, tuple[float, ...]] | None = None,
    ) -> None:
        """`registers_wh` is kept up to date: one supervisor after another may be given it."""
        self._surroundings = surroundings
        self._clock = clock
        self._batch_chargers = batch_chargers
        self._make = make or self._build
        self._nursery: trio.Nursery | None = None
        self._batch: trio.Nursery | None = None
        self._batch_full = trio.Event()
        self._room = 0
        self._emptied = trio.Event()
        self._registers_wh = {} if registers_wh is None else registers_wh
        """Of chargers that have gone: a meter that comes back goes on where it was."""
        self.chargers: dict[str, Charger | Vacancy] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Supervise until cancelled; then every charger is cut off at once."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            await nursery.start(self._surroundings.clockwork.run)
            await nursery.start(self._surroundings.errands.run)
            task_status.started()
            await trio.sleep_forever()

    async def start(self, plan: ChargerPlan, mode: Mode) -> None:
        """Bring a charger to life. ValueError when one of that identity lives."""
        if self._batch is None:
            assert self._nursery is not None, "start() needs run()"
            self._batch_full = trio.Event()
            self._batch = await self._nursery.start(self._run_batch, self._batch_full)
            self._room = self._batch_chargers
        if plan.identity in self.chargers:
            raise ValueError(f"a charger called {plan.identity!r} is alive already")
        place = self._fill(plan, mode)
        self._batch.start_soon(self._supervise, plan, place, name=f"charger:{plan.identity}")
        self._room -= 1
        if self._room == 0:
            self._batch = None
            self._batch_full.set()

    async def wait_empty(self) -> None:
        """Wait until no charger is left."""
        while self.chargers:
            if self._emptied.is_set():
                self._emptied = trio.Event()
            await self._emptied.wait()

    def _build(self, plan: ChargerPlan, mode: Mode) -> Charger:
        station = plan.build(
            wall_offset_s=self._clock.wall_s(0.0),
            registers_wh=self._registers_wh.get(plan.identity, ()),
        )
        return Charger(station, self._surroundings, mode=mode)

    @staticmethod
    async def _run_batch(full: trio.Event, *, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        """Hold a batch until it is full and its last charger has gone."""
        async with trio.open_nursery() as nursery:
            task_status.started(nursery)
            await full.wait()

    def _fill(self, plan: ChargerPlan, mode: Mode) -> Charger | Vacancy:
        """Make a charger. When that fails, it is a crash like any other."""
        try:
            place: Charger | Vacancy = self._make(plan, mode)
        except Exception as error:
            self._surroundings.recorder.crashed(plan.identity, error, at_s=trio.current_time())
            place = Vacancy(mode)
        self.chargers[plan.identity] = place
        return place

    async def _supervise(self, plan: ChargerPlan, place: Charger | Vacancy) -> None:
        recorder, identity = self._surroundings.recorder, plan.identity
        crashes = 0
        try:
            while True:
                began_s = trio.current_time()
                if isinstance(place, Charger):
                    try:
                        return await place.run()
                    except Exception as error:
                        recorder.crashed(identity, error, at_s=trio.current_time())
                    finally:
                        self._surroundings.errands.forget(place)
                        recorder.departed(place.station)
                        self._registers_wh[identity] = tuple(
                            connector.meter.energy_wh for connector in place.station.connectors
                        )
                if place.leaving:
                    return
                crashes = 1 if trio.current_time() - began_s > CALM_S else crashes + 1
                chance = Chance.of(f"{plan.seed}:crash:{crashes}", plan.index)
                vacancy = self.chargers[identity] = Vacancy(place.wished)
                await vacancy.last(crash_pause_s(crashes, chance))
                if vacancy.leaving:
                    return
                place = self._fill(plan, vacancy.wished)
        finally:
            del self.chargers[identity]
            if not self.chargers:
                self._emptied.set()
