"""Why a peer did not open a WebSocket, read off the bytes that it sent instead. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from simfleet.errors import ConnectFailed, ConnectReason

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD_MAX_BYTES: Final = 65536
"""A response head longer than this is no handshake."""
BODY_SHOWN_BYTES: Final = 200
"""This much of an error page goes into the report."""
HEAD_END: Final = b"\r\n\r\n"
_START: Final = b"HTTP/"
_STATUS_LINE: Final = re.compile(rb"HTTP/\d\.\d (\d{3})[ \r\n]")


def is_http(received: bytes | bytearray) -> bool:
    """Whether `received` can still become an HTTP response."""
    return received[: len(_START)] == _START[: len(received)]


def status_of(received: bytes | bytearray) -> int | None:
    """Return the HTTP status, None before it is complete."""
    match = _STATUS_LINE.match(received)
    return int(match[1]) if match else None


def header_of(received: bytes | bytearray, name: str) -> str | None:
    """Return one header of a response head, None without it."""
    head = bytes(received).partition(HEAD_END)[0]
    pattern = rb"(?mi)^" + re.escape(name.encode()) + rb":[ \t]*([^\r\n]*)"
    match = re.search(pattern, head)
    return match[1].strip().decode("latin-1") if match else None


def body_complete(received: bytes | bytearray) -> bool:
    """Whether as much of the response has arrived as is worth waiting for."""
    _, separator, body = bytes(received).partition(HEAD_END)
    if not separator:
        return False
    length = header_of(received, "Content-Length")
    expected = int(length) if length is not None and length.isdecimal() else BODY_SHOWN_BYTES
    if header_of(received, "Transfer-Encoding") is not None:
        return b"\r\n0\r\n" in body or len(body) >= 2 * BODY_SHOWN_BYTES
    return len(body) >= min(expected, BODY_SHOWN_BYTES) or status_of(received) in (204, 304)


def refused_by_status(received: bytes | bytearray, status: int) -> ConnectFailed:
    """An HTTP answer other than 101: its status, where it redirects to, and how its body begins."""
    status_line = bytes(received).partition(b"\r\n")[0].decode("latin-1")
    detail = status_line.partition(" ")[2].strip()[:BODY_SHOWN_BYTES]
    location = header_of(received, "Location")
    if location is not None:
        detail += f"; redirects to {location}, which is not followed"
    body = _dechunked(received)[:BODY_SHOWN_BYTES]
    if body:
        detail += f": {' '.join(body.decode(errors='replace').split())}"
    return ConnectFailed(ConnectReason.HTTP_STATUS, detail, status=status)


def _dechunked(received: bytes | bytearray) -> bytes:
    body = bytes(received).partition(HEAD_END)[2]
    if header_of(received, "Transfer-Encoding") is None:
        return body
    parts = []
    while match := re.match(rb"([0-9A-Fa-f]{1,8})[^\r\n]*\r\n", body):
        end = match.end() + int(match[1], 16)
        parts.append(body[match.end() : end])
        body = body[end + 2 :]
    return b"".join(parts)


def why_not_open(
    received: bytes | bytearray, *, cut: str | None, problem: str = ""
) -> ConnectFailed:
    """Judge an opening handshake that did not succeed.

    `received` is all that came from the peer, `cut` how TCP ended (None while it is still open),
    `problem` what the WebSocket library found wrong with the answer.
    """
    if not is_http(received):
        shown = bytes(received[:40])
        return ConnectFailed(ConnectReason.HANDSHAKE, f"the answer is not HTTP: {shown!r}")
    status = status_of(received)
    if status is not None and status != 101:
        return refused_by_status(received, status)
    if HEAD_END in received or cut is None:
        return ConnectFailed(ConnectReason.HANDSHAKE, problem or "not a WebSocket handshake")
    when = "in the middle of the answer" if received else "before any answer"
    return ConnectFailed(ConnectReason.RESET, f"connection {cut} {when}")


def judge(
    received: bytes | bytearray, *, cut: str | None, subprotocols: Sequence[str], problem: str = ""
) -> ConnectFailed:
    """`why_not_open`, and whether it was the subprotocol."""
    answered = header_of(received, "Sec-WebSocket-Protocol")
    if status_of(received) == 101 and answered not in (None, *subprotocols):
        return wrong_subprotocol(subprotocols, answered)
    return why_not_open(received, cut=cut, problem=problem)


def wrong_subprotocol(offered: Sequence[str], answered: str | None) -> ConnectFailed:
    """101, but not for the OCPP version that was asked for."""
    asked = ", ".join(offered) or "none"
    said = "none" if answered is None else repr(answered)
    detail = f"asked for {asked}, the server chose {said}"
    return ConnectFailed(ConnectReason.NO_SUBPROTOCOL, detail)
