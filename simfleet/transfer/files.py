"""`upload` and `download`: one file, by the scheme of its URL, with a deadline and a size limit."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import trio

from simfleet.transfer import over_ftp, over_http
from simfleet.transfer.failure import Kind, TransferFailed
from simfleet.transfer.location import Location
from simfleet.transfer.work import Sockets, client_context, in_thread, open_tcp

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator

    from simfleet.transfer.over_http import Answer

TIMEOUT_S: Final = 60.0
"""A whole transfer, name resolution and redirects included."""
SIZE_MAX_BYTES: Final = 64 * 1024 * 1024
"""The largest file, both ways."""
REDIRECTS_MAX: Final = 5
_HTTP: Final = frozenset({"http", "https"})
_TLS: Final = frozenset({"https", "ftps"})
_PUT_AGAIN: Final = frozenset({307, 308})
"""Redirects that keep the method (RFC 9110 section 15.4)."""


async def upload(
    url: str,
    file_name: str,
    content: bytes,
    *,
    timeout_s: float = TIMEOUT_S,
    ssl_context: ssl.SSLContext | None = None,
) -> None:
    """Put a file where the URL says, by HTTP PUT or FTP STOR; a URL that ends in a slash is a
    folder, where it is called `file_name`.

    The URL's user name and password are used for HTTP Basic authentication or the FTP login.
    Without `ssl_context` the system's authorities are trusted. Raises `TransferFailed`. Cancelling
    ends the transfer, the connection and its thread.
    """
    if len(content) > SIZE_MAX_BYTES:
        raise TransferFailed(Kind.TOO_LARGE, f"a file may have at most {SIZE_MAX_BYTES} bytes")
    location = Location.of(url, file_name=file_name)
    async with _within(timeout_s, location):
        if location.scheme in _HTTP:
            await _http(location, content, 0, timeout_s, ssl_context)
            return
        context = _context(location, ssl_context)
        async with _connection(location, timeout_s) as (sockets, sock):
            await in_thread(
                sockets,
                lambda: over_ftp.store(sockets, sock, location, content=content, context=context),
            )


async def download(
    url: str,
    *,
    size_max_bytes: int = SIZE_MAX_BYTES,
    timeout_s: float = TIMEOUT_S,
    ssl_context: ssl.SSLContext | None = None,
) -> bytes:
    """Get a file by HTTP GET (redirects are followed, `REDIRECTS_MAX` at most) or FTP RETR.

    As `upload`; a file of more than `size_max_bytes` is not read to its end.
    """
    location = Location.of(url)
    async with _within(timeout_s, location):
        if location.scheme in _HTTP:
            return (await _http(location, None, size_max_bytes, timeout_s, ssl_context)).body
        context = _context(location, ssl_context)
        async with _connection(location, timeout_s) as (sockets, sock):
            return await in_thread(
                sockets,
                lambda: over_ftp.retrieve(
                    sockets, sock, location, size_max_bytes=size_max_bytes, context=context
                ),
            )


async def _http(
    location: Location,
    content: bytes | None,
    size_max_bytes: int,
    timeout_s: float,
    ssl_context: ssl.SSLContext | None,
) -> Answer:
    """PUT or GET, and go where redirects lead."""
    for _ in range(REDIRECTS_MAX + 1):
        answer = await _request(location, content, size_max_bytes, timeout_s, ssl_context)
        if not answer.redirect:
            return answer
        if content is not None and answer.status not in _PUT_AGAIN:
            detail = f"PUT {location.shown} is answered with {answer.status}, to {answer.redirect}"
            raise TransferFailed(Kind.STATUS, detail)
        location = location.towards(answer.redirect, schemes=_HTTP)
    detail = f"more than {REDIRECTS_MAX} redirects, the last one to {location.shown}"
    raise TransferFailed(Kind.REDIRECT, detail)


async def _request(
    location: Location,
    content: bytes | None,
    size_max_bytes: int,
    timeout_s: float,
    ssl_context: ssl.SSLContext | None,
) -> Answer:
    context = _context(location, ssl_context)
    async with _connection(location, timeout_s) as (sockets, sock):
        return await in_thread(
            sockets,
            lambda: over_http.exchange(
                sockets,
                sock,
                location,
                content=content,
                context=context,
                size_max_bytes=size_max_bytes,
            ),
        )


def _context(location: Location, given: ssl.SSLContext | None) -> ssl.SSLContext | None:
    return (given or client_context()) if location.scheme in _TLS else None


@asynccontextmanager
async def _connection(
    location: Location, timeout_s: float
) -> AsyncIterator[tuple[Sockets, socket.socket]]:
    sock = await open_tcp(location, timeout_s=timeout_s)
    sockets = Sockets()
    try:
        yield sockets, sock
    finally:
        sockets.release()
        sock.close()


@asynccontextmanager
async def _within(timeout_s: float, location: Location) -> AsyncIterator[None]:
    """A deadline for everything; `TransferFailed` when it passes."""
    with trio.move_on_after(timeout_s) as scope:
        yield
    if scope.cancelled_caught:
        detail = f"{location.shown} took more than {timeout_s:g} s"
        raise TransferFailed(Kind.TIMED_OUT, detail)
