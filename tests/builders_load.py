"""The run side for its tests: scenarios, balanced books, and whole runs in memory or on sockets."""

from __future__ import annotations

import contextlib
import math
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import trio
from trio.testing import MockClock

from simfleet.csms.behaviour import GOOD, Behaviour
from simfleet.csms.server import Csms
from simfleet.link.link import DEFAULT_OPTIONS, Dialer, Link, LinkOptions
from simfleet.link.memory import MemoryNetwork
from simfleet.link.opening import open_link
from simfleet.load.run_folder import RunFolder
from simfleet.load.runner import Runner
from simfleet.load.scenario import parse_scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from simfleet.load.conclusion import Finished
    from simfleet.load.progress import Progress
    from simfleet.load.schema1 import Scenario

MEMORY = "ws://memory/ocpp"
QUICK = ("{do: ramp, to: 4, over: 500ms}", "{do: hold, for: 5s}", "{do: stop, over: 500ms}")


def a_scenario(
    *,
    chargers: int = 4,
    target: str = "embedded",
    stages: Sequence[str] = QUICK,
    thresholds: str = "",
    behaviour: str = "think_time: 100ms..300ms, energy_kwh: 5..9, pause: 200ms..400ms",
    configuration: str = "MeterValueSampleInterval: 1",
    seed: int = 3,
    commands: str = "",
) -> Scenario:
    """Few chargers that start at once and charge until they are stopped."""
    text = f"""\
schema: 1
name: tiny
seed: {seed}
target: {{url: "{target}"}}
fleet:
  - {{name: ac, count: {chargers}, id: "T-{{n:02}}", configuration: {{{configuration}}}}}
behaviour: {{{behaviour}}}
stages: [{", ".join(stages)}]
commands: [{commands}]
thresholds: {{{thresholds}}}
"""
    return parse_scenario(text.encode())


def fleet_books(**changes: object) -> dict[str, Any]:
    """Books of a fleet that balance."""
    return {
        "transactions_opened": 7,
        "transactions_closed": 7,
        "transactions_open": 0,
        "starts_delivered": 7,
        "stops_delivered": 7,
        "stopped_twice": 0,
        "overlapping_calls": 0,
        "undelivered_messages": 0,
        "transactions_abandoned": 0,
        "energy_wh": 5000.25,
        "integral_wh": 5000.25,
        "faults_total": 0,
        "faults": [],
        "excused": excuses(),
        **changes,
    }


def excuses(**changes: object) -> dict[str, Any]:
    """What faults on purpose have done to the books: nothing, but for the changes."""
    return {
        "starts_lost": 0,
        "stops_lost": 0,
        "stops_misnamed": 0,
        "left_open": 0,
        "told_apart_wh": 0.0,
        "jumped_wh": 0.0,
        "stray_stops": 0,
        "registers_down": 0,
        "spoilt_frames": 0,
        "forgotten": 0,
        **changes,
    }


def csms_books(**changes: object) -> dict[str, Any]:
    """Books of a CSMS that agree with `fleet_books()`."""
    return {
        "starts": 7,
        "stops": 7,
        "transactions_open": 0,
        "stopped_twice": 0,
        "stop_unknown": 0,
        "duplicate_identities": 0,
        "overlapping_calls": 0,
        "register_decreases": 0,
        "violations": 0,
        "crashed": 0,
        "energy_wh": 4999,
        **changes,
    }


# ── whole runs ───────────────────────────────────────────────────────────────────────────────────


def a_folder(path: Path) -> RunFolder:
    return RunFolder.create(path, name="tiny", start_wall_s=0.0)


class Run:
    """A run that is over, and what it left behind."""

    def __init__(self, finished: Finished, runner: Runner, path: Path, seen: list[Progress]):
        self.finished = finished
        self.runner = runner
        self.path = path
        self.seen = seen
        self.summary: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(finished.summary))

    @property
    def result(self) -> str:
        return self.finished.verdict.result

    @property
    def problems(self) -> list[dict[str, Any]]:
        lines = (self.path / "errors.jsonl").read_bytes().splitlines()
        return [msgspec.json.decode(line) for line in lines]

    @property
    def broken(self) -> set[str]:
        return {check.name for check in self.finished.checks if not check.holds}


async def a_run(
    scenario: Scenario,
    path: Path,
    *,
    dial: Dialer = open_link,
    watch: Callable[[Progress], None] | None = None,
    before: Callable[[Runner], None] | None = None,
) -> Run:
    """Run a scenario on the clock and the network at hand."""
    seen: list[Progress] = []

    def note(progress: Progress) -> None:
        seen.append(progress)
        if watch is not None:
            watch(progress)

    with a_folder(path) as folder:
        runner = Runner(scenario, folder, watch=note, dial=dial)
        if before is not None:
            before(runner)
        finished = await runner.run()
    return Run(finished, runner, path, seen)


class ThreadsTakeNoTime(trio.abc.Instrument):
    """Keeps a simulated clock from jumping on while a worker thread writes a file."""

    def __init__(self, clock: MockClock) -> None:
        self._clock = clock
        self._threads = trio.to_thread.current_default_thread_limiter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        threshold = math.inf if self._threads.borrowed_tokens else 0
        if self._clock.autojump_threshold != threshold:
            self._clock.autojump_threshold = threshold


def run_in_memory(
    scenario: Scenario,
    path: Path,
    *,
    behaviour: Behaviour = GOOD,
    around: Callable[[Dialer], Dialer] = lambda dial: dial,
    watch: Callable[[Progress], None] | None = None,
    before: Callable[[Runner], None] | None = None,
) -> Run:
    """Run a scenario against a CSMS in memory, on a clock that jumps to whatever is next."""
    clock = MockClock(autojump_threshold=0)

    async def main() -> Run:
        network = MemoryNetwork()
        trio.lowlevel.add_instrument(ThreadsTakeNoTime(clock))
        async with trio.open_nursery() as nursery:
            csms = Csms(behaviour=behaviour)
            await nursery.start(network.serve, csms.handle)
            run = await a_run(scenario, path, dial=around(network.dial), watch=watch, before=before)
            nursery.cancel_scope.cancel()
        return run

    return trio.run(main, clock=clock)


def on_dialling(
    dial: Dialer,
    *,
    before: Callable[[str], None] = lambda identity: None,
    after: Callable[[str, Link], Link] = lambda identity, link: link,
) -> Dialer:
    """A dialer that calls `before` it connects, and hands out what `after` makes of the link."""

    @asynccontextmanager
    async def dial_so(
        url: str, *, identity: str, subprotocol: str, options: LinkOptions = DEFAULT_OPTIONS
    ) -> AsyncIterator[Link]:
        before(identity)
        wanted = dial(url, identity=identity, subprotocol=subprotocol, options=options)
        async with wanted as link:
            yield after(identity, link)

    def dial_with(
        url: str, *, identity: str, subprotocol: str, options: LinkOptions = DEFAULT_OPTIONS
    ) -> AbstractAsyncContextManager[Link]:
        return dial_so(url, identity=identity, subprotocol=subprotocol, options=options)

    return dial_with


class Twice:
    """A link that sends each message of one action again, under another message id."""

    def __init__(self, link: Link, action: bytes) -> None:
        self._link = link
        self._action = b'"' + action + b'"'

    def _twice(self, frames: Sequence[bytes]) -> list[bytes]:
        again = [
            frame.replace(b'[2,"', b'[2,"again-', 1) for frame in frames if self._action in frame
        ]
        return [*frames, *again]

    async def send(self, frames: Sequence[bytes]) -> None:
        await self._link.send(self._twice(frames))

    def send_nowait(self, frames: Sequence[bytes]) -> bool:
        return self._link.send_nowait(self._twice(frames))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)


@contextlib.contextmanager
def a_full_disk(file: Path) -> Iterator[None]:
    """While inside, whoever has this file open finds no space left on the device."""
    import os

    descriptor = next(
        int(link.name)
        for link in Path("/proc/self/fd").iterdir()
        if link.is_symlink() and os.path.realpath(link) == str(file.resolve())
    )
    full, kept = os.open("/dev/full", os.O_WRONLY), os.dup(descriptor)
    os.dup2(full, descriptor)
    try:
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(full)
