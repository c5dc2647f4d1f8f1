"""Where a charger's files go to and firmware comes from: the standard library's HTTP server."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRMWARE = bytes(range(256)) * 64


class FileServer(ThreadingHTTPServer):
    """Keeps what is uploaded; serves `FIRMWARE`, or 404 below `/missing/`."""

    daemon_threads = True

    def __init__(self) -> None:
        self.uploaded: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.refusals_left = 0
        """So many requests are answered with 503 first."""
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        if self._begin():
            self._answer(200, FIRMWARE)

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self._begin():
            self.server.uploaded[self.path] = content
            self._answer(201, b"")

    def _begin(self) -> bool:
        self.server.requests.append((self.command, self.path))
        if self.server.refusals_left:
            self.server.refusals_left -= 1
            self._answer(503, b"")
            return False
        if self.path.startswith("/missing/"):
            self._answer(404, b"")
            return False
        return True

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  # its name there
        pass


@contextmanager
def files() -> Iterator[FileServer]:
    """The server, until the block is left."""
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
