"""A bad network on purpose, around any `Dialer`: `BadNetwork`, and the links that it gives out.

Only connections of chargers that have an impairment are wrapped (`bad_link.py`). The same seed,
identity and number of the connection give the same chances, whatever other chargers do.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.link.bad_link import BadLink
from simfleet.link.impairments import Latency, Refuse
from simfleet.link.lanes import Active, Touch
from simfleet.link.link import DEFAULT_OPTIONS, LinkOptions
from simfleet.station.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from simfleet.link.impairments import Impairment
    from simfleet.link.link import Dialer, Link

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

    def connects(self) -> dict[int, Active]:
        """A connection is about to be opened: the impairments as it has them, by number."""
        self._connections += 1
        return {number: self._active(number, self._connections) for number in self.given}

    def wrapped(self, inner: Link) -> Link:
        """A link that is open, made worse."""
        self.link = BadLink(self, inner, self.connects())
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
        for active in actives.values():
            if isinstance(active.impairment, Refuse) and active.strikes("to_csms", ""):
                await trio.lowlevel.checkpoint()
                sick.touched(Touch("refuse", "to_csms"))
                raise ConnectFailed(ConnectReason.REFUSED, "by a network fault on purpose")
        await self._shake(actives.values())
        inner = await self._inner.__aenter__()
        self._link = BadLink(sick, inner, dict(actives), self._options.pong_timeout_s)
        # What was given and taken back during the handshake, which may have taken its time.
        for number in actives.keys() - sick.given.keys():
            self._link.remove(number)
        for number in sorted(sick.given.keys() - actives.keys()):
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
