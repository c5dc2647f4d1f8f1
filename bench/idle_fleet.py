"""A real `simfleet run` in mode `connect`, watched from outside, for bench_connect and _memory."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from bench.children import Child, ChildFailed, python
from bench.machine import generator_core, peer_core

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLL_S = 0.02
REPORTED_WITHIN_S = 120.0
STATUSES = 2  # connector 0 and the one there is

SCENARIO = """\
schema: 1
name: idle-fleet
target: {{url: embedded}}
fleet:
  - {{name: all, count: {chargers}, id: "SIM-{{n:05}}", version: ocpp1.6, type: AC, connectors: 1}}
stages:
{stages}
"""


class Ramp(NamedTuple):
    """Bring the fleet to a size, then hold it."""

    to: int
    over_s: float
    hold_s: float

    def __str__(self) -> str:
        ramp = f"  - {{do: ramp, to: {self.to}, over: {self.over_s:g}s, mode: connect}}"
        return f"{ramp}\n  - {{do: hold, for: {self.hold_s:g}s}}"


class IdleFleet:
    """A run in progress, and the sink it talks to."""

    def __init__(self, sink: Child, run: Child) -> None:
        self.sink = sink
        self.run = run

    def wait_until_reported(self, chargers: int) -> float:
        """Wait until so many have connected, booted and told all their statuses.

        Returns the seconds since the first of them connected, or since this was called, whatever
        came last.
        """
        began_s = time.monotonic()
        give_up_s = began_s + REPORTED_WITHIN_S
        while True:
            counted = self.sink.ask()
            at_s = time.monotonic()
            actions = counted["by_action"]
            booted = actions.get("BootNotification", 0)
            if booted >= chargers and actions.get("StatusNotification", 0) >= STATUSES * chargers:
                return at_s - began_s
            if counted["connections"] == 0:
                began_s = at_s
            if at_s > give_up_s or not self.run.running():
                raise ChildFailed(f"only {booted} of {chargers} chargers have booted")
            time.sleep(POLL_S)


@contextmanager
def idle_fleet(folder: Path, *ramps: Ramp) -> Iterator[IdleFleet]:
    """Start a run of these ramps against a fresh sink; ended when the block is left."""
    scenario = folder / "idle-fleet.yaml"
    text = SCENARIO.format(chargers=ramps[-1].to, stages="\n".join(map(str, ramps)))
    scenario.write_text(text, encoding="utf-8")
    with Child(python("bench.sink"), core=peer_core()) as sink:
        target = f"ws://127.0.0.1:{sink.hear()['port']}"
        out = ["--out", str(folder / "run"), "--quiet"]
        with Child(
            python("simfleet", "run", str(scenario), "--target", target, *out),
            core=generator_core(),
            stderr=subprocess.DEVNULL,
            stops_on_stdin=False,
        ) as run:
            yield IdleFleet(sink, run)
