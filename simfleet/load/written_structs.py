"""Structs of other rooms as a scenario writes them: faults, impairments.

How each field is written follows from its type: what is in seconds there (`for_s`) is a duration
here (`for: 30s`), and a share may be written in percent.
"""

from __future__ import annotations

from types import NoneType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import Meta

from simfleet.documents.fields import Key
from simfleet.documents.kinds import Choice, Duration, Kind, Measure, ScalarKind, Text, Whole
from simfleet.load.command_kinds import Names, Share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SHORTEST_S: Final = 0.001


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what is written: `kind` says of which struct, which `meant` makes."""

    @property
    def kind(self) -> str:
        """The tag of the struct."""
        return str(self.__struct_config__.tag)

    def meant(self, structs: Mapping[str, type[Any]]) -> Any:
        """The struct of its kind, with the fields as they are written."""
        struct = structs[self.kind]
        return struct(**{name: getattr(self, name) for name in struct.__struct_fields__})


Base = TypeVar("Base", bound=Written)


def by_tag(structs: Iterable[type[msgspec.Struct]]) -> dict[str, type[Any]]:
    """The structs by the kind that a scenario names them by."""
    return {str(struct.__struct_config__.tag): struct for struct in structs}


def written(
    structs: Mapping[str, type[msgspec.Struct]], base: type[Base], prefix: str
) -> tuple[type[Base], ...]:
    """Each of them as a scenario writes it, with what `base` adds; `prefix` begins their names."""
    return tuple(
        cast(
            "type[Base]",
            msgspec.defstruct(
                f"{prefix}{struct.__name__}",
                list(_fields(struct)),
                bases=(base,),
                namespace={"__doc__": struct.__doc__},
                module=base.__module__,
                frozen=True,
                kw_only=True,
                tag_field="kind",
                tag=tag,
            ),
        )
        for tag, struct in structs.items()
    )


class _Limits(NamedTuple):
    """What bounds the values of a field, as far as anything does."""

    low: float | None
    high: float | None
    length_max: int | None


class YesNo(ScalarKind):
    """true or false."""

    accepts = "true or false"

    def parse(self, text: str) -> bool:
        """See ScalarKind."""
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text[:40]!r} is not accepted; write {self.accepts}")
        return text.lower() == "true"

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "boolean"}


def _fields(struct: type[msgspec.Struct]) -> Iterator[tuple[Any, ...]]:
    """The fields of a struct as `msgspec.defstruct` wants them, each with its `Key`."""
    hints = _hints(struct)
    for field in msgspec.structs.fields(struct):
        hint, limits, means = hints[field.name]
        per_second = field.name.endswith("_per_s")
        name = field.name if per_second else field.name.removesuffix("_s")
        key = Key(_kind(field.name, hint, limits), means, name if name != field.name else "")
        if field.required:
            yield field.name, Annotated[hint, key]
        else:
            yield field.name, Annotated[hint, key], field.default


def _hints(struct: type[msgspec.Struct]) -> Mapping[str, tuple[Any, _Limits, str]]:
    """Of each field its plain type, its limits and what it means, whatever wraps them."""
    found = {}
    for name, hint in get_type_hints(struct, include_extras=True).items():
        metas: list[Meta] = []
        plain = hint
        while True:
            if get_origin(plain) is Annotated:
                plain, *inside = get_args(plain)
                metas += inside
            elif NoneType in (parts := get_args(plain)):
                plain = next(part for part in parts if part is not NoneType)
            else:
                break
        limits = _Limits(*(_first(metas, name) for name in ("ge", "le", "max_length")))
        found[name] = (plain, limits, _first(metas, "description") or "")
    return found


def _first(metas: list[Meta], name: str) -> Any:
    """What the first of these says that says anything."""
    return next((said for meta in metas if (said := getattr(meta, name)) is not None), None)


def _kind(name: str, hint: Any, limits: _Limits) -> Kind:
    low, high = limits.low, limits.high
    if hint is bool:
        return YesNo()
    if get_origin(hint) is Literal:
        return Choice(*get_args(hint))
    if get_origin(hint) is tuple:
        return Names("the name of an OCPP message")
    if name in ("share", "probability"):
        return Share()
    if hint is int:
        return Whole(int(low or 0), int(high if high is not None else 5))
    if hint is float and name.endswith("_s"):
        assert high is not None
        return Duration(0 if low == 0 else SHORTEST_S, high)
    if hint is float:
        assert low is not None
        assert high is not None
        unit = "Wh" if name == "wh" else "seconds"
        return Measure(low, high, unit, scale=1.0)
    length_max = limits.length_max
    assert length_max is not None
    return Text(f"text of at most {length_max} characters", length_max=length_max)
