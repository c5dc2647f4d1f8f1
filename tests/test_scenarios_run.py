"""The scenarios that come with SimFleet pass: large ones smaller and shorter here, those of
`ocpp16/`, which take seconds and check themselves, as they are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from builders_newcomer import ROOT, listening_csms, shortened, typed
from simfleet.load.scenario import load_scenario
from simfleet.ocpp.v16 import V16

if TYPE_CHECKING:
    from pathlib import Path

SMALLER = {"external-csms": 10, "idle": 30, "ten-thousand": 60}
"""Chargers of each. `smoke` is small: tests/cli/test_run.py runs it as it is."""
FITTED = {
    "idle": "thresholds.connections.peak=== 30",  # it counts the chargers of the whole scenario
    "ten-thousand": "fleet[0].configuration.MeterValueSampleInterval=1",  # else none in a second
}


OCPP16 = {
    "core",
    "faults",
    "firmware",
    "local-list",
    "models",
    "reservation",
    "security",
    "smart-charging",
}


def test_every_scenario_is_run_by_a_test() -> None:
    scenarios = ROOT / "scenarios"
    assert {file.stem for file in scenarios.glob("*.yaml")} == SMALLER.keys() | {"smoke"}
    assert {file.stem for file in (scenarios / "ocpp16").iterdir()} == OCPP16
    assert {path.name for path in scenarios.iterdir() if path.is_dir()} == {"ocpp16"}


@pytest.mark.parametrize("name", SMALLER)
def test_a_scenario_passes(name: str, tmp_path: Path) -> None:
    scenario = ROOT / "scenarios" / f"{name}.yaml"
    options = shortened(scenario, chargers=SMALLER[name])
    options += ["--set", FITTED[name]] if name in FITTED else []
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


@pytest.mark.parametrize("name", sorted(OCPP16))
def test_a_scenario_of_ocpp_1_6_keeps_its_promises(name: str, tmp_path: Path) -> None:
    scenario = ROOT / "scenarios" / "ocpp16" / f"{name}.yaml"
    ended = typed(["run", str(scenario), "--quiet", "--out", "run"], folder=tmp_path)
    assert ended.code == 0, ended
    summary = json.loads((tmp_path / "run" / "summary.json").read_text("utf-8"))
    assert summary["verdict"]["result"] == "passed"
    assert summary["ledger"]["balanced"] is True
    assert summary["chargers"]["booted"] == summary["chargers"]["target"]
    commands = summary["scenario_commands"]
    if name != "faults":
        assert commands["totals"]["sent"] > 0
        assert all(event["complete"] for event in commands["events"])
        assert all(sent["sent"] for sent in commands["by_action"].values())


def test_together_they_send_every_message_that_a_csms_has() -> None:
    sent = {
        command.send
        for name in OCPP16
        for command in load_scenario(ROOT / "scenarios" / "ocpp16" / f"{name}.yaml").commands
    }
    of_csms = {name for name, action in V16.actions.items() if "csms" in action.sent_by}
    # A certificate is only sent for a request of the station: the embedded CSMS does it by itself.
    assert of_csms - sent == {"CertificateSigned"}
