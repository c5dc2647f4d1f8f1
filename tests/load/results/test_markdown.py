"""summary.md, as a pull request shows it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_results import a_call, a_summary
from simfleet.load.results.markdown import markdown, plain


def test_the_verdict_is_the_first_line() -> None:
    assert markdown(a_summary()).splitlines()[0] == "### ✅ peak: passed"
    failed = markdown(a_summary(result="threshold_failed", reasons=["threshold: was 2s"]))
    assert failed.splitlines()[0] == "### ❌ peak: threshold failed"
    assert "- threshold: was 2s" in failed


def test_a_run_in_a_sentence_with_its_generator() -> None:
    assert (
        "20 of 20 chargers booted, 21 transactions started and 21 stopped (12.5 kWh),"
        " 1,200 CALLs in 50 s (24/s). Generator: **VALID**."
    ) in markdown(a_summary())


def test_thresholds_are_a_table() -> None:
    assert "| ✅ | `boot.accepted_ratio` | `>= 0.999` | 1 |" in markdown(a_summary())


def test_failed_cases_are_named_and_passed_ones_counted() -> None:
    text = markdown(
        a_summary(
            cases=[
                {"name": "a", "charger": "X", "result": "passed", "message": ""},
                {"name": "b", "charger": "Y", "result": "failed", "message": "no answer"},
            ]
        )
    )
    assert "1 of 2 cases passed." in text
    assert "- ❌ b on Y: no answer" in text


def test_a_table_has_as_many_cells_in_each_row() -> None:
    lines = [line for line in markdown(a_summary()).splitlines() if line.startswith("|")]
    for head, rule, row in zip(lines, lines[1:], lines[2:], strict=False):
        if set(rule) <= set("|-:"):
            assert head.count("|") == rule.count("|") == row.count("|")


def test_many_actions_are_cut_and_the_rest_counted() -> None:
    calls = {f"Action{n:02}": a_call(n + 1) for n in range(20)}
    text = markdown(a_summary(calls=calls))
    assert "8 more actions are in summary.json." in text
    assert "| Action19 |" in text
    assert "Action07" not in text


@given(st.text())
def test_nothing_that_a_csms_says_becomes_markup(text: str) -> None:
    line = plain(text)
    assert "\n" not in line
    assert not re.search(r"(?<!\\)(?:\\\\)*[<>\[\]|`@]", line)


@pytest.mark.parametrize(
    ("result", "line"),
    [
        ("aborted", "### ⛔ peak: aborted"),
        ("threshold_failed", "### ❌ peak: threshold failed"),
        ("ledger_broken", "### ❌ peak: ledger broken"),
        ("invalid", "### ⚠️ peak: invalid"),
    ],
)
def test_each_result_has_its_sign_and_words(result: str, line: str) -> None:
    assert markdown(a_summary(result=result)).startswith(line)


def test_it_fits_into_a_comment_whatever_there_is() -> None:
    """GitHub takes 65,536 characters."""
    long = "y|" * 50_000
    threshold = {"metric": long, "limit": long, "actual_text": long, "passed": True}
    missed = {**threshold, "metric": "missed", "passed": False}
    failed = {"name": long, "charger": "c", "result": "failed", "message": long}
    text = markdown(
        a_summary(
            reasons=[long] * 100,
            thresholds=[{**threshold, "limit": "< 1"}] * 100 + [missed],
            cases=[failed] * 10_000,
            case_totals={"total": 12_000, "passed": 1_000, "failed": 11_000, "left_out": 2_000},
        )
    )
    assert len(text) < 65_536
    assert "`missed`" in text
    assert "61 more thresholds are in summary.json." in text
    assert "1,000 of 12,000 cases passed." in text
    assert "and 10,990 more failed" in text
