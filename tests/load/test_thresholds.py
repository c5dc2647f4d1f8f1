from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simfleet.load.metrics import METRICS, metric_named
from simfleet.load.thresholds import Threshold, ThresholdResult, evaluate, parse

RESPONSE_MS = {
    "mean": 12.0,
    "p50": 10.0,
    "p90": 20.0,
    "p95": 25.0,
    "p99": 812.5,
    "p99_9": 900.0,
    "max": 1234.5,
}
SERVICE_MS = {
    "mean": 6.0,
    "p50": 5.0,
    "p90": 10.0,
    "p95": 15.0,
    "p99": 400.0,
    "p99_9": 450.0,
    "max": 600.0,
}


def a_call(count: int = 1000, errors: int = 0, timeouts: int = 0) -> dict[str, Any]:
    return {
        "count": count,
        "errors": {"InternalError": errors} if errors else {},
        "timeouts": timeouts,
        "lost": 0,
        "response_ms": RESPONSE_MS,
        "service_ms": SERVICE_MS,
    }


def some_commands(sent: int) -> dict[str, Any]:
    answered = {"Accepted": sent * 8 // 10, "Rejected": sent // 10} if sent else {}
    return {
        "sent": sent,
        "statuses": answered,
        "errors": {"InternalError": 1} if sent else {},
        "timeouts": 0,
        "not_connected": sent // 10,
        "skipped": {"no_id_tag": 2} if sent else {},
        "unexpected": sent // 10,
        "answered_ms": {"p50": 5.0, "p99": 40.0, "max": 80.0},
        "watched": sent,
        "converged": sent * 9 // 10,
        "not_converged": sent // 10,
        "converged_ms": {
            **{"mean": 9.0, "p50": 8.0, "p90": 30.0, "p95": 40.0, "p99": 70.0, "max": 90.0}
        },
    }


def a_summary(**changes: Any) -> dict[str, Any]:
    return {
        "chargers": {
            "target": 1000,
            "connected_peak": 1000,
            "connected_min": 990,
            "booted": 999,
            "failed": 1,
            "crashed": 0,
        },
        "boot": {"accepted": 999, "pending": 4, "rejected": 2},
        "disconnects": {"ended": 900, "cut": 30, "cancelled": 1, "reset": 5, "eof": 2},
        "dropped": {"MeterValues:attempts_used_up": 6},
        "replies": {"late": 3, "duplicate": 2, "unknown": 1},
        "capacity": {"highest_passed": 300, "lowest_failed": 350},
        "connect": {
            "attempts": 1003,
            "failures": {"refused": 2, "timed_out": 1},
            "per_s_peak": 412,
            "seconds_to_all": 3.5,
        },
        "calls": {"MeterValues": a_call(4000, errors=3, timeouts=1), "Authorize": a_call(0)},
        "call_totals": a_call(5000, errors=3, timeouts=2),
        "violations": [{"action": "Reset", "count": 4}, {"action": "Heartbeat", "count": 1}],
        "transactions": {
            "started": 800,
            "stopped": 798,
            "energy_kwh": 123.4,
            "energy_lost_kwh": 1.5,
        },
        "throughput": {"calls_per_s": 1500.5, "frames_per_s": 3001.0},
        "generator": {
            "loop_lag_ms": {"p50": 0.5, "p99": 8.0, "max": 40.0},
            "schedule_lag_ms": {"p50": 0.25, "p99": 4.0, "max": 20.0},
            "cpu_ratio": 0.4,
            "gc": {"pauses": 2, "total_ms": 9.0, "max_ms": 6.0},
            "descriptors": {"peak": 1020, "limit": 65536},
        },
        "scenario_commands": {
            "totals": some_commands(50),
            "by_action": {"Reset": some_commands(20), "ClearCache": some_commands(0)},
        },
        "uploads": {"received": 3, "served": 4},
        "case_totals": {"total": 9, "passed": 7, "failed": 1, "skipped": 1, "left_out": 0},
        "storms": [
            {
                **{"name": "wave", "missing": 0, "seconds_to_50": 4.0},
                **{"seconds_to_95": 7.5, "seconds_to_100": 9.0},
            }
        ],
        "arrivals": {
            **{"wanted": 100, "arrived": 96, "turned_away": 4, "started": 95, "unserved": 1},
            **{"late": 2, "lag_ms": {"p99": 120.0}},
        },
        "soak": [a_soak(0.2), a_soak(-0.1)],
    } | changes


def a_soak(drift: float) -> dict[str, Any]:
    grown = {"grown_per_charger_kib": 10 * drift}
    return {"response_p99_ms": {"drift_ratio": drift}, "generator": grown, "csms": grown}


def result_of(metric: str, expression: str, summary: dict[str, Any]) -> ThresholdResult:
    (result,) = evaluate([parse(expression, metric)], summary)
    return result


# ── reading expressions ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("metric", "expression", "compare", "limit"),
    [
        ("boot.accepted_ratio", ">= 0.999", ">=", 0.999),
        ("boot.accepted_ratio", ">=99.9%", ">=", 0.999),
        ("boot.accepted_ratio", "== 1", "==", 1),
        ("call.error_ratio", "< 0.1%", "<", 0.001),
        ("call.error_ratio", "<= 1 %", "<=", 0.01),
        ("call.response.p99", "< 500ms", "<", 0.5),
        ("call.response.max", "<= 1m30s", "<=", 90),
        ("call[MeterValues].service.p99_9", "<1s", "<", 1),
        ("call.timeouts", "== 0", "==", 0),
        ("call.count", "!= 0", "!=", 0),
        ("throughput.calls_per_s", "> 1000/s", ">", 1000),
        ("throughput.calls_per_s", "> 0.5", ">", 0.5),
        ("transactions.energy_kwh", ">= 12.5 kWh", ">=", 12.5),
        ("transactions.energy_kwh", ">= 12.5", ">=", 12.5),
    ],
)
def test_a_limit_is_kept_in_the_unit_of_its_metric(
    metric: str, expression: str, compare: str, limit: float
) -> None:
    threshold = parse(expression, metric)
    assert (threshold.metric, threshold.compare) == (metric, compare)
    assert threshold.limit == pytest.approx(limit, abs=1e-12)


def test_the_text_of_a_limit_is_evenly_spaced() -> None:
    assert parse("  <1s ", "call.response.p99") == Threshold("call.response.p99", "<", 1, "< 1s")


@pytest.mark.parametrize(
    ("metric", "expression", "message"),
    [
        ("call.response.p99", "< 1", "'1' has no unit; write 1s or 1ms"),
        ("call.response.p99", "< -1", "'-1' has no unit"),
        ("call.response.p99", "< 1 parsec", "'1 parsec' is not a duration"),
        ("call.response.p99", "1s", "'1s' does not say how to compare; write \"< 1s\""),
        ("call.response.p99", "= 1s", "'= 1s': equal is written \"== 1s\""),
        ("call.response.p99", "about 1s", "'about 1s' does not say how to compare"),
        ("call.response.p99", "", '\'\' is not a limit; write "< 1s" or "< 500ms"'),
        ("call.response.p99", "<", "'<' is not a limit"),
        ("call.response.p99", "=> 1s", "'=> 1s': write \">= 1s\""),
        ("call.error_ratio", "< 5", "'5' is more than all; a ratio is 0 to 1"),
        ("call.error_ratio", "< 101%", "'101%' is more than all"),
        ("call.error_ratio", "< -1%", "'-1%' is negative"),
        ("call.error_ratio", "< 1ms", "'1ms' is not a number"),
        ("call.timeouts", "< 0.5", "'0.5' is not a whole number"),
        ("call.timeouts", "< 1%", "'1%' is not a whole number"),
        ("throughput.calls_per_s", "> 1k", "'1k' is not a number"),
        ("call.response.p98", "< 1s", "unknown metric; did you mean 'call.response.p9"),
        ("boot.acepted", "> 1", "unknown metric; did you mean 'boot.accepted'?"),
        ("zzz", "> 1", "unknown metric; known: boot.accepted_ratio, "),
        ("", "> 1", "unknown metric"),
        ("call[].count", "> 1", "'' is not an action"),
        ("call[Heartbeats].count", "> 1", "did you mean 'Heartbeat'?"),
        ("call[RemoteStartTransaction].count", "> 1", "is not an action that a charger"),
        ("call[Heartbeat].nothing", "> 1", "unknown metric"),
        ("call[Heartbeat]", "> 1", "unknown metric"),
    ],
)
def test_a_wrong_threshold_says_what_would_be_accepted(
    metric: str, expression: str, message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the message is compared below
        parse(expression, metric)
    assert message in str(caught.value)


@settings(deadline=None)
@given(st.text(max_size=30), st.one_of(st.sampled_from(sorted(METRICS)), st.text(max_size=30)))
def test_any_text_is_a_threshold_or_a_value_error(expression: str, metric: str) -> None:
    with contextlib.suppress(ValueError):
        threshold = parse(expression, metric)
        assert math.isfinite(threshold.limit)
        assert threshold.limit >= 0


# ── judging a run ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("metric", "actual", "text"),
    [
        ("boot.accepted_ratio", 0.999, "0.999"),
        ("chargers.failed", 1, "1"),
        ("connect.attempts", 1003, "1003"),
        ("connect.failures", 3, "3"),
        ("connect.per_s_peak", 412, "412/s"),
        ("connect.seconds_to_all", 3.5, "3.5s"),
        ("connections.peak", 1000, "1000"),
        ("connections.min", 990, "990"),
        ("call.count", 5000, "5000"),
        ("call.errors", 3, "3"),
        ("call.timeouts", 2, "2"),
        ("call.error_ratio", 0.001, "0.001"),
        ("call.response.mean", 0.012, "12ms"),
        ("call.response.p99", 0.8125, "812.5ms"),
        ("call.response.p99_9", 0.9, "900ms"),
        ("call.response.max", 1.2345, "1.2345s"),
        ("call.service.p90", 0.01, "10ms"),
        ("call[MeterValues].count", 4000, "4000"),
        ("call[MeterValues].error_ratio", 0.001, "0.001"),
        ("call[MeterValues].timeouts", 1, "1"),
        ("call[MeterValues].response.p50", 0.01, "10ms"),
        ("call[Authorize].count", 0, "0"),
        ("call[Heartbeat].count", 0, "0"),
        ("transactions.started", 800, "800"),
        ("transactions.stopped", 798, "798"),
        ("transactions.energy_kwh", 123.4, "123.4 kWh"),
        ("sessions.lost", 2, "2"),
        ("schema.violations", 5, "5"),
        ("throughput.calls_per_s", 1500.5, "1500.5/s"),
        ("throughput.frames_per_s", 3001, "3001/s"),
        ("connections.lost", 7, "7"),
        ("messages.dropped", 6, "6"),
        ("sessions.energy_lost_kwh", 1.5, "1.5 kWh"),
        ("replies.late", 3, "3"),
        ("replies.duplicate", 2, "2"),
        ("replies.unknown", 1, "1"),
        ("boot.pending", 4, "4"),
        ("boot.rejected", 2, "2"),
        ("chargers.crashed", 0, "0"),
        ("call.response.p95", 0.025, "25ms"),
        ("generator.schedule_lag.p99", 0.004, "4ms"),
        ("generator.cpu_ratio", 0.4, "0.4"),
        ("generator.gc.max", 0.006, "6ms"),
        ("generator.descriptors.peak", 1020, "1020"),
        ("capacity.passed", 300, "300"),
        ("generator.loop_lag.p50", 0.0005, "0.5ms"),
        ("generator.loop_lag.p99", 0.008, "8ms"),
        ("generator.loop_lag.max", 0.04, "40ms"),
    ],
)
def test_every_metric_is_read_from_the_summary(metric: str, actual: float, text: str) -> None:
    limit = {"duration": ">= 0s"}.get(metric_named(metric)[0].kind, ">= 0")
    result = result_of(metric, limit, a_summary())
    assert result.actual == pytest.approx(actual)
    assert result.actual_text == text
    assert result.passed
    assert result.reason == ""


def test_every_metric_has_a_figure_in_a_full_summary() -> None:
    for metric in METRICS.values():
        limit = ">= 0s" if metric.kind == "duration" else ">= 0"
        assert result_of(metric.name, limit, a_summary()).actual is not None, metric.name


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_what_was_not_measured_was_not_met(metric: str) -> None:
    limit = ">= 0s" if metric_named(metric)[0].kind == "duration" else ">= 0"
    result = result_of(metric, limit, {})
    assert result == ThresholdResult(metric, limit, None, "no data", False, result.reason)
    assert result.reason


@pytest.mark.parametrize(
    ("metric", "expression"),
    [
        ("call[Authorize].response.p99", "< 1s"),  # in the summary, but never called
        ("call[Authorize].error_ratio", "== 0"),
        ("call[Authorize].timeouts", "== 0"),
        ("call[Authorize].errors", "== 0"),
        ("call[Heartbeat].response.p99", "< 1s"),  # not even in the summary
        ("call[Heartbeat].error_ratio", "== 0"),
    ],
)
def test_an_action_that_was_never_called_keeps_no_threshold(metric: str, expression: str) -> None:
    result = result_of(metric, expression, a_summary())
    assert not result.passed
    assert result.actual_text == "no data"
    assert "CALL gave a figure" in result.reason


@pytest.mark.parametrize(
    "changes",
    [
        {"connect": {"attempts": 5, "failures": {}, "seconds_to_all": None}},
        {"connect": {"attempts": 5, "failures": {}, "seconds_to_all": math.nan}},
        {"connect": {"attempts": 5, "failures": {}, "seconds_to_all": "soon"}},
        {"connect": None},
    ],
)
def test_a_figure_that_is_no_number_is_no_figure(changes: dict[str, Any]) -> None:
    assert not result_of("connect.seconds_to_all", "< 1h", a_summary(**changes)).passed


def test_a_run_without_chargers_has_no_ratio_of_them() -> None:
    nobody = a_summary(chargers={"target": 0, "booted": 0})
    assert not result_of("boot.accepted_ratio", ">= 0", nobody).passed


@pytest.mark.parametrize(
    ("expression", "passed"),
    [
        ("< 812.5ms", False),
        ("<= 812.5ms", True),
        ("== 812.5ms", True),
        ("!= 812.5ms", False),
        (">= 812.5ms", True),
        ("> 812.5ms", False),
        ("< 1s", True),
        ("> 1s", False),
    ],
)
def test_a_limit_is_compared_exactly(expression: str, passed: bool) -> None:
    assert result_of("call.response.p99", expression, a_summary()).passed is passed


def test_rounding_does_not_make_a_broken_limit_look_kept() -> None:
    nearly = a_summary(chargers={"target": 10_000_000, "booted": 9_999_999})
    result = result_of("boot.accepted_ratio", "== 1", nearly)
    assert not result.passed
    assert result.actual_text == "0.9999999"


def test_results_come_in_the_order_of_the_thresholds() -> None:
    thresholds = [parse("== 0", "call.timeouts"), parse("> 0", "call.count")]
    results = evaluate(thresholds, a_summary())
    assert [result.metric for result in results] == ["call.timeouts", "call.count"]
    assert [result.passed for result in results] == [False, True]


# ── commands ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("metric", "actual"),
    [
        ("command.sent", 50),
        ("command[Reset].sent", 20),
        ("command[Reset].unexpected", 2),
        ("command[Reset].errors", 1),
        ("command[Reset].skipped", 2),
        ("command[Reset].accepted_ratio", 0.8),
        ("command[Reset].expected_ratio", 0.8),
        ("command[Reset].answered.p99", 0.04),
        ("command[ClearCache].sent", 0),
        ("command[SetChargingProfile].sent", 0),
        ("uploads.received", 3),
    ],
)
def test_commands_have_figures_in_all_and_by_action(metric: str, actual: float) -> None:
    limit = "== 0s" if ".answered." in metric else "== 0"
    assert result_of(metric, limit, a_summary()).actual == actual


@pytest.mark.parametrize("figure", ["accepted_ratio", "expected_ratio", "answered.p99"])
@pytest.mark.parametrize("action", ["ClearCache", "SetChargingProfile"])
def test_a_command_that_was_sent_to_nobody_has_no_ratio_and_no_time(
    action: str, figure: str
) -> None:
    limit = ">= 0s" if figure.startswith("answered") else ">= 0"
    assert not result_of(f"command[{action}].{figure}", limit, a_summary()).passed


def test_a_command_metric_names_a_message_that_a_csms_sends() -> None:
    with pytest.raises(ValueError, match="'Heartbeat' is not an action that a CSMS"):
        parse("== 0", "command[Heartbeat].sent")
    with pytest.raises(ValueError, match="unknown metric"):
        parse("== 0", "command[Reset].response.p99")


# ── counts in the books of the embedded CSMS ─────────────────────────────────────────────────────


def with_books() -> dict[str, Any]:
    return {"ledger": {"csms": {"stops": 7, "stop_reasons": {"Remote": 3}, "crashed": 0}}}


@pytest.mark.parametrize(
    ("metric", "actual"),
    [
        ("csms[stops]", 7),
        ("csms[stop_reasons.Remote]", 3),
        ("csms[stop_reasons.EVDisconnected]", 0),
        ("csms[crashed]", 0),
    ],
)
def test_counts_in_the_books_of_the_csms_can_be_limited(metric: str, actual: int) -> None:
    assert result_of(metric, f"== {actual}", with_books()).passed


def test_another_csms_keeps_no_books_for_us() -> None:
    result = result_of("csms[stops]", "== 0", {"ledger": {"csms": None}})
    assert (result.actual, result.passed) == (None, False)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        ("csms[stop]", "'stop' is no count of the embedded CSMS; did you mean 'stops'?"),
        ("csms[stop_reasons]", "write csms[stop_reasons.Name]"),
        ("csms[stops.Remote]", "write csms[stops]"),
        ("csms[violation_examples]", "'violation_examples' is no count"),
        ("csms[", "is written csms[stop_reasons.Remote]"),
    ],
)
def test_a_count_that_the_books_do_not_have_is_refused(metric: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"csms|no count") as refused:
        parse("== 0", metric)
    assert says in str(refused.value)


# ── sessions and soaks ───────────────────────────────────────────────────────────────────────────


def some_books(**changes: Any) -> dict[str, Any]:
    books = {"transactions_opened": 20, "starts_delivered": 20, "stops_delivered": 20}
    excused = {"starts_lost": 0, "stops_lost": 0}
    return {"ledger": {"fleet": {**books, "excused": excused, **changes}}}


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({}, 0),
        ({"stops_delivered": 17}, 3),
        ({"starts_delivered": 18, "stops_delivered": 19}, 2),
        ({"stops_delivered": 17, "excused": {"starts_lost": 1, "stops_lost": 2}}, 1),
    ],
)
def test_a_session_is_lost_if_the_csms_never_answered_its_start_or_its_end(
    changes: dict[str, Any], lost: int
) -> None:
    assert result_of("sessions.lost", "== 0", some_books(**changes)).actual == lost


def test_turned_away_drivers_are_a_share_of_those_who_were_due() -> None:
    assert result_of("sessions.turned_away_ratio", "< 5%", a_summary()).passed
    assert result_of("sessions.turned_away_ratio", "< 5%", a_summary(arrivals=None)).actual is None


def test_of_several_soaks_the_worst_counts() -> None:
    assert result_of("soak.response.p99_drift", "< 10%", a_summary()).actual == 0.2
    assert result_of("soak.csms.grown_kib", "<= 2", a_summary()).passed
    calmer = a_summary(soak=[a_soak(-0.5)])
    assert result_of("soak.response.p99_drift", "== 0", calmer).passed
    unknown = a_summary(soak=[a_soak(0.1), {"response_p99_ms": {"drift_ratio": None}}])
    assert result_of("soak.response.p99_drift", "< 10%", unknown).actual is None
