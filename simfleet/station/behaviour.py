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
from simfleet.station.timing import on_step

if TYPE_CHECKING:
    from simfleet.station.chance import Chance
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station

NEVER_S: Final = float("inf")
FIRST_TRANSACTION_MAX_S: Final = 20.0
"""On autopilot the first tag is presented within this time of the station's registration."""
AGAIN_MIN_S: Final = 1.0
"""What did not work out is not tried again sooner, however hasty the drivers are."""


class Gate:
    """Whether new drivers come to the chargers that share it. Who has plugged in goes on."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open = True


ALWAYS_OPEN: Final = Gate()
"""Of a station of which nobody has said otherwise; not to be changed."""


class Autopilot:
    """The driver at one connector. `due_s` is the next movement of a hand."""

    __slots__ = ("due_s", "first", "id_tag", "leaving", "lingered")

    def __init__(self) -> None:
        self.due_s = NEVER_S
        self.first = True
        """The first driver hurries, so that a fleet is charging soon after it is connected."""
        self.leaving = False
        self.lingered = False
        """The car that is here has been given its `dwell_s`."""
        self.id_tag: str | None = None
        """Of the driver who is here, where drivers draw their tags from a pool."""

    def arrive(self, station: Station, *, at_s: float) -> None:
        """The charger is ready for its first driver."""
        self.due_s = on_step(at_s + self._step_s(station))

    def _luck(self, station: Station) -> Chance:
        """Where what is random about the driver comes from."""
        return station.chance

    def _step_s(self, station: Station) -> float:
        step_s = station.spec.habits.think_time_s.draw(station.chance)
        return min(step_s, FIRST_TRANSACTION_MAX_S) / 2 if self.first else step_s

    def moved(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The connector's phase has changed: decide when to do the next thing."""
        habits, chance = station.spec.habits, station.chance
        match connector.phase:
            case Phase.CHARGING | Phase.SUSPENDED_EVSE if not self.leaving:
                self.first = False
                self.due_s = NEVER_S
                if connector.withheld:
                    self.satisfied(station, at_s=at_s)
                elif connector.target_wh is None and connector.phase is Phase.CHARGING:
                    energy_wh = habits.energy_wh.draw(chance)
                    charging.want_energy(station, connector, energy_wh, at_s=at_s)
            case Phase.AVAILABLE | Phase.UNAVAILABLE | Phase.FAULTED if not connector.plugged:
                self.leaving = self.lingered = False
                self.id_tag = None
                self.due_s = on_step(at_s + habits.pause_s.draw(chance))
            case Phase.FINISHING:
                self.due_s = on_step(at_s + self._dwell_s(station) + self._step_s(station))
            case Phase.SUSPENDED_EV if not self.leaving:
                self.due_s = on_step(at_s + self._dwell_s(station) + self._step_s(station))
            case _:
                self.due_s = on_step(at_s + self._step_s(station))

    def _dwell_s(self, station: Station) -> float:
        """How much longer than needed the car stays plugged in; drawn once for each car."""
        dwell_s = station.spec.habits.dwell_s
        if dwell_s is None or self.lingered:
            return 0.0
        self.lingered = True
        return dwell_s.draw(self._luck(station))

    def _tag(self, station: Station) -> str:
        """What this driver presents."""
        pool = station.spec.habits.id_tags
        if not pool:
            return station.id_tag
        if self.id_tag is None:
            self.id_tag = self._luck(station).choice(pool)
        return self.id_tag

    def denied(self, station: Station, *, at_s: float) -> None:
        """The tag was refused: leave. Not in no time, for where nobody is asked nothing else takes
        any.
        """
        self.satisfied(station, at_s=at_s)
        self.due_s = max(self.due_s, at_s + AGAIN_MIN_S)

    def satisfied(self, station: Station, *, at_s: float) -> None:
        """The driver has what was wanted, or will not get it: go soon."""
        self.leaving = True
        self.due_s = on_step(at_s + self._step_s(station))

    def dismissed(self, station: Station, connector: Connector) -> None:
        """Nobody is to come here any more, and who is here is sent away."""

    def act(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """Do what is next. What the connector refuses is tried again later."""
        # Always leave a next time behind, so that no driver falls asleep at the charger.
        again_s = at_s + max(AGAIN_MIN_S, station.spec.habits.pause_s.draw(station.chance))
        self.due_s = again_s
        try:
            self._act(station, connector, at_s=at_s)
        except Refused:
            self.due_s = again_s

    def _act(self, station: Station, connector: Connector, *, at_s: float) -> None:
        phase = connector.phase
        if phase in ENERGIZED:
            if not self.leaving and phase is not Phase.SUSPENDED_EV:
                self.due_s = NEVER_S
                return
            charging.stop_by_driver(station, connector, at_s=at_s, leave=False)
        elif connector.plugged and (self.leaving or phase is not Phase.PREPARING):
            charging.unplug(station, connector, at_s=at_s)
            self.leaving = False
        elif connector.plugged and connector.tag_pending is None:
            authorization.present_token(station, connector, self._tag(station), at_s=at_s)
        elif not connector.plugged and phase in (Phase.AVAILABLE, Phase.PREPARING):
            if not station.gate.open:
                return  # to be tried again after a pause of the driver's own
            charging.plug_in(station, connector, at_s=at_s)
        elif phase is Phase.RESERVED and self.leaving:
            self.leaving = False  # this driver's tag was refused; the next one comes after a pause
            self.id_tag = None
        elif connector.tag_pending is None and (phase is Phase.RESERVED or connector.held):
            held = connector.held
            id_tag = self._tag(station) if held is None else held.id_tag
            authorization.present_token(station, connector, id_tag, at_s=at_s)
