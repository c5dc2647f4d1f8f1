"""What a station of OCPP 2.1 has to say about payments and swapped batteries (blocks C, S)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from simfleet.station.battery import Battery
from simfleet.station.receipt import Company, Receipt

PaymentStatus = Literal["Settled", "Canceled", "Rejected", "Failed"]
SwapEvent = Literal["BatteryIn", "BatteryOut", "BatteryOutTimeout"]


class Settlement(Struct, frozen=True, kw_only=True, gc=False):
    """A payment was settled, or was not."""

    psp_ref: str
    status: PaymentStatus
    amount: float
    wall_s: float
    transaction_id: str | None = None
    info: str | None = None
    receipt: Receipt | None = None
    vat_number: str | None = None
    company: Company | None = None


class VatQuestion(Struct, frozen=True, gc=False):
    """Whose VAT number is that?"""

    vat_number: str
    connector_id: int


class SwapNotice(Struct, frozen=True, gc=False):
    """Batteries went in, came out, or were not taken."""

    kind: SwapEvent
    request_id: int
    id_tag: str
    batteries: tuple[Battery, ...]


PaymentMessage = Settlement | VatQuestion | SwapNotice
