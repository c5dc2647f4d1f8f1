"""DER controls (OCPP 2.1, block R): settings for vehicles that feed the grid, as inverters of
distributed energy resources have them.

A default control is in force always; a scheduled one from its start for its duration, and then goes
before the default. Of several of one type the one with the lowest priority number counts, the
newest among equals; the others are superseded. What they set is kept and told; the one that changes
active power here is LimitMaxDischarge (`energy_flow.discharge_share`), since the grid of a
simulated station has its nominal voltage and frequency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec.structs import replace

from simfleet.errors import Refused
from simfleet.station import agenda, charging
from simfleet.station.agenda import Job
from simfleet.station.configuration_keys_energy import DER_MODES
from simfleet.station.energy import of
from simfleet.station.energy_messages import ControlMoved, ControlsTold, DerAlarmTold

if TYPE_CHECKING:
    from simfleet.station.energy import Control
    from simfleet.station.energy_events import GridFaulted
    from simfleet.station.station import Station

Status = Literal["Accepted", "Rejected", "NotSupported", "NotFound"]
NEVER_S: Final = float("inf")
CONTROLS_MAX: Final = 100
"""Controls that a station keeps."""
CONTROLS_PER_REPORT: Final = 10


def supported(station: Station, control_type: str) -> bool:
    """Whether there can be such a control here."""
    return station.configuration.get(
        "V2XChargingCtrlr.Enabled"
    ) == "true" and control_type in station.configuration.items(DER_MODES)


def put(station: Station, control: Control, *, at_s: float) -> tuple[Status, tuple[str, ...]]:
    """Answer SetDERControl (R04): the status, and the ids of the controls that it supersedes.

    One with the same id is replaced. A default has no time of its own; one whose end has passed
    comes too late.
    """
    if not supported(station, control.type):
        return "NotSupported", ()
    wall_s = station.wall_s(at_s)
    timed = control.start_wall_s is not None or control.end_wall_s is not None
    late = control.end_wall_s is not None and control.end_wall_s <= wall_s
    if (control.default and timed) or late:
        return "Rejected", ()
    energy = of(station)
    others = tuple(one for one in energy.controls if one.id != control.id)
    if len(others) >= CONTROLS_MAX:
        return "Rejected", ()
    before = {one.id for one in energy.controls if one.superseded}
    energy.controls = _ranked((*others, control))
    superseded = tuple(
        one.id for one in energy.controls if one.superseded and one.id not in {*before, control.id}
    )
    look(station, at_s=at_s)
    charging.apply_limits(station, at_s=at_s)
    return "Accepted", superseded


def _ranked(controls: tuple[Control, ...]) -> tuple[Control, ...]:
    """With those marked that others of their type and kind go before; of equals the newest, which
    is the last.
    """
    best: dict[tuple[str, bool], Control] = {}
    for one in controls:
        known = best.get((one.type, one.default))
        apart = known is not None and not _meet(known, one)
        if known is None or (one.priority <= known.priority and not apart):
            best[one.type, one.default] = one
    ranked = []
    for one in controls:
        first = best[one.type, one.default]
        ranked.append(replace(one, superseded=first is not one and _meet(first, one)))
    return tuple(ranked)


def _meet(one: Control, other: Control) -> bool:
    """Whether there is a time at which both would be in force."""
    return (one.start_wall_s or -NEVER_S) < (other.end_wall_s or NEVER_S) and (
        other.start_wall_s or -NEVER_S
    ) < (one.end_wall_s or NEVER_S)


def matching(
    station: Station, *, default: bool | None, control_type: str | None, control_id: str | None
) -> tuple[Control, ...]:
    """The controls that fit all that is given."""
    if station.energy is None:
        return ()
    return tuple(
        one
        for one in station.energy.controls
        if default in (None, one.default)
        and control_type in (None, one.type)
        and control_id in (None, one.id)
    )


def report(
    station: Station,
    request_id: int,
    *,
    default: bool | None,
    control_type: str | None,
    control_id: str | None,
    at_s: float,
) -> Status:
    """Answer GetDERControl (R06); what there is follows in ReportDERControl."""
    if control_type is not None and not supported(station, control_type):
        return "NotSupported"
    found = matching(station, default=default, control_type=control_type, control_id=control_id)
    if not found:
        return "NotFound"
    for start in range(0, len(found), CONTROLS_PER_REPORT):
        part = found[start : start + CONTROLS_PER_REPORT]
        more = start + CONTROLS_PER_REPORT < len(found)
        station.say(ControlsTold(request_id, part, more), due_s=at_s)
    return "Accepted"


def clear(
    station: Station,
    *,
    default: bool,
    control_type: str | None,
    control_id: str | None,
    at_s: float,
) -> Status:
    """Answer ClearDERControl (R05). One that runs ends; what it superseded counts again."""
    if control_type is not None and not supported(station, control_type):
        return "NotSupported"
    gone = matching(station, default=default, control_type=control_type, control_id=control_id)
    if not gone:
        return "NotFound"
    energy, ids = of(station), {one.id for one in gone}
    for one in gone:
        if one.running:
            _moved(station, one, started=False, at_s=at_s)
    energy.controls = _ranked(tuple(one for one in energy.controls if one.id not in ids))
    look(station, at_s=at_s)
    charging.apply_limits(station, at_s=at_s)
    return "Accepted"


def look(station: Station, key: int = 0, *, at_s: float) -> None:
    """Start and end scheduled controls whose time has come, and see when the next one's will."""
    energy, wall_s = of(station), station.wall_s(at_s) + 1e-3
    next_wall_s, kept, changed = NEVER_S, [], False
    for one in energy.controls:
        if one.default:
            kept.append(one)
            continue
        start_wall_s = one.start_wall_s or -NEVER_S
        end_wall_s = one.end_wall_s or NEVER_S
        runs = start_wall_s <= wall_s < end_wall_s and not one.superseded
        if runs != one.running:
            _moved(station, one, started=runs, at_s=at_s)
            changed = True
        if wall_s < end_wall_s:
            kept.append(replace(one, running=runs))
            ahead = (start_wall_s, end_wall_s)
            next_wall_s = min(next_wall_s, *(one_s for one_s in ahead if one_s > wall_s), NEVER_S)
        else:
            changed = True
    if changed or len(kept) != len(energy.controls):
        energy.controls = _ranked(tuple(kept))
        charging.apply_limits(station, at_s=at_s)
    if next_wall_s < NEVER_S:
        agenda.at(station, Job.DER_CONTROL, at_s + next_wall_s - station.wall_s(at_s))
    else:
        agenda.cancel(station, Job.DER_CONTROL)


def _moved(station: Station, control: Control, *, started: bool, at_s: float) -> None:
    superseded: tuple[str, ...] = ()
    if started:
        superseded = tuple(
            one.id
            for one in matching(station, default=None, control_type=control.type, control_id=None)
            if one.id != control.id and (one.superseded or one.default)
        )
    moved = ControlMoved(control.id, started, superseded, station.wall_s(at_s))
    station.say(moved, due_s=at_s)


def restore(station: Station, controls: tuple[Control, ...], *, at_s: float) -> None:
    """Put back what `energy.remembered` gave."""
    if controls:
        of(station).controls = controls
        look(station, at_s=at_s)


def alarm(station: Station, event: GridFaulted, *, at_s: float) -> None:
    """A protection has tripped, or the grid is well again (R07)."""
    speaks = "NotifyDERAlarm" in station.dialect.catalog.actions
    if not speaks or not supported(station, event.control_type):
        raise Refused(f"{event.control_type!r} is no DER control of {station.identity}")
    told = DerAlarmTold(
        event.control_type, event.fault, event.ended, station.wall_s(at_s), event.info
    )
    station.say(told, due_s=at_s)
