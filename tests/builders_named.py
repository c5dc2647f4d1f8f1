"""Named chargers on a memory network, their CSMS, and a store that outlives them.

    async with a_registry() as world:
        charger = await world.create("CP-1")
        await charger.set_mode("on")
        await charger.start(1.0)
        await world.until(lambda: charger.state().status == "Available")
        assert world.sent("CP-1", "StopTransaction")

`world.kill()` is a power loss of SimFleet itself: nothing is saved any more. Another `a_registry`
with the same `store`, `wire` and `csms` is SimFleet started again.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from builders_fleet import EPOCH_S, HOUR_S, Seen, StampedNetwork, Tapped, Wire
from simfleet.clock import WallClock
from simfleet.csms.behaviour import GOOD, Behaviour
from simfleet.csms.server import Csms
from simfleet.errors import StoreFailed
from simfleet.fleet.registry import NamedCharger, NewCharger, Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from simfleet.fleet.charger_site import ChargerRecord
    from simfleet.link.link import ServerLink
    from simfleet.models.catalogue import Catalogue

ANNA: Final = 1
BERT: Final = 2
URL: Final = "ws://csms"


class MemoryStore:
    """What the registry needs of the store; every write takes a moment. `broken`: it takes none."""

    def __init__(self) -> None:
        self.rows: dict[str, ChargerRecord] = {}
        self.user_settings: dict[int, dict[str, str]] = defaultdict(dict)
        self.broken = False
        self.kept_writes: list[list[str]] = []
        self.dead = False
        """Its process was killed: writes that are still under way are lost."""

    async def _write(self) -> None:
        await trio.sleep(0.001)
        if self.broken:
            raise StoreFailed("no room", full=True)

    async def chargers(self) -> Sequence[ChargerRecord]:
        await trio.lowlevel.checkpoint()
        return list(self.rows.values())

    async def save_charger(self, charger: Any, /) -> None:
        await self._write()
        self.rows[charger.chargepoint_id] = charger

    async def save_kept(self, kept: Sequence[tuple[str, bytes]], /) -> None:
        await self._write()
        self.kept_writes.append([identity for identity, _ in kept])
        if not self.dead:
            for identity, data in kept:
                if identity in self.rows:
                    self.rows[identity] = msgspec.structs.replace(self.rows[identity], kept=data)

    async def rename_charger(self, old: str, new: str, /) -> None:
        await self._write()
        row = self.rows.pop(old)
        self.rows[new] = msgspec.structs.replace(row, chargepoint_id=new)

    async def delete_charger(self, chargepoint_id: str, /) -> None:
        await self._write()
        del self.rows[chargepoint_id]

    async def settings_of(self, user_id: int, /) -> Mapping[str, str]:
        await trio.lowlevel.checkpoint()
        return dict(self.user_settings[user_id])

    async def save_settings(self, user_id: int, settings: Mapping[str, str], /) -> None:
        await self._write()
        self.user_settings[user_id].update(settings)


class Sites:
    """What outlives SimFleet: the store, the network, and the CSMS with its books."""

    def __init__(self, behaviour: Behaviour = GOOD) -> None:
        self.store = MemoryStore()
        self.wire = Wire()
        self.network = StampedNetwork(self.wire)
        self.clock = WallClock(trio.current_time(), wall_s=EPOCH_S)
        self.csms = Csms(behaviour=behaviour, wall_s=EPOCH_S)
        self.paths: dict[str, list[str]] = defaultdict(list)
        """By identity: what each of its connections asked for."""
        self._connections = 0
        self._serving: trio.CancelScope | None = None

    async def handle(self, link: ServerLink) -> None:
        self._connections += 1
        self.paths[link.identity].append(link.path)
        self.wire.opened.append((trio.current_time(), link.identity))
        tapped: Any = Tapped(link, self.wire, self._connections)
        try:
            await self.csms.handle(tapped)
        finally:
            self.wire.closed.append((trio.current_time(), link.identity))

    async def serve(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Listen until `down`."""
        with trio.CancelScope() as self._serving:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.network.serve, self.handle)
                task_status.started()

    def down(self) -> None:
        """The CSMS is killed."""
        assert self._serving is not None
        self._serving.cancel()

    def assert_balanced(self) -> None:
        """Every transaction was stopped, once, and nobody broke a rule."""
        books = self.csms.ledger()
        assert books["starts"] == books["stops"], books
        for name in (
            "transactions_open",
            "stop_unknown",
            "stopped_twice",
            "register_decreases",
            "violations",
            "overlapping_calls",
            "duplicate_starts",
        ):
            assert books[name] == 0, (name, books)
        assert self.wire.overlaps == []
        ids = [(call.identity, call.id) for call in self.wire.calls]
        assert len(ids) == len(set(ids)), "a message id was used twice"


class World:
    """A running registry among its sites."""

    def __init__(self, sites: Sites, registry: Registry, nursery: trio.Nursery) -> None:
        self.sites = sites
        self.registry = registry
        self.store = sites.store
        self.csms = sites.csms
        self.nursery = nursery
        self.rows: list[dict[str, Any]] = []
        """What the journal was given."""

    async def create(
        self, identity: str = "CP-1", *, user_id: int = ANNA, mode: str = "off", **new: Any
    ) -> NamedCharger:
        values = {"charger_type": "AC", "max_power_kw": 22.0, **new}
        charger = await self.registry.create(user_id, NewCharger(chargepoint_id=identity, **values))
        if mode != "off":
            await charger.set_mode(mode)
        return charger

    def sent(self, identity: str, *actions: str) -> list[Seen]:
        """The CALLs of a charger that reached the CSMS."""
        return self.sites.wire.of(identity, *actions)

    def statuses(self, identity: str, connector_id: int = 1) -> list[str]:
        """What the CSMS was told of a connector, in order."""
        return [
            call.payload["status"]
            for call in self.sent(identity, "StatusNotification")
            if call.payload["connectorId"] == connector_id
        ]

    async def until(self, holds: Callable[[], bool], *, within_s: float = HOUR_S) -> None:
        with trio.fail_after(within_s):
            while not holds():  # noqa: ASYNC110
                await trio.sleep(0.25)

    def kill(self) -> None:
        """SimFleet is gone, from one moment to the next."""
        self.store.dead = True
        self.nursery.cancel_scope.cancel()


@asynccontextmanager
async def a_registry(
    sites: Sites | None = None,
    *,
    behaviour: Behaviour = GOOD,
    up: bool = True,
    seed: int = 7,
    around: Callable[[Any], Any] = lambda dial: dial,
    models: Catalogue | None = None,
) -> AsyncIterator[World]:
    """A registry that runs, and (`up`) a CSMS that listens; `around` wraps the way to it."""
    sites = sites or Sites(behaviour)
    if isinstance(sites.store, MemoryStore):
        sites.store.dead = False
    rows: list[dict[str, Any]] = []
    async with trio.open_nursery() as outer:
        if up:
            await outer.start(sites.serve)
        registry = Registry(
            sites.store,
            clock=sites.clock,
            dial=around(sites.network.dial),
            default_url=URL,
            journal=lambda **row: rows.append(row),
            seed=seed,
            models=models,
        )
        async with trio.open_nursery() as nursery:
            world = World(sites, registry, nursery)
            world.rows = rows
            await nursery.start(registry.run)
            yield world
            nursery.cancel_scope.cancel()
        outer.cancel_scope.cancel()
    crashes = registry.recorder.counters.crashes
    assert crashes.total == 0, crashes.kept


def payload_of(row: dict[str, Any]) -> Any:
    """The payload in a journal row's frame (a CALL)."""
    return json.loads(row["frame"])[3]
