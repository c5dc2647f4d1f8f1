"""The report in a real browser: it shows, fits a phone and paper, and asks nothing of a network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import builders_browser
from bench.report_folder import make_folder
from builders_browser import (
    PHONE_PX,
    WHY_NOT,
    asked_of_the_network,
    browse,
    framed,
    screenshot,
    width_needed,
)
from simfleet.load.results.report.page import REPORT, write_report

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(builders_browser.CHROMIUM is None, reason=WHY_NOT)

GREEN, RED, BAD = "#009e73", "#d55e00", "#b3261e"
"""Charging connectors, p99 of response times, a verdict that is not good."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shown") / "run"
    write_report(folder, make_folder(folder, lasts_s=300))
    return folder / REPORT


def test_the_page_shows_its_verdict_and_its_charts(report: Path, tmp_path: Path) -> None:
    shot = screenshot(report, scratch=tmp_path, width=1280, height=3_200)
    assert (shot.width, shot.height) == (1280, 3_200)
    assert shot.colours > 50  # not blank
    assert shot.has(BAD) > 20
    assert shot.has(GREEN) > 2_000  # the area of charging connectors
    assert shot.has(RED) > 50


def test_in_the_dark_it_is_dark(report: Path, tmp_path: Path) -> None:
    light = screenshot(report, scratch=tmp_path, width=1000, height=900)
    dark = screenshot(
        report, "--blink-settings=preferredColorScheme=0", scratch=tmp_path, width=1000, height=900
    )
    assert light.has("#ffffff") > 10 * light.has("#171e26")
    assert dark.has("#171e26") > 10 * dark.has("#ffffff")


def test_nothing_is_asked_of_a_network(report: Path, tmp_path: Path) -> None:
    assert asked_of_the_network(report, scratch=tmp_path) == set()
    assert not re.search(r"https?:|wss?:[^/]|url\(|@import", report.read_text("utf-8"))


def test_what_a_page_asks_of_a_network_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "leaky.html"
    page.write_text('<!doctype html><img src="http://report.invalid/x.png">', "utf-8")
    assert asked_of_the_network(page, scratch=tmp_path) == {"http://report.invalid/x.png"}


def test_a_phone_need_not_scroll_sideways(report: Path, tmp_path: Path) -> None:
    assert width_needed(report, scratch=tmp_path) <= PHONE_PX
    shot = screenshot(
        framed(report, scratch=tmp_path, height=3_600),
        "--allow-file-access-from-files",
        scratch=tmp_path,
        width=500,
        height=3_600,
    )
    assert shot.has(GREEN) > 500


def test_it_prints(report: Path, tmp_path: Path) -> None:
    paper = tmp_path / "report.pdf"
    browse(report, f"--print-to-pdf={paper}", "--no-pdf-header-footer", scratch=tmp_path)
    content = paper.read_bytes()
    assert content.startswith(b"%PDF-")
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 5 <= pages <= 30
    sides = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", content)
    assert {(round(float(w)), round(float(h))) for w, h in sides} <= {(595, 842), (596, 842)}  # A4


def test_without_javascript_the_page_is_complete(report: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.html"
    bare.write_text(re.sub(r"(?s)<script>.*</script>", "", report.read_text("utf-8")), "utf-8")
    shot = screenshot(bare, scratch=tmp_path, width=1280, height=3_200)
    assert shot.has(GREEN) > 2_000


def test_the_script_runs_under_the_policy_of_the_page(report: Path, tmp_path: Path) -> None:
    outer = tmp_path / "hover.html"
    outer.write_text(
        f"""<!doctype html><p id="found">nothing</p>
<iframe id="page" src="{report.as_uri()}" style="width:1200px;height:2000px"></iframe>
<script>addEventListener("load", () => {{
const page = document.getElementById("page").contentDocument;
const plot = page.querySelector("figure.chart .plot"), box = plot.getBoundingClientRect();
plot.dispatchEvent(new PointerEvent("pointermove",
  {{clientX: box.left + box.width / 2, clientY: box.top + 5}}));
document.getElementById("found").textContent = "reads " + plot.querySelector(".read").textContent;
}})</script>""",
        "utf-8",
    )
    dom = browse(outer, "--allow-file-access-from-files", "--dump-dom", scratch=tmp_path)
    reads = dom.split("reads ")[1].split("</p>")[0]
    assert "2 min 30 s" in reads
    assert re.search(r"charging5,[5-9]\d\d", reads), reads
