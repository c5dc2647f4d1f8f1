"""What a fleet's chargers report, put where it belongs: counters, latencies, the ledger, the hub.

Called for every frame and every effect of every charger, so it only counts and appends; nothing
here waits. One object per event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from simfleet.errors import ProtocolViolation
from simfleet.fleet.excuses import SPOILT_KINDS
from simfleet.fleet.labels import Labels
from simfleet.fleet.ledger import Ledger
from simfleet.fleet.outage import Outage
from simfleet.fleet.troubled import Frame, Troubled
from simfleet.observe.counters import Counters
from simfleet.observe.latency import Latencies
from simfleet.ocpp.results import LINK_LOST, TIMED_OUT, VIOLATED, Outcome, Violation
from simfleet.station.effects import (
    CommandHandled,
    DriverMoved,
    Dropped,
    Excused,
    Injected,
    Registered,
    TransactionClosed,
    TransactionDelivered,
    TransactionOpened,
)
from simfleet.station.faulty_notes import energy_wh, told_of
from simfleet.station.outbox import Entry
from simfleet.station.visit import Visit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simfleet.clock import WallClock
    from simfleet.errors import ConnectFailed, Refused
    from simfleet.observe.hub import Hub
    from simfleet.observe.lag import ScheduleLag
    from simfleet.station.effects import Effect
    from simfleet.station.events import ErrandDone, Event
    from simfleet.station.station import Station

_NO_PROBLEM: Final = frozenset({"ended", "cancelled", "cut", "crashed"})
"""Ends of links that nobody is to blame for; a crash is told of by `crashed`."""
PROBLEMS_MAX: Final = 500
"""Problems kept with their cause for `errors.jsonl` and live views; more are only counted."""
_CALL_START: Final = b"[2"


class Problem(Struct, frozen=True):
    """Something that went wrong with one charger, for people to read."""

    at_wall_s: float
    charger_id: str
    kind: str
    detail: str
    frames: tuple[Frame, ...] = ()
    """What the charger had sent and received before, for the first problems of each kind."""


class SliceBooks:
    """What is kept for one slice of a fleet alone."""

    __slots__ = ("booted", "closed", "energy_wh", "latencies", "opened")

    def __init__(self, latencies: Latencies) -> None:
        self.latencies = latencies
        self.booted = 0
        """Chargers that have been accepted at least once."""
        self.opened = 0
        self.closed = 0
        self.energy_wh = 0.0


class Recorder:
    """See the module. `hub` is None where nobody can ever listen (a benchmark's floor)."""

    __slots__ = (
        "_calling",
        "_clock",
        "_doubtful",
        "_everybody",
        "_hub",
        "_labels",
        "_reports",
        "_schedule_lag",
        "_slice_of",
        "booted",
        "counters",
        "latencies",
        "ledger",
        "on_driver",
        "on_problem",
        "on_session",
        "outage",
        "problems",
        "problems_total",
        "slices",
        "spoilt",
        "troubled",
    )

    def __init__(
        self,
        clock: WallClock,
        *,
        hub: Hub | None,
        schedule_lag: ScheduleLag,
        speed: float = 1.0,
    ) -> None:
        """`speed` is how many seconds of the event loop's clock pass in a real one; times and rates
        are kept in real seconds.
        """
        self._clock = clock
        self._hub = hub
        self._schedule_lag = schedule_lag
        self._calling: set[str] = set()
        """Identities with an open CALL."""
        self._doubtful: set[str] = set()
        """Identities whose next CALLs may overtake an answer, see `doubt`."""
        self._labels = Labels()
        """Frames that go out because of faults on purpose."""
        self.counters = Counters(speed=speed)
        self.latencies = Latencies(speed=speed)
        self.slices: dict[str, SliceBooks] = {}
        """By name. Empty where all chargers are of one slice."""
        self._everybody = SliceBooks(self.latencies)
        self._slice_of: dict[str, SliceBooks] = {}
        """By identity; who is missing belongs to no slice."""
        self.ledger = Ledger()
        self.outage = Outage()
        self.booted: set[str] = set()
        """Identities that have been accepted at least once."""
        self.problems: list[Problem] = []
        self.problems_total = 0
        self.troubled = Troubled()
        self.on_problem: Callable[[Problem], None] | None = None
        self.spoilt: Callable[[str, bytes], bool] | None = None
        """Says of a charger's broken frame whether that was done on purpose."""
        self.on_driver: Callable[[str, DriverMoved], None] | None = None
        """Told of every step of a driver who came from outside."""
        self.on_session: (
            Callable[[str, TransactionOpened | TransactionClosed, float], None] | None
        ) = None
        """Told of the beginning and end of every transaction."""
        self._reports: dict[type, Callable[[str, Any, float], None]] = {
            Outcome: self._outcome,
            Violation: self._violation,
            Registered: self._registered,
            CommandHandled: self._command,
            TransactionOpened: self._opened,
            TransactionClosed: self._closed,
            TransactionDelivered: self._delivered,
            Dropped: self._dropped,
            Injected: self._injected,
            Excused: self._excused,
            DriverMoved: self._driver_moved,
        }

    def divide(self, slice_of: Mapping[str, str]) -> None:
        """Keep books for each slice: `slice_of` names it, by identity. Once, before any load."""
        names = list(dict.fromkeys(slice_of.values()))
        if len(names) < 2:
            return
        parts = self.latencies.divide(names)
        self.slices = {name: SliceBooks(parts[name]) for name in names}
        self._slice_of = {identity: self.slices[name] for identity, name in slice_of.items()}

    @property
    def hub(self) -> Hub | None:
        """Where its frames can be listened to; None where nobody can."""
        return self._hub

    # ── frames ──────────────────────────────────────────────────────────────────────────────────

    def sent(self, identity: str, frames: Sequence[bytes], at_s: float) -> None:
        """A charger writes these messages."""
        self.counters.frames_sent.add(at_s, len(frames))
        for frame in frames:
            if frame.startswith(_CALL_START):
                if identity in self._calling:
                    self.ledger.overlap(identity)
                self._calling.add(identity)
                if self._doubtful and identity in self._doubtful:
                    self.ledger.excuses.overlapping_calls += 1
        if self._hub is not None:
            for frame in frames:
                label = self._labels.take(identity, frame) if self._labels else ""
                self._hub.publish(identity, "sent", frame, at_s, injected=label)

    def received(self, identity: str, frame: bytes, at_s: float) -> None:
        """A message has reached a charger."""
        self.counters.frames_received.add(at_s)
        if self._hub is not None:
            label = self._labels.take(identity, frame) if self._labels else ""
            self._hub.publish(identity, "received", frame, at_s, injected=label)

    def label(self, identity: str, frame: bytes, kind: str) -> None:
        """The next of these frames of a charger is as it is because of a fault on purpose."""
        self._labels.put(identity, frame, kind)

    def shown(self, identity: str, frame: bytes, kind: str, *, sent: bool, at_s: float) -> None:
        """A fault on purpose has made this of a frame on its way, or lost it there."""
        if self._hub is not None:
            self._hub.publish(identity, "sent" if sent else "received", frame, at_s, injected=kind)

    # ── connections ─────────────────────────────────────────────────────────────────────────────

    def connecting(self, at_s: float) -> None:
        """A charger begins to connect."""
        self.counters.connect.attempt(at_s)

    def connected(self, *, at_s: float) -> None:
        """A charger's link is up."""
        self.counters.connect.open(at_s)
        self.outage.end()

    def connect_failed(self, identity: str, failure: ConnectFailed, *, at_s: float) -> None:
        """A charger could not connect."""
        self.counters.connect.fail(failure.reason)
        self.outage.attempt_failed(failure)
        self._problem(identity, f"connect:{failure.reason}", failure.detail, at_s)

    def disconnected(self, identity: str, kind: str, detail: str, *, at_s: float) -> None:
        """A link has ended; `kind` ``ended`` and ``cut`` are by us and on purpose."""
        self.counters.disconnect(kind)
        self._calling.discard(identity)
        self._doubtful.discard(identity)
        self._labels.forget(identity)
        if kind not in _NO_PROBLEM:
            self._problem(identity, f"link:{kind}", detail, at_s)
            self.ledger.excuses.doubled.add(identity)  # back before the CSMS knows, maybe
            if not self.counters.connect.connected:
                self.outage.begin(kind, at_s=at_s)

    # ── effects ─────────────────────────────────────────────────────────────────────────────────

    def effect(self, identity: str, effect: Effect, at_s: float) -> None:
        """Something a station reports."""
        self._reports[type(effect)](identity, effect, at_s)

    def late(self, late_s: float) -> None:
        """A charger was woken this long after it wanted to be."""
        self._schedule_lag.record(late_s)

    def refused(self, identity: str, event: Event, refused: Refused, *, at_s: float) -> None:
        """An event that a station did not let happen."""
        self._problem(identity, f"refused:{type(event).__name__}", str(refused), at_s)

    def note(self, identity: str, kind: str, detail: str, *, at_s: float) -> None:
        """A problem that the run itself has found; `identity` may be empty."""
        self._problem(identity, kind, detail, at_s)

    def errand_failed(self, identity: str, done: ErrandDone, *, at_s: float) -> None:
        """A file could not be got or put, or a key not be made."""
        self._problem(identity, f"errand:{done.kind}", done.detail, at_s)

    def crashed(self, identity: str, error: BaseException, *, at_s: float) -> None:
        """A bug of ours ended a charger's task."""
        self.counters.crashes.add(error, charger_id=identity, at_wall_s=self._clock.wall_s(at_s))
        self._problem(identity, "crash", f"{type(error).__name__}: {error}", at_s)

    def departed(self, station: Station) -> None:
        """A charger has gone for good: keep what only it knew."""
        conversation = station.conversation
        self.counters.late_replies += conversation.late_replies
        self.counters.duplicate_replies += conversation.duplicate_replies
        self.counters.unknown_replies += conversation.unknown_replies
        if station.outbox.durable:
            excused = None if station.faults is None else station.faults.left_behind(station)
            for excuse in excused or ():
                self.ledger.excuses.note(station.identity, excuse)
            if excused is None:
                self.ledger.left_behind(station.identity, len(station.outbox.durable))
        self.ledger.part(station.identity)

    def _outcome(self, identity: str, outcome: Outcome, at_s: float) -> None:
        self._calling.discard(identity)
        failure = outcome.failure
        action = outcome.action.name
        sent_s = outcome.sent_s
        latencies = self._slice_of.get(identity, self._everybody).latencies
        if failure is None and sent_s is not None:
            latencies.record(action, outcome.due_s, sent_s, outcome.done_s)
        elif failure == LINK_LOST or sent_s is None:
            latencies.record_lost(action)
            if sent_s is not None:
                self._unknown(identity, outcome)
        elif failure == TIMED_OUT:
            latencies.record_timeout(action, outcome.due_s, sent_s, outcome.done_s)
            self._unknown(identity, outcome)
            self._problem(identity, f"timeout:{action}", outcome.detail, at_s)
        else:
            assert failure is not None
            latencies.record_error(action, failure, outcome.due_s, sent_s, outcome.done_s)
            if failure == VIOLATED or identity in self.ledger.excuses.troubled:
                self._unknown(identity, outcome)  # who refuses on purpose has taken it in, maybe
            self._problem(identity, f"callerror:{action}:{failure}", outcome.detail, at_s)

    def doubt(self, identity: str) -> None:
        """The CSMS may have more than one CALL of a charger to answer, until they are parted: one
        that was given up, or came twice.
        """
        self._doubtful.add(identity)

    def _unknown(self, identity: str, outcome: Outcome) -> None:
        """A CALL was sent and not answered as it should be: it may have reached the CSMS."""
        if outcome.failure != LINK_LOST:
            self._doubtful.add(identity)
        entry = outcome.context
        what, transaction = told_of(entry.message) if isinstance(entry, Entry) else ("", None)
        if transaction is not None and what != "sample":
            self.ledger.unknown(
                identity,
                transaction.number,
                what,
                energy_wh=energy_wh(transaction) if transaction.stop_wh else 0.0,  # not over yet
                by_event=isinstance(transaction, Visit),
            )

    def _violation(self, identity: str, violation: Violation, at_s: float) -> None:
        if self.spoilt is not None and self.spoilt(identity, violation.frame):
            return  # the network did it, not the CSMS
        if violation.kind == "malformed":
            self.counters.malformed_frames += 1
        self.counters.violations.add(
            ProtocolViolation(violation.error_code, violation.description, path=violation.path),
            charger_id=identity,
            frame=violation.frame,
            at_wall_s=self._clock.wall_s(at_s),
            kind=violation.kind,
            action=violation.action,
        )
        detail = f"{violation.error_code}: {violation.description} {violation.path}".strip()
        self._problem(identity, f"violation:{violation.kind}:{violation.action}", detail, at_s)

    def _registered(self, identity: str, effect: Registered, at_s: float) -> None:
        self.counters.boot_answered(effect.status)
        if effect.status == "Accepted":
            if identity not in self.booted:
                self.booted.add(identity)
                self._slice_of.get(identity, self._everybody).booted += 1
        else:
            detail = f"{effect.status}, again in {effect.interval_s:g} s"
            self._problem(identity, "boot", detail, at_s)

    def _command(self, _: str, effect: CommandHandled, __: float) -> None:
        self.counters.command(effect.action, effect.error_code)

    def _opened(self, identity: str, effect: TransactionOpened, at_s: float) -> None:
        if self.on_session is not None:
            self.on_session(identity, effect, at_s)
        self.ledger.open(identity, effect)
        self._slice_of.get(identity, self._everybody).opened += 1

    def _closed(self, identity: str, effect: TransactionClosed, at_s: float) -> None:
        if self.on_session is not None:
            self.on_session(identity, effect, at_s)
        self.ledger.close(identity, effect)
        books = self._slice_of.get(identity, self._everybody)
        books.closed += 1
        books.energy_wh += effect.energy_wh

    def _delivered(self, identity: str, effect: TransactionDelivered, _: float) -> None:
        self.ledger.deliver(identity, effect)

    def _injected(self, identity: str, effect: Injected, _: float) -> None:
        self.counters.injected.add(effect.kind)
        if effect.kind in SPOILT_KINDS:
            self.ledger.excuses.spoilt_frames += 1
        if effect.frame:
            self._labels.put(identity, effect.frame, effect.kind)

    def _excused(self, identity: str, effect: Excused, _: float) -> None:
        self.ledger.excuses.note(identity, effect)

    def _driver_moved(self, identity: str, effect: DriverMoved, _: float) -> None:
        if self.on_driver is not None:
            self.on_driver(identity, effect)

    def _dropped(self, identity: str, effect: Dropped, at_s: float) -> None:
        self.counters.drop(f"{effect.kind}:{effect.why}")
        self._problem(identity, f"dropped:{effect.kind}", effect.why, at_s)

    def _problem(self, identity: str, kind: str, detail: str, at_s: float) -> None:
        self.problems_total += 1
        self.troubled.add(identity, kind)
        if len(self.problems) >= PROBLEMS_MAX and self.on_problem is None:
            return
        frames = self.troubled.frames(identity, kind, self._hub)
        problem = Problem(self._clock.wall_s(at_s), identity, kind, detail[:500], frames)
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)
        if self.on_problem is not None:
            self.on_problem(problem)
