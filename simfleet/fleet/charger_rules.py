"""What a named charger may be, and what it can be asked for.

A value that cannot be used is `Invalid`, whatever the charger does at that moment; what the
charger's state forbids is in `charger_refusals`. Values are those of the simulator's
REST API.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, cast, get_args

from msgspec import Struct

from simfleet.errors import Invalid, Missing, UsageWrong
from simfleet.fleet import plug_and_charge
from simfleet.fleet.charger_state import AuthMode, ChargerMode, ChargerType, Definition
from simfleet.link.address import parse_target
from simfleet.models.model import Wanted
from simfleet.station.configuration import Configuration, for_station
from simfleet.station.connector import NO_ERROR
from simfleet.station.tokens import typed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.models.catalogue import Catalogue
    from simfleet.models.model import ChargerModel
    from simfleet.ocpp.versions import Version

CONNECTORS_MAX: Final = 5
POWER_MAX_KW: Final = 100_000.0
ENERGY_MIN_KWH: Final = 0.001
ENERGY_MAX_KWH: Final = 100_000.0
ID_TAG_MAX: Final = 20
"""Characters of an idTag (CiString20Type)."""
ID_TOKEN_MAX: Final = 36
"""Characters of an idToken in OCPP 2.0.1; 2.1 has room for more."""
TOKEN_MAX: Final = 52
"""An idToken with the longest type before it."""
OCPP_VERSIONS: Final = ("1.6", "2.0.1", "2.1")
NAME_MAX: Final = 100
URL_MAX: Final = 500
PNC_MAX: Final = 255
RAW_MAX: Final = 262_144
"""Characters of a text to be sent as it is."""
CHARGEPOINT_ID: Final = r"[A-Za-z0-9*_=:+|@.-]{1,48}"
"""OCPP's identifierString; no slash, for the identity is a path segment of the CSMS's URL."""
ERROR_CODES: Final = (
    *(NO_ERROR, "GroundFailure", "OverCurrentFailure", "EVCommunicationError", "InternalError"),
    *("ConnectorLockFailure", "HighTemperature", "UnderVoltage", "OverVoltage"),
)
HEARTBEAT_S: Final = 300


class NewCharger(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A charger to be made; see `definition_of` for what is accepted.

    Type, power and number of connectors are those of the `model`, unless they are given.
    """

    chargepoint_id: str
    charger_type: ChargerType | None = None
    max_power_kw: float | None = None
    num_connectors: int | None = None
    model: str = ""
    ocpp_version: str = "1.6"
    auth_mode: AuthMode = "rfid"
    pnc_emaid: str = ""
    configuration: dict[str, str] = {}
    backend_url: str = ""
    charger_name: str = ""


def definition_of(new: NewCharger, models: Catalogue) -> Definition:
    """The definition of a charger to be made. Raises `Invalid`, which names the field."""
    chargepoint_id(new.chargepoint_id)
    try:
        model = model_of(new.model, models)
    except Missing as missing:
        raise Invalid(f"model: {missing}") from None
    kind, power_kw, connectors = new.charger_type, new.max_power_kw, new.num_connectors
    if model is not None:
        built = model.as_built
        kind = built.kind if kind is None else kind
        power_kw = built.max_power_w / 1000.0 if power_kw is None else power_kw
        connectors = built.connectors if connectors is None else connectors
    for name, value in (("charger_type", kind), ("max_power_kw", power_kw)):
        if value is None:
            raise Invalid(f"there is no required field {name}; without a model it is needed")
    assert kind is not None
    assert power_kw is not None
    if kind not in get_args(ChargerType):
        raise Invalid(f"charger_type is {shown(kind)}; it is AC or DC")
    if not (math.isfinite(power_kw) and 0 < power_kw <= POWER_MAX_KW):
        raise Invalid(f"max_power_kw is {power_kw:g}; it is above 0 and at most {POWER_MAX_KW:.0f}")
    version, mode = ocpp_version(new.ocpp_version), auth_mode(new.auth_mode)
    emaid = plug_and_charge.emaid(new.pnc_emaid)
    if mode == "plug_and_charge":
        version = plug_and_charge.FORCED_VERSION
        emaid = emaid or plug_and_charge.generated_emaid(new.chargepoint_id)
    definition = Definition(
        charger_type=kind,
        max_power_kw=power_kw,
        num_connectors=num_connectors(1 if connectors is None else connectors),
        ocpp_version=version,
        auth_mode=mode,
        pnc_emaid=emaid,
        configuration=dict(new.configuration),
        backend_url=backend_url("backend_url", new.backend_url),
        charger_name=charger_name(new.charger_name),
        model=new.model,
    )
    factory_settings(definition, model)
    return definition


def model_of(name: str, models: Catalogue) -> ChargerModel | None:
    """The model of a charger, None for SimFleet's own. Raises `ModelMissing`, `ModelInvalid`."""
    return models.find(name) if name else None


def wanted_of(definition: Definition, model: ChargerModel) -> Wanted:
    """What a definition wants of the charger, beside what its model is built like."""
    return Wanted(
        kind=definition.charger_type,
        max_power_w=definition.max_power_kw * 1000.0,
        connectors=definition.num_connectors,
        vendor=model.as_built.vendor,
    )


def factory_settings(
    definition: Definition, model: ChargerModel | None, *, heartbeat_s: int = HEARTBEAT_S
) -> Configuration:
    """The configuration that a charger leaves the factory with. Raises `Invalid`.

    `heartbeat_s` holds where neither the definition nor the model names a HeartbeatInterval.
    """

    def made(values: Mapping[str, str]) -> Configuration:
        if model is not None:
            wanted = wanted_of(definition, model)
            return Configuration(model.factory(wanted, values, version=version))
        connectors, kind = definition.num_connectors, definition.charger_type
        return for_station(connectors, values, kind=kind, version=version)

    version = subprotocol_of(definition)
    given = definition.configuration
    settings = {} if model is None else model.settings
    known = made({})
    for name in given:
        if known.get(name) is None:
            raise Invalid(f"configuration: {shown(name)} is not a key of this charger")
    values = dict(given)
    if not any(name.lower() == "heartbeatinterval" for name in (*given, *settings)):
        values["HeartbeatInterval"] = str(heartbeat_s)
    try:
        return made(values)
    except ValueError as error:
        raise Invalid(f"configuration: {error}".replace("\n", "; ")) from None


def chargepoint_id(value: str) -> str:
    """An identity that OCPP and a URL can carry. Raises `Invalid`."""
    if not re.fullmatch(CHARGEPOINT_ID, value) or value in (".", ".."):
        raise Invalid(
            f"chargepoint_id is {shown(value)}; it has 1 to 48 letters, digits or any of"
            " * _ = : + | @ . -"
        )
    return value


def charger_mode(value: str) -> ChargerMode:
    """A mode. Raises `Invalid`."""
    if value not in get_args(ChargerMode):
        raise Invalid(f"mode is {shown(value)}; it is off, on, autopilot or manual")
    return cast("ChargerMode", value)


def ocpp_version(value: str) -> str:
    """A version that is spoken here. Raises `Invalid`."""
    if value not in OCPP_VERSIONS:
        raise Invalid(f"ocpp_version is {shown(value)}; write {', '.join(OCPP_VERSIONS)}")
    return value


def subprotocol_of(definition: Definition) -> Version:
    """The version of a charger as its WebSocket subprotocol has it."""
    return cast("Version", f"ocpp{definition.ocpp_version}")


def auth_mode(value: str) -> AuthMode:
    """A way to authorize. Raises `Invalid`."""
    if value not in get_args(AuthMode):
        raise Invalid(f"auth_mode is {shown(value)}; write rfid or plug_and_charge")
    return cast("AuthMode", value)


def num_connectors(value: int) -> int:
    """How many connectors. Raises `Invalid`."""
    if not 1 <= value <= CONNECTORS_MAX:
        raise Invalid(f"num_connectors is {value}; it is 1 to {CONNECTORS_MAX}")
    return value


def connector_id(value: int, *, count: int) -> int:
    """A connector that a charger has. Raises `Invalid`."""
    if not 1 <= value <= count:
        raise Invalid(f"connector_id is {value}; this charger has 1 to {count}")
    return value


def backend_url(name: str, value: str) -> str:
    """A WebSocket address without a trailing slash, or "". Raises `Invalid`."""
    if value == "":
        return value
    if len(value) > URL_MAX or not value.isprintable() or " " in value:
        raise Invalid(f"{name} is no address of at most {URL_MAX} characters; {_ADDRESS}")
    try:
        target = parse_target(value)
    except UsageWrong as wrong:
        raise Invalid(f"{name}: {wrong}") from None
    if target.port == 0:
        raise Invalid(f"{name} has port 0; {_ADDRESS}")
    return value.rstrip("/")


_ADDRESS: Final = "write ws://host:port/prefix or wss://host:port/prefix"


def id_tag(name: str, value: str) -> str:
    """A tag, or "". Raises `Invalid`."""
    if len(value) > ID_TAG_MAX or not (value.isascii() and value.isprintable()):
        raise Invalid(
            f"{name} is {shown(value)}; a tag has at most {ID_TAG_MAX} printable ASCII characters"
        )
    return value


def token(name: str, value: str, *, version: str) -> str:
    """A tag that is presented to a charger of this version, or "". Raises `Invalid`.

    In 2.x it may begin with its type, `eMAID:DE*ABC*12345`, see `tokens.typed`.
    """
    if version == "1.6":
        return id_tag(name, value)
    text = typed(value)[1]
    if len(text) > ID_TOKEN_MAX or not (value.isascii() and value.isprintable()):
        raise Invalid(
            f"{name} is {shown(value)}; an idToken has at most {ID_TOKEN_MAX} printable ASCII"
            " characters"
        )
    return value


def charger_name(value: str) -> str:
    """A name for people. Raises `Invalid`."""
    if len(value) > NAME_MAX or not value.isprintable():
        raise Invalid(f"charger_name has at most {NAME_MAX} printable characters")
    return value


def pnc_values(emaid: str, pcid: str, certificate_hash: str) -> tuple[str, str, str]:
    """What Plug & Charge would use; kept, and shown. Raises `Invalid`."""
    return (
        plug_and_charge.emaid(emaid),
        _pnc("pnc_pcid", pcid),
        _pnc("pnc_certificate_hash", certificate_hash),
    )


def _pnc(name: str, value: str) -> str:
    if len(value) > PNC_MAX or not value.isprintable():
        raise Invalid(f"{name} has at most {PNC_MAX} printable characters")
    return value


def energy_wh(energy_kwh: float) -> float:
    """The target of a session. Raises `Invalid`."""
    if not (math.isfinite(energy_kwh) and ENERGY_MIN_KWH <= energy_kwh <= ENERGY_MAX_KWH):
        raise Invalid(
            f"energy_kwh is {energy_kwh:g}; it is {ENERGY_MIN_KWH:g} to {ENERGY_MAX_KWH:.0f}"
        )
    return energy_kwh * 1000.0


def error_code(value: str) -> str:
    """One of the nine errors of the API. Raises `Invalid`."""
    if value not in ERROR_CODES:
        raise Invalid(f"error_code is {shown(value)}; it is one of {', '.join(ERROR_CODES)}")
    return value


def raw_text(value: str) -> bytes:
    """A text to be sent as it is. Raises `Invalid`."""
    if not 0 < len(value) <= RAW_MAX:
        raise Invalid(f"text has 1 to {RAW_MAX} characters")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise Invalid("text has characters that UTF-8 cannot carry") from None


def shown(value: object) -> str:
    """A value in a message, not longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
