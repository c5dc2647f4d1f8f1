"""Asking and commanding a CSMS from another process: JSON lines over a pair of streams.

The first line written is `{"ready": {"host": ..., "port": ...}}`. Then each line read is a request
`{"id": 1, "ask": "ledger"}`, and each gets one line with its `id` and either a member named like
what was asked or `"error"`. Answers may come in another order than the requests. The end of the
input ends the CSMS: a parent that dies leaves no orphan.

    {"id": 1, "ask": "ledger"}                  {"id": 1, "ledger": {...}}
    {"id": 2, "ask": "freeze", "for_s": 5}      {"id": 2, "freeze": {"for_s": 5.0}}
    {"id": 3, "ask": "stats"}                   {"id": 3, "stats": {"cpu_s": ..., ...}}
    {"id": 4, "ask": "reset"}                   {"id": 4, "reset": {}}
    {"id": 5, "ask": "command", "identity": "CP-1", "action": "Reset", "payload": {"type": "Soft"}}
                                                {"id": 5, "command": {"failure": null, ...}}
    {"id": 6, "ask": "broadcast", "order": {"action": "ClearCache", "share": 0.5}}
                                                {"id": 6, "broadcast": {"sent": 7, ...}}
    {"id": 9, "ask": "settle"}                  {"id": 9, "settle": {}}
    {"id": 7, "ask": "report", "identity": "CP-1", "kind": "NotifyReport", "request_id": 4}
                                                {"id": 7, "report": {"items": [...], ...}}
    {"id": 8, "ask": "behave", "behaviour": {"drop": 0.1}}
                                                {"id": 8, "behave": {}}
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import psutil
import trio
from msgspec import Meta, Struct

from simfleet.clock import cpu_s
from simfleet.csms.behaviour import Behaviour
from simfleet.csms.broadcast import Counter, Pace, broadcast
from simfleet.csms.description import described, reported
from simfleet.csms.orders import Order, request_of
from simfleet.csms.server import FREEZE_MAX_S
from simfleet.errors import ProtocolViolation, Refused

if TYPE_CHECKING:
    from simfleet.csms.server import Csms
    from simfleet.ocpp.results import Outcome
    from simfleet.ocpp.wire import Wire

LINE_MAX_BYTES: Final = 1024 * 1024
COMMANDS_MAX: Final = 1000
"""Commands to stations that may be waiting for their outcome at the same time."""


class Ask(Struct, forbid_unknown_fields=True, tag_field="ask"):
    """What every request has. `id` comes back with the answer."""

    id: int | str


class AskLedger(Ask, tag="ledger"):
    """What the CSMS counted."""


class AskStats(Ask, tag="stats"):
    """What the process costs."""


class AskReset(Ask, tag="reset"):
    """Forget what was counted."""


class AskSettle(Ask, tag="settle"):
    """Wait no longer for what broadcasts bring about; answered at once, and so are they."""


class AskFreeze(Ask, tag="freeze"):
    """Stop reading and answering for a while; answered at once."""

    for_s: Annotated[float, Meta(ge=0, le=FREEZE_MAX_S)]


class AskBehave(Ask, tag="behave"):
    """Answer otherwise from now on, on the connections that are open as well."""

    behaviour: Behaviour


class AskCommand(Ask, tag="command"):
    """Send a CALL to a station; answered when it ended."""

    identity: str
    action: str
    payload: dict[str, Any] = {}


class AskBroadcast(Ask, tag="broadcast"):
    """Send a CALL to many stations; answered when all of them ended."""

    order: Order


class AskStation(Ask, tag="station"):
    """What is known of one station."""

    identity: str


class AskReport(Ask, tag="report"):
    """What a station of 2.x has reported in parts: `kind` is the action that carried it."""

    identity: str
    kind: str
    request_id: int


_ENCODE: Final = msgspec.json.Encoder().encode
_READ: Final = msgspec.json.Decoder(
    AskLedger
    | AskStats
    | AskReset
    | AskSettle
    | AskFreeze
    | AskBehave
    | AskCommand
    | AskBroadcast
    | AskStation
    | AskReport
).decode


async def control(
    csms: Csms,
    requests: trio.abc.ReceiveStream,
    answers: trio.abc.SendStream,
    *,
    host: str,
    port: int,
) -> None:
    """Say ready, then answer requests until their stream ends or nobody reads the answers."""
    desk = _Desk(csms, answers)
    try:
        await desk.say({"ready": {"host": host, "port": port}})
        async with trio.open_nursery() as nursery:
            lines = Lines(requests)
            while (line := await lines.next()) is not None:
                await desk.answer(line, nursery)
            nursery.cancel_scope.cancel()  # nobody is left to hear how commands end
    except* trio.BrokenResourceError:
        pass  # the parent is gone, which ends us as the end of the input does


class Lines:
    """The lines of a stream, one at a time; blank ones are left out.

    A line over `LINE_MAX_BYTES` comes cut, and its rest is skipped. (Not an async generator: one
    that is abandoned by a cancelled task would be finished by the collector.)
    """

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._complete: deque[bytes] = deque()
        self._rest = bytearray()
        self._skipping = False

    async def next(self) -> bytes | None:
        """The next line without its end; None at the end of the stream."""
        while not self._complete:
            chunk = await self._stream.receive_some()
            if not chunk:
                return None
            self._take(chunk)
        return self._complete.popleft()

    def _take(self, chunk: bytes | bytearray) -> None:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = bytes(self._rest + end)
            self._rest.clear()
            if not self._skipping and line.strip():
                self._complete.append(line)
            self._skipping = False
        self._rest += rest
        if len(self._rest) > LINE_MAX_BYTES:
            if not self._skipping:
                self._complete.append(bytes(self._rest[:LINE_MAX_BYTES]))
            self._rest.clear()
            self._skipping = True


class _Desk:
    """Reads one request, does it, writes one answer."""

    def __init__(self, csms: Csms, answers: trio.abc.SendStream) -> None:
        self._csms = csms
        self._answers = answers
        self._lock = trio.Lock()
        self._commands = 0
        self._pace, self._numbers = Pace(), Counter()
        self._process = psutil.Process()

    async def say(self, message: dict[str, object]) -> None:
        """Write one line."""
        async with self._lock:
            await self._answers.send_all(_ENCODE(message) + b"\n")

    async def answer(self, line: bytes, nursery: trio.Nursery) -> None:
        """Do what one line asks; what takes time goes on in the nursery."""
        try:
            request = _READ(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            await self.say({"id": _id_in(line), "error": f"not a request: {error}"})
            return
        match request:
            case AskCommand():
                await self._begin(request, nursery)
            case AskBroadcast():
                await self._begin_broadcast(request, nursery)
            case AskStation():
                await self.say(self._station(request))
            case AskReport():
                await self.say(self._report(request))
            case AskLedger():
                await self.say({"id": request.id, "ledger": self._csms.ledger()})
            case AskStats():
                await self.say({"id": request.id, "stats": self._stats()})
            case AskReset():
                self._csms.book.reset()
                await self.say({"id": request.id, "reset": {}})
            case AskBehave():
                self._csms.behave(request.behaviour)
                await self.say({"id": request.id, "behave": {}})
            case AskSettle():
                self._csms.settle()
                await self.say({"id": request.id, "settle": {}})
            case AskFreeze():
                self._csms.freeze(request.for_s)
                await self.say({"id": request.id, "freeze": {"for_s": request.for_s}})

    async def _begin(self, request: AskCommand, nursery: trio.Nursery) -> None:
        try:
            wire = request_of(
                request.action, request.payload, version=self._csms.version_of(request.identity)
            )
            if self._commands >= COMMANDS_MAX:
                raise Refused(f"{COMMANDS_MAX} commands are waiting already")
        except (ProtocolViolation, Refused) as error:
            await self.say({"id": request.id, "error": str(error)})
            return
        self._commands += 1
        nursery.start_soon(self._command, request, wire)

    async def _command(self, request: AskCommand, wire: Wire) -> None:
        try:
            outcome = await self._csms.command(request.identity, wire)
        except Refused as error:
            await self.say({"id": request.id, "error": str(error)})
        else:
            await self.say({"id": request.id, "command": _outcome(outcome)})
        finally:
            self._commands -= 1

    async def _begin_broadcast(self, request: AskBroadcast, nursery: trio.Nursery) -> None:
        if self._commands >= COMMANDS_MAX:
            error = f"{COMMANDS_MAX} commands are waiting already"
            await self.say({"id": request.id, "error": error})
            return
        self._commands += 1
        nursery.start_soon(self._broadcast, request)

    async def _broadcast(self, request: AskBroadcast) -> None:
        try:
            report = await broadcast(
                self._csms, request.order, pace=self._pace, numbers=self._numbers
            )
        except (Refused, ProtocolViolation, ValueError) as error:
            await self.say({"id": request.id, "error": str(error)})
        else:
            await self.say({"id": request.id, "broadcast": report})
        finally:
            self._commands -= 1

    def _station(self, request: AskStation) -> dict[str, object]:
        book = self._csms.book
        record = book.stations.get(request.identity)
        if record is None:
            return {"id": request.id, "error": f"no station {request.identity!r} has come yet"}
        return {"id": request.id, "station": described(record, book)}

    def _report(self, request: AskReport) -> dict[str, object]:
        record = self._csms.book.stations.get(request.identity)
        report = None if record is None else reported(record, request.kind, request.request_id)
        if report is None:
            asked = f"{request.kind} {request.request_id}"
            return {"id": request.id, "error": f"{request.identity!r} has reported no {asked}"}
        return {"id": request.id, "report": report}

    def _stats(self) -> dict[str, object]:
        return {
            "cpu_s": cpu_s(),
            "rss_bytes": self._process.memory_info().rss,
            "connections": self._csms.connected,
        }


def _outcome(outcome: Outcome) -> dict[str, object]:
    sent_s = outcome.due_s if outcome.sent_s is None else outcome.sent_s
    return {
        "action": outcome.action.name,
        "failure": outcome.failure,
        "detail": outcome.detail,
        "response": outcome.response,
        "took_s": outcome.done_s - sent_s,
    }


def _id_in(line: bytes) -> object:
    """The id in a line that is no request, as far as there is one."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    identity = found.get("id") if isinstance(found, dict) else None
    return identity if isinstance(identity, int | str) else None
