"""`faults` of a stage: what chargers do wrong on purpose while it lasts, and which of them.

The fields are those of `station.fault_kinds`, so a scenario can say what REST can. How each is
written follows from its type: what is in seconds there (`for_s`) is a duration here (`for: 30s`),
and a share may be written in percent.
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
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import Meta

from simfleet.documents.fields import Draft, Key, OneOf, Part, fields_of
from simfleet.documents.kinds import BAD, Choice, Duration, Kind, Measure, ScalarKind, Text, Whole
from simfleet.load.command_kinds import Names, Share
from simfleet.load.commands import Recipients
from simfleet.ocpp.versions import catalog_of
from simfleet.station.fault_kinds import FAULTS, problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simfleet.documents.nodes import Report
    from simfleet.station.fault_kinds import Fault

STAGE_FAULTS_MAX: Final = 50
SHORTEST_S: Final = 0.001


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


class StageFault(msgspec.Struct, frozen=True, kw_only=True):
    """What chargers do wrong on purpose while a stage lasts."""

    to: Annotated[
        Recipients,
        Key(
            Part(Recipients, "a mapping such as {slice: ac, share: 10%}"),
            "which chargers, of those that the stage has; each fault draws its own",
        ),
    ] = Recipients()

    @property
    def fault(self) -> Fault:
        """The fault that each of them is given."""
        struct = _STRUCTS[str(self.__struct_config__.tag)]
        given = {name: getattr(self, name) for name in struct.__struct_fields__}
        made: Fault = struct(**given)
        return made

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.__struct_config__.tag)


def as_written(struct: type[msgspec.Struct]) -> Iterator[tuple[Any, ...]]:
    """The fields of a fault, or of another struct whose types say all, as `msgspec.defstruct` wants
    them, each with its `Key`.
    """
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


_STRUCTS: Final = {str(struct.__struct_config__.tag): struct for struct in FAULTS}
STAGE_FAULTS: Final[tuple[type[StageFault], ...]] = tuple(
    cast(
        "type[StageFault]",
        msgspec.defstruct(
            f"Stage{struct.__name__}",
            list(as_written(struct)),
            bases=(StageFault,),
            namespace={"__doc__": struct.__doc__},
            module=__name__,
            frozen=True,
            kw_only=True,
            tag_field="kind",
            tag=tag,
        ),
    )
    for tag, struct in _STRUCTS.items()
)
"""The same faults as a scenario writes them."""
FAULT: Final = OneOf("kind", STAGE_FAULTS, "a fault such as {kind: frozen_meter, for: 10s}")


def check_faults(stage: Draft, slices: list[Draft], report: Report) -> None:
    """Report what is wrong with the faults of a stage, each on its own: chargers that the fleet
    does not have, and what its chargers could not do.
    """
    faults = stage.get("faults")
    for draft in () if faults is BAD else faults:
        if draft is BAD:
            continue
        to = draft.get("to")
        wanted = to.get("slices") if isinstance(to, Draft) else to.slices if to is not BAD else ()
        names = [item.get("name") for item in slices]
        if wanted is not BAD and BAD not in names:
            for name in wanted:
                if name not in names:
                    message = f"{name!r} is not a slice of the fleet; write {', '.join(names)}"
                    report(to.place_of("slices"), f"{to.path}.slice", message)
        chosen = [item for item in slices if not wanted or item.get("name") in wanted]
        check_fault(draft, chosen, report)


def check_fault(draft: Draft, slices: list[Draft], report: Report) -> None:
    """Report what chargers of these slices could not do of one fault."""
    fields = fields_of(draft.struct)
    struct = _STRUCTS[str(draft.struct.__struct_config__.tag)]
    given = {name: draft.get(name) for name in struct.__struct_fields__}
    counts = [item.get("connectors") for item in slices]
    if BAD in given.values() or BAD in counts or not counts:
        return
    versions = [item.get("version") for item in slices]
    for version in dict.fromkeys(one for one in versions if one is not BAD):
        found = list(problems(struct(**given), connectors=min(counts), catalog=catalog_of(version)))
        for attribute, message in found:
            name = next(name for name, field in fields.items() if field.attribute == attribute)
            report(draft.place_of(attribute), f"{draft.path}.{name}", message)
        if found:
            return  # once is enough
