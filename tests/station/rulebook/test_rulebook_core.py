"""The rule book on the Core profile and Remote Trigger: the rows of section 3 (messages of the
CSMS) in their order, and the rows of section 2 on CALLs that are out of order.
"""

from __future__ import annotations

import json

import pytest

from builders_station import OTHER_TAG, SILENCE, TAG, Answer, Scene, contexts_of
from simfleet.station.effects import Reboot
from simfleet.station.events import Failed, FaultCleared, LockFailed, ResetWillFail
from simfleet.station.resets import RETRY_S
from simfleet.station.spec import REBOOT_S


def a_booted_scene(connectors: int = 1, **keys: str | int) -> Scene:
    scene = Scene(connectors=connectors, configuration=keys)
    scene.boot()
    scene.mark()
    return scene


def a_scene_answered(status: str) -> Scene:
    """A station whose BootNotification was answered so."""
    scene = Scene()
    scene.on(
        "BootNotification",
        lambda _: {"status": status, "currentTime": scene.clock, "interval": 1000},
    )
    scene.boot()
    scene.mark()
    return scene


# ── ChangeAvailability ──────────────────────────────────────────────────────────────────────────


def change(scene: Scene, connector: int, kind: str) -> str:
    return scene.call("ChangeAvailability", connectorId=connector, type=kind).status


@pytest.mark.parametrize("connector", [-1, 3])
def test_availability_of_an_unknown_connector_is_rejected(connector: int) -> None:
    """Section 3, ChangeAvailability: connector unknown."""
    assert change(a_booted_scene(2), connector, "Inoperative") == "Rejected"


def test_availability_that_changes_is_told_for_that_connector() -> None:
    """Section 3, ChangeAvailability: Accepted and changed -> StatusNotification."""
    scene = a_booted_scene(2)
    assert change(scene, 2, "Inoperative") == "Accepted"
    assert [scene.statuses(n) for n in (0, 1, 2)] == [[], [], ["Unavailable"]]


def test_availability_of_connector_0_is_that_of_all() -> None:
    """Section 3, ChangeAvailability: StatusNotifications, connector 0 means all."""
    scene = a_booted_scene(2)
    change(scene, 0, "Inoperative")
    assert [scene.statuses(n) for n in (0, 1, 2)] == [["Unavailable"]] * 3


@pytest.mark.parametrize("connector", [0, 1])
def test_availability_waits_for_the_transaction(connector: int) -> None:
    """Section 3, ChangeAvailability: Scheduled when a transaction runs (connector 0: any), applied
    at its end; section 5: without an Available in between.
    """
    scene = a_booted_scene()
    scene.charge()
    assert change(scene, connector, "Inoperative") == "Scheduled"
    scene.present_tag()
    assert scene.statuses() == ["Preparing", "Charging", "Unavailable"]


@pytest.mark.parametrize("kind", ["Operative", "Inoperative"])
def test_availability_that_is_so_already_is_accepted_without_a_message(kind: str) -> None:
    """Section 3, ChangeAvailability: already in that state."""
    scene = a_booted_scene()
    change(scene, 1, kind)
    scene.mark()
    assert change(scene, 1, kind) == "Accepted"
    assert scene.sent() == []


@pytest.mark.parametrize("reboot", ["Soft", "Hard", "power"])
@pytest.mark.parametrize("scheduled", [False, True])
def test_availability_persists(reboot: str, scheduled: bool) -> None:
    """Section 3, ChangeAvailability: persist; section 5: scheduled survives reboot."""
    scene = a_booted_scene()
    if scheduled:
        scene.charge()
    change(scene, 1, "Inoperative")
    if reboot == "power":
        scene.cycle_power()
    else:
        scene.call("Reset", type=reboot)
    scene.run(for_s=60)
    assert scene.statuses()[-1] == "Unavailable"
    assert "Available" not in scene.statuses()


# ── ChangeConfiguration, GetConfiguration ───────────────────────────────────────────────────────


def configure(scene: Scene, key: str, value: str) -> str:
    return scene.call("ChangeConfiguration", key=key, value=value).status


def values_of(answer: Answer) -> dict[str, str | None]:
    return {one["key"]: one.get("value") for one in answer.payload.get("configurationKey", [])}


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("NoSuchKey", "1", "NotSupported"),
        ("NumberOfConnectors", "1", "Rejected"),
        ("HeartbeatInterval", "-1", "Rejected"),
        ("HeartbeatInterval", "99999999999", "Rejected"),
        ("HeartbeatInterval", "ten", "Rejected"),
        ("MeterValueSampleInterval", "-1", "Rejected"),
        ("MeterValuesSampledData", "Energy.Active.Import.Register,Nonsense", "Rejected"),
        ("LocalPreAuthorize", "maybe", "Rejected"),
        ("heartbeatinterval", "60", "Accepted"),
        ("LocalPreAuthorize", "TRUE", "Accepted"),
    ],
)
def test_a_change_is_answered_by_key_type_and_range(key: str, value: str, status: str) -> None:
    """Section 3, ChangeConfiguration: unknown NotSupported; read-only, out of range, -1, a bad
    measurand list Rejected; else Accepted.
    """
    scene = a_booted_scene()
    assert configure(scene, key, value) == status
    assert scene.sent() == []


def test_a_new_heartbeat_interval_restarts_the_timer_at_once() -> None:
    """Section 3, ChangeConfiguration: HeartbeatInterval."""
    scene = a_booted_scene()
    configure(scene, "HeartbeatInterval", "20")
    scene.run(for_s=61)
    times = [one.at_s - scene.began_s for one in scene.sent("Heartbeat")]
    assert times == [20, 40, 60]


@pytest.mark.parametrize(
    ("key", "silences"),
    [
        ("HeartbeatInterval", "Heartbeat"),
        ("MeterValueSampleInterval", "MeterValues"),
        ("ClockAlignedDataInterval", "MeterValues"),
    ],
)
def test_interval_0_is_off(key: str, silences: str) -> None:
    """Section 3, ChangeConfiguration: intervals 0 = off."""
    scene = a_booted_scene(ClockAlignedDataInterval=0, MeterValueSampleInterval=0)
    configure(scene, key, "30")
    configure(scene, key, "0")
    scene.charge()
    scene.run(for_s=3000)
    assert silences not in scene.actions()


def test_connection_time_out_and_measurands_hold_at_once() -> None:
    """Section 3, ChangeConfiguration: ConnectionTimeOut, MeterValuesSampledData live."""
    scene = a_booted_scene(MeterValueSampleInterval=10)
    scene.charge()
    configure(scene, "MeterValuesSampledData", "Voltage")
    scene.run(for_s=10)
    (message,) = scene.sent("MeterValues")
    assert {one["measurand"] for one in message["meterValue"][0]["sampledValue"]} == {"Voltage"}
    scene.unplug()
    configure(scene, "ConnectionTimeOut", "5")
    scene.present_tag()
    scene.run(for_s=5)
    assert scene.statuses()[-2:] == ["Preparing", "Available"]


@pytest.mark.parametrize("reboot", ["Soft", "Hard", "power"])
def test_the_configuration_persists(reboot: str) -> None:
    """Section 3, ChangeConfiguration: persist."""
    scene = a_booted_scene()
    configure(scene, "ConnectionTimeOut", "17")
    if reboot == "power":
        scene.cycle_power()
    else:
        scene.call("Reset", type=reboot)
    scene.run(for_s=30)
    answer = scene.call("GetConfiguration", key=["ConnectionTimeOut"])
    assert values_of(answer) == {"ConnectionTimeOut": "17"}


def test_no_keys_are_all_keys_but_the_write_only_ones() -> None:
    """Section 3, GetConfiguration: no keys = all; write-only keys hidden."""
    values = values_of(a_booted_scene().call("GetConfiguration"))
    assert "HeartbeatInterval" in values
    assert "AuthorizationKey" not in values


def test_unknown_keys_are_named() -> None:
    """Section 3, GetConfiguration: unknown -> unknownKey."""
    answer = a_booted_scene().call("GetConfiguration", key=["ConnectionTimeOut", "NoSuchKey"])
    assert answer.payload["unknownKey"] == ["NoSuchKey"]
    assert list(values_of(answer)) == ["ConnectionTimeOut"]


def test_too_many_keys_are_refused() -> None:
    """Section 3, GetConfiguration: more than GetConfigurationMaxKeys -> refuse."""
    scene = a_booted_scene(GetConfigurationMaxKeys=1)
    answer = scene.call("GetConfiguration", key=["ConnectionTimeOut", "HeartbeatInterval"])
    assert answer.error == "OccurenceConstraintViolation"


# ── ClearCache, DataTransfer ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("enabled", "status"), [("true", "Accepted"), ("false", "Rejected")])
def test_a_cache_is_cleared_where_there_is_one(enabled: str, status: str) -> None:
    """Section 3, ClearCache: Accepted; Rejected if no cache."""
    scene = a_booted_scene(AuthorizationCacheEnabled=enabled)
    assert scene.call("ClearCache").status == status
    assert scene.sent() == []


def test_data_that_nobody_understands_is_told_apart() -> None:
    """Section 3, DataTransfer: UnknownVendorId / UnknownMessageId."""
    scene = a_booted_scene()
    assert scene.call("DataTransfer", vendorId="com.other").status == "UnknownVendorId"
    assert scene.call("DataTransfer", vendorId="SimFleet").status == "UnknownMessageId"


# ── RemoteStartTransaction, RemoteStopTransaction ───────────────────────────────────────────────


def remote_start(scene: Scene, connector: int | None = 1, tag: str = TAG) -> str:
    where = {} if connector is None else {"connectorId": connector}
    return scene.call("RemoteStartTransaction", idTag=tag, **where).status


@pytest.mark.parametrize("connector", [0, 2])
def test_a_remote_start_on_connector_0_or_an_unknown_one_is_rejected(connector: int) -> None:
    """Section 3, RemoteStartTransaction: connector 0, unknown."""
    assert remote_start(a_booted_scene(), connector) == "Rejected"


@pytest.mark.parametrize("state", ["charging", "finishing", "unavailable", "faulted", "pending"])
@pytest.mark.parametrize("connector", [None, 1])
def test_a_remote_start_on_a_busy_connector_is_rejected(state: str, connector: int | None) -> None:
    """Section 3, RemoteStartTransaction: busy (other than Preparing), Unavailable, Faulted, already
    a pending start; no connectorId: the station picks or rejects.
    """
    scene = a_booted_scene()
    match state:
        case "charging":
            scene.charge()
        case "finishing":
            scene.charge()
            scene.present_tag()
        case "unavailable":
            change(scene, 1, "Inoperative")
        case "faulted":
            scene.tell(Failed())
        case "pending":
            remote_start(scene)
    assert remote_start(scene, connector, OTHER_TAG) == "Rejected"


def test_a_remote_start_while_the_boot_is_pending_is_rejected() -> None:
    """Section 3, RemoteStartTransaction: Pending boot; section 2: so is RemoteStop."""
    scene = a_scene_answered("Pending")
    assert remote_start(scene) == "Rejected"
    assert scene.call("RemoteStopTransaction", transactionId=1).status == "Rejected"


def test_a_remote_start_while_preparing_starts_with_the_given_tag() -> None:
    """Section 3, RemoteStartTransaction: StartTransaction with that idTag."""
    scene = a_booted_scene()
    scene.plug_in()
    assert remote_start(scene, None, OTHER_TAG) == "Accepted"
    assert scene.sent("StartTransaction")[0]["idTag"] == OTHER_TAG
    assert scene.statuses() == ["Preparing", "Charging"]


def test_a_remote_start_without_a_cable_is_forgotten_after_connection_time_out() -> None:
    """Section 3, RemoteStartTransaction: Preparing; ConnectionTimeOut -> Available."""
    scene = a_booted_scene(ConnectionTimeOut=15)
    remote_start(scene)
    scene.run(for_s=15)
    assert scene.statuses() == ["Preparing", "Available"]


@pytest.mark.parametrize(("asks", "count"), [("true", 1), ("false", 0)])
def test_a_remote_start_is_authorized_where_the_key_says_so(asks: str, count: int) -> None:
    """Section 3, RemoteStartTransaction: AuthorizeRemoteTxRequests true -> Authorize."""
    scene = a_booted_scene(AuthorizeRemoteTxRequests=asks)
    scene.plug_in()
    remote_start(scene)
    assert len(scene.sent("Authorize")) == count
    assert len(scene.sent("StartTransaction")) == 1


def test_a_remote_stop_ends_the_transaction_that_runs() -> None:
    """Section 3, RemoteStopTransaction: reason Remote, no idTag; Finishing; else Rejected."""
    scene = a_booted_scene()
    scene.charge()
    number = scene.transaction_id
    assert scene.call("RemoteStopTransaction", transactionId=number + 1).status == "Rejected"
    assert scene.call("RemoteStopTransaction", transactionId=number).status == "Accepted"
    (stop,) = scene.sent("StopTransaction")
    assert (stop["reason"], "idTag" in stop.payload) == ("Remote", False)
    assert scene.statuses()[-1] == "Finishing"
    assert scene.call("RemoteStopTransaction", transactionId=number).status == "Rejected"


# ── Reset ───────────────────────────────────────────────────────────────────────────────────────


def test_a_soft_reset_stops_tells_and_boots() -> None:
    """Section 3, Reset: Soft: StopTransaction SoftReset for each, Finishing, then boot, then
    status of all.
    """
    scene = a_booted_scene(2)
    scene.charge(1)
    scene.charge(2, tag=OTHER_TAG)
    scene.mark()
    assert scene.call("Reset", type="Soft").status == "Accepted"
    scene.run(for_s=60)
    assert [one["reason"] for one in scene.sent("StopTransaction")] == ["SoftReset"] * 2
    boot = scene.actions().index("BootNotification")
    assert scene.actions()[:boot].count("StatusNotification") == 2
    after = [one["connectorId"] for one in scene.sent()[boot:] if "connectorId" in one.payload]
    assert after == [0, 1, 2]


def test_a_hard_reset_boots_at_once_and_tells_of_the_stop() -> None:
    """Section 3, Reset: Hard: reboot at once, StopTransaction HardReset before or after boot."""
    scene = a_booted_scene()
    scene.charge()
    scene.mark()
    scene.call("Reset", type="Hard")
    assert scene.seen(Reboot) == [Reboot(REBOOT_S)]
    scene.run(for_s=60)
    assert scene.actions()[0] == "BootNotification"
    assert scene.sent("StopTransaction")[0]["reason"] == "HardReset"


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
def test_a_reset_that_does_not_come_off_is_tried_again(kind: str) -> None:
    """Section 3, Reset: Accepted (ResetRetries)."""
    scene = a_booted_scene(ResetRetries=2)
    scene.tell(ResetWillFail(2))
    assert scene.call("Reset", type=kind).status == "Accepted"
    scene.run(for_s=2 * RETRY_S - 1)
    assert scene.seen(Reboot) == []
    scene.run(for_s=2 + REBOOT_S)
    assert len(scene.seen(Reboot)) == 1
    assert scene.actions()[0] == "BootNotification"


def test_a_reset_that_failed_too_often_is_given_up_and_told() -> None:
    """Section 3, Reset: ResetRetries; error code ResetFailure."""
    scene = a_booted_scene(ResetRetries=2)
    scene.charge()
    scene.tell(ResetWillFail(3))
    scene.call("Reset", type="Soft")
    scene.run(for_s=10 * RETRY_S)
    assert scene.seen(Reboot) == []
    (status,) = [one for one in scene.sent("StatusNotification") if one["connectorId"] == 0]
    assert (status["status"], status["errorCode"]) == ("Faulted", "ResetFailure")
    assert scene.sent("StopTransaction")[0]["reason"] == "SoftReset"
    scene.mark()
    assert scene.call("Reset", type="Hard").status == "Accepted"
    scene.run(for_s=60)
    assert scene.statuses(0) == ["Available"]


def test_a_fault_of_a_stuck_reset_can_be_cleared_by_hand() -> None:
    """Section 3, Reset: ResetRetries 0 means one attempt."""
    scene = a_booted_scene(ResetRetries=0)
    scene.tell(ResetWillFail())
    scene.call("Reset", type="Hard")
    assert scene.statuses(0) == ["Faulted"]
    scene.tell(FaultCleared(0))
    assert scene.statuses(0) == ["Faulted", "Available"]
    scene.tell(ResetWillFail(5))
    scene.tell(ResetWillFail(0))
    scene.call("Reset", type="Hard")
    assert len(scene.seen(Reboot)) == 1


def test_a_driver_who_comes_between_two_attempts_is_stopped_by_the_next() -> None:
    """Section 3, Reset: StopTransaction for each."""
    scene = a_booted_scene()
    scene.tell(ResetWillFail(1))
    scene.call("Reset", type="Hard")
    scene.charge()
    scene.run(for_s=60)
    assert scene.sent("StopTransaction")[0]["reason"] == "HardReset"


# ── TriggerMessage ──────────────────────────────────────────────────────────────────────────────


def trigger(scene: Scene, message: str, connector: int | None = None) -> str:
    where = {} if connector is None else {"connectorId": connector}
    return scene.call("TriggerMessage", requestedMessage=message, **where).status


@pytest.mark.parametrize("message", ["BootNotification", "Heartbeat"])
def test_a_trigger_sends_exactly_the_asked_message(message: str) -> None:
    """Section 3, TriggerMessage: exactly the asked message."""
    scene = a_booted_scene()
    assert trigger(scene, message) == "Accepted"
    assert scene.actions() == [message]


def test_a_trigger_without_connector_is_for_all() -> None:
    """Section 3, TriggerMessage: connectorId omitted = all connectors."""
    scene = a_booted_scene(2)
    trigger(scene, "StatusNotification")
    trigger(scene, "MeterValues")
    assert [one["connectorId"] for one in scene.sent("StatusNotification")] == [0, 1, 2]
    assert [one["connectorId"] for one in scene.sent("MeterValues")] == [1, 2]


def test_triggered_meter_values_have_their_context() -> None:
    """Section 3, TriggerMessage: MeterValues with context Trigger."""
    scene = a_booted_scene()
    trigger(scene, "MeterValues", 1)
    assert contexts_of(scene.sent("MeterValues")[0]) == {"Trigger"}


@pytest.mark.parametrize("message", ["MeterValues", "StatusNotification"])
def test_a_trigger_for_a_connector_out_of_range_is_rejected(message: str) -> None:
    """Section 3, TriggerMessage: Rejected (connector out of range)."""
    assert trigger(a_booted_scene(), message, 2) == "Rejected"


# ── UnlockConnector ─────────────────────────────────────────────────────────────────────────────


def unlock(scene: Scene, connector: int = 1) -> str:
    return scene.call("UnlockConnector", connectorId=connector).status


def test_unlocking_ends_a_transaction() -> None:
    """Section 3, UnlockConnector: StopTransaction UnlockCommand -> Finishing."""
    scene = a_booted_scene()
    scene.charge()
    assert unlock(scene) == "Unlocked"
    assert scene.sent("StopTransaction")[0]["reason"] == "UnlockCommand"
    assert scene.statuses()[-1] == "Finishing"


def test_a_lock_may_fail() -> None:
    """Section 3, UnlockConnector: UnlockFailed."""
    scene = a_booted_scene()
    scene.tell(LockFailed())
    assert unlock(scene) == "UnlockFailed"


@pytest.mark.parametrize("connector", [0, 2])
def test_an_unknown_connector_has_no_lock(connector: int) -> None:
    """Section 3, UnlockConnector: NotSupported (unknown connector)."""
    assert unlock(a_booted_scene(), connector) == "NotSupported"


@pytest.mark.parametrize("fixed", ["DC", "tethered AC"])
def test_a_cable_of_the_stations_own_has_no_lock_and_the_transaction_goes_on(fixed: str) -> None:
    """Section 3, UnlockConnector: NotSupported (fixed cable)."""
    scene = Scene(kind="DC") if fixed == "DC" else Scene(fixed_cable=True)
    scene.boot()
    scene.charge()
    assert unlock(scene) == "NotSupported"
    assert scene.sent("StopTransaction") == []


# ── section 2: what is out of order ─────────────────────────────────────────────────────────────


def raw_answers(scene: Scene, frame: str) -> list[list[object]]:
    """What the station says to raw bytes."""
    scene.station.receive(frame.encode(), at_s=scene.now_s)
    return [json.loads(one) for one in scene.station.take_frames()]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('[2,"x","MakeCoffee",{}]', "NotImplemented"),
        ('[2,"x","StartTransaction",{}]', "NotSupported"),
        ('[2,"x","Reset",{}]', "OccurenceConstraintViolation"),
        ('[2,"x","Reset",{"type":"Soft","now":true}]', "FormationViolation"),
        ('[2,"x","UnlockConnector",{"connectorId":"1"}]', "TypeConstraintViolation"),
        ('[2,"x","Reset",{"type":"Gentle"}]', "PropertyConstraintViolation"),
    ],
)
def test_an_invalid_call_is_refused_with_the_code_of_its_mistake(frame: str, code: str) -> None:
    """Section 2: unknown action, wrong direction, missing / extra / wrong type / bad enum; an error
    answers a CALL, its description has at most 255 characters, its details are an object.
    """
    ((kind, message_id, error, description, details),) = raw_answers(a_booted_scene(), frame)
    assert (kind, message_id, error) == (4, "x", code)
    assert len(str(description)) <= 255
    assert isinstance(details, dict)


@pytest.mark.parametrize("frame", ["{not json", "[]", '[9,"x",{}]', '[3,"unasked",{}]', "7"])
def test_what_is_no_call_is_answered_by_nothing_or_an_error_without_id(frame: str) -> None:
    """Section 2: unparseable frame, unknown message type."""
    scene = a_booted_scene()
    answers = raw_answers(scene, frame)
    assert all(one[0] == 4 and one[2] == "GenericError" for one in answers)
    assert scene.call("ClearCache").error is None


@pytest.mark.parametrize(
    ("profile", "action", "payload"),
    [
        ("RemoteTrigger", "TriggerMessage", {"requestedMessage": "Heartbeat"}),
        ("Reservation", "CancelReservation", {"reservationId": 1}),
        ("SmartCharging", "ClearChargingProfile", {}),
        ("FirmwareManagement", "GetDiagnostics", {"location": "ftp://example/x"}),
    ],
)
def test_an_action_whose_profile_is_off_is_not_supported(
    profile: str, action: str, payload: dict[str, object]
) -> None:
    """Section 2: known action, profile off -> NotSupported (or the .conf's own word)."""
    scene = a_booted_scene(SupportedFeatureProfiles="Core")
    answer = scene.call(action, **payload)
    assert answer.error == "NotSupported" or answer.status in ("Rejected", "Unknown"), profile
    assert scene.sent() == []


def test_the_csms_is_answered_while_a_call_of_the_station_waits() -> None:
    """Section 2: one CALL in flight per direction; CSMS calls must still be answered."""
    scene = a_booted_scene()
    scene.on("StatusNotification", SILENCE)
    scene.plug_in()
    scene.present_tag()
    assert scene.call("ClearCache").error is None
    assert scene.actions() == ["StatusNotification"]  # Authorize waits for its turn


def test_a_rejected_station_answers_nothing_and_sends_boot_notifications_alone() -> None:
    """Section 2, allowed before Accepted: Rejected."""
    scene = a_scene_answered("Rejected")
    message_id = scene.call_without_answer("ClearCache")
    scene.charge()
    scene.run(for_s=2500)
    assert message_id not in scene.answers
    assert set(scene.actions()) == {"BootNotification"}


def test_a_pending_station_answers_and_sends_what_is_asked_for() -> None:
    """Section 2, allowed before Accepted: Pending; no Heartbeat, StatusNotification, MeterValues
    of its own.
    """
    scene = a_scene_answered("Pending")
    scene.plug_in()
    scene.run(for_s=900)
    assert scene.sent() == []
    assert scene.call("GetConfiguration").error is None
    assert trigger(scene, "StatusNotification", 1) == "Accepted"
    assert scene.statuses() == ["Preparing"]


def test_a_driver_at_a_pending_station_does_not_wait_for_the_csms() -> None:
    """Section 2: no Authorize while Pending; section 5: Authorize is not queued, the rules for
    being offline hold.
    """
    for allowed, starts in (("true", 1), ("false", 0)):
        scene = Scene(configuration={"AllowOfflineTxForUnknownId": allowed})
        scene.on(
            "BootNotification",
            lambda _, scene=scene: {  # type: ignore[misc]
                "status": "Pending",
                "currentTime": scene.clock,
                "interval": 100,
            },
            lambda _, scene=scene: {  # type: ignore[misc]
                "status": "Accepted",
                "currentTime": scene.clock,
                "interval": 100,
            },
        )
        scene.boot()
        scene.charge()
        scene.run(for_s=101)
        assert scene.sent("Authorize") == []
        assert len(scene.sent("StartTransaction")) == starts
