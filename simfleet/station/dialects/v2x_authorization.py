"""OCPP 2.0.1 and 2.1: tags, local list, remote control, availability, reservations, reset (blocks
C, D, F, G, H, and Reset of B).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.station import (
    availability,
    charging,
    commands,
    local_list,
    remote_control,
    reservations,
    resets,
    smart_charging,
    tariffs,
)
from simfleet.station.dialects import (
    v2x_certificates,
    v2x_maintenance,
    v2x_profiles,
    v2x_smart,
)
from simfleet.station.dialects.v2x_words import tag, token_info
from simfleet.station.messages import ReservationUpdate
from simfleet.station.remote_control import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.charging_profiles import Profile, Refusal
    from simfleet.station.station import Station


def _because(station: Station, reason: str, detail: str | None = None) -> Any:
    """A StatusInfo; None without a reason."""
    if not reason:
        return None
    return station.dialect.m.StatusInfo(reason_code=reason, additional_info=detail)


def _place(evse: Any) -> Place | None:
    return None if evse is None else Place(evse.id, evse.connector_id)


def _unknown(station: Station, place: Place | None) -> Any:
    """Why a place is refused; None where it exists, or the station is meant."""
    return None if place is None else _because(station, remote_control.unknown(station, place))


# ── remote control ────────────────────────────────────────────────────────────────────────────────


def _request_start(station: Station, request: Any, at_s: float) -> Wire:
    m = station.dialect.m
    evse_id = request.evse_id
    info = _unknown(station, None if evse_id is None else Place(evse_id, None))
    profile: Profile | None = None
    if info is None:
        profile, refusal = _promised(station, request)
        info = v2x_smart.because(station, refusal)
    answer, transaction_id = "Rejected", None
    if info is None:
        group = request.group_id_token
        answer, transaction_id = remote_control.start(
            station,
            tag(request.id_token),
            evse_id,
            remote_start_id=request.remote_start_id,
            group=None if group is None else tag(group),
            profile=profile,
            at_s=at_s,
        )
    response: Wire = m.RequestStartTransactionResponse(
        status=answer, status_info=info, transaction_id=transaction_id
    )
    return response


def _promised(station: Station, request: Any) -> tuple[Profile | None, Refusal | None]:
    """The profile that comes with a start, or why the start is refused for it (F01.FR.08 to .12). A
    station without smart charging takes no notice of one.
    """
    said = request.charging_profile
    if said is None or not station.configuration.supports("SmartCharging"):
        return None, None
    refusal = v2x_profiles.unsupported(said)
    if refusal is not None:
        return None, refusal
    profile = v2x_profiles.profile_of(said, connector_id=request.evse_id or 1)
    return profile, smart_charging.may_promise(station, profile, request.evse_id)


def _request_stop(station: Station, request: Any, at_s: float) -> Wire:
    answer = remote_control.stop(station, request.transaction_id, at_s=at_s)
    response: Wire = station.dialect.m.RequestStopTransactionResponse(status=answer)
    return response


def _unlock(station: Station, request: Any, at_s: float) -> Wire:
    m = station.dialect.m
    info = _unknown(station, Place(request.evse_id, request.connector_id))
    answer = "UnknownConnector"
    if info is None:
        connector = station.connectors[request.evse_id - 1]
        answer = remote_control.unlock(station, connector, at_s=at_s)
        if answer == "UnlockFailed" and not charging.has_lock(station, connector):
            info = _because(station, "FixedCable")
    response: Wire = m.UnlockConnectorResponse(status=answer, status_info=info)
    return response


def _trigger(station: Station, request: Any, at_s: float) -> Wire:
    place, message = _place(request.evse), request.requested_message
    info = _unknown(station, place)
    answer: str = "Rejected"
    if info is None:
        answer = remote_control.trigger(station, message, place, at_s=at_s)
        for block in (v2x_maintenance, v2x_certificates):
            if answer == "NotImplemented":
                answer = block.trigger(station, message, at_s=at_s)
    response: Wire = station.dialect.m.TriggerMessageResponse(status=answer, status_info=info)
    return response


def _change_availability(station: Station, request: Any, at_s: float) -> Wire:
    place = _place(request.evse)
    info = _unknown(station, place)
    answer = "Rejected"
    if info is None:
        evse_id, connector_id = (None, None) if place is None else place
        operative = request.operational_status == "Operative"
        answer = availability.change(station, evse_id, connector_id, operative=operative, at_s=at_s)
    response: Wire = station.dialect.m.ChangeAvailabilityResponse(status=answer, status_info=info)
    return response


def _reset(station: Station, request: Any, at_s: float) -> Wire:
    evse_id = request.evse_id
    info = _unknown(station, None if evse_id is None else Place(evse_id, None))
    answer = "Rejected"
    if info is None:
        answer = resets.request(station, request.type, evse_id, at_s=at_s)
    response: Wire = station.dialect.m.ResetResponse(status=answer, status_info=info)
    return response


# ── reservations ──────────────────────────────────────────────────────────────────────────────────


def _reserve_now(station: Station, request: Any, at_s: float) -> Wire:
    evse_id, group = request.evse_id, request.group_id_token
    kind = request.connector_type
    info = _unknown(station, None if evse_id is None else Place(evse_id, None))
    if info is None and not station.configuration.flag("ReservationCtrlr.Enabled"):
        info = _because(station, "NotEnabled")
    if info is None and not reservations.has_type(station, kind, evse_id):
        info = _because(station, "UnknownConnectorType")
    answer = "Rejected"
    if info is None:
        wish = reservations.Reservation(
            request.id,
            evse_id or reservations.ANY_CONNECTOR,
            tag(request.id_token),
            None if group is None else tag(group),
            request.expiry_date_time.timestamp(),
            kind if evse_id is None else None,
            station.wall_s(at_s),
        )
        answer = reservations.reserve(station, wish, at_s=at_s)
    response: Wire = station.dialect.m.ReserveNowResponse(status=answer, status_info=info)
    return response


def _cancel_reservation(station: Station, request: Any, at_s: float) -> Wire:
    held = reservations.cancel(station, request.reservation_id, at_s=at_s)
    response: Wire = station.dialect.m.CancelReservationResponse(
        status="Accepted" if held else "Rejected"
    )
    return response


def _reservation_update(station: Station, message: ReservationUpdate) -> Wire:
    request: Wire = station.dialect.m.ReservationStatusUpdateRequest(
        reservation_id=message.id, reservation_update_status=message.status
    )
    return request


# ── lists of tags ─────────────────────────────────────────────────────────────────────────────────


def _clear_cache(station: Station, _: Any, __: float) -> Wire:
    response: Wire = station.dialect.m.ClearCacheResponse(status=commands.clear_cache(station))
    if response.status == "Accepted":  # type: ignore[attr-defined]
        tariffs.cache_cleared(station)
    return response


def _list_version(station: Station, _: Any, __: float) -> Wire:
    number = local_list.version_of(station, unsupported=local_list.EMPTY)
    response: Wire = station.dialect.m.GetLocalListVersionResponse(version_number=number)
    return response


def _send_list(station: Station, request: Any, _: float) -> Wire:
    changes: list[local_list.Change] = [
        (tag(one.id_token), None if one.id_token_info is None else token_info(one.id_token_info))
        for one in request.local_authorization_list or ()
    ]
    full = request.update_type == "Full"
    answer: str = local_list.update(station, request.version_number, changes, full=full)
    info = None
    if answer == "NotSupported":
        answer, info = "Failed", _because(station, "NotEnabled")
    response: Wire = station.dialect.m.SendLocalListResponse(status=answer, status_info=info)
    return response


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "RequestStartTransaction": _request_start,
    "RequestStopTransaction": _request_stop,
    "UnlockConnector": _unlock,
    "TriggerMessage": _trigger,
    "ChangeAvailability": _change_availability,
    "Reset": _reset,
    "ReserveNow": _reserve_now,
    "CancelReservation": _cancel_reservation,
    "ClearCache": _clear_cache,
    "GetLocalListVersion": _list_version,
    "SendLocalList": _send_list,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {ReservationUpdate: "ReservationStatusUpdate"}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    ReservationUpdate: _reservation_update
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {}
"""What the answers to our messages mean."""
