"""Which messages a version has: who sends them, what they carry, and how to read them.

A fleet uses about ten of a version's messages, so decoders and validators are made on first use.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from simfleet.errors import ProtocolViolation
from simfleet.ocpp.validation import CODES, ErrorCodes, PayloadSchema, malformed
from simfleet.ocpp.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import ModuleType

Role = Literal["station", "csms"]

_EMPTY: Final = (msgspec.Raw(b"{}"), b"{}")


class _Reader:
    """Reads payloads of one message: the schema's check first, then the struct."""

    __slots__ = ("_codes", "_decoder", "_empty", "_schema")

    def __init__(self, version: str, schema_name: str, struct: type[Wire]) -> None:
        self._codes = CODES[version]
        self._schema = PayloadSchema(version, schema_name)
        self._decoder = msgspec.json.Decoder(struct)
        # Most replies of a CSMS are `{}`, and structs are frozen: one instance serves them all.
        allowed = self._schema.check(b"{}") is None
        self._empty: Wire | None = self._decoder.decode(b"{}") if allowed else None

    def decode(self, raw: msgspec.Raw | bytes) -> Wire:
        if raw in _EMPTY and self._empty is not None:
            return self._empty
        violation = self._schema.check(raw)
        if violation is not None:
            raise violation
        try:
            return self._decoder.decode(raw)
        except (
            ValueError,
            RecursionError,
        ) as error:  # such as a leap second, which datetime has not
            raise malformed(error, self._codes) from None

    def salvage(self, raw: msgspec.Raw | bytes) -> Wire | None:
        try:
            return _zoned(self._decoder.decode(raw))
        except (ValueError, RecursionError):
            return None


class Action:
    """One message of one version: its request, its response, and how to read both."""

    __slots__ = (
        "_requests",
        "_responses",
        "_schemas",
        "block",
        "name",
        "request",
        "response",
        "sent_by",
        "version",
    )

    def __init__(
        self,
        name: str,
        *,
        version: str,
        block: str,
        sent_by: frozenset[Role],
        request: type[Wire],
        response: type[Wire] | None,
        schemas: tuple[str, str],
    ) -> None:
        self.name = name
        self.version = version
        """The subprotocol name, such as ``ocpp1.6``."""
        self.block = block
        """The feature profile (1.6) or functional block (2.x) it is in: ``SmartCharging``."""
        self.sent_by = sent_by
        self.request = request
        self.response = response
        """None for a message that is never answered (a SEND of OCPP 2.1)."""
        self._schemas = schemas
        self._requests: _Reader | None = None
        self._responses: _Reader | None = None

    def __repr__(self) -> str:
        return f"<{self.version} {self.name}>"

    def decode_request(self, raw: msgspec.Raw | bytes) -> Wire:
        """The request in a CALL's payload.

        Raises ProtocolViolation, and nothing else, for what the schema forbids.
        """
        return (self._requests or self._request_reader()).decode(raw)

    def decode_response(self, raw: msgspec.Raw | bytes) -> Wire:
        """The response in a CALLRESULT's payload.

        Raises ProtocolViolation, and nothing else, for what the schema forbids.
        """
        return (self._responses or self._response_reader()).decode(raw)

    def check_request(self, raw: msgspec.Raw | bytes) -> ProtocolViolation | None:
        """What decode_request would raise for this payload, or None."""
        return _violation(self._requests or self._request_reader(), raw)

    def check_response(self, raw: msgspec.Raw | bytes) -> ProtocolViolation | None:
        """What decode_response would raise for this payload, or None."""
        return _violation(self._responses or self._response_reader(), raw)

    def salvage_request(self, raw: msgspec.Raw | bytes) -> Wire | None:
        """The request as far as it can be understood, or None: like salvage_response."""
        return (self._requests or self._request_reader()).salvage(raw)

    def salvage_response(self, raw: msgspec.Raw | bytes) -> Wire | None:
        """The response as far as it can be understood, whatever the schema says, or None.

        Unknown fields and excess length are ignored, null stands for an absent field, and a
        date-time without a time zone is taken as UTC. For going on with a CSMS that breaks the
        schema, once the violation is recorded.
        """
        return (self._responses or self._response_reader()).salvage(raw)

    def warm_up(self) -> None:
        """Compile the schemas and decoders now rather than at the first message."""
        self._request_reader()
        if self.response is not None:
            self._response_reader()

    def _request_reader(self) -> _Reader:
        if self._requests is None:
            self._requests = _Reader(self.version, self._schemas[0], self.request)
        return self._requests

    def _response_reader(self) -> _Reader:
        if self._responses is None:
            assert self.response is not None, f"{self.name} is never answered"
            self._responses = _Reader(self.version, self._schemas[1], self.response)
        return self._responses


class Catalog:
    """All messages of one version."""

    __slots__ = ("actions", "codes", "has_send", "of_request", "version")

    def __init__(self, version: str, actions: Iterable[Action]) -> None:
        self.version = version
        """The subprotocol name, such as ``ocpp1.6``."""
        self.codes: ErrorCodes = CODES[version]
        self.has_send = version == "ocpp2.1"
        """Whether CALLRESULTERROR and SEND exist (OCPP 2.1 part 4, message types 5 and 6)."""
        self.actions: Mapping[str, Action] = MappingProxyType(
            {action.name: action for action in actions}
        )
        self.of_request: Mapping[type[Wire], Action] = MappingProxyType(
            {action.request: action for action in self.actions.values()}
        )

    def __repr__(self) -> str:
        return f"<{self.version}: {len(self.actions)} messages>"

    def warm_up(self) -> None:
        """Compile every schema and decoder now, so that no first message pays for it."""
        for action in self.actions.values():
            action.warm_up()


def actions_of(
    version: str,
    messages: ModuleType,
    *,
    station: Mapping[str, str],
    csms: Mapping[str, str],
) -> Iterator[Action]:
    """The actions of a version: names, parted by spaces, of what each side sends, by block."""
    blocks: dict[str, str] = {}
    senders: dict[str, set[Role]] = {}
    sides: tuple[tuple[Role, Mapping[str, str]], ...] = (("station", station), ("csms", csms))
    for role, table in sides:
        for block, names in table.items():
            for name in names.split():
                blocks[name] = block
                senders.setdefault(name, set()).add(role)
    suffix = "" if version == "ocpp1.6" else "Request"
    for name in sorted(blocks):
        response = getattr(messages, f"{name}Response", None)
        # Without a response a schema is called like its action in all versions.
        request_schema = f"{name}{suffix}" if response is not None else name
        yield Action(
            name,
            version=version,
            block=blocks[name],
            sent_by=frozenset(senders[name]),
            request=getattr(messages, f"{name}Request"),
            response=response,
            schemas=(request_schema, f"{name}Response"),
        )


def _violation(reader: _Reader, raw: msgspec.Raw | bytes) -> ProtocolViolation | None:
    try:
        reader.decode(raw)
    except ProtocolViolation as violation:
        return violation
    return None


def _zoned(message: Wire) -> Wire:
    """The same message with every date-time that has no time zone taken as UTC."""
    fields = message.__struct_fields__
    return type(message)(**{name: _zoned_value(getattr(message, name)) for name in fields})


def _zoned_value(value: object) -> object:
    match value:
        case datetime(tzinfo=None):
            return value.replace(tzinfo=UTC)
        case list():
            return [_zoned_value(item) for item in value]
        case Wire():
            return _zoned(value)
    return value
