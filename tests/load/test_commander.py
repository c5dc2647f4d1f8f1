"""A scenario's commands during a run: on time, counted by message, told one by one, and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
import trio

from builders_load import Run, a_run, a_scenario
from simfleet.csms.orders import Report
from simfleet.errors import CsmsFailed, Refused
from simfleet.load import commander as module
from simfleet.load.commander import EVENTS_MAX, SETTLE_S, Commander, commander_of
from simfleet.load.uploads import RunFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simfleet.csms.embedded import EmbeddedCsms
    from simfleet.csms.orders import Order

STAGES = ("{do: ramp, to: 4, over: 1s}", "{do: hold, for: 9s}")


class Scripted:
    """An embedded CSMS of which only `broadcast` is there, and does what the test says."""

    def __init__(self, answer: Callable[[Order], Report] = lambda _: Report()) -> None:
        self.orders: list[tuple[float, Order]] = []
        self.takes_s = 0.0
        self._answer = answer

    async def settle(self) -> None:
        await trio.lowlevel.checkpoint()

    async def broadcast(self, order: Order) -> Report:
        self.orders.append((trio.current_time(), order))
        await trio.sleep(self.takes_s)
        return self._answer(order)


async def commanded(
    commands: str, csms: Scripted, *, for_s: float = 10.0, seed: int = 3
) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """The figures of a commander after `for_s` and what it told, on the clock at hand."""
    scenario = a_scenario(stages=STAGES, commands=commands, seed=seed)
    told: list[tuple[str, str, str]] = []
    commander = Commander(
        scenario,
        cast("EmbeddedCsms", csms),
        uploads=None,
        note=lambda *words: told.append(words),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(commander.run, trio.current_time())
        await trio.sleep(for_s)
        await commander.finish()
    return commander.figures(), told


def report(**fields: Any) -> Report:
    return Report(**{"chosen": 4, "sent": 4, "statuses": {"Accepted": 4}, **fields})


async def test_commands_are_sent_at_their_moments(autojump_clock: trio.testing.MockClock) -> None:
    csms = Scripted()
    began_s = trio.current_time()
    figures, _ = await commanded(
        "{at: 2s, send: ClearCache}, {at: 1s, every: 3s, until: 8s, send: GetLocalListVersion}",
        csms,
    )
    sent = [(round(at_s - began_s, 3), order.action) for at_s, order in csms.orders]
    assert sent == [
        (1, "GetLocalListVersion"),
        (2, "ClearCache"),
        (4, "GetLocalListVersion"),
        (7, "GetLocalListVersion"),
    ]
    assert [event.at_s for event in figures["events"]] == [1, 2, 4, 7]
    assert figures["by_action"]["GetLocalListVersion"]["rounds"] == 3


async def test_a_slow_round_does_not_hold_up_the_next(
    autojump_clock: trio.testing.MockClock,
) -> None:
    csms = Scripted()
    csms.takes_s = 4.0
    began_s = trio.current_time()
    figures, _ = await commanded("{at: 1s, every: 1s, until: 3s, send: ClearCache}", csms)
    assert [round(at_s - began_s) for at_s, _ in csms.orders] == [1, 2, 3]
    assert [event.took_s for event in figures["events"]] == [4, 4, 4]
    assert all(event.complete for event in figures["events"])


async def test_an_order_says_who_what_and_what_is_expected(
    autojump_clock: trio.testing.MockClock,
) -> None:
    csms = Scripted()
    await commanded(
        "{at: 1s, send: Reset, to: {slice: ac, share: 50%}, payload: {type: Soft}},"
        " {at: 2s, send: UnlockConnector, payload: {connectorId: 1}}",
        csms,
        seed=77,
    )
    first, second = (order for _, order in csms.orders)
    assert first.identities == ["T-01", "T-02", "T-03", "T-04"]
    assert (first.share, first.choice, first.expect) == (0.5, "77", ("Accepted",))
    assert first.payload == {"type": "Soft"}
    assert second.identities is None
    assert second.expect == ("Unlocked",)
    assert second.choice == first.choice  # the same share is the same chargers


async def test_answers_add_up_by_message_and_in_all(
    autojump_clock: trio.testing.MockClock,
) -> None:
    def answer(order: Order) -> Report:
        if order.action == "ClearCache":
            return report(answered_us=[1000, 2000, 3000, 4000])
        return report(
            sent=3,
            statuses={"Accepted": 1},
            errors={"InternalError": 1},
            not_connected=1,
            skipped={"no_id_tag": 1},
            unexpected=1,
            answered_us=[5000, 9000],
        )

    figures, _ = await commanded(
        "{at: 1s, every: 1s, until: 2s, send: ClearCache}, {at: 3s, send: GetConfiguration}",
        Scripted(answer),
    )
    cleared, totals = figures["by_action"]["ClearCache"], figures["totals"]
    assert (cleared["rounds"], cleared["sent"], cleared["statuses"]) == (2, 8, {"Accepted": 8})
    assert cleared["answered_ms"]["max"] == 4.0
    assert (totals["rounds"], totals["chosen"], totals["sent"]) == (3, 12, 11)
    assert totals["statuses"] == {"Accepted": 9}
    assert totals["errors"] == {"InternalError": 1}
    assert totals["skipped"] == {"no_id_tag": 1}
    assert (totals["not_connected"], totals["unexpected"]) == (1, 1)
    assert totals["answered_ms"]["max"] == 9.0


async def test_unexpected_answers_are_told(autojump_clock: trio.testing.MockClock) -> None:
    examples = [
        {"identity": "T-01", "came": "Rejected", "detail": "", "response": {"status": "Rejected"}},
        {"identity": "T-02", "came": "timeout", "detail": "no reply", "response": None},
    ]
    csms = Scripted(lambda _: report(unexpected=2, examples=examples))
    _, told = await commanded("{at: 1s, send: ClearCache}", csms)
    assert told == [
        ("T-01", "command:ClearCache:Rejected", "{'status': 'Rejected'}"),
        ("T-02", "command:ClearCache:timeout", "no reply"),
    ]


@pytest.mark.parametrize("error", [Refused("too many"), CsmsFailed("it is gone")])
async def test_a_command_that_the_csms_does_not_take_is_told_and_not_complete(
    error: Exception, autojump_clock: trio.testing.MockClock
) -> None:
    def refuse(_: Order) -> Report:
        raise error

    figures, told = await commanded("{at: 1s, send: ClearCache}", Scripted(refuse))
    (event,) = figures["events"]
    assert (event.complete, event.failure) == (False, str(error))
    assert told == [("", "command:ClearCache", str(error))]


async def test_after_the_end_nothing_is_sent_and_what_is_open_is_not_waited_for_long(
    autojump_clock: trio.testing.MockClock,
) -> None:
    csms = Scripted()
    csms.takes_s = 100.0
    began_s = trio.current_time()
    figures, _ = await commanded(
        "{at: 1s, send: ClearCache}, {at: 9s, send: GetConfiguration}", csms, for_s=5.0
    )
    assert trio.current_time() - began_s == pytest.approx(5.0 + SETTLE_S)
    assert [order.action for _, order in csms.orders] == ["ClearCache"]
    (event,) = figures["events"]
    assert not event.complete
    assert "ended before" in event.failure


async def test_only_the_first_events_are_told_one_by_one(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EVENTS_MAX == 1000
    monkeypatch.setattr(module, "EVENTS_MAX", 5)
    figures, _ = await commanded("{at: 0s, every: 1s, send: ClearCache}", Scripted(), for_s=10.5)
    assert len(figures["events"]) == 5
    assert figures["events_left_out"] == 6
    assert figures["totals"]["rounds"] == 11


def test_without_commands_there_is_no_commander() -> None:
    csms = cast("EmbeddedCsms", Scripted())
    note = print
    clears = a_scenario(commands="{at: 1s, send: ClearCache}")
    with RunFiles() as files:
        assert commander_of(a_scenario(), csms, files=files, note=note) is None
        assert commander_of(clears, None, files=files, note=note) is None
        assert commander_of(clears, csms, files=files, note=note) is not None
        assert files.figures() is None  # nobody needs a server


# ── whole runs ───────────────────────────────────────────────────────────────────────────────────


async def run_with(commands: str, path: Path, *, thresholds: str = "") -> Run:
    scenario = a_scenario(
        stages=("{do: ramp, to: 4, over: 200ms}", "{do: hold, for: 2s}", "{do: stop, over: 200ms}"),
        commands=commands,
        thresholds=thresholds,
    )
    return await a_run(scenario, path)


async def test_a_run_commands_its_chargers_and_is_judged_by_their_answers(tmp_path: Path) -> None:
    run = await run_with(
        "{at: 800ms, send: TriggerMessage, payload: {requestedMessage: Heartbeat}},"
        " {at: 1s, send: RemoteStopTransaction, to: {share: 50%},"
        "  payload: {transactionId: $transaction_id}},"
        " {at: 1200ms, send: DataTransfer, payload: {vendorId: $uploads}}",
        tmp_path / "run",
        thresholds='"command[RemoteStopTransaction].accepted_ratio": "== 1",'
        ' "command[RemoteStopTransaction].sent": "== 2", "command.unexpected": "== 0",'
        ' "command.answered.p99": "< 1s"',
    )
    sent = run.summary["scenario_commands"]
    assert sent["by_action"]["TriggerMessage"]["statuses"] == {"Accepted": 4}
    assert run.summary["calls"]["Heartbeat"]["count"] >= 4
    assert run.summary["uploads"]["received"] == 0
    assert [event["send"] for event in sent["events"]] == [
        "TriggerMessage",
        "RemoteStopTransaction",
        "DataTransfer",
    ]
    # Chargers do not know the vendor, so the run misses one threshold and says who answered what.
    assert run.result == "threshold_failed"
    assert sent["totals"]["unexpected"] == 4
    kinds = [problem["kind"] for problem in run.problems]
    assert kinds == ["command:DataTransfer:UnknownVendorId"] * 4
    assert run.finished.verdict.reasons == ["threshold: command.unexpected == 0: was 4"]
