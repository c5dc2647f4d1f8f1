"""Monitoring of the device model: monitors are set, watched, reported and fire (2.0.1 part 2, block
N, N02 to N08).

A station without monitors has no `Monitors` and does nothing for them; how they are watched is in
`watching.py`.

A threshold that is crossed when its monitor is set fires at once. A delta counts from the value at
that moment.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, get_args

from simfleet.station import agenda, streams, watching
from simfleet.station.agenda import Job
from simfleet.station.monitor import (
    PERIODIC,
    SHORTEST_S,
    TARGETS,
    THRESHOLDS,
    Monitor,
    MonitorType,
    StreamParams,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simfleet.station.device_model import Entry, Place
    from simfleet.station.station import Station

MonitoringBase = Literal["All", "FactoryDefault", "HardWiredOnly"]
SetStatus = Literal["Accepted", "UnsupportedMonitorType", "Rejected", "Duplicate"]

ENABLED: Final = "MonitoringCtrlr.Enabled"
LEVEL_MAX: Final = 9
MONITORS_MAX: Final = 100
"""Monitors of one station."""


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
        watching.plan_period(station, monitor, at_s=at_s)
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
