"""What the CSMS answers in 2.0.1 and 2.1 about limits and needs of charging, priority, dynamic
schedules and grid control (DER). Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.csms.notices import keep
from simfleet.csms.records2 import Transaction2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.csms.session import Session
    from simfleet.ocpp.wire import Wire

NEEDS_PROFILE_ID: Final = 900_000
"""The profiles that answer charging needs have this id plus that of their EVSE."""
NEEDS_STACK_LEVEL: Final = 0


def _limit(session: Session, request: Any, at_s: float) -> Wire:
    limit = request.charging_limit
    keep(session.record.notices().limits, request.evse_id or 0, limit)
    session.book.notices.count("charging_limits", limit.charging_limit_source)
    response: Wire = session.version.m.NotifyChargingLimitResponse()
    return response


def _limit_cleared(session: Session, request: Any, at_s: float) -> Wire:
    known = session.record.notices().limits.pop(request.evse_id or 0, None)
    session.book.notices.count("charging_limits", "cleared" if known else "cleared_unknown")
    response: Wire = session.version.m.ClearedChargingLimitResponse()
    return response


def _needs(session: Session, request: Any, at_s: float) -> Wire:
    """The needs are met with a TxProfile at once (K15), as far as there is a transaction."""
    m, needs = session.version.m, request.charging_needs
    keep(session.record.notices().needs, request.evse_id, needs)
    status, profile = session.behaviour.charging_needs, None
    if status == "Accepted":
        profile = _profile_for(session, request.evse_id, needs)
        status = "Rejected" if profile is None else status
    session.book.notices.count("charging_needs", f"{needs.requested_energy_transfer} {status}")
    if profile is not None:
        session.say(
            m.SetChargingProfileRequest(evse_id=request.evse_id, charging_profile=profile),
            at_s=at_s,
        )
    response: Wire = m.NotifyEVChargingNeedsResponse(status=status)
    return response


def _profile_for(session: Session, evse_id: int, needs: Any) -> Any:
    """As much as the vehicle can take, from now on; None without transaction or figures."""
    m, evse = session.version.m, session.record.connectors.get(evse_id)
    transaction = None if evse is None else evse.last_start
    limited = _limit_of(needs)
    if not isinstance(transaction, Transaction2) or limited is None:
        return None
    if transaction.key not in session.book.open:
        return None
    unit, limit = limited
    schedule = m.ChargingSchedule(
        id=1,
        charging_rate_unit=unit,
        charging_schedule_period=[m.ChargingSchedulePeriod(start_period=0, limit=float(limit))],
    )
    return m.ChargingProfile(
        id=NEEDS_PROFILE_ID + evse_id,
        stack_level=NEEDS_STACK_LEVEL,
        charging_profile_purpose="TxProfile",
        charging_profile_kind="Relative",
        charging_schedule=[schedule],
        transaction_id=transaction.id,
    )


def _limit_of(needs: Any) -> tuple[str, float] | None:
    """The unit and the most that a vehicle takes."""
    ac, dc = needs.ac_charging_parameters, needs.dc_charging_parameters
    both_ways = getattr(needs, "v2x_charging_parameters", None)  # 2.1
    if ac is not None:
        return "A", ac.ev_max_current
    if dc is not None:
        power_w = dc.ev_max_power
        return "W", dc.ev_max_current * dc.ev_max_voltage if power_w is None else power_w
    if both_ways is not None and both_ways.max_charge_power is not None:
        return "W", both_ways.max_charge_power
    return None


def _ev_schedule(session: Session, request: Any, at_s: float) -> Wire:
    keep(session.record.notices().ev_schedules, request.evse_id, request.charging_schedule)
    session.book.notices.count("ev_charging_schedules", "Accepted")
    response: Wire = session.version.m.NotifyEVChargingScheduleResponse(status="Accepted")
    return response


def _priority(session: Session, request: Any, at_s: float) -> Wire:
    keep(session.record.notices().priority, request.transaction_id, request.activated)
    session.book.notices.count("priority_charging", "on" if request.activated else "off")
    response: Wire = session.version.m.NotifyPriorityChargingResponse()
    return response


def _pull(session: Session, request: Any, at_s: float) -> Wire:
    """What was last sent for that profile, be it with it or by UpdateDynamicSchedule."""
    update = session.record.notices().dynamic_limits.get(request.charging_profile_id)
    status = "Rejected" if update is None else "Accepted"
    session.book.notices.count("dynamic_schedules", status)
    response: Wire = session.version.m.PullDynamicScheduleUpdateResponse(
        status=status, schedule_update=update
    )
    return response


# ── the grid ─────────────────────────────────────────────────────────────────────────────────────


def _der_alarm(session: Session, request: Any, at_s: float) -> Wire:
    ended = " ended" if request.alarm_ended else ""
    session.book.notices.count("der_alarms", f"{request.control_type}{ended}")
    response: Wire = session.version.m.NotifyDERAlarmResponse()
    return response


def _der_start_stop(session: Session, request: Any, at_s: float) -> Wire:
    controls = session.record.notices().der_controls
    keep(controls, request.control_id, request.started)
    for superseded in request.superseded_ids or ():
        keep(controls, superseded, False)
    session.book.notices.count("der_controls", "started" if request.started else "stopped")
    response: Wire = session.version.m.NotifyDERStartStopResponse()
    return response


BY_ACTION: Final[Mapping[str, Callable[[Session, Any, float], Wire]]] = {
    "ClearedChargingLimit": _limit_cleared,
    "NotifyChargingLimit": _limit,
    "NotifyDERAlarm": _der_alarm,
    "NotifyDERStartStop": _der_start_stop,
    "NotifyEVChargingNeeds": _needs,
    "NotifyEVChargingSchedule": _ev_schedule,
    "NotifyPriorityCharging": _priority,
    "PullDynamicScheduleUpdate": _pull,
}
