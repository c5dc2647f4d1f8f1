"""`simfleet report`: a run's pages made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report_folder import make_folder
from simfleet.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_report_is_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(tmp_path / "run", lasts_s=30)
    assert main(["report", str(tmp_path / "run")]) == 0
    report = tmp_path / "run" / "report.html"
    assert "morning-peak" in report.read_text("utf-8")
    assert capsys.readouterr().out.strip() == str(report)


def test_with_out_only_the_report_is_written(tmp_path: Path) -> None:
    make_folder(tmp_path / "run", lasts_s=30)
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()}
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").stat().st_size > 10_000
    assert {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir()} == before


def test_a_folder_without_a_summary_gets_a_report_that_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folder(tmp_path, lasts_s=30)
    (tmp_path / "summary.json").write_text('{"schema": 1, "verd', "utf-8")
    assert main(["report", str(tmp_path)]) == 0
    assert "summary.json is damaged" in (tmp_path / "report.html").read_text("utf-8")
    assert "summary.json is damaged" in capsys.readouterr().err


def test_a_summary_of_another_version_is_no_traceback(tmp_path: Path) -> None:
    make_folder(tmp_path, lasts_s=30)
    (tmp_path / "summary.json").write_text('{"schema": 0, "verdict": "yes"}', "utf-8")
    assert main(["report", str(tmp_path)]) == 0
    assert (tmp_path / "report.html").is_file()


def test_what_is_no_run_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "is no run folder" in capsys.readouterr().err
    make_folder(tmp_path / "run", lasts_s=30)
    assert main(["report", str(tmp_path / "run"), "--out", str(tmp_path / "no" / "x.html")]) == 2
    assert "cannot write to" in capsys.readouterr().err
