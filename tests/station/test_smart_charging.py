"""Smart charging on a station: each clause of the rule book, and power that follows the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders_charging import BIG_CITY_CAR, BIG_VAN, Pair, a_profile, moment, profiles
from builders_station import (
    EPOCH_S,
    OTHER_TAG,
    SILENCE,
    TAG,
    Scene,
    contexts_of,
    samples_of,
    wall_of,
)
from oracle_charging import World
from simfleet.station.agenda import Job
from simfleet.station.chance import Span
from simfleet.station.events import EvPaused, EvResumed, PluggedIn
from simfleet.station.memory import decode_kept, encode_kept, recall, remember
from simfleet.station.spec import Habits

if TYPE_CHECKING:
    from simfleet.station.station import Station

SIX_A_W = 6 * 230.0 * 3


def a_booted_scene(**options: Any) -> Scene:
    scene = Scene(vehicle=BIG_VAN, **options)
    scene.boot()
    scene.mark()
    return scene


def a_charging_scene(**options: Any) -> Scene:
    scene = a_booted_scene(**options)
    scene.charge()
    return scene


def set_profile(scene: Scene, profile: dict[str, Any], *, connector_id: int = 1) -> str:
    return scene.call(
        "SetChargingProfile", connectorId=connector_id, csChargingProfiles=profile
    ).status


def power_w(scene: Scene, connector_id: int = 1) -> float:
    return scene.station.connectors[connector_id - 1].reading().power_w


def tx(*periods: tuple[int, float], **options: Any) -> dict[str, Any]:
    return a_profile(*periods, purpose="TxProfile", **options)


def station_max(*periods: tuple[int, float], **options: Any) -> dict[str, Any]:
    return a_profile(*periods, purpose="ChargePointMaxProfile", **options)


# ── SetChargingProfile: what is taken ─────────────────────────────────────────────────────────────


def test_a_default_is_taken_on_any_connector_and_on_all() -> None:
    scene = a_booted_scene(connectors=2)
    for connector_id in (0, 1, 2):
        profile = a_profile((0, 16.0), profile_id=connector_id)
        assert set_profile(scene, profile, connector_id=connector_id) == "Accepted"
    assert set_profile(scene, a_profile((0, 16.0)), connector_id=3) == "Rejected"


def test_a_limit_of_the_station_is_taken_on_connector_0_only() -> None:
    scene = a_booted_scene()
    assert set_profile(scene, station_max((0, 16.0)), connector_id=1) == "Rejected"
    assert set_profile(scene, station_max((0, 16.0)), connector_id=0) == "Accepted"
    relative = station_max((0, 16.0), kind="Relative")
    assert set_profile(scene, relative, connector_id=0) == "Rejected"


def test_a_profile_for_a_transaction_needs_one_that_runs_there() -> None:
    scene = a_booted_scene(connectors=2)
    assert set_profile(scene, tx((0, 16.0))) == "Rejected"
    scene.charge()
    assert set_profile(scene, tx((0, 16.0)), connector_id=0) == "Rejected"
    assert set_profile(scene, tx((0, 16.0)), connector_id=2) == "Rejected"
    assert set_profile(scene, tx((0, 16.0))) == "Accepted"
    scene.present_tag()
    assert set_profile(scene, tx((0, 16.0))) == "Rejected"


def test_the_transaction_named_has_to_be_the_one_that_runs() -> None:
    scene = a_charging_scene()
    wrong, right = scene.transaction_id + 1, scene.transaction_id
    assert set_profile(scene, tx((0, 16.0), transaction_id=wrong)) == "Rejected"
    assert set_profile(scene, tx((0, 16.0), transaction_id=right)) == "Accepted"


def test_a_transaction_without_an_id_yet_cannot_be_named() -> None:
    scene = a_booted_scene()
    scene.on("StartTransaction", SILENCE)
    scene.charge()
    assert set_profile(scene, tx((0, 16.0), transaction_id=701)) == "Rejected"
    assert set_profile(scene, tx((0, 16.0))) == "Accepted"


@pytest.mark.parametrize(
    ("keys", "profile"),
    [
        ({"ChargeProfileMaxStackLevel": 3}, a_profile((0, 16.0), level=4)),
        ({"ChargingScheduleMaxPeriods": 2}, a_profile((0, 16.0), (1, 8.0), (2, 6.0))),
        ({"ChargingScheduleAllowedChargingRateUnit": "Power"}, a_profile((0, 16.0))),
        ({"ChargingScheduleAllowedChargingRateUnit": "Current"}, a_profile((0, 16.0), unit="W")),
        ({}, a_profile((0, 16.0), kind="Recurring")),
        ({}, a_profile((5, 16.0))),
        ({"MaxChargingProfilesInstalled": 1}, a_profile((0, 16.0), level=1, profile_id=2)),
    ],
)
def test_what_the_station_cannot_do_is_rejected_and_changes_nothing(
    keys: dict[str, int | str], profile: dict[str, Any]
) -> None:
    scene = a_booted_scene(configuration=keys)
    if "MaxChargingProfilesInstalled" in keys:
        assert set_profile(scene, a_profile((0, 6.0))) == "Accepted"
    held = list(scene.station.profiles or ())
    assert set_profile(scene, profile) == "Rejected"
    assert list(scene.station.profiles or ()) == held


def test_a_station_without_smart_charging_does_not_support_it() -> None:
    scene = a_booted_scene(configuration={"SupportedFeatureProfiles": "Core"})
    answer = scene.call(
        "SetChargingProfile", connectorId=1, csChargingProfiles=a_profile((0, 16.0))
    )
    assert answer.error == "NotSupported"


def test_the_same_id_and_the_same_place_replace() -> None:
    scene = a_charging_scene()
    set_profile(scene, a_profile((0, 16.0), profile_id=1))
    set_profile(scene, a_profile((0, 10.0), profile_id=2))  # same purpose, level, connector
    assert power_w(scene) == pytest.approx(10 * 690.0)
    set_profile(scene, a_profile((0, 8.0), profile_id=2, level=3))  # same id
    assert power_w(scene) == pytest.approx(8 * 690.0)
    assert scene.call("ClearChargingProfile", id=1).status == "Unknown"
    assert scene.call("ClearChargingProfile", id=2).status == "Accepted"
    assert power_w(scene) == pytest.approx(11_000.0)


def test_a_default_applies_to_the_transaction_that_runs() -> None:
    scene = a_charging_scene()
    assert power_w(scene) == pytest.approx(11_000.0)
    set_profile(scene, a_profile((0, 10.0)))
    assert power_w(scene) == pytest.approx(6_900.0)


# ── ClearChargingProfile ──────────────────────────────────────────────────────────────────────────


def test_clearing_takes_effect_at_once() -> None:
    scene = a_charging_scene()
    set_profile(scene, a_profile((0, 0.0)))
    assert scene.statuses()[-1] == "SuspendedEVSE"
    assert scene.call("ClearChargingProfile", id=1).status == "Accepted"
    assert scene.statuses()[-1] == "Charging"
    assert power_w(scene) == pytest.approx(11_000.0)


def test_clearing_what_is_not_there_is_unknown() -> None:
    scene = a_booted_scene()
    assert scene.call("ClearChargingProfile").status == "Unknown"
    assert scene.call("ClearChargingProfile", id=1).status == "Unknown"
    set_profile(scene, a_profile((0, 16.0)))
    assert scene.call("ClearChargingProfile", stackLevel=1).status == "Unknown"
    purpose = "ChargePointMaxProfile"
    assert scene.call("ClearChargingProfile", chargingProfilePurpose=purpose).status == "Unknown"
    assert scene.call("ClearChargingProfile").status == "Accepted"
    assert scene.call("ClearChargingProfile").status == "Unknown"


def test_clearing_by_criteria_needs_all_of_them() -> None:
    scene = a_booted_scene()
    set_profile(scene, a_profile((0, 16.0), profile_id=1))
    set_profile(scene, a_profile((0, 16.0), profile_id=2, level=1))
    set_profile(scene, a_profile((0, 16.0), profile_id=3), connector_id=0)
    scene.call(
        "ClearChargingProfile",
        connectorId=1,
        stackLevel=0,
        chargingProfilePurpose="TxDefaultProfile",
    )
    assert scene.station.profiles is not None
    assert [profile.id for profile in scene.station.profiles] == [2, 3]


# ── GetCompositeSchedule ──────────────────────────────────────────────────────────────────────────


def composite(scene: Scene, connector_id: int = 1, duration: int = 600, **more: Any) -> Any:
    return scene.call(
        "GetCompositeSchedule", connectorId=connector_id, duration=duration, **more
    ).payload


def test_a_composite_schedule_of_an_unknown_connector_is_rejected() -> None:
    scene = a_booted_scene()
    assert composite(scene, 2) == {"status": "Rejected"}
    assert composite(scene, 1, 0) == {"status": "Rejected"}


def test_without_profiles_the_outlet_is_the_limit() -> None:
    schedule = composite(a_booted_scene(), chargingRateUnit="W")["chargingSchedule"]
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 22_000.0}]
    dc = a_booted_scene(kind="DC", max_power_w=100_000.0)
    assert composite(dc)["chargingSchedule"]["chargingRateUnit"] == "W"


def test_a_composite_schedule_merges_what_limits_a_connector() -> None:
    scene = a_booted_scene()
    set_profile(scene, a_profile((0, 16.0), (300, 20.0)))
    set_profile(scene, a_profile((0, 10.0), level=1, profile_id=2, start_s=60, duration=60))
    whole = station_max((0, 12_420.0), profile_id=3, unit="W", start_s=200)
    set_profile(scene, whole, connector_id=0)
    found = composite(scene, chargingRateUnit="A")
    assert found["status"] == "Accepted"
    assert found["connectorId"] == 1
    assert found["scheduleStart"] == found["chargingSchedule"]["startSchedule"] == moment(0)
    assert found["chargingSchedule"]["duration"] == 600
    periods = [
        (one["startPeriod"], one["limit"])
        for one in found["chargingSchedule"]["chargingSchedulePeriod"]
    ]
    assert periods == [(0, 16.0), (60, 10.0), (120, 16.0), (300, 18.0)]


def test_the_composite_schedule_of_connector_0_is_that_of_the_whole_station() -> None:
    scene = a_booted_scene(connectors=2)
    set_profile(scene, a_profile((0, 16.0)), connector_id=1)
    found = composite(scene, 0, chargingRateUnit="A")["chargingSchedule"]
    assert found["chargingSchedulePeriod"][0]["limit"] == 47.8  # 16 A and 22 kW: 31.88 A
    set_profile(scene, station_max((0, 40.0), profile_id=2), connector_id=0)
    found = composite(scene, 0, chargingRateUnit="A")["chargingSchedule"]
    assert found["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 40.0}]


def test_a_composite_schedule_that_is_too_long_is_cut_and_says_so() -> None:
    scene = a_booted_scene()
    periods = [(hour * 3600, 8.0 + hour % 20) for hour in range(24)]
    profile = a_profile(*periods, kind="Recurring", recurrency="Daily")
    assert set_profile(scene, profile) == "Accepted"
    found = composite(scene, duration=100 * 86_400)["chargingSchedule"]
    assert len(found["chargingSchedulePeriod"]) == 200
    assert found["duration"] == 200 * 3600


# ── power follows the limits ──────────────────────────────────────────────────────────────────────


def test_the_next_sample_shows_the_limit() -> None:
    scene = a_charging_scene(configuration={"MeterValueSampleInterval": 10})
    set_profile(scene, a_profile((0, 16.0), (35, 10.0)))
    scene.run(for_s=60)
    values = [samples_of(one["meterValue"][0]) for one in scene.sent("MeterValues")]
    currents = [one["Current.Import"] for one in values]
    assert max(currents[:3]) <= 16.0
    assert max(currents[3:]) <= 10.0
    assert min(currents) > 9.5
    assert values[3]["Power.Active.Import"] == pytest.approx(6_900.0, abs=1.0)


def test_a_boundary_on_the_second_of_a_sample_shows_in_it() -> None:
    scene = a_charging_scene(
        configuration={"MeterValueSampleInterval": 10, "ClockAlignedDataInterval": 30}
    )
    set_profile(scene, a_profile((0, 16.0), (30, 10.0)))
    scene.run(for_s=30)
    for sent in scene.sent("MeterValues")[-2:]:
        assert samples_of(sent["meterValue"][0]).get("Current.Import", 0.0) <= 10.0
    assert {"Sample.Clock"} in [contexts_of(sent) for sent in scene.sent("MeterValues")]


@pytest.mark.parametrize("late_s", [0.0, 25.0])
def test_energy_is_counted_up_to_each_boundary_with_the_power_before_it(late_s: float) -> None:
    scene = a_charging_scene()
    set_profile(scene, a_profile((0, 16.0), (100, 10.0), (105, 0.0), (110, 8.0)))
    scene.run(for_s=90)
    if late_s:
        scene.sleep(for_s=late_s)
    scene.run(for_s=60 - late_s)
    expected_wh = (100 * 11_000.0 + 5 * 6_900.0 + 40 * 5_520.0) / 3600
    meter = scene.station.connectors[0].meter
    connector = scene.station.connectors[0]
    connector.meter_to(scene.now_s)
    assert meter.energy_wh == pytest.approx(expected_wh, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    installed=st.lists(st.tuples(st.integers(0, 2), profiles()), max_size=5),
    station_w=st.sampled_from([None, 12_000.0]),
    steps=st.lists(st.tuples(st.integers(1, 90), st.booleans()), min_size=1, max_size=6),
)
def test_the_energy_of_a_session_is_what_the_oracle_adds_up_second_by_second(
    installed: list[tuple[int, dict[str, Any]]],
    station_w: float | None,
    steps: list[tuple[int, bool]],
) -> None:
    scene = Scene(connectors=2, station_max_power_w=station_w)
    pair = Pair(scene, World(2, station_w=station_w))
    sessions = [pair.start(1), pair.start(2, BIG_CITY_CAR)]
    for connector_id, profile in installed:
        pair.set(connector_id, profile)
    expected_ws = [0.0, 0.0]
    for seconds, late in steps:
        for second in range(seconds):
            for index, session in enumerate(sessions):
                expected_ws[index] += pair.world.power_w(session, pair.now + second)
        if late:
            scene.sleep(for_s=seconds)
        else:
            scene.run(for_s=seconds)
    for connector, energy_ws in zip(scene.station.connectors, expected_ws, strict=True):
        connector.meter_to(scene.now_s)
        # A late tick counts a boundary when it was due; a millisecond is a boundary's width.
        assert connector.meter.energy_wh == pytest.approx(energy_ws / 3600, abs=0.05)
        assert connector.meter.integral_wh == pytest.approx(connector.meter.energy_wh, abs=1e-3)


def test_a_call_that_comes_before_a_late_tick_finds_the_limits_of_its_moment() -> None:
    scene = a_charging_scene()
    set_profile(scene, a_profile((0, 16.0), (100, 8.0)))
    scene.now_s += 110  # nobody ticked
    scene.present_tag()
    stopped = scene.sent("StopTransaction")[0]
    assert stopped["meterStop"] == int((100 * 11_000.0 + 10 * 5_520.0) / 3600)


def test_readings_of_before_a_boundary_show_the_power_before_it_however_late() -> None:
    keys = {"MeterValueSampleInterval": 10, "ClockAlignedDataInterval": 45}
    scene = a_charging_scene(configuration=keys)
    set_profile(scene, a_profile((0, 16.0), (55, 8.0)))
    scene.sleep(for_s=70)
    for sent in scene.sent("MeterValues"):
        current_a = samples_of(sent["meterValue"][0]).get("Current.Import", 0.0)
        wall_s = wall_of(sent["meterValue"][0]["timestamp"])
        if "Sample.Periodic" in contexts_of(sent):
            assert current_a == pytest.approx(15.8 if wall_s < EPOCH_S + 55 else 7.9, abs=0.2)
    registers = {
        wall_of(sent["meterValue"][0]["timestamp"]) - EPOCH_S: samples_of(sent["meterValue"][0])
        for sent in scene.sent("MeterValues")
        if sent["connectorId"] == 1
    }
    assert sorted(registers) == [10, 20, 30, 40, 45, 50, 60, 70]
    expected_wh = 45 * 11_000.0 / 3600
    assert registers[45]["Energy.Active.Import.Register"] == int(expected_wh)
    expected_wh = (55 * 11_000.0 + 15 * 5_520.0) / 3600
    assert registers[70]["Energy.Active.Import.Register"] == int(expected_wh)


def test_a_refusal_is_noted_with_its_reason_where_notes_are_kept() -> None:
    scene = a_booted_scene()
    scene.call("GetDiagnostics", location="ftp://localhost/")
    assert set_profile(scene, a_profile((3, 16.0))) == "Rejected"
    assert scene.station.logs is not None
    assert "the first period starts at 0 s, not at 3" in scene.station.logs.lines[-1][1]


def test_less_than_six_amperes_is_nothing_on_ac() -> None:
    scene = a_charging_scene()
    set_profile(scene, a_profile((0, 5.9)))
    assert scene.station.connectors[0].phase == "SuspendedEVSE"
    set_profile(scene, a_profile((0, 6.0)))
    assert power_w(scene) == pytest.approx(SIX_A_W)
    set_profile(scene, a_profile((0, SIX_A_W), unit="W"))
    assert power_w(scene) == pytest.approx(SIX_A_W)
    set_profile(scene, a_profile((0, SIX_A_W - 1), unit="W"))
    assert power_w(scene) == 0.0
    unlimited = a_charging_scene(min_current_a=0.0)
    set_profile(unlimited, a_profile((0, 1.0)))
    assert power_w(unlimited) == pytest.approx(690.0)


def test_dc_goes_down_to_any_power() -> None:
    scene = a_charging_scene(kind="DC", max_power_w=100_000.0)
    set_profile(scene, a_profile((0, 100.0), unit="W"))
    assert power_w(scene) == pytest.approx(100.0)
    set_profile(scene, a_profile((0, 50.0)))
    reading = scene.station.connectors[0].reading()
    assert 45.0 < reading.current_a <= 50.0


def test_less_than_the_vehicle_has_a_use_for_is_nothing() -> None:
    scene = a_charging_scene()
    set_profile(scene, a_profile((0, 10.0), (60, 7.0), least=8.0))
    assert power_w(scene) == pytest.approx(6_900.0)
    scene.run(for_s=60)
    assert scene.statuses()[-1] == "SuspendedEVSE"


def test_the_transaction_that_a_relative_schedule_counts_from_is_its_own() -> None:
    scene = a_booted_scene(connectors=2)
    set_profile(scene, a_profile((0, 16.0), (60, 8.0), kind="Relative"), connector_id=0)
    scene.charge(1)
    scene.run(for_s=30)
    scene.charge(2)
    scene.run(for_s=30)
    assert power_w(scene, 1) == pytest.approx(8 * 690.0)
    assert power_w(scene, 2) == pytest.approx(11_000.0)
    scene.run(for_s=30)
    assert power_w(scene, 2) == pytest.approx(8 * 690.0)


def test_a_daily_schedule_limits_the_night() -> None:
    scene = a_charging_scene(configuration={"MeterValueSampleInterval": 0})
    night = a_profile(
        (0, 32.0), (20 * 3600, 8.0), kind="Recurring", recurrency="Daily", start_s=-2 * 86_400
    )
    set_profile(scene, night)
    scene.run(for_s=20 * 3600 - 1)
    assert power_w(scene) == pytest.approx(11_000.0)
    scene.run(for_s=1)
    assert power_w(scene) == pytest.approx(8 * 690.0)
    scene.run(for_s=4 * 3600)
    assert power_w(scene) == pytest.approx(11_000.0)


# ── zero ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_limit_of_zero_suspends_and_its_end_lets_charge_again() -> None:
    scene = a_charging_scene()
    set_profile(scene, a_profile((0, 16.0), (30, 0.0), (60, 16.0)))
    scene.run(for_s=90)
    assert scene.statuses() == ["Preparing", "Charging", "SuspendedEVSE", "Charging"]
    assert scene.sent("StopTransaction") == []


def test_a_session_that_may_not_charge_yet_is_suspended_from_the_start() -> None:
    scene = a_booted_scene()
    set_profile(scene, a_profile((0, 0.0), (60, 16.0)))
    scene.charge()
    assert scene.statuses() == ["Preparing", "SuspendedEVSE"]
    scene.run(for_s=60)
    assert scene.statuses()[-1] == "Charging"


def test_a_vehicle_that_pauses_is_suspended_for_its_own_sake() -> None:
    scene = a_charging_scene()
    scene.tell(EvPaused())
    set_profile(scene, a_profile((0, 0.0)))
    assert scene.statuses()[-1] == "SuspendedEV"
    scene.tell(EvResumed())
    assert scene.statuses()[-1] == "SuspendedEVSE"


def test_a_driver_does_not_leave_because_nothing_is_on_offer_for_a_while() -> None:
    habits = Habits(energy_wh=Span(5_000.0, 5_000.0), soc=Span(0.2, 0.2))
    scene = Scene(autopilot=True, habits=habits)
    scene.boot()
    set_profile(scene, a_profile((0, 0.0), (7200, 16.0)), connector_id=0)
    scene.run(for_s=7000)
    assert scene.station.connectors[0].phase == "SuspendedEVSE"
    assert scene.sent("StopTransaction") == []
    scene.run(for_s=3600)
    stops = scene.sent("StopTransaction")
    starts = scene.sent("StartTransaction")
    assert stops[0]["meterStop"] - starts[0]["meterStart"] >= 4_999


def test_an_invalid_tag_stays_suspended_whatever_the_limit() -> None:
    scene = a_booted_scene(configuration={"StopTransactionOnInvalidId": "false"})
    scene.on("StartTransaction", {"transactionId": 5, "idTagInfo": {"status": "Invalid"}})
    set_profile(scene, a_profile((0, 16.0)))
    scene.charge()
    assert scene.statuses()[-1] == "SuspendedEVSE"
    set_profile(scene, a_profile((0, 20.0)))
    assert power_w(scene) == 0.0


# ── what all connectors have together ─────────────────────────────────────────────────────────────


def test_the_limit_of_the_station_is_shared_by_those_who_charge() -> None:
    scene = a_booted_scene(connectors=3)
    set_profile(scene, station_max((0, 20.0)), connector_id=0)
    scene.charge(1)
    assert power_w(scene, 1) == pytest.approx(11_000.0)
    scene.charge(2)
    assert [power_w(scene, one) for one in (1, 2)] == pytest.approx([6_900.0, 6_900.0])
    scene.charge(3)
    assert [power_w(scene, one) for one in (1, 2, 3)] == pytest.approx([4_600.0] * 3)
    scene.tell(EvPaused(2))
    assert [power_w(scene, one) for one in (1, 2, 3)] == pytest.approx([6_900.0, 0.0, 6_900.0])
    scene.unplug(1)
    assert power_w(scene, 3) == pytest.approx(11_000.0)


def test_a_vehicle_that_takes_less_leaves_the_rest_to_the_others() -> None:
    scene = a_booted_scene(connectors=2)
    set_profile(scene, station_max((0, 24.0)), connector_id=0)
    scene.charge(1)
    scene.tell(PluggedIn(2, vehicle=BIG_CITY_CAR, soc=0.1))
    scene.present_tag(connector_id=2)
    # Both want more than 12 A: 15.9 A the van, 32 A (on one phase) the car.
    assert power_w(scene, 1) == pytest.approx(12 * 690.0)
    assert power_w(scene, 2) == pytest.approx(12 * 230.0)
    set_profile(scene, station_max((0, 40.0)), connector_id=0)
    assert power_w(scene, 1) == pytest.approx(11_000.0)
    assert power_w(scene, 2) == pytest.approx((40.0 - 11_000.0 / 690.0) * 230.0)


def test_the_last_to_come_waits_where_six_amperes_do_not_suffice_for_all() -> None:
    scene = a_booted_scene(connectors=2)
    set_profile(scene, station_max((0, 11.0)), connector_id=0)
    scene.charge(2)
    scene.charge(1)
    assert power_w(scene, 2) == pytest.approx(11 * 690.0)
    assert scene.statuses(1)[-1] == "SuspendedEVSE"
    scene.unplug(2)
    assert scene.statuses(1)[-1] == "Charging"
    assert power_w(scene, 1) == pytest.approx(11 * 690.0)


def test_a_full_vehicle_leaves_its_share_to_the_others() -> None:
    scene = Scene(connectors=2, station_max_power_w=10_000.0)
    scene.boot()
    scene.charge(1, soc=0.95)
    scene.charge(2)
    assert power_w(scene, 2) == pytest.approx(5_000.0)
    scene.run(for_s=3600)
    assert scene.statuses(1)[-1] == "SuspendedEV"
    assert power_w(scene, 2) == pytest.approx(10_000.0)


def test_the_grid_connection_limits_without_any_profile() -> None:
    scene = a_booted_scene(connectors=2, station_max_power_w=12_000.0)
    scene.charge(1)
    scene.charge(2)
    assert power_w(scene, 1) + power_w(scene, 2) == pytest.approx(12_000.0)
    found = composite(scene, 0, chargingRateUnit="W")["chargingSchedule"]
    assert found["chargingSchedulePeriod"][0]["limit"] == 12_000.0


# ── phases ────────────────────────────────────────────────────────────────────────────────────────


def test_one_phase_of_three_where_the_station_can_switch() -> None:
    scene = a_charging_scene(configuration={"ConnectorSwitch3to1PhaseSupported": "true"})
    set_profile(scene, a_profile((0, 16.0, 1), (60, 16.0)))
    reading = scene.station.connectors[0].reading()
    assert reading.phases == 1
    assert reading.power_w == pytest.approx(16 * 230.0)
    scene.run(for_s=60)
    reading = scene.station.connectors[0].reading()
    assert reading.phases == 3
    assert reading.power_w == pytest.approx(11_000.0)
    set_profile(scene, a_profile((0, 3_680.0, 1), unit="W"))
    assert power_w(scene) == pytest.approx(3_680.0)
    scene.unplug()
    assert scene.station.connectors[0].meter.spec.phases == 3


def test_a_number_of_phases_means_nothing_to_a_station_that_cannot_switch() -> None:
    scene = a_charging_scene()
    set_profile(scene, a_profile((0, 10.0, 1)))
    reading = scene.station.connectors[0].reading()
    assert reading.phases == 3
    assert reading.power_w == pytest.approx(6_900.0)
    set_profile(scene, a_profile((0, 6_900.0, 1), unit="W"))
    assert power_w(scene) == pytest.approx(6_900.0)  # of all phases, never more


# ── transactions and starts from remote ───────────────────────────────────────────────────────────


def test_a_profile_ends_with_its_transaction() -> None:
    scene = a_charging_scene()
    set_profile(scene, tx((0, 8.0)))
    assert power_w(scene) == pytest.approx(8 * 690.0)
    scene.unplug()
    scene.charge()
    assert power_w(scene) == pytest.approx(11_000.0)
    assert scene.call("ClearChargingProfile", id=1).status == "Unknown"


def remote_start(scene: Scene, profile: dict[str, Any], **more: Any) -> str:
    return scene.call("RemoteStartTransaction", idTag=TAG, chargingProfile=profile, **more).status


def test_a_start_from_remote_brings_the_limits_of_its_transaction() -> None:
    scene = a_booted_scene(connectors=2)
    assert remote_start(scene, tx((0, 8.0), kind="Relative")) == "Accepted"
    scene.plug_in(1)
    assert power_w(scene, 1) == pytest.approx(8 * 690.0)
    scene.charge(2)
    assert power_w(scene, 2) == pytest.approx(11_000.0)


@pytest.mark.parametrize(
    "profile",
    [
        a_profile((0, 8.0)),
        a_profile((0, 8.0), purpose="ChargePointMaxProfile"),
        a_profile((0, 8.0), purpose="TxProfile", transaction_id=1),
        a_profile((3, 8.0), purpose="TxProfile"),
        a_profile((0, 8.0), purpose="TxProfile", level=11),
    ],
)
def test_a_start_from_remote_with_an_unfit_profile_is_rejected(profile: dict[str, Any]) -> None:
    scene = a_booted_scene()
    assert remote_start(scene, profile) == "Rejected"
    scene.plug_in()
    assert scene.sent("StartTransaction") == []


def test_a_station_without_smart_charging_takes_no_notice_of_the_profile() -> None:
    scene = a_booted_scene(configuration={"SupportedFeatureProfiles": "Core"})
    assert remote_start(scene, a_profile((0, 8.0))) == "Accepted"
    scene.plug_in()
    assert power_w(scene) == pytest.approx(11_000.0)


def test_the_profile_is_dropped_when_the_start_never_happens() -> None:
    scene = a_booted_scene(configuration={"ConnectionTimeOut": 30})
    assert remote_start(scene, tx((0, 8.0))) == "Accepted"
    scene.run(for_s=40)
    assert scene.statuses()[-1] == "Available"
    scene.charge()
    assert power_w(scene) == pytest.approx(11_000.0)


def test_the_profile_is_dropped_when_the_tag_is_refused() -> None:
    scene = a_booted_scene(configuration={"AuthorizeRemoteTxRequests": "true"})
    scene.on(
        "Authorize", {"idTagInfo": {"status": "Invalid"}}, {"idTagInfo": {"status": "Accepted"}}
    )
    assert remote_start(scene, tx((0, 8.0))) == "Accepted"
    scene.charge()
    assert power_w(scene) == pytest.approx(11_000.0)


def test_the_profile_is_not_for_another_tag_that_comes_first() -> None:
    scene = a_booted_scene()
    assert remote_start(scene, tx((0, 8.0))) == "Accepted"
    scene.present_tag(OTHER_TAG)
    scene.plug_in()
    assert scene.sent("StartTransaction")[0]["idTag"] == OTHER_TAG
    assert power_w(scene) == pytest.approx(11_000.0)


def test_a_profile_on_its_way_takes_a_place_in_the_store() -> None:
    scene = a_booted_scene(configuration={"MaxChargingProfilesInstalled": 1}, connectors=2)
    assert remote_start(scene, tx((0, 8.0)), connectorId=1) == "Accepted"
    assert set_profile(scene, a_profile((0, 8.0), profile_id=2)) == "Rejected"
    assert remote_start(scene, tx((0, 8.0), profile_id=3), connectorId=2) == "Rejected"
    scene.plug_in(1)
    assert scene.call("ClearChargingProfile", id=1).status == "Accepted"


# ── reboot, power loss, clock ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["Hard", "Soft", "power"])
def test_what_lasts_over_a_reboot(how: str) -> None:
    scene = a_charging_scene()
    set_profile(scene, a_profile((0, 10.0), profile_id=1))
    set_profile(scene, station_max((0, 8.0), profile_id=2), connector_id=0)
    set_profile(scene, tx((0, 30.0), profile_id=3))
    if how == "power":
        scene.cycle_power(for_s=60)
    else:
        scene.call("Reset", type=how)
    scene.run(for_s=60)
    scene.unplug()
    scene.charge()
    assert power_w(scene) == pytest.approx(8 * 690.0)
    assert scene.call("ClearChargingProfile", id=3).status == "Unknown"
    assert scene.call("ClearChargingProfile", id=2).status == "Accepted"
    assert power_w(scene) == pytest.approx(10 * 690.0)


def test_what_the_hardware_keeps_of_profiles() -> None:
    scene = a_charging_scene()
    set_profile(scene, a_profile((0, 10.0), profile_id=1, kind="Relative"))
    recurring = a_profile(
        (0, 6.0, 1), kind="Recurring", recurrency="Weekly", profile_id=2, level=1, valid_to_s=9.0
    )
    set_profile(scene, recurring)
    set_profile(scene, tx((0, 30.0), profile_id=3))
    assert scene.station.profiles is not None
    before = scene.station.profiles.lasting()
    kept = decode_kept(encode_kept(remember(scene.station)))
    other = Scene(vehicle=BIG_VAN)
    recall(other.station, kept, at_s=other.now_s)
    assert list(other.station.profiles or ()) == before
    assert [profile.id for profile in before] == [1, 2]
    assert remember(Scene().station).profiles == []


def test_a_clock_that_is_set_moves_the_boundaries() -> None:
    scene = Scene(vehicle=BIG_VAN)
    scene.boot()
    scene.charge()
    set_profile(scene, a_profile((0, 16.0), (1000, 8.0)))
    scene.run(for_s=100)
    assert agenda_of(scene.station) == {(Job.LIMITS, 0): pytest.approx(scene.now_s + 900)}
    scene.epoch_s += 895  # the CSMS's clock jumps ahead
    scene.call("TriggerMessage", requestedMessage="Heartbeat")
    scene.run(for_s=4)
    assert power_w(scene) == pytest.approx(11_000.0)
    scene.run(for_s=1)
    assert power_w(scene) == pytest.approx(8 * 690.0)


def test_a_clock_that_is_set_does_not_move_a_relative_schedule() -> None:
    scene = Scene(vehicle=BIG_VAN)
    scene.boot()
    scene.charge()
    set_profile(scene, a_profile((0, 16.0), (100, 8.0), kind="Relative"))
    scene.run(for_s=50)
    scene.epoch_s += 3600
    scene.call("TriggerMessage", requestedMessage="Heartbeat")
    scene.run(for_s=49)
    assert power_w(scene) == pytest.approx(11_000.0)
    scene.run(for_s=1)
    assert power_w(scene) == pytest.approx(8 * 690.0)


# ── what it costs ─────────────────────────────────────────────────────────────────────────────────


def agenda_of(station: Station) -> object:
    return station.agenda


def test_a_station_without_profiles_pays_nothing() -> None:
    scene = a_charging_scene()
    scene.call("ClearChargingProfile")
    composite(scene)
    assert scene.station.profiles is None
    assert agenda_of(scene.station) is None


def test_nothing_is_on_the_agenda_while_nobody_charges() -> None:
    scene = a_booted_scene()
    daily = a_profile((0, 16.0), (3600, 8.0), kind="Recurring", recurrency="Daily")
    set_profile(scene, daily)
    assert agenda_of(scene.station) is None
    scene.charge()
    assert agenda_of(scene.station) == {(Job.LIMITS, 0): pytest.approx(scene.now_s + 3600)}
    scene.unplug()
    assert agenda_of(scene.station) is None


def test_a_station_wakes_once_for_each_boundary() -> None:
    scene = a_charging_scene(configuration={"MeterValueSampleInterval": 0})
    scene.call("ChangeConfiguration", key="HeartbeatInterval", value="0")
    set_profile(scene, a_profile(*((minute * 60, 10.0 + minute) for minute in range(20))))
    ticks = 0
    end_s = scene.now_s + 3600
    while scene.station.wake_at_s <= end_s:
        scene.now_s = scene.station.wake_at_s
        scene.tick()
        ticks += 1
    assert ticks == 19
    assert scene.wall_s == EPOCH_S + 19 * 60


def test_a_composite_schedule_begins_now_and_not_before_the_transaction_did() -> None:
    """The first second of a transaction has its limit, although the clock's second began before."""
    scene = Scene(max_power_w=11_000.0, epoch_s=EPOCH_S + 0.6)
    scene.boot()
    scene.charge()
    assert set_profile(scene, a_profile((0, 10.0), kind="Relative")) == "Accepted"
    asked = scene.call("GetCompositeSchedule", connectorId=1, duration=60, chargingRateUnit="A")
    periods = asked.payload["chargingSchedule"]["chargingSchedulePeriod"]
    assert [(one["startPeriod"], one["limit"]) for one in periods] == [(0, 10.0)]
