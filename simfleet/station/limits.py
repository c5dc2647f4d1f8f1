"""Which limit the charging profiles set at an instant, when that next changes, and the composite
schedule (OCPP 1.6 sections 3.13, 5.7).

Nothing here knows a station: profiles, an outlet and a time go in, limits come out.

What applies, purpose by purpose: of the profiles that say something at that instant, the one with
the highest stack level. A profile says nothing before its schedule starts, after its duration, and
outside validFrom to validTo. A profile of the transaction takes the place of the default ones while
it says something; the limit of the station and external constraints come on top of either: the
least counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from simfleet.station.charging_profiles import (
    PHASES_MAX,
    Flow,
    Kind,
    Period,
    Profile,
    Purpose,
    RateUnit,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simfleet.station.charging_profiles import Profiles
    from simfleet.station.meter import ElectricalSpec
    from simfleet.station.vehicle import VehicleSpec

NEVER_S: Final = float("inf")
GRACE_S: Final = 0.001
"""A change that is nearer than this counts as having come: clocks are compared by subtracting large
numbers.
"""
COMPOSITE_STEPS_MAX: Final = 2_000
"""Changes of any profile that one composite schedule looks at; a longer one is cut short there."""
COMPOSITE_PERIODS_MAX: Final = 200
"""Periods that one composite schedule tells."""
PACK_LOW: Final = 0.9
"""The lowest voltage of a pack that charges, as a part of its nominal voltage (see `meter.py`)."""


# ── units ─────────────────────────────────────────────────────────────────────────────────────────


class Outlet(Struct, frozen=True, gc=False):
    """The electrical side of a connector as limits see it."""

    dc: bool
    phases: int
    volts: float  # AC: phase to neutral, nominal; DC: the least of the vehicle, else nominal
    max_w: float
    vehicle_phases: int  # that the vehicle uses; all when there is none
    switches: bool  # whether it can go from three phases to one (ConnectorSwitch3to1PhaseSupported)

    @classmethod
    def of(
        cls, electrical: ElectricalSpec, *, vehicle: VehicleSpec | None, switches: bool
    ) -> Outlet:
        """An outlet with that vehicle at it, or none."""
        dc = electrical.kind == "DC"
        phases, max_w = electrical.phases, electrical.max_power_w
        volts, vehicle_phases = electrical.nominal_v, phases
        if vehicle is not None and dc:
            # So the current stays below a limit in amperes at any state of charge.
            volts = PACK_LOW * vehicle.pack_v
        elif vehicle is not None:
            vehicle_phases = min(phases, vehicle.phases)
        return cls(dc, phases, volts, max_w, vehicle_phases, switches and not dc)

    def phases_of(self, period_phases: int | None) -> int:
        """The phases that a power is spread over, with the number that a period names.

        An outlet that cannot switch does not take phases away from a vehicle: it spreads over what
        the vehicle uses, so that the power of all phases stays within the limit.
        """
        named = min(period_phases or PHASES_MAX, self.phases)
        return named if self.switches else max(named, self.vehicle_phases)

    def in_unit(self, unit: RateUnit, said: Said) -> float:
        """A limit in that unit: A in each phase, or W in all phases that it names."""
        if unit == said.unit:
            return said.limit
        one_ampere_w = self.volts * self.phases_of(said.phases)
        return said.limit * one_ampere_w if unit == "W" else said.limit / one_ampere_w

    def offer_w(self, said: Said) -> float:
        """A limit as power on offer at all phases of the outlet; a vehicle takes the share of the
        phases that it uses.
        """
        if self.dc:
            return self.in_unit("W", said)
        return self.in_unit("A", said) * self.volts * self.phases

    def drawn_w(self, offered_w: float, grid: Outlet) -> float:
        """What an offer (see `offer_w`) takes of what the grid connection can offer."""
        return offered_w if self.dc else offered_w * grid.phases / self.phases

    def max_in(self, unit: RateUnit) -> float:
        """What the outlet itself can give."""
        return self.max_w if unit == "W" else self.max_w / (self.volts * self.phases)


def grid_of(outlets: Sequence[Outlet]) -> Outlet:
    """The connection that the outlets of a station share, as one outlet. On AC, single-phase
    outlets may all be on the same phase, so each ampere counts in full.
    """
    dc = all(outlet.dc for outlet in outlets)
    same = [outlet for outlet in outlets if outlet.dc == dc]
    phases = max(outlet.phases for outlet in same)
    return Outlet(
        dc,
        phases,
        min(outlet.volts for outlet in same),
        sum(outlet.max_w for outlet in outlets),
        phases,
        any(outlet.switches for outlet in outlets),
    )


class Said(Struct, frozen=True, gc=False):
    """What one profile says at an instant."""

    limit: float
    unit: RateUnit
    phases: int | None
    min_rate: float | None
    flow: Flow | None = None


# ── one profile ───────────────────────────────────────────────────────────────────────────────────


def _began_wall_s(profile: Profile, wall_s: float, session_wall_s: float | None) -> float | None:
    """The start that the schedule counts from at that instant; None when there is none."""
    start_wall_s = profile.schedule.start_wall_s
    if profile.kind is Kind.RELATIVE or start_wall_s is None:
        return session_wall_s
    if profile.kind is Kind.RECURRING and profile.recurrency is not None:
        every_s = profile.recurrency.seconds
        times = max(0, math.floor((wall_s - start_wall_s) / every_s))
        return start_wall_s + times * every_s
    return start_wall_s


def period_at(profile: Profile, wall_s: float, *, session_wall_s: float | None) -> Period | None:
    """The period of a profile that holds at an instant, or None when it says nothing then.

    `session_wall_s` is when the transaction began that charging counts from, None without one.
    """
    if profile.valid_from_wall_s is not None and wall_s < profile.valid_from_wall_s:
        return None
    if profile.valid_to_wall_s is not None and wall_s >= profile.valid_to_wall_s:
        return None
    began_wall_s = _began_wall_s(profile, wall_s, session_wall_s)
    if began_wall_s is None or wall_s < began_wall_s:
        return None
    schedule = profile.schedule
    passed_s = wall_s - began_wall_s
    if schedule.duration_s is not None and passed_s >= schedule.duration_s:
        return None
    current = None
    for period in schedule.periods:
        if period.start_s > passed_s:
            break
        current = period
    return current


def next_change(profile: Profile, wall_s: float, *, session_wall_s: float | None) -> float:
    """The next instant after `wall_s` at which a profile may say something else; inf: never."""
    schedule = profile.schedule
    moments = [profile.valid_from_wall_s, profile.valid_to_wall_s]
    began_wall_s = _began_wall_s(profile, wall_s, session_wall_s)
    if began_wall_s is not None:
        moments += [began_wall_s + period.start_s for period in schedule.periods]
        if schedule.duration_s is not None:
            moments.append(began_wall_s + schedule.duration_s)
        if profile.kind is Kind.RECURRING and profile.recurrency is not None:
            again_wall_s = began_wall_s + profile.recurrency.seconds
            # What lies beyond the next beginning does not come.
            moments = [min(moment, again_wall_s) for moment in moments if moment is not None]
            moments.append(again_wall_s)
    return min(
        (moment for moment in moments if moment is not None and moment > wall_s), default=NEVER_S
    )


# ── all profiles ──────────────────────────────────────────────────────────────────────────────────


def of_connector(
    profiles: Profiles,
    connector_id: int,
    *,
    transaction: int | None,
    visit: int | None = None,
    priority: bool = False,
) -> list[Profile]:
    """The profiles that concern a connector alone, with the transaction (its number) there; `visit`
    is its number in the books of 2.x. `priority`: it goes before others.
    """
    return [
        profile
        for profile in profiles
        if (
            profile.purpose is Purpose.TX
            and profiles.transaction_of(profile) in (transaction, visit)
            and profiles.transaction_of(profile) is not None
        )
        or (profile.purpose is Purpose.TX_DEFAULT and profile.connector_id in (0, connector_id))
        or (profile.purpose is Purpose.EXTERNAL and profile.connector_id == connector_id)
        or (
            priority
            and profile.purpose is Purpose.PRIORITY
            and profile.connector_id in (0, connector_id)
        )
        if profile.id not in profiles.silent
    ]


def of_station(profiles: Profiles) -> list[Profile]:
    """The profiles that limit all connectors together."""
    return [
        profile
        for profile in profiles
        if profile.connector_id == 0
        and profile.purpose in (Purpose.STATION_MAX, Purpose.EXTERNAL)
        and profile.id not in profiles.silent
    ]


def of_generation(profiles: Profiles) -> list[Profile]:
    """The profiles that tell what all connectors have beyond the limits of the station (2.1)."""
    return [
        profile
        for profile in profiles
        if profile.purpose is Purpose.GENERATION and profile.id not in profiles.silent
    ]


def said_at(
    profiles: Sequence[Profile], wall_s: float, *, session_wall_s: float | None
) -> list[Said]:
    """What the profiles (of one connector, or of the station) say together; each of it holds."""
    best: dict[tuple[Purpose, str], tuple[tuple[int, bool], Said]] = {}
    for profile in profiles:
        # The default of a connector comes before the one of all connectors on the same level.
        rank = (profile.stack_level, profile.connector_id != 0)
        known = best.get((profile.purpose, profile.source))
        if known is not None and known[0] >= rank:
            continue
        period = period_at(profile, wall_s, session_wall_s=session_wall_s)
        if period is not None:
            schedule = profile.schedule
            best[profile.purpose, profile.source] = (
                rank,
                Said(period.limit, schedule.unit, period.phases, schedule.min_rate, period.flow),
            )
    if (Purpose.PRIORITY, "") in best:
        best.pop((Purpose.TX, ""), None)
        best.pop((Purpose.TX_DEFAULT, ""), None)
    elif (Purpose.TX, "") in best:
        best.pop((Purpose.TX_DEFAULT, ""), None)
    return [said for _, said in best.values()]


def changes_after(
    profiles: Iterable[Profile], wall_s: float, *, session_wall_s: float | None
) -> float:
    """The next instant at which any of the profiles may say something else; inf: never."""
    return min(
        (next_change(profile, wall_s, session_wall_s=session_wall_s) for profile in profiles),
        default=NEVER_S,
    )


# ── composite schedules ───────────────────────────────────────────────────────────────────────────


class Place(Struct, frozen=True):
    """One connector of a composite schedule: its outlet, its profiles, its transaction."""

    outlet: Outlet
    profiles: list[Profile]
    session_wall_s: float


class Composite(Struct, frozen=True):
    """The limit that is expected over time, in whole seconds from `start_wall_s`."""

    start_wall_s: float
    duration_s: int
    unit: RateUnit
    periods: tuple[Period, ...]


class Question(Struct, frozen=True):
    """What a composite schedule is wanted of: one connector, or all of a station.

    `station` are the profiles that limit all connectors together. They are not shared out: how many
    vehicles will charge is not known.
    """

    places: list[Place]
    station: list[Profile]
    grid: Outlet
    station_max_w: float | None
    unit: RateUnit
    generation: tuple[Profile, ...] = ()
    """What all have beyond the limits of the station."""


def composite(question: Question, *, start_wall_s: float, duration_s: int) -> Composite:
    """What may be drawn, second by second from `start_wall_s`, which may lie within one.

    A period begins at the first whole second at which its limit holds; equal neighbours are merged.
    A schedule of more than COMPOSITE_PERIODS_MAX periods or COMPOSITE_STEPS_MAX changes is cut
    short: its duration says where.
    """
    periods: list[Period] = []
    second = 0
    for _ in range(COMPOSITE_STEPS_MAX):
        wall_s = start_wall_s + second + GRACE_S
        limit, phases = _together(question, wall_s)
        period = Period(second, limit, phases, _flow(question, wall_s))
        if not periods or replace(period, start_s=periods[-1].start_s) != periods[-1]:
            if len(periods) == COMPOSITE_PERIODS_MAX:
                break
            periods.append(period)
        change_wall_s = min(
            changes_after(question.station, wall_s, session_wall_s=None),
            changes_after(question.generation, wall_s, session_wall_s=None),
            *(
                changes_after(place.profiles, wall_s, session_wall_s=place.session_wall_s)
                for place in question.places
            ),
        )
        if change_wall_s >= start_wall_s + duration_s:
            second = duration_s
            break
        second = max(second + 1, math.ceil(change_wall_s - start_wall_s - GRACE_S))
    return Composite(start_wall_s, min(second, duration_s), question.unit, tuple(periods))


def _together(question: Question, wall_s: float) -> tuple[float, int | None]:
    """The limit of all places at an instant, in tenths rounded down, and the number of phases if
    one outlet has to leave some unused.
    """
    unit, grid = question.unit, question.grid
    of_all = said_at(question.station, wall_s, session_wall_s=None)
    limit, phases = 0.0, PHASES_MAX
    for place in question.places:
        outlet = place.outlet
        said = said_at(place.profiles, wall_s, session_wall_s=place.session_wall_s)
        if outlet.dc == grid.dc:
            limit += min([outlet.max_in(unit), *(outlet.in_unit(unit, one) for one in said)])
        else:  # a DC outlet behind an AC connection
            power_w = min([outlet.max_w, *(outlet.in_unit("W", one) for one in said)])
            limit += grid.in_unit(unit, Said(power_w, "W", None, None))
        if outlet.switches:
            phases = min([phases, *(outlet.phases_of(one.phases) for one in (*said, *of_all))])
    one_place = len(question.places) == 1
    shared = question.places[0].outlet if one_place and not grid.dc else grid
    if shared.dc != grid.dc:
        shared = grid
    of_station_all = [shared.in_unit(unit, one) for one in of_all]
    if question.station_max_w is not None:
        whole = Said(question.station_max_w, "W", None, None)
        of_station_all.append(shared.in_unit(unit, whole))
    if of_station_all:
        made = said_at(question.generation, wall_s, session_wall_s=None)
        more = sum(shared.in_unit(unit, one) for one in made)
        limit = min(limit, min(of_station_all) + more)
    outlet_phases = question.places[0].outlet.phases
    told = phases if one_place and phases < outlet_phases else None
    return math.floor(limit * 10 + 1e-6) / 10, told


def _flow(question: Question, wall_s: float) -> Flow | None:
    """What is expected of energy in both directions at one connector, in the unit asked for."""
    if len(question.places) > 1:
        return None
    place = question.places[0]
    for said in said_at(place.profiles, wall_s, session_wall_s=place.session_wall_s):
        if said.flow is None:
            continue
        flow, outlet = said.flow, place.outlet
        if said.unit == question.unit:
            return flow
        rate = outlet.volts if said.unit == "A" else 1 / outlet.volts
        return replace(
            flow,
            setpoint=None if flow.setpoint is None else flow.setpoint * rate,
            discharge_limit=None if flow.discharge_limit is None else flow.discharge_limit * rate,
        )
    return None
