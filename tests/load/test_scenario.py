"""What a scenario file says, and what it becomes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simfleet.errors import ScenarioInvalid
from simfleet.load.scenario import (
    Behaviour,
    Hold,
    Ramp,
    Scenario,
    Slice,
    Stop,
    Target,
    load_scenario,
    parse_scenario,
)
from simfleet.load.thresholds import Threshold
from simfleet.station.chance import Span

SCENARIOS = Path(__file__).parents[2] / "scenarios"
LEAST = """\
schema: 1
name: least
fleet: [{name: ac, count: 1, id: ONE}]
stages: [{do: hold, for: 1s}]
"""


def test_the_main_scenario_reads_as_the_issue_describes_it() -> None:
    assert load_scenario(SCENARIOS / "ten-thousand.yaml") == Scenario(
        schema=1,
        name="ten-thousand",
        description=(
            "10,000 AC chargers boot, charge with meter values every 10 s, and stop cleanly"
        ),
        seed=42,
        target=Target(),
        fleet=(
            Slice(
                name="ac",
                count=10_000,
                id_pattern="SIM-{n:05}",
                version="ocpp1.6",
                type="AC",
                max_power_w=22_000,
                connectors=1,
                configuration={"MeterValueSampleInterval": "10"},
            ),
        ),
        behaviour=Behaviour(think_time_s=Span(5, 20), energy_wh=Span(5_000, 40_000)),
        stages=(Ramp(to=10_000, over_s=10, mode="charging"), Hold(for_s=30), Stop(over_s=10)),
        thresholds=(
            Threshold("boot.accepted_ratio", ">=", 0.999, ">= 0.999"),
            Threshold("call.response.p99", "<", 1.0, "< 1s"),
            Threshold("call[MeterValues].error_ratio", "==", 0.0, "== 0"),
        ),
    )


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_of_the_library_is_valid_and_named_like_its_file(path: Path) -> None:
    assert load_scenario(path).name == path.stem


def test_the_library_is_not_empty() -> None:
    assert len(list(SCENARIOS.glob("*.yaml"))) >= 4


def test_what_is_left_out_has_defaults() -> None:
    scenario = parse_scenario(LEAST.encode())
    assert scenario.seed == 0
    assert scenario.target == Target(
        url="embedded", transport="websockets", password=None, connect_timeout_s=10, ca_file=None
    )
    assert scenario.behaviour == Behaviour(
        think_time_s=Span(5, 20), energy_wh=Span(5_000, 40_000), pause_s=Span(10, 60)
    )
    assert scenario.fleet[0].max_power_w == 22_000
    assert scenario.thresholds == ()


def test_a_scenario_becomes_json_for_the_manifest() -> None:
    scenario = load_scenario(SCENARIOS / "smoke.yaml")
    stages = msgspec.json.decode(msgspec.json.encode(scenario))["stages"]
    ramp = {"do": "ramp", "to": 20, "over_s": 1.0, "mode": "charging", "faults": [], "name": None}
    assert ramp.items() <= stages[0].items()


def test_words_that_yaml_1_1_changes_stay_what_was_written() -> None:
    configuration = (
        "{Off: off, Time: 12:30:45, Octal: 0123, Hex: 0x1F, Version: 1.60, Yes: True, No: 'True'}"
    )
    text = LEAST.replace("id: ONE", f"id: ONE, configuration: {configuration}")
    assert parse_scenario(text.encode()).fleet[0].configuration == {
        "Off": "off",
        "Time": "12:30:45",
        "Octal": "0123",
        "Hex": "0x1F",
        "Version": "1.60",
        "Yes": "true",
        "No": "True",
    }


def test_anchors_save_writing() -> None:
    text = """\
schema: 1
name: anchored
fleet:
  - {name: a, count: 1, id: A, configuration: &same {X: 1}}
  - {name: b, count: 1, id: B, configuration: *same}
stages: [{do: hold, for: 1s}]
"""
    scenario = parse_scenario(text.encode())
    assert scenario.fleet[0].configuration == scenario.fleet[1].configuration == {"X": "1"}


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("embedded", "embedded"),
        ("ws://localhost:9000", "ws://localhost:9000"),
        ("ws://localhost:9000/", "ws://localhost:9000"),
        ("wss://csms.example/ocpp/v16/", "wss://csms.example/ocpp/v16"),
        ("ws://[::1]:9000/a", "ws://[::1]:9000/a"),
    ],
)
def test_targets_are_kept_ready_to_append_an_identity(written: str, kept: str) -> None:
    text = LEAST + f'target: {{url: "{written}"}}\n'
    assert parse_scenario(text.encode()).target.url == kept


@pytest.mark.parametrize(
    ("pattern", "n", "identity"),
    [
        ("SIM-{n:05}", 1, "SIM-00001"),
        ("SIM-{n:05}", 10_000, "SIM-10000"),
        ("{n}", 7, "7"),
        ("A{n:02}B", 123, "A123B"),
        ("DE*ABC*E{n:04}", 12, "DE*ABC*E0012"),
        ("ONE", 1, "ONE"),
    ],
)
def test_an_identity_is_the_pattern_with_the_number_in_it(
    pattern: str, n: int, identity: str
) -> None:
    assert Slice(name="s", count=1, id_pattern=pattern).identity(n) == identity


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("S{n}", "S{n}", "S1"),
        ("S{n}", "S1{n}", "S11"),
        ("S{n:03}", "S00{n}", "S001"),
        ("S{n}", "S20", "S20"),
    ],
)
def test_identities_that_two_slices_share_are_found(first: str, second: str, shared: str) -> None:
    count = 20 if "{" in second else 1
    text = f"""\
schema: 1
name: a
fleet:
  - {{name: a, count: 20, id: "{first}"}}
  - {{name: b, count: {count}, id: "{second}"}}
stages: [{{do: hold, for: 1s}}]
"""
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(text.encode())
    assert caught.value.problems == [
        f"scenario.yaml:5:{28 + len(str(count))}: fleet[1].id: '{shared}' is also in fleet[0];"
        " identities are unique in a run"
    ]


def test_a_fleet_may_be_empty() -> None:
    text = LEAST.replace("count: 1", "count: 0")
    assert parse_scenario(text.encode()).chargers == 0


def test_the_planned_length_is_the_sum_of_the_stages() -> None:
    assert load_scenario(SCENARIOS / "ten-thousand.yaml").lasts_s == 50


# ── any bytes ────────────────────────────────────────────────────────────────────────────────────

WORDS = st.sampled_from(
    [
        *("schema", "name", "fleet", "stages", "thresholds", "behaviour", "target", "count", "id"),
        *("do", "ramp", "hold", "stop", "to", "over", "for", "call.response.p99", "embedded"),
        *("1", "10s", "5..40", "-1", "ac", '"S{n}"', '"< 1s"', "ws://h", "null", "true", "~"),
        *(":", "?", "-", "[", "]", "{", "}", ",", "&a", "*a", "!", "|", ">", "'", '"', "%", "@"),
        *("#", "---", "...", "<<"),
    ]
)
YAML_ISH = st.lists(
    st.one_of(WORDS, st.sampled_from([" ", ": ", "\n", "\n  ", "\n- ", "\n  - ", "\t", "\r\n"])),
    max_size=60,
).map("".join)


def becomes_a_scenario_or_a_list_of_problems(content: bytes, overrides: tuple[str, ...]) -> None:
    """Anything else raised fails the test by itself."""
    problems: list[str] | None = None
    try:
        parse_scenario(content, overrides=overrides)
    except ScenarioInvalid as invalid:
        problems = invalid.problems
    if problems is not None:
        assert problems
        assert all(len(problem.splitlines()) == 1 for problem in problems)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_a_scenario_or_its_problems(content: bytes) -> None:
    becomes_a_scenario_or_a_list_of_problems(content, ())


@settings(max_examples=300, deadline=None)
@given(YAML_ISH)
def test_anything_like_yaml_gives_a_scenario_or_its_problems(text: str) -> None:
    becomes_a_scenario_or_a_list_of_problems(text.encode(), ())


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_scenario_gives_a_scenario_or_its_problems(data: st.DataObject) -> None:
    content = bytearray((SCENARIOS / "smoke.yaml").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        length = data.draw(st.integers(0, 8))
        content[at : at + length] = data.draw(YAML_ISH).encode()[:10]
    becomes_a_scenario_or_a_list_of_problems(bytes(content), ())


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.builds(
            "{}={}".format,
            st.sampled_from(["seed", "stages[0].over", "fleet[0]", "thresholds.call.count", "a.b"]),
            st.one_of(YAML_ISH, st.text(max_size=20)),
        ),
    )
)
def test_any_override_gives_a_scenario_or_its_problems(override: str) -> None:
    becomes_a_scenario_or_a_list_of_problems(LEAST.encode(), (override,))
