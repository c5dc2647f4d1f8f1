"""OCPP 2.1: priority charging and dynamic profiles (block K), bidirectional power transfer (Q); DER
controls (R) are in `v21_der.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from simfleet.station import authorization, dynamic_profiles, energy_commands
from simfleet.station.charging_profiles import UNLIMITED
from simfleet.station.dialects import v21_der
from simfleet.station.dialects.v2x_profiles import limit_of, moment, sum_of
from simfleet.station.dialects.v2x_smart import because
from simfleet.station.dynamic_profiles import Update
from simfleet.station.energy_messages import PriorityTold, UpdateWanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.charging_profiles import Profile, Refusal
    from simfleet.station.messages import TokenQuestion
    from simfleet.station.station import Station


# ── dynamic profiles ──────────────────────────────────────────────────────────────────────────────


def _updated(station: Station, profile_id: int, said: Any, *, at_s: float) -> Refusal | None:
    """Put a ChargingScheduleUpdate into a profile; or why not."""
    profile = None if station.profiles is None else station.profiles.of_id(profile_id)
    unit = "A" if profile is None else profile.schedule.unit
    limit = limit_of(said, unit)
    values = Update(
        None if limit >= UNLIMITED else limit,
        sum_of(said, "setpoint"),
        sum_of(said, "discharge_limit"),
    )
    told = None if profile is None else _told(station, profile, said, at_s=at_s)
    return dynamic_profiles.update(station, profile_id, values, told=told, at_s=at_s)


def _told(station: Station, profile: Profile, said: Any, *, at_s: float) -> bytes | None:
    """The profile as GetChargingProfiles will find it, with the new values."""
    if profile.told is None:
        return None
    before = msgspec.json.decode(profile.told, type=station.dialect.m.ChargingProfile)
    values = {
        name: value
        for name in said.__struct_fields__
        if name != "custom_data" and (value := getattr(said, name)) is not None
    }
    schedule = before.charging_schedule[0]
    period = replace(schedule.charging_schedule_period[0], **values)
    after = replace(
        before,
        charging_schedule=[replace(schedule, charging_schedule_period=[period])],
        dyn_update_time=moment(station.wall_s(at_s)),
    )
    return msgspec.json.encode(after)


def _update_dynamic_schedule(station: Station, request: Any, at_s: float) -> Wire:
    refusal = _updated(station, request.charging_profile_id, request.schedule_update, at_s=at_s)
    response: Wire = station.dialect.m.UpdateDynamicScheduleResponse(
        status="Accepted" if refusal is None else "Rejected",
        status_info=because(station, refusal),
    )
    return response


def _update_wanted(station: Station, message: UpdateWanted) -> Wire:
    request: Wire = station.dialect.m.PullDynamicScheduleUpdateRequest(
        charging_profile_id=message.profile_id
    )
    return request


def _update_came(station: Station, message: UpdateWanted, response: Any, at_s: float) -> None:
    if response.status == "Accepted" and response.schedule_update is not None:
        _updated(station, message.profile_id, response.schedule_update, at_s=at_s)


# ── priority, both directions ─────────────────────────────────────────────────────────────────────


def _use_priority(station: Station, request: Any, at_s: float) -> Wire:
    status = energy_commands.use_priority(
        station, request.transaction_id, activate=request.activate, at_s=at_s
    )
    response: Wire = station.dialect.m.UsePriorityChargingResponse(status=status)
    return response


def _priority_told(station: Station, message: PriorityTold) -> Wire:
    request: Wire = station.dialect.m.NotifyPriorityChargingRequest(
        transaction_id=message.transaction_id, activated=message.activated
    )
    return request


def _afrr_signal(station: Station, request: Any, at_s: float) -> Wire:
    status = energy_commands.take_signal(
        station, request.signal, wall_s=request.timestamp.timestamp(), at_s=at_s
    )
    response: Wire = station.dialect.m.AFRRSignalResponse(status=status)
    return response


def _allowed_transfer(station: Station, request: Any, at_s: float) -> Wire:
    status = energy_commands.allow_transfer(
        station, request.transaction_id, frozenset(request.allowed_energy_transfer), at_s=at_s
    )
    response: Wire = station.dialect.m.NotifyAllowedEnergyTransferResponse(status=status)
    return response


def transfer_granted(station: Station, message: TokenQuestion, response: Any) -> None:
    """AuthorizeResponse may say what the tag may do (allowedEnergyTransfer). Of a tag that is to
    stop a session it says nothing that matters any more.
    """
    if message.purpose != authorization.TO_START:
        return
    said = response.allowed_energy_transfer
    energy_commands.grant_transfer(
        station, message.connector_id, message.id_tag, None if said is None else frozenset(said)
    )


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "UpdateDynamicSchedule": _update_dynamic_schedule,
    "UsePriorityCharging": _use_priority,
    "AFRRSignal": _afrr_signal,
    "NotifyAllowedEnergyTransfer": _allowed_transfer,
    **v21_der.HANDLERS,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {
    UpdateWanted: "PullDynamicScheduleUpdate",
    PriorityTold: "NotifyPriorityCharging",
    **v21_der.ACTIONS,
}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    UpdateWanted: _update_wanted,
    PriorityTold: _priority_told,
    **v21_der.BUILDERS,
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {
    UpdateWanted: _update_came,
}
"""What the answers to our messages mean."""
