"""The opening handshake from the server's side, and what it may decide: one connection.

Refusing, stalling and dropping are part of the job: `on_request` decides about each handshake, so
that a mock CSMS can do what overloaded and broken ones do.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import trio
from websockets.exceptions import NegotiationError
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.headers import parse_subprotocol
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.link.address import identity_of
from simfleet.link.connection import PROTOCOL_LOG, WebSocketLink
from simfleet.link.link import MAX_SIZE_BYTES, PONG_TIMEOUT_S
from simfleet.link.prelude import Prelude
from simfleet.link.refusal import HEAD_END

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    from simfleet.errors import LinkError
    from simfleet.link.tls import TlsSession

HANDSHAKE_TIMEOUT_S: Final = 10.0
"""A connection that is no WebSocket by then is dropped; a stalled one is held as long."""
HANDSHAKES_MAX: Final = 1024
"""Handshakes at a time; further connections wait in the kernel's backlog."""
BACKLOG: Final = 4096
REQUEST_MAX_BYTES: Final = 16384
LINGER_S: Final = 1.0
"""How long a refused peer may take to read why."""
TLS_HANDSHAKE: Final = b"\x16"
"""The first byte of TLS, from SSL 3.0 on (RFC 8446 section 5.1); no HTTP method begins with it."""
_OLD_TLS: Final = frozenset({"UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW", "WRONG_SSL_VERSION"})
_RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class Unopened(StrEnum):
    """Why a connection was not opened, where nobody decided to refuse it."""

    CUT = "cut"  # the peer left
    TIMED_OUT = "timed_out"  # it did not finish the handshake in time
    NO_WEBSOCKET = "no_websocket"  # what it sent is no WebSocket handshake
    TLS = "tls"  # what it sent is no TLS, or TLS that we do not speak
    TLS_VERSION = "tls_version"  # older than TLS 1.2
    TLS_CERTIFICATE = "tls_certificate"  # its certificate is expired, or of another authority
    TLS_ALERT = "tls_alert"  # it refused us, as it does who does not trust our certificate


@dataclass(frozen=True, slots=True)
class Accept:
    """Go on with the handshake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Answer with an HTTP status instead of 101."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    """One word for whoever counts refusals; by default the status."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Answer nothing and keep TCP open, until the peer or the handshake timeout ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """End TCP without an answer: by RST, or else by FIN."""

    reset: bool = True


Verdict = Accept | Refuse | Stall | Drop
ACCEPT: Final = Accept()


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What a peer asks for, before it is answered."""

    path: str
    identity: str
    subprotocols: tuple[str, ...]
    user: str | None
    password: bytes | None
    remote: str
    secure: bool = False
    """Whether it came over TLS."""
    certificate: str | None = None
    """The common name in the certificate that the client showed; it has been verified."""


class AcceptedLink(WebSocketLink):
    """`ServerLink` over a socket."""

    __slots__ = ("certificate", "password", "path", "remote", "secure", "user")

    path: str
    remote: str
    user: str | None
    password: bytes | None
    secure: bool
    certificate: str | None

    @property
    def identity(self) -> str:
        """See `ServerLink.identity`; decoded when asked for, to be stored once."""
        return identity_of(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """How much a server takes on, and how long it waits; see the constants for what each means."""

    backlog: int = BACKLOG
    handshakes_max: int = HANDSHAKES_MAX
    handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S
    max_size_bytes: int = MAX_SIZE_BYTES
    ping_interval_s: float = 0.0
    pong_timeout_s: float = PONG_TIMEOUT_S


DEFAULT_LIMITS: Final = ServerLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How to serve: by TLS with an `ssl_context`, and with `plain_too` without it as well, on the
    same port: the first byte of a connection tells.

    `authenticate(identity, password)` decides about HTTP Basic authentication, whose user name must
    be the identity (OCPP security profile 1); it is called with None without credentials.
    `on_request` decides before that, and may refuse, stall or drop. `on_crash` is told of a handler
    that raised; without it, the error ends the server. `on_refused` is told, in a word, why a
    connection was not opened: what a `Refuse` says, or one of the `Unopened` reasons. No
    `subprotocols` accepts any peer, and chooses none.
    """

    subprotocols: Sequence[str]
    ssl_context: ssl.SSLContext | None = None
    plain_too: bool = False
    authenticate: Callable[[str, bytes | None], bool] | None = None
    on_request: Callable[[Handshake], Verdict] | None = None
    on_crash: Callable[[AcceptedLink, Exception], None] | None = None
    on_refused: Callable[[str], None] | None = None
    limits: ServerLimits = DEFAULT_LIMITS
    compression: bool = False


class Accepting(Prelude):
    """A TCP connection on its way to become a WebSocket."""

    __slots__ = ("_options", "_protocol", "_remote")

    def __init__(self, sock: socket.socket, remote: str, options: ServerOptions) -> None:
        super().__init__(sock)
        self._remote = remote
        self._options = options
        self._protocol = ServerProtocol(
            subprotocols=[Subprotocol(name) for name in options.subprotocols],
            extensions=[ServerPerMessageDeflateFactory()] if options.compression else None,
            max_size=options.limits.max_size_bytes,
            logger=PROTOCOL_LOG,
        )

    async def read_request(self) -> tuple[Request, Handshake] | None:
        """Read the request; None for what is none, which is answered here as far as HTTP goes."""
        context = self._options.ssl_context
        if context is not None and not (self._options.plain_too and await self._is_plain()):
            await self.start_tls(context, None)
        protocol = self._protocol
        while await self.receive() and len(self.received) <= REQUEST_MAX_BYTES:
            protocol.receive_data(self.take_head(HEAD_END))
            for event in protocol.events_received():
                if isinstance(event, Request):
                    return event, _handshake(event, self._remote, self.tls)
            if protocol.handshake_exc is not None:
                break
        await self._say(b"".join(protocol.data_to_send()))
        return None

    async def _is_plain(self) -> bool:
        """Whether what comes first is no TLS; nothing at all is for the HTTP side to notice."""
        return await self.peek() != TLS_HANDSHAKE

    def verdict(self, request: Request, handshake: Handshake) -> Verdict:
        """Decide: first what the test wants, then credentials, then the OCPP version."""
        if self._options.on_request is not None:
            verdict = self._options.on_request(handshake)
            if not isinstance(verdict, Accept):
                return verdict
        authenticate = self._options.authenticate
        if authenticate is not None and not (
            handshake.user in (None, handshake.identity)
            and authenticate(handshake.identity, handshake.password)
        ):
            return unauthorized(f"wrong credentials for {handshake.identity!r}", "password")
        spoken = self._options.subprotocols
        if spoken and not set(spoken) & set(handshake.subprotocols):
            offered = ", ".join(handshake.subprotocols) or "none"
            body = f"no common subprotocol: offered {offered}; served {', '.join(spoken)}\n"
            return Refuse(status=HTTPStatus.BAD_REQUEST, body=body, reason="subprotocol")
        return ACCEPT

    async def open(self, request: Request, handshake: Handshake) -> AcceptedLink | None:
        """Answer with 101; None when the request is no WebSocket handshake, which is answered."""
        protocol = self._protocol
        response = protocol.accept(request)
        protocol.send_response(response)
        out = b"".join(protocol.data_to_send())
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            await self._say(out)
            return None
        await self.send(out)
        limits = self._options.limits
        link = AcceptedLink(
            self._sock,
            client=False,
            subprotocol=protocol.subprotocol or "",
            tls=self.tls,
            inbound=self.rest(),
            compressing=protocol if protocol.extensions else None,
            max_size_bytes=limits.max_size_bytes,
            ping_interval_s=limits.ping_interval_s,
            pong_timeout_s=limits.pong_timeout_s,
        )
        link.path, link.remote = handshake.path, handshake.remote
        link.user, link.password = handshake.user, handshake.password
        link.secure, link.certificate = handshake.secure, handshake.certificate
        return link

    async def refuse(self, refusal: Refuse) -> None:
        """Answer with another status than 101."""
        response: Response = self._protocol.reject(refusal.status, refusal.body)
        for name, value in refusal.headers.items():
            response.headers[name] = value
        await self._say(response.serialize())

    def drop(self, verdict: Drop) -> None:
        """End TCP as `verdict` says."""
        if verdict.reset:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
        self._sock.close()

    async def _say(self, out: bytes) -> None:
        """Send the last words, and give the peer time to read them: closing a socket with unread
        bytes sends RST, which would overtake them.
        """
        await self.send(out)
        if self.cut is None:
            if self.tls is not None:
                self.tls.end()
                await self.send(b"")
            self._sock.shutdown(socket.SHUT_WR)
            with trio.move_on_after(LINGER_S):
                while await self.receive():
                    self.received.clear()


def unauthorized(why: str, reason: str) -> Refuse:
    """401 with what a client needs to try again: HTTP Basic authentication is asked for."""
    challenge = {"WWW-Authenticate": 'Basic realm="OCPP", charset="UTF-8"'}
    return Refuse(status=HTTPStatus.UNAUTHORIZED, body=f"{why}\n", headers=challenge, reason=reason)


def unopened(failure: LinkError | OSError) -> Unopened:
    """Why a handshake failed that nobody refused."""
    if not isinstance(failure, ConnectFailed) or failure.reason is not ConnectReason.TLS:
        return Unopened.CUT
    if failure.detail.startswith("certificate"):
        return Unopened.TLS_CERTIFICATE
    if "ALERT" in failure.detail.upper():
        return Unopened.TLS_ALERT
    if failure.detail in _OLD_TLS:
        return Unopened.TLS_VERSION
    return Unopened.TLS


def _handshake(request: Request, remote: str, tls: TlsSession | None) -> Handshake:
    offered: list[str] = []
    for value in request.headers.get_all("Sec-WebSocket-Protocol"):
        with contextlib.suppress(NegotiationError):
            offered += parse_subprotocol(value)
    user, password = _credentials(request.headers.get_all("Authorization"))
    return Handshake(
        path=request.path,
        identity=identity_of(request.path),
        subprotocols=tuple(offered),
        user=user,
        password=password,
        remote=remote,
        secure=tls is not None,
        certificate=None if tls is None else tls.peer_name,
    )


def _credentials(headers: Sequence[str]) -> tuple[str | None, bytes | None]:
    """Read HTTP Basic authentication (RFC 7617); what cannot be read counts as none."""
    for header in headers:
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() == "basic":
            try:
                user, colon, password = base64.b64decode(encoded.strip()).partition(b":")
                return (user.decode(), password) if colon else (None, None)
            except (binascii.Error, UnicodeDecodeError):
                break
    return None, None
