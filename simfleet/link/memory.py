"""Links without a network: an in-process pair, and a network of them, for tests under a simulated
clock.

They keep the contract of `Link`: bounded buffers, sends that go on after a cancellation, close
codes, a peer that vanishes. Nothing here needs a real clock or a file descriptor.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from simfleet.errors import ConnectFailed, ConnectReason, LinkClosed
from simfleet.link.accepting import Drop, Handshake, Refuse, Stall
from simfleet.link.address import endpoint_url, identity_of, parse_target
from simfleet.link.link import (
    DEFAULT_OPTIONS,
    MAX_SIZE_BYTES,
    SEND_PATIENCE_S,
    UNSENT_MAX_BYTES,
    Leaving,
    LinkOptions,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from simfleet.link.accepting import Verdict
    from simfleet.link.link import Link, ServerLink

INBOX_MAX: Final = 64
"""Messages that wait for the receiver, like a socket's buffer; further ones wait with the sender.
"""
CERTIFICATE_HEADER: Final = "X-Client-Certificate"
"""Names the client certificate that is shown, as a proxy in front of a CSMS does: memory has no
TLS."""


class MemoryLink:
    """One end of a pair. Messages move synchronously; only a full inbox makes a sender wait."""

    __slots__ = (
        "_closed",
        "_ended",
        "_inbox",
        "_max_size_bytes",
        "_peer",
        "_post",
        "_unsent",
        "_unsent_bytes",
        "_woken",
        "certificate",
        "identity",
        "listener",
        "password",
        "path",
        "remote",
        "secure",
        "subprotocol",
        "user",
        "wake_at_s",
    )

    def __init__(self, subprotocol: str, *, max_size_bytes: int = MAX_SIZE_BYTES) -> None:
        self.subprotocol = subprotocol
        self.wake_at_s = math.inf
        self.path, self.identity, self.remote = "/", "", "memory"
        self.user: str | None = None
        self.password: bytes | None = None
        self.secure = False
        self.certificate: str | None = None
        self.listener: Callable[[], None] | None = None
        """Called when a message has come, instead of waking who waits for it. A `MemoryNetwork`
        with a `post` heeds it, others do not.
        """
        self._post: Callable[[Callable[[], None]], None] | None = None
        self._max_size_bytes = max_size_bytes
        self._peer: MemoryLink | None = None
        self._inbox: deque[bytes] = deque()
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        self._woken: trio.Event | None = None
        self._closed: LinkClosed | None = None  # for every call from now on
        self._ended: LinkClosed | None = None  # once the inbox is empty

    async def send(self, frames: Sequence[bytes]) -> None:
        """See `Link.send`."""
        if not self.send_nowait(frames):
            with trio.move_on_after(SEND_PATIENCE_S):
                while self._unsent and self._ended is None:
                    await self._wait()

    def send_nowait(self, frames: Sequence[bytes]) -> bool:
        """See `Link.send_nowait`."""
        self._check()
        if self._unsent_bytes > UNSENT_MAX_BYTES:
            raise self._end(
                LinkClosed("stalled", f"{self._unsent_bytes} bytes not read by the peer")
            )
        if self._ended is not None:
            if not self._inbox:
                raise self._end(self._ended)
            return True
        self._unsent.extend(frames)
        self._unsent_bytes += sum(map(len, frames))
        self._flush()
        return not self._unsent

    async def receive(self) -> bytes:
        """See `Link.receive`."""
        while True:
            message = self.take_ready()
            if message is not None:
                return message
            await self._wait()

    def take_ready(self) -> bytes | None:
        """See `Link.take_ready`."""
        self._check()
        if not self._inbox:
            if self._ended is not None:
                raise self._end(self._ended)
            return None
        message = self._inbox.popleft()
        if self._peer is not None and self._peer._unsent:
            self._peer._flush()
        if len(message) > self._max_size_bytes:
            detail = f"message of {len(message)} bytes, at most {self._max_size_bytes} are allowed"
            self._hang_up(LinkClosed("closed", detail, code_ws=1009))
            raise self._end(LinkClosed("protocol", detail))
        return message

    async def tick(self, *, at_s: float) -> None:
        """See `Link.tick`; memory needs no pings."""
        self._check()

    async def close(self, code_ws: int = 1000, reason: str = "") -> None:
        """See `Link.close`."""
        if self._closed is None:
            self._hang_up(LinkClosed("closed", reason, code_ws=code_ws))
            self._end(LinkClosed("closed", "by us"))
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """See `Link.abort`; the peer sees the end of the stream without a close frame."""
        if self._closed is None:
            self._hang_up(LinkClosed("eof"))
            self._end(LinkClosed("closed", "aborted by us"))

    def abandon(self) -> Callable[[], None]:
        """See `Link.abandon`."""
        peer, self._peer = self._peer, None
        if peer is not None:
            peer._peer = None
        if self._closed is None:
            self._end(LinkClosed("closed", "aborted by us"))

        def release() -> None:
            if peer is not None and peer._ended is None:
                peer._ended = LinkClosed("eof")
                peer._wake()

        return release

    def _check(self) -> None:
        if self._closed is not None:
            raise LinkClosed(self._closed.kind, self._closed.detail, code_ws=self._closed.code_ws)

    def _end(self, closed: LinkClosed) -> LinkClosed:
        self._closed = closed
        self._inbox.clear()
        self._unsent.clear()
        self._unsent_bytes = 0
        self._wake()
        return closed

    def _hang_up(self, seen: LinkClosed) -> None:
        """Part from the peer, who will see `seen` after what was sent before."""
        peer, self._peer = self._peer, None
        if peer is not None:
            peer._peer = None
            if seen.kind == "closed":  # a close frame comes after the messages before it
                peer._inbox.extend(self._unsent)
            peer._ended = seen
            peer._unsent.clear()
            peer._unsent_bytes = 0
            peer._wake()

    def _flush(self) -> None:
        peer = self._peer
        if peer is None:
            return
        while self._unsent and len(peer._inbox) < INBOX_MAX:
            message = self._unsent.popleft()
            self._unsent_bytes -= len(message)
            peer._inbox.append(message)
            peer._tell()
        if not self._unsent:
            self._wake()

    def _tell(self) -> None:
        if self.listener is not None and self._post is not None and self._ended is None:
            self._post(self.listener)
        else:
            self._wake()

    def _wake(self) -> None:
        if self._woken is not None:
            self._woken.set()
            self._woken = None

    async def _wait(self) -> None:
        if self._woken is None:
            self._woken = trio.Event()
        await self._woken.wait()


def memory_pair(
    subprotocol: str, *, max_size_bytes: int = MAX_SIZE_BYTES
) -> tuple[MemoryLink, MemoryLink]:
    """Return two connected links."""
    ours = MemoryLink(subprotocol, max_size_bytes=max_size_bytes)
    theirs = MemoryLink(subprotocol, max_size_bytes=max_size_bytes)
    ours._peer, theirs._peer = theirs, ours
    return ours, theirs


class MemoryNetwork:
    """A network with one server, in memory: `serve` a fleet's CSMS, and `dial` it.

    `dial` is a `Dialer`; URLs are parsed as usual, host and port are ignored. While nobody serves,
    connections are refused. Set `refusal` to make connecting fail in another way, or `judge` to
    have the server decide about each handshake as about those that come over sockets. `post` has a
    plain call made soon: then both ends may be told of messages by one (`MemoryLink.listener`).
    """

    def __init__(
        self,
        *,
        subprotocols: Sequence[str] = ("ocpp1.6",),
        post: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._post = post
        self.subprotocols = tuple(subprotocols)
        self.refusal: ConnectFailed | None = None
        self.judge: Callable[[Handshake], Verdict] | None = None
        self.opened = 0
        self._accept: Callable[[MemoryLink], None] | None = None

    async def serve(
        self,
        handler: Callable[[ServerLink], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run `handler` in a task of its own for each link that is dialled, until cancelled.

        The link is closed with 1000 when the handler returns; `LinkClosed` is a normal end.
        """

        async def handle(link: MemoryLink) -> None:
            try:
                await handler(link)
                await link.close()
            except LinkClosed:
                pass
            finally:
                link.abort()

        def accept(link: MemoryLink) -> None:
            nursery.start_soon(handle, link, name=f"memory:{link.identity}")

        async with trio.open_nursery() as nursery:
            self._accept = accept
            try:
                task_status.started()
                await trio.sleep_forever()
            finally:
                self._accept = None

    def dial(
        self,
        url: str,
        *,
        identity: str,
        subprotocol: str,
        options: LinkOptions = DEFAULT_OPTIONS,
    ) -> AbstractAsyncContextManager[Link]:
        """See `Dialer`."""
        return _Dialled(self, endpoint_url(url, identity), identity, subprotocol, options)

    async def _ask(self, link: MemoryLink, options: LinkOptions) -> None:
        """Have the server decide about a handshake. Raises `ConnectFailed` unless it accepts."""
        if self.judge is None:
            return
        match self.judge(_handshake_of(link)):
            case Refuse(status=status, body=body):
                raise ConnectFailed(ConnectReason.HTTP_STATUS, body.strip(), status=status)
            case Stall():
                await trio.sleep(options.connect_timeout_s)
                detail = f"no answer within {options.connect_timeout_s:g} s"
                raise ConnectFailed(ConnectReason.TIMED_OUT, detail)
            case Drop():
                raise ConnectFailed(ConnectReason.RESET, "the server dropped the connection")

    def _link_to(
        self, url: str, identity: str, subprotocol: str, options: LinkOptions
    ) -> tuple[MemoryLink, MemoryLink]:
        resource = parse_target(url).resource
        if self.refusal is not None:
            reason, detail, status = self.refusal.reason, self.refusal.detail, self.refusal.status
            raise ConnectFailed(reason, detail, status=status)
        if self._accept is None:
            raise ConnectFailed(ConnectReason.REFUSED, "nobody serves this memory network")
        if subprotocol not in self.subprotocols:
            detail = f"no common subprotocol; this server speaks {', '.join(self.subprotocols)}"
            raise ConnectFailed(ConnectReason.HTTP_STATUS, detail, status=400)
        ours, theirs = memory_pair(subprotocol, max_size_bytes=options.max_size_bytes)
        ours._post = theirs._post = self._post
        self.opened += 1
        theirs.path, theirs.identity = resource, identity_of(resource)
        theirs.remote, theirs.secure = f"memory:{self.opened}", url.startswith("wss:")
        if options.password is not None:
            secret = options.password
            theirs.user = identity
            theirs.password = secret.encode() if isinstance(secret, str) else secret
        theirs.certificate = options.headers.get(CERTIFICATE_HEADER)
        return ours, theirs

    def _open(self, theirs: MemoryLink) -> None:
        if self._accept is None:  # it stopped during the handshake
            raise ConnectFailed(ConnectReason.REFUSED, "nobody serves this memory network")
        self._accept(theirs)


def _handshake_of(link: MemoryLink) -> Handshake:
    return Handshake(
        path=link.path,
        identity=link.identity,
        subprotocols=(link.subprotocol,),
        user=link.user,
        password=link.password,
        remote=link.remote,
        secure=link.secure,
        certificate=link.certificate,
    )


class _Dialled(Leaving):
    __slots__ = ("_network", "_wanted")

    def __init__(
        self,
        network: MemoryNetwork,
        url: str,
        identity: str,
        subprotocol: str,
        options: LinkOptions,
    ) -> None:
        self._network = network
        self._wanted = (url, identity, subprotocol, options)
        self._link = None

    async def __aenter__(self) -> Link:
        await trio.lowlevel.checkpoint()
        network = self._network
        ours, theirs = network._link_to(*self._wanted)
        await network._ask(theirs, self._wanted[3])
        network._open(theirs)
        self._link = ours
        return ours
