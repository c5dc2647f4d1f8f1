"""The embedded CSMS behaves badly while a stage lasts, and well again afterwards."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

from simfleet.csms.behaviour import GOOD
from simfleet.errors import CsmsFailed
from simfleet.station.events import FailuresExcused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simfleet.load.csms_fields import StageCsms
    from simfleet.load.stages.engine import Engine

MEND_TIMEOUT_S: Final = 5.0


@asynccontextmanager
async def behaving(told: StageCsms | None, engine: Engine) -> AsyncIterator[None]:
    """Have the CSMS do as a stage says, while inside.

    What fails meanwhile is excused in the books, as what faults on purpose do is.
    """
    csms = engine.csms
    if told is None or csms is None:
        yield
        return
    excused: set[str] = set()

    def excuse(identity: str) -> None:
        charger = engine.supervisor.chargers.get(identity)
        if charger is not None and charger.post(FailuresExcused(True)):
            excused.add(identity)

    mass = engine.mass
    before = mass.on_arrival

    def arrived(identity: str) -> None:
        if before is not None:
            before(identity)
        engine.network.books.mark((identity,))
        excuse(identity)

    for identity in list(engine.supervisor.chargers):
        excuse(identity)
    engine.network.books.mark(excused)
    engine.annotations.add("fault", told.described(), at_s=trio.current_time())
    mass.on_arrival = arrived
    try:
        await csms.behave(told.behaviour(engine.scenario.seed))
        if told.freeze_s is not None:
            await csms.freeze(told.freeze_s)
        yield
    finally:
        mass.on_arrival = before
        with trio.CancelScope(shield=True, deadline=trio.current_time() + MEND_TIMEOUT_S):
            try:
                await csms.behave(GOOD)
            except CsmsFailed as failed:
                engine.note("", "csms", f"it goes on behaving badly: {failed}")
        for identity in excused:
            charger = engine.supervisor.chargers.get(identity)
            if charger is not None:
                charger.post(FailuresExcused(False))
