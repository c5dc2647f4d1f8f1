"""Resident memory per charger that is connected, booted and idle, at 10,000.

A real `simfleet run`, measured from outside at 100 and at 10,000 chargers: the slope, without what
the process needs anyway. The floor beside it is the slope of the bare pump: task, socket and
websockets' protocol object, without any station.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import results
from bench.bench_connect import bare_connect
from bench.idle_fleet import Ramp, idle_fleet
from bench.results import Row, say

if TYPE_CHECKING:
    from bench.idle_fleet import IdleFleet

MEASURES = (
    "Resident memory of the generator per connected, booted, idle charger: the slope between 100 "
    "and 10,000 chargers, beside that of a bare pump."
)
KIB_MAX = 25.0
FEW, MANY = 100, 10_000
SETTLES_S = 4.0


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Measure both sizes in one run."""
    many = 1_000 if quick else MANY
    say(f"{FEW} and {many:,} chargers ...")
    with tempfile.TemporaryDirectory() as folder:
        ramps = (
            Ramp(to=FEW, over_s=1, hold_s=2 * SETTLES_S),
            Ramp(to=many, over_s=many / 1000, hold_s=120),
        )
        with idle_fleet(Path(folder), *ramps) as fleet:
            few_bytes = _settled_bytes(fleet, FEW)
            many_bytes = _settled_bytes(fleet, many)
    kib = (many_bytes - few_bytes) / (many - FEW) / 1024
    floor_bytes = [bare_connect(chargers)["rss_bytes"] for chargers in (FEW, many)]
    floor_kib = (floor_bytes[1] - floor_bytes[0]) / (many - FEW) / 1024
    row = Row(
        case=f"{many:,} chargers",
        figure=kib,
        unit="KiB per charger",
        beside="bare pump",
        beside_figure=floor_kib,
        ratio=kib / floor_kib,
        target=f"at most {KIB_MAX:g} KiB",
        reached=kib <= KIB_MAX,
        details={
            f"RSS MiB at {FEW}": few_bytes / 2**20,
            f"RSS MiB at {many:,}": many_bytes / 2**20,
        },
    )
    return [row], []


def _settled_bytes(fleet: IdleFleet, chargers: int) -> int:
    fleet.wait_until_reported(chargers)
    time.sleep(SETTLES_S)
    return fleet.run.rss_bytes()


if __name__ == "__main__":
    sys.exit(results.main("bench_memory", MEASURES, measure))
