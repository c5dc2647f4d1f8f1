"""Random CALLs and replies of a CSMS of OCPP 2.x, valid by the official schemas: half of what they
hold is what a station may know (its EVSEs, its variables, a tag, a moment near by), half anything.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from builders_station import EPOCH_S, OTHER_TAG, TAG
from builders_station2 import CATALOGS
from simfleet.ocpp.validation import schema_text

Strategy = st.SearchStrategy[Any]

RUNNING: Final = "the transaction that runs"
"""Stands in a payload for its transactionId, see `named`."""

_START: Final = datetime.fromtimestamp(EPOCH_S, UTC)
_WORDS: Final = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
_NUMBERS: Final = st.sampled_from([0, 1, 2, 3, 7, 900, -1, 2**31 - 1, -(2**31)])
_MOMENTS: Final = st.one_of(
    st.integers(-600, 7200),
    st.sampled_from([-(10**9), 10**9]),
).map(lambda s: (_START + timedelta(seconds=s)).isoformat().replace("+00:00", "Z"))
_URLS: Final = st.sampled_from(
    ["https://files.example/fw.bin", "ftp://a:b@files.example/up", "nonsense", "wss://csms.example"]
)

# What a station may know by the name of the field.
_KNOWN: Final[dict[str, Strategy]] = {
    "transactionId": st.just(RUNNING),
    "evseId": st.integers(0, 3),
    "connectorId": st.integers(0, 2),
    "idToken": st.sampled_from([TAG, OTHER_TAG]),
    "type": st.sampled_from(["ISO14443", "Central", "eMAID", "NoAuthorization"]),
    "location": _URLS,
    "remoteLocation": _URLS,
    "ocppCsmsUrl": _URLS,
    "retryInterval": st.integers(0, 10),
    "interval": st.integers(0, 600),
    "duration": st.integers(0, 7200),
    "startPeriod": st.sampled_from([0, 0, 0, 60, 600]),
    "limit": st.sampled_from([0.0, 6.0, 10.5, 16.0, 3000.0]),
    "stackLevel": st.integers(0, 3),
    "numberPhases": st.integers(1, 3),
    "id": st.integers(0, 3),
    "requestId": st.integers(0, 5),
}
_PLACES: Final = st.sampled_from(
    [
        ("ChargingStation", "AvailabilityState"),
        ("EVSE", "Power"),
        ("EVSE", "AvailabilityState"),
        ("Connector", "AvailabilityState"),
        ("TxCtrlr", "TxStartPoint"),
        ("TxCtrlr", "TxStopPoint"),
        ("SampledDataCtrlr", "TxUpdatedInterval"),
        ("AlignedDataCtrlr", "Interval"),
        ("OCPPCommCtrlr", "HeartbeatInterval"),
        ("AuthCtrlr", "LocalPreAuthorize"),
        ("AuthCacheCtrlr", "Enabled"),
        ("SecurityCtrlr", "BasicAuthPassword"),
        ("ClockCtrlr", "DateTime"),
        ("MonitoringCtrlr", "Enabled"),
    ]
)
_VALUES: Final = st.sampled_from(
    ["0", "1", "60", "true", "false", "", "EVConnected", "Authorized,EnergyTransfer", "-1", "x"]
)


class _Schema:
    """One official schema."""

    def __init__(self, version: str, name: str) -> None:
        self.whole: dict[str, Any] = json.loads(schema_text(version, name))
        self.definitions = self.whole.get("definitions", {})

    def values(self, schema: dict[str, Any], name: str = "") -> Strategy:
        """What the schema allows for a field of that name."""
        if "$ref" in schema:
            schema = self.definitions[schema["$ref"].rsplit("/", 1)[-1]]
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        match schema.get("type"):
            case "object":
                return self.objects(schema, name)
            case "array":
                return st.lists(
                    self.values(schema["items"], name),
                    min_size=schema.get("minItems", 0),
                    max_size=min(schema.get("maxItems", 3), 3),
                )
            case "string":
                return self.texts(schema, name)
            case "boolean":
                return st.booleans()
            case "integer" | "number" as kind:
                return self.numbers(schema, name, kind)
        return st.just({"vendorId": "x"})

    def texts(self, schema: dict[str, Any], name: str) -> Strategy:
        if schema.get("format") == "date-time":
            return _MOMENTS
        longest = schema.get("maxLength", 100)
        anything = _WORDS.map(lambda text: text[:longest])
        if name == "attributeValue":
            return _VALUES | anything
        if name in _KNOWN:
            known = _KNOWN[name].filter(lambda v: isinstance(v, str) and len(v) <= longest)
            return known | known | anything
        return anything

    def numbers(self, schema: dict[str, Any], name: str, kind: str) -> Strategy:
        low, high = schema.get("minimum"), schema.get("maximum")

        def fits(number: float) -> bool:
            return (low is None or number >= low) and (high is None or number <= high)

        anything: Strategy = _NUMBERS.filter(fits)
        if name in _KNOWN:
            known = _KNOWN[name].filter(lambda v: not isinstance(v, str) and fits(v))
            anything = known | known | anything
        return anything.map(int) if kind == "integer" else anything.map(float)

    def objects(self, schema: dict[str, Any], name: str) -> Strategy:
        if name == "customData":
            return st.just({"vendorId": "org.example"})
        required = set(schema.get("required", []))
        parts = {
            field: self.values(part, field) for field, part in schema.get("properties", {}).items()
        }
        parts.pop("customData", None)
        must = {field: parts[field] for field in parts if field in required}
        may = {field: parts[field] for field in parts if field not in required}
        # Few of the optional ones: a message with all of them is refused for the first that is odd.
        some = st.lists(st.sampled_from(sorted(may)), unique=True, max_size=4) if may else None
        made: Strategy = st.fixed_dictionaries(must)
        if some is not None:
            made = st.tuples(made, some.flatmap(lambda names: _all_of(may, names))).map(
                lambda two: two[0] | two[1]
            )
        if {"component", "variable"} <= parts.keys():
            made = st.tuples(made, st.none() | _PLACES).map(_placed)
        return made


def _all_of(parts: dict[str, Strategy], names: list[str]) -> Strategy:
    return st.fixed_dictionaries({name: parts[name] for name in names})


def _placed(two: tuple[dict[str, Any], tuple[str, str] | None]) -> dict[str, Any]:
    made, place = two
    if place is not None:
        made = made | {"component": {"name": place[0]}, "variable": {"name": place[1]}}
        if place[0] in ("EVSE", "Connector"):
            evse = {"id": 1} | ({"connectorId": 1} if place[0] == "Connector" else {})
            made["component"]["evse"] = evse
    return made


@cache
def calls(version: str) -> Strategy:
    """Pairs of an action of the CSMS and a payload."""
    return st.one_of([calls_of(version, name) for name in actions(version)])


@cache
def calls_of(version: str, action: str) -> Strategy:
    schema = _Schema(version, f"{action}Request")
    return st.tuples(st.just(action), schema.values(schema.whole))


@cache
def replies_to(version: str, action: str) -> Strategy:
    """What a CSMS may answer to a CALL of a station."""
    schema = _Schema(version, f"{action}Response")
    return schema.values(schema.whole)


def actions(version: str) -> list[str]:
    """What a CSMS may call."""
    return [
        name for name, one in sorted(CATALOGS[version].actions.items()) if "csms" in one.sent_by
    ]


def named(payload: Any, transaction_id: str) -> Any:
    """The payload with that transactionId in place of `RUNNING`."""
    if isinstance(payload, dict):
        return {name: named(value, transaction_id) for name, value in payload.items()}
    if isinstance(payload, list):
        return [named(value, transaction_id) for value in payload]
    return transaction_id if payload == RUNNING else payload
