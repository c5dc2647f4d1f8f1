"""What the values of a case may be: steps, conditions, comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.documents.fields import Draft, Part
from simfleet.documents.kinds import BAD, Kind, ScalarKind, Value, described, did_you_mean
from simfleet.documents.nodes import Items, Node, Pairs, Report, Scalar, join
from simfleet.load.cases.where import (
    CONDITIONS_MAX,
    Comparison,
    Where,
    comparison_of,
    path_of,
    size,
)
from simfleet.load.command_kinds import read_json
from simfleet.load.command_rules import CommandDraft

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

BARE = "a step such as `plug`, or `expect: {sent: StatusNotification}`"


class StepKind(Kind):
    """A step: one word, with what belongs to it. Reads to a Draft of `Step`."""

    accepts = BARE

    def __init__(self, words: Mapping[str, Kind]) -> None:
        self._words = words

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        from simfleet.load.cases.steps import Step

        inner: Node = node
        if isinstance(node, Scalar) and node.text:
            word = node.text
        elif isinstance(node, Pairs) and len(node.entries) == 1:
            ((word, entry),) = node.entries.items()
            inner = entry.value
        else:
            what = (
                f"{len(node.entries)} keys"
                if isinstance(node, Pairs) and node.entries
                else described(node)
            )
            report(node.place, path, f"{BARE} is expected here, not {what}")
            return BAD
        kind = self._words.get(word)
        if kind is None:
            near = did_you_mean(word, self._words) or f"; write one of {', '.join(self._words)}"
            report(node.place, path, f"{word[:40]!r} is not a step{near}")
            return BAD
        where = path if isinstance(node, Scalar) else join(path, word)
        if isinstance(inner, Scalar) and isinstance(kind, Part) and _says_nothing(inner, word):
            inner = Pairs(inner.place, {})
        act = kind.read(inner, where, report)
        if act is BAD:
            return BAD
        draft = Draft(Step, node.place, path)
        draft.values = {"word": word, "act": act}
        return draft

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        steps = [
            {
                "type": "object",
                "properties": {word: _or_nothing(kind)},
                "required": [word],
                "additionalProperties": False,
            }
            for word, kind in self._words.items()
        ]
        bare = [word for word, kind in self._words.items() if isinstance(kind, Part)]
        return {"anyOf": [{"enum": bare}, *steps]}


def _says_nothing(node: Scalar, word: str) -> bool:
    return node.plain and node.text in ("", "~", "null", word)


def _or_nothing(kind: Kind) -> dict[str, Any]:
    schema = kind.json_schema()
    return {"anyOf": [{"type": "null"}, schema]} if isinstance(kind, Part) else schema


class Wrapped(Kind):
    """A single value that is all there is to a step."""

    def __init__(self, of: ScalarKind, struct: type[msgspec.Struct], attribute: str) -> None:
        self._of, self._struct, self._attribute = of, struct, attribute
        self.accepts = of.accepts

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        value = self._of.read(node, path, report)
        return BAD if value is BAD else self._struct(**{self._attribute: value})

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return self._of.json_schema()


class NodePart(Part):
    """A struct whose draft keeps what was written: places inside of it are there, and
    `command_rules.check_command` can check it.
    """

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        draft = super().read(node, path, report)
        if draft is BAD:
            return BAD
        assert isinstance(node, Pairs)
        return CommandDraft(draft, node)


class WhereKind(Kind):
    """Conditions on a payload, see `where.py`; a `Where`."""

    accepts = "a mapping of paths to what is wanted, such as {status: Charging}"

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        found = self._read(node, path, report)
        if found is BAD:
            return BAD
        if size(found) > CONDITIONS_MAX:
            report(node.place, path, f"{size(found)} conditions; write at most {CONDITIONS_MAX}")
            return BAD
        return found

    def _read(self, node: Node, path: str, report: Report) -> Value:
        if not isinstance(node, Pairs):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
            return BAD
        conditions: list[Any] = []
        good = True
        for key, entry in node.entries.items():
            inside = join(path, key)
            try:
                steps = path_of(key)
            except ValueError as problem:
                report(entry.place, inside, str(problem))
                good = False
                continue
            wanted = self._wanted(entry.value, inside, report)
            if wanted is BAD:
                good = False
            conditions.append((steps, wanted))
        return Where(tuple(conditions)) if good else BAD

    def _wanted(self, node: Node, path: str, report: Report) -> Value:
        if isinstance(node, Pairs):
            return self._read(node, path, report)
        return _comparison(node, path, report)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "object", "maxProperties": CONDITIONS_MAX}


def _comparison(node: Node, path: str, report: Report) -> Value:
    value = read_json(node, path, report)
    if value is BAD:
        return BAD
    texts = value if isinstance(value, list) else [value]
    if not _placeholders_known(texts, node, path, report):
        return BAD
    try:
        return comparison_of(value)
    except ValueError as problem:
        report(node.place, path, str(problem))
        return BAD


def _placeholders_known(texts: list[Any], node: Node, path: str, report: Report) -> bool:
    from simfleet.csms.placeholders import GIVEN, names_in

    try:
        given = names_in(texts) & {*GIVEN}
    except ValueError as problem:
        report(node.place, path, str(problem))
        return False
    if given:
        report(node.place, path, f"${min(given)} is for `commands`; a case has no value for it")
    return not given


class ComparisonKind(Kind):
    """A number, or a comparison with one: `3`, `'>= 1'`."""

    def __init__(self, accepts: str) -> None:
        self.accepts = accepts

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if isinstance(node, Pairs | Items):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
            return BAD
        found = _comparison(node, path, report)
        if isinstance(found, Comparison):
            bad = found.operator in ("~", "present", "absent", "in") or isinstance(
                found.value, bool
            )
            try:
                float(found.value)
            except (TypeError, ValueError):
                bad = True
            if bad:
                report(node.place, path, f"{described(node)} is not accepted; write {self.accepts}")
                return BAD
        return found

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": ["number", "string"]}


_NUMERIC: Final = ("==", "!=", "<", "<=", ">", ">=")


def _is_number(value: object) -> bool:
    try:
        return not isinstance(value, bool) and float(str(value)) < float("inf")
    except ValueError:
        return False


class Scalars(Kind):
    """One value of a kind, or a list of them; a tuple."""

    def __init__(self, of: ScalarKind, what: str) -> None:
        self._of, self._what = of, what
        self.accepts = of.accepts

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        nodes = node.nodes if isinstance(node, Items) else (node,)
        if not 1 <= len(nodes) <= 20:
            report(node.place, path, f"{len(nodes)} {self._what}; write 1 to 20")
            return BAD
        values = [self._of.read(item, path, report) for item in nodes]
        return BAD if any(value is BAD for value in values) else tuple(values)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        one = self._of.json_schema()
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1, "maxItems": 20}]}
