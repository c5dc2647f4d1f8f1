"""The CSMS on links: one task per connection, which drives one `Session`.

`Csms.handle` is the whole life of a connection and works on any `ServerLink`, so the same CSMS
serves sockets (`serve_csms`) and the memory network of the tests. Commands come from other tasks:
they are put into the session, and the connection's task (`connection.py`) is woken.
"""

from __future__ import annotations

import errno
import math
import sys
import traceback
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from simfleet.clock import real_wall_s
from simfleet.csms.access import OPEN, Access, Doorkeeper
from simfleet.csms.admission import admission
from simfleet.csms.behaviour import GOOD, Behaviour
from simfleet.csms.book import Book
from simfleet.csms.connection import Connection
from simfleet.csms.passwords import password_in, password_status
from simfleet.csms.session import Session
from simfleet.csms.versions import FIRST, VERSIONS
from simfleet.errors import LinkClosed, QueueFull, Refused, UsageWrong
from simfleet.link.accepting import ServerOptions
from simfleet.link.server import serve
from simfleet.link.tls import server_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from simfleet.csms.pki_folder import PkiFolder
    from simfleet.csms.records import StationRecord
    from simfleet.csms.signing import Signing
    from simfleet.csms.watching import Watching
    from simfleet.link.accepting import Handshake, Verdict
    from simfleet.link.link import ServerLink
    from simfleet.link.memory import MemoryNetwork
    from simfleet.ocpp.results import Outcome
    from simfleet.ocpp.wire import Wire
    from simfleet.pki.authority import Authority

FREEZE_MAX_S: Final = 3600.0
STOP_TIMEOUT_S: Final = 5.0
"""For all closing handshakes together, when stopping."""
CRASHES_KEPT: Final = 20
GOING_AWAY: Final = 1001
REPLACED: Final = (1000, "replaced by a newer connection of this identity")
BOOK_FULL: Final = (1013, "this CSMS remembers no more identities")
"""1013 is "try again later" (IANA registry of WebSocket close codes)."""


class Csms:
    """A central system: who is connected, and what can be asked of it.

    `wall_s` is the Unix time now, for simulated clocks. `host` and `port` are where it listens, if
    it does. `access` is what it asks of stations; an `authority` signs their certificates.
    `crashes` holds the first errors of ours that ended a connection; `crashed` counts all.
    """

    def __init__(
        self,
        *,
        behaviour: Behaviour = GOOD,
        book: Book | None = None,
        wall_s: float | None = None,
        access: Access = OPEN,
        authority: Authority | None = None,
    ) -> None:
        self.behaviour = behaviour
        self.access = access
        self.doorkeeper = Doorkeeper(access)
        self.secure = False
        """Whether it listens for TLS, beside plain connections on the same port."""
        self._signing = self._signing_of(authority)
        self.book = Book() if book is None else book
        self.frozen_until_s = -math.inf
        self._wall_offset_s = (real_wall_s() if wall_s is None else wall_s) - trio.current_time()
        self._connections: dict[str, Connection] = {}
        self._number = 0
        self._stopping = False
        self._empty = trio.Event()  # only looked at when stopping
        self._listening: trio.CancelScope | None = None
        self.host, self.port = "", 0
        self._awaiting: set[Watching] = set()
        """Orders of which is awaited what they bring about."""
        self.crashed = 0
        self.crashes: list[str] = []

    def _signing_of(self, authority: Authority | None) -> Signing | None:
        if authority is None:
            return None
        # Imported here, for only who has an authority pays for cryptography.
        from simfleet.csms.signing import Signing

        return Signing(self, authority, self.doorkeeper)

    @property
    def connected(self) -> int:
        """Identities connected now."""
        return len(self._connections)

    def ledger(self) -> dict[str, object]:
        """What the book counted, and how many connections a bug of ours ended (`crashed`)."""
        ledger = {**self.book.ledger(), "crashed": self.crashed}
        return ledger | {"keys_forgotten": self.doorkeeper.forgotten}

    async def handle(self, link: ServerLink) -> None:
        """Serve one connection until it ends. An older one of the same identity is closed."""
        at_s = trio.current_time()
        self._number += 1
        session = Session(
            link.identity,
            behaviour=self.behaviour,
            book=self.book,
            number=self._number,
            wall_offset_s=self._wall_offset_s,
            sign=None if self._signing is None else partial(self._signing.ask, link.identity),
            ocsp=None if self._signing is None else self._signing.ocsp,
            version=link.subprotocol or FIRST,
        )
        try:
            session.opened(at_s=at_s)
        except QueueFull:
            await link.close(*BOOK_FULL)
            return
        self.book.note_profile(
            secure=link.secure,
            password=link.password is not None,
            certificate=link.certificate is not None,
        )
        connection = Connection(link, session)
        older = self._connections.get(link.identity)
        if older is not None:
            older.close(REPLACED)
        self._connections[link.identity] = connection
        if self._stopping:
            connection.close((GOING_AWAY, "stopping"))
        try:
            await connection.converse(self)
        except LinkClosed:
            pass  # how connections end
        finally:
            if self._connections.get(link.identity) is connection:
                del self._connections[link.identity]
            session.closed(at_s=trio.current_time())
            if self._stopping and not self._connections:
                self._empty.set()

    def behave(self, behaviour: Behaviour) -> None:
        """Answer so from now on. Late answers that are under way stay as late as they are.

        What was settled when it began to listen (`no_subprotocol`, `stall_after_s`) stays.
        """
        self.behaviour = behaviour
        for connection in self._connections.values():
            connection.session.behave(behaviour)

    def freeze(self, for_s: float) -> None:
        """Stop reading and answering on every connection for this long, or until then if longer.

        Pings go unanswered too. Messages wait in the sockets, as with a server that hangs.
        """
        self.frozen_until_s = max(self.frozen_until_s, trio.current_time() + for_s)
        for connection in self._connections.values():
            connection.wake()

    async def stop(self) -> None:
        """Close every connection with 1001, and those that still come, then stop listening.

        Takes `STOP_TIMEOUT_S` at most; peers that do not answer are cut off then.
        """
        self._stopping = True
        self.frozen_until_s = -math.inf
        for connection in self._connections.values():
            connection.close((GOING_AWAY, "stopping"))
        with trio.move_on_after(STOP_TIMEOUT_S):
            if self._connections:
                await self._empty.wait()
        if self._listening is not None:
            self._listening.cancel()

    @contextmanager
    def awaiting(self, order: Watching | None) -> Iterator[None]:
        """While inside, `settle` ends the wait for what an order brings about."""
        if order is None:
            yield
            return
        self._awaiting.add(order)
        try:
            yield
        finally:
            self._awaiting.discard(order)

    def settle(self) -> None:
        """Wait no longer for what orders bring about: they are reported as they are."""
        for order in list(self._awaiting):
            order.settle()

    def wall_s(self) -> float:
        """The CSMS's clock: Unix seconds now."""
        return trio.current_time() + self._wall_offset_s

    def booted(self) -> list[StationRecord]:
        """The stations that are connected and whose BootNotification was accepted."""
        records = (connection.session.record for connection in self._connections.values())
        return [record for record in records if record.accepted]

    def version_of(self, identity: str) -> str:
        """The OCPP version in which a station is connected. Raises `Refused` when it is not."""
        connection = self._connections.get(identity)
        if connection is None:
            raise Refused(f"no station {identity!r} is connected")
        return connection.session.version.name

    def send(self, identity: str, request: Wire, *, when_done: Callable[[Outcome], None]) -> None:
        """Send a CALL to a station; `when_done` is called once with how it ended.

        Raises `Refused` when the station is not connected or has too many commands waiting.
        """
        connection = self._connections.get(identity)
        if connection is None:
            raise Refused(f"no station {identity!r} is connected")
        key = password_in(request)
        if key is not None:
            when_done = partial(self._note_key, identity, key, when_done)
        try:
            connection.session.command(request, at_s=trio.current_time(), when_done=when_done)
        except QueueFull as full:
            raise Refused(f"station {identity!r}: {full}") from None
        connection.wake()

    def _note_key(
        self, identity: str, key: str, when_done: Callable[[Outcome], None], outcome: Outcome
    ) -> None:
        """A station was told another password: if it took it, it comes with that."""
        status = password_status(outcome.response)
        if status in ("Accepted", "RebootRequired"):
            self.doorkeeper.note_key(identity, key, at_once=status == "Accepted")
        when_done(outcome)

    async def command(self, identity: str, request: Wire) -> Outcome:
        """Send a CALL to a station and wait for how it ends; at the latest by its deadline.

        Raises `Refused` when the station is not connected or has too many commands waiting.
        """
        done = trio.Event()
        outcomes: list[Outcome] = []

        def note(outcome: Outcome) -> None:
            outcomes.append(outcome)
            done.set()

        self.send(identity, request, when_done=note)
        await done.wait()
        return outcomes[0]

    # ── listening ────────────────────────────────────────────────────────────────────────────────

    async def listen(
        self,
        *,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        task_status: trio.TaskStatus[Csms] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve sockets until `stop` or cancelled; reports itself once connections are accepted.

        With `tls`, TLS and plain connections come in on the same port. Raises `UsageWrong` when the
        address cannot be used.
        """
        options = ServerOptions(
            subprotocols=() if self.behaviour.no_subprotocol else tuple(reversed(VERSIONS)),
            ssl_context=tls,
            plain_too=True,
            on_request=self._judge,
            on_crash=self._note_crash,
            on_refused=self.book.note_refused,
        )
        self.secure = tls is not None
        async with trio.open_nursery() as nursery:
            self._listening = nursery.cancel_scope
            serving = partial(serve, self.handle, host=host, port=port, options=options)
            try:
                self.port = await nursery.start(serving)
            except OSError as error:
                raise UsageWrong(_why_not(host, port, error)) from None
            self.host = host
            if self._signing is not None:
                nursery.start_soon(self._signing.run, name="signing")
            if self.behaviour.stall_after_s is not None:
                nursery.start_soon(self._stall, self.behaviour.stall_after_s)
            task_status.started(self)

    async def attend(
        self,
        network: MemoryNetwork,
        *,
        task_status: trio.TaskStatus[Csms] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """As `listen`, on a memory network; until cancelled."""

        async def handle(link: ServerLink) -> None:
            try:
                await self.handle(link)
            except LinkClosed:
                raise
            except Exception as error:
                self._note_crash(link, error)

        self.secure = True
        network.subprotocols = tuple(VERSIONS)
        network.judge = self._judge
        async with trio.open_nursery() as nursery:
            await nursery.start(network.serve, handle)
            if self._signing is not None:
                nursery.start_soon(self._signing.run, name="signing")
            if self.behaviour.stall_after_s is not None:
                nursery.start_soon(self._stall, self.behaviour.stall_after_s)
            task_status.started(self)

    async def _stall(self, after_s: float) -> None:
        await trio.sleep(after_s)
        for_s = self.behaviour.stall_for_s
        self.freeze(math.inf if for_s is None else for_s)

    def _judge(self, handshake: Handshake) -> Verdict:
        return admission(
            handshake,
            behaviour=self.behaviour,
            doorkeeper=self.doorkeeper,
            frozen=self.frozen_until_s > trio.current_time(),
            stopping=self._stopping,
        )

    def _note_crash(self, link: ServerLink, error: Exception) -> None:
        """A bug of ours ends one connection, not the CSMS; and it is not hidden."""
        self.crashed += 1
        if len(self.crashes) < CRASHES_KEPT:
            text = "".join(traceback.format_exception(error))
            self.crashes.append(f"{link.identity}: {text}")
            print(
                f"simfleet csms: bug, in the session of {link.identity}:\n{text}", file=sys.stderr
            )


async def serve_csms(
    *,
    host: str,
    port: int,
    behaviour: Behaviour = GOOD,
    book: Book | None = None,
    password: str | None = None,
    access: Access = OPEN,
    pki: PkiFolder | None = None,
    task_status: trio.TaskStatus[Csms] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a CSMS on sockets; reports the `Csms` once it accepts connections. See `Csms.listen`.

    `password` is that of all stations, if `access` names none. A `pki` folder gives it TLS and an
    authority. Raises `UsageWrong` for a folder that cannot be used, and for `access` that nobody
    could have.
    """
    if password is not None:
        access = msgspec.structs.replace(access, password=password)
    problem = access.problem(has_tls=pki is not None)
    if problem is not None:
        raise UsageWrong(problem)
    authority = tls = None
    if pki is not None:
        authority = pki.authority()
        tls = server_context(pki.server_pem, pki.server_key, client_authority=pki.ca_pem)
    csms = Csms(behaviour=behaviour, book=book, access=access, authority=authority)
    await csms.listen(host=host, port=port, tls=tls, task_status=task_status)


def _why_not(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                f"port {port} of {host} is in use; choose another with --port, or 0 for a free one"
            )
        case errno.EACCES:
            return f"port {port} of {host} needs privileges; choose one above 1023"
    return f"cannot listen on {host!r} port {port}: {error.strerror or error}"
