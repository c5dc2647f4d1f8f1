"""A client of server-sent events over a real socket, as a browser's EventSource is one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from builders_http import a_request, read_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Event(msgspec.Struct):
    """One dispatched event; `name` is "message" where the stream names none."""

    name: str
    data: str
    id: str

    @property
    def entry(self) -> dict[str, Any]:
        return msgspec.json.decode(self.data, type=dict[str, Any])


class EventSource:
    """What the specification of EventSource asks of a client: ids, names, comments, coming again.

    `connect` once per connection; ids survive from one to the next and are sent as Last-Event-ID.
    """

    def __init__(self, port: int, path: str, *, last_id: str = "") -> None:
        self._port = port
        self._path = path
        self.last_id = last_id
        self.retry_ms = 0
        self.comments: list[str] = []
        self.events: list[Event] = []
        self.messages: list[dict[str, Any]] = []
        """What `onmessage` was given, of all connections."""
        self.headers: dict[str, str] = {}
        self.status = 0

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[trio.SocketStream]:
        """One connection, read in the background until the block ends."""
        stream = await trio.open_tcp_stream("127.0.0.1", self._port)
        async with stream, trio.open_nursery() as nursery:
            ready = trio.Event()
            nursery.start_soon(self._read, stream, ready)
            await ready.wait()
            yield stream
            nursery.cancel_scope.cancel()

    async def _read(self, stream: trio.SocketStream, ready: trio.Event) -> None:
        headers = {"Accept": "text/event-stream"}
        if self.last_id:
            headers["Last-Event-ID"] = self.last_id
        await stream.send_all(a_request(self._path, headers=headers))
        reply, raw = await read_head(stream)
        self.status, self.headers = reply.status, reply.headers
        if self.status != 200:
            ready.set()
            return
        text = b""
        while True:
            content, raw = take_chunks(raw)
            text += content
            while b"\n\n" in text:
                block, _, text = text.partition(b"\n\n")
                self._dispatch(block.decode())
            if self.retry_ms:  # the first thing a stream sends: by then it listens
                ready.set()
            try:
                received = await stream.receive_some(65536)
            except trio.ClosedResourceError:  # by the test
                return
            if not received:
                return
            raw += received

    def _dispatch(self, block: str) -> None:
        name, data = "message", []
        for line in block.split("\n"):
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match field:
                case "":
                    self.comments.append(value)
                case "event":
                    name = value
                case "data":
                    data.append(value)
                case "id":
                    self.last_id = value
                case "retry":
                    self.retry_ms = int(value)
        if data:
            self.events.append(Event(name, "\n".join(data), self.last_id))
            if name == "message":
                self.messages.append(self.events[-1].entry)

    async def until(self, condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
        """Wait until something has come."""
        with trio.fail_after(within_s):
            while not condition():  # noqa: ASYNC110
                await trio.sleep(0.01)


def take_chunks(raw: bytes) -> tuple[bytes, bytes]:
    """The content of the whole chunks in `raw`, and the rest of it."""
    content = b""
    while b"\r\n" in raw:
        size, _, after = raw.partition(b"\r\n")
        length = int(size, 16)
        if len(after) < length + 2:
            break
        content, raw = content + after[:length], after[length + 2 :]
    return content, raw
