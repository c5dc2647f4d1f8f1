"""From a station's credentials to a connection: URL, password and TLS context.

A station says what it connects with (`station.credentials`); what the installer left with the fleet
is in the `LinkOptions` (password, trusted roots) and in a `Keyring` (URL for TLS, certificates).
What the station was sent itself comes first.
"""

from __future__ import annotations

import ssl
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.link.client_tls import ClientContexts, roots_of
from simfleet.station.credentials import PLAIN, Given
from simfleet.station.security import MUTUAL_TLS, TLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.link.link import LinkOptions
    from simfleet.station.credentials import Credentials


class ClientCertificate(NamedTuple):
    """A station's certificate (with what is between it and the root) and its key, PEM."""

    chain_pem: bytes
    key_pem: bytes


class Keyring:
    """What the installer left with the chargers of a fleet, and the TLS contexts made of it.

    `certificate_of` gives a charger's certificate by its identity, None if there is none after all;
    it is asked at every connection that needs it. `secure_url` is where the CSMS speaks TLS, if
    that is not the host and port where it speaks without.
    """

    __slots__ = ("_contexts", "_roots", "certificate_of", "passwords", "secure_url")

    def __init__(
        self,
        *,
        certificate_of: Callable[[str], ClientCertificate | None] | None = None,
        secure_url: str | None = None,
    ) -> None:
        self.certificate_of = certificate_of
        self.secure_url = secure_url
        self.passwords: Mapping[str, str] = {}
        """Of single chargers, by identity; everybody else has that of the `LinkOptions`."""
        self._contexts = ClientContexts()
        self._roots: tuple[ssl.SSLContext, tuple[bytes, ...]] | None = None

    def given(self, options: LinkOptions) -> Given:
        """What a station may count on when it is told to raise its security profile."""
        return _given(
            options.password is not None,
            options.ssl_context is not None,
            self.certificate_of is not None,
        )

    def _certificate(self, identity: str) -> ClientCertificate | None:
        return None if self.certificate_of is None else self.certificate_of(identity)

    def url(self, credentials: Credentials, url: str) -> str:
        """Where to connect: profile 2 and 3 speak TLS, on the same host and port if no other was
        given. A network profile of the station's own names its CSMS itself.
        """
        if credentials.url:
            return credentials.url
        if credentials.profile < TLS or url.startswith("wss:"):
            return url
        if self.secure_url is not None:
            return self.secure_url
        return "wss:" + url.removeprefix("ws:")

    def options(
        self, credentials: Credentials, options: LinkOptions, *, identity: str
    ) -> LinkOptions:
        """How to connect. Raises `ConnectFailed` ``tls`` when the credentials cannot be used."""
        if self.passwords and identity in self.passwords:
            options = replace(options, password=self.passwords[identity])
        if credentials is PLAIN:
            return options
        if credentials.profile == MUTUAL_TLS:
            options = replace(options, password=None)
        elif credentials.password:
            options = replace(options, password=credentials.password)
        if credentials.profile < TLS:
            return options
        return replace(options, ssl_context=self._context(credentials, options, identity))

    def _context(
        self, credentials: Credentials, options: LinkOptions, identity: str
    ) -> ssl.SSLContext | None:
        own = ClientCertificate(credentials.chain_pem, credentials.key_pem)
        if credentials.profile == MUTUAL_TLS and not own.chain_pem:
            own = self._certificate(identity) or own
        if not credentials.roots_pem and not own.chain_pem:
            return options.ssl_context  # as the installer left it, or the system's authorities
        roots = credentials.roots_pem or self._given_roots(options)
        try:
            return self._contexts.context(roots, chain_pem=own.chain_pem, key_pem=own.key_pem)
        except (ssl.SSLError, ValueError) as error:
            detail = f"the station's own credentials cannot be used: {error}"
            raise ConnectFailed(ConnectReason.TLS, detail) from None

    def _given_roots(self, options: LinkOptions) -> tuple[bytes, ...]:
        context = options.ssl_context
        if context is None:
            return ()
        if self._roots is None or self._roots[0] is not context:
            self._roots = context, roots_of(context)
        return self._roots[1]


@lru_cache(maxsize=8)
def _given(password: bool, roots: bool, certificate: bool) -> Given:
    """Ten thousand chargers share these."""
    return Given(password=password, roots=roots, certificate=certificate)
