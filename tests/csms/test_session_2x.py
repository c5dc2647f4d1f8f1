"""Sessions of 2.0.1 and 2.1: every message gets its answer, and the boot comes first."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from builders_csms import EXAMPLES_2, Talk, call
from simfleet.csms.behaviour import Behaviour
from simfleet.csms.versions import VERSIONS
from simfleet.ocpp.versions import catalog_of

versions = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])

MESSAGES = [
    (version, name)
    for version in ("ocpp2.0.1", "ocpp2.1")
    for name, action in catalog_of(version).actions.items()
    if "station" in action.sent_by and action.response is not None
]


def test_the_examples_are_all_that_stations_send() -> None:
    assert set(EXAMPLES_2) == {name for _, name in MESSAGES}


@pytest.mark.parametrize(("version", "action"), MESSAGES)
def test_each_message_gets_one_answer_that_the_schema_allows(version: str, action: str) -> None:
    talk = Talk(version=version)
    talk.ask(action)  # which checks the answer
    assert talk.book.calls == {action: 1}
    assert talk.book.wrongs.violations == 0


def test_a_send_is_not_answered_and_not_held_against_the_next_call() -> None:
    """Part 4 of 2.1: nobody answers a SEND."""
    talk = Talk(version="ocpp2.1")
    data = {"data": [], "id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z"}
    data["data"] = [{"t": 0, "v": "1"}]
    assert talk.send(msgspec.json.encode([6, "x", "NotifyPeriodicEventStream", data])) == []
    talk.ask("Heartbeat")
    assert talk.book.calls == {"Heartbeat": 1, "NotifyPeriodicEventStream": 1}
    assert (talk.book.overlapping_calls, talk.book.wrongs.violations) == (0, 0)


# ── the boot ─────────────────────────────────────────────────────────────────────────────────────


@versions
def test_before_the_boot_all_else_is_a_security_error(version: str) -> None:
    """B02.FR.09, B03.FR.07."""
    talk = Talk(version=version, booted=False)
    ((kind, _, code, _, _),) = talk.call("Heartbeat")
    assert (kind, code) == (4, "SecurityError")
    assert talk.ask("BootNotification")["status"] == "Accepted"
    assert "currentTime" in talk.ask("Heartbeat")
    assert talk.book.refused_before_boot == 1


@versions
@pytest.mark.parametrize("boot", ["pending", "rejected"])
def test_a_station_that_is_not_accepted_is_refused_until_it_is(version: str, boot: Any) -> None:
    talk = Talk(version=version, booted=False, behaviour=Behaviour(boot=boot, boots_refused=1))
    assert talk.ask("BootNotification") | {"currentTime": ""} == {
        "status": boot.capitalize(),
        "interval": 10,
        "currentTime": "",
    }
    assert talk.call("StatusNotification")[0][2] == "SecurityError"
    assert talk.ask("BootNotification")["status"] == "Accepted"
    talk.ask("StatusNotification")


@versions
def test_a_pending_station_may_say_what_it_was_asked_for(version: str) -> None:
    """B02.FR.02: reports and triggered messages."""
    talk = Talk(version=version, booted=False, behaviour=Behaviour(boot="pending"))
    talk.ask("BootNotification")
    m = VERSIONS[version].m
    for request in (
        m.GetBaseReportRequest(request_id=7, report_base="FullInventory"),
        m.TriggerMessageRequest(requested_message="StatusNotification"),
    ):
        talk.session.command(request, at_s=talk.at_s)
    talk.frames()
    talk.ask("NotifyReport")
    talk.ask("StatusNotification")
    assert talk.call("Heartbeat")[0][2] == "SecurityError"


@versions
def test_the_nameplate_is_kept(version: str) -> None:
    talk = Talk(version=version, booted=False)
    talk.ask(
        "BootNotification",
        {
            "reason": "PowerUp",
            "chargingStation": {
                "model": "M",
                "vendorName": "V",
                "serialNumber": "S",
                "firmwareVersion": "F",
            },
        },
    )
    record = talk.session.record
    assert (record.vendor, record.model) == ("V", "M")
    assert (record.serial_number, record.firmware_version) == ("S", "F")
    assert record.version == version


# ── tags ─────────────────────────────────────────────────────────────────────────────────────────


@versions
@pytest.mark.parametrize("status", ["Accepted", "Blocked", "NoCredit", "NotAtThisTime"])
def test_a_tag_has_the_status_it_was_given(version: str, status: Any) -> None:
    talk = Talk(version=version, behaviour=Behaviour(tag_statuses={"TAG": status}))
    assert talk.ask("Authorize")["idTokenInfo"] == {"status": status}


@versions
def test_a_tag_of_another_type_is_named_with_its_type(version: str) -> None:
    behaviour = Behaviour(tag_statuses={"eMAID:DE1": "Blocked"})
    talk = Talk(version=version, behaviour=behaviour)
    contract = {"idToken": {"idToken": "DE1", "type": "eMAID"}, "certificate": "PEM"}
    assert talk.ask("Authorize", contract) == {
        "idTokenInfo": {"status": "Blocked"},
        "certificateStatus": "ContractCancelled",
    }
    card = {"idToken": {"idToken": "DE1", "type": "ISO14443"}}
    assert talk.ask("Authorize", card) == {"idTokenInfo": {"status": "Accepted"}}


@versions
def test_a_parent_tag_is_a_group(version: str) -> None:
    talk = Talk(version=version, behaviour=Behaviour(parent_tags={"TAG": "FAMILY"}))
    group = talk.ask("Authorize")["idTokenInfo"]["groupIdToken"]
    assert group == {"idToken": "FAMILY", "type": "Central"}


def test_what_only_2x_says_of_a_tag_is_said_in_words_of_1_6() -> None:
    behaviour = Behaviour(tag_statuses={"A": "NoCredit", "B": "NotAtThisTime"})
    talk = Talk(behaviour=behaviour)
    got = [talk.ask("Authorize", {"idTag": tag})["idTagInfo"]["status"] for tag in "AB"]
    assert got == ["Blocked", "Invalid"]


# ── misbehaviour ─────────────────────────────────────────────────────────────────────────────────


@versions
def test_answers_can_be_spoilt(version: str) -> None:
    everything = frozenset({"*"})
    assert (
        Talk(version=version, behaviour=Behaviour(never_answer=everything)).call("Heartbeat") == []
    )
    (answer,) = Talk(version=version, behaviour=Behaviour(bad_schema=everything)).call("Heartbeat")
    assert answer[2] == {"notInAnySchema": True}
    refusing = Behaviour(call_errors={"TransactionEvent": "InternalError"})
    (answer,) = Talk(version=version, behaviour=refusing).call("TransactionEvent")
    assert answer[:3:2] == [4, "InternalError"]


@versions
def test_a_call_of_our_own_goes_first_when_told_to(version: str) -> None:
    talk = Talk(version=version, behaviour=Behaviour(call_first=frozenset({"Heartbeat"})))
    ours, _ = talk.call("Heartbeat")
    assert ours[2] == "GetVariables"
    catalog = catalog_of(version)
    assert catalog.actions["GetVariables"].check_request(msgspec.json.encode(ours[3])) is None


def test_an_answer_that_a_station_cannot_use_is_seen() -> None:
    """Part 4 of 2.1: CALLRESULTERROR. It is about our answer, so no violation of the station's."""
    talk = Talk(version="ocpp2.1")
    talk.ask("Heartbeat")
    refusal = [5, "s1", "TypeConstraintViolation", "currentTime is no time", {}]
    assert talk.send(msgspec.json.encode(refusal)) == []
    ledger = talk.book.ledger()
    assert (ledger["results_refused"], ledger["violations"]) == (1, 0)


def test_2_0_1_knows_no_callresulterror() -> None:
    talk = Talk(version="ocpp2.0.1")
    ((kind, message_id, code, _, _),) = talk.send(b'[5,"s1","InternalError","",{}]')
    assert (kind, message_id, code) == (4, "s1", "MessageTypeNotSupported")


def test_a_message_of_2_1_is_unknown_in_2_0_1() -> None:
    talk = Talk(version="ocpp2.0.1")
    frame = call("x", "NotifyPriorityCharging", EXAMPLES_2["NotifyPriorityCharging"])
    ((kind, _, code, _, _),) = talk.send(frame)
    assert (kind, code) == (4, "NotImplemented")
