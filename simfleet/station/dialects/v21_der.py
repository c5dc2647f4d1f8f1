"""OCPP 2.1: DER controls (block R) to the station's words and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from simfleet.station import der_controls
from simfleet.station.dialects.moments import timestamp
from simfleet.station.energy import Control
from simfleet.station.energy_messages import ControlMoved, ControlsTold, DerAlarmTold

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station

_FIELDS: Final = {
    "EnterService": "enter_service",
    "FixedPFAbsorb": "fixed_pf_absorb",
    "FixedPFInject": "fixed_pf_inject",
    "FixedVar": "fixed_var",
    "FreqDroop": "freq_droop",
    "Gradients": "gradient",
    "LimitMaxDischarge": "limit_max_discharge",
}
"""Where the setting of a control is; that of all other types is a curve."""
_SETTINGS: Final = frozenset(_FIELDS.values()) | {"curve"}
_ENCODER: Final = msgspec.json.Encoder()


def field_of(control_type: str) -> str:
    """The field of a message that the setting of such a control is in."""
    return _FIELDS.get(control_type, "curve")


def _control(request: Any) -> Control | None:
    """A control in the station's words; None when not just the setting of its type is there."""
    field = field_of(request.control_type)
    given = [name for name in _SETTINGS if getattr(request, name) is not None]
    if given != [field]:
        return None
    setting = getattr(request, field)
    start = getattr(setting, "start_time", None)
    duration_s = getattr(setting, "duration", None)
    start_wall_s = None if start is None else start.timestamp()
    end_wall_s = None
    if start_wall_s is not None and duration_s is not None:
        end_wall_s = start_wall_s + duration_s
    percent = getattr(setting, "pct_max_discharge_power", None)
    return Control(
        id=request.control_id,
        type=request.control_type,
        default=request.is_default,
        priority=setting.priority,
        told=_ENCODER.encode(setting),
        start_wall_s=start_wall_s,
        end_wall_s=end_wall_s,
        discharge_share=None if percent is None else percent / 100,
    )


# ── CALLs ─────────────────────────────────────────────────────────────────────────────────────────


def _set(station: Station, request: Any, at_s: float) -> Wire:
    m = station.dialect.m
    if not der_controls.supported(station, request.control_type):
        refused: Wire = m.SetDERControlResponse(status="NotSupported")
        return refused
    control = _control(request)
    status: str = "Rejected"
    superseded: tuple[str, ...] = ()
    info = m.StatusInfo(reason_code="InvalidValue", additional_info=_EXPECTED)
    if control is not None:
        status, superseded = der_controls.put(station, control, at_s=at_s)
    response: Wire = m.SetDERControlResponse(
        status=status,
        status_info=info if status == "Rejected" else None,
        superseded_ids=list(superseded) or None,
    )
    return response


_EXPECTED: Final = (
    "the setting of its controlType and no other; a default without startTime and duration, "
    "another with an end that is still to come"
)


def _get(station: Station, request: Any, at_s: float) -> Wire:
    status = der_controls.report(
        station,
        request.request_id,
        default=request.is_default,
        control_type=request.control_type,
        control_id=request.control_id,
        at_s=at_s,
    )
    response: Wire = station.dialect.m.GetDERControlResponse(status=status)
    return response


def _clear(station: Station, request: Any, at_s: float) -> Wire:
    status = der_controls.clear(
        station,
        default=request.is_default,
        control_type=request.control_type,
        control_id=request.control_id,
        at_s=at_s,
    )
    response: Wire = station.dialect.m.ClearDERControlResponse(status=status)
    return response


# ── what the station says ─────────────────────────────────────────────────────────────────────────


def _told(station: Station, message: ControlsTold) -> Wire:
    m = station.dialect.m
    found: dict[str, list[Any]] = {}
    for control in message.controls:
        field = field_of(control.type)
        found.setdefault(field, []).append(_entry(m, control, field))
    request: Wire = m.ReportDERControlRequest(
        request_id=message.request_id, tbc=message.more or None, **found
    )
    return request


_ENTRIES: Final = {
    "curve": ("DERCurveGet", "DERCurve", "curve"),
    "enter_service": ("EnterServiceGet", "EnterService", "enter_service"),
    "fixed_pf_absorb": ("FixedPFGet", "FixedPF", "fixed_pf"),
    "fixed_pf_inject": ("FixedPFGet", "FixedPF", "fixed_pf"),
    "fixed_var": ("FixedVarGet", "FixedVar", "fixed_var"),
    "freq_droop": ("FreqDroopGet", "FreqDroop", "freq_droop"),
    "gradient": ("GradientGet", "Gradient", "gradient"),
    "limit_max_discharge": ("LimitMaxDischargeGet", "LimitMaxDischarge", "limit_max_discharge"),
}
"""For each field of the report: the type of an entry, of the setting in it, and its name there."""


def _entry(m: Any, control: Control, field: str) -> Any:
    entry_name, setting_name, name = _ENTRIES[field]
    make = getattr(m, entry_name)
    setting = msgspec.json.decode(control.told, type=getattr(m, setting_name))
    values: dict[str, Any] = {"id": control.id, name: setting}
    if "is_default" in make.__struct_fields__:
        values |= {"is_default": control.default, "is_superseded": control.superseded}
    if field == "curve":
        values["curve_type"] = control.type
    return make(**values)


def _alarm(station: Station, message: DerAlarmTold) -> Wire:
    request: Wire = station.dialect.m.NotifyDERAlarmRequest(
        control_type=message.control_type,
        timestamp=timestamp(message.wall_s),
        grid_event_fault=message.fault,
        alarm_ended=True if message.ended else None,
        extra_info=message.info,
    )
    return request


def _moved(station: Station, message: ControlMoved) -> Wire:
    request: Wire = station.dialect.m.NotifyDERStartStopRequest(
        control_id=message.control_id,
        started=message.started,
        timestamp=timestamp(message.wall_s),
        superseded_ids=list(message.superseded) or None,
    )
    return request


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "SetDERControl": _set,
    "GetDERControl": _get,
    "ClearDERControl": _clear,
}
ACTIONS: Final[dict[type, str]] = {
    ControlsTold: "ReportDERControl",
    DerAlarmTold: "NotifyDERAlarm",
    ControlMoved: "NotifyDERStartStop",
}
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    ControlsTold: _told,
    DerAlarmTold: _alarm,
    ControlMoved: _moved,
}
