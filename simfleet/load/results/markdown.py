"""`summary.md`: a run as a comment on a pull request, verdict first, short."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from simfleet.load.results.whole_files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MARKDOWN: Final = "summary.md"
ACTIONS_MAX: Final = 12
"""The actions with the most CALLs; the rest is named by number."""
REASONS_MAX: Final = 10
THRESHOLDS_MAX: Final = 40
"""Rows; missed ones come first if there are more."""
TEXT_MAX_CHARS: Final = 300
"""Of anything that is quoted; GitHub takes 65,536 in all."""
_SIGNS: Final = {"passed": "✅", "aborted": "⛔", "interrupted": "⏹️", "invalid": "⚠️"}
_SPECIAL: Final = frozenset("\\`*_[]<>#|~@$&")


def write_markdown(path: Path, summary: Mapping[str, Any]) -> None:
    """Write the file into a run folder. Raises OSError."""
    write_whole(path / MARKDOWN, markdown(summary).encode("utf-8", "backslashreplace"))


def markdown(summary: Mapping[str, Any]) -> str:
    """The text, from the content of a `summary.json`."""
    return "\n".join(_lines(summary)) + "\n"


def _lines(summary: Mapping[str, Any]) -> Iterator[str]:
    verdict = summary["verdict"]
    result = verdict["result"]
    sign = _SIGNS.get(result, "❌")
    yield f"### {sign} {plain(summary['scenario'])}: {words(result)}"
    yield ""
    reasons = verdict["reasons"]
    for reason in reasons[:REASONS_MAX]:
        yield f"- {plain(reason)}"
    if len(reasons) > REASONS_MAX:
        yield f"- and {len(reasons) - REASONS_MAX} more"
    if reasons:
        yield ""
    yield _in_a_sentence(summary)
    yield ""
    yield from _thresholds(summary)
    yield from _cases(summary)
    yield from _calls(summary)
    yield _footer(summary)


def _in_a_sentence(summary: Mapping[str, Any]) -> str:
    chargers, transactions = summary["chargers"], summary["transactions"]
    rate = summary["throughput"]["calls_per_s"]
    return (
        f"{chargers['booted']:,} of {chargers['target']:,} chargers booted,"
        f" {transactions['started']:,} transactions started and {transactions['stopped']:,} stopped"
        f" ({transactions['energy_kwh']:,.1f} kWh),"
        f" {summary['call_totals']['count']:,} CALLs in {summary['load_s']:,.0f} s"
        f" ({rate:,.0f}/s). Generator: **{summary['verdict']['generator']}**."
    )


def _thresholds(summary: Mapping[str, Any]) -> Iterator[str]:
    thresholds = summary["thresholds"]
    if not thresholds:
        return
    more = len(thresholds) - THRESHOLDS_MAX
    if more > 0:
        thresholds = sorted(thresholds, key=lambda one: bool(one["passed"]))[:THRESHOLDS_MAX]
    yield from table(
        ("", "threshold", "limit", "was"),
        [
            (
                "✅" if one["passed"] else "❌",
                code(one["metric"]),
                code(one["limit"]),
                plain(one["actual_text"]),
            )
            for one in thresholds
        ],
    )
    if more > 0:
        yield f"{more} more thresholds are in summary.json."
        yield ""


def _cases(summary: Mapping[str, Any]) -> Iterator[str]:
    cases = summary.get("cases") or ()
    failed = [case for case in cases if case["result"] == "failed"]
    if not cases:
        return
    counted = Counter(case["result"] for case in cases)
    totals = summary.get("case_totals") or {"total": len(cases), **counted}  # some are left out
    skipped = totals.get("skipped", 0)
    also = f", {skipped:,} skipped" if skipped else ""
    yield f"{totals.get('passed', 0):,} of {totals['total']:,} cases passed{also}."
    yield ""
    for case in failed[:REASONS_MAX]:
        yield f"- ❌ {plain(case['name'])} on {plain(case['charger'])}: {plain(case['message'])}"
    if (left := totals.get("failed", 0) - REASONS_MAX) > 0:
        yield f"- and {left:,} more failed"
    if failed:
        yield ""


def _calls(summary: Mapping[str, Any]) -> Iterator[str]:
    calls = sorted(summary["calls"].items(), key=lambda item: (-item[1]["count"], item[0]))
    if not calls:
        return
    rows = [_row(plain(action), call) for action, call in calls[:ACTIONS_MAX]]
    rows.append(_row("**all**", summary["call_totals"]))
    yield "<details><summary>Response times in ms</summary>"
    yield ""
    yield from table(("action", "CALLs", "p50", "p90", "p99", "max", "failed"), rows, right=6)
    if len(calls) > ACTIONS_MAX:
        yield f"{len(calls) - ACTIONS_MAX} more actions are in summary.json."
        yield ""
    yield "</details>"
    yield ""


def _row(name: str, call: Mapping[str, Any]) -> tuple[str, ...]:
    times = call["response_ms"]
    failed = sum(call["errors"].values()) + call["timeouts"]
    figures = (f"{times[key]:,.1f}" for key in ("p50", "p90", "p99", "max"))
    return (name, f"{call['count']:,}", *figures, f"{failed:,}")


def _footer(summary: Mapping[str, Any]) -> str:
    return (
        f"Seed {summary['seed']}, target {code(str(summary['target']))}. "
        "The whole report is `report.html` in the run folder."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: int = 0) -> Iterator[str]:
    """A table and the empty line after it; its last `right` columns are numbers."""
    left = len(head) - right
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(['---'] * left + ['--:'] * right)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def words(result: str) -> str:
    """`threshold_failed` for people."""
    return result.replace("_", " ")


def plain(text: object) -> str:
    """Text that Markdown shows as it is: no links, no mentions, no HTML, on one line."""
    line = _line(str(text))
    return "".join(f"\\{char}" if char in _SPECIAL else char for char in line)


def code(text: str) -> str:
    """The same as code; a backquote or a bar would end it, or the cell of a table."""
    return f"`{_line(text).replace('`', chr(39)).replace('|', '/')}`"


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_MAX_CHARS else f"{line[:TEXT_MAX_CHARS]}..."
