"""Firmware and publishing of OCPP 2.0.1 and 2.1 (block L)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from builders_maintenance import FIRMWARE, URL, Signer
from builders_maintenance2 import a_scene2
from builders_station2 import versions
from simfleet.station.events import FirmwareWillFail

MD5 = hashlib.md5(FIRMWARE, usedforsecurity=False).hexdigest()
OTHER_MD5 = "0" * 32


def statuses_and_requests(scene: Any) -> list[tuple[str, int | None]]:
    sent = scene.sent("FirmwareStatusNotification")
    return [(one["status"], one.payload.get("requestId")) for one in sent]


# ── L01, L02: an update ───────────────────────────────────────────────────────────────────────────


@versions
def test_a_signed_update_is_told_step_by_step_with_its_request_id(version: str) -> None:
    """L01.FR.01: every status carries the requestId; L01 main flow."""
    scene = a_scene2(version)
    signer = Signer()
    assert scene.update2(signer=signer, request_id=31).status == "Accepted"
    scene.got()
    scene.run(for_s=60)
    assert statuses_and_requests(scene) == [
        ("Downloading", 31),
        ("Downloaded", 31),
        ("SignatureVerified", 31),
        ("Installing", 31),
        ("InstallRebooting", 31),
        ("Installed", 31),
    ]


@versions
def test_after_an_update_the_boot_says_so(version: str) -> None:
    """BootReasonEnumType FirmwareUpdate; the new version in BootNotification."""
    scene = a_scene2(version)
    scene.update2()
    scene.got()
    scene.run(for_s=60)
    (boot,) = scene.sent("BootNotification")
    assert boot["reason"] == "FirmwareUpdate"
    assert boot["chargingStation"]["firmwareVersion"] == "2.4.1"


@versions
def test_an_unsigned_update_is_not_verified(version: str) -> None:
    """L02: without signature there is nothing to verify, and all the rest is as in L01."""
    scene = a_scene2(version)
    assert scene.update2(request_id=5).status == "Accepted"
    scene.got()
    scene.run(for_s=60)
    assert [status for status, _ in statuses_and_requests(scene)] == [
        "Downloading",
        "Downloaded",
        "Installing",
        "InstallRebooting",
        "Installed",
    ]


@versions
def test_an_update_for_later_is_scheduled_twice(version: str) -> None:
    """L01.FR.13 and .16: DownloadScheduled until retrieveDateTime, InstallScheduled until
    installDateTime.
    """
    scene = a_scene2(version, simulated=True)
    scene.update2(after_s=100, install_after_s=300)
    scene.run(for_s=99)
    assert scene.firmware_statuses() == ["DownloadScheduled"]
    scene.run(for_s=150)
    assert scene.firmware_statuses()[1:] == ["Downloading", "Downloaded", "InstallScheduled"]
    scene.run(for_s=100)
    assert scene.firmware_statuses()[-1] == "Installed"


@versions
def test_a_certificate_that_is_none_is_refused_and_reported(version: str) -> None:
    """L01.FR.02: InvalidCertificate and the security event InvalidFirmwareSigningCertificate."""
    scene = a_scene2(version)
    firmware = {
        "location": URL,
        "retrieveDateTime": scene.at(0),
        "signingCertificate": "no certificate",
        "signature": "AAAA",
    }
    answer = scene.call("UpdateFirmware", requestId=1, firmware=firmware)
    assert answer.status == "InvalidCertificate"
    events = [one["type"] for one in scene.sent("SecurityEventNotification")]
    assert events == ["InvalidFirmwareSigningCertificate"]
    assert scene.firmware_statuses() == []


@versions
def test_a_wrong_signature_ends_the_update_with_a_security_event(version: str) -> None:
    """L01.FR.04: InvalidSignature, InvalidFirmwareSignature."""
    scene = a_scene2(version)
    scene.update2(signer=Signer(), content=b"something else")
    scene.got()
    assert scene.firmware_statuses() == ["Downloading", "Downloaded", "InvalidSignature"]
    events = [one["type"] for one in scene.sent("SecurityEventNotification")]
    assert events == ["InvalidFirmwareSignature"]


@versions
def test_a_certificate_without_a_signature_is_rejected(version: str) -> None:
    """Half of what L01 needs is neither L01 nor L02."""
    scene = a_scene2(version)
    firmware = {
        "location": URL,
        "retrieveDateTime": scene.at(0),
        "signingCertificate": Signer().pem,
    }
    assert scene.call("UpdateFirmware", requestId=1, firmware=firmware).status == "Rejected"


@versions
def test_a_revoked_certificate_is_told_when_it_is_made_so(version: str) -> None:
    """UpdateFirmwareStatusEnumType RevokedCertificate; an unsigned update is not touched by it."""
    scene = a_scene2(version)
    scene.tell(FirmwareWillFail("RevokedCertificate"))
    assert scene.update2(signer=Signer()).status == "RevokedCertificate"
    scene.tell(FirmwareWillFail("RevokedCertificate"))
    assert scene.update2().status == "Accepted"


@versions
def test_a_new_update_takes_the_place_of_the_one_under_way(version: str) -> None:
    """L01.FR.24: AcceptedCanceled, and the statuses are those of the new request."""
    scene = a_scene2(version)
    scene.update2(request_id=1)
    assert scene.update2(request_id=2).status == "AcceptedCanceled"
    assert statuses_and_requests(scene) == [("Downloading", 1), ("Downloading", 2)]
    assert len(scene.cancelled) == 1


@versions
def test_an_url_of_no_known_scheme_is_rejected(version: str) -> None:
    """Table of section 4: UpdateFirmware Rejected."""
    scene = a_scene2(version)
    assert scene.update2("gopher://files/firmware.bin").status == "Rejected"
    assert scene.firmware_statuses() == []


@versions
def test_a_failed_download_is_tried_again_as_often_as_asked(version: str) -> None:
    """L01.FR.10: retries and retryInterval; then DownloadFailed."""
    scene = a_scene2(version)
    scene.update2(retries=1, retryInterval=20)
    scene.not_got()
    scene.run(for_s=19)
    assert scene.downloads == []
    scene.run(for_s=2)
    scene.not_got()
    assert scene.firmware_statuses() == ["Downloading", "DownloadFailed"]


@versions
def test_the_update_waits_for_the_transaction_with_the_rest_out_of_service(version: str) -> None:
    """L01.FR.06 and .07: free connectors become Unavailable, the transaction ends first."""
    scene = a_scene2(version, connectors=2, simulated=True)
    scene.charge(1)
    scene.mark()
    scene.update2()
    scene.run(for_s=60)
    assert scene.firmware_statuses()[-1] == "Downloaded"
    assert scene.statuses(2) == ["Unavailable"]
    scene.present_tag()
    scene.unplug()
    scene.run(for_s=120)
    assert scene.firmware_statuses()[-1] == "Installed"


@versions
def test_new_sessions_may_begin_while_the_update_waits_where_the_variable_says_so(
    version: str,
) -> None:
    """ChargingStation.AllowNewSessionsPendingFirmwareUpdate true (L01.FR.07)."""
    scene = a_scene2(
        version,
        connectors=2,
        simulated=True,
        configuration={"ChargingStation.AllowNewSessionsPendingFirmwareUpdate": "true"},
    )
    scene.charge(1)
    scene.mark()
    scene.update2()
    scene.run(for_s=60)
    assert scene.statuses(2) == []
    scene.present_tag()
    scene.unplug()
    scene.run(for_s=120)
    assert scene.firmware_statuses()[-1] == "Installed"


# ── L03, L04: firmware for others ─────────────────────────────────────────────────────────────────


def publish(scene: Any, *, checksum: str = MD5, request_id: int = 4, **more: Any) -> str:
    url = more.pop("location", URL)
    answer = scene.call(
        "PublishFirmware", location=url, checksum=checksum, requestId=request_id, **more
    )
    return str(answer.status)


@versions
def test_published_firmware_is_downloaded_checked_and_located(version: str) -> None:
    """L03: Downloading, Downloaded, ChecksumVerified, Published with where to get it."""
    scene = a_scene2(version)
    assert publish(scene) == "Accepted"
    scene.got()
    sent = scene.sent("PublishFirmwareStatusNotification")
    assert [one["status"] for one in sent] == [
        "Downloading",
        "Downloaded",
        "ChecksumVerified",
        "Published",
    ]
    assert {one["requestId"] for one in sent} == {4}
    assert sent[-1]["location"] == ["http://cp-1.local/firmware/firmware-2.4.1.bin"]
    assert all("location" not in one.payload for one in sent[:-1])


@versions
def test_a_file_with_another_checksum_is_not_published(version: str) -> None:
    """L03.FR.04: InvalidChecksum."""
    scene = a_scene2(version)
    assert publish(scene, checksum=OTHER_MD5) == "Accepted"
    scene.got()
    assert scene.publishing_statuses() == ["Downloading", "Downloaded", "InvalidChecksum"]
    assert scene.call("UnpublishFirmware", checksum=OTHER_MD5).status == "NoFirmware"


@versions
def test_publishing_is_tried_again_and_then_fails(version: str) -> None:
    """L03.FR.07: retries, then DownloadFailed."""
    scene = a_scene2(version)
    publish(scene, retries=1, retryInterval=10)
    scene.not_got()
    scene.run(for_s=11)
    scene.not_got()
    assert scene.publishing_statuses() == ["Downloading", "DownloadFailed"]


@versions
@pytest.mark.parametrize(
    ("location", "checksum"), [("gopher://h/x", MD5), (URL, "not an MD5"), (URL, "g" * 32)]
)
def test_publishing_what_cannot_be_is_rejected(version: str, location: str, checksum: str) -> None:
    """PublishFirmware Rejected."""
    scene = a_scene2(version)
    assert publish(scene, location=location, checksum=checksum) == "Rejected"
    assert scene.publishing_statuses() == []


@versions
def test_a_second_file_waits_its_turn(version: str) -> None:
    """One download for others at a time: Rejected."""
    scene = a_scene2(version)
    publish(scene)
    assert publish(scene, checksum=OTHER_MD5) == "Rejected"


@versions
def test_unpublishing(version: str) -> None:
    """L04: DownloadOngoing while it comes, Unpublished once, NoFirmware afterwards."""
    scene = a_scene2(version)
    publish(scene)
    assert scene.call("UnpublishFirmware", checksum=MD5).status == "DownloadOngoing"
    scene.got()
    assert scene.call("UnpublishFirmware", checksum=MD5.upper()).status == "Unpublished"
    assert scene.call("UnpublishFirmware", checksum=MD5).status == "NoFirmware"


@versions
def test_what_is_published_outlives_a_power_loss_and_a_cut_download_begins_anew(
    version: str,
) -> None:
    """Persistence of the local controller's files."""
    scene = a_scene2(version)
    publish(scene)
    scene.got()
    publish(scene, checksum=OTHER_MD5, request_id=5)
    scene.cycle_power(for_s=10)
    scene.run(for_s=1)
    assert len(scene.downloads) == 1
    scene.got()
    assert scene.publishing_statuses()[-1] == "InvalidChecksum"
    assert scene.call("UnpublishFirmware", checksum=MD5).status == "Unpublished"


# ── what a trigger says ───────────────────────────────────────────────────────────────────────────


@versions
def test_triggered_statuses_are_idle_without_a_request_where_nothing_runs(version: str) -> None:
    """F06: FirmwareStatusNotification, LogStatusNotification, PublishFirmwareStatusNotification."""
    scene = a_scene2(version)
    for message in (
        "FirmwareStatusNotification",
        "LogStatusNotification",
        "PublishFirmwareStatusNotification",
    ):
        assert scene.trigger(message) == "Accepted"
        (sent,) = scene.sent(message)
        assert sent.payload == {"status": "Idle"}


@versions
def test_triggered_statuses_tell_what_runs(version: str) -> None:
    """F06: the present status with its requestId."""
    scene = a_scene2(version)
    scene.update2(request_id=11)
    publish(scene, request_id=12)
    scene.get_log(request_id=13)
    scene.mark()
    expected = (
        ("FirmwareStatusNotification", "Downloading", 11),
        ("PublishFirmwareStatusNotification", "Downloading", 12),
        ("LogStatusNotification", "Uploading", 13),
    )
    for message, status, request_id in expected:
        assert scene.trigger(message) == "Accepted"
        (sent,) = scene.sent(message)
        assert sent.payload == {"status": status, "requestId": request_id}
