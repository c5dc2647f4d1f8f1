"""What goes on a receipt for a payment (OCPP 2.1 part 2, block C)."""

from __future__ import annotations

from msgspec import Struct


class Company(Struct, frozen=True, omit_defaults=True, gc=False):
    """Whose VAT number it is (AddressType)."""

    name: str
    address1: str
    city: str
    country: str
    address2: str | None = None
    postal_code: str | None = None


class Receipt(Struct, frozen=True, gc=False):
    """Where a receipt is."""

    id: str | None = None
    url: str | None = None
