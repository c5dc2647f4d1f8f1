"""From a host name to a connected TCP socket; every way that fails becomes a `ConnectReason`."""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import Final

import trio

from simfleet.errors import ConnectFailed, ConnectReason

RESOLUTION_KEPT_S: Final = 5.0
"""10,000 chargers ask for one name; a resolver thread for each would cost more than connecting."""
RESOLUTIONS_MAX: Final = 64
# Linux: choose the local port at connect(), so that one source address carries more connections.
_IP_BIND_ADDRESS_NO_PORT: Final = 24

Endpoint = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Address = tuple[socket.AddressFamily, Endpoint]

_REASONS: Final = {
    errno.ECONNREFUSED: ConnectReason.REFUSED,
    errno.ECONNRESET: ConnectReason.RESET,
    errno.ECONNABORTED: ConnectReason.RESET,
    errno.EPIPE: ConnectReason.RESET,
    errno.ETIMEDOUT: ConnectReason.TIMED_OUT,
}
_resolutions: dict[tuple[str, int], tuple[float, list[Address]]] = {}


def failed(error: OSError) -> ConnectFailed:
    """Translate an error of the operating system; what is not the peer's doing is
    ``unreachable``.
    """
    name = errno.errorcode.get(error.errno or 0, "OSError")
    text = os.strerror(error.errno) if error.errno else str(error)
    reason = _REASONS.get(error.errno or 0, ConnectReason.UNREACHABLE)
    return ConnectFailed(reason, f"{name}: {text}")


async def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a host, in the order to try; raises `ConnectFailed` ``dns``.

    IP addresses are not looked up; names are remembered for `RESOLUTION_KEPT_S`.
    """
    known = _resolutions.get((host, port))
    if known is not None and known[0] > time.monotonic():
        return known[1]
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConnectFailed(ConnectReason.DNS, f"{host}: {detail}") from None
    addresses: list[Address] = [(family, address) for family, _, _, _, address in found]
    if len(_resolutions) >= RESOLUTIONS_MAX:
        _resolutions.clear()
    _resolutions[host, port] = (time.monotonic() + RESOLUTION_KEPT_S, addresses)
    return addresses


async def dial(host: str, port: int, *, source_address: str | None = None) -> socket.socket:
    """Return a connected, non-blocking socket with Nagle's algorithm off; raises `ConnectFailed`.

    Addresses are tried in turn; the deadline is the caller's, and is shared out among them.
    """
    addresses = await resolve(host, port)
    problem = ConnectFailed(ConnectReason.DNS, f"{host}: no address")
    for index, (family, address) in enumerate(addresses):
        left_s = trio.current_effective_deadline() - trio.current_time()
        problem = ConnectFailed(ConnectReason.TIMED_OUT, f"no answer from {address[0]} port {port}")
        with trio.move_on_after(max(0.0, left_s / (len(addresses) - index))):
            try:
                return await _connect(family, address, source_address)
            except OSError as error:
                problem = failed(error)
    raise problem


async def _connect(
    family: socket.AddressFamily,
    address: Endpoint,
    source_address: str | None,
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source_address is not None:
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source_address, 0))
        code = sock.connect_ex(address)
        if code == errno.EINPROGRESS:
            await trio.lowlevel.wait_writable(sock.fileno())
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock
