"""Reported response times beside the truth, which the CSMS's side writes down.

100 chargers make one CALL a second (MeterValues) of a CSMS that answers each after 100 ms; in the
middle of a run it stands still for five seconds (SIGSTOP: its sockets stay open), or it gets slower
and slower, or one answer in a hundred takes two seconds. What `summary.json` says of the response
times is compared with the truth of `truth`: due times from when frames came, ends from when answers
were written, both seen by another process on the same clock. Nothing that the generator measures or
says goes into it; known beforehand is only that each charger has one fixed interval and that timers
have steps of 10 ms.

A figure is right when it is off by a hundredth at most. A process that sleeps is told of an answer
some time after it came, and cannot know how long. A bare reader on the generator's core (`probe`)
measures that time during the same run; what it would have reported in the generator's place, the
true times with its delays added, each to each, is the floor of each figure, together with the tenth
of a percent that is the resolution of the histograms. Where a figure is too high and its floor is
above a hundredth, the floor is the limit, and the row says so. Nothing excuses one too low.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench import results
from bench.children import Child, ChildFailed, python
from bench.machine import generator_core, peer_core
from bench.results import Row, say
from bench.sink import LoggedCall
from bench.truth import Logged, Spread, Truth, spread_ms, truth
from simfleet.station.timing import STEPS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

MEASURES = (
    "Response times in `summary.json` of chargers at one CALL per second whose CSMS stands still "
    "in the middle of a run, gets slower and slower, or answers one CALL in a hundred slowly, "
    "beside the truth: due times from when frames came to the CSMS, ends from when it had written "
    "the answers. The floor is how much more a bare reader on the same core would have reported, "
    "plus 0.1 % for the histogram; it is the limit of what is too high where it is above 1 %. The "
    "naive figure, counted from the sending, is what a tool with coordinated omission would say."
)
OFF_BY_MAX = 0.01
RESOLUTION = 0.001
"""Of the histograms: three digits."""
COMPARED = ("mean", "p50", "p90", "p99", "p99_9")
INTERVAL_S = 1
STEP_S = 1 / STEPS_PER_S
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
    Case("freeze", "steady", 5, before_s=0.5, frozen_s=2.5),
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
    calls: int


class Seen(NamedTuple):
    """What others saw of the run."""

    true: Truth
    way_s: float
    """How long a frame is on its way to the CSMS at least."""
    writing: Spread
    """How long answers took to be handed to the kernel."""
    reading: Spread
    """How late a bare reader on the generator's core was told of answers."""
    bare: Spread
    """The response times that the bare reader would have reported."""
    stated_off: Spread
    """How far true due times are after the stated ones, which is only told."""


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
    return compare(case.name, seen, reported), _note(case, seen, reported, code)


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
    way_s = min(answers[id_].received_s - sent_s for id_, sent_s, _ in probed)
    delays_s = [max(0.0, read_s - answers[id_].written_s) for id_, _, read_s in probed]
    true = truth(logs, interval_s=INTERVAL_S, step_s=STEP_S, way_s=way_s)
    return Seen(
        true=true,
        way_s=way_s,
        writing=spread_ms([one.written_s - one.writing_s for log in logs.values() for one in log]),
        reading=spread_ms(delays_s),
        bare=true.read_late(delays_s),
        stated_off=stated_off_ms(calls, true.first_due_s),
    )


def compare(case: str, seen: Seen, reported: Reported) -> list[Row]:
    """One row per figure. Raises ChildFailed where other CALLs were counted than were seen."""
    if reported.calls != seen.true.calls:
        raise ChildFailed(f"{reported.calls} CALLs were reported, {seen.true.calls} seen: no truth")
    return [_row(case, figure, seen, reported) for figure in COMPARED]


def _row(case: str, figure: str, seen: Seen, reported: Reported) -> Row:
    ours_ms: float = getattr(reported.response, figure)
    true_ms: float = getattr(seen.true.at_most, figure)
    naive_ms: float = getattr(seen.true.naive, figure)
    off_ms = seen.true.off_ms(figure, ours_ms)
    floor_ms = RESOLUTION * true_ms + getattr(seen.bare, figure) - true_ms
    within_ms = OFF_BY_MAX * true_ms
    by_floor = off_ms > 0 and floor_ms > within_ms
    return Row(
        case=f"{case}: response time, {figure}",
        figure=ours_ms,
        unit="ms",
        beside="truth",
        beside_figure=true_ms,
        ratio=ours_ms / true_ms,
        target=f"within {floor_ms:.2f} ms (floor)" if by_floor else f"within {OFF_BY_MAX:.0%}",
        reached=abs(off_ms) <= (floor_ms if by_floor else within_ms),
        details={
            "off by ms": off_ms,
            "that is %": 100 * off_ms / true_ms,
            "floor ms": floor_ms,
            "naive ms": naive_ms,
            "naive off by %": 100 * seen.true.off_ms(figure, naive_ms) / true_ms,
            "reported service time ms": getattr(reported.service, figure),
        },
    )


def _note(case: Case, seen: Seen, reported: Reported, code: int) -> str:
    stated, writing = seen.stated_off, seen.writing
    note = (
        f"{case.name}: {reported.calls:,} CALLs of {len(seen.true.first_due_s)} chargers. A frame "
        f"took {1000 * seen.way_s:.2f} ms to come at least, an answer {writing.p50:.2f} ms to "
        f"write (p99.9 {writing.p99_9:.2f}), the bare reader {seen.reading.mean:.2f} ms to read it "
        f"(p50 {seen.reading.p50:.2f}, p99 {seen.reading.p99:.2f}). True due times are "
        f"{stated.p50:.2f} ms (at most {stated.max:.2f}) after those stated in the CALLs, which "
        f"are not used and known to a millisecond. Load at the end: {os.getloadavg()[0]:.1f}."
    )
    if code == INVALID_RUN:
        note += " SimFleet called the run INVALID: the machine was too busy for its generator."
    return note


def stated_off_ms(calls: list[LoggedCall], first_due_s: Mapping[str, float]) -> Spread:
    """How far true due times are after those that chargers state in their first samples.

    Stated times are wall times cut to milliseconds: half of one is added.
    """
    wall_s = time.time() - time.monotonic()
    stated: dict[str, float] = {}
    for call in sorted(calls, key=attrgetter("received_s")):
        if call.stated:
            at_s = datetime.fromisoformat(call.stated).timestamp() + 0.0005 - wall_s
            stated.setdefault(call.charger, at_s)
    return spread_ms([first_due_s[charger] - at_s for charger, at_s in stated.items()])


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
