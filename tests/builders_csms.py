"""Stations' side of the embedded CSMS, for its tests: frames, and a driver of one pure session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from simfleet.csms.behaviour import GOOD, Behaviour
from simfleet.csms.book import Book
from simfleet.csms.session import Session
from simfleet.ocpp.versions import catalog_of

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


BOOT_2 = {"reason": "PowerUp", "chargingStation": {"model": "One", "vendorName": "Acme"}}
AT = "2026-01-01T10:00:00Z"
HASHES = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "aa",
    "issuerKeyHash": "bb",
    "serialNumber": "01",
}
SCHEDULE = {
    "id": 1,
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0}],
}


def meter_value(wh: float, *, at: str = AT, **changes: object) -> dict[str, object]:
    """A MeterValue of 2.x with one energy register."""
    return {"timestamp": at, "sampledValue": [{"value": wh, **changes}]}


def event_payload(
    kind: str, seq_no: int, wh: float | None = None, *, tag: str | None = None, **changes: Any
) -> dict[str, Any]:
    """A TransactionEvent of transaction T on EVSE 1; `info` are more fields of transactionInfo."""
    info = {"transactionId": "T", **changes.pop("info", {})}
    payload: dict[str, Any] = {
        "eventType": kind,
        "timestamp": AT,
        "triggerReason": "Trigger",
        "seqNo": seq_no,
        "transactionInfo": info,
        "evse": {"id": 1, "connectorId": 1},
    }
    if wh is not None:
        payload["meterValue"] = [meter_value(wh)]
    if tag is not None:
        payload["idToken"] = {"idToken": tag, "type": "ISO14443"}
    return payload | changes


def part_payload(seq_no: int | None, *, tbc: bool, items: str, n: int = 1) -> dict[str, Any]:
    """A part of report 7 with `n` items in the member `items`."""
    numbered = {} if seq_no is None else {"seqNo": seq_no, "generatedAt": AT}
    return {"requestId": 7, "tbc": tbc, **numbered, items: [REPORTED[items]] * n}


VARIABLE = {"component": {"name": "C"}, "variable": {"name": "V"}}
REPORTED: dict[str, dict[str, Any]] = {
    "reportData": {**VARIABLE, "variableAttribute": [{"value": "1"}]},
    "monitor": {
        **VARIABLE,
        "variableMonitoring": [
            {
                "id": 1,
                "transaction": False,
                "value": 1.0,
                "type": "UpperThreshold",
                "severity": 5,
                "eventNotificationType": "CustomMonitor",
            }
        ],
    },
    "messageInfo": {
        "id": 1,
        "priority": "NormalCycle",
        "message": {"format": "UTF8", "content": "hello"},
    },
}
EVENT = {
    **VARIABLE,
    "eventId": 1,
    "timestamp": AT,
    "trigger": "Alerting",
    "actualValue": "9",
    "eventNotificationType": "CustomMonitor",
}
EXAMPLES_2: dict[str, dict[str, Any]] = {
    "Authorize": {"idToken": {"idToken": "TAG", "type": "ISO14443"}},
    "BatterySwap": {
        "batteryData": [{"evseId": 1, "serialNumber": "B", "soC": 50.0, "soH": 90.0}],
        "eventType": "BatteryIn",
        "idToken": {"idToken": "TAG", "type": "ISO14443"},
        "requestId": 1,
    },
    "BootNotification": BOOT_2,
    "ClearedChargingLimit": {"chargingLimitSource": "EMS", "evseId": 1},
    "ClosePeriodicEventStream": {"id": 1},
    "DataTransfer": {"vendorId": "Acme", "data": "x"},
    "FirmwareStatusNotification": {"status": "Installed", "requestId": 3},
    "Get15118EVCertificate": {
        "iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef",
        "action": "Install",
        "exiRequest": "AAAA",
    },
    "GetCertificateChainStatus": {
        "certificateStatusRequests": [
            {"certificateHashData": HASHES, "source": "OCSP", "urls": ["http://ocsp"]}
        ]
    },
    "GetCertificateStatus": {"ocspRequestData": {**HASHES, "responderURL": "http://ocsp"}},
    "Heartbeat": {},
    "LogStatusNotification": {"status": "Uploaded", "requestId": 4},
    "MeterValues": {"evseId": 1, "meterValue": [meter_value(5)]},
    "NotifyChargingLimit": {
        "chargingLimit": {"chargingLimitSource": "EMS", "isGridCritical": True},
        "evseId": 1,
    },
    "NotifyCustomerInformation": {"data": "", "seqNo": 0, "generatedAt": AT, "requestId": 7},
    "NotifyDERAlarm": {"controlType": "FreqDroop", "timestamp": AT},
    "NotifyDERStartStop": {
        "controlId": "d1",
        "started": True,
        "timestamp": AT,
        "supersededIds": ["d0"],
    },
    "NotifyDisplayMessages": part_payload(None, tbc=False, items="messageInfo"),
    "NotifyEVChargingNeeds": {
        "evseId": 1,
        "chargingNeeds": {
            "requestedEnergyTransfer": "AC_three_phase",
            "acChargingParameters": {
                "energyAmount": 20000,
                "evMinCurrent": 6,
                "evMaxCurrent": 32,
                "evMaxVoltage": 400,
            },
        },
    },
    "NotifyEVChargingSchedule": {"timeBase": AT, "chargingSchedule": SCHEDULE, "evseId": 1},
    "NotifyEvent": {"generatedAt": AT, "seqNo": 0, "eventData": [EVENT]},
    "NotifyMonitoringReport": part_payload(0, tbc=False, items="monitor"),
    "NotifyPriorityCharging": {"transactionId": "T", "activated": True},
    "NotifyReport": part_payload(0, tbc=False, items="reportData"),
    "NotifySettlement": {
        "pspRef": "P1",
        "status": "Settled",
        "settlementAmount": 12.5,
        "settlementTime": AT,
    },
    "OpenPeriodicEventStream": {
        "constantStreamData": {"id": 1, "variableMonitoringId": 9, "params": {"interval": 5}}
    },
    "PublishFirmwareStatusNotification": {
        "status": "Published",
        "location": ["http://here/fw"],
        "requestId": 5,
    },
    "PullDynamicScheduleUpdate": {"chargingProfileId": 4},
    "ReportChargingProfiles": {
        "requestId": 7,
        "chargingLimitSource": "CSO",
        "evseId": 1,
        "chargingProfile": [
            {
                "id": 1,
                "stackLevel": 0,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": [SCHEDULE],
            }
        ],
    },
    "ReportDERControl": {
        "requestId": 7,
        "gradient": [
            {
                "gradient": {"priority": 0, "gradient": 1.0, "softGradient": 1.0},
                "id": "g",
            }
        ],
    },
    "ReservationStatusUpdate": {"reservationId": 8, "reservationUpdateStatus": "Expired"},
    "SecurityEventNotification": {"type": "x", "timestamp": AT},
    "SignCertificate": {"csr": "x", "certificateType": "ChargingStationCertificate"},
    "StatusNotification": {
        "timestamp": AT,
        "connectorStatus": "Available",
        "evseId": 1,
        "connectorId": 1,
    },
    "TransactionEvent": event_payload("Started", 0, 1000),
    "VatNumberValidation": {"vatNumber": "DE123456789", "evseId": 1},
}
"""A valid payload of every CALL that a station sends in 2.1."""
_MONITOR = {"id": 1, "transaction": False, "value": 1.0, "type": "UpperThreshold", "severity": 5}
EXAMPLES_OF = {
    "ocpp1.6": EXAMPLES,
    "ocpp2.0.1": EXAMPLES_2
    | {
        "NotifyMonitoringReport": {
            "requestId": 7,
            "seqNo": 0,
            "generatedAt": AT,
            "monitor": [{**VARIABLE, "variableMonitoring": [_MONITOR]}],
        }
    },
    "ocpp2.1": EXAMPLES_2,
}


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
        sign: Callable[..., bool] | None = None,
        version: str = "ocpp1.6",
    ) -> None:
        self.catalog = catalog_of(version)
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
            version=version,
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
        chosen = EXAMPLES_OF[self.catalog.version][action] if payload is None else payload
        return self.send(call(f"s{self._n}", action, chosen))

    def ask(self, action: str, payload: object = None) -> dict[str, Any]:
        """Send a CALL and return the payload of its answer, which must be the only frame."""
        (answer,) = self.call(action, payload)
        kind, message_id, response = answer
        assert (kind, message_id) == (3, f"s{self._n}")
        assert isinstance(response, dict)
        violation = self.catalog.actions[action].check_response(msgspec.json.encode(response))
        assert violation is None, f"{action}: {violation}"
        return response

    def event(self, kind: str, seq_no: int, wh: float | None = None, **changes: Any) -> Any:
        """Send a TransactionEvent; return the payload of its answer."""
        return self.ask("TransactionEvent", event_payload(kind, seq_no, wh, **changes))

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
