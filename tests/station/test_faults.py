"""Faults on purpose: what each kind does on the wire, when it ends, and what it leaves alone."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest

from builders_faults import FaultyScene
from builders_station import SILENCE, TAG, Error, Scene, samples_of
from simfleet.errors import Refused
from simfleet.ocpp.v16 import V16
from simfleet.ocpp.v16.messages import ChargePointErrorCode
from simfleet.station import fault_kinds as kinds
from simfleet.station.effects import CommandHandled, TransactionClosed, TransactionDelivered
from simfleet.station.events import FaultCleared, FaultInjected, FaultRemoved
from simfleet.station.fault_kinds import Fault
from simfleet.station.resets import RETRY_S

DECODER = msgspec.json.Decoder(Fault)
ERROR_CODES = [code for code in get_args(ChargePointErrorCode) if code != "NoError"]


def a_booted_scene(
    *, seed: int = 1, connectors: int = 1, beat_s: int = 0, **keys: str | int
) -> FaultyScene:
    configuration = {"MeterValueSampleInterval": 10, **keys}
    scene = FaultyScene(connectors=connectors, configuration=configuration, seed=seed)
    if beat_s:
        answer = {"status": "Accepted", "currentTime": scene.clock, "interval": beat_s}
        scene.on("BootNotification", answer)
    scene.boot()
    scene.mark()
    return scene


def a_charging_scene(*, connectors: int = 1, **keys: Any) -> FaultyScene:
    scene = a_booted_scene(connectors=connectors, **keys)
    scene.charge()
    scene.run(for_s=5)
    scene.mark()
    return scene


def register_of(sent: Any) -> float:
    return samples_of(sent["meterValue"][0])["Energy.Active.Import.Register"]


# ── how they are written ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", kinds.FAULTS, ids=lambda kind: kind.__name__)
def test_a_fault_reads_back_as_it_was_written(kind: type[Any]) -> None:
    all_needed: dict[str, dict[str, Any]] = {
        "error_code": {"error_code": "GroundFailure"},
        "register_jump": {"wh": 5.0},
        "clock_skew": {"seconds": -5.0},
    }
    needed = all_needed.get(str(kind.__struct_config__.tag), {})
    fault = kind(**needed)
    assert DECODER.decode(msgspec.json.encode(fault)) == fault


def test_the_names_of_the_kinds_are_those_of_the_structs() -> None:
    assert get_args(kinds.FaultKind) == kinds.KINDS


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"kind": "no_such"}',
        '{"kind": "frozen_meter", "fors_s": 3}',
        '{"kind": "frozen_meter", "for_s": 0}',
        '{"kind": "missing_stop", "count": 0}',
        '{"kind": "missing_stop", "share": 1.5}',
        '{"kind": "error_code"}',
        '{"kind": "error_code", "error_code": "Tired"}',
    ],
)
def test_what_is_no_fault_is_refused_by_its_type(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        DECODER.decode(text)


@pytest.mark.parametrize(
    ("fault", "where"),
    [
        (kinds.ErrorCodeFault(error_code="NoError"), "error_code"),
        (kinds.FrozenMeter(connector_id=2), "connector_id"),
        (kinds.RegisterJump(wh=0), "wh"),
        (kinds.ClockSkew(seconds=0), "seconds"),
        (kinds.MalformedFrame(actions=("Reset",)), "actions"),
        (kinds.UnansweredCall(actions=("Heartbeat",)), "actions"),
        (kinds.ResponseOverride(), "nothing is overridden"),
        (kinds.ResponseOverride(status="Rejected"), "actions"),
        (kinds.ResponseOverride(actions=("Reset",), status="Faulted"), "Accepted, Rejected"),
        (kinds.ResponseOverride(actions=("GetConfiguration",), status="Rejected"), "no status"),
        (kinds.ResponseOverride(error_code="Nope"), "InternalError"),
        (
            kinds.ResponseOverride(
                actions=("Reset",), status="Rejected", error_code="InternalError"
            ),
            "not both",
        ),
    ],
)
def test_what_a_station_cannot_have_is_refused_and_says_what_it_could(
    fault: Fault, where: str
) -> None:
    scene = a_booted_scene()
    with pytest.raises(Refused, match=where):
        scene.inject(fault)
    assert scene.station.faults is None or scene.station.faults.all() == []


def test_a_station_has_so_many_faults_and_no_more() -> None:
    scene = a_booted_scene()
    for _ in range(32):
        scene.inject(kinds.MissingStop())
    with pytest.raises(Refused, match="32 faults already"):
        scene.inject(kinds.MissingStop())


# ── error codes ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_error_code_is_told_and_taken_back(code: Any) -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ErrorCodeFault(error_code=code, info="why", vendor_error_code="E-7"))
    (told,) = scene.sent("StatusNotification")
    assert (told["status"], told["errorCode"], told["info"]) == ("Faulted", code, "why")
    assert (told["vendorErrorCode"], told["vendorId"]) == ("E-7", scene.station.spec.vendor)
    (acted,) = scene.injected("error_code")
    assert json.loads(acted.frame)[1] == told.id
    scene.cure("error_code")
    again = scene.sent("StatusNotification")[-1]
    assert (again["status"], again["errorCode"]) == ("Available", "NoError")


def test_an_error_ends_the_transaction_there_or_does_not() -> None:
    scene = a_charging_scene()
    scene.inject(kinds.ErrorCodeFault(error_code="HighTemperature", stop_transaction=False))
    (told,) = scene.sent("StatusNotification")
    assert (told["status"], told["errorCode"]) == ("Charging", "HighTemperature")
    assert not scene.sent("StopTransaction")
    scene.cure()
    assert scene.sent("StatusNotification")[-1]["errorCode"] == "NoError"
    scene.inject(kinds.ErrorCodeFault(error_code="GroundFailure"))
    assert scene.sent("StopTransaction")
    assert scene.statuses()[-1] == "Faulted"


def test_an_error_of_the_station_is_told_of_connector_0() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ErrorCodeFault(error_code="InternalError", connector_id=0, for_s=5))
    scene.run(for_s=6)
    told = [(one["connectorId"], one["errorCode"]) for one in scene.sent("StatusNotification")]
    assert told == [(0, "InternalError"), (0, "NoError")]


def test_an_error_ends_by_itself() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ErrorCodeFault(error_code="OtherError", for_s=30))
    scene.run(for_s=29)
    assert scene.statuses() == ["Faulted"]
    scene.run(for_s=2)
    assert scene.statuses() == ["Faulted", "Available"]
    assert scene.acted() == {}


def test_an_error_that_somebody_has_repaired_is_gone() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ErrorCodeFault(error_code="OtherError", for_s=30))
    scene.tell(FaultCleared(1))
    assert scene.acted() == {}
    scene.inject(kinds.ErrorCodeFault(error_code="GroundFailure"))
    scene.run(for_s=60)
    assert scene.statuses() == ["Faulted", "Available", "Faulted"]


# ── meter and clock ─────────────────────────────────────────────────────────────────────────────


def test_a_frozen_meter_stands_still_while_energy_flows_and_is_right_afterwards() -> None:
    scene = a_charging_scene()
    scene.inject(kinds.FrozenMeter(for_s=30))
    scene.run(for_s=26)
    frozen = scene.sent("MeterValues")
    assert [register_of(one) for one in frozen] == [15.0] * 3  # 5 s at 11 kW
    assert len(scene.injected("frozen_meter")) == 3
    scene.run(for_s=10)
    after_wh = register_of(scene.sent("MeterValues")[-1])
    assert after_wh == pytest.approx(11_000 * 40 / 3600, abs=2)
    assert scene.acted() == {}


def test_a_frozen_meter_tells_old_values_at_start_and_stop_and_says_by_how_much() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.FrozenMeter())
    scene.charge()
    scene.run(for_s=36)
    scene.present_tag()
    (start,), (stop,) = scene.sent("StartTransaction"), scene.sent("StopTransaction")
    assert start["meterStart"] == stop["meterStop"] == 0
    (closed,) = scene.seen(TransactionClosed)
    assert closed.energy_wh == pytest.approx(110, abs=1)
    ((what, energy_wh),) = scene.excused()
    assert what == "told_apart"
    assert energy_wh == pytest.approx(-closed.energy_wh, abs=0.01)


def test_what_was_told_at_the_start_is_reckoned_with_when_the_meter_runs_again() -> None:
    scene = a_charging_scene()
    scene.present_tag()
    scene.unplug()
    scene.inject(kinds.FrozenMeter())
    scene.charge()
    scene.run(for_s=36)
    scene.cure("frozen_meter")
    scene.present_tag()
    assert [what for what, _ in scene.excused()] == ["told_apart"]
    start, stop = scene.sent("StartTransaction")[-1], scene.sent("StopTransaction")[-1]
    assert stop["meterStop"] - start["meterStart"] == pytest.approx(110, abs=2)


def test_a_register_jumps_once_and_for_good() -> None:
    scene = a_charging_scene()
    scene.inject(kinds.RegisterJump(wh=5000))
    assert scene.acted() == {}
    scene.run(for_s=20)
    assert register_of(scene.sent("MeterValues")[0]) > 5000
    scene.present_tag()
    (closed,) = scene.seen(TransactionClosed)
    assert closed.energy_wh - closed.integral_wh == pytest.approx(5000, abs=0.01)
    assert scene.excused() == [("jumped", 5000)]


def test_a_register_never_jumps_below_zero() -> None:
    scene = a_charging_scene()
    had_wh = scene.station.connectors[0].meter.energy_wh
    scene.inject(kinds.RegisterJump(wh=-1_000_000))
    (jumped, down) = scene.excused()
    assert scene.station.connectors[0].meter.energy_wh == pytest.approx(0, abs=1e-6)
    assert jumped[1] < -had_wh + 1e-3
    assert down[0] == "register_down"


def test_the_clock_is_wrong_until_the_fault_ends_whatever_the_csms_says() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ClockSkew(seconds=-3600, for_s=900))
    scene.run(for_s=700)  # heartbeats, each answered with the right time
    assert scene.sent("Heartbeat")
    scene.plug_in()
    assert scene.sent("StatusNotification")[-1].wall_s == pytest.approx(scene.wall_s - 3600, abs=2)
    scene.run(for_s=300)
    scene.unplug()
    assert scene.sent("StatusNotification")[-1].wall_s == pytest.approx(scene.wall_s, abs=2)


def test_frames_with_a_wrong_time_are_labelled() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ClockSkew(seconds=60))
    scene.charge()
    labelled = {json.loads(one.frame)[2] for one in scene.injected("clock_skew")}
    assert labelled == {"StatusNotification", "StartTransaction"}


# ── transactions ────────────────────────────────────────────────────────────────────────────────


def test_a_stop_is_never_sent() -> None:
    scene = a_charging_scene()
    scene.inject(kinds.MissingStop(count=1))
    scene.present_tag()
    scene.run(for_s=100)
    assert not scene.sent("StopTransaction")
    assert scene.station.drained
    assert [what for what, _ in scene.excused()] == ["stop_lost"]
    assert scene.excused()[0][1] == pytest.approx(15, abs=1)
    scene.unplug()
    scene.charge()
    scene.present_tag()
    assert scene.sent("StopTransaction")  # once was all


def test_a_start_is_sent_twice_and_changes_nothing_the_second_time() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.DuplicateStart(count=1))
    scene.charge()
    first, second = scene.sent("StartTransaction")
    assert first.id != second.id
    assert first.payload == second.payload
    assert len([one for one in scene.seen(TransactionDelivered) if one.what == "start"]) == 1
    scene.run(for_s=12)
    assert scene.sent("MeterValues")[0]["transactionId"] == scene.transaction_id - 1
    assert [json.loads(one.frame)[1] for one in scene.injected()] == [second.id]
    scene.unplug()
    assert len(scene.sent("StopTransaction")) == 1
    assert scene.station.drained


def test_a_repeated_start_whose_answer_is_lost_is_sent_again_with_the_next_link() -> None:
    scene = a_booted_scene()
    accepted = {"transactionId": 77, "idTagInfo": {"status": "Accepted"}}
    scene.on("StartTransaction", accepted, SILENCE)
    scene.inject(kinds.DuplicateStart(count=1))
    scene.charge()
    assert len(scene.sent("StartTransaction")) == 2
    scene.disconnect()
    scene.on("StartTransaction", {**accepted, "transactionId": 78})
    scene.connect()
    scene.run(for_s=12)
    assert len(scene.sent("StartTransaction")) == 3
    assert scene.sent("MeterValues")[-1]["transactionId"] == 77
    assert scene.station.outbox.durable == []


@pytest.mark.parametrize("messages", ["all", "MeterValues", "StopTransaction"])
def test_another_id_is_in_the_messages_of_a_transaction(messages: Any) -> None:
    scene = a_charging_scene()
    right = scene.transaction_id
    scene.inject(kinds.WrongTransactionId(messages=messages))
    scene.run(for_s=10)
    scene.present_tag()
    (sample,), (stop,) = scene.sent("MeterValues"), scene.sent("StopTransaction")
    assert (sample["transactionId"] == right) == (messages == "StopTransaction")
    assert (stop["transactionId"] == right) == (messages == "MeterValues")
    whats = [what for what, _ in scene.excused()]
    assert whats == ([] if messages == "MeterValues" else ["stray_stop", "stop_misnamed"])


# ── frames ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("form", "kind"),
    [
        ("not_json", "malformed"),
        ("not_an_array", "malformed"),
        ("wrong_type", "malformed"),
        ("unknown_action", "unknown_action"),
    ],
)
def test_a_frame_is_malformed_once_and_what_it_said_is_said_again(form: Any, kind: str) -> None:
    scene = a_charging_scene(TransactionMessageRetryInterval=5)
    scene.inject(kinds.MalformedFrame(form=form, count=1, actions=("StopTransaction",)))
    scene.present_tag()
    ((frame, violation),) = scene.broken
    assert violation.kind == kind
    assert [one.frame for one in scene.injected()] == [frame]
    assert not scene.sent("StopTransaction")
    scene.run(for_s=60)  # its deadline, and the pause before the next attempt
    assert len(scene.sent("StopTransaction")) == 1
    assert scene.excused() == []


@pytest.mark.parametrize("form", ["missing_field", "wrong_type", "too_long", "unknown_value"])
@pytest.mark.parametrize(
    "action", ["StatusNotification", "StartTransaction", "MeterValues", "Heartbeat"]
)
def test_a_payload_breaks_the_schema_whatever_it_is(form: Any, action: str) -> None:
    scene = a_booted_scene(beat_s=60)
    scene.inject(kinds.SchemaInvalid(form=form, actions=(action,)))
    scene.charge()
    scene.run(for_s=400)
    assert scene.broken
    for frame, violation in scene.broken:
        assert violation.kind == "schema", frame
        assert violation.action == action
    assert {one.action for one in scene.injected()} == {action}


def test_a_stop_that_is_always_spoilt_is_given_up_and_excused() -> None:
    scene = a_charging_scene(TransactionMessageRetryInterval=1, TransactionMessageAttempts=3)
    scene.inject(kinds.SchemaInvalid(actions=("StopTransaction",)))
    scene.present_tag()
    scene.run(for_s=60)
    assert len(scene.broken) == 3
    assert scene.dropped() == [("StopTransaction", "attempts_used_up")]
    assert [what for what, _ in scene.excused()] == ["stop_lost"]


def test_a_stop_that_the_csms_refuses_by_itself_is_not_excused() -> None:
    scene = a_charging_scene(TransactionMessageRetryInterval=1, TransactionMessageAttempts=3)
    scene.inject(kinds.SchemaInvalid(actions=("StopTransaction",), count=1))
    scene.on("StopTransaction", Error())
    scene.present_tag()
    scene.run(for_s=60)
    assert scene.dropped() == [("StopTransaction", "attempts_used_up")]
    assert scene.excused() == []


def test_no_second_call_is_sent_while_a_malformed_one_is_open() -> None:
    scene = a_booted_scene(beat_s=10)
    scene.inject(kinds.MalformedFrame(form="not_json"))
    scene.run(for_s=100)  # the witness of the scene watches
    assert 2 <= len(scene.broken) <= 4  # each waits for its deadline of 30 s


# ── CALLs of the CSMS ───────────────────────────────────────────────────────────────────────────


def test_a_call_is_not_answered_and_nothing_is_done_about_it() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.UnansweredCall(actions=("Reset",), count=1))
    message_id = scene.call_without_answer("Reset", type="Hard")
    scene.run(for_s=60)
    assert message_id not in scene.answers
    assert scene.station.online
    assert scene.call("ClearCache").error is None
    assert scene.call("Reset", type="Soft").status == "Accepted"  # once was all


def test_an_answer_is_rejected_and_nothing_is_done() -> None:
    scene = a_charging_scene()
    scene.inject(kinds.ResponseOverride(actions=("RemoteStopTransaction",), status="Rejected"))
    answer = scene.call("RemoteStopTransaction", transactionId=scene.transaction_id)
    assert answer.status == "Rejected"
    assert not scene.sent("StopTransaction")
    (acted,) = scene.injected("response_override")
    assert json.loads(acted.frame)[2] == {"status": "Rejected"}
    assert CommandHandled("RemoteStopTransaction", None, "Rejected") in scene.seen(CommandHandled)


def test_an_answer_is_an_error() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ResponseOverride(error_code="GenericError"))
    assert scene.call("GetConfiguration").error == "GenericError"


def test_a_late_answer_comes_when_it_is_due_and_so_does_what_follows() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ResponseOverride(actions=("TriggerMessage",), delay_s=12))
    message_id = scene.call_without_answer("TriggerMessage", requestedMessage="Heartbeat")
    scene.run(for_s=11)
    assert message_id not in scene.answers
    assert not scene.sent("Heartbeat")
    scene.run(for_s=2)
    assert scene.answers[message_id].status == "Accepted"
    assert scene.sent("Heartbeat")


def test_the_station_says_what_it_has_to_say_while_an_answer_waits() -> None:
    scene = a_charging_scene()
    scene.inject(kinds.ResponseOverride(delay_s=25))
    scene.call_without_answer("ClearCache")
    scene.run(for_s=20)
    assert len(scene.sent("MeterValues")) == 2


def test_an_answer_that_waits_is_forgotten_with_the_link() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ResponseOverride(delay_s=12))
    message_id = scene.call_without_answer("ClearCache")
    scene.disconnect()
    scene.connect()
    scene.run(for_s=30)
    assert message_id not in scene.answers
    scene.cure()
    assert scene.call("ClearCache").error is None


def test_a_fault_on_some_actions_leaves_the_others_alone() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.UnansweredCall(actions=("Reset",)))
    assert scene.call("ClearCache").error is None


# ── share, count, time, chance ──────────────────────────────────────────────────────────────────


def beats(seed: int) -> list[int]:
    """Which of 200 heartbeats were spoilt."""
    scene = a_booted_scene(seed=seed, beat_s=10)
    scene.inject(kinds.MalformedFrame(form="unknown_action", share=0.3, actions=("Heartbeat",)))
    scene.run(for_s=2000)
    spoilt = {json.loads(frame)[1] for frame, _ in scene.broken}
    ids = sorted({*spoilt, *(one.id for one in scene.sent("Heartbeat"))})
    return [number for number, one in enumerate(ids) if one in spoilt]


def test_a_share_of_the_frames_is_spoilt_and_the_same_seed_spoils_the_same() -> None:
    assert beats(5) == beats(5)
    assert beats(5) != beats(6)
    assert 35 <= len(beats(5)) <= 85


@pytest.mark.parametrize(
    "fault",
    [
        kinds.MalformedFrame(form="unknown_action", share=0.5, actions=("Heartbeat",)),
        kinds.ClockSkew(seconds=7200),
        kinds.FrozenMeter(),
        kinds.DuplicateStart(share=0.5),
        kinds.WrongTransactionId(share=0.5, messages="MeterValues"),
    ],
    ids=lambda fault: fault.kind,
)
def test_what_the_drivers_do_is_the_same_with_a_fault_as_without(fault: Fault) -> None:
    def sessions(fault: Fault | None) -> list[tuple[float, str, str]]:
        scene = FaultyScene(autopilot=True, configuration={"MeterValueSampleInterval": 60}, seed=9)
        scene.boot()
        if fault is not None:
            scene.inject(fault)
        scene.run(for_s=4 * 3600)
        return [
            (round(one.at_s, 3), one["status"], one.action)
            for one in scene.sent("StatusNotification")
        ]

    alone = sessions(None)
    assert len(alone) > 10
    assert sessions(fault) == alone


def test_faults_end_by_time_and_by_number() -> None:
    scene = a_booted_scene(beat_s=10)
    scene.inject(kinds.SchemaInvalid(actions=("Heartbeat",), count=3))
    scene.inject(kinds.UnansweredCall(for_s=200))
    scene.run(for_s=100)
    assert len(scene.broken) == 3
    assert scene.acted() == {"unanswered_call": 0}
    scene.run(for_s=101)
    assert scene.acted() == {}
    assert scene.station.agenda is None


def test_one_kind_is_removed_or_all() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.MissingStop())
    scene.inject(kinds.FrozenMeter(for_s=5))
    scene.cure("frozen_meter")
    assert scene.acted() == {"missing_stop": 0}
    scene.cure()
    assert scene.acted() == {}
    scene.cure()  # nothing to remove is no error


def test_a_station_that_was_never_given_a_fault_has_none() -> None:
    scene = Scene()
    scene.boot()
    scene.tell(FaultRemoved())
    scene.charge()
    assert scene.station.faults is None


def test_faults_stay_through_a_reboot_and_may_come_while_the_station_is_dark() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.MissingStop())
    scene.lose_power()
    scene.tell(FaultInjected(kinds.UnansweredCall(for_s=600)))
    scene.restore_power()
    scene.run(for_s=60)
    assert scene.acted() == {"missing_stop": 0, "unanswered_call": 0}
    scene.charge(tag=TAG)
    scene.unplug()
    assert not scene.sent("StopTransaction")


def test_several_faults_act_together() -> None:
    scene = a_booted_scene()
    for fault in (
        kinds.ClockSkew(seconds=-600),
        kinds.FrozenMeter(),
        kinds.WrongTransactionId(),
        kinds.DuplicateStart(),
    ):
        scene.inject(fault)
    scene.charge()
    scene.run(for_s=36)
    scene.unplug()
    (stop,) = scene.sent("StopTransaction")
    assert stop["meterStop"] == 0
    assert stop["transactionId"] > 1_000_000_000
    assert stop.wall_s == pytest.approx(scene.wall_s - 600, abs=2)
    by_frame = {one.kind for one in scene.injected() if one.action == "StopTransaction"}
    assert by_frame == {"clock_skew", "frozen_meter", "wrong_transaction_id"}


def test_every_status_that_can_be_forced_makes_an_answer_that_the_schema_allows() -> None:
    for name, action in V16.actions.items():
        for status in kinds.statuses_of(action) if "csms" in action.sent_by else ():
            assert action.response is not None
            raw = msgspec.json.encode(action.response(status=status))
            assert action.check_response(raw) is None, (name, status)


# ── firmware and uploads ────────────────────────────────────────────────────────────────────────


def test_the_next_firmware_update_fails_and_the_one_after_does_not() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.FirmwareFailure(stage="DownloadFailed"))
    where = "http://127.0.0.1:9/firmware.bin"
    scene.call("UpdateFirmware", location=where, retrieveDate=scene.clock)
    scene.run(for_s=300)
    told = [one["status"] for one in scene.sent("FirmwareStatusNotification")]
    assert told[-1] == "DownloadFailed"
    (acted,) = scene.injected("firmware_failure")
    assert acted.action == "FirmwareStatusNotification"
    assert b"DownloadFailed" in acted.frame
    assert scene.acted() == {}


def test_the_next_upload_fails() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.UploadFailure())
    scene.call("GetDiagnostics", location="http://127.0.0.1:9/up")
    scene.run(for_s=300)
    told = [one["status"] for one in scene.sent("DiagnosticsStatusNotification")]
    assert told[-1] == "UploadFailed"
    assert len(scene.injected("upload_failure")) == 1
    assert scene.acted() == {}


@pytest.mark.parametrize("fault", [kinds.FirmwareFailure(), kinds.UploadFailure()])
def test_a_failure_that_was_to_come_is_taken_back(fault: Fault) -> None:
    scene = a_booted_scene()
    scene.inject(fault)
    scene.cure()
    station = scene.station
    assert station.firmware is None or not station.firmware.fail_next
    assert station.logs is None or not station.logs.fail_next


# ── hardware that hangs ─────────────────────────────────────────────────────────────────────────


def test_a_reset_fails_so_often_and_the_next_attempt_comes_off() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ResetFailure(count=2))
    scene.mark()
    assert scene.call("Reset", type="Hard").payload == {"status": "Accepted"}
    scene.run(for_s=RETRY_S + 1)
    assert scene.sent("BootNotification") == []
    scene.run(for_s=60)
    assert len(scene.sent("BootNotification")) == 1
    assert [one.action for one in scene.injected("reset_failure")] == ["Reset", "Reset"]
    assert scene.acted() == {}


def test_a_reset_that_never_comes_off_is_reported_and_works_when_the_fault_is_gone() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ResetFailure())
    scene.mark()
    scene.call("Reset", type="Hard")
    scene.run(for_s=300)
    assert scene.sent("BootNotification") == []
    assert [one["errorCode"] for one in scene.sent("StatusNotification")] == ["ResetFailure"]
    scene.cure()
    scene.call("Reset", type="Hard")
    scene.run(for_s=60)
    assert len(scene.sent("BootNotification")) == 1


def test_a_fault_that_ends_while_a_reset_is_tried_again_lets_the_next_attempt_through() -> None:
    scene = a_booted_scene()
    scene.inject(kinds.ResetFailure(for_s=RETRY_S / 2))
    scene.mark()
    scene.call("Reset", type="Hard")
    scene.run(for_s=RETRY_S + 30)
    assert len(scene.sent("BootNotification")) == 1


def test_a_lock_that_fails_stays_shut_and_opens_when_it_is_repaired() -> None:
    scene = a_booted_scene(connectors=2)
    scene.inject(kinds.LockFailure(connector_id=2, count=2))
    for expected in ("UnlockFailed", "UnlockFailed", "Unlocked"):
        assert scene.call("UnlockConnector", connectorId=1).payload == {"status": "Unlocked"}
        assert scene.call("UnlockConnector", connectorId=2).payload == {"status": expected}
    assert len(scene.injected("lock_failure")) == 2
    assert scene.acted() == {}
