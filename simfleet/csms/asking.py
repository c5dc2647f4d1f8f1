"""What the CSMS remembers of its own CALLs of 2.x, so as to understand what follows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simfleet.csms.notices import keep
from simfleet.csms.reports import KIND_OF

if TYPE_CHECKING:
    from simfleet.csms.records import StationRecord
    from simfleet.csms.versions import Version

_LIMITS = (
    *("limit", "limit_l2", "limit_l3"),
    *("discharge_limit", "discharge_limit_l2", "discharge_limit_l3"),
    *("setpoint", "setpoint_l2", "setpoint_l3"),
    *("setpoint_reactive", "setpoint_reactive_l2", "setpoint_reactive_l3"),
)


def note_sent(record: StationRecord, version: Version, request: Any) -> None:
    """A CALL goes to a station of 2.x."""
    action = version.catalog.of_request[type(request)].name
    kind = KIND_OF.get(action)
    if kind is not None:
        record.notices().reports.ask(kind, request.request_id)
    elif action == "UpdateDynamicSchedule":
        limits = record.notices().dynamic_limits
        keep(limits, request.charging_profile_id, request.schedule_update)
    elif action == "SetChargingProfile":
        profile = request.charging_profile
        if profile.charging_profile_kind == "Dynamic":
            period = profile.charging_schedule[0].charging_schedule_period[0]
            values = {name: getattr(period, name) for name in _LIMITS}
            update = version.m.ChargingScheduleUpdate(**values)
            keep(record.notices().dynamic_limits, profile.id, update)
