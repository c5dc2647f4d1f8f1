"""When a station has done what a CALL of the CSMS asked for, as the CSMS sees it. Pure.

An answer says that a station will; that it has, shows in what it sends next. A `Watch` is one CALL
to one station, and looks at every message of that station until the effect is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from simfleet.csms.limits import Limit, limit_in
from simfleet.csms.records2 import number_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simfleet.csms.book import Book
    from simfleet.csms.records import AnyTransaction, StationRecord

WATCHES_MAX: Final = 16
"""Of one station at the same time; the oldest is given up for one more."""
WITHIN_MAX_S: Final = 7 * 86_400.0
VOLTS: Final = 230.0
TOLERANCE: Final = 0.01
"""A meter may show this much more than the limit, and `SLACK_W` or `SLACK_A` besides."""
SLACK_W: Final = 10.0
SLACK_A: Final = 0.1
POWER: Final = "Power.Active.Import"
CURRENT: Final = "Current.Import"
AGREED: Final = frozenset({"Accepted", "Scheduled", "RebootRequired", "Unlocked", "Answered"})
"""Statuses by which a station says that it will."""

EffectKind = Literal[
    "transaction_started",
    "transaction_stopped",
    "booted",
    "status",
    "status_left",
    "power_below",
    "limit",
    "firmware",
    "message",
]
_OF_POWER: Final = ("power_below", "limit")
_FIRMWARE: Final = ("FirmwareStatusNotification", "SignedFirmwareStatusNotification")


class Effect(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an order is to bring about. `value`: the status, the watts, the message."""

    kind: EffectKind
    value: str | float | None = None
    within_s: Annotated[float, Meta(gt=0, le=WITHIN_MAX_S)] = 60.0
    asked: bool = True
    """Somebody asked for it: a station that refuses has not converged. Else it is not counted."""


class Watch:
    """One CALL to one station. `end` is called once: with the time when the effect is
    there, with None when nobody looks any more.
    """

    __slots__ = (
        "_connector_id",
        "_end",
        "_limit",
        "_remote_start_id",
        "_sent_s",
        "_transaction_id",
        "_wall_offset_s",
        "effect",
    )

    def __init__(
        self,
        effect: Effect,
        payload: Mapping[str, Any],
        *,
        sent_s: float,
        wall_offset_s: float,
        end: Callable[[float | None], None],
    ) -> None:
        """`payload` is that of the CALL, its placeholders filled."""
        self.effect = effect
        self._end = end
        self._sent_s = sent_s
        self._wall_offset_s = wall_offset_s
        evse = payload.get("evse")
        evse_id = evse.get("id") if isinstance(evse, dict) else payload.get("evseId")
        self._connector_id = payload.get("connectorId", evse_id) or None
        self._transaction_id = payload.get("transactionId")
        self._remote_start_id = payload.get("remoteStartId")
        self._limit: Limit | None = limit_in(payload) if effect.kind == "limit" else None

    def give_up(self) -> None:
        """Nobody looks any more: another CALL to the station has taken its place."""
        self._end(None)

    def can_be_seen(self, record: StationRecord, book: Book) -> bool:
        """Whether a station can show the effect at all: power needs a transaction, a limit one."""
        if self.effect.kind == "limit" and self._limit is None:
            return False
        if self.effect.kind in _OF_POWER:
            return bool(self._running(record, book))
        return True

    def agreed(self, record: StationRecord, *, at_s: float) -> bool:
        """The station says that it will: whether that is all there is to come, for it is so
        already. Only of statuses; nobody tells a status twice.
        """
        kind = self.effect.kind
        done = kind in ("status", "status_left") and self._statuses_hold(record)
        if done:
            self._end(at_s)
        return done

    def look(
        self, action: str, request: Any, record: StationRecord, book: Book, *, at_s: float
    ) -> bool:
        """Look at a message that was noted in the book. True: the effect is there, and told."""
        if not self._sees(action, request, record, book, at_s):
            return False
        self._end(at_s)
        return True

    def _sees(
        self, action: str, request: Any, record: StationRecord, book: Book, at_s: float
    ) -> bool:
        match self.effect.kind:
            case "transaction_started":
                return self._sees_start(action, request)
            case "transaction_stopped":
                return self._sees_stop(action, request)
            case "booted":
                return action == "BootNotification"
            case "status" | "status_left":
                return action == "StatusNotification" and self._statuses_hold(record)
            case "firmware":
                return action in _FIRMWARE and request.status == self.effect.value
            case "message":
                return action == self.effect.value
            case "power_below" | "limit":
                return self._sees_power(action, request, record, book, at_s)

    # ── transactions ────────────────────────────────────────────────────────────────────────────

    def _sees_start(self, action: str, request: Any) -> bool:
        if action == "StartTransaction":
            return self._connector_id in (None, request.connector_id)
        if action != "TransactionEvent":
            return False
        info = request.transaction_info
        if self._remote_start_id is not None and info.remote_start_id is not None:
            return bool(info.remote_start_id == self._remote_start_id)
        evse = request.evse
        if self._connector_id is not None and evse is not None and evse.id != self._connector_id:
            return False
        return bool(request.event_type == "Started" or request.trigger_reason == "RemoteStart")

    def _sees_stop(self, action: str, request: Any) -> bool:
        if action == "StopTransaction":
            return self._transaction_id in (None, request.transaction_id)
        if action != "TransactionEvent" or request.event_type != "Ended":
            return False
        return self._transaction_id in (None, request.transaction_info.transaction_id)

    def _running(self, record: StationRecord, book: Book) -> list[AnyTransaction]:
        return [
            last
            for number, connector in record.connectors.items()
            if self._connector_id in (None, number)
            and (last := connector.last_start) is not None
            and last.key in book.open
        ]

    # ── statuses ────────────────────────────────────────────────────────────────────────────────

    def _statuses_hold(self, record: StationRecord) -> bool:
        """Whether every connector that is meant has the status, or none of them has it."""
        wanted, leaves = self.effect.value, self.effect.kind == "status_left"
        found = [
            connector.status
            for number, connector in record.connectors.items()
            if (number == self._connector_id if self._connector_id else number > 0)
        ]
        return bool(found) and all((status == wanted) != leaves for status in found)

    # ── power ───────────────────────────────────────────────────────────────────────────────────

    def _sees_power(
        self, action: str, request: Any, record: StationRecord, book: Book, at_s: float
    ) -> bool:
        if self._sees_end(action, request, record):
            return True
        number = _connector_of(action, request)
        if number is None or (self._connector_id not in (None, number) and number):
            return False
        values = request.meter_value
        if not values:
            return False
        sampled = values[-1].sampled_value
        if self.effect.kind == "power_below":
            power_w = power_in(sampled)
            return power_w is not None and power_w <= float(self.effect.value or 0.0)
        assert self._limit is not None
        started_s = self._started_s(record, book)
        wall_s = at_s + self._wall_offset_s
        amount = self._limit.at(
            wall_s, sent_s=self._sent_s + self._wall_offset_s, start_s=started_s
        )
        return amount is not None and _within(sampled, amount, self._limit)

    def _sees_end(self, action: str, request: Any, record: StationRecord) -> bool:
        """Whether a transaction is over, which draws nothing any more."""
        ended = action == "StopTransaction" or (
            action == "TransactionEvent" and request.event_type == "Ended"
        )
        return ended and not record.open

    def _started_s(self, record: StationRecord, book: Book) -> float | None:
        started = [one.started.timestamp() for one in self._running(record, book)]
        return max(started, default=None)


def notice(record: StationRecord, action: str, request: Any, book: Book, *, at_s: float) -> None:
    """A station has said something, and the book has it: let its watches look."""
    watches = record.watches or []
    left = [w for w in watches if not w.look(action, request, record, book, at_s=at_s)]
    if len(left) < len(watches):
        # Others may have been put there meanwhile by whoever was told.
        record.watches = left or None


def watch(record: StationRecord, one: Watch) -> Watch | None:
    """Look at what the station says from now on; returns a watch that was given up for it."""
    watches = record.watches or []
    oldest = watches[0] if len(watches) >= WATCHES_MAX else None
    record.watches = [*watches[-(WATCHES_MAX - 1) :], one]
    return oldest


def unwatch(record: StationRecord, one: Watch) -> None:
    """Look no more."""
    if record.watches is not None:
        record.watches = [other for other in record.watches if other is not one] or None


def _connector_of(action: str, request: Any) -> int | None:
    """Which connector or EVSE meter values are of, 0 where that is not said; None: there are none
    of interest.
    """
    if action == "MeterValues":
        number: int = getattr(request, "connector_id", getattr(request, "evse_id", 0))
        return number
    if action == "TransactionEvent" and request.meter_value:
        return request.evse.id if request.evse is not None else 0
    return None


def _within(sampled: Sequence[Any], amount: float, limit: Limit) -> bool:
    """Whether a sample is at or under a limit, whichever of power and current it has."""
    power_w, current_a = power_in(sampled), current_in(sampled)
    if limit.unit == "A":
        if current_a is not None:
            return current_a <= amount * (1 + TOLERANCE) + SLACK_A
        amount *= VOLTS * limit.phases
    return power_w is not None and power_w <= amount * (1 + TOLERANCE) + SLACK_W


def power_in(sampled: Sequence[Any]) -> float | None:
    """The power in a sample, in watts; of the phases together where only they are told."""
    whole, phases = _amounts(sampled, POWER)
    return whole if whole is not None else sum(phases) if phases else None


def current_in(sampled: Sequence[Any]) -> float | None:
    """The current in a sample, in amperes, of the phase that carries most."""
    whole, phases = _amounts(sampled, CURRENT)
    return max([*phases, *(() if whole is None else (whole,))], default=None)


def _amounts(sampled: Sequence[Any], measurand: str) -> tuple[float | None, list[float]]:
    whole, phases = None, []
    for one in sampled:
        if one.measurand != measurand or getattr(one, "format", None) == "SignedData":
            continue
        amount = _amount(one)
        if amount is None:
            continue
        if one.phase is None:
            whole = amount
        else:
            phases.append(amount)
    return whole, phases


def _amount(one: Any) -> float | None:
    """The value of one sampled value of any version, in W or A."""
    value = number_in(one.value) if isinstance(one.value, str) else float(one.value)
    if value is None:
        return None
    unit = getattr(one, "unit", None)
    measure = getattr(one, "unit_of_measure", None)
    if measure is not None:
        unit = measure.unit
        value *= 10.0 ** (measure.multiplier or 0)
    return value * 1000 if unit == "kW" else value
