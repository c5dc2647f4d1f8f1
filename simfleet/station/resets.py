"""Resets that do not come off (ResetRetries, OCPP 1.6 section 9.1).

Hardware that hangs does not go down when it is told to. It tries again ResetRetries times; after
that it says ResetFailure (connector 0) and stays up; the sessions that the reset has ended stay
ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.station import agenda, status
from simfleet.station.connector import NO_ERROR
from simfleet.station.firmware_state import Stage

if TYPE_CHECKING:
    from simfleet.station.station import Station

RETRY_S: Final = 10.0
"""Pause before the next attempt."""
FAILURE: Final = "ResetFailure"
_BOOT_REASONS: Final = {
    "SoftReset": "RemoteReset",
    "HardReset": "RemoteReset",
    "ScheduledReset": "ScheduledReset",
    "Watchdog": "Watchdog",
}
"""Why a station went down, in 1.6's words and ours, and what 2.x calls it."""


class Stuck:
    """What hinders the resets of a station (`Station.stuck`): so many attempts still fail."""

    __slots__ = ("failures", "reason", "tries")

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tries = 0
        """Attempts made for the reset that goes on."""
        self.reason = ""


def hinder(station: Station, times: int) -> None:
    """Let the next `times` attempts fail; 0 or less: none any more."""
    agenda.cancel(station, agenda.Job.RESET)
    station.stuck = Stuck(times) if times > 0 else None


def sticks(station: Station, reason: str, *, at_s: float) -> bool:
    """Whether this attempt to go down fails. Then another one follows, or it is given up."""
    stuck = station.stuck
    if stuck is None:
        return False
    agenda.cancel(station, agenda.Job.RESET)
    if not stuck.failures:
        station.stuck = None
        if station.error_code == FAILURE:
            station.error_code = NO_ERROR
        return False
    stuck.failures -= 1
    if stuck.tries < station.configuration.whole("ResetRetries"):
        stuck.tries += 1
        stuck.reason = reason
        agenda.at(station, agenda.Job.RESET, at_s + RETRY_S)
    else:
        stuck.tries = 0
        _report(station, at_s=at_s)
    return True


def boot_reason(station: Station, reason: str) -> str:
    """What a boot after a reset for that reason will be put down to (BootReasonEnumType)."""
    update = None if station.firmware is None else station.firmware.update
    if update is not None and update.stage is Stage.REBOOTING:
        return "FirmwareUpdate"
    return _BOOT_REASONS.get(reason, "LocalReset")


def _report(station: Station, *, at_s: float) -> None:
    station.error_code = FAILURE
    if station.may_report:
        station.say(status.status_of_station(station, at_s=at_s), due_s=at_s)
    if station.reservations is not None:
        station.reservations.settle(station, at_s=at_s)


def again(station: Station, _: int, /, *, at_s: float) -> None:
    """The next attempt is due: the job of the agenda."""
    if station.stuck is not None:
        station.reboot(station.stuck.reason, at_s=at_s)
