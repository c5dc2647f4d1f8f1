"""One station's conversation with the CSMS, without I/O.

Frames and the time go in; frames to write come out. The table `ANSWERS` names, for every request a
station can send in any version, the function that answers it. What a message means is noted in the
`Book` when it arrives, even when `Behaviour` says that the answer is late, spoilt or never sent:
then a station that asks again is told the same.

Answers are made in `take_frames`, not in `receive`: who feeds all frames that have arrived before
taking any lets the conversation see a station that did not wait for its answer.
"""

from __future__ import annotations

import heapq
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from simfleet.csms.answers import ANSWERS
from simfleet.csms.asking import note_sent
from simfleet.csms.behaviour import applies, chance
from simfleet.csms.convergence import notice
from simfleet.csms.spoiling import spoilt_answer
from simfleet.csms.versions import FIRST, VERSIONS
from simfleet.errors import QueueFull
from simfleet.ocpp.results import Outcome, Received
from simfleet.ocpp.rpc import Conversation

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.csms.behaviour import Behaviour
    from simfleet.csms.book import Book
    from simfleet.csms.records import StationRecord
    from simfleet.ocpp.wire import Wire

COMMAND_TIMEOUT_S: Final = 30.0
"""How long a station may take to answer a CALL of ours."""
HELD_MAX: Final = 256
"""Late answers waiting in one session; a CALL beyond them is left unanswered."""
CLOSE_POLICY: Final = 1008
"""WebSocket close code of a connection that we cut (RFC 6455 section 7.4.1)."""


class Ticket:
    """A CALL of ours to a station; `outcome` is None until it ends, which it does exactly once."""

    __slots__ = ("_when_done", "outcome")

    def __init__(self, when_done: Callable[[Outcome], None] | None = None) -> None:
        self.outcome: Outcome | None = None
        self._when_done = when_done

    def end(self, outcome: Outcome) -> None:
        """Record how it ended and tell who waits."""
        self.outcome = outcome
        if self._when_done is not None:
            self._when_done(outcome)


class _Held(NamedTuple):
    """A late answer; ordered by when it is due, then by arrival."""

    due_s: float
    n: int
    received: Received
    response: Wire


class Session:
    """One connection of a station; see the module.

    `number` tells this connection from all others of the CSMS: it makes our message ids unique.
    `wall_offset_s` is what turns `at_s` into Unix time. `sign` hands a certificate signing request
    to the shell, which sends CertificateSigned later; False, or no `sign`, is a refusal. `ocsp`
    answers OCSPRequestData. `version` is the subprotocol that was negotiated.
    Call `opened` first and `closed` last.
    """

    __slots__ = (
        "_answers",
        "_asked",
        "_close_in",
        "_conversation",
        "_held",
        "_held_count",
        "_ocsp",
        "_overlapping",
        "_plain",
        "_sign",
        "_wall_offset_s",
        "behaviour",
        "book",
        "close_wanted",
        "identity",
        "record",
        "version",
    )

    record: StationRecord

    def __init__(
        self,
        identity: str,
        *,
        behaviour: Behaviour,
        book: Book,
        number: int,
        wall_offset_s: float,
        sign: Callable[..., bool] | None = None,
        ocsp: Callable[[Any], str | None] | None = None,
        version: str = FIRST,
    ) -> None:
        self.version = VERSIONS[version]
        self.identity = identity
        self._sign = sign
        self._ocsp = ocsp
        self.behaviour = behaviour
        self.book = book
        self._wall_offset_s = wall_offset_s
        self._conversation = Conversation(
            self.version.catalog,
            role="csms",
            id_prefix=f"csms{number}-",
            timeout_s=COMMAND_TIMEOUT_S,
        )
        self._plain = behaviour.answers_plainly
        self._close_in = behaviour.close_after
        self._answers: list[tuple[Received, Wire]] = []
        self._asked: frozenset[str] = frozenset()
        """Actions that we have asked the station to send, on this connection."""
        self._held: list[_Held] = []
        self._held_count = 0
        self._overlapping = 0
        self.close_wanted: tuple[int, str] | None = None
        """Close code and reason, once this connection should be closed by us."""

    def behave(self, behaviour: Behaviour) -> None:
        """Answer so from now on; `close_after` counts from here."""
        self.behaviour = behaviour
        self._plain = behaviour.answers_plainly
        self._close_in = behaviour.close_after

    # ── the connection ───────────────────────────────────────────────────────────────────────────

    def opened(self, *, at_s: float) -> None:
        """Take the connection into the book. Raises `QueueFull` when the book is full."""
        self.record = self.book.connect(self.identity, at_s=at_s)
        self.record.version = self.version.name

    def closed(self, *, at_s: float) -> None:
        """End what was open: commands as `link_lost`, late answers as unanswered."""
        self.book.unanswered += len(self._held) + len(self._answers)
        self._held.clear()
        self._answers.clear()
        for outcome in self._conversation.link_lost(at_s=at_s):
            self._end_command(outcome)
        self.book.disconnect(self.record, at_s=at_s)

    @property
    def wake_at_s(self) -> float:
        """When `tick` is next needed; infinity is never."""
        wake_at_s = self._conversation.wake_at_s
        return min(wake_at_s, self._held[0].due_s) if self._held else wake_at_s

    def tick(self, *, at_s: float) -> None:
        """Send the answers that are due, and give up a command that was never answered."""
        outcome = self._conversation.tick(at_s=at_s)
        if outcome is not None:
            self._end_command(outcome)
        while self._held and self._held[0].due_s <= at_s:
            held = heapq.heappop(self._held)
            self._answers.append((held.received, held.response))

    # ── frames ───────────────────────────────────────────────────────────────────────────────────

    def receive(self, frame: bytes | str, *, at_s: float) -> None:
        """Take one text message of the station; whatever it is, this does not raise."""
        book, conversation = self.book, self._conversation
        book.frames_in += 1
        came = conversation.receive(frame, at_s=at_s)
        if type(came) is Received:
            self._received(came, at_s)
            if conversation.overlapping_calls != self._overlapping:
                book.overlapping_calls += conversation.overlapping_calls - self._overlapping
                self._overlapping = conversation.overlapping_calls
        elif came is not None:
            assert isinstance(came, Outcome)
            self._end_command(came)
        else:
            self._count_stray_replies()
        if conversation.has_violations:
            book.wrongs.note(self.identity, conversation.take_violations())
        if self._close_in is not None:
            self._close_in -= 1
            if self._close_in <= 0:
                self.close_wanted = (CLOSE_POLICY, "told to close after this message")

    def _received(self, came: Received, at_s: float) -> None:
        book, record, action = self.book, self.record, came.action.name
        book.calls[action] = book.calls.get(action, 0) + 1
        record.calls += 1
        if not record.accepted and action != "BootNotification":
            book.calls_before_boot += 1
            if self.version.boots_first and not self._asked_for(came):
                self._refuse(came)
                return
        response = ANSWERS[type(came.request)](self, came.request, at_s)
        if record.watches is not None:
            notice(record, action, came.request, book, at_s=at_s)
        if response is None:  # a SEND is not answered, so little can go wrong with that
            self._call_first(action, at_s)
            return
        if self._plain:
            self._answers.append((came, response))
        else:
            self._hold_or_answer(came, response, at_s)

    def _refuse(self, came: Received) -> None:
        """Not before BootNotification was accepted (2.0.1 B02.FR.09, B03.FR.07)."""
        self.book.refused_before_boot += 1
        if came.action.response is not None:
            code = self.version.catalog.codes.security
            self._conversation.refuse(came, code, "BootNotification was not accepted yet")

    def _asked_for(self, came: Received) -> bool:
        """Whether a pending station may say this, for we have asked for it (B02.FR.02)."""
        return came.action.name in self._asked

    def take_frames(self) -> list[bytes]:
        """What to write now, in order."""
        conversation = self._conversation
        if self._answers:
            answers, self._answers = self._answers, []
            if self._plain:
                for received, response in answers:
                    conversation.answer(received, response)
            else:
                return self._spoilt(answers)
        out = conversation.take_frames()
        self.book.frames_out += len(out)
        return out

    def _count_stray_replies(self) -> None:
        book, conversation = self.book, self._conversation
        book.late_replies += conversation.late_replies
        book.duplicate_replies += conversation.duplicate_replies
        book.unknown_replies += conversation.unknown_replies
        conversation.late_replies = conversation.duplicate_replies = 0
        conversation.unknown_replies = 0

    # ── our CALLs ────────────────────────────────────────────────────────────────────────────────

    def command(
        self,
        request: Wire,
        *,
        at_s: float,
        when_done: Callable[[Outcome], None] | None = None,
    ) -> Ticket:
        """Send a CALL to the station, after those that wait already.

        `when_done` is called once with how it ended, be it with the loss of the connection.
        Raises `QueueFull`.
        """
        ticket = Ticket(when_done)
        if self.version.boots_first:
            asked = self.version.asks_for(request)
            if asked is not None:
                self._asked |= {asked}
            note_sent(self.record, self.version, request)
        self._conversation.call(request, at_s=at_s, context=ticket)
        return ticket

    def _end_command(self, outcome: Outcome) -> None:
        self.book.note_command(outcome.action.name, outcome.failure or "answered")
        if isinstance(outcome.context, Ticket):
            outcome.context.end(outcome)

    # ── late and spoilt answers ──────────────────────────────────────────────────────────────────

    def _hold_or_answer(self, received: Received, response: Wire, at_s: float) -> None:
        """Decide whether and when a CALL is answered; how, is decided when it is."""
        behaviour, action = self.behaviour, received.action.name
        seen = self.record.calls  # goes on over reconnects, so chances do not repeat
        if applies(behaviour.never_answer, action) or (
            behaviour.drop and chance(behaviour.seed, self.identity, seen, "drop") < behaviour.drop
        ):
            self._leave_unanswered(received)
            return
        delay = behaviour.delay_of(action)
        if behaviour.throttle is not None:
            answered_s = self.book.next_answer_s(at_s, every_s=1 / behaviour.throttle)
        else:
            answered_s = at_s
        if delay is None and behaviour.throttle is None:
            self._answers.append((received, response))
        elif len(self._held) >= HELD_MAX:
            self._leave_unanswered(received)
        else:
            self._held_count += 1
            due_s = answered_s
            if delay is not None:
                due_s += delay.at(chance(behaviour.seed, self.identity, seen, "delay"))
            heapq.heappush(self._held, _Held(due_s, self._held_count, received, response))
        self._call_first(action, at_s)

    def _call_first(self, action: str, at_s: float) -> None:
        if applies(self.behaviour.call_first, action) and self._conversation.idle:
            self._conversation.call(self.version.own_call, at_s=at_s)

    def _leave_unanswered(self, received: Received) -> None:
        self._conversation.ignore(received)
        self.book.unanswered += 1

    def _spoilt(self, answers: list[tuple[Received, Wire]]) -> list[bytes]:
        """The frames to write when answers may be spoilt; a CALL of our own goes first."""
        out = list(self._conversation.take_frames())
        for received, response in answers:
            out += spoilt_answer(self._conversation, self.behaviour, received, response)
        self.book.frames_out += len(out)
        return out

    # ── for the answers ──────────────────────────────────────────────────────────────────────────

    def now(self, at_s: float) -> datetime:
        """The CSMS's clock, to the millisecond: many stations cannot read more digits."""
        wall_s = at_s + self._wall_offset_s
        return datetime.fromtimestamp(int(wall_s * 1000) / 1000, UTC)

    def registered(self) -> tuple[Literal["Accepted", "Pending", "Rejected"], int]:
        """Whether the station is accepted after the BootNotification that the book has just noted,
        and the interval to tell it, in seconds.
        """
        behaviour, record = self.behaviour, self.record
        refused = behaviour.boots_refused
        record.accepted = behaviour.boot == "accepted" or (
            refused is not None and record.boots > refused
        )
        if record.accepted:
            return "Accepted", behaviour.heartbeat_interval_s
        return "Pending" if behaviour.boot == "pending" else "Rejected", behaviour.boot_interval_s

    def say(self, request: Wire, *, at_s: float) -> None:
        """Send a CALL because of what the station has said, if not too many wait already."""
        with suppress(QueueFull):
            self.command(request, at_s=at_s)

    def ocsp(self, asked: Any) -> str | None:
        """What an OCSP responder says of a certificate; None for no answer."""
        return None if self._ocsp is None else self._ocsp(asked)

    def sign(self, csr: str, **wanted: Any) -> bool:
        """Have a certificate made and sent; `wanted` is what 2.x says of it besides."""
        return self._sign is not None and self._sign(csr, **wanted)
