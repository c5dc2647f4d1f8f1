"""OCPP 2.0.1 and 2.1 as chargers with quirks speak them, see `v16_quirks`.

Quirks of what 2.x does not have (connector 0, the statuses that are all Occupied, a meterStart,
MeterValues of a transaction) do nothing here, except that `register_from_zero` counts each
transaction's energy register from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec.structs import replace

from simfleet.station.dialects.v2x import Dialect21, Dialect201
from simfleet.station.dialects.v16_quirks import moment_edit, restyled
from simfleet.station.effects import CommandHandled
from simfleet.station.messages import Boot, MeterSampled, SessionEvent, TokenQuestion
from simfleet.station.meter import REGISTER
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from simfleet.ocpp.results import Received
    from simfleet.ocpp.wire import Wire
    from simfleet.station.messages import Message
    from simfleet.station.quirks import Quirks, Tags
    from simfleet.station.station import Station

Edit: TypeAlias = Callable[[Any, Any], Any]
"""(message of the station, request) -> request."""
EditValue: TypeAlias = Callable[[Any, float], Any]
"""(sampled value, register at the start of the transaction in Wh) -> sampled value."""

_CARDS: Final = ("ISO14443", "ISO15693")
_DEFAULT_CONTEXT: Final = "Sample.Periodic"
_DEFAULT_LOCATION: Final = "Outlet"


class _Quirky(Dialect201):
    """What both versions do."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._edits = _edits_of(quirks)
        moment = moment_edit(quirks)
        self._last = None if moment is None else partial(_retimed, moment)

    def request_for(self, station: Station, message: Message) -> Wire | None:
        """The request to send, or None when it can never be sent."""
        request = super().request_for(station, message)
        if request is None:
            return None
        for edit in self._edits.get(type(message), ()):
            request = edit(message, request)
        return request if self._last is None else self._last(request)

    def answered(self, station: Station, message: Message, response: Wire, *, at_s: float) -> None:
        """The CSMS has answered a message."""
        said: Any = response
        # While a station is not accepted, the interval is the pause before its next attempt.
        if (
            self._quirks.own_heartbeat_interval
            and isinstance(message, Boot)
            and said.status == "Accepted"
        ):
            said = replace(said, interval=0)
        super().answered(station, message, said, at_s=at_s)

    def handle(self, station: Station, received: Received, *, at_s: float) -> None:
        """The CSMS calls: answer, as OCPP says or otherwise."""
        name, quirks = received.action.name, self._quirks
        request: Any = received.request
        if station.registration is Registration.REJECTED:
            super().handle(station, received, at_s=at_s)
        elif name in quirks.lacking_actions:
            code = self.catalog.codes.not_implemented
            station.conversation.refuse(received, code, f"{name} is not implemented")
            station.effects.append(CommandHandled(name, code))
        elif name == "RequestStartTransaction" and self._rejects(station, request.evse_id):
            response = self.m.RequestStartTransactionResponse(status="Rejected")
            station.conversation.answer(received, response)
            station.effects.append(CommandHandled(name, None, "Rejected"))
        elif name == "SetVariables" and quirks.ignored_keys:
            self._set_variables(station, received, at_s=at_s)
        else:
            super().handle(station, received, at_s=at_s)

    def _rejects(self, station: Station, evse_id: int | None) -> bool:
        quirks = self._quirks
        if evse_id is None and quirks.remote_start_needs_connector:
            return True
        if not quirks.remote_start_needs_cable:
            return False
        return not any(
            connector.plugged for connector in station.connectors if evse_id in (None, connector.id)
        )

    def _set_variables(self, station: Station, received: Received, *, at_s: float) -> None:
        """Leave the ignored ones alone, and say of them that they were set."""
        m, asked = self.m, received.request
        assert isinstance(asked, m.SetVariablesRequest)
        heeded = [one for one in asked.set_variable_data if not self._ignores(one)]
        found: Any = None
        if heeded:
            found = self.handlers["SetVariables"](
                station, replace(asked, set_variable_data=heeded), at_s
            )
        done = iter(() if found is None else found.set_variable_result)
        results = [
            m.SetVariableResult(
                attribute_status="Accepted",
                component=one.component,
                variable=one.variable,
                attribute_type=one.attribute_type,
            )
            if self._ignores(one)
            else next(done)
            for one in asked.set_variable_data
        ]
        station.conversation.answer(received, m.SetVariablesResponse(set_variable_result=results))
        station.effects.append(CommandHandled("SetVariables", None))

    def _ignores(self, one: Any) -> bool:
        ignored, variable = self._quirks.ignored_keys, one.variable.name.lower()
        return f"{one.component.name}.{variable}".lower() in ignored or variable in ignored


class QuirkyDialect201(_Quirky):
    """See `dialects.Dialect`."""


class QuirkyDialect21(_Quirky, Dialect21):
    """See `dialects.Dialect`."""


@lru_cache(maxsize=256)
def quirky_dialect_2(version: str, quirks: Quirks) -> _Quirky:
    """The dialect of all stations of a version with these quirks."""
    return QuirkyDialect21(quirks) if version == "ocpp2.1" else QuirkyDialect201(quirks)


def _edits_of(quirks: Quirks) -> dict[type, tuple[Edit, ...]]:
    """What to do to the request that each message becomes."""
    events: list[Edit] = []
    questions: list[Edit] = []
    samples: list[Edit] = []
    if quirks.tags:
        tagged = partial(_tagged, quirks.tags)
        events.append(tagged)
        questions.append(tagged)
    if quirks.no_stop_reason:
        events.append(_without_reason)
    if quirks.no_stop_tag:
        events.append(_without_stop_tag)
    if quirks.no_transaction_data:
        events.append(_without_last_values)
    if quirks.seq_no_from_one:
        events.append(lambda _, request: replace(request, seq_no=request.seq_no + 1))
    if quirks.no_charging_state:
        events.append(_without_state)
    if quirks.no_offline_flag:
        events.append(lambda _, request: replace(request, offline=None))
    if values := _value_edits(quirks):
        events.append(partial(_revalued, tuple(values)))
        samples.append(partial(_revalued, tuple(values)))
    return {
        SessionEvent: tuple(events),
        TokenQuestion: tuple(questions),
        MeterSampled: tuple(samples),
    }


def _tagged(style: Tags, _: Message, request: Any) -> Any:
    """Only cards go through a reader."""
    token = request.id_token
    if token is None or token.type not in _CARDS:
        return request
    return replace(request, id_token=replace(token, id_token=restyled(token.id_token, style)))


def _without_reason(message: SessionEvent, request: Any) -> Any:
    if not message.reason:
        return request
    info = replace(request.transaction_info, stopped_reason=None)
    return replace(request, transaction_info=info)


def _without_stop_tag(message: SessionEvent, request: Any) -> Any:
    return replace(request, id_token=None) if message.kind == "Ended" else request


def _without_last_values(message: SessionEvent, request: Any) -> Any:
    return replace(request, meter_value=None) if message.kind == "Ended" else request


def _without_state(_: SessionEvent, request: Any) -> Any:
    info = replace(request.transaction_info, charging_state=None)
    return replace(request, transaction_info=info)


def _value_edits(quirks: Quirks) -> list[EditValue]:
    edits: list[EditValue] = []
    if quirks.register_from_zero:
        edits.append(_from_zero)
    if quirks.energy_in_kwh:
        edits.append(partial(_in_kwh, quirks.energy_in_kwh))
    if quirks.defaults_left_out:
        edits.append(_without_defaults)
    return edits


def _from_zero(sampled: Any, start_wh: float) -> Any:
    if sampled.measurand not in (None, REGISTER) or sampled.phase is not None:
        return sampled
    return replace(sampled, value=max(0.0, round(sampled.value - start_wh, 3)))


def _in_kwh(label: str, sampled: Any, _: float) -> Any:
    unit = sampled.unit_of_measure
    if unit is None or unit.unit != "Wh":
        return sampled
    said = None if label == "none" else replace(unit, unit=label)
    return replace(sampled, value=round(sampled.value / 1000, 3), unit_of_measure=said)


def _without_defaults(sampled: Any, _: float) -> Any:
    unit = sampled.unit_of_measure
    return replace(
        sampled,
        context=None if sampled.context == _DEFAULT_CONTEXT else sampled.context,
        measurand=None if sampled.measurand == REGISTER else sampled.measurand,
        location=None if sampled.location == _DEFAULT_LOCATION else sampled.location,
        unit_of_measure=None if unit is not None and unit.unit == "Wh" else unit,
    )


def _revalued(edits: tuple[EditValue, ...], message: Any, request: Any) -> Any:
    """TransactionEvent or MeterValues with their values edited."""
    if not request.meter_value:
        return request
    if isinstance(message, SessionEvent):
        start_wh = message.visit.start_wh
    else:
        start_wh = message.reading.energy_wh
    edited = []
    for meter_value in request.meter_value:
        values = meter_value.sampled_value
        for edit in edits:
            values = [edit(sampled, start_wh) for sampled in values]
        edited.append(replace(meter_value, sampled_value=values))
    return replace(request, meter_value=edited)


def _retimed(edit: Callable[[Any], Any], request: Any) -> Any:
    """Every moment in a request: its own, and those of its meter values."""
    changes: dict[str, Any] = {}
    if (moment := getattr(request, "timestamp", None)) is not None:
        changes["timestamp"] = edit(moment)
    if meter_values := getattr(request, "meter_value", None):
        changes["meter_value"] = [
            replace(meter_value, timestamp=edit(meter_value.timestamp))
            for meter_value in meter_values
        ]
    return replace(request, **changes) if changes else request
