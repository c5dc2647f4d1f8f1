"""What the CSMS answers in 2.0.1 and 2.1 about reservations, and in 2.1 about settlements, VAT
numbers and batteries. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from simfleet.csms.notices import keep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.csms.session import Session
    from simfleet.ocpp.wire import Wire

VAT_NUMBER: Final = re.compile(r"[A-Z]{2}[0-9A-Z+*]{2,12}")
"""What a VAT number of the European Union looks like (directive 2006/112/EC, article 215)."""


def _reservation(session: Session, request: Any, at_s: float) -> Wire:
    status = request.reservation_update_status
    keep(session.record.notices().reservations, request.reservation_id, status)
    session.book.notices.count("reservations", status)
    response: Wire = session.version.m.ReservationStatusUpdateResponse()
    return response


def _settlement(session: Session, request: Any, at_s: float) -> Wire:
    """A settlement that is told again is the same one; one without a receipt is given its id."""
    notices, settlements = session.book.notices, session.record.notices().settlements
    before = settlements.get(request.psp_ref)
    if before is None or before.status != request.status:
        notices.count("settlements", request.status)
        if request.status == "Settled":
            notices.settled += request.settlement_amount
    else:
        notices.count("settlements", "repeated")
    keep(settlements, request.psp_ref, request)
    gives = request.status == "Settled" and request.receipt_id is None
    response: Wire = session.version.m.NotifySettlementResponse(
        receipt_id=f"R-{request.psp_ref}"[:50] if gives else None
    )
    return response


def _vat(session: Session, request: Any, at_s: float) -> Wire:
    m, number = session.version.m, request.vat_number
    valid = VAT_NUMBER.fullmatch(number.replace(" ", "").upper()) is not None
    status = "Accepted" if valid else "Rejected"
    session.book.notices.count("vat_numbers", status)
    company = None
    if valid:
        country = number.strip()[:2].upper()
        company = m.Address(
            name=f"Company {number}"[:50], address1="Main Street 1", city="Town", country=country
        )
    response: Wire = m.VatNumberValidationResponse(
        vat_number=number, status=status, company=company, evse_id=request.evse_id
    )
    return response


def _swap(session: Session, request: Any, at_s: float) -> Wire:
    notices = session.book.notices
    keep(session.record.notices().swaps, request.request_id, request)
    notices.count("battery_swaps", request.event_type)
    notices.count("battery_swaps", f"{request.event_type} batteries", len(request.battery_data))
    response: Wire = session.version.m.BatterySwapResponse()
    return response


BY_ACTION: Final[Mapping[str, Callable[[Session, Any, float], Wire]]] = {
    "BatterySwap": _swap,
    "NotifySettlement": _settlement,
    "ReservationStatusUpdate": _reservation,
    "VatNumberValidation": _vat,
}
