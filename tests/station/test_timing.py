from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from simfleet.station.timing import STEPS_PER_S, on_step

MOMENTS = st.floats(0, 1e7)


@given(MOMENTS)
def test_a_step_is_never_before_the_moment_and_less_than_a_step_after_it(at_s: float) -> None:
    assert -1e-6 <= on_step(at_s) - at_s < 1 / STEPS_PER_S + 1e-6


@given(MOMENTS)
def test_a_moment_on_a_step_stays_there(at_s: float) -> None:
    assert on_step(on_step(at_s)) == on_step(at_s)


@given(st.integers(0, 10**7), st.integers(1, 3600))
def test_whole_seconds_later_is_on_a_step_as_well(step: int, interval_s: int) -> None:
    at_s = step / STEPS_PER_S
    assert abs(on_step(at_s + interval_s) - (at_s + interval_s)) < 1e-6
