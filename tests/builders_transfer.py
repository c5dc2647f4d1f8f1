"""Servers for files on loopback: HTTP with what it was sent, and a small FTP server in threads.

with http_server() as server:
    await upload(f"{server.url}/logs/", "a.txt", b"hello")
    assert server.files == {"/logs/a.txt": b"hello"}
"""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import trustme


Handler = http.server.BaseHTTPRequestHandler
Script = Callable[[Handler], None]
GIVE_UP_S: Final = 10.0
"""How long a server waits for a client that does nothing."""


@dataclass
class Request:
    """One HTTP request as it came."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class HttpServer:
    """What an HTTP server on loopback got, and how it answers. `answers` go by path."""

    port: int = 0
    scheme: str = "http"
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    answers: dict[str, Script] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    def url_as(self, user: str, password: str) -> str:
        return f"{self.scheme}://{user}:{password}@localhost:{self.port}"


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


@contextmanager
def http_server(*, ca: trustme.CA | None = None) -> Iterator[HttpServer]:
    """An HTTP server, with TLS if there is an authority to vouch for it."""
    seen = HttpServer(scheme="http" if ca is None else "https")

    class _Handler(Handler):
        timeout = GIVE_UP_S

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _serve(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen.requests.append(Request(self.command, self.path, headers))
            script = seen.answers.get(self.path)
            if script is not None:
                script(self)
            elif self.command == "PUT":
                seen.files[self.path] = self.rfile.read(int(headers["content-length"]))
                self.send_response(201)
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif self.path in seen.files:
                give(seen.files[self.path])(self)
            else:
                refuse(404, "no such file")(self)

        do_PUT = do_GET = _serve

    server = _Server(("127.0.0.1", 0), _Handler)
    if ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(context)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    seen.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield seen
    finally:
        seen.done.set()
        server.shutdown()
        thread.join()
        server.server_close()


def refuse(status: int, text: str = "") -> Script:
    """Answer with a status and some words; the request's body is left unread."""

    def script(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(text)))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(text.encode())
        handler.close_connection = True

    return script


def redirect(to: str, status: int = 302) -> Script:
    """Send the client elsewhere."""

    def script(handler: Handler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        handler.send_response(status)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return script


def give(content: bytes) -> Script:
    """Answer with a file."""

    def script(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return script


def say(raw: bytes) -> Script:
    """Answer with these bytes, HTTP or not, and hang up."""

    def script(handler: Handler) -> None:
        handler.wfile.write(raw)
        handler.close_connection = True

    return script


def hang(server: HttpServer) -> Script:
    """Never answer."""

    def script(_: Handler) -> None:
        server.done.wait(GIVE_UP_S)

    return script


# ── FTP ─────────────────────────────────────────────────────────────────────────────────────────


HANG_UP: Final = ""
"""Instead of a reply."""


@dataclass
class FtpServer:
    """What an FTP server on loopback got, and how it answers. `replies` replaces those to a
    command; None says nothing at all.
    """

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    user: str = "anonymous"
    password: str | None = None
    replies: dict[str, str | None] = field(default_factory=dict)
    encrypted: bool = False
    stall_data: bool = False
    """Data connections are opened and never read or written."""
    done: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/", *, scheme: str = "ftp", login: str = "") -> str:
        return f"{scheme}://{login}localhost:{self.port}{path}"


@contextmanager
def ftp_server(*, ca: trustme.CA | None = None) -> Iterator[FtpServer]:
    """An FTP server in passive mode; AUTH TLS if there is an authority to vouch for it."""
    seen = FtpServer()
    context = None
    if ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.02)
    seen.port = listener.getsockname()[1]
    talks: list[threading.Thread] = []

    def accept() -> None:
        while not seen.done.is_set():
            with suppress(TimeoutError):
                connection, _ = listener.accept()
                talk = threading.Thread(target=_Talk(seen, connection, context).run)
                talks.append(talk)
                talk.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield seen
    finally:
        seen.done.set()
        accepting.join()
        listener.close()
        for talk in talks:
            talk.join()


class _Talk:
    """One control connection."""

    def __init__(
        self, seen: FtpServer, connection: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        self._seen, self._context = seen, context
        self._connection: socket.socket = connection
        self._passive: socket.socket | None = None
        self._protected = False

    def run(self) -> None:
        self._connection.settimeout(GIVE_UP_S)
        try:
            self._say("220 ready")
            self._lines()
        except (OSError, ValueError):
            pass  # the client hung up
        finally:
            if self._passive is not None:
                self._passive.close()
            self._connection.close()

    def _lines(self) -> None:
        buffer = b""
        self._connection.settimeout(0.05)
        while not self._seen.done.is_set():
            try:
                part = self._connection.recv(4096)
            except TimeoutError:
                continue
            if not part:
                return
            buffer += part
            while b"\r\n" in buffer:
                line, _, buffer = buffer.partition(b"\r\n")
                if not self._obey(line.decode()):
                    return

    def _say(self, line: str) -> None:
        self._connection.sendall(f"{line}\r\n".encode())

    def _obey(self, line: str) -> bool:
        seen = self._seen
        seen.commands.append(line)
        verb, _, argument = line.partition(" ")
        if verb in seen.replies:
            reply = seen.replies[verb]
            if reply:
                self._say(reply)
            return reply != HANG_UP
        match verb:
            case "AUTH" if self._context is None:
                self._say("502 no TLS here")
            case "AUTH":
                self._say("234 go ahead")
                assert self._context is not None
                self._connection.settimeout(GIVE_UP_S)
                self._connection = self._context.wrap_socket(self._connection, server_side=True)
                self._connection.settimeout(0.05)
                seen.encrypted = True
            case "USER":
                self._say("331 password?" if argument == seen.user else "530 who are you?")
            case "PASS":
                right = seen.password is None or argument == seen.password
                self._say("230 welcome" if right else "530 Login incorrect.")
            case "PBSZ" | "TYPE":
                self._say("200 fine")
            case "PROT":
                self._protected = argument == "P"
                self._say("200 fine")
            case "PASV":
                self._passive = socket.create_server(("127.0.0.1", 0))
                port = self._passive.getsockname()[1]
                self._say(f"227 Entering Passive Mode (127,0,0,1,{port // 256},{port % 256})")
            case "STOR" | "RETR":
                self._move(verb, argument)
            case "QUIT":
                self._say("221 bye")
                return False
            case _:
                self._say("502 not here")
        return True

    def _move(self, verb: str, name: str) -> None:
        seen = self._seen
        if verb == "RETR" and name not in seen.files:
            self._say("550 No such file.")
            return
        assert self._passive is not None
        self._passive.settimeout(GIVE_UP_S)
        data, _ = self._passive.accept()
        self._say("150 here it comes")
        try:
            data.settimeout(GIVE_UP_S)
            if self._protected and self._context is not None:
                data = self._context.wrap_socket(data, server_side=True)
            if seen.stall_data:
                seen.done.wait(GIVE_UP_S)
            elif verb == "RETR":
                data.sendall(seen.files[name])
            else:
                seen.files[name] = b"".join(iter(lambda: data.recv(65_536), b""))
            if isinstance(data, ssl.SSLSocket):
                with suppress(OSError):
                    data.unwrap()
        finally:
            data.close()
        self._say("226 done")
