"""Chargers kept alive: crashes are contained, counted and repaired; nothing is left behind."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import pytest
import trio

from builders_fleet import EPOCH_S, HOUR_S, Fleet, a_fleet
from simfleet.fleet.actor import Charger
from simfleet.fleet.backoff import CRASH_PAUSE_MAX_S
from simfleet.fleet.orders import Leave, Mode
from simfleet.fleet.supervisor import Vacancy
from simfleet.station.chance import Chance
from simfleet.station.configuration import Configuration
from simfleet.station.events import PluggedIn
from simfleet.station.station import Station

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from simfleet.fleet.plan import ChargerPlan


class Fragile(Charger):
    """A charger with a bug: `run` raises `after_s` seconds into its life."""

    after_s: float

    async def run(self) -> None:
        with trio.move_on_after(self.after_s):
            return await super().run()
        raise KeyError("a bug of ours")


class BuggyStation(Station):
    """A station with a bug: from `fails_at_s` on, its ticks raise."""

    fails_at_s: float

    def tick(self, *, at_s: float) -> None:
        if at_s >= self.fails_at_s:
            raise ZeroDivisionError("a bug of ours")
        super().tick(at_s=at_s)


def fragile(
    identity: str = "CP-0001", *, after_s: Callable[[int], float | None] = lambda _: 5.0
) -> Callable[[ChargerPlan, Mode, Fleet], Charger]:
    """A factory whose charger `identity` crashes in life number n (from 0) after so long (None:
    never).
    """
    lives = itertools.count()

    def make(plan: ChargerPlan, mode: Mode, fleet: Fleet) -> Charger:
        station = plan.build(wall_offset_s=EPOCH_S)
        if plan.identity == identity:
            life_s = after_s(next(lives))
            if life_s is not None:
                charger = Fragile(station, fleet.surroundings, mode=mode)
                charger.after_s = life_s
                return charger
        return Charger(station, fleet.surroundings, mode=mode)

    return make


# ── crashes ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_crash_is_counted_with_its_traceback_and_the_others_go_on(
    autojump_clock: MockClock,
) -> None:
    make = fragile(after_s=lambda life: 5.0 if life < 3 else None)
    async with a_fleet(chargers=3, make=make) as fleet:
        await fleet.settle(3, Mode.CONNECT, for_s=HOUR_S)
        crashes = fleet.recorder.counters.crashes
        assert crashes.total == 3
        assert {kept["charger"] for kept in crashes.kept} == {"CP-0001"}
        assert "a bug of ours" in crashes.kept[0]["traceback"]
        assert "test_supervisor.py" in crashes.kept[0]["traceback"]
        assert [p.kind for p in fleet.recorder.problems if p.charger_id == "CP-0001"] == [
            "crash"
        ] * 3
        assert fleet.recorder.counters.connect.connected == 3
        opened = [identity for _, identity in fleet.wire.opened]
        assert sorted(opened) == ["CP-0000"] + ["CP-0001"] * 4 + ["CP-0002"]
        assert len(fleet.wire.of("CP-0001", "BootNotification")) == 4
        await fleet.stop()


async def test_a_charger_that_always_crashes_is_restarted_with_growing_pauses(
    autojump_clock: MockClock,
) -> None:
    starts: list[float] = []

    def note(_: int) -> float:
        starts.append(trio.current_time())
        return 0.0

    async with a_fleet(chargers=2, make=fragile(after_s=note)) as fleet:
        await fleet.settle(2, Mode.CONNECT, for_s=4 * HOUR_S)
        pauses = [after - before for before, after in itertools.pairwise(starts)]
        assert pauses[0] <= 2.0
        assert CRASH_PAUSE_MAX_S * 0.9 < max(pauses) <= CRASH_PAUSE_MAX_S
        assert sum(pauses[6:]) / len(pauses[6:]) == pytest.approx(CRASH_PAUSE_MAX_S / 2, rel=0.15)
        await fleet.stop()


async def test_crashes_an_hour_apart_are_no_series(autojump_clock: MockClock) -> None:
    starts: list[float] = []

    def note(_: int) -> float:
        starts.append(trio.current_time())
        return HOUR_S

    async with a_fleet(chargers=2, make=fragile(after_s=note)) as fleet:
        await fleet.settle(2, Mode.CONNECT, for_s=24 * HOUR_S)
        pauses = [after - before - HOUR_S for before, after in itertools.pairwise(starts)]
        assert len(pauses) > 20
        assert max(pauses) <= 2.0
        await fleet.stop()


async def test_a_charger_that_cannot_be_made_does_not_take_the_fleet_down(
    autojump_clock: MockClock,
) -> None:
    attempts = 0

    def make(plan: ChargerPlan, mode: Mode, fleet: Fleet) -> Charger:
        nonlocal attempts
        if plan.index == 0:
            attempts += 1
            if attempts <= 4:
                raise ValueError("no such model")
        return Charger(plan.build(wall_offset_s=EPOCH_S), fleet.surroundings, mode=mode)

    async with a_fleet(chargers=2, make=make) as fleet:
        await fleet.settle(2, Mode.CONNECT, for_s=1)
        assert "CP-0000" in fleet.supervisor.chargers
        await trio.sleep(5 * CRASH_PAUSE_MAX_S)
        assert attempts == 5
        assert fleet.recorder.counters.crashes.total == 4
        assert fleet.recorder.counters.connect.connected == 2
        await fleet.stop()


async def test_a_crash_in_a_transaction_breaks_the_ledger_once_and_is_not_hidden(
    autojump_clock: MockClock,
) -> None:
    lives = itertools.count()

    def make(plan: ChargerPlan, mode: Mode, fleet: Fleet) -> Charger:
        station = BuggyStation(
            plan.identity,
            plan.spec,
            Configuration(plan.factory),
            chance=Chance.of(plan.seed, plan.index),
            wall_offset_s=EPOCH_S,
        )
        station.fails_at_s = 60.0 if next(lives) == 0 else math.inf
        return Charger(station, fleet.surroundings, mode=mode)

    async with a_fleet(make=make) as fleet:
        await fleet.settle(1, Mode.CHARGING, for_s=30)
        assert fleet.ledger.still_open == 1
        await trio.sleep(HOUR_S)
        await fleet.stop()
        books = fleet.ledger.snapshot()
        assert books["transactions_abandoned"] == 1
        assert books["transactions_opened"] == books["transactions_closed"] + 1
        assert books["transactions_open"] == 0
        assert books["stopped_twice"] == 0
        assert fleet.recorder.counters.disconnects["crashed"] == 1


# ── orders during a crash ───────────────────────────────────────────────────────────────────────


async def crashed(fleet: Fleet) -> None:
    """Until the charger of `fragile` has crashed and waits to be made anew."""
    fleet.mass.apply(2, Mode.CONNECT)
    await fleet.until(lambda: fleet.recorder.counters.crashes.total > 0, within_s=20)
    while not isinstance(fleet.supervisor.chargers["CP-0001"], Vacancy):  # noqa: ASYNC110
        await trio.sleep(1.0)


async def test_who_is_sent_away_while_it_is_down_does_not_come_back(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(chargers=2, make=fragile(after_s=lambda _: 0.0)) as fleet:
        await crashed(fleet)
        lives = fleet.recorder.counters.crashes.total
        await fleet.stop(within_s=1)
        assert fleet.recorder.counters.crashes.total == lives


async def test_a_mode_wished_while_it_is_down_is_the_one_it_comes_back_in(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(
        chargers=2, make=fragile(after_s=lambda life: 0.0 if life < 5 else None)
    ) as fleet:
        await crashed(fleet)
        await fleet.settle(2, Mode.CHARGING, for_s=HOUR_S)
        assert fleet.charger(1).mode is Mode.CHARGING
        assert len(fleet.wire.of("CP-0001", "StartTransaction")) > 0
        await fleet.stop()


async def test_an_event_for_a_charger_that_is_down_is_not_taken(autojump_clock: MockClock) -> None:
    async with a_fleet(chargers=2, make=fragile(after_s=lambda _: 0.0)) as fleet:
        await crashed(fleet)
        vacancy = fleet.supervisor.chargers["CP-0001"]
        assert not vacancy.post(PluggedIn())
        assert not vacancy.online


async def test_who_crashes_while_leaving_is_not_made_again(autojump_clock: MockClock) -> None:
    async with a_fleet(chargers=2, make=fragile(after_s=lambda _: 30.0)) as fleet:
        await fleet.settle(2, Mode.CHARGING, for_s=25)
        fleet.csms.freeze(HOUR_S)
        for charger in list(fleet.supervisor.chargers.values()):
            charger.post(Leave(trio.current_time() + 60))
        await trio.sleep(20)
        assert list(fleet.supervisor.chargers) == ["CP-0000"]
        assert fleet.recorder.counters.crashes.total == 1


# ── batches and the end ─────────────────────────────────────────────────────────────────────────


def tasks_now() -> int:
    """Tasks of this run of Trio."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    count, todo = 0, [root]
    while todo:
        task = todo.pop()
        count += 1
        for nursery in task.child_nurseries:
            todo.extend(nursery.child_tasks)
    return count


async def test_chargers_live_in_batches_that_end_with_their_last_charger(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(chargers=23, batch_chargers=5) as fleet:
        before = tasks_now()
        await fleet.settle(23, Mode.IDLE)
        assert tasks_now() == before + 23 + 5
        for _ in range(20):
            await fleet.settle(0, Mode.IDLE)
            await fleet.settle(23, Mode.IDLE)
        assert tasks_now() <= before + 23 + 6
        await fleet.settle(0, Mode.IDLE)
        assert tasks_now() <= before + 1


async def test_a_living_identity_cannot_be_started_again(autojump_clock: MockClock) -> None:
    async with a_fleet() as fleet:
        await fleet.settle(1, Mode.IDLE)
        with pytest.raises(ValueError, match="'CP-0000' is alive already"):
            await fleet.supervisor.start(fleet.plans[0], Mode.IDLE)


async def test_cancelling_the_supervisor_ends_all_at_once_and_leaves_no_task(
    autojump_clock: MockClock,
) -> None:
    before = tasks_now()
    async with a_fleet(chargers=40, batch_chargers=7) as fleet:
        await fleet.settle(30, Mode.CHARGING, for_s=30)
        fleet.csms.freeze(HOUR_S)  # nobody can say goodbye
        fleet.mass.apply(40, Mode.CHARGING, over_s=100.0)
        await trio.sleep(50)
        at_s = trio.current_time()
    assert trio.current_time() == at_s
    assert tasks_now() == before
    assert fleet.supervisor.chargers == {}
    assert fleet.recorder.counters.connect.connected == 0
    assert fleet.recorder.counters.disconnects["cancelled"] == 35
    assert fleet.ledger.still_open == 0
    assert fleet.ledger.abandoned >= 30


async def test_several_may_wait_for_the_last_charger(autojump_clock: MockClock) -> None:
    async with a_fleet(chargers=3) as fleet:
        await fleet.settle(3, Mode.CONNECT)
        done: list[int] = []

        async def wait(n: int) -> None:
            await fleet.supervisor.wait_empty()
            done.append(n)

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for n in range(3):
                    nursery.start_soon(wait, n)
                await trio.sleep(1)
                fleet.mass.apply(0, Mode.CONNECT, over_s=10.0)
        assert sorted(done) == [0, 1, 2]


async def test_an_empty_supervisor_is_empty_at_once(autojump_clock: MockClock) -> None:
    async with a_fleet() as fleet:
        with trio.fail_after(0.001):
            await fleet.supervisor.wait_empty()
