"""How storms are carried out, and how it is seen that everybody is back.

A charger is back when it is connected and accepted on a connection that is younger than what
befell it. Looked at ten times a second, and only at those that are missing.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.fleet.actor import Charger
from simfleet.fleet.orders import Mode
from simfleet.fleet.pacing import even_due_s
from simfleet.load.stage_faults import chosen
from simfleet.load.stages.recovery import curve, recovery
from simfleet.station.events import PowerLost, PowerRestored
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.stages.engine import Engine
    from simfleet.load.stages.stage_clock import StageClock
    from simfleet.load.storm_fields import (
        Blackout,
        BootStorm,
        ReconnectStorm,
        RollingRestart,
        Storm,
    )

LOOK_S: Final = 0.1
"""Between two looks at who is back; what the figures are good to."""
STEPS_BETWEEN: Final = 100
"""Chargers struck in a row before the others may run."""


class Watch:
    """Who was struck when, and who is back."""

    def __init__(self, engine: Engine, is_back: Callable[[Charger, float], bool]) -> None:
        self._engine = engine
        self._is_back = is_back
        self._missing: dict[str, float] = {}
        self.struck = 0
        self.back_s: list[float] = []
        """Seconds from `began_s` until each charger was back."""
        self.began_s = trio.current_time()

    @property
    def complete(self) -> bool:
        """Whether everybody is back who was struck."""
        return not self._missing

    def strike(self, identity: str, at_s: float) -> None:
        """This charger is away from now on."""
        self.struck += 1
        self._missing[identity] = at_s

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await trio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Note who is back since the last look."""
        at_s = trio.current_time()
        chargers = self._engine.supervisor.chargers
        back = [
            identity
            for identity, struck_s in self._missing.items()
            if isinstance(charger := chargers.get(identity), Charger)
            and self._is_back(charger, struck_s)
        ]
        for identity in back:
            del self._missing[identity]
        self.back_s.extend([at_s - self.began_s] * len(back))

    def figures(self) -> dict[str, Any]:
        """See `recovery`."""
        return recovery(self.back_s, self.struck)


def _accepted(charger: Charger, struck_s: float) -> bool:
    station = charger.station
    return (
        station.online
        and struck_s <= charger.opened_s < math.inf
        and station.registration is Registration.ACCEPTED
    )


@asynccontextmanager
async def storming(
    stage: Storm, engine: Engine, is_back: Callable[[Charger, float], bool] = _accepted
) -> AsyncIterator[tuple[StageClock, Watch]]:
    """A storm as a stage of the timeline, watched to its end, however that comes."""
    do = str(stage.__struct_config__.tag)
    detail = stage.described()
    watch = Watch(engine, is_back)
    engine.annotations.add("storm", detail, at_s=watch.began_s, name=stage.name or do)
    async with (
        engine.staged(do, detail, stage.lasts_s, name=stage.name) as clock,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(watch.run)
        with _told(stage, engine, clock, watch, do):
            yield clock, watch
        nursery.cancel_scope.cancel()


@contextmanager
def _told(stage: Storm, engine: Engine, clock: StageClock, watch: Watch, do: str) -> Iterator[None]:
    number = engine.stage_number
    try:
        yield
    finally:
        watch.look()
        figures = watch.figures()
        clock.storm = figures
        points = curve(watch.back_s)
        began_s = round(watch.began_s - engine.timeline.began_s, 3)
        named = {"stage": number, "do": do, "name": stage.name, "began_s": began_s}
        engine.tellers.append(lambda: {"storms": [{**named, **figures, "curve": points}]})
        if figures["missing"]:
            text = f"{figures['missing']} of {figures['chargers']} chargers are not back"
            engine.note("", f"storm:{do}", text)


def _online(engine: Engine, share: float, place: str) -> list[ChargerPlan]:
    """A share of the chargers that are connected now."""
    chargers = engine.supervisor.chargers
    online = [
        plan
        for plan in engine.plans
        if (charger := chargers.get(plan.identity)) is not None
        and charger.online
        and charger.wished is not Mode.IDLE
    ]
    return chosen(online, share, seed=engine.scenario.seed, place=f"storm:{place}")


async def _strike(
    engine: Engine,
    clock: StageClock,
    watch: Watch,
    plans: Sequence[ChargerPlan],
    over_s: float,
    act: Callable[[Charger], object],
) -> None:
    """Let it befall these chargers, evenly over a time."""
    engine.network.books.mark(plan.identity for plan in plans)
    from_s = clock.elapsed_s
    for step, plan in enumerate(plans):
        if over_s:
            await clock.until(from_s + even_due_s(step, count=len(plans), over_s=over_s))
        elif step % STEPS_BETWEEN == 0:
            await trio.lowlevel.checkpoint()
        charger = engine.supervisor.chargers.get(plan.identity)
        if isinstance(charger, Charger):
            watch.strike(plan.identity, trio.current_time())
            act(charger)


async def recovered(clock: StageClock, watch: Watch) -> None:
    """Wait for the last charger, as long as the stage lasts."""
    while clock.left_s > 0 and not (watch.complete and not clock.paused):
        await clock.until(min(clock.planned_s, clock.elapsed_s + LOOK_S))


# ── the storms ──────────────────────────────────────────────────────────────────────────────────


async def boot_storm(stage: BootStorm, engine: Engine) -> None:
    """Power cycles."""

    def cycle(charger: Charger) -> None:
        charger.post(PowerLost())
        charger.post(PowerRestored())

    plans = _online(engine, stage.share, str(engine.stage_number))
    async with storming(stage, engine) as (clock, watch):
        await _strike(engine, clock, watch, plans, stage.over_s, cycle)
        await clock.until_end()


async def reconnect_storm(stage: ReconnectStorm, engine: Engine) -> None:
    """Connections are cut."""
    cut = partial(_cut, at_once=stage.backoff == "none")
    plans = _online(engine, stage.share, str(engine.stage_number))
    async with storming(stage, engine) as (clock, watch):
        await _strike(engine, clock, watch, plans, stage.over_s, cut)
        await clock.until_end()


def _cut(charger: Charger, *, at_once: bool) -> None:
    charger.cut("cut by a storm", at_once=at_once)


async def blackout(stage: Blackout, engine: Engine) -> None:
    """The mains go, and come back. Times count from when they come back."""
    plans = _online(engine, stage.share, str(engine.stage_number))
    async with storming(stage, engine) as (clock, watch):
        await _strike(engine, clock, watch, plans, 0.0, lambda charger: charger.post(PowerLost()))
        try:
            await clock.until(stage.for_s)
        finally:  # nobody is left in the dark, however the stage ends
            watch.began_s = trio.current_time()
            for plan in plans:
                charger = engine.supervisor.chargers.get(plan.identity)
                if isinstance(charger, Charger) and charger.station.dark:
                    charger.post(PowerRestored())
        await recovered(clock, watch)


async def rolling_restart(stage: RollingRestart, engine: Engine) -> None:
    """Group after group."""

    def restart(charger: Charger) -> None:
        if stage.what == "links":
            charger.cut("cut by a rolling restart", at_once=True)
        else:
            charger.post(PowerLost())
            charger.post(PowerRestored())

    parts = in_groups(stage.batch, engine)
    async with storming(stage, engine) as (clock, watch):
        for number, part in enumerate(parts):
            await clock.until(number * stage.every_s)
            await _strike(engine, clock, watch, part, 0.0, restart)
        await recovered(clock, watch)


def in_groups(batch: float, engine: Engine) -> list[list[ChargerPlan]]:
    """The chargers that are connected, in groups of neighbours."""
    plans = _online(engine, 1.0, str(engine.stage_number))
    size = max(1, math.ceil(batch * len(plans) - 1e-9))
    return [plans[at : at + size] for at in range(0, len(plans), size)]
