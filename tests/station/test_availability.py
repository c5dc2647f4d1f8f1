from __future__ import annotations

import pytest

from builders_station import OTHER_TAG, SILENCE, Scene
from simfleet.errors import Refused
from simfleet.station.events import Failed, FaultCleared


def a_booted_scene(connectors: int = 1) -> Scene:
    scene = Scene(connectors=connectors)
    scene.boot()
    scene.mark()
    return scene


def change(scene: Scene, connector: int, kind: str) -> str:
    return scene.call("ChangeAvailability", connectorId=connector, type=kind).status


def test_a_free_connector_goes_out_of_service_and_back() -> None:
    scene = a_booted_scene(connectors=2)
    assert change(scene, 1, "Inoperative") == "Accepted"
    assert change(scene, 1, "Operative") == "Accepted"
    assert scene.statuses(1) == ["Unavailable", "Available"]
    assert scene.statuses(2) == scene.statuses(0) == []


def test_a_change_to_the_state_it_has_sends_nothing() -> None:
    scene = a_booted_scene()
    assert change(scene, 1, "Operative") == "Accepted"
    assert change(scene, 0, "Operative") == "Accepted"
    assert scene.sent() == []
    change(scene, 1, "Inoperative")
    assert change(scene, 1, "Inoperative") == "Accepted"
    assert scene.statuses() == ["Unavailable"]


@pytest.mark.parametrize("connector", [-1, 2, 99])
def test_an_unknown_connector_is_rejected(connector: int) -> None:
    scene = a_booted_scene()
    assert change(scene, connector, "Inoperative") == "Rejected"
    assert scene.sent() == []


def test_connector_0_means_the_station_and_all_connectors() -> None:
    scene = a_booted_scene(connectors=2)
    assert change(scene, 0, "Inoperative") == "Accepted"
    assert [scene.statuses(n) for n in range(3)] == [["Unavailable"]] * 3
    assert change(scene, 0, "Operative") == "Accepted"
    assert [scene.statuses(n) for n in range(3)] == [["Unavailable", "Available"]] * 3


@pytest.mark.parametrize("connector", [0, 1])
def test_during_a_transaction_it_is_scheduled_and_comes_without_available_in_between(
    connector: int,
) -> None:
    scene = a_booted_scene()
    scene.charge()
    assert change(scene, connector, "Inoperative") == "Scheduled"
    scene.run(for_s=60)
    assert scene.statuses() == ["Preparing", "Charging"]
    scene.present_tag()
    assert scene.statuses() == ["Preparing", "Charging", "Unavailable"]
    scene.unplug()
    assert scene.statuses() == ["Preparing", "Charging", "Unavailable"]


def test_scheduled_also_holds_when_the_cable_ends_the_transaction() -> None:
    scene = a_booted_scene()
    scene.charge()
    change(scene, 1, "Inoperative")
    scene.unplug()
    assert scene.statuses() == ["Preparing", "Charging", "Unavailable"]


def test_what_was_scheduled_can_be_called_off() -> None:
    scene = a_booted_scene()
    scene.charge()
    change(scene, 1, "Inoperative")
    assert change(scene, 1, "Operative") == "Accepted"
    scene.present_tag()
    scene.unplug()
    assert scene.statuses()[-2:] == ["Finishing", "Available"]


def test_with_one_of_two_connectors_busy_the_other_goes_at_once() -> None:
    scene = a_booted_scene(connectors=2)
    scene.charge(1)
    assert change(scene, 0, "Inoperative") == "Scheduled"
    assert scene.statuses(1)[-1] == "Charging"
    assert scene.statuses(2) == ["Unavailable"]
    scene.present_tag()
    assert scene.statuses(1)[-1] == "Unavailable"


def test_while_preparing_it_waits_for_the_cable_to_come_out() -> None:
    # Preparing to Unavailable is not in the matrix.
    scene = a_booted_scene()
    scene.plug_in()
    assert change(scene, 1, "Inoperative") == "Scheduled"
    with pytest.raises(Refused):
        scene.present_tag()
    scene.unplug()
    assert scene.statuses() == ["Preparing", "Available", "Unavailable"]


def test_while_finishing_it_comes_at_once() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.present_tag()
    assert change(scene, 1, "Inoperative") == "Accepted"
    assert scene.statuses()[-2:] == ["Finishing", "Unavailable"]


def test_out_of_service_takes_neither_tag_nor_cable_for_a_session() -> None:
    scene = a_booted_scene()
    change(scene, 1, "Inoperative")
    with pytest.raises(Refused):
        scene.present_tag()
    scene.plug_in()
    assert scene.statuses() == ["Unavailable"]
    change(scene, 1, "Operative")
    assert scene.statuses() == ["Unavailable", "Preparing"]
    scene.present_tag(OTHER_TAG)
    assert scene.statuses()[-1] == "Charging"


def test_a_tag_that_is_being_asked_about_starts_nothing_out_of_service() -> None:
    scene = a_booted_scene()
    scene.on("Authorize", SILENCE)
    scene.present_tag()
    change(scene, 1, "Inoperative")
    scene.reply(scene.sent("Authorize")[0], {"idTagInfo": {"status": "Accepted"}})
    scene.plug_in()
    assert scene.statuses() == ["Unavailable"]
    assert scene.sent("StartTransaction") == []


@pytest.mark.parametrize("reset", ["Soft", "Hard", "power"])
def test_out_of_service_survives_a_reboot(reset: str) -> None:
    scene = a_booted_scene(connectors=2)
    change(scene, 0, "Inoperative")
    change(scene, 2, "Operative")
    scene.mark()
    if reset == "power":
        scene.lose_power()
        scene.restore_power()
    else:
        scene.call("Reset", type=reset)
        scene.run(for_s=60)
    assert [scene.statuses(n) for n in range(3)] == [
        ["Unavailable"],
        ["Unavailable"],
        ["Available"],
    ]


@pytest.mark.parametrize("kind", ["Hard", "Soft"])
def test_scheduled_survives_the_reset_that_ends_the_transaction(kind: str) -> None:
    scene = a_booted_scene()
    scene.charge()
    change(scene, 1, "Inoperative")
    scene.call("Reset", type=kind)
    scene.run(for_s=60)
    assert scene.statuses()[-1] == "Unavailable"
    assert "Available" not in scene.statuses()


def test_scheduled_survives_a_reset_while_preparing() -> None:
    scene = a_booted_scene()
    scene.present_tag()
    assert change(scene, 1, "Inoperative") == "Scheduled"
    scene.call("Reset", type="Hard")
    scene.run(for_s=60)
    assert scene.statuses()[-1] == "Unavailable"


def test_a_fault_hides_out_of_service_until_it_is_cleared() -> None:
    scene = a_booted_scene()
    change(scene, 1, "Inoperative")
    scene.tell(Failed())
    scene.tell(FaultCleared())
    assert scene.statuses() == ["Unavailable", "Faulted", "Unavailable"]


def test_changes_offline_are_told_when_the_link_is_back() -> None:
    scene = a_booted_scene()
    change(scene, 1, "Inoperative")
    scene.disconnect()
    scene.mark()
    scene.connect()
    assert scene.statuses() == ["Unavailable"]


def test_connector_0_is_reported_unavailable_only_when_the_last_session_is_over() -> None:
    scene = a_booted_scene(connectors=2)
    scene.charge()
    scene.mark()
    change(scene, 0, "Inoperative")
    assert scene.statuses(0) == []
    assert scene.statuses(2) == ["Unavailable"]
    scene.present_tag()
    assert scene.statuses(1) == ["Unavailable"]
    assert scene.statuses(0) == ["Unavailable"]
