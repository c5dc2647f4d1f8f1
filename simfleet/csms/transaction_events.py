"""What TransactionEvents and MeterValues of OCPP 2.0.1 and 2.1 mean for the books. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from simfleet.csms.records2 import Transaction2
from simfleet.station.tokens import tag_of

if TYPE_CHECKING:
    from simfleet.csms.book import Book
    from simfleet.csms.records import StationRecord

REGISTER: Final = "Energy.Active.Import.Register"
"""What a sampled value without a measurand is, too (2.0.1 part 2, SampledValueType)."""
EXPORTED: Final = "Energy.Active.Export.Register"


class Noted(NamedTuple):
    """What an event was. `transaction` is None for one that the book does not know."""

    transaction: Transaction2 | None
    repeated: bool
    starts_tag: bool
    """It names the tag of a transaction that had none."""


def note_event(book: Book, record: StationRecord, request: Any) -> Noted:
    """Take one TransactionEvent into the book."""
    counts, kind, info = book.events, request.event_type, request.transaction_info
    key = (record.identity, info.transaction_id)
    transaction = book.open.get(key)
    if transaction is None:
        closed = book.closed(key)
        if closed is not None:
            assert isinstance(closed, Transaction2)
            return _after_the_end(book, closed, request)
        if kind != "Started":
            _stray(book, kind)
            return Noted(None, repeated=False, starts_tag=False)
        transaction = Transaction2(info.transaction_id, record.identity, request.timestamp)
        book.begin(record, transaction)
    assert isinstance(transaction, Transaction2)
    if transaction.heard(request.seq_no):
        counts.repeated += 1
        book.duplicate_starts += kind == "Started"
        return Noted(transaction, repeated=True, starts_tag=False)
    _count(book, transaction, request)
    if request.evse is not None and transaction.connector_id != request.evse.id:
        _place(book, record, transaction, request.evse.id)
    starts_tag = request.id_token is not None and transaction.id_tag is None
    if starts_tag:
        token = request.id_token
        transaction.token_type = token.type
        book.note_tag(transaction, tag_of(token.type, token.id_token))
    if info.charging_state is not None:
        transaction.charging_state = info.charging_state
    if info.remote_start_id is not None:
        transaction.remote_start_id = info.remote_start_id
    exported = False
    if request.meter_value is not None:
        exported = _take_values(book, record, transaction, request.meter_value)
        if kind == "Started":
            transaction.export_whole = exported
    if kind == "Ended":
        transaction.stopped, transaction.reason = request.timestamp, info.stopped_reason
        counts.without_register += transaction.meter_start_wh is None
        if transaction.export_stop_wh is not None:
            book.exported_wh += transaction.exported_wh
            book.exports_whole += transaction.export_whole and exported
        book.end(transaction)
    return Noted(transaction, repeated=False, starts_tag=starts_tag)


def _count(book: Book, transaction: Transaction2, request: Any) -> None:
    counts = book.events
    counts.kinds[request.event_type] += 1
    counts.offline += request.offline is True
    trigger, state = request.trigger_reason, request.transaction_info.charging_state
    counts.triggers[trigger] = counts.triggers.get(trigger, 0) + 1
    if state is not None:
        counts.states[state] = counts.states.get(state, 0) + 1
    gap = transaction.hear(request.seq_no)
    if gap:
        counts.missing += gap
        counts.late += gap < 0
    costs = getattr(request, "cost_details", None)  # 2.1
    if costs is not None:
        total = costs.total_cost.total
        transaction.cost = total.excl_tax if total.incl_tax is None else total.incl_tax


def _place(book: Book, record: StationRecord, transaction: Transaction2, evse_id: int) -> None:
    transaction.connector_id = evse_id
    evse = record.connector(evse_id)
    if evse is None:
        book.forgotten["connectors"] += 1
    else:
        evse.last_start = transaction


def _stray(book: Book, kind: str) -> None:
    if kind == "Ended":
        book.stop_unknown += 1
    else:
        book.events.unknown += 1


def _after_the_end(book: Book, transaction: Transaction2, request: Any) -> Noted:
    """Sent again because our answer was lost, or a gap filled, or wrong."""
    kind = request.event_type
    if transaction.heard(request.seq_no):
        book.events.repeated += 1
        return Noted(transaction, repeated=True, starts_tag=False)
    if kind == "Ended":
        book.stopped_twice += 1
    elif transaction.missing and request.seq_no in transaction.missing:
        _count(book, transaction, request)
    else:
        book.events.unknown += 1
    return Noted(transaction, repeated=False, starts_tag=False)


def note_meter_values(book: Book, record: StationRecord, request: Any) -> None:
    """MeterValues: of an EVSE without a transaction, or of the main meter (EVSE 0)."""
    book.count_values(request.meter_value)
    for meter_value in request.meter_value:
        for sampled in meter_value.sampled_value:
            if _is_register(sampled):
                register_wh = _register_wh(sampled)
                book.note_register(record, request.evse_id, meter_value.timestamp, register_wh)


def _take_values(
    book: Book, record: StationRecord, transaction: Transaction2, meter_values: list[Any]
) -> bool:
    """Whether the register of exports was among them."""
    exported = False
    book.count_values(meter_values)
    transaction.meter_values += len(meter_values)
    transaction.last_meter_value = meter_values[-1]
    for meter_value in meter_values:
        for sampled in meter_value.sampled_value:
            if not _is_register(sampled):
                if sampled.measurand == EXPORTED and _is_whole(sampled):
                    exported = True
                    _take_export(transaction, _register_wh(sampled))
                continue
            register_wh = _register_wh(sampled)
            if transaction.meter_start_wh is None:
                transaction.meter_start_wh = register_wh
            transaction.meter_stop_wh = register_wh
            book.note_register(record, transaction.connector_id, meter_value.timestamp, register_wh)
    return exported


def _take_export(transaction: Transaction2, register_wh: float) -> None:
    if transaction.export_start_wh is None:
        transaction.export_start_wh = register_wh
    transaction.export_stop_wh = register_wh


def _is_register(sampled: Any) -> bool:
    return sampled.measurand in (None, REGISTER) and _is_whole(sampled)


def _is_whole(sampled: Any) -> bool:
    """Of all phases, at the outlet."""
    return sampled.phase is None and sampled.location in (None, "Outlet")


def _register_wh(sampled: Any) -> float:
    value: float = sampled.value
    unit = sampled.unit_of_measure
    if unit is None:
        return value
    if unit.multiplier:
        value *= 10.0**unit.multiplier
    return value * 1000 if unit.unit == "kWh" else value
