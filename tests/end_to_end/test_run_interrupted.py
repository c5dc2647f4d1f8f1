"""Ctrl-C and SIGTERM: transactions stopped once each, paced; a second signal ends it at once."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from end_to_end.peer_process import peer
from end_to_end.semantic_check import Expected, examine
from end_to_end.semantic_transactions import transactions_of
from end_to_end.simfleet_process import running, write_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from end_to_end.peer_process import Peer

CHARGERS = 150
STOPS_PER_S = 500


def all_charge(one: Peer) -> bool:
    return len(one.calls("StartTransaction")) == CHARGERS and len(one.calls("MeterValues")) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_every_transaction_once_and_writes_the_summary(
    tmp_path: Path, number: signal.Signals
) -> None:
    scenario = write_scenario(tmp_path, chargers=CHARGERS, meter_interval_s=5, hold_s=60)
    with peer(tmp_path) as one, running(scenario, target=one.url) as process:
        one.wait_until(all_charge)
        process.signal(number)
        ended = process.wait(timeout_s=30)
        assert ended.code == 130, str(ended)
        for history in one.histories().values():
            (transaction,), _ = transactions_of(history)
            assert len(transaction.stops) == 1
        assert examine(one.histories(), Expected(meter_interval_s=5)) == []
        stopped_at_s = [call["at_s"] for call in one.calls("StopTransaction")]
        assert len(stopped_at_s) == CHARGERS
        assert stopped_at_s[-1] - stopped_at_s[0] > 0.7 * CHARGERS / STOPS_PER_S  # no storm
        assert [entry["code"] for entry in one.entries("closed")] == [1000] * (CHARGERS + 1)
        summary = ended.summary
        assert summary["verdict"]["result"] == "interrupted"
        assert number.name in " ".join(summary["verdict"]["reasons"])
        assert summary["transactions"] == {**summary["transactions"], "stopped": CHARGERS}
        assert summary["ledger"]["balanced"] is True


def test_a_second_signal_aborts_at_once(tmp_path: Path) -> None:
    """Also while the first one is being carried out; the summary is written all the same."""
    scenario = write_scenario(tmp_path, chargers=CHARGERS, meter_interval_s=5, hold_s=60)
    with peer(tmp_path) as one, running(scenario, target=one.url) as process:
        one.wait_until(all_charge)
        one.freeze()  # so that the orderly stop cannot end by itself
        process.signal(signal.SIGINT)
        time.sleep(1)
        assert process.running
        process.signal(signal.SIGINT)
        signalled_s = time.monotonic()
        ended = process.wait(timeout_s=10)
        assert time.monotonic() - signalled_s < 3
        assert ended.code == 130, str(ended)
        assert ended.summary["verdict"]["result"] == "interrupted"
        assert ended.summary["transactions"]["started"] == CHARGERS


def test_a_signal_during_the_ramp_stops_what_had_started(tmp_path: Path) -> None:
    scenario = write_scenario(tmp_path, chargers=100, ramp_s=30, hold_s=60)
    with peer(tmp_path) as one, running(scenario, target=one.url) as process:
        one.wait_until(lambda peer: len(peer.calls("StartTransaction")) >= 5)
        process.signal(signal.SIGINT)
        ended = process.wait(timeout_s=30)
        assert ended.code == 130, str(ended)
        assert len(one.histories()) < 60
        assert examine(one.histories(), Expected(meter_interval_s=1)) == []
        assert ended.summary["ledger"]["balanced"] is True
