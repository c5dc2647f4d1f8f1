"""TxStartPoint and TxStopPoint of OCPP 2.x (2.0.1 part 2, E01, E06): what holds at a connector, and
its charging state.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from simfleet.station.configuration_keys import items_of
from simfleet.station.configuration_keys2 import START_POINT, STOP_POINT
from simfleet.station.phase import Phase

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station

_STATES: Final = {
    Phase.CHARGING: "Charging",
    Phase.SUSPENDED_EV: "SuspendedEV",
    Phase.SUSPENDED_EVSE: "SuspendedEVSE",
}
BAY: Final = "ParkingBayOccupancy"
SEEN: Final = frozenset({BAY})
CONNECTED: Final = frozenset({"EVConnected", "PowerPathClosed", "DataSigned", "EnergyTransfer"})
"""The points that need a vehicle at the cable."""


def state_of(connector: Connector) -> str:
    """The chargingState of a connector now."""
    if not connector.plugged:
        return "Idle"
    if connector.transaction is not None and connector.phase in _STATES:
        return _STATES[connector.phase]
    return "EVConnected"


def points_of(connector: Connector, *, occupied: bool = False) -> frozenset[str]:
    """The points of TxStartPoint and TxStopPoint that hold now. What is measured is taken to be
    signed with the power path closed, and a bay to be occupied while a cable is in; it may be so
    longer.
    """
    authorized = connector.transaction is not None or connector.authorized_tag is not None
    charging = connector.transaction is not None and connector.phase is Phase.CHARGING
    holds = _POINTS[connector.plugged, authorized, charging]
    return holds | {BAY} if occupied else holds


def _points_when(plugged: bool, authorized: bool, charging: bool) -> frozenset[str]:
    points = set()
    if plugged:
        points |= {"EVConnected", BAY}
    if authorized:
        points.add("Authorized")
    if authorized and plugged:
        points |= {"PowerPathClosed", "DataSigned"}
    if charging:
        points.add("EnergyTransfer")
    return frozenset(points)


_POINTS: Final = {case: _points_when(*case) for case in itertools.product((False, True), repeat=3)}


@lru_cache(maxsize=256)
def _set_of(value: str) -> frozenset[str]:
    return frozenset(items_of(value))


def points(station: Station, name: str) -> frozenset[str]:
    """The start points or the stop points."""
    return _set_of(station.configuration.get(name) or "PowerPathClosed")


def senses_bay(station: Station) -> bool:
    """Whether the station has an eye on the parking bay."""
    return BAY in points(station, START_POINT) | points(station, STOP_POINT)
