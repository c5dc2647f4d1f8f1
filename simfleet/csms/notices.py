"""What stations of 2.0.1 and 2.1 tell besides transactions and upkeep: reports, monitored values,
streams, limits and needs of charging, grid control, prices, batteries. Pure, bounded.

One `Notices` holds the totals of all stations, a `StationNotices` the last that one has told.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from simfleet.csms.reports import ReportTotals, StationReports

if TYPE_CHECKING:
    from datetime import datetime

EVENTS_MAX: Final = 500
"""Monitored events remembered in full, the newest of all stations."""
EVENTS_SHOWN: Final = 20
KEPT_MAX: Final = 64
"""Of one station: streams, EVSEs, profiles and so on, of each the newest."""
NAMES_MAX: Final = 100
"""Different names counted in a group, where stations choose them; further ones are `OTHER`."""
OTHER: Final = "(other)"


class Stream:
    """A periodic event stream that a station has opened (2.1)."""

    __slots__ = ("basetime", "messages", "monitoring_id", "params", "pending", "values")

    def __init__(self, monitoring_id: int, params: Any) -> None:
        self.monitoring_id = monitoring_id
        self.params = params
        self.messages = self.values = self.pending = 0
        self.basetime: datetime | None = None


class StationNotices:
    """The last that a station has told of each; made when it tells, or is asked, the first."""

    __slots__ = (
        "der_controls",
        "dynamic_limits",
        "ev_schedules",
        "event_seq_no",
        "events",
        "limits",
        "needs",
        "priority",
        "publish_firmware",
        "published_at",
        "reports",
        "reservations",
        "settlements",
        "streams",
        "swaps",
    )

    def __init__(self) -> None:
        self.reports = StationReports()
        self.events = 0
        self.event_seq_no: int | None = None
        """The number of the last part of a NotifyEvent that is to be continued."""
        self.streams: dict[int, Stream] = {}
        self.limits: dict[int, Any] = {}
        """The ChargingLimit in force, by EVSE; 0 is the station."""
        self.needs: dict[int, Any] = {}
        """ChargingNeeds by EVSE."""
        self.ev_schedules: dict[int, Any] = {}
        """The vehicle's ChargingSchedule by EVSE."""
        self.dynamic_limits: dict[int, Any] = {}
        """What PullDynamicScheduleUpdate is answered, by profile: the last that was sent."""
        self.priority: dict[str, bool] = {}
        """Whether priority charging is on, by transaction."""
        self.der_controls: dict[str, bool] = {}
        """Whether a DER control has started, by its id."""
        self.reservations: dict[int, str] = {}
        """Why a reservation is over, by its id."""
        self.settlements: dict[str, Any] = {}
        """NotifySettlement by the reference of the payment."""
        self.swaps: dict[int, Any] = {}
        """The last BatterySwap by requestId."""
        self.publish_firmware: str | None = None
        self.published_at: tuple[str, ...] = ()


def keep(kept: dict[Any, Any], key: Any, value: Any) -> None:
    """Keep the newest `KEPT_MAX`."""
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > KEPT_MAX:
        del kept[next(iter(kept))]


class Event(NamedTuple):
    """An event of a monitor as a station told it."""

    identity: str
    event_id: int
    timestamp: datetime
    trigger: str
    kind: str
    variable: str
    value: str
    cleared: bool
    monitoring_id: int | None


class Notices:
    """Totals over all stations, in groups."""

    def __init__(self) -> None:
        self.reports = ReportTotals()
        self.events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self.counts: dict[str, dict[str, int]] = {}
        self.settled = 0.0
        """The sum of all settlements, whatever their currency."""

    def count(self, group: str, name: str, more: int = 1) -> None:
        """Count one more of a name in a group."""
        counts = self.counts.setdefault(group, {})
        if name not in counts and len(counts) >= NAMES_MAX:
            name = OTHER
        counts[name] = counts.get(name, 0) + more

    def ledger(self) -> dict[str, object]:
        """All of it as JSON values; the newest events come last."""
        return {
            "reports": self.reports.ledger(),
            "notices": {
                group: dict(sorted(counts.items())) for group, counts in sorted(self.counts.items())
            },
            "event_examples": [event._asdict() for event in list(self.events)[-EVENTS_SHOWN:]],
            "settled": round(self.settled, 2),
        }
