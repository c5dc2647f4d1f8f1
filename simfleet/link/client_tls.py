"""TLS contexts of clients, made of PEM texts and shared by all who have the same ones.

Equal chargers share one context; with certificates of their own each needs one, some tens of KiB,
made when it connects and dropped when it is used least. A link keeps the context it was opened
with, whatever happens here.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CONTEXTS_MAX: Final = 256
"""Contexts kept for the next connection with the same credentials."""


class ClientContexts:
    """The contexts of one fleet."""

    __slots__ = ("_kept", "made")

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, bytes, bytes], ssl.SSLContext] = OrderedDict()
        self.made = 0

    def context(
        self, roots_pem: Sequence[bytes], *, chain_pem: bytes = b"", key_pem: bytes = b""
    ) -> ssl.SSLContext:
        """TLS 1.2 or later, with a server whose certificate one of the roots vouches for (a root
        may be an intermediate certificate) and whose name is right. `chain_pem` and `key_pem`, if
        any, are shown to a server that asks. Raises `ssl.SSLError` for what OpenSSL cannot use.
        """
        roots = b"".join(roots_pem)
        known_as = (roots, chain_pem, key_pem)
        context = self._kept.get(known_as)
        if context is None:
            context = self._kept[known_as] = _make(roots, chain_pem, key_pem)
            self.made += 1
            if len(self._kept) > CONTEXTS_MAX:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(known_as)
        return context


def _make(roots_pem: bytes, chain_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=roots_pem.decode("ascii"))
    if chain_pem:
        with _as_file(chain_pem + key_pem) as path:
            context.load_cert_chain(path)
    return context


@contextlib.contextmanager
def _as_file(pem: bytes) -> Iterator[str]:
    """The `ssl` module reads certificates and keys from files only: one that nobody else can read,
    and that is gone at once.
    """
    descriptor, path = tempfile.mkstemp(suffix=".pem")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        yield path
    finally:
        os.unlink(path)


def roots_of(context: ssl.SSLContext) -> tuple[bytes, ...]:
    """The certificates that a context trusts, PEM; without those it would look up in a folder."""
    return tuple(
        ssl.DER_cert_to_PEM_cert(der).encode("ascii")
        for der in context.get_ca_certs(binary_form=True)
    )
