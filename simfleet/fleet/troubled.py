"""Which chargers had the most problems, and what was said before the first of each kind.

Costs nothing until something goes wrong. Bounded by the fleet: one small object for each charger
that ever had a problem, and `EVIDENCE_MAX` problems with frames.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from simfleet.observe.hub import Hub

CHARGERS_MAX: Final = 20_000
"""Told apart; problems of others are in the totals only."""
WORST_MAX: Final = 20
EVIDENCE_MAX: Final = 60
EVIDENCE_PER_KIND_MAX: Final = 3
FRAMES_MAX: Final = 4
AMONG_MAX: Final = 2_000
"""Records of the whole fleet that are looked through for those of one charger."""
FRAME_MAX_BYTES: Final = 2_048
HIDDEN: Final = "*** (names a password or key)"
_SECRET_WORDS: Final = (b"password", b"authorizationkey", b"private key")
_PLACES: Final = {
    "timeout": "timeouts",
    "callerror": "errors",
    "link": "links",
    "connect": "connects",
    "violation": "violations",
}


class Frame(Struct, frozen=True):
    """A message that a charger sent or received, as people may see it."""

    at_wall_s: float
    direction: str
    frame: str


class Trouble:
    """What one charger has been through."""

    __slots__ = ("connects", "errors", "links", "other", "timeouts", "violations")

    def __init__(self) -> None:
        self.timeouts = self.errors = self.links = self.connects = self.violations = self.other = 0

    @property
    def total(self) -> int:
        """All of its problems."""
        calls, links = self.timeouts + self.errors, self.links + self.connects
        return calls + links + self.violations + self.other


class Troubled:
    """See the module."""

    __slots__ = ("_by_charger", "_evidence", "_seen")

    def __init__(self) -> None:
        self._by_charger: dict[str, Trouble] = {}
        self._seen: Counter[str] = Counter()
        self._evidence = 0

    def add(self, identity: str, kind: str) -> None:
        """Count a problem of a charger; one of the run itself has no identity."""
        trouble = self._by_charger.get(identity)
        if trouble is None:
            if not identity or len(self._by_charger) >= CHARGERS_MAX:
                return
            trouble = self._by_charger[identity] = Trouble()
        place = _PLACES.get(kind.partition(":")[0], "other")
        setattr(trouble, place, getattr(trouble, place) + 1)

    def frames(self, identity: str, kind: str, hub: Hub | None) -> tuple[Frame, ...]:
        """The last messages of a charger, if this is among the first problems of its kind."""
        if hub is None or self._evidence >= EVIDENCE_MAX or not identity:
            return ()
        kind = kind[:80]
        if self._seen[kind] >= EVIDENCE_PER_KIND_MAX:
            return ()
        self._seen[kind] += 1
        self._evidence += 1
        last = hub.last_of(identity, limit=FRAMES_MAX, among=AMONG_MAX)
        return tuple(Frame(one.at_wall_s, one.direction, shown_frame(one.frame)) for one in last)

    def snapshot(self) -> dict[str, Any]:
        """As in `summary.json`: how many had a problem, and those with the most."""
        ranked = sorted(self._by_charger.items(), key=lambda pair: (-pair[1].total, pair[0]))
        return {
            "chargers": len(ranked),
            "kept": [
                {
                    "charger": identity,
                    "problems": trouble.total,
                    **{name: getattr(trouble, name) for name in (*_PLACES.values(), "other")},
                }
                for identity, trouble in ranked[:WORST_MAX]
            ],
        }


def shown_frame(frame: bytes) -> str:
    """A message as text, cut if it is long; one that names a password or a key is not shown."""
    lower = frame.lower()
    if any(word in lower for word in _SECRET_WORDS):
        return HIDDEN
    text = frame[:FRAME_MAX_BYTES].decode("utf-8", "backslashreplace")
    cut = len(frame) - FRAME_MAX_BYTES
    return f"{text}… ({cut} more bytes)" if cut > 0 else text
