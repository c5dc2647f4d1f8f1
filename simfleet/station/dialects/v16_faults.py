"""OCPP 1.6J: requests as faults on purpose change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import structs

from simfleet.ocpp.v16 import messages as v16

if TYPE_CHECKING:
    from simfleet.ocpp.wire import Wire

_FIRMWARE: Final = (
    v16.FirmwareStatusNotificationRequest,
    v16.SignedFirmwareStatusNotificationRequest,
)
_UPLOADS: Final = (v16.DiagnosticsStatusNotificationRequest, v16.LogStatusNotificationRequest)
_FIRMWARE_FAILURES: Final = frozenset(
    {
        "DownloadFailed",
        "InstallationFailed",
        "InvalidSignature",
        "InvalidCertificate",
        "RevokedCertificate",
        "InstallVerificationFailed",
    }
)
_UPLOAD_FAILURES: Final = frozenset({"UploadFailed", "UploadFailure"})


def altered(
    request: Wire,
    *,
    transaction_id: int | str | None = None,
    meter_start_wh: int | None = None,
    meter_stop_wh: int | None = None,
    vendor: str | None = None,
    vendor_error_code: str | None = None,
) -> Wire:
    """The same request with other values in the fields that are given and that it has."""
    changes: dict[str, Any] = {
        "transaction_id": transaction_id,
        "meter_start": meter_start_wh,
        "meter_stop": meter_stop_wh,
        "vendor_id": vendor,
        "vendor_error_code": vendor_error_code,
    }
    given = {
        name: value
        for name, value in changes.items()
        if value is not None and name in request.__struct_fields__
    }
    return structs.replace(request, **given)


def failure_told(request: Wire) -> Literal["", "firmware", "upload"]:
    """Whether the request tells of an update or an upload that has failed."""
    status = getattr(request, "status", "")
    if isinstance(request, _FIRMWARE) and status in _FIRMWARE_FAILURES:
        return "firmware"
    if isinstance(request, _UPLOADS) and status in _UPLOAD_FAILURES:
        return "upload"
    return ""
