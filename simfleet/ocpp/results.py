"""What a conversation tells its party: how our CALL ended, a CALL of the peer, a broken rule."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import Struct

from simfleet.ocpp.catalog import Action
from simfleet.ocpp.wire import Wire

TIMED_OUT: Final = "timeout"
LINK_LOST: Final = "link_lost"
VIOLATED: Final = "violation"

ViolationKind = Literal[
    "malformed",
    "schema",
    "message_id",
    "unknown_action",
    "wrong_direction",
    "result_refused",
]


class Outcome(Struct, frozen=True, gc=False):
    """How one CALL of ours ended. All times are monotonic seconds.

    `failure` is None when a CALLRESULT came that could be read; otherwise `TIMED_OUT`, `LINK_LOST`,
    `VIOLATED` (a CALLRESULT that could not be read), or the code of the CALLERROR. `sent_s` is None
    for a CALL that never left the queue. `context` is what `call()` was given.
    """

    action: Action
    request: Wire
    response: Wire | None
    failure: str | None
    detail: str
    due_s: float
    sent_s: float | None
    done_s: float
    context: object


class Received(Struct, frozen=True, gc=False):
    """A valid CALL of the peer, which owes exactly one `answer()` or `refuse()`; or a SEND (its
    action has no response), which owes nothing.
    """

    id: str
    action: Action
    request: Wire


class Violation(Struct, frozen=True, gc=False):
    """The peer broke the protocol or a schema; `frame` is the start of what it sent."""

    kind: ViolationKind
    action: str
    error_code: str
    description: str
    path: str
    frame: bytes
