"""What `$uploads` in a scenario stands for: a small HTTP server on loopback, for one run.

    PUT or POST /anything      takes a file, counts it and throws it away (201)
    GET /anything              a firmware file, the same bytes every time (200)
    any of them /missing/...   404, for uploads and downloads that are to fail

It has threads of its own, so that the event loop, whose lag is measured, does not serve files.
Bounded: connections served at once, bytes of a file, seconds of silence.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import ExitStack, contextmanager
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRMWARE_BYTES: Final = 64 * 1024
FILE_MAX_BYTES: Final = 16 * 1024 * 1024
"""A larger upload is refused with 413."""
SERVED_AT_ONCE_MAX: Final = 32
SILENCE_MAX_S: Final = 10.0
"""A client that says nothing for so long is cut off."""
BACKLOG: Final = 1024
STOP_POLL_S: Final = 0.05
_CHUNK_BYTES: Final = 64 * 1024


class Transfers(Struct):
    """What came and went, whole files only."""

    received: int = 0
    received_bytes: int = 0
    served: int = 0
    refused: int = 0


class Uploads:
    """The running server: its URL and what it has done so far."""

    def __init__(self, server: _Server) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """What paths are appended to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def figures(self) -> dict[str, int]:
        """Counts so far."""
        with self._server.lock:
            done = self._server.done
            return {name: getattr(done, name) for name in done.__struct_fields__}


@cache
def firmware() -> bytes:
    """The file that every GET gets."""
    blocks = (hashlib.sha256(b"SimFleet firmware %d" % n).digest() for n in range(2048))
    return b"".join(blocks)[:FIRMWARE_BYTES]


@contextmanager
def serve_uploads() -> Iterator[Uploads]:
    """The server, on a free port, until the block is left. Raises OSError when none is free."""
    with _Server() as server:
        thread = threading.Thread(
            target=server.serve_forever,
            kwargs={"poll_interval": STOP_POLL_S},
            name="uploads",
            daemon=True,
        )
        thread.start()
        try:
            yield Uploads(server)
        finally:
            server.shutdown()
            thread.join()


class RunFiles:
    """The server of a run: started by whoever needs it first, there until the run is over."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._uploads: Uploads | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def serve(self) -> Uploads:
        """The running server. Raises OSError when no port is free."""
        if self._uploads is None:
            self._uploads = self._open.enter_context(serve_uploads())
        return self._uploads

    def figures(self) -> dict[str, int] | None:
        """Counts so far; None if nobody has needed it."""
        return None if self._uploads is None else self._uploads.figures()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # threads of silent clients end by their timeout
    request_queue_size = BACKLOG

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.done = Transfers()
        self._places = threading.BoundedSemaphore(SERVED_AT_ONCE_MAX)
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Wait for a place, then serve in a thread; who comes meanwhile waits in the backlog."""
        if self._places.acquire(timeout=SILENCE_MAX_S):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection and give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is not worth a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SILENCE_MAX_S
    server_version = "SimFleet"
    sys_version = ""

    def do_GET(self) -> None:
        """Serve the firmware."""
        if self._missing():
            return
        content = firmware()
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        with self.server.lock:
            self.server.done.served += 1

    def do_PUT(self) -> None:
        """Take a file."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._refuse(411)
        elif int(length) > FILE_MAX_BYTES:
            self._refuse(413)
        elif not self._missing():
            self._take(int(length))

    do_POST = do_PUT

    def _take(self, length: int) -> None:
        left = length
        while left:
            chunk = self.rfile.read(min(left, _CHUNK_BYTES))
            if not chunk:
                return  # the client went away
            left -= len(chunk)
        with self.server.lock:
            self.server.done.received += 1
            self.server.done.received_bytes += length
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _missing(self) -> bool:
        if not self.path.startswith("/missing/"):
            return False
        self._refuse(404)
        return True

    def _refuse(self, status: int) -> None:
        with self.server.lock:
            self.server.done.refused += 1
        reason = f"{HTTPStatus(status).phrase}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(reason)))
        self.send_header("Connection", "close")  # the rest of what was sent is not read
        self.end_headers()
        self.wfile.write(reason)
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # its name there
        """Say nothing: the run's summary has the counts."""
