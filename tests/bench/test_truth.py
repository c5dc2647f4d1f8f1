"""What the truth benchmark compares with is itself right."""

from __future__ import annotations

import random

import pytest

from bench.truth import Logged, Spread, first_dues_s, spread_ms, truth

STEP_S = 0.01


def dues(frames: dict[str, list[float]], way_s: float = 0.0) -> dict[str, float]:
    return first_dues_s(frames, interval_s=1, step_s=STEP_S, way_s=way_s)


def test_a_charger_is_on_the_step_before_its_earliest_frame() -> None:
    """Steps at 3 ms: one charger whose frame came at once, and others that were late each time."""
    frames = {
        "at once": [5.004, 6.003, 7.009],
        "late": [5.017, 6.015, 7.0139],
        "once frozen": [8.0065, 9.0042, 15.0, 15.1],
    }
    found = dues(frames)
    assert found == pytest.approx({"at once": 5.003, "late": 5.013, "once frozen": 8.003}, abs=1e-6)
    assert dues(frames, 0.0002)["at once"] == pytest.approx(5.0028, abs=1e-6)


@pytest.mark.parametrize("origin_s", [0.0, 0.0031, 0.0099])
def test_due_times_are_found_to_the_least_delay_of_all(origin_s: float) -> None:
    """100 chargers, 25 frames each, late by 0.3 to 5 ms each, wherever the steps are."""
    chance = random.Random(7)
    true = {str(n): 1000 + origin_s + STEP_S * chance.randrange(100) for n in range(100)}
    frames = {
        name: [at_s + k + 0.0003 + min(0.0047, chance.expovariate(1000)) for k in range(25)]
        for name, at_s in true.items()
    }
    found = dues(frames)
    off_s = [found[name] - at_s for name, at_s in true.items()]
    assert max(off_s) - min(off_s) < 1e-5
    assert 0.0003 - 1e-6 <= min(off_s) < 0.0004


def test_frames_that_come_at_any_time_say_nothing_of_steps() -> None:
    frames = {str(n): [1 + n * 0.001] for n in range(10)}
    assert dues(frames) == {name: times[0] for name, times in frames.items()}


def log(*answers_s: float, received_s: float = 0.0) -> list[Logged]:
    """Received on the second, in time; answered then."""
    return [
        Logged(max(float(n), received_s), at_s, at_s + 0.001) for n, at_s in enumerate(answers_s)
    ]


def found(*answers_s: float) -> tuple[list[float], Spread]:
    true = truth({"one": log(*answers_s)}, interval_s=1, step_s=STEP_S, way_s=0)
    return [round(time_s, 3) for time_s in true.responses_s], true.naive


def test_response_times_count_from_when_calls_were_due() -> None:
    """Frozen from 1.5 to 4.25: what was due at 2, 3 and 4 is answered then, one by one."""
    responses, naive = found(0.1, 1.1, 4.25, 4.35, 4.45, 5.1)
    assert responses == [0.101, 0.101, 2.251, 1.351, 0.451, 0.101]
    assert naive.max == pytest.approx(2251, abs=0.1)
    assert naive.p50 == pytest.approx(101, abs=0.1)  # the others waited, and nobody says so


def test_a_figure_between_the_writing_of_an_answer_and_its_end_is_right() -> None:
    true = truth({"one": log(0.1)}, interval_s=1, step_s=STEP_S, way_s=0)
    off_ms = [true.off_ms("p50", at_ms) for at_ms in (99, 100.5, 103)]
    assert off_ms == pytest.approx([-1, 0, 2], abs=0.01)


def test_who_is_told_late_reports_each_time_with_each_delay() -> None:
    true = truth({"one": log(0.1, 1.3)}, interval_s=1, step_s=STEP_S, way_s=0)
    late = true.read_late([0.0, 0.01])
    assert (late.mean, late.p50, late.max) == pytest.approx((206, 111, 311), abs=0.01)


def test_percentiles_are_of_nearest_rank() -> None:
    spread = spread_ms([number / 1000 for number in range(1, 101)])
    assert (spread.p50, spread.p90, spread.p95, spread.p99, spread.max) == (50, 90, 95, 99, 100)
    assert spread.mean == 50.5
    assert spread_ms([0.003]) == (3, 3, 3, 3, 3, 3, 3)


def test_no_times_have_no_spread() -> None:
    with pytest.raises(ValueError, match="no times"):
        spread_ms([])
