"""One charger and a CSMS that is not ours say everything that OCPP 1.6 and its security whitepaper
have: all 26 messages of a CSMS, all 14 of a station, each understood by the `ocpp` package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocpp.v16 import call  # type: ignore[import-untyped]

from end_to_end.peer_files import files
from end_to_end.peer_flow import commanded, moment
from end_to_end.peer_pki import ForeignCa

if TYPE_CHECKING:
    from pathlib import Path

    from end_to_end.peer_flow import Flow

OF_STATION = {
    "Authorize",
    "BootNotification",
    "DataTransfer",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "SecurityEventNotification",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
}
OF_CSMS = {
    name
    for name, kind in vars(call).items()
    if hasattr(kind, "__dataclass_fields__") and name not in OF_STATION
} | {"DataTransfer"}
PROFILE = {
    "charging_profile_id": 1,
    "stack_level": 0,
    "charging_profile_purpose": "TxDefaultProfile",
    "charging_profile_kind": "Relative",
    "charging_schedule": {
        "charging_rate_unit": "A",
        "charging_schedule_period": [{"start_period": 0, "limit": 10.5}],
    },
}


def test_the_package_has_26_messages_of_a_csms_and_14_of_a_station() -> None:
    assert (len(OF_CSMS), len(OF_STATION)) == (26, 14)


def test_every_message_is_said_once_and_understood(tmp_path: Path) -> None:
    with files() as server, commanded(tmp_path, connectors=2) as flow:
        _charge(flow)
        _ask_and_set(flow)
        _maintain(flow, server.url)
        history = flow.history
        asked = {command.action for command in history.commands}
        assert asked == OF_CSMS
        assert all(command.answered and command.error is None for command in history.commands)
        said = {exchange.action for exchange in history.calls}
        assert said == OF_STATION


def _charge(flow: Flow) -> None:
    first = flow.wait_for_start(1)
    flow.wait_for("MeterValues", connectorId=1)
    assert flow.status_of("SetChargingProfile", connector_id=1, cs_charging_profiles=PROFILE)
    schedule = flow.ask("GetCompositeSchedule", connector_id=1, duration=60)
    assert schedule["status"] == "Accepted"
    assert flow.status_of("ClearChargingProfile", id=1) == "Accepted"
    assert flow.status_of("RemoteStopTransaction", transaction_id=first) == "Accepted"
    flow.wait_for_status("Available", 1)
    reservation = {"connector_id": 1, "expiry_date": moment(600), "id_tag": "CAFE0001"}
    assert flow.status_of("ReserveNow", reservation_id=1, **reservation) == "Accepted"
    assert flow.status_of("CancelReservation", reservation_id=1) == "Accepted"
    start = {"connector_id": 1, "id_tag": "CAFE0001"}
    assert flow.status_of("RemoteStartTransaction", **start) == "Accepted"
    flow.wait_for_start(1)
    assert flow.status_of("UnlockConnector", connector_id=1) == "Unlocked"
    flow.wait_for("StopTransaction")
    availability = {"connector_id": 0, "type": "Operative"}
    assert flow.status_of("ChangeAvailability", **availability) == "Accepted"


def _ask_and_set(flow: Flow) -> None:
    assert flow.ask("GetConfiguration", key=["HeartbeatInterval"])["configuration_key"]
    change = {"key": "HeartbeatInterval", "value": "600"}
    assert flow.status_of("ChangeConfiguration", **change) == "Accepted"
    assert flow.status_of("ClearCache") == "Rejected"
    assert flow.ask("GetLocalListVersion") == {"list_version": 0}
    assert flow.status_of("SendLocalList", list_version=1, update_type="Full") == "Accepted"
    assert flow.status_of("TriggerMessage", requested_message="Heartbeat") == "Accepted"
    flow.wait_for("Heartbeat")
    data = {"vendor_id": "SimFleet", "message_id": "Echo", "data": "x"}
    assert flow.status_of("DataTransfer", **data) == "Accepted"
    flow.wait_for("DataTransfer")


def _maintain(flow: Flow, url: str) -> None:
    ca = ForeignCa()
    certificate, signature = ca.firmware_signature(b"another file")
    flow.ask("GetDiagnostics", location=f"{url}/d/")
    flow.wait_for("DiagnosticsStatusNotification", status="Uploaded")
    log = {"log_type": "SecurityLog", "request_id": 1, "log": {"remote_location": f"{url}/l/"}}
    assert flow.status_of("GetLog", **log) == "Accepted"
    flow.wait_for("LogStatusNotification", status="Uploaded")

    root = {"certificate_type": "CentralSystemRootCertificate", "certificate": ca.pem}
    assert flow.status_of("InstallCertificate", **root) == "Accepted"
    kind = {"certificate_type": "CentralSystemRootCertificate"}
    assert flow.status_of("GetInstalledCertificateIds", **kind) == "Accepted"
    trigger = {"requested_message": "SignChargePointCertificate"}
    assert flow.status_of("ExtendedTriggerMessage", **trigger) == "Accepted"
    csr = flow.wait_for("SignCertificate").payload["csr"]
    assert flow.status_of("CertificateSigned", certificate_chain=ca.signed(csr)) == "Accepted"
    gone = {"certificate_hash_data": ca.hash_data()}
    assert flow.status_of("DeleteCertificate", **gone) == "Accepted"

    assert flow.status_of("Reset", type="Soft") == "Accepted"
    flow.wait_for("BootNotification")
    flow.ask("UpdateFirmware", location=f"{url}/missing/f.bin", retrieve_date=moment(), retries=0)
    flow.wait_for("FirmwareStatusNotification", status="DownloadFailed")
    firmware = {
        "location": f"{url}/firmware-6.0.0.bin",
        "retrieve_date_time": moment(),
        "signing_certificate": certificate,
        "signature": signature,
    }
    asked = flow.status_of("SignedUpdateFirmware", request_id=2, firmware=firmware)
    assert asked == "Accepted"
    flow.wait_for("SignedFirmwareStatusNotification", status="InvalidSignature")
    flow.wait_for("SecurityEventNotification", type="InvalidFirmwareSignature")
