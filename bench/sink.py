"""A CSMS-shaped sink: answers every CALL with what its version wants, and does nothing else.

    python -m bench.sink [--heartbeat-interval-s 300] [--keep-sample-times]

One task per connection around websockets' sans-I/O protocol, no validation, no state but a
transaction counter: the cheapest thing that a correct station can talk to, so that what is measured
is the station. As a process: see `children`; it answers each line with what it has counted so far.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime

import msgspec
import trio
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from bench.machine import raise_descriptor_limit

BACKLOG = 4096
READ_BYTES = 65536
STEADY_S = 0.05
"""How late an answer is at least when some are late: what is added by the machine is little of it.
"""


class Call(msgspec.Struct, array_like=True):
    """A CALL; the payload stays as it is."""

    type: int
    id: str
    action: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")


class SampledAt(msgspec.Struct):
    """The one field of a MeterValue that `--keep-sample-times` keeps."""

    timestamp: str


class MeterValues(msgspec.Struct, rename="camel"):
    """What of a MeterValues request `--keep-sample-times` looks at."""

    meter_value: list[SampledAt]
    transaction_id: int | None = None


CALL = msgspec.json.Decoder(Call)
METER_VALUES = msgspec.json.Decoder(MeterValues)
JSON = msgspec.json.Encoder()
NOTHING = msgspec.Raw(b"{}")
ACCEPTED = msgspec.Raw(b'{"idTagInfo":{"status":"Accepted"}}')
ANSWERS = {"Authorize": ACCEPTED, "StopTransaction": ACCEPTED}
ACCEPTED_2 = msgspec.Raw(b'{"idTokenInfo":{"status":"Accepted"}}')
SUBPROTOCOLS = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


class Late:
    """How late answers are: `ramp:S`, from nothing to a second evenly within S seconds after the
    first CALL and then no more; `one:N,T`, every Nth CALL of a connection by T seconds.

    Waited for on the clock of the machine, so that the truth can be computed from the schedule.
    """

    def __init__(self, text: str) -> None:
        self.kind, _, figures = text.partition(":")
        self.figures = [float(figure) for figure in figures.split(",")]
        self.began_s: float | None = None

    def delay_s(self, at_s: float, number: int) -> float:
        """Of a CALL that comes at `at_s`, the `number`th of its connection, from 0."""
        if self.began_s is None:
            self.began_s = at_s
        if self.kind == "one":
            every, late_s = self.figures
            return late_s if number % every == every - 1 else STEADY_S
        share = (at_s - self.began_s) / self.figures[0]
        return STEADY_S + (share if share < 1 else 0.0)

    async def wait(self, number: int) -> None:
        """Be late for it."""
        await trio.sleep(self.delay_s(time.time(), number))


class Sink:
    """All connections together."""

    def __init__(
        self, *, heartbeat_interval_s: int, keep_sample_times: bool, late: str = ""
    ) -> None:
        self.answered: dict[str, int] = {}
        self.connections = 0
        self.transactions = 0
        self.sample_times: list[list[str]] = []
        """Connections in the order they came, each with the times of its samples."""
        self._interval_s = heartbeat_interval_s
        self._keep = keep_sample_times
        self.late = Late(late) if late else None
        """How late MeterValues are answered."""

    async def serve(self, sock: trio.socket.SocketType) -> None:
        """Answer one station until it goes."""
        sock.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
        self.connections += 1
        times: list[str] = []
        self.sample_times.append(times)
        try:
            with sock:
                await self._serve(sock, times)
        except OSError:
            pass  # a station that went without a word is no fault of a sink
        finally:
            self.connections -= 1

    async def _serve(self, sock: trio.socket.SocketType, times: list[str]) -> None:
        protocol = ServerProtocol(subprotocols=SUBPROTOCOLS)  # type: ignore[arg-type]
        while data := await sock.recv(READ_BYTES):
            protocol.receive_data(data)
            for event in protocol.events_received():
                if isinstance(event, Request):
                    protocol.send_response(protocol.accept(event))
                elif protocol.state is not State.OPEN:
                    pass  # its close frame came in the same read
                elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    call = CALL.decode(event.data)
                    if call.type == 2:
                        answer = self._answer(call, times, protocol.subprotocol)
                        if self.late is not None and call.action == "MeterValues":
                            await self.late.wait(len(times) - 1)
                        protocol.send_text(JSON.encode((3, call.id, answer)))
            if out := protocol.data_to_send():
                await _send_all(sock, b"".join(out))
            if protocol.close_expected():
                break

    def _answer(self, call: Call, times: list[str], version: str | None) -> object:
        action = call.action
        self.answered[action] = self.answered.get(action, 0) + 1
        if action == "MeterValues":
            if self._keep and (taken := METER_VALUES.decode(call.payload)).transaction_id:
                times.append(taken.meter_value[0].timestamp)
            return NOTHING
        if action == "Heartbeat":
            return {"currentTime": now_text()}
        if action == "StartTransaction":
            self.transactions += 1
            return {"transactionId": self.transactions, "idTagInfo": {"status": "Accepted"}}
        if action == "BootNotification":
            interval_s = self._interval_s
            return {"status": "Accepted", "currentTime": now_text(), "interval": interval_s}
        if version in SUBPROTOCOLS[1:]:
            return ACCEPTED_2 if action == "Authorize" else NOTHING
        return ANSWERS.get(action, NOTHING)

    def counted(self) -> dict[str, object]:
        """What it has done so far, and what that took."""
        return {
            "answered": sum(self.answered.values()),
            "by_action": self.answered,
            "connections": self.connections,
            "cpu_s": time.process_time(),
            "late_began_s": None if self.late is None else self.late.began_s,
            "sample_times": [times for times in self.sample_times if times],
        }


async def _send_all(sock: trio.socket.SocketType, data: bytes) -> None:
    while (sent := await sock.send(data)) < len(data):
        data = data[sent:]


async def report(sink: Sink, port: int, scope: trio.CancelScope) -> None:
    """Say the port, then answer each line on stdin; its end ends the process."""
    print(JSON.encode({"port": port}).decode(), flush=True)
    async with trio.lowlevel.FdStream(sys.stdin.fileno()) as lines:
        async for some in lines:
            for _ in range(some.count(b"\n")):
                print(JSON.encode(sink.counted()).decode(), flush=True)
    scope.cancel()


async def main(options: argparse.Namespace) -> None:
    raise_descriptor_limit()
    sink = Sink(
        heartbeat_interval_s=options.heartbeat_interval_s,
        keep_sample_times=options.keep_sample_times,
        late=options.late,
    )
    listener = trio.socket.socket()
    await listener.bind(("127.0.0.1", 0))
    listener.listen(BACKLOG)
    async with trio.open_nursery() as nursery:
        port = listener.getsockname()[1]
        nursery.start_soon(report, sink, port, nursery.cancel_scope)
        while True:
            sock, _ = await listener.accept()
            nursery.start_soon(sink.serve, sock)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="a CSMS-shaped sink for benchmarks")
    parser.add_argument("--heartbeat-interval-s", type=int, default=300)
    parser.add_argument("--keep-sample-times", action="store_true")
    parser.add_argument("--late", default="", help="ramp:SECONDS or one:N,SECONDS")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    trio.run(main, parse())
