"""The figures of two runs side by side, each with what its difference is worth. Pure."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from simfleet.load import selectors
from simfleet.load.figures import MetricKind, figure, total_of
from simfleet.load.metrics import METRICS, metric_named
from simfleet.load.results.compare.runs import ALL, BETWEEN, STATISTICS, ComparedRun
from simfleet.load.results.compare.significance import INTERVALS_MIN, P_MAX, by_rank, by_share
from simfleet.load.thresholds import Part, figures_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.load.figures import Metric
    from simfleet.load.selectors import Selector

Opinion = Literal["better", "worse", "different", "noise", "same", "unclear", "unknown"]
"""unclear: there is too little of it to tell from noise; unknown: one run has no such figure.
better, worse: proven where `p` says so, and only seen where there is no test (`p` is None).
"""
NOTICED: Final = 0.02
"""A change below it is too small to matter, noise or not: `same`."""
_MORE_IS_BETTER: Final = frozenset(
    {
        *("boot.accepted_ratio", "connections.min", "connections.peak", "connect.per_s_peak"),
        *("transactions.started", "transactions.stopped", "transactions.energy_kwh"),
        *("throughput.calls_per_s", "throughput.frames_per_s"),
        *("command.accepted_ratio", "command.expected_ratio", "command.converged_ratio"),
    }
)
_NEITHER: Final = frozenset(
    {"call.count", "command.sent", "connect.attempts", "uploads.received", "uploads.served"}
)
_TIMES: Final = ("mean", "p50", "p90", "p99", "p99_9", "max")


class Difference(Struct, frozen=True):
    """One figure of both runs, in the unit of its kind; None where a run has none.

    `change` is relative to the first run. `p` is None where nothing could be tested.
    """

    metric: str
    kind: MetricKind
    a: float | None
    b: float | None
    change: float | None
    p: float | None
    opinion: Opinion
    why: str = ""
    """What the opinion rests on."""


def differences(a: ComparedRun, b: ComparedRun) -> list[Difference]:
    """Every figure that either run has, in the order of the table of metrics; then by action."""
    found = [difference(a, b, name) for name in METRICS]
    calls = (run.summary.get("calls") for run in (a, b))
    actions = sorted({action for one in calls if isinstance(one, dict) for action in one})
    for action in actions:
        for name in ("call.count", "call.error_ratio", *(f"call.response.{one}" for one in _TIMES)):
            bare = name.removeprefix("call.")
            try:
                found.append(difference(a, b, f"call[{action}].{bare}"))
            except ValueError:  # an action of another version of SimFleet
                break
    return [one for one in found if one.a is not None or one.b is not None]


def difference(a: ComparedRun, b: ComparedRun, name: str) -> Difference:
    """Of one figure, selector or not. Raises ValueError, with what is known, for a name that is no
    metric.
    """
    metric, action = metric_named(name)
    _, selector = selectors.split(name)
    left, right = (value_of(run, metric, action, selector) for run in (a, b))
    change = (right - left) / left if left and right is not None else None
    p, why = None, ""
    if left is not None and right is not None:
        p, why = _tested(a, b, metric, action, selector, rose=right > left)
    opinion = _opinion(metric, left, right, change, p, untested=bool(why) and p is None)
    return Difference(name, metric.kind, left, right, change, p, opinion, why)


def value_of(
    run: ComparedRun, metric: Metric, action: str | None, selector: Selector
) -> float | None:
    """A figure of a run, whatever its version; None where it has none. Response times of a stage
    that no threshold is about come from the log.
    """
    try:
        block = _block(run.summary, metric, action, selector)
        if isinstance(block, dict):
            return metric.read(block)
    except (KeyError, TypeError, ValueError, AttributeError):  # of another version, or edited
        return None
    place = _place(run, selector)
    statistic = metric.name.removeprefix("call.response.")
    if place is None or selector.slice is not None or statistic not in (*STATISTICS, "max"):
        return None
    value_ms = run.log.response_ms(place, action or ALL, statistic)
    return None if value_ms is None else value_ms / 1000


def _block(
    summary: Mapping[str, Any], metric: Metric, action: str | None, selector: Selector
) -> Any:
    """The part of a summary that a metric is read from."""
    figures: Any = figures_of(Part(selector), summary)
    if figures is None:
        return None
    if metric.of_calls:
        return figures.get("call_totals") if action is None else figures["calls"].get(action)
    if metric.of_commands:
        commands = figures["scenario_commands"]
        return commands["totals"] if action is None else commands["by_action"].get(action)
    return figures


def _place(run: ComparedRun, selector: Selector) -> int | None:
    """Where the stage of a selector is among those that went on: by its name, if it is the only
    one of it, or by its number as long as no stage of the scenario went on as several.
    """
    wanted = selector.stage
    if wanted is None:
        return None
    stages = run.files.summary.blocks("stages")
    named = [place for place, one in enumerate(stages) if one.word("name") == wanted]
    if named:
        return named[0] if len(named) == 1 else None
    planned = run.scenario.get("stages")
    if wanted.isdecimal() and isinstance(planned, list) and len(planned) == len(stages):
        return int(wanted) if int(wanted) < len(stages) else None
    return None


def _tested(
    a: ComparedRun,
    b: ComparedRun,
    metric: Metric,
    action: str | None,
    selector: Selector,
    *,
    rose: bool,
) -> tuple[float | None, str]:
    """The p of a difference, if there is a test, and what it rests on."""
    statistic = metric.name.removeprefix("call.response.")
    if metric.of_calls and statistic in STATISTICS:
        if selector.slice is not None:
            return None, "intervals of slices are not kept"
        return _by_intervals(a, b, (action or ALL, statistic), selector, rose=rose)
    if metric.name == "call.error_ratio":
        parts = []
        for run in (a, b):
            block = _block(run.summary, metric, action, selector)
            failed = (total_of(block.get("errors")) or 0) + (figure(block, "timeouts") or 0)
            parts += [failed, figure(block, "count") or 0]
        return by_share(
            *parts
        ), f"{parts[0]:.0f} of {parts[1]:.0f}, {parts[2]:.0f} of {parts[3]:.0f}"
    return None, ""


def _by_intervals(
    a: ComparedRun, b: ComparedRun, key: tuple[str, str], selector: Selector, *, rose: bool
) -> tuple[float | None, str]:
    series = [run.series.get(key, {}) for run in (a, b)]
    if selector.stage is not None:  # it may have another place in the other run
        places = [_place(run, selector) for run in (a, b)]
        chosen = [BETWEEN if place is None else place for place in places]
        series = [{0: one.get(place, [])} for one, place in zip(series, chosen, strict=True)]
    elif _stages(a) != _stages(b):
        series = [{0: list(itertools.chain(*one.values()))} for one in series]
    ranked = by_rank(*series)
    counts = [sum(map(len, one.values())) for one in series]
    if ranked is None:
        return None, f"{min(counts)} intervals with enough CALLs; {INTERVALS_MIN} are needed"
    if ranked.p < P_MAX and (ranked.shift > 0) != rose:
        return None, "the intervals say the opposite of the whole"
    return ranked.p, f"{counts[0]} and {counts[1]} intervals"


def _stages(run: ComparedRun) -> list[str]:
    return [one.word("do") for one in run.files.summary.blocks("stages")]


def _opinion(
    metric: Metric,
    a: float | None,
    b: float | None,
    change: float | None,
    p: float | None,
    *,
    untested: bool,
) -> Opinion:
    if a is None or b is None:
        return "unknown"
    if a == b:
        return "same"
    if p is not None and p >= P_MAX:
        return "noise"
    if change is not None and abs(change) < NOTICED:
        return "same"
    if untested:
        return "unclear"
    if metric.name in _NEITHER or metric.name.startswith(("csms[", "generator.")):
        return "different"
    if metric.of_commands and metric.name.endswith(".count"):
        return "different"
    return "better" if (b > a) == (metric.name in _MORE_IS_BETTER) else "worse"
