"""Keeps chargers alive: one task each, in batches, restarted after a crash, never taken down
together.

A crash is a bug of ours. It is contained to its charger, counted, kept with its traceback, and the
charger is made anew from its plan after a pause with full jitter. Everything else that can happen
to a charger is the actor's own business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from simfleet.fleet.actor import Charger, Mode, Surroundings
from simfleet.fleet.backoff import CALM_S, pause_s
from simfleet.station.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.clock import WallClock
    from simfleet.fleet.plan import ChargerPlan

BATCH_CHARGERS: Final = 250
"""Chargers under one nursery."""


class Supervisor:
    """Runs chargers inside `run`; `start` puts one in. `chargers` holds the living, by identity."""

    def __init__(
        self,
        surroundings: Surroundings,
        clock: WallClock,
        *,
        batch_chargers: int = BATCH_CHARGERS,
        make: Callable[[ChargerPlan, Mode], Charger] | None = None,
    ) -> None:
        self._surroundings = surroundings
        self._clock = clock
        self._batch_chargers = batch_chargers
        self._make = make or self._build
        self._nursery: trio.Nursery | None = None
        self._batch: trio.Nursery | None = None
        self._room = 0
        self._emptied = trio.Event()
        self.chargers: dict[str, Charger] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Supervise until cancelled; then every charger is cut off at once."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    async def start(self, plan: ChargerPlan, mode: Mode) -> None:
        """Bring a charger to life. ValueError when one of that identity lives."""
        if plan.identity in self.chargers:
            raise ValueError(f"a charger called {plan.identity!r} is alive already")
        if self._batch is None or self._room == 0:
            assert self._nursery is not None, "start() needs run()"
            self._batch = await self._nursery.start(self._run_batch)
            self._room = self._batch_chargers
        self._room -= 1
        self.chargers[plan.identity] = charger = self._make(plan, mode)
        self._batch.start_soon(self._supervise, plan, charger, name=f"charger:{plan.identity}")

    async def wait_empty(self) -> None:
        """Wait until no charger is left."""
        while self.chargers:
            self._emptied = trio.Event()
            await self._emptied.wait()

    def _build(self, plan: ChargerPlan, mode: Mode) -> Charger:
        station = plan.build(wall_offset_s=self._clock.wall_s(0.0))
        return Charger(station, self._surroundings, mode=mode)

    @staticmethod
    async def _run_batch(*, task_status: trio.TaskStatus[trio.Nursery]) -> None:
        async with trio.open_nursery() as nursery:
            task_status.started(nursery)
            await trio.sleep_forever()

    async def _supervise(self, plan: ChargerPlan, charger: Charger) -> None:
        recorder = self._surroundings.recorder
        crashes = 0
        chance = None
        try:
            while True:
                began_s = trio.current_time()
                try:
                    await charger.run()
                except Exception as error:
                    at_s = trio.current_time()
                    recorder.crashed(plan.identity, error, at_s=at_s)
                else:
                    return
                crashes = 1 if at_s - began_s > CALM_S else crashes + 1
                if charger.leaving:
                    return
                chance = chance or Chance.of(f"{plan.seed}:crash", plan.index)
                await trio.sleep(pause_s(crashes, chance))
                recorder.departed(charger.station)
                charger = self.chargers[plan.identity] = self._make(plan, charger.mode)
        finally:
            recorder.departed(charger.station)
            del self.chargers[plan.identity]
            if not self.chargers:
                self._emptied.set()
