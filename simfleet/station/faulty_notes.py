"""What faults on purpose remember of the messages and transactions that they have touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar

from simfleet.station.effects import Excused
from simfleet.station.messages import (
    SessionEvent,
    TransactionEnded,
    TransactionSampled,
    TransactionStarted,
)

if TYPE_CHECKING:
    from simfleet.station.messages import Message
    from simfleet.station.transaction import Transaction
    from simfleet.station.visit import Visit

    Told = Transaction | Visit

V = TypeVar("V")
_KINDS: Final[dict[str, Literal["start", "sample", "stop"]]] = {
    "Started": "start",
    "Updated": "sample",
    "Ended": "stop",
}

NOTES_MAX: Final = 2000
"""Messages and transactions that are remembered because a fault has touched them; the oldest is
forgotten first. More than a station can have waiting."""


def note(notes: dict[int, V], number: int, value: V) -> None:
    """Remember something of a message or a transaction, within the bound."""
    if number not in notes and len(notes) >= NOTES_MAX:
        del notes[next(iter(notes))]
    notes[number] = value


def told_of(message: Message) -> tuple[Literal["", "start", "sample", "stop"], Told | None]:
    """What a message tells of which transaction."""
    match message:
        case TransactionStarted(transaction):
            return "start", transaction
        case TransactionSampled(transaction):
            return "sample", transaction
        case TransactionEnded(transaction):
            return "stop", transaction
        case SessionEvent():
            return _KINDS[message.kind], message.visit
    return "", None


def energy_wh(transaction: Told) -> float:
    """What an ended transaction has delivered, as its register says; 0 while it runs."""
    return transaction.stop_wh - transaction.start_wh


def lost(message: Message) -> Excused | None:
    """What is excused of a message that will never reach the CSMS."""
    match told_of(message):
        case "start", transaction if transaction is not None:
            return Excused("start_lost", transaction.number, energy_wh(transaction))
        case "stop", transaction if transaction is not None:
            return Excused("stop_lost", transaction.number, energy_wh(transaction))
    return None
