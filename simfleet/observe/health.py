"""Is the generator itself keeping up? Evidence about this process, and a verdict from it.

A load generator that is late measures itself: a CALL sent 300 ms late, or an answer that lay unread
for 300 ms, is charged to the CSMS. So every run judges its own generator, by `judge` in
`generator_verdict.py`, from what is collected here:

- `LoopLagProbe` (`lag.py`): how late the event loop runs a task that is due; every other task was
  as late.
- `ScheduleLag`: how late CALLs were started because of us, as the chargers saw it.
- CPU of this process over the load, garbage collections, memory, open descriptors (`process.py`).
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any, Final, Self

import trio
from msgspec import Struct, structs

from simfleet.clock import cpu_s
from simfleet.observe.generator_verdict import GeneratorEvidence, shown
from simfleet.observe.histogram import FastHistogram, summary_ms
from simfleet.observe.lag import LoopLagProbe, ScheduleLag
from simfleet.observe.process import (
    GarbagePauses,
    MachineCpu,
    connections_waiting,
    local_ports,
    open_descriptors,
    rss_mib,
    rss_peak_mib,
)

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Health", "HealthMark"]

SAMPLE_PERIOD_S: Final = 5.0
"""Between two readings of memory and descriptors."""


class HealthMark(Struct, frozen=True):
    """The generator at one moment, for what comes after it."""

    at_s: float
    cpu_s: float
    loop_lag: FastHistogram
    schedule_lag: FastHistogram
    gc_pauses: int
    gc_total_s: float
    machine: tuple[float, float, float]


class Health:
    """Watches this process during a run: a context manager around it, and `run` as a task in it.

    The runner calls `begin_load` when the first stage starts and `end_load` when the last one is
    over; preparing 10,000 chargers or writing a report may take all the CPU it likes.
    """

    __slots__ = (
        "_cpu_start_s",
        "_descriptors_peak",
        "_ended",
        "_garbage",
        "_load_start_s",
        "_machine",
        "_ports_peak",
        "_rss_start_mib",
        "_virtual",
        "loop_lag",
        "schedule_lag",
        "speed",
    )

    def __init__(self, at_s: float, *, speed: float = 1.0, virtual: bool = False) -> None:
        """`speed` is how many seconds of the event loop's clock pass in a real one; all evidence is
        in real time. A `virtual` clock jumps: nothing can be late, so nothing is measured, and
        seconds are simulated ones.
        """
        self.speed = speed
        self._virtual = virtual
        self.loop_lag = LoopLagProbe(speed=speed)
        self.schedule_lag = ScheduleLag(speed=speed)
        self._garbage = GarbagePauses()
        self._machine = MachineCpu()
        self._rss_start_mib = rss_mib()
        self._load_start_s = at_s
        self._cpu_start_s = cpu_s()
        self._descriptors_peak = open_descriptors()
        self._ports_peak = 0
        self._ended: GeneratorEvidence | None = None

    def __enter__(self) -> Self:
        self._garbage.__enter__()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._garbage.__exit__(exc_type, exc, tb)

    @property
    def clock(self) -> str:
        """The kind of clock: `real`, `scaled` or `virtual`."""
        if self._virtual:
            return "virtual"
        return "real" if self.speed == 1.0 else "scaled"

    @property
    def garbage(self) -> GarbagePauses:
        """The collections of the period that is judged."""
        return self._garbage

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Measure until cancelled."""
        if self._virtual:
            task_status.started()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.loop_lag.run, name="health:loop-lag")
            nursery.start_soon(self._sample, name="health:samples")
            task_status.started()

    async def _sample(self) -> None:
        due_s = trio.current_time()
        while True:
            self._look()
            due_s += SAMPLE_PERIOD_S * self.speed
            await trio.sleep_until(due_s)

    def _look(self) -> None:
        descriptors = open_descriptors()
        self._descriptors_peak = max(self._descriptors_peak, descriptors)
        self._ports_peak = max(self._ports_peak, descriptors + connections_waiting())

    def begin_load(self, at_s: float) -> None:
        """Begin the period that is judged; what was measured before is forgotten."""
        self.loop_lag.restart(at_s)
        self.schedule_lag.histogram.reset()
        self._garbage.reset()
        self._machine.restart()
        self._load_start_s = at_s
        self._cpu_start_s = cpu_s()
        self._ended = None

    def end_load(self, at_s: float) -> GeneratorEvidence:
        """End the period that is judged; `evidence` and `snapshot` stay as they are now."""
        self._ended = self.evidence(at_s)
        return self._ended

    def evidence(self, at_s: float) -> GeneratorEvidence:
        """Return what is known at `at_s`, or was when the load ended."""
        if self._ended is not None:
            return self._ended
        self.loop_lag.catch_up(at_s)
        loop, schedule = self.loop_lag.histogram, self.schedule_lag.histogram
        busy_ratio, stolen_ratio = self._machine.ratios()
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._look()
        return GeneratorEvidence(
            load_s=(at_s - self._load_start_s) / self.speed,
            virtual=self._virtual,
            cpu_s=cpu_s() - self._cpu_start_s,
            **_lags(loop, schedule),
            gc_pauses=self._garbage.count,
            gc_total_ms=self._garbage.total_s * 1000,
            gc_max_ms=self._garbage.max_s * 1000,
            rss_start_mib=self._rss_start_mib,
            rss_peak_mib=rss_peak_mib(),
            descriptors_peak=self._descriptors_peak,
            descriptors_limit=0 if limit == resource.RLIM_INFINITY else limit,
            ports_peak=self._ports_peak,
            ports_limit=local_ports(),
            machine_busy_ratio=busy_ratio,
            machine_stolen_ratio=stolen_ratio,
        )

    def mark(self, at_s: float) -> HealthMark:
        """The generator now, for `evidence_since`."""
        self.loop_lag.catch_up(at_s)
        return HealthMark(
            at_s,
            cpu_s(),
            self.loop_lag.histogram.copy(),
            self.schedule_lag.histogram.copy(),
            self._garbage.count,
            self._garbage.total_s,
            self._machine.read(),
        )

    def evidence_since(self, mark: HealthMark, at_s: float) -> GeneratorEvidence:
        """What is known about the time from `mark` to now, `at_s`; memory and descriptors are those
        of the whole load.
        """
        self.loop_lag.catch_up(at_s)
        loop = self.loop_lag.histogram.since(mark.loop_lag)
        schedule = self.schedule_lag.histogram.since(mark.schedule_lag)
        busy_ratio, stolen_ratio = self._machine.ratios(mark.machine)
        pauses = self._garbage.count - mark.gc_pauses
        gc_total_ms = (self._garbage.total_s - mark.gc_total_s) * 1000
        return structs.replace(
            self.evidence(at_s),
            load_s=(at_s - mark.at_s) / self.speed,
            cpu_s=cpu_s() - mark.cpu_s,
            **_lags(loop, schedule),
            gc_pauses=pauses,
            gc_total_ms=gc_total_ms,
            gc_max_ms=min(self._garbage.max_s * 1000, gc_total_ms),
            machine_busy_ratio=busy_ratio,
            machine_stolen_ratio=stolen_ratio,
        )

    def snapshot_since(self, mark: HealthMark, at_s: float) -> dict[str, Any]:
        """As `snapshot`, of the time since `mark`."""
        return shown(self.evidence_since(mark, at_s))

    def snapshot(self, at_s: float) -> dict[str, Any]:
        """Return the evidence as `summary.json` shows it in `generator`, ready for JSON."""
        return shown(self.evidence(at_s))


def _lags(loop: FastHistogram, schedule: FastHistogram) -> dict[str, Any]:
    """The fields of the evidence that say how late things were."""
    figures: dict[str, Any] = {}
    for name, histogram in (("loop_lag", loop), ("schedule_lag", schedule)):
        times_ms = summary_ms(histogram)
        figures[f"{name}_samples"] = histogram.total_count
        for point in ("p50", "p99", "max"):
            figures[f"{name}_{point}_ms"] = times_ms[point]
    return figures
