"""Whatever a station sends, and however the CSMS is told to behave, the session stands."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from builders_csms import EXAMPLES, Talk, call
from simfleet.csms.behaviour import Behaviour, behaviour_of
from simfleet.ocpp.v16.messages import ResetRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)
ACTIONS = st.sampled_from([*EXAMPLES, "Reset", "NoSuchAction", ""])


@st.composite
def payloads(draw: st.DrawFn) -> tuple[str, Any]:
    """An action with its example payload, some of whose fields are replaced by anything."""
    action = draw(st.sampled_from(sorted(EXAMPLES)))
    payload = dict(EXAMPLES[action])
    for field in draw(st.lists(st.sampled_from(sorted(payload) or ["x"]), max_size=2)):
        payload[field] = draw(
            JSON | st.sampled_from(["2026-01-01T00:00:00", "2016-12-31T23:59:60Z", 10**30])
        )
    return action, payload


CALLS = payloads() | st.tuples(ACTIONS, JSON)
ODD_FRAMES = (
    st.binary(max_size=60)
    | JSON.map(msgspec.json.encode)
    | st.lists(st.sampled_from([2, 3, 4, 5, "csms1-1", "Heartbeat", {}, None]), max_size=6).map(
        msgspec.json.encode
    )
)
KINDS_TRIED = (
    "duplicate=Heartbeat",
    "garbage=Authorize",
    "wrong-id=MeterValues",
    "call-first",
    "bad-schema=StopTransaction",
    "call-error=StartTransaction",
    "drop=0.3",
    "close-after=3",
)
MISBEHAVIOUR = st.lists(st.sampled_from(KINDS_TRIED), max_size=3)
BEHAVIOURS = st.builds(
    lambda misbehave, delays: behaviour_of(misbehave=misbehave, delays=delays),
    MISBEHAVIOUR,
    st.sampled_from([[], ["1s"], ["0s..5s"]]),
)


@given(CALLS.flatmap(lambda first: st.lists(CALLS, max_size=8).map(lambda rest: [first, *rest])))
def test_every_call_gets_exactly_one_answer(calls: list[tuple[str, Any]]) -> None:
    talk = Talk()
    answers: Counter[str] = Counter()
    for n, (action, payload) in enumerate(calls):
        for frame in talk.send(call(f"id{n}", action, payload)):
            assert frame[0] in (3, 4)
            answers[frame[1]] += 1
    assert answers == {f"id{n}": 1 for n in range(len(calls))}
    assert talk.book.frames_in == talk.book.frames_out == len(calls)


@given(
    BEHAVIOURS,
    st.lists(
        CALLS.map(lambda c: call("id", *c)) | ODD_FRAMES | st.floats(0, 40) | st.just("command"),
        max_size=20,
    ),
)
def test_no_frames_or_pauses_in_any_order_break_a_session(
    behaviour: Behaviour, steps: list[bytes | float | str]
) -> None:
    talk = Talk(behaviour=behaviour)
    tickets = []
    for step in steps:
        if isinstance(step, bytes):
            talk.send(step)
        elif isinstance(step, float):
            talk.after(step)
            assert talk.session.wake_at_s > talk.at_s
        else:
            request = ResetRequest(type="Hard")
            tickets.append(talk.session.command(request, at_s=talk.at_s))
    book = talk.book
    assert len(book.open) + book.stops == book.starts
    talk.session.closed(at_s=talk.at_s)
    assert all(ticket.outcome is not None for ticket in tickets)
    assert book.connected == 0
    assert talk.frames() == []
    msgspec.json.encode(book.ledger())
