"""An open link, client and server side, both transports: messages, fragments, pings, endings."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from builders_link import (
    a_raw_server,
    a_server,
    client_tls,
    frame,
    kind_of,
    read_frame,
    reset_on_close,
    server_tls,
    upgraded,
)
from simfleet.errors import LinkClosed
from simfleet.link.link import Link, LinkOptions, Transport
from simfleet.link.opening import open_link

if TYPE_CHECKING:
    from simfleet.link.accepting import AcceptedLink

Script = Callable[[trio.SocketStream], Awaitable[None]]

MIB = 1024 * 1024


@pytest.fixture(params=["websockets", "trio-websocket"])
def transport(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]


@asynccontextmanager
async def a_link_to(
    port: int, transport: Transport = "websockets", identity: str = "CP1", **options: Any
) -> AsyncIterator[Link]:
    scheme = "wss" if "ssl_context" in options else "ws"
    wanted = LinkOptions(transport=transport, **options)
    async with open_link(
        f"{scheme}://127.0.0.1:{port}", identity=identity, subprotocol="ocpp1.6", options=wanted
    ) as link:
        yield link


@asynccontextmanager
async def talking_to(
    script: Script, transport: Transport = "websockets", **options: Any
) -> AsyncIterator[Link]:
    """A link to a peer that upgrades, runs `script`, then ends TCP; aborted on leaving."""

    async def upgrade_first(stream: trio.SocketStream) -> None:
        await upgraded(stream)
        await script(stream)

    async with (
        a_raw_server(upgrade_first) as port,
        a_link_to(port, transport, **options) as link,
    ):
        yield link
        link.abort()


async def how_it_ends(link: Link) -> LinkClosed:
    async def hear_all() -> None:
        with trio.fail_after(5):
            while True:
                await link.receive()

    with pytest.raises(LinkClosed) as caught:
        await hear_all()
    with pytest.raises(LinkClosed) as again:
        await link.send([b"too late"])
    assert kind_of(again.value) == kind_of(caught.value)
    return caught.value


# ── messages ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_messages_come_back_in_order_and_unchanged(tls: bool, transport: Transport) -> None:
    messages = [b"", b"[2]", "ü€😀".encode(), b"x" * 125, b"y" * 126, b"z" * 65536, b"w" * MIB]
    server: dict[str, Any] = {"ssl_context": server_tls()} if tls else {}
    client: dict[str, Any] = {"ssl_context": client_tls()} if tls else {}
    async with a_server(**server) as port, a_link_to(port, transport, **client) as link:
        for message in messages:
            await link.send([message])
            assert await link.receive() == message
        await link.send(messages)
        assert [await link.receive() for _ in messages] == messages


async def test_compression_shrinks_and_restores_messages() -> None:
    message = b'{"a":1}' * 5000
    async with (
        a_server(compression=True) as port,
        a_link_to(port, compression=True) as link,
    ):
        for _ in range(3):
            await link.send([message, b"", "ü".encode()])
            assert [await link.receive() for _ in range(3)] == [message, b"", "ü".encode()]


async def test_several_frames_leave_in_one_segment() -> None:
    seen: list[bytes] = []
    done = trio.Event()

    async def script(stream: trio.SocketStream) -> None:
        seen.append(bytes(await stream.receive_some()))
        done.set()

    async with talking_to(script) as link:
        await link.send([b"one", b"two", b"three"])
        await done.wait()
    assert len(seen[0]) == 3 * 6 + len(b"onetwothree")


async def test_take_ready_hands_out_what_was_read_without_waiting() -> None:
    async def script(stream: trio.SocketStream) -> None:
        await stream.send_all(frame(1, b"one") + frame(1, b"two") + frame(1, b"thr")[:-1])
        await trio.sleep_forever()

    async with talking_to(script) as link:
        assert await link.receive() == b"one"
        assert link.take_ready() == b"two"
        assert link.take_ready() is None


async def test_fragments_are_put_together_with_a_ping_in_between(transport: Transport) -> None:
    pong: list[tuple[int, bytes]] = []

    async def script(stream: trio.SocketStream) -> None:
        text = "größe".encode()
        await stream.send_all(frame(1, text[:3], fin=False))
        await stream.send_all(frame(9, b"in between"))
        for byte in text[3:]:
            await stream.send_all(frame(0, bytes((byte,)), fin=False))
        await stream.send_all(frame(0, b"") + frame(1, b"whole"))
        pong.append(await read_frame(stream, buffer=bytearray()))
        await trio.sleep_forever()

    async with talking_to(script, transport) as link:
        assert await link.receive() == "größe".encode()
        assert await link.receive() == b"whole"
        with trio.move_on_after(0.05):
            await link.receive()
    assert pong == [(10, b"in between")]


async def test_a_message_may_be_as_long_as_the_limit(transport: Transport) -> None:
    async def script(stream: trio.SocketStream) -> None:
        await stream.send_all(frame(1, b"a" * 1000))
        await stream.send_all(frame(1, b"b" * 600, fin=False) + frame(0, b"b" * 400))
        await trio.sleep_forever()

    async with talking_to(script, transport, max_size_bytes=1000) as link:
        assert await link.receive() == b"a" * 1000
        assert await link.receive() == b"b" * 1000


def sending(*frames: bytes) -> tuple[Script, list[tuple[int, bytes]]]:
    """A peer that sends `frames`, and keeps what it gets until the stream ends."""
    heard: list[tuple[int, bytes]] = []

    async def script(stream: trio.SocketStream) -> None:
        await stream.send_all(b"".join(frames))
        buffer = bytearray()
        while (read := await read_frame(stream, buffer=buffer))[0] != 0x100:
            heard.append(read)
            if read[0] == 8:
                return

    return script, heard


@pytest.mark.parametrize(
    ("frames", "code_ws"),
    [
        ([frame(1, b"a" * 1001)], 1009),
        ([frame(1, b"a" * 1001)[:600]], 1009),
        ([frame(1, b"a" * 600, fin=False), frame(0, b"a" * 401)], 1009),
        ([frame(2, b"binary")], 1003),
        ([frame(1, b"\xff\xfe")], 1007),
        ([frame(1, b"\xc3", fin=False), frame(0, b"x")], 1007),
        ([frame(0, b"continues nothing")], 1002),
        ([frame(1, b"a", fin=False), frame(1, b"b")], 1002),
        ([frame(3, b"reserved opcode")], 1002),
        ([b"\xc1\x01x"], 1002),  # reserved bit without an extension
        ([b"\x81\x81\x00\x00\x00\x00x"], 1002),  # a server must not mask
        ([frame(9, b"x" * 126)], 1002),  # control frames are short
        ([frame(8, b"\x00")], 1002),  # half a close code
    ],
)
async def test_breaking_the_rules_ends_the_link_and_says_so(
    frames: list[bytes], code_ws: int
) -> None:
    script, heard = sending(*frames)
    async with talking_to(script, max_size_bytes=1000) as link:
        assert (await how_it_ends(link)).kind == "protocol"
        await link.close()
        await trio.testing.wait_all_tasks_blocked(0.01)
    [(opcode, payload)] = heard
    assert (opcode, int.from_bytes(payload[:2], "big")) == (8, code_ws)


@pytest.mark.parametrize(
    ("frames", "code_ws"),
    [([frame(1, b"a" * 1001)], 1009), ([frame(2, b"b")], 1003), ([frame(1, b"\xff")], 1007)],
)
async def test_breaking_the_rules_ends_the_second_transport_too(
    frames: list[bytes], code_ws: int
) -> None:
    script, heard = sending(*frames)
    async with talking_to(script, "trio-websocket", max_size_bytes=1000) as link:
        assert (await how_it_ends(link)).kind == "protocol"
        await link.close()
    assert [(code, int.from_bytes(said[:2], "big")) for code, said in heard] == [(8, code_ws)]


async def test_messages_before_the_broken_one_are_still_received() -> None:
    script, _ = sending(frame(1, b"good"), frame(2, b"bad"))
    async with talking_to(script) as link:
        assert await link.receive() == b"good"
        assert (await how_it_ends(link)).kind == "protocol"


# ── ping and pong ───────────────────────────────────────────────────────────────────────────────


async def run_for(link: Link, seconds: float) -> None:
    """The actor's loop, without an actor."""
    end_s = trio.current_time() + seconds
    while trio.current_time() < end_s:
        with trio.CancelScope(deadline=min(end_s, link.wake_at_s)):
            await link.receive()
        await link.tick(at_s=trio.current_time())


async def test_pings_are_sent_when_due_and_answered_ones_keep_the_link(
    transport: Transport,
) -> None:
    pings: list[bytes] = []

    async def script(stream: trio.SocketStream) -> None:
        buffer = bytearray()
        while True:
            opcode, payload = await read_frame(stream, buffer=buffer)
            if opcode != 9:
                return
            pings.append(payload)
            await stream.send_all(frame(10, payload))

    async with talking_to(script, transport, ping_interval_s=0.05, pong_timeout_s=0.2) as link:
        await run_for(link, 0.4)
        assert link.wake_at_s > trio.current_time() - 0.05
    assert 3 <= len(pings) <= 8


async def test_a_missing_pong_ends_the_link(transport: Transport) -> None:
    async def script(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            pass

    async with talking_to(script, transport, ping_interval_s=0.05, pong_timeout_s=0.1) as link:
        with pytest.raises(LinkClosed) as caught:
            await run_for(link, 5)
        assert caught.value.kind == "pong_timeout"
        assert "0.1 s" in caught.value.detail


async def test_a_pong_to_an_older_ping_does_not_count() -> None:
    async def script(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            await stream.send_all(frame(10, b"something else"))

    async with talking_to(script, ping_interval_s=0.05, pong_timeout_s=0.1) as link:
        with pytest.raises(LinkClosed) as caught:
            await run_for(link, 5)
        assert caught.value.kind == "pong_timeout"


async def test_without_an_interval_the_link_never_wants_to_be_woken(transport: Transport) -> None:
    async with a_server() as port, a_link_to(port, transport) as link:
        assert link.wake_at_s == math.inf
        await link.tick(at_s=trio.current_time() + 1e6)


async def test_the_server_pings_too() -> None:
    ended: list[LinkClosed] = []

    async def handler(link: AcceptedLink) -> None:
        try:
            await run_for(link, 5)
        except LinkClosed as error:
            ended.append(error)

    async with (
        a_server(handler, ping_interval_s=0.05, pong_timeout_s=0.1) as port,
        a_link_to(port) as link,
    ):
        with trio.move_on_after(0.3):
            await link.receive()  # answers pings
        assert not ended
        await trio.sleep(0.4)  # nobody receives, nobody answers
        assert [error.kind for error in ended] == ["pong_timeout"]


# ── the end ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code_ws", "reason"), [(1000, ""), (1001, "restarting"), (4321, "ü" * 61)]
)
async def test_a_close_by_the_server_arrives_with_code_and_reason(
    code_ws: int, reason: str, transport: Transport
) -> None:
    async def handler(link: AcceptedLink) -> None:
        await link.send([b"last words"])
        await link.close(code_ws, reason)

    async with a_server(handler) as port, a_link_to(port, transport) as link:
        assert await link.receive() == b"last words"
        ended = await how_it_ends(link)
        assert (ended.kind, ended.code_ws, ended.detail) == ("closed", code_ws, reason)


async def test_a_close_by_the_client_arrives_with_code_and_reason(transport: Transport) -> None:
    ended: list[LinkClosed] = []

    async def handler(link: AcceptedLink) -> None:
        try:
            await link.receive()
        except LinkClosed as error:
            ended.append(error)

    async with a_server(handler) as port, a_link_to(port, transport) as link:
        began_s = trio.current_time()
        await link.close(1001, "bye")
        assert trio.current_time() - began_s < 0.9
        with pytest.raises(LinkClosed):
            await link.receive()
    [error] = ended
    assert (error.kind, error.code_ws, error.detail) == ("closed", 1001, "bye")


async def test_a_close_frame_without_a_code_is_1005() -> None:
    script, _ = sending(frame(8, b""))
    async with talking_to(script) as link:
        assert kind_of(await how_it_ends(link)) == ("closed", 1005)


async def test_leaving_the_block_closes_with_1000(transport: Transport) -> None:
    ended: list[int | None] = []

    async def handler(link: AcceptedLink) -> None:
        try:
            await link.receive()
        except LinkClosed as error:
            ended.append(error.code_ws)

    async with a_server(handler) as port, a_link_to(port, transport):
        pass
    assert ended == [1000]


async def test_the_end_of_tcp_without_a_close_frame_is_eof(transport: Transport) -> None:
    async def script(stream: trio.SocketStream) -> None:
        await stream.send_all(frame(1, b"only"))

    async with talking_to(script, transport) as link:
        assert await link.receive() == b"only"
        assert kind_of(await how_it_ends(link)) == ("eof", None)


async def test_half_a_message_before_the_end_is_not_a_message() -> None:
    async def script(stream: trio.SocketStream) -> None:
        await stream.send_all(frame(1, b"whole") + frame(1, b"half")[:-2])

    async with talking_to(script) as link:
        assert await link.receive() == b"whole"
        assert (await how_it_ends(link)).kind == "eof"


async def test_rst_is_a_reset(transport: Transport) -> None:
    async def script(stream: trio.SocketStream) -> None:
        reset_on_close(stream)

    async with talking_to(script, transport) as link:
        assert (await how_it_ends(link)).kind == "reset"


async def test_what_the_peer_said_before_it_went_is_received_though_sending_failed() -> None:
    gone = trio.Event()

    async def script(stream: trio.SocketStream) -> None:
        await stream.send_all(frame(1, b"first") + frame(8, b"\x03\xf0policy"))
        await trio.sleep(0.02)
        reset_on_close(stream)
        stream.socket.close()
        gone.set()

    async with talking_to(script) as link:
        await gone.wait()
        for _ in range(3):
            await link.send([b"anybody there?"])
        assert await link.receive() == b"first"
        assert kind_of(await how_it_ends(link)) == ("closed", 1008)


async def test_sending_alone_notices_that_the_peer_is_gone() -> None:
    async def script(stream: trio.SocketStream) -> None:
        reset_on_close(stream)

    async with talking_to(script) as link:
        error = None
        with trio.fail_after(5):
            while error is None:
                try:
                    await link.send([b"anybody there?"])
                    await trio.sleep(0.01)
                except LinkClosed as closed:
                    error = closed
        assert error.kind == "reset"


async def test_aborting_wakes_the_task_that_receives(transport: Transport) -> None:
    async with a_server() as port, a_link_to(port, transport) as link:
        async with trio.open_nursery() as nursery:

            @nursery.start_soon
            async def receiving() -> None:
                with pytest.raises(LinkClosed):
                    await link.receive()

            await trio.testing.wait_all_tasks_blocked()
            link.abort()
        link.abort()
        await link.close()


async def test_close_gives_up_on_a_peer_that_does_not_answer(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("connection", "trio_websocket"):
        monkeypatch.setattr(f"simfleet.link.{module}.CLOSE_TIMEOUT_S", 0.1)

    async def script(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with talking_to(script, transport) as link:
        with trio.fail_after(2):
            await link.close()
        with pytest.raises(LinkClosed):
            await link.receive()


async def test_a_close_waits_for_what_is_unsent_and_for_slow_peers() -> None:
    script, heard = sending()
    message = b"x" * (16 * MIB)

    async def slow(stream: trio.SocketStream) -> None:
        await trio.sleep(0.2)
        await script(stream)

    async with talking_to(slow) as link:
        with trio.move_on_after(0.02) as scope:
            await link.send([message])
        assert scope.cancelled_caught
        await link.close()
    assert heard[0] == (1, message)
    assert heard[1][0] == 8


async def test_a_peer_that_never_reads_is_given_up_in_the_end(transport: Transport) -> None:
    async def script(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with talking_to(script, transport) as link:
        error = None
        with trio.fail_after(10):
            while error is None:
                try:
                    with trio.move_on_after(0.01):
                        await link.send([b"x" * MIB])
                except LinkClosed as closed:
                    error = closed
        assert error.kind == "stalled"


# ── what the server knows ───────────────────────────────────────────────────────────────────────


async def test_the_server_knows_identity_path_credentials_and_peer(transport: Transport) -> None:
    seen: list[tuple[object, ...]] = []

    async def handler(link: AcceptedLink) -> None:
        seen.append(
            (link.identity, link.path, link.user, link.password, link.remote, link.subprotocol)
        )

    identity = "Säule 7/€"
    async with (
        a_server(handler) as port,
        a_link_to(port, transport, identity, password=b"\x00\xff:binary"),
    ):
        pass
    [(known, path, user, password, remote, subprotocol)] = seen
    assert (known, user, password) == (identity, identity, b"\x00\xff:binary")
    assert path == "/S%C3%A4ule%207%2F%E2%82%AC"
    assert str(remote).startswith("127.0.0.1:")
    assert subprotocol == "ocpp1.6"
