"""The whole API with all that is below it, for contract tests: `a_lab`.

Real parts only: a store on disk, the registry, the mass service, and CSMSs on a memory network. The
clock is real, for threads and sockets do not live under a simulated one.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import urlsplit

import msgspec
import trio
import trio.lowlevel

from simfleet.api.app import create_app
from simfleet.api.services import Services
from simfleet.clock import WallClock
from simfleet.csms.server import Csms
from simfleet.errors import ConnectFailed, ConnectReason
from simfleet.fleet.registry import Registry
from simfleet.link.link import DEFAULT_OPTIONS
from simfleet.link.memory import MemoryNetwork
from simfleet.load.generator import Generator
from simfleet.load.mass_service import MassService
from simfleet.load.run_service import RunService
from simfleet.observe.health import Health
from simfleet.observe.hub import Hub
from simfleet.ocpp.v16 import V16
from simfleet.settings import Settings
from simfleet.store import LogRow, Store, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from quart_trio import QuartTrio

    from simfleet.link.link import Link, LinkOptions
    from simfleet.ocpp.results import Outcome

URL = "ws://csms.test:9000"
ALICE_ID = 1
WITHIN_S = 10.0
"""How long a test waits for what should happen at once."""

NEW: dict[str, Any] = {
    "chargepoint_id": "SIM-AC-001",
    "charger_type": "AC",
    "max_power_kw": 22,
}
DC: dict[str, Any] = {
    "chargepoint_id": "SIM-DC-001",
    "charger_type": "DC",
    "max_power_kw": 150,
}

FIELDS: dict[str, type | tuple[type, ...]] = {
    "chargepoint_id": str,
    "charger_type": str,
    "mode": str,
    "status": str,
    "availability": str,
    "current_power_kw": float,
    "energy_delivered_wh": float,
    "max_power_kw": float,
    "transaction_id": (int, type(None)),
    "connected": bool,
    "free_charging": bool,
    "num_connectors": int,
    "backend_url": str,
    "rfid_tag": str,
    "auth_mode": str,
    "pnc_emaid": str,
    "pnc_pcid": str,
    "pnc_certificate_hash": str,
    "ocpp_version": str,
    "charger_name": str,
    "error_code": str,
    "session_start": (str, type(None)),
    "session_energy_wh": float,
    "target_energy_wh": float,
    "session_id_tag": str,
    "remote_start": bool,
    "heartbeat_interval": int,
    "connector_status": dict,
}
"""The 28 keys of the document, in its order, with the types of its example; null is ours, where no
transaction is open."""


class Answer(NamedTuple):
    """What came back, decoded."""

    status: int
    body: Any
    headers: dict[str, str]


def assert_charger(charger: Any) -> None:
    """`charger` has the document's keys, order and types."""
    assert list(charger) == list(FIELDS)
    for key, kind in FIELDS.items():
        value = charger[key]
        assert isinstance(value, kind), (key, value)
        assert kind is bool or not isinstance(value, bool), (key, value)


def assert_error(answer: Answer, status: int, *, code: str = "", mentions: str = "") -> None:
    """The answer is an error in the one shape that errors have."""
    assert answer.status == status, answer
    assert list(answer.body) == ["error", "code"], answer.body
    assert isinstance(answer.body["error"], str)
    assert answer.body["error"]
    assert answer.headers["x-error-code"] == answer.body["code"]
    assert mentions in answer.body["error"], answer.body
    if code:
        assert answer.body["code"] == code


async def until(condition: Callable[[], bool], *, within_s: float = WITHIN_S) -> None:
    """Wait for `condition`."""
    with trio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110
            await trio.sleep(0.01)


class Caller:
    """Somebody with a key, who talks to the app."""

    def __init__(self, app: QuartTrio, key: str) -> None:
        self.key = key
        self._client = cast("Any", app.test_client())  # its protocol asks for arguments it defaults

    async def ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        query: dict[str, object] | None = None,
    ) -> Answer:
        """One request, with this caller's key unless `headers` are given."""
        response = await self._client.open(
            path,
            method=method,
            data=content,
            headers={"X-API-Key": self.key} if headers is None else headers,
            query_string={name: str(value) for name, value in query.items()} if query else None,
        )
        raw = await response.get_data(as_text=False)
        found = {name.lower(): value for name, value in response.headers.items()}
        is_json = found.get("content-type", "").startswith("application/json")
        body = msgspec.json.decode(raw) if is_json else raw
        return Answer(response.status_code, body, found)

    async def get(self, path: str, **query: object) -> Answer:
        return await self.ask("GET", path, query=query)

    async def delete(self, path: str) -> Answer:
        return await self.ask("DELETE", path)

    async def post(self, path: str, body: object) -> Answer:
        return await self.post_bytes(path, msgspec.json.encode(body))

    async def put(self, path: str, body: object) -> Answer:
        return await self.post_bytes(path, msgspec.json.encode(body), method="PUT")

    async def post_bytes(
        self,
        path: str,
        content: bytes,
        *,
        method: str = "POST",
        content_type: str | None = "application/json",
    ) -> Answer:
        headers = {"X-API-Key": self.key}
        if content_type is not None:
            headers["Content-Type"] = content_type
        return await self.ask(method, path, content=content, headers=headers)

    # ── what tests wait for ─────────────────────────────────────────────────────────────────────

    async def charger_when(
        self, chargepoint_id: str, *, within_s: float = WITHIN_S, **wanted: Any
    ) -> dict[str, Any]:
        """The charger, once each field is the value given or passes the function given."""
        charger: dict[str, Any] = {}
        with trio.move_on_after(within_s):
            while True:
                charger = (await self.get(f"/api/chargers/{chargepoint_id}")).body
                if all(_is(charger[key], value) for key, value in wanted.items()):
                    return charger
                await trio.sleep(0.02)
        raise AssertionError(f"not within {within_s} s: {charger}")

    async def logged(
        self, chargepoint_id: str, message_type: str, **filters: object
    ) -> list[dict[str, Any]]:
        """What the logs have of a charger's messages of one type, newest first."""
        query = {"chargepoint_id": chargepoint_id, "message_type": message_type, **filters}
        answer = await self.get("/api/logs", **query)
        assert answer.status == 200, answer.body
        return cast("list[dict[str, Any]]", answer.body)

    async def until_logged(
        self, chargepoint_id: str, message_type: str, **payload: object
    ) -> list[dict[str, Any]]:
        """The messages of that type whose payload has these values, once there is one."""
        entries: list[dict[str, Any]] = []
        with trio.move_on_after(WITHIN_S):
            while True:
                entries = await self.logged(chargepoint_id, message_type)
                found = [it for it in entries if payload.items() <= it["payload"].items()]
                if found:
                    return found
                await trio.sleep(0.05)
        raise AssertionError(f"no {message_type} with {payload} within {WITHIN_S} s: {entries}")


def _is(value: object, wanted: Any) -> bool:
    return bool(wanted(value)) if callable(wanted) else value == wanted


class Backend(NamedTuple):
    """A CSMS and where chargers find it."""

    csms: Csms
    url: str


class Backends:
    """A network in memory with a CSMS per host."""

    def __init__(self) -> None:
        self._networks: dict[str, MemoryNetwork] = {}

    async def start(self, nursery: trio.Nursery, host: str) -> Backend:
        network = self._networks[host] = MemoryNetwork()
        csms = Csms()
        await nursery.start(network.serve, csms.handle)
        return Backend(csms, f"ws://{host}:9000")

    def network_of(self, url: str) -> MemoryNetwork:
        """The network behind a URL; one where nobody serves for hosts that nobody has started."""
        return self._networks.setdefault(urlsplit(url).hostname or "", MemoryNetwork())

    def dial(
        self,
        url: str,
        *,
        identity: str,
        subprotocol: str,
        options: LinkOptions = DEFAULT_OPTIONS,
    ) -> AbstractAsyncContextManager[Link]:
        """A `Dialer`."""
        network = self.network_of(url)
        return network.dial(url, identity=identity, subprotocol=subprotocol, options=options)


class Lab:
    """A running service without its sockets: an app, its parts, and two users."""

    def __init__(
        self,
        *,
        app: QuartTrio,
        services: Services,
        backends: Backends,
        backend: Backend,
        nursery: trio.Nursery,
        keys: tuple[str, str],
    ) -> None:
        self.app = app
        self.services = services
        self.store: Store = services.store
        self.csms, self.url = backend
        self.alice, self.bob = (Caller(app, key) for key in keys)
        self._backends = backends
        self._nursery = nursery

    async def charger_on(
        self, chargepoint_id: str, *, mode: str = "on", **fields: object
    ) -> dict[str, Any]:
        """A charger of alice's that is connected, booted and available."""
        new = {**NEW, "chargepoint_id": chargepoint_id, **fields}
        created = await self.alice.post("/api/chargers", new)
        assert created.status == 201, created.body
        path = f"/api/chargers/{chargepoint_id}/mode"
        assert (await self.alice.post(path, {"mode": mode})).status == 200
        charger = await self.alice.charger_when(chargepoint_id, connected=True, status="Available")
        await self.alice.until_logged(chargepoint_id, "StatusNotification", status="Available")
        return charger

    async def another_csms(self, host: str = "other.test") -> Backend:
        """A second CSMS, elsewhere."""
        return await self._backends.start(self._nursery, host)

    def refuse_connections(self) -> None:
        """Have the CSMS refuse whoever connects from now on."""
        failure = ConnectFailed(ConnectReason.HTTP_STATUS, "503", status=503)
        self._backends.network_of(self.url).refusal = failure

    async def csms_asks(self, identity: str, action: str, payload: dict[str, Any]) -> Outcome:
        """Have the CSMS send a CALL."""
        request = msgspec.convert(payload, V16.actions[action].request)
        return await self.csms.command(identity, request)

    def log_one(self, chargepoint_id: str, n: int) -> None:
        """Log one heartbeat of a charger of alice's, as if it had sent it."""
        self.store.journal.append(
            LogRow(
                user_id=ALICE_ID,
                chargepoint_id=chargepoint_id,
                direction="sent",
                message_type="CALL",
                action="Heartbeat",
                frame=b'[2,"%d","Heartbeat",{}]' % n,
                at_wall_s=self.services.clock.wall_s(trio.current_time()),
            )
        )

    async def fill_journal(self, chargepoint_id: str, rows: int, *, first: int = 1) -> None:
        """Log so many heartbeats, and wait until they are in the database."""
        for n in range(first, first + rows):
            self.log_one(chargepoint_id, n)
            if n % 500 == 0:
                await trio.lowlevel.checkpoint()
        assert await self.store.journal.flush(within_s=5)


@asynccontextmanager
async def a_lab(path: Path) -> AsyncIterator[Lab]:
    """A service with its database below `path`, until the block ends."""
    at_s = trio.current_time()
    clock = WallClock(at_s)
    backends, generator, hub = Backends(), Generator(), Hub(clock)
    async with open_store(path / "simfleet.db") as store, trio.open_nursery() as nursery:
        users = [await store.create_user(name) for name in ("alice", "bob")]
        assert users[0].id == ALICE_ID
        keys = [await store.create_key(user.id) for user in users]
        backend = await backends.start(nursery, "csms.test")
        await nursery.start(store.journal.run)

        def log(**fields: Any) -> None:
            store.journal.append(LogRow(**fields))

        registry = Registry(
            store, clock=clock, dial=backends.dial, default_url=backend.url, hub=hub, journal=log
        )
        mass = MassService(
            generator=generator,
            hub=hub,
            clock=clock,
            settings_of=registry.settings,
            dial=backends.dial,
        )
        run_service = RunService(
            store=store,
            generator=generator,
            clock=clock,
            folder=path / "runs",
            dial=backends.dial,
        )
        for run in (registry.run, mass.run, run_service.run):
            await nursery.start(run)
        services = Services(
            store=store,
            registry=registry,
            mass=mass,
            runs=run_service,
            hub=hub,
            health=Health(at_s),
            clock=clock,
            settings=Settings(requests_per_s=0, requests_per_s_per_ip=0),
        )
        yield Lab(
            app=create_app(services),
            services=services,
            backends=backends,
            backend=backend,
            nursery=nursery,
            keys=(keys[0], keys[1]),
        )
        services.streams.end()
        await run_service.close()
        await mass.close()
        nursery.cancel_scope.cancel()
