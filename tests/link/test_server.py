"""The serving side: whom it lets in, how it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import errno
import gc
import socket
import time
from functools import partial
from typing import Any

import pytest
import trio

from builders_link import a_server, client_tls, echo, open_descriptors, read_head, server_tls
from simfleet.errors import ConnectFailed, ConnectReason, LinkClosed
from simfleet.link.accepting import (
    ACCEPT,
    AcceptedLink,
    Drop,
    Handshake,
    Refuse,
    ServerOptions,
    Stall,
    Verdict,
)
from simfleet.link.link import LinkOptions
from simfleet.link.opening import open_link
from simfleet.link.server import serve

OPTIONS = ServerOptions(subprotocols=("ocpp1.6",))


async def why(port: int, subprotocol: str = "ocpp1.6", **options: object) -> ConnectFailed:
    scheme = "wss" if "ssl_context" in options else "ws"
    with pytest.raises(ConnectFailed) as caught:
        async with open_link(
            f"{scheme}://127.0.0.1:{port}/a/b",
            identity="CP1",
            subprotocol=subprotocol,
            options=LinkOptions(**options),  # type: ignore[arg-type]
        ):
            raise AssertionError("the link was opened")
    return caught.value


async def test_no_common_subprotocol_is_refused_with_400_and_both_lists() -> None:
    async with a_server(subprotocols=("ocpp1.6", "ocpp2.0.1")) as port:
        failure = await why(port, "ocpp2.1")
    assert (failure.reason, failure.status) == (ConnectReason.HTTP_STATUS, 400)
    assert "ocpp2.1" in failure.detail
    assert "ocpp1.6, ocpp2.0.1" in failure.detail


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_wrong_or_missing_credentials_are_refused_with_401(password: str | None) -> None:
    asked: list[tuple[str, bytes | None]] = []

    def authenticate(identity: str, password: bytes | None) -> bool:
        asked.append((identity, password))
        return password == b"right"

    async with a_server(authenticate=authenticate) as port:
        failure = await why(port, password=password)
        assert failure.status == 401
        options = LinkOptions(password="right")
        async with open_link(
            f"ws://127.0.0.1:{port}", identity="CP1", subprotocol="ocpp1.6", options=options
        ):
            pass
    wrong = None if password is None else password.encode()
    assert asked == [("CP1", wrong), ("CP1", b"right")]


async def test_the_right_password_of_another_identity_is_refused() -> None:
    async with a_server(authenticate=lambda identity, password: True) as port:
        failure = await why(port, headers={"Authorization": "Basic Q1AyOnJpZ2h0"})  # CP2:right
    assert failure.status == 401


async def test_the_request_hook_sees_the_handshake_and_can_refuse_it() -> None:
    seen: list[Handshake] = []

    def on_request(handshake: Handshake) -> Verdict:
        seen.append(handshake)
        return Refuse(status=503, body="overloaded", headers={"Retry-After": "7"})

    async with a_server(on_request=on_request) as port:
        failure = await why(port)
    assert (failure.status, failure.reason) == (503, ConnectReason.HTTP_STATUS)
    assert "overloaded" in failure.detail
    assert (seen[0].path, seen[0].identity) == ("/a/b/CP1", "CP1")
    assert seen[0].subprotocols == ("ocpp1.6",)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("tls", [True, False], ids=["tls", "plain"])
async def test_the_request_hook_can_drop_the_connection(reset: bool, tls: bool) -> None:
    server: dict[str, Any] = {"ssl_context": server_tls()} if tls else {}
    client: dict[str, Any] = {"ssl_context": client_tls()} if tls else {}
    async with a_server(on_request=lambda _: Drop(reset=reset), **server) as port:
        failure = await why(port, **client)
    assert failure.reason is ConnectReason.RESET


async def test_the_request_hook_can_stall_without_stopping_others() -> None:
    verdicts: list[Verdict] = [Stall(), Stall(), ACCEPT]
    async with a_server(on_request=lambda _: verdicts.pop(0), handshakes_max=1) as port:
        for _ in range(2):
            assert (await why(port, connect_timeout_s=0.1)).reason is ConnectReason.TIMED_OUT
        async with open_link(f"ws://127.0.0.1:{port}", identity="CP", subprotocol="ocpp1.6"):
            pass


async def test_a_peer_that_never_asks_is_dropped_after_the_handshake_timeout() -> None:
    async with a_server(handshake_timeout_s=0.1) as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        with trio.fail_after(5):
            assert await stream.receive_some() == b""
        await stream.aclose()


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /CP1 HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
        (b"GET /CP1 HTTP/1.1\r\nHost: x\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n", b"426"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET /CP1 HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
    ],
)
async def test_what_is_no_websocket_handshake_gets_an_http_answer(
    request_head: bytes, status: bytes
) -> None:
    async with a_server(subprotocols=()) as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            await stream.send_all(request_head)
            with trio.fail_after(5):
                answer = await read_head(stream)
    assert answer.split(b" ")[1] == status


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x00\xa5\x01", b"\r\n\r\n", b"x" * 40_000])
async def test_garbage_ends_the_connection(garbage: bytes) -> None:
    async with a_server() as port:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            try:
                await stream.send_all(garbage)
                await stream.send_eof()
                with trio.fail_after(5):
                    while await stream.receive_some():
                        pass
            except trio.BrokenResourceError:
                pass


async def test_a_stopped_server_says_1001_to_everybody() -> None:
    codes: list[int | None] = []
    async with trio.open_nursery() as nursery:

        async def station(port: int, opened: trio.Event) -> None:
            url = f"ws://127.0.0.1:{port}"
            try:
                async with open_link(url, identity="CP", subprotocol="ocpp1.6") as link:
                    opened.set()
                    await link.receive()
            except LinkClosed as error:
                codes.append(error.code_ws)

        async with a_server() as port:
            for _ in range(5):
                opened = trio.Event()
                nursery.start_soon(station, port, opened)
                await opened.wait()
    assert codes == [1001] * 5


async def test_a_crash_of_one_handler_is_1011_there_and_nothing_elsewhere() -> None:
    crashes: list[Exception] = []

    async def handler(link: AcceptedLink) -> None:
        if await link.receive() == b"crash":
            raise ZeroDivisionError
        await echo(link)

    def on_crash(link: AcceptedLink, error: Exception) -> None:
        crashes.append(error)

    async with a_server(handler, on_crash=on_crash) as port:
        url = f"ws://127.0.0.1:{port}"
        async with (
            open_link(url, identity="A", subprotocol="ocpp1.6") as healthy,
            open_link(url, identity="B", subprotocol="ocpp1.6") as doomed,
        ):
            await healthy.send([b"hello"])
            await doomed.send([b"crash"])
            with pytest.raises(LinkClosed) as caught:
                await doomed.receive()
            assert caught.value.code_ws == 1011
            await healthy.send([b"still there"])
            assert await healthy.receive() == b"still there"
    assert [type(error) for error in crashes] == [ZeroDivisionError]


async def test_a_crash_nobody_handles_ends_the_server() -> None:
    async def handler(link: AcceptedLink) -> None:
        raise ZeroDivisionError

    async def one_station() -> None:
        async with (
            a_server(handler) as port,
            open_link(f"ws://127.0.0.1:{port}", identity="A", subprotocol="ocpp1.6"),
        ):
            await trio.sleep_forever()

    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        await one_station()


async def test_without_descriptors_the_server_waits_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept, failures = socket.socket.accept, [errno.EMFILE, errno.EMFILE]

    def failing_accept(listener: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise OSError(failures.pop(), "Too many open files")
        return accept(listener)

    async with a_server() as port:
        monkeypatch.setattr("simfleet.link.server.socket.socket.accept", failing_accept)
        async with open_link(f"ws://127.0.0.1:{port}", identity="CP", subprotocol="ocpp1.6"):
            pass
    assert not failures
    assert "cannot accept" in caplog.text


async def test_a_port_in_use_is_an_os_error() -> None:
    async with a_server() as port:
        with pytest.raises(OSError, match="in use"):
            await serve(echo, host="127.0.0.1", port=port, options=OPTIONS)


async def test_localhost_is_served_on_every_address_with_one_port() -> None:
    known = {info[4][0] for info in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(serve, echo, host="localhost", port=0, options=OPTIONS))
        for address in known:
            shown = f"[{address}]" if ":" in str(address) else address
            async with open_link(
                f"ws://{shown}:{port}", identity="CP", subprotocol="ocpp1.6"
            ) as link:
                await link.send([b"hi"])
                assert await link.receive() == b"hi"
        nursery.cancel_scope.cancel()


async def test_a_thousand_links_at_once_leave_no_descriptor_and_no_task() -> None:
    before = open_descriptors()
    links = 1000
    open_now = most = 0

    async def station(port: int, limiter: trio.CapacityLimiter, all_open: trio.Event) -> None:
        nonlocal open_now, most
        async with limiter:
            opening = open_link(f"ws://127.0.0.1:{port}", identity="CP", subprotocol="ocpp1.6")
            link = await opening.__aenter__()
        open_now += 1
        most = max(most, open_now)
        if open_now == links:
            all_open.set()
        await all_open.wait()
        await link.send([b"hello"])
        assert await link.receive() == b"hello"
        await opening.__aexit__(None, None, None)

    async with a_server(handshakes_max=64) as port:
        began_s = time.monotonic()
        async with trio.open_nursery() as nursery:
            limiter, all_open = trio.CapacityLimiter(200), trio.Event()
            for _ in range(links):
                nursery.start_soon(station, port, limiter, all_open)
        assert time.monotonic() - began_s < 20
        assert most == links
    gc.collect()
    assert open_descriptors() == before
