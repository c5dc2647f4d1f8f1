"""A charger whose turn it is, with a link or without: it reads its mail, lets what is due happen,
and obeys what its station asks of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from simfleet.errors import Refused
from simfleet.fleet.backoff import back_off_of
from simfleet.fleet.orders import Away, Leave, Mode, Redial
from simfleet.station.credentials import Given
from simfleet.station.effects import (
    CancelErrand,
    Download,
    MakeCertificateRequest,
    PowerOff,
    PowerOn,
    Reboot,
    Reconnect,
    Upload,
)
from simfleet.station.events import ErrandDone, Retired

if TYPE_CHECKING:
    from simfleet.fleet.orders import Surroundings
    from simfleet.station.effects import Effect
    from simfleet.station.events import Event
    from simfleet.station.station import Station

NEVER_S: Final = float("inf")
MAILBOX_MAX: Final = 64
"""Events that may wait for a charger; it reads them within a turn of the loop."""
CHAT_S: Final = 5.0
"""How long a charger that leaves and owes nothing waits for answers to heartbeats and statuses."""

_FOR_THE_CHARGER: Final = frozenset(
    {
        *(Reboot, PowerOff, PowerOn, Reconnect),
        *(Upload, Download, MakeCertificateRequest, CancelErrand),
    }
)


class TakesTurns:
    """A station with a mailbox. `post` is for everybody; the rest is for the task, which is in
    `actor.Charger`, and which does for it what takes time.

    `mode` is what the charger does, `wished` what it was last told to do.
    """

    __slots__ = (
        "_dark_until_s",
        "_failures",
        "_leave",
        "_leave_told_s",
        "_mail",
        "_pause_s",
        "_powerless",
        "_retry_at_s",
        "_surroundings",
        "_waiting",
        "mode",
        "station",
        "wished",
    )

    def __init__(self, station: Station, surroundings: Surroundings, *, mode: Mode) -> None:
        self.station = station
        self.mode = self.wished = mode
        self._surroundings = surroundings
        self._mail: list[Event | Redial | Away] | None = None
        """Events, or an empty list when only `wished` or `_leave` is new; None: nothing is new."""
        self._waiting: trio.CancelScope | None = None
        self._leave: Leave | None = None
        self._leave_told_s = NEVER_S
        self._dark_until_s: float | None = None
        """When the charger has booted again; None while it is lit, inf without mains."""
        self._powerless = False
        self._failures = 0
        self._pause_s = 0.0
        """The wait after the last failure."""
        self._retry_at_s = -NEVER_S
        given = surroundings.keyring.given(surroundings.options)
        if station.given.password and not given.password:
            # its own, from its plan
            given = Given(password=True, roots=given.roots, certificate=given.certificate)
        station.given = given
        station.gate = surroundings.gate
        if mode is Mode.CHARGING:
            station.engage()

    def post(self, mail: Event | Mode | Leave | Redial | Away) -> bool:
        """Hand something to the charger, read at once. False: the mailbox is full, not taken.

        `Mode` and `Leave` are always taken, and the last of them counts: a `Mode` calls a charger
        back that was told to leave and has not gone yet.
        """
        if self._mail is None:
            self._mail = []
        if isinstance(mail, Mode):
            self.wished, self._leave = mail, None
        elif isinstance(mail, Leave):
            self._leave = mail
            self._leave_told_s = trio.current_time()
        elif len(self._mail) >= MAILBOX_MAX:
            return False
        else:
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

    # ── a turn ──────────────────────────────────────────────────────────────────────────────────

    def _owes(self) -> bool:
        """Whether an idle or leaving charger still has transactions to tell of."""
        return bool(self.station.outbox.durable)

    def _next_moment_s(self) -> float:
        wake_s = self.station.wake_at_s
        return wake_s if self._leave is None else min(wake_s, self._gone_by_s(self._leave))

    def _gone_by_s(self, leave: Leave) -> float:
        """When a charger that leaves goes, answered or not: later if it owes a transaction."""
        if self._owes():
            return leave.deadline_s
        return min(leave.deadline_s, self._leave_told_s + CHAT_S)

    def _turn(self, at_s: float, *, busy: bool = False) -> None:
        """Read the mail, let what is due happen, report.

        `busy`: the task was connecting or parting until now. That makes it late, but says nothing
        about whether this machine keeps up.
        """
        station = self.station
        if self._dark_until_s is not None and at_s >= self._dark_until_s and not station.online:
            self._light_up(at_s)  # with a link still up, it has to be left first
        if self._mail is not None:
            self._read_mail(at_s)
        if station.wake_at_s <= at_s:
            if not busy:
                self._surroundings.recorder.late(at_s - station.wake_at_s)
            station.tick(at_s=at_s)
        effects = station.take_effects()
        if effects:
            self._report(effects, at_s)

    def _read_mail(self, at_s: float) -> None:
        mail, self._mail = self._mail or (), None
        station = self.station
        for event in mail:
            if isinstance(event, Redial):
                if self._dark_until_s is None:  # else it connects anew anyway
                    self._dark_until_s = at_s
                continue
            if isinstance(event, Away):
                if not station.dark:  # else it has no link as long as it is dark
                    self._dark_until_s = at_s + event.for_s
                    self._powerless = event.abrupt
                continue
            if isinstance(event, ErrandDone) and not event.ok:
                self._surroundings.recorder.errand_failed(station.identity, event, at_s=at_s)
            try:
                station.tell(event, at_s=at_s)
            except Refused as refused:
                recorder = self._surroundings.recorder
                recorder.refused(station.identity, event, refused, at_s=at_s)
        if self._leave is not None:
            self.mode = Mode.IDLE
            station.tell(Retired(leaving=True), at_s=at_s)  # again, if an event has begun a session
            if self._retry_at_s > at_s:  # there is little time left: not the long pauses any more
                self._failures = 0
                self._retry_at_s = min(self._retry_at_s, self._pause_ends_s(at_s))
        elif self.wished is not self.mode:
            self.mode = self.wished
            if self.mode is Mode.CHARGING:
                station.engage(at_s=at_s)
            else:
                station.tell(Retired(), at_s=at_s)

    def _report(self, effects: list[Effect], at_s: float) -> None:
        recorder, identity = self._surroundings.recorder, self.station.identity
        for effect in effects:
            if type(effect) in _FOR_THE_CHARGER:
                self._obey(effect, at_s)
            else:
                recorder.effect(identity, effect, at_s)

    def _obey(self, effect: Effect, at_s: float) -> None:
        match effect:
            case Reboot(after_s):
                self._dark_until_s = at_s + after_s
            case PowerOff():
                self._dark_until_s = NEVER_S
                self._powerless = True
            case PowerOn():
                self._dark_until_s = at_s + self.station.spec.reboot_s
            case Reconnect():
                self._dark_until_s = at_s
            case Upload() | Download() | MakeCertificateRequest():
                self._surroundings.errands.take(self, effect)
            case CancelErrand(errand):
                self._surroundings.errands.cancel(self, errand)

    def _light_up(self, at_s: float) -> None:
        self._dark_until_s = None
        self._powerless = False
        if self.station.dark:
            self.station.restarted(at_s=at_s)

    def _pause_ends_s(self, at_s: float) -> float:
        self._failures += 1
        # A stream of its own, so that a lost link does not change what the drivers do.
        chance = self.station.chance.fork(f"pause:{self._failures}")
        back_off = back_off_of(self.station.configuration)
        self._pause_s = back_off.next_s(self._pause_s, failures=self._failures, chance=chance)
        return at_s + self._pause_s
