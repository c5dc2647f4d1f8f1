"""What a transaction has cost so far, as a TransactionEvent tells it (2.1, CostDetailsType)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from simfleet.station.tariff import TaxRate


class Cost(Struct, frozen=True, omit_defaults=True):
    """What one part of the tariff has come to."""

    excl_tax: float
    incl_tax: float
    tax_rates: tuple[TaxRate, ...] | None = None


class Period(Struct, frozen=True, omit_defaults=True, gc=False):
    """A time in which the same prices applied. Powers are 0 where they do not matter."""

    start_wall_s: float
    tariff_id: str
    energy_wh: float = 0.0
    charging_s: float = 0.0
    idle_s: float = 0.0
    least_w: float = 0.0
    most_w: float = 0.0


class Bill(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """See the module. `costs` by the names of `tariff.PARTS`."""

    currency: str
    kind: Literal["NormalCost", "MinCost", "MaxCost"] = "NormalCost"
    total_excl_tax: float
    total_incl_tax: float
    costs: dict[str, Cost]
    energy_wh: float
    charging_s: float
    idle_s: float
    reserved_s: float = 0.0
    periods: tuple[Period, ...] = ()
