"""OCPP 2.0.1 and 2.1: charging profiles and schedules to the station's words and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from simfleet.station.charging_profiles import (
    UNLIMITED,
    Flow,
    Kind,
    Period,
    Profile,
    Purpose,
    Recurrency,
    Refusal,
    Schedule,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simfleet.station.station import Station

PURPOSES: Final = {
    "ChargingStationExternalConstraints": Purpose.EXTERNAL,
    "ChargingStationMaxProfile": Purpose.STATION_MAX,
    "TxDefaultProfile": Purpose.TX_DEFAULT,
    "TxProfile": Purpose.TX,
    "PriorityCharging": Purpose.PRIORITY,
    "LocalGeneration": Purpose.GENERATION,
}
KINDS: Final = {
    "Absolute": Kind.ABSOLUTE,
    "Recurring": Kind.RECURRING,
    "Relative": Kind.RELATIVE,
    "Dynamic": Kind.DYNAMIC,
}
RECURRENCIES: Final = {"Daily": Recurrency.DAILY, "Weekly": Recurrency.WEEKLY}
_PURPOSE_NAMES: Final = {purpose: name for name, purpose in PURPOSES.items()}
_KIND_NAMES: Final = {kind: name for name, kind in KINDS.items()}
_RECURRENCY_NAMES: Final = {recurrency: name for name, recurrency in RECURRENCIES.items()}
_ENCODER: Final = msgspec.json.Encoder()


# ── there ─────────────────────────────────────────────────────────────────────────────────────────


def unsupported(said: Any) -> Refusal | None:
    """What is asked for that this station cannot do; OCPP makes a variable of each (2.1 K01)."""
    for schedule in said.charging_schedule:
        if getattr(schedule, "use_local_time", None):
            return Refusal("UnsupportedParam", "useLocalTime: only UTC is known here")
        if getattr(schedule, "randomized_delay", None):
            return Refusal("UnsupportedParam", "randomizedDelay: periods start on time here")
        if getattr(schedule, "limit_at_so_c", None) is not None:
            return Refusal("UnsupportedParam", "limitAtSoC is not supported")
        for period in schedule.charging_schedule_period:
            if getattr(period, "evse_sleep", None):
                return Refusal("UnsupportedParam", "evseSleep: an EVSE here does not sleep")
            if period.phase_to_use is not None:
                return Refusal("UnsupportedParam", "phaseToUse: phases cannot be chosen here")
    return None


def profile_of(said: Any, *, connector_id: int) -> Profile:
    """A ChargingProfile in the station's words. Nothing is checked here, see `unsupported`."""
    first, *others = [_schedule(one) for one in said.charging_schedule]
    recurrency = said.recurrency_kind
    return Profile(
        id=said.id,
        connector_id=connector_id,
        stack_level=said.stack_level,
        purpose=PURPOSES[said.charging_profile_purpose],
        kind=KINDS[said.charging_profile_kind],
        schedule=first,
        recurrency=None if recurrency is None else RECURRENCIES[recurrency],
        valid_from_wall_s=_wall_s(said.valid_from),
        valid_to_wall_s=_wall_s(said.valid_to),
        transaction_id=said.transaction_id,
        others=tuple(others),
        update_s=getattr(said, "dyn_update_interval", None),
        offline_max_s=getattr(said, "max_offline_duration", None),
        offline_kills=bool(getattr(said, "invalid_after_offline_duration", None)),
        told=_ENCODER.encode(said),
    )


def _schedule(said: Any) -> Schedule:
    return Schedule(
        said.charging_rate_unit,
        tuple(_period(one, said.charging_rate_unit) for one in said.charging_schedule_period),
        said.duration,
        _wall_s(said.start_schedule),
        said.min_charging_rate,
        said.id,
    )


def _period(said: Any, unit: str) -> Period:
    return Period(said.start_period, limit_of(said, unit), said.number_phases, _flow(said))


def limit_of(said: Any, unit: str) -> float:
    """The limit of a period or an update. Where the phases have limits of their own (2.1), vehicles
    that load all alike get the least.
    """
    phases = [said.limit, getattr(said, "limit_l2", None), getattr(said, "limit_l3", None)]
    given = [float(one) for one in phases if one is not None]
    if not given:
        return UNLIMITED
    if len(given) == 1 or unit == "A":
        return min(given)
    return min(given) * len(given)


def sum_of(said: Any, name: str) -> float | None:
    """A setpoint or discharge limit of 2.1: of all phases, or the sum of what each has."""
    given = [getattr(said, f"{name}{phase}", None) for phase in ("", "_l2", "_l3")]
    values = [float(one) for one in given if one is not None]
    return sum(values) if values else None


def _flow(said: Any) -> Flow | None:
    mode = getattr(said, "operation_mode", None)
    setpoint, discharge = sum_of(said, "setpoint"), sum_of(said, "discharge_limit")
    if mode in (None, "ChargingOnly") and setpoint is None and discharge is None:
        return None
    return Flow(
        mode or "ChargingOnly",
        setpoint,
        discharge,
        said.v2x_baseline,
        tuple((one.frequency, one.power) for one in said.v2x_freq_watt_curve or ()),
        tuple((float(one.signal), one.power) for one in said.v2x_signal_watt_curve or ()),
    )


def _wall_s(moment: datetime | None) -> float | None:
    """Unix seconds; a date-time without an offset is UTC."""
    if moment is None:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


# ── and back ──────────────────────────────────────────────────────────────────────────────────────


def moment(wall_s: float | None) -> datetime | None:
    """A moment to the millisecond."""
    return None if wall_s is None else datetime.fromtimestamp(round(wall_s, 3), UTC)


def told(station: Station, profile: Profile, *, transaction_id: str | None) -> Any:
    """A ChargingProfile as the CSMS sent it; what somebody else made, in its words."""
    m = station.dialect.m
    if profile.told is not None:
        try:
            said = msgspec.json.decode(profile.told, type=m.ChargingProfile)
        except msgspec.DecodeError:
            said = None  # it came to this station in another version
        if said is not None:
            if profile.purpose is Purpose.TX and said.transaction_id is None:
                said = msgspec.structs.replace(said, transaction_id=transaction_id)
            return said
    recurrency = profile.recurrency
    return m.ChargingProfile(
        id=profile.id,
        stack_level=profile.stack_level,
        charging_profile_purpose=_PURPOSE_NAMES[profile.purpose],
        charging_profile_kind=_KIND_NAMES[profile.kind],
        charging_schedule=[
            schedule_told(station, one) for one in (profile.schedule, *profile.others)
        ],
        recurrency_kind=None if recurrency is None else _RECURRENCY_NAMES[recurrency],
        valid_from=moment(profile.valid_from_wall_s),
        valid_to=moment(profile.valid_to_wall_s),
        transaction_id=transaction_id if profile.purpose is Purpose.TX else None,
    )


def schedule_told(station: Station, schedule: Schedule) -> Any:
    """A ChargingSchedule."""
    return station.dialect.m.ChargingSchedule(
        id=schedule.id,
        charging_rate_unit=schedule.unit,
        charging_schedule_period=periods_told(station, schedule.periods),
        start_schedule=moment(schedule.start_wall_s),
        duration=schedule.duration_s,
        min_charging_rate=schedule.min_rate,
    )


def periods_told(station: Station, periods: Iterable[Period]) -> list[Any]:
    """The ChargingSchedulePeriods."""
    return [_period_told(station, period) for period in periods]


def _period_told(station: Station, period: Period) -> Any:
    make, flow = station.dialect.m.ChargingSchedulePeriod, period.flow
    if flow is None:
        return make(start_period=period.start_s, limit=period.limit, number_phases=period.phases)
    m = station.dialect.m
    return make(
        start_period=period.start_s,
        limit=None if period.limit >= UNLIMITED else period.limit,
        number_phases=period.phases,
        operation_mode=flow.mode,
        setpoint=flow.setpoint,
        discharge_limit=flow.discharge_limit,
        v2x_baseline=flow.baseline_w,
        v2x_freq_watt_curve=[
            m.V2XFreqWattPoint(frequency=x, power=y) for x, y in flow.frequency_curve
        ]
        or None,
        v2x_signal_watt_curve=[
            m.V2XSignalWattPoint(signal=int(x), power=y) for x, y in flow.signal_curve
        ]
        or None,
    )
