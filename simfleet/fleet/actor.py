"""One charger's task: a pure station, its link, and a mailbox.

The task alternates between writing what the station has to say and waiting for the first of: a
frame, the station's next moment, the link's next moment, mail. Connecting, backing off, being dark
and being offline are phases of the same task, and the station lives on in all of them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from simfleet.errors import ConnectFailed, LinkClosed
from simfleet.fleet.backoff import CALM_S
from simfleet.fleet.orders import Mode
from simfleet.fleet.turns import NEVER_S, TakesTurns
from simfleet.link.memory import MemoryLink
from simfleet.station.credentials import current

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.fleet.orders import Surroundings
    from simfleet.link.link import Link, LinkOptions
    from simfleet.station.credentials import Credentials
    from simfleet.station.station import Station

LAST_WORDS_S: Final = 2.0
"""How long a charger that reboots or goes may take to write what it has already said."""
BURST_MAX: Final = 32
"""Messages a charger takes in a row before it lets the others run, however many are there."""


class Charger(TakesTurns):
    """A station and the task that drives it: `run`. Everybody else uses `post`."""

    __slots__ = (
        "_alarm_s",
        "_broken",
        "_hurry",
        "_link",
        "_opened_s",
        "_rewire",
    )

    def __init__(self, station: Station, surroundings: Surroundings, *, mode: Mode) -> None:
        super().__init__(station, surroundings, mode=mode)
        self._opened_s = NEVER_S
        self._rewire: Callable[[Link], Link] | None = None
        """What is to be put around the link that is open."""
        self._hurry = False
        """The next pause is left out."""
        self._link: Link | None = None
        """The link while the task waits for its frames."""
        self._alarm_s = NEVER_S
        self._broken: Exception | None = None
        """What went wrong in `ring`; raised by the task."""

    # ── for others ──────────────────────────────────────────────────────────────────────────────

    @property
    def opened_s(self) -> float:
        """When its last connection was opened; inf when that has failed since."""
        return self._opened_s

    def cut(self, detail: str, *, at_once: bool = False) -> bool:
        """Lose the connection, as by a reset; `at_once`: without a pause before the next. False:
        there is none that could be lost.
        """
        link, waiting = self._link, self._waiting
        if link is None or waiting is None:
            return False
        self._hurry = at_once
        self._broken = LinkClosed("cut", detail)
        waiting.cancel()
        link.abort()
        return True

    def rewire(self, wrap: Callable[[Link], Link]) -> bool:
        """Go on with another link around the open one. False: none is open."""
        if self._link is None or self._waiting is None:
            return False
        self._rewire = wrap
        self._waiting.cancel()
        return True

    # ── the task ────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Live until told to leave."""
        busy = True
        while True:
            at_s = trio.current_time()
            self._turn(at_s, busy=busy)
            if self._leave is not None and (not self._owes() or at_s >= self._leave.deadline_s):
                return
            busy = self._wants_link() and self._retry_at_s <= at_s
            if busy:
                await self._connect()
            else:
                await self._rest()

    def _wants_link(self) -> bool:
        return self._dark_until_s is None and (self.mode is not Mode.IDLE or self._owes())

    async def _rest(self) -> None:
        """Wait, without a link, for mail or for the next moment at which something may change."""
        wake_s = self._next_moment_s()
        if self._dark_until_s is not None:
            wake_s = min(wake_s, self._dark_until_s)
        elif self._wants_link():
            wake_s = min(wake_s, self._retry_at_s)
        with trio.CancelScope(deadline=wake_s) as self._waiting:
            await trio.sleep_forever()

    # ── with a link ─────────────────────────────────────────────────────────────────────────────

    async def _connect(self) -> None:
        """Open a link and talk until it ends; when it failed or was lost, set a pause."""
        if not await self._admitted():
            return
        surroundings, station = self._surroundings, self.station
        handshakes, recorder = surroundings.handshakes, surroundings.recorder
        shaking = True
        try:
            at_s = trio.current_time()
            recorder.connecting(at_s)
            credentials = current(station, at_s=at_s)
            async with surroundings.dial(
                surroundings.keyring.url(credentials, surroundings.url),
                identity=station.identity,
                subprotocol=station.spec.version,
                options=self._options(credentials),
            ) as link:
                handshakes.release()
                shaking = False
                await self._talk(link)
                return
        except ConnectFailed as failure:
            at_s = trio.current_time()
            recorder.connect_failed(station.identity, failure, at_s=at_s)
            station.connect_failed(failure.reason, failure.detail, status=failure.status, at_s=at_s)
        except LinkClosed:
            pass  # recorded by `_talk`
        finally:
            if shaking:
                handshakes.release()
        self._back_off()

    async def _admitted(self) -> bool:
        """Wait for a place among the chargers that shake hands. False: something else comes first,
        for a queue may be long and the station lives on in it.
        """
        handshakes = self._surroundings.handshakes
        with trio.CancelScope(deadline=self._next_moment_s()) as self._waiting:
            await handshakes.acquire()
            if self._mail is None:
                return True
            handshakes.release()
        return False

    def _options(self, credentials: Credentials) -> LinkOptions:
        """How to connect: with the station's credentials, pings as configured, and no more time
        than is left. Raises `ConnectFailed`.
        """
        options = self._surroundings.keyring.options(
            credentials, self._surroundings.options, identity=self.station.identity
        )
        ping_interval_s = self.station.configuration.seconds("WebSocketPingInterval")
        if ping_interval_s:
            options = replace(options, ping_interval_s=float(ping_interval_s))
        if self._leave is None:
            return options
        left_s = max(0.0, self._leave.deadline_s - trio.current_time())
        return replace(options, connect_timeout_s=min(options.connect_timeout_s, left_s))

    def _back_off(self) -> None:
        at_s = trio.current_time()
        if at_s - self._opened_s > CALM_S:
            self._failures = 0
        self._opened_s = NEVER_S
        if self._hurry:
            self._hurry, self._retry_at_s = False, at_s
            return
        self._retry_at_s = self._pause_ends_s(at_s)

    async def _talk(self, link: Link) -> None:
        """One connection from its opening to its end. Raises `LinkClosed` if the peer ended it."""
        station, recorder = self.station, self._surroundings.recorder
        at_s = self._opened_s = trio.current_time()
        self._rewire = None
        recorder.connected(at_s=at_s)
        kind, detail = "crashed", ""
        try:
            self._turn(at_s, busy=True)  # what came due during the handshake came due offline
            station.link_opened(at_s=at_s)
            await self._converse(link, at_s)
            kind = "ended"  # by us, on purpose
        except LinkClosed as closed:
            kind, detail = closed.kind, closed.detail
            raise
        except trio.Cancelled:
            kind = "cancelled"
            raise
        finally:
            at_s = trio.current_time()
            recorder.disconnected(station.identity, kind, detail, at_s=at_s)
            station.link_closed(at_s=at_s)
            self._report(station.take_effects(), at_s)

    async def _converse(self, link: Link, at_s: float) -> None:
        """Write and read until the link is of no more use. One cancel scope serves many messages:
        it is cancelled only when the task itself has to do something.
        """
        rewired: Link | None = None
        while True:
            with trio.CancelScope() as self._waiting:
                try:
                    at_s = await self._exchange(link, at_s)
                except LinkClosed:
                    if not _is_cut(self._broken):  # else that is why
                        raise
                finally:
                    self._link = None
            if self._waiting.cancelled_caught:
                at_s = trio.current_time()
            if self._broken is not None:
                broken, self._broken = self._broken, None
                raise broken
            if self._rewire is not None:
                rewired, self._rewire = self._rewire(link), None
                link = rewired
            self._turn(at_s)
            if self._done_here(at_s):
                await self._part(link, at_s)
                if rewired is not None and not self._powerless:
                    await rewired.close()  # what is around the link knows what is on its way
                return
            if link.wake_at_s <= at_s:
                await link.tick(at_s=at_s)

    async def _exchange(self, link: Link, at_s: float) -> float:
        """Write and read until the link is of no more use, or until `_waiting` is cancelled; what
        is due meanwhile happens in `ring`.

        Returns the time of the last message. Lets the others run, however much the peer sends.
        """
        station, recorder = self.station, self._surroundings.recorder
        identity = station.identity
        self._link = link
        if not self._surroundings.clockwork.running:
            self._alarm_s = NEVER_S  # it was the deadline of another scope
        self._broken = None  # it may be of a connection whose task found out by itself
        if isinstance(link, MemoryLink):
            link.listener = partial(self._hear, link)
        burst = 0
        while True:
            if self._mail is not None:  # it came while nobody waited for it
                self._turn(at_s)
            if self._done_here(at_s):
                return at_s
            self._set_alarm(link)
            frames = station.take_frames()
            if frames:
                recorder.sent(identity, frames, at_s)
                if not link.send_nowait(frames):
                    await link.send(())
            frame = await link.receive()
            at_s = trio.current_time()
            recorder.received(identity, frame, at_s)
            station.receive(frame, at_s=at_s)
            self._turn(at_s)
            burst += 1
            if burst >= BURST_MAX:
                burst = 0
                await trio.lowlevel.checkpoint()

    def _set_alarm(self, link: Link) -> None:
        """Make sure that somebody wakes up for what is due next. An alarm is only ever brought
        forward: one that rings too early costs less than moving it with every CALL.
        """
        wake_s = self.station.wake_at_s if self._leave is None else self._next_moment_s()
        if link.wake_at_s < wake_s:
            wake_s = link.wake_at_s
        if wake_s < self._alarm_s:
            self._alarm_s = wake_s
            clockwork = self._surroundings.clockwork
            if clockwork.running:
                clockwork.set(self, wake_s)
            elif self._waiting is not None:
                self._waiting.deadline = wake_s

    def ring(self, at_s: float) -> None:
        """Let what is due happen, while the task waits for a frame. See `clockwork.Sleeper`."""
        if at_s < self._alarm_s:
            return  # it was set before an earlier one, which has rung and set the next
        self._alarm_s = NEVER_S
        link = self._link
        if link is None:
            return  # the connection is gone; the next one sets an alarm of its own
        try:
            self._turn(at_s)
            own_turn = self._done_here(at_s) or link.wake_at_s <= at_s
            if not own_turn:
                frames = self.station.take_frames()
                if frames:
                    self._surroundings.recorder.sent(self.station.identity, frames, at_s)
                    own_turn = not link.send_nowait(frames)
        except Exception as error:
            self._broken = error
            own_turn = True
        if not own_turn:
            self._set_alarm(link)
        elif self._waiting is not None:
            self._waiting.cancel()

    def _hear(self, link: MemoryLink) -> None:
        """Take what has come, without waking the task, which goes on waiting; the same as
        `_exchange` does. Whatever is more than that is left to the task.
        """
        if link is not self._link:
            return  # the task is busy: it will look for itself
        at_s, station = trio.current_time(), self.station
        recorder = self._surroundings.recorder
        own_turn = False
        try:
            while not own_turn and (frame := link.take_ready()) is not None:
                recorder.received(station.identity, frame, at_s)
                station.receive(frame, at_s=at_s)
                self._turn(at_s)
                own_turn = self._done_here(at_s)
                if not own_turn and (frames := station.take_frames()):
                    recorder.sent(station.identity, frames, at_s)
                    own_turn = not link.send_nowait(frames)
        except Exception as error:
            self._broken = error
            own_turn = True
        if not own_turn:
            self._set_alarm(link)
        elif self._waiting is not None:
            self._waiting.cancel()

    def _done_here(self, at_s: float) -> bool:
        """Whether the link is of no more use: dark, idle and nothing owed, or time to go."""
        if self.mode is not Mode.IDLE and self._leave is None and self._dark_until_s is None:
            return False  # nearly always
        if self._dark_until_s is not None:
            return True
        if self._leave is not None and at_s >= self._gone_by_s(self._leave):
            return True
        return self.mode is Mode.IDLE and self.station.drained

    async def _part(self, link: Link, at_s: float) -> None:
        """Write what was said already; without mains, not even that."""
        frames = self.station.take_frames()
        if frames:
            self._surroundings.recorder.sent(self.station.identity, frames, at_s)
        if self._powerless:
            link.abort()
            return
        words_s = LAST_WORDS_S
        if self._leave is not None:
            words_s = max(0.0, min(words_s, self._leave.deadline_s - at_s))
        with trio.move_on_after(words_s):
            await link.send(frames)


def _is_cut(broken: Exception | None) -> bool:
    """Whether the connection is lost because it was cut on purpose."""
    return isinstance(broken, LinkClosed) and broken.kind == "cut"
