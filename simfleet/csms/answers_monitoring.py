"""What the CSMS answers to monitored events (2.0.1) and periodic event streams (2.1). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.csms.notices import KEPT_MAX, Event, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.csms.session import Session
    from simfleet.ocpp.wire import Wire


def _event(session: Session, request: Any, at_s: float) -> Wire:
    notices, station = session.book.notices, session.record.notices()
    expected = 0 if station.event_seq_no is None else station.event_seq_no + 1
    if request.seq_no != expected:
        notices.count("event_problems", "seq_no_gap")
    station.event_seq_no = request.seq_no if request.tbc else None
    for told in request.event_data:
        variable = variable_name(told.component, told.variable)
        notices.count("event_triggers", told.trigger)
        notices.count("event_kinds", told.event_notification_type)
        notices.count("event_variables", variable)
        if told.cleared:
            notices.count("event_problems", "cleared")
        station.events += 1
        notices.events.append(
            Event(
                session.identity,
                told.event_id,
                told.timestamp,
                told.trigger,
                told.event_notification_type,
                variable,
                told.actual_value,
                bool(told.cleared),
                told.variable_monitoring_id,
            )
        )
    response: Wire = session.version.m.NotifyEventResponse()
    return response


def variable_name(component: Any, variable: Any) -> str:
    """What a variable is called: `Component[instance]:evse.Variable[instance]`."""
    where = _named(component)
    if component.evse is not None:
        connector = component.evse.connector_id
        where += f":{component.evse.id}" + ("" if connector is None else f":{connector}")
    return f"{where}.{_named(variable)}"


def _named(one: Any) -> str:
    return str(one.name) if one.instance is None else f"{one.name}[{one.instance}]"


# ── periodic event streams ───────────────────────────────────────────────────────────────────────


def _open_stream(session: Session, request: Any, at_s: float) -> Wire:
    m, streams = session.version.m, session.record.notices().streams
    data = request.constant_stream_data
    room = data.id in streams or len(streams) < KEPT_MAX
    session.book.notices.count("streams", "opened" if room else "refused")
    if room:
        streams[data.id] = Stream(data.variable_monitoring_id, data.params)
    response: Wire = m.OpenPeriodicEventStreamResponse(status="Accepted" if room else "Rejected")
    return response


def _close_stream(session: Session, request: Any, at_s: float) -> Wire:
    known = session.record.notices().streams.pop(request.id, None)
    session.book.notices.count("streams", "closed" if known else "closed_unknown")
    response: Wire = session.version.m.ClosePeriodicEventStreamResponse()
    return response


def _stream_data(session: Session, request: Any, at_s: float) -> None:
    notices = session.book.notices
    stream = session.record.notices().streams.get(request.id)
    if stream is None:
        notices.count("streams", "data_of_unknown")
        return
    notices.count("streams", "messages")
    notices.count("streams", "values", len(request.data))
    stream.messages += 1
    stream.values += len(request.data)
    stream.pending, stream.basetime = request.pending, request.basetime


BY_ACTION: Final[Mapping[str, Callable[[Session, Any, float], Wire | None]]] = {
    "ClosePeriodicEventStream": _close_stream,
    "NotifyEvent": _event,
    "NotifyPeriodicEventStream": _stream_data,
    "OpenPeriodicEventStream": _open_stream,
}
