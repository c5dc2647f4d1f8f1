"""Readings on their way to a receiver that may be slow, rude or not there."""

from __future__ import annotations

import pytest
import trio

from builders_exports import a_reading, receiving
from simfleet.errors import UsageWrong
from simfleet.load.exports.chosen import exports_of
from simfleet.load.exports.pushing import Push, receiver


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
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(asked: dict[str, str], message: str) -> None:
    with pytest.raises(UsageWrong) as refused:
        exports_of(**asked, environ={})  # type: ignore[arg-type]
    assert message in str(refused.value)
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
