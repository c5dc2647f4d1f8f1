from __future__ import annotations

import pytest

from builders_maintenance import LOGS, MaintenanceScene, a_scene
from builders_station import SILENCE, TAG
from simfleet.station.diagnostics import LINES_MAX
from simfleet.station.events import Failed, UploadWillFail


def file_of(scene: MaintenanceScene) -> str:
    scene.get_diagnostics()
    return scene.put()


# ── what is in the file ─────────────────────────────────────────────────────────────────────────


def test_the_file_says_who_and_what_the_station_is() -> None:
    lines = file_of(a_scene(connectors=2)).splitlines()
    assert lines[0].startswith("diagnostics of CP-1, written 2026-03-01T12:00:00Z")
    for line in ("vendor = SimFleet", "model = SF-22", "firmwareVersion = 1.0.0"):
        assert line in lines
    assert "registration = Accepted" in lines
    assert "[connector 1]" in lines
    assert "[connector 2]" in lines


def test_the_file_says_how_the_connectors_are() -> None:
    scene = a_scene(connectors=2, register_wh=5000)
    scene.charge(1)
    scene.tell(Failed(2, "GroundFailure", "leak"))
    scene.run(for_s=360)
    connector_1, connector_2 = file_of(scene).split("[connector ")[1:]
    assert "status = Charging" in connector_1
    assert "registerWh = 6100.0" in connector_1
    assert "powerW = 11000.0" in connector_1
    assert f"transaction = transaction 1 (id {scene.transaction_id})" in connector_1
    assert "errorCode = GroundFailure leak" in connector_2


def test_the_file_has_the_configuration_without_secrets() -> None:
    scene = a_scene(
        configuration={
            "AuthorizationKey": "AB" * 16,
            "wifiPassword": "hunter2",
            "HeartbeatInterval": "77",
        }
    )
    text = file_of(scene)
    assert "MeterValueSampleInterval = 60" in text
    assert "AB" * 16 not in text
    assert "hunter2" not in text


def test_the_file_has_transactions_that_wait_for_the_csms() -> None:
    scene = a_scene()
    scene.on("StartTransaction", SILENCE)
    scene.charge()
    scene.run(for_s=10)
    scene.present_tag(TAG)
    text = file_of(scene)
    assert "transaction 1 (not named yet) started on connector 1" in text
    assert "transaction 1 (not named yet) ended, Local" in text


def test_happenings_are_noted_from_the_first_time_on() -> None:
    scene = a_scene()
    scene.plug_in()
    assert "PluggedIn" not in file_of(scene)
    scene.unplug()
    scene.disconnect()
    scene.connect()
    scene.call("ClearCache")
    text = file_of(scene)
    for what in ("Unplugged on connector 1", "disconnected", "connected", "the CSMS calls Clear"):
        assert what in text
    assert "secret" not in text  # of the URL


def test_happenings_are_bounded_and_the_loss_is_told() -> None:
    scene = a_scene()
    file_of(scene)
    for _ in range(LINES_MAX):
        scene.plug_in()
        scene.unplug()
    assert scene.station.logs is not None
    assert len(scene.station.logs.lines) == LINES_MAX
    assert "older ones that were overwritten: 2" in file_of(scene)


def test_a_charger_that_nobody_asks_keeps_nothing() -> None:
    scene = a_scene()
    scene.charge()
    scene.trigger("DiagnosticsStatusNotification")
    scene.trigger("LogStatusNotification", extended=True)
    assert scene.station.logs is None


def test_writing_the_file_changes_no_meter() -> None:
    plain, asked = a_scene(seed=3), a_scene(seed=3)
    for scene in (plain, asked):
        scene.charge()
        scene.run(for_s=61)
        if scene is asked:
            scene.get_diagnostics()
        scene.run(for_s=120)
        scene.present_tag()
    stop, other = (scene.sent("StopTransaction")[0] for scene in (plain, asked))
    assert stop["meterStop"] == other["meterStop"]


# ── the window ──────────────────────────────────────────────────────────────────────────────────


def test_only_what_lies_in_the_time_asked_for_is_in_the_file() -> None:
    scene = a_scene()
    file_of(scene)
    scene.run(for_s=100)
    scene.plug_in()
    scene.run(for_s=100)
    scene.unplug()
    scene.run(for_s=100)
    scene.get_diagnostics(startTime=scene.at(-250), stopTime=scene.at(-150))
    text = scene.put()
    assert "PluggedIn" in text
    assert "Unplugged" not in text
    assert "[connector 1]" not in text  # that is the present


@pytest.mark.parametrize(("first_s", "last_s"), [(-900, -800), (100, 200), (100, -100)])
def test_a_time_of_which_nothing_is_known_gives_no_file(first_s: float, last_s: float) -> None:
    scene = a_scene()
    window = {"startTime": scene.at(first_s), "stopTime": scene.at(last_s)}
    assert scene.get_diagnostics(**window) is None
    assert scene.diagnostics_statuses() == []
    assert scene.uploads == []
    answer = scene.get_log(oldest=window["startTime"], latest=window["stopTime"])
    assert (answer.status, "filename" in answer.payload) == ("Rejected", False)


def test_a_file_is_called_after_the_charger_and_the_time() -> None:
    assert a_scene().get_diagnostics() == "CP-1-diagnostics-20260301T120000Z.log"


# ── uploads ─────────────────────────────────────────────────────────────────────────────────────


def test_an_upload_that_fails_is_tried_again_at_the_interval_asked_for() -> None:
    scene = a_scene()
    scene.get_diagnostics(retries=1, retryInterval=30)
    first = scene.uploads[0]
    scene.not_put()
    scene.run(for_s=29)
    assert scene.uploads == []
    scene.run(for_s=1)
    assert (scene.uploads[0].content, scene.uploads[0].url) == (first.content, LOGS)
    assert scene.diagnostics_statuses() == ["Uploading"]
    scene.not_put()
    assert scene.diagnostics_statuses() == ["Uploading", "UploadFailed"]


@pytest.mark.parametrize("kind", ["bad_url", "unsupported_scheme"])
def test_what_another_attempt_would_not_change_is_not_tried_again(kind: str) -> None:
    scene = a_scene()
    scene.get_diagnostics(retries=5, retryInterval=1)
    scene.not_put(kind)
    assert scene.diagnostics_statuses() == ["Uploading", "UploadFailed"]


def test_new_diagnostics_stop_those_before_them_and_leave_a_log_alone() -> None:
    scene = a_scene()
    scene.get_diagnostics()
    scene.get_log()
    log = scene.uploads[1]
    scene.get_diagnostics()
    assert scene.cancelled == [1]
    assert log in scene.uploads
    scene.put()
    scene.put()
    assert scene.log_statuses()[-1] == ("Uploaded", 9)
    assert scene.diagnostics_statuses() == ["Uploading", "Uploading", "Uploaded"]


def test_a_reboot_ends_an_upload_and_the_csms_hears_of_it() -> None:
    scene = a_scene()
    scene.get_diagnostics()
    scene.get_log()
    scene.call("Reset", type="Hard")
    assert scene.uploads == []
    scene.run(for_s=10)
    assert scene.diagnostics_statuses() == ["Uploading", "UploadFailed"]
    assert scene.log_statuses() == [("Uploading", 9), ("UploadFailure", 9)]


def test_an_upload_can_be_made_to_fail_once() -> None:
    scene = a_scene()
    scene.tell(UploadWillFail())
    scene.get_diagnostics(retries=3)
    assert scene.uploads == []
    scene.run(for_s=3)
    assert scene.diagnostics_statuses() == ["Uploading", "UploadFailed"]
    scene.get_diagnostics()
    scene.put()
    assert scene.diagnostics_statuses()[-1] == "Uploaded"


def test_a_simulated_upload_needs_no_errand() -> None:
    scene = a_scene(simulated=True)
    assert scene.get_diagnostics() is not None
    scene.run(for_s=3)
    assert scene.diagnostics_statuses() == ["Uploading", "Uploaded"]
    assert scene.uploads == []


def test_a_log_asked_for_while_a_reboot_is_under_way_is_rejected() -> None:
    scene = a_scene()
    scene.charge()
    scene.on("StopTransaction", SILENCE)
    scene.call("Reset", type="Soft")
    assert scene.get_log().status == "Rejected"


def test_a_security_log_without_events_says_so() -> None:
    scene = a_scene()
    assert scene.get_log(log_type="SecurityLog").status == "Accepted"
    assert "no security events" in scene.put()
