"""What a person sees while a run goes on: one live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

from msgspec import Struct

from simfleet.load.quantities import duration_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINE_EVERY_S: Final = 5.0
"""Between two plain lines."""


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


@contextmanager
def progress_view(
    *, quiet: bool, out: TextIO | None = None
) -> Iterator[Callable[[Progress], None]]:
    """A function to call with the progress, once a second. It writes to standard error."""
    out = out or sys.stderr
    if quiet:
        yield lambda _: None
    elif out.isatty():
        yield from _live(out)
    else:
        yield _plain(out)


def _plain(out: TextIO) -> Callable[[Progress], None]:
    last_s = float("-inf")

    def show(progress: Progress) -> None:
        nonlocal last_s
        if progress.elapsed_s - last_s < LINE_EVERY_S - 0.5:
            return
        last_s = progress.elapsed_s
        print(_line(progress), file=out, flush=True)

    return show


def _line(progress: Progress) -> str:
    return (
        f"{progress.elapsed_s:6.0f} s  {progress.stage}: {progress.connected}/{progress.wanted}"
        f" connected, {progress.booted} booted, {progress.transactions} charging,"
        f" {progress.calls} calls, {progress.frames_per_s} frames/s,"
        f" p99 {progress.response_p99_ms:.1f} ms, lag {progress.loop_lag_p99_ms:.1f} ms,"
        f" {progress.problems} problems"
    )


def _live(out: TextIO) -> Iterator[Callable[[Progress], None]]:
    # 55 ms of import that only a terminal needs
    from rich.console import Console
    from rich.live import Live
    from rich.panel import Panel
    from rich.table import Table

    def render(progress: Progress) -> Panel:
        grid = Table.grid(padding=(0, 2))
        for _ in range(4):
            grid.add_column()
        rows = (
            ("chargers", f"{progress.connected} of {progress.wanted} connected"),
            ("booted", f"{progress.booted}"),
            ("charging", f"{progress.transactions}"),
            ("calls", f"{progress.calls}"),
            ("frames/s", f"{progress.frames_per_s}"),
            ("response p99", f"{progress.response_p99_ms:.1f} ms"),
            ("loop lag p99", f"{progress.loop_lag_p99_ms:.1f} ms"),
            ("problems", f"{progress.problems}"),
        )
        for left, right in zip(rows[::2], rows[1::2], strict=True):
            grid.add_row(f"[dim]{left[0]}", left[1], f"[dim]{right[0]}", right[1])
        left_text = duration_text(round(progress.stage_left_s))
        title = f"{progress.stage}, {left_text} left" if progress.stage_left_s else progress.stage
        return Panel(grid, title=title, title_align="left", subtitle=f"{progress.elapsed_s:.0f} s")

    console = Console(file=out)
    # Without a refresh thread: the event loop's ticker draws.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda progress: live.update(render(progress), refresh=True)
