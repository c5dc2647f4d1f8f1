"""What changes the costs of a transaction that runs, or is to be told of them (OCPP 2.1 E16, I02,
I08, I11, I12): another tariff, a limit that is chosen, a tariff that the driver does not accept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from simfleet.errors import Refused
from simfleet.station import (
    charging,
    costs,
    payment,
    tariffs,
    visit_events,
    visit_limits,
    visits,
)
from simfleet.station.phase import Phase

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.messages import Limit
    from simfleet.station.station import Station
    from simfleet.station.tariff import Tariff
    from simfleet.station.visit import Visit

ChangeStatus = Literal[
    "Accepted",
    "Rejected",
    "TooManyElements",
    "ConditionNotSupported",
    "TxNotFound",
    "NoCurrencyChange",
]


def running(station: Station, key: int, /, *, at_s: float) -> None:
    """The running cost is due: the job of the agenda."""
    connector = station.connectors[key - 1]
    if connector.visit is not None and connector.account is not None:
        visit_events.tell(station, connector, "Updated", "RunningCost", at_s=at_s)
        costs.arm(station, connector, at_s=at_s)


def change(
    station: Station, transaction_id: str, tariff: Tariff, *, at_s: float
) -> tuple[ChangeStatus, str]:
    """ChangeTransactionTariff: from now on the transaction costs that. Returns the status, and the
    reason for a refusal (a standardized code or "").
    """
    visit = visits.of_id(station, transaction_id)
    if visit is None:
        return "TxNotFound", ""
    wrong = tariffs.unusable(station, tariff)
    if wrong:
        return wrong, "InvalidValue" if wrong == "Rejected" else ""
    connector = station.connectors[visit.connector_id - 1]
    tariffs.of(station)
    account = connector.account
    if account is None:
        visit.priced = True
        costs.open_account(station, connector, visit, tariff, default=False, at_s=at_s)
    elif account.tariff.currency != tariff.currency:
        return "NoCurrencyChange", ""
    else:
        costs.catch_up(station, connector, at_s=at_s)
        account.use(tariff)
        account.from_default = False
    visit_events.tell(station, connector, "Updated", "TariffChanged", at_s=at_s)
    if connector.transaction is not None:
        visit_limits.apply(station, connector, visit, at_s=at_s)
        charging.flow(station, connector, at_s=at_s)
    return "Accepted", ""


def said(station: Station, visit: Visit, cost: float, *, at_s: float) -> None:
    """The CSMS says what a transaction costs so far (I02): a limit may be reached."""
    visit.total_cost = cost
    connector = station.connectors[visit.connector_id - 1]
    limit = visit.limit
    if limit is None or limit.cost is None or connector.visit is not visit:
        return
    if connector.transaction is not None and not connector.withheld:
        visit_limits.apply(station, connector, visit, at_s=at_s)
        charging.flow(station, connector, at_s=at_s)


def choose_limit(station: Station, connector: Connector, limit: Limit, *, at_s: float) -> None:
    """The driver has chosen how much to take at most. Raises `Refused` without a transaction, and
    where the version knows no limits.
    """
    payment.only_21(station, "a limit")
    if connector.visit is None:
        raise Refused(f"no transaction runs on connector {connector.id}")
    visits.limited(station, connector, limit, at_s=at_s)


def refuse_tariff(station: Station, connector: Connector, *, at_s: float) -> None:
    """The driver does not accept what it costs (I08): the tag is no longer authorized."""
    payment.only_21(station, "a tariff")
    visit = connector.visit
    if connector.transaction is not None:
        charging.end(station, connector, reason="TariffNotAccepted", at_s=at_s)
        return
    if connector.authorized_tag is None:
        raise Refused(f"no tag waits on connector {connector.id}")
    connector.forget_tag()
    if visit is not None:
        visit.stop_reason = "DeAuthorized"
        visits.happened(station, connector, "TariffNotAccepted", at_s=at_s, reason="DeAuthorized")
    if connector.phase is Phase.PREPARING and not connector.plugged:
        charging.release(station, connector, at_s=at_s)
