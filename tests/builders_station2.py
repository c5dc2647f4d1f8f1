"""A charging station of OCPP 2.0.1 or 2.1 on a table, see `builders_station.Scene`.

    scene = Scene2(version="ocpp2.1", configuration={"TxCtrlr.TxStartPoint": "EVConnected"})
    scene.boot()
    scene.plug_in()
    scene.on("Authorize", idTokenInfo={"status": "Blocked"})
    scene.present_tag()
    assert scene.call("RequestStopTransaction", transactionId="?").status == "Rejected"
    assert scene.triggers() == ["CablePluggedIn"]

Every frame in both directions is checked against the official schema of the version: also what the
test itself says in the name of the CSMS (`unchecked=True` sends it all the same). The witness holds
seqNo and the statuses to their rules. `versions` runs a test for both.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

from builders_station import (
    OTHER_TAG,
    SILENCE,
    TAG,
    Answer,
    Error,
    Garbage,
    Payload,
    Reply,
    Scene,
    Script,
    Sent,
    Silence,
    Witness,
    samples_of,
    wall_of,
)
from simfleet.ocpp.v21 import V21
from simfleet.ocpp.v201 import V201
from simfleet.station.effects import Dropped

if TYPE_CHECKING:
    from simfleet.ocpp.catalog import Catalog
    from simfleet.station.effects import Effect

__all__ = [
    "OTHER_TAG",
    "SILENCE",
    "TAG",
    "VERSIONS",
    "Answer",
    "Error",
    "Garbage",
    "Payload",
    "Reply",
    "Scene2",
    "Sent",
    "accepted",
    "id_token",
    "refused",
    "samples_of",
    "versions",
    "wall_of",
]

VERSIONS: Final = ("ocpp2.0.1", "ocpp2.1")
CATALOGS: Final[dict[str, Catalog]] = {"ocpp2.0.1": V201, "ocpp2.1": V21}
STATUSES: Final = frozenset({"Available", "Occupied", "Reserved", "Unavailable", "Faulted"})
STATES: Final = frozenset({"Charging", "EVConnected", "SuspendedEV", "SuspendedEVSE", "Idle"})

versions = pytest.mark.parametrize("version", VERSIONS)
"""Runs a test for OCPP 2.0.1 and for 2.1."""


def id_token(tag: str = TAG, kind: str = "ISO14443") -> Payload:
    """An IdTokenType."""
    return {"idToken": tag, "type": kind}


def accepted(**more: Any) -> Payload:
    """An idTokenInfo that says yes; `more` are its other fields, in camelCase."""
    return {"idTokenInfo": {"status": "Accepted", **more}}


def refused(status: str = "Invalid", **more: Any) -> Payload:
    """An idTokenInfo that says no."""
    return {"idTokenInfo": {"status": status, **more}}


# ── the rules that always hold ────────────────────────────────────────────────────────────────────


@dataclass
class Witness2(Witness):
    """Watches the wire of a station of 2.x."""

    catalog: Catalog = V201
    sequences: dict[str, int] = field(default_factory=dict)
    """The seqNo last seen, by transactionId."""
    ended: set[str] = field(default_factory=set)
    gaps_allowed: bool = False
    statuses: dict[tuple[int, int], str] = field(default_factory=dict)

    def connection_changed(self) -> None:
        super().connection_changed()
        self.statuses.clear()

    def forget_statuses(self) -> None:
        self.statuses.clear()

    def called(self, sent: Sent, raw_payload: bytes) -> None:
        assert 0 < len(sent.id) <= 36
        assert sent.id not in self.ids, f"message id {sent.id} was used before"
        self.ids.add(sent.id)
        action = self.catalog.actions[sent.action]
        assert "station" in action.sent_by, f"{sent.action} is not for stations to send"
        violation = action.check_request(raw_payload)
        assert violation is None, f"{sent.action}: {violation}: {raw_payload!r}"
        if action.response is None:
            return  # a SEND: no reply, and no waiting
        if self.open_call is not None:
            open_s = sent.at_s - self.open_call[1]
            assert open_s >= self.call_timeout_s - 1e-6, (
                f"{sent.action} was sent while {self.open_call[0]} was open for {open_s} s"
            )
        self.open_call = (sent.id, sent.at_s)
        if sent.action == "StatusNotification":
            self._status2(sent)
        elif sent.action == "TransactionEvent":
            self._event(sent)

    def _status2(self, sent: Sent) -> None:
        outlet = (sent["evseId"], sent["connectorId"])
        status = sent["connectorStatus"]
        assert min(outlet) > 0, "2.x has no connector 0"
        assert status in STATUSES
        if self.check_statuses:
            assert self.statuses.get(outlet) != status, f"{outlet} is {status}: told twice"
        self.statuses[outlet] = status

    def _event(self, sent: Sent) -> None:
        """seqNo counts from 0 without gaps, a retry repeats it, and nothing follows Ended."""
        transaction_id, seq_no = sent["transactionInfo"]["transactionId"], sent["seqNo"]
        assert len(transaction_id) <= 36
        last = self.sequences.get(transaction_id, -1)
        if seq_no != last and not self.gaps_allowed:
            assert seq_no == last + 1, f"seqNo {seq_no} after {last}"
            assert transaction_id not in self.ended, "an event after Ended"
        assert seq_no >= last
        self.sequences[transaction_id] = seq_no
        kind = sent["eventType"]
        if not self.gaps_allowed:
            assert (kind == "Started") == (seq_no == 0), f"{kind} has seqNo {seq_no}"
        if kind == "Ended":
            self.ended.add(transaction_id)
        else:
            assert "stoppedReason" not in sent["transactionInfo"]


# ── the scene ─────────────────────────────────────────────────────────────────────────────────────


class Scene2(Scene):
    """A station of 2.x, its CSMS and the time. What it takes and does is what `Scene` does; the
    differences are below.
    """

    def __init__(self, *, version: str = "ocpp2.0.1", **options: Any) -> None:
        super().__init__(version=version, **options)
        self.version = version
        self.catalog = CATALOGS[version]
        self.witness: Witness2 = Witness2(
            self.station.spec.call_timeout_s,
            check_statuses=options.get("check_statuses", True),
            catalog=self.catalog,
        )
        self.result_errors: list[tuple[str, str]] = []
        """The CALLRESULTERRORs of the station: message id and code."""
        self._schema_free: set[str] = set()

    # ── the CSMS ──

    def on(self, action: str, *scripts: Script, **payload: Any) -> None:
        """How to answer the next CALLs of that action, one script each, the last one stays; or by
        the fields of one answer.
        """
        super().on(action, *scripts, *([payload] if payload else []))

    def call(self, action: str, *, unchecked: bool = False, **payload: Any) -> Answer:
        """The CSMS calls, with the payload as it is on the wire (camelCase); returns the station's
        answer, which must be there at once.
        """
        message_id = self.call_without_answer(action, unchecked=unchecked, **payload)
        assert message_id in self.answers, f"the station did not answer {action}"
        return self.answers[message_id]

    def call_without_answer(self, action: str, *, unchecked: bool = False, **payload: Any) -> str:
        """The CSMS calls; returns the message id."""
        if not unchecked:
            known = self.catalog.actions[action]
            assert "csms" in known.sent_by, f"{action} is not for a CSMS to send"
            violation = known.check_request(json.dumps(payload).encode())
            assert violation is None, f"{action}: {violation}"
        if action == "TriggerMessage":
            self.witness.forget_statuses()  # what is asked for may be told again
        return super().call_without_answer(action, **payload)

    def reply(self, sent: Sent, reply: Reply) -> None:
        """Answer a CALL of the station, however late."""
        if not isinstance(reply, Error | Garbage | Silence) and sent.id not in self._schema_free:
            violation = self.catalog.actions[sent.action].check_response(json.dumps(reply).encode())
            assert violation is None, f"answer to {sent.action}: {violation}"
        super().reply(sent, reply)

    def answer_anyway(self, sent: Sent, payload: Any) -> None:
        """Answer with something that the schema does not allow."""
        self._schema_free.add(sent.id)
        self.reply(sent, payload)

    def usual_reply(self, sent: Sent) -> Payload:
        """What a friendly CSMS answers."""
        match sent.action:
            case "Authorize":
                return accepted()
            case "TransactionEvent":
                return accepted() if "idToken" in sent.payload else {}
            case "GetCertificateStatus":
                return {"status": "Failed"}
            case "GetCertificateChainStatus":
                return {"certificateStatus": []}
            case "Get15118EVCertificate":
                return {"status": "Accepted", "exiResponse": "AA=="}
            case "VatNumberValidation":
                return {"status": "Accepted", "vatNumber": sent["vatNumber"]}
            case (
                "DataTransfer"
                | "NotifyEVChargingNeeds"
                | "NotifyEVChargingSchedule"
                | "OpenPeriodicEventStream"
                | "PullDynamicScheduleUpdate"
                | "SignCertificate"
            ):
                return {"status": "Accepted"}
        return super().usual_reply(sent)

    # ── what was seen ──

    def statuses(self, connector_id: int = 1) -> list[str]:
        """What was said of a connector (an EVSE with one connector) since the mark."""
        return [
            one["connectorStatus"]
            for one in self.sent("StatusNotification")
            if one["evseId"] == connector_id
        ]

    def events(self, kind: str | None = None) -> list[Sent]:
        """The TransactionEvents since the mark, or those of one eventType."""
        return [
            one for one in self.sent("TransactionEvent") if kind is None or one["eventType"] == kind
        ]

    def triggers(self) -> list[str]:
        """The triggerReasons since the mark."""
        return [one["triggerReason"] for one in self.events()]

    def states(self) -> list[str | None]:
        """The chargingStates of the events since the mark; None where one says nothing."""
        return [one["transactionInfo"].get("chargingState") for one in self.events()]

    @property
    def transaction(self) -> str:
        """The transactionId of the transaction that began last."""
        started = [
            one
            for one in self.log
            if one.action == "TransactionEvent" and one["eventType"] == "Started"
        ]
        return str(started[-1]["transactionInfo"]["transactionId"])

    # ── the shell's work ──

    def _read(self, frame: bytes) -> Sent | None:
        items = json.loads(frame)
        match items[0]:
            case 2 | 6:
                kind, message_id, action, payload = items
                assert (kind == 6) == (self.catalog.actions[action].response is None)
                sent = Sent(self.now_s, message_id, action, payload, self.connection)
                self.log.append(sent)
                if action == "BootNotification":
                    self.witness.forget_statuses()
                self.witness.called(sent, json.dumps(payload).encode())
                return sent if kind == 2 else None
            case 3:
                assert items[1] not in self.answers, f"{items[1]} was answered twice"
                self.answers[items[1]] = Answer(items[2])
                action = self._asked[items[1]]
                raw = json.dumps(items[2]).encode()
                violation = self.catalog.actions[action].check_response(raw)
                assert violation is None, f"{action}: {violation}: {items[2]}"
            case 5:
                assert self.version == "ocpp2.1"
                self.result_errors.append((items[1], items[2]))
            case _:
                return super()._read(frame)
        return None

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Dropped):
            self.witness.gaps_allowed = True
        super()._carry_out(effect)
