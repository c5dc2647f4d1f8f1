"""Is the generator itself keeping up? Evidence about this process, and a verdict from it.

A load generator that is late measures itself: a CALL sent 300 ms late, or an answer that lay unread
for 300 ms, is charged to the CSMS. So every run judges its own generator, by `judge` in
`generator_verdict.py`, from what is collected here:

- `LoopLagProbe`: how late the event loop runs a task that is due; every other task was as late.
- `ScheduleLag`: how late CALLs were started because of us, as the chargers saw it.
- CPU of this process over the load, garbage collections, memory, open descriptors.
"""

from __future__ import annotations

import gc
import resource
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import psutil
import trio
from msgspec import Struct, structs

from simfleet.clock import cpu_s, stopwatch_s
from simfleet.observe.generator_verdict import GeneratorEvidence, GeneratorVerdict, Level, judge
from simfleet.observe.latency import LATENCY_MAX_US, FastHistogram, summary_ms

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "GarbagePauses",
    "GeneratorEvidence",
    "GeneratorVerdict",
    "Health",
    "HealthMark",
    "Level",
    "LoopLagProbe",
    "ScheduleLag",
    "judge",
]

PROBE_PERIOD_S: Final = 0.010
"""Between two looks at the loop. Measured: 0.2 % of a core when the loop is busy anyway, 1.2 % when
it would sleep otherwise."""
PROBE_CATCH_UP_MAX_TICKS: Final = 6_000
"""Missed ticks recorded for one stall (one minute); a machine that slept all night is no news."""
RECENT_MAX: Final = 6_000
"""Samples of the loop's lag kept one by one until `take_recent_p99_s`."""
SAMPLE_PERIOD_S: Final = 5.0
"""Between two readings of memory and descriptors."""


def _record_late(histogram: FastHistogram, late_s: float) -> None:
    # Early by rounding is on time; above an hour is an hour.
    histogram.record_value(min(max(int(late_s * 1e6 + 0.5), 0), LATENCY_MAX_US))


class LoopLagProbe:
    """Measures how late the event loop runs what is due, in microseconds.

    Wakes at absolute due times, `PROBE_PERIOD_S` apart. After a stall, each due time missed in it
    is recorded with its own lateness: of a 1 s stall, 100 samples from 1 s down to 10 ms, as tasks
    due in it would have seen, and not one. Timers of the kernel interface have a resolution of
    1 ms, so an idle loop shows up to 1 ms.
    """

    __slots__ = (
        "_due_s",
        "_period_s",
        "_recent_s",
        "_running",
        "_speed",
        "histogram",
        "skipped_ticks",
    )

    def __init__(self, *, speed: float = 1.0) -> None:
        """`speed` is how many seconds of the event loop's clock pass in a real one; what is kept
        is in real time.
        """
        self._speed = speed
        self._period_s = PROBE_PERIOD_S * speed
        self.histogram = FastHistogram()
        self.skipped_ticks = 0
        """Due times that were missed and not recorded, see `PROBE_CATCH_UP_MAX_TICKS`."""
        self._recent_s: deque[float] = deque(maxlen=RECENT_MAX)
        self._due_s = 0.0
        self._running = False

    async def run(self) -> None:
        """Measure until cancelled. Only while this runs does a due time count as missed."""
        self._running = True
        self.restart(trio.current_time())
        try:
            while True:
                await trio.sleep_until(self._due_s)
                self.catch_up(trio.current_time())
        finally:
            self._running = False

    def restart(self, at_s: float) -> None:
        """Forget what was measured and begin anew at `at_s`."""
        self.histogram.reset()
        self._recent_s.clear()
        self.skipped_ticks = 0
        self._due_s = at_s + self._period_s

    def catch_up(self, at_s: float) -> None:
        """Record all due times up to `at_s`; also before reading the histogram."""
        due_s = self._due_s
        if due_s > at_s or not self._running:
            return
        for _ in range(PROBE_CATCH_UP_MAX_TICKS):
            late_s = (at_s - due_s) / self._speed
            _record_late(self.histogram, late_s)
            self._recent_s.append(late_s)
            due_s += self._period_s
            if due_s > at_s:
                break
        else:
            missed = int((at_s - due_s) / self._period_s) + 1
            self.skipped_ticks += missed
            due_s += missed * self._period_s
        self._due_s = due_s

    def take_recent_p99_s(self) -> float:
        """The p99 of what was measured since this was last asked; 0.0 if nothing was."""
        ordered = sorted(self._recent_s)
        self._recent_s.clear()
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0


class ScheduleLag:
    """How late CALLs were started because of us: at_s - due_s of those that waited for nothing.

    A CALL waiting behind an earlier one of its charger waits for the CSMS; it does not belong here.
    """

    __slots__ = ("_speed", "_worst_s", "histogram")

    def __init__(self, *, speed: float = 1.0) -> None:
        """`speed` as of `LoopLagProbe`."""
        self._speed = speed
        self.histogram = FastHistogram()
        self._worst_s = 0.0

    def record(self, late_s: float) -> None:
        """Record one CALL started `late_s` seconds of the event loop's clock after it was due."""
        late_s /= self._speed
        _record_late(self.histogram, late_s)
        if late_s > self._worst_s:
            self._worst_s = late_s

    def take_worst_s(self) -> float:
        """The latest of those recorded since this was last asked."""
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s


class GarbagePauses:
    """Counts and times garbage collections while inside its `with` block."""

    __slots__ = ("_began_s", "count", "max_s", "total_s")

    def __init__(self) -> None:
        self.count = 0
        self.total_s = 0.0
        self.max_s = 0.0
        self._began_s: float | None = None

    def _collecting(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began_s = stopwatch_s()
        elif self._began_s is not None:
            took_s = stopwatch_s() - self._began_s
            self._began_s = None
            self.count += 1
            self.total_s += took_s
            self.max_s = max(self.max_s, took_s)

    def reset(self) -> None:
        """Forget what was counted."""
        self.count = 0
        self.total_s = self.max_s = 0.0

    def __enter__(self) -> Self:
        gc.callbacks.append(self._collecting)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        gc.callbacks.remove(self._collecting)


def rss_mib() -> float:
    """Return the memory of this process that is in RAM, MiB."""
    return psutil.Process().memory_info().rss / 2**20


def rss_peak_mib() -> float:
    """Return the most RAM this process ever had, MiB.

    From VmHWM where there is one: ru_maxrss survives exec, so a child of a big process would start
    with the peak of its parent.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(kib) / 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 1024


def open_descriptors() -> int:
    """Return the number of open descriptors.

    Linux 6.2 and later tell it as the size of a folder; elsewhere the folder must be listed, which
    takes milliseconds at 10,000 connections.
    """
    try:
        count = Path("/proc/self/fd").stat().st_size
    except OSError:
        count = 0
    return count or psutil.Process().num_fds()


def connections_waiting(sockstat: Path = Path("/proc/net/sockstat")) -> int:
    """Return the number of the machine's TCP connections in TIME_WAIT, whose ports are taken; 0 if
    that is not known.
    """
    try:
        words = sockstat.read_text(encoding="ascii", errors="replace").split()
        return int(words[words.index("tw") + 1])
    except (OSError, ValueError, IndexError):
        return 0


def local_ports(port_range: Path = Path("/proc/sys/net/ipv4/ip_local_port_range")) -> int:
    """Return how many local ports connections may have; 0 if that is not known."""
    try:
        low, high = (int(word) for word in port_range.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return 0
    return high - low + 1


class _MachineCpu:
    """CPU seconds of the whole machine: (all, busy, stolen), since the last `restart`."""

    __slots__ = ("_start",)

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._start = self.read()

    @staticmethod
    def read() -> tuple[float, float, float]:
        times = psutil.cpu_times()
        stolen = getattr(times, "steal", 0.0)
        busy = times.user + times.system + stolen
        for name in ("nice", "irq", "softirq"):
            busy += getattr(times, name, 0.0)
        return busy + times.idle + getattr(times, "iowait", 0.0), busy, stolen

    def ratios(self, since: tuple[float, float, float] | None = None) -> tuple[float, float]:
        """Return the shares (busy, stolen) of all cores, 0.0 to 1.0, since a reading or the
        `restart`.
        """
        total, busy, stolen = (
            now - start for now, start in zip(self.read(), since or self._start, strict=True)
        )
        if total <= 0:  # less than one tick of the kernel
            return 0.0, 0.0
        return min(1.0, busy / total), min(1.0, stolen / total)  # rounding


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
        self._machine = _MachineCpu()
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
        loop_ms, schedule_ms = summary_ms(loop), summary_ms(schedule)
        busy_ratio, stolen_ratio = self._machine.ratios()
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._look()
        return GeneratorEvidence(
            load_s=(at_s - self._load_start_s) / self.speed,
            virtual=self._virtual,
            cpu_s=cpu_s() - self._cpu_start_s,
            loop_lag_samples=loop.total_count,
            loop_lag_p50_ms=loop_ms["p50"],
            loop_lag_p99_ms=loop_ms["p99"],
            loop_lag_max_ms=loop_ms["max"],
            schedule_lag_samples=schedule.total_count,
            schedule_lag_p50_ms=schedule_ms["p50"],
            schedule_lag_p99_ms=schedule_ms["p99"],
            schedule_lag_max_ms=schedule_ms["max"],
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
        loop_ms, schedule_ms = summary_ms(loop), summary_ms(schedule)
        busy_ratio, stolen_ratio = self._machine.ratios(mark.machine)
        pauses = self._garbage.count - mark.gc_pauses
        gc_total_ms = (self._garbage.total_s - mark.gc_total_s) * 1000
        return structs.replace(
            self.evidence(at_s),
            load_s=(at_s - mark.at_s) / self.speed,
            cpu_s=cpu_s() - mark.cpu_s,
            loop_lag_samples=loop.total_count,
            loop_lag_p50_ms=loop_ms["p50"],
            loop_lag_p99_ms=loop_ms["p99"],
            loop_lag_max_ms=loop_ms["max"],
            schedule_lag_samples=schedule.total_count,
            schedule_lag_p50_ms=schedule_ms["p50"],
            schedule_lag_p99_ms=schedule_ms["p99"],
            schedule_lag_max_ms=schedule_ms["max"],
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


def shown(seen: GeneratorEvidence) -> dict[str, Any]:
    """Evidence as `summary.json` shows it."""
    return {
        "load_s": seen.load_s,
        "cpu_s": seen.cpu_s,
        "cpu_ratio": seen.cpu_ratio,
        "rss_start_mib": seen.rss_start_mib,
        "rss_peak_mib": seen.rss_peak_mib,
        "loop_lag_ms": {
            "p50": seen.loop_lag_p50_ms,
            "p99": seen.loop_lag_p99_ms,
            "max": seen.loop_lag_max_ms,
            "samples": seen.loop_lag_samples,
        },
        "schedule_lag_ms": {
            "p50": seen.schedule_lag_p50_ms,
            "p99": seen.schedule_lag_p99_ms,
            "max": seen.schedule_lag_max_ms,
            "samples": seen.schedule_lag_samples,
        },
        "gc": {
            "pauses": seen.gc_pauses,
            "total_ms": seen.gc_total_ms,
            "max_ms": seen.gc_max_ms,
        },
        "descriptors": {"peak": seen.descriptors_peak, "limit": seen.descriptors_limit},
        "ports": {"peak": seen.ports_peak, "limit": seen.ports_limit},
        "machine": {
            "busy_ratio": seen.machine_busy_ratio,
            "stolen_ratio": seen.machine_stolen_ratio,
        },
    }
