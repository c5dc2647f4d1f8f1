"""What profiles a station takes, and which ones it then holds (OCPP 1.6 section 5.16)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from simfleet.station.charging_profiles import (
    Kind,
    Period,
    Profile,
    Profiles,
    Purpose,
    Recurrency,
    Rules,
    Schedule,
    anchored,
    why_not,
)
from simfleet.station.configuration import for_station

RULES = Rules(
    connectors=2, stack_level_max=3, periods_max=3, installed_max=4, units=frozenset({"A"})
)
SCHEDULE = Schedule("A", (Period(0, 16.0), Period(60, 8.0)), start_wall_s=0.0)


def a_default(profile_id: int = 1, *, level: int = 0, connector_id: int = 1) -> Profile:
    return Profile(
        id=profile_id,
        connector_id=connector_id,
        stack_level=level,
        purpose=Purpose.TX_DEFAULT,
        kind=Kind.ABSOLUTE,
        schedule=SCHEDULE,
    )


def ids(profiles: Profiles) -> list[int]:
    return [profile.id for profile in profiles]


# ── acceptance ────────────────────────────────────────────────────────────────────────────────────


def test_a_sound_profile_has_nothing_against_it() -> None:
    assert why_not(a_default(), RULES) is None
    assert why_not(replace(a_default(), connector_id=0), RULES) is None
    most = Schedule("A", (Period(0, 0.0, 1), Period(1, 6.0, 2), Period(2, 32.0, 3)), 3, 0.0, 6.0)
    assert why_not(replace(a_default(), schedule=most, stack_level=3), RULES) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"purpose": Purpose.EXTERNAL}, "external constraints are not the CSMS's to set"),
        ({"purpose": Purpose.STATION_MAX}, "goes to connector 0, not 1"),
        (
            {"purpose": Purpose.STATION_MAX, "connector_id": 0, "kind": Kind.RELATIVE},
            "no transaction that a relative schedule could start with",
        ),
        ({"purpose": Purpose.TX, "connector_id": 0}, "connector from 1, not on 0"),
        ({"stack_level": 4}, "stack level 4 is not within 0 to 3"),
        ({"stack_level": -1}, "stack level -1 is not within 0 to 3"),
        ({"kind": Kind.RECURRING}, "says whether it is daily or weekly"),
        (
            {
                "kind": Kind.RECURRING,
                "recurrency": Recurrency.DAILY,
                "schedule": Schedule("A", (Period(0, 6.0),)),
            },
            "needs the start of its schedule",
        ),
        ({"valid_from_wall_s": 10.0, "valid_to_wall_s": 10.0}, "ends to be valid before it begins"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused(changes: dict[str, object], words: str) -> None:
    refusal = why_not(replace(a_default(), **changes), RULES)
    assert refusal is not None
    assert refusal.reason == "InvalidProfile"
    assert words in refusal.detail


@pytest.mark.parametrize("connector_id", [-1, 3])
def test_an_unknown_connector_is_refused(connector_id: int) -> None:
    refusal = why_not(a_default(connector_id=connector_id), RULES)
    assert refusal is not None
    assert refusal.reason == "UnknownConnector"
    assert "only 0 to 2" in refusal.detail


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Schedule("W", (Period(0, 16.0),)), "limits in W are not taken, only in A"),
        (Schedule("A", ()), "0 periods are not within 1 to 3"),
        (Schedule("A", tuple(Period(i, 6.0) for i in range(4))), "4 periods are not within 1 to 3"),
        (Schedule("A", (Period(1, 16.0),)), "the first period starts at 0 s, not at 1"),
        (Schedule("A", (Period(0, 16.0), Period(0, 8.0))), "starts later than the one before"),
        (Schedule("A", (Period(0, -0.1),)), "a limit is 0 or more"),
        (Schedule("A", (Period(0, 6.0, 4),)), "a period has 1 to 3 phases"),
        (Schedule("A", (Period(0, 6.0),), 0), "a schedule lasts longer than 0 s"),
        (Schedule("A", (Period(0, 6.0),), min_rate=-1.0), "the least charging rate is 0 or more"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(schedule: Schedule, words: str) -> None:
    refusal = why_not(replace(a_default(), schedule=schedule), RULES)
    assert refusal is not None
    assert refusal.reason == "InvalidSchedule"
    assert words in refusal.detail


def test_the_rules_come_from_the_configuration() -> None:
    configuration = for_station(
        3,
        {
            "ChargeProfileMaxStackLevel": "5",
            "ChargingScheduleMaxPeriods": "6",
            "MaxChargingProfilesInstalled": "7",
            "ChargingScheduleAllowedChargingRateUnit": "Power",
        },
    )
    assert Rules.of(configuration, connectors=3) == Rules(3, 5, 6, 7, frozenset({"W"}))


def test_a_limit_of_the_station_without_a_start_starts_when_it_comes() -> None:
    schedule = Schedule("A", (Period(0, 6.0),))
    whole = replace(a_default(connector_id=0), purpose=Purpose.STATION_MAX, schedule=schedule)
    assert anchored(whole, wall_s=77.0).schedule.start_wall_s == 77.0
    default = replace(a_default(), schedule=schedule)
    assert anchored(default, wall_s=77.0).schedule.start_wall_s is None


# ── the store ─────────────────────────────────────────────────────────────────────────────────────


def test_the_same_id_replaces_wherever_it_was() -> None:
    profiles = Profiles()
    profiles.put(a_default(1, connector_id=1), rules=RULES)
    profiles.put(a_default(1, connector_id=2, level=2), rules=RULES)
    assert [(one.id, one.connector_id) for one in profiles] == [(1, 2)]


def test_the_same_purpose_level_and_connector_replaces() -> None:
    profiles = Profiles()
    profiles.put(a_default(1), rules=RULES)
    profiles.put(a_default(2), rules=RULES)
    assert ids(profiles) == [2]
    profiles.put(a_default(3, level=1), rules=RULES)
    profiles.put(a_default(4, connector_id=2), rules=RULES)
    whole = replace(a_default(5, connector_id=0), purpose=Purpose.STATION_MAX)
    profiles.put(whole, rules=RULES)
    assert ids(profiles) == [2, 3, 4, 5]


def test_a_full_store_refuses_the_next_but_not_a_replacement() -> None:
    profiles = Profiles()
    for number in range(4):
        assert profiles.put(a_default(number, level=number), rules=RULES) is None
    refusal = profiles.put(a_default(9, connector_id=2), rules=RULES)
    assert refusal is not None
    assert refusal.reason == "NoStorage"
    assert ids(profiles) == [0, 1, 2, 3]
    assert profiles.put(a_default(9, level=2), rules=RULES) is None
    assert ids(profiles) == [0, 1, 3, 9]


def test_a_place_that_was_promised_is_taken_already() -> None:
    profiles = Profiles()
    for number in range(3):
        profiles.put(a_default(number, level=number), rules=RULES)
    assert profiles.put(a_default(9, level=3), rules=RULES, waiting=1) is not None
    assert profiles.put(a_default(9, level=3), rules=None) is None


def test_a_transaction_takes_its_profiles_with_it() -> None:
    profiles = Profiles()
    profiles.put(a_default(1), rules=RULES)
    profiles.put(replace(a_default(2), purpose=Purpose.TX), rules=RULES, transaction=7)
    profiles.put(
        replace(a_default(3, connector_id=2), purpose=Purpose.TX), rules=RULES, transaction=8
    )
    profiles.transaction_over(7)
    assert ids(profiles) == [1, 3]
    profiles.transaction_over(7)
    assert ids(profiles) == [1, 3]


def test_an_id_that_is_used_again_is_bound_no_more() -> None:
    profiles = Profiles()
    profiles.put(replace(a_default(2), purpose=Purpose.TX), rules=RULES, transaction=7)
    profiles.put(a_default(2, level=1), rules=RULES)
    profiles.transaction_over(7)
    assert ids(profiles) == [2]


def a_full_store() -> Profiles:
    profiles = Profiles()
    profiles.put(a_default(1), rules=RULES)
    profiles.put(a_default(2, level=1), rules=RULES)
    profiles.put(a_default(3, connector_id=2), rules=RULES)
    whole = replace(a_default(4, connector_id=0), purpose=Purpose.STATION_MAX)
    profiles.put(whole, rules=RULES)
    return profiles


@pytest.mark.parametrize(
    ("criteria", "left"),
    [
        ({"profile_id": 3}, [1, 2, 4]),
        ({"profile_id": 3, "stack_level": 2}, [1, 2, 4]),  # an id says it all
        ({"profile_id": 9}, [1, 2, 3, 4]),
        ({"connector_id": 1}, [3, 4]),
        ({"connector_id": 0}, [1, 2, 3]),
        ({"purpose": Purpose.TX_DEFAULT}, [4]),
        ({"stack_level": 0}, [2]),
        ({"connector_id": 1, "stack_level": 0}, [2, 3, 4]),
        ({"connector_id": 2, "purpose": Purpose.STATION_MAX}, [1, 2, 3, 4]),
        ({}, []),
    ],
)
def test_clearing_by_id_by_criteria_or_all(criteria: dict[str, object], left: list[int]) -> None:
    profiles = a_full_store()
    assert profiles.clear(**criteria) == 4 - len(left)  # type: ignore[arg-type]
    assert ids(profiles) == left


def test_what_lasts_is_all_but_the_profiles_of_transactions() -> None:
    profiles = a_full_store()
    profiles.put(replace(a_default(1), purpose=Purpose.TX), rules=RULES, transaction=1)
    other = Profiles()
    other.restore(profiles.lasting())
    assert ids(other) == [2, 3, 4]
