"""A fleet on a memory network under a simulated clock, and its CSMS with a witness on the wire.

    async with a_fleet(chargers=3) as fleet:
        fleet.mass.apply(3, Mode.CHARGING)
        await trio.sleep(3600)
        await fleet.stop()
        fleet.assert_balanced()

The CSMS is the embedded one, reached over memory links; a test may put a handler of its own in its
place. `Wire` sees every frame as the CSMS does, and knows nothing of the chargers' insides.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.clock import WallClock
from simfleet.csms.behaviour import GOOD, Behaviour
from simfleet.csms.server import Csms
from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.fleet.actor import Charger
from simfleet.fleet.mass import Mass
from simfleet.fleet.orders import Mode, Surroundings
from simfleet.fleet.plan import ChargerPlan
from simfleet.fleet.recorder import Recorder
from simfleet.fleet.supervisor import Supervisor
from simfleet.link.link import DEFAULT_OPTIONS, LinkOptions
from simfleet.link.memory import MemoryNetwork
from simfleet.observe.lag import ScheduleLag
from simfleet.ocpp.rpc import CALL_TIMEOUT_S
from simfleet.ocpp.versions import VERSIONS
from simfleet.station.chance import Span
from simfleet.station.configuration import for_station
from simfleet.station.meter import ElectricalSpec
from simfleet.station.spec import Habits, StationSpec
from simfleet.station.vehicle import vehicles_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from simfleet.link.link import Dialer, Link, ServerLink

EPOCH_S: Final = 1_772_366_400.0
"""What the clock of the CSMS shows when a test begins: 2026-03-01T12:00:00Z."""
URL: Final = "ws://csms"
QUICK: Final = Habits(
    think_time_s=Span(2.0, 6.0), pause_s=Span(10.0, 40.0), energy_wh=Span(500.0, 3000.0)
)
"""Drivers of whom several come within the hour."""
HOUR_S: Final = 3600.0


def a_plan(
    n: int = 0,
    *,
    seed: int = 42,
    connectors: int = 1,
    habits: Habits = QUICK,
    configuration: dict[str, str] | None = None,
    **spec: Any,
) -> ChargerPlan:
    """Charger number `n` (from 0) of a fleet."""
    settings = {"MeterValueSampleInterval": "60", **(configuration or {})}
    return ChargerPlan(
        identity=f"CP-{n:04}",
        index=n,
        seed=seed,
        slice_name="ac",
        spec=StationSpec(
            electrical=ElectricalSpec.of("AC", max_power_w=22_000),
            vehicles=vehicles_for("AC"),
            connectors=connectors,
            habits=habits,
            **spec,
        ),
        factory=for_station(connectors, settings, kind="AC").factory,
    )


def a_recorder(clock: WallClock | None = None) -> Recorder:
    """A recorder whose hub nobody needs."""
    return Recorder(clock or WallClock(0.0, wall_s=EPOCH_S), hub=None, schedule_lag=ScheduleLag())


# ── the CSMS's end of the wire ──────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Seen:
    """One CALL of a charger that reached the CSMS; `at_s` is when it was sent."""

    at_s: float
    identity: str
    connection: int
    id: str
    action: str
    payload: dict[str, Any]


@dataclass
class Wire:
    """All that passed, and the rule that at most one CALL of a charger is open."""

    calls: list[Seen] = field(default_factory=list)
    opened: list[tuple[float, str]] = field(default_factory=list)
    closed: list[tuple[float, str]] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)
    _open: dict[int, tuple[str, float]] = field(default_factory=dict)
    _sent_s: dict[bytes, float] = field(default_factory=dict)

    def left(self, frames: Sequence[bytes], *, at_s: float) -> None:
        """A charger has sent these: a frozen CSMS may see them much later, all at once."""
        for frame in frames:
            if frame.startswith(b"[2"):
                self._sent_s[frame] = at_s

    def arrived(self, frame: bytes, *, identity: str, connection: int, at_s: float) -> None:
        try:
            message = json.loads(frame)
        except ValueError:
            return  # broken on purpose
        if not isinstance(message, list) or message[0] != 2:
            return
        at_s = self._sent_s.pop(frame, at_s)
        still = self._open.get(connection)
        if still is not None and at_s - still[1] < CALL_TIMEOUT_S - 1e-6:
            self.overlaps.append(f"{identity}: {message[2]} while {still[0]} was open")
        self._open[connection] = (message[1], at_s)
        self.calls.append(Seen(at_s, identity, connection, message[1], message[2], message[3]))

    def answered(self, frames: Sequence[bytes], *, connection: int) -> None:
        still = self._open.get(connection)
        if still is None:
            return
        for frame in frames:
            message = json.loads(frame)
            if message[0] in (3, 4) and message[1] == still[0]:
                del self._open[connection]
                return

    def of(self, identity: str, *actions: str) -> list[Seen]:
        """The CALLs of one charger, of some actions or all."""
        return [
            call
            for call in self.calls
            if call.identity == identity and (not actions or call.action in actions)
        ]

    def count(self, action: str) -> int:
        """CALLs of an action, of all chargers."""
        return sum(call.action == action for call in self.calls)


class Tapped:
    """A server's link whose frames the wire sees."""

    def __init__(self, link: ServerLink, wire: Wire, number: int) -> None:
        self._link = link
        self._wire = wire
        self._number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    def _saw(self, frame: bytes | None) -> None:
        if frame is not None:
            at_s = trio.current_time()
            self._wire.arrived(
                frame, identity=self._link.identity, connection=self._number, at_s=at_s
            )

    async def receive(self) -> bytes:
        frame = await self._link.receive()
        self._saw(frame)
        return frame

    def take_ready(self) -> bytes | None:
        frame = self._link.take_ready()
        self._saw(frame)
        return frame

    async def send(self, frames: Sequence[bytes]) -> None:
        self._wire.answered(frames, connection=self._number)
        await self._link.send(frames)


class StampedLink:
    """A charger's link that notes when it sends what."""

    def __init__(self, link: Link, wire: Wire) -> None:
        self._link = link
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    async def send(self, frames: Sequence[bytes]) -> None:
        self._wire.left(frames, at_s=trio.current_time())
        await self._link.send(frames)

    def send_nowait(self, frames: Sequence[bytes]) -> bool:
        self._wire.left(frames, at_s=trio.current_time())
        return self._link.send_nowait(frames)


class StampedNetwork(MemoryNetwork):
    """A memory network whose chargers' ends are stamped."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(subprotocols=VERSIONS)
        self._wire = wire

    def _link_to(self, *wanted: Any) -> Any:
        ours, theirs = super()._link_to(*wanted)
        return StampedLink(ours, self._wire), theirs


# ── the fleet ───────────────────────────────────────────────────────────────────────────────────


class Fleet:
    """Everything of one test; made by `a_fleet`."""

    def __init__(
        self,
        plans: Sequence[ChargerPlan],
        nursery: trio.Nursery,
        *,
        behaviour: Behaviour,
        handler: Callable[[ServerLink], Awaitable[None]] | None,
        dial: Callable[[Dialer], Dialer] | None,
        options: LinkOptions,
        handshakes: int,
        batch_chargers: int,
        make: Callable[[ChargerPlan, Mode, Fleet], Charger] | None,
    ) -> None:
        self.plans = list(plans)
        self._nursery = nursery
        self.wire = Wire()
        self.network = StampedNetwork(self.wire)
        self.csms = Csms(behaviour=behaviour, wall_s=EPOCH_S)
        self._handler = handler or self.csms.handle
        self._serving: trio.CancelScope | None = None
        self._connections = 0
        self.clock = WallClock(trio.current_time(), wall_s=EPOCH_S)
        self.recorder = a_recorder(self.clock)
        self.ledger = self.recorder.ledger
        self.surroundings = Surroundings(
            self.network.dial if dial is None else dial(self.network.dial),
            URL,
            options,
            trio.Semaphore(handshakes),
            self.recorder,
        )
        self.supervisor = Supervisor(
            self.surroundings,
            self.clock,
            batch_chargers=batch_chargers,
            make=None if make is None else (lambda plan, mode: make(plan, mode, self)),
        )
        self.mass = Mass(self.plans, self.supervisor)

    # ── the CSMS ──

    async def csms_up(self) -> None:
        """The CSMS listens (again)."""
        if self._serving is None:
            self._serving = await self._nursery.start(self._serve)

    def csms_down(self) -> None:
        """The CSMS is killed: links break without a close frame, connecting is refused."""
        if self._serving is not None:
            self._serving.cancel()
            self._serving = None

    async def _serve(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.network.serve, self._handle)
                task_status.started(scope)

    async def _handle(self, link: ServerLink) -> None:
        self._connections += 1
        wire = self.wire
        wire.opened.append((trio.current_time(), link.identity))
        tapped: Any = Tapped(link, wire, self._connections)
        try:
            await self._handler(tapped)
        finally:
            wire.closed.append((trio.current_time(), link.identity))

    def cut(self, identity: str) -> None:
        """The connection of one charger breaks."""
        connection = self.csms._connections.get(identity)
        if connection is not None:
            connection.link.abort()

    # ── chargers ──

    def charger(self, n: int = 0) -> Charger:
        charger = self.supervisor.chargers[self.plans[n].identity]
        assert isinstance(charger, Charger)
        return charger

    async def settle(self, target: int, mode: Mode, *, for_s: float = 10.0) -> None:
        """Bring so many chargers into a mode and give them a moment."""
        self.mass.apply(target, mode)
        await self.mass.settled()
        await trio.sleep(for_s)

    async def until(self, holds: Callable[[], bool], *, within_s: float = HOUR_S) -> None:
        """Let time pass until something holds."""
        with trio.fail_after(within_s):
            while not holds():  # noqa: ASYNC110
                await trio.sleep(0.25)

    async def stop(self, *, within_s: float = 120.0) -> None:
        """Send all away and wait for the last."""
        self.mass.apply(0, self.mass.wish.mode)
        with trio.fail_after(within_s):
            await self.mass.settled()
            await self.supervisor.wait_empty()

    def assert_balanced(self) -> None:
        """Everything started was stopped and delivered, once, on both sides."""
        books, ledger = self.ledger.snapshot(), self.csms.ledger()
        assert books["faults"] == []
        opened = books["transactions_opened"]
        for name in ("transactions_closed", "starts_delivered", "stops_delivered"):
            assert books[name] == opened, (name, books)
        for name in ("transactions_open", "stopped_twice", "overlapping_calls"):
            assert books[name] == 0, (name, books)
        assert books["undelivered_messages"] == books["transactions_abandoned"] == 0
        assert abs(books["energy_wh"] - books["integral_wh"]) <= 1e-3 + 1e-6 * books["energy_wh"]
        assert ledger["starts"] == ledger["stops"] == opened, ledger
        for name in (
            "transactions_open",
            "stop_unknown",
            "register_decreases",
            "violations",
            "overlapping_calls",
            "duplicate_identities",
        ):
            assert ledger[name] == 0, (name, ledger)
        assert self.wire.overlaps == []
        assert self.recorder.counters.crashes.total == 0, self.recorder.counters.crashes.kept


@asynccontextmanager
async def a_fleet(
    *,
    chargers: int = 1,
    plans: Sequence[ChargerPlan] | None = None,
    up: bool = True,
    behaviour: Behaviour = GOOD,
    handler: Callable[[ServerLink], Awaitable[None]] | None = None,
    dial: Callable[[Dialer], Dialer] | None = None,
    options: LinkOptions = DEFAULT_OPTIONS,
    handshakes: int = 200,
    batch_chargers: int = 250,
    make: Callable[[ChargerPlan, Mode, Fleet], Charger] | None = None,
    **plan: Any,
) -> AsyncIterator[Fleet]:
    """A fleet of which no charger lives yet. `dial` wraps the network's dialer; `plan` goes to
    `a_plan`.
    """
    async with trio.open_nursery() as nursery:
        fleet = Fleet(
            [a_plan(n, **plan) for n in range(chargers)] if plans is None else plans,
            nursery,
            behaviour=behaviour,
            handler=handler,
            dial=dial,
            options=options,
            handshakes=handshakes,
            batch_chargers=batch_chargers,
            make=make,
        )
        if up:
            await fleet.csms_up()
        await nursery.start(fleet.supervisor.run)
        await nursery.start(fleet.mass.reconcile)
        yield fleet
        nursery.cancel_scope.cancel()


# ── networks that misbehave ─────────────────────────────────────────────────────────────────────


class SlowHandshakes:
    """Wraps a dialer: every handshake takes `takes_s`, or as long as the options allow."""

    def __init__(self, dial: Dialer, *, takes_s: float) -> None:
        self._dial = dial
        self.takes_s = takes_s
        self.under_way = 0
        self.most = 0

    def __call__(
        self, url: str, *, identity: str, subprotocol: str, options: LinkOptions = DEFAULT_OPTIONS
    ) -> AbstractAsyncContextManager[Link]:
        return self._open(url, identity, subprotocol, options)

    @asynccontextmanager
    async def _open(
        self, url: str, identity: str, subprotocol: str, options: LinkOptions
    ) -> AsyncIterator[Link]:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await trio.sleep(min(self.takes_s, options.connect_timeout_s))
        finally:
            self.under_way -= 1
        if self.takes_s >= options.connect_timeout_s:
            raise ConnectFailed(ConnectReason.TIMED_OUT, "no answer")
        async with self._dial(
            url, identity=identity, subprotocol=subprotocol, options=options
        ) as link:
            yield link


# ── a CSMS by hand ──────────────────────────────────────────────────────────────────────────────


def answer_of(frame: bytes, *, interval_s: int = 300) -> bytes | None:
    """What a good CSMS answers to a CALL; None for anything else."""
    message = json.loads(frame)
    if message[0] != 2:
        return None
    payload: dict[str, Any] = {}
    now = "2026-03-01T12:00:00Z"
    match message[2]:
        case "BootNotification":
            payload = {"status": "Accepted", "currentTime": now, "interval": interval_s}
        case "Heartbeat":
            payload = {"currentTime": now}
        case "Authorize":
            payload = {"idTagInfo": {"status": "Accepted"}}
        case "StartTransaction":
            payload = {"idTagInfo": {"status": "Accepted"}, "transactionId": 1}
    return json.dumps([3, message[1], payload]).encode()


async def answer_for_ever(link: ServerLink) -> None:
    """Serve one connection as a good CSMS does."""
    while True:
        answer = answer_of(await link.receive())
        if answer is not None:
            await link.send([answer])


def sessions_of(calls: Sequence[Seen]) -> dict[str, list[tuple[float, str, str, int]]]:
    """Per charger: (time, action, idTag, register in Wh) of its starts and stops."""
    sessions: dict[str, list[tuple[float, str, str, int]]] = defaultdict(list)
    for call in calls:
        if call.action in ("StartTransaction", "StopTransaction"):
            start = call.action == "StartTransaction"
            sessions[call.identity].append(
                (
                    round(call.at_s, 6),
                    call.action,
                    call.payload.get("idTag", ""),
                    call.payload["meterStart" if start else "meterStop"],
                )
            )
    return dict(sessions)
