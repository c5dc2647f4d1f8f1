"""The structs and the catalog say what the official schemas and the specification say."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas_ocpp import MESSAGES, Message, messages_of, oracle_for, without_none
from simfleet.ocpp.v16 import V16, messages
from simfleet.ocpp.validation import schemas_dir
from simfleet.ocpp.wire import Wire, encode

each_message = pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)

_SCALARS = {"string": str, "integer": int, "number": float, "boolean": bool}


def assert_same_shape(annotation: Any, schema: dict[str, Any], place: str) -> None:
    """The type stands for exactly what the schema says, all the way down."""
    if schema["type"] == "object":
        assert schema["additionalProperties"] is False, place
        fields = {field.encode_name: field for field in msgspec.structs.fields(annotation)}
        assert set(fields) == set(schema.get("properties", {})), place
        required = {name for name, field in fields.items() if field.required}
        assert required == set(schema.get("required", [])), place
        for name, part in schema.get("properties", {}).items():
            optional = without_none(fields[name].type) != fields[name].type
            assert optional == (name not in required), f"{place}.{name}"
            assert_same_shape(without_none(fields[name].type), part, f"{place}.{name}")
    elif schema["type"] == "array":
        assert get_origin(annotation) is list, place
        assert_same_shape(get_args(annotation)[0], schema["items"], f"{place}[]")
    elif "enum" in schema:
        assert get_origin(annotation) is Literal, place
        assert sorted(get_args(annotation)) == sorted(schema["enum"]), place
    elif schema.get("format") == "date-time":
        assert annotation is datetime, place
    else:
        assert annotation is _SCALARS[schema["type"]], place


@each_message
def test_a_struct_has_exactly_the_fields_of_its_schema(message: Message) -> None:
    assert_same_shape(message.struct, message.schema, message.name)


def test_the_shape_check_notices_a_field_that_should_be_required() -> None:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"idTag": {"type": "string"}},
    }
    assert_same_shape(messages.AuthorizeRequest, schema | {"required": ["idTag"]}, "right")
    with pytest.raises(AssertionError):
        assert_same_shape(messages.AuthorizeRequest, schema | {"required": []}, "wrong")


@each_message
def test_any_message_built_from_its_struct_is_valid_and_comes_back_equal(message: Message) -> None:
    is_valid = oracle_for(message)

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(messages_of(message.struct, message.schema))
    def check(built: Wire) -> None:
        payload = encode(built)
        assert is_valid(payload)
        assert message.check(payload) is None
        assert message.decode(payload) == built
        assert message.salvage(payload) == built
        assert message.decode(msgspec.Raw(payload)) == built

    check()


def test_every_official_schema_is_in_the_catalog() -> None:
    official = {path.stem for path in schemas_dir("ocpp1.6").glob("*.json")}
    assert {message.schema_name for message in MESSAGES} == official
    assert len(V16.actions) == 39


def test_thirteen_messages_come_from_stations_and_twenty_five_from_the_csms() -> None:
    senders = [action.sent_by for action in V16.actions.values()]
    assert senders.count(frozenset({"station"})) == 13
    assert senders.count(frozenset({"csms"})) == 25
    assert V16.actions["DataTransfer"].sent_by == {"station", "csms"}


@pytest.mark.parametrize(
    ("action", "sender", "block"),
    [
        ("BootNotification", "station", "Core"),
        ("RemoteStartTransaction", "csms", "Core"),
        ("FirmwareStatusNotification", "station", "FirmwareManagement"),
        ("GetDiagnostics", "csms", "FirmwareManagement"),
        ("SendLocalList", "csms", "LocalAuthListManagement"),
        ("ReserveNow", "csms", "Reservation"),
        ("SetChargingProfile", "csms", "SmartCharging"),
        ("TriggerMessage", "csms", "RemoteTrigger"),
        ("SignCertificate", "station", "Security"),
        ("ExtendedTriggerMessage", "csms", "Security"),
    ],
)
def test_an_action_knows_its_sender_and_block(action: str, sender: str, block: str) -> None:
    assert V16.actions[action].sent_by == {sender}
    assert V16.actions[action].block == block


def test_the_action_of_a_request_is_found_by_its_type() -> None:
    request = messages.StatusNotificationRequest(
        connector_id=1, error_code="NoError", status="Available"
    )
    assert V16.of_request[type(request)].name == "StatusNotification"
    assert len(V16.of_request) == 39


def test_types_that_several_messages_use_are_one_type() -> None:
    profile_of = {
        field.name: without_none(field.type)
        for struct in (
            messages.RemoteStartTransactionRequest,
            messages.SetChargingProfileRequest,
        )
        for field in msgspec.structs.fields(struct)
    }
    assert profile_of["charging_profile"] is profile_of["cs_charging_profiles"]
    assert profile_of["charging_profile"] is messages.ChargingProfile


def test_fields_that_are_none_are_left_out_of_the_json() -> None:
    request = messages.RemoteStartTransactionRequest(id_tag="04E8A1B2", connector_id=None)
    assert encode(request) == b'{"idTag":"04E8A1B2"}'


def test_a_date_time_in_utc_is_written_with_z() -> None:
    response = messages.HeartbeatResponse(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert encode(response) == b'{"currentTime":"2026-01-02T03:04:05Z"}'


@given(st.sampled_from(sorted(V16.actions)))
def test_equal_empty_replies_are_one_instance(name: str) -> None:
    action = V16.actions[name]
    if action.check_response(b"{}") is None:
        first = action.decode_response(b"{}")
        assert action.decode_response(msgspec.Raw(b"{}")) is first
        assert action.decode_response(b"{ }") == first


def test_importing_the_catalog_neither_imports_ocpp_nor_compiles_anything() -> None:
    script = (
        "import sys; from simfleet.ocpp.v16 import V16;"
        "assert not {'ocpp', 'asyncio', 'jsonschema'} & set(sys.modules), sys.modules;"
        "assert V16.actions['Heartbeat']._requests is None;"
        "V16.warm_up();"
        "assert V16.actions['Heartbeat']._requests is not None;"
        "assert 'ocpp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
