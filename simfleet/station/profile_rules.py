"""What OCPP 2.x asks of a charging profile beyond what 1.6 asks (2.0.1 part 2, K01; 2.1 block Q).

In 1.6 a profile takes the place of one on the same stack level; in 2.x only of the one with its id,
and what would be ambiguous is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.station.charging_profiles import UNLIMITED, Kind, Purpose, Refusal

if TYPE_CHECKING:
    from simfleet.station.charging_profiles import Flow, Period, Profile, Rules
    from simfleet.station.station import Station

NEVER_S: Final = float("inf")
SCHEDULES_MAX: Final = 3
"""Schedules that a vehicle can choose among (ISO 15118), at a DC outlet."""
EXTERNAL_IDS: Final = "SmartChargingCtrlr.MaxExternalConstraintsId"
ADDITIONAL_PURPOSES: Final = "SmartChargingCtrlr.SupportedAdditionalPurposes"
SUPPORTED_MODES: Final = "V2XChargingCtrlr.SupportedOperationModes"
_PURPOSES: Final = {Purpose.PRIORITY: "PriorityCharging", Purpose.GENERATION: "LocalGeneration"}
_FOLLOWING: Final = frozenset({"CentralSetpoint", "CentralFrequency"})
"""The modes in which a setpoint can be."""


def why_not(station: Station, profile: Profile) -> Refusal | None:
    """What speaks against a profile, beside `charging_profiles.why_not`; None when nothing does."""
    return (
        _why_not_id(station, profile)
        or _why_not_purpose(station, profile)
        or _why_not_start(profile)
        or _why_not_modes(station, profile)
        or _why_not_others(station, profile)
    )


def why_not_units(profile: Profile, rules: Rules) -> Refusal | None:
    """A unit that SmartChargingCtrlr.RateUnit does not name has a reason code of its own in 2.x
    (K01.FR.26); ask this first.
    """
    for schedule in (profile.schedule, *profile.others):
        if schedule.unit not in rules.units:
            allowed = ", ".join(sorted(rules.units))
            return Refusal(
                "UnsupportedRateUnit", f"limits in {schedule.unit} are not taken, only in {allowed}"
            )
    return None


def visit_of(station: Station, profile: Profile) -> int | None:
    """The number of the transaction that a TxProfile names, if it goes on at its EVSE."""
    visit = station.connectors[profile.connector_id - 1].visit
    return None if visit is None or visit.id != profile.transaction_id else visit.number


def _why_not_id(station: Station, profile: Profile) -> Refusal | None:
    highest = station.configuration.whole(EXTERNAL_IDS)
    if profile.id <= highest:
        return Refusal("InvalidProfileId", f"ids up to {highest} are for external constraints")
    return None


def _why_not_purpose(station: Station, profile: Profile) -> Refusal | None:
    purpose = profile.purpose
    name = _PURPOSES.get(purpose)
    if name is not None and name not in station.configuration.items(ADDITIONAL_PURPOSES):
        return Refusal("UnsupportedParam", f"{name} is not supported here")
    if purpose is Purpose.GENERATION and profile.connector_id != 0:
        return Refusal("InvalidProfile", "what is generated is for the whole station, EVSE 0")
    if purpose is not Purpose.TX and profile.transaction_id is not None:
        return Refusal("InvalidProfile", "only a TxProfile is for one transaction")
    return None


def _why_not_start(profile: Profile) -> Refusal | None:
    for schedule in (profile.schedule, *profile.others):
        starts = schedule.start_wall_s is not None
        if profile.kind in (Kind.ABSOLUTE, Kind.RECURRING) and not starts:
            return Refusal("InvalidSchedule", f"an {profile.kind} schedule says when it starts")
        if profile.kind is Kind.RELATIVE and starts:
            return Refusal("InvalidSchedule", "a relative schedule starts with the transaction")
        if profile.purpose is Purpose.PRIORITY and schedule.duration_s is not None:
            return Refusal("InvalidSchedule", "priority charging goes on until it is over")
        if profile.kind is Kind.DYNAMIC and len(schedule.periods) != 1:
            return Refusal("InvalidSchedule", "a dynamic schedule has one period, to be updated")
    return None


# ── operation modes ───────────────────────────────────────────────────────────────────────────────


def _why_not_modes(station: Station, profile: Profile) -> Refusal | None:
    for schedule in (profile.schedule, *profile.others):
        for period in schedule.periods:
            refusal = _why_not_mode(station, profile, period)
            if refusal is not None:
                return refusal
    return None


def _why_not_mode(station: Station, profile: Profile, period: Period) -> Refusal | None:
    flow = period.flow
    if flow is None:
        if period.limit >= UNLIMITED:
            return Refusal("InvalidSchedule", "a period of ChargingOnly has a limit")
        return None
    if flow.mode not in ("ChargingOnly", "Idle"):
        if station.configuration.get("V2XChargingCtrlr.Enabled") != "true":
            return Refusal("UnsupportedParam", f"{flow.mode}: there is no V2X here")
        if flow.mode not in station.configuration.items(SUPPORTED_MODES):
            return Refusal("UnsupportedParam", f"operation mode {flow.mode} is not supported")
        if profile.purpose in (Purpose.STATION_MAX, Purpose.GENERATION):
            return Refusal("InvalidSchedule", f"{flow.mode} is for transactions")
    detail = _wrong(flow, limited=period.limit < UNLIMITED)
    return None if detail is None else Refusal("InvalidSchedule", f"{flow.mode}: {detail}")


def _wrong(flow: Flow, *, limited: bool) -> str | None:
    """What does not go together with the operation mode (2.1 part 2, the fields of each mode)."""
    mode = flow.mode
    if flow.setpoint is not None and mode not in _FOLLOWING:
        return "there is no setpoint to follow"
    if mode == "Idle" and (limited or flow.discharge_limit is not None):
        return "no energy flows, so there is no limit"
    if mode == "ChargingOnly" and flow.discharge_limit is not None:
        return "nothing is discharged"
    if mode == "ChargingOnly" and not limited:
        return "a limit is needed"
    if mode == "CentralSetpoint" and flow.setpoint is None:
        return "a setpoint is needed"
    if mode == "CentralFrequency" and flow.setpoint is None and not flow.signal_curve:
        return "a setpoint or a curve for the signal is needed"
    if mode == "LocalFrequency" and not flow.frequency_curve:
        return "a curve for the frequency is needed"
    return None


# ── beside others ─────────────────────────────────────────────────────────────────────────────────


def _why_not_others(station: Station, profile: Profile) -> Refusal | None:
    if profile.others:
        dc = profile.connector_id and station.spec.outlet(profile.connector_id).kind == "DC"
        most = SCHEDULES_MAX if dc and profile.purpose is Purpose.TX else 1
        count = 1 + len(profile.others)
        if count > most:
            return Refusal("InvalidSchedule", f"{count} schedules, at most {most}")
    for other in station.profiles or ():
        if other.id == profile.id:
            continue
        if _rivals(profile, other):
            return Refusal(
                "DuplicateProfile",
                f"profile {other.id} is on stack level {other.stack_level} at the same time",
            )
    return None


def _rivals(profile: Profile, other: Profile) -> bool:
    """Whether nobody could say which of the two counts."""
    if profile.purpose is not other.purpose or profile.stack_level != other.stack_level:
        return False
    if profile.purpose is Purpose.TX:
        return profile.transaction_id == other.transaction_id
    if profile.purpose is Purpose.TX_DEFAULT and 0 in (profile.connector_id, other.connector_id):
        # One for each EVSE is in the way of one for all of them (K01.FR.52, .53).
        return profile.connector_id != other.connector_id or _overlap(profile, other)
    return profile.connector_id == other.connector_id and _overlap(profile, other)


def _overlap(profile: Profile, other: Profile) -> bool:
    return (profile.valid_from_wall_s or -NEVER_S) < (other.valid_to_wall_s or NEVER_S) and (
        other.valid_from_wall_s or -NEVER_S
    ) < (profile.valid_to_wall_s or NEVER_S)
