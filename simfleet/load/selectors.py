"""Which part of a run a metric is of: `call[Authorize]{stage=peak,slice=berlin}.response.p99`."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from simfleet.documents.quantities import shown

KEYS: Final = ("stage", "slice")
PATTERN: Final = r"\{[^{}]*\}"
"""A selector in a metric's name, for editors."""
_SELECTED = re.compile(r"([^{}]*)\{([^{}]*)\}([^{}]*)", re.DOTALL)
_PLACE = re.compile(r"[a-z_]+(?:\[[^\[\]]*\])?", re.DOTALL)
_EXAMPLE: Final = "call[Authorize]{stage=peak,slice=berlin}.response.p99"


class Selector(msgspec.Struct, frozen=True):
    """A stage by its name, or its number from 0; a slice by its name. None: all."""

    stage: str | None = None
    slice: str | None = None

    @property
    def described(self) -> str:
        """For people: `stage peak, slice berlin`."""
        named = (f"{key} {getattr(self, key)}" for key in KEYS if getattr(self, key) is not None)
        return ", ".join(named)


EVERYTHING: Final = Selector()


def split(name: str) -> tuple[str, Selector]:
    """The name of a metric without its selector, and the selector.

    Raises ValueError with what would be accepted.
    """
    if "{" not in name and "}" not in name:
        return name, EVERYTHING
    found = _SELECTED.fullmatch(name)
    if found is None:
        raise ValueError(f"{shown(name)}: one pair of braces is accepted, such as {_EXAMPLE}")
    before, inside, after = found.groups()
    if not _PLACE.fullmatch(before) or not after.startswith("."):
        right = _moved(before, inside, after)
        raise ValueError(f"{shown(name)}: the selector comes after the first word; write {right}")
    return before + after, _selector(inside)


def _moved(before: str, inside: str, after: str) -> str:
    whole = before + after
    head = _PLACE.match(whole)
    if head is None or not whole[head.end() :].startswith("."):
        return _EXAMPLE
    return f"{head[0]}{{{inside}}}{whole[head.end() :]}"


def _selector(inside: str) -> Selector:
    values: dict[str, str] = {}
    for item in inside.split(","):
        key, equals, value = (part.strip() for part in item.partition("="))
        if key not in KEYS:
            raise ValueError(f"{shown(key)} selects nothing; write stage=name or slice=name")
        if not equals or not value:
            raise ValueError(f"{shown(item.strip())} selects nothing; write {key}=name")
        if key in values:
            raise ValueError(f"{key} is there twice; write it once")
        values[key] = value
    return Selector(**values)
