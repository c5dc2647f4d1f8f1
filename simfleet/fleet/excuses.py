"""What faults on purpose will do to the books of a run, kept apart so that nobody is accused of it.

An excuse is as exact as it can be: of one transaction, and with the watt-hours where there are any.
So a discrepancy that no fault explains is still found, in the same run and even on the same
charger. Only what the CSMS counts without saying of whom (violations, stops of unknown
transactions, registers that went down) is excused by number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from simfleet.station.effects import Excused

SPOILT_KINDS: Final = frozenset({"malformed_frame", "schema_invalid"})
"""Faults each act of which is one violation at the CSMS."""
EXCUSES_MAX: Final = 10_000
"""Transactions of one charger that are excused; further ones are accused, and counted."""


class _Excuse(Struct, gc=False):
    """What is excused of one transaction, and the energy that it delivered."""

    start_lost: bool = False
    stop_lost: bool = False
    misnamed: bool = False
    apart_wh: float = 0.0
    jumped_wh: float = 0.0
    energy_wh: float = 0.0


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
    )

    def __init__(self) -> None:
        self._under_way: dict[str, dict[int, _Excuse]] = {}
        self._settled = _Sums()
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
        mine = self._under_way.setdefault(identity, {})
        excuse = mine.get(effect.number)
        if excuse is None:
            if len(mine) >= EXCUSES_MAX:
                self.forgotten += 1
                return
            excuse = mine[effect.number] = _Excuse()
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
            "forgotten": self.forgotten,
        }


class _Sums(Struct):
    """The excuses of many transactions together."""

    starts_lost: int = 0
    stops_lost: int = 0
    """Never to be answered, those of lost starts among them."""
    stops_misnamed: int = 0
    """Answered, and yet unknown to the CSMS."""
    left_open: int = 0
    """Open at the CSMS for ever."""
    told_apart_wh: float = 0.0
    """What the CSMS was told, less what was delivered."""
    jumped_wh: float = 0.0

    def add(self, excuse: _Excuse) -> None:
        """One more transaction."""
        self.jumped_wh += excuse.jumped_wh
        if excuse.start_lost:
            self.starts_lost += 1
            self.stops_lost += 1  # without an id it has nothing to be stopped by
        elif excuse.stop_lost:
            self.stops_lost += 1
            self.left_open += 1
        elif excuse.misnamed:
            self.stops_misnamed += 1
            self.left_open += 1
        else:
            self.told_apart_wh += excuse.apart_wh
            return
        self.told_apart_wh -= excuse.energy_wh

    def copy(self) -> _Sums:
        """The same sums, to go on from."""
        return _Sums(
            self.starts_lost,
            self.stops_lost,
            self.stops_misnamed,
            self.left_open,
            self.told_apart_wh,
            self.jumped_wh,
        )
