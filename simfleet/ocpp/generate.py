"""Writes the message structs of a version from the official JSON schemas.

    python -m simfleet.ocpp.generate           write every generated module
    python -m simfleet.ocpp.generate --check   only say whether they are current; exit code 1 if not

Each schema becomes `XRequest` or `XResponse`; objects and enumerations inside it become structs and
`Literal` aliases with OCPP's own names. The 2.x schemas name their parts. Those of 1.6 do not, so
the specification's names are listed here; a part without a name, or one name for two different
shapes, is an error.
"""

from __future__ import annotations

import json
import keyword
import re
import sys
import textwrap
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from simfleet.ocpp.validation import schema_text, schemas_dir

_WIDTH: Final = 100  # as ruff formats


class Version(Struct, frozen=True):
    """What generating one version takes."""

    subprotocol: str
    title: str
    module: Path
    names: dict[str, str] = {}
    """Names of types, by where they occur ("Struct.field") or by the schema's own name."""
    base: str = ""
    """The version whose types are taken over where they are the same."""


_CHARGING: Final = {
    "ChargingProfile.chargingProfileKind": "ChargingProfileKindType",
    "ChargingProfile.chargingProfilePurpose": "ChargingProfilePurposeType",
    "ChargingProfile.chargingSchedule": "ChargingSchedule",
    "ChargingProfile.recurrencyKind": "RecurrencyKindType",
    "ChargingSchedule.chargingRateUnit": "ChargingRateUnitType",
    "ChargingSchedule.chargingSchedulePeriod": "ChargingSchedulePeriod",
    "ClearChargingProfileRequest.chargingProfilePurpose": "ChargingProfilePurposeType",
    "ClearChargingProfileResponse.status": "ClearChargingProfileStatus",
    "GetCompositeScheduleRequest.chargingRateUnit": "ChargingRateUnitType",
    "GetCompositeScheduleResponse.chargingSchedule": "ChargingSchedule",
    "GetCompositeScheduleResponse.status": "GetCompositeScheduleStatus",
    "RemoteStartTransactionRequest.chargingProfile": "ChargingProfile",
    "SetChargingProfileRequest.csChargingProfiles": "ChargingProfile",
    "SetChargingProfileResponse.status": "ChargingProfileStatus",
}
# The schema of StopTransaction lacks the unit Hertz that MeterValues has; so its samples are types
# of their own, and nobody puts a unit there that a strict CSMS refuses.
_METERING: Final = {
    "MeterValuesRequest.meterValue": "MeterValue",
    "MeterValue.sampledValue": "SampledValue",
    "SampledValue.context": "ReadingContext",
    "SampledValue.format": "ValueFormat",
    "SampledValue.location": "Location",
    "SampledValue.measurand": "Measurand",
    "SampledValue.phase": "Phase",
    "SampledValue.unit": "UnitOfMeasure",
    "StopTransactionRequest.transactionData": "TransactionData",
    "TransactionData.sampledValue": "TransactionDataSampledValue",
    "TransactionDataSampledValue.context": "ReadingContext",
    "TransactionDataSampledValue.format": "ValueFormat",
    "TransactionDataSampledValue.location": "Location",
    "TransactionDataSampledValue.measurand": "Measurand",
    "TransactionDataSampledValue.phase": "Phase",
    "TransactionDataSampledValue.unit": "TransactionDataUnitOfMeasure",
}
_V16_NAMES: Final = {
    **_CHARGING,
    **_METERING,
    "AuthorizationData.idTagInfo": "IdTagInfo",
    "AuthorizeResponse.idTagInfo": "IdTagInfo",
    "BootNotificationResponse.status": "RegistrationStatus",
    "CancelReservationResponse.status": "CancelReservationStatus",
    "ChangeAvailabilityRequest.type": "AvailabilityType",
    "ChangeAvailabilityResponse.status": "AvailabilityStatus",
    "ChangeConfigurationResponse.status": "ConfigurationStatus",
    "ClearCacheResponse.status": "ClearCacheStatus",
    "DataTransferResponse.status": "DataTransferStatus",
    "DiagnosticsStatusNotificationRequest.status": "DiagnosticsStatus",
    "FirmwareStatusNotificationRequest.status": "FirmwareStatus",
    "GetConfigurationResponse.configurationKey": "KeyValue",
    "IdTagInfo.status": "AuthorizationStatus",
    "RemoteStartTransactionResponse.status": "RemoteStartStopStatus",
    "RemoteStopTransactionResponse.status": "RemoteStartStopStatus",
    "ReserveNowResponse.status": "ReservationStatus",
    "ResetRequest.type": "ResetType",
    "ResetResponse.status": "ResetStatus",
    "SendLocalListRequest.localAuthorizationList": "AuthorizationData",
    "SendLocalListRequest.updateType": "UpdateType",
    "SendLocalListResponse.status": "UpdateStatus",
    "StartTransactionResponse.idTagInfo": "IdTagInfo",
    "StatusNotificationRequest.errorCode": "ChargePointErrorCode",
    "StatusNotificationRequest.status": "ChargePointStatus",
    "StopTransactionRequest.reason": "Reason",
    "StopTransactionResponse.idTagInfo": "IdTagInfo",
    "TriggerMessageRequest.requestedMessage": "MessageTrigger",
    "TriggerMessageResponse.status": "TriggerMessageStatus",
    "UnlockConnectorResponse.status": "UnlockStatus",
    # The whitepaper's definitions carry names; this one is 1.6's own type again.
    "TriggerMessageStatusEnumType": "TriggerMessageStatus",
}

VERSIONS: Final = (
    Version(
        "ocpp1.6",
        "OCPP 1.6J and its Security Whitepaper",
        Path(__file__).parent / "v16" / "messages.py",
        _V16_NAMES,
    ),
    Version("ocpp2.0.1", "OCPP 2.0.1", Path(__file__).parent / "v201" / "messages.py"),
    Version("ocpp2.1", "OCPP 2.1", Path(__file__).parent / "v21" / "messages.py", base="ocpp2.0.1"),
)

# ── reading schemas ───────────────────────────────────────────────────────────────────────────────


class _Field(Struct, frozen=True):
    name: str
    wire_name: str
    type: str
    required: bool


class _Module:
    """The types of one version, collected from all its schemas."""

    def __init__(self, version: Version) -> None:
        self.enumerations: dict[str, list[str]] = {}
        self.structs: dict[str, list[_Field]] = {}
        self.users: dict[str, set[str]] = {}
        self.messages: list[str] = []
        self._names = version.names
        self._message = ""
        self._definitions: dict[str, Any] = {}
        for path in sorted(schemas_dir(version.subprotocol).glob("*.json")):
            self._read_message(json.loads(schema_text(version.subprotocol, path.stem)), path.stem)

    def _read_message(self, schema: dict[str, Any], stem: str) -> None:
        # 1.6 names a request's schema like its action, 2.x "ActionRequest".
        action = stem.removesuffix("Request")
        self._message = action if action.endswith("Response") else f"{action}Request"
        self._definitions = schema.get("definitions", {})
        self._struct(self._message, schema)
        self.messages.append(self._message)

    def _struct(self, name: str, schema: dict[str, Any]) -> str:
        if schema.get("additionalProperties") is not False:
            return "dict[str, Any]"  # such as CustomDataType: a vendor's own fields
        required = schema.get("required", [])
        fields = [
            _Field(
                name=_snake(wire_name),
                wire_name=wire_name,
                type=self._type(part, f"{name}.{wire_name}"),
                required=wire_name in required,
            )
            for wire_name, part in schema.get("properties", {}).items()
        ]
        fields.sort(key=lambda field: not field.required)
        if self.structs.setdefault(name, fields) != fields:
            raise SystemExit(f"{self._message}: {name} has another shape elsewhere; name it apart")
        return name

    def _type(self, schema: dict[str, Any], place: str) -> str:
        if "$ref" in schema:
            definition = schema["$ref"].removeprefix("#/definitions/")
            name = self._names.get(definition, definition.removesuffix("Type"))
            return self._named_type(self._definitions[definition], name)
        match schema.get("type"):
            case "array":
                return f"list[{self._type(schema['items'], place)}]"
            case "object":
                return self._named_type(schema, self._name_of(place))
            case "string" if "enum" in schema:
                return self._named_type(schema, self._name_of(place))
            case "string" if schema.get("format") == "date-time":
                return "datetime"
            case "string":
                return "str"
            case "integer":
                return "int"
            case "number":
                return "float"
            case "boolean":
                return "bool"
            case None:
                return "Any"  # the free `data` of DataTransfer in 2.x
        raise SystemExit(
            f"{self._message}: {place} has a type this generator does not know: {schema}"
        )

    def _named_type(self, schema: dict[str, Any], name: str) -> str:
        if schema["type"] == "object":
            name = self._struct(name, schema)
        elif "enum" in schema:
            values = schema["enum"]
            known = self.enumerations.setdefault(name, values)
            if set(known) != set(values):
                raise SystemExit(
                    f"{self._message}: {name} has other values elsewhere; name it apart"
                )
        else:
            return self._type(schema, name)
        self.users.setdefault(name, set()).add(self._message)
        return name

    def _name_of(self, place: str) -> str:
        try:
            return self._names[place]
        except KeyError:
            raise SystemExit(f"{place} needs a name: add it to the table in {__file__}") from None


def _snake(name: str) -> str:
    """``responderURL`` -> ``responder_url``."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    snake = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()
    return f"{snake}_" if keyword.iskeyword(snake) else snake


def _camel(name: str) -> str:
    """What msgspec's rename="camel" makes of a Python name."""
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


# ── writing the module ────────────────────────────────────────────────────────────────────────────


def _same(module: _Module, base: _Module) -> set[str]:
    """The types of `module` that `base` has as well, with everything that they are made of."""
    same = {
        name
        for name, values in module.enumerations.items()
        if set(base.enumerations.get(name, ())) == set(values)
    }
    named = set(module.structs) | set(module.enumerations)
    waiting = {
        name: {part for field in fields for part in re.findall(r"\w+", field.type)} & named
        for name, fields in module.structs.items()
        if base.structs.get(name) == fields
    }
    while ready := [name for name, parts in waiting.items() if parts <= same]:
        same.update(ready)
        for name in ready:
            del waiting[name]
    return same


def _taken_over(version: Version, module: _Module) -> tuple[set[str], list[str]]:
    """What comes from the version's base: the names, and the line that imports it."""
    if not version.base:
        return set(), []
    [base] = [other for other in VERSIONS if other.subprotocol == version.base]
    same = _same(module, _Module(base))
    return same, [f"from simfleet.ocpp.{base.module.parent.name} import messages as base"]


def render(version: Version) -> str:
    """The text of the generated module, formatted as ruff does."""
    module = _Module(version)
    same, taken_over = _taken_over(version, module)
    parts = sorted(set(module.structs) - set(module.messages))
    own = [name for name in [*parts, *module.messages] if name not in same]
    classes = [_class(module, name) for name in own]
    body = "\n\n\n".join(classes)
    needs_field = "field(" in body
    imports = [
        "from datetime import datetime" if "datetime" in body else "",
        f"from typing import {'Any, ' if 'Any' in body else ''}Literal",
        "\nfrom msgspec import field\n" if needs_field else "",
        "" if needs_field else "\n",
        *taken_over,
        "from simfleet.ocpp.wire import Wire",
    ]
    return "\n".join(
        [
            f'"""The messages of {version.title}, as structs.',
            "",
            "Generated by `python -m simfleet.ocpp.generate` from the JSON schemas of the",
            f"`ocpp` package {installed_version('ocpp')}.",
            "Do not edit: change the generator and run it.",
            '"""',
            "",
            "from __future__ import annotations",
            "",
            *(line.removesuffix("\n") if line == "\n" else line for line in imports if line),
            "",
            *(
                _alias(name, values)
                for name, values in sorted(module.enumerations.items())
                if name not in same
            ),
            *(f"{name} = base.{name}" for name in sorted(same)),
            "",
            "",
            body,
            "",
        ]
    )


def _alias(name: str, values: list[str]) -> str:
    line = f"{name} = Literal[{', '.join(map(_quoted, values))}]"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{name} = Literal[", *(f"    {_quoted(value)}," for value in values), "]"])


def _class(module: _Module, name: str) -> str:
    lines = [f"class {name}(Wire, frozen=True):", *_docstring(module, name)]
    if module.structs[name]:
        lines.append("")
    for field in module.structs[name]:
        lines += _field_lines(field)
    return "\n".join(lines)


def _field_lines(field: _Field) -> list[str]:
    line = f"    {field.name}: {field.type}{'' if field.required else ' | None'}"
    if _camel(field.name) == field.wire_name:
        return [line if field.required else f"{line} = None"]
    # msgspec's camelCase would not give the wire name, as in responderURL.
    arguments = f"{'' if field.required else 'default=None, '}name={_quoted(field.wire_name)}"
    whole = f"{line} = field({arguments})"
    if len(whole) <= _WIDTH:
        return [whole]
    return [f"{line} = field(", f"        {arguments}", "    )"]


def _docstring(module: _Module, name: str) -> list[str]:
    if name in module.messages:
        action = name.removesuffix("Request").removesuffix("Response")
        kind = "Request" if name.endswith("Request") else "Response"
        return [f'    """{kind} of {action}."""']
    text = f'"""Part of {", ".join(sorted(module.users[name]))}."""'
    if len(text) + 4 <= _WIDTH:
        return [f"    {text}"]
    summary = '"""Part of several messages.'
    users = textwrap.wrap(", ".join(sorted(module.users[name])) + ".", _WIDTH - 4)
    return [f"    {summary}", "", *(f"    {line}" for line in users), '    """']


def _quoted(text: str) -> str:
    return json.dumps(text)


def main(arguments: list[str]) -> int:
    """Write the generated modules, or with ``--check`` compare them. Returns the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m simfleet.ocpp.generate [--check]", file=sys.stderr)
        return 2
    stale = 0
    for version in VERSIONS:
        text = render(version)
        current = version.module.exists() and version.module.read_text(encoding="utf-8") == text
        if arguments and not current:
            print(
                f"{version.module} is not what the generator writes with ocpp"
                f" {installed_version('ocpp')}; run python -m simfleet.ocpp.generate",
                file=sys.stderr,
            )
            stale += 1
        elif not current:
            version.module.write_text(text, encoding="utf-8")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
