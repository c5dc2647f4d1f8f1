"""The summary of a run as people read it in a terminal: verdict first."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from simfleet.load.summary_findings import findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WIDTH: Final = 80
_ACTION_WIDTH: Final = 20
_FAILURES: Final = {"timeouts": "not answered in time", "lost": "lost with their connection"}
_UNANSWERED: Final = {"timeouts": "not answered", "not_connected": "cut off"}
ACTIONS_SHOWN: Final = 5
"""Live actions; up to 1,000 are in `summary.json`."""
VIOLATIONS_SHOWN: Final = 5
"""Kinds of violations; all are in `summary.json`."""


def summary_text(summary: Mapping[str, Any], *, folder: str, reported: bool = True) -> str:
    """The content of a `summary.json`, as text of at most 80 columns but for long names.
    `reported`: the folder has a report.
    """
    return "\n".join(_lines(summary, folder, reported=reported))


def _lines(summary: Mapping[str, Any], folder: str, *, reported: bool) -> Iterator[str]:
    verdict = summary["verdict"]
    chargers, generator = summary["chargers"], summary["generator"]
    transactions = summary["transactions"]
    yield f"{summary['scenario']}: {verdict['result'].upper()} (generator {verdict['generator']})"
    for reason in verdict["reasons"]:
        yield textwrap.fill(
            reason,
            _WIDTH,
            initial_indent="  - ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    yield from _changed_live(summary)
    yield ""
    yield (
        f"  chargers      {chargers['booted']} of {chargers['target']} booted,"
        f" {chargers['connected_peak']} connected at once"
    )
    yield from _links(summary["connect"], summary["disconnects"])
    yield (
        f"  transactions  {transactions['started']} started, {transactions['stopped']} stopped,"
        f" {transactions['energy_kwh']:.1f} kWh"
    )
    yield from findings(summary)
    throughput = summary["throughput"]
    yield (
        f"  throughput    {throughput['calls_per_s']:.0f} calls/s,"
        f" {throughput['frames_per_s']:.0f} frames/s over {summary['load_s']:.0f} s"
    )
    yield from _clock(summary)
    yield from _calls(summary)
    yield from _commands(summary)
    yield from _thresholds(summary)
    yield from _trouble(summary)
    us_per_call = generator["cpu_us_per_call"]
    each = f" ({us_per_call:.0f} us/call)" if us_per_call is not None else ""
    yield (
        f"  generator     {generator['cpu_s']:.1f} s CPU{each},"
        f" {generator['rss_peak_mib']:.0f} MiB,"
        f" loop lag p99 {generator['loop_lag_ms']['p99']:.1f} ms"
    )
    yield f"  ledger        {_ledger(summary['ledger'], summary['injected'])}"
    if reported:
        yield f"  report        {folder}/report.html"
    yield f"  results       {folder}"


def _links(connect: Mapping[str, Any], disconnects: Mapping[str, int]) -> Iterator[str]:
    to_all_s = connect["seconds_to_all"]
    all_text = f", all within {to_all_s:.1f} s" if to_all_s is not None else ""
    yield (
        f"  connects      {connect['opened']} of {connect['attempts']} attempts,"
        f" {connect['per_s_peak']} a second at most{all_text}"
    )
    for reason, count in connect["failures"].items():
        yield f"                {count} failed: {reason}"
    lost = {
        kind: count
        for kind, count in disconnects.items()
        if kind not in ("ended", "cut", "cancelled")  # by us
    }
    if lost:
        kinds = ", ".join(f"{count} {kind}" for kind, count in lost.items())
        yield f"  links lost    {sum(lost.values())}: {kinds}"
    if cut := disconnects.get("cut"):
        yield f"  links cut     {cut}, on purpose"


def _changed_live(summary: Mapping[str, Any]) -> Iterator[str]:
    """What people did to the run: its figures are no longer those of the scenario alone."""
    if not summary.get("changed_live"):
        return
    done = [action for action in summary["actions"] if action["done"]]
    yield "  - changed live, so not to be compared with other runs:"
    for action in done[:ACTIONS_SHOWN]:
        text = f"{action['at_s']:.0f} s, {action['by']}: {action['result']}"
        yield textwrap.fill(text, _WIDTH, initial_indent="    ", subsequent_indent="      ")
    if len(done) > ACTIONS_SHOWN:
        yield f"    {len(done) - ACTIONS_SHOWN} more in summary.json"


def _explained(injected: Mapping[str, Any]) -> str:
    return f", {injected['explained']} explained by faults" if injected["explained"] else ""


def _ledger(ledger: Mapping[str, Any], injected: Mapping[str, Any]) -> str:
    checks = ledger["checks"]
    if ledger["balanced"] is None:
        return "not checked: the run was cut off"
    against = ", against the CSMS's books" if ledger["csms"] is not None else ""
    if ledger["balanced"]:
        return f"balanced: {len(checks)} checks{against}{_explained(injected)}"
    broken = sum(not check["holds"] for check in checks)
    return f"BROKEN: {broken} of {len(checks)} checks{against}"


def measured(summary: Mapping[str, Any]) -> bool:
    """Whether times are those of a CSMS, and not simulated ones."""
    clock = summary.get("clock") or {}
    return clock.get("kind") != "virtual"


def _clock(summary: Mapping[str, Any]) -> Iterator[str]:
    """How time passed, unless it was real."""
    clock = summary.get("clock") or {"kind": "real"}
    if clock["kind"] != "real":
        yield (
            f"  clock         {clock['kind']}: {clock['run_s']:.0f} s in {clock['real_s']:.1f} s,"
            f" {clock['speed'] or 0:.0f} times as fast"
        )


def _calls(summary: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    if not summary["calls"]:
        return
    calls = {**summary["calls"], "all": summary["call_totals"]}
    width = max(_ACTION_WIDTH, *map(len, calls))
    title = "response time, ms" if measured(summary) else "simulated time, ms"
    head = f"  {title:<{width}}"
    yield f"{head} {'count':>8} {'p50':>8} {'p90':>8} {'p99':>8} {'max':>8} {'failed':>7}"
    for action, call in calls.items():
        times = call["response_ms"]
        failed = sum(call["errors"].values()) + call["timeouts"]
        yield (
            f"  {action:<{width}} {call['count']:>8} {times['p50']:>8.1f}"
            f" {times['p90']:>8.1f} {times['p99']:>8.1f} {times['max']:>8.1f} {failed:>7}"
        )
    yield from _failures(summary["call_totals"])
    yield ""


def _commands(summary: Mapping[str, Any]) -> Iterator[str]:
    """What the CSMS sent, as the scenario says."""
    commands, uploads = summary["scenario_commands"], summary["uploads"]
    by_action = {} if commands is None else commands["by_action"]
    if not by_action and uploads is None:
        return
    if by_action:
        width = max(_ACTION_WIDTH, *map(len, by_action))
        head = f"  {'commands, ms':<{width}}"
        yield f"{head} {'sent':>8} {'p50':>8} {'p99':>8} {'unexp.':>7}  answers"
    for action, sent in by_action.items():
        times = sent["answered_ms"]
        yield (
            f"  {action:<{width}} {sent['sent']:>8} {times['p50']:>8.1f} {times['p99']:>8.1f}"
            f" {sent['unexpected']:>7}  {_answers(sent)}"
        )
    if uploads is not None:
        yield (
            f"  files         {uploads['received']} uploaded, {uploads['served']} downloaded,"
            f" {uploads['refused']} refused"
        )
    yield ""


def _answers(sent: Mapping[str, Any]) -> str:
    parts = [f"{count} {word[:40]}" for word, count in (sent["statuses"] | sent["errors"]).items()]
    parts += [f"{sent[key]} {word}" for key, word in _UNANSWERED.items() if sent[key]]
    parts += [f"{count} skipped: {why}" for why, count in sent["skipped"].items()]
    return ", ".join(parts)


def _failures(call: Mapping[str, Any]) -> Iterator[str]:
    """What `failed` is made of, and what has no time at all."""
    parts = [f"{count} {code[:40]}" for code, count in call["errors"].items()]
    parts += [f"{call[what]} {word}" for what, word in _FAILURES.items() if call[what]]
    if parts:
        yield textwrap.fill(
            f"failed: {', '.join(parts)}", _WIDTH, initial_indent="  ", subsequent_indent="  "
        )


def _thresholds(summary: Mapping[str, Any]) -> Iterator[str]:
    for threshold in summary["thresholds"]:
        mark = "ok    " if threshold["passed"] else "MISSED"
        yield (
            f"  {mark}        {threshold['metric']} {threshold['limit']}"
            f" (was {threshold['actual_text']})"
        )
    if summary["thresholds"]:
        yield ""


def _trouble(summary: Mapping[str, Any]) -> Iterator[str]:
    for kind, count in summary["dropped"].items():
        yield f"  dropped       {count} {kind}"
    replies = summary["replies"]
    if any(replies.values()):
        counts = ", ".join(f"{count} {kind}" for kind, count in replies.items() if count)
        yield f"  stray replies {counts}"
    violations = summary["violations"]
    for violation in violations[:VIOLATIONS_SHOWN]:
        words = (str(violation.get(key, "")) for key in ("kind", "action", "path"))
        what = " ".join(word for word in words if word)
        yield f"  violation     {violation['count']} x {what}: {violation['description'][:120]}"
    if len(violations) > VIOLATIONS_SHOWN:
        yield f"  violations    {len(violations) - VIOLATIONS_SHOWN} more kinds in summary.json"
    injected = summary["injected"]
    if injected["total"]:
        kinds = ", ".join(f"{count} {kind}" for kind, count in injected["by_kind"].items())
        yield textwrap.fill(
            f"  injected      {injected['total']}: {kinds}",
            _WIDTH,
            subsequent_indent=" " * 16,
            break_on_hyphens=False,
        )
    crashed = summary["chargers"]["crashed"]
    if crashed:
        yield f"  crashes       {crashed}: a bug in SimFleet, the traceback is in summary.json"
    problems = summary["problems"]["total"]
    if problems:
        yield f"  problems      {problems}, see errors.jsonl"
