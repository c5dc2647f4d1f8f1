"""OCPP 1.6J: the CALLs of the CSMS, each a row in `HANDLERS`. Actions without a row answer
NotImplemented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.errors import ProtocolViolation
from simfleet.ocpp.v16 import messages as v16
from simfleet.station import commands
from simfleet.station.dialects import v16_lists, v16_maintenance, v16_security, v16_smart
from simfleet.station.effects import CommandHandled
from simfleet.station.messages import VendorData
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.catalog import Action
    from simfleet.ocpp.results import Received
    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station


def handle_command(station: Station, received: Received, *, at_s: float) -> None:
    """Answer one CALL of the CSMS and do what follows."""
    name = received.action.name
    if station.logs is not None:
        station.logs.note(station.wall_s(at_s), f"the CSMS calls {name}")
    if station.registration is Registration.REJECTED:
        # A rejected station does not answer (OCPP 1.6 section 4.2).
        station.conversation.ignore(received)
        station.effects.append(CommandHandled(name, "Ignored", "not registered"))
        return
    codes = station.dialect.catalog.codes
    if not _supports(station, received.action):
        text = f"{received.action.block} is not among SupportedFeatureProfiles"
        station.conversation.refuse(received, codes.not_supported, text)
        station.effects.append(CommandHandled(name, codes.not_supported))
        return
    handler = HANDLERS.get(type(received.request))
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
    station.effects.append(CommandHandled(name, None, getattr(response, "status", "")))


def _supports(station: Station, action: Action) -> bool:
    block = action.block
    if block in ALWAYS or action.name in ANSWERS_THEMSELVES:
        return True
    return station.configuration.supports(block)


def _remote_start(
    station: Station, request: v16.RemoteStartTransactionRequest, at_s: float
) -> Wire:
    may_go_on, profile = v16_smart.promised(station, request)
    if not may_go_on:
        return v16.RemoteStartTransactionResponse("Rejected")
    status = commands.remote_start(
        station, request.id_tag, request.connector_id, at_s=at_s, profile=profile
    )
    return v16.RemoteStartTransactionResponse(status)


def _remote_stop(station: Station, request: v16.RemoteStopTransactionRequest, at_s: float) -> Wire:
    return v16.RemoteStopTransactionResponse(
        commands.remote_stop(station, request.transaction_id, at_s=at_s)
    )


def _reset(station: Station, request: v16.ResetRequest, at_s: float) -> Wire:
    station.reset(hard=request.type == "Hard", at_s=at_s)
    return v16.ResetResponse("Accepted")


def _change_availability(
    station: Station, request: v16.ChangeAvailabilityRequest, at_s: float
) -> Wire:
    operative = request.type == "Operative"
    status = commands.change_availability(
        station, request.connector_id, operative=operative, at_s=at_s
    )
    return v16.ChangeAvailabilityResponse(status)


def _change_configuration(
    station: Station, request: v16.ChangeConfigurationRequest, at_s: float
) -> Wire:
    status = commands.change_configuration(station, request.key, request.value, at_s=at_s)
    return v16.ChangeConfigurationResponse(status)


def _get_configuration(station: Station, request: v16.GetConfigurationRequest, _: float) -> Wire:
    limit = station.configuration.whole("GetConfigurationMaxKeys")
    if request.key is not None and len(request.key) > limit:
        codes = station.dialect.catalog.codes
        raise ProtocolViolation(
            codes.occurrence, f"at most {limit} keys (GetConfigurationMaxKeys)", path="$.key"
        )
    report = station.configuration.report(request.key)
    return v16.GetConfigurationResponse(
        configuration_key=[
            v16.KeyValue(known.key, known.readonly, known.value) for known in report.known
        ]
        or None,
        unknown_key=list(report.unknown) or None,
    )


def _clear_cache(station: Station, _: v16.ClearCacheRequest, __: float) -> Wire:
    return v16.ClearCacheResponse(commands.clear_cache(station))


def _unlock(station: Station, request: v16.UnlockConnectorRequest, at_s: float) -> Wire:
    return v16.UnlockConnectorResponse(commands.unlock(station, request.connector_id, at_s=at_s))


ECHO: Final = "Echo"
"""The one message of our own vendor: the station sends the data back, in a DataTransfer."""


def _data_transfer(station: Station, request: v16.DataTransferRequest, at_s: float) -> Wire:
    if request.vendor_id != station.spec.vendor:
        return v16.DataTransferResponse("UnknownVendorId")
    if request.message_id != ECHO:
        return v16.DataTransferResponse("UnknownMessageId")
    station.say(VendorData(request.vendor_id, ECHO, request.data), due_s=at_s)
    return v16.DataTransferResponse("Accepted")


def _trigger(station: Station, request: v16.TriggerMessageRequest, at_s: float) -> Wire:
    status = commands.trigger(station, request.requested_message, request.connector_id, at_s=at_s)
    return v16.TriggerMessageResponse(status)


ALWAYS: Final = frozenset({"Core", "Security"})
"""Blocks that no feature profile switches off."""
ANSWERS_THEMSELVES: Final = frozenset({"GetLocalListVersion", "SendLocalList", "ReserveNow"})
"""Actions that have a word of their own for a profile that is missing."""

HANDLERS: Final[dict[type, Callable[[Station, Any, float], Wire]]] = {
    v16.RemoteStartTransactionRequest: _remote_start,
    v16.RemoteStopTransactionRequest: _remote_stop,
    v16.ResetRequest: _reset,
    v16.ChangeAvailabilityRequest: _change_availability,
    v16.ChangeConfigurationRequest: _change_configuration,
    v16.GetConfigurationRequest: _get_configuration,
    v16.ClearCacheRequest: _clear_cache,
    v16.UnlockConnectorRequest: _unlock,
    v16.DataTransferRequest: _data_transfer,
    v16.TriggerMessageRequest: _trigger,
    **v16_lists.HANDLERS,
    **v16_maintenance.HANDLERS,
    **v16_security.HANDLERS,
    **v16_smart.HANDLERS,
}
