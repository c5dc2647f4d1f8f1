"""A link through a bad network on purpose: `BadLink`.

What is on its way moves while the owner waits in `receive`, as with a socket whose kernel moves it:
there is no task and no timer besides. Everything that is kept is kept here, and nothing is awaited
between taking a message from one place and putting it into another: cancelling loses nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Protocol

import trio

from simfleet.errors import LinkClosed
from simfleet.link.impairments import HalfOpen, Reset, Stall
from simfleet.link.lanes import Active, Calls, Lane, Touch
from simfleet.link.link import CLOSE_TIMEOUT_S, PONG_TIMEOUT_S
from simfleet.link.memory import MemoryLink

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simfleet.link.impairments import Impairment, Way
    from simfleet.link.lanes import Parcel
    from simfleet.link.link import Link

TCP_GIVES_UP_S: Final = 924.6
"""How long Linux repeats what nobody acknowledges (net.ipv4.tcp_retries2 = 15)."""


class Owner(Protocol):
    """Whose link it is. `link` is the one that goes on."""

    link: BadLink | None

    def touched(self, touch: Touch) -> None:
        """Hears of everything that happens to a message."""

    def hold_open(self, release: Callable[[], None]) -> None:
        """Keeps the socket of a half-open connection."""


class BadLink:
    """`Link` through a bad network; see the module."""

    __slots__ = (
        "_by_tcp",
        "_closed",
        "_ended",
        "_from_csms",
        "_gone_s",
        "_inner",
        "_owner",
        "_pong_timeout_s",
        "_to_csms",
        "_waiting",
        "actives",
        "subprotocol",
    )

    def __init__(
        self,
        owner: Owner,
        inner: Link,
        actives: dict[int, Active],
        pong_timeout_s: float = PONG_TIMEOUT_S,
    ) -> None:
        self._owner = owner
        self._inner = inner
        if isinstance(inner, MemoryLink):
            inner.listener = None  # it is we who wait for its messages now
        self.actives = actives
        self.subprotocol = inner.subprotocol
        calls = Calls()
        self._to_csms, self._from_csms = Lane("to_csms", calls), Lane("from_csms", calls)
        self._pong_timeout_s = pong_timeout_s
        self._gone_s: float | None = None
        """With the path gone: when the charger finds out, inf while it does not."""
        self._by_tcp = False
        """It finds out because nobody acknowledges what it sends."""
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
        if self._owner.link is self:
            self._owner.link = None

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

    def abandon(self) -> Callable[[], None]:
        """See `Link.abandon`."""
        self._closed = self._closed or LinkClosed("closed", "aborted by us")
        self.forget()
        release = self._inner.abandon()
        self._stir()
        return release

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
            self._tell(parcel)
            return parcel.message
        if self._ended is not None and not self._from_csms.queue:
            raise self._end(self._ended)
        return None

    def _happen(self, impairment: Impairment, at_s: float) -> None:
        """Something that comes by itself."""
        way: Way = "from_csms" if impairment.direction == "from_csms" else "to_csms"
        self._owner.touched(Touch(impairment.kind, way))
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
            self._unacknowledged(at_s)
            self._owner.touched(Touch("half_open", lane.way, frame=message, lost=True))
            return
        touches: list[Touch] = []
        loss = lane.enter(message, at_s, self.actives.values(), touches)
        for touch in touches:
            self._owner.touched(touch)
        if loss == "reset":
            raise self._reset()
        if loss == "half_open":
            self._lose_path(at_s)
            if lane.way == "to_csms":
                self._unacknowledged(at_s)

    def _write(self, at_s: float) -> bool:
        """Hand on what has arrived at the CSMS's end; False if the peer does not keep up."""
        out = []
        while (parcel := self._to_csms.leave(at_s)) is not None:
            self._tell(parcel)
            out.append(parcel.message)
        return not out or self._inner.send_nowait(out)

    def _tell(self, parcel: Parcel) -> None:
        if parcel.touch is not None:
            self._owner.touched(parcel.touch)

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
        self._owner.hold_open(self._inner.abandon())

    def _unacknowledged(self, at_s: float) -> None:
        """The charger has sent something: at the latest, TCP gives up."""
        assert self._gone_s is not None
        if at_s + TCP_GIVES_UP_S < self._gone_s:
            self._gone_s, self._by_tcp = at_s + TCP_GIVES_UP_S, True

    def _found_out(self) -> LinkClosed:
        if self._gone_s == -math.inf:
            return LinkClosed("reset", "the path is back, and nobody knows this connection")
        if self._by_tcp:
            return LinkClosed("reset", "by a network fault on purpose: TCP gives up")
        return LinkClosed("pong_timeout", "by a network fault on purpose: the path is gone")
