"""What trio-websocket 0.12 keeps to itself: that a handshake has failed, and how TCP ended."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection
from wsproto.connection import ConnectionState
from wsproto.events import RejectConnection
from wsproto.utilities import ProtocolError

from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.link import refusal
from simfleet.link.prelude import tls_failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from wsproto.events import AcceptConnection, CloseConnection, Event


class Witness(trio.abc.Stream):
    """Passes bytes through, and remembers what the server said before the link was open and how
    TCP ended.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self._socket = stream.socket
        self._stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = stream
        self.received = bytearray()
        self.cut: str | None = None
        self.problem: ConnectFailed | None = None
        self.opened = False

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands over what is open. Raises `ConnectFailed`."""
        assert isinstance(self._stream, trio.SocketStream)
        try:
            self._stream = trio.SSLStream(
                self._stream, context, server_hostname=host, https_compatible=True
            )
            await self._stream.do_handshake()
        except trio.BrokenResourceError as error:
            self._note(error)
            detail = f"connection {self.cut} during the TLS handshake"
            raise self.problem or ConnectFailed(ConnectReason.RESET, detail) from None
        except (ssl.CertificateError, ValueError) as error:
            raise tls_failed(error) from None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """See `trio.abc.ReceiveStream`; what is no HTTP ends the handshake."""
        try:
            received = await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError as error:
            self._note(error)
            raise
        if not received:
            self.cut = self.cut or "closed"
        elif not self.opened and len(self.received) < refusal.HEAD_MAX_BYTES:
            self.received += received
            if not refusal.is_http(self.received):
                return b""  # wsproto would wait for the end of a head that is none
        return received

    async def aclose(self) -> None:
        """See `trio.abc.AsyncResource`; without a farewell."""
        self.drop()
        await trio.lowlevel.checkpoint()

    def drop(self) -> None:
        """Close the socket at once."""
        self._socket.close()

    def kept_open(self) -> Callable[[], None]:
        """Keep TCP open though the socket is closed; returns what ends it after all."""
        return self._socket.dup().close if self._socket.fileno() >= 0 else lambda: None

    def _note(self, error: trio.BrokenResourceError) -> None:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLError | ssl.CertificateError):
            self.problem = tls_failed(cause)
        self.cut = "reset" if isinstance(cause, OSError) else "closed"


class PromptConnection(WebSocketConnection):
    """trio-websocket's connection, which says at once that a handshake has failed."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.answered = trio.Event()
        self.over = trio.Event()
        self.accepted = False
        self.close_received: tuple[int, str] | None = None

    async def read(self) -> None:
        """Run the reader to its end; never raises, for it shares a nursery with its user."""
        try:
            await self._reader_task()
        except (ConnectionRejected, ConnectionClosed, ProtocolError):
            pass
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            pass
        finally:
            self.answered.set()
            self.over.set()

    async def _handle_accept_connection_event(self, event: AcceptConnection) -> None:
        await super()._handle_accept_connection_event(event)
        self.accepted = True
        self.answered.set()

    async def _handle_reject_connection_event(self, event: RejectConnection) -> None:
        self.answered.set()
        await super()._handle_reject_connection_event(event)

    async def _handle_close_connection_event(self, event: CloseConnection) -> None:
        if self._wsproto.state is ConnectionState.OPEN:
            # No close frame: wsproto found the peer at fault, and says what to tell it.
            await self._send(event)
        else:
            self.close_received = (int(event.code), event.reason or "")
        await super()._handle_close_connection_event(event)

    async def _send(self, event: Event) -> None:
        if isinstance(event, RejectConnection):
            # wsproto's hint after a bad handshake, which only a server could follow.
            raise ConnectionClosed(None)
        await super()._send(event)
