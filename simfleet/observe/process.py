"""What this process uses of its machine: memory, descriptors, ports, processors; and the pauses of
its garbage collector.
"""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from simfleet.clock import stopwatch_s

if TYPE_CHECKING:
    from types import TracebackType


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


class MachineCpu:
    """CPU seconds of the whole machine: (all, busy, stolen), since the last `restart`."""

    __slots__ = ("_start",)

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Count from now on."""
        self._start = self.read()

    @staticmethod
    def read() -> tuple[float, float, float]:
        """Return (all, busy, stolen) since the machine started, in seconds of all cores."""
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
