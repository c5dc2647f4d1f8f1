"""What a CSMS can ask of smart charging, and limits that change by themselves (OCPP 1.6 sections
3.13, 5.5, 5.7, 5.16).

Profiles are taken and held by `charging_profiles.py`; which limit follows is found by `limits.py`
and shared out by `allotment.py`; `charging.apply_limits` puts it into effect. That happens when a
profile comes or goes, when a session begins, ends or changes its flow, when the clock is set, and
at the moments at which a schedule moves on, which the agenda knows. Nothing is polled.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from simfleet.station import agenda, charging, dynamic_profiles, metering, profile_rules, visits
from simfleet.station.allotment import outlet_of, profiles_of
from simfleet.station.charging_profiles import (
    Profiles,
    Purpose,
    Refusal,
    Rules,
    anchored,
    why_not,
)
from simfleet.station.limits import (
    Composite,
    Place,
    Question,
    composite,
    grid_of,
    of_generation,
    of_station,
)
from simfleet.station.profile_reports import CSMS, Wanted

if TYPE_CHECKING:
    from simfleet.station.charging_profiles import Period, Profile, RateUnit
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station

LATE_BOUNDARIES_MAX: Final = 100
"""Changes of limits that one tick makes up for; a station that was further behind goes on at the
next.
"""


# ── profiles ──────────────────────────────────────────────────────────────────────────────────────


def set_profile(station: Station, profile: Profile, *, at_s: float) -> Refusal | None:
    """Install a profile and put it into effect at once; or say why not, and change nothing."""
    refusal = _install(station, profile, at_s=at_s)
    if refusal is None:
        charging.apply_limits(station, at_s=at_s)
    elif station.logs is not None:
        line = f"charging profile {profile.id} was refused: {refusal.detail}"
        station.logs.note(station.wall_s(at_s), line)
    return refusal


def _install(station: Station, profile: Profile, *, at_s: float) -> Refusal | None:
    rules = rules_of(station)
    newer = station.dialect.accounts is visits.ACCOUNTS_2
    refusal = _why_not(station, profile, rules)
    if refusal is not None:
        return refusal
    number = None
    if profile.purpose is Purpose.TX and newer:
        number = profile_rules.visit_of(station, profile)
        if number is None:
            return Refusal(
                "TxNotFound",
                f"no transaction {profile.transaction_id} goes on at EVSE {profile.connector_id}",
            )
    elif profile.purpose is Purpose.TX:
        transaction = station.connectors[profile.connector_id - 1].transaction
        if transaction is None:
            return Refusal("TxNotFound", f"no transaction runs on connector {profile.connector_id}")
        if profile.transaction_id not in (None, transaction.id):
            return Refusal(
                "TxNotFound",
                f"transaction {transaction.id} runs on connector {profile.connector_id}, "
                f"not {profile.transaction_id}",
            )
        number = transaction.number
    profiles = station.profiles if station.profiles is not None else Profiles()
    refusal = profiles.put(
        anchored(profile, wall_s=station.wall_s(at_s)),
        rules=rules,
        transaction=number,
        waiting=_promised(station),
        supersedes=not newer,
    )
    if refusal is None:
        station.profiles = profiles
        if newer:
            dynamic_profiles.installed(station, profile, at_s=at_s)
    return refusal


def _why_not(station: Station, profile: Profile, rules: Rules) -> Refusal | None:
    if station.dialect.accounts is not visits.ACCOUNTS_2:
        return why_not(profile, rules)
    return (
        profile_rules.why_not_units(profile, rules)
        or why_not(profile, rules)
        or profile_rules.why_not(station, profile)
    )


def may_promise(station: Station, profile: Profile, connector_id: int | None) -> Refusal | None:
    """Whether the transaction that a RemoteStart asks for may have this profile. It must be a TX
    profile, and name no transaction, for there is none yet.
    """
    if profile.purpose is not Purpose.TX:
        return Refusal("InvalidProfile", "only a profile for the transaction can come with a start")
    if profile.transaction_id is not None:
        return Refusal("InvalidProfile", "the transaction to come has no id yet")
    rules = rules_of(station)
    # Whichever connector it will be; a wrong one is refused for its own sake.
    placed = replace(profile, connector_id=connector_id or 1)
    refusal = _why_not(station, placed, rules)
    if refusal is not None:
        return refusal
    if station.profiles is None:
        station.profiles = Profiles()
    others = sum(one.id != profile.id for one in station.profiles)
    if others + _promised(station) >= rules.installed_max:
        return Refusal("NoStorage", f"{rules.installed_max} profiles are installed already")
    return None


def clear_profiles(
    station: Station,
    *,
    at_s: float,
    profile_id: int | None = None,
    connector_id: int | None = None,
    purpose: Purpose | None = None,
    stack_level: int | None = None,
) -> int:
    """Remove profiles, see `Profiles.clear`, and put what remains into effect at once; returns how
    many there were.
    """
    if station.profiles is None:
        return 0
    cleared = station.profiles.clear(
        profile_id=profile_id,
        connector_id=connector_id,
        purpose=purpose,
        stack_level=stack_level,
    )
    if cleared:
        charging.apply_limits(station, at_s=at_s)
    return cleared


def clear_own(
    station: Station,
    *,
    at_s: float,
    profile_id: int | None = None,
    connector_id: int | None = None,
    purpose: Purpose | None = None,
    stack_level: int | None = None,
) -> int:
    """As `clear_profiles`, but only what the CSMS has set: in 2.x it cannot take away the limits of
    others (K10.FR.06).
    """
    wanted = Wanted(
        None if profile_id is None else frozenset({profile_id}),
        connector_id,
        purpose,
        stack_level,
        frozenset({CSMS}),
    )
    ids = frozenset(one.id for one in station.profiles or () if wanted.fits(one) and not one.source)
    if station.profiles is not None and ids:
        station.profiles.remove(ids)
        charging.apply_limits(station, at_s=at_s)
    return len(ids)


def rules_of(station: Station) -> Rules:
    """What this station takes."""
    return Rules.of(station.configuration, connectors=len(station.connectors))


def _promised(station: Station) -> int:
    return sum(connector.start_profile is not None for connector in station.connectors)


# ── composite schedule ────────────────────────────────────────────────────────────────────────────


def composite_schedule(
    station: Station,
    connector_id: int,
    *,
    duration_s: int,
    unit: RateUnit | None,
    at_s: float,
) -> Composite | None:
    """The limits to expect from now on, of one connector or (0) of the whole station; None when
    there is no such connector or no time.

    A connector without a transaction is answered for as if one began now. The station's own limits
    count, so there is always an answer; what idle connectors may draw counts too, since a vehicle
    may come any moment. Without a unit: W at DC outlets, else A.
    """
    if not 0 <= connector_id <= len(station.connectors) or duration_s <= 0:
        return None
    profiles = station.profiles if station.profiles is not None else Profiles()
    switches = station.configuration.get("ConnectorSwitch3to1PhaseSupported") == "true"
    chosen = station.connectors if not connector_id else [station.connectors[connector_id - 1]]
    start_wall_s = station.wall_s(at_s)
    places = [
        _place(station, profiles, connector, start_wall_s, switches=switches)
        for connector in chosen
    ]
    every = [outlet_of(station, connector, switches=switches) for connector in station.connectors]
    grid = grid_of(every)
    if unit is None:
        unit = "W" if (grid if len(places) > 1 else places[0].outlet).dc else "A"
    question = Question(
        places,
        of_station(profiles),
        grid,
        station.spec.station_max_power_w,
        unit,
        tuple(of_generation(profiles)),
    )
    return composite(question, start_wall_s=start_wall_s, duration_s=duration_s)


def at_most(found: Composite, power_w: float) -> Composite:
    """A schedule in W of somebody who takes no more than this."""
    periods: list[Period] = []
    for period in found.periods:
        lower = replace(period, limit=min(period.limit, power_w))
        if not periods or replace(lower, start_s=periods[-1].start_s) != periods[-1]:
            periods.append(lower)
    return replace(found, periods=tuple(periods))


def _place(
    station: Station,
    profiles: Profiles,
    connector: Connector,
    start_wall_s: float,
    *,
    switches: bool,
) -> Place:
    transaction = connector.transaction
    outlet = outlet_of(station, connector, switches=switches)
    own = profiles_of(station, profiles, connector)
    if transaction is None:
        return Place(outlet, own, start_wall_s)
    return Place(outlet, own, station.wall_s(transaction.start_at_s))


# ── time passes ───────────────────────────────────────────────────────────────────────────────────


def limits_due(station: Station, key: int = 0, *, at_s: float) -> None:
    """A schedule has moved on: each change takes effect when it was due, also when this comes late,
    and what happened before it is done before it.
    """
    profiles = station.profiles
    if profiles is None:
        return
    for _ in range(LATE_BOUNDARIES_MAX):
        due_s = profiles.due_s
        if due_s > at_s:
            return
        before_s = math.nextafter(due_s, 0.0)
        if station.aligned_due_s <= before_s:
            metering.take_aligned(station, at_s=before_s)
        for connector in station.connectors:
            if connector.change_due_s <= before_s:
                charging.changes_due(station, connector, at_s=before_s)
            if connector.sample_due_s <= before_s:
                charging.take_samples(station, connector, at_s=before_s)
        charging.apply_limits(station, at_s=due_s)


# ── the CSMS is away (2.1: maxOfflineDuration) ───────────────────────────────────────────────────


def link_lost(station: Station, *, at_s: float) -> None:
    """Some profiles count only as long as the CSMS could take them back."""
    if any(one.offline_max_s is not None for one in station.profiles or ()):
        away_for_long(station, at_s=at_s)


def away_for_long(station: Station, key: int = 0, *, at_s: float) -> None:
    """Silence the profiles for which the CSMS has been away for too long; see when the next are."""
    profiles = station.profiles
    if station.online or profiles is None:
        return
    left = {
        one.id: station.offline_since_s + one.offline_max_s
        for one in profiles
        if one.offline_max_s is not None
    }
    silent = frozenset(id_ for id_, due_s in left.items() if due_s <= at_s)
    if silent != profiles.silent:
        profiles.remove(frozenset(one.id for one in profiles if one.offline_kills) & silent)
        profiles.silent = silent
        charging.apply_limits(station, at_s=at_s)
    later = [due_s for id_, due_s in left.items() if id_ not in silent]
    if later:
        agenda.at(station, agenda.Job.PROFILE_OFFLINE, min(later))


def link_back(station: Station, *, at_s: float) -> None:
    """What was silent counts again."""
    profiles = station.profiles
    if profiles is None:
        return
    agenda.cancel(station, agenda.Job.PROFILE_OFFLINE)
    if profiles.silent:
        profiles.silent = frozenset()
        charging.apply_limits(station, at_s=at_s)


# ── what lasts ────────────────────────────────────────────────────────────────────────────────────


def remembered(station: Station) -> list[Profile]:
    """What the hardware keeps of the profiles: those of transactions die with them."""
    return [] if station.profiles is None else station.profiles.lasting()


def restore(station: Station, kept: list[Profile]) -> None:
    """Put back what `remembered` gave; not the profiles of connectors that are not there."""
    profiles = [one for one in kept if one.connector_id <= len(station.connectors)]
    if profiles:
        if station.profiles is None:
            station.profiles = Profiles()
        station.profiles.restore(profiles)
