"""What a document may hold, said once per field, next to the struct that carries it.

A struct declares each field as `Annotated[type, Key(kind, "what it means")]`. From that one line
come the reader (which finds every problem, with its place), the JSON Schema for editors, and the
check that the reference in `docs/` names everything. msgspec's own conversion is not used for
reading: it stops at the first error and knows no places.

Reading gives a `Draft`, in which fields that could not be read are missing, so that rules across
fields can still be checked on the rest; `Draft.build` makes the struct.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from simfleet.documents.kinds import BAD, Choice, Kind, ScalarKind, Value, described, did_you_mean
from simfleet.documents.nodes import Items, Node, Pairs, Place, Report, Scalar, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class MapOf(Kind):
    """A mapping whose keys are data, not fields.

    `check_key(key)` and `read_value(key, scalar)` raise ValueError; `collect` makes the result of
    the dict.
    """

    def __init__(
        self,
        accepts: str,
        *,
        check_key: Callable[[str], object],
        read_value: Callable[[str, Scalar], Any],
        schema: Callable[[], dict[str, Any]],
        count_max: int,
        collect: Callable[[dict[str, Any]], Any] = dict,
    ) -> None:
        self.accepts = accepts
        self._check_key = check_key
        self._read_value = read_value
        self._schema = schema
        self._count_max = count_max
        self._collect = collect

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if not isinstance(node, Pairs):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
            return BAD
        if len(node.entries) > self._count_max:
            report(
                node.place, path, f"{len(node.entries)} entries; write at most {self._count_max}"
            )
            return BAD
        values = {}
        for key, entry in node.entries.items():
            try:
                self._check_key(key)
            except ValueError as problem:
                report(entry.place, join(path, key), str(problem))
                values[key] = BAD
            else:
                values[key] = self._value(key, entry.value, join(path, key), report)
        return BAD if any(value is BAD for value in values.values()) else self._collect(values)

    def _value(self, key: str, node: Node, path: str, report: Report) -> Value:
        if not isinstance(node, Scalar):
            report(node.place, path, f"one value is expected here, not {described(node)}")
            return BAD
        try:
            return self._read_value(key, node)
        except ValueError as problem:
            report(node.place, path, str(problem))
            return BAD

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "object", "maxProperties": self._count_max} | self._schema()


class PartsByName(Kind):
    """A mapping of names, which are data, to one struct each; reads to a dict of Drafts.

    `check_name(name)` raises ValueError.
    """

    def __init__(
        self,
        struct: type[msgspec.Struct],
        accepts: str,
        *,
        check_name: Callable[[str], object],
        count_max: int,
    ) -> None:
        self.accepts = accepts
        self._part = Part(struct, "a mapping")
        self._check_name = check_name
        self._count_max = count_max

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if not isinstance(node, Pairs):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
            return BAD
        if len(node.entries) > self._count_max:
            report(
                node.place, path, f"{len(node.entries)} entries; write at most {self._count_max}"
            )
            return BAD
        drafts = {}
        for name, entry in node.entries.items():
            try:
                self._check_name(name)
            except ValueError as problem:
                report(entry.place, join(path, name), str(problem))
            drafts[name] = self._part.read(entry.value, join(path, name), report)
        return BAD if any(draft is BAD for draft in drafts.values()) else drafts

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {
            "type": "object",
            "maxProperties": self._count_max,
            "additionalProperties": self._part.json_schema(),
        }


class ListOf(Kind):
    """A list of one kind; reads to a list in which an item that could not be read at all is BAD."""

    def __init__(self, of: Kind, what: str, *, count_min: int, count_max: int) -> None:
        self._of = of
        self._what = what
        self._count_min, self._count_max = count_min, count_max
        self.accepts = f"a list of {what}"

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if not isinstance(node, Items):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
            return BAD
        if not self._count_min <= len(node.nodes) <= self._count_max:
            wanted = f"write {self._count_min} to {self._count_max}"
            report(node.place, path, f"{len(node.nodes)} {self._what}; {wanted}")
            return BAD
        return [self._of.read(item, f"{path}[{n}]", report) for n, item in enumerate(node.nodes)]

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {
            "type": "array",
            "items": self._of.json_schema(),
            "minItems": self._count_min,
            "maxItems": self._count_max,
        }


class Key(msgspec.Struct, frozen=True):
    """How one struct field is written: its kind, what it means, its YAML name if that differs.

    A required field may be left out where the key `unless` stands beside it; somebody else then
    has to put a value into the Draft.
    """

    kind: Kind
    means: str
    name: str = ""
    unless: str = ""


class Field(msgspec.Struct, frozen=True):
    """A Key bound to its struct field. `default` is msgspec.NODEFAULT if the field is required."""

    attribute: str
    name: str
    key: Key
    default: Any

    @property
    def required(self) -> bool:
        """Whether a document must say it."""
        return self.default is msgspec.NODEFAULT


@functools.cache
def fields_of(struct: type[msgspec.Struct]) -> dict[str, Field]:
    """The fields of a struct by the name they have in YAML. One without a Key is not written."""
    hints = get_type_hints(struct, include_extras=True)
    found = {}
    for field in msgspec.structs.fields(struct):
        key = next(iter(getattr(hints[field.name], "__metadata__", ())), None)
        if not isinstance(key, Key):
            continue
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        name = key.name or field.name
        found[name] = Field(field.name, name, key, default)
    return found


def missing(field: Field) -> str:
    """What to say where a required field was left out."""
    return f"{field.name!r} is missing; write {field.name}: {field.key.kind.accepts}"


class Draft:
    """A struct being read: the fields that could be read, and where each was written.

    A field that was left out is present with its default; one that was written badly is missing.
    """

    __slots__ = ("path", "place", "places", "struct", "values")

    def __init__(self, struct: type[msgspec.Struct], place: Place, path: str) -> None:
        self.struct = struct
        self.place = place
        self.path = path
        self.values: dict[str, Any] = {}
        self.places: dict[str, Place] = {}

    def get(self, attribute: str) -> Value:
        """The value, or BAD."""
        return self.values.get(attribute, BAD)

    def place_of(self, attribute: str) -> Place:
        """Where the value was written; where the whole was, if it was left out.

        For a mapping of free keys, `configuration.X` is the place of X in it.
        """
        return self.places.get(attribute, self.place)

    def build(self) -> Value:
        """The struct, and all under it. Only for a draft of which no problem was reported."""
        return self.struct(**{name: _built(value) for name, value in self.values.items()})


def _built(value: Value) -> Value:
    if isinstance(value, Draft):
        return value.build()
    if isinstance(value, dict):
        return {name: _built(item) for name, item in value.items()}
    return tuple(_built(item) for item in value) if isinstance(value, list) else value


class Part(Kind):
    """A mapping with known keys: one struct."""

    def __init__(self, struct: type[msgspec.Struct], accepts: str, *, tag: str = "") -> None:
        self.struct = struct
        self.accepts = accepts
        self._tag = tag

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if not isinstance(node, Pairs):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
            return BAD
        draft = Draft(self.struct, node.place, path)
        fields = fields_of(self.struct)
        for name, entry in node.entries.items():
            if name in fields:
                self._read_field(draft, fields[name], entry.value, report)
            elif name != self._tag:
                accepted = [self._tag, *fields] if self._tag else list(fields)
                near = did_you_mean(name, accepted) or ";"
                message = f"unknown key{near} accepted here: {', '.join(accepted)}"
                report(entry.place, join(path, name), message)
        for name, field in fields.items():
            if name in node.entries:
                continue
            if field.required and field.key.unless and field.key.unless in node.entries:
                continue
            if field.required:
                report(node.place, path, missing(field))
            else:
                draft.values[field.attribute] = field.default
        return draft

    def _read_field(self, draft: Draft, field: Field, node: Node, report: Report) -> None:
        draft.places[field.attribute] = node.place
        if isinstance(field.key.kind, MapOf) and isinstance(node, Pairs):
            for key, entry in node.entries.items():
                draft.places[f"{field.attribute}.{key}"] = entry.value.place
        value = field.key.kind.read(node, join(draft.path, field.name), report)
        if value is not BAD:
            draft.values[field.attribute] = value

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        properties: dict[str, Any] = {self._tag: {"const": self._tag_value()}} if self._tag else {}
        required = [self._tag] if self._tag else []
        for name, field in fields_of(self.struct).items():
            schema = {"description": field.key.means} | field.key.kind.json_schema()
            if field.required:
                required += [] if field.key.unless else [name]
            elif isinstance(field.key.kind, ScalarKind) and field.default is not None:
                schema["default"] = field.key.kind.written(field.default)
            properties[name] = schema
        description = (self.struct.__doc__ or "").strip().splitlines()[0]
        schema = {
            "type": "object",
            "description": description,
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }
        return schema | self._either()

    def _either(self) -> dict[str, Any]:
        """Fields that are required unless another one is there."""
        found: dict[str, list[str]] = {}
        for name, field in fields_of(self.struct).items():
            if field.required and field.key.unless:
                found.setdefault(field.key.unless, []).append(name)
        either = [
            {"anyOf": [{"required": [other]}, {"required": names}]}
            for other, names in found.items()
        ]
        return {"allOf": either} if either else {}

    def _tag_value(self) -> str:
        return str(self.struct.__struct_config__.tag)


class OneOf(Kind):
    """A mapping whose `tag` key says which struct it is."""

    def __init__(self, tag: str, structs: Iterable[type[msgspec.Struct]], accepts: str) -> None:
        self._tag = tag
        self._parts = {
            str(struct.__struct_config__.tag): Part(struct, accepts, tag=tag) for struct in structs
        }
        self._words = Choice(*self._parts)
        self.accepts = accepts

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if not isinstance(node, Pairs):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
            return BAD
        if self._tag not in node.entries:
            report(
                node.place,
                path,
                f"{self._tag!r} is missing; write {self._tag}: {self._words.accepts}",
            )
            return BAD
        word = self._words.read(node.entries[self._tag].value, join(path, self._tag), report)
        return BAD if word is BAD else self._parts[word].read(node, path, report)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"oneOf": [part.json_schema() for part in self._parts.values()]}
