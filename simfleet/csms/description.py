"""What the CSMS knows of one station, as JSON values: the answer to `{"ask": "station"}`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.csms.upkeep import StationUpkeep

if TYPE_CHECKING:
    from simfleet.csms.book import Book
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
            }
            for number, connector in sorted(record.connectors.items())
        },
        "transactions": transactions,
        "firmware": told.firmware,
        "signed_firmware": told.signed_firmware,
        "signed_firmware_request_id": told.signed_firmware_request_id,
        "diagnostics": told.diagnostics,
        "log": told.log,
        "log_request_id": told.log_request_id,
        "security_events": told.events,
        "security_event_examples": events,
        "certificates": told.certificates,
    }
