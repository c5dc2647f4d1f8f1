"""Type `simfleet ...` as somebody does who has just installed it."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
SIMFLEET = Path(sys.executable).with_name("simfleet")
"""The command that installing makes, beside the Python that runs the tests."""
TIMEOUT_S = 60.0
SHORT = {
    **{"ramp": "200ms", "hold": "1500ms", "stop": "200ms"},
    **{"soak": "1500ms", "sessions": "2s"},
}
"""How long a stage takes here: enough for a session, a moment for a test."""


@dataclass(frozen=True)
class Ended:
    """A command that is over."""

    code: int
    stdout: str
    stderr: str

    def __str__(self) -> str:
        """What somebody needs who reads a failed test."""
        return f"exit code {self.code}\n{self.stdout[-2000:]}\n{self.stderr[-2000:]}"


def typed(words: Sequence[str], *, folder: Path, stdout: Path | None = None) -> Ended:
    """`simfleet` and `words`, typed in `folder`; `stdout` is where `>` leads."""
    ended = subprocess.run(
        [str(SIMFLEET), *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if stdout is not None:
        stdout.write_text(ended.stdout, encoding="utf-8")
    return Ended(ended.returncode, ended.stdout, ended.stderr)


@contextmanager
def listening_csms(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`simfleet csms` on a free port, and its address without a path; ended with the block."""
    with subprocess.Popen(
        [str(SIMFLEET), "csms", *options, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"wss?://127\.0\.0\.1:\d+", said)
            assert found, said
            yield process, found[0]
        finally:
            process.kill()


def ended_politely(process: subprocess.Popen[str]) -> Ended:
    """How a CSMS ends that is asked to."""
    process.send_signal(signal.SIGTERM)
    stdout, stderr = process.communicate(timeout=TIMEOUT_S)
    return Ended(process.returncode, stdout, stderr)


def shortened(scenario: Path, *, chargers: int | None = 8) -> list[str]:
    """Options that make a run of a scenario a matter of seconds, its sessions included."""
    stages = yaml.safe_load(scenario.read_text(encoding="utf-8"))["stages"]
    values = [
        f"stages[{number}].{'for' if 'for' in stage else 'over'}={SHORT[stage['do']]}"
        for number, stage in enumerate(stages)
    ]
    values.append("behaviour.think_time=50ms..200ms")
    options = [word for value in values for word in ("--set", value)]
    return options if chargers is None else [*options, "--chargers", str(chargers)]


def words_of(line: str) -> tuple[list[str], str | None]:
    """The words after `simfleet` of a command line, and the file that `>` leads to."""
    words = shlex.split(line)
    assert words[0] == "simfleet", line
    if ">" in words:
        assert words[-2] == ">", line
        return words[1:-2], words[-1]
    return words[1:], None
