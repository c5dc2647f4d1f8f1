"""Looks at a run once a second and says what there is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from simfleet.clock import stopwatch_s
from simfleet.load.progress import Progress
from simfleet.observe.generator_verdict import judge

if TYPE_CHECKING:
    from simfleet.fleet.recorder import Recorder
    from simfleet.load.stages.engine import Engine

CAUSES_MAX: Final = 8
"""Causes of errors that are told apart; the most frequent ones."""
BY_US: Final = frozenset({"ended", "cut", "cancelled"})


class Glance:
    """See the module. One per run: what is counted per second is counted since the last look."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._calls = 0
        self._cpu_s = 0.0
        self._load_s = 0.0
        self._began = (trio.current_time(), stopwatch_s())

    def _speed(self, at_s: float) -> float:
        """Seconds of the run in a real one, from the first look on."""
        real_s = stopwatch_s() - self._began[1]
        return round((at_s - self._began[0]) / real_s, 1) if real_s > 0 else 1.0

    def progress(self) -> Progress:
        """The run now."""
        at_s = trio.current_time()
        engine = self._engine
        recorder, counters = engine.recorder, engine.recorder.counters
        evidence = engine.health.evidence(at_s)
        rates = (counters.frames_sent, counters.frames_received)
        response_ms = recorder.latencies.summary_ms()
        calls, wish = recorder.latencies.count(), engine.mass.wish
        took_s = evidence.load_s - self._load_s
        new_calls, new_cpu_s = calls - self._calls, evidence.cpu_s - self._cpu_s
        self._calls, self._cpu_s, self._load_s = calls, evidence.cpu_s, evidence.load_s
        last = engine.live.last
        return Progress(
            elapsed_s=at_s - engine.annotations.began_s,
            stage=engine.stage_label,
            stage_left_s=engine.stage.left_s,
            chargers=engine.mass.size,
            wanted=wish.target,
            connected=counters.connect.connected,
            booted=len(recorder.booted),
            transactions=recorder.ledger.still_open,
            calls=calls,
            frames_per_s=sum(rate.current(at_s) for rate in rates),
            problems=recorder.problems_total,
            loop_lag_p99_ms=evidence.loop_lag_p99_ms,
            response_p99_ms=response_ms["p99"],
            injected=counters.injected.total,
            response_p50_ms=response_ms["p50"],
            calls_per_s=round(new_calls / took_s, 1) if took_s > 0 else 0.0,
            errors=errors_by_cause(recorder),
            cpu=round(max(0.0, new_cpu_s / took_s), 3) if took_s > 0 else 0.0,
            generator=str(judge(evidence).level),
            mode=str(wish.mode),
            paused=engine.paused,
            rate_per_s=None if engine.arrivals is None else round(engine.arrivals.rate_per_s, 3),
            stage_number=0 if engine.stages_over else engine.stage_number + 1,
            stages=len(engine.scenario.stages),
            stage_s=engine.stage.planned_s,
            run_left_s=engine.run_left_s,
            last_action="" if last is None else f"{last.by}: {last.result}",
            last_action_at_s=None if last is None else last.at_s,
            changed_live=engine.live.changed,
            clock=engine.health.clock,
            speed=self._speed(at_s),
            alive=len(engine.supervisor.chargers),
        )


def errors_by_cause(recorder: Recorder) -> dict[str, int]:
    """What went wrong so far, the most frequent causes first."""
    latencies, counters = recorder.latencies, recorder.counters
    found = dict(latencies.errors())
    found["timeouts"] = latencies.timeouts()
    found["lost"] = latencies.lost()
    for reason, count in counters.connect.failures.items():
        found[f"connect: {reason}"] = count
    for kind, count in counters.disconnects.items():
        if kind not in BY_US:
            found[f"link: {kind}"] = count
    often = sorted(((n, cause) for cause, n in found.items() if n), key=lambda one: -one[0])
    return {cause: n for n, cause in often[:CAUSES_MAX]}
