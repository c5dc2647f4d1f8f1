"""Periodic event streams of OCPP 2.1: the values of a periodic monitor, told by SEND instead of
NotifyEvent (2.1 part 2, N11 to N15).

The station asks to open a stream when its monitor is set with one; until the CSMS has agreed, and
when it does not, the monitor fires as any other. Values that were not told for want of a link wait,
the newest of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.station.messages import StreamClosed, StreamData, StreamOpened
from simfleet.station.monitor import Stream, StreamParams

if TYPE_CHECKING:
    from simfleet.station.monitor import Monitor
    from simfleet.station.station import Station

WAITING_MAX: Final = 100
"""Values of one stream that may wait."""
TOLD_AT_ONCE_MAX: Final = 50


def open_for(station: Station, monitor: Monitor, params: StreamParams, *, at_s: float) -> None:
    """Ask the CSMS to take the values of a monitor as a stream."""
    monitor.stream = Stream(params, told_s=at_s)
    station.say(StreamOpened(monitor.id, params), due_s=at_s)


def opened(station: Station, monitor_id: int, accepted: bool, *, at_s: float) -> None:
    """The CSMS has answered."""
    monitor = _monitor(station, monitor_id)
    if monitor is None or monitor.stream is None:
        return
    if accepted:
        monitor.stream.accepted = True
        monitor.stream.told_s = at_s
    else:
        monitor.stream = None


def closed_with(station: Station, monitor: Monitor, *, at_s: float) -> None:
    """A monitor is gone, and its stream with it."""
    stream, monitor.stream = monitor.stream, None
    if stream is not None and stream.accepted:
        station.say(StreamClosed(monitor.id), due_s=at_s)


def adjust(station: Station, monitor_id: int, params: StreamParams) -> bool:
    """Tell a stream in another rhythm; False if there is none that is open."""
    monitor = _monitor(station, monitor_id)
    if monitor is None or monitor.stream is None or not monitor.stream.accepted:
        return False
    if (params.interval_s is None and params.values is None) or params.values == 0:
        return False
    monitor.stream.params = params
    return True


def all_open(station: Station) -> list[tuple[Monitor, Stream]]:
    """The streams that are open."""
    if station.monitors is None:
        return []
    return [
        (monitor, monitor.stream)
        for monitor in station.monitors.by_id.values()
        if monitor.stream is not None and monitor.stream.accepted
    ]


def sampled(station: Station, monitor: Monitor, value: str, *, at_s: float) -> None:
    """A value of the stream; told when there are enough, or the last are long ago."""
    stream = monitor.stream
    assert stream is not None
    stream.waiting.append((station.wall_s(at_s), value))
    del stream.waiting[:-WAITING_MAX]
    params = stream.params
    enough = params.values is not None and len(stream.waiting) >= params.values
    late = params.interval_s is not None and at_s - stream.told_s >= params.interval_s - 1e-6
    if not station.may_report or not (enough or late):
        return
    told = stream.waiting[:TOLD_AT_ONCE_MAX]
    del stream.waiting[:TOLD_AT_ONCE_MAX]
    stream.told_s = at_s
    data = StreamData(monitor.id, tuple(told), len(stream.waiting))
    request = station.dialect.request_for(station, data)
    assert request is not None
    station.conversation.send(request)


def _monitor(station: Station, monitor_id: int) -> Monitor | None:
    return None if station.monitors is None else station.monitors.by_id.get(monitor_id)
