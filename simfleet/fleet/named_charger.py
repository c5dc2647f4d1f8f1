"""A charger that a user has made, named and controls: what can be asked of it.

Its life under all this is in `charger_life.py`. Whatever is accepted is in the store before a
method returns. Methods that change something run one at a time per charger; values are judged
before the state, so what could never be is `Invalid` also where the state would refuse it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import trio
from msgspec import structs

from simfleet.errors import Invalid, Refused
from simfleet.fleet import charger_actions, charger_faults, charger_making, plug_and_charge
from simfleet.fleet import charger_refusals as refusals
from simfleet.fleet import charger_rules as rules
from simfleet.fleet.charger_actions import Arguments
from simfleet.fleet.charger_life import SETTLE_S, ChargerLife
from simfleet.station import commands, credentials
from simfleet.station.connector import NO_ERROR
from simfleet.station.events import (
    Failed,
    FaultCleared,
    FaultInjected,
    FaultRemoved,
    PluggedIn,
    StartRequested,
    StopRequested,
    Unplugged,
)
from simfleet.station.phase import Phase
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.fleet.charger_faults import ChargerFault
    from simfleet.fleet.charger_state import ChargerType
    from simfleet.fleet.handled_charger import HandledCharger
    from simfleet.fleet.user_settings import UserSettings
    from simfleet.station.configuration import Configuration
    from simfleet.station.connector import Connector
    from simfleet.station.fault_kinds import Fault, FaultKind


class NamedCharger(ChargerLife):
    """See the module."""

    # ── what it is made of ──────────────────────────────────────────────────────────────────────

    async def set_name(self, charger_name: str) -> None:
        """A name for people; "" for none."""
        await self._redefine(charger_name=rules.charger_name(charger_name))

    async def set_rfid(self, rfid_tag: str) -> None:
        """The tag of its next sessions; "" for the user's."""
        await self._redefine(rfid_tag=rules.id_tag("rfid_tag", rfid_tag))

    async def set_auth(
        self,
        auth_mode: str,
        *,
        rfid_tag: str | None = None,
        pnc_emaid: str = "",
        pnc_pcid: str = "",
        pnc_certificate_hash: str = "",
    ) -> None:
        """How its drivers authorize; None leaves the tag as it is. Without an eMAID, Plug & Charge
        gets one that is made of the identity. The version stays: 1.6 has an idTag for the eMAID.
        """
        mode = rules.auth_mode(auth_mode)
        emaid, pcid, certificate = rules.pnc_values(pnc_emaid, pnc_pcid, pnc_certificate_hash)
        if mode == "plug_and_charge":
            emaid = emaid or plug_and_charge.generated_emaid(self.identity)
        changes: dict[str, Any] = {
            "auth_mode": mode,
            "pnc_emaid": emaid,
            "pnc_pcid": pcid,
            "pnc_certificate_hash": certificate,
        }
        if rfid_tag is not None:
            changes["rfid_tag"] = rules.id_tag("rfid_tag", rfid_tag)
        await self._redefine(**changes)

    async def set_free_charging(self, free_charging: bool) -> None:
        """Whether its next sessions begin without asking the CSMS about the tag."""
        await self._redefine(free_charging=free_charging)

    async def set_backend_url(self, backend_url: str) -> None:
        """Its CSMS; "" for the user's. A charger that is on restarts there; sessions end first."""
        url = rules.backend_url("backend_url", backend_url)
        async with self._alone():
            await self._save_definition(backend_url=url)
        await self.move_soon().wait()

    async def set_version(self, ocpp_version: str) -> None:
        """The OCPP version; only while off. Raises `Invalid` for a charger that was made with
        configuration keys which the other version does not have.
        """
        version = rules.ocpp_version(ocpp_version)
        definition = structs.replace(self.definition, ocpp_version=version)
        rules.factory_settings(definition, self._model)
        async with self._off():
            if version == self.definition.ocpp_version:
                return
            kept = charger_making.with_other_firmware(self.kept())
            definition = structs.replace(self.definition, ocpp_version=version)
            await self._save(definition=definition, kept=kept)
            self.definition, self._kept = definition, kept

    async def set_num_connectors(self, num_connectors: int) -> None:
        """How many connectors; only while off. Registers of connectors that go are forgotten."""
        count = rules.num_connectors(num_connectors)
        async with self._off():
            await self._save_definition(num_connectors=count)

    async def follow_identity(self, old: str) -> None:
        """For the registry: it was called `old`, and an eMAID that was made of that follows."""
        if self.definition.pnc_emaid == plug_and_charge.generated_emaid(old):
            await self._save_definition(pnc_emaid=plug_and_charge.generated_emaid(self.identity))

    async def _redefine(self, **changes: Any) -> None:
        """Change what does not need a restart, and have a living station follow."""
        async with self._alone():
            await self._save_definition(**changes)
            self._follow()

    async def _save_definition(self, **changes: Any) -> None:
        definition = structs.replace(self.definition, **changes)
        await self._save(definition=definition)
        self.definition = definition

    # ── its user's settings ──────────────────────────────────────────────────────────────────────

    def _follow(self) -> None:
        station = self.station
        if station is not None:
            station.id_tag = self.tag
            free = self.definition.free_charging
            station.spec = structs.replace(station.spec, free_charging=free)

    def settings_changed(self, before: UserSettings) -> bool:
        """The user's settings are new: follow at once. True: `move` has to follow, too."""
        self._follow()
        station = self.station
        if (
            station is not None
            and self._csms_interval_s <= 0
            and station.configuration.whole("HeartbeatInterval") == before.heartbeat_interval
        ):
            self._beat_as_set()
        moved = before.ocpp_backend_url != self._owner.settings.ocpp_backend_url
        return moved and not self.definition.backend_url and self.mode != "off"

    # ── configuration ───────────────────────────────────────────────────────────────────────────

    def configuration(self) -> dict[str, str]:
        """All keys that can be read, with the values a CSMS would be told."""
        station = self.station
        configuration = self._build().configuration if station is None else station.configuration
        return {one.key: one.value or "" for one in configuration.report().known}

    async def change_configuration(self, values: Mapping[str, str]) -> None:
        """Change all of these keys, or none: `Invalid` names the first that is refused.

        As ChangeConfiguration of a CSMS; a key that needs a reboot shows its new value at once.
        """
        async with self._alone():
            kept = self.kept()
            trial_station = self._build()
            if self.station is not None:
                trial_station.given = self.station.given
            trial = trial_station.configuration
            for key, value in values.items():
                if key.lower() == "securityprofile":
                    at_s = trio.current_time()
                    problem = credentials.why_not(trial_station, value, at_s=at_s)
                    if problem is not None:
                        raise Invalid(f"configuration: {problem}")
                status = trial.change(key, value)
                if status not in ("Accepted", "RebootRequired"):
                    raise Invalid(_why_not(trial, key, value, status))
            # Saved as it will be, then done at once to the station as it is by then.
            await self._save(kept=structs.replace(kept, configuration=dict(trial.changes())))
            charger = self._charger
            if charger is None:
                self._kept = structs.replace(kept, configuration=dict(trial.changes()))
                return
            for key, value in values.items():
                commands.change_configuration(charger.station, key, value, at_s=trio.current_time())
            charger.settle()

    # ── sessions ────────────────────────────────────────────────────────────────────────────────

    async def start(
        self, energy_kwh: float, rfid_tag: str | None = None, *, connector_id: int = 1
    ) -> None:
        """A driver comes, plugs in and presents a tag; at the target the driver stops and leaves.

        Whether the CSMS accepts the tag shows later. A charger that was turned on just now may
        still be connecting: that is waited for, not long. Refused while off, charging, faulted,
        out of service, or offline with a tag that may not charge then.
        """
        target_wh = rules.energy_wh(energy_kwh)
        version = self.definition.ocpp_version
        tag = rules.token("rfid_tag", rfid_tag or "", version=version) or self.tag
        if self.definition.auth_mode == "plug_and_charge":
            tag = self.tag
        rules.connector_id(connector_id, count=self.definition.num_connectors)
        async with self._alone():
            await self._booted()
            charger = self.handled()
            station = charger.station
            connector = station.connector(connector_id)
            _check_free(connector)
            if station.dark:
                raise Refused(f"{self.identity} has no power")
            _bring_a_car(charger, connector, target_wh, self.definition.charger_type)
            charger.tell(StartRequested(connector_id, tag, target_wh))
            if connector.transaction is None and connector.tag_pending is None:
                charger.tell(Unplugged(connector_id))
                raise refusals.ChargerOffline(
                    f"{self.identity} is offline, and tag {tag!r} may not charge without the CSMS"
                )

    async def _booted(self) -> None:
        """Give a charger that has never been connected since it was turned on its moment."""
        station = self.station
        if (
            station is not None
            and station.registration is Registration.UNKNOWN
            and not self.definition.free_charging
        ):
            await self._until(lambda: station.online, within_s=SETTLE_S)

    async def stop(self, *, connector_id: int | None = None) -> None:
        """The driver stops the session (of the connector; None: the first that has one) and
        leaves: Available. Before the CSMS has answered about the tag, the driver just leaves.
        """
        if connector_id is not None:
            rules.connector_id(connector_id, count=self.definition.num_connectors)
        async with self._alone():
            charger = self.handled()
            chosen = [
                connector
                for connector in charger.station.connectors
                if connector_id in (None, connector.id)
            ]
            for connector in chosen:
                if connector.transaction is not None:
                    charger.tell(StopRequested(connector.id))
                    return
            for connector in chosen:
                if connector.plugged and connector.phase is Phase.PREPARING:
                    charger.tell(Unplugged(connector.id))
                    return
            raise refusals.NotCharging(f"no session runs on {self.identity}")

    async def set_error(self, error_code: str, *, connector_id: int = 1) -> None:
        """A fault, told to the CSMS; a session ends, and its driver leaves. NoError ends the fault,
        and is fine where there is none.
        """
        code = rules.error_code(error_code)
        rules.connector_id(connector_id, count=self.definition.num_connectors)
        async with self._alone():
            charger = self.handled()
            connector = charger.station.connector(connector_id)
            if code == NO_ERROR:
                if connector.error_code != NO_ERROR:
                    charger.tell(FaultCleared(connector_id))
                return
            charged = connector.transaction is not None
            charger.tell(Failed(connector_id, code))
            if charged and connector.autopilot is None and connector.plugged:
                charger.tell(Unplugged(connector_id))

    # ── faults on purpose ───────────────────────────────────────────────────────────────────────

    def faults(self) -> list[ChargerFault]:
        """What it does wrong on purpose; nothing while it is off."""
        return charger_faults.faults_of(self.station, self._site.clock)

    async def add_fault(self, fault: Fault) -> None:
        """Have it do something wrong on purpose. `Invalid` for what such a charger cannot have,
        `Refused` while it is off, or when it has too many.
        """
        definition = self.definition
        charger_faults.check(
            fault,
            connectors=definition.num_connectors,
            version=f"ocpp{definition.ocpp_version}",
        )
        async with self._alone():
            self.handled().tell(FaultInjected(fault))

    async def remove_faults(self, kind: FaultKind | None) -> None:
        """Have it do right again, as to one kind of faults or to all."""
        async with self._alone():
            if self.station is not None and self.mode != "off":
                self.handled().tell(FaultRemoved(kind))

    async def act(self, action: str, connector_id: int = 1, **arguments: Any) -> None:
        """Do one of the `charger_actions`; arguments as in `Arguments`, None for not given."""
        try:
            given = msgspec.convert(arguments, Arguments)
        except msgspec.ValidationError as error:
            raise Invalid(f"{action}: {error}") from None
        unknown = set(arguments) - set(Arguments.__struct_fields__)
        if unknown:
            raise Invalid(f"{action} takes no {', '.join(sorted(unknown))}")
        charger_actions.check(
            action,
            connector_id,
            given,
            connectors=self.definition.num_connectors,
            version=self.definition.ocpp_version,
        )
        async with self._alone():
            charger = self.handled()
            charger_actions.perform(charger, action, connector_id, given, id_tag=self.tag)
            if action in ("power_off", "link_down"):
                await self._until(lambda: not charger.station.online, within_s=SETTLE_S)


def _bring_a_car(
    charger: HandledCharger, connector: Connector, energy_wh: float, kind: ChargerType
) -> None:
    """Have a car at the cable that can take so much; one that has finished there, leaves."""
    if connector.plugged:
        vehicle = connector.vehicle
        fits = vehicle is not None and vehicle.room_wh >= energy_wh
        if fits and connector.phase is Phase.PREPARING:
            return
        charger.tell(Unplugged(connector.id))
    chance = charger.station.chance
    spec, soc = charger_making.vehicle_with_room(energy_wh, kind, chance=chance)
    charger.tell(PluggedIn(connector.id, spec, soc))


def _check_free(connector: Connector) -> None:
    """Raise what keeps a session from beginning there."""
    name = f"connector {connector.id}"
    if connector.transaction is not None:
        raise refusals.AlreadyCharging(f"{name} is charging already")
    if connector.phase is Phase.FAULTED:
        raise refusals.ConnectorFaulted(f"{name} has a fault: {connector.error_code}")
    if connector.inoperative or connector.phase is Phase.UNAVAILABLE:
        raise refusals.ConnectorUnavailable(f"{name} is out of service")
    if connector.tag_pending is not None or connector.authorized_tag is not None:
        raise refusals.AlreadyCharging(f"a session is about to begin on {name}")


def _why_not(configuration: Configuration, key: str, value: str, status: str) -> str:
    if status == "NotSupported":
        return f"configuration: {key!r} is not a key of this charger"
    known = configuration.factory.keys[configuration.factory.by_folded_name[key.lower()]]
    if known.readonly:
        return f"configuration: {known.name} cannot be changed"
    return f"configuration: {known.name} is {value!r:.60}; it is {known.expects()}"
