"""A bad network in whole runs: who is struck, what is told of it, and books that balance still."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from builders_storms import broken, stormy, virtually
from simfleet.errors import ScenarioInvalid
from simfleet.link.impairments import HalfOpen, Latency, Reset
from simfleet.load.recipients import Recipients
from simfleet.load.scenario import parse_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.load.stages.engine import Engine
    from simfleet.observe.records import Record

BAD = {
    "latency": "{kind: latency, delay: 50ms, jitter: 200ms}",
    "slow": "{kind: slow, bytes_per_s: 500}",
    "stall": "{kind: stall, for: 5s, probability: 3%}",
    "long-stall": "{kind: stall, for: 40s, probability: 1%}",
    "reset": "{kind: reset, probability: 3%}",
    "resets-at-a-rate": "{kind: reset, every: 20s}",
    "half-open": "{kind: half_open, probability: 1%}",
    "duplicate": "{kind: duplicate, probability: 20%}",
    "corrupt": "{kind: corrupt, probability: 5%}",
    "corrupt-answers": "{kind: corrupt, probability: 10%, direction: from_csms}",
    "wrong-ids": "{kind: corrupt, form: wrong_id, probability: 5%}",
    "never-a-start": "{kind: corrupt, actions: [StartTransaction], direction: to_csms, count: 3}",
    "refuse": "{kind: refuse, probability: 50%}",
}


def bad_for(seconds: int, *impairments: str) -> tuple[str, str]:
    network = ", ".join(impairments)
    return f"{{do: hold, for: {seconds}s, network: [{network}]}}", "{do: hold, for: 60s}"


@pytest.mark.parametrize("kind", BAD)
def test_the_books_balance_whatever_the_network_did(kind: str, tmp_path: Path) -> None:
    summary = virtually(stormy(*bad_for(90, BAD[kind])), tmp_path)
    assert broken(summary) == []
    if kind not in ("latency", "slow", "refuse"):
        assert summary["injected"]["total"] > 0, "nothing has happened"
    assert summary["violations"] == []  # what the network has spoilt is not the CSMS's mistake
    assert summary["transactions"]["started"] > 20


def test_all_of_it_at_once_and_the_books_balance(tmp_path: Path) -> None:
    summary = virtually(stormy(*bad_for(120, *BAD.values())), tmp_path)
    assert broken(summary) == []
    assert {name for name in summary["injected"]["by_kind"] if name.startswith("network_")} >= {
        "network_corrupt",
        "network_duplicate",
        "network_reset",
        "network_stall",
    }


def test_a_csms_that_behaves_badly_and_the_books_balance(tmp_path: Path) -> None:
    stages = (
        "{do: hold, for: 30s, csms: {delay: 100ms..5s}}",
        "{do: hold, for: 60s, csms: {misbehave: [drop=0.3, duplicate=MeterValues]}}",
        "{do: hold, for: 40s, csms: {freeze: 35s}}",
        "{do: hold, for: 60s, csms: {misbehave: [call-error=StopTransaction, close-after=20]}}",
        "{do: hold, for: 90s}",
    )
    summary = virtually(stormy(*stages), tmp_path)
    assert broken(summary) == []
    assert summary["call_totals"]["timeouts"] > 0
    assert summary["ledger"]["csms"]["unanswered"] > 0
    assert summary["call_totals"]["errors"]["InternalError"] > 0


def test_a_slow_csms_is_well_again_after_its_stage(tmp_path: Path) -> None:
    slow = "{do: hold, for: 30s, name: slow, csms: {delay: 2s}}"
    summary = virtually(stormy(slow, "{do: hold, for: 5s}", "{do: hold, for: 30s}"), tmp_path)
    medians = [
        stage["calls"]["StopTransaction.service"]["p50"] for stage in summary["stages"][1:4:2]
    ]
    assert medians[0] == pytest.approx(2000, rel=0.01)
    assert medians[1] < 100
    notes = [note["text"] for note in summary["annotations"]["kept"] if note["kind"] == "fault"]
    assert notes == ["the CSMS behaves badly: delay 2s"]


def test_a_slice_has_its_own_network_from_the_beginning(tmp_path: Path) -> None:
    slices = (
        '{name: wired, count: 10, id: "W-{n}"}',
        '{name: radio, count: 10, id: "R-{n}", version: ocpp2.0.1,'
        " network: [{kind: latency, delay: 300ms, share: 50%}]}",
    )
    summary = virtually(stormy("{do: hold, for: 20s}", slices=slices), tmp_path)
    assert summary["calls"]["StartTransaction"]["service_ms"]["max"] < 50  # of 1.6 only
    events = summary["calls"]["TransactionEvent"]["service_ms"]
    assert events["p50"] < 700
    assert 590 < events["max"] < 700  # there and back
    assert broken(summary) == []


def test_impairments_come_and_go_while_the_run_goes_on(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def meddle(engine: Engine) -> None:
        elapsed_s = engine.stage.elapsed_s
        if engine.stage_number != 1:
            return
        if "all" not in seen and elapsed_s > 5:
            seen["all"] = engine.network.inject(Latency(delay_s=0.5))
            seen["few"] = engine.network.inject(
                Reset(every_s=2), Recipients(slices=("v16",), share=0.25)
            )
        if "cleared" not in seen and elapsed_s > 40:
            seen["cleared"] = engine.network.clear()

    stages = ("{do: hold, for: 60s}", "{do: hold, for: 20s, name: after}")
    summary = virtually(stormy(*stages), tmp_path, meanwhile=meddle)
    assert seen == {"all": 20, "few": 3, "cleared": 20}
    assert summary["disconnects"]["reset"] > 3
    during, after = summary["stages"][1], summary["stages"][2]
    assert during["calls"]["StatusNotification.service"]["p90"] == pytest.approx(1000, rel=0.05)
    assert after["calls"]["StatusNotification.service"]["max"] < 50
    assert broken(summary) == []


def test_half_open_connections_end_when_the_impairment_does(tmp_path: Path) -> None:
    def meddle(engine: Engine) -> None:
        if engine.stage_number == 1 and 5 < engine.stage.elapsed_s <= 10:
            engine.network.inject(HalfOpen(probability=1))
        if engine.stage_number == 1 and engine.stage.elapsed_s > 50:
            engine.network.clear()

    summary = virtually(stormy("{do: hold, for: 2m}"), tmp_path, meanwhile=meddle)
    assert summary["disconnects"]["reset"] >= 10  # whoever had said something
    assert summary["injected"]["by_kind"].keys() == {"network_half_open"}
    assert broken(summary) == []


def test_logs_say_which_frames_the_network_has_spoilt_and_doubled(tmp_path: Path) -> None:
    """Both ways: what the charger wrote and what became of it, and what came in."""
    records: dict[int, Record] = {}

    def note(engine: Engine) -> None:
        hub = engine.recorder._hub
        assert hub is not None
        records.update((record.id, record) for record in hub.recent())

    stages = bad_for(30, BAD["corrupt"], BAD["duplicate"])
    summary = virtually(stormy(*stages), tmp_path, meanwhile=note)
    labelled: dict[tuple[str, str], list[Record]] = {}
    for record in records.values():
        if record.injected:
            labelled.setdefault((record.injected, record.direction), []).append(record)
    kinds = ("network_corrupt", "network_duplicate")
    assert labelled.keys() == {(kind, way) for kind in kinds for way in ("sent", "received")}
    for kind in kinds:
        shown = sum(len(found) for (one, _), found in labelled.items() if one == kind)
        assert shown == summary["injected"]["by_kind"][kind]
    for way in ("sent", "received"):
        for record in labelled["network_corrupt", way]:
            with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid|Extra"):
                json.loads(record.frame)
        for record in labelled["network_duplicate", way]:
            twins = [
                one
                for one in records.values()
                if one.charger_id == record.charger_id and one.frame == record.frame
            ]
            # Itself, and what it is a copy of; a CALL that came twice is answered twice.
            assert {one.injected for one in twins} == {"", "network_duplicate"}


def test_the_same_seed_gives_the_same_bad_network(tmp_path: Path) -> None:
    stages = bad_for(30, BAD["duplicate"], BAD["reset"], BAD["corrupt"])

    def told(name: str) -> list[Any]:
        summary = virtually(stormy(*stages), tmp_path / name)
        return [summary["injected"], summary["call_totals"]["count"], summary["disconnects"]]

    assert told("a") == told("b")


@pytest.mark.parametrize(
    ("impairment", "says"),
    [
        ("{kind: latency}", "'delay' is missing"),
        ("{kind: latency, delay: 0s}", "delays nothing"),
        ("{kind: reset}", "either probability"),
        ("{kind: reset, probability: 2}", "out of range"),
        ("{kind: lag, delay: 1s}", "is not accepted; write latency"),
        ("{kind: corrupt, actions: [Bootnotification]}", "did you mean 'BootNotification'?"),
        ("{kind: corrupt, to: {slice: nobody}}", "is not a slice of the fleet"),
        ("{kind: stall, for: 1s, every: 10s, direction: up}", "write both, to_csms or from_csms"),
    ],
)
def test_mistakes_in_impairments_are_located(impairment: str, says: str) -> None:
    with pytest.raises(ScenarioInvalid) as caught:
        parse_scenario(stormy(f"{{do: hold, for: 5s, network: [{impairment}]}}"))
    [problem] = caught.value.problems
    assert says in problem
    assert "stages[1].network[0]" in problem
    assert problem.startswith("scenario.yaml:11:")
