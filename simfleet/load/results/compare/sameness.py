"""Did both runs run the same? Differences that make a comparison mean something else. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHOWN_MAX: Final = 20
_LABELS: Final = frozenset({"name", "description", "thresholds"})
"""Top-level keys that change no load."""
_SET_APART: Final = ("target", "seed")
"""What is compared often on purpose: two targets, two seeds."""
TEXT_MAX_CHARS: Final = 80


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
    """Of two manifests."""
    left, right = _scenario(a), _scenario(b)
    known = bool(left) and bool(right)
    changes: list[str] = []
    circumstances: list[str] = []
    for key in sorted({*left, *right}):
        if key in _LABELS or not known:
            continue
        into = circumstances if key in _SET_APART else changes
        into.extend(_differences(key, left.get(key), right.get(key)))
    for block in ("versions", "host", "limits", "clock"):
        circumstances.extend(_differences(block, a.get(block), b.get(block)))
    return Sameness(known, _cut(changes), _cut(circumstances))


def _scenario(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    found = manifest.get("scenario")
    return found if isinstance(found, dict) else {}


def _differences(path: str, a: object, b: object) -> Iterator[str]:
    if a == b:
        return
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted({*a, *b}, key=str):
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
    return text if len(text) <= TEXT_MAX_CHARS else f"{text[:TEXT_MAX_CHARS]}..."


def _cut(sentences: list[str]) -> list[str]:
    more = len(sentences) - SHOWN_MAX
    return sentences if more <= 0 else [*sentences[:SHOWN_MAX], f"and {more} more"]
