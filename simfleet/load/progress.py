"""What a person sees while a run goes on: one live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from msgspec import Struct

from simfleet.documents.quantities import duration_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE_EVERY_S: Final = 5.0
"""Between two plain lines."""
WIDTH_MAX: Final = 80
ECHO_WIDTH: Final = 4
"""Left free at the right: what the terminal echoes of Ctrl-C must not begin a new line."""


class Progress(Struct, frozen=True):
    """What a person watching wants to know, once a second."""

    elapsed_s: float
    stage: str
    stage_left_s: float
    chargers: int
    wanted: int
    connected: int
    booted: int
    transactions: int
    calls: int
    frames_per_s: int
    problems: int
    loop_lag_p99_ms: float
    response_p99_ms: float
    injected: int = 0
    """Acts of faults on purpose."""


@contextmanager
def progress_view(
    *, quiet: bool, out: TextIO | None = None
) -> Iterator[Callable[[Progress], None]]:
    """A function to call with the progress, once a second. It writes to standard error.

    A reader who has gone away (`2>&1 | head`) ends the view, never the run.
    """
    out = out or sys.stderr
    if quiet:
        yield lambda _: None
    elif out.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        yield from _live(out)
    else:
        yield _while_read(_plain(out))


def _while_read(show: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """`show`, until it cannot write any more."""
    gone = False

    def guarded(progress: Progress) -> None:
        nonlocal gone
        if not gone:
            try:
                show(progress)
            except (OSError, ValueError):  # closed by the reader, or by us
                gone = True

    return guarded


def headline(progress: Progress) -> str:
    """The stage, and what it waits for once its time is over."""
    if progress.stage_left_s > 0:
        return f"{progress.stage}, {duration_text(math.ceil(progress.stage_left_s))} left"
    missing = progress.wanted - min(progress.connected, progress.booted)
    if missing > 0:
        return f"{progress.stage}, waiting for {missing}"
    if not progress.wanted and progress.connected:
        return f"{progress.stage}, waiting for {progress.connected}"
    return progress.stage


def _plain(out: TextIO) -> Callable[[Progress], None]:
    last_s, last_stage = float("-inf"), ""

    def show(progress: Progress) -> None:
        nonlocal last_s, last_stage
        rested = progress.elapsed_s - last_s < LINE_EVERY_S - 0.5
        if rested and progress.stage == last_stage:
            return
        last_s, last_stage = progress.elapsed_s, progress.stage
        print(_line(progress), file=out, flush=True)

    return show


def _line(progress: Progress) -> str:
    return (
        f"{progress.elapsed_s:6.0f} s  {headline(progress)}:"
        f" {progress.connected}/{progress.wanted} connected, {progress.booted} booted,"
        f" {progress.transactions} transactions, {progress.calls} calls,"
        f" p99 {progress.response_p99_ms:.1f} ms, lag {progress.loop_lag_p99_ms:.1f} ms,"
        f" {progress.problems} problems"
        + (f", {progress.injected} injected" if progress.injected else "")
    )


def _live(out: TextIO) -> Iterator[Callable[[Progress], None]]:
    # 55 ms of import that only a terminal needs
    from rich.console import Console
    from rich.live import Live
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    def render(progress: Progress) -> Panel:
        grid = Table.grid(padding=(0, 2))
        for width in (12, 23, 12, 8):
            grid.add_column(min_width=width)
        rows = (
            ("chargers", f"{progress.connected} of {progress.wanted} connected"),
            ("booted", f"{progress.booted}"),
            ("transactions", f"{progress.transactions}"),
            ("calls", f"{progress.calls}"),
            ("response p99", f"{progress.response_p99_ms:.1f} ms"),
            ("frames/s", f"{progress.frames_per_s}"),
            ("loop lag p99", f"{progress.loop_lag_p99_ms:.1f} ms"),
            ("problems", f"{progress.problems}"),
        )
        for left, right in zip(rows[::2], rows[1::2], strict=True):
            grid.add_row(f"[dim]{left[0]}", left[1], f"[dim]{right[0]}", right[1])
        title = Text(headline(progress))
        return Panel(
            grid,
            title=title,
            title_align="left",
            subtitle=f"{progress.elapsed_s:.0f} s",
            width=min(console.width, WIDTH_MAX) - ECHO_WIDTH,
        )

    console = Console(file=out)
    # Without a refresh thread: the event loop's ticker draws.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield _while_read(lambda progress: live.update(render(progress), refresh=True))
