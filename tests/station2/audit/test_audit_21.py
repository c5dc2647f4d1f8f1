"""What 2.1 adds, in sequences: tariffs, priority, dynamic schedules, DER, swaps, web payment."""

from __future__ import annotations

from typing import Any

import pytest

from builders_station2 import CATALOGS, Payload, Scene2, id_token

TARIFF = {
    "tariffId": "T1",
    "currency": "EUR",
    "energy": {"prices": [{"priceKwh": 0.5}]},
}


def scene_of(**more: Any) -> Scene2:
    scene = Scene2(
        version="ocpp2.1",
        configuration={"MeterValueSampleInterval": "60", **more.pop("configuration", {})},
        **more,
    )
    scene.boot()
    scene.mark()
    return scene


def tariffs(scene: Scene2, evse: int = 0) -> list[str]:
    answer = scene.call("GetTariffs", evseId=evse).payload
    return [one["tariffId"] for one in answer.get("tariffAssignments", [])]


def test_a_tariff_is_set_used_reported_and_cleared() -> None:
    """I07 to I10: default tariff, running cost in the events, GetTariffs, ClearTariffs twice."""
    scene = scene_of()
    assert scene.call("GetTariffs", evseId=0).status == "NoTariff"
    assert scene.call("SetDefaultTariff", evseId=0, tariff=TARIFF).status == "Accepted"
    assert tariffs(scene) == ["T1"]
    scene.charge()
    scene.run(for_s=3600)
    scene.present_tag()
    ended = scene.events("Ended")[0]
    total = ended["costDetails"]["totalCost"]["total"]["exclTax"]
    assert total == pytest.approx(5.5, rel=0.05)
    scene.unplug()
    answer = scene.call("ClearTariffs", tariffIds=["T1", "T9"]).payload["clearTariffsResult"]
    assert [one["status"] for one in answer] == ["Accepted", "NoTariff"]
    assert scene.call("GetTariffs", evseId=0).status == "NoTariff"


def test_a_tariff_outlives_a_loss_of_power() -> None:
    """I07: persistent."""
    scene = scene_of()
    scene.call("SetDefaultTariff", evseId=0, tariff=TARIFF)
    scene.cycle_power(for_s=3)
    assert tariffs(scene) == ["T1"]


def test_the_tariff_of_a_transaction_changes_for_a_transaction_alone() -> None:
    """I11: unknown transaction TxNotFound; another currency NoCurrencyChange; else Accepted."""
    scene = scene_of()
    scene.call("SetDefaultTariff", evseId=0, tariff=TARIFF)

    def change(transaction: str, **more: Any) -> str:
        return scene.call(
            "ChangeTransactionTariff",
            transactionId=transaction,
            tariff={**TARIFF, "tariffId": "T2", **more},
        ).status

    assert change("nobody") == "TxNotFound"
    scene.charge()
    assert change(scene.transaction, currency="USD") == "NoCurrencyChange"
    assert change(scene.transaction) == "Accepted"
    scene.present_tag()
    scene.unplug()
    assert change(scene.transaction) == "TxNotFound"


def test_priority_without_a_profile_and_without_a_transaction() -> None:
    """K22: NoProfile, Rejected."""
    scene = scene_of()
    assert (
        scene.call("UsePriorityCharging", transactionId="nobody", activate=True).status
        == "Rejected"
    )
    scene.charge()
    answer = scene.call("UsePriorityCharging", transactionId=scene.transaction, activate=True)
    assert answer.status == "NoProfile"


def test_web_payment_keeps_the_evse_until_its_time_is_over() -> None:
    """C25: the EVSE is kept for `timeout`, and free again after it."""
    scene = scene_of()
    scene.call("NotifyWebPaymentStarted", evseId=1, timeout=100)
    scene.run(for_s=200)
    scene.charge()
    assert scene.events("Started")


def test_a_swap_of_batteries_is_answered() -> None:
    """S02: Accepted with BatterySwap following, or Rejected where there are no batteries."""
    scene = scene_of()
    answer = scene.call("RequestBatterySwap", idToken=id_token(), requestId=3)
    scene.run(for_s=600)
    assert bool(scene.sent("BatterySwap")) == (answer.status == "Accepted")


@pytest.mark.parametrize(
    ("action", "payload", "statuses"),
    [
        ("AdjustPeriodicEventStream", {"id": 4, "params": {"interval": 5}}, {"Rejected"}),
        ("GetPeriodicEventStream", {}, {""}),
        ("AFRRSignal", {"timestamp": "2026-03-01T12:00:00Z", "signal": 5}, {"Rejected"}),
        (
            "NotifyAllowedEnergyTransfer",
            {"transactionId": "x", "allowedEnergyTransfer": ["DC"]},
            {"Rejected"},
        ),
        ("ClearDERControl", {"isDefault": True}, {"NotFound", "NotSupported", "Accepted"}),
        ("GetDERControl", {"requestId": 1}, {"NotFound", "NotSupported", "Accepted"}),
        (
            "UpdateDynamicSchedule",
            {"chargingProfileId": 7, "scheduleUpdate": {"limit": 5.0}},
            {"Rejected"},
        ),
        ("VatNumberValidation", {"vatNumber": "x"}, set()),
    ],
)
def test_what_is_about_nothing_is_said_to_be(
    action: str, payload: Payload, statuses: set[str]
) -> None:
    """Section 4, 2.1 rows: unknown ids and transactions."""
    scene = scene_of()
    if "csms" not in CATALOGS["ocpp2.1"].actions[action].sent_by:
        answer = scene.call(action, unchecked=True, **payload)
        assert answer.error in ("NotSupported", "NotImplemented")
        return
    assert scene.call(action, **payload).status in statuses
