"""Kinds of values in what a scenario has the CSMS send: messages, whom they are for, payloads."""

from __future__ import annotations

import re
from typing import Any, Final

from simfleet.documents import quantities
from simfleet.documents.kinds import BAD, Kind, ScalarKind, Value, described, did_you_mean
from simfleet.documents.nodes import Items, Node, Pairs, Report, Scalar, join
from simfleet.documents.quantities import shown
from simfleet.ocpp.versions import VERSIONS, actions_sent_by

NAMES_MAX: Final = 100
SHARE_MIN: Final = 0.0001


class CsmsAction(ScalarKind):
    """The name of a message that a CSMS sends, in any version."""

    accepts = "a message that a CSMS sends, such as SetChargingProfile"

    def parse(self, text: str) -> str:
        """See ScalarKind."""
        actions = _actions()
        if text not in actions:
            near = did_you_mean(text, actions) or f"; write one of {', '.join(actions)}"
            raise ValueError(f"{shown(text)} is not a message that a CSMS sends{near}")
        return text

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"enum": list(_actions())}


def _actions() -> tuple[str, ...]:
    return actions_sent_by("csms")  # when asked: scenarios without commands need no catalog


class Share(ScalarKind):
    """A part of a whole: `50%`, or a number up to 1."""

    accepts = "a share such as 50% or 0.5"

    def parse(self, text: str) -> float:
        """See ScalarKind."""
        number = quantities.parse_number(text.removesuffix("%").rstrip())
        share = number / 100 if text.endswith("%") else number
        if not SHARE_MIN <= share <= 1:
            raise ValueError(f"{shown(text)} is out of range; write {self.accepts}")
        return share

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {
            "anyOf": [
                {"type": "number", "minimum": SHARE_MIN, "maximum": 1},
                {"type": "string", "pattern": f"^{quantities.NUMBER_PATTERN} ?%$"},
            ]
        }

    def written(self, value: float) -> str:
        """See Kind."""
        return f"{quantities.number_text(round(value * 100, 10))}%"


class Names(Kind):
    """One name, or a list of them; a tuple."""

    def __init__(self, accepts: str) -> None:
        self.accepts = accepts

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        nodes = node.nodes if isinstance(node, Items) else (node,)
        if not 1 <= len(nodes) <= NAMES_MAX:
            report(node.place, path, f"{len(nodes)} names; write 1 to {NAMES_MAX}")
            return BAD
        names = []
        for item in nodes:
            if not isinstance(item, Scalar) or not item.text:
                report(item.place, path, f"{self.accepts} is expected here, not {described(item)}")
                return BAD
            names.append(item.text)
        return tuple(names)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        name = {"type": "string", "minLength": 1}
        return {
            "anyOf": [
                name,
                {"type": "array", "items": name, "minItems": 1, "maxItems": NAMES_MAX},
            ]
        }


class Versions(Names):
    """One version, or a list of them; a tuple."""

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        found = super().read(node, path, report)
        for name in () if found is BAD else found:
            if name not in VERSIONS:
                near = did_you_mean(name, VERSIONS) or f"; write {', '.join(VERSIONS)}"
                report(node.place, path, f"{shown(name)} is not a version{near}")
                return BAD
        return found

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        version = {"enum": list(VERSIONS)}
        return {
            "anyOf": [
                version,
                {"type": "array", "items": version, "minItems": 1, "maxItems": NAMES_MAX},
            ]
        }


class Json(Kind):
    """A mapping of anything, as JSON has it: unquoted numbers, true and false are not text."""

    def __init__(self, accepts: str) -> None:
        self.accepts = accepts

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if not isinstance(node, Pairs):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
            return BAD
        return read_json(node, path, report)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"type": "object"}


def read_json(node: Node, path: str, report: Report) -> Value:
    """A node as JSON has it; BAD once a problem was reported."""
    match node:
        case Pairs():
            entries = {
                key: read_json(entry.value, join(path, key), report)
                for key, entry in node.entries.items()
            }
            return BAD if BAD in entries.values() else entries
        case Items():
            items = [read_json(item, f"{path}[{n}]", report) for n, item in enumerate(node.nodes)]
            return BAD if any(item is BAD for item in items) else items
        case Scalar():
            return _json_scalar(node, path, report)


def _json_scalar(node: Scalar, path: str, report: Report) -> Value:
    text = node.text
    if not node.plain:
        return text
    if text in ("", "~", "null"):
        report(node.place, path, "is empty; OCPP has no null: write a value, or leave the key out")
        return BAD
    if text in ("true", "false"):
        return text == "true"
    try:
        if re.fullmatch(quantities.WHOLE_PATTERN, text):
            return quantities.parse_whole(text)
        if re.fullmatch(quantities.NUMBER_PATTERN, text):
            return quantities.parse_number(text)
    except ValueError as problem:
        report(node.place, path, str(problem))
        return BAD
    return text
