"""The connectors of a fleet that a driver may come to: which of them is free, found quickly.

Whether a connector is free only its station knows. To ask all ten thousand for every arrival would
take longer than the arrival; so there is a list of those believed to be free, put right by whoever
asks, by drivers who leave, and by a look at all of them every `LOOK_EVERY_S`.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import trio

from simfleet.fleet.actor import Charger
from simfleet.fleet.orders import Mode
from simfleet.station.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.fleet.mass import Mass
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.fleet.supervisor import Supervisor
    from simfleet.station.chance import Chance

DRAWS_MAX: Final = 16
"""Connectors drawn before the next free one after the last of them is taken."""
LOOK_EVERY_S: Final = 10.0
LOOK_AGAIN_S: Final = 1.0
"""The same where none is left: somebody is about to be turned away."""


class Places:
    """The connectors of the first `mass.size` chargers of a fleet."""

    def __init__(self, plans: Sequence[ChargerPlan], mass: Mass, supervisor: Supervisor) -> None:
        self._plans = plans
        self._mass = mass
        self._supervisor = supervisor
        self._plan = array("L")
        """The plan of each connector, and its number there."""
        self._number = array("B")
        self._firsts = array("L")
        """The first connector of each plan; one more at the end."""
        for index, plan in enumerate(plans):
            self._firsts.append(len(self._plan))
            count = 0 if plan.spec.swaps_batteries else plan.spec.connectors
            self._plan.extend([index] * count)
            self._number.extend(range(1, count + 1))
        self._firsts.append(len(self._plan))
        self._first_of = dict(zip((plan.identity for plan in plans), self._firsts, strict=False))
        self._free = bytearray(b"\x01" * len(self._plan))
        self._looked_s = trio.current_time()

    def take(self, chance: Chance) -> tuple[Charger, int] | None:
        """A free connector, each as likely as the others, and no longer free; None: there is none.

        The same chance takes the same connector, as long as that is free.
        """
        count = self._firsts[self._mass.size]
        if not count:
            return None
        at_s = trio.current_time()
        if at_s - self._looked_s >= LOOK_EVERY_S:
            self._look(at_s)
        place = 0
        for _ in range(DRAWS_MAX):
            place = chance.integer(0, count - 1)
            if self._free[place] and (charger := self._take(place)) is not None:
                return charger, self._number[place]
        found = self._next(place, count)
        if found is None and at_s - self._looked_s >= LOOK_AGAIN_S:
            self._look(at_s)
            found = self._next(place, count)
        return found

    def freed(self, identity: str, connector_id: int) -> None:
        """Whoever was at this connector has gone."""
        self._free[self._first_of[identity] + connector_id - 1] = 1

    def _next(self, place: int, count: int) -> tuple[Charger, int] | None:
        """The next free connector after `place`, round the whole fleet."""
        for begin, end in ((place, count), (0, place)):
            found = self._free.find(1, begin, end)
            while found >= 0:
                if (charger := self._take(found)) is not None:
                    return charger, self._number[found]
                found = self._free.find(1, found + 1, end)
        return None

    def _take(self, place: int) -> Charger | None:
        """The charger of a connector that is believed to be free, if it is; free no longer."""
        self._free[place] = 0
        return self._charger(place)

    def _charger(self, place: int) -> Charger | None:
        charger = self._supervisor.chargers.get(self._plans[self._plan[place]].identity)
        if not isinstance(charger, Charger) or charger.wished is not Mode.CONNECT:
            return None
        station = charger.station
        if charger.leaving or not station.may_report or station.dark or station.withdrawn:
            return None
        connector = station.connectors[self._number[place] - 1]
        free = (
            connector.phase is Phase.AVAILABLE
            and not connector.plugged
            and connector.autopilot is None
            and connector.tag_pending is None
        )
        return charger if free else None

    def _look(self, at_s: float) -> None:
        """Find out who is free."""
        self._looked_s = at_s
        for place in range(self._firsts[self._mass.size]):
            self._free[place] = self._charger(place) is not None
