"""TLS without I/O: bytes in, bytes out.

`trio.SSLStream` breaks for good when a send is cancelled half-way, and links are cancelled all
the time. Here the ciphertext goes into the link's own buffer of unsent bytes, like plain text
does without TLS, so there is nothing that cancelling could tear.
"""

from __future__ import annotations

import contextlib
import ssl
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    from pathlib import Path

_READ_BYTES = 65536


@lru_cache(maxsize=1)
def default_context() -> ssl.SSLContext:
    """The system's authorities, one context for all links: loading them takes tens of
    milliseconds.
    """
    return ssl.create_default_context()


def server_context(
    certificate: Path, key: Path, *, client_authority: Path | None = None
) -> ssl.SSLContext:
    """TLS 1.2 and newer for a server, from PEM files.

    With `client_authority`, certificates of clients are verified by it where they are shown; who
    must show one is decided later, when it is known who asks. Sessions are not resumed: a fleet
    that connects anew costs what it costs a real CSMS. Raises `UsageWrong`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    try:
        context.load_cert_chain(certificate, key)
        if client_authority is not None:
            context.load_verify_locations(client_authority)
            context.verify_mode = ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        raise UsageWrong(
            f"cannot use {certificate} and {key} for TLS: {error.strerror or error}"
        ) from None
    return context


class TlsSession:
    """One side of a TLS connection. Errors are `ssl.SSLError`; what is still to be sent then is
    the alert.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "_waiting", "ended")

    def __init__(self, context: ssl.SSLContext, *, server_hostname: str | None = None) -> None:
        """`server_hostname` is whom a client expects; None makes this the server."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
        )
        self._waiting = b""
        self.ended = False

    def handshake(self) -> bool:
        """Go on with the handshake; True once it is done."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    @property
    def peer_name(self) -> str | None:
        """The common name in the peer's certificate, which was verified; "" if it names none, None
        without a certificate.
        """
        shown: Any = self._object.getpeercert() or {}
        for relative in shown.get("subject", ()):
            for name, value in relative:
                if name == "commonName":
                    return str(value)
        return "" if shown else None

    def feed(self, ciphertext: bytes) -> None:
        """Take bytes from the network; b"" is the end of the stream."""
        if ciphertext:
            self._incoming.write(ciphertext)
        else:
            self._incoming.write_eof()

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Take bytes from the network and return the plain text they complete, which may be none.

        Sets `ended` when the peer said that nothing follows (close_notify).
        """
        self.feed(ciphertext)
        return self.read()

    def read(self) -> bytes:
        """Return the plain text that is complete, which may be none."""
        parts = []
        try:
            while part := self._object.read(_READ_BYTES):
                parts.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.ended = True
        if self._waiting:
            self.encrypt(b"")
        return b"".join(parts)

    def encrypt(self, plain: bytes) -> None:
        """Queue `plain`; the ciphertext is taken with `take_outgoing`."""
        waiting = self._waiting + plain
        try:
            while waiting:
                waiting = waiting[self._object.write(waiting) :]
        except ssl.SSLWantReadError:
            pass  # a renegotiation (TLS 1.2) wants an answer first; decrypt() tries again
        self._waiting = waiting

    def end(self) -> None:
        """Queue close_notify; the peer's is not waited for."""
        with contextlib.suppress(ssl.SSLError):  # theirs is not here yet, or the session is dead
            self._object.unwrap()

    def take_outgoing(self) -> bytes:
        """Return what must go to the network now, and forget it."""
        return self._outgoing.read() if self._outgoing.pending else b""
