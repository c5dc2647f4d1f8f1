"""OCPP 1.6J smart charging: CALLs of the CSMS (sections 5.5, 5.7, 5.16), and the profile that comes
with a RemoteStartTransaction (section 5.11).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from simfleet.ocpp.v16 import messages as v16
from simfleet.station import smart_charging
from simfleet.station.charging_profiles import (
    Kind,
    Period,
    Profile,
    Purpose,
    Recurrency,
    Schedule,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.limits import Composite
    from simfleet.station.station import Station

PURPOSES: Final[dict[v16.ChargingProfilePurposeType, Purpose]] = {
    "ChargePointMaxProfile": Purpose.STATION_MAX,
    "TxDefaultProfile": Purpose.TX_DEFAULT,
    "TxProfile": Purpose.TX,
}
KINDS: Final[dict[v16.ChargingProfileKindType, Kind]] = {
    "Absolute": Kind.ABSOLUTE,
    "Recurring": Kind.RECURRING,
    "Relative": Kind.RELATIVE,
}
RECURRENCIES: Final[dict[v16.RecurrencyKindType, Recurrency]] = {
    "Daily": Recurrency.DAILY,
    "Weekly": Recurrency.WEEKLY,
}


# ── there ─────────────────────────────────────────────────────────────────────────────────────────


def profile_of(said: v16.ChargingProfile, *, connector_id: int) -> Profile:
    """A ChargingProfile in the station's words. Nothing is checked here."""
    schedule = said.charging_schedule
    recurrency = said.recurrency_kind
    return Profile(
        id=said.charging_profile_id,
        connector_id=connector_id,
        stack_level=said.stack_level,
        purpose=PURPOSES[said.charging_profile_purpose],
        kind=KINDS[said.charging_profile_kind],
        schedule=Schedule(
            schedule.charging_rate_unit,
            tuple(
                Period(period.start_period, period.limit, period.number_phases)
                for period in schedule.charging_schedule_period
            ),
            schedule.duration,
            _wall_s(schedule.start_schedule),
            schedule.min_charging_rate,
        ),
        recurrency=None if recurrency is None else RECURRENCIES[recurrency],
        valid_from_wall_s=_wall_s(said.valid_from),
        valid_to_wall_s=_wall_s(said.valid_to),
        transaction_id=said.transaction_id,
    )


def promised(
    station: Station, request: v16.RemoteStartTransactionRequest
) -> tuple[bool, Profile | None]:
    """Whether a RemoteStartTransaction may go on, as far as its profile is concerned, and the
    profile. A station without smart charging takes no notice of one.
    """
    said = request.charging_profile
    if said is None or not station.configuration.supports("SmartCharging"):
        return True, None
    profile = profile_of(said, connector_id=request.connector_id or 1)
    refusal = smart_charging.may_promise(station, profile, request.connector_id)
    return refusal is None, profile


def _wall_s(moment: datetime | None) -> float | None:
    """Unix seconds; a date-time without an offset is UTC (OCPP-J 1.6 section 3.2)."""
    if moment is None:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


# ── and back ──────────────────────────────────────────────────────────────────────────────────────


def _schedule_of(found: Composite) -> v16.ChargingSchedule:
    return v16.ChargingSchedule(
        charging_rate_unit=found.unit,
        charging_schedule_period=[
            v16.ChargingSchedulePeriod(period.start_s, period.limit, period.phases)
            for period in found.periods
        ],
        duration=found.duration_s,
        start_schedule=datetime.fromtimestamp(found.start_wall_s, UTC),
    )


# ── CALLs ─────────────────────────────────────────────────────────────────────────────────────────


def _set_charging_profile(
    station: Station, request: v16.SetChargingProfileRequest, at_s: float
) -> Wire:
    profile = profile_of(request.cs_charging_profiles, connector_id=request.connector_id)
    refusal = smart_charging.set_profile(station, profile, at_s=at_s)
    return v16.SetChargingProfileResponse("Accepted" if refusal is None else "Rejected")


def _clear_charging_profile(
    station: Station, request: v16.ClearChargingProfileRequest, at_s: float
) -> Wire:
    purpose = request.charging_profile_purpose
    cleared = smart_charging.clear_profiles(
        station,
        profile_id=request.id,
        connector_id=request.connector_id,
        purpose=None if purpose is None else PURPOSES[purpose],
        stack_level=request.stack_level,
        at_s=at_s,
    )
    return v16.ClearChargingProfileResponse("Accepted" if cleared else "Unknown")


def _get_composite_schedule(
    station: Station, request: v16.GetCompositeScheduleRequest, at_s: float
) -> Wire:
    found = smart_charging.composite_schedule(
        station,
        request.connector_id,
        duration_s=request.duration,
        unit=request.charging_rate_unit,
        at_s=at_s,
    )
    if found is None:
        return v16.GetCompositeScheduleResponse("Rejected")
    return v16.GetCompositeScheduleResponse(
        "Accepted",
        connector_id=request.connector_id,
        schedule_start=datetime.fromtimestamp(found.start_wall_s, UTC),
        charging_schedule=_schedule_of(found),
    )


HANDLERS: Final[dict[type, Callable[[Station, Any, float], Wire]]] = {
    v16.SetChargingProfileRequest: _set_charging_profile,
    v16.ClearChargingProfileRequest: _clear_charging_profile,
    v16.GetCompositeScheduleRequest: _get_composite_schedule,
}
"""Answers to CALLs of the CSMS."""
ACTIONS: Final[dict[type, str]] = {}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {}
"""What the answers to our messages mean."""
