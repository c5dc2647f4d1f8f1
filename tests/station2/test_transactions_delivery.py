"""How TransactionEvents of OCPP 2.0.1 and 2.1 reach the CSMS: retries, being offline, loss of power
(E04, E08, E12, E13), and the memory of the hardware.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from builders_station2 import SILENCE, TAG, Error, Reply, Scene2, samples_of, versions
from simfleet.station.configuration import for_station
from simfleet.station.effects import TransactionClosed
from simfleet.station.memory import decode_kept, encode_kept, recall, remember

pytestmark = versions
REGISTER = "Energy.Active.Import.Register"
START = "TxCtrlr.TxStartPoint"
STOP = "TxCtrlr.TxStopPoint"
QUIET = {"MeterValueSampleInterval": "0"}


def scene_of(version: str, configuration: dict[str, str] | None = None, **more: Any) -> Scene2:
    scene = Scene2(version=version, configuration={**QUIET, **(configuration or {})}, **more)
    scene.boot()
    scene.mark()
    return scene


# ── retries ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("failure", [Error(), SILENCE])
def test_an_event_is_tried_again_with_the_same_number(version: str, failure: Reply) -> None:
    """E13.FR.02: MessageAttempts, and pauses of MessageAttemptInterval times the attempts."""
    scene = scene_of(
        version,
        {"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "10"},
        call_timeout_s=5.0,
    )
    scene.on("TransactionEvent", failure)
    scene.charge()
    scene.run(for_s=60)
    first = [one for one in scene.events() if one["seqNo"] == 0]
    assert len(first) == 3
    assert len({one.id for one in first}) == 3
    timeout_s = 5 if failure is SILENCE else 0
    gaps = [b.at_s - a.at_s for a, b in itertools.pairwise(first)]
    assert gaps == [10 + timeout_s, 20 + timeout_s]
    assert first[0].payload == first[2].payload


def test_an_event_that_fails_too_often_is_dropped_and_the_next_goes(version: str) -> None:
    """E13.FR.03: the rest of the transaction is told all the same."""
    scene = scene_of(
        version, {"TransactionMessageAttempts": "2", "TransactionMessageRetryInterval": "1"}
    )
    scene.on("TransactionEvent", Error(), Error(), {})
    scene.charge()
    scene.run(for_s=10)
    assert scene.dropped() == [("TransactionEvent", "attempts_used_up")]
    assert [one["seqNo"] for one in scene.events()] == [0, 0, 1]


def test_events_wait_for_the_one_before(version: str) -> None:
    """E13.FR.01: in the order in which they happened."""
    scene = scene_of(version, {"TransactionMessageRetryInterval": "10"})
    scene.on("TransactionEvent", Error(), {})
    scene.charge()
    scene.present_tag()
    assert [one["seqNo"] for one in scene.events()] == [0]
    waiting = scene.call("GetTransactionStatus", transactionId=scene.transaction)
    assert waiting.payload == {"ongoingIndicator": False, "messagesInQueue": True}
    scene.run(for_s=11)
    assert [one["seqNo"] for one in scene.events()] == [0, 0, 1, 2]


def test_other_messages_pass_while_an_event_waits_for_its_next_attempt(version: str) -> None:
    """A CSMS that cannot take an event still sees statuses."""
    scene = scene_of(version, {"TransactionMessageRetryInterval": "100"}, connectors=2)
    scene.on("TransactionEvent", Error(), {})
    scene.charge(1)
    scene.plug_in(2)
    assert scene.statuses(2) == ["Occupied"]


# ── offline ───────────────────────────────────────────────────────────────────────────────────────


def test_what_happened_offline_is_told_in_order_and_says_so(version: str) -> None:
    """E04, E12: offline true, the times at which it happened, after the statuses."""
    scene = scene_of(
        version, {"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "true"}
    )
    scene.disconnect()
    scene.charge()
    began_s = scene.wall_s
    scene.run(for_s=600)
    scene.present_tag()
    scene.connect()
    assert scene.actions() == ["StatusNotification", *["TransactionEvent"] * 3]
    assert all(one["offline"] is True for one in scene.events())
    assert [one["seqNo"] for one in scene.events()] == [0, 1, 2]
    assert [one.wall_s - began_s for one in scene.events()] == [0, 0, 600]


def test_events_made_online_are_not_offline_though_told_late(version: str) -> None:
    """offline is about when it happened, not about when it was told."""
    scene = scene_of(version)
    scene.on("TransactionEvent", SILENCE, {})
    scene.charge()
    scene.disconnect()
    scene.run(for_s=10)
    scene.connect()
    assert [one["seqNo"] for one in scene.events()] == [0, 0, 1]
    assert all("offline" not in one.payload for one in scene.events())


def test_a_transaction_goes_on_while_offline(version: str) -> None:
    """E04.FR.02: samples of the time offline come later, with their own times."""
    scene = scene_of(version, {"MeterValueSampleInterval": "60"})
    scene.charge()
    scene.disconnect()
    scene.run(for_s=200)
    scene.mark()
    scene.connect()
    scene.run(for_s=60)
    assert [one.payload.get("offline", False) for one in scene.events()] == [
        True,
        True,
        True,
        False,
    ]
    stamps = [one.wall_s for one in scene.events()]
    assert {b - a for a, b in itertools.pairwise(stamps)} == {60.0}


def test_a_tag_accepted_offline_may_be_refused_afterwards(version: str) -> None:
    """E05 after E04: the answer to the Started event judges it."""
    scene = scene_of(version, {"AllowOfflineTxForUnknownId": "true"})
    scene.disconnect()
    scene.charge()
    scene.run(for_s=60)
    scene.on(
        "TransactionEvent",
        lambda p: {"idTokenInfo": {"status": "Invalid"}} if "idToken" in p else {},
    )
    scene.connect()
    assert scene.triggers()[-1] == "Deauthorized"
    assert "offline" not in scene.events()[-1].payload


# ── power ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stop", ["EVConnected", "Authorized", "EVConnected,Authorized"])
def test_a_loss_of_power_ends_the_transaction_after_the_boot(version: str, stop: str) -> None:
    """E08, E12: one Ended event: AbnormalCondition, stoppedReason PowerLoss, of that moment."""
    scene = scene_of(version, {STOP: stop})
    scene.charge()
    scene.run(for_s=600)
    lost_s = scene.wall_s
    scene.mark()
    scene.cycle_power(for_s=100)
    (ended,) = scene.events()
    assert scene.actions()[0] == "BootNotification"
    assert ended["eventType"] == "Ended"
    assert ended["triggerReason"] == "AbnormalCondition"
    assert ended["transactionInfo"]["stoppedReason"] == "PowerLoss"
    assert ended.wall_s == lost_s


def test_a_cable_without_a_session_is_told_too_when_power_fails(version: str) -> None:
    """E12: a transaction that waits for a tag."""
    scene = scene_of(version, {START: "EVConnected"})
    scene.plug_in()
    first = scene.transaction
    scene.cycle_power(for_s=10)
    ended = scene.events("Ended")[0]
    assert ended["transactionInfo"]["transactionId"] == first
    assert scene.transaction != first, "the cable is still in: another transaction"


def test_a_transaction_may_be_resumed_after_a_loss_of_power(version: str) -> None:
    """2.1 E17: within ResumptionTimeout: TxResumed, the same transaction and seqNo; 2.0.1 has no
    such trigger and ends it.
    """
    scene = scene_of(version, {"TxCtrlr.ResumptionTimeout": "300"})
    scene.charge()
    scene.run(for_s=600)
    connector = scene.station.connectors[0]
    connector.meter_to(scene.now_s)
    before_wh = connector.meter.energy_wh
    scene.mark()
    scene.cycle_power(for_s=100)
    if version == "ocpp2.0.1":
        assert scene.events("Ended")
        return
    assert scene.triggers() == ["TxResumed"]
    assert scene.events("Ended") == []
    assert connector.meter.energy_wh == before_wh
    scene.run(for_s=600)
    scene.present_tag()
    assert [one["seqNo"] for one in scene.events()] == [2, 3]
    assert connector.meter.energy_wh == pytest.approx(2 * before_wh, rel=0.02)


def test_a_transaction_is_not_resumed_too_late(version: str) -> None:
    """2.1 E17: longer than ResumptionTimeout: stoppedReason PowerLoss."""
    scene = scene_of(version, {"TxCtrlr.ResumptionTimeout": "60"})
    scene.charge()
    scene.run(for_s=600)
    scene.cycle_power(for_s=100)
    assert scene.events("Ended")[0]["transactionInfo"]["stoppedReason"] == "PowerLoss"
    assert "TxResumed" not in scene.triggers()


# ── what the hardware keeps ───────────────────────────────────────────────────────────────────────


def restarted(scene: Scene2, **more: Any) -> Scene2:
    """A station made anew of what the hardware of another has kept."""
    kept = decode_kept(encode_kept(remember(scene.station)))
    values = dict(QUIET)
    again = Scene2(version=more.pop("version", scene.version), configuration=values, **more)
    again.now_s = again.began_s = scene.now_s
    again.epoch_s = scene.wall_s
    again.station.configuration = for_station(1, values, version=again.version)
    again.station.clock_offset_s = scene.wall_s - scene.now_s
    recall(again.station, kept, at_s=again.now_s)
    again.witness.gaps_allowed = True
    return again


def test_events_that_waited_are_sent_after_a_restart(version: str) -> None:
    """seqNo, ids, times, tags and readings as they were."""
    scene = scene_of(version)
    scene.on("TransactionEvent", SILENCE)
    scene.charge()
    scene.run(for_s=60)
    scene.present_tag()
    again = restarted(scene)
    again.boot()
    events = again.events()
    assert [one["seqNo"] for one in events] == [0, 1, 2]
    assert events[0].payload == scene.events()[0].payload
    assert [one["eventType"] for one in events] == ["Started", "Updated", "Ended"]
    assert {one["transactionInfo"]["transactionId"] for one in events} == {scene.transaction}


def test_a_transaction_that_ran_ends_with_power_loss_after_a_restart(version: str) -> None:
    """seqNo goes on without a gap, the register is the last one known."""
    scene = scene_of(version, {"MeterValueSampleInterval": "60"})
    scene.charge()
    scene.run(for_s=600)
    last = scene.events()[-1]
    again = restarted(scene)
    again.boot()
    (ended,) = again.events()
    assert ended["eventType"] == "Ended"
    assert ended["transactionInfo"]["transactionId"] == scene.transaction
    assert ended["transactionInfo"]["stoppedReason"] == "PowerLoss"
    assert ended["seqNo"] == last["seqNo"] + 1
    assert ended["offline"] is True
    end = samples_of(ended["meterValue"][-1])[REGISTER]
    assert end == samples_of(last["meterValue"][0])[REGISTER]
    (closed,) = again.seen(TransactionClosed)
    assert closed.energy_wh == pytest.approx(end, abs=1)


def test_a_station_of_another_version_forgets_what_it_cannot_tell(version: str) -> None:
    """A fleet may be restarted with another version: nothing breaks."""
    scene = scene_of(version)
    scene.on("TransactionEvent", SILENCE)
    scene.charge()
    kept = remember(scene.station)
    other = "ocpp2.1" if version == "ocpp2.0.1" else "ocpp2.0.1"
    again = restarted(scene, version=other)
    again.boot()
    assert len(again.events()) >= len(kept.outbox)


def test_the_tag_is_not_told_again_after_a_restart(version: str) -> None:
    """What the CSMS knows already is not repeated by the Ended event."""
    scene = scene_of(version)
    scene.charge(tag=TAG)
    again = restarted(scene)
    again.boot()
    assert "idToken" not in again.events("Ended")[0].payload
