"""A charger that people have their hands on: told things at once, its network cable pulled.

The chargers of a mass fleet get mail and are never asked back. Here a caller wants to know whether
the station took an event, so it is told directly: nothing of a station runs between two
checkpoints, and the task is then woken to write and report what came of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from simfleet.errors import Refused
from simfleet.fleet.actor import Charger
from simfleet.fleet.turns import NEVER_S

if TYPE_CHECKING:
    from simfleet.fleet.orders import Mode, Surroundings
    from simfleet.station.events import Event
    from simfleet.station.station import Station

CONNECT_AT_ONCE_S: Final = -NEVER_S


class HandledCharger(Charger):
    """See the module. The station is the task's; all methods here return at once."""

    __slots__ = ("_connecting", "_cut")

    def __init__(self, station: Station, surroundings: Surroundings, *, mode: Mode) -> None:
        super().__init__(station, surroundings, mode=mode)
        self._cut = False
        """The network cable is out: dark as to the link, while the station lives on."""
        self._connecting: trio.CancelScope | None = None

    def tell(self, event: Event) -> None:
        """Let an event happen at once. Raises `Refused`, and nothing has changed."""
        self.station.tell(event, at_s=trio.current_time())
        self.nudge()

    def nudge(self) -> None:
        """Have the task look at its station again, in which somebody else has changed something."""
        if self._mail is None:
            self._mail = []
        if self._waiting is not None:
            self._waiting.cancel()

    def settle(self) -> None:
        """Have the station find out what is due now, after it was changed from outside."""
        self.station.tick(at_s=trio.current_time())
        self.nudge()

    def give_up_connecting(self) -> None:
        """End a handshake that is under way, however long the CSMS would let it last."""
        if self._connecting is not None and not self.station.online:
            self._connecting.cancel()

    def cut_link(self) -> None:
        """Pull the network cable: no farewell, and no new link until `restore_link`. Raises
        `Refused` when it is out already.
        """
        if self._cut:
            raise Refused(f"the link of {self.station.identity} is down already")
        self._cut = self._powerless = True
        if self._dark_until_s is None:
            self._dark_until_s = NEVER_S
        self.give_up_connecting()
        self.nudge()

    def restore_link(self) -> None:
        """Put the cable in again: the charger connects at once. Raises `Refused` when it is in."""
        if not self._cut:
            raise Refused(f"the link of {self.station.identity} is not down")
        self._cut = False
        self._failures, self._retry_at_s = 0, CONNECT_AT_ONCE_S
        if not self.station.dark:  # else it connects when it has booted
            self._dark_until_s = trio.current_time()
        self.nudge()

    def _light_up(self, at_s: float) -> None:
        super()._light_up(at_s)
        if self._cut:
            self._dark_until_s, self._powerless = NEVER_S, True

    async def _connect(self) -> None:
        """As every charger, but so that somebody else can end it."""
        with trio.CancelScope() as self._connecting:
            await super()._connect()
        self._connecting = None
