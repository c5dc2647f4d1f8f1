"""Any order of profiles, limits of others, transactions and time: a station of 2.x does what the
oracle says (2.0.1 part 2, K01, K08, K10 to K13).
"""

from __future__ import annotations

from typing import Any, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from builders_charging import BIG_CITY_CAR, BIG_VAN, profiles
from builders_station import EPOCH_S
from builders_station2 import VERSIONS, Scene2
from oracle_charging import Limit
from oracle_charging2 import Session2, World2
from simfleet.station.energy_events import LimitImposed, LimitReleased
from simfleet.station.events import PluggedIn

LOOK_AHEAD_S = 120
NEW_NAMES = {"ChargePointMaxProfile": "ChargingStationMaxProfile"}
PURPOSES = ("ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile")


def in_2x(profile: dict[str, Any], *, transaction_id: str | None, more: int) -> dict[str, Any]:
    """A profile of 1.6 in the names of 2.x, with so many more schedules to choose from."""
    schedule = profile.pop("chargingSchedule")
    purpose = profile["chargingProfilePurpose"]
    made = profile | {
        "id": profile.pop("chargingProfileId"),
        "chargingProfilePurpose": NEW_NAMES.get(purpose, purpose),
        "chargingSchedule": [schedule | {"id": n} for n in range(1, 2 + more)],
    }
    made.pop("chargingProfileId", None)
    return made if transaction_id is None else made | {"transactionId": transaction_id}


class Charging2(RuleBasedStateMachine):
    """Two EVSEs of AC or DC, and sometimes a grid connection that is too small for both."""

    @initialize(
        version=st.sampled_from(VERSIONS),
        kind=st.sampled_from(["AC", "AC", "AC", "DC"]),
        station_w=st.sampled_from([None, None, 9_000.0, 15_000.0]),
        switches=st.booleans(),
    )
    def begin(
        self, version: str, kind: Literal["AC", "DC"], station_w: float | None, switches: bool
    ) -> None:
        flag = "true" if switches else "false"
        self.scene = Scene2(
            version=version,
            kind=kind,
            connectors=2,
            max_power_w=22_000.0,
            configuration={"ConnectorSwitch3to1PhaseSupported": flag, "HeartbeatInterval": 0},
            station_max_power_w=station_w,
        )
        self.world = World2(2, 3, 22_000.0, station_w, switches, dc=kind == "DC")
        self.numbers = 0
        self.scene.boot()

    @property
    def now(self) -> float:
        return self.scene.wall_s

    def _session(self, evse: int) -> Session2 | None:
        for session in self.world.sessions:
            if session.connector == evse:
                assert isinstance(session, Session2)
                return session
        return None

    def _set(self, evse: int, profile: dict[str, Any]) -> None:
        expected = self.world.set(evse, profile, self.now)
        answer = self.scene.call("SetChargingProfile", evseId=evse, chargingProfile=profile)
        assert answer.status == ("Accepted" if expected else "Rejected"), (answer.payload, profile)

    # ── what happens ──

    @rule(data=st.data(), evse=st.integers(0, 3), more=st.sampled_from([0, 0, 0, 1, 2]))
    def set_any_profile(self, data: st.DataObject, evse: int, more: int) -> None:
        session = self._session(evse)
        profile = data.draw(profiles(near_s=int(self.now - EPOCH_S)))
        names = profile["chargingProfilePurpose"] == "TxProfile" or data.draw(st.integers(0, 9)) < 1
        transaction_id = session.id if session is not None and names else None
        self._set(evse, in_2x(profile, transaction_id=transaction_id, more=more))

    @rule(data=st.data(), evse=st.integers(0, 2))
    def set_what_is_taken(self, data: st.DataObject, evse: int) -> None:
        session = self._session(evse)
        purpose = "ChargePointMaxProfile" if evse == 0 else "TxDefaultProfile"
        if session is not None and data.draw(st.booleans()):
            purpose = "TxProfile"
        profile = data.draw(profiles((purpose,), near_s=int(self.now - EPOCH_S)))
        if profile["chargingProfileKind"] == "Absolute":
            profile["chargingSchedule"].setdefault("startSchedule", "2026-03-01T12:00:00Z")
        transaction_id = session.id if session is not None and purpose == "TxProfile" else None
        self._set(evse, in_2x(profile, transaction_id=transaction_id, more=0))

    @rule(
        criteria=st.fixed_dictionaries(
            {},
            optional={
                "evseId": st.integers(0, 2),
                "chargingProfilePurpose": st.sampled_from(PURPOSES),
                "stackLevel": st.integers(0, 2),
            },
        ),
        profile_id=st.none() | st.integers(1, 6),
    )
    def clear_profiles(self, criteria: dict[str, Any], profile_id: int | None) -> None:
        asked: dict[str, Any] = {}
        if profile_id is not None:
            asked["chargingProfileId"] = profile_id
            criteria = {"id": profile_id}
        elif criteria:
            asked["chargingProfileCriteria"] = criteria
        else:
            return
        expected = self.world.clear(criteria)
        status = self.scene.call("ClearChargingProfile", **asked).status
        assert status == ("Accepted" if expected else "Unknown")

    @rule(
        evse=st.integers(0, 2),
        source=st.sampled_from(["EMS", "SO"]),
        limit=st.sampled_from(
            [("A", 0.0), ("A", 7.5), ("A", 16.0), ("W", 5_520.5), ("W", 9_000.0)]
        ),
    )
    def impose_a_limit(self, evse: int, source: Any, limit: tuple[Any, float]) -> None:
        unit, value = limit
        self.world.external[evse, source] = Limit(value, unit, None, None)
        self.scene.tell(LimitImposed(evse, value, unit=unit, source=source))

    @precondition(lambda self: bool(self.world.external))
    @rule(data=st.data())
    def release_a_limit(self, data: st.DataObject) -> None:
        place: tuple[int, Any] = data.draw(st.sampled_from(sorted(self.world.external)))
        evse, source = place
        del self.world.external[evse, source]
        self.scene.tell(LimitReleased(evse, source))

    @rule(half_seconds=st.integers(1, 400), late=st.booleans())
    def time_passes(self, half_seconds: int, late: bool) -> None:
        if late:
            self.scene.sleep(for_s=half_seconds / 2)
        else:
            self.scene.run(for_s=half_seconds / 2)

    @rule(evse=st.integers(1, 2), vehicle=st.sampled_from([BIG_VAN, BIG_CITY_CAR]))
    def start(self, evse: int, vehicle: Any) -> None:
        if self._session(evse) is not None or (self.world.dc and not vehicle.max_dc_w):
            return
        self.scene.tell(PluggedIn(evse, vehicle=vehicle, soc=0.05))
        self.scene.present_tag(f"TAG{evse}", connector_id=evse)
        self.numbers += 1
        self.world.sessions.append(
            Session2(
                evse,
                self.now,
                self.numbers,
                vehicle.max_ac_w,
                vehicle.phases,
                id=self.scene.transaction,
            )
        )

    @precondition(lambda self: bool(self.world.sessions))
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(self.world.sessions))
        self.world.end(session)
        self.scene.unplug(session.connector)

    # ── what must hold ──

    @invariant()
    def the_power_is_what_the_oracle_says(self) -> None:
        if not hasattr(self, "world") or self.world.dc:
            return  # the oracle knows the wiring of AC
        offers = self.world.offers(self.now)
        for session in self.world.sessions:
            connector = self.scene.station.connectors[session.connector - 1]
            amperes = offers[session.connector]
            assert connector.phase == ("Charging" if amperes > 0 else "SuspendedEVSE")
            reading = connector.reading()
            expected_w = self.world.power_w(session, self.now)
            assert abs(reading.power_w - expected_w) < 0.01, (reading.power_w, expected_w)

    @rule(evse=st.integers(0, 2), unit=st.sampled_from(["A", "W"]))
    def ask_for_the_composite_schedule(self, evse: int, unit: str) -> None:
        if self.world.dc:
            return
        asked_s = self.now
        answer = self.scene.call(
            "GetCompositeSchedule", evseId=evse, duration=LOOK_AHEAD_S, chargingRateUnit=unit
        )
        schedule = answer.payload["schedule"]
        assert schedule["evseId"] == evse
        periods = schedule["chargingSchedulePeriod"]
        running = list(self.world.sessions)
        for number in (1, 2):  # without a transaction: as if one began now
            if self._session(number) is None:
                self.world.sessions.append(Session2(number, asked_s, 99, 11_000.0))
        for second in range(0, schedule["duration"], 7):
            told = next(one for one in reversed(periods) if one["startPeriod"] <= second)["limit"]
            expected = self.world.composite(evse, unit, asked_s + second)
            assert expected - 0.1 < told <= expected + 1e-6
        self.world.sessions = list(running)


TestCharging2 = Charging2.TestCase
TestCharging2.settings = settings(
    max_examples=120,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
