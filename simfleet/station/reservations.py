"""Connectors kept free for a tag (OCPP 1.6 sections 5.1 and 5.13; 2.0.1 part 2, block H).

A reservation is for one connector, or (connector 0) for any, in 2.x for any of a type: then as many
connectors as there are such reservations stay free, and others may use all but those. A connector
that only the holder may use is Reserved, as long as nothing else goes on there. One with a cable of
somebody else's in it stays Reserved: a driver may plug in, but a session begins with the right tag
alone, and when the reservation is over the cable makes it Preparing.

A reservation ends when its transaction begins, at its expiry, when it is cancelled, and when its
connector (all connectors; the station) is Faulted or Unavailable. It outlives reboots and power
losses. A holder whose cable does not come in time (ConnectionTimeOut) has not used it up, but in
2.1. A CSMS of 2.x is told of those that end neither by its own word nor by their use.

Whether a connector is Reserved follows from the reservations and the phases, so `settle` may be
called at any time; `status.moved` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from msgspec import Struct

from simfleet.station import agenda, nameplate, status
from simfleet.station.connector import NO_ERROR
from simfleet.station.messages import ReservationUpdate
from simfleet.station.phase import Move, Phase
from simfleet.station.tokens import same_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simfleet.station.connector import Connector
    from simfleet.station.station import Station

PROFILE: Final = "Reservation"
ANY_CONNECTOR: Final = 0
UPDATE_ACTION: Final = "ReservationStatusUpdate"
EXPIRED: Final = "Expired"
REMOVED: Final = "Removed"
NO_TRANSACTION: Final = "NoTransaction"

ReserveStatus = Literal["Accepted", "Faulted", "Occupied", "Rejected", "Unavailable"]
Verdict = Literal["yes", "no", "ask"]
"""Whether a tag may use a connector; ask: its parent has to be known for that."""

_BROKEN: Final = (Phase.FAULTED, Phase.UNAVAILABLE)


class Reservation(Struct, frozen=True, gc=False):
    """Number `id` of the CSMS's, for connector `connector_id` (0: any)."""

    id: int
    connector_id: int
    id_tag: str
    parent_id_tag: str | None
    expires_wall_s: float
    connector_type: str | None = None
    """Connector 0 only: any of this type (ConnectorEnumType); None: any at all."""
    made_wall_s: float | None = None
    """When it was made, where it may cost something (2.x)."""

    def is_for(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Whether a tag, or the group that it belongs to, is the holder."""
        return same_tag(self.id_tag, id_tag) or same_tag(self.parent_id_tag, parent_id_tag)


class Reservations:
    """All reservations of a station, never none (`Station.reservations` is None then) and never
    more than it has connectors.
    """

    __slots__ = ("held",)

    def __init__(self, held: Sequence[Reservation]) -> None:
        self.held = tuple(held)

    def verdict(
        self,
        station: Station,
        connector: Connector,
        id_tag: str,
        parent_id_tag: str | None = None,
    ) -> Verdict:
        """Whether a tag may use a connector, as far as reservations go."""
        if connector.phase is not Phase.RESERVED:
            return "yes"
        claims = self._claims(station, connector)
        if any(one.is_for(id_tag, parent_id_tag) for one in claims):
            return "yes"
        grouped = any(one.parent_id_tag is not None for one in claims)
        return "ask" if grouped and parent_id_tag is None else "no"

    def use(
        self, station: Station, connector: Connector, id_tag: str, parent_id_tag: str | None
    ) -> int | None:
        """A transaction of that tag begins: its reservation is used up. Returns the number, or None
        where the tag had none for this connector. `settle` afterwards.
        """
        for one in self._claims(station, connector):
            if one.is_for(id_tag, parent_id_tag):
                _keep(station, [kept for kept in self.held if kept is not one])
                connector.reserved_wall_s = one.made_wall_s
                return one.id
        return None

    def unused(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The holder had the connector and brought no cable. The reservation stays, but 2.1 has a
        word for its end; `settle` afterwards.
        """
        words = get_args(getattr(station.dialect.m, "ReservationUpdateStatusEnum", None))
        id_tag = connector.authorized_tag
        if id_tag is None or NO_TRANSACTION not in words:
            return
        for one in self._claims(station, connector):
            if one.is_for(id_tag, connector.parent_id_tag):
                kept = [other for other in self.held if other is not one]
                _keep(station, kept, told=NO_TRANSACTION, at_s=at_s)
                return

    def _claims(self, station: Station, connector: Connector) -> list[Reservation]:
        """What a connector can be used for: its own reservation, else those for any."""
        own = [one for one in self.held if one.connector_id == connector.id]
        return own or [one for one in self.held if _is_for_any_such(station, one, connector)]

    def settle(self, station: Station, *, at_s: float) -> None:
        """Drop what can no longer be honoured, and let every connector be Reserved that has to be,
        and no other.
        """
        _drop_lost(station, at_s=at_s)
        settle(station, at_s=at_s)

    def arm(self, station: Station, *, at_s: float) -> None:
        """Find out when each expires; anew when the station's clock was set."""
        wall_s = station.wall_s(at_s)
        for one in self.held:
            due_s = at_s + max(0.0, one.expires_wall_s - wall_s)
            agenda.at(station, agenda.Job.RESERVATION, due_s, key=one.id)

    def wake(self, station: Station, *, at_s: float) -> None:
        """After a boot: what expired meanwhile is over. The phases follow without a word, since all
        statuses are told when the station is registered.
        """
        wall_s = station.wall_s(at_s)
        lasting = [one for one in self.held if one.expires_wall_s > wall_s]
        _keep(station, lasting, told=EXPIRED, at_s=at_s)
        _drop_lost(station, at_s=at_s)
        if station.reservations is not None:
            station.reservations.arm(station, at_s=at_s)
        while (due := _next_move(station)) is not None:
            connector, move = due
            connector.move(move)


def has_type(station: Station, kind: str | None, evse_id: int | None) -> bool:
    """Whether there is a connector of that type, at that EVSE or (None) at any."""
    chosen = station.connectors if evse_id is None else [station.connectors[evse_id - 1]]
    return kind is None or any(nameplate.connector_type(station, one) == kind for one in chosen)


# ── what the CSMS asks for ────────────────────────────────────────────────────────────────────────


def reserve(station: Station, wish: Reservation, *, at_s: float) -> ReserveStatus:
    """Answer ReserveNow. A reservation of the same number is replaced if the new one is Accepted,
    else it stays.
    """
    configuration = station.configuration
    if not configuration.supports(PROFILE) or wish.expires_wall_s <= station.wall_s(at_s):
        return "Rejected"
    if not 0 <= wish.connector_id <= len(station.connectors):
        return "Rejected"
    if wish.connector_id == ANY_CONNECTOR and not configuration.flag(
        "ReserveConnectorZeroSupported"
    ):
        return "Rejected"
    others = [one for one in _held(station) if one.id != wish.id]
    answer = _judge(station, wish, others)
    if answer == "Accepted":
        station.reservations = Reservations([*others, wish])
        station.reservations.arm(station, at_s=at_s)
        settle(station, at_s=at_s)
    return answer


def _judge(station: Station, wish: Reservation, others: list[Reservation]) -> ReserveStatus:
    if station.error_code != NO_ERROR:
        return "Faulted"
    free = [connector for connector in _free(station, others) if connector.tag_pending is None]
    if wish.connector_id == ANY_CONNECTOR:
        such = [one for one in station.connectors if _is_for_any_such(station, wish, one)]
        if not such:
            return "Rejected"  # no connector of that type
        left = any(_can_spare(station, free, others, one) for one in free if one in such)
        if left and len(others) < len(station.connectors):
            return "Accepted"
        phases = {connector.phase for connector in such}
        if not phases <= set(_BROKEN):
            return "Occupied"
        return "Unavailable" if Phase.UNAVAILABLE in phases else "Faulted"
    connector = station.connectors[wish.connector_id - 1]
    match connector.phase:
        case Phase.FAULTED:
            return "Faulted"
        case Phase.UNAVAILABLE:
            return "Unavailable"
    spare = connector in free and _can_spare(station, free, others, connector)
    return "Accepted" if spare else "Occupied"


def cancel(station: Station, reservation_id: int, *, at_s: float) -> bool:
    """Answer CancelReservation: whether there was one of that number."""
    kept = [one for one in _held(station) if one.id != reservation_id]
    if len(kept) == len(_held(station)):
        return False
    _keep(station, kept)
    settle(station, at_s=at_s)
    return True


def expire(station: Station, reservation_id: int, *, at_s: float) -> None:
    """A reservation has expired: the job of the agenda."""
    kept = [one for one in _held(station) if one.id != reservation_id]
    _keep(station, kept, told=EXPIRED, at_s=at_s)
    settle(station, at_s=at_s)


# ── what follows from them ────────────────────────────────────────────────────────────────────────


def settle(station: Station, *, at_s: float) -> None:
    """Let every connector be Reserved that has to be, and no other."""
    while (due := _next_move(station)) is not None:
        connector, move = due
        connector.move(move)
        status.moved(station, connector, at_s=at_s)


def _next_move(station: Station) -> tuple[Connector, Move] | None:
    reserved = _reserved(station)
    for connector in station.connectors:
        if connector.phase is Phase.AVAILABLE and connector.id in reserved:
            return connector, Move.RESERVED
        if connector.phase is Phase.RESERVED and connector.id not in reserved:
            return connector, Move.OCCUPIED if connector.plugged else Move.RESERVATION_OVER
    return None


def _held(station: Station) -> tuple[Reservation, ...]:
    return () if station.reservations is None else station.reservations.held


def _reserved(station: Station) -> set[int]:
    """The connectors that only a holder may use."""
    held = _held(station)
    if not held:
        return set()
    numbers = {one.connector_id for one in held} - {ANY_CONNECTOR}
    free = _free(station, held)
    numbers |= {one.id for one in free if not _can_spare(station, free, held, one)}
    return numbers


def _free(station: Station, held: Iterable[Reservation]) -> list[Connector]:
    """The connectors that are nobody's, or only kept free for reservations of any."""
    own = {one.connector_id for one in held}
    return [
        connector
        for connector in station.connectors
        if connector.phase in (Phase.AVAILABLE, Phase.RESERVED)
        and not connector.inoperative
        and connector.id not in own
    ]


def _can_spare(
    station: Station,
    free: Sequence[Connector],
    held: Sequence[Reservation],
    connector: Connector,
) -> bool:
    """Whether the reservations of any can be honoured without that one of the free connectors."""
    anywhere = _anywhere(station, held)
    if not anywhere:
        return True
    kind = nameplate.connector_type(station, connector)
    of_type = sum(one.connector_type == kind for one in anywhere)
    if of_type and sum(nameplate.connector_type(station, one) == kind for one in free) <= of_type:
        return False
    return len(free) > len(anywhere)


def _is_for_any_such(station: Station, one: Reservation, connector: Connector) -> bool:
    """Whether a reservation of any can be used at a connector, as far as its type goes."""
    if one.connector_id != ANY_CONNECTOR:
        return False
    kind = one.connector_type
    return kind is None or kind == nameplate.connector_type(station, connector)


def _anywhere(station: Station, held: Iterable[Reservation]) -> list[Reservation]:
    """For what connectors have to stay free: the reservations of any, but for those whose holder
    has a connector in hand and only the cable is missing.
    """
    own = {one.connector_id for one in held}
    in_hand = [
        (connector.authorized_tag, connector.parent_id_tag)
        for connector in station.connectors
        if connector.phase is Phase.PREPARING
        and connector.authorized_tag is not None
        and connector.id not in own
    ]
    return [
        one
        for one in held
        if one.connector_id == ANY_CONNECTOR
        and not any(one.is_for(id_tag, parent_id_tag) for id_tag, parent_id_tag in in_hand)
    ]


def _drop_lost(station: Station, *, at_s: float) -> None:
    """Drop the reservations of connectors that are broken or going out of service."""
    held = _held(station)
    broken = {
        connector.id
        for connector in station.connectors
        if connector.phase in _BROKEN
        or (connector.inoperative and connector.phase in (Phase.AVAILABLE, Phase.RESERVED))
    }
    if station.error_code != NO_ERROR or len(broken) == len(station.connectors):
        _keep(station, [], told=REMOVED, at_s=at_s)
    elif broken:
        kept = [one for one in held if one.connector_id not in broken]
        _keep(station, kept, told=REMOVED, at_s=at_s)


def _keep(station: Station, kept: list[Reservation], *, told: str = "", at_s: float = 0.0) -> None:
    """Hold no others than these any longer. `told`: what the CSMS is to know of them (2.x)."""
    held = _held(station)
    if len(kept) == len(held):
        return
    for one in held:
        if one not in kept:
            agenda.cancel(station, agenda.Job.RESERVATION, key=one.id)
            if told and UPDATE_ACTION in station.dialect.catalog.actions:
                station.say(ReservationUpdate(one.id, told), due_s=at_s)
    station.reservations = Reservations(kept) if kept else None


# ── what the hardware keeps ───────────────────────────────────────────────────────────────────────


def remembered(station: Station) -> list[Reservation]:
    """What outlives a loss of power."""
    return list(_held(station))


def restore(station: Station, kept: Iterable[Reservation], *, at_s: float) -> None:
    """Put in what was kept; reservations of connectors that the station does not have are gone."""
    count = len(station.connectors)
    held = [one for one in kept if 0 <= one.connector_id <= count]
    if held:
        station.reservations = Reservations(held)
        station.reservations.wake(station, at_s=at_s)
