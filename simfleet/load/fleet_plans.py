"""From a scenario's slices to the plans of its chargers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from simfleet.errors import ScenarioInvalid
from simfleet.fleet.plan import ChargerPlan
from simfleet.load.slice_models import factory_of, wanted_of
from simfleet.models.model import ChargerModel
from simfleet.station.meter import ElectricalSpec
from simfleet.station.spec import Habits, StationSpec
from simfleet.station.vehicle import vehicles_for

if TYPE_CHECKING:
    from simfleet.load.schema1 import Behaviour, Scenario, Slice
    from simfleet.station.configuration import FactorySettings


def plans_of(scenario: Scenario) -> list[ChargerPlan]:
    """The chargers of a scenario, in the order they are started.

    Slices are interleaved in proportion to their counts, so that a fleet that is half up has half
    of each. Raises `ScenarioInvalid` for configuration values that no station accepts.
    """
    made = [
        (part, spec_of(part, slice_habits(part, scenario)), _factory_of(part))
        for part in scenario.fleet
    ]
    order = sorted(
        ((n + 0.5) / part.count, position, n)
        for position, (part, _, _) in enumerate(made)
        for n in range(part.count)
    )
    plans = []
    for index, (_, position, n) in enumerate(order):
        part, spec, factory = made[position]
        plans.append(
            ChargerPlan(
                part.identity(n + 1),
                index,
                scenario.seed,
                part.name,
                spec,
                factory,
                id_tag=_cell(part, "id_tag", n),
                keyed=_is_keyed(scenario, part, factory),
                password=_cell(part, "password", n) or part.password,
            )
        )
    return plans


def _cell(part: Slice, name: str, n: int) -> str | None:
    """What the data of a slice says of its charger number `n`, from 0, if it does."""
    column = () if part.data is None else part.data.rows.column(name)
    return column[n] if column else None


def _is_keyed(scenario: Scenario, part: Slice, factory: FactorySettings) -> bool:
    """Whether each charger gets a password of its own: only the embedded CSMS can know it."""
    return (
        part.security_profile in (1, 2)
        and part.password is None
        and scenario.target.url == "embedded"
        and scenario.target.password is None
        and factory.values.get("AuthorizationKey") == ""
    )


def habits_of(behaviour: Behaviour) -> Habits:
    """What the drivers do."""
    return Habits(
        think_time_s=behaviour.think_time_s,
        pause_s=behaviour.pause_s,
        energy_wh=behaviour.energy_wh,
        dwell_s=behaviour.dwell_s,
    )


def slice_habits(part: Slice, scenario: Scenario) -> Habits:
    """What the drivers of a slice do, and the tags they have."""
    habits = habits_of(scenario.behaviour if part.behaviour is None else part.behaviour)
    if part.id_tags is None:
        return habits
    return replace(habits, id_tags=part.id_tags.all(part.count))


def spec_of(part: Slice, habits: Habits) -> StationSpec:
    """What all chargers of a slice share."""
    times = {name: getattr(part, name) for name in ("reboot_s", "install_s")}
    given = {name: time_s for name, time_s in times.items() if time_s is not None}
    return replace(_spec_of(part, habits), transfers=part.transfers, **given)


def _spec_of(part: Slice, habits: Habits) -> StationSpec:
    if isinstance(part.model, ChargerModel):
        spec = part.model.spec(wanted_of(part))
        return replace(spec, version=part.version, habits=habits)
    return StationSpec(
        electrical=ElectricalSpec.of(part.type, max_power_w=part.max_power_w),
        vehicles=vehicles_for(part.type),
        version=part.version,
        vendor=part.vendor,
        model=part.model,
        connectors=part.connectors,
        habits=habits,
    )


def configuration_of(part: Slice) -> dict[str, str]:
    """The configuration keys that a slice sets; its security profile is one, unless it says so."""
    if part.security_profile:
        return {"SecurityProfile": str(part.security_profile)} | part.configuration
    return part.configuration


def _factory_of(part: Slice) -> FactorySettings:
    try:
        return factory_of(part.model, wanted_of(part), configuration_of(part), version=part.version)
    except ValueError as wrong:
        where = f"fleet slice {part.name!r}: configuration"
        raise ScenarioInvalid([f"{where}: {line}" for line in str(wrong).splitlines()]) from None
