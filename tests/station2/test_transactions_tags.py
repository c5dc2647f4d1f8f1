"""What the CSMS says of a tag, in OCPP 2.0.1 and 2.1, once the transaction has started (E03, E05,
E07, C16).
"""

from __future__ import annotations

import pytest

from builders_station2 import OTHER_TAG, TAG, Scene2, accepted, id_token, refused, versions

pytestmark = versions
START = "TxCtrlr.TxStartPoint"
STOP = "TxCtrlr.TxStopPoint"
REFUSALS = ("Blocked", "ConcurrentTx", "Expired", "Invalid", "NoCredit", "Unknown")


def scene_of(version: str, **configuration: str) -> Scene2:
    names = {"start": START, "stop": STOP, "master": "AuthCtrlr.MasterPassGroupId"}
    values = {names.get(name, name): value for name, value in configuration.items()}
    scene = Scene2(version=version, configuration={"MeterValueSampleInterval": "0", **values})
    scene.boot()
    scene.mark()
    return scene


def judged(scene: Scene2, status: str) -> None:
    """The tag is good for Authorize, and refused in the answer to the event that has it."""
    scene.on(
        "TransactionEvent",
        lambda payload: refused(status) if "idToken" in payload else {},
    )


@pytest.mark.parametrize("status", REFUSALS)
def test_a_refused_tag_ends_the_transaction(version: str, status: str) -> None:
    """E05.FR.10: StopTxOnInvalidId true: Deauthorized, stoppedReason DeAuthorized."""
    scene = scene_of(version)
    judged(scene, status)
    scene.charge()
    ended = scene.events("Ended")[0]
    assert ended["triggerReason"] == "Deauthorized"
    assert ended["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    assert not scene.station.connectors[0].charging


def test_a_refused_tag_stops_the_energy_where_the_stop_point_is_the_cable(version: str) -> None:
    """E05.FR.09: Updated with Deauthorized; Ended when the cable goes [EVerest#704]."""
    scene = scene_of(version, stop="EVConnected")
    judged(scene, "Invalid")
    scene.charge()
    assert scene.triggers()[-1] == "Deauthorized"
    assert scene.events("Ended") == []
    scene.unplug()
    assert scene.events("Ended")[0]["transactionInfo"]["stoppedReason"] == "DeAuthorized"


def test_a_refused_tag_may_leave_the_transaction_without_energy(version: str) -> None:
    """E05.FR.02: StopTxOnInvalidId false: SuspendedEVSE and ChargingStateChanged."""
    scene = scene_of(version, StopTransactionOnInvalidId="false")
    judged(scene, "Invalid")
    scene.charge()
    scene.run(for_s=1000)
    assert scene.states()[-1] == "SuspendedEVSE"
    assert scene.triggers()[-1] == "ChargingStateChanged"
    assert scene.station.connectors[0].meter.energy_wh < 1


def test_a_refused_tag_may_get_some_energy(version: str) -> None:
    """E05.FR.03: MaxEnergyOnInvalidId, then SuspendedEVSE."""
    scene = scene_of(version, StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="500")
    judged(scene, "Invalid")
    scene.charge()
    scene.run(for_s=3600)
    assert scene.states()[-1] == "SuspendedEVSE"
    assert scene.station.connectors[0].meter.energy_wh == pytest.approx(500, abs=1)


def test_a_tag_refused_before_the_cable_came_is_forgotten(version: str) -> None:
    """E05: TxStartPoint Authorized: nothing to withhold yet, the transaction ends."""
    scene = scene_of(version, start="Authorized")
    judged(scene, "Invalid")
    scene.present_tag()
    ended = scene.events("Ended")[0]
    assert ended["triggerReason"] == "Deauthorized"
    assert ended["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    assert scene.statuses() == ["Occupied", "Available"]


def test_a_tag_refused_before_the_cable_came_gets_no_energy(version: str) -> None:
    """E05 with StopTxOnInvalidId false: the session that follows is suspended."""
    scene = scene_of(version, start="Authorized", StopTransactionOnInvalidId="false")
    judged(scene, "Invalid")
    scene.present_tag()
    scene.plug_in()
    scene.run(for_s=100)
    assert scene.states()[-1] == "SuspendedEVSE"
    assert scene.station.connectors[0].meter.energy_wh == 0


def test_a_refused_stop_tag_changes_nothing(version: str) -> None:
    """E07: the session is over when the CSMS hears of the tag that ended it."""
    scene = scene_of(version, stop="EVConnected")
    scene.charge()
    judged(scene, "Blocked")
    scene.present_tag()
    scene.unplug()
    assert scene.events("Ended")[0]["transactionInfo"]["stoppedReason"] == "Local"


def test_a_tag_for_other_evses_may_not_go_on_here(version: str) -> None:
    """IdTokenInfo.evseId without this EVSE, in the answer to the event."""
    scene = scene_of(version)
    scene.on("TransactionEvent", lambda p: accepted(evseId=[7]) if "idToken" in p else {})
    scene.charge()
    assert scene.events("Ended")[0]["triggerReason"] == "Deauthorized"


def test_the_same_tag_stops_without_being_asked_about(version: str) -> None:
    """E07.FR.02: no Authorize."""
    scene = scene_of(version)
    scene.charge()
    scene.mark()
    scene.present_tag()
    assert scene.sent("Authorize") == []
    assert scene.events("Ended")[0]["idToken"] == id_token(TAG)


def test_a_tag_of_the_group_stops_and_is_told(version: str) -> None:
    """E07.FR.04, C09: the other tag is authorized, and is the idToken of the stop."""
    scene = scene_of(version)
    scene.on("Authorize", accepted(groupIdToken=id_token("FAMILY", "Central")))
    scene.charge()
    scene.present_tag(OTHER_TAG)
    ended = scene.events("Ended")[0]
    assert ended["triggerReason"] == "StopAuthorized"
    assert ended["idToken"] == id_token(OTHER_TAG)


def test_the_group_may_be_known_from_the_answer_to_the_event(version: str) -> None:
    """C10: groupIdToken in TransactionEventResponse."""
    scene = scene_of(version)
    group = id_token("FAMILY", "Central")
    scene.on("TransactionEvent", lambda p: accepted(groupIdToken=group) if "idToken" in p else {})
    scene.charge()
    scene.on("Authorize", accepted(groupIdToken=group))
    scene.present_tag(OTHER_TAG)
    assert scene.events("Ended")


def test_a_tag_of_nobody_stops_nothing(version: str) -> None:
    """E07: another tag without the group."""
    scene = scene_of(version)
    scene.charge()
    scene.present_tag(OTHER_TAG)
    assert scene.events("Ended") == []


def test_a_master_pass_stops_any_transaction(version: str) -> None:
    """C16: MasterPassGroupId: stoppedReason MasterPass."""
    scene = scene_of(version, master="MASTERS")
    scene.charge()
    scene.on("Authorize", accepted(groupIdToken=id_token("MASTERS", "Central")))
    scene.present_tag(OTHER_TAG)
    ended = scene.events("Ended")[0]
    assert ended["triggerReason"] == "StopAuthorized"
    assert ended["transactionInfo"]["stoppedReason"] == "MasterPass"


def test_a_master_pass_starts_nothing(version: str) -> None:
    """C16.FR.03."""
    scene = scene_of(version, master="MASTERS")
    scene.on("Authorize", accepted(groupIdToken=id_token("MASTERS", "Central")))
    scene.charge()
    assert scene.events() == []


def test_a_remote_start_is_told_with_its_number_once(version: str) -> None:
    """F01.FR.15: triggerReason RemoteStart and remoteStartId."""
    scene = scene_of(version)
    scene.plug_in()
    answer = scene.call(
        "RequestStartTransaction", remoteStartId=77, evseId=1, idToken=id_token(TAG)
    )
    assert answer.status == "Accepted"
    assert scene.triggers()[0] == "RemoteStart"
    ids = [one["transactionInfo"].get("remoteStartId") for one in scene.events()]
    assert ids == [77, None]


def test_a_remote_start_in_a_transaction_that_has_started_is_told_in_it(version: str) -> None:
    """F02: the cable has started it: Updated with RemoteStart and remoteStartId."""
    scene = scene_of(version, start="EVConnected")
    scene.plug_in()
    answer = scene.call(
        "RequestStartTransaction", remoteStartId=78, evseId=1, idToken=id_token(TAG)
    )
    assert answer.payload["transactionId"] == scene.transaction
    told = scene.events()[1]
    assert (told["eventType"], told["triggerReason"]) == ("Updated", "RemoteStart")
    assert told["transactionInfo"]["remoteStartId"] == 78


def test_a_number_of_a_remote_start_does_not_stick(version: str) -> None:
    """F01: the next driver's transaction has none."""
    scene = scene_of(version)
    scene.plug_in()
    scene.call("RequestStartTransaction", remoteStartId=77, evseId=1, idToken=id_token(TAG))
    scene.present_tag()
    scene.unplug()
    scene.mark()
    scene.charge()
    assert all("remoteStartId" not in one["transactionInfo"] for one in scene.events())
    assert scene.triggers()[0] == "Authorized"


@pytest.mark.parametrize("start", ["PowerPathClosed", "Authorized", "EVConnected"])
def test_a_reservation_that_is_used_up_is_told_once(version: str, start: str) -> None:
    """H03.FR.08: reservationId in one event of the transaction."""
    scene = scene_of(version, start=start)
    scene.call(
        "ReserveNow",
        id=9,
        evseId=1,
        expiryDateTime="2026-03-01T13:00:00Z",
        idToken=id_token(TAG),
    )
    scene.charge()
    told = [one["reservationId"] for one in scene.events() if "reservationId" in one.payload]
    assert told == [9]


def test_what_the_csms_says_for_the_driver_is_kept(version: str) -> None:
    """E05, I02: chargingPriority, totalCost and the personal message of an answer."""
    scene = scene_of(version)
    message = {"format": "UTF8", "content": "Bonjour", "language": "fr"}
    scene.on(
        "TransactionEvent",
        totalCost=1.5,
        chargingPriority=3,
        updatedPersonalMessage=message,
    )
    scene.charge()
    visit = scene.station.connectors[0].visit
    assert visit is not None
    assert (visit.total_cost, visit.charging_priority) == (1.5, 3)
    assert visit.personal_message == "Bonjour"
