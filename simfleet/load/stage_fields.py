"""What every stage of a scenario has, and the three plainest: ramp, hold and stop.

A stage is data; `stages/` carries it out. Each struct says about itself what the rest of the run
side needs to know before it is carried out: how long it takes, and how many chargers it wants.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias

import msgspec

from simfleet.documents.fields import Key, ListOf
from simfleet.documents.kinds import BAD, Choice, Duration, Text, Whole
from simfleet.load.behaviour_fields import DAY_S
from simfleet.load.csms_fields import CSMS, StageCsms
from simfleet.load.fault_fields import FAULT, STAGE_FAULTS_MAX, StageFault
from simfleet.load.fleet_fields import CHARGERS_MAX, NAME_ACCEPTS, NAME_PATTERN
from simfleet.load.network_fields import STAGE_NETWORK, StageImpairment

if TYPE_CHECKING:
    from collections.abc import Callable

Mode: TypeAlias = Literal["idle", "connect", "charging"]

StageName: TypeAlias = Annotated[
    str | None,
    Key(
        Text(NAME_ACCEPTS, pattern=NAME_PATTERN, length_max=40),
        "what results and thresholds call the stage; unique among the stages",
    ),
]
Faults: TypeAlias = Annotated[
    tuple[StageFault, ...],
    Key(
        ListOf(FAULT, "faults", count_min=0, count_max=STAGE_FAULTS_MAX),
        "what chargers do wrong on purpose while the stage lasts",
    ),
]
NetworkField: TypeAlias = Annotated[
    tuple[StageImpairment, ...],
    Key(STAGE_NETWORK, "what is wrong with the way to the CSMS while the stage lasts"),
]
CsmsField: TypeAlias = Annotated[
    StageCsms | None,
    Key(CSMS, "what the embedded CSMS does wrong while the stage lasts"),
]
ModeField: TypeAlias = Annotated[
    Mode,
    Key(
        Choice("idle", "connect", "charging"),
        "idle: powered, no socket; connect: socket, boot, status, heartbeat;"
        " charging: transactions as well",
    ),
]


class StageFields(msgspec.Struct, frozen=True, kw_only=True):
    """What all stages have in common. A stage that goes on with the fleet as it is needs no more
    than its fields and `duration_s`.
    """

    CHARGERS: ClassVar[tuple[str, ...]] = ()
    """Fields that are numbers of chargers: never more than the fleet has, scaled with it."""

    name: StageName = None
    faults: Faults = ()
    network: NetworkField = ()
    csms: CsmsField = None

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """How long the stage takes as planned, from its fields by name, of which some may be BAD;
        then the result is.
        """
        raise NotImplementedError

    @property
    def lasts_s(self) -> float:
        """How long the stage takes as planned."""
        return float(self.duration_s(partial(getattr, self)))

    @property
    def most(self) -> int | None:
        """The most chargers it wants; None: as many as there are."""
        return max((getattr(self, field) for field in self.CHARGERS), default=None)

    @property
    def most_online(self) -> int | None:
        """The most chargers it wants to boot; None: as many as there are."""
        return self.most if getattr(self, "mode", None) != "idle" else 0

    def described(self) -> str:
        """The stage in a few words, for people who watch."""
        raise NotImplementedError

    def scaled(self, chargers: int, total: int) -> Self:
        """The stage for a fleet of `chargers` instead of `total`, rounded to the nearest."""
        changes: dict[str, Any] = {
            field: (2 * getattr(self, field) * chargers + total) // (2 * total)
            for field in self.CHARGERS
        }
        return msgspec.structs.replace(self, **changes)


def known(*values: Any) -> bool:
    """Whether all fields could be read."""
    return all(value is not BAD for value in values)


class Ramp(StageFields, frozen=True, kw_only=True, tag_field="do", tag="ramp"):
    """Bring the fleet to a number of chargers, evenly over a time; the newest leave first."""

    CHARGERS: ClassVar = ("to",)

    to: Annotated[int, Key(Whole(0, CHARGERS_MAX, "chargers"), "chargers at the end of the stage")]
    over_s: Annotated[float, Key(Duration(0, DAY_S), "how long the stage takes", "over")]
    mode: ModeField = "charging"

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        return get("over_s")

    def described(self) -> str:
        """See `StageFields`."""
        return f"ramp to {self.to} {self.mode} over {self.over_s:g} s"


class Hold(StageFields, frozen=True, kw_only=True, tag_field="do", tag="hold"):
    """Let the fleet go on as it is."""

    for_s: Annotated[float, Key(Duration(0, 7 * DAY_S), "how long the stage takes", "for")]

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        return get("for_s")

    def described(self) -> str:
        """See `StageFields`."""
        return f"hold {self.for_s:g} s"


class Stop(StageFields, frozen=True, kw_only=True, tag_field="do", tag="stop"):
    """Stop every transaction and close every socket, evenly over a time."""

    over_s: Annotated[float, Key(Duration(0, DAY_S), "how long the stage takes", "over")]

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        return get("over_s")

    def described(self) -> str:
        """See `StageFields`."""
        return f"stop over {self.over_s:g} s"
