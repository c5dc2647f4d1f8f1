"""The summary as people read it in a terminal: verdict first, 80 columns, nothing hidden."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from builders_load import MEMORY, a_scenario, run_in_memory
from simfleet.load.summary_text import VIOLATIONS_SHOWN, summary_text

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    thresholds = 'call.response.p99: "< 1s", transactions.started: "== 4"'
    return run_in_memory(
        a_scenario(target=MEMORY, thresholds=thresholds),
        tmp_path_factory.mktemp("passed") / "run",
    ).summary


@pytest.fixture
def text_with(passed: dict[str, Any]) -> Callable[..., str]:
    """The text of a summary with other figures at some paths."""

    def text(**changes: Any) -> str:
        summary = copy.deepcopy(passed)
        for path, value in changes.items():
            *steps, last = path.split("__")
            here = summary
            for step in steps:
                here = here[step]
            here[last] = value
        return summary_text(summary, folder="runs/tiny-1")

    return text


def test_a_passed_run_fits_a_screen_and_80_columns(text_with: Callable[..., str]) -> None:
    lines = text_with().splitlines()
    assert lines[0] == "tiny: PASSED (generator VALID)"
    assert lines[-1] == "  results       runs/tiny-1"
    assert "  chargers      4 of 4 booted, 4 connected at once" in lines
    assert "  ok            transactions.started == 4 (was 4)" in lines
    assert len(lines) < 35
    assert [line for line in lines if len(line) > 80] == []


def test_every_action_has_a_row_with_its_figures(
    passed: dict[str, Any], text_with: Callable[..., str]
) -> None:
    rows = {line.split()[0]: line.split()[1:] for line in text_with().splitlines() if line.strip()}
    for action, call in [*passed["calls"].items(), ("all", passed["call_totals"])]:
        times = call["response_ms"]
        figures = [times[name] for name in ("p50", "p90", "p99", "max")]
        assert rows[action] == [str(call["count"]), *(f"{ms:.1f}" for ms in figures), "0"]


def test_long_actions_stay_in_their_column(
    passed: dict[str, Any], text_with: Callable[..., str]
) -> None:
    call = passed["calls"]["Authorize"]
    calls = {"Authorize": call, "SignedFirmwareStatusNotification": call}
    lines = text_with(calls=calls).splitlines()
    (head,) = (line for line in lines if "response time" in line)
    rows = [line for line in lines if line.lstrip().startswith(("Authorize", "Signed", "all "))]
    assert {len(line) for line in rows} == {len(head)}


def test_long_reasons_are_wrapped(text_with: Callable[..., str]) -> None:
    reason = "generator INVALID: " + "so many words " * 20
    lines = text_with(verdict__reasons=[reason], verdict__result="invalid").splitlines()
    assert lines[0] == "tiny: INVALID (generator VALID)"
    assert lines[1].startswith("  - generator INVALID: so many")
    assert lines[2].startswith("    ")
    assert max(map(len, lines)) <= 80


def test_a_missed_threshold_is_marked(
    passed: dict[str, Any], text_with: Callable[..., str]
) -> None:
    missed = {**passed["thresholds"][0], "passed": False, "actual_text": "1.5s"}
    assert "  MISSED        call.response.p99 < 1s (was 1.5s)" in text_with(thresholds=[missed])


def test_failed_calls_say_what_failed(text_with: Callable[..., str]) -> None:
    text = text_with(
        call_totals__errors={"InternalError": 3, "x" * 500: 1},
        call_totals__timeouts=2,
        call_totals__lost=1,
    )
    failed = text[text.index("failed:") :].split("\n\n")[0]
    assert " ".join(failed.split()) == (
        f"failed: 3 InternalError, 1 {'x' * 40}, 2 not answered in time,"
        " 1 lost with their connection"
    )
    assert max(map(len, text.splitlines())) <= 80


def test_failed_connects_and_lost_links_are_told(text_with: Callable[..., str]) -> None:
    text = text_with(
        connect__failures={"refused": 3, "tls": 1},
        disconnects={"ended": 4, "cut": 9, "eof": 2, "reset": 1},
    )
    assert "                3 failed: refused\n                1 failed: tls\n" in text
    assert "  links lost    3: 2 eof, 1 reset\n" in text
    assert "  links cut     9, on purpose\n" in text


def test_links_that_we_ended_are_not_lost(text_with: Callable[..., str]) -> None:
    assert "lost" not in text_with(disconnects={"ended": 4, "cancelled": 3})


def test_violations_are_told_with_the_number_of_kinds_left_out(
    text_with: Callable[..., str],
) -> None:
    kinds = [
        {
            "kind": "schema",
            "action": "Authorize",
            "path": "",
            "count": n,
            "description": f"mistake {n}",
        }
        for n in range(VIOLATIONS_SHOWN + 2)
    ]
    text = text_with(violations=kinds)
    assert "  violation     1 x schema Authorize: mistake 1\n" in text
    assert f"mistake {VIOLATIONS_SHOWN}" not in text
    assert "  violations    2 more kinds in summary.json" in text


def test_all_crashes_are_counted_and_not_only_the_kept_ones(text_with: Callable[..., str]) -> None:
    assert "  crashes       999: a bug in SimFleet" in text_with(chargers__crashed=999)


def test_stray_replies_drops_and_problems_are_told(text_with: Callable[..., str]) -> None:
    text = text_with(
        replies={"late": 2, "duplicate": 0, "unknown": 1},
        dropped={"MeterValues:link_lost": 7},
        problems={"total": 12, "kept": 12},
    )
    assert "  stray replies 2 late, 1 unknown\n" in text
    assert "  dropped       7 MeterValues:link_lost\n" in text
    assert "  problems      12, see errors.jsonl\n" in text


@pytest.mark.parametrize(
    ("balanced", "csms", "says"),
    [
        (True, None, "balanced: 10 checks"),
        (True, {}, "balanced: 10 checks, against the CSMS's books"),
        (False, None, "BROKEN: 1 of 10 checks"),
        (None, None, "not checked: the run was cut off"),
    ],
)
def test_the_ledger_says_how_it_came_out(
    passed: dict[str, Any],
    text_with: Callable[..., str],
    balanced: bool | None,
    csms: dict[str, Any] | None,
    says: str,
) -> None:
    checks = copy.deepcopy(passed["ledger"]["checks"])
    checks[0]["holds"] = balanced is not False
    ledger = {"balanced": balanced, "csms": csms, "checks": checks}
    assert f"  ledger        {says}" in text_with(ledger=ledger).splitlines()


def test_a_run_without_calls_has_no_table_and_no_cost_of_a_call(
    text_with: Callable[..., str],
) -> None:
    text = text_with(calls={}, generator__cpu_us_per_call=None, connect__seconds_to_all=None)
    assert "response time" not in text
    assert "us/call" not in text
    assert "all within" not in text
