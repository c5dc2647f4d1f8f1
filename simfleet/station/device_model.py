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
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec import Struct

from simfleet.station import commands
from simfleet.station.configuration_keys import KEYS, Key

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


Live = Callable[["Station", Place, float], "str | None"]
"""A value at a moment (monotonic seconds); None where there is none just now."""
Metered = Callable[["Reading"], "str | None"]
Put = Callable[["Station", Place, str, float], "SetStatus | Refusal"]
"""Sets a value that is of the right type and within its limits."""


class Row(Struct, frozen=True, kw_only=True, eq=False):
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
    only: Callable[[FactorySettings], bool] | None = None
    """Stations that have it, by what they came out of the factory with; None: all."""
