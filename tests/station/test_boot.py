from __future__ import annotations

import pytest

from builders_station import SILENCE, Error, Garbage, Payload, Scene
from simfleet.station.effects import Registered
from simfleet.station.spec import BOOT_RETRY_S

FAR = 2**40


def an_answer(scene: Scene, status: str, interval: int) -> Payload:
    return {"status": status, "currentTime": scene.clock, "interval": interval}


def a_scene_answered(status: str, interval: int, **options: object) -> Scene:
    scene = Scene(**options)  # type: ignore[arg-type]
    scene.on("BootNotification", lambda _: an_answer(scene, status, interval))
    scene.boot()
    return scene


def boot_times(scene: Scene) -> list[float]:
    return [one.at_s - scene.began_s for one in scene.sent("BootNotification")]


# ── accepted ────────────────────────────────────────────────────────────────────────────────────


def test_an_accepted_station_reports_connector_0_and_then_every_connector() -> None:
    scene = Scene(connectors=3)
    scene.boot()
    assert scene.actions() == ["BootNotification"] + ["StatusNotification"] * 4
    statuses = scene.sent("StatusNotification")
    assert [one["connectorId"] for one in statuses] == [0, 1, 2, 3]
    assert {one["status"] for one in statuses} == {"Available"}
    assert {one["errorCode"] for one in statuses} == {"NoError"}


def test_the_boot_notification_names_vendor_model_serial_and_firmware() -> None:
    scene = Scene()
    scene.boot()
    (boot,) = scene.sent("BootNotification")
    assert boot["chargePointVendor"] == "SimFleet"
    assert boot["chargePointModel"]
    assert boot["chargePointSerialNumber"] == "CP-1"
    assert boot["firmwareVersion"]


def test_nothing_but_the_boot_notification_is_sent_before_its_answer() -> None:
    scene = Scene(connectors=2, configuration={"ClockAlignedDataInterval": 10})
    scene.on("BootNotification", SILENCE)
    scene.boot()
    scene.charge()
    scene.run(for_s=29)
    assert scene.actions() == ["BootNotification"]


def test_statuses_of_the_time_before_the_answer_are_told_as_they_are_then() -> None:
    scene = Scene(connectors=2)
    scene.on("BootNotification", SILENCE)
    scene.boot()
    scene.plug_in(2)
    scene.reply(scene.sent("BootNotification")[0], an_answer(scene, "Accepted", 300))
    assert scene.statuses(1) == ["Available"]
    assert scene.statuses(2) == ["Preparing"]


def test_a_reconnect_without_reboot_sends_statuses_and_no_boot_notification() -> None:
    scene = Scene(connectors=2)
    scene.boot()
    scene.disconnect()
    scene.mark()
    scene.run(for_s=5)
    scene.connect()
    assert scene.actions() == ["StatusNotification"] * 3


def test_queued_transaction_messages_follow_the_statuses_after_the_boot() -> None:
    scene = Scene(configuration={"AllowOfflineTxForUnknownId": "true"})
    scene.charge()
    scene.present_tag()
    scene.boot()
    assert scene.actions() == [
        "BootNotification",
        "StatusNotification",
        "StatusNotification",
        "StartTransaction",
        "StopTransaction",
    ]
    assert scene.statuses() == ["Finishing"]


def test_the_answer_is_reported_to_the_shell() -> None:
    scene = a_scene_answered("Pending", 7)
    assert scene.seen(Registered) == [Registered("Pending", 7.0)]


# ── not accepted ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["Rejected", "Pending"])
def test_a_station_that_is_not_accepted_asks_again_after_the_interval(status: str) -> None:
    scene = a_scene_answered(status, 20)
    scene.run(for_s=65)
    assert boot_times(scene) == [0, 20, 40, 60]
    assert set(scene.actions()) == {"BootNotification"}


@pytest.mark.parametrize("status", ["Rejected", "Pending"])
@pytest.mark.parametrize("interval", [0, -5])
def test_interval_0_means_the_stations_own_pause_and_never_a_busy_loop(
    status: str, interval: int
) -> None:
    scene = a_scene_answered(status, interval)
    scene.run(for_s=3 * BOOT_RETRY_S)
    assert boot_times(scene) == [0, BOOT_RETRY_S, 2 * BOOT_RETRY_S, 3 * BOOT_RETRY_S]


def test_a_call_error_is_followed_by_the_stations_own_pause() -> None:
    scene = Scene()
    scene.on("BootNotification", Error("InternalError"))
    scene.boot()
    scene.run(for_s=2 * BOOT_RETRY_S)
    assert boot_times(scene) == [0, BOOT_RETRY_S, 2 * BOOT_RETRY_S]


def test_no_answer_is_followed_by_the_stations_own_pause_after_the_timeout() -> None:
    scene = Scene()
    scene.on("BootNotification", SILENCE)
    scene.boot()
    scene.run(for_s=2 * (BOOT_RETRY_S + 30))
    assert boot_times(scene) == [0, BOOT_RETRY_S + 30, 2 * (BOOT_RETRY_S + 30)]


def test_an_answer_that_cannot_be_read_is_no_answer() -> None:
    scene = Scene()
    scene.on("BootNotification", {"status": "Perhaps"})
    scene.boot()
    scene.run(for_s=BOOT_RETRY_S)
    assert boot_times(scene) == [0, BOOT_RETRY_S]
    assert set(scene.actions()) == {"BootNotification"}


def test_garbage_leaves_the_boot_notification_open_until_its_deadline() -> None:
    scene = Scene()
    scene.on("BootNotification", Garbage(), lambda _: scene.usual_reply(scene.log[0]))
    scene.boot()
    scene.run(for_s=BOOT_RETRY_S + 30)
    assert boot_times(scene) == [0, BOOT_RETRY_S + 30]
    assert scene.statuses() == ["Available"]


def test_each_attempt_has_a_new_message_id() -> None:
    scene = a_scene_answered("Rejected", 10)
    scene.run(for_s=100)
    boots = scene.sent("BootNotification")
    assert len({one.id for one in boots}) == len(boots) == 11


def test_a_pending_station_is_accepted_later_and_then_reports_its_statuses() -> None:
    scene = Scene()
    scene.on(
        "BootNotification",
        lambda _: an_answer(scene, "Pending", 10),
        lambda _: an_answer(scene, "Rejected", 10),
        lambda _: an_answer(scene, "Accepted", 300),
    )
    scene.boot()
    scene.run(for_s=20)
    assert scene.actions() == ["BootNotification"] * 3 + ["StatusNotification"] * 2


@pytest.mark.parametrize("status", ["Rejected", "Pending"])
def test_a_new_connection_does_not_shorten_the_interval(status: str) -> None:
    scene = a_scene_answered(status, 100)
    scene.run(for_s=10)
    scene.disconnect()
    scene.run(for_s=10)
    scene.connect()
    scene.run(for_s=79)
    assert boot_times(scene) == [0]
    scene.run(for_s=1)
    assert boot_times(scene) == [0, 100]


@pytest.mark.parametrize("status", ["Rejected", "Pending"])
def test_an_interval_that_ended_while_the_link_was_down_is_over(status: str) -> None:
    scene = a_scene_answered(status, 100)
    scene.disconnect()
    scene.run(for_s=150)
    scene.connect()
    assert boot_times(scene) == [0, 150]


def test_a_boot_notification_whose_answer_was_lost_is_sent_anew_on_the_next_connection() -> None:
    scene = Scene()
    scene.on("BootNotification", SILENCE, lambda _: an_answer(scene, "Accepted", 10))
    scene.boot()
    scene.run(for_s=1)
    scene.disconnect()
    scene.run(for_s=1)
    scene.connect()
    assert boot_times(scene) == [0, 2]
    assert scene.statuses() == ["Available"]


# ── pending ─────────────────────────────────────────────────────────────────────────────────────


def test_a_pending_station_answers_but_starts_and_stops_nothing() -> None:
    scene = a_scene_answered("Pending", 100)
    start = scene.call("RemoteStartTransaction", idTag="A", connectorId=1)
    assert start.status == "Rejected"
    assert scene.call("RemoteStopTransaction", transactionId=1).status == "Rejected"
    assert scene.call("GetConfiguration").payload["configurationKey"]
    key = {"key": "MeterValueSampleInterval", "value": "5"}
    assert scene.call("ChangeConfiguration", **key).status == "Accepted"
    assert scene.actions() == ["BootNotification"]


def test_a_pending_station_sends_what_a_trigger_asks_for_and_nothing_else() -> None:
    scene = a_scene_answered("Pending", 100, connectors=2)
    answer = scene.call("TriggerMessage", requestedMessage="StatusNotification", connectorId=2)
    assert answer.status == "Accepted"
    assert scene.statuses(2) == ["Available"]
    scene.call("TriggerMessage", requestedMessage="Heartbeat")
    scene.call("TriggerMessage", requestedMessage="MeterValues", connectorId=1)
    scene.call("TriggerMessage", requestedMessage="BootNotification")
    assert scene.actions() == [
        "BootNotification",
        "StatusNotification",
        "Heartbeat",
        "MeterValues",
        "BootNotification",
    ]


def test_what_was_triggered_before_the_acceptance_does_not_overwrite_the_statuses_after_it() -> (
    None
):
    scene = Scene()
    scene.on("BootNotification", lambda _: an_answer(scene, "Pending", 10), SILENCE)
    scene.boot()
    scene.run(for_s=10)  # the second BootNotification is open
    scene.call("TriggerMessage", requestedMessage="StatusNotification", connectorId=1)
    scene.plug_in()
    scene.reply(scene.sent("BootNotification")[1], an_answer(scene, "Accepted", 300))
    assert scene.statuses()[-1] == "Preparing"


def test_a_pending_station_sends_no_heartbeat_status_or_meter_values() -> None:
    scene = a_scene_answered(
        "Pending",
        1000,
        configuration={"HeartbeatInterval": 10, "ClockAlignedDataInterval": 10},
    )
    scene.charge()
    scene.run(for_s=500)
    assert scene.actions() == ["BootNotification"]


# ── rejected ────────────────────────────────────────────────────────────────────────────────────


def test_a_rejected_station_answers_nothing() -> None:
    scene = a_scene_answered("Rejected", 100)
    for action, payload in (
        ("GetConfiguration", {}),
        ("TriggerMessage", {"requestedMessage": "BootNotification"}),
        ("Reset", {"type": "Hard"}),
        ("Reset", {}),
        ("MakeCoffee", {}),
    ):
        scene.call_without_answer(action, **payload)
    scene.receive(b"garbage")
    assert scene.answers == {}
    assert scene.actions() == ["BootNotification"]
    scene.run(for_s=100)
    assert len(boot_times(scene)) == 2


def test_a_station_that_is_accepted_at_last_answers_again() -> None:
    scene = Scene()
    scene.on(
        "BootNotification",
        lambda _: an_answer(scene, "Rejected", 10),
        lambda _: an_answer(scene, "Accepted", 10),
    )
    scene.boot()
    scene.run(for_s=10)
    assert scene.call("MakeCoffee").error == "NotImplemented"
    assert scene.call("ClearCache").status == "Rejected"


# ── strange answers ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("interval", [2**31 - 1, 2**31, FAR])
@pytest.mark.parametrize("status", ["Accepted", "Pending", "Rejected"])
def test_a_huge_interval_harms_nobody(status: str, interval: int) -> None:
    scene = a_scene_answered(status, interval)
    scene.run(for_s=86_400)
    assert boot_times(scene) == [0]


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_csms_that_lives_in_another_age_harms_nobody(time: str) -> None:
    scene = Scene(configuration={"ClockAlignedDataInterval": 900, "MeterValueSampleInterval": 10})
    scene.on("BootNotification", {"status": "Accepted", "currentTime": time, "interval": 60})
    scene.boot()
    scene.charge()
    scene.run(for_s=1000)
    assert len(scene.sent("MeterValues")) > 100
