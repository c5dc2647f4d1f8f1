"""Meter values outside the rhythm of a transaction: clock-aligned and triggered (OCPP 1.6 sections
3.16, 5.17).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.station import charging, registration
from simfleet.station.configuration_keys2 import DURING_IDLE
from simfleet.station.effects import Dropped
from simfleet.station.messages import MeterSampled
from simfleet.station.meter import Meter, Reading

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station


def take_aligned(station: Station, *, at_s: float) -> None:
    """The clock-aligned reading of the whole station and of every connector, also of idle ones."""
    due_s = station.aligned_due_s
    measurands = station.configuration.measurands("MeterValuesAlignedData")
    wall_s = round(station.wall_s(due_s))  # on the second, by definition
    silent = station.configuration.get(DURING_IDLE) == "true" and any(
        one.visit is not None for one in station.connectors
    )
    if station.may_report and measurands:
        if not silent:
            total = of_station(station, at_s=due_s)
            station.say(MeterSampled(0, total, "Sample.Clock", measurands, wall_s), due_s=due_s)
        for connector in station.connectors:
            if not silent and not station.dialect.accounts.counts(connector):
                reading = connector.reading(since_wh=connector.aligned_wh)
                station.say(
                    MeterSampled(connector.id, reading, "Sample.Clock", measurands, wall_s),
                    due_s=due_s,
                )
            connector.aligned_wh = connector.meter.energy_wh
    elif measurands:
        station.effects.append(Dropped("MeterValues", "link_lost"))
    for connector in station.connectors:
        if station.dialect.accounts.counts(connector):
            if measurands and not silent:
                charging.sample(
                    station, connector, due_s=due_s, context="Sample.Clock", measurands=measurands
                )
            if connector.transaction and station.configuration.get("StopTxnAlignedData"):
                connector.transaction.keep(wall_s, "Sample.Clock", connector.reading())
    registration.align(station, at_s=max(at_s, due_s))


def take_triggered(station: Station, connector: Connector, *, at_s: float) -> None:
    """A reading the CSMS asked for."""
    measurands = station.configuration.measurands("MeterValuesSampledData")
    if station.dialect.accounts.counts(connector):
        charging.sample(station, connector, due_s=at_s, context="Trigger", measurands=measurands)
        return
    message = MeterSampled(
        connector.id, connector.reading(), "Trigger", measurands, station.wall_s(at_s)
    )
    station.say(message, due_s=at_s, triggered=True)


def of_station(station: Station, *, at_s: float) -> Reading:
    """What a main meter ahead of all connectors would show: their registers and powers added up."""
    readings = []
    for connector in station.connectors:
        if at_s > connector.metered_s:
            connector.meter_to(at_s)
        readings.append(connector.reading())
    idle = Meter(station.spec.electrical).reading()
    return Reading(
        kind=idle.kind,
        outlet_phases=idle.outlet_phases,
        phases=idle.phases,
        energy_wh=sum(reading.energy_wh for reading in readings),
        interval_wh=0,
        power_w=sum(reading.power_w for reading in readings),
        current_a=sum(reading.current_a for reading in readings),
        voltage_v=idle.voltage_v,
        soc_percent=None,
        offered_w=sum(reading.offered_w for reading in readings),
        offered_a=sum(reading.offered_a for reading in readings),
        temperature_c=max(reading.temperature_c for reading in readings),
        frequency_hz=idle.frequency_hz,
        exported_wh=sum(reading.exported_wh for reading in readings),
        exported_w=sum(reading.exported_w for reading in readings),
    )
