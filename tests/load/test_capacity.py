"""The search for a knee, step by step: pure, against knees that are known."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simfleet.load.capacity import STEPS_MAX, Search, steps_expected


def searched(search: Search, knee: float) -> list[tuple[float, str, bool]]:
    """Every step of a search for a CSMS that carries `knee` and no more."""
    steps: list[tuple[float, str, bool]] = []
    while (load := search.wanted) is not None:
        kept = load <= knee
        steps.append((load, search.purpose, kept))
        search.tell("passed" if kept else "failed")
    return steps


def a_search(*, top: float = 1000, by: float = 100, confirm: int = 1) -> Search:
    return Search(start=100, top=top, by=by, precision=10, confirm=confirm)


def test_it_climbs_until_a_step_fails_halves_and_confirms() -> None:
    search = a_search()
    assert searched(search, 335) == [
        (100, "climb", True),
        (200, "climb", True),
        (300, "climb", True),
        (400, "climb", False),
        (350, "bisect", False),
        (320, "bisect", True),
        (340, "bisect", False),
        (330, "bisect", True),
        (330, "confirm", True),
    ]
    assert (search.highest_passed, search.lowest_failed) == (330, 340)
    assert (search.ended, search.confirmed) == ("knee", True)


def test_a_limit_that_never_breaks_gives_at_least_the_top() -> None:
    search = a_search(top=250)
    assert [load for load, _, _ in searched(search, 9999)] == [100, 200, 250, 250]
    assert (search.highest_passed, search.lowest_failed, search.ended) == (250, None, "top")


def test_a_first_step_that_fails_is_the_floor() -> None:
    search = a_search()
    assert len(searched(search, 50)) == 1
    assert (search.highest_passed, search.lowest_failed, search.ended) == (None, 100, "floor")


def test_a_result_that_cannot_be_repeated_is_none_and_the_search_goes_on_below() -> None:
    search = a_search()
    for outcome in ("passed", "passed", "failed"):  # 100, 200, 300
        search.tell(outcome)
    while search.purpose == "bisect":
        search.tell("passed")
    assert (search.wanted, search.purpose) == (290, "confirm")
    search.tell("failed")
    assert search.lowest_failed == 290
    assert search.wanted is not None
    assert search.wanted < 290
    searched(search, 245)
    assert search.ended == "knee"
    assert search.highest_passed is not None
    assert search.highest_passed <= 245


@pytest.mark.parametrize(("outcome", "ended"), [("invalid", "generator"), ("unmeasured",) * 2])
def test_a_step_that_says_nothing_ends_the_search(outcome: str, ended: str) -> None:
    search = a_search()
    search.tell("passed")
    search.tell(outcome)  # type: ignore[arg-type]
    assert (search.wanted, search.ended) == (None, ended)
    assert (search.highest_passed, search.lowest_failed) == (100, None)
    with pytest.raises(ValueError, match="over"):
        search.tell("passed")


@settings(deadline=None)
@given(
    knee=st.integers(1, 3000),
    start=st.integers(1, 300),
    more=st.integers(0, 2500),
    by=st.integers(1, 500),
    precision=st.integers(1, 50),
    confirm=st.integers(0, 3),
)
def test_any_knee_is_found_to_the_precision(
    knee: int, start: int, more: int, by: int, precision: int, confirm: int
) -> None:
    top = start + more
    search = Search(start=start, top=top, by=by, precision=precision, confirm=confirm)
    steps = searched(search, knee)
    assert len(steps) <= STEPS_MAX
    assert all(start <= load <= top for load, _, _ in steps)
    if search.ended == "steps":
        assert more / by > STEPS_MAX / 2
        return
    lasting = steps_expected(start=start, top=top, by=by, precision=precision, confirm=confirm)
    assert len(steps) <= lasting + 1  # halves are rounded to the precision
    if knee < start:
        assert search.ended == "floor"
    elif knee >= top:
        assert (search.ended, search.highest_passed) == ("top", top)
    else:
        assert search.ended == "knee"
        assert search.highest_passed is not None
        assert search.lowest_failed is not None
        assert search.highest_passed <= knee < search.lowest_failed
        assert search.lowest_failed - search.highest_passed <= precision
        assert search.confirmed


@settings(deadline=None)
@given(seed=st.integers(0, 10**9), knee=st.floats(150, 900), noise=st.floats(0, 0.2))
def test_noise_near_the_knee_moves_the_result_no_further_than_the_noise(
    seed: int, knee: float, noise: float
) -> None:
    chance = random.Random(seed)
    search = a_search(confirm=2)
    while (load := search.wanted) is not None:
        seen = knee * (1 + noise * chance.uniform(-1, 1))
        search.tell("passed" if load <= seen else "failed")
    low, high = knee * (1 - noise), knee * (1 + noise)
    assert search.steps <= 60
    if search.ended == "floor":
        assert low < 100
    elif search.ended == "top":
        assert high >= 1000
    else:
        assert search.ended == "knee"
        assert search.highest_passed is not None
        assert search.lowest_failed is not None
        assert search.highest_passed <= high
        assert search.lowest_failed > low
        assert 0 < search.lowest_failed - search.highest_passed <= 10


def test_a_rate_is_searched_like_a_number() -> None:
    search = Search(start=0.5, top=4, by=0.5, precision=0.125, confirm=0)
    searched(search, 1.7)
    assert (search.highest_passed, search.lowest_failed) == (1.625, 1.75)


@pytest.mark.parametrize("wrong", [{"start": 0}, {"top": 1}, {"by": 0}, {"precision": 0}])
def test_a_search_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    fields = {"start": 2, "top": 9, "by": 1, "precision": 1} | wrong
    with pytest.raises(ValueError, match="no search"):
        Search(**fields, confirm=1)
