"""Block G of OCPP 2.0.1 part 2: in and out of service at three levels."""

from __future__ import annotations

from typing import Any

import pytest

from builders_station2 import Scene2, versions
from simfleet.station.events import Failed, FaultCleared
from simfleet.station.memory import decode_kept, encode_kept, recall, remember

STATION: Any = {}
EVSE_1: Any = {"evse": {"id": 1}}
CONNECTOR_1: Any = {"evse": {"id": 1, "connectorId": 1}}
levels = pytest.mark.parametrize("level", [STATION, EVSE_1, CONNECTOR_1])


def a_scene(version: str, *, connectors: int = 2, **options: Any) -> Scene2:
    scene = Scene2(version=version, connectors=connectors, **options)
    scene.boot()
    scene.mark()
    return scene


def change(scene: Scene2, status: str, level: Any) -> str:
    return scene.call("ChangeAvailability", operationalStatus=status, **level).status


def out(scene: Scene2, level: Any) -> str:
    return change(scene, "Inoperative", level)


def back(scene: Scene2, level: Any) -> str:
    return change(scene, "Operative", level)


@versions
@levels
def test_an_idle_connector_goes_out_of_service_and_comes_back(version: str, level: Any) -> None:
    """G03, G04."""
    scene = a_scene(version)
    assert out(scene, level) == "Accepted"
    assert scene.statuses(1) == ["Unavailable"]
    assert scene.statuses(2) == (["Unavailable"] if level is STATION else [])
    assert back(scene, level) == "Accepted"
    assert scene.statuses(1) == ["Unavailable", "Available"]


@versions
@levels
def test_what_is_so_already_is_accepted_and_not_told_again(version: str, level: Any) -> None:
    """G03.FR.02, G04.FR.04."""
    scene = a_scene(version)
    assert back(scene, level) == "Accepted"
    out(scene, level)
    scene.mark()
    assert out(scene, level) == "Accepted"
    assert scene.sent() == []


@versions
@pytest.mark.parametrize("evse", [{"id": 3}, {"id": 1, "connectorId": 2}, {"id": 0}])
def test_what_is_not_there_is_rejected(version: str, evse: Any) -> None:
    scene = a_scene(version)
    assert out(scene, {"evse": evse}) == "Rejected"
    assert scene.sent() == []


@versions
def test_an_evse_taken_out_alone_stays_out_when_the_station_comes_back(version: str) -> None:
    """G04: the levels nest, and each keeps its own."""
    scene = a_scene(version)
    out(scene, EVSE_1)
    out(scene, STATION)
    scene.mark()
    back(scene, STATION)
    assert (scene.statuses(1), scene.statuses(2)) == ([], ["Available"])
    back(scene, EVSE_1)
    assert scene.statuses(1) == ["Available"]


@versions
def test_a_connector_taken_out_alone_stays_out_when_its_evse_comes_back(version: str) -> None:
    """G03: a level above does not overrule the one below."""
    scene = a_scene(version)
    out(scene, CONNECTOR_1)
    out(scene, EVSE_1)
    scene.mark()
    back(scene, EVSE_1)
    assert scene.statuses(1) == []
    back(scene, CONNECTOR_1)
    assert scene.statuses(1) == ["Available"]


@versions
def test_an_evse_cannot_be_in_service_at_a_station_that_is_not(version: str) -> None:
    """G03: accepted, and kept for later."""
    scene = a_scene(version)
    out(scene, EVSE_1)
    out(scene, STATION)
    scene.mark()
    assert back(scene, EVSE_1) == "Accepted"
    assert scene.sent() == []
    back(scene, STATION)
    assert (scene.statuses(1), scene.statuses(2)) == (["Available"], ["Available"])


@versions
@levels
def test_a_transaction_is_waited_for(version: str, level: Any) -> None:
    """G03.FR.03: Scheduled; afterwards Unavailable without an Available in between."""
    scene = a_scene(version)
    scene.charge(1)
    scene.mark()
    assert out(scene, level) == "Scheduled"
    assert scene.statuses(1) == []
    scene.present_tag(connector_id=1)
    assert len(scene.events("Ended")) == 1
    assert scene.statuses(1) == ["Unavailable"]
    scene.unplug(1)
    assert scene.statuses(1) == ["Unavailable"]


@versions
def test_the_free_evses_go_out_of_service_at_once(version: str) -> None:
    """G04.FR.05: the others when their transactions are over."""
    scene = a_scene(version)
    scene.charge(1)
    scene.mark()
    assert out(scene, STATION) == "Scheduled"
    assert (scene.statuses(1), scene.statuses(2)) == ([], ["Unavailable"])


@versions
def test_a_transaction_that_ends_with_the_cable_is_waited_for_as_long(version: str) -> None:
    """TxStopPoint EVConnected: the session ends sooner than its transaction."""
    scene = a_scene(version, configuration={"TxCtrlr.TxStopPoint": "EVConnected"})
    scene.charge(1)
    scene.mark()
    assert out(scene, EVSE_1) == "Scheduled"
    scene.present_tag(connector_id=1)
    assert scene.statuses(1) == []
    scene.unplug(1)
    scene.run(for_s=1)
    assert scene.statuses(1) == ["Unavailable"]


@versions
def test_a_transaction_that_nobody_was_authorized_for_is_waited_for_too(version: str) -> None:
    """TxStartPoint EVConnected; ended from afar, with the cable still in."""
    scene = a_scene(version, configuration={"TxCtrlr.TxStartPoint": "EVConnected"})
    scene.plug_in(1)
    scene.mark()
    assert out(scene, EVSE_1) == "Scheduled"
    scene.unplug(1)
    scene.run(for_s=1)
    assert scene.statuses(1)[-1] == "Unavailable"


@versions
def test_a_cable_alone_is_not_waited_for(version: str) -> None:
    """G03.FR.02: no transaction, so it is done at once."""
    scene = a_scene(version)
    scene.plug_in(1)
    scene.mark()
    assert out(scene, EVSE_1) == "Accepted"
    assert scene.statuses(1) == ["Unavailable"]
    back(scene, EVSE_1)
    assert scene.statuses(1) == ["Unavailable", "Occupied"]


@versions
def test_a_change_of_mind_in_time_changes_nothing(version: str) -> None:
    scene = a_scene(version)
    scene.charge(1)
    out(scene, EVSE_1)
    scene.mark()
    assert back(scene, EVSE_1) == "Accepted"
    scene.present_tag(connector_id=1)
    scene.unplug(1)
    assert "Unavailable" not in scene.statuses(1)


@versions
def test_no_transaction_starts_out_of_service(version: str) -> None:
    """G03.FR.05."""
    scene = a_scene(version)
    out(scene, EVSE_1)
    scene.plug_in(1)
    scene.mark()
    start: Any = {"idToken": {"idToken": "04A1B2C3", "type": "ISO14443"}, "remoteStartId": 1}
    assert scene.call("RequestStartTransaction", evseId=1, **start).status == "Rejected"
    assert scene.sent() == []


@versions
def test_a_broken_connector_is_out_of_service_once_it_is_mended(version: str) -> None:
    scene = a_scene(version)
    scene.tell(Failed(1, "GroundFailure"))
    scene.mark()
    assert out(scene, EVSE_1) == "Accepted"
    assert scene.statuses(1) == []
    scene.tell(FaultCleared(1))
    assert scene.statuses(1) == ["Unavailable"]


@versions
@levels
def test_availability_survives_a_reset(version: str, level: Any) -> None:
    """G03.FR.06, G04.FR.07: persistent over reboots."""
    scene = a_scene(version)
    out(scene, level)
    scene.mark()
    scene.call("Reset", type="Immediate")
    scene.run(for_s=10)
    assert scene.statuses(1) == ["Unavailable"]
    assert scene.statuses(2) == (["Unavailable"] if level is STATION else ["Available"])


@versions
@levels
def test_availability_survives_a_loss_of_power(version: str, level: Any) -> None:
    """G03.FR.06: and each level with it."""
    scene = a_scene(version)
    out(scene, level)
    out(scene, STATION)
    kept = decode_kept(encode_kept(remember(scene.station)))
    again = Scene2(version=version, connectors=2)
    recall(again.station, kept, at_s=again.now_s)
    again.boot()
    assert again.statuses(1) == ["Unavailable"]
    again.mark()
    back(again, STATION)
    assert again.statuses(1) == (["Available"] if level is STATION else [])
    assert again.statuses(2) == ["Available"]


@versions
def test_a_scheduled_change_survives_a_loss_of_power(version: str) -> None:
    scene = a_scene(version)
    scene.charge(1)
    out(scene, EVSE_1)
    scene.cycle_power(for_s=10)
    scene.run(for_s=1)
    assert scene.statuses(1)[-1] == "Unavailable"
