"""A driver who has come from outside, for one session: what an open load model sends to a charger.

Everything about the session (vehicle, energy, times) is drawn from the guest's own chance, so it is
the same whatever was before it at this connector. When the guest has gone, the connector has nobody
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.errors import Refused
from simfleet.station import charging
from simfleet.station.behaviour import AGAIN_MIN_S, NEVER_S, Autopilot
from simfleet.station.chance import Chance
from simfleet.station.effects import DriverMoved
from simfleet.station.phase import Phase

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.events import DriverArrives
    from simfleet.station.station import Station

TRIES_MAX: Final = 3
"""How often a guest presents the tag before giving up."""


def come(station: Station, event: DriverArrives, *, at_s: float) -> None:
    """Let a driver come to a connector. Where another one is faster, this one goes unserved."""
    connector = station.connector(event.connector_id)
    taken = connector.autopilot is not None or connector.phase is not Phase.AVAILABLE
    if taken or connector.plugged or station.dark:
        station.effects.append(DriverMoved(connector.id, "unserved"))
        return
    guest = Guest(station, event)
    connector.autopilot = guest
    guest.due_s = min(event.due_s, at_s)
    guest.act(station, connector, at_s=at_s)


class Guest(Autopilot):
    """See the module. What the generator is late with, the next step makes up for."""

    __slots__ = (
        "_behind_s",
        "_came",
        "_chance",
        "_charged",
        "_energy_wh",
        "_think_time_s",
        "_tries",
        "followed",
    )

    def __init__(self, station: Station, event: DriverArrives) -> None:
        super().__init__()
        self.first = False
        self.followed = False
        """Whether drivers come by themselves once this one has gone."""
        self._chance = Chance(event.seed)
        self._energy_wh = event.energy_wh
        self._think_time_s = event.think_time_s or station.spec.habits.think_time_s
        self._behind_s = 0.0
        """How late the hand moves that is moving now."""
        self._came = False
        self._charged = False
        self._tries = 0

    def moved(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """See `Autopilot`."""
        charging_now = connector.transaction is not None
        if charging_now and not self._charged:
            self._charged = True
            station.effects.append(DriverMoved(connector.id, "charging"))
        if self._came and not connector.plugged and not charging_now:
            self._go(station, connector, at_s=at_s)
            return
        if connector.phase in (Phase.CHARGING, Phase.SUSPENDED_EVSE) and not self.leaving:
            self.due_s = NEVER_S
            if connector.withheld or not connector.plugged:
                self.satisfied(station, at_s=at_s)
            elif connector.target_wh is None and connector.phase is Phase.CHARGING:
                charging.want_energy(station, connector, self._energy_wh, at_s=at_s)
            return
        super().moved(station, connector, at_s=at_s - self._behind_s)

    def act(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """See `Autopilot`. What is sent was due when the hand should have moved."""
        self._behind_s = station.behind_s = at_s - self.due_s
        self.due_s = at_s + AGAIN_MIN_S
        try:
            self._act(station, connector, at_s=at_s)
        except Refused:
            if not self._came:
                self._go(station, connector, at_s=at_s)
        finally:
            self._behind_s = station.behind_s = 0.0

    def dismissed(self, station: Station, connector: Connector) -> None:
        """See `Autopilot`."""
        station.effects.append(DriverMoved(connector.id, "gone" if self._charged else "unserved"))

    def _luck(self, station: Station) -> Chance:
        return self._chance

    def _step_s(self, station: Station) -> float:
        return self._think_time_s.draw(self._chance)

    def _act(self, station: Station, connector: Connector, *, at_s: float) -> None:
        if not self._came:
            vehicle = self._chance.choice(station.spec.vehicles)
            soc = station.spec.habits.soc.draw(self._chance)
            self._came = True
            try:
                charging.plug_in(station, connector, at_s=at_s, vehicle=vehicle, soc=soc)
            except Refused:
                self._came = False
                raise
            return
        if connector.phase is Phase.PREPARING and connector.tag_pending is None:
            self._tries += 1
            self.leaving = self.leaving or self._tries > TRIES_MAX
        super()._act(station, connector, at_s=at_s)

    def _go(self, station: Station, connector: Connector, *, at_s: float) -> None:
        self.dismissed(station, connector)
        connector.autopilot = None
        if self.followed:
            connector.autopilot = Autopilot()
            connector.autopilot.moved(station, connector, at_s=at_s)
