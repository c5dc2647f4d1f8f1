"""OCPP 1.6J with the messages of the Security Whitepaper (edition 3): 39 messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.ocpp.catalog import Catalog, actions_of
from simfleet.ocpp.v16 import messages

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION: Final = "ocpp1.6"

# OCPP 1.6 section 3.2 (feature profiles), sections 4 and 5 (who sends what); Security Whitepaper.
_STATION: Final[Mapping[str, str]] = {
    "Core": "Authorize BootNotification DataTransfer Heartbeat MeterValues StartTransaction"
    " StatusNotification StopTransaction",
    "FirmwareManagement": "DiagnosticsStatusNotification FirmwareStatusNotification",
    "Security": "LogStatusNotification SecurityEventNotification SignCertificate"
    " SignedFirmwareStatusNotification",
}
_CSMS: Final[Mapping[str, str]] = {
    "Core": "ChangeAvailability ChangeConfiguration ClearCache DataTransfer GetConfiguration"
    " RemoteStartTransaction RemoteStopTransaction Reset UnlockConnector",
    "FirmwareManagement": "GetDiagnostics UpdateFirmware",
    "LocalAuthListManagement": "GetLocalListVersion SendLocalList",
    "Reservation": "CancelReservation ReserveNow",
    "SmartCharging": "ClearChargingProfile GetCompositeSchedule SetChargingProfile",
    "RemoteTrigger": "TriggerMessage",
    "Security": "CertificateSigned DeleteCertificate ExtendedTriggerMessage"
    " GetInstalledCertificateIds GetLog InstallCertificate SignedUpdateFirmware",
}

V16: Final = Catalog(_VERSION, actions_of(_VERSION, messages, station=_STATION, csms=_CSMS))
"""Every message of OCPP 1.6J and the Security Whitepaper."""
