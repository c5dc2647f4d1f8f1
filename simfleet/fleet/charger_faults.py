"""The faults on purpose of a named charger, as its owner sees them.

A charger has them while it is on, through reboots and lost links; turned off and on again, or after
a restart of SimFleet, it is well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from simfleet.clock import utc
from simfleet.errors import Invalid
from simfleet.station.dialects import dialect_of
from simfleet.station.fault_kinds import Fault, problems

if TYPE_CHECKING:
    from simfleet.clock import WallClock
    from simfleet.station.station import Station


class ChargerFault(Struct, frozen=True):
    """A fault that a charger has. `acted` counts the frames, answers and transactions it has
    touched; times are UTC without a zone, `ends_at` is null for one that does not end by time.
    """

    id: int
    fault: Fault
    acted: int
    began_at: str
    ends_at: str | None


def check(fault: Fault, *, connectors: int, version: str) -> None:
    """Raise `Invalid` for a fault that a charger with so many connectors cannot have."""
    catalog = dialect_of(version).catalog
    for name, problem in problems(fault, connectors=connectors, catalog=catalog):
        raise Invalid(f"{fault.kind}: {name}: {problem}")


def faults_of(station: Station | None, clock: WallClock) -> list[ChargerFault]:
    """The faults that a station has, the oldest first."""
    if station is None or station.faults is None:
        return []

    def shown(at_s: float) -> str:
        return utc(clock.wall_s(at_s)).replace(tzinfo=None).isoformat(timespec="milliseconds")

    return [
        ChargerFault(
            one.id,
            one.fault,
            one.acted,
            shown(one.began_s),
            None if one.ends_s is None else shown(one.ends_s),
        )
        for one in station.faults.all()
    ]
