"""From slices to chargers."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from builders_load import a_scenario
from simfleet.errors import ScenarioInvalid
from simfleet.load.fleet_plans import habits_of, plans_of
from simfleet.load.scenario import Scenario, parse_scenario
from simfleet.station.chance import Span

MIXED = b"""\
schema: 1
name: mixed
seed: 9
fleet:
  - {name: ac, count: 6, id: "AC-{n}", connectors: 2, max_power_kw: 11, vendor: Acme, model: A1}
  - {name: dc, count: 2, id: "DC-{n:03}", type: DC, max_power_kw: 150,
     configuration: {HeartbeatInterval: 33}}
stages: [{do: hold, for: 1s}]
"""


def mixed(seed: int = 9) -> Scenario:
    return msgspec.structs.replace(parse_scenario(MIXED), seed=seed)


def test_a_fleet_that_is_half_up_has_half_of_each_slice() -> None:
    plans = plans_of(mixed())
    assert Counter(plan.slice_name for plan in plans[:4]) == {"ac": 3, "dc": 1}
    assert Counter(plan.slice_name for plan in plans) == {"ac": 6, "dc": 2}


def test_identities_count_in_their_slice_and_indices_over_the_fleet() -> None:
    plans = plans_of(mixed())
    assert [p.identity for p in plans if p.slice_name == "dc"] == ["DC-001", "DC-002"]
    assert [p.identity for p in plans if p.slice_name == "ac"] == [f"AC-{n}" for n in range(1, 7)]
    assert [plan.index for plan in plans] == list(range(8))


def test_a_charger_is_what_its_slice_says() -> None:
    ac, dc = (next(p for p in plans_of(mixed()) if p.slice_name == name) for name in ("ac", "dc"))
    assert (ac.spec.connectors, ac.spec.vendor, ac.spec.model) == (2, "Acme", "A1")
    assert (dc.spec.connectors, dc.spec.vendor, dc.spec.model) == (1, "SimFleet", "Virtual")
    assert (ac.spec.version, ac.spec.electrical.kind) == ("ocpp1.6", "AC")
    assert dc.spec.electrical.kind == "DC"
    station = dc.build(wall_offset_s=0.0)
    assert station.identity == dc.identity
    assert station.configuration.get("HeartbeatInterval") == "33"


def test_chargers_of_a_slice_share_what_is_equal() -> None:
    first, second, *_ = (plan for plan in plans_of(mixed()) if plan.slice_name == "ac")
    assert first.spec is second.spec
    assert first.factory is second.factory


def test_the_same_seed_gives_the_same_fleet_and_another_one_does_not() -> None:
    def tags(seed: int) -> list[str]:
        return [plan.build(wall_offset_s=0.0).id_tag for plan in plans_of(mixed(seed))]

    assert tags(9) == tags(9)
    assert len(set(tags(9))) == 8
    assert tags(9) != tags(10)


def test_transfers_are_real_unless_a_slice_says_otherwise() -> None:
    text = MIXED.replace(b"vendor: Acme", b"transfers: simulated, vendor: Acme")
    found = {plan.slice_name: plan.spec.transfers for plan in plans_of(parse_scenario(text))}
    assert found == {"ac": "simulated", "dc": "real"}


def test_habits_are_those_of_the_scenario() -> None:
    habits = habits_of(a_scenario().behaviour)
    assert (habits.think_time_s, habits.pause_s, habits.energy_wh) == (
        Span(0.1, 0.3),
        Span(0.2, 0.4),
        Span(5000, 9000),
    )


def test_a_fleet_without_chargers_has_no_plans() -> None:
    assert plans_of(a_scenario(chargers=0, stages=["{do: hold, for: 1s}"])) == []


def test_a_configuration_that_no_station_accepts_is_a_mistake_of_its_slice() -> None:
    part = msgspec.structs.replace(mixed().fleet[0], configuration={"HeartbeatInterval": "soon"})
    with pytest.raises(ScenarioInvalid) as caught:
        plans_of(msgspec.structs.replace(mixed(), fleet=(part,)))
    (problem,) = caught.value.problems
    assert problem.startswith("fleet slice 'ac': configuration: HeartbeatInterval")
