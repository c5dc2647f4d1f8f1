"""Whatever a CSMS calls, a station answers it once, says only what the schemas allow, and lets time
pass.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders_station2 import CATALOGS, VERSIONS, Scene2, Sent, versions
from random_calls import actions, calls, calls_of, named, replies_to
from simfleet.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
ACTS = ("plug", "unplug", "tag", "offline", "wait", "wait long", "power")


def scene_of(version: str, *, charging: bool = False) -> Scene2:
    scene = Scene2(version=version, connectors=2, check_statuses=False, transfers="simulated")
    scene.boot()
    if charging:
        scene.charge()
    return scene


def ask(scene: Scene2, action: str, payload: dict[str, Any]) -> None:
    """One CALL, if the station is there: it is answered before anything else happens."""
    station = scene.station
    if not station.online or station.dark:
        return
    visit = station.connectors[0].visit
    scene.witness.forget_statuses()
    known = named(payload, "none" if visit is None else visit.id)
    if CATALOGS[scene.version].actions[action].response is None:
        return
    answer = scene.call(action, **known)
    assert answer.error != "InternalError", f"{action}: {known}"


def act(scene: Scene2, what: str) -> None:
    """Something else; what cannot happen now does not."""
    with contextlib.suppress(Refused):
        _act(scene, what)


def _act(scene: Scene2, what: str) -> None:
    match what:
        case "plug":
            scene.plug_in()
        case "unplug":
            scene.unplug()
        case "tag":
            scene.present_tag()
        case "offline" if scene.station.online:
            scene.disconnect()
            scene.run(for_s=90)
            act(scene, "online")
        case "online" if not scene.station.online and not scene.station.dark:
            scene.connect()
        case "wait":
            scene.run(for_s=5)
        case "wait long":
            scene.run(for_s=1000)
        case "power":
            scene.cycle_power(for_s=2)


@pytest.mark.parametrize(
    ("version", "action"), [(version, name) for version in VERSIONS for name in actions(version)]
)
@settings(max_examples=12, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_any_call_has_one_answer_and_a_station_that_goes_on(
    version: str, action: str, data: st.DataObject
) -> None:
    """Section 4: every row."""
    scene = scene_of(version, charging=data.draw(st.booleans()))
    for _, payload in data.draw(st.lists(calls_of(version, action), min_size=1, max_size=3)):
        ask(scene, action, payload)
    scene.run(for_s=3000)


@versions
@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_no_sequence_of_calls_and_events_upsets_a_station(
    version: str, data: st.DataObject
) -> None:
    """Sections 4 and 5: in any order, whatever happens between."""
    scene = scene_of(version)
    steps = data.draw(st.lists(st.sampled_from(ACTS) | calls(version), max_size=15))
    for step in steps:
        if isinstance(step, str):
            act(scene, step)
        else:
            ask(scene, *step)
    scene.run(for_s=3000)


def answering(data: st.DataObject, scene: Scene2, action: str) -> Callable[[Any], Any]:
    """A CSMS that answers anything that the schema allows, or what it usually would."""

    def answer(_: Any) -> Any:
        if data.draw(st.booleans()):
            return data.draw(replies_to(scene.version, action))
        return scene.usual_reply(Sent(scene.now_s, "", action, _, 0))

    return answer


@versions
@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_no_replies_upset_a_station(version: str, data: st.DataObject) -> None:
    """Section 5: whatever a CSMS answers, and however odd its clock is."""
    scene = Scene2(version=version, connectors=2, check_statuses=False, transfers="simulated")
    for name, action in CATALOGS[version].actions.items():
        if "station" in action.sent_by and action.response is not None:
            scene.on(name, answering(data, scene, name))
    scene.boot()
    for step in data.draw(st.lists(st.sampled_from(ACTS), max_size=12)):
        act(scene, step)
    scene.run(for_s=3000)
