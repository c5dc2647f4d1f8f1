"""OCPP 2.0.1 and 2.1: the station's messages, and what their answers mean.

The structs of 2.1 are those of 2.0.1 with more fields, so one dialect speaks both: whatever makes a
message takes the structs from `station.dialect.m`. What only 2.1 has is in the `v21_*` modules.
CALLs of the CSMS are in `v2x_commands.py` and the modules of their blocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import structs

from simfleet.ocpp.v21 import V21
from simfleet.ocpp.v21 import messages as v21
from simfleet.ocpp.v201 import V201
from simfleet.ocpp.v201 import messages as v201
from simfleet.station import authorization, battery_swap, firmware_state, nameplate, registration
from simfleet.station.connector import NO_ERROR
from simfleet.station.contract import EMAID_PREFIX
from simfleet.station.dialects import (
    v2x_authorization,
    v2x_certificates,
    v2x_display,
    v2x_maintenance,
    v2x_monitoring,
    v2x_provisioning,
    v2x_smart,
    v2x_transactions,
    v21_energy,
    v21_payments,
    v21_streams,
    v21_tariffs,
)
from simfleet.station.dialects.moments import timestamp
from simfleet.station.dialects.v2x_commands import HANDLERS, handle_command
from simfleet.station.dialects.v2x_words import (
    id_token,
    sampled_values,
    token_info,
)
from simfleet.station.messages import (
    Beat,
    Boot,
    MeterSampled,
    StatusReport,
    TokenQuestion,
    VendorData,
)
from simfleet.station.phase import Phase
from simfleet.station.security import SecurityEvent
from simfleet.station.visits import ACCOUNTS_2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from simfleet.ocpp.catalog import Catalog
    from simfleet.ocpp.results import Received
    from simfleet.ocpp.wire import Wire
    from simfleet.station.accounts import Accounts
    from simfleet.station.messages import Message
    from simfleet.station.station import Station

FAULTS: Final = frozenset(
    {
        "ConnectorLockFailure",
        "EVCommunicationError",
        "GroundFailure",
        "HighTemperature",
        "InternalError",
        "OtherError",
        "OverCurrentFailure",
        "OverVoltage",
        "PowerMeterFailure",
        "PowerSwitchFailure",
        "ReaderFailure",
        "UnderVoltage",
        "WeakSignal",
    }
)
"""What a fault may be called, as in 1.6: 2.x has no list of its own, the status is just Faulted."""


class Dialect201:
    """See `dialects.Dialect`: OCPP 2.0.1."""

    catalog: Catalog = V201
    m: ModuleType = v201
    """The message structs of the version."""
    accounts: Accounts = ACCOUNTS_2
    resumes: bool = False
    tells_all_on_reconnect: bool = False
    error_codes: frozenset[str] = FAULTS | {NO_ERROR}
    demanded: frozenset[str] = frozenset({SecurityEvent.INVALID_MESSAGES})
    actions: Mapping[type, str]
    builders: Mapping[type, Callable[[Station, Any], Wire | None]]
    readers: Mapping[type, Callable[[Station, Any, Any, float], None]]
    handlers: Mapping[str, Callable[[Station, Any, float], Wire]]

    def shown(self, phase: Phase, error_code: str) -> tuple[Phase, str]:
        """Five statuses, of which Occupied stands for many phases; errors are not told with it."""
        return _SHOWN[phase]

    def action_of(self, message: Message) -> str:
        """The OCPP action that carries a message."""
        return self.actions[type(message)]

    def station_code(self) -> Mapping[str, list[Callable[..., object]]]:
        """For every action, the functions that make a station's requests or answer the CSMS's."""
        code: dict[str, list[Callable[..., object]]] = {}
        for message, builder in self.builders.items():
            code.setdefault(self.actions[message], []).append(builder)
        for action, handler in self.handlers.items():
            code.setdefault(action, []).append(handler)
        return code

    def request_for(self, station: Station, message: Message) -> Wire | None:
        """The request to send, or None when it can never be sent."""
        return self.builders[type(message)](station, message)

    def answered(self, station: Station, message: Message, response: Wire, *, at_s: float) -> None:
        """The CSMS has answered a message."""
        reader = self.readers.get(type(message))
        if reader is not None:
            reader(station, message, response, at_s)

    def handle(self, station: Station, received: Received, *, at_s: float) -> None:
        """The CSMS calls: answer, and do what follows."""
        handle_command(station, received, self.handlers, at_s=at_s)

    def altered(
        self, request: Wire, *, transaction_id: int | str | None = None, **_: object
    ) -> Wire:
        """A request with another transactionId; registers and faults are in no field of 2.x."""
        info = getattr(request, "transaction_info", None)
        if info is None or transaction_id is None:
            return request
        renamed = structs.replace(info, transaction_id=str(transaction_id))
        return structs.replace(request, **{"transaction_info": renamed})

    def failure_told(self, request: Wire) -> Literal["", "firmware", "upload"]:
        """Whether a request tells of an update or an upload that has failed."""
        status = str(getattr(request, "status", ""))
        if isinstance(request, self.m.FirmwareStatusNotificationRequest):
            return "firmware" if "Fail" in status or status.startswith("Invalid") else ""
        if isinstance(request, self.m.LogStatusNotificationRequest):
            return "upload" if status in ("UploadFailure", "PermissionDenied", "BadMessage") else ""
        return ""


class Dialect21(Dialect201):
    """OCPP 2.1: as 2.0.1, and more."""

    catalog: Catalog = V21
    m: ModuleType = v21
    resumes: bool = True


# ── what the station says ─────────────────────────────────────────────────────────────────────────


def _boot(station: Station, message: Boot) -> Wire:
    m, spec = station.dialect.m, station.spec
    iccid = nameplate.optional(spec.iccid, station.identity, longest=nameplate.SIM_MAX)
    imsi = nameplate.optional(spec.imsi, station.identity, longest=nameplate.SIM_MAX)
    request: Wire = m.BootNotificationRequest(
        charging_station=m.ChargingStation(
            model=spec.model,
            vendor_name=spec.vendor,
            serial_number=nameplate.serial_number(station),
            firmware_version=firmware_state.version_of(station),
            modem=None if iccid is None and imsi is None else m.Modem(iccid=iccid, imsi=imsi),
        ),
        reason="Triggered" if message.triggered else station.boot_reason,
    )
    return request


def _beat(station: Station, _: Beat) -> Wire:
    request: Wire = station.dialect.m.HeartbeatRequest()
    return request


_PLAIN: Final = (Phase.AVAILABLE, Phase.RESERVED, Phase.UNAVAILABLE, Phase.FAULTED)
_SHOWN: Final = {
    phase: (phase if phase in _PLAIN else Phase.PREPARING, NO_ERROR) for phase in Phase
}


def connector_status(phase: Phase) -> str:
    """The five statuses of 2.x for the nine of 1.6."""
    return phase.value if phase in _PLAIN else "Occupied"


def _status(station: Station, message: StatusReport) -> Wire | None:
    if message.connector_id == 0:
        return None  # the station as a whole has no status in 2.x: NotifyEvent tells of it
    request: Wire = station.dialect.m.StatusNotificationRequest(
        timestamp=timestamp(message.wall_s),
        connector_status=connector_status(message.phase),
        evse_id=message.connector_id,
        connector_id=1,
    )
    return request


def _token(station: Station, message: TokenQuestion) -> Wire:
    token = id_token(station, message.id_tag)
    if message.id_tag.startswith(EMAID_PREFIX):
        return v2x_certificates.contract_question(station, message.id_tag, token)
    request: Wire = station.dialect.m.AuthorizeRequest(id_token=token)
    return request


def _metered(station: Station, message: MeterSampled) -> Wire:
    m = station.dialect.m
    values = sampled_values(station, message.reading, message.measurands, message.context)
    request: Wire = m.MeterValuesRequest(
        evse_id=message.connector_id,
        meter_value=[m.MeterValue(timestamp=timestamp(message.wall_s), sampled_value=values)],
    )
    return request


def _vendor(station: Station, message: VendorData) -> Wire:
    request: Wire = station.dialect.m.DataTransferRequest(
        vendor_id=message.vendor_id, message_id=message.message_id, data=message.data
    )
    return request


# ── what the CSMS answers ─────────────────────────────────────────────────────────────────────────


def _boot_answered(station: Station, _: Boot, response: Any, at_s: float) -> None:
    registration.boot_answered(
        station,
        response.status,
        interval_s=float(response.interval),
        csms_wall_s=response.current_time.timestamp(),
        at_s=at_s,
    )


def _beat_answered(station: Station, _: Beat, response: Any, at_s: float) -> None:
    registration.sync_clock(station, response.current_time.timestamp(), at_s=at_s)


def _token_answered(station: Station, message: TokenQuestion, response: Any, at_s: float) -> None:
    info = token_info(response.id_token_info)
    if response.certificate_status not in (None, "Accepted") and info.status == "Accepted":
        info = info._replace(status="Invalid")  # a contract's certificate (2.0.1 C07)
    if hasattr(response, "tariff"):  # 2.1
        info = v21_tariffs.driver_tariff(station, message.id_tag, response, info)
        v21_energy.transfer_granted(station, message, response)
    authorization.learn(station, message.id_tag, info, at_s=at_s)
    if message.purpose == authorization.TO_SWAP:
        station.connectors[message.connector_id - 1].tag_pending = None
        battery_swap.authorized(station, message.id_tag, info, at_s=at_s)
        return
    authorization.token_answered(station, message, info, at_s=at_s)


ACTIONS: Final[dict[type, str]] = {
    Boot: "BootNotification",
    Beat: "Heartbeat",
    StatusReport: "StatusNotification",
    TokenQuestion: "Authorize",
    MeterSampled: "MeterValues",
    VendorData: "DataTransfer",
}
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    Boot: _boot,
    Beat: _beat,
    StatusReport: _status,
    TokenQuestion: _token,
    MeterSampled: _metered,
    VendorData: _vendor,
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {
    Boot: _boot_answered,
    Beat: _beat_answered,
    TokenQuestion: _token_answered,
}

_PARTS: Final = (
    v2x_authorization,
    v2x_certificates,
    v2x_display,
    v2x_maintenance,
    v2x_monitoring,
    v2x_provisioning,
    v2x_smart,
    v2x_transactions,
)
"""The modules of the other blocks."""
_PARTS_21: Final = (v21_energy, v21_payments, v21_streams, v21_tariffs)
"""What 2.1 adds."""


def _merge(dialect: type[Dialect201], tables: ModuleTables, parts: tuple[ModuleType, ...]) -> None:
    actions, builders, readers, handlers = (dict(table) for table in tables)
    for part in parts:
        actions |= part.ACTIONS
        builders |= part.BUILDERS
        readers |= part.READERS
        handlers |= part.HANDLERS
    dialect.actions, dialect.builders = actions, builders
    dialect.readers, dialect.handlers = readers, handlers


ModuleTables = tuple["dict[Any, Any]", "dict[Any, Any]", "dict[Any, Any]", "dict[Any, Any]"]

_merge(Dialect201, (ACTIONS, BUILDERS, READERS, HANDLERS), _PARTS)
_merge(Dialect21, (ACTIONS, BUILDERS, READERS, HANDLERS), (*_PARTS, *_PARTS_21))

DIALECT_201: Final = Dialect201()
DIALECT_21: Final = Dialect21()
