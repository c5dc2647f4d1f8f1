"""Every built-in model in OCPP 2.x: a run of its chargers balances, whatever its quirks are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from simfleet.errors import ScenarioInvalid
from simfleet.load.run_folder import RunFolder
from simfleet.load.runner import Runner
from simfleet.load.scenario import parse_scenario
from simfleet.load.virtual import virtual_world
from simfleet.models.catalogue import built_in

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.load.conclusion import Finished

SCENARIO = """\
schema: 1
name: models
fleet:
  - {name: all, count: 2, id: "M-{n}", version: VERSION, SLICE}
behaviour: {think_time: 1s..3s, energy_kwh: 0.05..0.1, pause: 1s..4s}
stages: [{do: step, to: 2}, {do: hold, for: 15s}]
commands:
  - {send: GetBaseReport, at: 5s, payload: {requestId: 1, reportBase: FullInventory}}
"""
VERSIONS = pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])


def text_of(version: str, rest: str) -> bytes:
    return SCENARIO.replace("VERSION", version).replace("SLICE", rest).encode()


@VERSIONS
@pytest.mark.parametrize("name", built_in().names)
def test_a_run_of_a_model_balances(name: str, version: str, tmp_path: Path) -> None:
    often = "configuration: {MeterValueSampleInterval: 1}"
    scenario = parse_scenario(text_of(version, f"model: {name}, {often}"))
    world = virtual_world(scenario)

    async def main() -> Finished:
        with RunFolder.create(tmp_path / "run", name="models", start_wall_s=0.0) as folder:
            return await Runner(scenario, folder, watch=lambda _: None, world=world).run()

    finished = trio.run(main, clock=world.clock())
    assert [check for check in finished.checks if not check.holds] == []
    assert finished.verdict.result == "passed"
    summary = msgspec.to_builtins(finished.summary)
    assert summary["transactions"]["started"] >= 2
    assert summary["ledger"]["csms"]["reports"]["NotifyReport"]["complete"] == 2


@VERSIONS
def test_a_measurand_that_only_ocpp_16_has_is_a_mistake_in_2x(version: str) -> None:
    wanted = "configuration: {MeterValuesSampledData: Temperature}"
    with pytest.raises(ScenarioInvalid, match="MeterValuesSampledData"):
        parse_scenario(text_of(version, wanted))
