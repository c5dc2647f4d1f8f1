"""What a named charger shows of itself: the 28 keys of the simulator's REST API, in their order.

A charger is shown as it is at this moment, without being disturbed: the energy since its meter was
last advanced is found on a copy of the vehicle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec import Struct

from simfleet.clock import utc
from simfleet.station.connector import NO_ERROR
from simfleet.station.phase import Phase
from simfleet.station.registration import Registration
from simfleet.station.tokens import typed

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.memory import Kept
    from simfleet.station.station import Station

ChargerMode = Literal["off", "on", "autopilot", "manual"]
"""Nothing; be connected; play drivers; be connected, for sessions by REST."""
ChargerType = Literal["AC", "DC"]
AuthMode = Literal["rfid", "plug_and_charge"]

UNAVAILABLE: Final = Phase.UNAVAILABLE.value
"""The status of a charger without power: nobody can charge there."""


class ChargerState(Struct, frozen=True):
    """The full state of one charger; the fields are the API's, in its order.

    `status` and everything of a session are those of the connector that charges, else of connector
    1. A charger that is off, or without power, is "Unavailable"; one that is only offline shows
    what its connectors do, and `connected` says the rest. `backend_url` and `rfid_tag` are the
    charger's own, "" where it uses the user's default. `energy_delivered_wh` counts since the
    charger was made. The statuses are the nine of 1.6 in all versions, for 2.x has one word,
    Occupied, for five of them. `transaction_id` is the CSMS's in 1.6; in 2.x, where it is a text
    that the charger makes up, the transaction's number at the charger. Without a session
    `transaction_id` and `session_start` are null, the energies
    0.0 and the tag "". `session_start` is UTC, without a zone, in whole seconds.
    """

    chargepoint_id: str
    charger_type: ChargerType
    mode: ChargerMode
    status: str
    availability: Literal["Operative", "Inoperative"]
    current_power_kw: float
    energy_delivered_wh: float
    max_power_kw: float
    transaction_id: int | None
    connected: bool
    free_charging: bool
    num_connectors: int
    backend_url: str
    rfid_tag: str
    auth_mode: AuthMode
    pnc_emaid: str
    pnc_pcid: str
    pnc_certificate_hash: str
    ocpp_version: str
    charger_name: str
    error_code: str
    session_start: str | None
    session_energy_wh: float
    target_energy_wh: float
    session_id_tag: str
    remote_start: bool
    heartbeat_interval: int
    connector_status: dict[str, str]


class Definition(Struct, kw_only=True):
    """What its user made of a charger: everything but the mode and what its hardware keeps."""

    version: int = 1
    """Of this document, in the store."""
    charger_type: ChargerType
    max_power_kw: float
    num_connectors: int = 1
    ocpp_version: str = "1.6"
    auth_mode: AuthMode = "rfid"
    pnc_emaid: str = ""
    pnc_pcid: str = ""
    pnc_certificate_hash: str = ""
    configuration: dict[str, str] = {}
    """What it came out of the factory with; changes made later are the hardware's memory."""
    backend_url: str = ""
    rfid_tag: str = ""
    charger_name: str = ""
    free_charging: bool = False
    model: str = ""
    """Of the catalogue, or "": SimFleet's own. What is above wins over it."""


class _Session(NamedTuple):
    """The live part of the state."""

    status: str = UNAVAILABLE
    inoperative: bool = False
    error_code: str = NO_ERROR
    power_w: float = 0.0
    delivered_wh: float = 0.0
    transaction_id: int | None = None
    start: str | None = None
    energy_wh: float = 0.0
    target_wh: float = 0.0
    id_tag: str = ""
    remote_start: bool = False
    connected: bool = False
    heartbeat_s: int | None = None
    statuses: tuple[str, ...] = ()


def state_of(
    identity: str,
    definition: Definition,
    *,
    mode: ChargerMode,
    heartbeat_interval_s: int,
    station: Station | None,
    kept: Kept | None,
    at_s: float,
) -> ChargerState:
    """The state of a charger that runs (`station`), or of one that is off (`kept`, None: new).

    `heartbeat_interval_s` is the user's setting, shown until the CSMS has named another.
    """
    live = _resting(kept) if station is None else _running(station, at_s)
    count = definition.num_connectors
    statuses = live.statuses or (UNAVAILABLE,) * count
    return ChargerState(
        chargepoint_id=identity,
        charger_type=definition.charger_type,
        mode=mode,
        status=live.status,
        availability="Inoperative" if live.inoperative else "Operative",
        current_power_kw=round(live.power_w / 1000, 3),
        energy_delivered_wh=round(live.delivered_wh, 3),
        max_power_kw=definition.max_power_kw,
        transaction_id=live.transaction_id,
        connected=live.connected,
        free_charging=definition.free_charging,
        num_connectors=count,
        backend_url=definition.backend_url,
        rfid_tag=definition.rfid_tag,
        auth_mode=definition.auth_mode,
        pnc_emaid=definition.pnc_emaid,
        pnc_pcid=definition.pnc_pcid,
        pnc_certificate_hash=definition.pnc_certificate_hash,
        ocpp_version=definition.ocpp_version,
        charger_name=definition.charger_name,
        error_code=live.error_code,
        session_start=live.start,
        session_energy_wh=round(live.energy_wh, 3),
        target_energy_wh=round(live.target_wh, 3),
        session_id_tag=live.id_tag,
        remote_start=live.remote_start,
        heartbeat_interval=heartbeat_interval_s if live.heartbeat_s is None else live.heartbeat_s,
        connector_status={str(n): status for n, status in enumerate(statuses, start=1)},
    )


def _resting(kept: Kept | None) -> _Session:
    """A charger without power: what its hardware remembers."""
    if kept is None or not kept.connectors:
        return _Session()
    first = kept.connectors[0]
    return _Session(
        inoperative=kept.inoperative or first.inoperative,
        error_code=first.error_code,
        delivered_wh=sum(connector.delivered_wh for connector in kept.connectors),
    )


def _running(station: Station, at_s: float) -> _Session:
    shown = next(
        (connector for connector in station.connectors if connector.transaction is not None),
        None,
    ) or next(
        (connector for connector in station.connectors if connector.visit is not None),
        station.connectors[0],
    )
    ahead = [energy_ahead_wh(connector, at_s=at_s) for connector in station.connectors]
    phases = [UNAVAILABLE if station.dark else c.phase.value for c in station.connectors]
    session = _Session(
        status=phases[shown.id - 1],
        inoperative=station.inoperative or shown.inoperative,
        error_code=shown.error_code,
        power_w=sum(power_w for _, power_w in ahead),
        delivered_wh=sum(
            connector.meter.delivered_wh + more_wh
            for connector, (more_wh, _) in zip(station.connectors, ahead, strict=True)
        ),
        connected=station.online,
        statuses=tuple(phases),
        heartbeat_s=station.configuration.seconds("HeartbeatInterval")
        if station.registration is Registration.ACCEPTED
        else None,
    )
    transaction, visit = shown.transaction, shown.visit
    register_wh = shown.meter.energy_wh + ahead[shown.id - 1][0]
    if transaction is None:
        if visit is None:
            return session
        return session._replace(  # of 2.x: it began before the energy flows, or ends after
            transaction_id=visit.number,
            start=_naive(visit.start_wall_s),
            energy_wh=register_wh - visit.start_wh,
            id_tag=typed(visit.id_tag or "")[1],
        )
    target_wh = 0.0 if shown.target_wh is None else shown.target_wh - transaction.start_wh
    return session._replace(
        transaction_id=transaction.id if visit is None else visit.number,
        start=_naive(transaction.start_wall_s),
        energy_wh=register_wh - transaction.start_wh,
        target_wh=target_wh,
        id_tag=typed(transaction.id_tag)[1],
        remote_start=transaction.remote_start,
    )


def _naive(wall_s: float) -> str:
    return utc(wall_s).replace(tzinfo=None).isoformat(timespec="seconds")


def energy_ahead_wh(connector: Connector, *, at_s: float) -> tuple[float, float]:
    """Energy (Wh) since the meter was last advanced, and the power (W) now; changes nothing.

    A session whose target or limit has been reached, but which has not been told yet, shows no
    more than that.
    """
    vehicle = connector.vehicle
    if vehicle is None or connector.phase is not Phase.CHARGING:
        return 0.0, 0.0
    meter = connector.meter
    scout = vehicle.copy()
    limit_w = meter.spec.usable_w(connector.offered_w, vehicle)
    energy_wh = scout.advance(max(0.0, at_s - connector.metered_s), limit_w)
    for register_wh in (connector.target_wh, connector.limit_wh):
        if register_wh is not None:
            energy_wh = min(energy_wh, max(0.0, register_wh - meter.energy_wh))
    return energy_wh, scout.power_w(limit_w)
