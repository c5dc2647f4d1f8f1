"""`--set path=value`: changes to a scenario before it is read, as if the author had made them."""

from __future__ import annotations

import re

from simfleet.documents.kinds import did_you_mean
from simfleet.documents.nodes import (
    Entry,
    Items,
    Node,
    Pairs,
    Place,
    Report,
    Scalar,
    YamlBroken,
    join,
    parse_yaml,
)
from simfleet.documents.quantities import shown

# Under these, all the rest of a path is one key: metrics have dots and brackets in them.
FREE_KEYED = frozenset({"thresholds", "configuration", "labels", "headers"})
_STEP = re.compile(r"([^.\[\]]+)((?:\[[0-9]{1,6}\])*)(?:\.|$)")


class _Refused(Exception):
    """A path that leads nowhere: (path, message)."""


def overridden(root: Node, override: str, report: Report) -> Node:
    """The tree with one `path=value` put in; as it was, and a report, if the path leads nowhere.

    Whether the path's last key exists is left to the reader, which knows and suggests.
    """
    source = f"--set {override if len(override) <= 100 else override[:97] + '...'}"
    place = Place(" ".join(source.split()))
    path, equals, text = override.partition("=")
    try:
        if not equals or not path:
            raise _Refused("", "write path=value, such as stages[0].over=20s")
        steps = _steps(path.strip())
        return _put(root, steps, _value(text.strip(), place), place, "")
    except YamlBroken as broken:
        report(place, path, broken.message)
    except _Refused as refused:
        report(place, refused.args[0], refused.args[1])
    return root


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        if steps and steps[-1] in FREE_KEYED:
            return [*steps, path[at:]]
        found = _STEP.match(path, at)
        if not found or (found.end() == len(path) and path.endswith(".")):
            raise _Refused("", f"{shown(path)} is not a path; write one such as stages[0].over")
        steps.append(found[1])
        steps.extend(int(index) for index in re.findall(r"[0-9]+", found[2]))
        at = found.end()
    return steps


def _value(text: str, place: Place) -> Node:
    """Lists, mappings and quoted text are YAML; anything else is taken as it stands.

    So `>= 1`, which YAML takes for the start of a block, needs no quotes inside quotes.
    """
    if not text.startswith(("[", "{", '"', "'")):
        return Scalar(place, text, plain=True)
    node = parse_yaml(text.encode("utf-8", errors="replace"), place.source, _refuse_duplicate)
    assert node is not None  # it has at least a bracket or a quote
    return _placed(node, place)


def _refuse_duplicate(place: Place, path: str, message: str) -> None:
    raise _Refused(path, message.partition(";")[0])


def _placed(node: Node, place: Place) -> Node:
    """The tree with one place for all of it: a column inside an argument helps nobody."""
    match node:
        case Scalar():
            return node._replace(place=place)
        case Items():
            return Items(place, tuple(_placed(item, place) for item in node.nodes))
        case Pairs():
            entries = {
                key: Entry(place, _placed(entry.value, place))
                for key, entry in node.entries.items()
            }
            return Pairs(place, entries)


def _put(node: Node | None, steps: list[str | int], value: Node, place: Place, path: str) -> Node:
    """A copy with the value at the end of the steps; what an alias shares stays as it was."""
    if not steps:
        return value
    step, *rest = steps
    if isinstance(step, int):
        if not isinstance(node, Items):
            raise _Refused(path, "is not a list")
        if step >= len(node.nodes):
            raise _Refused(
                f"{path}[{step}]",
                f"does not exist; the list has {len(node.nodes)} entries, from [0]",
            )
        nodes = list(node.nodes)
        nodes[step] = _put(nodes[step], rest, value, place, f"{path}[{step}]")
        return node._replace(nodes=tuple(nodes))
    inner_path = join(path, step)
    if node is None or (isinstance(node, Scalar) and node.plain and not node.text):
        node = Pairs(place, {})  # a part that was left out, such as `target`
    if not isinstance(node, Pairs):
        what = (
            "a list; write an index such as [0]"
            if isinstance(node, Items)
            else "one value, not a mapping"
        )
        raise _Refused(path, f"is {what}")
    old = node.entries.get(step)
    if old is None and rest and isinstance(rest[0], int):
        raise _Refused(inner_path, f"does not exist{did_you_mean(step, node.entries)}")
    new = Entry(place, _put(old.value if old else None, rest, value, place, inner_path))
    if old and rest:
        new = new._replace(place=old.place)
    return node._replace(entries=node.entries | {step: new})
