"""Thousands of cancellations at random moments: not a byte may be lost, split or repeated."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from builders_link import a_server, client_tls, server_tls
from simfleet.link.link import Link, LinkOptions, Transport
from simfleet.link.opening import open_link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simfleet.link.accepting import AcceptedLink

CANCELLATIONS = 3000


def message(rng: random.Random, side: str, number: int) -> bytes:
    """Mostly as long as OCPP messages are, sometimes longer than any socket buffer."""
    size = rng.choice([0, 50, 200, 500, 5000, 70_000, 900_000 if rng.random() < 0.2 else 100])
    return f"{side}{number}:".encode() + b"%" * size


class Talker:
    """Sends and receives by turns, like the actor, under deadlines that hit at any moment."""

    def __init__(self, link: Link, side: str, seed: int, *, slow: bool) -> None:
        self._link, self._side, self._slow = link, side, slow
        self._rng = random.Random(seed)
        self.sent = self.received = self.cancelled = 0
        self.expected = random.Random(seed + 1)  # the other side's messages
        self._mine = random.Random(seed)

    async def talk(self, until: int) -> None:
        other = "b" if self._side == "a" else "a"
        while self.cancelled < until:
            frames = []
            if self.sent - self.received < 10:  # neither runs far ahead
                for _ in range(self._rng.randrange(3)):
                    frames.append(message(self._rng, self._side, self.sent))
                    self.sent += 1
            wait_s = self._rng.choice([0, 0, 1e-5, 1e-4, 1e-3])
            got = None
            with trio.move_on_after(wait_s) as scope:
                await self._link.send(frames)
                got = await self._link.receive()
            self.cancelled += scope.cancelled_caught
            if got is not None:
                head, _, filler = got.partition(b":")
                assert head == f"{other}{self.received}".encode()
                assert filler.strip(b"%") == b""
                self.received += 1
            if self._slow and self._rng.random() < 0.05:
                await trio.sleep(0.002)
            else:
                await trio.lowlevel.checkpoint()

    async def drain(self, total: int) -> None:
        """Hear the rest, while what is unsent goes out."""
        other = "b" if self._side == "a" else "a"
        while self.received < total:
            got = await self._link.receive()
            assert got.partition(b":")[0] == f"{other}{self.received}".encode()
            self.received += 1


@asynccontextmanager
async def both_ends(
    *, tls: bool, transport: Transport = "websockets"
) -> AsyncIterator[tuple[Link, Link]]:
    """A client's link and the server's, in one task's hands."""
    ends: list[AcceptedLink] = []
    done, accepted = trio.Event(), trio.Event()

    async def handler(link: AcceptedLink) -> None:
        ends.append(link)
        accepted.set()
        await done.wait()

    options = LinkOptions(transport=transport, ssl_context=client_tls())
    scheme = "wss" if tls else "ws"
    async with (
        a_server(handler, ssl_context=server_tls() if tls else None) as port,
        open_link(
            f"{scheme}://127.0.0.1:{port}", identity="CP", subprotocol="ocpp1.6", options=options
        ) as link,
    ):
        await accepted.wait()
        yield link, ends[0]
        link.abort()
        done.set()


@pytest.mark.parametrize("slow", [False, True], ids=["fast-peer", "slow-peer"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_cancelling_loses_splits_and_repeats_nothing(
    tls: bool, slow: bool, seed: int
) -> None:
    async with both_ends(tls=tls) as (ours, theirs):
        a = Talker(ours, "a", seed, slow=False)
        b = Talker(theirs, "b", seed + 100, slow=slow)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(a.talk, CANCELLATIONS)
                nursery.start_soon(b.talk, CANCELLATIONS)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(a.drain, b.sent)
                nursery.start_soon(b.drain, a.sent)
    assert a.received == b.sent > 50
    assert b.received == a.sent > 50


async def test_cancelling_is_harmless_on_the_second_transport_too() -> None:
    async with both_ends(tls=False, transport="trio-websocket") as (ours, theirs):
        a, b = Talker(ours, "a", 5, slow=False), Talker(theirs, "b", 6, slow=False)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(a.talk, 1000)
                nursery.start_soon(b.talk, 1000)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(a.drain, b.sent)
                nursery.start_soon(b.drain, a.sent)
    assert a.received == b.sent > 50
    assert b.received == a.sent > 50


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_cancelled_send_goes_on_while_receiving(tls: bool) -> None:
    big = b"x" * 16_000_000
    async with both_ends(tls=tls) as (ours, theirs):
        theirs._max_size_bytes = len(big)  # type: ignore[attr-defined]
        with trio.move_on_after(0.01) as scope:
            await ours.send([big, b"after"])
        assert scope.cancelled_caught
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours.receive)
                assert await theirs.receive() == big
                assert await theirs.receive() == b"after"
                nursery.cancel_scope.cancel()


async def test_two_peers_that_both_only_send_do_not_wait_for_each_other() -> None:
    big = [b"x" * 900_000] * 12
    async with both_ends(tls=False) as (ours, theirs):
        with trio.move_on_after(0.3):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ours.send, big)
                nursery.start_soon(theirs.send, big)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                for link in (ours, theirs):

                    @nursery.start_soon
                    async def hear(link: Link = link) -> None:
                        assert [await link.receive() for _ in big] == big
