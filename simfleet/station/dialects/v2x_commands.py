"""OCPP 2.0.1 and 2.1: how a CALL of the CSMS is answered, and the CALLs that start, stop and
restart. Every row of `HANDLERS` is an action; actions without a row answer NotImplemented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.errors import ProtocolViolation
from simfleet.station import commands, visits
from simfleet.station.effects import CommandHandled
from simfleet.station.registration import Registration
from simfleet.station.tokens import tag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.ocpp.results import Received
    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station


def handle_command(
    station: Station,
    received: Received,
    handlers: Mapping[str, Callable[[Station, Any, float], Wire]],
    *,
    at_s: float,
) -> None:
    """Answer one CALL of the CSMS and do what follows."""
    name = received.action.name
    if station.logs is not None:
        station.logs.note(station.wall_s(at_s), f"the CSMS calls {name}")
    codes = station.dialect.catalog.codes
    if station.registration is Registration.REJECTED:
        # Neither side sends anything before the next boot (2.0.1 B03.FR.02): SecurityError.
        station.conversation.refuse(received, codes.security, "this station was rejected")
        station.effects.append(CommandHandled(name, codes.security))
        return
    handler = handlers.get(name)
    if handler is None:
        station.conversation.refuse(received, codes.not_implemented, f"{name} is not implemented")
        station.effects.append(CommandHandled(name, codes.not_implemented))
        return
    try:
        response = handler(station, received.request, at_s)
    except ProtocolViolation as violation:
        station.conversation.refuse(received, violation.error_code, violation.description)
        station.effects.append(CommandHandled(name, violation.error_code))
        return
    station.conversation.answer(received, response)
    station.effects.append(CommandHandled(name, None, str(getattr(response, "status", ""))))


def tag(id_token: Any) -> str:
    """An idToken of the CSMS as a tag."""
    return tag_of(id_token.type, id_token.id_token)


def _request_stop(station: Station, request: Any, at_s: float) -> Wire:
    visit = visits.of_id(station, request.transaction_id)
    status = "Rejected"
    if visit is not None:
        status = commands.remote_stop_visit(station, visit, at_s=at_s)
    response: Wire = station.dialect.m.RequestStopTransactionResponse(status=status)
    return response


def _clear_cache(station: Station, _: Any, __: float) -> Wire:
    response: Wire = station.dialect.m.ClearCacheResponse(status=commands.clear_cache(station))
    return response


def _data_transfer(station: Station, request: Any, _: float) -> Wire:
    # No vendor extension is built in, so a message of our own vendor is unknown as well.
    status = "UnknownMessageId" if request.vendor_id == station.spec.vendor else "UnknownVendorId"
    response: Wire = station.dialect.m.DataTransferResponse(status=status)
    return response


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "RequestStopTransaction": _request_stop,
    "ClearCache": _clear_cache,
    "DataTransfer": _data_transfer,
}
