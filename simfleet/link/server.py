"""Serving WebSockets: an embedded CSMS's end of the links. One task per connection."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from simfleet.errors import LinkClosed, LinkError
from simfleet.link.accepting import (
    AcceptedLink,
    Accepting,
    Drop,
    Refuse,
    ServerOptions,
    Stall,
    Unopened,
    unopened,
)

ACCEPT_BATCH: Final = 64
"""Connections accepted in one go, before the other tasks get their turn."""
ACCEPT_PAUSE_S: Final = 0.05
"""How long not to accept when no descriptor is left."""

_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_log = logging.getLogger("simfleet.link.server")


Handler = Callable[[AcceptedLink], Awaitable[None]]


async def serve(
    handler: Handler,
    *,
    host: str,
    port: int,
    options: ServerOptions,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; reports the bound port once connections are accepted.

    `handler` runs in a task of its own for each link, which is closed with 1000 when it returns,
    with 1001 when the server is cancelled, with 1011 when it raises. `LinkClosed` is a normal end.
    `port` 0 takes a free one. Raises `OSError` when the address cannot be bound.
    """
    listeners = await _listen(host, port, options.limits.backlog)
    try:
        async with trio.open_nursery() as nursery:
            server = _Server(handler, options, nursery)
            for listener in listeners:
                nursery.start_soon(server.accept, listener, name=f"accept:{host}")
            task_status.started(listeners[0].getsockname()[1])
    finally:
        for listener in listeners:
            trio.lowlevel.notify_closing(listener.fileno())
            listener.close()


async def _listen(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Bind every address of `host`, all to one port."""
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, address in await trio.socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            listener = socket.socket(family, socket.SOCK_STREAM)
            listeners.append(listener)
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # Inherited by every connection, which saves a system call for each.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address[0], port, *address[2:]))
            listener.listen(backlog)
            port = listener.getsockname()[1]
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


class _Server:
    """Accepts connections, and runs one task for each."""

    def __init__(self, handler: Handler, options: ServerOptions, nursery: trio.Nursery) -> None:
        self._handler = handler
        self._options = options
        self._nursery = nursery
        self._shaking = 0
        self._fewer: trio.Event | None = None

    async def accept(self, listener: socket.socket) -> None:
        """Accept from one listener for ever."""
        while True:
            if self._shaking >= self._options.limits.handshakes_max:
                self._fewer = self._fewer or trio.Event()
                await self._fewer.wait()
            await trio.lowlevel.wait_readable(listener.fileno())
            if not self._accept_batch(listener):
                await trio.sleep(ACCEPT_PAUSE_S)

    def _accept_batch(self, listener: socket.socket) -> bool:
        """Accept what is waiting; False when this process has no room for more."""
        for _ in range(min(ACCEPT_BATCH, self._options.limits.handshakes_max - self._shaking)):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return True
            except OSError as error:
                if error.errno in _NO_ROOM:
                    _log.warning("cannot accept: %s", error)
                    return False
                continue  # that peer left again while it was waiting
            sock.setblocking(False)
            self._shaking += 1
            host = f"[{address[0]}]" if ":" in address[0] else address[0]
            remote = f"{host}:{address[1]}"
            self._nursery.start_soon(self._connection, sock, remote, name=f"link:{remote}")
        return True

    def _handshake_over(self) -> None:
        self._shaking -= 1
        if self._fewer is not None:
            self._fewer.set()
            self._fewer = None

    async def _connection(self, sock: socket.socket, remote: str) -> None:
        link = await self._open(sock, remote)
        if link is None:
            return
        try:
            await self._handler(link)
            await link.close()
        except LinkClosed:
            await link.close()
        except Exception as error:
            link.leave(1011)
            if self._options.on_crash is None:
                raise
            self._options.on_crash(link, error)
        finally:
            link.leave(1001)

    async def _open(self, sock: socket.socket, remote: str) -> AcceptedLink | None:
        """Do the handshake, in a frame of its own so that nothing of it stays in memory."""
        accepting = Accepting(sock, remote, self._options)
        link = asked = None
        counted = True
        why = ""  # for who counts the connections that were not opened
        try:
            with trio.move_on_after(self._options.limits.handshake_timeout_s) as in_time:
                asked = await accepting.read_request()
                if asked is None:
                    why = Unopened.NO_WEBSOCKET if accepting.received else Unopened.CUT
                    return None
                match accepting.verdict(*asked):
                    case Refuse() as refusal:
                        why = refusal.reason or str(refusal.status)
                        await accepting.refuse(refusal)
                    case Drop() as drop:
                        accepting.drop(drop)
                    case Stall():
                        self._handshake_over()
                        counted = False
                        while await accepting.receive():
                            accepting.received.clear()
                    case _:
                        link = await accepting.open(*asked)
            if in_time.cancelled_caught and asked is None:
                why = Unopened.TIMED_OUT
        except (LinkError, OSError) as failure:
            why = why or unopened(failure)  # the peer gave up; the rest is its to report
        finally:
            if counted:
                self._handshake_over()
            if link is None:
                sock.close()
            if why and self._options.on_refused is not None:
                self._options.on_refused(str(why))
        return link
