"""Two runs beside each other: what differs, what is noise, and what a pipeline does not accept."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_results import a_call, a_summary
from simfleet.errors import UsageWrong
from simfleet.load.results.compare.comparison import as_json, compare
from simfleet.load.results.compare.differences import Difference
from simfleet.load.results.compare.fail_on import broken, parse_rule
from simfleet.load.results.compare.page import comparison_page
from simfleet.load.results.compare.runs import read_run
from simfleet.load.results.compare.sameness import sameness
from simfleet.load.results.compare.significance import by_rank, by_share
from simfleet.load.results.compare.text import comparison_markdown, comparison_text
from simfleet.observe.hlog import HistogramLog
from simfleet.observe.latency import FastHistogram

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.load.results.compare.comparison import Comparison

SCENARIO = {"name": "peak", "seed": 7, "stages": [{"do": "hold", "for_s": 60.0}]}


def a_run(
    path: Path,
    *,
    typical_ms: float = 10.0,
    intervals: int = 20,
    scenario: dict[str, Any] | None = None,
    seed: int = 1,
    **changes: Any,
) -> Path:
    """A run folder whose response times lie around `typical_ms`."""
    path.mkdir()
    chance = random.Random(seed)
    total = FastHistogram()
    with HistogramLog(path / "run.hlog", start_wall_s=0.0) as log:
        for n in range(intervals):
            histogram = FastHistogram()
            histogram.set_tag("Authorize.response")
            histogram.set_start_time_stamp(n * 5000)
            histogram.set_end_time_stamp(n * 5000 + 5000)
            for _ in range(50):
                histogram.record_value(int(chance.lognormvariate(math.log(typical_ms), 0.5) * 1000))
            log.write([histogram])
            total.add(histogram)
    values = total.get_percentile_to_value_dict([50, 90, 99, 99.9])
    times = {
        "mean": total.get_mean_value() / 1000,
        **{
            name: value / 1000
            for name, value in zip(("p50", "p90", "p99", "p99_9"), values.values(), strict=True)
        },
        "p95": values[90] / 1000,
        "max": total.max_value / 1000,
    }
    call = a_call(total.total_count, response_ms=times)
    summary = a_summary(calls={"Authorize": call}, call_totals=call, **changes)
    (path / "summary.json").write_bytes(msgspec.json.encode(summary))
    manifest = {"scenario": scenario or SCENARIO, "began": "2026-11-20T09:00:00Z"}
    (path / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    (path / "errors.jsonl").touch()
    return path


def compared(tmp_path: Path, *rules: str, a: dict[str, Any], b: dict[str, Any]) -> Comparison:
    return compare(
        read_run(a_run(tmp_path / "a", **a)),
        read_run(a_run(tmp_path / "b", **({"seed": 2} | b))),
        rules=[parse_rule(rule) for rule in rules],
    )


def found(comparison: Comparison, metric: str) -> Difference:
    return next(one for one in comparison.differences if one.metric == metric)


# ── what differs ─────────────────────────────────────────────────────────────────────────────────


def test_twice_as_slow_is_worse_and_no_noise(tmp_path: Path) -> None:
    comparison = compared(tmp_path, a={}, b={"typical_ms": 20})
    for metric in ("call.response.p99", "call[Authorize].response.p50"):
        one = found(comparison, metric)
        assert one.opinion == "worse"
        assert one.p is not None
        assert one.p < 0.001
        assert one.change == pytest.approx(1, abs=0.3)
    assert "The p99 of response times is worse" in comparison_text(comparison)


def test_the_same_again_is_noise(tmp_path: Path) -> None:
    comparison = compared(tmp_path, "p99 > +15% significant", a={}, b={})
    assert found(comparison, "call.response.p50").opinion == "noise"
    assert comparison.broken == []
    assert "cannot be told from noise" in comparison_text(comparison)


def test_a_short_run_says_that_it_cannot_tell(tmp_path: Path) -> None:
    comparison = compared(tmp_path, a={"intervals": 3}, b={"intervals": 3, "typical_ms": 20})
    one = found(comparison, "call.response.p99")
    assert one.p is None
    assert one.why == "3 intervals with enough CALLs; 8 are needed"
    assert "whether that is noise cannot be told" in " ".join(comparison_text(comparison).split())


def test_errors_are_compared_as_shares(tmp_path: Path) -> None:
    comparison = compared(tmp_path, a={}, b={})
    assert found(comparison, "call.error_ratio").opinion == "same"
    more = by_share(2, 10_000, 40, 10_000)
    assert more is not None
    assert more < 1e-6


# ── gates ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rule", "breaks"),
    [
        ("p99 > +15%", True),
        ("p99 > +500%", False),
        ("call[Authorize].response.p50 > +5ms", True),
        ("call[Authorize].response.p50 > +1s", False),
        ("p99 > +15% significant", True),
        ("transactions.started < -5%", False),
        ("error_ratio > +0.1%", False),
        ("call[Heartbeat].response.p99 > +1%", True),  # neither run has it
    ],
)
def test_rules_of_a_gate(tmp_path: Path, rule: str, breaks: bool) -> None:
    comparison = compared(tmp_path, rule, a={}, b={"typical_ms": 20})
    assert bool(comparison.broken) == breaks


def test_a_ratio_changes_in_percentage_points_unless_it_is_of_it() -> None:
    one = Difference("call.error_ratio", "ratio", 0.010, 0.012, 0.2, 0.001, "worse")
    assert broken(parse_rule("error_ratio > +0.1%"), one) is not None
    assert broken(parse_rule("error_ratio > +0.3%"), one) is None
    assert broken(parse_rule("error_ratio > +10% of it"), one) is not None
    assert broken(parse_rule("error_ratio > +30% of it"), one) is None


def test_from_nothing_to_something_is_more_than_any_percentage() -> None:
    one = Difference("call.errors", "count", 0.0, 3.0, None, None, "worse")
    assert broken(parse_rule("errors > +50%"), one) is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p99 15%", "is no rule; write 'p99 > +15%'"),
        ("p98 > +15%", "unknown metric"),
        ("p99 > +15", "write"),
        ("p99 > +5ms of it", "only a percentage is 'of it'"),
        ("call[Autorize].response.p99 > 1%", "did you mean 'Authorize'?"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_explained(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as wrong:
        parse_rule(text)
    assert message in str(wrong.value)


# ── the same scenario ────────────────────────────────────────────────────────────────────────────


def test_runs_of_different_scenarios_are_not_compared_by_accident(tmp_path: Path) -> None:
    other = SCENARIO | {"stages": [{"do": "hold", "for_s": 30.0}]}
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b", scenario=other)
    with pytest.raises(UsageWrong) as refused:
        compare(read_run(a), read_run(b))
    assert "stages[0].for_s: 60.0 and 30.0" in str(refused.value)
    comparison = compare(read_run(a), read_run(b), anything=True)
    assert "not the same scenario: stages[0].for_s" in comparison_text(comparison)


def test_another_seed_or_target_is_a_circumstance() -> None:
    same = sameness({"scenario": SCENARIO}, {"scenario": SCENARIO | {"seed": 8}})
    assert same.same
    assert same.circumstances == ["seed: 7 and 8"]


def test_a_folder_without_a_summary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageWrong, match="is no run folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(UsageWrong, match="cannot be compared"):
        read_run(tmp_path)


def test_a_log_that_is_cut_off_takes_only_the_test_away(tmp_path: Path) -> None:
    a, b = a_run(tmp_path / "a"), a_run(tmp_path / "b", seed=2)
    (b / "run.hlog").write_bytes((b / "run.hlog").read_bytes()[:900])
    comparison = compare(read_run(a), read_run(b))
    assert found(comparison, "call.response.p99").p is None


# ── what is shown ────────────────────────────────────────────────────────────────────────────────


def test_an_invalid_run_proves_nothing_and_says_so_everywhere(tmp_path: Path) -> None:
    comparison = compared(tmp_path, a={}, b={"result": "invalid", "generator": "INVALID"})
    for shown in (comparison_text(comparison), comparison_page(comparison)):
        assert "prove nothing" in " ".join(shown.split())
    assert as_json(comparison)["invalid"]


def test_the_page_is_one_file_and_escapes_what_it_shows(tmp_path: Path) -> None:
    comparison = compared(tmp_path, a={}, b={"scenario": SCENARIO})
    page = comparison_page(comparison)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "<script" not in page
    marked = msgspec.structs.replace(
        comparison, b=msgspec.structs.replace(comparison.b, scenario="<img src=x>")
    )
    assert "<img" not in comparison_page(marked)


def test_markdown_has_the_sentence_and_the_table(tmp_path: Path) -> None:
    text = comparison_markdown(compared(tmp_path, "p99 > +15%", a={}, b={"typical_ms": 20}))
    assert text.startswith("### ❌ peak, compared with a baseline")
    assert "| `call.response.p99` | WORSE" in text


# ── significance ─────────────────────────────────────────────────────────────────────────────────


def test_by_rank_agrees_with_another_implementation() -> None:
    """The figures are those of scipy.stats.mannwhitneyu(a, b, method="asymptotic")."""
    a = [19, 22, 16, 29, 24, 31, 18, 27]
    b = [20, 11, 17, 12, 10, 14, 15, 13]
    assert by_rank(a, b) == pytest.approx(0.00387604144899475)
    tied_a = [1, 2, 2, 3, 3, 3, 4, 5, 9]
    tied_b = [2, 3, 3, 4, 4, 6, 7, 8, 8, 10]
    assert by_rank(tied_a, tied_b) == pytest.approx(0.10678484823854713)


def test_equal_values_do_not_differ() -> None:
    assert by_rank([1.0] * 10, [1.0] * 10) == 1.0


@given(st.integers(0, 2**32))
def test_noise_is_called_significant_about_as_seldom_as_it_says(seed: int) -> None:
    chance = random.Random(seed)
    hits = 0
    for _ in range(100):
        a = [chance.gauss(0, 1) for _ in range(15)]
        b = [chance.gauss(0, 1) for _ in range(15)]
        p = by_rank(a, b)
        assert p is not None
        hits += p < 0.01
    assert hits <= 8  # 1 is expected; more than 8 has a chance of one in a million


@given(st.integers(0, 30), st.integers(1, 60), st.integers(0, 30), st.integers(1, 60))
def test_shares_are_compared_the_same_both_ways(k: int, n: int, m: int, o: int) -> None:
    n, o = max(n, k), max(o, m)
    p = by_share(k, n, m, o)
    assert p == pytest.approx(by_share(m, o, k, n))
    assert p is not None
    assert 0 <= p <= 1


def test_small_parts_are_compared_exactly() -> None:
    """The figures are those of scipy.stats.fisher_exact."""
    assert by_share(3, 4, 1, 4) == pytest.approx(0.48571428571428565)
    assert by_share(2, 10_000, 40, 10_000) == pytest.approx(3.968279887494716e-10, rel=1e-5)
