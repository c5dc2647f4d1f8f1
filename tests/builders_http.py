"""An API over very little: for tests of what surrounds every request."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import trio
from quart import Blueprint

from simfleet.api.app import create_app
from simfleet.api.auth import current_user
from simfleet.api.routes import route
from simfleet.api.server import listen, serve_http
from simfleet.api.services import Services
from simfleet.api.sse import Streams
from simfleet.clock import WallClock
from simfleet.observe.health import Health
from simfleet.observe.hub import Hub
from simfleet.settings import Settings
from simfleet.store.users import User

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from quart_trio import QuartTrio

KEY = "sf_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
OTHER_KEY = "sf_zyxwvutsrqponmlkjihgfedcba9876543210GFEDCBA"
ALICE = User(id=1, name="alice", created_wall_s=0.0)
BOB = User(id=2, name="bob", created_wall_s=0.0)
WITH_KEY = {"X-API-Key": KEY}
ANSWER_MAX_S = 10.0


class Keys:
    """A store that only knows keys."""

    def __init__(self) -> None:
        self.of = {KEY: ALICE, OTHER_KEY: BOB}
        self.asked = 0

    async def user_of_key(self, key: str) -> User | None:
        self.asked += 1
        return self.of.get(key)


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """A body: how many of what."""

    name: str
    count: int = 1


class Paging(msgspec.Struct):
    """A query."""

    limit: int = 200
    name: str | None = None
    least: int | None = None


class Granted(msgspec.Struct):
    """An answer: what came in, and who asked."""

    user: str
    name: str
    count: int


def things() -> Blueprint:
    """A resource like any other, with one handler of each kind."""
    blueprint = Blueprint("things", __name__)

    @route(
        blueprint, "GET", "/api/things", summary="List", query=Paging, answers={200: list[Granted]}
    )
    async def all_of_them(query: Paging) -> list[Granted]:
        user = await current_user()
        return [Granted(user.name, query.name or "all", query.limit)]

    @route(
        blueprint,
        "POST",
        "/api/things/{thing_id}",
        summary="Wish",
        body=Wish,
        answers={201: Granted},
        errors=(409,),
    )
    async def wish(thing_id: str, body: Wish) -> Granted:
        user = await current_user()
        return Granted(user.name, f"{thing_id}/{body.name}", body.count)

    @route(blueprint, "DELETE", "/api/things/{thing_id}", summary="Drop", answers={204: None})
    async def drop(thing_id: str) -> None:
        del thing_id

    return blueprint


def some_services(**given: Any) -> Services:
    """Services of which only the keys work, unless `given`."""
    at_s = trio.current_time()
    clock = WallClock(at_s)
    known: dict[str, Any] = {
        "store": Keys(),
        "registry": None,
        "mass": None,
        "runs": None,
        "hub": Hub(clock),
        "health": Health(at_s),
        "clock": clock,
        # The limits of others' tests are not to be met by chance.
        "settings": Settings(requests_per_s=0, requests_per_s_per_ip=0),
    }
    return Services(**{**known, **given})


def an_app(*blueprints: Blueprint, **given: Any) -> QuartTrio:
    """The API with `things` and `blueprints`; `given` replaces services."""
    return create_app(some_services(**given), (things(), *blueprints))


@asynccontextmanager
async def served(app: QuartTrio, *, graceful_s: float = 1.0) -> AsyncIterator[Served]:
    """Serve `app` on a free port; on leaving, stop it as the service does."""
    listener = listen("127.0.0.1", 0)
    running = Served(listener.port, app.extensions["simfleet"].streams)
    async with trio.open_nursery() as nursery:
        serving = partial(
            serve_http,
            app,
            listener,
            streams=running.streams,
            stopping=running.stopping,
            graceful_s=graceful_s,
        )
        await nursery.start(serving)
        yield running
        running.stopping.set()


class Served:
    """A server that runs on a port of this machine."""

    def __init__(self, port: int, streams: Streams | None = None) -> None:
        self.port = port
        self.streams = Streams() if streams is None else streams
        self.stopping = trio.Event()

    async def connect(self) -> trio.SocketStream:
        """A connection to it."""
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        """One request on a connection of its own."""
        with trio.fail_after(ANSWER_MAX_S):
            async with await self.connect() as stream:
                await stream.send_all(a_request(path, method=method, headers=headers, body=body))
                if method == "HEAD":
                    return (await read_head(stream))[0]
                return await read_reply(stream)


def a_request(
    path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A request in HTTP's own words."""
    given = {"Host": "simfleet", "Content-Length": str(len(body)), **(headers or {})}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def eventually(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    """Wait until `condition` holds."""
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - not everything tells when it changes
            await trio.sleep(0.01)


class Reply(msgspec.Struct):
    """An answer in full."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


async def read_head(stream: trio.abc.ReceiveStream) -> tuple[Reply, bytes]:
    """The head of an answer, and what came of its content with it."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = await stream.receive_some(65536)
        assert chunk, f"the server closed after {received!r}"
        received += chunk
    head, _, rest = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return Reply(int(first.split()[1]), headers, b""), rest


async def read_reply(stream: trio.abc.ReceiveStream) -> Reply:
    """A whole answer: with a length, or in chunks."""
    reply, rest = await read_head(stream)
    if "content-length" in reply.headers:
        while len(rest) < int(reply.headers["content-length"]):
            rest += await stream.receive_some(65536)
        return Reply(reply.status, reply.headers, rest)
    while not rest.endswith(b"0\r\n\r\n"):
        chunk = await stream.receive_some(65536)
        if not chunk:
            break
        rest += chunk
    return Reply(reply.status, reply.headers, complete_chunks(rest))


class Following:
    """A reader of a stream, who may lose patience; `raw` is what came of it with the head."""

    def __init__(self, stream: trio.SocketStream, raw: bytes) -> None:
        self.stream = stream
        self._raw = raw

    async def until(self, wanted: bytes) -> bytes:
        """Read until `wanted` has come; everything so far."""
        with trio.fail_after(ANSWER_MAX_S):
            while wanted not in (content := complete_chunks(self._raw)):
                chunk = await self.stream.receive_some(65536)
                assert chunk, f"ended without {wanted!r} after {self._raw[-200:]!r}"
                self._raw += chunk
        return content


def complete_chunks(raw: bytes) -> bytes:
    """The content of those chunks that have come whole."""
    content = b""
    while True:
        size, found, raw = raw.partition(b"\r\n")
        if not found or len(raw) < int(size, 16) + 2 or size == b"0":
            return content
        content, raw = content + raw[: int(size, 16)], raw[int(size, 16) + 2 :]
