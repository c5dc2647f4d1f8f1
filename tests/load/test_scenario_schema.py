"""The JSON Schema for editors, and the reference in docs/, beside the reader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import yaml

from simfleet.documents.fields import fields_of
from simfleet.documents.kinds import ScalarKind
from simfleet.load.capacity_fields import Capacity
from simfleet.load.cases.fields import Cases
from simfleet.load.closed_fields import Soak, Spike, Stairs, Step
from simfleet.load.commands import Command
from simfleet.load.converged_fields import Converged
from simfleet.load.feed_fields import Data
from simfleet.load.metrics import METRICS
from simfleet.load.open_fields import Sessions
from simfleet.load.recipients import Recipients
from simfleet.load.scenario import (
    Behaviour,
    Hold,
    Ramp,
    Scenario,
    Slice,
    Stop,
    Target,
    parse_scenario,
    scenario_schema,
)
from simfleet.load.thresholds import pattern_of

if TYPE_CHECKING:
    import msgspec

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").rglob("*.yaml"))
STRUCTS: tuple[type[msgspec.Struct], ...] = (
    Scenario,
    Target,
    Slice,
    Data,
    Behaviour,
    Ramp,
    Hold,
    Stop,
    Step,
    Stairs,
    Spike,
    Soak,
    Sessions,
    Command,
    Recipients,
    Converged,
    Capacity,
    Cases,
)


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_schema_is_json_and_a_schema() -> None:
    schema = json.loads(json.dumps(scenario_schema()))
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_of_the_library_satisfies_the_schema(path: Path) -> None:
    jsonschema_rs.validator_for(scenario_schema()).validate(loaded(path))


BROKEN: list[tuple[str, Any]] = [
    ("schema", 2),
    ("name", "two words"),
    ("name", 5),
    ("seed", -1),
    ("seed", "42"),
    ("sede", 1),
    ("target", {"url": "http://h"}),
    ("target", {"transport": "trio"}),
    ("target", {"connect_timeout": 10}),
    ("fleet", []),
    ("fleet", [{"name": "a", "count": 1}]),
    ("fleet", [{"name": "a", "count": 10_001, "id": "A{n}"}]),
    ("fleet", [{"name": "a", "count": 1, "id": "A/{n}"}]),
    ("fleet", [{"name": "a", "count": 1, "id": "A", "version": "ocpp2.0"}]),
    ("fleet", [{"name": "a", "count": 1, "id": "A", "connectors": 0}]),
    ("fleet", [{"name": "a", "count": 1, "id": "A", "configuration": {"X": [1]}}]),
    ("fleet", [{"name": "a", "count": 1, "id": "A", "max_power_kw": "22kW"}]),
    ("behaviour", {"think_time": "5..20s"}),
    ("behaviour", {"energy_kwh": "5kWh"}),
    ("stages", [{"do": "ramp", "to": 1}]),
    ("stages", [{"do": "ramp", "to": 1, "over": 10}]),
    ("stages", [{"do": "ramp", "to": 1, "over": "10 s"}]),
    ("stages", [{"do": "hold", "for": "1s", "over": "1s"}]),
    ("stages", [{"do": "wait", "for": "1s"}]),
    ("thresholds", {"call.response.p99": "< 1"}),
    ("thresholds", {"call.response.p98": "< 1s"}),
    ("thresholds", {"call.timeouts": 0}),
]


@pytest.mark.parametrize(("key", "value"), BROKEN)
def test_what_the_reader_refuses_the_schema_refuses_too(key: str, value: object) -> None:
    document = loaded(ROOT / "scenarios" / "smoke.yaml") | {key: value}
    assert not jsonschema_rs.is_valid(scenario_schema(), document)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_a_default_reads_back_as_itself(struct: type[msgspec.Struct]) -> None:
    for field in fields_of(struct).values():
        kind = field.key.kind
        if isinstance(kind, ScalarKind) and not field.required and field.default not in (None, ""):
            assert kind.parse(str(kind.written(field.default))) == field.default, field.name


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_the_patterns_of_limits_are_regular_expressions(metric: str) -> None:
    pattern = pattern_of(METRICS[metric].kind)
    assert re.fullmatch(pattern, "== 0s" if METRICS[metric].kind == "duration" else "== 0")


# ── docs/scenarios.md ────────────────────────────────────────────────────────────────────────────

REFERENCE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_the_reference_has_a_row_for_every_field_with_its_default(
    struct: type[msgspec.Struct],
) -> None:
    for name, field in fields_of(struct).items():
        rows = [line for line in REFERENCE.splitlines() if line.startswith(f"| `{name}` |")]
        assert rows, name
        if field.required:
            assert any("| required |" in row for row in rows), name
        elif isinstance(field.key.kind, ScalarKind) and field.default not in (None, ""):
            default = field.key.kind.written(field.default)
            assert any(f"| `{default}` |" in row for row in rows), name


def test_the_reference_has_a_row_for_every_metric() -> None:
    for metric in METRICS.values():
        row = f"| {metric.kind} | `{metric.source}` | {metric.means} |"
        assert any(
            line.startswith(f"| `{metric.name}`") and line.endswith(row)
            for line in REFERENCE.splitlines()
        ), metric.name


def test_the_example_in_the_reference_is_valid() -> None:
    example = re.search(r"```yaml\n(schema: 1\n.*?)```", REFERENCE, re.DOTALL)
    assert example
    assert parse_scenario(example[1].encode()).name == "ten-thousand"
