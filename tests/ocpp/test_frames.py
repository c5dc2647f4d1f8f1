from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simfleet.ocpp import frames
from simfleet.ocpp.frames import Call, CallError, CallResult, Malformed
from simfleet.ocpp.v16.messages import HeartbeatRequest, RemoteStopTransactionRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NEARLY_FRAMES = st.tuples(
    st.sampled_from([2, 3, 4, 5, 6, 0, -1, 2.0, True, "2", None]), JSON, JSON, JSON, JSON
).flatmap(lambda items: st.integers(1, 5).map(lambda n: list(items[:n])))


def read(*items: Any) -> Any:
    return frames.read(json.dumps(list(items)).encode())


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


def test_a_call_keeps_its_payload_as_it_came() -> None:
    frame = frames.read(b'[2, "19", "Reset", {"type":  "Soft"}]')
    assert frame == Call("19", "Reset", msgspec.Raw(b'{"type":  "Soft"}'))


def test_a_call_result_carries_id_and_payload() -> None:
    assert read(3, "19", {}) == CallResult("19", msgspec.Raw(b"{}"))


def test_a_call_error_carries_code_description_and_details() -> None:
    assert read(4, "19", "GenericError", "no", {"a": 1}) == CallError(
        "19", "GenericError", "no", msgspec.Raw(b'{"a": 1}')
    )


@pytest.mark.parametrize("items", [(4, "19", "GenericError"), (4, "19", "GenericError", "no")])
def test_a_call_error_without_description_or_details_is_read(items: tuple[Any, ...]) -> None:
    frame = read(*items)
    assert isinstance(frame, CallError)
    assert (frame.id, frame.code) == ("19", "GenericError")


def test_text_is_read_like_bytes() -> None:
    assert frames.read('[3,"ä",{}]') == frames.read('[3,"ä",{}]'.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"hello",
        b"[",
        b"\xff\xfe",
        b'[2,"1","Heartbeat",{}',
        b'[2,"\xff","Heartbeat",{}]',
        b"{}",
        b"[]",
        b'"2"',
        b"17",
        b"null",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_no_frame_at_all_is_answered_with_the_unknown_id(data: bytes) -> None:
    malformed = frames.read(data)
    assert isinstance(malformed, Malformed)
    assert malformed.unparseable
    assert malformed.answer_id == frames.UNKNOWN_ID == "-1"


@pytest.mark.parametrize(
    ("items", "answer_id"),
    [
        ([2, "7"], "7"),
        ([2, "7", "Heartbeat"], "7"),
        ([2, "7", 5, {}], "7"),
        ([2, 7, "Heartbeat", {}], "-1"),
        ([2], "-1"),
        ([2, None, "Heartbeat", {}], "-1"),
    ],
)
def test_a_broken_call_is_answered_with_its_own_id_where_it_has_one(
    items: list[Any], answer_id: str
) -> None:
    malformed = read(*items)
    assert isinstance(malformed, Malformed)
    assert malformed.answer_id == answer_id
    assert not malformed.unparseable


@pytest.mark.parametrize("items", [[3], [3, 7, {}], [3, "7"], [4, "7"], [4, None, "x"], [4, 1, 2]])
def test_a_broken_reply_is_never_answered(items: list[Any]) -> None:
    malformed = read(*items)
    assert isinstance(malformed, Malformed)
    assert malformed.answer_id is None


@pytest.mark.parametrize("kind", [0, 1, 7, -2, "2", None, True, [2], {"2": 2}, 10**30])
def test_an_unknown_message_type_is_told_from_a_broken_frame(kind: Any) -> None:
    malformed = read(kind, "7", "Heartbeat", {})
    assert isinstance(malformed, Malformed)
    assert malformed.unknown_type
    assert malformed.answer_id == "7"


@pytest.mark.parametrize(
    "frame", [(5, "7"), (5, 7, "GenericError"), (6, "7", "X"), (6, 7, "X", {})]
)
def test_a_broken_frame_of_2_1_is_never_answered(frame: tuple[Any, ...]) -> None:
    malformed = read(*frame)
    assert isinstance(malformed, Malformed)
    assert malformed.answer_id is None
    assert not malformed.unknown_type


@pytest.mark.parametrize("opening", ["[", '{"a":', '[2,"1","Reset",['])
def test_no_depth_of_nesting_raises(opening: str) -> None:
    closing = {"[": "]", '{"a":': "}", '[2,"1","Reset",[': "]]"}[opening]
    for depth in range(1, 1200):
        frames.read(f"[{opening * depth}1{closing * depth}]")


@given(st.binary())
def test_any_bytes_give_a_frame_or_say_what_is_wrong(data: bytes) -> None:
    frame = frames.read(data)
    assert isinstance(frame, Call | CallResult | CallError | Malformed)


@given(NEARLY_FRAMES)
def test_any_json_array_gives_a_frame_or_an_answerable_problem(items: list[Any]) -> None:
    frame = frames.read(json.dumps(items).encode())
    if isinstance(frame, Malformed):
        assert frame.problem
        if frame.answer_id is not None:
            # whatever may be answered can be written
            json.loads(frames.call_error(frame.answer_id, "GenericError", frame.problem))
    else:
        assert frame.id == items[1]


@given(st.text(alphabet=st.characters(), max_size=40))
def test_any_id_that_can_be_read_can_be_echoed(message_id: str) -> None:
    for items in ([2, message_id, "Reset", {}], [2, message_id]):
        frame = frames.read(json.dumps(items).encode())  # lone surrogates travel as \udXXX
        echoed = frame.answer_id if isinstance(frame, Malformed) else frame.id
        if echoed is not None:
            kind, said, *_ = json.loads(frames.call_error(echoed, "GenericError"))
            assert kind == 4
            assert said in (message_id, "-1")


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=36))
def test_what_is_written_reads_back_as_the_same(message_id: str) -> None:
    payload = RemoteStopTransactionRequest(transaction_id=5)
    raw = msgspec.Raw(b'{"transactionId":5}')
    assert frames.read(frames.call(message_id, "RemoteStopTransaction", payload)) == Call(
        message_id, "RemoteStopTransaction", raw
    )
    assert frames.read(frames.call_result(message_id, HeartbeatRequest())) == CallResult(
        message_id, msgspec.Raw(b"{}")
    )
    assert frames.read(frames.call_error(message_id, "GenericError", "no")) == CallError(
        message_id, "GenericError", "no", msgspec.Raw(b"{}")
    )


def test_a_call_error_has_all_five_items_and_details_that_are_an_object() -> None:
    assert json.loads(frames.call_error("1", "GenericError")) == [4, "1", "GenericError", "", {}]


def test_a_long_description_is_cut_to_255_characters() -> None:
    _, _, _, description, _ = json.loads(frames.call_error("1", "GenericError", "x" * 300))
    assert description == "x" * 255
