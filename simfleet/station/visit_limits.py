"""What a transaction may take at most, because the CSMS says so in its answers (OCPP 2.1 E16).

A limit that is reached ends nothing: the station withholds energy, and says which limit it was. The
CSMS may raise it, and energy flows again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.station import agenda
from simfleet.station.agenda import Job

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station
    from simfleet.station.visit import Visit

_ROUNDING: Final = 1e-6


def apply(station: Station, connector: Connector, visit: Visit, *, at_s: float) -> None:
    """Put the limit of a visit into effect on the session in it; `charging.flow` afterwards."""
    limit = visit.limit
    if limit is None:
        return
    connector.meter_to(at_s)
    registers = [] if limit.energy_wh is None else [visit.start_wh + limit.energy_wh]
    vehicle = connector.vehicle
    if limit.soc_percent is not None and vehicle is not None:
        missing = max(0.0, limit.soc_percent / 100.0 - vehicle.soc)
        registers.append(connector.meter.energy_wh + missing * vehicle.spec.battery_wh)
    connector.limit_wh = min(registers, default=None)
    if limit.time_s is not None:
        agenda.at(station, Job.TRANSACTION_LIMIT, visit.start_s + limit.time_s, key=connector.id)
    else:
        agenda.cancel(station, Job.TRANSACTION_LIMIT, key=connector.id)
    if connector.account is not None:
        connector.account.limit = limit.cost
    connector.withheld = bool(reached(connector, visit, at_s=at_s))


def reached(connector: Connector, visit: Visit, *, at_s: float) -> str:
    """The triggerReason of the limit that is reached; empty: none."""
    limit = visit.limit
    if limit is None:
        return ""
    taken_wh = connector.meter.energy_wh - visit.start_wh
    if limit.energy_wh is not None and taken_wh >= limit.energy_wh - _ROUNDING:
        return "EnergyLimitReached"
    if limit.time_s is not None and at_s >= visit.start_s + limit.time_s - _ROUNDING:
        return "TimeLimitReached"
    soc_percent = 0.0 if connector.vehicle is None else connector.vehicle.soc * 100.0
    if limit.soc_percent is not None and soc_percent >= limit.soc_percent - _ROUNDING:
        return "SoCLimitReached"
    if limit.cost is None:
        return ""
    if connector.account is not None:
        return "CostLimitReached" if connector.account.spent else ""
    spent = visit.total_cost is not None and visit.total_cost >= limit.cost
    return "CostLimitReached" if spent else ""
