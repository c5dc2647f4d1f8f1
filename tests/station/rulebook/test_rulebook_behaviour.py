"""The rule book on what stations do by themselves: the Core rows of section 5."""

from __future__ import annotations

from itertools import pairwise

import pytest

from builders_station import (
    EPOCH_S,
    SILENCE,
    Error,
    Payload,
    Reply,
    Scene,
    contexts_of,
    samples_of,
    wall_of,
)
from simfleet.station.events import EvPaused, EvResumed
from simfleet.station.spec import BOOT_RETRY_S


def a_booted_scene(connectors: int = 1, **keys: str | int) -> Scene:
    scene = Scene(connectors=connectors, configuration=keys)
    scene.boot()
    scene.mark()
    return scene


def times_of(scene: Scene, action: str) -> list[float]:
    """When each was sent, in seconds since the scene began."""
    return [round(one.at_s - scene.began_s, 3) for one in scene.sent(action)]


# ── boot retry ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["Rejected", "Pending"])
@pytest.mark.parametrize(("interval", "pause_s"), [(90, 90), (0, BOOT_RETRY_S)])
def test_a_station_that_is_put_off_waits_for_the_interval(
    status: str, interval: int, pause_s: float
) -> None:
    """Section 5, boot retry: wait `interval` from the answer; 0 -> own default."""
    scene = Scene()
    scene.on(
        "BootNotification",
        lambda _: {"status": status, "currentTime": scene.clock, "interval": interval},
    )
    scene.boot()
    scene.run(for_s=2.5 * pause_s)
    assert times_of(scene, "BootNotification") == [0, pause_s, 2 * pause_s]
    assert set(scene.actions()) == {"BootNotification"}


@pytest.mark.parametrize(("reply", "waits_s"), [(Error(), 0.0), (SILENCE, 30.0)])
def test_without_an_answer_the_station_takes_its_own_pause(reply: Reply, waits_s: float) -> None:
    """Section 5, boot retry: CALLERROR or timeout -> own default."""
    scene = Scene()
    scene.on("BootNotification", reply)
    scene.boot()
    scene.run(for_s=BOOT_RETRY_S + waits_s)
    assert times_of(scene, "BootNotification") == [0, BOOT_RETRY_S + waits_s]


def test_no_status_goes_out_before_the_boot_answer() -> None:
    """Section 5, boot retry: StatusNotification before the boot answer is the bug."""
    scene = Scene()
    scene.on("BootNotification", SILENCE)
    scene.boot()
    scene.plug_in()
    scene.run(for_s=20)
    assert scene.actions() == ["BootNotification"]


# ── heartbeat ───────────────────────────────────────────────────────────────────────────────────


def test_heartbeats_come_every_interval_of_the_boot_answer() -> None:
    """Section 5, heartbeat: every `interval`."""
    scene = Scene()
    scene.on(
        "BootNotification",
        lambda _: {"status": "Accepted", "currentTime": scene.clock, "interval": 40},
    )
    scene.boot()
    scene.run(for_s=400)
    first, *rest = times_of(scene, "Heartbeat")
    assert first <= 40
    assert rest == [first + 40 * number for number in range(1, len(rest) + 1)]
    assert len(rest) >= 8


def test_a_heartbeat_answer_sets_the_clock() -> None:
    """Section 5, heartbeat: answer's currentTime resyncs the clock."""
    scene = a_booted_scene()
    scene.epoch_s += 3600
    scene.call("TriggerMessage", requestedMessage="Heartbeat")
    scene.plug_in()
    assert scene.sent("StatusNotification")[0].wall_s == pytest.approx(scene.wall_s, abs=1)


# ── transaction queue and retry ─────────────────────────────────────────────────────────────────


def test_transaction_messages_of_the_time_offline_come_in_order_before_newer_ones() -> None:
    """Section 5, transaction queue: never dropped, sent in order, before newer ones."""
    scene = a_booted_scene(AllowOfflineTxForUnknownId="true", MeterValueSampleInterval=60)
    scene.disconnect()
    scene.charge()
    scene.run(for_s=120)
    scene.present_tag()
    scene.unplug()
    scene.connect()
    told = [one for one in scene.actions() if one != "StatusNotification"]
    assert told == ["StartTransaction", "MeterValues", "MeterValues", "StopTransaction"]
    assert {one["transactionId"] for one in scene.sent("MeterValues", "StopTransaction")} == {
        scene.transaction_id
    }


def test_the_queue_survives_a_power_loss() -> None:
    """Section 5, transaction queue: survive power loss."""
    scene = a_booted_scene()
    scene.on("StartTransaction", SILENCE)
    scene.charge()
    scene.present_tag()
    scene.on("StartTransaction")
    scene.cycle_power(for_s=30)
    scene.run(for_s=60)
    assert scene.sent("StopTransaction")[0]["transactionId"] == scene.transaction_id


def test_status_heartbeat_and_authorize_are_not_queued() -> None:
    """Section 5, transaction queue: StatusNotification/Heartbeat/Authorize are not queued."""
    scene = a_booted_scene()
    scene.disconnect()
    scene.plug_in()
    scene.present_tag()
    scene.unplug()
    scene.run(for_s=2000)
    scene.connect()
    assert scene.statuses() == ["Available"]
    assert scene.actions().count("Heartbeat") <= 1
    assert scene.sent("Authorize") == []


@pytest.mark.parametrize(("reply", "takes_s"), [(Error(), 0), (SILENCE, 30)])
def test_a_transaction_message_is_tried_as_often_as_the_key_says_with_growing_pauses(
    reply: Reply, takes_s: float
) -> None:
    """Section 5, 1.6 retry: TransactionMessageAttempts tries, n-th pause = interval x n, then drop
    and go on; new message id per retry.
    """
    scene = a_booted_scene(TransactionMessageAttempts=3, TransactionMessageRetryInterval=10)
    scene.on("StartTransaction", reply)
    began_s = scene.now_s - scene.began_s
    scene.charge()
    scene.run(for_s=600)
    times = times_of(scene, "StartTransaction")
    assert times == [began_s, began_s + takes_s + 10, began_s + 2 * takes_s + 30]
    assert len({one.id for one in scene.sent("StartTransaction")}) == 3
    assert ("StartTransaction", "attempts_used_up") in scene.dropped()


def test_what_waits_behind_an_unanswered_start_gets_its_id() -> None:
    """Section 5, 1.6 retry: the transactionId is patched in when it comes."""
    scene = a_booted_scene(MeterValueSampleInterval=5)
    scene.on("StartTransaction", SILENCE)
    scene.charge()
    scene.run(for_s=12)
    scene.present_tag()
    scene.reply(
        scene.sent("StartTransaction")[0],
        {"transactionId": 77, "idTagInfo": {"status": "Accepted"}},
    )
    late = scene.sent("MeterValues", "StopTransaction")
    assert [one["transactionId"] for one in late] == [77, 77, 77]


# ── MeterValues ─────────────────────────────────────────────────────────────────────────────────


def test_samples_are_stamped_exactly_one_interval_apart_even_if_sent_late() -> None:
    """Section 5, MeterValues: sampled."""
    scene = a_booted_scene(MeterValueSampleInterval=20)
    scene.charge()
    scene.sleep(for_s=100)
    stamps = [wall_of(one["meterValue"][0]["timestamp"]) for one in scene.sent("MeterValues")]
    assert len(stamps) == 5
    assert {round(b - a, 3) for a, b in pairwise(stamps)} == {20}
    assert contexts_of(scene.sent("MeterValues")[0]) == {"Sample.Periodic"}


def test_clock_aligned_values_come_on_every_connector_and_connector_0() -> None:
    """Section 5, MeterValues: multiples since 00:00 UTC, context Sample.Clock, also idle and
    connector 0 (no transactionId).
    """
    scene = Scene(
        connectors=2,
        epoch_s=EPOCH_S + 100,
        configuration={"ClockAlignedDataInterval": 900, "MeterValueSampleInterval": 0},
    )
    scene.boot()
    scene.charge(1)
    scene.run(for_s=1000)
    values = scene.sent("MeterValues")
    assert [one["connectorId"] for one in values] == [0, 2, 1]
    assert {wall_of(one["meterValue"][0]["timestamp"]) for one in values} == {EPOCH_S + 900}
    assert all(contexts_of(one) == {"Sample.Clock"} for one in values)
    assert ["transactionId" in one.payload for one in values] == [False, False, True]


def test_an_empty_list_of_measurands_is_the_register() -> None:
    """Section 5, MeterValues: empty measurand list = Energy.Active.Import.Register."""
    scene = a_booted_scene(MeterValueSampleInterval=10, MeterValuesSampledData="")
    scene.charge()
    scene.run(for_s=10)
    values = samples_of(scene.sent("MeterValues")[0]["meterValue"][0])
    assert set(values) == {"Energy.Active.Import.Register"}


# ── StopTransaction.transactionData, register ───────────────────────────────────────────────────


def stop_contexts(scene: Scene) -> list[str]:
    scene.present_tag()
    (stop,) = scene.sent("StopTransaction")
    return [
        one["sampledValue"][0].get("context", "Sample.Periodic")
        for one in stop.payload.get("transactionData", [])
    ]


def test_the_stop_carries_sampled_data() -> None:
    """Section 5, transactionData: StopTxnSampledData (Transaction.Begin, Sample.Periodic..,
    Transaction.End).
    """
    scene = a_booted_scene(
        MeterValueSampleInterval=10, StopTxnSampledData="Energy.Active.Import.Register"
    )
    scene.charge()
    scene.run(for_s=25)
    contexts = ["Transaction.Begin", "Sample.Periodic", "Sample.Periodic", "Transaction.End"]
    assert stop_contexts(scene) == contexts


def test_the_stop_carries_aligned_data() -> None:
    """Section 5, transactionData: StopTxnAlignedData."""
    scene = a_booted_scene(
        ClockAlignedDataInterval=60, StopTxnAlignedData="Energy.Active.Import.Register"
    )
    scene.charge()
    scene.run(for_s=130)
    assert stop_contexts(scene) == ["Sample.Clock", "Sample.Clock"]


def test_the_stop_carries_nothing_where_both_keys_are_empty() -> None:
    """Section 5, transactionData: omitted when both empty."""
    scene = a_booted_scene(MeterValueSampleInterval=10, ClockAlignedDataInterval=10)
    scene.charge()
    scene.run(for_s=100)
    scene.present_tag()
    assert "transactionData" not in scene.sent("StopTransaction")[0].payload


@pytest.mark.parametrize("reboot", ["Soft", "Hard", "power"])
def test_the_register_goes_on_after_a_reboot(reboot: str) -> None:
    """Section 5, register: never goes down and survives reboot; meterStart = register."""
    scene = Scene(register_wh=5000)
    scene.boot()
    scene.charge()
    scene.run(for_s=360)
    if reboot == "power":
        scene.cycle_power()
    else:
        scene.call("Reset", type=reboot)
    scene.run(for_s=60)
    scene.unplug()
    scene.charge()
    (stop,) = scene.sent("StopTransaction")
    first, second = scene.sent("StartTransaction")
    assert first["meterStart"] == 5000
    assert second["meterStart"] == stop["meterStop"] == 6100


# ── statuses ────────────────────────────────────────────────────────────────────────────────────


def test_preparing_comes_with_the_cable_or_with_the_tag() -> None:
    """Section 5, statuses 1.6: Preparing (plug or authorized)."""
    for first in ("cable", "tag"):
        scene = a_booted_scene()
        if first == "cable":
            scene.plug_in()
        else:
            scene.present_tag()
        assert scene.statuses() == ["Preparing"]


def test_the_statuses_of_a_session() -> None:
    """Section 5, statuses 1.6: Preparing -> Charging / SuspendedEV -> Finishing -> Available."""
    scene = a_booted_scene()
    scene.charge()
    scene.tell(EvPaused())
    scene.tell(EvResumed())
    scene.present_tag()
    scene.unplug()
    assert scene.statuses() == [
        "Preparing",
        "Charging",
        "SuspendedEV",
        "Charging",
        "Finishing",
        "Available",
    ]


def test_minimum_status_duration_keeps_short_statuses_to_itself() -> None:
    """Section 5, statuses 1.6: MinimumStatusDuration."""
    scene = a_booted_scene(MinimumStatusDuration=10)
    scene.plug_in()
    scene.run(for_s=9)
    scene.unplug()
    scene.run(for_s=30)
    assert scene.statuses() == []


# ── reconnect, power loss ───────────────────────────────────────────────────────────────────────


def test_a_reconnect_sends_statuses_and_no_boot_notification() -> None:
    """Section 2: a reconnect without reboot sends no BootNotification."""
    scene = a_booted_scene(2)
    scene.disconnect()
    scene.run(for_s=100)
    scene.connect()
    assert scene.actions() == ["StatusNotification"] * 3


def test_a_power_loss_ends_the_transaction_and_is_told_after_the_boot() -> None:
    """Section 5, power loss: StopTransaction PowerLoss after boot."""
    scene = a_booted_scene()
    scene.charge()
    scene.run(for_s=36)
    scene.mark()
    lost_s = scene.wall_s
    scene.cycle_power(for_s=600)
    scene.run(for_s=30)
    (stop,) = scene.sent("StopTransaction")
    assert scene.actions()[0] == "BootNotification"
    assert (stop["reason"], stop["meterStop"]) == ("PowerLoss", 110)
    assert stop.wall_s == pytest.approx(lost_s, abs=0.01)


def test_message_ids_go_on_after_a_power_loss() -> None:
    """Section 5, power loss: persists message counters."""
    scene = a_booted_scene()
    for _ in range(3):
        scene.cycle_power()
        scene.run(for_s=30)
    ids = [one.id for one in scene.log]
    assert len(set(ids)) == len(ids)


def test_what_was_known_before_is_known_after_a_power_loss() -> None:
    """Section 5, power loss: persists availability, config, list, cache, reservations, register."""
    scene = a_booted_scene(3, AuthorizationCacheEnabled="true", LocalPreAuthorize="true")
    scene.charge(1)
    scene.unplug(1)
    entry: Payload = {"idTag": "LISTED", "idTagInfo": {"status": "Accepted"}}
    scene.call("SendLocalList", listVersion=3, updateType="Full", localAuthorizationList=[entry])
    scene.call("ChangeAvailability", connectorId=2, type="Inoperative")
    scene.call(
        "ReserveNow",
        reservationId=1,
        connectorId=3,
        idTag="LISTED",
        expiryDate="2026-03-02T00:00:00Z",
    )
    scene.cycle_power(for_s=100)
    scene.run(for_s=60)
    scene.mark()
    scene.call("TriggerMessage", requestedMessage="StatusNotification")
    told = [one["status"] for one in scene.sent("StatusNotification")]
    assert told == ["Available", "Available", "Unavailable", "Reserved"]
    scene.charge(1)
    scene.charge(3, tag="LISTED")
    assert scene.sent("Authorize") == []
    assert len(scene.sent("StartTransaction")) == 2
