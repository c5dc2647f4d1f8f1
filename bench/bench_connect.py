"""How fast a fleet comes up: connect, boot and report all statuses, 10,000 chargers.

A real `simfleet run` whose ramp asks for more than can be done; the time is taken at the CSMS, from
the first connection to the last StatusNotification. The floor beside it only opens WebSockets.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench import results
from bench.children import Child, python
from bench.idle_fleet import Ramp, idle_fleet
from bench.machine import generator_core, peer_core
from bench.results import Row, say

MEASURES = (
    "Chargers per second that connect, boot and report both statuses (4 round trips), sustained "
    "over the whole fleet, beside WebSockets per second that a bare pump opens (1 round trip)."
)
PER_S_MIN = 1_000.0
CHARGERS = 10_000
ASKED_PER_S = 10_000.0


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Bring one fleet up."""
    chargers = 500 if quick else CHARGERS
    say(f"{chargers:,} chargers ...")
    with tempfile.TemporaryDirectory() as folder:
        ramp = Ramp(to=chargers, over_s=chargers / ASKED_PER_S, hold_s=120)
        with idle_fleet(Path(folder), ramp) as fleet:
            took_s = fleet.wait_until_reported(chargers)
            cpu_s = fleet.run.cpu_s()
    floor = bare_connect(chargers)
    per_s, floor_per_s = chargers / took_s, chargers / floor["connect_s"]
    row = Row(
        case=f"{chargers:,} chargers",
        figure=per_s,
        unit="chargers/s",
        beside="bare pump, WebSocket only",
        beside_figure=floor_per_s,
        ratio=per_s / floor_per_s,
        target=f"at least {PER_S_MIN:,.0f}/s",
        reached=per_s >= PER_S_MIN,
        details={
            "took s": took_s,
            "CPU s in all, start included": cpu_s,
            "CPU us per charger": cpu_s / chargers * 1e6,
            "floor CPU us per WebSocket": floor["connect_cpu_s"] / chargers * 1e6,
        },
    )
    return [row], []


def bare_connect(chargers: int) -> dict[str, float]:
    """What the floor says when all its connections are open: seconds, CPU seconds, memory."""
    with Child(python("bench.sink"), core=peer_core()) as sink:
        target = f"ws://127.0.0.1:{sink.hear()['port']}"
        job = ("--target", target, "--chargers", str(chargers), "--lasts-s", "0")
        with Child(python("bench.floor", *job), core=generator_core()) as floor:
            return floor.hear()


if __name__ == "__main__":
    sys.exit(results.main("bench_connect", MEASURES, measure))
