"""Which of the frames that chargers are about to write go out because of faults on purpose.

A station tells of such a frame before the frame is written, so its label waits here for that
moment: usually for none at all, since both happen in one step.
"""

from __future__ import annotations

from typing import Final

LABELS_MAX: Final = 64
"""Labels of one charger that wait; more than it writes at once. The oldest is forgotten first."""


class Labels:
    """The kinds of the faults, by charger and frame. False when there are none."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[str, dict[bytes, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, identity: str, frame: bytes, kind: str) -> None:
        """The charger will write this frame; of several faults that touched it, the last counts."""
        mine = self._waiting.setdefault(identity, {})
        if len(mine) >= LABELS_MAX and frame not in mine:
            del mine[next(iter(mine))]
        mine[frame] = kind

    def take(self, identity: str, frame: bytes) -> str:
        """The label of a frame that is written now; "" for none."""
        mine = self._waiting.get(identity)
        if mine is None:
            return ""
        kind = mine.pop(frame, "")
        if not mine:
            del self._waiting[identity]
        return kind

    def forget(self, identity: str) -> None:
        """The link is gone, and what was not written with it."""
        self._waiting.pop(identity, None)
