"""Limits that somebody other than the CSMS sets: an energy manager at the site, the grid operator
(2.0.1 part 2, K11 to K14). They are profiles of their own, on top of all others, and the CSMS is
told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.errors import Refused
from simfleet.station import charging, visits
from simfleet.station.charging_profiles import (
    Kind,
    Period,
    Profile,
    Profiles,
    Purpose,
    Schedule,
)
from simfleet.station.configuration_keys_energy import LIMIT_CHANGE, LIMIT_SCHEDULES
from simfleet.station.energy_messages import LimitLifted, LimitTold
from simfleet.station.profile_rules import EXTERNAL_IDS

if TYPE_CHECKING:
    from simfleet.station.energy_events import LimitImposed, LimitReleased
    from simfleet.station.station import Station


def impose(station: Station, event: LimitImposed, *, at_s: float) -> None:
    """Put a limit into effect, instead of the one from the same source. Raises `Refused` when there
    is no such connector, or the limit is none.
    """
    _known(station, event.connector_id)
    if event.limit < 0:
        raise Refused(f"a limit is 0 or more, not {event.limit}")
    if station.profiles is None:
        station.profiles = Profiles()
    before = _of(station, event.connector_id, event.source)
    profile = Profile(
        id=_free_id(station) if before is None else before.id,
        connector_id=event.connector_id,
        stack_level=0,
        purpose=Purpose.EXTERNAL,
        kind=Kind.ABSOLUTE,
        schedule=Schedule(event.unit, (Period(0, event.limit),), start_wall_s=station.wall_s(at_s)),
        source=event.source,
    )
    station.profiles.put(profile, supersedes=False)
    _take_effect(station, at_s=at_s)
    if not _tells(station) or (before is not None and not _matters(station, before, profile)):
        return
    shown = profile if station.configuration.flag(LIMIT_SCHEDULES) else None
    told = LimitTold(
        event.connector_id, event.source, shown, event.grid_critical, event.local_generation
    )
    station.say(told, due_s=at_s)


def release(station: Station, event: LimitReleased, *, at_s: float) -> None:
    """Take a limit away. Raises `Refused` when there is none of that source."""
    _known(station, event.connector_id)
    profile = _of(station, event.connector_id, event.source)
    if profile is None or station.profiles is None:
        raise Refused(f"{event.source} does not limit connector {event.connector_id}")
    station.profiles.clear(profile_id=profile.id)
    _take_effect(station, at_s=at_s)
    if _tells(station):
        station.say(LimitLifted(event.connector_id, event.source), due_s=at_s)


def _known(station: Station, connector_id: int) -> None:
    if connector_id != 0:
        station.connector(connector_id)


def _of(station: Station, connector_id: int, source: str) -> Profile | None:
    for profile in station.profiles or ():
        if (
            profile.purpose is Purpose.EXTERNAL
            and profile.connector_id == connector_id
            and profile.source == source
        ):
            return profile
    return None


def _free_id(station: Station) -> int:
    """An id that the CSMS does not give (2.1: MaxExternalConstraintsId)."""
    used = {profile.id for profile in station.profiles or ()}
    number = -1
    if _tells(station):
        number = station.configuration.whole(EXTERNAL_IDS)
    while number in used:
        number -= 1
    return number


def _tells(station: Station) -> bool:
    """OCPP 1.6 has no words for it."""
    return station.dialect.accounts is visits.ACCOUNTS_2


def _matters(station: Station, before: Profile, after: Profile) -> bool:
    """Whether a change is above LimitChangeSignificance."""
    old, new = before.schedule, after.schedule
    if old.unit != new.unit:
        return True
    return _changes(station, old.periods[0].limit, new.periods[0].limit)


def _changes(station: Station, before: float, after: float) -> bool:
    if before == after:
        return False
    percent = station.configuration.whole(LIMIT_CHANGE)
    return before <= 0.0 or abs(after - before) / before * 100 > percent


def _take_effect(station: Station, *, at_s: float) -> None:
    """Each transaction whose rate that changes tells of it: ChargingRateChanged (K12.FR.03)."""
    before = []
    for connector in station.connectors:
        if connector.transaction is not None:
            connector.meter_to(at_s)
        before.append(connector.offered_w)
    charging.apply_limits(station, at_s=at_s)
    if not _tells(station):
        return
    for connector, offered_w in zip(station.connectors, before, strict=True):
        goes_on = connector.visit is not None and connector.transaction is not None
        if goes_on and _changes(station, abs(offered_w), abs(connector.offered_w)):
            visits.happened(station, connector, "ChargingRateChanged", at_s=at_s)
