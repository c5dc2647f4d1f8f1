"""What a benchmark found, and where it goes: a table for people, JSON, and bench/RESULTS.md.

Every benchmark is a module `bench_<name>` whose `measure(quick=...)` is handed to `main()` here.
Each figure stands beside a floor or a peer measured in the same run, with ratio and target.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench import machine
from bench.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

RESULTS = Path(__file__).with_name("RESULTS.md")
OUT = Path(__file__).with_name("out")
"""JSON of every run, also of quick ones; not under version control."""
NOT_INSTALLED = 2
"""Exit code of a benchmark that lacks a package; it says which on stderr."""

PREFACE = """\
# Results

Written by `simfleet bench`; each section by its own benchmark, on the machine and day it names.
CPU is user plus system time of the process that is measured, on a core of its own where there is
more than one. A floor or a peer is measured in the same run: only ratios survive another machine.
"""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure; `ratio` is ours over what it stands beside, `reached` None where no target is."""

    case: str
    figure: float
    unit: str
    beside: str = ""
    beside_figure: float | None = None
    ratio: float | None = None
    target: str = ""
    reached: bool | None = None
    details: dict[str, float | int | str] = {}


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """All that a benchmark found in one run."""

    benchmark: str
    measures: str
    quick: bool
    finished_at: str
    took_s: float
    machine: Machine
    versions: dict[str, str]
    rows: list[Row]
    notes: list[str] = []
    schema: int = 1

    @property
    def reached(self) -> bool:
        """Whether no target was missed."""
        return all(row.reached is not False for row in self.rows)


class NotInstalled(Exception):
    """A benchmark needs a package that is not there."""


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


# ── how it reads ────────────────────────────────────────────────────────────────────────────────


def number(value: float) -> str:
    """Three significant digits, thousands separated: `0.0123`, `4.56`, `78.9`, `12,345`."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table, details below it."""
    lines = [
        "| case | figure | beside it | ratio | target | reached |",
        "|---|---|---|---|---|---|",
    ]
    details: list[str] = []
    for row in rows:
        beside = ""
        if row.beside_figure is not None:
            beside = f"{row.beside}: {number(row.beside_figure)} {row.unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        reached = {True: "yes", False: "**no**", None: ""}[row.reached]
        figure = f"{number(row.figure)} {row.unit}"
        lines.append(f"| {row.case} | {figure} | {beside} | {ratio} | {row.target} | {reached} |")
        if row.details:
            found = ", ".join(f"{name} {_detail(value)}" for name, value in row.details.items())
            details.append(f"- {row.case}: {found}")
    return "\n".join(lines + (["", *details] if details else []))


def _detail(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def section(result: Result) -> str:
    """The part of RESULTS.md that belongs to one benchmark."""
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    notes = "".join(f"\n{note}\n" for note in result.notes)
    quick = " (A quick run: it works; its figures mean little.)" if result.quick else ""
    load = f"load {result.machine.load_1min:.1f}"
    return f"""\
## {result.benchmark}

{result.measures}{quick}

{table(result.rows)}
{notes}
{result.finished_at[:10]}, took {result.took_s:.0f} s. {result.machine} ({load}).
{versions}.
"""


def write_section(path: Path, result: Result) -> None:
    """Put a section into a Markdown file, in place of the one it had; sections stay sorted."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    sections = {part.split("\n", 1)[0].strip(): part for part in text.split("\n## ")[1:]}
    sections[result.benchmark] = section(result).removeprefix("## ")
    body = "\n\n".join(f"## {sections[name].strip()}" for name in sorted(sections))
    path.write_text(f"{PREFACE}\n{body}\n", encoding="utf-8")


# ── running one ─────────────────────────────────────────────────────────────────────────────────


def main(
    name: str,
    measures: str,
    measure: Callable[..., tuple[list[Row], list[str]]],
    *,
    packages: Sequence[str] = (),
    arguments: list[str] | None = None,
) -> int:
    """Run one benchmark from the command line and return its exit code.

    `measure(quick=bool)` returns rows and notes. 0: it ran, whatever it found; 2: a package is
    missing.
    """
    options = _parse(name, measures, arguments)
    began_s, where = time.monotonic(), machine.describe()
    try:
        rows, notes = measure(quick=options.quick)
    except NotInstalled as missing:
        say(f"{name}: {missing}")
        return NOT_INSTALLED
    result = Result(
        benchmark=name,
        measures=measures,
        quick=options.quick,
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        took_s=time.monotonic() - began_s,
        machine=where,
        versions=machine.versions(packages),
        rows=rows,
        notes=notes,
    )
    _keep(result, options.out)
    say(section(result))
    if options.json:
        print(msgspec.json.encode(result).decode(), flush=True)
    return 0


def _keep(result: Result, out: Path | None) -> None:
    OUT.mkdir(exist_ok=True)
    written = msgspec.json.format(msgspec.json.encode(result), indent=2)
    (OUT / f"{result.benchmark}.json").write_bytes(written + b"\n")
    if out is not None:
        write_section(out, result)
    if not result.quick:  # a quick run must not replace real figures
        write_section(RESULTS, result)


def _parse(name: str, measures: str, arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=name, description=measures)
    parser.add_argument("--quick", action="store_true", help="small and short: only that it works")
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    parser.add_argument(
        "--out", type=Path, help="write the Markdown section into this file as well"
    )
    return parser.parse_args(arguments)
