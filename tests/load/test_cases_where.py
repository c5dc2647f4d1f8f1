"""What a case expects of a message: paths, comparisons, and what is told of a difference."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simfleet.load.cases.payload_paths import literals_of, type_at
from simfleet.load.cases.where import (
    comparison_of,
    differences,
    found_at,
    matches,
    path_of,
    path_text,
    same,
    where_of,
)
from simfleet.ocpp.versions import catalog_of

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
STEPS = st.one_of(NAMES, st.integers(0, 20))
PATHS = st.tuples(NAMES, st.lists(STEPS, max_size=6)).map(lambda parts: (parts[0], *parts[1]))
VALUES = st.one_of(
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(-1e9, 1e9, allow_nan=False),
    st.text(st.characters(min_codepoint=48, max_codepoint=122), min_size=1, max_size=10),
)
JSON = st.recursive(
    VALUES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)

METERED = {
    "connectorId": 1,
    "meterValue": [
        {
            "timestamp": "2026-01-01T10:00:00Z",
            "sampledValue": [
                {"measurand": "SoC", "value": "9.5"},
                {"measurand": "Power.Active.Import", "value": "11000"},
            ],
        }
    ],
}


@given(PATHS)
def test_a_path_reads_back_as_it_was_written(path: tuple[str | int, ...]) -> None:
    assert path_of(path_text(path)) == path


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "[0]", "a.[0]", "a b", "a[0]b", "ä"])
def test_what_is_no_path_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"idTagInfo\.status"):
        path_of(text)


@given(JSON, PATHS)
@settings(max_examples=60)
def test_whatever_a_peer_sends_is_looked_at_without_an_error(
    payload: Any, path: tuple[str | int, ...]
) -> None:
    for wanted in (1, ">= 0", "present", "absent", ["a", 2], "!= x", "~ x"):
        where = where_of({path_text(path): wanted})
        assert matches(where, payload) == (not differences(where, payload))


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for n, item in enumerate(value) for leaf in leaves(item, (*path, n))]
    return [(path, value)]


@given(st.dictionaries(NAMES, JSON, min_size=1, max_size=4))
@settings(max_examples=60)
def test_every_value_of_a_message_is_found_where_it_is(payload: dict[str, Any]) -> None:
    for path, value in leaves(payload):
        assert value in list(found_at(payload, path))
        if isinstance(value, bool | int | float):
            assert matches(where_of({path_text(path): value}), payload)
            assert not matches(where_of({path_text(path): "absent"}), payload)


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_numbers_compare_as_numbers_also_as_text(one: int, other: int) -> None:
    for found in (one, str(one), float(one)):
        assert comparison_of(f"< {other}").holds(found) == (one < other)
        assert comparison_of(f">= {other}").holds(found) == (one >= other)
        assert comparison_of(other).holds(found) == (one == other)


@given(VALUES, VALUES)
def test_being_the_same_goes_both_ways(one: Any, other: Any) -> None:
    assert same(one, one)
    assert same(one, other) == same(other, one)


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        ({"connectorId": 1}, True),
        ({"connectorId": "1"}, True),
        ({"connectorId": [2, 3]}, False),
        ({"connectorId": "!= 2"}, True),
        ({"transactionId": "absent", "meterValue": "present"}, True),
        ({"meterValue.timestamp": "> 2026-01-01T00:00:00Z"}, True),
        ({"meterValue.timestamp": "< 2025-01-01T00:00:00+01:00"}, False),
        ({"meterValue.sampledValue.value": "> 10000"}, True),
        ({"meterValue.sampledValue": {"measurand": "SoC", "value": "> 10"}}, False),
        ({"meterValue.sampledValue": {"measurand": "SoC", "value": "< 10"}}, True),
        ({"meterValue[0].sampledValue[1].measurand": "~ Power"}, True),
        ({"meterValue[1].timestamp": "present"}, False),
    ],
)
def test_conditions_hold_together_and_nested_ones_in_one_item(
    wanted: dict[str, Any], *, holds: bool
) -> None:
    assert matches(where_of(wanted), METERED) is holds


def test_a_difference_says_where_what_was_found_and_what_was_wanted() -> None:
    where = where_of(
        {"meterValue.sampledValue": {"measurand": "SoC", "value": ">= 10"}, "transactionId": 7}
    )
    assert [str(one) for one in differences(where, METERED)] == [
        'meterValue.sampledValue.value is "9.5", wanted >= 10',
        "transactionId is not there, wanted 7",
    ]


@pytest.mark.parametrize("bad", ["> ", ">= soon", "<", [], [{"a": 1}]])
def test_a_comparison_without_sense_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"compare|values"):
        comparison_of(bad)


def test_a_path_is_checked_against_the_message_of_its_version() -> None:
    event = catalog_of("ocpp2.0.1").actions["TransactionEvent"].request
    assert "Ended" in literals_of(type_at(event, path_of("eventType")))
    assert type_at(event, path_of("meterValue.sampledValue[0].value")) is float
    with pytest.raises(ValueError, match="did you mean 'transactionInfo'"):
        type_at(event, path_of("transactioninfo.chargingState"))
    with pytest.raises(ValueError, match="nothing inside"):
        type_at(event, path_of("seqNo.value"))
