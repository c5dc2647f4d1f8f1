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
from simfleet.observe.histogram import FastHistogram
from simfleet.observe.hlog import HistogramLog

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
    stage = {"do": "hold", "name": "peak", "began_s": 0.0, "ended_s": intervals * 5.0}
    own = {"calls": {"Authorize": call}, "call_totals": call, "stages": [stage]}
    summary = a_summary(**(own | changes))
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


def test_what_no_test_tells_apart_is_said_to_be_untested(tmp_path: Path) -> None:
    fewer = {"transactions": {"started": 15, "stopped": 15, "energy_kwh": 12.4}}
    comparison = compared(tmp_path, a={}, b=fewer)
    one = found(comparison, "transactions.started")
    assert (one.opinion, one.p) == ("worse", None)
    for shown in (comparison_text, comparison_page, comparison_markdown):
        assert "worse, untested" in shown(comparison)
        assert "WORSE" not in shown(comparison)


def test_a_proven_trifle_is_the_same(tmp_path: Path) -> None:
    one = compared(tmp_path, a={"intervals": 3000}, b={"intervals": 3000, "typical_ms": 10.1})
    median = found(one, "call.response.p50")
    assert median.p is not None
    assert median.p < 0.01
    assert median.opinion == "same"


def test_intervals_that_say_the_opposite_of_the_whole_prove_nothing(tmp_path: Path) -> None:
    """One dreadful minute decides the whole run's p99; all others were better."""
    call = a_call(1000, response_ms={**a_call()["response_ms"], "p99": 900.0})
    comparison = compared(
        tmp_path, "p99 > +1% significant", a={"typical_ms": 20}, b={"call_totals": call}
    )
    one = found(comparison, "call.response.p99")
    assert (one.opinion, one.why) == ("unclear", "the intervals say the opposite of the whole")
    assert "nothing tells whether it is noise (the intervals" in comparison.broken[0].message


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
        ("  p99>+15 %  ", True),
        ("p99 > + 5 ms", True),
        ("p99{stage=peak} > +15%", True),
        ("p99{ stage = peak } > +500%", False),
        ("call[Authorize]{stage=0}.response.max > +15% significant", True),
        ("p99{stage=night} > +15%", True),  # no such stage
        ("p99{slice=berlin} > +15%", True),  # no such slice
        ("calls_per_s < -5/s", False),
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
        ("p99 >= +15%", "is no rule; write 'p99 > +15%'"),
        ("p99{stage=} > +15%", "write stage=name"),
        ("sessions{stage=peak}.lost > +1", "is not known of one stage"),
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


def manifest_of(**blocks: Any) -> dict[str, Any]:
    """A manifest as runs write it, with what differs from run to run."""
    return {
        "scenario": SCENARIO | blocks.pop("scenario", {}),
        "written": {"folder": "/a", "document": "x", "variables": {}, "files": {}},
        "options": {"virtual": False, "dry_run": False},
        "fleet": {"count": 2, "digest": "a", "schedule_digest": "b"},
        "arguments": ["run", "x.yaml", "--out", "a"],
        "began": "2026-11-20T09:00:00Z",
        "scenario_sha256": "1",
        **blocks,
    }


def test_another_seed_or_target_is_a_circumstance() -> None:
    other = manifest_of(scenario={"seed": 8}, fleet={"count": 2, "digest": "c"})
    same = sameness(manifest_of(), other)
    assert same.same
    assert same.circumstances == ["seed: 7 and 8"]


def test_when_and_where_a_run_was_made_is_no_difference() -> None:
    other = manifest_of(
        written={"folder": "/b", "document": "y", "variables": {"UNUSED": "1"}, "files": {}},
        arguments=["run", "y.yaml", "--out", "b"],
        began="2026-11-21T09:00:00Z",
        scenario_sha256="2",
        scenario={"include": ["base.yaml"], "secrets": ["KEY"], "name": "peak again"},
    )
    same = sameness(manifest_of(), other)
    assert (same.changes, same.circumstances) == ([], [])


def test_a_key_that_an_older_version_did_not_have_is_no_difference() -> None:
    newer = manifest_of(scenario={"cases": [], "warm_up_s": 0.0, "curve": None, "time_scale": 1.0})
    assert sameness({"scenario": SCENARIO}, newer).changes == []


@pytest.mark.parametrize(
    ("other", "change"),
    [
        (
            {"fleet": {"count": 2, "digest": "c"}},
            "the chargers: equal scenarios made unequal fleets, by another file of models or"
            " another version of SimFleet",
        ),
        (
            {"options": {"time_scale": 10}},
            "the clock: real, scaled by 1.0 and real, scaled by 10",
        ),
        ({"options": {"virtual": True}}, "the clock: real, scaled by 1.0 and virtual"),
        (
            {"scenario": {"fleet": [{"data": {"file": "b", "rows": {"sha256": "e" * 64}}}]}},
            "fleet: nothing and 1 entries",
        ),
    ],
)
def test_what_changes_the_load_is_a_change(other: dict[str, Any], change: str) -> None:
    assert sameness(manifest_of(), manifest_of(**other)).changes == [change]


def test_rows_of_a_data_file_are_the_load_and_its_name_is_not() -> None:
    def with_data(name: str, digest: str) -> dict[str, Any]:
        rows = {"count": 2, "sha256": digest * 64}
        files = {"written": {"files": {"d.csv": digest}}}
        return manifest_of(scenario={"fleet": [{"data": {"file": name, "rows": rows}}]}, **files)

    assert sameness(with_data("a.csv", "d"), with_data("b.csv", "d")).changes == []
    other = sameness(with_data("a.csv", "d"), with_data("a.csv", "e"))
    assert other.changes == ["fleet[0].data.rows.sha256: dddddddddddd... and eeeeeeeeeeee..."]
    assert other.circumstances == ["d.csv: another content"]


def test_a_folder_without_a_summary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageWrong, match="is no run folder"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(UsageWrong, match="cannot be compared"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"calls": [1], "call_totals": {"count": 5, "errors": {"x": None}, "response_ms": "x"}},
        {"calls": {"We<ird|[x]": {"count": "x"}, "Authorize": [1]}, "call_totals": None},
        {"windows": 3, "slices": [1], "stages": [{"do": 1}], "connect": [], "ledger": "x"},
        {"transactions": None, "scenario_commands": {"totals": [], "by_action": 4}},
        {"stages": "x", "calls": {"Authorize": {"count": 1, "errors": {"a": "b"}}}},
        {"thresholds": 1, "chargers": "none", "throughput": [], "target": [2]},
    ],
)
def test_a_summary_that_somebody_edited_breaks_nothing(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    rules = ("p99{stage=peak} > +500%", "error_ratio{slice=x} > +1%", "errors > +1")
    for number, (a, b) in enumerate((({}, changes), (changes, {}), (changes, changes))):
        (tmp_path / str(number)).mkdir()
        comparison = compared(tmp_path / str(number), *rules, a=a, b=b)
        for shown in (comparison_text, comparison_page, comparison_markdown, as_json):
            assert shown(comparison)


def test_a_run_of_another_length_is_put_on_its_own_stages(tmp_path: Path) -> None:
    """Stages are found by the clock of timeline.csv; what is between them is left out."""
    path = a_run(tmp_path / "a", intervals=20)
    stages = [
        {"do": "ramp", "began_s": 0, "ended_s": 12},
        {"do": "hold", "began_s": 12, "ended_s": 52},
    ]
    summary = msgspec.json.decode((path / "summary.json").read_bytes()) | {"stages": stages}
    (path / "summary.json").write_bytes(msgspec.json.encode(summary))
    (path / "timeline.csv").write_text("t_s,at\n1.000,1970-01-01T00:00:11.000Z\n")
    run = read_run(path)  # the load began at 10 s
    series = run.series["", "p50"]
    assert {place: len(values) for place, values in series.items()} == {0: 2, 1: 8}
    median_s = found(
        compare(run, run, rules=[parse_rule("p50{stage=1} > 1%")]), "call.response.p50"
    )
    assert median_s.a is not None
    assert run.log.response_ms(1, "", "p50") == pytest.approx(median_s.a * 1000, rel=0.1)
    assert run.log.response_ms(0, "Authorize", "max") != run.log.response_ms(1, "Authorize", "max")
    assert run.log.response_ms(2, "", "p50") is None


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


def p_of(a: list[float], b: list[float]) -> float:
    """All of one stage."""
    ranked = by_rank({0: a}, {0: b})
    assert ranked is not None
    return ranked.p


def autocorrelated(chance: random.Random, count: int, correlation: float) -> list[float]:
    """Values of which each takes after the one before."""
    found = [chance.gauss(0, 1)]
    for _ in range(count - 1):
        new = math.sqrt(1 - correlation**2) * chance.gauss(0, 1)
        found.append(correlation * found[-1] + new)
    return found


def test_by_rank_agrees_with_another_implementation() -> None:
    """The figures are those of scipy.stats.mannwhitneyu(a, b, method="asymptotic"); the values are
    in an order in which none takes after the one before.
    """
    a = [19.0, 31.0, 16.0, 29.0, 18.0, 27.0, 22.0, 24.0]
    b = [20.0, 10.0, 17.0, 11.0, 15.0, 12.0, 14.0, 13.0]
    assert p_of(a, b) == pytest.approx(0.00387604144899475)
    tied_a = [3.0, 9.0, 1.0, 5.0, 2.0, 4.0, 2.0, 3.0, 3.0]
    tied_b = [10.0, 2.0, 8.0, 3.0, 7.0, 3.0, 8.0, 4.0, 6.0, 4.0]
    assert p_of(tied_a, tied_b) == pytest.approx(0.10678484823854713)


def test_equal_values_do_not_differ() -> None:
    assert p_of([1.0] * 10, [1.0] * 10) == 1.0


def test_values_that_follow_one_another_prove_less() -> None:
    mixed = [5.0, 1.0, 6.0, 2.0, 7.0, 3.0, 8.0, 4.0, 9.0]
    assert p_of(sorted(mixed), [x + 4 for x in sorted(mixed)]) > 2 * p_of(
        mixed, [x + 4 for x in mixed]
    )


def test_each_stage_is_compared_with_its_own() -> None:
    """The second run has more intervals of a slow stage, and is as fast in each."""
    fast, slow = [1.0, 3.0, 2.0, 4.0, 1.5, 3.5, 2.5], [101.0, 103.0, 102.0, 104.0]
    a, b = {0: fast, 1: slow}, {0: fast, 1: [*slow, *slow, *slow]}
    ranked = by_rank(a, b)
    assert ranked is not None
    assert ranked.p > 0.9
    assert p_of(fast + slow, fast + slow * 3) < 0.6
    assert by_rank({0: fast}, {1: fast}) is None


def test_the_direction_is_that_of_the_second_run() -> None:
    low, high = [1.0, 3.0, 2.0, 4.0] * 3, [11.0, 13.0, 12.0, 14.0] * 3
    up, down = by_rank({0: low}, {0: high}), by_rank({0: high}, {0: low})
    assert up is not None
    assert down is not None
    assert up.shift > 0 > down.shift
    assert up.p == pytest.approx(down.p)
    assert up.p < 0.001


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_noise_is_called_significant_seldom_also_when_intervals_follow_one_another(
    correlation: float,
) -> None:
    """By ranks alone, a correlation of 0.6 would cry wolf in 17 of 100."""
    chance = random.Random(6)
    hits = sum(
        p_of(autocorrelated(chance, 20, correlation), autocorrelated(chance, 20, correlation))
        < 0.01
        for _ in range(1_000)
    )
    assert hits <= 50


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
