"""The scenarios that come with SimFleet pass: large ones smaller and shorter here, those of
`ocpp16/`, `ocpp201/` and `ocpp21/`, which take seconds and check themselves, as they are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from builders_newcomer import ROOT, listening_csms, shortened, typed
from simfleet.load.scenario import load_scenario
from simfleet.ocpp.versions import catalog_of

if TYPE_CHECKING:
    from pathlib import Path

SMALLER = {
    **{"external-csms": 10, "idle": 30, "mixed-fleet": 60, "ten-thousand": 60},
    **{"morning-peak": 60, "soak": 60},
}
"""Chargers of each. `smoke` is small: tests/cli/test_run.py runs it as it is."""
ELSEWHERE = {
    "smoke",  # tests/cli/test_run.py
    *("cases", "smart-charging-dispatch"),  # tests/load/test_cases_run.py
    "capacity",  # tests/end_to_end/test_run_capacity.py
    *("blackout", "boot-storm", "firmware-wave"),  # tests/load/test_storms.py, as the next three
    *("reconnect-storm", "rolling-restart", "slow-csms"),
}
"""Run by other tests."""
SAMPLED = "configuration.MeterValueSampleInterval=1"  # else there are none in a second
FITTED = {
    "idle": ["thresholds.connections.peak=== 30"],  # it counts the chargers of the whole scenario
    "mixed-fleet": [f"fleet[{n}].{SAMPLED}" for n in range(3)],
    "ten-thousand": [f"fleet[0].{SAMPLED}"],
    "morning-peak": ["start_at=08:30", "stages[1].rate=10/s"],  # at the top of its curve
    "soak": [  # a second of it says nothing of drift
        'thresholds={sessions.lost: "== 0", call.error_ratio: "== 0", schema.violations: "== 0"}'
    ],
}


BLOCKS = {
    "ocpp16": {
        "core",
        "faults",
        "firmware",
        "local-list",
        "models",
        "reservation",
        "security",
        "smart-charging",
    },
    "ocpp201": {
        "authorization-and-control",
        "certificates",
        "display-and-firmware",
        "monitoring",
        "provisioning",
        "reservation",
        "smart-charging",
        "transactions",
    },
    "ocpp21": {"core", "energy", "streams", "tariffs"},
}
WITHOUT_COMMANDS = {"ocpp16/faults"}


def test_every_scenario_is_run_by_a_test() -> None:
    scenarios = ROOT / "scenarios"
    assert {file.stem for file in scenarios.glob("*.yaml")} == SMALLER.keys() | ELSEWHERE
    folders = [path for path in scenarios.iterdir() if path.is_dir()]
    assert {path.name: {file.stem for file in path.iterdir()} for path in folders} == BLOCKS


@pytest.mark.parametrize("name", SMALLER)
def test_a_scenario_passes(name: str, tmp_path: Path) -> None:
    scenario = ROOT / "scenarios" / f"{name}.yaml"
    options = shortened(scenario, chargers=SMALLER[name])
    for fitted in FITTED.get(name, ()):
        options += ["--set", fitted]
    with listening_csms() as (_, url):
        if name == "external-csms":
            options += ["--target", f"{url}/ocpp"]
        ended = typed(["run", str(scenario), "--quiet", "--out", "run", *options], folder=tmp_path)
    assert ended.code == 0, ended
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert summary["chargers"]["booted"] == SMALLER[name]
    assert summary["ledger"]["balanced"] is True
    assert (summary["ledger"]["csms"] is None) == (name == "external-csms")
    assert (summary["transactions"]["started"] > 0) == (name != "idle")


@pytest.mark.parametrize(
    ("version", "name"),
    [(version, name) for version, names in BLOCKS.items() for name in sorted(names)],
)
def test_a_scenario_of_a_version_keeps_its_promises(
    version: str, name: str, tmp_path: Path
) -> None:
    scenario = ROOT / "scenarios" / version / f"{name}.yaml"
    ended = typed(["run", str(scenario), "--quiet", "--out", "run"], folder=tmp_path)
    assert ended.code == 0, ended
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert summary["verdict"]["result"] == "passed"
    assert summary["ledger"]["balanced"] is True
    assert summary["chargers"]["booted"] == summary["chargers"]["target"]
    commands = summary["scenario_commands"]
    if f"{version}/{name}" not in WITHOUT_COMMANDS:
        assert commands["totals"]["sent"] > 0
        assert all(event["complete"] for event in commands["events"])
        assert all(sent["sent"] for sent in commands["by_action"].values())


def sent_in(*versions: str) -> set[str]:
    """What the scenarios of these versions have the CSMS send."""
    return {
        command.send
        for version in versions
        for name in BLOCKS[version]
        for command in load_scenario(ROOT / "scenarios" / version / f"{name}.yaml").commands
    }


# A certificate is only sent for a request of the station: the embedded CSMS does it by itself.
BY_ITSELF = {"CertificateSigned"}


def test_together_they_send_every_message_that_a_csms_has_in_1_6() -> None:
    assert sent_of("ocpp1.6") - sent_in("ocpp16") == BY_ITSELF


def test_together_they_send_every_message_that_a_csms_has_in_2_0_1() -> None:
    assert sent_of("ocpp2.0.1") - sent_in("ocpp201") == BY_ITSELF


def test_together_they_send_every_message_that_a_csms_has_in_2_1() -> None:
    assert sent_of("ocpp2.1") - sent_in("ocpp201", "ocpp21") == BY_ITSELF


def sent_of(version: str) -> set[str]:
    """What a CSMS sends in this version."""
    actions = catalog_of(version).actions
    return {name for name, action in actions.items() if "csms" in action.sent_by}
