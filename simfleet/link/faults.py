"""A bad network on purpose, around any `Dialer`: `BadNetwork`, and the links that it gives out.

Only connections of chargers that have an impairment are wrapped. The wrapper has no task and no
timer of its own: what is on its way moves while its owner waits in `receive`, and a cancelled
`receive` leaves everything where it was. The same seed, identity and number of the connection give
the same chances, whatever other chargers do.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from simfleet.errors import ConnectFailed, ConnectReason, LinkClosed
from simfleet.link.impairments import HalfOpen, Latency, Refuse, Reset, Stall
from simfleet.link.lanes import Active, Calls, Lane, Touch
from simfleet.link.link import CLOSE_TIMEOUT_S, DEFAULT_OPTIONS, PONG_TIMEOUT_S, LinkOptions
from simfleet.station.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from simfleet.link.impairments import Impairment, Way
    from simfleet.link.lanes import Parcel
    from simfleet.link.link import Dialer, Link

TCP_GIVES_UP_S: Final = 924.6
"""How long Linux repeats what nobody acknowledges (net.ipv4.tcp_retries2 = 15)."""
HELD_OPEN_MAX: Final = 256
"""Half-open connections whose sockets are kept; the oldest is closed for a further one."""


class BadNetwork:
    """A `Dialer` in front of another one. `give` and `take` change what is wrong for a charger, at
    once, also on the connection that it has.

    `tell(identity, touch)` hears of everything that is lost, spoilt or repeated, in the task that
    uses the link. `rewire(identity, wrap)` has the owner of an open link use another one in its
    place, and says whether there was one: see `fleet.actor.Charger.rewire`.
    """

    def __init__(
        self,
        dial: Dialer,
        *,
        seed: int,
        tell: Callable[[str, Touch], None],
        rewire: Callable[[str, Callable[[Link], Link]], bool] | None = None,
    ) -> None:
        self._dial = dial
        self._seed = seed
        self._tell = tell
        self._rewire = rewire
        self._sick: dict[str, Sick] = {}
        self._held_open: deque[Callable[[], None]] = deque()
        self.held_open_cut = 0
        """Half-open connections that were closed for want of room."""

    def dial(
        self,
        url: str,
        *,
        identity: str,
        subprotocol: str,
        options: LinkOptions = DEFAULT_OPTIONS,
    ) -> AbstractAsyncContextManager[Link]:
        """See `Dialer`."""
        dialled = self._dial(url, identity=identity, subprotocol=subprotocol, options=options)
        sick = self._sick.get(identity)
        if sick is None or not sick.given:
            return dialled
        return _Dialled(dialled, sick, options)

    def give(self, identity: str, impairment: Impairment, *, place: str) -> int:
        """Make a charger's network worse; returns a number to `take` it back by. `place` names the
        impairment for its chances.
        """
        sick = self._sick.get(identity)
        if sick is None:
            sick = self._sick[identity] = Sick(self, identity)
        number = sick.add(impairment, place)
        if sick.link is None and self._rewire is not None and not isinstance(impairment, Refuse):
            self._rewire(identity, sick.wrapped)
        return number

    def take(self, identity: str, number: int) -> None:
        """Take an impairment back. A half-open connection is then reset."""
        sick = self._sick.get(identity)
        if sick is not None:
            sick.remove(number)

    def has(self, identity: str) -> bool:
        """Whether anything is wrong for a charger."""
        sick = self._sick.get(identity)
        return sick is not None and bool(sick.given)

    def release(self) -> None:
        """Close the sockets of half-open connections."""
        while self._held_open:
            self._held_open.popleft()()

    # ── for the links ───────────────────────────────────────────────────────────────────────────

    def told(self, identity: str, touch: Touch) -> None:
        """Something has happened to a message."""
        self._tell(identity, touch)

    def hold_open(self, release: Callable[[], None]) -> None:
        """Keep a half-open connection's socket, within the bound."""
        if len(self._held_open) >= HELD_OPEN_MAX:
            self._held_open.popleft()()
            self.held_open_cut += 1
        self._held_open.append(release)

    def chance(self, identity: str, connection: int, place: str) -> Chance:
        """The chances of one impairment on one connection."""
        return Chance.of(f"{self._seed}:network:{place}:{identity}", connection)


class Sick:
    """One charger's share of a bad network."""

    __slots__ = ("_connections", "_count", "_network", "given", "identity", "link")

    def __init__(self, network: BadNetwork, identity: str) -> None:
        self._network = network
        self.identity = identity
        self._connections = 0
        self._count = 0
        self.given: dict[int, tuple[Impairment, str, list[int] | None]] = {}
        """Impairment, its place, and how often it may still happen, by number."""
        self.link: BadLink | None = None

    def add(self, impairment: Impairment, place: str) -> int:
        """One more."""
        self._count += 1
        count = getattr(impairment, "count", None)
        self.given[self._count] = (impairment, place, None if count is None else [count])
        if self.link is not None:
            self.link.add(self._count, self._active(self._count, self._connections))
        return self._count

    def remove(self, number: int) -> None:
        """One less."""
        if self.given.pop(number, None) is not None and self.link is not None:
            self.link.remove(number)

    def _active(self, number: int, connection: int) -> Active:
        impairment, place, left = self.given[number]
        chance = self._network.chance(self.identity, connection, place)
        return Active(impairment, chance, left=left, at_s=trio.current_time())

    def connects(self) -> list[Active]:
        """A connection is about to be opened: the impairments as it has them."""
        self._connections += 1
        return [self._active(number, self._connections) for number in self.given]

    def wrapped(self, inner: Link) -> Link:
        """A link that is open, made worse."""
        actives = self.connects()
        self.link = BadLink(self, inner, dict(zip(self.given, actives, strict=True)))
        return self.link

    def touched(self, touch: Touch) -> None:
        """Tell of something that happened."""
        self._network.told(self.identity, touch)

    def hold_open(self, release: Callable[[], None]) -> None:
        """See `BadNetwork.hold_open`."""
        self._network.hold_open(release)


class _Dialled:
    """Connects through a bad network."""

    __slots__ = ("_inner", "_link", "_options", "_sick")

    def __init__(
        self, inner: AbstractAsyncContextManager[Link], sick: Sick, options: LinkOptions
    ) -> None:
        self._inner = inner
        self._sick = sick
        self._options = options
        self._link: BadLink | None = None

    async def __aenter__(self) -> Link:
        sick = self._sick
        actives = sick.connects()
        for active in actives:
            if isinstance(active.impairment, Refuse) and active.strikes("to_csms", ""):
                await trio.lowlevel.checkpoint()
                sick.touched(Touch("refuse", "to_csms"))
                raise ConnectFailed(ConnectReason.REFUSED, "by a network fault on purpose")
        await self._shake(actives)
        numbers = list(sick.given)
        inner = await self._inner.__aenter__()
        self._link = BadLink(
            sick, inner, dict(zip(numbers, actives, strict=True)), self._options.pong_timeout_s
        )
        if numbers != list(sick.given):  # they were changed during the handshake
            for number in list(self._link.actives):
                if number not in sick.given:
                    self._link.remove(number)
            for number in sick.given.keys() - set(numbers):
                self._link.add(number, sick._active(number, sick._connections))
        sick.link = self._link
        return self._link

    async def _shake(self, actives: Iterable[Active]) -> None:
        """TCP and HTTP each ask and wait for an answer before the first message can go."""
        way_s = 0.0
        for active in actives:
            impairment = active.impairment
            if isinstance(impairment, Latency) and not impairment.actions:
                ways = 2 if impairment.direction == "both" else 1
                way_s += ways * active.chance.uniform(
                    impairment.delay_s, impairment.delay_s + impairment.jitter_s
                )
        if 2 * way_s >= self._options.connect_timeout_s:
            await trio.sleep(self._options.connect_timeout_s)
            detail = f"no WebSocket within {self._options.connect_timeout_s:g} s"
            raise ConnectFailed(ConnectReason.TIMED_OUT, detail)
        if way_s:
            await trio.sleep(2 * way_s)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        link = self._link
        if link is not None:
            if kind is None:
                await link.flush()
            link.forget()
        return await self._inner.__aexit__(kind, error, traceback)


class BadLink:
    """`Link` through a bad network; see the module."""

    __slots__ = (
        "_closed",
        "_ended",
        "_from_csms",
        "_gone_s",
        "_inner",
        "_pong_timeout_s",
        "_sick",
        "_to_csms",
        "_waiting",
        "actives",
        "subprotocol",
    )

    def __init__(
        self,
        sick: Sick,
        inner: Link,
        actives: dict[int, Active],
        pong_timeout_s: float = PONG_TIMEOUT_S,
    ) -> None:
        self._sick = sick
        self._inner = inner
        self.actives = actives
        self.subprotocol = inner.subprotocol
        calls = Calls()
        self._to_csms, self._from_csms = Lane("to_csms", calls), Lane("from_csms", calls)
        self._pong_timeout_s = pong_timeout_s
        self._gone_s: float | None = None
        """With the path gone: when the charger finds out, inf while it does not."""
        self._ended: LinkClosed | None = None
        """What the peer's end will look like, once all that came before has arrived."""
        self._closed: LinkClosed | None = None
        self._waiting: trio.CancelScope | None = None

    # ── what is wrong ───────────────────────────────────────────────────────────────────────────

    def add(self, number: int, active: Active) -> None:
        """From now on this is wrong, too."""
        self.actives[number] = active
        self._stir()

    def remove(self, number: int) -> None:
        """This is well again. A half-open connection is reset by whoever gets its next packet."""
        gone = self.actives.pop(number, None)
        if gone is None:
            return
        if isinstance(gone.impairment, HalfOpen) and self._gone_s is not None:
            self._gone_s = -math.inf
        if isinstance(gone.impairment, Stall):
            self._to_csms.stalled_until_s = self._from_csms.stalled_until_s = -math.inf
        self._stir()

    def _stir(self) -> None:
        """Have a waiting owner look again."""
        if self._waiting is not None:
            self._waiting.deadline = -math.inf

    def forget(self) -> None:
        """The connection is over."""
        if self._sick.link is self:
            self._sick.link = None

    # ── Link ────────────────────────────────────────────────────────────────────────────────────

    @property
    def wake_at_s(self) -> float:
        """See `Link.wake_at_s`."""
        if self._gone_s is not None:
            return self._gone_s
        return max(self._inner.wake_at_s, self._from_csms.stalled_until_s)

    async def send(self, frames: Sequence[bytes]) -> None:
        """See `Link.send`."""
        if not self.send_nowait(frames):
            await self._inner.send(())

    def send_nowait(self, frames: Sequence[bytes]) -> bool:
        """See `Link.send_nowait`."""
        self._check()
        at_s = trio.current_time()
        for frame in frames:
            self._enter(self._to_csms, frame, at_s)
        kept_up = self._write(at_s)
        if self._waiting is not None:
            self._waiting.deadline = min(self._waiting.deadline, self._next_s())
        return kept_up

    async def receive(self) -> bytes:
        """See `Link.receive`."""
        while True:
            message = self._look(trio.current_time())
            if message is not None:
                return message
            with trio.CancelScope(deadline=self._next_s()) as self._waiting:
                try:
                    if self._gone_s is not None or self._ended is not None or self._from_csms.full:
                        await trio.sleep_forever()
                    await self._read()
                finally:
                    self._waiting = None

    async def _read(self) -> None:
        """Wait for a message of the peer, and let it enter."""
        try:
            message = await self._inner.receive()
        except LinkClosed as closed:
            self._ended = closed
            return
        self._enter(self._from_csms, message, trio.current_time())

    def take_ready(self) -> bytes | None:
        """See `Link.take_ready`."""
        at_s = trio.current_time()
        while self._gone_s is None and self._ended is None and not self._from_csms.full:
            message = self._inner.take_ready()
            if message is None:
                break
            self._enter(self._from_csms, message, at_s)
        return self._look(at_s)

    async def tick(self, *, at_s: float) -> None:
        """See `Link.tick`. While nothing comes back, no pong does either."""
        self._check()
        if self._gone_s is not None:
            if at_s >= self._gone_s:
                raise self._end(self._found_out())
        elif at_s >= self._from_csms.stalled_until_s:
            await self._inner.tick(at_s=at_s)

    async def close(self, code_ws: int = 1000, reason: str = "") -> None:
        """See `Link.close`. What is on its way arrives before the close frame does."""
        await self.flush()
        self._closed = self._closed or LinkClosed("closed", "by us")
        self.forget()
        await self._inner.close(code_ws, reason)

    async def flush(self) -> None:
        """Let what was sent arrive, within the time that closing may take; then all at once."""
        lane = self._to_csms
        with trio.move_on_after(CLOSE_TIMEOUT_S):
            while lane.queue and self._closed is None and self._gone_s is None:
                await trio.sleep_until(lane.due_s)
                try:
                    self._write(trio.current_time())
                except LinkClosed:
                    return
        if lane.queue and self._closed is None and self._gone_s is None:
            try:
                self._write(math.inf)
            except LinkClosed:
                return

    def abort(self) -> None:
        """See `Link.abort`."""
        self._closed = self._closed or LinkClosed("closed", "aborted by us")
        self.forget()
        self._inner.abort()
        self._stir()

    # ── on the way ──────────────────────────────────────────────────────────────────────────────

    def _next_s(self) -> float:
        """When something happens without anybody's doing."""
        due_s = min(self._to_csms.due_s, self._from_csms.due_s)
        for active in self.actives.values():
            due_s = min(due_s, active.due_s)
        return due_s if self._gone_s is None else min(due_s, self._gone_s)

    def _look(self, at_s: float) -> bytes | None:
        """Do what is due; returns a message that has arrived. Raises `LinkClosed`."""
        self._check()
        for active in list(self.actives.values()):
            if at_s >= active.due_s and active.happens(at_s):
                self._happen(active.impairment, at_s)
        if self._gone_s is not None and at_s >= self._gone_s:
            raise self._end(self._found_out())
        self._write(at_s)
        parcel = self._from_csms.leave(at_s)
        if parcel is not None:
            self._told(parcel)
            return parcel.message
        if self._ended is not None and not self._from_csms.queue:
            raise self._end(self._ended)
        return None

    def _happen(self, impairment: Impairment, at_s: float) -> None:
        """Something that comes by itself."""
        way: Way = "from_csms" if impairment.direction == "from_csms" else "to_csms"
        self._sick.touched(Touch(impairment.kind, way))
        match impairment:
            case Stall():
                for lane in (self._to_csms, self._from_csms):
                    if impairment.goes(lane.way):
                        lane.stall(at_s + impairment.for_s)
            case Reset():
                raise self._reset()
            case HalfOpen():
                self._lose_path(at_s)

    def _enter(self, lane: Lane, message: bytes, at_s: float) -> None:
        """A message enters a lane. Raises `LinkClosed` when that loses the connection."""
        if self._gone_s is not None:
            self._gone_s = min(self._gone_s, at_s + TCP_GIVES_UP_S)
            self._sick.touched(Touch("half_open", lane.way, frame=message, lost=True))
            return
        touches: list[Touch] = []
        loss = lane.enter(message, at_s, self.actives.values(), touches)
        for touch in touches:
            self._sick.touched(touch)
        if loss == "reset":
            raise self._reset()
        if loss == "half_open":
            self._lose_path(at_s)
            assert self._gone_s is not None
            if lane.way == "to_csms":
                self._gone_s = min(self._gone_s, at_s + TCP_GIVES_UP_S)

    def _write(self, at_s: float) -> bool:
        """Hand on what has arrived at the CSMS's end; False if the peer does not keep up."""
        out = []
        while (parcel := self._to_csms.leave(at_s)) is not None:
            self._told(parcel)
            out.append(parcel.message)
        return not out or self._inner.send_nowait(out)

    def _told(self, parcel: Parcel) -> None:
        if parcel.touch is not None:
            self._sick.touched(parcel.touch)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    def _check(self) -> None:
        if self._closed is not None:
            raise LinkClosed(self._closed.kind, self._closed.detail, code_ws=self._closed.code_ws)

    def _end(self, closed: LinkClosed) -> LinkClosed:
        self._closed = closed
        self._to_csms.queue.clear()
        self._from_csms.queue.clear()
        self.forget()
        return closed

    def _reset(self) -> LinkClosed:
        self._inner.abort()
        return self._end(LinkClosed("reset", "by a network fault on purpose"))

    def _lose_path(self, at_s: float) -> None:
        """Nothing passes any more. The peer's end of the connection stays open."""
        pings = self._inner.wake_at_s < math.inf
        self._gone_s = (
            max(at_s, self._inner.wake_at_s) + self._pong_timeout_s if pings else math.inf
        )
        self._to_csms.queue.clear()
        self._from_csms.queue.clear()
        self._sick.hold_open(self._inner.abandon())

    def _found_out(self) -> LinkClosed:
        if self._gone_s == -math.inf:
            return LinkClosed("reset", "the path is back, and nobody knows this connection")
        return LinkClosed("pong_timeout", "by a network fault on purpose: the path is gone")
