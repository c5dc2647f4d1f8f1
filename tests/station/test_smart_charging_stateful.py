"""Any order of profiles, sessions, reboots and time: the station does what the oracle says."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from builders_charging import BIG_CITY_CAR, BIG_VAN, Pair, profiles
from builders_station import EPOCH_S, TAG, Scene
from oracle_charging import Session, World
from simfleet.station.events import EvPaused, EvResumed

LOOK_AHEAD_S = 150


class Charging(RuleBasedStateMachine):
    """Two connectors, and sometimes a grid connection that is too small for both."""

    @initialize(
        station_w=st.sampled_from([None, None, 9_000.0, 15_000.0]),
        switches=st.booleans(),
        max_power_w=st.sampled_from([22_000.0, 22_000.0, 7_360.0]),
    )
    def begin(self, station_w: float | None, switches: bool, max_power_w: float) -> None:
        flag = "true" if switches else "false"
        scene = Scene(
            connectors=2,
            max_power_w=max_power_w,
            configuration={
                "MaxChargingProfilesInstalled": 4,
                "ConnectorSwitch3to1PhaseSupported": flag,
                "HeartbeatInterval": 0,
            },
            station_max_power_w=station_w,
        )
        phases = 3 if max_power_w > 7_400 else 1
        world = World(2, phases, max_power_w, station_w, switches, installed_max=4)
        self.pair = Pair(scene, world)
        self.registers = [0.0, 0.0]

    # ── what happens ──

    @property
    def near_s(self) -> int:
        return int(self.pair.now - EPOCH_S)

    @rule(data=st.data(), connector=st.integers(0, 3))
    def set_any_profile(self, data: st.DataObject, connector: int) -> None:
        self.pair.set(connector, data.draw(profiles(near_s=self.near_s)))

    @rule(data=st.data())
    def set_the_limit_of_the_station(self, data: st.DataObject) -> None:
        self.pair.set(0, data.draw(profiles(("ChargePointMaxProfile",), near_s=self.near_s)))

    @rule(data=st.data(), connector=st.integers(0, 2))
    def set_a_default(self, data: st.DataObject, connector: int) -> None:
        self.pair.set(connector, data.draw(profiles(("TxDefaultProfile",), near_s=self.near_s)))

    @precondition(lambda self: len(self.pair.world.sessions) > 0)
    @rule(data=st.data())
    def limit_a_transaction(self, data: st.DataObject) -> None:
        connector = data.draw(st.sampled_from(self.pair.world.sessions)).connector
        self.pair.set(connector, data.draw(profiles(("TxProfile",), near_s=self.near_s)))

    @rule(
        criteria=st.fixed_dictionaries(
            {},
            optional={
                "id": st.integers(1, 6),
                "connectorId": st.integers(0, 2),
                "chargingProfilePurpose": st.sampled_from(
                    ["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]
                ),
                "stackLevel": st.integers(0, 2),
            },
        )
    )
    def clear_profiles(self, criteria: dict[str, Any]) -> None:
        if criteria:
            self.pair.clear(**criteria)

    @precondition(lambda self: len(self.pair.world.installed) > 3)
    @rule()
    def clear_all_profiles(self) -> None:
        self.pair.clear()

    @rule(half_seconds=st.integers(1, 400), late=st.booleans())
    def time_passes(self, half_seconds: int, late: bool) -> None:
        if late:
            self.pair.scene.sleep(for_s=half_seconds / 2)
        else:
            self.pair.scene.run(for_s=half_seconds / 2)

    @rule(connector=st.integers(1, 2), vehicle=st.sampled_from([BIG_VAN, BIG_CITY_CAR]))
    def start(self, connector: int, vehicle: Any) -> None:
        if self._session(connector) is None:
            self.pair.start(connector, vehicle)

    @rule(data=st.data(), connector=st.integers(1, 2))
    def start_from_remote(self, data: st.DataObject, connector: int) -> None:
        if self._session(connector) is not None:
            return
        profile = data.draw(profiles(purposes=("TxProfile",), near_s=self.near_s))
        pair = self.pair
        kept = [
            one
            for one in pair.world.installed
            if one.profile["chargingProfileId"] != profile["chargingProfileId"]
        ]
        answer = pair.scene.call(
            "RemoteStartTransaction", idTag=TAG, connectorId=connector, chargingProfile=profile
        )
        if len(kept) >= pair.world.installed_max:
            assert answer.status == "Rejected"
            return
        assert answer.status == "Accepted"
        session = pair.start_promised(connector, BIG_VAN)
        assert pair.world.set(connector, profile, pair.now)
        assert session in pair.world.sessions

    @rule(connector=st.integers(1, 2))
    def stop(self, connector: int) -> None:
        session = self._session(connector)
        if session is not None:
            self.pair.stop(session)

    @rule(connector=st.integers(1, 2))
    def vehicle_pauses_or_goes_on(self, connector: int) -> None:
        session = self._session(connector)
        if session is not None:
            event = EvPaused(connector) if session.wants else EvResumed(connector)
            session.wants = not session.wants
            self.pair.scene.tell(event)

    @precondition(lambda self: len(self.pair.world.installed) > 2)
    @rule(hard=st.booleans())
    def reset(self, hard: bool) -> None:
        for session in list(self.pair.world.sessions):
            self.pair.world.end(session)
        self.pair.scene.call("Reset", type="Hard" if hard else "Soft")
        self.pair.scene.run(for_s=10)
        self._all_leave()

    @precondition(lambda self: len(self.pair.world.installed) > 2)
    @rule(seconds=st.integers(0, 50))
    def power_fails(self, seconds: int) -> None:
        for session in list(self.pair.world.sessions):
            self.pair.world.end(session)
        self.pair.scene.cycle_power(for_s=seconds)
        self._all_leave()

    def _all_leave(self) -> None:
        for connector in self.pair.scene.station.connectors:
            if connector.plugged:
                self.pair.scene.unplug(connector.id)

    def _session(self, connector: int) -> Session | None:
        return next((one for one in self.pair.world.sessions if one.connector == connector), None)

    # ── what always holds ──

    @invariant()
    def power_and_status_are_what_the_oracle_says(self) -> None:
        self.pair.check()

    @invariant()
    def the_register_never_falls(self) -> None:
        for index, connector in enumerate(self.pair.scene.station.connectors):
            assert connector.meter.energy_wh >= self.registers[index]
            self.registers[index] = connector.meter.energy_wh

    @invariant()
    def the_station_wakes_before_the_limits_change(self) -> None:
        world, now = self.pair.world, self.pair.now
        if not world.sessions:
            return
        before = world.offers(now)
        for second in range(1, LOOK_AHEAD_S):
            then = float(int(now) + second)
            if world.offers(then) != before:
                wake_s = self.pair.scene.station.wake_at_s
                assert wake_s - self.pair.scene.now_s <= then - now + 1e-6
                return


TestCharging = Charging.TestCase
TestCharging.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
