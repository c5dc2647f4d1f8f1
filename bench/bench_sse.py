"""What live log streams cost: 20 readers who each get 2,000 records a second.

The API with a journal that gets 2,000 rows a second, in a process of its own; the readers in
another, over real sockets. The floor beside it is the same service with nobody reading: feed,
journal and SQLite. Then the same again with one more reader who has stopped reading, which must
change nothing: neither what the others get nor the CPU. (The service cuts such a reader off after
some seconds; as an EventSource does, it comes again.)
"""

from __future__ import annotations

import sys
import time
from typing import NamedTuple

from bench import results
from bench.children import Child, python
from bench.machine import generator_core, peer_core
from bench.results import Row, say

MEASURES = (
    "CPU of the service, in cores, for 20 readers of /api/logs/stream at 2,000 records a second "
    "each, beside the same service with nobody reading; and what one stalled reader changes."
)
READERS = 20
PER_S = 2_000
CORES_MAX = 0.40
PACE_MIN = 0.99
"""Of the records that were to be appended."""
ON_ITS_WAY_S = 0.5
"""Records of so long may not have arrived yet when they are counted."""
CHANGES_MAX = 0.15
"""Of the CPU, either way: what two measurements of the same thing differ by on a quiet machine."""
WARM_UP_S = 2.0


class Found(NamedTuple):
    """What one case gave."""

    cores: float
    appended: int
    slowest: int
    """What the reader got who got least."""
    took_s: float
    missed: int
    loop_lag_p99_ms: float
    streams_left: int


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Measure without readers, with them, and with a stalled one more."""
    lasts_s = 3.0 if quick else 20.0
    found = {}
    for name, readers, stalled in (
        ("nobody", 0, False),
        ("readers", READERS, False),
        ("stalled", READERS, True),
    ):
        say(f"{readers} readers{', and one that has stopped reading' if stalled else ''} ...")
        found[name] = _case(readers, stalled=stalled, lasts_s=lasts_s)
    return _rows(found["nobody"], found["readers"], found["stalled"]), []


def _case(readers: int, *, stalled: bool, lasts_s: float) -> Found:
    command = python("bench.sse_service", "--per-s", str(PER_S))
    with Child(command, core=generator_core()) as service:
        port = int(service.hear()["port"])
        reading = python("bench.sse_readers", "--port", str(port), "--readers", str(readers))
        with Child([*reading, *["--stalled"] * stalled], core=peer_core()) as clients:
            clients.hear()
            time.sleep(WARM_UP_S)
            before, seen = service.ask(), clients.ask()
            time.sleep(lasts_s)
            after, now = service.ask(), clients.ask()
    took_s = after["at_s"] - before["at_s"]
    got = [late - early for early, late in zip(seen["events"], now["events"], strict=True)]
    return Found(
        cores=(after["cpu_s"] - before["cpu_s"]) / took_s,
        appended=after["appended"] - before["appended"],
        slowest=min(got, default=0),
        took_s=took_s,
        missed=now["missed"],
        loop_lag_p99_ms=after["loop_lag_p99_ms"],
        streams_left=int(after["streams"]),
    )


def _rows(nobody: Found, readers: Found, stalled: Found) -> list[Row]:
    change = stalled.cores / readers.cores - 1
    return [
        Row(
            case=f"{READERS} readers, {PER_S:,} records/s each",
            figure=readers.cores,
            unit="cores",
            beside="nobody reads",
            beside_figure=nobody.cores,
            ratio=readers.cores / nobody.cores,
            target=f"at most {CORES_MAX:g} cores, every record to every reader",
            reached=readers.cores <= CORES_MAX and _all_arrived(readers),
            details=_details(readers),
        ),
        Row(
            case="and one that has stopped reading",
            figure=stalled.cores,
            unit="cores",
            beside="without it",
            beside_figure=readers.cores,
            ratio=stalled.cores / readers.cores,
            target="changes nothing",
            reached=abs(change) <= CHANGES_MAX and _all_arrived(stalled),
            details=_details(stalled),
        ),
    ]


def _all_arrived(found: Found) -> bool:
    paced = found.appended >= PACE_MIN * PER_S * found.took_s
    whole = found.slowest >= found.appended - ON_ITS_WAY_S * PER_S
    return paced and whole and found.missed == 0


def _details(found: Found) -> dict[str, float | int | str]:
    return {
        "records/s": found.appended / found.took_s,
        "records/s of the slowest reader": found.slowest / found.took_s,
        "told of missed ones": found.missed,
        "loop lag p99, ms": found.loop_lag_p99_ms,
        "streams open at the end": found.streams_left,
    }


if __name__ == "__main__":
    sys.exit(results.main("bench_sse", MEASURES, measure, packages=("quart", "hypercorn")))
