"""What the CSMS answers in 2.0.1 and 2.1 to what every station says: boot, heartbeat, statuses,
tags, transactions, meter values, data transfer. Pure.

The structs are those of the session's version.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.csms.transaction_events import note_event, note_meter_values
from simfleet.station.tokens import tag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.csms.session import Session
    from simfleet.ocpp.wire import Wire

GROUP_TYPE: Final = "Central"
"""The idToken type of a group, which no station reads from a card."""
CONTRACT: Final = "eMAID"
TARIFF_ID: Final = "simfleet"
CURRENCY: Final = "EUR"
"""Of the tariff that goes with a tag."""
_CONTRACT_STATUS: Final = {
    "Accepted": "Accepted",
    "Blocked": "ContractCancelled",
    "Expired": "CertificateExpired",
    "Invalid": "NoCertificateAvailable",
    "Unknown": "NoCertificateAvailable",
}
"""The certificateStatus that goes with the status of a contract (2.0.1 C07); else Accepted."""


def token_info(session: Session, token: Any, *, may_start: bool) -> Any:
    """IdTokenInfo about an idToken. `may_start`: it is about to begin another transaction."""
    m, behaviour = session.version.m, session.behaviour
    tag = tag_of(token.type, token.id_token)
    status = behaviour.tag_status(tag)
    if tag != token.id_token and status == behaviour.authorize_status:
        status = behaviour.tag_status(token.id_token)
    if (
        may_start
        and status == "Accepted"
        and behaviour.refuse_concurrent_tx
        and session.book.has_open(tag)
    ):
        status = "ConcurrentTx"
    if status == "Accepted":
        session.record.last_tag = tag
    group = behaviour.parent_tags.get(tag) or behaviour.parent_tags.get(token.id_token)
    if group is None:
        return m.IdTokenInfo(status=status)
    return m.IdTokenInfo(status=status, group_id_token=m.IdToken(id_token=group, type=GROUP_TYPE))


def _authorize(session: Session, request: Any, at_s: float) -> Wire:
    # Also asked to stop a transaction, so an open one is no reason to refuse.
    info = token_info(session, request.id_token, may_start=False)
    contract = request.certificate or request.iso15118_certificate_hash_data
    m, price, more = session.version.m, session.behaviour.tariff_per_kwh, {}
    if price is not None and info.status == "Accepted" and hasattr(m, "Tariff"):
        more["tariff"] = _tariff(m, price)
    response: Wire = m.AuthorizeResponse(
        id_token_info=info,
        certificate_status=_CONTRACT_STATUS.get(info.status, "Accepted") if contract else None,
        **more,
    )
    return response


def _tariff(m: Any, price_per_kwh: float) -> Any:
    """A tariff of 2.1 with one price."""
    energy = m.TariffEnergy(prices=[m.TariffEnergyPrice(price_kwh=price_per_kwh)])
    return m.Tariff(tariff_id=TARIFF_ID, currency=CURRENCY, energy=energy)


def _boot(session: Session, request: Any, at_s: float) -> Wire:
    station = request.charging_station
    session.book.note_nameplate(
        session.record,
        vendor=station.vendor_name,
        model=station.model,
        serial_number=station.serial_number,
        firmware_version=station.firmware_version,
    )
    status, interval_s = session.registered()
    response: Wire = session.version.m.BootNotificationResponse(
        current_time=session.now(at_s), interval=interval_s, status=status
    )
    return response


def _heartbeat(session: Session, request: Any, at_s: float) -> Wire:
    response: Wire = session.version.m.HeartbeatResponse(current_time=session.now(at_s))
    return response


def _status(session: Session, request: Any, at_s: float) -> Wire:
    book, status = session.book, request.connector_status
    book.statuses[status] = book.statuses.get(status, 0) + 1
    evse = session.record.connector(request.evse_id)
    if evse is None:
        book.forgotten["connectors"] += 1
    else:
        evse.note_status(request.connector_id, status)
    response: Wire = session.version.m.StatusNotificationResponse()
    return response


def _transaction_event(session: Session, request: Any, at_s: float) -> Wire:
    m, token = session.version.m, request.id_token
    info = None
    if token is not None:
        # The tag is judged before the event is noted: its own transaction is none of others.
        starts = request.event_type != "Ended" and not _knows_tag(session, request)
        info = token_info(session, token, may_start=starts)
    noted = note_event(session.book, session.record, request)
    price = session.behaviour.price_per_kwh
    cost = None
    if price is not None and noted.transaction is not None and request.event_type != "Started":
        told_wh = (noted.transaction.meter_stop_wh or 0) - (noted.transaction.meter_start_wh or 0)
        cost = round(told_wh / 1000 * price, 2)
    limits, more = session.behaviour.transaction_limit, {}
    if limits is not None and request.event_type == "Started" and hasattr(m, "TransactionLimit"):
        more["transaction_limit"] = m.TransactionLimit(
            max_cost=limits.cost,
            max_energy=limits.energy_wh,
            max_time=limits.time_s,
            max_so_c=limits.soc,
        )
    response: Wire = m.TransactionEventResponse(id_token_info=info, total_cost=cost, **more)
    return response


def _knows_tag(session: Session, request: Any) -> bool:
    """Whether the transaction has a tag already, so this one begins nothing."""
    key = (session.identity, request.transaction_info.transaction_id)
    transaction = session.book.open.get(key) or session.book.closed(key)
    return transaction is not None and transaction.id_tag is not None


def _meter_values(session: Session, request: Any, at_s: float) -> Wire:
    note_meter_values(session.book, session.record, request)
    response: Wire = session.version.m.MeterValuesResponse()
    return response


def _data_transfer(session: Session, request: Any, at_s: float) -> Wire:
    session.book.upkeep.note_data(request)
    known = request.vendor_id in session.behaviour.known_vendors
    response: Wire = session.version.m.DataTransferResponse(
        status="Accepted" if known else "UnknownVendorId"
    )
    return response


BY_ACTION: Final[Mapping[str, Callable[[Session, Any, float], Wire]]] = {
    "Authorize": _authorize,
    "BootNotification": _boot,
    "DataTransfer": _data_transfer,
    "Heartbeat": _heartbeat,
    "MeterValues": _meter_values,
    "StatusNotification": _status,
    "TransactionEvent": _transaction_event,
}
