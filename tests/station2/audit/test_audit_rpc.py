"""The RPC layer of OCPP 2.x as a station speaks it (rule book, section 2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builders_station2 import SILENCE, TAG, Scene2, versions
from simfleet.station.effects import Reboot

pytestmark = versions
GOOD = {"type": "OnIdle"}


def scene_of(version: str, **more: Any) -> Scene2:
    scene = Scene2(version=version, **more)
    scene.boot()
    scene.mark()
    return scene


def say(scene: Scene2, frame: Any) -> str | None:
    """The error code of the answer with id "x" (or "-1")."""
    data = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    scene._asked["x"] = "" if isinstance(frame, bytes) else str(frame[2])
    scene.receive(data)
    answer = scene.answers.pop("x", None) or scene.answers.pop("-1", None)
    return None if answer is None else answer.error


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Reset", {}, "OccurrenceConstraintViolation"),
        ("Reset", {"type": "OnIdle", "more": 1}, "FormatViolation"),
        ("Reset", {"type": 7}, "TypeConstraintViolation"),
        ("Reset", {"type": "Soft"}, "PropertyConstraintViolation"),
        ("Reset", {"type": "OnIdle", "evseId": "1"}, "TypeConstraintViolation"),
        ("GetVariables", {"getVariableData": []}, "OccurrenceConstraintViolation"),
        ("UnlockEverything", {}, "NotImplemented"),
        ("RemoteStartTransaction", {"idTag": TAG}, "NotImplemented"),
    ],
)
def test_what_is_wrong_with_a_call_has_its_code(
    version: str, action: str, payload: dict[str, Any], code: str
) -> None:
    """Section 2, error codes in the spelling of 2.x."""
    scene = scene_of(version)
    assert say(scene, [2, "x", action, payload]) == code
    assert scene.sent("BootNotification") == []


def test_what_only_stations_send_is_not_for_a_station(version: str) -> None:
    """Section 2, wrong direction."""
    scene = scene_of(version)
    assert say(scene, [2, "x", "Heartbeat", {}]) in ("NotSupported", "NotImplemented")
    assert say(scene, [2, "x", "TransactionEvent", {}]) in ("NotSupported", "NotImplemented")


def test_what_2_1_has_added_is_unknown_in_2_0_1(version: str) -> None:
    """Section 2, unknown action."""
    code = say(scene_of(version), [2, "x", "GetTariffs", {"evseId": 0}])
    assert code == ("NotImplemented" if version == "ocpp2.0.1" else None)


@pytest.mark.parametrize(
    "frame", [b"", b"{", b"nonsense", b"[]", b'{"a":1}', b"[2]", b'[2,"-1"]', b"\xff\xfe"]
)
def test_what_is_no_frame_is_answered_once_and_told(version: str, frame: bytes) -> None:
    """Section 2, unparseable: RpcFrameworkError with id -1."""
    scene = scene_of(version)
    assert say(scene, frame) == "RpcFrameworkError"
    assert scene.call("Reset", type="OnIdle").status == "Accepted"


def test_an_unknown_message_type_is_answered_with_its_id(version: str) -> None:
    """Section 2: MessageTypeNotSupported, the id echoed."""
    assert say(scene_of(version), [9, "x", "Reset", GOOD]) == "MessageTypeNotSupported"


def test_a_frame_type_of_2_1_is_unknown_in_2_0_1(version: str) -> None:
    """Section 2: 5 and 6 are of 2.1 alone; a SEND is never answered."""
    scene = scene_of(version)
    code = say(scene, [6, "x", "NotifyPeriodicEventStream", {}])
    assert code == ("MessageTypeNotSupported" if version == "ocpp2.0.1" else None)


def test_an_answer_to_nothing_is_not_answered(version: str) -> None:
    """Section 2: an error only ever answers a CALL."""
    scene = scene_of(version)
    for frame in ([3, "x", {}], [4, "x", "GenericError", "", {}]):
        assert say(scene, frame) is None
    assert scene.actions() == [] or set(scene.actions()) == {"SecurityEventNotification"}


def test_an_invalid_answer_is_reported_in_2_1_and_endured(version: str) -> None:
    """Section 2, FR.06: CALLRESULTERROR; the CALL is over all the same."""
    scene = scene_of(version)
    scene.on("Authorize", SILENCE)
    scene.charge()
    asked = scene.sent("Authorize")[0]
    scene.answer_anyway(asked, {"idTokenInfo": {"status": "Perhaps"}})
    assert [one for one, _ in scene.result_errors] == ([asked.id] if version == "ocpp2.1" else [])
    scene.run(for_s=400)
    assert "Heartbeat" in scene.actions()


def test_calls_are_answered_while_an_own_one_waits(version: str) -> None:
    """Section 2: both directions at once."""
    scene = scene_of(version)
    scene.on("Authorize", SILENCE)
    scene.charge()
    assert scene.call("GetLocalListVersion").payload["versionNumber"] == 0
    assert scene.call("GetTransactionStatus").payload == {"messagesInQueue": False}


def test_the_same_id_in_both_directions_is_no_conflict(version: str) -> None:
    """Section 2: ids are of a sender."""
    scene = scene_of(version)
    scene.on("Authorize", SILENCE)
    scene.charge()
    asked = scene.sent("Authorize")[0]
    scene._asked[asked.id] = "GetLocalListVersion"
    scene.receive(json.dumps([2, asked.id, "GetLocalListVersion", {}]).encode())
    assert scene.answers[asked.id].payload["versionNumber"] == 0
    scene.reply(asked, {"idTokenInfo": {"status": "Accepted"}})
    assert scene.events("Started")


def test_a_late_answer_after_the_time_out_is_ignored(version: str) -> None:
    """Section 2: reply or timeout frees the slot, and an old reply is no reply to a newer CALL."""
    scene = scene_of(version)
    scene.on("Authorize", SILENCE)
    scene.charge()
    asked = scene.sent("Authorize")[0]
    scene.run(for_s=61)
    scene.reply(asked, {"idTokenInfo": {"status": "Accepted"}})
    scene.run(for_s=10)
    assert not scene.events()


def test_custom_data_is_no_reason_to_refuse(version: str) -> None:
    """Section 4: customData with anything in it."""
    scene = scene_of(version)
    answer = scene.call("Reset", type="OnIdle", customData={"vendorId": "v", "more": [1, {"a": 2}]})
    assert answer.status == "Accepted"
    assert scene.seen(Reboot)
