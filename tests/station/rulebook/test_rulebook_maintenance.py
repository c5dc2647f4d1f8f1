"""The rule book on firmware, diagnostics, logs and triggers: rows GetDiagnostics, UpdateFirmware,
GetLog, SignedUpdateFirmware and ExtendedTriggerMessage of section 3, and what TriggerMessage says
of them.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from builders_maintenance import LOGS, URL, MaintenanceScene, Signer, a_scene
from builders_security import SecureScene
from builders_station import contexts_of
from simfleet.station.events import FirmwareWillFail

BOOT_S = 5.0
INSTALL_S = 10.0


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


def over(scene: MaintenanceScene) -> None:
    """Long enough for an installation and the reboot after it."""
    scene.run(for_s=INSTALL_S + BOOT_S + 1)


# ── GetDiagnostics ──────────────────────────────────────────────────────────────────────────────


def test_get_diagnostics_is_answered_with_the_name_of_the_file() -> None:
    scene = a_scene()
    answer = scene.call("GetDiagnostics", location=LOGS)
    assert answer.payload["fileName"] == scene.uploads[0].file_name


def test_get_diagnostics_is_answered_with_nothing_when_there_is_nothing() -> None:
    scene = a_scene()
    answer = scene.call("GetDiagnostics", location=LOGS, stopTime=scene.at(-86_400))
    assert (answer.payload, answer.error) == ({}, None)
    assert scene.diagnostics_statuses() == []


def test_diagnostics_are_uploading_and_then_uploaded() -> None:
    scene = a_scene()
    scene.get_diagnostics()
    assert scene.diagnostics_statuses() == ["Uploading"]
    scene.put()
    assert scene.diagnostics_statuses() == ["Uploading", "Uploaded"]


def test_diagnostics_that_do_not_get_there_have_failed() -> None:
    scene = a_scene()
    scene.get_diagnostics()
    scene.not_put()
    assert scene.diagnostics_statuses() == ["Uploading", "UploadFailed"]


def test_diagnostics_are_tried_again_as_often_and_as_late_as_asked_for() -> None:
    scene = a_scene()
    scene.get_diagnostics(retries=2, retryInterval=60)
    for _ in range(2):
        scene.not_put()
        assert scene.uploads == []
        scene.run(for_s=60)
    scene.not_put()
    scene.run(for_s=600)
    assert scene.uploads == []
    assert scene.diagnostics_statuses() == ["Uploading", "UploadFailed"]


def test_diagnostics_go_where_the_csms_says() -> None:
    scene = a_scene()
    scene.get_diagnostics("https://h/in/?token=1")
    assert scene.uploads[0].url == "https://h/in/?token=1"
    assert b"diagnostics of CP-1" in scene.uploads[0].content


# ── UpdateFirmware ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("url", [URL, "sftp://h/x", "urn:nothing"])
def test_update_firmware_is_always_answered_with_nothing(url: str) -> None:
    answer = a_scene().update(url)
    assert (answer.payload, answer.error) == ({}, None)


def test_firmware_is_fetched_at_its_retrieve_date_and_not_before() -> None:
    scene = a_scene()
    scene.update(after_s=3600)
    scene.run(for_s=3599)
    assert scene.actions() == ["Heartbeat"] * len(scene.actions())
    assert scene.downloads == []
    scene.run(for_s=1)
    assert scene.firmware_statuses() == ["Downloading"]
    assert scene.downloads[0].url == URL


def test_an_update_walks_from_downloading_over_the_boot_to_installed() -> None:
    scene = a_scene()
    scene.update()
    scene.got()
    over(scene)
    sent = [one for one in scene.actions() if one in _WALK]
    assert sent == [
        *["FirmwareStatusNotification"] * 3,
        "BootNotification",
        "FirmwareStatusNotification",
    ]
    assert scene.firmware_statuses() == ["Downloading", "Downloaded", "Installing", "Installed"]


_WALK = ("FirmwareStatusNotification", "BootNotification")


def test_the_boot_after_an_update_tells_the_new_version() -> None:
    scene = a_scene()
    assert scene.version() == "1.0.0"
    scene.update()
    scene.got()
    over(scene)
    assert scene.version() == "2.4.1"


def test_a_download_that_fails_is_told() -> None:
    scene = a_scene()
    scene.update()
    scene.not_got()
    assert scene.firmware_statuses() == ["Downloading", "DownloadFailed"]
    over(scene)
    assert scene.sent("BootNotification") == []


def test_an_installation_that_fails_is_told_and_the_old_firmware_stays() -> None:
    scene = a_scene()
    scene.tell(FirmwareWillFail("InstallationFailed"))
    scene.update()
    scene.got()
    over(scene)
    expected = ["Downloading", "Downloaded", "Installing", "InstallationFailed"]
    assert scene.firmware_statuses() == expected
    assert scene.sent("BootNotification") == []
    assert scene.statuses() == ["Unavailable", "Available"]


def test_an_update_waits_for_transactions_and_takes_free_connectors_out_of_service() -> None:
    scene = a_scene(connectors=3)
    scene.charge(1)
    scene.update()
    scene.mark()
    scene.got()
    assert scene.firmware_statuses() == ["Downloaded"]
    assert (scene.statuses(2), scene.statuses(3)) == (["Unavailable"], ["Unavailable"])
    scene.run(for_s=600)
    assert scene.firmware_statuses() == ["Downloaded"]
    assert scene.statuses(1) == []
    scene.present_tag(connector_id=1)
    scene.tick()
    assert scene.statuses(1) == ["Unavailable"]
    assert scene.firmware_statuses() == ["Downloaded", "Installing"]
    (stop,) = scene.sent("StopTransaction")
    assert stop["reason"] == "Local"
    over(scene)
    assert scene.firmware_statuses()[-1] == "Installed"
    # The cable is still in connector 1.
    assert [scene.statuses(n)[-1] for n in (1, 2, 3)] == ["Preparing", "Available", "Available"]


def test_the_status_of_an_update_survives_the_loss_of_power() -> None:
    scene = a_scene()
    scene.update(after_s=100)
    scene.cycle_power(for_s=10)
    scene.run(for_s=90)
    assert scene.firmware_statuses() == ["Downloading"]
    scene.got()
    scene.cycle_power(for_s=10)
    over(scene)
    assert scene.firmware_statuses()[-1] == "Installed"


def test_a_new_update_replaces_one_that_is_under_way() -> None:
    scene = a_scene()
    scene.update()
    scene.update("http://h/fw-3.0.bin")
    assert scene.cancelled == [1]
    (download,) = scene.downloads
    assert download.url == "http://h/fw-3.0.bin"
    scene.got()
    over(scene)
    assert scene.version() == "3.0"


# ── GetLog ──────────────────────────────────────────────────────────────────────────────────────


def test_get_log_is_accepted_with_the_name_of_the_file() -> None:
    scene = a_scene()
    answer = scene.get_log()
    assert (answer.status, answer.payload["filename"]) == (
        "Accepted",
        scene.uploads[0].file_name,
    )


def test_get_log_is_rejected_when_there_is_nothing() -> None:
    scene = a_scene()
    assert scene.get_log(latest=scene.at(-86_400)).payload == {"status": "Rejected"}
    assert scene.log_statuses() == []


def test_get_log_stops_the_one_before_it() -> None:
    scene = a_scene()
    scene.get_log(request_id=1)
    answer = scene.get_log(request_id=2)
    assert answer.status == "AcceptedCanceled"
    assert scene.cancelled == [1]
    scene.put()
    assert scene.log_statuses() == [("Uploading", 1), ("Uploading", 2), ("Uploaded", 2)]


def test_a_log_is_uploading_and_then_uploaded_with_its_request() -> None:
    scene = a_scene()
    scene.get_log(request_id=42)
    scene.put()
    assert scene.log_statuses() == [("Uploading", 42), ("Uploaded", 42)]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("tcp", "UploadFailure"),
        ("http_status", "UploadFailure"),
        ("busy", "UploadFailure"),
        ("permission", "PermissionDenied"),
        ("bad_url", "BadMessage"),
    ],
)
def test_a_log_that_does_not_get_there_says_why(kind: str, status: str) -> None:
    scene = a_scene()
    scene.get_log(request_id=42)
    scene.not_put(kind)
    assert scene.log_statuses() == [("Uploading", 42), (status, 42)]


@pytest.mark.parametrize(
    ("url", "status"), [("not a url", "BadMessage"), ("sftp://h/", "NotSupportedOperation")]
)
def test_a_log_for_nowhere_says_so_at_once(url: str, status: str) -> None:
    scene = a_scene()
    assert scene.get_log(url).status == "Accepted"
    assert scene.log_statuses() == [(status, 9)]
    assert scene.uploads == []


def test_a_log_is_tried_again_as_often_and_as_late_as_asked_for() -> None:
    scene = a_scene()
    scene.get_log(retries=1, retryInterval=60)
    scene.not_put()
    scene.run(for_s=60)
    scene.not_put()
    assert scene.log_statuses() == [("Uploading", 9), ("UploadFailure", 9)]


def test_the_security_log_has_the_security_events() -> None:
    scene = a_scene()
    scene.update_signed(Signer(lasts=timedelta(seconds=1)))
    scene.get_log(log_type="SecurityLog")
    assert "InvalidFirmwareSigningCertificate" in scene.put()


# ── SignedUpdateFirmware ────────────────────────────────────────────────────────────────────────


def test_a_signed_update_walks_with_its_request(signer: Signer) -> None:
    scene = a_scene()
    assert scene.update_signed(signer, request_id=42, after_s=50).status == "Accepted"
    scene.run(for_s=50)
    scene.got()
    over(scene)
    assert scene.firmware_statuses() == [
        *("DownloadScheduled", "Downloading", "Downloaded", "SignatureVerified"),
        *("Installing", "InstallRebooting", "Installed"),
    ]
    sent = scene.sent("SignedFirmwareStatusNotification")
    assert {one["requestId"] for one in sent} == {42}
    assert scene.version() == "2.4.1"


def test_a_signed_update_waits_for_its_install_date(signer: Signer) -> None:
    scene = a_scene()
    scene.update_signed(signer, install_after_s=500)
    scene.got()
    assert scene.firmware_statuses()[-2:] == ["SignatureVerified", "InstallScheduled"]
    assert scene.statuses() == []
    scene.run(for_s=499)
    assert scene.firmware_statuses()[-1] == "InstallScheduled"
    scene.run(for_s=1)
    assert scene.firmware_statuses()[-1] == "Installing"


def test_a_signed_update_replaces_the_one_before_it(signer: Signer) -> None:
    scene = a_scene()
    assert scene.update_signed(signer, request_id=1).status == "Accepted"
    assert scene.update_signed(signer, request_id=2).status == "AcceptedCanceled"
    scene.got()
    assert [one["requestId"] for one in scene.sent("SignedFirmwareStatusNotification")] == [
        *(1, 2, 2, 2, 2)
    ]


def test_a_signed_update_from_nowhere_is_rejected(signer: Signer) -> None:
    scene = a_scene()
    assert scene.update_signed(signer, url="gopher://h/fw").status == "Rejected"
    assert scene.firmware_statuses() == []


def test_a_certificate_that_is_none_is_invalid_and_a_security_event(signer: Signer) -> None:
    scene = a_scene()
    firmware = {
        "location": URL,
        "retrieveDateTime": scene.at(0),
        "signingCertificate": "no certificate",
        "signature": "AAAA",
    }
    answer = scene.call("SignedUpdateFirmware", requestId=1, firmware=firmware)
    assert answer.status == "InvalidCertificate"
    (event,) = scene.sent("SecurityEventNotification")
    assert event["type"] == "InvalidFirmwareSigningCertificate"
    assert scene.downloads == []


def test_a_certificate_can_be_revoked_on_purpose(signer: Signer) -> None:
    scene = a_scene()
    scene.tell(FirmwareWillFail("RevokedCertificate"))
    assert scene.update_signed(signer).status == "RevokedCertificate"


def test_a_signature_that_is_wrong_ends_the_update_with_a_security_event(signer: Signer) -> None:
    scene = a_scene()
    scene.update_signed(signer, content=b"another file")
    scene.got()
    assert scene.firmware_statuses() == ["Downloading", "Downloaded", "InvalidSignature"]
    (event,) = scene.sent("SecurityEventNotification")
    assert event["type"] == "InvalidFirmwareSignature"
    over(scene)
    assert scene.version() == "1.0.0"


@pytest.mark.parametrize("stage", ["DownloadFailed", "InvalidSignature", "InstallationFailed"])
def test_a_signed_update_can_be_made_to_fail(stage: str, signer: Signer) -> None:
    scene = a_scene()
    scene.tell(FirmwareWillFail(stage))  # type: ignore[arg-type]
    scene.update_signed(signer)
    if stage != "DownloadFailed":
        scene.got()
    over(scene)
    assert scene.firmware_statuses()[-1] == stage


# ── triggers ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("message", ["DiagnosticsStatusNotification", "FirmwareStatusNotification"])
def test_a_triggered_status_is_idle_when_nothing_runs(message: str) -> None:
    scene = a_scene()
    assert scene.trigger(message) == "Accepted"
    (status,) = scene.sent()
    assert (status.action, status.payload) == (message, {"status": "Idle"})


def test_a_triggered_status_is_the_present_one_and_idle_again_afterwards() -> None:
    scene = a_scene()
    scene.get_diagnostics()
    scene.update()
    scene.mark()
    scene.trigger("DiagnosticsStatusNotification")
    scene.trigger("FirmwareStatusNotification")
    assert [one["status"] for one in scene.sent()] == ["Uploading", "Downloading"]
    scene.put()
    scene.not_got()
    scene.mark()
    scene.trigger("DiagnosticsStatusNotification")
    scene.trigger("FirmwareStatusNotification")
    assert [one["status"] for one in scene.sent()] == ["Idle", "Idle"]


def test_the_unsigned_status_has_a_word_for_each_stage_of_a_signed_update(signer: Signer) -> None:
    scene = a_scene()
    scene.update_signed(signer, after_s=10, install_after_s=20)
    heard = []
    for _ in range(2):
        scene.trigger("FirmwareStatusNotification")
        heard.append(scene.sent("FirmwareStatusNotification")[-1]["status"])
        scene.run(for_s=10)
        if scene.downloads:
            scene.got()
    assert heard == ["Idle", "Downloaded"]


@pytest.mark.parametrize(
    ("message", "action"),
    [
        ("LogStatusNotification", "LogStatusNotification"),
        ("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
    ],
)
def test_an_extended_trigger_of_a_status_is_idle_without_a_request(
    message: str, action: str
) -> None:
    scene = a_scene()
    assert scene.trigger(message, extended=True) == "Accepted"
    (status,) = scene.sent()
    assert (status.action, status.payload) == (action, {"status": "Idle"})


def test_an_extended_trigger_of_a_status_names_the_request_that_runs(signer: Signer) -> None:
    scene = a_scene()
    scene.get_log(request_id=5)
    scene.update_signed(signer, request_id=6)
    scene.mark()
    scene.trigger("LogStatusNotification", extended=True)
    scene.trigger("FirmwareStatusNotification", extended=True)
    assert [one.payload for one in scene.sent()] == [
        {"status": "Uploading", "requestId": 5},
        {"status": "Downloading", "requestId": 6},
    ]


def test_the_signed_status_knows_nothing_of_an_unsigned_update() -> None:
    scene = a_scene()
    scene.update()
    scene.mark()
    scene.trigger("FirmwareStatusNotification", extended=True)
    (status,) = scene.sent()
    assert status.payload == {"status": "Idle"}


def test_an_extended_trigger_brings_everything_that_a_trigger_brings() -> None:
    scene = a_scene(connectors=2)
    for message in ("BootNotification", "Heartbeat"):
        assert scene.trigger(message, extended=True) == "Accepted"
    assert scene.actions() == ["BootNotification", "Heartbeat"]
    scene.mark()
    scene.trigger("StatusNotification", extended=True)
    assert [one["connectorId"] for one in scene.sent("StatusNotification")] == [0, 1, 2]
    scene.mark()
    wanted = {"requestedMessage": "MeterValues", "connectorId": 2}
    assert scene.call("ExtendedTriggerMessage", **wanted).status == "Accepted"
    (values,) = scene.sent()
    assert (values["connectorId"], contexts_of(values)) == (2, {"Trigger"})


@pytest.mark.parametrize("connector_id", [3, -1])
def test_an_extended_trigger_of_a_connector_that_does_not_exist_is_rejected(
    connector_id: int,
) -> None:
    scene = a_scene(connectors=2)
    wanted = {"requestedMessage": "StatusNotification", "connectorId": connector_id}
    answer = scene.call("ExtendedTriggerMessage", **wanted)
    assert answer.status == "Rejected" or answer.error is not None
    assert scene.sent("StatusNotification") == []


def test_an_extended_trigger_of_a_certificate_brings_a_real_request() -> None:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    scene = SecureScene(configuration={"CpoName": "Operator"})
    scene.boot()
    wanted = {"requestedMessage": "SignChargePointCertificate"}
    assert scene.call("ExtendedTriggerMessage", **wanted).status == "Accepted"
    (asked,) = scene.sent("SignCertificate")
    csr = x509.load_pem_x509_csr(asked["csr"].encode())
    assert csr.is_signature_valid
    assert csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "CP-1"
    assert csr.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "Operator"
