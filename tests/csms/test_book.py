from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from builders_csms import Talk, start_payload, stop_payload
from simfleet.csms.book import (
    CLOSED_MAX,
    OPEN_MAX,
    SEARCHED_MAX,
    STATIONS_MAX,
    Book,
)
from simfleet.csms.records import CONNECTORS_MAX
from simfleet.errors import QueueFull
from simfleet.ocpp.v16.messages import StartTransactionRequest, StopTransactionRequest


def a_start(**changes: object) -> StartTransactionRequest:
    return msgspec.convert(start_payload(**changes), StartTransactionRequest)


def a_stop(transaction_id: int) -> StopTransactionRequest:
    return msgspec.convert(stop_payload(transaction_id), StopTransactionRequest)


def test_connections_are_counted_now_at_most_and_in_all() -> None:
    book = Book()
    records = [book.connect(name, at_s=0.0) for name in "ABC"]
    for record in records:
        book.disconnect(record, at_s=1.0)
    book.connect("A", at_s=2.0)
    assert (book.connected, book.connected_peak, book.connections) == (1, 3, 4)
    assert (book.replaced, book.duplicate_identities) == (0, 0)


def test_an_identity_that_connects_while_connected_is_a_duplicate_once() -> None:
    book = Book()
    for _ in range(3):
        book.connect("A", at_s=0.0)
    assert (book.replaced, book.duplicate_identities) == (2, 1)


def test_the_ledger_is_json() -> None:
    talk = Talk()
    talk.ask("StopTransaction", stop_payload(talk.start()))
    talk.call("Authorize", {})
    ledger: dict[str, Any] = json.loads(json.dumps(talk.book.ledger()))
    assert (ledger["starts"], ledger["stops"], ledger["energy_wh"]) == (1, 1, 5000)
    assert ledger["calls"] == {"StartTransaction": 1, "StopTransaction": 1}


def test_a_reset_forgets_the_counts_but_not_who_is_connected() -> None:
    book = Book()
    talk, gone = Talk("A", book=book), Talk("B", book=book)
    first = talk.start()
    gone.session.closed(at_s=1.0)
    book.reset()
    assert set(book.stations) == {"A"}
    assert (book.connected, book.connected_peak, book.connections) == (1, 1, 1)
    assert book.ledger() == {**Book().ledger(), "identities": 1} | {
        "connected": 1,
        "connected_peak": 1,
        "connections": 1,
    }
    assert talk.start() == first + 1  # an id is never used twice
    talk.ask("StopTransaction", stop_payload(first))
    assert book.stop_unknown == 1
    talk.session.closed(at_s=2.0)
    assert book.connected == 0


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────


def test_closed_transactions_are_kept_up_to_a_limit_and_a_stop_of_an_older_one_is_still_twice() -> (
    None
):
    book = Book()
    record = book.connect("A", at_s=0.0)
    for n in range(CLOSED_MAX + 10):
        book.stop(record, a_stop(book.start(record, a_start(meterStart=n))))
    assert book.forgotten["closed"] == 10
    assert book.closed(10) is None
    assert book.closed(11) is not None
    book.stop(record, a_stop(5))
    assert (book.stops, book.stopped_twice) == (CLOSED_MAX + 10, 1)


def test_open_transactions_are_bounded_and_what_is_forgotten_is_counted() -> None:
    book = Book()
    record = book.connect("A", at_s=0.0)
    start = a_start()
    for n in range(OPEN_MAX + 3):
        book.start(record, msgspec.structs.replace(start, meter_start=n))
    assert (len(book.open), book.forgotten["open"]) == (OPEN_MAX, 3)
    assert record.open == OPEN_MAX


def test_stations_are_bounded_and_the_oldest_idle_one_is_forgotten() -> None:
    book = Book()
    stays = book.connect("connected", at_s=0.0)
    charging = book.connect("charging", at_s=0.0)
    book.start(charging, a_start())
    book.disconnect(charging, at_s=0.0)
    for n in range(STATIONS_MAX - 2 + 5):
        book.disconnect(book.connect(f"N{n}", at_s=0.0), at_s=0.0)
    assert len(book.stations) == STATIONS_MAX
    assert book.forgotten["stations"] == 5
    assert book.stations["connected"] is stays
    assert "charging" in book.stations
    assert "N4" not in book.stations
    assert "N5" in book.stations
    assert book.ledger()["identities"] == STATIONS_MAX + 5


def test_a_new_station_is_refused_when_none_can_be_forgotten() -> None:
    book = Book()
    for n in range(STATIONS_MAX):
        book.connect(f"N{n}", at_s=0.0)
    with pytest.raises(QueueFull):
        book.connect("one more", at_s=0.0)
    assert book.connected == len(book.stations) == STATIONS_MAX
    assert SEARCHED_MAX < STATIONS_MAX


def test_connectors_are_bounded_and_the_transaction_beyond_still_works() -> None:
    talk = Talk()
    for connector_id in range(CONNECTORS_MAX + 2):
        status = {"connectorId": connector_id, "errorCode": "NoError", "status": "Available"}
        talk.ask("StatusNotification", status)
    assert talk.book.forgotten["connectors"] == 2
    transaction_id = talk.start(connectorId=10_000)
    talk.ask("StopTransaction", stop_payload(transaction_id))
    assert talk.book.stops == 1
    assert len(talk.session.record.connectors) == CONNECTORS_MAX


def test_the_last_status_of_each_connector_is_kept() -> None:
    talk = Talk()
    for status in ("Preparing", "Charging"):
        talk.ask("StatusNotification", {"connectorId": 2, "errorCode": "NoError", "status": status})
    assert talk.session.record.connectors[2].status == "Charging"
