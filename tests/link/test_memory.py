"""Links in memory, under a simulated clock."""

from __future__ import annotations

import pytest
import trio

from builders_link import kind_of
from simfleet.errors import ConnectFailed, ConnectReason, LinkClosed
from simfleet.link.link import SEND_PATIENCE_S, Dialer, Link, LinkOptions, ServerLink
from simfleet.link.memory import INBOX_MAX, MemoryNetwork, memory_pair
from simfleet.link.opening import open_link


async def test_messages_arrive_in_order_both_ways(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = memory_pair("ocpp1.6")
    await ours.send([b"1", b"2"])
    await theirs.send([b"3"])
    assert [await theirs.receive(), await theirs.receive()] == [b"1", b"2"]
    assert (await ours.receive(), ours.take_ready()) == (b"3", None)
    assert ours.subprotocol == theirs.subprotocol == "ocpp1.6"


async def test_receive_waits_as_long_as_it_takes(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = memory_pair("ocpp1.6")
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def later() -> None:
            await trio.sleep(86_400)
            await theirs.send([b"good morning"])

        began_s = trio.current_time()
        assert await ours.receive() == b"good morning"
        assert trio.current_time() - began_s == 86_400


async def test_a_full_inbox_makes_the_sender_wait_within_its_patience_and_loses_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = memory_pair("ocpp1.6")
    messages = [b"%d" % number for number in range(INBOX_MAX + 5)]
    began_s = trio.current_time()
    await ours.send(messages)
    assert trio.current_time() - began_s == SEND_PATIENCE_S
    assert [await theirs.receive() for _ in messages] == messages
    with trio.fail_after(1):
        await ours.send([b"more"])
    assert await theirs.receive() == b"more"


async def test_cancelling_receive_loses_nothing(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = memory_pair("ocpp1.6")
    for number in range(1000):
        with trio.move_on_after(0):
            await ours.receive()
        await theirs.send([b"%d" % number])
        assert await ours.receive() == b"%d" % number


async def ending_of(link: Link) -> tuple[str, int | None]:
    while True:
        try:
            await link.receive()
        except LinkClosed as closed:
            return kind_of(closed)


async def test_a_close_arrives_after_the_messages_before_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = memory_pair("ocpp1.6")
    await ours.send([b"last"])
    await ours.close(1001, "restarting")
    assert await theirs.receive() == b"last"
    assert await ending_of(theirs) == ("closed", 1001)
    assert await ending_of(ours) == ("closed", None)
    for link in (ours, theirs):
        with pytest.raises(LinkClosed):
            await link.send([b"too late"])
        with pytest.raises(LinkClosed):
            await link.tick(at_s=0)


async def test_an_abort_is_eof_for_the_peer_and_wakes_whoever_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    ours, theirs = memory_pair("ocpp1.6")
    endings = []
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def ours_ends() -> None:
            endings.append(await ending_of(ours))

        @nursery.start_soon
        async def theirs_ends() -> None:
            endings.append(await ending_of(theirs))

        await trio.testing.wait_all_tasks_blocked()
        ours.abort()
    assert sorted(endings) == [("closed", None), ("eof", None)]


async def test_a_message_over_the_limit_ends_both(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = memory_pair("ocpp1.6", max_size_bytes=10)
    await ours.send([b"x" * 11])
    assert await ending_of(theirs) == ("protocol", None)
    assert await ending_of(ours) == ("closed", 1009)


async def test_a_whole_fleet_is_served_in_memory(autojump_clock: trio.testing.MockClock) -> None:
    network = MemoryNetwork(subprotocols=("ocpp1.6", "ocpp2.0.1"))
    seen: set[tuple[str, str, bytes | None]] = set()

    async def csms(link: ServerLink) -> None:
        seen.add((link.identity, link.path, link.password))
        while True:
            await link.send([await link.receive()])

    async def station(number: int) -> None:
        options = LinkOptions(password=f"p{number}")
        async with network.dial(
            "ws://csms/ocpp", identity=f"CP {number}", subprotocol="ocpp1.6", options=options
        ) as link:
            for beat in range(5):
                await trio.sleep(300)
                await link.send([b"%d" % beat])
                assert await link.receive() == b"%d" % beat

    async with trio.open_nursery() as servers:
        await servers.start(network.serve, csms)
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(station, number)
        servers.cancel_scope.cancel()
    assert len(seen) == network.opened == 200
    assert ("CP 7", "/ocpp/CP%207", b"p7") in seen


async def test_a_network_that_nobody_serves_refuses(autojump_clock: trio.testing.MockClock) -> None:
    network = MemoryNetwork()

    async def why(subprotocol: str = "ocpp1.6") -> ConnectReason:
        with pytest.raises(ConnectFailed) as caught:
            async with network.dial("ws://csms", identity="CP", subprotocol=subprotocol):
                raise AssertionError("connected")
        return caught.value.reason

    async def csms(link: ServerLink) -> None:
        await link.receive()

    assert await why() is ConnectReason.REFUSED
    async with trio.open_nursery() as nursery:
        await nursery.start(network.serve, csms)
        assert await why("ocpp2.1") is ConnectReason.HTTP_STATUS
        network.refusal = ConnectFailed(ConnectReason.RESET, "as told")
        assert await why() is ConnectReason.RESET
        network.refusal = None
        async with network.dial("ws://csms", identity="CP", subprotocol="ocpp1.6") as link:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True), pytest.raises(LinkClosed) as caught:
                await link.receive()
            assert caught.value.kind == "eof"
    assert await why() is ConnectReason.REFUSED


def test_both_ways_to_dial_are_dialers() -> None:
    dialers: list[Dialer] = [open_link, MemoryNetwork().dial]
    assert all(callable(dialer) for dialer in dialers)
