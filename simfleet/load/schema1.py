"""Scenario schema 1: every field that a scenario file may have, and what it is in memory.

Field names are an interface: later versions only add. Text in the file has units as people write
them; the structs carry base units, named in the field (`over_s`, `max_power_w`).
`docs/scenarios.md` is the reference for users. The parts have modules of their own: `fleet_fields`,
`behaviour_fields`, `stage_fields` and whatever adds a kind of stage to `STAGES`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

import msgspec

from simfleet.documents.fields import Key, ListOf, MapOf, OneOf, Part
from simfleet.documents.kinds import Text, Whole
from simfleet.load import thresholds as limits
from simfleet.load.behaviour_fields import Behaviour
from simfleet.load.commands import COMMANDS_MAX, Command, CommandPart
from simfleet.load.fleet_fields import CHARGERS_MAX, NAME_ACCEPTS, NAME_PATTERN, Slice, Target
from simfleet.load.metrics import BOOKS_PATTERN, METRICS, metric_named
from simfleet.load.stage_fields import Hold, Mode, Ramp, StageFields, Stop
from simfleet.load.thresholds import Threshold

if TYPE_CHECKING:
    from simfleet.documents.nodes import Scalar

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

STAGES: Final = (Ramp, Hold, Stop)
"""Every kind of stage; `stages/table.py` says how each is carried out."""
Stage: TypeAlias = Ramp | Hold | Stop


def _threshold(metric: str, scalar: Scalar) -> Threshold:
    return limits.parse(scalar.text, metric)


def _thresholds_schema() -> dict[str, Any]:
    patterns = {}
    for metric in METRICS.values():
        name = metric.name.replace(".", r"\.")
        if metric.of_calls or metric.of_commands:
            name = re.sub(r"^(call|command)", r"\1(\\[[A-Za-z]+\\])?", name)
        limit = {"type": "string", "pattern": limits.pattern_of(metric.kind)}
        patterns[f"^{name}$"] = {"description": metric.means} | limit
    patterns[f"^{BOOKS_PATTERN}$"] = {
        "description": "a count in the books of the embedded CSMS",
        "type": "string",
        "pattern": limits.pattern_of("count"),
    }
    return {"patternProperties": patterns, "additionalProperties": False}


_THRESHOLDS = MapOf(
    "a mapping of metrics to limits",
    check_key=metric_named,
    read_value=_threshold,
    schema=_thresholds_schema,
    count_max=200,
    collect=lambda found: tuple(found.values()),
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
    commands: Annotated[
        tuple[Command, ...],
        Key(
            ListOf(CommandPart(), "commands", count_min=0, count_max=COMMANDS_MAX),
            "what the embedded CSMS sends to chargers, and when",
        ),
    ] = ()
    thresholds: Annotated[
        tuple[Threshold, ...],
        Key(_THRESHOLDS, "limits that the run must keep to pass"),
    ] = ()

    @property
    def chargers(self) -> int:
        """How many chargers the fleet has."""
        return sum(part.count for part in self.fleet)

    @property
    def lasts_s(self) -> float:
        """How long the stages take together, as planned."""
        return sum(stage.lasts_s for stage in self.stages)
