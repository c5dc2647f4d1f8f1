"""One order to many stations, until each has done what it asks for, or had the time to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from simfleet.csms.convergence import AGREED, Watch, unwatch, watch
from simfleet.ocpp.results import LINK_LOST, TIMED_OUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.csms.book import Book
    from simfleet.csms.convergence import Effect
    from simfleet.csms.records import StationRecord
    from simfleet.ocpp.results import Outcome


class Watching:
    """See the module. `began_s` is when the order was due: all times count from there.

    `watched` stations are either among `took_us`, or in `missed` once the time is over, or nobody
    has looked at them to the end: `settle`, and `WATCHES_MAX`.
    """

    def __init__(self, effect: Effect, book: Book, *, began_s: float, wall_offset_s: float) -> None:
        self._effect = effect
        self._book = book
        self._began_s = began_s
        self._wall_offset_s = wall_offset_s
        self._open: dict[str, tuple[StationRecord, Watch]] = {}
        self._done = trio.Event()
        self._all_sent = False
        self._settled = False
        self.watched = 0
        self.took_us: list[int] = []
        self.missed: list[str] = []
        """Identities."""

    def sent(self, record: StationRecord, payload: Mapping[str, Any], *, at_s: float) -> None:
        """The CALL is on its way to a station."""
        one = Watch(
            self._effect,
            payload,
            sent_s=at_s,
            wall_offset_s=self._wall_offset_s,
            end=partial(self._end, record.identity),
        )
        if not one.can_be_seen(record, self._book):
            return
        self.watched += 1
        self._open[record.identity] = (record, one)
        given_up = watch(record, one)
        if given_up is not None:
            given_up.give_up()

    def answered(self, identity: str, outcome: Outcome, status: str | None) -> None:
        """A station has said whether it will, or nothing."""
        found = self._open.get(identity)
        if found is None:
            return
        record, one = found
        if outcome.failure is None and (status is None or status in AGREED):
            if one.agreed(record, at_s=outcome.done_s):
                unwatch(record, one)
        elif outcome.sent_s is not None and not self._effect.asked and self._refused(outcome):
            unwatch(record, one)
            self.watched -= 1
            self._forget(identity)

    @staticmethod
    def _refused(outcome: Outcome) -> bool:
        """Whether the station has answered at all, when it did not agree."""
        return outcome.failure not in (LINK_LOST, TIMED_OUT)

    def _end(self, identity: str, at_s: float | None) -> None:
        if identity in self._open and at_s is not None:
            self.took_us.append(max(0, round((at_s - self._began_s) * 1e6)))
        self._forget(identity)

    def _forget(self, identity: str) -> None:
        self._open.pop(identity, None)
        if self._all_sent and not self._open:
            self._done.set()

    async def over(self) -> None:
        """Wait for the last station, or until the time is over, or `settle`."""
        self._all_sent = True
        with trio.move_on_at(self._began_s + self._effect.within_s):
            if self._open and not self._settled:
                await self._done.wait()
        for identity, (record, one) in list(self._open.items()):
            unwatch(record, one)
            if not self._settled:
                self.missed.append(identity)
        self._open.clear()

    def settle(self) -> None:
        """Wait no longer."""
        self._settled = True
        self._done.set()
