from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from builders_csms import BOOT, call
from simfleet.csms.control import LINE_MAX_BYTES, Lines, control
from simfleet.csms.orders import request_of
from simfleet.csms.server import Csms
from simfleet.errors import ProtocolViolation, Refused
from simfleet.link.memory import MemoryNetwork
from simfleet.ocpp.v16.messages import ResetRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Parent:
    """The parent's ends of the two streams."""

    def __init__(self, csms: Csms, network: MemoryNetwork) -> None:
        self.csms = csms
        self.network = network
        self.requests, self.child_requests = trio.testing.memory_stream_one_way_pair()
        self.child_answers, answers = trio.testing.memory_stream_one_way_pair()
        self.answers = answers
        self._lines = Lines(answers)

    async def hear(self) -> Any:
        with trio.fail_after(5):
            line = await self._lines.next()
            assert line is not None
            return msgspec.json.decode(line)

    async def ask(self, **request: object) -> Any:
        await self.requests.send_all(msgspec.json.encode(request) + b"\n")
        return await self.hear()


@asynccontextmanager
async def a_parent() -> AsyncIterator[Parent]:
    async with trio.open_nursery() as nursery:
        csms, network = Csms(wall_s=0.0), MemoryNetwork()
        await nursery.start(network.serve, csms.handle)
        parent = Parent(csms, network)

        async def child() -> None:
            await control(csms, parent.child_requests, parent.child_answers, host="h", port=1)

        nursery.start_soon(child)
        assert await parent.hear() == {"ready": {"host": "h", "port": 1}}
        yield parent
        nursery.cancel_scope.cancel()


async def test_every_request_is_answered_under_its_id() -> None:
    async with a_parent() as parent:
        ledger = await parent.ask(id=1, ask="ledger")
        assert ledger["id"] == 1
        assert (ledger["ledger"]["starts"], ledger["ledger"]["crashed"]) == (0, 0)
        stats = (await parent.ask(id="two", ask="stats"))["stats"]
        assert stats["cpu_s"] > 0
        assert stats["rss_bytes"] > 1_000_000
        assert stats["connections"] == 0
        assert await parent.ask(id=3, ask="reset") == {"id": 3, "reset": {}}
        frozen = await parent.ask(id=4, ask="freeze", for_s=0.5)
        assert frozen == {"id": 4, "freeze": {"for_s": 0.5}}
        assert parent.csms.frozen_until_s > trio.current_time()


async def test_a_station_is_described_once_it_has_come() -> None:
    async with a_parent() as parent:
        answer = await parent.ask(id=1, ask="station", identity="CP-1")
        assert answer == {"id": 1, "error": "no station 'CP-1' has come yet"}
        dialled = parent.network.dial("ws://x", identity="CP-1", subprotocol="ocpp1.6")
        async with dialled as link:
            await link.send([call("1", "BootNotification", BOOT)])
            await link.receive()
            found = (await parent.ask(id=2, ask="station", identity="CP-1"))["station"]
        assert (found["identity"], found["connected"], found["boots"]) == ("CP-1", True, 1)
        assert (found["vendor"], found["firmware"], found["transactions"]) == ("Acme", None, [])


@pytest.mark.parametrize(
    ("line", "answered_id"),
    [
        (b"{", None),
        (b"\xff\xfe", None),
        (b"5", None),
        (b'{"id": 7}', 7),
        (b'{"id": 7, "ask": "sing"}', 7),
        (b'{"id": 7, "ask": "ledger", "more": 1}', 7),
        (b'{"id": 7, "ask": "freeze"}', 7),
        (b'{"id": 7, "ask": "freeze", "for_s": -1}', 7),
        (b'{"id": 7, "ask": "freeze", "for_s": 1e9}', 7),
        (b'{"id": {"a": 1}, "ask": "stats"}', None),
        (b"[" * 5000, None),
    ],
)
async def test_a_line_that_is_no_request_gets_an_error(
    line: bytes, answered_id: int | None
) -> None:
    async with a_parent() as parent:
        await parent.requests.send_all(line + b"\n")
        answer = await parent.hear()
        assert answer["id"] == answered_id
        assert "not a request" in answer["error"]
        assert (await parent.ask(id=8, ask="reset"))["id"] == 8


async def test_a_line_without_an_end_is_an_error_once_and_does_not_fill_the_memory() -> None:
    async with a_parent() as parent:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(parent.requests.send_all, b"x" * (3 * LINE_MAX_BYTES) + b"\n")
            assert "not a request" in (await parent.hear())["error"]
        assert (await parent.ask(id=8, ask="reset"))["id"] == 8


async def test_a_command_reaches_the_station_and_its_outcome_comes_back() -> None:
    async with (
        a_parent() as parent,
        parent.network.dial("ws://x", identity="CP-1", subprotocol="ocpp1.6") as link,
    ):
        await link.send([call("1", "Heartbeat", {})])
        await link.receive()
        request = {"identity": "CP-1", "action": "Reset", "payload": {"type": "Soft"}}
        await parent.requests.send_all(
            msgspec.json.encode({"id": 5, "ask": "command", **request}) + b"\n"
        )
        frame = msgspec.json.decode(await link.receive())
        assert frame[2:] == ["Reset", {"type": "Soft"}]
        assert (await parent.ask(id=6, ask="reset"))["id"] == 6  # meanwhile
        await link.send([msgspec.json.encode([3, frame[1], {"status": "Accepted"}])])
        answer = await parent.hear()
        assert answer["id"] == 5
        assert answer["command"]["failure"] is None
        assert answer["command"]["response"] == {"status": "Accepted"}


@pytest.mark.parametrize(
    "request_",
    [
        {"identity": "nobody", "action": "ClearCache"},
        {"identity": "nobody", "action": "Heartbeat"},
        {"identity": "nobody", "action": "Sing"},
        {"identity": "nobody", "action": "Reset", "payload": {"type": "Gentle"}},
    ],
)
async def test_a_command_that_cannot_be_sent_is_an_error(request_: dict[str, object]) -> None:
    async with a_parent() as parent:
        answer = await parent.ask(id=5, ask="command", **request_)
        assert answer["id"] == 5
        assert answer["error"]


async def test_the_end_of_the_input_ends_the_control_even_while_a_command_waits() -> None:
    csms = Csms(wall_s=0.0)
    network = MemoryNetwork()
    parent = Parent(csms, network)
    async with trio.open_nursery() as nursery:
        await nursery.start(network.serve, csms.handle)
        async with network.dial("ws://x", identity="CP-1", subprotocol="ocpp1.6") as link:
            await trio.testing.wait_all_tasks_blocked()
            command = b'{"id": 1, "ask": "command", "identity": "CP-1", "action": "ClearCache"}\n'
            async with trio.open_nursery() as children:

                async def speak() -> None:
                    await parent.hear()
                    await parent.requests.send_all(command)
                    await link.receive()
                    await parent.requests.aclose()

                children.start_soon(speak)
                with trio.fail_after(5):
                    await control(
                        csms, parent.child_requests, parent.child_answers, host="h", port=1
                    )
        nursery.cancel_scope.cancel()


async def test_a_parent_that_reads_no_more_ends_the_control() -> None:
    parent = Parent(Csms(wall_s=0.0), MemoryNetwork())
    await parent.answers.aclose()
    with trio.fail_after(5):
        await control(parent.csms, parent.child_requests, parent.child_answers, host="h", port=1)


def test_requests_are_checked_before_they_are_sent() -> None:
    assert request_of("Reset", {"type": "Hard"}) == ResetRequest(type="Hard")
    with pytest.raises(Refused):
        request_of("Authorize", {"idTag": "T"})
    with pytest.raises(ProtocolViolation):
        request_of("Reset", {})


# ── commands to many stations ────────────────────────────────────────────────────────────────────


async def test_a_broadcast_is_answered_when_all_stations_have() -> None:
    async with a_parent() as parent:
        dial = parent.network.dial("ws://memory", identity="CP-1", subprotocol="ocpp1.6")
        async with dial as link:
            await link.send([call("1", "BootNotification", BOOT)])
            await link.receive()
            order = {"action": "ClearCache", "expect": ["Accepted"]}
            request = {"id": 6, "ask": "broadcast", "order": order}
            await parent.requests.send_all(msgspec.json.encode(request) + b"\n")
            _, message_id, action, _ = msgspec.json.decode(await link.receive())
            assert action == "ClearCache"
            reply = [3, message_id, {"status": "Rejected"}]
            await link.send([msgspec.json.encode(reply)])
            answer = await parent.hear()
    assert answer["id"] == 6
    report = answer["broadcast"]
    assert (report["chosen"], report["sent"], report["unexpected"]) == (1, 1, 1)
    assert report["statuses"] == {"Rejected": 1}


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ({"action": "Heartbeat"}, "'Heartbeat' is not an action that a CSMS sends"),
        ({"action": "Reset"}, "type is required but missing"),
        ({"action": "Reset", "payload": {"type": "$no"}}, "'$no' is no placeholder"),
        ({"action": "ClearCache", "share": 2}, "not a request"),
        ({"action": "ClearCache", "identities": ["x"] * 10_001}, "not a request"),
    ],
)
async def test_a_broadcast_that_cannot_be_is_refused(order: dict[str, Any], says: str) -> None:
    async with a_parent() as parent:
        answer = await parent.ask(id=1, ask="broadcast", order=order)
        assert answer["id"] == 1
        assert says in answer["error"]
