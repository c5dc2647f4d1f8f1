"""The files that a run folder gets once the run is over, made of what is in the folder already.

Each writer is a function of the folder and of the content of `summary.json`, so that
`simfleet report DIR` makes the same files again. Blocking: call it in a worker thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.load.results.junit import JUNIT, write_junit
from simfleet.load.results.markdown import MARKDOWN, write_markdown
from simfleet.load.results.report.page import REPORT, write_report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from simfleet.load.run_folder import RunFolder

WRITERS: Final[Mapping[str, Callable[[Path, dict[str, Any]], None]]] = {
    REPORT: write_report,
    JUNIT: write_junit,
    MARKDOWN: write_markdown,
}
"""File name: who writes it. A writer raises OSError where the file system does, nothing else."""


def finish(folder: RunFolder, summary: dict[str, Any]) -> str | None:
    """Write `summary.json` and everything that follows from it, as far as there is room; returns
    what could not be written of the folder, if anything.
    """
    unwritten = None
    try:
        folder.write("summary.json", summary)
    except OSError as error:
        unwritten = f"cannot write {folder.path / 'summary.json'}: {error.strerror or error}"
    found = (folder.damage, unwritten, render(folder.path, summary))
    return "; ".join(problem for problem in found if problem is not None) or None


def render(path: Path, summary: dict[str, Any]) -> str | None:
    """Write what follows from a summary, each file that can be; returns which could not, if any."""
    unwritten = []
    for name, write in WRITERS.items():
        try:
            write(path, summary)
        except OSError as error:
            unwritten.append(f"cannot write {path / name}: {error.strerror or error}")
    return "; ".join(unwritten) or None
