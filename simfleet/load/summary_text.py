"""The summary of a run as people read it in a terminal: verdict first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ACTION_WIDTH = 20


def summary_text(summary: Mapping[str, Any], *, folder: str) -> str:
    """The content of a `summary.json`, as text of at most 80 columns but for long names."""
    return "\n".join(_lines(summary, folder))


def _lines(summary: Mapping[str, Any], folder: str) -> Iterator[str]:
    verdict = summary["verdict"]
    chargers, connect = summary["chargers"], summary["connect"]
    transactions, generator = summary["transactions"], summary["generator"]
    yield f"{summary['scenario']}: {verdict['result'].upper()} (generator {verdict['generator']})"
    for reason in verdict["reasons"]:
        yield f"  - {reason}"
    yield ""
    to_all_s = connect["seconds_to_all"]
    all_text = f", all within {to_all_s:.1f} s" if to_all_s is not None else ""
    yield (
        f"  chargers      {chargers['booted']} of {chargers['target']} booted,"
        f" {chargers['connected_peak']} connected at once"
    )
    yield (
        f"  connects      {connect['opened']} of {connect['attempts']} attempts,"
        f" {connect['per_s_peak']} a second at most{all_text}"
    )
    for reason, count in connect["failures"].items():
        yield f"                {count} failed: {reason}"
    yield (
        f"  transactions  {transactions['started']} started, {transactions['stopped']} stopped,"
        f" {transactions['energy_kwh']:.1f} kWh"
    )
    throughput = summary["throughput"]
    yield (
        f"  throughput    {throughput['calls_per_s']:.0f} calls/s,"
        f" {throughput['frames_per_s']:.0f} frames/s over {summary['load_s']:.0f} s"
    )
    yield from _calls(summary)
    yield from _thresholds(summary)
    yield from _trouble(summary)
    lag = generator["loop_lag_ms"]
    yield (
        f"  generator     {generator['cpu_s']:.1f} s CPU"
        f" ({generator['cpu_us_per_call'] or 0:.0f} us/call),"
        f" {generator['rss_peak_mib']:.0f} MiB, loop lag p99 {lag['p99']:.1f} ms"
    )
    ledger = summary["ledger"]
    balanced = ledger["balanced"]
    word = "not checked" if balanced is None else "balanced" if balanced else "BROKEN"
    against = ", against the CSMS's books" if ledger["csms"] is not None else ""
    yield f"  ledger        {word}: {len(ledger['checks'])} checks{against}"
    yield f"  results       {folder}"


def _calls(summary: Mapping[str, Any]) -> Iterator[str]:
    calls = {**summary["calls"], "all": summary["call_totals"]}
    if not summary["calls"]:
        return
    yield ""
    head = f"  {'response time, ms':<{_ACTION_WIDTH}}"
    yield f"{head} {'count':>8} {'p50':>8} {'p90':>8} {'p99':>8} {'max':>8} {'errors':>7}"
    for action, call in calls.items():
        times = call["response_ms"]
        errors = sum(call["errors"].values()) + call["timeouts"]
        yield (
            f"  {action:<{_ACTION_WIDTH}} {call['count']:>8} {times['p50']:>8.1f}"
            f" {times['p90']:>8.1f} {times['p99']:>8.1f} {times['max']:>8.1f} {errors:>7}"
        )
    yield ""


def _thresholds(summary: Mapping[str, Any]) -> Iterator[str]:
    for threshold in summary["thresholds"]:
        mark = "ok    " if threshold["passed"] else "MISSED"
        yield (
            f"  {mark}        {threshold['metric']} {threshold['limit']}"
            f" (was {threshold['actual_text']})"
        )


def _trouble(summary: Mapping[str, Any]) -> Iterator[str]:
    for kind, count in summary["dropped"].items():
        yield f"  dropped       {count} {kind}"
    replies = summary["replies"]
    if any(replies.values()):
        counts = ", ".join(f"{count} {kind}" for kind, count in replies.items() if count)
        yield f"  stray replies {counts}"
    for violation in summary["violations"][:5]:
        what = " ".join(str(violation.get(key, "")) for key in ("kind", "action", "path"))
        yield f"  violation     {violation['count']} x {what}: {violation['description']}"
    if summary["crashes"]:
        yield f"  crashes       {len(summary['crashes'])}: a bug in SimFleet, see summary.json"
