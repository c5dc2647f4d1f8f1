"""What can happen to a charger around its energy, beside what the CSMS says: input of
`Station.tell`, part of `events.Event`.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

LimitSource = Literal["EMS", "SO", "CSO", "Other"]


class _Event(Struct, frozen=True, gc=False):
    """Base of the events."""


class LimitImposed(_Event, frozen=True):
    """Somebody other than the CSMS limits a connector (0: the station), or changes that limit."""

    connector_id: int = 0
    limit: float = 0.0
    unit: Literal["A", "W"] = "W"
    source: LimitSource = "EMS"
    grid_critical: bool | None = None
    local_generation: bool | None = None


class LimitReleased(_Event, frozen=True):
    """They do not any more."""

    connector_id: int = 0
    source: LimitSource = "EMS"


class SetpointGiven(_Event, frozen=True):
    """An energy manager at the site wants this power, less than 0 out of the vehicle; None: no
    wish. It counts in the operation modes ExternalSetpoint and LocalLoadBalancing.
    """

    connector_id: int = 1
    power_w: float | None = None


class FrequencyMeasured(_Event, frozen=True):
    """The grid has this frequency now; it counts in the operation mode LocalFrequency."""

    frequency_hz: float


class PriorityPressed(_Event, frozen=True):
    """The driver wants the transaction to go before others, or no more."""

    connector_id: int = 1
    activate: bool = True


class GridFaulted(_Event, frozen=True):
    """A protection of the vehicle's inverter has tripped, in the words of NotifyDERAlarm."""

    control_type: str
    fault: str | None = None
    ended: bool = False
    info: str | None = None


EnergyEvent = (
    LimitImposed | LimitReleased | SetpointGiven | FrequencyMeasured | PriorityPressed | GridFaulted
)
