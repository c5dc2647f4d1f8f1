"""Resets that do not come off (ResetRetries, OCPP 1.6 section 9.1), and those of OCPP 2.x, which
can wait, and can be for one EVSE.

Hardware that hangs does not go down when it is told to. It tries again ResetRetries times; after
that it says ResetFailure (connector 0) and stays up; the sessions that the reset has ended stay
ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from simfleet.station import agenda, availability, charging, status
from simfleet.station.configuration_keys2 import RESUMPTION
from simfleet.station.connector import NEVER_S, NO_ERROR
from simfleet.station.firmware_state import Stage
from simfleet.station.spec import SOFT_RESET_MAX_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simfleet.station.connector import Connector
    from simfleet.station.station import Station

RETRY_S: Final = 10.0
"""Pause before the next attempt."""
FAILURE: Final = "ResetFailure"
ALLOW_RESET: Final = "EVSE.AllowReset"
_BOOT_REASONS: Final = {
    "SoftReset": "RemoteReset",
    "ResumeReset": "RemoteReset",
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


def release(station: Station) -> None:
    """Attempts fail no more; one that was to be repeated still is."""
    if station.stuck is not None:
        station.stuck.failures = 0


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
    if station.faults is not None:
        station.faults.reset_failed(station, at_s=at_s)
    return True


def boot_reason(station: Station, reason: str) -> str:
    """What a boot after a reset for that reason will be put down to (BootReasonEnumType)."""
    update = None if station.firmware is None else station.firmware.update
    if update is not None and update.stage is Stage.REBOOTING:
        return "FirmwareUpdate"
    levels = station.availability
    if reason == "SoftReset" and levels is not None and levels.resets_station:
        return "ScheduledReset"
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


# ── OCPP 2.x ──────────────────────────────────────────────────────────────────────────────────────

When = Literal["Immediate", "OnIdle", "ImmediateAndResume"]


def request(
    station: Station, when: When, evse_id: int | None = None, *, at_s: float
) -> Literal["Accepted", "Rejected", "Scheduled"]:
    """Answer Reset (2.0.1 B11, B12): Immediate ends what goes on, OnIdle waits for it, and until
    then no other session begins. With an EVSE, which exists, that one alone starts anew, if it can
    (AllowReset). ImmediateAndResume (2.1) goes down at once, transactions go on after the boot; not
    where they cannot (TxCtrlr.ResumptionTimeout).
    """
    if evse_id is not None and not station.configuration.flag(ALLOW_RESET):
        return "Rejected"
    if station.reset_deadline_s != NEVER_S:
        return "Accepted"  # on its way down already
    if when == "ImmediateAndResume":
        if evse_id is not None or not station.configuration.seconds(RESUMPTION):
            return "Rejected"
        station.reboot("ResumeReset", at_s=at_s)
        return "Accepted"
    levels = availability.of(station)
    chosen = station.connectors if evse_id is None else [station.connectors[evse_id - 1]]
    if when == "OnIdle" and any(availability.in_use(connector) for connector in chosen):
        if evse_id is None:
            levels.resets_station = True
        else:
            levels.resets_evses.add(evse_id)
        _keep_free(station, chosen, at_s=at_s)
        return "Scheduled"
    end_sessions(station, chosen, at_s=at_s)
    if evse_id is None:
        levels.resets_station = False
        _go_down(station, at_s=at_s)
    else:
        _restart_evse(station, evse_id, at_s=at_s)
    return "Accepted"


def end_sessions(station: Station, chosen: Iterable[Connector], *, at_s: float) -> None:
    """End what goes on there: sessions, and transactions that have none (any more)."""
    for connector in chosen:
        if connector.transaction is not None:
            charging.end(station, connector, reason="SoftReset", at_s=at_s)
        station.dialect.accounts.gone_dark(station, connector, reason="SoftReset", at_s=at_s)


def settle(station: Station, _: int, /, *, at_s: float) -> None:
    """A session may have ended that a change of availability or a reset has waited for: a job of
    the agenda.
    """
    availability.settle(station, at_s=at_s)
    levels = availability.of(station)
    for evse_id in sorted(levels.resets_evses):
        if not availability.in_use(station.connectors[evse_id - 1]):
            levels.resets_evses.discard(evse_id)
            _restart_evse(station, evse_id, at_s=at_s)
    idle = not any(availability.in_use(connector) for connector in station.connectors)
    if levels.resets_station and idle and station.reset_deadline_s == NEVER_S:
        _go_down(station, at_s=at_s)


def _go_down(station: Station, *, at_s: float) -> None:
    """Reboot as soon as the CSMS knows of all transactions."""
    station.reset_deadline_s = at_s + SOFT_RESET_MAX_S


def _restart_evse(station: Station, evse_id: int, *, at_s: float) -> None:
    """One EVSE is down for as long as the station would be; the station itself stays up."""
    _keep_free(station, [station.connectors[evse_id - 1]], at_s=at_s)
    agenda.at(station, agenda.Job.EVSE_RESET, at_s + station.spec.reboot_s, key=evse_id)


def evse_restarted(station: Station, evse_id: int, /, *, at_s: float) -> None:
    """An EVSE is up again: a job of the agenda."""
    levels = availability.of(station)
    if not levels.resets_station:
        levels.resetting.discard(evse_id)
    availability.follow(station, station.connectors[evse_id - 1], at_s=at_s)


def _keep_free(station: Station, chosen: Iterable[Connector], *, at_s: float) -> None:
    """No session begins there before the reset is over."""
    for connector in chosen:
        availability.of(station).resetting.add(connector.id)
        availability.follow(station, connector, at_s=at_s)
