"""What is stamped on one charger: serial numbers, the numbers of its SIM card and of its meter.

All chargers of a model share the pattern, `{identity}`, `{digits:8}` and `{hex:6}` in it are each
charger's own. They derive from its identity alone, so hardware is the same in every run and after
every boot; different patterns give different digits.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station

SERIAL_MAX: Final = 25
"""chargePointSerialNumber, meterSerialNumber, meterType: CiString25Type."""
SIM_MAX: Final = 20
"""iccid and imsi: CiString20Type."""
WIDTH_MAX: Final = 20
"""Digits that one place in a pattern may have."""
_FIELD: Final = re.compile(r"\{(identity|digits:[0-9]{1,2}|hex:[0-9]{1,2})\}")


def check_pattern(pattern: str, *, longest: int) -> str:
    """The pattern, if what it makes has at most `longest` characters. Raises ValueError."""
    length = len(_FIELD.sub("", pattern))
    for field in _FIELD.findall(pattern):
        _, _, width = field.partition(":")
        if width and not 1 <= int(width) <= WIDTH_MAX:
            raise ValueError(f"{{{field}}} is out of range; write 1 to {WIDTH_MAX} digits")
        length += int(width or 1)
    if re.search("[{}]", _FIELD.sub("", pattern)):
        raise ValueError(
            f"{pattern!r} has a brace that is none of {{identity}}, {{digits:8}}, {{hex:6}}"
        )
    if length > longest:
        raise ValueError(f"{pattern!r} makes {length} characters; write one of at most {longest}")
    return pattern


def stamped(pattern: str, identity: str, *, longest: int) -> str:
    """`pattern` for the charger `identity`, cut to what OCPP has room for."""

    def fill(field: re.Match[str]) -> str:
        name, _, width = field[1].partition(":")
        if name == "identity":
            return identity
        digest = hashlib.blake2b(f"{pattern}|{field.start()}|{identity}".encode()).hexdigest()
        if name == "hex":
            return digest[: int(width)].upper()
        return str(int(digest, 16))[-int(width) :]

    return _FIELD.sub(fill, pattern)[:longest]


def serial_number(station: Station) -> str:
    """chargePointSerialNumber; a charger without a pattern is stamped with its identity."""
    pattern = station.spec.serial_number
    return stamped(pattern or "{identity}", station.identity, longest=SERIAL_MAX)


def optional(pattern: str, identity: str, *, longest: int) -> str | None:
    """As `stamped`; None for a charger that has no such thing."""
    return stamped(pattern, identity, longest=longest) if pattern else None


def connector_type(station: Station, connector: Connector) -> str:
    """What a connector fits, in the words of 2.x (ConnectorEnumType)."""
    outlet = station.spec.outlet(connector.id)
    if outlet.kind == "DC":
        return "cCCS2"
    return "cType2" if station.spec.fixed_cable or outlet.tethered else "sType2"
