"""What a run comes to. Pure.

An honest verdict has an order: books that do not balance say nothing about the CSMS; a generator
that was the bottleneck says nothing about it either; only then do thresholds speak.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from simfleet.observe.generator_verdict import GeneratorVerdict, Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.load.audit import Check
    from simfleet.load.thresholds import ThresholdResult

Result = Literal[
    "passed",
    "threshold_failed",
    "aborted",
    "invalid",
    "ledger_broken",
    "interrupted",
    "target_lost",
]


class Verdict(Struct, frozen=True):
    """`result` decides the exit code; `reasons` are sentences; `generator` is VALID to INVALID."""

    result: Result
    reasons: list[str]
    generator: Level


def verdict_of(
    *,
    thresholds: Sequence[ThresholdResult],
    checks: Sequence[Check] | None,
    generator: GeneratorVerdict,
    interrupted: str | None,
    target_lost: str | None,
    wanted: int = 0,
    accepted: int = 0,
    connected_peak: int = 0,
    aborted: str | None = None,
    doubts: Sequence[str] = (),
    cases: Sequence[str] = (),
) -> Verdict:
    """Weigh everything. `checks` is None when the run was cut off and nothing could be checked.

    `accepted` of the `wanted` chargers had their BootNotification accepted; `wanted` is 0 where
    none is to boot. A run without a single one proves nothing and fails, thresholds or not.
    `connected_peak` is how many had a connection at the same time. `aborted` says which threshold
    ended the run, if one did; `doubts` are what makes a valid generator a SUSPECT one,
    `cases` what is said of cases that failed.

    The result is the first that applies of target_lost, interrupted, ledger_broken, invalid,
    aborted, threshold_failed; the reasons are all that apply, so nothing hides behind the first.
    """
    broken = [f"ledger: {c.name}: {c.detail}" for c in checks or () if not c.holds]
    missed = [_missed(threshold) for threshold in thresholds if not threshold.passed]
    missed += cases
    cut_short = interrupted is not None or aborted is not None
    if accepted < wanted and not cut_short:
        missed.insert(0, f"chargers: {wanted - accepted} of {wanted} were never accepted")
    elif connected_peak < wanted and not cut_short:
        missed.insert(0, f"chargers: only {connected_peak} of {wanted} were connected at once")
    level = generator.level
    if doubts and level is Level.VALID:
        level = Level.SUSPECT
    why = [f"generator {level}: {reason}" for reason in (*generator.reasons, *doubts)]
    result: Result = "passed"
    if target_lost is not None:
        result = "target_lost"
    elif interrupted is not None:
        result = "interrupted"
    elif broken:
        result = "ledger_broken"
    elif generator.level is Level.INVALID:
        result = "invalid"
    elif aborted is not None:
        result = "aborted"
    elif cases or not all(t.passed for t in thresholds) or (wanted and not accepted):
        result = "threshold_failed"
    stops = [reason for reason in (target_lost, interrupted, aborted) if reason is not None]
    return Verdict(result, [*stops, *broken, *missed, *why], level)


def _missed(threshold: ThresholdResult) -> str:
    why = f" ({threshold.reason})" if threshold.reason else ""
    return f"threshold: {threshold.metric} {threshold.limit}: was {threshold.actual_text}{why}"
