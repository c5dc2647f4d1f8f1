"""A slow CSMS or a bad network breaks no books, and a CSMS that loses a transaction does.

Whole runs on a virtual clock, against the embedded CSMS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from simfleet.csms.book import Book
from simfleet.load.run_folder import RunFolder, manifest
from simfleet.load.runner import Runner
from simfleet.load.scenario import parse_scenario
from simfleet.load.virtual import virtual_world

if TYPE_CHECKING:
    from pathlib import Path

    from simfleet.csms.records import AnyTransaction

WALL_S = 1_795_000_000.0
HEAD = """
schema: 1
name: unknown
target: {{url: embedded}}
fleet: [{{name: a, count: {count}, id: "A-{{n:03}}", version: {version}{more}}}]
behaviour: {{think_time: 1s..2s, energy_kwh: {kwh}, pause: 2s..8s}}
"""
CALM = "{do: ramp, to: 3, over: 3s, mode: charging}, {do: hold, for: 40s}, {do: stop, over: 2s}"


def a_scenario(
    stages: str,
    *,
    count: int = 3,
    version: str = "ocpp1.6",
    more: str = "",
    kwh: str = "0.05..0.1",
    commands: str = "",
) -> str:
    head = HEAD.format(count=count, version=version, more=more, kwh=kwh)
    return f"{head}{commands}\nstages: [{stages}]\n"


def summary_of(text: str, path: Path) -> dict[str, Any]:
    scenario = parse_scenario(text.encode())
    world = virtual_world(scenario, wall_s=WALL_S)

    async def main() -> dict[str, Any]:
        made = RunFolder.create(path, name="any", start_wall_s=WALL_S, simulated_wall_s=WALL_S)
        with made as folder:
            folder.write(
                "manifest.json",
                manifest(scenario, source=b"", arguments=[], began_wall_s=WALL_S),
            )
            runner = Runner(scenario, folder, watch=lambda _: None, world=world)
            finished = await runner.run(heed_signals=False)
        summary: dict[str, Any] = msgspec.to_builtins(finished.summary)
        return summary

    return trio.run(main, clock=world.clock())


def broken(summary: dict[str, Any]) -> set[str]:
    return {check["name"] for check in summary["ledger"]["checks"] if not check["holds"]}


def the(summary: dict[str, Any], name: str) -> dict[str, Any]:
    (check,) = [check for check in summary["ledger"]["checks"] if check["name"] == name]
    found: dict[str, Any] = check
    return found


SLOW_STOP = a_scenario(
    "{do: ramp, to: 3, over: 3s, mode: charging}, {do: hold, for: 20s},"
    " {do: stop, over: 2500ms, csms: {delay: 40s}}",
    kwh="0.5..1",
)
TROUBLE = {
    "slow while everybody stops": SLOW_STOP,
    "slow and 2.x": SLOW_STOP.replace("ocpp1.6", "ocpp2.0.1"),
    "half-open after a slow start": a_scenario(
        "{do: stairs, from: 1, to: 5, by: 2, every: 5s, mode: charging, csms: {delay: 100ms..3s}},"
        " {do: stop, over: 2800ms, network: [{kind: half_open, every: 1200ms}]}",
        count=5,
    ),
    "frames twice to a slow CSMS": a_scenario(
        "{do: ramp, to: 5, over: 3s, mode: charging},"
        " {do: hold, for: 20s, csms: {delay: 100ms..3s}}, {do: stop, over: 2s}",
        count=5,
        more=", network: [{kind: duplicate}]",
    ),
    "a search against a slow CSMS": a_scenario(
        "{do: capacity, of: chargers, from: 1, to: 3, by: 1, settle: 40s, hold: 40s,"
        ' until: {call.response.p99: "< 60s"}, csms: {delay: 40s}}, {do: stop, over: 2s}',
        version="ocpp2.1",
        commands="commands: [{send: RequestStartTransaction, at: 0s, payload:"
        " {remoteStartId: 1, idToken: {idToken: T1, type: Central}}}]",
    ),
    "slow from time to time": a_scenario(
        "{do: ramp, to: 3, over: 3s, mode: charging},"
        " {do: hold, for: 200s, csms: {delay: 0s..90s}}, {do: stop, over: 2s}",
    ),
}


@pytest.mark.parametrize("text", TROUBLE.values(), ids=TROUBLE)
def test_nobody_is_accused_of_what_nobody_can_know(text: str, tmp_path: Path) -> None:
    summary = summary_of(text, tmp_path / "run")
    assert summary["ledger"]["balanced"] is not None
    assert broken(summary) == set()


def test_a_check_says_how_many_were_unknown_and_how_far_it_is_off(tmp_path: Path) -> None:
    summary = summary_of(SLOW_STOP, tmp_path / "run")
    unknown = summary["ledger"]["fleet"]["excused"]["unknown"]
    assert (unknown["starts"], unknown["stops"], unknown["stops_fewer"]) == (0, 3, 3)
    assert the(summary, "csms_stops")["detail"].endswith(
        "3 and 3, 3 sent without an answer: +0, from -3 to +0 allowed"
    )


def forget_one_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CSMS answers its second stop, and does not take it in."""
    end, ended = Book.end, [0]

    def forgetful(self: Book, transaction: AnyTransaction) -> None:
        ended[0] += 1
        if ended[0] != 2:
            end(self, transaction)

    monkeypatch.setattr(Book, "end", forgetful)


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1"])
def test_one_stop_that_a_csms_loses_on_a_calm_day_breaks_the_books(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = a_scenario(CALM, version=version)
    calm = summary_of(text, tmp_path / "calm")
    assert broken(calm) == set()
    assert set(calm["ledger"]["fleet"]["excused"]["unknown"].values()) == {0}
    forget_one_stop(monkeypatch)
    summary = summary_of(text, tmp_path / "run")
    assert {"csms_stops", "csms_open", "csms_energy"} <= broken(summary)
    assert summary["verdict"]["result"] == "ledger_broken"


def test_one_answered_stop_that_a_csms_loses_is_found_although_it_was_slow_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = CALM.replace("{do: hold, for: 40s}", "{do: hold, for: 40s, csms: {delay: 1s..3s}}")
    text = a_scenario(stages)
    assert broken(summary_of(text, tmp_path / "calm")) == set()
    forget_one_stop(monkeypatch)
    assert {"csms_stops", "csms_open"} <= broken(summary_of(text, tmp_path / "run"))
