"""OCPP 1.6J with the messages of the Security Whitepaper (edition 3): 39 messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.ocpp.catalog import Action, Catalog
from simfleet.ocpp.v16 import messages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simfleet.ocpp.catalog import Role

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


def _actions() -> Iterator[Action]:
    blocks: dict[str, str] = {}
    senders: dict[str, set[Role]] = {}
    sides: tuple[tuple[Role, Mapping[str, str]], ...] = (("station", _STATION), ("csms", _CSMS))
    for role, table in sides:
        for block, names in table.items():
            for name in names.split():
                blocks[name] = block
                senders.setdefault(name, set()).add(role)
    for name in sorted(blocks):
        yield Action(
            name,
            version=_VERSION,
            block=blocks[name],
            sent_by=frozenset(senders[name]),
            request=getattr(messages, f"{name}Request"),
            response=getattr(messages, f"{name}Response"),
            schemas=(name, f"{name}Response"),
        )


V16: Final = Catalog(_VERSION, _actions())
"""Every message of OCPP 1.6J and the Security Whitepaper."""
