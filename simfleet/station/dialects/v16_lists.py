"""OCPP 1.6J reservations and local authorization list: CALLs of the CSMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.ocpp.v16 import messages as v16
from simfleet.station import local_list, reservations
from simfleet.station.tokens import TokenInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station


def info_of(said: v16.IdTagInfo) -> TokenInfo:
    """What the CSMS has said of a tag."""
    expires_wall_s = said.expiry_date.timestamp() if said.expiry_date is not None else None
    return TokenInfo(said.status, said.parent_id_tag, expires_wall_s)


# ── reservations ──────────────────────────────────────────────────────────────────────────────────


def _reserve_now(station: Station, request: v16.ReserveNowRequest, at_s: float) -> Wire:
    wish = reservations.Reservation(
        request.reservation_id,
        request.connector_id,
        request.id_tag,
        request.parent_id_tag,
        request.expiry_date.timestamp(),
    )
    return v16.ReserveNowResponse(reservations.reserve(station, wish, at_s=at_s))


def _cancel_reservation(
    station: Station, request: v16.CancelReservationRequest, at_s: float
) -> Wire:
    held = reservations.cancel(station, request.reservation_id, at_s=at_s)
    return v16.CancelReservationResponse("Accepted" if held else "Rejected")


# ── local authorization list ──────────────────────────────────────────────────────────────────────


def _get_version(station: Station, _: v16.GetLocalListVersionRequest, __: float) -> Wire:
    return v16.GetLocalListVersionResponse(local_list.version_of(station))


def _send_list(station: Station, request: v16.SendLocalListRequest, _: float) -> Wire:
    changes: list[local_list.Change] = [
        (one.id_tag, None if one.id_tag_info is None else info_of(one.id_tag_info))
        for one in request.local_authorization_list or ()
    ]
    full = request.update_type == "Full"
    status = local_list.update(station, request.list_version, changes, full=full)
    return v16.SendLocalListResponse(status)


HANDLERS: Final[dict[type, Callable[[Station, Any, float], Wire]]] = {
    v16.ReserveNowRequest: _reserve_now,
    v16.CancelReservationRequest: _cancel_reservation,
    v16.GetLocalListVersionRequest: _get_version,
    v16.SendLocalListRequest: _send_list,
}
"""Answers to CALLs of the CSMS."""
ACTIONS: Final[dict[type, str]] = {}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {}
"""What the answers to our messages mean."""
