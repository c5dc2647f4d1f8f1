"""Quirks of chargers that speak 2.x; those of 1.6 are in tests/models/test_quirks.py."""

from __future__ import annotations

from typing import Any

import pytest

from builders_station2 import TAG, Scene2, versions
from simfleet.station.quirks import Quirks


def scene_with(
    version: str, *, configuration: dict[str, str] | None = None, **quirks: Any
) -> Scene2:
    """A station with these quirks, booted."""
    scene = Scene2(version=version, quirks=Quirks(**quirks), configuration=configuration or {})
    scene.boot()
    return scene


def charged(scene: Scene2) -> list[Any]:
    """One session from cable to cable; what was told of it."""
    scene.plug_in()
    scene.present_tag()
    scene.run(for_s=3)
    scene.present_tag()
    scene.unplug()
    return scene.events()


@versions
def test_tags_of_cards_are_spelled_their_own_way(version: str) -> None:
    scene = scene_with(version, tags="lower_case")
    events = charged(scene)
    assert scene.sent("Authorize")[0]["idToken"]["idToken"] == TAG.lower()
    assert {e["idToken"]["idToken"] for e in events if "idToken" in e.payload} == {TAG.lower()}


@versions
def test_an_end_without_reason_tag_and_data(version: str) -> None:
    scene = scene_with(version, no_stop_reason=True, no_stop_tag=True, no_transaction_data=True)
    ended = charged(scene)[-1].payload
    assert ended["eventType"] == "Ended"
    assert "stoppedReason" not in ended["transactionInfo"]
    assert "idToken" not in ended
    assert "meterValue" not in ended


@versions
def test_sequence_numbers_from_one(version: str) -> None:
    scene = Scene2(version=version, quirks=Quirks(seq_no_from_one=True))
    scene.witness.gaps_allowed = True
    scene.boot()
    numbers = [event["seqNo"] for event in charged(scene)]
    assert numbers == list(range(1, len(numbers) + 1))


@versions
def test_events_without_charging_state(version: str) -> None:
    events = charged(scene_with(version, no_charging_state=True))
    assert all("chargingState" not in event["transactionInfo"] for event in events)


@versions
@pytest.mark.parametrize(("label", "unit"), [("kWh", "kWh"), ("Wh", "Wh"), ("none", None)])
def test_energy_is_a_number_of_kilowatt_hours(version: str, label: str, unit: str | None) -> None:
    scene = scene_with(version, energy_in_kwh=label)
    plain = charged(scene_with(version))[-1]["meterValue"][0]["sampledValue"][0]
    value = charged(scene)[-1]["meterValue"][0]["sampledValue"][0]
    assert value.get("unitOfMeasure", {}).get("unit") == unit
    assert value["value"] == pytest.approx(plain["value"] / 1000, abs=1e-3)


@versions
def test_an_ignored_variable_is_accepted_and_stays(version: str) -> None:
    scene = scene_with(version, ignored_keys=frozenset({"heartbeatinterval"}))
    before = scene.station.configuration.get("HeartbeatInterval")
    asked = [
        {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": name}, "attributeValue": "77"}
        for name in ("NoSuchVariable", "HeartbeatInterval", "OfflineThreshold")
    ]
    results = scene.call("SetVariables", setVariableData=asked).payload["setVariableResult"]
    assert [one["attributeStatus"] for one in results] == [
        "UnknownVariable",
        "Accepted",
        "Accepted",
    ]
    assert [one["variable"]["name"] for one in results][1] == "HeartbeatInterval"
    assert scene.station.configuration.get("HeartbeatInterval") == before != "77"
    assert scene.station.configuration.get("OCPPCommCtrlr.OfflineThreshold") == "77"


@versions
def test_a_lacking_action_is_not_implemented(version: str) -> None:
    scene = scene_with(version, lacking_actions=frozenset({"ClearCache"}))
    assert scene.call("ClearCache").error == "NotImplemented"


@versions
def test_a_remote_start_needs_its_evse_and_its_cable(version: str) -> None:
    token = {"idToken": TAG, "type": "ISO14443"}
    picky = scene_with(version, remote_start_needs_connector=True)
    answer = picky.call("RequestStartTransaction", remoteStartId=1, idToken=token)
    assert answer.status == "Rejected"
    wired = scene_with(version, remote_start_needs_cable=True)
    answer = wired.call("RequestStartTransaction", remoteStartId=1, evseId=1, idToken=token)
    assert answer.status == "Rejected"
    wired.plug_in()
    answer = wired.call("RequestStartTransaction", remoteStartId=2, evseId=1, idToken=token)
    assert answer.status == "Accepted"


@versions
def test_moments_are_whole_seconds(version: str) -> None:
    events = charged(scene_with(version, timestamps="whole_seconds"))
    moments = [event["timestamp"] for event in events]
    moments += [value["timestamp"] for e in events for value in e.payload.get("meterValue", [])]
    assert all("." not in moment for moment in moments)
