"""Monitors fire exactly when they are crossed, whatever happens to a charging session.

The oracle polls: it asks for the value by GetVariables and compares it with what the events have
said so far. The station itself does not poll.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from builders_device import events, monitor, value
from builders_station2 import VERSIONS, Scene2
from simfleet.station.events import EvPaused, EvResumed
from simfleet.station.vehicle import VehicleSpec

if TYPE_CHECKING:
    from collections.abc import Callable

CAR = VehicleSpec("car", 40_000, 11_000, 60_000)
WATCHED: dict[str, tuple[str, dict[str, int], float]] = {
    "power": ("EVSE.Power", {"evse": 1}, 50_000),
    "current": ("EVSE.DCCurrent", {"evse": 1}, 150),
    "voltage": ("EVSE.DCVoltage", {"evse": 1}, 450),
    "register": ("FiscalMetering.EnergyImportRegister", {"evse": 1}, 20_000),
    "temperature": ("TemperatureSensor.Temperature", {"evse": 1}, 50),
    "soc": ("ConnectedEV.StateOfCharge", {"evse": 1, "connector": 1}, 100),
}
STEP = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 900)),
    st.tuples(st.just("charge"), st.integers(0, 100)),
    st.tuples(st.just("pause"), st.just(0)),
    st.tuples(st.just("resume"), st.just(0)),
    st.tuples(st.just("limit"), st.integers(0, 60_000)),
    st.tuples(st.just("unplug"), st.just(0)),
)
STEPS = st.builds(
    lambda soc, wait_s, more: [("charge", soc), ("wait", wait_s), *more],
    st.integers(0, 95),
    st.integers(1, 1800),
    st.lists(STEP, max_size=6),
)
"""A session, and what else may happen."""


def a_scene(version: str) -> Scene2:
    scene = Scene2(
        version=version,
        kind="DC",
        max_power_w=50_000.0,
        vehicle=CAR,
        configuration={"MeterValueSampleInterval": 0},
    )
    scene.boot()
    scene.mark()
    return scene


def limit(scene: Scene2, power_w: int) -> None:
    """TxDefaultProfile of the CSMS."""
    scene.call(
        "SetChargingProfile",
        evseId=0,
        chargingProfile={
            "id": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "ChargingStationMaxProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": [
                {
                    "id": 1,
                    "chargingRateUnit": "W",
                    "startSchedule": scene.clock,
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": float(power_w)}],
                }
            ],
        },
    )


def play(scene: Scene2, step: tuple[str, int], look: Callable[[], None]) -> None:
    """One step of a session; `look` after every 10 s of waiting, and at the end."""
    what, amount = step
    connector = scene.station.connectors[0]
    match what:
        case "wait":
            for _ in range(amount // 10):
                scene.run(for_s=10)
                look()
            scene.run(for_s=amount % 10)
        case "charge" if not connector.plugged:
            scene.charge(soc=amount / 100)
        case "pause" if connector.transaction is not None:
            scene.tell(EvPaused(1))
        case "resume" if connector.transaction is not None:
            scene.tell(EvResumed(1))
        case "limit":
            limit(scene, amount)
        case "unplug" if connector.plugged:
            scene.unplug()
    look()


def now(scene: Scene2, path: str, place: dict[str, Any]) -> float | None:
    text = value(scene, path, **place)
    return float(text) if text else None


@settings(max_examples=60, deadline=None)
@given(
    version=st.sampled_from(VERSIONS),
    watched=st.sampled_from(sorted(WATCHED)),
    fraction=st.floats(0.02, 0.98),
    upper=st.booleans(),
    steps=STEPS,
)
def test_a_threshold_is_told_whenever_it_is_crossed_and_never_else(
    version: str, watched: str, fraction: float, upper: bool, steps: list[tuple[str, int]]
) -> None:
    """At every look: the last event says Alerting exactly if the value is beyond the threshold now;
    and Alerting and cleared alternate.
    """
    path, place, top = WATCHED[watched]
    bound = round(top * fraction, 1)
    scene = a_scene(version)
    kind = "UpperThreshold" if upper else "LowerThreshold"
    assert monitor(scene, path, kind, bound, **place)["status"] == "Accepted"

    def look() -> None:
        value_now = now(scene, path, place)
        beyond = value_now is not None and (value_now > bound if upper else value_now < bound)
        told = events(scene)
        alarmed = bool(told) and not told[-1].get("cleared", False)
        if alarmed is not beyond:  # what follows a crossing closely may wait for a second
            scene.run(for_s=1.01)
            value_now = now(scene, path, place)
            beyond = value_now is not None and (value_now > bound if upper else value_now < bound)
            told = events(scene)
            alarmed = bool(told) and not told[-1].get("cleared", False)
        assert alarmed is beyond, (value_now, bound, told)

    for step in steps:
        play(scene, step, look)
    told = [event.get("cleared", False) for event in events(scene)]
    assert told == [number % 2 == 1 for number in range(len(told))]
    for event in events(scene):
        text = event["actualValue"]
        beyond = text != "" and (float(text) > bound if upper else float(text) < bound)
        assert beyond is not event.get("cleared", False)


@settings(max_examples=60, deadline=None)
@given(
    version=st.sampled_from(VERSIONS),
    watched=st.sampled_from(sorted(WATCHED)),
    fraction=st.floats(0.02, 0.5),
    steps=STEPS,
)
def test_a_delta_never_lags_and_never_chatters(
    version: str, watched: str, fraction: float, steps: list[tuple[str, int]]
) -> None:
    """At every look the value is within the delta of the one told last, and every event is more
    than the delta away from the one before.
    """
    path, place, top = WATCHED[watched]
    delta = round(top * fraction, 1)
    scene = a_scene(version)
    told_last = [now(scene, path, place)]
    assert monitor(scene, path, "Delta", delta, **place)["status"] == "Accepted"
    count = 0

    def look() -> None:
        nonlocal count
        for event in events(scene)[count:]:
            count += 1
            text = event["actualValue"]
            if told_last[-1] is not None:
                assert abs(float(text) - told_last[-1]) > delta
            told_last.append(float(text))
        value_now = now(scene, path, place)
        if told_last[-1] is None:
            told_last[-1] = value_now  # a delta counts from the first value there is
        elif value_now is not None:
            assert abs(value_now - told_last[-1]) <= delta + 1e-9

    for step in steps:
        play(scene, step, look)


@settings(max_examples=40, deadline=None)
@given(
    version=st.sampled_from(VERSIONS),
    bound=st.integers(1, 49_999),
    soc=st.integers(0, 99),
    limited_w=st.integers(1000, 50_000),
)
def test_a_station_wakes_seldom_for_a_monitor(
    version: str, bound: int, soc: int, limited_w: int
) -> None:
    """A session to the end with a monitor of its power takes a few wake-ups, not one a second."""
    scene = a_scene(version)
    limit(scene, limited_w)
    monitor(scene, "EVSE.Power", "LowerThreshold", bound, evse=1)
    scene.charge(soc=soc / 100)
    wakes = 0
    end_s = scene.now_s + 4 * 3600
    while scene.station.wake_at_s < end_s:
        scene.run(for_s=scene.station.wake_at_s - scene.now_s)
        wakes += 1
    assert wakes <= 60  # heartbeats among them, every 300 s
