"""The monitors that come with a station, for SetMonitoringBase All and FactoryDefault (2.0.1 N05).

They sleep until the CSMS asks for them: a fleet that nobody monitors watches nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.station.device_model import model_of
from simfleet.station.monitor import Monitor, MonitorType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simfleet.station.station import Station


class _Row(Struct, frozen=True):
    component: str
    variable: str
    type: MonitorType
    value: float
    severity: int


_ROWS: Final = (
    _Row("ChargingStation", "Problem", "Delta", 1.0, 2),
    _Row("EVSE", "Problem", "Delta", 1.0, 3),
    _Row("TemperatureSensor", "Temperature", "UpperThreshold", 60.0, 4),
)


def of_factory(station: Station) -> Iterator[Monitor]:
    """Fresh ones; their ids are not given yet."""
    for row in _ROWS:
        for entry in model_of(station).select(
            row.component,
            row.variable,
            component_instance=None,
            instance=None,
            place=None,
        ):
            yield Monitor(
                id=0,
                entry=entry,
                type=row.type,
                value=row.value,
                severity=row.severity,
                kind="PreconfiguredMonitor",
            )
