"""A whole day of a fleet on a virtual clock: how long it takes, and whether memory grows with it.

A `simfleet run --virtual` in a process of its own, whose memory is looked at after each simulated
hour. The slope is of the second half of the run: by then everything bounded is full. The CSMS and
its books are in the same process; they are bounded too, and part of the figure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import results
from bench.results import Row, say

MEASURES = (
    "A simulated day of 10,000 charging chargers: charger-hours per minute, and how much memory an "
    "hour of it adds."
)
CHARGER_HOURS_PER_MIN = 10_000.0
"""10,000 chargers for 24 h in 24 minutes."""
MIB_PER_HOUR_MAX = 1.0
HOUR_S = 3600.0

SCENARIO = """\
schema: 1
name: virtual-day
seed: 42
target: {{url: embedded}}
fleet:
  - {{name: ac, count: {chargers}, id: "SIM-{{n:05}}", version: ocpp1.6, type: AC, connectors: 1,
     max_power_kw: 22, configuration: {{MeterValueSampleInterval: 900}}}}
behaviour: {{think_time: 10m..6h, energy_kwh: 5..40, pause: 1h..8h}}
stages:
  - {{do: ramp, to: {chargers}, over: 10m, mode: charging}}
  - {{do: hold, for: {hours}h}}
  - {{do: stop, over: 10m}}
"""
CHILD = """\
import json, sys
import psutil, trio
from pathlib import Path
from simfleet.clock import stopwatch_s
from simfleet.load.run_folder import RunFolder
from simfleet.load.runner import Runner
from simfleet.load.scenario import load_scenario
from simfleet.load.virtual import virtual_world

scenario = load_scenario(sys.argv[1])
world = virtual_world(scenario)
seen, process = [], psutil.Process()

def watch(progress):
    if progress.elapsed_s >= 3600.0 * len(seen):
        seen.append([progress.elapsed_s, process.memory_info().rss, progress.calls])
        print(f"{progress.elapsed_s / 3600:5.1f} h  {seen[-1][1] >> 20} MiB", file=sys.stderr)

out = Path(sys.argv[2])
with RunFolder.create(out, name="virtual", start_wall_s=0.0) as folder:
    began_s = stopwatch_s()

    async def main():
        return await Runner(scenario, folder, watch=watch, world=world).run()

    finished = trio.run(main, clock=world.clock())
    took_s = stopwatch_s() - began_s
print(json.dumps({
    "took_s": took_s, "seen": seen, "result": finished.verdict.result,
    "load_s": finished.summary["load_s"], "calls": finished.summary["call_totals"]["count"],
    "cpu_s": finished.summary["generator"]["cpu_s"],
}))
"""


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Run one day, or a short one."""
    chargers, hours = (200, 12) if quick else (10_000, 24)
    say(f"{chargers:,} chargers for {hours} h ...")
    found = _run(chargers, hours)
    speed = chargers * found["load_s"] / HOUR_S / (found["took_s"] / 60)
    per_hour = slope_mib([(at_s / HOUR_S, rss / 2**20) for at_s, rss, _ in found["seen"]])
    shared = {"calls": found["calls"], "us per CALL": found["took_s"] * 1e6 / found["calls"]}
    case = f"{chargers:,} chargers, {hours} h"
    return [
        Row(
            case=case,
            figure=speed,
            unit="charger-hours per minute",
            target=f"at least {CHARGER_HOURS_PER_MIN:,.0f}",
            reached=None if quick else speed >= CHARGER_HOURS_PER_MIN,
            details={"minutes": found["took_s"] / 60, "CPU s": found["cpu_s"], **shared},
        ),
        Row(
            case=f"{case}: memory",
            figure=per_hour,
            unit="MiB per simulated hour",
            target=f"at most {MIB_PER_HOUR_MAX:g} MiB",
            reached=None if quick else per_hour <= MIB_PER_HOUR_MAX,
            details={
                f"MiB at {at_s / HOUR_S:.0f} h": rss / 2**20 for at_s, rss, _ in found["seen"]
            },
        ),
    ], [f"result: {found['result']}"]


def slope_mib(points: list[tuple[float, float]]) -> float:
    """MiB per hour over the second half of (hour, MiB), by least squares."""
    late = points[len(points) // 2 :]
    mean_h = sum(hour for hour, _ in late) / len(late)
    mean_mib = sum(mib for _, mib in late) / len(late)
    spread = sum((hour - mean_h) ** 2 for hour, _ in late)
    return sum((hour - mean_h) * (mib - mean_mib) for hour, mib in late) / spread if spread else 0.0


def _run(chargers: int, hours: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "day.yaml"
        path.write_text(SCENARIO.format(chargers=chargers, hours=hours))
        child = subprocess.run(
            [sys.executable, "-c", CHILD, str(path), str(Path(name) / "run")],
            stdout=subprocess.PIPE,
            check=True,
        )
    found: dict[str, Any] = json.loads(child.stdout)
    return found


if __name__ == "__main__":
    sys.exit(results.main("bench_virtual", MEASURES, measure))
