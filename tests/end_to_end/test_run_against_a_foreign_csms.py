"""`simfleet run` over real sockets against a CSMS that is not ours, well-behaved and otherwise."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from end_to_end.peer_process import Peer, peer
from end_to_end.semantic_check import Expected, examine
from end_to_end.semantic_transactions import transactions_of
from end_to_end.simfleet_process import Ended, run, running, write_scenario

if TYPE_CHECKING:
    from pathlib import Path

ONE_SECOND = Expected(meter_interval_s=1)


def assert_books_balance(ended: Ended, one: Peer, *, chargers: int) -> None:
    """Passed, and the run's own ledger says what the CSMS has seen: one start, one stop each."""
    assert ended.code == 0, str(ended)
    ledger = ended.summary["ledger"]
    assert ledger["balanced"] is True, ledger["checks"]
    histories = one.histories()
    assert len(histories) == chargers
    seen = [each for history in histories.values() for each in transactions_of(history)[0]]
    assert len(seen) == ended.summary["transactions"]["started"] >= chargers
    assert all(each.stops for each in seen)


def assert_calls_counted(ended: Ended, one: Peer) -> None:
    """Every CALL that the CSMS has logged is in the summary, and no other."""
    logged = Counter(call["frame"][2] for call in one.calls())
    assert {action: call["count"] for action, call in ended.summary["calls"].items()} == logged


# ── one that behaves ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("transport", ["websockets", "trio-websocket"])
def test_sessions_are_what_a_csms_vendor_expects(tmp_path: Path, transport: str) -> None:
    """Whole sessions, several per connector: plug, tag, charge, full, unplug, the next car."""
    scenario = write_scenario(
        tmp_path,
        connectors=2,
        energy_kwh="0.006..0.012",
        hold_s=5,
        target_options=f", transport: {transport}",
    )
    with peer(tmp_path) as one:
        ended = run(scenario, target=one.url)
        assert_books_balance(ended, one, chargers=5)
        assert_calls_counted(ended, one)
        assert examine(one.histories(), Expected(connectors=2, meter_interval_s=1)) == []
        assert ended.summary["violations"] == []
        assert ended.summary["transactions"]["started"] > 10
        assert ended.problems == []


def test_a_final_stop_ends_each_transaction_once(tmp_path: Path) -> None:
    with peer(tmp_path) as one:
        ended = run(write_scenario(tmp_path, chargers=40), target=one.url)
        assert_books_balance(ended, one, chargers=40)
        assert examine(one.histories(), ONE_SECOND) == []
        assert ended.summary["chargers"]["booted"] == 40
        assert len(one.calls("StopTransaction")) == 40


def test_a_slow_csms_gets_one_call_at_a_time_and_every_sample_with_its_own_time(
    tmp_path: Path,
) -> None:
    """0.4 s for each answer: what waits in line is sent late, not dropped, shifted or doubled."""
    with peer(tmp_path, "slow", "--delay-s", "0.4") as one:
        ended = run(write_scenario(tmp_path, chargers=3, hold_s=5), target=one.url)
        assert_books_balance(ended, one, chargers=3)
        assert examine(one.histories(), ONE_SECOND) == []
        status = ended.summary["calls"]["StatusNotification"]
        assert 400 <= status["service_ms"]["p50"] < 800
        assert status["response_ms"]["max"] > 2 * status["service_ms"]["p50"]  # from when due


def test_calls_of_the_csms_are_answered_before_its_answers_to_ours(tmp_path: Path) -> None:
    with peer(tmp_path, "calls_before_answers") as one:
        ended = run(write_scenario(tmp_path, hold_s=4), target=one.url)
        assert_books_balance(ended, one, chargers=5)
        assert examine(one.histories(), ONE_SECOND) == []
        answered = [
            command
            for history in one.histories().values()
            for command in history.commands
            if command.answered
        ]
        assert len(answered) > 50
        assert set(ended.summary["commands"]) == {
            "GetConfiguration",
            "TriggerMessage",
            "RemoteStartTransaction",
        }


# ── those that do not ───────────────────────────────────────────────────────────────────────────


def test_garbage_is_counted_with_its_frames_and_disturbs_nothing(tmp_path: Path) -> None:
    with peer(tmp_path, "garbage") as one:
        ended = run(write_scenario(tmp_path), target=one.url)
        assert_books_balance(ended, one, chargers=5)
        complaints = examine(one.histories(), ONE_SECOND)
        assert [each for each in complaints if "which answers nothing" not in each] == []
        frames = {
            violation.get("example", {}).get("frame") for violation in ended.summary["violations"]
        }
        assert {"Internal Server Error", "{}", '[2,"g-1"]'} <= frames


def test_answers_that_break_the_schema_are_violations_and_used_where_they_can_be_read(
    tmp_path: Path,
) -> None:
    scenario = write_scenario(
        tmp_path, hold_s=4, configuration=", TransactionMessageRetryInterval: 1"
    )
    with peer(tmp_path, "schema_violations") as one:
        ended = run(scenario, target=one.url)
        assert ended.code == 0, str(ended)
        summary = ended.summary
        assert summary["chargers"]["booted"] == 5
        violated = {violation.get("action") for violation in summary["violations"]}
        assert {"BootNotification", "MeterValues", "StatusNotification"} <= violated
        assert summary["ledger"]["balanced"] is True
        for history in one.histories().values():
            for each in transactions_of(history)[0]:
                assert len(each.stops) == 1


@pytest.mark.parametrize("mode", ["never_answers", "only_garbage"])
def test_a_csms_that_never_answers_gets_boots_and_nothing_else(tmp_path: Path, mode: str) -> None:
    """And the run can be ended although nothing ever comes of it."""
    scenario = write_scenario(tmp_path)
    with peer(tmp_path, mode) as one, running(scenario, target=one.url) as process:
        one.wait_until(lambda peer: len(peer.calls()) == 5)
        process.signal(signal.SIGINT)
        ended = process.wait(timeout_s=20)  # not the 30 s of a CALL
        assert ended.code == 130, str(ended)
        assert ended.summary["chargers"]["booted"] == 0
        assert ended.summary["chargers"]["connected_peak"] == 5
        assert {call["frame"][2] for call in one.calls()} == {"BootNotification"}


def test_a_csms_that_falls_silent_keeps_one_call_open(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, chargers=3)
    with peer(tmp_path, "silent_after_boot") as one, running(scenario, target=one.url) as process:
        one.wait_until(lambda peer: len(peer.calls("StatusNotification")) == 3)
        process.interrupt_twice()
        ended = process.wait(timeout_s=10)
        assert ended.code == 130, str(ended)
        assert len(one.calls()) == 6  # a boot and a status each: the answer to that never came
