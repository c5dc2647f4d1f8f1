"""THE MAP: `simfleet serve` as one tree of tasks. Read `serve` first; it knows every room.

What is further in needs what is further out, so the order of the end is the order of nesting:
requests end before the load they started, the load before the chargers, the chargers before the
CSMS they talk to, and all of them before the journal and the database that keep what they did.
"""

from __future__ import annotations

import contextlib
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet import __version__
from simfleet.api.app import create_app
from simfleet.api.parts import components_of, figures_of
from simfleet.api.server import Listener, is_loopback, listen, serve_http
from simfleet.api.services import Services
from simfleet.api.sse import Streams
from simfleet.clock import WallClock
from simfleet.csms.pki_folder import PkiFolder
from simfleet.csms.server import Csms, serve_csms
from simfleet.errors import Invalid, Refused, UsageWrong
from simfleet.fleet.garbage import calm_garbage, sweep_garbage
from simfleet.fleet.registry import Registry
from simfleet.link.link import DEFAULT_OPTIONS, Link, LinkOptions
from simfleet.link.opening import open_link
from simfleet.load.generator import Generator
from simfleet.load.mass_service import MassService
from simfleet.load.run_service import RunService
from simfleet.load.security import installed
from simfleet.models.catalogue import Catalogue
from simfleet.observe.health import Health
from simfleet.observe.hub import Hub
from simfleet.ocpp.versions import VERSIONS, catalog_of
from simfleet.settings import Settings
from simfleet.store import JournalLimits, LogRow, Store, open_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

__all__ = ["FIRST_USER", "ServeOptions", "Serving", "serve"]

FIRST_USER: Final = "admin"
"""Who the key is for that the first start makes, or that SIMFLEET_API_KEY is."""
CSMS_HOST: Final = "127.0.0.1"
"""The embedded CSMS asks nobody for a password, so only this machine reaches it."""
GOING_AWAY: Final = 1001  # RFC 6455 section 7.4.1
FAREWELL_S: Final = 1.0
"""How long a CSMS may take to answer a named charger's close frame; all of them at once."""
RUNS_FOLDER: Final = "runs"
"""Beside the database: a run folder for each run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """What `simfleet serve` was told. `say` takes the lines that tell the operator what happens."""

    settings: Settings = field(default_factory=Settings)
    with_csms: bool = True
    pki: Path | None = None
    """A folder of `simfleet pki` for the embedded CSMS, whose CA the named chargers trust."""
    say: Callable[[str], None] = print


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A service that accepts requests: where, and how to end it in order (`stopping.set()`)."""

    url: str
    csms_url: str
    """Of the embedded CSMS; "" without one."""
    csms_secure: bool
    """Whether it speaks TLS as well, on the same port."""
    key: str
    """The API key that this start has made; "" when there were keys already."""
    services: Services
    stopping: trio.Event


async def serve(
    options: ServeOptions, *, task_status: trio.TaskStatus[Serving] = trio.TASK_STATUS_IGNORED
) -> None:
    """Run the service until SIGINT or SIGTERM ends it in order; a second one aborts it.

    Reports itself once requests are answered. Raises `UsageWrong` for what cannot be used as given:
    a port, a database, an address that others reach while nobody has a key.
    """
    settings, say = options.settings, options.say
    models = Catalogue(settings.models)
    models.all()  # what is wrong with a user's own is said before anything starts
    clock = WallClock(trio.current_time())
    hub, generator, stopping = Hub(clock), Generator(), trio.Event()
    with calm_garbage(), Health(trio.current_time()) as health:
        async with (
            _listening_to_signals(stopping, say),
            open_store(settings.db, journal=_journal_limits(settings)) as store,
        ):
            await _refuse_to_be_open(store, settings)
            with contextlib.closing(listen(settings.host, settings.port)) as listener:
                key = await _first_key(store, settings)
                async with (
                    _running(store.journal.run, name="journal"),
                    _running(health.run, name="health"),
                    _running(sweep_garbage, name="garbage"),
                    _embedded_csms(options) as csms,
                    _named_chargers(
                        store, hub, clock, csms, models, stopping, options.pki
                    ) as registry,
                    _mass_fleet(generator, hub, clock, registry, csms) as mass,
                    _load_runs(store, generator, clock, settings, models) as runs,
                ):
                    services = Services(
                        store=store,
                        registry=registry,
                        mass=mass,
                        runs=runs,
                        hub=hub,
                        health=health,
                        clock=clock,
                        settings=settings,
                        streams=Streams(streams_max=settings.streams_max),
                        components=components_of(store, csms, registry, generator),
                        figures=figures_of(store, csms, registry, generator),
                    )
                    async with _http(services, listener, stopping):
                        serving = Serving(
                            url=listener.url,
                            csms_url="" if csms is None else _url_of(csms),
                            csms_secure=csms is not None and csms.secure,
                            key=key,
                            services=services,
                            stopping=stopping,
                        )
                        _announce(serving, store, say)
                        task_status.started(serving)
                        await stopping.wait()
                        say("stopping; once more to abort")
    say("stopped")


# ── the parts, each a block that ends it in order ─────────────────────────────────────────────────


@asynccontextmanager
async def _running(
    run: Callable[..., Awaitable[Any]],
    *,
    name: str,
    close: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Any]:
    """Have `run` running inside; on leaving, `close` it and cancel it. Gives what it reports."""
    async with trio.open_nursery() as nursery:
        yield await nursery.start(run, name=name)
        if close is not None:
            await close()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _embedded_csms(options: ServeOptions) -> AsyncIterator[Csms | None]:
    """A central system in this very process, as the default target; None when told so."""
    if not options.with_csms:
        yield None
        return
    for version in VERSIONS:
        catalog_of(version).warm_up()
    run = partial(
        serve_csms,
        host=CSMS_HOST,
        port=options.settings.csms_port,
        pki=None if options.pki is None else PkiFolder(options.pki),
    )
    async with trio.open_nursery() as nursery:
        try:
            csms: Csms = await nursery.start(run, name="csms")
        except* UsageWrong as wrongs:
            text = str(wrongs.exceptions[0])
            raise UsageWrong(text.replace("--port,", "--csms-port, or --no-csms,")) from None
        yield csms
        await csms.stop()  # closes what is still connected with 1001
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _named_chargers(
    store: Store,
    hub: Hub,
    clock: WallClock,
    csms: Csms | None,
    models: Catalogue,
    stopping: trio.Event,
    pki: Path | None,
) -> AsyncIterator[Registry]:
    """The chargers of the store, back in their modes; each frame of theirs goes to the journal.

    At the end their sessions stay open, as in a power loss: the next start goes on with them.
    """

    def log(**row: Any) -> None:
        store.journal.append(LogRow(**row))

    options, keyring = DEFAULT_OPTIONS, None
    if pki is not None:
        options, keyring = await trio.to_thread.run_sync(installed, PkiFolder(pki))
    registry = Registry(
        store,
        clock=clock,
        dial=partial(_dial, stopping),
        default_url="" if csms is None else _url_of(csms),
        hub=hub,
        journal=log,
        options=options,
        keyring=keyring,
        models=models,
    )
    async with _running(registry.run, name="named chargers"):
        yield registry


@asynccontextmanager
async def _dial(
    stopping: trio.Event,
    url: str,
    *,
    identity: str,
    subprotocol: str,
    options: LinkOptions = DEFAULT_OPTIONS,
) -> AsyncIterator[Link]:
    """A link that says 1001, going away, when the end of the service cuts it off."""
    async with open_link(url, identity=identity, subprotocol=subprotocol, options=options) as link:
        try:
            yield link
        except trio.Cancelled:
            if stopping.is_set():
                with trio.move_on_after(FAREWELL_S, shield=True):
                    await link.close(GOING_AWAY, "the service is stopping")
            raise


@asynccontextmanager
async def _mass_fleet(
    generator: Generator, hub: Hub, clock: WallClock, registry: Registry, csms: Csms | None
) -> AsyncIterator[MassService]:
    mass = MassService(
        generator=generator,
        hub=hub,
        clock=clock,
        settings_of=registry.settings,
        models=registry.models,
        own_csms_url="" if csms is None else _url_of(csms),
    )
    async with _running(mass.run, name="mass fleet", close=mass.close):
        yield mass


@asynccontextmanager
async def _load_runs(
    store: Store,
    generator: Generator,
    clock: WallClock,
    settings: Settings,
    models: Catalogue,
) -> AsyncIterator[RunService]:
    folder = settings.db.parent / RUNS_FOLDER
    runs = RunService(store=store, generator=generator, clock=clock, folder=folder, models=models)
    async with _running(runs.run, name="runs", close=runs.close):
        yield runs


@asynccontextmanager
async def _http(
    services: Services, listener: Listener, stopping: trio.Event
) -> AsyncIterator[None]:
    """Requests are answered inside. To leave, set `stopping`: then the last ones are, first."""
    run = partial(
        serve_http,
        create_app(services),
        listener,
        streams=services.streams,
        stopping=stopping,
        graceful_s=services.settings.shutdown_s,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(run, name="http")
        yield


# ── signals ──────────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def _listening_to_signals(
    stopping: trio.Event, say: Callable[[str], None]
) -> AsyncIterator[None]:
    """The first SIGINT or SIGTERM sets `stopping`; the second is KeyboardInterrupt, to what is
    inside a cancellation.
    """
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:

        async def obey() -> None:
            await anext(signals)
            stopping.set()
            await anext(signals)
            say("aborted")
            raise KeyboardInterrupt

        async with trio.open_nursery() as nursery:
            nursery.start_soon(obey, name="signals")
            yield
            nursery.cancel_scope.cancel()


# ── the first start ──────────────────────────────────────────────────────────────────────────────


async def _refuse_to_be_open(store: Store, settings: Settings) -> None:
    """Others may reach the service only if somebody has a key to show."""
    if is_loopback(settings.host) or settings.api_key or await store.keys():
        return
    raise UsageWrong(
        f"nobody has an API key yet, and others could reach {settings.host}: set SIMFLEET_API_KEY,"
        f" or make a key with `simfleet user add {FIRST_USER}` and"
        f" `simfleet key create {FIRST_USER}`, or start on 127.0.0.1 first"
    )


async def _first_key(store: Store, settings: Settings) -> str:
    """See that the first user is there and has a key; return it if it was made just now."""
    users = await store.users()
    user = users[0] if users else await store.create_user(FIRST_USER)
    if settings.api_key:
        try:
            await store.adopt_key(user.id, settings.api_key, label="SIMFLEET_API_KEY")
        except (Invalid, Refused) as wrong:
            raise UsageWrong(f"SIMFLEET_API_KEY: {wrong}") from None
        return ""
    if await store.keys():
        return ""
    return await store.create_key(user.id, label="first start")


def _announce(serving: Serving, store: Store, say: Callable[[str], None]) -> None:
    say(f"SimFleet {__version__}")
    say(f"API       {serving.url} (reference: {serving.url}/docs)")
    csms = (
        f"{serving.csms_url}/{{identity}} ({', '.join(VERSIONS)})"
        if serving.csms_url
        else "none of our own"
    )
    if serving.csms_secure:
        csms += ", and the same with wss://"
    say(f"CSMS      {csms}")
    say(f"database  {store.path}")
    if serving.key:
        say(f"API key   {serving.key}")
        say("          shown this once; `simfleet key create` makes others")


def _journal_limits(settings: Settings) -> JournalLimits:
    return JournalLimits(
        queue_rows=settings.journal_queue_rows,
        rows_max=settings.journal_rows_max,
        age_max_s=settings.journal_age_max_s,
    )


def _url_of(csms: Csms) -> str:
    return f"ws://{csms.host}:{csms.port}"
