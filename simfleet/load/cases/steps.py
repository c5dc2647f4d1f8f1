"""The steps of a case, one struct per word; what each does is in `doing.py` and `expecting.py`."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import msgspec

from simfleet.documents.fields import Key, ListOf, Part
from simfleet.documents.kinds import Choice, Duration, Flag, Measure, Text, Whole
from simfleet.load.cases.kinds import (
    ComparisonKind,
    NodePart,
    Scalars,
    StepKind,
    WhereKind,
    Wrapped,
)
from simfleet.load.cases.where import Comparison, Where
from simfleet.load.command_kinds import CsmsAction, Json, Names, Share
from simfleet.load.fault_fields import FAULT, STAGE_FAULTS
from simfleet.station.events import StopCause
from simfleet.station.phase import Phase

WAIT_MAX_S: Final = 86_400.0
WITHIN_S: Final = 10.0
UNTIL_S: Final = 30.0
TIMES_MAX: Final = 1_000
COUNT_MAX: Final = 10_000
_KWH: Final = 1000.0
_ACTION: Final = Text(
    "the name of a message, such as StatusNotification", pattern="[A-Za-z0-9]+", length_max=60
)
_CODE: Final = Text("a CALLERROR code", pattern="[A-Za-z]+", length_max=60)
_PHASES: Final = Scalars(Choice(*(phase.value for phase in Phase)), "phases")

Connector: TypeAlias = Annotated[
    int, Key(Whole(1, 64, "a connector"), "the connector (2.x: the EVSE), from 1", "connector")
]
IdTag: TypeAlias = Annotated[
    str | None,
    Key(
        Text("a tag such as 04A1B2C3, or eMAID:DE*ABC*1", length_max=255),
        "the tag; left out, the charger's own",
    ),
]
Energy: TypeAlias = Annotated[
    float | None,
    Key(
        Measure(0.001, 1000, "kWh", scale=_KWH),
        "what the driver wants; left out, all that the vehicle takes",
        "energy_kwh",
    ),
]
ActionName: TypeAlias = Annotated[str | None, Key(_ACTION, "a message, by its name in OCPP")]
Phases: TypeAlias = Annotated[
    tuple[str, ...],
    Key(
        Scalars(Choice(*(phase.value for phase in Phase)), "phases"), "its status, or one of these"
    ),
]
ErrorCode: TypeAlias = Annotated[
    str | None,
    Key(Text("a CALLERROR code", pattern="[A-Za-z]+", length_max=60), "the reply is this error"),
]


class Plug(msgspec.Struct, frozen=True, kw_only=True):
    """Put the cable in."""

    connector_id: Connector = 1
    soc: Annotated[
        float | None, Key(Share(), "how full the vehicle's battery is; left out, drawn")
    ] = None
    energy_wh: Energy = None


class Unplug(msgspec.Struct, frozen=True, kw_only=True):
    """Take the cable out."""

    connector_id: Connector = 1


class Swipe(msgspec.Struct, frozen=True, kw_only=True):
    """Hold a tag to the reader."""

    connector_id: Connector = 1
    id_tag: IdTag = None


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Put the cable in, if it is not, and hold a tag to the reader."""

    connector_id: Connector = 1
    id_tag: IdTag = None
    energy_wh: Energy = None


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """End the session as its driver does, or for another cause."""

    connector_id: Connector = 1
    unplug: Annotated[bool, Key(Flag(), "whether the cable comes out as well")] = False
    reason: Annotated[StopCause, Key(Choice(*get_args(StopCause)), "why it ends")] = "Local"


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Let time pass."""

    for_s: float


class Clear(msgspec.Struct, frozen=True, kw_only=True):
    """End faults."""

    kind: Annotated[
        str | None,
        Key(
            Choice(*(str(one.__struct_config__.tag) for one in STAGE_FAULTS)),
            "what to end; left out, every fault",
        ),
    ] = None


class PowerCycle(msgspec.Struct, frozen=True, kw_only=True):
    """Take the mains away for a while; the charger boots anew."""

    off_for_s: Annotated[float, Key(Duration(0, 3600), "how long it has no power", "off_for")] = 2.0


class Disconnect(msgspec.Struct, frozen=True, kw_only=True):
    """Cut the charger's network: it goes on offline."""

    for_s: Annotated[
        float | None,
        Key(Duration(0.1, WAIT_MAX_S), "how long; left out, until `reconnect`", "for"),
    ] = None


class Reconnect(msgspec.Struct, frozen=True, kw_only=True):
    """Give the charger its network back."""


class Set(msgspec.Struct, frozen=True, kw_only=True):
    """Change what the vehicle does."""

    connector_id: Connector = 1
    vehicle: Annotated[
        Literal["suspended", "charging"] | None,
        Key(Choice("suspended", "charging"), "whether it draws energy"),
    ] = None
    energy_wh: Energy = None


class Expect(msgspec.Struct, frozen=True, kw_only=True):
    """A message must come, or must not."""

    sent: ActionName = None
    received: ActionName = None
    reply_to: ActionName = None
    error: ErrorCode = None
    where: Annotated[Where, Key(WhereKind(), "what it must say")] = Where()
    within_s: Annotated[
        float, Key(Duration(0, WAIT_MAX_S), "how long to wait for it", "within")
    ] = WITHIN_S
    count: Annotated[int, Key(Whole(1, COUNT_MAX), "how many of them")] = 1
    never: Annotated[bool, Key(Flag(), "true: none may come within that time", "not")] = False


class Assert(msgspec.Struct, frozen=True, kw_only=True):
    """Something must be so now: messages until now, or the state of the charger."""

    sent: ActionName = None
    received: ActionName = None
    reply_to: ActionName = None
    error: ErrorCode = None
    where: Annotated[Where, Key(WhereKind(), "what they must say")] = Where()
    count: Annotated[
        Comparison | None,
        Key(ComparisonKind("a count such as 2 or '>= 1'"), "how many there are; left out, any"),
    ] = None
    connector_id: Connector = 1
    phase: Phases = ()
    transaction: Annotated[
        bool | None, Key(Flag(), "whether a transaction runs on the connector")
    ] = None
    energy_kwh: Annotated[
        Comparison | None,
        Key(ComparisonKind("a number of kWh such as '> 1'"), "what the transaction has come to"),
    ] = None
    power_kw: Annotated[
        Comparison | None,
        Key(ComparisonKind("a number of kW such as '<= 11'"), "what the vehicle draws"),
    ] = None
    limit_kw: Annotated[
        Comparison | None,
        Key(ComparisonKind("a number of kW such as '<= 11'"), "what the charger lets it draw"),
    ] = None
    online: Annotated[bool | None, Key(Flag(), "whether the charger is connected")] = None
    queued: Annotated[
        Comparison | None,
        Key(
            ComparisonKind("a number such as 0 or '> 0'"),
            "messages about transactions it still owes",
        ),
    ] = None


class CsmsStep(msgspec.Struct, frozen=True, kw_only=True):
    """Have the embedded CSMS send a message, and wait for the answer."""

    send: Annotated[str, Key(CsmsAction(), "the message, by its name in OCPP")]
    payload: Annotated[
        dict[str, Any],
        Key(Json("a mapping, the payload of the message,"), "what it says; may hold placeholders"),
    ] = {}
    expect: Annotated[
        tuple[str, ...],
        Key(
            Names("a status, a CALLERROR code, timeout or any"),
            "what the charger must answer; left out, what says that it does it",
        ),
    ] = ()
    where: Annotated[Where, Key(WhereKind(), "what the answer must say besides")] = Where()


class Until(msgspec.Struct, frozen=True, kw_only=True):
    """Wait until something is so."""

    transaction: Annotated[
        Literal["started", "stopped"] | None,
        Key(Choice("started", "stopped"), "in the CSMS's books, on the connector"),
    ] = None
    phase: Phases = ()
    online: Annotated[
        bool | None, Key(Flag(), "true: connected and accepted; false: without a connection")
    ] = None
    connector_id: Connector = 1
    within_s: Annotated[float, Key(Duration(0, WAIT_MAX_S), "how long to wait", "within")] = UNTIL_S


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step: the word, and what belongs to it."""

    word: str
    act: Any
    """What the word stands for in `FLAT_STEPS`, or a `Repeat`."""


_MAPPING: Final = "a mapping"
FLAT_STEPS: Final = {
    "plug": Part(Plug, _MAPPING),
    "unplug": Part(Unplug, _MAPPING),
    "swipe": Part(Swipe, _MAPPING),
    "authorize": Part(Swipe, _MAPPING),
    "start": Part(Start, _MAPPING),
    "stop": Part(Stop, _MAPPING),
    "wait": Wrapped(Duration(0, WAIT_MAX_S), Wait, "for_s"),
    "fault": FAULT,
    "clear": Part(Clear, _MAPPING),
    "power_cycle": Part(PowerCycle, _MAPPING),
    "disconnect": Part(Disconnect, _MAPPING),
    "reconnect": Part(Reconnect, _MAPPING),
    "set": Part(Set, _MAPPING),
    "expect": NodePart(Expect, _MAPPING),
    "assert": NodePart(Assert, _MAPPING),
    "csms": NodePart(CsmsStep, "a mapping such as {send: ClearCache}"),
    "until": Part(Until, _MAPPING),
}
"""Every step that can stand inside a `repeat`, by its word."""


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """Do the same steps several times."""

    times: Annotated[int, Key(Whole(1, TIMES_MAX, "rounds"), "how often")]
    steps: Annotated[
        tuple[Step, ...],
        Key(
            ListOf(StepKind(FLAT_STEPS), "steps", count_min=1, count_max=100),
            "what is done each time; no other repeat",
        ),
    ]
