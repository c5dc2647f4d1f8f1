"""`--fail-on`: which differences a pipeline does not accept. Pure: text in, rules out.

    p99 > +15%                        relative to the first run
    call[Authorize].response.p99 > +50ms
    error_ratio > +0.1%               percentage points: a ratio's own unit
    transactions.started < -5% of it  relative, also for a ratio
    p99 > +15% significant            only if it is more than noise
    p99{stage=peak} > +15%            of one stage, named as in thresholds; `slice` as well

A rule holds, and the comparison fails, when the change from the first to the second run is on the
wrong side of the limit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.documents import quantities
from simfleet.load.metrics import metric_named
from simfleet.load.results.compare.significance import P_MAX
from simfleet.load.results.compare.values import value_text

if TYPE_CHECKING:
    from simfleet.load.figures import MetricKind
    from simfleet.load.results.compare.differences import Difference

SHORT: Final = {
    **{
        name: f"call.response.{name}"
        for name in ("mean", "p50", "p90", "p95", "p99", "p99_9", "max")
    },
    "error_ratio": "call.error_ratio",
    "errors": "call.errors",
    "timeouts": "call.timeouts",
    "calls_per_s": "throughput.calls_per_s",
}
"""What may be written for short."""
_RULE: Final = re.compile(
    r"\s*(?P<metric>[^<>]*[^<>\s])\s*(?P<compare>[<>])\s*(?P<sign>[+-]?)\s*"
    r"(?P<limit>[^\s+=-]\S*?(?:\s*(?:%|us|ms|s|min|h|/s|kWh))?)"
    r"(?P<relative>\s+of\s+it)?(?P<significant>\s+significant)?\s*"
)
_SHORT_WITH_SELECTOR: Final = re.compile(r"(\w+)(\{[^{}]*\})?")
EXAMPLE: Final = "write 'p99 > +15%' or 'call.error_ratio > +0.1%'"


class Rule(Struct, frozen=True):
    """`limit` is a share of the first run's figure if `relative`, else in the figure's unit."""

    text: str
    metric: str
    above: bool
    limit: float
    relative: bool
    significant: bool


class Broken(Struct, frozen=True):
    """A rule that the two runs broke, and why."""

    rule: str
    message: str


def parse_rule(text: str) -> Rule:
    """A rule. Raises ValueError with what would be accepted."""
    found = _RULE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is no rule; {EXAMPLE}")
    name = _full_name(found["metric"])
    kind = metric_named(name)[0].kind
    limit_text = "".join(found["limit"].split())
    relative = limit_text.endswith("%") and (kind != "ratio" or bool(found["relative"]))
    if found["relative"] and not relative:
        raise ValueError(f"{text[:80]!r}: only a percentage is 'of it'; {EXAMPLE}")
    try:
        limit = _limit(limit_text, kind)
    except ValueError as wrong:
        raise ValueError(f"{text[:80]!r}: {wrong}; {EXAMPLE}") from None
    return Rule(
        text.strip(),
        name,
        found["compare"] == ">",
        -limit if found["sign"] == "-" else limit,
        relative,
        bool(found["significant"]),
    )


def _full_name(written: str) -> str:
    """`p99{stage=peak}` as `call{stage=peak}.response.p99`."""
    found = _SHORT_WITH_SELECTOR.fullmatch(written)
    if found is None or found[1] not in SHORT:
        return written
    head, dot, rest = SHORT[found[1]].partition(".")
    return f"{head}{found[2] or ''}{dot}{rest}"


def _limit(text: str, kind: MetricKind) -> float:
    if text.endswith("%"):
        return quantities.parse_number(text[:-1]) / 100
    if kind == "duration":
        return quantities.parse_duration(text)
    unit = {"rate": "/s", "energy": "kWh"}.get(kind, "")
    return quantities.parse_number(text.removesuffix(unit))


def broken(rule: Rule, found: Difference) -> Broken | None:
    """How a difference breaks a rule; None if it does not.

    Where one run has no such figure, the rule is broken: what was not measured was not kept.
    """
    if found.a is None or found.b is None:
        which = "neither run has" if found.a is None and found.b is None else "one run has not"
        kept = "; a threshold on it makes runs keep it" if "{" in rule.metric else ""
        return Broken(rule.text, f"{which} {rule.metric}{kept}")
    change = found.b - found.a
    if rule.relative:
        if not found.a:
            if not change:
                return None
            change = float("inf") if change > 0 else float("-inf")
        else:
            change /= abs(found.a)
    if not (change > rule.limit if rule.above else change < rule.limit):
        return None
    if rule.significant:
        if found.p is None:
            why = f" ({found.why})" if found.why else ""
            return Broken(rule.text, f"{_said(found)}; nothing tells whether it is noise{why}")
        if found.p >= P_MAX:
            return None
    return Broken(rule.text, _said(found))


def _said(found: Difference) -> str:
    was, now = (value_text(value, found.kind) for value in (found.a, found.b))
    by = "" if found.change is None else f" ({found.change:+.1%})"
    return f"{found.metric} was {was} and is {now}{by}"
