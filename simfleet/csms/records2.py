"""A transaction of OCPP 2.0.1 and 2.1 as its events tell it, and the totals over all. Pure, small.

An event is known by its transactionId and seqNo, so one that a station sends again is recognised
(2.0.1 E13), and one that never came leaves a gap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime

MISSING_MAX: Final = 64
"""Missing seqNos of one transaction that are remembered; more are only counted."""


class Transaction2:
    """One transaction. Its registers are None until an event has one; `connector_id` is the EVSE,
    0 until an event names it.
    """

    __slots__ = (
        "charging_state",
        "connector_id",
        "cost",
        "events",
        "export_start_wh",
        "export_stop_wh",
        "export_whole",
        "id",
        "id_tag",
        "identity",
        "key",
        "last_meter_value",
        "meter_start_wh",
        "meter_stop_wh",
        "meter_values",
        "missing",
        "next_seq_no",
        "reason",
        "remote_start_id",
        "started",
        "stopped",
        "token_type",
    )

    def __init__(self, transaction_id: str, identity: str, started: datetime) -> None:
        self.id = transaction_id
        self.identity = identity
        self.key = (identity, transaction_id)
        self.connector_id = 0
        self.id_tag: str | None = None
        self.token_type: str | None = None
        self.meter_start_wh: float | None = None
        self.meter_stop_wh: float | None = None
        """The last register told; the stop's, once it has ended."""
        self.export_start_wh: float | None = None
        self.export_stop_wh: float | None = None
        """The same of what the vehicle has given back; None where no event has it."""
        self.export_whole = False
        """The event that has begun it told the register of exports."""
        self.started = started
        self.stopped: datetime | None = None
        self.reason: str | None = None
        self.charging_state: str | None = None
        self.remote_start_id: int | None = None
        self.cost: float | None = None
        """The running total that the station has told (2.1), in its currency, with taxes."""
        self.events = 0
        self.next_seq_no = 0
        self.missing: set[int] | None = None
        self.meter_values = 0
        self.last_meter_value: Any = None

    @property
    def exported_wh(self) -> float:
        """What the vehicle has given back as far as it was told."""
        return (self.export_stop_wh or 0) - (self.export_start_wh or 0)

    def heard(self, seq_no: int) -> bool:
        """Whether the event of that number came before."""
        return seq_no < self.next_seq_no and not (self.missing and seq_no in self.missing)

    def hear(self, seq_no: int) -> int:
        """Note the number of a new event; returns how many are newly missing, -1 for one that was
        missing until now.
        """
        self.events += 1
        gap = seq_no - self.next_seq_no
        if gap < 0:
            assert self.missing is not None
            self.missing.remove(seq_no)
            return -1
        if gap:
            if self.missing is None:
                self.missing = set()
            room = MISSING_MAX - len(self.missing)
            self.missing.update(range(self.next_seq_no, self.next_seq_no + min(gap, room)))
        self.next_seq_no = seq_no + 1
        return gap


class EventCounts:
    """Totals of TransactionEvents."""

    def __init__(self) -> None:
        self.repeated = 0
        self.missing = 0
        """SeqNos that were left out and have not come since."""
        self.late = 0
        """Events that came after others with a higher seqNo."""
        self.unknown = 0
        """Updated events of transactions that this CSMS does not know as open."""
        self.offline = 0
        self.without_register = 0
        """Transactions that ended without any energy register having been told."""
        self.kinds = {"Started": 0, "Updated": 0, "Ended": 0}
        self.triggers: dict[str, int] = {}
        self.states: dict[str, int] = {}

    def ledger(self) -> dict[str, object]:
        """All of it as JSON values."""
        return {
            **{kind.lower(): count for kind, count in self.kinds.items()},
            "repeated": self.repeated,
            "seq_nos_missing": self.missing,
            "late": self.late,
            "unknown": self.unknown,
            "offline": self.offline,
            "without_register": self.without_register,
            "triggers": dict(sorted(self.triggers.items())),
            "charging_states": dict(sorted(self.states.items())),
        }


def number_in(text: str) -> float | None:
    """A finite decimal number, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
