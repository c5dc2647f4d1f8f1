"""What a run was made to find out is told in the terminal, not only in files."""

from __future__ import annotations

from typing import Any

from simfleet.load.summary_findings import STORMS_SHOWN, findings

STORM: dict[str, Any] = {
    "do": "reconnect_storm",
    "name": None,
    "chargers": 20,
    "back": 20,
    "seconds_to_50": 1.04,
    "seconds_to_95": 2.5,
    "seconds_to_100": 3.0,
}


def told(**summary: Any) -> str:
    return "\n".join(findings(summary))


def test_a_run_that_was_not_to_find_out_anything_says_nothing() -> None:
    assert told() == ""
    assert told(capacity=None, storms=[], scenario_commands=None, case_totals=None) == ""


def test_a_capacity_is_told_in_its_own_words_and_wrapped() -> None:
    text = told(capacity={"text": "190 chargers; " + "200 chargers broke a limit " * 4})
    assert text.startswith("  capacity      190 chargers; ")
    assert all(len(line) <= 80 for line in text.splitlines())


def test_storms_say_when_everybody_was_back_or_that_they_never_were() -> None:
    lost = STORM | {"name": "wave", "back": 18, "seconds_to_95": None, "seconds_to_100": None}
    assert told(storms=[STORM, lost]).splitlines() == [
        "  storm         reconnect_storm: 20 of 20 back, 50 % in 1.0 s, 95 % in 2.5 s,",
        "                all in 3.0 s",
        "  storm         wave: 18 of 20 back, 50 % in 1.0 s, 95 % never, all never",
    ]
    assert told(storms=[STORM] * (STORMS_SHOWN + 3)).endswith("  3 more")


def test_commands_say_how_long_they_took_to_be_followed() -> None:
    times = {"p50": 5845.0, "p95": 10625.0, "max": 11609.0}
    sent = {"watched": 1000, "converged": 990, "converged_ms": times}
    other = {"watched": 0, "converged": 0, "converged_ms": times}
    commands = {"by_action": {"SetChargingProfile": sent, "ClearCache": other}}
    assert told(scenario_commands=commands).splitlines() == [
        "  converged     SetChargingProfile: 990 of 1000 did it, half in 5.8 s, 95 % in",
        "                10.6 s, the last in 11.6 s",
    ]
    sent["converged"] = 0
    assert told(scenario_commands=commands).endswith("SetChargingProfile: 0 of 1000 did it")


def test_cases_are_counted() -> None:
    totals = {"total": 5, "passed": 3, "failed": 1, "skipped": 1}
    assert told(case_totals=totals) == "  cases         3 of 5 passed, 1 failed, 1 skipped"
