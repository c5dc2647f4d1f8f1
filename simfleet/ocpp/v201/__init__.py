"""OCPP 2.0.1 (editions 2 and 3): 64 messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.ocpp.catalog import Catalog, actions_of
from simfleet.ocpp.v201 import messages

if TYPE_CHECKING:
    from collections.abc import Mapping

# The functional blocks of the specification, part 2; who sends what.
STATION: Final[Mapping[str, str]] = {
    "Security": "SecurityEventNotification SignCertificate",
    "Provisioning": "BootNotification NotifyReport",
    "Authorization": "Authorize",
    "Transactions": "TransactionEvent",
    "Availability": "Heartbeat StatusNotification",
    "Reservation": "ReservationStatusUpdate",
    "MeterValues": "MeterValues",
    "SmartCharging": "ClearedChargingLimit NotifyChargingLimit NotifyEVChargingNeeds"
    " NotifyEVChargingSchedule ReportChargingProfiles",
    "Firmware": "FirmwareStatusNotification PublishFirmwareStatusNotification",
    "ISO15118Certificates": "Get15118EVCertificate GetCertificateStatus",
    "Diagnostics": "LogStatusNotification NotifyCustomerInformation NotifyEvent"
    " NotifyMonitoringReport",
    "DisplayMessage": "NotifyDisplayMessages",
    "DataTransfer": "DataTransfer",
}
CSMS: Final[Mapping[str, str]] = {
    "Security": "CertificateSigned",
    "Provisioning": "GetBaseReport GetReport GetVariables Reset SetNetworkProfile SetVariables",
    "Authorization": "ClearCache",
    "LocalAuthorizationList": "GetLocalListVersion SendLocalList",
    "Transactions": "GetTransactionStatus",
    "RemoteControl": "RequestStartTransaction RequestStopTransaction TriggerMessage"
    " UnlockConnector",
    "Availability": "ChangeAvailability",
    "Reservation": "CancelReservation ReserveNow",
    "TariffAndCost": "CostUpdated",
    "SmartCharging": "ClearChargingProfile GetChargingProfiles GetCompositeSchedule"
    " SetChargingProfile",
    "Firmware": "PublishFirmware UnpublishFirmware UpdateFirmware",
    "ISO15118Certificates": "DeleteCertificate GetInstalledCertificateIds InstallCertificate",
    "Diagnostics": "ClearVariableMonitoring CustomerInformation GetLog GetMonitoringReport"
    " SetMonitoringBase SetMonitoringLevel SetVariableMonitoring",
    "DisplayMessage": "ClearDisplayMessage GetDisplayMessages SetDisplayMessage",
    "DataTransfer": "DataTransfer",
}

V201: Final = Catalog("ocpp2.0.1", actions_of("ocpp2.0.1", messages, station=STATION, csms=CSMS))
"""Every message of OCPP 2.0.1."""
