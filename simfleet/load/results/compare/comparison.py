"""A whole comparison: two runs, their differences, and the rules that they break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from simfleet.errors import UsageWrong
from simfleet.load.metrics import METRICS
from simfleet.load.results.compare.differences import Difference, difference, differences
from simfleet.load.results.compare.fail_on import Broken, broken
from simfleet.load.results.compare.sameness import Sameness, sameness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.load.results.compare.fail_on import Rule
    from simfleet.load.results.compare.runs import ComparedRun


class Side(Struct, frozen=True):
    """What a comparison says of one of the runs."""

    folder: str
    scenario: str
    began: str
    result: str
    generator: str

    @property
    def valid(self) -> bool:
        """Whether its figures are about the CSMS at all."""
        return self.generator != "INVALID" and self.result not in _PROVES_NOTHING


_HEADLINES = (
    *("boot.accepted_ratio", "call.error_ratio", "throughput.calls_per_s"),
    *(f"call.response.{name}" for name in ("p50", "p90", "p99", "p99_9")),
)
_PROVES_NOTHING = ("ledger_broken", "target_lost", "interrupted")


class Comparison(Struct, frozen=True):
    """See the module."""

    a: Side
    b: Side
    sameness: Sameness
    differences: list[Difference]
    broken: list[Broken]

    @property
    def invalid(self) -> list[str]:
        """Sentences about runs whose figures cannot be compared."""
        return [
            f"{side.folder}: {side.result.replace('_', ' ')}, generator {side.generator}:"
            " its figures prove nothing about the CSMS"
            for side in (self.a, self.b)
            if not side.valid
        ]


def compare(
    a: ComparedRun, b: ComparedRun, *, rules: Sequence[Rule] = (), anything: bool = False
) -> Comparison:
    """Compare two runs, the first being what the second is measured against.

    Raises UsageWrong for runs of different scenarios, unless `anything` may be compared.
    """
    same = sameness(a.files.manifest.content, b.files.manifest.content)
    if same.changes and not anything:
        listed = "\n".join(f"  {change}" for change in same.changes)
        raise UsageWrong(
            f"{a.path} and {b.path} did not run the same scenario, so their differences mean"
            f" something else:\n{listed}\nTo compare them all the same, add --different"
        )
    found = differences(a, b)
    by_name = {one.metric: one for one in found}
    judged = []
    for rule in rules:
        one = by_name.get(rule.metric) or difference(a, b, rule.metric)
        if (breach := broken(rule, one)) is not None:
            judged.append(breach)
    return Comparison(_side(a), _side(b), same, found, judged)


def _side(run: ComparedRun) -> Side:
    summary = run.files.summary
    return Side(
        str(run.path),
        summary.word("scenario"),
        run.files.manifest.word("began"),
        summary.word("verdict", "result"),
        summary.word("verdict", "generator"),
    )


def as_json(comparison: Comparison) -> dict[str, Any]:
    """For programs: everything, also what did not change."""
    found: dict[str, Any] = msgspec.to_builtins(comparison)
    return {"schema": 1, **found, "invalid": comparison.invalid}


def headline_metrics() -> list[str]:
    """The figures that are always shown, changed or not."""
    return [name for name in METRICS if name in _HEADLINES]
