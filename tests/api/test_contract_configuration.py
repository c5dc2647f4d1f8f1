"""Charger configuration: rfid, auth-config, backend-url, num-connectors, and the keys of OCPP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders_api import NEW, assert_error, until

if TYPE_CHECKING:
    from builders_api import Lab

PATH = "/api/chargers/SIM-AC-001"


@pytest.fixture
async def lab_with_charger(lab: Lab) -> Lab:
    await lab.alice.post("/api/chargers", NEW)
    return lab


# ── rfid, auth-config ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tag", ["AABBCCDD", "x" * 20, ""])
async def test_a_tag_of_its_own_is_set_and_taken_away(lab_with_charger: Lab, tag: str) -> None:
    answer = await lab_with_charger.alice.post(f"{PATH}/rfid", {"rfid_tag": tag})
    assert (answer.status, answer.body["rfid_tag"]) == (200, tag)
    assert (await lab_with_charger.alice.get(PATH)).body["rfid_tag"] == tag


async def test_auth_config_sets_what_is_given_and_keeps_the_rest(lab_with_charger: Lab) -> None:
    alice = lab_with_charger.alice
    first = {
        "auth_mode": "rfid",
        "rfid_tag": "CAFE",
        "pnc_emaid": "DE*PIP*1",
        "pnc_pcid": "PCID1",
        "pnc_certificate_hash": "ab12",
    }
    answer = await alice.post(f"{PATH}/auth-config", first)
    assert answer.status == 200
    assert {key: answer.body[key] for key in first} == first
    answer = await alice.post(f"{PATH}/auth-config", {"auth_mode": "rfid", "pnc_pcid": ""})
    assert {key: answer.body[key] for key in first} == {**first, "pnc_pcid": ""}


# ── backend-url, num-connectors ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url", ["ws://ocpp.example.com", "wss://ocpp.example.com:8443/ocpp/1.6", ""]
)
async def test_a_backend_of_its_own_is_set_and_taken_away(lab_with_charger: Lab, url: str) -> None:
    answer = await lab_with_charger.alice.post(f"{PATH}/backend-url", {"backend_url": url})
    assert (answer.status, answer.body["backend_url"]) == (200, url)


@pytest.mark.parametrize(
    "url", ["http://x", "ocpp.example.com", "ws://", "ws://x:99999", "ws:// x"]
)
async def test_a_backend_is_a_websocket_url(lab_with_charger: Lab, url: str) -> None:
    answer = await lab_with_charger.alice.post(f"{PATH}/backend-url", {"backend_url": url})
    assert_error(answer, 400)
    assert (await lab_with_charger.alice.get(PATH)).body["backend_url"] == ""


async def test_a_charger_that_is_on_moves_to_its_new_backend(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    elsewhere = await lab.another_csms()
    answer = await lab.alice.post(f"{PATH}/backend-url", {"backend_url": elsewhere.url})
    assert answer.status == 200
    await until(lambda: elsewhere.csms.connected == 1)
    await until(lambda: lab.csms.connected == 0)
    await lab.alice.post(f"{PATH}/backend-url", {"backend_url": ""})
    await until(lambda: lab.csms.connected == 1)


async def test_the_number_of_connectors_is_kept(lab_with_charger: Lab) -> None:
    answer = await lab_with_charger.alice.post(f"{PATH}/num-connectors", {"num_connectors": 4})
    assert (answer.status, answer.body["num_connectors"]) == (200, 4)
    assert (await lab_with_charger.alice.get(PATH)).body["num_connectors"] == 4


# ── the keys of OCPP ────────────────────────────────────────────────────────────────────────────


async def test_the_configuration_is_text_by_key(lab_with_charger: Lab) -> None:
    answer = await lab_with_charger.alice.get(f"{PATH}/configuration")
    assert answer.status == 200
    assert list(answer.body) == ["configuration"]
    configuration = answer.body["configuration"]
    assert configuration["HeartbeatInterval"] == "300"
    assert configuration["NumberOfConnectors"] == "1"
    assert all(isinstance(value, str) for value in configuration.values())


async def test_keys_are_changed_together_and_shown_anew(lab_with_charger: Lab) -> None:
    change = {"MeterValueSampleInterval": "7", "ConnectionTimeOut": "33"}
    answer = await lab_with_charger.alice.put(f"{PATH}/configuration", {"configuration": change})
    assert answer.status == 200
    assert {key: answer.body["configuration"][key] for key in change} == change
    again = (await lab_with_charger.alice.get(f"{PATH}/configuration")).body
    assert again == answer.body


@pytest.mark.parametrize("mode", ["off", "on"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NoSuchKey", "1"),
        ("NumberOfConnectors", "2"),  # read-only
        ("MeterValueSampleInterval", "often"),
        ("MeterValueSampleInterval", "-1"),
    ],
)
async def test_a_bad_key_is_named_and_nothing_changes(
    lab_with_charger: Lab, mode: str, key: str, value: str
) -> None:
    alice = lab_with_charger.alice
    await alice.post(f"{PATH}/mode", {"mode": mode})
    before = (await alice.get(f"{PATH}/configuration")).body
    change = {"ConnectionTimeOut": "33", key: value}
    answer = await alice.put(f"{PATH}/configuration", {"configuration": change})
    assert_error(answer, 400, mentions=key)
    assert (await alice.get(f"{PATH}/configuration")).body == before


@pytest.mark.parametrize(
    "body", [{}, {"configuration": []}, {"configuration": {"ConnectionTimeOut": 33}}, {"x": {}}]
)
async def test_a_configuration_is_an_object_of_texts(lab_with_charger: Lab, body: Any) -> None:
    assert_error(await lab_with_charger.alice.put(f"{PATH}/configuration", body), 400)


async def test_an_unknown_charger_has_no_configuration(lab: Lab) -> None:
    path = "/api/chargers/NOBODY/configuration"
    assert_error(await lab.alice.get(path), 404, code="CHARGER_NOT_FOUND")
    assert_error(await lab.alice.put(path, {"configuration": {}}), 404, code="CHARGER_NOT_FOUND")


async def test_a_running_charger_takes_a_new_configuration_at_once(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    change = {"configuration": {"MeterValueSampleInterval": "1"}}
    assert (await lab.alice.put(f"{PATH}/configuration", change)).status == 200
    await lab.alice.post(f"{PATH}/start", {"energy_kwh": 20})
    await lab.alice.until_logged("SIM-AC-001", "MeterValues")


# ── security ────────────────────────────────────────────────────────────────────────────────────


async def test_the_security_profile_only_goes_up_and_needs_credentials(
    lab_with_charger: Lab,
) -> None:
    alice = lab_with_charger.alice
    path = f"{PATH}/configuration"
    refused = await alice.put(path, {"configuration": {"SecurityProfile": "1"}})
    assert refused.status == 400
    assert "SecurityProfile 1 needs an AuthorizationKey first" in str(refused.body)
    keys = {"AuthorizationKey": "00" * 16, "SecurityProfile": "1"}
    assert (await alice.put(path, {"configuration": keys})).status == 200
    shown = (await alice.get(path)).body["configuration"]
    assert shown["SecurityProfile"] == "1"
    assert "AuthorizationKey" not in shown
    refused = await alice.put(path, {"configuration": {"SecurityProfile": "0"}})
    assert "only goes upwards; it is 1" in str(refused.body)
