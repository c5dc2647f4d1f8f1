"""Commands to stations of several versions: each gets what its version has, in its own words."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from builders_csms import BOOT, BOOT_2, EXAMPLES_2, call, event_payload
from simfleet.csms.access import Access
from simfleet.csms.broadcast import Counter, Pace, broadcast
from simfleet.csms.orders import Order, Report, request_of
from simfleet.csms.passwords import password_in
from simfleet.csms.placeholders import example_of, fill
from simfleet.csms.server import Csms
from simfleet.errors import LinkClosed, ProtocolViolation, Refused
from simfleet.link.memory import MemoryNetwork
from simfleet.ocpp.versions import VERSIONS, catalog_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simfleet.link.link import Link

TAG = {"idToken": "TAG", "type": "ISO14443"}


class Site:
    """A CSMS in memory and stations of any version, which answer everything Accepted."""

    def __init__(self, nursery: trio.Nursery, stack: AsyncExitStack) -> None:
        self.csms = Csms(wall_s=1_700_000_000.0, access=Access())
        self.network = MemoryNetwork(subprotocols=VERSIONS)
        self.got: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self.answers: dict[str, dict[str, Any]] = {}
        self._nursery, self._stack = nursery, stack

    async def station(self, identity: str, version: str, *events: dict[str, Any]) -> None:
        """Connect and boot a station; `events` are TransactionEvents that it sends."""
        dial = self.network.dial("ws://memory", identity=identity, subprotocol=version)
        link = await self._stack.enter_async_context(dial)
        await self._ask(link, "BootNotification", BOOT if version == "ocpp1.6" else BOOT_2)
        for event in events:
            await self._ask(link, "TransactionEvent", event)
        self.got[identity] = []
        self._nursery.start_soon(self._answer, identity, link)

    async def say(self, identity: str, version: str) -> Link:
        """A connection of which the test takes care itself."""
        dial = self.network.dial("ws://memory", identity=identity, subprotocol=version)
        return await self._stack.enter_async_context(dial)

    async def _ask(self, link: Link, action: str, payload: object) -> None:
        await link.send([call(f"{action}-1", action, payload)])
        kind, *_ = msgspec.json.decode(await link.receive())
        assert kind == 3

    async def _answer(self, identity: str, link: Link) -> None:
        try:
            while True:
                kind, message_id, *frame = msgspec.json.decode(await link.receive())
                if kind != 2:
                    continue  # that the CSMS cannot use our answer (2.1)
                action, payload = frame
                self.got[identity].append((action, payload))
                answer = self.answers.get(action, {"status": "Accepted"})
                await link.send([msgspec.json.encode([3, message_id, answer])])
        except LinkClosed:
            pass

    async def order(self, action: str, **fields: Any) -> Report:
        order = Order(action=action, **fields)
        return await broadcast(self.csms, order, pace=Pace(), numbers=Counter())


@asynccontextmanager
async def a_site() -> AsyncIterator[Site]:
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        site = Site(nursery, stack)
        await nursery.start(site.network.serve, site.csms.handle)
        yield site
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def a_mixed_site() -> AsyncIterator[Site]:
    async with a_site() as site:
        for number, version in enumerate(VERSIONS):
            await site.station(f"CP-{number}", version)
        yield site


async def test_what_every_version_has_goes_to_everybody(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_mixed_site() as site:
        report = await site.order("ClearCache", expect=["Accepted"])
    assert (report.chosen, report.sent, report.unexpected) == (3, 3, 0)


@pytest.mark.parametrize(
    ("action", "payload", "who"),
    [
        ("Reset", {"type": "Soft"}, ["CP-0"]),
        ("Reset", {"type": "OnIdle"}, ["CP-1", "CP-2"]),
        ("GetTransactionStatus", {}, ["CP-1", "CP-2"]),
        ("GetTariffs", {"evseId": 0}, ["CP-2"]),
        ("RemoteStopTransaction", {"transactionId": 1}, ["CP-0"]),
    ],
)
async def test_a_command_goes_to_those_whose_version_allows_it(
    autojump_clock: trio.testing.MockClock, action: str, payload: dict[str, Any], who: list[str]
) -> None:
    async with a_mixed_site() as site:
        await site.order(action, payload=payload)
        assert [identity for identity, got in site.got.items() if got] == who


async def test_a_payload_that_no_version_allows_is_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with a_mixed_site() as site:
        with pytest.raises(ProtocolViolation):
            await site.order("Reset", payload={"type": "Gently"})
        with pytest.raises(Refused):
            await site.order("TransactionEvent")
    assert not any(site.got.values())


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
async def test_the_placeholders_of_2x(autojump_clock: trio.testing.MockClock, version: str) -> None:
    """`$transaction_id` is a string; `$evse_id` its EVSE, or one that is free."""
    async with a_site() as site:
        running = event_payload("Started", 0, tag="TAG", evse={"id": 2, "connectorId": 1})
        await site.station("busy", version, running)
        await site.station("idle", version)
        site.answers["SetVariables"] = {}
        stopped = await site.order(
            "RequestStopTransaction", payload={"transactionId": "$transaction_id"}
        )
        profile = {
            "id": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative",
            "transactionId": "$transaction_id",
            "chargingSchedule": [
                {
                    "id": 1,
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}],
                }
            ],
        }
        await site.order(
            "SetChargingProfile", payload={"evseId": "$evse_id", "chargingProfile": profile}
        )
        await site.order(
            "RequestStartTransaction", payload={"idToken": "$id_token", "remoteStartId": "$n"}
        )
    assert (stopped.chosen, stopped.sent) == (1, 1)
    (_, stop), (_, limit), (_, start) = site.got["busy"]
    assert stop == {"transactionId": "T"}
    assert (limit["evseId"], limit["chargingProfile"]["transactionId"]) == (2, "T")
    assert start["idToken"] == TAG
    assert site.got["idle"] == []


async def test_a_free_evse_is_found(autojump_clock: trio.testing.MockClock) -> None:
    async with a_site() as site:
        link = await site.say("CP", "ocpp2.1")
        statuses = ((1, "Occupied"), (2, "Faulted"), (3, "Available"))
        frames = [call("b", "BootNotification", BOOT_2)]
        for evse_id, status in statuses:
            told = {**EXAMPLES_2["StatusNotification"], "evseId": evse_id}
            frames.append(
                call(f"s{evse_id}", "StatusNotification", told | {"connectorStatus": status})
            )
        for frame in frames:
            await link.send([frame])
            await link.receive()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_order_evse, site)
            _, message_id, _, payload = msgspec.json.decode(await link.receive())
            await link.send([msgspec.json.encode([3, message_id, {"status": "Unlocked"}])])
    assert payload == {"evseId": 3, "connectorId": 1}


async def _order_evse(site: Site) -> None:
    await site.order("UnlockConnector", payload={"evseId": "$evse_id", "connectorId": 1})


async def test_a_new_password_of_2x_is_expected_from_then_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A01: SecurityCtrlr.BasicAuthPassword."""
    name = {
        "component": {"name": "SecurityCtrlr"},
        "variable": {"name": "BasicAuthPassword"},
    }
    payload = {"setVariableData": [{**name, "attributeValue": "a-new-password-1"}]}
    request = request_of("SetVariables", payload, version="ocpp2.0.1")
    assert password_in(request) == "a-new-password-1"
    async with a_site() as site:
        await site.station("CP", "ocpp2.0.1")
        result = {"setVariableResult": [{**name, "attributeStatus": "Accepted"}]}
        site.answers["SetVariables"] = result
        await site.csms.command("CP", request)
        keeper = site.csms.doorkeeper
        for password, status in ((b"wrong-password-11", 401), (b"a-new-password-1", None)):
            denial = keeper.judge(
                "CP", user="CP", password=password, secure=False, certificate=None
            )
            assert (None if denial is None else denial.status) == status


@pytest.mark.parametrize("version", ["ocpp2.0.1", "ocpp2.1"])
def test_examples_of_placeholders_are_right_for_the_version(version: str) -> None:
    payload = fill({"transactionId": "$transaction_id"}, example_of(version))
    check = catalog_of(version).actions["RequestStopTransaction"].check_request
    assert check(msgspec.json.encode(payload)) is None


def test_a_request_is_one_of_its_version() -> None:
    with pytest.raises(Refused):
        request_of("GetTariffs", {"evseId": 0}, version="ocpp2.0.1")
    request = request_of("GetTariffs", {"evseId": 0}, version="ocpp2.1")
    assert type(request) is catalog_of("ocpp2.1").actions["GetTariffs"].request
