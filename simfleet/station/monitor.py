"""A monitor on a variable, and what it has to say when it fires (2.0.1 part 2, N07, N08)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec import Struct

if TYPE_CHECKING:
    from simfleet.station.device_model import Entry

MonitorType = Literal[
    "UpperThreshold",
    "LowerThreshold",
    "Delta",
    "Periodic",
    "PeriodicClockAligned",
    "TargetDelta",
    "TargetDeltaRelative",
]
MonitorKind = Literal["PreconfiguredMonitor", "CustomMonitor"]
NEVER_S: Final = float("inf")
SHORTEST_S: Final = 1.0
"""The shortest period, and the shortest pause before a metered value is looked at again."""

THRESHOLDS: Final = frozenset({"UpperThreshold", "LowerThreshold"})
TARGETS: Final = frozenset({"TargetDelta", "TargetDeltaRelative"})
PERIODIC: Final = frozenset({"Periodic", "PeriodicClockAligned"})
CRITERIA: Final = {
    **dict.fromkeys(THRESHOLDS, "ThresholdMonitoring"),
    **dict.fromkeys({"Delta", *TARGETS}, "DeltaMonitoring"),
    **dict.fromkeys(PERIODIC, "PeriodicMonitoring"),
}
"""What GetMonitoringReport calls the types."""


class EventRecord(NamedTuple):
    """One event of NotifyEvent."""

    event_id: int
    wall_s: float
    trigger: Literal["Alerting", "Delta", "Periodic"]
    value: str
    entry: Entry
    monitor_id: int
    kind: MonitorKind
    severity: int
    cleared: bool | None
    transaction_id: str | None


class StreamParams(Struct, frozen=True, gc=False):
    """How a periodic event stream is told: at least every so many seconds, or values."""

    interval_s: int | None = None
    values: int | None = None


class Stream(Struct, gc=False, eq=False):
    """A periodic event stream of 2.1; its id is that of its monitor. `waiting` are moments (Unix
    seconds) and values that have not been told yet.
    """

    params: StreamParams
    accepted: bool = False
    waiting: list[tuple[float, str]] = []
    told_s: float = 0.0


@dataclass(kw_only=True, slots=True, eq=False)
class Monitor:
    """One monitor. What is below `kind` is its state: `alarmed` while a threshold is crossed,
    `reference` the value that a delta counts from, `seen` the value looked at last, `basis` what a
    metered value hung on then, `due_s` when to look by itself.
    """

    id: int
    entry: Entry
    type: MonitorType
    value: float
    severity: int
    transaction: bool = False
    kind: MonitorKind = "CustomMonitor"
    alarmed: bool = False
    reference: str | None = None
    seen: str | None = None
    basis: object = None
    due_s: float = NEVER_S
    stream: Stream | None = None

    def exceeds(self, value: str | None, target: str | None = None) -> bool:
        """Whether the condition holds for a value; never for none at all."""
        if value is None:
            return False
        match self.type:
            case "UpperThreshold":
                return float(value) > self.value
            case "LowerThreshold":
                return float(value) < self.value
            case "Delta":
                if not self.entry.numeric:
                    return value != self.reference
                return (
                    self.reference is not None
                    and abs(float(value) - float(self.reference)) > self.value
                )
            case "TargetDelta" | "TargetDeltaRelative":
                if target is None:
                    return False
                room = self.value
                if self.type == "TargetDeltaRelative":
                    room *= abs(float(target))
                return abs(float(value) - float(target)) > room
        return False
