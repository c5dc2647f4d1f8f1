"""The books of a run: what must add up, whatever the load was.

Kept from the effects of the stations, so they say what the chargers did; the embedded CSMS keeps
books of its own, and `load/verdict.py` compares the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.fleet.excuses import Excuses

if TYPE_CHECKING:
    from simfleet.station.effects import (
        TransactionClosed,
        TransactionDelivered,
        TransactionOpened,
    )

ENERGY_TOLERANCE: Final = 1e-6
"""Register and integral of power may differ by this share, and by `ENERGY_TOLERANCE_WH`: rounding.
"""
ENERGY_TOLERANCE_WH: Final = 1e-3
FAULTS_MAX: Final = 20
"""Faults kept in words; more are only counted."""


class Ledger:
    """Transactions of a whole fleet. A charger is named by its identity, its transactions by
    number.
    """

    __slots__ = (
        "_open",
        "_starting",
        "_stopping",
        "_waiting",
        "abandoned",
        "closed",
        "delivered_starts",
        "delivered_stops",
        "energy_wh",
        "excuses",
        "exported_wh",
        "faults",
        "faults_total",
        "integral_wh",
        "lost_wh",
        "opened",
        "overlapping_calls",
        "stopped_twice",
        "undelivered",
    )

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.delivered_starts = 0
        self.delivered_stops = 0
        self.stopped_twice = 0
        self.overlapping_calls = 0
        """CALLs sent while another one of the same charger was open."""
        self.undelivered = 0
        """Transaction messages still owed when their charger left."""
        self.abandoned = 0
        """Transactions that still ran when their charger ended: it crashed, or was cut off."""
        self.energy_wh = 0.0
        self.integral_wh = 0.0
        self.exported_wh = 0.0
        self.lost_wh = 0.0
        """Energy of transactions that ended, and of which the CSMS never answered the end."""
        self.faults: list[str] = []
        self.faults_total = 0
        self.excuses = Excuses()
        """What faults on purpose have done to these books and the CSMS's."""
        self._open: dict[str, set[int]] = {}
        self._starting: dict[str, set[int]] = {}
        """Begun on the charger, and the CSMS has not answered yet."""
        self._stopping: dict[str, dict[int, float]] = {}
        """Ended on the charger with so much energy, and the CSMS has not answered yet."""

        self._waiting = False
        """The charger that parts next leaves messages behind."""

    def open(self, identity: str, effect: TransactionOpened) -> None:
        """A transaction began."""
        self.opened += 1
        self._open.setdefault(identity, set()).add(effect.number)
        self._starting.setdefault(identity, set()).add(effect.number)

    def close(self, identity: str, effect: TransactionClosed) -> None:
        """A transaction ended on the charger."""
        self.closed += 1
        self._stopping.setdefault(identity, {})[effect.number] = effect.energy_wh
        self.energy_wh += effect.energy_wh
        self.integral_wh += effect.integral_wh
        self.exported_wh += effect.exported_wh
        if not _strike(self._open, identity, effect.number):
            self._fault(f"{identity} ended transaction {effect.number}, which was not open")
        jumped_wh = self.excuses.closed(identity, effect.number, effect.energy_wh)
        counted_wh = effect.energy_wh - jumped_wh
        difference_wh = abs(counted_wh - effect.integral_wh)
        if difference_wh > ENERGY_TOLERANCE_WH + ENERGY_TOLERANCE * abs(effect.energy_wh):
            self._fault(
                f"{identity}: transaction {effect.number} counted {effect.energy_wh:.3f} Wh,"
                f" its power adds up to {effect.integral_wh:.3f} Wh"
            )
        if counted_wh < -ENERGY_TOLERANCE_WH:
            self._fault(f"{identity}: transaction {effect.number} counted backwards")

    def deliver(self, identity: str, effect: TransactionDelivered) -> None:
        """The CSMS has answered a start or a stop."""
        self.excuses.delivered(identity, effect.number, effect.what)
        if effect.what == "start":
            self.delivered_starts += 1
            if not _strike(self._starting, identity, effect.number):
                self._fault(f"{identity} started transaction {effect.number} twice")
            return
        self.delivered_stops += 1
        if not _strike(self._stopping, identity, effect.number):
            self.stopped_twice += 1
            self._fault(f"{identity} stopped transaction {effect.number} twice, or before its end")

    def unknown(
        self, identity: str, number: int, what: str, *, energy_wh: float, by_event: bool
    ) -> None:
        """The start or stop of a transaction was sent and not answered; see `Excuses.unknown`."""
        self.excuses.unknown(identity, number, what, energy_wh=energy_wh, by_event=by_event)
        waiting = self._starting if what == "start" else self._stopping
        if number not in waiting.get(identity, ()):
            self.excuses.delivered(identity, number, what)  # a repetition of one that was answered

    def overlap(self, identity: str) -> None:
        """A charger sent a CALL while one of its own was open."""
        self.overlapping_calls += 1
        self._fault(f"{identity} sent a CALL while its last one was open")

    def left_behind(self, identity: str, messages: int) -> None:
        """A charger went with transaction messages undelivered."""
        self._waiting = True
        if identity in self.excuses.troubled:
            self.excuses.undelivered += messages
            return
        self.undelivered += messages
        self._fault(f"{identity} left with {messages} transaction messages undelivered")

    def part(self, identity: str) -> None:
        """A charger has ended. One of the same name counts its transactions from 1 again."""
        waiting, self._waiting = self._waiting, False
        running = len(self._open.pop(identity, ()))
        starting = self._starting.pop(identity, ())
        stopping = self._stopping.pop(identity, {})
        for number in starting:
            wh = stopping.get(number, 0.0)
            self.excuses.given_up(identity, number, "start", energy_wh=wh, waiting=waiting)
        for number, wh in stopping.items():
            self.excuses.given_up(identity, number, "stop", energy_wh=wh, waiting=waiting)
        self.excuses.part(identity)
        self.lost_wh += sum(stopping.values())
        if running:
            self.abandoned += running
            self._fault(f"{identity} ended while {running} of its transactions ran")

    @property
    def still_open(self) -> int:
        """Transactions that run at this moment."""
        return sum(map(len, self._open.values()))

    def _fault(self, text: str) -> None:
        self.faults_total += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(text)

    def snapshot(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "transactions_opened": self.opened,
            "transactions_closed": self.closed,
            "transactions_open": self.still_open,
            "starts_delivered": self.delivered_starts,
            "stops_delivered": self.delivered_stops,
            "stopped_twice": self.stopped_twice,
            "overlapping_calls": self.overlapping_calls,
            "undelivered_messages": self.undelivered,
            "transactions_abandoned": self.abandoned,
            "energy_wh": round(self.energy_wh, 3),
            "integral_wh": round(self.integral_wh, 3),
            "exported_wh": round(self.exported_wh, 3),
            "faults_total": self.faults_total,
            "faults": list(self.faults),
            "excused": self.excuses.snapshot(),
        }


def _strike(
    lists: dict[str, set[int]] | dict[str, dict[int, float]], identity: str, number: int
) -> bool:
    """Strike a transaction off a charger's list; False when it is not on it."""
    mine = lists.get(identity)
    if mine is None or number not in mine:
        return False
    mine.remove(number) if isinstance(mine, set) else mine.pop(number)
    if not mine:
        del lists[identity]
    return True
