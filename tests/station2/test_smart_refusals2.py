"""Why a profile is refused: also one that comes with a start (2.0.1 part 2, K01, F01)."""

from __future__ import annotations

from typing import Any

import pytest

from builders_energy import EnergyScene, a_profile, a_schedule
from builders_station2 import id_token, versions

ONLY_AMPERES = {"ChargingScheduleAllowedChargingRateUnit": "Current"}


def refusal_of_start(scene: EnergyScene, profile: dict[str, Any]) -> dict[str, Any]:
    """The statusInfo of a RequestStartTransaction that is refused."""
    answer = scene.call(
        "RequestStartTransaction",
        idToken=id_token(),
        remoteStartId=1,
        evseId=1,
        chargingProfile=profile,
    )
    assert answer.status == "Rejected"
    return dict(answer.payload["statusInfo"])


@versions
def test_a_unit_that_is_not_allowed_has_a_reason_of_its_own(version: str) -> None:
    """K01.FR.26: SmartChargingCtrlr.RateUnit; UnsupportedRateUnit."""
    scene = EnergyScene(version=version, configuration=ONLY_AMPERES)
    assert scene.set(a_profile((0, 5_000.0), unit="W")) == "UnsupportedRateUnit"
    assert scene.set(a_profile((0, 10.0), unit="A")) == "Accepted"


@versions
def test_the_unit_of_every_schedule_counts(version: str) -> None:
    """K01.FR.26: a vehicle could choose any of them."""
    scene = EnergyScene(version=version, kind="DC", configuration=ONLY_AMPERES)
    scene.charge()
    schedules = [
        a_schedule((0, 10.0), unit="A", schedule_id=1),
        a_schedule((0, 5_000.0), unit="W", schedule_id=2),
    ]
    profile = a_profile(purpose="TxProfile", schedules=schedules, transactionId=scene.transaction)
    assert scene.set(profile, evse=1) == "UnsupportedRateUnit"


@versions
def test_each_of_several_schedules_must_make_sense(version: str) -> None:
    """K01.FR.31: the first period of each begins at 0."""
    scene = EnergyScene(version=version, kind="DC")
    scene.charge()
    schedules = [a_schedule((0, 5_000.0)), a_schedule((5, 5_000.0), schedule_id=2)]
    profile = a_profile(purpose="TxProfile", schedules=schedules, transactionId=scene.transaction)
    assert scene.set(profile, evse=1) == "InvalidSchedule"


@versions
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"chargingSchedule": [a_schedule({"limit": 9.0, "numberPhases": 1, "phaseToUse": 2})]},
            "UnsupportedParam",
        ),
        ({"chargingSchedule": [a_schedule((0, 5_000.0), unit="W")]}, "UnsupportedRateUnit"),
        ({"chargingProfilePurpose": "TxDefaultProfile"}, "InvalidProfile"),
        ({"transactionId": "not yet"}, "InvalidProfile"),
        ({"stackLevel": 11}, "InvalidProfile"),
    ],
)
def test_a_start_is_refused_for_its_profile_and_says_why(
    version: str, changes: dict[str, Any], reason: str
) -> None:
    """F01.FR.08 to .12: the reason code, and for people what would be accepted."""
    scene = EnergyScene(version=version, configuration=ONLY_AMPERES)
    scene.plug_in()
    profile = a_profile((0, 10.0), unit="A", purpose="TxProfile")
    said = refusal_of_start(scene, profile | changes)
    assert said["reasonCode"] == reason
    assert said["additionalInfo"]
    scene.run(for_s=10)
    assert not scene.sent("TransactionEvent")


@pytest.mark.parametrize("field", [{"useLocalTime": True}, {"randomizedDelay": 30}])
def test_a_start_with_what_only_2_1_knows_and_this_station_cannot_is_refused(
    field: dict[str, Any],
) -> None:
    """2.1 K01: useLocalTime, randomizedDelay."""
    scene = EnergyScene(version="ocpp2.1")
    profile = a_profile(schedules=[a_schedule((0, 9.0)) | field], purpose="TxProfile")
    assert refusal_of_start(scene, profile)["reasonCode"] == "UnsupportedParam"


@versions
def test_a_start_for_which_there_is_no_room_is_out_of_storage(version: str) -> None:
    """The reason codes of 2.x: OutOfStorage."""
    scene = EnergyScene(version=version, configuration={"MaxChargingProfilesInstalled": 1})
    assert scene.set(a_profile((0, 9_000.0), profile_id=5)) == "Accepted"
    said = refusal_of_start(scene, a_profile((0, 5_000.0), profile_id=6, purpose="TxProfile"))
    assert said["reasonCode"] == "OutOfStorage"
