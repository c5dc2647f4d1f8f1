"""A generator that gets too little CPU: its run is INVALID, and never passes."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING

from end_to_end.simfleet_process import RunProcess, running, write_scenario

if TYPE_CHECKING:
    from pathlib import Path

OFF_S, ON_S = 0.7, 0.1
"""Of every 0.8 s the generator gets 0.1 s: what a scheduler does to it on a machine that is given
away eight times. The embedded CSMS, which is a process of its own, runs all the time."""


def starve(process: RunProcess, over: threading.Event) -> None:
    """Take the CPU away from the generator, again and again, until it has ended."""
    while process.running and not over.is_set():
        process.signal(signal.SIGSTOP)
        time.sleep(OFF_S)
        process.signal(signal.SIGCONT)
        time.sleep(ON_S)


def test_a_starved_generator_makes_the_run_invalid_though_every_threshold_is_kept(
    tmp_path: Path,
) -> None:
    scenario = write_scenario(
        tmp_path, chargers=5, hold_s=6, thresholds='call.count: ">= 1", sessions.lost: "== 0"'
    )
    over = threading.Event()
    with running(scenario) as process:
        hunger = threading.Thread(target=starve, args=(process, over))
        wait_for_folder(process)
        hunger.start()
        try:
            ended = process.wait(timeout_s=120)
        finally:
            over.set()
            hunger.join()
    assert ended.code == 106, str(ended)
    verdict = ended.summary["verdict"]
    assert (verdict["result"], verdict["generator"]) == ("invalid", "INVALID")
    assert any("the event loop ran" in reason for reason in verdict["reasons"])
    assert all(threshold["passed"] for threshold in ended.summary["thresholds"])
    assert ended.summary["generator"]["loop_lag_ms"]["p99"] > 250


def wait_for_folder(process: RunProcess) -> None:
    """Until the run has begun to write: what Python imports before may take as long as it likes."""
    give_up_s = time.monotonic() + 60
    while process.running and time.monotonic() < give_up_s:
        if (process.folder / "manifest.json").exists():
            return
        time.sleep(0.05)
