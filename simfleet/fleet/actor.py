"""One charger's task: a pure station, its link, and a mailbox.

The task alternates between writing what the station has to say and waiting for the first of: a
frame, the station's next moment, the link's next moment, mail. Connecting, backing off, being dark
and being offline are phases of the same task, and the station lives on in all of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import trio
from msgspec import Struct

from simfleet.errors import ConnectFailed, LinkClosed, Refused
from simfleet.fleet.backoff import CALM_S, pause_s
from simfleet.fleet.recorder import Recorder
from simfleet.link.link import Dialer, LinkOptions
from simfleet.station.effects import PowerOff, PowerOn, Reboot, Reconnect
from simfleet.station.events import Retired

if TYPE_CHECKING:
    from simfleet.link.link import Link
    from simfleet.station.effects import Effect
    from simfleet.station.events import Event
    from simfleet.station.station import Station

NEVER_S: Final = float("inf")
MAILBOX_MAX: Final = 64
"""Events that may wait for a charger; it reads them within a turn of the loop."""
LAST_WORDS_S: Final = 2.0
"""How long a charger that reboots or goes may take to write what it has already said."""


class Mode(StrEnum):
    """What a charger of a mass fleet does."""

    IDLE = "idle"  # powered, without a socket
    CONNECT = "connect"  # socket, boot, statuses, heartbeats
    CHARGING = "charging"  # and drivers who come and go


class Surroundings(Struct):
    """What the chargers of a fleet share."""

    dial: Dialer
    url: str
    options: LinkOptions
    handshakes: trio.Semaphore
    recorder: Recorder


class Leave(Struct, frozen=True):
    """Come to rest, tell the CSMS what is owed to it, and end; by `deadline_s` at the latest."""

    deadline_s: float


class Charger:
    """A station and the task that drives it: `run`. Everybody else uses `post`."""

    __slots__ = (
        "_dark_until_s",
        "_failures",
        "_leave",
        "_mail",
        "_opened_s",
        "_surroundings",
        "_waiting",
        "mode",
        "station",
    )

    def __init__(self, station: Station, surroundings: Surroundings, *, mode: Mode) -> None:
        self.station = station
        self.mode = mode
        self._surroundings = surroundings
        self._mail: list[Event | Mode | Leave] | None = None
        self._waiting: trio.CancelScope | None = None
        self._leave: Leave | None = None
        self._dark_until_s: float | None = None
        """When the charger has booted again; None while it is lit, inf without mains."""
        self._failures = 0
        self._opened_s = NEVER_S
        if mode is Mode.CHARGING:
            station.engage()

    # ── for others ──────────────────────────────────────────────────────────────────────────────

    def post(self, mail: Event | Mode | Leave) -> bool:
        """Hand something to the charger, read at once. False: the mailbox is full, not taken."""
        if self._mail is None:
            self._mail = []
        if len(self._mail) >= MAILBOX_MAX:
            return False
        self._mail.append(mail)
        if self._waiting is not None:
            self._waiting.cancel()
        return True

    @property
    def online(self) -> bool:
        """Whether the link is up."""
        return self.station.online

    @property
    def leaving(self) -> bool:
        """Whether the charger has been told to go."""
        return self._leave is not None

    # ── the task ────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Live until told to leave."""
        while True:
            self._turn(trio.current_time())
            if self._gone():
                return
            if self._wants_link():
                await self._connect()
            else:
                await self._rest(NEVER_S)

    def _wants_link(self) -> bool:
        return self._dark_until_s is None and (self.mode is not Mode.IDLE or self._owes())

    def _owes(self) -> bool:
        """Whether an idle or leaving charger still has transactions to tell of."""
        return bool(self.station.outbox.durable)

    def _gone(self) -> bool:
        leave = self._leave
        if leave is None:
            return False
        return not self._owes() or trio.current_time() >= leave.deadline_s

    async def _rest(self, until_s: float) -> None:
        """Live without a link until a moment, or until mail may have changed what is wanted."""
        while trio.current_time() < until_s:
            if self._leave is not None:
                until_s = min(until_s, self._leave.deadline_s)
            if self._dark_until_s is not None:
                until_s = min(until_s, self._dark_until_s)
            wake_s = min(until_s, self.station.wake_at_s)
            with trio.CancelScope(deadline=wake_s) as self._waiting:
                await trio.sleep_forever()
            had_mail = bool(self._mail)
            self._turn(trio.current_time())
            if had_mail:
                return
        await trio.lowlevel.checkpoint()

    def _turn(self, at_s: float) -> None:
        """Read the mail, let what is due happen, report."""
        self._waiting = None
        station = self.station
        if self._dark_until_s is not None and at_s >= self._dark_until_s:
            self._light_up(at_s)
        if self._mail:
            self._read_mail(at_s)
        if station.wake_at_s <= at_s:
            self._surroundings.recorder.late(at_s - station.wake_at_s)
            station.tick(at_s=at_s)
        effects = station.take_effects()
        if effects:
            self._report(effects, at_s)

    def _read_mail(self, at_s: float) -> None:
        mail, self._mail = self._mail or [], None
        for letter in mail:
            if isinstance(letter, Leave):
                self._leave = letter
                if not self.station.retired:
                    self.station.tell(Retired(), at_s=at_s)
            elif isinstance(letter, Mode):
                self._change_mode(letter, at_s)
            else:
                try:
                    self.station.tell(letter, at_s=at_s)
                except Refused as refused:
                    recorder = self._surroundings.recorder
                    recorder.refused(self.station.identity, letter, refused, at_s=at_s)

    def _change_mode(self, mode: Mode, at_s: float) -> None:
        if mode is self.mode:
            return
        self.mode = mode
        if mode is Mode.CHARGING:
            self.station.engage(at_s=at_s)
        elif not self.station.dark:
            self.station.tell(Retired(), at_s=at_s)

    def _report(self, effects: list[Effect], at_s: float) -> None:
        recorder = self._surroundings.recorder
        for effect in effects:
            match effect:
                case Reboot(after_s):
                    self._dark_until_s = at_s + after_s
                case PowerOff():
                    self._dark_until_s = NEVER_S
                case PowerOn():
                    self._dark_until_s = at_s + self.station.spec.reboot_s
                case Reconnect():
                    self._dark_until_s = at_s
                case _:
                    recorder.effect(self.station.identity, effect, at_s)

    def _light_up(self, at_s: float) -> None:
        self._dark_until_s = None
        if self.station.dark:
            self.station.restarted(at_s=at_s)

    # ── with a link ─────────────────────────────────────────────────────────────────────────────

    async def _connect(self) -> None:
        """Open a link and talk until it ends; when it failed or was lost, back off."""
        surroundings, station = self._surroundings, self.station
        handshakes, recorder = surroundings.handshakes, surroundings.recorder
        await handshakes.acquire()
        shaking = True
        try:
            if self._mail is not None:  # it may have changed what is wanted while we queued
                return
            recorder.connecting(trio.current_time())
            async with surroundings.dial(
                surroundings.url,
                identity=station.identity,
                subprotocol=station.spec.version,
                options=surroundings.options,
            ) as link:
                handshakes.release()
                shaking = False
                await self._talk(link)
                return
        except ConnectFailed as failure:
            recorder.connect_failed(station.identity, failure, at_s=trio.current_time())
        except LinkClosed:
            pass  # recorded by `_talk`
        finally:
            if shaking:
                handshakes.release()
        await self._back_off()

    async def _back_off(self) -> None:
        at_s = trio.current_time()
        calm = at_s - self._opened_s > CALM_S
        self._opened_s = NEVER_S
        self._failures = 1 if calm else self._failures + 1
        await self._rest(at_s + pause_s(self._failures, self.station.chance))

    async def _talk(self, link: Link) -> None:
        """One connection from its opening to its end. Raises `LinkClosed` if the peer ended it."""
        station, recorder = self.station, self._surroundings.recorder
        self._opened_s = trio.current_time()
        recorder.connected(at_s=self._opened_s)
        kind, detail = "ended", ""  # by us, on purpose
        try:
            station.link_opened(at_s=self._opened_s)
            await self._converse(link)
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

    async def _converse(self, link: Link) -> None:
        station, recorder = self.station, self._surroundings.recorder
        identity = station.identity
        at_s = self._opened_s
        while True:
            frames = station.take_frames()
            if frames:
                recorder.sent(identity, frames, at_s)
            if self._done_here(at_s):
                with trio.move_on_after(LAST_WORDS_S):
                    await link.send(frames)
                return
            wake_s = min(station.wake_at_s, link.wake_at_s)
            if self._leave is not None:
                wake_s = min(wake_s, self._leave.deadline_s)
            frame: bytes | None = None
            with trio.CancelScope(deadline=wake_s) as self._waiting:
                if frames:
                    await link.send(frames)
                frame = await link.receive()
            at_s = trio.current_time()
            if frame is not None:
                recorder.received(identity, frame, at_s)
                station.receive(frame, at_s=at_s)
            self._turn(at_s)
            if link.wake_at_s <= at_s:
                await link.tick(at_s=at_s)

    def _done_here(self, at_s: float) -> bool:
        """Whether the link is of no more use: dark, idle and nothing owed, or time to go."""
        if self._dark_until_s is not None:
            return True
        if self._leave is not None:
            return self.station.drained or at_s >= self._leave.deadline_s
        return self.mode is Mode.IDLE and self.station.drained
