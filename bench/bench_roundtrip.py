"""CPU per OCPP round trip of the whole station, beside a bare pump with the same frames; and that
of stations of 2.x beside those of 1.6.

Closed loop: each charger sends its next MeterValues (2.x: TransactionEvent with the same reading)
when the last one is answered. The station is
all of it (`whole_station`): state machine, validation of what arrives, meter, histograms, records.
The floor (`floor`) is websockets' sans-I/O protocol on Trio and the JSON of the same payload.
"""

from __future__ import annotations

import sys
from typing import Any

from bench import results
from bench.children import Child, ChildFailed, python
from bench.machine import generator_core, peer_core
from bench.results import Row, say

MEASURES = (
    "CPU time of the generator per MeterValues round trip, closed loop: whole stations (state "
    "machine, validation of every frame that arrives, histograms, records) beside a bare pump "
    "with the same frames. 1.0 would be a station for nothing."
)
RATIO_MAX = 2.0
RATIO_2_MAX = 1.3
LATER = ("ocpp2.0.1", "ocpp2.1")
SIZES = (100, 1_000, 10_000)


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Measure all sizes."""
    lasts_s = 1.0 if quick else 8.0
    rows = [_row(chargers, lasts_s) for chargers in (SIZES[:1] if quick else SIZES)]
    size = min(len(rows) - 1, 1)
    rows += [_row_of(version, SIZES[size], lasts_s, rows[size].figure) for version in LATER]
    return rows, []


def _row(chargers: int, lasts_s: float) -> Row:
    say(f"{chargers:,} chargers ...")
    ours = measured("bench.whole_station", chargers=chargers, lasts_s=lasts_s)
    payload = ("--payload", ours["payload"])
    floor = measured("bench.floor", *payload, chargers=chargers, lasts_s=lasts_s)
    ratio = ours["cpu_us"] / floor["cpu_us"]
    return Row(
        case=f"{chargers:,} chargers",
        figure=ours["cpu_us"],
        unit="us CPU",
        beside="bare pump",
        beside_figure=floor["cpu_us"],
        ratio=ratio,
        target=f"at most {RATIO_MAX} times the floor",
        reached=ratio <= RATIO_MAX,
        details={
            "round trips/s": ours["per_s"],
            "CPU share": ours["cpu_share"],
            "floor round trips/s": floor["per_s"],
            "floor CPU share": floor["cpu_share"],
            "RSS MiB": ours["rss_bytes"] / 2**20,
            "floor RSS MiB": floor["rss_bytes"] / 2**20,
        },
    )


def _row_of(version: str, chargers: int, lasts_s: float, of_16_us: float) -> Row:
    name = version.upper().replace("OCPP", "OCPP ")
    say(f"{chargers:,} chargers, {name} ...")
    ours = measured("bench.whole_station", "--version", version, chargers=chargers, lasts_s=lasts_s)
    ratio = ours["cpu_us"] / of_16_us
    return Row(
        case=f"{chargers:,} chargers, {name}",
        figure=ours["cpu_us"],
        unit="us CPU",
        beside="OCPP 1.6",
        beside_figure=of_16_us,
        ratio=ratio,
        target=f"at most {RATIO_2_MAX} times 1.6's",
        reached=ratio <= RATIO_2_MAX,
        details={
            "round trips/s": ours["per_s"],
            "CPU share": ours["cpu_share"],
            "RSS MiB": ours["rss_bytes"] / 2**20,
        },
    )


def measured(module: str, *arguments: str, chargers: int, lasts_s: float) -> dict[str, Any]:
    """The figures of a generator in a closed loop against a fresh sink.

    Raises ChildFailed when it met with any fault: its figures would be of something else.
    """
    with Child(python("bench.sink"), core=peer_core()) as sink:
        target = f"ws://127.0.0.1:{sink.hear()['port']}"
        job = ("--target", target, "--chargers", str(chargers), "--lasts-s", str(lasts_s))
        with Child(python(module, *job, *arguments), core=generator_core()) as generator:
            generator.hear()
            found = generator.hear(timeout_s=120 + 2 * lasts_s)
    if found.get("faults"):
        raise ChildFailed(f"{module} met with {found['faults']} faults: {found['problems']}")
    return found


if __name__ == "__main__":
    sys.exit(results.main("bench_roundtrip", MEASURES, measure))
