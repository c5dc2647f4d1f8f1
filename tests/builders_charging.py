"""Charging profiles as a CSMS sends them, drawn and written, and a scene beside the oracle."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st

from builders_station import EPOCH_S, Scene
from oracle_charging import Session, World
from simfleet.station.events import PluggedIn
from simfleet.station.vehicle import VehicleSpec

BIG_VAN: Final = VehicleSpec("big van", 4_000_000, 11_000, 100_000)
"""Takes 11 kW for days."""
BIG_CITY_CAR: Final = VehicleSpec("big city car", 4_000_000, 7_360, 0, phases=1)
"""Takes 32 A on one phase for days."""


def moment(after_s: float) -> str:
    """So long after the epoch, as OCPP writes it."""
    return datetime.fromtimestamp(EPOCH_S + after_s, UTC).isoformat().replace("+00:00", "Z")


def a_profile(
    *periods: tuple[int, float] | tuple[int, float, int],
    profile_id: int = 1,
    purpose: str = "TxDefaultProfile",
    kind: str = "Absolute",
    unit: str = "A",
    level: int = 0,
    start_s: float | None = 0.0,
    duration: int | None = None,
    recurrency: str | None = None,
    valid_from_s: float | None = None,
    valid_to_s: float | None = None,
    least: float | None = None,
    transaction_id: int | None = None,
) -> dict[str, Any]:
    """A ChargingProfile. Times are seconds after the epoch; periods: (start, limit[, phases])."""
    schedule: dict[str, Any] = {
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": limit} | ({"numberPhases": phases[0]} if phases else {})
            for start, limit, *phases in periods
        ],
    }
    if start_s is not None and kind != "Relative":
        schedule["startSchedule"] = moment(start_s)
    if duration is not None:
        schedule["duration"] = duration
    if least is not None:
        schedule["minChargingRate"] = least
    profile: dict[str, Any] = {
        "chargingProfileId": profile_id,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": kind,
        "chargingSchedule": schedule,
    }
    if recurrency is not None:
        profile["recurrencyKind"] = recurrency
    if valid_from_s is not None:
        profile["validFrom"] = moment(valid_from_s)
    if valid_to_s is not None:
        profile["validTo"] = moment(valid_to_s)
    if transaction_id is not None:
        profile["transactionId"] = transaction_id
    return profile


# ── drawn at random ───────────────────────────────────────────────────────────────────────────────

# Limits around the ones that matter: 0, 6 A, what vehicles take, what outlets give.
_AMPERES = st.sampled_from([0.0, 3.0, 6.0, 7.5, 10.0, 12.3, 16.0, 20.0, 32.0, 63.0])
_WATTS = st.sampled_from(
    [0.0, 1380.0, 3000.0, 4140.0, 5520.5, 7360.0, 11_000.0, 22_000.0, 50_000.0]
)
_DAY_S = 86_400


@st.composite
def profiles(
    draw: st.DrawFn,
    purposes: tuple[str, ...] = ("ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"),
    near_s: int = 0,
) -> dict[str, Any]:
    """A profile that is formally right, with its changes not far from `near_s` after the epoch."""
    purpose = draw(st.sampled_from(purposes))
    kinds = ["Absolute", "Recurring"] + (["Relative"] if purpose != "ChargePointMaxProfile" else [])
    kind = draw(st.sampled_from(kinds))
    unit = draw(st.sampled_from(["A", "W"]))
    limits = _AMPERES if unit == "A" else _WATTS
    starts = sorted(draw(st.sets(st.integers(1, 300), max_size=4)))
    phases = draw(st.sampled_from([None, None, None, 1, 3]))
    around = st.integers(-300, 300).map(lambda offset_s: near_s + offset_s)
    start_s = draw(around)
    recurrency = None
    if kind == "Recurring":
        recurrency = draw(st.sampled_from(["Daily", "Weekly"]))
        # Some begin days ago, some in a while; periods late in the day meet the next beginning.
        start_s += draw(st.sampled_from([0, -_DAY_S, -3 * _DAY_S, -7 * _DAY_S, 100]))
        if draw(st.booleans()):
            every_s = _DAY_S if recurrency == "Daily" else 7 * _DAY_S
            starts += [every_s - draw(st.integers(1, 200)), every_s + 10]
    periods: list[tuple[int, float] | tuple[int, float, int]] = [
        (start, draw(limits)) if phases is None else (start, draw(limits), phases)
        for start in [0, *starts]
    ]
    valid_from_s = draw(st.none() | st.none() | around)
    valid_to_s = draw(st.none() | st.none() | around)
    if valid_from_s is not None and valid_to_s is not None:
        valid_to_s = max(valid_to_s, valid_from_s + 1)
    return a_profile(
        *periods,
        profile_id=draw(st.integers(1, 6)),
        purpose=purpose,
        kind=kind,
        unit=unit,
        level=draw(st.integers(0, 2)),
        start_s=None if kind == "Absolute" and draw(st.booleans()) else start_s,
        duration=draw(st.none() | st.integers(1, 400)),
        recurrency=recurrency,
        valid_from_s=valid_from_s,
        valid_to_s=valid_to_s,
        least=draw(st.sampled_from([None, None, None, 8.0 if unit == "A" else 5_000.0])),
    )


# ── a station beside the oracle ───────────────────────────────────────────────────────────────────


class Pair:
    """A station at its CSMS, and the oracle that is told the same."""

    def __init__(self, scene: Scene, world: World) -> None:
        self.scene, self.world = scene, world
        self.numbers = 0
        scene.boot()

    @property
    def now(self) -> float:
        return self.scene.wall_s

    def set(self, connector: int, profile: dict[str, Any]) -> bool:
        """Both are given a profile; they agree on whether it is taken."""
        expected = self.world.set(connector, profile, self.now)
        answer = self.scene.call(
            "SetChargingProfile", connectorId=connector, csChargingProfiles=profile
        )
        assert answer.status == ("Accepted" if expected else "Rejected"), profile
        return expected

    def clear(self, **criteria: Any) -> None:
        expected = self.world.clear(criteria)
        status = self.scene.call("ClearChargingProfile", **criteria).status
        assert status == ("Accepted" if expected else "Unknown"), criteria

    def start(self, connector: int = 1, vehicle: VehicleSpec = BIG_VAN) -> Session:
        """Cable and tag."""
        session = self.start_promised(connector, vehicle)
        self.scene.present_tag(connector_id=connector)
        return session

    def start_promised(self, connector: int = 1, vehicle: VehicleSpec = BIG_VAN) -> Session:
        """Only the cable: a RemoteStart came before, or a tag comes next."""
        self.scene.tell(PluggedIn(connector, vehicle=vehicle, soc=0.05))
        self.numbers += 1
        session = Session(connector, self.now, self.numbers, vehicle.max_ac_w, vehicle.phases)
        self.world.sessions.append(session)
        return session

    def stop(self, session: Session) -> None:
        self.world.end(session)
        self.scene.unplug(session.connector)

    def check(self) -> None:
        """Power and status of each session are what the oracle says of this instant."""
        offers = self.world.offers(self.now)
        for session in self.world.sessions:
            connector = self.scene.station.connectors[session.connector - 1]
            assert connector.transaction is not None
            amperes = offers[session.connector]
            if not session.wants:
                assert connector.phase == "SuspendedEV"
                continue
            assert connector.phase == ("Charging" if amperes > 0 else "SuspendedEVSE")
            reading = connector.reading()
            expected_w = self.world.power_w(session, self.now)
            assert abs(reading.power_w - expected_w) < 0.01, (reading.power_w, expected_w)
            assert reading.current_a <= amperes + 1e-6
            if amperes > 0:
                assert abs(reading.offered_a - amperes) < 1e-4
