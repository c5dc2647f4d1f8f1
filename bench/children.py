"""Child processes that are measured: on a core of their own, asked in JSON lines, always ended.

A child prints one JSON object when it is ready. A line on its stdin asks for another one; the end
of its stdin tells it to go, so that no child outlives a benchmark that was killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec
import psutil

from bench.machine import pin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
ANSWER_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0


class ChildFailed(Exception):
    """A child ended, or said nothing in time."""


class Child:
    """A running child. CPU time counts all its threads, user and system."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        core: int | None = None,
        environment: Mapping[str, str] | None = None,
        stderr: int | None = None,
        stops_on_stdin: bool = True,
    ) -> None:
        """Start `command` from the root of the checkout, on `core` if that is given.

        `stops_on_stdin` says whether the end of its stdin ends it; otherwise SIGTERM does.
        """
        self.name = " ".join(command[:4])
        self._stops_on_stdin = stops_on_stdin
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            preexec_fn=partial(pin, core),
        )
        self._stats = psutil.Process(self._process.pid)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def hear(self, *, timeout_s: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
        """The next JSON object it prints. Raises ChildFailed when none comes."""
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], timeout_s)
        if not readable:
            raise ChildFailed(f"{self.name}: said nothing for {timeout_s:g} s")
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait(STOP_TIMEOUT_S)
            raise ChildFailed(f"{self.name}: ended with exit code {code}")
        heard: dict[str, Any] = msgspec.json.decode(line)
        return heard

    def ask(self, question: str = "") -> dict[str, Any]:
        """Send a line and hear the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(question.encode() + b"\n")
        self._process.stdin.flush()
        return self.hear()

    def cpu_s(self) -> float:
        """CPU seconds it has used so far, in steps of 10 ms."""
        times = self._stats.cpu_times()
        return float(times.user + times.system)

    def rss_bytes(self) -> int:
        """Its resident memory now."""
        return int(self._stats.memory_info().rss)

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def freeze(self) -> None:
        """Stop it (SIGSTOP): its sockets stay open and the kernel goes on acknowledging."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def wait(self, *, timeout_s: float) -> tuple[int, bytes]:
        """Wait for its end; the exit code and what it printed that was not heard yet."""
        output, _ = self._process.communicate(timeout=timeout_s)
        return self._process.returncode, output

    def stop(self) -> None:
        """End it: as it wants to be ended, else by force. Idempotent."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if not self._stops_on_stdin:
            self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]
