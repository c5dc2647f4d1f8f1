"""Clocks for the event loop that jump, or run faster than real time."""

from __future__ import annotations

import time

import pytest
import trio

from simfleet.load.clocks import ScaledClock, VirtualClock, VirtualClockwork


def test_a_virtual_day_passes_in_no_time_and_lands_on_every_deadline() -> None:
    woken: list[float] = []

    async def main() -> None:
        began_s = trio.current_time()
        for hour in (0.1, 7, 24):
            await trio.sleep_until(began_s + hour * 3600)
            woken.append(trio.current_time() - began_s)

    began_s = time.perf_counter()
    trio.run(main, clock=VirtualClock(1000.0))
    assert woken == [360.0, 25_200.0, 86_400.0]
    assert time.perf_counter() - began_s < 5


def test_a_virtual_clock_stands_still_while_a_thread_works() -> None:
    async def main() -> float:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep, 3600)
            await trio.to_thread.run_sync(time.sleep, 0.05)
            passed_s = trio.current_time()
            nursery.cancel_scope.cancel()
        return passed_s

    assert trio.run(main, clock=VirtualClock()) == 0.0


class _Noting:
    def __init__(self, clockwork: VirtualClockwork) -> None:
        self.rung: list[float] = []
        self._clockwork = clockwork

    def ring(self, at_s: float) -> None:
        self.rung.append(at_s)
        if len(self.rung) < 3:
            self._clockwork.set(self, at_s + 100.0)


def test_alarms_ring_at_their_time_and_before_what_tasks_do_later() -> None:
    clock = VirtualClock()

    async def main() -> list[float]:
        clockwork = VirtualClockwork(clock)
        sleeper = _Noting(clockwork)
        clockwork.set(sleeper, 50.0)
        async with trio.open_nursery() as nursery:
            await nursery.start(clockwork.run)
            await trio.sleep_until(200.0)
            seen = [*sleeper.rung, trio.current_time()]
            await trio.sleep_until(300.0)
            nursery.cancel_scope.cancel()
        return [*seen, *sleeper.rung]

    assert trio.run(main, clock=clock) == [50.0, 150.0, 200.0, 50.0, 150.0, 250.0]


def test_a_posted_call_is_made_before_the_clock_jumps() -> None:
    clock = VirtualClock()
    seen: list[float] = []

    async def main() -> None:
        clock.post(lambda: seen.append(trio.current_time()))
        await trio.sleep(10)

    trio.run(main, clock=clock)
    assert seen == [0.0]


def test_a_scaled_clock_runs_so_many_times_as_fast() -> None:
    async def main() -> float:
        began_s = trio.current_time()
        await trio.sleep(5)
        return trio.current_time() - began_s

    began_s = time.perf_counter()
    passed_s = trio.run(main, clock=ScaledClock(50))
    real_s = time.perf_counter() - began_s
    assert passed_s >= 5
    assert 0.1 <= real_s < 5


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan")])
def test_a_clock_does_not_run_backwards(scale: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        ScaledClock(scale)
