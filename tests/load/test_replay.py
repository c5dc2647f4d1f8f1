"""A run once more, from what its manifest says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from simfleet.errors import UsageWrong
from simfleet.load.adjust import with_chargers, with_seed
from simfleet.load.fleet_plans import plans_of
from simfleet.load.replay import MANIFEST, read_manifest, replay_of
from simfleet.load.run_folder import manifest
from simfleet.load.scenario import parse_scenario

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SCENARIO = """\
schema: 1
name: tiny
seed: 3
target: {url: embedded, password: "${CSMS_PASSWORD}"}
secrets: [CSMS_PASSWORD]
fleet:
  - {name: ac, count: 4, id: "T-{n:02}"}
  - {name: dc, count: 2, id: "D-{n:02}", type: DC}
stages: [{do: ramp, to: "${MOST:-6}", over: 1s}]
"""
SECRETS = {"CSMS_PASSWORD": "correct-horse-battery"}


def write_manifest(
    folder: Path,
    *,
    environment: Mapping[str, str],
    options: Mapping[str, Any] | None = None,
    overrides: list[str] | None = None,
    text: str = SCENARIO,
) -> dict[str, Any]:
    """The manifest of a run with these options, in a run folder; returns it."""
    scenario = parse_scenario(
        text.encode(), environment=environment, folder=folder, overrides=overrides or ()
    )
    options = options or {}
    if "chargers" in options:
        scenario = with_chargers(scenario, options["chargers"])
    if "seed" in options:
        scenario = with_seed(scenario, options["seed"])
    made = manifest(scenario, source=text.encode(), arguments=[], began_wall_s=0.0, options=options)
    (folder / MANIFEST).write_text(json.dumps(made))
    return made


def test_a_replay_has_the_same_fleet_and_the_same_schedule(tmp_path: Path) -> None:
    environment = {**SECRETS, "MOST": "3"}
    made = write_manifest(
        tmp_path, environment=environment, overrides=["fleet[0].count=8", "stages[0].over=9s"]
    )
    replay = replay_of(read_manifest(tmp_path), SECRETS)
    assert replay.warnings == []
    assert replay.scenario.chargers == 10
    assert replay.scenario.lasts_s == 9
    assert replay.scenario.stages[0].most == 3, "the variable had that value"
    assert replay.scenario.target.password == SECRETS["CSMS_PASSWORD"]
    assert replay.scenario_sha256 == made["scenario_sha256"]
    again = manifest(
        replay.scenario,
        source=replay.scenario_sha256,
        arguments=[],
        began_wall_s=0.0,
        plans=replay.plans,
    )
    assert again == made


def test_options_of_the_command_line_are_replayed(tmp_path: Path) -> None:
    made = write_manifest(tmp_path, environment=SECRETS, options={"chargers": 9, "seed": 77})
    replay = replay_of(read_manifest(tmp_path / MANIFEST), SECRETS)
    assert (replay.scenario.chargers, replay.scenario.seed) == (9, 77)
    assert made["fleet"]["count"] == 9
    assert [plan.identity for plan in replay.plans] == [
        plan.identity for plan in plans_of(replay.scenario)
    ]


def test_the_secrets_are_asked_from_the_environment_and_are_in_no_manifest(tmp_path: Path) -> None:
    write_manifest(tmp_path, environment=SECRETS)
    assert SECRETS["CSMS_PASSWORD"] not in (tmp_path / MANIFEST).read_text()
    with pytest.raises(UsageWrong, match="set CSMS_PASSWORD in the environment"):
        replay_of(read_manifest(tmp_path), {})


def test_another_fleet_is_refused(tmp_path: Path) -> None:
    made = write_manifest(tmp_path, environment=SECRETS)
    made["fleet"]["digest"] = "0" * 64
    (tmp_path / MANIFEST).write_text(json.dumps(made))
    with pytest.raises(UsageWrong, match=r"another fleet: 6 chargers.*run the scenario anew"):
        replay_of(read_manifest(tmp_path), SECRETS)


def test_another_version_or_schedule_is_told_aloud(tmp_path: Path) -> None:
    made = write_manifest(tmp_path, environment=SECRETS)
    made["versions"]["simfleet"] = "0.0.1"
    made["fleet"]["schedule_digest"] = "0" * 64
    (tmp_path / MANIFEST).write_text(json.dumps(made))
    warnings = replay_of(read_manifest(tmp_path), SECRETS).warnings
    assert any("its schedule is not" in one for one in warnings)
    assert any("made by SimFleet 0.0.1" in one for one in warnings)


def test_a_data_file_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    rows = tmp_path / "tags.csv"
    rows.write_text("id_tag\nA1\nA2\nA3\nA4\n")
    text = SCENARIO.replace(
        'id: "T-{n:02}"}', 'id: "T-{n:02}", data: {file: tags.csv, id_tag: id_tag}}'
    )
    write_manifest(tmp_path, environment=SECRETS, text=text)
    assert replay_of(read_manifest(tmp_path), SECRETS).plans[0].id_tag == "A1"
    rows.write_text("id_tag\nB1\nB2\nB3\nB4\n")
    with pytest.raises(UsageWrong, match=r"tags\.csv: not the file any more"):
        replay_of(read_manifest(tmp_path), SECRETS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        (b"{", "is no manifest"),
        (b'{"schema": 2, "seed": 1}', "this version reads 1"),
        (b'{"schema": 1, "seed": 1}', "before runs could be replayed"),
    ],
)
def test_what_is_no_manifest_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(UsageWrong, match=message):
        read_manifest(tmp_path)
