"""Which faults a station has: given, ended by time or count, removed; and whether one acts now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.errors import Refused
from simfleet.station import agenda, faulty_state
from simfleet.station.agenda import Job
from simfleet.station.effects import Injected
from simfleet.station.fault_kinds import (
    ErrorCodeFault,
    Fault,
    LockFailure,
    RegisterJump,
    ResetFailure,
    problems,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.station.station import Station

ACTIVE_MAX: Final = 32
"""Faults that one station has at the same time."""


class ActiveFault(Struct, frozen=True):
    """A fault that a station has. `acted` counts the frames, answers and transactions touched."""

    id: int
    fault: Fault
    acted: int
    began_s: float
    ends_s: float | None


class Active(Struct, gc=False, eq=False):
    """A fault as it goes on; `left` is how many times it may still act."""

    number: int
    fault: Fault
    began_s: float
    ends_s: float | None
    left: int | None
    acted: int = 0


class ActiveFaults:
    """The faults that one station has. What they do is for `faults.Faults`."""

    __slots__ = ("_active", "_by_kind", "_chance", "_count", "skewed")

    def __init__(self, station: Station) -> None:
        self._chance = station.chance.fork("faults")
        self._count = 0
        self._active: dict[int, Active] = {}
        self._by_kind: dict[type, list[Active]] = {}
        self.skewed = False
        """The clock is wrong on purpose: the CSMS's time does not repair it."""

    # ── given and taken ─────────────────────────────────────────────────────────────────────────

    def add(self, station: Station, fault: Fault, *, at_s: float) -> int:
        """Give the station a fault; returns its id. Raises `Refused` when there are too many, or
        the station cannot have it.
        """
        catalog = station.dialect.catalog
        for name, problem in problems(fault, connectors=len(station.connectors), catalog=catalog):
            raise Refused(f"{fault.kind}: {name}: {problem}")
        if len(self._active) >= ACTIVE_MAX:
            raise Refused(f"{station.identity} has {ACTIVE_MAX} faults already; remove some first")
        faulty_state.begin(station, fault, at_s=at_s)
        self._count += 1
        count, _, for_s = fault.limits()
        ends_s = None if for_s is None else at_s + for_s
        active = Active(self._count, fault, at_s, ends_s, count)
        if isinstance(fault, RegisterJump):
            self._acted(station, active, "", f"{fault.wh:+g} Wh", at_s=at_s)
            return active.number
        self._active[active.number] = active
        self._by_kind.setdefault(type(fault), []).append(active)
        self.skewed = faulty_state.skews(self._by_kind)
        if ends_s is not None:
            agenda.at(station, Job.FAULT, ends_s, key=active.number)
        return active.number

    def remove(
        self, station: Station, kind: str | None, *, given: Sequence[Fault] = (), at_s: float
    ) -> int:
        """Take away the faults of a kind, or all, or of these the ones that are the very objects in
        `given`; returns how many there were.
        """
        chosen = [
            one
            for one in self._active.values()
            if kind in (None, one.fault.kind)
            and (not given or any(one.fault is fault for fault in given))
        ]
        for active in chosen:
            self._end(station, active, at_s=at_s)
        return len(chosen)

    def _end(self, station: Station, active: Active, *, at_s: float) -> None:
        del self._active[active.number]
        alike = self._by_kind[type(active.fault)]
        alike.remove(active)
        if not alike:
            del self._by_kind[type(active.fault)]
        self.skewed = faulty_state.skews(self._by_kind)
        agenda.cancel(station, Job.FAULT, key=active.number)
        faulty_state.end(station, active.fault, others=[one.fault for one in alike], at_s=at_s)

    def cleared(self, station: Station, connector_id: int, *, at_s: float) -> None:
        """Somebody has repaired a connector: error codes of ours there are gone."""
        for active in list(self._by_kind.get(ErrorCodeFault, ())):
            if getattr(active.fault, "connector_id", None) == connector_id:
                self._end(station, active, at_s=at_s)

    def all(self) -> list[ActiveFault]:
        """The faults that act, the oldest first."""
        return [
            ActiveFault(one.number, one.fault, one.acted, one.began_s, one.ends_s)
            for one in self._active.values()
        ]

    # ── acting ──────────────────────────────────────────────────────────────────────────────────

    def _strike(self, kind: type, action: str = "") -> Active | None:
        """The first fault of a kind that acts now on a message of that action, if any does."""
        for active in self._by_kind.get(kind, ()):
            actions = getattr(active.fault, "actions", ())
            if actions and action not in actions:
                continue
            share = active.fault.limits()[1]
            if share is None or self._chance.random() < share:
                return active
        return None

    def _acted(
        self,
        station: Station,
        active: Active,
        action: str,
        detail: str,
        frame: bytes = b"",
        *,
        at_s: float,
    ) -> None:
        """One more time; the last time ends the fault."""
        active.acted += 1
        station.effects.append(Injected(active.fault.kind, action, detail, frame))
        if active.left is not None:
            active.left -= 1
            if active.left <= 0 and active.number in self._active:
                self._end(station, active, at_s=at_s)

    def _first(self, kind: type) -> Active | None:
        alike = self._by_kind.get(kind)
        return alike[0] if alike else None

    # ── hardware ────────────────────────────────────────────────────────────────────────────────

    def reset_failed(self, station: Station, *, at_s: float) -> None:
        """The hardware has hung."""
        active = self._first(ResetFailure)
        if active is not None:
            self._acted(station, active, "Reset", "the hardware hangs", at_s=at_s)

    def lock_failed(self, station: Station, connector_id: int, *, at_s: float) -> None:
        """The lock of a connector did not open."""
        for active in self._by_kind.get(LockFailure, ()):
            if getattr(active.fault, "connector_id", 0) == connector_id:
                what = f"the lock of connector {connector_id} does not open"
                self._acted(station, active, "UnlockConnector", what, at_s=at_s)
                return
