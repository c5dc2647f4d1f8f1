"""The readings of a transaction of OCPP 2.x: those that go out in its course, and those that its
Ended event brings together (2.0.1 J02: TxEndedInterval of SampledDataCtrlr and AlignedDataCtrlr).

With an interval of 0 the Ended event has the first reading and the last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from simfleet.station import agenda
from simfleet.station.agenda import Job
from simfleet.station.configuration_keys2 import (
    ALIGNED_ENDED_INTERVAL,
    ALIGNED_ENDED_MEASURANDS,
    ENDED_INTERVAL,
    ENDED_MEASURANDS,
)
from simfleet.station.connector import NEVER_S
from simfleet.station.messages import Measured
from simfleet.station.timing import on_step

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.meter import Reading
    from simfleet.station.station import Station
    from simfleet.station.visit import Visit


def begin(station: Station, connector: Connector, visit: Visit, *, at_s: float) -> Reading:
    """The first reading; the others follow in their time."""
    configuration = station.configuration
    reading = connector.reading()
    measurands = configuration.measurands(ENDED_MEASURANDS)
    if measurands:
        visit.keep(Measured(station.wall_s(at_s), reading, "Transaction.Begin", measurands))
        interval_s = configuration.seconds(ENDED_INTERVAL)
        if interval_s:
            agenda.at(station, Job.ENDED_SAMPLE, on_step(at_s + interval_s), key=connector.id)
    _align(station, connector, at_s=at_s)
    interval_s = configuration.sampling.interval_s
    connector.sampled_wh = reading.energy_wh
    connector.sample_due_s = on_step(at_s + interval_s) if interval_s else NEVER_S
    return reading


def end(station: Station, connector: Connector) -> None:
    """The last reading was taken."""
    connector.sample_due_s = NEVER_S
    if station.agenda is not None:
        for job in (Job.ENDED_SAMPLE, Job.ALIGNED_ENDED_SAMPLE, Job.TRANSACTION_LIMIT):
            agenda.cancel(station, job, key=connector.id)


def sample(station: Station, key: int, /, *, at_s: float) -> None:
    """A reading for the Ended event is due: the job of the agenda."""
    connector = station.connectors[key - 1]
    measurands = station.configuration.measurands(ENDED_MEASURANDS)
    _keep(station, connector, "Sample.Periodic", measurands, at_s=at_s)
    interval_s = station.configuration.seconds(ENDED_INTERVAL)
    if interval_s:
        agenda.at(station, Job.ENDED_SAMPLE, at_s + interval_s, key=key)


def sample_aligned(station: Station, key: int, /, *, at_s: float) -> None:
    """The same on the multiple of an interval since midnight: the job of the agenda."""
    connector = station.connectors[key - 1]
    measurands = station.configuration.measurands(ALIGNED_ENDED_MEASURANDS)
    _keep(station, connector, "Sample.Clock", measurands, at_s=at_s)
    _align(station, connector, at_s=at_s)


def _keep(
    station: Station,
    connector: Connector,
    context: str,
    measurands: tuple[str, ...],
    *,
    at_s: float,
) -> None:
    visit = connector.visit
    if visit is None or not measurands:
        return
    connector.meter_to(max(at_s, connector.metered_s))
    wall_s = station.wall_s(at_s)
    if context == "Sample.Clock":
        wall_s = round(wall_s)
    visit.keep(Measured(wall_s, connector.reading(), context, measurands))


def _align(station: Station, connector: Connector, *, at_s: float) -> None:
    interval_s = station.configuration.seconds(ALIGNED_ENDED_INTERVAL)
    if not interval_s or not station.configuration.measurands(ALIGNED_ENDED_MEASURANDS):
        return
    wall_s = station.wall_s(at_s)
    midnight_s = wall_s - wall_s % 86_400
    next_s = (math.floor((wall_s - midnight_s + 1e-3) / interval_s) + 1) * interval_s
    due_s = at_s + (midnight_s + min(next_s, 86_400) - wall_s)
    agenda.at(station, Job.ALIGNED_ENDED_SAMPLE, due_s, key=connector.id)
