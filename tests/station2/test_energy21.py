"""Energy in OCPP 2.1: operation modes, vehicles that give energy back (block Q), priority and
dynamic profiles (block K).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders_energy import GIVING_VAN, EnergyScene, a_profile, moment
from builders_station2 import samples_of
from simfleet.errors import Refused
from simfleet.station.energy_events import (
    FrequencyMeasured,
    LimitImposed,
    PriorityPressed,
    SetpointGiven,
)
from simfleet.station.memory import decode_kept, encode_kept, recall, remember

HOUR_S = 3600
IMPORT = "Energy.Active.Import.Register"
EXPORT = "Energy.Active.Export.Register"


def charging(*, soc: float = 0.6, **options: Any) -> EnergyScene:
    scene = EnergyScene(version="ocpp2.1", vehicle=GIVING_VAN, **options)
    scene.charge(soc=soc)
    return scene


def setpoint(power_w: float, **more: Any) -> dict[str, Any]:
    """A period in which the CSMS commands."""
    return {"operationMode": "CentralSetpoint", "setpoint": power_w} | more


def tx(scene: EnergyScene, *periods: Any, **more: Any) -> dict[str, Any]:
    return a_profile(*periods, purpose="TxProfile", transactionId=scene.transaction, **more)


# ── both directions (Q) ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["AC", "DC"])
def test_a_setpoint_below_0_takes_energy_out_of_the_vehicle(kind: Any) -> None:
    """V2X really exports: the export register counts, the import register stands still, the state
    of charge falls.
    """
    scene = charging(kind=kind)
    before = scene.readings()
    vehicle = scene.station.connectors[0].vehicle
    assert vehicle is not None
    soc = vehicle.soc
    assert scene.set(tx(scene, setpoint(-5_000.0)), evse=1) == "Accepted"
    assert scene.power() == pytest.approx(-5_000, abs=1)
    scene.run(for_s=HOUR_S)
    after = scene.readings()
    assert after[IMPORT] == before[IMPORT]
    assert after[EXPORT] - before[EXPORT] == pytest.approx(5_000, abs=2)
    assert vehicle.soc == pytest.approx(soc - 0.05, abs=1e-6)
    # And back again.
    scene.call("ClearChargingProfile", chargingProfileId=1)
    scene.run(for_s=360)
    again = scene.readings()
    assert again[EXPORT] == after[EXPORT]
    assert again[IMPORT] > after[IMPORT]


def test_a_vehicle_that_is_spent_gives_no_more() -> None:
    """It stops at its least state of charge, and says so: SuspendedEV."""
    scene = charging(soc=0.25)
    scene.mark()
    scene.set(tx(scene, setpoint(-10_000.0)), evse=1)
    scene.run(for_s=2 * HOUR_S)
    assert scene.states()[-1] == "SuspendedEV"
    assert scene.readings()[EXPORT] == pytest.approx(5_000, abs=2)
    assert scene.power() == 0
    vehicle = scene.station.connectors[0].vehicle
    assert vehicle is not None
    assert vehicle.soc == pytest.approx(0.2)


def test_a_full_vehicle_gives() -> None:
    """Full is no reason not to."""
    scene = charging(soc=1.0)
    scene.set(tx(scene, setpoint(-3_000.0)), evse=1)
    assert scene.power() == pytest.approx(-3_000, abs=1)


@pytest.mark.parametrize(
    ("period", "power_w"),
    [
        (setpoint(-9_000.0, dischargeLimit=-4_000.0), -4_000),
        (setpoint(-50_000.0), -10_000),  # what the vehicle gives
        (setpoint(6_000.0), 6_000),
        (setpoint(9_000.0, limit=7_000.0), 7_000),
        (setpoint(-2_000.0, setpoint_L2=-1_000.0, setpoint_L3=-1_000.0), -4_000),
        ({"operationMode": "Idle"}, 0),
        ({"operationMode": "ExternalLimits", "limit": 6_500.0, "dischargeLimit": -9.0}, 6_500),
        ({"operationMode": "ChargingOnly", "limit": 6_500.0}, 6_500),
        ({"limit": 3_000.0, "limit_L2": 2_500.0, "limit_L3": 4_000.0}, 7_500),
    ],
)
def test_each_mode_is_followed(period: dict[str, Any], power_w: float) -> None:
    """Block Q: what limit, dischargeLimit and setpoint mean in an operation mode."""
    scene = charging()
    assert scene.set(tx(scene, period), evse=1) == "Accepted"
    assert scene.power() == pytest.approx(power_w, abs=1)


def test_amperes_out_of_the_vehicle_are_the_sum_of_all_phases() -> None:
    """setpoint: the sum of all phases, in the unit of the schedule."""
    scene = charging()
    scene.set(tx(scene, setpoint(-20.0), unit="A"), evse=1)
    assert scene.power() == pytest.approx(-20 * 230, abs=1)


def test_the_mode_is_told_when_it_changes() -> None:
    """TransactionEvent with trigger OperationModeChanged and the operationMode."""
    scene = charging()
    scene.mark()
    scene.set(tx(scene, setpoint(-5_000.0)), evse=1)
    changed = [one for one in scene.events() if one["triggerReason"] == "OperationModeChanged"]
    assert [one["transactionInfo"]["operationMode"] for one in changed] == ["CentralSetpoint"]
    scene.mark()
    scene.call("ClearChargingProfile", chargingProfileId=1)
    changed = [one for one in scene.events() if one["triggerReason"] == "OperationModeChanged"]
    assert [one["transactionInfo"]["operationMode"] for one in changed] == ["ChargingOnly"]


def test_somebody_at_the_site_gives_the_setpoint() -> None:
    """ExternalSetpoint and LocalLoadBalancing: within the limits of the profile."""
    for mode in ("ExternalSetpoint", "LocalLoadBalancing"):
        scene = charging()
        scene.set(
            tx(scene, {"operationMode": mode, "limit": 8_000.0, "dischargeLimit": -6_000.0}), evse=1
        )
        assert scene.power() == pytest.approx(8_000, abs=1)
        scene.tell(SetpointGiven(1, -7_000.0))
        assert scene.power() == pytest.approx(-6_000, abs=1)
        scene.tell(SetpointGiven(1, None))
        assert scene.power() == pytest.approx(8_000, abs=1)


def test_the_frequency_of_the_grid_moves_the_power() -> None:
    """LocalFrequency: v2xBaseline plus v2xFreqWattCurve."""
    scene = charging()
    curve = [
        {"frequency": 49.8, "power": -8_000.0},
        {"frequency": 50.0, "power": 0.0},
        {"frequency": 50.2, "power": 8_000.0},
    ]
    period = {"operationMode": "LocalFrequency", "v2xBaseline": 1_000, "v2xFreqWattCurve": curve}
    assert scene.set(tx(scene, period), evse=1) == "Accepted"
    scene.tell(FrequencyMeasured(50.15))
    assert scene.power() == pytest.approx(7_000, abs=1)
    scene.tell(FrequencyMeasured(49.9))
    assert scene.power() == pytest.approx(-3_000, abs=1)
    scene.tell(FrequencyMeasured(49.0))
    assert scene.power() == pytest.approx(-7_000, abs=1)


@pytest.mark.parametrize(
    "period",
    [
        {},
        {"operationMode": "CentralSetpoint", "limit": 5.0},
        {"operationMode": "ChargingOnly", "setpoint": 5.0, "limit": 5.0},
        {"operationMode": "ChargingOnly", "dischargeLimit": -5.0, "limit": 5.0},
        {"operationMode": "ExternalSetpoint", "setpoint": 5.0},
        {"operationMode": "LocalFrequency", "v2xBaseline": 5.0},
        {"operationMode": "CentralFrequency", "v2xBaseline": 5.0},
        {"operationMode": "Idle", "limit": 5.0},
    ],
)
def test_what_does_not_go_with_the_mode_is_rejected(period: dict[str, Any]) -> None:
    """The fields of each operation mode."""
    scene = charging()
    assert scene.set(tx(scene, period), evse=1) == "InvalidSchedule"


@pytest.mark.parametrize(
    "configuration",
    [
        {"V2XChargingCtrlr.Enabled": "false"},
        {"V2XChargingCtrlr.SupportedOperationModes": "ChargingOnly,LocalFrequency"},
    ],
)
def test_a_mode_that_is_not_supported_is_rejected(configuration: dict[str, str]) -> None:
    """V2XChargingCtrlr.SupportedOperationModes, Enabled."""
    scene = charging(configuration=configuration)
    assert scene.set(tx(scene, setpoint(-5.0)), evse=1) == "UnsupportedParam"


@pytest.mark.parametrize(
    "field",
    [{"useLocalTime": True}, {"randomizedDelay": 9}, {"limitAtSoC": {"soc": 80, "limit": 1}}],
)
def test_what_this_station_cannot_do_is_rejected(field: dict[str, Any]) -> None:
    """Options of 2.1 that a station need not have."""
    scene = charging()
    profile = a_profile((0, 5_000.0))
    profile["chargingSchedule"][0] |= field
    assert scene.set(profile) == "UnsupportedParam"


def test_the_composite_schedule_tells_the_setpoint() -> None:
    """GetCompositeSchedule of a V2X transaction."""
    scene = charging()
    scene.set(tx(scene, setpoint(-5_000.0, dischargeLimit=-6_000.0)), evse=1)
    answer = scene.call("GetCompositeSchedule", evseId=1, duration=60, chargingRateUnit="W")
    (period,) = answer.payload["schedule"]["chargingSchedulePeriod"]
    assert period["operationMode"] == "CentralSetpoint"
    assert period["setpoint"] == -5_000.0
    assert period["dischargeLimit"] == -6_000.0


def test_the_export_register_and_der_controls_survive_a_loss_of_power() -> None:
    """They belong to the hardware, as the import register does."""
    scene = charging()
    scene.set(tx(scene, setpoint(-5_000.0)), evse=1)
    scene.run(for_s=HOUR_S)
    put_default: dict[str, Any] = {"isDefault": True, "controlId": "a", "controlType": "Gradients"}
    setting = {"priority": 0, "gradient": 5.0, "softGradient": 2.0}
    assert scene.call("SetDERControl", **put_default, gradient=setting).status == "Accepted"
    scene.readings()
    kept = decode_kept(encode_kept(remember(scene.station)))
    other = EnergyScene(version="ocpp2.1", vehicle=GIVING_VAN, scripted=False, boots=False)
    recall(other.station, kept, at_s=other.now_s)
    meter = other.station.connectors[0].meter
    assert meter.exported_wh == pytest.approx(5_000, abs=2)
    assert other.station.energy is not None
    assert [one.id for one in other.station.energy.controls] == ["a"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(-12_000, 12_000), st.integers(1, 4_000)), max_size=8))
def test_energy_is_conserved_in_both_directions(steps: list[tuple[int, int]]) -> None:
    """What the registers say is what the battery has gained, whatever the setpoints; neither
    register ever goes down.
    """
    scene = charging(soc=0.5)
    vehicle = scene.station.connectors[0].vehicle
    assert vehicle is not None
    shown = scene.readings()
    for power_w, for_s in steps:
        scene.set(tx(scene, setpoint(float(power_w))), evse=1)
        scene.run(for_s=for_s)
        now = scene.readings()
        assert now[IMPORT] >= shown[IMPORT]
        assert now[EXPORT] >= shown[EXPORT]
        shown = now
    gained_wh = (vehicle.soc - 0.5) * vehicle.spec.battery_wh
    assert shown[IMPORT] - shown[EXPORT] == pytest.approx(gained_wh, abs=3)


# ── AFRRSignal, NotifyAllowedEnergyTransfer ───────────────────────────────────────────────────────

CURVE = [{"signal": -10, "power": -5_000.0}, {"signal": 10, "power": 5_000.0}]


def test_a_signal_moves_those_that_follow_signals() -> None:
    """AFRRSignal: CentralFrequency adds v2xSignalWattCurve to v2xBaseline."""
    scene = charging()
    period = {
        "operationMode": "CentralFrequency",
        "v2xBaseline": 1_000.0,
        "v2xSignalWattCurve": CURVE,
    }
    now = moment(0)
    assert scene.call("AFRRSignal", timestamp=now, signal=5).status == "Rejected"
    assert scene.set(tx(scene, period), evse=1) == "Accepted"
    assert scene.call("AFRRSignal", timestamp=now, signal=10).status == "Accepted"
    assert scene.power() == pytest.approx(6_000, abs=1)
    assert scene.call("AFRRSignal", timestamp=now, signal=-10).status == "Accepted"
    assert scene.power() == pytest.approx(-4_000, abs=1)


def test_a_signal_sent_ahead_waits_for_its_time() -> None:
    """AFRRSignal.timestamp: when it becomes active."""
    scene = charging()
    period = {"operationMode": "CentralFrequency", "v2xSignalWattCurve": CURVE}
    scene.set(tx(scene, period), evse=1)
    later = moment(scene.now_s - scene.began_s + 60)
    assert scene.call("AFRRSignal", timestamp=later, signal=-10).status == "Accepted"
    assert scene.power() == 0
    scene.run(for_s=61)
    assert scene.power() == pytest.approx(-5_000, abs=1)


def test_a_signal_without_a_transaction_is_rejected() -> None:
    """No V2X profile or transaction: Rejected."""
    scene = EnergyScene(version="ocpp2.1")
    assert scene.call("AFRRSignal", timestamp=moment(0), signal=1).status == "Rejected"


def test_the_csms_says_what_a_transaction_may_do() -> None:
    """NotifyAllowedEnergyTransfer: without a bidirectional mode nothing is taken out."""
    scene = charging()
    scene.set(tx(scene, setpoint(-5_000.0)), evse=1)

    def allow(*modes: str, transaction: str = "") -> str:
        return scene.call(
            "NotifyAllowedEnergyTransfer",
            transactionId=transaction or scene.transaction,
            allowedEnergyTransfer=list(modes),
        ).status

    assert allow("AC_three_phase", transaction="another") == "Rejected"
    assert allow("AC_three_phase") == "Accepted"
    assert scene.power() == 0
    assert allow("AC_three_phase", "AC_BPT") == "Accepted"
    assert scene.power() == pytest.approx(-5_000, abs=1)


def test_a_vehicle_that_only_takes_has_nothing_to_allow() -> None:
    """NotifyAllowedEnergyTransfer: Rejected."""
    scene = EnergyScene(version="ocpp2.1")
    scene.charge()
    answer = scene.call(
        "NotifyAllowedEnergyTransfer",
        transactionId=scene.transaction,
        allowedEnergyTransfer=["AC_BPT"],
    )
    assert answer.status == "Rejected"


# ── priority charging (K21, K22), local generation (K27) ──────────────────────────────────────────


def test_priority_charging_takes_the_place_of_all_other_profiles_of_the_transaction() -> None:
    """UsePriorityCharging: Accepted, and back again."""
    scene = charging()
    scene.set(tx(scene, (0, 5_000.0)), evse=1)
    scene.set(a_profile((0, 9_000.0), profile_id=2, purpose="PriorityCharging"))
    assert scene.power() == pytest.approx(5_000, abs=1)

    def use(activate: bool) -> str:
        return scene.call(
            "UsePriorityCharging", transactionId=scene.transaction, activate=activate
        ).status

    assert use(True) == "Accepted"
    assert scene.power() == pytest.approx(9_000, abs=1)
    assert not scene.sent("NotifyPriorityCharging")
    assert use(False) == "Accepted"
    assert scene.power() == pytest.approx(5_000, abs=1)


def test_priority_needs_a_transaction_and_a_profile() -> None:
    """UsePriorityCharging: Rejected, NoProfile."""
    scene = charging()
    unknown = scene.call("UsePriorityCharging", transactionId="?", activate=True)
    assert unknown.status == "Rejected"
    known = scene.call("UsePriorityCharging", transactionId=scene.transaction, activate=True)
    assert known.status == "NoProfile"


def test_priority_at_the_press_of_a_button_is_told() -> None:
    """K22: NotifyPriorityCharging when it was not the CSMS."""
    scene = charging()
    with pytest.raises(Refused):
        scene.tell(PriorityPressed(1))
    scene.set(a_profile((0, 9_000.0), profile_id=2, purpose="PriorityCharging"))
    scene.mark()
    scene.tell(PriorityPressed(1))
    (told,) = scene.sent("NotifyPriorityCharging")
    assert told.payload == {"transactionId": scene.transaction, "activated": True}
    assert scene.power() == pytest.approx(9_000, abs=1)


def test_local_generation_adds_to_the_limits_of_the_station() -> None:
    """K27: LocalGeneration comes on top of ChargingStationMaxProfile."""
    scene = charging()
    scene.set(a_profile((0, 5_000.0), profile_id=1, purpose="ChargingStationMaxProfile"))
    scene.set(a_profile((0, 2_500.0), profile_id=2, purpose="LocalGeneration"))
    assert scene.power() == pytest.approx(7_500, abs=1)
    answer = scene.call("GetCompositeSchedule", evseId=1, duration=60, chargingRateUnit="W")
    assert answer.payload["schedule"]["chargingSchedulePeriod"][0]["limit"] == 7_500.0
    assert scene.set(a_profile((0, 1.0), profile_id=3, purpose="LocalGeneration"), evse=1) == (
        "InvalidProfile"
    )


def test_purposes_that_are_not_supported_are_rejected() -> None:
    """SmartChargingCtrlr.SupportedAdditionalPurposes."""
    scene = charging(
        configuration={"SmartChargingCtrlr.SupportedAdditionalPurposes": "LocalGeneration"}
    )
    assert scene.set(a_profile((0, 1.0), purpose="PriorityCharging")) == "UnsupportedParam"


def test_local_generation_is_told_with_the_limit() -> None:
    """NotifyChargingLimit.isLocalGeneration."""
    scene = charging()
    scene.tell(LimitImposed(0, 5_000.0, "W", "EMS", local_generation=True))
    (told,) = scene.sent("NotifyChargingLimit")
    assert told["chargingLimit"]["isLocalGeneration"] is True


# ── dynamic profiles (K28, K29) ───────────────────────────────────────────────────────────────────


def test_the_limit_of_a_dynamic_profile_is_updated() -> None:
    """UpdateDynamicSchedule: at once, and reported from then on."""
    scene = charging()
    assert scene.set(tx(scene, (0, 5_000.0), kind="Dynamic"), evse=1) == "Accepted"
    assert scene.power() == pytest.approx(5_000, abs=1)
    answer = scene.call(
        "UpdateDynamicSchedule", chargingProfileId=1, scheduleUpdate={"limit": 8_000.0}
    )
    assert answer.status == "Accepted"
    assert scene.power() == pytest.approx(8_000, abs=1)
    scene.mark()
    scene.call("GetChargingProfiles", requestId=1, chargingProfile={"chargingProfileId": [1]})
    (report,) = scene.sent("ReportChargingProfiles")
    (profile,) = report["chargingProfile"]
    assert profile["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == 8_000.0
    assert "dynUpdateTime" in profile


def test_a_dynamic_setpoint_turns_the_flow() -> None:
    """UpdateDynamicSchedule.setpoint."""
    scene = charging()
    scene.set(tx(scene, setpoint(6_000.0), kind="Dynamic"), evse=1)
    scene.call("UpdateDynamicSchedule", chargingProfileId=1, scheduleUpdate={"setpoint": -6_000.0})
    assert scene.power() == pytest.approx(-6_000, abs=1)


@pytest.mark.parametrize(
    ("profile_id", "update"),
    [
        (9, {"limit": 1.0}),  # there is none
        (1, {"limit": 1.0}),  # it is not dynamic
        (2, {}),  # nothing to update
        (2, {"setpoint": 1.0}),  # there is no setpoint in ChargingOnly
        (2, {"limit": -1.0}),
    ],
)
def test_an_update_of_something_else_is_rejected(profile_id: int, update: dict[str, Any]) -> None:
    """UpdateDynamicSchedule: Rejected, and nothing changes."""
    scene = charging()
    scene.set(a_profile((0, 5_000.0), profile_id=1, level=1))
    scene.set(tx(scene, (0, 6_000.0), profile_id=2, kind="Dynamic"), evse=1)
    answer = scene.call(
        "UpdateDynamicSchedule", chargingProfileId=profile_id, scheduleUpdate=update
    )
    assert answer.status == "Rejected"
    assert scene.power() == pytest.approx(6_000, abs=1)


def test_a_dynamic_profile_has_one_period() -> None:
    """K28: more could not be updated."""
    scene = charging()
    profile = tx(scene, (0, 5_000.0), (60, 6_000.0), kind="Dynamic")
    assert scene.set(profile, evse=1) == "InvalidSchedule"


def test_updates_are_asked_for_in_their_interval() -> None:
    """PullDynamicScheduleUpdate every dynUpdateInterval; the answer takes effect."""
    scene = charging()
    scene.on(
        "PullDynamicScheduleUpdate", {"status": "Accepted", "scheduleUpdate": {"limit": 7_000.0}}
    )
    scene.set(tx(scene, (0, 5_000.0), kind="Dynamic", dynUpdateInterval=60), evse=1)
    scene.mark()
    scene.run(for_s=59)
    assert not scene.sent("PullDynamicScheduleUpdate")
    scene.run(for_s=130)
    pulls = scene.sent("PullDynamicScheduleUpdate")
    assert [one["chargingProfileId"] for one in pulls] == [1, 1, 1]
    assert scene.power() == pytest.approx(7_000, abs=1)
    scene.call("ClearChargingProfile", chargingProfileId=1)
    scene.mark()
    scene.run(for_s=200)
    assert not scene.sent("PullDynamicScheduleUpdate")


# ── the CSMS is away ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kills", [False, True])
def test_a_profile_can_depend_on_the_csms(kills: bool) -> None:
    """maxOfflineDuration: silent while the CSMS is away for longer; invalidAfterOfflineDuration:
    for good.
    """
    scene = charging()
    scene.set(a_profile((0, 5_000.0), profile_id=1))
    scene.set(
        a_profile(
            (0, 8_000.0),
            profile_id=2,
            level=1,
            maxOfflineDuration=60,
            invalidAfterOfflineDuration=kills,
        )
    )
    connector = scene.station.connectors[0]
    scene.disconnect()
    scene.run(for_s=59)
    assert connector.offered_w == pytest.approx(8_000)
    scene.run(for_s=2)
    assert connector.offered_w == pytest.approx(5_000)
    scene.connect()
    assert connector.offered_w == pytest.approx(5_000 if kills else 8_000)


def test_samples_of_a_transaction_show_the_export() -> None:
    """SampledDataCtrlr.TxUpdatedMeasurands may have the export register."""
    scene = charging(configuration={"MeterValueSampleInterval": 60})
    scene.set(tx(scene, setpoint(-6_000.0)), evse=1)
    scene.mark()
    scene.run(for_s=600)
    shown = [
        samples_of(one["meterValue"][0])[EXPORT]
        for one in scene.events()
        if one["triggerReason"] == "MeterValuePeriodic"
    ]
    assert len(shown) == 10
    assert shown == sorted(shown)
    assert shown[-1] - shown[0] == pytest.approx(900, abs=2)
