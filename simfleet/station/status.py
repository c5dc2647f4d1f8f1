"""Telling the CSMS how a connector is (StatusNotification, OCPP 1.6 section 4.9).

Statuses are reported from the edge of the phase, so no path can forget one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.station import agenda
from simfleet.station.connector import NEVER_S, NO_ERROR
from simfleet.station.messages import StatusReport
from simfleet.station.phase import IMPOSSIBLE, Phase

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station


def moved(station: Station, connector: Connector, *, at_s: float) -> None:
    """Report a status after a change of phase or fault, unless it must first last
    (MinimumStatusDuration).
    """
    shown = station.dialect.shown
    if connector.reported == shown(connector.phase, connector.error_code):
        connector.status_due_s = NEVER_S
        connector.unreported = None
    elif connector.unreported is None or shown(connector.unreported, NO_ERROR) != shown(
        connector.phase, connector.error_code
    ):  # else it looks the same as what waits to be reported
        wait_s = station.configuration.seconds("MinimumStatusDuration")
        if wait_s and connector.error_code == NO_ERROR:
            _defer(station, connector, wait_s, at_s=at_s)
        else:
            report_status(station, connector, at_s=at_s)
    if station.inoperative:
        station_moved(station, at_s=at_s)
    if connector.autopilot is not None:
        connector.autopilot.moved(station, connector, at_s=at_s)
    if station.reservations is not None:
        station.reservations.settle(station, at_s=at_s)
    if station.availability is not None and station.availability.waits:
        agenda.at(station, agenda.Job.AVAILABILITY, at_s)
    if station.firmware is not None and station.firmware.waits_for_connectors:
        agenda.at(station, agenda.Job.FIRMWARE, at_s)


def _defer(station: Station, connector: Connector, wait_s: float, *, at_s: float) -> None:
    """Let a status last before it is reported. The one before it is reported all the same where
    leaving it out would show the CSMS a transition that no connector makes.
    """
    short, told = connector.unreported, connector.reported
    impossible = told is not None and (told[0], connector.phase) in IMPOSSIBLE
    if short is not None and impossible and station.may_report:
        connector.reported = station.dialect.shown(short, NO_ERROR)
        wall_s = station.wall_s(at_s)
        station.say(StatusReport(connector.id, short, NO_ERROR, "", wall_s), due_s=at_s)
    connector.unreported = connector.phase
    connector.status_due_s = at_s + wait_s


def station_moved(station: Station, *, at_s: float) -> None:
    """Report connector 0 when the station as a whole went out of service or came back."""
    if station.withdrawn is not station.reported_withdrawn and station.may_report:
        station.say(status_of_station(station, at_s=at_s), due_s=at_s)


def status_of_station(station: Station, *, at_s: float) -> StatusReport:
    """The status of connector 0: Available, Unavailable or Faulted and nothing else."""
    station.reported_withdrawn = station.withdrawn
    if station.error_code != NO_ERROR:
        phase = Phase.FAULTED
    else:
        phase = Phase.UNAVAILABLE if station.withdrawn else Phase.AVAILABLE
    return StatusReport(0, phase, station.error_code, "", station.wall_s(at_s))


def report_status(station: Station, connector: Connector, *, at_s: float) -> None:
    """Queue the status of a connector. Statuses of the time before registration are reported then,
    all at once.
    """
    connector.status_due_s = NEVER_S
    connector.unreported = None
    if not station.may_report:
        return
    connector.reported = station.dialect.shown(connector.phase, connector.error_code)
    station.say(status_of(station, connector, at_s=at_s), due_s=at_s)


def unsaid(station: Station) -> None:
    """The link is lost: what waited to be reported has not been."""
    for entry in station.outbox.ordinary:
        message = entry.message
        if isinstance(message, StatusReport) and message.connector_id:
            station.connectors[message.connector_id - 1].reported = None


def status_of(station: Station, connector: Connector, *, at_s: float) -> StatusReport:
    """The status of a connector now."""
    wall_s = station.wall_s(at_s)
    return StatusReport(
        connector.id, connector.phase, connector.error_code, connector.error_info, wall_s
    )
