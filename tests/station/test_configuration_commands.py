from __future__ import annotations

import pytest

from builders_station import Answer, Scene
from simfleet.station.configuration_keys import KEYS


def a_booted_scene(connectors: int = 1, **keys: str | int) -> Scene:
    scene = Scene(connectors=connectors, configuration=keys)
    scene.boot()
    scene.mark()
    return scene


def change(scene: Scene, key: str, value: str) -> str:
    return scene.call("ChangeConfiguration", key=key, value=value).status


def values_of(answer: Answer) -> dict[str, str | None]:
    return {one["key"]: one.get("value") for one in answer.payload.get("configurationKey", [])}


def test_no_keys_means_all_that_can_be_read() -> None:
    answer = a_booted_scene(connectors=3).call("GetConfiguration")
    values = values_of(answer)
    assert set(values) == {key.name for key in KEYS.values() if not key.writeonly}
    assert "AuthorizationKey" not in values
    assert values["NumberOfConnectors"] == "3"
    assert "unknownKey" not in answer.payload


def test_an_empty_list_of_keys_means_all_as_well() -> None:
    scene = a_booted_scene()
    everything = values_of(scene.call("GetConfiguration"))
    assert values_of(scene.call("GetConfiguration", key=[])) == everything


def test_keys_asked_for_are_told_and_unknown_ones_named() -> None:
    answer = a_booted_scene().call("GetConfiguration", key=["heartbeatinterval", "NoSuchKey"])
    assert answer.payload == {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
        "unknownKey": ["NoSuchKey"],
    }


def test_only_unknown_keys_give_only_unknown_keys() -> None:
    answer = a_booted_scene().call("GetConfiguration", key=["NoSuchKey"])
    assert answer.payload == {"unknownKey": ["NoSuchKey"]}


def test_more_keys_than_get_configuration_max_keys_are_refused() -> None:
    scene = a_booted_scene(GetConfigurationMaxKeys=2)
    answer = scene.call("GetConfiguration", key=["A", "B", "C"])
    assert answer.error == "OccurenceConstraintViolation"
    assert scene.call("GetConfiguration", key=["A", "B"]).error is None


def test_read_only_keys_say_so() -> None:
    answer = a_booted_scene().call("GetConfiguration")
    readonly = {one["key"] for one in answer.payload["configurationKey"] if one["readonly"]}
    assert {"NumberOfConnectors", "SupportedFeatureProfiles"} <= readonly
    assert "HeartbeatInterval" not in readonly


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("HeartbeatInterval", "60", "Accepted"),
        ("HeartbeatInterval", "-1", "Rejected"),
        ("MeterValueSampleInterval", "-1", "Rejected"),
        ("MeterValueSampleInterval", "ten", "Rejected"),
        ("MeterValuesSampledData", "Voltage,Wattage", "Rejected"),
        ("NumberOfConnectors", "2", "Rejected"),
        ("NoSuchKey", "1", "NotSupported"),
        ("AuthorizationKey", "0123456789abcdef0123456789abcdef", "Accepted"),
        ("AuthorizationKey", "secret", "Rejected"),
        ("SecurityProfile", "1", "Rejected"),
    ],
)
def test_a_change_is_answered_as_the_key_allows(key: str, value: str, status: str) -> None:
    scene = a_booted_scene()
    before = values_of(scene.call("GetConfiguration"))
    assert change(scene, key, value) == status
    after = values_of(scene.call("GetConfiguration"))
    if status != "Accepted":
        assert after == before
    elif key != "AuthorizationKey":
        assert after[key] == value


def test_the_authorization_key_is_never_readable() -> None:
    scene = a_booted_scene()
    change(scene, "AuthorizationKey", "0123456789abcdef0123456789abcdef")
    answer = scene.call("GetConfiguration", key=["AuthorizationKey"])
    assert "0123" not in str(answer.payload)


@pytest.mark.parametrize("reboot", ["Soft", "Hard", "power"])
def test_changes_survive_a_reboot(reboot: str) -> None:
    scene = a_booted_scene()
    change(scene, "MeterValueSampleInterval", "7")
    if reboot == "power":
        scene.cycle_power()
    else:
        scene.call("Reset", type=reboot)
        scene.run(for_s=30)
    answer = scene.call("GetConfiguration", key=["MeterValueSampleInterval"])
    assert values_of(answer) == {"MeterValueSampleInterval": "7"}


def test_minimum_status_duration_keeps_short_statuses_to_itself() -> None:
    scene = a_booted_scene()
    change(scene, "MinimumStatusDuration", "5")
    scene.plug_in()
    scene.run(for_s=4)
    scene.unplug()
    scene.run(for_s=60)
    assert scene.statuses() == []
    scene.plug_in()
    scene.run(for_s=4.9)
    assert scene.statuses() == []
    scene.run(for_s=0.1)
    assert scene.statuses() == ["Preparing"]


def test_a_short_status_is_told_where_leaving_it_out_would_show_an_impossible_change() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.mark()
    change(scene, "MinimumStatusDuration", "5")
    scene.unplug()  # Finishing is skipped: Charging, then Available for two seconds
    scene.run(for_s=2)
    scene.plug_in()
    scene.run(for_s=60)
    assert scene.statuses() == ["Available", "Preparing"]


def test_a_fault_is_told_at_once_whatever_minimum_status_duration_says() -> None:
    from simfleet.station.events import Failed

    scene = a_booted_scene(MinimumStatusDuration=60)
    scene.tell(Failed())
    assert scene.statuses() == ["Faulted"]


def test_nothing_is_sent_because_of_a_change() -> None:
    scene = a_booted_scene()
    change(scene, "ConnectionTimeOut", "10")
    change(scene, "MeterValuesSampledData", "Voltage")
    assert scene.sent() == []
