"""Telling the CSMS how a connector is (StatusNotification, OCPP 1.6 section 4.9).

Statuses are reported from the edge of the phase, so no path can forget one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.station.connector import NEVER_S, NO_ERROR
from simfleet.station.messages import StatusReport

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.station import Station


def moved(station: Station, connector: Connector, *, at_s: float) -> None:
    """Report a status after a change of phase or fault, unless it must first last
    (MinimumStatusDuration).
    """
    if connector.reported == (connector.phase, connector.error_code):
        connector.status_due_s = NEVER_S
    else:
        wait_s = station.configuration.seconds("MinimumStatusDuration")
        if wait_s and connector.error_code == NO_ERROR:
            connector.status_due_s = at_s + wait_s
        else:
            report_status(station, connector, at_s=at_s)
    if connector.autopilot is not None:
        connector.autopilot.moved(station, connector, at_s=at_s)


def report_status(station: Station, connector: Connector, *, at_s: float) -> None:
    """Queue the status of a connector. Statuses of the time before registration are reported then,
    all at once.
    """
    connector.status_due_s = NEVER_S
    if not station.may_report:
        return
    connector.reported = (connector.phase, connector.error_code)
    station.say(status_of(station, connector, at_s=at_s), due_s=at_s)


def status_of(station: Station, connector: Connector, *, at_s: float) -> StatusReport:
    """The status of a connector now."""
    wall_s = station.wall_s(at_s)
    return StatusReport(
        connector.id, connector.phase, connector.error_code, connector.error_info, wall_s
    )
