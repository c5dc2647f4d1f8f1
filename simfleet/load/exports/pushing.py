"""Readings sent on by HTTP, one request at a time, from a worker thread.

The run never waits for the receiver. A reading that comes while a request is under way, and sooner
than the period, is passed over; so a receiver that is slow gets fewer of them, and a receiver that
is down gets none and the run says how many.
"""

from __future__ import annotations

import gzip
import http.client
import re
import socket
import ssl
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event, Timer
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qs, urlsplit

import trio

from simfleet import __version__
from simfleet.errors import UsageWrong
from simfleet.load.secrets import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simfleet.load.exports.feed import Reading

PERIOD_S: Final = 10.0
"""Between two pushes."""
REQUEST_MAX_S: Final = 5.0
"""For all of a request and its answer, however slowly a receiver goes on saying something."""
LAST_PUSH_MAX_S: Final = 3.0
"""For the last reading, when the run is over."""
SAID_MAX_BYTES: Final = 300
_SECRET_QUERY: Final = frozenset(
    {"p", "password", "token", "access_token", "api_key", "apikey", "secret"}
)
_RESOURCE: Final = re.compile("[!-~]+")
_HEADER_NAME: Final = re.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE: Final = re.compile("[ -~]*")


class Receiver(NamedTuple):
    """Where to. `resource` is path and query; `shown` has neither, since both may hold secrets."""

    secure: bool
    host: str
    port: int
    resource: str
    headers: dict[str, str]

    @property
    def shown(self) -> str:
        """For messages."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


def receiver(option: str, url: str, headers: Mapping[str, str]) -> Receiver:
    """From a URL on the command line. Raises `UsageWrong`, which repeats nothing secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise UsageWrong(f"{option}: {problem}; write http://host:port/path") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageWrong(f"{option} takes a URL such as http://host:port/path")
    if parts.username is not None or parts.password is not None:
        raise UsageWrong(f"{option}: no user or password in the URL; others can read it there")
    secure = parts.scheme == "https"
    if _SECRET_QUERY & {name.lower() for name in parse_qs(parts.query)}:
        raise UsageWrong(f"{option}: no password in the URL; others can read it there")
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _RESOURCE.fullmatch(resource):
        raise UsageWrong(f"{option}: percent-encode what is not ASCII in the URL, and blanks")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise UsageWrong(
                f"{option}: the header {name[:40]!r} from the environment has a line break or"
                " something else in it that no header can hold"
            )
    return Receiver(
        secure, parts.hostname, port or (443 if secure else 80), resource, dict(headers)
    )


class Push:
    """An exporter that posts what `encode` makes of a reading, `content_type` to `receiver`."""

    def __init__(
        self,
        name: str,
        to: Receiver,
        encode: Callable[[Reading], bytes],
        *,
        content_type: str,
        period_s: float = PERIOD_S,
    ) -> None:
        self.name = name
        self._to = to
        self._encode = encode
        self._headers = {
            **to.headers,
            "Content-Type": content_type,
            "Content-Encoding": "gzip",
            "User-Agent": f"simfleet/{__version__}",
        }
        self._period_s = period_s
        self._latest: Reading | None = None
        self._news = trio.Event()
        self._sent = self._failed = self._passed_over = 0
        self._last_error: str | None = None
        credentials = (part for value in to.headers.values() for part in (value, *value.split()))
        self._redactor = Redactor.of(credentials)

    def offer(self, reading: Reading) -> None:
        """See `Exporter`."""
        if self._latest is not None:
            self._passed_over += 1
        self._latest = reading
        self._news.set()

    def open(self) -> None:
        """See `Exporter`. Whether anybody receives is seen when there is something to send."""

    def close(self) -> None:
        """See `Exporter`."""

    async def run(
        self,
        *,
        speed: float = 1.0,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Exporter`."""
        task_status.started()
        try:
            while True:
                await self._news.wait()
                with trio.CancelScope(shield=True):
                    # A request under way is bounded by its own time; cut off, the receiver would
                    # see half of one.
                    await self._push(REQUEST_MAX_S)
                await trio.sleep(self._period_s * speed)
        finally:
            if self._latest is not None:
                with trio.CancelScope(shield=True):
                    await self._push(LAST_PUSH_MAX_S)

    async def _push(self, timeout_s: float) -> None:
        reading, self._latest, self._news = self._latest, None, trio.Event()
        if reading is None:
            return
        work = partial(_post, self._to, self._headers, self._encode, reading, timeout_s)
        problem = await trio.to_thread.run_sync(work)
        if problem is None:
            self._sent += 1
        else:
            self._failed += 1
            self._last_error = self._redactor.clean(problem)

    def figures(self) -> dict[str, Any]:
        """See `Exporter`."""
        return {
            "sent": self._sent,
            "failed": self._failed,
            "passed_over": self._passed_over,
            "last_error": self._last_error,
        }


def _post(
    to: Receiver,
    headers: Mapping[str, str],
    encode: Callable[[Reading], bytes],
    reading: Reading,
    timeout_s: float,
) -> str | None:
    """One request; why it failed, or None. Never raises what a receiver can cause."""
    body = gzip.compress(encode(reading), compresslevel=1)
    late = Event()
    try:
        with _connected(to, timeout_s, late) as connection:
            connection.request("POST", to.resource, body=body, headers=dict(headers))
            answer = connection.getresponse()
            if 200 <= answer.status < 300 and not late.is_set():
                return None
            said = answer.read(SAID_MAX_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, TimeoutError):
            late.set()
        if not late.is_set():
            return f"{to.shown}: {_short(str(error)) or type(error).__name__}"
    if late.is_set():
        return f"{to.shown}: no whole answer within {timeout_s:g} s"
    reason = _short(answer.reason)
    return f"{to.shown} answers {answer.status} {reason}: {_short(said)}".rstrip(": ")


def _short(text: str) -> str:
    return " ".join(text.split())[:SAID_MAX_BYTES]


@contextmanager
def _connected(to: Receiver, timeout_s: float, late: Event) -> Iterator[http.client.HTTPConnection]:
    """A connection that is cut after `timeout_s` of real time, and `late` set: the timeout of a
    socket begins anew with every byte.
    """
    connection: Any = http.client.HTTPConnection(to.host, to.port)
    sock = socket.create_connection((to.host, to.port), timeout_s)
    try:
        if to.secure:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(to.host, to.port, context=context)
            sock = context.wrap_socket(sock, server_hostname=to.host, do_handshake_on_connect=False)
        timer = Timer(timeout_s, _cut, (sock, late))
        timer.daemon = True
        timer.start()
        try:
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            connection.sock = sock
            yield connection
        finally:
            timer.cancel()
    finally:
        connection.close()
        sock.close()


def _cut(sock: socket.socket, late: Event) -> None:
    """In a thread of its own. Past TLS: the other thread is using that."""
    late.set()
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
