"""Stations' side of the embedded CSMS, for its tests: frames, and a driver of one pure session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from simfleet.csms.behaviour import GOOD, Behaviour
from simfleet.csms.book import Book
from simfleet.csms.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

WALL_OFFSET_S = 1_700_000_000.0  # at_s 0 is 2023-11-14T22:13:20Z
BOOT = {"chargePointVendor": "Acme", "chargePointModel": "One"}


def call(message_id: str, action: str, payload: object) -> bytes:
    """Bytes of a CALL."""
    return msgspec.json.encode([2, message_id, action, payload])


def start_payload(**changes: object) -> dict[str, object]:
    """A StartTransaction.req."""
    return {
        "connectorId": 1,
        "idTag": "TAG",
        "meterStart": 1000,
        "timestamp": "2026-01-01T10:00:00Z",
        **changes,
    }


def stop_payload(transaction_id: int, **changes: object) -> dict[str, object]:
    """A StopTransaction.req."""
    return {
        "transactionId": transaction_id,
        "meterStop": 6000,
        "timestamp": "2026-01-01T11:00:00Z",
        **changes,
    }


def values_payload(
    *registers: float | str, at: str = "2026-01-01T10:30:00Z", unit: str = "Wh", **changes: object
) -> dict[str, object]:
    """A MeterValues.req with one energy register reading per value."""
    sampled = [
        {"value": str(value), "measurand": "Energy.Active.Import.Register", "unit": unit}
        for value in registers
    ]
    values = [{"timestamp": at, "sampledValue": [value]} for value in sampled]
    return {"connectorId": 1, "meterValue": values, **changes}


EXAMPLES: dict[str, dict[str, Any]] = {
    "Authorize": {"idTag": "TAG"},
    "BootNotification": BOOT,
    "DataTransfer": {"vendorId": "Acme", "data": "x"},
    "DiagnosticsStatusNotification": {"status": "Idle"},
    "FirmwareStatusNotification": {"status": "Installed"},
    "Heartbeat": {},
    "LogStatusNotification": {"status": "Idle"},
    "MeterValues": values_payload(5),
    "SecurityEventNotification": {"type": "x", "timestamp": "2026-01-01T00:00:00Z"},
    "SignCertificate": {"csr": "x"},
    "SignedFirmwareStatusNotification": {"status": "Idle"},
    "StartTransaction": start_payload(),
    "StatusNotification": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
    "StopTransaction": stop_payload(1),
}
"""A valid payload of every message that a station sends."""


class Talk:
    """A station's end of a pure session; frames go in and come out at `at_s`."""

    def __init__(
        self,
        identity: str = "CP-1",
        *,
        behaviour: Behaviour = GOOD,
        book: Book | None = None,
        number: int = 1,
        booted: bool = True,
        sign: Callable[[str], bool] | None = None,
    ) -> None:
        self.book = Book() if book is None else book
        self.at_s = 0.0
        self._n = 0
        self.session = Session(
            identity,
            behaviour=behaviour,
            book=self.book,
            number=number,
            wall_offset_s=WALL_OFFSET_S,
            sign=sign,
        )
        self.session.opened(at_s=0.0)
        if booted:
            self.session.record.accepted = True

    def send(self, frame: bytes) -> list[Any]:
        """Give the session one frame; return what it writes, decoded where it is JSON."""
        self.session.receive(frame, at_s=self.at_s)
        return self.frames()

    def frames(self) -> list[Any]:
        """What the session writes now."""
        return [_decoded(frame) for frame in self.session.take_frames()]

    def after(self, pause_s: float) -> list[Any]:
        """Let time pass; return what the session writes then."""
        self.at_s += pause_s
        self.session.tick(at_s=self.at_s)
        return self.frames()

    def call(self, action: str, payload: object = None) -> list[Any]:
        """Send a CALL with an id of its own; return what the session writes."""
        self._n += 1
        chosen = EXAMPLES[action] if payload is None else payload
        return self.send(call(f"s{self._n}", action, chosen))

    def ask(self, action: str, payload: object = None) -> dict[str, Any]:
        """Send a CALL and return the payload of its answer, which must be the only frame."""
        (answer,) = self.call(action, payload)
        kind, message_id, response = answer
        assert (kind, message_id) == (3, f"s{self._n}")
        assert isinstance(response, dict)
        return response

    def start(self, **changes: object) -> int:
        """Start a transaction; return its id."""
        transaction_id = self.ask("StartTransaction", start_payload(**changes))["transactionId"]
        assert isinstance(transaction_id, int)
        return transaction_id


def _decoded(frame: bytes) -> Any:
    try:
        return msgspec.json.decode(frame)
    except msgspec.MsgspecError:
        return frame
