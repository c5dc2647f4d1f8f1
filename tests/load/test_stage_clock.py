"""The time of a stage, on a clock that jumps."""

from __future__ import annotations

from functools import partial

import trio
from hypothesis import given
from hypothesis import strategies as st

from simfleet.load.clocks import VirtualClock
from simfleet.load.stages.stage_clock import StageClock


async def left_at_the_end(before_s: float, planned_s: float) -> float:
    await trio.sleep(before_s)
    clock = StageClock(planned_s)
    await clock.until_end()
    return clock.left_s


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_nothing_is_left_of_a_stage_whose_end_has_come(before_s: float, planned_s: float) -> None:
    """Else whoever waits while something is left would never wait, and never end."""
    waiting = partial(left_at_the_end, before_s, planned_s)
    assert trio.run(waiting, clock=VirtualClock(1000.0)) == 0.0
