"""What happened to a run, for its charts: stages, live actions, faults, storms, aborts."""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct

ANNOTATIONS_MAX: Final = 1_000
"""Kept; more are only counted."""

AnnotationKind = Literal["stage", "action", "fault", "storm", "case", "abort", "search"]


class Annotation(Struct, frozen=True):
    """One moment; `at_s` counts from the beginning of the load."""

    at_s: float
    kind: AnnotationKind
    text: str
    by: str = ""
    """Who did it, for a live action: `terminal`, or the user's name."""
    name: str = ""
    """Of the stage or case."""


class Annotations:
    """All of them, in order. `began_s` is the beginning of the load."""

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.kept: list[Annotation] = []
        self.total = 0

    def add(
        self, kind: AnnotationKind, text: str, *, at_s: float, by: str = "", name: str = ""
    ) -> None:
        """Note something that happens at `at_s`."""
        self.total += 1
        if len(self.kept) < ANNOTATIONS_MAX:
            after_s = round(max(0.0, at_s - self.began_s), 3)
            self.kept.append(Annotation(after_s, kind, text[:300], by, name))

    def snapshot(self) -> dict[str, Any]:
        """As in `summary.json`."""
        return {"total": self.total, "kept": self.kept}
