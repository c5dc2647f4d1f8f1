"""OCPP 1.6J: the station's messages, and what their answers mean. CALLs of the CSMS are in
`v16_commands.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, get_args

from simfleet.ocpp.v16 import V16
from simfleet.ocpp.v16 import messages as v16
from simfleet.station import authorization, charging, firmware_state, nameplate, registration
from simfleet.station.accounts import ACCOUNTS_16
from simfleet.station.dialects import (
    v16_faults,
    v16_lists,
    v16_maintenance,
    v16_security,
    v16_smart,
)
from simfleet.station.dialects.moments import timestamp
from simfleet.station.dialects.v16_commands import HANDLERS, handle_command
from simfleet.station.effects import TransactionDelivered
from simfleet.station.messages import (
    Beat,
    Boot,
    MeterSampled,
    StatusReport,
    TokenQuestion,
    TransactionEnded,
    TransactionSampled,
    TransactionStarted,
    VendorData,
)
from simfleet.station.meter import samples, whole_wh

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.ocpp.catalog import Catalog
    from simfleet.ocpp.results import Received
    from simfleet.ocpp.wire import Wire
    from simfleet.station.accounts import Accounts
    from simfleet.station.messages import Message
    from simfleet.station.meter import Reading
    from simfleet.station.phase import Phase
    from simfleet.station.station import Station
    from simfleet.station.tokens import TokenInfo

_ID_TAG_MAX = 20
_DEFAULT_CONTEXT = "Sample.Periodic"


_REASONS: Final = frozenset(get_args(v16.Reason))


class Dialect16:
    """See `dialects.Dialect`."""

    catalog: Catalog = V16
    m: Any = v16
    accounts: Accounts = ACCOUNTS_16
    resumes: bool = False
    tells_all_on_reconnect: bool = True
    error_codes: frozenset[str] = frozenset(get_args(v16.ChargePointErrorCode))
    demanded: frozenset[str] = frozenset()

    def shown(self, phase: Phase, error_code: str) -> tuple[Phase, str]:
        """All of it: every phase is a status, and errors are told with it."""
        return phase, error_code

    def action_of(self, message: Message) -> str:
        """The OCPP action that carries a message."""
        return _ACTIONS[type(message)]

    def station_code(self) -> Mapping[str, list[Callable[..., object]]]:
        """For every action, the functions that make a station's requests or answer the CSMS's."""
        code: dict[str, list[Callable[..., object]]] = {}
        for message, builder in _BUILDERS.items():
            code.setdefault(_ACTIONS[message], []).append(builder)
        for request, handler in HANDLERS.items():
            code.setdefault(V16.of_request[request].name, []).append(handler)
        return code

    altered = staticmethod(v16_faults.altered)
    failure_told = staticmethod(v16_faults.failure_told)

    def request_for(self, station: Station, message: Message) -> Wire | None:
        """The request to send, or None when it can never be sent."""
        return _BUILDERS[type(message)](station, message)

    def answered(self, station: Station, message: Message, response: Wire, *, at_s: float) -> None:
        """The CSMS has answered a message."""
        reader = _READERS.get(type(message))
        if reader is not None:
            reader(station, message, response, at_s)

    def handle(self, station: Station, received: Received, *, at_s: float) -> None:
        """The CSMS calls: answer, and do what follows."""
        handle_command(station, received, at_s=at_s)


# ── what the station says ─────────────────────────────────────────────────────────────────────────


def _boot(station: Station, _: Boot) -> v16.BootNotificationRequest:
    spec = station.spec
    return v16.BootNotificationRequest(
        charge_point_vendor=spec.vendor,
        charge_point_model=spec.model,
        charge_point_serial_number=nameplate.serial_number(station),
        firmware_version=firmware_state.version_of(station),
        iccid=nameplate.optional(spec.iccid, station.identity, longest=nameplate.SIM_MAX),
        imsi=nameplate.optional(spec.imsi, station.identity, longest=nameplate.SIM_MAX),
        meter_type=spec.meter_type or None,
        meter_serial_number=nameplate.optional(
            spec.meter_serial_number, station.identity, longest=nameplate.SERIAL_MAX
        ),
    )


def _beat(_: Station, __: Beat) -> v16.HeartbeatRequest:
    return v16.HeartbeatRequest()


def _status(_: Station, message: StatusReport) -> v16.StatusNotificationRequest:
    return v16.StatusNotificationRequest(
        connector_id=message.connector_id,
        error_code=cast("v16.ChargePointErrorCode", message.error_code),
        status=message.phase.value,
        info=message.info or None,
        timestamp=timestamp(message.wall_s),
    )


def _token(_: Station, message: TokenQuestion) -> v16.AuthorizeRequest:
    return v16.AuthorizeRequest(id_tag=message.id_tag[:_ID_TAG_MAX])


def _started(_: Station, message: TransactionStarted) -> v16.StartTransactionRequest:
    transaction = message.transaction
    return v16.StartTransactionRequest(
        connector_id=transaction.connector_id,
        id_tag=transaction.id_tag[:_ID_TAG_MAX],
        meter_start=whole_wh(transaction.start_wh),
        timestamp=timestamp(transaction.start_wall_s),
        reservation_id=transaction.reservation_id,
    )


def _sampled(_: Station, message: TransactionSampled) -> v16.MeterValuesRequest | None:
    transaction = message.transaction
    if transaction.id is None:
        return None
    values = _sampled_values(message.reading, message.measurands, message.context)
    return v16.MeterValuesRequest(
        transaction.connector_id,
        [v16.MeterValue(timestamp(message.wall_s), values)],
        transaction.id,
    )


def _metered(_: Station, message: MeterSampled) -> v16.MeterValuesRequest:
    values = _sampled_values(message.reading, message.measurands, message.context)
    return v16.MeterValuesRequest(
        message.connector_id, [v16.MeterValue(timestamp(message.wall_s), values)]
    )


def _ended(station: Station, message: TransactionEnded) -> v16.StopTransactionRequest | None:
    transaction = message.transaction
    if transaction.id is None:
        return None
    reason = transaction.reason if transaction.reason in _REASONS else "Other"
    return v16.StopTransactionRequest(
        meter_stop=whole_wh(transaction.stop_wh),
        timestamp=timestamp(transaction.stop_wall_s),
        transaction_id=transaction.id,
        id_tag=transaction.stop_id_tag[:_ID_TAG_MAX]
        if transaction.stop_id_tag is not None
        else None,
        reason=cast("v16.Reason", reason),
        transaction_data=_transaction_data(station, message),
    )


def _transaction_data(
    station: Station, message: TransactionEnded
) -> list[v16.TransactionData] | None:
    """The readings kept for the end; omitted when there are none."""
    if not message.transaction.samples:
        return None
    configuration = station.configuration
    sampled = (
        configuration.measurands("StopTxnSampledData")
        if configuration.get("StopTxnSampledData")
        else ()
    )
    aligned = (
        configuration.measurands("StopTxnAlignedData")
        if configuration.get("StopTxnAlignedData")
        else ()
    )
    data = []
    for wall_s, context, reading in message.transaction.samples:
        measurands = aligned if context == "Sample.Clock" else sampled
        if measurands:
            values = [
                v16.TransactionDataSampledValue(*_fields(value))
                for value in _sampled_values(reading, measurands, context)
            ]
            data.append(v16.TransactionData(timestamp(wall_s), values))
    return data or None


def _fields(value: v16.SampledValue) -> tuple[Any, ...]:
    return tuple(getattr(value, name) for name in value.__struct_fields__)


def _vendor(_: Station, message: VendorData) -> v16.DataTransferRequest:
    return v16.DataTransferRequest(
        vendor_id=message.vendor_id, message_id=message.message_id, data=message.data
    )


def _sampled_values(
    reading: Reading, measurands: tuple[str, ...], context: str
) -> list[v16.SampledValue]:
    return [
        v16.SampledValue(s.value, context, None, s.measurand, s.phase, s.location, s.unit)  # type: ignore[arg-type]
        for s in samples(reading, measurands)
    ]


# ── what the CSMS answers ─────────────────────────────────────────────────────────────────────────


def _boot_answered(
    station: Station, _: Boot, response: v16.BootNotificationResponse, at_s: float
) -> None:
    registration.boot_answered(
        station,
        response.status,
        interval_s=float(response.interval),
        csms_wall_s=response.current_time.timestamp(),
        at_s=at_s,
    )


def _beat_answered(station: Station, _: Beat, response: v16.HeartbeatResponse, at_s: float) -> None:
    registration.sync_clock(station, response.current_time.timestamp(), at_s=at_s)


def _token_answered(
    station: Station, message: TokenQuestion, response: v16.AuthorizeResponse, at_s: float
) -> None:
    info = _learn(station, message.id_tag, response.id_tag_info)
    authorization.token_answered(station, message, info, at_s=at_s)


def _started_answered(
    station: Station,
    message: TransactionStarted,
    response: v16.StartTransactionResponse,
    at_s: float,
) -> None:
    transaction = message.transaction
    station.started(message, transaction_id=response.transaction_id)
    station.effects.append(TransactionDelivered(transaction.number, "start"))
    info = _learn(station, transaction.id_tag, response.id_tag_info)
    if info.parent_id_tag is not None:
        transaction.parent_id_tag = info.parent_id_tag
    charging.started_answered(station, transaction, info.status, at_s=at_s)


def _ended_answered(
    station: Station, message: TransactionEnded, response: v16.StopTransactionResponse, at_s: float
) -> None:
    transaction = message.transaction
    station.effects.append(TransactionDelivered(transaction.number, "stop"))
    if response.id_tag_info is not None and transaction.stop_id_tag is not None:
        _learn(station, transaction.stop_id_tag, response.id_tag_info)


def _learn(station: Station, id_tag: str, said: v16.IdTagInfo) -> TokenInfo:
    """Put the CSMS's word on a tag into the cache."""
    info = v16_lists.info_of(said)
    authorization.learn(station, id_tag, info)
    return info


_PARTS = (v16_lists, v16_maintenance, v16_security, v16_smart)
"""The modules of the other feature profiles."""

_ACTIONS: dict[type, str] = {
    Boot: "BootNotification",
    Beat: "Heartbeat",
    StatusReport: "StatusNotification",
    TokenQuestion: "Authorize",
    TransactionStarted: "StartTransaction",
    TransactionSampled: "MeterValues",
    TransactionEnded: "StopTransaction",
    MeterSampled: "MeterValues",
    VendorData: "DataTransfer",
}

_BUILDERS: dict[type, Callable[[Station, Any], Wire | None]] = {
    Boot: _boot,
    Beat: _beat,
    StatusReport: _status,
    TokenQuestion: _token,
    TransactionStarted: _started,
    TransactionSampled: _sampled,
    TransactionEnded: _ended,
    MeterSampled: _metered,
    VendorData: _vendor,
}

_READERS: dict[type, Callable[[Station, Any, Any, float], None]] = {
    Boot: _boot_answered,
    Beat: _beat_answered,
    TokenQuestion: _token_answered,
    TransactionStarted: _started_answered,
    TransactionEnded: _ended_answered,
}

for _part in _PARTS:
    _ACTIONS |= _part.ACTIONS
    _BUILDERS |= _part.BUILDERS
    _READERS |= _part.READERS
