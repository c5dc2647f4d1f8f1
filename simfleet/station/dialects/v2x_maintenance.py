"""OCPP 2.0.1 and 2.1: firmware and logs (blocks L, N)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from simfleet.station import diagnostics, firmware, firmware_state, publishing
from simfleet.station.diagnostics_file import Window
from simfleet.station.messages import (
    FirmwareStatus,
    LogStatus,
    PublishStatus,
    SignedFirmwareStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simfleet.ocpp.wire import Wire
    from simfleet.station.messages import Message
    from simfleet.station.station import Station

_UNSUPPORTED_LOG: Final = "UnsupportedParam"


# ── CALLs of the CSMS ─────────────────────────────────────────────────────────────────────────────


def _update_firmware(station: Station, request: Any, at_s: float) -> Wire:
    file = request.firmware
    status = firmware.update_signed_firmware(
        station,
        file.location,
        request_id=request.request_id,
        retrieve_wall_s=file.retrieve_date_time.timestamp(),
        install_wall_s=_unix(file.install_date_time),
        certificate=file.signing_certificate,
        signature=file.signature,
        retries=request.retries,
        retry_s=_seconds(request.retry_interval),
        at_s=at_s,
    )
    response: Wire = station.dialect.m.UpdateFirmwareResponse(status=status)
    return response


def _publish(station: Station, request: Any, at_s: float) -> Wire:
    status = publishing.publish(
        station,
        request.location,
        request.checksum,
        request_id=request.request_id,
        retries=request.retries,
        retry_s=_seconds(request.retry_interval),
        at_s=at_s,
    )
    response: Wire = station.dialect.m.PublishFirmwareResponse(status=status)
    return response


def _unpublish(station: Station, request: Any, _: float) -> Wire:
    status = publishing.unpublish(station, request.checksum)
    response: Wire = station.dialect.m.UnpublishFirmwareResponse(status=status)
    return response


def _get_log(station: Station, request: Any, at_s: float) -> Wire:
    m, log = station.dialect.m, request.log
    if request.log_type not in ("DiagnosticsLog", "SecurityLog"):
        # DataCollectorLog (2.1): there is no data collector to have one.
        refused: Wire = m.GetLogResponse(
            status="Rejected", status_info=m.StatusInfo(reason_code=_UNSUPPORTED_LOG)
        )
        return refused
    status, file_name = diagnostics.get_log(
        station,
        log.remote_location,
        request.log_type,
        request_id=request.request_id,
        window=Window(_unix(log.oldest_timestamp), _unix(log.latest_timestamp)),
        retries=request.retries,
        retry_s=_seconds(request.retry_interval),
        tells_canceled=True,
        at_s=at_s,
    )
    response: Wire = m.GetLogResponse(status=status, filename=file_name)
    return response


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _seconds(interval: int | None) -> float | None:
    return None if interval is None else float(interval)


def trigger(
    station: Station, message: str, *, at_s: float
) -> Literal["Accepted", "NotImplemented"]:
    """TriggerMessage for a message of these blocks: Idle has no requestId (F06.FR.15, .16)."""
    report: Message
    match message:
        case "FirmwareStatusNotification":
            report = SignedFirmwareStatus(*firmware_state.status_of(station, signed=True))
        case "LogStatusNotification":
            report = LogStatus(*diagnostics.log_status(station))
        case "PublishFirmwareStatusNotification":
            report = publishing.status_of(station)
        case _:
            return "NotImplemented"
    station.say(report, due_s=at_s, triggered=True)
    return "Accepted"


# ── what the station says ─────────────────────────────────────────────────────────────────────────


def _firmware(station: Station, message: FirmwareStatus | SignedFirmwareStatus) -> Wire:
    number = message.request_id if isinstance(message, SignedFirmwareStatus) else None
    request: Wire = station.dialect.m.FirmwareStatusNotificationRequest(
        status=message.status, request_id=number
    )
    return request


def _publishing(station: Station, message: PublishStatus) -> Wire:
    request: Wire = station.dialect.m.PublishFirmwareStatusNotificationRequest(
        status=message.status,
        request_id=message.request_id,
        location=list(message.locations) or None,
    )
    return request


def _log(station: Station, message: LogStatus) -> Wire:
    request: Wire = station.dialect.m.LogStatusNotificationRequest(
        status=message.status, request_id=message.request_id
    )
    return request


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "UpdateFirmware": _update_firmware,
    "PublishFirmware": _publish,
    "UnpublishFirmware": _unpublish,
    "GetLog": _get_log,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {
    FirmwareStatus: "FirmwareStatusNotification",
    SignedFirmwareStatus: "FirmwareStatusNotification",
    PublishStatus: "PublishFirmwareStatusNotification",
    LogStatus: "LogStatusNotification",
}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    FirmwareStatus: _firmware,
    SignedFirmwareStatus: _firmware,
    PublishStatus: _publishing,
    LogStatus: _log,
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {}
"""What the answers to our messages mean."""
