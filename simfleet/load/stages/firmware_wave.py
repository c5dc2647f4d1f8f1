"""`firmware_wave`: group after group is told to update, by the embedded CSMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from simfleet.csms.orders import Order
from simfleet.errors import CsmsFailed, Refused
from simfleet.fleet.actor import Charger
from simfleet.load.stages.storms import in_groups, recovered, storming
from simfleet.station.firmware_state import new_version, version_of
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.stages.engine import Engine
    from simfleet.load.stages.stage_clock import StageClock
    from simfleet.load.storm_fields import FirmwareWave

UPLOADS: Final = "$uploads"
AGAIN_S: Final = 5.0
"""After so long, chargers of a group that have not begun to update are told again."""


async def firmware_wave(stage: FirmwareWave, engine: Engine) -> None:
    """Groups begin in time, whether those before have answered or not: one charger that is silent
    must not hold up the next group.
    """
    installs = _Installs(engine, stage.location)
    parts = in_groups(stage.batch, engine)
    location = _location(stage, engine, parts)
    async with (
        storming(stage, engine, installs.done) as (clock, watch),
        trio.open_nursery() as telling,
    ):
        for number, part in enumerate(parts):
            await clock.until(number * stage.every_s)
            for plan in part:
                installs.begin(plan.identity)
                watch.strike(plan.identity, trio.current_time())
            request_id = engine.stage_number * 10_000 + number + 1
            telling.start_soon(_tell, engine, clock, installs, part, location, request_id)
        await recovered(clock, watch)
        telling.cancel_scope.cancel()


class _Installs:
    """Which chargers run the new firmware."""

    def __init__(self, engine: Engine, location: str) -> None:
        self._chargers = engine.supervisor.chargers
        self._location = location
        self._before: dict[str, str] = {}
        self._seen: set[str] = set()
        """Chargers that were seen while they updated."""

    def begin(self, identity: str) -> None:
        """This charger is told to update."""
        charger = self._chargers.get(identity)
        if isinstance(charger, Charger):
            self._before[identity] = version_of(charger.station)

    def begun(self, identity: str) -> bool:
        """Whether it has heard of it: it updates, has updated, or has failed to."""
        charger = self._chargers.get(identity)
        if identity in self._seen or not isinstance(charger, Charger):
            return True
        station = charger.station
        if station.firmware is not None and station.firmware.update is not None:
            self._seen.add(identity)
            return True
        return version_of(station) != self._before.get(identity)

    def done(self, charger: Charger, _: float) -> bool:
        """Whether it has booted into the new firmware, and the CSMS has accepted it again."""
        station = charger.station
        before, firmware = self._before.get(station.identity), station.firmware
        if before is None or firmware is None:
            return False
        if firmware.update is not None:
            self._seen.add(station.identity)
            return False
        changed = before != new_version(self._location, before) or station.identity in self._seen
        return (
            changed
            and version_of(station) == new_version(self._location, before)
            and station.online
            and station.registration is Registration.ACCEPTED
        )


def _location(stage: FirmwareWave, engine: Engine, parts: Sequence[Sequence[ChargerPlan]]) -> str:
    """Where the firmware is. Chargers that only pretend to transfer files need a URL, and no
    server; for the others the run's own is there to its end, as some may be late.
    """
    if not stage.location.startswith(UPLOADS):
        return stage.location
    real = any(plan.spec.transfers == "real" for part in parts for plan in part)
    url = engine.files.serve().url if real else "http://uploads.invalid"
    return stage.location.replace(UPLOADS, url, 1)


async def _tell(
    engine: Engine,
    clock: StageClock,
    installs: _Installs,
    part: Sequence[ChargerPlan],
    location: str,
    request_id: int,
) -> None:
    """Have the CSMS tell a group, and tell those again who were away or did not answer."""
    while part:
        try:
            await _order(engine, part, location, request_id)
        except (Refused, CsmsFailed) as failed:
            engine.note("", "storm:firmware_wave", str(failed))
            return
        await clock.until(clock.elapsed_s + AGAIN_S)
        part = [plan for plan in part if not installs.begun(plan.identity)]


async def _order(
    engine: Engine, part: Sequence[ChargerPlan], location: str, request_id: int
) -> None:
    """Have the CSMS tell them once, in the words of each version."""
    assert engine.csms is not None
    of_16 = [plan.identity for plan in part if plan.spec.version == "ocpp1.6"]
    of_2x = [plan.identity for plan in part if plan.spec.version != "ocpp1.6"]
    firmware = {"location": location, "retrieveDateTime": "$now"}
    orders = (
        (of_16, {"location": location, "retrieveDate": "$now"}),
        (of_2x, {"requestId": request_id, "firmware": firmware}),
    )
    for identities, payload in orders:
        if identities:
            await engine.csms.broadcast(
                Order(action="UpdateFirmware", payload=payload, identities=identities)
            )
