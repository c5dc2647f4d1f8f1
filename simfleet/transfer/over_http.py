"""One HTTP request over a connection that is open already, blocking; run in a worker thread."""

from __future__ import annotations

import base64
import http.client
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet import __version__
from simfleet.transfer.failure import Kind, TransferFailed

if TYPE_CHECKING:
    import socket
    import ssl

    from simfleet.transfer.location import Location
    from simfleet.transfer.work import Sockets

SAID_MAX_BYTES: Final = 200
"""How much of what a server says to its refusal is passed on."""
CHUNK_BYTES: Final = 65_536
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PERMISSION: Final = frozenset({401, 403, 407})


class Answer(Struct, frozen=True):
    """A success with its body, or a redirect with where it leads."""

    status: int
    body: bytes
    redirect: str = ""


def exchange(
    sockets: Sockets,
    sock: socket.socket,
    location: Location,
    *,
    content: bytes | None,
    context: ssl.SSLContext | None,
    size_max_bytes: int,
) -> Answer:
    """PUT `content`, or GET (None). `context` is for ``https``. Closes the socket.

    Raises `TransferFailed` and `OSError`.
    """
    connection = http.client.HTTPConnection(location.host, location.port, timeout=sock.gettimeout())
    connection.sock = sock
    try:
        sockets.hold(sock)
        if context is not None:
            connection.sock = context.wrap_socket(sock, server_hostname=location.host)
        return _talk(connection, location, content, size_max_bytes)
    except (ConnectionResetError, http.client.IncompleteRead) as error:
        said = "in the middle of a file" if isinstance(error, http.client.IncompleteRead) else ""
        detail = f"{location.authority} hung up {said or 'instead of answering'}"
        raise TransferFailed(Kind.TCP, detail) from None
    except http.client.HTTPException as error:
        detail = f"{location.authority} answers something that is no HTTP: {error!r}"
        raise TransferFailed(Kind.ANSWER, detail[:SAID_MAX_BYTES]) from None
    finally:
        connection.close()
        sock.close()


def _talk(
    connection: http.client.HTTPConnection,
    location: Location,
    content: bytes | None,
    size_max_bytes: int,
) -> Answer:
    method = "GET" if content is None else "PUT"
    headers = {
        "Host": location.authority,
        "User-Agent": f"simfleet/{__version__}",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if content is not None:
        headers["Content-Type"] = "application/octet-stream"
    if location.user is not None:
        pair = f"{location.user}:{location.password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    unsent: OSError | None = None
    try:
        connection.request(method, location.path + location.query, body=content, headers=headers)
    except (BrokenPipeError, ConnectionResetError) as error:
        unsent = error  # a server that refuses does not always read on; it may have said why
    try:
        response = connection.getresponse()
    except (OSError, http.client.HTTPException):
        if unsent is not None:
            raise unsent from None
        raise
    with response:
        return _understand(response, method, location, size_max_bytes)


def _understand(
    response: http.client.HTTPResponse, method: str, location: Location, size_max_bytes: int
) -> Answer:
    status = response.status
    if 200 <= status < 300:
        body = b"" if method == "PUT" else _read(response, size_max_bytes)
        return Answer(status, body)
    target = response.getheader("Location", "")
    if status in REDIRECTS and target:
        return Answer(status, b"", target)
    said = response.read(SAID_MAX_BYTES).decode(errors="replace").strip()
    kind = Kind.PERMISSION if status in _PERMISSION else Kind.STATUS
    detail = f"{method} {location.shown} is answered with {status} {response.reason}".rstrip()
    raise TransferFailed(kind, f"{detail}: {said}" if said else detail)


def _read(response: http.client.HTTPResponse, size_max_bytes: int) -> bytes:
    """The body. Raises `TransferFailed` as soon as it is known to be too large, or cut short."""
    promised = response.length
    too_large = TransferFailed(Kind.TOO_LARGE, f"the file has more than {size_max_bytes} bytes")
    if promised is not None and promised > size_max_bytes:
        raise too_large
    parts, size = [], 0
    while part := response.read1(CHUNK_BYTES):
        parts.append(part)
        size += len(part)
        if size > size_max_bytes:
            raise too_large
    if promised is not None and size < promised:
        detail = f"the file ends after {size} of {promised} bytes"
        raise TransferFailed(Kind.TCP, detail)
    return b"".join(parts)
