"""What the CSMS can make a station do, in domain words; dialects translate (OCPP 1.6 chapter 5).

Each function returns the status the CSMS is told. The answer leaves before anything that follows
from it, because what follows waits in the outbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from simfleet.station import (
    authorization,
    certificates,
    charging,
    credentials,
    diagnostics,
    firmware,
    firmware_state,
    metering,
    registration,
    status,
)
from simfleet.station.messages import (
    Beat,
    DiagnosticsStatus,
    FirmwareStatus,
    LogStatus,
    SignedFirmwareStatus,
    StatusReport,
)
from simfleet.station.phase import Move, Phase
from simfleet.station.registration import Registration
from simfleet.station.timing import on_step

if TYPE_CHECKING:
    from simfleet.station.charging_profiles import Profile
    from simfleet.station.connector import Connector
    from simfleet.station.messages import Message
    from simfleet.station.station import Station
    from simfleet.station.visit import Visit

YesNo = Literal["Accepted", "Rejected"]


# ── sessions ──────────────────────────────────────────────────────────────────────────────────────


def remote_start(
    station: Station,
    id_tag: str,
    connector_id: int | None,
    *,
    at_s: float,
    profile: Profile | None = None,
    remote_start_id: int | None = None,
    group: str | None = None,
) -> YesNo:
    """Start for a tag on a connector (None: the station picks a free one). `profile` will limit the
    transaction; it has passed `smart_charging.may_promise`. `remote_start_id` is the CSMS's number
    of it, `group` the tag's parent as far as the CSMS has named it (2.x).
    """
    if (
        station.registration is not Registration.ACCEPTED
        or station.reset_deadline_s != registration.NEVER_S
        or station.leaving  # nobody would be there to end it
    ):
        return "Rejected"
    asks = station.configuration.flag("AuthorizeRemoteTxRequests") and authorization.needs_asking(
        station, id_tag
    )
    connector = _connector_to_start(
        station, id_tag, connector_id, asks=asks, group=group, at_s=at_s
    )
    if connector is None:
        return "Rejected"
    connector.remote_start_id, connector.parent_id_tag = remote_start_id, group
    connector.start_profile = None if profile is None else (id_tag, profile)
    connector.remote_start = True
    if asks:
        claim = authorization.reserved_for(
            station, connector, id_tag, at_s=at_s, parent_id_tag=group
        )
        surely = claim == "ask"
        authorization.authorize(station, connector, id_tag, surely=surely, at_s=at_s, remote=True)
    else:
        known = authorization.known_of(station, id_tag, at_s=at_s)
        parent_id_tag = group if known is None else known.parent_id_tag or group
        authorization.accept_tag(
            station, connector, id_tag, parent_id_tag=parent_id_tag, at_s=at_s, remote=True
        )
    return "Accepted"


def _connector_to_start(
    station: Station,
    id_tag: str,
    connector_id: int | None,
    *,
    asks: bool,
    group: str | None,
    at_s: float,
) -> Connector | None:
    """The connector asked for, or one that the station picks: first one that is reserved for the
    tag. `asks`: the CSMS will be asked about the tag, so its parent need not be known yet.
    """
    if connector_id is not None and not 1 <= connector_id <= len(station.connectors):
        return None
    candidates = (
        station.connectors if connector_id is None else [station.connectors[connector_id - 1]]
    )
    free: list[Connector] = []
    for connector in candidates:
        waiting = connector.remote_start or connector.authorized_tag or connector.tag_pending
        if waiting or connector.inoperative:
            continue
        if connector.phase is Phase.RESERVED:
            claim = authorization.reserved_for(
                station, connector, id_tag, at_s=at_s, parent_id_tag=group
            )
            if claim == "yes" or (claim == "ask" and asks):
                return connector
        elif connector.free:
            free.append(connector)
    return free[0] if free else None


def remote_stop(station: Station, transaction_id: int, *, at_s: float) -> YesNo:
    """Stop a transaction that runs here."""
    if station.registration is not Registration.ACCEPTED:
        return "Rejected"
    for connector in station.connectors:
        transaction = connector.transaction
        if transaction is not None and transaction.id == transaction_id:
            charging.end(station, connector, reason="Remote", at_s=at_s)
            return "Accepted"
    return "Rejected"


def remote_stop_visit(station: Station, visit: Visit, *, at_s: float) -> YesNo:
    """Stop the session in a transaction of 2.x; the stop points say whether that ends it."""
    connector = station.connectors[visit.connector_id - 1]
    if connector.transaction is None:
        return "Rejected"
    charging.end(station, connector, reason="Remote", at_s=at_s)
    return "Accepted"


def unlock(
    station: Station, connector_id: int, *, at_s: float
) -> Literal["Unlocked", "UnlockFailed", "NotSupported"]:
    """Open the lock of a connector; a transaction there ends. A cable of the station's own has no
    lock.
    """
    if not 1 <= connector_id <= len(station.connectors):
        return "NotSupported"
    connector = station.connectors[connector_id - 1]
    if not charging.has_lock(station, connector):
        return "NotSupported"
    if connector.lock_fails:
        if station.faults is not None:
            station.faults.lock_failed(station, connector_id, at_s=at_s)
        return "UnlockFailed"
    if connector.transaction is not None:
        charging.end(station, connector, reason="UnlockCommand", at_s=at_s)
    elif connector.held is not None:
        charging.let_go(station, connector, at_s=at_s)
    return "Unlocked"


# ── availability ──────────────────────────────────────────────────────────────────────────────────


def change_availability(
    station: Station, connector_id: int, *, operative: bool, at_s: float
) -> Literal["Accepted", "Rejected", "Scheduled"]:
    """Take a connector (0: station and all connectors) in or out of service, now or when its
    session is over.
    """
    if not 0 <= connector_id <= len(station.connectors):
        return "Rejected"
    chosen = station.connectors if connector_id == 0 else [station.connectors[connector_id - 1]]
    if connector_id == 0:
        station.inoperative = not operative
    scheduled = [_set_operative(station, connector, operative, at_s=at_s) for connector in chosen]
    status.station_moved(station, at_s=at_s)
    return "Scheduled" if any(scheduled) else "Accepted"


def _set_operative(station: Station, connector: Connector, operative: bool, *, at_s: float) -> bool:
    """Returns whether the change has to wait for the end of a session, or of a firmware update."""
    if station.firmware is not None and firmware.keeps_withdrawn(
        station, connector.id, operative=operative
    ):
        return True
    connector.inoperative = not operative
    if operative:
        if connector.phase is Phase.UNAVAILABLE:
            connector.move(Move.OCCUPIED if connector.plugged else Move.OFFERED)
            status.moved(station, connector, at_s=at_s)
        return False
    if connector.phase in (Phase.AVAILABLE, Phase.FINISHING, Phase.RESERVED):
        connector.forget_tag()
        connector.move(Move.WITHDRAWN)
        status.moved(station, connector, at_s=at_s)
        return False
    return connector.charging or connector.phase is Phase.PREPARING


# ── configuration ─────────────────────────────────────────────────────────────────────────────────


def change_configuration(
    station: Station, key: str, value: str, *, at_s: float
) -> Literal["Accepted", "Rejected", "RebootRequired", "NotSupported"]:
    """Set a key; timers that hang on it follow at once."""
    folded = key.lower()
    if folded == "securityprofile":
        return credentials.change_profile(station, value, at_s=at_s)
    status = station.configuration.change(key, value)
    if status == "Accepted":
        match folded:
            case "authorizationkey":
                credentials.key_changed(station, at_s=at_s)
            case "heartbeatinterval":
                interval_s = station.configuration.seconds("HeartbeatInterval")
                station.heartbeat_due_s = (
                    on_step(at_s + interval_s) if interval_s else registration.NEVER_S
                )
            case "metervaluesampleinterval":
                charging.restart_sampling(station, at_s=at_s)
            case "clockaligneddatainterval":
                registration.align(station, at_s=at_s)
    return status


def clear_cache(station: Station) -> YesNo:
    """Forget what is known of tags; Rejected where there is no cache."""
    if not station.configuration.flag("AuthorizationCacheEnabled"):
        return "Rejected"
    station.tokens.clear()
    return "Accepted"


# ── triggers ──────────────────────────────────────────────────────────────────────────────────────


def trigger(
    station: Station, message: str, connector_id: int | None, *, at_s: float
) -> Literal["Accepted", "Rejected", "NotImplemented"]:
    """Send a message the CSMS asks for, exactly that; no connector means all that the message is
    about.
    """
    if connector_id is not None and not 0 <= connector_id <= len(station.connectors):
        return "Rejected"
    match message:
        case "BootNotification":
            registration.boot(station, due_s=at_s, triggered=True)
        case "Heartbeat":
            station.say(Beat(), due_s=at_s, triggered=True)
        case "StatusNotification":
            for report in _statuses(station, connector_id, at_s=at_s):
                station.say(report, due_s=at_s, triggered=True)
        case "MeterValues":
            chosen = (
                station.connectors if not connector_id else [station.connectors[connector_id - 1]]
            )
            for connector in chosen:
                connector.meter_to(at_s)
                metering.take_triggered(station, connector, at_s=at_s)
        case _:
            return _trigger_maintenance(station, message, at_s=at_s)
    return "Accepted"


def _trigger_maintenance(
    station: Station, message: str, *, at_s: float
) -> Literal["Accepted", "NotImplemented"]:
    if not station.configuration.supports("FirmwareManagement"):
        return "NotImplemented"
    match message:
        case "DiagnosticsStatusNotification":
            report: Message = DiagnosticsStatus(diagnostics.diagnostics_status(station))
        case "FirmwareStatusNotification":
            report = FirmwareStatus(firmware_state.status_of(station, signed=False)[0])
        case _:
            return "NotImplemented"
    station.say(report, due_s=at_s, triggered=True)
    return "Accepted"


def extended_trigger(
    station: Station, message: str, connector_id: int | None, *, at_s: float
) -> Literal["Accepted", "Rejected", "NotImplemented"]:
    """As `trigger`, with what the security whitepaper has added; FirmwareStatusNotification is
    that of signed updates.
    """
    if connector_id is not None and not 0 <= connector_id <= len(station.connectors):
        return "Rejected"
    match message:
        case "LogStatusNotification":
            log = LogStatus(*diagnostics.log_status(station))
            station.say(log, due_s=at_s, triggered=True)
        case "FirmwareStatusNotification":
            signed = SignedFirmwareStatus(*firmware_state.status_of(station, signed=True))
            station.say(signed, due_s=at_s, triggered=True)
        case "SignChargePointCertificate":
            return certificates.ask(station, at_s=at_s)
        case _:
            return trigger(station, message, connector_id, at_s=at_s)
    return "Accepted"


def _statuses(station: Station, connector_id: int | None, *, at_s: float) -> list[StatusReport]:
    everything = [
        status.status_of_station(station, at_s=at_s),
        *(status.status_of(station, connector, at_s=at_s) for connector in station.connectors),
    ]
    return everything if connector_id is None else [everything[connector_id]]
