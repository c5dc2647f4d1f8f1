"""What a link is: one open WebSocket to a peer, as the rooms above see it.

A link belongs to one task. That task alternates `send` and `receive` inside a cancel scope whose
deadline is the next thing that is due, so both are cancelled all the time; see the contract of
each. Only `abort` may be called by another task.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

from simfleet.errors import LinkClosed

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

Transport = Literal["websockets", "trio-websocket"]

CONNECT_TIMEOUT_S: Final = 10.0
"""Name resolution, TCP, TLS and the opening handshake together."""
PONG_TIMEOUT_S: Final = 20.0
"""How long a ping may stay unanswered."""
CLOSE_TIMEOUT_S: Final = 3.0
"""The whole of closing; then the socket is released whatever the peer does."""
TCP_END_TIMEOUT_S: Final = 1.0
"""How much of that a client waits, after both close frames, for the server to end TCP first."""
MAX_SIZE_BYTES: Final = 1024 * 1024
"""A message may be this long, reassembled and decompressed."""
SEND_PATIENCE_S: Final = 1.0
"""How long `send` waits for a peer that does not read; `receive` goes on with the rest."""
UNSENT_MAX_BYTES: Final = 4 * 1024 * 1024
"""With more than this waiting for a peer that does not read, `send` gives the peer up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """How to open a link and keep it alive; shared by all chargers of a fleet.

    `password` turns on HTTP Basic authentication with the identity as user name (OCPP security
    profiles 1 and 2); bytes are sent as they are. `ssl_context` is used for ``wss://`` only;
    without one the system's authorities are trusted. `ping_interval_s` 0 sends no pings.
    `source_address` is the local IP address to connect from.
    """

    transport: Transport = "websockets"
    password: str | bytes | None = field(default=None, repr=False)
    ssl_context: ssl.SSLContext | None = None
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    ping_interval_s: float = 0.0
    pong_timeout_s: float = PONG_TIMEOUT_S
    max_size_bytes: int = MAX_SIZE_BYTES
    compression: bool = False
    source_address: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


DEFAULT_OPTIONS: Final = LinkOptions()


class Link(Protocol):
    """One open WebSocket connection that carries text messages.

    All errors are `LinkClosed`; once it was raised, every later call raises it again.
    """

    @property
    def subprotocol(self) -> str:
        """What was negotiated, such as ``ocpp1.6``; "" where neither side asked for one."""

    @property
    def wake_at_s(self) -> float:
        """When `tick` wants to be called, on the clock of `trio.current_time`; inf means never."""

    async def send(self, frames: Sequence[bytes]) -> None:
        """Send `frames` (UTF-8) as one text message each, in order, in one system call where the
        peer keeps up.

        Returns when the operating system has taken all, or after `SEND_PATIENCE_S`, so that the
        caller can hear what a peer says that does not read. The messages are accepted before the
        first wait: a cancelled send goes on in the next `send` or `receive`, and neither loses,
        splits nor repeats a byte. Raises `LinkClosed`. Does not yield to other tasks when there
        is nothing to wait for.
        """

    def send_nowait(self, frames: Sequence[bytes]) -> bool:
        """As `send`, but without waiting, and callable by another task than the link's own.

        False when the operating system has not taken all: the rest goes on in the next `send` or
        `receive` of the link's task, which must be woken for it.
        """

    async def receive(self) -> bytes:
        """Wait for the next text message and return its UTF-8 bytes; raises `LinkClosed`.

        Answers pings and goes on with an interrupted send meanwhile. Cancelling it loses and
        corrupts nothing. Returns at once, without a checkpoint, when a message has already
        arrived.
        """

    def take_ready(self) -> bytes | None:
        """Return a message that has already been read from the network, or None; raises
        `LinkClosed`.
        """

    async def tick(self, *, at_s: float) -> None:
        """Send the ping that is due; raise `LinkClosed` of kind ``pong_timeout`` when a pong is
        overdue.
        """

    async def close(self, code_ws: int = 1000, reason: str = "") -> None:
        """Do the closing handshake, at most `CLOSE_TIMEOUT_S`, and release the socket in any
        case; never raises `LinkClosed`. Messages that arrive meanwhile are dropped.
        """

    def abort(self) -> None:
        """Release the socket at once, without a close frame. A task waiting in `receive` gets
        `LinkClosed`.
        """

    def abandon(self) -> Callable[[], None]:
        """As `abort`, but the peer is told nothing: its end stays open until the function that is
        returned is called. For faults on purpose; it costs a descriptor until then.
        """


class ServerLink(Link, Protocol):
    """A link that a peer opened to us, with what its handshake said."""

    @property
    def path(self) -> str:
        """The request target as it was sent, such as ``/ocpp/CP%201?x=1``."""

    @property
    def identity(self) -> str:
        """The last segment of the path, percent-decoded: the OCPP identity."""

    @property
    def remote(self) -> str:
        """The peer's address, such as ``127.0.0.1:41234``."""

    @property
    def user(self) -> str | None:
        """User name of HTTP Basic authentication, None without one."""

    @property
    def password(self) -> bytes | None:
        """Password of HTTP Basic authentication, None without one."""

    @property
    def secure(self) -> bool:
        """Whether it came over TLS."""

    @property
    def certificate(self) -> str | None:
        """The common name in the client's verified certificate, None without one."""


class Dialer(Protocol):
    """Opens links: `open_link` for real networks, `MemoryNetwork.dial` in tests."""

    def __call__(
        self,
        url: str,
        *,
        identity: str,
        subprotocol: str,
        options: LinkOptions = DEFAULT_OPTIONS,
    ) -> AbstractAsyncContextManager[Link]:
        """Connect to ``{url}/{identity}`` on entering; on leaving, close (or abort, when
        cancelled).

        `url` is the CSMS's prefix; the identity is appended percent-encoded. Entering raises
        `ConnectFailed`.
        """


class Leaving:
    """The second half of what a `Dialer` returns; the first sets `_link`. As two methods instead
    of `contextlib.asynccontextmanager` it needs no suspended generator per charger.
    """

    __slots__ = ("_link",)

    _link: Link | None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._link is None:
            return
        if kind is None or issubclass(kind, LinkClosed):
            await self._link.close()
        else:
            self._link.abort()
