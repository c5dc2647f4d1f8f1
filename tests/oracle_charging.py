"""What OCPP 1.6 says of smart charging, written down as naively as it is read: one instant after
the other, on the JSON of the messages, with loops where arithmetic would do.

It shares no code with `simfleet.station`; tests hold one against the other. Power is that of an AC
outlet with 230 V. See OCPP 1.6 sections 3.13 (charging profiles), 5.16 (SetChargingProfile), 5.5
(ClearChargingProfile), 7.8, 7.13, 7.14.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

VOLTS = 230.0
LEAST_A = 6.0
LEVEL_STEPS = 60  # halvings


@dataclass
class Session:
    """A transaction that runs: when it began, and the vehicle."""

    connector: int
    began: float
    number: int
    vehicle_w: float
    vehicle_phases: int = 3
    wants: bool = True


@dataclass
class Installed:
    connector: int
    profile: dict[str, Any]
    received: float
    session: Session | None = None


@dataclass
class World:
    """A station with outlets of `phases` and `outlet_w`, and the profiles it holds."""

    connectors: int = 1
    phases: int = 3
    outlet_w: float = 22_000.0
    station_w: float | None = None
    switches: bool = False
    stack_level_max: int = 10
    installed_max: int = 20
    installed: list[Installed] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)

    # ── SetChargingProfile, ClearChargingProfile ──

    def set(self, connector: int, profile: dict[str, Any], now: float) -> bool:
        if not 0 <= connector <= self.connectors:
            return False
        purpose = profile["chargingProfilePurpose"]
        session = None
        if purpose == "TxProfile":
            for running in self.sessions:
                if running.connector == connector:
                    session = running
            if session is None:
                return False
        whole = purpose == "ChargePointMaxProfile"
        if whole and (connector != 0 or profile["chargingProfileKind"] == "Relative"):
            return False
        if profile["stackLevel"] > self.stack_level_max:
            return False
        stays = []
        for one in self.installed:
            same_id = one.profile["chargingProfileId"] == profile["chargingProfileId"]
            same_place = (
                one.profile["chargingProfilePurpose"] == purpose
                and one.profile["stackLevel"] == profile["stackLevel"]
                and one.connector == connector
            )
            if not same_id and not same_place:
                stays.append(one)
        if len(stays) + 1 > self.installed_max:
            return False
        self.installed = [*stays, Installed(connector, profile, now, session)]
        return True

    def clear(self, criteria: dict[str, Any]) -> bool:
        stays = []
        for one in self.installed:
            if "id" in criteria:
                goes = one.profile["chargingProfileId"] == criteria["id"]
            else:
                goes = True
                if "connectorId" in criteria and criteria["connectorId"] != one.connector:
                    goes = False
                for name in ("chargingProfilePurpose", "stackLevel"):
                    if name in criteria and criteria[name] != one.profile[name]:
                        goes = False
            if not goes:
                stays.append(one)
        found = len(stays) < len(self.installed)
        self.installed = stays
        return found

    def end(self, session: Session) -> None:
        self.sessions.remove(session)
        self.installed = [one for one in self.installed if one.session is not session]

    # ── limits ──

    def own_limits(self, connector: int, session: Session | None, now: float) -> list[Limit]:
        """The limit of the transaction there (or of one that would begin now)."""
        began = now if session is None else session.began
        highest: Limit | None = None
        for purpose in ("TxProfile", "TxDefaultProfile"):
            best = None
            for one in self.installed:
                if one.profile["chargingProfilePurpose"] != purpose:
                    continue
                if purpose == "TxProfile" and (session is None or one.session is not session):
                    continue
                if one.connector not in (0, connector):
                    continue
                limit = limit_at(one, now, began)
                if limit is None:
                    continue
                # Higher levels win; on one level the connector's own wins over that of all.
                order = (one.profile["stackLevel"], one.connector)
                if best is None or order > best:
                    best, highest = order, limit
            if best is not None:
                break  # the transaction's own profile takes the place of the default
        return [] if highest is None else [highest]

    def common_limits(self, now: float) -> list[Limit]:
        best = None
        result: list[Limit] = []
        for one in self.installed:
            if one.profile["chargingProfilePurpose"] != "ChargePointMaxProfile":
                continue
            limit = limit_at(one, now, one.received)
            if limit is not None and (best is None or one.profile["stackLevel"] > best):
                best = one.profile["stackLevel"]
                result = [limit]
        return result

    def amperes(self, limit: Limit, vehicle_phases: int) -> float:
        """In each phase."""
        if limit.unit == "A":
            return limit.value
        return limit.value / (VOLTS * self.spread(limit, vehicle_phases))

    def spread(self, limit: Limit, vehicle_phases: int) -> int:
        named = 3 if limit.phases is None else limit.phases
        if named > self.phases:
            named = self.phases
        if not self.switches and named < vehicle_phases:
            return vehicle_phases
        return named

    def phases_in_use(self, session: Session, now: float) -> int:
        """Phases that carry current when the session charges."""
        phases = min(self.phases, session.vehicle_phases)
        if self.switches:
            for limit in self.own_limits(session.connector, session, now) + self.common_limits(now):
                if limit.phases is not None and limit.phases < self.phases:
                    phases = 1
        return phases

    def offers(self, now: float) -> dict[int, float]:
        """Amperes in each phase offered to each session, by connector."""
        limits: dict[int, float] = {}
        least: dict[int, float] = {}
        for session in self.sessions:
            amperes = self.outlet_w / VOLTS / self.phases
            minimum = LEAST_A
            vehicle_phases = min(self.phases, session.vehicle_phases)
            for limit in self.own_limits(session.connector, session, now):
                amperes = min(amperes, self.amperes(limit, vehicle_phases))
                if limit.least is not None:
                    rate = Limit(limit.least, limit.unit, limit.phases, None)
                    minimum = max(minimum, self.amperes(rate, vehicle_phases))
            limits[session.connector] = amperes
            least[session.connector] = minimum
        common = [self.amperes(limit, self.phases) for limit in self.common_limits(now)]
        if self.station_w is not None:
            common.append(self.station_w / VOLTS / self.phases)
        if common:
            self._share(min(common), limits, least, now)
        return {
            connector: amperes if amperes >= least[connector] - 1e-9 else 0.0
            for connector, amperes in limits.items()
        }

    def _share(
        self, budget: float, limits: dict[int, float], least: dict[int, float], now: float
    ) -> None:
        """Give those that want to charge equal parts, as much as their vehicles can use first."""
        queue = sorted((one for one in self.sessions if one.wants), key=lambda one: one.number)
        queue = [one for one in queue if limits[one.connector] >= least[one.connector] - 1e-9]
        while True:
            useful = {}
            for one in queue:
                vehicle = one.vehicle_w / VOLTS / self.phases_in_use(one, now)
                vehicle = max(vehicle, least[one.connector])
                useful[one.connector] = min(limits[one.connector], vehicle)
            parts = level(budget, useful)
            spare = budget - sum(parts.values())
            more = level(spare, {c: limits[c] - parts[c] for c in parts})
            parts = {c: parts[c] + more[c] for c in parts}
            poor = [one for one in queue if parts[one.connector] < least[one.connector] - 1e-9]
            if not poor:
                break
            queue.remove(poor[-1])
        for one in self.sessions:
            if one.wants:
                limits[one.connector] = parts.get(one.connector, 0.0)

    def power_w(self, session: Session, now: float) -> float:
        """What a vehicle takes that is far from full."""
        amperes = self.offers(now)[session.connector]
        if not session.wants:
            return 0.0
        return min(session.vehicle_w, amperes * VOLTS * self.phases_in_use(session, now))

    def composite(self, connector: int, unit: str, now: float) -> float:
        """What a composite schedule says of an instant. Connector 0 is the whole station."""
        asked = range(1, self.connectors + 1) if connector == 0 else [connector]
        total = 0.0
        vehicle_phases = self.phases
        for number in asked:
            session = next((one for one in self.sessions if one.connector == number), None)
            vehicle_phases = self.phases
            if session is not None:
                vehicle_phases = min(self.phases, session.vehicle_phases)
            value = self.outlet_w if unit == "W" else self.outlet_w / VOLTS / self.phases
            for limit in self.own_limits(number, session, now):
                value = min(value, self._in(unit, limit, vehicle_phases))
            total += value
        if connector == 0:
            vehicle_phases = self.phases
        for limit in self.common_limits(now):
            total = min(total, self._in(unit, limit, vehicle_phases))
        if self.station_w is not None:
            whole = Limit(self.station_w, "W", None, None)
            total = min(total, self._in(unit, whole, vehicle_phases))
        return total

    def _in(self, unit: str, limit: Limit, vehicle_phases: int) -> float:
        if unit == limit.unit:
            return limit.value
        ampere_w = VOLTS * self.spread(limit, vehicle_phases)
        return limit.value * ampere_w if unit == "W" else limit.value / ampere_w


@dataclass(frozen=True)
class Limit:
    value: float
    unit: str
    phases: int | None
    least: float | None


def level(amount: float, vessels: dict[int, float]) -> dict[int, float]:
    """Everybody gets the same level, but nobody more than fits."""
    if sum(vessels.values()) <= amount:
        return dict(vessels)
    low, high = 0.0, max(vessels.values())
    for _ in range(LEVEL_STEPS):
        middle = (low + high) / 2
        if sum(min(middle, size) for size in vessels.values()) > amount:
            high = middle
        else:
            low = middle
    return {name: min(low, size) for name, size in vessels.items()}


def limit_at(one: Installed, now: float, session_began: float) -> Limit | None:
    """What one profile says at an instant; None when it says nothing."""
    profile = one.profile
    schedule = profile["chargingSchedule"]
    if "validFrom" in profile and now < seconds(profile["validFrom"]):
        return None
    if "validTo" in profile and not now < seconds(profile["validTo"]):
        return None
    kind = profile["chargingProfileKind"]
    if kind == "Relative" or "startSchedule" not in schedule:
        start = session_began
    else:
        start = seconds(schedule["startSchedule"])
        if kind == "Recurring":
            every = {"Daily": 24 * 3600, "Weekly": 7 * 24 * 3600}[profile["recurrencyKind"]]
            while start + every <= now:
                start += every
    if now < start:
        return None
    if "duration" in schedule and not now < start + schedule["duration"]:
        return None
    said = None
    for period in schedule["chargingSchedulePeriod"]:
        if start + period["startPeriod"] <= now:
            said = Limit(
                period["limit"],
                schedule["chargingRateUnit"],
                period.get("numberPhases"),
                schedule.get("minChargingRate"),
            )
    return said


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
