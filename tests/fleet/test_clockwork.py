from __future__ import annotations

import trio

from simfleet.fleet.clockwork import RINGS_MAX, Clockwork


class Listener:
    """Writes down when it is rung."""

    def __init__(self) -> None:
        self.rung_s: list[float] = []

    def ring(self, at_s: float) -> None:
        self.rung_s.append(at_s)


async def test_alarms_ring_when_they_are_due_whatever_the_order_they_were_set_in(
    autojump_clock: trio.testing.MockClock,
) -> None:
    clockwork, listener = Clockwork(), Listener()
    async with trio.open_nursery() as nursery:
        await nursery.start(clockwork.run)
        began_s = trio.current_time()
        for after_s in (5.0, 1.0, 3.0):
            clockwork.set(listener, began_s + after_s)
        await trio.sleep(10)
        assert [at_s - began_s for at_s in listener.rung_s] == [1.0, 3.0, 5.0]
        nursery.cancel_scope.cancel()


async def test_an_earlier_alarm_cuts_the_sleep_short(
    autojump_clock: trio.testing.MockClock,
) -> None:
    clockwork, listener = Clockwork(), Listener()
    async with trio.open_nursery() as nursery:
        await nursery.start(clockwork.run)
        clockwork.set(listener, trio.current_time() + 3600)
        await trio.sleep(1)
        began_s = trio.current_time()
        clockwork.set(listener, began_s + 2)
        clockwork.set(listener, began_s - 5)  # overdue already
        await trio.sleep(60)
        assert [at_s - began_s for at_s in listener.rung_s] == [0.0, 2.0]
        nursery.cancel_scope.cancel()


async def test_many_alarms_at_once_let_the_others_run_in_between(
    autojump_clock: trio.testing.MockClock,
) -> None:
    clockwork, listener = Clockwork(), Listener()
    seen: list[int] = []

    async def another() -> None:
        while len(listener.rung_s) < 10 * RINGS_MAX:
            seen.append(len(listener.rung_s))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        for _ in range(10 * RINGS_MAX):
            clockwork.set(listener, trio.current_time())
        nursery.start_soon(another)
        await nursery.start(clockwork.run)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert len(listener.rung_s) == 10 * RINGS_MAX
    assert any(0 < count < 10 * RINGS_MAX for count in seen)


async def test_it_says_whether_it_runs() -> None:
    clockwork = Clockwork()
    said = [clockwork.running]
    async with trio.open_nursery() as nursery:
        await nursery.start(clockwork.run)
        said.append(clockwork.running)
        nursery.cancel_scope.cancel()
    said.append(clockwork.running)
    assert said == [False, True, False]


async def test_a_listener_may_set_its_next_alarm_while_it_is_rung(
    autojump_clock: trio.testing.MockClock,
) -> None:
    clockwork = Clockwork()

    class Beating(Listener):
        def ring(self, at_s: float) -> None:
            super().ring(at_s)
            clockwork.set(self, at_s + 1)

    beating = Beating()
    async with trio.open_nursery() as nursery:
        await nursery.start(clockwork.run)
        clockwork.set(beating, trio.current_time() + 1)
        await trio.sleep(10.5)
        nursery.cancel_scope.cancel()
    assert len(beating.rung_s) == 10
