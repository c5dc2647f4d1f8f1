"""OCPP 2.0.1 and 2.1: transactions (block E): TransactionEvent, what its answer means, and
GetTransactionStatus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.station import authorization, charging, cost_changes, visits
from simfleet.station.dialects.moments import timestamp
from simfleet.station.dialects.v2x_words import id_token, sampled_values, token_info
from simfleet.station.dialects.v21_tariffs import cost_details
from simfleet.station.effects import TransactionDelivered
from simfleet.station.messages import Limit, SessionEvent
from simfleet.station.tokens import same_tag

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.messages import Measured
    from simfleet.station.meter import Reading
    from simfleet.station.station import Station


def _sample(m: Any, station: Station, message: SessionEvent, reading: Reading) -> Wire:
    """The event of a reading and nothing else."""
    at = timestamp(message.wall_s)
    values = sampled_values(station, reading, message.measurands, message.context)
    request: Wire = m.TransactionEventRequest(
        event_type="Updated",
        timestamp=at,
        trigger_reason=message.trigger,
        seq_no=message.seq_no,
        transaction_info=m.Transaction(transaction_id=message.visit.id),
        meter_value=[m.MeterValue(timestamp=at, sampled_value=values)],
        offline=True if message.offline else None,
    )
    return request


def _session_event(station: Station, message: SessionEvent) -> Wire:
    m, visit = station.dialect.m, message.visit
    if message.plain and message.reading is not None:
        return _sample(m, station, message, message.reading)
    values = [_meter_value(station, one) for one in message.earlier]
    if message.reading is not None:
        sampled = sampled_values(station, message.reading, message.measurands, message.context)
        values.append(m.MeterValue(timestamp=timestamp(message.wall_s), sampled_value=sampled))
    info = m.Transaction(
        transaction_id=visit.id,
        charging_state=message.state,
        time_spent_charging=message.charging_s,
        stopped_reason=message.reason or None,
        remote_start_id=message.remote_start_id,
        **({} if message.limit is None else {"transaction_limit": _limit(m, message.limit)}),
        **({} if message.mode is None else {"operation_mode": message.mode}),
        **({} if message.tariff_id is None else {"tariff_id": message.tariff_id}),
    )
    evse = None
    if message.evse:
        evse = m.EVSE(id=visit.connector_id, connector_id=1 if message.outlet else None)
    request: Wire = m.TransactionEventRequest(
        event_type=message.kind,
        timestamp=timestamp(message.wall_s),
        trigger_reason=message.trigger,
        seq_no=message.seq_no,
        transaction_info=info,
        meter_value=values or None,
        offline=True if message.offline else None,
        number_of_phases_used=message.phases,
        cable_max_current=message.cable_a,
        reservation_id=message.reservation_id,
        evse=evse,
        id_token=None if message.id_tag is None else id_token(station, message.id_tag),
        **({} if message.bill is None else {"cost_details": cost_details(m, message.bill)}),
    )
    return request


def _meter_value(station: Station, measured: Measured) -> Any:
    return station.dialect.m.MeterValue(
        timestamp=timestamp(measured.wall_s),
        sampled_value=sampled_values(
            station, measured.reading, measured.measurands, measured.context
        ),
    )


def _limit(m: Any, limit: Limit) -> Any:
    return m.TransactionLimit(
        max_cost=limit.cost,
        max_energy=limit.energy_wh,
        max_time=limit.time_s,
        max_so_c=limit.soc_percent,
    )


def _session_event_answered(
    station: Station, message: SessionEvent, response: Any, at_s: float
) -> None:
    visit = message.visit
    if message.kind == "Started":
        station.effects.append(TransactionDelivered(visit.number, "start"))
    elif message.kind == "Ended":
        station.effects.append(TransactionDelivered(visit.number, "stop"))
    if response.charging_priority is not None:
        visit.charging_priority = response.charging_priority
    if response.updated_personal_message is not None:
        visit.personal_message = response.updated_personal_message.content
    if response.total_cost is not None:
        cost_changes.said(station, visit, response.total_cost, at_s=at_s)
    if response.id_token_info is not None and message.id_tag is not None:
        _judged(station, message, response.id_token_info, at_s=at_s)
    said = getattr(response, "transaction_limit", None)
    connector = station.connectors[visit.connector_id - 1]
    if said is not None and connector.visit is visit:
        limit = Limit(said.max_energy, said.max_time, said.max_so_c, said.max_cost)
        visits.limited(station, connector, limit, at_s=at_s)


def _judged(station: Station, message: SessionEvent, said: Any, *, at_s: float) -> None:
    """The CSMS has judged the tag of an event (2.0.1 E05, C12, C15)."""
    visit, id_tag = message.visit, message.id_tag
    assert id_tag is not None
    if said.charging_priority is not None:
        visit.charging_priority = said.charging_priority
    if said.personal_message is not None:
        visit.personal_message = said.personal_message.content
    info = token_info(said)
    authorization.learn(station, id_tag, info, at_s=at_s)
    connector = station.connectors[visit.connector_id - 1]
    if connector.visit is not visit or not same_tag(id_tag, visit.id_tag):
        return  # over; or a tag that has ended the session: no more to be done
    info = info.here(visit.connector_id)
    transaction = connector.transaction
    if transaction is not None:
        if info.parent_id_tag is not None:
            transaction.parent_id_tag = info.parent_id_tag
        charging.started_answered(station, transaction, info.status, at_s=at_s)
    elif info.status != "Accepted":
        visits.deauthorize(station, connector, at_s=at_s)


def _transaction_status(station: Station, request: Any, _: float) -> Wire:
    wanted = request.transaction_id
    waiting = [
        entry.message.visit.id
        for entry in station.outbox.durable
        if isinstance(entry.message, SessionEvent)
    ]
    response: Wire = station.dialect.m.GetTransactionStatusResponse(
        # Without an id, OCPP asks about messages alone (E14.FR.06).
        ongoing_indicator=None if wanted is None else visits.of_id(station, wanted) is not None,
        messages_in_queue=bool(waiting) if wanted is None else wanted in waiting,
    )
    return response


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "GetTransactionStatus": _transaction_status,
}
ACTIONS: Final[dict[type, str]] = {SessionEvent: "TransactionEvent"}
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {SessionEvent: _session_event}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {
    SessionEvent: _session_event_answered,
}
