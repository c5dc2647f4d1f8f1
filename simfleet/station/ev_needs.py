"""Vehicles that talk to the station (ISO 15118): they tell what they need, the CSMS sends a
profile, and they say how they will charge (2.0.1 part 2, K15 to K17).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.station import smart_charging
from simfleet.station.energy import of
from simfleet.station.energy_messages import NeedsTold, ScheduleChosen

if TYPE_CHECKING:
    from simfleet.station.charging_profiles import Profile
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station
    from simfleet.station.vehicle import VehicleSpec

HORIZON_S = 86_400
"""How far ahead a vehicle plans."""
_LEAST_A = 6.0


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
    of(station).needs |= {connector.id}
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
            give_w=spec.max_discharge_w,
            wall_s=station.wall_s(at_s),
            transaction=transaction.number,
        ),
        due_s=at_s,
    )


def _transfer(spec: VehicleSpec, *, dc: bool, phases: int) -> str:
    if dc:
        return "DC"
    return "AC_three_phase" if phases == 3 else "AC_single_phase"


def answered(station: Station, told: NeedsTold, status: str, *, at_s: float) -> None:
    """What the CSMS made of it. Accepted and Processing promise a profile; without one the vehicle
    plans with what there is (K15.FR.07).
    """
    connector = station.connectors[told.connector_id - 1]
    transaction = connector.transaction
    if transaction is None or transaction.number != told.transaction:
        return
    if status not in ("Accepted", "Processing"):
        choose(station, connector, schedule_id=0, at_s=at_s)


def profile_came(station: Station, profile: Profile, *, at_s: float) -> None:
    """A TxProfile for a vehicle that has told its needs: it plans with the first schedule."""
    energy = station.energy
    if energy is None or profile.connector_id not in energy.needs:
        return
    connector = station.connectors[profile.connector_id - 1]
    if connector.transaction is not None:
        choose(station, connector, schedule_id=profile.schedule.id, at_s=at_s)


def choose(station: Station, connector: Connector, *, schedule_id: int, at_s: float) -> None:
    """The vehicle says how it will charge: as much as it may."""
    vehicle = connector.vehicle
    composite = smart_charging.composite_schedule(
        station, connector.id, duration_s=HORIZON_S, unit="W", at_s=at_s
    )
    if vehicle is not None and composite is not None:
        planned = smart_charging.at_most(composite, vehicle.peak_w)
        station.say(ScheduleChosen(connector.id, planned, schedule_id), due_s=at_s)


def over(station: Station, connector: Connector) -> None:
    """Its session has ended."""
    if station.energy is not None:
        station.energy.needs -= {connector.id}
