from __future__ import annotations

import pytest

from builders_station import SILENCE, Scene, contexts_of, samples_of


def a_booted_scene(connectors: int = 2, **keys: str | int) -> Scene:
    scene = Scene(connectors=connectors, configuration=keys)
    scene.boot()
    scene.mark()
    return scene


def trigger(scene: Scene, message: str, connector: int | None = None) -> str:
    where = {} if connector is None else {"connectorId": connector}
    return scene.call("TriggerMessage", requestedMessage=message, **where).status


def test_a_triggered_heartbeat_is_one_heartbeat() -> None:
    scene = a_booted_scene()
    assert trigger(scene, "Heartbeat") == "Accepted"
    assert scene.actions() == ["Heartbeat"]


def test_a_triggered_boot_notification_changes_nothing_else() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.mark()
    assert trigger(scene, "BootNotification") == "Accepted"
    assert scene.actions() == ["BootNotification"]
    scene.run(for_s=61)
    assert "MeterValues" in scene.actions()


def test_a_triggered_boot_notification_may_be_answered_with_pending() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.on(
        "BootNotification",
        lambda _: {"status": "Pending", "currentTime": scene.clock, "interval": 100},
        lambda _: {"status": "Accepted", "currentTime": scene.clock, "interval": 100},
    )
    trigger(scene, "BootNotification")
    scene.mark()
    scene.run(for_s=99)
    assert scene.sent() == []
    scene.run(for_s=1)
    assert scene.actions()[:4] == ["BootNotification"] + ["StatusNotification"] * 3
    assert "MeterValues" in scene.actions()  # what was sampled meanwhile


def test_a_triggered_status_names_the_connector_asked_for() -> None:
    scene = a_booted_scene()
    scene.plug_in(2)
    scene.mark()
    assert trigger(scene, "StatusNotification", 2) == "Accepted"
    (status,) = scene.sent()
    assert (status["connectorId"], status["status"]) == (2, "Preparing")
    assert trigger(scene, "StatusNotification", 0) == "Accepted"
    assert scene.statuses(0) == ["Available"]


def test_without_a_connector_all_statuses_are_sent() -> None:
    scene = a_booted_scene()
    trigger(scene, "StatusNotification")
    assert [one["connectorId"] for one in scene.sent("StatusNotification")] == [0, 1, 2]


def test_triggered_meter_values_have_the_context_trigger() -> None:
    scene = a_booted_scene()
    scene.charge(2)
    scene.run(for_s=36)
    scene.mark()
    assert trigger(scene, "MeterValues", 2) == "Accepted"
    (message,) = scene.sent()
    assert contexts_of(message) == {"Trigger"}
    assert message["transactionId"] == scene.transaction_id
    values = samples_of(message["meterValue"][0])
    assert values["Energy.Active.Import.Register"] == pytest.approx(110, abs=1)


def test_triggered_meter_values_of_an_idle_connector_have_no_transaction() -> None:
    scene = a_booted_scene()
    trigger(scene, "MeterValues", 1)
    (message,) = scene.sent()
    assert "transactionId" not in message.payload


def test_without_a_connector_the_meters_of_all_are_read() -> None:
    scene = a_booted_scene()
    scene.charge(1)
    scene.mark()
    trigger(scene, "MeterValues")
    assert [one["connectorId"] for one in scene.sent("MeterValues")] == [1, 2]


def test_a_triggered_sample_does_not_shift_the_periodic_ones() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10)
    scene.charge()
    scene.run(for_s=15)
    trigger(scene, "MeterValues", 1)
    scene.run(for_s=15)
    times = [one.at_s - scene.began_s for one in scene.sent("MeterValues")]
    assert times == [10, 15, 20, 30]


@pytest.mark.parametrize("message", ["StatusNotification", "MeterValues", "Heartbeat"])
@pytest.mark.parametrize("connector", [3, -1])
def test_a_connector_that_does_not_exist_is_rejected(message: str, connector: int) -> None:
    scene = a_booted_scene()
    assert trigger(scene, message, connector) == "Rejected"
    assert scene.sent() == []


@pytest.mark.parametrize("message", ["DiagnosticsStatusNotification", "FirmwareStatusNotification"])
def test_the_status_of_what_a_charger_does_not_have_is_not_implemented(message: str) -> None:
    scene = a_booted_scene(SupportedFeatureProfiles="Core,RemoteTrigger")
    assert trigger(scene, message) == "NotImplemented"
    assert scene.sent() == []


def test_the_answer_comes_first_and_the_message_waits_for_its_turn() -> None:
    scene = a_booted_scene()
    scene.on("StatusNotification", SILENCE, {})
    scene.plug_in()
    assert trigger(scene, "Heartbeat") == "Accepted"
    assert scene.actions() == ["StatusNotification"]
    scene.reply(scene.sent()[0], {})
    assert scene.actions() == ["StatusNotification", "Heartbeat"]


def test_a_csms_that_triggers_without_end_fills_no_memory_and_stops_nobody() -> None:
    scene = a_booted_scene(connectors=1)
    scene.on("Heartbeat", SILENCE)
    trigger(scene, "Heartbeat")
    for _ in range(500):
        trigger(scene, "StatusNotification")
    assert len(scene.station.outbox) <= 100
    assert ("StatusNotification", "queue_full") in scene.dropped()


def test_triggers_before_the_boot_answer_never_crowd_out_the_boot_notification() -> None:
    scene = Scene()
    scene.on(
        "BootNotification",
        lambda _: {"status": "Pending", "currentTime": scene.clock, "interval": 20},
        lambda _: {"status": "Accepted", "currentTime": scene.clock, "interval": 20},
    )
    scene.boot()
    scene.on("Heartbeat", SILENCE, lambda _: {"currentTime": scene.clock})
    trigger(scene, "Heartbeat")
    scene.run(for_s=20)  # BootNotification waits behind the heartbeat
    for _ in range(100):
        trigger(scene, "StatusNotification", 0)
    scene.run(for_s=60)
    assert scene.statuses()[-1] == "Available"


def test_a_tag_question_that_found_no_room_does_not_block_the_reader_for_ever() -> None:
    scene = a_booted_scene(connectors=1)
    scene.on("Heartbeat", SILENCE, lambda _: {"currentTime": scene.clock})
    trigger(scene, "Heartbeat")
    scene.charge()
    for _ in range(100):
        trigger(scene, "StatusNotification", 0)
    scene.run(for_s=60)
    if not scene.sent("StartTransaction"):
        scene.present_tag()
    assert len(scene.sent("StartTransaction")) == 1
