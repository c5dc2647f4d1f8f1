"""One `Record` per OCPP frame, kept as the bytes that were on the wire.

A record is created for every frame of the fleet, and hardly any is ever looked at; so it holds
what is known for free, and everything that needs parsing is a property, computed when asked for.
Whoever wants several of them asks once for `Record.view()`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from simfleet.clock import iso

__all__ = ["Direction", "FrameView", "MessageType", "Record", "RecordFilter"]

Direction = Literal["sent", "received"]
"""As the party that keeps the record sees it; in a fleet: sent by the charger, received by it."""

MessageType = Literal["CALL", "CALLRESULT", "CALLERROR", "CALLRESULTERROR", "SEND", "MALFORMED"]

# OCPP-J 1.6 and 2.0.1 part 4, 4.2: 2, 3, 4; OCPP-J 2.1 adds 5 and 6.
MESSAGE_TYPES: Final[dict[int, MessageType]] = {
    2: "CALL",
    3: "CALLRESULT",
    4: "CALLERROR",
    5: "CALLRESULTERROR",
    6: "SEND",
}
# [type, id, action, payload], [type, id, payload], [type, id, code, description, details]
FRAME_LENGTHS: Final[dict[MessageType, int]] = {
    "CALL": 4,
    "CALLRESULT": 3,
    "CALLERROR": 5,
    "CALLRESULTERROR": 5,
    "SEND": 4,
}

_PARTS = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_NUMBER = msgspec.json.Decoder(int)
_ENCODER = msgspec.json.Encoder()


class FrameView(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one frame says, as far as it can be read.

    `payload` is compact JSON: of a CALL or SEND the request, of a CALLRESULT the response, of an
    error its details; None if MALFORMED. Nothing here is validated against a schema.
    """

    message_type: MessageType = "MALFORMED"
    message_id: str = ""
    action: str = ""
    payload: msgspec.Raw | None = None
    error_code: str = ""
    error_description: str = ""


def view_frame(frame: bytes) -> FrameView:
    """Read the envelope of `frame`; any bytes give a view, MALFORMED if they are no OCPP frame."""
    try:
        # Compact, because a view goes into one line of a log or stream; strict about UTF-8,
        # because Raw passes on whatever it holds.
        parts = _PARTS.decode(msgspec.json.format(frame.decode("utf-8"), indent=-1))
        message_type = MESSAGE_TYPES[_NUMBER.decode(parts[0])]
        if len(parts) != FRAME_LENGTHS[message_type]:
            return FrameView()
        message_id = _TEXT.decode(parts[1])
        if message_type == "CALLRESULT":
            return FrameView(message_type=message_type, message_id=message_id, payload=parts[2])
        name = _TEXT.decode(parts[2])
        if len(parts) == FRAME_LENGTHS["CALL"]:
            return FrameView(
                message_type=message_type, message_id=message_id, action=name, payload=parts[3]
            )
        return FrameView(
            message_type=message_type,
            message_id=message_id,
            error_code=name,
            error_description=_TEXT.decode(parts[3]),
            payload=parts[4],
        )
    except (ValueError, KeyError, IndexError, RecursionError):  # DecodeError is a ValueError
        return FrameView()


class Record(msgspec.Struct, frozen=True, gc=False):
    """One frame that passed between a charger and its CSMS.

    `id` counts up by one per hub, without gaps; `at_wall_s` is Unix seconds; `frame` the message as
    it was on the wire. `call_action` is the action if the publisher knows it: the only way to tell
    what a CALLRESULT answers. `injected` is the kind of the fault on purpose because of which the
    charger sent it, "" for none.
    """

    id: int
    at_wall_s: float
    charger_id: str
    direction: Direction
    frame: bytes
    call_action: str = ""
    injected: str = ""

    def view(self) -> FrameView:
        """Parse the frame, about 1 us; the action is filled in where the publisher knew it."""
        view = view_frame(self.frame)
        if self.call_action and not view.action:
            return msgspec.structs.replace(view, action=self.call_action)
        return view

    @property
    def message_type(self) -> MessageType:
        """CALL, CALLRESULT, ...; MALFORMED if the frame is none of them."""
        return self.view().message_type

    @property
    def message_id(self) -> str:
        """The id that pairs an answer with its CALL; "" if MALFORMED."""
        return self.view().message_id

    @property
    def action(self) -> str:
        """The action, of answers too if the publisher knew it; "" if unknown."""
        return self.call_action or self.view().action

    @property
    def payload(self) -> Any:
        """The payload as plain Python values; None if MALFORMED."""
        payload = self.view().payload
        return None if payload is None else msgspec.json.decode(payload)

    def as_json(self) -> bytes:
        """Return the record as one line of JSON, for streams and logs.

        Keys: ``id at charger direction type``; then, unless MALFORMED, ``messageId action payload``
        and of errors ``errorCode errorDescription``; if MALFORMED, ``frame`` as text instead; at
        last ``injected``, if a fault on purpose sent it.
        """
        view = self.view()
        fields: dict[str, Any] = {
            "id": self.id,
            "at": iso(self.at_wall_s),
            "charger": self.charger_id,
            "direction": self.direction,
            "type": view.message_type,
        }
        if view.message_type == "MALFORMED":
            fields["frame"] = self.frame.decode("utf-8", "backslashreplace")
        else:
            fields["messageId"] = view.message_id
            fields["action"] = view.action
            fields["payload"] = view.payload
        if view.error_code:
            fields["errorCode"] = view.error_code
            fields["errorDescription"] = view.error_description
        if self.injected:
            fields["injected"] = self.injected
        return _ENCODER.encode(fields)


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which records a subscriber wants; None means any. All conditions must hold.

    The cheap ones are tried first: a filter by charger never parses a frame of another charger.
    """

    charger_ids: frozenset[str] | None = None
    direction: Direction | None = None
    actions: frozenset[str] | None = None
    message_types: frozenset[MessageType] | None = None

    def __call__(self, record: Record) -> bool:
        """Whether `record` is wanted."""
        if self.charger_ids is not None and record.charger_id not in self.charger_ids:
            return False
        if self.direction is not None and record.direction != self.direction:
            return False
        if self.actions is not None and record.action not in self.actions:
            return False
        return self.message_types is None or record.message_type in self.message_types
