from __future__ import annotations

import statistics
from typing import Any

import msgspec
import pytest

from builders_csms import AT, Talk, start_payload
from simfleet.csms.behaviour import Behaviour, Delay, Limits, behaviour_of, chance
from simfleet.csms.misbehaviour import KINDS, as_text, fields_of
from simfleet.csms.session import HELD_MAX
from simfleet.csms.spoiling import GARBAGE
from simfleet.errors import ProtocolViolation, UsageWrong
from simfleet.ocpp.v16 import V16

EXAMPLE_VALUES = {
    "drop": "0.5",
    "throttle": "200",
    "close-after": "3",
    "stall": "5s@10s",
    "close-handshake": "",
    "http-status": "503",
    "no-subprotocol": "",
    "sign": "foreign-ca",
    "call-error": "Authorize,Heartbeat:NotSupported",
}


def told(*kinds: str, **fields: Any) -> Behaviour:
    return behaviour_of(misbehave=kinds, **fields)


# ── as people write it ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_misbehaviour_changes_the_behaviour(kind: str) -> None:
    value = EXAMPLE_VALUES.get(kind, "Heartbeat,MeterValues")
    text = f"{kind}={value}" if value else kind
    assert told(text) != Behaviour()
    assert f"  {kind}" in as_text()


@pytest.mark.parametrize("name", ["never-answer", "garbage", "wrong-id", "duplicate"])
def test_kinds_that_take_actions_mean_all_of_them_without_any(name: str) -> None:
    assert fields_of(name) == {name.replace("-", "_"): frozenset({"*"})}


def test_kinds_given_twice_are_joined() -> None:
    behaviour = told("garbage=Heartbeat", "garbage=Authorize", "call-error=StopTransaction")
    assert behaviour.garbage == {"Heartbeat", "Authorize"}
    assert behaviour.call_errors == {"StopTransaction": "InternalError"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sulk", "no kind of misbehaviour"),
        ("garbage=Reset", "not an action that a station sends"),
        ("drop=2", "from 0 to 1"),
        ("drop=nan", "from 0 to 1"),
        ("drop", "from 0 to 1"),
        ("close-after=0", "from 1"),
        ("stall=soon", "not a duration"),
        ("http-status=101", "from 300 to 599"),
        ("no-subprotocol=yes", "takes no value"),
        ("sign=well", "write one of rejected, never"),
        ("call-error=Heartbeat:no code", "not an error code"),
    ],
)
def test_misbehaviour_that_cannot_be_read_says_what_would_be(text: str, said: str) -> None:
    with pytest.raises(UsageWrong, match=said):
        told(text)


def test_all_options_together() -> None:
    behaviour = behaviour_of(
        boot="pending:2",
        delays=["50ms", "MeterValues=1s..2s"],
        tags=["BAD", "OLD=Expired"],
        parents=["KID=MUM"],
        limits=["cost=5.50", "energy=20kWh", "time=30m", "soc=80"],
        misbehave=["stall=5s@10s", "no-subprotocol"],
        price_per_kwh=0.4,
        tariff_per_kwh=0.5,
        charging_needs="Processing",
        contract_certificates="Failed",
        revocation="revoked",
        boot_interval_s=7,
        heartbeat_interval_s=None,
        seed=3,
    )
    assert behaviour == Behaviour(
        boot="pending",
        boots_refused=2,
        delay=Delay(0.05, 0.05),
        action_delays={"MeterValues": Delay(1.0, 2.0)},
        tag_statuses={"BAD": "Invalid", "OLD": "Expired"},
        parent_tags={"KID": "MUM"},
        transaction_limit=Limits(cost=5.5, energy_wh=20_000, time_s=1800, soc=80),
        stall_for_s=5.0,
        stall_after_s=10.0,
        price_per_kwh=0.4,
        tariff_per_kwh=0.5,
        charging_needs="Processing",
        contract_certificates="Failed",
        revocation="revoked",
        no_subprotocol=True,
        boot_interval_s=7,
        seed=3,
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"boot": "maybe"},
        {"boot": "pending:x"},
        {"delays": ["2s..1s"]},
        {"delays": ["5"]},
        {"delays": ["Reset=1s"]},
        {"delays": ["9h"]},
        {"tags": ["T=Fine"]},
        {"tags": ["=Blocked"]},
        {"parents": ["KID"]},
        {"boot_interval_s": -1},
        {"limits": ["energy=20"]},
        {"limits": ["soc=101"]},
        {"limits": ["cost=-1"]},
        {"limits": ["cost=nan"]},
        {"limits": ["speed=3"]},
        {"price_per_kwh": -0.1},
        {"revocation": "perhaps"},
    ],
)
def test_options_that_cannot_be_used_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageWrong):
        behaviour_of(**wrong)


def test_a_behaviour_survives_the_trip_to_a_child_process() -> None:
    behaviour = told("stall=5s", "drop=0.1", "call-error", seed=4, delays=["1s..2s"])
    assert msgspec.json.decode(msgspec.json.encode(behaviour), type=Behaviour) == behaviour


def test_chances_are_even_repeatable_and_differ_between_stations() -> None:
    drawn = [chance(1, "CP-1", n, "drop") for n in range(2000)]
    assert drawn == [chance(1, "CP-1", n, "drop") for n in range(2000)]
    assert all(0 <= fraction < 1 for fraction in drawn)
    assert 0.47 < statistics.mean(drawn) < 0.53
    assert drawn[0] not in (chance(2, "CP-1", 0, "drop"), chance(1, "CP-2", 0, "drop"))


# ── what it does to the answers ──────────────────────────────────────────────────────────────────


def test_a_delay_holds_the_answer_back_exactly_so_long() -> None:
    talk = Talk(behaviour=behaviour_of(delays=["2s"]))
    assert talk.call("Heartbeat") == []
    assert talk.session.wake_at_s == 2.0
    assert talk.after(1.999) == []
    assert [frame[1] for frame in talk.after(0.001)] == ["s1"]


def test_a_range_of_delays_is_kept_and_actions_have_their_own() -> None:
    behaviour = behaviour_of(delays=["1s..3s", "Authorize=5s"])
    due_s = []
    for n in range(50):
        talk = Talk(f"CP-{n}", behaviour=behaviour)
        talk.call("Heartbeat")
        due_s.append(talk.session.wake_at_s)
    assert 1 <= min(due_s) < 1.5
    assert 2.5 < max(due_s) <= 3
    talk = Talk(behaviour=behaviour)
    talk.call("Authorize")
    assert talk.session.wake_at_s == 5.0


def test_calls_that_overlap_a_late_answer_are_counted() -> None:
    talk = Talk(behaviour=behaviour_of(delays=["1s"]))
    talk.call("Heartbeat")
    talk.call("Heartbeat")
    assert talk.book.overlapping_calls == 1
    assert [frame[1] for frame in talk.after(1.0)] == ["s1", "s2"]


def test_late_answers_are_bounded_and_counted_when_the_connection_ends() -> None:
    talk = Talk(behaviour=behaviour_of(delays=["1s"]))
    for _ in range(HELD_MAX + 5):
        talk.call("Heartbeat")
    assert talk.book.unanswered == 5
    talk.session.closed(at_s=0.5)
    assert talk.book.unanswered == HELD_MAX + 5


def test_never_answer_leaves_out_the_named_actions_only() -> None:
    talk = Talk(behaviour=told("never-answer=Heartbeat"))
    assert talk.call("Heartbeat") == []
    talk.ask("Authorize")
    assert talk.book.unanswered == 1
    assert talk.book.overlapping_calls == 0


def test_an_unanswered_start_that_is_sent_again_is_the_same_transaction() -> None:
    book = Talk().book
    Talk(behaviour=told("never-answer"), book=book).call("StartTransaction", start_payload())
    assert Talk(book=book).start() == 1
    assert (book.starts, book.duplicate_starts) == (1, 1)


def test_drop_leaves_out_about_that_part_the_same_each_time() -> None:
    def answered() -> list[bool]:
        talk = Talk(behaviour=told("drop=0.25", seed=5))
        return [bool(talk.call("Heartbeat")) for _ in range(400)]

    first = answered()
    assert first == answered()
    assert 260 < sum(first) < 340


def test_garbage_is_not_json() -> None:
    assert Talk(behaviour=told("garbage")).call("Heartbeat") == [GARBAGE]
    GARBAGE.decode()  # but it is text


def test_wrong_id_answers_another_id_of_legal_length() -> None:
    talk = Talk(behaviour=told("wrong-id"))
    (answer,) = talk.call("Heartbeat")
    assert answer[0] == 3
    assert answer[1] == "not-s1"
    (long,) = talk.send(b'[2,"' + b"x" * 36 + b'","Heartbeat",{}]')
    assert len(long[1]) == 36


@pytest.mark.parametrize("action", sorted(a.name for a in V16.actions.values()))
def test_bad_schema_is_forbidden_by_every_response_schema(action: str) -> None:
    (answer,) = Talk(behaviour=told("bad-schema")).call("Heartbeat")
    with pytest.raises(ProtocolViolation):
        V16.actions[action].decode_response(msgspec.json.encode(answer[2]))


def test_call_error_answers_with_the_code() -> None:
    talk = Talk(behaviour=told("call-error=Heartbeat:NotSupported"))
    (answer,) = talk.call("Heartbeat")
    assert answer[:3] == [4, "s1", "NotSupported"]
    talk.ask("Authorize")


def test_duplicate_sends_the_answer_twice_whatever_it_is() -> None:
    talk = Talk(behaviour=told("duplicate", "call-error=Authorize"))
    first, second = talk.call("Heartbeat")
    assert first == second
    assert [frame[0] for frame in talk.call("Authorize")] == [4, 4]


def test_call_first_puts_a_call_of_ours_before_the_answer() -> None:
    talk = Talk(behaviour=told("call-first=Heartbeat"))
    ours, answer = talk.call("Heartbeat")
    assert (ours[0], ours[2]) == (2, "GetConfiguration")
    assert answer[:2] == [3, "s1"]
    assert [frame[0] for frame in talk.call("Heartbeat")] == [3]  # ours is still open
    talk.send(msgspec.json.encode([3, ours[1], {}]))
    assert [frame[0] for frame in talk.call("Heartbeat")] == [2, 3]


def test_call_first_is_about_a_send_too() -> None:
    """A SEND has no answer: of all that can be spoilt, only what comes before it is left."""
    talk = Talk(version="ocpp2.1", behaviour=told("call-first", "never-answer", "garbage"))
    data = {"id": 1, "pending": 0, "basetime": AT, "data": [{"t": 0.0, "v": "1"}]}
    (ours,) = talk.send(msgspec.json.encode([6, "x", "NotifyPeriodicEventStream", data]))
    assert (ours[0], ours[2]) == (2, "GetVariables")
    assert talk.book.unanswered == 0


def test_close_after_wants_the_connection_closed_after_that_message() -> None:
    talk = Talk(behaviour=told("close-after=2"))
    talk.ask("Heartbeat")
    assert talk.session.close_wanted is None
    talk.ask("Heartbeat")
    assert talk.session.close_wanted is not None
