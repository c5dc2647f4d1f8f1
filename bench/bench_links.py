"""Both transports side by side: CPU per round trip of the same stations over either.

`websockets` is our link over websockets' sans-I/O protocol, the default; `trio-websocket` is the
independent implementation that `transport: trio-websocket` selects. Everything above is the same.
"""

from __future__ import annotations

import sys

from bench import results
from bench.bench_roundtrip import measured
from bench.results import Row, say

MEASURES = (
    "CPU time of the generator per MeterValues round trip, closed loop, whole stations, over our "
    "own link and over trio-websocket."
)


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Measure both transports at two sizes."""
    lasts_s = 1.0 if quick else 8.0
    rows: list[Row] = []
    for chargers in (100,) if quick else (100, 1_000):
        figures = {}
        for transport in ("websockets", "trio-websocket"):
            say(f"{chargers:,} chargers over {transport} ...")
            figures[transport] = measured(
                "bench.whole_station",
                "--transport",
                transport,
                chargers=chargers,
                lasts_s=lasts_s,
            )
        ours, other = figures["websockets"], figures["trio-websocket"]
        rows.append(
            Row(
                case=f"{chargers:,} chargers, our link",
                figure=ours["cpu_us"],
                unit="us CPU",
                beside="trio-websocket",
                beside_figure=other["cpu_us"],
                ratio=ours["cpu_us"] / other["cpu_us"],
                details={
                    "RSS MiB": ours["rss_bytes"] / 2**20,
                    "trio-websocket RSS MiB": other["rss_bytes"] / 2**20,
                },
            )
        )
    return rows, []


if __name__ == "__main__":
    sys.exit(results.main("bench_links", MEASURES, measure, packages=("wsproto",)))
