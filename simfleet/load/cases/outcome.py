"""What came of the cases of a run: one result per case and charger, and the counts of all.

In `summary.json` they are `cases` and `case_totals`.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from msgspec import Struct

RESULTS_MAX: Final = 10_000
"""Results kept; beyond them passed ones give way to failed ones, and the rest is only counted."""
REASONS_MAX: Final = 10
"""Failed cases that the verdict names."""

CaseVerdict = Literal["passed", "failed", "skipped"]


class CaseResult(Struct, frozen=True, kw_only=True):
    """One case on one charger. Times in seconds, from the beginning of the load."""

    name: str
    charger: str
    result: CaseVerdict
    steps: int
    """Steps carried out, those inside a `repeat` as often as they were; the failed one included."""
    failed_step: str | None = None
    """Where it is in the scenario: `cases[0].steps[2]`."""
    message: str = ""
    """Why it failed or was skipped: what was expected, and what came instead."""
    began_s: float = 0.0
    took_s: float = 0.0
    frames: list[str] = []
    """Of a failed case: the last messages, one line each."""


class CaseBook:
    """The results of a run, kept within bounds. `planned`: the scenario has cases."""

    def __init__(self) -> None:
        self.planned = False
        self.counts: dict[CaseVerdict, int] = {"passed": 0, "failed": 0, "skipped": 0}
        self._good: list[CaseResult] = []
        self._bad: list[CaseResult] = []
        self._left_out = 0

    def add(self, result: CaseResult) -> None:
        """Take a result in."""
        self.counts[result.result] += 1
        kept = self._good if result.result == "passed" else self._bad
        kept.append(result)
        if len(self._good) + len(self._bad) > RESULTS_MAX:
            (self._good or self._bad).pop()
            self._left_out += 1

    @property
    def total(self) -> int:
        """How many cases have a result."""
        return sum(self.counts.values())

    def figures(self) -> dict[str, Any]:
        """`cases` and `case_totals` of the summary, in the order in which the cases began."""
        if not self.planned:
            return {"cases": [], "case_totals": None}
        results = sorted((*self._bad, *self._good), key=lambda one: (one.began_s, one.charger))
        return {
            "cases": results,
            "case_totals": {"total": self.total, **self.counts, "left_out": self._left_out},
        }

    @property
    def failed(self) -> int:
        """How many cases failed."""
        return self.counts["failed"]

    def reasons(self) -> list[str]:
        """What the verdict says of failed cases, the first of them by name."""
        failed = [one for one in self._bad if one.result == "failed"]
        reasons = [
            f"case: {one.name} on {one.charger}: {one.message}" for one in failed[:REASONS_MAX]
        ]
        more = self.failed - len(reasons)
        return [*reasons, f"case: {more} more failed"] if more > 0 else reasons
