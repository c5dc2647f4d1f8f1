"""Whether a path can be in a message at all: walked along the message's structs. Pure."""

from __future__ import annotations

import types
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from simfleet.documents.kinds import did_you_mean
from simfleet.load.cases.where import path_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.load.cases.where import Path

_UNIONS: Final = (Union, types.UnionType)


@cache
def _members(struct: type[msgspec.Struct]) -> Mapping[str, Any]:
    """The types of a struct's members by their names in OCPP."""
    hints = get_type_hints(struct)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}


def _plain(hint: Any) -> Any:
    """A type without what says that it may be left out."""
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint = get_args(hint)[0]
        elif origin in _UNIONS:
            inner = [one for one in get_args(hint) if one is not type(None)]
            if len(inner) != 1:
                return Any
            hint = inner[0]
        else:
            return hint


def type_at(hint: Any, path: Path) -> Any:
    """The type of what is at a path; Any where everything may be. Raises ValueError for a path
    that no message of this type has.
    """
    for number, step in enumerate(path):
        hint = _plain(hint)
        if get_origin(hint) is list:
            inside = _plain(get_args(hint)[0])
            if isinstance(step, int):
                hint = inside
                continue
            hint = inside
        elif isinstance(step, int):
            if hint is Any or get_origin(hint) is dict or hint is dict:
                return Any
            raise ValueError(f"{path_text(path[:number])!r} is no list")
        if not (isinstance(hint, type) and issubclass(hint, msgspec.Struct)):
            if hint is Any or hint is dict or get_origin(hint) is dict:
                return Any
            raise ValueError(f"{path_text(path[:number])!r} has nothing inside")
        members = _members(hint)
        name = str(step)
        if name not in members:
            near = did_you_mean(name, members) or f"; it has {', '.join(members) or 'nothing'}"
            inside_of = path_text(path[:number])
            raise ValueError(f"there is no {name[:40]!r}{f' in {inside_of}' * bool(number)}{near}")
        hint = members[name]
    return _plain(hint)


def literals_of(hint: Any) -> tuple[str, ...]:
    """The words that a type allows, or those of its items; empty for a type that is no such
    choice.
    """
    hint = _plain(hint)
    if get_origin(hint) is list:
        hint = _plain(get_args(hint)[0])
    words = get_args(hint) if str(get_origin(hint)) == "typing.Literal" else ()
    return tuple(word for word in words if isinstance(word, str))
