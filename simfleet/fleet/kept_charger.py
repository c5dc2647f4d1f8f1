"""A named charger as it is: its definition, its station while it has one, what its hardware keeps.

Nothing here changes what it does. What the hardware keeps outlives the station: the next one is
built from it, and the store has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import trio

from simfleet.fleet import charger_making, plug_and_charge
from simfleet.fleet import charger_rules as rules
from simfleet.fleet.charger_site import ChargerRecord, Owner, Site
from simfleet.fleet.charger_state import ChargerMode, ChargerState, Definition, state_of
from simfleet.station.memory import Kept, encode_kept, remember

if TYPE_CHECKING:
    from simfleet.fleet.handled_charger import HandledCharger
    from simfleet.models.model import ChargerModel
    from simfleet.station.station import Station


class KeptCharger:
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

    @property
    def charging(self) -> bool:
        """Whether a session runs, so that registers move."""
        station = self.station
        return station is not None and any(c.transaction is not None for c in station.connectors)

    # ── what is kept ────────────────────────────────────────────────────────────────────────────

    def kept(self) -> Kept:
        """What its hardware would keep if power failed now."""
        station = self.station
        if station is not None:
            self._kept = _remember_now(station)
        elif self._kept is None:
            self._kept = remember(self._build())
        return self._kept

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


def _remember_now(station: Station) -> Kept:
    """What the hardware keeps, with the registers of this moment: meters need nobody to run."""
    at_s = trio.current_time()
    for connector in station.connectors:
        if connector.transaction is not None and at_s < station.wake_at_s:
            connector.meter_to(at_s)
    return remember(station)
