"""Official schemas and random messages, for tests of the OCPP room.

`messages_of` draws instances of a struct that its schema allows; `ORACLE` judges payloads with the
pure-Python jsonschema, as the `ocpp` package itself does.
"""

from __future__ import annotations

import json
import types
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Union, get_args, get_origin
from urllib.parse import urlsplit

import jsonschema  # type: ignore[import-untyped]
import msgspec
from hypothesis import strategies as st

from simfleet.ocpp.v16 import V16
from simfleet.ocpp.validation import schema_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.errors import ProtocolViolation
    from simfleet.ocpp.catalog import Action
    from simfleet.ocpp.wire import Wire


class Message(NamedTuple):
    """One direction of one action, and its official schema."""

    action: Action
    kind: Literal["request", "response"]

    @property
    def name(self) -> str:
        return f"{self.action.name}.{self.kind}"

    @property
    def struct(self) -> type[Wire]:
        if self.kind == "request":
            return self.action.request
        assert self.action.response is not None
        return self.action.response

    @property
    def schema(self) -> dict[str, Any]:
        return official_schema(self.schema_name)

    @property
    def schema_name(self) -> str:
        return self.action.name + ("" if self.kind == "request" else "Response")

    def check(self, raw: bytes) -> ProtocolViolation | None:
        if self.kind == "request":
            return self.action.check_request(raw)
        return self.action.check_response(raw)

    def decode(self, raw: bytes) -> Wire:
        if self.kind == "request":
            return self.action.decode_request(raw)
        return self.action.decode_response(raw)

    def salvage(self, raw: bytes) -> Wire | None:
        if self.kind == "request":
            return self.action.salvage_request(raw)
        return self.action.salvage_response(raw)


KINDS: tuple[Literal["request"], Literal["response"]] = ("request", "response")
MESSAGES = [Message(action, kind) for action in V16.actions.values() for kind in KINDS]


def official_schema(name: str) -> dict[str, Any]:
    """The schema with its parts in place of references to them."""
    schema: dict[str, Any] = json.loads(schema_text("ocpp1.6", name), parse_float=Decimal)
    inlined: dict[str, Any] = _inlined(schema, schema.get("definitions", {}))
    return inlined


def _inlined(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inlined(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
    return {key: _inlined(value, definitions) for key, value in node.items()}


# ── the oracle ────────────────────────────────────────────────────────────────────────────────────

_FORMATS = jsonschema.FormatChecker(formats=())


@_FORMATS.checks("date-time", raises=ValueError)  # type: ignore[untyped-decorator]
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@_FORMATS.checks("uri", raises=ValueError)  # type: ignore[untyped-decorator]
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or (bool(urlsplit(value).scheme) and " " not in value)


def oracle_for(message: Message) -> Callable[[bytes], bool]:
    """Whether a payload is valid, by the validator the `ocpp` package uses.

    Floats are Decimals, as it makes them for `multipleOf`.
    """
    schema = json.loads(
        schema_text("ocpp1.6", message.schema_name),
        parse_float=Decimal,
    )
    validator = jsonschema.Draft4Validator(schema, format_checker=_FORMATS)
    return lambda raw: bool(validator.is_valid(json.loads(raw, parse_float=Decimal)))


# ── random messages ───────────────────────────────────────────────────────────────────────────────

_CHARACTERS = st.characters(exclude_categories=["Cs"])
_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))
_DATE_TIMES = st.datetimes(
    min_value=datetime(1, 1, 3),
    max_value=datetime(9999, 12, 29),
    timezones=_ZONES,
)
_URIS = st.sampled_from(["ftp://a:b@files.example/up", "https://files.example/fw.bin?v=2"])


def messages_of(struct: type[Wire], schema: dict[str, Any]) -> st.SearchStrategy[Wire]:
    """Instances of the struct whose values the schema allows."""
    known = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    parts: dict[str, st.SearchStrategy[Any]] = {}
    for wire_name, part in schema.get("properties", {}).items():
        values = _values(known[wire_name].type, part)
        if wire_name not in schema.get("required", []):
            values = st.none() | values
        parts[known[wire_name].name] = values
    return st.builds(struct, **parts)


def _values(annotation: Any, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    annotation = without_none(annotation)
    if get_origin(annotation) is list:
        items = _values(get_args(annotation)[0], schema["items"])
        return st.lists(items, min_size=schema.get("minItems", 0), max_size=3)
    if get_origin(annotation) is Literal:
        return st.sampled_from(get_args(annotation))
    if annotation is datetime:
        return _DATE_TIMES
    if annotation is str and schema.get("format") == "uri":
        return _URIS
    if annotation is str:
        longest = schema.get("maxLength", 80)
        exactly = st.text(_CHARACTERS, min_size=1, max_size=1).map(lambda c: c * longest)
        return st.text(_CHARACTERS, max_size=min(longest, 40)) | exactly
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(-(2**31), 2**31 - 1)
    if annotation is float:
        return st.integers(-(10**7), 10**7).map(lambda tenths: tenths / 10)
    return messages_of(annotation, schema)


def without_none(annotation: Any) -> Any:
    """The type in `T | None`."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    (inner,) = (part for part in get_args(annotation) if part is not type(None))
    return inner
