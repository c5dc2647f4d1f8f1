"""What a run comes to, and in which order things are held against it."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from simfleet.cli.run import EXIT_CODES
from simfleet.load.audit import Check
from simfleet.load.run_views import RunResult
from simfleet.load.thresholds import ThresholdResult
from simfleet.load.verdict import Result, Verdict, verdict_of
from simfleet.observe.generator_verdict import GeneratorVerdict, Level

KEPT = ThresholdResult("call.count", "> 1", 5.0, "5", passed=True)
MISSED = ThresholdResult("call.response.p99", "< 1s", 2.0, "2s", passed=False)
UNKNOWN = ThresholdResult("call.count", "> 1", None, "no data", passed=False, reason="no CALL")
HOLDS = Check("stopped_once", holds=True, detail="transactions stopped twice: 0")
BROKEN = Check("stopped_once", holds=False, detail="transactions stopped twice: 1")
VALID = GeneratorVerdict(Level.VALID, [])
SUSPECT = GeneratorVerdict(Level.SUSPECT, ["it was late"])
INVALID = GeneratorVerdict(Level.INVALID, ["it was much too late"])

# From the strongest to the weakest, each with what makes it so.
FLAWS: dict[Result, dict[str, object]] = {
    "target_lost": {"target_lost": "the CSMS ended"},
    "interrupted": {"interrupted": "interrupted by SIGINT"},
    "ledger_broken": {"checks": [HOLDS, BROKEN]},
    "invalid": {"generator": INVALID},
    "aborted": {"aborted": "aborted: threshold call.count > 9 was broken (5)"},
    "threshold_failed": {"thresholds": [KEPT, MISSED]},
}
REASONS = {
    "target_lost": "the CSMS ended",
    "interrupted": "interrupted by SIGINT",
    "ledger_broken": "ledger: stopped_once: transactions stopped twice: 1",
    "invalid": "generator INVALID: it was much too late",
    "aborted": "aborted: threshold call.count > 9 was broken (5)",
    "threshold_failed": "threshold: call.response.p99 < 1s: was 2s",
}


def judged(**changes: object) -> Verdict:
    everything: dict[str, object] = {
        "thresholds": [KEPT],
        "checks": [HOLDS],
        "generator": VALID,
        "interrupted": None,
        "target_lost": None,
    }
    return verdict_of(**{**everything, **changes})  # type: ignore[arg-type]


def test_a_run_without_flaw_passes() -> None:
    assert judged() == Verdict("passed", [], Level.VALID)


@pytest.mark.parametrize("result", FLAWS)
def test_one_flaw_decides_alone(result: Result) -> None:
    verdict = judged(**FLAWS[result])
    assert (verdict.result, verdict.reasons) == (result, [REASONS[result]])


@pytest.mark.parametrize(("stronger", "weaker"), [*itertools.combinations(FLAWS, 2)])
def test_of_two_flaws_the_stronger_decides_and_both_are_told(
    stronger: Result, weaker: Result
) -> None:
    verdict = judged(**FLAWS[weaker], **FLAWS[stronger])
    assert verdict.result == stronger
    assert set(verdict.reasons) == {REASONS[stronger], REASONS[weaker]}


OTHERS: dict[str, list[object]] = {
    "thresholds": [[], [KEPT], [MISSED], [UNKNOWN]],
    "checks": [None, [HOLDS], [BROKEN]],
    "interrupted": [None, "interrupted by SIGINT"],
    "target_lost": [None, "the CSMS ended"],
    "aborted": [None, "aborted: a threshold was broken"],
    "accepted": [0, 5],
    "connected_peak": [0, 5],
    "doubts": [[], ["the search was ended by the generator"]],
}


def test_an_invalid_run_never_exits_with_0_whatever_else_it_is() -> None:
    for values in itertools.product(*OTHERS.values()):
        others = dict(zip(OTHERS, values, strict=True))
        verdict = judged(generator=INVALID, wanted=5, **others)
        assert verdict.generator is Level.INVALID
        assert EXIT_CODES[verdict.result] != 0, others
        assert REASONS["invalid"] in verdict.reasons


def test_every_result_has_an_exit_code_and_only_passed_is_0() -> None:
    results = get_args(Result)
    assert EXIT_CODES.keys() == set(results)
    assert [result for result in results if EXIT_CODES[result] == 0] == ["passed"]
    assert EXIT_CODES["aborted"] == EXIT_CODES["threshold_failed"] == 99
    assert set(results) <= set(get_args(RunResult))


def test_a_doubt_of_a_search_makes_a_valid_generator_suspect() -> None:
    verdict = judged(doubts=["the search was ended by the generator"])
    assert verdict == Verdict(
        "passed", ["generator SUSPECT: the search was ended by the generator"], Level.SUSPECT
    )


def test_a_suspect_generator_is_told_and_changes_nothing() -> None:
    assert judged(generator=SUSPECT) == Verdict(
        "passed", ["generator SUSPECT: it was late"], Level.SUSPECT
    )


def test_books_that_could_not_be_checked_break_nothing() -> None:
    assert judged(checks=None).result == "passed"


def test_a_threshold_without_a_figure_says_why() -> None:
    assert judged(thresholds=[UNKNOWN]).reasons == [
        "threshold: call.count > 1: was no data (no CALL)"
    ]


def test_chargers_that_were_never_accepted_are_told() -> None:
    assert judged(wanted=10, accepted=6) == Verdict(
        "passed", ["chargers: 4 of 10 were never accepted"], Level.VALID
    )


def test_chargers_that_were_never_all_connected_are_told() -> None:
    assert judged(wanted=10, accepted=10, connected_peak=7) == Verdict(
        "passed", ["chargers: only 7 of 10 were connected at once"], Level.VALID
    )
    assert judged(wanted=10, accepted=10, connected_peak=10).reasons == []


def test_a_run_without_a_single_accepted_charger_fails() -> None:
    assert judged(wanted=10, accepted=0).result == "threshold_failed"
    assert judged(wanted=0, accepted=0).result == "passed"


def test_chargers_that_an_interrupted_run_never_started_are_no_reason() -> None:
    assert judged(wanted=10, accepted=6, **FLAWS["interrupted"]).reasons == [REASONS["interrupted"]]
