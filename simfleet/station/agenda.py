"""The rarely used timers of a station: limits that change, reservations that expire, firmware.

Most stations never need one, so the agenda is None until the first entry, and the station looks at
`agenda_due_s` alone. What is due is done by the functions of `jobs.JOBS`. Entries outlive a reboot:
what fell due while the station was dark is done at its first tick afterwards.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simfleet.station.station import Station

NEVER_S: Final = float("inf")


class Job(StrEnum):
    """What an entry is about."""

    LIMITS = "limits"  # a charging schedule moves on
    PROFILE_UPDATE = "profile update"  # a dynamic one is asked for; key: its id
    PROFILE_OFFLINE = "profile offline"  # the CSMS was away for too long for some
    SCHEDULE_WAIT = "schedule wait"  # no profile came for a vehicle; key: connector
    GRID_SIGNAL = "grid signal"  # one that was sent ahead becomes active
    DER_CONTROL = "DER control"  # a scheduled one starts or ends
    RESERVATION = "reservation"  # one expires; key: reservationId
    FIRMWARE = "firmware"  # the next step of an update
    LOG = "log"  # the next step of an upload
    PUBLISH = "publish"  # the next step of firmware for others
    OCSP = "ocsp"  # certificates of the V2G chain are asked about again
    CERTIFICATE = "certificate"  # a CSR is asked for again, a certificate ends
    SECURITY_EVENT = "security event"  # one that was refused is sent again
    RESET = "reset"  # one that did not come off is tried again
    AVAILABILITY = "availability"  # a session is over that a change of it, or a reset, waits for
    EVSE_RESET = "EVSE reset"  # one is over; key: the EVSE
    TRANSACTION_LIMIT = "transaction limit"  # maxTime of a transaction (2.1); key: connector
    RUNNING_COST = "running cost"  # it is told; key: connector
    BATTERY_SWAP = "battery swap"  # nobody has put one in, or taken one out
    ENDED_SAMPLE = "ended sample"  # a reading that the Ended event will bring; key: connector
    ALIGNED_ENDED_SAMPLE = "aligned ended sample"  # the same by the clock; key: connector
    MONITOR = "monitor"  # one fires, or looks again; key: its id
    FAULT = "fault"  # a fault on purpose ends, a held answer leaves


Entry = tuple[Job, int]
"""What it is about, and which one of that kind."""


def at(station: Station, job: Job, due_s: float, *, key: int = 0) -> None:
    """Do a job then (monotonic seconds), instead of when it was to be done so far."""
    if station.agenda is None:
        station.agenda = {}
    station.agenda[job, key] = due_s
    _look(station)


def cancel(station: Station, job: Job, *, key: int = 0) -> None:
    """Do not do a job after all; nothing happens if it was not to be done."""
    if station.agenda is not None and station.agenda.pop((job, key), None) is not None:
        _look(station)


def due_s(station: Station, job: Job, *, key: int = 0) -> float:
    """When a job is to be done; infinity is never."""
    return NEVER_S if station.agenda is None else station.agenda.get((job, key), NEVER_S)


def take_due(station: Station, *, at_s: float) -> list[Entry]:
    """Take out what is due, the oldest first."""
    if station.agenda is None:
        return []
    entries = [(moment_s, entry) for entry, moment_s in station.agenda.items() if moment_s <= at_s]
    entries.sort(key=lambda one: one[0])
    for _, entry in entries:
        del station.agenda[entry]
    _look(station)
    return [entry for _, entry in entries]


def _look(station: Station) -> None:
    if not station.agenda:
        station.agenda = None
        station.agenda_due_s = NEVER_S
    else:
        station.agenda_due_s = min(station.agenda.values())
