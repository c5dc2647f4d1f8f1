"""A comparison for a terminal, and as Markdown for a pull request."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from simfleet.load.results.compare.comparison import headline_metrics
from simfleet.load.results.compare.significance import P_MAX
from simfleet.load.results.compare.values import value_text
from simfleet.load.results.markdown import code, plain, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simfleet.load.results.compare.comparison import Comparison
    from simfleet.load.results.compare.differences import Difference

WIDTH: Final = 80
ROWS_MAX: Final = 60
_WORDS: Final = {
    "better": "better",
    "worse": "WORSE",
    "different": "different",
    "noise": "noise",
    "same": "same",
    "unclear": "unclear",
    "unknown": "only in one",
}


def change_text(found: Difference) -> str:
    """How much it changed: in percent, of a ratio in percentage points."""
    if found.a is None or found.b is None:
        return ""
    if found.kind == "ratio":
        return f"{(found.b - found.a) * 100:+.3g} pp"
    return "" if found.change is None else f"{found.change:+.1%}"


def opinion_text(found: Difference) -> str:
    """What the difference is worth."""
    word = _WORDS[found.opinion]
    if found.p is None:
        return f"{found.opinion}, untested" if found.opinion in ("better", "worse") else word
    if found.opinion == "same":
        return word
    return f"{word} (p {'< 0.001' if found.p < 0.001 else f'= {found.p:.3f}'})"


def shown(comparison: Comparison) -> list[Difference]:
    """The headline figures, each action's p99 and errors, and whatever else got better or worse.

    Means, maxima and service times are left to `--json` and the page: of times that are no
    percentile of an interval nobody can say whether they are noise.
    """
    return [one for one in comparison.differences if _is_shown(one)]


def _is_shown(found: Difference) -> bool:
    name = found.metric
    if name in headline_metrics():
        return True
    if name.startswith("generator.") or found.opinion in ("same", "noise"):
        return False
    if name.startswith("call"):
        wanted = (".response.p99", ".error_ratio", ".timeouts", ".errors")
        return name.endswith(wanted) and not name.endswith("p99_9")
    return found.opinion in ("better", "worse", "different", "unknown")


def statement(comparison: Comparison) -> str:
    """The comparison in one sentence."""
    p99 = next((d for d in comparison.differences if d.metric == "call.response.p99"), None)
    if p99 is None or p99.a is None or p99.b is None:
        return "Neither run has response times to compare."
    was, now = value_text(p99.a, p99.kind), value_text(p99.b, p99.kind)
    if p99.p is None:
        return (
            f"The p99 of response times went from {was} to {now}; whether that is noise cannot be"
            f" told ({p99.why})."
        )
    if p99.opinion == "same":
        return f"The p99 of response times is about the same in both runs: {was} and {now}."
    if p99.p >= P_MAX:
        return (
            f"The p99 of response times, {was} and {now}, cannot be told from noise"
            f" (p = {p99.p:.2f}, {p99.why})."
        )
    return (
        f"The p99 of response times is {p99.opinion}: {was} before, {now} now"
        f" ({change_text(p99)}, p {'< 0.001' if p99.p < 0.001 else f'= {p99.p:.3f}'}, {p99.why})."
    )


def comparison_text(comparison: Comparison) -> str:
    """For a terminal, 80 columns but for long names."""
    return "\n".join(_lines(comparison))


def _lines(comparison: Comparison) -> Iterator[str]:
    a, b = comparison.a, comparison.b
    yield f"A  {a.folder}  {a.result} (generator {a.generator})"
    yield f"B  {b.folder}  {b.result} (generator {b.generator})"
    yield ""
    yield textwrap.fill(statement(comparison), WIDTH)
    for warning in _warnings(comparison):
        yield textwrap.fill(f"! {warning}", WIDTH, subsequent_indent="  ")
    rows = shown(comparison)
    width = max([24, *(len(one.metric) for one in rows[:ROWS_MAX])])
    yield ""
    yield f"{'':<{width}} {'A':>12} {'B':>12} {'change':>9}"
    for one in rows[:ROWS_MAX]:
        values = (value_text(value, one.kind) for value in (one.a, one.b))
        left, right = values
        yield (
            f"{one.metric:<{width}} {left:>12} {right:>12} {change_text(one):>9}"
            f"  {opinion_text(one)}"
        )
    if len(rows) > ROWS_MAX:
        yield f"and {len(rows) - ROWS_MAX} more; --json has all of them"
    for breach in comparison.broken:
        yield ""
        yield textwrap.fill(
            f"FAILED {breach.rule}: {breach.message}", WIDTH, subsequent_indent="       "
        )


def _warnings(comparison: Comparison) -> Iterator[str]:
    yield from comparison.invalid
    same = comparison.sameness
    if not same.known:
        yield "a manifest is missing or damaged, so nobody knows whether the scenario was the same"
    for change in same.changes:
        yield f"not the same scenario: {change}"
    for circumstance in same.circumstances:
        yield f"not the same circumstances: {circumstance}"


def comparison_markdown(comparison: Comparison) -> str:
    """For a comment on a pull request."""
    return "\n".join(_markdown(comparison)) + "\n"


def _markdown(comparison: Comparison) -> Iterator[str]:
    a, b = comparison.a, comparison.b
    sign = "❌" if comparison.broken else "⚠️" if comparison.invalid else "✅"
    yield f"### {sign} {plain(b.scenario)}, compared with a baseline"
    yield ""
    yield plain(statement(comparison))
    yield ""
    for breach in comparison.broken:
        yield f"- ❌ {code(breach.rule)}: {plain(breach.message)}"
    for warning in _warnings(comparison):
        yield f"- ⚠️ {plain(warning)}"
    yield ""
    rows = shown(comparison)
    yield from table(
        ("figure", "", "A", "B", "change"),
        [
            (
                code(one.metric),
                plain(opinion_text(one)),
                value_text(one.a, one.kind),
                value_text(one.b, one.kind),
                change_text(one),
            )
            for one in rows[:ROWS_MAX]
        ],
        right=3,
    )
    yield f"A is {code(a.folder)}, B is {code(b.folder)}."
