"""Blocks A, L, M, N, O, P of OCPP 2.x in sequences: what is asked, what follows, what stays."""

from __future__ import annotations

from typing import Any

import pytest

from builders_device import events, monitor, set_to, value
from builders_station2 import SILENCE, Payload, Scene2, versions
from simfleet.station.events import FirmwareWillFail, LockFailed, UploadWillFail

pytestmark = versions
FIRMWARE = {"location": "https://files.example/fw.bin", "retrieveDateTime": "2026-03-01T12:00:00Z"}
LOG = {"remoteLocation": "https://files.example/logs/"}


def scene_of(version: str, **more: Any) -> Scene2:
    scene = Scene2(
        version=version,
        transfers="simulated",
        configuration={"MeterValueSampleInterval": "0", **more.pop("configuration", {})},
        **more,
    )
    scene.boot()
    scene.mark()
    return scene


def update(scene: Scene2, number: int = 1, **changes: Any) -> str:
    return scene.call("UpdateFirmware", requestId=number, firmware={**FIRMWARE, **changes}).status


def firmware(scene: Scene2) -> list[tuple[str, int | None]]:
    return [
        (one["status"], one.payload.get("requestId"))
        for one in scene.sent("FirmwareStatusNotification")
    ]


def get_log(scene: Scene2, number: int = 1, **more: Any) -> Payload:
    return scene.call("GetLog", logType="DiagnosticsLog", requestId=number, log=LOG, **more).payload


def uploads(scene: Scene2) -> list[tuple[str, int | None]]:
    return [
        (one["status"], one.payload.get("requestId")) for one in scene.sent("LogStatusNotification")
    ]


# ── L ─────────────────────────────────────────────────────────────────────────────────────────────


def test_firmware_from_download_to_the_boot(version: str) -> None:
    """L02, TC_L_01/02: Downloading, Downloaded, Installing, (InstallRebooting), boot with
    FirmwareUpdate, Installed, each with the requestId.
    """
    scene = scene_of(version)
    assert update(scene, 4) == "Accepted"
    scene.run(for_s=120)
    told = [status for status, _ in firmware(scene)]
    assert told[:3] == ["Downloading", "Downloaded", "Installing"]
    assert told[-1] == "Installed"
    assert {number for _, number in firmware(scene)} == {4}
    assert scene.sent("BootNotification")[0]["reason"] == "FirmwareUpdate"
    scene.mark()
    scene.call("TriggerMessage", requestedMessage="FirmwareStatusNotification")
    ((status, number),) = firmware(scene)
    assert (status, number) in (("Installed", 4), ("Idle", None))


def test_a_second_update_cancels_the_first_or_is_refused(version: str) -> None:
    """L01.FR.24, TC_L_10: AcceptedCanceled."""
    scene = scene_of(version)
    update(scene, 1)
    assert update(scene, 2) == "AcceptedCanceled"
    scene.run(for_s=200)
    assert firmware(scene)[-1] == ("Installed", 2)
    assert ("Installed", 1) not in firmware(scene)


def test_a_download_that_fails_leaves_the_station_in_service(version: str) -> None:
    """L02.FR.06, TC_L_06."""
    scene = scene_of(version)
    scene.tell(FirmwareWillFail("DownloadFailed"))
    update(scene, 3)
    scene.run(for_s=300)
    assert firmware(scene)[-1] == ("DownloadFailed", 3)
    assert "BootNotification" not in scene.actions()
    scene.charge()
    assert scene.events("Started")


def test_an_update_waits_for_the_transaction(version: str) -> None:
    """L01.FR.06, TC_L_08: InstallScheduled or waiting; the transaction goes on until its end."""
    scene = scene_of(version)
    scene.charge()
    update(scene)
    scene.run(for_s=600)
    assert not scene.events("Ended")
    assert "BootNotification" not in scene.actions()
    scene.present_tag()
    scene.unplug()
    scene.run(for_s=120)
    assert firmware(scene)[-1][0] == "Installed"


def test_an_update_without_the_csms_is_told_after(version: str) -> None:
    """L01: the link is lost during the download: the last word comes with the next link."""
    scene = scene_of(version)
    update(scene, 6)
    scene.run(for_s=2)
    scene.disconnect()
    scene.run(for_s=2)
    scene.connect()
    scene.run(for_s=200)
    assert firmware(scene)[-1] == ("Installed", 6)


def test_there_is_nothing_to_unpublish(version: str) -> None:
    """L04: NoFirmware."""
    scene = scene_of(version)
    assert scene.call("UnpublishFirmware", checksum="a" * 32).status == "NoFirmware"


# ── N ─────────────────────────────────────────────────────────────────────────────────────────────


def test_logs_one_after_the_other_and_one_that_fails(version: str) -> None:
    """N01, TC_N_01 to 06: Uploading, Uploaded; then UploadFailure; then again."""
    scene = scene_of(version)
    assert get_log(scene, 1)["status"] == "Accepted"
    scene.run(for_s=30)
    scene.tell(UploadWillFail())
    get_log(scene, 2, retries=0)
    scene.run(for_s=30)
    get_log(scene, 3)
    scene.run(for_s=30)
    assert uploads(scene) == [
        ("Uploading", 1),
        ("Uploaded", 1),
        ("Uploading", 2),
        ("UploadFailure", 2),
        ("Uploading", 3),
        ("Uploaded", 3),
    ]


def test_a_second_log_cancels_the_first(version: str) -> None:
    """N01.FR.12, TC_N_34: AcceptedCanceled, told under the first requestId."""
    scene = scene_of(version)
    get_log(scene, 1)
    assert get_log(scene, 2)["status"] == "AcceptedCanceled"
    scene.run(for_s=30)
    assert ("AcceptedCanceled", 1) in uploads(scene)
    assert uploads(scene)[-1] == ("Uploaded", 2)
    assert ("Uploaded", 1) not in uploads(scene)


def test_a_monitor_outlives_a_reset_and_fires_after_it(version: str) -> None:
    """N04, section 4: monitors persist."""
    scene = scene_of(version)
    found = monitor(scene, "EVSE.Power", "UpperThreshold", 3000, severity=2, evse=1)
    assert found["status"] == "Accepted"
    scene.call("Reset", type="Immediate")
    scene.run(for_s=60)
    scene.mark()
    scene.charge()
    scene.run(for_s=60)
    fired = [one for one in events(scene) if one.get("variableMonitoringId") == found["id"]]
    assert [one.get("cleared", False) for one in fired] == [False]
    scene.present_tag()
    scene.run(for_s=60)
    fired = [one for one in events(scene) if one.get("variableMonitoringId") == found["id"]]
    assert [one.get("cleared", False) for one in fired] == [False, True]


def test_clear_a_monitor_twice_and_one_of_nobody(version: str) -> None:
    """N06.FR.03, TC_N_12: per id Accepted, NotFound."""
    scene = scene_of(version)
    number = monitor(scene, "EVSE.Power", "UpperThreshold", 3000, evse=1)["id"]
    answer = scene.call("ClearVariableMonitoring", id=[number, number + 500])
    result = answer.payload["clearMonitoringResult"]
    assert [one["status"] for one in result] == ["Accepted", "NotFound"]
    assert [one["id"] for one in result] == [number, number + 500]
    answer = scene.call("ClearVariableMonitoring", id=[number])
    assert answer.payload["clearMonitoringResult"][0]["status"] == "NotFound"


def test_a_level_out_of_range_is_rejected(version: str) -> None:
    """N05.FR.03: 0 to 9."""
    scene = scene_of(version)
    assert scene.call("SetMonitoringLevel", severity=10).status == "Rejected"
    assert scene.call("SetMonitoringLevel", severity=9).status == "Accepted"


def test_a_customer_who_is_asked_about_is_told_under_the_request(version: str) -> None:
    """N09, TC_N_62: report of nobody: data is empty, one part."""
    scene = scene_of(version)
    answer = scene.call(
        "CustomerInformation",
        requestId=8,
        report=True,
        clear=True,
        idToken={"idToken": "04999999", "type": "ISO14443"},
    )
    assert answer.status == "Accepted"
    (part,) = scene.sent("NotifyCustomerInformation")
    assert (part["requestId"], part["seqNo"], part.payload.get("tbc", False)) == (8, 0, False)


def test_a_lock_that_fails_is_an_event_of_its_component(version: str) -> None:
    """G05, N07: ConnectorPlugRetentionLock.Problem, where a monitor watches it."""
    scene = scene_of(version)
    monitor(scene, "ConnectorPlugRetentionLock.Problem", "Delta", 1, evse=1, connector=1)
    scene.tell(LockFailed(1))
    scene.run(for_s=5)
    (told,) = events(scene)
    assert told["component"]["name"] == "ConnectorPlugRetentionLock"
    assert (told["variable"]["name"], told["actualValue"]) == ("Problem", "true")


# ── O, P ──────────────────────────────────────────────────────────────────────────────────────────


def message(number: int = 1, **changes: Any) -> Payload:
    text = {"format": "UTF8", "content": "hello", "language": "en"}
    return {"id": number, "priority": "NormalCycle", "message": text, **changes}


def test_messages_are_set_got_cleared_and_got(version: str) -> None:
    """O01 to O06, TC_O_01 and others."""
    scene = scene_of(version)
    assert scene.call("GetDisplayMessages", requestId=1).status == "Unknown"
    for number in (1, 2):
        assert scene.call("SetDisplayMessage", message=message(number)).status == "Accepted"
    assert scene.call("GetDisplayMessages", requestId=2).status == "Accepted"
    (page,) = scene.sent("NotifyDisplayMessages")
    assert [one["id"] for one in page["messageInfo"]] == [1, 2]
    assert page["requestId"] == 2
    assert scene.call("ClearDisplayMessage", id=1).status == "Accepted"
    assert scene.call("ClearDisplayMessage", id=1).status == "Unknown"
    answer = scene.call("GetDisplayMessages", requestId=3, id=[1])
    assert answer.status == "Unknown"


def test_a_message_of_a_transaction_that_is_over_is_refused(version: str) -> None:
    """O02.FR.01: UnknownTransaction."""
    scene = scene_of(version)
    scene.charge()
    one = scene.transaction
    told = message(transactionId=one)
    assert scene.call("SetDisplayMessage", message=told).status == "Accepted"
    scene.present_tag()
    scene.unplug()
    assert scene.call("SetDisplayMessage", message=told).status == "UnknownTransaction"
    assert scene.call("GetDisplayMessages", requestId=3).status == "Unknown"


def test_a_vendor_of_nobody(version: str) -> None:
    """P01.FR.05/06, TC_P_01."""
    scene = scene_of(version)
    assert scene.call("DataTransfer", vendorId="nobody").status == "UnknownVendorId"


# ── A, M ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_that_is_none_is_rejected_and_told(version: str) -> None:
    """A02.FR.07, M05, TC_A_14: Rejected, SecurityEvent."""
    scene = scene_of(version, security_events=True)
    chain = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    answer = scene.call("CertificateSigned", certificateChain=chain)
    assert answer.status == "Rejected"
    told = [one["type"] for one in scene.sent("SecurityEventNotification")]
    assert "InvalidChargingStationCertificate" in told
    answer = scene.call(
        "InstallCertificate", certificateType="CSMSRootCertificate", certificate=chain
    )
    assert answer.status == "Rejected"


def test_no_certificates_are_not_found(version: str) -> None:
    """M03, M04: NotFound."""
    scene = scene_of(version)
    assert scene.call("GetInstalledCertificateIds").status == "NotFound"
    hashes = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": "ab",
        "issuerKeyHash": "cd",
        "serialNumber": "1",
    }
    answer = scene.call("DeleteCertificate", certificateHashData=hashes)
    assert answer.status == "NotFound"


def test_a_security_event_that_was_on_its_way_is_told_again(version: str) -> None:
    """A04.FR.02: never dropped; the same moment."""
    scene = scene_of(version, security_events=True)
    scene.on("SecurityEventNotification", SILENCE)
    scene.receive(b"nonsense")
    (asked,) = scene.sent("SecurityEventNotification")
    scene.disconnect()
    scene.on("SecurityEventNotification", {})
    scene.connect()
    scene.run(for_s=100)
    told = [one.payload for one in scene.sent("SecurityEventNotification")]
    assert told == [asked.payload] * 2


@pytest.mark.parametrize("path", ["SecurityCtrlr.OrganizationName"])
def test_what_a_request_for_a_certificate_names_is_set_before(version: str, path: str) -> None:
    """A02, B05: OrganizationName is written and read."""
    scene = scene_of(version)
    assert set_to(scene, path, "Example")["attributeStatus"] == "Accepted"
    assert value(scene, path) == "Example"
