"""URLs of files, taken apart: who, where, which file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Self, cast
from urllib.parse import quote, unquote, urljoin, urlsplit

from msgspec import Struct

from simfleet.transfer.failure import Kind, TransferFailed

if TYPE_CHECKING:
    from collections.abc import Collection

Scheme = Literal["http", "https", "ftp", "ftps"]
PORTS: Final[dict[str, int]] = {"http": 80, "https": 443, "ftp": 21, "ftps": 21}
"""Schemes that are understood and the ports they imply; ``ftps`` is FTP with AUTH TLS (RFC
4217).
"""
URL_MAX_CHARS: Final = 2048
_UNSAFE: Final = "/:@!$&'()*+,;=-._~%"


class Location(Struct, frozen=True):
    """One file on a server. `path` is percent-encoded and begins with a slash, `query` with its
    question mark, if any.
    """

    scheme: Scheme
    host: str
    port: int
    path: str
    query: str
    user: str | None
    password: str

    @classmethod
    def of(cls, url: str, *, file_name: str = "") -> Self:
        """Take `url` apart; one that ends in a slash names a folder and gets `file_name`.

        Raises `TransferFailed`, kind ``bad_url`` or ``unsupported_scheme``.
        """
        if len(url) > URL_MAX_CHARS:
            raise TransferFailed(Kind.URL, f"a URL has at most {URL_MAX_CHARS} characters")
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise TransferFailed(Kind.URL, f"{_shown(url)!r} is no URL: {error}") from None
        scheme = parts.scheme.lower()
        if scheme not in PORTS:
            accepted = ", ".join(f"{name}://" for name in PORTS)
            if not scheme:
                detail = f"{_shown(url)!r} is no URL; it must begin with one of {accepted}"
                raise TransferFailed(Kind.URL, detail)
            raise TransferFailed(Kind.SCHEME, f"{scheme}:// is not supported; accepted: {accepted}")
        if not host:
            raise TransferFailed(Kind.URL, f"{_shown(url)!r} names no host")
        try:
            host = host.encode("ascii" if ":" in host else "idna").decode()
        except UnicodeError:
            raise TransferFailed(Kind.URL, f"{host!r} is no name of a host") from None
        path = parts.path or "/"
        if path.endswith("/"):
            path += quote(file_name, safe="")
        if any(ord(sign) < 32 or ord(sign) == 127 for sign in unquote(path) + host):
            raise TransferFailed(Kind.URL, f"{_shown(url)!r} has a control character in it")
        return cls(
            cast("Scheme", scheme),
            host,
            PORTS[scheme] if port is None else port,
            quote(path, safe=_UNSAFE),
            f"?{quote(parts.query, safe=_UNSAFE + '?/')}" if parts.query else "",
            None if parts.username is None else unquote(parts.username),
            unquote(parts.password or ""),
        )

    def towards(self, target: str, *, schemes: Collection[str]) -> Location:
        """Where a redirect leads. The credentials go along to the same host and port only, and
        nothing leads from TLS to plain text. Raises `TransferFailed`.
        """
        there = Location.of(urljoin(self.shown, target))
        if there.scheme not in schemes or (self.scheme == "https" and there.scheme == "http"):
            raise TransferFailed(
                Kind.REDIRECT, f"{self.shown} redirects to {there.shown}, which is not followed"
            )
        same = (there.scheme, there.host, there.port) == (self.scheme, self.host, self.port)
        if same and there.user is None:
            there = Location(
                there.scheme,
                there.host,
                there.port,
                there.path,
                there.query,
                self.user,
                self.password,
            )
        return there

    @property
    def authority(self) -> str:
        """Host and port, as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The URL without credentials, for people."""
        return f"{self.scheme}://{self.authority}{self.path}{self.query}"

    @property
    def ftp_path(self) -> str:
        """The path for FTP: relative to where the login leads (RFC 1738 section 3.2.2)."""
        return unquote(self.path[1:])


def _shown(url: str) -> str:
    """A broken URL for people: cut, and without what may be a password."""
    before, at, after = url.rpartition("@")
    return (f"...@{after}" if at and before else url)[:200]
