"""A value that is none of the choices is answered with the choices."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest

from simfleet.api.choices import choices_at


class Slow(msgspec.Struct, tag_field="kind", tag="slow"):
    speed: Literal["crawl", "walk"]


class Fast(msgspec.Struct, tag_field="kind", tag="fast"):
    gears: list[Literal[1, 2]] = []


class Trip(msgspec.Struct):
    how: Slow | Fast
    legs: list[Slow] | None = None


@pytest.mark.parametrize(
    ("body", "choices"),
    [
        (b'{"how": {"kind": "far"}}', ["slow", "fast"]),
        (b'{"how": {"kind": "slow", "speed": "run"}}', ["crawl", "walk"]),
        (b'{"how": {"kind": "fast", "gears": [1, 3]}}', ["1", "2"]),
        (
            b'{"how": {"kind": "fast"}, "legs": [{"kind": "slow", "speed": "run"}]}',
            ["crawl", "walk"],
        ),
        (b'{"how": {"kind": "slow", "speed": 3}}', []),
        (b'{"how": 3}', []),
    ],
)
def test_the_choices_of_the_place_are_named(body: bytes, choices: list[str]) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Trip)
    assert choices_at(Trip, str(caught.value)) == choices
