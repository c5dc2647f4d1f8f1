"""Even pacing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simfleet.fleet.pacing import even_due_s


def test_steps_are_evenly_apart_from_the_first_at_once_to_one_before_the_end() -> None:
    assert [even_due_s(n, count=4, over_s=8.0) for n in range(4)] == [0.0, 2.0, 4.0, 6.0]


def test_nothing_to_pace_is_due_at_once() -> None:
    assert even_due_s(0, count=0, over_s=5.0) == 0.0
    assert [even_due_s(n, count=3, over_s=0.0) for n in range(3)] == [0.0, 0.0, 0.0]


@given(count=st.integers(1, 10_000), over_s=st.floats(0.001, 1e5))
def test_pacing_does_not_drift_however_many_steps_there_are(count: int, over_s: float) -> None:
    for n in {0, count // 2, count - 1}:
        assert even_due_s(n, count=count, over_s=over_s) == pytest.approx(over_s * n / count)
