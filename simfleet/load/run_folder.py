"""The folder a run leaves behind: `summary.json`, `run.hlog`, `errors.jsonl`, `manifest.json`.

Made before anything is started, so that a folder that cannot be written refuses the run instead of
losing its results.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import resource
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

import msgspec

from simfleet import __version__
from simfleet.clock import iso, utc
from simfleet.errors import UsageWrong
from simfleet.load.cases.frames import without_secrets
from simfleet.load.fleet_digest import fleet_block
from simfleet.load.fleet_plans import plans_of
from simfleet.load.results.whole_files import write_whole
from simfleet.load.secrets import HIDDEN, Redactor
from simfleet.load.written import SECRET_KEYS as _SECRET_KEYS
from simfleet.observe.hlog import HistogramLog

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.fleet.recorder import Problem
    from simfleet.fleet.troubled import Frame
    from simfleet.load.schema1 import Scenario
    from simfleet.observe.histogram import FastHistogram

RUNS: Final = Path("runs")
"""Where run folders go unless told otherwise."""
ERROR_LINES_MAX: Final = 10_000
"""Lines in `errors.jsonl`; the last one then says how many more there were."""
KIND_MAX_CHARS: Final = 120
"""Longer kinds are cut: they hold error codes, which the CSMS makes up."""
_PACKAGES: Final = ("trio", "websockets", "trio-websocket", "ocpp", "msgspec", "hdrhistogram")
_FILES: Final = (
    *("manifest.json", "summary.json", "run.hlog", "errors.jsonl"),
    *("timeline.csv", "actions.csv", "report.html", "junit.xml", "summary.md"),
    "schedule.csv",
)
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)


class RunFolder:
    """See the module. Use as a context manager; `problem` may be called at any time within.

    A file that can no longer be written (a full disk) does not end the run: `damage` says so.
    """

    def __init__(self, path: Path, *, start_wall_s: float, comments: Sequence[str]) -> None:
        self.path = path
        self.damage: str | None = None
        """Why the files are not complete, if they are not."""
        self.redactor = Redactor()
        """What takes the secrets of the run out of everything that is written."""
        self.problems_kept = 0
        """Problems written to `errors.jsonl`."""
        self._problems_skipped = 0
        self._new: list[Path] = []
        """Folders that were made for this run, innermost first."""
        self._hlog = HistogramLog(path / "run.hlog", start_wall_s=start_wall_s, comments=comments)
        self._errors: TextIO = (path / "errors.jsonl").open("w", encoding="utf-8")
        self._tables: dict[str, TextIO | None] = {}
        """Files that `append` has opened; None: cannot be written any more."""

    @classmethod
    def create(
        cls,
        path: Path | None,
        *,
        name: str,
        start_wall_s: float,
        simulated_wall_s: float | None = None,
    ) -> Self:
        """Make the folder. `simulated_wall_s` is when the run begins by its own clock, if that is
        not the real one. Raises `UsageWrong` when it cannot be written or holds something.
        """
        wanted = RUNS / f"{name}-{utc(start_wall_s):%Y%m%d-%H%M%S}" if path is None else path
        new = [one for one in wanted.parents if not one.exists()]
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            if path is None or not path.exists():
                wanted = _made(wanted, alone=path is None)
                new.insert(0, wanted)
            elif any(path.iterdir()):
                raise UsageWrong(f"--out: {path} is not empty; name a new folder")
            comments = [f"simfleet {__version__} {name}"]
            try:
                began_s = start_wall_s if simulated_wall_s is None else simulated_wall_s
                folder = cls(wanted, start_wall_s=began_s, comments=comments)
            except OSError:
                _remove(wanted, new)
                raise
        except OSError as error:
            reason = error.strerror or error
            if error.filename not in (None, str(wanted)):
                reason = f"{error.filename}: {reason}"
            raise UsageWrong(f"--out: cannot write to {wanted}: {reason}") from None
        folder._new = new
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._problems_skipped:
            self._write_line("", "more", f"{self._problems_skipped} problems not kept", at=None)
        self._close()

    def discard(self) -> None:
        """Remove what was made: the run was refused, so nothing is changed."""
        self._problems_skipped = 0
        self._close()
        _remove(self.path, self._new)

    def _close(self) -> None:
        files = {"run.hlog": self._hlog, "errors.jsonl": self._errors, **self._tables}
        for name, file in files.items():
            try:
                if file is not None:
                    file.close()
            except OSError as failure:
                self._spoil(name, failure)

    def intervals(self, intervals: list[FastHistogram]) -> None:
        """Write interval histograms to `run.hlog`. May be called in a worker thread."""
        try:
            self._hlog.write(intervals)
        except OSError as failure:
            self._spoil("run.hlog", failure)

    def append(self, name: str, text: str) -> None:
        """Write whole lines to the end of a file of this run, whose first lines make it. After a
        failure nothing more is written to it: what is there has no gap. May be called in a worker
        thread, by one at a time.
        """
        try:
            file = self._tables.get(name)
            if file is None:
                if name in self._tables:
                    return
                file = (self.path / name).open("w", encoding="utf-8", newline="\n")
                self._tables[name] = file
            file.write(text)
            file.flush()
        except OSError as failure:
            self._spoil(name, failure)
            self._tables[name] = None
            if file is not None:
                with suppress(OSError):
                    file.close()

    def problem(self, problem: Problem) -> None:
        """Write one line of `errors.jsonl`."""
        if self.problems_kept >= ERROR_LINES_MAX:
            self._problems_skipped += 1
            return
        self.problems_kept += 1
        kind = problem.kind[:KIND_MAX_CHARS]
        self._write_line(
            problem.charger_id,
            kind,
            problem.detail,
            at=iso(problem.at_wall_s),
            frames=problem.frames,
        )

    def _write_line(
        self,
        charger: str,
        kind: str,
        detail: str,
        *,
        at: str | None,
        frames: Sequence[Frame] = (),
    ) -> None:
        clean = self.redactor.clean
        charger, kind, detail = clean(charger), clean(kind), clean(detail)
        line: dict[str, Any] = {"at": at, "charger": charger, "kind": kind, "detail": detail}
        if frames:
            line["frames"] = [
                {"at": iso(one.at_wall_s), "direction": one.direction, "frame": clean(one.frame)}
                for one in frames
            ]
        try:
            self._errors.write(_ENCODER.encode(line).decode() + "\n")
        except OSError as failure:
            self._spoil("errors.jsonl", failure)

    def _spoil(self, name: str, failure: OSError) -> None:
        if self.damage is None:
            self.damage = f"cannot write {self.path / name}: {failure.strerror or failure}"

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file, readable by people: the whole of it, or none. Raises OSError."""
        if self.redactor:
            content = self.redactor.clean_tree(msgspec.to_builtins(content, enc_hook=str))
        text = msgspec.json.format(_ENCODER.encode(content), indent=2)
        write_whole(self.path / name, text + b"\n")


def manifest(
    scenario: Scenario,
    *,
    source: bytes | str,
    arguments: Sequence[str],
    began_wall_s: float,
    plans: Sequence[ChargerPlan] | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What is needed to repeat a run: scenario, options, seed, fleet, versions, limits, host. No
    secrets. `source` is the file's content, or its SHA-256 where a run is replayed; `plans` are
    those of the scenario, if they are made already.
    """
    clean = scenario.written.redactor.clean_tree
    said = clean(msgspec.to_builtins(_without_secrets(scenario)))
    said["cases"] = without_secrets(said["cases"])
    del said["written"]
    return {
        "schema": 1,
        "scenario": said,
        "written": scenario.written.described(),
        "scenario_sha256": (
            source if isinstance(source, str) else hashlib.sha256(source).hexdigest()
        ),
        "seed": scenario.seed,
        "fleet": fleet_block(scenario, plans_of(scenario) if plans is None else plans),
        "options": clean({name: one for name, one in (options or {}).items() if one is not None}),
        "arguments": clean(_without_settings(arguments)),
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
        "limits": {"open_files": _open_files()},
    }


def _open_files() -> dict[str, int | None]:
    """Soft and hard limit of open files; None is unlimited."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (None if limit == resource.RLIM_INFINITY else limit for limit in limits)
    return {"soft": soft, "hard": hard}


def _without_secrets(scenario: Scenario) -> Scenario:
    """The scenario without password and configuration keys that cannot be read back."""
    target = scenario.target
    if target.password is not None:
        target = msgspec.structs.replace(target, password=HIDDEN)
    fleet = tuple(
        msgspec.structs.replace(
            part,
            password=part.password and HIDDEN,
            configuration={
                key: HIDDEN if key.lower() in _SECRET_KEYS else value
                for key, value in part.configuration.items()
            },
        )
        for part in scenario.fleet
    )
    commands = tuple(
        msgspec.structs.replace(command, payload=_without_secret_value(command.payload))
        for command in scenario.commands
    )
    return msgspec.structs.replace(scenario, target=target, fleet=fleet, commands=commands)


def _without_secret_value(payload: dict[str, Any]) -> dict[str, Any]:
    """The payload of a command; a ChangeConfiguration of a secret key without its value."""
    key = payload.get("key")
    secret = isinstance(key, str) and key.lower() in _SECRET_KEYS
    return payload | {"value": HIDDEN} if secret else payload


def _without_settings(arguments: Sequence[str]) -> list[str]:
    """The command line, without the values of `--set` that are or hold a secret."""
    shown = []
    for argument in arguments:
        path, sign, _ = argument.partition("=")
        words = argument.lower()
        secret = "password" in words or any(key in words for key in _SECRET_KEYS)
        shown.append(path + sign + HIDDEN if sign and secret else argument)
    return shown


def _remove(path: Path, new: Sequence[Path]) -> None:
    """Remove our files in a folder, and the folders that were made for it, innermost first."""
    with suppress(OSError):  # somebody else has put something there
        for name in _FILES:
            (path / name).unlink(missing_ok=True)
        for folder in new:
            folder.rmdir()


def _made(path: Path, *, alone: bool) -> Path:
    """Make a folder; `alone`: with a number behind its name when another run has it already."""
    for number in itertools.count(1):
        candidate = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            candidate.mkdir()
        except FileExistsError:
            if not alone:
                raise
        else:
            return candidate
    raise AssertionError("numbers do not end")
