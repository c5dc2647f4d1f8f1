"""Did both runs run the same? Differences that make a comparison mean something else. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHOWN_MAX: Final = 20
_LABELS: Final = frozenset({"name", "description", "thresholds", "include", "secrets"})
"""Top-level keys that change no load; what was included stands under its own keys."""
_SET_APART: Final = ("target", "seed")
"""What is compared often on purpose: two targets, two seeds."""
_OF_TIME: Final = "time_scale"
TEXT_MAX_CHARS: Final = 80
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_DIGEST_CHARS: Final = 12
_ANOTHER_FLEET: Final = (
    "the chargers: equal scenarios made unequal fleets, by another file of models or another"
    " version of SimFleet"
)


class Sameness(Struct, frozen=True):
    """`changes` are sentences about the load itself; `circumstances` are about everything else."""

    known: bool
    """Whether both manifests could be read."""
    changes: list[str]
    circumstances: list[str]

    @property
    def same(self) -> bool:
        """Whether both runs put the same load on their target."""
        return self.known and not self.changes


def sameness(a: Mapping[str, Any], b: Mapping[str, Any]) -> Sameness:
    """Of two manifests. When, where and by which command line they were made is no difference."""
    left, right = _block(a, "scenario"), _block(b, "scenario")
    known = bool(left) and bool(right)
    changes: list[str] = []
    circumstances: list[str] = []
    for key in sorted({*left, *right}):
        if key in _LABELS or key == _OF_TIME or not known:
            continue
        into = circumstances if key in _SET_APART else changes
        into.extend(_differences(key, left.get(key), right.get(key)))
    if known:
        changes.extend(_of_clocks(a, b))
        if not changes and left.get("seed") == right.get("seed") and _another_fleet(a, b):
            changes.append(_ANOTHER_FLEET)
    circumstances.extend(_of_files(a, b))
    for block in ("versions", "host", "limits"):
        circumstances.extend(_differences(block, a.get(block), b.get(block)))
    return Sameness(known, _cut(changes), _cut(circumstances))


def _block(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = manifest.get(name)
    return found if isinstance(found, dict) else {}


def _of_clocks(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """How time went by: what the scenario says of it, and the command line over that."""
    clocks = []
    for manifest in (a, b):
        options = _block(manifest, "options")
        virtual = bool(options.get("virtual") or options.get("dry_run"))
        scale = options.get(_OF_TIME) or _block(manifest, "scenario").get(_OF_TIME) or 1.0
        clocks.append("virtual" if virtual else f"real, scaled by {scale}")
    yield from _differences("the clock", *clocks)


def _another_fleet(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    digests = [_block(manifest, "fleet").get("digest") for manifest in (a, b)]
    return None not in digests and digests[0] != digests[1]


def _of_files(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Files that both runs read. What an included one says of the load is a change already, and so
    are the rows of a data file; this may be a comment.
    """
    left, right = (_block(_block(manifest, "written"), "files") for manifest in (a, b))
    for name in sorted({*left} & {*right}):
        if left[name] != right[name]:
            yield f"{name}: another content"


def _differences(path: str, a: object, b: object) -> Iterator[str]:
    if a == b or (None in (a, b) and not a and not b):  # of a version that did not know it yet
        return
    if isinstance(a, dict) and isinstance(b, dict):
        same_rows = a.get("rows") is not None and a.get("rows") == b.get("rows")
        for key in sorted({*a, *b}, key=str):
            if not (same_rows and key == "file"):  # the same rows under another name
                yield from _differences(f"{path}.{key}", a.get(key), b.get(key))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for number, (left, right) in enumerate(zip(a, b, strict=True)):
            yield from _differences(f"{path}[{number}]", left, right)
    else:
        yield f"{path}: {_shown(a)} and {_shown(b)}"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = f"{len(value)} entries" if isinstance(value, dict | list) else str(value)
    text = " ".join(text.split())
    if _DIGEST.fullmatch(text):
        return f"{text[:_DIGEST_CHARS]}..."
    return text if len(text) <= TEXT_MAX_CHARS else f"{text[:TEXT_MAX_CHARS]}..."


def _cut(sentences: list[str]) -> list[str]:
    more = len(sentences) - SHOWN_MAX
    return sentences if more <= 0 else [*sentences[:SHOWN_MAX], f"and {more} more"]
