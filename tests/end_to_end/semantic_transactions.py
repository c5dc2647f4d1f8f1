"""The rules of `semantic_check` about transactions and meters: OCPP 1.6, sections 4.7 to 4.10."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from end_to_end.peer_log import Exchange, History
    from end_to_end.semantic_check import Expected

REGISTER = "Energy.Active.Import.Register"
TRANSACTION_MESSAGES = ("StartTransaction", "MeterValues", "StopTransaction")


@dataclass(slots=True)
class Transaction:
    """One transaction as the CSMS has seen it; a message that was sent again counts once."""

    start: Exchange
    starts: list[Exchange] = field(default_factory=list)
    meter_values: list[Exchange] = field(default_factory=list)
    stops: list[Exchange] = field(default_factory=list)

    @property
    def id(self) -> int | None:
        return next((one.answer["transactionId"] for one in self.starts if one.answer), None)

    @property
    def connector(self) -> int:
        return int(self.start.payload["connectorId"])

    @property
    def title(self) -> str:
        return f"transaction {self.id} on connector {self.connector}"

    def samples(self) -> list[tuple[datetime, float | None]]:
        """Time and register (Wh) of each periodic sample, in the order they were delivered."""
        return [
            (_time(value["timestamp"]), _register_wh(value))
            for exchange in self.meter_values
            for value in exchange.payload["meterValue"]
            if _context(value) == "Sample.Periodic"
        ]


def transactions_of(history: History) -> tuple[list[Transaction], list[str]]:
    """The transactions in order, and complaints about messages that belong to none of them."""
    found: list[Transaction] = []
    complaints: list[str] = []
    for exchange in history.of(*TRANSACTION_MESSAGES):
        payload = exchange.payload
        if exchange.action == "StartTransaction":
            again = next((one for one in found if one.start.payload == payload), None)
            if again is None:
                found.append(again := Transaction(exchange))
            again.starts.append(exchange)
            continue
        if "transactionId" not in payload:
            continue
        owner = next((one for one in found if one.id == payload["transactionId"]), None)
        if owner is None:
            complaints.append(
                f"{exchange.action} for unknown transaction {payload['transactionId']}"
            )
        else:
            (owner.stops if exchange.action == "StopTransaction" else owner.meter_values).append(
                exchange
            )
    return found, complaints


def transactions(history: History, expected: Expected) -> Iterator[str]:
    """One start, one stop, nothing for another transaction, all in order."""
    found, complaints = transactions_of(history)
    yield from complaints
    for before, after in pairwise(sorted(found, key=lambda one: one.connector)):
        overlap = not before.stops or before.stops[0].position > after.start.position
        if before.connector == after.connector and overlap:
            yield f"{after.title} began while {before.title} had not ended"
    for one in found:
        yield from _needless_repeats(history, one.starts, one.title, expected)
        yield from _needless_repeats(history, one.stops, one.title, expected)
        if not one.stops and expected.all_stopped:
            yield f"{one.title} was never stopped"
        yield from _lifetime(one)
    yield from _samples_without_transaction(history, found)


def _needless_repeats(
    history: History, sent: list[Exchange], title: str, expected: Expected
) -> Iterator[str]:
    """A message may be sent again only if it was refused, or its answer may not have arrived."""
    for before, after in pairwise(sent):
        if before.payload != after.payload:
            yield f"{title}: a second, different {after.action}: {after.payload}"
        elif before.error is None and before.answered_at_s is not None:
            lost_at_s = history.connection(before.connection).closed_at_s
            if before.connection == after.connection or lost_at_s is None:
                yield f"{title}: {after.action} was sent again although it had been answered"
            elif lost_at_s - before.answered_at_s > expected.lost_answer_s:
                yield f"{title}: {after.action} was sent again after it had long been answered"


def _lifetime(one: Transaction) -> Iterator[str]:
    """Connector, order of messages and times within one transaction."""
    if one.connector < 1:
        yield f"{one.title}: a transaction needs a connector"
    for exchange in one.meter_values:
        if exchange.payload["connectorId"] != one.connector:
            yield f"{one.title}: MeterValues of connector {exchange.payload['connectorId']}"
    if one.stops and any(late.position > one.stops[0].position for late in one.meter_values):
        yield f"{one.title}: MeterValues after StopTransaction"
    if one.stops and _time(one.stops[0].payload["timestamp"]) < _time(
        one.start.payload["timestamp"]
    ):
        yield f"{one.title}: it ended before it began"


def _samples_without_transaction(history: History, found: list[Transaction]) -> Iterator[str]:
    for exchange in history.of("MeterValues"):
        if "transactionId" in exchange.payload:
            continue
        open_there = any(
            one.connector == exchange.payload["connectorId"]
            and one.start.position < exchange.position
            and not (one.stops and one.stops[0].position < exchange.position)
            for one in found
        )
        if open_there and any(
            _context(value) == "Sample.Periodic" for value in exchange.payload["meterValue"]
        ):
            yield f"MeterValues {exchange.id} lacks the transactionId of the running transaction"


def authorized(history: History, _: Expected) -> Iterator[str]:
    """Each start follows an accepted Authorize of its tag, or a remote start with it."""
    found, _unused = transactions_of(history)
    for one in found:
        tag = one.start.payload["idTag"]
        asked = any(
            exchange.payload["idTag"] == tag
            and ((exchange.answer or {}).get("idTagInfo") or {}).get("status") == "Accepted"
            and (exchange.answered_position or 0) < one.start.position
            for exchange in history.of("Authorize")
            if exchange.answered
        )
        told = any(
            command.action == "RemoteStartTransaction"
            and command.payload["idTag"] == tag
            and (command.answer or {}).get("status") == "Accepted"
            and command.position < one.start.position
            for command in history.commands
        )
        if not asked and not told:
            yield f"{one.title} began with tag {tag!r}, neither authorized nor started remotely"


# ── meters ──────────────────────────────────────────────────────────────────────────────────────


def sample_times(history: History, expected: Expected) -> Iterator[str]:
    """Samples lie one interval apart from the start on, to the end, however late they were sent."""
    for one in transactions_of(history)[0]:
        times = [time for time, _ in one.samples()]
        if not times:
            continue
        began = _time(one.start.payload["timestamp"])
        interval_s = expected.meter_interval_s or (times[0] - began).total_seconds()
        for before, after in pairwise([began, *times]):
            gap_s = (after - before).total_seconds()
            if abs(gap_s - interval_s) > expected.clock_tolerance_s:
                yield f"{one.title}: samples {gap_s:g} s apart, not {interval_s:g} s ({after})"
        if one.stops:
            rest_s = (_time(one.stops[0].payload["timestamp"]) - times[-1]).total_seconds()
            if rest_s > interval_s + expected.clock_tolerance_s:
                yield f"{one.title}: the last sample is {rest_s:g} s before the end"


def registers(history: History, _: Expected) -> Iterator[str]:
    """The energy register of a connector never goes down, whatever reports it; in order of time."""
    readings: dict[int, list[tuple[datetime, float, str]]] = {}
    for one in transactions_of(history)[0]:
        own = readings.setdefault(one.connector, [])
        start = one.start.payload
        own.append((_time(start["timestamp"]), float(start["meterStart"]), "meterStart"))
        in_transaction = [wh for _, wh in one.samples() if wh is not None]
        for stop in one.stops[:1]:
            meter_stop_wh = float(stop.payload["meterStop"])
            own.append((_time(stop.payload["timestamp"]), meter_stop_wh, "meterStop"))
            # meterStop is a whole number: a sample may exceed it by the fraction that was cut off.
            if in_transaction and meter_stop_wh <= in_transaction[-1] - 1:
                last_wh = in_transaction[-1]
                yield f"{one.title}: meterStop {meter_stop_wh} after a sample of {last_wh}"
    for exchange in history.of("MeterValues"):
        for value in exchange.payload["meterValue"]:
            if (register_wh := _register_wh(value)) is not None:
                readings.setdefault(exchange.payload["connectorId"], []).append(
                    (_time(value["timestamp"]), register_wh, "a sample")
                )
    for connector, own in readings.items():
        for before, after in pairwise(sorted(own, key=lambda reading: (reading[0], reading[1]))):
            if after[1] <= before[1] - 1:
                yield (
                    f"the register of connector {connector} fell from {before[1]} ({before[2]}) "
                    f"to {after[1]} ({after[2]} of {after[0]})"
                )


def _register_wh(meter_value: dict[str, Any]) -> float | None:
    for sampled in meter_value["sampledValue"]:
        whole = sampled.get("phase") is None and sampled.get("location", "Outlet") == "Outlet"
        if whole and sampled.get("measurand", REGISTER) == REGISTER:
            return float(sampled["value"]) * (1000 if sampled.get("unit") == "kWh" else 1)
    return None


def _context(meter_value: dict[str, Any]) -> str:
    sampled = meter_value["sampledValue"]
    return str(sampled[0].get("context", "Sample.Periodic")) if sampled else ""


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
