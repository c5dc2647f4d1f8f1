"""Payloads against the official JSON schemas, and the OCPP error code that a failure gets.

The schemas are those of the `ocpp` package. They are compiled by jsonschema-rs on first use and
checked on every frame that arrives: about 1 us for a MeterValues, where the package's own validator
takes 120 us. Only a payload that fails is looked at more closely.

Versions are spelled as their subprotocols: ``ocpp1.6``, ``ocpp2.0.1``, ``ocpp2.1``.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import jsonschema_rs
import msgspec
from jsonschema_rs import ValidationErrorKind as Kind

from simfleet.errors import ProtocolViolation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DESCRIPTION_MAX: Final = 255
"""Characters in a CALLERROR description (OCPP-J 1.6 4.2.3); paths are cut to the same length."""

# ── error codes ───────────────────────────────────────────────────────────────────────────────────


class ErrorCodes(msgspec.Struct, frozen=True, kw_only=True):
    """The error codes of one version, in its spelling, by what is wrong with a frame or payload."""

    formation: str
    """Not JSON, not an object, an unknown field, too long, a wrong format."""
    occurrence: str
    """A required field is missing, or a list has too few or too many items."""
    type_constraint: str = "TypeConstraintViolation"
    """A value of the wrong JSON type."""
    property_constraint: str = "PropertyConstraintViolation"
    """A value of the right type that is not allowed: not in the enumeration, out of range."""
    unparseable: str
    """A frame that is no OCPP-J frame at all."""
    call_shape: str
    """A CALL that is not [2, id, action, payload]."""
    unknown_message_type: str
    """A frame whose first item is no message type of this version."""
    not_implemented: str = "NotImplemented"
    """An action that this party does not know."""
    not_supported: str = "NotSupported"
    """An action that it knows and does not support, or not from this side."""
    security: str = "SecurityError"
    protocol: str = "ProtocolError"
    internal: str = "InternalError"
    generic: str = "GenericError"
    known: frozenset[str]
    """Every code that a CALLERROR of this version may carry."""


_COMMON: Final = frozenset(
    {
        "GenericError",
        "InternalError",
        "NotImplemented",
        "NotSupported",
        "PropertyConstraintViolation",
        "ProtocolError",
        "SecurityError",
        "TypeConstraintViolation",
    }
)
# The table in OCPP-J 1.6 4.2.3 misspells Occurence; the errata correct it, so peers send both.
_CODES_16: Final = ErrorCodes(
    formation="FormationViolation",
    occurrence="OccurenceConstraintViolation",
    unparseable="GenericError",
    call_shape="FormationViolation",
    unknown_message_type="GenericError",
    known=_COMMON
    | {
        "FormationViolation",
        "OccurenceConstraintViolation",
        "OccurrenceConstraintViolation",
    },
)
_CODES_2: Final = ErrorCodes(
    formation="FormatViolation",
    occurrence="OccurrenceConstraintViolation",
    unparseable="RpcFrameworkError",
    call_shape="RpcFrameworkError",
    unknown_message_type="MessageTypeNotSupported",
    known=_COMMON
    | {
        "FormatViolation",
        "MessageTypeNotSupported",
        "OccurrenceConstraintViolation",
        "RpcFrameworkError",
    },
)
CODES: Final[Mapping[str, ErrorCodes]] = {
    "ocpp1.6": _CODES_16,
    "ocpp2.0.1": _CODES_2,
    "ocpp2.1": _CODES_2,
}

_OCCURRENCE: Final = frozenset(
    {"required", "minItems", "maxItems", "uniqueItems", "additionalItems"}
)
_PROPERTY: Final = frozenset(
    {"enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)


def code_for(keyword: str, codes: ErrorCodes) -> str:
    """The error code for a failure of the JSON-schema keyword `keyword`."""
    if keyword in _OCCURRENCE:
        return codes.occurrence
    if keyword == "type":
        return codes.type_constraint
    if keyword in _PROPERTY:
        return codes.property_constraint
    return codes.formation


# ── schemas ───────────────────────────────────────────────────────────────────────────────────────


@cache
def schemas_dir(version: str) -> Path:
    """Where the `ocpp` package keeps the schemas of a version, such as ``ocpp1.6``.

    The package is located, not imported: its import is slow and brings asyncio along.
    """
    spec = find_spec("ocpp")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the ocpp package, which carries the schemas, is not installed")
    package = Path(spec.submodule_search_locations[0])
    return package / ("v" + version.removeprefix("ocpp").replace(".", "")) / "schemas"


def schema_text(version: str, name: str) -> str:
    """The JSON text of one schema, such as ``("ocpp1.6", "MeterValuesResponse")``."""
    # Some files of the package begin with a byte order mark.
    return (schemas_dir(version) / f"{name}.json").read_text(encoding="utf-8-sig")


class PayloadSchema:
    """The official schema of one message, ready to check payloads."""

    __slots__ = ("_codes", "_is_valid", "_validator")

    def __init__(self, version: str, name: str) -> None:
        self._codes = CODES[version]
        # Draft 4 whatever a schema declares, as the ocpp package does. The security schemas declare
        # draft 6, which differs in one point that matters: it would take 1.0 for an integer.
        self._validator = jsonschema_rs.Draft4Validator(schema_text(version, name))
        self._is_valid = self._validator.is_valid

    def check(self, raw: msgspec.Raw | bytes) -> ProtocolViolation | None:
        """What the schema forbids in this payload, the first in document order, or None."""
        try:
            payload = _UNTYPED.decode(raw)
            return None if self._is_valid(payload) else self._explain(payload)
        except (ValueError, RecursionError) as error:
            return malformed(error, self._codes)

    def _explain(self, payload: object) -> ProtocolViolation:
        if not isinstance(payload, dict):
            description = f"payload is {_json_type(payload)}, expected an object"
            return ProtocolViolation(self._codes.formation, description, path="$")
        first = min(
            self._validator.iter_errors(payload), key=lambda error: _position(error, payload)
        )
        path = [*first.instance_path, *_named_by(first, payload)]
        return ProtocolViolation(
            code_for(first.kind.name, self._codes),
            _cut(_description(first, path)),
            path=_cut(_json_path(path)),
        )


_UNTYPED: Final = msgspec.json.Decoder()

# ── explaining a failure ──────────────────────────────────────────────────────────────────────────

_AT: Final = re.compile(r"^(?P<problem>.*?)(?: - at `(?P<path>\$[^`]*)`)?$", re.DOTALL)
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# At one and the same value, the plainest complaint comes first: a number where a status belongs is
# of a wrong type.
_RANK: Final = {"type": 0, "required": 1, "minItems": 2, "maxItems": 2, "enum": 3}
_RANK_OTHER: Final = 4


def malformed(error: Exception, codes: ErrorCodes) -> ProtocolViolation:
    """The violation for a payload that msgspec cannot decode.

    It is no JSON or no UTF-8, nested too deeply, or has a date-time that does not exist.
    """
    if isinstance(error, RecursionError):
        return ProtocolViolation(codes.formation, "payload is nested too deeply", path="$")
    if isinstance(error, UnicodeDecodeError):
        return ProtocolViolation(codes.formation, "payload is not UTF-8", path="$")
    found = _AT.match(str(error))
    problem, path = (found["problem"], found["path"] or "$") if found else (str(error), "$")
    if path == "$":
        return ProtocolViolation(
            codes.formation, _cut(f"payload cannot be read: {problem}"), path="$"
        )
    field = path.rsplit(".", 1)[-1]
    return ProtocolViolation(
        codes.formation, _cut(f"{field} cannot be read: {problem}"), path=_cut(path)
    )


def _position(error: jsonschema_rs.ValidationError, payload: object) -> tuple[list[int], int]:
    """Sorts failures as a reader meets them: an object, then its fields in the order sent."""
    path: Sequence[str | int] = error.instance_path
    if isinstance(error.kind, Kind.AdditionalProperties):
        path = [*path, *_named_by(error, payload)]
    where: list[int] = []
    for step in path:
        where.append(step if isinstance(step, int) else _key_number(payload, step))
        payload = _inside(payload, step)
    return where, _RANK.get(error.kind.name, _RANK_OTHER)


def _key_number(parent: object, key: str) -> int:
    return list(parent).index(key) if isinstance(parent, dict) else 0


def _inside(parent: object, step: str | int) -> object:
    if isinstance(parent, list) and isinstance(step, int):
        return parent[step]
    return parent[step] if isinstance(parent, dict) else None


def _named_by(error: jsonschema_rs.ValidationError, payload: object) -> list[str]:
    """The field that the failure is about where the instance path stops at the object around it."""
    match error.kind:
        case Kind.Required(property=name):
            return [name]
        case Kind.AdditionalProperties(unexpected=names):
            parent = payload
            for step in error.instance_path:
                parent = _inside(parent, step)
            return [min(names, key=lambda name: _key_number(parent, name))]
    return []


def _description(error: jsonschema_rs.ValidationError, path: Sequence[str | int]) -> str:
    field = _name_of(path)
    value = error.instance
    match error.kind:
        case Kind.Required():
            return f"{field} is required but missing"
        case Kind.AdditionalProperties():
            return f"{field} is not a field here"
        case Kind.Type(types=types):
            return f"{field} is {_json_type(value)}, expected {' or '.join(types)}"
        case Kind.Enum(options=options):
            return f"{field} is {_shown(value)}, expected one of {', '.join(map(str, options))}"
        case Kind.MaxLength(limit=limit) if isinstance(value, str):
            return f"{field} has {len(value)} characters, expected at most {limit}"
        case Kind.MinLength(limit=limit) if isinstance(value, str):
            return f"{field} has {len(value)} characters, expected at least {limit}"
        case Kind.MaxItems(limit=limit) if isinstance(value, list):
            return f"{field} has {len(value)} items, expected at most {limit}"
        case Kind.MinItems(limit=limit) if isinstance(value, list):
            return f"{field} has {len(value)} items, expected at least {limit}"
        case Kind.Minimum(limit=bound):
            return f"{field} is {_shown(value)}, expected at least {_bound(bound)}"
        case Kind.Maximum(limit=bound):
            return f"{field} is {_shown(value)}, expected at most {_bound(bound)}"
        case Kind.MultipleOf(multiple_of=step):
            return f"{field} is {_shown(value)}, expected a multiple of {step}"
        case Kind.Format(format=name):
            return f"{field} is {_shown(value)}, expected a {name}"
        case Kind.Pattern(pattern=pattern):
            return f"{field} is {_shown(value)}, expected a match of {pattern}"
    return f"{field}: {error.message}"


def _name_of(path: Sequence[str | int]) -> str:
    """The last field of a path with its index: ``sampledValue[1]``."""
    indexes = ""
    for step in reversed(path):
        if isinstance(step, str):
            return (step if _PLAIN_KEY.fullmatch(step) else _shown(step)) + indexes
        indexes = f"[{step}]{indexes}"
    return "payload"


def _json_path(path: Sequence[str | int]) -> str:
    """``$.meterValue[0].sampledValue[1].unit``; a key that is no plain word ``["like this"]``."""
    return "$" + "".join(
        f".{step}"
        if isinstance(step, str) and _PLAIN_KEY.fullmatch(step)
        else f"[{json.dumps(step)}]"
        for step in path
    )


_SHOWN_MAX: Final = 60


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 3] + "..."


def _bound(limit: object) -> str:
    return str(limit).removesuffix(".0")  # the schemas write 100.0 for an integer's maximum


def _cut(text: str) -> str:
    return text if len(text) <= DESCRIPTION_MAX else text[: DESCRIPTION_MAX - 3] + "..."


_JSON_TYPES: Final[Mapping[type, str]] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
}


def _json_type(value: object) -> str:
    return _JSON_TYPES.get(type(value), "null")
