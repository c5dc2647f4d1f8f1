"""TransactionEvents of OCPP 2.0.1 and 2.1, step by step (block E): what each says, and in which
order.
"""

from __future__ import annotations

from typing import Any

import pytest

from builders_station import VAN
from builders_station2 import TAG, Scene2, id_token, versions
from simfleet.station.events import (
    EvPaused,
    EvResumed,
    Failed,
    StopRequested,
    TakeSample,
)
from simfleet.station.vehicle import VehicleSpec

pytestmark = versions
START = "TxCtrlr.TxStartPoint"
STOP = "TxCtrlr.TxStopPoint"


def scene_of(version: str, *, start: str = "", stop: str = "", **more: Any) -> Scene2:
    configuration = {**({START: start} if start else {}), **({STOP: stop} if stop else {})}
    configuration["MeterValueSampleInterval"] = "0"
    configuration.update(more.pop("configuration", {}))
    scene = Scene2(version=version, configuration=configuration, **more)
    scene.boot()
    scene.mark()
    return scene


# ── what is told ──────────────────────────────────────────────────────────────────────────────────


def test_a_session_is_told_in_three_steps(version: str) -> None:
    """E01, E02, E06: Started, Updated with the state, Ended; seqNo from 0, one transactionId."""
    scene = scene_of(version)
    scene.charge()
    scene.run(for_s=3600)
    scene.present_tag()
    assert [one["eventType"] for one in scene.events()] == ["Started", "Updated", "Ended"]
    assert [one["seqNo"] for one in scene.events()] == [0, 1, 2]
    assert scene.triggers() == ["Authorized", "ChargingStateChanged", "StopAuthorized"]
    assert scene.states() == ["EVConnected", "Charging", "EVConnected"]
    assert len({one["transactionInfo"]["transactionId"] for one in scene.events()}) == 1


def test_two_transactions_have_two_ids_and_both_count_from_zero(version: str) -> None:
    """E01.FR.08: seqNo belongs to the transaction."""
    scene = scene_of(version)
    ids = []
    for _ in range(2):
        scene.charge()
        scene.present_tag()
        scene.unplug()
        ids.append(scene.transaction)
    assert len(set(ids)) == 2
    assert [one["seqNo"] for one in scene.events()] == [0, 1, 2, 0, 1, 2]


def test_the_tag_is_told_once(version: str) -> None:
    """E03.FR.01: idToken in the first event after it was presented, and in the one it stops."""
    scene = scene_of(version, start="EVConnected", stop="EVConnected")
    scene.plug_in()
    scene.present_tag()
    scene.run(for_s=60)
    scene.present_tag()
    scene.unplug()
    told = [one["triggerReason"] for one in scene.events() if "idToken" in one.payload]
    assert told == ["Authorized", "StopAuthorized"]
    assert scene.events()[1]["idToken"] == id_token(TAG)


def test_the_evse_is_told_when_the_vehicle_is_connected_and_no_more(version: str) -> None:
    """E01.FR.16: evse in the first event after the cable is in [libocpp#580]."""
    scene = scene_of(version, connectors=2)
    scene.charge(2)
    scene.present_tag(connector_id=2)
    assert [one.payload.get("evse") for one in scene.events()] == [
        {"id": 2, "connectorId": 1},
        None,
        None,
    ]


def test_a_tag_before_the_cable_tells_the_evse_and_then_the_connector(version: str) -> None:
    """E03: the reader says which EVSE it is, the cable which connector."""
    scene = scene_of(version, start="Authorized")
    scene.present_tag()
    scene.plug_in()
    assert [one.payload.get("evse") for one in scene.events()][:2] == [
        {"id": 1},
        {"id": 1, "connectorId": 1},
    ]


def test_phases_and_cable_are_told_when_they_are_known(version: str) -> None:
    """E02: cableMaxCurrent with the cable, numberOfPhasesUsed with the energy."""
    scene = scene_of(version, max_power_w=22_080.0)
    scene.charge()
    scene.tell(EvPaused(1))
    scene.tell(EvResumed(1))
    assert [one.payload.get("cableMaxCurrent") for one in scene.events()] == [32, None, None, None]
    assert [one.payload.get("numberOfPhasesUsed") for one in scene.events()] == [
        None,
        3,
        None,
        None,
    ]


def test_one_phase_of_three_is_told_as_one(version: str) -> None:
    """numberOfPhasesUsed is what the vehicle uses."""
    scene = scene_of(version, vehicle=VehicleSpec("small", 30_000, 7_000, phases=1))
    scene.charge()
    assert scene.events()[1]["numberOfPhasesUsed"] == 1


def test_dc_says_nothing_of_phases(version: str) -> None:
    """numberOfPhasesUsed and cableMaxCurrent are of alternating current."""
    scene = scene_of(version, kind="DC", max_power_w=50_000.0)
    scene.charge()
    for one in scene.events():
        assert "numberOfPhasesUsed" not in one.payload
        assert "cableMaxCurrent" not in one.payload


def test_time_spent_charging_counts_the_time_that_energy_flowed(version: str) -> None:
    """transactionInfo.timeSpentCharging."""
    scene = scene_of(version)
    scene.charge()
    scene.run(for_s=100)
    scene.tell(EvPaused(1))
    scene.run(for_s=1000)
    scene.tell(EvResumed(1))
    scene.run(for_s=50)
    scene.present_tag()
    assert scene.events("Ended")[0]["transactionInfo"]["timeSpentCharging"] == 150


def test_a_charging_state_is_told_whenever_it_changes_and_only_then(version: str) -> None:
    """E02.FR.13: chargingState in the events that change it."""
    scene = scene_of(version)
    scene.charge()
    scene.tell(EvPaused(1))
    scene.run(for_s=10)
    scene.tell(TakeSample(1))
    scene.tell(EvResumed(1))
    assert scene.states() == ["EVConnected", "Charging", "SuspendedEV", None, "Charging"]


def test_a_full_vehicle_suspends(version: str) -> None:
    """E02: SuspendedEV when the vehicle takes no more, and the transaction goes on."""
    scene = scene_of(version, vehicle=VehicleSpec("scooter", 1_000, 3_000, phases=1))
    scene.charge()
    scene.run(for_s=7200)
    assert scene.states()[-1] == "SuspendedEV"
    assert scene.events("Ended") == []


def test_the_stop_is_told_before_what_follows_from_it(version: str) -> None:
    """E_22, E_24, E_25 of the OCA: StopAuthorized first, and the state with it [libocpp#687]."""
    scene = scene_of(version, stop="EVConnected")
    scene.charge()
    scene.mark()
    scene.present_tag()
    scene.unplug()
    assert scene.triggers() == ["StopAuthorized", "EVCommunicationLost"]
    assert scene.states() == ["EVConnected", "Idle"]
    assert [one["eventType"] for one in scene.events()] == ["Updated", "Ended"]
    assert scene.events("Ended")[0]["transactionInfo"]["stoppedReason"] == "Local"


# ── start and stop points ─────────────────────────────────────────────────────────────────────────

STARTS = {
    "ParkingBayOccupancy": ("EVDetected", ["EVDetected", "CablePluggedIn", "Authorized"]),
    "EVConnected": ("CablePluggedIn", ["CablePluggedIn", "Authorized"]),
    "Authorized": ("Authorized", ["Authorized"]),
    "DataSigned": ("Authorized", ["Authorized"]),
    "PowerPathClosed": ("Authorized", ["Authorized"]),
    "EnergyTransfer": ("ChargingStateChanged", []),
}


@pytest.mark.parametrize("point", STARTS)
def test_a_transaction_starts_at_its_start_point(version: str, point: str) -> None:
    """E01: cable, then tag; Started at the first moment at which the point holds."""
    first, steps = STARTS[point]
    scene = scene_of(version, start=point, stop="EVConnected")
    scene.charge()
    assert scene.events()[0]["eventType"] == "Started"
    assert scene.triggers() == [*steps, "ChargingStateChanged"]
    assert scene.triggers()[0] == first
    assert sum("idToken" in one.payload for one in scene.events()) == 1


TAG_FIRST = {
    "EVConnected": ["CablePluggedIn"],
    "Authorized": ["Authorized", "CablePluggedIn"],
    "PowerPathClosed": ["CablePluggedIn"],
    "EnergyTransfer": [],
}


@pytest.mark.parametrize("point", TAG_FIRST)
def test_a_tag_before_the_cable_starts_at_the_same_points(version: str, point: str) -> None:
    """E03: tag, then cable."""
    scene = scene_of(version, start=point)
    scene.present_tag()
    scene.plug_in()
    assert scene.triggers() == [*TAG_FIRST[point], "ChargingStateChanged"]
    assert sum("idToken" in one.payload for one in scene.events()) == 1


def test_the_first_of_several_start_points_counts(version: str) -> None:
    """E01: any of them."""
    scene = scene_of(version, start="Authorized,EVConnected")
    scene.plug_in()
    assert scene.triggers() == ["CablePluggedIn"]


STOPS = {
    # the stop by tag, then the cable: eventType and trigger of each
    "Authorized": [("Ended", "StopAuthorized")],
    "PowerPathClosed": [("Ended", "StopAuthorized")],
    "DataSigned": [("Ended", "StopAuthorized")],
    "EnergyTransfer": [("Ended", "StopAuthorized")],
    "EVConnected": [("Updated", "StopAuthorized"), ("Ended", "EVCommunicationLost")],
    "ParkingBayOccupancy": [
        ("Updated", "StopAuthorized"),
        ("Updated", "EVCommunicationLost"),
        ("Ended", "EVDeparted"),
    ],
}


@pytest.mark.parametrize("point", STOPS)
def test_a_transaction_ends_at_its_stop_point(version: str, point: str) -> None:
    """E06, E07: Ended when the point stops holding, with the reason of the stop."""
    scene = scene_of(version, stop=point)
    scene.charge()
    scene.run(for_s=60)
    scene.mark()
    scene.present_tag()
    scene.unplug()
    assert [(one["eventType"], one["triggerReason"]) for one in scene.events()] == STOPS[point]
    assert scene.events("Ended")[0]["transactionInfo"]["stoppedReason"] == "Local"


def test_a_vehicle_that_pauses_ends_a_transfer_of_energy(version: str) -> None:
    """TxStopPoint EnergyTransfer; the next transfer is another transaction."""
    scene = scene_of(version, start="EnergyTransfer", stop="EnergyTransfer")
    scene.charge()
    scene.tell(EvPaused(1))
    first = scene.transaction
    scene.tell(EvResumed(1))
    assert [one["eventType"] for one in scene.events()] == ["Started", "Ended", "Started"]
    assert scene.events("Ended")[0]["transactionInfo"]["stoppedReason"] == "StoppedByEV"
    assert scene.transaction != first


def test_no_cable_in_time_ends_the_transaction(version: str) -> None:
    """E03.FR.05: EVConnectTimeout and stoppedReason Timeout after EVConnectionTimeOut."""
    scene = scene_of(version, start="Authorized", configuration={"ConnectionTimeOut": "30"})
    scene.present_tag()
    scene.run(for_s=31)
    ended = scene.events("Ended")[0]
    assert ended["triggerReason"] == "EVConnectTimeout"
    assert ended["transactionInfo"]["stoppedReason"] == "Timeout"
    assert scene.statuses()[-1] == "Available"


def test_a_transaction_without_tag_and_cable_ends_whatever_the_stop_points_are(
    version: str,
) -> None:
    """E03: with TxStopPoint EVConnected the cable that never came could not end it."""
    scene = scene_of(
        version, start="Authorized", stop="EVConnected", configuration={"ConnectionTimeOut": "30"}
    )
    scene.present_tag()
    scene.run(for_s=31)
    assert scene.triggers() == ["Authorized", "EVConnectTimeout"]
    assert scene.events("Ended")


def test_a_cable_that_goes_before_a_tag_came_ends_the_transaction(version: str) -> None:
    """E09: EVCommunicationLost, stoppedReason EVDisconnected."""
    scene = scene_of(version, start="EVConnected", stop="EVConnected")
    scene.plug_in()
    scene.unplug()
    ended = scene.events("Ended")[0]
    assert ended["triggerReason"] == "EVCommunicationLost"
    assert ended["transactionInfo"]["stoppedReason"] == "EVDisconnected"


# ── why it ended ──────────────────────────────────────────────────────────────────────────────────


def test_a_cable_pulled_while_charging_ends_it(version: str) -> None:
    """E09: StopTxOnEVSideDisconnect true."""
    scene = scene_of(version)
    scene.charge()
    scene.unplug()
    ended = scene.events("Ended")[0]
    assert ended["triggerReason"] == "EVCommunicationLost"
    assert ended["transactionInfo"]["stoppedReason"] == "EVDisconnected"
    assert ended["transactionInfo"]["chargingState"] == "Idle"


def test_a_cable_pulled_may_only_suspend(version: str) -> None:
    """E10: StopTxOnEVSideDisconnect false and no stop point that needs the cable."""
    scene = scene_of(
        version,
        stop="Authorized",
        configuration={
            "StopTransactionOnEVSideDisconnect": "false",
            "UnlockConnectorOnEVSideDisconnect": "false",
        },
    )
    scene.charge()
    scene.mark()
    scene.unplug()
    scene.plug_in()
    assert scene.triggers() == ["EVCommunicationLost", "CablePluggedIn"]
    assert scene.states() == ["Idle", "Charging"]
    assert scene.events("Ended") == []


def test_a_stop_point_that_needs_the_cable_ends_it_all_the_same(version: str) -> None:
    """E10: TxStopPoint EVConnected is stronger than StopTxOnEVSideDisconnect false."""
    scene = scene_of(
        version,
        stop="EVConnected",
        configuration={"StopTransactionOnEVSideDisconnect": "false"},
    )
    scene.charge()
    scene.unplug()
    assert scene.triggers()[-1] == "EVCommunicationLost"
    assert scene.events("Ended")


def test_the_csms_stops_a_transaction(version: str) -> None:
    """F03: RemoteStop, stoppedReason Remote, no idToken."""
    scene = scene_of(version)
    scene.charge()
    assert scene.call("RequestStopTransaction", transactionId=scene.transaction).status == (
        "Accepted"
    )
    ended = scene.events("Ended")[0]
    assert ended["triggerReason"] == "RemoteStop"
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"
    assert "idToken" not in ended.payload


CAUSES = {
    "EmergencyStop": ("AbnormalCondition", "EmergencyStop"),
    "EnergyLimitReached": ("EnergyLimitReached", "EnergyLimitReached"),
    "LocalOutOfCredit": ("StopAuthorized", "LocalOutOfCredit"),
    "PowerQuality": ("AbnormalCondition", "PowerQuality"),
    "SOCLimitReached": ("EnergyLimitReached", "SOCLimitReached"),
    "StoppedByEV": ("StopAuthorized", "StoppedByEV"),
    "TimeLimitReached": ("TimeLimitReached", "TimeLimitReached"),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_at_the_station_has_its_trigger_and_its_reason(version: str, cause: str) -> None:
    """E15 (errata: StoppedByEV with StopAuthorized) and ReasonEnumType."""
    scene = scene_of(version)
    scene.charge()
    scene.tell(StopRequested(1, unplug=False, cause=cause))  # type: ignore[arg-type]
    ended = scene.events("Ended")[0]
    assert (ended["triggerReason"], ended["transactionInfo"]["stoppedReason"]) == CAUSES[cause]
    assert "idToken" not in ended.payload


FAULTS = {
    "GroundFailure": "GroundFault",
    "OverCurrentFailure": "OvercurrentFault",
    "OverVoltage": "PowerQuality",
    "UnderVoltage": "PowerQuality",
    "InternalError": "Other",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_stopped_reason(version: str, fault: str) -> None:
    """AbnormalCondition, and the reason that ReasonEnumType has for it."""
    scene = scene_of(version)
    scene.charge()
    scene.tell(Failed(1, fault))
    ended = scene.events("Ended")[0]
    assert ended["triggerReason"] == "AbnormalCondition"
    assert ended["transactionInfo"]["stoppedReason"] == FAULTS[fault]
    assert scene.statuses()[-1] == "Faulted"


def test_a_fault_before_the_tag_is_told_in_the_transaction(version: str) -> None:
    """A transaction in which no energy flows yet goes on with the cable."""
    scene = scene_of(version, start="EVConnected", stop="EVConnected")
    scene.plug_in()
    scene.tell(Failed(1, "GroundFailure"))
    scene.unplug()
    assert scene.triggers() == ["CablePluggedIn", "AbnormalCondition", "EVCommunicationLost"]


def test_a_reset_ends_the_transaction_whatever_the_stop_points_are(version: str) -> None:
    """B12: ResetCommand, stoppedReason ImmediateReset, told once."""
    scene = scene_of(version, stop="EVConnected")
    scene.charge()
    scene.mark()
    scene.call("Reset", type="Immediate")
    scene.run(for_s=60)
    (ended,) = [one for one in scene.events() if one["seqNo"] >= 2]
    assert ended["eventType"] == "Ended"
    assert ended["triggerReason"] == "ResetCommand"
    assert ended["transactionInfo"]["stoppedReason"] == "ImmediateReset"


# ── status of a transaction ───────────────────────────────────────────────────────────────────────


def test_the_status_of_a_transaction_says_whether_it_goes_on(version: str) -> None:
    """E14: ongoingIndicator, and nothing in the queue."""
    scene = scene_of(version)
    scene.charge()
    going = scene.call("GetTransactionStatus", transactionId=scene.transaction)
    assert going.payload == {"ongoingIndicator": True, "messagesInQueue": False}
    scene.present_tag()
    over = scene.call("GetTransactionStatus", transactionId=scene.transaction)
    assert over.payload == {"ongoingIndicator": False, "messagesInQueue": False}


def test_an_unknown_transaction_neither_goes_on_nor_waits(version: str) -> None:
    """E14.FR.01."""
    scene = scene_of(version)
    answer = scene.call("GetTransactionStatus", transactionId="nobody")
    assert answer.payload == {"ongoingIndicator": False, "messagesInQueue": False}


def test_without_an_id_only_messages_are_told_of(version: str) -> None:
    """E14.FR.06 to FR.08: no ongoingIndicator."""
    scene = scene_of(version)
    scene.charge()
    assert scene.call("GetTransactionStatus").payload == {"messagesInQueue": False}
    scene.scripted = False
    scene.present_tag()
    assert scene.call("GetTransactionStatus").payload == {"messagesInQueue": True}
    over = scene.call("GetTransactionStatus", transactionId=scene.transaction)
    assert over.payload == {"ongoingIndicator": False, "messagesInQueue": True}


def test_a_vehicle_is_the_van_unless_said_otherwise(version: str) -> None:
    """The scene's own promise: the tests above count on 11 kW."""
    scene = scene_of(version)
    scene.charge()
    vehicle = scene.station.connectors[0].vehicle
    assert vehicle is not None
    assert vehicle.spec is VAN
