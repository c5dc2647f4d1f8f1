"""The costs of the transactions that run (OCPP 2.1 I07 to I12): when an account is opened, what is
told of it and when, and the limit on it.

An account is opened at the first event of a transaction that knows its tag, and goes back to the
beginning of the transaction. Costs are told with TransactionEvents of their own (RunningCost, every
`TariffCostCtrlr.Interval[Cost]`), with what the costs themselves cause, and in full at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.station import agenda, payment, tariffs
from simfleet.station.agenda import Job
from simfleet.station.configuration_keys_tariff import COST_INTERVAL, RUNNING_COST_ENABLED
from simfleet.station.cost_account import Account

if TYPE_CHECKING:
    from simfleet.station.bill import Bill
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station
    from simfleet.station.tariff import Tariff
    from simfleet.station.visit import Visit

BILLED: Final = frozenset({"RunningCost", "CostLimitReached", "TariffChanged"})
"""What an event is told for that tells the costs as well."""


def told(
    station: Station, connector: Connector, visit: Visit, kind: str, trigger: str, *, at_s: float
) -> tuple[Bill | None, str | None]:
    """What an event says of the costs, and the id of a tariff that was not told before. Called
    where a station has tariffs.
    """
    if connector.account is None and visit.id_tag is not None and not visit.priced:
        visit.priced = True
        tariff, default = tariffs.for_tag(station, visit.id_tag, connector.id, at_s=at_s)
        if tariff is not None:
            open_account(station, connector, visit, tariff, default=default, at_s=at_s)
    account = connector.account
    if account is None:
        return None, None
    bill = None
    if kind == "Ended" or trigger in BILLED:
        catch_up(station, connector, at_s=at_s)
        bill = account.bill(with_periods=kind == "Ended")
    tariff_id = account.tariff.tariff_id
    if tariff_id == account.told_id:
        return bill, None
    account.told_id = tariff_id
    return bill, tariff_id


def catch_up(station: Station, connector: Connector, *, at_s: float) -> None:
    """Bring the account, and the meter with it, to this moment."""
    account = connector.account
    assert account is not None
    account.wall_offset_s = station.clock_offset_s
    if at_s > connector.metered_s:
        connector.meter_to(at_s)
    account.advance(connector, max(at_s, connector.metered_s))


def open_account(
    station: Station,
    connector: Connector,
    visit: Visit,
    tariff: Tariff,
    *,
    default: bool,
    at_s: float,
) -> None:
    """From its beginning on the transaction costs that."""
    card = payment.card_of(station, visit.id_tag)
    account = connector.account = Account(
        tariff,
        start_s=visit.start_s,
        wall_offset_s=station.clock_offset_s,
        kind=connector.meter.spec.kind,
        brand=None if card is None else card.brand,
        recognition=None if card is None else card.recognition,
    )
    account.from_default = default
    account.begin()
    if visit.limit is not None:
        account.limit = visit.limit.cost
    reserved(connector, visit)
    catch_up(station, connector, at_s=at_s)
    arm(station, connector, at_s=at_s)


def arm(station: Station, connector: Connector, *, at_s: float) -> None:
    """Find out when the running cost is told next."""
    interval_s = station.configuration.seconds(COST_INTERVAL)
    if interval_s and station.configuration.flag(RUNNING_COST_ENABLED):
        agenda.at(station, Job.RUNNING_COST, at_s + interval_s, key=connector.id)


def reserved(connector: Connector, visit: Visit) -> None:
    """The transaction has used up a reservation, which costs something as well."""
    account = connector.account
    if account is not None and connector.reserved_wall_s is not None:
        account.reserve(connector.reserved_wall_s, visit.start_wall_s)
        connector.reserved_wall_s = None


def close(station: Station, connector: Connector, visit: Visit) -> None:
    """The transaction is over, and was told of."""
    connector.account = None
    connector.reserved_wall_s = None
    agenda.cancel(station, Job.RUNNING_COST, key=connector.id)
    if visit.id_tag is not None:
        tariffs.transaction_over(station, visit.id_tag)


def settle_memory(connector: Connector) -> None:
    """Note what a transaction has come to, for the case that power fails now."""
    account, visit = connector.account, connector.visit
    if account is not None and visit is not None:
        visit.bill = account.bill(with_periods=True)
