"""Placeholders in payloads: whole values, parts of texts, moments, and what is none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from simfleet.csms.placeholders import EXAMPLE, NAMES, Filling, Unfilled, fill, names_in

NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
FILLING = Filling(
    now=NOW,
    identity="CP-7",
    n=12,
    transaction_id=41,
    id_tag="0123ABCD",
    given={"uploads": "http://127.0.0.1:1", "root_hash_data": {"serialNumber": "a"}},
)


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("$n", 12),
        ("$transaction_id", 41),
        ("$id_tag", "0123ABCD"),
        ("$identity", "CP-7"),
        ("log-$identity-$n.txt", "log-CP-7-12.txt"),
        ("$uploads/$identity", "http://127.0.0.1:1/CP-7"),
        ("$root_hash_data", {"serialNumber": "a"}),
        ("$$5", "$5"),
        ("$$n", "$n"),
        ("plain", "plain"),
        (5, 5),
        (True, True),
        ({"a": ["$n", {"b": "$n"}]}, {"a": [12, {"b": 12}]}),
    ],
)
def test_a_placeholder_alone_keeps_its_type_and_in_a_text_becomes_text(
    written: Any, filled: Any
) -> None:
    assert fill(written, FILLING) == filled
    assert type(fill(written, FILLING)) is type(filled)


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("$now", "2026-03-01T23:30:00.000Z"),
        ("$now+45m", "2026-03-02T00:15:00.000Z"),
        ("$now-1h", "2026-03-01T22:30:00.000Z"),
        ("$now+2d", "2026-03-03T23:30:00.000Z"),
        ("$now+250ms", "2026-03-01T23:30:00.250Z"),
    ],
)
def test_moments_are_around_now(written: str, filled: str) -> None:
    assert fill(written, FILLING) == filled


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("$nwo", "did you mean $now?"),
        ("$", "is no placeholder; write $now, "),
        ("$now+10", "is no moment; write $now+10m or $now-1h"),
        ("$now+10y", "is no moment"),
        ("$now+9999d", "is too far away"),
        ("a $unknowable b", "or $$ for $"),
    ],
)
def test_what_is_no_placeholder_is_said_with_what_would_be(written: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^'\$") as refused:
        names_in({"a": [written]})
    assert says in str(refused.value)
    with pytest.raises(ValueError, match=r"^'\$"):
        fill(written, FILLING)


def test_a_station_without_a_transaction_has_no_transaction_id() -> None:
    with pytest.raises(Unfilled) as missing:
        fill({"transactionId": "$transaction_id"}, Filling(now=NOW, identity="CP-1", n=1))
    assert missing.value.args == ("transaction_id",)


def test_the_names_used_are_found_wherever_they_are() -> None:
    used = names_in({"a": "$now+1m", "b": ["x$n", {"c": "$$identity"}], "d": 5})
    assert used == {"now", "n"}


def test_the_example_has_a_value_for_every_name() -> None:
    for name in NAMES:
        assert fill(f"${name}", EXAMPLE)
