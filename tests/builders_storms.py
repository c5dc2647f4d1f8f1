"""Whole runs in a virtual world, for what is done to networks, power and the CSMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import trio

from simfleet.load.adjust import with_chargers
from simfleet.load.run_folder import RunFolder
from simfleet.load.runner import Runner
from simfleet.load.scenario import load_scenario, parse_scenario
from simfleet.load.virtual import virtual_world

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from simfleet.load.schema1 import Scenario
    from simfleet.load.stages.engine import Engine

WALL_S = 1_790_000_000.0


def stormy(*stages: str, slices: Sequence[str] = (), target: str = "embedded", **top: str) -> bytes:
    """A small fleet of 1.6 and 2.0.1 with short sessions, and these stages."""
    fleet = slices or (
        '{name: v16, count: 12, id: "A-{n:02}", reboot_time: 2s}',
        '{name: v201, count: 8, id: "B-{n:02}", version: ocpp2.0.1, reboot_time: 2s}',
    )
    lines = [f"{name}: {value}" for name, value in top.items()]
    return "\n".join(
        [
            "schema: 1",
            "name: stormy",
            "seed: 9",
            f"target: {{url: {target}}}",
            "fleet:",
            *(f"  - {part}" for part in fleet),
            "behaviour: {think_time: 500ms..1s, energy_kwh: 0.05..0.2, pause: 1s..3s}",
            "stages:",
            "  - {do: ramp, to: 20, over: 2s, mode: charging}",
            *(f"  - {stage}" for stage in stages),
            "  - {do: stop, over: 2s}",
            *lines,
        ]
    ).encode()


def virtually(
    scenario: Scenario | bytes | Path,
    path: Path,
    *,
    chargers: int | None = None,
    overrides: Sequence[str] = (),
    meanwhile: Callable[[Engine], None] | None = None,
) -> dict[str, Any]:
    """Run a scenario in a virtual world; its summary. `meanwhile` is called once a tick."""
    if isinstance(scenario, bytes):
        scenario = parse_scenario(scenario)
    elif not isinstance(scenario, msgspec.Struct):
        scenario = load_scenario(scenario, overrides)
    if chargers is not None:
        scenario = with_chargers(scenario, chargers)
    world = virtual_world(scenario, wall_s=WALL_S)
    at_work = scenario

    async def main() -> dict[str, Any]:
        with RunFolder.create(path, name="stormy", start_wall_s=WALL_S) as folder:
            runner = Runner(at_work, folder, watch=lambda _: look(runner), world=world)
            finished = await runner.run(heed_signals=False)
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(finished.summary))
        return found

    def look(runner: Runner) -> None:
        if meanwhile is not None and runner.engine is not None:
            meanwhile(runner.engine)

    return trio.run(main, clock=world.clock())


def broken(summary: dict[str, Any]) -> list[str]:
    """The checks of the books that do not hold, in words."""
    return [c["detail"] for c in summary["ledger"]["checks"] if not c["holds"]]
