"""The search for the highest load that keeps its limits: which step comes next. Pure.

It climbs by equal steps until one fails, halves what is left between the highest load that passed
and the lowest that failed, and repeats the highest that passed until it is confirmed; if that fails
instead, it goes on below. `docs/decisions/capacity-search.md` says why it is so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS_MAX: Final = 200
"""Of one search; one that goes on for longer is ended."""
_EPSILON: Final = 1e-9

Outcome: TypeAlias = Literal["passed", "failed", "invalid", "unmeasured"]
Purpose: TypeAlias = Literal["climb", "bisect", "confirm"]
Ended: TypeAlias = Literal["knee", "top", "floor", "generator", "unmeasured", "steps"]
"""How a search came to its end: at the knee; at the top, which passed; at the floor, which failed;
because the generator was the limit; because a limit had no figure; after too many steps.
"""


class Search:
    """See the module. `wanted` is the load of the next step, None once the search is over."""

    def __init__(
        self, *, start: float, top: float, by: float, precision: float, confirm: int
    ) -> None:
        """From `start` to `top`, `by` at a time; the knee is known when what is left is at most
        `precision`, and its load has passed `confirm` times more.
        """
        if not 0 < start <= top or by <= 0 or precision <= 0 or confirm < 0:
            raise ValueError(f"no search from {start} to {top} by {by}, precise to {precision}")
        self._start, self._top, self._by = start, top, by
        self._precision, self._confirm = precision, confirm
        self._passed: dict[float, int] = {}
        """Loads below `lowest_failed`, and how often each has passed as a confirmation."""
        self.lowest_failed: float | None = None
        self.steps = 0
        self.ended: Ended | None = None
        self.wanted: float | None = start
        self.purpose: Purpose = "climb"

    @property
    def highest_passed(self) -> float | None:
        """The highest load that passed and lies below every one that failed."""
        return max(self._passed, default=None)

    @property
    def confirmed(self) -> bool:
        """Whether that load has passed as often as it should."""
        highest = self.highest_passed
        return highest is not None and self._passed[highest] >= self._confirm

    def tell(self, outcome: Outcome) -> None:
        """The step at `wanted` came out so."""
        load = self.wanted
        if load is None:
            raise ValueError("the search is over")
        self.steps += 1
        match outcome:
            case "passed":
                again = self.purpose == "confirm"
                self._passed[load] = self._passed.get(load, 0) + (1 if again else 0)
                self._go_on()
            case "failed":
                self.lowest_failed = load
                self._passed = {one: n for one, n in self._passed.items() if one < load}
                self._go_on()
            case "invalid":
                self._end("generator")
            case "unmeasured":
                self._end("unmeasured")

    def _go_on(self) -> None:
        highest, failed = self.highest_passed, self.lowest_failed
        if highest is None:
            self._end("floor")
        elif self.steps >= STEPS_MAX:
            self._end("steps")
        elif failed is None and highest < self._top:
            self._want(min(highest + self._by, self._top), "climb")
        elif failed is not None and failed - highest > self._precision * (1 + _EPSILON):
            half = round((failed - highest) / 2 / self._precision)
            self._want(round(highest + max(1, half) * self._precision, 9), "bisect")
        elif not self.confirmed:
            self._want(highest, "confirm")
        else:
            self._end("top" if failed is None else "knee")

    def _want(self, load: float, purpose: Purpose) -> None:
        self.wanted, self.purpose = load, purpose

    def _end(self, how: Ended) -> None:
        self.wanted, self.ended = None, how


def steps_expected(*, start: float, top: float, by: float, precision: float, confirm: int) -> int:
    """The most steps of a search that meets no contradiction."""
    climb = 1 + -int(-(top - start) // by)
    halvings = 0
    left = by
    while left > precision * (1 + _EPSILON):
        left = max(left / 2, precision)
        halvings += 1
    return min(STEPS_MAX, climb + halvings + confirm)


# ── what it comes to ────────────────────────────────────────────────────────────────────────────


class Broken(Struct, frozen=True):
    """A limit that a step did not keep; `by` is the figure in parts of the limit."""

    metric: str
    limit: str
    actual: float | None
    actual_text: str
    by: float | None


class Step(Struct, frozen=True):
    """One step of a search, as it went. Times of the load; those of the fleet's CALLs are response
    times.
    """

    load: float
    purpose: Purpose
    outcome: Outcome
    began_s: float
    ended_s: float
    calls: int
    calls_per_s: float
    p50_ms: float
    p99_ms: float
    error_ratio: float
    generator: str
    broken: list[Broken]
    reasons: list[str]
    """Why the generator is not VALID, or what was not measured."""


class Point(Struct, frozen=True):
    """A point of the curve."""

    load: float
    p50_ms: float
    p99_ms: float
    error_ratio: float
    outcome: Outcome


class Finding(Struct, frozen=True):
    """What a search has found: `capacity` of `summary.json`."""

    of: str
    text: str
    highest_passed: float | None
    lowest_failed: float | None
    confirmed: bool
    ended: str
    broken: list[Broken]
    steps: list[Step]
    curve: list[Point]


def finding_of(search: Search, steps: list[Step], *, of: str) -> Finding:
    """What is known now; a search that was cut short is `interrupted`."""
    failed = [step for step in steps if step.load == search.lowest_failed and step.broken]
    broken = failed[-1].broken if failed else []
    curve = [
        Point(step.load, step.p50_ms, step.p99_ms, step.error_ratio, step.outcome)
        for step in sorted(steps, key=lambda step: step.load)
    ]
    return Finding(
        of,
        _text(search, broken, steps, of=of),
        search.highest_passed,
        search.lowest_failed,
        search.confirmed,
        search.ended or "interrupted",
        broken,
        steps,
        curve,
    )


def load_text(load: float, *, of: str) -> str:
    """A load for people: `300 chargers`, `2.5 sessions/s`."""
    return f"{load:g} chargers" if of == "chargers" else f"{load:g} sessions/s"


def _text(search: Search, broken: list[Broken], steps: list[Step], *, of: str) -> str:
    highest, failed = search.highest_passed, search.lowest_failed
    kept = "nothing" if highest is None else load_text(highest, of=of)
    why = "; ".join(f"{one.metric} {one.limit}: was {one.actual_text}" for one in broken)
    at_least = f"at least {kept}" if highest is not None else "no load was shown to be kept"
    match search.ended:
        case "knee":
            assert failed is not None
            return f"{kept}; {load_text(failed, of=of)} broke {why}"
        case "top":
            return f"at least {kept}: no limit was broken"
        case "floor":
            assert failed is not None
            return f"less than {load_text(failed, of=of)}, where the search began: {why}"
        case "generator":
            limit = load_text(steps[-1].load, of=of)
            return f"{at_least}: at {limit} the generator was the limit, not the CSMS"
        case "unmeasured":
            return f"{at_least}: at {load_text(steps[-1].load, of=of)} {steps[-1].reasons[-1]}"
        case "steps":
            return f"{at_least}: ended after {STEPS_MAX} steps"
        case None:
            return f"{at_least}: the search was cut short"


def search_doubts(summary: Mapping[str, Any]) -> list[str]:
    """What a search says against the generator of its run."""
    finding = summary.get("capacity")
    if not isinstance(finding, Finding) or finding.ended != "generator":
        return []
    return [f"the capacity search was ended by the generator: {finding.text}"]
