"""Block E of OCPP 2.x in sequences: start points by stop causes, offline and online, readings."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from builders_device import set_to
from builders_station2 import (
    OTHER_TAG,
    SILENCE,
    Error,
    Scene2,
    Sent,
    id_token,
    refused,
    versions,
    wall_of,
)
from simfleet.station.events import EvPaused, EvResumed, Failed, StopRequested

pytestmark = versions
POINTS = (
    "ParkingBayOccupancy",
    "EVConnected",
    "Authorized",
    "DataSigned",
    "PowerPathClosed",
    "EnergyTransfer",
)


def scene_of(version: str, **configuration: str) -> Scene2:
    scene = Scene2(
        version=version,
        configuration={
            "MeterValueSampleInterval": "0",
            **{name.replace("__", "."): value for name, value in configuration.items()},
        },
    )
    scene.boot()
    scene.mark()
    return scene


def with_points(version: str, start: str, stop: str, **more: str) -> Scene2:
    return scene_of(version, TxCtrlr__TxStartPoint=start, TxCtrlr__TxStopPoint=stop, **more)


def registers(event: Sent) -> list[float]:
    return [
        float(sample["value"])
        for at in event.payload.get("meterValue", [])
        for sample in at["sampledValue"]
        if sample.get("measurand", "Energy.Active.Import.Register")
        == "Energy.Active.Import.Register"
    ]


def visits_of(scene: Scene2) -> list[list[Sent]]:
    """The events of each transaction."""
    found: dict[str, list[Sent]] = {}
    for one in scene.events():
        found.setdefault(one["transactionInfo"]["transactionId"], []).append(one)
    return list(found.values())


CAUSES = {
    "tag": "Local",
    "remote": "Remote",
    "unplug": "EVDisconnected",
    "emergency": "EmergencyStop",
    "reset": "ImmediateReset",
    "power": "PowerLoss",
    "refused": "DeAuthorized",
    "fault": "GroundFault",
}


def bring_about(scene: Scene2, cause: str) -> None:
    match cause:
        case "tag":
            scene.present_tag()
        case "remote":
            scene.call("RequestStopTransaction", transactionId=scene.transaction)
        case "emergency":
            scene.tell(StopRequested(1, unplug=False, cause="EmergencyStop"))
        case "reset":
            scene.call("Reset", type="Immediate")
        case "power":
            scene.cycle_power(for_s=3)
        case "fault":
            scene.tell(Failed(1, "GroundFailure"))
    scene.run(for_s=30)


@pytest.mark.parametrize("cause", CAUSES)
@pytest.mark.parametrize("stop", POINTS)
@pytest.mark.parametrize("start", POINTS)
def test_each_start_point_goes_with_each_stop_point_and_cause(
    version: str, start: str, stop: str, cause: str
) -> None:
    """E01, E02, E06 to E12: one Started, one Ended, the cause in stoppedReason however late the
    stop point comes, seqNo without gaps, the register growing, a state told when it changes.
    """
    scene = with_points(version, start, stop)
    if cause == "refused":
        scene.on("TransactionEvent", lambda p: refused() if "idToken" in p else {})
    scene.charge()
    scene.run(for_s=600)
    bring_about(scene, cause)
    if scene.station.connectors[0].plugged:
        scene.unplug()
    scene.run(for_s=30)
    # A cable that is still in after a reboot starts the next one, where the cable is the point.
    reboots = cause in ("reset", "power") and start in ("ParkingBayOccupancy", "EVConnected")
    first, *others = visits_of(scene)
    assert len(others) == reboots
    for events in others:
        assert [one["eventType"] for one in (events[0], events[-1])] == ["Started", "Ended"]
    events = first
    assert [one["seqNo"] for one in events] == list(range(len(events)))
    assert [one["eventType"] for one in (events[0], events[-1])] == ["Started", "Ended"]
    assert events[-1]["transactionInfo"].get("stoppedReason", "Local") == CAUSES[cause]
    told = [value for one in events for value in registers(one)]
    assert told[0] <= told[-1]
    stamps = [wall_of(one["timestamp"]) for one in events]
    assert stamps == sorted(stamps)
    infos = [one["transactionInfo"] for one in events]
    states = [one["chargingState"] for one in infos if "chargingState" in one]
    assert all(before != after for before, after in pairwise(states)), states
    tagged = [one["idToken"]["idToken"] for one in events if "idToken" in one.payload]
    assert len(tagged) == (2 if cause == "tag" and tagged[1:] else 1), tagged


@pytest.mark.parametrize("stop", POINTS)
def test_a_visit_after_another_is_another_transaction(version: str, stop: str) -> None:
    """E01.FR.08: a transaction that its stop point has ended does not start again by itself."""
    scene = with_points(version, "EVConnected,Authorized", stop)
    scene.charge()
    scene.run(for_s=100)
    scene.present_tag()
    scene.run(for_s=100)
    scene.unplug()
    scene.run(for_s=200)
    assert len(scene.events("Started")) == len(scene.events("Ended")) == 1
    scene.charge()
    assert len(scene.events("Started")) == 2


def test_charging_again_without_unplugging_is_a_new_transaction(version: str) -> None:
    """E06, E07: stop by tag, tag again with the cable in."""
    scene = with_points(version, "PowerPathClosed", "Authorized")
    scene.charge()
    scene.present_tag()
    scene.present_tag(OTHER_TAG)
    scene.run(for_s=10)
    kinds = [one["eventType"] for one in scene.events()]
    assert kinds == ["Started", "Updated", "Ended", "Started", "Updated"]
    assert scene.events("Started")[1]["idToken"] == id_token(OTHER_TAG)
    assert scene.events()[3]["evse"] == {"id": 1, "connectorId": 1}


def test_charging_again_in_the_same_transaction(version: str) -> None:
    """E06: EVConnected is the point: stop by tag, another tag goes on in the same transaction."""
    scene = with_points(version, "EVConnected", "EVConnected")
    scene.charge()
    scene.present_tag()
    scene.run(for_s=60)
    scene.present_tag(OTHER_TAG)
    scene.run(for_s=60)
    scene.unplug()
    assert len(scene.events("Started")) == 1
    ended = scene.events("Ended")[0]
    assert ended["transactionInfo"]["stoppedReason"] == "EVDisconnected"
    tags = [one["idToken"]["idToken"] for one in scene.events() if "idToken" in one.payload]
    assert tags[-1] == OTHER_TAG
    assert "Charging" in scene.states()[3:]


def test_start_points_changed_while_a_transaction_runs_hold_for_the_next(version: str) -> None:
    """B05, E01: set, then the transaction ends by what holds now, and nothing is lost."""
    scene = with_points(version, "EVConnected", "EVConnected")
    scene.charge()
    assert set_to(scene, "TxCtrlr.TxStopPoint", "Authorized")["attributeStatus"] == "Accepted"
    scene.present_tag()
    scene.run(for_s=10)
    scene.unplug()
    assert len(scene.events("Ended")) == 1


def test_offline_then_online_in_order_with_what_happens_meanwhile(version: str) -> None:
    """E04, E08, E12, TC_E_40/43: a whole transaction offline and one across the reconnect: order,
    offline true only for what happened offline, statuses of now.
    """
    scene = scene_of(version, AllowOfflineTxForUnknownId="true")
    scene.disconnect()
    scene.charge()
    scene.run(for_s=20)
    scene.present_tag()
    scene.unplug()
    scene.run(for_s=5)
    scene.charge()
    scene.run(for_s=5)
    scene.connect()
    scene.run(for_s=30)
    scene.present_tag()
    events = scene.events()
    assert [one["eventType"] for one in events] == [
        "Started",
        "Updated",
        "Ended",
        "Started",
        "Updated",
        "Ended",
    ]
    offline = [one.payload.get("offline", False) for one in events]
    assert offline == [True] * 5 + [False]
    stamps = [wall_of(one["timestamp"]) for one in events]
    assert stamps == sorted(stamps)


def test_a_transaction_offline_is_told_before_a_newer_one(version: str) -> None:
    """Section 5: queued ones before newer ones, also when the CSMS is slow."""
    scene = scene_of(version, AllowOfflineTxForUnknownId="true")
    scene.disconnect()
    scene.charge()
    scene.present_tag()
    scene.unplug()
    scene.on("TransactionEvent", SILENCE)
    scene.connect()
    scene.charge()
    first = scene.events()[0]
    scene.on("TransactionEvent", {})
    scene.reply(first, {})
    scene.run(for_s=10)
    kinds = [one["eventType"] for one in scene.events()]
    assert kinds[:4] == ["Started", "Updated", "Ended", "Started"]


def test_an_event_dropped_after_all_attempts_does_not_stop_the_rest(version: str) -> None:
    """E13: MessageAttempts, then on to the next."""
    scene = scene_of(version, TransactionMessageAttempts="2", TransactionMessageRetryInterval="5")
    scene.on("TransactionEvent", Error(), Error(), {})
    scene.charge()
    scene.run(for_s=100)
    scene.present_tag()
    numbers = [one["seqNo"] for one in scene.events()]
    assert numbers == [0, 0, 1, 2]


def test_get_transaction_status_while_offline_events_wait(version: str) -> None:
    """E14, TC_E_28 to 34: with and without id, ended and ongoing, with and without messages."""
    scene = scene_of(version)
    scene.charge()
    first = scene.transaction
    status = scene.call("GetTransactionStatus", transactionId=first).payload
    assert status == {"ongoingIndicator": True, "messagesInQueue": False}
    scene.on("TransactionEvent", SILENCE)
    scene.present_tag()
    status = scene.call("GetTransactionStatus", transactionId=first).payload
    assert status == {"ongoingIndicator": False, "messagesInQueue": True}
    assert scene.call("GetTransactionStatus").payload == {"messagesInQueue": True}
    scene.on("TransactionEvent", {})
    scene.reply(scene.events("Ended")[0], {})
    status = scene.call("GetTransactionStatus", transactionId=first).payload
    assert status == {"ongoingIndicator": False, "messagesInQueue": False}
    assert scene.call("GetTransactionStatus").payload == {"messagesInQueue": False}


def test_samples_go_on_while_offline_and_keep_their_moments(version: str) -> None:
    """J02, section 5: exactly one interval apart, though sent late, and marked offline."""
    scene = scene_of(version)
    set_to(scene, "SampledDataCtrlr.TxUpdatedInterval", "10")
    scene.charge()
    scene.run(for_s=15)
    scene.disconnect()
    scene.run(for_s=30)
    scene.connect()
    scene.run(for_s=15)
    samples = [one for one in scene.events() if one["triggerReason"] == "MeterValuePeriodic"]
    stamps = [wall_of(one["timestamp"]) for one in samples]
    assert len(stamps) == 6
    assert [round(b - a, 3) for a, b in pairwise(stamps)] == [10.0] * 5
    assert [one.payload.get("offline", False) for one in samples] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]


def test_contexts_of_readings(version: str) -> None:
    """E01, E02, E06, J02: Transaction.Begin, Sample.Periodic, Transaction.End."""
    scene = scene_of(version)
    set_to(scene, "SampledDataCtrlr.TxUpdatedInterval", "60")
    scene.charge()
    scene.run(for_s=70)
    scene.present_tag()

    def contexts(one: Sent) -> set[str]:
        return {
            sample.get("context", "Sample.Periodic")
            for at in one.payload.get("meterValue", [])
            for sample in at["sampledValue"]
        }

    by_kind: dict[str, set[str]] = {}
    for one in scene.events():
        by_kind.setdefault(one["eventType"], set()).update(contexts(one))
    assert by_kind["Started"] == {"Transaction.Begin"}
    assert by_kind["Updated"] == {"Sample.Periodic"}
    assert "Transaction.End" in by_kind["Ended"]


def test_aligned_readings_of_idle_and_busy_evses(version: str) -> None:
    """J01, TC_J_01/02: MeterValues for the idle one, TransactionEvent(MeterValueClock) for the
    other, both at multiples of the interval since midnight.
    """
    scene = Scene2(
        version=version,
        connectors=2,
        configuration={"MeterValueSampleInterval": "0", "ClockAlignedDataInterval": "900"},
        began_s=1000.0,
    )
    scene.boot()
    scene.run(for_s=100)
    scene.charge()
    scene.mark()
    scene.run(for_s=1800)
    clock = [one for one in scene.events() if one["triggerReason"] == "MeterValueClock"]
    assert len(clock) == 2
    values = scene.sent("MeterValues")
    assert {one["evseId"] for one in values} >= {2}
    assert 1 not in {one["evseId"] for one in values}
    for one in clock:
        assert wall_of(one["meterValue"][0]["timestamp"]) % 900 == 0
    for one in values:
        assert wall_of(one["meterValue"][0]["timestamp"]) % 900 == 0
        contexts = {s["context"] for at in one["meterValue"] for s in at["sampledValue"]}
        assert contexts == {"Sample.Clock"}


def test_the_vehicle_pauses_and_resumes_and_each_is_told_once(version: str) -> None:
    """E02.FR.02, TC_E_26: SuspendedEV and Charging."""
    scene = scene_of(version)
    scene.charge()
    scene.mark()
    for _ in range(2):
        scene.tell(EvPaused(1))
        scene.run(for_s=5)
        scene.tell(EvResumed(1))
        scene.run(for_s=5)
    assert scene.triggers() == ["ChargingStateChanged"] * 4
    assert scene.states() == ["SuspendedEV", "Charging"] * 2
    assert scene.statuses() == []


def test_a_cable_pulled_and_put_back_goes_on(version: str) -> None:
    """E10, TC_E_27: StopTxOnEVSideDisconnect false: suspended, and on when it is back."""
    scene = with_points(
        version, "Authorized", "Authorized", StopTransactionOnEVSideDisconnect="false"
    )
    scene.charge()
    scene.run(for_s=10)
    scene.mark()
    scene.unplug()
    scene.run(for_s=10)
    assert scene.triggers() == ["EVCommunicationLost"]
    scene.plug_in()
    scene.run(for_s=10)
    assert not scene.events("Ended")
    assert scene.states()[-1] == "Charging"


@pytest.mark.parametrize("stops", ["true", "false"])
def test_the_tag_is_refused_by_the_answer_to_the_start(version: str, stops: str) -> None:
    """E05.FR.08 to .11, TC_E_17/18: StopTxOnInvalidId: Ended DeAuthorized with the cable still
    in; or SuspendedEVSE.
    """
    scene = with_points(version, "PowerPathClosed", "PowerPathClosed")
    set_to(scene, "TxCtrlr.StopTxOnInvalidId", stops)
    scene.on("TransactionEvent", lambda p: refused() if "idToken" in p else {})
    scene.charge()
    scene.run(for_s=60)
    if stops == "true":
        ended = scene.events("Ended")[0]
        assert ended["triggerReason"] == "Deauthorized"
        assert ended["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    else:
        assert not scene.events("Ended")
        assert "SuspendedEVSE" in scene.states()
    scene.on("TransactionEvent", {})


def test_a_transaction_that_a_refused_tag_has_left_can_be_ended_by_the_cable(
    version: str,
) -> None:
    """E05, TC_E_19."""
    scene = with_points(version, "EVConnected", "EVConnected")
    scene.on("TransactionEvent", lambda p: refused() if "idToken" in p else {})
    scene.charge()
    scene.run(for_s=60)
    assert not scene.events("Ended")
    assert scene.states()[-1] in ("EVConnected", "SuspendedEVSE", None)
    scene.unplug()
    ended = scene.events("Ended")[0]
    assert ended["transactionInfo"]["stoppedReason"] == "DeAuthorized"


def test_the_time_out_of_a_cable_ends_what_the_tag_has_started(version: str) -> None:
    """E03.FR.05, TC_E_05: EVConnectTimeout, Timeout; the tag is forgotten."""
    scene = with_points(version, "Authorized", "Authorized", ConnectionTimeOut="30")
    scene.present_tag()
    scene.run(for_s=31)
    ended = scene.events("Ended")[0]
    assert ended["triggerReason"] == "EVConnectTimeout"
    assert ended["transactionInfo"]["stoppedReason"] == "Timeout"
    scene.mark()
    scene.plug_in()
    scene.run(for_s=60)
    assert not scene.events()


def test_power_lost_offline_and_twice_tells_every_end_once(version: str) -> None:
    """E12, section 5 (power loss): offline transaction, power cut twice before the link is back."""
    scene = scene_of(version, AllowOfflineTxForUnknownId="true")
    scene.disconnect()
    scene.charge()
    scene.run(for_s=10)
    scene.on("TransactionEvent", SILENCE)
    scene.cycle_power(for_s=3)
    scene.run(for_s=5)
    scene.cycle_power(for_s=3)
    scene.on("TransactionEvent", {})
    scene.run(for_s=300)
    numbers = list(dict.fromkeys(one["seqNo"] for one in scene.events()))
    assert numbers == list(range(len(numbers)))
    assert scene.events()[-1]["transactionInfo"]["stoppedReason"] == "PowerLoss"


def test_a_stop_from_remote_that_comes_twice_is_rejected_the_second_time(version: str) -> None:
    """F03, F04: once ended it is unknown."""
    scene = scene_of(version)
    scene.charge()
    one = scene.transaction
    assert scene.call("RequestStopTransaction", transactionId=one).status == "Accepted"
    scene.unplug()
    assert scene.call("RequestStopTransaction", transactionId=one).status == "Rejected"
    assert len(scene.events("Ended")) == 1


def test_stop_from_remote_carries_no_tag(version: str) -> None:
    """F03, TC_F_08: RemoteStop."""
    scene = scene_of(version)
    scene.charge()
    scene.mark()
    scene.call("RequestStopTransaction", transactionId=scene.transaction)
    event: Any = scene.events()[0]
    assert event["triggerReason"] == "RemoteStop"
    assert "idToken" not in event.payload
