"""What a named charger and its user's settings may be, and how a charger says no.

A value that cannot be used is `Invalid`, whatever the charger does at that moment; what the
charger's state forbids is a `Refused` with a code of its own. Values are those of the simulator's
REST API.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from msgspec import Struct

from simfleet.errors import Invalid, Missing, Refused, UsageWrong
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
DEFAULT_ID_TAG: Final = "AABBCCDD"
HEARTBEAT_S: Final = 300
BATCH: Final = 50


# ── no ────────────────────────────────────────────────────────────────────────────────────────────


class ChargerMissing(Missing):
    """No such charger, or it is another user's."""

    code = "CHARGER_NOT_FOUND"

    def __init__(self, chargepoint_id: str) -> None:
        super().__init__(f"no charger is called {chargepoint_id!r}")
        self.chargepoint_id = chargepoint_id


class ChargerExists(Refused):
    """The identity is taken; a CSMS could not tell two chargers apart, whoever owns them."""

    code = "CHARGER_EXISTS"

    def __init__(self, chargepoint_id: str) -> None:
        super().__init__(f"a charger called {chargepoint_id!r} exists already")
        self.chargepoint_id = chargepoint_id


class ChargerNotOff(Refused):
    """What is asked for can only be done to a charger that is off."""

    code = "CHARGER_NOT_OFF"

    def __init__(self) -> None:
        super().__init__("Charger must be turned off")


class ChargerOff(Refused):
    """What is asked for can only be done to a charger that is on."""

    code = "CHARGER_OFF"

    def __init__(self, identity: str) -> None:
        super().__init__(f"{identity} is turned off; set its mode to on, manual or autopilot first")


class ChargerOffline(Refused):
    """There is no connection to the CSMS, and without one this cannot be done."""

    code = "CHARGER_OFFLINE"


class ChargerRestarting(Refused):
    """The charger's task has crashed and is being started again."""

    code = "CHARGER_RESTARTING"

    def __init__(self, identity: str) -> None:
        super().__init__(f"{identity} is being restarted after an internal error; try again soon")


class AlreadyCharging(Refused):
    """A session runs on the connector, or is about to begin."""

    code = "ALREADY_CHARGING"


class NotCharging(Refused):
    """There is no session to stop."""

    code = "NOT_CHARGING"


class ConnectorFaulted(Refused):
    """A fault keeps the connector from charging."""

    code = "CONNECTOR_FAULTED"


class ConnectorUnavailable(Refused):
    """The connector is out of service."""

    code = "CONNECTOR_UNAVAILABLE"


# ── what comes in ─────────────────────────────────────────────────────────────────────────────────


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


class UserSettings(Struct, frozen=True, kw_only=True):
    """What holds for all chargers of a user, unless a charger or its CSMS says otherwise.

    `heartbeat_interval` (seconds) counts where the CSMS names none in its boot answer.
    """

    ocpp_backend_url: str
    rfid_card_id: str = DEFAULT_ID_TAG
    heartbeat_interval: int = HEARTBEAT_S
    mass_batch_size: int = BATCH


class SettingsChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings to change; None leaves one as it is. Numbers may come as digits in a string."""

    ocpp_backend_url: str | None = None
    rfid_card_id: str | None = None
    heartbeat_interval: int | str | None = None
    mass_batch_size: int | str | None = None


def settings_after(
    before: UserSettings, change: SettingsChange, *, default: UserSettings
) -> UserSettings:
    """All of a change, or `Invalid`. An empty text brings the default back."""
    after: dict[str, Any] = {}
    if change.ocpp_backend_url is not None:
        url = backend_url("ocpp_backend_url", change.ocpp_backend_url)
        after["ocpp_backend_url"] = url or default.ocpp_backend_url
    if change.rfid_card_id is not None:
        tag = id_tag("rfid_card_id", change.rfid_card_id)
        after["rfid_card_id"] = tag or default.rfid_card_id
    for name, given, low, high in (
        ("heartbeat_interval", change.heartbeat_interval, 10, 3600),
        ("mass_batch_size", change.mass_batch_size, 10, 2500),
    ):
        if given is not None:
            after[name] = _whole(name, given, low=low, high=high)
    return UserSettings(
        ocpp_backend_url=after.get("ocpp_backend_url", before.ocpp_backend_url),
        rfid_card_id=after.get("rfid_card_id", before.rfid_card_id),
        heartbeat_interval=after.get("heartbeat_interval", before.heartbeat_interval),
        mass_batch_size=after.get("mass_batch_size", before.mass_batch_size),
    )


def stored_settings(stored: Mapping[str, str], *, default: UserSettings) -> UserSettings:
    """The settings of a user as the store has them; what cannot be used any more is passed over."""
    settings = default
    for name in SettingsChange.__struct_fields__:
        if name in stored:
            try:
                change = SettingsChange(**{name: stored[name]})
                settings = settings_after(settings, change, default=default)
            except Invalid:
                continue
    return settings


def _whole(name: str, given: int | str, *, low: int, high: int) -> int:
    text = str(given)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise Invalid(f"{name} is {_shown(given)}; it is a whole number from {low} to {high}")
    return int(text)


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
        raise Invalid(f"charger_type is {_shown(kind)}; it is AC or DC")
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
            raise Invalid(f"configuration: {_shown(name)} is not a key of this charger")
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
            f"chargepoint_id is {_shown(value)}; it has 1 to 48 letters, digits or any of"
            " * _ = : + | @ . -"
        )
    return value


def charger_mode(value: str) -> ChargerMode:
    """A mode. Raises `Invalid`."""
    if value not in get_args(ChargerMode):
        raise Invalid(f"mode is {_shown(value)}; it is off, on, autopilot or manual")
    return cast("ChargerMode", value)


def ocpp_version(value: str) -> str:
    """A version that is spoken here. Raises `Invalid`."""
    if value not in OCPP_VERSIONS:
        raise Invalid(f"ocpp_version is {_shown(value)}; write {', '.join(OCPP_VERSIONS)}")
    return value


def subprotocol_of(definition: Definition) -> Version:
    """The version of a charger as its WebSocket subprotocol has it."""
    return cast("Version", f"ocpp{definition.ocpp_version}")


def auth_mode(value: str) -> AuthMode:
    """A way to authorize. Raises `Invalid`."""
    if value not in get_args(AuthMode):
        raise Invalid(f"auth_mode is {_shown(value)}; write rfid or plug_and_charge")
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
            f"{name} is {_shown(value)}; a tag has at most {ID_TAG_MAX} printable ASCII characters"
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
            f"{name} is {_shown(value)}; an idToken has at most {ID_TOKEN_MAX} printable ASCII"
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
        raise Invalid(f"error_code is {_shown(value)}; it is one of {', '.join(ERROR_CODES)}")
    return value


def raw_text(value: str) -> bytes:
    """A text to be sent as it is. Raises `Invalid`."""
    if not 0 < len(value) <= RAW_MAX:
        raise Invalid(f"text has 1 to {RAW_MAX} characters")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise Invalid("text has characters that UTF-8 cannot carry") from None


def _shown(value: object) -> str:
    """A value in a message, not longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
