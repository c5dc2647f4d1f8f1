"""What stations tell besides charging, in the books of the CSMS."""

from __future__ import annotations

import msgspec
import pytest

from builders_csms import BOOT, EXAMPLES, Talk
from simfleet.csms.book import Book
from simfleet.csms.description import described
from simfleet.csms.upkeep import EVENTS_MAX, EVENTS_SHOWN, NAMES_MAX, OTHER

EVENT = EXAMPLES["SecurityEventNotification"]


def test_statuses_are_counted_and_the_last_of_a_station_is_kept() -> None:
    talk = Talk()
    for status in ("Downloading", "Downloaded", "Downloading"):
        talk.ask("FirmwareStatusNotification", {"status": status})
    talk.ask("SignedFirmwareStatusNotification", {"status": "Installed", "requestId": 7})
    talk.ask("DiagnosticsStatusNotification", {"status": "Uploaded"})
    talk.ask("LogStatusNotification", {"status": "Uploading", "requestId": 8})
    ledger = talk.book.ledger()
    assert ledger["firmware_statuses"] == {"Downloading": 2, "Downloaded": 1}
    assert ledger["signed_firmware_statuses"] == {"Installed": 1}
    assert ledger["diagnostics_statuses"] == {"Uploaded": 1}
    assert ledger["log_statuses"] == {"Uploading": 1}
    known = described(talk.session.record, talk.book)
    assert (known["firmware"], known["diagnostics"]) == ("Downloading", "Uploaded")
    assert (known["signed_firmware"], known["signed_firmware_request_id"]) == ("Installed", 7)
    assert (known["log"], known["log_request_id"]) == ("Uploading", 8)


def test_security_events_are_counted_by_type_and_the_newest_are_kept() -> None:
    talk = Talk()
    for number in range(EVENTS_MAX + 5):
        talk.ask("SecurityEventNotification", {**EVENT, "type": f"T{number % 2}"})
    talk.ask("SecurityEventNotification", {**EVENT, "type": "Last", "techInfo": "why"})
    upkeep, ledger = talk.book.upkeep, talk.book.ledger()
    assert len(upkeep.security_events) == EVENTS_MAX
    assert ledger["security_events"] == EVENTS_MAX + 6
    assert ledger["security_event_types"] == {"Last": 1, "T0": 103, "T1": 102}
    shown = ledger["security_event_examples"]
    assert isinstance(shown, list)
    assert len(shown) == EVENTS_SHOWN
    assert (shown[-1]["type"], shown[-1]["tech_info"]) == ("Last", "why")
    assert talk.session.record.upkeep().events == EVENTS_MAX + 6


def test_names_that_stations_choose_cannot_fill_the_memory() -> None:
    talk = Talk()
    for number in range(NAMES_MAX + 7):
        talk.ask("SecurityEventNotification", {**EVENT, "type": f"T{number}"})
        talk.ask("DataTransfer", {"vendorId": f"V{number}"})
    assert len(talk.book.upkeep.security_event_types) == NAMES_MAX + 1
    assert talk.book.upkeep.security_event_types[OTHER] == 7
    assert talk.book.upkeep.data_transfers[OTHER] == 7


def test_data_transfers_are_counted_by_vendor_and_message() -> None:
    talk = Talk()
    talk.ask("DataTransfer", {"vendorId": "Acme", "messageId": "Ping"})
    talk.ask("DataTransfer", {"vendorId": "Acme"})
    assert talk.book.ledger()["data_transfers"] == {"Acme/Ping": 1, "Acme/": 1}


def test_a_boot_tells_what_the_station_is() -> None:
    talk = Talk()
    more = {"firmwareVersion": "1.2", "chargePointSerialNumber": "S-1"}
    talk.ask("BootNotification", {**BOOT, **more})
    known = described(talk.session.record, talk.book)
    assert (known["vendor"], known["model"]) == ("Acme", "One")
    assert (known["firmware_version"], known["serial_number"]) == ("1.2", "S-1")
    other = Talk("CP-2", book=talk.book)
    other.ask("BootNotification", {**BOOT, "chargeBoxSerialNumber": "S-2"})
    assert other.session.record.vendor is talk.session.record.vendor  # kept once for all
    assert other.session.record.serial_number == "S-2"


def test_a_description_has_connectors_and_running_transactions() -> None:
    talk = Talk()
    status = {"connectorId": 2, "errorCode": "NoError", "status": "Available"}
    talk.ask("StatusNotification", status)
    transaction_id = talk.start(idTag="TAG")
    known = described(talk.session.record, talk.book)
    transactions = known["transactions"]
    assert isinstance(transactions, list)
    (running,) = transactions
    assert (running["id"], running["id_tag"]) == (transaction_id, "TAG")
    connectors = known["connectors"]
    assert isinstance(connectors, dict)
    assert connectors["2"]["status"] == "Available"
    assert connectors["1"]["register_wh"] == 1000
    msgspec.json.encode(known)


@pytest.mark.parametrize(
    ("given", "profile"),
    [
        ({"secure": False, "password": False, "certificate": False}, "0"),
        ({"secure": False, "password": True, "certificate": False}, "1"),
        ({"secure": True, "password": True, "certificate": False}, "2"),
        ({"secure": True, "password": False, "certificate": True}, "3"),
    ],
)
def test_connections_are_counted_by_what_they_amount_to(
    given: dict[str, bool], profile: str
) -> None:
    book = Book()
    book.note_profile(**given)
    found = book.ledger()["security_profiles"]
    assert isinstance(found, dict)
    assert found[profile] == sum(found.values()) == 1


def test_reset_forgets_all_of_it() -> None:
    talk = Talk()
    talk.ask("FirmwareStatusNotification", {"status": "Installed"})
    talk.ask("SecurityEventNotification")
    talk.book.note_refused("plain")
    talk.book.reset()
    fresh, ledger = Book().ledger(), talk.book.ledger()
    for name in ("firmware_statuses", "security_events", "refused", "certificates"):
        assert ledger[name] == fresh[name]
    assert described(talk.session.record, talk.book)["firmware"] is None


def test_a_session_asks_its_shell_to_sign_and_answers_as_it_says() -> None:
    assert Talk().ask("SignCertificate", {"csr": "x"}) == {"status": "Rejected"}
    asked: list[str] = []

    def sign(csr: str) -> bool:
        asked.append(csr)
        return len(asked) == 1

    talk = Talk(sign=sign)
    assert talk.ask("SignCertificate", {"csr": "one"}) == {"status": "Accepted"}
    assert talk.ask("SignCertificate", {"csr": "two"}) == {"status": "Rejected"}
    assert asked == ["one", "two"]
    counts = talk.book.upkeep.certificates
    assert (counts["asked"], counts["refused"]) == (2, 1)
