"""From a definition to a station: the model of a named charger, and the vehicles that come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import structs

from simfleet.fleet.charger_rules import factory_settings, subprotocol_of, wanted_of
from simfleet.station.memory import Kept, recall
from simfleet.station.meter import ElectricalSpec
from simfleet.station.spec import StationSpec
from simfleet.station.station import Station
from simfleet.station.vehicle import VehicleSpec, vehicles_for

if TYPE_CHECKING:
    from simfleet.fleet.charger_state import ChargerType, Definition
    from simfleet.models.model import ChargerModel
    from simfleet.station.chance import Chance

ROOM: Final = 1.25
"""A vehicle that comes for a target has more room than that: its curve falls near full."""
ARRIVAL_SOC: Final = 0.2


def spec_of(definition: Definition, model: ChargerModel | None) -> StationSpec:
    """The kind of charger that a definition describes; `model` is the one that it names."""
    if model is not None:
        spec = model.spec(wanted_of(definition, model))
        return structs.replace(
            spec,
            version=subprotocol_of(definition),
            free_charging=definition.free_charging,
        )
    kind = definition.charger_type
    return StationSpec(
        electrical=ElectricalSpec.of(kind, max_power_w=definition.max_power_kw * 1000.0),
        vehicles=vehicles_for(kind),
        version=subprotocol_of(definition),
        connectors=definition.num_connectors,
        free_charging=definition.free_charging,
    )


def station_of(
    identity: str,
    definition: Definition,
    model: ChargerModel | None,
    *,
    kept: Kept | None,
    id_tag: str,
    heartbeat_s: int,
    chance: Chance,
    wall_offset_s: float,
    at_s: float,
) -> Station:
    """The station, fresh from the factory (`kept` None), or as its hardware remembers itself."""
    station = Station(
        identity,
        spec_of(definition, model),
        factory_settings(definition, model, heartbeat_s=heartbeat_s),
        chance=chance,
        wall_offset_s=wall_offset_s,
        id_tag=id_tag,
    )
    if kept is not None:
        recall(station, kept, at_s=at_s)
    return station


def with_other_firmware(kept: Kept) -> Kept:
    """What is left in the hardware when it comes to speak another version: the meters, the
    settings, what it was told of tags and certificates. Reservations, charging profiles and what
    was still to be told of transactions are gone: they are in the old version's words.
    """
    return Kept(
        configuration=kept.configuration,
        inoperative=kept.inoperative,
        error_code=kept.error_code,
        connectors=[structs.replace(one, running=None) for one in kept.connectors],
        transaction_count=kept.transaction_count,
        tokens=kept.tokens,
        security=kept.security,
        message_id_prefix=kept.message_id_prefix,
        message_id_count=kept.message_id_count,
    )


def vehicle_with_room(
    energy_wh: float, kind: ChargerType, *, chance: Chance
) -> tuple[VehicleSpec, float]:
    """A vehicle, and its state of charge, that can take so much energy before it is full."""
    roomy = [
        spec
        for spec in vehicles_for(kind)
        if spec.battery_wh * (1.0 - ARRIVAL_SOC) >= energy_wh * ROOM
    ]
    if roomy:
        return chance.choice(roomy), ARRIVAL_SOC
    largest = max(vehicles_for(kind), key=lambda spec: spec.battery_wh)
    battery_wh = energy_wh * ROOM / (1.0 - ARRIVAL_SOC)
    return structs.replace(largest, name="truck", battery_wh=battery_wh), ARRIVAL_SOC
