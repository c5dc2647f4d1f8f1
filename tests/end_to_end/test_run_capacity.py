"""`scenarios/capacity.yaml`, smaller and shorter: a CSMS with a knee; the search finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from end_to_end.simfleet_process import ROOT, run

if TYPE_CHECKING:
    from pathlib import Path

SHORTER = {
    "fleet[0].count": "60",
    "stages[0].from": "10",
    "stages[0].to": "60",
    "stages[0].by": "25",
    "stages[0].precision": "25",
    "stages[0].settle": "5s",
    "stages[0].hold": "4s",
    "stages[0].csms.misbehave": "[throttle=40]",
    "stages[1].over": "1s",
    "thresholds.capacity.passed": ">= 10",
}


def test_the_capacity_scenario_finds_a_knee(tmp_path: Path) -> None:
    options = [word for path, value in SHORTER.items() for word in ("--set", f"{path}={value}")]
    ended = run(ROOT / "scenarios" / "capacity.yaml", *options, folder=tmp_path / "run")
    found = ended.summary["capacity"]
    if found["ended"] == "generator":  # a machine that is busy with other things: said, not hidden
        assert "the generator was the limit" in found["text"]
        return
    assert found["ended"] == "knee", found
    assert 10 <= found["highest_passed"] < found["lowest_failed"] <= 60
    assert ended.code in (0, 106), str(ended)  # 106: the run as a whole was short of CPU
    assert found["broken"][0]["metric"] == "call.response.p99"
