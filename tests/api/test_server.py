from __future__ import annotations

import re
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from quart import Blueprint, Response

from builders_http import (
    KEY,
    WITH_KEY,
    Following,
    Served,
    a_request,
    an_app,
    eventually,
    read_head,
    read_reply,
    served,
    some_services,
)
from simfleet.api import server, sse
from simfleet.api.app import create_app
from simfleet.api.auth import current_user
from simfleet.api.routes import EVENTS, route
from simfleet.api.server import is_loopback, listen
from simfleet.api.services import services
from simfleet.api.sse import STREAM_DEPTH_RECORDS, Streams, event, event_stream, last_event_id
from simfleet.errors import UsageWrong

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quart_trio import QuartTrio

    from simfleet.observe.records import Record

# ── where it listens ─────────────────────────────────────────────────────────────────────────────


def test_a_port_in_use_is_said_before_anything_starts() -> None:
    first = listen("127.0.0.1", 0)
    with pytest.raises(UsageWrong, match=f"port {first.port} of 127.0.0.1 is in use"):
        listen("127.0.0.1", first.port)
    first.close()


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(UsageWrong, match=r"cannot listen on '192\.0\.2\.1'"):
        listen("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("no.such.host.invalid", False)),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_accepted_connections_inherit_the_bound_on_stalling() -> None:
    listener = listen("127.0.0.1", 0)
    inherited = socket.socket(fileno=listener.detach())
    with inherited, socket.create_connection(("127.0.0.1", listener.port)):
        accepted, _ = inherited.accept()
        with accepted:
            found_ms = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert found_ms == server.STALLED_S * 1000


# ── requests ─────────────────────────────────────────────────────────────────────────────────────


async def test_requests_are_answered_over_a_real_socket() -> None:
    async with served(an_app()) as running:
        reply = await running.ask("/api/things", headers=WITH_KEY)
        assert (reply.status, reply.json) == (200, [{"user": "alice", "name": "all", "count": 200}])
        assert "server" not in reply.headers
        assert (await running.ask("/api/things")).status == 401
        head = await running.ask("/api/things", method="HEAD", headers=WITH_KEY)
        assert (head.status, head.content) == (200, b"")


async def test_one_connection_takes_many_requests() -> None:
    async with served(an_app()) as running, await running.connect() as stream:
        for _ in range(20):
            await stream.send_all(a_request("/api/things", headers=WITH_KEY))
            assert (await read_reply(stream)).status == 200


async def test_a_body_without_end_is_refused_when_it_is_too_large() -> None:
    async with served(an_app()) as running, await running.connect() as stream:
        head = a_request("/api/things/1", method="POST", headers={**WITH_KEY, **JSON, **CHUNKED})
        await stream.send_all(head.replace(b"Content-Length: 0\r\n", b""))

        async def pour() -> None:
            try:
                while True:
                    await stream.send_all(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            except trio.BrokenResourceError:
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour)
            with trio.fail_after(5):
                assert (await read_reply(stream)).status == 413
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 401),
        ({**WITH_KEY, "Content-Type": "application/json"}, 413),
        ({**WITH_KEY, "Content-Type": "text/plain"}, 415),
    ],
)
async def test_a_client_gets_its_answer_although_nobody_wanted_its_body(
    headers: dict[str, str], status: int
) -> None:
    async with served(an_app()) as running:
        for _ in range(5):  # a connection that is reset loses the answer only sometimes
            reply = await running.ask(
                "/api/things/1", method="POST", headers=headers, body=b" " * 8_000_000
            )
            assert reply.status == status


JSON = {"Content-Type": "application/json"}
CHUNKED = {"Transfer-Encoding": "chunked"}


async def test_a_change_is_carried_out_although_the_client_has_gone() -> None:
    done: list[str] = []
    begun = trio.Event()
    blueprint = Blueprint("slow", __name__)

    @route(blueprint, "POST", "/api/slow", summary="Slow", answers={200: dict[str, str]})
    async def slow() -> dict[str, str]:
        begun.set()
        await trio.sleep(0.2)
        done.append("changed")
        return {}

    async with served(an_app(blueprint)) as running:
        stream = await running.connect()
        await stream.send_all(a_request("/api/slow", method="POST", headers=WITH_KEY))
        await begun.wait()
        await stream.aclose()
        await eventually(lambda: done == ["changed"])


async def test_an_open_request_is_answered_before_the_end() -> None:
    begun = trio.Event()
    blueprint = Blueprint("slow", __name__)

    @route(blueprint, "GET", "/api/slow", summary="Slow", answers={200: str})
    async def slow() -> str:
        begun.set()
        await trio.sleep(0.3)
        return "late"

    async with (
        served(an_app(blueprint), graceful_s=5) as running,
        await running.connect() as stream,
    ):
        await stream.send_all(a_request("/api/slow", headers=WITH_KEY))
        await begun.wait()
        running.stopping.set()
        assert (await read_reply(stream)).json == "late"


# ── streams ──────────────────────────────────────────────────────────────────────────────────────


def following() -> Blueprint:
    """Streams the hub's records, as the logs do."""
    blueprint = Blueprint("following", __name__)

    def encode(record: Record) -> bytes:
        if record.charger_id == "HIDDEN":
            return b""
        return event(record.frame, id=record.id)

    @route(blueprint, "GET", "/api/follow", summary="Follow", answers={200: EVENTS})
    async def follow() -> Response:
        known = services()
        tap = known.hub.tap(depth=STREAM_DEPTH_RECORDS, after_id=last_event_id())
        user = await current_user()
        return event_stream(tap, encode, user=user.id, streams=known.streams)

    return blueprint


@asynccontextmanager
async def follow(running: Served, **headers: str) -> AsyncIterator[Following]:
    """Follow while inside; begins when the server does."""
    async with await running.connect() as stream:
        await stream.send_all(a_request(f"/api/follow?api_key={KEY}", headers=headers))
        reply, rest = await read_head(stream)
        assert reply.status == 200
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        reader = Following(stream, rest)
        await reader.until(b"retry: 2000\n\n")
        yield reader


def publish(app: QuartTrio, text: bytes, charger_id: str = "SIM-1") -> None:
    """One frame."""
    known = app.extensions["simfleet"]
    known.hub.publish(charger_id, "received", text, trio.current_time())


async def test_a_stream_delivers_each_record_once_in_order_as_a_default_event() -> None:
    app = an_app(following())
    async with served(app) as running, follow(running) as reader:
        for number in range(1, 4):
            publish(app, b'{"n":%d}' % number)
        publish(app, b"{}", "HIDDEN")
        content = await reader.until(b'id: 3\ndata: {"n":3}\n\n')
        assert content == (
            b"retry: 2000\n\n"
            b'id: 1\ndata: {"n":1}\n\nid: 2\ndata: {"n":2}\n\nid: 3\ndata: {"n":3}\n\n'
        )


async def test_a_stream_goes_on_after_the_last_event_that_the_client_has() -> None:
    app = an_app(following())
    for number in range(1, 6):
        publish(app, b"%d" % number)
    async with served(app) as running, follow(running, **{"Last-Event-ID": "3"}) as reader:
        content = await reader.until(b"id: 5\ndata: 5\n\n")
        assert re.findall(rb"id: (\d+)", content) == [b"4", b"5"]


@pytest.mark.parametrize("given", ["", "x", "-1", "1e3", "9" * 40, "\u0663"])
async def test_an_id_that_is_none_of_ours_begins_anew(given: str) -> None:
    app = an_app()
    headers = {"Last-Event-ID": given} if given.isascii() else {}
    async with app.test_request_context("/x", headers=headers, query_string={}):
        assert last_event_id() is None


async def test_silence_is_broken_by_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "KEEP_ALIVE_S", 0.05)
    async with served(an_app(following())) as running, follow(running) as reader:
        content = await reader.until(b": keep-alive\n\n: keep-alive\n\n")
        assert b"data:" not in content


async def test_a_stream_outlives_the_timeout_of_other_answers() -> None:
    app = an_app(following())
    app.config["RESPONSE_TIMEOUT"] = 0.05
    async with served(app) as running, follow(running) as reader:
        await trio.sleep(0.3)
        publish(app, b"late")
        await reader.until(b"data: late\n\n")


async def test_a_client_that_goes_leaves_nothing_behind() -> None:
    app = an_app(following())
    async with served(app) as running, follow(running) as reader:
        assert len(running.streams) == 1
        await reader.stream.aclose()
        await eventually(lambda: len(running.streams) == 0)


async def test_a_reader_that_is_too_slow_is_told_how_much_it_missed() -> None:
    app = an_app(following())
    async with served(app) as running, follow(running) as reader:
        for number in range(STREAM_DEPTH_RECORDS + 100):
            publish(app, b"%d" % number)
        content = await reader.until(b"data: %d\n\n" % (STREAM_DEPTH_RECORDS + 99))
        assert b'event: missed\ndata: {"missed":100}\n\nid: 101\n' in content


async def test_streams_over_the_bound_are_refused() -> None:
    app = an_app(following(), streams=Streams(streams_max=1))
    async with served(app) as running, follow(running) as reader:
        refused = await running.ask("/api/follow", headers=WITH_KEY)
        assert refused.status == 429
        assert refused.headers["retry-after"] == "2"
        await reader.stream.aclose()
        await eventually(lambda: len(running.streams) == 0)
        async with follow(running):
            pass


async def test_the_head_of_a_stream_can_be_asked_for() -> None:
    async with served(an_app(following())) as running:
        reply = await running.ask("/api/follow", method="HEAD", headers=WITH_KEY)
        assert reply.status == 200
        assert len(running.streams) == 0


# ── the end ──────────────────────────────────────────────────────────────────────────────────────


async def test_streams_end_in_order_when_the_service_stops() -> None:
    app = an_app(following())
    async with served(app, graceful_s=30) as running, follow(running) as reader:
        publish(app, b"last")
        await reader.until(b"data: last\n\n")
        began_s = trio.current_time()
        running.stopping.set()
        await reader.until(b": the service is stopping\n\n")
        while await reader.stream.receive_some(65536):
            pass
    assert trio.current_time() - began_s < 2


async def test_a_reader_that_stalls_does_not_hold_up_the_end() -> None:
    app = an_app(following())
    async with AsyncExitStack() as stack:
        async with served(app, graceful_s=1) as running:
            stalled = await stack.enter_async_context(await running.connect())
            await stalled.send_all(a_request(f"/api/follow?api_key={KEY}"))
            await eventually(lambda: len(running.streams) == 1)
            # More than all buffers between the two hold, so that the server's write hangs.
            for _ in range(150):
                publish(app, b"x" * 200_000)
                await trio.sleep(0.005)
            began_s = trio.current_time()
            running.stopping.set()
        took_s = trio.current_time() - began_s
    assert took_s < server.STALLED_S + 3


async def test_the_application_ends_in_order_when_it_is_told_to_stop() -> None:
    app = create_app(some_services())
    ended: list[str] = []

    async def note() -> None:
        ended.append("after serving")

    app.after_serving(note)
    async with served(app):
        assert ended == []
    assert ended == ["after serving"]


async def test_idle_connections_do_not_hold_up_the_end() -> None:
    async with AsyncExitStack() as stack:
        async with served(an_app(), graceful_s=30) as running:
            for _ in range(10):
                stream = await stack.enter_async_context(await running.connect())
                await stream.send_all(a_request("/api/things", headers=WITH_KEY))
                assert (await read_reply(stream)).status == 200
            await stack.enter_async_context(await running.connect())  # and one that says nothing
            began_s = trio.current_time()
            running.stopping.set()
        assert trio.current_time() - began_s < 5


async def test_nobody_is_accepted_after_the_end_has_begun() -> None:
    begun = trio.Event()
    blueprint = Blueprint("slow", __name__)

    @route(blueprint, "GET", "/api/slow", summary="Slow", answers={200: str})
    async def slow() -> str:
        begun.set()
        await trio.sleep(0.5)
        return "late"

    async with served(an_app(blueprint), graceful_s=5) as running, trio.open_nursery() as nursery:
        nursery.start_soon(partial(running.ask, "/api/slow", headers=WITH_KEY))
        await begun.wait()
        running.stopping.set()
        await trio.sleep(0.1)
        with pytest.raises(OSError, match=r"."):
            await running.connect()


# ── events ───────────────────────────────────────────────────────────────────────────────────────


def test_an_event_with_several_lines_is_one_event() -> None:
    assert event(b"a\nb\r\nc\rd", id=7, name="note") == (
        b"event: note\nid: 7\ndata: a\ndata: b\ndata: c\ndata: d\n\n"
    )


def test_an_event_without_a_name_is_for_onmessage() -> None:
    assert event(b"{}") == b"data: {}\n\n"
