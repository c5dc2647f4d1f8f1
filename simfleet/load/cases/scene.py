"""One charger while it has a case: what is done to it and what is asked of it, at once.

Nothing of a station runs between two checkpoints, so it may be told and asked directly; its task is
then woken to write and report what came of it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.csms.placeholders import Filling, Unfilled, fill
from simfleet.errors import Refused
from simfleet.fleet.actor import Charger
from simfleet.fleet.orders import Away, Mode
from simfleet.station.connector import NO_ERROR
from simfleet.station.events import FaultCleared, FaultRemoved, PowerRestored, Retired
from simfleet.station.phase import Phase
from simfleet.station.registration import Registration
from simfleet.station.tokens import typed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simfleet.load.stages.engine import Engine
    from simfleet.station.connector import Connector
    from simfleet.station.events import Event
    from simfleet.station.station import Station

FOREVER_S: Final = 10 * 365 * 86_400.0
LINK_S: Final = 5.0
"""How long the end of a link may take."""
POLL_S: Final = 0.02
_QUIET: Final = (Phase.AVAILABLE, Phase.UNAVAILABLE, Phase.RESERVED)


class StepFailed(Exception):
    """A step did not come out as it should; the message says what, and what instead."""


class Scene:
    """See the module. `number` counts what `$n` stands for."""

    def __init__(self, engine: Engine, identity: str) -> None:
        self.engine = engine
        self.identity = identity
        self.id_tag: str | None = None
        """The tag last presented."""
        self.away = self.unpowered = False
        """The case has cut its network, or its power, and not given it back."""
        self._numbers = 0

    # ── the charger ─────────────────────────────────────────────────────────────────────────────

    @property
    def charger(self) -> Charger:
        """The charger. Raises `StepFailed` when it is not there."""
        found = self.engine.supervisor.chargers.get(self.identity)
        if not isinstance(found, Charger):
            raise StepFailed(
                "the charger is not there; a ramp before this stage has to bring it in"
                if found is None
                else "the charger has crashed, which is a bug in SimFleet; see errors.jsonl"
            )
        if found.leaving:
            raise StepFailed("the charger was told to leave meanwhile")
        return found

    @property
    def station(self) -> Station:
        """Its station. Raises as `charger`."""
        return self.charger.station

    def connector(self, number: int) -> Connector:
        """A connector, its meter up to date. Raises `StepFailed` when there is none."""
        station = self.station
        try:
            connector = station.connector(number)
        except Refused as refused:
            raise StepFailed(str(refused)) from None
        if not station.dark:
            connector.meter_to(trio.current_time())
        return connector

    def tell(self, event: Event) -> None:
        """Let something happen to the charger. Raises `StepFailed` when it cannot."""
        charger = self.charger
        try:
            charger.station.tell(event, at_s=trio.current_time())
        except Refused as refused:
            raise StepFailed(f"the charger refuses: {refused}") from None
        finally:
            self.nudge(charger)

    @staticmethod
    def nudge(charger: Charger) -> None:
        """Have the charger's task look at its station again."""
        charger.post(charger.wished)

    async def cut_link(self, for_s: float | None) -> None:
        """Take the network away, for so long or until `restore_link`."""
        charger = self.charger
        if charger.station.dark:
            raise StepFailed("the charger is down, so it has no connection to cut")
        if not charger.post(Away(FOREVER_S if for_s is None else for_s)):
            raise StepFailed("the charger takes no more orders; its mailbox is full")
        self.away = True
        with trio.move_on_after(LINK_S):
            while charger.station.online:  # noqa: ASYNC110  it ends in its own task, soon
                await trio.sleep(POLL_S)

    def restore_link(self) -> None:
        """Give the network back."""
        charger = self.charger
        if not self.away:
            raise StepFailed("the network is not cut; `disconnect` does that")
        self.away = False
        if not charger.station.online:
            charger.post(Away(0.0))

    # ── before and after ────────────────────────────────────────────────────────────────────────

    def unready(self) -> str | None:
        """Why a case cannot begin yet; None when it can."""
        charger = self.charger
        station = charger.station
        if charger.wished is not Mode.CONNECT:
            charger.post(Mode.CONNECT)
            return "it goes on with what it did before"
        if not station.online:
            return "it has no connection"
        if station.registration is not Registration.ACCEPTED:
            return "its BootNotification was not accepted"
        if not station.drained:
            return "it still has messages for the CSMS"
        for connector in station.connectors:
            if connector.phase not in _QUIET or connector.plugged:
                return f"connector {connector.id} is {connector.phase}"
        return None

    def tidy_up(self) -> None:
        """Leave the charger as the next case wants it: well, powered, connected, nothing plugged
        in; and as the fleet is meant to be.
        """
        found = self.engine.supervisor.chargers.get(self.identity)
        if not isinstance(found, Charger) or found.leaving:
            return
        if self.away and not found.station.online:
            found.post(Away(0.0))
        for event in self._amends(found.station):
            try:
                found.station.tell(event, at_s=trio.current_time())
            except Refused:
                continue  # there was nothing to make good
        found.post(self.engine.mass.wish.mode)

    def _amends(self, station: Station) -> Iterator[Event]:
        yield FaultRemoved()
        if self.unpowered:
            yield PowerRestored()
        if station.dark:
            return
        if station.error_code != NO_ERROR:
            yield FaultCleared(0)
        for connector in station.connectors:
            if connector.phase is Phase.FAULTED:
                yield FaultCleared(connector.id)
        yield Retired()

    # ── placeholders ────────────────────────────────────────────────────────────────────────────

    def fill(self, value: Any, *, connector_id: int = 1) -> Any:
        """A value with its placeholders filled. Raises `StepFailed` for one that has no value."""
        if "$" not in str(value):
            return value
        try:
            return fill(value, self._filling(connector_id))
        except Unfilled as missing:
            raise StepFailed(f"${missing.args[0]} has no value now") from None

    def _filling(self, connector_id: int) -> Filling:
        station = self.station
        connector = station.connector(min(connector_id, len(station.connectors)))
        transaction, visit = connector.transaction, connector.visit
        id_tag = self.id_tag or station.id_tag
        transaction_id: int | str | None = None
        if visit is not None:
            transaction_id = visit.id
        elif transaction is not None:
            transaction_id, id_tag = transaction.id, transaction.id_tag
        kind, text = typed(id_tag)
        self._numbers += 1
        return Filling(
            now=datetime.fromtimestamp(self.engine.clock.wall_s(trio.current_time()), UTC),
            identity=self.identity,
            n=self._numbers,
            transaction_id=transaction_id,
            evse_id=connector.id,
            id_tag=text,
            id_token={"idToken": text, "type": kind},
        )
