"""Firmware, diagnostics and logs, commanded by a CSMS that is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from end_to_end.peer_files import FIRMWARE, FileServer, files
from end_to_end.peer_flow import Flow, commanded, moment
from end_to_end.peer_pki import ForeignCa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[FileServer]:
    with files() as one:
        yield one


def walked(flow: Flow, action: str, *statuses: str, **fields: Any) -> None:
    """The statuses come, all of them in this order and no others in between."""
    flow.wait_for(action, status=statuses[-1])
    assert [call.payload["status"] for call in flow.came(action, **fields)] == list(statuses)


# ── files that are uploaded ─────────────────────────────────────────────────────────────────────


def test_diagnostics_are_really_uploaded(tmp_path: Path, server: FileServer) -> None:
    with commanded(tmp_path, mode="connect") as flow:
        status = "DiagnosticsStatusNotification"
        asked = flow.ask("GetDiagnostics", location=f"{server.url}/diagnostics/", retries=1)
        walked(flow, status, "Uploading", "Uploaded")
        name = asked["file_name"]
        assert name
        (path,) = server.uploaded
        assert path.endswith(name)
        assert b"FLOW-1" in server.uploaded[path]

        asked = flow.ask("GetDiagnostics", location=f"{server.url}/missing/", retries=0)
        walked(flow, status, "Uploading", "UploadFailed")
        trigger = {"requested_message": status}
        assert flow.status_of("TriggerMessage", **trigger) == "Accepted"
        walked(flow, status, "Idle")


def test_an_upload_is_tried_again(tmp_path: Path, server: FileServer) -> None:
    server.refusals_left = 1
    with commanded(tmp_path, mode="connect") as flow:
        flow.ask("GetDiagnostics", location=f"{server.url}/d/", retries=2, retry_interval=1)
        flow.wait_for("DiagnosticsStatusNotification", status="Uploaded")
        assert [method for method, _ in server.requests] == ["PUT", "PUT"]


@pytest.mark.parametrize("log_type", ["DiagnosticsLog", "SecurityLog"])
def test_logs_are_really_uploaded(tmp_path: Path, server: FileServer, log_type: str) -> None:
    with commanded(tmp_path, mode="connect") as flow:
        asked = flow.ask(
            "GetLog",
            log_type=log_type,
            request_id=7,
            log={"remote_location": f"{server.url}/logs/", "oldest_timestamp": moment(-3600)},
        )
        assert asked["status"] == "Accepted"
        walked(flow, "LogStatusNotification", "Uploading", "Uploaded", requestId=7)
        (path,) = server.uploaded
        assert path.endswith(asked["filename"])
        trigger = {"requested_message": "LogStatusNotification"}
        assert flow.status_of("ExtendedTriggerMessage", **trigger) == "Accepted"
        assert "requestId" not in flow.wait_for("LogStatusNotification", status="Idle").payload


# ── firmware ────────────────────────────────────────────────────────────────────────────────────


def test_new_firmware_is_downloaded_installed_and_reported(
    tmp_path: Path, server: FileServer
) -> None:
    with commanded(tmp_path, mode="connect") as flow:
        status = "FirmwareStatusNotification"
        missing = f"{server.url}/missing/firmware-9.9.9.bin"
        sent = flow.ask("UpdateFirmware", location=missing, retrieve_date=moment(), retries=0)
        assert sent == {}
        walked(flow, status, "Downloading", "DownloadFailed")
        flow.ask(
            "UpdateFirmware",
            location=f"{server.url}/firmware-4.5.6.bin",
            retrieve_date=moment(1),
            retries=1,
        )
        walked(flow, status, "Downloading", "Downloaded", "Installing", "Installed")
        assert flow.came("BootNotification")[0].payload["firmwareVersion"] == "4.5.6"
        flow.wait_for("StatusNotification", connectorId=0, status="Available")


def test_firmware_waits_for_the_session(tmp_path: Path, server: FileServer) -> None:
    with commanded(tmp_path) as flow:
        transaction = flow.wait_for_start()
        flow.wait_for_status("Charging")
        location = f"{server.url}/firmware-4.5.7.bin"
        flow.ask("UpdateFirmware", location=location, retrieve_date=moment())
        flow.wait_for("FirmwareStatusNotification", status="Downloaded")
        mark = flow.came("FirmwareStatusNotification", status="Installing")
        assert mark == []
        flow.ask("RemoteStopTransaction", transaction_id=transaction)
        flow.wait_for("StopTransaction", transactionId=transaction)
        flow.wait_for("FirmwareStatusNotification", status="Installed")
        assert flow.came("BootNotification")[0].payload["firmwareVersion"] == "4.5.7"


def signed_update(
    flow: Flow, server: FileServer, number: int, certificate: str, signature: str
) -> str:
    return flow.status_of(
        "SignedUpdateFirmware",
        request_id=number,
        retries=0,
        firmware={
            "location": f"{server.url}/firmware-5.{number}.0.bin",
            "retrieve_date_time": moment(),
            "signing_certificate": certificate,
            "signature": signature,
        },
    )


def test_signed_firmware_is_checked_before_it_is_installed(
    tmp_path: Path, server: FileServer
) -> None:
    ca = ForeignCa()
    certificate, signature = ca.firmware_signature(FIRMWARE)
    _, other_signature = ca.firmware_signature(FIRMWARE)
    with commanded(tmp_path, mode="connect") as flow:
        status = "SignedFirmwareStatusNotification"
        root = {"certificate_type": "ManufacturerRootCertificate", "certificate": ca.pem}
        assert flow.status_of("InstallCertificate", **root) == "Accepted"

        assert signed_update(flow, server, 1, "no certificate", signature) == "InvalidCertificate"
        assert signed_update(flow, server, 2, certificate, other_signature) == "Accepted"
        walked(flow, status, "Downloading", "Downloaded", "InvalidSignature", requestId=2)
        event = flow.wait_for("SecurityEventNotification", type="InvalidFirmwareSignature")
        assert event.payload["timestamp"]

        assert signed_update(flow, server, 3, certificate, signature) == "Accepted"
        flow.wait_for(status, status="Installed", requestId=3)
        came = [call.payload["status"] for call in flow.came(status, requestId=3)]
        assert came[:3] == ["Downloading", "Downloaded", "SignatureVerified"]
        assert came[-2:] == ["InstallRebooting", "Installed"]
        assert flow.came("BootNotification")[0].payload["firmwareVersion"] == "5.3.0"
