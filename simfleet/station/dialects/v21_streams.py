"""OCPP 2.1: periodic event streams (2.1 part 2, N11 to N15)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.station import streams
from simfleet.station.dialects.moments import timestamp
from simfleet.station.messages import StreamClosed, StreamData, StreamOpened
from simfleet.station.monitor import StreamParams

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station


def params_of(said: Any) -> StreamParams:
    """PeriodicEventStreamParams in domain words."""
    return StreamParams(said.interval, said.values)


def _constant(station: Station, monitor_id: int, params: StreamParams) -> Any:
    m = station.dialect.m
    return m.ConstantStreamData(
        id=monitor_id,
        params=m.PeriodicEventStreamParams(interval=params.interval_s, values=params.values),
        variable_monitoring_id=monitor_id,
    )


def _adjust(station: Station, request: Any, _: float) -> Wire:
    done = streams.adjust(station, request.id, params_of(request.params))
    response: Wire = station.dialect.m.AdjustPeriodicEventStreamResponse(
        status="Accepted" if done else "Rejected"
    )
    return response


def _get(station: Station, _: Any, __: float) -> Wire:
    told = [
        _constant(station, monitor.id, stream.params)
        for monitor, stream in streams.all_open(station)
    ]
    response: Wire = station.dialect.m.GetPeriodicEventStreamResponse(
        constant_stream_data=told or None
    )
    return response


def _opened(station: Station, message: StreamOpened) -> Wire:
    request: Wire = station.dialect.m.OpenPeriodicEventStreamRequest(
        constant_stream_data=_constant(station, message.monitor_id, message.params)
    )
    return request


def _opened_answered(station: Station, message: StreamOpened, response: Any, at_s: float) -> None:
    streams.opened(station, message.monitor_id, response.status == "Accepted", at_s=at_s)


def _closed(station: Station, message: StreamClosed) -> Wire:
    request: Wire = station.dialect.m.ClosePeriodicEventStreamRequest(id=message.monitor_id)
    return request


def _data(station: Station, message: StreamData) -> Wire:
    m = station.dialect.m
    base_s = message.values[0][0]
    request: Wire = m.NotifyPeriodicEventStreamRequest(
        id=message.monitor_id,
        pending=message.pending,
        basetime=timestamp(base_s),
        data=[
            m.StreamDataElement(t=round(wall_s - base_s, 3), v=value)
            for wall_s, value in message.values
        ],
    )
    return request


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "AdjustPeriodicEventStream": _adjust,
    "GetPeriodicEventStream": _get,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {
    StreamOpened: "OpenPeriodicEventStream",
    StreamClosed: "ClosePeriodicEventStream",
    StreamData: "NotifyPeriodicEventStream",
}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    StreamOpened: _opened,
    StreamClosed: _closed,
    StreamData: _data,
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {
    StreamOpened: _opened_answered,
}
"""What the answers to our messages mean."""
