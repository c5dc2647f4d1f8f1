"""The load side of a service for its tests: a mass fleet in memory, runs over a real store."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from simfleet.clock import WallClock
from simfleet.csms.server import Csms
from simfleet.fleet.orders import Mode
from simfleet.link.memory import MemoryNetwork
from simfleet.link.opening import open_link
from simfleet.load.generator import Generator
from simfleet.load.mass_service import MassService
from simfleet.load.run_service import RunService
from simfleet.observe.hub import Hub
from simfleet.ocpp.versions import VERSIONS
from simfleet.store.store import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from simfleet.link.link import Dialer, Link
    from simfleet.load.mass_figures import MassStats
    from simfleet.load.run_views import RunDetail
    from simfleet.store.store import Store

URL = "ws://csms"
EPOCH_S = 1_772_366_400.0
TINY = """\
schema: 1
name: tiny
target: {url: "%s"}
fleet:
  - {name: ac, count: 3, id: "T-{n:02}", configuration: {MeterValueSampleInterval: 1}}
behaviour: {think_time: 100ms..300ms, energy_kwh: 5..9, pause: 200ms..400ms}
stages: [{do: ramp, to: 3, over: 300ms}, {do: hold, for: %s}, {do: stop, over: 300ms}]
"""


class Caller(msgspec.Struct, frozen=True):
    """A user, as far as the load side knows one."""

    id: int
    name: str


ANN, BOB = Caller(1, "ann"), Caller(2, "bob")


class Wishes(msgspec.Struct):
    """A user's settings."""

    ocpp_backend_url: str = URL
    rfid_card_id: str = "AABBCCDD"
    heartbeat_interval: int = 300
    mass_batch_size: int = 2500


class MassLab:
    """A mass service, and the CSMS of its chargers, which can be killed."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._serving: trio.CancelScope | None = None
        self.network = MemoryNetwork(subprotocols=VERSIONS)
        self.other = MemoryNetwork(subprotocols=VERSIONS)
        self.csms = Csms(wall_s=EPOCH_S)
        self.clock = WallClock(trio.current_time(), wall_s=EPOCH_S)
        self.hub = Hub(self.clock)
        self.generator = Generator()
        self.settings: dict[int, Wishes] = {}
        self.mass = MassService(
            generator=self.generator,
            hub=self.hub,
            clock=self.clock,
            settings_of=self._settings_of,
            dial=self._dial,
        )

    def _dial(self, url: str, **how: Any) -> AbstractAsyncContextManager[Link]:
        network = self.network if url == URL else self.other
        return network.dial(url, **how)

    async def _settings_of(self, user_id: int) -> Wishes:
        await trio.lowlevel.checkpoint()
        return self.settings.setdefault(user_id, Wishes())

    @property
    def connected(self) -> list[str]:
        """Who is connected, as the CSMS sees it."""
        return sorted(self.csms._connections)

    async def another_csms(self) -> Csms:
        """The one at every other URL."""
        csms = Csms(wall_s=EPOCH_S)
        await self._nursery.start(self.other.serve, csms.handle)
        return csms

    async def csms_up(self) -> None:
        self._serving = await self._nursery.start(self._serve)

    def csms_down(self) -> None:
        """Killed: links break without a word, connecting is refused."""
        assert self._serving is not None
        self._serving.cancel()

    async def _serve(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.network.serve, self.csms.handle)
                task_status.started(scope)

    async def until(
        self, holds: Callable[[MassStats], bool], *, of: Caller = ANN, within_s: float = 120.0
    ) -> MassStats:
        """Let time pass until the figures are so."""
        with trio.move_on_after(within_s):
            while not holds(self.mass.stats(of)):  # noqa: ASYNC110
                await trio.sleep(0.1)
            return self.mass.stats(of)
        raise AssertionError(f"not within {within_s} s: {self.mass.stats(of)}")

    async def settle(self, target: int, mode: Mode = Mode.CONNECT) -> MassStats:
        """Apply, and wait until so many are connected."""
        await self.mass.apply(ANN, target, mode)
        return await self.until(lambda stats: stats.connected == stats.chargers == target)


@asynccontextmanager
async def a_mass_lab() -> AsyncIterator[MassLab]:
    """A mass service without a fleet, its CSMS up."""
    async with trio.open_nursery() as nursery:
        lab = MassLab(nursery)
        await lab.csms_up()
        await nursery.start(lab.mass.run)
        yield lab
        nursery.cancel_scope.cancel()


class RunLab:
    """Runs over a real store and a real folder."""

    def __init__(self, store: Store, folder: Path, *, generator: Generator, dial: Dialer) -> None:
        self.store = store
        self.folder = folder
        self.generator = generator
        self.clock = WallClock(trio.current_time())
        self.runs = RunService(
            store=store, generator=generator, clock=self.clock, folder=folder / "runs", dial=dial
        )
        self.ann: Any = None
        self.bob: Any = None

    async def finished(self, run_id: str, *, within_s: float = 60.0) -> RunDetail:
        """Wait for the end of a run of ann's."""
        with trio.fail_after(within_s):
            run = await self.runs.at(self.ann, run_id, float("inf"))
        assert run.status == "finished"
        return await self.runs.find(self.ann, run_id)


@asynccontextmanager
async def a_run_lab(
    folder: Path, *, generator: Generator | None = None, dial: Dialer | None = None
) -> AsyncIterator[RunLab]:
    """A run service without runs, or with those that an earlier one left in `folder`."""
    async with open_store(folder / "simfleet.db") as store, trio.open_nursery() as nursery:
        lab = RunLab(store, folder, generator=generator or Generator(), dial=dial or open_link)
        known = {user.name: user for user in await store.users()}
        lab.ann = known.get("ann") or await store.create_user("ann")
        lab.bob = known.get("bob") or await store.create_user("bob")
        await nursery.start(lab.runs.run)
        yield lab
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def a_csms(*, port: int = 0) -> AsyncIterator[str]:
    """A CSMS on a socket; its URL."""
    async with trio.open_nursery() as nursery:
        csms = Csms()
        await nursery.start(partial(csms.listen, host="127.0.0.1", port=port))
        yield f"ws://127.0.0.1:{csms.port}"
        nursery.cancel_scope.cancel()


def a_tiny_scenario(url: str, *, hold: str = "1s") -> bytes:
    """Three chargers on sockets, for a second and a half."""
    return (TINY % (url, hold)).encode()
