"""`simfleet compare A B`: two runs of one scenario beside each other, and a gate for pipelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simfleet.cli.exit_codes import ExitCode
from simfleet.errors import UsageWrong
from simfleet.load.results.compare.comparison import as_json, compare
from simfleet.load.results.compare.fail_on import parse_rule
from simfleet.load.results.compare.page import comparison_page
from simfleet.load.results.compare.runs import read_run
from simfleet.load.results.compare.text import comparison_markdown, comparison_text

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from simfleet.load.results.compare.fail_on import Rule


def main(arguments: argparse.Namespace) -> int:
    """Compare; with `--fail-on`, THRESHOLD_FAILED when a rule is broken, and INVALID_RUN when a run
    proves nothing: a gate does not open on figures that mean nothing.
    """
    rules = [_rule(text) for text in arguments.fail_on]
    comparison = compare(
        read_run(arguments.a), read_run(arguments.b), rules=rules, anything=arguments.different
    )
    if arguments.html is not None:
        _write(arguments.html, comparison_page(comparison), option="--html")
    if arguments.markdown is not None:
        _write(arguments.markdown, comparison_markdown(comparison), option="--markdown")
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(as_json(comparison)), indent=2).decode())
    else:
        print(comparison_text(comparison))
    if rules and comparison.invalid:
        return ExitCode.INVALID_RUN
    return ExitCode.THRESHOLD_FAILED if comparison.broken else ExitCode.PASSED


def _rule(text: str) -> Rule:
    try:
        return parse_rule(text)
    except ValueError as wrong:
        raise UsageWrong(f"--fail-on: {wrong}") from None


def _write(path: Path, content: str, *, option: str) -> None:
    try:
        path.write_text(content, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageWrong(f"{option}: cannot write to {path}: {error.strerror or error}") from None
