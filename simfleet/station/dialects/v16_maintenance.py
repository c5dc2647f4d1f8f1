"""OCPP 1.6J firmware, diagnostics and logs: CALLs of the CSMS, and the statuses sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from simfleet.ocpp.v16 import messages as v16
from simfleet.station import commands, diagnostics, firmware
from simfleet.station.diagnostics_file import Window
from simfleet.station.messages import (
    DiagnosticsStatus,
    FirmwareStatus,
    LogStatus,
    SignedFirmwareStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station


# ── CALLs of the CSMS ─────────────────────────────────────────────────────────────────────────────


def _get_diagnostics(station: Station, request: v16.GetDiagnosticsRequest, at_s: float) -> Wire:
    file_name = diagnostics.get_diagnostics(
        station,
        request.location,
        window=_window(request.start_time, request.stop_time),
        retries=request.retries,
        retry_s=_seconds(request.retry_interval),
        at_s=at_s,
    )
    return v16.GetDiagnosticsResponse(file_name)


def _get_log(station: Station, request: v16.GetLogRequest, at_s: float) -> Wire:
    log = request.log
    status, file_name = diagnostics.get_log(
        station,
        log.remote_location,
        request.log_type,
        request_id=request.request_id,
        window=_window(log.oldest_timestamp, log.latest_timestamp),
        retries=request.retries,
        retry_s=_seconds(request.retry_interval),
        at_s=at_s,
    )
    return v16.GetLogResponse(status, file_name)


def _update_firmware(station: Station, request: v16.UpdateFirmwareRequest, at_s: float) -> Wire:
    firmware.update_firmware(
        station,
        request.location,
        retrieve_wall_s=request.retrieve_date.timestamp(),
        retries=request.retries,
        retry_s=_seconds(request.retry_interval),
        at_s=at_s,
    )
    return v16.UpdateFirmwareResponse()


def _signed_update(station: Station, request: v16.SignedUpdateFirmwareRequest, at_s: float) -> Wire:
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
    return v16.SignedUpdateFirmwareResponse(status)


def _extended_trigger(
    station: Station, request: v16.ExtendedTriggerMessageRequest, at_s: float
) -> Wire:
    status = commands.extended_trigger(
        station, request.requested_message, request.connector_id, at_s=at_s
    )
    return v16.ExtendedTriggerMessageResponse(status)


def _window(first: datetime | None, last: datetime | None) -> Window:
    return Window(_unix(first), _unix(last))


def _unix(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _seconds(interval: int | None) -> float | None:
    return None if interval is None else float(interval)


# ── what the station says ─────────────────────────────────────────────────────────────────────────


def _firmware(_: Station, message: FirmwareStatus) -> v16.FirmwareStatusNotificationRequest:
    return v16.FirmwareStatusNotificationRequest(cast("v16.FirmwareStatus", message.status))


def _signed_firmware(
    _: Station, message: SignedFirmwareStatus
) -> v16.SignedFirmwareStatusNotificationRequest:
    return v16.SignedFirmwareStatusNotificationRequest(
        cast("v16.FirmwareStatusEnum", message.status), message.request_id
    )


def _diagnostics(
    _: Station, message: DiagnosticsStatus
) -> v16.DiagnosticsStatusNotificationRequest:
    return v16.DiagnosticsStatusNotificationRequest(cast("v16.DiagnosticsStatus", message.status))


def _log(_: Station, message: LogStatus) -> v16.LogStatusNotificationRequest:
    return v16.LogStatusNotificationRequest(
        cast("v16.UploadLogStatusEnum", message.status), message.request_id
    )


HANDLERS: Final[dict[type, Callable[[Station, Any, float], Wire]]] = {
    v16.GetDiagnosticsRequest: _get_diagnostics,
    v16.GetLogRequest: _get_log,
    v16.UpdateFirmwareRequest: _update_firmware,
    v16.SignedUpdateFirmwareRequest: _signed_update,
    v16.ExtendedTriggerMessageRequest: _extended_trigger,
}
"""Answers to CALLs of the CSMS."""
ACTIONS: Final[dict[type, str]] = {
    FirmwareStatus: "FirmwareStatusNotification",
    SignedFirmwareStatus: "SignedFirmwareStatusNotification",
    DiagnosticsStatus: "DiagnosticsStatusNotification",
    LogStatus: "LogStatusNotification",
}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    FirmwareStatus: _firmware,
    SignedFirmwareStatus: _signed_firmware,
    DiagnosticsStatus: _diagnostics,
    LogStatus: _log,
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {}
"""What the answers to our messages mean."""
