"""The device model in the words of OCPP 2.x: what a variable is called, and where it stands."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from simfleet.errors import ProtocolViolation
from simfleet.station.device_model import STATION, Entry, Place, model_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Literal

    from simfleet.station.station import Station

REASON_MAX = 512
"""Characters of additionalInfo."""
_ENCODER = msgspec.json.Encoder()


def place_of(component: Any) -> Place:
    """Where a component of a message stands."""
    evse = component.evse
    return STATION if evse is None else Place(evse.id, evse.connector_id or 0)


def find(
    station: Station, component: Any, variable: Any
) -> Entry | Literal["UnknownComponent", "UnknownVariable"]:
    """The variable that a message means."""
    return model_of(station).find(
        component.name,
        variable.name,
        component_instance=component.instance or "",
        instance=variable.instance or "",
        place=place_of(component),
    )


def selected(station: Station, criteria: Iterable[Any] | None) -> list[Entry]:
    """What a list of ComponentVariables means, without it everything, each once, in the order of
    reports.
    """
    model = model_of(station)
    if criteria is None:
        return list(model.entries)
    found: set[Entry] = set()
    for one in criteria:
        component, variable = one.component, one.variable
        evse = component.evse
        found.update(
            model.select(
                component.name,
                None if variable is None else variable.name,
                component_instance=component.instance,
                instance=None if variable is None else variable.instance,
                place=None if evse is None else (evse.id, evse.connector_id),
            )
        )
    return [entry for entry in model.entries if entry in found]


@lru_cache(maxsize=8192)
def names(m: ModuleType, entry: Entry) -> tuple[Any, Any]:
    """Component and variable of an entry, shared by all stations that have it."""
    row, place = entry.row, entry.place
    evse = None
    if place.evse_id:
        evse = m.EVSE(id=place.evse_id, connector_id=place.connector_id or None)
    return (
        m.Component(name=row.component, instance=row.component_instance or None, evse=evse),
        m.Variable(name=row.variable, instance=row.instance or None),
    )


def why(station: Station, reason_code: str, text: str = "") -> Any:
    """A StatusInfo; None where there is no reason."""
    if not reason_code:
        return None
    return station.dialect.m.StatusInfo(
        reason_code=reason_code, additional_info=text[:REASON_MAX] or None
    )


def check_size(station: Station, request: Any, count: int, component: str, action: str) -> None:
    """ItemsPerMessage and BytesPerMessage of a CALL. Raises `ProtocolViolation`: too many are an
    OccurrenceConstraintViolation, too long is a FormatViolation (B05.FR.11, B06.FR.16, .17).
    """
    codes = station.dialect.catalog.codes
    settings = station.configuration
    items_max = settings.whole(f"{component}.ItemsPerMessage[{action}]")
    if count > items_max:
        raise ProtocolViolation(codes.occurrence, f"at most {items_max} items, not {count}")
    bytes_max = settings.whole(f"{component}.BytesPerMessage[{action}]")
    length = len(_ENCODER.encode(request))
    if length > bytes_max:
        raise ProtocolViolation(codes.formation, f"at most {bytes_max} bytes, not {length}")
