"""Spoiling the frame of a CALL: no OCPP-J at all, or a payload that breaks its schema.

Each function gives other bytes and a few words about them. What breaks the schema is checked
against the schema itself, so that nothing is called invalid that a CSMS would have to accept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simfleet.ocpp.catalog import Action
    from simfleet.ocpp.wire import Wire
    from simfleet.station.chance import Chance

UNKNOWN_TYPE: Final = 7
"""A message type that no version of OCPP-J has."""
NO_ACTION: Final = "NoSuchAction"
NO_VALUE: Final = "NoSuchValue"
LONG_TEXT: Final = "x" * 600
"""Longer than any text of OCPP 1.6 with a limit."""
MALFORMED: Final = ("not_json", "not_an_array", "wrong_type", "unknown_action")
INVALID: Final = ("missing_field", "wrong_type", "too_long", "unknown_value")

Payload = dict[str, Any]


def malformed(frame: bytes, form: str, chance: Chance) -> tuple[bytes, str]:
    """Another frame instead of that of a CALL, and what is wrong with it. `form` is one of
    `MALFORMED`, or `any`.
    """
    if form == "any":
        form = chance.choice(MALFORMED)
    _, message_id, action, payload = msgspec.json.decode(frame)
    match form:
        case "not_json":
            return frame[:-1], "not JSON: the last bracket is missing"
        case "not_an_array":
            named = {"messageTypeId": 2, "uniqueId": message_id, "action": action}
            return msgspec.json.encode({**named, "payload": payload}), "an object, not an array"
        case "wrong_type":
            other = [UNKNOWN_TYPE, message_id, action, payload]
            return msgspec.json.encode(other), f"message type {UNKNOWN_TYPE}"
        case _:
            other = [2, message_id, NO_ACTION, payload]
            return msgspec.json.encode(other), f"unknown action {NO_ACTION}"


def invalid(
    frame: bytes, request: Wire, action: Action, form: str, chance: Chance
) -> tuple[bytes, str]:
    """The frame of a CALL with a payload that breaks the schema, and how. `form` is one of
    `INVALID`, or `any`; where the message has nothing to be spoilt so, another one is taken.
    """
    _, message_id, name, payload = msgspec.json.decode(frame)
    first = chance.choice(INVALID) if form == "any" else form
    forms = [first, *(other for other in INVALID if other != first)]
    for tried in forms:
        spoilt = list(_SPOILERS[tried](payload, type(request)))
        while spoilt:
            found, what = spoilt.pop(chance.integer(0, len(spoilt) - 1))
            if action.check_request(msgspec.json.encode(found)) is not None:
                return msgspec.json.encode([2, message_id, name, found]), what
    found = {**payload, "noSuchField": True}  # a Heartbeat has nothing else to be spoilt
    return msgspec.json.encode([2, message_id, name, found]), "unknown field noSuchField"


Spoilt = tuple[Payload, str]


def _missing(payload: Payload, request: type[Wire]) -> Iterator[Spoilt]:
    for field in fields(request):
        if field.required and field.encode_name in payload:
            rest = {key: value for key, value in payload.items() if key != field.encode_name}
            yield rest, f"{field.encode_name} is missing"


def _mistyped(payload: Payload, _: type[Wire]) -> Iterator[Spoilt]:
    for key, value in payload.items():
        other: object = 12345 if isinstance(value, str) else "text"
        yield {**payload, key: other}, f"{key} is of the wrong type"


def _lengthened(payload: Payload, request: type[Wire]) -> Iterator[Spoilt]:
    hints = get_type_hints(request)
    for field in fields(request):
        free = not _is_listed(hints[field.name])
        if free and isinstance(payload.get(field.encode_name), str):
            yield {**payload, field.encode_name: LONG_TEXT}, f"{field.encode_name} is too long"


def _unlisted(payload: Payload, request: type[Wire]) -> Iterator[Spoilt]:
    """Enumerations of the message, and of what its lists hold, however deep."""
    hints = get_type_hints(request)
    for field in fields(request):
        key, hint = field.encode_name, hints[field.name]
        if key not in payload:
            continue
        if _is_listed(hint):
            yield {**payload, key: NO_VALUE}, f"{key} has an unknown value"
        elif (inner := _struct_of(hint)) is not None:
            value = payload[key]
            first = value[0] if isinstance(value, list) else value
            for spoilt, what in _unlisted(first, inner):
                yield {**payload, key: [spoilt, *value[1:]] if value is not first else spoilt}, what


def _is_listed(hint: object) -> bool:
    """Whether a field is an enumeration, with or without None."""
    return any(get_origin(part) is Literal for part in (hint, *get_args(hint)))


def _struct_of(hint: object) -> type[Wire] | None:
    """The struct that a field is, or that its list holds."""
    for part in (hint, *get_args(hint)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            return part  # type: ignore[return-value]
        if get_origin(part) is list and part is not hint:
            return _struct_of(part)
    return None


_SPOILERS: Final[dict[str, Callable[[Payload, type[Wire]], Iterator[Spoilt]]]] = {
    "missing_field": _missing,
    "wrong_type": _mistyped,
    "too_long": _lengthened,
    "unknown_value": _unlisted,
}
