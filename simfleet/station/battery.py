"""A battery that goes into, or comes out of, a slot of a swap station (OCPP 2.1 block S)."""

from __future__ import annotations

from msgspec import Struct

CAPACITY_WH = 2_000.0
"""Of a battery for a light vehicle."""


class Battery(Struct, frozen=True, gc=False):
    """One battery; `slot` is the EVSE, `soc_percent` and `soh_percent` are 0 to 100."""

    slot: int
    serial_number: str
    soc_percent: float = 20.0
    soh_percent: float = 100.0
    capacity_wh: float = CAPACITY_WH
