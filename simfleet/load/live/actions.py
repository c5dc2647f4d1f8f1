"""What can be done to a run while it goes on: one struct per action, told apart by `do`.

REST bodies carry these very structs and the terminal makes them, so an action is the same wherever
it comes from. Times are in seconds, shares from 0 to 1.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from simfleet.documents.quantities import duration_text
from simfleet.link.impairments import Impairment
from simfleet.load.behaviour_fields import DAY_S
from simfleet.load.fleet_fields import CHARGERS_MAX
from simfleet.load.stage_fields import Mode
from simfleet.station.fault_kinds import Fault, FaultKind

NAMES_MAX = 100
RATE_MAX_PER_S = 100_000.0

Seconds = Annotated[float, Meta(ge=0, le=DAY_S)]
Share = Annotated[float, Meta(gt=0, le=1, description="the part of the chargers, 0 to 1")]
Slices = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...],
    Meta(max_length=NAMES_MAX, description="only chargers of these slices; none: of all"),
]


class _Action(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="do",
):
    """Base of the actions."""

    @property
    def do(self) -> str:
        """What REST and `summary.json` call it."""
        return str(self.__struct_config__.tag)

    def asked(self) -> str:
        """What was asked for, in a few words."""
        return self.do

    def fields(self) -> dict[str, Any]:
        """As it would be asked for by REST."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made


class PauseRun(_Action, frozen=True, tag="pause"):
    """The time of the stage stands still: nobody is brought in or sent away, no session begins.
    Connections, heartbeats and the sessions that run go on.
    """


class ResumeRun(_Action, frozen=True, tag="resume"):
    """Go on after a pause."""


class ChangeTarget(_Action, frozen=True, tag="target"):
    """Bring the fleet to so many chargers; it wins over the stage that goes on."""

    to: Annotated[int, Meta(ge=0, le=CHARGERS_MAX, description="chargers")]
    over_s: (
        Annotated[
            float, Meta(ge=0, le=DAY_S, description="evenly over this; without: 1000 a second")
        ]
        | None
    ) = None
    mode: Mode | None = None
    """Without it, the one that they have."""

    def asked(self) -> str:
        """See `_Action`."""
        mode = f" {self.mode}" if self.mode else ""
        over = "" if self.over_s is None else f" over {duration_text(self.over_s)}"
        return f"target {self.to}{mode}{over}"


class ChangeRate(_Action, frozen=True, tag="rate"):
    """Have sessions arrive at another rate, until the stage ends."""

    per_s: Annotated[float, Meta(ge=0, le=RATE_MAX_PER_S, description="sessions a second")]

    def asked(self) -> str:
        """See `_Action`."""
        return f"rate {self.per_s:g}/s"


class ChangeMode(_Action, frozen=True, tag="mode"):
    """Have all chargers do something else."""

    mode: Mode

    def asked(self) -> str:
        """See `_Action`."""
        return f"mode {self.mode}"


class KillChargers(_Action, frozen=True, tag="kill"):
    """Cut a share of the connected chargers off without a word. They come back by themselves."""

    share: Share
    how: Annotated[
        Literal["link", "power"],
        Meta(description="link: only the connection is gone; power: the charger as well"),
    ] = "link"
    for_s: (
        Annotated[float, Meta(ge=0, le=DAY_S, description="they stay away at least so long")] | None
    ) = None
    slices: Slices = ()

    def asked(self) -> str:
        """See `_Action`."""
        lasting = "" if self.for_s is None else f" for {duration_text(self.for_s)}"
        return f"kill {percent(self.share)} by {self.how}{lasting}{_of(self.slices)}"


class InjectFault(_Action, frozen=True, tag="fault"):
    """Have a share of the chargers that there are do something wrong on purpose."""

    fault: Fault
    share: Share = 1.0
    slices: Slices = ()

    def asked(self) -> str:
        """See `_Action`."""
        return f"fault {self.fault.kind} on {percent(self.share)}{_of(self.slices)}"


class ClearFaults(_Action, frozen=True, tag="clear_faults"):
    """Have all chargers do right again, as to one kind of faults or to all."""

    kind: FaultKind | None = None

    def asked(self) -> str:
        """See `_Action`."""
        return f"clear faults {self.kind}" if self.kind else "clear faults"


class ImpairNetwork(_Action, frozen=True, tag="network"):
    """Make the network between a share of the chargers that there are and the CSMS worse."""

    impairment: Impairment
    share: Share = 1.0
    slices: Slices = ()

    def asked(self) -> str:
        """See `_Action`."""
        return f"network {self.impairment.kind} for {percent(self.share)}{_of(self.slices)}"


class ClearNetwork(_Action, frozen=True, tag="clear_network"):
    """Make the network good again, as far as it was made worse live."""

    def asked(self) -> str:
        """See `_Action`."""
        return "clear network"


class ExtendStage(_Action, frozen=True, tag="extend"):
    """Move the end of the stage that goes on; not before now."""

    by_s: Annotated[
        float, Meta(ge=-7 * DAY_S, le=7 * DAY_S, description="seconds later; negative: sooner")
    ]

    def asked(self) -> str:
        """See `_Action`."""
        sign = "-" if self.by_s < 0 else ""
        return f"extend by {sign}{duration_text(abs(self.by_s))}"


class SkipStage(_Action, frozen=True, tag="skip"):
    """End the stage that goes on, and begin the next one. The fleet stays as large as it is."""


class StopRun(_Action, frozen=True, tag="stop"):
    """End the stages and bring the chargers home; `now`: cut everything off."""

    now: bool = False

    def asked(self) -> str:
        """See `_Action`."""
        return "stop now" if self.now else "stop"


LiveAction = (
    PauseRun
    | ResumeRun
    | ChangeTarget
    | ChangeRate
    | ChangeMode
    | KillChargers
    | InjectFault
    | ClearFaults
    | ImpairNetwork
    | ClearNetwork
    | ExtendStage
    | SkipStage
    | StopRun
)
ACTIONS: tuple[type[LiveAction], ...] = get_args(LiveAction)


class ActionTaken(Struct, frozen=True):
    """An action as it went, in `summary.json` and in REST."""

    at_s: float
    """Seconds from the beginning of the load."""
    at: str
    """UTC."""
    by: str
    """`terminal`, or the user's name."""
    do: str
    what: str
    """What was asked for, in words."""
    asked: dict[str, Any]
    """What was asked for, as REST has it."""
    done: bool
    """False: it was refused, and has changed nothing."""
    result: str
    """What was done, or why not."""


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{share * 100:.4g}%"


def _of(slices: tuple[str, ...]) -> str:
    return f" of {', '.join(slices)}" if slices else ""
