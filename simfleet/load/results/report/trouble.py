"""What went wrong, whom it hit, and whether the books add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.load.results.report import wording
from simfleet.load.results.report.markup import (
    NONE,
    Html,
    badge,
    code,
    folded,
    foreign,
    join,
    section,
    table,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simfleet.load.results.report.reading import Block, RunFiles

CAUSES_MAX: Final = 40
FIRST_MAX: Final = 40
PER_KIND_MAX: Final = 3
_BY_US: Final = frozenset({"ended", "cut", "cancelled"})


def troubles(files: RunFiles) -> Html:
    """The section of errors: by cause, by charger, and the first of each kind."""
    summary = files.summary
    causes = sorted(_causes(summary), key=lambda row: -row[1])
    rows = [(what, wording.count(count)) for what, count in causes[:CAUSES_MAX]]
    by_cause = table(("cause", "count"), rows, numbers=(1,), name="By cause")
    total = summary.number("problems", "total")
    intro = "Nothing went wrong with any charger." if total == 0 else ""
    if total:
        intro = f"{wording.count(total)} problems in all; errors.jsonl has the first of them."
    worst = _worst(summary)
    tables = [part for part in (by_cause, worst) if part]
    pair = (
        f'<div class="two">{join(f"<div>{part}</div>" for part in tables)}</div>' if tables else ""
    )
    content = join([pair, _violations(summary), _first(files), _crashes(summary)])
    if not content and intro:
        content = Html(f"<p>{badge('none', 'good')}</p>")
    return section("errors", "What went wrong", content, intro=intro)


def _causes(summary: Block) -> Iterable[tuple[str, float]]:
    calls = summary.block("calls")
    for action in calls.content:
        call = calls.block(action)
        for error, number in call.counts("errors").items():
            yield f"{action}: {error}", number
        for key, words in (("timeouts", "not answered in time"), ("lost", "lost with its link")):
            if number := call.number(key) or 0:
                yield f"{action}: {words}", number
    for reason, number in summary.counts("connect", "failures").items():
        yield f"connect: {reason}", number
    for kind, number in summary.counts("disconnects").items():
        if kind not in _BY_US and number:
            yield f"link lost: {kind}", number
    for kind, number in summary.counts("dropped").items():
        yield f"message given up: {kind}", number
    for kind, number in summary.counts("replies").items():
        if number:
            yield f"reply {kind}", number
    for status in ("pending", "rejected"):
        if number := summary.number("boot", status) or 0:
            yield f"boot {status}", number
    for violation in summary.blocks("violations"):
        what = f"{violation.word('kind')} {violation.word('action')}".strip()
        yield f"violation: {what}", violation.number("count") or 0


def _worst(summary: Block) -> Html:
    worst = summary.blocks("worst_chargers", "kept")
    columns = ("problems", "timeouts", "errors", "links", "connects", "violations", "other")
    used = [name for name in columns if any(one.number(name) for one in worst)]
    rows = [
        (one.word("charger"), *(wording.count(one.number(name)) for name in used)) for one in worst
    ]
    hit = summary.number("worst_chargers", "chargers")
    name = "Worst chargers" + (f", of {wording.count(hit)} with problems" if hit else "")
    return table(("charger", *used), rows, numbers=range(1, 8), name=name)


def _violations(summary: Block) -> Html:
    parts = []
    for one in summary.blocks("violations")[: PER_KIND_MAX * 5]:
        words = (one.word(key) for key in ("kind", "action", "error_code", "path"))
        head = f"{wording.count(one.number('count'))} of {' '.join(word for word in words if word)}"
        example = one.block("example")
        inner = f"<p>{foreign(one.word('description'))}</p>"
        if example:
            inner += f"<p class=note>first: {foreign(example.word('charger'))}</p>"
            inner += f'<div class="frames">{code(example.word("frame"))}</div>'
        parts.append(folded(head, inner))
    if not parts:
        return NONE
    return join(["<h3>What the target sent against the protocol</h3>", *parts])


def _first(files: RunFiles) -> Html:
    seen: dict[str, int] = {}
    parts: list[Html] = []
    for problem in files.problems:
        kind = problem.word("kind")
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] > PER_KIND_MAX or len(parts) >= FIRST_MAX:
            continue
        at = problem.word("at")
        head = f"{at[11:23] or at}  {kind}  {problem.word('charger')}".strip()
        inner = f"<p>{foreign(problem.word('detail'))}</p>"
        frames = problem.blocks("frames")
        if frames:
            lines = (
                str(code(f"{one.word('direction')}: {one.word('frame')}")) for one in frames[:8]
            )
            inner += f'<div class="frames">{"".join(lines)}</div>'
        parts.append(folded(head, inner))
    if not parts:
        return NONE
    counted = _kinds(files.kinds)
    return join([f"<h3>The first errors of each kind</h3>{counted}", *parts])


def _kinds(kinds: Mapping[str, int]) -> str:
    most = sorted(kinds.items(), key=lambda pair: -pair[1])[:12]
    shown = ", ".join(f"{count} {kind}" for kind, count in most if kind != "more")
    return f'<p class="note">In errors.jsonl: {text(shown)}</p>' if shown else ""


def _crashes(summary: Block) -> Html:
    parts = [
        folded(f"{one.word('charger')}: {one.word('error')}", str(code(one.word("traceback"))))
        for one in summary.blocks("crashes")
    ]
    if not parts:
        return NONE
    return join(["<h3>Bugs of SimFleet (please report them)</h3>", *parts])


def ledger(files: RunFiles) -> Html:
    """The section of the books: what must add up in every run."""
    summary = files.summary
    checks = summary.blocks("ledger", "checks")
    rows = [
        (
            badge("holds", "good") if one.value("holds") is True else badge("BROKEN", "bad"),
            one.word("name").replace("_", " "),
            one.word("detail"),
        )
        for one in sorted(checks, key=lambda check: check.value("holds") is True)
    ]
    balanced = summary.value("ledger", "balanced")
    intro = "Every transaction, message and kilowatt-hour is accounted for twice, by the chargers"
    intro += " and, where it is ours, by the CSMS; both books must say the same."
    if balanced is None and summary.block("ledger"):
        intro = "The run was cut off, so the books could not be compared."
    faults = [f"<li>{foreign(fault)}</li>" for fault in summary.words("ledger", "fleet", "faults")]
    content = join(
        [table(("", "check", "figures"), rows), f"<ul>{''.join(faults)}</ul>" if faults else ""]
    )
    if not content and summary.block("ledger"):
        content = Html(f"<p>{badge('not checked', 'poor')}</p>")
    return section("ledger", "Ledger: do the books add up?", content, intro=intro)
