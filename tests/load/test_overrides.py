"""`--set`, `--chargers`, `--seed` and `--target`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simfleet.documents.fields import fields_of
from simfleet.errors import ScenarioInvalid, UsageWrong
from simfleet.load.adjust import with_chargers, with_seed, with_target
from simfleet.load.overrides import FREE_KEYED
from simfleet.load.scenario import (
    Hold,
    Ramp,
    Scenario,
    Slice,
    Target,
    load_scenario,
    parse_scenario,
)
from simfleet.load.thresholds import Threshold
from simfleet.station.chance import Span

SCENARIOS = Path(__file__).parents[2] / "scenarios"
TEXT = """\
schema: 1
name: s
fleet:
  - {name: a, count: &n 10, id: "A{n}", configuration: &c {X: 1}}
  - {name: b, count: *n, id: "B{n}", configuration: *c}
stages:
  - {do: ramp, to: 10, over: 10s}
thresholds: {call.timeouts: "== 0"}
"""


def changed(*overrides: str) -> Scenario:
    return parse_scenario(TEXT.encode(), overrides=overrides)


def problems_of(*overrides: str) -> list[str]:
    with pytest.raises(ScenarioInvalid) as caught:
        changed(*overrides)
    return caught.value.problems


# ── --set ────────────────────────────────────────────────────────────────────────────────────────


def test_one_value_is_replaced() -> None:
    assert changed("stages[0].over=20s").stages == (Ramp(to=10, over_s=20),)


def test_what_was_left_out_is_added_with_the_mapping_around_it() -> None:
    scenario = changed("behaviour.think_time=1s..2s", "target.url=ws://h:1/x", "seed=7")
    assert scenario.behaviour.think_time_s == Span(1, 2)
    assert scenario.target.url == "ws://h:1/x"
    assert scenario.seed == 7


def test_a_metric_is_one_key_in_spite_of_its_dots() -> None:
    scenario = changed(
        "thresholds.call.response.p99=< 2s", "thresholds.call[MeterValues].error_ratio=>= 1%"
    )
    assert scenario.thresholds == (
        Threshold("call.timeouts", "==", 0, "== 0"),
        Threshold("call.response.p99", "<", 2, "< 2s"),
        Threshold("call[MeterValues].error_ratio", ">=", 0.01, ">= 1%"),
    )


def test_a_quoted_value_may_be_given_too() -> None:
    assert changed('thresholds.call.timeouts="< 5"').thresholds[0].limit == 5


def test_a_configuration_key_is_set_in_one_slice_only_even_if_it_is_shared_by_an_alias() -> None:
    scenario = changed("fleet[0].configuration.X=2", "fleet[0].configuration.Vendor.Key=on")
    assert scenario.fleet[0].configuration == {"X": "2", "Vendor.Key": "on"}
    assert scenario.fleet[1].configuration == {"X": "1"}


def test_a_whole_part_may_be_replaced() -> None:
    scenario = changed("stages=[{do: hold, for: 5s}]", "thresholds={}")
    assert scenario.stages == (Hold(for_s=5),)
    assert scenario.thresholds == ()


def test_later_options_win() -> None:
    assert changed("seed=1", "seed=2").seed == 2


def test_a_mistake_in_the_file_can_be_corrected() -> None:
    text = TEXT.replace("10s", "10 parsecs").encode()
    assert parse_scenario(text, overrides=["stages[0].over=1s"]).stages[0] == Ramp(to=10, over_s=1)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "stages[0].over=20 parsecs",
            "--set stages[0].over=20 parsecs: stages[0].over: '20 parsecs' is not a duration;"
            " write 500ms, 10s, 2m or 1h",
        ),
        (
            "stages[0].ovr=20s",
            "--set stages[0].ovr=20s: stages[0].ovr: unknown key; did you mean 'over'?"
            f" accepted here: do, {', '.join(fields_of(Ramp))}",
        ),
        (
            "stages[1].over=20s",
            "--set stages[1].over=20s: stages[1]: does not exist; the list has 1 entries, from [0]",
        ),
        (
            "stage[0].over=1s",
            "--set stage[0].over=1s: stage: does not exist; did you mean 'stages'?",
        ),
        (
            "stages.over=1s",
            "--set stages.over=1s: stages: is a list; write an index such as [0]",
        ),
        ("name[0]=x", "--set name[0]=x: name: is not a list"),
        ("name.x=x", "--set name.x=x: name: is one value, not a mapping"),
        ("seed=", "--set seed=: seed: is empty; write a whole number, 0 to 9007199254740991,"),
        ("seed", "--set seed: write path=value, such as stages[0].over=20s"),
        ("=5", "--set =5: write path=value, such as stages[0].over=20s"),
        ("a..b=5", "--set a..b=5: 'a..b' is not a path; write one such as stages[0].over"),
        ("seed.=5", "--set seed.=5: 'seed.' is not a path; write one such as stages[0].over"),
        ("stages[x]=5", "--set stages[x]=5: 'stages[x]' is not a path; write one such as"),
        ("stages=[1", "--set stages=[1: stages: not YAML: "),
        ("target={url: a, url: b}", "--set target={url: a, url: b}: url: duplicate key"),
        (
            "thresholds.call.respnse.p99=< 1s",
            "--set thresholds.call.respnse.p99=< 1s: thresholds.call.respnse.p99: unknown metric;"
            " did you mean 'call.response.p99'?",
        ),
    ],
)
def test_a_wrong_option_is_named_in_place_of_a_line(override: str, message: str) -> None:
    problems = problems_of(override)
    assert len(problems) == 1, problems
    assert problems[0].startswith(message)


def test_mistakes_in_the_file_and_in_options_come_together() -> None:
    text = TEXT.replace("name: s", "name: s s").encode()
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(text, overrides=["seed=x", "nope=1"])
    places = [problem.split(": ")[0] for problem in caught.value.problems]
    assert places == ["scenario.yaml:2:7", "--set seed=x", "--set nope=1"]


def test_the_keys_that_hold_free_keys_are_those_of_the_schema() -> None:
    from simfleet.documents.fields import MapOf, fields_of

    found = {
        name
        for struct in (Scenario, Slice, Target)
        for name, field in fields_of(struct).items()
        if isinstance(field.key.kind, MapOf)
    }
    assert found == FREE_KEYED


# ── --chargers, --seed, --target ─────────────────────────────────────────────────────────────────


def a_fleet_of(*counts: int, to: int | None = None) -> Scenario:
    return Scenario(
        schema=1,
        name="f",
        fleet=tuple(
            Slice(name=f"s{n}", count=count, id_pattern=f"S{n}-{{n}}")
            for n, count in enumerate(counts)
        ),
        stages=(Ramp(to=sum(counts) if to is None else to, over_s=1), Hold(for_s=1)),
    )


def test_slices_and_ramps_keep_their_proportions() -> None:
    scaled = with_chargers(a_fleet_of(60, 30, 10, to=50), 1000)
    assert [part.count for part in scaled.fleet] == [600, 300, 100]
    assert scaled.stages == (Ramp(to=500, over_s=1), Hold(for_s=1))


def test_what_cannot_be_divided_goes_to_the_largest_remainders() -> None:
    assert [part.count for part in with_chargers(a_fleet_of(1, 1, 1), 5).fleet] == [2, 2, 1]
    assert [part.count for part in with_chargers(a_fleet_of(5, 3, 2), 4).fleet] == [2, 1, 1]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=8).filter(any),
    st.integers(0, 10_000),
)
def test_the_slices_always_sum_up_and_a_full_ramp_stays_full(counts: list[int], n: int) -> None:
    scaled = with_chargers(a_fleet_of(*counts), n)
    assert scaled.chargers == n
    assert isinstance(scaled.stages[0], Ramp)
    assert scaled.stages[0].to == n
    assert all(part.count == 0 for part, was in zip(scaled.fleet, counts, strict=True) if was == 0)


def test_ten_thousand_can_be_made_small_and_none() -> None:
    scenario = load_scenario(SCENARIOS / "ten-thousand.yaml")
    assert with_chargers(scenario, 25).chargers == 25
    assert with_chargers(scenario, 0).stages[0] == Ramp(to=0, over_s=10)


@pytest.mark.parametrize("n", [-1, 10_001])
def test_chargers_out_of_range_are_refused(n: int) -> None:
    with pytest.raises(UsageWrong, match="write 0 to 10000"):
        with_chargers(a_fleet_of(1), n)


def test_an_empty_fleet_cannot_grow_in_proportion() -> None:
    assert with_chargers(a_fleet_of(0), 0).chargers == 0
    with pytest.raises(UsageWrong, match="no proportions"):
        with_chargers(a_fleet_of(0), 5)


def test_growing_may_not_make_identities_meet() -> None:
    grown = Scenario(
        schema=1,
        name="f",
        fleet=(
            Slice(name="a", count=5, id_pattern="S{n}"),
            Slice(name="b", count=5, id_pattern="S1{n}"),
        ),
        stages=(Hold(for_s=1),),
    )
    with pytest.raises(UsageWrong, match="'S11' would be in both 'a' and 'b'"):
        with_chargers(grown, 100)


def test_growing_may_not_name_chargers_alike() -> None:
    single = Scenario(
        schema=1,
        name="f",
        fleet=(Slice(name="a", count=1, id_pattern="ONE"),),
        stages=(Hold(for_s=1),),
    )
    with pytest.raises(UsageWrong, match="'ONE' names 2 chargers alike"):
        with_chargers(single, 2)


def test_seed_and_target_are_replaced() -> None:
    scenario = with_target(with_seed(a_fleet_of(1), 5), "wss://h/x/")
    assert (scenario.seed, scenario.target.url) == (5, "wss://h/x")


def test_a_wrong_seed_or_target_is_a_usage_error() -> None:
    with pytest.raises(UsageWrong, match="seed -1 is out of range"):
        with_seed(a_fleet_of(1), -1)
    with pytest.raises(UsageWrong, match="--target 'http://h' is not a WebSocket address"):
        with_target(a_fleet_of(1), "http://h")
