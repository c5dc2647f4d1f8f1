"""Scenario schema 1: every field that a scenario file may have, and what it is in memory.

Field names are an interface: later versions only add. Text in the file has units as people write
them; the structs carry base units, named in the field (`over_s`, `max_power_w`).
`docs/scenarios.md` is the reference for users. The parts have modules of their own: `fleet_fields`,
`behaviour_fields`, `stage_fields` and whatever adds a kind of stage to `STAGES`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from simfleet.documents.environment import NAME_PATTERN as NAME_OF_VARIABLE
from simfleet.documents.fields import Key, ListOf, OneOf, Part
from simfleet.documents.kinds import Duration, Measure, Text, Whole
from simfleet.load.behaviour_fields import DAY_S, Behaviour
from simfleet.load.capacity_fields import Capacity
from simfleet.load.cases.fields import CASES_MAX, Case, Cases
from simfleet.load.closed_fields import Soak, Spike, Stairs, Step
from simfleet.load.commands import COMMANDS_MAX, Command, CommandPart
from simfleet.load.fleet_fields import CHARGERS_MAX, NAME_ACCEPTS, NAME_PATTERN, Slice, Target
from simfleet.load.includes import INCLUDE
from simfleet.load.open_fields import CurveKind, Sessions, TimeOfDay
from simfleet.load.pacers import Curve
from simfleet.load.stage_fields import Hold, Mode, Ramp, StageFields, Stop
from simfleet.load.storm_fields import STORMS, AnyStorm
from simfleet.load.threshold_fields import ThresholdMap
from simfleet.load.thresholds import Threshold
from simfleet.load.written import Written

__all__ = [
    "CHARGERS_MAX",
    "SEED_MAX",
    "STAGES",
    "Behaviour",
    "Hold",
    "Mode",
    "Ramp",
    "Scenario",
    "Slice",
    "Stage",
    "StageFields",
    "Stop",
    "Target",
]

SEED_MAX: Final = 2**53 - 1
"""What every JSON reader keeps exactly."""
SLICES_MAX: Final = 100
STAGES_MAX: Final = 100

STAGES: Final = (Ramp, Hold, Stop, Step, Stairs, Spike, Soak, Sessions, Cases, Capacity, *STORMS)
"""Every kind of stage; `stages/table.py` says how each is carried out."""
Stage: TypeAlias = (
    Ramp | Hold | Stop | Step | Stairs | Spike | Soak | Sessions | Cases | Capacity | AnyStorm
)


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario of SimFleet: which chargers, what they do, when, and what must hold."""

    schema: Annotated[Literal[1], Key(Whole(1, 1), "version of this file format")]
    name: Annotated[
        str,
        Key(
            Text(NAME_ACCEPTS, pattern=NAME_PATTERN, length_max=64),
            "what results call this scenario; also part of the run folder's name",
        ),
    ]
    description: Annotated[
        str,
        Key(
            Text("text", pattern=r"[^\x00-\x08\x0b-\x1f\x7f]*", length_max=1000, empty=True),
            "what this scenario is for",
        ),
    ] = ""
    seed: Annotated[
        int, Key(Whole(0, SEED_MAX), "where every random choice starts; same seed, same fleet")
    ] = 0
    include: Annotated[
        tuple[str, ...],
        Key(INCLUDE, "scenario files whose content is put under this one's, relative to it"),
    ] = ()
    secrets: Annotated[
        tuple[str, ...],
        Key(
            ListOf(
                Text("the name of a variable", pattern=NAME_OF_VARIABLE, length_max=100),
                "names of variables",
                count_min=0,
                count_max=100,
            ),
            "variables of the environment whose values no result may tell",
        ),
    ] = ()
    target: Annotated[Target, Key(Part(Target, "a mapping"), "the CSMS under test")] = Target()
    fleet: Annotated[
        tuple[Slice, ...],
        Key(
            ListOf(Part(Slice, "a mapping"), "slices", count_min=1, count_max=SLICES_MAX),
            "the chargers, in slices of equal ones",
        ),
    ]
    behaviour: Annotated[Behaviour, Key(Part(Behaviour, "a mapping"), "what the drivers do")] = (
        Behaviour()
    )
    stages: Annotated[
        tuple[Stage, ...],
        Key(
            ListOf(
                OneOf("do", STAGES, "a stage such as {do: hold, for: 30s}"),
                "stages",
                count_min=1,
                count_max=STAGES_MAX,
            ),
            "what happens, one after the other",
        ),
    ]
    start_at_s: Annotated[
        float,
        Key(TimeOfDay(), "time of day at the beginning of the load, for curves", "start_at"),
    ] = 0.0
    time_scale: Annotated[
        float,
        Key(
            Measure(1, 100, "seconds of the run in one real second", scale=1.0),
            "how many times as fast as real time the run goes, over real sockets",
        ),
    ] = 1.0
    curve: Annotated[
        Curve | None,
        Key(CurveKind(), "the share of their rate, by time of day, of stages without their own"),
    ] = None
    commands: Annotated[
        tuple[Command, ...],
        Key(
            ListOf(CommandPart(), "commands", count_min=0, count_max=COMMANDS_MAX),
            "what the embedded CSMS sends to chargers, and when",
        ),
    ] = ()
    cases: Annotated[
        tuple[Case, ...],
        Key(
            ListOf(Part(Case, "a mapping"), "cases", count_min=0, count_max=CASES_MAX),
            "what single chargers do step by step, and what must come of it",
        ),
    ] = ()
    warm_up_s: Annotated[
        float,
        Key(
            Duration(0, DAY_S),
            "how much of the load's beginning thresholds of CALLs leave out",
            "warm_up",
        ),
    ] = 0.0
    thresholds: Annotated[
        tuple[Threshold, ...],
        Key(ThresholdMap(), "limits that the run must keep to pass"),
    ] = ()

    written: Written = msgspec.field(default_factory=Written)
    """How it was written; no key of a scenario."""

    @property
    def chargers(self) -> int:
        """How many chargers the fleet has."""
        return sum(part.count for part in self.fleet)

    @property
    def lasts_s(self) -> float:
        """How long the stages take together, as planned."""
        return sum(stage.lasts_s for stage in self.stages)
