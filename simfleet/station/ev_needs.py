"""Vehicles that talk to the station (ISO 15118): they tell what they need, the CSMS sends a
profile, and they say how they will charge (2.0.1 part 2, K15 to K17).

No energy flows before the vehicle has a schedule, for its ChargeParameterDiscovery is not over. It
waits for the TxProfile of a CSMS that has Accepted its needs, but not longer than WAIT_MAX_S since
it told them (K15.FR.08); Processing and Rejected, and a CSMS that is away, mean that it charges
with what there is. A profile that comes later, or another one, is a new schedule in a session that
goes on meanwhile (K16).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.station import agenda, charging, smart_charging
from simfleet.station.agenda import Job
from simfleet.station.charging_profiles import Profiles, Purpose, Refusal
from simfleet.station.energy import of
from simfleet.station.energy_flow import may_give
from simfleet.station.energy_messages import NeedsTold, ScheduleChosen

if TYPE_CHECKING:
    from simfleet.station.charging_profiles import Profile
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station
    from simfleet.station.vehicle import VehicleSpec

HORIZON_S: Final = 86_400
"""How far ahead a vehicle plans."""
WAIT_MAX_S: Final = 60.0
"""How long a vehicle waits for its schedule (V2G_EVCC_Ongoing_Timeout of ISO 15118-2)."""
_LEAST_A: Final = 6.0


def announce(station: Station, connector: Connector, *, at_s: float) -> None:
    """The vehicle tells its needs at the start of its session (K15.FR.01)."""
    vehicle, transaction = connector.vehicle, connector.transaction
    if vehicle is None or transaction is None or not vehicle.spec.iso15118:
        return
    outlet = station.spec.outlet(connector.id)
    spec = vehicle.spec
    dc = outlet.kind == "DC"
    volts = spec.pack_v if dc else outlet.nominal_v
    phases = 1 if dc else outlet.phases_used(vehicle)
    energy_wh = vehicle.room_wh
    if connector.target_wh is not None:
        energy_wh = min(energy_wh, connector.target_wh - connector.meter.energy_wh)
    energy = of(station)
    energy.needs |= {connector.id}
    if station.may_report:
        _wait(station, connector, at_s=at_s)
    station.say(
        NeedsTold(
            connector_id=connector.id,
            transfer=_transfer(spec, dc=dc, phases=phases),
            dc=dc,
            energy_wh=max(0.0, energy_wh),
            max_a=vehicle.peak_w / (volts * phases),
            least_a=_LEAST_A,
            max_v=volts,
            max_w=vehicle.peak_w,
            battery_wh=spec.battery_wh,
            soc=vehicle.soc,
            give_w=spec.max_discharge_w if may_give(station, connector) else 0.0,
            wall_s=station.wall_s(at_s),
            transaction=transaction.number,
        ),
        due_s=at_s,
    )


def _transfer(spec: VehicleSpec, *, dc: bool, phases: int) -> str:
    if dc:
        return "DC"
    return "AC_three_phase" if phases == 3 else "AC_single_phase"


def _wait(station: Station, connector: Connector, *, at_s: float) -> None:
    of(station).waiting |= {connector.id}
    if station.profiles is None:
        station.profiles = Profiles()  # from now on limits are looked at
    agenda.at(station, Job.SCHEDULE_WAIT, at_s + WAIT_MAX_S, key=connector.id)


def _go(station: Station, connector: Connector, *, schedule_id: int, at_s: float) -> None:
    """The vehicle has a schedule, and energy may flow."""
    energy = of(station)
    if connector.id in energy.waiting:
        energy.waiting -= {connector.id}
        agenda.cancel(station, Job.SCHEDULE_WAIT, key=connector.id)
        charging.apply_limits(station, at_s=at_s)
    choose(station, connector, schedule_id=schedule_id, at_s=at_s)


def answered(station: Station, told: NeedsTold, status: str, *, at_s: float) -> None:
    """What the CSMS made of it. Accepted promises a profile; otherwise the vehicle plans with what
    there is (K15.FR.04, K15.FR.05).
    """
    connector = station.connectors[told.connector_id - 1]
    transaction = connector.transaction
    if transaction is None or transaction.number != told.transaction:
        return
    if status != "Accepted":
        _go(station, connector, schedule_id=0, at_s=at_s)


def waited(station: Station, key: int = 0, *, at_s: float) -> None:
    """No profile has come for the vehicle at connector `key`: it plans with what there is."""
    connector = station.connectors[key - 1]
    if connector.transaction is not None and key in of(station).waiting:
        _go(station, connector, schedule_id=0, at_s=at_s)


def too_early(station: Station, profile: Profile) -> Refusal | None:
    """A TxProfile for a vehicle that will tell its needs and has not yet (K15.FR.17)."""
    if profile.purpose is not Purpose.TX:
        return None
    if not 1 <= profile.connector_id <= len(station.connectors):
        return None  # which is wrong for another reason
    connector = station.connectors[profile.connector_id - 1]
    vehicle = connector.vehicle
    if vehicle is None or not vehicle.spec.iso15118 or connector.transaction is not None:
        return None
    return Refusal("InvalidMessageSeq", "the vehicle has not told its needs yet")


def profile_came(station: Station, profile: Profile, *, at_s: float) -> None:
    """A TxProfile for a vehicle that has told its needs: it plans with the first schedule."""
    energy = station.energy
    if energy is None or profile.connector_id not in energy.needs:
        return
    connector = station.connectors[profile.connector_id - 1]
    if connector.transaction is not None:
        _go(station, connector, schedule_id=profile.schedule.id, at_s=at_s)


def choose(station: Station, connector: Connector, *, schedule_id: int, at_s: float) -> None:
    """The vehicle says how it will charge: as much as it may."""
    vehicle = connector.vehicle
    composite = smart_charging.composite_schedule(
        station, connector.id, duration_s=HORIZON_S, unit="W", at_s=at_s
    )
    if vehicle is not None and composite is not None:
        planned = smart_charging.at_most(composite, vehicle.peak_w)
        station.say(ScheduleChosen(connector.id, planned, schedule_id), due_s=at_s)
