"""POST /api/chargers/{id}/actions: what can happen to hardware, one action at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from builders_api import NEW, assert_charger, assert_error, until

if TYPE_CHECKING:
    from builders_api import Answer, Lab

PATH = "/api/chargers/SIM-AC-001"


async def act(lab: Lab, action: str, **arguments: object) -> Answer:
    return await lab.alice.post(f"{PATH}/actions", {"action": action, **arguments})


async def done(lab: Lab, action: str, **arguments: object) -> dict[str, Any]:
    answer = await act(lab, action, **arguments)
    assert answer.status == 200, answer.body
    assert_charger(answer.body)
    charger: dict[str, Any] = answer.body
    return charger


async def charging(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    await done(lab, "plug_in")
    await lab.alice.charger_when("SIM-AC-001", status="Preparing")
    await done(lab, "present_token", id_tag="CAFE01")
    await lab.alice.charger_when("SIM-AC-001", status="Charging")
    await lab.alice.charger_when("SIM-AC-001", transaction_id=lambda it: it is not None)


async def test_a_session_by_hand(lab: Lab) -> None:
    await charging(lab)
    assert (await lab.alice.get(PATH)).body["session_id_tag"] == "CAFE01"
    await done(lab, "suspend_ev")
    await lab.alice.charger_when("SIM-AC-001", status="SuspendedEV")
    await done(lab, "resume_ev")
    await lab.alice.charger_when("SIM-AC-001", status="Charging")
    await done(lab, "present_token", id_tag="CAFE01")
    await lab.alice.charger_when("SIM-AC-001", transaction_id=None, status="Finishing")
    await done(lab, "unplug")
    await lab.alice.charger_when("SIM-AC-001", status="Available")


async def test_a_fault_and_its_end(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    await done(lab, "fault", error_code="HighTemperature")
    charger = await lab.alice.charger_when("SIM-AC-001", status="Faulted")
    assert charger["error_code"] == "HighTemperature"
    await done(lab, "clear_fault")
    charger = await lab.alice.charger_when("SIM-AC-001", status="Available")
    assert charger["error_code"] == "NoError"


async def test_a_power_loss_is_no_clean_stop(lab: Lab) -> None:
    await charging(lab)
    await done(lab, "power_off")
    await lab.alice.charger_when("SIM-AC-001", connected=False)
    assert not await lab.alice.logged("SIM-AC-001", "StopTransaction")
    assert (await lab.alice.get(PATH)).body["mode"] == "manual", "the mains failed, not the mode"
    await done(lab, "power_on")
    await lab.alice.charger_when("SIM-AC-001", connected=True, within_s=15)
    await lab.alice.until_logged("SIM-AC-001", "StopTransaction", reason="PowerLoss")


async def test_a_link_that_goes_down_comes_up_when_told(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    await done(lab, "link_down")
    await lab.alice.charger_when("SIM-AC-001", connected=False)
    await until(lambda: lab.csms.connected == 0)
    await done(lab, "plug_in")
    await done(lab, "link_up")
    await lab.alice.charger_when("SIM-AC-001", connected=True, within_s=15)
    await lab.alice.until_logged("SIM-AC-001", "StatusNotification", status="Preparing")


async def test_a_lock_that_fails_shows_when_it_should_open(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    await done(lab, "fail_lock")
    await lab.csms_asks("SIM-AC-001", "UnlockConnector", {"connectorId": 1})
    await lab.alice.until_logged("SIM-AC-001", "UnlockConnector", status="UnlockFailed")


async def test_raw_text_goes_out_as_it_is(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001")
    text = '[2,"raw-1","DataTransfer",{"vendorId":"Acme"}]'
    await done(lab, "send_raw", text=text)
    entries = await lab.alice.until_logged("SIM-AC-001", "DataTransfer", vendorId="Acme")
    assert entries[0]["direction"] == "sent"


async def test_each_action_takes_a_connector(lab: Lab) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual", num_connectors=2)
    await done(lab, "plug_in", connector_id=2)
    charger = await lab.alice.charger_when(
        "SIM-AC-001", connector_status={"1": "Available", "2": "Preparing"}
    )
    assert charger["connected"] is True


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "explode"},
        {"action": 1},
        {"action": "plug_in", "connector_id": 0},
        {"action": "plug_in", "connector_id": 2},
        {"action": "plug_in", "connector_id": "1"},
        {"action": "plug_in", "unheard_of": 1},
        {"action": "present_token", "id_tag": "x" * 21},
        {"action": "present_token", "id_tag": 5},
        {"action": "present_token", "id_tag": ""},
        {"action": "fault"},
        {"action": "fault", "error_code": "NoError"},
        {"action": "fault", "error_code": "Broken"},
        {"action": "send_raw"},
        {"action": "send_raw", "text": 5},
    ],
)
@pytest.mark.parametrize("mode", ["off", "manual"])
async def test_a_bad_action_is_400_whatever_the_state(
    lab: Lab, body: dict[str, Any], mode: str
) -> None:
    await lab.alice.post("/api/chargers", NEW)
    await lab.alice.post(f"{PATH}/mode", {"mode": mode})
    assert_error(await lab.alice.post(f"{PATH}/actions", body), 400)


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("unplug", {}),
        ("suspend_ev", {}),
        ("resume_ev", {}),
        ("clear_fault", {}),
        ("power_on", {}),
        ("link_up", {}),
    ],
)
async def test_what_the_state_forbids_is_409(
    lab: Lab, action: str, arguments: dict[str, Any]
) -> None:
    await lab.charger_on("SIM-AC-001", mode="manual")
    assert_error(await act(lab, action, **arguments), 409)


@pytest.mark.parametrize("action", ["plug_in", "power_off", "link_down"])
async def test_a_charger_that_is_off_does_nothing(lab: Lab, action: str) -> None:
    await lab.alice.post("/api/chargers", NEW)
    assert_error(await act(lab, action), 409)
