"""The OCPP-J envelope: what travels in one WebSocket text message (OCPP-J 1.6 section 4.2).

A frame is a JSON array whose first item is the message type. The payload stays `msgspec.Raw` until
the catalog knows which struct it is; a CALLRESULT does not even say which action it answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, Struct

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGE_ID_MAX = 36
"""Characters in a message id (OCPP-J 1.6 4.1.4)."""

DESCRIPTION_MAX = 255
"""Characters in a CALLERROR description."""

UNKNOWN_ID = "-1"
"""The id in an answer to a frame whose own id could not be read."""


class Call(Struct, array_like=True, tag=2, frozen=True, gc=False):
    """`[2, id, action, payload]`: a request; the peer owes one CALLRESULT or CALLERROR."""

    id: str
    action: str
    payload: Raw


class CallResult(Struct, array_like=True, tag=3, frozen=True, gc=False):
    """`[3, id, payload]`: the answer to the CALL with that id."""

    id: str
    payload: Raw


class CallError(Struct, array_like=True, tag=4, frozen=True, gc=False):
    """`[4, id, code, description, details]`: the CALL with that id could not be handled.

    Description and details are read as optional, because peers in the field leave them out.
    """

    id: str
    code: str
    description: str = ""
    details: Raw = Raw(b"{}")


class CallResultError(Struct, array_like=True, tag=5, frozen=True, gc=False):
    """`[5, id, code, description, details]`: our CALLRESULT could not be used (OCPP 2.1)."""

    id: str
    code: str
    description: str = ""
    details: Raw = Raw(b"{}")


class Send(Struct, array_like=True, tag=6, frozen=True, gc=False):
    """`[6, id, action, payload]`: a message that nobody answers (2.1)."""

    id: str
    action: str
    payload: Raw


class Malformed(Struct, frozen=True, gc=False):
    """Something that came where a frame should be, and what can be said about it.

    `answer_id` is the id to answer with a CALLERROR, or None where nothing may be answered: an
    error only ever answers a CALL, so a broken reply is never answered (two peers could go on for
    ever).
    """

    problem: str
    answer_id: str | None
    unparseable: bool = False
    unknown_type: bool = False


Frame = Call | CallResult | CallError | CallResultError | Send

_DECODE: Final[Callable[[bytes | str], Frame]] = msgspec.json.Decoder(Frame).decode
_ENCODE: Final = msgspec.json.Encoder().encode


def read(data: bytes | str) -> Frame | Malformed:
    """The frame in one text message. Never raises, whatever the bytes are."""
    try:
        return _DECODE(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _diagnose(data)


def call(message_id: str, action: str, payload: Struct) -> bytes:
    """Bytes of a CALL."""
    return _ENCODE((2, message_id, action, payload))


def call_result(message_id: str, payload: Struct) -> bytes:
    """Bytes of a CALLRESULT."""
    return _ENCODE((3, message_id, payload))


def call_error(message_id: str, code: str, description: str = "") -> bytes:
    """Bytes of a CALLERROR; a description over the limit is cut."""
    return _ENCODE((4, message_id, code, description[:DESCRIPTION_MAX], {}))


def call_result_error(message_id: str, code: str, description: str = "") -> bytes:
    """Bytes of a CALLRESULTERROR; a description over the limit is cut."""
    return _ENCODE((5, message_id, code, description[:DESCRIPTION_MAX], {}))


def send(message_id: str, action: str, payload: Struct) -> bytes:
    """Bytes of a SEND."""
    return _ENCODE((6, message_id, action, payload))


def _diagnose(data: bytes | str) -> Malformed:
    """Say what is wrong with a frame that did not decode, and whether its id can be answered."""
    try:
        items = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Malformed(f"not JSON: {error}", UNKNOWN_ID, unparseable=True)
    if not isinstance(items, list) or not items:
        return Malformed("not a JSON array with a message type", UNKNOWN_ID, unparseable=True)
    kind = items[0]
    message_id = items[1] if len(items) > 1 and isinstance(items[1], str) else UNKNOWN_ID
    if kind in (3, 4, 5) and not isinstance(kind, bool):
        return Malformed(
            "a reply that is not [3, id, payload] or [4 or 5, id, code, description, details]", None
        )
    if kind == 6 and not isinstance(kind, bool):
        return Malformed("a SEND that is not [6, id, action, payload]", None)
    if kind == 2 and not isinstance(kind, bool):
        return Malformed("a CALL that is not [2, id, action, payload]", message_id)
    return unknown_type(kind, message_id)


def unknown_type(kind: object, message_id: str) -> Malformed:
    """A frame of a type that the version does not have."""
    # A list or an object may be nested deeper than can be printed.
    shown = str(kind)[:20] if isinstance(kind, int | float | str) else "that is no number"
    return Malformed(f"unknown message type {shown}", message_id, unknown_type=True)
