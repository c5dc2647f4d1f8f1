"""What the CSMS knows of one station, as JSON values: the answer to `{"ask": "station"}`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.csms.records2 import Transaction2
from simfleet.csms.upkeep import StationUpkeep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.csms.book import Book
    from simfleet.csms.notices import StationNotices
    from simfleet.csms.records import StationRecord


def described(record: StationRecord, book: Book) -> dict[str, object]:
    """All that is remembered of a station. docs/csms.md explains the names."""
    told = record.told or StationUpkeep()
    transactions = [
        {
            "id": transaction.id,
            "connector_id": transaction.connector_id,
            "id_tag": transaction.id_tag,
            "meter_start_wh": transaction.meter_start_wh,
            "started": transaction.started,
            **(_state(transaction) if isinstance(transaction, Transaction2) else {}),
        }
        for connector in record.connectors.values()
        if (transaction := connector.last_start) is not None and transaction.key in book.open
    ]
    events = [
        {"type": event.type, "timestamp": event.timestamp, "tech_info": event.tech_info}
        for event in book.upkeep.security_events
        if event.identity == record.identity
    ]
    return {
        "identity": record.identity,
        "version": record.version,
        "connected": bool(record.connected),
        "accepted": record.accepted,
        "boots": record.boots,
        "connections": record.connections,
        "calls": record.calls,
        "vendor": record.vendor,
        "model": record.model,
        "serial_number": record.serial_number,
        "firmware_version": record.firmware_version,
        "connectors": {
            str(number): {
                "status": connector.status,
                "error_code": connector.error_code,
                "register_wh": connector.register_wh,
                **({"others": connector.others} if connector.others else {}),
            }
            for number, connector in sorted(record.connectors.items())
        },
        "transactions": transactions,
        "firmware": told.firmware,
        "firmware_request_id": told.firmware_request_id,
        "signed_firmware": told.signed_firmware,
        "signed_firmware_request_id": told.signed_firmware_request_id,
        "diagnostics": told.diagnostics,
        "log": told.log,
        "log_request_id": told.log_request_id,
        "security_events": told.events,
        "security_event_examples": events,
        "certificates": told.certificates,
        **({} if record.noticed is None else _noticed(record.noticed)),
    }


def _noticed(noticed: StationNotices) -> dict[str, object]:
    """What only 2.x has."""
    return {
        "reports": [
            {
                "kind": report.kind,
                "request_id": report.request_id,
                "parts": report.parts,
                "items": report.items,
                "complete": report.complete,
            }
            for report in noticed.reports.reports.values()
        ],
        "monitored_events": noticed.events,
        "streams": {
            str(number): {
                "monitoring_id": stream.monitoring_id,
                "params": stream.params,
                "messages": stream.messages,
                "values": stream.values,
                "pending": stream.pending,
            }
            for number, stream in noticed.streams.items()
        },
        "charging_limits": _by_text(noticed.limits),
        "charging_needs": _by_text(noticed.needs),
        "ev_charging_schedules": _by_text(noticed.ev_schedules),
        "priority_charging": dict(noticed.priority),
        "der_controls": dict(noticed.der_controls),
        "reservations": _by_text(noticed.reservations),
        "settlements": dict(noticed.settlements),
        "battery_swaps": _by_text(noticed.swaps),
        "publish_firmware": noticed.publish_firmware,
        "published_at": noticed.published_at,
    }


def _by_text(things: Mapping[int, object]) -> dict[str, object]:
    """The same with keys that JSON can have."""
    return {str(key): value for key, value in things.items()}


def _state(transaction: Transaction2) -> dict[str, object]:
    return {
        "token_type": transaction.token_type,
        "charging_state": transaction.charging_state,
        "remote_start_id": transaction.remote_start_id,
        "register_wh": transaction.meter_stop_wh,
        "exported_wh": transaction.exported_wh,
        "events": transaction.events,
        "cost": transaction.cost,
    }


def reported(record: StationRecord, kind: str, request_id: int) -> dict[str, object] | None:
    """One report with its items, as far as they were kept; None where none has come."""
    reports = {} if record.noticed is None else record.noticed.reports.reports
    report = reports.get((kind, request_id))
    if report is None:
        return None
    return {
        "kind": kind,
        "request_id": request_id,
        "parts": report.parts,
        "complete": report.complete,
        "items": report.items_kept,
    }
