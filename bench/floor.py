"""The floor under every figure: a bare pump. N WebSockets, closed loop, the same frame, no station.

    python -m bench.floor --target ws://127.0.0.1:9000 --chargers 1000 [--payload '{...}']

websockets' sans-I/O protocol on Trio, one task per connection: no state machine, no validation, no
deadline, no histogram, no record of anything; only the JSON of each frame, since no client can do
without. What a station costs is said as a multiple of it.
Prints one JSON object when all are connected, and one with the figures.
"""

from __future__ import annotations

import argparse
import gc
import time

import msgspec
import trio
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from bench.machine import raise_descriptor_limit

HANDSHAKES_AT_ONCE = 200
READ_BYTES = 65536
PAYLOAD = (
    b'{"connectorId":1,"transactionId":1,"meterValue":[{"timestamp":"2026-01-01T00:00:00.000Z",'
    b'"sampledValue":[{"value":"1234","context":"Sample.Periodic",'
    b'"measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]}'
)
JSON = msgspec.json.Encoder()
DECODE = msgspec.json.Decoder().decode


class SampledValue(msgspec.Struct, rename="camel", omit_defaults=True):
    """One value, as OCPP 1.6 has it."""

    value: str
    context: str | None = None
    measurand: str | None = None
    unit: str | None = None


class MeterValue(msgspec.Struct, rename="camel"):
    """The values of one moment."""

    timestamp: str
    sampled_value: list[SampledValue]


class MeterValues(msgspec.Struct, rename="camel", omit_defaults=True):
    """The payload that is sent: made once, and encoded for each frame."""

    connector_id: int
    meter_value: list[MeterValue]
    transaction_id: int | None = None


class Pump:
    """All connections together."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.round_trips = 0
        self._target: str = options.target
        self._chargers: int = options.chargers
        self._interval_s: float = options.interval_s
        self._payload = msgspec.json.decode(options.payload, type=MeterValues)
        self._connected = 0
        self._handshakes = trio.CapacityLimiter(HANDSHAKES_AT_ONCE)
        self._go = trio.Event()

    async def run(self, *, warms_up_s: float, lasts_s: float) -> None:
        """Connect all, warm up, measure, report on stdout; `lasts_s` 0: only connect."""
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        async with trio.open_nursery() as nursery:
            for index in range(self._chargers):
                nursery.start_soon(self._charger, index)
            await self._go.wait()
            _say(
                connect_s=time.perf_counter() - began_s,
                connect_cpu_s=time.process_time() - began_cpu_s,
                rss_bytes=_rss_bytes(),
            )
            if lasts_s == 0:
                nursery.cancel_scope.cancel()
                return
            gc.collect()
            gc.freeze()  # a collection over 10,000 tasks is no round trip
            gc.disable()  # as a load run does, for both
            await trio.sleep(warms_up_s)
            cpu_s, before, at_s = time.process_time(), self.round_trips, time.perf_counter()
            await trio.sleep(lasts_s)
            cpu_s, took_s = time.process_time() - cpu_s, time.perf_counter() - at_s
            done = self.round_trips - before
            _say(
                round_trips=done,
                cpu_us=cpu_s / done * 1e6,
                per_s=done / took_s,
                cpu_share=cpu_s / took_s,
                rss_bytes=_rss_bytes(),
            )
            nursery.cancel_scope.cancel()

    async def _charger(self, index: int) -> None:
        async with self._handshakes:
            sock, protocol = await _connect(f"{self._target}/FLOOR-{index}")
        self._connected += 1
        if self._connected == self._chargers:
            self._go.set()
        await self._go.wait()
        sent, due_s = 0, trio.current_time() + self._interval_s * index / self._chargers
        while True:
            if self._interval_s:
                await trio.sleep_until(due_s)
                due_s += self._interval_s
            sent += 1
            frame = JSON.encode((2, f"{index}-{sent}", "MeterValues", self._payload))
            protocol.send_text(frame)
            await sock.send(b"".join(protocol.data_to_send()))
            while not (events := protocol.events_received()):
                protocol.receive_data(await sock.recv(READ_BYTES))
            for event in events:
                DECODE(event.data)  # type: ignore[union-attr]
                self.round_trips += 1


async def _connect(url: str) -> tuple[trio.socket.SocketType, ClientProtocol]:
    uri = parse_uri(url)
    sock = trio.socket.socket()
    await sock.connect((uri.host, uri.port))
    sock.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
    protocol = ClientProtocol(uri, subprotocols=["ocpp1.6"])  # type: ignore[list-item]
    protocol.send_request(protocol.connect())
    await sock.send(b"".join(protocol.data_to_send()))
    while not protocol.events_received():
        protocol.receive_data(await sock.recv(READ_BYTES))
    return sock, protocol


def _rss_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * 4096


def _say(**figures: float) -> None:
    print(JSON.encode(figures).decode(), flush=True)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="the floor: a bare pump over sans-I/O websockets")
    parser.add_argument("--target", required=True, help="URL of a sink")
    parser.add_argument("--chargers", type=int, default=100)
    parser.add_argument("--warms-up-s", type=float, default=1.0)
    parser.add_argument("--lasts-s", type=float, default=5.0, help="0: only connect")
    parser.add_argument("--interval-s", type=float, default=0.0, help="0: closed loop")
    parser.add_argument("--payload", type=str.encode, default=PAYLOAD, help="of each MeterValues")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    options = parse()
    raise_descriptor_limit()
    pump = Pump(options)
    trio.run(lambda: pump.run(warms_up_s=options.warms_up_s, lasts_s=options.lasts_s))
