"""A CSMS-shaped sink: answers every CALL with what its version wants, and does nothing else.

    python -m bench.sink [--heartbeat-interval-s 300] [--log-calls] [--late ramp:12]

One task per connection around websockets' sans-I/O protocol, no validation, no state but a
transaction counter: the cheapest thing that a correct station can talk to, so that what is measured
is the station. As a process: see `children`; it answers each line with what it has counted so far,
and the line `calls` with the log of all CALLs: `LoggedCall`.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import trio
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from bench.machine import raise_descriptor_limit

BACKLOG = 4096
READ_BYTES = 65536
STEADY_S = 0.1
"""How late an answer is at least when some are late: a hundredth of it, a millisecond, is more than
it takes to wake a process up.
"""


class Call(msgspec.Struct, array_like=True):
    """A CALL; the payload stays as it is."""

    type: int
    id: str
    action: str = ""
    payload: msgspec.Raw = msgspec.Raw(b"{}")


class SampledAt(msgspec.Struct):
    """The one field of a MeterValue that `--log-calls` keeps."""

    timestamp: str


class MeterValues(msgspec.Struct, rename="camel"):
    """What of a MeterValues request `--log-calls` looks at."""

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


class LoggedCall(NamedTuple):
    """What `--log-calls` keeps of a CALL; seconds are monotonic, which all processes share."""

    charger: str
    """The last part of its path."""
    id: str
    action: str
    stated: str
    """When a sample was taken, as the CALL says; of samples of a transaction only, else empty."""
    received_s: float
    writing_s: float
    """Just before its answer was handed to the kernel."""
    written_s: float
    """Just after."""


class Late:
    """How late answers are: `steady`, all by `STEADY_S`; `ramp:S`, a second more and more within S
    seconds after the first CALL and then no more; `one:N,T`, every Nth of all CALLs by T seconds.
    """

    def __init__(self, text: str) -> None:
        self.kind, _, figures = text.partition(":")
        if self.kind not in ("steady", "ramp", "one"):
            raise ValueError(f"late is {text!r}, it must be steady, ramp:S or one:N,T")
        self.figures = [float(figure) for figure in figures.split(",") if figure]
        self._began_s: float | None = None
        self._count = 0

    def delay_s(self, action: str, at_s: float) -> float:
        """Of a CALL that comes at `at_s`: MeterValues as said, DataTransfers by `STEADY_S`, none
        of others.
        """
        if action != "MeterValues":
            return STEADY_S if action == "DataTransfer" else 0.0
        self._count += 1
        if self._began_s is None:
            self._began_s = at_s
        if self.kind == "one":
            every, late_s = self.figures
            return late_s if self._count % every == 0 else STEADY_S
        if self.kind == "steady":
            return STEADY_S
        share = (at_s - self._began_s) / self.figures[0]
        return STEADY_S + (share if share < 1 else 0.0)


class Sink:
    """All connections together."""

    def __init__(self, *, heartbeat_interval_s: int, log_calls: bool, late: str = "") -> None:
        self.answered: dict[str, int] = {}
        self.connections = 0
        self.transactions = 0
        self.log: list[LoggedCall] | None = [] if log_calls else None
        """In the order of the answers."""
        self._interval_s = heartbeat_interval_s
        self.late = Late(late) if late else None
        """How late CALLs are answered."""

    async def serve(self, sock: trio.socket.SocketType) -> None:
        """Answer one station until it goes."""
        sock.setsockopt(trio.socket.IPPROTO_TCP, trio.socket.TCP_NODELAY, 1)
        self.connections += 1
        try:
            with sock:
                await self._serve(sock)
        except OSError:
            pass  # a station that went without a word is no fault of a sink
        finally:
            self.connections -= 1

    async def _serve(self, sock: trio.socket.SocketType) -> None:
        protocol = ServerProtocol(subprotocols=SUBPROTOCOLS)  # type: ignore[arg-type]
        charger = ""
        while data := await sock.recv(READ_BYTES):
            received_s = time.monotonic()
            calls: list[Call] = []
            protocol.receive_data(data)
            for event in protocol.events_received():
                if isinstance(event, Request):
                    protocol.send_response(protocol.accept(event))
                    charger = event.path.rpartition("/")[2]
                elif protocol.state is not State.OPEN:
                    pass  # its close frame came in the same read
                elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    call = CALL.decode(event.data)
                    if call.type == 2:
                        calls.append(call)
                        answer = self._answer(call, protocol.subprotocol)
                        if self.late is not None:
                            await trio.sleep(self.late.delay_s(call.action, time.monotonic()))
                        protocol.send_text(JSON.encode((3, call.id, answer)))
            if out := protocol.data_to_send():
                writing_s = time.monotonic()
                await _send_all(sock, b"".join(out))
                if self.log is not None:
                    times = (received_s, writing_s, time.monotonic())
                    self.log += (LoggedCall(charger, *_said(call), *times) for call in calls)
            if protocol.close_expected():
                break

    def _answer(self, call: Call, version: str | None) -> object:
        action = call.action
        self.answered[action] = self.answered.get(action, 0) + 1
        if action == "MeterValues":
            return NOTHING
        if action == "DataTransfer":
            return {"status": "Accepted"}
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
        }


def _said(call: Call) -> tuple[str, str, str]:
    """Its id, its action, and when it says that its sample was taken."""
    stated = ""
    if call.action == "MeterValues":
        taken = METER_VALUES.decode(call.payload)
        stated = taken.meter_value[0].timestamp if taken.transaction_id else ""
    return call.id, call.action, stated


async def _send_all(sock: trio.socket.SocketType, data: bytes) -> None:
    while (sent := await sock.send(data)) < len(data):
        data = data[sent:]


async def report(sink: Sink, port: int, scope: trio.CancelScope) -> None:
    """Say the port, then answer each line on stdin; its end ends the process."""
    print(JSON.encode({"port": port}).decode(), flush=True)
    async with trio.lowlevel.FdStream(sys.stdin.fileno()) as lines:
        rest = b""
        async for some in lines:
            *questions, rest = (rest + some).split(b"\n")
            for question in questions:
                said = {"calls": sink.log} if question == b"calls" else sink.counted()
                print(JSON.encode(said).decode(), flush=True)
    scope.cancel()


async def main(options: argparse.Namespace) -> None:
    raise_descriptor_limit()
    sink = Sink(
        heartbeat_interval_s=options.heartbeat_interval_s,
        log_calls=options.log_calls,
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
    parser.add_argument("--log-calls", action="store_true")
    parser.add_argument("--late", default="", help="steady, ramp:SECONDS or one:N,SECONDS")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    trio.run(main, parse())
