"""`simfleet report DIR`: the pages of a run made again, from what is in its folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simfleet.cli.exit_codes import ExitCode
from simfleet.errors import UsageWrong
from simfleet.load.results.artefacts import WRITERS
from simfleet.load.results.report.page import REPORT, write_report
from simfleet.load.results.report.reading import read_json

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

_OF_A_RUN = ("summary.json", "manifest.json", "run.hlog", "errors.jsonl", "timeline.csv")


def main(arguments: argparse.Namespace) -> int:
    """Write `report.html` again, and what else is made of a `summary.json`; with `--out`, only the
    report, there. What is missing or damaged is said in the report.
    """
    folder: Path = arguments.folder
    if not any((folder / name).is_file() for name in _OF_A_RUN):
        raise UsageWrong(f"{folder} is no run folder: it has none of {', '.join(_OF_A_RUN)}")
    damage: list[str] = []
    summary = read_json(folder / "summary.json", damage)
    path = arguments.out or folder / REPORT
    try:
        write_report(folder, None if damage else summary, out=arguments.out)
    except OSError as error:
        raise UsageWrong(f"cannot write to {path}: {error.strerror or error}") from None
    if arguments.out is None and not damage:
        for sentence in _others(folder, summary):
            print(f"simfleet: {sentence}", file=sys.stderr)
    for sentence in damage:
        print(f"simfleet: {sentence}", file=sys.stderr)
    print(path)
    return ExitCode.PASSED


def _others(folder: Path, summary: dict[str, Any]) -> list[str]:
    """Make the other files of a summary; returns what could not be made, and why."""
    failed = []
    for name, write in WRITERS.items():
        if name == REPORT:
            continue
        try:
            write(folder, summary)
        except OSError as error:
            failed.append(f"cannot write {folder / name}: {error.strerror or error}")
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # A summary of another version, or one that somebody has edited.
            failed.append(f"{name} cannot be made of this summary.json: {error!r}")
    return failed
