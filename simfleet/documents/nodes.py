"""YAML as a tree in which every value knows where it was written.

PyYAML's parser gives events; the tree is built here, because its loaders drop positions, keep the
last of two equal keys, and read `no` as false, `12:30` as 750 and `010` as 8 (YAML 1.1). Here every
scalar stays the text that was written, and the field that it belongs to decides what it means.

Bounded: a document of 1 MiB, 32 levels, 50,000 values with an alias counted as often as it is used.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeAlias

import yaml

from simfleet.documents.quantities import shown

SIZE_MAX_BYTES = 1024 * 1024
DEPTH_MAX = 32
NODES_MAX = 50_000

# libyaml's parser where PyYAML was built with it: the same events, ten times faster.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WORD = re.compile(r"[\w.\[\]-]{1,60}", re.ASCII)
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class _Mark(Protocol):
    """A position as either of PyYAML's parsers gives it, counted from 0."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


class Place(NamedTuple):
    """Where something was written; `line` and `column` count from 1, line 0 is a whole source."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


class Scalar(NamedTuple):
    """One value, as text. `plain` is False where it was written in quotes or as a block; `given`
    is one that was filled in from a variable, where quotes say nothing.
    """

    place: Place
    text: str
    plain: bool
    given: bool = False


class Entry(NamedTuple):
    """A key's place, and its value."""

    place: Place
    value: Node


class Pairs(NamedTuple):
    """A mapping, in the order it was written."""

    place: Place
    entries: dict[str, Entry]


class Items(NamedTuple):
    """A list."""

    place: Place
    nodes: tuple[Node, ...]


Node: TypeAlias = Scalar | Pairs | Items
Report: TypeAlias = Callable[[Place, str, str], None]  # (place, path, message)


def join(path: str, key: str) -> str:
    """The path of `key` inside `path`; a key that would not read well there is put in quotes."""
    step = key if _WORD.fullmatch(key) else shown(key)
    return f"{path}.{step}" if path else step


class YamlBroken(Exception):
    """Text of which no tree can be made; nothing after the place was read."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place
        self.message = message


def parse_yaml(content: bytes, source: str, report: Report) -> Node | None:
    """The tree of one YAML document, None if it is empty.

    Duplicate keys are reported and the first one is kept. Raises YamlBroken for anything else.
    """
    text = _decoded(content, source)
    return _Builder(source, report).document(text)


def _decoded(content: bytes, source: str) -> str:
    if len(content) > SIZE_MAX_BYTES:
        raise YamlBroken(Place(source), f"the file is larger than {SIZE_MAX_BYTES // 1024} KiB")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        message = f"not UTF-8 text (byte 0x{content[error.start]:02x}); save the file as UTF-8"
        raise YamlBroken(_after(before, source), message) from None
    if bad := _NOT_YAML.search(text):
        message = f"not YAML: character U+{ord(bad.group()):04X} is not allowed"
        raise YamlBroken(_after(text[: bad.start()], source), message)
    return text


def _after(text: str, source: str) -> Place:
    lines = _LINE_END.split(text)
    return Place(source, len(lines), len(lines[-1]) + 1)


def _hint(problem: str, text: str, place: Place) -> str:
    """What to write instead, where the parser's words do not say it."""
    if "block scalar" in problem:
        return "; put text that starts with > or | in quotes"
    lines = text.splitlines()
    line = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    at = line[place.column - 1 : place.column]
    if at == "\t":
        return "; indent with spaces, not with tabs"
    if at == "{" and "flow mapping" in problem:
        return "; text with braces, such as ${NAME}, needs quotes there"
    return ""


class _Open:
    """A mapping or list whose end has not been seen yet."""

    __slots__ = ("anchor", "entries", "is_pairs", "key", "nodes", "place", "size")

    def __init__(self, place: Place, anchor: str | None, *, is_pairs: bool) -> None:
        self.place = place
        self.anchor = anchor
        self.is_pairs = is_pairs
        self.key: Scalar | None = None
        self.entries: dict[str, Entry] = {}
        self.nodes: list[Node] = []
        self.size = 1


class _Builder:
    """Events in, tree out; a stack instead of recursion, so that depth is ours to bound."""

    def __init__(self, source: str, report: Report) -> None:
        self._source = source
        self._report = report
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._nodes = 0
        self._root: Node | None = None

    def document(self, text: str) -> Node | None:
        documents = 0
        for event in self._events(text):
            place = self._place(event.start_mark)
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise YamlBroken(
                            place, "a second document starts here; one document per file"
                        )
                case yaml.AliasEvent():
                    self._alias(event.anchor, place)
                case yaml.ScalarEvent():
                    self._refuse_tag(event.tag, place)
                    node = Scalar(place, event.value, plain=bool(event.implicit[0]))
                    self._add(node, size=1, anchor=event.anchor)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._refuse_tag(event.tag, place)
                    is_pairs = isinstance(event, yaml.MappingStartEvent)
                    self._begin(_Open(place, event.anchor, is_pairs=is_pairs))
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._end()
        return self._root

    def _events(self, text: str) -> Iterator[yaml.Event]:
        try:
            yield from yaml.parse(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            place = self._place(error.problem_mark or error.context_mark)
            problem = error.problem or "cannot be read"
            if error.context and error.context_mark:
                problem += f" {error.context} that starts on line {error.context_mark.line + 1}"
            problem += _hint(problem, text, place)
            raise YamlBroken(place, f"not YAML: {problem}") from None
        except yaml.YAMLError as error:  # the reader's own; `_decoded` has left it little to find
            raise YamlBroken(Place(self._source), f"not YAML: {shown(str(error))}") from None

    def _place(self, mark: _Mark | None) -> Place:
        return Place(self._source, mark.line + 1, mark.column + 1) if mark else Place(self._source)

    def _refuse_tag(self, tag: str | None, place: Place) -> None:
        if tag not in (None, "!"):
            raise YamlBroken(place, f"YAML tags such as {shown(str(tag))} are not used here")

    def _alias(self, anchor: str | None, place: Place) -> None:
        assert anchor is not None  # the parser's promise; its types say less
        if anchor in self._anchors:
            node, size = self._anchors[anchor]
            self._add(node, size=size, anchor=None)
        elif any(anchor == open_.anchor for open_ in self._stack):
            raise YamlBroken(place, f"alias *{anchor} stands inside the very value it names")
        else:
            raise YamlBroken(place, f"alias *{anchor} has no anchor &{anchor} before it")

    def _begin(self, opened: _Open) -> None:
        if len(self._stack) >= DEPTH_MAX:
            raise YamlBroken(opened.place, f"nested deeper than {DEPTH_MAX} levels")
        if self._stack and self._wants_key():
            raise YamlBroken(opened.place, "a mapping or list cannot be a key")
        self._stack.append(opened)

    def _end(self) -> None:
        done = self._stack.pop()
        node: Node = (
            Pairs(done.place, done.entries)
            if done.is_pairs
            else Items(done.place, tuple(done.nodes))
        )
        self._add(node, size=done.size, anchor=done.anchor)

    def _wants_key(self) -> bool:
        return self._stack[-1].is_pairs and self._stack[-1].key is None

    def _add(self, node: Node, *, size: int, anchor: str | None) -> None:
        """Put a finished value where it belongs; `size` counts it and everything under it."""
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        if not self._stack:
            self._root = node
            return
        parent = self._stack[-1]
        parent.size += size
        # Sizes grow by what an alias stands for, so ten levels of ten aliases are refused here.
        if parent.size > NODES_MAX:
            raise YamlBroken(
                node.place, f"more than {NODES_MAX} values, counting what aliases stand for"
            )
        if not parent.is_pairs:
            parent.nodes.append(node)
        elif parent.key is None:
            if not isinstance(node, Scalar):
                raise YamlBroken(node.place, "a mapping or list cannot be a key")
            parent.key = node
        else:
            self._add_pair(parent, parent.key, node)
            parent.key = None

    def _add_pair(self, parent: _Open, key: Scalar, value: Node) -> None:
        first = parent.entries.get(key.text)
        if first is None:
            parent.entries[key.text] = Entry(key.place, value)
        else:
            message = f"duplicate key; the first is on line {first.place.line}, keep one of them"
            self._report(key.place, self._path_to(key.text), message)

    def _path_to(self, key: str) -> str:
        path = ""
        for outer in self._stack[:-1]:
            step = outer.key.text if outer.key else ""
            path = join(path, step) if outer.is_pairs else f"{path}[{len(outer.nodes)}]"
        return join(path, key)
