"""URLs of a CSMS, as pure text: what to append, where to connect. OCPP-J 1.6 section 3.1.1, 2.0.1
part 4 section 3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from simfleet.errors import UsageWrong

WS_PORT = 80
WSS_PORT = 443
# What RFC 3986 allows in a path or a query; "%" stays, for the caller may have encoded already.
_PATH_SAFE = "/:@!$&'()*+,;=-._~%"
_QUERY_SAFE = _PATH_SAFE + "?"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a ``ws://`` or ``wss://`` URL points.

    `host` has no brackets; `resource` is path and query, ready for the request line; `authority`
    is the ``Host`` header.
    """

    secure: bool
    host: str
    port: int
    resource: str
    authority: str


def endpoint_url(prefix: str, identity: str) -> str:
    """Return `prefix` with `identity` appended to its path, percent-encoded (UTF-8, nothing but
    unreserved characters left); a trailing slash makes no difference and a query string is kept.
    """
    at = prefix.find("?")
    base, query = (prefix, "") if at < 0 else (prefix[:at], prefix[at:])
    return f"{base.rstrip('/')}/{quote(identity, safe='')}{query}"


def identity_of(resource: str) -> str:
    """Return the last segment of a request target's path, percent-decoded; the inverse of
    `endpoint_url`.
    """
    path, _, _ = resource.partition("?")
    return unquote(path.rpartition("/")[2])


def parse_target(url: str) -> Target:
    """Read a WebSocket URL; raises `UsageWrong` saying what would be accepted.

    Credentials in the URL are refused: they would end up in logs and reports.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageWrong(f"{url!r} is not a WebSocket URL ({error}); {_EXPECTED}") from None
    if parts.scheme not in ("ws", "wss") or not host:
        raise UsageWrong(f"{url!r} is not a WebSocket URL; {_EXPECTED}")
    if parts.fragment:
        raise UsageWrong(f"{url!r} has a fragment, which WebSocket URLs cannot have; {_EXPECTED}")
    if parts.username is not None:
        raise UsageWrong("credentials do not belong in the URL; use the password setting")
    secure = parts.scheme == "wss"
    host = _ascii_host(url, host)
    shown = f"[{host}]" if ":" in host else host
    default = WSS_PORT if secure else WS_PORT
    path = quote(parts.path, safe=_PATH_SAFE) or "/"
    return Target(
        secure=secure,
        host=host,
        port=default if port is None else port,
        resource=urlunsplit(("", "", path, quote(parts.query, safe=_QUERY_SAFE), "")),
        authority=shown if port in (None, default) else f"{shown}:{port}",
    )


def _ascii_host(url: str, host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise UsageWrong(f"{url!r} has a host name that cannot exist; {_EXPECTED}") from None


_EXPECTED = "write ws://host:port/prefix or wss://host:port/prefix"
