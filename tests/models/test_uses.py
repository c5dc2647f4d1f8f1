"""Where models are used: in scenarios, by REST, on the command line, and in the docs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from simfleet.cli.main import main
from simfleet.errors import ScenarioInvalid
from simfleet.load.fleet_plans import plans_of
from simfleet.load.run_folder import RunFolder, manifest
from simfleet.load.runner import Runner
from simfleet.load.scenario import load_scenario, parse_scenario
from simfleet.models.catalogue import Catalogue, built_in
from simfleet.models.model import ChargerModel
from simfleet.models.overview import markdown_tables, shown

if TYPE_CHECKING:
    from simfleet.load.schema1 import Scenario

ROOT = Path(__file__).parents[2]
OWN = """\
schema: 1
extends: norrvik/hem-22
nameplate: {vendor: Acme, model: Wall 22}
quirks: {no_stop_tag: {why: A test wants it.}}
"""


def scenario_text(*slices: str) -> str:
    lines = ["schema: 1", "name: models", "fleet:"]
    lines += [f"  - {{count: 2, {one}}}" for one in slices]
    lines += ["stages:", "  - {do: hold, for: 1s}"]
    return "\n".join(lines) + "\n"


def a_slice(fields: str) -> Scenario:
    return parse_scenario(scenario_text(f'name: a, id: "A{{n}}", {fields}').encode())


def problems(text: str, folder: Path | None = None) -> list[str]:
    with pytest.raises(ScenarioInvalid) as raised:
        parse_scenario(text.encode(), source="s.yaml", folder=folder)
    return raised.value.problems


# ── scenarios ────────────────────────────────────────────────────────────────────────────────────


def test_a_model_fills_in_what_its_slice_leaves_open() -> None:
    part = a_slice("model: tavoltis/tria-50").fleet[0]
    assert isinstance(part.model, ChargerModel)
    assert (part.type, part.max_power_w, part.connectors) == ("DC", 50_000, 3)
    plan = plans_of(a_slice("model: tavoltis/tria-50"))[0]
    assert (plan.spec.vendor, plan.spec.model) == ("Tavoltis", "Tria 50")
    assert [one.kind for one in plan.spec.outlets] == ["DC", "DC", "AC"]
    assert plan.spec.station_max_power_w == 72_000
    assert plan.factory.values["ChademoEnabled"] == "true"


def test_what_the_slice_says_wins_over_the_model() -> None:
    fields = "model: tavoltis/tria-50, connectors: 1, max_power_kw: 60, vendor: Me, "
    fields += "configuration: {heartbeatinterval: 33, FanProfile: full}"
    plan = plans_of(a_slice(fields))[0]
    assert (plan.spec.vendor, plan.spec.connectors) == ("Me", 1)
    assert [one.max_power_w for one in plan.spec.outlets] == [60_000]
    assert plan.factory.values["HeartbeatInterval"] == "33"
    assert plan.factory.values["FanProfile"] == "full"
    assert plan.factory.values["MeterValueSampleInterval"] == "60"


def test_any_other_text_is_what_the_charger_calls_itself() -> None:
    plan = plans_of(a_slice("model: Wall 22"))[0]
    assert (plan.spec.vendor, plan.spec.model, plan.spec.quirks) == ("SimFleet", "Wall 22", None)


def test_an_unknown_model_is_said_with_line_and_column_and_a_near_one() -> None:
    text = scenario_text('name: a, id: "A{n}", model: norrvik/hem-12')
    assert problems(text) == [
        "s.yaml:4:44: fleet[0].model: no charger model is called 'norrvik/hem-12';"
        " did you mean 'norrvik/hem-22'?"
    ]


def test_a_value_that_the_model_does_not_take_is_said_where_it_is_written() -> None:
    text = scenario_text(
        'name: a, id: "A{n}", model: tavoltis/tria-50, configuration: {FanProfile: loud}'
    )
    (line,) = problems(text)
    assert line.startswith('s.yaml:4:90: fleet[0].configuration.FanProfile: "loud" is not one of')


def test_a_file_beside_the_scenario_is_a_model(tmp_path: Path) -> None:
    (tmp_path / "my-model.yaml").write_text(OWN)
    path = tmp_path / "scenario.yaml"
    path.write_text(scenario_text('name: a, id: "A{n}", model: ./my-model.yaml'))
    plan = plans_of(load_scenario(path))[0]
    assert (plan.spec.vendor, plan.spec.model) == ("Acme", "Wall 22")
    assert plan.spec.quirks is not None
    assert plan.spec.quirks.no_stop_tag


def test_mistakes_in_that_file_are_told_with_those_of_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "my-model.yaml").write_text(OWN + "frobnicate: 1\n")
    text = scenario_text('name: a, id: "A{n}", model: ./my-model.yaml, colour: red')
    model, scenario = problems(text, tmp_path)[::-1]
    assert (
        model
        == f"{tmp_path}/my-model.yaml:5:1: frobnicate: unknown key; accepted here: "
        + (model.partition("accepted here: ")[2])
    )
    assert scenario.startswith("s.yaml:4:61: fleet[0].colour: unknown key")


def test_a_scenario_that_is_no_file_names_no_files() -> None:
    text = scenario_text('name: a, id: "A{n}", model: ./my-model.yaml')
    (line,) = problems(text)
    assert "is a file, which only a document that is one can name" in line


def test_the_manifest_of_a_run_has_the_whole_model() -> None:
    scenario = a_slice("model: norrvik/hem-3")
    made_of = manifest(scenario, source=b"", arguments=[], began_wall_s=0.0)
    model = json.loads(msgspec.json.encode(made_of))["scenario"]["fleet"][0]["model"]
    assert model["name"] == "norrvik/hem-3"
    assert model["words"]["nameplate"]["model"] == "Hem 3"


MISLED = """\
schema: 1
name: misled
fleet:
  - {name: plain, count: 2, id: "P{n}"}
  - name: quirky
    count: 4
    id: "Q{n}"
    model: pelandra/easy-11
    configuration: {MeterValueSampleInterval: 1}
behaviour: {think_time: 50ms, energy_kwh: 0.002..0.005, pause: 50ms}
stages:
  - {do: ramp, to: 6, over: 200ms}
  - {do: hold, for: 5s}
  - {do: stop, over: 500ms}
"""


async def test_a_run_with_quirks_that_mislead_does_not_accuse_its_chargers(
    tmp_path: Path,
) -> None:
    scenario = parse_scenario(MISLED.encode())
    with RunFolder.create(tmp_path / "run", name="misled", start_wall_s=0.0) as folder:
        runner = Runner(scenario, folder, watch=lambda _: None)
        finished = await runner.run(heed_signals=False)
    checks = {check.name: check for check in finished.checks}
    assert [check for check in checks.values() if not check.holds] == []
    told = checks["csms_registers"].detail
    assert "not judged: quirks of 4 chargers" in told
    assert "went down: 0," not in told  # or it would not have been misled


# ── the command line ─────────────────────────────────────────────────────────────────────────────


def test_simfleet_models_lists_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == built_in().names


def test_simfleet_models_prints_the_file_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "norrvik/hem-11"]) == 0
    assert capsys.readouterr().out == built_in().source("norrvik/hem-11")
    assert main(["models", "norrvik/hem-12"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_simfleet_models_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "SimFleet charger model, schema 1"


def test_models_of_ones_own_are_given_by_option_or_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "wall.yaml").write_text(OWN)
    (tmp_path / "s.yaml").write_text(scenario_text('name: a, id: "A{n}", model: acme/wall'))
    assert main(["check", str(tmp_path / "s.yaml")]) == 104
    assert main(["check", str(tmp_path / "s.yaml"), "--models", str(tmp_path)]) == 2  # s.yaml
    (tmp_path / "s.yaml").rename(tmp_path.parent / f"{tmp_path.name}.yaml")
    moved = str(tmp_path.parent / f"{tmp_path.name}.yaml")
    assert main(["check", moved, "--models", str(tmp_path)]) == 0
    monkeypatch.setenv("SIMFLEET_MODELS", str(tmp_path))
    assert main(["check", moved]) == 0
    assert main(["models", "acme/wall"]) == 0
    assert OWN in capsys.readouterr().out


def test_mistakes_of_ones_own_end_with_the_code_of_an_invalid_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "wall.yaml").write_text(OWN + "frobnicate: 1\n")
    assert main(["models", "--models", str(tmp_path)]) == 104
    assert "wall.yaml:5:1: frobnicate" in capsys.readouterr().err


# ── the docs ─────────────────────────────────────────────────────────────────────────────────────

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


def test_the_tables_of_the_page_are_those_of_the_catalogue() -> None:
    begin, end = "<!-- models:begin -->\n", "\n<!-- models:end -->"
    written = PAGE[PAGE.index(begin) + len(begin) : PAGE.index(end)]
    assert written == markdown_tables(built_in().all())


def test_the_example_of_the_page_is_a_model(tmp_path: Path) -> None:
    begin = PAGE.index("# my-models/acme/wall-22.yaml")
    example = PAGE[begin:].partition("```")[0]
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "wall-22.yaml").write_text(example)
    model = Catalogue(tmp_path).find("acme/wall-22")
    assert model.words.quirks.present()
    assert shown(model).vendor_keys


@pytest.mark.parametrize("name", built_in().names)
def test_all_that_is_shown_of_a_model_is_json(name: str) -> None:
    told = json.loads(msgspec.json.encode(shown(built_in().find(name))))
    assert told["name"] == name
    assert len(told["connectors"]) == told["num_connectors"]
    assert "AuthorizationKey" not in told["configuration"]
