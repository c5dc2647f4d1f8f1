"""The top of a report: the verdict in one sentence, what was asked, and how it came out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.load.results.report import wording
from simfleet.load.results.report.markup import (
    NONE,
    Cell,
    Html,
    badge,
    facts,
    foreign,
    join,
    section,
    table,
    text,
)

if TYPE_CHECKING:
    from simfleet.load.results.report.reading import Block, RunFiles

REASONS_MAX: Final = 30
ROWS_MAX: Final = 200
_VERDICTS: Final = {
    "passed": ("PASSED", "good", "The target did what was asked of it: {kept}."),
    "threshold_failed": (
        "FAILED",
        "bad",
        "The target did not do what was asked of it: {missed}.",
    ),
    "ledger_broken": (
        "FAILED",
        "bad",
        "The books do not add up: something was lost or counted twice, as the ledger below"
        " says. Find out what before any figure is believed.",
    ),
    "invalid": (
        "INVALID",
        "bad",
        "This run proves nothing about the target: the load generator itself was the bottleneck.",
    ),
    "interrupted": (
        "ABORTED",
        "poor",
        "The run was ended before its time; figures are of the part that ran.",
    ),
    "aborted": (
        "ABORTED",
        "bad",
        "A threshold that ends a run was broken; figures are of the part that ran.",
    ),
    "target_lost": (
        "ABORTED",
        "bad",
        "The target went away during the run and did not come back.",
    ),
}
_GENERATORS: Final = {
    "VALID": ("good", "The generator kept up, so the times are the target's."),
    "SUSPECT": (
        "poor",
        "The generator was near its limits: read the reasons before the figures.",
    ),
    "INVALID": ("bad", "The generator did not keep up, so the times are partly its own."),
}


_VIRTUAL: Final = (
    "A virtual run: no time passed while chargers and CSMS worked, so its times say nothing about"
    " how fast the target is."
)


def verdict(files: RunFiles) -> Html:
    """The verdict, large, with the figures that matter most."""
    summary = files.summary
    result, level = summary.word("verdict", "result"), summary.word("verdict", "generator")
    word, tone, sentence = _VERDICTS.get(
        result,
        (
            result.upper().replace("_", " ") or "UNKNOWN",
            "poor",
            "The run left no verdict behind: it did not come to its end, or its files are damaged.",
        ),
    )
    filled = sentence.format(kept=_kept(summary), missed=_missed(summary))
    if level not in _GENERATORS:
        level_shown, level_says = "", ""
    else:
        level_tone, level_says = _GENERATORS[level]
        level_shown = badge(f"generator {level}", level_tone)
        if summary.word("clock", "kind") == "virtual":
            level_says = _VIRTUAL
    level_says += _changed(summary)
    reasons = [
        f"<li>{foreign(reason)}</li>"
        for reason in summary.words("verdict", "reasons")[:REASONS_MAX]
    ]
    because = f"<ul class=reasons>{join(reasons)}</ul>" if reasons else ""
    return Html(
        f'<header class="top tone-{tone}"><h1>{foreign(summary.word("scenario") or "A run")}</h1>'
        f'<p class="by">{_by(files)}</p><div class="verdict"><span class="word">{text(word)}</span>'
        f'{level_shown}</div><p class="says">{text(filled)} {text(level_says)}</p>'
        f"{because}{_tiles(summary)}</header>\n"
    )


def _by(files: RunFiles) -> str:
    began = files.manifest.word("began")
    parts = [began[:19].replace("T", " ") + " UTC" if began else ""]
    lasted = files.summary.number("load_s")
    parts.append(f"{wording.duration(lasted)} of load" if lasted is not None else "")
    parts.append(f"against {files.summary.word('target')}" if files.summary.word("target") else "")
    return foreign(" · ".join(part for part in parts if part))


def _kept(summary: Block) -> str:
    thresholds = len(summary.blocks("thresholds"))
    if not thresholds:
        return "no threshold was set, every charger came up and the books add up"
    return f"{'the threshold was' if thresholds == 1 else f'all {thresholds} thresholds were'} kept"


def _missed(summary: Block) -> str:
    thresholds = summary.blocks("thresholds")
    missed = [one for one in thresholds if one.value("passed") is not True]
    said = []
    if missed:
        were = "was" if len(missed) == 1 else "were"
        said.append(f"{len(missed)} of {len(thresholds)} thresholds {were} missed")
    if failed := summary.number("case_totals", "failed"):
        total = summary.number("case_totals", "total")
        said.append(f"{wording.count(failed)} of {wording.count(total)} scripted cases failed")
    return " and ".join(said) or "its chargers were not all accepted"


def _changed(summary: Block) -> str:
    if summary.value("changed_live") is not True:
        return ""
    return " People changed the run while it went on: do not compare it with another one."


def _tiles(summary: Block) -> Html:
    totals = summary.block("call_totals")
    calls = totals.number("count")
    failed = sum(totals.counts("errors").values()) + (totals.number("timeouts") or 0)
    ratio = failed / calls if calls else (0.0 if calls is not None else None)
    peak, target = (
        summary.number("chargers", "connected_peak"),
        summary.number("chargers", "target"),
    )
    tiles = [
        (f"{wording.count(peak)} of {wording.count(target)}", "chargers connected at once"),
        (wording.count(calls), "CALLs finished"),
        (f"{wording.number(summary.number('throughput', 'calls_per_s'))}/s", "CALLs, on average"),
        (wording.milliseconds(totals.number("response_ms", "p50")), "response time, median"),
        (wording.milliseconds(totals.number("response_ms", "p99")), "response time, p99"),
        (wording.share(ratio), "CALLs failed"),
        (wording.count(summary.number("transactions", "started")), "charging sessions"),
        (f"{wording.number(summary.number('transactions', 'energy_kwh'))} kWh", "delivered"),
    ]
    shown = [
        f'<div class="tile"><b>{text(figure)}</b><span>{text(what)}</span></div>'
        for figure, what in tiles
        if not figure.startswith(wording.MISSING)
    ]
    return Html(f'<div class="tiles">{join(shown)}</div>') if shown else NONE


def gaps(files: RunFiles) -> Html:
    """What a reader must know of files that are missing or damaged."""
    if not files.missing:
        return NONE
    lines = join(f"<li>{foreign(sentence)}</li>" for sentence in files.missing)
    return Html(
        '<section class="warn" id="missing"><h2>This report is not complete</h2>'
        f"<ul>{lines}</ul></section>\n"
    )


def thresholds(summary: Block) -> Html:
    """The section of limits and what became of them, missed ones first."""
    found = summary.blocks("thresholds")[:ROWS_MAX]
    rows = [
        (
            badge("kept", "good") if one.value("passed") is True else badge("MISSED", "bad"),
            one.word("metric"),
            one.word("limit"),
            one.word("actual_text") + (f" ({one.word('reason')})" if one.word("reason") else ""),
        )
        for one in sorted(found, key=lambda one: one.value("passed") is True)
    ]
    return section(
        "thresholds", "Thresholds", table(("", "figure", "limit", "was"), rows, numbers=(2, 3))
    )


def asked(files: RunFiles) -> Html:
    """The section of what was to be done, and what was done of it."""
    scenario = files.manifest.block("scenario")
    pairs = [
        ("Scenario", files.summary.word("scenario")),
        ("About", scenario.word("description")),
        ("Target", files.summary.word("target")),
        ("Chargers", wording.count(files.summary.number("chargers", "target"))),
        ("Seed", wording.number(files.summary.number("seed"))),
        ("Command", " ".join(["simfleet", *files.manifest.words("arguments")])),
    ]
    known = [(name, value) for name, value in pairs if value != wording.MISSING]
    return section(
        "asked", "What was asked", facts(known), _fleet(scenario), _stages(files.summary)
    )


def _fleet(scenario: Block) -> Html:
    rows = []
    for one in scenario.blocks("fleet")[:ROWS_MAX]:
        profile = one.number("security_profile")
        row = (
            one.word("name"),
            wording.count(one.number("count")),
            one.word("version"),
            " ".join(filter(None, (one.word("model"), one.word("type")))),
            "" if profile is None else wording.count(profile),
            one.word("id") or one.word("id_pattern"),
        )
        rows.append(row)
    head = ("slice", "chargers", "version", "model and type", "security profile", "identities")
    return table(head, rows, numbers=(1,), name="Fleet")


def _stages(summary: Block) -> Html:
    rows = []
    for number, one in enumerate(summary.blocks("stages")[:ROWS_MAX], start=1):
        began, ended = one.number("began_s") or 0.0, one.number("ended_s") or 0.0
        complete = one.value("complete") is True
        row: tuple[object, ...] = (
            number,
            one.word("name"),
            one.word("detail") or one.word("do"),
            wording.duration(began) if began else "0",
            wording.duration(max(0.0, ended - began)),
            wording.count(one.number("chargers")),
            wording.count(one.number("connected")),
            Cell("") if complete else badge("cut short", "poor"),
        )
        rows.append(row)
    named = any(row[1] for row in rows)
    head = ("", "name", "stage", "began after", "lasted", "chargers at its end", "connected", "")
    keep = [place for place in range(len(head)) if named or place != 1]
    return table(
        [head[place] for place in keep],
        [[row[place] for place in keep] for row in rows],
        numbers=[keep.index(place) for place in (0, 3, 4, 5, 6)],
        name="Stages",
    )


def environment(files: RunFiles) -> Html:
    """The section of where and with what it was run."""
    manifest = files.manifest
    versions = manifest.block("versions")
    host, limits = manifest.block("host"), manifest.block("limits", "open_files")
    memory = host.number("memory_mib")
    pairs: list[tuple[str, object]] = [
        ("Began", manifest.word("began")),
        ("System", host.word("system")),
        ("Processors", wording.number(host.number("cpus"))),
        ("Memory", f"{wording.count(memory)} MiB" if memory else ""),
        ("Open files allowed", wording.number(limits.number("soft"))),
        ("Scenario, SHA-256", manifest.word("scenario_sha256")),
        ("Versions", ", ".join(f"{name} {versions.word(name)}" for name in versions.content)),
    ]
    known = [(name, value) for name, value in pairs if value != wording.MISSING]
    return section("environment", "Environment", facts(known))
