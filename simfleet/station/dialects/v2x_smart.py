"""OCPP 2.0.1 and 2.1: smart charging (block K)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.errors import ProtocolViolation
from simfleet.station import ev_needs, profile_reports, smart_charging
from simfleet.station.charging_profiles import Purpose, Refusal
from simfleet.station.dialects import v2x_profiles
from simfleet.station.dialects.v2x_profiles import PURPOSES, moment, profile_of
from simfleet.station.energy_messages import (
    LimitLifted,
    LimitTold,
    NeedsTold,
    ProfilesTold,
    ScheduleChosen,
)
from simfleet.station.profile_reports import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station

__all__ = ["ACTIONS", "BUILDERS", "HANDLERS", "READERS", "profile_of"]

_REASONS: Final = {"UnknownConnector": "UnknownEvse", "NoStorage": "OutOfStorage"}
"""Reason codes of 2.x (part 2, appendix 5) where ours have other names."""
DETAIL_MAX_CHARS: Final = 512


def because(station: Station, refusal: Refusal | None) -> Any:
    """A refusal as a StatusInfo; None is none."""
    if refusal is None:
        return None
    return station.dialect.m.StatusInfo(
        reason_code=_REASONS.get(refusal.reason, refusal.reason),
        additional_info=refusal.detail[:DETAIL_MAX_CHARS],
    )


def _needs_smart_charging(station: Station, action: str) -> None:
    """Raises `ProtocolViolation` at a station that knows nothing of profiles."""
    if not station.configuration.supports("SmartCharging"):
        code = station.dialect.catalog.codes.not_supported
        raise ProtocolViolation(code, f"{action}: there is no smart charging here")


def _off(station: Station) -> Refusal | None:
    """Why nothing of it works now (SmartChargingCtrlr.Enabled)."""
    if station.configuration.flag("SmartChargingCtrlr.Enabled"):
        return None
    return Refusal("NotEnabled", "smart charging is switched off")


# ── CALLs ─────────────────────────────────────────────────────────────────────────────────────────


def _set_charging_profile(station: Station, request: Any, at_s: float) -> Wire:
    _needs_smart_charging(station, "SetChargingProfile")
    said = request.charging_profile
    refusal = _off(station) or v2x_profiles.unsupported(said)
    if refusal is None:
        profile = profile_of(said, connector_id=request.evse_id)
        refusal = ev_needs.too_early(station, profile)
        if refusal is None:
            refusal = smart_charging.set_profile(station, profile, at_s=at_s)
        if refusal is None and profile.purpose is Purpose.TX:
            ev_needs.profile_came(station, profile, at_s=at_s)
    response: Wire = station.dialect.m.SetChargingProfileResponse(
        status="Accepted" if refusal is None else "Rejected",
        status_info=because(station, refusal),
    )
    return response


def _clear_charging_profile(station: Station, request: Any, at_s: float) -> Wire:
    _needs_smart_charging(station, "ClearChargingProfile")
    criteria = request.charging_profile_criteria
    purpose = None if criteria is None else criteria.charging_profile_purpose
    cleared = smart_charging.clear_own(
        station,
        profile_id=request.charging_profile_id,
        connector_id=None if criteria is None else criteria.evse_id,
        purpose=None if purpose is None else PURPOSES[purpose],
        stack_level=None if criteria is None else criteria.stack_level,
        at_s=at_s,
    )
    response: Wire = station.dialect.m.ClearChargingProfileResponse(
        status="Accepted" if cleared else "Unknown"
    )
    return response


def _get_charging_profiles(station: Station, request: Any, at_s: float) -> Wire:
    _needs_smart_charging(station, "GetChargingProfiles")
    asked = request.charging_profile
    purpose, sources = asked.charging_profile_purpose, asked.charging_limit_source
    wanted = Wanted(
        None if asked.charging_profile_id is None else frozenset(asked.charging_profile_id),
        request.evse_id,
        None if purpose is None else PURPOSES[purpose],
        asked.stack_level,
        None if sources is None else frozenset(sources),
    )
    found = profile_reports.report(station, request.request_id, wanted, at_s=at_s)
    response: Wire = station.dialect.m.GetChargingProfilesResponse(
        status="Accepted" if found else "NoProfiles"
    )
    return response


def _get_composite_schedule(station: Station, request: Any, at_s: float) -> Wire:
    _needs_smart_charging(station, "GetCompositeSchedule")
    m, refusal, found = station.dialect.m, None, None
    unit = request.charging_rate_unit
    units = smart_charging.rules_of(station).units
    if not 0 <= request.evse_id <= len(station.connectors):
        refusal = Refusal("UnknownConnector", f"there is no EVSE {request.evse_id}")
    elif unit is not None and unit not in units:
        refusal = Refusal("UnsupportedRateUnit", f"limits are in {', '.join(sorted(units))}")
    else:
        found = smart_charging.composite_schedule(
            station, request.evse_id, duration_s=request.duration, unit=unit, at_s=at_s
        )
        if found is None:
            refusal = Refusal("InvalidSchedule", "a schedule lasts longer than that")
    schedule = None
    if found is not None:
        schedule = m.CompositeSchedule(
            evse_id=request.evse_id,
            duration=found.duration_s,
            schedule_start=moment(found.start_wall_s),
            charging_rate_unit=found.unit,
            charging_schedule_period=v2x_profiles.periods_told(station, found.periods),
        )
    response: Wire = m.GetCompositeScheduleResponse(
        status="Rejected" if schedule is None else "Accepted",
        status_info=because(station, refusal),
        schedule=schedule,
    )
    return response


# ── what the station says ─────────────────────────────────────────────────────────────────────────


def _profiles_told(station: Station, message: ProfilesTold) -> Wire:
    request: Wire = station.dialect.m.ReportChargingProfilesRequest(
        request_id=message.request_id,
        charging_limit_source=message.source,
        charging_profile=[
            v2x_profiles.told(station, one, transaction_id=message.transaction_id)
            for one in message.profiles
        ],
        evse_id=message.connector_id,
        tbc=message.more,
    )
    return request


def _limit_told(station: Station, message: LimitTold) -> Wire:
    m = station.dialect.m
    more: dict[str, Any] = {}
    if "is_local_generation" in m.ChargingLimit.__struct_fields__:
        more["is_local_generation"] = message.local_generation
    schedules = None
    if message.profile is not None:
        schedules = [v2x_profiles.schedule_told(station, message.profile.schedule)]
    request: Wire = m.NotifyChargingLimitRequest(
        charging_limit=m.ChargingLimit(
            charging_limit_source=message.source, is_grid_critical=message.grid_critical, **more
        ),
        charging_schedule=schedules,
        evse_id=message.connector_id or None,
    )
    return request


def _limit_lifted(station: Station, message: LimitLifted) -> Wire:
    request: Wire = station.dialect.m.ClearedChargingLimitRequest(
        charging_limit_source=message.source, evse_id=message.connector_id or None
    )
    return request


def _needs_told(station: Station, message: NeedsTold) -> Wire:
    m = station.dialect.m
    both = message.give_w > 0.0 and hasattr(m, "V2XChargingParameters")
    more: dict[str, Any] = {}
    if both:
        more["v2x_charging_parameters"] = m.V2XChargingParameters(
            max_charge_power=message.max_w, max_discharge_power=message.give_w
        )
    elif message.dc:
        more["dc_charging_parameters"] = m.DCChargingParameters(
            ev_max_current=int(message.max_a),
            ev_max_voltage=int(message.max_v),
            energy_amount=int(message.energy_wh),
            ev_max_power=int(message.max_w),
            state_of_charge=int(100 * message.soc),
            ev_energy_capacity=int(message.battery_wh),
        )
    else:
        more["ac_charging_parameters"] = m.ACChargingParameters(
            energy_amount=int(message.energy_wh),
            ev_min_current=int(message.least_a),
            ev_max_current=int(message.max_a),
            ev_max_voltage=int(message.max_v),
        )
    transfer = message.transfer
    if both:
        transfer = "DC_BPT" if message.dc else "AC_BPT"
    request: Wire = m.NotifyEVChargingNeedsRequest(
        evse_id=message.connector_id,
        charging_needs=m.ChargingNeeds(requested_energy_transfer=transfer, **more),
        max_schedule_tuples=smart_charging.rules_of(station).periods_max,
    )
    return request


def _needs_answered(station: Station, message: NeedsTold, response: Any, at_s: float) -> None:
    ev_needs.answered(station, message, response.status, at_s=at_s)


def _schedule_chosen(station: Station, message: ScheduleChosen) -> Wire:
    m, planned = station.dialect.m, message.composite
    more: dict[str, Any] = {}
    if "selected_charging_schedule_id" in m.NotifyEVChargingScheduleRequest.__struct_fields__:
        more["selected_charging_schedule_id"] = message.schedule_id or None
    request: Wire = m.NotifyEVChargingScheduleRequest(
        time_base=moment(planned.start_wall_s),
        charging_schedule=m.ChargingSchedule(
            id=message.schedule_id,
            charging_rate_unit=planned.unit,
            charging_schedule_period=v2x_profiles.periods_told(station, planned.periods),
            duration=planned.duration_s,
        ),
        evse_id=message.connector_id,
        **more,
    )
    return request


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "SetChargingProfile": _set_charging_profile,
    "ClearChargingProfile": _clear_charging_profile,
    "GetChargingProfiles": _get_charging_profiles,
    "GetCompositeSchedule": _get_composite_schedule,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {
    ProfilesTold: "ReportChargingProfiles",
    LimitTold: "NotifyChargingLimit",
    LimitLifted: "ClearedChargingLimit",
    NeedsTold: "NotifyEVChargingNeeds",
    ScheduleChosen: "NotifyEVChargingSchedule",
}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    ProfilesTold: _profiles_told,
    LimitTold: _limit_told,
    LimitLifted: _limit_lifted,
    NeedsTold: _needs_told,
    ScheduleChosen: _schedule_chosen,
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {
    NeedsTold: _needs_answered,
}
"""What the answers to our messages mean."""
