"""Opening a WebSocket as a client, on websockets' sans-I/O protocol: the default transport.

Whatever goes wrong before the link is open becomes `ConnectFailed` with its reason as soon as it is
known, and the socket is closed.
"""

from __future__ import annotations

import base64
import ssl
from typing import TYPE_CHECKING, Final

import trio
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.link import refusal
from simfleet.link.address import Target, parse_target
from simfleet.link.connection import PROTOCOL_LOG, WebSocketLink
from simfleet.link.dialing import dial, failed
from simfleet.link.duplex import READ_BYTES
from simfleet.link.link import CONNECT_TIMEOUT_S, MAX_SIZE_BYTES, PONG_TIMEOUT_S
from simfleet.link.tls import TlsSession, default_context

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

BODY_GRACE_S: Final = 0.5
"""A refusal is reported at once; its body may take this much longer."""


async def connect(
    url: str,
    *,
    subprotocols: Sequence[str],
    identity: str | None = None,
    password: str | bytes | None = None,
    ssl_context: ssl.SSLContext | None = None,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ping_interval_s: float = 0.0,
    pong_timeout_s: float = PONG_TIMEOUT_S,
    max_size_bytes: int = MAX_SIZE_BYTES,
    compression: bool = False,
    source_address: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> WebSocketLink:
    """Open `url`, which is complete (see `endpoint_url`), and return the link.

    `identity` and `password` are sent as HTTP Basic authentication where a password is given.
    Redirects are not followed. Raises `ConnectFailed`, and `UsageWrong` for a URL that is none.
    """
    target = parse_target(url)
    wanted = dict(headers or {})
    if password is not None:
        wanted["Authorization"] = basic_authorization(identity or "", password)
    with trio.move_on_after(connect_timeout_s):
        sock = await dial(target.host, target.port, source_address=source_address)
        opening = _Opening(sock)
        try:
            if target.secure:
                await opening.start_tls(ssl_context or default_context(), target.host)
            protocol = await opening.shake_hands(
                target, subprotocols, wanted, compression=compression, max_size_bytes=max_size_bytes
            )
        except BaseException:
            sock.close()
            raise
        return WebSocketLink(
            sock,
            client=True,
            subprotocol=protocol.subprotocol or "",
            tls=opening.tls,
            inbound=bytes(opening.received[opening.fed :]),
            compressing=protocol if protocol.extensions else None,
            max_size_bytes=max_size_bytes,
            ping_interval_s=ping_interval_s,
            pong_timeout_s=pong_timeout_s,
        )
    raise timed_out(target, connect_timeout_s)


def basic_authorization(identity: str, password: str | bytes) -> str:
    """Return the ``Authorization`` header of OCPP security profiles 1 and 2."""
    secret = password.encode() if isinstance(password, str) else password
    return "Basic " + base64.b64encode(identity.encode() + b":" + secret).decode("ascii")


def timed_out(target: Target, connect_timeout_s: float) -> ConnectFailed:
    """The error for a peer that took too long."""
    where = f"{target.host} port {target.port}"
    detail = f"no WebSocket to {where} within {connect_timeout_s:g} s"
    return ConnectFailed(ConnectReason.TIMED_OUT, detail)


class _Opening:
    """A TCP connection on its way to become a WebSocket."""

    __slots__ = ("_sock", "cut", "fed", "received", "tls")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.tls: TlsSession | None = None
        self.received = bytearray()  # plain text, all of it: a refusal is explained from it
        self.fed = 0  # how much of it the protocol was given
        self.cut: str | None = None

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Do the TLS handshake; raises `ConnectFailed` ``tls`` or ``reset``."""
        try:
            self.tls = TlsSession(context, server_hostname=host)
            while True:
                done = self.tls.handshake()
                await self._write(self.tls.take_outgoing())
                if done:
                    return
                ciphertext = await self._read_raw()
                if not ciphertext:
                    raise ConnectFailed(
                        ConnectReason.RESET, f"connection {self.cut} during the TLS handshake"
                    )
                self.tls.feed(ciphertext)
        except (ssl.SSLError, ssl.CertificateError, ValueError) as error:
            if self.tls is not None:  # tell the server by an alert, as far as that goes
                await self._write(self.tls.take_outgoing())
            raise tls_failed(error) from None

    async def shake_hands(
        self,
        target: Target,
        subprotocols: Sequence[str],
        headers: Mapping[str, str],
        *,
        compression: bool,
        max_size_bytes: int,
    ) -> ClientProtocol:
        """Do the WebSocket handshake and return the protocol, open; raises `ConnectFailed`."""
        protocol = ClientProtocol(
            WebSocketURI(target.secure, target.host, target.port, target.resource, ""),
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            extensions=[ClientPerMessageDeflateFactory()] if compression else None,
            max_size=max_size_bytes,
            logger=PROTOCOL_LOG,
        )
        request = protocol.connect()
        del request.headers["Host"]
        request.headers["Host"] = target.authority
        for name, value in headers.items():
            request.headers[name] = value
        protocol.send_request(request)
        await self._send(b"".join(protocol.data_to_send()))
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            if not await self._receive():
                break
            if not refusal.is_http(self.received) or len(self.received) > refusal.HEAD_MAX_BYTES:
                break
            if refusal.status_of(self.received) not in (None, 101):
                await self._read_body()
                break
            self._feed_head(protocol)
        if protocol.state is not State.OPEN:
            raise self._refused(protocol, subprotocols)
        if subprotocols and protocol.subprotocol is None:
            raise refusal.wrong_subprotocol(", ".join(subprotocols), None)
        return protocol

    def _feed_head(self, protocol: ClientProtocol) -> None:
        """Give the protocol the head only: frames right behind it are the link's."""
        at = self.received.find(refusal.HEAD_END, max(0, self.fed - 3))
        end = len(self.received) if at < 0 else at + len(refusal.HEAD_END)
        protocol.receive_data(bytes(self.received[self.fed : end]))
        self.fed = end

    def _refused(self, protocol: ClientProtocol, subprotocols: Sequence[str]) -> ConnectFailed:
        if self._sock.getsockname() == self._sock.getpeername():
            # TCP connected to itself: nobody listened, and the local port was the one dialled.
            return ConnectFailed(ConnectReason.REFUSED, "nobody listens there")
        problem = str(protocol.handshake_exc or "")
        answered = refusal.header_of(self.received, "Sec-WebSocket-Protocol")
        if refusal.status_of(self.received) == 101 and answered not in (None, *subprotocols):
            return refusal.wrong_subprotocol(", ".join(subprotocols) or "none", answered)
        return refusal.why_not_open(self.received, cut=self.cut, problem=problem)

    async def _read_body(self) -> None:
        with trio.move_on_after(BODY_GRACE_S):
            while not refusal.body_complete(self.received) and await self._receive():
                pass

    # ── bytes; a server that has already cut the connection may have said why, so failing to write
    #    is no error until nothing can be read either

    async def _send(self, plain: bytes) -> None:
        if self.tls is not None:
            self.tls.encrypt(plain)
            plain = self.tls.take_outgoing()
        await self._write(plain)

    async def _write(self, out: bytes) -> None:
        while out:
            try:
                out = out[self._sock.send(out) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._sock.fileno())
            except OSError as error:
                self.cut = _how_cut(error)
                return

    async def _receive(self) -> bool:
        """Append what comes next to `received`; False at the end of the stream."""
        plain = b""
        while not plain:
            plain = await self._read_raw()
            if not plain:
                return False
            if self.tls is not None:
                try:
                    plain = self.tls.decrypt(plain)
                except ssl.SSLError as error:
                    raise tls_failed(error) from None
                await self._write(self.tls.take_outgoing())
                if self.tls.ended and not plain:
                    self.cut = self.cut or "closed"
                    return False
        self.received += plain
        return True

    async def _read_raw(self) -> bytes:
        await trio.lowlevel.wait_readable(self._sock.fileno())
        try:
            received = self._sock.recv(READ_BYTES)
        except BlockingIOError:
            return await self._read_raw()
        except OSError as error:
            self.cut = _how_cut(error)
            return b""
        if not received:
            self.cut = self.cut or "closed"
        return received


def _how_cut(error: OSError) -> str:
    """Say how TCP ended; raises `ConnectFailed` for an error that is not the peer's cutting it."""
    problem = failed(error)
    if problem.reason is not ConnectReason.RESET:
        raise problem
    return "reset"


def tls_failed(error: Exception) -> ConnectFailed:
    """Translate an error of OpenSSL: a certificate that is not trusted, or the peer's alert."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConnectFailed(ConnectReason.TLS, f"certificate: {error.verify_message}")
    reason = getattr(error, "reason", None)
    if isinstance(error, ssl.SSLEOFError):
        return ConnectFailed(ConnectReason.RESET, "connection closed during the TLS handshake")
    return ConnectFailed(ConnectReason.TLS, str(reason or error))
