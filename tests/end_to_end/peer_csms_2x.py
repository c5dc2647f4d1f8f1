"""A CSMS of OCPP 2.0.1 and 2.1 that is not ours: the `ocpp` package's on asyncio `websockets`.

As `peer_csms.py`, whose log it writes: one program for both versions, by the subprotocol that a
station asks for. `--mode commands` sends every station a round of CALLs once it is Accepted; how
each ended is in the log as an entry `commanded`; with `--obey-stdin` it sends what it is told to,
as `peer_csms.py` does. Every frame in both directions is checked against the schemas of the
package.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import ocpp.messages  # type: ignore[import-untyped]
import ocpp.v21  # type: ignore[import-untyped]
import ocpp.v201  # type: ignore[import-untyped]
from ocpp.routing import on  # type: ignore[import-untyped]
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

sys.path.insert(0, str(Path(__file__).parents[1]))
from end_to_end.peer_csms import Journal, Orders, _now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.asyncio.server import ServerConnection

ANSWER_TIMEOUT_S = 10.0
EMPTY = (
    "StatusNotification",
    "MeterValues",
    "NotifyReport",
    "NotifyMonitoringReport",
    "NotifyEvent",
    "NotifyDisplayMessages",
    "NotifyCustomerInformation",
    "ReportChargingProfiles",
    "LogStatusNotification",
    "FirmwareStatusNotification",
    "SecurityEventNotification",
    "ReservationStatusUpdate",
    "PublishFirmwareStatusNotification",
    "NotifyChargingLimit",
    "ClearedChargingLimit",
    "ClosePeriodicEventStream",
    "NotifyDERAlarm",
    "NotifyDERStartStop",
    "NotifyPriorityCharging",
    "ReportDERControl",
    "BatterySwap",
)
"""What is answered with nothing; some of it only in 2.1."""
ACCEPTED = (
    "SignCertificate",
    "OpenPeriodicEventStream",
    "PullDynamicScheduleUpdate",
)
"""What is answered with Accepted and nothing else."""
TAG = {"id_token": "0123456789ABCD", "type": "ISO14443"}
HEARTBEATS = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "HeartbeatInterval"},
}


class Answers:
    """What a central system of 2.x says; the base class of both versions' sessions."""

    number: int
    journal: Journal
    results: Any
    calls: Any
    interval_s: int
    commands: bool

    def note(self, event: str, **fields: object) -> None:
        identity: str = self.id  # type: ignore[attr-defined]
        self.journal.write(event, identity=identity, connection=self.number, **fields)

    @on("BootNotification")  # type: ignore[untyped-decorator]
    def on_boot(self, **_: object) -> Any:
        return self.results.BootNotification(
            current_time=_now(), interval=self.interval_s, status="Accepted"
        )

    @on("Heartbeat")  # type: ignore[untyped-decorator]
    def on_heartbeat(self, **_: object) -> Any:
        return self.results.Heartbeat(current_time=_now())

    @on("Authorize")  # type: ignore[untyped-decorator]
    def on_authorize(self, **_: object) -> Any:
        return self.results.Authorize(id_token_info={"status": "Accepted"})

    @on("TransactionEvent")  # type: ignore[untyped-decorator]
    def on_event(self, **told: object) -> Any:
        info = {"status": "Accepted"} if told.get("id_token") else None
        return self.results.TransactionEvent(id_token_info=info)

    @on("DataTransfer")  # type: ignore[untyped-decorator]
    def on_data_transfer(self, **_: object) -> Any:
        return self.results.DataTransfer(status="UnknownVendorId")

    def round(self) -> Iterator[Any]:
        """CALLs of the standard's everyday, in an order that works on an idle station."""
        c = self.calls
        yield c.GetBaseReport(request_id=1, report_base="FullInventory")
        yield c.GetVariables(get_variable_data=[HEARTBEATS])
        yield c.SetVariables(set_variable_data=[{**HEARTBEATS, "attribute_value": "77"}])
        yield c.GetVariables(get_variable_data=[HEARTBEATS])
        yield c.GetLocalListVersion()
        yield c.SendLocalList(version_number=1, update_type="Full")
        yield c.GetTransactionStatus()
        yield c.TriggerMessage(requested_message="Heartbeat")
        yield c.TriggerMessage(
            requested_message="StatusNotification", evse={"id": 1, "connector_id": 1}
        )
        yield c.ChangeAvailability(operational_status="Inoperative", evse={"id": 1})
        yield c.ChangeAvailability(operational_status="Operative", evse={"id": 1})
        schedule = {
            "id": 1,
            "charging_rate_unit": "A",
            "charging_schedule_period": [{"start_period": 0, "limit": 16.0}],
        }
        profile = {
            "id": 1,
            "stack_level": 0,
            "charging_profile_purpose": "TxDefaultProfile",
            "charging_profile_kind": "Absolute",
            "charging_schedule": [{**schedule, "start_schedule": _now()}],
        }
        yield c.SetChargingProfile(evse_id=1, charging_profile=profile)
        yield c.GetChargingProfiles(request_id=2, charging_profile={})
        yield c.ClearChargingProfile(charging_profile_id=1)
        yield c.RequestStartTransaction(id_token=TAG, remote_start_id=5, evse_id=1)
        yield c.RequestStopTransaction(transaction_id="no-such-transaction")

    async def command(self) -> None:
        """Send the round, one after the other."""
        for request in self.round():
            name = type(request).__name__
            try:
                answer = await self.call(request, suppress=False)  # type: ignore[attr-defined]
            except Exception as problem:
                self.note("commanded", action=name, problem=repr(problem))
            else:
                self.note("commanded", action=name, answer=_plain(answer))

    def noted_send(self, message: str) -> None:
        self.note("sent", frame=json.loads(message))


def _plain(answer: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(answer).items() if value is not None}


def _answers(package: Any) -> type[Any]:
    """The session of one version: the package's ChargePoint with our answers."""

    class Session(Answers, package.ChargePoint):  # type: ignore[misc]
        calls, results = package.call, package.call_result

        async def _send(self, message: str) -> None:
            self.noted_send(message)
            await super()._send(message)

    def plain(name: str, **fields: str) -> Any:
        def answer(self: Answers, **_: object) -> Any:
            return getattr(package.call_result, name)(**fields)

        answer.__name__ = f"on_{name}"
        return on(name)(answer)

    for name in filter(vars(package.call).__contains__, EMPTY):
        setattr(Session, f"on_{name}", plain(name))
    for name in filter(vars(package.call).__contains__, ACCEPTED):
        setattr(Session, f"on_{name}", plain(name, status="Accepted"))
    return Session


SESSIONS = {"ocpp2.0.1": _answers(ocpp.v201), "ocpp2.1": _answers(ocpp.v21)}


async def _converse(session: Any, connection: ServerConnection) -> None:
    """Read while we answer, and while our CALLs wait."""
    tasks = set()
    try:
        async for message in connection:
            text = message if isinstance(message, str) else message.decode(errors="replace")
            frame = json.loads(text)
            session.note("received", frame=frame)
            await session.route_message(text)
            if session.commands and frame[:1] == [2] and frame[2] == "StatusNotification":
                session.commands = False
                tasks.add(asyncio.create_task(session.command()))
    except ConnectionClosed as closed:
        session.note("lost", reason=str(closed))
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def handle(
    journal: Journal,
    options: argparse.Namespace,
    sessions: dict[str, Any],
    link: ServerConnection,
) -> None:
    """One connection."""
    assert link.request is not None
    assert link.subprotocol is not None
    identity = unquote(link.request.path.rsplit("/", 1)[-1])
    session = SESSIONS[link.subprotocol](identity, link, response_timeout=ANSWER_TIMEOUT_S)
    session.number, session.journal = next(journal.connections), journal
    session.interval_s = options.heartbeat_interval_s
    session.commands = options.mode == "commands"
    session.note("opened", path=link.request.path, subprotocol=link.subprotocol)
    sessions[identity] = session
    try:
        await _converse(session, link)
    finally:
        if sessions.get(identity) is session:
            del sessions[identity]
        session.note("closed", code=link.close_code, reason=link.close_reason)


async def main(options: argparse.Namespace) -> None:
    ocpp.messages.ASYNC_VALIDATION = False  # a thread per message costs more than it validates
    journal = Journal(options.log)
    journal.write("started", mode=options.mode)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sessions: dict[str, Any] = {}
    if options.obey_stdin:
        obeying = asyncio.create_task(Orders(sessions, lambda session: session.calls).obey(stop))
        obeying.add_done_callback(lambda _: stop.set())
    elif options.until_stdin_closes:
        stdin = sys.stdin.fileno()
        loop.add_reader(stdin, lambda: None if os.read(stdin, 64) else stop.set())
    async with serve(
        partial(handle, journal, options, sessions),
        "127.0.0.1",
        options.port,
        subprotocols=list(SESSIONS),  # type: ignore[arg-type]
        compression=None,
    ) as server:
        print(json.dumps({"port": next(iter(server.sockets)).getsockname()[1]}), flush=True)
        await stop.wait()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--mode", choices=("normal", "commands"), default="normal")
    parser.add_argument("--log", type=Path, default=Path("peer.jsonl"))
    parser.add_argument("--heartbeat-interval-s", type=int, default=300)
    parser.add_argument("--until-stdin-closes", action="store_true")
    parser.add_argument("--obey-stdin", action="store_true", help="send what it says, see above")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    asyncio.run(main(parse()))
