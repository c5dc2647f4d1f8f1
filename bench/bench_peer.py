"""CPU per CALL beside Locust with websocket-client: boot, then heartbeats.

Both drive the same sink from the same core, one after the other, doing the same job: once in a
closed loop (the next heartbeat when the last one is answered), once at one heartbeat per second.
CPU time is taken from the outside over a stretch in which all are connected, and divided by the
CALLs that the sink has answered in it. Locust needs the extra: `pip install 'simfleet[bench]'`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import results
from bench.children import Child, ChildFailed, python
from bench.machine import generator_core, peer_core
from bench.results import NotInstalled, Row, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MEASURES = (
    "CPU time per CALL of whole stations, and of Locust users that only send and receive: boot, "
    "then heartbeats, in a closed loop and at one per second each."
)
RATIO_MAX = 0.7
CHARGERS = 1_000
CONNECTED_WITHIN_S = 60.0
SETTLES_S = 3.0
HOLD_S = 600
"""Longer than any measurement: a generator is ended when it has been measured."""

NOTE = (
    "At one heartbeat per second each, every send and every answer wakes the event loop alone, and "
    "waking Trio costs more than the CALL: the bare pump at the same pace shows how much. gevent's "
    "loop, which is C, wakes for less. Under load, CALLs share wakes, as in the closed loop."
)

SCENARIO = """\
schema: 1
name: heartbeats
target: {{url: embedded}}
fleet:
  - {{name: all, count: {chargers}, id: "SIM-{{n:05}}", version: ocpp1.6, type: AC, connectors: 1}}
stages:
  - {{do: ramp, to: {chargers}, over: 3s, mode: connect}}
  - {{do: hold, for: {hold_s}s}}
"""


class Cost(NamedTuple):
    """What a stretch of steady state took."""

    cpu_us_per_call: float
    calls_per_s: float
    cpu_share: float
    rss_mib: float


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Measure both, at both paces, Locust first."""
    if any(find_spec(name) is None for name in ("locust", "websocket")):
        raise NotInstalled(
            "needs Locust and websocket-client, which are not installed here: "
            "pip install 'simfleet[bench]' (make bench does)"
        )
    chargers, lasts_s = (100, 2.0) if quick else (CHARGERS, 10.0)
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "closed loop": (locust_command(chargers), closed_loop_command(chargers)),
            "1 heartbeat/s each": (locust_command(chargers), run_command(Path(folder), chargers)),
        }
        rows: list[Row] = []
        for pace, (locust, ours) in commands.items():
            interval_s = "0" if pace == "closed loop" else "1"
            say(f"{chargers:,} chargers, {pace}: Locust ...")
            environment = {"HEARTBEAT_INTERVAL_S": interval_s}
            theirs = cost_of(locust, chargers=chargers, lasts_s=lasts_s, environment=environment)
            say(f"{chargers:,} chargers, {pace}: SimFleet ...")
            mine = cost_of(ours, chargers=chargers, lasts_s=lasts_s)
            pump = cost_of(pump_command(chargers, interval_s), chargers=chargers, lasts_s=lasts_s)
            rows.append(_row(f"{chargers:,} chargers, {pace}", mine, theirs, pump))
    return rows, [NOTE]


def _row(case: str, ours: Cost, theirs: Cost, pump: Cost) -> Row:
    ratio = ours.cpu_us_per_call / theirs.cpu_us_per_call
    return Row(
        case=case,
        figure=ours.cpu_us_per_call,
        unit="us CPU per CALL",
        beside="Locust",
        beside_figure=theirs.cpu_us_per_call,
        ratio=ratio,
        target=f"at most {RATIO_MAX} of Locust's",
        reached=ratio <= RATIO_MAX,
        details={
            "bare pump at this pace us": pump.cpu_us_per_call,
            "CALLs/s": ours.calls_per_s,
            "CPU share": ours.cpu_share,
            "RSS MiB": ours.rss_mib,
            "Locust CALLs/s": theirs.calls_per_s,
            "Locust CPU share": theirs.cpu_share,
            "Locust RSS MiB": theirs.rss_mib,
        },
    )


def locust_command(chargers: int) -> list[str]:
    """Locust in one process, without its web page; the sink's URL comes behind it."""
    script = str(Path(__file__).with_name("locust_heartbeat.py"))
    users = ["--users", str(chargers), "--spawn-rate", str(chargers / 3)]
    return python("locust", "-f", script, "--headless", "--only-summary", *users, "--host")


def run_command(folder: Path, chargers: int) -> list[str]:
    """A load run in mode `connect`; the sink's URL comes behind it."""
    scenario = folder / "heartbeats.yaml"
    scenario.write_text(SCENARIO.format(chargers=chargers, hold_s=HOLD_S), encoding="utf-8")
    out = ["--quiet", "--out", str(folder / "run")]
    return python("simfleet", "run", str(scenario), *out, "--target")


def closed_loop_command(chargers: int) -> list[str]:
    """The same stations as in a load run, in a closed loop; the sink's URL comes behind it."""
    size = ("--chargers", str(chargers), "--lasts-s", str(HOLD_S))
    return python("bench.whole_station", "--job", "heartbeat", *size, "--target")


def pump_command(chargers: int, interval_s: str) -> list[str]:
    """The floor at the same pace (of MeterValues); the sink's URL comes behind it."""
    size = ("--chargers", str(chargers), "--lasts-s", str(HOLD_S), "--interval-s", interval_s)
    return python("bench.floor", *size, "--target")


def cost_of(
    command: Sequence[str],
    *,
    chargers: int,
    lasts_s: float,
    environment: Mapping[str, str] | None = None,
) -> Cost:
    """Run a generator against a fresh sink; the sink's URL is put at the end of `command`."""
    with Child(python("bench.sink", "--heartbeat-interval-s", "1"), core=peer_core()) as sink:
        url = f"ws://127.0.0.1:{sink.hear()['port']}"
        with Child(
            [*command, url],
            core=generator_core(),
            environment=environment,
            stderr=subprocess.DEVNULL,
            stops_on_stdin=False,
        ) as generator:
            _wait_until_connected(sink, generator, chargers)
            time.sleep(SETTLES_S)
            calls, cpu_s, at_s = _instant(sink, generator)
            time.sleep(lasts_s)
            now_calls, now_cpu_s, now_s = _instant(sink, generator)
            rss_mib = generator.rss_bytes() / 2**20
    calls, cpu_s, took_s = now_calls - calls, now_cpu_s - cpu_s, now_s - at_s
    return Cost(cpu_s / calls * 1e6, calls / took_s, cpu_s / took_s, rss_mib)


def _wait_until_connected(sink: Child, generator: Child, chargers: int) -> None:
    give_up_s = time.monotonic() + CONNECTED_WITHIN_S
    while (connected := sink.ask()["connections"]) < chargers:
        if time.monotonic() > give_up_s or not generator.running():
            raise ChildFailed(f"{generator.name}: only {connected} of {chargers} connected")
        time.sleep(0.2)


def _instant(sink: Child, generator: Child) -> tuple[int, float, float]:
    """CALLs answered, CPU seconds used, and when that was."""
    return sink.ask()["answered"], generator.cpu_s(), time.monotonic()


if __name__ == "__main__":
    packages = ("locust", "websocket-client", "gevent")
    sys.exit(results.main("bench_peer", MEASURES, measure, packages=packages))
