"""CPU per CALL beside Locust with websocket-client: boot, then a heartbeat per second.

Both drive the same sink, on the same core, one after the other, at the same pace. Their CPU time
is taken from the outside over a stretch in which all are connected, and divided by the CALLs that
the sink has answered in it. Locust needs the extra: `pip install 'simfleet[bench]'`.
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
    from collections.abc import Sequence

MEASURES = (
    "CPU time per CALL of the whole station, and of Locust users that only send and receive: boot, "
    "then one heartbeat per second each."
)
RATIO_MAX = 0.7
CONNECTED_WITHIN_S = 60.0
SETTLES_S = 3.0
HOLD_S = 600
"""Longer than any measurement: the run is ended when it has been measured."""

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
    """Measure both, Locust first."""
    missing = [name for name in ("locust", "websocket") if find_spec(name) is None]
    if missing:
        raise NotInstalled(
            "needs Locust and websocket-client, which are not installed here: "
            "pip install 'simfleet[bench]' (make bench does)"
        )
    chargers, lasts_s = (100, 2.0) if quick else (1_000, 15.0)
    peer = cost_of(locust_command(chargers), chargers=chargers, lasts_s=lasts_s)
    with tempfile.TemporaryDirectory() as folder:
        ours = cost_of(our_command(Path(folder), chargers), chargers=chargers, lasts_s=lasts_s)
    ratio = ours.cpu_us_per_call / peer.cpu_us_per_call
    row = Row(
        case=f"{chargers:,} chargers, {chargers:,} CALLs/s",
        figure=ours.cpu_us_per_call,
        unit="us CPU per CALL",
        beside="Locust",
        beside_figure=peer.cpu_us_per_call,
        ratio=ratio,
        target=f"at most {RATIO_MAX} of Locust's",
        reached=ratio <= RATIO_MAX,
        details={
            "CALLs/s": ours.calls_per_s,
            "CPU share": ours.cpu_share,
            "RSS MiB": ours.rss_mib,
            "Locust CALLs/s": peer.calls_per_s,
            "Locust CPU share": peer.cpu_share,
            "Locust RSS MiB": peer.rss_mib,
        },
    )
    return [row], []


def locust_command(chargers: int) -> list[str]:
    """Locust in one process, without its web page."""
    script = str(Path(__file__).with_name("locust_heartbeat.py"))
    users = ["--users", str(chargers), "--spawn-rate", str(chargers / 3)]
    return python("locust", "-f", script, "--headless", "--only-summary", *users, "--host")


def our_command(folder: Path, chargers: int) -> list[str]:
    """A load run in mode `connect`."""
    scenario = folder / "heartbeats.yaml"
    scenario.write_text(SCENARIO.format(chargers=chargers, hold_s=HOLD_S), encoding="utf-8")
    out = ["--quiet", "--out", str(folder / "run")]
    return python("simfleet", "run", str(scenario), *out, "--target")


def cost_of(command: Sequence[str], *, chargers: int, lasts_s: float) -> Cost:
    """Run a generator against a fresh sink; the sink's URL is put at the end of `command`."""
    say(f"{command[2]}: {chargers:,} chargers for {lasts_s:g} s ...")
    with Child(python("bench.sink", "--heartbeat-interval-s", "1"), core=peer_core()) as sink:
        url = f"ws://127.0.0.1:{sink.hear()['port']}"
        with Child(
            [*command, url],
            core=generator_core(),
            stderr=subprocess.DEVNULL,
            stops_on_stdin=False,
        ) as generator:
            _wait_until_connected(sink, generator, chargers)
            time.sleep(SETTLES_S)
            calls, cpu_s, at_s = _instant(sink, generator)
            time.sleep(lasts_s)
            calls, cpu_s, took_s = (
                after - before
                for after, before in zip(
                    _instant(sink, generator), (calls, cpu_s, at_s), strict=True
                )
            )
            rss_mib = generator.rss_bytes() / 2**20
    return Cost(cpu_s / calls * 1e6, calls / took_s, cpu_s / took_s, rss_mib)


def _wait_until_connected(sink: Child, generator: Child, chargers: int) -> None:
    give_up_s = time.monotonic() + CONNECTED_WITHIN_S
    while (connected := sink.ask()["connections"]) < chargers:
        if time.monotonic() > give_up_s or not generator.running():
            raise ChildFailed(f"{generator.name}: only {connected} of {chargers} connected")
        time.sleep(0.2)


def _instant(sink: Child, generator: Child) -> tuple[float, float, float]:
    """CALLs answered, CPU seconds used, and when that was."""
    return sink.ask()["answered"], generator.cpu_s(), time.monotonic()


if __name__ == "__main__":
    packages = ("locust", "websocket-client", "gevent")
    sys.exit(results.main("bench_peer", MEASURES, measure, packages=packages))
