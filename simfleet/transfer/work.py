"""A blocking transfer in a worker thread, over a connection that Trio opened, ended by cancelling.

Cancelling shuts the sockets down, which wakes the thread wherever it reads or writes, and waits for
it: no transfer's thread outlives the call. Names are resolved and TCP is opened by Trio itself, so
that the thread only ever works on open sockets.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

import trio

from simfleet.transfer.failure import Kind, TransferFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.transfer.location import Location

T = TypeVar("T")

THREADS_MAX: Final = 32
"""Transfers in worker threads at once, in this process; more wait for a thread."""
_threads = trio.CapacityLimiter(THREADS_MAX)


@lru_cache(maxsize=8)
def client_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Whom to trust: the system's authorities, or those of a PEM file. Made once per file, because
    it takes tens of milliseconds. Raises `OSError` for a file that cannot be used.
    """
    return ssl.create_default_context(cafile=ca_file)


class Sockets:
    """The sockets of one transfer, held by handles of their own: what the thread does with them
    (wrap them in TLS, close them) does not matter to `shut_down`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: list[socket.socket] = []
        self._data: list[socket.socket] = []
        self.is_shut_down = False

    def hold(self, sock: socket.socket) -> None:
        """Take a socket into care. Raises `OSError` once all are shut down."""
        self._hold(sock, self._handles)

    def _hold(self, sock: socket.socket, handles: list[socket.socket]) -> None:
        with self._lock:
            if self.is_shut_down:
                raise OSError("the transfer has been cancelled")
            handles.append(sock.dup())

    def connect(self, host: str, port: int, *, timeout_s: float) -> socket.socket:
        """Open a further connection, from the thread. `host` is an address, not a name."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(timeout_s)
            self._hold(sock, self._data)
            sock.connect((host, port))
        except BaseException:
            sock.close()
            raise
        return sock

    def let_go_of_data(self) -> None:
        """What `connect` opened is closed, or about to be."""
        with self._lock:
            for handle in self._data:
                handle.close()
            self._data.clear()

    def shut_down(self) -> None:
        """Make everything fail that anybody does with the sockets."""
        with self._lock:
            self.is_shut_down = True
            for handle in (*self._handles, *self._data):
                with contextlib.suppress(OSError):  # not connected (any more)
                    handle.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Let the handles go."""
        with self._lock:
            self.is_shut_down = True
            for handle in (*self._handles, *self._data):
                handle.close()
            self._handles.clear()
            self._data.clear()


async def open_tcp(location: Location, *, timeout_s: float) -> socket.socket:
    """Connect to the server of `location`; a blocking socket with that timeout. Raises
    `TransferFailed`.

    A cancelled look-up of a name ends at once here; the resolver's own thread, which nothing can
    interrupt, ends when the resolver gives up.
    """
    try:
        stream = await trio.open_tcp_stream(location.host, location.port)
    except socket.gaierror as error:
        detail = f"{location.host} cannot be resolved: {error.strerror}"
        raise TransferFailed(Kind.DNS, detail) from None
    except (OSError, UnicodeError) as error:
        reason = error.__cause__ or error.__context__ or error
        detail = f"{location.authority} cannot be reached: {_first(reason)}"
        raise TransferFailed(Kind.TCP, detail) from None
    with stream.socket:
        # Takes the descriptor from Trio, which has no more to do with it.
        sock = socket.socket(fileno=stream.socket.detach())
    sock.settimeout(timeout_s)
    return sock


def _first(error: BaseException) -> BaseException:
    """Of several addresses that were tried, what the first said."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def in_thread(sockets: Sockets, work: Callable[[], T]) -> T:
    """Run `work` in a worker thread; cancelling shuts `sockets` down and waits for it to end.

    `work` raises `TransferFailed` and nothing else for what may go wrong on the wire; `OSError`
    counts as a broken connection.
    """

    async def watch() -> None:
        try:
            await trio.sleep_forever()
        finally:
            sockets.shut_down()

    def run() -> T | TransferFailed:
        try:
            return work()
        except TransferFailed as failed:
            return failed
        except OSError as error:
            return TransferFailed(*kind_of(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await trio.lowlevel.checkpoint()  # a watch that has not begun would see nothing
        result = await trio.to_thread.run_sync(run, limiter=_threads)
        nursery.cancel_scope.cancel()
    if isinstance(result, TransferFailed):
        raise result
    return result


def kind_of(error: OSError) -> tuple[Kind, str]:
    """What an error of a socket means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Kind.TLS, f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return Kind.TLS, error.reason or str(error)
    if isinstance(error, TimeoutError):
        return Kind.TIMED_OUT, "the server does not answer"
    return Kind.TCP, f"the connection broke: {error.strerror or error}"
