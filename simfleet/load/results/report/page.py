"""`report.html`, one file without any reference to another one."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

REPORT: Final = "report.html"


def write_report(folder: Path, summary: dict[str, Any]) -> None:
    """Write the report of a run into its folder. Raises OSError where the file system does."""
    (folder / REPORT).write_text(page(folder, summary), encoding="utf-8")


def page(folder: Path, summary: dict[str, Any]) -> str:
    """The report as HTML."""
    verdict = summary.get("verdict", {})
    title = escape(f"{summary.get('scenario')}: {verdict.get('result')}")
    return f"<!doctype html><html lang=en><title>{title}</title><h1>{title}</h1></html>\n"
