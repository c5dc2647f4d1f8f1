"""A charger that a user has made, named and controls: its definition, its mode, its life.

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

import msgspec
import trio

from simfleet.errors import Refused, StoreFailed
from simfleet.fleet import charger_making, plug_and_charge
from simfleet.fleet import charger_refusals as refusals
from simfleet.fleet import charger_rules as rules
from simfleet.fleet.charger_site import ChargerRecord, Owner, Site
from simfleet.fleet.charger_state import ChargerMode, ChargerState, Definition, state_of
from simfleet.fleet.handled_charger import HandledCharger
from simfleet.fleet.orders import Leave, Mode, Surroundings
from simfleet.fleet.plan import ChargerPlan
from simfleet.station import commands
from simfleet.station.effects import Registered
from simfleet.station.memory import Kept, encode_kept, remember
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from simfleet.models.model import ChargerModel
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


class ChargerLife:
    """See the module. `mode` is the wished one; a charger that is off may still be parting."""

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
        self.identity = identity
        self.definition = definition
        self.mode = mode
        self.deleted = False
        self.saved_kept = b""
        """What the store was last given to keep."""
        self._owner = owner
        self._site = site
        self._kept = kept
        self._charger: HandledCharger | None = None
        self._prepared: Station | None = None
        self._made_for = ""
        """The CSMS that its task connects to."""
        self._gone = trio.Event()
        self._gone.set()
        self._stirred = trio.Event()
        self._csms_interval_s = 0.0
        """HeartbeatInterval of the last boot answer; 0: the CSMS leaves it to the setting."""
        self._lock = trio.Lock()

    # ── what it is now ──────────────────────────────────────────────────────────────────────────

    @property
    def user_id(self) -> int:
        """Whose it is."""
        return self._owner.user_id

    @property
    def tag(self) -> str:
        """What its drivers present: its own tag, else the user's; their contract where they plug
        and charge.
        """
        definition = self.definition
        if definition.auth_mode == "plug_and_charge":
            return plug_and_charge.tag_of(definition.pnc_emaid, definition.ocpp_version)
        return definition.rfid_tag or self._owner.settings.rfid_card_id

    @property
    def url(self) -> str:
        """The CSMS it connects to: its own, else the user's."""
        return self.definition.backend_url or self._owner.settings.ocpp_backend_url

    @property
    def station(self) -> Station | None:
        """Its station; None while it has no task."""
        place = self._site.supervisor.chargers.get(self.identity)
        return (
            self._charger.station if self._charger is not None and place is self._charger else None
        )

    @property
    def open_action(self) -> str | None:
        """The action of the CALL that waits for its answer."""
        station = self.station
        return None if station is None else station.conversation.open_action

    def state(self) -> ChargerState:
        """Everything the API shows of it, as of now."""
        return state_of(
            self.identity,
            self.definition,
            mode=self.mode,
            heartbeat_interval_s=self._owner.settings.heartbeat_interval,
            station=None if self.mode == "off" else self.station,
            kept=self._kept,
            at_s=trio.current_time(),
        )

    def kept(self) -> Kept:
        """What its hardware would keep if power failed now."""
        station = self.station
        if station is not None:
            self._kept = _remember_now(station)
        elif self._kept is None:
            self._kept = remember(self._build())
        return self._kept

    @property
    def charging(self) -> bool:
        """Whether a session runs, so that registers move."""
        station = self.station
        return station is not None and any(c.transaction is not None for c in station.connectors)

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

    def _keep_last(self) -> None:
        if self._charger is not None:
            try:
                self._kept = _remember_now(self._charger.station)
            except Exception:  # crashed in the middle of a change: what was kept before must do
                return

    @property
    def _model(self) -> ChargerModel | None:
        return rules.model_of(self.definition.model, self._site.models)

    def _build(self) -> Station:
        at_s = trio.current_time()
        return charger_making.station_of(
            self.identity,
            self.definition,
            self._model,
            kept=self._kept,
            id_tag=self.tag,
            heartbeat_s=self._owner.settings.heartbeat_interval,
            chance=self._site.chance(),
            wall_offset_s=self._site.clock.wall_s(0.0),
            at_s=at_s,
        )

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

    async def _save(
        self,
        *,
        definition: Definition | None = None,
        mode: ChargerMode | None = None,
        kept: Kept | None = None,
    ) -> None:
        """Put the charger into the store as it is about to be; raises what the store raises."""
        await self._site.store.save_charger(
            self.record(definition=definition, mode=mode, kept=kept)
        )

    def record(
        self,
        *,
        definition: Definition | None = None,
        mode: ChargerMode | None = None,
        kept: Kept | None = None,
    ) -> ChargerRecord:
        """The charger as the store has it, with what is about to change."""
        data = encode_kept(kept if kept is not None else self.kept())
        return ChargerRecord(
            user_id=self.user_id,
            chargepoint_id=self.identity,
            made=msgspec.json.encode(definition or self.definition),
            kept=data,
            mode=mode or self.mode,
        )

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


def _remember_now(station: Station) -> Kept:
    """What the hardware keeps, with the registers of this moment: meters need nobody to run."""
    at_s = trio.current_time()
    for connector in station.connectors:
        if connector.transaction is not None and at_s < station.wake_at_s:
            connector.meter_to(at_s)
    return remember(station)
