"""How much power each connector may offer now: the limits of its profiles, and its share of what
all connectors have together.

What all have together (the profiles of the whole station, `StationSpec.station_max_power_w`) goes
to the connectors whose vehicles draw, in equal parts, but to none more than its vehicle can take at
most while others want it. A part too small to charge with (6 A, IEC 61851-1; minChargingRate) is no
use to anybody: then the session that began last waits, and the others share.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from simfleet.station import agenda
from simfleet.station.agenda import Job
from simfleet.station.charging_profiles import PHASES_MAX
from simfleet.station.energy_flow import directed, mode_told
from simfleet.station.limits import (
    GRACE_S,
    NEVER_S,
    Outlet,
    Said,
    changes_after,
    grid_of,
    of_connector,
    of_generation,
    of_station,
    said_at,
)
from simfleet.station.phase import Move

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.station.charging_profiles import Mode, Profile, Profiles
    from simfleet.station.connector import Connector
    from simfleet.station.meter import ElectricalSpec
    from simfleet.station.station import Station
    from simfleet.station.transaction import Transaction

NOISE_W: Final = 1e-6
"""Less than this is the noise of conversions."""


class Offer(NamedTuple):
    """What a connector may offer: with that wiring (one phase of three may be left), so much."""

    connector: Connector
    electrical: ElectricalSpec
    power_w: float


class Want(NamedTuple):
    """What one connector would take of a power that is shared."""

    limit_w: float  # its own limit
    peak_w: float  # what its vehicle can take at most
    least_w: float  # less is no use


class _Claim(NamedTuple):
    connector: Connector
    transaction: Transaction
    outlet: Outlet
    profiles: list[Profile]
    want: Want
    phases: int
    given_w: float = 0.0
    """What the vehicle shall give back, as an offer of less than 0 (2.1)."""
    mode: Mode | None = None


def allot(station: Station, profiles: Profiles, *, at_s: float) -> list[Offer]:
    """What every connector with a transaction may offer from now on; the agenda knows when that may
    next change by itself.
    """
    wall_s = station.wall_s(at_s) + GRACE_S
    switches = station.configuration.get("ConnectorSwitch3to1PhaseSupported") == "true"
    of_all = of_station(profiles)
    said_to_all = said_at(of_all, wall_s, session_wall_s=None)
    claims = [
        _claim(station, profiles, connector, connector.transaction, said_to_all, wall_s, switches)
        for connector in station.connectors
        if connector.transaction is not None
    ]
    made = of_generation(profiles)
    _wake(station, profiles, [*of_all, *made], claims, at_s=at_s)
    if not claims:
        return []
    powers_w = [claim.want.limit_w for claim in claims]
    budgets_w = (
        [] if station.spec.station_max_power_w is None else [station.spec.station_max_power_w]
    )
    grid = grid_of([claim.outlet for claim in claims])
    budgets_w += [grid.offer_w(said) for said in said_to_all]
    if budgets_w:
        more_w = sum(grid.offer_w(said) for said in said_at(made, wall_s, session_wall_s=None))
        _share(claims, powers_w, grid, min(budgets_w) + more_w)
    return [
        _offer(station, claim, power_w) for claim, power_w in zip(claims, powers_w, strict=True)
    ]


def outlet_of(station: Station, connector: Connector, *, switches: bool) -> Outlet:
    """The electrical side of a connector with the vehicle that is there now."""
    vehicle = None if connector.vehicle is None else connector.vehicle.spec
    return Outlet.of(station.spec.outlet(connector.id), vehicle=vehicle, switches=switches)


def _claim(
    station: Station,
    profiles: Profiles,
    connector: Connector,
    transaction: Transaction,
    said_to_all: list[Said],
    wall_s: float,
    switches: bool,
) -> _Claim:
    outlet = outlet_of(station, connector, switches=switches)
    own = profiles_of(station, profiles, connector)
    said = said_at(own, wall_s, session_wall_s=station.wall_s(transaction.start_at_s))
    phases = outlet.phases
    if outlet.switches:
        named = (outlet.phases_of(one.phases) for one in (*said, *said_to_all))
        # There is no way to use two of three.
        phases = outlet.phases if min(named, default=PHASES_MAX) >= outlet.phases else 1
    least_w = 0.0
    if not outlet.dc:
        least_w = station.spec.min_current_a * outlet.volts * outlet.phases
    for one in said:
        if one.min_rate is not None:
            rate = Said(one.min_rate, one.unit, one.phases, None)
            least_w = max(least_w, outlet.offer_w(rate))
    limit_w = min([outlet.max_w, *(outlet.offer_w(one) for one in said)])
    given_w, mode = 0.0, None
    for one in said:
        if one.flow is not None:
            mode = one.flow.mode
            limit_w, given_w = directed(station, connector, one, outlet, limit_w=limit_w)
    if station.energy is not None and connector.id in station.energy.waiting:
        limit_w, given_w = 0.0, 0.0  # the vehicle has no schedule yet
    peak_w = outlet.max_w
    if connector.vehicle is not None and not outlet.dc:
        peak_w = connector.vehicle.peak_w * outlet.phases / min(phases, outlet.vehicle_phases)
    elif connector.vehicle is not None:
        peak_w = connector.vehicle.peak_w
    want = Want(limit_w, peak_w, least_w)
    return _Claim(connector, transaction, outlet, own, want, phases, given_w, mode)


def profiles_of(station: Station, profiles: Profiles, connector: Connector) -> list[Profile]:
    """The profiles that concern a connector alone as things stand."""
    transaction, visit = connector.transaction, connector.visit
    return of_connector(
        profiles,
        connector.id,
        transaction=None if transaction is None else transaction.number,
        visit=None if visit is None else visit.number,
        priority=station.energy is not None and station.energy.goes_first(connector),
    )


def _wake(
    station: Station,
    profiles: Profiles,
    of_all: list[Profile],
    claims: list[_Claim],
    *,
    at_s: float,
) -> None:
    """Limits matter while a transaction runs; without one nothing is on the agenda."""
    now_wall_s = station.wall_s(at_s)
    change_wall_s = NEVER_S
    if claims:
        after_wall_s = now_wall_s + GRACE_S
        change_wall_s = changes_after(of_all, after_wall_s, session_wall_s=None)
    for claim in claims:
        began_wall_s = station.wall_s(claim.transaction.start_at_s)
        its_wall_s = changes_after(claim.profiles, after_wall_s, session_wall_s=began_wall_s)
        change_wall_s = min(change_wall_s, its_wall_s)
    if change_wall_s == NEVER_S:
        profiles.due_s = NEVER_S
        agenda.cancel(station, Job.LIMITS)
    else:
        profiles.due_s = at_s + (change_wall_s - now_wall_s)
        agenda.at(station, Job.LIMITS, profiles.due_s)


# ── sharing ───────────────────────────────────────────────────────────────────────────────────────


def _share(claims: list[_Claim], powers_w: list[float], grid: Outlet, budget_w: float) -> None:
    """Reduce the powers of those that draw to what they have together."""
    drawing = [
        index
        for index, claim in enumerate(claims)
        if claim.connector.wanted_move() is Move.ENERGY_ON and not claim.given_w
    ]
    drawing.sort(key=lambda index: claims[index].transaction.number)
    wants = []
    for index in drawing:
        outlet = claims[index].outlet
        wants.append(Want(*(outlet.drawn_w(power_w, grid) for power_w in claims[index].want)))
    for index, granted_w in zip(drawing, share_out(budget_w, wants), strict=True):
        outlet = claims[index].outlet
        powers_w[index] = granted_w / outlet.drawn_w(1.0, grid)


def share_out(budget_w: float, wants: Sequence[Want]) -> list[float]:
    """Who gets what of a power; first come, first served where it does not suffice for all.

    None gets more than its limit, all together get no more than `budget_w`, and each gets 0 or at
    least `least_w`. First what the vehicles can take at most is filled up to one level, then what
    is left goes the same way, up to the limits.
    """
    served = [index for index, want in enumerate(wants) if want.limit_w >= want.least_w - NOISE_W]
    while True:
        chosen = [wants[index] for index in served]
        usable_w = [min(want.limit_w, max(want.peak_w, want.least_w)) for want in chosen]
        granted_w = fill(budget_w, usable_w)
        spare_w = budget_w - sum(granted_w)
        rest_w = [want.limit_w - power_w for want, power_w in zip(chosen, granted_w, strict=True)]
        extra_w = fill(spare_w, rest_w)
        granted_w = [power_w + more_w for power_w, more_w in zip(granted_w, extra_w, strict=True)]
        useless = [
            index
            for index, power_w in zip(served, granted_w, strict=True)
            if power_w < wants[index].least_w - NOISE_W
        ]
        if not useless:
            break
        served.remove(useless[-1])
    result_w = [0.0] * len(wants)
    for index, power_w in zip(served, granted_w, strict=True):
        result_w[index] = power_w
    return result_w


def fill(amount: float, vessels: Sequence[float]) -> list[float]:
    """Pour an amount into vessels of these sizes so that the level is the same in all that are not
    full.
    """
    left, filled = max(0.0, amount), [0.0] * len(vessels)
    waiting = sorted(range(len(vessels)), key=lambda index: vessels[index])
    for position, index in enumerate(waiting):
        filled[index] = min(vessels[index], left / (len(waiting) - position))
        left -= filled[index]
    return filled


# ── what is offered ───────────────────────────────────────────────────────────────────────────────


def _offer(station: Station, claim: _Claim, power_w: float) -> Offer:
    if claim.mode is not None or station.energy is not None:
        mode_told(station, claim.connector, claim.mode)
    if claim.given_w:
        return Offer(claim.connector, station.spec.outlet(claim.connector.id), -claim.given_w)
    if power_w < claim.want.least_w - NOISE_W:
        power_w = 0.0
    electrical = station.spec.outlet(claim.connector.id)
    if claim.phases < electrical.phases:
        return Offer(claim.connector, one_phase(electrical), power_w / electrical.phases)
    return Offer(claim.connector, electrical, power_w)


@lru_cache(maxsize=64)
def one_phase(electrical: ElectricalSpec) -> ElectricalSpec:
    """An outlet of which only one phase is connected."""
    return replace(electrical, phases=1, max_power_w=electrical.max_power_w / electrical.phases)
