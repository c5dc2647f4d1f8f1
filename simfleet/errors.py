"""Every error a user can cause or see, on one screen.

Text is built from fields, so that a caller can act on the fields and a person can read the text.
Messages say what failed, the value, and what would be accepted; lower case, no full stop. "We
erred" and "the peer erred" are different types: `LinkError` and `ProtocolViolation` are the peer's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class SimFleetError(Exception):
    """Base of everything SimFleet raises on purpose. `code` is the machine-readable name."""

    code: ClassVar[str] = "INTERNAL"


# ── what the user asked for cannot be done ────────────────────────────────────────────────────────


class UsageWrong(SimFleetError):
    """A command-line argument, a path or a value that cannot be used. Exit code 2."""

    code = "USAGE"


class ScenarioInvalid(SimFleetError):
    """A scenario file with mistakes; carries all of them, located. Exit code 104.

    `problems` are complete one-line messages such as ``scenario.yaml:12:5: stages[1].over: "10
    parsecs" is not a duration; write 10s, 500ms, 2m or 1h``.
    """

    code = "SCENARIO_INVALID"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ModelInvalid(ScenarioInvalid):
    """The file of a charger model with mistakes; all of them, located in the same way."""

    code = "MODEL_INVALID"


class PreflightFailed(SimFleetError):
    """This machine cannot carry the load that was asked for (descriptors, ports). Exit code 106."""

    code = "PREFLIGHT"


class TargetUnreachable(SimFleetError):
    """The CSMS cannot be reached, or does not speak OCPP there. Exit code 105."""

    code = "TARGET_UNREACHABLE"


class CsmsFailed(TargetUnreachable):
    """The embedded CSMS did not start, ended by itself, or does not answer what it is asked."""

    code = "CSMS_FAILED"


class Refused(SimFleetError):
    """The state machine says no; nothing was changed."""

    code = "REFUSED"


class Invalid(SimFleetError):
    """A value in a request that cannot be used; the text names it and what would be accepted."""

    code = "VALIDATION_ERROR"


class Unauthorized(SimFleetError):
    """No API key, or one that nobody has."""

    code = "UNAUTHORIZED"

    def __init__(self, text: str = "Authentication required") -> None:
        super().__init__(text)


class Missing(SimFleetError):
    """What is asked for does not exist, or is not the asking user's."""

    code = "NOT_FOUND"


class TooMany(SimFleetError):
    """A rate or a bounded number is used up; worth another try after `retry_after_s`."""

    code = "RATE_LIMITED"

    def __init__(self, text: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class StoreUnusable(UsageWrong):
    """A database that cannot be opened: newer than this program, in use, or none of ours."""

    code = "STORE_UNUSABLE"


class StoreFailed(SimFleetError):
    """The database took nothing of what was to be written, or could not be read; `full`: no room.

    Nothing was changed. What has been accepted before is still there.
    """

    code = "STORE_FAILED"

    def __init__(self, detail: str, *, full: bool = False) -> None:
        super().__init__(f"the database cannot be used just now: {detail}")
        self.detail = detail
        self.full = full


# ── the peer, on the wire ─────────────────────────────────────────────────────────────────────────


class LinkError(SimFleetError):
    """Anything that goes wrong with a WebSocket to a peer."""

    code = "LINK"


class ConnectReason(StrEnum):
    """Why a connection could not be opened; the keys of `summary.json` `connect.failures`."""

    REFUSED = "refused"  # nobody listens there
    RESET = "reset"  # TCP opened, then cut before the handshake was complete (RST or early FIN)
    DNS = "dns"  # the host name does not resolve
    TLS = "tls"  # certificate or TLS alert
    HTTP_STATUS = "http_status"  # answered, but not with 101
    NO_SUBPROTOCOL = "no_subprotocol"  # 101 without the OCPP subprotocol we asked for
    HANDSHAKE = "handshake"  # answered something that is no WebSocket handshake
    TIMED_OUT = "timed_out"  # no answer within the connect timeout
    UNREACHABLE = "unreachable"  # no route, no local port or descriptor left, or another OS error


class ConnectFailed(LinkError):
    """A connection that was never opened. `status` is the HTTP status where there was one."""

    code = "CONNECT_FAILED"

    def __init__(self, reason: ConnectReason, detail: str, *, status: int | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.status = status


class LinkClosed(LinkError):
    """An open connection that is now closed.

    `kind` is one of ``closed`` (close frame, either side), ``eof`` (TCP FIN without close frame),
    ``reset``, ``pong_timeout``, ``stalled`` (the peer reads nothing), ``protocol`` (the peer broke
    RFC 6455), ``cut`` (by SimFleet itself, in a storm or by hand). `code_ws` is the close code
    received, if any.
    """

    code = "LINK_CLOSED"

    def __init__(self, kind: str, detail: str = "", *, code_ws: int | None = None) -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.detail = detail
        self.code_ws = code_ws


class ProtocolViolation(SimFleetError):
    """The peer sent something that OCPP-J or the message schema forbids.

    `error_code` is OCPP's, in the spelling of the version at hand, ready for a CALLERROR; `path` is
    where in the payload ("" for the frame itself); `message_id` is the id if it could be read, else
    "-1".
    """

    code = "PROTOCOL_VIOLATION"

    def __init__(
        self, error_code: str, description: str, *, path: str = "", message_id: str = "-1"
    ) -> None:
        super().__init__(f"{error_code}: {description}" + (f" at {path}" if path else ""))
        self.error_code = error_code
        self.description = description
        self.path = path
        self.message_id = message_id


class QueueFull(SimFleetError):
    """A bounded queue is full; the caller decides what to drop, and counts it."""

    code = "QUEUE_FULL"

    def __init__(self, queue: str, limit: int) -> None:
        super().__init__(f"{queue} is full ({limit})")
        self.queue = queue
        self.limit = limit
