"""A wave of firmware over real sockets, with files that are really fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from end_to_end.simfleet_process import run

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = """\
schema: 1
name: wave
seed: 4
target: {url: embedded}
fleet:
  - {name: v16, count: 12, id: "A-{n}", install_time: 300ms, reboot_time: 300ms}
  - {name: v201, count: 8, id: "B-{n}", version: ocpp2.0.1, install_time: 300ms, reboot_time: 1s}
stages:
  - {do: ramp, to: 20, over: 500ms, mode: connect}
  - {do: firmware_wave, batch: 50%, every: 1s, within: 15s, name: wave, network: [NETWORK]}
  - {do: hold, for: 1s}
  - {do: stop, over: 300ms}
thresholds:
  storm.missing: "== 0"
  uploads.served: ">= 20"
  csms[firmware_statuses.Installed]: ">= 20"
"""
BAD = "{kind: latency, delay: 20ms, jitter: 50ms}, {kind: duplicate, probability: 10%}"


@pytest.mark.parametrize("network", ["", BAD])
def test_everybody_fetches_the_file_and_runs_what_is_in_it(tmp_path: Path, network: str) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO.replace("NETWORK", network), encoding="utf-8")
    ended = run(scenario)
    assert ended.code == 0, str(ended)
    summary = ended.summary
    [storm] = summary["storms"]
    assert (storm["chargers"], storm["back"]) == (20, 20)
    assert storm["seconds_to_50"] < storm["seconds_to_100"] < 12
    assert summary["uploads"]["served"] == 20
    assert summary["uploads"]["refused"] == 0
    statuses = summary["ledger"]["csms"]["firmware_statuses"]
    assert {"Downloading", "Downloaded", "Installing", "Installed"} <= statuses.keys()
    assert "DownloadFailed" not in statuses
    assert summary["ledger"]["csms"]["commands"]["UpdateFirmware"] == {"answered": 20}
    assert summary["ledger"]["balanced"] is True
    assert "20 downloaded" in ended.stdout
