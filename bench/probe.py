"""A bare reader beside the generator: how long an answer that is there takes to be read at all.

    python -m bench.probe --target ws://127.0.0.1:9000

One blocking socket, a DataTransfer every `INTERVAL_S` that the sink answers late enough for the
process to sleep meanwhile, and nothing between the return of `recv` and the reading of the clock.
On the generator's core it is told of its answers as late as any process there: what is faster than
that, no generator can measure on this machine. As a process: see
`children`; it answers each line with all its CALLs so far, `[id, sent_s, read_s]` on the monotonic
clock.
"""

from __future__ import annotations

import argparse
import select
import socket
import sys
import time

import msgspec
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

NAME = "PROBE"
INTERVAL_S = 0.0737
"""No multiple or part of anybody else's, so that it meets them at any point of theirs."""
READ_BYTES = 65536
ANSWER_TIMEOUT_S = 60.0


class Probe:
    """A connection and what was measured over it."""

    def __init__(self, url: str) -> None:
        uri = parse_uri(url)
        self._socket = socket.create_connection((uri.host, uri.port), timeout=ANSWER_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._protocol = ClientProtocol(uri, subprotocols=["ocpp1.6"])  # type: ignore[list-item]
        self._protocol.send_request(self._protocol.connect())
        self._socket.sendall(b"".join(self._protocol.data_to_send()))
        while not self._protocol.events_received():
            self._protocol.receive_data(self._socket.recv(READ_BYTES))
        self.calls: list[tuple[str, float, float]] = []

    def call(self) -> None:
        """One DataTransfer, from the frame to its answer."""
        id_ = f"probe-{len(self.calls)}"
        self._protocol.send_text(b'[2,"%s","DataTransfer",{"vendorId":"probe"}]' % id_.encode())
        frame = b"".join(self._protocol.data_to_send())
        sent_s = time.monotonic()
        self._socket.sendall(frame)
        data = self._socket.recv(READ_BYTES)
        read_s = time.monotonic()
        self._protocol.receive_data(data)
        while not self._protocol.events_received():
            data = self._socket.recv(READ_BYTES)
            read_s = time.monotonic()
            self._protocol.receive_data(data)
        self.calls.append((id_, sent_s, read_s))


def run(probe: Probe) -> None:
    """Make CALLs until stdin ends; say them all for each line there."""
    due_s = time.monotonic()
    while True:
        wait_s = max(0.0, due_s - time.monotonic())
        if select.select([sys.stdin], [], [], wait_s)[0]:
            if not sys.stdin.readline():
                return
            print(msgspec.json.encode({"calls": probe.calls}).decode(), flush=True)
        else:
            probe.call()
            due_s = max(due_s + INTERVAL_S, time.monotonic())


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="a bare reader beside a generator")
    parser.add_argument("--target", required=True)
    probe = Probe(f"{parser.parse_args(arguments).target}/{NAME}")
    print("{}", flush=True)
    run(probe)


if __name__ == "__main__":
    main()
