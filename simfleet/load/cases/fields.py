"""`cases` of a scenario and the stage that carries them out: how they are written.

A step is a mapping with one key, what is done or expected; one that needs no more may be the bare
word. Whether what a case says can be is checked in `rules.py`, where its chargers are known.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

import msgspec

from simfleet.documents import quantities
from simfleet.documents.fields import Key, ListOf, Part
from simfleet.documents.kinds import Duration, Text, Whole
from simfleet.documents.quantities import duration_text
from simfleet.load.behaviour_fields import DAY_S
from simfleet.load.cases.kinds import StepKind
from simfleet.load.cases.steps import FLAT_STEPS, Repeat, Step
from simfleet.load.command_kinds import Names
from simfleet.load.fleet_fields import CHARGERS_MAX, NAME_ACCEPTS, NAME_PATTERN
from simfleet.load.recipients import Recipients
from simfleet.load.stage_fields import StageFields

CASES_MAX: Final = 200
STEPS_MAX: Final = 500
PARALLEL: Final = 100


class OneCharger(msgspec.Struct, frozen=True, kw_only=True):
    """One charger, by its place in its slice."""

    slice_name: Annotated[
        str, Key(Text(NAME_ACCEPTS, pattern=NAME_PATTERN, length_max=40), "its slice", "slice")
    ]
    number: Annotated[
        int, Key(Whole(1, CHARGERS_MAX), "its number in the slice, from 1, as {n} in identities")
    ] = 1


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with a charger, step by step, and what must come of it."""

    name: Annotated[
        str,
        Key(
            Text(NAME_ACCEPTS, pattern=NAME_PATTERN, length_max=80),
            "what results call the case; unique among the cases",
        ),
    ]
    charger: Annotated[
        str | None, Key(Text("an identity of the fleet", length_max=48), "the charger, by identity")
    ] = None
    to: Annotated[
        OneCharger | None,
        Key(
            Part(OneCharger, "a mapping such as {slice: ac, number: 3}"),
            "the charger, by its number in a slice",
        ),
    ] = None
    each: Annotated[
        Recipients | None,
        Key(
            Part(Recipients, "a mapping such as {slice: ac, share: 10%}"),
            "many chargers: the case is carried out, and judged, on each of them",
        ),
    ] = None
    steps: Annotated[
        tuple[Step, ...],
        Key(
            ListOf(
                StepKind({**FLAT_STEPS, "repeat": Part(Repeat, "a mapping")}),
                "steps",
                count_min=1,
                count_max=STEPS_MAX,
            ),
            "what is done and expected, one after the other",
        ),
    ]


class Cases(StageFields, frozen=True, kw_only=True, tag_field="do", tag="cases"):
    """Carry out the scenario's cases on the chargers that are there, and end when they are done."""

    CHARGERS: ClassVar = ()

    within_s: Annotated[
        float,
        Key(
            Duration(1, DAY_S),
            "how long they may take together; a case not done then fails",
            "within",
        ),
    ]
    parallel: Annotated[
        int,
        Key(
            Whole(1, CHARGERS_MAX),
            "on how many chargers at the same time; 1: one case after the other, as written",
        ),
    ] = PARALLEL
    only: Annotated[
        tuple[str, ...],
        Key(Names("the name of a case"), "only this case, or these; left out, all of them"),
    ] = ()

    @classmethod
    def duration_s(cls, get: Any) -> Any:
        """See `StageFields`."""
        return get("within_s")

    def described(self) -> str:
        """See `StageFields`."""
        what = quantities.shown(self.only[0]) if len(self.only) == 1 else "cases"
        return f"{what} within {duration_text(self.within_s)}"
