"""Requests in, answers out: JSON to msgspec types and back, strictly.

A body must say what it is (415), be at most `BODY_MAX_BYTES` (413), be JSON (400 INVALID_JSON) and
be what the type says, without unknown fields (400 VALIDATION_ERROR, naming the path).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import msgspec
from quart import Response, request
from werkzeug.exceptions import UnsupportedMediaType

from simfleet.api.choices import choices_at
from simfleet.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Media", "NotJson", "RawBody", "body", "json_response", "query", "raw_body"]

T = TypeVar("T")
JSON: Final = "application/json"


class NotJson(Invalid):
    """A body that is no JSON at all."""

    code = "INVALID_JSON"


class Media(msgspec.Struct, frozen=True):
    """A body or an answer that is not JSON of a type: its media types, the first the usual one."""

    types: tuple[str, ...]
    description: str = ""


class RawBody(msgspec.Struct, frozen=True):
    """A body as it came; `media_type` is one of those that the route accepts."""

    media_type: str
    content: bytes


async def body(of: type[T]) -> T:
    """The body of the current request as `of`. See the module for how it can fail."""
    raw = await raw_body((JSON,))
    try:
        return cast("T", _decoder(cast("Any", of)).decode(raw.content))
    except msgspec.ValidationError as error:
        raise Invalid(_explained(of, str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJson(f"the body is not JSON: {error}") from None
    except RecursionError:
        raise NotJson("the body is nested too deeply") from None


async def raw_body(types: Sequence[str]) -> RawBody:
    """The body of the current request, if it is of one of the media `types`; otherwise 415."""
    media_type = (request.mimetype or "").lower()
    if media_type not in types:
        given = f"not {media_type!r}" if media_type else "and say so"
        raise UnsupportedMediaType(f"send Content-Type: {' or '.join(types)}, {given}")
    content = cast("bytes", await request.get_data(cache=False))
    return RawBody(media_type, content)


def query(of: type[T]) -> T:
    """The query parameters of the current request that the struct `of` names; others are let be.

    Numbers and booleans are read from text. The first of several values counts.
    """
    fields = msgspec.structs.fields(cast("Any", of))
    names = {field.name: field.encode_name for field in fields if field.encode_name in request.args}
    given = {name: request.args[name] for name in names.values()}
    try:
        found = msgspec.convert(given, type=of, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"query: {_explained(of, str(error))}") from None
    for field, name in names.items():
        if getattr(found, field) is None:  # msgspec reads the text "null" as null
            raise Invalid(f"query: {given[name]!r} is no value of {name}; leave it out instead")
    return found


def json_response(answer: object, status: int) -> Response:
    """`answer` as JSON, in the order of its fields."""
    return Response(msgspec.json.encode(answer), status=status, content_type=JSON)


@cache
def _decoder(of: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(of)


def _explained(of: Any, problem: str) -> str:
    """What msgspec says in plain words, with the choices where there are some."""
    choices = choices_at(of, problem)
    could_be = f"; it is one of {', '.join(choices)}" if choices else ""
    return _in_plain_words(problem) + could_be


def _in_plain_words(text: str) -> str:
    """What msgspec says, without its type syntax: ``expected int >= 1 - at num_connectors``."""
    text = text.replace("`$.", "`").replace(" - at `$`", "").replace("`", "")
    text = text.replace("Object contains", "there is an").replace("Object missing", "there is no")
    text = text.replace("an unknown field", "unknown field")
    return text[:1].lower() + text[1:]
