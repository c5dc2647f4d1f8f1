"""Start the real `simfleet run`, signal it, and read what it left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
END_TIMEOUT_S = 45.0

SCENARIO = """\
schema: 1
name: {name}
seed: 5
target: {{url: embedded{target_options}}}
fleet:
  - {{name: all, count: {chargers}, id: "SIM-{{n:03}}", version: ocpp1.6, type: AC,
     max_power_kw: 22, connectors: {connectors}, configuration: {{{configuration}}}}}
behaviour: {{think_time: 100ms..400ms, energy_kwh: {energy_kwh}, pause: 500ms..1s}}
stages: [{stages}]
thresholds: {{{thresholds}}}
"""


def write_scenario(
    folder: Path,
    *,
    chargers: int = 5,
    connectors: int = 1,
    meter_interval_s: int = 1,
    energy_kwh: str = "20..40",
    mode: str = "charging",
    ramp_s: float = 0.3,
    hold_s: float = 3,
    stop_s: float = 0.3,
    configuration: str = "",
    thresholds: str = "",
    target_options: str = "",
) -> Path:
    """A scenario of ramp, hold and stop; with 20 kWh and more no car is full before the stop."""
    path = folder / "scenario.yaml"
    path.write_text(
        SCENARIO.format(
            name="end-to-end",
            chargers=chargers,
            connectors=connectors,
            configuration=f"MeterValueSampleInterval: {meter_interval_s}{configuration}",
            energy_kwh=energy_kwh,
            stages=(
                f"{{do: ramp, to: {chargers}, over: {ramp_s}s, mode: {mode}}}, "
                f"{{do: hold, for: {hold_s}s}}, {{do: stop, over: {stop_s}s}}"
            ),
            thresholds=thresholds,
            target_options=target_options,
        ),
        encoding="utf-8",
    )
    return path


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "summary.json").read_text("utf-8"))
        return found

    @property
    def problems(self) -> list[dict[str, Any]]:
        lines = (self.folder / "errors.jsonl").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def __str__(self) -> str:
        """What somebody needs who reads a failed test."""
        return f"exit code {self.code}\n{self.stdout[-2000:]}\n{self.stderr[-3000:]}"


class RunProcess:
    """A `simfleet run` in progress."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self.folder = folder

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the run alone, as `kill` does."""
        self._process.send_signal(number)

    def interrupt_twice(self) -> None:
        """Ctrl-C, and a moment later again; two at the same moment would count as one."""
        self.signal(signal.SIGINT)
        time.sleep(0.7)
        self.signal(signal.SIGINT)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, *, timeout_s: float = END_TIMEOUT_S) -> Ended:
        """Wait for its end."""
        stdout, stderr = self._process.communicate(timeout=timeout_s)
        return Ended(self._process.returncode, stdout, stderr, self.folder)


def command(*arguments: str) -> list[str]:
    """A `simfleet` command line with this interpreter."""
    return [sys.executable, "-m", "simfleet", *arguments]


@contextmanager
def running(
    scenario: Path, *arguments: str, target: str | None = None, folder: Path | None = None
) -> Iterator[RunProcess]:
    """A run in a process group of its own, ended by force when the block is left."""
    out = folder if folder is not None else scenario.parent / "run"
    given = ["--out", str(out), *arguments, *(("--target", target) if target else ())]
    process = subprocess.Popen(
        command("run", str(scenario), *given),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield RunProcess(process, out)
    finally:
        process.kill()
        process.communicate()


def run(
    scenario: Path, *arguments: str, target: str | None = None, folder: Path | None = None
) -> Ended:
    """A whole run."""
    with running(scenario, *arguments, target=target, folder=folder) as process:
        return process.wait()


def simfleet(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Any command, to its end."""
    return subprocess.run(
        command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
