"""What could have stood where a body has a value that is none of the choices."""

from __future__ import annotations

import re
from typing import Any

from msgspec import inspect

_PLACE = re.compile(r"[Ii]nvalid (?:enum )?value .* - at `\$\.?([^`]*)`$")


def choices_at(of: Any, problem: str) -> list[str]:
    """The values that msgspec would have taken for type `of` where it said `problem`; empty when
    the problem is another, or the place takes anything.
    """
    found = _PLACE.search(problem)
    if found is None:
        return []
    steps = [step for step in re.split(r"\.|\[\.*\d*\]", found[1]) if step]
    types = _alternatives(inspect.type_info(of))
    for step in steps[:-1]:
        types = [part for one in types for part in _field(one, step)]
    last = steps[-1] if steps else ""
    tags = [
        one.tag for one in types if isinstance(one, inspect.StructType) and one.tag_field == last
    ]
    values = [value for one in types for part in _field(one, last) for value in _values(part)]
    return list(dict.fromkeys(str(value) for value in tags or values))


def _alternatives(found: inspect.Type) -> list[inspect.Type]:
    """The types that may stand in one place, lists seen as their items."""
    match found:
        case inspect.UnionType(types):
            return [part for one in types for part in _alternatives(one)]
        case inspect.ListType(item_type=item) | inspect.VarTupleType(item_type=item):
            return _alternatives(item)
        case inspect.Metadata(type=inner):
            return _alternatives(inner)
    return [found]


def _field(of: inspect.Type, name: str) -> list[inspect.Type]:
    if not isinstance(of, inspect.StructType):
        return []
    return [
        part
        for field in of.fields
        if field.encode_name == name
        for part in _alternatives(field.type)
    ]


def _values(of: inspect.Type) -> list[object]:
    match of:
        case inspect.LiteralType(values):
            return list(values)
        case inspect.EnumType(cls):
            return [member.value for member in cls]
    return []
