"""What is excused of one transaction, and what nobody on this side can know of it.

A CALL that was not answered in time, or whose connection ended first, may or may not have reached
the CSMS. What follows for the CSMS's books is a range: this module finds it for one transaction and
adds up those of many. docs/decisions/unknown-deliveries.md explains the rules. Pure.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

_OUT: Final = (0, 0)
_MAYBE: Final = (0, 1)
_IN: Final = (1, 1)


class Excuse(Struct, gc=False):
    """What is excused of one transaction, how often its start and its stop were sent with a fate
    that is unknown, and the energy that it delivered.
    """

    start_lost: bool = False
    stop_lost: bool = False
    misnamed: bool = False
    apart_wh: float = 0.0
    jumped_wh: float = 0.0
    energy_wh: float = 0.0
    start_unknown: int = 0
    stop_unknown: int = 0
    start_answered: bool = False
    stop_answered: bool = False
    by_event: bool = False
    """Told by TransactionEvents (2.x), which a CSMS recognises by their ids for ever."""

    @property
    def start_sure(self) -> bool:
        """Whether it is known what became of the start."""
        return self.start_answered or not self.start_unknown

    @property
    def stop_sure(self) -> bool:
        """Whether it is known what became of the stop."""
        return self.stop_answered or not self.stop_unknown

    def start_heard(self) -> tuple[int, int]:
        """How often at least and at most the CSMS took the start in, repetitions aside."""
        if not self.start_sure:
            return _MAYBE
        return _OUT if self.start_lost and not self.start_answered else _IN

    def stop_heard(self) -> tuple[int, int]:
        """How often at least and at most the CSMS took the stop in, as that of a transaction."""
        if self.misnamed:
            return _OUT
        if not self.stop_sure:
            return _MAYBE
        if self.stop_answered:
            return _IN
        # without an answer to its start, a transaction of 1.6 has nothing to be stopped by
        nameless = not self.by_event and (self.start_heard() != _IN)
        return _OUT if self.stop_lost or nameless else _IN

    @property
    def stop_excused(self) -> bool:
        """The stop will never be answered, and faults on purpose are to blame."""
        if self.stop_answered:
            return False
        nameless = self.start_lost and not self.start_answered and not self.by_event
        return self.stop_lost or nameless


class Sums(Struct):
    """Those of many transactions together: first what is certain, then how far the CSMS's books
    may be from there.
    """

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
    starts_unanswered: int = 0
    """Excused, and yet the CSMS may have taken them in."""
    stops_unanswered: int = 0
    unknown_starts: int = 0
    """Starts that were sent, and of which nobody can say whether they arrived."""
    unknown_stops: int = 0
    starts_fewer: int = 0
    starts_more: int = 0
    stops_fewer: int = 0
    open_more: int = 0
    told_less_wh: float = 0.0
    told_more_wh: float = 0.0
    stray_stops: int = 0

    def add(self, one: Excuse) -> None:
        """One more transaction."""
        self.jumped_wh += one.jumped_wh
        self.unknown_starts += not one.start_sure
        self.unknown_stops += not one.stop_sure
        start, stop = one.start_heard(), one.stop_heard()
        # a start of 1.6 that comes again after its stop is taken for another transaction
        again = 0 if one.by_event else one.start_unknown
        again -= again > 0 and not one.start_answered
        self.starts_more += again
        self._add_start(one, start)
        self._add_stop(one, start, stop)
        least = start[0] * (1 - stop[1])
        most = start[1] * (1 - stop[0])
        if not one.start_sure and one.by_event:
            most = 1  # it may come after its stop, over a connection that is half gone
        self.left_open += least
        self.open_more += most - least + again
        if start != _IN:
            self.stray_stops += one.stop_unknown + one.stop_answered

    def _add_start(self, one: Excuse, heard: tuple[int, int]) -> None:
        excused = one.start_lost and not one.start_answered
        if heard == _OUT:
            self.starts_lost += 1
        elif heard == _MAYBE:
            self.starts_fewer += 1
            self.starts_unanswered += excused

    def _add_stop(self, one: Excuse, start: tuple[int, int], stop: tuple[int, int]) -> None:
        counted = (start[0] * stop[0], start[1] * stop[1])
        if counted == _OUT and (one.misnamed or one.stop_answered):
            self.stops_misnamed += 1
        elif counted == _OUT and one.stop_excused:
            self.stops_lost += 1
        elif counted != _IN:
            self.stops_fewer += 1
            self.stops_unanswered += one.stop_excused
        told_wh = {0: -one.energy_wh, 1: one.apart_wh}
        ends_wh = sorted(told_wh[count] for count in counted)
        surely_wh = told_wh[counted[1]]
        self.told_apart_wh += surely_wh
        self.told_less_wh += surely_wh - ends_wh[0]
        self.told_more_wh += ends_wh[1] - surely_wh

    def copy(self) -> Sums:
        """The same sums, to go on from."""
        return Sums(*(getattr(self, name) for name in self.__struct_fields__))
