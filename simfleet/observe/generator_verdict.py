"""Did the generator keep up? The verdict on this process, from evidence, by named thresholds.

Pure: `health.py` collects the evidence. Why the generator was late does not matter for the verdict:
a neighbour that steals the CPU spoils the figures just as well as too many chargers do. The reasons
name what is known about the cause.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec

__all__ = ["GeneratorEvidence", "GeneratorVerdict", "Level", "judge", "shown"]

LAG_P99_SUSPECT_MS: Final = 50.0
"""One CALL in a hundred is off by this. Answers of a healthy CSMS take 5 to 50 ms, so the error is
as large as what is measured; a default `call.response.p99` threshold of 1 s still holds."""
LAG_P99_INVALID_MS: Final = 250.0
"""A quarter of a second of our own is in the p99: no statement about the CSMS is possible."""
LAG_MAX_SUSPECT_MS: Final = 1_000.0
"""One stall of a second does not show in the p99 of a long run, but is its maximum."""
CPU_SUSPECT_RATIO: Final = 0.90
"""Of one core, which is all that one event loop can use; above it, queues build up in us."""
CPU_INVALID_RATIO: Final = 0.98
"""Saturated; INVALID only if something was late as well, for a closed loop may use all there is."""
VIRTUAL: Final = (
    "a virtual run: the clock stands still while chargers and CSMS work, so times of a CSMS are not"
    " measured; those shown are simulated"
)
CPU_LOAD_MIN_S: Final = 5.0
"""Shorter loads are start-up work mostly; their CPU share says nothing."""
DESCRIPTORS_SUSPECT_RATIO: Final = 0.95
"""Of the limit; the next connections may have been refused by our own kernel."""


PORTS_SUSPECT_RATIO: Final = 0.95
"""Of those that the kernel gives to connections, per source address."""


class Level(StrEnum):
    """How far the figures of a run can be trusted."""

    VALID = "VALID"  # the generator kept up
    SUSPECT = "SUSPECT"  # it was close to its limits; read the reasons before the figures
    INVALID = "INVALID"  # the generator was the bottleneck


class GeneratorEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the generator over `load_s` seconds of load. Lags are from due times."""

    load_s: float
    cpu_s: float
    loop_lag_samples: int
    loop_lag_p50_ms: float
    loop_lag_p99_ms: float
    loop_lag_max_ms: float
    schedule_lag_samples: int = 0
    schedule_lag_p50_ms: float = 0.0
    schedule_lag_p99_ms: float = 0.0
    schedule_lag_max_ms: float = 0.0
    gc_pauses: int = 0
    gc_total_ms: float = 0.0
    gc_max_ms: float = 0.0
    rss_start_mib: float = 0.0
    rss_peak_mib: float = 0.0
    descriptors_peak: int = 0
    descriptors_limit: int = 0
    """0 = unlimited or unknown."""
    ports_peak: int = 0
    """Most local ports taken, as far as is known: our open files, which are connections mostly, and
    the machine's connections in TIME_WAIT."""
    ports_limit: int = 0
    """How many there are; 0 = unknown."""
    machine_busy_ratio: float = 0.0
    """Of all cores, everybody's work; 1.0 = no idle time."""
    machine_stolen_ratio: float = 0.0
    """Of all cores, taken by the hypervisor for other guests."""

    virtual: bool = False
    """The clock was a simulated one: nothing could be late, and nothing was measured."""

    @property
    def cpu_ratio(self) -> float:
        """CPU seconds per second of load; 1.0 = one core."""
        return self.cpu_s / self.load_s if self.load_s > 0 else 0.0


class GeneratorVerdict(msgspec.Struct, frozen=True):
    """The level and, unless VALID, why: sentences with the figures and what to do."""

    level: Level
    reasons: list[str]


def judge(evidence: GeneratorEvidence) -> GeneratorVerdict:
    """Judge whether the generator kept up. Pure; all reasons are given, worst level wins."""
    if evidence.virtual:
        return GeneratorVerdict(Level.VALID, [VIRTUAL])
    findings = [
        *_judge_lag(
            "the event loop ran",
            evidence.loop_lag_p99_ms,
            evidence.loop_lag_max_ms,
            _known_causes(evidence),
        ),
        *_judge_lag(
            "CALLs were started",
            evidence.schedule_lag_p99_ms,
            evidence.schedule_lag_max_ms,
            _known_causes(evidence),
        ),
    ]
    findings += _judge_cpu(evidence, late=bool(findings))
    findings += _judge_coverage(evidence)
    levels = {level for level, _ in findings}
    level = next((one for one in (Level.INVALID, Level.SUSPECT) if one in levels), Level.VALID)
    return GeneratorVerdict(level, [reason for _, reason in findings])


def _judge_lag(what: str, p99_ms: float, max_ms: float, causes: str) -> list[tuple[Level, str]]:
    figures = f"{what} {p99_ms:.0f} ms late at p99 and {max_ms:.0f} ms at most"
    remedy = f"use fewer chargers per process, a faster or a quieter machine{causes}"
    if p99_ms > LAG_P99_INVALID_MS:
        return [
            (
                Level.INVALID,
                f"{figures}; above {LAG_P99_INVALID_MS:.0f} ms at p99 the times say more about "
                f"the generator than about the CSMS: {remedy}",
            )
        ]
    if p99_ms > LAG_P99_SUSPECT_MS:
        return [
            (
                Level.SUSPECT,
                f"{figures}, which is part of every time measured (limit "
                f"{LAG_P99_SUSPECT_MS:.0f} ms at p99): {remedy}",
            )
        ]
    if max_ms > LAG_MAX_SUSPECT_MS:
        return [
            (
                Level.SUSPECT,
                f"{figures}; the longest times may be ours (limit {LAG_MAX_SUSPECT_MS:.0f} ms at "
                f"most): trust the percentiles rather than the maximum, or {remedy}",
            )
        ]
    return []


def _known_causes(evidence: GeneratorEvidence) -> str:
    """Return what may have caused a lag, as the end of a sentence; "" if nothing stands out."""
    causes = []
    if evidence.gc_max_ms > LAG_P99_SUSPECT_MS:
        causes.append(f"the longest garbage collection took {evidence.gc_max_ms:.0f} ms")
    if evidence.machine_stolen_ratio > 0.02:
        causes.append(
            f"{evidence.machine_stolen_ratio:.0%} of the machine was taken by other guests"
        )
    if evidence.machine_busy_ratio > 0.95:
        causes.append(f"the machine as a whole was {evidence.machine_busy_ratio:.0%} busy")
    return f" ({'; '.join(causes)})" if causes else ""


def _judge_cpu(evidence: GeneratorEvidence, *, late: bool) -> list[tuple[Level, str]]:
    if evidence.load_s < CPU_LOAD_MIN_S or evidence.cpu_ratio <= CPU_SUSPECT_RATIO:
        return []
    figures = (
        f"the generator used {evidence.cpu_ratio:.0%} of one core over {evidence.load_s:.0f} s of "
        "load; one event loop has no more than one core"
    )
    if late and evidence.cpu_ratio > CPU_INVALID_RATIO:
        return [
            (
                Level.INVALID,
                f"{figures}, and it was late: it sent what it could, not what was asked for; use "
                "fewer chargers per process",
            )
        ]
    return [
        (
            Level.SUSPECT,
            f"{figures} (limit {CPU_SUSPECT_RATIO:.0%}): the CSMS may be able to do more than "
            "this run could ask of it; use fewer chargers per process",
        )
    ]


def _judge_coverage(evidence: GeneratorEvidence) -> list[tuple[Level, str]]:
    findings = []
    if not evidence.loop_lag_samples:
        findings.append(
            (
                Level.SUSPECT,
                "event-loop lag was not measured: the load was too short to tell whether the "
                "generator kept up",
            )
        )
    limit = evidence.descriptors_limit
    if limit and evidence.descriptors_peak > DESCRIPTORS_SUSPECT_RATIO * limit:
        findings.append(
            (
                Level.SUSPECT,
                f"{evidence.descriptors_peak} of {limit} file descriptors were open; connections "
                "may have failed here and not at the CSMS: raise the limit (ulimit -n)",
            )
        )
    if evidence.ports_limit and evidence.ports_peak > PORTS_SUSPECT_RATIO * evidence.ports_limit:
        findings.append(
            (
                Level.SUSPECT,
                f"up to {evidence.ports_peak} of {evidence.ports_limit} local ports were taken, "
                "those in TIME_WAIT included; connections may have failed here and not at the "
                "CSMS: widen net.ipv4.ip_local_port_range, or reconnect more slowly",
            )
        )
    return findings


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
