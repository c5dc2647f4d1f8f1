"""Readings on their way to a receiver that may be slow, rude or not there."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from builders_exports import a_reading, receiving
from simfleet.errors import UsageWrong
from simfleet.load.exports.chosen import exports_of
from simfleet.load.exports.pushing import Push, receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def rude(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """The URL of a receiver that reads a request and then does what it likes, until it is over."""
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        while not over.is_set():
            with suppress(OSError):
                peer, _ = listening.accept()
                with peer, suppress(OSError):
                    peer.recv(65_536)
                    answer(peer, over)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/write"
        finally:
            over.set()
            with suppress(OSError):
                socket.create_connection(listening.getsockname(), 1).close()
            thread.join()


def drips(peer: socket.socket, over: threading.Event, *, head: bytes) -> None:
    """Says a little all the time, and never all."""
    peer.sendall(head)
    while not over.wait(0.02):
        peer.sendall(b"x")


def never_ends_its_head(peer: socket.socket, over: threading.Event) -> None:
    drips(peer, over, head=b"HTTP/1.1 204 No Content")


def never_ends_its_refusal(peer: socket.socket, over: threading.Event) -> None:
    drips(peer, over, head=b"HTTP/1.1 500 Oops\r\nContent-Length: 250\r\n\r\n")


def hangs(peer: socket.socket, over: threading.Event) -> None:
    over.wait(10)


def closes_its_half(peer: socket.socket, over: threading.Event) -> None:
    peer.shutdown(socket.SHUT_WR)
    over.wait(0.1)


def redirects(peer: socket.socket, _: threading.Event) -> None:
    peer.sendall(
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    )


def talks_nonsense(peer: socket.socket, _: threading.Event) -> None:
    peer.sendall(b"\x00\xff" * 100_000)


def gives_a_long_reason(peer: socket.socket, _: threading.Event) -> None:
    peer.sendall(b"HTTP/1.1 500 " + b"no " * 20_000 + b"\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (never_ends_its_head, "no whole answer within 0.4 s"),
        (never_ends_its_refusal, "no whole answer within 0.4 s"),
        (hangs, "no whole answer within 0.4 s"),
        (closes_its_half, "closed connection without response"),
        (redirects, "answers 302 Found"),
        (talks_nonsense, "bytes when reading status line"),
        (gives_a_long_reason, "answers 500 no no no"),
    ],
)
async def test_a_rude_receiver_is_counted_and_holds_up_no_end_of_a_run(
    answer: Callable[[socket.socket, threading.Event], None],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("simfleet.load.exports.pushing.REQUEST_MAX_S", 0.4)
    monkeypatch.setattr("simfleet.load.exports.pushing.LAST_PUSH_MAX_S", 0.4)
    with rude(answer) as url:
        push = a_push(url)
        began_s = time.monotonic()
        async with trio.open_nursery() as nursery:
            await nursery.start(push.run)
            push.offer(a_reading())
            await trio.sleep(0.1)
            push.offer(a_reading())
            nursery.cancel_scope.cancel()
        took_s = time.monotonic() - began_s
    figures = push.figures()
    assert figures["sent"] == 0
    assert figures["failed"] == 2
    assert said in figures["last_error"]
    assert len(figures["last_error"]) < 400
    assert took_s < 5


async def test_a_token_that_a_receiver_repeats_is_not_kept() -> None:
    def repeats(peer: socket.socket, _: threading.Event) -> None:
        body = b"unknown token s3cr3t-t0ken"
        peer.sendall(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    with rude(repeats) as url:
        environ = {"INFLUX_TOKEN": "s3cr3t-t0ken\n"}
        exports = exports_of(influx_url=url, environ=environ)
        assert exports is not None
        (push,) = exports._exporters
        async with trio.open_nursery() as nursery:
            await nursery.start(push.run)
            push.offer(a_reading())
            with trio.fail_after(10):
                while not push.figures()["failed"]:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    assert push.figures()["last_error"].endswith("answers 401 No: unknown token ***")


async def test_on_a_faster_clock_a_period_is_still_of_real_seconds() -> None:
    with receiving() as received:
        push = a_push(received.url, period_s=0.2)
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(push.run, speed=100.0))
            for _ in range(5):
                push.offer(a_reading())
                await trio.sleep(0.05)
            assert push.figures()["sent"] == 1
            nursery.cancel_scope.cancel()


def a_push(url: str, *, period_s: float = 0.05) -> Push:
    to = receiver("--influx", url, {"Authorization": "Token abc"})
    return Push("influx", to, lambda _: b"body", content_type="text/plain", period_s=period_s)


async def until_sent(push: Push, count: int) -> None:
    with trio.fail_after(10):
        while push.figures()["sent"] + push.figures()["failed"] < count:  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_a_reading_is_posted_with_its_token() -> None:
    with receiving() as received:
        push = a_push(f"{received.url}/api/v2/write?org=o")
        async with trio.open_nursery() as nursery:
            await nursery.start(push.run)
            push.offer(a_reading())
            await until_sent(push, 1)
            nursery.cancel_scope.cancel()
    (post,) = received.posts
    assert post.path == "/api/v2/write?org=o"
    assert post.headers["Authorization"] == "Token abc"
    assert post.body == b"body"


async def test_the_last_reading_is_sent_when_the_run_is_over() -> None:
    with receiving() as received:
        push = a_push(received.url, period_s=60)
        async with trio.open_nursery() as nursery:
            await nursery.start(push.run)
            push.offer(a_reading())
            await until_sent(push, 1)
            push.offer(a_reading())
            push.offer(a_reading())
            nursery.cancel_scope.cancel()
    assert len(received.posts) == 2
    assert push.figures() == {"sent": 2, "failed": 0, "passed_over": 1, "last_error": None}


async def test_a_refusal_is_counted_with_its_words_and_without_the_secret() -> None:
    with receiving() as received:
        received.status = 401
        push = a_push(f"{received.url}/write?bucket=hush")
        async with trio.open_nursery() as nursery:
            await nursery.start(push.run)
            push.offer(a_reading())
            await until_sent(push, 1)
            nursery.cancel_scope.cancel()
    figures = push.figures()
    assert figures["failed"] == 1
    assert figures["last_error"] == f"{received.url} answers 401 Unauthorized: go away!"


async def test_nobody_there_ends_no_run() -> None:
    push = a_push("http://127.0.0.1:9/write")
    async with trio.open_nursery() as nursery:
        await nursery.start(push.run)
        push.offer(a_reading())
        await until_sent(push, 1)
        nursery.cancel_scope.cancel()
    assert push.figures()["failed"] == 1
    assert "127.0.0.1:9" in push.figures()["last_error"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"influx_url": "http://host:8086"}, "takes the whole address"),
        ({"influx_url": "http://host/write?db=d&u=a&p=b"}, "no password in the URL"),
        ({"influx_url": "http://user:geheim@host/write"}, "no user or password in the URL"),
        ({"influx_url": "ftp://host/write"}, "takes a URL such as"),
        ({"influx_url": "http://host:port/write"}, "write http://host:port/path"),
        ({"otlp_url": "localhost:4318"}, "takes a URL such as"),
        ({"otlp_url": "http://host/v1?api_key=geheim"}, "no password in the URL"),
        ({"otlp_url": "http://host/métriques"}, "percent-encode"),
        ({"influx_url": "http://host/write?db=a b"}, "percent-encode"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(asked: dict[str, str], message: str) -> None:
    with pytest.raises(UsageWrong) as refused:
        exports_of(**asked, environ={})  # type: ignore[arg-type]
    assert message in str(refused.value)
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_EXPORTER_OTLP_HEADERS": "x-key=geheim\r\nx"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "x-key=geheim%0A"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "x key=geheim"},
        {"OTEL_EXPORTER_OTLP_HEADERS": "x-key=geheimé"},
    ],
)
def test_a_header_that_none_can_be_is_refused_before_the_run(environ: dict[str, str]) -> None:
    with pytest.raises(UsageWrong, match="something else in it that no header") as refused:
        exports_of(otlp_url="http://host", environ={**environ})
    assert "geheim" not in str(refused.value)


async def test_tokens_come_from_the_environment_and_a_collector_has_its_own_path() -> None:
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=k1, x-tenant=t"}
    with receiving() as received:
        exports = exports_of(otlp_url=received.url, environ=environ)
        assert exports is not None
        (push,) = exports._exporters
        async with trio.open_nursery() as nursery:
            await nursery.start(push.run)
            push.offer(a_reading())
            with trio.fail_after(10):
                while not received.posts:  # noqa: ASYNC110
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    post = received.posts[0]
    assert post.path == "/v1/metrics"
    assert (post.headers["x-api-key"], post.headers["x-tenant"]) == ("k1", "t")
    assert post.headers["Content-Type"] == "application/x-protobuf"


def test_nothing_asked_for_is_nothing() -> None:
    assert exports_of(environ={}) is None
