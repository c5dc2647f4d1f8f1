"""A CSMS in a child process, as a load run uses it: `async with embedded_csms() as csms`.

The other half of `control.py`. The child has an event loop and a core of its own, so that the CSMS
does not disturb the chargers' timing; it is in a session of its own, so that Ctrl-C in the terminal
reaches only the run, which stops its chargers first. It ends when its standard input ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from simfleet.csms.behaviour import GOOD, Behaviour
from simfleet.csms.broadcast import BROADCAST_MAX_S
from simfleet.csms.control import Lines
from simfleet.csms.orders import Report
from simfleet.errors import CsmsFailed, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from simfleet.csms.orders import Order

READY_TIMEOUT_S: Final = 20.0
"""From the start of the process until it listens."""
ASK_TIMEOUT_S: Final = 60.0
"""For an answer; a command's outcome may take as long as the station's CALL timeout."""
BROADCAST_TIMEOUT_S: Final = BROADCAST_MAX_S + 10.0
STOP_TIMEOUT_S: Final = 10.0
"""For the orderly end; then the child is killed."""
STDERR_KEPT_BYTES: Final = 4096
PASSWORD_VARIABLE: Final = "SIMFLEET_CSMS_PASSWORD"
"""Where the child looks for the password; its arguments can be read by anybody on the machine."""


class EmbeddedCsms:
    """A CSMS that a run starts and asks, wherever it works: `ChildCsms` in a process of its own,
    `InnerCsms` (inner.py) in this event loop. `died` is set when it ends without having been told
    to.
    """

    def __init__(self, requests: trio.abc.SendStream, answers: trio.abc.ReceiveStream) -> None:
        """Of `control.control`: what it reads, and what it writes."""
        self._requests = requests
        self._answers = answers
        self._id = 0
        self._waiting: dict[int, _Answer] = {}
        self._ready = _Answer()
        self._sending = trio.Lock()
        self.died = trio.Event()
        self.host = ""
        self.port = 0

    @property
    def url(self) -> str:
        """What a station's identity is appended to."""
        return f"ws://{self.host}:{self.port}"

    @property
    def secure_url(self) -> str:
        """The same over TLS, if it has a `pki`."""
        return f"wss://{self.host}:{self.port}"

    @property
    def failure(self) -> str | None:
        """How it ended and what it said last, if it ended without having been told to."""
        return self._how_it_ended() if self.died.is_set() else None

    async def ledger(self) -> dict[str, Any]:
        """What the CSMS counted, see docs/csms.md. Raises `CsmsFailed`, as all of these do."""
        return await self._ask("ledger")

    async def stats(self) -> dict[str, Any]:
        """`cpu_s`, `rss_bytes` and `connections` of the process it is in."""
        return await self._ask("stats")

    async def freeze(self, for_s: float) -> None:
        """Have it stop reading and answering; returns when that has begun."""
        await self._ask("freeze", for_s=for_s)

    async def behave(self, behaviour: Behaviour) -> None:
        """Have it answer so from now on, on the connections that are open as well."""
        await self._ask("behave", behaviour=behaviour)

    async def reset(self) -> None:
        """Have it forget what it counted."""
        await self._ask("reset")

    async def command(
        self, identity: str, action: str, payload: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Have it send a CALL to a station; the outcome has `failure`, `detail`, `response` and
        `took_s`. Raises `Refused` when it cannot be sent.
        """
        return await self._ask(
            "command", identity=identity, action=action, payload=dict(payload or {})
        )

    async def settle(self) -> None:
        """Have it wait no longer for what broadcasts bring about: each returns as it is."""
        await self._ask("settle")

    async def station(self, identity: str) -> dict[str, Any]:
        """What it knows of one station, see docs/csms.md. Raises `Refused` for an unknown one."""
        return await self._ask("station", identity=identity)

    async def report(self, identity: str, *, kind: str, request_id: int) -> dict[str, Any]:
        """What a station of 2.x has reported, `kind` being the action that carried it, such as
        `NotifyReport`. Raises `Refused` when nothing has come.
        """
        return await self._ask("report", identity=identity, kind=kind, request_id=request_id)

    async def broadcast(self, order: Order) -> Report:
        """Have it send a CALL to many stations; returns when all of them ended.

        Raises `Refused` when nothing can be sent.
        """
        effect_s = 0.0 if order.converged is None else order.converged.within_s
        found = await self._ask("broadcast", timeout_s=BROADCAST_TIMEOUT_S + effect_s, order=order)
        return msgspec.convert(found, Report)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────

    async def _ask(
        self, what: str, *, timeout_s: float = ASK_TIMEOUT_S, **arguments: object
    ) -> dict[str, Any]:
        if self.died.is_set():
            raise CsmsFailed(self._how_it_ended())
        self._id += 1
        ask_id = self._id
        answer = self._waiting[ask_id] = _Answer()
        line = msgspec.json.encode({"id": ask_id, "ask": what, **arguments}) + b"\n"
        try:
            with trio.fail_after(timeout_s):
                async with self._sending:
                    await self._requests.send_all(line)
                await answer.came.wait()
        except trio.TooSlowError:
            raise CsmsFailed(f"no answer to {what!r} within {timeout_s:g} s") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await self._note_death()
            raise CsmsFailed(self._how_it_ended()) from None
        finally:
            self._waiting.pop(ask_id, None)
        if answer.message is None:
            raise CsmsFailed(self._how_it_ended())
        if "error" in answer.message:
            raise Refused(f"embedded CSMS: {answer.message['error']}")
        found: dict[str, Any] = answer.message[what]
        return found

    async def _read_answers(self) -> None:
        lines = Lines(self._answers)
        while (line := await lines.next()) is not None:
            try:
                message = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError:
                continue  # a stray print; the answer it spoilt runs into its deadline
            if "ready" in message:
                self._ready.give(message)
            elif (answer := self._waiting.get(message.get("id", 0))) is not None:
                answer.give(message)
        await self._note_death()

    async def _note_death(self) -> None:
        """It answers nothing any more: tell everybody who waits."""
        for answer in (self._ready, *self._waiting.values()):
            answer.came.set()

    def _how_it_ended(self) -> str:
        return "the embedded CSMS ended"

    async def wait_ready(self) -> bool:
        """Wait until it listens; False when it will not."""
        with trio.move_on_after(READY_TIMEOUT_S):
            await self._ready.came.wait()
        if self._ready.message is None:
            return False
        ready = self._ready.message["ready"]
        self.host, self.port = ready["host"], ready["port"]
        return True


class ChildCsms(EmbeddedCsms):
    """One in a child process."""

    def __init__(self, process: trio.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        super().__init__(process.stdin, process.stdout)
        self._process = process
        self._stopping = False
        self._stderr = b""
        self._stderr_ended = trio.Event()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        async for chunk in self._process.stderr:
            self._stderr = (self._stderr + chunk)[-STDERR_KEPT_BYTES:]
        self._stderr_ended.set()

    async def _note_death(self) -> None:
        """The child's output ended: wait for its exit status, and tell everybody who waits."""
        with trio.move_on_after(STOP_TIMEOUT_S):
            await self._process.wait()
            await self._stderr_ended.wait()
        if not self._stopping:
            self.died.set()
        await super()._note_death()

    def _how_it_ended(self) -> str:
        code = self._process.returncode
        how = "does not answer" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"was killed by signal {-code}"
        said = self._stderr.decode(errors="replace").strip()
        return f"the embedded CSMS {how}" + (f"; it said:\n{said}" if said else "")

    async def stop(self) -> None:
        """End the child in an orderly way, or by force when that takes too long."""
        self._stopping = True
        with trio.CancelScope(shield=True):
            await self._requests.aclose()
            with trio.move_on_after(STOP_TIMEOUT_S):
                await self._process.wait()
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()


class _Answer:
    """A line that somebody waits for; None when it will never come."""

    __slots__ = ("came", "message")

    def __init__(self) -> None:
        self.came = trio.Event()
        self.message: dict[str, Any] | None = None

    def give(self, message: dict[str, Any]) -> None:
        self.message = message
        self.came.set()


@asynccontextmanager
async def embedded_csms(
    behaviour: Behaviour = GOOD,
    *,
    host: str = "127.0.0.1",
    password: str | None = None,
    passwords: Path | None = None,
    pki: Path | None = None,
    security_profile: int = 0,
    time_scale: float = 1.0,
) -> AsyncIterator[ChildCsms]:
    """Run a CSMS in a child process on a free port. Raises `CsmsFailed` when it does not start.

    `passwords` is a file of lines `identity:password`, `pki` a folder as `simfleet pki` makes it;
    `security_profile` is the least that stations must do, see `access.py`. Its clock runs
    `time_scale` times as fast as real time.

    The body goes on when the child dies: `died` is set, and asking raises `CsmsFailed`.
    """
    command = [sys.executable, "-m", "simfleet", "csms", "--host", host, "--port", "0"]
    command += ["--control", "--behaviour", msgspec.json.encode(behaviour).decode()]
    command += ["--security-profile", str(security_profile)]
    if time_scale != 1.0:
        command += ["--time-scale", str(time_scale)]
    if passwords is not None:
        command += ["--passwords", str(passwords)]
    if pki is not None:
        command += ["--pki", str(pki)]
    environment = dict(os.environ)
    environment.pop(PASSWORD_VARIABLE, None)
    if password is not None:
        environment[PASSWORD_VARIABLE] = password
    process = await trio.lowlevel.open_process(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=environment,
    )
    csms = ChildCsms(process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(csms._read_answers)
            nursery.start_soon(csms._read_stderr)
            if await csms.wait_ready():
                yield csms
            await csms.stop()
            nursery.cancel_scope.cancel()
    finally:
        await csms.stop()
    if not csms.port:  # raised here, where no nursery wraps it
        raise CsmsFailed(f"the embedded CSMS did not start: {csms._how_it_ended()}")
