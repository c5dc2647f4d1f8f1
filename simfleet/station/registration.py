"""Boot, heartbeat and the clock (OCPP 1.6 sections 4.2 and 4.6).

Until the CSMS has accepted the station, only BootNotification goes out, at the pace the CSMS asks
for and never in a busy loop. A reconnect without a reboot sends no BootNotification.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

from simfleet.station import charging, security, status, watching
from simfleet.station.configuration_keys2 import OFFLINE_THRESHOLD
from simfleet.station.effects import Registered
from simfleet.station.messages import Beat, Boot, Message
from simfleet.station.timing import on_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.station.station import Station

NEVER_S: Final = float("inf")
CLOCK_TOLERANCE_S: Final = 1.0
"""A clock this close to the CSMS's is left alone, so that samples one interval apart are stamped
so.
"""
BEATS_CATCH_UP_MAX: Final = 100
INTERVAL_MAX_S: Final = 2**31 - 1
"""The longest HeartbeatInterval; a boot answer may name a longer one."""
WALL_MAX_S: Final = 8000 * 365.25 * 86_400
"""A clock beyond this (in the year 9970) could run out of four-digit years."""


class Registration(Enum):
    """What the CSMS has said to our BootNotification."""

    UNKNOWN = "unknown"
    PENDING = "Pending"
    REJECTED = "Rejected"
    ACCEPTED = "Accepted"


def connected(station: Station, *, at_s: float) -> None:
    """The link is up: boot, or (booted before) say how the connectors are."""
    if station.registration is Registration.ACCEPTED:
        quirks = station.spec.quirks
        boots_again = quirks is not None and quirks.boots_on_reconnect
        report_everything(
            station,
            at_s=at_s,
            after=[Boot()] if boots_again else [],
            changed_only=_was_away_shortly(station, at_s=at_s),
        )
        if station.heartbeat_due_s < at_s:
            station.heartbeat_due_s = at_s  # one overdue while offline
    elif station.boot_due_s == NEVER_S or station.boot_due_s <= at_s:
        boot(station, due_s=at_s)  # else the CSMS has asked for a pause, new connection or not


def _was_away_shortly(station: Station, *, at_s: float) -> bool:
    """Whether only what has changed while offline needs to be told (2.0.1 B04)."""
    if station.dialect.tells_all_on_reconnect:
        return False
    return at_s - station.offline_since_s <= station.configuration.seconds(OFFLINE_THRESHOLD)


def boot(station: Station, *, due_s: float, triggered: bool = False) -> None:
    """Queue a BootNotification, once; `triggered` by the CSMS."""
    station.boot_due_s = NEVER_S
    if not any(isinstance(entry.message, Boot) for entry in station.outbox.ordinary):
        station.say(Boot(triggered), due_s=due_s, triggered=True)


def boot_answered(
    station: Station,
    status: Literal["Accepted", "Pending", "Rejected"],
    *,
    interval_s: float,
    csms_wall_s: float,
    at_s: float,
) -> None:
    """The CSMS has answered. `interval_s` 0 or less means the station's own default."""
    station.effects.append(Registered(status, interval_s))
    station.conversation.silent = status == "Rejected"
    if status != "Accepted":
        station.registration = Registration(status)
        station.boot_due_s = at_s + (interval_s if interval_s > 0 else station.spec.boot_retry_s)
        return
    again = (
        station.registration is Registration.ACCEPTED
    )  # a triggered BootNotification changes nothing else
    station.registration = Registration.ACCEPTED
    station.boot_due_s = NEVER_S
    sync_clock(station, csms_wall_s, at_s=at_s)
    if interval_s > 0:
        interval_s = min(round(interval_s), INTERVAL_MAX_S)
        station.configuration.store("HeartbeatInterval", str(interval_s))
    restart_heartbeat(station, at_s=at_s)
    if again:
        return
    report_everything(station, at_s=at_s)
    station.dialect.accounts.accepted(station, at_s=at_s)
    security.started(station, at_s=at_s)
    align(station, at_s=at_s)
    for connector in station.connectors:
        if (
            connector.autopilot is not None
            and connector.autopilot.due_s == NEVER_S
            and not connector.charging
        ):
            connector.autopilot.arrive(station, at_s=at_s)


def boot_failed(station: Station, *, at_s: float) -> None:
    """An error or no answer: try again after the station's own pause."""
    if station.registration is not Registration.ACCEPTED:
        station.boot_due_s = at_s + station.spec.boot_retry_s


def report_everything(
    station: Station,
    *,
    at_s: float,
    after: Sequence[Message] = (),
    changed_only: bool = False,
) -> None:
    """StatusNotification for the station (connector 0) and every connector, ahead of all that
    waits, but `after` these.
    """
    reports: list[Message] = [*after, status.status_of_station(station, at_s=at_s)]
    for connector in station.connectors:
        shown = station.dialect.shown(connector.phase, connector.error_code)
        connector.status_due_s = NEVER_S
        connector.unreported = None
        if changed_only and connector.reported == shown:
            continue
        connector.reported = shown
        reports.append(status.status_of(station, connector, at_s=at_s))
    station.outbox.put_first(reports, due_s=at_s)
    if station.security is not None:
        security.listened_to(station, at_s=at_s)


# ── heartbeat and clock ───────────────────────────────────────────────────────────────────────────


def restart_heartbeat(station: Station, *, at_s: float) -> None:
    """HeartbeatInterval is new. The first beat falls anywhere in the interval, so a fleet does not
    beat as one.
    """
    interval_s = station.configuration.seconds("HeartbeatInterval")
    if not interval_s:
        station.heartbeat_due_s = NEVER_S
        return
    station.heartbeat_due_s = on_step(at_s + interval_s * (1.0 - station.chance.random()))


def beat(station: Station, *, at_s: float) -> None:
    """Queue the heartbeats that are due. Each counts from its own time: a frozen CSMS is not spared
    the rest.
    """
    interval_s = station.configuration.seconds("HeartbeatInterval")
    if not interval_s:
        station.heartbeat_due_s = NEVER_S
        return
    for _ in range(BEATS_CATCH_UP_MAX):
        due_s = station.heartbeat_due_s
        if due_s > at_s:
            break
        station.say(Beat(), due_s=due_s)
        station.heartbeat_due_s = due_s + interval_s


def sync_clock(station: Station, csms_wall_s: float, *, at_s: float) -> None:
    """Set the station's clock from the CSMS's currentTime. A time from which no calendar can count
    on is no time.
    """
    if not 0 <= csms_wall_s <= WALL_MAX_S:
        return
    if station.faults is not None and station.faults.skewed:
        return
    if abs(station.wall_s(at_s) - csms_wall_s) > CLOCK_TOLERANCE_S:
        by_s = csms_wall_s - station.wall_s(at_s)
        station.clock_offset_s = csms_wall_s - at_s
        clock_moved(station, at_s=at_s)
        security.clock_set(station, by_s, at_s=at_s)


def clock_moved(station: Station, *, at_s: float) -> None:
    """The station's clock shows another time: find anew what hangs on the time of day."""
    align(station, at_s=at_s)
    charging.apply_limits(station, at_s=at_s)
    if station.reservations is not None:
        station.reservations.arm(station, at_s=at_s)
    if station.monitors is not None:
        watching.clock_moved(station, at_s=at_s)


# ── clock-aligned meter values ────────────────────────────────────────────────────────────────────


def align(station: Station, *, at_s: float) -> None:
    """Find the next multiple of ClockAlignedDataInterval since midnight UTC (OCPP 1.6 section
    9.1.3).
    """
    interval_s = station.configuration.seconds("ClockAlignedDataInterval")
    if not interval_s:
        station.aligned_due_s = NEVER_S
        return
    wall_s = station.wall_s(at_s)
    midnight_s = wall_s - wall_s % 86_400
    next_s = (math.floor((wall_s - midnight_s) / interval_s) + 1) * interval_s
    station.aligned_due_s = at_s + (midnight_s + min(next_s, 86_400) - wall_s)
