"""`include:` of a scenario: other files, whose content is put under the file's own.

Mappings are merged key by key, at every depth; anything else, lists above all, is replaced as a
whole, and an empty value takes away what was included. Of several files the later ones win over
the earlier, and the file that includes them over all. Every value keeps the place, file included,
where it was written. Paths inside an included file (of includes, data and models) are relative to
that file.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Final

from simfleet.documents.environment import Filling
from simfleet.documents.fields import ListOf
from simfleet.documents.kinds import BAD, Text
from simfleet.documents.nodes import (
    SIZE_MAX_BYTES,
    Entry,
    Items,
    Node,
    Pairs,
    Place,
    Report,
    Scalar,
    YamlBroken,
    parse_yaml,
)
from simfleet.models.catalogue import laid_over, names_a_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INCLUDES_MAX: Final = 20
"""In one file."""
FILES_MAX: Final = 50
"""Inclusions in all, a file counted as often as it is included."""
DEPTH_MAX: Final = 8
KEY: Final = "include"
INCLUDE: Final = ListOf(
    Text("the path of a YAML file", length_max=4096),
    "files",
    count_min=0,
    count_max=INCLUDES_MAX,
)
_WHOLE: Final = "behaviour"
_FILE_KEYED: Final = ("data", "id_tags")
"""Mappings whose `file` is a path."""


class Includes:
    """Puts the included files into one scenario; afterwards `files` has the SHA-256 of each, and
    `secrets` what each of them lists under `secrets`.
    """

    def __init__(self, variables: Mapping[str, str] | None, report: Report) -> None:
        self.files: dict[str, str] = {}
        self.secrets: list[Node] = []
        self._variables = variables
        self._report = report
        self._count = 0
        self._known: dict[Path, bytes] = {}

    def merged(self, root: Node, path: Path) -> Node:
        """The scenario of the file `path` with everything that it includes."""
        return self._merged(root, path, [(path.resolve(), str(path))])

    def _merged(self, root: Node, path: Path, chain: list[tuple[Path, str]]) -> Node:
        if not isinstance(root, Pairs):
            return root
        own = Pairs(root.place, {k: v for k, v in root.entries.items() if k != KEY})
        if "secrets" in own.entries:
            self.secrets.append(own.entries["secrets"].value)
        if KEY not in root.entries:
            return root
        below: Pairs | None = None
        for name in self._names(root.entries[KEY].value):
            included = self._included(name, path, chain)
            if included is not None:
                below = included if below is None else _over(included, below)
        return own if below is None else _over(own, below)

    def _names(self, node: Node) -> list[Scalar]:
        filling = Filling(self._variables, self._report)
        node = filling.fill(node, KEY)
        if filling.unfilled or INCLUDE.read(node, KEY, self._report) is BAD:
            return []
        assert isinstance(node, Items)
        return [item for item in node.nodes if isinstance(item, Scalar)]

    def _included(self, name: Scalar, path: Path, chain: list[tuple[Path, str]]) -> Pairs | None:
        """The content of one included file, with what that includes; None once reported."""
        wanted = path.parent / name.text
        problem = self._refusal(wanted, chain)
        content = b""
        if problem is None:
            try:
                content = self._read(wanted)
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                problem = f"cannot read {str(wanted)!r}: {reason}"
        if problem is not None:
            self._report(name.place, KEY, problem)
            return None
        self._count += 1
        self.files[str(wanted)] = hashlib.sha256(content).hexdigest()
        try:
            root = parse_yaml(content, str(wanted), self._report)
        except YamlBroken as broken:
            self._report(broken.place, "", broken.message)
            return None
        if not isinstance(root, Pairs):
            self._report(Place(str(wanted), 1, 1), "", "an included file is a mapping")
            return None
        merged = self._merged(root, wanted, [*chain, (wanted.resolve(), str(wanted))])
        folder = os.path.relpath(wanted.parent, path.parent)
        assert isinstance(merged, Pairs)
        return merged if folder == os.curdir else _rebased(merged, folder)

    def _refusal(self, wanted: Path, chain: list[tuple[Path, str]]) -> str | None:
        """Why a file is not included, whatever is in it."""
        if wanted.resolve() in [one for one, _ in chain]:
            names = " includes ".join([*(shown for _, shown in chain), str(wanted)])
            return f"a file cannot include itself: {names}"
        if len(chain) > DEPTH_MAX:
            return f"included more than {DEPTH_MAX} files deep"
        if self._count >= FILES_MAX:
            return f"more than {FILES_MAX} files are included"
        return None

    def _read(self, path: Path) -> bytes:
        real = path.resolve()
        if real not in self._known:
            if path.exists() and not path.is_file():
                raise ValueError("it is no file")
            with path.open("rb") as file:
                self._known[real] = file.read(SIZE_MAX_BYTES + 1)
        return self._known[real]


def _over(upper: Pairs, lower: Pairs) -> Pairs:
    """`upper` with what only `lower` has, as charger models extend each other. A field of
    `behaviour` is one value, though a distribution is written as a mapping.
    """
    entries = laid_over(lower, upper).entries
    ours, theirs = upper.entries.get(_WHOLE), lower.entries.get(_WHOLE)
    if ours is not None and theirs is not None:
        both = (ours.value, theirs.value)
        if isinstance(both[0], Pairs) and isinstance(both[1], Pairs):
            merged = Pairs(both[0].place, both[1].entries | both[0].entries)
            entries = entries | {_WHOLE: Entry(ours.place, merged)}
    return Pairs(upper.place, entries)


def _rebased(root: Pairs, folder: str) -> Pairs:
    """The scenario with the paths in its slices relative to the file that includes it."""
    fleet = root.entries.get("fleet")
    if fleet is None or not isinstance(fleet.value, Items):
        return root
    slices = tuple(_slice_rebased(item, folder) for item in fleet.value.nodes)
    moved = Entry(fleet.place, Items(fleet.value.place, slices))
    return root._replace(entries=root.entries | {"fleet": moved})


def _slice_rebased(node: Node, folder: str) -> Node:
    if not isinstance(node, Pairs):
        return node
    entries = dict(node.entries)
    for key, entry in node.entries.items():
        value = entry.value
        if key in _FILE_KEYED and isinstance(value, Pairs) and "file" in value.entries:
            file = value.entries["file"]
            inner = Entry(file.place, _path_rebased(file.value, folder))
            value = value._replace(entries=value.entries | {"file": inner})
        elif key == "model" and isinstance(value, Scalar) and _is_file(value.text):
            value = _path_rebased(value, folder)
        entries[key] = Entry(entry.place, value)
    return node._replace(entries=entries)


def _is_file(model: str) -> bool:
    return names_a_model(model) and model.lower().endswith((".yaml", ".yml"))


def _path_rebased(node: Node, folder: str) -> Node:
    if not isinstance(node, Scalar) or node.text.startswith(("/", "${")) or not node.text:
        return node
    return node._replace(text=f"{folder}/{node.text}")
