"""The HTTP server: Hypercorn on Trio, on a socket of our own.

Hypercorn writes to clients inside a shield without a deadline: one client that reads nothing would
hold up shutdown for ever. So the listening socket is ours and has TCP_USER_TIMEOUT, which every
accepted socket inherits: what a client does not take for `STALLED_S`, with the kernel's buffers
full, ends its connection. And the end comes by Hypercorn's trigger, never by cancelling first:
only then does the application end in order.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
from typing import TYPE_CHECKING, Final

import trio
from hypercorn.config import Config
from hypercorn.trio import serve

from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    from quart_trio import QuartTrio

    from simfleet.api.sse import Streams

__all__ = ["Listener", "is_loopback", "listen", "serve_http"]

STALLED_S: Final = 4.0
"""Without any progress of a client whose buffers are full; EventSource then connects again."""
BACKLOG: Final = 256
"""Connections that wait to be accepted."""
KEEP_ALIVE_S: Final = 75.0
"""For an idle connection, and for the head of a request to arrive."""
REQUESTS_PER_CONNECTION: Final = 1_000_000


class Listener:
    """A bound and listening socket. `host` and `port` are where it really listens."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening
        self.host, self.port = listening.getsockname()[:2]

    @property
    def url(self) -> str:
        """Where the service is, as people type it."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{shown}:{self.port}"

    def detach(self) -> int:
        """Hand the descriptor over; it is the caller's to close."""
        return self._socket.detach()

    def close(self) -> None:
        """Stop listening, unless it was handed over."""
        self._socket.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`, a name or an address."""
    try:
        found = {str(address[4][0]) for address in socket.getaddrinfo(host or None, None)}
    except OSError:
        return False
    return all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in found)


def listen(host: str, port: int) -> Listener:
    """Listen on `host`, a name or an address; port 0 takes a free one. Raises `UsageWrong`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageWrong(_why_not(host, port, error)) from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            stalled_ms = int(STALLED_S * 1000)
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, stalled_ms)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise UsageWrong(_why_not(host, port, error)) from None
    return Listener(listening)


def _why_not(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} of {host} is in use; choose another with --port, or 0 for a free one"
            )
        case errno.EACCES:
            return f"port {port} of {host} needs privileges; choose one above 1023"
    return f"cannot listen on {host!r} port {port}: {error.strerror or error}"


async def serve_http(
    app: QuartTrio,
    listener: Listener,
    *,
    streams: Streams,
    stopping: trio.Event,
    graceful_s: float,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `stopping` is set: then accept nothing more, end the streams, and give
    open requests `graceful_s` to be answered.

    Reports itself once requests are answered. To be told to stop, not cancelled: a cancelled
    server cuts everybody off.
    """

    async def shutdown_trigger() -> None:
        await stopping.wait()
        streams.end()

    async with trio.open_nursery() as nursery:
        config = _config(listener.detach(), graceful_s=graceful_s)

        async def run(*, task_status: trio.TaskStatus[list[str]]) -> None:
            await serve(
                app, config, shutdown_trigger=shutdown_trigger, task_status=task_status, mode="asgi"
            )

        await nursery.start(run)
        task_status.started()


def _config(descriptor: int, *, graceful_s: float) -> Config:
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.backlog = BACKLOG
    config.graceful_timeout = graceful_s
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = REQUESTS_PER_CONNECTION
    config.include_server_header = False
    config.accesslog = None  # its lines would show ?api_key=
    log = logging.getLogger("simfleet.http")
    log.setLevel(logging.WARNING)
    config.errorlog = log
    return config
