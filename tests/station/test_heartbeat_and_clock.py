from __future__ import annotations

from itertools import pairwise

import pytest

from builders_station import SILENCE, Payload, Scene
from simfleet.station.registration import CLOCK_TOLERANCE_S


def a_scene(interval: int = 60, **options: object) -> Scene:
    scene = Scene(**options)  # type: ignore[arg-type]

    def accept(_: Payload) -> Payload:
        return {"status": "Accepted", "currentTime": scene.clock, "interval": interval}

    scene.on("BootNotification", accept)
    scene.boot()
    return scene


def beat_times(scene: Scene) -> list[float]:
    return [one.at_s for one in scene.sent("Heartbeat")]


def gaps(times: list[float]) -> list[float]:
    return [round(after - before, 6) for before, after in pairwise(times)]


# ── heartbeat ───────────────────────────────────────────────────────────────────────────────────


def test_heartbeats_follow_the_interval_of_the_boot_answer() -> None:
    scene = a_scene(interval=60)
    scene.run(for_s=600)
    times = beat_times(scene)
    assert len(times) == 10
    assert times[0] - scene.began_s <= 60
    assert set(gaps(times)) == {60.0}


def test_the_interval_of_the_boot_answer_is_the_value_of_the_key() -> None:
    scene = a_scene(interval=77)
    answer = scene.call("GetConfiguration", key=["HeartbeatInterval"])
    assert answer.payload["configurationKey"][0]["value"] == "77"


def test_interval_0_in_the_boot_answer_leaves_the_stations_own() -> None:
    scene = a_scene(interval=0, configuration={"HeartbeatInterval": 40})
    scene.run(for_s=400)
    assert set(gaps(beat_times(scene))) == {40.0}


def test_a_new_heartbeat_interval_counts_at_once() -> None:
    scene = a_scene(interval=3600)
    scene.run(for_s=10)
    assert scene.sent("Heartbeat") == []
    answer = scene.call("ChangeConfiguration", key="heartbeatinterval", value="15")
    assert answer.status == "Accepted"
    changed_s = scene.now_s
    scene.run(for_s=60)
    assert beat_times(scene) == [changed_s + 15 * n for n in (1, 2, 3, 4)]


def test_heartbeat_interval_0_means_none() -> None:
    scene = a_scene(interval=10)
    scene.call("ChangeConfiguration", key="HeartbeatInterval", value="0")
    scene.run(for_s=1000)
    assert scene.sent("Heartbeat") == []


def test_stations_do_not_beat_as_one() -> None:
    first_beats = set()
    for seed in range(20):
        scene = a_scene(interval=100, seed=seed)
        scene.run(for_s=100)
        first_beats.add(round(beat_times(scene)[0] - scene.began_s))
    assert len(first_beats) > 10


def test_no_heartbeat_without_a_link_and_one_when_it_is_back() -> None:
    scene = a_scene(interval=10)
    scene.disconnect()
    scene.run(for_s=100)
    assert scene.sent("Heartbeat") == []
    scene.connect()
    scene.tick()
    assert len(scene.sent("Heartbeat")) == 1
    scene.run(for_s=10)
    assert len(scene.sent("Heartbeat")) == 2


def test_heartbeats_to_a_frozen_csms_keep_the_time_they_were_due() -> None:
    scene = a_scene(interval=10)
    scene.on("Heartbeat", SILENCE)
    scene.run(for_s=25)
    open_beat = scene.sent("Heartbeat")[0]
    scene.run(for_s=4)
    scene.on("Heartbeat", lambda _: {"currentTime": scene.clock})
    scene.reply(open_beat, {"currentTime": scene.clock})
    due_s = [outcome.due_s for outcome in scene.outcomes("Heartbeat")]
    assert due_s[0] == open_beat.at_s
    assert set(gaps(due_s)) == {10.0}


# ── the clock ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("error_s", [-5000.0, -2.0, 2.0, 86_400.0 * 400])
def test_the_boot_answer_sets_the_clock(error_s: float) -> None:
    scene = Scene(clock_error_s=error_s)
    scene.boot()
    for status in scene.sent("StatusNotification"):
        assert abs(status.wall_s - scene.wall_s) < 0.01


def test_every_heartbeat_sets_the_clock() -> None:
    scene = a_scene(interval=10)
    scene.epoch_s += 3600  # the CSMS's clock jumps
    scene.run(for_s=10)
    scene.plug_in()
    assert abs(scene.sent("StatusNotification")[-1].wall_s - scene.wall_s) < 0.01


def test_a_clock_that_is_nearly_right_is_left_alone() -> None:
    scene = Scene(clock_error_s=CLOCK_TOLERANCE_S * 0.9)
    scene.boot()
    for status in scene.sent("StatusNotification"):
        assert abs(status.wall_s - scene.wall_s - 0.9 * CLOCK_TOLERANCE_S) < 0.01


def test_timestamps_are_utc() -> None:
    scene = Scene()
    scene.boot()
    assert scene.sent("StatusNotification")[0]["timestamp"].endswith("Z")
