"""What recording and exporting cost of the CPU of an OCPP round trip.

Closed loop, as `bench_roundtrip`, but one fleet in turns: everything recorded and exported, then
nothing (`recorded_station`).
"""

from __future__ import annotations

import statistics
import sys
from typing import Final

from bench import results
from bench.bench_roundtrip import measured
from bench.results import Row, say

MEASURES: Final = (
    "CPU time of the generator per MeterValues round trip in alternating turns: with counters, "
    "histograms of the fleet and of two slices, hub, health, progress, run.hlog, timeline.csv, "
    "actions.csv, Prometheus and JSONL every second, InfluxDB and OTLP every 5 s, and with none of "
    "it."
)
COST_MAX: Final = 0.10
CHARGERS: Final = 1_000


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Measure one size."""
    turns, lasts_s = (1, 5.0) if quick else (8, 5.0)
    say(f"{CHARGERS:,} chargers, {turns} turns each ...")
    found = measured(
        "bench.recorded_station", "--turns", str(turns), chargers=CHARGERS, lasts_s=lasts_s
    )
    recorded, silent = (statistics.median(found[name]) for name in ("recorded_us", "silent_us"))
    cost = recorded / silent - 1
    row = Row(
        case=f"{CHARGERS:,} chargers",
        figure=recorded,
        unit="us CPU",
        beside="nothing recorded",
        beside_figure=silent,
        ratio=recorded / silent,
        target=f"at most {1 + COST_MAX:.2f} times, a cost of {COST_MAX:.0%}",
        reached=cost <= COST_MAX,
        details={
            "cost": round(cost, 3),
            "recorded, least": min(found["recorded_us"]),
            "silent, least": min(found["silent_us"]),
        },
    )
    return [row], []


if __name__ == "__main__":
    sys.exit(results.main("bench_recording", MEASURES, measure))
