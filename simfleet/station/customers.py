"""What a station knows of a customer, for CustomerInformation (2.0.1 part 2, N09, N10).

Only tags lead to anything: a station has no names of customers. The local authorization list
belongs to the CSMS, which has SendLocalList for it, so clearing leaves it alone; transactions that
run are needed until they have ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.station.tokens import same_tag, typed

if TYPE_CHECKING:
    from simfleet.station.station import Station


def known(station: Station, id_tag: str, *, at_s: float) -> str:
    """All that is known of a tag, a line each; empty if nothing is."""
    lines: list[str] = []
    wall_s = station.wall_s(at_s)
    kind, text = typed(id_tag)
    cached = station.tokens.find(id_tag, wall_s=wall_s)
    if cached is not None:
        lines.append(f"authorization cache: {kind} {text}: {cached.status}")
    if station.local_list is not None:
        listed = station.local_list.find(id_tag, wall_s=wall_s)
        if listed is not None:
            lines.append(f"local authorization list: {kind} {text}: {listed.status}")
    for connector in station.connectors:
        visit, transaction = connector.visit, connector.transaction
        tag = transaction.id_tag if transaction is not None else connector.authorized_tag
        if same_tag(tag, id_tag):
            where = f"EVSE {connector.id}"
            lines.append(f"{where}: transaction {visit.id}" if visit is not None else where)
    if station.reservations is not None:
        lines += [
            f"reservation {one.id}"
            for one in station.reservations.held
            if same_tag(one.id_tag, id_tag)
        ]
    return "\n".join(lines)


def forget(station: Station, id_tag: str) -> None:
    """Remove what the station has learned of a tag."""
    station.tokens.forget(id_tag)
