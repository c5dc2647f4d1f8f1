"""`report.html`: what it says, and that nothing in a folder can make it say something else."""

from __future__ import annotations

import random
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.report_folder import make_folder
from builders_load import MEMORY, a_scenario, run_in_memory
from simfleet.csms.behaviour import Behaviour
from simfleet.load.results.artefacts import WRITERS
from simfleet.load.results.report import scale, wording
from simfleet.load.results.report.blocks import shown
from simfleet.load.results.report.markup import foreign, table, text
from simfleet.load.results.report.page import REPORT, render, write_report
from simfleet.load.results.report.spectra import read_spectra
from simfleet.load.results.report.thinning import thinned, thinned_rows
from simfleet.observe.histogram import FastHistogram
from simfleet.observe.hlog import HistogramLog
from simfleet.observe.percentiles import values_ms

if TYPE_CHECKING:
    from pathlib import Path

XSS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></title><script>alert(1)//",
    "javascript:alert(1)",
    "]]>--><svg/onload=alert(1)>",
    "\u202egnp.exe\x00\ud800",
)


class Page(HTMLParser):
    """What a browser would make of a page: its tags, their attributes, its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.shown: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "path", "rect", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.shown.append(data)

    @property
    def says(self) -> str:
        """All of its text."""
        return " ".join(self.shown)


def assert_harmless(page: str) -> Page:
    """Well-formed, one script (ours), no handler, no reference to anywhere."""
    found = Page(page)
    assert found.open == []
    assert found.tags.count("script") == 1
    assert not {"img", "iframe", "object", "embed", "link", "form", "base"} & set(found.tags)
    for name, value in found.attributes:
        assert not name.startswith("on"), (name, value)
        if name in ("href", "src", "action", "data", "xlink:href"):
            assert value.startswith("#"), (name, value)
    return found


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes of 10,000 chargers, made up, with everything that a report shows."""
    folder = tmp_path_factory.mktemp("hour") / "run"
    make_folder(folder, lasts_s=300)
    return folder


def test_the_verdict_comes_first_and_says_what_it_means(hour: Path) -> None:
    says = Page(render(hour)).says
    words = says[says.index("morning-peak") :]
    assert words.index("FAILED") < words.index("Thresholds") < words.index("The run over time")
    assert "1 of 4 thresholds was missed" in says
    assert "generator SUSPECT" in says
    assert "call[Authorize].response.p99" in says


def test_every_part_of_the_report_is_there(hour: Path) -> None:
    page = render(hour)
    assert_harmless(page)
    headings = re.findall(r"<h2>(.*?)</h2>", page)
    assert headings == [
        "Thresholds",
        "What was asked",
        "The run over time",
        "CALLs of the chargers, by action",
        "Slices of the fleet",
        "Storms: how long until the chargers were back",
        "Capacity: how much load until a limit breaks",
        "Connections",
        "Rooms",
        "What went wrong",
        "Ledger: do the books add up?",
        "The generator: can these figures be trusted?",
        "Environment",
    ]
    captions = re.findall(r"<figcaption><b>(.*?)</b>", page)
    for chart in ("Connectors by state", "Load, per second", "Errors by cause, per second"):
        assert chart in captions
    assert captions.count("Percentiles") == captions.count("Over time") == 12


def test_charts_are_described_for_those_who_do_not_see_them(hour: Path) -> None:
    page = render(hour)
    charts = page.count("<svg ")
    assert charts > 30
    assert page.count('role="img"') == page.count("<desc>") == charts
    assert "Connectors by state: charging" in page


def test_live_actions_are_flagged_on_the_charts_and_listed(hour: Path) -> None:
    page = render(hour)
    says = Page(page).says
    assert "rate raised by 20 %" in says
    assert "terminal" in says
    assert page.count('class="flag k-storm"') >= 4


def test_first_errors_are_shown_with_their_frames(hour: Path) -> None:
    says = Page(render(hour)).says
    assert '[4,"a1","InternalError","database is locked",{}]' in says


def test_blocks_that_no_section_knows_are_shown_as_they_are(hour: Path) -> None:
    says = Page(render(hour)).says
    assert "To 95 (s)" in says
    assert "118.4" in says
    assert "berlin" in says


@pytest.mark.parametrize(
    ("summary", "sentence"),
    [
        (
            {"clock": {"kind": "virtual"}},
            "all 2 thresholds were kept. A virtual run: no time passed while chargers and CSMS"
            " worked, so its times say nothing about how fast the target is.",
        ),
        (
            {"clock": {"kind": "real"}, "changed_live": True},
            "The generator kept up, so the times are the target's. People changed the run while"
            " it went on: do not compare it with another one.",
        ),
        (
            {
                "verdict": {"result": "threshold_failed", "generator": "VALID"},
                "case_totals": {"total": 40, "passed": 37, "failed": 3},
            },
            "did not do what was asked of it: 3 of 40 scripted cases failed.",
        ),
    ],
)
def test_the_verdict_says_what_the_figures_are_good_for(
    summary: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    passed = {
        "verdict": {"result": "passed", "generator": "VALID"},
        "thresholds": [{"metric": "a", "passed": True}, {"metric": "b", "passed": True}],
    }
    says = Page(render(tmp_path, passed | summary)).says
    assert sentence in " ".join(says.split())


def test_parts_of_a_summary_have_words_of_their_own(tmp_path: Path) -> None:
    summary = {"arrivals": {"wanted": 7, "lag_ms": {"p50": 1.5, "p99_9": 3}}}
    summary["connect"] = {"attempts": 5, "per_s_peak": 3}
    says = Page(render(tmp_path, summary)).says
    for words in ("Drivers who arrived", "who was due", "p50", "p99.9", "Per second, peak"):
        assert words in says


def test_a_storm_is_drawn_and_says_who_was_not_back(hour: Path) -> None:
    page = render(hour)
    assert "<title>Chargers back, of those struck</title>" in page
    line = re.search(r'data-n="district" d="M0 0L[^"]*L163 0.99"', page)
    assert line is not None  # 60 of 6,000 never came
    row = re.search(r"<tr><td><bdi>district</bdi>.*?</tr>", page)
    assert row is not None
    cells = re.findall(r"<bdi>(.*?)</bdi>", row[0])
    assert cells[1:] == ["blackout", "3 min 30 s", "6,000", "41.2 s", "1 min 58 s", "never", "60"]


def test_a_capacity_search_is_drawn_over_the_load_with_its_knee(hour: Path) -> None:
    page = render(hour)
    start = page.index("<title>Response time over the load, chargers</title>")
    chart = page[page.rindex("<figure", 0, start) : page.index("</figure>", start)]
    assert 'data-w="chargers"' in chart
    assert re.findall(r'data-n="(.*?)"', chart) == ["p99", "p50"]
    assert re.findall(r'class="flag [^"]*"[^>]*title="(.*?)"', chart) == [
        "3000 kept the limits",
        "3250 broke a limit",
    ]
    says = Page(page).says
    assert "the place where limits begin to break was found" in says
    assert "call.response.p99 < 500ms: was 812.5ms" in says


@pytest.mark.parametrize("name", ["storms", "capacity"])
@pytest.mark.parametrize(
    "content",
    [
        [{"kind": "flood", "wet": 3}],
        {"knee": 3},
        [{"chargers": 5, "curve": [{"after_s": "x"}, 7, {"after_s": 1e308, "back": -1}]}],
        {"steps": [{"load": None, "broken": 3}, {"load": 5}], "curve": "x"},
        {"steps": [{}], "curve": [{"load": 1.5, "p50_ms": 0, "p99_ms": 0}] * 300, "of": 7},
        {"steps": [{"load": 2, "p50_ms": 1, "p99_ms": 1}, {"load": -3, "p50_ms": 0, "p99_ms": 9}]},
        "text",
    ],
)
def test_storms_and_searches_of_another_version_are_no_reason_to_fail(
    name: str, content: Any, tmp_path: Path
) -> None:
    assert_harmless(render(tmp_path, {name: content}))


def test_the_report_of_a_real_run_is_made_with_its_other_files(tmp_path: Path) -> None:
    run = run_in_memory(
        a_scenario(target=MEMORY, thresholds='call.count: "> 1"'),
        tmp_path / "run",
        behaviour=Behaviour(call_errors={"MeterValues": "InternalError"}),
    )
    (run.path / "summary.json").write_bytes(msgspec.json.encode(run.summary))
    for write in WRITERS.values():
        write(run.path, run.summary)
    page = (run.path / REPORT).read_text("utf-8")
    found = assert_harmless(page)
    assert "PASSED" in found.says
    assert "MeterValues: InternalError" in found.says
    assert "T-01" in found.says  # among the worst chargers
    worst = run.summary["worst_chargers"]
    assert worst["chargers"] == 4
    assert sum(one["errors"] for one in worst["kept"]) == sum(
        run.summary["call_totals"]["errors"].values()
    )
    errors = [one for one in run.problems if one["kind"].startswith("callerror")]
    with_frames = [one for one in errors if "frames" in one]
    assert 1 <= len(with_frames) <= 3
    last = with_frames[0]["frames"][-1]
    assert last["direction"] == "received"
    assert "InternalError" in last["frame"]


# ── what others put into it ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("evil", XSS)
def test_nothing_in_a_folder_becomes_markup(tmp_path: Path, evil: str) -> None:
    make_folder(tmp_path, lasts_s=30)
    safe = evil.replace("\ud800", "")
    summary = msgspec.json.decode((tmp_path / "summary.json").read_bytes())
    summary = spoiled(summary, safe)
    summary[safe] = {safe: [{safe: safe}]}
    (tmp_path / "manifest.json").write_bytes(
        msgspec.json.encode(
            spoiled(msgspec.json.decode((tmp_path / "manifest.json").read_bytes()), safe)
        )
    )
    line = {"at": safe, "charger": safe, "kind": safe, "detail": safe}
    line |= {"frames": [{"direction": safe, "frame": safe}]}  # type: ignore[dict-item]
    (tmp_path / "errors.jsonl").write_bytes(msgspec.json.encode(line) + b"\n")
    rows = (tmp_path / "actions.csv").read_text("utf-8")
    quoted = '"' + safe.replace('"', '""').replace("\x00", "") + '"'
    (tmp_path / "actions.csv").write_text(rows.replace("MeterValues", quoted), encoding="utf-8")
    log = (tmp_path / "run.hlog").read_text("utf-8")
    (tmp_path / "run.hlog").write_text(log.replace("Tag=Authorize", f"Tag={safe}"), "utf-8")
    write_report(tmp_path, summary)
    page = (tmp_path / REPORT).read_text("utf-8")
    found = assert_harmless(page)
    assert "\u202e" not in page
    assert "\x00" not in page
    assert found.tags.count("title") == found.tags.count("svg") + 1


def spoiled(content: Any, evil: str) -> Any:
    """The same with every text replaced but those that choose what is shown."""
    if isinstance(content, dict):
        return {key: spoiled(value, evil) for key, value in content.items()}
    if isinstance(content, list):
        return [spoiled(one, evil) for one in content]
    return evil if isinstance(content, str) else content


def test_a_page_allows_its_own_script_and_nothing_else(hour: Path) -> None:
    page = render(hour)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', page)
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]
    assert "unsafe-inline" not in policy[1].split("script-src")[1]
    assert "http:" not in page
    assert "https:" not in page


def test_text_is_cut_and_made_visible() -> None:
    assert text("a\x07b\u202ec") == "a\\u0007b\\u202ec"
    assert "more characters" in foreign("x" * 10_000)
    assert len(foreign("x" * 10_000)) < 2_100
    assert "<b>" not in table(("<b>",), [("<b>",)])


# ── what is missing or damaged ───────────────────────────────────────────────────────────────────


def test_an_empty_folder_gives_a_report_that_says_what_is_missing(tmp_path: Path) -> None:
    says = assert_harmless(render(tmp_path)).says
    for name in ("summary.json", "manifest.json", "timeline.csv", "actions.csv", "run.hlog"):
        assert f"{name} cannot be read" in says
    assert "UNKNOWN" in says
    assert "it did not come to its end" in says


def test_a_run_that_was_killed_still_has_its_charts(tmp_path: Path) -> None:
    make_folder(tmp_path, lasts_s=60)
    (tmp_path / "summary.json").unlink()
    page = render(tmp_path)
    assert "Connectors by state" in page
    assert "summary.json cannot be read" in Page(page).says


@pytest.mark.parametrize(
    "name", ["summary.json", "manifest.json", "timeline.csv", "actions.csv", "errors.jsonl"]
)
def test_a_file_that_is_cut_off_is_said(tmp_path: Path, name: str) -> None:
    make_folder(tmp_path, lasts_s=60)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2 - 3])
    says = assert_harmless(render(tmp_path)).says
    assert "This report is not complete" in says
    assert name in says


def test_a_damaged_log_loses_its_damaged_lines_only(tmp_path: Path) -> None:
    make_folder(tmp_path, lasts_s=20)
    lines = (tmp_path / "run.hlog").read_text("utf-8").splitlines()
    lines[-1] = lines[-1][:-40]
    lines[-2] = lines[-2].replace("HISTFAAA", "HISTFBBB")
    lines[-3] = "Tag=nothing"
    (tmp_path / "run.hlog").write_text("\n".join(lines), "utf-8")
    missing: list[str] = []
    spectra = read_spectra(tmp_path / "run.hlog", missing)
    assert missing == ["run.hlog: 3 damaged lines are left out."]
    assert len(spectra) == 24


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 2**31))
def test_noise_in_a_folder_is_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("noise")
    chance = random.Random(seed)
    for name in ("summary.json", "manifest.json", "timeline.csv", "actions.csv", "errors.jsonl"):
        (folder / name).write_bytes(noise)
    (folder / "run.hlog").write_bytes(b"Tag=A.response,0.0,1.0,2.0," + noise + b"\n" + noise)
    head = b"t_s,lasts_s,calls,action,response_p99_ms\n"
    if chance.random() < 0.5:
        (folder / "timeline.csv").write_bytes(head + noise)
    assert_harmless(render(folder))


def test_slices_are_beside_each_other_and_each_has_its_actions(tmp_path: Path) -> None:
    def part(name: str, p99: float) -> dict[str, Any]:
        times = {"p50": 1.5, "p90": 2.0, "p99": p99, "p99_9": p99, "max": 71.25}
        calls = {"count": 40, "errors": {"InternalError": 2}, "timeouts": 1, "lost": 0}
        calls |= {"response_ms": times, "service_ms": times}
        return {
            "name": name,
            "version": "ocpp1.6",
            "labels": {"city": "Köln"},
            "chargers": {"count": 5, "target": 5, "booted": 4, "failed": 1},
            "calls": {"Authorize": calls},
            "call_totals": calls,
            "transactions": {"started": 7, "stopped": 6, "energy_kwh": 12.5},
        }

    page = render(tmp_path, {"slices": [part("ac", 33.5), part("<dc>", 44.5)]})
    assert_harmless(page)
    section = page[page.index('<section id="slices"') :].split("</section>")[0]
    for told in ("ac", "&lt;dc&gt;", "33.5", "44.5", "12.5", "Authorize", "city: Köln"):
        assert told in section
    assert "{" not in section  # nothing is shown as Python writes it
    assert section.count("<table") == 3


def test_what_has_nothing_to_say_is_left_out(tmp_path: Path) -> None:
    quiet = {"injected": {"total": 0}, "clock": {"kind": "real", "scale": 1}}
    assert "Clock" not in render(tmp_path, quiet)
    assert "Faults on purpose" not in render(tmp_path, quiet)
    loud = {"injected": {"total": 3}, "clock": {"kind": "virtual", "scale": 1}}
    assert "Clock" in render(tmp_path, loud)
    assert "Faults on purpose" in render(tmp_path, loud)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
        ),
        max_leaves=20,
    ),
    st.sampled_from(
        [
            *("verdict", "thresholds", "calls", "call_totals", "stages", "annotations", "ledger"),
            *("worst_chargers", "violations", "generator", "slices", "chargers", "connect"),
        ]
    ),
)
def test_a_summary_of_any_shape_is_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, content: object, name: str
) -> None:
    folder = tmp_path_factory.mktemp("shape")
    assert_harmless(render(folder, {name: content, "other": content}))


# ── figures ──────────────────────────────────────────────────────────────────────────────────────


def test_the_spectrum_is_that_of_the_log(tmp_path: Path) -> None:
    whole = FastHistogram()
    with HistogramLog(tmp_path / "run.hlog", start_wall_s=0.0) as log:
        for number in range(5):
            part = FastHistogram()
            for value in range(1, 2_000):
                part.record_value(value * (number + 1))
            part.set_tag("Authorize.response")
            part.set_start_time_stamp(number * 1000)
            part.set_end_time_stamp(number * 1000 + 1000)
            log.write([part])
            whole.add(part)
    missing: list[str] = []
    spectrum = read_spectra(tmp_path / "run.hlog", missing)["Authorize.response"]
    assert missing == []
    assert spectrum.count == whole.total_count
    percentiles, values = spectrum.points()
    assert values == values_ms(whole, percentiles)
    assert max(percentiles) <= 99.99  # 9,995 CALLs say nothing of p99.999
    assert spectrum.max_ms == whole.max_value / 1000


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=5_000))
@settings(max_examples=40, deadline=None)
def test_thinning_keeps_extremes_and_ends(values: list[float]) -> None:
    xs, ys = thinned(list(range(len(values))), values, points=100)
    assert len(xs) <= 100 or len(values) <= 100
    assert max(ys) == max(values)
    assert min(ys) == min(values)
    assert (xs[0], xs[-1]) == (0, len(values) - 1)
    assert xs == sorted(xs)
    assert all(values[int(x)] == y for x, y in zip(xs, ys, strict=True))


def test_thinned_rows_keep_the_one_that_stands_out() -> None:
    calm, loud = [5.0] * 10_000, [0.0] * 10_000
    loud[7_777] = 9.0
    rows = thinned_rows([calm, loud], rows=200)
    assert len(rows) <= 200
    assert 7_777 in rows


@given(st.floats(1e-3, 1e9), st.integers(2, 10))
def test_axes_have_few_round_ticks_and_room(high: float, ticks: int) -> None:
    axis = scale.linear(high, ticks=ticks)
    assert axis.low == 0
    assert axis.high >= high
    assert 2 <= len(axis.ticks) <= 2 * ticks + 2
    assert len({tick.label for tick in axis.ticks}) == len(axis.ticks)


def test_times_far_apart_get_a_logarithmic_axis() -> None:
    axis = scale.times_ms(0.8, 900)
    assert axis.log
    assert [tick.label for tick in axis.ticks] == ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s"]
    assert not scale.times_ms(10, 30).log
    assert [tick.label for tick in scale.elapsed(3600).ticks][-1] == "1 h"
    assert [tick.label for tick in scale.elapsed(5400).ticks][-1] == "1:30 h"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "0.25 s"), (59, "59 s"), (725, "12 min 5 s"), (86_400, "1 d"), (3_660, "1 h 1 min")],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


def test_long_tables_end_with_how_much_more_there_is() -> None:
    page = shown("rows", [{"a": number} for number in range(1_000)])
    assert page.count("<tr>") == 101
    assert "900 more are in summary.json" in page
