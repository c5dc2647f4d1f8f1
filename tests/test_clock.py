from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simfleet import clock
from simfleet.clock import WallClock, iso, utc

SOME_WALL_S = 1_700_000_000.125  # exact in binary


def test_iso_is_utc_with_milliseconds_and_z() -> None:
    assert iso(SOME_WALL_S) == "2023-11-14T22:13:20.125Z"
    assert iso(1_700_000_000.0) == "2023-11-14T22:13:20.000Z"


def test_iso_cuts_parts_of_a_millisecond_and_never_runs_ahead() -> None:
    assert iso(1_700_000_000.9996) == "2023-11-14T22:13:20.999Z"


def test_utc_is_an_aware_date_time() -> None:
    assert utc(SOME_WALL_S) == datetime(2023, 11, 14, 22, 13, 20, 125_000, UTC)
    assert utc(SOME_WALL_S).utcoffset() == timedelta(0)


def test_the_anchor_maps_to_itself_and_time_passes_at_the_same_rate() -> None:
    wall = WallClock(500.0, wall_s=SOME_WALL_S)
    assert wall.wall_s(500.0) == SOME_WALL_S
    assert wall.wall_s(560.5) == SOME_WALL_S + 60.5
    assert wall.wall_s(499.0) == SOME_WALL_S - 1
    assert wall.iso(501.0) == "2023-11-14T22:13:21.125Z"
    assert wall.utc(501.0) == utc(SOME_WALL_S + 1)


def test_a_simulated_minute_passes_in_a_second_at_speed_60() -> None:
    wall = WallClock(0.0, wall_s=SOME_WALL_S, speed=60.0)
    assert wall.wall_s(1.0) == SOME_WALL_S + 60
    assert wall.at_s(SOME_WALL_S + 90) == 1.5


@given(
    st.floats(0, 1e7),
    st.floats(0, 1e7),
    st.floats(0.01, 10_000),
)
def test_there_and_back_again_is_the_same_time(
    anchor_at_s: float, at_s: float, speed: float
) -> None:
    wall = WallClock(anchor_at_s, wall_s=SOME_WALL_S, speed=speed)
    # A double holds Unix seconds to 0.24 us; a slow clock magnifies that on the way back.
    assert wall.at_s(wall.wall_s(at_s)) == pytest.approx(at_s, abs=1e-4 + 1e-4 / speed)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_a_clock_that_stands_still_or_runs_backwards_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        WallClock(0.0, speed=speed)


def test_without_a_start_the_real_time_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real_times_s = iter([SOME_WALL_S])  # a second reading would raise StopIteration
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: next(real_times_s))
        wall = WallClock(10.0)
        walls_s = [wall.wall_s(at_s) for at_s in (10.0, 11.0, 12.0)]
    assert walls_s == [SOME_WALL_S + n for n in range(3)]


def test_the_readings_of_real_clocks_move_forward() -> None:
    cpu_before_s, stopwatch_before_s = clock.cpu_s(), clock.stopwatch_s()
    assert sum(range(200_000)) > 0
    assert clock.stopwatch_s() > stopwatch_before_s
    assert clock.cpu_s() > cpu_before_s
    assert abs(clock.real_wall_s() - datetime.now(UTC).timestamp()) < 5
