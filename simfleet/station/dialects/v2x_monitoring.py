"""OCPP 2.0.1 and 2.1: monitors, events, customer information (block N)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.station import customers, monitors, preconfigured, reports
from simfleet.station.device_model import Entry
from simfleet.station.dialects.moments import timestamp
from simfleet.station.dialects.v2x_device import check_size, find, names, selected, why
from simfleet.station.dialects.v2x_words import tag
from simfleet.station.dialects.v21_streams import params_of
from simfleet.station.messages import CustomerPart, EventNotice, MonitorPart
from simfleet.station.monitor import CRITERIA, PERIODIC, Monitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station

MONITORING: Final = "MonitoringCtrlr"
CHUNK_CHARS: Final = 512
"""Characters of customer information in one message."""


# ── monitors ──────────────────────────────────────────────────────────────────────────────────────


def _set_monitoring(station: Station, request: Any, at_s: float) -> Wire:
    wanted = request.set_monitoring_data
    check_size(station, request, len(wanted), MONITORING, "SetVariableMonitoring")
    response: Wire = station.dialect.m.SetVariableMonitoringResponse(
        set_monitoring_result=[_have_set(station, one, at_s=at_s) for one in wanted]
    )
    return response


def _have_set(station: Station, wanted: Any, *, at_s: float) -> Any:
    entry = find(station, wanted.component, wanted.variable)
    stream = getattr(wanted, "periodic_event_stream", None)
    reason, monitor_id = "", wanted.id
    if not isinstance(entry, Entry):
        status: str = entry
    elif stream is not None and wanted.type not in PERIODIC:
        status, reason = "Rejected", "InvalidValue"
    else:
        status, reason, set_id = monitors.put(
            station,
            entry,
            wanted.type,
            wanted.value,
            severity=wanted.severity,
            monitor_id=wanted.id,
            transaction=bool(wanted.transaction),
            stream=None if stream is None else params_of(stream),
            at_s=at_s,
        )
        monitor_id = set_id if set_id is not None else wanted.id
    return station.dialect.m.SetMonitoringResult(
        id=monitor_id,
        status=status,
        status_info=why(station, reason),
        type=wanted.type,
        severity=wanted.severity,
        component=wanted.component,
        variable=wanted.variable,
    )


def _clear_monitoring(station: Station, request: Any, at_s: float) -> Wire:
    m = station.dialect.m
    check_size(station, request, len(request.id), MONITORING, "ClearVariableMonitoring")
    response: Wire = m.ClearVariableMonitoringResponse(
        clear_monitoring_result=[
            m.ClearMonitoringResult(id=one, status=monitors.clear(station, one, at_s=at_s))
            for one in request.id
        ]
    )
    return response


def _set_base(station: Station, request: Any, at_s: float) -> Wire:
    factory = preconfigured.of_factory(station)
    monitors.set_base(station, request.monitoring_base, factory, at_s=at_s)
    response: Wire = station.dialect.m.SetMonitoringBaseResponse(status="Accepted")
    return response


def _set_level(station: Station, request: Any, _: float) -> Wire:
    allowed = 0 <= request.severity <= monitors.LEVEL_MAX
    if allowed:
        monitors.of(station).level = request.severity
    response: Wire = station.dialect.m.SetMonitoringLevelResponse(
        status="Accepted" if allowed else "Rejected",
        status_info=None if allowed else why(station, "ValueOutOfRange", "levels are 0 to 9"),
    )
    return response


# ── reports ───────────────────────────────────────────────────────────────────────────────────────


def _get_report(station: Station, request: Any, at_s: float) -> Wire:
    response = station.dialect.m.GetMonitoringReportResponse
    asked: Wire = response(status="Rejected")
    if reports.running(station, MonitorPart, "NotifyMonitoringReport"):
        return asked
    by_entry: dict[Entry, list[Monitor]] = {}
    for monitor in () if station.monitors is None else station.monitors.by_id.values():
        by_entry.setdefault(monitor.entry, []).append(monitor)
    criteria = request.monitoring_criteria
    found = [
        (entry, chosen)
        for entry in selected(station, request.component_variable)
        if (
            chosen := tuple(
                monitor
                for monitor in by_entry.get(entry, ())
                if criteria is None or CRITERIA[monitor.type] in criteria
            )
        )
    ]
    asked = response(status="Accepted" if found else "EmptyResultSet")
    if found:
        reports.begin(station, MonitorPart, request.request_id, found, at_s=at_s)
    return asked


def _monitor_part(station: Station, part: MonitorPart) -> Wire:
    m, settings = station.dialect.m, station.configuration
    data = part.report.part(
        part.start,
        lambda item: _monitored(station, *item),
        items_max=settings.whole("DeviceDataCtrlr.ItemsPerMessage[GetReport]"),
        bytes_max=settings.whole("DeviceDataCtrlr.BytesPerMessage[GetReport]"),
    )
    request: Wire = m.NotifyMonitoringReportRequest(
        request_id=part.report.request_id,
        seq_no=part.seq_no,
        generated_at=timestamp(station.wall_s(part.at_s)),
        tbc=part.report.more,
        monitor=data,
    )
    return request


def _monitored(station: Station, entry: Entry, held: tuple[Monitor, ...]) -> Any:
    m = station.dialect.m
    component, variable = names(m, entry)
    told = []
    for monitor in held:
        more: dict[str, Any] = {}
        if "event_notification_type" in m.VariableMonitoring.__struct_fields__:
            more["event_notification_type"] = monitor.kind
        told.append(
            m.VariableMonitoring(
                id=monitor.id,
                transaction=monitor.transaction,
                value=monitor.value,
                type=monitor.type,
                severity=monitor.severity,
                **more,
            )
        )
    return m.MonitoringData(component=component, variable=variable, variable_monitoring=told)


def _events(station: Station, notice: EventNotice) -> Wire:
    m = station.dialect.m
    has_severity = "severity" in m.EventData.__struct_fields__
    data = []
    for event in notice.events:
        component, variable = names(m, event.entry)
        more = {"severity": event.severity} if has_severity else {}
        data.append(
            m.EventData(
                event_id=event.event_id,
                timestamp=timestamp(event.wall_s),
                trigger=event.trigger,
                actual_value=event.value,
                cleared=event.cleared,
                transaction_id=event.transaction_id,
                event_notification_type=event.kind,
                variable_monitoring_id=event.monitor_id,
                component=component,
                variable=variable,
                **more,
            )
        )
    request: Wire = m.NotifyEventRequest(
        generated_at=timestamp(notice.wall_s),
        seq_no=notice.seq_no,
        tbc=notice.more,
        event_data=data,
    )
    return request


# ── customers ─────────────────────────────────────────────────────────────────────────────────────


def _customer(station: Station, request: Any, at_s: float) -> Wire:
    response = station.dialect.m.CustomerInformationResponse
    named = (request.customer_identifier, request.id_token, request.customer_certificate)
    if sum(one is not None for one in named) != 1:
        refused: Wire = response(status="Invalid", status_info=why(station, "MissingParam"))
        return refused
    if reports.running(station, CustomerPart, "NotifyCustomerInformation") or not (
        request.report or request.clear
    ):
        busy: Wire = response(status="Rejected")
        return busy
    text = ""
    if request.id_token is not None:
        id_tag = tag(request.id_token)
        if request.report:
            text = customers.known(station, id_tag, at_s=at_s)
        if request.clear:
            customers.forget(station, id_tag)
    chunks = [text[start : start + CHUNK_CHARS] for start in range(0, len(text), CHUNK_CHARS)]
    reports.begin(station, CustomerPart, request.request_id, chunks or [""], at_s=at_s)
    accepted: Wire = response(status="Accepted")
    return accepted


def _customer_part(station: Station, part: CustomerPart) -> Wire:
    (chunk,) = part.report.part(part.start, str, items_max=1, bytes_max=1)
    request: Wire = station.dialect.m.NotifyCustomerInformationRequest(
        data=chunk,
        seq_no=part.seq_no,
        generated_at=timestamp(station.wall_s(part.at_s)),
        request_id=part.report.request_id,
        tbc=part.report.more,
    )
    return request


def _part_answered(station: Station, part: Any, _: Any, at_s: float) -> None:
    reports.go_on(station, part, at_s=at_s)


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "SetVariableMonitoring": _set_monitoring,
    "ClearVariableMonitoring": _clear_monitoring,
    "SetMonitoringBase": _set_base,
    "SetMonitoringLevel": _set_level,
    "GetMonitoringReport": _get_report,
    "CustomerInformation": _customer,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {
    MonitorPart: "NotifyMonitoringReport",
    EventNotice: "NotifyEvent",
    CustomerPart: "NotifyCustomerInformation",
}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    MonitorPart: _monitor_part,
    EventNotice: _events,
    CustomerPart: _customer_part,
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {
    MonitorPart: _part_answered,
    CustomerPart: _part_answered,
}
"""What the answers to our messages mean."""
