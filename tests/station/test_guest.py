"""A driver who comes from outside, for one session (`DriverArrives`), in all versions."""

from __future__ import annotations

import pytest

from builders_station import Error, Scene
from builders_station2 import Scene2
from simfleet.station.chance import Span
from simfleet.station.effects import DriverMoved, TransactionClosed
from simfleet.station.events import DriverArrives, Failed, PowerLost, Retired, Unplugged
from simfleet.station.phase import Phase
from simfleet.station.spec import Habits

HABITS = Habits(think_time_s=Span(2, 4), soc=Span(0.2, 0.4))
SESSION = ["Preparing", "Charging", "Finishing", "Available"]
INVALID = {"idTagInfo": {"status": "Invalid"}}


def a_scene(version: str = "ocpp1.6", **options: object) -> Scene:
    """A station that has booted and to which nobody comes by himself."""
    settings = {"habits": HABITS, **options}
    scene = Scene(**settings) if version == "ocpp1.6" else Scene2(version=version, **settings)  # type: ignore[arg-type]
    scene.boot()
    scene.mark()
    return scene


def a_driver(scene: Scene, *, late_s: float = 0.0, energy_wh: float = 700.0, seed: int = 5) -> None:
    scene.tell(DriverArrives(1, energy_wh, seed, due_s=scene.now_s - late_s))


def moves(scene: Scene) -> list[str]:
    return [move.what for move in scene.seen(DriverMoved)]


@pytest.mark.parametrize("version", ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"])
def test_a_driver_has_one_session_and_leaves(version: str) -> None:
    scene = a_scene(version)
    a_driver(scene)
    scene.run(for_s=3600)
    assert moves(scene) == ["charging", "gone"]
    (closed,) = scene.seen(TransactionClosed)
    assert 700 <= closed.energy_wh < 715  # it flows until the hand has moved
    connector = scene.station.connectors[0]
    assert connector.phase is Phase.AVAILABLE
    assert connector.autopilot is None
    assert scene.station.drained


def test_the_driver_plugs_in_at_once_and_nobody_follows() -> None:
    scene = a_scene()
    a_driver(scene)
    assert scene.statuses() == ["Preparing"]
    scene.run(for_s=24 * 3600)
    assert scene.statuses() == SESSION


def test_everything_about_the_session_comes_from_the_driver() -> None:
    """Whatever was before at this charger, the same driver has the same session there."""
    fresh, used = a_scene(), a_scene()
    a_driver(used, seed=77)
    used.run(for_s=3600)
    took: list[list[float]] = []
    for scene in (fresh, used):
        scene.run(for_s=3600 - (scene.now_s - scene.began_s))
        scene.mark()
        began_s = scene.now_s
        a_driver(scene)
        scene.run(for_s=3600)
        took.append(
            [round(sent.at_s - began_s, 2) for sent in scene.sent() if sent.action != "Heartbeat"]
        )
    assert took[0] == took[1]


def test_another_driver_takes_other_times() -> None:
    moments = set()
    for seed in range(5):
        scene = a_scene()
        a_driver(scene, seed=seed)
        scene.run(for_s=3600)
        moments.add(round(scene.sent("Authorize")[0].at_s, 2))
    assert len(moments) == 5


def test_whoever_comes_late_is_counted_from_when_they_were_due_and_catches_up() -> None:
    on_time, late = a_scene(), a_scene()
    a_driver(on_time)
    on_time.run(for_s=3600)
    late.run(for_s=1.5)
    a_driver(late, late_s=1.5)
    (plugged,) = late.outcomes("StatusNotification")
    assert plugged.done_s - plugged.due_s == pytest.approx(1.5)
    assert plugged.sent_s is not None
    assert plugged.done_s - plugged.sent_s == 0.0
    late.run(for_s=3600)
    assert late.sent("Authorize")[0].at_s == on_time.sent("Authorize")[0].at_s
    assert late.station.behind_s == 0.0


def test_a_driver_whose_tag_is_refused_leaves_unserved() -> None:
    scene = a_scene()
    scene.on("Authorize", INVALID)
    a_driver(scene)
    scene.run(for_s=600)
    assert moves(scene) == ["unserved"]
    assert scene.statuses() == ["Preparing", "Available"]
    assert scene.station.connectors[0].autopilot is None


def test_a_driver_whom_nobody_answers_gives_up() -> None:
    scene = a_scene()
    scene.on("Authorize", Error("InternalError", ""))
    a_driver(scene)
    scene.run(for_s=3600)
    assert moves(scene) == ["unserved"]
    assert scene.station.connectors[0].phase is Phase.AVAILABLE


def test_two_drivers_at_one_connector_the_second_goes_unserved() -> None:
    scene = a_scene()
    a_driver(scene)
    a_driver(scene, seed=6)
    assert moves(scene) == ["unserved"]
    scene.run(for_s=3600)
    assert moves(scene) == ["unserved", "charging", "gone"]


def test_a_driver_who_comes_to_a_faulted_connector_goes_unserved() -> None:
    scene = a_scene()
    scene.tell(Failed(1))
    a_driver(scene)
    assert moves(scene) == ["unserved"]


def test_a_driver_who_comes_to_a_station_without_power_goes_unserved() -> None:
    scene = a_scene()
    scene.tell(PowerLost())
    a_driver(scene)
    assert moves(scene) == ["unserved"]


def test_a_driver_whose_station_loses_power_unplugs_and_goes() -> None:
    scene = a_scene()
    a_driver(scene, energy_wh=20_000)
    scene.run(for_s=60)
    scene.cycle_power(for_s=30)
    scene.run(for_s=600)
    assert moves(scene) == ["charging", "gone"]
    assert scene.station.connectors[0].autopilot is None
    assert not scene.station.connectors[0].plugged


def test_a_driver_whose_cable_somebody_pulls_has_gone() -> None:
    scene = a_scene()
    a_driver(scene, energy_wh=20_000)
    scene.run(for_s=60)
    scene.tell(Unplugged(1))
    scene.run(for_s=60)
    assert moves(scene) == ["charging", "gone"]
    assert scene.station.drained


def test_a_charger_that_is_retired_sends_its_driver_away() -> None:
    scene = a_scene()
    a_driver(scene, energy_wh=20_000)
    scene.run(for_s=60)
    scene.tell(Retired())
    assert moves(scene) == ["charging", "gone"]
    scene.run(for_s=600)
    assert scene.station.drained


def test_drivers_of_its_own_follow_once_the_charger_is_to_have_some() -> None:
    scene = a_scene()
    a_driver(scene)
    scene.station.engage(at_s=scene.now_s)
    scene.run(for_s=12 * 3600)
    assert moves(scene) == ["charging", "gone"]
    assert len(scene.seen(TransactionClosed)) > 1
