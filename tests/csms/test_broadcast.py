"""One command to many stations: who is chosen, what they get, how their answers are counted."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from builders_csms import BOOT, call, start_payload
from simfleet.csms.broadcast import (
    BROADCAST_MAX_S,
    COMMANDS_PER_S,
    EXAMPLES_MAX,
    Counter,
    Pace,
    broadcast,
)
from simfleet.csms.orders import Order, Report, holds
from simfleet.csms.server import Csms
from simfleet.csms.session import COMMAND_TIMEOUT_S
from simfleet.errors import LinkClosed, ProtocolViolation, Refused
from simfleet.link.memory import MemoryNetwork
from simfleet.ocpp.v16 import V16
from simfleet.ocpp.versions import good_statuses_of, statuses_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from simfleet.link.link import Link

ACCEPTED = {"status": "Accepted"}
Answer = dict[str, Any] | str | None
"""What a station answers: a payload, the code of a CALLERROR, None for nothing."""


class Site:
    """A CSMS in memory and stations that answer its commands as they are told to."""

    def __init__(self, nursery: trio.Nursery, stack: AsyncExitStack) -> None:
        self.csms = Csms(wall_s=1_700_000_000.0)
        self.network = MemoryNetwork()
        self.got: dict[str, list[dict[str, Any]]] = {}
        self.pace, self.numbers = Pace(), Counter()
        self._nursery = nursery
        self._stack = stack

    async def station(
        self,
        identity: str,
        answer: Callable[[dict[str, Any]], Answer] = lambda _: ACCEPTED,
        *,
        boots: bool = True,
        starts: dict[str, Any] | None = None,
        authorizes: str = "",
    ) -> Link:
        """Connect a station; it boots, and starts a transaction if told to."""
        dial = self.network.dial("ws://memory", identity=identity, subprotocol="ocpp1.6")
        link = await self._stack.enter_async_context(dial)
        if boots:
            await self._ask(link, "BootNotification", BOOT)
        if authorizes:
            await self._ask(link, "Authorize", {"idTag": authorizes})
        if starts is not None:
            await self._ask(link, "StartTransaction", start_payload(**starts))
        self.got[identity] = []
        self._nursery.start_soon(self._answer, identity, link, answer)
        return link

    async def _ask(self, link: Link, action: str, payload: object) -> None:
        await link.send([call(f"{action}-1", action, payload)])
        kind, *_ = msgspec.json.decode(await link.receive())
        assert kind == 3

    async def _answer(
        self, identity: str, link: Link, answer: Callable[[dict[str, Any]], Answer]
    ) -> None:
        try:
            while True:
                _, message_id, _, payload = msgspec.json.decode(await link.receive())
                self.got[identity].append(payload)
                match answer(payload):
                    case dict(response):
                        await link.send([msgspec.json.encode([3, message_id, response])])
                    case str(code):
                        await link.send([msgspec.json.encode([4, message_id, code, "no", {}])])
                    case None if payload.get("type") == "Hard":
                        await link.close()
        except LinkClosed:
            pass

    async def order(self, action: str, **fields: Any) -> Report:
        order = Order(action=action, **fields)
        return await broadcast(self.csms, order, pace=self.pace, numbers=self.numbers)


@asynccontextmanager
async def a_site() -> AsyncIterator[Site]:
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        site = Site(nursery, stack)
        await nursery.start(site.network.serve, site.csms.handle)
        yield site
        nursery.cancel_scope.cancel()


async def test_everybody_who_is_connected_and_booted_gets_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_site() as site:
        await site.station("CP-1")
        await site.station("CP-2")
        await site.station("CP-3", boots=False)
        report = await site.order("ClearCache", expect=["Accepted"])
    assert (report.chosen, report.sent, report.statuses) == (2, 2, {"Accepted": 2})
    assert (report.unexpected, report.timeouts, report.not_connected) == (0, 0, 0)
    assert len(report.answered_us) == 2
    assert site.got == {"CP-1": [{}], "CP-2": [{}], "CP-3": []}


async def test_only_those_that_are_named_get_it(autojump_clock: trio.testing.MockClock) -> None:
    async with a_site() as site:
        for n in range(3):
            await site.station(f"CP-{n}")
        report = await site.order("ClearCache", identities=["CP-2", "CP-9"])
    assert report.sent == 1
    assert site.got["CP-2"] == [{}]


async def test_a_share_is_exact_seeded_and_contains_every_smaller_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def chosen(share: float, choice: str) -> set[str]:
        async with a_site() as site:
            for n in range(10):
                await site.station(f"CP-{n}")
            report = await site.order("ClearCache", share=share, choice=choice)
            assert report.sent == report.chosen
            return {identity for identity, got in site.got.items() if got}

    half = await chosen(0.5, "seed")
    assert len(half) == 5
    assert await chosen(0.5, "seed") == half
    assert await chosen(0.5, "another") != half
    few = await chosen(0.21, "seed")
    assert len(few) == 3  # rounded up
    assert few < half


async def test_answers_are_counted_by_status_code_and_what_else_may_happen(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_site() as site:
        await site.station("yes")
        await site.station("no", lambda _: {"status": "Rejected"})
        await site.station("error", lambda _: "InternalError")
        await site.station("silent", lambda _: None)
        await site.station("wrong", lambda _: {"status": "Perhaps"})
        report = await site.order("ClearCache", expect=["Accepted"])
    assert report.sent == 5
    assert report.statuses == {"Accepted": 1, "Rejected": 1}
    assert report.errors == {"InternalError": 1, "violation": 1}
    assert report.timeouts == 1
    assert report.unexpected == 4
    assert {example["identity"] for example in report.examples} == {
        "no",
        "error",
        "silent",
        "wrong",
    }


@pytest.mark.parametrize(
    ("answer", "expect"),
    [
        ({"status": "Rejected"}, ["Accepted", "Rejected"]),
        ("NotSupported", ["NotSupported"]),
        (None, ["timeout"]),
        (None, ["any"]),
        ({"status": "Rejected"}, ["any"]),
    ],
)
async def test_what_is_expected_is_not_unexpected(
    answer: Answer, expect: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    async with a_site() as site:
        await site.station("CP-1", lambda _: answer)
        report = await site.order("ClearCache", expect=expect)
    assert (report.sent, report.unexpected) == (1, 0)


async def test_a_station_that_goes_before_it_answers_is_not_connected(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_site() as site:
        await site.station("CP-1", lambda _: None)
        report = await site.order("Reset", payload={"type": "Hard"}, expect=["Accepted"])
    assert (report.sent, report.not_connected) == (1, 1)
    assert (report.unexpected, report.timeouts) == (0, 0)


async def test_the_payload_is_filled_for_each_station(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_site() as site:
        await site.station("busy", starts={"connectorId": 2, "idTag": "T-BUSY"})
        await site.station("free", authorizes="T-FREE")
        await site.station("new")
        stopped = await site.order(
            "RemoteStopTransaction", payload={"transactionId": "$transaction_id"}
        )
        reserved = await site.order(
            "ReserveNow",
            payload={
                "connectorId": 1,
                "expiryDate": "$now+1h",
                "idTag": "$id_tag",
                "reservationId": "$n",
            },
        )
        located = await site.order(
            "GetDiagnostics",
            payload={"location": "$uploads/$identity"},
            given={"uploads": "http://here"},
            identities=["new"],
        )
    assert (stopped.chosen, stopped.sent) == (1, 1)
    assert site.got["busy"][0] == {"transactionId": 1}
    assert (reserved.chosen, reserved.sent, reserved.skipped) == (3, 2, {"no_id_tag": 1})
    assert site.got["busy"][1]["idTag"] == "T-BUSY"
    assert site.got["free"][0]["idTag"] == "T-FREE"
    assert site.got["free"][0]["expiryDate"].startswith("2023-11-14T23:13:2")
    ids = {site.got["busy"][1]["reservationId"], site.got["free"][0]["reservationId"]}
    assert len(ids) == 2
    assert located.sent == 1
    assert site.got["new"] == [{"location": "http://here/new"}]


async def test_a_transaction_is_looked_for_on_the_connector_of_the_payload(
    autojump_clock: trio.testing.MockClock,
) -> None:
    profile = {
        "chargingProfileId": 1,
        "transactionId": "$transaction_id",
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}],
        },
    }
    async with a_site() as site:
        await site.station("one", starts={"connectorId": 1})
        await site.station("two", starts={"connectorId": 2})
        report = await site.order(
            "SetChargingProfile", payload={"connectorId": 2, "csChargingProfiles": profile}
        )
    assert report.chosen == report.sent == 1
    assert site.got["two"][0]["csChargingProfiles"]["transactionId"] == 2


async def test_an_answer_must_hold_what_is_wanted_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_site() as site:
        await site.station("right", lambda _: {"listVersion": 3})
        await site.station("wrong", lambda _: {"listVersion": 2})
        report = await site.order(
            "GetLocalListVersion", expect=["Answered"], answer={"listVersion": 3}
        )
    assert (report.statuses, report.unexpected) == ({"Answered": 2}, 1)
    assert report.examples[0]["identity"] == "wrong"
    assert report.examples[0]["response"] == {"listVersion": 2}


async def test_commands_come_at_a_pace(autojump_clock: trio.testing.MockClock) -> None:
    async with a_site() as site:
        for n in range(50):
            await site.station(f"CP-{n:02}")
        began_s = trio.current_time()
        report = await site.order("ClearCache")
        assert trio.current_time() - began_s == pytest.approx(49 / COMMANDS_PER_S, abs=0.012)
    assert report.sent == 50
    assert max(report.answered_us) == pytest.approx(49e6 / COMMANDS_PER_S, abs=12_000)


async def test_a_pace_does_not_make_up_for_time_in_which_nobody_wanted_a_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    pace = Pace(per_s=10)
    await trio.sleep(5)
    began_s = trio.current_time()
    for _ in range(11):
        await pace.turn()
    assert trio.current_time() - began_s == pytest.approx(1.0)


async def test_a_station_that_never_answers_is_given_up_after_its_timeout(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_site() as site:
        await site.station("CP-1", lambda _: None)
        began_s = trio.current_time()
        report = await site.order("ClearCache")
        assert trio.current_time() - began_s == pytest.approx(COMMAND_TIMEOUT_S, abs=0.1)
    assert report.timeouts == 1
    assert COMMAND_TIMEOUT_S < BROADCAST_MAX_S


async def test_only_the_first_unexpected_answers_are_told_in_full(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_site() as site:
        for n in range(EXAMPLES_MAX + 3):
            await site.station(f"CP-{n:02}", lambda _: {"status": "Rejected"})
        report = await site.order("ClearCache", expect=["Accepted"])
    assert report.unexpected == EXAMPLES_MAX + 3
    assert len(report.examples) == EXAMPLES_MAX


@pytest.mark.parametrize(
    ("action", "payload", "error"),
    [
        ("Heartbeat", {}, Refused),
        ("Reset", {"type": "Gently"}, ProtocolViolation),
        ("Reset", {"type": "$typ"}, ValueError),
    ],
)
async def test_an_order_that_nobody_can_be_sent_is_refused(
    action: str, payload: dict[str, Any], error: type[Exception]
) -> None:
    async with a_site() as site:
        with pytest.raises(error):
            await site.order(action, payload=payload)


def test_every_message_of_a_csms_has_one_good_status() -> None:
    actions = [name for name, action in V16.actions.items() if "csms" in action.sent_by]
    assert len(actions) == 26
    for action in actions:
        (good,) = good_statuses_of(V16.version, action)
        assert good in statuses_of(V16.version, action)
    assert good_statuses_of(V16.version, "UnlockConnector") == ("Unlocked",)
    assert good_statuses_of(V16.version, "GetConfiguration") == ("Answered",)


@pytest.mark.parametrize(
    ("wanted", "found", "is_held"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"b": 2}, False),
        ({"a": 16}, {"a": 16.0}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": [{"k": "x"}]}, {"a": [{"k": "y"}, {"k": "x", "v": 1}]}, True),
        ({"a": [{"k": "z"}]}, {"a": [{"k": "y"}]}, False),
        ({"a": []}, {"a": "text"}, False),
        ({"a": None}, {"a": None}, True),
    ],
)
def test_an_answer_holds_what_is_wanted(wanted: Any, found: Any, is_held: bool) -> None:
    assert holds(wanted, found) is is_held
