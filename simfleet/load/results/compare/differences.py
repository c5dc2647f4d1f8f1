"""The figures of two runs side by side, each with what its difference is worth. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from simfleet.load.figures import MetricKind, figure, total_of
from simfleet.load.metrics import METRICS, metric_named
from simfleet.load.results.compare.runs import ALL, STATISTICS, ComparedRun
from simfleet.load.results.compare.significance import INTERVALS_MIN, P_MAX, by_rank, by_share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simfleet.load.figures import Metric

Opinion = Literal["better", "worse", "different", "noise", "same", "unclear", "unknown"]
"""unclear: there is too little of it to tell from noise; unknown: one run has no such figure."""
NOTICED: Final = 0.02
"""A change of a figure that is not tested by anything; below it, it is `same`."""
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
    """Of one figure. Raises ValueError, with what is known, for a name that is no metric."""
    metric, action = metric_named(name)
    left, right = (value_of(run.summary, metric, action) for run in (a, b))
    change = (right - left) / left if left and right is not None else None
    p, why = _tested(a, b, metric, action)
    opinion = _opinion(metric, left, right, change, p, untested=bool(why) and p is None)
    return Difference(name, metric.kind, left, right, change, p, opinion, why)


def value_of(summary: Mapping[str, Any], metric: Metric, action: str | None) -> float | None:
    """A figure of a summary, whatever its version; None where it has none."""
    block: Any = summary
    if metric.of_calls:
        block = _calls_of(summary, action)
    elif metric.of_commands:
        commands = summary.get("scenario_commands")
        block = None
        if isinstance(commands, dict):
            found = commands.get("totals" if action is None else "by_action")
            block = found if action is None or found is None else found.get(action)
    try:
        return None if not isinstance(block, dict) else metric.read(block)
    except (KeyError, TypeError, AttributeError):  # of a version without it
        return None


def _calls_of(summary: Mapping[str, Any], action: str | None) -> Any:
    if action is None:
        return summary.get("call_totals")
    calls = summary.get("calls")
    return calls.get(action) if isinstance(calls, dict) else None


def _tested(
    a: ComparedRun, b: ComparedRun, metric: Metric, action: str | None
) -> tuple[float | None, str]:
    statistic = metric.name.removeprefix("call.response.")
    if metric.of_calls and statistic in STATISTICS:
        series = [run.series.get((action or ALL, statistic), []) for run in (a, b)]
        p = by_rank(*series)
        if p is None:
            fewest = min(map(len, series))
            return None, f"{fewest} intervals with enough CALLs; {INTERVALS_MIN} are needed"
        return p, f"{len(series[0])} and {len(series[1])} intervals"
    if metric.name == "call.error_ratio":
        parts = []
        for run in (a, b):
            block = _calls_of(run.summary, action) or {}
            failed = (total_of(block.get("errors")) or 0) + (figure(block, "timeouts") or 0)
            parts += [failed, figure(block, "count") or 0]
        return by_share(*parts), f"{parts[0]:.0f} and {parts[2]:.0f} CALLs"
    return None, ""


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
    if p is not None:
        if p >= P_MAX:
            return "noise"
    elif change is not None and abs(change) < NOTICED:
        return "same"
    elif untested:
        return "unclear"
    if metric.name in _NEITHER or metric.name.startswith(("csms[", "generator.")):
        return "different"
    if metric.of_commands and metric.name.endswith(".count"):
        return "different"
    return "better" if (b > a) == (metric.name in _MORE_IS_BETTER) else "worse"


def intervals_of(run: ComparedRun) -> int:
    """How many intervals of a run have enough CALLs to be compared."""
    return len(run.series.get((ALL, "p50"), ()))


def told(found: list[Difference], opinion: Opinion) -> Iterator[Difference]:
    """Those of one opinion."""
    return (one for one in found if one.opinion == opinion)
