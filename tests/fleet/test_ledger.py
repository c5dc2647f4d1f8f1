"""The books of a run."""

from __future__ import annotations

from typing import Any

import pytest

from simfleet.fleet.excuses import EXCUSES_MAX
from simfleet.fleet.ledger import FAULTS_MAX, Ledger
from simfleet.station.effects import (
    Excused,
    TransactionClosed,
    TransactionDelivered,
    TransactionOpened,
)

ONE = "CP-1"


def opened(number: int = 1) -> TransactionOpened:
    return TransactionOpened(number, 1)


def closed(
    number: int = 1, *, energy_wh: float = 1000.0, integral_wh: float | None = None
) -> TransactionClosed:
    integral_wh = energy_wh if integral_wh is None else integral_wh
    return TransactionClosed(number, energy_wh, integral_wh, "Local")


def started(number: int = 1) -> TransactionDelivered:
    return TransactionDelivered(number, "start")


def stopped(number: int = 1) -> TransactionDelivered:
    return TransactionDelivered(number, "stop")


def a_whole_transaction(ledger: Ledger, number: int = 1, identity: str = ONE) -> None:
    ledger.open(identity, opened(number))
    ledger.deliver(identity, started(number))
    ledger.close(identity, closed(number))
    ledger.deliver(identity, stopped(number))


def test_transactions_that_go_well_leave_no_fault_and_nothing_open() -> None:
    ledger = Ledger()
    for number in range(1, 4):
        a_whole_transaction(ledger, number)
        a_whole_transaction(ledger, number, "CP-2")
    books = ledger.snapshot()
    assert books["transactions_opened"] == books["transactions_closed"] == 6
    assert books["starts_delivered"] == books["stops_delivered"] == 6
    assert books["energy_wh"] == books["integral_wh"] == 6000.0
    assert (books["transactions_open"], books["faults_total"], books["faults"]) == (0, 0, [])


def test_transactions_of_several_connectors_may_end_and_be_told_in_any_order() -> None:
    ledger = Ledger()
    for number in (1, 2, 3):
        ledger.open(ONE, opened(number))
    assert ledger.still_open == 3
    ledger.close(ONE, closed(3))
    ledger.close(ONE, closed(1))
    assert ledger.still_open == 1
    for number in (1, 2, 3):
        ledger.deliver(ONE, started(number))
    ledger.close(ONE, closed(2))
    for number in (2, 3, 1):
        ledger.deliver(ONE, stopped(number))
    assert ledger.faults == []


def test_a_second_stop_of_a_transaction_is_a_fault() -> None:
    ledger = Ledger()
    a_whole_transaction(ledger)
    ledger.deliver(ONE, stopped())
    assert ledger.stopped_twice == 1
    assert ledger.faults == ["CP-1 stopped transaction 1 twice, or before its end"]


def test_a_stop_before_the_end_is_a_fault() -> None:
    ledger = Ledger()
    ledger.open(ONE, opened())
    ledger.deliver(ONE, stopped())
    assert ledger.stopped_twice == 1


def test_a_stop_of_another_chargers_transaction_is_a_fault() -> None:
    ledger = Ledger()
    ledger.open(ONE, opened())
    ledger.close(ONE, closed())
    ledger.deliver("CP-2", stopped())
    assert ledger.stopped_twice == 1


def test_a_start_that_is_answered_twice_is_a_fault() -> None:
    ledger = Ledger()
    a_whole_transaction(ledger)
    ledger.deliver(ONE, started())
    assert ledger.faults == ["CP-1 started transaction 1 twice"]


def test_an_end_without_a_beginning_is_a_fault() -> None:
    ledger = Ledger()
    ledger.close(ONE, closed(4))
    assert ledger.faults == ["CP-1 ended transaction 4, which was not open"]


@pytest.mark.parametrize(
    ("energy_wh", "integral_wh", "fault"),
    [
        (1000.0, 1000.0005, False),
        (1e6, 1e6 + 0.9, False),
        (1000.0, 1000.01, True),
        (1000.0, 990.0, True),
        (0.0, 0.5, True),
        (-5.0, -5.0, True),
    ],
)
def test_energy_that_is_not_the_integral_of_power_is_a_fault(
    energy_wh: float, integral_wh: float, fault: bool
) -> None:
    ledger = Ledger()
    ledger.open(ONE, opened())
    ledger.close(ONE, closed(energy_wh=energy_wh, integral_wh=integral_wh))
    assert (ledger.faults_total > 0) is fault


def test_messages_that_are_left_behind_and_overlapping_calls_are_faults() -> None:
    ledger = Ledger()
    ledger.left_behind(ONE, 3)
    ledger.overlap(ONE)
    assert (ledger.undelivered, ledger.overlapping_calls, ledger.faults_total) == (3, 1, 2)


def test_a_charger_that_ends_in_a_transaction_is_a_fault_and_its_successor_counts_anew() -> None:
    ledger = Ledger()
    a_whole_transaction(ledger, 1)
    ledger.open(ONE, opened(2))
    ledger.part(ONE)
    assert (ledger.abandoned, ledger.still_open) == (1, 0)
    assert ledger.faults == ["CP-1 ended while 1 of its transactions ran"]
    a_whole_transaction(ledger, 1)
    a_whole_transaction(ledger, 2)
    assert ledger.faults_total == 1
    assert ledger.snapshot()["transactions_abandoned"] == 1


def test_faults_are_all_counted_and_the_first_kept_in_words() -> None:
    ledger = Ledger()
    for number in range(FAULTS_MAX + 30):
        ledger.overlap(f"CP-{number}")
    books = ledger.snapshot()
    assert books["faults_total"] == FAULTS_MAX + 30
    assert len(books["faults"]) == FAULTS_MAX
    assert books["faults"][0].startswith("CP-0 ")


# ── faults on purpose ───────────────────────────────────────────────────────────────────────────


def excused(what: Any, number: int = 1, energy_wh: float = 0.0) -> Excused:
    return Excused(what, number, energy_wh)


def test_a_register_that_jumped_on_purpose_is_no_fault_and_any_other_is() -> None:
    ledger = Ledger()
    for number, energy_wh in ((1, 6000.0), (2, 6000.0)):
        ledger.open(ONE, opened(number))
        ledger.deliver(ONE, started(number))
        if number == 1:
            ledger.excuses.note(ONE, excused("jumped", number, 5000.0))
        ledger.close(ONE, closed(number, energy_wh=energy_wh, integral_wh=1000.0))
        ledger.deliver(ONE, stopped(number))
    assert ledger.faults == [
        "CP-1: transaction 2 counted 6000.000 Wh, its power adds up to 1000.000 Wh"
    ]
    assert ledger.excuses.snapshot()["jumped_wh"] == 5000.0


def test_a_register_that_jumped_back_on_purpose_does_not_count_backwards() -> None:
    ledger = Ledger()
    ledger.open(ONE, opened())
    ledger.excuses.note(ONE, excused("jumped", 1, -3000.0))
    ledger.close(ONE, closed(energy_wh=-2000.0, integral_wh=1000.0))
    assert ledger.faults == []


@pytest.mark.parametrize(
    ("whats", "found"),
    [
        (["start_lost"], {"starts_lost": 1, "stops_lost": 1, "told_apart_wh": -1000.0}),
        (["stop_lost"], {"stops_lost": 1, "left_open": 1, "told_apart_wh": -1000.0}),
        (["stop_misnamed"], {"stops_misnamed": 1, "left_open": 1, "told_apart_wh": -1000.0}),
        (["start_lost", "stop_lost"], {"starts_lost": 1, "stops_lost": 1, "left_open": 0}),
        (["stop_lost", "told_apart"], {"stops_lost": 1, "told_apart_wh": -1000.0}),
        (["told_apart"], {"stops_lost": 0, "told_apart_wh": 70.0}),
        (["stray_stop", "stray_stop"], {"stray_stops": 2, "left_open": 0}),
        (["register_down"], {"registers_down": 1}),
    ],
)
@pytest.mark.parametrize("parted", [False, True])
def test_what_an_excuse_comes_to(whats: list[str], found: dict[str, float], parted: bool) -> None:
    ledger = Ledger()
    ledger.open(ONE, opened())
    for what in whats:
        ledger.excuses.note(ONE, excused(what, 1, 70.0))
    ledger.close(ONE, closed())
    if parted:
        ledger.part(ONE)
        ledger.open(ONE, opened())  # another charger of the same name
    books = ledger.snapshot()["excused"]
    assert {name: books[name] for name in found} == found


def test_so_many_transactions_of_a_charger_are_excused_and_no_more() -> None:
    ledger = Ledger()
    for number in range(EXCUSES_MAX + 3):
        ledger.excuses.note(ONE, excused("stop_lost", number))
    books = ledger.snapshot()["excused"]
    assert (books["stops_lost"], books["forgotten"]) == (EXCUSES_MAX, 3)
