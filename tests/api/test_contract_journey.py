"""A user's way through the whole API, from an empty list and back to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders_api import DC, assert_charger, until

if TYPE_CHECKING:
    from builders_api import Lab

PATH = "/api/chargers/SIM-DC-001"
TARGET_WH = 50.0


@pytest.mark.parametrize("mode", ["on", "manual"])
async def test_a_charger_from_creation_to_deletion(lab: Lab, mode: str) -> None:
    alice = lab.alice
    assert (await alice.post("/api/chargers", DC)).status == 201
    assert (await alice.post(f"{PATH}/mode", {"mode": mode})).status == 200
    await alice.charger_when("SIM-DC-001", connected=True, status="Available")

    # A session that ends by itself at its target.
    started = await alice.post(f"{PATH}/start", {"energy_kwh": 0.05, "rfid_tag": "CAFE01"})
    assert started.status == 200, started.body
    assert_charger(started.body)
    stops = await alice.until_logged("SIM-DC-001", "StopTransaction", idTag="CAFE01")
    charger = await alice.charger_when("SIM-DC-001", status="Available", transaction_id=None)
    assert charger["energy_delivered_wh"] == pytest.approx(TARGET_WH, rel=0.01, abs=1)
    starts = await alice.until_logged("SIM-DC-001", "StartTransaction", idTag="CAFE01")
    drawn_wh = stops[0]["payload"]["meterStop"] - starts[0]["payload"]["meterStart"]
    assert drawn_wh == pytest.approx(TARGET_WH, rel=0.02)

    # The logs tell it in order.
    entries = (await alice.get("/api/logs", chargepoint_id="SIM-DC-001")).body
    said = [it["message_type"] for it in reversed(entries) if it["direction"] == "sent"]
    order = [
        said.index(it)
        for it in ("BootNotification", "Authorize", "StartTransaction", "StopTransaction")
    ]
    assert order == sorted(order)

    # A fault and its end.
    assert (await alice.post(f"{PATH}/error", {"error_code": "OverVoltage"})).status == 200
    await alice.charger_when("SIM-DC-001", status="Faulted", error_code="OverVoltage")
    assert (await alice.post(f"{PATH}/start", {"energy_kwh": 1})).status == 409
    assert (await alice.post(f"{PATH}/error", {"error_code": "NoError"})).status == 200
    await alice.charger_when("SIM-DC-001", status="Available", error_code="NoError")

    # And away.
    assert (await alice.delete(PATH)).status == 409
    assert (await alice.post(f"{PATH}/mode", {"mode": "off"})).status == 200
    await alice.charger_when("SIM-DC-001", connected=False, mode="off")
    await until(lambda: lab.csms.connected == 0)
    assert (await alice.delete(PATH)).status == 200
    assert (await alice.get("/api/chargers")).body == []
    assert (await alice.get(PATH)).status == 404


async def test_an_autopilot_charges_without_being_told(lab: Lab) -> None:
    await lab.alice.post("/api/chargers", DC)
    await lab.alice.post(f"{PATH}/mode", {"mode": "autopilot"})
    charger = await lab.alice.charger_when(
        "SIM-DC-001", within_s=25, transaction_id=lambda it: it is not None
    )
    assert charger["mode"] == "autopilot"
    assert charger["session_id_tag"] == "AABBCCDD", "the user's tag"
    off = await lab.alice.post(f"{PATH}/mode", {"mode": "off"})
    assert off.status == 200
    charger = await lab.alice.charger_when("SIM-DC-001", connected=False)
    assert charger["transaction_id"] is None
    await lab.alice.until_logged("SIM-DC-001", "StopTransaction")


async def test_each_way_of_passing_a_key_works_and_the_header_comes_first(lab: Lab) -> None:
    alice, bob = lab.alice.key, lab.bob.key
    await lab.alice.post("/api/chargers", DC)

    async def seen(path: str, **headers: str) -> tuple[int, int]:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await lab.alice.ask("GET", path, headers=given)
        return answer.status, len(answer.body)

    path = "/api/chargers"
    assert await seen(path, X_API_Key=alice) == (200, 1)
    assert await seen(path, Authorization=f"Bearer {alice}") == (200, 1)
    assert await seen(f"{path}?api_key={alice}") == (200, 1)
    assert await seen(f"{path}?api_key={bob}", X_API_Key=alice, Authorization="Bearer x") == (
        200,
        1,
    )
    assert await seen(f"{path}?api_key={alice}", Authorization=f"Bearer {bob}") == (200, 0)
    assert (await seen(f"{path}?api_key={alice}", X_API_Key="wrong"))[0] == 401
    assert (await seen(path))[0] == 401
