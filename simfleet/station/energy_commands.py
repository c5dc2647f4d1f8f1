"""What a CSMS of OCPP 2.1 can say about the energy of a transaction, beside charging profiles:
priority (K21, K22), signals of the grid, and the allowed energy transfer (block Q).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from simfleet.errors import Refused
from simfleet.station import agenda, charging, der_controls, external_limits, visits
from simfleet.station.agenda import Job
from simfleet.station.allotment import profiles_of
from simfleet.station.charging_profiles import Profiles, Purpose
from simfleet.station.energy import of
from simfleet.station.energy_events import (
    EnergyEvent,
    FrequencyMeasured,
    GridFaulted,
    LimitImposed,
    LimitReleased,
    PriorityPressed,
    SetpointGiven,
)
from simfleet.station.energy_messages import PriorityTold
from simfleet.station.limits import GRACE_S, said_at

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station

YesNo = Literal["Accepted", "Rejected"]


# ── priority ──────────────────────────────────────────────────────────────────────────────────────


def use_priority(
    station: Station, transaction_id: str, *, activate: bool, at_s: float
) -> Literal["Accepted", "Rejected", "NoProfile"]:
    """Answer UsePriorityCharging (K21)."""
    visit = visits.of_id(station, transaction_id)
    if visit is None:
        return "Rejected"
    connector = station.connectors[visit.connector_id - 1]
    if not _has_priority_profile(station, connector):
        return "NoProfile"
    _set_priority(station, connector, activate=activate, at_s=at_s)
    return "Accepted"


def _has_priority_profile(station: Station, connector: Connector) -> bool:
    return any(
        profile.purpose is Purpose.PRIORITY and profile.connector_id in (0, connector.id)
        for profile in station.profiles or ()
    )


def _set_priority(station: Station, connector: Connector, *, activate: bool, at_s: float) -> None:
    assert connector.visit is not None
    energy = of(station)
    if activate:
        energy.priority |= {connector.visit.number}
    else:
        energy.priority -= {connector.visit.number}
    charging.apply_limits(station, at_s=at_s)


def _pressed(station: Station, event: PriorityPressed, *, at_s: float) -> None:
    """Priority by the driver's own choice: the CSMS is told (K22)."""
    connector = station.connector(event.connector_id)
    if connector.visit is None:
        raise Refused(f"no transaction runs on connector {connector.id}")
    if not _has_priority_profile(station, connector):
        raise Refused(f"{station.identity} has no profile for priority charging")
    if of(station).goes_first(connector) == event.activate:
        return
    _set_priority(station, connector, activate=event.activate, at_s=at_s)
    station.say(PriorityTold(connector.visit.id, event.activate), due_s=at_s)


# ── both directions ───────────────────────────────────────────────────────────────────────────────


def take_signal(station: Station, signal: int, *, wall_s: float, at_s: float) -> YesNo:
    """Answer AFRRSignal: somebody must be following such signals now, in the operation mode
    CentralFrequency. One that is for later waits until then.
    """
    if not any(_follows_signals(station, connector, at_s) for connector in station.connectors):
        return "Rejected"
    energy = of(station)
    due_s = at_s + wall_s - station.wall_s(at_s)
    if due_s > at_s:
        energy.signal_next = signal
        agenda.at(station, Job.GRID_SIGNAL, due_s)
        return "Accepted"
    agenda.cancel(station, Job.GRID_SIGNAL)
    energy.signal = signal
    charging.apply_limits(station, at_s=at_s)
    return "Accepted"


def signal_due(station: Station, key: int = 0, *, at_s: float) -> None:
    """A signal that was sent ahead becomes active."""
    energy = of(station)
    energy.signal, energy.signal_next = energy.signal_next, None
    charging.apply_limits(station, at_s=at_s)


def _follows_signals(station: Station, connector: Connector, at_s: float) -> bool:
    transaction = connector.transaction
    if transaction is None:
        return False
    own = profiles_of(station, station.profiles or Profiles(), connector)
    said = said_at(
        own,
        station.wall_s(at_s) + GRACE_S,
        session_wall_s=station.wall_s(transaction.start_at_s),
    )
    return any(
        one.flow is not None and one.flow.mode == "CentralFrequency" and one.flow.signal_curve
        for one in said
    )


def grant_transfer(
    station: Station, connector_id: int, id_tag: str, modes: frozenset[str] | None
) -> None:
    """What AuthorizeResponse says that a tag may do there (Q01): it holds for the session that the
    tag begins, until `allow_transfer` says otherwise. None: nothing is said.
    """
    if modes is not None:
        of(station).granted[connector_id] = (id_tag, modes)
    elif station.energy is not None:
        station.energy.granted.pop(connector_id, None)


def allow_transfer(
    station: Station, transaction_id: str, modes: frozenset[str], *, at_s: float
) -> YesNo:
    """Answer NotifyAllowedEnergyTransfer (Q02): Rejected when there is no such transaction, or
    nothing to choose from, since the vehicle gives nothing back.
    """
    visit = visits.of_id(station, transaction_id)
    if visit is None or station.configuration.get("V2XChargingCtrlr.Enabled") != "true":
        return "Rejected"
    vehicle = station.connectors[visit.connector_id - 1].vehicle
    if vehicle is None or vehicle.spec.max_discharge_w <= 0.0:
        return "Rejected"
    of(station).allowed[visit.number] = modes
    charging.apply_limits(station, at_s=at_s)
    return "Accepted"


# ── what happens at the site ──────────────────────────────────────────────────────────────────────


def happen(station: Station, event: EnergyEvent, *, at_s: float) -> None:
    """Let one of these events happen. Raises `Refused`, and changes nothing, when it cannot."""
    match event:
        case LimitImposed():
            external_limits.impose(station, event, at_s=at_s)
        case LimitReleased():
            external_limits.release(station, event, at_s=at_s)
        case SetpointGiven(connector_id, power_w):
            station.connector(connector_id)
            if power_w is None:
                of(station).setpoints_w.pop(connector_id, None)
            else:
                of(station).setpoints_w[connector_id] = power_w
            charging.apply_limits(station, at_s=at_s)
        case FrequencyMeasured(frequency_hz):
            if frequency_hz <= 0.0:
                raise Refused(f"a grid has a frequency above 0, not {frequency_hz}")
            of(station).frequency_hz = frequency_hz
            charging.apply_limits(station, at_s=at_s)
        case PriorityPressed():
            _pressed(station, event, at_s=at_s)
        case GridFaulted():
            der_controls.alarm(station, event, at_s=at_s)
