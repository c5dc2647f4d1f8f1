"""One party's side of an OCPP-J conversation, without I/O.

Stations and the embedded CSMS use the same class. Frames and the time go in; `Outcome`s of our own
CALLs, the peer's CALLs and frames to write come out. The rules (OCPP-J 1.6 section 4):

* at most one CALL of ours is open; what is asked meanwhile waits in a bounded queue;
* an open CALL ends exactly once: by its reply, its deadline, or the loss of the link;
* the peer's CALLs are answered at once, whether or not ours is open, so two parties that call each
  other at the same moment cannot deadlock;
* a SEND (2.1) goes beside the open CALL and is never answered; a CALLRESULT that breaks its schema
  is answered CALLRESULTERROR in 2.1, and one about ours is recorded;
* a reply to no open CALL changes nothing and is counted: late (its CALL had timed out), duplicate
  (already answered) or unknown;
* every payload that arrives is checked against the official schema. A violation is recorded with
  the frame. A reply that can still be read is used all the same (a CSMS that adds a field should
  not stop a fleet), a CALL that breaks the schema is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from simfleet.errors import ProtocolViolation, QueueFull
from simfleet.ocpp import frames
from simfleet.ocpp.frames import Call, CallError, CallResult, CallResultError, Malformed, Send
from simfleet.ocpp.results import (
    LINK_LOST,
    TIMED_OUT,
    VIOLATED,
    Outcome,
    Received,
    Violation,
    ViolationKind,
)
from simfleet.ocpp.wire import Wire

if TYPE_CHECKING:
    from simfleet.ocpp.catalog import Action, Catalog

NEVER_S: Final = float("inf")
CALL_TIMEOUT_S: Final = 30.0
QUEUE_MAX: Final = 64
"""CALLs waiting behind the open one."""
EXPIRED_MAX: Final = 16
"""Ids of timed-out CALLs remembered per connection, to tell a late reply from an unknown one."""
VIOLATIONS_MAX: Final = 16
"""Violations kept between two `take_violations`; more are only counted."""
FRAME_KEPT_BYTES: Final = 2048
"""Bytes of an offending frame that a violation keeps."""


class _Waiting(Struct, gc=False):
    """A CALL that waits behind the open one."""

    request: Wire
    due_s: float
    context: object


class Conversation:
    """See the module. One object serves a party across reconnects: message ids go on, `link_lost`
    clears the rest.

    `id_prefix` must differ between the conversations that a peer could confuse; prefix and a
    running number make up the message id, at most 36 characters.
    """

    __slots__ = (
        "_action",
        "_catalog",
        "_context",
        "_count",
        "_due_s",
        "_expired",
        "_id_prefix",
        "_last_id",
        "_open_id",
        "_out",
        "_peer",
        "_queue",
        "_request",
        "_sent_s",
        "_timeout_s",
        "_unanswered",
        "_violations",
        "duplicate_replies",
        "late_replies",
        "overlapping_calls",
        "queue_max",
        "silent",
        "unknown_replies",
        "violations_total",
        "wake_at_s",
    )

    def __init__(
        self,
        catalog: Catalog,
        *,
        role: Literal["station", "csms"],
        id_prefix: str,
        timeout_s: float = CALL_TIMEOUT_S,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        if len(id_prefix) > frames.MESSAGE_ID_MAX - 12:  # room for 10^12 CALLs
            raise ValueError(
                f"id_prefix {id_prefix!r} is longer than {frames.MESSAGE_ID_MAX - 12} characters"
            )
        self._catalog = catalog
        self._peer: Literal["station", "csms"] = "csms" if role == "station" else "station"
        self._id_prefix = id_prefix
        self._timeout_s = timeout_s
        self.queue_max = queue_max
        self.silent = False
        """Broken frames get no CALLERROR: a station that was rejected sends nothing at all."""
        self._count = 0
        self._open_id: str | None = None
        self._action: Action | None = None
        self._request: Wire | None = None
        self._context: object = None
        self._due_s = self._sent_s = 0.0
        self._last_id: str | None = None
        self._expired: tuple[str, ...] = ()
        self._queue: list[_Waiting] | None = (
            None  # made when first needed: most stations never queue
        )
        self._out: list[bytes] = []
        self._violations: list[Violation] | None = None
        self._unanswered = 0
        self.wake_at_s = NEVER_S
        """When `tick` is next needed: the deadline of the open CALL, or infinity."""
        self.late_replies = 0
        self.duplicate_replies = 0
        self.unknown_replies = 0
        self.violations_total = 0
        self.overlapping_calls = 0
        """CALLs of the peer that came while an earlier one was unanswered (forbidden by OCPP-J
        4.1.1).
        """

    # ── our CALLs ─────────────────────────────────────────────────────────────────────────────────

    @property
    def idle(self) -> bool:
        """True when nothing of ours is open or waiting."""
        return self._open_id is None and not self._queue

    @property
    def open_id(self) -> str | None:
        """The id of the open CALL."""
        return self._open_id

    def open_context(self, message_id: str | None) -> object:
        """The context of the open CALL, if it is that of this id."""
        return self._context if message_id == self._open_id else None

    @property
    def open_action(self) -> str | None:
        """The action of the open CALL."""
        return self._action.name if self._action is not None else None

    @property
    def message_ids(self) -> tuple[str, int]:
        """The prefix of the ids of our CALLs, and the number in the last of them."""
        return self._id_prefix, self._count

    def resume_message_ids(self, id_prefix: str, count: int) -> None:
        """Go on counting where another conversation of this party has stopped."""
        self._id_prefix, self._count = id_prefix, count

    def inject(self, text: bytes) -> None:
        """Write something as it is, whatever it is; a reply to it will count as unknown."""
        self._out.append(text)

    def call(
        self, request: Wire, *, at_s: float, due_s: float | None = None, context: object = None
    ) -> None:
        """Send a CALL now, or as soon as the open one has ended.

        `due_s` is when the CALL should have been made (default now); response times count from it.
        Raises `QueueFull` when `queue_max` CALLs wait already; nothing changes then.
        """
        due_s = at_s if due_s is None else due_s
        if self._open_id is None:
            self._send(request, due_s, context, at_s)
            return
        if self._queue is None:
            self._queue = []
        if len(self._queue) >= self.queue_max:
            raise QueueFull("queue of CALLs", self.queue_max)
        self._queue.append(_Waiting(request, due_s, context))

    def send(self, request: Wire) -> None:
        """Send a message that is never answered, beside whatever is open (SEND of OCPP 2.1)."""
        action = self._catalog.of_request[type(request)]
        assert action.response is None, f"{action.name} is a CALL"
        self._count += 1
        self._out.append(frames.send(f"{self._id_prefix}{self._count}", action.name, request))

    def _send(self, request: Wire, due_s: float, context: object, at_s: float) -> None:
        action = self._catalog.of_request[type(request)]
        self._count += 1
        message_id = self._open_id = f"{self._id_prefix}{self._count}"
        self._action, self._request, self._context = action, request, context
        self._due_s, self._sent_s = due_s, at_s
        self.wake_at_s = at_s + self._timeout_s
        self._out.append(frames.call(message_id, action.name, request))

    def _end(self, response: Wire | None, failure: str | None, detail: str, at_s: float) -> Outcome:
        """Close the open CALL and send the next one."""
        assert self._action is not None
        assert self._request is not None
        outcome = Outcome(
            self._action,
            self._request,
            response,
            failure,
            detail,
            self._due_s,
            self._sent_s,
            at_s,
            self._context,
        )
        self._open_id = self._action = self._request = self._context = None
        self.wake_at_s = NEVER_S
        if self._queue:
            waiting = self._queue.pop(0)
            self._send(waiting.request, waiting.due_s, waiting.context, at_s)
        return outcome

    def tick(self, *, at_s: float) -> Outcome | None:
        """End the open CALL if its deadline has passed."""
        if at_s < self.wake_at_s or self._open_id is None:
            return None
        self._expired = (*self._expired[-EXPIRED_MAX + 1 :], self._open_id)
        return self._end(None, TIMED_OUT, f"no reply within {self._timeout_s:g} s", at_s)

    def link_lost(self, *, at_s: float) -> list[Outcome]:
        """Forget the connection. Returns the open CALL, then the waiting ones, ended as
        `LINK_LOST`.
        """
        lost: list[Outcome] = []
        queue, self._queue = self._queue or [], None
        if self._open_id is not None:
            lost.append(self._end(None, LINK_LOST, "the link was lost", at_s))
        lost.extend(
            Outcome(
                self._catalog.of_request[type(waiting.request)],
                waiting.request,
                None,
                LINK_LOST,
                "the link was lost before the CALL was sent",
                waiting.due_s,
                None,
                at_s,
                waiting.context,
            )
            for waiting in queue
        )
        self._out.clear()
        self._expired = ()
        self._last_id = None
        self._unanswered = 0
        return lost

    # ── the peer's CALLs ──────────────────────────────────────────────────────────────────────────

    def answer(self, received: Received, response: Wire) -> None:
        """Answer a CALL of the peer."""
        self._unanswered -= 1
        self._out.append(frames.call_result(received.id, response))

    def refuse(self, received: Received, error_code: str, description: str = "") -> None:
        """Answer a CALL of the peer with a CALLERROR."""
        self._unanswered -= 1
        self._out.append(frames.call_error(received.id, error_code, description))

    def ignore(self, received: Received) -> None:
        """Leave a CALL of the peer without an answer (a fault made on purpose, or OCPP says so)."""
        self._unanswered -= 1

    # ── frames ────────────────────────────────────────────────────────────────────────────────────

    def take_frames(self) -> list[bytes]:
        """What to write now, in order. The caller owns the list."""
        out = self._out
        if out:
            self._out = []
        return out

    @property
    def newest(self) -> bytes | None:
        """What was said last, if it has not been taken yet."""
        return self._out[-1] if self._out else None

    def replace_newest(self, text: bytes) -> None:
        """Write something else instead of what was said last (a fault made on purpose)."""
        self._out[-1] = text

    def take_violations(self) -> list[Violation]:
        """The violations since the last call, at most `VIOLATIONS_MAX`."""
        found, self._violations = self._violations, None
        return found or []

    @property
    def has_violations(self) -> bool:
        """Whether `take_violations` would return any."""
        return self._violations is not None

    def receive(self, data: bytes | str, *, at_s: float) -> Outcome | Received | None:
        """Take one text message of the peer.

        Returns the end of our open CALL, or a CALL to answer, or None where nothing is left to do
        (refused, or a reply that answers nothing). Never raises for anything a peer can send.
        """
        frame = frames.read(data)
        if type(frame) is CallResult:
            return self._result(frame, data, at_s)
        if type(frame) is Call:
            return self._received(frame, data)
        if type(frame) is CallError:
            return self._error(frame, at_s)
        if isinstance(frame, Malformed):
            self._malformed(frame, data)
        elif not self._catalog.has_send:
            kind = 6 if isinstance(frame, Send) else 5
            self._malformed(frames.unknown_type(kind, frame.id), data)
        elif isinstance(frame, Send):
            return self._send_received(frame, data)
        else:
            assert isinstance(frame, CallResultError)
            self._result_refused(frame, data)
        return None

    def _result(self, frame: CallResult, data: bytes | str, at_s: float) -> Outcome | None:
        if frame.id != self._open_id:
            self._stray(frame.id)
            return None
        action = self._action
        assert action is not None
        self._last_id = frame.id
        try:
            response = action.decode_response(frame.payload)
        except ProtocolViolation as violation:
            self._record("schema", action.name, violation, data)
            if self._catalog.has_send:
                self._out.append(
                    frames.call_result_error(frame.id, violation.error_code, violation.description)
                )
            salvaged = action.salvage_response(frame.payload)
            if salvaged is None:
                return self._end(None, VIOLATED, str(violation), at_s)
            response = salvaged
        return self._end(response, None, "", at_s)

    def _error(self, frame: CallError, at_s: float) -> Outcome | None:
        if frame.id != self._open_id:
            self._stray(frame.id)
            return None
        self._last_id = frame.id
        return self._end(None, frame.code, frame.description, at_s)

    def _stray(self, message_id: str) -> None:
        """Count a reply that answers no open CALL."""
        if message_id in self._expired:
            self.late_replies += 1
        elif message_id == self._last_id:
            self.duplicate_replies += 1
        else:
            self.unknown_replies += 1

    def _result_refused(self, frame: CallResultError, data: bytes | str) -> None:
        """The peer could not use an answer of ours: nothing to do but to say so."""
        problem = ProtocolViolation(frame.code[:50], frame.description or "our CALLRESULT")
        self._record("result_refused", "", problem, data)

    def _send_received(self, frame: Send, data: bytes | str) -> Received | None:
        """A message that is never answered, be it right or wrong (OCPP 2.1 part 4)."""
        codes = self._catalog.codes
        action = self._catalog.actions.get(frame.action)
        try:
            if action is None or action.response is not None:
                raise ProtocolViolation(
                    codes.not_implemented, f"{frame.action[:50]!r} is no message that is a SEND"
                )
            if self._peer not in action.sent_by:
                raise ProtocolViolation(
                    codes.not_supported, f"{action.name} is not sent by a {self._peer}"
                )
            return Received(frame.id, action, action.decode_request(frame.payload))
        except ProtocolViolation as violation:
            self._record("schema", frame.action[:50], violation, data)
            return None

    def _received(self, frame: Call, data: bytes | str) -> Received | None:
        codes = self._catalog.codes
        action = self._catalog.actions.get(frame.action)
        if action is None:
            problem = ProtocolViolation(
                codes.not_implemented, f"unknown action {frame.action[:50]!r}"
            )
            self._refuse_violation(frame, "unknown_action", problem, data)
            return None
        if self._peer not in action.sent_by or action.response is None:
            problem = ProtocolViolation(
                codes.not_supported, f"{action.name} is not a CALL of a {self._peer}"
            )
            self._refuse_violation(frame, "wrong_direction", problem, data)
            return None
        if len(frame.id) > frames.MESSAGE_ID_MAX:
            long_id = ProtocolViolation(
                codes.formation, f"message id longer than {frames.MESSAGE_ID_MAX} characters"
            )
            self._record("message_id", action.name, long_id, data)
        try:
            request = action.decode_request(frame.payload)
        except ProtocolViolation as violation:
            self._refuse_violation(frame, "schema", violation, data)
            return None
        self._unanswered += 1
        if self._unanswered > 1:
            self.overlapping_calls += 1
        return Received(frame.id, action, request)

    def _refuse_violation(
        self,
        frame: Call,
        kind: Literal["schema", "unknown_action", "wrong_direction"],
        violation: ProtocolViolation,
        data: bytes | str,
    ) -> None:
        self._record(kind, frame.action[:50], violation, data)
        if not self.silent:
            self._out.append(
                frames.call_error(frame.id, violation.error_code, violation.description)
            )

    def _malformed(self, malformed: Malformed, data: bytes | str) -> None:
        codes = self._catalog.codes
        code = codes.unparseable if malformed.unparseable else codes.call_shape
        if malformed.unknown_type:
            code = codes.unknown_message_type
        self._record("malformed", "", ProtocolViolation(code, malformed.problem), data)
        # A type that 1.6 does not know is ignored (OCPP-J 1.6 4.1.3); 2.x has an error for it.
        ignored = malformed.unknown_type and self._catalog.version == "ocpp1.6"
        if malformed.answer_id is not None and not self.silent and not ignored:
            self._out.append(frames.call_error(malformed.answer_id, code, malformed.problem))

    def _record(
        self,
        kind: ViolationKind,
        action: str,
        violation: ProtocolViolation,
        data: bytes | str,
    ) -> None:
        self.violations_total += 1
        if self._violations is None:
            self._violations = []
        if len(self._violations) < VIOLATIONS_MAX:
            raw = data if isinstance(data, bytes) else data.encode()
            self._violations.append(
                Violation(
                    kind,
                    action,
                    violation.error_code,
                    violation.description,
                    violation.path,
                    bytes(raw[:FRAME_KEPT_BYTES]),
                )
            )
