"""`commands` of a scenario: what the embedded CSMS sends to the chargers, and when.

The payload is free YAML, checked against the message's official schema with its placeholders filled
by examples; what is wrong in it is reported at the line and column where it is written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from simfleet.documents import quantities
from simfleet.documents.fields import Draft, Key, Part
from simfleet.documents.kinds import (
    BAD,
    Duration,
    Kind,
    ScalarKind,
    Value,
    described,
    did_you_mean,
)
from simfleet.documents.nodes import Items, Node, Pairs, Report, Scalar, join
from simfleet.documents.quantities import shown
from simfleet.load.converged_fields import Converged, ConvergedKind, check_converged
from simfleet.ocpp.versions import (
    VERSIONS,
    Version,
    actions_sent_by,
    catalog_of,
    good_statuses_of,
    number_of,
    statuses_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COMMANDS_MAX: Final = 200
ROUNDS_MAX: Final = 10_000
"""Times that one command may be sent in a run."""
AT_MAX_S: Final = 7 * 86_400.0
EVERY_MIN_S: Final = 0.1
NAMES_MAX: Final = 100
SHARE_MIN: Final = 0.0001


# ── kinds of values ──────────────────────────────────────────────────────────────────────────────


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


# ── one command ──────────────────────────────────────────────────────────────────────────────────


class Recipients(msgspec.Struct, frozen=True, kw_only=True):
    """Which chargers a command goes to, of those that are connected and booted."""

    slices: Annotated[
        tuple[str, ...],
        Key(Names("the name of a slice"), "only chargers of this slice, or of these", "slice"),
    ] = ()
    versions: Annotated[
        tuple[Version, ...],
        Key(
            Versions("an OCPP version, spelled as the subprotocol"),
            "only chargers that speak this version, or one of these",
            "version",
        ),
    ] = ()
    share: Annotated[
        float,
        Key(
            Share(),
            "how many of them, rounded up; the same seed chooses the same chargers,"
            " and the same share does in every command",
        ),
    ] = 1.0


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the embedded CSMS sends to chargers."""

    at_s: Annotated[
        float,
        Key(Duration(0, AT_MAX_S), "when, from the start of the first stage", "at"),
    ]
    every_s: Annotated[
        float | None,
        Key(Duration(EVERY_MIN_S, AT_MAX_S), "send it again and again, this far apart", "every"),
    ] = None
    until_s: Annotated[
        float | None,
        Key(
            Duration(0, AT_MAX_S),
            "last moment of a repeated command; without it, the end of the stages",
            "until",
        ),
    ] = None
    send: Annotated[str, Key(CsmsAction(), "the message, by its name in OCPP")]
    to: Annotated[
        Recipients,
        Key(Part(Recipients, "a mapping such as {slice: ac, share: 50%}"), "who gets it"),
    ] = Recipients()
    payload: Annotated[
        dict[str, Any],
        Key(Json("a mapping, the payload of the message,"), "what it says; see placeholders"),
    ] = {}
    expect: Annotated[
        tuple[str, ...],
        Key(
            Names("a status, a CALLERROR code, timeout or any"),
            "what chargers must answer; left out, what says that they do it",
        ),
    ] = ()
    answer: Annotated[
        dict[str, Any] | None,
        Key(
            Json("a mapping, a part of the answer,"),
            "what the answer must hold besides; of lists, each item somewhere",
        ),
    ] = None

    converged: Annotated[
        Converged | None,
        Key(
            ConvergedKind(),
            "what shows that a charger has done it, and by when; left out, what the message is"
            " known to do",
        ),
    ] = None

    @property
    def expected(self) -> tuple[str, ...]:
        """`expect`, or the good status of the message, whatever version it has that in."""
        if self.expect:
            return self.expect
        good = (
            status
            for version in VERSIONS
            if self.send in catalog_of(version).actions
            for status in good_statuses_of(version, self.send)
        )
        return tuple(dict.fromkeys(good))

    def moments(self, lasts_s: float) -> Iterator[float]:
        """When it is sent, in seconds from the start, in stages that last so long."""
        yield self.at_s
        if self.every_s is not None:
            end_s = lasts_s if self.until_s is None else min(lasts_s, self.until_s)
            rounds = int((end_s - self.at_s) / self.every_s + 1e-9)
            for number in range(1, min(rounds, ROUNDS_MAX - 1) + 1):
                yield self.at_s + number * self.every_s


class CommandPart(Part):
    """A command. Whether its message allows what it says depends on whom it goes to: see
    `check_command`.
    """

    def __init__(self) -> None:
        super().__init__(Command, "a command such as {at: 5s, send: ClearCache}")

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        draft = super().read(node, path, report)
        if draft is BAD:
            return BAD
        assert isinstance(node, Pairs)
        _check_times(draft, report)
        for name in ("payload", "answer"):
            value = draft.get(name)
            if name in node.entries and value is not BAD:
                place = node.entries[name].value
                if not _check_placeholders(place, f"{draft.path}.{name}", report):
                    del draft.values[name]
        return CommandDraft(draft, node)


class CommandDraft(Draft):
    """A command being read, with what is written of it: places inside its payload are there."""

    __slots__ = ("node",)

    def __init__(self, draft: Draft, node: Pairs) -> None:
        super().__init__(draft.struct, draft.place, draft.path)
        self.values, self.places = draft.values, draft.places
        self.node = node


def check_command(draft: Draft, versions: Sequence[str], report: Report) -> None:
    """Report what a command says that the versions of its recipients do not allow."""
    action = draft.get("send")
    if action is BAD or not versions:
        return
    assert isinstance(draft, CommandDraft)
    for version in versions:
        if not _sends(version, action):
            message = f"a CSMS sends no {action} in OCPP {number_of(version)}"
            able = [one for one in VERSIONS if _sends(one, action)]
            message += f", but in {', '.join(number_of(one) for one in able)}"
            if len(versions) > 1:
                message += "; say whom it is for: to: {version: " + able[0] + "}"
            report(draft.place_of("send"), f"{draft.path}.send", message)
            return
    for version in versions:
        if not _check_payload(draft, version, report):
            return
    _check_expect(draft, versions, report)
    check_converged(draft, versions, report)


def _sends(version: str, action: str) -> bool:
    known = catalog_of(version).actions.get(action)
    return known is not None and "csms" in known.sent_by


def _check_times(draft: Draft, report: Report) -> None:
    at_s, every_s, until_s = (draft.get(name) for name in ("at_s", "every_s", "until_s"))
    if BAD in (at_s, every_s, until_s) or until_s is None:
        return
    if every_s is None:
        message = "is only for a command that is repeated; write every: 10s, or leave it out"
        report(draft.place_of("until_s"), f"{draft.path}.until", message)
    elif until_s < at_s:
        message = f"comes before at: {quantities.duration_text(at_s)}"
        report(draft.place_of("until_s"), f"{draft.path}.until", message)


def _check_expect(draft: Draft, versions: Sequence[str], report: Report) -> None:
    from simfleet.csms.broadcast import ANY
    from simfleet.ocpp.results import TIMED_OUT

    expect, action = draft.get("expect"), draft.get("send")
    if expect is BAD:
        return
    statuses = dict.fromkeys(s for version in versions for s in statuses_of(version, action))
    codes = dict.fromkeys(
        c for version in versions for c in sorted(catalog_of(version).codes.known)
    )
    known = (*statuses, ANY, TIMED_OUT, *codes)
    for word in expect:
        if word not in known:
            near = did_you_mean(word, known)
            accepted = f"{', '.join(statuses)}, a CALLERROR code, {TIMED_OUT} or {ANY}"
            message = f"{shown(word)} is no answer to {action}{near or f'; write {accepted}'}"
            report(draft.place_of("expect"), f"{draft.path}.expect", message)


def _check_payload(draft: CommandDraft, version: str, report: Report) -> bool:
    """Check the payload, with examples for its placeholders, against the schema of its message."""
    from simfleet.csms.placeholders import example_of, fill

    payload, action = draft.get("payload"), draft.get("send")
    if payload is BAD:
        return False
    raw = msgspec.json.encode(fill(payload, example_of(version)))
    violation = catalog_of(version).actions[action].check_request(raw)
    if violation is None:
        return True
    entry = draft.node.entries.get("payload")
    place, path = draft.place, f"{draft.path}.payload"
    if entry is not None:
        found, steps = _at(entry.value, violation.path)
        place, path = found.place, path + steps
    of = "" if version == "ocpp1.6" else f" in OCPP {number_of(version)}"
    report(place, path, f"{violation.description}, says the schema of {action}{of}")
    return False


def _check_placeholders(node: Node, path: str, report: Report) -> bool:
    from simfleet.csms.placeholders import names_in

    match node:
        case Pairs():
            inner = [
                _check_placeholders(entry.value, join(path, key), report)
                for key, entry in node.entries.items()
            ]
            return all(inner)
        case Items():
            inner = [
                _check_placeholders(item, f"{path}[{n}]", report)
                for n, item in enumerate(node.nodes)
            ]
            return all(inner)
        case Scalar():
            try:
                names_in(node.text)
            except ValueError as problem:
                report(node.place, path, str(problem))
                return False
            return True


_STEP: Final = re.compile(r'\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]|\["((?:[^"\\]|\\.)*)"\]')


def _at(node: Node, json_path: str) -> tuple[Node, str]:
    """The node at a path such as `$.a[0].b`, or the last that exists on the way, and its path."""
    steps = ""
    for found in _STEP.finditer(json_path):
        name, index = found[1] or found[3], found[2]
        if isinstance(node, Pairs) and name in node.entries:
            node = node.entries[name].value
        elif isinstance(node, Items) and index is not None and int(index) < len(node.nodes):
            node = node.nodes[int(index)]
        else:
            break
        steps += found[0]
    return node, steps


def uses(commands: tuple[Command, ...], placeholder: str) -> bool:
    """Whether a payload of these commands has the placeholder."""
    from simfleet.csms.placeholders import names_in

    return any(placeholder in names_in([one.payload, one.answer or {}]) for one in commands)
