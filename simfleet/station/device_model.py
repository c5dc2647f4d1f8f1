"""The device model of OCPP 2.x: components and their variables (2.0.1 part 1 chapter 4, part 2 B).

A `Row` describes one variable: where it stands, what it may be, and where its value comes from,
which is exactly one of

* `key`: a configuration key. Type, limits, mutability and persistence follow from it, a set is
  `commands.change_configuration` with all its effects;
* `live`: a function of the station, the place and the moment;
* `metered`: a function of the reading of the meter at the place;
* `constant`.

Rows are in `device_model_table.py` and `device_model_hardware.py`. A key named
`Component.Variable` (`Component[instance].Variable[instance]`) that no row is about has a row by
itself. A row of level "evse" or "connector" stands once for every EVSE, each with one connector.

Models are shared by all stations that are built alike; a station has none of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from simfleet.station import commands
from simfleet.station.configuration_keys import KEYS, Key, KeyType, items_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simfleet.station.configuration import Configuration, FactorySettings
    from simfleet.station.meter import Reading
    from simfleet.station.station import Station

Level = Literal["station", "evse", "connector"]
Mutability = Literal["ReadOnly", "WriteOnly", "ReadWrite"]
AttributeType = Literal["Actual", "Target", "MinSet", "MaxSet"]
DataType = Literal[
    "string",
    "decimal",
    "integer",
    "dateTime",
    "boolean",
    "OptionList",
    "SequenceList",
    "MemberList",
]
SetStatus = Literal["Accepted", "Rejected", "RebootRequired"]


class Refusal(NamedTuple):
    """Why a value is not taken: a standardized reason code and what would be accepted."""

    reason_code: str
    text: str


class Place(NamedTuple):
    """Where a variable stands; 0 is none."""

    evse_id: int = 0
    connector_id: int = 0


STATION: Final = Place()

Live = Callable[["Station", Place, float], "str | None"]
"""A value at a moment (monotonic seconds); None where there is none just now."""
Metered = Callable[["Reading"], "str | None"]
Put = Callable[["Station", Place, str, float], "SetStatus | Refusal"]
"""Sets a value that is of the right type and within its limits."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Row:
    """One variable of a component, see the module."""

    component: str
    variable: str
    component_instance: str = ""
    instance: str = ""
    """Of the variable."""
    level: Level = "station"
    key: str = ""
    live: Live | None = None
    metered: Metered | None = None
    constant: str | None = None
    target: Live | None = None
    max_set: Live | None = None
    """More attributes, read-only ones."""
    data_type: DataType | None = None
    """None: that of the key, or "string"."""
    unit: str = ""
    low: float | None = None
    high: float | None = None
    high_key: str = ""
    """The key that is the greatest value."""
    values: tuple[str, ...] = ()
    """What an option or the members of a list may be; empty: anything, or what the key says."""
    mutability: Mutability | None = None
    """None: that of the key; a row with `put` is ReadWrite, others are ReadOnly."""
    persistent: bool = True
    monitored: bool = False
    """supportsMonitoring. What changes by itself is `metered`, or set by `live` in an input."""
    put: Put | None = None
    """Instead of changing the key."""
    after: Callable[[Station, float], None] | None = None
    """What follows when the key was changed."""
    shown: Callable[[str], str] | None = None
    """The value of the key in the words of 2.x."""
    stored: Callable[[str], str] | None = None
    """The value of 2.x as the key has it."""
    since: Literal["ocpp2.0.1", "ocpp2.1"] = "ocpp2.0.1"
    kind: Literal["AC", "DC", ""] = ""
    """Outlets that have it; "": all."""
    only: Callable[[FactorySettings], bool] | None = None
    """Stations that have it, by what they came out of the factory with; None: all."""


class Entry(NamedTuple):
    """A variable of a station: a row at a place. `configured` is its key, if it has one."""

    row: Row
    place: Place
    configured: Key | None

    @property
    def data_type(self) -> DataType:
        """What its values are."""
        if self.row.data_type is not None:
            return self.row.data_type
        return "string" if self.configured is None else _TYPES[self.configured.type]

    @property
    def mutability(self) -> Mutability:
        """Of its Actual."""
        row, key = self.row, self.configured
        if row.mutability is not None:
            return row.mutability
        if key is not None:
            return "WriteOnly" if key.writeonly else "ReadOnly" if key.readonly else "ReadWrite"
        return "ReadOnly" if row.put is None else "ReadWrite"

    @property
    def numeric(self) -> bool:
        """Whether thresholds make sense."""
        return self.data_type in ("integer", "decimal")

    @property
    def unit(self) -> str:
        """Of its values; empty: none."""
        if self.row.unit or self.configured is None:
            return self.row.unit
        return _UNITS.get(self.configured.unit, self.configured.unit)

    def limits(self, configuration: Configuration) -> tuple[float | None, float | None]:
        """The least and the greatest value; of a list or a text: its greatest length."""
        low, high = self.row.low, self.row.high
        key = self.configured
        if key is not None and key.type == "int":
            low = key.low if low is None else low
            high = key.high if high is None and key.high != _INT_MAX else high
        elif self.row.high_key:
            high = configuration.whole(self.row.high_key)
        return low, high

    @property
    def values(self) -> tuple[str, ...]:
        """What it, or each member of it, may be; empty: anything of its type."""
        if self.row.values or self.configured is None:
            return self.row.values
        return tuple(sorted(self.configured.members))

    def attributes(self) -> tuple[AttributeType, ...]:
        """The attributes that it has."""
        row = self.row
        more: tuple[AttributeType, ...] = ()
        if row.target is not None:
            more = ("Target",)
        return ("Actual", *more) if row.max_set is None else ("Actual", *more, "MaxSet")

    def value(
        self, station: Station, *, at_s: float, attribute: AttributeType = "Actual"
    ) -> str | None:
        """What an attribute is now; None where there is nothing just now."""
        row = self.row
        match attribute:
            case "Target":
                return None if row.target is None else row.target(station, self.place, at_s)
            case "MaxSet":
                return None if row.max_set is None else row.max_set(station, self.place, at_s)
        if row.metered is not None:
            connector = station.connectors[self.place.evse_id - 1]
            connector.meter_to(max(at_s, connector.metered_s))
            return row.metered(connector.reading())
        if row.live is not None:
            return row.live(station, self.place, at_s)
        if self.configured is None:
            return row.constant
        kept = station.configuration.stored(self.configured.name)
        return kept if kept is None or row.shown is None else row.shown(kept)

    def set(self, station: Station, value: str, *, at_s: float) -> SetStatus | Refusal:
        """Set its Actual, with all that follows from it."""
        row, key = self.row, self.configured
        if self.mutability == "ReadOnly":
            return Refusal("ReadOnly", f"{row.component}.{row.variable} can only be read")
        if len(value) > station.configuration.whole(VALUE_SIZE):
            return Refusal("TooLargeElement", f"at most {station.configuration.get(VALUE_SIZE)}")
        kept = value if row.stored is None else row.stored(value)
        rule = self._rule if key is None else key
        if rule.normal(kept) is None:
            return _why_not(rule, kept)
        if row.put is not None:
            return row.put(station, self.place, value, at_s)
        assert key is not None
        status = commands.change_configuration(station, key.name, kept, at_s=at_s)
        if status in ("Rejected", "NotSupported"):
            return Refusal("InvalidValue", f"write {key.expects()}")
        if row.after is not None:
            row.after(station, at_s)
        return "RebootRequired" if status == "RebootRequired" else "Accepted"

    @property
    def _rule(self) -> Key:
        """What a value must be, of a row that has no key."""
        row = self.row
        return Key(
            name=row.variable,
            type=_KEY_TYPES[self.data_type],
            default="",
            low=-_INT_MAX if row.low is None else int(row.low),
            high=_INT_MAX if row.high is None else int(row.high),
            members=frozenset(row.values),
        )


VALUE_SIZE: Final = "DeviceDataCtrlr.ConfigurationValueSize"
_INT_MAX: Final = 2**31 - 1
_TYPES: Final[Mapping[str, DataType]] = {
    "int": "integer",
    "bool": "boolean",
    "csv": "MemberList",
    "enum": "OptionList",
    "str": "string",
}
_KEY_TYPES: Final[Mapping[DataType, KeyType]] = {
    "integer": "int",
    "boolean": "bool",
    "OptionList": "enum",
    "MemberList": "csv",
    "SequenceList": "csv",
    "string": "str",
}
_UNITS: Final = {"%": "Percent"}
"""What OCPP 2.x calls them (Part 2 Appendices, standardized units), where it is another word."""


def _why_not(key: Key, value: str) -> Refusal:
    """Why a key does not take a value."""
    text = f"write {key.expects()}"
    if key.type == "int" and re.fullmatch(r"-?[0-9]+", value):
        number = int(value)
        if number < 0 <= key.low:
            return Refusal("ValuePositiveOnly", text)
        if number == 0:
            return Refusal("ValueZeroNotAllowed", text)
        return Refusal("ValueTooLow" if number < key.low else "ValueTooHigh", text)
    return Refusal("InvalidValue", text)


# ── a station's model ─────────────────────────────────────────────────────────────────────────────


class Model:
    """The variables of stations that are built alike."""

    __slots__ = ("_components", "entries")

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.entries = entries
        """In the order of reports."""
        self._components: dict[tuple[str, str, Place], dict[tuple[str, str], Entry]] = {}
        for entry in entries:
            row = entry.row
            whose = (row.component.lower(), row.component_instance.lower(), entry.place)
            which = (row.variable.lower(), row.instance.lower())
            self._components.setdefault(whose, {})[which] = entry

    def find(
        self,
        component: str,
        variable: str,
        *,
        component_instance: str = "",
        instance: str = "",
        place: Place = STATION,
    ) -> Entry | Literal["UnknownComponent", "UnknownVariable"]:
        """A variable by name; upper and lower case make no difference."""
        variables = self._components.get((component.lower(), component_instance.lower(), place))
        if variables is None:
            return "UnknownComponent"
        return variables.get((variable.lower(), instance.lower()), "UnknownVariable")

    def select(
        self,
        component: str,
        variable: str | None,
        *,
        component_instance: str | None,
        instance: str | None,
        place: tuple[int, int | None] | None,
    ) -> Iterator[Entry]:
        """All that a ComponentVariable of a report means: what it leaves out is a wildcard."""
        for entry in self.entries:
            row = entry.row
            if row.component.lower() != component.lower():
                continue
            if (
                component_instance is not None
                and row.component_instance.lower() != component_instance.lower()
            ):
                continue
            if variable is not None and row.variable.lower() != variable.lower():
                continue
            if instance is not None and row.instance.lower() != instance.lower():
                continue
            if place is None or place in (entry.place, (entry.place.evse_id, None)):
                yield entry


def model_of(station: Station) -> Model:
    """The model of a station, shared by all that are built alike."""
    spec = station.spec
    kinds = tuple(spec.outlet(connector.id).kind for connector in station.connectors)
    return _model(spec.version, kinds, station.configuration.factory)


@lru_cache(maxsize=64)
def _model(version: str, kinds: tuple[str, ...], factory: FactorySettings) -> Model:
    from simfleet.station.device_model_table import ROWS  # the tables import this module

    named = {name.lower(): name for name in factory.keys}
    entries: dict[tuple[str, str, str, str, Place], Entry] = {}
    shown = {row.high_key for row in ROWS}  # as limits
    own = [row for row in _by_themselves(factory) if row.key not in shown]
    for row in (*ROWS, *own):
        if row.since > version or (row.only is not None and not row.only(factory)):
            continue
        name = named.get(row.key.lower()) if row.key else None
        if row.key and name is None:
            continue  # this charger does not have it
        key = None if name is None else factory.keys[name]
        for place in _places(row, kinds):
            at = (
                row.component.lower(),
                row.component_instance.lower(),
                row.variable.lower(),
                row.instance.lower(),
                place,
            )
            if row.key and row.key in shown and at in entries and entries[at].row.key:
                continue
            entries[at] = Entry(row, place, key)
        shown.add(row.key)
    return Model(tuple(entries.values()))


def _places(row: Row, kinds: tuple[str, ...]) -> list[Place]:
    if row.level == "station":
        return [STATION]
    return [
        Place(number, 1 if row.level == "connector" else 0)
        for number, kind in enumerate(kinds, start=1)
        if row.kind in ("", kind)
    ]


_NAME: Final = re.compile(r"(\w+)(?:\[(\w+)\])?\.(\w+)(?:\[([\w.]+)\])?")
_LEVELS: Final[Mapping[str, Level]] = {
    "Connector": "connector",
    "DCDERCtrlr": "evse",
    "EVSE": "evse",
    "V2XChargingCtrlr": "evse",
}
_KINDS: Final[Mapping[str, Literal["DC"]]] = {"DCDERCtrlr": "DC"}
"""Components that only some outlets have."""
_PROFILES: Final[Mapping[str, str]] = {
    "LocalAuthListCtrlr": "LocalAuthListManagement",
    "ReservationCtrlr": "Reservation",
    "SmartChargingCtrlr": "SmartCharging",
}
"""Components that only stations with that feature profile have."""
VENDOR_COMPONENT: Final = "VendorCtrlr"


def _by_themselves(factory: FactorySettings) -> Iterator[Row]:
    """Rows for keys that are called as variables are, and for those of vendors."""
    supported = ("", *items_of(factory.values["SupportedFeatureProfiles"]))
    for name in factory.keys:
        called = _NAME.fullmatch(name)
        if called is not None:
            component, component_instance, variable, instance = called.groups(default="")
            if _PROFILES.get(component, "") not in supported:
                continue
            yield Row(
                component=component,
                component_instance=component_instance,
                variable=variable,
                instance=instance,
                level=_LEVELS.get(component, "station"),
                kind=_KINDS.get(component, ""),
                key=name,
                monitored=True,
            )
        elif name not in KEYS:
            yield Row(component=VENDOR_COMPONENT, variable=name, key=name)
