"""A service with nothing but a journal and its stream, whose journal gets rows at an even pace.

    python -m bench.sse_service --per-s 2000

As a process: see `children`. It says where it listens, then answers each line with what it has
done so far. Everything is the service's own but the chargers.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from bench.machine import raise_descriptor_limit
from bench.serving import KEY
from simfleet.api.app import create_app
from simfleet.api.logs import logs
from simfleet.api.server import listen, serve_http
from simfleet.api.services import Services
from simfleet.clock import WallClock, cpu_s
from simfleet.observe.health import Health
from simfleet.observe.hub import Hub
from simfleet.observe.lag import LoopLagProbe
from simfleet.settings import Settings
from simfleet.store import LogRow, open_store

if TYPE_CHECKING:
    from simfleet.store import Journal

TICK_S = 0.01
CHARGERS = 50
FRAME = (
    b'[2,"6f2c1b0e-3d84-4d0b-9a43-%012d","MeterValues",{"connectorId":1,"transactionId":4711,'
    b'"meterValue":[{"timestamp":"2026-11-20T08:33:00.125Z","sampledValue":[{"value":"10345","context"'
    b':"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"},{"value":"11000.0",'
    b'"measurand":"Power.Active.Import","unit":"W"},{"value":"16.0","measurand":"Current.Import",'
    b'"unit":"A"}]}]}]'
)


async def main(per_s: int) -> None:
    """Serve until standard input ends."""
    at_s = trio.current_time()
    clock, probe = WallClock(at_s), LoopLagProbe()
    stopping = trio.Event()
    nobody: Any = None  # of all the routes, only that of the stream is there
    with tempfile.TemporaryDirectory() as folder:
        async with open_store(Path(folder) / "sse.db") as store, trio.open_nursery() as nursery:
            user = await store.create_user("bench")
            await store.adopt_key(user.id, KEY)
            await nursery.start(store.journal.run)
            services = Services(
                store=store,
                registry=nobody,
                mass=nobody,
                runs=nobody,
                hub=Hub(clock),
                health=Health(at_s),
                clock=clock,
                settings=Settings(requests_per_s=0, requests_per_s_per_ip=0),
            )
            listener = listen("127.0.0.1", 0)
            port = listener.port
            serving = partial(
                serve_http,
                create_app(services, (logs,)),
                listener,
                streams=services.streams,
                stopping=stopping,
                graceful_s=1.0,
            )
            await nursery.start(serving)
            nursery.start_soon(probe.run)
            nursery.start_soon(_feed, store.journal, user.id, per_s, clock)
            _say(port=port)
            lines = trio.wrap_file(sys.stdin)
            while await lines.readline():
                counts = store.journal.counts()
                _say(
                    appended=counts.appended,
                    dropped=counts.dropped,
                    cpu_s=cpu_s(),
                    streams=len(services.streams),
                    loop_lag_p99_ms=_p99_ms(probe),
                    at_s=trio.current_time(),
                )
                probe.restart(trio.current_time())
            services.streams.end()
            stopping.set()
            nursery.cancel_scope.cancel()


async def _feed(journal: Journal, user_id: int, per_s: int, clock: WallClock) -> None:
    due_s, each = trio.current_time(), round(per_s * TICK_S)
    numbers = itertools.count(1)
    while True:
        due_s += TICK_S
        await trio.sleep_until(due_s)
        wall_s = clock.wall_s(due_s)
        for number in itertools.islice(numbers, each):
            journal.append(
                LogRow(
                    user_id=user_id,
                    chargepoint_id=f"SIM-{number % CHARGERS:04}",
                    direction="sent",
                    message_type="CALL",
                    action="MeterValues",
                    frame=FRAME % number,
                    at_wall_s=wall_s,
                )
            )


def _p99_ms(probe: LoopLagProbe) -> float:
    at = probe.histogram.get_percentile_to_value_dict([99.0])
    return at.get(99.0, 0) / 1000


def _say(**found: float) -> None:
    print(msgspec.json.encode(found).decode(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--per-s", type=int, required=True)
    raise_descriptor_limit()
    trio.run(main, parser.parse_args().per_s)
