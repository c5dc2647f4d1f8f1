"""Thresholds: what a run must keep to pass. Pure: text in, limits out; summary in, results out."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING

import msgspec

from simfleet.documents import quantities
from simfleet.documents.quantities import shown
from simfleet.load.metrics import metric_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from simfleet.load.figures import Figures, Metric, MetricKind

_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_EXPRESSION = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*(\S.*?)\s*", re.DOTALL)
_EXAMPLES: Mapping[MetricKind, str] = {
    "ratio": '">= 0.999" or "< 0.1%"',
    "duration": '"< 1s" or "< 500ms"',
    "count": '"== 0" or ">= 100"',
    "rate": '">= 1000"',
    "energy": '">= 12.5"',
}
_NUMBER = quantities.NUMBER_PATTERN
_LIMIT_PATTERNS: Mapping[MetricKind, str] = {
    "ratio": f"{_NUMBER}%?",
    "duration": quantities.DURATION_PATTERN,
    "count": quantities.WHOLE_PATTERN,
    "rate": f"{_NUMBER}(?:/s)?",
    "energy": f"{_NUMBER}(?: ?kWh)?",
}


class Threshold(msgspec.Struct, frozen=True):
    """One limit on one metric. `limit` is in the unit of the metric's kind, `text` as written."""

    metric: str
    compare: str
    limit: float
    text: str


class ThresholdResult(msgspec.Struct, frozen=True):
    """How one threshold came out.

    Where the run has no such figure, `actual` is None and `reason` says why.
    """

    metric: str
    limit: str
    actual: float | None
    actual_text: str
    passed: bool
    reason: str = ""


def pattern_of(kind: MetricKind) -> str:
    """The regular expression of a threshold on a metric of this kind, for editors."""
    return f"^ *(<=|>=|==|!=|<|>) *(?:{_LIMIT_PATTERNS[kind]}) *$"


def parse(expression: str, metric_name: str) -> Threshold:
    """The threshold of an expression such as `< 500ms` on a metric.

    Raises ValueError, with what would be accepted, if either is not known.
    """
    metric, _ = metric_named(metric_name)
    found = _EXPRESSION.fullmatch(expression)
    if not found:
        raise ValueError(_why_not(expression, metric))
    compare, limit_text = found[1], found[2]
    return Threshold(metric_name, compare, _limit(limit_text, metric), f"{compare} {limit_text}")


def _why_not(expression: str, metric: Metric) -> str:
    text = expression.strip()
    if text.startswith(("=<", "=>")):
        return f'{shown(expression)}: write "{text[1]}= {text[2:].strip()}"'
    if re.match(r"=[^=]", text):
        return f'{shown(expression)}: equal is written "== {text[1:].strip()}"'
    if text[:1].isalnum() or text.startswith((".", "+", "-")):
        return f"{shown(expression)} does not say how to compare; write {_EXAMPLES[metric.kind]}"
    return f"{shown(expression)} is not a limit; write {_EXAMPLES[metric.kind]}"


def _limit(text: str, metric: Metric) -> float:
    match metric.kind:
        case "duration":
            limit = _duration(text)
        case "ratio":
            limit = _ratio(text)
        case "count":
            limit = float(quantities.parse_whole(text))
        case "rate":
            limit = quantities.parse_number(text.removesuffix("/s").rstrip())
        case "energy":
            limit = quantities.parse_number(text.removesuffix("kWh").rstrip())
    if limit < 0:
        raise ValueError(f"{shown(text)} is negative; write {_EXAMPLES[metric.kind]}")
    return limit


def _duration(text: str) -> float:
    if re.fullmatch(_NUMBER, text):
        raise ValueError(f"{shown(text)} has no unit; write {text}s or {text}ms")
    return quantities.parse_duration(text)


def _ratio(text: str) -> float:
    number = quantities.parse_number(text.removesuffix("%").rstrip())
    limit = number / 100 if text.endswith("%") else number
    if limit > 1:
        raise ValueError(
            f"{shown(text)} is more than all; a ratio is 0 to 1, such as 0.999 or 99.9%"
        )
    return limit


def evaluate(thresholds: Iterable[Threshold], summary: Figures) -> list[ThresholdResult]:
    """The result of every threshold on the content of a `summary.json`, in order.

    A metric for which the run has no figure fails its threshold and says so: what was not measured
    was not met.
    """
    return [_result(threshold, summary) for threshold in thresholds]


def _result(threshold: Threshold, summary: Figures) -> ThresholdResult:
    metric, action = metric_named(threshold.metric)
    figures: Figures | None = summary
    if metric.of_calls:
        figures = _call_figures(summary, action)
    elif metric.of_commands:
        figures = _command_figures(summary, action)
    actual = None if figures is None else metric.read(figures)
    if actual is None:
        calls_text = f"{action} CALL" if action else "CALL"
        reason = (
            f"no {calls_text} gave a figure" if metric.of_calls else "the run has no such figure"
        )
        return ThresholdResult(
            threshold.metric, threshold.text, None, "no data", passed=False, reason=reason
        )
    return ThresholdResult(
        threshold.metric,
        threshold.text,
        actual,
        _actual_text(actual, metric.kind, threshold.limit),
        passed=_COMPARE[threshold.compare](actual, threshold.limit),
    )


def _call_figures(summary: Figures, action: str | None) -> Figures | None:
    """The block of an action, empty if never called; None if the run kept no such figures."""
    if action is None:
        return summary.get("call_totals")
    calls: Figures | None = summary.get("calls")
    return None if calls is None else calls.get(action, {})


def _command_figures(summary: Figures, action: str | None) -> Figures | None:
    """The block of an action, empty if never sent; None if the scenario has no commands."""
    sent: Figures | None = summary.get("scenario_commands")
    if sent is None:
        return None
    found: Figures = sent["totals"] if action is None else sent["by_action"].get(action, {})
    return found


def _actual_text(actual: float, kind: MetricKind, limit: float) -> str:
    if kind == "duration":
        text = quantities.duration_text(actual)
        return f"{actual!r}s" if quantities.parse_duration(text) == limit != actual else text
    text = f"{actual:.6g}" if abs(actual) < 1 else quantities.number_text(round(actual, 3))
    if float(text) == limit != actual:
        text = repr(actual)  # rounding must not make a broken limit look kept
    return text + (" kWh" if kind == "energy" else "/s" if kind == "rate" else "")
