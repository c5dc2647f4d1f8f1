"""The life of a connector as a table (OCPP 1.6 section 4.9, the status transition matrix).

The nine phases are OCPP 1.6's statuses; later versions project them (2.x folds five of them into
Occupied). A pair that is not in `TRANSITIONS` cannot happen: `next_phase` raises and nothing
changes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from simfleet.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(StrEnum):
    """What a connector is doing, in OCPP 1.6's words."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


class Move(StrEnum):
    """What makes a connector change its phase."""

    OCCUPIED = "occupied"  # a cable came in, or a tag was accepted
    RELEASED = "released"  # neither cable nor tag any more
    ENERGY_ON = "energy on"  # a transaction runs and the vehicle draws
    EV_PAUSED = "EV paused"  # a transaction runs, the vehicle draws nothing
    EVSE_WITHHELD = "EVSE withheld"  # a transaction runs, the station offers nothing
    ENDED = "ended"  # the transaction is over, the cable is still in
    LEFT = "left"  # the transaction is over and the cable is out
    RESERVED = "reserved"
    RESERVATION_OVER = "reservation over"
    WITHDRAWN = "withdrawn"  # taken out of service (ChangeAvailability Inoperative)
    OFFERED = "offered"  # back in service
    FAILED = "failed"
    CLEARED = "cleared"


class IllegalTransition(Refused):
    """A move that a connector in that phase cannot make."""

    code = "ILLEGAL_TRANSITION"

    def __init__(self, phase: Phase, move: Move) -> None:
        super().__init__(f"a connector that is {phase} cannot take {move.value!r}")
        self.phase = phase
        self.move = move


_SESSION_ENDS: Final[Mapping[Move, Phase]] = {
    Move.ENDED: Phase.FINISHING,
    Move.LEFT: Phase.AVAILABLE,
    Move.WITHDRAWN: Phase.UNAVAILABLE,
    Move.FAILED: Phase.FAULTED,
}

TRANSITIONS: Final[Mapping[Phase, Mapping[Move, Phase]]] = {
    Phase.AVAILABLE: {
        Move.OCCUPIED: Phase.PREPARING,
        Move.RESERVED: Phase.RESERVED,
        Move.WITHDRAWN: Phase.UNAVAILABLE,
        Move.FAILED: Phase.FAULTED,
    },
    # Out of service has to wait here: Preparing -> Unavailable is not in the matrix.
    Phase.PREPARING: {
        Move.RELEASED: Phase.AVAILABLE,
        Move.ENERGY_ON: Phase.CHARGING,
        Move.EV_PAUSED: Phase.SUSPENDED_EV,
        Move.EVSE_WITHHELD: Phase.SUSPENDED_EVSE,
        Move.FAILED: Phase.FAULTED,
    },
    Phase.CHARGING: {
        Move.EV_PAUSED: Phase.SUSPENDED_EV,
        Move.EVSE_WITHHELD: Phase.SUSPENDED_EVSE,
        **_SESSION_ENDS,
    },
    Phase.SUSPENDED_EV: {
        Move.ENERGY_ON: Phase.CHARGING,
        Move.EVSE_WITHHELD: Phase.SUSPENDED_EVSE,
        **_SESSION_ENDS,
    },
    Phase.SUSPENDED_EVSE: {
        Move.ENERGY_ON: Phase.CHARGING,
        Move.EV_PAUSED: Phase.SUSPENDED_EV,
        **_SESSION_ENDS,
    },
    Phase.FINISHING: {
        Move.RELEASED: Phase.AVAILABLE,
        Move.OCCUPIED: Phase.PREPARING,  # the next tag while the cable is still in
        Move.WITHDRAWN: Phase.UNAVAILABLE,
        Move.FAILED: Phase.FAULTED,
    },
    Phase.RESERVED: {
        Move.OCCUPIED: Phase.PREPARING,
        Move.RESERVATION_OVER: Phase.AVAILABLE,
        Move.WITHDRAWN: Phase.UNAVAILABLE,
        Move.FAILED: Phase.FAULTED,
    },
    Phase.UNAVAILABLE: {
        Move.OFFERED: Phase.AVAILABLE,
        Move.OCCUPIED: Phase.PREPARING,  # back in service with a cable in
        Move.FAILED: Phase.FAULTED,
    },
    Phase.FAULTED: {
        Move.CLEARED: Phase.AVAILABLE,
        Move.OCCUPIED: Phase.PREPARING,  # cleared with a cable in
        Move.WITHDRAWN: Phase.UNAVAILABLE,
    },
}

ENERGIZED: Final = frozenset({Phase.CHARGING, Phase.SUSPENDED_EV, Phase.SUSPENDED_EVSE})
"""The phases in which a transaction runs; there is one in no other."""


_IN_SESSION: Final = (Phase.CHARGING, Phase.SUSPENDED_EV, Phase.SUSPENDED_EVSE)
IMPOSSIBLE: Final = frozenset(
    {
        (Phase.AVAILABLE, Phase.FINISHING),
        (Phase.PREPARING, Phase.RESERVED),
        (Phase.PREPARING, Phase.UNAVAILABLE),
        *((phase, Phase.PREPARING) for phase in _IN_SESSION),
        *((phase, Phase.RESERVED) for phase in _IN_SESSION),
        *((Phase.FINISHING, phase) for phase in (*_IN_SESSION, Phase.RESERVED)),
        *((Phase.RESERVED, phase) for phase in (*_IN_SESSION, Phase.FINISHING)),
        (Phase.UNAVAILABLE, Phase.FINISHING),
        (Phase.UNAVAILABLE, Phase.RESERVED),
    }
)
"""Pairs of statuses that may not follow one another on the wire, even if what came between lasted
too short a time to be reported (MinimumStatusDuration)."""


def next_phase(phase: Phase, move: Move) -> Phase:
    """Where `move` leads from `phase`. Raises `IllegalTransition`."""
    after = TRANSITIONS[phase].get(move)
    if after is None:
        raise IllegalTransition(phase, move)
    return after
