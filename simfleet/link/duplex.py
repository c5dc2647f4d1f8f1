"""Bytes over a socket, both ways, for one task that is cancelled all the time: `Duplex`.

Cancel-safety is a matter of where bytes are kept. Everything that is to go out is in `_unsent`,
everything that came in and was not handed out is in `_inbound`; system calls do not block and the
only awaits are "until the socket is readable or writable". A cancelled call leaves both buffers
whole, with TLS as without (see `tls.py`).
"""

from __future__ import annotations

import contextlib
import errno
import ssl
from typing import TYPE_CHECKING, Final

import trio

from simfleet.errors import LinkClosed

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from simfleet.link.tls import TlsSession

READ_BYTES: Final = 16384
"""One read: a flood is handed out in pieces of at most this, with the other tasks in between."""
_GONE: Final = frozenset({errno.EPIPE, errno.ECONNRESET})


class Duplex:
    """A connected, non-blocking socket with its two buffers and, optionally, TLS.

    Reading ahead, while a write waits, stops at `read_ahead_bytes`.
    """

    __slots__ = (
        "_at",
        "_closed",
        "_eof",
        "_gone",
        "_inbound",
        "_read_ahead_bytes",
        "_socket",
        "_tls",
        "_unsent",
    )

    def __init__(
        self,
        sock: socket.socket,
        *,
        tls: TlsSession | None,
        inbound: bytes,
        read_ahead_bytes: int,
    ) -> None:
        self._socket = sock
        self._tls = tls
        self._inbound: bytes | bytearray = inbound
        self._at = 0  # before it, `_inbound` was handed out
        self._unsent = b""
        self._read_ahead_bytes = read_ahead_bytes
        self._gone = False  # nothing more can be written
        self._eof: LinkClosed | None = None  # nothing more will be read, but not all was handed out
        self._closed: LinkClosed | None = None  # what every call raises from now on

    def _write(self, out: bytes) -> None:
        """Accept `out` for sending and write as much of it as the operating system takes now."""
        if self._tls is not None:
            if out:
                self._tls.encrypt(out)
            out = self._tls.take_outgoing()
        if self._unsent:
            self._unsent += out
        elif out and not self._gone:
            try:
                written = self._socket.send(out)
            except BlockingIOError:
                self._unsent = out
            except OSError as error:
                self._write_failed(error)
            else:
                if written < len(out):
                    self._unsent = out[written:]

    def _write_unsent(self) -> None:
        unsent, self._unsent = self._unsent, b""
        try:
            written = self._socket.send(unsent)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._write_failed(error)
            return
        self._unsent = unsent[written:]

    def _write_failed(self, error: OSError) -> None:
        self._unsent = b""
        if error.errno not in _GONE:
            raise self._end(LinkClosed("reset", str(error))) from None
        self._gone = True  # what the peer sent before it went can still be read

    async def _exchange(self) -> None:
        """Wait until the socket is readable or, with unsent bytes, writable; then do what can be
        done.

        Reading while writing matters: two peers that both only write would wait for each other.
        """
        try:
            if not self._unsent:
                await trio.lowlevel.wait_readable(self._socket.fileno())
            elif len(self._inbound) - self._at > self._read_ahead_bytes:
                await trio.lowlevel.wait_writable(self._socket.fileno())
            else:
                await _until_either(self._socket.fileno())
        except trio.ClosedResourceError:
            raise self._again() from None
        if self._socket.fileno() < 0:
            raise self._again()
        if self._unsent:
            self._write_unsent()
        if len(self._inbound) - self._at <= self._read_ahead_bytes:
            self._read()
        if self._eof is not None:
            self._unsent = b""

    def _read(self) -> None:
        """Append what has arrived to `_inbound`; note the end of the stream."""
        try:
            received = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._eof = LinkClosed("reset", str(error))
            return
        if not received:
            self._eof = LinkClosed("reset" if self._gone else "eof")
            return
        if self._tls is not None:
            received = self._decrypt(self._tls, received)
        if self._at == len(self._inbound):
            self._inbound, self._at = received, 0
        else:
            if not isinstance(self._inbound, bytearray):
                self._inbound = bytearray(self._inbound)
            del self._inbound[: self._at]
            self._at = 0
            self._inbound += received

    def _decrypt(self, tls: TlsSession, ciphertext: bytes) -> bytes:
        plain = b""
        try:
            plain = tls.decrypt(ciphertext)
            if tls.ended:
                self._eof = LinkClosed("eof")
        except ssl.SSLError as error:
            self._eof = LinkClosed("reset", f"TLS: {error}")
        self._write(b"")  # an alert, or the answer to a key update
        return plain

    def _release(self) -> None:
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket.fileno())
            self._socket.close()
        self._tls = None
        self._inbound = self._unsent = b""
        self._at = 0

    def _kept_open(self) -> Callable[[], None]:
        """Keep TCP open though the socket is closed; returns what ends it after all."""
        if self._socket.fileno() < 0:
            return lambda: None
        return self._socket.dup().close

    def _end(self, closed: LinkClosed) -> LinkClosed:
        """Note why the link is closed, release the socket, and return `closed` to be raised."""
        self._closed = closed
        self._release()
        return closed

    def _again(self) -> LinkClosed:
        """Why the link is closed, once more; a copy, for raising one exception twice would pile up
        its traceback.
        """
        closed = self._closed or LinkClosed("closed", "aborted by us")
        return LinkClosed(closed.kind, closed.detail, code_ws=closed.code_ws)


async def _until_either(descriptor: int) -> None:
    """Wait until `descriptor` is readable or writable; rare, for it takes a second task."""

    async def until(wait: Callable[[int], Awaitable[None]]) -> None:
        with contextlib.suppress(trio.ClosedResourceError):
            await wait(descriptor)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(until, trio.lowlevel.wait_writable)
        await until(trio.lowlevel.wait_readable)
