"""Peers for link tests: servers that misbehave byte by byte, an echo server, certificates."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import ssl
import struct
from contextlib import asynccontextmanager, suppress
from dataclasses import fields
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import trio
import trustme
from websockets.utils import apply_mask

from simfleet.link.accepting import AcceptedLink, ServerLimits, ServerOptions
from simfleet.link.server import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from simfleet.errors import LinkClosed

ACCEPT_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
RST_ON_CLOSE = struct.pack("ii", 1, 0)


@lru_cache(maxsize=1)
def authority() -> trustme.CA:
    return trustme.CA()


@lru_cache(maxsize=1)
def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@lru_cache(maxsize=1)
def client_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority().configure_trust(context)
    return context


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@asynccontextmanager
async def a_raw_server(
    script: Callable[[trio.SocketStream], Awaitable[None]],
) -> AsyncIterator[int]:
    """Run `script` for each TCP connection; yields the port."""

    async def one(stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await script(stream)

    async with trio.open_nursery() as nursery:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, one, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def read_head(stream: trio.abc.ReceiveStream) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head:
        part = await stream.receive_some()
        if not part:
            break
        head += part
    return head


def switching(head: bytes, *, subprotocol: str | None = "ocpp1.6", extra: str = "") -> bytes:
    """The 101 that answers the request `head`."""
    match = re.search(rb"Sec-WebSocket-Key: (\S+)", head, re.IGNORECASE)
    assert match is not None
    accept = base64.b64encode(hashlib.sha1(match[1] + ACCEPT_GUID).digest()).decode()
    chosen = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n{chosen}{extra}\r\n"
    ).encode()


async def upgraded(stream: trio.SocketStream) -> None:
    await stream.send_all(switching(await read_head(stream)))


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A frame as a server sends it."""
    first = opcode | (0x80 if fin else 0)
    if len(payload) < 126:
        return bytes((first, len(payload))) + payload
    if len(payload) < 65536:
        return struct.pack("!BBH", first, 126, len(payload)) + payload
    return struct.pack("!BBQ", first, 127, len(payload)) + payload


async def read_frame(stream: trio.abc.ReceiveStream, *, buffer: bytearray) -> tuple[int, bytes]:
    """One masked frame of a client, unmasked; opcode 0x100 at the end of the stream."""

    async def exactly(count: int) -> bytes:
        while len(buffer) < count:
            part = await stream.receive_some()
            if not part:
                raise EOFError
            buffer.extend(part)
        taken = bytes(buffer[:count])
        del buffer[:count]
        return taken

    try:
        first, second = await exactly(2)
        length = second & 0x7F
        if length >= 126:
            length = int.from_bytes(await exactly(2 if length == 126 else 8), "big")
        key = await exactly(4)
        payload = await exactly(length)
    except EOFError:
        return 0x100, b""
    return first & 0x0F, apply_mask(payload, key)


def reset_on_close(stream: trio.SocketStream) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)


async def echo(link: AcceptedLink) -> None:
    while True:
        await link.send([await link.receive()])


LIMITS = {field.name for field in fields(ServerLimits)}


@asynccontextmanager
async def a_server(
    handler: Callable[[AcceptedLink], Awaitable[None]] = echo, **settings: Any
) -> AsyncIterator[int]:
    """Our own server; yields the port. `settings` are of `ServerOptions` and `ServerLimits`."""
    limits = ServerLimits(**{name: settings.pop(name) for name in LIMITS & settings.keys()})
    settings.setdefault("subprotocols", ("ocpp1.6",))
    options = ServerOptions(limits=limits, **settings)
    async with trio.open_nursery() as nursery:
        start = partial(serve, handler, host="127.0.0.1", port=0, options=options)
        yield await nursery.start(start)
        nursery.cancel_scope.cancel()


def kind_of(error: LinkClosed) -> tuple[str, int | None]:
    return error.kind, error.code_ws
