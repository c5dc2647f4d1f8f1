"""Periodic event streams of OCPP 2.1 (2.1 N11 to N15; row AdjustPeriodicEventStream,
GetPeriodicEventStream).
"""

from __future__ import annotations

from typing import Any

import pytest

from builders_device import events, monitor
from builders_station2 import Scene2, Sent, wall_of


def a_scene(*, accepted: bool = True) -> Scene2:
    scene = Scene2(version="ocpp2.1")
    scene.boot()
    scene.on("OpenPeriodicEventStream", status="Accepted" if accepted else "Rejected")
    scene.mark()
    return scene


def stream(scene: Scene2, **params: int) -> int:
    """A stream of the power at EVSE 1, a value every 5 s; returns its id."""
    result = monitor(scene, "EVSE.Power", "Periodic", 5, evse=1, periodicEventStream=params)
    assert result["status"] == "Accepted"
    return int(result["id"])


def told(scene: Scene2) -> list[Sent]:
    return scene.sent("NotifyPeriodicEventStream")


def test_a_stream_is_opened_when_its_monitor_is_set() -> None:
    """N11: OpenPeriodicEventStream with the monitor and its parameters."""
    scene = a_scene()
    held = stream(scene, interval=20, values=10)
    (opened,) = scene.sent("OpenPeriodicEventStream")
    assert opened["constantStreamData"] == {
        "id": held,
        "variableMonitoringId": held,
        "params": {"interval": 20, "values": 10},
    }


def test_values_are_told_when_there_are_enough() -> None:
    """N13: after so many values, each with its time since basetime; no NotifyEvent."""
    scene = a_scene()
    held = stream(scene, values=3)
    began_s = scene.wall_s
    scene.charge()
    scene.run(for_s=31)
    first, second = told(scene)
    assert (first["id"], first["pending"]) == (held, 0)
    assert wall_of(first["basetime"]) == pytest.approx(began_s + 5)
    assert [one["t"] for one in first["data"]] == [0, 5, 10]
    assert {one["v"] for one in first["data"]} == {"11000"}
    assert wall_of(second["basetime"]) == pytest.approx(began_s + 20)
    assert events(scene) == []


def test_values_are_told_when_the_interval_is_over() -> None:
    """N13: at the latest every so many seconds."""
    scene = a_scene()
    stream(scene, interval=10)
    scene.run(for_s=31)
    assert [len(one["data"]) for one in told(scene)] == [2, 2, 2]


def test_a_stream_that_is_refused_leaves_a_monitor_as_any() -> None:
    """N11: Rejected, so the values come by NotifyEvent."""
    scene = a_scene(accepted=False)
    stream(scene, values=1)
    scene.run(for_s=11)
    assert told(scene) == []
    assert [one["trigger"] for one in events(scene)] == ["Periodic"] * 2
    assert scene.call("GetPeriodicEventStream").payload == {}


def test_a_stream_is_told_in_another_rhythm_when_adjusted() -> None:
    """N14: Accepted for one that is open, Rejected for any other."""
    scene = a_scene()
    held = stream(scene, values=100)

    def adjust(**payload: Any) -> str:
        return scene.call("AdjustPeriodicEventStream", **payload).status

    assert adjust(id=held, params={"values": 2}) == "Accepted"
    assert adjust(id=held + 1, params={"values": 2}) == "Rejected"
    assert adjust(id=held, params={}) == "Rejected"
    scene.run(for_s=21)
    assert [len(one["data"]) for one in told(scene)] == [2, 2]
    listed = scene.call("GetPeriodicEventStream").payload["constantStreamData"]
    assert listed == [{"id": held, "variableMonitoringId": held, "params": {"values": 2}}]


def test_a_stream_is_closed_with_its_monitor() -> None:
    """N12: ClosePeriodicEventStream, and no more values."""
    scene = a_scene()
    held = stream(scene, values=1)
    scene.call("ClearVariableMonitoring", id=[held])
    (closed,) = scene.sent("ClosePeriodicEventStream")
    assert closed["id"] == held
    scene.mark()
    scene.run(for_s=30)
    assert told(scene) == []
    assert "constantStreamData" not in scene.call("GetPeriodicEventStream").payload


def test_values_wait_for_the_link() -> None:
    """What could not be told is told when the CSMS is back; `pending` says what is left."""
    scene = a_scene()
    stream(scene, values=2)
    scene.disconnect()
    scene.run(for_s=299)
    scene.connect()
    scene.mark()
    scene.run(for_s=11)
    first = told(scene)[0]
    assert len(first["data"]) == 50
    assert first["pending"] == 10


def test_only_periodic_monitors_make_streams() -> None:
    """N11: a threshold has no stream."""
    scene = a_scene()
    result = monitor(
        scene, "EVSE.Power", "UpperThreshold", 5, evse=1, periodicEventStream={"values": 1}
    )
    assert result["status"] == "Rejected"
