"""What the official schemas forbid, and the OCPP error code and words that each failure gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas_ocpp import MESSAGES, Message, messages_of, oracle_for
from simfleet.errors import ProtocolViolation
from simfleet.ocpp.v16 import V16, messages
from simfleet.ocpp.validation import CODES, PayloadSchema, code_for
from simfleet.ocpp.wire import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

BOOT = {"chargePointVendor": "SimFleet", "chargePointModel": "One"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}
SAMPLE = {"value": "12.5", "unit": "kWh"}


def meter_values(*samples: dict[str, Any]) -> dict[str, Any]:
    reading = {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": list(samples)}
    return {"connectorId": 1, "meterValue": [reading]}


def profile_with_limit(limit: float | str) -> dict[str, Any]:
    schedule = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
    }
    profile = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    return {"connectorId": 1, "csChargingProfiles": profile}


def violation_of(action: str, payload: object) -> ProtocolViolation:
    violation = V16.actions[action].check_request(json.dumps(payload).encode())
    assert violation is not None
    return violation


@pytest.mark.parametrize(
    ("action", "payload", "error_code", "path", "description"),
    [
        pytest.param(
            "Authorize",
            {},
            "OccurenceConstraintViolation",
            "$.idTag",
            "idTag is required but missing",
            id="missing field",
        ),
        pytest.param(
            "MeterValues",
            {"connectorId": 1, "meterValue": []},
            "OccurenceConstraintViolation",
            "$.meterValue",
            "meterValue has 0 items, expected at least 1",
            id="too few items",
        ),
        pytest.param(
            "Authorize",
            {"idTag": "04E8A1B2", "colour": "red"},
            "FormationViolation",
            "$.colour",
            "colour is not a field here",
            id="unknown field",
        ),
        pytest.param(
            "Authorize",
            {"idTag": "x" * 21},
            "FormationViolation",
            "$.idTag",
            "idTag has 21 characters, expected at most 20",
            id="too long",
        ),
        pytest.param(
            "StatusNotification",
            STATUS | {"timestamp": "yesterday"},
            "FormationViolation",
            "$.timestamp",
            'timestamp is "yesterday", expected a date-time',
            id="wrong format",
        ),
        pytest.param(
            "StatusNotification",
            STATUS | {"timestamp": "2026-01-01T00:00:00"},
            "FormationViolation",
            "$.timestamp",
            'timestamp is "2026-01-01T00:00:00", expected a date-time',
            id="no time zone",
        ),
        pytest.param(
            "StatusNotification",
            STATUS | {"timestamp": "2016-12-31T23:59:60Z"},
            "FormationViolation",
            "$.timestamp",
            "timestamp cannot be read: Invalid RFC3339 encoded datetime",
            id="leap second",
        ),
        pytest.param(
            "StatusNotification",
            STATUS | {"connectorId": "1"},
            "TypeConstraintViolation",
            "$.connectorId",
            "connectorId is a string, expected integer",
            id="wrong type",
        ),
        pytest.param(
            "StatusNotification",
            STATUS | {"info": None},
            "TypeConstraintViolation",
            "$.info",
            "info is null, expected string",
            id="null for absent",
        ),
        pytest.param(
            "StatusNotification",
            STATUS | {"status": 3},
            "TypeConstraintViolation",
            "$.status",
            "status is an integer, expected string",
            id="wrong type where an enumeration is expected",
        ),
        pytest.param(
            "LogStatusNotification",
            {"status": "Idle", "requestId": 1.0},
            "TypeConstraintViolation",
            "$.requestId",
            "requestId is a number, expected integer",
            id="fraction, even of zero",
        ),
        pytest.param(
            "BootNotification",
            BOOT | {"chargePointModel": True},
            "TypeConstraintViolation",
            "$.chargePointModel",
            "chargePointModel is a boolean, expected string",
            id="boolean",
        ),
        pytest.param(
            "Reset",
            {"type": "Warm"},
            "PropertyConstraintViolation",
            "$.type",
            'type is "Warm", expected one of Hard, Soft',
            id="not in the enumeration",
        ),
        pytest.param(
            "SetChargingProfile",
            profile_with_limit(16.35),
            "PropertyConstraintViolation",
            "$.csChargingProfiles.chargingSchedule.chargingSchedulePeriod[0].limit",
            "limit is 16.35, expected a multiple of 0.1",
            id="too fine",
        ),
        pytest.param(
            "MeterValues",
            meter_values(SAMPLE, SAMPLE | {"unit": "Joule" * 20}),
            "PropertyConstraintViolation",
            "$.meterValue[0].sampledValue[1].unit",
            None,
            id="nested",
        ),
        pytest.param(
            "Heartbeat",
            {"a key": 1},
            "FormationViolation",
            '$["a key"]',
            '"a key" is not a field here',
            id="key that is no word",
        ),
        pytest.param(
            "Heartbeat",
            [],
            "FormationViolation",
            "$",
            "payload is an array, expected an object",
            id="no object",
        ),
        pytest.param(
            "Heartbeat",
            None,
            "FormationViolation",
            "$",
            "payload is null, expected an object",
            id="null",
        ),
    ],
)
def test_a_failure_gets_the_error_code_of_ocpp_1_6_and_names_the_field(
    action: str, payload: object, error_code: str, path: str, description: str | None
) -> None:
    violation = violation_of(action, payload)
    assert violation.error_code == error_code
    assert violation.path == path
    assert violation.error_code in V16.codes.known
    if description is not None:
        assert violation.description == description


@pytest.mark.parametrize(
    ("keyword", "code_16", "code_2"),
    [
        ("required", "OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
        ("minItems", "OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
        ("maxItems", "OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
        ("type", "TypeConstraintViolation", "TypeConstraintViolation"),
        ("enum", "PropertyConstraintViolation", "PropertyConstraintViolation"),
        ("minimum", "PropertyConstraintViolation", "PropertyConstraintViolation"),
        ("maximum", "PropertyConstraintViolation", "PropertyConstraintViolation"),
        ("multipleOf", "PropertyConstraintViolation", "PropertyConstraintViolation"),
        ("additionalProperties", "FormationViolation", "FormatViolation"),
        ("maxLength", "FormationViolation", "FormatViolation"),
        ("pattern", "FormationViolation", "FormatViolation"),
        ("format", "FormationViolation", "FormatViolation"),
    ],
)
def test_each_kind_of_failure_has_its_code_in_each_version(
    keyword: str, code_16: str, code_2: str
) -> None:
    assert code_for(keyword, CODES["ocpp1.6"]) == code_16
    assert code_for(keyword, CODES["ocpp2.0.1"]) == code_2
    assert code_for(keyword, CODES["ocpp2.1"]) == code_2
    assert code_2 in CODES["ocpp2.1"].known


@pytest.mark.parametrize(
    ("state_of_charge", "description"),
    [
        (101, "stateOfCharge is 101, expected at most 100"),
        (-1, "stateOfCharge is -1, expected at least 0"),
    ],
)
def test_a_value_out_of_range_says_which_bound_it_breaks(
    state_of_charge: int, description: str
) -> None:
    dc = {"evMaxCurrent": 1, "evMaxVoltage": 1, "stateOfCharge": state_of_charge}
    needs = {"requestedEnergyTransfer": "DC", "dcChargingParameters": dc}
    schema = PayloadSchema("ocpp2.0.1", "NotifyEVChargingNeedsRequest")
    violation = schema.check(json.dumps({"evseId": 1, "chargingNeeds": needs}).encode())
    assert violation is not None
    assert violation.error_code == "PropertyConstraintViolation"
    assert violation.description == description


def test_too_many_items_break_an_occurrence_constraint() -> None:
    hash_data = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": "a",
        "issuerKeyHash": "b",
        "serialNumber": "c",
        "responderURL": "https://ocsp.example",
    }
    token = {"idToken": "04E8A1B2", "type": "ISO14443"}
    payload = {"idToken": token, "iso15118CertificateHashData": [hash_data] * 5}
    schema = PayloadSchema("ocpp2.0.1", "AuthorizeRequest")
    violation = schema.check(json.dumps(payload).encode())
    assert violation is not None
    assert violation.error_code == "OccurrenceConstraintViolation"
    expected = "iso15118CertificateHashData has 5 items, expected at most 4"
    assert violation.description == expected


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ('{"errorCode":"Nope","status":"Nope","connectorId":1}', "$.errorCode"),
        ('{"status":"Nope","errorCode":"Nope","connectorId":1}', "$.status"),
        ('{"zulu":1,"alpha":1,"connectorId":1,"errorCode":"NoError","status":"Faulted"}', "$.zulu"),
        ('{"connectorId":"1","zulu":1,"errorCode":"NoError","status":"Faulted"}', "$.connectorId"),
        ('{"zulu":1,"connectorId":"1","errorCode":"NoError","status":"Faulted"}', "$.zulu"),
        ('{"connectorId":"1"}', "$.errorCode"),  # an object comes before what is in it
    ],
)
def test_of_several_failures_the_first_in_the_document_is_reported(payload: str, path: str) -> None:
    violation = V16.actions["StatusNotification"].check_request(payload.encode())
    assert violation is not None
    assert violation.path == path


@pytest.mark.parametrize("limit", [3.3, 16.3, 0.1, 32.0, 32, 0, -16.1, 22080.7])
def test_a_limit_in_tenths_is_accepted_although_floats_are_binary(limit: float) -> None:
    raw = json.dumps(profile_with_limit(limit)).encode()
    request = V16.actions["SetChargingProfile"].decode_request(raw)
    assert isinstance(request, messages.SetChargingProfileRequest)
    (period,) = request.cs_charging_profiles.charging_schedule.charging_schedule_period
    assert period.limit == limit


@pytest.mark.parametrize("limit", [16.35, 0.01, 3.33, 32.000001])
def test_a_limit_finer_than_tenths_is_refused(limit: float) -> None:
    assert violation_of("SetChargingProfile", profile_with_limit(limit)).path.endswith("limit")


def test_descriptions_and_paths_fit_into_a_call_error_whatever_the_peer_sends() -> None:
    for payload in (
        STATUS | {"k" * 1000: 1},
        STATUS | {"status": "s" * 1000},
        STATUS | {"info": "i" * 100_000},
        STATUS | {"\x00\n" * 500: 1},
    ):
        violation = violation_of("StatusNotification", payload)
        assert 0 < len(violation.description) <= 255
        assert 0 < len(violation.path) <= 255


def test_decode_raises_what_check_returns() -> None:
    action = V16.actions["Reset"]
    raw = b'{"type":"Warm"}'
    with pytest.raises(ProtocolViolation) as raised:
        action.decode_request(raw)
    checked = action.check_request(raw)
    assert checked is not None
    assert str(raised.value) == str(checked)


# ── salvage ───────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_with_an_extra_field_is_a_violation_but_can_be_salvaged() -> None:
    action = V16.actions["Authorize"]
    raw = b'{"idTagInfo":{"status":"Accepted","vendor":1}}'
    assert action.check_response(raw) is not None
    assert action.salvage_response(raw) == messages.AuthorizeResponse(
        id_tag_info=messages.IdTagInfo(status="Accepted")
    )


def test_a_text_that_is_too_long_can_be_salvaged() -> None:
    salvaged = V16.actions["Authorize"].salvage_request(b'{"idTag":"%s"}' % (b"x" * 30))
    assert salvaged == messages.AuthorizeRequest(id_tag="x" * 30)


def test_a_date_time_without_time_zone_is_salvaged_as_utc() -> None:
    raw = b'{"currentTime":"2026-01-01T00:00:00"}'
    salvaged = V16.actions["Heartbeat"].salvage_response(raw)
    assert isinstance(salvaged, messages.HeartbeatResponse)
    assert salvaged.current_time.isoformat() == "2026-01-01T00:00:00+00:00"


def test_a_nested_date_time_without_time_zone_is_salvaged_as_utc() -> None:
    raw = json.dumps(meter_values(SAMPLE)).replace("00Z", "00").encode()
    salvaged = V16.actions["MeterValues"].salvage_request(raw)
    assert isinstance(salvaged, messages.MeterValuesRequest)
    assert salvaged.meter_value[0].timestamp.utcoffset() is not None
    assert salvaged.meter_value[0].sampled_value[0].unit == "kWh"


@pytest.mark.parametrize("raw", [b'{"idTagInfo":{"status":"Maybe"}}', b"{}", b"[]", b"", b"{"])
def test_what_cannot_be_understood_is_not_salvaged(raw: bytes) -> None:
    assert V16.actions["Authorize"].salvage_response(raw) is None


# ── any bytes at all ──────────────────────────────────────────────────────────────────────────────


def assert_only_ever_a_violation(message: Message, raw: bytes) -> None:
    violation = message.check(raw)
    if violation is None:
        assert isinstance(message.decode(raw), message.struct)
        assert message.salvage(raw) is not None
    else:
        assert violation.error_code in V16.codes.known
        assert len(violation.description) <= 255
        with pytest.raises(ProtocolViolation):
            message.decode(raw)
        message.salvage(raw)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MESSAGES), st.binary(max_size=200))
@example(MESSAGES[0], b'{"idTag":"\xff"}')
@example(MESSAGES[0], b'{"\xff":1}')
@example(MESSAGES[0], b'{"idTag":"\\ud800"}')
@example(MESSAGES[0], b'{"idTag":' + b"9" * 5000 + b"}")
@example(MESSAGES[0], b'{"idTag":' + b"9" * 4000 + b"}")
@example(MESSAGES[0], b'{"idTag":1e999}')
@example(MESSAGES[0], b'{"idTag":NaN}')
@example(MESSAGES[0], b"")
def test_any_bytes_give_a_message_or_a_protocol_violation(message: Message, raw: bytes) -> None:
    assert_only_ever_a_violation(message, raw)


@pytest.mark.parametrize("depth", [50, 200, 254, 255, 256, 300, 500, 900, 2000, 100_000])
@pytest.mark.parametrize("shape", ['{"idTag":%s}', '{"idTag":"1","x":%s}', "%s"])
def test_deep_nesting_gives_a_protocol_violation(depth: int, shape: str) -> None:
    raw = (shape % ("[" * depth + "]" * depth)).encode()
    with pytest.raises(ProtocolViolation):
        V16.actions["Authorize"].decode_request(raw)
    assert V16.actions["Authorize"].salvage_response(raw) is None
    objects = (shape % ('{"type":' * depth + "1" + "}" * depth)).encode()
    with pytest.raises(ProtocolViolation):
        V16.actions["Reset"].decode_request(objects)


# ── agreement with the reference validator ────────────────────────────────────────────────────────

_WRONG_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.0, 1.25, 16.3, "", "nonsense", "x" * 6000, "0", [], {}, [{}]),
    *("2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00", "Accepted"),
)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    keys: Iterable[Any] = ()
    if isinstance(value, dict):
        keys = value
    elif isinstance(value, list):
        keys = range(len(value))
    for key in keys:
        found += _places(value[key], (*path, key))
    return found


def mutate(
    payload: Any,
    place: tuple[str | int, ...],
    operation: str,
    value: Any,
) -> Any:
    if not place:
        return payload | {"extra": value} if operation == "add" else value
    *way, last = place
    parent = payload
    for step in way:
        parent = parent[step]
    if operation == "remove":
        del parent[last]
    elif operation == "add" and isinstance(parent[last], dict):
        parent[last]["extra"] = value
    else:
        parent[last] = value
    return payload


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_the_verdict_on_a_mutated_payload_is_that_of_the_reference_validator(
    message: Message,
) -> None:
    is_valid = oracle_for(message)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(messages_of(message.struct, message.schema), st.data())
    def check(built: Any, data: st.DataObject) -> None:
        payload = msgspec.json.decode(encode(built))
        place = data.draw(st.sampled_from(_places(payload)))
        operation = data.draw(st.sampled_from(["remove", "add", "replace"]))
        mutated = mutate(payload, place, operation, data.draw(st.sampled_from(_WRONG_VALUES)))
        raw = msgspec.json.encode(mutated)
        assert (message.check(raw) is None) == is_valid(raw)

    check()
