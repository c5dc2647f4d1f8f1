"""What becomes of transactions when the CSMS dies, comes back, or comes back broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from end_to_end.peer_process import peer
from end_to_end.semantic_check import Expected, examine
from end_to_end.semantic_transactions import transactions_of
from end_to_end.simfleet_process import run, running, write_scenario

if TYPE_CHECKING:
    from pathlib import Path

CHARGERS = 20
ONE_SECOND = Expected(meter_interval_s=1)


def test_a_csms_killed_and_restarted_loses_no_transaction_message(tmp_path: Path) -> None:
    """Killed while all charge; every sample of the outage, every start and stop arrives, once."""
    scenario = write_scenario(tmp_path, chargers=CHARGERS, hold_s=6)
    with peer(tmp_path) as one, running(scenario, target=one.url) as process:
        one.wait_until(lambda peer: len(peer.calls("MeterValues")) >= 2 * CHARGERS)
        one.kill()
        one.wait_until(lambda _: process.running, timeout_s=1)
        before = len(one.calls())
        one.start()
        ended = process.wait()
        assert ended.code == 0, str(ended)
        assert len(one.calls()) > before
        assert ended.summary["ledger"]["balanced"] is True, ended.summary["ledger"]
        histories = one.histories()
        assert len(histories) == CHARGERS
        for history in histories.values():
            assert len(history.connections) >= 2
            (transaction,), strangers = transactions_of(history)
            assert strangers == []
            assert len(transaction.stops) == 1
        assert examine(histories, ONE_SECOND) == []


def test_a_csms_killed_while_sessions_come_and_go_gets_them_all_in_the_end(
    tmp_path: Path,
) -> None:
    """Short sessions, so that starts and stops fall into the outage and into the kill itself."""
    scenario = write_scenario(tmp_path, chargers=CHARGERS, energy_kwh="0.006..0.012", hold_s=7)
    with peer(tmp_path) as one, running(scenario, target=one.url) as process:
        one.wait_until(lambda peer: len(peer.calls("StopTransaction")) >= CHARGERS)
        one.kill()
        one.start()
        ended = process.wait()
        assert ended.code == 0, str(ended)
        assert ended.summary["ledger"]["balanced"] is True, ended.summary["ledger"]
        assert examine(one.histories(), ONE_SECOND) == []


def test_a_frozen_csms_is_waited_for_and_the_waiting_is_measured(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, hold_s=5)
    with peer(tmp_path) as one, running(scenario, target=one.url) as process:
        one.wait_until(lambda peer: len(peer.calls("MeterValues")) >= 5)
        one.freeze()
        with pytest.raises(AssertionError, match="nothing of the kind"):
            one.wait_until(lambda _: False, timeout_s=3)
        one.thaw()
        ended = process.wait()
        assert ended.code == 0, str(ended)
        assert examine(one.histories(), ONE_SECOND) == []
        response_ms = ended.summary["calls"]["MeterValues"]["response_ms"]
        assert 1_900 < response_ms["max"] < 4_500  # a sample was due within the first second
        # Of the samples due in those 3 s only the first was sent; all of them waited.
        assert response_ms["p90"] > 900


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("closes_in_handshake", "reset"),
        ("resets_in_handshake", "reset"),
        ("http_401", "http_status"),
        ("no_subprotocol", "no_subprotocol"),
    ],
)
def test_a_csms_that_comes_back_broken_is_reported_by_what_is_wrong(
    tmp_path: Path, mode: str, reason: str
) -> None:
    """The chargers go on trying; when it is mended, everything that was owed is delivered."""
    scenario = write_scenario(tmp_path, hold_s=4)
    with peer(tmp_path) as one, running(scenario, target=one.url) as process:
        one.wait_until(lambda peer: len(peer.calls("MeterValues")) >= 5)
        one.kill()
        one.mode = mode
        one.start()
        noticed = {"http_401": "unauthorized", "no_subprotocol": "opened"}.get(mode, "cut")
        before = len(one.entries(noticed))
        one.wait_until(lambda peer: len(peer.entries(noticed)) >= before + 5)
        one.kill()
        one.mode = "normal"
        one.start()
        ended = process.wait()
        assert ended.code == 0, str(ended)
        assert ended.summary["connect"]["failures"][reason] >= 3
        assert ended.summary["ledger"]["balanced"] is True, ended.summary["ledger"]
        complaints = examine(one.histories(), ONE_SECOND)
        assert [each for each in complaints if "speaks None" not in each] == []


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("closes_in_handshake", "before the handshake"),
        ("resets_in_handshake", "before the handshake"),
        ("http_401", "401"),
        ("no_subprotocol", "ocpp1.6"),
    ],
)
def test_a_csms_that_is_broken_from_the_start_is_refused_with_the_reason(
    tmp_path: Path, mode: str, says: str
) -> None:
    with peer(tmp_path, mode) as one:
        ended = run(write_scenario(tmp_path), target=one.url)
        assert ended.code == 105, str(ended)
        assert says in ended.stderr
        assert one.url in ended.stderr
        assert one.calls() == []
