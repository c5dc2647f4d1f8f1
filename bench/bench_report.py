"""How long the report of an hour of 10,000 chargers takes, how large it is, and in how much memory.

The folder is made up (`report_folder.py`): 3,600 rows of timeline, 12 actions in 720 intervals, and
a log of 17,280 histograms. Rendering is all of `simfleet report`: reading the files, adding up the
log, drawing, writing. The floor is reading the same files from the disk and parsing nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from bench import results
from bench.report_folder import make_folder
from bench.results import Row, say
from simfleet.load.results.report.page import REPORT, write_report
from simfleet.observe.process import rss_mib

MEASURES = (
    "Rendering report.html of an hour of 10,000 chargers (12 actions, 720 intervals): time, size of"
    " the page and memory, beside reading the same files."
)
RENDER_MAX_S = 10.0
SIZE_MAX_MIB = 5.0
QUICK_S = 300


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Make the folder, read it, render it, and render it again to see what memory stays."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        say("making the folder ...")
        summary = make_folder(folder, lasts_s=QUICK_S if quick else 3600)
        began_s = time.perf_counter()
        read = sum(len(file.read_bytes()) for file in folder.iterdir())
        read_s = time.perf_counter() - began_s
        say("rendering ...")
        before_mib = rss_mib()
        began_s = time.perf_counter()
        write_report(folder, summary)
        took_s = time.perf_counter() - began_s
        grown_mib = rss_mib() - before_mib
        size_mib = (folder / REPORT).stat().st_size / 2**20
        say("rendering again, with every allocation traced ...")
        tracemalloc.start()
        write_report(folder, summary)
        peak_mib = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    return [
        Row(
            case="rendered in",
            figure=took_s,
            unit="s",
            beside="reading the files",
            beside_figure=read_s,
            ratio=took_s / read_s,
            target=f"under {RENDER_MAX_S:g} s",
            reached=took_s < RENDER_MAX_S,
            details={"files, MiB": read / 2**20},
        ),
        Row(
            case="size of report.html",
            figure=size_mib,
            unit="MiB",
            target=f"under {SIZE_MAX_MIB:g} MiB",
            reached=size_mib < SIZE_MAX_MIB,
        ),
        Row(
            case="memory while rendering, at most",
            figure=peak_mib,
            unit="MiB",
            details={"resident memory grown, MiB": grown_mib},
        ),
    ], []


if __name__ == "__main__":
    sys.exit(results.main("bench_report", MEASURES, measure))
