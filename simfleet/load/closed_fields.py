"""Closed load models: so many chargers are held, and a CSMS that is slow slows them down.

`step`, `stairs`, `spike` and `soak`; `ramp` and `hold` are in `stage_fields`, `stages/closed.py`
carries them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self

import msgspec

from simfleet.documents.fields import Key
from simfleet.documents.kinds import BAD, Duration, Whole
from simfleet.documents.quantities import duration_text
from simfleet.load.behaviour_fields import DAY_S
from simfleet.load.fleet_fields import CHARGERS_MAX
from simfleet.load.stage_fields import ModeField, StageFields, known

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.documents.fields import Draft
    from simfleet.documents.nodes import Report

STAIRS_MAX: Final = 200
"""Stairs of one stage: each has figures of its own in the summary."""


class Step(StageFields, frozen=True, kw_only=True, tag_field="do", tag="step"):
    """Bring the fleet to a number of chargers at once, as fast as it goes."""

    CHARGERS: ClassVar = ("to",)

    to: Annotated[int, Key(Whole(0, CHARGERS_MAX, "chargers"), "chargers at the end of the stage")]
    mode: ModeField = "charging"

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        return 0.0

    def described(self) -> str:
        """See `StageFields`."""
        return f"step to {self.to} {self.mode}"


class Stairs(StageFields, frozen=True, kw_only=True, tag_field="do", tag="stairs"):
    """Bring the fleet to one size after the other, each a step and then a while at that size."""

    CHARGERS: ClassVar = ("start", "to", "by")

    to: Annotated[int, Key(Whole(0, CHARGERS_MAX, "chargers"), "chargers on the last stair")]
    by: Annotated[int, Key(Whole(1, CHARGERS_MAX, "chargers"), "how high each stair is")]
    every_s: Annotated[float, Key(Duration(0.1, DAY_S), "how long each stair takes", "every")]
    start: Annotated[
        int | None,
        Key(Whole(0, CHARGERS_MAX, "chargers"), "chargers on the first stair; else `by`", "from"),
    ] = None
    mode: ModeField = "charging"

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        start, to, by, every_s = (get(name) for name in ("start", "to", "by", "every_s"))
        if not known(start, to, by, every_s):
            return BAD
        return stair_count(start, to, by) * every_s

    @property
    def sizes(self) -> list[int]:
        """How many chargers there are on each stair."""
        start = self.by if self.start is None else self.start
        by = self.by if start <= self.to else -self.by
        count = stair_count(self.start, self.to, self.by)
        return [*(start + by * n for n in range(count - 1)), self.to]

    @property
    def most(self) -> int:
        """See `StageFields`."""
        return max(self.sizes)

    def described(self) -> str:
        """See `StageFields`."""
        sizes = self.sizes
        return f"{len(sizes)} stairs of {self.by} from {sizes[0]} to {self.to} {self.mode}"

    def scaled(self, chargers: int, total: int) -> Self:
        """See `StageFields`. A stair has at least one charger."""
        start, to, by = (
            None if size is None else (2 * size * chargers + total) // (2 * total)
            for size in (self.start, self.to, self.by)
        )
        assert by is not None
        return msgspec.structs.replace(self, start=start, to=to, by=max(1, by))


def stair_count(start: int | None, to: int, by: int) -> int:
    """How many stairs there are; the last may be lower than the others."""
    first = by if start is None else start
    if start is None and to < by:
        return 1
    return -(-abs(to - first) // by) + 1


class Spike(StageFields, frozen=True, kw_only=True, tag_field="do", tag="spike"):
    """Bring the fleet to a number of chargers for a while, and back to the size and mode it had."""

    CHARGERS: ClassVar = ("to",)

    to: Annotated[int, Key(Whole(0, CHARGERS_MAX, "chargers"), "chargers while it lasts")]
    for_s: Annotated[float, Key(Duration(0, DAY_S), "how long it lasts", "for")]
    over_s: Annotated[
        float,
        Key(Duration(0, DAY_S), "how long each way takes; 0s: as fast as it goes", "over"),
    ] = 0.0
    mode: ModeField = "charging"

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        over_s, for_s = get("over_s"), get("for_s")
        return 2 * over_s + for_s if known(over_s, for_s) else BAD

    def described(self) -> str:
        """See `StageFields`."""
        return f"spike to {self.to} {self.mode} for {duration_text(self.for_s)}"


class Soak(StageFields, frozen=True, kw_only=True, tag_field="do", tag="soak"):
    """Let the fleet go on as it is for a long time, and tell what has drifted meanwhile."""

    for_s: Annotated[float, Key(Duration(1, 7 * DAY_S), "how long the stage takes", "for")]

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        return get("for_s")

    def described(self) -> str:
        """See `StageFields`."""
        return f"soak {duration_text(self.for_s)}"


def check_stairs(stage: Draft, report: Report) -> None:
    """Report a flight of more stairs than anybody reads."""
    if stage.struct is not Stairs:
        return
    start, to, by = (stage.get(name) for name in ("start", "to", "by"))
    if not known(start, to, by) or (count := stair_count(start, to, by)) <= STAIRS_MAX:
        return
    least = -(-abs(to - (start or 0)) // (STAIRS_MAX - 1))
    message = f"{count} stairs; a stage has at most {STAIRS_MAX}, so write {least} or more"
    report(stage.place_of("by"), f"{stage.path}.by", message)
