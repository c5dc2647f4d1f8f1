"""The second implementation of `Link`, on trio-websocket and wsproto: independent of websockets, to
tell "our stack" from "your server", and to be compared with it in `bench/`.

It needs tasks of its own, so it is an async context manager only. trio-websocket 0.12 waits for its
whole timeout when the server ends TCP before the 101, as an overloaded CSMS does; here the end of
its reader task ends that wait, and a witness on the stream keeps what the server had said.
"""

from __future__ import annotations

import math
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio
from trio_websocket import ConnectionClosed
from wsproto import ConnectionType, WSConnection

from simfleet.errors import LinkClosed
from simfleet.link import refusal
from simfleet.link.address import Target, endpoint_url, parse_target
from simfleet.link.dialing import dial
from simfleet.link.link import (
    CLOSE_TIMEOUT_S,
    SEND_PATIENCE_S,
    TCP_END_TIMEOUT_S,
    UNSENT_MAX_BYTES,
)
from simfleet.link.prompt_websocket import PromptConnection, Witness
from simfleet.link.tls import default_context
from simfleet.link.websocket import BODY_GRACE_S, basic_authorization, timed_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from simfleet.link.link import Link, LinkOptions

INBOX_MAX: Final = 64
"""Decoded messages that wait for `receive`; then the reader stops reading."""


@asynccontextmanager
async def open_trio_websocket(
    url: str, *, identity: str, subprotocol: str, options: LinkOptions
) -> AsyncIterator[Link]:
    """Open ``{url}/{identity}``; see `open_link`, which calls this.

    Permessage-deflate is never offered: trio-websocket has no way to.
    """
    target = parse_target(endpoint_url(url, identity))
    failure: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            link: TrioWebsocketLink | None = None
            try:
                with trio.move_on_after(options.connect_timeout_s):
                    link = await _open(nursery, target, identity, subprotocol, options)
                if link is None:
                    raise timed_out(target, options.connect_timeout_s)
                yield link
                await link.close()
            except LinkClosed as error:
                failure = error
                if link is not None:
                    await link.close()
                raise
            except BaseException as error:
                failure = error
                raise
            finally:
                if link is not None:
                    link.abort()
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # The tasks in the nursery raise nothing, so what the group holds is but `failure`.
        _, foreign = group.split(lambda e: e is failure or isinstance(e, trio.Cancelled))
        if failure is None or foreign is not None:
            raise
        raise failure from None


async def _open(
    nursery: trio.Nursery,
    target: Target,
    identity: str,
    subprotocol: str,
    options: LinkOptions,
) -> TrioWebsocketLink:
    headers = dict(options.headers)
    if options.password is not None:
        headers["Authorization"] = basic_authorization(identity, options.password)
    sock = await dial(target.host, target.port, source_address=options.source_address)
    try:
        witness = Witness(trio.SocketStream(trio.socket.from_stdlib_socket(sock)))
        if target.secure:
            await witness.start_tls(options.ssl_context or default_context(), target.host)
        connection = PromptConnection(
            witness,
            WSConnection(ConnectionType.CLIENT),
            host=target.authority,
            path=target.resource,
            client_subprotocols=[subprotocol],
            client_extra_headers=[(k.encode(), v.encode()) for k, v in headers.items()],
            message_queue_size=INBOX_MAX,
            max_message_size=options.max_size_bytes,
        )
        nursery.start_soon(connection.read)
        await connection.answered.wait()
        if not connection.accepted:
            with trio.move_on_after(BODY_GRACE_S):
                await connection.over.wait()
            raise witness.problem or refusal.judge(
                witness.received, cut=witness.cut, subprotocols=(subprotocol,)
            )
        if connection.subprotocol is None:
            raise refusal.wrong_subprotocol((subprotocol,), None)
    except BaseException:
        trio.lowlevel.notify_closing(sock.fileno())
        witness.drop()
        raise
    witness.opened = True
    link = TrioWebsocketLink(connection, witness, nursery, options)
    nursery.start_soon(link.write)
    return link


class TrioWebsocketLink:
    """`Link` on trio-websocket. Frames are written by a task of its own, which nobody cancels while
    the link is open, because a cancelled write would leave half a frame behind.
    """

    __slots__ = (
        "_closed",
        "_connection",
        "_drained",
        "_more",
        "_nursery",
        "_outbox",
        "_ping_interval_s",
        "_ping_s",
        "_pong_s",
        "_pong_timeout_s",
        "_unsent_bytes",
        "_witness",
        "subprotocol",
        "wake_at_s",
    )

    def __init__(
        self,
        connection: PromptConnection,
        witness: Witness,
        nursery: trio.Nursery,
        options: LinkOptions,
    ) -> None:
        self.subprotocol = connection.subprotocol or ""
        self._connection = connection
        self._witness = witness
        self._nursery = nursery
        self._outbox: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._more = trio.Event()
        self._drained = trio.Event()
        self._closed: LinkClosed | None = None
        self._ping_interval_s = options.ping_interval_s
        self._pong_timeout_s = options.pong_timeout_s
        self._pong_s = math.inf
        self._ping_s = math.inf
        if self._ping_interval_s:
            self._ping_s = trio.current_time() + self._ping_interval_s
        self.wake_at_s = self._ping_s

    async def send(self, frames: Sequence[bytes]) -> None:
        """See `Link.send`."""
        self.send_nowait(frames)
        if self._outbox:
            self._drained = trio.Event()
            with trio.move_on_after(SEND_PATIENCE_S):
                await self._drained.wait()

    def send_nowait(self, frames: Sequence[bytes]) -> bool:
        """See `Link.send_nowait`: a task of the link's own writes, so nobody need be woken."""
        self._check()
        if self._unsent_bytes > UNSENT_MAX_BYTES:
            self.abort()
            self._closed = LinkClosed("stalled", f"the peer left {self._unsent_bytes} bytes unread")
            self._check()
        self._outbox.extend(frames)
        self._unsent_bytes += sum(map(len, frames))
        if self._outbox:
            self._more.set()
        return True

    async def write(self) -> None:
        """Write what is sent, in order; never raises. Ends with the connection."""
        try:
            while True:
                while self._outbox:
                    await self._connection.send_message(self._outbox[0].decode())
                    self._unsent_bytes -= len(self._outbox.popleft())
                self._drained.set()
                self._more = trio.Event()
                await self._more.wait()
        except (ConnectionClosed, trio.ClosedResourceError, trio.BrokenResourceError):
            pass  # `receive` says why
        finally:
            self._drained.set()

    async def receive(self) -> bytes:
        """See `Link.receive`."""
        self._check()
        try:
            message = await self._connection.get_message()
        except ConnectionClosed:
            self._closed = self._closed or self._why_closed()
            self._check()
            raise
        if isinstance(message, bytes):
            self._closed = LinkClosed("protocol", "binary message; OCPP-J sends text")
            self._check()
        assert isinstance(message, str)
        return message.encode()

    def take_ready(self) -> bytes | None:
        """See `Link.take_ready`; messages are with the library, so there is never one."""
        self._check()
        return None

    def _check(self) -> None:
        if self._closed is not None:
            closed = self._closed
            self.wake_at_s = math.inf
            raise LinkClosed(closed.kind, closed.detail, code_ws=closed.code_ws)

    def _why_closed(self) -> LinkClosed:
        connection = self._connection
        if connection.close_received is not None:
            code_ws, reason = connection.close_received
            return LinkClosed("closed", reason, code_ws=code_ws)
        if connection.closed is None or connection.closed.code != 1006:
            detail = connection.closed.reason if connection.closed is not None else None
            return LinkClosed("protocol", detail or "the peer broke RFC 6455")
        return LinkClosed("reset" if self._witness.cut == "reset" else "eof")

    async def tick(self, *, at_s: float) -> None:
        """See `Link.tick`."""
        self._check()
        if at_s >= self._pong_s:
            self.abort()
            self._closed = LinkClosed("pong_timeout", f"no pong within {self._pong_timeout_s:g} s")
            self._check()
        if at_s >= self._ping_s:
            missed = math.floor((at_s - self._ping_s) / self._ping_interval_s)
            self._ping_s += (missed + 1) * self._ping_interval_s
            if self._pong_s == math.inf:
                self._pong_s = at_s + self._pong_timeout_s
                self._nursery.start_soon(self._ping)
        self.wake_at_s = min(self._ping_s, self._pong_s)

    async def _ping(self) -> None:
        try:
            await self._connection.ping()
        except ConnectionClosed:
            return
        self._pong_s = math.inf
        self.wake_at_s = self._ping_s

    async def close(self, code_ws: int = 1000, reason: str = "") -> None:
        """See `Link.close`."""
        if self._closed is not None and self._closed.kind == "protocol":
            # A binary message; everything else wsproto has answered, and this is ignored.
            code_ws, reason = 1003, self._closed.detail
        try:
            with trio.move_on_after(CLOSE_TIMEOUT_S):
                if self._outbox:
                    await self._drained.wait()
                self._closed = self._closed or LinkClosed("closed", "by us")
                await self._connection.aclose(code_ws, reason)
                with trio.move_on_after(TCP_END_TIMEOUT_S):
                    await self._connection.over.wait()
        finally:
            self.abort()

    def abort(self) -> None:
        """See `Link.abort`."""
        self._closed = self._closed or LinkClosed("closed", "aborted by us")
        self.wake_at_s = math.inf
        self._witness.drop()

    def abandon(self) -> Callable[[], None]:
        """See `Link.abandon`."""
        release = self._witness.kept_open()
        self.abort()
        return release
