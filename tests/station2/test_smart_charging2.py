"""Smart charging of OCPP 2.0.1 and 2.1 (part 2, block K): what is taken, found, cleared, told, and
that limits really limit.
"""

from __future__ import annotations

from typing import Any

import pytest

from builders_energy import TALKING_VAN, EnergyScene, a_profile, a_schedule, moment
from builders_station2 import versions, wall_of
from simfleet.errors import Refused
from simfleet.station.energy_events import LimitImposed, LimitReleased

DAY_S = 86_400


def charging(version: str, **options: Any) -> EnergyScene:
    scene = EnergyScene(version=version, **options)
    scene.charge()
    return scene


# ── SetChargingProfile: acceptance (K01) ──────────────────────────────────────────────────────────


@versions
def test_a_default_profile_limits_the_running_transaction_at_once(version: str) -> None:
    """K01: TxDefaultProfile applies to the transaction that runs; the meter follows."""
    scene = charging(version)
    assert scene.power() == pytest.approx(11_000, abs=1)
    assert scene.set(a_profile((0, 6_900.0))) == "Accepted"
    assert scene.power() == pytest.approx(6_900, abs=1)


@versions
def test_amperes_limit_each_phase(version: str) -> None:
    """Section 5, profile stacking: unit conversion needs phases and voltage."""
    scene = charging(version)
    scene.set(a_profile((0, 10.0), unit="A"))
    assert scene.power() == pytest.approx(3 * 10 * 230, abs=1)


@versions
def test_a_transaction_profile_names_its_transaction(version: str) -> None:
    """K01.FR.09, .33: TxProfile needs the transactionId of the transaction at its EVSE."""
    scene = charging(version, connectors=2)
    profile = a_profile((0, 6_900.0), purpose="TxProfile")
    assert scene.set(profile, evse=1) == "TxNotFound"
    assert scene.set(profile | {"transactionId": "of somebody else"}, evse=1) == "TxNotFound"
    profile["transactionId"] = scene.transaction
    assert scene.set(profile, evse=2) == "TxNotFound"
    assert scene.set(profile, evse=0) == "InvalidProfile"
    assert scene.power() == pytest.approx(11_000, abs=1)
    assert scene.set(profile, evse=1) == "Accepted"
    assert scene.power() == pytest.approx(6_900, abs=1)


@versions
def test_a_transaction_that_waits_for_its_tag_may_have_a_profile(version: str) -> None:
    """K01 with TxStartPoint EVConnected: the transaction is there before energy flows."""
    scene = EnergyScene(version=version, configuration={"TxCtrlr.TxStartPoint": "EVConnected"})
    scene.plug_in()
    profile = a_profile((0, 6_900.0), purpose="TxProfile", transactionId=scene.transaction)
    assert scene.set(profile, evse=1) == "Accepted"
    scene.present_tag()
    assert scene.power() == pytest.approx(6_900, abs=1)


@versions
def test_a_transaction_profile_dies_with_its_transaction(version: str) -> None:
    """K01: TxProfile is for one transaction."""
    scene = charging(version)
    scene.set(a_profile((0, 0.0), purpose="TxProfile", transactionId=scene.transaction), evse=1)
    scene.unplug()
    assert (
        scene.call("GetChargingProfiles", requestId=1, chargingProfile={"stackLevel": 0}).status
        == "NoProfiles"
    )
    scene.charge()
    assert scene.power() == pytest.approx(11_000, abs=1)


@versions
@pytest.mark.parametrize(
    ("evse", "changes", "reason"),
    [
        (3, {}, "UnknownEvse"),  # K01.FR.28
        (0, {"chargingProfilePurpose": "ChargingStationExternalConstraints"}, "InvalidProfile"),
        (1, {"chargingProfilePurpose": "ChargingStationMaxProfile"}, "InvalidProfile"),
        (0, {"id": -1}, "InvalidProfileId"),  # MaxExternalConstraintsId
        (0, {"stackLevel": 11}, "InvalidProfile"),
        (0, {"transactionId": "x"}, "InvalidProfile"),  # only in a TxProfile
        (0, {"chargingProfileKind": "Recurring"}, "InvalidProfile"),  # without recurrencyKind
        (0, {"chargingProfileKind": "Relative"}, "InvalidSchedule"),  # K01.FR.41
        (0, {"chargingSchedule": [a_schedule((0, 1.0), start_s=None)]}, "InvalidSchedule"),
        (0, {"chargingSchedule": [a_schedule((5, 1.0))]}, "InvalidSchedule"),  # K01.FR.31
        (0, {"chargingSchedule": [a_schedule((0, 1.0), (9, 1.0), (9, 2.0))]}, "InvalidSchedule"),
        (0, {"validFrom": moment(10), "validTo": moment(10)}, "InvalidProfile"),
        (
            0,
            {"chargingSchedule": [a_schedule({"limit": 1.0, "numberPhases": 1, "phaseToUse": 2})]},
            "UnsupportedParam",
        ),
    ],
)
def test_what_makes_no_sense_is_rejected(
    version: str, evse: int, changes: dict[str, Any], reason: str
) -> None:
    """K01: Rejected, with a reason code; nothing is installed."""
    scene = EnergyScene(version=version, connectors=2)
    assert scene.set(a_profile((0, 5_000.0)) | changes, evse=evse) == reason
    assert not scene.station.profiles


@versions
def test_the_limit_of_the_station_is_not_relative(version: str) -> None:
    """K01.FR.38: there is no transaction to start with."""
    scene = EnergyScene(version=version)
    profile = a_profile((0, 5_000.0), purpose="ChargingStationMaxProfile", kind="Relative")
    assert scene.set(profile) == "InvalidProfile"


@versions
def test_the_same_id_replaces(version: str) -> None:
    """K01.FR.05: a profile with the id of another takes its place."""
    scene = charging(version)
    scene.set(a_profile((0, 5_000.0), profile_id=7))
    assert scene.set(a_profile((0, 8_000.0), profile_id=7, level=3)) == "Accepted"
    assert len(scene.station.profiles or ()) == 1
    assert scene.power() == pytest.approx(8_000, abs=1)


@versions
def test_two_profiles_on_one_level_at_one_time_are_one_too_many(version: str) -> None:
    """K01.FR.06: DuplicateProfile, unlike in 1.6; apart in time they may be."""
    scene = EnergyScene(version=version)
    first = a_profile((0, 5_000.0), profile_id=1, validFrom=moment(0), validTo=moment(100))
    assert scene.set(first) == "Accepted"
    again = a_profile((0, 5_000.0), profile_id=2, validFrom=moment(99), validTo=moment(200))
    assert scene.set(again) == "DuplicateProfile"
    assert scene.set(again | {"validFrom": moment(100)}) == "Accepted"


@versions
def test_a_default_for_all_and_one_for_an_evse_need_different_levels(version: str) -> None:
    """K01.FR.52, .53."""
    scene = EnergyScene(version=version)
    assert scene.set(a_profile((0, 5_000.0), profile_id=1), evse=0) == "Accepted"
    assert scene.set(a_profile((0, 6_000.0), profile_id=2), evse=1) == "DuplicateProfile"
    assert scene.set(a_profile((0, 6_000.0), profile_id=2, level=1), evse=1) == "Accepted"
    assert scene.set(a_profile((0, 6_000.0), profile_id=3, level=1), evse=0) == "DuplicateProfile"


@versions
def test_two_profiles_of_a_transaction_need_different_levels(version: str) -> None:
    """K01.FR.39."""
    scene = charging(version)
    one = a_profile((0, 5_000.0), purpose="TxProfile", transactionId=scene.transaction)
    assert scene.set(one, evse=1) == "Accepted"
    assert scene.set(one | {"id": 2}, evse=1) == "DuplicateProfile"
    assert scene.set(one | {"id": 2, "stackLevel": 1}, evse=1) == "Accepted"


@versions
def test_a_vehicle_chooses_among_three_schedules_at_dc_and_gets_one_at_ac(version: str) -> None:
    """K01, K15: several schedules are for ISO 15118."""
    three = [a_schedule((0, 5_000.0 * n), schedule_id=n) for n in (1, 2, 3)]
    for kind, expected in (("DC", "Accepted"), ("AC", "InvalidSchedule")):
        scene = EnergyScene(version=version, kind=kind)
        scene.charge()
        profile = a_profile(purpose="TxProfile", transactionId=scene.transaction, schedules=three)
        assert scene.set(profile, evse=1) == expected
    # Not for a default: no vehicle is there to choose.
    scene = EnergyScene(version=version, kind="DC")
    assert scene.set(a_profile(schedules=three), evse=1) == "InvalidSchedule"


@versions
def test_smart_charging_that_is_switched_off_takes_nothing(version: str) -> None:
    """SmartChargingCtrlr.Enabled false."""
    scene = EnergyScene(version=version, configuration={"SmartChargingCtrlr.Enabled": "false"})
    assert scene.set(a_profile((0, 5_000.0))) == "NotEnabled"


@versions
def test_profiles_survive_a_loss_of_power_but_not_those_of_transactions(version: str) -> None:
    """K01: TxDefaultProfile and ChargingStationMaxProfile persist."""
    scene = charging(version)
    scene.set(a_profile((0, 5_000.0), profile_id=1))
    scene.set(a_profile((0, 9_000.0), profile_id=2, purpose="ChargingStationMaxProfile"))
    scene.set(
        a_profile((0, 1.0), profile_id=3, purpose="TxProfile", transactionId=scene.transaction),
        evse=1,
    )
    scene.cycle_power(for_s=10)
    assert sorted(one.id for one in scene.station.profiles or ()) == [1, 2]


# ── stacking (section 5) ──────────────────────────────────────────────────────────────────────────


@versions
def test_the_highest_level_that_says_something_counts(version: str) -> None:
    """Section 5: per purpose the highest valid stackLevel at each instant; over -> next level."""
    scene = charging(version)
    scene.set(a_profile((0, 5_000.0), profile_id=1, level=0))
    scene.set(a_profile((0, 8_000.0), profile_id=2, level=2, duration=100))
    assert scene.power() == pytest.approx(8_000, abs=1)
    scene.run(for_s=101)
    assert scene.power() == pytest.approx(5_000, abs=1)


@versions
def test_a_transaction_profile_takes_the_place_of_the_default(version: str) -> None:
    """Section 5: TxProfile replaces TxDefaultProfile, also upwards."""
    scene = charging(version)
    scene.set(a_profile((0, 5_000.0), profile_id=1, level=9))
    tx = a_profile((0, 9_000.0), profile_id=2, purpose="TxProfile", transactionId=scene.transaction)
    scene.set(tx, evse=1)
    assert scene.power() == pytest.approx(9_000, abs=1)


@versions
def test_the_limits_of_the_station_and_of_others_come_on_top(version: str) -> None:
    """Section 5: the least of TxProfile, ChargingStationMaxProfile and external constraints."""
    scene = charging(version)
    tx = a_profile((0, 9_000.0), profile_id=1, purpose="TxProfile", transactionId=scene.transaction)
    scene.set(tx, evse=1)
    scene.set(a_profile((0, 8_000.0), profile_id=2, purpose="ChargingStationMaxProfile"))
    assert scene.power() == pytest.approx(8_000, abs=1)
    scene.tell(LimitImposed(0, 7_000.0, "W", "SO"))
    assert scene.power() == pytest.approx(7_000, abs=1)
    scene.tell(LimitImposed(1, 6_500.0, "W", "EMS"))
    assert scene.power() == pytest.approx(6_500, abs=1)


@versions
def test_a_relative_schedule_begins_with_the_charging(version: str) -> None:
    """Section 5: Relative starts at the start of the transaction."""
    scene = EnergyScene(version=version)
    scene.set(a_profile((0, 5_000.0), (60, 7_000.0), kind="Relative"))
    scene.run(for_s=1000)
    scene.charge()
    assert scene.power() == pytest.approx(5_000, abs=1)
    scene.run(for_s=60.1)
    assert scene.power() == pytest.approx(7_000, abs=1)


@versions
def test_a_recurring_schedule_begins_anew_each_day(version: str) -> None:
    """Section 5: Recurring Daily."""
    scene = charging(version)
    scene.set(a_profile((0, 5_000.0), (3600, 9_000.0), kind="Recurring", recurrencyKind="Daily"))
    assert scene.power() == pytest.approx(5_000, abs=1)
    scene.run(for_s=3700)
    assert scene.power() == pytest.approx(9_000, abs=1)
    scene.run(for_s=DAY_S - 3600)
    assert scene.power() == pytest.approx(5_000, abs=1)


@versions
def test_a_limit_of_nothing_suspends_the_transaction(version: str) -> None:
    """Limit 0: chargingState SuspendedEVSE, and the register stands still."""
    scene = charging(version)
    scene.mark()
    scene.set(a_profile((0, 0.0)))
    assert scene.states() == ["SuspendedEVSE"]
    before = scene.readings()["Energy.Active.Import.Register"]
    scene.run(for_s=3600)
    assert scene.readings()["Energy.Active.Import.Register"] == before


# ── GetChargingProfiles, ClearChargingProfile (K09, K10) ──────────────────────────────────────────


@versions
def test_profiles_are_reported_as_they_came_by_evse_and_source(version: str) -> None:
    """K09: Accepted, then ReportChargingProfiles with the requestId, tbc in all but the last."""
    scene = EnergyScene(version=version, connectors=2)
    sent = a_profile((0, 5_000.0), (60, 6_000.5), profile_id=1, duration=600)
    scene.set(sent, evse=1)
    scene.set(a_profile((0, 6_000.0), profile_id=2), evse=2)
    scene.tell(LimitImposed(2, 32.0, "A", "EMS"))
    scene.mark()
    answer = scene.call("GetChargingProfiles", requestId=42, chargingProfile={"stackLevel": 0})
    assert answer.status == "Accepted"
    reports = scene.sent("ReportChargingProfiles")
    assert [(one["requestId"], one["evseId"], one["chargingLimitSource"]) for one in reports] == [
        (42, 1, "CSO"),
        (42, 2, "CSO"),
        (42, 2, "EMS"),
    ]
    assert [one["tbc"] for one in reports] == [True, True, False]
    (back,) = reports[0]["chargingProfile"]
    assert wall_of(back["chargingSchedule"][0].pop("startSchedule")) == wall_of(
        sent["chargingSchedule"][0].pop("startSchedule")
    )
    assert back == sent
    assert reports[2]["chargingProfile"][0]["chargingProfilePurpose"] == (
        "ChargingStationExternalConstraints"
    )


@versions
@pytest.mark.parametrize(
    ("criteria", "evse", "found"),
    [
        ({"chargingProfileId": [2, 9]}, None, [2]),
        ({"chargingProfilePurpose": "TxDefaultProfile"}, None, [1, 2]),
        ({"chargingProfilePurpose": "TxDefaultProfile", "stackLevel": 1}, None, [2]),
        ({"chargingLimitSource": ["EMS"]}, None, [-1]),
        ({"stackLevel": 0}, 0, [3]),
        ({"stackLevel": 0}, 1, [-1, 1]),
        ({"stackLevel": 5}, None, []),
    ],
)
def test_profiles_are_found_by_every_criterion(
    version: str, criteria: dict[str, Any], evse: int | None, found: list[int]
) -> None:
    """K09: chargingProfileId alone, or AND of the others; NoProfiles."""
    scene = EnergyScene(version=version)
    scene.set(a_profile((0, 5_000.0), profile_id=1), evse=1)
    scene.set(a_profile((0, 5_000.0), profile_id=2, level=1), evse=1)
    scene.set(a_profile((0, 5_000.0), profile_id=3, purpose="ChargingStationMaxProfile"))
    scene.tell(LimitImposed(1, 5_000.0))
    scene.mark()
    place: dict[str, Any] = {} if evse is None else {"evseId": evse}
    answer = scene.call("GetChargingProfiles", requestId=1, chargingProfile=criteria, **place)
    told = [
        profile["id"]
        for report in scene.sent("ReportChargingProfiles")
        for profile in report["chargingProfile"]
    ]
    assert sorted(told) == found
    assert answer.status == ("Accepted" if found else "NoProfiles")


@versions
@pytest.mark.parametrize(
    ("request_", "left"),
    [
        ({"chargingProfileId": 1}, [2, 3]),
        ({"chargingProfileId": 1, "chargingProfileCriteria": {"stackLevel": 1}}, [2, 3]),
        ({"chargingProfileCriteria": {"evseId": 1}}, [3]),
        ({"chargingProfileCriteria": {"stackLevel": 1}}, [1, 3]),
        ({"chargingProfileCriteria": {"chargingProfilePurpose": "TxDefaultProfile"}}, [3]),
        ({"chargingProfileCriteria": {"evseId": 1, "stackLevel": 7}}, [1, 2, 3]),
        ({"chargingProfileId": 9}, [1, 2, 3]),
    ],
)
def test_profiles_are_cleared_by_id_or_criteria(
    version: str, request_: dict[str, Any], left: list[int]
) -> None:
    """K10: Accepted if at least one matched, else Unknown."""
    scene = EnergyScene(version=version)
    scene.set(a_profile((0, 5_000.0), profile_id=1), evse=1)
    scene.set(a_profile((0, 5_000.0), profile_id=2, level=1), evse=1)
    scene.set(a_profile((0, 5_000.0), profile_id=3, purpose="ChargingStationMaxProfile"))
    answer = scene.call("ClearChargingProfile", **request_)
    assert sorted(one.id for one in scene.station.profiles or ()) == left
    assert answer.status == ("Unknown" if len(left) == 3 else "Accepted")


@versions
def test_clearing_takes_effect_at_once_but_not_on_the_limits_of_others(version: str) -> None:
    """K10.FR.06: external constraints are not the CSMS's to clear."""
    scene = charging(version)
    scene.tell(LimitImposed(0, 8_000.0))
    scene.set(a_profile((0, 5_000.0)))
    assert scene.power() == pytest.approx(5_000, abs=1)
    assert scene.call("ClearChargingProfile", chargingProfileCriteria={}).status == "Accepted"
    assert scene.power() == pytest.approx(8_000, abs=1)
    assert scene.call("ClearChargingProfile", chargingProfileId=-1).status == "Unknown"


# ── GetCompositeSchedule (K08) ────────────────────────────────────────────────────────────────────


@versions
def test_the_composite_schedule_says_what_the_meter_will_show(version: str) -> None:
    """K08: evseId, scheduleStart, duration, unit and periods."""
    scene = charging(version)
    scene.set(a_profile((0, 5_000.0), (600, 8_000.0), profile_id=1))
    scene.set(a_profile((0, 7_000.0), profile_id=2, purpose="ChargingStationMaxProfile"))
    answer = scene.call("GetCompositeSchedule", evseId=1, duration=900, chargingRateUnit="W")
    assert answer.status == "Accepted"
    schedule = answer.payload["schedule"]
    assert (schedule["evseId"], schedule["duration"], schedule["chargingRateUnit"]) == (1, 900, "W")
    assert wall_of(schedule["scheduleStart"]) == scene.wall_s
    assert [(one["startPeriod"], one["limit"]) for one in schedule["chargingSchedulePeriod"]] == [
        (0, 5_000.0),
        (600, 7_000.0),
    ]


@versions
def test_a_composite_schedule_of_nothing_known_is_rejected(version: str) -> None:
    """K08.FR.05, .07: unknown EVSE, unit that is not supported."""
    scene = EnergyScene(
        version=version, configuration={"ChargingScheduleAllowedChargingRateUnit": "Current"}
    )
    for asked, reason in (
        ({"evseId": 2}, "UnknownEvse"),
        ({"evseId": 1, "chargingRateUnit": "W"}, "UnsupportedRateUnit"),
    ):
        answer = scene.call("GetCompositeSchedule", duration=60, **asked)
        assert answer.status == "Rejected"
        assert answer.payload["statusInfo"]["reasonCode"] == reason


@versions
def test_the_composite_schedule_of_evse_0_is_that_of_the_station(version: str) -> None:
    """K08: evseId 0 is the grid connection."""
    scene = EnergyScene(version=version, connectors=2)
    scene.set(a_profile((0, 9_000.0), purpose="ChargingStationMaxProfile"))
    answer = scene.call("GetCompositeSchedule", evseId=0, duration=60, chargingRateUnit="W")
    (period,) = answer.payload["schedule"]["chargingSchedulePeriod"]
    assert period["limit"] == 9_000.0


# ── limits of others (K11 to K14) ─────────────────────────────────────────────────────────────────


@versions
def test_an_external_limit_is_told_and_changes_the_rate(version: str) -> None:
    """K12: NotifyChargingLimit, TransactionEvent ChargingRateChanged; K13: ClearedChargingLimit."""
    scene = charging(version)
    scene.mark()
    scene.tell(LimitImposed(1, 5_000.0, "W", "EMS", grid_critical=True))
    (told,) = scene.sent("NotifyChargingLimit")
    assert told["chargingLimit"] == {"chargingLimitSource": "EMS", "isGridCritical": True}
    assert told["evseId"] == 1
    assert "chargingSchedule" not in told.payload
    assert scene.triggers() == ["ChargingRateChanged"]
    assert scene.power() == pytest.approx(5_000, abs=1)
    scene.mark()
    scene.tell(LimitReleased(1, "EMS"))
    (gone,) = scene.sent("ClearedChargingLimit")
    assert gone.payload == {"chargingLimitSource": "EMS", "evseId": 1}
    assert scene.triggers() == ["ChargingRateChanged"]
    assert scene.power() == pytest.approx(11_000, abs=1)


@versions
def test_a_limit_is_told_with_its_schedule_if_so_configured(version: str) -> None:
    """K12.FR.02: NotifyChargingLimitWithSchedules."""
    scene = EnergyScene(
        version=version,
        configuration={"SmartChargingCtrlr.NotifyChargingLimitWithSchedules": "true"},
    )
    scene.tell(LimitImposed(0, 16.0, "A", "SO"))
    (told,) = scene.sent("NotifyChargingLimit")
    assert "evseId" not in told.payload
    (schedule,) = told["chargingSchedule"]
    assert schedule["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 16.0}]


@versions
def test_a_change_below_the_significance_is_not_told(version: str) -> None:
    """K12: LimitChangeSignificance."""
    scene = charging(version, configuration={"SmartChargingCtrlr.LimitChangeSignificance": 10})
    scene.tell(LimitImposed(1, 5_000.0))
    scene.mark()
    scene.tell(LimitImposed(1, 5_400.0))
    assert not scene.sent("NotifyChargingLimit", "TransactionEvent")
    assert scene.power() == pytest.approx(5_400, abs=1)
    scene.mark()
    scene.tell(LimitImposed(1, 8_000.0))
    assert sorted(one.action for one in scene.sent()) == ["NotifyChargingLimit", "TransactionEvent"]


@versions
def test_the_limits_of_two_sources_both_hold(version: str) -> None:
    """K11: each source has a limit of its own; the least counts, and each goes alone."""
    scene = charging(version)
    scene.tell(LimitImposed(1, 6_000.0, "W", "EMS"))
    scene.tell(LimitImposed(1, 5_000.0, "W", "SO"))
    assert scene.power() == pytest.approx(5_000, abs=1)
    scene.tell(LimitReleased(1, "SO"))
    assert scene.power() == pytest.approx(6_000, abs=1)
    with pytest.raises(Refused):
        scene.tell(LimitReleased(1, "SO"))


# ── vehicles that talk (K15 to K17) ───────────────────────────────────────────────────────────────


@versions
@pytest.mark.parametrize("kind", ["AC", "DC"])
def test_a_talking_vehicle_tells_its_needs_and_then_its_schedule(version: str, kind: Any) -> None:
    """K15: NotifyEVChargingNeeds, a TxProfile from the CSMS, NotifyEVChargingSchedule."""
    scene = EnergyScene(version=version, vehicle=TALKING_VAN, kind=kind)
    scene.charge()
    (needs,) = scene.sent("NotifyEVChargingNeeds")
    assert needs["evseId"] == 1
    wanted = needs["chargingNeeds"]
    assert wanted["requestedEnergyTransfer"] == ("DC" if kind == "DC" else "AC_three_phase")
    assert ("dcChargingParameters" if kind == "DC" else "acChargingParameters") in wanted
    assert not scene.sent("NotifyEVChargingSchedule")
    scene.set(a_profile((0, 7_000.0), purpose="TxProfile", transactionId=scene.transaction), evse=1)
    (chosen,) = scene.sent("NotifyEVChargingSchedule")
    assert wall_of(chosen["timeBase"]) == scene.wall_s
    assert chosen["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 7_000.0


@versions
def test_without_a_profile_the_vehicle_plans_with_what_there_is(version: str) -> None:
    """K15.FR.07: NotifyEVChargingNeeds answered Rejected."""
    scene = EnergyScene(version=version, vehicle=TALKING_VAN)
    scene.on("NotifyEVChargingNeeds", status="Rejected")
    scene.charge()
    (chosen,) = scene.sent("NotifyEVChargingSchedule")
    assert chosen["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 11_000.0


@versions
def test_other_vehicles_say_nothing(version: str) -> None:
    """Without ISO 15118 there are no needs to tell."""
    scene = charging(version)
    assert not scene.sent("NotifyEVChargingNeeds", "NotifyEVChargingSchedule")
