"""Block K of OCPP 2.x in sequences: set, get, clear, schedules, resets, transactions."""

from __future__ import annotations

from typing import Any

import pytest

from builders_station2 import Payload, Scene2, versions

pytestmark = versions


def scene_of(version: str, *, connectors: int = 1, **configuration: str) -> Scene2:
    scene = Scene2(
        version=version,
        connectors=connectors,
        configuration={"MeterValueSampleInterval": "0", **configuration},
    )
    scene.boot()
    scene.mark()
    return scene


def a_profile(number: int = 1, limit: float = 5000.0, **changes: Any) -> Payload:
    schedule = {
        "id": 1,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    return {
        "id": number,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [{**schedule, "startSchedule": "2026-03-01T12:00:00Z"}],
        **changes,
    }


def tx_profile(scene: Scene2, number: int = 1, limit: float = 5000.0, **changes: Any) -> Payload:
    return a_profile(
        number,
        limit,
        chargingProfilePurpose="TxProfile",
        **{"transactionId": scene.transaction, **changes},
    )


def put(scene: Scene2, profile: Payload, evse: int = 1) -> Payload:
    return scene.call("SetChargingProfile", evseId=evse, chargingProfile=profile).payload


def held(scene: Scene2, number: int = 99, **criteria: Any) -> list[tuple[int, int]]:
    """(evse, profile id) of all that is reported."""
    scene.mark()
    answer = scene.call("GetChargingProfiles", requestId=number, chargingProfile=criteria)
    reports = scene.sent("ReportChargingProfiles")
    assert (answer.status == "NoProfiles") == (not reports)
    assert [one.payload.get("tbc", False) for one in reports] == [True] * (len(reports) - 1) + (
        [False] if reports else []
    )
    return sorted(
        (one["evseId"], profile["id"]) for one in reports for profile in one["chargingProfile"]
    )


def limits(
    scene: Scene2, evse: int = 1, duration: int = 600, unit: str = "W"
) -> list[tuple[int, float]]:
    answer = scene.call(
        "GetCompositeSchedule", evseId=evse, duration=duration, chargingRateUnit=unit
    )
    assert answer.status == "Accepted"
    schedule = answer.payload["schedule"]
    assert schedule["evseId"] == evse
    assert schedule["duration"] == duration
    return [(one["startPeriod"], one["limit"]) for one in schedule["chargingSchedulePeriod"]]


def power_w(scene: Scene2) -> float:
    return scene.station.connectors[0].reading().power_w


def reason(answer: Payload) -> str:
    assert answer["status"] == "Rejected"
    return str(answer["statusInfo"]["reasonCode"])


def test_the_same_id_replaces_wherever_it_was(version: str) -> None:
    """K01.FR.05, TC_K_03: one profile per id; TC_K_04."""
    scene = scene_of(version, connectors=2)
    assert put(scene, a_profile(1, 5000), 1)["status"] == "Accepted"
    assert put(scene, a_profile(1, 7000), 1)["status"] == "Accepted"
    assert held(scene) == [(1, 1)]
    assert limits(scene)[0] == (0, 7000)


def test_another_id_at_the_same_level_and_place_is_a_duplicate(version: str) -> None:
    """K01.FR.39 (TxDefault), K01.FR.52/53: same purpose and stackLevel on the same EVSE."""
    scene = scene_of(version, connectors=2)
    put(scene, a_profile(1), 1)
    assert reason(put(scene, a_profile(2), 1)) == "DuplicateProfile"
    assert put(scene, a_profile(3, stackLevel=1), 1)["status"] == "Accepted"
    assert put(scene, a_profile(4), 2)["status"] == "Accepted"
    assert held(scene) == [(1, 1), (1, 3), (2, 4)]


def test_profiles_of_other_times_at_the_same_level_are_no_duplicates(version: str) -> None:
    """K01.FR.06: only if their validity overlaps."""
    scene = scene_of(version)
    put(scene, a_profile(1, validTo="2026-03-01T13:00:00Z"))
    later = a_profile(2, validFrom="2026-03-01T13:00:00Z")
    assert put(scene, later)["status"] == "Accepted"


def test_a_transaction_profile_needs_its_transaction(version: str) -> None:
    """K01.FR.03, .09, .33, TC_K_10 and others."""
    scene = scene_of(version)
    profile = a_profile(1, chargingProfilePurpose="TxProfile", transactionId="nobody")
    assert reason(put(scene, profile)) == "TxNotFound"
    scene.charge()
    assert reason(put(scene, profile)) == "TxNotFound"
    del profile["transactionId"]
    assert put(scene, profile)["status"] == "Rejected"
    assert put(scene, tx_profile(scene), 0)["status"] == "Rejected"
    assert put(scene, tx_profile(scene))["status"] == "Accepted"


def test_a_transaction_profile_ends_with_its_transaction_and_the_default_counts_again(
    version: str,
) -> None:
    """K01.FR.07, K02: TxProfile, then stop, then the default for the next."""
    scene = scene_of(version)
    put(scene, a_profile(1, 6000))
    scene.charge()
    scene.run(for_s=5)
    assert power_w(scene) == pytest.approx(6000, rel=0.01)
    put(scene, tx_profile(scene, 2, 9000))
    scene.run(for_s=5)
    assert power_w(scene) == pytest.approx(9000, rel=0.01)
    scene.present_tag()
    scene.unplug()
    assert held(scene) == [(1, 1)]
    scene.charge()
    scene.run(for_s=5)
    assert power_w(scene) == pytest.approx(6000, rel=0.01)


def test_profiles_after_a_reset_and_a_loss_of_power(version: str) -> None:
    """K01.FR.27: defaults and maxima persist, also what they do."""
    scene = scene_of(version)
    put(scene, a_profile(1, 6000))
    put(scene, a_profile(2, 8000, chargingProfilePurpose="ChargingStationMaxProfile"), 0)
    scene.charge()
    put(scene, tx_profile(scene, 3))
    scene.call("Reset", type="Immediate")
    scene.run(for_s=60)
    scene.cycle_power(for_s=3)
    assert held(scene) == [(0, 2), (1, 1)]
    assert limits(scene)[0] == (0, 6000)


def test_the_external_purpose_is_not_for_the_csms_to_set(version: str) -> None:
    """K01.FR.22."""
    scene = scene_of(version)
    profile = a_profile(1, chargingProfilePurpose="ChargingStationExternalConstraints")
    assert put(scene, profile, 0)["status"] == "Rejected"


def test_a_station_maximum_is_for_the_station(version: str) -> None:
    """K01.FR.04: ChargingStationMaxProfile only at evseId 0, never Relative."""
    scene = scene_of(version)
    profile = a_profile(1, chargingProfilePurpose="ChargingStationMaxProfile")
    assert put(scene, profile, 1)["status"] == "Rejected"
    assert put(scene, {**profile, "chargingProfileKind": "Relative"}, 0)["status"] == "Rejected"
    assert put(scene, profile, 0)["status"] == "Accepted"


@pytest.mark.parametrize(
    "wrong",
    [
        {"chargingProfileKind": "Recurring"},
        {"stackLevel": 10_000},
        {
            "chargingSchedule": [
                {
                    "id": 1,
                    "chargingRateUnit": "W",
                    "startSchedule": "2026-03-01T12:00:00Z",
                    "chargingSchedulePeriod": [{"startPeriod": 5, "limit": 1000.0}],
                }
            ]
        },
        {
            "chargingSchedule": [
                {
                    "id": 1,
                    "chargingRateUnit": "W",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1000.0}],
                }
            ]
        },
    ],
    ids=["recurring without its kind", "level", "first period", "absolute without a start"],
)
def test_what_makes_no_sense_is_rejected(version: str, wrong: Payload) -> None:
    """K01.FR.14, .20, .31, .40."""
    scene = scene_of(version)
    assert put(scene, a_profile(1, **wrong))["status"] == "Rejected"
    assert held(scene) == []


def test_an_evse_that_is_not_there(version: str) -> None:
    """K01.FR.28, K08.FR.05, K09, K10."""
    scene = scene_of(version)
    assert put(scene, a_profile(), 5)["status"] == "Rejected"
    assert scene.call("GetCompositeSchedule", evseId=5, duration=60).status == "Rejected"
    answer = scene.call("GetChargingProfiles", requestId=1, evseId=5, chargingProfile={})
    assert answer.status == "NoProfiles"
    answer = scene.call("ClearChargingProfile", chargingProfileCriteria={"evseId": 5})
    assert answer.status == "Unknown"


def test_clear_by_criteria_leaves_the_rest_and_twice_is_unknown(version: str) -> None:
    """K10.FR.02 to .09, TC_K_05 to 08."""
    scene = scene_of(version, connectors=2)
    put(scene, a_profile(1), 1)
    put(scene, a_profile(2, stackLevel=1), 1)
    put(scene, a_profile(3), 2)
    put(scene, a_profile(4, chargingProfilePurpose="ChargingStationMaxProfile"), 0)

    def clear(number: int | None = None, **criteria: Any) -> str:
        asked: Payload = {} if number is None else {"chargingProfileId": number}
        if criteria:
            asked["chargingProfileCriteria"] = criteria
        return scene.call("ClearChargingProfile", **asked).status

    assert clear(evseId=1, stackLevel=1) == "Accepted"
    assert held(scene) == [(0, 4), (1, 1), (2, 3)]
    assert clear(evseId=1, stackLevel=1) == "Unknown"
    assert clear(3) == "Accepted"
    assert clear(3) == "Unknown"
    assert clear(chargingProfilePurpose="TxDefaultProfile") == "Accepted"
    assert held(scene) == [(0, 4)]
    assert clear(evseId=0) == "Accepted"
    assert held(scene) == []


def test_a_limit_below_what_a_cable_can_tell_suspends_and_comes_back(version: str) -> None:
    """K01, E02: limit 0 for ten minutes and full again: SuspendedEVSE, Charging; triggers."""
    scene = scene_of(version)
    scene.charge()
    periods = [{"startPeriod": 0, "limit": 0.0}, {"startPeriod": 600, "limit": 7000.0}]
    schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": periods}
    scene.mark()
    profile = tx_profile(scene, chargingProfileKind="Relative", chargingSchedule=[schedule])
    assert put(scene, profile)["status"] == "Accepted"
    scene.run(for_s=700)
    assert scene.states() == ["SuspendedEVSE", "Charging"]
    assert set(scene.triggers()) <= {"ChargingStateChanged", "ChargingRateChanged"}
    assert power_w(scene) == pytest.approx(7000, rel=0.01)


def test_a_schedule_in_amperes_is_told_in_watts_and_back(version: str) -> None:
    """K08.FR.04: the unit asked for."""
    scene = scene_of(version)
    put(scene, a_profile(1, 6900.0))
    (watts,) = limits(scene)
    (amperes,) = limits(scene, unit="A")
    assert watts[1] == 6900
    assert amperes[1] == pytest.approx(10, rel=0.01)


def test_the_composite_of_a_profile_that_ends_in_between(version: str) -> None:
    """K08: duration of the schedule over: what the station gives without it."""
    scene = scene_of(version)
    free = limits(scene)
    schedule = {
        "id": 1,
        "startSchedule": "2026-03-01T12:00:00Z",
        "duration": 300,
        "chargingRateUnit": "W",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 5000.0}],
    }
    put(scene, a_profile(1, chargingSchedule=[schedule]))
    periods = limits(scene)
    assert [start for start, _ in periods] == [0, 300]
    assert periods[0][1] == 5000
    assert periods[1][1] == free[0][1] > 5000


def test_a_report_that_nobody_answers_does_not_block_the_next(version: str) -> None:
    """K09: two reports, each with its requestId, none mixed."""
    scene = scene_of(version, connectors=2)
    put(scene, a_profile(1), 1)
    put(scene, a_profile(2), 2)
    for number in (1, 2):
        scene.call("GetChargingProfiles", requestId=number, chargingProfile={})
    ids = [one["requestId"] for one in scene.sent("ReportChargingProfiles")]
    assert ids == sorted(ids)
    assert set(ids) == {1, 2}
