"""Vehicles that wait for their schedule (2.0.1 part 2, K15, K16); what a tag may do (2.1)."""

from __future__ import annotations

from typing import Any

import pytest

from builders_energy import BIG_VAN, GIVING_VAN, TALKING_VAN, EnergyScene, a_profile
from builders_station2 import OTHER_TAG, SILENCE, Error, accepted, versions
from simfleet.station.effects import TransactionClosed
from simfleet.station.events import PluggedIn
from simfleet.station.vehicle import VehicleSpec

TALKING_GIVER = VehicleSpec(
    "talking giver", 100_000, 11_000, 100_000, max_discharge_w=10_000, iso15118=True
)


def waiting(version: str, **options: Any) -> EnergyScene:
    """A talking vehicle that has told its needs, and the CSMS has Accepted them."""
    scene = EnergyScene(version=version, vehicle=TALKING_VAN, **options)
    scene.charge()
    assert len(scene.sent("NotifyEVChargingNeeds")) == 1
    return scene


def tx_profile(scene: EnergyScene, limit_w: float, **more: Any) -> dict[str, Any]:
    return a_profile((0, limit_w), purpose="TxProfile", transactionId=scene.transaction, **more)


# ── K15 ───────────────────────────────────────────────────────────────────────────────────────────


@versions
@pytest.mark.parametrize("kind", ["AC", "DC"])
def test_no_energy_flows_before_the_schedule_comes(version: str, kind: Any) -> None:
    """K15.FR.03, .06: Accepted, then SetChargingProfile; charging begins with it."""
    scene = waiting(version, kind=kind)
    assert scene.power() == 0
    scene.run(for_s=40)
    assert scene.power() == 0
    assert not scene.sent("NotifyEVChargingSchedule")
    scene.mark()
    assert scene.set(tx_profile(scene, 7_000.0), evse=1) == "Accepted"
    assert scene.states()[-1] == "Charging"
    assert scene.sent("NotifyEVChargingSchedule")
    assert scene.power() == pytest.approx(7_000, abs=1)
    scene.mark()
    scene.run(for_s=120)
    assert not scene.sent("NotifyEVChargingSchedule")  # the wait is over


@versions
def test_after_a_minute_the_vehicle_charges_with_what_there_is(version: str) -> None:
    """K15.FR.08: 60 s at most; then TxDefaultProfile, or what the EVSE has."""
    scene = EnergyScene(version=version, vehicle=TALKING_VAN)
    scene.set(a_profile((0, 8_000.0)))
    scene.charge()
    scene.run(for_s=59)
    assert scene.power() == 0
    scene.run(for_s=2)
    assert scene.power() == pytest.approx(8_000, abs=1)
    (chosen,) = [one for one in scene.log if one.action == "NotifyEVChargingSchedule"]
    assert chosen["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 8_000.0


@versions
@pytest.mark.parametrize("status", ["Rejected", "Processing"])
def test_without_a_promise_it_charges_at_once(version: str, status: str) -> None:
    """K15.FR.04, .05: the station does not wait."""
    scene = EnergyScene(version=version, vehicle=TALKING_VAN)
    scene.on("NotifyEVChargingNeeds", status=status)
    scene.charge()
    assert scene.power() == pytest.approx(11_000, abs=1)


def test_no_charging_profile_is_no_promise_either() -> None:
    """2.1 K19.FR.04: NoChargingProfile."""
    scene = EnergyScene(version="ocpp2.1", vehicle=TALKING_VAN)
    scene.on("NotifyEVChargingNeeds", status="NoChargingProfile")
    scene.charge()
    assert scene.power() == pytest.approx(11_000, abs=1)


@versions
@pytest.mark.parametrize("answer", [SILENCE, Error("InternalError")])
def test_a_csms_that_does_not_answer_holds_it_up_for_a_minute_at_most(
    version: str, answer: Any
) -> None:
    """K15.FR.08."""
    scene = EnergyScene(version=version, vehicle=TALKING_VAN)
    scene.on("NotifyEVChargingNeeds", answer)
    scene.charge()
    scene.run(for_s=61)
    connector = scene.station.connectors[0]
    assert connector.phase == "Charging"


@versions
def test_without_a_connection_nobody_waits(version: str) -> None:
    """There is nobody who could send a profile."""
    scene = EnergyScene(
        version=version,
        vehicle=TALKING_VAN,
        configuration={"AllowOfflineTxForUnknownId": "true"},
    )
    scene.disconnect()
    scene.charge()
    assert scene.station.connectors[0].phase == "Charging"


@versions
def test_a_profile_that_comes_later_is_a_new_schedule(version: str) -> None:
    """K15.FR.05, K16: the session goes on meanwhile, and the vehicle plans anew."""
    scene = EnergyScene(version=version, vehicle=TALKING_VAN)
    scene.on("NotifyEVChargingNeeds", status="Processing")
    scene.charge()
    scene.run(for_s=30)
    scene.mark()
    scene.set(tx_profile(scene, 5_000.0), evse=1)
    assert len(scene.sent("NotifyEVChargingSchedule")) == 1
    assert scene.power() == pytest.approx(5_000, abs=1)
    scene.set(tx_profile(scene, 9_000.0), evse=1)
    assert scene.power() == pytest.approx(9_000, abs=1)


@versions
def test_a_profile_before_the_needs_is_out_of_order(version: str) -> None:
    """K15.FR.17: InvalidMessageSeq."""
    scene = EnergyScene(
        version=version, vehicle=TALKING_VAN, configuration={"TxCtrlr.TxStartPoint": "EVConnected"}
    )
    scene.plug_in()
    assert scene.set(tx_profile(scene, 5_000.0), evse=1) == "InvalidMessageSeq"
    scene.present_tag()
    assert scene.set(tx_profile(scene, 5_000.0), evse=1) == "Accepted"


@versions
def test_the_next_vehicle_does_not_wait_for_the_one_before(version: str) -> None:
    """What was told ends with its transaction."""
    scene = waiting(version)
    scene.unplug()
    scene.run(for_s=5)
    scene.tell(PluggedIn(1, vehicle=BIG_VAN, soc=0.1))
    scene.present_tag()
    assert scene.power() == pytest.approx(11_000, abs=1)
    scene.mark()
    scene.set(tx_profile(scene, 5_000.0), evse=1)
    scene.run(for_s=90)
    assert not scene.sent("NotifyEVChargingSchedule")


@versions
def test_others_at_the_station_have_what_the_waiting_one_does_not_take(version: str) -> None:
    """A limit of the station is shared among those that draw."""
    scene = EnergyScene(version=version, connectors=2, vehicle=TALKING_VAN)
    scene.set(a_profile((0, 11_000.0), purpose="ChargingStationMaxProfile"))
    scene.charge(1)
    scene.tell(PluggedIn(2, vehicle=BIG_VAN, soc=0.1))
    scene.present_tag(OTHER_TAG, connector_id=2)
    assert scene.power(2) == pytest.approx(11_000, abs=1)
    scene.run(for_s=61)
    assert scene.power(2) == pytest.approx(5_500, abs=1)


# ── what a tag may do (2.1) ───────────────────────────────────────────────────────────────────────


def giving(*modes: str) -> EnergyScene:
    """A vehicle that could give, of a tag that may do so much, told to give 5 kW."""
    scene = EnergyScene(version="ocpp2.1", vehicle=GIVING_VAN)
    scene.on(
        "Authorize", {**accepted(), **({"allowedEnergyTransfer": list(modes)} if modes else {})}
    )
    scene.charge(soc=0.6)
    period = {"operationMode": "CentralSetpoint", "setpoint": -5_000.0}
    profile = a_profile(period, purpose="TxProfile", transactionId=scene.transaction)
    assert scene.set(profile, evse=1) == "Accepted"
    return scene


@pytest.mark.parametrize(
    ("modes", "power_w"),
    [((), -5_000), (("AC_three_phase",), 0), (("AC_three_phase", "AC_BPT"), -5_000)],
)
def test_the_answer_about_a_tag_says_what_its_transaction_may_do(
    modes: tuple[str, ...], power_w: float
) -> None:
    """AuthorizeResponse.allowedEnergyTransfer: nothing is taken out without a bidirectional one."""
    assert giving(*modes).power() == pytest.approx(power_w, abs=1)


def test_the_last_word_on_the_transaction_counts() -> None:
    """NotifyAllowedEnergyTransfer after AuthorizeResponse.allowedEnergyTransfer."""
    scene = giving("AC_three_phase")
    answer = scene.call(
        "NotifyAllowedEnergyTransfer",
        transactionId=scene.transaction,
        allowedEnergyTransfer=["AC_BPT"],
    )
    assert answer.status == "Accepted"
    assert scene.power() == pytest.approx(-5_000, abs=1)


def test_what_a_tag_may_do_does_not_hold_for_the_next_one() -> None:
    """It was said of one transaction."""
    scene = giving("AC_three_phase")
    scene.unplug()
    scene.on("Authorize", accepted())
    scene.plug_in(soc=0.6)
    scene.present_tag(OTHER_TAG)
    period = {"operationMode": "CentralSetpoint", "setpoint": -5_000.0}
    scene.set(a_profile(period, purpose="TxProfile", transactionId=scene.transaction), evse=1)
    assert scene.power() == pytest.approx(-5_000, abs=1)


@pytest.mark.parametrize(("modes", "asked"), [(["AC_three_phase"], False), (["AC_BPT"], True)])
def test_needs_are_told_for_what_is_allowed(modes: list[str], asked: bool) -> None:
    """A vehicle that may only take asks for no bidirectional transfer."""
    scene = EnergyScene(version="ocpp2.1", vehicle=TALKING_GIVER)
    scene.on("Authorize", {**accepted(), "allowedEnergyTransfer": modes})
    scene.charge(soc=0.6)
    (needs,) = scene.sent("NotifyEVChargingNeeds")
    assert ("v2xChargingParameters" in needs["chargingNeeds"]) == asked


def test_the_books_know_what_a_vehicle_has_given_back() -> None:
    """TransactionClosed: what was exported in this transaction, also when power fails."""
    scene = giving()
    scene.run(for_s=3600)
    scene.unplug()
    scene.plug_in(soc=0.6)
    scene.present_tag(OTHER_TAG)
    period = {"operationMode": "CentralSetpoint", "setpoint": -5_000.0}
    scene.set(a_profile(period, purpose="TxProfile", transactionId=scene.transaction), evse=1)
    scene.run(for_s=1800)
    scene.cycle_power(for_s=10)
    first, second = scene.seen(TransactionClosed)
    assert first.exported_wh == pytest.approx(5_000, abs=20)
    assert second.exported_wh == pytest.approx(2_500, abs=20)
