"""OCPP 2.1 alone: payment at the station and in the web (block C), and battery swap (block S)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from simfleet.errors import ProtocolViolation
from simfleet.station import battery_swap, payment
from simfleet.station.dialects.moments import timestamp
from simfleet.station.dialects.v2x_words import id_token, tag
from simfleet.station.payment_messages import Settlement, SwapNotice, VatQuestion
from simfleet.station.receipt import Company, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station


# ── CALLs of the CSMS ─────────────────────────────────────────────────────────────────────────────


def _web_started(station: Station, request: Any, at_s: float) -> Wire:
    payment.web_started(station, request.evse_id, request.timeout, at_s=at_s)
    response: Wire = station.dialect.m.NotifyWebPaymentStartedResponse()
    return response


def _request_swap(station: Station, request: Any, at_s: float) -> Wire:
    m = station.dialect.m
    if station.swaps is None:
        codes = station.dialect.catalog.codes
        raise ProtocolViolation(codes.not_supported, "this station swaps no batteries")
    refusal = battery_swap.requested(station, request.request_id, tag(request.id_token), at_s=at_s)
    response: Wire = m.RequestBatterySwapResponse(
        status="Rejected" if refusal else "Accepted",
        status_info=m.StatusInfo(reason_code=refusal) if refusal else None,
    )
    return response


# ── messages to and fro ───────────────────────────────────────────────────────────────────────────


def _settlement(station: Station, message: Settlement) -> Wire:
    m, company = station.dialect.m, message.company
    receipt = message.receipt or Receipt()
    request: Wire = m.NotifySettlementRequest(
        psp_ref=message.psp_ref,
        status=message.status,
        settlement_amount=message.amount,
        settlement_time=timestamp(message.wall_s),
        transaction_id=message.transaction_id,
        status_info=message.info,
        receipt_id=receipt.id,
        receipt_url=receipt.url,
        vat_number=message.vat_number,
        vat_company=None
        if company is None
        else m.Address(**{name: getattr(company, name) for name in Company.__struct_fields__}),
    )
    return request


def _settlement_answered(station: Station, message: Settlement, response: Any, _: float) -> None:
    receipt = Receipt(response.receipt_id, response.receipt_url)
    payment.settled(station, message.psp_ref, receipt)


def _vat(station: Station, message: VatQuestion) -> Wire:
    request: Wire = station.dialect.m.VatNumberValidationRequest(
        vat_number=message.vat_number, evse_id=message.connector_id
    )
    return request


def _vat_answered(station: Station, message: VatQuestion, response: Any, _: float) -> None:
    said = response.company
    company = None if said is None else msgspec.convert(said, Company, from_attributes=True)
    payment.vat_answered(station, message, response.status, company)


def _swap(station: Station, message: SwapNotice) -> Wire:
    m = station.dialect.m
    request: Wire = m.BatterySwapRequest(
        event_type=message.kind,
        request_id=message.request_id,
        id_token=id_token(station, message.id_tag),
        battery_data=[
            m.BatteryData(
                evse_id=one.slot,
                serial_number=one.serial_number,
                so_c=one.soc_percent,
                so_h=one.soh_percent,
            )
            for one in message.batteries
        ],
    )
    return request


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "NotifyWebPaymentStarted": _web_started,
    "RequestBatterySwap": _request_swap,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {
    Settlement: "NotifySettlement",
    VatQuestion: "VatNumberValidation",
    SwapNotice: "BatterySwap",
}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    Settlement: _settlement,
    VatQuestion: _vat,
    SwapNotice: _swap,
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {
    Settlement: _settlement_answered,
    VatQuestion: _vat_answered,
}
"""What the answers to our messages mean."""
