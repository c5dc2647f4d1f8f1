"""Every way a connection can fail, by a real server that misbehaves: reported at once and typed."""

from __future__ import annotations

import errno
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
import trustme

from builders_link import (
    a_raw_server,
    a_server,
    authority,
    client_tls,
    open_descriptors,
    read_head,
    reset_on_close,
    server_tls,
    switching,
    upgraded,
)
from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.link import websocket
from simfleet.link.link import LinkOptions, Transport
from simfleet.link.opening import open_link
from simfleet.link.prelude import tls_failed

AT_ONCE_S = 2.0
"""Far below the timeout of 30 s, far above what a loaded machine needs."""

Script = Callable[[trio.SocketStream], Awaitable[None]]


@pytest.fixture(params=["websockets", "trio-websocket"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]


@contextmanager
def nothing_left_open() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before


async def why(url: str, transport: Transport, **options: object) -> ConnectFailed:
    """Connect, and return how it failed; asserts that this took no time."""
    options.setdefault("connect_timeout_s", 30.0)
    wanted = LinkOptions(transport=transport, **options)  # type: ignore[arg-type]
    began_s = time.monotonic()
    with pytest.raises(ConnectFailed) as caught:
        async with open_link(url, identity="CP1", subprotocol="ocpp1.6", options=wanted):
            raise AssertionError("the link was opened")
    assert time.monotonic() - began_s < AT_ONCE_S
    return caught.value


async def why_with(script: Script, transport: Transport, **options: object) -> ConnectFailed:
    async with a_raw_server(script) as port:
        return await why(f"ws://127.0.0.1:{port}", transport, **options)


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def test_nobody_listening_is_refused(transport: Transport) -> None:
    with nothing_left_open():
        failure = await why(f"ws://127.0.0.1:{unused_port()}", transport)
    assert failure.reason is ConnectReason.REFUSED


async def test_a_host_name_without_address_is_dns(transport: Transport) -> None:
    failure = await why("ws://no-such-host.invalid:1", transport)
    assert failure.reason is ConnectReason.DNS
    assert "no-such-host.invalid" in failure.detail


async def fin(stream: trio.SocketStream) -> None:
    await read_head(stream)


async def fin_before_reading(stream: trio.SocketStream) -> None:
    await stream.send_eof()


async def rst(stream: trio.SocketStream) -> None:
    await read_head(stream)
    reset_on_close(stream)


async def partial_head(stream: trio.SocketStream) -> None:
    await read_head(stream)
    await stream.send_all(b"HTTP/1.1 101 Switching Proto")


async def partial_head_then_rst(stream: trio.SocketStream) -> None:
    await read_head(stream)
    await stream.send_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso")
    await trio.sleep(0.05)
    reset_on_close(stream)


@pytest.mark.parametrize(
    "script", [fin, fin_before_reading, rst, partial_head, partial_head_then_rst]
)
async def test_a_connection_cut_before_the_101_is_a_reset(
    script: Script, transport: Transport
) -> None:
    assert (await why_with(script, transport)).reason is ConnectReason.RESET


def answering(*parts: bytes, stay: bool = False) -> Script:
    async def script(stream: trio.SocketStream) -> None:
        await read_head(stream)
        for part in parts:
            await stream.send_all(part)
            await trio.sleep(0.01)
        if stay:
            await trio.sleep_forever()

    return script


@pytest.mark.parametrize("stay", [False, True], ids=["then-closes", "stays-open"])
@pytest.mark.parametrize(
    ("answer", "status", "shown"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nno!!", 401, "no!!"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", 401, "Unauthorized"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\nwho are you", 401, "who are you"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nbusy\n", 503, "busy"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n" + b"x" * 5000, 503, "xxx"),
        (
            b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nboom\r\n0\r\n\r\n",
            500,
            "boom",
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://x/\r\nContent-Length: 0\r\n\r\n", 302, "Found"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi"),
    ],
)
async def test_an_http_answer_is_reported_with_status_and_body(
    answer: bytes, status: int, shown: str, stay: bool, transport: Transport
) -> None:
    failure = await why_with(answering(answer, stay=stay), transport)
    assert (failure.reason, failure.status) == (ConnectReason.HTTP_STATUS, status)
    assert shown in failure.detail


async def test_a_redirect_is_not_followed_and_says_where_it_leads() -> None:
    answer = b"HTTP/1.1 301 Moved\r\nLocation: ws://elsewhere/\r\nContent-Length: 0\r\n\r\n"
    failure = await why_with(answering(answer), "websockets")
    assert failure.status == 301
    assert "ws://elsewhere/" in failure.detail


async def test_an_old_http_version_still_has_a_status() -> None:
    failure = await why_with(answering(b"HTTP/1.0 503 Busy\r\n\r\n"), "websockets")
    assert (failure.reason, failure.status) == (ConnectReason.HTTP_STATUS, 503)


@pytest.mark.parametrize("stay", [False, True], ids=["then-closes", "stays-open"])
async def test_garbage_is_no_handshake(stay: bool, transport: Transport) -> None:
    failure = await why_with(answering(b"SSH-2.0-OpenSSH_9.6\r\n", stay=stay), transport)
    assert failure.reason is ConnectReason.HANDSHAKE


async def test_garbage_without_a_line_end_is_noticed_while_the_server_waits() -> None:
    failure = await why_with(answering(b"\x00\x01", stay=True), "websockets")
    assert failure.reason is ConnectReason.HANDSHAKE


@pytest.mark.parametrize("stay", [False, True], ids=["then-closes", "stays-open"])
async def test_a_101_with_a_wrong_accept_key_is_no_handshake(
    stay: bool, transport: Transport
) -> None:
    answer = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
    )
    failure = await why_with(answering(answer, stay=stay), transport)
    assert failure.reason is ConnectReason.HANDSHAKE


async def test_an_endless_head_is_no_handshake() -> None:
    async def script(stream: trio.SocketStream) -> None:
        await read_head(stream)
        await stream.send_all(b"HTTP/1.1 101 Switching Protocols\r\n")
        while True:
            await stream.send_all(b"X-Filler: " + b"x" * 1000 + b"\r\n")

    assert (await why_with(script, "websockets")).reason is ConnectReason.HANDSHAKE


@pytest.mark.parametrize("chosen", [None, "ocpp9.9"])
async def test_a_101_for_another_subprotocol_is_reported(
    chosen: str | None, transport: Transport
) -> None:
    async def script(stream: trio.SocketStream) -> None:
        await stream.send_all(switching(await read_head(stream), subprotocol=chosen))
        await trio.sleep_forever()

    failure = await why_with(script, transport)
    assert failure.reason is ConnectReason.NO_SUBPROTOCOL
    assert "ocpp1.6" in failure.detail


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_server_that_never_answers_times_out(scheme: str, transport: Transport) -> None:
    async def script(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    with nothing_left_open():
        async with a_raw_server(script) as port:
            failure = await why(f"{scheme}://127.0.0.1:{port}", transport, connect_timeout_s=0.2)
    assert failure.reason is ConnectReason.TIMED_OUT
    assert "0.2 s" in failure.detail


async def test_a_certificate_of_an_unknown_authority_is_tls(transport: Transport) -> None:
    async with a_server(ssl_context=server_tls()) as port:
        failure = await why(f"wss://127.0.0.1:{port}", transport)
    assert failure.reason is ConnectReason.TLS
    assert "certificate" in failure.detail


async def test_a_certificate_for_another_host_is_tls(transport: Transport) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert("other.example").configure_cert(context)
    async with a_server(ssl_context=context) as port:
        failure = await why(f"wss://127.0.0.1:{port}", transport, ssl_context=client_tls())
    assert failure.reason is ConnectReason.TLS


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_missing_client_certificate_is_tls(
    version: ssl.TLSVersion, transport: Transport
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    authority().issue_cert("127.0.0.1").configure_cert(context)
    trustme.CA().configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    async with a_server(ssl_context=context) as port:
        failure = await why(f"wss://127.0.0.1:{port}", transport, ssl_context=client_tls())
    assert failure.reason is ConnectReason.TLS


async def test_tls_to_a_server_without_tls_is_tls(transport: Transport) -> None:
    async def script(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with a_raw_server(script) as port:
        failure = await why(f"wss://127.0.0.1:{port}", transport)
    assert failure.reason is ConnectReason.TLS


async def test_a_connection_cut_during_tls_is_a_reset(transport: Transport) -> None:
    async def script(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    async with a_raw_server(script) as port:
        failure = await why(f"wss://127.0.0.1:{port}", transport)
    assert failure.reason is ConnectReason.RESET


@pytest.mark.parametrize("error", [ssl.SSLEOFError, ssl.SSLZeroReturnError])
def test_both_names_that_versions_of_python_have_for_an_end_of_tls_are_a_reset(
    error: type[ssl.SSLError],
) -> None:
    assert tls_failed(error()).reason is ConnectReason.RESET


async def test_a_source_address_that_is_not_ours_is_unreachable(transport: Transport) -> None:
    async with a_server() as port:
        failure = await why(f"ws://127.0.0.1:{port}", transport, source_address="192.0.2.1")
    assert failure.reason is ConnectReason.UNREACHABLE
    assert "EADDRNOTAVAIL" in failure.detail


async def test_no_descriptor_left_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, transport: Transport
) -> None:
    def no_descriptor(*args: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("simfleet.link.dialing.socket.socket", no_descriptor)
    failure = await why("ws://127.0.0.1:9", transport)
    assert failure.reason is ConnectReason.UNREACHABLE
    assert "EMFILE" in failure.detail


async def test_a_name_with_several_addresses_is_tried_in_turn(transport: Transport) -> None:
    async with a_server() as port:  # listens on 127.0.0.1 only; localhost may be ::1 first
        options = LinkOptions(transport=transport)
        async with open_link(
            f"ws://localhost:{port}", identity="CP1", subprotocol="ocpp1.6", options=options
        ) as link:
            assert link.subprotocol == "ocpp1.6"


async def test_a_cancelled_connect_closes_its_socket(transport: Transport) -> None:
    async def script(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            pass

    options = LinkOptions(transport=transport)
    async with a_raw_server(script) as port:
        with nothing_left_open():
            with trio.move_on_after(0.05) as scope:
                async with open_link(
                    f"ws://127.0.0.1:{port}", identity="CP", subprotocol="ocpp1.6", options=options
                ):
                    raise AssertionError("the link was opened")
            assert scope.cancelled_caught
            # The server's side still has its descriptor; it goes when its peer is gone.
            await trio.sleep(0.05)


async def test_frames_that_come_with_the_101_are_not_lost(transport: Transport) -> None:
    async def script(stream: trio.SocketStream) -> None:
        answer = switching(await read_head(stream)) + b"\x81\x02hi\x81\x05th"
        for byte in answer:
            await stream.send_all(bytes((byte,)))
        await stream.send_all(b"ere")
        await trio.sleep_forever()

    options = LinkOptions(transport=transport)
    async with (
        a_raw_server(script) as port,
        open_link(
            f"ws://127.0.0.1:{port}", identity="CP", subprotocol="ocpp1.6", options=options
        ) as link,
    ):
        assert [await link.receive(), await link.receive()] == [b"hi", b"there"]
        link.abort()


async def test_the_request_names_host_path_user_and_further_headers(transport: Transport) -> None:
    heads: list[bytes] = []

    async def script(stream: trio.SocketStream) -> None:
        heads.append(await read_head(stream))

    async with a_raw_server(script) as port:
        await why(
            f"ws://127.0.0.1:{port}/ocpp?a=b", transport, password="s", headers={"X-Site": "7"}
        )
        lines = heads[0].lower().splitlines()
        assert lines[0] == b"get /ocpp/cp1?a=b http/1.1"
        assert lines.count(f"host: 127.0.0.1:{port}".encode()) == 1
        assert b"x-site: 7" in lines
        assert b"authorization: basic q1axonm=" in lines
        assert b"sec-websocket-protocol: ocpp1.6" in lines
        assert not any(line.startswith(b"sec-websocket-extensions") for line in lines)


async def test_connect_can_ask_for_several_subprotocols() -> None:
    async with a_server(subprotocols=("ocpp2.0.1", "ocpp1.6")) as port:
        link = await websocket.connect(
            f"ws://127.0.0.1:{port}/CP1", subprotocols=("ocpp1.6", "ocpp2.0.1")
        )
        assert link.subprotocol == "ocpp2.0.1"  # the server's preference
        await link.close()


async def test_a_server_that_goes_right_after_the_101_is_no_failed_connect(
    transport: Transport,
) -> None:
    options = LinkOptions(transport=transport)
    async with (
        a_raw_server(upgraded) as port,
        open_link(
            f"ws://127.0.0.1:{port}", identity="CP", subprotocol="ocpp1.6", options=options
        ) as link,
    ):
        assert link.subprotocol == "ocpp1.6"
