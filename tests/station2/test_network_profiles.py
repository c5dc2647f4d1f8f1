"""SetNetworkProfile of OCPP 2.x (2.0.1 B09, B10, A05; row SetNetworkProfile)."""

from __future__ import annotations

from typing import Any

import pytest

from builders_device import get, reason, set_to, value
from builders_station2 import Scene2, versions
from simfleet.station.credentials import Given, current
from simfleet.station.memory import decode_kept, encode_kept, recall, remember

URL = "ws://other.example/ocpp"


def a_scene(version: str, **configuration: str | int) -> Scene2:
    scene = Scene2(version=version, configuration=configuration)
    scene.boot()
    return scene


def profile(**changes: Any) -> dict[str, Any]:
    """A NetworkConnectionProfile."""
    return {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": URL,
        "messageTimeout": 30,
        "securityProfile": 0,
        "ocppInterface": "Wired0",
    } | changes


def put(scene: Scene2, slot: int = 2, **changes: Any) -> str:
    """The status, or the reason where it is Rejected."""
    answer = scene.call(
        "SetNetworkProfile", configurationSlot=slot, connectionData=profile(**changes)
    )
    if answer.status == "Rejected":
        return str(answer.payload["statusInfo"]["reasonCode"])
    return answer.status


def reset(scene: Scene2) -> None:
    scene.call("Reset", type="Immediate")
    scene.run(for_s=30)


def url(scene: Scene2) -> str:
    return current(scene.station, at_s=scene.now_s).url


@versions
def test_a_profile_is_used_after_priority_and_reset(version: str) -> None:
    """B09: not active until NetworkConfigurationPriority names it and the station has booted."""
    scene = a_scene(version)
    assert put(scene) == "Accepted"
    reset(scene)
    assert url(scene) == ""
    result = set_to(scene, "OCPPCommCtrlr.NetworkConfigurationPriority", "2,1")
    assert result["attributeStatus"] == "RebootRequired"
    assert url(scene) == ""
    assert value(scene, "OCPPCommCtrlr.ActiveNetworkProfile") == "1"
    reset(scene)
    assert url(scene) == URL
    assert value(scene, "OCPPCommCtrlr.ActiveNetworkProfile") == "2"


@pytest.mark.parametrize(
    ("slot", "changes", "why"),
    [
        (0, {}, "InvalidNetworkConf"),
        (4, {}, "InvalidNetworkConf"),
        (1, {}, "PriorityNetworkConf"),
        (2, {"ocppTransport": "SOAP"}, "InvalidNetworkConf"),
        (2, {"ocppVersion": "OCPP16"}, "InvalidNetworkConf"),
        (2, {"ocppCsmsUrl": "http://other.example/"}, "InvalidNetworkConf"),
        (2, {"ocppCsmsUrl": "wss://other.example/"}, "InvalidNetworkConf"),
        (2, {"securityProfile": 2}, "InvalidNetworkConf"),
        (2, {"securityProfile": 1}, "InvalidNetworkConf"),
        (
            2,
            {"securityProfile": 2, "ocppCsmsUrl": "wss://other.example/"},
            "InvalidNetworkConf",
        ),
        (2, {"securityProfile": 4}, "InvalidNetworkConf"),
    ],
)
@versions
def test_a_profile_that_cannot_work_is_rejected(
    version: str, slot: int, changes: dict[str, Any], why: str
) -> None:
    """B09.FR.02, .04: a bad slot, the slot in use, no 2.x over JSON, a URL that does not go with
    the security profile, a missing password or root certificate.
    """
    assert put(a_scene(version), slot, **changes) == why


@versions
def test_a_lower_security_profile_is_rejected(version: str) -> None:
    """B09.FR.04: never downwards."""
    scene = a_scene(version, SecurityProfile=1, AuthorizationKey="61" * 16)
    assert put(scene, securityProfile=0) == "NoSecurityDowngrade"
    assert put(scene, securityProfile=1) == "Accepted"


@versions
def test_a_secure_profile_needs_what_it_connects_with(version: str) -> None:
    """B09.FR.04: with a root and a password it is Accepted."""
    scene = a_scene(version)
    scene.station.given = Given(password=True, roots=True)
    assert put(scene, securityProfile=2, ocppCsmsUrl="wss://other.example/") == "Accepted"


@versions
def test_the_priority_names_only_slots_that_are_filled(version: str) -> None:
    """B09.FR.05."""
    scene = a_scene(version)
    result = set_to(scene, "OCPPCommCtrlr.NetworkConfigurationPriority", "3,1")
    assert (result["attributeStatus"], reason(result)) == ("Rejected", "InvalidNetworkConf")
    assert get(scene, "OCPPCommCtrlr.NetworkConfigurationPriority")["attributeValue"] == "1"


@versions
def test_after_so_many_failures_the_next_profile_is_tried(version: str) -> None:
    """B10: NetworkProfileConnectionAttempts, then the next of the list, then the first again."""
    scene = a_scene(version, **{"OCPPCommCtrlr.NetworkProfileConnectionAttempts": 2})
    put(scene)
    set_to(scene, "OCPPCommCtrlr.NetworkConfigurationPriority", "2,1")
    reset(scene)
    scene.disconnect()
    tried = []
    for _ in range(6):
        tried.append(url(scene))
        scene.station.connect_failed("refused", "nobody there", at_s=scene.now_s)
    assert tried == [URL, URL, "", "", URL, URL]


@versions
def test_once_connected_more_securely_there_is_no_way_back(version: str) -> None:
    """A05.FR.05 to .07: profiles of a lower level leave the priority, and the level is that of the
    profile in use.
    """
    scene = a_scene(version)
    scene.station.given = Given(password=True, roots=True)
    put(scene, securityProfile=2, ocppCsmsUrl="wss://other.example/")
    set_to(scene, "OCPPCommCtrlr.NetworkConfigurationPriority", "2,1")
    reset(scene)
    assert value(scene, "SecurityCtrlr.SecurityProfile") == "2"
    assert value(scene, "OCPPCommCtrlr.NetworkConfigurationPriority") == "2"


@versions
def test_profiles_survive_a_restart_of_everything(version: str) -> None:
    """Persistent."""
    scene = a_scene(version)
    put(scene)
    set_to(scene, "OCPPCommCtrlr.NetworkConfigurationPriority", "2,1")
    reset(scene)
    other = Scene2(version=version)
    recall(other.station, decode_kept(encode_kept(remember(scene.station))), at_s=other.now_s)
    assert url(other) == URL


def test_a_profile_of_2_1_brings_its_password() -> None:
    """2.1: basicAuthPassword in the profile is the password of that connection."""
    scene = a_scene("ocpp2.1")
    secret = "correct horse battery"
    assert put(scene, securityProfile=1, basicAuthPassword=secret) == "Accepted"
    set_to(scene, "OCPPCommCtrlr.NetworkConfigurationPriority", "2,1")
    assert current(scene.station, at_s=scene.now_s).password == b""
    reset(scene)
    assert current(scene.station, at_s=scene.now_s).password == secret.encode()
