"""OCPP 1.6J as chargers with quirks speak it: the plain dialect, and what they do differently.

One object serves all stations with the same quirks. What must change is looked up once, when it is
made; a message that no quirk touches costs one look into a table.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec.structs import replace

from simfleet.ocpp.v16 import messages as v16
from simfleet.station.dialects.v16 import Dialect16
from simfleet.station.effects import CommandHandled
from simfleet.station.messages import (
    Boot,
    MeterSampled,
    StatusReport,
    TokenQuestion,
    TransactionEnded,
    TransactionSampled,
    TransactionStarted,
)
from simfleet.station.meter import REGISTER, whole_wh
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from simfleet.ocpp.results import Received
    from simfleet.ocpp.wire import Wire
    from simfleet.station.messages import Message
    from simfleet.station.quirks import Quirks, Tags
    from simfleet.station.station import Station

# Messages and parts of them are edited as they are, whatever their types: they are built already.
Edit: TypeAlias = Callable[[Any, Any], Any]
"""(message of the station, request) -> request, or None when it is not sent."""
EditValue: TypeAlias = Callable[[Any, int], Any]
"""(sampled value, register at the start of the transaction in Wh) -> sampled value."""

_DEFAULT_CONTEXT = "Sample.Periodic"
_DEFAULT_LOCATION = "Outlet"


@lru_cache(maxsize=256)
def quirky_dialect(quirks: Quirks) -> QuirkyDialect16:
    """The dialect of all stations with these quirks."""
    return QuirkyDialect16(quirks)


class QuirkyDialect16(Dialect16):
    """See `dialects.Dialect`."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._edits = _edits_of(quirks)

    def request_for(self, station: Station, message: Message) -> Wire | None:
        """The request to send, or None when this station does not say such things."""
        request = super().request_for(station, message)
        for edit in self._edits.get(type(message), self._edits[object]):
            if request is None:
                break
            request = edit(message, request)
        return request

    def answered(self, station: Station, message: Message, response: Wire, *, at_s: float) -> None:
        """The CSMS has answered a message."""
        # While a station is not accepted, the interval is the pause before its next attempt.
        if (
            self._quirks.own_heartbeat_interval
            and isinstance(response, v16.BootNotificationResponse)
            and response.status == "Accepted"
        ):
            response = replace(response, interval=0)
        super().answered(station, message, response, at_s=at_s)

    def handle(self, station: Station, received: Received, *, at_s: float) -> None:
        """The CSMS calls: answer, as OCPP says or otherwise."""
        name, request, quirks = received.action.name, received.request, self._quirks
        if station.registration is Registration.REJECTED:
            super().handle(station, received, at_s=at_s)
        elif name in quirks.lacking_actions:
            code = self.catalog.codes.not_implemented
            station.conversation.refuse(received, code, f"{name} is not implemented")
            station.effects.append(CommandHandled(name, code))
        elif (
            isinstance(request, v16.ChangeConfigurationRequest)
            and request.key.lower() in quirks.ignored_keys
        ):
            station.conversation.answer(received, v16.ChangeConfigurationResponse("Accepted"))
            station.effects.append(CommandHandled(name, None, "Accepted"))
        elif isinstance(request, v16.RemoteStartTransactionRequest) and self._rejects(
            station, request
        ):
            station.conversation.answer(received, v16.RemoteStartTransactionResponse("Rejected"))
            station.effects.append(CommandHandled(name, None, "Rejected"))
        else:
            super().handle(station, received, at_s=at_s)

    def _rejects(self, station: Station, request: v16.RemoteStartTransactionRequest) -> bool:
        quirks, number = self._quirks, request.connector_id
        if number is None and quirks.remote_start_needs_connector:
            return True
        if not quirks.remote_start_needs_cable:
            return False
        return not any(
            connector.plugged for connector in station.connectors if number in (None, connector.id)
        )


def _edits_of(quirks: Quirks) -> dict[type, tuple[Edit, ...]]:
    """What to do to the request that each message becomes; under `object`, to any other."""
    edits: dict[type, list[Edit]] = {
        message: []
        for message in (
            *(object, Boot, StatusReport, TokenQuestion, MeterSampled),
            *(TransactionStarted, TransactionSampled, TransactionEnded),
        )
    }
    edits[StatusReport] += _status_edits(quirks)
    if quirks.tags:
        with_tag: tuple[type, ...] = (TokenQuestion, TransactionStarted, TransactionEnded)
        for message in with_tag:
            edits[message].append(partial(_tagged, quirks.tags))
    if quirks.register_from_zero:
        edits[TransactionStarted].append(lambda _, request: replace(request, meter_start=0))
        edits[TransactionEnded].append(_stopped_from_zero)
    if quirks.no_stop_reason:
        edits[TransactionEnded].append(lambda _, request: replace(request, reason=None))
    if quirks.no_stop_tag:
        edits[TransactionEnded].append(lambda _, request: replace(request, id_tag=None))
    if quirks.no_transaction_data:
        edits[TransactionEnded].append(lambda _, request: replace(request, transaction_data=None))
    if quirks.meter_values_without_transaction:
        edits[TransactionSampled].append(lambda _, request: replace(request, transaction_id=None))
    if values := _value_edits(quirks):
        with_values: tuple[type, ...] = (MeterSampled, TransactionSampled, TransactionEnded)
        for message in with_values:
            edits[message].append(partial(_revalued, tuple(values)))
    if moment := moment_edit(quirks):
        for found in edits.values():
            found.append(partial(_retimed, moment))
    return {message: tuple(found) for message, found in edits.items()}


# ── statuses ─────────────────────────────────────────────────────────────────────────────────────


def _status_edits(quirks: Quirks) -> list[Edit]:
    edits: list[Edit] = []
    if quirks.no_connector_zero_status:
        edits.append(lambda _, request: request if request.connector_id else None)
    if quirks.skipped_statuses:
        skipped = quirks.skipped_statuses
        edits.append(
            lambda _, request: (
                None if request.connector_id and request.status in skipped else request
            )
        )
    if quirks.status_connector_zero_only:
        edits.append(
            lambda _, request: (
                replace(request, connector_id=0) if request.connector_id <= 1 else None
            )
        )
    return edits


# ── tags ─────────────────────────────────────────────────────────────────────────────────────────


def _tagged(style: Tags, _: Message, request: Any) -> Any:
    if request.id_tag is None:
        return request
    return replace(request, id_tag=restyled(request.id_tag, style))


def restyled(id_tag: str, style: Tags) -> str:
    """A tag as such a reader shows it. One that is no whole number of bytes cannot be reversed."""
    match style:
        case "upper_case":
            return id_tag.upper()
        case "lower_case":
            return id_tag.lower()
        case "reversed_bytes":
            try:
                return bytes.fromhex(id_tag)[::-1].hex().upper()
            except ValueError:
                return id_tag
        case _:
            return id_tag


# ── the meter ────────────────────────────────────────────────────────────────────────────────────


def _stopped_from_zero(message: TransactionEnded, request: Any) -> Any:
    return replace(request, meter_stop=request.meter_stop - whole_wh(message.transaction.start_wh))


def _value_edits(quirks: Quirks) -> list[EditValue]:
    edits: list[EditValue] = []
    if quirks.register_from_zero:
        edits.append(_from_zero)
    if quirks.energy_in_kwh:
        unit = None if quirks.energy_in_kwh == "none" else quirks.energy_in_kwh
        edits.append(partial(_in_kwh, unit))
    if quirks.defaults_left_out:
        edits.append(_without_defaults)
    return edits


def _from_zero(sampled: Any, start_wh: int) -> Any:
    if sampled.measurand != REGISTER:
        return sampled
    # Between transactions, `start_wh` is what the register shows: 0 is left.
    return replace(sampled, value=str(max(0, int(sampled.value) - start_wh)))


def _in_kwh(unit: str | None, sampled: Any, _: int) -> Any:
    if sampled.unit != "Wh":
        return sampled
    return replace(sampled, value=f"{float(sampled.value) / 1000:.3f}", unit=unit)


def _without_defaults(sampled: Any, _: int) -> Any:
    return replace(
        sampled,
        context=None if sampled.context == _DEFAULT_CONTEXT else sampled.context,
        measurand=None if sampled.measurand == REGISTER else sampled.measurand,
        location=None if sampled.location == _DEFAULT_LOCATION else sampled.location,
        unit=None if sampled.unit == "Wh" else sampled.unit,
    )


def _revalued(edits: tuple[EditValue, ...], message: Any, request: Any) -> Any:
    """MeterValues, or the transactionData of StopTransaction, with their values edited."""
    field = "transaction_data" if isinstance(message, TransactionEnded) else "meter_value"
    meter_values = getattr(request, field)
    if not meter_values:
        return request
    if isinstance(message, MeterSampled):
        start_wh = whole_wh(message.reading.energy_wh)
    else:
        start_wh = whole_wh(message.transaction.start_wh)
    edited = []
    for meter_value in meter_values:
        values = meter_value.sampled_value
        for edit in edits:
            values = [edit(sampled, start_wh) for sampled in values]
        edited.append(replace(meter_value, sampled_value=values))
    return replace(request, **{field: edited})


# ── moments ──────────────────────────────────────────────────────────────────────────────────────


def moment_edit(quirks: Quirks) -> Callable[[datetime], datetime] | None:
    """How a charger with these quirks writes a moment; None: as OCPP says."""
    match quirks.timestamps:
        case "whole_seconds":
            return lambda moment: moment.replace(microsecond=0)
        case "local_time":
            zone = timezone(timedelta(minutes=quirks.utc_offset_min))
            return lambda moment: moment.astimezone(zone)
        case "no_zone":
            return lambda moment: moment.replace(tzinfo=None)
        case _:
            return None


def _retimed(edit: Callable[[datetime], datetime], _: Message, request: Any) -> Any:
    """Every moment in a request: its own, and those of its meter values."""
    changes: dict[str, Any] = {}
    if (moment := getattr(request, "timestamp", None)) is not None:
        changes["timestamp"] = edit(moment)
    for field in ("meter_value", "transaction_data"):
        if meter_values := getattr(request, field, None):
            changes[field] = [
                replace(meter_value, timestamp=edit(meter_value.timestamp))
                for meter_value in meter_values
            ]
    return replace(request, **changes) if changes else request
