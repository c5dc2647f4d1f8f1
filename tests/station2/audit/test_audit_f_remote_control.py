"""Blocks F, G and H of OCPP 2.x in sequences: remote control, availability, reservations."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest

from builders_device import report, set_to, value
from builders_station2 import OTHER_TAG, SILENCE, TAG, Payload, Scene2, id_token, refused, versions
from simfleet.errors import Refused
from simfleet.station.events import Failed, FaultCleared, LockFailed

pytestmark = versions


def scene_of(version: str, *, connectors: int = 1, **configuration: str) -> Scene2:
    scene = Scene2(
        version=version,
        connectors=connectors,
        configuration={
            "MeterValueSampleInterval": "0",
            **{name.replace("__", "."): value for name, value in configuration.items()},
        },
    )
    scene.boot()
    scene.mark()
    return scene


def start(scene: Scene2, tag: str = TAG, number: int = 7, **more: Any) -> Payload:
    return scene.call(
        "RequestStartTransaction", idToken=id_token(tag), remoteStartId=number, **more
    ).payload


def reserve(
    scene: Scene2, number: int = 1, tag: str = TAG, *, in_s: float = 600, **more: Any
) -> str:
    after = scene.wall_s + in_s
    until = datetime.fromtimestamp(after, UTC).isoformat().replace("+00:00", "Z")
    return scene.call(
        "ReserveNow", id=number, expiryDateTime=until, idToken=id_token(tag), **more
    ).status


def available(scene: Scene2, status: str, **evse: int) -> str:
    place: Payload = {"evse": evse} if evse else {}
    return scene.call("ChangeAvailability", operationalStatus=status, **place).status


# ── F ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_remote_start_uses_the_reservation_of_its_tag(version: str) -> None:
    """F01, H03, TC_H_15: reserved for the tag: Accepted, and the event tells reservationId and
    remoteStartId.
    """
    scene = scene_of(version)
    assert reserve(scene, 5, evseId=1) == "Accepted"
    assert start(scene, OTHER_TAG, evseId=1)["status"] == "Rejected"
    assert start(scene, evseId=1)["status"] == "Accepted"
    scene.plug_in()
    told = {k: v for one in scene.events() for k, v in one.payload.items()}
    ids = [one["transactionInfo"].get("remoteStartId") for one in scene.events()]
    assert 7 in ids
    assert told["reservationId"] == 5
    assert scene.statuses()[-1] == "Occupied"
    assert not scene.sent("ReservationStatusUpdate")


def test_a_reservation_cannot_be_cancelled_once_used(version: str) -> None:
    """H02, H03: consumed at the start."""
    scene = scene_of(version)
    reserve(scene, 5, evseId=1)
    scene.charge()
    assert scene.events("Started")
    assert scene.call("CancelReservation", reservationId=5).status == "Rejected"
    scene.present_tag()
    scene.unplug()
    assert scene.statuses()[-1] == "Available"


def test_a_reserved_evse_that_goes_out_of_service_and_back_is_free(version: str) -> None:
    """H04, G03: Removed, Unavailable, then Available."""
    scene = scene_of(version)
    reserve(scene, 5, evseId=1)
    available(scene, "Inoperative", id=1)
    (update,) = scene.sent("ReservationStatusUpdate")
    assert update.payload["reservationUpdateStatus"] == "Removed"
    available(scene, "Operative", id=1)
    assert scene.statuses() == ["Reserved", "Unavailable", "Available"]
    assert scene.call("CancelReservation", reservationId=5).status == "Rejected"


def test_a_reservation_expires_while_offline_and_is_told_after(version: str) -> None:
    """H04.FR.01, B04: Expired on the next link; the status of now."""
    scene = scene_of(version)
    reserve(scene, 5, evseId=1, in_s=100)
    scene.disconnect()
    scene.run(for_s=200)
    scene.connect()
    (update,) = scene.sent("ReservationStatusUpdate")
    assert update.payload["reservationUpdateStatus"] == "Expired"
    assert scene.statuses() == ["Reserved", "Available"]


def test_reserve_reset_and_use(version: str) -> None:
    """H01, B11: a reservation outlives a reset, and is then used."""
    scene = scene_of(version)
    reserve(scene, 5, evseId=1)
    scene.call("Reset", type="Immediate")
    scene.run(for_s=30)
    assert scene.statuses()[-1] == "Reserved"
    with_other = start(scene, OTHER_TAG, evseId=1)
    assert with_other["status"] == "Rejected"
    scene.charge()
    assert scene.events("Started")[0]["idToken"] == id_token(TAG)


def test_a_remote_start_that_is_answered_before_what_follows(version: str) -> None:
    """F01.FR.23/25, TC_F_02: one event with RemoteStart, with idToken and remoteStartId."""
    scene = scene_of(version, TxCtrlr__TxStartPoint="Authorized")
    assert start(scene)["status"] == "Accepted"
    (event,) = scene.events()
    assert (event["eventType"], event["triggerReason"]) == ("Started", "RemoteStart")
    assert event["transactionInfo"]["remoteStartId"] == 7
    assert event["idToken"] == id_token()


def test_a_remote_start_after_the_cable_gives_the_transaction_back(version: str) -> None:
    """F02.FR.01, TC_F_04: transactionId of what runs; Updated with RemoteStart."""
    scene = scene_of(version, TxCtrlr__TxStartPoint="EVConnected")
    scene.plug_in()
    answer = start(scene, evseId=1)
    assert answer["transactionId"] == scene.transaction
    assert scene.triggers()[:2] == ["CablePluggedIn", "RemoteStart"]


def test_remote_start_refused_by_authorize_then_started_by_a_tag(version: str) -> None:
    """F01.FR.01/02: AuthorizeRemoteStart true; Invalid; the EVSE is free for others after."""
    scene = scene_of(version, AuthorizeRemoteTxRequests="true")
    scene.on("Authorize", refused())
    scene.plug_in()
    assert start(scene)["status"] == "Accepted"
    assert not scene.events()
    scene.on("Authorize", {"idTokenInfo": {"status": "Accepted"}})
    scene.present_tag(OTHER_TAG)
    (event,) = scene.events("Started")
    assert event["idToken"]["idToken"] == OTHER_TAG
    assert "remoteStartId" not in event["transactionInfo"]


def test_the_remote_start_id_is_not_that_of_an_earlier_start(version: str) -> None:
    """F01: two starts, two ids."""
    scene = scene_of(version)
    for number in (7, 8):
        scene.plug_in()
        start(scene, number=number, evseId=1)
        scene.call("RequestStopTransaction", transactionId=scene.transaction)
        scene.unplug()
    ids = [one["transactionInfo"].get("remoteStartId") for one in scene.events("Started")]
    assert ids == [7, 8]


def test_a_remote_start_at_a_faulted_evse_is_rejected_until_it_is_mended(version: str) -> None:
    """F01, G: Faulted."""
    scene = scene_of(version)
    scene.tell(Failed(1, "GroundFailure"))
    assert start(scene, evseId=1)["status"] == "Rejected"
    scene.tell(FaultCleared(1))
    assert start(scene, evseId=1)["status"] == "Accepted"


def test_the_profile_of_a_remote_start_is_reported_and_gone_with_it(version: str) -> None:
    """F01.FR.08/09, K: TxProfile of the start, with the transactionId that it got."""
    scene = scene_of(version)
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 5000.0}],
    }
    profile = {
        "id": 9,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    }
    scene.plug_in()
    assert start(scene, evseId=1, chargingProfile=profile)["status"] == "Accepted"
    scene.run(for_s=10)
    answer = scene.call("GetChargingProfiles", requestId=1, chargingProfile={})
    assert answer.status == "Accepted"
    (one,) = scene.sent("ReportChargingProfiles")
    assert one["chargingProfile"][0]["transactionId"] == scene.transaction
    scene.call("RequestStopTransaction", transactionId=scene.transaction)
    scene.unplug()
    answer = scene.call("GetChargingProfiles", requestId=2, chargingProfile={})
    assert answer.status == "NoProfiles"


def test_every_trigger_while_a_transaction_runs(version: str) -> None:
    """F06, TC_F_11 to 27: each message once, after its answer."""
    scene = scene_of(version, connectors=2)
    scene.charge()
    asked = {
        "Heartbeat": ["Heartbeat"],
        "MeterValues": ["MeterValues"] * 2,
        "TransactionEvent": ["TransactionEvent"],
        "LogStatusNotification": ["LogStatusNotification"],
        "FirmwareStatusNotification": ["FirmwareStatusNotification"],
    }
    for message, expected in asked.items():
        scene.mark()
        assert scene.call("TriggerMessage", requestedMessage=message).status == "Accepted"
        assert scene.actions() == expected, message
    scene.mark()
    place = {"id": 2, "connectorId": 1}
    scene.call("TriggerMessage", requestedMessage="StatusNotification", evse=place)
    assert scene.statuses(2) == ["Available"]
    assert scene.actions() == ["StatusNotification"]


def test_publish_firmware_is_triggered_where_it_exists(version: str) -> None:
    """F06: PublishFirmwareStatusNotification is answered with a status, never an error."""
    scene = scene_of(version)
    answer = scene.call("TriggerMessage", requestedMessage="PublishFirmwareStatusNotification")
    assert answer.status in ("Accepted", "Rejected", "NotImplemented")
    assert len(scene.actions()) == (answer.status == "Accepted")


def test_triggered_transaction_event_has_a_reading_with_context_trigger(version: str) -> None:
    """F06.FR.07, TC_F_15."""
    scene = scene_of(version)
    scene.charge()
    scene.mark()
    scene.call("TriggerMessage", requestedMessage="TransactionEvent", evse={"id": 1})
    (event,) = scene.events()
    assert event["triggerReason"] == "Trigger"
    contexts = {s["context"] for at in event["meterValue"] for s in at["sampledValue"]}
    assert contexts == {"Trigger"}
    assert event["transactionInfo"]["chargingState"] == "Charging"


def test_unlock_a_reserved_and_an_unavailable_connector(version: str) -> None:
    """F05: nothing speaks against it; the statuses stay."""
    scene = scene_of(version)
    reserve(scene, 5, evseId=1)
    assert scene.call("UnlockConnector", evseId=1, connectorId=1).status == "Unlocked"
    assert scene.statuses() == ["Reserved"]


def test_a_lock_that_fails_is_told_and_nothing_charges(version: str) -> None:
    """G05.FR.01/02, TC_G_17: ConnectorPlugRetentionLock Problem; no energy."""
    scene = scene_of(version)
    scene.tell(LockFailed(1))
    assert scene.call("UnlockConnector", evseId=1, connectorId=1).status == "UnlockFailed"
    scene.tell(LockFailed(1, failed=False))
    assert scene.call("UnlockConnector", evseId=1, connectorId=1).status == "Unlocked"


# ── G ─────────────────────────────────────────────────────────────────────────────────────────────


def test_the_station_is_taken_out_while_one_evse_charges_and_brought_back(version: str) -> None:
    """G04, TC_G_14/15: Scheduled; the idle one at once, the other without an Available between;
    back: both.
    """
    scene = scene_of(version, connectors=2)
    scene.charge(1)
    scene.mark()
    assert available(scene, "Inoperative") == "Scheduled"
    assert scene.statuses(2) == ["Unavailable"]
    scene.present_tag()
    scene.unplug()
    assert scene.statuses(1) == ["Unavailable"]
    assert available(scene, "Operative") == "Accepted"
    assert scene.statuses(1)[-1] == scene.statuses(2)[-1] == "Available"


def test_a_scheduled_change_and_a_reset_in_between(version: str) -> None:
    """G03.FR.05, B12: Scheduled, then Reset Immediate: Unavailable after the boot, told once."""
    scene = scene_of(version)
    scene.charge()
    assert available(scene, "Inoperative", id=1) == "Scheduled"
    scene.call("Reset", type="Immediate")
    scene.mark()
    scene.run(for_s=60)
    assert scene.statuses() == ["Unavailable"]


def test_out_of_service_and_offline(version: str) -> None:
    """G03, B04: the status survives the link; nothing starts offline either."""
    scene = scene_of(version, AllowOfflineTxForUnknownId="true")
    available(scene, "Inoperative", id=1, connectorId=1)
    scene.disconnect()
    scene.plug_in()
    with pytest.raises(Refused):
        scene.present_tag()
    scene.run(for_s=100)
    scene.connect()
    assert scene.statuses() == ["Unavailable", "Unavailable"]
    assert not scene.events()
    available(scene, "Operative", id=1, connectorId=1)
    assert scene.statuses()[-1] == "Occupied"


def test_a_heartbeat_interval_that_is_set_holds_at_once(version: str) -> None:
    """G02, B05: SetVariables HeartbeatInterval."""
    scene = scene_of(version)
    set_to(scene, "OCPPCommCtrlr.HeartbeatInterval", "10")
    scene.mark()
    scene.run(for_s=35)
    assert scene.actions() == ["Heartbeat"] * 3


# ── H ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_cable_in_a_reserved_evse_is_nobodys_until_the_tag_comes(version: str) -> None:
    """H03, TC_H_16: occupied by a cable only, other tag refused, own tag charges."""
    scene = scene_of(version)
    reserve(scene, 5, evseId=1)
    scene.plug_in()
    with contextlib.suppress(Refused):
        scene.present_tag(OTHER_TAG)
    assert not scene.events()
    scene.present_tag()
    assert scene.events("Started")[0]["idToken"]["idToken"] == TAG


def test_reserving_what_is_not_free(version: str) -> None:
    """H01.FR.06 to .14, TC_H_02 to 07."""
    scene = scene_of(version, connectors=2)
    assert reserve(scene, 1, evseId=1) == "Accepted"
    assert reserve(scene, 2, OTHER_TAG, evseId=1) == "Occupied"
    scene.charge(2)
    assert reserve(scene, 3, evseId=2) == "Occupied"
    scene.present_tag(connector_id=2)
    scene.unplug(2)
    available(scene, "Inoperative", id=2)
    assert reserve(scene, 3, evseId=2) == "Unavailable"
    available(scene, "Operative", id=2)
    scene.tell(Failed(2, "GroundFailure"))
    assert reserve(scene, 3, evseId=2) == "Faulted"
    assert reserve(scene, 3, evseId=9) == "Rejected"
    assert reserve(scene, 3, in_s=-10, evseId=2) in ("Rejected", "Faulted")


def test_model_and_statuses_agree_through_a_reservation(version: str) -> None:
    """H01, B06, B07: AvailabilityState Reserved in GetVariables and in the report."""
    scene = scene_of(version)
    reserve(scene, 1, evseId=1)
    assert value(scene, "Connector.AvailabilityState", evse=1, connector=1) == "Reserved"
    told = {
        one["variableAttribute"][0].get("value")
        for one in report(scene)
        if one["component"]["name"] == "Connector"
        and one["variable"]["name"] == "AvailabilityState"
    }
    assert told == {"Reserved"}


def test_an_authorization_on_its_way_when_the_reservation_comes(version: str) -> None:
    """H01, C01: reserved for another while Authorize is open: the other tag does not charge, or
    the reservation is refused.
    """
    scene = scene_of(version)
    scene.on("Authorize", SILENCE)
    scene.charge(tag=OTHER_TAG)
    asked = scene.sent("Authorize")[0]
    answer = reserve(scene, 1, evseId=1)
    scene.reply(asked, {"idTokenInfo": {"status": "Accepted"}})
    assert (answer == "Accepted") != bool(scene.events("Started"))
