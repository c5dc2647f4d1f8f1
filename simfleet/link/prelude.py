"""The bytes of a connection before it is a WebSocket, on either side: TLS, then the HTTP head.

A peer that has already cut the connection may have said why. So failing to write is no error here;
reading goes on until nothing more comes, and only then is the end noted in `cut`.
"""

from __future__ import annotations

import socket
import ssl

import trio

from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.link.dialing import failed
from simfleet.link.duplex import READ_BYTES
from simfleet.link.tls import TlsSession


class Prelude:
    """A connected, non-blocking socket; errors are `ConnectFailed`. Closing it is the owner's."""

    __slots__ = ("_sock", "cut", "fed", "received", "tls")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.tls: TlsSession | None = None
        self.received = bytearray()  # plain text, all of it: a refusal is explained from it
        self.fed = 0  # how much of it the protocol was given
        self.cut: str | None = None

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str | None) -> None:
        """Do the TLS handshake; raises `ConnectFailed` ``tls`` or ``reset``.

        `server_hostname` is whom a client expects; None makes this the server.
        """
        try:
            self.tls = TlsSession(context, server_hostname=server_hostname)
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

    async def peek(self) -> bytes:
        """Wait for the first byte and return it, which stays to be read; b"" at the end."""
        await trio.lowlevel.wait_readable(self._sock.fileno())
        try:
            return self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return await self.peek()
        except OSError as error:
            self.cut = _how_cut(error)
            return b""

    def take_head(self, head_end: bytes) -> bytes:
        """Return what the protocol was not given yet, up to the end of the head: bytes behind it
        belong to the link.
        """
        at = self.received.find(head_end, max(0, self.fed - len(head_end) + 1))
        end = len(self.received) if at < 0 else at + len(head_end)
        taken = bytes(self.received[self.fed : end])
        self.fed = end
        return taken

    def rest(self) -> bytes:
        """Return the bytes behind the head."""
        return bytes(self.received[self.fed :])

    async def send(self, plain: bytes) -> None:
        """Send `plain`, encrypted with TLS; a peer that is gone is no error, see the module."""
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

    async def receive(self) -> bool:
        """Append what comes next to `received`; False at the end of the stream."""
        plain = b""
        if self.tls is not None:
            plain = self.tls.read()  # what came in one segment with the end of the TLS handshake
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
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):  # which one: by version
        return ConnectFailed(ConnectReason.RESET, "connection closed during the TLS handshake")
    return ConnectFailed(ConnectReason.TLS, str(reason or error))
