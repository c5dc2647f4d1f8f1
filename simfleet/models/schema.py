"""What the file of a charger model may hold, field by field."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Literal

from msgspec import Struct

from simfleet.documents.fields import Key, ListOf, MapOf, Part, PartsByName
from simfleet.documents.kinds import Choice, Flag, Measure, Parsed, Setting, Text, Whole
from simfleet.models.quirk_words import QuirkWords
from simfleet.station.configuration_keys import FEATURE_PROFILES, NAME_MAX_CHARS
from simfleet.station.meter import MEASURANDS
from simfleet.station.nameplate import SERIAL_MAX, SIM_MAX, check_pattern

CONNECTORS_MAX = 5
VENDOR_KEYS_MAX = 100
KEYS_MAX = 200
MODEL_NAME_MAX = 81
MODEL_NAME = r"[a-z0-9][a-z0-9-]{0,39}/[a-z0-9][a-z0-9-]{0,39}"
MODEL_FILE = r"[^\x00-\x1f\x7f]{1,4000}\.ya?ml"
_INT_MAX = 2**31 - 1
_KW = 1000.0


def _configuration_key(key: str) -> None:
    if not 1 <= len(key) <= NAME_MAX_CHARS:
        raise ValueError(f"a configuration key has 1 to {NAME_MAX_CHARS} characters")


_SETTING = Setting()
CONFIGURATION = MapOf(
    "a mapping of configuration keys to values",
    check_key=_configuration_key,
    read_value=lambda _, scalar: _SETTING.parse_scalar(scalar),
    schema=lambda: {"additionalProperties": _SETTING.json_schema()},
    count_max=KEYS_MAX,
)
"""Configuration keys and their values, as scenarios have them too."""


def _stamp(longest: int) -> Parsed:
    return Parsed(
        f"a text of at most {longest} characters; {{digits:8}}, {{hex:6}} and {{identity}} in it"
        " are each charger's own",
        partial(_checked_stamp, longest=longest),
        pattern=r"[ -~]+",
    )


def _checked_stamp(text: str, *, longest: int) -> str:
    if not re.fullmatch(r"[ -~]+", text):
        raise ValueError(f"{text!r:.60} is not accepted; write 1 to {longest} printable characters")
    return check_pattern(text, longest=longest)


def _text(length_max: int) -> Text:
    return Text(f"1 to {length_max} characters", length_max=length_max)


_KEY_NAMES = ListOf(
    Text("the name of a configuration key", length_max=NAME_MAX_CHARS),
    "keys",
    count_min=0,
    count_max=KEYS_MAX,
)


class Nameplate(Struct, frozen=True, kw_only=True):
    """What BootNotification says of such a charger."""

    vendor: Annotated[str, Key(_text(20), "chargePointVendor")]
    model: Annotated[str, Key(_text(20), "chargePointModel")]
    serial_number: Annotated[str, Key(_stamp(SERIAL_MAX), "chargePointSerialNumber")] = "{identity}"
    firmware_version: Annotated[str, Key(_text(50), "firmwareVersion")] = "1.0.0"
    iccid: Annotated[str, Key(_stamp(SIM_MAX), "iccid, if it has a SIM card")] = ""
    imsi: Annotated[str, Key(_stamp(SIM_MAX), "imsi, if it has a SIM card")] = ""
    meter_type: Annotated[str, Key(_text(SERIAL_MAX), "meterType, if it says so")] = ""
    meter_serial_number: Annotated[
        str, Key(_stamp(SERIAL_MAX), "meterSerialNumber, if it says so")
    ] = ""


class Outlet(Struct, frozen=True, kw_only=True):
    """One connector."""

    kind: Annotated[Literal["AC", "DC"], Key(Choice("AC", "DC"), "kind of current")]
    max_power_w: Annotated[
        float, Key(Measure(0.1, 4000, "kW", scale=_KW), "its power, in kW", "power_kw")
    ]
    phases: Annotated[
        int | None,
        Key(Whole(1, 3), "1 or 3, of an AC connector; left out, 1 up to 7.4 kW and 3 above"),
    ] = None
    voltage_v: Annotated[
        float | None,
        Key(
            Measure(100, 1500, "V", scale=1.0),
            "nominal voltage: of a phase (AC, 230), or of the output (DC, 400)",
        ),
    ] = None
    cable: Annotated[
        Literal["socket", "tethered"] | None,
        Key(
            Choice("socket", "tethered"),
            "socket: the driver's own cable is locked; tethered: the cable hangs on the station."
            " Left out, socket for AC and tethered for DC",
        ),
    ] = None
    plug: Annotated[str, Key(_text(20), "what it looks like, for people: Type 2, CCS2")] = ""


class VendorKey(Struct, frozen=True, kw_only=True):
    """A configuration key of the vendor's own."""

    type: Annotated[
        Literal["int", "bool", "text", "choice", "list"],
        Key(Choice("int", "bool", "text", "choice", "list"), "what its value is"),
    ]
    default: Annotated[str, Key(_SETTING, "its value from the factory")]
    low: Annotated[int, Key(Whole(-_INT_MAX, _INT_MAX), "least value of an int", "min")] = 0
    high: Annotated[int, Key(Whole(-_INT_MAX, _INT_MAX), "greatest value of an int", "max")] = (
        _INT_MAX
    )
    unit: Annotated[str, Key(_text(10), "unit of an int, for people")] = ""
    choices: Annotated[
        tuple[str, ...],
        Key(
            ListOf(_SETTING, "values", count_min=1, count_max=100),
            "what a choice may be, or what may be in a list",
        ),
    ] = ()
    read_only: Annotated[bool, Key(Flag(), "the CSMS cannot change it")] = False
    reboot: Annotated[bool, Key(Flag(), "a change needs a reboot")] = False
    means: Annotated[str, Key(_text(300), "what it does, for people")] = ""


class Variable(Struct, frozen=True, kw_only=True):
    """A variable of a component, for stations that speak 2.x."""

    default: Annotated[str, Key(_SETTING, "its value from the factory")]
    type: Annotated[
        Literal["int", "bool", "text", "choice", "list"] | None,
        Key(
            Choice("int", "bool", "text", "choice", "list"),
            "what its value is; left out for a variable that every station has",
        ),
    ] = None
    low: Annotated[int | None, Key(Whole(-_INT_MAX, _INT_MAX), "least value of an int", "min")] = (
        None
    )
    high: Annotated[
        int | None, Key(Whole(-_INT_MAX, _INT_MAX), "greatest value of an int", "max")
    ] = None
    unit: Annotated[str, Key(_text(10), "unit of an int, for people")] = ""
    choices: Annotated[
        tuple[str, ...],
        Key(
            ListOf(_SETTING, "values", count_min=1, count_max=100),
            "what a choice may be, or what may be in a list",
        ),
    ] = ()
    read_only: Annotated[
        bool | None, Key(Flag(), "the CSMS cannot change it; left out, as it usually is")
    ] = None
    reboot: Annotated[bool, Key(Flag(), "a change needs a reboot")] = False
    means: Annotated[str, Key(_text(300), "what it does, for people")] = ""


VARIABLE_NAME = r"\w+(?:\[\w+\])?\.\w+(?:\[[\w.]+\])?"


def _variable(name: str) -> None:
    _configuration_key(name)
    if not re.fullmatch(VARIABLE_NAME, name):
        raise ValueError(f"{name!r:.60} is no variable; write Component.Variable")


def _vendor_key(name: str) -> None:
    _configuration_key(name)
    if not name.isprintable():
        raise ValueError(f"{name!r} has control characters")


class ModelWords(Struct, frozen=True, kw_only=True):
    """A charger model: what it is, what it can do, and what it does its own way."""

    schema: Annotated[Literal[1], Key(Whole(1, 1), "version of this file format")]
    extends: Annotated[
        str | None,
        Key(
            Text("a model such as norrvik/hem-11, or a file such as ./base.yaml", length_max=4096),
            "the model that this one is derived from: mappings are merged, anything else is"
            " replaced, an empty value takes away",
        ),
    ] = None
    about: Annotated[str, Key(_text(300), "what it is, in a sentence")] = ""
    nameplate: Annotated[
        Nameplate, Key(Part(Nameplate, "a mapping"), "what BootNotification says of it")
    ]
    connectors: Annotated[
        tuple[Outlet, ...],
        Key(
            ListOf(Part(Outlet, "a mapping"), "connectors", count_min=1, count_max=CONNECTORS_MAX),
            "its connectors, from number 1",
        ),
    ]
    station_max_power_w: Annotated[
        float | None,
        Key(
            Measure(0.1, 4000, "kW", scale=_KW),
            "what the connectors share; left out, each has its own power at any time",
            "station_power_kw",
        ),
    ] = None
    feature_profiles: Annotated[
        tuple[str, ...],
        Key(
            ListOf(
                Choice(*sorted(FEATURE_PROFILES)),
                "feature profiles",
                count_min=1,
                count_max=len(FEATURE_PROFILES),
            ),
            "SupportedFeatureProfiles; left out, all",
        ),
    ] = ()
    measurands: Annotated[
        tuple[str, ...],
        Key(
            ListOf(
                Choice(*sorted(MEASURANDS)),
                "measurands",
                count_min=1,
                count_max=len(MEASURANDS),
            ),
            "what its meter can show, others are Rejected; left out, all",
        ),
    ] = ()
    configuration: Annotated[
        dict[str, str],
        Key(CONFIGURATION, "standard configuration keys that differ from SimFleet's defaults"),
    ] = {}
    read_only: Annotated[
        tuple[str, ...], Key(_KEY_NAMES, "standard keys that the CSMS cannot change here")
    ] = ()
    needs_reboot: Annotated[
        tuple[str, ...], Key(_KEY_NAMES, "standard keys of which a change needs a reboot here")
    ] = ()
    vendor_keys: Annotated[
        dict[str, VendorKey],
        Key(
            PartsByName(
                VendorKey,
                "a mapping of key names to what they are",
                check_name=_vendor_key,
                count_max=VENDOR_KEYS_MAX,
            ),
            "configuration keys of the vendor's own",
        ),
    ] = {}
    device_model: Annotated[
        dict[str, Variable],
        Key(
            PartsByName(
                Variable,
                "a mapping of Component.Variable to what it is",
                check_name=_variable,
                count_max=VENDOR_KEYS_MAX,
            ),
            "variables that it has otherwise than SimFleet, or of its own, when it speaks 2.x",
        ),
    ] = {}
    quirks: Annotated[
        QuirkWords,
        Key(Part(QuirkWords, "a mapping of quirks"), "what it does its own way"),
    ] = QuirkWords()
