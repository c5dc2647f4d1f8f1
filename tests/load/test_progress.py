"""What a person sees while a run goes on: a panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
from typing import TYPE_CHECKING

import msgspec
import pytest

from simfleet.load.live.keys import BRIEF
from simfleet.load.progress import Progress, headline
from simfleet.load.progress_view import LINE_EVERY_S, panel, progress_view

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = Progress(
    elapsed_s=12.0,
    stage="hold 30 s",
    stage_left_s=18.2,
    chargers=20,
    wanted=20,
    connected=20,
    booted=20,
    transactions=17,
    calls=1234,
    frames_per_s=250,
    problems=3,
    loop_lag_p99_ms=1.25,
    response_p99_ms=4.5,
)
changed = msgspec.structs.replace


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (NOW, "hold 30 s, 19s left"),
        (changed(NOW, stage_left_s=0.4), "hold 30 s, 1s left"),
        (changed(NOW, stage_left_s=90.0), "hold 30 s, 1m30s left"),
        (changed(NOW, stage_left_s=0.0), "hold 30 s"),
        (changed(NOW, stage_left_s=0.0, booted=17), "hold 30 s, waiting for 3"),
        (changed(NOW, stage_left_s=0.0, connected=18, booted=20), "hold 30 s, waiting for 2"),
        (changed(NOW, stage_left_s=0.0, wanted=0, connected=5), "hold 30 s, waiting for 5"),
        (changed(NOW, stage_left_s=0.0, wanted=0, connected=0), "hold 30 s"),
        (
            changed(NOW, stage_left_s=0.0, wanted=0, connected=2, alive=7),
            "hold 30 s, waiting for 7, 5 of them without a connection",
        ),
    ],
)
def test_the_headline_is_the_stage_and_what_it_waits_for(progress: Progress, text: str) -> None:
    assert headline(progress) == text


# ── plain lines ──────────────────────────────────────────────────────────────────────────────────


def test_without_a_terminal_there_is_a_line_every_few_seconds() -> None:
    out = io.StringIO()
    with progress_view(quiet=False, out=out) as show:
        for second in range(11):
            show(changed(NOW, elapsed_s=float(second)))
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["0", f"{LINE_EVERY_S:.0f}", "10"]
    assert lines[0] == (
        "     0 s  hold 30 s, 19s left: 20/20 connected, 20 booted, 17 transactions, 1234 calls,"
        " p99 4.5 ms, lag 1.2 ms, 3 problems"
    )
    assert "\x1b" not in out.getvalue()


def test_a_new_stage_is_shown_at_once() -> None:
    out = io.StringIO()
    with progress_view(quiet=False, out=out) as show:
        show(NOW)
        show(changed(NOW, elapsed_s=13.0, stage="stop over 5 s"))
        show(changed(NOW, elapsed_s=14.0, stage="stop over 5 s"))
    assert [line[10:14] for line in out.getvalue().splitlines()] == ["hold", "stop"]


def test_quiet_shows_nothing() -> None:
    out = io.StringIO()
    with progress_view(quiet=True, out=out) as show:
        show(NOW)
    assert out.getvalue() == ""


def test_a_reader_who_has_gone_ends_the_view_and_nothing_else() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    out = os.fdopen(write_end, "w", buffering=1)
    with progress_view(quiet=False, out=out) as show:
        for second in range(0, 60, 10):
            show(changed(NOW, elapsed_s=float(second)))
    with pytest.raises(BrokenPipeError):
        out.close()


# ── on a terminal ────────────────────────────────────────────────────────────────────────────────


def on_a_terminal(
    show_all: Callable[[Callable[[Progress], None]], None], *, columns: int, raw: bool = False
) -> str:
    """What is written to a terminal, without what only moves the cursor or colours; `raw`: with."""
    ours, theirs = pty.openpty()
    os.set_blocking(ours, False)
    with os.fdopen(theirs, "w") as terminal:
        with progress_view(quiet=False, out=terminal) as show:
            show_all(show)
        terminal.flush()
        written = ""
        with contextlib.suppress(BlockingIOError):  # all has been read
            while True:
                written += os.read(ours, 1 << 16).decode()
    os.close(ours)
    if raw:
        return written
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written).replace("\r", "")


@pytest.fixture(params=[80, 200])
def columns(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    columns: int = request.param
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("LINES", "24")
    return columns


def test_a_panel_fits_into_80_columns_and_leaves_room_for_the_echo_of_ctrl_c(
    columns: int,
) -> None:
    text = on_a_terminal(lambda show: show(NOW), columns=columns)
    panel = [line for line in text.splitlines() if line.strip()]
    assert len(panel[0]) <= 76
    assert "hold 30 s, 19s left" in panel[0]
    assert re.search(r"chargers +20 of 20 connected +booted +20", text)
    assert re.search(r"transactions +17 +calls +1234", text)
    assert re.search(r"response p99 +4\.5 ms +frames/s +250", text)
    assert re.search(r"problems +3", text)
    assert re.search(r"generator +VALID +loop lag p99 1\.2 ms +CPU 0 %", text)


def test_ten_thousand_chargers_fit_as_well(columns: int) -> None:
    crowd = changed(
        NOW, wanted=10_000, connected=10_000, booted=10_000, calls=12_345_678, problems=10_000
    )
    text = on_a_terminal(lambda show: show(crowd), columns=columns)
    assert "10000 of 10000 connected" in text
    assert "12345678" in text


def test_a_dumb_terminal_gets_lines(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    text = on_a_terminal(lambda show: show(NOW), columns=columns)
    assert text.splitlines()[0].startswith("    12 s  hold 30 s, 19s left: 20/20 connected")


# ── the panel, whatever the terminal ─────────────────────────────────────────────────────────────

BUSY = changed(
    NOW,
    stage="ramp to 10000 charging over 600 s",
    stage_number=3,
    stages=12,
    stage_s=600.0,
    run_left_s=3456.0,
    wanted=10_000,
    connected=9_876,
    booted=9_875,
    response_p50_ms=12.3,
    errors={"InternalError": 12, "timeouts": 3, "link: reset": 100, "connect: timed_out": 7},
    generator="SUSPECT",
    cpu=0.87,
    rate_per_s=12.5,
    injected=77,
    mode="charging",
    last_action="terminal: cut 1000 of 10000 chargers off (power), away for 1m30s",
    last_action_at_s=2.0,
    changed_live=True,
)


def shown(progress: Progress, width: int, height: int, foot: tuple[str, ...] = (BRIEF,)) -> str:
    lines = panel(progress, width=width, height=height, foot=foot)
    texts = ["".join(text for text, _ in line) for line in lines]
    assert len(texts) <= height
    assert all(len(text) <= width for text in texts), texts
    return "\n".join(texts)


def test_at_80_columns_and_24_rows_everything_is_there() -> None:
    text = shown(BUSY, 76, 23)
    assert text.splitlines()[0] == "3/12 ramp to 10000 charging over 600 s, 19s left"
    for said in (
        *("12s gone, 57m36s left", "changed live", "9876 of 10000 connected", "9875"),
        *("p50", "12.3 ms", "4.5 ms", "12.5", "12 InternalError", "100 link: reset"),
        *("SUSPECT", "loop lag p99 1.2 ms", "CPU 87 %", "terminal: cut 1000 of", "? help"),
    ):
        assert said in text, said


@pytest.mark.parametrize(("columns", "rows"), [(60, 20), (40, 24), (40, 12), (20, 10), (80, 5)])
def test_in_a_small_terminal_what_matters_least_goes_first(columns: int, rows: int) -> None:
    text = shown(BUSY, max(20, columns - 4), rows - 1)
    assert "ramp to 10000" in text
    if rows > 10:
        assert "9876 of" in text
        assert "SUSPECT" in text


def test_nothing_gets_lost_of_a_question_in_40_columns() -> None:
    question = "target, 0 to 10000, such as 500, 80 % or 500 over 30s: 12_"
    assert question in " ".join(shown(BUSY, 36, 23, (question,)).splitlines())


def test_a_pause_is_to_be_seen() -> None:
    paused = changed(NOW, paused=True, stage_left_s=20.0)
    assert headline(paused) == "hold 30 s, PAUSED with 20s left"
    assert "PAUSED" in shown(paused, 36, 10)


def test_colours_are_left_out_where_nobody_wants_them(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert coloured.search(on_a_terminal(lambda show: show(BUSY), columns=columns, raw=True))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not coloured.search(on_a_terminal(lambda show: show(BUSY), columns=columns, raw=True))


def test_lines_tell_of_pauses_and_live_actions_at_once() -> None:
    out = io.StringIO()
    with progress_view(quiet=False, out=out) as show:
        show(NOW)
        show(changed(NOW, elapsed_s=13.0, paused=True, last_action="ann: paused in 'hold 30 s'"))
        show(changed(NOW, elapsed_s=14.0, paused=True, last_action="ann: paused in 'hold 30 s'"))
    lines = out.getvalue().splitlines()
    assert lines[1] == "    13 s  ann: paused in 'hold 30 s'"
    assert "PAUSED" in lines[2]
    assert len(lines) == 3
