"""Storms: stages in which many chargers lose power or connection, or are updated, all at once.

Each is over when its time is, or earlier when it waits for the last charger and that has come back.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from simfleet.documents.fields import Draft, Key
from simfleet.documents.kinds import BAD, Choice, Duration, Text
from simfleet.documents.quantities import duration_text, number_text
from simfleet.load.behaviour_fields import DAY_S
from simfleet.load.command_kinds import Share
from simfleet.load.stage_fields import StageFields, known

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.documents.nodes import Report

WITHIN_S: Final = 60.0
_SHARE: Final = Key(Share(), "how many of the chargers that are connected, rounded up")
_WITHIN: Final = Key(
    Duration(1, DAY_S), "how long it waits, after that, for the last charger to be back", "within"
)


class Storm(StageFields, frozen=True, kw_only=True):
    """What storms have in common: the fleet stays as large as it is."""


def _percent(share: float) -> str:
    return "all" if share >= 1 else f"{number_text(round(share * 100, 4))}%"


class _Sudden(Storm, frozen=True, kw_only=True):
    """Storm and recovery in one time, whoever is back by then."""

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        over_s, for_s = get("over_s"), get("for_s")
        return max(over_s, for_s) if known(over_s, for_s) else BAD


class BootStorm(_Sudden, frozen=True, kw_only=True, tag_field="do", tag="boot_storm"):
    """The power of chargers goes and comes again: everybody boots at once."""

    share: Annotated[float, _SHARE] = 1.0
    over_s: Annotated[
        float,
        Key(
            Duration(0, DAY_S),
            "over which time power goes, charger by charger; 0s: at once",
            "over",
        ),
    ] = 0.0
    for_s: Annotated[
        float, Key(Duration(1, DAY_S), "how long the stage takes, storm and recovery", "for")
    ]

    def described(self) -> str:
        """See `StageFields`."""
        pace = f"over {duration_text(self.over_s)}" if self.over_s else "at once"
        return f"boot storm: {_percent(self.share)} {pace}"


class ReconnectStorm(_Sudden, frozen=True, kw_only=True, tag_field="do", tag="reconnect_storm"):
    """Connections are cut, as by a load balancer that restarts: everybody connects at once."""

    share: Annotated[float, _SHARE] = 1.0
    over_s: Annotated[
        float,
        Key(Duration(0, DAY_S), "over which time they are cut, one by one; 0s: at once", "over"),
    ] = 0.0
    for_s: Annotated[
        float, Key(Duration(1, DAY_S), "how long the stage takes, storm and recovery", "for")
    ]
    backoff: Annotated[
        Literal["own", "none"],
        Key(
            Choice("own", "none"),
            "own: each charger pauses before it connects, as it is configured; none: at once",
        ),
    ] = "own"

    def described(self) -> str:
        """See `StageFields`."""
        return f"reconnect storm: {_percent(self.share)}, back-off {self.backoff}"


class Blackout(Storm, frozen=True, kw_only=True, tag_field="do", tag="blackout"):
    """The mains are gone for a time, then everybody is back at once."""

    share: Annotated[float, _SHARE] = 1.0
    for_s: Annotated[float, Key(Duration(0.1, DAY_S), "how long the mains are gone", "for")]
    within_s: Annotated[float, _WITHIN] = WITHIN_S

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        for_s, within_s = get("for_s"), get("within_s")
        return for_s + within_s if known(for_s, within_s) else BAD

    def described(self) -> str:
        """See `StageFields`."""
        return f"blackout: {_percent(self.share)} for {duration_text(self.for_s)}"


class _Waves(Storm, frozen=True, kw_only=True):
    """Group after group."""

    batch: Annotated[float, Key(Share(), "how many of the chargers each group has, rounded up")]
    every_s: Annotated[float, Key(Duration(0.1, DAY_S), "from one group to the next", "every")]
    within_s: Annotated[float, _WITHIN] = WITHIN_S

    @classmethod
    def duration_s(cls, get: Callable[[str], Any]) -> Any:
        """See `StageFields`."""
        batch, every_s, within_s = get("batch"), get("every_s"), get("within_s")
        if not known(batch, every_s, within_s):
            return BAD
        return (groups(batch) - 1) * every_s + within_s


class RollingRestart(_Waves, frozen=True, kw_only=True, tag_field="do", tag="rolling_restart"):
    """Group after group loses its connections, or restarts, as nodes of a CSMS are updated."""

    what: Annotated[
        Literal["links", "chargers"],
        Key(
            Choice("links", "chargers"),
            "links: connections are cut and opened again at once; chargers: their power goes",
        ),
    ] = "links"

    def described(self) -> str:
        """See `StageFields`."""
        every = duration_text(self.every_s)
        return f"rolling restart of {self.what}: {_percent(self.batch)} every {every}"


class FirmwareWave(_Waves, frozen=True, kw_only=True, tag_field="do", tag="firmware_wave"):
    """Group after group is told to update its firmware; over when all have it installed."""

    location: Annotated[
        str,
        Key(
            Text("a URL, or $uploads/NAME for the run's own server", length_max=500),
            "where the firmware is",
        ),
    ] = "$uploads/firmware-9.0.0.bin"

    def described(self) -> str:
        """See `StageFields`."""
        return f"firmware wave: {_percent(self.batch)} every {duration_text(self.every_s)}"


AnyStorm: TypeAlias = BootStorm | ReconnectStorm | Blackout | RollingRestart | FirmwareWave
STORMS: Final = (BootStorm, ReconnectStorm, Blackout, RollingRestart, FirmwareWave)


def check_storm(draft: Draft, url: Any, report: Report) -> None:
    """Report storms that the target cannot carry out; `url` is the target's, or BAD."""
    if draft.struct is FirmwareWave and url not in (BAD, "embedded"):
        message = f"the embedded CSMS sends UpdateFirmware; with target.url: {url} leave it out"
        report(draft.place, draft.path, message)


def groups(batch: float) -> int:
    """How many groups of such a share there are."""
    return math.ceil(1 / batch - 1e-9)
