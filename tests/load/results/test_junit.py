"""junit.xml, read by the parser that CI tools use."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from builders_results import a_summary
from simfleet.load.results.junit import junit, write_junit

if TYPE_CHECKING:
    from pathlib import Path


def suites(summary: dict[str, Any]) -> dict[str, TestSuite]:
    return {suite.name: suite for suite in JUnitXml.fromstring(junit(summary))}


def cases(suite: TestSuite) -> dict[str, TestCase]:
    return {case.name: case for case in suite}


def test_a_run_that_passed_has_no_failure() -> None:
    document = JUnitXml.fromstring(junit(a_summary()))
    assert document.failures == document.errors == document.skipped == 0
    assert document.tests == sum(len(suite) for suite in document) > 3
    assert document.time == pytest.approx(50)


def test_a_missed_threshold_is_a_failure_with_its_figure() -> None:
    missed = {"metric": "call.response.p99", "limit": "< 1s", "actual": 2.0, "actual_text": "2s"}
    summary = a_summary(
        thresholds=[{**missed, "passed": False, "reason": ""}], result="threshold_failed"
    )
    found = suites(summary)
    (failure,) = cases(found["peak.thresholds"])["call.response.p99 < 1s"].result
    assert isinstance(failure, Failure)
    assert failure.message == "was 2s"
    (verdict,) = cases(found["peak.run"])["verdict"].result
    assert isinstance(verdict, Failure)


def test_an_invalid_run_is_an_error_for_it_proves_nothing() -> None:
    summary = a_summary(
        result="invalid", generator="INVALID", reasons=["generator INVALID: it was late"]
    )
    found = cases(suites(summary)["peak.run"])
    for name in ("verdict", "generator kept up"):
        (error,) = found[name].result
        assert isinstance(error, Error)
    assert "it was late" in found["generator kept up"].result[0].text


def test_each_case_is_a_test_with_its_time() -> None:
    summary = a_summary(
        cases=[
            {"name": "plug", "charger": "A", "result": "passed", "took_s": 1.25, "message": ""},
            {
                "name": "stop",
                "charger": "A",
                "result": "failed",
                "took_s": 2.0,
                "message": "no StopTransaction",
                "failed_step": "cases[1].steps[2]",
                "frames": ['[2,"1","Heartbeat",{}]'],
            },
            {"name": "late", "charger": "B", "result": "skipped", "took_s": 0, "message": "why"},
        ]
    )
    suite = suites(summary)["peak.cases"]
    found = cases(suite)
    assert found["plug on A"].time == 1.25
    assert found["plug on A"].is_passed
    failure = found["stop on A"].result[0]
    assert failure.message == "no StopTransaction"
    assert "cases[1].steps[2]" in failure.text
    assert "Heartbeat" in failure.text
    assert isinstance(found["late on B"].result[0], Skipped)
    assert (suite.tests, suite.failures, suite.skipped) == (3, 1, 1)


def test_a_broken_ledger_is_an_error_in_its_own_suite() -> None:
    checks = [{"name": "starts", "holds": False, "detail": "7 and 6", "explained": 0}]
    summary = a_summary(ledger={"balanced": False, "checks": checks}, result="ledger_broken")
    (error,) = cases(suites(summary)["peak.ledger"])["starts"].result
    assert isinstance(error, Error)
    assert error.message == "7 and 6"


@given(st.text())
def test_whatever_a_csms_says_the_file_is_xml(text: str) -> None:
    summary = a_summary(result="target_lost", reasons=[text])
    root = ET.fromstring(junit(summary))
    assert root.tag == "testsuites"
    JUnitXml.fromstring(junit(summary))


def test_the_file_is_written_into_the_folder(tmp_path: Path) -> None:
    write_junit(tmp_path, a_summary())
    assert JUnitXml.fromfile(str(tmp_path / "junit.xml")).tests > 0


def test_a_run_that_a_threshold_ended_is_a_failure_and_an_interrupted_one_an_error() -> None:
    for result, kind in (("aborted", Failure), ("interrupted", Error)):
        summary = a_summary(result=result, reasons=[f"{result}: threshold p99 < 1s was broken"])
        (verdict,) = cases(suites(summary)["peak.run"])["verdict"].result
        assert isinstance(verdict, kind)
        assert verdict.message == f"{result}: threshold p99 < 1s was broken"


def test_ten_thousand_failed_cases_with_long_frames_stay_small() -> None:
    frames = ["x" * 20_000] * 10
    failed = {"name": "c" * 999, "result": "failed", "took_s": 1.0, "message": "m" * 50_000}
    one = {**failed, "failed_step": "cases[0]", "frames": frames}
    summary = a_summary(
        cases=[{**one, "charger": str(n)} for n in range(10_000)],
        case_totals={"total": 10_005, "failed": 10_005, "left_out": 5},
    )
    content = junit(summary)
    assert len(content) < 30_000_000
    found = suites(summary)["peak.cases"]
    assert found.failures == 10_000
    assert {p.name: p.value for p in found.properties()}["results left out"] == "5"
