"""The scenarios that come with SimFleet pass: smaller and shorter here, otherwise as they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from builders_newcomer import ROOT, listening_csms, shortened, typed

if TYPE_CHECKING:
    from pathlib import Path

SMALLER = {"external-csms": 10, "idle": 30, "ten-thousand": 60}
"""Chargers of each. `smoke` is small: tests/cli/test_run.py runs it as it is."""
FITTED = {
    "idle": "thresholds.connections.peak=== 30",  # it counts the chargers of the whole scenario
    "ten-thousand": "fleet[0].configuration.MeterValueSampleInterval=1",  # else none in a second
}


def test_every_scenario_is_run_by_a_test() -> None:
    assert {file.stem for file in (ROOT / "scenarios").iterdir()} == SMALLER.keys() | {"smoke"}


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
