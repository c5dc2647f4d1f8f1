"""Ramp, hold and stop; and how a fleet is brought home that the stages left running."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from simfleet.fleet.orders import Mode

if TYPE_CHECKING:
    from simfleet.load.schema1 import Hold, Ramp, Stop
    from simfleet.load.stages.engine import Engine

RAMP_GRACE_S: Final = 60.0
"""How long a ramp waits, beyond its time, for its last chargers to be registered."""
STOPS_PER_S: Final = 500.0
"""Pace of a stop that the scenario does not describe (Ctrl-C, no final stop stage): no storm."""
LEAVE_GRACE_S: Final = 90.0
"""How long a stop waits for the last charger; those that do not leave by then are cut off."""


async def ramp(stage: Ramp, engine: Engine) -> None:
    """Bring the fleet to a size, and wait for the last of it."""
    async with engine.staged("ramp", stage.described(), stage.over_s, name=stage.name):
        await bring_to(engine, stage.to, Mode(stage.mode), over_s=stage.over_s)


async def hold(stage: Hold, engine: Engine) -> None:
    """Let time pass."""
    async with engine.staged("hold", stage.described(), stage.for_s, name=stage.name) as clock:
        await clock.until_end()


async def stop(stage: Stop, engine: Engine) -> None:
    """Send everybody home."""
    async with engine.staged("stop", stage.described(), stage.over_s, name=stage.name):
        await send_home(engine, over_s=stage.over_s)


async def bring_home(engine: Engine) -> None:
    """Stop what the stages left running: paced, every transaction once."""
    engine.stages_over = True
    engine.resume()
    chargers = len(engine.supervisor.chargers)
    if not chargers:
        return
    over_s = chargers / STOPS_PER_S
    async with engine.staged("stop", f"stop the last {chargers} chargers", over_s):
        if engine.interrupted is not None:
            what = "aborted" if engine.aborted else "interrupted"
            engine.stage_label = f"{what}, stopping {chargers}; again cuts them off"
        await send_home(engine, over_s=over_s)


async def bring_to(engine: Engine, to: int, mode: Mode, *, over_s: float | None) -> None:
    """Bring the fleet to a size and mode within the stage's time, and wait for the last of it.

    `over_s` None: as fast as it goes.
    """
    engine.mass.apply(to, mode, over_s=over_s)
    await engine.mass.settled()
    await engine.stage.until_end()
    if mode is not Mode.IDLE:
        await _until_up(engine, to)
        engine.recorder.counters.connect.watch_min(True)


async def send_home(engine: Engine, *, over_s: float) -> None:
    """Have everybody leave, and wait for the last one within reason."""
    engine.recorder.counters.connect.watch_min(False)
    engine.mass.apply(0, engine.mass.wish.mode, over_s=over_s)
    await engine.mass.settled()
    with trio.move_on_after(LEAVE_GRACE_S):
        await engine.supervisor.wait_empty()


async def _until_up(engine: Engine, wanted: int) -> None:
    """Wait for the last chargers of a ramp, within reason."""
    connect, booted = engine.recorder.counters.connect, engine.recorder.booted
    with trio.move_on_after(RAMP_GRACE_S):
        # A count of 10,000 needs no event for each.
        while engine.mass.wish.mode is not Mode.IDLE:
            now_wanted = min(wanted, engine.mass.wish.target)  # a live wish wins
            if connect.connected >= now_wanted and len(booted) >= now_wanted:
                return
            await trio.sleep(0.05)
