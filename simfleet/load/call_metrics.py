"""The metrics of CALLs: those that the fleet sends, and the commands that it is sent.

They exist over all actions (`call.response.p99`) and per action (`call[MeterValues].response.p99`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.load.figures import STATISTICS, Metric, figure, ratio, seconds, total_of

if TYPE_CHECKING:
    from simfleet.load.figures import Figures, MetricKind, Reader


def metrics_of_calls() -> list[Metric]:
    """Figures of the CALLs that chargers send."""
    return [
        *_counts(),
        *_times("response", "response_ms", "response time, from when a CALL was due to its answer"),
        *_times("service", "service_ms", "service time, from when a CALL was sent to its answer"),
    ]


def _times(name: str, block: str, what: str) -> list[Metric]:
    def reader(statistic: str) -> Reader:
        return lambda call: seconds(figure(call, block, statistic)) if call.get("count") else None

    return [
        Metric(
            f"call.{name}.{statistic}",
            "duration",
            f"{words} {what}",
            f"{block}.{statistic} / 1000",
            reader(statistic),
            of_calls=True,
            of_stage=True,
            of_slice=True,
        )
        for statistic, words in STATISTICS.items()
    ]


def _counts() -> list[Metric]:
    return [
        Metric(
            "call.count",
            "count",
            "CALLs sent by the fleet",
            "count",
            lambda block: figure(block, "count") or 0.0,  # nothing sent is an answer, too
            of_calls=True,
            of_stage=True,
            of_slice=True,
        ),
        Metric(
            "call.errors",
            "count",
            "CALLs answered with a CALLERROR, whatever its code",
            "sum of errors",
            _call_errors,
            of_calls=True,
            of_stage=True,
            of_slice=True,
        ),
        Metric(
            "call.lost",
            "count",
            "CALLs cut off by the end of their connection",
            "lost",
            lambda block: figure(block, "lost") or 0.0,
            of_calls=True,
            of_stage=True,
            of_slice=True,
        ),
        Metric(
            "call.timeouts",
            "count",
            "CALLs not answered in time",
            "timeouts",
            lambda block: figure(block, "timeouts") if block.get("count") else None,
            of_calls=True,
            of_stage=True,
            of_slice=True,
        ),
        Metric(
            "call.error_ratio",
            "ratio",
            "CALLs answered with a CALLERROR or not in time, of all CALLs",
            "(sum of errors + timeouts) / count",
            _call_error_ratio,
            of_calls=True,
            of_stage=True,
            of_slice=True,
        ),
    ]


def _call_errors(block: Figures) -> float | None:
    return total_of(block.get("errors")) if block.get("count") else None


def _call_error_ratio(block: Figures) -> float | None:
    errors, timeouts = _call_errors(block), figure(block, "timeouts")
    if errors is None or timeouts is None:
        return None
    return ratio(errors + timeouts, figure(block, "count"))


def _command(name: str, kind: MetricKind, means: str, source: str, read: Reader) -> Metric:
    return Metric(f"command.{name}", kind, means, source, read, of_commands=True)


def metrics_of_commands() -> list[Metric]:
    """Figures of the scenario's commands; a count of nothing sent is 0, a ratio of it is none."""

    def count(name: str, key: str, means: str) -> Metric:
        return _command(name, "count", means, key, lambda block: figure(block, key) or 0.0)

    def total(name: str, key: str, means: str) -> Metric:
        return _command(
            name, "count", means, f"sum of {key}", lambda block: total_of(block.get(key)) or 0.0
        )

    def time(statistic: str) -> Metric:
        words = STATISTICS[statistic]
        return _command(
            f"answered.{statistic}",
            "duration",
            f"{words} time from when a command was due to a charger's answer, pacing included",
            f"answered_ms.{statistic} / 1000",
            lambda block: (
                seconds(figure(block, "answered_ms", statistic))
                if total_of(block.get("statuses")) or total_of(block.get("errors"))
                else None
            ),
        )

    return [
        count("sent", "sent", "CALLs sent to chargers by the scenario's commands"),
        count("unexpected", "unexpected", "of them, those not answered as the command expects"),
        total("errors", "errors", "of them, answered with a CALLERROR, whatever its code"),
        count("timeouts", "timeouts", "of them, not answered in time"),
        count("not_connected", "not_connected", "of them, cut off by the end of the connection"),
        total("skipped", "skipped", "chosen chargers that could not be sent the command"),
        _command(
            "accepted_ratio",
            "ratio",
            "CALLs answered with status Accepted, of those sent",
            "statuses.Accepted / sent",
            lambda b: ratio(figure(b, "statuses", "Accepted") or 0.0, figure(b, "sent")),
        ),
        _command(
            "expected_ratio",
            "ratio",
            "CALLs answered as the command expects, of those sent",
            "(sent - not_connected - unexpected) / sent",
            _expected_ratio,
        ),
        *(time(statistic) for statistic in ("p50", "p99", "max")),
        *metrics_of_convergence(),
    ]


def metrics_of_convergence() -> list[Metric]:
    """How long commands take to have their effect, as the CSMS sees it."""

    def time(statistic: str) -> Metric:
        return _command(
            f"converged.{statistic}",
            "duration",
            f"{STATISTICS[statistic]} time from when a command was due until the CSMS saw that a"
            " charger had done it",
            f"converged_ms.{statistic} / 1000",
            lambda block: (
                seconds(figure(block, "converged_ms", statistic))
                if figure(block, "converged")
                else None
            ),
        )

    def converged_ratio(block: Figures) -> float | None:
        done, missed = figure(block, "converged"), figure(block, "not_converged")
        return None if done is None or missed is None else ratio(done, done + missed)

    return [
        *(time(statistic) for statistic in ("mean", "p50", "p90", "p95", "p99", "max")),
        _command(
            "converged_ratio",
            "ratio",
            "chargers that did in time what they were told, of those that had the time",
            "converged / (converged + not_converged)",
            converged_ratio,
        ),
        _command(
            "not_converged",
            "count",
            "chargers that did not do in time what they were told",
            "not_converged",
            lambda block: figure(block, "not_converged") or 0.0,
        ),
    ]


def _expected_ratio(block: Figures) -> float | None:
    sent, lost, unexpected = (
        figure(block, name) for name in ("sent", "not_connected", "unexpected")
    )
    if sent is None or lost is None or unexpected is None:
        return None
    return ratio(sent - lost - unexpected, sent)
