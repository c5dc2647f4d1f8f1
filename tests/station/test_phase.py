from __future__ import annotations

from itertools import product

import pytest

from builders_station import ILLEGAL_CHANGES
from simfleet.errors import Refused
from simfleet.station.phase import (
    ENERGIZED,
    TRANSITIONS,
    IllegalTransition,
    Move,
    Phase,
    next_phase,
)

NINE = {
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEV",
    "SuspendedEVSE",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
}


def test_there_are_19_illegal_changes_of_status() -> None:
    assert len(ILLEGAL_CHANGES) == 19
    assert {status for pair in ILLEGAL_CHANGES for status in pair} <= NINE


def test_the_phases_are_the_nine_statuses() -> None:
    assert {phase.value for phase in Phase} == NINE
    assert set(TRANSITIONS) == set(Phase)


@pytest.mark.parametrize("phase", list(Phase))
def test_no_move_leads_over_an_illegal_change(phase: Phase) -> None:
    for after in TRANSITIONS[phase].values():
        assert after is not phase
        assert (phase.value, after.value) not in ILLEGAL_CHANGES


@pytest.mark.parametrize(("phase", "move"), list(product(Phase, Move)))
def test_a_move_leads_on_or_is_refused_by_name(phase: Phase, move: Move) -> None:
    if move in TRANSITIONS[phase]:
        assert next_phase(phase, move) is TRANSITIONS[phase][move]
        return
    with pytest.raises(IllegalTransition) as refusal:
        next_phase(phase, move)
    assert isinstance(refusal.value, Refused)
    assert phase.value in str(refusal.value)
    assert move.value in str(refusal.value)


def test_every_phase_can_be_reached_and_left_again() -> None:
    reached = {Phase.AVAILABLE}
    while more := {after for one in reached for after in TRANSITIONS[one].values()} - reached:
        reached |= more
    assert reached == set(Phase)
    for phase in Phase:
        assert TRANSITIONS[phase]


def test_a_fault_may_strike_in_every_phase() -> None:
    for phase in set(Phase) - {Phase.FAULTED}:
        assert next_phase(phase, Move.FAILED) is Phase.FAULTED


def test_a_transaction_runs_in_three_phases() -> None:
    assert {phase.value for phase in ENERGIZED} == {"Charging", "SuspendedEV", "SuspendedEVSE"}


def test_an_ended_session_leads_to_finishing_or_out_of_service_but_never_back() -> None:
    for phase in ENERGIZED:
        assert next_phase(phase, Move.ENDED) is Phase.FINISHING
        assert next_phase(phase, Move.LEFT) is Phase.AVAILABLE
        assert next_phase(phase, Move.WITHDRAWN) is Phase.UNAVAILABLE
        assert Move.OCCUPIED not in TRANSITIONS[phase]
