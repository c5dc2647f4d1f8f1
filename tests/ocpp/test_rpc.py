from __future__ import annotations

import json
import random
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simfleet.errors import QueueFull
from simfleet.ocpp.results import LINK_LOST, TIMED_OUT, VIOLATED, Outcome, Received
from simfleet.ocpp.rpc import EXPIRED_MAX, FRAME_KEPT_BYTES, VIOLATIONS_MAX, Conversation
from simfleet.ocpp.v16 import V16
from simfleet.ocpp.v16.messages import (
    ClearCacheRequest,
    ClearCacheResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    StatusNotificationResponse,
)

NOW = "2026-03-01T12:00:00Z"
BEAT = HeartbeatRequest()


def a_conversation(
    role: Literal["station", "csms"] = "station", *, prefix: str = "s-", queue_max: int = 8
) -> Conversation:
    return Conversation(V16, role=role, id_prefix=prefix, timeout_s=30.0, queue_max=queue_max)


def written(conversation: Conversation) -> list[Any]:
    return [json.loads(frame) for frame in conversation.take_frames()]


def frame(*items: Any) -> bytes:
    return json.dumps(list(items)).encode()


def an_open_beat(at_s: float = 0.0) -> tuple[Conversation, str]:
    conversation = a_conversation()
    conversation.call(BEAT, at_s=at_s)
    ((_, message_id, _, _),) = written(conversation)
    return conversation, message_id


def ended(result: object) -> Outcome:
    assert isinstance(result, Outcome)
    return result


# ── our CALLs ───────────────────────────────────────────────────────────────────────────────────


def test_a_call_is_written_and_its_reply_ends_it() -> None:
    conversation = a_conversation()
    conversation.call(BEAT, at_s=5.0, due_s=4.0, context="mine")
    assert written(conversation) == [[2, "s-1", "Heartbeat", {}]]
    assert conversation.open_action == "Heartbeat"
    outcome = ended(conversation.receive(frame(3, "s-1", {"currentTime": NOW}), at_s=6.0))
    assert (outcome.due_s, outcome.sent_s, outcome.done_s) == (4.0, 5.0, 6.0)
    assert (outcome.action.name, outcome.failure, outcome.context) == ("Heartbeat", None, "mine")
    assert isinstance(outcome.response, HeartbeatResponse)
    assert conversation.idle
    assert conversation.open_action is None


def test_only_one_call_is_open_and_the_others_follow_in_order() -> None:
    conversation = a_conversation()
    for context in range(3):
        conversation.call(BEAT, at_s=0.0, context=context)
    contexts = []
    for number in range(1, 4):
        assert written(conversation) == [[2, f"s-{number}", "Heartbeat", {}]]
        reply = frame(3, f"s-{number}", {"currentTime": NOW})
        contexts.append(ended(conversation.receive(reply, at_s=number)).context)
    assert contexts == [0, 1, 2]
    assert written(conversation) == []


def test_a_waiting_call_counts_its_response_from_when_it_was_due() -> None:
    conversation = a_conversation()
    conversation.call(BEAT, at_s=0.0)
    conversation.call(BEAT, at_s=1.0, due_s=0.5)
    conversation.receive(frame(3, "s-1", {"currentTime": NOW}), at_s=3.0)
    outcome = ended(conversation.receive(frame(3, "s-2", {"currentTime": NOW}), at_s=4.0))
    assert (outcome.due_s, outcome.sent_s, outcome.done_s) == (0.5, 3.0, 4.0)


def test_a_full_queue_refuses_and_changes_nothing() -> None:
    conversation = a_conversation(queue_max=1)
    conversation.call(BEAT, at_s=0.0)
    conversation.call(BEAT, at_s=0.0, context="waits")
    with pytest.raises(QueueFull):
        conversation.call(BEAT, at_s=0.0, context="too much")
    assert [outcome.context for outcome in conversation.link_lost(at_s=1.0)] == [None, "waits"]


def test_a_call_error_ends_the_call_with_its_code() -> None:
    conversation, message_id = an_open_beat()
    error = frame(4, message_id, "InternalError", "database down", {})
    outcome = ended(conversation.receive(error, at_s=1.0))
    assert (outcome.failure, outcome.detail, outcome.response) == (
        "InternalError",
        "database down",
        None,
    )


def test_a_call_times_out_at_its_deadline_and_not_before() -> None:
    conversation, _ = an_open_beat(at_s=10.0)
    assert conversation.wake_at_s == 40.0
    assert conversation.tick(at_s=39.999) is None
    assert ended(conversation.tick(at_s=40.0)).failure == TIMED_OUT
    assert conversation.wake_at_s == float("inf")
    assert conversation.tick(at_s=1e9) is None


def test_the_next_call_gets_its_own_deadline() -> None:
    conversation, _ = an_open_beat()
    conversation.call(BEAT, at_s=0.0)
    conversation.tick(at_s=30.0)
    assert written(conversation) == [[2, "s-2", "Heartbeat", {}]]
    assert conversation.wake_at_s == 60.0


def test_the_loss_of_the_link_ends_the_open_call_and_those_that_wait() -> None:
    conversation, _ = an_open_beat()
    conversation.call(BEAT, at_s=1.0)
    sent, unsent = conversation.link_lost(at_s=2.0)
    assert (sent.failure, unsent.failure) == (LINK_LOST, LINK_LOST)
    assert (sent.sent_s, unsent.sent_s) == (0.0, None)
    assert conversation.idle
    assert written(conversation) == []


def test_message_ids_go_on_over_a_new_connection() -> None:
    conversation, first = an_open_beat()
    conversation.link_lost(at_s=1.0)
    conversation.call(BEAT, at_s=2.0)
    ((_, second, _, _),) = written(conversation)
    assert second != first
    assert conversation.receive(frame(3, first, {"currentTime": NOW}), at_s=3.0) is None
    assert not conversation.idle


def test_a_prefix_that_leaves_no_room_for_the_number_is_refused() -> None:
    a_conversation(prefix="x" * 24)
    with pytest.raises(ValueError, match="24 characters"):
        a_conversation(prefix="x" * 25)


# ── replies to nothing ──────────────────────────────────────────────────────────────────────────


def test_a_reply_after_the_deadline_is_late_and_changes_nothing() -> None:
    conversation, message_id = an_open_beat()
    conversation.tick(at_s=30.0)
    assert conversation.receive(frame(3, message_id, {"currentTime": NOW}), at_s=31.0) is None
    assert conversation.receive(frame(4, message_id, "GenericError"), at_s=31.0) is None
    assert (conversation.late_replies, conversation.unknown_replies) == (2, 0)


def test_a_second_reply_is_a_duplicate() -> None:
    conversation, message_id = an_open_beat()
    reply = frame(3, message_id, {"currentTime": NOW})
    assert conversation.receive(reply, at_s=1.0) is not None
    assert conversation.receive(reply, at_s=1.0) is None
    assert conversation.duplicate_replies == 1


def test_a_reply_to_what_was_never_asked_is_unknown_and_the_open_call_stays_open() -> None:
    conversation, _ = an_open_beat()
    assert conversation.receive(frame(3, "nobody", {}), at_s=1.0) is None
    assert conversation.receive(frame(4, "-1", "GenericError", "", {}), at_s=1.0) is None
    assert conversation.unknown_replies == 2
    assert not conversation.idle
    assert written(conversation) == []


def test_only_so_many_expired_ids_are_remembered() -> None:
    conversation = a_conversation()
    for number in range(EXPIRED_MAX + 1):
        conversation.call(BEAT, at_s=30.0 * number)
        conversation.tick(at_s=30.0 * (number + 1))
    for number in (1, 2):
        conversation.receive(frame(3, f"s-{number}", {}), at_s=1e6)
    assert (conversation.late_replies, conversation.unknown_replies) == (1, 1)


# ── what breaks the schema ──────────────────────────────────────────────────────────────────────


def test_a_reply_with_a_field_too_many_is_used_and_recorded() -> None:
    conversation, message_id = an_open_beat()
    bad = frame(3, message_id, {"currentTime": NOW, "extra": 1})
    outcome = ended(conversation.receive(bad, at_s=1.0))
    assert outcome.failure is None
    (violation,) = conversation.take_violations()
    assert (violation.kind, violation.action, violation.frame) == ("schema", "Heartbeat", bad)
    assert not conversation.has_violations


def test_a_reply_that_cannot_be_read_ends_the_call_as_a_violation() -> None:
    conversation, message_id = an_open_beat()
    outcome = ended(conversation.receive(frame(3, message_id, {}), at_s=1.0))
    assert (outcome.failure, outcome.response) == (VIOLATED, None)
    assert conversation.violations_total == 1
    assert written(conversation) == []  # an error only ever answers a CALL


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Reset", {"type": "Gentle"}, "PropertyConstraintViolation"),
        ("Reset", {}, "OccurenceConstraintViolation"),
        ("Reset", {"type": 1}, "TypeConstraintViolation"),
        ("Reset", {"type": "Soft", "why": "so"}, "FormationViolation"),
        ("MakeCoffee", {}, "NotImplemented"),
        ("StartTransaction", {}, "NotSupported"),
    ],
)
def test_an_invalid_call_is_refused_with_the_code_of_the_version(
    action: str, payload: dict[str, Any], code: str
) -> None:
    conversation = a_conversation()
    assert conversation.receive(frame(2, "9", action, payload), at_s=0.0) is None
    ((kind, message_id, said, description, details),) = written(conversation)
    assert (kind, message_id, said, details) == (4, "9", code, {})
    assert 0 < len(description) <= 255
    assert conversation.violations_total == 1


def test_malformed_frames_are_answered_as_the_rules_say() -> None:
    conversation, _ = an_open_beat()
    for data in (b"\xff", b"hello", b"{}"):
        conversation.receive(data, at_s=0.0)
        assert written(conversation)[0][:3] == [4, "-1", "GenericError"]
    conversation.receive(frame(2, "9", "Reset"), at_s=0.0)
    assert written(conversation)[0][:3] == [4, "9", "FormationViolation"]
    for silent in (frame(7, "9", "Reset", {}), frame(3, 1, {}), frame(4, "9")):
        conversation.receive(silent, at_s=0.0)
        assert written(conversation) == []
    assert not conversation.idle  # none of it was a reply to the open CALL
    assert conversation.violations_total == 7


def test_a_message_id_that_is_too_long_is_recorded_and_answered_all_the_same() -> None:
    conversation = a_conversation()
    received = conversation.receive(frame(2, "9" * 37, "ClearCache", {}), at_s=0.0)
    assert isinstance(received, Received)
    conversation.answer(received, ClearCacheResponse("Accepted"))
    assert written(conversation) == [[3, "9" * 37, {"status": "Accepted"}]]
    assert [one.kind for one in conversation.take_violations()] == ["message_id"]


def test_violations_are_kept_in_bounds_and_counted_beyond() -> None:
    conversation = a_conversation()
    for _ in range(VIOLATIONS_MAX + 5):
        conversation.receive(b"x" * 10_000, at_s=0.0)
    kept = conversation.take_violations()
    assert len(kept) == VIOLATIONS_MAX
    assert {len(one.frame) for one in kept} == {FRAME_KEPT_BYTES}
    assert conversation.violations_total == VIOLATIONS_MAX + 5


# ── the peer's CALLs ────────────────────────────────────────────────────────────────────────────


def test_a_call_of_the_peer_is_answered_while_ours_is_open() -> None:
    conversation, message_id = an_open_beat()
    received = conversation.receive(frame(2, "9", "ClearCache", {}), at_s=1.0)
    assert isinstance(received, Received)
    assert (received.id, received.action.name) == ("9", "ClearCache")
    conversation.answer(received, ClearCacheResponse("Rejected"))
    assert written(conversation) == [[3, "9", {"status": "Rejected"}]]
    assert conversation.receive(frame(3, message_id, {"currentTime": NOW}), at_s=2.0) is not None


def test_equal_ids_of_both_sides_are_not_confused() -> None:
    conversation, message_id = an_open_beat()
    received = conversation.receive(frame(2, message_id, "ClearCache", {}), at_s=1.0)
    assert isinstance(received, Received)
    assert not conversation.idle
    conversation.refuse(received, "InternalError", "no")
    assert written(conversation) == [[4, message_id, "InternalError", "no", {}]]


def test_a_second_call_before_the_answer_to_the_first_is_counted() -> None:
    conversation = a_conversation()
    first = conversation.receive(frame(2, "1", "ClearCache", {}), at_s=0.0)
    second = conversation.receive(frame(2, "2", "ClearCache", {}), at_s=0.0)
    assert conversation.overlapping_calls == 1
    for received in (first, second):
        assert isinstance(received, Received)
        conversation.answer(received, ClearCacheResponse("Accepted"))
    third = conversation.receive(frame(2, "3", "ClearCache", {}), at_s=0.0)
    assert isinstance(third, Received)
    conversation.ignore(third)
    conversation.receive(frame(2, "4", "ClearCache", {}), at_s=0.0)
    assert conversation.overlapping_calls == 1


def test_a_silent_party_answers_no_broken_frame_and_still_records_it() -> None:
    conversation = a_conversation()
    conversation.silent = True
    for data in (b"hello", frame(2, "9", "Reset", {}), frame(2, "9", "MakeCoffee", {})):
        conversation.receive(data, at_s=0.0)
    assert written(conversation) == []
    assert conversation.violations_total == 3


def test_a_csms_takes_the_stations_calls_and_refuses_its_own() -> None:
    conversation = a_conversation("csms", prefix="c-")
    status = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
    received = conversation.receive(frame(2, "1", "StatusNotification", status), at_s=0.0)
    assert isinstance(received, Received)
    conversation.answer(received, StatusNotificationResponse())
    assert conversation.receive(frame(2, "2", "ClearCache", {}), at_s=0.0) is None
    assert written(conversation)[1][:3] == [4, "2", "NotSupported"]


# ── two parties and a bad line ──────────────────────────────────────────────────────────────────


class Party:
    """One end: what it asked, how that ended, and what it answered."""

    def __init__(self, role: Literal["station", "csms"]) -> None:
        self.role = role
        self.conversation = a_conversation(role, prefix=f"{role}-", queue_max=4)
        self.request = BEAT if role == "station" else ClearCacheRequest()
        self.outcomes: list[Outcome] = []
        self.asked = 0
        self.ids: list[str] = []
        self.open: tuple[str, float] | None = None
        """The CALL on the wire, known from the frames alone."""

    def ask(self, at_s: float) -> None:
        try:
            self.conversation.call(self.request, at_s=at_s, context=self.asked)
        except QueueFull:
            return
        self.asked += 1

    def take(self, at_s: float) -> list[bytes]:
        frames = self.conversation.take_frames()
        for data in frames:
            kind, message_id, *_ = json.loads(data)
            if kind == 2:
                assert self.open is None or at_s - self.open[1] >= 30.0
                self.open = (message_id, at_s)
                self.ids.append(message_id)
        return frames

    def hear(self, data: bytes, at_s: float) -> None:
        result = self.conversation.receive(data, at_s=at_s)
        if isinstance(result, Outcome):
            self.ended(result)
        elif result is not None:
            answer = (
                ClearCacheResponse("Accepted")
                if self.role == "station"
                else V16.actions["Heartbeat"].decode_response(b'{"currentTime":"%s"}' % b(NOW))
            )
            self.conversation.answer(result, answer)

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.open = None

    def tick(self, at_s: float) -> None:
        outcome = self.conversation.tick(at_s=at_s)
        if outcome is not None:
            self.ended(outcome)


def b(text: str) -> bytes:
    return text.encode()


def spoil(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    spoilt = data[:at] + bytes([dice.randrange(256)]) + data[at + 1 :]
    try:
        another_id = json.loads(spoilt)[1] != json.loads(data)[1]
    except (ValueError, LookupError, TypeError):
        return spoilt
    # A reply with the id of the next CALL would be a true answer to it, by sheer chance.
    return data[:-1] if another_id else spoilt


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), trouble=st.floats(0, 0.5), spoiling=st.booleans())
def test_over_a_line_that_loses_reorders_and_repeats_every_call_ends_exactly_once(
    seed: int, trouble: float, spoiling: bool
) -> None:
    dice = random.Random(seed)
    station, csms = Party("station"), Party("csms")
    lines: dict[str, list[bytes]] = {"station": [], "csms": []}  # by who hears
    at_s = 0.0
    for _ in range(200):
        party, other = (station, csms) if dice.random() < 0.5 else (csms, station)
        choice = dice.random()
        if choice < 0.3:
            party.ask(at_s)
        elif choice < 0.8 and lines[party.role]:
            line = lines[party.role]
            data = line.pop(dice.randrange(len(line)) if dice.random() < trouble else 0)
            fate = dice.random()
            if fate >= trouble / 3:
                party.hear(data, at_s)
                if fate < trouble:
                    party.hear(spoil(data, dice) if spoiling else data, at_s)
        else:
            at_s += dice.choice([0.0, 1.0, 10.0, 31.0])
            station.tick(at_s)
            csms.tick(at_s)
        for one, peer in ((party, other), (other, party)):
            lines[peer.role] += one.take(at_s)
    for party in (station, csms):
        for outcome in party.conversation.link_lost(at_s=at_s):
            party.ended(outcome)
        assert [outcome.context for outcome in party.outcomes] == list(range(party.asked))
        assert len(set(party.ids)) == len(party.ids)
        assert party.conversation.idle
        if not trouble:
            assert {o.failure for o in party.outcomes} <= {None, TIMED_OUT, LINK_LOST}


def test_two_parties_that_call_at_the_same_moment_do_not_deadlock() -> None:
    station, csms = Party("station"), Party("csms")
    station.ask(0.0)
    csms.ask(0.0)
    to_csms, to_station = station.take(0.0), csms.take(0.0)
    csms.hear(to_csms[0], 0.1)
    station.hear(to_station[0], 0.1)
    to_csms, to_station = station.take(0.1), csms.take(0.1)
    csms.hear(to_csms[0], 0.2)
    station.hear(to_station[0], 0.2)
    assert [one.failure for one in station.outcomes + csms.outcomes] == [None, None]
