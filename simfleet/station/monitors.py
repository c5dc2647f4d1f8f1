"""Monitoring of the device model: monitors are set, watched, reported and fire (2.0.1 part 2, block
N, N02 to N08).

A station without monitors has no `Monitors` and does nothing for them. With some, it looks at the
monitored variables after every input: what has not changed is left alone. A metered value changes
without input: `forecast` says when it will cross, and the agenda wakes the station then, never more
often than once a second.

A threshold that is crossed when its monitor is set fires at once. A delta counts from the value at
that moment.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, get_args

from simfleet.station import agenda, forecast, streams
from simfleet.station.agenda import Job
from simfleet.station.messages import EventNotice
from simfleet.station.monitor import (
    NEVER_S,
    PERIODIC,
    TARGETS,
    THRESHOLDS,
    EventRecord,
    Monitor,
    MonitorType,
    StreamParams,
)
from simfleet.station.reports import EVENTS_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simfleet.station.connector import Connector
    from simfleet.station.device_model import Entry, Place
    from simfleet.station.meter import Reading
    from simfleet.station.station import Station

MonitoringBase = Literal["All", "FactoryDefault", "HardWiredOnly"]
SetStatus = Literal["Accepted", "UnsupportedMonitorType", "Rejected", "Duplicate"]

ENABLED: Final = "MonitoringCtrlr.Enabled"
QUEUED_SEVERITY: Final = "MonitoringCtrlr.OfflineQueuingSeverity"
LEVEL_MAX: Final = 9
MONITORS_MAX: Final = 100
"""Monitors of one station."""
SHORTEST_S: Final = 1.0
"""The shortest period, and the shortest pause before a metered value is looked at again."""
_DAY_S: Final = 86_400


class Monitors:
    """The monitors of one station, by id, and what is counted."""

    __slots__ = ("base", "by_id", "enabled", "events", "last_id", "level")

    def __init__(self) -> None:
        self.by_id: dict[int, Monitor] = {}
        self.base: MonitoringBase = "HardWiredOnly"
        """No monitor is hard-wired, and those of the factory wait for SetMonitoringBase."""
        self.level = LEVEL_MAX
        self.last_id = 0
        self.events = 0
        self.enabled = True


def of(station: Station) -> Monitors:
    """The monitors of a station, from the first time on that anybody asks for them."""
    if station.monitors is None:
        station.monitors = Monitors()
        station.monitors.enabled = station.configuration.flag(ENABLED)
    return station.monitors


def active_base(station: Station, _: Place, __: float) -> str:
    """ActiveMonitoringBase."""
    return "HardWiredOnly" if station.monitors is None else station.monitors.base


def active_level(station: Station, _: Place, __: float) -> str:
    """ActiveMonitoringLevel."""
    return str(LEVEL_MAX if station.monitors is None else station.monitors.level)


def settings_changed(station: Station, at_s: float) -> None:
    """MonitoringCtrlr.Enabled was set."""
    if station.monitors is not None:
        station.monitors.enabled = station.configuration.flag(ENABLED)


def written(wall_s: float) -> str:
    """A moment as a dateTime."""
    moment = datetime.fromtimestamp(round(wall_s * 1000) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# ── set and clear ─────────────────────────────────────────────────────────────────────────────────


def put(
    station: Station,
    entry: Entry,
    kind: str,
    value: float,
    *,
    severity: int,
    at_s: float,
    monitor_id: int | None = None,
    transaction: bool = False,
    stream: StreamParams | None = None,
) -> tuple[SetStatus, str, int | None]:
    """Set a monitor, or replace one by its id: the status, a reason code, and the id (N04)."""
    monitors = of(station)
    status, why = _judge(monitors, entry, kind, value, severity, monitor_id, station)
    if status != "Accepted":
        return status, why, None
    if monitor_id is None:
        monitors.last_id += 1
        monitor_id = monitors.last_id
    else:
        _remove(station, monitor_id, at_s=at_s)
    _add(
        station,
        Monitor(
            id=monitor_id,
            entry=entry,
            type=kind,  # type: ignore[arg-type]  # `_judge` knows them all
            value=value,
            severity=severity,
            transaction=transaction,
        ),
        at_s=at_s,
    )
    if stream is not None:
        streams.open_for(station, monitors.by_id[monitor_id], stream, at_s=at_s)
    return "Accepted", "", monitor_id


def _judge(
    monitors: Monitors,
    entry: Entry,
    kind: str,
    value: float,
    severity: int,
    monitor_id: int | None,
    station: Station,
) -> tuple[SetStatus, str]:
    """Whether a monitor can be set."""
    if not fits(entry, kind):
        return "UnsupportedMonitorType", ""
    if not 0 <= severity <= LEVEL_MAX:
        return "Rejected", "ValueOutOfRange"
    if not math.isfinite(value) or not _sensible(station, entry, kind, value):
        return "Rejected", "ValueOutOfRange"
    for other in monitors.by_id.values():
        same = other.entry is entry and other.type == kind and other.severity == severity
        if same and other.id != monitor_id:
            return "Duplicate", ""
    if monitor_id is None:
        if len(monitors.by_id) >= MONITORS_MAX:
            return "Rejected", "OutOfMemory"
        return "Accepted", ""
    replaced = monitors.by_id.get(monitor_id)
    if replaced is None:
        return "Rejected", "NotFound"
    if replaced.entry is not entry or replaced.kind != "CustomMonitor":
        return "Rejected", "InvalidValue"
    return "Accepted", ""


def fits(entry: Entry, kind: str) -> bool:
    """Whether a variable can be watched in that way."""
    if not entry.row.monitored or kind not in get_args(MonitorType):
        return False
    if kind in THRESHOLDS:
        return entry.numeric
    return kind not in TARGETS or (entry.numeric and entry.row.target is not None)


def _sensible(station: Station, entry: Entry, kind: str, value: float) -> bool:
    if kind in PERIODIC:
        return value >= SHORTEST_S
    if kind not in THRESHOLDS:
        return value >= 0
    low, high = entry.limits(station.configuration)
    return (low is None or value >= low) and (high is None or value <= high)


def resume(station: Station, monitor: Monitor, *, at_s: float) -> None:
    """One that was kept over a loss of power."""
    _add(station, monitor, at_s=at_s)


def _add(station: Station, monitor: Monitor, *, at_s: float) -> None:
    of(station).by_id[monitor.id] = monitor
    if monitor.type in PERIODIC:
        _plan_period(station, monitor, at_s=at_s)
    elif monitor.type == "Delta":
        monitor.reference = monitor.entry.value(station, at_s=at_s)


def _remove(station: Station, monitor_id: int, *, at_s: float) -> None:
    monitor = of(station).by_id.pop(monitor_id)
    agenda.cancel(station, Job.MONITOR, key=monitor_id)
    if monitor.stream is not None:
        streams.closed_with(station, monitor, at_s=at_s)


def clear(
    station: Station, monitor_id: int, *, at_s: float
) -> Literal["Accepted", "Rejected", "NotFound"]:
    """Remove a custom monitor (N06); those of the factory go with SetMonitoringBase only."""
    monitor = None if station.monitors is None else station.monitors.by_id.get(monitor_id)
    if monitor is None:
        return "NotFound"
    if monitor.kind != "CustomMonitor":
        return "Rejected"
    _remove(station, monitor_id, at_s=at_s)
    return "Accepted"


def set_base(
    station: Station, base: MonitoringBase, factory: Iterable[Monitor], *, at_s: float
) -> None:
    """SetMonitoringBase (N05): All adds the factory's monitors, FactoryDefault leaves no others,
    HardWiredOnly leaves none.
    """
    monitors = of(station)
    monitors.base = base
    for monitor in list(monitors.by_id.values()):
        if base != "All" or monitor.kind != "CustomMonitor":
            _remove(station, monitor.id, at_s=at_s)
    if base == "HardWiredOnly":
        return
    for monitor in factory:
        monitors.last_id += 1
        monitor.id = monitors.last_id
        _add(station, monitor, at_s=at_s)


# ── watch ─────────────────────────────────────────────────────────────────────────────────────────


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
    _tell(station, events, at_s=at_s)


def due(station: Station, key: int, *, at_s: float) -> None:
    """The moment of one monitor has come."""
    monitors = station.monitors
    monitor = None if monitors is None else monitors.by_id.get(key)
    if monitors is None or monitor is None:
        return
    due_s = monitor.due_s
    events: list[EventRecord] = []
    if monitor.type in PERIODIC:
        _plan_period(station, monitor, at_s=at_s)
        if monitors.enabled and _awake(station, monitor):
            value = monitor.entry.value(station, at_s=due_s)
            if monitor.stream is not None and monitor.stream.open:
                streams.sampled(station, monitor, value or "", at_s=due_s)
            else:
                events.append(_event(station, monitor, "Periodic", value, at_s=due_s))
    elif monitors.enabled:
        connector = station.connectors[monitor.entry.place.evse_id - 1]
        if monitor.basis == (forecast.basis(connector), connector.transaction):
            _look_at_meter(station, monitor, connector, events, at_s=due_s, again=True)
    _tell(station, events, at_s=at_s)


def clock_moved(station: Station, *, at_s: float) -> None:
    """The clock shows another time: aligned periods begin anew."""
    if station.monitors is not None:
        for monitor in station.monitors.by_id.values():
            if monitor.type == "PeriodicClockAligned":
                _plan_period(station, monitor, at_s=at_s)


def _plan_period(station: Station, monitor: Monitor, *, at_s: float) -> None:
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
    monitors = of(station)
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


def _tell(station: Station, events: list[EventRecord], *, at_s: float) -> None:
    """Queue what is severe enough: to be told at all, and while offline to be kept (N07.FR.02 to
    FR.07).
    """
    monitors = of(station)
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
        station.say(notice, due_s=at_s)
