"""What each entry of the agenda does when it is due: one row per job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from simfleet.station import (
    battery_swap,
    certificates,
    charging,
    cost_changes,
    der_controls,
    diagnostics,
    dynamic_profiles,
    energy_commands,
    ev_needs,
    faults,
    firmware,
    plug_and_charge,
    publishing,
    reservations,
    resets,
    security,
    smart_charging,
    visit_meter,
    watching,
)
from simfleet.station.agenda import Job, take_due

if TYPE_CHECKING:
    from simfleet.station.station import Station


class _Work(Protocol):
    def __call__(self, station: Station, key: int, /, *, at_s: float) -> None: ...


JOBS: Final[dict[Job, _Work]] = {
    Job.CERTIFICATE: certificates.due,
    Job.FIRMWARE: firmware.due,
    Job.LOG: diagnostics.due,
    Job.PUBLISH: publishing.due,
    Job.OCSP: plug_and_charge.ocsp_due,
    Job.LIMITS: smart_charging.limits_due,
    Job.PROFILE_UPDATE: dynamic_profiles.due,
    Job.PROFILE_OFFLINE: smart_charging.away_for_long,
    Job.SCHEDULE_WAIT: ev_needs.waited,
    Job.GRID_SIGNAL: energy_commands.signal_due,
    Job.DER_CONTROL: der_controls.look,
    Job.RESERVATION: reservations.expire,
    Job.RESET: resets.again,
    Job.AVAILABILITY: resets.settle,
    Job.EVSE_RESET: resets.evse_restarted,
    Job.SECURITY_EVENT: security.send_again,
    Job.MONITOR: watching.due,
    Job.FAULT: faults.due,
    Job.TRANSACTION_LIMIT: charging.time_up,
    Job.RUNNING_COST: cost_changes.running,
    Job.BATTERY_SWAP: battery_swap.due,
    Job.ENDED_SAMPLE: visit_meter.sample,
    Job.ALIGNED_ENDED_SAMPLE: visit_meter.sample_aligned,
}


def do_due(station: Station, *, at_s: float) -> bool:
    """Do all that is due. False: the station has gone down over it."""
    for job, key in take_due(station, at_s=at_s):
        JOBS[job](station, key, at_s=at_s)
    return not station.dark
