"""OCPP 2.1 alone: tariffs and the costs that the station calculates (block I). What is paid, and
swapped batteries, are in `v21_payments.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from simfleet.errors import ProtocolViolation
from simfleet.station import cost_changes, tariffs
from simfleet.station.dialects.moments import timestamp
from simfleet.station.display_message import Text
from simfleet.station.tariff import Amount, Conditions, Price, Prices, Tariff, TaxRate

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.bill import Bill, Period
    from simfleet.station.station import Station
    from simfleet.station.tokens import TokenInfo

_DIMENSIONS: Final = (
    ("Energy", "energy_wh"),
    ("ChargingTime", "charging_s"),
    ("IdleTIme", "idle_s"),  # sic: CostDimensionEnumType
    ("MinPower", "least_w"),
    ("MaxPower", "most_w"),
)


# ── tariffs of the CSMS ───────────────────────────────────────────────────────────────────────────


def read_tariff(said: Any) -> Tariff:
    """A TariffType in domain words."""
    since = said.valid_from
    return Tariff(
        tariff_id=said.tariff_id,
        currency=said.currency,
        valid_from_wall_s=None if since is None else since.timestamp(),
        description=None if said.description is None else tuple(map(_text, said.description)),
        energy=_prices(said.energy, "price_kwh"),
        charging_time=_prices(said.charging_time, "price_minute"),
        idle_time=_prices(said.idle_time, "price_minute"),
        fixed_fee=_prices(said.fixed_fee, "price_fixed"),
        reservation_time=_prices(said.reservation_time, "price_minute"),
        reservation_fixed=_prices(said.reservation_fixed, "price_fixed"),
        min_cost=_amount(said.min_cost),
        max_cost=_amount(said.max_cost),
    )


def _text(said: Any) -> Text:
    return Text(said.format, said.content, said.language)


def _amount(said: Any) -> Amount | None:
    return None if said is None else msgspec.convert(said, Amount, from_attributes=True)


def _prices(said: Any, field: str) -> Prices | None:
    if said is None:
        return None
    return Prices(
        tuple(
            Price(
                getattr(one, field),
                None
                if one.conditions is None
                else msgspec.convert(one.conditions, Conditions, from_attributes=True),
            )
            for one in said.prices
        ),
        None
        if said.tax_rates is None
        else tuple(msgspec.convert(rate, TaxRate, from_attributes=True) for rate in said.tax_rates),
    )


def driver_tariff(station: Station, id_tag: str, response: Any, info: TokenInfo) -> TokenInfo:
    """The tariff that comes with the answer to Authorize (I08), and the judgement as it has to be
    taken.
    """
    said = response.tariff
    tariff = None if said is None else read_tariff(said)
    return tariffs.learn_driver(station, id_tag, tariff, info)


# ── CALLs of the CSMS ─────────────────────────────────────────────────────────────────────────────


def _only_enabled(station: Station) -> None:
    """Raises `ProtocolViolation` where the station calculates no costs."""
    if not tariffs.enabled(station):
        codes = station.dialect.catalog.codes
        raise ProtocolViolation(codes.not_supported, "this station calculates no costs")


def _why(station: Station, reason: str) -> Any:
    return station.dialect.m.StatusInfo(reason_code=reason) if reason else None


def _set(station: Station, request: Any, at_s: float) -> Wire:
    _only_enabled(station)
    tariff = read_tariff(request.tariff)
    status, reason = tariffs.set_default(station, request.evse_id, tariff, at_s=at_s)
    response: Wire = station.dialect.m.SetDefaultTariffResponse(
        status=status, status_info=_why(station, reason)
    )
    return response


def _get(station: Station, request: Any, at_s: float) -> Wire:
    _only_enabled(station)
    m = station.dialect.m
    response: Wire
    if request.evse_id > len(station.connectors):
        response = m.GetTariffsResponse(status="Rejected", status_info=_why(station, "UnknownEvse"))
        return response
    found = tariffs.assignments(station, request.evse_id, at_s=at_s)
    response = m.GetTariffsResponse(
        status="Accepted" if found else "NoTariff",
        tariff_assignments=[
            m.TariffAssignment(
                tariff_id=one.tariff_id,
                tariff_kind=one.kind,
                valid_from=None
                if one.valid_from_wall_s is None
                else datetime.fromtimestamp(one.valid_from_wall_s, UTC),
                evse_ids=list(one.evse_ids) or None,
                id_tokens=list(one.id_tokens) or None,
            )
            for one in found
        ]
        or None,
    )
    return response


def _clear(station: Station, request: Any, at_s: float) -> Wire:
    _only_enabled(station)
    m = station.dialect.m
    results = tariffs.clear(station, request.tariff_ids, request.evse_id, at_s=at_s)
    response: Wire = m.ClearTariffsResponse(
        clear_tariffs_result=[
            m.ClearTariffsResult(status=status, tariff_id=tariff_id)
            for tariff_id, status in results
        ]
    )
    return response


def _change(station: Station, request: Any, at_s: float) -> Wire:
    _only_enabled(station)
    tariff = read_tariff(request.tariff)
    status, reason = cost_changes.change(station, request.transaction_id, tariff, at_s=at_s)
    response: Wire = station.dialect.m.ChangeTransactionTariffResponse(
        status=status, status_info=_why(station, reason)
    )
    return response


# ── costs in TransactionEvents ────────────────────────────────────────────────────────────────────


def cost_details(m: Any, bill: Bill) -> Any:
    """A bill as CostDetailsType. Energy is in Wh, as everywhere in OCPP 2.x; chargingTime is the
    whole duration, as the schema says.
    """
    return m.CostDetails(
        total_cost=m.TotalCost(
            currency=bill.currency,
            type_of_cost=bill.kind,
            total=m.TotalPrice(excl_tax=bill.total_excl_tax, incl_tax=bill.total_incl_tax),
            **{_TOTALS[name]: _cost(m, cost) for name, cost in bill.costs.items()},
        ),
        total_usage=m.TotalUsage(
            energy=round(bill.energy_wh, 1),
            charging_time=round(bill.charging_s + bill.idle_s),
            idle_time=round(bill.idle_s),
            reservation_time=round(bill.reserved_s) or None,
        ),
        charging_periods=[_period(m, one) for one in bill.periods] or None,
    )


_TOTALS: Final = {
    "energy": "energy",
    "charging_time": "charging_time",
    "idle_time": "idle_time",
    "fixed_fee": "fixed",
    "reservation_time": "reservation_time",
    "reservation_fixed": "reservation_fixed",
}


def _cost(m: Any, cost: Any) -> Any:
    rates = cost.tax_rates
    return m.Price(
        excl_tax=cost.excl_tax,
        incl_tax=cost.incl_tax,
        tax_rates=None
        if rates is None
        else [m.TaxRate(type=rate.type, tax=rate.tax, stack=rate.stack) for rate in rates],
    )


def _period(m: Any, period: Period) -> Any:
    dimensions = [
        m.CostDimension(type=name, volume=round(getattr(period, field), 1))
        for name, field in _DIMENSIONS
        if getattr(period, field)
    ]
    return m.ChargingPeriod(
        start_period=timestamp(period.start_wall_s),
        tariff_id=period.tariff_id,
        dimensions=dimensions or None,
    )


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "SetDefaultTariff": _set,
    "GetTariffs": _get,
    "ClearTariffs": _clear,
    "ChangeTransactionTariff": _change,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {}
"""What the answers to our messages mean."""
