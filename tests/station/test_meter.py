from __future__ import annotations

import itertools
import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simfleet.station.meter import MEASURANDS, ElectricalSpec, Meter, samples
from simfleet.station.vehicle import VEHICLES, CurrentKind, Vehicle, vehicles_for

HYBRID, COMPACT, SALOON = VEHICLES[0], VEHICLES[2], VEHICLES[5]
AC_22 = ElectricalSpec.of("AC", max_power_w=22_000)
AC_7 = ElectricalSpec.of("AC", max_power_w=7_360)
DC_150 = ElectricalSpec.of("DC", max_power_w=150_000)
EVERYTHING = tuple(sorted(MEASURANDS))


@st.composite
def charging(draw: st.DrawFn) -> tuple[Meter, Vehicle, float]:
    """A meter, a vehicle at it, and the power on offer."""
    kind: CurrentKind = draw(st.sampled_from(("AC", "DC")))
    max_power_w = draw(st.sampled_from((3_680.0, 11_000.0, 22_000.0, 150_000.0)))
    meter = Meter(
        ElectricalSpec.of(kind, max_power_w=max_power_w), start_wh=draw(st.floats(0, 5e7))
    )
    spec = draw(st.sampled_from(vehicles_for(kind)))
    vehicle = Vehicle(spec, soc=draw(st.floats(0.0, 1.0)), kind=kind)
    offered_w = draw(st.one_of(st.just(0.0), st.floats(1_000.0, 200_000.0)))
    return meter, vehicle, offered_w


@given(charging(), st.lists(st.floats(0.0, 20_000.0), max_size=8))
def test_the_register_never_falls_and_equals_the_integral_of_power(
    outlet: tuple[Meter, Vehicle, float], steps_s: list[float]
) -> None:
    meter, vehicle, offered_w = outlet
    registers = [meter.energy_wh]
    for dt_s in steps_s:
        before_wh = meter.energy_wh
        energy_wh = meter.advance(dt_s, vehicle=vehicle, offered_w=offered_w)
        registers.append(meter.energy_wh)
        assert meter.energy_wh - before_wh == pytest.approx(energy_wh, abs=1e-6)
        assert -1e-6 <= meter.energy_wh - meter.register_wh < 1  # cut, but for float noise
    assert registers == sorted(registers)
    assert meter.integral_wh == pytest.approx(meter.delivered_wh, rel=1e-6, abs=1e-3)


def test_the_integral_would_notice_a_register_that_counts_wrongly() -> None:
    class Cheating(Vehicle):
        """A vehicle that reports one percent more energy than its power explains."""

        __slots__ = ()

        def advance(self, dt_s: float, limit_w: float) -> float:
            return 1.01 * super().advance(dt_s, limit_w)

    meter = Meter(AC_22)
    meter.advance(20_000, vehicle=Cheating(COMPACT, soc=0.2), offered_w=22_000)
    assert meter.delivered_wh / meter.integral_wh == pytest.approx(1.01, rel=1e-6)


def test_a_night_in_one_step_is_integrated_as_well_as_in_many() -> None:
    for kind in ("AC", "DC"):
        for spec in vehicles_for(kind):
            meter = Meter(ElectricalSpec.of(kind, max_power_w=22_000))
            vehicle = Vehicle(spec, soc=0.0, kind=kind)
            meter.advance(100_000, vehicle=vehicle, offered_w=22_000)
            assert vehicle.full
            assert meter.delivered_wh == pytest.approx(spec.battery_wh, rel=1e-9)
            assert meter.integral_wh == pytest.approx(spec.battery_wh, rel=1e-6)


@given(charging())
def test_power_voltage_current_and_phases_agree(outlet: tuple[Meter, Vehicle, float]) -> None:
    meter, vehicle, offered_w = outlet
    reading = meter.reading(vehicle=vehicle, offered_w=offered_w)
    product_w = reading.voltage_v * reading.current_a * reading.phases
    assert reading.power_w == pytest.approx(product_w, rel=1e-12)
    assert reading.power_w == meter.power_w(vehicle=vehicle, offered_w=offered_w)
    assert reading.power_w <= reading.offered_w * (1 + 1e-12)  # shares of phases are rounded
    assert reading.offered_w <= meter.spec.max_power_w
    # A limit in amperes, converted with the nominal voltage, must hold for the metered current.
    assert reading.current_a <= reading.offered_a * (1 + 1e-12)
    assert reading.energy_wh == meter.energy_wh


@given(charging())
def test_what_is_printed_agrees_within_its_rounding(outlet: tuple[Meter, Vehicle, float]) -> None:
    meter, vehicle, offered_w = outlet
    reading = meter.reading(vehicle=vehicle, offered_w=offered_w)
    wanted = ("Power.Active.Import", "Voltage", "Current.Import")
    power_w, voltage_v, current_a = (float(s.value) for s in samples(reading, wanted))
    product_w = voltage_v * current_a * reading.phases
    rounding_w = 0.5 + reading.phases * (0.05 * voltage_v + 0.05 * current_a)
    assert abs(power_w - product_w) <= rounding_w + 1e-6


@given(charging(), st.floats(0.0, 1.0))
def test_the_predicted_time_gives_the_wanted_energy_at_the_register(
    outlet: tuple[Meter, Vehicle, float], part: float
) -> None:
    meter, vehicle, offered_w = outlet
    wanted_wh = part * vehicle.room_wh
    needed_s = meter.seconds_until(wanted_wh, vehicle=vehicle, offered_w=offered_w)
    if offered_w > 0:
        got_wh = meter.advance(needed_s, vehicle=vehicle, offered_w=offered_w)
        assert got_wh == pytest.approx(wanted_wh, rel=1e-9, abs=1e-6)
        rest_s = meter.seconds_until_full(vehicle=vehicle, offered_w=offered_w)
        meter.advance(rest_s + 1e-3, vehicle=vehicle, offered_w=offered_w)
        assert vehicle.full


def test_a_one_phase_vehicle_uses_a_third_of_a_three_phase_outlet() -> None:
    spec = ElectricalSpec.of("AC", max_power_w=11_040)
    vehicle = Vehicle(VEHICLES[1], soc=0.5)  # could take 7,360 W on its one phase
    reading = Meter(spec).reading(vehicle=vehicle, offered_w=11_040)
    wanted = (
        "Power.Active.Import",
        "Current.Import.L1",
        "Current.Import.L2",
        "Power.Active.Import.L2",
    )
    assert [s.value for s in samples(reading, wanted)] == ["3680", "16.0", "0.0", "0"]
    assert reading.phases == 1


def test_an_outlet_never_offers_more_than_it_has() -> None:
    reading = Meter(AC_7).reading(vehicle=Vehicle(SALOON, soc=0.5), offered_w=22_000)
    assert (reading.power_w, reading.offered_w, reading.offered_a) == (7_360, 7_360, 32.0)


def test_values_are_printed_short_and_in_the_units_of_the_schema() -> None:
    meter = Meter(ElectricalSpec.of("AC", max_power_w=11_040), start_wh=1_234_567.9)
    reading = meter.reading(vehicle=Vehicle(SALOON, soc=0.5), offered_w=11_040, since_wh=1_234_000)
    shown = {
        s.measurand: (s.value, s.unit, s.phase, s.location)
        for s in samples(reading, tuple(m for m in EVERYTHING if ".L" not in m))
    }
    assert shown == {
        "Current.Import": ("16.0", "A", None, None),
        "Current.Offered": ("16.0", "A", None, None),
        "Energy.Active.Import.Interval": ("567", "Wh", None, None),
        "Energy.Active.Import.Register": ("1234567", "Wh", None, None),
        "Frequency": ("50.0", None, None, None),
        "Power.Active.Import": ("11040", "W", None, None),
        "Power.Offered": ("11040", "W", None, None),
        "Temperature": ("45.0", "Celsius", None, "Body"),
        "Voltage": ("230.0", "V", None, None),
    }


def test_a_dc_outlet_shows_soc_and_a_pack_voltage_that_rises_with_it() -> None:
    meter = Meter(DC_150)
    vehicle = Vehicle(SALOON, soc=0.2, kind="DC")
    early = meter.reading(vehicle=vehicle, offered_w=150_000)
    meter.advance(900, vehicle=vehicle, offered_w=150_000)
    late = meter.reading(vehicle=vehicle, offered_w=150_000)
    assert 720 <= early.voltage_v < late.voltage_v <= 880
    (soc,) = samples(early, ("SoC",))
    assert (soc.value, soc.unit, soc.location) == ("20", "Percent", "EV")
    assert late.soc_percent == pytest.approx(57.5)


def test_soc_reads_100_only_when_full() -> None:
    meter = Meter(DC_150)
    nearly = meter.reading(vehicle=Vehicle(SALOON, soc=0.9999, kind="DC"), offered_w=150_000)
    full = meter.reading(vehicle=Vehicle(SALOON, soc=1.0, kind="DC"), offered_w=150_000)
    assert [samples(r, ("SoC",))[0].value for r in (nearly, full)] == ["99", "100"]


def test_each_phase_of_a_three_phase_outlet_is_reported_by_name() -> None:
    reading = Meter(AC_22).reading(vehicle=Vehicle(SALOON, soc=0.5), offered_w=22_000)
    wanted = ("Current.Import.L1", "Current.Import.L2", "Current.Import.L3", "Voltage.L3-N")
    assert [(s.measurand, s.phase) for s in samples(reading, wanted)] == [
        ("Current.Import", "L1"),
        ("Current.Import", "L2"),
        ("Current.Import", "L3"),
        ("Voltage", "L3-N"),
    ]


def test_what_an_outlet_does_not_have_is_left_out_but_never_everything() -> None:
    one_phase = Meter(AC_7, start_wh=5).reading(vehicle=Vehicle(HYBRID, soc=0.5), offered_w=7_360)
    assert [s.phase for s in samples(one_phase, ("Voltage.L1", "Voltage.L2"))] == ["L1"]
    (only,) = samples(one_phase, ("SoC", "Current.Import.L3"))
    assert (only.measurand, only.value) == ("Energy.Active.Import.Register", "5")
    assert len(samples(one_phase, ())) == 1
    direct = Meter(DC_150).reading(vehicle=Vehicle(SALOON, soc=0.5, kind="DC"), offered_w=1e5)
    assert [s.measurand for s in samples(direct, ("Frequency", "Voltage.L1", "Voltage"))] == [
        "Voltage"
    ]


@pytest.mark.parametrize("spec", [AC_7, AC_22, DC_150])
def test_an_idle_connector_draws_nothing_and_keeps_its_register(spec: ElectricalSpec) -> None:
    reading = Meter(spec, start_wh=4711.5).reading()
    wanted = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "SoC")
    assert [s.value for s in samples(reading, wanted)] == ["4711", "0", "0.0"]
    assert reading.voltage_v == (0.0 if spec.kind == "DC" else pytest.approx(232.3))


def test_a_vehicle_from_which_energy_is_withheld_draws_nothing() -> None:
    meter, vehicle = Meter(AC_22, start_wh=10), Vehicle(COMPACT, soc=0.5)
    assert meter.advance(3600, vehicle=vehicle, offered_w=0.0) == 0.0
    reading = meter.reading(vehicle=vehicle, offered_w=0.0)
    assert (reading.power_w, reading.current_a, reading.energy_wh) == (0.0, 0.0, 10)
    assert meter.seconds_until(1.0, vehicle=vehicle, offered_w=0.0) == float("inf")


def test_intervals_add_up_to_the_register() -> None:
    meter, vehicle = Meter(AC_22, start_wh=0.7), Vehicle(COMPACT, soc=0.1)
    since_wh, total_wh = meter.energy_wh, 0
    for dt_s in itertools.islice(itertools.cycle((7.3, 10.0, 61.7)), 60):
        meter.advance(dt_s, vehicle=vehicle, offered_w=22_000)
        reading = meter.reading(vehicle=vehicle, offered_w=22_000, since_wh=since_wh)
        total_wh += reading.interval_wh
        since_wh = reading.energy_wh
    assert total_wh == meter.register_wh


def test_every_word_we_use_is_in_the_official_schema() -> None:
    path = files("ocpp") / "v16" / "schemas" / "MeterValues.json"
    meter_value = json.loads(path.read_text("utf-8-sig"))["properties"]["meterValue"]["items"]
    words = meter_value["properties"]["sampledValue"]["items"]["properties"]
    readings = (
        Meter(AC_22).reading(vehicle=Vehicle(SALOON, soc=0.5), offered_w=22_000),
        Meter(DC_150).reading(vehicle=Vehicle(SALOON, soc=0.5, kind="DC"), offered_w=22_000),
    )
    taken = [sample for reading in readings for sample in samples(reading, EVERYTHING)]
    assert {s.measurand for s in taken} == {m.split(".L")[0] for m in MEASURANDS}
    for sample in taken:
        assert sample.measurand in words["measurand"]["enum"]
        assert sample.unit in (None, *words["unit"]["enum"])
        assert sample.phase in (None, *words["phase"]["enum"])
        assert sample.location in (None, *words["location"]["enum"])


def test_a_measurand_nobody_knows_is_an_error() -> None:
    with pytest.raises(KeyError):
        samples(Meter(AC_22).reading(), ("Energy.Reactive.Import.Register",))


def test_an_outlet_or_a_register_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        ElectricalSpec.of("AC", max_power_w=0)
    with pytest.raises(ValueError, match="one phase"):
        ElectricalSpec("DC", 50_000, 3)
    with pytest.raises(ValueError, match="0 or above"):
        Meter(AC_22, start_wh=-1)
