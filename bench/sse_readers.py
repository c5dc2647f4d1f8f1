"""Readers of /api/logs/stream that only count, and one that stops reading.

    python -m bench.sse_readers --port 8080 --readers 20 [--stalled]

As a process: see `children`. It says when all are connected, then answers each line with what each
reader has received so far.
"""

from __future__ import annotations

import argparse
import socket
import sys

import msgspec
import trio

from bench.serving import KEY

READ_BYTES = 256 * 1024
REQUEST = f"GET /api/logs/stream HTTP/1.1\r\nHost: bench\r\nX-API-Key: {KEY}\r\n\r\n".encode()
SMALL_BUFFER_BYTES = 4096
STALL_S = 3.5
"""Shorter than the service has patience for, so that there always is a stalled reader."""


class Reader:
    """One connection, and what came over it."""

    def __init__(self) -> None:
        self.events = 0
        self.missed = 0
        self._rest = b""

    async def run(self, port: int, connected: trio.Event) -> None:
        """Read until cancelled or the stream ends."""
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(REQUEST)
            while received := await stream.receive_some(READ_BYTES):
                connected.set()
                self._count(received)

    def _count(self, received: bytes) -> None:
        # Lines are counted whole: the last one, which may go on, is left for the next time.
        whole, newline, self._rest = (self._rest + received).rpartition(b"\n")
        text = b"\n" + whole + newline
        self.events += text.count(b"\nid: ")
        self.missed += text.count(b"\nevent: missed\n")


async def stall(port: int) -> None:
    """Ask for the stream and read nothing of it; again and again, because it is cut off."""
    while True:
        connection = trio.socket.socket()
        with connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
            await connection.connect(("127.0.0.1", port))
            await connection.send(REQUEST)
            await trio.sleep(STALL_S)


async def main(port: int, readers: int, stalled: bool) -> None:
    """Read until standard input ends."""
    counting = [Reader() for _ in range(readers)]
    async with trio.open_nursery() as nursery:
        if stalled:
            nursery.start_soon(stall, port)
        for reader in counting:
            connected = trio.Event()
            nursery.start_soon(reader.run, port, connected)
            await connected.wait()
        _say(ready=1)
        lines = trio.wrap_file(sys.stdin)
        while await lines.readline():
            _say(
                events=[reader.events for reader in counting],
                missed=sum(reader.missed for reader in counting),
            )
        nursery.cancel_scope.cancel()


def _say(**found: object) -> None:
    print(msgspec.json.encode(found).decode(), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--readers", type=int, required=True)
    parser.add_argument("--stalled", action="store_true")
    options = parser.parse_args()
    trio.run(main, options.port, options.readers, options.stalled)
