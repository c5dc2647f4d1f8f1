"""Limits that the CSMS sets for a transaction (OCPP 2.1 E16)."""

from __future__ import annotations

from typing import Any

import pytest

from builders_station2 import Scene2


def limited(start: str = "PowerPathClosed", /, **limit: Any) -> Scene2:
    scene = Scene2(
        version="ocpp2.1",
        configuration={"MeterValueSampleInterval": "0", "TxCtrlr.TxStartPoint": start},
    )
    scene.boot()
    scene.mark()
    scene.on(
        "TransactionEvent",
        lambda p: {"transactionLimit": limit} if p["eventType"] == "Started" else {},
    )
    return scene


LIMITS = {
    "maxEnergy": (2_000, "EnergyLimitReached"),
    "maxTime": (600, "TimeLimitReached"),
    "maxSoC": (25, "SoCLimitReached"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_that_is_reached_suspends_and_says_which(name: str) -> None:
    """E16.FR.03: SuspendedEVSE with the trigger of the limit; the transaction goes on."""
    value, trigger = LIMITS[name]
    scene = limited(**{name: value})
    scene.charge(soc=0.2)
    scene.run(for_s=7200)
    assert scene.triggers() == ["Authorized", "ChargingStateChanged", "LimitSet", trigger]
    assert scene.states()[-1] == "SuspendedEVSE"
    assert scene.events("Ended") == []


def test_the_limit_is_confirmed() -> None:
    """E16.FR.02: LimitSet with transactionLimit."""
    scene = limited(maxEnergy=2_000, maxTime=600)
    scene.charge()
    told = scene.events()[2]
    assert told["triggerReason"] == "LimitSet"
    assert told["transactionInfo"]["transactionLimit"] == {"maxEnergy": 2_000, "maxTime": 600}


def test_no_more_energy_than_the_limit_is_delivered() -> None:
    """E16: to the watt-hour."""
    scene = limited(maxEnergy=2_000)
    scene.charge()
    scene.run(for_s=7200)
    assert scene.station.connectors[0].meter.energy_wh == pytest.approx(2_000, abs=1)


def test_time_counts_from_the_start_of_the_transaction() -> None:
    """E16: maxTime."""
    scene = limited(maxTime=600)
    scene.charge()
    scene.run(for_s=7200)
    reached = scene.events()[-1]
    assert reached.wall_s - scene.events()[0].wall_s == pytest.approx(600, abs=0.01)


def test_a_limit_may_be_raised() -> None:
    """E16: energy flows again."""
    scene = limited(maxEnergy=1_000)
    scene.charge()
    scene.run(for_s=3600)
    assert scene.states()[-1] == "SuspendedEVSE"
    scene.on("TransactionEvent", {"transactionLimit": {"maxEnergy": 3_000}}, {})
    scene.call("TriggerMessage", requestedMessage="TransactionEvent", evse={"id": 1})
    assert scene.states()[-1] == "Charging"
    scene.run(for_s=7200)
    assert scene.station.connectors[0].meter.energy_wh == pytest.approx(3_000, abs=1)


def test_a_limit_that_was_set_before_the_tag_holds_for_the_session() -> None:
    """TxStartPoint EVConnected: the answer to Started comes before the session."""
    scene = limited("EVConnected", maxEnergy=500)
    scene.charge()
    scene.run(for_s=3600)
    assert scene.triggers()[-1] == "EnergyLimitReached"
    assert scene.station.connectors[0].meter.energy_wh == pytest.approx(500, abs=1)


def test_the_same_limit_again_is_no_news() -> None:
    """A CSMS that repeats itself is not answered with events for ever."""
    scene = limited()
    scene.on("TransactionEvent", {"transactionLimit": {"maxEnergy": 5_000}})
    scene.charge()
    assert scene.triggers().count("LimitSet") == 1


def test_a_limit_ends_with_its_transaction() -> None:
    """The next driver is not limited."""
    scene = limited(maxTime=600)
    scene.charge()
    scene.present_tag()
    scene.unplug()
    scene.on("TransactionEvent", {})
    scene.mark()
    scene.charge()
    scene.run(for_s=1800)
    assert scene.triggers() == ["Authorized", "ChargingStateChanged"]
