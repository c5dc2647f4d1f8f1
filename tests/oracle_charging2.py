"""What OCPP 2.0.1 says of smart charging beyond 1.6, as naively as `oracle_charging`: the names of
2.x, several schedules in a profile, what is refused, and limits that others than the CSMS set
(ChargingStationExternalConstraints). See 2.0.1 part 2, K01, K10, K11 to K14.

It shares no code with `simfleet.station` either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from oracle_charging import Installed, Limit, Session, World, seconds

if TYPE_CHECKING:
    from collections.abc import Collection

OLD_NAMES = {"ChargingStationMaxProfile": "ChargePointMaxProfile"}
FOREVER = float("inf")


@dataclass
class Session2(Session):
    """A transaction with the id that the station has given it."""

    id: str = ""


@dataclass
class World2(World):
    """EVSEs in place of connectors; each has one."""

    dc: bool = False
    told: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """The profiles of the CSMS as they came, with their EVSE."""
    external: dict[tuple[int, str], Limit] = field(default_factory=dict)
    """The limits of others, by EVSE and source."""

    def set(self, connector: int, profile: dict[str, Any], now: float) -> bool:
        if not self.makes_sense(connector, profile):
            return False
        session = None
        if profile["chargingProfilePurpose"] == "TxProfile":
            for running in self.sessions:
                assert isinstance(running, Session2)
                if running.connector == connector and running.id == profile.get("transactionId"):
                    session = running
            if session is None:
                return False
        elif "transactionId" in profile:
            return False
        for evse, other in self.told:
            if other["id"] != profile["id"] and self.rivals((connector, profile), (evse, other)):
                return False
        self.forget({profile["id"]})
        self.told.append((connector, profile))
        self.installed.append(Installed(connector, as_in_1_6(profile), now, session))
        return True

    def makes_sense(self, connector: int, profile: dict[str, Any]) -> bool:
        purpose, kind = profile["chargingProfilePurpose"], profile["chargingProfileKind"]
        if not 0 <= connector <= self.connectors or profile["id"] < 0:
            return False
        if purpose == "ChargingStationExternalConstraints":
            return False
        if purpose == "ChargingStationMaxProfile" and (connector != 0 or kind == "Relative"):
            return False
        if purpose == "TxProfile" and connector == 0:
            return False
        if profile["stackLevel"] > self.stack_level_max:
            return False
        schedules = profile["chargingSchedule"]
        if len(schedules) > 1 and not (self.dc and purpose == "TxProfile" and len(schedules) <= 3):
            return False
        starts = ["startSchedule" in schedule for schedule in schedules]
        return not any(starts) if kind == "Relative" else all(starts)

    def rivals(self, one: tuple[int, dict[str, Any]], other: tuple[int, dict[str, Any]]) -> bool:
        """K01.FR.06, .39, .52, .53."""
        for name in ("chargingProfilePurpose", "stackLevel"):
            if one[1][name] != other[1][name]:
                return False
        if one[1]["chargingProfilePurpose"] == "TxProfile":
            return bool(one[1]["transactionId"] == other[1]["transactionId"])
        if one[0] != other[0]:
            default = one[1]["chargingProfilePurpose"] == "TxDefaultProfile"
            return default and (one[0] == 0 or other[0] == 0)
        start, end = bounds(one[1])
        other_start, other_end = bounds(other[1])
        return start < other_end and other_start < end

    def clear(self, criteria: dict[str, Any]) -> bool:
        """By id, or else by what the criteria name; never the limits of others (K10.FR.06)."""
        gone = set()
        for evse, profile in self.told:
            goes = True
            if "evseId" in criteria and criteria["evseId"] != evse:
                goes = False
            for name in ("id", "chargingProfilePurpose", "stackLevel"):
                if name in criteria and criteria[name] != profile[name]:
                    goes = False
            if goes:
                gone.add(profile["id"])
        self.forget(gone)
        return bool(gone)

    def forget(self, ids: Collection[int]) -> None:
        self.told = [one for one in self.told if one[1]["id"] not in ids]
        stays = [one for one in self.installed if one.profile["chargingProfileId"] not in ids]
        self.installed = stays

    def end(self, session: Session) -> None:
        super().end(session)
        left = {one.profile["chargingProfileId"] for one in self.installed}
        self.told = [one for one in self.told if one[1]["id"] in left]

    def own_limits(self, connector: int, session: Session | None, now: float) -> list[Limit]:
        limits = super().own_limits(connector, session, now)
        for (evse, _), limit in self.external.items():
            if evse == connector:
                limits.append(limit)
        return limits

    def common_limits(self, now: float) -> list[Limit]:
        limits = super().common_limits(now)
        for (evse, _), limit in self.external.items():
            if evse == 0:
                limits.append(limit)
        return limits


def as_in_1_6(profile: dict[str, Any]) -> dict[str, Any]:
    """The names of 1.6; of several schedules the vehicle takes the first."""
    purpose = profile["chargingProfilePurpose"]
    return profile | {
        "chargingProfileId": profile["id"],
        "chargingProfilePurpose": OLD_NAMES.get(purpose, purpose),
        "chargingSchedule": profile["chargingSchedule"][0],
    }


def bounds(profile: dict[str, Any]) -> tuple[float, float]:
    start = seconds(profile["validFrom"]) if "validFrom" in profile else -FOREVER
    end = seconds(profile["validTo"]) if "validTo" in profile else FOREVER
    return start, end
