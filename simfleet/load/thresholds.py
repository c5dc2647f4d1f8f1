"""Thresholds: what a run must keep to pass. Pure: text in, limits out; summary in, results out."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from simfleet.documents import quantities
from simfleet.documents.quantities import shown
from simfleet.load import selectors
from simfleet.load.figures import figure
from simfleet.load.foreign_metrics import statistic_in_limit
from simfleet.load.metrics import metric_named
from simfleet.load.selectors import EVERYTHING, Selector

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
    "number": '">= 12.5"',
}
_NUMBER = quantities.NUMBER_PATTERN
_LIMIT_PATTERNS: Mapping[MetricKind, str] = {
    "ratio": f"{_NUMBER}%?",
    "duration": quantities.DURATION_PATTERN,
    "count": quantities.WHOLE_PATTERN,
    "rate": f"{_NUMBER}(?:/s)?",
    "energy": f"{_NUMBER}(?: ?kWh)?",
    "number": _NUMBER,
}


WarmUp: TypeAlias = Literal["excluded", "included"]


class Threshold(msgspec.Struct, frozen=True):
    """One limit on one metric. `limit` is in the unit of the metric's kind, `text` as written.

    With `abort_on_fail` a run ends as soon as the limit is broken, but not before `delay_s` of load
    (of the stage, if the metric is of one). `warm_up` says whether CALLs of the warm-up count.
    """

    metric: str
    compare: str
    limit: float
    text: str
    abort_on_fail: bool = False
    delay_s: float = 0.0
    warm_up: WarmUp = "excluded"

    def broken_by(self, actual: float) -> bool:
        """Whether a figure does not keep the limit."""
        return not _COMPARE[self.compare](actual, self.limit)


class Part(msgspec.Struct, frozen=True):
    """The part of a run that a threshold looks at; all of it, if nothing is said."""

    selector: Selector = EVERYTHING
    after_warm_up: bool = False

    @property
    def is_window(self) -> bool:
        """Whether figures of it are in `windows` of the summary."""
        return self.after_warm_up or self.selector.stage is not None


def part_of(threshold: Threshold, *, warm_up_s: float) -> Part:
    """What a threshold looks at in a run with such a warm-up, which is about CALLs alone. A stage
    is always seen whole.
    """
    metric, _ = metric_named(threshold.metric)
    _, selector = selectors.split(threshold.metric)
    excluded = metric.of_calls and warm_up_s > 0 and threshold.warm_up == "excluded"
    return Part(selector, excluded and selector.stage is None)


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
    after_warm_up: bool = False
    """Whether CALLs of the warm-up are left out of `actual`."""


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
    if hint := statistic_in_limit(text):
        return f"{shown(expression)}: {hint}"
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
        case "number":
            limit = quantities.parse_number(text)
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


def actual_of(threshold: Threshold, figures: Figures) -> float | None:
    """What a threshold is about, in the figures of the part that it looks at; None where there is
    no such figure.
    """
    metric, action = metric_named(threshold.metric)
    if metric.of_calls:
        found = _call_figures(figures, action)
    elif metric.of_commands:
        found = _command_figures(figures, action)
    else:
        found = figures
    return None if found is None else metric.read(found)


def result_in(threshold: Threshold, figures: Figures | None, *, missing: str) -> ThresholdResult:
    """How a threshold comes out on the figures of its part, `missing` where there are none."""
    metric, action = metric_named(threshold.metric)
    actual = None if figures is None else actual_of(threshold, figures)
    if actual is None:
        calls_text = f"{action} CALL" if action else "CALL"
        reason = (
            f"no {calls_text} gave a figure" if metric.of_calls else "the run has no such figure"
        )
        return ThresholdResult(
            threshold.metric,
            threshold.text,
            None,
            "no data",
            passed=False,
            reason=missing if figures is None else reason,
        )
    return ThresholdResult(
        threshold.metric,
        threshold.text,
        actual,
        _actual_text(actual, metric.kind, threshold.limit),
        passed=not threshold.broken_by(actual),
    )


def _result(threshold: Threshold, summary: Figures) -> ThresholdResult:
    part = part_of(threshold, warm_up_s=figure(summary, "warm_up_s") or 0.0)
    selected = part.selector.described
    missing = f"the run has no figures of {selected}" if selected else "the run has no such figure"
    if part.after_warm_up and not selected:
        missing = "the run ended within its warm-up"
    result = result_in(threshold, figures_of(part, summary), missing=missing)
    if part.after_warm_up:
        result = msgspec.structs.replace(result, after_warm_up=True)
    return result


def figures_of(part: Part, summary: Figures) -> Figures | None:
    """The block of the summary that has the figures of a part."""
    selector = part.selector
    if part.is_window:
        wanted = (selector.stage, selector.slice, part.after_warm_up)
        return next(
            (
                window
                for window in summary.get("windows", ())
                if (window["stage"], window["slice"], window["after_warm_up"]) == wanted
            ),
            None,
        )
    if selector.slice is None:
        return summary
    slices = summary.get("slices", ())
    return next((one for one in slices if one["name"] == selector.slice), None)


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
