from __future__ import annotations

from itertools import pairwise

import pytest

from builders_station import SILENCE, Error, Garbage, Payload, Scene, Sent
from simfleet.station.effects import TransactionDelivered
from simfleet.station.events import Retired
from simfleet.station.outbox import DURABLE_MAX

START = {"transactionId": 42, "idTagInfo": {"status": "Accepted"}}
TRANSACTION = ("StartTransaction", "MeterValues", "StopTransaction")


def a_booted_scene(**keys: str | int) -> Scene:
    scene = Scene(configuration={"MeterValueSampleInterval": 0, "HeartbeatInterval": 0, **keys})
    scene.on(
        "BootNotification",
        lambda _: {"status": "Accepted", "currentTime": scene.clock, "interval": 0},
    )
    scene.boot()
    scene.mark()
    return scene


def pauses(messages: list[Sent]) -> list[float]:
    return [after.at_s - before.at_s for before, after in pairwise(messages)]


# ── attempts ────────────────────────────────────────────────────────────────────────────────────


def test_a_refused_message_is_tried_again_after_growing_pauses_and_then_given_up() -> None:
    scene = a_booted_scene(TransactionMessageAttempts=4, TransactionMessageRetryInterval=10)
    scene.on("StopTransaction", Error())
    scene.charge()
    scene.present_tag()
    scene.run(for_s=1000)
    stops = scene.sent("StopTransaction")
    assert pauses(stops) == [10, 20, 30]
    assert len({one.id for one in stops}) == 4
    assert all(one.payload == stops[0].payload for one in stops)
    assert scene.dropped() == [("StopTransaction", "attempts_used_up")]


def test_a_charger_that_leaves_does_not_wait_for_long_pauses() -> None:
    scene = a_booted_scene(TransactionMessageAttempts=3, TransactionMessageRetryInterval=60)
    scene.on("StopTransaction", Error(), Error(), {})
    scene.charge()
    scene.present_tag()
    scene.run(for_s=10)
    scene.tell(Retired(leaving=True))
    scene.run(for_s=10)
    assert pauses(scene.sent("StopTransaction")) == [10 + 1, 2]
    assert scene.dropped() == []


def test_a_charger_whose_drivers_only_went_keeps_its_pauses() -> None:
    scene = a_booted_scene(TransactionMessageAttempts=3, TransactionMessageRetryInterval=60)
    scene.on("StopTransaction", Error(), {})
    scene.charge()
    scene.tell(Retired())
    scene.run(for_s=100)
    assert pauses(scene.sent("StopTransaction")) == [60]


def test_a_message_without_answer_is_tried_again_after_timeout_and_pause() -> None:
    scene = a_booted_scene(TransactionMessageAttempts=3, TransactionMessageRetryInterval=10)
    scene.on("StartTransaction", SILENCE)
    scene.charge()
    scene.run(for_s=1000)
    assert pauses(scene.sent("StartTransaction")) == [30 + 10, 30 + 20]


def test_an_answer_that_cannot_be_read_counts_as_an_attempt() -> None:
    scene = a_booted_scene(TransactionMessageAttempts=2, TransactionMessageRetryInterval=5)
    scene.on("StartTransaction", {"transactionId": "many"}, START)
    scene.charge()
    scene.run(for_s=5)
    assert pauses(scene.sent("StartTransaction")) == [5]


def test_garbage_is_no_answer() -> None:
    scene = a_booted_scene(TransactionMessageAttempts=2, TransactionMessageRetryInterval=5)
    scene.on("StartTransaction", Garbage(), START)
    scene.charge()
    scene.run(for_s=100)
    assert pauses(scene.sent("StartTransaction")) == [35]


def test_one_attempt_means_no_retry() -> None:
    scene = a_booted_scene(TransactionMessageAttempts=1)
    scene.on("StopTransaction", Error())
    scene.charge()
    scene.present_tag()
    scene.run(for_s=1000)
    assert len(scene.sent("StopTransaction")) == 1


def test_retry_interval_0_is_no_busy_loop() -> None:
    scene = a_booted_scene(TransactionMessageAttempts=5, TransactionMessageRetryInterval=0)
    scene.on("StopTransaction", Error())
    scene.charge()
    scene.present_tag()
    scene.run(for_s=10)
    assert len(scene.sent("StopTransaction")) == 5


def test_other_messages_pass_while_a_transaction_message_pauses() -> None:
    scene = a_booted_scene(TransactionMessageRetryInterval=100)
    scene.on("StopTransaction", Error(), {})
    scene.charge()
    scene.present_tag()
    scene.unplug()
    assert scene.statuses()[-1] == "Available"
    scene.call("TriggerMessage", requestedMessage="Heartbeat")
    assert scene.actions()[-1] == "Heartbeat"
    scene.run(for_s=100)
    assert len(scene.sent("StopTransaction")) == 2


def test_a_later_transaction_message_does_not_overtake_one_that_pauses() -> None:
    scene = a_booted_scene(TransactionMessageRetryInterval=100)
    scene.on("StopTransaction", Error(), {})
    for _ in range(2):
        scene.charge()
        scene.run(for_s=10)
        scene.present_tag()
        scene.unplug()
    scene.run(for_s=200)
    assert [one.action for one in scene.sent(*TRANSACTION)] == [
        "StartTransaction",
        "StopTransaction",
        "StopTransaction",
        "StartTransaction",
        "StopTransaction",
    ]


def test_after_a_message_was_given_up_the_next_goes_on_at_once() -> None:
    scene = a_booted_scene(TransactionMessageAttempts=1)
    scene.on("StopTransaction", Error(), {})
    scene.charge()
    scene.present_tag()
    scene.unplug()
    scene.charge()
    scene.present_tag()
    assert len(scene.sent("StopTransaction")) == 2
    assert scene.station.drained


# ── the late StartTransaction ───────────────────────────────────────────────────────────────────


def test_what_waits_behind_an_unanswered_start_gets_the_transaction_id_when_it_comes() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10)
    scene.on("StartTransaction", SILENCE)
    scene.charge()
    scene.run(for_s=25)
    scene.present_tag()
    assert scene.sent("MeterValues", "StopTransaction") == []
    scene.reply(scene.sent("StartTransaction")[0], START)
    later = scene.sent("MeterValues", "StopTransaction")
    assert [one.action for one in later] == ["MeterValues", "MeterValues", "StopTransaction"]
    assert {one["transactionId"] for one in later} == {42}


def test_the_id_of_a_retried_start_is_patched_in_as_well() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10, TransactionMessageRetryInterval=20)
    scene.on("StartTransaction", SILENCE, Error(), START)
    scene.charge()
    scene.run(for_s=60)
    scene.present_tag()
    scene.run(for_s=60)
    assert len(scene.sent("StartTransaction")) == 3
    later = scene.sent("MeterValues", "StopTransaction")
    assert {one["transactionId"] for one in later} == {42}
    assert len(later) == 7


def test_a_start_that_was_given_up_takes_the_rest_of_its_transaction_with_it() -> None:
    scene = a_booted_scene(
        MeterValueSampleInterval=10,
        TransactionMessageAttempts=2,
        TransactionMessageRetryInterval=5,
    )
    scene.on("StartTransaction", Error(), Error(), START)
    scene.charge()
    scene.run(for_s=25)
    scene.present_tag()
    scene.unplug()
    assert scene.sent("MeterValues", "StopTransaction") == []
    assert {why for _, why in scene.dropped()} == {"attempts_used_up", "no_transaction_id"}
    scene.charge()
    scene.present_tag()
    assert scene.sent("StopTransaction")[0]["transactionId"] == 42


def test_two_starts_that_wait_get_each_its_own_id() -> None:
    scene = Scene(connectors=2, configuration={"AllowOfflineTxForUnknownId": "true"})
    scene.boot()
    scene.disconnect()
    scene.charge(1)
    scene.charge(2)
    scene.present_tag(connector_id=1)
    scene.present_tag(connector_id=2)
    scene.mark()
    scene.connect()
    by_connector = {
        one["connectorId"]: 701 + index for index, one in enumerate(scene.sent("StartTransaction"))
    }
    assert by_connector == {1: 701, 2: 702}
    assert [one["transactionId"] for one in scene.sent("StopTransaction")] == [701, 702]


# ── without a link ──────────────────────────────────────────────────────────────────────────────


def test_a_whole_session_without_a_link_is_told_in_order_with_its_own_times() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10, AllowOfflineTxForUnknownId="true")
    scene.disconnect()
    began_s = scene.wall_s
    scene.charge()
    scene.run(for_s=25)
    scene.present_tag()
    scene.unplug()
    scene.run(for_s=3600)
    scene.connect()
    messages = scene.sent(*TRANSACTION)
    assert [one.action for one in messages] == [
        "StartTransaction",
        "MeterValues",
        "MeterValues",
        "StopTransaction",
    ]
    assert messages[0].wall_s == pytest.approx(began_s, abs=0.01)
    assert messages[-1].wall_s == pytest.approx(began_s + 25, abs=0.01)
    assert scene.statuses() == ["Available"]


def test_a_message_whose_answer_was_lost_is_sent_again_first_with_a_new_id() -> None:
    scene = a_booted_scene()
    scene.on("StartTransaction", SILENCE, START)
    scene.charge()
    scene.run(for_s=5)
    scene.disconnect()
    scene.run(for_s=5)
    scene.present_tag()
    scene.connect()
    first, second = scene.sent("StartTransaction")
    assert first.payload == second.payload
    assert first.id != second.id
    assert scene.sent("StopTransaction")[0]["transactionId"] == 42


def test_the_loss_of_the_link_is_no_attempt_and_ends_a_pause() -> None:
    scene = a_booted_scene(TransactionMessageAttempts=2, TransactionMessageRetryInterval=1000)
    scene.on("StopTransaction", SILENCE)
    scene.charge()
    scene.present_tag()
    for _ in range(5):
        scene.run(for_s=1)
        scene.disconnect()
        scene.connect()
    scene.on("StopTransaction", Error(), {})
    scene.disconnect()
    scene.connect()
    scene.disconnect()
    scene.connect()
    assert scene.sent("StopTransaction")[-1].reply == {}
    assert scene.station.drained


def test_statuses_heartbeats_and_authorize_are_not_kept() -> None:
    scene = a_booted_scene()
    scene.on("StatusNotification", SILENCE, {})
    scene.plug_in()  # open
    scene.present_tag()  # Authorize waits
    scene.call("TriggerMessage", requestedMessage="Heartbeat")
    scene.disconnect()
    scene.mark()
    scene.connect()
    assert scene.actions() == ["StatusNotification"] * 2
    assert scene.statuses() == ["Preparing"]


def test_deliveries_are_reported_when_they_are_answered() -> None:
    scene = a_booted_scene()
    scene.on("StopTransaction", SILENCE, {})
    scene.charge()
    scene.present_tag()
    assert scene.seen(TransactionDelivered) == [TransactionDelivered(1, "start")]
    assert not scene.station.drained
    scene.disconnect()
    scene.connect()
    assert scene.seen(TransactionDelivered)[1:] == [TransactionDelivered(1, "stop")]
    assert scene.station.drained


def test_a_long_time_without_a_link_drops_samples_but_never_starts_and_stops() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=1, AllowOfflineTxForUnknownId="true")
    scene.disconnect()
    for _ in range(3):
        scene.charge()
        scene.run(for_s=DURABLE_MAX // 2)
        scene.present_tag()
        scene.unplug()
    assert len(scene.station.outbox) <= DURABLE_MAX
    assert ("MeterValues", "queue_full") in scene.dropped()
    scene.mark()
    scene.connect()
    assert len(scene.sent("StartTransaction")) == len(scene.sent("StopTransaction")) == 3
    assert [one["transactionId"] for one in scene.sent("StopTransaction")] == [701, 702, 703]


@pytest.mark.parametrize("down", ["Hard", "power"])
def test_the_queue_survives_a_reboot(down: str) -> None:
    scene = a_booted_scene(MeterValueSampleInterval=10, AllowOfflineTxForUnknownId="true")
    scene.charge()
    scene.run(for_s=5)
    scene.on("MeterValues", SILENCE, {})
    scene.run(for_s=20)
    if down == "power":
        scene.cycle_power(for_s=100)
    else:
        scene.call("Reset", type="Hard")
        scene.run(for_s=100)
    assert [one.action for one in scene.sent(*TRANSACTION)] == [
        "StartTransaction",
        "MeterValues",  # its answer never came
        "MeterValues",
        "MeterValues",
        "StopTransaction",
    ]
    assert scene.station.drained


def test_a_late_reply_to_an_expired_call_changes_nothing() -> None:
    scene = a_booted_scene(TransactionMessageRetryInterval=60)
    scene.on("StartTransaction", SILENCE, START)
    scene.charge()
    scene.run(for_s=31)
    late: Payload = {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}
    scene.reply(scene.sent("StartTransaction")[0], late)
    scene.run(for_s=60)
    scene.present_tag()
    assert scene.sent("StopTransaction")[0]["transactionId"] == 42
    assert scene.station.conversation.late_replies == 1
