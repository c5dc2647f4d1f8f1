from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simfleet.documents.quantities import (
    duration_text,
    number_text,
    parse_duration,
    parse_number,
    parse_whole,
    shown,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("500ms", 0.5),
        ("1.1ms", 0.0011),
        ("10s", 10),
        ("1.5s", 1.5),
        ("2m", 120),
        ("1h", 3600),
        ("1m30s", 90),
        ("1h30m", 5400),
        ("1h2m3s4ms", 3723.004),
        ("90m", 5400),
    ],
)
def test_durations_are_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "10", "10 s", "10S", "-1s", "1s1m", "1s1s", "1:30", "1e3s", ".5s", "5.s", "٣s"],
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_duration(text)


@settings(deadline=None)
@given(st.integers(0, 10**12))
def test_a_duration_survives_being_written(microseconds: int) -> None:
    seconds = microseconds / 1_000_000
    assert parse_duration(duration_text(seconds)) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "500ms"),
        (0.0125, "12.5ms"),
        (1, "1s"),
        (1.25, "1.25s"),
        (60, "1m"),
        (90, "1m30s"),
        (3600, "1h"),
        (5400.5, "1h30m0.5s"),
        (86_400, "24h"),
        (1e-9, "0s"),
    ],
)
def test_durations_are_written_the_short_way(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@settings(deadline=None)
@given(st.floats(-1e15, 1e15))
def test_a_number_survives_being_written(value: float) -> None:
    assert parse_number(number_text(value)) == value


@settings(deadline=None)
@given(st.integers(-(10**30), 10**30))
def test_a_whole_number_survives_being_written(value: int) -> None:
    assert parse_whole(str(value)) == value


@pytest.mark.parametrize("text", ["", "1.0", "1e3", "0x10", "1_000", "one", "٣", "9" * 100, "007"])
def test_anything_else_is_no_whole_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"whole number|too large|leading zeros"):
        parse_whole(text)


@pytest.mark.parametrize("text", ["", "nan", "inf", "1e999", "22kW", "0x10", "1_000", "1,5", "٣"])
def test_anything_else_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a number|too large"):
        parse_number(text)


@settings(deadline=None)
@given(st.text())
def test_what_is_shown_is_one_short_line(text: str) -> None:
    assert len(shown(text).splitlines()) == 1
    assert len(shown("x" * 1000)) <= 62
