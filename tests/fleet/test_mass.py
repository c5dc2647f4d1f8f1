"""A fleet brought to the wished size and mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from builders_fleet import EPOCH_S, HOUR_S, Fleet, a_fleet, sessions_of
from simfleet.csms.behaviour import Behaviour
from simfleet.fleet.actor import Charger
from simfleet.fleet.mass import STARTS_PER_S
from simfleet.fleet.orders import Mode
from simfleet.station.chance import Span
from simfleet.station.spec import Habits

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from simfleet.fleet.plan import ChargerPlan


def noting(births: list[tuple[float, str]]) -> Callable[[ChargerPlan, Mode, Fleet], Charger]:
    """A factory that notes when each charger was made."""

    def make(plan: ChargerPlan, mode: Mode, fleet: Fleet) -> Charger:
        births.append((trio.current_time(), plan.identity))
        return Charger(plan.build(wall_offset_s=EPOCH_S), fleet.surroundings, mode=mode)

    return make


def ids(numbers: range) -> list[str]:
    return [f"CP-{n:04}" for n in numbers]


async def deaths(fleet: Fleet, *, within_s: float) -> list[tuple[float, str]]:
    """When which charger was gone, watched every 10 ms."""
    began_s, seen, gone = trio.current_time(), list(fleet.supervisor.chargers), []
    while trio.current_time() < began_s + within_s:
        await trio.sleep(0.01)
        for identity in [one for one in seen if one not in fleet.supervisor.chargers]:
            seen.remove(identity)
            gone.append((trio.current_time() - began_s, identity))
    return gone


# ── pace and order ──────────────────────────────────────────────────────────────────────────────


async def test_chargers_start_in_order_and_exactly_evenly(autojump_clock: MockClock) -> None:
    births: list[tuple[float, str]] = []
    async with a_fleet(chargers=100, make=noting(births)) as fleet:
        await trio.sleep(3)
        fleet.mass.apply(100, Mode.IDLE, over_s=10.0)
        await fleet.mass.settled()
        assert trio.current_time() == pytest.approx(12.9)
        assert [identity for _, identity in births] == ids(range(100))
        assert [at_s for at_s, _ in births] == pytest.approx([3 + n / 10 for n in range(100)])


async def test_without_a_duration_the_pace_is_the_house_pace(autojump_clock: MockClock) -> None:
    births: list[tuple[float, str]] = []
    async with a_fleet(chargers=500, make=noting(births)) as fleet:
        fleet.mass.apply(500, Mode.IDLE)
        await fleet.mass.settled()
        assert births[-1][0] == pytest.approx(499 / STARTS_PER_S)


async def test_the_newest_leave_first_and_exactly_evenly(autojump_clock: MockClock) -> None:
    async with a_fleet(chargers=20) as fleet:
        await fleet.settle(20, Mode.CONNECT)
        fleet.mass.apply(10, Mode.CONNECT, over_s=20.0)
        gone = await deaths(fleet, within_s=30)
        assert [identity for _, identity in gone] == ids(range(10, 20))[::-1]
        assert [at_s for at_s, _ in gone] == pytest.approx([2.0 * n for n in range(10)], abs=0.02)
        assert fleet.mass.size == len(fleet.supervisor.chargers) == 10


async def test_a_pause_holds_everybody_and_the_rest_keeps_its_pace(
    autojump_clock: MockClock,
) -> None:
    births: list[tuple[float, str]] = []
    async with a_fleet(chargers=10, make=noting(births)) as fleet:
        fleet.mass.apply(10, Mode.IDLE, over_s=10.0)
        await trio.sleep(4.5)
        fleet.mass.pause()
        fleet.mass.pause()
        await trio.sleep(100)
        assert len(births) == fleet.mass.size == 5
        fleet.mass.resume()
        await fleet.mass.settled()
        expected = [float(n) for n in range(5)] + [100.0 + n for n in range(5, 10)]
        assert [at_s for at_s, _ in births] == pytest.approx(expected)


async def test_a_wish_made_in_a_pause_begins_when_it_is_over(autojump_clock: MockClock) -> None:
    births: list[tuple[float, str]] = []
    async with a_fleet(chargers=10, make=noting(births)) as fleet:
        fleet.mass.apply(10, Mode.IDLE, over_s=10.0)
        fleet.mass.pause()
        await trio.sleep(3)
        fleet.mass.apply(4, Mode.IDLE, over_s=4.0)
        await trio.sleep(7)
        assert births == []
        fleet.mass.resume()
        await fleet.mass.settled()
        assert [at_s for at_s, _ in births] == pytest.approx([10.0, 11.0, 12.0, 13.0])
        assert fleet.mass.most_settled == 0  # idle ones never go online


async def test_a_change_of_mode_is_paced_too(autojump_clock: MockClock) -> None:
    async with a_fleet(chargers=10) as fleet:
        await fleet.settle(10, Mode.IDLE)
        at_s = trio.current_time()
        fleet.mass.apply(10, Mode.CONNECT, over_s=50.0)
        await trio.sleep(60)
        assert [identity for _, identity in fleet.wire.opened] == ids(range(10))
        opened = [opened_s - at_s for opened_s, _ in fleet.wire.opened]
        assert opened == pytest.approx([5.0 * n for n in range(10)])


async def test_growing_and_changing_mode_in_one_wish_share_its_time(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(chargers=10) as fleet:
        await fleet.settle(4, Mode.IDLE)
        at_s = trio.current_time()
        fleet.mass.apply(10, Mode.CONNECT, over_s=10.0)
        await trio.sleep(11)
        assert [identity for _, identity in fleet.wire.opened] == ids(range(10))
        assert [t - at_s for t, _ in fleet.wire.opened] == pytest.approx(
            [float(n) for n in range(10)]
        )


async def test_shrinking_and_changing_mode_in_one_wish(autojump_clock: MockClock) -> None:
    async with a_fleet(chargers=6) as fleet:
        await fleet.settle(6, Mode.CHARGING, for_s=60)
        await fleet.settle(2, Mode.CONNECT, for_s=60)
        assert list(fleet.supervisor.chargers) == ids(range(2))
        assert [fleet.charger(n).mode for n in range(2)] == [Mode.CONNECT, Mode.CONNECT]
        fleet.assert_balanced()


# ── wishes ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("target", [-1, 6, 10**9])
async def test_a_target_out_of_range_is_refused_and_changes_nothing(
    target: int, autojump_clock: MockClock
) -> None:
    async with a_fleet(chargers=5) as fleet:
        await fleet.settle(3, Mode.IDLE)
        wish = fleet.mass.wish
        message = f"target is {target}; this fleet has 0 to 5 chargers"
        with pytest.raises(ValueError, match=message):
            fleet.mass.apply(target, Mode.CONNECT)
        assert fleet.mass.wish is wish
        assert fleet.mass.is_settled
        assert fleet.mass.size == 3


async def test_a_new_wish_replaces_the_old_wherever_it_had_got_to(
    autojump_clock: MockClock,
) -> None:
    births: list[tuple[float, str]] = []
    async with a_fleet(chargers=100, make=noting(births)) as fleet:
        fleet.mass.apply(100, Mode.CONNECT, over_s=100.0)
        await trio.sleep(40.5)
        assert fleet.mass.size == 41
        fleet.mass.apply(10, Mode.CONNECT, over_s=31.0)
        await trio.sleep(31)
        assert fleet.mass.size == len(fleet.supervisor.chargers) == 10
        assert len(births) == 41


async def test_of_two_wishes_at_once_the_last_holds(autojump_clock: MockClock) -> None:
    async with a_fleet(chargers=50) as fleet:
        fleet.mass.apply(50, Mode.CHARGING)
        fleet.mass.apply(20, Mode.CONNECT)
        fleet.mass.apply(30, Mode.IDLE)
        await fleet.mass.settled()
        await trio.sleep(HOUR_S)
        assert len(fleet.supervisor.chargers) == 30
        assert fleet.wire.opened == []


async def test_a_mode_wished_and_taken_back_at_once_leaves_it_as_it_was(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(chargers=2) as fleet:
        await fleet.settle(2, Mode.CHARGING, for_s=60)
        fleet.csms.freeze(20)  # they read their mail and cannot follow yet
        fleet.mass.apply(2, Mode.IDLE)
        await fleet.mass.settled()
        fleet.mass.apply(2, Mode.CHARGING)
        await fleet.mass.settled()
        await trio.sleep(HOUR_S)
        for n in range(2):
            assert fleet.charger(n).mode is Mode.CHARGING
            assert fleet.charger(n).online
            assert len(fleet.wire.of(f"CP-{n:04}", "StartTransaction")) > 1
        await fleet.stop()
        fleet.assert_balanced()


async def test_a_mode_that_was_not_read_yet_is_taken_back(autojump_clock: MockClock) -> None:
    async with a_fleet() as fleet:
        await fleet.settle(1, Mode.CONNECT)
        fleet.charger().post(Mode.IDLE)  # and before the charger's task runs:
        fleet.mass.apply(1, Mode.CONNECT)
        await fleet.mass.settled()
        await trio.sleep(60)
        assert fleet.charger().online


async def test_settled_waits_for_the_last_wish_even_if_another_caller_made_it(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(chargers=10) as fleet:
        settled: list[float] = []

        async def wish(target: int) -> None:
            fleet.mass.apply(target, Mode.IDLE, over_s=10.0)
            await fleet.mass.settled()
            settled.append(trio.current_time())

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wish, 10)
                await trio.sleep(4)
                nursery.start_soon(wish, 5)
        assert len(settled) == 2
        assert fleet.mass.size == 5
        assert fleet.mass.is_settled


async def test_settled_is_true_before_the_first_wish_and_false_during_one(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(chargers=4) as fleet:
        await fleet.mass.settled()
        fleet.mass.apply(4, Mode.IDLE, over_s=4.0)
        states = []
        for pause_s in (0.0, 2.9, 0.2):
            await trio.sleep(pause_s)
            states.append(fleet.mass.is_settled)
        assert states == [False, False, True]
        fleet.mass.apply(4, Mode.IDLE, over_s=1000.0)  # nothing to do
        with trio.fail_after(0.001):
            await fleet.mass.settled()


# ── up again before they were down ──────────────────────────────────────────────────────────────


async def test_who_is_wished_back_before_it_has_gone_stays_and_keeps_what_it_owes(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(chargers=5) as fleet:
        await fleet.settle(5, Mode.CHARGING, for_s=60)
        fleet.csms_down()
        await fleet.settle(0, Mode.CHARGING, for_s=5)
        assert len(fleet.supervisor.chargers) == 5  # they owe their stops
        await fleet.settle(4, Mode.CHARGING, for_s=1)
        assert fleet.mass.size == 4
        await fleet.csms_up()
        await trio.sleep(HOUR_S)
        assert list(fleet.supervisor.chargers) == ids(range(4))
        assert fleet.wire.count("BootNotification") == 5
        assert len(fleet.wire.of("CP-0000", "StartTransaction")) > 1
        await fleet.stop()
        fleet.assert_balanced()


async def test_down_and_up_again_does_not_hold_up_the_others(autojump_clock: MockClock) -> None:
    async with a_fleet(chargers=40) as fleet:
        await fleet.settle(20, Mode.CHARGING, for_s=60)
        fleet.csms.freeze(20)
        await fleet.settle(0, Mode.CHARGING, for_s=1)
        fleet.mass.apply(40, Mode.CONNECT, over_s=4.0)
        with trio.fail_after(4.0):
            await fleet.mass.settled()
        await trio.sleep(120)
        assert fleet.recorder.counters.connect.connected == 40
        assert all(fleet.charger(n).mode is Mode.CONNECT for n in range(40))
        fleet.assert_balanced()


async def test_who_went_and_is_wished_back_boots_anew(autojump_clock: MockClock) -> None:
    async with a_fleet(chargers=2) as fleet:
        await fleet.settle(2, Mode.CONNECT)
        await fleet.settle(0, Mode.CONNECT)
        await fleet.settle(2, Mode.CONNECT)
        assert fleet.wire.count("BootNotification") == 4


# ── size and sameness ───────────────────────────────────────────────────────────────────────────


async def test_a_thousand_chargers_live_through_an_hour(autojump_clock: MockClock) -> None:
    async with a_fleet(
        chargers=1000,
        behaviour=Behaviour(heartbeat_interval_s=1800),
        habits=Habits(energy_wh=Span(2_000.0, 20_000.0)),
        configuration={"MeterValueSampleInterval": "900"},
    ) as fleet:
        fleet.mass.apply(1000, Mode.CHARGING, over_s=60.0)
        await trio.sleep(HOUR_S)
        assert fleet.recorder.counters.connect.connected == 1000
        assert len(fleet.recorder.booted) == 1000
        fleet.mass.apply(0, Mode.CHARGING, over_s=10.0)
        await fleet.mass.settled()
        await fleet.supervisor.wait_empty()
        assert fleet.ledger.opened > 1500
        fleet.assert_balanced()


async def test_the_same_seed_gives_the_same_sessions_whatever_the_size_of_the_fleet(
    autojump_clock: MockClock,
) -> None:
    runs = []
    for chargers, seed in ((8, 42), (8, 42), (3, 42), (8, 43)):
        began_s = trio.current_time()
        async with a_fleet(chargers=chargers, seed=seed) as fleet:
            fleet.mass.apply(chargers, Mode.CHARGING, over_s=0.0)
            await trio.sleep(3 * HOUR_S)
            sessions = sessions_of(fleet.wire.calls)
        runs.append(
            {
                identity: [(round(at_s - began_s, 3), *rest) for at_s, *rest in events]
                for identity, events in sessions.items()
            }
        )
    first, again, small, other = runs
    assert all(len(events) > 6 for events in first.values())
    assert first == again
    assert small == {identity: first[identity] for identity in ids(range(3))}
    assert other != first
    assert len({tuple(events[0][2:3]) for events in first.values()}) == 8  # tags of their own


async def test_a_meter_goes_on_where_it_was_when_its_charger_comes_back(
    autojump_clock: MockClock,
) -> None:
    async with a_fleet(chargers=2, connectors=2) as fleet:
        for _ in range(3):
            await fleet.settle(2, Mode.CHARGING, for_s=HOUR_S)
            await fleet.stop()
        starts = fleet.wire.of("CP-0001", "StartTransaction")
        stops = fleet.wire.of("CP-0001", "StopTransaction")
        for connector_id in (1, 2):
            meters = [
                c.payload["meterStart"] for c in starts if c.payload["connectorId"] == connector_id
            ]
            assert len(meters) > 6
            assert meters == sorted(meters)
        assert max(call.payload["meterStop"] for call in stops) > 10_000
        fleet.assert_balanced()
