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
