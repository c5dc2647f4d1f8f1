"""The whole service in this process, on real sockets and a database on disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from builders_http import Following, Reply, Served, a_request, eventually, read_head
from simfleet.api.server import listen
from simfleet.api.services import Component
from simfleet.cli.exit_codes import ExitCode
from simfleet.csms.pki_folder import PkiFolder
from simfleet.errors import LinkClosed, UsageWrong
from simfleet.link.accepting import ServerOptions
from simfleet.link.server import serve as serve_links
from simfleet.service import FIRST_USER, ServeOptions, Serving, serve
from simfleet.settings import Settings
from simfleet.store import User, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from simfleet.link.accepting import AcceptedLink

KEY = "sf_test_0123456789abcdefghijklmnopqrstuvwxyz"
NEW = {"chargepoint_id": "SIM-1", "charger_type": "AC", "max_power_kw": 22}
JSON = {"Content-Type": "application/json"}
ROOT = Path(__file__).parent.parent


def settings_for(path: Path, **given: Any) -> Settings:
    """A service on free ports with its database below `path`."""
    return Settings(**{"port": 0, "csms_port": 0, "db": path / "simfleet.db", **given})


@asynccontextmanager
async def a_service(
    settings: Settings,
    *,
    with_csms: bool = True,
    said: list[str] | None = None,
    pki: Path | None = None,
) -> AsyncIterator[Client]:
    """The service, until the block ends; then it ends in order."""
    lines: list[str] = [] if said is None else said
    options = ServeOptions(settings=settings, with_csms=with_csms, say=lines.append, pki=pki)
    async with trio.open_nursery() as nursery:
        serving: Serving = await nursery.start(partial(serve, options))
        client = Client(serving, settings.api_key or serving.key)
        yield client
        with trio.fail_after(20):
            serving.stopping.set()
            await eventually(lambda: "stopped" in lines, within_s=20)


class Client:
    """Somebody with a key."""

    def __init__(self, serving: Serving, key: str) -> None:
        self.serving = serving
        self.key = key
        listener = serving.url.rpartition(":")[2]
        self.http = Served(int(listener), serving.services.streams)

    async def ask(self, path: str, body: object = None, *, method: str = "") -> Reply:
        """One request."""
        content = b"" if body is None else json.dumps(body).encode()
        return await self.http.ask(
            path,
            method=method or ("GET" if body is None else "POST"),
            headers={"X-API-Key": self.key, **(JSON if content else {})},
            body=content,
        )

    async def charger_when(self, chargepoint_id: str, **wanted: object) -> Any:
        """The charger, once it is so."""
        with trio.fail_after(10):
            while True:
                charger = (await self.ask(f"/api/chargers/{chargepoint_id}")).json
                if wanted.items() <= charger.items():
                    return charger
                await trio.sleep(0.02)

    async def mass_connected(self, chargers: int) -> None:
        """Wait until so many of the mass fleet are connected."""
        with trio.fail_after(20):
            while True:
                if (await self.ask("/api/mass-charger/stats")).json["connected"] == chargers:
                    return
                await trio.sleep(0.05)


async def refusal_of(settings: Settings, *, pki: Path | None = None) -> str:
    """Why a service does not start."""
    with pytest.RaisesGroup(UsageWrong, flatten_subgroups=True, allow_unwrapped=True) as caught:
        with trio.fail_after(10):
            await serve(ServeOptions(settings=settings, say=lambda _: None, pki=pki))
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    return str(error)


# ── starting ─────────────────────────────────────────────────────────────────────────────────────


async def test_the_first_start_prints_a_key_that_works_and_the_next_one_none(
    tmp_path: Path,
) -> None:
    settings = settings_for(tmp_path)
    said: list[str] = []
    async with a_service(settings, said=said) as client:
        assert client.key.startswith("sf_")
        assert [line for line in said if client.key in line] == [f"API key   {client.key}"]
        assert (await client.ask("/api/chargers")).json == []
        key = client.key
    async with open_store(settings.db, service=False) as store:
        assert [user.name for user in await store.users()] == [FIRST_USER]
    said.clear()
    async with a_service(settings, said=said) as client:
        assert client.serving.key == ""
        assert not any("key" in line.lower() for line in said)
        client.key = key
        assert (await client.ask("/api/chargers")).status == 200


async def test_a_key_from_the_environment_is_the_first_users_and_is_not_printed(
    tmp_path: Path,
) -> None:
    settings = settings_for(tmp_path, api_key=KEY)
    for _ in range(2):
        said: list[str] = []
        async with a_service(settings, said=said) as client:
            assert (await client.ask("/api/chargers")).status == 200
            assert not any(KEY in line for line in said)


async def test_a_key_that_cannot_be_one_is_refused_without_showing_it(tmp_path: Path) -> None:
    refusal = await refusal_of(settings_for(tmp_path, api_key="hunter2"))
    assert refusal.startswith("SIMFLEET_API_KEY: this cannot be an API key")
    assert "hunter2" not in refusal


async def test_with_a_pki_named_chargers_reach_the_csms_over_tls(tmp_path: Path) -> None:
    folder = PkiFolder(tmp_path / "pki")
    folder.init(at_wall_s=time.time())
    said: list[str] = []
    async with a_service(settings_for(tmp_path), said=said, pki=folder.path) as client:
        assert any(line.endswith("and the same with wss://") for line in said)
        secure_url = client.serving.csms_url.replace("ws://", "wss://")
        settings = {"ocpp_backend_url": secure_url}
        assert (await client.ask("/api/settings", settings)).status == 200
        assert (await client.ask("/api/chargers", NEW)).status == 201
        assert (await client.ask("/api/chargers/SIM-1/mode", {"mode": "on"})).status == 200
        await client.charger_when("SIM-1", connected=True)


async def test_a_pki_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    refusal = await refusal_of(settings_for(tmp_path), pki=tmp_path / "none")
    assert "simfleet pki init" in refusal


async def test_others_may_reach_the_service_only_once_somebody_has_a_key(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, host="0.0.0.0")
    assert "nobody has an API key yet, and others could reach 0.0.0.0" in await refusal_of(settings)
    async with open_store(settings.db, service=False) as store:
        assert await store.users() == []
        user = await store.create_user("ada")
        key = await store.create_key(user.id)
    async with a_service(settings) as client:
        client.key = key
        assert (await client.ask("/api/chargers")).status == 200


async def test_a_port_in_use_is_said_and_leaves_nothing_open(tmp_path: Path) -> None:
    taken = listen("127.0.0.1", 0)
    settings = settings_for(tmp_path, port=taken.port)
    assert f"port {taken.port} of 127.0.0.1 is in use" in await refusal_of(settings)
    taken.close()
    async with a_service(settings) as client:
        assert client.key  # the start that failed has not used up the one that prints it


async def test_a_port_of_the_csms_in_use_is_said_with_its_own_option(tmp_path: Path) -> None:
    taken = listen("127.0.0.1", 0)
    refusal = await refusal_of(settings_for(tmp_path, csms_port=taken.port))
    taken.close()
    assert f"port {taken.port} of 127.0.0.1 is in use" in refusal
    assert "choose another with --csms-port, or --no-csms, or 0" in refusal


async def test_a_second_service_on_the_same_database_is_refused(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    async with a_service(settings) as client:
        assert str(os.getpid()) in await refusal_of(settings)
        assert (await client.ask("/api/chargers")).status == 200


async def test_without_a_csms_of_its_own_the_service_says_so(tmp_path: Path) -> None:
    async with a_service(settings_for(tmp_path), with_csms=False) as client:
        assert client.serving.csms_url == ""
        health = (await client.ask("/health")).json
        assert health["status"] == "ok"
        assert health["components"]["csms"] == {"status": "off"}
        assert (await client.ask("/api/settings")).json["settings"]["ocpp_backend_url"] == ""


# ── serving ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_charger_goes_on_by_rest_and_is_seen_by_the_csms_and_in_the_logs(
    tmp_path: Path,
) -> None:
    async with a_service(settings_for(tmp_path)) as client:
        assert (await client.ask("/api/chargers", NEW)).status == 201
        assert (await client.ask("/api/chargers/SIM-1/mode", {"mode": "on"})).status == 200
        await client.charger_when("SIM-1", connected=True, status="Available")
        settings = (await client.ask("/api/settings")).json["settings"]
        assert settings["ocpp_backend_url"] == client.serving.csms_url
        logged = (await client.ask("/api/logs")).json
        assert {row["message_type"] for row in logged} >= {"BootNotification"}
        health = (await client.ask("/health")).json
        assert health["components"]["csms"] == {"status": "ok", "detail": "1 connected"}
        metrics = (await client.ask("/metrics")).content.decode()
        assert "simfleet_chargers_connected 1\n" in metrics
        assert "SIM-1" not in metrics


async def test_a_mass_fleet_has_the_embedded_csms_as_its_target(tmp_path: Path) -> None:
    async with a_service(settings_for(tmp_path)) as client:
        wish = {"target": 20, "mode": "connect"}
        assert (await client.ask("/api/mass-charger/apply", wish)).status == 200
        await client.mass_connected(20)
        components = (await client.ask("/health")).json["components"]
        assert (components["mass"]["detail"], components["runs"]["detail"]) == ("in use", "idle")


# ── ending ───────────────────────────────────────────────────────────────────────────────────────


async def test_chargers_come_back_in_their_mode_after_a_restart(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, api_key=KEY)
    async with a_service(settings) as client:
        for number, mode in ((1, "on"), (2, "off")):
            new = {**NEW, "chargepoint_id": f"SIM-{number}"}
            assert (await client.ask("/api/chargers", new)).status == 201
            path = f"/api/chargers/SIM-{number}/mode"
            assert (await client.ask(path, {"mode": mode})).status == 200
        await client.charger_when("SIM-1", connected=True, status="Available")
        first_id = max(row["id"] for row in (await client.ask("/api/logs")).json)
    async with a_service(settings) as client:
        await client.charger_when("SIM-1", connected=True, status="Available")
        assert (await client.charger_when("SIM-2"))["mode"] == "off"
        since = (await client.ask(f"/api/logs?since_id={first_id}")).json
        assert "BootNotification" in {row["message_type"] for row in since}


async def test_streams_end_and_the_last_rows_are_stored_when_the_service_ends(
    tmp_path: Path,
) -> None:
    settings = settings_for(tmp_path, api_key=KEY, shutdown_s=30.0)
    async with a_service(settings) as client:
        assert (await client.ask("/api/chargers", NEW)).status == 201
        async with await client.http.connect() as stream:
            await stream.send_all(a_request(f"/api/logs/stream?api_key={KEY}"))
            reply, rest = await read_head(stream)
            assert reply.status == 200
            reader = Following(stream, rest)
            assert (await client.ask("/api/chargers/SIM-1/mode", {"mode": "on"})).status == 200
            await reader.until(b'"message_type":"BootNotification"')
            began_s = trio.current_time()
            client.serving.stopping.set()
            await reader.until(b": the service is stopping\n\n")
    assert trio.current_time() - began_s < 10  # and not until the 30 s are over
    async with open_store(settings.db, service=False) as store:
        (user,) = await store.users()
        assert "BootNotification" in {row.action for row in await store.logs(user.id)}


async def test_chargers_close_their_connections_with_going_away(tmp_path: Path) -> None:
    ends: list[int | None] = []

    async def listen_until_closed(link: AcceptedLink) -> None:
        try:
            while True:
                await link.receive()
        except LinkClosed as closed:
            ends.append(closed.code_ws)

    async with trio.open_nursery() as nursery:
        options = ServerOptions(subprotocols=["ocpp1.6"])
        run = partial(serve_links, listen_until_closed, host="127.0.0.1", port=0, options=options)
        port: int = await nursery.start(run)
        async with a_service(settings_for(tmp_path)) as client:
            new = {**NEW, "backend_url": f"ws://127.0.0.1:{port}"}
            assert (await client.ask("/api/chargers", new)).status == 201
            assert (await client.ask("/api/chargers/SIM-1/mode", {"mode": "on"})).status == 200
            await client.charger_when("SIM-1", connected=True)
        await eventually(lambda: ends == [1001])
        nursery.cancel_scope.cancel()


async def test_a_load_that_runs_is_taken_down_when_the_service_ends(tmp_path: Path) -> None:
    async with a_service(settings_for(tmp_path)) as client:
        wish = {"target": 10, "mode": "charging"}
        assert (await client.ask("/api/mass-charger/apply", wish)).status == 200
        await client.mass_connected(10)
        services = client.serving.services
    assert services.mass.stats(User(id=1, name=FIRST_USER, created_wall_s=0.0)).connected == 0
    assert services.components["mass"]() == Component("ok", "idle")


# ── as a process ─────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def a_process(path: Path, **environment: str) -> AsyncIterator[tuple[trio.Process, int]]:
    """`simfleet serve` as its operator starts it, and its port."""
    command = [sys.executable, "-m", "simfleet", "serve", "--port", "0", "--csms-port", "0"]
    given = {name: text for name, text in os.environ.items() if not name.startswith("SIMFLEET_")}
    process = await trio.lowlevel.open_process(
        [*command, "--db", str(path / "simfleet.db")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**given, "SIMFLEET_API_KEY": KEY, **environment},
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        printed = b""
        with trio.fail_after(30):
            while b"database" not in printed:
                chunk = await process.stdout.receive_some()
                assert chunk, (await process.stderr.receive_some()).decode()
                printed += chunk
        url = next(line for line in printed.decode().splitlines() if line.startswith("API "))
        yield process, int(url.split()[1].rpartition(":")[2])
    finally:
        process.kill()
        await process.wait()
        await process.stdout.aclose()
        await process.stderr.aclose()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_service_in_order(tmp_path: Path, number: signal.Signals) -> None:
    async with a_process(tmp_path) as (process, _):
        process.send_signal(number)
        with trio.fail_after(15):
            assert await process.wait() == ExitCode.PASSED
        assert process.stdout is not None
        assert process.stderr is not None
        assert (await process.stdout.receive_some()).decode().splitlines()[-1] == "stopped"
        assert await process.stderr.receive_some() == b""


async def test_a_second_signal_does_not_wait_for_anybody(tmp_path: Path) -> None:
    async with a_process(tmp_path, SIMFLEET_SHUTDOWN_S="60") as (process, port):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        async with stream:
            # A body that never comes, so that the first signal has somebody to wait for.
            headers = {"X-API-Key": KEY, **JSON, "Content-Length": "10"}
            request = a_request("/api/chargers", method="POST", headers=headers)
            await stream.send_all(request)
            await trio.sleep(0.3)
            process.send_signal(signal.SIGINT)
            with trio.move_on_after(1):
                await process.wait()
            assert process.returncode is None
            process.send_signal(signal.SIGINT)
            with trio.fail_after(10):
                assert await process.wait() == ExitCode.INTERRUPTED


async def test_a_killed_service_comes_back_with_what_it_had_accepted(tmp_path: Path) -> None:
    async with a_process(tmp_path) as (process, port):
        client = Served(port)
        headers = {"X-API-Key": KEY, **JSON}
        body = json.dumps(NEW).encode()
        made = await client.ask("/api/chargers", method="POST", headers=headers, body=body)
        assert made.status == 201
        process.kill()
        await process.wait()
    async with a_process(tmp_path) as (_, port):
        found = await Served(port).ask("/api/chargers", headers={"X-API-Key": KEY})
        assert [charger["chargepoint_id"] for charger in found.json] == ["SIM-1"]
