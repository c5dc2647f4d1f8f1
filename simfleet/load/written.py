"""How a scenario was written: what a run keeps of that, so that it can be repeated.

The document is one YAML text: includes are in it, `--set` is in it, variables are still `${NAME}`,
and a secret that stood in it is `***`. With the variables, and with the secrets from the
environment of whoever repeats the run, it gives the same scenario.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from simfleet.documents.nodes import Items, Node, Pairs, Scalar
from simfleet.load.secrets import Redactor
from simfleet.station.configuration_keys import KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET_KEYS: Final = frozenset(key.name.lower() for key in KEYS.values() if key.writeonly)
"""Configuration keys, in small letters, that cannot be read back."""
_SECRET_WORDS: Final = SECRET_KEYS | {"password", "authorizationkey", "basicauthpassword"}
_SECRET_HEADERS: Final = ("auth", "cookie", "key", "password", "secret", "token")
_COLUMNS: Final = "data"
"""The mapping in which `password` is the name of a column."""


class Written(msgspec.Struct, dict=True, eq=False):
    """See the module. Two scenarios that say the same are equal, however they were written.

    `redactor` knows the secrets of the scenario; it is no field, so that no encoder meets it.
    """

    folder: str = ""
    """Where its relative paths begin; empty for a scenario that came without a folder."""
    variables: dict[str, str] = {}
    """What was filled in, but for secrets."""
    secrets: tuple[str, ...] = ()
    """Names of the variables whose values are secret."""
    files: dict[str, str] = {}
    """SHA-256 of everything else that was read: included files, data."""

    @property
    def redactor(self) -> Redactor:
        """What takes the secrets of the scenario out of texts."""
        found: Redactor = self.__dict__.setdefault("redactor", Redactor())
        return found

    @property
    def document(self) -> str:
        """The text; empty where the scenario was made and not written."""
        node = self.__dict__.get("node")
        return "" if node is None else yaml_of(node, self.redactor)

    def keep(self, node: Node, redactor: Redactor) -> None:
        """Let this be the scenario, its variables not yet filled in."""
        self.__dict__.update(node=node, redactor=redactor)

    def described(self) -> dict[str, Any]:
        """As in the manifest."""
        clean = self.redactor.clean_tree
        return {"document": self.document, **clean(msgspec.to_builtins(self))}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Written)

    def __hash__(self) -> int:
        return hash(Written)


# ── secrets by nature ───────────────────────────────────────────────────────────────────────────


def secrets_in(node: Node) -> Iterator[str]:
    """The values in a scenario that are secret whatever their author says: passwords, write-only
    configuration keys, also in the payloads of commands, and headers that sound like credentials.
    """
    if isinstance(node, Items):
        for item in node.nodes:
            yield from secrets_in(item)
    if not isinstance(node, Pairs):
        return
    yield from _told(node)
    for key, entry in node.entries.items():
        value = entry.value
        if isinstance(value, Scalar):
            if key.lower() in _SECRET_WORDS and value.text:
                yield value.text
        elif key == "headers" and isinstance(value, Pairs):
            yield from _headers(value)
        elif key == _COLUMNS and isinstance(value, Pairs) and "file" in value.entries:
            continue
        else:
            yield from secrets_in(value)


def _headers(node: Pairs) -> Iterator[str]:
    for name, entry in node.entries.items():
        if isinstance(entry.value, Scalar) and any(w in name.lower() for w in _SECRET_HEADERS):
            yield entry.value.text


def _told(node: Pairs) -> Iterator[str]:
    """The password in ChangeConfiguration (`key`, `value`) or SetVariables (`variable`,
    `attributeValue`).
    """
    key, variable = _child(node, "key"), _child(_child(node, "variable"), "name")
    for name, told in ((key, "value"), (variable, "attributeValue")):
        value = _child(node, told)
        if not (isinstance(name, Scalar) and isinstance(value, Scalar)):
            continue
        if name.text.lower() in _SECRET_WORDS and value.text:
            yield value.text


def _child(node: Node | None, key: str) -> Node | None:
    entry = node.entries.get(key) if isinstance(node, Pairs) else None
    return None if entry is None else entry.value


# ── as text ─────────────────────────────────────────────────────────────────────────────────────


def yaml_of(node: Node, redactor: Redactor) -> str:
    """The tree as YAML that reads as the same tree, without secrets."""
    head: list[Any] = [yaml.StreamStartEvent(), yaml.DocumentStartEvent(explicit=False)]
    tail = [yaml.DocumentEndEvent(explicit=False), yaml.StreamEndEvent()]
    text: str = yaml.emit(
        [*head, *_events(node, redactor), *tail],
        Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
        allow_unicode=True,
        width=10_000,
    )
    return text


def _events(node: Node, redactor: Redactor) -> Iterator[Any]:
    match node:
        case Scalar():
            yield _scalar(redactor.clean(node.text), plain=node.plain)
        case Items():
            yield yaml.SequenceStartEvent(None, None, implicit=True, flow_style=not node.nodes)
            for item in node.nodes:
                yield from _events(item, redactor)
            yield yaml.SequenceEndEvent()
        case Pairs():
            yield yaml.MappingStartEvent(None, None, implicit=True, flow_style=not node.entries)
            for key, entry in node.entries.items():
                yield _scalar(key, plain=True)
                yield from _events(entry.value, redactor)
            yield yaml.MappingEndEvent()


def _scalar(text: str, *, plain: bool) -> Any:
    """`**` and the like need quotes whatever they were, which the emitter sees to."""
    return yaml.ScalarEvent(None, None, (plain, True), text, style=None if plain else '"')
