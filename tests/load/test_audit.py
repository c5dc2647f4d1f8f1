"""Do the books balance: each thing that must add up is caught, by its own check."""

from __future__ import annotations

import pytest

from builders_load import csms_books, excuses, fleet_books
from simfleet.load.audit import Check, audit


def broken(fleet: dict[str, object], csms: dict[str, object] | None, **counts: int) -> list[Check]:
    given = {"identities": 5, "unique": 5, **counts}
    return [check for check in audit(fleet, csms, **given) if not check.holds]


def test_equal_books_balance() -> None:
    assert broken(fleet_books(), csms_books()) == []


def test_a_fleet_that_did_nothing_balances() -> None:
    nothing = dict.fromkeys(fleet_books(), 0) | {"excused": excuses()}
    assert (
        broken({**nothing, "faults": []}, dict.fromkeys(csms_books(), 0), identities=0, unique=0)
        == []
    )


def test_without_the_books_of_a_csms_only_the_fleets_are_checked() -> None:
    alone = audit(fleet_books(), None, identities=5, unique=5)
    both = audit(fleet_books(), csms_books(), identities=5, unique=5)
    assert both[: len(alone)] == alone
    assert len({check.name for check in both}) == len(both)
    assert {check.name for check in both[len(alone) :]} == {
        "csms_starts",
        "csms_stops",
        "csms_open",
        "csms_stopped_twice",
        "csms_stop_unknown",
        "csms_identities",
        "csms_one_open_call",
        "csms_registers",
        "csms_violations",
        "csms_crashed",
        "csms_energy",
    }


@pytest.mark.parametrize(
    ("figure", "value", "names"),
    [
        ("transactions_opened", 8, {"starts_equal_stops", "starts_delivered", "csms_starts"}),
        ("transactions_closed", 6, {"starts_equal_stops", "stops_delivered", "csms_stops"}),
        ("starts_delivered", 6, {"starts_delivered"}),
        ("stops_delivered", 8, {"stops_delivered"}),
        ("stopped_twice", 1, {"stopped_once"}),
        ("overlapping_calls", 1, {"one_open_call"}),
        ("undelivered_messages", 2, {"queues_drained"}),
        ("integral_wh", 5000.30, {"energy_is_integral_of_power"}),
        ("faults_total", 1, {"no_faults"}),
    ],
)
def test_a_figure_of_the_fleet_that_does_not_add_up(
    figure: str, value: float, names: set[str]
) -> None:
    found = broken(fleet_books(**{figure: value}), csms_books())
    assert {check.name for check in found} == names
    assert all(str(value) in check.detail for check in found if figure != "integral_wh")


@pytest.mark.parametrize(
    ("figure", "value", "name"),
    [
        ("starts", 6, "csms_starts"),
        ("stops", 8, "csms_stops"),
        ("transactions_open", 1, "csms_open"),
        ("stopped_twice", 1, "csms_stopped_twice"),
        ("stop_unknown", 1, "csms_stop_unknown"),
        ("duplicate_identities", 1, "csms_identities"),
        ("overlapping_calls", 1, "csms_one_open_call"),
        ("register_decreases", 1, "csms_registers"),
        ("violations", 1, "csms_violations"),
        ("crashed", 1, "csms_crashed"),
        ("energy_wh", 4990, "csms_energy"),
    ],
)
def test_a_figure_of_the_csms_that_does_not_agree(figure: str, value: float, name: str) -> None:
    assert [c.name for c in broken(fleet_books(), csms_books(**{figure: value}))] == [name]


def test_two_chargers_of_one_identity_break_the_ledger() -> None:
    (check,) = broken(fleet_books(), csms_books(), identities=5, unique=4)
    assert check == Check(
        "identities_unique", holds=False, detail="chargers and different identities: 5 and 4"
    )


def test_a_charger_that_crashed_breaks_the_ledger() -> None:
    (check,) = broken(fleet_books(), csms_books(), crashed=2)
    assert (check.name, check.detail) == ("no_crashes", "chargers that a bug in SimFleet ended: 2")


def test_whole_watt_hours_of_ocpp_may_lose_less_than_one_for_each_transaction() -> None:
    assert broken(fleet_books(), csms_books(energy_wh=4994)) == []
    assert [c.name for c in broken(fleet_books(), csms_books(energy_wh=4993))] == ["csms_energy"]


def test_a_fault_of_one_charger_is_told_in_words() -> None:
    books = fleet_books(faults_total=3, faults=["CP-1 ended transaction 4, which was not open"])
    (check,) = broken(books, csms_books())
    assert check.detail == (
        "faults of single chargers: 3, the first: CP-1 ended transaction 4, which was not open"
    )


@pytest.mark.parametrize(
    ("given_wh", "told_wh", "whole", "holds"),
    [
        (5_000.0, 5_000.0, 7, True),
        (5_000.0, 5_006.0, 7, True),  # a watt-hour for each transaction
        (5_000.0, 4_000.0, 7, False),  # all told theirs, and some is missing
        (5_000.0, 4_000.0, 6, True),  # one did not
        (5_000.0, 6_000.0, 6, False),  # more than there was
    ],
)
def test_what_vehicles_gave_back_is_not_more_than_was_told(
    given_wh: float, told_wh: float, whole: int, holds: bool
) -> None:
    """OCPP 2.1: only as far as stations tell the register of exports."""
    fleet = fleet_books() | {"exported_wh": given_wh}
    csms = csms_books() | {"exported_wh": told_wh, "exports_whole": whole}
    assert [check.name for check in broken(fleet, csms)] == ([] if holds else ["csms_exported"])


def test_models_that_tell_a_csms_less_energy_break_no_books_but_more_does() -> None:
    assert broken(fleet_books(), csms_books(energy_wh=4000), understating=1) == []
    (check,) = broken(fleet_books(), csms_books(energy_wh=6000), understating=1)
    assert check.name == "csms_energy"
    assert "quirks of 1 chargers tell less" in check.detail


NOTHING = ("starts", "stops", "starts_fewer", "starts_more", "stops_fewer", "open_more")
ENERGIES = ("told_less_wh", "told_more_wh", "stray_stops")


def unsure(**room: float) -> dict[str, object]:
    unknown = dict.fromkeys((*NOTHING, *ENERGIES), 0) | room
    return fleet_books(excused=excuses(unknown=unknown))


@pytest.mark.parametrize(
    ("room", "figure", "values", "name"),
    [
        ({"starts_fewer": 2}, "starts", {4: False, 5: True, 7: True, 8: False}, "csms_starts"),
        ({"starts_more": 1}, "starts", {6: False, 7: True, 8: True, 9: False}, "csms_starts"),
        ({"stops_fewer": 2}, "stops", {4: False, 5: True, 7: True, 8: False}, "csms_stops"),
        ({"open_more": 2}, "transactions_open", {0: True, 2: True, 3: False}, "csms_open"),
        ({"stray_stops": 1}, "stop_unknown", {0: True, 1: True, 2: False}, "csms_stop_unknown"),
        (
            {"told_less_wh": 1000.0},
            "energy_wh",
            {3990: False, 3994: True, 4999: True, 5010: False},
            "csms_energy",
        ),
        (
            {"told_more_wh": 100.0},
            "energy_wh",
            {4990: False, 5105: True, 5110: False},
            "csms_energy",
        ),
    ],
)
def test_messages_without_an_answer_give_a_check_room_and_no_more(
    room: dict[str, float], figure: str, values: dict[int, bool], name: str
) -> None:
    for value, holds in values.items():
        found = [check.name for check in broken(unsure(**room), csms_books(**{figure: value}))]
        assert found == ([] if holds else [name]), value


def test_a_check_says_what_is_unknown_and_how_much_of_it_it_needs() -> None:
    checks = audit(unsure(stops=3, stops_fewer=3), csms_books(stops=5), identities=5, unique=5)
    (check,) = [check for check in checks if check.name == "csms_stops"]
    assert check == Check(
        "csms_stops",
        holds=True,
        detail="transactions the chargers stopped, and the CSMS knows: 7 and 5,"
        " 3 sent without an answer: -2, from -3 to +0 allowed",
        explained=2,
    )
