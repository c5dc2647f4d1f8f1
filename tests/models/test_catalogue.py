"""Models of the user's own: directories, files, `extends`, and every mistake with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
import yaml

from simfleet.documents.problems import Problems
from simfleet.errors import ModelInvalid, UsageWrong
from simfleet.models.catalogue import (
    BUILT_IN,
    EXTENDS_MAX,
    Catalogue,
    ModelMissing,
    built_in,
    model_schema,
    names_a_model,
)
from simfleet.models.model import Wanted

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.models.model import ChargerModel

GOOD = """\
schema: 1
nameplate:
  vendor: Acme
  model: Wall 11
connectors:
  - {kind: AC, power_kw: 11}
"""


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def own(tmp_path: Path, text: str, name: str = "acme/wall-11") -> ChargerModel:
    put(tmp_path, name, text)
    return Catalogue(tmp_path).find(name)


def mistakes(tmp_path: Path, text: str) -> list[str]:
    put(tmp_path, "acme/wall-11", text)
    with pytest.raises(ModelInvalid) as raised:
        Catalogue(tmp_path).find("acme/wall-11")
    return [line.replace(f"{tmp_path}/", "") for line in raised.value.problems]


# ── finding ──────────────────────────────────────────────────────────────────────────────────────


def test_the_least_model_is_a_nameplate_and_a_connector(tmp_path: Path) -> None:
    model = own(tmp_path, GOOD)
    assert (model.name, model.kind, model.max_power_w) == ("acme/wall-11", "AC", 11_000)
    spec = model.spec()
    assert (spec.vendor, spec.model, spec.connectors, spec.quirks) == ("Acme", "Wall 11", 1, None)
    assert spec.electrical.phases == 3
    assert not spec.electrical.tethered


def test_models_of_a_directory_stand_beside_the_built_in_ones(tmp_path: Path) -> None:
    put(tmp_path, "acme/wall-11", GOOD)
    names = Catalogue(tmp_path).names
    assert "acme/wall-11" in names
    assert set(built_in().names) < set(names)


def test_a_name_that_nobody_has_is_answered_with_a_near_one() -> None:
    with pytest.raises(ModelMissing, match="did you mean 'norrvik/hem-11'") as raised:
        built_in().find("norvik/hem-11")
    assert raised.value.code == "MODEL_NOT_FOUND"
    with pytest.raises(ModelMissing, match="`simfleet models` lists them"):
        built_in().find("../../etc/passwd")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("norrvik/hem-11", True),
        ("./my.yaml", True),
        ("my.yml", True),
        ("SF-22", False),
        ("Wall 11", False),
    ],
)
def test_a_slash_or_the_ending_of_a_file_names_a_model(text: str, named: bool) -> None:
    assert names_a_model(text) is named


def test_a_directory_must_not_take_a_built_in_name(tmp_path: Path) -> None:
    put(tmp_path, "norrvik/hem-11", GOOD)
    with pytest.raises(UsageWrong, match="extends: norrvik/hem-11"):
        Catalogue(tmp_path)


def test_a_file_outside_a_brands_folder_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "wall-11", GOOD)
    with pytest.raises(UsageWrong, match=r"brand/model\.yaml"):
        Catalogue(tmp_path)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "acme/wall-11", GOOD).with_suffix(".yml").write_text(GOOD)
    with pytest.raises(UsageWrong, match="keep one"):
        Catalogue(tmp_path)


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageWrong, match="no directory of charger models"):
        Catalogue(tmp_path / "nowhere")


def test_a_model_is_read_once(tmp_path: Path) -> None:
    put(tmp_path, "acme/wall-11", GOOD)
    catalogue = Catalogue(tmp_path)
    assert catalogue.find("acme/wall-11") is catalogue.find("acme/wall-11")


# ── extends ──────────────────────────────────────────────────────────────────────────────────────


def test_a_derived_model_has_what_it_does_not_say_itself(tmp_path: Path) -> None:
    text = """\
schema: 1
extends: quellmark/stele-duo
nameplate: {model: Stele duo B}
connectors:
  - {kind: AC, power_kw: 11}
  - {kind: AC, power_kw: 11}
configuration: {HeartbeatInterval: 60}
vendor_keys: {DisplayText: {default: Hello}}
quirks:
  tags:
  no_stop_tag: {why: It is one of ours.}
"""
    base, model = built_in().find("quellmark/stele-duo"), own(tmp_path, text)
    assert model.words.nameplate.vendor == base.words.nameplate.vendor
    assert model.words.nameplate.model == "Stele duo B"
    assert [one.max_power_w for one in model.words.connectors] == [11_000, 11_000]
    changed = {"HeartbeatInterval": "60"}
    assert model.words.configuration == {**base.words.configuration, **changed}
    assert model.words.vendor_keys["DisplayText"].default == "Hello"
    assert model.words.vendor_keys["DisplayText"].type == "text"
    assert set(model.words.quirks.present()) == {"timestamps", "no_stop_tag"}


def test_a_file_can_extend_a_file_beside_it(tmp_path: Path) -> None:
    put(tmp_path, "acme/base", GOOD)
    model = own(tmp_path, "schema: 1\nextends: ./base.yaml\nstation_power_kw: 7\n")
    assert model.words.station_max_power_w == 7_000
    assert model.words.nameplate.vendor == "Acme"


def test_mistakes_of_a_base_are_found_in_the_base(tmp_path: Path) -> None:
    put(tmp_path, "acme/base", GOOD.replace("power_kw: 11", "power_kw: 11kW"))
    (line,) = mistakes(tmp_path, "schema: 1\nextends: acme/base\n")
    assert line.startswith("acme/base.yaml:6:26: connectors[0].power_kw: '11kW'")


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("acme/wall-12", "no charger model is called 'acme/wall-12'; did you mean 'acme/wall-11'?"),
        ("acme/wall-11", "'acme/wall-11' leads back to this very model"),
        ("./none.yaml", "there is no file 'acme/none.yaml'"),
    ],
)
def test_a_base_that_leads_nowhere_is_said_where_it_is_named(
    tmp_path: Path, base: str, message: str
) -> None:
    (line,) = mistakes(tmp_path, f"schema: 1\nextends: {base}\n")
    assert line == f"acme/wall-11.yaml:2:10: extends: {message}"


def test_models_cannot_stand_behind_one_another_without_end(tmp_path: Path) -> None:
    put(tmp_path, "acme/n-0", GOOD)
    for n in range(1, EXTENDS_MAX + 3):
        put(tmp_path, f"acme/n-{n}", f"schema: 1\nextends: acme/n-{n - 1}\n")
    catalogue = Catalogue(tmp_path)
    assert catalogue.find(f"acme/n-{EXTENDS_MAX}").words.nameplate.vendor == "Acme"
    with pytest.raises(ModelInvalid, match="more than 8 models"):
        catalogue.find(f"acme/n-{EXTENDS_MAX + 1}")


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────────

MISTAKES: list[tuple[str, str]] = [
    ("frobnicate: 1", "7:1: frobnicate: unknown key"),
    ("connector: []", "7:1: connector: unknown key; did you mean 'connectors'?"),
    ("station_power_kw: 50", "7:19: station_power_kw: 50 kW are more than the connectors have"),
    ("measurands: [Energy]", "7:14: measurands[0]: 'Energy' is not accepted"),
    ("feature_profiles: [Core, Smart]", "7:26: feature_profiles[1]: 'Smart' is not accepted"),
    ("feature_profiles: [Reservation]", "7:19: feature_profiles: Core is missing"),
    (
        "configuration: {HeartbeatIntervall: 5}",
        "7:37: configuration.HeartbeatIntervall: OCPP has no such key; declare it in vendor_keys;"
        " did you mean 'HeartbeatInterval'?",
    ),
    (
        "configuration: {HeartbeatInterval: soon}",
        '7:36: configuration.HeartbeatInterval: "soon" is not a whole number',
    ),
    (
        "configuration: {NumberOfConnectors: 2}",
        "7:37: configuration.NumberOfConnectors: NumberOfConnectors is the number of connectors",
    ),
    (
        "configuration: {SupportedFeatureProfiles: Core}",
        "7:43: configuration.SupportedFeatureProfiles: SupportedFeatureProfiles has a field",
    ),
    (
        "configuration: {AuthorizationKey: 00112233445566778899aabbccddeeff}",
        "7:35: configuration.AuthorizationKey: AuthorizationKey is a secret of each charger",
    ),
    (
        "feature_profiles: [Core]\nconfiguration: {ChargeProfileMaxStackLevel: 3}",
        "8:45: configuration.ChargeProfileMaxStackLevel: belongs to SmartCharging",
    ),
    ("read_only: [Heartbeat]", "7:12: read_only[0]: 'Heartbeat' is no key of OCPP"),
    (
        "vendor_keys: {HeartbeatInterval: {type: int, default: 5}}",
        "7:34: vendor_keys.HeartbeatInterval: HeartbeatInterval is a key of OCPP",
    ),
    (
        "vendor_keys: {Fan: {type: int, default: quick}}",
        "7:41: vendor_keys.Fan.default: 'quick' is not a whole number from 0",
    ),
    (
        "vendor_keys: {Fan: {type: choice, default: quick}}",
        "7:20: vendor_keys.Fan: a choice needs choices",
    ),
    (
        "vendor_keys: {Fan: {type: choice, default: quick, choices: [slow]}}",
        "7:44: vendor_keys.Fan.default: 'quick' is not one of slow",
    ),
    (
        "vendor_keys: {Fan: {type: bool, default: true, min: 3}}",
        "7:53: vendor_keys.Fan.min: only an int has a min",
    ),
    (
        "vendor_keys: {Fan: {type: int, default: 5, min: 9, max: 3}}",
        "7:49: vendor_keys.Fan.min: 9 is more than max, 3",
    ),
    (
        "vendor_keys: {Fan: {type: int, default: 5}, FAN: {type: int, default: 5}}",
        "7:50: vendor_keys.FAN: FAN is Fan again",
    ),
    ("quirks: {no_stop_tag: {}}", "7:23: quirks.no_stop_tag: 'why' is missing"),
    (
        "quirks: {no_stop_tags: {why: x}}",
        "7:10: quirks.no_stop_tags: unknown key; did you mean 'no_stop_tag'?",
    ),
    (
        "quirks: {lacking_actions: {actions: [Heartbeat], why: x}}",
        "7:38: quirks.lacking_actions.actions[0]: 'Heartbeat' is not accepted",
    ),
    (
        "quirks: {timestamps: {style: local_time, why: x}}",
        "7:22: quirks.timestamps: local_time needs its zone",
    ),
    (
        'quirks: {timestamps: {style: whole_seconds, utc_offset: "+02:00", why: x}}',
        "7:57: quirks.timestamps.utc_offset: only local_time has a zone",
    ),
    (
        'quirks: {timestamps: {style: local_time, utc_offset: "CET", why: x}}',
        "7:54: quirks.timestamps.utc_offset: 'CET' is no zone",
    ),
    (
        "quirks: {status_connector_zero_only: {why: x}, no_connector_zero_status: {why: x}}",
        "7:74: quirks.no_connector_zero_status: with status_connector_zero_only no status at all",
    ),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
def test_one_mistake_gives_one_located_message(tmp_path: Path, text: str, message: str) -> None:
    found = mistakes(tmp_path, GOOD + text + "\n")
    assert len(found) == 1, found
    assert found[0].startswith(f"acme/wall-11.yaml:{message}"), found[0]


CONNECTORS: list[tuple[str, str]] = [
    ("{kind: AC, power_kw: 11, phases: 2}", "6:38: connectors[0].phases: 2 is not a number of"),
    ("{kind: DC, power_kw: 50, phases: 3}", "6:38: connectors[0].phases: 3 phases, but a DC"),
    ("{kind: DC, power_kw: 50, cable: socket}", "6:37: connectors[0].cable: a DC connector has"),
    (
        "{kind: AC, power_kw: 150}",
        "6:26: connectors[0].power_kw: 150 kW are more than three",
    ),
    ("{kind: AC}", "6:5: connectors[0]: 'power_kw' is missing"),
    ("{kind: HVDC, power_kw: 50}", "6:12: connectors[0].kind: 'HVDC' is not accepted"),
]


@pytest.mark.parametrize(("connector", "message"), CONNECTORS)
def test_a_connector_that_cannot_be_built(tmp_path: Path, connector: str, message: str) -> None:
    found = mistakes(tmp_path, GOOD.replace("{kind: AC, power_kw: 11}", connector))
    assert len(found) == 1, found
    assert found[0].startswith(f"acme/wall-11.yaml:{message}"), found[0]


NAMEPLATES: list[tuple[str, str]] = [
    ("vendor: A company of some size", "3:11: nameplate.vendor: "),
    ('iccid: "8949{digits:17}"', "5:10: nameplate.iccid: '8949{digits:17}' makes 21 characters"),
    ("serial_number: '{number}'", "5:18: nameplate.serial_number: '{number}' has a brace"),
    ("meter_serial_number: '{hex:0}'", "5:24: nameplate.meter_serial_number: {hex:0} is out of"),
]


@pytest.mark.parametrize(("line", "message"), NAMEPLATES)
def test_a_nameplate_with_no_room(tmp_path: Path, line: str, message: str) -> None:
    text = (
        GOOD.replace("vendor: Acme", line)
        if line.startswith("vendor")
        else GOOD.replace("Wall 11\n", f"Wall 11\n  {line}\n")
    )
    found = mistakes(tmp_path, text)
    assert len(found) == 1, found
    assert found[0].startswith(f"acme/wall-11.yaml:{message}"), found[0]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "\n".join([GOOD, *(text for text, _ in MISTAKES[:5])]) + "\n")
    assert len(found) >= 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "1:1: the file is empty"),
        ("- 1\n", "1:1: a charger model, a mapping that begins with schema: 1, is expected"),
        ("schema: [\n", "2:1: not YAML"),
        ("schema: 2\n", "1:9: schema: 2 is out of range"),
    ],
)
def test_what_is_no_model_at_all(tmp_path: Path, content: str, message: str) -> None:
    assert any(
        line.startswith(f"acme/wall-11.yaml:{message}") for line in mistakes(tmp_path, content)
    )


# ── built otherwise than the model ───────────────────────────────────────────────────────────────


def wanted(model: ChargerModel, **changes: Any) -> Wanted:
    fields = {name: getattr(model.as_built, name) for name in Wanted.__struct_fields__}
    return Wanted(**{**fields, **changes})


def test_more_connectors_repeat_the_model_and_fewer_cut_it() -> None:
    tria = built_in().find("tavoltis/tria-50")
    kinds = [one.kind for one in tria.outlets(wanted(tria, connectors=5))]
    assert kinds == ["DC", "DC", "AC", "DC", "DC"]
    assert len(tria.outlets(wanted(tria, connectors=1))) == 1


def test_another_power_is_that_of_the_models_own_kind() -> None:
    tria = built_in().find("tavoltis/tria-50")
    powers = [one.max_power_w for one in tria.outlets(wanted(tria, max_power_w=90_000))]
    assert powers == [90_000, 90_000, 22_000]


def test_another_kind_makes_all_connectors_the_usual_ones() -> None:
    tria = built_in().find("tavoltis/tria-50")
    outlets = tria.outlets(wanted(tria, kind="AC", max_power_w=11_000))
    assert {(one.kind, one.max_power_w) for one in outlets} == {("AC", 11_000)}


def test_a_configuration_wins_over_the_models_however_it_is_spelled() -> None:
    model = built_in().find("norrvik/hem-11")
    factory = model.factory(configuration={"heartbeatinterval": "77"})
    assert factory.values["HeartbeatInterval"] == "77"


# ── for editors ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "file", sorted(BUILT_IN.rglob("*.yaml")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_every_built_in_file_satisfies_the_schema_but_for_what_it_extends(file: Path) -> None:
    schema = model_schema()
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    if "extends" not in written:
        jsonschema_rs.validator_for(schema).validate(written)


def test_the_schema_is_one_and_refuses_nonsense() -> None:
    schema = model_schema()
    jsonschema_rs.meta.validate(schema)
    good = yaml.safe_load(GOOD)
    assert jsonschema_rs.is_valid(schema, good)
    assert not jsonschema_rs.is_valid(schema, good | {"frobnicate": 1})
    assert not jsonschema_rs.is_valid(schema, good | {"quirks": {"no_stop_tag": {}}})


def test_the_problems_of_a_model_are_reported_to_whoever_reads_it(tmp_path: Path) -> None:
    file = put(tmp_path, "acme/wall-11", GOOD + "frobnicate: 1\n")
    problems = Problems()
    assert Catalogue().read(file, problems.report, name="x") is None
    assert problems
