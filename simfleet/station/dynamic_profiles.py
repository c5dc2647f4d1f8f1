"""Dynamic charging profiles (OCPP 2.1, K28 and K29): one period whose limits the CSMS updates, by
itself (UpdateDynamicSchedule) or when asked (PullDynamicScheduleUpdate).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from simfleet.station import agenda, charging, profile_rules
from simfleet.station.agenda import Job
from simfleet.station.charging_profiles import Flow, Kind, Refusal
from simfleet.station.energy_messages import UpdateWanted

if TYPE_CHECKING:
    from simfleet.station.charging_profiles import Period, Profile
    from simfleet.station.station import Station


class Update(Struct, frozen=True, gc=False):
    """New values, in the unit of the schedule; None: as before."""

    limit: float | None = None
    setpoint: float | None = None
    discharge_limit: float | None = None


def installed(station: Station, profile: Profile, *, at_s: float) -> None:
    """A profile has come: ask for updates of it, if it is one that wants them."""
    if profile.kind is Kind.DYNAMIC and profile.update_s:
        agenda.at(station, Job.PROFILE_UPDATE, at_s + profile.update_s, key=profile.id)
    elif station.agenda is not None:
        agenda.cancel(station, Job.PROFILE_UPDATE, key=profile.id)


def due(station: Station, profile_id: int, *, at_s: float) -> None:
    """Time to ask; nobody is asked while there is no link, but the rhythm stays."""
    profile = None if station.profiles is None else station.profiles.of_id(profile_id)
    if profile is None:
        return
    if station.may_report:
        station.say(UpdateWanted(profile_id), due_s=at_s)
    installed(station, profile, at_s=at_s)


def update(
    station: Station, profile_id: int, values: Update, *, told: bytes | None, at_s: float
) -> Refusal | None:
    """Put new values into a dynamic profile and into effect; or say why not. `told` is the profile
    as it would be written then.
    """
    profiles = station.profiles
    profile = None if profiles is None else profiles.of_id(profile_id)
    if profiles is None or profile is None:
        return Refusal("InvalidProfileId", f"there is no profile {profile_id}")
    if profile.kind is not Kind.DYNAMIC:
        return Refusal("InvalidProfile", f"profile {profile_id} is not dynamic")
    if values == Update():
        return Refusal("MissingParam", "nothing is to be updated")
    schedule = profile.schedule
    # `duration` counts from the last update.
    newer = replace(
        profile,
        told=told,
        schedule=replace(
            schedule,
            start_wall_s=station.wall_s(at_s),
            periods=(_updated(schedule.periods[0], values),),
        ),
    )
    refusal = profile_rules.why_not(station, newer)
    if newer.schedule.periods[0].limit < 0:
        refusal = Refusal("InvalidSchedule", "a limit is 0 or more")
    if refusal is not None:
        return refusal
    profiles.exchange(newer)
    installed(station, newer, at_s=at_s)
    charging.apply_limits(station, at_s=at_s)
    return None


def _updated(period: Period, values: Update) -> Period:
    flow = period.flow
    if values.setpoint is not None or values.discharge_limit is not None:
        flow = flow or Flow()
        flow = replace(
            flow,
            setpoint=flow.setpoint if values.setpoint is None else values.setpoint,
            discharge_limit=(
                flow.discharge_limit if values.discharge_limit is None else values.discharge_limit
            ),
        )
    limit = period.limit if values.limit is None else values.limit
    return replace(period, limit=limit, flow=flow)
