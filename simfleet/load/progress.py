"""What a person watching a run wants to know, once a second, and how it is put in words."""

from __future__ import annotations

import math

from msgspec import Struct

from simfleet.documents.quantities import duration_text


class Progress(Struct, frozen=True):
    """A run at one moment."""

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
    response_p50_ms: float = 0.0
    calls_per_s: float = 0.0
    """Over the last second."""
    errors: dict[str, int] = {}
    """What went wrong so far, by cause: CALLERROR codes, `timeouts`, `lost` with their connection,
    `connect: ...` that failed, `link: ...` that broke.
    """
    cpu: float = 0.0
    """Of one core, over the last second."""
    generator: str = "VALID"
    """What would be said of the generator if the run ended now."""
    mode: str = ""
    """What the chargers are wished to do."""
    paused: bool = False
    rate_per_s: float | None = None
    """Sessions a second that arrive; None where no stage with arrivals goes on."""
    stage_number: int = 0
    """From 1; 0 before the first and after the last."""
    stages: int = 0
    stage_s: float = 0.0
    """How long the stage takes, as planned now."""
    run_left_s: float = 0.0
    """How long the stages still take, as planned now."""
    last_action: str = ""
    """What was done live, last."""
    last_action_at_s: float | None = None
    """When, in seconds from the beginning of the load."""
    changed_live: bool = False
    clock: str = "real"
    """`virtual` or `scaled` where seconds are not real ones."""
    speed: float = 1.0
    """Seconds of the run in a real one, so far."""
    alive: int = 0
    """Chargers that live, those that are to leave included."""


def headline(progress: Progress) -> str:
    """The stage, and what it waits for once its time is over."""
    if progress.paused:
        left = duration_text(math.ceil(progress.stage_left_s))
        return f"{progress.stage}, PAUSED with {left} left"
    if progress.stage_left_s > 0:
        return f"{progress.stage}, {duration_text(math.ceil(progress.stage_left_s))} left"
    missing = progress.wanted - min(progress.connected, progress.booted)
    if missing > 0:
        return f"{progress.stage}, waiting for {missing}"
    if not progress.wanted and (there := max(progress.connected, progress.alive)):
        away = there - progress.connected
        offline = f", {away} of them without a connection" if away else ""
        return f"{progress.stage}, waiting for {there}{offline}"
    return progress.stage


def clock_text(progress: Progress) -> str:
    """What kind of seconds those are, unless real ones, and how fast they pass."""
    return "" if progress.clock == "real" else f"{progress.clock}, {progress.speed:.0f}x"


def one_line(progress: Progress) -> str:
    """Everything that matters, on one line: for a log."""
    return (
        f"{progress.elapsed_s:6.0f} s {clock_text(progress)} {headline(progress)}:"
        f" {progress.connected}/{progress.wanted} connected, {progress.booted} booted,"
        f" {progress.transactions} transactions, {progress.calls} calls,"
        f" p99 {progress.response_p99_ms:.1f} ms, lag {progress.loop_lag_p99_ms:.1f} ms,"
        f" {progress.problems} problems"
        + (f", {progress.injected} injected" if progress.injected else "")
    )
