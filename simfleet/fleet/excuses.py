"""What faults on purpose will do to the books of a run, kept apart so that nobody is accused of it.

An excuse is as exact as it can be: of one transaction, and with the watt-hours where there are any.
So a discrepancy that no fault explains is still found, in the same run and even on the same
charger. What was sent and never answered may have arrived or not, whoever is to blame: it gives a
range (`reckoning.py`). Only what the CSMS counts without saying of whom (violations, stops of
unknown transactions, registers that went down) is excused by number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.fleet.reckoning import Excuse, Sums

if TYPE_CHECKING:
    from simfleet.station.effects import Excused

SPOILT_KINDS: Final = frozenset({"malformed_frame", "schema_invalid"})
"""Faults each act of which is one violation at the CSMS."""
EXCUSES_MAX: Final = 10_000
"""Transactions of one charger that are excused; further ones are accused, and counted."""


class Excuses:
    """See the module. A transaction is named by its charger's identity and its number there."""

    __slots__ = (
        "_settled",
        "_under_way",
        "doubled",
        "forgotten",
        "overlapping_calls",
        "register_downs",
        "repeated_stops",
        "spoilt_frames",
        "stray_stops",
        "troubled",
        "undelivered",
    )

    def __init__(self) -> None:
        self._under_way: dict[str, dict[int, Excuse]] = {}
        self._settled = Sums()
        self.spoilt_frames = 0
        """Frames that the CSMS will count as violations."""
        self.stray_stops = 0
        """StopTransactions with ids of transactions that never were."""
        self.register_downs = 0
        self.doubled: set[str] = set()
        """Chargers that may be back before the CSMS knows that they were gone."""
        self.overlapping_calls = 0
        """CALLs that the CSMS may get before it has answered another."""
        self.repeated_stops = 0
        """Stops that the CSMS may be told a second time."""
        self.troubled: set[str] = set()
        """Chargers whose network, or CSMS, was made bad on purpose."""
        self.undelivered = 0
        """Messages of transactions that such chargers had left when they went."""
        self.forgotten = 0
        """Excuses that found no room."""

    def note(self, identity: str, effect: Excused) -> None:
        """A fault tells what it will do to the books."""
        match effect.what:
            case "stray_stop":
                self.stray_stops += 1
            case "register_down":
                self.register_downs += 1
            case _:
                self._note_transaction(identity, effect)

    def _note_transaction(self, identity: str, effect: Excused) -> None:
        excuse = self._of(identity, effect.number)
        if excuse is None:
            return
        match effect.what:
            case "start_lost":
                excuse.start_lost = True
                excuse.energy_wh = effect.energy_wh
            case "stop_lost":
                excuse.stop_lost = True
                excuse.energy_wh = effect.energy_wh
            case "stop_misnamed":
                excuse.misnamed = True
                excuse.energy_wh = effect.energy_wh
            case "told_apart":
                excuse.apart_wh = effect.energy_wh
            case "jumped":
                excuse.jumped_wh += effect.energy_wh

    def _of(self, identity: str, number: int) -> Excuse | None:
        """The excuse of a transaction, made where there is none; None without room for it."""
        mine = self._under_way.setdefault(identity, {})
        excuse = mine.get(number)
        if excuse is None:
            if len(mine) >= EXCUSES_MAX:
                self.forgotten += 1
                return None
            excuse = mine[number] = Excuse()
        return excuse

    def unknown(
        self, identity: str, number: int, what: str, *, energy_wh: float, by_event: bool
    ) -> None:
        """The ``start`` or ``stop`` of a transaction was sent, and was not answered: it may have
        arrived. `energy_wh` is what the transaction has delivered, 0 while it runs.
        """
        if what == "stop":
            self.repeated_stops += 1
        excuse = self._of(identity, number)
        if excuse is None:
            return
        excuse.by_event = by_event
        excuse.energy_wh = energy_wh
        if what == "start":
            excuse.start_unknown += 1
        else:
            excuse.stop_unknown += 1

    def delivered(self, identity: str, number: int, what: str) -> None:
        """The CSMS has answered a start or a stop after all."""
        excuse = self._under_way.get(identity, {}).get(number)
        if excuse is None:
            return
        if what == "start":
            excuse.start_answered = True
        else:
            excuse.stop_answered = True

    def given_up(
        self, identity: str, number: int, what: str, *, energy_wh: float, waiting: bool
    ) -> None:
        """A charger has gone, and nobody has answered the start or stop of a transaction. Excused
        if its network or its CSMS was made bad on purpose, and it was sent in vain or still
        `waiting` for those before it.
        """
        if identity not in self.troubled:
            return
        excuse = self._under_way.get(identity, {}).get(number)
        sent = 0
        if excuse is not None:
            sent = excuse.start_unknown if what == "start" else excuse.stop_unknown
        if not waiting and not sent:
            return
        excuse = self._of(identity, number)
        if excuse is None:
            return
        excuse.energy_wh = energy_wh
        if what == "start":
            excuse.start_lost = True
        else:
            excuse.stop_lost = True

    def closed(self, identity: str, number: int, energy_wh: float) -> float:
        """A transaction has ended on its charger; returns what its register has jumped, in Wh."""
        excuse = self._under_way.get(identity, {}).get(number)
        if excuse is None:
            return 0.0
        excuse.energy_wh = energy_wh
        return excuse.jumped_wh

    def part(self, identity: str) -> None:
        """A charger has gone. One of the same name counts its transactions from 1 again."""
        for excuse in self._under_way.pop(identity, {}).values():
            self._settled.add(excuse)

    def snapshot(self) -> dict[str, Any]:
        """What the checks of the books have to reckon with."""
        sums = self._settled.copy()
        for mine in self._under_way.values():
            for excuse in mine.values():
                sums.add(excuse)
        return {
            "starts_lost": sums.starts_lost,
            "stops_lost": sums.stops_lost,
            "stops_misnamed": sums.stops_misnamed,
            "left_open": sums.left_open,
            "told_apart_wh": round(sums.told_apart_wh, 3),
            "jumped_wh": round(sums.jumped_wh, 3),
            "stray_stops": self.stray_stops,
            "registers_down": self.register_downs,
            "spoilt_frames": self.spoilt_frames,
            "identities_doubled": len(self.doubled),
            "calls_overlapping": self.overlapping_calls,
            "stops_repeated": self.repeated_stops,
            "starts_unanswered": sums.starts_unanswered,
            "stops_unanswered": sums.stops_unanswered,
            "undelivered": self.undelivered,
            "forgotten": self.forgotten,
            "unknown": {
                "starts": sums.unknown_starts,
                "stops": sums.unknown_stops,
                "starts_fewer": sums.starts_fewer,
                "starts_more": sums.starts_more,
                "stops_fewer": sums.stops_fewer,
                "open_more": sums.open_more,
                "told_less_wh": round(sums.told_less_wh, 3),
                "told_more_wh": round(sums.told_more_wh, 3),
                "stray_stops": sums.stray_stops,
            },
        }
