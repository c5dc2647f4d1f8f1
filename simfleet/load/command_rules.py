"""What the versions of a command's recipients allow it to say.

The payload is checked against the message's official schema with its placeholders filled by
examples; what is wrong in it is reported at the line and column where it is written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from simfleet.documents import quantities
from simfleet.documents.fields import Draft
from simfleet.documents.kinds import BAD, did_you_mean
from simfleet.documents.nodes import Items, Node, Pairs, Report, Scalar, join
from simfleet.documents.quantities import shown
from simfleet.load.converged_fields import check_converged
from simfleet.ocpp.versions import VERSIONS, catalog_of, number_of, statuses_of

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def check_times(draft: Draft, report: Report) -> None:
    """Report moments of a command that do not go together."""
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
    from simfleet.csms.orders import ANY
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


def check_placeholders(node: Node, path: str, report: Report) -> bool:
    """Report placeholders that there are not. False: there was one."""
    from simfleet.csms.placeholders import names_in

    match node:
        case Pairs():
            inner = [
                check_placeholders(entry.value, join(path, key), report)
                for key, entry in node.entries.items()
            ]
            return all(inner)
        case Items():
            inner = [
                check_placeholders(item, f"{path}[{n}]", report)
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
