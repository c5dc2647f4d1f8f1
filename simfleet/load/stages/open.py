"""Sessions that arrive at a rate: see `arrivals`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from simfleet.load.arrivals import Arrivals
from simfleet.load.places import Places

if TYPE_CHECKING:
    from simfleet.load.open_fields import Sessions
    from simfleet.load.stages.engine import Engine
    from simfleet.load.stages.stage_clock import StageClock
    from simfleet.station.effects import DriverMoved


async def sessions(stage: Sessions, engine: Engine) -> None:
    """Have drivers come as long as the stage lasts. Who is there at its end stays as long as it
    takes.
    """
    planned_s = stage.for_s
    async with engine.staged("sessions", stage.described(), planned_s, name=stage.name) as clock:
        await receive(stage, engine, clock)


async def receive(stage: Sessions, engine: Engine, clock: StageClock) -> None:
    """Have drivers come as the stage says, as long as the clock runs."""
    scenario, book = engine.scenario, engine.guests
    if engine.recorder.on_driver is None:
        engine.tellers.append(lambda: {"arrivals": book.figures()})
        book.late = engine.recorder.late

    def moved(identity: str, effect: DriverMoved) -> None:
        book.moved(effect)
        if effect.what != "charging" and engine.arrivals is not None:
            engine.arrivals.freed(identity, effect.connector_id)

    engine.recorder.on_driver = moved
    since_s = trio.current_time() - engine.timeline.began_s
    engine.arrivals = Arrivals(
        stage,
        clock,
        Places(engine.plans, engine.mass, engine.supervisor),
        book,
        curve=stage.curve or scenario.curve,
        label=f"{scenario.seed}:sessions:{engine.stage_number}",
        day_s=scenario.start_at_s + since_s,
    )
    try:
        await engine.arrivals.run()
    finally:
        engine.arrivals = None
