from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.trio.client import ClientConnection, connect

from builders_csms import BOOT, call, start_payload, stop_payload
from simfleet.csms.admission import IDENTITY_MAX
from simfleet.csms.behaviour import GOOD, Behaviour, behaviour_of
from simfleet.csms.server import Csms, serve_csms
from simfleet.errors import ConnectFailed, LinkClosed, Refused, UsageWrong
from simfleet.link.memory import MemoryNetwork
from simfleet.link.opening import open_link
from simfleet.ocpp.v16.messages import ResetRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simfleet.link.link import Link, ServerLink


@asynccontextmanager
async def serving(
    behaviour: Behaviour = GOOD, *, password: str | None = None
) -> AsyncIterator[tuple[Csms, str]]:
    """A CSMS on a free port, and its URL; stopped at the end."""
    async with trio.open_nursery() as nursery:
        serve = partial(
            serve_csms, host="127.0.0.1", port=0, behaviour=behaviour, password=password
        )
        csms: Csms = await nursery.start(serve)
        with trio.fail_after(20):
            yield csms, f"ws://127.0.0.1:{csms.port}"
            await csms.stop()


@asynccontextmanager
async def in_memory(behaviour: Behaviour = GOOD) -> AsyncIterator[tuple[Csms, MemoryNetwork]]:
    """A CSMS on the memory network, for simulated time."""
    network = MemoryNetwork()
    async with trio.open_nursery() as nursery:
        csms = Csms(behaviour=behaviour, wall_s=0.0)
        await nursery.start(network.serve, csms.handle)
        yield csms, network
        nursery.cancel_scope.cancel()


def plain(url: str, **options: Any) -> connect:
    """A client that is not ours."""
    return connect(url, subprotocols=options.pop("subprotocols", ["ocpp1.6"]), **options)


async def ask(
    client: ClientConnection | Link, action: str, payload: object, *, message_id: str = "1"
) -> Any:
    """Send a CALL and return the next frame, decoded."""
    frame = call(message_id, action, payload)
    if isinstance(client, ClientConnection):
        await client.send(frame.decode())
        return msgspec.json.decode(await client.recv())
    await client.send([frame])
    return msgspec.json.decode(await client.receive())


# ── over sockets ─────────────────────────────────────────────────────────────────────────────────


async def test_a_station_boots_charges_and_stops_over_a_socket() -> None:
    async with serving() as (csms, url), plain(f"{url}/CP-1") as client:
        assert client.subprotocol == "ocpp1.6"
        assert (await ask(client, "BootNotification", BOOT))[2]["status"] == "Accepted"
        started = await ask(client, "StartTransaction", start_payload())
        await ask(client, "StopTransaction", stop_payload(started[2]["transactionId"]))
        assert csms.connected == 1
        assert (csms.book.starts, csms.book.stops) == (1, 1)


@pytest.mark.parametrize(
    ("path", "identity"),
    [("/CP-1", "CP-1"), ("/ocpp/v16/A%20%2F%20B", "A / B"), ("/x/%C3%84?token=1", "Ä")],
)
async def test_the_identity_is_the_last_part_of_any_path(path: str, identity: str) -> None:
    async with serving() as (csms, url), plain(url + path) as client:
        await ask(client, "Heartbeat", {})
        assert list(csms.book.stations) == [identity]


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/", 404, "no identity"),
        ("/ocpp/", 404, "no identity"),
        ("/" + "x" * (IDENTITY_MAX + 1), 400, "over 255 characters"),
    ],
)
async def test_a_path_without_a_usable_identity_is_refused(
    path: str, status: int, said: str
) -> None:
    async with serving() as (_, url):
        with pytest.raises(InvalidStatus) as refused:
            async with plain(url + path):
                pass
        assert refused.value.response.status_code == status
        assert said in (refused.value.response.body or b"").decode()


async def test_another_subprotocol_is_refused() -> None:
    async with serving() as (_, url):
        with pytest.raises(InvalidStatus) as refused:
            async with plain(f"{url}/CP-1", subprotocols=["ocpp1.5"]):
                pass
        assert 400 <= refused.value.response.status_code < 500


async def test_a_station_that_offers_several_versions_gets_the_newest() -> None:
    offers = (["ocpp2.0.1", "ocpp1.6"], ["ocpp1.6", "ocpp2.1"], ["ocpp0.9", "ocpp1.6"])
    async with serving() as (_, url):
        got = []
        for offered in offers:
            async with plain(f"{url}/CP-1", subprotocols=offered) as peer:
                got.append(peer.subprotocol)
        assert got == ["ocpp2.0.1", "ocpp2.1", "ocpp1.6"]


async def test_a_password_is_asked_for() -> None:
    async with serving(password="s3cret") as (_, url):
        for wrong in (url, url.replace("//", "//CP-1:wrong@"), url.replace("//", "//X:s3cret@")):
            with pytest.raises(InvalidStatus) as refused:
                async with plain(f"{wrong}/CP-1"):
                    pass
            assert refused.value.response.status_code == 401
        async with plain(f"{url.replace('//', '//CP-1:s3cret@')}/CP-1") as client:
            assert (await ask(client, "Heartbeat", {}))[0] == 3


async def test_a_newer_connection_replaces_the_older_one() -> None:
    async with serving() as (csms, url), plain(f"{url}/CP-1") as older:
        started = await ask(older, "StartTransaction", start_payload())
        async with plain(f"{url}/CP-1") as newer:
            with pytest.raises(ConnectionClosed) as closed:
                await older.recv()
            assert closed.value.rcvd is not None
            assert "newer connection" in closed.value.rcvd.reason
            again = await ask(newer, "StartTransaction", start_payload())
            assert again[2] == started[2]
            assert csms.connected == csms.book.connected == 1
            assert (csms.book.replaced, csms.book.duplicate_identities) == (1, 1)
            outcome = await _answered(csms, newer)
            assert outcome.failure is None


async def _answered(csms: Csms, client: ClientConnection) -> Any:
    """Have the CSMS send a Reset and the client accept it; return the outcome."""
    outcomes = []

    async def command() -> None:
        outcomes.append(await csms.command("CP-1", ResetRequest(type="Soft")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(command)
        frame = msgspec.json.decode(await client.recv())
        assert frame[2:] == ["Reset", {"type": "Soft"}]
        await client.send(msgspec.json.encode([3, frame[1], {"status": "Accepted"}]).decode())
    return outcomes[0]


async def test_a_command_wakes_the_connection_and_returns_the_outcome() -> None:
    async with serving() as (csms, url), plain(f"{url}/CP-1") as client:
        await ask(client, "Heartbeat", {})
        for _ in range(3):
            assert (await _answered(csms, client)).response.status == "Accepted"
        assert csms.book.commands == {"Reset": {"answered": 3}}


async def test_a_command_to_a_station_that_is_not_there_is_refused() -> None:
    async with serving() as (csms, _):
        with pytest.raises(Refused, match="no station 'CP-9' is connected"):
            await csms.command("CP-9", ResetRequest(type="Soft"))


async def test_stopping_closes_every_connection_with_1001() -> None:
    async with serving() as (csms, url), plain(f"{url}/A") as one, plain(f"{url}/B") as two:
        await ask(one, "Heartbeat", {})
        async with trio.open_nursery() as nursery:
            nursery.start_soon(csms.stop)
            for client in (one, two):
                with pytest.raises(ConnectionClosed) as closed:
                    await client.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1001
        assert csms.book.connected == 0


async def test_a_port_in_use_is_said_so() -> None:
    async with serving() as (csms, _):
        other = Csms()
        with pytest.RaisesGroup(pytest.RaisesExc(UsageWrong, match="is in use")):
            await other.listen(host="127.0.0.1", port=csms.port)


async def test_garbage_from_a_station_ends_neither_the_connection_nor_the_server() -> None:
    async with serving() as (csms, url), plain(f"{url}/CP-1") as client:
        for text in ("", "{", "[]", "[2]", "\x00", '[2,"1","Reset",{"type":"Hard"}]', "[" * 5000):
            await client.send(text)
            assert msgspec.json.decode(await client.recv())[0] == 4
        assert (await ask(client, "Heartbeat", {}))[0] == 3
        assert csms.crashed == 0


async def test_calls_that_arrive_together_are_seen_as_overlapping() -> None:
    async with (
        serving() as (csms, url),
        open_link(url, identity="CP-1", subprotocol="ocpp1.6") as link,
    ):
        await link.send([call(str(n), "Heartbeat", {}) for n in range(3)])
        for _ in range(3):
            await link.receive()
        assert csms.book.overlapping_calls == 2


async def test_a_station_that_floods_does_not_starve_another() -> None:
    async with (
        serving() as (csms, url),
        open_link(url, identity="loud", subprotocol="ocpp1.6") as loud,
        plain(f"{url}/quiet") as quiet,
        trio.open_nursery() as nursery,
    ):

        async def flood() -> None:
            burst = [call("f", "Heartbeat", {})] * 200
            while True:
                await loud.send(burst)
                for _ in burst:
                    await loud.receive()
                await trio.lowlevel.checkpoint()

        nursery.start_soon(flood)
        for _ in range(20):
            with trio.fail_after(2):
                await ask(quiet, "Heartbeat", {})
        assert csms.book.calls["Heartbeat"] > 200
        nursery.cancel_scope.cancel()


# ── misbehaving at the handshake ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("close-handshake", "reset"),
        ("http-status=503", "http_status"),
        ("no-subprotocol", "no_subprotocol"),
    ],
)
async def test_the_handshake_can_be_refused(kind: str, reason: str) -> None:
    async with serving(behaviour_of(misbehave=[kind])) as (_, url):
        with pytest.raises(ConnectFailed) as failed:
            async with open_link(url, identity="CP-1", subprotocol="ocpp1.6"):
                pass
        assert failed.value.reason == reason
        assert failed.value.status == (503 if "503" in kind else None)


async def test_close_after_cuts_the_connection_after_the_answer() -> None:
    behaviour = behaviour_of(misbehave=["close-after=2"])
    async with serving(behaviour) as (_, url), plain(f"{url}/CP-1") as client:
        await ask(client, "Heartbeat", {})
        assert (await ask(client, "Heartbeat", {}))[0] == 3
        with pytest.raises(ConnectionClosed):
            await client.recv()


async def test_a_freeze_stops_answers_pongs_and_handshakes_until_it_is_over() -> None:
    async with serving() as (csms, url), plain(f"{url}/CP-1") as client:
        await ask(client, "Heartbeat", {})
        csms.freeze(0.4)
        began_s = trio.current_time()
        pong = await client.ping()
        await client.send(call("2", "Heartbeat", {}).decode())
        with trio.move_on_after(0.2) as waited:
            async with plain(f"{url}/CP-2"):
                pass
        assert waited.cancelled_caught
        assert not pong.is_set()
        assert msgspec.json.decode(await client.recv())[1] == "2"
        assert trio.current_time() - began_s >= 0.39
        with trio.fail_after(2):
            await pong.wait()


# ── in memory, on a simulated clock ──────────────────────────────────────────────────────────────


async def test_late_answers_come_when_they_are_due(autojump_clock: trio.testing.MockClock) -> None:
    async with (
        in_memory(behaviour_of(delays=["7s"])) as (_, network),
        network.dial("ws://x", identity="CP-1", subprotocol="ocpp1.6") as link,
    ):
        began_s = trio.current_time()
        await ask(link, "Heartbeat", {})
        assert trio.current_time() - began_s == pytest.approx(7.0)


async def test_a_freeze_lets_nothing_through_and_answers_afterwards(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with (
        in_memory() as (csms, network),
        network.dial("ws://x", identity="CP-1", subprotocol="ocpp1.6") as link,
    ):
        await ask(link, "Heartbeat", {})
        csms.freeze(60.0)
        csms.freeze(5.0)  # does not shorten it
        began_s = trio.current_time()
        await ask(link, "Heartbeat", {})
        assert trio.current_time() - began_s == pytest.approx(60.0)


async def test_a_command_that_is_not_answered_times_out(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with (
        in_memory() as (csms, network),
        network.dial("ws://x", identity="CP-1", subprotocol="ocpp1.6") as link,
    ):
        await ask(link, "Heartbeat", {})
        outcome = await csms.command("CP-1", ResetRequest(type="Soft"))
        assert outcome.failure == "timeout"


async def test_a_command_ends_when_the_station_goes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with in_memory() as (csms, network), trio.open_nursery() as nursery:
        outcomes = []

        async def command() -> None:
            outcomes.append(await csms.command("CP-1", ResetRequest(type="Soft")))

        async with network.dial("ws://x", identity="CP-1", subprotocol="ocpp1.6") as link:
            await ask(link, "Heartbeat", {})
            nursery.start_soon(command)
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        assert outcomes[0].failure == "link_lost"


async def test_stopping_ends_a_freeze_and_refuses_late_comers(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with (
        in_memory() as (csms, network),
        network.dial("ws://x", identity="CP-1", subprotocol="ocpp1.6") as link,
    ):
        await ask(link, "Heartbeat", {})
        csms.freeze(600.0)
        await trio.testing.wait_all_tasks_blocked()
        await csms.stop()
        with pytest.raises(LinkClosed) as closed:
            await link.receive()
        assert closed.value.code_ws == 1001
        assert trio.current_time() < 5
        async with network.dial("ws://x", identity="CP-2", subprotocol="ocpp1.6") as late:
            with pytest.raises(LinkClosed):
                await late.receive()


async def test_a_bug_in_one_session_is_counted_shown_and_ends_only_that_connection(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Broken(Csms):
        async def handle(self, link: ServerLink) -> None:
            if link.identity == "BAD":
                raise ZeroDivisionError("a bug")
            await super().handle(link)

    async with trio.open_nursery() as nursery:
        csms = Broken()
        await nursery.start(partial(csms.listen, host="127.0.0.1", port=0))
        url = f"ws://127.0.0.1:{csms.port}"
        async with plain(f"{url}/GOOD") as good:
            async with plain(f"{url}/BAD") as bad:
                with pytest.raises(ConnectionClosed) as closed:
                    await bad.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1011
            assert (await ask(good, "Heartbeat", {}))[0] == 3
        await csms.stop()
    assert csms.crashed == 1
    assert "ZeroDivisionError: a bug" in csms.crashes[0]
    assert "BAD" in capsys.readouterr().err
