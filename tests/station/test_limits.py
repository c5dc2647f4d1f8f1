"""Limits at an instant, the next change, sharing, composite schedules (OCPP 1.6 section 3.13)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from builders_charging import BIG_VAN, a_profile, profiles
from builders_station import EPOCH_S, Scene
from oracle_charging import Installed, Session, World, limit_at
from simfleet.ocpp.v16 import messages as v16
from simfleet.station.allotment import Want, fill, one_phase, share_out
from simfleet.station.charging_profiles import Profiles, Purpose
from simfleet.station.dialects.v16_smart import profile_of
from simfleet.station.limits import (
    NEVER_S,
    Outlet,
    Said,
    grid_of,
    next_change,
    of_connector,
    of_station,
    period_at,
    said_at,
)
from simfleet.station.meter import ElectricalSpec
from simfleet.station.vehicle import VehicleSpec

if TYPE_CHECKING:
    from simfleet.station.charging_profiles import Profile

DAY_S = 86_400
CITY_CAR = VehicleSpec("city car", 36_000, 7_360, 50_000, phases=1)


def domain(profile: dict[str, Any], connector_id: int = 1) -> Profile:
    return profile_of(msgspec.convert(profile, v16.ChargingProfile), connector_id=connector_id)


def limit_of(profile: dict[str, Any], after_s: float, session_s: float | None = None) -> object:
    session_wall_s = None if session_s is None else EPOCH_S + session_s
    period = period_at(domain(profile), EPOCH_S + after_s, session_wall_s=session_wall_s)
    return None if period is None else period.limit


# ── one profile ───────────────────────────────────────────────────────────────────────────────────


def test_an_absolute_schedule_goes_through_its_periods() -> None:
    profile = a_profile((0, 16.0), (60, 8.0))
    limits = [limit_of(profile, after_s) for after_s in (-1, 0, 59.9, 60, 10 * DAY_S)]
    assert limits == [None, 16.0, 16.0, 8.0, 8.0]


def test_a_schedule_is_over_after_its_duration() -> None:
    profile = a_profile((0, 16.0), (60, 8.0), duration=90)
    assert [limit_of(profile, after_s) for after_s in (89.9, 90)] == [8.0, None]


def test_a_profile_says_nothing_outside_its_validity() -> None:
    profile = a_profile((0, 16.0), valid_from_s=10, valid_to_s=20)
    limits = [limit_of(profile, after_s) for after_s in (9.9, 10, 19.9, 20)]
    assert limits == [None, 16.0, 16.0, None]


def test_a_relative_schedule_counts_from_the_start_of_the_transaction() -> None:
    profile = a_profile((0, 16.0), (60, 8.0), kind="Relative")
    assert limit_of(profile, 100.0) is None
    assert limit_of(profile, 100.0, session_s=50.0) == 16.0
    assert limit_of(profile, 110.0, session_s=50.0) == 8.0


def test_an_absolute_schedule_without_a_start_is_relative() -> None:
    profile = a_profile((0, 16.0), (60, 8.0), start_s=None)
    assert limit_of(profile, 110.0, session_s=50.0) == 8.0


@pytest.mark.parametrize(("recurrency", "every_s"), [("Daily", DAY_S), ("Weekly", 7 * DAY_S)])
def test_a_recurring_schedule_begins_anew(recurrency: str, every_s: int) -> None:
    profile = a_profile((0, 16.0), (3600, 8.0), kind="Recurring", recurrency=recurrency)
    for times in (0, 1, 52):
        assert limit_of(profile, times * every_s) == 16.0
        assert limit_of(profile, times * every_s + 3600) == 8.0
        assert limit_of(profile, (times + 1) * every_s - 0.1) == 8.0
    assert limit_of(profile, -1) is None


def test_a_recurring_schedule_shorter_than_its_recurrence_leaves_gaps() -> None:
    profile = a_profile((0, 16.0), kind="Recurring", recurrency="Daily", duration=3600)
    assert limit_of(profile, DAY_S + 3599) == 16.0
    assert limit_of(profile, DAY_S + 3600) is None
    assert limit_of(profile, 2 * DAY_S) == 16.0


def test_a_recurring_schedule_longer_than_its_recurrence_is_cut() -> None:
    profile = a_profile(
        (0, 16.0), (DAY_S + 5, 8.0), kind="Recurring", recurrency="Daily", duration=2 * DAY_S
    )
    assert limit_of(profile, DAY_S + 10) == 16.0


@settings(max_examples=400, deadline=None)
@given(profile=profiles(), after_s=st.integers(-600, 600), days=st.sampled_from([0, 0, 1, 7]))
def test_a_profile_says_what_the_oracle_reads_in_it(
    profile: dict[str, Any], after_s: int, days: int
) -> None:
    now = EPOCH_S + days * DAY_S + after_s
    began = now - 50
    expected = limit_at(Installed(1, profile, began), now, began)
    found = period_at(domain(profile), now, session_wall_s=began)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert (found.limit, found.phases) == (expected.value, expected.phases)


@settings(max_examples=200, deadline=None)
@given(profile=profiles(), after_s=st.integers(-400, 400))
def test_nothing_changes_before_the_next_change(profile: dict[str, Any], after_s: int) -> None:
    now, began = EPOCH_S + after_s, EPOCH_S + after_s - 20
    one = Installed(1, profile, began)
    change = next_change(domain(profile), now, session_wall_s=began)
    assert change > now
    before = limit_at(one, now, began)
    for second in range(1, 300):
        if now + second >= change:
            return
        assert limit_at(one, now + second, began) == before


def test_a_profile_that_is_over_never_changes_again() -> None:
    profile = domain(a_profile((0, 16.0), valid_to_s=50))
    assert next_change(profile, EPOCH_S, session_wall_s=None) == EPOCH_S + 50
    assert next_change(profile, EPOCH_S + 50, session_wall_s=None) == NEVER_S


# ── stacking ──────────────────────────────────────────────────────────────────────────────────────


def said(*those: tuple[dict[str, Any], int], after_s: float = 0.0) -> list[float]:
    every = [domain(profile, connector_id) for profile, connector_id in those]
    return [one.limit for one in said_at(every, EPOCH_S + after_s, session_wall_s=EPOCH_S)]


def test_the_highest_stack_level_wins_while_it_says_something() -> None:
    low = a_profile((0, 16.0), level=1)
    high = a_profile((0, 10.0), level=2, duration=60, start_s=30)
    for after_s, limit in ((0, 16.0), (30, 10.0), (89, 10.0), (90, 16.0)):
        assert said((low, 1), (high, 1), after_s=after_s) == [limit]
        assert said((high, 1), (low, 1), after_s=after_s) == [limit]


def test_the_default_of_a_connector_wins_over_that_of_all_on_the_same_level() -> None:
    every, own = a_profile((0, 16.0)), a_profile((0, 20.0))
    assert said((every, 0), (own, 1)) == said((own, 1), (every, 0)) == [20.0]
    assert said((a_profile((0, 16.0), level=1), 0), (own, 1)) == [16.0]


def test_a_profile_of_the_transaction_takes_the_place_of_the_default() -> None:
    default = a_profile((0, 10.0), level=9)
    own = a_profile((0, 20.0), purpose="TxProfile", duration=60)
    assert said((default, 1), (own, 1)) == [20.0]
    assert said((default, 1), (own, 1), after_s=60) == [10.0]


def test_external_constraints_hold_beside_all_others() -> None:
    held = Profiles()
    default, outside = domain(a_profile((0, 20.0))), domain(a_profile((0, 16.0), profile_id=2), 1)
    for profile in (default, replace(outside, purpose=Purpose.EXTERNAL)):
        held.put(profile)
    own = of_connector(held, 1, transaction=None)
    found = said_at(own, EPOCH_S, session_wall_s=None)
    assert sorted(one.limit for one in found) == [16.0, 20.0]
    assert of_station(held) == []
    whole = replace(outside, purpose=Purpose.EXTERNAL, connector_id=0)
    held.put(whole)
    assert of_station(held) == [whole]


# ── units ─────────────────────────────────────────────────────────────────────────────────────────


def an_outlet(
    power_w: float = 22_000.0,
    *,
    kind: Any = "AC",
    vehicle: VehicleSpec | None = None,
    switches: bool = False,
) -> Outlet:
    electrical = ElectricalSpec.of(kind, max_power_w=power_w)
    return Outlet.of(electrical, vehicle=vehicle, switches=switches)


def test_watts_are_spread_over_three_phases_unless_a_number_is_named() -> None:
    outlet = an_outlet(switches=True)
    assert outlet.in_unit("A", Said(6900.0, "W", None, None)) == pytest.approx(10.0)
    assert outlet.in_unit("A", Said(6900.0, "W", 1, None)) == pytest.approx(30.0)
    assert outlet.in_unit("W", Said(10.0, "A", None, None)) == pytest.approx(6900.0)
    assert outlet.in_unit("W", Said(10.0, "A", 1, None)) == pytest.approx(2300.0)


def test_one_phase_has_one_phase() -> None:
    outlet = an_outlet(7_360.0)
    assert outlet.in_unit("A", Said(2300.0, "W", None, None)) == pytest.approx(10.0)


def test_an_outlet_that_cannot_switch_spreads_over_what_the_vehicle_uses() -> None:
    three, one = an_outlet(vehicle=BIG_VAN), an_outlet(vehicle=CITY_CAR)
    limit = Said(2300.0, "W", 1, None)
    assert three.in_unit("A", limit) == pytest.approx(10.0 / 3)
    assert one.in_unit("A", limit) == pytest.approx(10.0)


def test_amperes_of_a_dc_outlet_hold_at_the_lowest_voltage_of_the_pack() -> None:
    outlet = an_outlet(100_000.0, kind="DC", vehicle=BIG_VAN)
    assert outlet.offer_w(Said(100.0, "A", None, None)) == pytest.approx(100.0 * 400.0 * 0.9)
    assert outlet.offer_w(Said(30_000.0, "W", None, None)) == 30_000.0


def test_a_dc_outlet_behind_ac_counts_its_watts() -> None:
    ac, dc = an_outlet(), an_outlet(50_000.0, kind="DC")
    grid = grid_of([ac, dc])
    assert (grid.dc, grid.phases, grid.max_w) == (False, 3, 72_000.0)
    assert dc.drawn_w(9_000.0, grid) == 9_000.0


def test_single_phase_outlets_count_as_if_all_were_on_one_phase() -> None:
    one, three = an_outlet(7_360.0), an_outlet()
    assert one.drawn_w(2_300.0, grid_of([one, three])) == pytest.approx(6_900.0)
    assert one.drawn_w(2_300.0, grid_of([one, one])) == 2_300.0


def test_one_phase_of_three_carries_a_third() -> None:
    electrical = one_phase(ElectricalSpec.of("AC", max_power_w=22_080.0))
    assert electrical.phases == 1
    assert electrical.max_power_w == pytest.approx(7_360.0)


# ── sharing ───────────────────────────────────────────────────────────────────────────────────────


def test_all_get_the_same_but_nobody_more_than_fits() -> None:
    assert fill(9.0, [10.0, 10.0, 10.0]) == [3.0, 3.0, 3.0]
    assert fill(9.0, [1.0, 10.0, 10.0]) == [1.0, 4.0, 4.0]
    assert fill(90.0, [1.0, 10.0, 10.0]) == [1.0, 10.0, 10.0]
    assert fill(-1.0, [1.0]) == [0.0]
    assert fill(5.0, []) == []


def test_a_vehicle_that_takes_less_leaves_more_to_the_others() -> None:
    small, big = Want(22_000.0, 3_680.0, 1_380.0), Want(22_000.0, 11_000.0, 1_380.0)
    assert share_out(12_000.0, [small, big]) == [3_680.0, 8_320.0]


def test_what_no_vehicle_takes_is_on_offer_all_the_same() -> None:
    assert share_out(20_000.0, [Want(22_000.0, 11_000.0, 0.0)]) == [20_000.0]
    two = [Want(22_000.0, 11_000.0, 0.0), Want(22_000.0, 3_000.0, 0.0)]
    assert share_out(20_000.0, two) == [14_000.0, 6_000.0]


def test_where_it_does_not_suffice_for_all_the_first_are_served() -> None:
    want = Want(22_000.0, 11_000.0, 4_140.0)
    assert share_out(9_000.0, [want, want, want]) == [4_500.0, 4_500.0, 0.0]
    assert share_out(5_000.0, [want, want, want]) == [5_000.0, 0.0, 0.0]
    assert share_out(4_000.0, [want, want, want]) == [0.0, 0.0, 0.0]


def test_who_cannot_use_a_share_does_not_keep_it_from_others() -> None:
    picky, modest = Want(22_000.0, 11_000.0, 8_000.0), Want(22_000.0, 11_000.0, 4_140.0)
    assert share_out(9_000.0, [picky, modest]) == [0.0, 9_000.0]
    limited = Want(1_000.0, 11_000.0, 4_140.0)
    assert share_out(9_000.0, [limited, modest]) == [0.0, 9_000.0]


@given(
    budget_w=st.floats(0, 60_000),
    wants=st.lists(
        st.builds(
            Want,
            st.sampled_from([0.0, 3_000.0, 8_000.0, 22_000.0]),
            st.sampled_from([3_680.0, 7_360.0, 11_000.0, 22_000.0]),
            st.sampled_from([0.0, 1_380.0, 4_140.0, 6_000.0]),
        ),
        max_size=6,
    ),
)
def test_shares_never_exceed_what_there_is(budget_w: float, wants: list[Want]) -> None:
    shares = share_out(budget_w, wants)
    assert sum(shares) <= budget_w + 1e-6
    for share_w, want in zip(shares, wants, strict=True):
        assert share_w <= want.limit_w + 1e-6
        assert share_w == 0.0 or share_w >= want.least_w - 1e-3


# ── composite schedules ───────────────────────────────────────────────────────────────────────────


@settings(max_examples=60, deadline=None)
@given(
    installed=st.lists(
        st.tuples(
            st.integers(0, 2), profiles(("ChargePointMaxProfile", "TxDefaultProfile"), near_s=0)
        ),
        max_size=5,
    ),
    connector=st.integers(0, 2),
    unit=st.sampled_from(["A", "W"]),
    station_w=st.sampled_from([None, 30_000.0]),
    charging=st.booleans(),
)
def test_a_composite_schedule_is_what_the_oracle_says_second_by_second(
    installed: list[tuple[int, dict[str, Any]]],
    connector: int,
    unit: str,
    station_w: float | None,
    charging: bool,
) -> None:
    scene = Scene(connectors=2, station_max_power_w=station_w)
    scene.boot()
    world = World(2, station_w=station_w)
    if charging:
        scene.charge(2)
        world.sessions.append(Session(2, scene.wall_s, 1, 11_000.0))
        scene.run(for_s=7)
    for at_connector, profile in installed:
        world.set(at_connector, profile, scene.wall_s)
        scene.call("SetChargingProfile", connectorId=at_connector, csChargingProfiles=profile)
    asked_s = scene.wall_s
    answer = scene.call(
        "GetCompositeSchedule", connectorId=connector, duration=400, chargingRateUnit=unit
    )
    schedule = answer.payload["chargingSchedule"]
    assert schedule["chargingRateUnit"] == unit
    periods = schedule["chargingSchedulePeriod"]
    assert periods[0]["startPeriod"] == 0
    for one, other in itertools.pairwise(periods):
        assert one["startPeriod"] < other["startPeriod"]
        assert (one["limit"], one.get("numberPhases")) != (
            other["limit"],
            other.get("numberPhases"),
        )
    # Without a transaction, one that begins when the question was asked.
    for number in (1, 2):
        if not any(session.connector == number for session in world.sessions):
            world.sessions.append(Session(number, asked_s, 9, 11_000.0))
    for second in range(schedule["duration"]):
        told = next(one for one in reversed(periods) if one["startPeriod"] <= second)["limit"]
        expected = world.composite(connector, unit, asked_s + second)
        assert expected - 0.1 < told <= expected + 1e-6
