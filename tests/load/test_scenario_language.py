"""Scenarios that say more than one file's own words: variables, includes, data, distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from simfleet.errors import ScenarioInvalid, UsageWrong
from simfleet.load.adjust import with_chargers
from simfleet.load.fleet_plans import plans_of
from simfleet.load.run_folder import manifest
from simfleet.load.scenario import load_scenario, parse_scenario
from simfleet.load.scenario_json import parse_json_scenario
from simfleet.station.chance import Span
from simfleet.station.distributions import Choice, Exponential, Lognormal, Normal, Weibull

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.load.schema1 import Scenario

TAIL = "stages: [{do: hold, for: 1s}]\n"
HEAD = 'schema: 1\nname: a\nfleet: [{name: s, count: 3, id: "A{n}"%s}]\n' + TAIL


def read(text: str, *overrides: str, **variables: str) -> Scenario:
    return parse_scenario(
        text.encode(), source="s.yaml", overrides=overrides, environment=variables
    )


def mistakes(text: str, *overrides: str, **variables: str) -> list[str]:
    with pytest.raises(ScenarioInvalid) as refused:
        read(text, *overrides, **variables)
    return str(refused.value).splitlines()


def in_files(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "main.yaml"


def mistakes_in(path: Path, **variables: str) -> list[str]:
    with pytest.raises(ScenarioInvalid) as refused:
        load_scenario(path, environment=variables)
    return [line.replace(f"{path.parent}/", "") for line in str(refused.value).splitlines()]


# ── variables ───────────────────────────────────────────────────────────────────────────────────


def test_variables_are_filled_in_whatever_the_field_is() -> None:
    text = (
        "schema: 1\nname: ${SITE}-${KIND:-load}\n"
        'fleet: [{name: s, count: "${COUNT}", id: "${SITE}-{n}", max_power_kw: "${KW:-22}",\n'
        '         configuration: {Price: "$${x}", Flag: "${FLAG}"}}]\n'
        "stages: [{do: hold, for: '${FOR:-90s}'}]\n"
    )
    scenario = read(text, SITE="berlin", COUNT="7", FLAG="true", KIND="")
    assert scenario.name == "berlin-load"
    assert (scenario.chargers, scenario.fleet[0].identity(7)) == (7, "berlin-7")
    assert scenario.fleet[0].configuration == {"Price": "${x}", "Flag": "true"}
    assert scenario.lasts_s == 90


def test_a_missing_variable_is_one_located_mistake_that_names_it() -> None:
    text = (HEAD % "").replace("name: a", "name: ${SITE}")
    assert mistakes(text) == [
        "s.yaml:2:7: name: the variable SITE is not set; set it in the environment,"
        " or write ${SITE:-default}"
    ]


@pytest.mark.parametrize("text", ["${}", "${1}", "${A", "${A:default}", "${A-b}"])
def test_what_looks_like_a_variable_and_is_none_is_a_mistake(text: str) -> None:
    (problem,) = mistakes((HEAD % "").replace("name: a", f'name: "{text}"'), A="x")
    assert problem.startswith("s.yaml:2:7: name: '${")
    assert "write ${NAME} or ${NAME:-default}, and $${ for ${" in problem


def test_options_of_the_command_line_may_name_variables() -> None:
    scenario = read(HEAD % "", "target.password=${PASSWORD}", PASSWORD="12345")
    assert scenario.target.password == "12345"
    assert mistakes(HEAD % "", "target.password=${PASSWORD}") == [
        "--set target.password=${PASSWORD}: target.password: the variable PASSWORD is not set;"
        " set it in the environment, or write ${PASSWORD:-default}"
    ]


def test_the_commands_of_a_scenario_keep_their_own_dollars() -> None:
    text = (HEAD % "") + (
        "commands: [{at: 0s, send: DataTransfer, payload:"
        " {vendorId: '${VENDOR}', data: 'at $now, $$5'}, expect: any}]\n"
    )
    assert read(text, VENDOR="acme").commands[0].payload == {
        "vendorId": "acme",
        "data": "at $now, $$5",
    }


def test_a_service_fills_in_nothing_and_says_so() -> None:
    text = (
        '{"schema": 1, "name": "a", "include": ["b.yaml"], "secrets": ["HOME"],'
        ' "description": "${HOME}", "fleet": [{"name": "s", "data": {"file": "c.csv",'
        ' "identity": "id"}}], "stages": [{"do": "hold", "for": "1s"}]}'
    )
    with pytest.raises(ScenarioInvalid) as refused:
        parse_json_scenario(text.encode())
    told = str(refused.value)
    assert len(told.splitlines()) == 4
    assert "include: a scenario that is no file has no folder to include from" in told
    assert "secrets[0]: names variables of the environment, which a service does not" in told
    assert "description: ${HOME}: a service fills in no variables of its environment" in told
    assert "fleet[0].data.file: a scenario that is no file can name no file" in told
    assert "/" not in told.replace("scenario.json", "")


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_that_is_misspelt_is_a_mistake() -> None:
    text = (HEAD % "") + "secrets: [PASWORD]\ntarget: {password: '${PASSWORD}'}\n"
    assert mistakes(text, PASSWORD="distinctive") == [
        "s.yaml:5:11: secrets[0]: PASWORD is neither set nor used as ${PASWORD}; is it spelled"
        " right?".replace("${PASSWORD}", "${PASWORD}")
    ]


def test_names_which_every_result_tells_cannot_have_secrets_in_them() -> None:
    text = (HEAD % "").replace("name: a", "name: '${X}'").replace("{name: s", "{name: 'a${X}'")
    assert mistakes(text + "secrets: [X]\n", X="distinctive") == [
        "s.yaml:2:7: name: has the secret ${X}; names are told in every result",
        "s.yaml:3:16: fleet[0].name: has the secret ${X}; names are told in every result",
    ]


@pytest.mark.parametrize(
    "more",
    [
        "target: {password: 'naïve-distinctive'}\n",
        "secrets: [X]\ndescription: 7\nname2: '${X}'\n",
        "secrets: [X]\nseed: ${X}\n",
        "secrets: [X]\nthresholds: {call.count: '${X}'}\n",
    ],
)
def test_no_mistake_tells_a_secret(more: str) -> None:
    for problem in mistakes((HEAD % "") + more, X="distinctive-value"):
        assert "distinctive" not in problem


def test_the_manifest_names_variables_and_tells_no_secret() -> None:
    text = (
        HEAD % ", password: 'literal-secret', configuration: {Note: '${TOKEN} ${SITE}'}"
    ) + "secrets: [TOKEN]\ntarget: {password: '${PASSWORD}', headers: {X-Api-Key: '${KEY}'}}\n"
    scenario = read(text, TOKEN="distinct-a", SITE="berlin", PASSWORD="distinct-b", KEY="distinct")
    made = manifest(
        scenario, source=b"", arguments=["--set", "seed=1", "distinct-a"], began_wall_s=0
    )
    told = msgspec.json.encode(made).decode()
    assert "distinct" not in told
    assert "literal-secret" not in told
    assert made["arguments"][-1] == "${TOKEN}"
    assert made["scenario"]["fleet"][0]["configuration"] == {"Note": "${TOKEN} berlin"}
    assert made["written"]["secrets"] == ["KEY", "PASSWORD", "TOKEN"]
    assert made["written"]["variables"] == {"SITE": "berlin"}
    assert "X-Api-Key: '${KEY}'" in made["written"]["document"].replace('"', "'")


def test_what_the_manifest_keeps_gives_the_same_scenario_again(tmp_path: Path) -> None:
    path = in_files(
        tmp_path,
        main_yaml="include: [parts/base.yaml]\nname: '${SITE}'\nseed: 7\nsecrets: [PASSWORD]\n"
        'stages: [{do: hold, for: "1s"}]\nthresholds: {call.count: ">= 1"}\n',
        parts__base_yaml="schema: 1\ntarget: {password: '${PASSWORD}'}\n"
        "fleet: [{name: s, data: {file: ids.csv, identity: id}}]\n",
        parts__ids_csv="id\nA1\nA2\n",
    )
    variables = {"SITE": "berlin", "PASSWORD": "distinctive"}
    scenario = load_scenario(path, ["seed=9"], environment=variables)
    written = scenario.written.described()
    assert set(written["files"]) == {f"{tmp_path}/parts/base.yaml", f"{tmp_path}/parts/ids.csv"}
    again = parse_scenario(
        written["document"].encode(),
        folder=path.parent,
        environment={"PASSWORD": "distinctive", **written["variables"]},
    )
    assert again == scenario
    assert [plan.identity for plan in plans_of(again)] == ["A1", "A2"]


# ── includes ────────────────────────────────────────────────────────────────────────────────────


def test_the_including_file_wins_key_by_key_and_its_lists_replace(tmp_path: Path) -> None:
    path = in_files(
        tmp_path,
        main_yaml="schema: 1\nname: mine\ninclude: [one.yaml, two.yaml]\n"
        "behaviour: {pause: 1s}\nstages: [{do: hold, for: 2s}]\n",
        one_yaml='name: one\ndescription: one\nfleet: [{name: s, count: 1, id: "A"}]\n'
        "behaviour: {think_time: {normal: {mean: 9s, sd: 1s}}, pause: {exponential: {mean: 9s}}}\n"
        "stages: [{do: hold, for: 8s}, {do: hold, for: 9s}]\n",
        two_yaml="description: two\nbehaviour: {think_time: {weibull: {scale: 9s, shape: 2}}}\n"
        'thresholds: {call.count: ">= 1"}\n',
    )
    scenario = load_scenario(path, environment={})
    assert (scenario.name, scenario.description, scenario.lasts_s) == ("mine", "two", 2)
    assert isinstance(scenario.behaviour.think_time_s, Weibull)
    assert scenario.behaviour.pause_s == Span(1, 1)
    assert len(scenario.thresholds) == 1


def test_files_that_include_each_other_are_refused_with_the_chain(tmp_path: Path) -> None:
    path = in_files(
        tmp_path,
        main_yaml="include: [a.yaml]\n" + HEAD % "",
        a_yaml="include: [sub/b.yaml]\n",
        sub__b_yaml="\ninclude:\n  - ../main.yaml\n",
    )
    (problem,) = mistakes_in(path)
    assert problem.startswith("sub/b.yaml:3:5: include: a file cannot include itself: main.yaml")
    assert problem.endswith("includes a.yaml includes sub/b.yaml includes sub/../main.yaml")


@pytest.mark.parametrize(
    ("include", "why"),
    [
        ("[gone.yaml]", "cannot read 'gone.yaml': No such file or directory"),
        ("[sub]", "it is no file"),
        ("one.yaml", "a list of files is expected here, not 'one.yaml'"),
        ("['${GONE}.yaml']", "the variable GONE is not set"),
        (f"[{', '.join(['x.yaml'] * 21)}]", "21 files; write 0 to 20"),
    ],
)
def test_what_cannot_be_included_is_a_mistake(tmp_path: Path, include: str, why: str) -> None:
    path = in_files(tmp_path, main_yaml=f"include: {include}\n" + HEAD % "", sub__x_yaml="{}")
    (problem,) = mistakes_in(path)
    assert problem.startswith("main.yaml:1:1")
    assert why in problem


def test_inclusion_has_a_depth_and_a_number_of_files(tmp_path: Path) -> None:
    chain = {f"f{n}_yaml": f"include: [f{n + 1}.yaml]\n" for n in range(12)}
    path = in_files(tmp_path, main_yaml="include: [f0.yaml]\n" + HEAD % "", **chain)
    assert "included more than 8 files deep" in mistakes_in(path)[0]
    tree = {f"t{n}_yaml": f"include: [{', '.join([f't{n + 1}.yaml'] * 4)}]\n" for n in range(4)}
    in_files(tmp_path, main_yaml="include: [t0.yaml]\n" + HEAD % "", t4_yaml="{}", **tree)
    assert any("more than 50 files are included" in line for line in mistakes_in(path))


def test_ten_mistakes_over_two_files_are_ten_located_messages(tmp_path: Path) -> None:
    path = in_files(
        tmp_path,
        main_yaml="schema: 1\n"
        "name: 'a b'\n"
        "include: [base.yaml]\n"
        "seed: -1\n"
        "behaviour: {think_time: {normal: {mean: 10s}}}\n"
        "fleet:\n"
        '  - {name: a, count: many, id: "A{n}"}\n'
        '  - {name: b, count: 1, id: "${GONE}"}\n'
        "  - {name: c, data: {file: c.csv, identity: id}}\n"
        "stages: [{do: hold, for: 10}]\n",
        base_yaml="target: {url: 'http://x'}\n"
        "descripton: oops\n"
        'thresholds: {call.response.p99: "< 5"}\n',
        c_csv="id,tag\nC1,x\nC 2,y\nC1,z\n",
    )
    found = [line.split(": ", 2)[:2] for line in mistakes_in(path)]
    assert found == [
        ["main.yaml:2:7", "name"],
        ["main.yaml:4:7", "seed"],
        ["main.yaml:5:34", "behaviour.think_time.normal"],
        ["main.yaml:7:22", "fleet[0].count"],
        ["main.yaml:8:29", "fleet[1].id"],
        ["main.yaml:10:26", "stages[0].for"],
        ["base.yaml:1:15", "target.url"],
        ["base.yaml:2:1", "descripton"],
        ["base.yaml:3:33", "thresholds.call.response.p99"],
        ["c.csv:3:1", "id"],
    ]


# ── data ────────────────────────────────────────────────────────────────────────────────────────


def with_data(folder: Path, table: str, fields: str, *, name: str = "c.csv") -> Path:
    (folder / name).write_text(table, encoding="utf-8")
    more = f"{fields}, data: {{file: {name}, identity: id, id_tag: tag, password: pw}}"
    return in_files(folder, main_yaml=f"schema: 1\nname: a\nfleet: [{{name: s{more}}}]\n" + TAIL)


TABLE = "id,tag,pw,spare\nA-1,T1,pass-1,\n\"A-2\",T2,'pass, 2',x\nA-3,T3,pass-3,y\n".replace(
    "'pass, 2'", '"pass, 2"'
)


def test_a_csv_file_gives_each_charger_what_it_is(tmp_path: Path) -> None:
    plans = plans_of(load_scenario(with_data(tmp_path, TABLE, ""), environment={}))
    assert [(p.identity, p.id_tag, p.password) for p in plans] == [
        ("A-1", "T1", "pass-1"),
        ("A-2", "T2", "pass, 2"),
        ("A-3", "T3", "pass-3"),
    ]
    station = plans[1].build(wall_offset_s=0)
    assert station.id_tag == "T2"
    assert station.given.password


def test_a_file_of_json_lines_does_the_same(tmp_path: Path) -> None:
    table = '{"id": "A-1", "tag": 17, "pw": "x", "m": []}\n{"id": "A-2", "tag": "b", "pw": "y"}\n'
    path = with_data(tmp_path, table, "", name="c.jsonl")
    plans = plans_of(load_scenario(path, environment={}))
    assert [(p.identity, p.id_tag, p.password) for p in plans] == [
        ("A-1", "17", "x"),
        ("A-2", "b", "y"),
    ]


def test_fewer_chargers_than_rows_are_the_first_rows(tmp_path: Path) -> None:
    scenario = load_scenario(with_data(tmp_path, TABLE, ", count: 2"), environment={})
    assert [plan.identity for plan in plans_of(scenario)] == ["A-1", "A-2"]
    assert with_chargers(scenario, 3).chargers == 3
    with pytest.raises(UsageWrong, match="would have 4, and its data has 3"):
        with_chargers(scenario, 4)


@pytest.mark.parametrize(
    ("table", "fields", "told"),
    [
        (TABLE, ", count: 4", "main.yaml:3:26: fleet[0].count: 4 chargers, but c.csv has 3 rows;"),
        (TABLE, ', id: "A"', "main.yaml:3:23: fleet[0].id: the identities come from data"),
        (TABLE.replace("A-3", "A-1"), "", "c.csv:4:1: 'A-1' is on line 2 already"),
        (TABLE.replace("A-3", "A 3"), "", "c.csv:4:1: id: 'A 3': ' ' cannot be in an OCPP"),
        (TABLE.replace("A-3", "A" * 49), "", "c.csv:4:1: id: "),
        (TABLE.replace("T3", ""), "", "c.csv:4:1: 'tag' is empty"),
        (TABLE.replace("T3", "T" * 21), "", "c.csv:4:1: tag: "),
        (TABLE.replace("pass-3", "pass-ü"), "", "c.csv:4:1: pw: not accepted; write 1 to 64"),
        (TABLE.replace("T2", "T2,T2"), "", "c.csv:3:1: 5 cells where the header has 4"),
        (TABLE.replace("A-3", "\nA-3"), "", "c.csv:4:1: the line is empty"),
        (TABLE.replace("tag", "tags"), "", "c.csv:1:1: there is no column 'tag'; the header has"),
        (TABLE.replace("spare", "id"), "", "c.csv:1:1: the header has 'id' twice"),
        ("id,tag,pw\n", "", "c.csv:1:1: there are no rows"),
        ("", "", "c.csv:1:1: there is no column 'id'; the header has nothing"),
        ('id,tag,pw\n"A', "", "c.csv:2:1: not CSV:"),
    ],
)
def test_a_mistake_in_a_data_file_has_its_line(
    tmp_path: Path, table: str, fields: str, told: str
) -> None:
    (problem,) = mistakes_in(with_data(tmp_path, table, fields))
    assert problem.startswith(told)
    assert "pass-" not in problem


def test_data_is_bounded(tmp_path: Path) -> None:
    rows = "".join(f"A{n},T,p\n" for n in range(10_001))
    (problem,) = mistakes_in(with_data(tmp_path, "id,tag,pw\n" + rows, ""))
    assert problem.startswith("c.csv:10002:1: more than 10000 rows")
    (problem,) = mistakes_in(with_data(tmp_path, "x" * (4 << 20) + "xx", ""))
    assert "c.csv': it is larger than 4 MiB" in problem.replace(str(tmp_path) + "/", "")
    (problem,) = mistakes_in(with_data(tmp_path, TABLE, "", name="c.txt"))
    assert "data is in files that end in .csv or .jsonl" in problem


def test_a_slice_without_data_still_needs_a_count_and_an_id() -> None:
    found = mistakes((HEAD % "").replace(', count: 3, id: "A{n}"', ""))
    assert [line.split(":")[0:3] for line in found] == [["s.yaml", "3", "9"]] * 2
    assert "'count' is missing" in found[0]
    assert "'id' is missing" in found[1]


def test_identities_of_data_and_of_patterns_may_not_clash(tmp_path: Path) -> None:
    path = with_data(tmp_path, TABLE, "")
    text = path.read_text().replace("fleet: [", 'fleet: [{name: t, count: 9, id: "A-{n}"}, ')
    path.write_text(text)
    (problem,) = mistakes_in(path)
    assert "fleet[1].id: 'A-1' is also in fleet[0]" in problem


# ── tags, passwords, labels, behaviour ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "pool"),
    [
        ("[A, B]", ("A", "B")),
        ('"TAG-{n:03}"', ("TAG-001", "TAG-002", "TAG-003")),
        ('{pattern: "T{n}", count: 2}', ("T1", "T2")),
        ("{file: tags.csv, column: tag}", ("T1", "T2")),
        ("ONE", ("ONE",)),
    ],
)
def test_drivers_of_a_slice_have_a_pool_of_tags(
    tmp_path: Path, written: str, pool: tuple[str, ...]
) -> None:
    text = HEAD % f", id_tags: {written}"
    path = in_files(tmp_path, main_yaml=text, tags_csv="n,tag\n1,T1\n2,T2\n")
    plans = plans_of(load_scenario(path, environment={}))
    assert {plan.spec.habits.id_tags for plan in plans} == {pool}


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (f"[{'T' * 21}]", "has 21 characters; a tag has at most 20"),
        ('"TAG-{n:04}-{x}"', "the only placeholders are {n} and {n:06}"),
        ("{pattern: T, count: 2}", "put {n} or {n:06} into it"),
        ("{}", "a list of tags, a pattern such as"),
        ("[]", "0 tags; write 1 to 10000"),
        ("{file: tags.csv}", "'column' is missing"),
        ("{file: tags.csv, column: nope}", "there is no column 'nope'"),
    ],
)
def test_a_pool_that_cannot_be_is_a_mistake(tmp_path: Path, written: str, told: str) -> None:
    path = in_files(tmp_path, main_yaml=HEAD % f", id_tags: {written}", tags_csv="tag\nT\n")
    (problem,) = mistakes_in(path)
    assert told in problem


def test_a_slice_has_a_behaviour_labels_and_a_password_of_its_own() -> None:
    text = (
        HEAD % ", behaviour: {pause: 1m}, labels: {region: north, site: '7'}, password: mine"
    ) + "behaviour: {pause: 5s, energy_kwh: 3, dwell: 1h}\n"
    scenario = read(text)
    part = scenario.fleet[0]
    assert part.labels == {"region": "north", "site": "7"}
    assert part.behaviour is not None
    habits = plans_of(scenario)[0].spec.habits
    assert (habits.pause_s, habits.energy_wh) == (Span(60, 60), Span(3000, 3000))
    assert habits.dwell_s == Span(3600, 3600)
    assert plans_of(scenario)[0].password == "mine"


# ── distributions ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("{constant: 5s}", Span(5, 5)),
        ("{uniform: {min: 5s, max: 20s}}", Span(5, 20)),
        ("{normal: {mean: 10s, sd: 3s, max: 1m}}", Normal(mean=10, sd=3, low=0, high=60)),
        ("{exponential: {mean: 5m}}", Exponential(mean=300, low=0, high=86_400)),
        ("{weibull: {scale: 1h, shape: 1.5}}", Weibull(scale=3600, shape=1.5, low=0, high=86_400)),
        ("{choice: {5s: 25%, 1m..2m: 3}}", Choice((Span(5, 5), Span(60, 120)), (0.25, 3))),
    ],
)
def test_distributions_are_written_with_the_units_of_their_field(
    written: str, read_as: object
) -> None:
    scenario = read((HEAD % "") + f"behaviour: {{think_time: {written}}}\n")
    assert scenario.behaviour.think_time_s == read_as


def test_energies_are_in_kilowatt_hours_in_distributions_too() -> None:
    text = "behaviour: {energy_kwh: {lognormal: {median: 15, sigma: 0.6, max: 80}}}\n"
    assert read((HEAD % "") + text).behaviour.energy_wh == Lognormal(
        median=15_000, sigma=0.6, low=1, high=80_000
    )


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{gauss: {mean: 1s}}", "think_time.gauss: 'gauss' is no distribution; write one of"),
        ("{normal: {mean: 1s}}", "think_time.normal: 'sd' is missing; write {normal:"),
        ("{normal: {mean: 1s, sd: 0s}}", "think_time.normal: sd must be above 0"),
        ("{normal: {mean: 1, sd: 1s}}", "think_time.normal.mean: '1' has no unit; write 1s"),
        ("{normal: {mean: 1s, sd: 1s, sigma: 2}}", "think_time.normal.sigma: unknown key"),
        ("{normal: 5s}", "think_time.normal: its parameters are expected here"),
        ("{normal: {mean: 1s, sd: 1s, min: 1h}}", "hardly any value lies between min and max"),
        ("{exponential: {mean: 1s, min: 9s, max: 2s}}", "min must be below max"),
        ("{uniform: {min: 2s, max: 1s}}", "min is above max"),
        ("{choice: {}}", "think_time.choice: a mapping of 1 to 100 values"),
        ("{choice: {1s: 0}}", "think_time.choice.1s: '0' is no weight"),
        ("{choice: {1: 1}}", "think_time.choice.1: '1' has no unit"),
        ("{constant: 1s, uniform: {}}", "think_time: one distribution is expected here"),
        ("[5s]", "think_time: one value or a range such as 5s..20s"),
    ],
)
def test_a_distribution_that_cannot_be_is_one_located_mistake(written: str, told: str) -> None:
    (problem,) = mistakes((HEAD % "") + f"behaviour: {{think_time: {written}}}\n")
    assert problem.startswith("s.yaml:5:")
    assert told in problem
