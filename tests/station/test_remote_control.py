from __future__ import annotations

import pytest

from builders_station import OTHER_TAG, SILENCE, TAG, Error, Scene
from simfleet.station.events import Failed, LockFailed, Retired

PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11000.0}],
    },
}


def a_booted_scene(connectors: int = 1, **keys: str | int) -> Scene:
    scene = Scene(connectors=connectors, configuration=keys)
    scene.boot()
    scene.mark()
    return scene


def remote_start(scene: Scene, connector: int | None = 1, tag: str = TAG, **more: object) -> str:
    where = {} if connector is None else {"connectorId": connector}
    return scene.call("RemoteStartTransaction", idTag=tag, **where, **more).status


# ── RemoteStartTransaction ──────────────────────────────────────────────────────────────────────


def test_a_remote_start_with_the_cable_in_starts_with_the_given_tag() -> None:
    scene = a_booted_scene()
    scene.plug_in()
    assert remote_start(scene, tag=OTHER_TAG) == "Accepted"
    assert scene.sent("StartTransaction")[0]["idTag"] == OTHER_TAG
    assert scene.sent("Authorize") == []
    assert scene.statuses() == ["Preparing", "Charging"]


def test_the_answer_leaves_before_what_follows_from_it() -> None:
    scene = a_booted_scene()
    scene.plug_in()
    scene.station.receive(
        b'[2,"r1","RemoteStartTransaction",{"idTag":"A","connectorId":1}]', at_s=scene.now_s
    )
    first, *_ = scene.station.take_frames()
    assert first == b'[3,"r1",{"status":"Accepted"}]'


def test_a_remote_start_without_cable_waits_for_it() -> None:
    scene = a_booted_scene()
    assert remote_start(scene) == "Accepted"
    assert scene.statuses() == ["Preparing"]
    scene.run(for_s=10)
    scene.plug_in()
    assert scene.statuses() == ["Preparing", "Charging"]


def test_a_charger_that_leaves_for_good_takes_no_remote_start() -> None:
    scene = a_booted_scene()
    scene.tell(Retired(leaving=True))
    assert remote_start(scene) == "Rejected"
    assert scene.sent("StartTransaction") == []


def test_a_remote_start_without_cable_ends_with_connection_time_out() -> None:
    scene = a_booted_scene(ConnectionTimeOut=20)
    remote_start(scene)
    scene.run(for_s=20)
    assert scene.statuses() == ["Preparing", "Available"]
    assert remote_start(scene) == "Accepted"


def test_a_remote_start_without_connector_takes_a_free_one() -> None:
    scene = a_booted_scene(connectors=2)
    scene.charge(1)
    scene.plug_in(2)
    assert remote_start(scene, None) == "Accepted"
    assert scene.sent("StartTransaction")[1]["connectorId"] == 2
    assert remote_start(scene, None) == "Rejected"


@pytest.mark.parametrize("connector", [0, -1, 2, 99])
def test_a_remote_start_on_a_connector_that_does_not_exist_is_rejected(connector: int) -> None:
    scene = a_booted_scene()
    assert remote_start(scene, connector) == "Rejected"
    assert scene.sent() == []


def test_a_remote_start_is_rejected_while_a_transaction_runs_and_while_finishing() -> None:
    scene = a_booted_scene()
    scene.charge()
    assert remote_start(scene) == "Rejected"
    scene.present_tag()
    assert scene.statuses()[-1] == "Finishing"
    assert remote_start(scene) == "Rejected"


def test_a_remote_start_is_rejected_out_of_service_and_with_a_fault() -> None:
    scene = a_booted_scene(connectors=2)
    scene.call("ChangeAvailability", connectorId=1, type="Inoperative")
    scene.tell(Failed(2))
    assert remote_start(scene, 1) == "Rejected"
    assert remote_start(scene, 2) == "Rejected"
    assert remote_start(scene, None) == "Rejected"


def test_a_second_remote_start_is_rejected_while_one_is_pending() -> None:
    scene = a_booted_scene()
    assert remote_start(scene) == "Accepted"
    assert remote_start(scene, tag=OTHER_TAG) == "Rejected"


def test_a_remote_start_is_rejected_while_a_tag_is_being_asked_about() -> None:
    scene = a_booted_scene()
    scene.on("Authorize", SILENCE)
    scene.charge()
    assert remote_start(scene) == "Rejected"


@pytest.mark.parametrize("purpose", ["TxDefaultProfile", "ChargePointMaxProfile"])
def test_a_remote_start_with_another_profile_than_a_tx_profile_is_rejected(purpose: str) -> None:
    scene = a_booted_scene()
    profile = PROFILE | {"chargingProfilePurpose": purpose}
    assert remote_start(scene, chargingProfile=profile) == "Rejected"
    assert remote_start(scene, chargingProfile=PROFILE) == "Accepted"


def test_with_authorize_remote_tx_requests_the_tag_is_asked_about_first() -> None:
    scene = a_booted_scene(AuthorizeRemoteTxRequests="true")
    scene.plug_in()
    assert remote_start(scene, tag=OTHER_TAG) == "Accepted"
    assert scene.actions()[-3:] == ["Authorize", "StartTransaction", "StatusNotification"]
    assert scene.sent("Authorize")[0]["idTag"] == OTHER_TAG


@pytest.mark.parametrize(
    "answer", [{"idTagInfo": {"status": "Blocked"}}, Error()], ids=["blocked", "CALLERROR"]
)
def test_a_remote_start_whose_tag_is_refused_starts_nothing_and_leaves_the_way_free(
    answer: dict[str, object],
) -> None:
    scene = a_booted_scene(AuthorizeRemoteTxRequests="true")
    scene.on("Authorize", answer, {"idTagInfo": {"status": "Accepted"}})
    scene.plug_in()
    remote_start(scene)
    assert scene.sent("StartTransaction") == []
    assert remote_start(scene) == "Accepted"
    assert len(scene.sent("StartTransaction")) == 1


# ── RemoteStopTransaction ───────────────────────────────────────────────────────────────────────


def test_a_remote_stop_ends_the_transaction_without_a_tag() -> None:
    scene = a_booted_scene()
    scene.charge()
    assert scene.call("RemoteStopTransaction", transactionId=701).status == "Accepted"
    (stop,) = scene.sent("StopTransaction")
    assert (stop["reason"], stop["transactionId"]) == ("Remote", 701)
    assert "idTag" not in stop.payload
    assert scene.statuses()[-1] == "Finishing"


def test_a_remote_stop_of_what_does_not_run_is_rejected() -> None:
    scene = a_booted_scene()
    assert scene.call("RemoteStopTransaction", transactionId=701).status == "Rejected"
    scene.charge()
    assert scene.call("RemoteStopTransaction", transactionId=999).status == "Rejected"
    assert scene.call("RemoteStopTransaction", transactionId=701).status == "Accepted"
    assert scene.call("RemoteStopTransaction", transactionId=701).status == "Rejected"
    assert len(scene.sent("StopTransaction")) == 1


def test_a_remote_stop_picks_the_right_one_of_two() -> None:
    scene = a_booted_scene(connectors=2)
    scene.charge(1)
    scene.charge(2)
    scene.call("RemoteStopTransaction", transactionId=702)
    assert scene.statuses(1)[-1] == "Charging"
    assert scene.statuses(2)[-1] == "Finishing"


# ── UnlockConnector ─────────────────────────────────────────────────────────────────────────────


def test_unlocking_while_charging_ends_the_transaction() -> None:
    scene = a_booted_scene()
    scene.charge()
    assert scene.call("UnlockConnector", connectorId=1).status == "Unlocked"
    assert scene.sent("StopTransaction")[0]["reason"] == "UnlockCommand"
    assert scene.statuses()[-1] == "Finishing"


def test_unlocking_an_idle_connector_changes_nothing() -> None:
    scene = a_booted_scene()
    assert scene.call("UnlockConnector", connectorId=1).status == "Unlocked"
    assert scene.sent() == []


@pytest.mark.parametrize("connector", [0, 2, -1])
def test_unlocking_a_connector_that_does_not_exist_is_not_supported(connector: int) -> None:
    answer = a_booted_scene().call("UnlockConnector", connectorId=connector)
    # The schema has no minimum, so a negative number is judged by the station, too.
    assert answer.status == "NotSupported"


def test_a_lock_that_fails_says_so_and_the_transaction_goes_on() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.tell(LockFailed())
    assert scene.call("UnlockConnector", connectorId=1).status == "UnlockFailed"
    assert scene.sent("StopTransaction") == []
    scene.tell(LockFailed(failed=False))
    assert scene.call("UnlockConnector", connectorId=1).status == "Unlocked"


# ── DataTransfer and the rest ───────────────────────────────────────────────────────────────────


def test_data_of_another_vendor_is_of_an_unknown_vendor() -> None:
    scene = a_booted_scene()
    assert scene.call("DataTransfer", vendorId="Acme").status == "UnknownVendorId"
    assert scene.call("DataTransfer", vendorId="SimFleet").status == "UnknownMessageId"


@pytest.mark.parametrize("text", ["hello", None])
def test_an_echo_of_our_vendor_comes_back_in_a_data_transfer_of_the_station(
    text: str | None,
) -> None:
    scene = a_booted_scene()
    said = {} if text is None else {"data": text}
    answer = scene.call("DataTransfer", vendorId="SimFleet", messageId="Echo", **said)
    assert answer.status == "Accepted"
    (echo,) = scene.sent("DataTransfer")
    assert (echo["vendorId"], echo["messageId"]) == ("SimFleet", "Echo")
    assert echo.payload.get("data") == text


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Reset", {"type": "Gentle"}, "PropertyConstraintViolation"),
        ("Reset", {}, "OccurenceConstraintViolation"),
        ("UnlockConnector", {"connectorId": "1"}, "TypeConstraintViolation"),
        ("RemoteStopTransaction", {"transactionId": 1, "now": True}, "FormationViolation"),
        ("StartTransaction", {}, "NotSupported"),
        ("MakeCoffee", {}, "NotImplemented"),
    ],
)
def test_an_invalid_call_is_refused_and_changes_nothing(
    action: str, payload: dict[str, object], code: str
) -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.mark()
    assert scene.call(action, **payload).error == code
    assert scene.sent() == []


def test_calls_are_answered_while_the_stations_own_call_waits() -> None:
    scene = a_booted_scene()
    scene.on("StartTransaction", SILENCE)
    scene.charge()
    assert scene.call("GetConfiguration", key=["HeartbeatInterval"]).error is None
    assert scene.call("DataTransfer", vendorId="Acme").status == "UnknownVendorId"
