"""Opening a WebSocket as a client, on websockets' sans-I/O protocol: the default transport.

Whatever goes wrong before the link is open becomes `ConnectFailed` with its reason as soon as it is
known, and the socket is closed.
"""

from __future__ import annotations

import base64
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
from simfleet.link.dialing import dial
from simfleet.link.link import CONNECT_TIMEOUT_S, MAX_SIZE_BYTES, PONG_TIMEOUT_S
from simfleet.link.prelude import Prelude
from simfleet.link.tls import default_context

if TYPE_CHECKING:
    import ssl
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
            inbound=opening.rest(),
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


class _Opening(Prelude):
    """A TCP connection on its way to become a WebSocket."""

    __slots__ = ()

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
        await self.send(b"".join(protocol.data_to_send()))
        while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
            if not await self.receive():
                break
            if not refusal.is_http(self.received) or len(self.received) > refusal.HEAD_MAX_BYTES:
                break
            if refusal.status_of(self.received) not in (None, 101):
                await self._read_body()
                break
            protocol.receive_data(self.take_head(refusal.HEAD_END))
        if protocol.state is not State.OPEN:
            raise self._refused(protocol, subprotocols)
        if subprotocols and protocol.subprotocol is None:
            raise refusal.wrong_subprotocol(subprotocols, None)
        return protocol

    def _refused(self, protocol: ClientProtocol, subprotocols: Sequence[str]) -> ConnectFailed:
        own = self.received.startswith(b"GET ")
        if own and self.cut is None and self._sock.getsockname() == self._sock.getpeername():
            # TCP connected to itself: nobody listened, and the local port was the one dialled.
            return ConnectFailed(ConnectReason.REFUSED, "nobody listens there")
        problem = str(protocol.handshake_exc or "")
        return refusal.judge(
            self.received, cut=self.cut, subprotocols=subprotocols, problem=problem
        )

    async def _read_body(self) -> None:
        with trio.move_on_after(BODY_GRACE_S):
            while not refusal.body_complete(self.received) and await self.receive():
                pass
