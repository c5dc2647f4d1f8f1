"""From what was written to what is read: includes, `--set`, variables, and the secrets among them.

In that order, so that `--set` may change what was included, and may name variables itself.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from simfleet.documents.environment import NAME_PATTERN, Filling, references_in
from simfleet.documents.nodes import Entry, Items, Node, Pairs, Place, Scalar
from simfleet.load.includes import KEY, Includes
from simfleet.load.overrides import overridden
from simfleet.load.secrets import Redactor
from simfleet.load.written import Written, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from simfleet.documents.problems import Problems

SECRETS: Final = "secrets"
NAME: Final = "name"
_NAMED: Final = ("fleet", "stages", "cases")
_NO_FOLDER: Final = "a scenario that is no file has no folder to include from; send the whole of it"
_NO_SECRETS: Final = (
    "names variables of the environment, which a service does not fill in; leave it out"
)


class Prepared(NamedTuple):
    """A scenario ready to be read."""

    node: Node
    written: Written


def prepare(
    node: Node,
    problems: Problems,
    *,
    source: str,
    overrides: Sequence[str],
    environment: Mapping[str, str] | None,
    folder: Path | None,
) -> Prepared:
    """See the module. From here on `problems` tells no secrets.

    Without a `folder` nothing can be included, without an `environment` no variable be named.
    """
    report = problems.report
    listed: list[Node] = []
    files: dict[str, str] = {}
    if folder is not None:
        includes = Includes(environment, report)
        node = includes.merged(node, folder / os.path.basename(source))
        listed, files = includes.secrets, includes.files
    elif isinstance(node, Pairs) and KEY in node.entries:
        report(node.entries[KEY].place, KEY, _NO_FOLDER)
        node = _without(node, KEY)
    for override in overrides:
        node = overridden(node, override, report)
    if isinstance(node, Pairs) and KEY in node.entries and folder is not None:
        message = "cannot be set; write it in the file itself"
        report(node.entries[KEY].place, KEY, message)
        node = _without(node, KEY)
    node = _with_secrets(node, listed)
    filling = Filling(environment, report)
    filled = filling.fill(node)
    problems.told |= filling.unfilled
    names = _names(node)
    for place, path, name in names:
        if environment is None:
            report(place, path, _NO_SECRETS)
        elif name not in filling.used and name not in environment:
            message = f"{name} is neither set nor used as ${{{name}}}; is it spelled right?"
            report(place, path, message)
    texts = list(secrets_in(node))
    secret = {name for _, _, name in names}
    secret |= {name for text in texts for name in references_in(text)}
    for scalar, path in _called(node):
        if telling := references_in(scalar.text) & secret:
            message = f"has the secret ${{{min(telling)}}}; names are told in every result"
            report(scalar.place, path, message)
    used = {name: value for name, value in filling.used.items() if name in secret}
    unfilled = {text for text in texts if references_in(text)}
    redactor = Redactor.of((text for text in secrets_in(filled) if text not in unfilled), used)
    problems.clean = redactor.clean
    written = Written(
        folder="" if folder is None else str(folder.resolve()),
        variables={name: value for name, value in filling.used.items() if name not in secret},
        secrets=tuple(sorted(secret)),
        files=files,
    )
    written.keep(node, redactor)
    return Prepared(filled, written)


def _called(node: Node) -> Iterator[tuple[Scalar, str]]:
    """What results call the scenario and its parts, with paths."""
    entries = node.entries if isinstance(node, Pairs) else {}
    own = entries[NAME].value if NAME in entries else None
    if isinstance(own, Scalar):
        yield own, NAME
    for key in _NAMED:
        part = entries[key].value if key in entries else None
        for number, item in enumerate(part.nodes if isinstance(part, Items) else ()):
            name = item.entries.get(NAME) if isinstance(item, Pairs) else None
            if name is not None and isinstance(name.value, Scalar):
                yield name.value, f"{key}[{number}].{NAME}"


def _without(node: Pairs, key: str) -> Pairs:
    return node._replace(entries={k: v for k, v in node.entries.items() if k != key})


def _with_secrets(node: Node, listed: list[Node]) -> Node:
    """The scenario with the secrets that any of its files lists."""
    if not isinstance(node, Pairs) or SECRETS not in node.entries:
        return node
    own = node.entries[SECRETS]
    lists = [one for one in listed if isinstance(one, Items)]
    if len(lists) < 2 or not isinstance(own.value, Items):
        return node
    known: dict[str, Node] = {}
    others: list[Node] = []
    for one in (own.value, *lists):
        for item in one.nodes:
            if isinstance(item, Scalar):
                known.setdefault(item.text, item)
            elif item not in others:
                others.append(item)
    value = Items(own.value.place, (*known.values(), *others))
    return node._replace(entries=node.entries | {SECRETS: Entry(own.place, value)})


def _names(node: Node) -> list[tuple[Place, str, str]]:
    """The variables listed as secret, with place and path."""
    entry = node.entries.get(SECRETS) if isinstance(node, Pairs) else None
    if entry is None or not isinstance(entry.value, Items):
        return []
    return [
        (item.place, f"{SECRETS}[{n}]", item.text)
        for n, item in enumerate(entry.value.nodes)
        if isinstance(item, Scalar) and re.fullmatch(NAME_PATTERN, item.text)
    ]
