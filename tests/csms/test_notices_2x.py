"""What stations of 2.0.1 and 2.1 tell besides transactions is kept, and what follows is done."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.x509 import ocsp

from builders_csms import AT, EVENT, EXAMPLES_2, SCHEDULE, Talk, part_payload
from simfleet.csms.behaviour import Behaviour
from simfleet.csms.description import described, reported
from simfleet.csms.versions import VERSIONS
from simfleet.pki.authority import Authority
from simfleet.pki.checks import certificate_hash_data
from simfleet.pki.ocsp import ocsp_response

versions = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])


def counts(talk: Talk, group: str) -> dict[str, int]:
    return talk.book.notices.counts[group]


def command(talk: Talk, action: str, payload: dict[str, Any]) -> None:
    """Have the CSMS send a CALL; the station never answers."""
    request = talk.catalog.actions[action].decode_request(msgspec.json.encode(payload))
    talk.session.command(request, at_s=talk.at_s)
    talk.frames()


# ── reports ──────────────────────────────────────────────────────────────────────────────────────

NUMBERED = pytest.mark.parametrize(
    ("action", "items", "asks"),
    [
        ("NotifyReport", "reportData", "GetBaseReport"),
        ("NotifyMonitoringReport", "monitor", "GetMonitoringReport"),
    ],
)


@NUMBERED
def test_a_report_is_put_together(action: str, items: str, asks: str) -> None:
    """B07, N02: parts from 0 with one requestId, `tbc` but in the last."""
    talk = Talk(version="ocpp2.1")
    base = {"reportBase": "FullInventory"} if asks == "GetBaseReport" else {}
    command(talk, asks, {"requestId": 7, **base})
    for seq_no in range(3):
        talk.ask(action, part_payload(seq_no, tbc=seq_no < 2, items=items, n=4))
    report = reported(talk.session.record, action, 7)
    assert report is not None
    assert (report["parts"], report["complete"]) == (3, True)
    assert len(msgspec.to_builtins(report["items"])) == 12
    assert talk.book.notices.reports.counts[action] == {
        "complete": 1,
        "incomplete": 0,
        "parts": 3,
        "items": 12,
        "gaps": 0,
        "repeated": 0,
        "unasked": 0,
    }


@NUMBERED
def test_what_is_wrong_with_a_report_is_counted(action: str, items: str, asks: str) -> None:
    talk = Talk(version="ocpp2.1")
    talk.ask(action, part_payload(0, tbc=True, items=items))
    talk.ask(action, part_payload(0, tbc=True, items=items))
    talk.ask(action, part_payload(2, tbc=True, items=items))
    found = talk.book.notices.reports.counts[action]
    assert (found["unasked"], found["repeated"], found["gaps"]) == (1, 1, 1)
    assert (found["incomplete"], found["complete"]) == (1, 0)


@versions
def test_parts_without_numbers_are_taken_as_they_come(version: str) -> None:
    talk = Talk(version=version)
    command(talk, "GetDisplayMessages", {"requestId": 7})
    for tbc in (True, True, False):
        talk.ask("NotifyDisplayMessages", part_payload(None, tbc=tbc, items="messageInfo"))
    report = reported(talk.session.record, "NotifyDisplayMessages", 7)
    assert report is not None
    assert (report["parts"], report["complete"]) == (3, True)


@versions
def test_profiles_are_reported_with_their_evse_and_source(version: str) -> None:
    talk = Talk(version=version)
    talk.ask("ReportChargingProfiles")
    report = reported(talk.session.record, "ReportChargingProfiles", 7)
    assert report is not None
    (item,) = msgspec.to_builtins(report["items"])
    assert (item["evseId"], item["chargingLimitSource"]) == (1, "CSO")
    assert item["chargingProfile"]["chargingProfilePurpose"] == "TxDefaultProfile"


def test_a_report_that_has_not_come_is_none() -> None:
    assert reported(Talk(version="ocpp2.1").session.record, "NotifyReport", 1) is None


# ── monitoring ───────────────────────────────────────────────────────────────────────────────────


@versions
def test_events_are_kept_with_their_variables(version: str) -> None:
    talk = Talk(version=version)
    told = {
        **EVENT,
        "component": {"name": "C", "instance": "i", "evse": {"id": 2, "connectorId": 1}},
        "variable": {"name": "V", "instance": "j"},
        "cleared": True,
    }
    talk.ask("NotifyEvent", {"generatedAt": AT, "seqNo": 0, "eventData": [EVENT, told]})
    first, second = talk.book.notices.events
    assert (first.variable, first.cleared) == ("C.V", False)
    assert (second.variable, second.cleared) == ("C[i]:2:1.V[j]", True)
    assert counts(talk, "event_triggers") == {"Alerting": 2}
    assert counts(talk, "event_problems") == {"cleared": 1}


@versions
def test_the_parts_of_an_event_message_are_numbered(version: str) -> None:
    talk = Talk(version=version)
    for seq_no, tbc in ((0, True), (1, False), (0, False), (1, False)):
        payload = {"generatedAt": AT, "seqNo": seq_no, "tbc": tbc, "eventData": [EVENT]}
        talk.ask("NotifyEvent", payload)
    assert counts(talk, "event_problems") == {"seq_no_gap": 1}  # the last


def test_a_stream_is_open_from_open_to_close() -> None:
    talk = Talk(version="ocpp2.1")
    data = {"data": [{"t": 0, "v": "1"}, {"t": 1, "v": "2"}], "id": 1, "pending": 3, "basetime": AT}
    frame = msgspec.json.encode([6, "x", "NotifyPeriodicEventStream", data])
    talk.send(frame)
    assert talk.ask("OpenPeriodicEventStream") == {"status": "Accepted"}
    talk.send(frame)
    stream = talk.session.record.notices().streams[1]
    assert (stream.monitoring_id, stream.messages, stream.values, stream.pending) == (9, 1, 2, 3)
    talk.ask("ClosePeriodicEventStream")
    talk.send(frame)
    found = {"opened": 1, "closed": 1, "messages": 1, "values": 2, "data_of_unknown": 2}
    assert counts(talk, "streams") == found


# ── charging ─────────────────────────────────────────────────────────────────────────────────────


@versions
def test_needs_are_met_with_a_profile_for_the_transaction(version: str) -> None:
    """K15: Accepted, and SetChargingProfile follows."""
    talk = Talk(version=version)
    talk.event("Started", 0)
    frames = talk.call("NotifyEVChargingNeeds")
    answer = next(frame for frame in frames if frame[0] == 3)
    ours = next(frame for frame in frames if frame[0] == 2)
    assert answer[2] == {"status": "Accepted"}
    assert ours[2] == "SetChargingProfile"
    check = talk.catalog.actions["SetChargingProfile"].check_request
    assert check(msgspec.json.encode(ours[3])) is None
    profile = ours[3]["chargingProfile"]
    assert (profile["transactionId"], ours[3]["evseId"]) == ("T", 1)
    (period,) = profile["chargingSchedule"][0]["chargingSchedulePeriod"]
    assert period["limit"] == 32


@versions
def test_needs_without_a_transaction_are_rejected(version: str) -> None:
    talk = Talk(version=version)
    assert talk.ask("NotifyEVChargingNeeds") == {"status": "Rejected"}
    processing = Talk(version=version, behaviour=Behaviour(charging_needs="Processing"))
    assert processing.ask("NotifyEVChargingNeeds") == {"status": "Processing"}


@versions
def test_a_limit_is_in_force_until_it_is_cleared(version: str) -> None:
    talk = Talk(version=version)
    talk.ask("NotifyChargingLimit")
    limits = talk.session.record.notices().limits
    assert limits[1].charging_limit_source == "EMS"
    talk.ask("ClearedChargingLimit")
    assert limits == {}


def test_a_dynamic_schedule_is_what_was_last_sent() -> None:
    talk = Talk(version="ocpp2.1")
    assert talk.ask("PullDynamicScheduleUpdate") == {"status": "Rejected"}
    profile = {
        "id": 4,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Dynamic",
        "chargingSchedule": [SCHEDULE],
    }
    command(talk, "SetChargingProfile", {"evseId": 1, "chargingProfile": profile})
    accepted = {"status": "Accepted", "scheduleUpdate": {"limit": 16.0}}
    assert talk.ask("PullDynamicScheduleUpdate") == accepted
    update = {"chargingProfileId": 4, "scheduleUpdate": {"setpoint": -3.0}}
    command(talk, "UpdateDynamicSchedule", update)
    accepted["scheduleUpdate"] = {"setpoint": -3.0}
    assert talk.ask("PullDynamicScheduleUpdate") == accepted


def test_a_grid_control_that_starts_supersedes_others() -> None:
    talk = Talk(version="ocpp2.1")
    talk.ask("NotifyDERStartStop")
    assert talk.session.record.notices().der_controls == {"d1": True, "d0": False}


# ── payments ─────────────────────────────────────────────────────────────────────────────────────


def test_a_settlement_counts_once() -> None:
    talk = Talk(version="ocpp2.1")
    assert talk.ask("NotifySettlement") == {"receiptId": "R-P1"}
    talk.ask("NotifySettlement")
    assert counts(talk, "settlements") == {"Settled": 1, "repeated": 1}
    assert talk.book.ledger()["settled"] == 12.5


@pytest.mark.parametrize(
    ("number", "status"), [("DE123456789", "Accepted"), ("12", "Rejected"), ("d", "Rejected")]
)
def test_a_vat_number_is_checked_by_its_looks(number: str, status: str) -> None:
    answer = Talk(version="ocpp2.1").ask("VatNumberValidation", {"vatNumber": number})
    assert (answer["vatNumber"], answer["status"]) == (number, status)
    assert ("company" in answer) == (status == "Accepted")


# ── certificates ─────────────────────────────────────────────────────────────────────────────────


@versions
@pytest.mark.parametrize("kind", ["ChargingStationCertificate", "V2GCertificate"])
def test_a_certificate_is_sent_as_what_was_asked_for(version: str, kind: str) -> None:
    asked: list[dict[str, Any]] = []

    def sign(csr: str, **wanted: Any) -> bool:
        asked.append(wanted)
        return True

    talk = Talk(version=version, sign=sign)
    payload = {"csr": "x", "certificateType": kind}
    assert talk.ask("SignCertificate", payload) == {"status": "Accepted"}
    (wanted,) = asked
    assert wanted["for_vehicles"] == kind.startswith("V2G")
    request = wanted["make"](certificate_chain="PEM")
    assert type(request) is VERSIONS[version].m.CertificateSignedRequest
    assert (request.certificate_chain, request.certificate_type) == ("PEM", kind)


@versions
def test_without_an_authority_nothing_is_signed_or_vouched_for(version: str) -> None:
    talk = Talk(version=version)
    assert talk.ask("SignCertificate") == {"status": "Rejected"}
    assert talk.ask("GetCertificateStatus") == {"status": "Failed"}


def test_the_request_id_of_2_1_comes_back_with_the_certificate() -> None:
    asked: list[Any] = []

    def sign(csr: str, **wanted: Any) -> bool:
        asked.append(wanted["make"](certificate_chain="PEM"))
        return True

    Talk(version="ocpp2.1", sign=sign).ask("SignCertificate", {"csr": "x", "requestId": 12})
    assert asked[0].request_id == 12


@pytest.mark.parametrize("how", ["good", "revoked", "unknown"])
def test_an_ocsp_response_is_one(how: Any) -> None:
    at_wall_s = 1_767_225_600.0
    authority = Authority.create(at_wall_s=at_wall_s)
    leaf = authority.issue_client("CP-1", at_wall_s=at_wall_s).certificate_pem
    named = certificate_hash_data(leaf, authority.certificate_pem, "SHA256")
    answer = ocsp_response(
        authority,
        hash_algorithm=named.hash_algorithm,
        issuer_name_hash=named.issuer_name_hash,
        issuer_key_hash=named.issuer_key_hash,
        serial_number=named.serial_number,
        status=how,
        at_wall_s=at_wall_s,
    )
    assert answer is not None
    response = ocsp.load_der_ocsp_response(base64.b64decode(answer))
    assert response.certificate_status.name == how.upper()
    assert response.serial_number == int(named.serial_number, 16)
    assert response.this_update_utc == datetime.fromtimestamp(at_wall_s, UTC)


def test_a_certificate_that_is_not_named_has_no_ocsp_response() -> None:
    authority = Authority.create(at_wall_s=0.0)
    answer = ocsp_response(
        authority,
        hash_algorithm="SHA256",
        issuer_name_hash="no hex",
        issuer_key_hash="",
        serial_number="",
        status="good",
        at_wall_s=0.0,
    )
    assert answer is None


@pytest.mark.parametrize(
    ("how", "status"), [("good", "Good"), ("revoked", "Revoked"), ("failed", "Failed")]
)
def test_the_status_of_a_chain_is_as_told(how: Any, status: str) -> None:
    talk = Talk(version="ocpp2.1", behaviour=Behaviour(revocation=how))
    (one,) = talk.ask("GetCertificateChainStatus")["certificateStatus"]
    assert (one["status"], one["source"]) == (status, "OCSP")
    assert one["nextUpdate"] == "2023-11-15T22:13:20Z"


@versions
def test_contract_certificates_can_fail(version: str) -> None:
    talk = Talk(version=version, behaviour=Behaviour(contract_certificates="Failed"))
    answer = talk.ask("Get15118EVCertificate")
    assert answer == {"status": "Failed", "exiResponse": ""}


# ── what is told of a station ────────────────────────────────────────────────────────────────────


@versions
def test_upkeep_is_kept_with_its_request_ids(version: str) -> None:
    talk = Talk(version=version)
    for action in ("FirmwareStatusNotification", "LogStatusNotification"):
        talk.ask(action)
    talk.ask("PublishFirmwareStatusNotification")
    talk.ask("SecurityEventNotification")
    found = described(talk.session.record, talk.book)
    assert (found["firmware"], found["firmware_request_id"]) == ("Installed", 3)
    assert (found["log"], found["log_request_id"]) == ("Uploaded", 4)
    assert (found["publish_firmware"], found["published_at"]) == (
        "Published",
        ("http://here/fw",),
    )
    assert found["security_events"] == 1


def test_everything_that_was_told_is_described() -> None:
    """It must be JSON, whatever a station has told."""
    talk = Talk(version="ocpp2.1")
    for action in EXAMPLES_2:
        talk.call(action)
    second = {**EXAMPLES_2["StatusNotification"], "connectorId": 2, "connectorStatus": "Faulted"}
    talk.ask("StatusNotification", second)
    found = msgspec.json.decode(msgspec.json.encode(described(talk.session.record, talk.book)))
    (transaction,) = found["transactions"]
    assert (transaction["id"], transaction["connector_id"]) == ("T", 1)
    assert found["connectors"]["1"]["others"] == {"2": "Faulted"}
    assert found["reservations"] == {"8": "Expired"}
    assert found["battery_swaps"]["1"]["eventType"] == "BatteryIn"
    assert {report["kind"] for report in found["reports"]} == {
        "NotifyCustomerInformation",
        "NotifyDisplayMessages",
        "NotifyMonitoringReport",
        "NotifyReport",
        "ReportChargingProfiles",
        "ReportDERControl",
    }
    msgspec.json.encode(talk.book.ledger())
