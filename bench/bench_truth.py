"""Response times while the CSMS is frozen, beside the truth of the schedule.

100 chargers make one CALL a second (MeterValues); in the middle of the run the CSMS stands still
for five seconds (SIGSTOP: its sockets stay open). The truth is computed by `truth` from the times
at which the CALLs were due: the sample times that the sink found in the MeterValues. The service
time, counted from the sending, stands beside it: it is what tools report that suffer from
coordinated omission.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hdrh.histogram import HdrHistogram

from bench import results
from bench.children import Child, ChildFailed, python
from bench.machine import generator_core, peer_core
from bench.results import Row, say
from bench.sink import Late
from bench.truth import Spread, delayed, off_by, simulate, spread_ms, worst_step_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MEASURES = (
    "Response times of 100 chargers at one CALL per second whose CSMS stands still for 5 s in the "
    "middle of a run of 25 s, whose answers get slower and slower, or of which one in a hundred is "
    "slow, beside the truth computed from the schedule."
)
OFF_BY_MAX = 0.01
COMPARED = ("mean", "p50", "p90", "p99", "p99_9")
WITHIN_MS = 2.0
"""What a busy machine adds to an answer that comes at once: a p50 of half a millisecond cannot be
told to a hundredth, so a figure this near to the truth is right, too."""
LATE = {"delay ramp": "ramp:12", "1 % slow replies": "one:100,2"}
"""How late the sink answers in the runs beside the freeze."""
CHARGERS = 100
INTERVAL_S = 1
HOLD_S, BEFORE_S, FROZEN_S = 25.0, 8.0, 5.0
"""The hold, and in it: charging before the freeze, the freeze; what is left comes after it."""
WORKED_OFF_S = 0.3
"""How long after the thaw the overdue CALLs are answered, and little else."""
ON_GRID_S = 0.01
"""How far a sample may be off its schedule: times are written in milliseconds."""
START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 60.0
INVALID_RUN = 106
"""Exit code of a run whose generator could not keep up."""

# The hold begins when all are on the ramp, a think time before the last has started to charge.
SCENARIO = """\
schema: 1
name: truth
seed: 1
target: {{url: embedded}}
fleet:
  - {{name: all, count: {chargers}, id: "SIM-{{n:05}}", version: ocpp1.6, type: AC,
     max_power_kw: 22, connectors: 1, configuration: {{MeterValueSampleInterval: {interval_s}}}}}
behaviour: {{think_time: 0s..1s, energy_kwh: 40..60}}
stages:
  - {{do: ramp, to: {chargers}, over: 1s, mode: charging}}
  - {{do: hold, for: {hold_s}s}}
  - {{do: stop, over: 1s}}
"""


class Freeze(NamedTuple):
    """When the CSMS stood still, Unix seconds."""

    frozen_at_s: float
    thawed_at_s: float
    service_s: float = 0.0
    """What a CALL took the CSMS while it worked off what was overdue: CPU seconds each."""


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Run a freeze, a ramp of delays and a few slow replies; quick runs are shorter."""
    rows, notes = _measure_freeze(quick=quick)
    for case, late in LATE.items():
        late_rows, late_notes = _measure_late(case, late, quick=quick)
        rows += late_rows
        notes += late_notes
    return rows, notes


def _measure_late(case: str, late: str, *, quick: bool) -> tuple[list[Row], list[str]]:
    if quick:
        late = {"ramp:12": "ramp:4", "one:100,2": "one:10,2"}[late]
    hold_s = 10 if quick else 25
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenario = folder / "truth.yaml"
        text = SCENARIO.format(chargers=CHARGERS, interval_s=INTERVAL_S, hold_s=hold_s)
        scenario.write_text(text, encoding="utf-8")
        say(f"100 chargers for {hold_s} s, {case} ({late}) ...")
        options = ("--keep-sample-times", "--late", late)
        with Child(python("bench.sink", *options), core=peer_core()) as sink:
            target = f"ws://127.0.0.1:{sink.hear()['port']}"
            command = ["run", str(scenario), "--target", target, "--quiet"]
            with Child(
                python("simfleet", *command, "--out", str(folder / "run")),
                core=generator_core(),
                stderr=subprocess.DEVNULL,
                stops_on_stdin=False,
            ) as run:
                code, _ = run.wait(timeout_s=hold_s + 2 * END_TIMEOUT_S)
            counted = sink.ask()
        if code not in (0, INVALID_RUN):
            raise ChildFailed(f"simfleet run ended with exit code {code}")
        measured = read_spread(folder / "run" / "run.hlog", "MeterValues.response")
        service = read_spread(folder / "run" / "run.hlog", "MeterValues.service")
    schedules = [[_unix_s(text) for text in times] for times in counted["sample_times"]]
    slow = Late(late)
    slow.began_s = counted["late_began_s"]
    truth = spread_ms([one.response_s for one in delayed(schedules, slow.delay_s)])
    notes = [f"{case}: {sum(map(len, schedules)):,} CALLs."]
    if code == INVALID_RUN:
        notes.append(f"{case}: the run came out INVALID: this machine was too busy to measure on.")
    return _rows(case, truth, measured, service), notes


def _measure_freeze(*, quick: bool) -> tuple[list[Row], list[str]]:
    scale = 0.2 if quick else 1.0
    before_s, frozen_s = scale * BEFORE_S, scale * FROZEN_S
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hold_s = round(6 + scale * (HOLD_S - 6))
        scenario = folder / "truth.yaml"
        text = SCENARIO.format(chargers=CHARGERS, interval_s=INTERVAL_S, hold_s=hold_s)
        scenario.write_text(text, encoding="utf-8")
        say(f"100 chargers for {hold_s} s, the CSMS frozen for {frozen_s:g} s of it ...")
        with Child(python("bench.sink", "--keep-sample-times"), core=peer_core()) as sink:
            target = f"ws://127.0.0.1:{sink.hear()['port']}"
            command = ["run", str(scenario), "--target", target, "--quiet"]
            with Child(
                python("simfleet", *command, "--out", str(folder / "run")),
                core=generator_core(),
                stderr=subprocess.DEVNULL,
                stops_on_stdin=False,
            ) as run:
                freeze = _freeze(sink, run, before_s=before_s, frozen_s=frozen_s)
                code, _ = run.wait(timeout_s=hold_s + END_TIMEOUT_S)
            if code != 0:
                raise ChildFailed(f"simfleet run ended with exit code {code}")
            counted = sink.ask()
        measured = read_spread(folder / "run" / "run.hlog", "MeterValues.response")
        service = read_spread(folder / "run" / "run.hlog", "MeterValues.service")
    schedules = [[_unix_s(text) for text in times] for times in counted["sample_times"]]
    rows = compare(schedules, freeze, measured, service)
    calls = sum(map(len, schedules))
    return rows, [f"{len(schedules)} chargers, {calls:,} CALLs; one outstanding each."]


def _freeze(sink: Child, run: Child, *, before_s: float, frozen_s: float) -> Freeze:
    """Wait until all charge, and `before_s` more; then stop the sink for a while."""
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while (charging := sink.ask()["by_action"].get("StartTransaction", 0)) < CHARGERS:
        if time.monotonic() > give_up_s or not run.running():
            raise ChildFailed(f"only {charging} of {CHARGERS} chargers charge")
        time.sleep(0.1)
    time.sleep(before_s)
    before = sink.ask()
    frozen_at_s = time.time()
    sink.freeze()
    time.sleep(frozen_s)
    sink.thaw()
    thawed_at_s = time.time()
    time.sleep(WORKED_OFF_S)
    after = sink.ask()
    cpu_s = after["cpu_s"] - before["cpu_s"]
    return Freeze(frozen_at_s, thawed_at_s, cpu_s / (after["answered"] - before["answered"]))


def compare(
    schedules: Sequence[Sequence[float]],
    freeze: Freeze,
    measured: Spread,
    service: Spread,
) -> list[Row]:
    """One row per figure. Raises ChildFailed where the schedule was not kept: no truth then."""
    off_grid_s = max(worst_step_s(schedule, interval_s=INTERVAL_S) for schedule in schedules)
    if off_grid_s > ON_GRID_S:
        raise ChildFailed(f"a sample was {off_grid_s:.3f} s off its schedule: no truth to compare")
    answered = simulate(
        schedules,
        frozen_at_s=freeze.frozen_at_s,
        thawed_at_s=freeze.thawed_at_s,
        service_s=freeze.service_s,
    )
    truth = spread_ms([one.response_s for one in answered])
    return _rows("freeze", truth, measured, service)


def _rows(case: str, truth: Spread, measured: Spread, service: Spread) -> list[Row]:
    rows: list[Row] = []
    for name in COMPARED:
        ours_ms, true_ms = getattr(measured, name), getattr(truth, name)
        off = off_by(ours_ms, true_ms)
        rows.append(
            Row(
                case=f"{case}: response time, {name}",
                figure=ours_ms,
                unit="ms",
                beside="truth",
                beside_figure=true_ms,
                ratio=ours_ms / true_ms,
                target=f"within {OFF_BY_MAX:.0%} or {WITHIN_MS:g} ms",
                reached=off <= OFF_BY_MAX or abs(ours_ms - true_ms) <= WITHIN_MS,
                details={"off by %": 100 * off, "service time ms": getattr(service, name)},
            )
        )
    return rows


def read_spread(hlog: Path, tag: str) -> Spread:
    """All intervals of one tag of an .hlog file, added up; values there are microseconds."""
    whole = HdrHistogram(1, 3_600_000_000, 3)
    for encoded in _histograms(hlog.read_text(encoding="utf-8").splitlines(), tag):
        whole.decode_and_add(encoded)
    if not whole.get_total_count():
        raise ChildFailed(f"{hlog.name} has no histogram called {tag}")
    at_us = whole.get_percentile_to_value_dict([50, 90, 95, 99, 99.9, 100])
    mean_us = whole.get_mean_value()
    return Spread(*(us / 1000 for us in (mean_us, *at_us.values())))


def _histograms(lines: Iterable[str], tag: str) -> list[str]:
    prefix = f"Tag={tag},"
    return [line.rsplit(",", 1)[1] for line in lines if line.startswith(prefix)]


def _unix_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    sys.exit(results.main("bench_truth", MEASURES, measure))
