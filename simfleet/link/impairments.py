"""What can be wrong with a network, as data: `faults.py` does it to links.

A network loses, delays and spoils whole messages here, never single bytes of one: a WebSocket over
TCP shows its users nothing else. Messages of one direction never overtake each other, as in TCP.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from msgspec import Meta, Struct

DELAY_MAX_S: Final = 300.0
FOR_MAX_S: Final = 3600.0
EVERY_MAX_S: Final = 86_400.0
COUNT_MAX: Final = 1_000_000

Direction = Literal["both", "to_csms", "from_csms"]
Way = Literal["to_csms", "from_csms"]

Probability = Annotated[
    float, Meta(ge=0.0001, le=1, description="how likely it is with each message")
]
Every = Annotated[
    float,
    Meta(gt=0, le=EVERY_MAX_S, description="how often on average, in seconds, whatever is said"),
]
Count = Annotated[
    int, Meta(ge=1, le=COUNT_MAX, description="how often it happens to a charger at most")
]
Names = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=50)], ...],
    Meta(
        max_length=50,
        description="only messages of these actions, CALLs and their answers; all, if left out",
    ),
]


class _Impairment(Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """Base: what all of them have."""

    direction: Annotated[Direction, Meta(description="which way: to_csms, from_csms, or both")] = (
        "both"
    )
    actions: Names = ()

    @property
    def kind(self) -> str:
        """What scenarios and REST call it."""
        return str(self.__struct_config__.tag)

    def goes(self, way: Way) -> bool:
        """Whether it touches messages that go this way."""
        return self.direction in ("both", way)

    def touches(self, action: str) -> bool:
        """Whether it touches messages of this action."""
        return not self.actions or action in self.actions


class Latency(_Impairment, frozen=True, tag="latency"):
    """Every message takes a time; with `jitter`, up to so much longer, drawn for each."""

    delay_s: Annotated[float, Meta(ge=0, le=DELAY_MAX_S, description="how long a message takes")]
    jitter_s: Annotated[
        float, Meta(ge=0, le=DELAY_MAX_S, description="up to so much longer, drawn for each")
    ] = 0.0


class Slow(_Impairment, frozen=True, tag="slow"):
    """Little bandwidth: a message has arrived when its last byte has."""

    bytes_per_s: Annotated[
        int, Meta(ge=10, le=1_000_000_000, description="bytes a second of one charger, each way")
    ]


class Stall(_Impairment, frozen=True, tag="stall"):
    """Nothing flows for a time, then everything that has come together."""

    for_s: Annotated[float, Meta(gt=0, le=FOR_MAX_S, description="how long nothing flows")]
    probability: Probability | None = None
    every_s: Every | None = None
    count: Count | None = None


class Reset(_Impairment, frozen=True, tag="reset"):
    """The connection is lost, with the message that was on its way."""

    probability: Probability | None = None
    every_s: Every | None = None
    count: Count | None = None


class HalfOpen(_Impairment, frozen=True, tag="half_open"):
    """The path is gone and nobody is told: neither side hears from the other again, and no close
    comes. The charger finds out by a missing pong, or when TCP gives up; the CSMS by its own means.
    """

    probability: Probability | None = None
    every_s: Every | None = None
    count: Count | None = None


class Duplicate(_Impairment, frozen=True, tag="duplicate"):
    """A message comes twice, as a proxy does that repeats what it thinks was lost."""

    probability: Probability = 1.0
    count: Count | None = None


class Corrupt(_Impairment, frozen=True, tag="corrupt"):
    """Bytes of a message are flipped: no JSON any more, or well-formed with another message id."""

    form: Annotated[
        Literal["not_json", "wrong_id"],
        Meta(description="no JSON any more, or a well-formed frame with an id that nobody knows"),
    ] = "not_json"
    probability: Probability = 1.0
    count: Count | None = None


class Refuse(_Impairment, frozen=True, tag="refuse"):
    """Connections are refused; those that are open stay. Directions and actions mean nothing."""

    probability: Probability = 1.0
    count: Count | None = None


Impairment = Latency | Slow | Stall | Reset | HalfOpen | Duplicate | Corrupt | Refuse
IMPAIRMENTS: Final[tuple[type[Impairment], ...]] = get_args(Impairment)
KINDS: Final = tuple(str(kind.__struct_config__.tag) for kind in IMPAIRMENTS)
"""What REST and scenarios call them."""


def problem(impairment: Impairment) -> tuple[str, str] | None:
    """What an impairment lacks to mean anything: the field, and what would be accepted."""
    if isinstance(impairment, Stall | Reset | HalfOpen):
        if (impairment.probability is None) == (impairment.every_s is None):
            what = "write either probability (of each message) or every (on average)"
            return "probability", what
        if impairment.every_s is not None and impairment.actions:
            return "actions", "every is not about messages; write probability instead"
    if isinstance(impairment, Latency) and impairment.delay_s + impairment.jitter_s <= 0:
        return "delay_s", "0s delays nothing; write a duration such as 100ms"
    return None
