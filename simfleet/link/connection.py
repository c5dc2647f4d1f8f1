"""An open WebSocket over a socket, driven by one task: `WebSocketLink`, for clients and servers
alike.

Its cancel-safety is that of `Duplex`. Memory is a matter of what is not kept: 10,000 of these
exist. After the opening handshake websockets' protocol object (several KiB) is dropped; one is made
again for the moment a frame comes that `framing.py` does not know, and kept only inside a
fragmented message, while closing, or for compression.
"""

from __future__ import annotations

import logging
import math
import socket
import struct
from typing import TYPE_CHECKING, Final

import trio
from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import CLIENT, SERVER, Protocol, State

from simfleet.errors import LinkClosed
from simfleet.link import framing
from simfleet.link.duplex import Duplex
from simfleet.link.link import (
    CLOSE_TIMEOUT_S,
    MAX_SIZE_BYTES,
    PONG_TIMEOUT_S,
    SEND_PATIENCE_S,
    TCP_END_TIMEOUT_S,
    UNSENT_MAX_BYTES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simfleet.link.tls import TlsSession

PONG_GRACE_S: Final = 1.0
"""An overdue pong may be among bytes that have arrived but were not read yet."""
REASON_MAX_BYTES: Final = 123
"""What RFC 6455 leaves for the reason in a close frame."""

# websockets would log every closed connection; 10,000 of those lines help nobody.
PROTOCOL_LOG: Final = logging.getLogger("simfleet.link.protocol")
PROTOCOL_LOG.setLevel(logging.WARNING)


class WebSocketLink(Duplex):
    """`Link` over a connected, non-blocking socket, once the opening handshake is done."""

    __slots__ = (
        "_client",
        "_fragments",
        "_max_size_bytes",
        "_ping_interval_s",
        "_ping_number",
        "_ping_s",
        "_pong_s",
        "_pong_timeout_s",
        "_protocol",
        "subprotocol",
        "wake_at_s",
    )

    def __init__(
        self,
        sock: socket.socket,
        *,
        client: bool,
        subprotocol: str,
        tls: TlsSession | None = None,
        inbound: bytes = b"",
        compressing: Protocol | None = None,
        max_size_bytes: int = MAX_SIZE_BYTES,
        ping_interval_s: float = 0.0,
        pong_timeout_s: float = PONG_TIMEOUT_S,
    ) -> None:
        """`inbound` is what was read after the handshake; `compressing` the protocol that
        negotiated permessage-deflate, None without.
        """
        super().__init__(sock, tls=tls, inbound=inbound, read_ahead_bytes=max_size_bytes)
        self.subprotocol = subprotocol
        self._client = client
        self._max_size_bytes = max_size_bytes
        self._protocol = compressing
        self._fragments: bytearray | None = None
        self._ping_interval_s = ping_interval_s
        self._pong_timeout_s = pong_timeout_s
        self._ping_number = 0
        self._pong_s = math.inf
        self._ping_s = trio.current_time() + ping_interval_s if ping_interval_s else math.inf
        self.wake_at_s = self._ping_s

    # ── messages ────────────────────────────────────────────────────────────────────────────────

    async def send(self, frames: Sequence[bytes]) -> None:
        """See `Link.send`. To a peer that has just vanished it may succeed, as writing to TCP does;
        the next `receive` hands out what that peer had still sent, and then says why it went.
        """
        if not self.send_nowait(frames):
            with trio.move_on_after(SEND_PATIENCE_S):
                while self._unsent:
                    await self._exchange()

    def send_nowait(self, frames: Sequence[bytes]) -> bool:
        """See `Link.send_nowait`."""
        if self._closed is not None:
            raise self._again()
        if len(self._unsent) > UNSENT_MAX_BYTES:
            raise self._end(
                LinkClosed("stalled", f"the peer left {len(self._unsent)} bytes unread")
            )
        if self._gone or self._eof is not None:
            self._say_why_gone()
            return True
        if self._protocol is not None and self._protocol.extensions:
            for message in frames:
                self._protocol.send_text(message)
            out = b"".join(self._protocol.data_to_send())
        elif len(frames) == 1:
            encode = framing.masked_text_frame if self._client else framing.text_frame
            out = encode(frames[0])
        else:
            out = framing.text_frames(frames, masked=self._client)
        self._write(out)
        return not self._unsent

    def _say_why_gone(self) -> None:
        """Raise why the peer is gone, unless there are messages of its to be received before."""
        if self._eof is None:
            self._read()
        extent = framing.extent_of(self._inbound, self._at)
        if self._eof is not None and (extent is None or extent[1] > len(self._inbound)):
            raise self._end(self._eof)

    async def receive(self) -> bytes:
        """See `Link.receive`."""
        while True:
            # Nearly always there is nothing yet, which is seen without a call.
            if self._inbound or self._eof is not None or self._closed is not None:
                message = self.take_ready()
                if message is not None:
                    return message
            if self._unsent:
                await self._exchange()
                continue
            try:
                await trio.lowlevel.wait_readable(self._socket.fileno())
            except trio.ClosedResourceError:
                raise self._again() from None
            self._read()

    def take_ready(self) -> bytes | None:
        """See `Link.take_ready`. Decodes one message at a time, so what waits stays one flat
        buffer.
        """
        if self._closed is not None:
            raise self._again()
        while True:
            inbound, at = self._inbound, self._at
            extent = framing.extent_of(inbound, at)
            if extent is None:
                if self._eof is not None:
                    raise self._end(self._eof)
                return None
            payload_at, end_at, masked = extent
            plain = (
                inbound[at] == framing.WHOLE_TEXT
                and masked is not self._client
                and self._fragments is None
                and end_at - payload_at <= self._max_size_bytes
                and self._protocol is None
            )
            if end_at > len(inbound) and (plain or not self._hopeless(extent)):
                if self._eof is not None:
                    raise self._end(self._eof)
                return None
            if not plain:
                message = self._take_unusual(end_at)
                if message is not None:
                    return message
                continue
            if masked:
                message = framing.unmask(inbound, payload_at, end_at)
            else:
                message = bytes(inbound[payload_at:end_at])
            self._advance(end_at)
            return self._utf8(message)

    def _advance(self, end_at: int) -> None:
        if end_at == len(self._inbound):
            self._inbound, self._at = b"", 0
        else:
            self._at = end_at

    def _utf8(self, message: bytes) -> bytes:
        if not message.isascii():
            try:
                message.decode()
            except UnicodeDecodeError as error:
                raise self._fail(CloseCode.INVALID_DATA, f"invalid UTF-8: {error}") from None
        return message

    # ── frames that are not one whole text message ──────────────────────────────────────────────

    def _hopeless(self, extent: tuple[int, int, bool]) -> bool:
        """Whether a frame is wrong by its header alone, so that its payload need not be awaited."""
        payload_at, end_at, masked = extent
        return end_at - payload_at > self._max_size_bytes or masked is self._client

    def _opened_protocol(self) -> Protocol:
        if self._protocol is None:
            self._protocol = Protocol(
                CLIENT if self._client else SERVER,
                state=State.OPEN,
                max_size=self._max_size_bytes,
                logger=PROTOCOL_LOG,
            )
        return self._protocol

    def _drop_protocol(self) -> None:
        """Save its memory, where it holds no state."""
        if self._fragments is None and self._protocol and not self._protocol.extensions:
            self._protocol = None

    def _take_unusual(self, end_at: int) -> bytes | None:
        """Give one frame to websockets; return the message that it completes, if any."""
        protocol = self._opened_protocol()
        protocol.receive_data(bytes(self._inbound[self._at : end_at]))
        self._advance(min(end_at, len(self._inbound)))
        message = None
        for event in protocol.events_received():
            if isinstance(event, Frame):
                message = self._take_event(event)
        self._write_protocol()
        if protocol.parser_exc is not None:
            self._closed = LinkClosed("protocol", str(protocol.parser_exc))
            raise self._closed
        if protocol.close_rcvd is not None:
            close = protocol.close_rcvd
            self._closed = LinkClosed("closed", close.reason, code_ws=int(close.code))
            raise self._closed
        self._drop_protocol()
        return message

    def _take_event(self, frame: Frame) -> bytes | None:
        if frame.opcode is Opcode.PONG:
            if frame.data == struct.pack("!I", self._ping_number):
                self._pong_s = math.inf
                self.wake_at_s = self._ping_s
        elif frame.opcode is Opcode.BINARY:
            raise self._fail(CloseCode.UNSUPPORTED_DATA, "binary message; OCPP-J sends text")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            if frame.fin and self._fragments is None:
                return self._utf8(bytes(frame.data))
            if self._fragments is None:
                self._fragments = bytearray()
            self._fragments += frame.data
            if frame.fin:
                message, self._fragments = bytes(self._fragments), None
                return self._utf8(message)
        return None

    # ── ping and pong ───────────────────────────────────────────────────────────────────────────

    async def tick(self, *, at_s: float) -> None:
        """See `Link.tick`. Never waits: a ping that cannot be written is written by the next
        call.
        """
        if self._closed is not None:
            raise self._again()
        if at_s >= self._pong_s:
            if self._unread():
                self._pong_s = at_s + PONG_GRACE_S
            else:
                detail = f"no pong within {self._pong_timeout_s:g} s"
                raise self._end(LinkClosed("pong_timeout", detail))
        if at_s >= self._ping_s:
            missed = math.floor((at_s - self._ping_s) / self._ping_interval_s)
            self._ping_s += (missed + 1) * self._ping_interval_s
            if self._pong_s == math.inf:
                self._ping_number = (self._ping_number + 1) & 0xFFFFFFFF
                self._pong_s = at_s + self._pong_timeout_s
                protocol = self._opened_protocol()
                protocol.send_ping(struct.pack("!I", self._ping_number))
                self._write_protocol()
                self._drop_protocol()
        self.wake_at_s = min(self._ping_s, self._pong_s)

    def _unread(self) -> bool:
        """Whether the peer has sent anything that was not looked at yet: a sign of life."""
        if self._at < len(self._inbound):
            return True
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK))
        except OSError:
            return False

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    async def close(self, code_ws: int = 1000, reason: str = "") -> None:
        """See `Link.close`. A client waits for the server to end TCP, which spares it a port in
        TIME_WAIT (RFC 6455 section 7.1.1).
        """
        try:
            if self._socket.fileno() < 0:
                return
            if self._closed is None:
                protocol = self._opened_protocol()
                protocol.send_close(code_ws, _shortened(reason))
                self._write_protocol()
                self._closed = LinkClosed("closed", "by us")
            with trio.move_on_after(CLOSE_TIMEOUT_S) as scope:
                await self._finish(scope, clean=self._closed.kind == "closed")
        except LinkClosed:
            pass
        finally:
            self._release()

    async def _finish(self, scope: trio.CancelScope, *, clean: bool) -> None:
        """Write what is unsent, then read until the peer has ended too.

        Closing with unread bytes would make the kernel send RST, which may overtake our close
        frame.
        """
        half_closed = False
        while self._eof is None and not self._gone:
            agreed = self._protocol is not None and self._protocol.close_rcvd is not None
            if not self._unsent and not half_closed and (agreed or not clean):
                if clean and not self._client:
                    return
                if not clean:
                    self._end_writing()
                half_closed = True
                scope.deadline = min(scope.deadline, trio.current_time() + TCP_END_TIMEOUT_S)
            await self._exchange()
            self._discard()

    def _discard(self) -> None:
        """Drop what has arrived, but notice the peer's close frame."""
        protocol = self._protocol
        while protocol is not None and protocol.close_rcvd is None:
            extent = framing.extent_of(self._inbound, self._at)
            if extent is None or (extent[1] > len(self._inbound) and not self._hopeless(extent)):
                return
            protocol.receive_data(bytes(self._inbound[self._at : extent[1]]))
            protocol.events_received()
            self._advance(min(extent[1], len(self._inbound)))
            self._write_protocol()
        self._inbound, self._at = b"", 0

    def _end_writing(self) -> None:
        if self._tls is not None:
            self._tls.end()
            self._write(b"")
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._gone = True

    def abort(self) -> None:
        """See `Link.abort`."""
        if self._closed is None:
            self._closed = LinkClosed("closed", "aborted by us")
        self._release()

    def abandon(self) -> Callable[[], None]:
        """See `Link.abandon`."""
        release = self._kept_open()
        self.abort()
        return release

    def leave(self, code_ws: int) -> None:
        """Say goodbye as far as that goes without waiting, and release the socket: for a server
        that is told to stop.
        """
        if self._closed is None:
            try:
                self._opened_protocol().send_close(code_ws)
                self._write_protocol()
            except (ProtocolError, LinkClosed):
                pass
        self.abort()

    def _release(self) -> None:
        super()._release()
        self._protocol = self._fragments = None
        self.wake_at_s = math.inf

    def _fail(self, code: CloseCode, detail: str) -> LinkClosed:
        """The peer broke the rules: tell it so with `code`, and close."""
        self._opened_protocol().fail(code, _shortened(detail))
        self._write_protocol()
        self._closed = LinkClosed("protocol", detail)
        return self._closed

    def _write_protocol(self) -> None:
        assert self._protocol is not None
        self._write(b"".join(self._protocol.data_to_send()))


def _shortened(reason: str) -> str:
    """Cut a reason to what fits into a close frame, without splitting a character."""
    return reason.encode()[:REASON_MAX_BYTES].decode(errors="ignore")
