"""The cycle collector, kept calm."""

from __future__ import annotations

import gc
import weakref

import pytest
import trio

from simfleet.fleet.garbage import SWEEP_PERIOD_S, calm_garbage, sweep_garbage


class Node:
    """Refers to itself, so only the collector can free it."""

    def __init__(self) -> None:
        self.me = self


def test_the_collector_runs_only_when_told_inside_and_as_before_afterwards() -> None:
    assert gc.isenabled()
    with calm_garbage():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_comes_back_after_an_error() -> None:
    @calm_garbage()
    def fail() -> None:
        gc.freeze()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


async def test_a_sweep_frees_young_cycles_and_sets_the_rest_aside_until_the_end(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with calm_garbage():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sweep_garbage)
            young, old = Node(), Node()
            young_gone, old_gone = weakref.ref(young), weakref.ref(old)
            del young
            await trio.sleep(2.5 * SWEEP_PERIOD_S)
            assert young_gone() is None
            assert gc.get_freeze_count() > 0
            del old  # it has been set aside: it stays until the end
            await trio.sleep(2.5 * SWEEP_PERIOD_S)
            assert old_gone() is not None
            nursery.cancel_scope.cancel()
    gc.collect()
    assert old_gone() is None
