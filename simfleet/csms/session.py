"""One station's conversation with the CSMS, without I/O.

Frames and the time go in; frames to write come out. The table `ANSWERS` names, for every request a
station can send in OCPP 1.6 and the Security Whitepaper, the method that answers it. What a message
means is noted in the `Book` when it arrives, even when `Behaviour` says that the answer is late,
spoilt or never sent: then a station that asks again is told the same.

Answers are made in `take_frames`, not in `receive`: who feeds all frames that have arrived before
taking any lets the conversation see a station that did not wait for its answer.
"""

from __future__ import annotations

import heapq
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from simfleet.csms.behaviour import applies, chance
from simfleet.csms.spoiling import spoilt_answer
from simfleet.ocpp.results import Outcome, Received
from simfleet.ocpp.rpc import Conversation
from simfleet.ocpp.v16 import V16
from simfleet.ocpp.v16 import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.csms.behaviour import Behaviour, Boot
    from simfleet.csms.book import Book
    from simfleet.csms.records import StationRecord
    from simfleet.ocpp.wire import Wire

COMMAND_TIMEOUT_S: Final = 30.0
"""How long a station may take to answer a CALL of ours."""
HELD_MAX: Final = 256
"""Late answers waiting in one session; a CALL beyond them is left unanswered."""
CLOSE_POLICY: Final = 1008
"""WebSocket close code of a connection that we cut (RFC 6455 section 7.4.1)."""

_REFUSED_BOOT: Final[dict[Boot, m.RegistrationStatus]] = {
    "pending": "Pending",
    "rejected": "Rejected",
}

_INFO: Final = {
    status: m.IdTagInfo(status=status)
    for status in ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
}
_STATUS_NOTED: Final = m.StatusNotificationResponse()
_VALUES_NOTED: Final = m.MeterValuesResponse()
_DIAGNOSTICS_NOTED: Final = m.DiagnosticsStatusNotificationResponse()
_FIRMWARE_NOTED: Final = m.FirmwareStatusNotificationResponse()
_SIGNED_FIRMWARE_NOTED: Final = m.SignedFirmwareStatusNotificationResponse()
_LOG_NOTED: Final = m.LogStatusNotificationResponse()
_EVENT_NOTED: Final = m.SecurityEventNotificationResponse()
_NOT_SIGNED: Final = m.SignCertificateResponse(status="Rejected")
_WILL_SIGN: Final = m.SignCertificateResponse(status="Accepted")
_STOPPED: Final = m.StopTransactionResponse()
_OWN_CALL: Final = m.GetConfigurationRequest(key=["HeartbeatInterval"])
"""What `call-first` sends: it asks for what every station has and changes nothing."""


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
    to the shell, which sends CertificateSigned later; False, or no `sign`, is a refusal.
    Call `opened` first and `closed` last.
    """

    __slots__ = (
        "_answers",
        "_behaviour",
        "_book",
        "_close_in",
        "_conversation",
        "_held",
        "_held_count",
        "_overlapping",
        "_plain",
        "_sign",
        "_wall_offset_s",
        "close_wanted",
        "identity",
        "record",
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
        sign: Callable[[str], bool] | None = None,
    ) -> None:
        self.identity = identity
        self._sign = sign
        self._behaviour = behaviour
        self._book = book
        self._wall_offset_s = wall_offset_s
        self._conversation = Conversation(
            V16, role="csms", id_prefix=f"csms{number}-", timeout_s=COMMAND_TIMEOUT_S
        )
        self._plain = behaviour.answers_plainly
        self._close_in = behaviour.close_after
        self._answers: list[tuple[Received, Wire]] = []
        self._held: list[_Held] = []
        self._held_count = 0
        self._overlapping = 0
        self.close_wanted: tuple[int, str] | None = None
        """Close code and reason, once this connection should be closed by us."""

    # ── the connection ───────────────────────────────────────────────────────────────────────────

    def opened(self, *, at_s: float) -> None:
        """Take the connection into the book. Raises `QueueFull` when the book is full."""
        self.record = self._book.connect(self.identity, at_s=at_s)

    def closed(self, *, at_s: float) -> None:
        """End what was open: commands as `link_lost`, late answers as unanswered."""
        self._book.unanswered += len(self._held) + len(self._answers)
        self._held.clear()
        self._answers.clear()
        for outcome in self._conversation.link_lost(at_s=at_s):
            self._end_command(outcome)
        self._book.disconnect(self.record, at_s=at_s)

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
        book, conversation = self._book, self._conversation
        book.frames_in += 1
        came = conversation.receive(frame, at_s=at_s)
        if type(came) is Received:
            action = came.action.name
            book.calls[action] = book.calls.get(action, 0) + 1
            record = self.record
            record.calls += 1
            if not record.accepted and action != "BootNotification":
                book.calls_before_boot += 1
            response = ANSWERS[type(came.request)](self, came.request, at_s)
            if self._plain:
                self._answers.append((came, response))
            else:
                self._hold_or_answer(came, response, at_s)
            if conversation.overlapping_calls != self._overlapping:
                book.overlapping_calls += conversation.overlapping_calls - self._overlapping
                self._overlapping = conversation.overlapping_calls
        elif came is not None:
            assert isinstance(came, Outcome)
            self._end_command(came)
        else:
            self._count_stray_replies()
        if conversation.has_violations:
            book.note_violations(self.identity, conversation.take_violations())
        if self._close_in is not None:
            self._close_in -= 1
            if self._close_in <= 0:
                self.close_wanted = (CLOSE_POLICY, "told to close after this message")

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
        self._book.frames_out += len(out)
        return out

    def _count_stray_replies(self) -> None:
        book, conversation = self._book, self._conversation
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
        self._conversation.call(request, at_s=at_s, context=ticket)
        return ticket

    def _end_command(self, outcome: Outcome) -> None:
        self._book.note_command(outcome.action.name, outcome.failure or "answered")
        if isinstance(outcome.context, Ticket):
            outcome.context.end(outcome)

    # ── late and spoilt answers ──────────────────────────────────────────────────────────────────

    def _hold_or_answer(self, received: Received, response: Wire, at_s: float) -> None:
        """Decide whether and when a CALL is answered; how, is decided when it is."""
        behaviour, action = self._behaviour, received.action.name
        seen = self.record.calls  # goes on over reconnects, so chances do not repeat
        if applies(behaviour.never_answer, action) or (
            behaviour.drop and chance(behaviour.seed, self.identity, seen, "drop") < behaviour.drop
        ):
            self._leave_unanswered(received)
            return
        delay = behaviour.delay_of(action)
        if delay is None:
            self._answers.append((received, response))
        elif len(self._held) >= HELD_MAX:
            self._leave_unanswered(received)
        else:
            fraction = chance(behaviour.seed, self.identity, seen, "delay")
            self._held_count += 1
            due_s = at_s + delay.at(fraction)
            heapq.heappush(self._held, _Held(due_s, self._held_count, received, response))
        if applies(behaviour.call_first, action) and self._conversation.idle:
            self._conversation.call(_OWN_CALL, at_s=at_s)

    def _leave_unanswered(self, received: Received) -> None:
        self._conversation.ignore(received)
        self._book.unanswered += 1

    def _spoilt(self, answers: list[tuple[Received, Wire]]) -> list[bytes]:
        """The frames to write when answers may be spoilt; a CALL of our own goes first."""
        out = list(self._conversation.take_frames())
        for received, response in answers:
            out += spoilt_answer(self._conversation, self._behaviour, received, response)
        self._book.frames_out += len(out)
        return out

    # ── what each message means ──────────────────────────────────────────────────────────────────

    def _now(self, at_s: float) -> datetime:
        """The CSMS's clock, to the millisecond: many stations cannot read more digits."""
        wall_s = at_s + self._wall_offset_s
        return datetime.fromtimestamp(int(wall_s * 1000) / 1000, UTC)

    def _tag_status(self, id_tag: str) -> m.AuthorizationStatus:
        behaviour = self._behaviour
        return behaviour.tag_statuses.get(id_tag, behaviour.authorize_status)

    def _tag_info(self, id_tag: str, *, may_start: bool) -> m.IdTagInfo:
        """The answer about a tag. `may_start`: it is about to begin another transaction."""
        status = self._tag_status(id_tag)
        behaviour = self._behaviour
        if (
            may_start
            and status == "Accepted"
            and behaviour.refuse_concurrent_tx
            and self._book.has_open(id_tag)
        ):
            status = "ConcurrentTx"
        parent = behaviour.parent_tags.get(id_tag)
        if parent is None:
            return _INFO[status]
        return m.IdTagInfo(status=status, parent_id_tag=parent)

    def _authorize(self, request: m.AuthorizeRequest, at_s: float) -> Wire:
        # Also asked to stop a transaction, so an open one is no reason to refuse (1.6 section 4.1).
        info = self._tag_info(request.id_tag, may_start=False)
        if info.status == "Accepted":
            self.record.last_tag = request.id_tag
        return m.AuthorizeResponse(id_tag_info=info)

    def _boot(self, request: m.BootNotificationRequest, at_s: float) -> Wire:
        behaviour, record = self._behaviour, self.record
        self._book.note_boot(record, request)
        refused = behaviour.boots_refused
        accepted = behaviour.boot == "accepted" or (refused is not None and record.boots > refused)
        record.accepted = accepted
        return m.BootNotificationResponse(
            current_time=self._now(at_s),
            interval=behaviour.heartbeat_interval_s if accepted else behaviour.boot_interval_s,
            status="Accepted" if accepted else _REFUSED_BOOT[behaviour.boot],
        )

    def _data_transfer(self, request: m.DataTransferRequest, at_s: float) -> Wire:
        self._book.upkeep.note_data(request)
        known = request.vendor_id in self._behaviour.known_vendors
        return m.DataTransferResponse(status="Accepted" if known else "UnknownVendorId")

    def _heartbeat(self, request: m.HeartbeatRequest, at_s: float) -> Wire:
        return m.HeartbeatResponse(current_time=self._now(at_s))

    def _meter_values(self, request: m.MeterValuesRequest, at_s: float) -> Wire:
        self._book.note_meter_values(self.record, request)
        return _VALUES_NOTED

    def _start(self, request: m.StartTransactionRequest, at_s: float) -> Wire:
        # A station that sends the message again asks about the same transaction, not a second one.
        repeated = self._book.is_repeated(self.record, request)
        info = self._tag_info(request.id_tag, may_start=not repeated)
        transaction_id = self._book.start(self.record, request)
        if info.status == "Accepted":
            self.record.last_tag = request.id_tag
        return m.StartTransactionResponse(id_tag_info=info, transaction_id=transaction_id)

    def _status(self, request: m.StatusNotificationRequest, at_s: float) -> Wire:
        self._book.note_status(self.record, request)
        return _STATUS_NOTED

    def _stop(self, request: m.StopTransactionRequest, at_s: float) -> Wire:
        self._book.stop(self.record, request)
        if request.id_tag is None:
            return _STOPPED
        info = self._tag_info(request.id_tag, may_start=False)
        return m.StopTransactionResponse(id_tag_info=info)

    def _diagnostics(self, request: m.DiagnosticsStatusNotificationRequest, at_s: float) -> Wire:
        self._book.upkeep.note_diagnostics(self.record.upkeep(), request.status)
        return _DIAGNOSTICS_NOTED

    def _firmware(self, request: m.FirmwareStatusNotificationRequest, at_s: float) -> Wire:
        self._book.upkeep.note_firmware(self.record.upkeep(), request.status)
        return _FIRMWARE_NOTED

    def _signed_firmware(
        self, request: m.SignedFirmwareStatusNotificationRequest, at_s: float
    ) -> Wire:
        self._book.upkeep.note_signed_firmware(self.record.upkeep(), request)
        return _SIGNED_FIRMWARE_NOTED

    def _log(self, request: m.LogStatusNotificationRequest, at_s: float) -> Wire:
        self._book.upkeep.note_log(self.record.upkeep(), request)
        return _LOG_NOTED

    def _security_event(self, request: m.SecurityEventNotificationRequest, at_s: float) -> Wire:
        self._book.upkeep.note_event(self.identity, self.record.upkeep(), request)
        return _EVENT_NOTED

    def _sign_certificate(self, request: m.SignCertificateRequest, at_s: float) -> Wire:
        counts = self._book.upkeep.certificates
        counts["asked"] += 1
        if self._behaviour.sign == "rejected" or self._sign is None or not self._sign(request.csr):
            counts["refused"] += 1
            return _NOT_SIGNED
        return _WILL_SIGN


ANSWERS: Final[Mapping[type[Wire], Callable[[Session, Any, float], Wire]]] = {
    m.AuthorizeRequest: Session._authorize,
    m.BootNotificationRequest: Session._boot,
    m.DataTransferRequest: Session._data_transfer,
    m.DiagnosticsStatusNotificationRequest: Session._diagnostics,
    m.FirmwareStatusNotificationRequest: Session._firmware,
    m.HeartbeatRequest: Session._heartbeat,
    m.LogStatusNotificationRequest: Session._log,
    m.MeterValuesRequest: Session._meter_values,
    m.SecurityEventNotificationRequest: Session._security_event,
    m.SignCertificateRequest: Session._sign_certificate,
    m.SignedFirmwareStatusNotificationRequest: Session._signed_firmware,
    m.StartTransactionRequest: Session._start,
    m.StatusNotificationRequest: Session._status,
    m.StopTransactionRequest: Session._stop,
}
