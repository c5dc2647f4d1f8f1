"""The view of a run while it goes on: a panel on a terminal, plain lines elsewhere.

The panel is made by pure functions: lines of parts, each text with a style. What does not fit into
the height goes by its rank, blank lines first.
"""

from __future__ import annotations

import math
import os
import stat
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from simfleet.documents.quantities import duration_text
from simfleet.load.progress import Progress, headline, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.live import Live

LINE_EVERY_S: Final = 5.0
"""Between two plain lines."""
WIDTH_MAX: Final = 80
WIDTH_MIN: Final = 20
ECHO_WIDTH: Final = 4
"""Left free at the right: what the terminal echoes of Ctrl-C must not begin a new line."""
TWO_COLUMNS: Final = 60
"""From this width on, figures are in two columns."""
LABEL: Final = 13
LEVELS: Final = {"VALID": "green", "SUSPECT": "yellow", "INVALID": "bold red"}

Part = tuple[str, str]
"""Text, and a style of rich."""
Line = tuple[int, list[Part]]
"""What goes first if there is no room: the highest rank; 0 stays."""


class View:
    """What is shown, and where: call it with the progress, once a second. This one is quiet."""

    def __call__(self, progress: Progress) -> None:
        """Show it."""

    def tell(self, foot: Sequence[str]) -> None:
        """Show these lines at the foot, at once: what the keys do, a question, an answer."""

    def rest(self) -> None:
        """The terminal is somebody else's for a while."""

    def come_back(self) -> None:
        """It is ours again."""


@contextmanager
def progress_view(*, quiet: bool, out: TextIO | None = None) -> Iterator[View]:
    """A view of a run. It writes to standard error.

    A reader who has gone away (`2>&1 | head`) ends the view, never the run.
    """
    out = out or sys.stderr
    if quiet:
        yield View()
    elif out.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        yield from _panel(out)
    else:
        yield _Lines(out)


class _Lines(View):
    """A line every few seconds, and for every new stage."""

    def __init__(self, out: TextIO) -> None:
        self._out: TextIO | None = out
        self._last_s = float("-inf")
        self._last: tuple[str, bool, str] = ("", False, "")

    def __call__(self, progress: Progress) -> None:
        """See `View`."""
        rested = progress.elapsed_s - self._last_s < LINE_EVERY_S - 0.5
        news = (progress.stage, progress.paused, progress.last_action)
        if self._out is None or (rested and news == self._last):
            return
        acted = progress.last_action != self._last[2]
        self._last_s, self._last = progress.elapsed_s, news
        try:
            if acted:
                print(f"{progress.elapsed_s:6.0f} s  {progress.last_action}", file=self._out)
            print(one_line(progress), file=self._out, flush=True)
        except (OSError, ValueError):  # closed by the reader, or by us
            self._out = None


def _panel(out: TextIO) -> Iterator[View]:
    # 55 ms of import that only a terminal needs
    from rich.console import Console
    from rich.live import Live

    console = Console(file=out, highlight=False)
    # Without a refresh thread: the event loop's ticker draws.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield _Panel(live, out)


class _Panel(View):
    """Drawn anew with every look, and with every key."""

    def __init__(self, live: Live, out: TextIO) -> None:
        self._live = live
        self._out = out
        self._progress: Progress | None = None
        self._foot: Sequence[str] = ()
        self._resting = self._gone = False
        self._height = 0

    def __call__(self, progress: Progress) -> None:
        """See `View`."""
        self._progress = progress
        self._draw()

    def tell(self, foot: Sequence[str]) -> None:
        """See `View`."""
        self._foot = list(foot)
        self._draw()

    def rest(self) -> None:
        """See `View`."""
        self._resting = True
        self._write("\x1b[?25h\n")  # the cursor shows again, below the panel

    def come_back(self) -> None:
        """See `View`."""
        self._resting = False
        self._write(
            "\x1b[?25l" + "\n" * max(0, self._height - 1)
        )  # nothing of others is drawn over
        self._draw()

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError):
            self._gone = True

    def _draw(self) -> None:
        if self._progress is None or self._resting or self._gone:
            return
        from rich.text import Text

        size = self._live.console.size
        width = max(WIDTH_MIN, min(size.width, WIDTH_MAX) - ECHO_WIDTH)
        lines = panel(self._progress, width=width, height=size.height - 1, foot=self._foot)
        self._height = len(lines)
        text = Text(no_wrap=True, overflow="crop", end="")
        for number, line in enumerate(lines):
            text.append("\n" if number else "")
            for part, style in line:
                text.append(part, style or None)
        try:
            self._live.update(text, refresh=True)
        except (OSError, ValueError):  # closed by the reader, or by us
            self._gone = True


# ── what is in the panel ─────────────────────────────────────────────────────────────────────────


def panel(
    progress: Progress, *, width: int, height: int, foot: Sequence[str] = ()
) -> list[list[Part]]:
    """The lines of the panel, none wider than `width`, as far as they fit into `height`."""
    lines: list[Line] = [
        *_head(progress, width),
        (7, []),
        *_figures(progress, width),
        *_trouble(progress, width),
        *_generator(progress),
        *_last_action(progress, width),
    ]
    if foot:
        lines.append((8, []))
        wrapped = [row for text in foot for row in textwrap.wrap(text, width) or [""]]
        lines += [
            (0, [(row, "cyan" if number == 0 else "dim")]) for number, row in enumerate(wrapped)
        ]
    while len(lines) > max(1, height):
        worst = max(rank for rank, _ in lines)
        lines.pop(max(n for n, (rank, _) in enumerate(lines) if rank == worst))
    return [_cropped(parts, width) for _, parts in lines]


def _cropped(parts: list[Part], width: int) -> list[Part]:
    found, room = [], width
    for text, style in parts:
        found.append((text[:room], style))
        room = max(0, room - len(text))
    return found


def _head(progress: Progress, width: int) -> Iterator[Line]:
    number = f"{progress.stage_number}/{progress.stages} " if progress.stage_number else ""
    style = "bold black on yellow" if progress.paused else "bold"
    yield 0, [(number, "dim"), (headline(progress), style)]
    if progress.stage_s > 0:
        done = 1 - min(1.0, progress.stage_left_s / progress.stage_s)
        yield 5, [("stage ", "dim"), *_bar(done, width - 6)]
    elapsed_s, left_s = progress.elapsed_s, progress.run_left_s
    done = elapsed_s / (elapsed_s + left_s) if elapsed_s + left_s > 0 else 0.0
    yield 3, [("run   ", "dim"), *_bar(done, width - 6)]
    text = f"{_short(elapsed_s)} gone, {_short(left_s)} left"
    yield (
        2,
        [(" " * 6, ""), (text, ""), ("  changed live" if progress.changed_live else "", "yellow")],
    )


def _bar(done: float, width: int) -> list[Part]:
    room = max(4, width - 8)
    filled = min(room, int(done * room))
    return [
        ("[", "dim"),
        ("#" * filled, "green"),
        ("-" * (room - filled), "dim"),
        ("]", "dim"),
        (f" {min(100, int(done * 100)):3} %", ""),
    ]


def _short(seconds: float) -> str:
    return duration_text(math.ceil(seconds))


def _figures(progress: Progress, width: int) -> Iterator[Line]:
    cells = [
        (0, "chargers", f"{progress.connected} of {progress.wanted} connected"),
        (1, "booted", f"{progress.booted}"),
        (1, "transactions", f"{progress.transactions}"),
        (1, "calls", f"{progress.calls}"),
        (1, "response p50", f"{progress.response_p50_ms:.1f} ms"),
        (3, "calls/s", f"{progress.calls_per_s:.0f}"),
        (0, "response p99", f"{progress.response_p99_ms:.1f} ms"),
        (4, "frames/s", f"{progress.frames_per_s}"),
        (4, "mode", progress.mode or "-"),
        (1, "problems", f"{progress.problems}"),
    ]
    if progress.rate_per_s is not None:
        cells.append((1, "sessions/s", f"{progress.rate_per_s:g}"))
    if progress.injected:
        cells.append((4, "injected", f"{progress.injected}"))
    if width < TWO_COLUMNS:
        yield from ((rank, _cell(label, value)) for rank, label, value in cells)
        return
    for left, right in zip(cells[::2], [*cells[1::2], (9, "", "")][: len(cells[::2])], strict=True):
        rank = min(left[0], right[0])
        yield rank, [*_cell(left[1], left[2], width // 2), *_cell(right[1], right[2])]


def _cell(label: str, value: str, width: int = 0) -> list[Part]:
    room = max(0, width - LABEL)
    return [(f"{label:<{LABEL}}", "dim"), (f"{value:<{room}}", "")]


def _trouble(progress: Progress, width: int) -> Iterator[Line]:
    if not progress.errors:
        yield 6, _cell("errors", "none")
        return
    text = ", ".join(f"{count} {cause[:40]}" for cause, count in progress.errors.items())
    rows = textwrap.wrap(text, max(WIDTH_MIN, width - LABEL))[:2]
    for number, row in enumerate(rows):
        yield number, [("errors" if not number else "", "dim"), *_indented(row, number)]


def _indented(row: str, number: int) -> list[Part]:
    return [(" " * (LABEL - (0 if number else len("errors"))) + row, "red")]


def _generator(progress: Progress) -> Iterator[Line]:
    level = progress.generator
    yield (
        0,
        [
            (f"{'generator':<{LABEL}}", "dim"),
            (level, LEVELS.get(level, "")),
            (
                f"  loop lag p99 {progress.loop_lag_p99_ms:.1f} ms  CPU {progress.cpu * 100:.0f} %",
                "",
            ),
        ],
    )


def _last_action(progress: Progress, width: int) -> Iterator[Line]:
    if not progress.last_action:
        return
    ago = ""
    if progress.last_action_at_s is not None:
        ago = f" ({_short(max(0.0, progress.elapsed_s - progress.last_action_at_s))} ago)"
    room = max(4, width - LABEL - len(ago))
    text = progress.last_action
    text = text if len(text) <= room else text[: room - 2] + ".."
    yield 2, [(f"{'last action':<{LABEL}}", "dim"), (text, "yellow"), (ago, "dim")]


def keys_possible(out: TextIO | None = None) -> bool:
    """Whether a person can press keys and see what comes of it. With standard output in a pipe,
    the keys may be another's, such as of `less`.
    """
    out = out or sys.stderr
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    try:
        terminals = out.isatty() and sys.stdin is not None and sys.stdin.isatty()
        return not dumb and terminals and not _piped(sys.stdout)
    except ValueError:  # closed
        return False


def _piped(out: TextIO | None) -> bool:
    try:
        return out is not None and stat.S_ISFIFO(os.fstat(out.fileno()).st_mode)
    except OSError:  # no file of the system at all
        return False
