"""Who moves the cable and the tag: the driver of a connector.

`idle` and `manual` chargers have none: nothing happens unless it is told from outside. An
`Autopilot` plays one driver after the other: plug, tag, charge, stop, unplug, pause, with times and
energies drawn from the charger's own chance, so the same seed gives the same sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.errors import Refused
from simfleet.station import authorization, charging
from simfleet.station.phase import ENERGIZED, Phase

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station

NEVER_S: Final = float("inf")
FIRST_SESSION_MAX_S: Final = 20.0
"""A charger put on autopilot begins its first session within this time of being registered."""


class Autopilot:
    """The driver at one connector. `due_s` is the next movement of a hand; `leaving` means it is
    time to go.
    """

    __slots__ = ("due_s", "leaving")

    def __init__(self) -> None:
        self.due_s = NEVER_S
        self.leaving = False

    def arrive(self, station: Station, *, at_s: float) -> None:
        """The charger is ready for its first driver."""
        wait_s = min(station.spec.habits.think_time_s.draw(station.chance), FIRST_SESSION_MAX_S)
        self.due_s = at_s + wait_s

    def moved(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The connector's phase has changed: decide when to do the next thing."""
        habits, chance = station.spec.habits, station.chance
        match connector.phase:
            case Phase.CHARGING | Phase.SUSPENDED_EVSE if not self.leaving:
                self.due_s = NEVER_S
                if connector.target_wh is None and connector.phase is Phase.CHARGING:
                    charging.want_energy(
                        station, connector, habits.energy_wh.draw(chance), at_s=at_s
                    )
                if connector.withheld:
                    self.satisfied(station, at_s=at_s)
            case Phase.AVAILABLE | Phase.UNAVAILABLE | Phase.FAULTED if not connector.plugged:
                self.leaving = False
                self.due_s = at_s + habits.think_time_s.draw(chance)
            case _:
                self.due_s = at_s + habits.step_s.draw(chance)

    def denied(self, station: Station, *, at_s: float) -> None:
        """The tag was refused: leave."""
        self.satisfied(station, at_s=at_s)

    def satisfied(self, station: Station, *, at_s: float) -> None:
        """The driver has what was wanted, or will not get it: go soon."""
        self.leaving = True
        self.due_s = at_s + station.spec.habits.step_s.draw(station.chance)

    def act(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """Do what is next. What the connector refuses is tried again a step later."""
        # Always leave a next time behind, so that a driver never falls asleep at the charger.
        self.due_s = at_s + station.spec.habits.think_time_s.draw(station.chance)
        try:
            self._act(station, connector, at_s=at_s)
        except Refused:
            self.due_s = at_s + station.spec.habits.think_time_s.draw(station.chance)

    def _act(self, station: Station, connector: Connector, *, at_s: float) -> None:
        phase = connector.phase
        if phase in ENERGIZED:
            # SuspendedEV (full) as well as satisfied
            if not self.leaving and phase is not Phase.SUSPENDED_EV:
                self.due_s = NEVER_S
                return
            charging.stop_by_driver(station, connector, at_s=at_s, leave=False)
        elif connector.plugged and (self.leaving or phase is not Phase.PREPARING):
            charging.unplug(station, connector, at_s=at_s)
            self.leaving = False
        elif connector.plugged and connector.tag_pending is None:
            authorization.present_token(station, connector, station.id_tag, at_s=at_s)
        elif phase in (Phase.AVAILABLE, Phase.PREPARING, Phase.RESERVED) and not connector.plugged:
            charging.plug_in(station, connector, at_s=at_s)
