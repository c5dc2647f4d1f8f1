"""Start, kill and restart the foreign CSMS of `peer_csms.py`, and read what it has seen."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from end_to_end.peer_log import read_entries, read_histories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from end_to_end.peer_log import History

PROGRAM = Path(__file__).with_name("peer_csms.py")
START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
POLL_S = 0.02
CALL_TIMEOUT_S = 15.0


class CallFailed(Exception):
    """A CALL of the peer was not answered with a CALLRESULT that the package takes."""

    def __init__(self, action: str, code: str, detail: str) -> None:
        super().__init__(f"{action}: {code} {detail}")
        self.code = code


class Peer:
    """One foreign CSMS: port and log stay the same however often its process is replaced."""

    def __init__(
        self, folder: Path, mode: str, options: tuple[str, ...], *, program: Path = PROGRAM
    ) -> None:
        self._program = program
        self.mode = mode
        self.log = folder / "peer.jsonl"
        self.complaints_log = folder / "peer.stderr"
        self.port = 0
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What stations connect to; the identity comes behind it."""
        return f"ws://127.0.0.1:{self.port}/ocpp"

    def start(self) -> None:
        """Start the process and wait until it listens, on the port it had before if it had one."""
        assert self._process is None, "it is running"
        command = [sys.executable, str(self._program), "--until-stdin-closes"]
        command += ["--mode", self.mode, "--log", str(self.log), "--port", str(self.port)]
        with self.complaints_log.open("ab") as stderr:
            # Its stdin is a pipe from us: when we die, however, it sees the end of it and goes too.
            self._process = subprocess.Popen(
                [*command, *self._options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self.port = self._announced_port(self._process)

    def _announced_port(self, process: subprocess.Popen[bytes]) -> int:
        assert process.stdout is not None
        readable, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
        line = process.stdout.readline() if readable else b""
        if not line:
            self.kill()
            raise AssertionError(f"the peer did not start: {self.complaints_log.read_text()}")
        return int(json.loads(line)["port"])

    def kill(self) -> None:
        """End the process as a power cut would: SIGKILL, no close frames. Idempotent."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def stop(self) -> None:
        """End the process in order: SIGTERM, close frames; SIGKILL if that takes too long."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
            self.kill()

    def _reap(self) -> None:
        assert self._process is not None
        process, self._process = self._process, None
        process.wait(STOP_TIMEOUT_S)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    def freeze(self) -> None:
        """Stop it from doing anything (SIGSTOP); its sockets stay open, and the kernel ACKs."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def ask(
        self, identity: str, action: str, *, timeout_s: float = CALL_TIMEOUT_S, **fields: Any
    ) -> dict[str, Any]:
        """Have it send a CALL; the fields are those of the package's dataclass, and so are those of
        the answer. Raises `CallFailed`. Only for a peer that was started with `--obey-stdin`.
        """
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        order = {"identity": identity, "call": action, "fields": fields}
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        readable, _, _ = select.select([process.stdout], [], [], timeout_s)
        line = process.stdout.readline() if readable else b""
        if not line:
            raise AssertionError(f"{action}: no word of the peer within {timeout_s:g} s")
        result: dict[str, Any] = json.loads(line)
        if "error" in result:
            raise CallFailed(action, result["error"], result.get("detail", ""))
        answer: dict[str, Any] = result["answer"]
        return answer

    def entries(self, event: str | None = None) -> list[dict[str, Any]]:
        """Its log so far, or only the entries of one kind."""
        return [entry for entry in read_entries(self.log) if event in (None, entry["event"])]

    def calls(self, action: str | None = None) -> list[dict[str, Any]]:
        """The CALLs it received, in order: entries whose frame is `[2, id, action, payload]`."""
        return [
            entry
            for entry in self.entries("received")
            if isinstance(frame := entry.get("frame"), list)
            and frame[:1] == [2]
            and action in (None, frame[2])
        ]

    def histories(self) -> dict[str, History]:
        """The whole conversation per identity."""
        return read_histories(self.log)

    def wait_until(self, holds: Callable[[Peer], bool], *, timeout_s: float = 30.0) -> None:
        """Wait until something is true of its log; fails with the end of the log otherwise."""
        give_up_s = time.monotonic() + timeout_s
        while not holds(self):
            if time.monotonic() > give_up_s:
                tail = "\n".join(map(json.dumps, self.entries()[-20:]))
                raise AssertionError(
                    f"nothing of the kind within {timeout_s:g} s; it ends:\n{tail}"
                )
            time.sleep(POLL_S)


@contextlib.contextmanager
def peer(
    folder: Path, mode: str = "normal", *options: str, program: Path = PROGRAM
) -> Iterator[Peer]:
    """A running foreign CSMS, gone at the end whatever happens. `options` are its program's."""
    one = Peer(folder, mode, options, program=program)
    one.start()
    try:
        yield one
    finally:
        one.kill()
