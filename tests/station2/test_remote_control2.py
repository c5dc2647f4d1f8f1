"""Block F of OCPP 2.0.1 part 2: remote start and stop, unlock, triggers."""

from __future__ import annotations

from typing import Any

import pytest

from builders_station2 import OTHER_TAG, TAG, Scene2, id_token, refused, samples_of, versions
from simfleet.station.events import LockFailed

PROFILE = {
    "id": 7,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": [
        {
            "id": 1,
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 5000.0}],
        }
    ],
}


def a_scene(version: str, *, connectors: int = 1, **options: Any) -> Scene2:
    scene = Scene2(version=version, connectors=connectors, **options)
    scene.boot()
    scene.mark()
    return scene


def start(scene: Scene2, *, tag: str = TAG, kind: str = "ISO14443", **more: Any) -> Any:
    payload = {"idToken": id_token(tag, kind), "remoteStartId": 42, **more}
    return scene.call("RequestStartTransaction", **payload)


# ── RequestStartTransaction ───────────────────────────────────────────────────────────────────────


@versions
def test_a_remote_start_with_the_cable_in_is_told_with_its_id(version: str) -> None:
    """F01: triggerReason RemoteStart, remoteStartId, the tag."""
    scene = a_scene(version)
    scene.plug_in()
    scene.mark()
    assert start(scene, evseId=1).status == "Accepted"
    (started,) = scene.events("Started")
    assert started["triggerReason"] == "RemoteStart"
    assert started["transactionInfo"]["remoteStartId"] == 42
    assert started["idToken"] == id_token()
    assert "Charging" in scene.states()
    assert scene.sent("Authorize") == []


@versions
def test_a_remote_start_may_come_before_the_cable(version: str) -> None:
    """F02: the tag waits; the event of the cable carries remoteStartId."""
    scene = a_scene(version)
    assert start(scene, evseId=1).status == "Accepted"
    assert scene.statuses() == ["Occupied"]
    assert scene.events() == []
    scene.run(for_s=10)
    scene.plug_in()
    (started,) = scene.events("Started")
    assert started["transactionInfo"]["remoteStartId"] == 42
    assert started["idToken"] == id_token()


@versions
def test_a_remote_start_starts_the_transaction_where_authorized_is_the_start_point(
    version: str,
) -> None:
    """F02.FR.03: TransactionEvent Started, RemoteStart, before any cable."""
    scene = a_scene(version, configuration={"TxCtrlr.TxStartPoint": "Authorized"})
    start(scene, evseId=1)
    (started,) = scene.events("Started")
    assert started["triggerReason"] == "RemoteStart"
    assert started["transactionInfo"]["remoteStartId"] == 42


@versions
def test_no_cable_within_the_connection_time_out_ends_a_remote_start(version: str) -> None:
    """F02: EVConnectionTimeOut."""
    scene = a_scene(version, configuration={"ConnectionTimeOut": 30})
    start(scene, evseId=1)
    scene.run(for_s=31)
    assert scene.statuses() == ["Occupied", "Available"]
    scene.plug_in()
    assert scene.events() == []


@versions
def test_a_remote_start_that_timed_out_is_forgotten(version: str) -> None:
    """The next cable starts a transaction of its own."""
    points = {"TxCtrlr.TxStartPoint": "EVConnected", "ConnectionTimeOut": 30}
    scene = a_scene(version, configuration=points)
    start(scene, evseId=1)
    scene.run(for_s=31)
    scene.plug_in()
    (started,) = scene.events("Started")
    assert "remoteStartId" not in started["transactionInfo"]


@versions
def test_energy_transfer_as_start_point_still_tells_the_remote_start_id(version: str) -> None:
    """F01.FR.04: a transaction that a request has started has its remoteStartId."""
    scene = a_scene(version, configuration={"TxCtrlr.TxStartPoint": "EnergyTransfer"})
    scene.plug_in()
    start(scene, evseId=1)
    (started,) = scene.events("Started")
    assert started["transactionInfo"]["remoteStartId"] == 42


@versions
def test_the_transaction_that_a_cable_has_started_is_given_back(version: str) -> None:
    """F01: transactionId where it has started already; the tag is told in an Updated."""
    scene = a_scene(version, configuration={"TxCtrlr.TxStartPoint": "EVConnected"})
    scene.plug_in()
    running = scene.transaction
    scene.mark()
    answer = start(scene, evseId=1)
    assert (answer.status, answer.payload["transactionId"]) == ("Accepted", running)
    told = scene.events()[0]
    assert (told["eventType"], told["triggerReason"]) == ("Updated", "RemoteStart")
    assert told["transactionInfo"]["remoteStartId"] == 42
    assert told["idToken"] == id_token()


@versions
def test_no_transaction_is_given_back_when_none_had_started(version: str) -> None:
    scene = a_scene(version)
    scene.plug_in()
    assert "transactionId" not in start(scene, evseId=1).payload


@versions
def test_authorize_remote_start_asks_about_the_tag_first(version: str) -> None:
    """F01.FR.01, AuthCtrlr.AuthorizeRemoteStart true."""
    scene = a_scene(version, configuration={"AuthorizeRemoteTxRequests": "true"})
    scene.plug_in()
    scene.mark()
    start(scene, evseId=1)
    assert scene.actions()[:2] == ["Authorize", "TransactionEvent"]
    assert scene.events("Started")[0]["transactionInfo"]["remoteStartId"] == 42


@versions
def test_a_remote_start_whose_tag_is_refused_leaves_no_trace(version: str) -> None:
    """F01: after a refused Authorize a local tag is no remote start."""
    scene = a_scene(version, configuration={"AuthorizeRemoteTxRequests": "true"})
    scene.plug_in()
    scene.on("Authorize", refused(), {"idTokenInfo": {"status": "Accepted"}})
    start(scene, evseId=1)
    assert scene.events() == []
    scene.present_tag(OTHER_TAG)
    (started,) = scene.events("Started")
    assert started["triggerReason"] == "Authorized"
    assert "remoteStartId" not in started["transactionInfo"]


@versions
def test_central_tags_are_not_asked_about(version: str) -> None:
    """C05: a token that the CSMS has given out is started with, AuthorizeRemoteStart or not."""
    scene = a_scene(version, configuration={"AuthorizeRemoteTxRequests": "true"})
    scene.plug_in()
    scene.mark()
    assert start(scene, tag="4711", kind="Central", evseId=1).status == "Accepted"
    assert scene.sent("Authorize") == []
    assert scene.events("Started")[0]["idToken"] == id_token("4711", "Central")


@versions
def test_without_an_evse_the_station_picks_a_free_one(version: str) -> None:
    scene = a_scene(version, connectors=2)
    scene.charge(1)
    scene.mark()
    assert start(scene, tag=OTHER_TAG).status == "Accepted"
    assert scene.statuses(2) == ["Occupied"]


@versions
def test_without_an_evse_and_none_free_it_is_rejected(version: str) -> None:
    scene = a_scene(version)
    scene.charge()
    assert start(scene, tag=OTHER_TAG).status == "Rejected"


@versions
def test_a_remote_start_is_rejected_where_a_session_runs(version: str) -> None:
    scene = a_scene(version)
    scene.charge()
    assert start(scene, evseId=1, tag=OTHER_TAG).status == "Rejected"


@versions
def test_a_second_remote_start_is_rejected_while_the_first_waits(version: str) -> None:
    scene = a_scene(version)
    start(scene, evseId=1)
    assert start(scene, evseId=1, tag=OTHER_TAG, remoteStartId=43).status == "Rejected"
    scene.plug_in()
    assert scene.events("Started")[0]["transactionInfo"]["remoteStartId"] == 42


@versions
def test_a_remote_start_is_rejected_at_an_evse_that_is_not_there(version: str) -> None:
    scene = a_scene(version)
    answer = start(scene, evseId=2)
    assert answer.status == "Rejected"
    assert answer.payload["statusInfo"]["reasonCode"] == "UnknownEvse"


@versions
def test_a_remote_start_is_rejected_out_of_service(version: str) -> None:
    scene = a_scene(version)
    scene.call("ChangeAvailability", operationalStatus="Inoperative")
    assert start(scene, evseId=1).status == "Rejected"


@versions
def test_a_remote_start_is_rejected_where_another_tag_has_reserved(version: str) -> None:
    scene = a_scene(version)
    reserve: Any = {"id": 1, "expiryDateTime": "2026-03-01T13:00:00Z", "evseId": 1}
    scene.call("ReserveNow", idToken=id_token(OTHER_TAG), **reserve)
    assert start(scene, evseId=1).status == "Rejected"
    assert start(scene, evseId=1, tag=OTHER_TAG).status == "Accepted"


@versions
def test_a_remote_start_of_the_group_may_use_its_reservation(version: str) -> None:
    """F01 with H03: groupIdToken of both is the same."""
    scene = a_scene(version)
    group = id_token("FLEET", "Central")
    reserve: Any = {"id": 1, "expiryDateTime": "2026-03-01T13:00:00Z", "evseId": 1}
    scene.call("ReserveNow", idToken=id_token(OTHER_TAG), groupIdToken=group, **reserve)
    assert start(scene, evseId=1).status == "Rejected"
    assert start(scene, evseId=1, groupIdToken=group).status == "Accepted"


@versions
def test_another_tag_of_the_group_of_a_remote_start_ends_it(version: str) -> None:
    """F01: groupIdToken of the request is the group of the transaction."""
    scene = a_scene(version)
    group = id_token("FLEET", "Central")
    scene.plug_in()
    start(scene, evseId=1, groupIdToken=group)
    scene.on("Authorize", idTokenInfo={"status": "Accepted", "groupIdToken": group})
    scene.present_tag(OTHER_TAG)
    (ended,) = scene.events("Ended")
    assert ended["idToken"] == id_token(OTHER_TAG)


@versions
def test_a_pending_station_rejects_remote_starts_and_stops(version: str) -> None:
    """B02.FR.05."""
    scene = Scene2(version=version)
    scene.on("BootNotification", status="Pending", currentTime=scene.clock, interval=60)
    scene.boot()
    assert start(scene, evseId=1).status == "Rejected"
    assert scene.call("RequestStopTransaction", transactionId="t").status == "Rejected"


@versions
def test_the_profile_of_a_remote_start_limits_its_transaction(version: str) -> None:
    """F01.FR.08, K05: a TxProfile without transactionId."""
    scene = a_scene(version)
    scene.plug_in()
    assert start(scene, evseId=1, chargingProfile=PROFILE).status == "Accepted"
    scene.run(for_s=1)
    assert scene.station.connectors[0].offered_w == pytest.approx(5000, abs=50)


@versions
@pytest.mark.parametrize(
    "wrong", [{"chargingProfilePurpose": "TxDefaultProfile"}, {"transactionId": "t-1"}]
)
def test_a_remote_start_with_another_profile_is_rejected(version: str, wrong: Any) -> None:
    """F01.FR.10, .11."""
    scene = a_scene(version)
    answer = start(scene, evseId=1, chargingProfile={**PROFILE, **wrong})
    assert answer.status == "Rejected"
    assert answer.payload["statusInfo"]["reasonCode"] == "InvalidProfile"


# ── RequestStopTransaction ────────────────────────────────────────────────────────────────────────


@versions
def test_a_remote_stop_ends_the_transaction(version: str) -> None:
    """F03: triggerReason RemoteStop, stoppedReason Remote."""
    scene = a_scene(version)
    scene.charge()
    scene.mark()
    answer = scene.call("RequestStopTransaction", transactionId=scene.transaction)
    assert answer.status == "Accepted"
    (ended,) = scene.events()
    assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "RemoteStop")
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"
    assert "idToken" not in ended.payload


@versions
def test_a_remote_stop_leaves_the_transaction_to_its_stop_point(version: str) -> None:
    """F03: with TxStopPoint EVConnected it ends, for Remote, when the cable comes out."""
    scene = a_scene(version, configuration={"TxCtrlr.TxStopPoint": "EVConnected"})
    scene.charge()
    scene.mark()
    scene.call("RequestStopTransaction", transactionId=scene.transaction)
    assert scene.triggers()[0] == "RemoteStop"
    assert scene.events("Ended") == []
    scene.unplug()
    assert scene.events("Ended")[0]["transactionInfo"]["stoppedReason"] == "Remote"


@versions
def test_a_remote_stop_forgets_a_tag_that_waits_for_its_cable(version: str) -> None:
    scene = a_scene(version, configuration={"TxCtrlr.TxStartPoint": "Authorized"})
    scene.present_tag()
    scene.mark()
    answer = scene.call("RequestStopTransaction", transactionId=scene.transaction)
    assert answer.status == "Accepted"
    (ended,) = scene.events()
    assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "RemoteStop")
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"
    assert scene.statuses() == ["Available"]


@versions
def test_a_transaction_that_only_the_cable_has_started_ends_for_remote(version: str) -> None:
    """F03: told at once, ended when the cable comes out."""
    scene = a_scene(version, configuration={"TxCtrlr.TxStartPoint": "EVConnected"})
    scene.plug_in()
    scene.mark()
    answer = scene.call("RequestStopTransaction", transactionId=scene.transaction)
    assert answer.status == "Accepted"
    assert scene.triggers() == ["RemoteStop"]
    scene.unplug()
    assert scene.events("Ended")[0]["transactionInfo"]["stoppedReason"] == "Remote"


@versions
def test_an_unknown_transaction_cannot_be_stopped(version: str) -> None:
    scene = a_scene(version)
    scene.charge()
    assert scene.call("RequestStopTransaction", transactionId="unknown").status == "Rejected"
    scene.present_tag()
    over = scene.transaction
    assert scene.call("RequestStopTransaction", transactionId=over).status == "Rejected"


# ── UnlockConnector ───────────────────────────────────────────────────────────────────────────────


@versions
def test_an_idle_connector_is_unlocked(version: str) -> None:
    scene = a_scene(version)
    assert scene.call("UnlockConnector", evseId=1, connectorId=1).status == "Unlocked"


@versions
def test_no_connector_is_unlocked_in_an_authorized_transaction(version: str) -> None:
    """F05.FR.02: and nothing happens to it."""
    scene = a_scene(version)
    scene.charge()
    scene.mark()
    answer = scene.call("UnlockConnector", evseId=1, connectorId=1)
    assert answer.status == "OngoingAuthorizedTransaction"
    assert scene.events() == []


@versions
def test_a_cable_that_only_began_a_transaction_is_unlocked(version: str) -> None:
    """F05.FR.02 is about authorized transactions."""
    scene = a_scene(version, configuration={"TxCtrlr.TxStartPoint": "EVConnected"})
    scene.plug_in()
    assert scene.call("UnlockConnector", evseId=1, connectorId=1).status == "Unlocked"


@versions
@pytest.mark.parametrize(("evse", "connector"), [(2, 1), (1, 2), (0, 1)])
def test_an_unknown_connector_is_not_unlocked(version: str, evse: int, connector: int) -> None:
    """F05.FR.03."""
    scene = a_scene(version)
    answer = scene.call("UnlockConnector", evseId=evse, connectorId=connector)
    assert answer.status == "UnknownConnector"


@versions
def test_a_lock_that_hangs_fails(version: str) -> None:
    scene = a_scene(version)
    scene.tell(LockFailed(1))
    assert scene.call("UnlockConnector", evseId=1, connectorId=1).status == "UnlockFailed"


@versions
def test_a_cable_of_the_stations_own_has_no_lock(version: str) -> None:
    scene = a_scene(version, fixed_cable=True)
    answer = scene.call("UnlockConnector", evseId=1, connectorId=1)
    assert answer.status == "UnlockFailed"
    assert answer.payload["statusInfo"]["reasonCode"] == "FixedCable"


# ── TriggerMessage ────────────────────────────────────────────────────────────────────────────────


def trigger(scene: Scene2, message: str, **evse: Any) -> str:
    return scene.call("TriggerMessage", requestedMessage=message, **evse).status


@versions
def test_a_heartbeat_can_be_triggered(version: str) -> None:
    scene = a_scene(version)
    assert trigger(scene, "Heartbeat") == "Accepted"
    assert scene.actions() == ["Heartbeat"]


@versions
def test_a_status_is_triggered_for_one_connector(version: str) -> None:
    scene = a_scene(version, connectors=2)
    assert trigger(scene, "StatusNotification", evse={"id": 2, "connectorId": 1}) == "Accepted"
    (sent,) = scene.sent()
    assert (sent["evseId"], sent["connectorStatus"]) == (2, "Available")


@versions
@pytest.mark.parametrize("evse", [{}, {"evse": {"id": 1}}])
def test_a_status_needs_a_connector(version: str, evse: Any) -> None:
    """F06.FR.12, .13."""
    scene = a_scene(version)
    assert trigger(scene, "StatusNotification", **evse) == "Rejected"
    assert scene.sent() == []


@versions
@pytest.mark.parametrize("evse", [{"id": 3}, {"id": 1, "connectorId": 2}])
@pytest.mark.parametrize("message", ["MeterValues", "StatusNotification", "TransactionEvent"])
def test_nothing_is_triggered_where_nothing_is(version: str, evse: Any, message: str) -> None:
    scene = a_scene(version)
    assert trigger(scene, message, evse=evse) == "Rejected"
    assert scene.sent() == []


@versions
def test_a_boot_is_not_triggered_once_accepted(version: str) -> None:
    """F06.FR.17."""
    scene = a_scene(version)
    assert trigger(scene, "BootNotification") == "Rejected"
    assert scene.sent() == []


@versions
def test_a_pending_station_boots_when_triggered(version: str) -> None:
    """B02, F06: reason Triggered."""
    scene = Scene2(version=version)
    scene.on("BootNotification", {"status": "Pending", "currentTime": scene.clock, "interval": 60})
    scene.boot()
    scene.mark()
    assert trigger(scene, "BootNotification") == "Accepted"
    assert [one["reason"] for one in scene.sent("BootNotification")] == ["Triggered"]


@versions
def test_meter_values_are_triggered_of_idle_evses_too(version: str) -> None:
    """F06.FR.06: all EVSEs where none is named; context Trigger."""
    scene = a_scene(version, connectors=2)
    assert trigger(scene, "MeterValues") == "Accepted"
    assert [one["evseId"] for one in scene.sent("MeterValues")] == [1, 2]
    sample = scene.sent("MeterValues")[0]["meterValue"][0]["sampledValue"][0]
    assert sample["context"] == "Trigger"
    scene.mark()
    trigger(scene, "MeterValues", evse={"id": 2})
    assert [one["evseId"] for one in scene.sent()] == [2]


@versions
def test_meter_values_are_meter_values_in_a_transaction_too(version: str) -> None:
    scene = a_scene(version)
    scene.charge()
    scene.run(for_s=36)
    scene.mark()
    trigger(scene, "MeterValues", evse={"id": 1})
    (sent,) = scene.sent()
    assert sent.action == "MeterValues"
    assert samples_of(sent["meterValue"][0])["Energy.Active.Import.Register"] == pytest.approx(
        110, abs=2
    )


@versions
def test_a_transaction_event_is_triggered_with_state_and_reading(version: str) -> None:
    """F06.FR.07."""
    scene = a_scene(version, connectors=2)
    scene.charge(2)
    scene.mark()
    assert trigger(scene, "TransactionEvent") == "Accepted"
    (event,) = scene.sent()
    assert (event["eventType"], event["triggerReason"]) == ("Updated", "Trigger")
    assert event["transactionInfo"]["chargingState"] == "Charging"
    contexts = {one["context"] for one in event["meterValue"][0]["sampledValue"]}
    assert contexts == {"Trigger"}


@versions
def test_no_transaction_event_is_triggered_without_a_transaction(version: str) -> None:
    """F06: nothing to tell."""
    scene = a_scene(version, connectors=2)
    scene.charge(2)
    scene.mark()
    assert trigger(scene, "TransactionEvent", evse={"id": 1}) == "Rejected"
    assert scene.sent() == []


@versions
@pytest.mark.parametrize("message", ["LogStatusNotification", "FirmwareStatusNotification"])
def test_idle_says_so_without_a_request(version: str, message: str) -> None:
    """F06.FR.15, .16."""
    scene = a_scene(version)
    assert trigger(scene, message) == "Accepted"
    (sent,) = scene.sent()
    assert (sent.action, sent.payload) == (message, {"status": "Idle"})


def test_a_custom_trigger_is_not_known() -> None:
    """2.1: vendor-specific, and there is none."""
    scene = a_scene("ocpp2.1")
    assert trigger(scene, "CustomTrigger", customTrigger="blink") == "NotImplemented"


@versions
def test_what_was_triggered_comes_after_the_answer(version: str) -> None:
    """F06.FR.04."""
    scene = a_scene(version)
    scene.call_without_answer("TriggerMessage", requestedMessage="Heartbeat")
    assert scene.sent("Heartbeat")[0].at_s == scene.now_s
    assert next(iter(scene.answers.values())).status == "Accepted"
