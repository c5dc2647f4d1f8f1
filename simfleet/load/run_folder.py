"""The folder a run leaves behind: `summary.json`, `run.hlog`, `errors.jsonl`, `manifest.json`.

Made before anything is started, so that a folder that cannot be written refuses the run instead of
losing its results.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

import msgspec

from simfleet import __version__
from simfleet.clock import iso, utc
from simfleet.errors import UsageWrong
from simfleet.observe.hlog import HistogramLog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from simfleet.fleet.recorder import Problem
    from simfleet.load.schema1 import Scenario

RUNS: Final = Path("runs")
"""Where run folders go unless told otherwise."""
ERROR_LINES_MAX: Final = 10_000
"""Lines in `errors.jsonl`; the last one then says how many more there were."""
_PACKAGES: Final = ("trio", "websockets", "trio-websocket", "ocpp", "msgspec", "hdrhistogram")
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)


class RunFolder:
    """See the module. Use as a context manager; `problem` may be called at any time within."""

    def __init__(self, path: Path, *, start_wall_s: float, comments: Sequence[str]) -> None:
        self.path = path
        self._lines = 0
        self._skipped = 0
        self._hlog = HistogramLog(path / "run.hlog", start_wall_s=start_wall_s, comments=comments)
        self._errors: TextIO = (path / "errors.jsonl").open("w", encoding="utf-8")

    @classmethod
    def create(cls, path: Path | None, *, name: str, start_wall_s: float) -> Self:
        """Make the folder. Raises `UsageWrong` when it cannot be written or holds something."""
        if path is None:
            path = _free(RUNS / f"{name}-{utc(start_wall_s):%Y%m%d-%H%M%S}")
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise UsageWrong(f"--out: {path} is not empty; name a new folder")
            return cls(path, start_wall_s=start_wall_s, comments=[f"simfleet {__version__} {name}"])
        except OSError as error:
            reason = error.strerror or error
            raise UsageWrong(f"--out: cannot write to {path}: {reason}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hlog.close()
        if self._skipped:
            self._errors.write(f'{{"kind":"more","detail":"{self._skipped} problems not kept"}}\n')
        self._errors.close()

    @property
    def hlog(self) -> HistogramLog:
        """The interval histograms."""
        return self._hlog

    def problem(self, problem: Problem) -> None:
        """Write one line of `errors.jsonl`."""
        if self._lines >= ERROR_LINES_MAX:
            self._skipped += 1
            return
        self._lines += 1
        line = {
            "at": iso(problem.at_wall_s),
            "charger": problem.charger_id,
            "kind": problem.kind,
            "detail": problem.detail,
        }
        self._errors.write(_ENCODER.encode(line).decode() + "\n")

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file, readable by people."""
        text = msgspec.json.format(_ENCODER.encode(content), indent=2)
        (self.path / name).write_bytes(text + b"\n")


def manifest(
    scenario: Scenario, *, source: bytes, arguments: Sequence[str], began_wall_s: float
) -> dict[str, Any]:
    """What is needed to repeat a run: scenario, seed, versions, limits, host. No secrets."""
    target = msgspec.structs.replace(scenario.target, password=None)
    return {
        "schema": 1,
        "scenario": msgspec.to_builtins(msgspec.structs.replace(scenario, target=target)),
        "scenario_sha256": hashlib.sha256(source).hexdigest(),
        "seed": scenario.seed,
        "arguments": list(arguments),
        "began": iso(began_wall_s),
        "versions": {
            "simfleet": __version__,
            "python": sys.version.split()[0],
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        "host": {
            "system": platform.platform(),
            "cpus": os.cpu_count(),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        },
    }


def _free(path: Path) -> Path:
    """The path, or with a number behind it when it is taken."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
