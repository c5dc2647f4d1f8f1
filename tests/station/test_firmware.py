from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from builders_maintenance import FIRMWARE, NOW, URL, MaintenanceScene, Signer, a_scene
from builders_station import SILENCE, TAG, Error
from simfleet.errors import Refused
from simfleet.ocpp.rpc import CALL_TIMEOUT_S
from simfleet.station.events import ErrandDone, FirmwareWillFail
from simfleet.station.memory import decode_kept, encode_kept, recall, remember
from simfleet.station.outbox import LASTING_ATTEMPTS

WALK = ["Downloading", "Downloaded", "Installing"]
REBOOT_S = 5.0
INSTALL_S = 10.0


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


def installed_later(scene: MaintenanceScene) -> None:
    scene.run(for_s=INSTALL_S + REBOOT_S + 1)


def reborn(scene: MaintenanceScene) -> MaintenanceScene:
    """The same hardware in a process that was started anew."""
    kept = decode_kept(encode_kept(remember(scene.station)))
    again = MaintenanceScene(
        connectors=len(scene.station.connectors), epoch_s=scene.wall_s, began_s=50.0
    )
    recall(again.station, kept, at_s=again.now_s)
    return again


# ── the version ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "version"),
    [
        ("http://h/2024/firmware-2.4.1.bin", "2.4.1"),
        ("ftp://h/v3.0/charger_v1.12.bin?x=9.9.9", "1.12"),
        ("http://10.0.0.1/firmware.bin", "1.0.1"),
        ("http://h/fw.tar.gz#1.2.3", "1.0.1"),
        ("http://h/4.5.6.7.8.bin", "4.5.6.7"),
    ],
)
def test_the_new_version_is_in_the_name_of_the_file_or_one_more_than_the_old(
    url: str, version: str
) -> None:
    scene = a_scene()
    scene.update(url)
    scene.got()
    installed_later(scene)
    assert scene.version() == version


def test_two_files_without_a_version_are_two_versions() -> None:
    scene = a_scene()
    for expected in ("1.0.1", "1.0.2"):
        scene.update("http://h/fw.bin")
        scene.got()
        installed_later(scene)
        assert scene.version() == expected


# ── downloads ───────────────────────────────────────────────────────────────────────────────────


def test_a_download_that_fails_is_tried_again_at_the_interval_asked_for() -> None:
    scene = a_scene()
    scene.update(retries=2, retryInterval=30)
    for _ in range(2):
        scene.not_got()
        scene.run(for_s=29)
        assert scene.downloads == []
        scene.run(for_s=1)
        assert len(scene.downloads) == 1
    scene.got()
    assert scene.firmware_statuses() == WALK


def test_a_retry_interval_of_nothing_is_no_busy_loop() -> None:
    scene = a_scene()
    scene.update(retries=1000, retryInterval=0)
    for _ in range(5):
        scene.not_got()
        assert scene.downloads == []
        scene.run(for_s=1)


def test_negative_retries_are_none() -> None:
    scene = a_scene()
    scene.update(retries=-3)
    scene.not_got()
    assert scene.firmware_statuses() == ["Downloading", "DownloadFailed"]


def test_a_location_of_another_kind_fails_without_an_errand() -> None:
    scene = a_scene()
    scene.update("sftp://h/fw.bin")
    assert scene.firmware_statuses() == ["Downloading", "DownloadFailed"]
    assert scene.downloads == []


def test_an_errand_that_nobody_waits_for_any_more_changes_nothing() -> None:
    scene = a_scene()
    scene.update()
    old = scene.downloads[0].errand
    scene.update()
    scene.tell(ErrandDone(old, True, content=b"old"))
    scene.tell(ErrandDone(99, False))
    assert scene.firmware_statuses() == ["Downloading", "Downloading"]


def test_a_simulated_update_needs_no_errand() -> None:
    scene = a_scene(simulated=True)
    scene.update()
    scene.run(for_s=5 + INSTALL_S + REBOOT_S + 1)
    assert scene.firmware_statuses() == [*WALK, "Installed"]
    assert scene.version() == "2.4.1"
    assert scene.downloads == []


# ── the clock ───────────────────────────────────────────────────────────────────────────────────


def test_a_retrieve_date_in_the_past_is_now() -> None:
    scene = a_scene()
    scene.update(after_s=-86_400)
    assert len(scene.downloads) == 1


def test_a_clock_that_is_set_back_moves_the_retrieve_date() -> None:
    scene = a_scene()
    scene.update(after_s=100)
    scene.station.clock_offset_s -= 50
    scene.run(for_s=149)
    assert scene.downloads == []
    scene.run(for_s=1)
    assert len(scene.downloads) == 1


# ── connectors ──────────────────────────────────────────────────────────────────────────────────


def test_a_connector_that_was_out_of_service_stays_so_after_the_update() -> None:
    scene = a_scene(connectors=2)
    scene.call("ChangeAvailability", connectorId=2, type="Inoperative")
    scene.update()
    scene.got()
    assert scene.statuses(1) == ["Unavailable"]
    installed_later(scene)
    assert (scene.statuses(1)[-1], scene.statuses(2)[-1]) == ("Available", "Unavailable")


def test_availability_that_changes_during_the_installation_counts_afterwards() -> None:
    scene = a_scene(connectors=2)
    scene.call("ChangeAvailability", connectorId=1, type="Inoperative")
    scene.update()
    scene.got()
    change = {"connectorId": 1, "type": "Operative"}
    assert scene.call("ChangeAvailability", **change).status == "Scheduled"
    change = {"connectorId": 2, "type": "Inoperative"}
    assert scene.call("ChangeAvailability", **change).status == "Accepted"
    assert scene.statuses(1)[-1] == "Unavailable"
    installed_later(scene)
    assert (scene.statuses(1)[-1], scene.statuses(2)[-1]) == ("Available", "Unavailable")


def test_nobody_starts_a_session_during_the_installation() -> None:
    scene = a_scene()
    scene.update()
    scene.got()
    scene.plug_in()
    with pytest.raises(Refused):
        scene.present_tag()
    assert scene.call("RemoteStartTransaction", idTag=TAG, connectorId=1).status == "Rejected"
    installed_later(scene)
    assert scene.statuses()[-1] == "Preparing"  # with the cable that came meanwhile
    scene.present_tag()
    assert len(scene.sent("StartTransaction")) == 1


def test_a_cable_without_a_session_does_not_hold_the_installation_up() -> None:
    scene = a_scene()
    scene.plug_in()
    scene.update()
    scene.got()
    assert scene.firmware_statuses() == WALK


def test_a_tag_that_waits_for_its_cable_is_waited_for() -> None:
    scene = a_scene(configuration={"ConnectionTimeOut": 40})
    scene.present_tag()
    scene.update()
    scene.got()
    assert scene.firmware_statuses() == ["Downloading", "Downloaded"]
    scene.run(for_s=41)
    assert scene.firmware_statuses() == WALK


def test_drivers_who_come_by_themselves_come_again_after_the_update() -> None:
    scene = a_scene(autopilot=True)
    scene.run(for_s=60)
    assert scene.statuses()[-1] == "Charging"
    scene.update()
    scene.got()
    scene.run(for_s=6 * 3600)
    assert scene.firmware_statuses() == [*WALK, "Installed"]
    scene.mark()
    scene.run(for_s=12 * 3600)
    assert scene.sent("StartTransaction")


def test_a_password_in_the_url_is_in_no_security_event(signer: Signer) -> None:
    scene = a_scene()
    scene.update_signed(signer, url="ftp://me:secret@h/fw-2.bin", content=b"another file")
    scene.got()
    (event,) = scene.sent("SecurityEventNotification")
    assert "fw-2.bin" in event["techInfo"]
    assert "secret" not in event["techInfo"]


def test_a_fault_during_the_installation_stays_a_fault() -> None:
    from simfleet.station.events import Failed

    scene = a_scene()
    scene.update()
    scene.got()
    scene.tell(Failed(1, "GroundFailure"))
    installed_later(scene)
    assert scene.statuses()[-1] == "Faulted"


# ── the link ────────────────────────────────────────────────────────────────────────────────────


def test_a_status_said_while_the_link_is_down_is_told_when_it_is_back() -> None:
    scene = a_scene()
    scene.update()
    scene.disconnect()
    scene.got()
    scene.connect()
    assert scene.firmware_statuses() == WALK


def test_a_status_that_was_on_its_way_when_the_link_broke_is_told_again() -> None:
    scene = a_scene()
    scene.on("FirmwareStatusNotification", SILENCE, {})
    scene.update()
    scene.got()
    scene.disconnect()
    scene.connect()
    assert scene.firmware_statuses() == ["Downloading", *WALK]


def test_a_status_that_is_not_answered_in_time_is_told_again() -> None:
    """Else the CSMS would take an update that has ended for one that hangs."""
    scene = a_scene()
    scene.update()
    scene.got()
    scene.on("FirmwareStatusNotification", SILENCE, {})
    scene.mark()
    installed_later(scene)
    assert scene.firmware_statuses() == ["Installed"]
    scene.run(for_s=CALL_TIMEOUT_S)
    assert scene.firmware_statuses() == ["Installed", "Installed"]
    scene.run(for_s=200)
    assert scene.firmware_statuses() == ["Installed", "Installed"]


def test_a_csms_that_never_answers_a_status_is_told_three_times() -> None:
    scene = a_scene()
    scene.on("FirmwareStatusNotification", SILENCE)
    scene.update()
    scene.run(for_s=20 * CALL_TIMEOUT_S)
    assert scene.firmware_statuses() == ["Downloading"] * LASTING_ATTEMPTS


def test_a_status_that_the_csms_refuses_is_not_told_again() -> None:
    scene = a_scene()
    scene.on("FirmwareStatusNotification", Error(), {})
    scene.update()
    scene.run(for_s=200)
    assert scene.firmware_statuses() == ["Downloading"]


def test_installed_is_told_after_the_boot_is_accepted_and_not_before() -> None:
    scene = a_scene()
    scene.update()
    scene.got()
    scene.on(
        "BootNotification",
        lambda _: {"status": "Pending", "currentTime": scene.clock, "interval": 20},
        lambda _: {"status": "Accepted", "currentTime": scene.clock, "interval": 300},
    )
    scene.mark()
    scene.run(for_s=INSTALL_S + REBOOT_S + 10)
    assert scene.firmware_statuses() == []
    scene.run(for_s=20)
    assert scene.firmware_statuses() == ["Installed"]
    assert scene.actions().index("StatusNotification") < scene.actions().index(
        "FirmwareStatusNotification"
    )


# ── reboots and power ───────────────────────────────────────────────────────────────────────────


def test_a_power_loss_begins_the_download_again() -> None:
    scene = a_scene()
    scene.update()
    scene.cycle_power(for_s=60)
    scene.run(for_s=10)
    assert len(scene.downloads) == 1
    assert scene.cancelled == [1]
    scene.got()
    installed_later(scene)
    assert scene.firmware_statuses() == [*WALK, "Installed"]


def test_a_power_loss_begins_the_installation_again_without_another_download() -> None:
    scene = a_scene()
    scene.update()
    scene.got()
    scene.run(for_s=INSTALL_S / 2)
    scene.cycle_power(for_s=60)
    assert scene.version() == "1.0.0"
    installed_later(scene)
    assert scene.downloads == []
    assert scene.firmware_statuses() == [*WALK, "Installed"]
    assert scene.version() == "2.4.1"


def test_a_reset_by_the_csms_does_not_lose_an_update_that_is_scheduled() -> None:
    scene = a_scene()
    scene.update(after_s=100)
    scene.call("Reset", type="Hard")
    scene.run(for_s=99)
    assert scene.downloads == []
    scene.run(for_s=2)
    assert len(scene.downloads) == 1


def test_a_retrieve_date_that_passes_in_the_dark_is_met_after_the_boot() -> None:
    scene = a_scene()
    scene.update(after_s=100)
    scene.cycle_power(for_s=200)
    scene.run(for_s=10)
    assert len(scene.downloads) == 1


@pytest.mark.parametrize("after_s", [0.0, 100.0])
def test_an_update_outlives_the_process(after_s: float) -> None:
    scene = a_scene()
    scene.update(after_s=after_s)
    again = reborn(scene)
    again.boot()
    again.run(for_s=after_s)
    again.got()
    installed_later(again)
    assert again.firmware_statuses()[-3:] == ["Downloaded", "Installing", "Installed"]
    assert again.version() == "2.4.1"


def test_an_installed_version_outlives_the_process() -> None:
    scene = a_scene()
    scene.update()
    scene.got()
    installed_later(scene)
    again = reborn(scene)
    again.boot()
    assert again.version() == "2.4.1"


def test_connectors_that_an_update_has_withdrawn_come_back_in_another_process() -> None:
    scene = a_scene(connectors=2)
    scene.update()
    scene.got()
    again = reborn(scene)
    again.boot()
    assert again.statuses(1)[-1] == "Unavailable"
    installed_later(again)
    assert again.statuses(1)[-1] == again.statuses(2)[-1] == "Available"


def test_remembering_changes_nothing() -> None:
    scene = a_scene(connectors=2)
    scene.update()
    scene.got()
    kept = remember(scene.station)
    assert kept.firmware is not None
    assert kept.firmware.update is not None
    before = msgspec.json.encode(kept)
    installed_later(scene)
    assert msgspec.json.encode(kept) == before


def test_a_charger_that_was_never_updated_keeps_nothing_of_it() -> None:
    scene = a_scene()
    assert scene.station.firmware is None
    assert b"firmware" not in encode_kept(remember(scene.station))
    scene.trigger("FirmwareStatusNotification")
    assert scene.station.firmware is None


# ── failures on purpose ─────────────────────────────────────────────────────────────────────────


def test_a_failure_can_be_taken_back_and_happens_only_once() -> None:
    scene = a_scene()
    scene.tell(FirmwareWillFail("DownloadFailed"))
    scene.tell(FirmwareWillFail(""))
    scene.update()
    assert len(scene.downloads) == 1
    scene.tell(FirmwareWillFail("DownloadFailed"))
    scene.update()
    scene.run(for_s=6)
    assert scene.firmware_statuses()[-1] == "DownloadFailed"
    scene.update()
    assert len(scene.downloads) == 1


@pytest.mark.parametrize("answer", ["InvalidCertificate", "RevokedCertificate"])
def test_a_certificate_can_be_made_invalid(answer: str, signer: Signer) -> None:
    scene = a_scene()
    scene.tell(FirmwareWillFail(answer))  # type: ignore[arg-type]
    assert scene.update_signed(signer).status == answer
    assert scene.update_signed(signer).status == "Accepted"


# ── signatures ──────────────────────────────────────────────────────────────────────────────────


def test_a_signing_certificate_must_be_valid_now() -> None:
    scene = a_scene()
    past = Signer(begins=NOW - timedelta(days=10), lasts=timedelta(days=9))
    future = Signer(begins=NOW + timedelta(days=1))
    assert scene.update_signed(past).status == "InvalidCertificate"
    assert scene.update_signed(future).status == "InvalidCertificate"
    assert scene.downloads == []


def test_a_signing_certificate_must_lead_to_a_makers_root_where_there_is_one() -> None:
    scene = a_scene()
    maker, other = (Signer(name, authority=True) for name in ("Maker", "Other"))
    scene.call(
        "InstallCertificate", certificateType="ManufacturerRootCertificate", certificate=maker.pem
    )
    assert scene.update_signed(Signer(root=other)).status == "InvalidCertificate"
    between = Signer("Between", root=maker, authority=True)
    leaf = Signer(root=between)
    assert scene.update_signed(leaf).status == "InvalidCertificate"
    leaf_alone = leaf.pem
    both = Signer(root=maker)
    assert scene.update_signed(both).status == "Accepted"
    firmware = {
        "location": URL,
        "retrieveDateTime": scene.at(0),
        "signingCertificate": leaf_alone + between.pem,
        "signature": leaf.sign(FIRMWARE),
    }
    answer = scene.call("SignedUpdateFirmware", requestId=8, firmware=firmware)
    assert answer.status == "AcceptedCanceled"
    scene.got()
    assert "SignatureVerified" in scene.firmware_statuses()


@pytest.mark.parametrize("url", ["sftp://h/x", "not a url", "http://"])
def test_a_signed_update_from_nowhere_is_rejected(url: str, signer: Signer) -> None:
    assert a_scene().update_signed(signer, url=url).status == "Rejected"


def test_a_signature_that_is_no_base64_is_rejected(signer: Signer) -> None:
    assert a_scene().update_signed(signer, signature="***").status == "Rejected"


def test_a_file_that_was_changed_is_not_installed(signer: Signer) -> None:
    scene = a_scene()
    scene.update_signed(signer)
    scene.got(FIRMWARE + b"!")
    assert scene.firmware_statuses() == ["Downloading", "Downloaded", "InvalidSignature"]
    scene.run(for_s=60)
    assert scene.sent("BootNotification") == []


def test_a_simulated_signed_update_is_believed(signer: Signer) -> None:
    scene = a_scene(simulated=True)
    scene.update_signed(signer, signature="AAAA")
    scene.run(for_s=5 + INSTALL_S + REBOOT_S + 1)
    assert scene.firmware_statuses()[-1] == "Installed"
