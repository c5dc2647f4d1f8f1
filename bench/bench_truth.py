"""Reported response times beside the truth, which the CSMS's side writes down.

100 chargers make one CALL a second (MeterValues) of a CSMS that answers each after 50 ms; in the
middle of a run it stands still for five seconds (SIGSTOP: its sockets stay open), or it gets slower
and slower, or one answer in a hundred takes two seconds. What `summary.json` says of the response
times is compared with the truth of `truth`: due times from when frames came, ends from when answers
were written, both seen by another process on the same clock. Nothing that the generator measures or
says goes into it; known beforehand is only that each charger has one fixed interval.

A figure is right when it is off by a hundredth at most. A process that sleeps is told of an answer
some time after it came, and cannot know how long; below that time nothing can be measured. A bare
reader on the generator's core (`probe`) measures it during the same run, and each figure has its
own floor: that figure of the bare reader's delays, plus the tenth of a percent that is the
resolution of the histograms. Where the floor is more than a hundredth, the floor is the limit, and
the row says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from bench import results
from bench.children import Child, ChildFailed, python
from bench.machine import generator_core, peer_core
from bench.results import Row, say
from bench.sink import LoggedCall
from bench.truth import Logged, Spread, Truth, first_due_s, spread_ms, truth

MEASURES = (
    "Response times in `summary.json` of chargers at one CALL per second whose CSMS stands still "
    "in the middle of a run, gets slower and slower, or answers one CALL in a hundred slowly, "
    "beside the truth: due times from when frames came to the CSMS, ends from when it had written "
    "the answers. The floor is how late a bare reader on the same core is told of answers, plus "
    "0.1 % for the histogram; it is the limit where it is more than 1 %."
)
OFF_BY_MAX = 0.01
RESOLUTION = 0.001
"""Of the histograms: three digits."""
COMPARED = ("mean", "p50", "p90", "p99", "p99_9")
INTERVAL_S = 1
CHARGERS, CHARGERS_QUICK = 100, 20
START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 120.0
INVALID_RUN = 106
"""Exit code of a run whose generator could not keep up."""
ACTION = "MeterValues"
PROBED = "DataTransfer"
"""What the bare reader sends."""


class Case(NamedTuple):
    """A run: how late the sink answers, and how long it stands still, if it does."""

    name: str
    late: str
    hold_s: int
    before_s: float = 0.0
    """Charging before the freeze; what is left of the hold comes after it."""
    frozen_s: float = 0.0


CASES = (
    Case("freeze", "steady", 25, before_s=8.0, frozen_s=5.0),
    Case("delay ramp", "ramp:12", 25),
    Case("1 % slow replies", "one:100,2", 25),
)
QUICK = (
    Case("freeze", "steady", 4, before_s=0.5, frozen_s=1.5),
    Case("delay ramp", "ramp:3", 4),
    Case("slow replies", "one:10,1.5", 4),
)

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


class Reported(NamedTuple):
    """What the run said."""

    response: Spread
    service: Spread
    count: int


class Seen(NamedTuple):
    """What others saw of the run."""

    logs: dict[str, list[Logged]]
    """The MeterValues of each charger."""
    way_s: float
    """How long a frame is on its way to the CSMS at least."""
    reading: Spread
    """How late a bare reader on the generator's core was told of answers."""


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Run a freeze, a ramp of delays and a few slow replies; quick runs are smaller and shorter."""
    rows: list[Row] = []
    notes: list[str] = []
    for case in QUICK if quick else CASES:
        case_rows, note = measure_case(case, chargers=CHARGERS_QUICK if quick else CHARGERS)
        rows += case_rows
        notes.append(note)
    return rows, notes


def measure_case(case: Case, *, chargers: int) -> tuple[list[Row], str]:
    """One run beside its truth: rows, and a note on what the truth is made of."""
    say(f"{case.name}: {chargers} chargers for {case.hold_s} s ...")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenario = folder / "truth.yaml"
        text = SCENARIO.format(chargers=chargers, interval_s=INTERVAL_S, hold_s=case.hold_s)
        scenario.write_text(text, encoding="utf-8")
        sink_options = ("--log-calls", "--late", case.late)
        with Child(python("bench.sink", *sink_options), core=peer_core()) as sink:
            target = f"ws://127.0.0.1:{sink.hear()['port']}"
            probing = python("bench.probe", "--target", target)
            command = ["run", str(scenario), "--target", target, "--quiet"]
            with (
                Child(probing, core=generator_core()) as probe,
                Child(
                    python("simfleet", *command, "--out", str(folder / "run")),
                    core=generator_core(),
                    stderr=subprocess.DEVNULL,
                    stops_on_stdin=False,
                ) as run,
            ):
                probe.hear()
                if case.frozen_s:
                    _freeze(sink, run, case, chargers=chargers)
                code, _ = run.wait(timeout_s=case.hold_s + END_TIMEOUT_S)
                probed = probe.ask()
            calls = [LoggedCall(*call) for call in sink.ask("calls")["calls"]]
        if code not in (0, INVALID_RUN):
            raise ChildFailed(f"simfleet run ended with exit code {code}")
        reported = read_reported(folder / "run" / "summary.json")
    seen = see(calls, [tuple(one) for one in probed["calls"]], chargers=chargers)
    return compare(case.name, seen, reported), _note(case, seen, calls, reported, code)


def _freeze(sink: Child, run: Child, case: Case, *, chargers: int) -> None:
    """Wait until all charge, and some time more; then stop the sink for a while."""
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while (charging := sink.ask()["by_action"].get("StartTransaction", 0)) < chargers:
        if time.monotonic() > give_up_s or not run.running():
            raise ChildFailed(f"only {charging} of {chargers} chargers charge")
        time.sleep(0.1)
    time.sleep(case.before_s)
    sink.freeze()
    time.sleep(case.frozen_s)
    sink.thaw()


def see(calls: list[LoggedCall], probed: list[tuple[str, float, float]], *, chargers: int) -> Seen:
    """What the sink and the bare reader wrote down. Raises ChildFailed where it is no truth."""
    starts = Counter(call.charger for call in calls if call.action == "StartTransaction")
    if len(starts) != chargers or set(starts.values()) != {1}:
        raise ChildFailed(f"{len(starts)} of {chargers} chargers started, or some twice: no truth")
    logs: dict[str, list[Logged]] = defaultdict(list)
    for call in sorted(calls, key=attrgetter("received_s")):
        if call.action == ACTION:
            logs[call.charger].append(Logged(call.received_s, call.writing_s, call.written_s))
    answers = {call.id: call for call in calls if call.action == PROBED}
    if not probed:
        raise ChildFailed("the bare reader made no CALL: no floor")
    return Seen(
        logs=dict(logs),
        way_s=min(answers[id_].received_s - sent_s for id_, sent_s, _ in probed),
        reading=spread_ms([read_s - answers[id_].writing_s for id_, _, read_s in probed]),
    )


def compare(case: str, seen: Seen, reported: Reported) -> list[Row]:
    """One row per figure. Raises ChildFailed where other CALLs were counted than were seen."""
    true = truth(seen.logs, interval_s=INTERVAL_S, way_s=seen.way_s)
    if reported.count != true.count:
        raise ChildFailed(f"{reported.count} CALLs were reported, {true.count} seen: no truth")
    return [_row(case, figure, true, seen.reading, reported) for figure in COMPARED]


def _row(case: str, figure: str, true: Truth, reading: Spread, reported: Reported) -> Row:
    ours_ms: float = getattr(reported.response, figure)
    true_ms: float = getattr(true.at_most, figure)
    naive_ms: float = getattr(true.naive, figure)
    off_ms = true.off_ms(figure, ours_ms)
    floor_ms = RESOLUTION * true_ms + getattr(reading, figure)
    by_floor = floor_ms > OFF_BY_MAX * true_ms
    return Row(
        case=f"{case}: response time, {figure}",
        figure=ours_ms,
        unit="ms",
        beside="truth",
        beside_figure=true_ms,
        ratio=ours_ms / true_ms,
        target=f"within {floor_ms:.2f} ms (floor)" if by_floor else f"within {OFF_BY_MAX:.0%}",
        reached=off_ms <= max(floor_ms, OFF_BY_MAX * true_ms),
        details={
            "off by ms": off_ms,
            "that is %": 100 * off_ms / true_ms,
            "floor ms": floor_ms,
            "naive (true service time) ms": naive_ms,
            "naive off by %": 100 * true.off_ms(figure, naive_ms) / true_ms,
            "reported service time ms": getattr(reported.service, figure),
        },
    )


def _note(case: Case, seen: Seen, calls: list[LoggedCall], reported: Reported, code: int) -> str:
    windows_ms = spread_ms(
        [one.written_s - one.writing_s for log in seen.logs.values() for one in log]
    )
    early_ms, late_ms = stated_off_ms(calls, seen.way_s)
    note = (
        f"{case.name}: {reported.count:,} CALLs of {len(seen.logs)} chargers. An answer took "
        f"{windows_ms.p50:.2f} ms to write (p99.9 {windows_ms.p99_9:.2f}), a frame "
        f"{1000 * seen.way_s:.2f} ms to come at least, the bare reader {seen.reading.p50:.2f} ms "
        f"to read (p99 {seen.reading.p99:.2f}). What the CALLs state as their due times (not used) "
        f"is {early_ms:.2f} to {late_ms:.2f} ms before what was seen."
    )
    if code == INVALID_RUN:
        note += " SimFleet called the run INVALID: the machine was too busy for its generator."
    return note


def stated_off_ms(calls: list[LoggedCall], way_s: float) -> tuple[float, float]:
    """How far due times seen are behind the stated ones: least and most of all chargers' firsts.

    Stated times are wall times cut to milliseconds: half of one is added.
    """
    wall_s = time.time() - time.monotonic()
    frames: dict[str, list[LoggedCall]] = defaultdict(list)
    for call in sorted(calls, key=attrgetter("received_s")):
        if call.stated:
            frames[call.charger].append(call)
    off_ms = []
    for log in frames.values():
        seen_s = first_due_s([one.received_s for one in log], interval_s=INTERVAL_S, way_s=way_s)
        stated_s = datetime.fromisoformat(log[0].stated).timestamp() + 0.0005 - wall_s
        off_ms.append(1000 * (seen_s - stated_s))
    return min(off_ms), max(off_ms)


def read_reported(path: Path) -> Reported:
    """What a run's `summary.json` says of its MeterValues."""
    calls = json.loads(path.read_text(encoding="utf-8"))["calls"]
    if ACTION not in calls:
        raise ChildFailed(f"{path.name} has no CALLs of {ACTION}")
    of = calls[ACTION]

    def spread(kind: str) -> Spread:
        return Spread(*(of[kind][figure] for figure in Spread._fields))

    return Reported(spread("response_ms"), spread("service_ms"), of["count"])


if __name__ == "__main__":
    sys.exit(results.main("bench_truth", MEASURES, measure))
