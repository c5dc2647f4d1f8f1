"""What the CSMS of OCPP 2.x can make a station do from afar, where that is not as in 1.6
(`commands`): start, stop, unlock and triggers (2.0.1 part 2, block F).

EVSE n of a station is its connector n, and has no other. Functions return the status that the CSMS
is told; the reason codes beside it are those of part 2, appendix 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from simfleet.station import charging, commands, registration, status, visits
from simfleet.station.messages import Beat, MeterSampled
from simfleet.station.phase import Phase
from simfleet.station.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.station.charging_profiles import Profile
    from simfleet.station.commands import YesNo
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station
    from simfleet.station.visit import Visit


class Place(NamedTuple):
    """What a command is about. `connector_id` None: the EVSE."""

    evse_id: int
    connector_id: int | None


def unknown(station: Station, place: Place) -> Literal["", "UnknownEvse", "UnknownConnectorId"]:
    """The reason code of a place that the station does not have."""
    if not 1 <= place.evse_id <= len(station.connectors):
        return "UnknownEvse"
    return "" if place.connector_id in (None, 1) else "UnknownConnectorId"


# ── start and stop ────────────────────────────────────────────────────────────────────────────────


def start(
    station: Station,
    id_tag: str,
    evse_id: int | None,
    *,
    remote_start_id: int,
    group: str | None,
    profile: Profile | None,
    at_s: float,
) -> tuple[YesNo, str | None]:
    """Answer RequestStartTransaction (F01, F02). With Accepted comes the id of the transaction that
    the cable has started already, if it has.
    """
    before = [connector.visit for connector in station.connectors]
    answer = commands.remote_start(
        station,
        id_tag,
        evse_id,
        at_s=at_s,
        profile=profile,
        remote_start_id=remote_start_id,
        group=group,
    )
    if answer == "Accepted":
        for connector, visit in zip(station.connectors, before, strict=True):
            started = connector.transaction or connector
            if visit is not None and started.remote_start_id == remote_start_id:
                return answer, visit.id
    return answer, None


def stop(station: Station, transaction_id: str, *, at_s: float) -> YesNo:
    """Answer RequestStopTransaction (F03). The session in that transaction ends, or the tag that
    waits in it is forgotten; whether the transaction ends with it is for the stop points to say.
    """
    visit: Visit | None = visits.of_id(station, transaction_id)
    if visit is None or station.registration is not Registration.ACCEPTED:
        return "Rejected"
    connector = station.connectors[visit.connector_id - 1]
    if connector.transaction is not None:
        return commands.remote_stop_visit(station, visit, at_s=at_s)
    visit.stop_reason = "Remote"
    connector.forget_tag()
    visits.happened(station, connector, "RemoteStop", at_s=at_s, reason="Remote")
    if connector.phase is Phase.PREPARING and not connector.plugged:
        charging.release(station, connector, at_s=at_s)
    return "Accepted"


def unlock(
    station: Station, connector: Connector, *, at_s: float
) -> Literal["Unlocked", "UnlockFailed", "OngoingAuthorizedTransaction"]:
    """Answer UnlockConnector (F05). Not while somebody charges who may; where a tag was refused and
    its transaction goes on, that ends.
    """
    transaction = connector.transaction
    if connector.authorized_tag is not None or (
        transaction is not None and not transaction.deauthorized
    ):
        return "OngoingAuthorizedTransaction"
    answer = commands.unlock(station, connector.id, at_s=at_s)
    return "Unlocked" if answer == "Unlocked" else "UnlockFailed"


# ── triggers ──────────────────────────────────────────────────────────────────────────────────────


def trigger(
    station: Station, message: str, place: Place | None, *, at_s: float
) -> Literal["Accepted", "Rejected", "NotImplemented"]:
    """Answer TriggerMessage (F06) for a place that exists, None: everywhere. What other blocks have
    to say is triggered there.
    """
    chosen = station.connectors if place is None else [station.connectors[place.evse_id - 1]]
    match message:
        case "BootNotification":
            if station.registration is Registration.ACCEPTED:
                return "Rejected"  # F06.FR.17
            station.boot_reason = "Triggered"
            registration.boot(station, due_s=at_s)
        case "Heartbeat":
            station.say(Beat(), due_s=at_s, triggered=True)
        case "StatusNotification":
            if place is None or place.connector_id is None:
                return "Rejected"  # F06.FR.12
            report = status.status_of(station, chosen[0], at_s=at_s)
            station.say(report, due_s=at_s, triggered=True)
        case "MeterValues":
            _tell_meters(station, chosen, at_s=at_s)
        case "TransactionEvent":
            return _tell_transactions(station, chosen, at_s=at_s)
        case _:
            return "NotImplemented"
    return "Accepted"


def _tell_meters(station: Station, chosen: Sequence[Connector], *, at_s: float) -> None:
    """MeterValues of each EVSE, whether it is in a transaction or not (F06.FR.06)."""
    measurands = station.configuration.measurands("MeterValuesAlignedData")
    for connector in chosen:
        connector.meter_to(at_s)
        sampled = MeterSampled(
            connector.id, connector.reading(), "Trigger", measurands, station.wall_s(at_s)
        )
        station.say(sampled, due_s=at_s, triggered=True)


def _tell_transactions(
    station: Station, chosen: Sequence[Connector], *, at_s: float
) -> Literal["Accepted", "Rejected"]:
    """A TransactionEvent Updated of each transaction, with its state and a reading (F06.FR.07)."""
    running = [connector for connector in chosen if connector.visit is not None]
    for connector in running:
        assert connector.visit is not None
        connector.visit.state = ""  # so that it is told, new or not
        connector.meter_to(at_s)
        station.dialect.accounts.sampled(
            station,
            connector,
            connector.reading(),
            context="Trigger",
            measurands=station.configuration.sampling.measurands,
            due_s=at_s,
        )
    return "Accepted" if running else "Rejected"
