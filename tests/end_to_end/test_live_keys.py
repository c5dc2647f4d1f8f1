"""`simfleet run` in a terminal: keys are pressed, and what they did is in the run's summary."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCENARIO: Final = """\
schema: 1
name: keys
target: {url: embedded}
fleet: [{name: ac, count: 10, id: "T-{n:02}"}]
behaviour: {think_time: 100ms..300ms, energy_kwh: 0.01..0.05, pause: 200ms..400ms}
stages: [{do: ramp, to: 5, over: 1s}, {do: hold, for: 60s}, {do: stop, over: 1s}]
"""
WAIT_S: Final = 40.0


class Terminal:
    """A terminal with a run in it. The run leads a session of its own, as under a shell."""

    def __init__(self, folder: Path, *arguments: str, columns: int = 80, rows: int = 24) -> None:
        (folder / "keys.yaml").write_text(SCENARIO)
        self.out = folder / "out"
        self._ours, self.theirs = pty.openpty()
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.modes = termios.tcgetattr(self.theirs)
        self.seen = ""
        with (folder / "stdout").open("wb") as stdout:  # a pipe would leave the keys to its reader
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", _IN_FRONT, "run", str(folder / "keys.yaml")),
                    *("--out", str(self.out), *arguments),
                ],
                stdin=self.theirs,
                stdout=stdout,
                stderr=self.theirs,
                env={**os.environ, "TERM": "xterm", "COLUMNS": str(columns), "LINES": str(rows)},
                start_new_session=True,
            )

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def until(self, text: str) -> None:
        """Wait until this is shown; what was shown before does not count any more."""
        give_up_s = time.monotonic() + WAIT_S
        while text not in self.seen:
            assert time.monotonic() < give_up_s, (text, self.seen[-3000:])
            self._read()
        self.seen = self.seen.partition(text)[2]

    def _read(self) -> None:
        if select.select([self._ours], [], [], 0.2)[0]:
            read = os.read(self._ours, 65536).decode(errors="replace")
            self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", read)  # no colours, no cursor

    def ended(self) -> int:
        give_up_s = time.monotonic() + WAIT_S
        while self.process.poll() is None:
            assert time.monotonic() < give_up_s, self.seen[-3000:]
            self._read()
        return self.process.returncode

    def as_before(self) -> bool:
        """Whether the terminal is as it was before the run."""
        return termios.tcgetattr(self.theirs) == self.modes

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode((self.out / "summary.json").read_bytes())
        return found

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for fd in (self._ours, self.theirs):
            os.close(fd)


_IN_FRONT: Final = """\
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from simfleet.__main__ import main
sys.exit(main())
"""
"""Makes the terminal its own, as a shell does, and is the command then."""


@contextlib.contextmanager
def a_terminal(folder: Path, *arguments: str, **size: int) -> Iterator[Terminal]:
    terminal = Terminal(folder, *arguments, **size)
    try:
        yield terminal
    finally:
        terminal.close()


def test_keys_change_the_run_and_are_in_its_summary(tmp_path: Path) -> None:
    with a_terminal(tmp_path) as terminal:
        terminal.until("2/3 hold 60 s")
        assert not terminal.as_before()
        terminal.press("p")
        terminal.until("paused in 'hold 60 s'")
        terminal.press("p")
        terminal.until("resumed")
        terminal.press("t7\r")
        terminal.until("target 7 charging")
        terminal.until("7 of 7 connected")
        terminal.press("r5\r")
        terminal.until("refused: nothing arrives")
        terminal.press("f2\r")
        terminal.until("1 of 7 chargers have unanswered_call")
        terminal.press("f0")
        terminal.until("all faults removed")
        terminal.press("k")
        terminal.until("cut 1 of 7 chargers off")
        terminal.press("e")
        terminal.until("ends in 1m")
        terminal.press("mc")
        terminal.until("target 7 connect")
        terminal.press("?")
        terminal.until("nobody comes, goes or begins")
        terminal.press("?s")
        assert terminal.ended() in (0, 99, 100)
        assert terminal.as_before()
        actions = terminal.summary["actions"]
        assert [(one["do"], one["done"]) for one in actions] == [
            *(("pause", True), ("resume", True), ("target", True), ("rate", False)),
            *(("fault", True), ("clear_faults", True), ("kill", True), ("extend", True)),
            *(("mode", True), ("skip", True)),
        ]
        assert {one["by"] for one in actions} == {"terminal"}
        assert terminal.summary["changed_live"] is True


def test_q_stops_in_order_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    with a_terminal(tmp_path, columns=60, rows=20) as terminal:
        terminal.until("hold 60 s")
        terminal.press("q")
        assert terminal.ended() == 130
        assert terminal.as_before()
        assert terminal.summary["ledger"]["balanced"] is True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_however_a_run_ends_the_terminal_is_as_it_was(
    tmp_path: Path, number: signal.Signals
) -> None:
    with a_terminal(tmp_path) as terminal:
        terminal.until("hold 60 s")
        terminal.process.send_signal(number)
        terminal.ended()
        assert terminal.as_before()


def test_ctrl_c_is_still_ctrl_c(tmp_path: Path) -> None:
    with a_terminal(tmp_path) as terminal:
        terminal.until("hold 60 s")
        terminal.press("\x03")
        assert terminal.ended() == 130
        assert terminal.as_before()
        assert terminal.summary["actions"] == []


def test_without_keys_the_terminal_is_left_alone(tmp_path: Path) -> None:
    with a_terminal(tmp_path, "--no-keys") as terminal:
        terminal.until("hold 60 s")
        assert terminal.as_before()
        assert "? help" not in terminal.seen
        terminal.press("\x03")
        assert terminal.ended() == 130
