"""What a station's hardware keeps across a power loss, and across a restart of SimFleet.

`remember` takes it out of a station at any moment, `recall` puts it into one fresh from the
factory. Kept are: changed configuration, availability, faults, the energy registers, the messages
about transactions that the CSMS has not answered, the counters, the authorization cache, the local
authorization list and the reservations.
Not kept: cables and vehicles, tags that wait, the registration, timers, statuses.

A transaction that ran at that moment was interrupted by the loss of power: on recall it ends with
reason PowerLoss, with the register and the time that were kept, and its StopTransaction waits
behind whatever else is still to be told of it (OCPP 1.6 sections 3.7 and 4.10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from simfleet.errors import UsageWrong
from simfleet.station import (
    availability,
    battery_swap,
    costs,
    der_controls,
    display,
    energy,
    firmware,
    local_list,
    monitoring_memory,
    plug_and_charge,
    reservations,
    security_memory,
    smart_charging,
    tariffs,
    visit_memory,
)
from simfleet.station.battery import Battery
from simfleet.station.charging_profiles import Profile
from simfleet.station.connector import NO_ERROR
from simfleet.station.contract import Contract
from simfleet.station.display_message import DisplayMessage
from simfleet.station.effects import TransactionClosed
from simfleet.station.energy import Control
from simfleet.station.firmware_state import Firmware
from simfleet.station.local_list import KeptEntry
from simfleet.station.messages import (
    SessionEvent,
    TransactionEnded,
    TransactionSampled,
    TransactionStarted,
)
from simfleet.station.meter import ElectricalSpec, Meter, Reading
from simfleet.station.network_profiles import Network
from simfleet.station.phase import Move
from simfleet.station.reservations import Reservation
from simfleet.station.tariffs import Installed
from simfleet.station.tokens import TokenInfo
from simfleet.station.transaction import Transaction
from simfleet.station.visit_memory import KeptEvent, KeptVisit

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.messages import Message
    from simfleet.station.station import Station
    from simfleet.station.visit import Visit

VERSION: Final = 1
MESSAGE_IDS_SKIPPED: Final = 10_000
"""Message ids left out after a recall: the station may have used some since it was remembered."""
POWER_LOSS: Final = "PowerLoss"


class KeptTransaction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transaction that runs, or of which something is still to be told. See `Transaction`."""

    number: int
    connector_id: int
    id_tag: str
    parent_id_tag: str | None = None
    start_wh: float
    start_integral_wh: float
    start_wall_s: float
    id: int | None = None
    deauthorized: bool = False
    remote_start: bool = False
    reservation_id: int | None = None
    reason: str = ""
    stop_wh: float
    stop_wall_s: float
    stop_id_tag: str | None = None
    samples: list[tuple[float, str, Reading]] | None = None


class KeptStart(Struct, frozen=True, tag="start", omit_defaults=True):
    """A StartTransaction without an answer."""

    transaction: int
    attempts: int = 0


class KeptSample(Struct, frozen=True, tag="sample", omit_defaults=True):
    """MeterValues of a transaction without an answer."""

    transaction: int
    reading: Reading
    context: str
    measurands: tuple[str, ...]
    wall_s: float
    attempts: int = 0


class KeptStop(Struct, frozen=True, tag="stop", omit_defaults=True):
    """A StopTransaction without an answer."""

    transaction: int
    attempts: int = 0


class KeptConnector(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One connector. `metered_wall_s` is when its register was read last."""

    start_wh: float
    delivered_wh: float
    integral_wh: float
    exported_wh: float = 0.0
    metered_wall_s: float
    inoperative: bool = False
    error_code: str = NO_ERROR
    error_info: str = ""
    running: int | None = None
    """Number of the transaction that ran."""
    sampled_wh: float | None = None
    visit: int | None = None
    """The same in 2.x."""


KeptMessage = KeptStart | KeptSample | KeptStop | KeptEvent


class Kept(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """See the module. Plain values, so that any JSON store can hold it."""

    version: int = VERSION
    configuration: dict[str, str]
    inoperative: bool = False
    evses_inoperative: list[int] = []
    connectors_inoperative: list[int] = []
    error_code: str = NO_ERROR
    connectors: list[KeptConnector]
    transaction_count: int = 0
    transactions: list[KeptTransaction] = []
    visits: list[KeptVisit] = []
    outbox: list[KeptMessage] = []
    tokens: list[tuple[str, str, str | None, float | None]] = []
    """Tag, status, parent tag, expiry (Unix seconds); oldest first."""
    security: security_memory.KeptSecurity | None = None
    local_list: list[KeptEntry] = []
    local_list_version: int = 0
    reservations: list[Reservation] = []
    profiles: list[Profile] = []
    controls: tuple[Control, ...] = ()
    """DER controls (2.1)."""
    firmware: Firmware | None = None
    display: list[DisplayMessage] = []
    tariffs: list[Installed] = []
    batteries: list[Battery] = []
    contracts: list[Contract] = []
    monitoring: monitoring_memory.KeptMonitoring | None = None
    network: Network | None = None
    message_id_prefix: str
    message_id_count: int


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Kept)


def encode_kept(kept: Kept) -> bytes:
    """As JSON."""
    return _ENCODER.encode(kept)


def decode_kept(data: bytes) -> Kept:
    """The inverse; raises `UsageWrong` for anything that this version has not written."""
    try:
        kept = _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise UsageWrong(f"what the hardware keeps cannot be read: {error}") from None
    if kept.version != VERSION:
        raise UsageWrong(f"what the hardware keeps is version {kept.version}, not {VERSION}")
    return kept


# ── taking out ────────────────────────────────────────────────────────────────────────────────────


def remember(station: Station) -> Kept:
    """What the hardware would keep if power failed now. The station is not changed.

    Registers are those of the last moment at which the station metered: at the latest, of the last
    sample that it has told anybody of.
    """
    transactions: dict[int, Transaction] = {}
    for connector in station.connectors:
        costs.settle_memory(connector)
    visits = {one.number: one for one in visit_memory.running(station)}
    outbox: list[KeptMessage] = []
    for entry in station.outbox.durable:
        message, attempts = entry.message, entry.attempts
        match message:
            case TransactionStarted(transaction):
                outbox.append(KeptStart(transaction.number, attempts))
            case TransactionSampled(transaction, reading, context, measurands, wall_s):
                outbox.append(
                    KeptSample(transaction.number, reading, context, measurands, wall_s, attempts)
                )
            case TransactionEnded(transaction):
                outbox.append(KeptStop(transaction.number, attempts))
            case SessionEvent():
                visits[message.visit.number] = message.visit
                outbox.append(visit_memory.kept_event(message, attempts))
                continue
            case _:
                raise AssertionError(f"{type(message).__name__} is not durable")
        transactions[transaction.number] = transaction
    for connector in station.connectors:
        if connector.transaction is not None:
            transactions[connector.transaction.number] = connector.transaction
    prefix, count = station.conversation.message_ids
    evses, connectors = availability.kept(station)
    return Kept(
        configuration=dict(station.configuration.changes()),
        inoperative=station.inoperative,
        evses_inoperative=evses,
        connectors_inoperative=connectors,
        error_code=station.error_code,
        connectors=[_kept_connector(station, connector) for connector in station.connectors],
        transaction_count=station.transactions,
        security=security_memory.remember(station),
        transactions=[_kept_transaction(one) for one in transactions.values()],
        visits=[visit_memory.kept_visit(one) for one in visits.values()],
        outbox=outbox,
        tokens=[
            (tag, info.status, info.parent_id_tag, info.expires_wall_s)
            for tag, info in station.tokens.known()
        ],
        local_list=local_list.kept_entries(station),
        local_list_version=0 if station.local_list is None else station.local_list.version,
        reservations=reservations.remembered(station),
        profiles=smart_charging.remembered(station),
        controls=energy.remembered(station),
        firmware=firmware.kept(station),
        display=display.remembered(station),
        tariffs=tariffs.remembered(station),
        batteries=battery_swap.remembered(station),
        contracts=plug_and_charge.remembered(station),
        monitoring=monitoring_memory.remember(station),
        network=station.network,
        message_id_prefix=prefix,
        message_id_count=count,
    )


def _kept_connector(station: Station, connector: Connector) -> KeptConnector:
    meter, transaction = connector.meter, connector.transaction
    return KeptConnector(
        start_wh=meter.start_wh,
        delivered_wh=meter.delivered_wh,
        integral_wh=meter.integral_wh,
        exported_wh=meter.exported_wh,
        metered_wall_s=station.wall_s(connector.metered_s),
        inoperative=availability.kept_inoperative(station, connector),
        error_code=connector.error_code,
        error_info=connector.error_info,
        running=None if transaction is None else transaction.number,
        sampled_wh=connector.sampled_wh,
        visit=None if connector.visit is None else connector.visit.number,
    )


def _kept_transaction(transaction: Transaction) -> KeptTransaction:
    return KeptTransaction(
        number=transaction.number,
        connector_id=transaction.connector_id,
        id_tag=transaction.id_tag,
        parent_id_tag=transaction.parent_id_tag,
        start_wh=transaction.start_wh,
        start_integral_wh=transaction.start_integral_wh,
        start_wall_s=transaction.start_wall_s,
        id=transaction.id,
        deauthorized=transaction.deauthorized,
        remote_start=transaction.remote_start,
        reservation_id=transaction.reservation_id,
        reason=transaction.reason,
        stop_wh=transaction.stop_wh,
        stop_wall_s=transaction.stop_wall_s,
        stop_id_tag=transaction.stop_id_tag,
        samples=None if transaction.samples is None else list(transaction.samples),
    )


# ── putting in ────────────────────────────────────────────────────────────────────────────────────


def recall(station: Station, kept: Kept, *, at_s: float) -> None:
    """Put what was kept into a station that is fresh from the factory and has never been online.

    The station may be built otherwise than the one that was remembered: connectors that it does not
    have are forgotten, and so are configuration values that it cannot have; what is queued for the
    CSMS is not.
    """
    for name, value in kept.configuration.items():
        try:
            station.configuration.store(name, value)
        except (KeyError, ValueError):
            continue  # another number of connectors, or another version: it has no such setting
    station.inoperative = kept.inoperative
    availability.restore(station, kept.evses_inoperative, kept.connectors_inoperative)
    station.error_code = kept.error_code
    station.transactions = kept.transaction_count
    for tag, status, parent, expires_wall_s in kept.tokens:
        station.tokens.learn(tag, TokenInfo(status, parent, expires_wall_s))
    security_memory.recall(station, kept.security, at_s=at_s)
    station.conversation.resume_message_ids(
        kept.message_id_prefix, kept.message_id_count + MESSAGE_IDS_SKIPPED
    )
    transactions = {one.number: _transaction(one) for one in kept.transactions}
    visits = {one.number: visit_memory.visit_of(one) for one in kept.visits}
    _refill(station, kept, transactions, visits, at_s=at_s)
    for connector, known in zip(station.connectors, kept.connectors, strict=False):
        _restore(connector, known, at_s=at_s)
    for number, known in enumerate(kept.connectors, start=1):
        if visit_memory.tells(station):
            if known.visit is not None:
                meter = _meter(station.spec.outlet(number), known)
                wall_s = known.metered_wall_s
                visit = visits[known.visit]
                visit_memory.interrupt(station, visit, meter, metered_wall_s=wall_s, at_s=at_s)
        elif known.running is not None and known.visit is None:
            _interrupt(station, known, transactions[known.running], at_s=at_s)
    local_list.restore(station, kept.local_list_version, kept.local_list)
    reservations.restore(station, kept.reservations, at_s=at_s)
    smart_charging.restore(station, kept.profiles)
    der_controls.restore(station, kept.controls, at_s=at_s)
    display.restore(station, kept.display)
    tariffs.restore(station, kept.tariffs)
    battery_swap.restore(station, kept.batteries)
    plug_and_charge.restore(station, kept.contracts)
    station.network = kept.network
    monitoring_memory.recall(station, kept.monitoring, at_s=at_s)
    if kept.firmware is not None:
        firmware.recall(station, kept.firmware, at_s=at_s)


def _transaction(kept: KeptTransaction) -> Transaction:
    transaction = Transaction(
        number=kept.number,
        connector_id=kept.connector_id,
        id_tag=kept.id_tag,
        start_wh=kept.start_wh,
        start_integral_wh=kept.start_integral_wh,
        wall_s=kept.start_wall_s,
    )
    transaction.parent_id_tag = kept.parent_id_tag
    transaction.id = kept.id
    transaction.deauthorized = kept.deauthorized
    transaction.remote_start = kept.remote_start
    transaction.reservation_id = kept.reservation_id
    transaction.reason = kept.reason
    transaction.stop_wh = kept.stop_wh
    transaction.stop_wall_s = kept.stop_wall_s
    transaction.stop_id_tag = kept.stop_id_tag
    transaction.samples = None if kept.samples is None else list(kept.samples)
    return transaction


def _refill(
    station: Station,
    kept: Kept,
    transactions: dict[int, Transaction],
    visits: dict[int, Visit],
    *,
    at_s: float,
) -> None:
    """Queue what was queued, in its order, with the attempts already made; what the station, which
    may speak another version now, has words for.
    """
    waiting: list[tuple[Message, int]] = []
    for one in kept.outbox:
        if isinstance(one, KeptEvent) is not visit_memory.tells(station):
            continue
        if isinstance(one, KeptEvent):
            waiting.append((visit_memory.event_of(one, visits[one.visit]), one.attempts))
            continue
        transaction = transactions[one.transaction]
        message: TransactionStarted | TransactionSampled | TransactionEnded
        match one:
            case KeptStart():
                message = TransactionStarted(transaction)
            case KeptSample():
                message = TransactionSampled(
                    transaction, one.reading, one.context, one.measurands, one.wall_s
                )
            case KeptStop():
                message = TransactionEnded(transaction)
        waiting.append((message, one.attempts))
    station.outbox.refill(waiting, due_s=at_s)


def _meter(spec: ElectricalSpec, known: KeptConnector) -> Meter:
    meter = Meter(spec, start_wh=known.start_wh)
    meter.delivered_wh, meter.integral_wh = known.delivered_wh, known.integral_wh
    meter.exported_wh = known.exported_wh
    return meter


def _restore(connector: Connector, known: KeptConnector, *, at_s: float) -> None:
    connector.meter = _meter(connector.meter.spec, known)
    connector.metered_s = at_s
    connector.inoperative = known.inoperative
    if known.error_code != NO_ERROR:
        connector.error_code, connector.error_info = known.error_code, known.error_info
        connector.move(Move.FAILED)
    elif known.inoperative:
        connector.move(Move.WITHDRAWN)


def _interrupt(
    station: Station, known: KeptConnector, transaction: Transaction, *, at_s: float
) -> None:
    """End a transaction that ran when power failed, where and when it was last known to run."""
    meter = _meter(station.spec.outlet(transaction.connector_id), known)
    wall_s = max(known.metered_wall_s, transaction.start_wall_s)
    if station.keeps_samples:
        reading = meter.reading(since_wh=known.sampled_wh)
        transaction.keep(wall_s, "Transaction.End", reading)
    transaction.end(reason=POWER_LOSS, stop_wh=meter.energy_wh, wall_s=wall_s, id_tag=None)
    station.effects.append(
        TransactionClosed(
            transaction.number,
            transaction.stop_wh - transaction.start_wh,
            known.integral_wh - transaction.start_integral_wh,
            POWER_LOSS,
        )
    )
    station.say(TransactionEnded(transaction), due_s=at_s)
