"""In and out of service at three levels: station, EVSE, connector (OCPP 2.0.1 part 2, block G).

Each level keeps what the CSMS has said of it, over reboots and losses of power, and a connector is
in service where all of its levels are: an EVSE that was taken out alone stays out when the station
comes back. The station's own level is `Station.inoperative`; the others are None until one is used.
OCPP 1.6 knows no levels, connector 0 is all of them at once: `commands.change_availability`.

A reset that waits, or that goes on at one EVSE (`resets`), keeps connectors out of service as well,
but not for long: that is no level, and nothing of it is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from simfleet.station import agenda, firmware, status
from simfleet.station.phase import Move, Phase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simfleet.station.connector import Connector
    from simfleet.station.station import Station


class Availability:
    """What is out of service apart from the station as a whole (`Station.availability`)."""

    __slots__ = ("connectors", "evses", "resets_evses", "resets_station", "resetting", "waits")

    def __init__(self) -> None:
        self.evses: set[int] = set()
        self.connectors: set[int] = set()
        """By the number of their EVSE, which has but one."""
        self.resetting: set[int] = set()
        """EVSEs that take no session because of a reset."""
        self.resets_station = False
        """Whether the station is reset when no session goes on any more."""
        self.resets_evses: set[int] = set()
        """EVSEs that are reset when theirs is over."""
        self.waits = False
        """Whether something is to be done when a session ends."""


def of(station: Station) -> Availability:
    """The station's, made when it is first needed."""
    if station.availability is None:
        station.availability = Availability()
    return station.availability


def in_use(connector: Connector) -> bool:
    """Whether a transaction, or a tag that waits for its cable, is in the way of a change."""
    return (
        connector.transaction is not None
        or connector.visit is not None
        or connector.authorized_tag is not None
    )


def is_wanted(station: Station, connector: Connector) -> bool:
    """Whether a connector shall be in service, as all of its levels go."""
    levels = station.availability
    if station.inoperative:
        return False
    return levels is None or not (
        connector.id in levels.evses
        or connector.id in levels.connectors
        or connector.id in levels.resetting
    )


# ── what the CSMS asks for ────────────────────────────────────────────────────────────────────────


def change(
    station: Station,
    evse_id: int | None,
    connector_id: int | None,
    *,
    operative: bool,
    at_s: float,
) -> Literal["Accepted", "Scheduled"]:
    """Answer ChangeAvailability for the station (no EVSE), an EVSE or a connector, which exist."""
    levels = of(station)
    chosen = station.connectors
    if evse_id is None:
        station.inoperative = not operative
    else:
        level = levels.evses if connector_id is None else levels.connectors
        (level.discard if operative else level.add)(evse_id)
        chosen = [station.connectors[evse_id - 1]]
    waits = [follow(station, connector, at_s=at_s) for connector in chosen]
    status.station_moved(station, at_s=at_s)
    return "Scheduled" if any(waits) else "Accepted"


def follow(station: Station, connector: Connector, *, at_s: float) -> bool:
    """Take a connector in or out of service as its levels say. True: that has to wait."""
    operative = is_wanted(station, connector)
    if station.firmware is not None and firmware.keeps_withdrawn(
        station, connector.id, operative=operative
    ):
        return True
    connector.inoperative = not operative
    if operative:
        if connector.phase is Phase.UNAVAILABLE:
            connector.move(Move.OCCUPIED if connector.plugged else Move.OFFERED)
            status.moved(station, connector, at_s=at_s)
        return False
    if in_use(connector):
        of(station).waits = True
        return True
    _withdraw(station, connector, at_s=at_s)
    return False


def _withdraw(station: Station, connector: Connector, *, at_s: float) -> None:
    """Nobody charges here: out of service at once, whether a cable is in or not. What is broken
    stays so until it is mended.
    """
    if connector.phase is Phase.PREPARING:
        connector.move(Move.RELEASED)  # unseen: the table of 1.6 has no straight way
    if connector.phase in (Phase.AVAILABLE, Phase.FINISHING, Phase.RESERVED):
        connector.forget_tag()
        connector.move(Move.WITHDRAWN)
        status.moved(station, connector, at_s=at_s)


# ── what follows ──────────────────────────────────────────────────────────────────────────────────


def settle(station: Station, *, at_s: float) -> None:
    """Withdraw the connectors whose sessions were waited for."""
    waiting = False
    for connector in station.connectors:
        if connector.inoperative and in_use(connector):
            waiting = True
        elif connector.inoperative:
            _withdraw(station, connector, at_s=at_s)
    of(station).waits = waiting


def rebooted(station: Station) -> None:
    """No reset goes on any more. Without a word: all statuses are told after a boot."""
    levels = station.availability
    if levels is None:
        return
    levels.resets_station = levels.waits = False
    levels.resets_evses.clear()
    ids, levels.resetting = levels.resetting, set()
    for connector in (station.connectors[evse_id - 1] for evse_id in sorted(ids)):
        agenda.cancel(station, agenda.Job.EVSE_RESET, key=connector.id)
        operative = is_wanted(station, connector)
        if station.firmware is not None and firmware.keeps_withdrawn(
            station, connector.id, operative=operative
        ):
            continue
        connector.inoperative = not operative
        if operative and connector.phase is Phase.UNAVAILABLE:
            connector.move(Move.OCCUPIED if connector.plugged else Move.OFFERED)


# ── what the hardware keeps ───────────────────────────────────────────────────────────────────────


def kept_inoperative(station: Station, connector: Connector) -> bool:
    """Whether a connector is out of service for longer than a reset lasts."""
    levels = station.availability
    if levels is None or connector.id not in levels.resetting:
        return connector.inoperative
    return station.inoperative or connector.id in levels.evses | levels.connectors


def kept(station: Station) -> tuple[list[int], list[int]]:
    """The EVSEs and the connectors that the CSMS has taken out of service."""
    levels = station.availability
    return ([], []) if levels is None else (sorted(levels.evses), sorted(levels.connectors))


def restore(station: Station, evses: Iterable[int], connectors: Iterable[int]) -> None:
    """The inverse of `kept`; what the station does not have any more is forgotten."""
    exist = range(1, len(station.connectors) + 1)
    evses, connectors = set(evses).intersection(exist), set(connectors).intersection(exist)
    if evses or connectors:
        levels = of(station)
        levels.evses, levels.connectors = evses, connectors
