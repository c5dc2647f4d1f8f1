from __future__ import annotations

import math

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from simfleet.station.vehicle import (
    AC_CURVE,
    MIN_FRACTION,
    VEHICLES,
    CurrentKind,
    Curve,
    Vehicle,
    VehicleSpec,
    vehicles_for,
)

COMPACT = VEHICLES[2]


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    """Any curve that rises to 1 and then falls."""
    middles = draw(st.lists(st.integers(1, 99), max_size=6, unique=True))
    socs = [0.0, *(middle / 100 for middle in sorted(middles)), 1.0]
    count = len(socs)
    levels = st.floats(MIN_FRACTION, 1.0)
    fractions = draw(st.lists(levels, min_size=count, max_size=count))
    top = draw(st.integers(0, count - 1))
    fractions[top] = 1.0
    shaped = sorted(fractions[: top + 1]) + sorted(fractions[top + 1 :], reverse=True)
    return tuple(zip(socs, shaped, strict=True))


@st.composite
def vehicles(draw: st.DrawFn) -> Vehicle:
    """Ours, and some that nobody would build."""
    kind: CurrentKind = draw(st.sampled_from(("AC", "DC")))
    spec = draw(st.sampled_from(vehicles_for(kind)))
    if draw(st.booleans()):
        battery_wh = draw(st.floats(1_000, 200_000))
        max_w = draw(st.floats(1_000, 400_000))
        curve = draw(curves())
        spec = VehicleSpec("odd", battery_wh, max_w, max_w, ac_curve=curve, dc_curve=curve)
    return Vehicle(spec, soc=draw(st.floats(0.0, 1.0)), kind=kind)


limits_w = st.one_of(st.just(0.0), st.floats(100.0, 400_000.0))
durations_s = st.floats(0.0, 40_000.0)


def curve_of(vehicle: Vehicle) -> tuple[Curve, float]:
    spec = vehicle.spec
    if vehicle.peak_w == spec.max_ac_w:
        return spec.ac_curve, spec.max_ac_w
    return spec.dc_curve, spec.max_dc_w


def power_by_interpolation(curve: Curve, max_w: float, soc: float, limit_w: float) -> float:
    """The oracle's reading of a curve: no segments, no shared code."""
    if soc >= 1.0:
        return 0.0
    above = next(i for i, (at, _) in enumerate(curve) if at > soc)
    (a, fraction_a), (b, fraction_b) = curve[above - 1], curve[above]
    weight = (soc - a) / (b - a)
    return min(limit_w, max_w * ((1 - weight) * fraction_a + weight * fraction_b))


def energy_by_brute_force(vehicle: Vehicle, seconds: int, limit_w: float) -> float:
    """Second by second, with the power at the middle of each."""
    curve, max_w = curve_of(vehicle)
    soc, energy_wh = vehicle.soc, 0.0
    for _ in range(seconds):
        half = power_by_interpolation(curve, max_w, soc, limit_w) / 7200 / vehicle.spec.battery_wh
        power_w = power_by_interpolation(curve, max_w, soc + half, limit_w)
        soc = min(1.0, soc + power_w / 3600 / vehicle.spec.battery_wh)
        energy_wh += power_w / 3600
    return energy_wh


@pytest.mark.parametrize("kind", ["AC", "DC"])
@pytest.mark.parametrize("soc", [0.0, 0.03, 0.46, 0.79, 0.96, 0.995])
@pytest.mark.parametrize("limit_w", [3_000.0, 11_000.0, 90_000.0])
def test_one_step_agrees_with_second_by_second_integration(
    kind: CurrentKind, soc: float, limit_w: float
) -> None:
    for spec in vehicles_for(kind):
        vehicle = Vehicle(spec, soc=soc, kind=kind)
        expected_wh = energy_by_brute_force(vehicle, 3000, limit_w)
        # Brute force overshoots full by at most one second of the last trickle.
        assert vehicle.advance(3000, limit_w) == pytest.approx(expected_wh, rel=2e-5, abs=4.0)


@pytest.mark.parametrize("limit_w", [97_000.0, 110_000.0, 119_999.0])
def test_a_limit_that_cuts_the_rise_of_the_curve_is_kept(limit_w: float) -> None:
    cold = Vehicle(COMPACT, soc=0.0, kind="DC")  # rises from 96 kW to 120 kW in its first 5 %
    expected_wh = energy_by_brute_force(cold, 100, limit_w)
    # Brute force is off by a part of the second in which the limit begins to hold.
    assert cold.advance(100, limit_w) == pytest.approx(expected_wh, rel=1e-5)


@given(vehicles(), durations_s, limits_w, st.integers(2, 60))
def test_many_steps_give_what_one_step_gives(
    vehicle: Vehicle, dt_s: float, limit_w: float, steps: int
) -> None:
    walker = vehicle.copy()
    walked_wh = sum(walker.advance(dt_s / steps, limit_w) for _ in range(steps))
    assert walked_wh == pytest.approx(vehicle.advance(dt_s, limit_w), rel=1e-9, abs=1e-9)
    assert walker.soc == pytest.approx(vehicle.soc, rel=1e-9)


@given(vehicles(), durations_s, limits_w)
def test_the_battery_gains_what_was_delivered_and_never_loses(
    vehicle: Vehicle, dt_s: float, limit_w: float
) -> None:
    before = vehicle.soc
    energy_wh = vehicle.advance(dt_s, limit_w)
    assert energy_wh >= 0.0
    assert before <= vehicle.soc <= 1.0
    gained_wh = (vehicle.soc - before) * vehicle.spec.battery_wh
    assert energy_wh == pytest.approx(gained_wh, rel=1e-9, abs=1e-9 * vehicle.spec.battery_wh)
    assert energy_wh <= limit_w * dt_s / 3600 * (1 + 1e-12) + 1e-12


@given(vehicles(), limits_w)
def test_power_is_the_curve_under_the_limit(vehicle: Vehicle, limit_w: float) -> None:
    curve, max_w = curve_of(vehicle)
    expected_w = power_by_interpolation(curve, max_w, vehicle.soc, limit_w)
    assert vehicle.power_w(limit_w) == pytest.approx(expected_w, rel=1e-9)
    assert vehicle.power_w(limit_w) <= limit_w


@given(vehicles(), st.floats(0.0, 1.0), limits_w)
@example(Vehicle(COMPACT, soc=0.2), 1.0, 22_000.0)
def test_the_predicted_time_delivers_the_wanted_energy(
    vehicle: Vehicle, part: float, limit_w: float
) -> None:
    wanted_wh = part * vehicle.room_wh
    needed_s = vehicle.seconds_until(wanted_wh, limit_w)
    if limit_w == 0.0:
        assert needed_s == (math.inf if wanted_wh > 0 else 0.0)
        return
    assert math.isfinite(needed_s)
    delivered_wh = vehicle.advance(needed_s, limit_w)
    assert delivered_wh == pytest.approx(wanted_wh, rel=1e-9, abs=1e-9 * vehicle.spec.battery_wh)


@given(vehicles(), st.floats(100.0, 400_000.0))
def test_full_is_reached_in_the_predicted_time_and_then_nothing_flows(
    vehicle: Vehicle, limit_w: float
) -> None:
    assume(not vehicle.full)
    needed_s = vehicle.seconds_until_full(limit_w)
    slowest_w = min(limit_w, MIN_FRACTION * vehicle.peak_w)
    assert needed_s <= 3600 * vehicle.room_wh / slowest_w * (1 + 1e-9)
    vehicle.advance(needed_s * (1 + 1e-9) + 1e-6, limit_w)
    assert vehicle.full
    assert vehicle.power_w(limit_w) == 0.0
    assert vehicle.advance(3600.0, limit_w) == 0.0
    assert vehicle.seconds_until_full(limit_w) == 0.0
    assert vehicle.seconds_until(1.0, limit_w) == math.inf


@given(vehicles(), limits_w)
def test_more_than_the_battery_holds_is_never_delivered(vehicle: Vehicle, limit_w: float) -> None:
    assert vehicle.seconds_until(vehicle.room_wh * 1.001 + 0.001, limit_w) == math.inf
    assert vehicle.seconds_until(0.0, limit_w) == 0.0
    assert vehicle.seconds_until(-1.0, limit_w) == 0.0


def test_ac_is_flat_until_97_percent_and_dc_tapers_from_the_middle() -> None:
    assert Vehicle(COMPACT, soc=0.96).power_w(22_000) == 11_000
    assert Vehicle(COMPACT, soc=0.99).power_w(22_000) < 6_000
    assert Vehicle(COMPACT, soc=0.45, kind="DC").power_w(400_000) == 120_000
    assert Vehicle(COMPACT, soc=0.75, kind="DC").power_w(400_000) < 70_000


def test_vehicles_of_one_model_share_their_curve() -> None:
    assert Vehicle(COMPACT, soc=0.1)._segments is Vehicle(COMPACT, soc=0.9)._segments


def test_a_copy_goes_its_own_way() -> None:
    vehicle = Vehicle(COMPACT, soc=0.5)
    vehicle.copy().advance(3600, 11_000)
    assert vehicle.soc == 0.5


@pytest.mark.parametrize(
    "curve",
    [
        (),
        ((0.0, 1.0),),
        ((0.1, 1.0), (1.0, 0.5)),
        ((0.0, 1.0), (0.5, 1.0), (0.5, 0.9), (1.0, 0.5)),
        ((0.0, 1.0), (1.0, 0.0)),
        ((0.0, 0.9), (1.0, 0.5)),
        ((0.0, 1.0), (0.3, 0.5), (0.6, 0.8), (1.0, 0.1)),
    ],
)
def test_a_curve_that_no_battery_has_is_refused(curve: Curve) -> None:
    with pytest.raises(ValueError, match="odd: "):
        VehicleSpec("odd", 50_000, 11_000, ac_curve=AC_CURVE, dc_curve=curve)


def test_a_vehicle_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Vehicle(COMPACT, soc=1.01)
    with pytest.raises(ValueError, match="plug-in hybrid cannot charge with DC"):
        Vehicle(VEHICLES[0], soc=0.5, kind="DC")
    with pytest.raises(ValueError, match="above 0"):
        VehicleSpec("odd", 0.0, 11_000)
