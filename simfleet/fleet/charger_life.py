"""The life of a charger that a user has made and controls: its mode, its task, its CSMS.

Off, it is a definition and what its hardware keeps; on, it is also a station and a task under the
supervisor. Turning it on builds the station anew from what was kept, so a charger that is switched
off and on, one whose task has crashed, and one that comes back after a restart of SimFleet all go
through the same door.

Whatever is accepted is in the store before a method returns. Methods that change something run one
at a time per charger; `state` and `configuration` may be called at any moment.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import trio

from simfleet.errors import Refused, StoreFailed
from simfleet.fleet import charger_making
from simfleet.fleet import charger_refusals as refusals
from simfleet.fleet import charger_rules as rules
from simfleet.fleet.handled_charger import HandledCharger
from simfleet.fleet.kept_charger import KeptCharger
from simfleet.fleet.orders import Leave, Mode, Surroundings
from simfleet.fleet.plan import ChargerPlan
from simfleet.station import commands
from simfleet.station.effects import Registered
from simfleet.station.memory import Kept, remember
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from simfleet.fleet.charger_site import Owner, Site
    from simfleet.fleet.charger_state import ChargerMode, Definition
    from simfleet.station.effects import Effect
    from simfleet.station.station import Station

FAREWELL_S: Final = 2.0
"""How long a connected charger that is turned off may take to tell its CSMS that sessions ended."""
OFF_WAIT_S: Final = 2.5
"""How long turning off is waited for; a CSMS that does not even close may keep the link longer."""
PARTING_MAX_S: Final = 15.0
"""After this long a charger must have let go of its link; closing and a handshake are bounded."""
SETTLE_S: Final = 1.0
"""How long turning on waits for the CSMS's answer to the BootNotification."""
_TASK_MODES: Final[dict[ChargerMode, Mode]] = {
    "on": Mode.CONNECT,
    "manual": Mode.CONNECT,
    "autopilot": Mode.CHARGING,
}

_log = logging.getLogger(__name__)


class ChargerLife(KeptCharger):
    """See the module."""

    def __init__(
        self,
        identity: str,
        definition: Definition,
        *,
        owner: Owner,
        site: Site,
        mode: ChargerMode = "off",
        kept: Kept | None = None,
    ) -> None:
        super().__init__(identity, definition, owner=owner, site=site, mode=mode, kept=kept)
        self._prepared: Station | None = None
        self._made_for = ""
        """The CSMS that its task connects to."""
        self._gone = trio.Event()
        self._gone.set()
        self._stirred = trio.Event()
        self._csms_interval_s = 0.0
        """HeartbeatInterval of the last boot answer; 0: the CSMS leaves it to the setting."""
        self._lock = trio.Lock()

    # ── its mode ────────────────────────────────────────────────────────────────────────────────

    async def set_mode(self, mode: str) -> None:
        """Turn it off, on, to manual (the same, for sessions by REST) or to autopilot.

        Off: sessions end as their drivers would end them, the CSMS is told if it listens, and the
        link is closed. On: the charger boots; returns when the CSMS has accepted it, or shortly
        after. From autopilot to the others the driver's session ends.
        """
        wanted = rules.charger_mode(mode)
        async with self._alone():
            if wanted == self.mode:
                return
            if wanted == "off":
                await self._save(mode="off")
                self.mode = "off"
                self.leave()
                with trio.move_on_after(OFF_WAIT_S):
                    await self._gone.wait()
                with suppress(StoreFailed):  # the mode is stored; the rest is tried again
                    await self._save()
            elif self.mode == "off":
                await self._turn_on(wanted)
            else:
                await self._save(mode=wanted)
                self.mode = wanted
                self._site.supervisor.chargers[self.identity].post(_TASK_MODES[wanted])

    async def resume(self) -> None:
        """After a restart of SimFleet: come back in the mode it had."""
        async with self._alone():
            if self.mode != "off":
                await self._bring_up()

    def prepare(self) -> Kept:
        """Build the station that comes next; what it keeps must be saved before it goes online."""
        self._prepared = self._build()
        self._kept = remember(self._prepared)
        return self._kept

    async def _turn_on(self, wanted: ChargerMode) -> None:
        await self._parted()
        self.prepare()
        await self._save(mode=wanted)
        self.mode = wanted
        await self._bring_up()
        await self._until(self._registered, within_s=SETTLE_S)

    async def _bring_up(self) -> None:
        """Give the prepared station a task. Not to be interrupted: the mode says so already."""
        self._gone = trio.Event()
        self._csms_interval_s = 0.0
        self._site.living[self.identity] = self
        model = self._model
        spec = charger_making.spec_of(self.definition, model)
        factory = rules.factory_settings(self.definition, model).factory
        plan = ChargerPlan(self.identity, 0, 0, "named", spec, factory)
        with trio.CancelScope(shield=True):
            await self._site.supervisor.start(plan, _TASK_MODES[self.mode])

    def make(self, mode: Mode) -> HandledCharger:
        """For the supervisor: the charger it is to run, now and again after a crash."""
        station, self._prepared = self._prepared, None
        if station is None:
            self._keep_last()
            station = self._build()
        site = self._site
        self._made_for = self.url
        surroundings = Surroundings(
            site.dial,
            self.url,
            site.options,
            site.handshakes,
            site.recorder,
            site.clockwork,
            site.errands,
            site.keyring,
        )
        self._charger = HandledCharger(station, surroundings, mode=mode)
        return self._charger

    def departed(self) -> None:
        """From the supervisor: its task has ended for good."""
        self._keep_last()
        self._charger = None
        del self._site.living[self.identity]
        self._gone.set()
        self._site.touched(self)

    def leave(self) -> None:
        """Have its task end: with a farewell where somebody listens, else at once."""
        place = self._site.supervisor.chargers.get(self.identity)
        if place is None:
            return
        at_s = trio.current_time()
        place.post(Leave(at_s + FAREWELL_S if place.online else at_s))
        if isinstance(place, HandledCharger):
            self._kept = remember(place.station)
            place.give_up_connecting()

    async def _parted(self) -> None:
        with trio.move_on_after(PARTING_MAX_S):
            await self._gone.wait()
            return
        raise Refused(f"{self.identity} has not let go of its link yet; try again soon")

    def _registered(self) -> bool:
        station = self.station
        return station is not None and station.registration is Registration.ACCEPTED

    def move_soon(self) -> trio.Event:
        """Connect to `url` if the charger is on and connects elsewhere; the event says: done."""
        done = trio.Event()
        if self.mode == "off":
            done.set()
            return done

        async def move() -> None:
            try:
                async with self._lock:
                    await self._move()
            finally:
                done.set()

        self._site.start_soon(move)
        return done

    async def _move(self) -> None:
        if self.mode == "off" or self.url == self._made_for:
            return
        self.leave()
        await self._gone.wait()
        self.prepare()
        try:
            await self._save()
        except StoreFailed as failed:  # worse than a message id used twice: a charger that is lost
            _log.error("charger %s could not be saved: %s", self.identity, failed)
        await self._bring_up()
        await self._until(self._registered, within_s=SETTLE_S)

    # ── underneath ──────────────────────────────────────────────────────────────────────────────

    def _beat_as_set(self) -> None:
        """The CSMS has named no interval: the user's counts."""
        station, charger = self.station, self._charger
        interval = str(self._owner.settings.heartbeat_interval)
        if station is None or charger is None:
            return
        quirks = station.spec.quirks
        if quirks is not None and quirks.own_heartbeat_interval:
            return  # it has not even looked what the CSMS named
        if station.configuration.get("HeartbeatInterval") != interval:
            at_s = trio.current_time()
            commands.change_configuration(station, "HeartbeatInterval", interval, at_s=at_s)
            charger.settle()

    def handled(self) -> HandledCharger:
        """The charger that lives. Raises `Refused` when none does."""
        if self.mode == "off":
            raise refusals.ChargerOff(self.identity)
        place = self._site.supervisor.chargers.get(self.identity)
        if not isinstance(place, HandledCharger):
            raise refusals.ChargerRestarting(self.identity)
        return place

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One change at a time. Raises `ChargerMissing` for a charger that is gone meanwhile."""
        async with self._lock:
            if self.deleted:
                raise refusals.ChargerMissing(self.identity)
            yield

    @asynccontextmanager
    async def _off(self) -> AsyncIterator[None]:
        """As `_alone`, for what can only be done while the charger is off."""
        async with self._alone():
            if self.mode != "off":
                raise refusals.ChargerNotOff
            await self._parted()
            yield

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """For the registry: nothing else happens to the charger meanwhile, and it is off."""
        async with self._off():
            yield

    def noticed(self, effect: Effect | None, *, at_s: float) -> None:
        """From the recorder: something has happened; see `Witness`."""
        if isinstance(effect, Registered) and effect.status == "Accepted":
            self._csms_interval_s = effect.interval_s
            if effect.interval_s <= 0:
                self._beat_as_set()
        self._stirred.set()
        self._stirred = trio.Event()
        self._site.touched(self)

    async def _until(self, holds: Callable[[], bool], *, within_s: float) -> None:
        """Wait until something holds of the charger, for so long at most."""
        with trio.move_on_after(within_s):
            while not holds():
                await self._stirred.wait()
