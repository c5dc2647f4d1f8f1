"""Watching the monitors of a station, and telling of those that fire (2.0.1 part 2, N07, N08).

After every input the monitored variables are looked at: what has not changed is left alone. A
metered value changes without input: `forecast` says when it will cross, and the agenda wakes the
station then, never more often than once a second.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

from simfleet.station import agenda, forecast, streams
from simfleet.station.agenda import Job
from simfleet.station.effects import Dropped
from simfleet.station.messages import EventNotice
from simfleet.station.monitor import (
    NEVER_S,
    PERIODIC,
    SHORTEST_S,
    TARGETS,
    THRESHOLDS,
    EventRecord,
    Monitor,
)
from simfleet.station.reports import EVENTS_MAX

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.meter import Reading
    from simfleet.station.monitors import Monitors
    from simfleet.station.station import Station

QUEUED_SEVERITY: Final = "MonitoringCtrlr.OfflineQueuingSeverity"
QUEUED_MAX: Final = 32
"""NotifyEvents that wait while the CSMS cannot be told."""
_DAY_S: Final = 86_400


def look(station: Station, *, at_s: float) -> None:
    """After every input: whatever has changed is judged anew."""
    monitors = station.monitors
    if monitors is None or not monitors.by_id or not monitors.enabled:
        return
    events: list[EventRecord] = []
    for monitor in monitors.by_id.values():
        if monitor.type in PERIODIC:
            continue
        entry = monitor.entry
        if entry.row.metered is None:
            value = entry.value(station, at_s=at_s)
            if value != monitor.seen or monitor.transaction or monitor.type in TARGETS:
                _judge_value(station, monitor, value, events, at_s=at_s)
            continue
        connector = station.connectors[entry.place.evse_id - 1]
        basis = (forecast.basis(connector), connector.transaction)
        if basis != monitor.basis:
            monitor.basis = basis
            moment_s = min(at_s, max(connector.change_due_s, connector.metered_s))
            _look_at_meter(station, monitor, connector, events, at_s=moment_s)
    _tell(station, monitors, events, at_s=at_s)


def due(station: Station, key: int, *, at_s: float) -> None:
    """The moment of one monitor has come."""
    monitors = station.monitors
    monitor = None if monitors is None else monitors.by_id.get(key)
    if monitors is None or monitor is None:
        return
    due_s = monitor.due_s
    events: list[EventRecord] = []
    if monitor.type in PERIODIC:
        plan_period(station, monitor, at_s=at_s)
        if monitors.enabled and _awake(station, monitor):
            value = monitor.entry.value(station, at_s=due_s)
            if monitor.stream is not None and monitor.stream.accepted:
                streams.sampled(station, monitor, value or "", at_s=due_s)
            else:
                events.append(_event(station, monitor, "Periodic", value, at_s=due_s))
    elif monitors.enabled:
        connector = station.connectors[monitor.entry.place.evse_id - 1]
        if monitor.basis == (forecast.basis(connector), connector.transaction):
            _look_at_meter(station, monitor, connector, events, at_s=due_s, again=True)
    _tell(station, monitors, events, at_s=at_s)


def clock_moved(station: Station, *, at_s: float) -> None:
    """The clock shows another time: aligned periods begin anew."""
    if station.monitors is not None:
        for monitor in station.monitors.by_id.values():
            if monitor.type == "PeriodicClockAligned":
                plan_period(station, monitor, at_s=at_s)


def plan_period(station: Station, monitor: Monitor, *, at_s: float) -> None:
    """The next period that is not over yet."""
    period_s = monitor.value
    if monitor.type == "PeriodicClockAligned":
        wall_s = station.wall_s(at_s)
        midnight_s = wall_s - wall_s % _DAY_S
        next_s = (math.floor((wall_s - midnight_s) / period_s + 1e-9) + 1) * period_s
        monitor.due_s = at_s + midnight_s + min(next_s, _DAY_S) - wall_s
    elif monitor.due_s == NEVER_S:
        monitor.due_s = at_s + period_s
    else:
        monitor.due_s += period_s * (math.floor((at_s - monitor.due_s) / period_s) + 1)
    agenda.at(station, Job.MONITOR, monitor.due_s, key=monitor.id)


def _awake(station: Station, monitor: Monitor) -> bool:
    """Whether a monitor watches now: some do in transactions only."""
    if not monitor.transaction:
        return True
    evse_id = monitor.entry.place.evse_id
    return any(
        connector.transaction is not None
        for connector in station.connectors
        if evse_id in (0, connector.id)
    )


def _look_at_meter(
    station: Station,
    monitor: Monitor,
    connector: Connector,
    events: list[EventRecord],
    *,
    at_s: float,
    again: bool = False,
) -> None:
    """Judge a metered value, and find out when it will matter again. `again`: it was looked at just
    now, and rounding must not bring it back at once.
    """
    value = monitor.entry.value(station, at_s=at_s)
    _judge_value(station, monitor, value, events, at_s=at_s)
    metered = monitor.entry.row.metered
    target = _target(station, monitor, at_s=at_s)
    assert metered is not None

    def crosses(reading: Reading) -> bool:
        return monitor.exceeds(metered(reading), target) is not monitor.alarmed

    moment_s, _ = forecast.first(connector, crosses, at_s=max(at_s, connector.metered_s))
    monitor.due_s = max(moment_s, at_s + SHORTEST_S) if again else moment_s
    if monitor.due_s == NEVER_S:
        agenda.cancel(station, Job.MONITOR, key=monitor.id)
    else:
        agenda.at(station, Job.MONITOR, monitor.due_s, key=monitor.id)


def _target(station: Station, monitor: Monitor, *, at_s: float) -> str | None:
    if monitor.type not in TARGETS:
        return None
    return monitor.entry.value(station, at_s=at_s, attribute="Target")


def _judge_value(
    station: Station,
    monitor: Monitor,
    value: str | None,
    events: list[EventRecord],
    *,
    at_s: float,
) -> None:
    """Fire if there is reason to."""
    monitor.seen = value
    if not _awake(station, monitor):
        monitor.alarmed = False
        monitor.reference = value
        return
    if monitor.type == "Delta" and monitor.reference is None:
        monitor.reference = value
    exceeds = monitor.exceeds(value, _target(station, monitor, at_s=at_s))
    if monitor.type == "Delta":
        if exceeds:
            monitor.reference = value
            events.append(_event(station, monitor, "Delta", value, at_s=at_s))
    elif exceeds is not monitor.alarmed:
        monitor.alarmed = exceeds
        if monitor.type in THRESHOLDS:
            events.append(_event(station, monitor, "Alerting", value, at_s=at_s))
        elif exceeds:
            events.append(_event(station, monitor, "Delta", value, at_s=at_s))


# ── tell ──────────────────────────────────────────────────────────────────────────────────────────


def _event(
    station: Station,
    monitor: Monitor,
    trigger: Literal["Alerting", "Delta", "Periodic"],
    value: str | None,
    *,
    at_s: float,
) -> EventRecord:
    monitors = station.monitors
    assert monitors is not None
    monitors.events += 1
    evse_id = monitor.entry.place.evse_id
    visit = station.connectors[evse_id - 1].visit if evse_id else None
    return EventRecord(
        monitors.events,
        station.wall_s(at_s),
        trigger,
        value or "",
        monitor.entry,
        monitor.id,
        monitor.kind,
        monitor.severity,
        True if trigger == "Alerting" and not monitor.alarmed else None,
        None if visit is None else visit.id,
    )


def _tell(station: Station, monitors: Monitors, events: list[EventRecord], *, at_s: float) -> None:
    """Queue what is severe enough: to be told at all, and while offline to be kept (N07.FR.02 to
    FR.07).
    """
    least = monitors.level
    if not station.may_report:
        least = min(least, station.configuration.whole(QUEUED_SEVERITY))
    told = [event for event in events if event.severity <= least]
    for start in range(0, len(told), EVENTS_MAX):
        some = tuple(told[start : start + EVENTS_MAX])
        notice = EventNotice(
            some,
            station.wall_s(at_s),
            start // EVENTS_MAX,
            start + EVENTS_MAX < len(told),
        )
        if not station.may_report:
            _make_room(station)
        station.say(notice, due_s=at_s)


def _make_room(station: Station) -> None:
    """Of the events that wait for the link the oldest goes, before they crowd out all else."""
    waiting = [entry for entry in station.outbox.ordinary if isinstance(entry.message, EventNotice)]
    if len(waiting) >= QUEUED_MAX:
        station.outbox.ordinary.remove(waiting[0])
        station.effects.append(Dropped("NotifyEvent", "queue_full"))
