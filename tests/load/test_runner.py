"""Whole runs: in memory on a simulated clock, and against the embedded CSMS on real sockets."""

from __future__ import annotations

import math
import os
import signal
import time
from typing import TYPE_CHECKING, Any, cast

import msgspec
import psutil
import pytest
import trio
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from builders_load import MEMORY, QUICK, Run, Twice, a_run, a_scenario, on_dialling, run_in_memory
from simfleet.csms.behaviour import Behaviour, Delay
from simfleet.csms.embedded import embedded_csms
from simfleet.csms.server import Csms
from simfleet.errors import ConnectFailed, ConnectReason, LinkClosed, TargetUnreachable
from simfleet.fleet.mass import DRAIN_MAX_S
from simfleet.link.memory import MemoryNetwork
from simfleet.link.opening import open_link
from simfleet.load.progress import headline
from simfleet.load.stages.plain import RAMP_GRACE_S
from simfleet.observe.histogram import LATENCY_DIGITS, LATENCY_MAX_US, FastHistogram

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from simfleet.link.link import Dialer, Link
    from simfleet.load.progress import Progress
    from simfleet.load.runner import Runner

CONNECT = "mode: connect"


def stages_of(run: Run) -> list[tuple[str, bool, int, int]]:
    return [
        (stage["do"], stage["complete"], stage["chargers"], stage["connected"])
        for stage in run.summary["stages"]
    ]


def merged_log(path: Path) -> dict[str, FastHistogram]:
    """`run.hlog`, each tag added up, as a user's own script would."""
    shape = HdrHistogram(1, LATENCY_MAX_US, LATENCY_DIGITS)
    reader = HistogramLogReader(str(path / "run.hlog"), shape)
    merged: dict[str, FastHistogram] = {}
    for interval in iter(reader.get_next_interval_histogram, None):
        merged.setdefault(interval.get_tag(), FastHistogram()).add(interval)
    reader.close()
    return merged


def assert_log_and_stages_add_up(run: Run) -> None:
    merged, latencies = merged_log(run.path), run.runner.recorder.latencies
    assert {tag.split(".")[0] for tag in merged} == {
        a for a in latencies.actions if latencies.count(a)
    }
    for action in latencies.actions:
        for kind in ("response", "service"):
            tag = f"{action}.{kind}"
            whole = latencies.histogram(action, kind)
            if whole.total_count:
                assert merged[tag].encode() == whole.encode(), tag
            counts = [s["calls"].get(tag, {"count": 0})["count"] for s in run.summary["stages"]]
            assert sum(counts) == run.summary["calls"][action]["count"], tag


# ── stages ───────────────────────────────────────────────────────────────────────────────────────


def test_stages_are_told_in_their_order_with_what_they_ended_with(tmp_path: Path) -> None:
    run = run_in_memory(
        a_scenario(
            chargers=6,
            target=MEMORY,
            stages=[
                "{do: ramp, to: 6, over: 2s, mode: connect}",
                "{do: hold, for: 20s}",
                "{do: ramp, to: 2, over: 2s, mode: charging}",
                "{do: hold, for: 10s}",
                "{do: stop, over: 1s}",
            ],
        ),
        tmp_path,
    )
    assert run.result == "passed"
    assert stages_of(run) == [
        ("ramp", True, 6, 6),
        ("hold", True, 6, 6),
        ("ramp", True, 2, 2),
        ("hold", True, 2, 2),
        ("stop", True, 0, 0),
    ]
    first, second, third, *_, last = run.summary["stages"]
    assert first["began_s"] == 0
    assert first["ended_s"] == pytest.approx(2, abs=0.3)
    assert second["ended_s"] - second["began_s"] == pytest.approx(20, abs=0.1)
    assert last["began_s"] < last["ended_s"] <= run.summary["load_s"]
    assert first["detail"] == "ramp to 6 connect over 2 s"
    assert first["calls"]["BootNotification.response"]["count"] == 6
    assert "BootNotification.response" not in third["calls"]
    assert run.summary["chargers"]["connected_peak"] == 6
    assert run.summary["chargers"]["connected_min"] == 2
    assert_log_and_stages_add_up(run)


def test_connections_min_ignores_ramp_and_stop(tmp_path: Path) -> None:
    run = run_in_memory(a_scenario(target=MEMORY), tmp_path)
    assert run.summary["chargers"]["connected_min"] == 4


def test_a_link_lost_during_a_hold_is_in_connections_min(tmp_path: Path) -> None:
    run = run_in_memory(a_scenario(target=MEMORY), tmp_path, behaviour=Behaviour(close_after=12))
    assert run.summary["chargers"]["connected_min"] < 4
    assert run.summary["chargers"]["connected_peak"] == 4
    assert run.summary["disconnects"]["closed"] > 0
    assert {problem["kind"] for problem in run.problems} == {"link:closed"}


def test_a_scenario_without_stop_stage_still_stops_everything(tmp_path: Path) -> None:
    run = run_in_memory(
        a_scenario(target=MEMORY, stages=["{do: ramp, to: 4, over: 1s}", "{do: hold, for: 5s}"]),
        tmp_path,
    )
    assert run.result == "passed"
    assert stages_of(run)[-1] == ("stop", True, 0, 0)
    assert run.summary["stages"][-1]["detail"] == "stop the last 4 chargers"
    assert run.summary["transactions"]["started"] == run.summary["transactions"]["stopped"] == 4
    assert run.broken == set()


def test_a_fleet_of_no_chargers_runs_its_stages(tmp_path: Path) -> None:
    stages = ["{do: ramp, to: 0, over: 1s}", "{do: hold, for: 2s}", "{do: stop, over: 1s}"]
    run = run_in_memory(a_scenario(chargers=0, target=MEMORY, stages=stages), tmp_path)
    assert run.result == "passed"
    assert [do for do, *_ in stages_of(run)] == ["ramp", "hold", "stop"]
    assert run.summary["connect"]["attempts"] == 0
    assert run.summary["calls"] == {}


def test_an_idle_fleet_opens_no_sockets(tmp_path: Path) -> None:
    stages = ["{do: ramp, to: 4, over: 1s, mode: idle}", "{do: hold, for: 5s}"]
    run = run_in_memory(a_scenario(target=MEMORY, stages=stages), tmp_path)
    assert run.result == "passed"
    assert run.summary["connect"]["attempts"] == 0
    assert run.summary["chargers"]["failed"] == 0
    assert stages_of(run)[0] == ("ramp", True, 4, 0)


def test_a_ramp_waits_for_its_last_charger_but_not_for_ever(tmp_path: Path) -> None:
    run = run_in_memory(
        a_scenario(target=MEMORY, thresholds='chargers.failed: "== 0"'),
        tmp_path,
        behaviour=Behaviour(boot="rejected"),
    )
    assert run.summary["stages"][0]["ended_s"] == pytest.approx(0.5 + RAMP_GRACE_S, abs=0.5)
    assert run.summary["chargers"]["failed"] == 4
    assert run.result == "threshold_failed"
    assert run.finished.verdict.reasons == [
        "chargers: 4 of 4 were never accepted",
        "threshold: chargers.failed == 0: was 4",
    ]
    assert any("waiting for 4" in text for text in map(headline, run.seen))


def test_seconds_to_all_is_the_time_the_ramp_took(tmp_path: Path) -> None:
    stages = ["{do: ramp, to: 4, over: 8s, mode: connect}", "{do: stop, over: 0s}"]
    run = run_in_memory(a_scenario(target=MEMORY, stages=stages), tmp_path)
    assert run.summary["connect"]["seconds_to_all"] == pytest.approx(6.0, abs=0.1)


def test_the_same_seed_gives_the_same_sessions(tmp_path: Path) -> None:
    def figures(name: str, seed: int) -> list[Any]:
        summary = run_in_memory(a_scenario(target=MEMORY, seed=seed), tmp_path / name).summary
        calls = {action: call["count"] for action, call in summary["calls"].items()}
        return [calls, summary["transactions"], summary["load_s"]]

    assert figures("first", 5) == figures("again", 5)
    assert figures("first again", 5) != figures("other", 6)


def test_progress_comes_once_a_second(tmp_path: Path) -> None:
    stages = ["{do: ramp, to: 4, over: 500ms}", "{do: hold, for: 3s}", "{do: stop, over: 0s}"]
    run = run_in_memory(a_scenario(target=MEMORY, stages=stages), tmp_path)
    assert [round(progress.elapsed_s) for progress in run.seen[:3]] == [1, 2, 3]
    middle = run.seen[2]
    assert (middle.wanted, middle.connected, middle.booted, middle.transactions) == (4, 4, 4, 4)
    assert middle.stage == "hold 3 s"
    assert 0 < middle.stage_left_s < 3


# ── times ────────────────────────────────────────────────────────────────────────────────────────


def test_service_times_are_what_the_csms_took_and_response_times_what_was_waited(
    tmp_path: Path,
) -> None:
    slow = Behaviour(action_delays={"MeterValues": Delay(low_s=1.5, high_s=1.5)})
    stages = ["{do: ramp, to: 4, over: 1s}", "{do: hold, for: 30s}", "{do: stop, over: 1s}"]
    run = run_in_memory(a_scenario(target=MEMORY, stages=stages), tmp_path, behaviour=slow)
    values = run.summary["calls"]["MeterValues"]
    assert values["service_ms"]["p50"] == pytest.approx(1500, rel=0.01)
    # One a second is due and one in 1.5 s is answered: the queue grows all along.
    assert values["response_ms"]["p50"] > 5000
    assert values["response_ms"]["max"] > 10_000
    assert run.broken == set()
    assert_log_and_stages_add_up(run)


# ── refused before any load ──────────────────────────────────────────────────────────────────────


async def test_a_target_that_refuses_is_refused_before_any_load(tmp_path: Path) -> None:
    network = MemoryNetwork()
    with pytest.raises(TargetUnreachable, match="nobody listens there"):
        await a_run(a_scenario(target=MEMORY), tmp_path, dial=network.dial)


# ── the ledger, the generator ────────────────────────────────────────────────────────────────────


def test_books_that_do_not_add_up_break_the_ledger(tmp_path: Path) -> None:
    def lose_a_stop(runner: Runner) -> None:
        runner.recorder.ledger.opened += 1

    run = run_in_memory(a_scenario(target=MEMORY), tmp_path, before=lose_a_stop)
    assert run.result == "ledger_broken"
    assert run.broken == {"starts_equal_stops", "starts_delivered"}
    assert run.summary["ledger"]["balanced"] is False


def test_a_charger_that_crashes_is_made_anew_and_never_passed_over(tmp_path: Path) -> None:
    crashed: list[str] = []

    def around(dial: Dialer) -> Dialer:
        def before(identity: str) -> None:
            if identity == "T-02" and len(crashed) < 2:
                crashed.append(identity)
                raise RuntimeError("a bug made on purpose")

        return on_dialling(dial, before=before)

    run = run_in_memory(a_scenario(target=MEMORY), tmp_path, around=around)
    assert run.summary["chargers"]["crashed"] == 2
    assert run.summary["chargers"]["booted"] == 4
    assert "a bug made on purpose" in run.summary["crashes"][0]["traceback"]
    assert run.result == "ledger_broken"
    assert run.broken == {"no_crashes"}
    assert [p["kind"] for p in run.problems] == ["crash", "crash"]


async def test_a_generator_that_cannot_keep_up_makes_the_run_invalid(tmp_path: Path) -> None:
    def starve(_: Progress) -> None:
        time.sleep(0.4)  # of every second: what nobody may do on the event loop

    network, csms = MemoryNetwork(), Csms()
    stages = [f"{{do: ramp, to: 4, over: 0s, {CONNECT}}}", "{do: hold, for: 2s}"]
    async with trio.open_nursery() as nursery:
        await nursery.start(network.serve, csms.handle)
        run = await a_run(
            a_scenario(target=MEMORY, stages=stages, thresholds='call.count: "> 1"'),
            tmp_path,
            dial=network.dial,
            watch=starve,
        )
        nursery.cancel_scope.cancel()
    assert run.result == "invalid"
    assert run.summary["verdict"]["generator"] == "INVALID"
    assert "event loop ran" in run.finished.verdict.reasons[0]


# ── signals ──────────────────────────────────────────────────────────────────────────────────────


def interrupting(
    *at_s: float, number: signal.Signals = signal.SIGINT
) -> Callable[[Progress], None]:
    """Send this process a signal at each of these seconds of the load."""
    left = list(at_s)

    def watch(progress: Progress) -> None:
        while left and progress.elapsed_s >= left[0]:
            left.pop(0)
            signal.raise_signal(number)

    return watch


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_stops_the_fleet_in_order(tmp_path: Path, number: signal.Signals) -> None:
    run = run_in_memory(
        a_scenario(target=MEMORY, stages=["{do: ramp, to: 4, over: 1s}", "{do: hold, for: 500s}"]),
        tmp_path,
        watch=interrupting(8, number=number),
    )
    assert run.result == "interrupted"
    assert run.finished.verdict.reasons == [f"interrupted by {number.name}"]
    assert stages_of(run) == [
        ("ramp", True, 4, 4),
        ("hold", False, 4, 4),
        ("stop", True, 0, 0),
    ]
    assert run.summary["load_s"] < 100
    assert run.summary["transactions"]["started"] == run.summary["transactions"]["stopped"] == 4
    assert run.summary["ledger"]["balanced"] is True
    assert_log_and_stages_add_up(run)


def test_a_signal_in_the_middle_of_a_ramp_stops_what_had_started(tmp_path: Path) -> None:
    run = run_in_memory(
        a_scenario(target=MEMORY, stages=["{do: ramp, to: 4, over: 100s}", "{do: hold, for: 9s}"]),
        tmp_path,
        watch=interrupting(60),
    )
    assert stages_of(run) == [("ramp", False, 3, 3), ("stop", True, 0, 0)]
    assert run.summary["transactions"]["started"] == run.summary["transactions"]["stopped"] == 3
    assert run.summary["ledger"]["balanced"] is True


def test_a_second_signal_cuts_everything_off(tmp_path: Path) -> None:
    # The CSMS answers no stop, so an orderly end would take a minute.
    stuck = Behaviour(never_answer=frozenset({"StopTransaction"}))
    run = run_in_memory(
        a_scenario(target=MEMORY, stages=["{do: ramp, to: 4, over: 1s}", "{do: hold, for: 99s}"]),
        tmp_path,
        behaviour=stuck,
        watch=interrupting(8, 10, 11),
    )
    assert run.result == "interrupted"
    assert run.finished.verdict.reasons[0] == "interrupted by SIGINT, cut off by another signal"
    assert run.summary["load_s"] < 50  # an orderly end takes a minute
    assert [stage[:3] for stage in stages_of(run)[1:]] == [("hold", False, 4), ("stop", False, 0)]
    assert run.summary["ledger"]["balanced"] is None
    assert run.summary["ledger"]["checks"] == []
    assert_log_and_stages_add_up(run)


# ── against the embedded CSMS, on sockets ────────────────────────────────────────────────────────


SHORT = ["{do: ramp, to: 4, over: 200ms}", "{do: hold, for: 1s}", "{do: stop, over: 200ms}"]


async def test_the_books_of_the_embedded_csms_agree_with_ours(tmp_path: Path) -> None:
    run = await a_run(a_scenario(stages=SHORT), tmp_path)
    assert run.result == "passed", run.finished.verdict
    ledger = run.summary["ledger"]
    assert ledger["balanced"] is True
    assert ledger["csms"]["starts"] == ledger["csms"]["stops"] == 4
    assert ledger["csms"]["calls"] == {
        action: call["count"] for action, call in run.summary["calls"].items()
    }
    assert_log_and_stages_add_up(run)


async def test_a_stop_sent_twice_is_found_in_the_books_of_the_embedded_csms(
    tmp_path: Path,
) -> None:
    dial = on_dialling(open_link, after=lambda _, link: Twice(link, b"StopTransaction"))
    run = await a_run(a_scenario(stages=SHORT), tmp_path, dial=dial)
    assert run.result == "ledger_broken"
    assert run.broken >= {"csms_stopped_twice"}
    assert any("stopped twice at the CSMS: 4" in reason for reason in run.finished.verdict.reasons)


async def test_an_embedded_csms_that_is_killed_ends_the_run_at_once(tmp_path: Path) -> None:
    before = children()

    def kill(progress: Progress) -> None:
        if progress.elapsed_s > 1.5:
            for pid in children() - before:
                os.kill(pid, signal.SIGKILL)

    stages = ["{do: ramp, to: 4, over: 200ms}", "{do: hold, for: 60s}"]
    with trio.fail_after(15):
        run = await a_run(a_scenario(stages=stages), tmp_path, watch=kill)
    assert run.result == "target_lost"
    assert run.finished.verdict.reasons[0] == "the embedded CSMS was killed by signal 9"
    assert run.summary["ledger"]["balanced"] is None
    assert stages_of(run)[-1][:2] == ("hold", False)
    assert children() == before
    assert_log_and_stages_add_up(run)


def children() -> set[int]:
    """The processes that this one has started and that have not ended."""
    return {
        child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE
    }


async def test_a_password_reaches_both_sides(tmp_path: Path) -> None:
    scenario = a_scenario(stages=[f"{{do: ramp, to: 4, over: 200ms, {CONNECT}}}"])
    target = msgspec.structs.replace(scenario.target, password="s3cret")
    run = await a_run(msgspec.structs.replace(scenario, target=target), tmp_path)
    assert run.result == "passed"
    assert run.summary["chargers"]["booted"] == 4


async def test_another_csms_on_sockets_is_asked_first_and_keeps_no_books(tmp_path: Path) -> None:
    asked: list[str] = []
    dial = on_dialling(open_link, before=asked.append)
    async with embedded_csms() as csms:
        scenario = a_scenario(target=f"{csms.url}/some/prefix", stages=SHORT)
        run = await a_run(scenario, tmp_path, dial=dial)
        books: dict[str, Any] = await csms.ledger()
    assert run.result == "passed"
    assert asked[0] == "T-01"
    assert len(asked) == 5
    assert books["connections"] == 5
    assert run.summary["ledger"]["csms"] is None
    assert run.summary["connect"]["attempts"] == 4


async def test_connects_that_fail_are_counted_by_reason(tmp_path: Path) -> None:
    failed: set[str] = set()

    def before(identity: str) -> None:
        if identity != "T-01" and identity not in failed:
            failed.add(identity)
            raise ConnectFailed(ConnectReason.RESET, "cut on purpose")

    dial = on_dialling(open_link, before=before)
    stages = [f"{{do: ramp, to: 4, over: 200ms, {CONNECT}}}"]
    run = await a_run(
        a_scenario(stages=stages, thresholds='connect.failures: "== 0"'), tmp_path, dial=dial
    )
    assert run.summary["connect"]["failures"] == {"reset": 3}
    assert run.summary["connect"]["attempts"] == 7
    assert run.result == "threshold_failed"
    assert [problem["kind"] for problem in run.problems] == ["connect:reset"] * 3


def vanishing(after_s: float, back_s: float = math.inf, *, status: int | None = None) -> Any:
    """A network whose CSMS is gone from `after_s` to `back_s` of the run."""

    def around(dial: Dialer) -> Dialer:
        began_s = trio.current_time()

        def gone() -> bool:
            return after_s <= trio.current_time() - began_s < back_s

        def before(_: str) -> None:
            if gone():
                reason = ConnectReason.REFUSED if status is None else ConnectReason.HTTP_STATUS
                raise ConnectFailed(reason, "gone", status=status)

        def after(_: str, link: Link) -> Link:
            return cast("Link", UntilGone(link, gone))

        return on_dialling(dial, before=before, after=after)

    return around


class UntilGone:
    """A link that is reset when its CSMS has gone."""

    def __init__(self, link: Link, gone: Callable[[], bool]) -> None:
        self._link = link
        self._gone = gone

    async def receive(self) -> bytes:
        frame = await self._link.receive()
        if self._gone():
            self._link.abort()
            raise LinkClosed("reset", "gone")
        return frame

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)


def test_a_target_that_vanishes_and_never_comes_back_is_lost(tmp_path: Path) -> None:
    run = run_in_memory(a_scenario(target=MEMORY), tmp_path, around=vanishing(3))
    assert run.result == "target_lost"
    first, *others = run.finished.verdict.reasons
    assert first.startswith("the target was lost 4 s into the load and did not come back")
    assert "(reset)" in first
    assert "refused)" in first
    assert any("queues_drained" in reason for reason in others)
    assert run.summary["load_s"] < 5.5 + DRAIN_MAX_S + 10


def test_a_target_that_comes_back_in_time_is_not_lost(tmp_path: Path) -> None:
    stages = [*QUICK[:1], "{do: hold, for: 2m}", *QUICK[2:]]
    run = run_in_memory(a_scenario(target=MEMORY, stages=stages), tmp_path, around=vanishing(3, 9))
    assert run.summary["connect"]["failures"]["refused"] > 0
    assert run.result == "passed"


@pytest.mark.parametrize(("status", "result"), [(503, "target_lost"), (401, "ledger_broken")])
def test_a_csms_that_answers_for_itself_is_there(tmp_path: Path, status: int, result: str) -> None:
    around = vanishing(3, status=status)
    run = run_in_memory(a_scenario(target=MEMORY), tmp_path, around=around)
    assert run.result == result


def test_a_run_in_which_no_charger_was_accepted_does_not_pass(tmp_path: Path) -> None:
    run = run_in_memory(a_scenario(target=MEMORY), tmp_path, behaviour=Behaviour(boot="rejected"))
    assert run.result == "threshold_failed"
    assert run.finished.verdict.reasons == ["chargers: 4 of 4 were never accepted"]
