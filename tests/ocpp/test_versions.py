"""The three catalogues against the schemas of the `ocpp` package, and what 2.1 adds to frames."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import pytest

from simfleet.ocpp.results import Outcome, Received
from simfleet.ocpp.rpc import Conversation
from simfleet.ocpp.v16 import V16
from simfleet.ocpp.v21 import V21
from simfleet.ocpp.v21 import messages as v21
from simfleet.ocpp.v201 import V201
from simfleet.ocpp.v201 import messages as v201
from simfleet.ocpp.validation import schemas_dir

if TYPE_CHECKING:
    from simfleet.ocpp.catalog import Catalog

COUNTS = {"ocpp1.6": (39, 14, 26), "ocpp2.0.1": (64, 25, 40), "ocpp2.1": (91, 37, 55)}


@pytest.mark.parametrize("catalog", [V16, V201, V21], ids=lambda catalog: catalog.version)
def test_a_catalog_has_exactly_the_messages_of_the_schemas(catalog: Catalog) -> None:
    stems = {path.stem for path in schemas_dir(catalog.version).glob("*.json")}
    actions = {stem.removesuffix("Response").removesuffix("Request") for stem in stems}
    assert set(catalog.actions) == actions
    by_sender = [
        sum(sender in action.sent_by for action in catalog.actions.values())
        for sender in ("station", "csms")
    ]
    assert (len(catalog.actions), *by_sender) == COUNTS[catalog.version]


@pytest.mark.parametrize("catalog", [V201, V21], ids=lambda catalog: catalog.version)
def test_every_schema_compiles_and_reads_an_empty_payload_one_way_or_the_other(
    catalog: Catalog,
) -> None:
    for action in catalog.actions.values():
        found = action.check_request(b"{}")
        assert found is None or found.error_code == "OccurrenceConstraintViolation"
    catalog.warm_up()


def test_the_only_send_is_the_periodic_event_stream() -> None:
    assert [name for name, action in V21.actions.items() if action.response is None] == [
        "NotifyPeriodicEventStream"
    ]
    assert all(action.response is not None for action in V201.actions.values())


def test_2_1_holds_only_what_differs_from_2_0_1() -> None:
    assert v21.HeartbeatRequest is v201.HeartbeatRequest
    assert v21.StatusNotificationRequest is v201.StatusNotificationRequest
    assert "TransactionEventRequest" in vars(v21)
    assert v21.TransactionEventRequest.__module__ == v21.__name__
    for name, action in V201.actions.items():
        assert V21.actions[name].block == action.block
        assert V21.actions[name].sent_by == action.sent_by


# ── message types 5 and 6 ───────────────────────────────────────────────────────────────────────


def a_conversation(
    catalog: Catalog = V21, role: Literal["station", "csms"] = "station"
) -> Conversation:
    return Conversation(catalog, role=role, id_prefix="t-")


def frame(*items: Any) -> bytes:
    return json.dumps(items).encode()


def written(conversation: Conversation) -> list[Any]:
    return [json.loads(data) for data in conversation.take_frames()]


STREAM = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 1, "v": "2"}]}


def a_stream_message() -> v21.NotifyPeriodicEventStreamRequest:
    request = V21.actions["NotifyPeriodicEventStream"].decode_request(json.dumps(STREAM).encode())
    assert isinstance(request, v21.NotifyPeriodicEventStreamRequest)
    return request


def test_a_send_goes_out_beside_the_open_call_and_ends_nothing() -> None:
    conversation = a_conversation()
    conversation.call(v21.HeartbeatRequest(), at_s=0)
    conversation.send(a_stream_message())
    beat, stream = written(conversation)
    assert (beat[0], beat[2]) == (2, "Heartbeat")
    assert stream == [6, "t-2", "NotifyPeriodicEventStream", STREAM]
    assert conversation.open_action == "Heartbeat"


def test_a_send_that_comes_is_handed_over_and_owes_nothing() -> None:
    conversation = a_conversation(role="csms")
    came = conversation.receive(frame(6, "7", "NotifyPeriodicEventStream", STREAM), at_s=0)
    assert isinstance(came, Received)
    assert came.request == a_stream_message()
    assert written(conversation) == []
    conversation.receive(frame(2, "8", "Heartbeat", {}), at_s=0)
    assert conversation.overlapping_calls == 0


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("NotifyPeriodicEventStream", {}, "OccurrenceConstraintViolation"),
        ("Heartbeat", {}, "NotImplemented"),
        ("NoSuch", {}, "NotImplemented"),
    ],
)
def test_a_wrong_send_is_recorded_and_never_answered(
    action: str, payload: dict[str, Any], code: str
) -> None:
    conversation = a_conversation(role="csms")
    assert conversation.receive(frame(6, "7", action, payload), at_s=0) is None
    assert written(conversation) == []
    [violation] = conversation.take_violations()
    assert violation.error_code == code


def test_what_is_a_send_is_refused_as_a_call() -> None:
    conversation = a_conversation(role="csms")
    conversation.receive(frame(2, "7", "NotifyPeriodicEventStream", STREAM), at_s=0)
    [[kind, message_id, code, _, _]] = written(conversation)
    assert (kind, message_id, code) == (4, "7", "NotSupported")


@pytest.mark.parametrize(
    ("catalog", "answers"), [(V201, []), (V21, [[5, "t-1", "OccurrenceConstraintViolation"]])]
)
def test_an_answer_that_breaks_its_schema_is_refused_in_2_1_alone(
    catalog: Catalog, answers: list[Any]
) -> None:
    conversation = a_conversation(catalog)
    conversation.call(v201.HeartbeatRequest(), at_s=0)
    conversation.take_frames()
    outcome = conversation.receive(frame(3, "t-1", {}), at_s=1)
    assert isinstance(outcome, Outcome)
    assert outcome.failure == "violation"
    assert [one[:3] for one in written(conversation)] == answers


def test_our_answer_that_the_peer_could_not_use_is_recorded() -> None:
    conversation = a_conversation()
    assert conversation.receive(frame(5, "x", "FormatViolation", "what?", {}), at_s=0) is None
    [violation] = conversation.take_violations()
    assert violation.kind == "result_refused"
    assert (violation.error_code, violation.description) == ("FormatViolation", "what?")
    assert written(conversation) == []


@pytest.mark.parametrize("kind", [5, 6, 9])
@pytest.mark.parametrize(
    ("catalog", "code"), [(V16, None), (V201, "MessageTypeNotSupported")], ids=["1.6", "2.0.1"]
)
def test_a_message_type_of_another_version_is_ignored_by_1_6_and_refused_by_2_0_1(
    catalog: Catalog, code: str | None, kind: int
) -> None:
    conversation = a_conversation(catalog)
    assert conversation.receive(frame(kind, "7", "GenericError", {}), at_s=0) is None
    answers = [one[:3] for one in written(conversation)]
    assert answers == ([] if code is None or kind == 5 else [[4, "7", code]])
    assert len(conversation.take_violations()) == 1
