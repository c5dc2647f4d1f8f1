"""`simfleet run` in 2.0.1 and 2.1 against a CSMS that is not ours: the `ocpp` package's."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from end_to_end.peer_process import Peer, peer
from end_to_end.simfleet_process import run, write_scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).with_name("peer_csms_2x.py")
versions = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])


def scenario_of(folder: Path, version: str, **options: Any) -> Path:
    """The usual scenario, in another version."""
    path = write_scenario(folder, **options)
    text = path.read_text("utf-8").replace("version: ocpp1.6", f"version: {version}")
    text = text.replace("{MeterValueSampleInterval: 1}", "{SampledDataCtrlr.TxUpdatedInterval: 1}")
    path.write_text(text, encoding="utf-8")
    return path


def transactions_of(one: Peer) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """All TransactionEvents by station and transactionId, as they came."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for call in one.calls("TransactionEvent"):
        event = call["frame"][3]
        found[call["identity"], event["transactionInfo"]["transactionId"]].append(event)
    return found


def registers_of(events: list[dict[str, Any]]) -> Iterator[float]:
    """The energy registers in events, in order."""
    for event in events:
        for value in event.get("meterValue", ()):
            for sampled in value["sampledValue"]:
                measurand = sampled.get("measurand", "Energy.Active.Import.Register")
                if measurand == "Energy.Active.Import.Register" and "phase" not in sampled:
                    yield sampled["value"]


@versions
def test_sessions_are_what_a_csms_vendor_expects(tmp_path: Path, version: str) -> None:
    """Whole sessions: every transaction has all its events in order, and its meter goes up."""
    scenario = scenario_of(tmp_path, version, connectors=2, energy_kwh="0.006..0.012", hold_s=5)
    with peer(tmp_path, program=PROGRAM) as one:
        ended = run(scenario, target=one.url)
        assert ended.code == 0, str(ended)
        summary = ended.summary
        assert summary["ledger"]["balanced"] is True, summary["ledger"]["checks"]
        assert summary["violations"] == []
        assert {entry["subprotocol"] for entry in one.entries("opened")} == {version}
        refused = [entry for entry in one.entries("sent") if entry["frame"][0] == 4]
        assert refused == []
        transactions = transactions_of(one)
        assert len(transactions) == summary["transactions"]["started"] > 10
        for events in transactions.values():
            assert [event["seqNo"] for event in events] == list(range(len(events)))
            kinds = [event["eventType"] for event in events]
            assert (kinds[0], kinds[-1]) == ("Started", "Ended")
            assert set(kinds[1:-1]) <= {"Updated"}
            registers = list(registers_of(events))
            assert registers == sorted(registers)
            assert len([event for event in events if "idToken" in event]) >= 1


@versions
def test_it_answers_the_everyday_calls_of_a_csms(tmp_path: Path, version: str) -> None:
    """A round of CALLs to each station; the package checks every answer against its schemas."""
    scenario = scenario_of(tmp_path, version, chargers=3, mode="connect", hold_s=4)
    with peer(tmp_path, "commands", program=PROGRAM) as one:
        ended = run(scenario, target=one.url)
        assert ended.code == 0, str(ended)
        answers: dict[str, list[Any]] = defaultdict(list)
        for entry in one.entries("commanded"):
            assert "problem" not in entry, entry
            answers[entry["action"]].append(entry["answer"])
        accepted = {
            "GetBaseReport",
            "SendLocalList",
            "TriggerMessage",
            "ChangeAvailability",
            "SetChargingProfile",
            "GetChargingProfiles",
            "ClearChargingProfile",
            "RequestStartTransaction",
        }
        for action in accepted:
            statuses = {answer["status"] for answer in answers[action]}
            assert statuses == {"Accepted"}, (action, answers[action])
        assert {answer["status"] for answer in answers["RequestStopTransaction"]} == {"Rejected"}
        values = [
            answer["get_variable_result"][0]["attribute_value"]
            for answer in answers["GetVariables"]
        ]
        assert values.count("77") == 3
        for identity in {entry["identity"] for entry in one.entries("opened")}:
            parts = [
                call["frame"][3]
                for call in one.calls("NotifyReport")
                if call["identity"] == identity
            ]
            assert [part["seqNo"] for part in parts] == list(range(len(parts)))
            assert [part.get("tbc", False) for part in parts][-1] is False
