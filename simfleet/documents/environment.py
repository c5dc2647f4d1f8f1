"""`${NAME}` in a document: filled in from variables, before anybody asks what a value means.

`${NAME:-default}` is the default where the variable is not set, or empty. `$${` is the text `${`.
Only values are filled in, never keys. A value keeps its place, and is `given`: quotes around it,
which a `{flow: mapping}` demands for the sake of the braces, then say nothing about its type.

Pure: the variables are an argument.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from simfleet.documents.nodes import Entry, Items, Node, Pairs, Place, Report, Scalar, join
from simfleet.documents.quantities import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

VALUE_MAX: Final = 65_536
"""Characters of a value once it is filled in."""
NAME_PATTERN: Final = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
_REFERENCE: Final = re.compile(rf"\$\$\{{|\$\{{(?:({NAME_PATTERN})(:-[^}}]*)?\}})?")
_LITERAL: Final = "$${"


class Filling:
    """Fills in one document; afterwards `used` has every variable that was asked for, with what
    stands for it, and `unfilled` the places where nothing could be.

    `variables` None: a document from somebody who must not see ours; any reference is a mistake.
    """

    def __init__(self, variables: Mapping[str, str] | None, report: Report) -> None:
        self.used: dict[str, str] = {}
        self.unfilled: set[Place] = set()
        self._variables = variables
        self._report = report
        self._done: dict[int, tuple[Node, Node]] = {}
        """By id, what was filled in: an alias is not told of twice. The first keeps the id alive.
        """

    def fill(self, node: Node, path: str = "") -> Node:
        """The tree with its references filled in; the very node where it has none."""
        if isinstance(node, Scalar) and "${" not in node.text:
            return node
        done = self._done.get(id(node))
        if done is not None:
            return done[1]
        filled = self._filled(node, path)
        self._done[id(node)] = (node, filled)
        return filled

    def _filled(self, node: Node, path: str) -> Node:
        match node:
            case Scalar():
                return self._scalar(node, path)
            case Items():
                nodes = [self.fill(item, f"{path}[{n}]") for n, item in enumerate(node.nodes)]
                return Items(node.place, tuple(nodes))
            case Pairs():
                entries = {
                    key: Entry(entry.place, self.fill(entry.value, join(path, key)))
                    for key, entry in node.entries.items()
                }
                return Pairs(node.place, entries)

    def _scalar(self, scalar: Scalar, path: str) -> Scalar:
        problems: list[str] = []
        parts: list[str] = []
        end = 0
        for found in _REFERENCE.finditer(scalar.text):
            parts += (scalar.text[end : found.start()], self._value(found, problems))
            end = found.end()
        text = "".join([*parts, scalar.text[end:]])
        if len(text) > VALUE_MAX:
            problems.append(f"is longer than {VALUE_MAX} characters once it is filled in")
        if problems:
            self._report(scalar.place, path, problems[0])
            self.unfilled.add(scalar.place)
            return scalar
        given = bool(references_in(scalar.text))
        return Scalar(scalar.place, text, scalar.plain, given)

    def _value(self, found: re.Match[str], problems: list[str]) -> str:
        """What stands for one reference."""
        if found[0] == _LITERAL:
            return "${"
        name, default = found[1], found[2]
        if name is None:
            rest = shown(found.string[found.start() : found.start() + 40])
            problems.append(
                f"{rest} is no variable; write ${{NAME}} or ${{NAME:-default}}, and $${{ for ${{"
            )
        elif self._variables is None:
            problems.append(
                f"${{{name}}}: a service fills in no variables of its environment; write the value"
            )
        else:
            value = self._variables.get(name, "")
            if default is not None and not value:
                value = default.removeprefix(":-")
            elif name not in self._variables:
                problems.append(
                    f"the variable {name} is not set; set it in the environment,"
                    f" or write ${{{name}:-default}}"
                )
            elif not value.isprintable():
                problems.append(f"the variable {name} has characters that are not printable text")
            self.used[name] = value
            return value
        return ""


def references_in(text: str) -> set[str]:
    """The variables that a text refers to."""
    return {found[1] for found in _REFERENCE.finditer(text) if found[1]}
