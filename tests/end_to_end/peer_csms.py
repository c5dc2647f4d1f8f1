"""A CSMS that is not ours: the `ocpp` package's on asyncio `websockets`, as a program.

    python tests/end_to_end/peer_csms.py --port 0 --log peer.jsonl --mode normal

Prints one JSON line with its port, then serves until SIGTERM (or, with --until-stdin-closes, until
whoever started it is gone). Whatever it sees and says is appended to the log, one JSON object per
line, before anything else happens with it; started again with the same log it goes on where it
was, as a central system with a database would. It shares no line of code with SimFleet: what it
understands, another vendor would.

With --obey-stdin it sends what it is told to, one JSON object per line, and answers each with one:

    {"identity": "SIM-1", "call": "Reset", "fields": {"type": "Soft"}}   {"answer": {"status": ...}}

Fields are those of the package's dataclass in `ocpp.v16.call`; instead of `answer` comes `error`,
with the code of a CALLERROR or what else went wrong. Tags that begin with BAD are invalid, those
that begin with FAM have the parent FAMILY.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import signal
import struct
import sys
import time
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import unquote

import ocpp.messages  # type: ignore[import-untyped]
from ocpp.exceptions import OCPPError  # type: ignore[import-untyped]
from ocpp.routing import on as ocpp_on  # type: ignore[import-untyped]
from ocpp.v16 import ChargePoint, call, call_result  # type: ignore[import-untyped]
from ocpp.v16.enums import Action  # type: ignore[import-untyped]
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from websockets.asyncio.server import ServerConnection
    from websockets.http11 import Request, Response

MODES = {
    "normal": "answers everything at once",
    "slow": "waits --delay-s before each answer",
    "never_answers": "reads everything and says nothing",
    "silent_after_boot": "answers BootNotification and nothing else",
    "garbage": "before each answer sends what is no OCPP at all",
    "only_garbage": "sends the same garbage, and never an answer",
    "schema_violations": "answers with extra, missing and wrong-typed fields",
    "calls_before_answers": "before each answer sends a CALL of its own, and waits for its answer",
    "closes_in_handshake": "accepts TCP, reads the HTTP request and ends the connection (FIN)",
    "resets_in_handshake": "the same with a reset (RST)",
    "http_401": "answers the handshake with 401",
    "no_subprotocol": "accepts the handshake without choosing a subprotocol",
}
ANSWER_TIMEOUT_S = 10.0
"""How long a station may take to answer a CALL of ours."""
UNBOOTED_TIMEOUT_S = 0.2
"""The same before it is Accepted, when OCPP lets it stay silent."""
BACKLOG = 4096
LINE_MAX_BYTES = 1024 * 1024

GARBAGE = (
    "Internal Server Error",
    "",
    "{}",
    "[]",
    "null",
    "[3]",
    '[3,"no-such-id",{}]',
    '[4,"no-such-id","GenericError","",{}]',
    "[3,7,{}]",
    '[9,"what","is",{}]',
    '[true,"x","Heartbeat",{}]',
    '[2,"g-1"]',
    '[2,"g-2","NoSuchAction",{}]',
    '[2,"g-3","StartTransaction",{"connectorId":1}]',
    '[2,"g-4","Reset",{"type":"Gently"}]',
    "[" * 500,
    '[3,"\\ud800",{}]',
)
"""No JSON, no array, too short, unknown ids and types, what a CSMS may not call, bad payloads."""

_Handler = TypeVar("_Handler", bound="Callable[..., Any]")


def on(action: Action) -> Callable[[_Handler], _Handler]:
    """The package's decorator, typed."""
    return cast("Callable[[_Handler], _Handler]", ocpp_on(action))


class Journal:
    """The log file, which is also the memory that survives a restart."""

    def __init__(self, path: Path) -> None:
        self.transactions: dict[str, int] = {}
        last_connection = 0
        for entry in _entries(path):
            last_connection = max(last_connection, entry.get("connection", 0))
            if entry["event"] == "transaction":
                self.transactions[entry["key"]] = entry["transaction_id"]
        self.connections = itertools.count(last_connection + 1)
        self._file = path.open("a", buffering=1, encoding="utf-8")
        self._file.write("\n" if self._file.tell() else "")  # ends a line that a kill cut short

    def write(self, event: str, **fields: object) -> None:
        """Append one entry; it is with the operating system when this returns."""
        self._file.write(json.dumps({"at_s": time.time(), "event": event, **fields}) + "\n")

    def transaction_id(self, key: str) -> int:
        """The id for a start with this `key`; a start that is sent again gets the id it had."""
        known = self.transactions.get(key)
        if known is None:
            known = self.transactions[key] = 1001 + len(self.transactions)
            self.write("transaction", key=key, transaction_id=known)
        return known


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)


class Session(ChargePoint):  # type: ignore[misc]
    """One connection of one station."""

    def __init__(
        self,
        identity: str,
        connection: ServerConnection,
        *,
        journal: Journal,
        options: argparse.Namespace,
    ) -> None:
        super().__init__(identity, connection, response_timeout=ANSWER_TIMEOUT_S)
        self.number = next(journal.connections)
        self._journal = journal
        self._options = options
        self._calls: asyncio.Queue[str] = asyncio.Queue()
        self._answering = ""
        self._answers = 0
        self._commands = itertools.cycle(self._make_commands())
        self._booted = False

    def note(self, event: str, **fields: object) -> None:
        """Log something about this connection."""
        self._journal.write(event, identity=self.id, connection=self.number, **fields)

    async def run(self) -> None:
        """Serve until the connection ends. Reading goes on while we answer or await an answer."""
        worker = asyncio.create_task(self._answer_calls())
        try:
            async for message in self._connection:
                text = message if isinstance(message, str) else message.decode(errors="replace")
                frame = _parsed(text)
                self.note("received", **({"text": text} if frame is None else {"frame": frame}))
                if isinstance(frame, list) and frame and frame[0] == 2:
                    self._calls.put_nowait(text)
                else:
                    await self.route_message(text)
        except ConnectionClosed as closed:
            self.note("lost", reason=str(closed))
        finally:
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await worker

    async def _answer_calls(self) -> None:
        mode = self._options.mode
        while True:
            text = await self._calls.get()
            self._answering = str(json.loads(text)[2])
            if mode == "never_answers" or (
                mode == "silent_after_boot" and self._answering != "BootNotification"
            ):
                continue
            if mode in ("garbage", "only_garbage"):
                for garbage in GARBAGE:
                    await self._connection.send(garbage)
            if mode == "only_garbage":
                continue
            if mode == "slow":
                await asyncio.sleep(self._options.delay_s)
            if mode == "calls_before_answers":
                await self._call_first()
            await self.route_message(text)

    async def _send(self, message: str) -> None:
        """Every frame of ours, ours to spoil, comes by here."""
        frame = json.loads(message)
        if self._options.mode == "schema_violations" and frame[0] == 3:
            frame[2] = self._spoiled(frame[2])
        self.note("sent", frame=frame)
        await self._connection.send(json.dumps(frame))

    def _spoiled(self, payload: dict[str, Any]) -> object:
        """An answer that breaks the schema; those a station cannot do without stay readable."""
        self._answers += 1
        if self._answering in ("BootNotification", "StartTransaction", "StopTransaction"):
            return payload | {"surplus": True}
        if self._answering == "Authorize" and self._answers % 4 == 0:
            return {"idTagInfo": {"status": "Certainly"}}
        if self._answering == "Authorize":
            return payload | {"idTagInfo": {"status": "Accepted", "surplus": [1, 2, 3]}}
        kinds: tuple[object, ...] = (
            payload | {"surplus": {"more": None}},
            {},
            {"currentTime": 5},
            {"currentTime": "last Tuesday"},
            [],
            "OK",
        )
        return kinds[self._answers % len(kinds)]

    # ── CALLs of ours ───────────────────────────────────────────────────────────────────────────

    def _make_commands(self) -> Iterator[object]:
        yield call.GetConfiguration()
        yield call.GetConfiguration(key=["HeartbeatInterval", "NoSuchKey"])
        yield call.TriggerMessage(requested_message="Heartbeat")
        yield call.RemoteStartTransaction(id_tag="0123456789ABCD", connector_id=1)
        yield call.TriggerMessage(requested_message="StatusNotification", connector_id=1)

    async def _call_first(self) -> None:
        command = next(self._commands)
        if not self._booted:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.call(command), UNBOOTED_TIMEOUT_S)
            return
        try:
            await self.call(command, suppress=False)
        except TimeoutError:
            self.note("unanswered", action=type(command).__name__)
        except OCPPError as error:
            self.note("refused_or_wrong", action=type(command).__name__, problem=repr(error))

    # ── what a station sends ────────────────────────────────────────────────────────────────────

    @on(Action.boot_notification)
    def on_boot(self, **_: object) -> call_result.BootNotification:
        self._booted = True
        return call_result.BootNotification(
            current_time=_now(), interval=self._options.heartbeat_interval_s, status="Accepted"
        )

    @on(Action.heartbeat)
    def on_heartbeat(self, **_: object) -> call_result.Heartbeat:
        return call_result.Heartbeat(current_time=_now())

    @on(Action.authorize)
    def on_authorize(self, id_tag: str, **_: object) -> call_result.Authorize:
        return call_result.Authorize(id_tag_info=_tag_info(id_tag))

    @on(Action.status_notification)
    def on_status(self, **_: object) -> call_result.StatusNotification:
        return call_result.StatusNotification()

    @on(Action.start_transaction)
    def on_start(
        self, connector_id: int, id_tag: str, meter_start: int, timestamp: str, **_: object
    ) -> call_result.StartTransaction:
        key = f"{self.id} {connector_id} {id_tag} {meter_start} {timestamp}"
        return call_result.StartTransaction(
            transaction_id=self._journal.transaction_id(key), id_tag_info=_tag_info(id_tag)
        )

    @on(Action.meter_values)
    def on_meter_values(self, **_: object) -> call_result.MeterValues:
        return call_result.MeterValues()

    @on(Action.stop_transaction)
    def on_stop(self, **_: object) -> call_result.StopTransaction:
        return call_result.StopTransaction()

    @on(Action.data_transfer)
    def on_data_transfer(self, **_: object) -> call_result.DataTransfer:
        return call_result.DataTransfer(status="Accepted")

    @on(Action.firmware_status_notification)
    def on_firmware_status(self, **_: object) -> call_result.FirmwareStatusNotification:
        return call_result.FirmwareStatusNotification()

    @on(Action.diagnostics_status_notification)
    def on_diagnostics_status(self, **_: object) -> call_result.DiagnosticsStatusNotification:
        return call_result.DiagnosticsStatusNotification()

    @on(Action.security_event_notification)
    def on_security_event(self, **_: object) -> call_result.SecurityEventNotification:
        return call_result.SecurityEventNotification()

    @on(Action.log_status_notification)
    def on_log_status(self, **_: object) -> call_result.LogStatusNotification:
        return call_result.LogStatusNotification()

    @on(Action.signed_firmware_status_notification)
    def on_signed_firmware_status(
        self, **_: object
    ) -> call_result.SignedFirmwareStatusNotification:
        return call_result.SignedFirmwareStatusNotification()

    @on(Action.sign_certificate)
    def on_sign_certificate(self, **_: object) -> call_result.SignCertificate:
        return call_result.SignCertificate(status="Accepted")


def _tag_info(id_tag: str) -> dict[str, str]:
    if id_tag.startswith("BAD"):
        return {"status": "Invalid"}
    if id_tag.startswith("FAM"):
        return {"status": "Accepted", "parentIdTag": "FAMILY"}
    return {"status": "Accepted"}


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _identity(path: str) -> str:
    return unquote(path.rsplit("/", 1)[-1])


# ── sockets ─────────────────────────────────────────────────────────────────────────────────────


class Orders:
    """Reads what to send from stdin, sends it, and prints how it was answered. `calls` are the
    package's requests of a session's version.
    """

    def __init__(
        self, sessions: Mapping[str, Any], calls: Callable[[Any], Any] = lambda _: call
    ) -> None:
        self._sessions = sessions
        self._calls = calls

    async def obey(self, stop: asyncio.Event) -> None:
        """Until stdin ends."""
        reader = asyncio.StreamReader(limit=LINE_MAX_BYTES)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        while line := await reader.readline():
            result = await self._carry_out(json.loads(line))
            print(json.dumps(result, default=float), flush=True)  # the package makes Decimals
        stop.set()

    async def _carry_out(self, order: dict[str, Any]) -> dict[str, Any]:
        session = self._sessions.get(order["identity"])
        if session is None:
            return {"error": f"{order['identity']} is not connected"}
        try:
            request = getattr(self._calls(session), order["call"])(**order["fields"])
            response = await session.call(request, suppress=False)
        except OCPPError as error:
            return {"error": error.code, "detail": str(error)}
        except Exception as error:  # whatever the package makes of the answer
            return {"error": type(error).__name__, "detail": str(error)}
        return {"answer": dataclasses.asdict(response)}


@contextlib.asynccontextmanager
async def websocket_server(
    journal: Journal, options: argparse.Namespace, sessions: dict[str, Session]
) -> AsyncIterator[int]:
    """Serve WebSockets; yields the port."""

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        session = Session(
            _identity(connection.request.path), connection, journal=journal, options=options
        )
        session.note("opened", path=connection.request.path, subprotocol=connection.subprotocol)
        sessions[session.id] = session
        try:
            await session.run()
        finally:
            if sessions.get(session.id) is session:
                del sessions[session.id]
            session.note("closed", code=connection.close_code, reason=connection.close_reason)

    def process_request(connection: ServerConnection, request: Request) -> Response | None:
        if options.mode != "http_401":
            return None
        journal.write("unauthorized", identity=_identity(request.path))
        return connection.respond(HTTPStatus.UNAUTHORIZED, "who are you?\n")

    async with serve(
        handle,
        "127.0.0.1",
        options.port,
        subprotocols=None if options.mode == "no_subprotocol" else ["ocpp1.6"],  # type: ignore[list-item]
        process_request=process_request,
        compression=None,
        backlog=BACKLOG,
    ) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@contextlib.asynccontextmanager
async def cutting_server(
    journal: Journal, options: argparse.Namespace, _: dict[str, Session]
) -> AsyncIterator[int]:
    """End every connection after its HTTP request, before any answer; yields the port."""

    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            request = await reader.readuntil(b"\r\n\r\n")
            journal.write("cut", identity=_identity(request.split(b" ", 2)[1].decode()))
            if options.mode == "resets_in_handshake":
                linger_0_s = struct.pack("ii", 1, 0)  # close() sends RST instead of FIN
                writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger_0_s)
                writer.transport.abort()
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", options.port, backlog=BACKLOG)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def main(options: argparse.Namespace) -> None:
    ocpp.messages.ASYNC_VALIDATION = False  # a thread per message costs more than it validates
    journal = Journal(options.log)
    journal.write("started", mode=options.mode)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sessions: dict[str, Session] = {}
    if options.obey_stdin:
        obeying = asyncio.create_task(Orders(sessions).obey(stop))
        obeying.add_done_callback(lambda _: stop.set())
    elif options.until_stdin_closes:
        stdin = sys.stdin.fileno()
        loop.add_reader(stdin, lambda: None if os.read(stdin, 64) else stop.set())
    cuts = options.mode in ("closes_in_handshake", "resets_in_handshake")
    async with (cutting_server if cuts else websocket_server)(journal, options, sessions) as port:
        print(json.dumps({"port": port}), flush=True)
        await stop.wait()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n", 1)[0] if __doc__ else None,
        epilog="\n".join(f"{mode:22}{what}" for mode, what in MODES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--mode", choices=MODES, default="normal")
    parser.add_argument("--log", type=Path, default=Path("peer.jsonl"))
    parser.add_argument("--delay-s", type=float, default=0.5)
    parser.add_argument("--heartbeat-interval-s", type=int, default=300)
    parser.add_argument("--until-stdin-closes", action="store_true")
    parser.add_argument("--obey-stdin", action="store_true", help="send what it says, see above")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    asyncio.run(main(parse()))
