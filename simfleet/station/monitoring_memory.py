"""What of a station's monitoring its hardware keeps: monitors, base and level. Which thresholds are
crossed is found anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from simfleet.station import monitors
from simfleet.station.device_model import Entry, Place, model_of
from simfleet.station.monitor import Monitor, MonitorKind, MonitorType, Stream, StreamParams
from simfleet.station.monitors import LEVEL_MAX, MonitoringBase

if TYPE_CHECKING:
    from simfleet.station.station import Station


class KeptMonitor(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One monitor; its variable by name and place."""

    id: int
    component: str
    component_instance: str = ""
    variable: str
    instance: str = ""
    evse_id: int = 0
    connector_id: int = 0
    type: MonitorType
    value: float
    severity: int
    transaction: bool = False
    kind: MonitorKind = "CustomMonitor"
    alarmed: bool = False
    stream: StreamParams | None = None


class KeptMonitoring(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """See `Monitors`."""

    monitors: list[KeptMonitor] = []
    base: MonitoringBase = "HardWiredOnly"
    level: int = LEVEL_MAX
    last_id: int = 0
    events: int = 0


def remember(station: Station) -> KeptMonitoring | None:
    """Take it out; None where there is nothing."""
    held = station.monitors
    if held is None:
        return None
    return KeptMonitoring(
        monitors=[_kept(monitor) for monitor in held.by_id.values()],
        base=held.base,
        level=held.level,
        last_id=held.last_id,
        events=held.events,
    )


def _kept(monitor: Monitor) -> KeptMonitor:
    row, place = monitor.entry.row, monitor.entry.place
    stream = monitor.stream
    return KeptMonitor(
        id=monitor.id,
        component=row.component,
        component_instance=row.component_instance,
        variable=row.variable,
        instance=row.instance,
        evse_id=place.evse_id,
        connector_id=place.connector_id,
        type=monitor.type,
        value=monitor.value,
        severity=monitor.severity,
        transaction=monitor.transaction,
        kind=monitor.kind,
        alarmed=monitor.alarmed,
        stream=None if stream is None or not stream.accepted else stream.params,
    )


def recall(station: Station, kept: KeptMonitoring | None, *, at_s: float) -> None:
    """Put it into a station that is fresh from the factory; a monitor of something that it does not
    have is forgotten.
    """
    if kept is None:
        return
    held = monitors.of(station)
    held.base, held.level = kept.base, kept.level
    held.last_id, held.events = kept.last_id, kept.events
    model = model_of(station)
    for one in kept.monitors:
        entry = model.find(
            one.component,
            one.variable,
            component_instance=one.component_instance,
            instance=one.instance,
            place=Place(one.evse_id, one.connector_id),
        )
        if not isinstance(entry, Entry):
            continue
        monitor = Monitor(
            id=one.id,
            entry=entry,
            type=one.type,
            value=one.value,
            severity=one.severity,
            transaction=one.transaction,
            kind=one.kind,
            alarmed=one.alarmed,
        )
        if one.stream is not None:
            monitor.stream = Stream(one.stream, accepted=True, told_s=at_s)
        monitors.resume(station, monitor, at_s=at_s)
