"""`report.html`: one file without any reference to another one, or to anything on a network.

Made of the run folder's files alone, so it can be made again, also of a folder that is older than
this program or that lost a part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet import __version__
from simfleet.load.results.report import head
from simfleet.load.results.report.actions import actions
from simfleet.load.results.report.blocks import other_blocks, shown
from simfleet.load.results.report.capacity import capacity
from simfleet.load.results.report.markup import Html, join, section, text
from simfleet.load.results.report.reading import read_folder
from simfleet.load.results.report.script import SCRIPT, SCRIPT_HASH
from simfleet.load.results.report.slices import slices
from simfleet.load.results.report.spectra import read_spectra
from simfleet.load.results.report.storms import storms
from simfleet.load.results.report.style import STYLE
from simfleet.load.results.report.timelines import frame_of, generator, timelines
from simfleet.load.results.report.trouble import ledger, troubles
from simfleet.load.results.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from simfleet.load.results.report.reading import Block, RunFiles

REPORT: Final = "report.html"
POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none';"
    f" script-src 'sha256-{SCRIPT_HASH}'"
)
"""What a browser may do with the page: nothing but show it, and run our one script."""
_SHOWN: Final = frozenset(
    {
        *("schema", "scenario", "seed", "target", "verdict", "thresholds", "load_s", "chargers"),
        *("boot", "disconnects", "calls", "call_totals", "replies", "violations", "dropped"),
        *(
            "transactions",
            "throughput",
            "generator",
            "crashes",
            "stages",
            "annotations",
            "problems",
        ),
        *("ledger", "worst_chargers", "slices", "storms", "capacity", "tables"),
    }
)
"""Parts of `summary.json` that have a section of their own."""


def write_report(folder: Path, summary: dict[str, Any] | None, *, out: Path | None = None) -> None:
    """Write the report of a run into its folder, or to `out`: the whole of it, or nothing.
    `summary` is None where it is to be read. Raises OSError where the file system does.
    """
    content = render(folder, summary).encode("utf-8", "backslashreplace")
    write_whole(folder / REPORT if out is None else out, content)


def render(folder: Path, summary: Mapping[str, Any] | None = None) -> str:
    """The report of a run folder as HTML. `summary` is read from the folder unless given."""
    files = read_folder(folder, summary)
    spectra = read_spectra(folder / "run.hlog", files.missing)
    frame = frame_of(files)
    body = [
        head.thresholds(files.summary),
        head.asked(files),
        timelines(files, frame),
        actions(files, frame, spectra),
        slices(files.summary),
        storms(files.summary),
        capacity(files.summary),
        *other_blocks(files.summary.content, _SHOWN | _quiet(files.summary)),
        troubles(files),
        ledger(files),
        section(
            "generator",
            "The generator: can these figures be trusted?",
            generator(files, frame),
            shown("generator", files.summary.value("generator") or {}),
            intro="A generator that is late charges its own lateness to the target. This is how"
            " late it was, and how much of the machine it needed.",
        ),
        head.environment(files),
    ]
    top = [head.verdict(files), _contents(body), head.gaps(files)]
    return _document(files, [*top, *body])


def _quiet(summary: Block) -> frozenset[str]:
    """Parts that have nothing to say: the clock of a run in real time, no faults on purpose."""
    real = summary.word("clock", "kind") == "real" and summary.number("clock", "scale") == 1
    quiet = {"clock"} if real else set()
    if summary.number("injected", "total") == 0:
        quiet.add("injected")
    return frozenset(quiet)


def _contents(body: Sequence[str]) -> Html:
    links = []
    for part in body:
        if part.startswith('<section id="'):
            anchor = part.split('"', 2)[1]
            title = part.split("<h2>", 1)[1].split("</h2>", 1)[0]
            links.append(f'<a href="#{anchor}">{title.split(":")[0]}</a>')
    return Html(f"<nav>{join(links)}</nav>")


def _document(files: RunFiles, parts: Sequence[str]) -> str:
    name = files.summary.word("scenario") or "run"
    result = files.summary.word("verdict", "result") or "unknown"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{text(POLICY)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{text(name)}: {text(result)}</title><style>{STYLE}</style></head>\n"
        f"<body><main>\n{join(parts)}<footer>Made by SimFleet {text(__version__)} from the files of"
        " the run folder. Times are in UTC.</footer></main>\n"
        f"<script>{SCRIPT}</script></body></html>\n"
    )
