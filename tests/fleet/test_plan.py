"""Plans of chargers: everything derives from seed and index."""

from __future__ import annotations

from builders_fleet import EPOCH_S, a_plan
from simfleet.fleet.plan import duplicate_identities


def test_a_plan_builds_the_same_charger_every_time() -> None:
    one, two = (a_plan(7, seed=3).build(wall_offset_s=EPOCH_S) for _ in range(2))
    assert one.id_tag == two.id_tag
    assert [one.chance.random() for _ in range(5)] == [two.chance.random() for _ in range(5)]
    assert one.wall_s(10.0) == EPOCH_S + 10.0


def test_chargers_of_a_fleet_differ_in_tag_and_chance() -> None:
    stations = [a_plan(n).build(wall_offset_s=0.0) for n in range(1000)]
    assert len({station.id_tag for station in stations}) == 1000
    assert len({station.chance.random() for station in stations}) == 1000
    assert stations[0].id_tag != a_plan(0, seed=43).build(wall_offset_s=0.0).id_tag


def test_what_a_charger_changes_is_its_own() -> None:
    plan = a_plan()
    one, two = plan.build(wall_offset_s=0.0), plan.build(wall_offset_s=0.0)
    assert one.configuration.change("HeartbeatInterval", "77") == "Accepted"
    assert two.configuration.seconds("HeartbeatInterval") != 77


def test_identities_that_occur_twice_are_found() -> None:
    assert duplicate_identities([a_plan(n) for n in range(50)]) == []
    plans = [a_plan(2), a_plan(1), a_plan(2), a_plan(0), a_plan(1), a_plan(2)]
    assert duplicate_identities(plans) == ["CP-0001", "CP-0002"]
