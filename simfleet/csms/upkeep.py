"""What stations tell besides charging: firmware, diagnostics, logs, security events. Pure, bounded.

One `Upkeep` holds the totals of all stations, a `StationUpkeep` the last that one has told.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from simfleet.ocpp.v16.messages import (
        DataTransferRequest,
        LogStatusNotificationRequest,
        SecurityEventNotificationRequest,
        SignedFirmwareStatusNotificationRequest,
    )

EVENTS_MAX: Final = 200
"""Security events remembered in full, the newest."""
EVENTS_SHOWN: Final = 20
"""Of those, how many the ledger shows."""
NAMES_MAX: Final = 100
"""Different names counted, where stations choose them; further ones count as `OTHER`."""
OTHER: Final = "(other)"
REFUSED_CSRS_MAX: Final = 20
"""Refused certificate requests that are kept with the reason."""


class StationUpkeep:
    """The last that a station has told; made when it tells the first of these."""

    __slots__ = (
        "certificates",
        "diagnostics",
        "events",
        "firmware",
        "firmware_request_id",
        "log",
        "log_request_id",
        "signed_firmware",
        "signed_firmware_request_id",
    )

    def __init__(self) -> None:
        self.firmware: str | None = None
        self.firmware_request_id: int | None = None
        """Only in 2.x."""
        self.diagnostics: str | None = None
        self.signed_firmware: str | None = None
        self.signed_firmware_request_id: int | None = None
        self.log: str | None = None
        self.log_request_id: int | None = None
        self.events = 0
        """Security events."""
        self.certificates = 0
        """Certificates that this CSMS has signed for it."""


class SecurityEvent(NamedTuple):
    """A security event as a station told it."""

    identity: str
    type: str
    timestamp: datetime
    tech_info: str | None


class Upkeep:
    """Totals over all stations."""

    def __init__(self) -> None:
        self.firmware: dict[str, int] = {}
        self.signed_firmware: dict[str, int] = {}
        self.diagnostics: dict[str, int] = {}
        self.logs: dict[str, int] = {}
        self.security_events: deque[SecurityEvent] = deque(maxlen=EVENTS_MAX)
        self.security_event_types: dict[str, int] = {}
        self.data_transfers: dict[str, int] = {}
        self.certificates = {
            "asked": 0,
            "refused": 0,
            "invalid": 0,
            "signed": 0,
            "not_sent": 0,
            "accepted": 0,
            "rejected": 0,
        }
        self.certificate_problems: list[dict[str, str]] = []

    def note_firmware(self, station: StationUpkeep, status: str) -> None:
        """FirmwareStatusNotification."""
        station.firmware = status
        _count(self.firmware, status)

    def note_signed_firmware(
        self, station: StationUpkeep, request: SignedFirmwareStatusNotificationRequest
    ) -> None:
        """SignedFirmwareStatusNotification."""
        station.signed_firmware = request.status
        station.signed_firmware_request_id = request.request_id
        _count(self.signed_firmware, request.status)

    def note_diagnostics(self, station: StationUpkeep, status: str) -> None:
        """DiagnosticsStatusNotification."""
        station.diagnostics = status
        _count(self.diagnostics, status)

    def note_log(self, station: StationUpkeep, request: LogStatusNotificationRequest) -> None:
        """LogStatusNotification."""
        station.log, station.log_request_id = request.status, request.request_id
        _count(self.logs, request.status)

    def note_event(
        self, identity: str, station: StationUpkeep, request: SecurityEventNotificationRequest
    ) -> None:
        """SecurityEventNotification."""
        station.events += 1
        _count(self.security_event_types, request.type)
        event = SecurityEvent(identity, request.type, request.timestamp, request.tech_info)
        self.security_events.append(event)

    def note_data(self, request: DataTransferRequest) -> None:
        """DataTransfer, by vendor and message."""
        _count(self.data_transfers, f"{request.vendor_id}/{request.message_id or ''}")

    def note_refused_csr(self, identity: str, why: str) -> None:
        """A certificate signing request that is not signed."""
        self.certificates["invalid"] += 1
        if len(self.certificate_problems) < REFUSED_CSRS_MAX:
            self.certificate_problems.append({"identity": identity, "problem": why})

    def ledger(self) -> dict[str, object]:
        """All of it as JSON values; the newest security events come last."""
        shown = list(self.security_events)[-EVENTS_SHOWN:]
        return {
            "firmware_statuses": dict(self.firmware),
            "signed_firmware_statuses": dict(self.signed_firmware),
            "diagnostics_statuses": dict(self.diagnostics),
            "log_statuses": dict(self.logs),
            "data_transfers": dict(self.data_transfers),
            "security_events": sum(self.security_event_types.values()),
            "security_event_types": dict(sorted(self.security_event_types.items())),
            "security_event_examples": [
                {
                    "identity": event.identity,
                    "type": event.type,
                    "timestamp": event.timestamp,
                    "tech_info": event.tech_info,
                }
                for event in shown
            ],
            "certificates": dict(self.certificates),
            "certificate_problems": list(self.certificate_problems),
        }


def _count(counts: dict[str, int], name: str) -> None:
    if name not in counts and len(counts) >= NAMES_MAX:
        name = OTHER
    counts[name] = counts.get(name, 0) + 1
