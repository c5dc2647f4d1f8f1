"""OCPP 2.0.1 and 2.1: how a CALL of the CSMS is answered. Every row of `HANDLERS`, here and in the
modules of the blocks, is an action; actions without a row answer NotImplemented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.errors import ProtocolViolation
from simfleet.station.effects import CommandHandled
from simfleet.station.messages import VendorData
from simfleet.station.registration import Registration

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
    if station.registration in _DEAF and not _asks_for_boot(received):
        # Neither side sends anything before the boot is accepted (2.0.1 B01 to B03).
        station.conversation.refuse(received, codes.security, "this station is not accepted")
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


_DEAF: Final = (Registration.UNKNOWN, Registration.REJECTED)


def _asks_for_boot(received: Received) -> bool:
    """Whether the CSMS wants to hear a BootNotification: then it may change its mind."""
    return getattr(received.request, "requested_message", "") == "BootNotification"


ECHO: Final = "Echo"
"""The one message of our own vendor, as in 1.6: the station sends the data back."""


def _data_transfer(station: Station, request: Any, at_s: float) -> Wire:
    status = "UnknownVendorId"
    if request.vendor_id == station.spec.vendor:
        status = "Accepted" if request.message_id == ECHO else "UnknownMessageId"
    if status == "Accepted":
        station.say(VendorData(request.vendor_id, ECHO, request.data), due_s=at_s)
    response: Wire = station.dialect.m.DataTransferResponse(status=status)
    return response


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "DataTransfer": _data_transfer,
}
