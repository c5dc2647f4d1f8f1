"""What a figure was measured on: the machine, the versions, and which core each process has."""

from __future__ import annotations

import os
import platform
import resource
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from simfleet import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable

# What a figure depends on beside our own code.
PACKAGES = (
    "trio",
    "websockets",
    "trio-websocket",
    "msgspec",
    "jsonschema-rs",
    "hdrhistogram",
)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The machine in a few words; everything here is read from the running system."""

    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    load_1min: float
    """Load average when the benchmark began: above 0.3 others were at work on this machine."""

    def __str__(self) -> str:
        return (
            f"{self.processor}, {self.cores} cores, {self.memory_gib:.0f} GiB; {self.system}; "
            f"{self.python}"
        )


def describe() -> Machine:
    """This machine, now."""
    memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        processor=_processor(),
        cores=len(usable_cores()),
        memory_gib=memory_bytes / 2**30,
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        load_1min=os.getloadavg()[0],
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def versions(extra: Iterable[str] = ()) -> dict[str, str]:
    """Versions of SimFleet, of the packages that matter to all figures, and of `extra` ones."""
    found = {"simfleet": __version__}
    for package in (*PACKAGES, *extra):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def usable_cores() -> list[int]:
    """The cores this process may run on, in order."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def generator_core() -> int | None:
    """The core for what is measured; None where there is only one and pinning says nothing."""
    cores = usable_cores()
    return cores[0] if len(cores) > 1 else None


def peer_core() -> int | None:
    """Another core, for what it talks to."""
    cores = usable_cores()
    return cores[-1] if len(cores) > 1 else None


def pin(core: int | None) -> None:
    """Keep this process on one core, where the system can; None leaves it alone."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def raise_descriptor_limit() -> int:
    """Raise the soft limit on open files to the hard one, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
