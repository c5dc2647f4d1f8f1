"""What a slice may take from elsewhere: identities, tags and passwords from a data file, tags from
a pool, labels.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import msgspec

from simfleet.documents.fields import Key, ListOf, MapOf, Part
from simfleet.documents.kinds import BAD, Kind, Text, Value, Whole, described
from simfleet.documents.nodes import Items, Node, Pairs, Report, Scalar, join
from simfleet.documents.quantities import shown

TAGS_MAX: Final = 10_000
TAG_LENGTH_MAX: Final = 36  # IdToken of OCPP 2.0.1; idToken of 1.6 has 20
LABELS_MAX: Final = 20
PASSWORD: Final = Text("1 to 64 printable characters", pattern=r"[ -~]+", length_max=64)
FILE: Final = Text("the path of a .csv or .jsonl file", length_max=4096)
_COLUMN: Final = Text("the name of a column", length_max=100)
_TAG: Final = Text(f"a tag of 1 to {TAG_LENGTH_MAX} characters", length_max=TAG_LENGTH_MAX)
_NUMBER: Final = re.compile(r"\{n(?::0([1-9]))?\}")
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")


class Rows(msgspec.Struct, dict=True):
    """What was read of a data file. The columns are no fields: nobody encodes ten thousand of them
    by mistake.
    """

    count: int = 0
    sha256: str = ""

    def column(self, name: str) -> tuple[str, ...]:
        """The cells of `identity`, `id_tag`, `password` or `tags`, in order; empty: not asked."""
        found: tuple[str, ...] = self.__dict__.get(name, ())
        return found

    def keep(self, **columns: tuple[str, ...]) -> None:
        """Let these be the columns."""
        self.__dict__.update(columns)


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """A file with a row for each charger of the slice."""

    file: Annotated[str, Key(FILE, "CSV with a header, or a JSON object a line (.jsonl)")]
    identity: Annotated[str | None, Key(_COLUMN, "the column of OCPP identities")] = None
    id_tag: Annotated[
        str | None, Key(_COLUMN, "the column of the tags that each charger's drivers present")
    ] = None
    password: Annotated[
        str | None, Key(_COLUMN, "the column of passwords for HTTP Basic authentication")
    ] = None
    rows: Rows = msgspec.field(default_factory=Rows)
    """What is in the file."""


class TagPattern(msgspec.Struct, frozen=True, kw_only=True):
    """Numbered tags."""

    pattern: Annotated[
        str,
        Key(
            Text('a tag with {n} or {n:06} for the number, such as "TAG-{n:06}"', length_max=72),
            "a tag with {n} or {n:06} for the number, from 1",
        ),
    ]
    count: Annotated[
        int | None, Key(Whole(1, TAGS_MAX, "tags"), "how many; one for each charger of the slice")
    ] = None


class TagFile(msgspec.Struct, frozen=True, kw_only=True):
    """Tags in a column of a data file."""

    file: Annotated[str, Key(FILE, "CSV with a header, or a JSON object a line (.jsonl)")]
    column: Annotated[str, Key(_COLUMN, "the column of the tags")]
    rows: Rows = msgspec.field(default_factory=Rows)
    """What is in the file."""


class Tags(msgspec.Struct, frozen=True):
    """A pool of tags, however it was written: one of the three."""

    listed: tuple[str, ...] = ()
    numbered: TagPattern | None = None
    filed: TagFile | None = None

    def all(self, chargers: int) -> tuple[str, ...]:
        """The pool of a slice with so many chargers."""
        if self.filed is not None:
            return self.filed.rows.column("tags")
        if self.numbered is not None:
            count = self.numbered.count or min(TAGS_MAX, max(1, chargers))
            return tuple(tag_of(self.numbered.pattern, n) for n in range(1, count + 1))
        return self.listed


def tag_of(pattern: str, n: int) -> str:
    """The tag number `n`."""
    return _NUMBER.sub(lambda found: str(n).zfill(int(found[1] or 1)), pattern)


class TagsKind(Kind):
    """A list of tags, a pattern, or a column of a file; reads to Tags, or a Draft of TagFile."""

    accepts = 'a list of tags, a pattern such as "TAG-{n:06}", or {file: ..., column: ...}'

    def __init__(self) -> None:
        self._list = ListOf(_TAG, "tags", count_min=1, count_max=TAGS_MAX)
        self._pattern = Part(TagPattern, self.accepts)
        self._file = Part(TagFile, self.accepts)

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        match node:
            case Items():
                tags = self._list.read(node, path, report)
                bad = tags is BAD or any(tag is BAD for tag in tags)
                return BAD if bad else Tags(listed=tuple(tags))
            case Scalar():
                text = TAG_PATTERN.read(node, path, report)
                return self._numbered(text, None, node, path, report)
            case Pairs() if "pattern" in node.entries:
                draft = self._pattern.read(node, path, report)
                value = node.entries["pattern"].value
                count = draft.get("count")
                if count is BAD:
                    return BAD
                return self._numbered(
                    draft.get("pattern"), count, value, join(path, "pattern"), report
                )
            case Pairs() if "file" in node.entries or "column" in node.entries:
                return self._file.read(node, path, report)
        report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
        return BAD

    def _numbered(
        self, text: Value, count: int | None, node: Node, path: str, report: Report
    ) -> Value:
        if text is BAD:
            return BAD
        rest = _NUMBER.sub("", text)
        longest = tag_of(text, count or TAGS_MAX)
        if not _NUMBER.search(text) and (count or 0) > 1:
            problem = f"{shown(text)} is one tag; put {{n}} or {{n:06}} into it"
        elif "{" in rest or "}" in rest:
            problem = f"{shown(text)}: the only placeholders are {{n}} and {{n:06}}"
        elif len(longest) > TAG_LENGTH_MAX:
            problem = f"{shown(longest)} has more than {TAG_LENGTH_MAX} characters"
        else:
            one = count if _NUMBER.search(text) else 1
            return Tags(numbered=TagPattern(pattern=text, count=one))
        report(node.place, path, problem)
        return BAD

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        parts = (self._list, TAG_PATTERN, self._pattern, self._file)
        return {"anyOf": [part.json_schema() for part in parts]}


TAG_PATTERN: Final = Text('a tag, with {n} or {n:06} for a number: "TAG-{n:06}"', length_max=72)


# ── labels ──────────────────────────────────────────────────────────────────────────────────────


def _check_label(key: str) -> None:
    if not _LABEL.fullmatch(key):
        raise ValueError(f"{shown(key)} is no name of a label; write letters, digits and . _ -")


_LABEL_TEXT: Final = Text("text", length_max=100)

LABELS: Final = MapOf(
    "a mapping of labels to text",
    check_key=_check_label,
    read_value=lambda _, scalar: _LABEL_TEXT.parse_scalar(scalar),
    schema=lambda: {
        "patternProperties": {f"^{_LABEL.pattern}$": _LABEL_TEXT.json_schema()},
        "additionalProperties": False,
    },
    count_max=LABELS_MAX,
)
