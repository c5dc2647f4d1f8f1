"""GET /api/logs/stream over a real socket, read as a browser's EventSource reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.lowlevel

from builders_api import assert_error
from builders_http import served
from builders_sse import EventSource

if TYPE_CHECKING:
    from builders_api import Caller, Lab


def stream_of(caller: Caller, port: int, **query: str) -> EventSource:
    filters = "".join(f"&{name}={value}" for name, value in query.items())
    return EventSource(port, f"/api/logs/stream?api_key={caller.key}{filters}")


async def ids_in_log(lab: Lab) -> list[int]:
    """All ids there are, oldest first."""
    entries = (await lab.alice.get("/api/logs", limit=1000)).body
    return [entry["id"] for entry in reversed(entries)]


async def test_a_stream_needs_a_key(lab: Lab) -> None:
    assert_error(await lab.alice.ask("GET", "/api/logs/stream", headers={}), 401)
    answer = await lab.alice.ask("GET", "/api/logs/stream?api_key=wrong", headers={})
    assert_error(answer, 401)


async def test_a_stream_is_one_that_browsers_and_proxies_take(lab: Lab) -> None:
    async with served(lab.app) as server:
        source = stream_of(lab.alice, server.port)
        async with source.connected():
            assert source.status == 200
            assert source.headers["content-type"].startswith("text/event-stream")
            assert "no-cache" in source.headers["cache-control"]
            assert source.headers["x-accel-buffering"] == "no"
            assert source.retry_ms > 0
            assert source.events == [], "nothing before something is said"


async def test_each_message_comes_once_in_order_and_as_in_the_log(lab: Lab) -> None:
    async with served(lab.app) as server:
        source = stream_of(lab.alice, server.port)
        async with source.connected():
            await lab.charger_on("A")
            known = await ids_in_log(lab)
            await source.until(lambda: len(source.messages) >= len(known))
            log = (await lab.alice.get("/api/logs")).body
            assert source.messages[: len(known)] == list(reversed(log))[: len(known)]
            assert {event.name for event in source.events} == {"message"}, "for es.onmessage"
            for event in source.events:
                assert event.id == str(event.entry["id"])


async def test_only_the_users_own_chargers_are_streamed(lab: Lab) -> None:
    async with served(lab.app) as server:
        hers, his = stream_of(lab.alice, server.port), stream_of(lab.bob, server.port)
        async with hers.connected(), his.connected():
            await lab.charger_on("A")
            await hers.until(lambda: len(hers.messages) > 2)
            await trio.sleep(0.3)
            assert his.events == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("chargepoint_id", "B", {("B", "sent"), ("B", "received")}),
        ("direction", "received", {("A", "received"), ("B", "received")}),
        ("message_type", "BootNotification", None),
        ("message_type", "CALL", {("A", "sent"), ("B", "sent")}),
    ],
)
async def test_a_stream_can_be_filtered(
    lab: Lab, name: str, value: str, expected: set[tuple[str, str]] | None
) -> None:
    async with served(lab.app) as server:
        source = stream_of(lab.alice, server.port, **{name: value})
        async with source.connected():
            await lab.charger_on("A")
            await lab.charger_on("B")
            await source.until(lambda: len(source.messages) >= 2)
            await trio.sleep(0.3)
        if expected is None:
            assert {entry["message_type"] for entry in source.messages} == {value}
            assert len(source.messages) == 4, "two calls and two answers"
        else:
            seen = {(entry["chargepoint_id"], entry["direction"]) for entry in source.messages}
            assert seen == expected


async def test_a_filter_that_cannot_be_is_400(lab: Lab) -> None:
    assert_error(await lab.alice.get("/api/logs/stream", direction="up"), 400)


async def test_a_client_that_comes_again_gets_each_message_once_and_in_order(lab: Lab) -> None:
    async with served(lab.app) as server:
        source = stream_of(lab.alice, server.port)
        async with source.connected():
            await lab.fill_journal("A", 4)
            await source.until(lambda: len(source.messages) >= 4)
        for round_number in range(1, 4):
            # While nobody listens; the last of them is not in the database yet.
            await lab.fill_journal("A", 50, first=round_number * 1000)
            lab.log_one("A", round_number * 1000 + 999)
            before = len(source.messages)
            async with source.connected() as connection:
                await source.until(lambda before=before: len(source.messages) >= before + 51)  # type: ignore[misc]
                lab.log_one("A", round_number * 1000 + 1999)
                if round_number == 2:  # cut off in the middle, without a farewell
                    await connection.aclose()
                else:
                    await source.until(
                        lambda before=before: len(source.messages) >= before + 52  # type: ignore[misc]
                    )
        async with source.connected():
            known = await ids_in_log(lab)
            await source.until(lambda: source.last_id == str(known[-1]))
        assert [entry["id"] for entry in source.messages] == known


async def test_a_client_that_was_away_for_long_catches_up_while_more_comes(lab: Lab) -> None:
    async with served(lab.app) as server:
        source = stream_of(lab.alice, server.port)
        async with source.connected():
            lab.log_one("A", 1)
            await source.until(lambda: len(source.messages) == 1)
        await lab.fill_journal("A", 5000, first=2)
        async with source.connected(), trio.open_nursery() as nursery:

            async def more() -> None:
                for n in range(6000, 6300):
                    lab.log_one("A", n)
                    await trio.sleep(0.002)

            nursery.start_soon(more)
            await source.until(lambda: len(source.messages) >= 5301, within_s=30)
        ids = [entry["id"] for entry in source.messages]
        assert ids == list(range(ids[0], ids[0] + 5301))
        assert not [event for event in source.events if event.name == "missed"]


async def test_an_id_from_elsewhere_begins_anew(lab: Lab) -> None:
    await lab.fill_journal("A", 10)
    async with served(lab.app) as server:
        for last_id in ("999999999", "no-number", "-1"):
            path = f"/api/logs/stream?api_key={lab.alice.key}"
            source = EventSource(server.port, path, last_id=last_id)
            async with source.connected():
                lab.log_one("A", 77)
                await source.until(lambda source=source: len(source.messages) >= 1)  # type: ignore[misc]
                assert len(source.messages) == 1


async def test_a_slow_reader_is_told_how_many_messages_it_lost(lab: Lab) -> None:
    async with served(lab.app) as server:
        source = stream_of(lab.alice, server.port)
        async with source.connected():
            for n in range(10_000):  # at once: no reader has a turn in between
                lab.log_one("A", n)
            await source.until(lambda: bool(source.messages) and len(source.messages) >= 4096)
        missed = [event for event in source.events if event.name == "missed"]
        assert len(missed) == 1
        assert missed[0].entry == {"missed": 10_000 - 4096}
        ids = [entry["id"] for entry in source.messages]
        assert ids == list(range(ids[0], ids[0] + 4096)), "the newest, without a gap after it"


async def test_a_stalled_reader_holds_up_neither_others_nor_the_end(lab: Lab) -> None:
    async with served(lab.app) as server:
        stalled = await server.connect()
        request = f"GET /api/logs/stream?api_key={lab.alice.key} HTTP/1.1\r\nHost: x\r\n\r\n"
        await stalled.send_all(request.encode())  # and never reads
        source = stream_of(lab.alice, server.port)
        async with source.connected():
            for burst in range(10):
                await lab.fill_journal("A", 1000, first=burst * 1000)
                await source.until(lambda burst=burst: len(source.messages) >= 1000 * (burst + 1))  # type: ignore[misc]
            await source.until(lambda: len(source.messages) == 10_000, within_s=20)
        with trio.fail_after(8):
            server.stopping.set()
            await trio.lowlevel.checkpoint()
    await stalled.aclose()
