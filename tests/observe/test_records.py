from __future__ import annotations

import gc
import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simfleet.observe.records import Direction, MessageType, Record, RecordFilter, view_frame

SOME_WALL_S = 1_700_000_000.125


def a_record(
    frame: bytes,
    *,
    charger_id: str = "SIM-1",
    direction: Direction = "sent",
    call_action: str = "",
) -> Record:
    return Record(7, SOME_WALL_S, charger_id, direction, frame, call_action)


@pytest.mark.parametrize(
    ("frame", "message_type", "action", "payload"),
    [
        (b'[2,"a1","Heartbeat",{}]', "CALL", "Heartbeat", {}),
        (b'[3, "a1", {"currentTime": "x"}]', "CALLRESULT", "", {"currentTime": "x"}),
        (b'[4,"a1","GenericError","no",{"why":1}]', "CALLERROR", "", {"why": 1}),
        (b'[5,"a1","GenericError","no",{}]', "CALLRESULTERROR", "", {}),
        (
            b'[6,"a1","NotifyPeriodicEventStream",{"n":[1]}]',
            "SEND",
            "NotifyPeriodicEventStream",
            {"n": [1]},
        ),
    ],
)
def test_every_message_type_can_be_read(
    frame: bytes, message_type: str, action: str, payload: Any
) -> None:
    record = a_record(frame)
    assert (record.message_type, record.message_id) == (message_type, "a1")
    assert (record.action, record.payload) == (action, payload)


def test_an_error_has_its_code_and_description() -> None:
    view = a_record(b'[4,"a1","GenericError","no idea",{}]').view()
    assert (view.error_code, view.error_description) == ("GenericError", "no idea")


def test_the_action_of_an_answer_comes_from_the_publisher() -> None:
    record = a_record(b'[3,"a1",{}]', call_action="Authorize")
    assert record.action == "Authorize"
    assert record.view().action == "Authorize"
    assert record.view().message_type == "CALLRESULT"


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"garbage",
        b"{}",
        b"[]",
        b"[2]",
        b'[2,"a"]',
        b'[2,"a","Heartbeat",{},{}]',
        b'[3,"a",{},{}]',
        b'[4,"a","GenericError",""]',
        b'[7,"a",{}]',
        b'["2","a","Heartbeat",{}]',
        b'[true,"a","Heartbeat",{}]',
        b'[2,5,"Heartbeat",{}]',
        b'[2,"a",null,{}]',
        b'[2,"a","Heartbeat",{}',
        b'[2,"a","Heartbeat",{"x":"\xff"}]',
        b"[" * 100_000,
    ],
)
def test_what_is_no_ocpp_frame_is_malformed_and_says_so_in_json(frame: bytes) -> None:
    record = a_record(frame)
    assert record.message_type == "MALFORMED"
    assert (record.message_id, record.action, record.payload) == ("", "", None)
    assert json.loads(record.as_json())["frame"] == frame.decode("utf-8", "backslashreplace")


@given(st.one_of(st.binary(), st.text().map(str.encode)))
@example(b'[3,"\\ud800",{}]')
@example(b'[3,"a",{"x":"\\ud800"}]')
@example(b'[3,"a",{"x":1e999}]')
@example(b'[2,"a","\xe2\x80\xa8",{}]')
def test_any_bytes_give_a_view_and_one_line_of_json(frame: bytes) -> None:
    line = a_record(frame).as_json()
    assert b"\n" not in line
    assert json.loads(line)["id"] == 7


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.text(), st.text(), st.dictionaries(st.text(), JSON_VALUES), st.integers(0, 4))
def test_a_call_is_read_as_it_was_written(
    message_id: str, action: str, payload: dict[str, Any], indent: int
) -> None:
    frame = json.dumps([2, message_id, action, payload], indent=indent or None).encode()
    record = a_record(frame)
    view = record.view()
    assert (view.message_type, view.message_id, view.action) == ("CALL", message_id, action)
    assert record.payload == payload
    assert b"\n" not in record.as_json()
    assert json.loads(record.as_json())["payload"] == payload


def test_the_json_of_a_call() -> None:
    frame = b'[2, "a1", "Authorize", {"idTag": "T"}]'
    assert a_record(frame).as_json() == (
        b'{"id":7,"at":"2023-11-14T22:13:20.125Z","charger":"SIM-1","direction":"sent",'
        b'"type":"CALL","messageId":"a1","action":"Authorize","payload":{"idTag":"T"}}'
    )


def test_the_json_of_an_error() -> None:
    record = a_record(
        b'[4,"a1","GenericError","",{}]', direction="received", call_action="Authorize"
    )
    assert json.loads(record.as_json()) == {
        "id": 7,
        "at": "2023-11-14T22:13:20.125Z",
        "charger": "SIM-1",
        "direction": "received",
        "type": "CALLERROR",
        "messageId": "a1",
        "action": "Authorize",
        "payload": {},
        "errorCode": "GenericError",
        "errorDescription": "",
    }


def test_a_record_is_frozen_and_invisible_to_the_garbage_collector() -> None:
    record = a_record(b'[2,"a1","Heartbeat",{}]')
    assert not gc.is_tracked(record)
    with pytest.raises(AttributeError):
        record.id = 8  # type: ignore[misc]


def test_a_view_keeps_the_payload_although_the_frame_is_gone() -> None:
    view = view_frame(b'[2,"a1","Heartbeat",{"x":1}]')
    assert view.payload is not None
    assert msgspec.json.decode(view.payload) == {"x": 1}


CALL = a_record(b'[2,"a","Authorize",{}]', charger_id="A", direction="sent")
ANSWER = a_record(b'[3,"a",{}]', charger_id="A", direction="received", call_action="Authorize")
OTHER = a_record(b'[2,"b","Reset",{}]', charger_id="B", direction="received")


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (RecordFilter(), [CALL, ANSWER, OTHER]),
        (RecordFilter(charger_ids=frozenset({"A"})), [CALL, ANSWER]),
        (RecordFilter(charger_ids=frozenset()), []),
        (RecordFilter(direction="received"), [ANSWER, OTHER]),
        (RecordFilter(actions=frozenset({"Authorize"})), [CALL, ANSWER]),
        (RecordFilter(message_types=frozenset[MessageType]({"CALL"})), [CALL, OTHER]),
        (RecordFilter(charger_ids=frozenset({"A"}), direction="received"), [ANSWER]),
        (RecordFilter(direction="sent", actions=frozenset({"Reset"})), []),
    ],
)
def test_a_filter_passes_what_fulfils_all_its_conditions(
    wanted: RecordFilter, passes: list[Record]
) -> None:
    assert [record for record in (CALL, ANSWER, OTHER) if wanted(record)] == passes
