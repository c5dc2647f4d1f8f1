"""The books of transactions of 2.0.1 and 2.1: by transactionId, seqNo and energy register."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_csms import AT, Talk, event_payload, meter_value
from simfleet.csms.behaviour import Behaviour, Limits
from simfleet.csms.records2 import Transaction2
from simfleet.csms.reports import ReportTotals, StationReports

versions = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])


@versions
def test_a_transaction_is_counted_once_with_its_energy(version: str) -> None:
    talk = Talk(version=version)
    assert talk.event("Started", 0, 1000, tag="TAG") == {"idTokenInfo": {"status": "Accepted"}}
    assert talk.event("Updated", 1, 3000, info={"chargingState": "Charging"}) == {}
    assert talk.book.has_open("TAG")
    talk.event("Ended", 2, 6000, info={"stoppedReason": "Remote"})
    ledger = talk.book.ledger()
    assert (ledger["starts"], ledger["stops"], ledger["transactions_open"]) == (1, 1, 0)
    assert ledger["energy_wh"] == 5000
    assert ledger["stop_reasons"] == {"Remote": 1}
    assert not talk.book.has_open("TAG")


@versions
def test_the_same_id_at_two_stations_is_two_transactions(version: str) -> None:
    one = Talk("CP-1", version=version)
    two = Talk("CP-2", version=version, book=one.book)
    one.event("Started", 0, 0)
    two.event("Started", 0, 0)
    one.event("Ended", 1, 10)
    assert (one.book.starts, one.book.stops, len(one.book.open)) == (2, 1, 1)


@versions
@pytest.mark.parametrize("kind", ["Started", "Updated", "Ended"])
def test_an_event_that_is_sent_again_is_recognised(version: str, kind: str) -> None:
    """E13: a retry keeps its seqNo; it starts and stops nothing a second time."""
    talk = Talk(version=version)
    for seq_no, one in enumerate(("Started", "Updated", "Ended")):
        talk.event(one, seq_no, 100.0 * seq_no)
        if one == kind:
            talk.event(one, seq_no, 100.0 * seq_no)
    book = talk.book
    assert (book.starts, book.stops, book.stopped_twice, book.events.repeated) == (1, 1, 0, 1)
    assert (book.energy_wh, book.events.missing, book.meter_values) == (200, 0, 3)


@versions
def test_a_gap_in_seq_no_is_counted_until_it_is_filled(version: str) -> None:
    talk = Talk(version=version)
    talk.event("Started", 0)
    talk.event("Updated", 3)
    assert talk.book.events.missing == 2
    talk.event("Updated", 1)
    assert (talk.book.events.missing, talk.book.events.late) == (1, 1)
    talk.event("Ended", 4)
    talk.event("Updated", 2)
    assert (talk.book.events.missing, talk.book.events.late) == (0, 2)
    assert talk.book.events.unknown == 0


@versions
def test_events_of_unknown_transactions_are_strays(version: str) -> None:
    talk = Talk(version=version)
    talk.event("Updated", 1)
    talk.event("Ended", 2, 5)
    assert (talk.book.events.unknown, talk.book.stop_unknown, talk.book.starts) == (1, 1, 0)


@versions
def test_a_second_end_is_an_error(version: str) -> None:
    talk = Talk(version=version)
    talk.event("Started", 0)
    talk.event("Ended", 1)
    talk.event("Ended", 2)
    assert (talk.book.stops, talk.book.stopped_twice) == (1, 1)


@versions
def test_the_tag_may_come_after_the_start(version: str) -> None:
    talk = Talk(version=version)
    talk.event("Started", 0)
    assert not talk.book.has_open("TAG")
    assert talk.event("Updated", 1, tag="TAG") == {"idTokenInfo": {"status": "Accepted"}}
    assert talk.book.has_open("TAG")
    assert talk.session.record.last_tag == "TAG"


@versions
def test_a_tag_in_use_can_be_refused_elsewhere(version: str) -> None:
    behaviour = Behaviour(refuse_concurrent_tx=True)
    one = Talk("CP-1", version=version, behaviour=behaviour)
    two = Talk("CP-2", version=version, behaviour=behaviour, book=one.book)
    assert one.event("Started", 0, tag="TAG")["idTokenInfo"] == {"status": "Accepted"}
    assert two.event("Started", 0, tag="TAG")["idTokenInfo"] == {"status": "ConcurrentTx"}
    # The message again, and the tag that ends its own transaction, are no second use.
    assert one.event("Started", 0, tag="TAG")["idTokenInfo"] == {"status": "Accepted"}
    assert one.event("Ended", 1, tag="TAG")["idTokenInfo"] == {"status": "Accepted"}


@versions
def test_the_running_cost_is_told_where_energy_has_a_price(version: str) -> None:
    talk = Talk(version=version, behaviour=Behaviour(price_per_kwh=0.4))
    assert talk.event("Started", 0, 1000) == {}
    assert talk.event("Updated", 1, 3500)["totalCost"] == pytest.approx(1.0)
    assert talk.event("Ended", 2, 6000)["totalCost"] == pytest.approx(2.0)


@pytest.mark.parametrize(("version", "told"), [("ocpp2.0.1", False), ("ocpp2.1", True)])
def test_a_limit_is_told_at_the_start_of_each_transaction(version: str, told: bool) -> None:
    """TransactionEventResponse.transactionLimit is new in 2.1 (E16)."""
    limits = Limits(cost=5.5, energy_wh=20_000, time_s=1800, soc=80)
    talk = Talk(version=version, behaviour=Behaviour(transaction_limit=limits))
    limit = {"maxCost": 5.5, "maxEnergy": 20_000.0, "maxTime": 1800, "maxSoC": 80}
    assert talk.event("Started", 0) == ({"transactionLimit": limit} if told else {})
    assert talk.event("Updated", 1) == {}


@pytest.mark.parametrize(("version", "told"), [("ocpp2.0.1", False), ("ocpp2.1", True)])
def test_a_tariff_goes_with_a_tag_that_is_accepted(version: str, told: bool) -> None:
    """AuthorizeResponse.tariff is new in 2.1 (I08)."""
    behaviour = Behaviour(tariff_per_kwh=0.25, tag_statuses={"BAD": "Blocked"})
    talk = Talk(version=version, behaviour=behaviour)
    assert ("tariff" in talk.ask("Authorize")) == told
    if told:
        tariff = talk.ask("Authorize")["tariff"]
        assert tariff["energy"] == {"prices": [{"priceKwh": 0.25}]}
    bad = {"idToken": {"idToken": "BAD", "type": "ISO14443"}}
    assert "tariff" not in talk.ask("Authorize", bad)


def exports(*registers: float) -> dict[str, Any]:
    """A MeterValue of the register of exports, for each."""
    value = [{"value": one, "measurand": "Energy.Active.Export.Register"} for one in registers]
    return {"meterValue": [{"timestamp": AT, "sampledValue": [one]} for one in value]}


@versions
def test_what_a_vehicle_gives_back_has_books_of_its_own(version: str) -> None:
    talk = Talk(version=version)
    talk.event("Started", 0, **exports(100.0))
    talk.event("Updated", 1, **exports(150.0, 400.0))
    talk.event("Ended", 2, **exports(1100.0))
    ledger = talk.book.ledger()
    assert ledger["exported_wh"] == 1000
    assert ledger["exports_whole"] == 1
    assert ledger["energy_wh"] == 0


@versions
def test_exports_that_were_not_told_from_the_beginning_are_not_whole(version: str) -> None:
    talk = Talk(version=version)
    talk.event("Started", 0, 1000)
    talk.event("Updated", 1, **exports(150.0, 400.0))
    talk.event("Ended", 2, **exports(1100.0))
    assert talk.book.exported_wh == 950
    assert talk.book.exports_whole == 0


def test_the_cost_that_a_station_works_out_is_kept() -> None:
    talk = Talk(version="ocpp2.1")
    total = {"currency": "EUR", "typeOfCost": "NormalCost", "total": {"inclTax": 3.5}}
    usage = {"energy": 1.0, "chargingTime": 1, "idleTime": 0}
    talk.event("Started", 0, costDetails={"totalCost": total, "totalUsage": usage})
    (transaction,) = talk.book.open.values()
    assert isinstance(transaction, Transaction2)
    assert transaction.cost == 3.5


# ── registers ────────────────────────────────────────────────────────────────────────────────────


@versions
def test_units_and_multipliers_are_reckoned_with(version: str) -> None:
    talk = Talk(version=version)
    talk.event("Started", 0, meterValue=[meter_value(1, unitOfMeasure={"unit": "kWh"})])
    end = meter_value(3, unitOfMeasure={"unit": "Wh", "multiplier": 3})
    talk.event("Ended", 1, meterValue=[end])
    assert talk.book.energy_wh == 2000


@versions
@pytest.mark.parametrize(
    "other",
    [
        {"measurand": "Power.Active.Import"},
        {"phase": "L1"},
        {"location": "Inlet"},
        {"measurand": "Energy.Active.Export.Register"},
    ],
)
def test_other_values_are_no_register(version: str, other: dict[str, str]) -> None:
    talk = Talk(version=version)
    talk.event("Started", 0, 1000)
    talk.event("Updated", 1, meterValue=[meter_value(7, **other)])
    talk.event("Ended", 2)
    assert (talk.book.energy_wh, talk.book.register_decreases) == (0, 0)


@versions
def test_a_register_that_goes_down_is_found(version: str) -> None:
    talk = Talk(version=version)
    talk.ask("MeterValues", {"evseId": 1, "meterValue": [meter_value(2000)]})
    talk.event("Started", 0, 1999)
    assert talk.book.register_decreases == 1
    (example,) = talk.book.register_decrease_examples
    assert (example["connector"], example["from_wh"], example["to_wh"]) == (1, 2000, 1999)


@versions
def test_a_transaction_without_registers_says_so(version: str) -> None:
    talk = Talk(version=version)
    talk.event("Started", 0)
    talk.event("Ended", 1)
    assert (talk.book.events.without_register, talk.book.energy_wh) == (1, 0)


# ── properties ───────────────────────────────────────────────────────────────────────────────────


@given(st.permutations(range(1, 12)), st.lists(st.integers(0, 11), max_size=8))
def test_whatever_the_order_no_event_is_missing_in_the_end(
    order: list[int], again: list[int]
) -> None:
    """All seqNos once, in any order, and some again: nothing missing, and repeats are known."""
    talk = Talk(version="ocpp2.0.1")
    talk.event("Started", 0)
    for seq_no in order:
        talk.event("Updated", seq_no)
    for seq_no in again:
        talk.event("Updated", seq_no)
    events = talk.book.events
    assert (events.missing, events.repeated, events.unknown) == (0, len(again), 0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_a_report_is_complete_when_all_its_parts_have_come(sizes: list[int]) -> None:
    totals, station = ReportTotals(), StationReports()
    station.ask("NotifyReport", 7)
    for seq_no, size in enumerate(sizes):
        assert not any(report.complete for report in station.reports.values())
        last = seq_no == len(sizes) - 1
        for _ in range(2):  # each part is told twice
            totals.note(
                station,
                "NotifyReport",
                request_id=7,
                seq_no=seq_no,
                tbc=not last,
                items=["x"] * size,
            )
    (report,) = station.reports.values()
    assert (report.complete, report.items) == (True, sum(sizes))
    counts = totals.counts["NotifyReport"]
    assert (counts["gaps"], counts["incomplete"], counts["unasked"]) == (0, 0, 0)
    assert (counts["complete"], counts["repeated"]) == (1, len(sizes))


def test_the_payload_of_the_tests_is_what_they_say() -> None:
    assert event_payload("Ended", 3)["seqNo"] == 3
