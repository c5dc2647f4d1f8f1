"""The limit that a charging profile sets at a moment, as far as the CSMS can tell. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

PHASES: Final = 3
"""Of a period that does not say how many it is for."""
_ROUND_S: Final = {"Daily": 86_400.0, "Weekly": 7 * 86_400.0}


class Limit(Struct, frozen=True):
    """A schedule. Its periods are seconds from its begin and amounts in `unit`."""

    unit: str
    phases: int
    periods: tuple[tuple[float, float], ...]
    begin_wall_s: float | None
    """None: the begin of the transaction, or else when it was sent."""
    relative: bool
    every_s: float | None
    duration_s: float | None

    def at(self, wall_s: float, *, sent_s: float, start_s: float | None) -> float | None:
        """The amount at a moment; None when there is no limit then. All are Unix times: of the
        moment, of the CALL, and of the begin of the transaction.
        """
        begin_s = self.begin_wall_s
        if begin_s is None:
            begin_s = start_s if self.relative and start_s is not None else sent_s
        elapsed_s = wall_s - begin_s
        if self.every_s is not None:
            elapsed_s %= self.every_s
        if elapsed_s < 0 or (self.duration_s is not None and elapsed_s >= self.duration_s):
            return None
        amounts = [amount for since_s, amount in self.periods if since_s <= elapsed_s]
        return amounts[-1] if amounts else None


def limit_in(payload: Mapping[str, Any]) -> Limit | None:
    """The limit in a SetChargingProfile of any version; None where there is no plain one."""
    profile = payload.get("csChargingProfiles") or payload.get("chargingProfile")
    if not isinstance(profile, dict):
        return None
    schedule = profile.get("chargingSchedule")
    if isinstance(schedule, list):
        schedule = schedule[0] if schedule else None
    if not isinstance(schedule, dict):
        return None
    periods = schedule.get("chargingSchedulePeriod") or []
    if not periods or any("limit" not in period for period in periods):
        return None
    start = schedule.get("startSchedule")
    kind = profile.get("chargingProfileKind")
    return Limit(
        unit=str(schedule.get("chargingRateUnit", "W")),
        phases=int(periods[0].get("numberPhases") or PHASES),
        periods=tuple(sorted((float(one["startPeriod"]), float(one["limit"])) for one in periods)),
        begin_wall_s=None if start is None else _wall_s(start),
        relative=kind == "Relative",
        every_s=_ROUND_S.get(profile.get("recurrencyKind", "")) if kind == "Recurring" else None,
        duration_s=schedule.get("duration"),
    )


def _wall_s(moment: str | datetime) -> float:
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.timestamp()
