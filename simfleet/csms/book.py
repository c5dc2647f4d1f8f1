"""What the CSMS remembers, in bounded memory: stations, transactions, meter values, totals.

Pure. Every bound is a constant here or in `records.py`, and what falls out of it is counted in
`forgotten`. The `ledger()` is what a load run checks its own books against.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final

from simfleet.csms.ledger import ledger_of
from simfleet.csms.notices import Notices
from simfleet.csms.records import StationRecord, Transaction
from simfleet.csms.records2 import EventCounts, number_in
from simfleet.csms.upkeep import Upkeep
from simfleet.csms.wrongs import Wrongs
from simfleet.errors import QueueFull

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from simfleet.csms.records import AnyTransaction, Key
    from simfleet.ocpp.v16.messages import (
        BootNotificationRequest,
        MeterValuesRequest,
        StartTransactionRequest,
        StatusNotificationRequest,
        StopTransactionRequest,
    )

STATIONS_MAX: Final = 50_000
"""Identities remembered; beyond, those that went away without an open transaction are forgotten."""
SEARCHED_MAX: Final = 100
"""Identities looked at, oldest first, to find one that may be forgotten."""
OPEN_MAX: Final = 100_000
"""Open transactions remembered."""
CLOSED_MAX: Final = 10_000
"""Closed transactions remembered."""
TEXTS_MAX: Final = 1000
"""Different names of vendors, models and firmware that are shared between stations."""
EXAMPLES_MAX: Final = 20
"""Register decreases that are kept in full."""

REGISTER: Final = "Energy.Active.Import.Register"
"""What a sampled value without a measurand is, too (OCPP 1.6 section 7.31)."""


class Book:
    """All records and totals of one CSMS. `next_transaction_id` goes on through `reset`."""

    def __init__(self, *, first_transaction_id: int = 1) -> None:
        self.next_transaction_id = first_transaction_id
        self._first_transaction_id = first_transaction_id
        self.stations: dict[str, StationRecord] = {}
        self._texts: dict[str, str] = {}
        self._busy_until_s = 0.0
        """Until when a throttled CSMS has answers to give."""
        self._clear()

    def next_answer_s(self, at_s: float, *, every_s: float) -> float:
        """When a CSMS that answers one CALL every so often answers one that came at `at_s`."""
        self._busy_until_s = max(at_s, self._busy_until_s) + every_s
        return self._busy_until_s

    def _clear(self) -> None:
        self.open: dict[Key, AnyTransaction] = {}
        self._tags_open: Counter[str] = Counter()
        self._closed: dict[Key, AnyTransaction] = {}
        self._closed_order: deque[Key] = deque()
        self.events = EventCounts()
        self.connections = self.connected = self.connected_peak = 0
        self.duplicate_identities = self.replaced = 0
        self.boots = self.calls_before_boot = self.refused_before_boot = 0
        self.starts = self.duplicate_starts = 0
        self.stops = self.stopped_twice = self.stop_retries = self.stop_unknown = 0
        self.energy_wh: float = 0
        self.exported_wh: float = 0
        self.exports_whole = 0
        self.negative_energies = 0
        self.meter_values = self.sampled_values = self.unreadable_values = 0
        self.meter_values_unknown = self.register_decreases = 0
        self.register_decrease_examples: list[dict[str, object]] = []
        self.overlapping_calls = self.unanswered = 0
        self.calls: dict[str, int] = {}
        self.statuses: dict[str, int] = {}
        self.error_codes: dict[str, int] = {}
        self.stop_reasons: dict[str, int] = {}
        self.commands: dict[str, dict[str, int]] = {}
        self.frames_in = self.frames_out = 0
        self.late_replies = self.duplicate_replies = self.unknown_replies = 0
        self.forgotten = {"stations": 0, "connectors": 0, "open": 0, "closed": 0}
        self.refused: dict[str, int] = {}
        self.profiles = [0, 0, 0, 0]
        self.upkeep = Upkeep()
        self.notices = Notices()
        self.wrongs = Wrongs()

    def reset(self) -> None:
        """Forget everything but who is connected and which transaction ids were used."""
        self._clear()
        self._first_transaction_id = self.next_transaction_id
        self.stations = {name: record for name, record in self.stations.items() if record.connected}
        for record in self.stations.values():
            record.forget_counts()
            record.connections = record.connected
            self.connections += record.connected
        self.connected = self.connected_peak = self.connections

    # ── stations ─────────────────────────────────────────────────────────────────────────────────

    def connect(self, identity: str, *, at_s: float) -> StationRecord:
        """Note a new connection. Raises `QueueFull` when no identity can be forgotten for it."""
        record = self.stations.get(identity)
        if record is None:
            if len(self.stations) >= STATIONS_MAX:
                self._forget_a_station()
            record = self.stations[identity] = StationRecord(identity)
        if record.connected:
            self.replaced += 1
            if not record.doubled:
                record.doubled = True
                self.duplicate_identities += 1
        record.connected += 1
        record.connections += 1
        record.seen_at_s = at_s
        self.connections += 1
        self.connected += 1
        self.connected_peak = max(self.connected_peak, self.connected)
        return record

    def disconnect(self, record: StationRecord, *, at_s: float) -> None:
        """Note the end of a connection."""
        record.connected -= 1
        record.seen_at_s = at_s
        self.connected -= 1

    def note_boot(self, record: StationRecord, boot: BootNotificationRequest) -> None:
        """BootNotification of 1.6."""
        self.note_nameplate(
            record,
            vendor=boot.charge_point_vendor,
            model=boot.charge_point_model,
            serial_number=boot.charge_point_serial_number or boot.charge_box_serial_number,
            firmware_version=boot.firmware_version,
        )

    def note_nameplate(
        self,
        record: StationRecord,
        *,
        vendor: str,
        model: str,
        serial_number: str | None,
        firmware_version: str | None,
    ) -> None:
        """Keep what a station says it is when it boots; equal texts of many are kept once."""
        record.boots += 1
        self.boots += 1
        record.vendor = self._same(vendor)
        record.model = self._same(model)
        record.serial_number = serial_number
        record.firmware_version = firmware_version and self._same(firmware_version)

    def _same(self, text: str) -> str:
        """The text that was kept before, if there is an equal one."""
        if len(self._texts) < TEXTS_MAX:
            return self._texts.setdefault(text, text)
        return self._texts.get(text, text)

    def note_refused(self, reason: str) -> None:
        """Count a connection that was not opened; the reasons are a fixed few."""
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def note_profile(self, *, secure: bool, password: bool, certificate: bool) -> None:
        """Count an opened connection by the security profile that it amounts to."""
        profile = 3 if certificate else 2 if secure else int(password)
        self.profiles[profile] += 1

    def _forget_a_station(self) -> None:
        for _ in range(SEARCHED_MAX):
            identity = next(iter(self.stations))
            record = self.stations.pop(identity)
            if not record.connected and not record.open:
                self.forgotten["stations"] += 1
                return
            self.stations[identity] = record  # at the end: the next search looks at others
        raise QueueFull("record of stations", STATIONS_MAX)

    def note_status(self, record: StationRecord, request: StatusNotificationRequest) -> None:
        """Keep a connector's last status, and count statuses and errors."""
        self.statuses[request.status] = self.statuses.get(request.status, 0) + 1
        if request.error_code != "NoError":
            self.error_codes[request.error_code] = self.error_codes.get(request.error_code, 0) + 1
        connector = record.connector(request.connector_id)
        if connector is None:
            self.forgotten["connectors"] += 1
            return
        connector.status = request.status
        connector.error_code = request.error_code

    # ── transactions ─────────────────────────────────────────────────────────────────────────────

    def has_open(self, id_tag: str) -> bool:
        """Whether a transaction of this tag is open anywhere."""
        return id_tag in self._tags_open

    def is_repeated(self, record: StationRecord, start: StartTransactionRequest) -> bool:
        """Whether `start` is a message we had already, sent again because our answer was lost."""
        connector = record.connectors.get(start.connector_id)
        last = None if connector is None else connector.last_start
        return isinstance(last, Transaction) and _again(last, start)

    def start(self, record: StationRecord, start: StartTransactionRequest) -> int:
        """Open a transaction, or find the one that this message opened before; return its id."""
        connector = record.connector(start.connector_id)
        if connector is None:
            self.forgotten["connectors"] += 1
        elif isinstance(last := connector.last_start, Transaction) and _again(last, start):
            self.duplicate_starts += 1
            return last.id
        transaction = Transaction(self.next_transaction_id, record.identity, start)
        self.next_transaction_id += 1
        self.begin(record, transaction)
        if connector is not None:
            connector.last_start = transaction
            self.note_register(record, start.connector_id, start.timestamp, start.meter_start)
        return transaction.id

    def begin(self, record: StationRecord, transaction: AnyTransaction) -> None:
        """Take a new transaction among the open ones."""
        self.starts += 1
        if len(self.open) >= OPEN_MAX:
            self._end(next(iter(self.open.values())))
            self.forgotten["open"] += 1
        self.open[transaction.key] = transaction
        record.open += 1
        if transaction.id_tag is not None:
            self._tags_open[transaction.id_tag] += 1

    def note_tag(self, transaction: AnyTransaction, id_tag: str) -> None:
        """An open transaction that began without a tag has one."""
        transaction.id_tag = id_tag
        self._tags_open[id_tag] += 1

    def stop(self, record: StationRecord, stop: StopTransactionRequest) -> None:
        """Close a transaction. A second stop, or one of an unknown transaction, is only counted."""
        transaction = self.open.get(stop.transaction_id)
        if not isinstance(transaction, Transaction) or transaction.identity != record.identity:
            self._count_stray_stop(record, stop)
            return
        transaction.meter_stop_wh = stop.meter_stop
        transaction.stopped = stop.timestamp
        transaction.reason = stop.reason
        self.end(transaction)
        self.note_register(record, transaction.connector_id, stop.timestamp, stop.meter_stop)
        if stop.transaction_data:
            self.count_values(stop.transaction_data)

    def end(self, transaction: AnyTransaction) -> None:
        """Take an open transaction among the closed ones; its stop and reason are noted in it."""
        self._end(transaction)
        self.stops += 1
        reason = transaction.reason or "Local"  # what leaving it out means in every version
        self.stop_reasons[reason] = self.stop_reasons.get(reason, 0) + 1
        energy_wh = (transaction.meter_stop_wh or 0) - (transaction.meter_start_wh or 0)
        self.energy_wh += energy_wh
        self.negative_energies += energy_wh < 0
        if len(self._closed_order) >= CLOSED_MAX:
            del self._closed[self._closed_order.popleft()]
            self.forgotten["closed"] += 1
        self._closed[transaction.key] = transaction
        self._closed_order.append(transaction.key)

    def closed(self, key: Key) -> AnyTransaction | None:
        """A closed transaction, if it is still remembered."""
        return self._closed.get(key)

    def _end(self, transaction: AnyTransaction) -> None:
        del self.open[transaction.key]
        id_tag = transaction.id_tag
        if id_tag is not None:
            self._tags_open[id_tag] -= 1
            if not self._tags_open[id_tag]:
                del self._tags_open[id_tag]
        record = self.stations.get(transaction.identity)
        if record is not None:
            record.open -= 1

    def _count_stray_stop(self, record: StationRecord, stop: StopTransactionRequest) -> None:
        transaction_id = stop.transaction_id
        earlier = self._closed.get(transaction_id)
        if isinstance(earlier, Transaction) and earlier.identity == record.identity:
            self.stopped_twice += 1
            self.stop_retries += earlier.is_stop(stop)
        elif (
            earlier is None
            and transaction_id not in self.open
            and self._first_transaction_id <= transaction_id < self.next_transaction_id
        ):
            self.stopped_twice += 1  # ours, and so long closed that it was forgotten
        else:
            self.stop_unknown += 1

    # ── meter values ─────────────────────────────────────────────────────────────────────────────

    def note_meter_values(self, record: StationRecord, request: MeterValuesRequest) -> None:
        """Count meter values, keep the last per transaction, and watch the energy register."""
        self.count_values(request.meter_value)
        if request.transaction_id is not None:
            transaction = self.open.get(request.transaction_id)
            if transaction is None or transaction.identity != record.identity:
                self.meter_values_unknown += 1
            else:
                transaction.meter_values += len(request.meter_value)
                transaction.last_meter_value = request.meter_value[-1]
        for meter_value in request.meter_value:
            for sampled in meter_value.sampled_value:
                if (
                    (sampled.measurand is None or sampled.measurand == REGISTER)
                    and sampled.phase is None
                    and sampled.format != "SignedData"
                ):
                    register_wh = number_in(sampled.value)
                    if register_wh is None:
                        self.unreadable_values += 1
                        continue
                    if sampled.unit == "kWh":
                        register_wh *= 1000
                    self.note_register(
                        record, request.connector_id, meter_value.timestamp, register_wh
                    )

    def count_values(self, meter_values: Sequence[Any]) -> None:
        """Count meter values, of any version, and the samples in them."""
        self.meter_values += len(meter_values)
        for meter_value in meter_values:
            self.sampled_values += len(meter_value.sampled_value)

    def note_register(
        self, record: StationRecord, connector_id: int, timestamp: datetime, register_wh: float
    ) -> None:
        """Compare a connector's register with the newest seen; older values prove nothing."""
        connector = record.connector(connector_id)
        if connector is None:
            self.forgotten["connectors"] += 1
            return
        before_wh = connector.register_wh
        if before_wh is not None and connector.register_at is not None:
            if timestamp < connector.register_at:
                return
            if register_wh < before_wh:
                self.register_decreases += 1
                if len(self.register_decrease_examples) < EXAMPLES_MAX:
                    self.register_decrease_examples.append(
                        {
                            "identity": record.identity,
                            "connector": connector_id,
                            "from_wh": before_wh,
                            "to_wh": register_wh,
                        }
                    )
        connector.register_wh = register_wh
        connector.register_at = timestamp

    # ── the protocol ─────────────────────────────────────────────────────────────────────────────

    def note_command(self, action: str, result: str) -> None:
        """Count how one of our own CALLs ended: `answered`, or why not."""
        ends = self.commands.setdefault(action, {})
        ends[result] = ends.get(result, 0) + 1

    def ledger(self) -> dict[str, object]:
        """Everything that was counted, as JSON values. docs/csms.md explains each name."""
        return ledger_of(self)


def _again(last: Transaction, start: StartTransactionRequest) -> bool:
    """Who has stopped a transaction knows its id, and need not ask again: an equal start after that
    is another session of the same moment.
    """
    return last.stopped is None and last.is_start(start)
