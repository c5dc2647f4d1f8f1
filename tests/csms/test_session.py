from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from builders_csms import EXAMPLES, Talk, call, start_payload, stop_payload, values_payload
from simfleet.csms.answers import ANSWERS
from simfleet.csms.behaviour import Behaviour
from simfleet.csms.book import Book
from simfleet.csms.misbehaviour import STATION_ACTIONS
from simfleet.csms.session import COMMAND_TIMEOUT_S, Ticket
from simfleet.errors import QueueFull
from simfleet.ocpp.rpc import QUEUE_MAX
from simfleet.ocpp.v16 import V16
from simfleet.ocpp.v16.messages import ResetRequest
from simfleet.ocpp.v21 import V21
from simfleet.ocpp.v201 import V201

if TYPE_CHECKING:
    from simfleet.ocpp.results import Outcome

FROM_STATIONS = {
    action
    for catalog in (V16, V201, V21)
    for action in catalog.actions.values()
    if "station" in action.sent_by
}


def test_the_table_answers_every_request_a_station_can_send() -> None:
    assert {action.request for action in FROM_STATIONS} == set(ANSWERS)
    calls = {action.name for action in FROM_STATIONS if action.response is not None}
    assert calls == STATION_ACTIONS
    assert {a.name for a in FROM_STATIONS if a.version == V16.version} == set(EXAMPLES)


@pytest.mark.parametrize("action", sorted(EXAMPLES))
def test_each_message_gets_one_answer_that_the_schema_allows(action: str) -> None:
    talk = Talk()
    response = talk.ask(action)
    V16.actions[action].decode_response(msgspec.json.encode(response))
    assert talk.book.calls == {action: 1}
    assert (talk.book.frames_in, talk.book.frames_out) == (1, 1)


# ── boot and time ────────────────────────────────────────────────────────────────────────────────


def test_an_accepted_boot_carries_the_heartbeat_interval_and_the_clock_to_the_millisecond() -> None:
    talk = Talk(behaviour=Behaviour(heartbeat_interval_s=77))
    talk.at_s = 3.1239
    answer = talk.ask("BootNotification")
    assert answer["status"] == "Accepted"
    assert answer["interval"] == 77
    assert answer["currentTime"].startswith("2023-11-14T22:13:23.123")


@pytest.mark.parametrize(("boot", "status"), [("pending", "Pending"), ("rejected", "Rejected")])
def test_a_refused_boot_carries_the_retry_interval(boot: str, status: str) -> None:
    behaviour = msgspec.convert({"boot": boot, "boot_interval_s": 9}, Behaviour)
    talk = Talk(behaviour=behaviour, booted=False)
    for _ in range(3):
        answer = talk.ask("BootNotification")
        assert (answer["status"], answer["interval"]) == (status, 9)
    assert talk.book.boots == 3


def test_a_boot_is_accepted_after_as_many_refusals_as_were_told() -> None:
    talk = Talk(behaviour=Behaviour(boot="pending", boots_refused=2), booted=False)
    statuses = [talk.ask("BootNotification")["status"] for _ in range(4)]
    assert statuses == ["Pending", "Pending", "Accepted", "Accepted"]


def test_calls_before_the_boot_was_accepted_are_answered_and_counted() -> None:
    talk = Talk(booted=False)
    assert "currentTime" in talk.ask("Heartbeat")
    talk.ask("BootNotification")
    talk.ask("Heartbeat")
    assert talk.book.calls_before_boot == 1


# ── tags ─────────────────────────────────────────────────────────────────────────────────────────


def test_tags_are_accepted_unless_told_otherwise() -> None:
    behaviour = Behaviour(tag_statuses={"BAD": "Blocked"}, parent_tags={"KID": "MUM"})
    talk = Talk(behaviour=behaviour)
    assert talk.ask("Authorize", {"idTag": "ANY"}) == {"idTagInfo": {"status": "Accepted"}}
    assert talk.ask("Authorize", {"idTag": "BAD"}) == {"idTagInfo": {"status": "Blocked"}}
    child = {"status": "Accepted", "parentIdTag": "MUM"}
    assert talk.ask("Authorize", {"idTag": "KID"}) == {"idTagInfo": child}


def test_a_refused_tag_still_gets_a_transaction_id() -> None:
    talk = Talk(behaviour=Behaviour(authorize_status="Invalid"))
    answer = talk.ask("StartTransaction")
    assert answer == {"idTagInfo": {"status": "Invalid"}, "transactionId": 1}
    assert len(talk.book.open) == 1


def test_concurrent_use_of_a_tag_is_refused_when_told_to() -> None:
    talk = Talk(behaviour=Behaviour(refuse_concurrent_tx=True))
    first = talk.start()
    again = talk.ask("StartTransaction", start_payload(connectorId=2))
    assert again["idTagInfo"]["status"] == "ConcurrentTx"
    retry = talk.ask("StartTransaction", start_payload())
    assert (retry["idTagInfo"]["status"], retry["transactionId"]) == ("Accepted", first)
    assert talk.ask("Authorize", {"idTag": "TAG"})["idTagInfo"]["status"] == "Accepted"
    talk.ask("StopTransaction", stop_payload(first))
    talk.ask("StopTransaction", stop_payload(again["transactionId"]))
    later = talk.ask("StartTransaction", start_payload(timestamp="2026-01-02T10:00:00Z"))
    assert later["idTagInfo"]["status"] == "Accepted"


def test_a_stop_with_a_tag_is_answered_about_that_tag_and_without_one_about_none() -> None:
    talk = Talk(behaviour=Behaviour(tag_statuses={"TAG": "Expired"}))
    with_tag = talk.ask("StopTransaction", stop_payload(talk.start(), idTag="TAG"))
    assert with_tag == {"idTagInfo": {"status": "Expired"}}
    assert talk.ask("StopTransaction", stop_payload(9)) == {}


# ── transactions ─────────────────────────────────────────────────────────────────────────────────


def test_transaction_ids_are_unique_and_rise_across_stations() -> None:
    book = Book()
    talks = [Talk(f"CP-{n}", book=book, number=n) for n in range(3)]
    ids = [talk.start(connectorId=c) for c in (1, 2) for talk in talks]
    assert ids == [1, 2, 3, 4, 5, 6]
    assert book.starts == 6


def test_a_start_sent_again_is_the_same_transaction_even_after_reconnecting() -> None:
    talk = Talk()
    first = talk.start()
    assert talk.start() == first
    talk.session.closed(at_s=1.0)
    again = Talk(book=talk.book, number=2)
    assert again.start() == first
    assert (talk.book.starts, talk.book.duplicate_starts) == (1, 2)
    assert len(talk.book.open) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"connectorId": 2},
        {"idTag": "OTHER"},
        {"meterStart": 1001},
        {"timestamp": "2026-01-01T10:00:01Z"},
    ],
)
def test_a_start_that_differs_is_another_transaction(change: dict[str, object]) -> None:
    talk = Talk()
    assert talk.start() != talk.start(**change)


def test_another_station_with_the_same_start_has_its_own_transaction() -> None:
    book = Book()
    assert Talk("A", book=book).start() != Talk("B", book=book).start()


def test_a_stop_is_recorded_once_with_its_energy() -> None:
    talk = Talk()
    transaction_id = talk.start()
    talk.ask("StopTransaction", stop_payload(transaction_id, reason="Local"))
    book = talk.book
    assert (book.stops, book.energy_wh, len(book.open)) == (1, 5000, 0)
    closed = book.closed(transaction_id)
    assert closed is not None
    assert (closed.reason, closed.meter_stop_wh) == ("Local", 6000)


def test_a_second_stop_is_counted_and_changes_nothing() -> None:
    talk = Talk()
    transaction_id = talk.start()
    talk.ask("StopTransaction", stop_payload(transaction_id))
    talk.ask("StopTransaction", stop_payload(transaction_id))
    talk.ask("StopTransaction", stop_payload(transaction_id, meterStop=9000))
    book = talk.book
    assert (book.stops, book.stopped_twice, book.stop_retries) == (1, 2, 1)
    assert book.energy_wh == 5000


def test_a_stop_of_somebody_elses_or_no_transaction_is_counted_as_unknown() -> None:
    book = Book()
    mine, other = Talk("A", book=book), Talk("B", book=book)
    transaction_id = mine.start()
    assert other.ask("StopTransaction", stop_payload(transaction_id)) == {}
    other.ask("StopTransaction", stop_payload(4711))
    other.ask("StopTransaction", stop_payload(0))
    assert (book.stop_unknown, book.stops, len(book.open)) == (3, 0, 1)


def test_negative_energy_is_counted() -> None:
    talk = Talk()
    talk.ask("StopTransaction", stop_payload(talk.start(), meterStop=400))
    assert (talk.book.energy_wh, talk.book.negative_energies) == (-600, 1)


# ── meter values ─────────────────────────────────────────────────────────────────────────────────


def test_meter_values_are_counted_and_the_last_is_kept_per_transaction() -> None:
    talk = Talk()
    transaction_id = talk.start()
    talk.ask("MeterValues", values_payload(1100, 1200, transactionId=transaction_id))
    transaction = talk.book.open[transaction_id]
    assert transaction.meter_values == 2
    assert transaction.last_meter_value is not None
    assert transaction.last_meter_value.sampled_value[0].value == "1200"
    assert (talk.book.meter_values, talk.book.sampled_values) == (2, 2)


def test_meter_values_of_no_transaction_of_this_station_are_counted() -> None:
    talk = Talk()
    talk.ask("MeterValues", values_payload(5, transactionId=99))
    talk.ask("MeterValues", values_payload(5))
    assert talk.book.meter_values_unknown == 1


def test_a_register_that_goes_down_is_counted_with_an_example() -> None:
    talk = Talk()
    talk.start()
    talk.ask("MeterValues", values_payload(2000))
    talk.ask("MeterValues", values_payload(1.5, unit="kWh"))
    assert talk.book.register_decreases == 1
    assert talk.book.register_decrease_examples == [
        {"identity": "CP-1", "connector": 1, "from_wh": 2000.0, "to_wh": 1500.0}
    ]


def test_an_older_reading_that_comes_late_is_no_decrease() -> None:
    talk = Talk()
    talk.ask("MeterValues", values_payload(2000))
    talk.ask("MeterValues", values_payload(1500, at="2026-01-01T10:29:59Z"))
    assert talk.book.register_decreases == 0


def test_another_connector_has_its_own_register() -> None:
    talk = Talk()
    talk.ask("MeterValues", values_payload(2000))
    talk.ask("MeterValues", values_payload(1500, connectorId=2))
    assert talk.book.register_decreases == 0


@pytest.mark.parametrize("value", ["", "abc", "nan", "inf", "-inf"])
def test_a_register_that_is_no_number_is_counted(value: str) -> None:
    talk = Talk()
    talk.ask("MeterValues", values_payload(value))
    assert talk.book.unreadable_values == 1


# ── breaking the protocol ────────────────────────────────────────────────────────────────────────


def test_a_station_that_does_not_wait_for_its_answer_is_seen() -> None:
    talk = Talk()
    for message_id in ("a", "b", "c"):
        talk.session.receive(call(message_id, "Heartbeat", {}), at_s=0.0)
    assert [frame[1] for frame in talk.frames()] == ["a", "b", "c"]
    assert talk.book.overlapping_calls == 2
    talk.ask("Heartbeat")
    assert talk.book.overlapping_calls == 2


def test_a_schema_violation_is_refused_and_kept_as_an_example() -> None:
    talk = Talk()
    (answer,) = talk.call("Authorize", {"idTag": 5})
    assert answer[:3] == [4, "s1", "TypeConstraintViolation"]
    assert talk.book.wrongs.violations == 1
    example = talk.book.wrongs.violation_examples[0]
    assert (example["identity"], example["action"]) == ("CP-1", "Authorize")
    assert example["frame"] == '[2,"s1","Authorize",{"idTag":5}]'


def test_only_the_first_violations_are_kept_but_all_are_counted() -> None:
    talk = Talk()
    for _ in range(50):
        talk.call("Authorize", {})
    assert talk.book.wrongs.violations == 50
    assert len(talk.book.wrongs.violation_examples) == 20


def test_replies_that_answer_nothing_are_counted() -> None:
    talk = Talk()
    talk.send(b'[3,"nobody-asked",{}]')
    assert talk.book.unknown_replies == 1


# ── our own CALLs ────────────────────────────────────────────────────────────────────────────────


def _reset(talk: Talk) -> tuple[Ticket, list[Outcome]]:
    outcomes: list[Outcome] = []
    request = ResetRequest(type="Soft")
    return talk.session.command(request, at_s=talk.at_s, when_done=outcomes.append), outcomes


def test_a_command_ends_with_the_stations_answer() -> None:
    talk = Talk(number=7)
    ticket, outcomes = _reset(talk)
    assert talk.frames() == [[2, "csms7-1", "Reset", {"type": "Soft"}]]
    assert not outcomes
    assert talk.send(b'[3,"csms7-1",{"status":"Accepted"}]') == []
    assert [ticket.outcome] == outcomes
    assert outcomes[0].failure is None
    assert talk.book.commands == {"Reset": {"answered": 1}}


def test_a_command_can_be_refused_by_the_station() -> None:
    talk = Talk()
    ticket, _ = _reset(talk)
    talk.send(b'[4,"csms1-1","NotSupported","no",{}]')
    assert ticket.outcome is not None
    assert ticket.outcome.failure == "NotSupported"


def test_a_command_that_is_never_answered_times_out_and_a_late_reply_is_counted() -> None:
    talk = Talk()
    ticket, _ = _reset(talk)
    assert talk.session.wake_at_s == COMMAND_TIMEOUT_S
    talk.after(COMMAND_TIMEOUT_S)
    assert ticket.outcome is not None
    assert ticket.outcome.failure == "timeout"
    talk.send(b'[3,"csms1-1",{"status":"Accepted"}]')
    assert talk.book.late_replies == 1


def test_commands_end_when_the_connection_is_lost() -> None:
    talk = Talk()
    tickets = [_reset(talk)[0] for _ in range(3)]
    talk.session.closed(at_s=1.0)
    failures = [ticket.outcome.failure for ticket in tickets if ticket.outcome]
    assert failures == ["link_lost"] * 3
    assert talk.book.connected == 0


def test_too_many_commands_are_refused() -> None:
    talk = Talk()
    for _ in range(QUEUE_MAX + 1):
        _reset(talk)
    with pytest.raises(QueueFull):
        _reset(talk)


def test_a_call_of_the_station_is_answered_while_ours_is_open() -> None:
    talk = Talk()
    _reset(talk)
    talk.frames()
    assert "currentTime" in talk.ask("Heartbeat")
