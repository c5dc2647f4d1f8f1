"""What a station does wrong on purpose: the faults it was given, and where they act.

`station.faults` is None until the first fault comes, so a station without faults pays one
comparison at each place where one could act: `Station.say`, `_send`, `_finished`, `receive`, and
the clock. Meters are exchanged for one that can freeze. Chance comes from a fork of the charger's
own: what the drivers do stays as it was.

Faults are no part of the hardware: a reboot leaves them, a station made anew has none. Whatever one
does to a frame, an answer or a transaction is told by the effect `Injected`, and what the books of
a run cannot add up for its sake by `Excused`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.ocpp.results import LINK_LOST
from simfleet.station import agenda, faulty_frames, faulty_state
from simfleet.station.active_faults import Active, ActiveFaults
from simfleet.station.agenda import Job
from simfleet.station.effects import CommandHandled, Excused, Injected
from simfleet.station.fault_kinds import (
    DuplicateStart,
    ErrorCodeFault,
    Fault,
    FirmwareFailure,
    FrozenMeter,
    MalformedFrame,
    MissingStop,
    ResponseOverride,
    SchemaInvalid,
    UnansweredCall,
    UploadFailure,
    WrongTransactionId,
)
from simfleet.station.faulty_answers import override
from simfleet.station.faulty_notes import energy_wh, lost, note, told_of
from simfleet.station.messages import (
    MeterSampled,
    SessionEvent,
    StatusReport,
    TransactionEnded,
    TransactionSampled,
    TransactionStarted,
)
from simfleet.station.meter import whole_wh
from simfleet.station.outbox import Entry
from simfleet.station.registration import Registration
from simfleet.station.transaction import Transaction

if TYPE_CHECKING:
    from simfleet.ocpp.results import Outcome, Received
    from simfleet.ocpp.wire import Wire
    from simfleet.station.faulty_notes import Told
    from simfleet.station.messages import Message
    from simfleet.station.station import Station

HELD_MAX: Final = 16
"""Answers to the CSMS that wait; a CALL beyond them is answered at once."""
WRONG_ID_FROM: Final = 2_000_000_000
"""Ids of transactions that never were; no CSMS counts that far."""


class Faults(ActiveFaults):
    """The faults of one station. See the module."""

    __slots__ = (
        "_frozen",
        "_held",
        "_misnamed",
        "_repeats",
        "_spoilt",
        "_spoilt_call",
        "_told_wh",
        "excusing",
    )

    def __init__(self, station: Station) -> None:
        super().__init__(station)
        self.excusing = False
        """The CSMS behaves badly on purpose: every failure now is a spoilt attempt."""
        self._held: dict[int, tuple[Received, Active]] = {}
        """CALLs of the CSMS that are handled later."""
        self._repeats: dict[int, Active] = {}
        """By number of the outbox: StartTransactions that are sent a second time."""
        self._frozen: dict[int, None] = {}
        """Messages with readings of a frozen meter, by number of the outbox."""
        self._spoilt: dict[int, int] = {}
        """How often a durable message went out spoilt, by number of the outbox."""
        self._spoilt_call = ""
        """The id of the CALL that was spoilt on its way last."""
        self._misnamed: dict[int, None] = {}
        """StopTransactions whose last attempt had a wrong id, by number of the transaction."""
        self._told_wh: dict[int, tuple[float | None, float | None]] = {}
        """meterStart and meterStop that a frozen meter showed, by number of the transaction."""

    def due(self, station: Station, key: int, *, at_s: float) -> None:
        """A moment of the agenda: a fault ends (its id), or a CALL is handled at last (below 0)."""
        if key < 0:
            received, held_by = self._held.pop(key)
            self._override(station, received, held_by, at_s=at_s)
        elif key in self._active:
            self._end(station, self._active[key], at_s=at_s)

    # ── what the station says ───────────────────────────────────────────────────────────────────

    def swallows(self, station: Station, message: Message, *, at_s: float) -> bool:
        """Look at a message before it is queued. True: it is never to be sent."""
        if not self._by_kind and not self._told_wh:
            return False
        what, one = told_of(message)
        if one is not None:
            shown_wh = self._shown_wh(station, one.connector_id)
            measures = isinstance(message, TransactionSampled) or (
                isinstance(message, SessionEvent) and message.reading is not None
            )
            if what == "start" and shown_wh is not None:
                note(self._told_wh, one.number, (shown_wh, None))
            if measures and shown_wh is not None:
                note(self._frozen, station.outbox.next_number, None)
            return what == "stop" and self._ends(station, one, at_s=at_s)
        if isinstance(message, MeterSampled):
            number = message.connector_id
            chosen = [number] if number else range(1, len(station.connectors) + 1)
            if any(self._shown_wh(station, one) is not None for one in chosen):
                note(self._frozen, station.outbox.next_number, None)
        return False

    def _shown_wh(self, station: Station, connector_id: int) -> float | None:
        """What the register of a frozen meter shows; None where no meter is frozen."""
        if FrozenMeter not in self._by_kind:
            return None
        return faulty_state.shown_wh(station.connectors[connector_id - 1])

    def _ends(self, station: Station, transaction: Told, *, at_s: float) -> bool:
        number = transaction.number
        start_wh, _ = self._told_wh.get(number, (None, None))
        stop_wh = self._shown_wh(station, transaction.connector_id)
        if start_wh is not None or stop_wh is not None:
            note(self._told_wh, number, (start_wh, stop_wh))
            quirks = station.spec.quirks
            from_zero = quirks is not None and quirks.register_from_zero
            began_wh = transaction.start_wh if start_wh is None or from_zero else start_wh
            ended_wh = transaction.stop_wh if stop_wh is None else stop_wh
            apart_wh = (ended_wh - began_wh) - (transaction.stop_wh - transaction.start_wh)
            station.effects.append(Excused("told_apart", number, apart_wh))
        active = self._strike(MissingStop)
        if active is None:
            return False
        what = f"transaction {transaction.id} is not told"
        action = "StopTransaction" if isinstance(transaction, Transaction) else "TransactionEvent"
        self._acted(station, active, action, what, at_s=at_s)
        station.effects.append(Excused("stop_lost", number, energy_wh(transaction)))
        self._told_wh.pop(number, None)
        return True

    def send(self, station: Station, entry: Entry, request: Wire, *, at_s: float) -> None:
        """Send a message that is due now, with whatever is to be wrong with it."""
        action = station.dialect.action_of(entry.message)
        acts: list[tuple[Active | str, str]] = []
        request = self._altered(station, entry, request, acts)
        station.outbox.sent(entry)
        conversation = station.conversation
        conversation.call(request, at_s=at_s, due_s=entry.due_s, context=entry)
        frame = conversation.newest
        assert frame is not None
        if (active := self._strike(MalformedFrame, action)) is not None:
            form = getattr(active.fault, "form", "any")
            spoilt, what = faulty_frames.malformed(frame, form, self._chance)
        elif (active := self._strike(SchemaInvalid, action)) is not None:
            form = getattr(active.fault, "form", "any")
            known = station.dialect.catalog.of_request[type(request)]
            spoilt, what = faulty_frames.invalid(frame, request, known, form, self._chance)
        else:
            spoilt, what = frame, ""
        if active is not None:
            frame = spoilt
            conversation.replace_newest(frame)
            acts.append((active, what))
            if entry.durable:
                note(self._spoilt, entry.number, self._spoilt.get(entry.number, 0) + 1)
        for by, detail in acts:
            if isinstance(by, str):  # it has ended since it touched the message
                station.effects.append(Injected(by, action, detail, frame))
            else:
                self._acted(station, by, action, detail, frame, at_s=at_s)

    def _altered(
        self, station: Station, entry: Entry, request: Wire, acts: list[tuple[Active | str, str]]
    ) -> Wire:
        """The request with the contents that faults give it; what they did is added to `acts`."""
        message, dialect = entry.message, station.dialect
        if (repeat := self._repeats.get(entry.number)) is not None:
            acts.append((repeat, "sent a second time"))
        if entry.number in self._frozen:
            acts.append((self._first(FrozenMeter) or "frozen_meter", "the meter stands still"))
            if not entry.durable:
                del self._frozen[entry.number]
        if self.skewed and hasattr(request, "timestamp") | hasattr(request, "meter_value"):
            acts.append((self._skew(), "the clock is wrong"))
        match message:
            case StatusReport(connector_id, _, error_code):
                if (active := self._error_of(connector_id, error_code)) is not None:
                    vendor_code = getattr(active.fault, "vendor_error_code", "")
                    acts.append((active, error_code))
                    if vendor_code:
                        request = dialect.altered(
                            request, vendor=station.spec.vendor, vendor_error_code=vendor_code
                        )
            case TransactionStarted(transaction):
                told_wh = self._told_wh.get(transaction.number, (None, None))[0]
                if told_wh is not None:
                    request = dialect.altered(request, meter_start_wh=whole_wh(told_wh))
                    acts.append((self._first(FrozenMeter) or "frozen_meter", "meterStart is old"))
            case TransactionEnded(transaction):
                told_wh = self._told_wh.get(transaction.number, (None, None))[1]
                if told_wh is not None:
                    request = dialect.altered(request, meter_stop_wh=whole_wh(told_wh))
                    acts.append((self._first(FrozenMeter) or "frozen_meter", "meterStop is old"))
                request = self._misname(station, entry, request, acts)
            case TransactionSampled():
                request = self._misname(station, entry, request, acts)
            case SessionEvent() if message.kind != "Started":
                request = self._misname(station, entry, request, acts)
        self._failing(dialect.failure_told(request), acts)
        return request

    def _misname(
        self, station: Station, entry: Entry, request: Wire, acts: list[tuple[Active | str, str]]
    ) -> Wire:
        """Give a message of a transaction another id, if it is to have one."""
        what, transaction = told_of(entry.message)
        assert transaction is not None
        number = transaction.number
        self._misnamed.pop(number, None)
        action = "StopTransaction" if what == "stop" else "MeterValues"
        active = self._strike(WrongTransactionId)
        if active is None or getattr(active.fault, "messages", "all") not in ("all", action):
            return request
        known_id = transaction.id
        assert known_id is not None
        wrong_id = (
            f"ffffffff{known_id[8:]}"
            if isinstance(known_id, str)
            else WRONG_ID_FROM + known_id % 100_000_000
        )
        acts.append((active, f"transactionId {wrong_id} instead of {known_id}"))
        if what == "stop":
            note(self._misnamed, number, None)
            station.effects.append(Excused("stray_stop", number))
        return station.dialect.altered(request, transaction_id=wrong_id)

    def _failing(self, failure: str, acts: list[tuple[Active | str, str]]) -> None:
        """A failure of an update or an upload is told that was made to fail: that was it."""
        kind = {"firmware": FirmwareFailure, "upload": UploadFailure}.get(failure)
        if kind is not None and (active := self._first(kind)) is not None:
            active.left = 1
            acts.append((active, "it was made to fail"))

    def _skew(self) -> Active:
        return next(a for a in self._active.values() if faulty_state.is_skew(a.fault))

    def _error_of(self, connector_id: int, error_code: str) -> Active | None:
        for active in reversed(self._by_kind.get(ErrorCodeFault, [])):
            fault = active.fault
            assert isinstance(fault, ErrorCodeFault)
            if fault.connector_id == connector_id and fault.error_code == error_code:
                return active
        return None

    # ── how it ended ────────────────────────────────────────────────────────────────────────────

    def finished(self, station: Station, entry: Entry, outcome: Outcome) -> bool:
        """One CALL of ours has ended. True: it was a repetition, nothing follows from it."""
        if entry.number in self._repeats and entry.durable:
            if outcome.failure == LINK_LOST:
                return False
            del self._repeats[entry.number]
            station.outbox.done(entry)
            return True
        if outcome.failure is not None:
            if self.excusing and entry.durable and outcome.failure != LINK_LOST:
                note(self._spoilt, entry.number, self._spoilt.get(entry.number, 0) + 1)
            return False
        self._frozen.pop(entry.number, None)
        self._spoilt.pop(entry.number, None)
        match told_of(entry.message):
            case "start", _:
                active = self._strike(DuplicateStart)
                if active is not None:
                    station.outbox.repeat(entry)
                    note(self._repeats, entry.number, active)
            case "stop", transaction if transaction is not None:
                self._told_wh.pop(transaction.number, None)
                if transaction.number in self._misnamed:
                    del self._misnamed[transaction.number]
                    told = Excused("stop_misnamed", transaction.number, energy_wh(transaction))
                    station.effects.append(told)
        return False

    def spoilt(self, station: Station, call_id: str) -> None:
        """The open CALL, if it is this one, was spoilt on its way; once is enough."""
        entry = station.conversation.open_context(call_id)
        if not isinstance(entry, Entry) or not entry.durable or self.excusing:
            return
        if call_id != self._spoilt_call:
            self._spoilt_call = call_id
            note(self._spoilt, entry.number, self._spoilt.get(entry.number, 0) + 1)

    def given_up(self, station: Station, entry: Entry) -> None:
        """A durable message will not be tried again: our fault, if every attempt was spoilt."""
        if self._spoilt.pop(entry.number, 0) < max(1, entry.attempts):
            return
        excused = lost(entry.message)
        if excused is not None:
            station.effects.append(excused)

    def left_behind(self, station: Station) -> list[Excused] | None:
        """What the CSMS will not hear of because the station goes for good while a message that
        faults have spoilt holds up the rest; None when it is not they who hold it up.
        """
        waiting = station.outbox.durable
        if not waiting or waiting[0].number not in self._spoilt:
            return None
        found = (lost(entry.message) for entry in waiting)
        return [excused for excused in found if excused is not None]

    def link_lost(self, station: Station) -> None:
        """Answers that wait have nobody to go to any more."""
        for key in self._held:
            agenda.cancel(station, Job.FAULT, key=key)
        self._held.clear()

    # ── what the CSMS asks ──────────────────────────────────────────────────────────────────────

    def takes(self, station: Station, received: Received, *, at_s: float) -> bool:
        """Whether a fault deals with a CALL of the CSMS; False: the station does, as always."""
        if station.registration is Registration.REJECTED:
            return False
        name = received.action.name
        if (active := self._strike(UnansweredCall, name)) is not None:
            station.conversation.ignore(received)
            station.effects.append(CommandHandled(name, "Ignored", "injected"))
            self._acted(station, active, name, "not answered", at_s=at_s)
            return True
        if (active := self._strike(ResponseOverride, name)) is None:
            return False
        assert isinstance(active.fault, ResponseOverride)
        if active.fault.delay_s is None or len(self._held) >= HELD_MAX:
            self._override(station, received, active, at_s=at_s)
        else:
            self._count += 1
            self._held[-self._count] = (received, active)
            agenda.at(station, Job.FAULT, at_s + active.fault.delay_s, key=-self._count)
        return True

    def _override(
        self, station: Station, received: Received, active: Active, *, at_s: float
    ) -> None:
        assert isinstance(active.fault, ResponseOverride)
        what, frame = override(station, received, active.fault, at_s=at_s)
        self._acted(station, active, received.action.name, what, frame, at_s=at_s)


def inject(station: Station, fault: Fault, *, at_s: float) -> int:
    """Give a station a fault; see `Faults.add`."""
    return _of(station).add(station, fault, at_s=at_s)


def call_spoilt(station: Station, call_id: str) -> None:
    """See `events.CallSpoilt`."""
    _of(station).spoilt(station, call_id)


def excuse(station: Station, on: bool) -> None:
    """See `events.FailuresExcused`."""
    if on or station.faults is not None:
        faults = _of(station)
        faults.excusing = on
        if not on and (open_id := station.conversation.open_id) is not None:
            faults.spoilt(station, open_id)  # it was sent, and maybe ill treated, before


def _of(station: Station) -> Faults:
    if station.faults is None:
        station.faults = Faults(station)
    return station.faults


def due(station: Station, key: int, *, at_s: float) -> None:
    """For the agenda; see `Faults.due`."""
    if station.faults is not None:
        station.faults.due(station, key, at_s=at_s)
