from __future__ import annotations

import pytest

from builders_station import SILENCE, TAG, Scene
from simfleet.errors import Refused
from simfleet.station.effects import PowerOff, PowerOn
from simfleet.station.events import Failed, FaultCleared, PluggedIn, PowerLost, PowerRestored


def a_booted_scene(connectors: int = 1, **keys: str | int) -> Scene:
    scene = Scene(connectors=connectors, configuration=keys)
    scene.boot()
    scene.mark()
    return scene


# ── faults ──────────────────────────────────────────────────────────────────────────────────────


def test_a_fault_is_told_with_its_code_and_its_words() -> None:
    scene = a_booted_scene()
    scene.tell(Failed(1, "GroundFailure", "w" * 80))
    (status,) = scene.sent("StatusNotification")
    assert (status["status"], status["errorCode"]) == ("Faulted", "GroundFailure")
    assert status["info"] == "w" * 50


def test_a_cleared_fault_is_no_error_any_more() -> None:
    scene = a_booted_scene()
    scene.tell(Failed())
    scene.tell(FaultCleared())
    status = scene.sent("StatusNotification")[-1]
    assert (status["status"], status["errorCode"]) == ("Available", "NoError")
    assert "info" not in status.payload
    with pytest.raises(Refused):
        scene.tell(FaultCleared())


def test_a_fault_ends_the_transaction() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.run(for_s=36)
    scene.tell(Failed(1, "OverCurrentFailure"))
    (stop,) = scene.sent("StopTransaction")
    assert (stop["reason"], stop["meterStop"]) == ("Other", pytest.approx(110, abs=1))
    assert scene.statuses() == ["Preparing", "Charging", "Faulted"]
    scene.run(for_s=600)
    scene.tell(FaultCleared())
    assert scene.statuses()[-1] == "Preparing"  # the cable is still in
    scene.present_tag()
    assert scene.sent("StartTransaction")[1]["meterStart"] == stop["meterStop"]


@pytest.mark.parametrize("before", ["Preparing", "Finishing", "SuspendedEV", "Unavailable"])
def test_a_fault_may_strike_in_any_phase(before: str) -> None:
    scene = a_booted_scene()
    match before:
        case "Preparing":
            scene.plug_in()
        case "Finishing":
            scene.charge()
            scene.present_tag()
        case "SuspendedEV":
            scene.charge(soc=1.0)
        case _:
            scene.call("ChangeAvailability", connectorId=1, type="Inoperative")
    assert scene.statuses()[-1] == before
    scene.tell(Failed())
    assert scene.statuses()[-1] == "Faulted"


def test_a_second_fault_on_top_is_told_and_the_status_stays() -> None:
    scene = a_booted_scene()
    scene.tell(Failed(1, "GroundFailure"))
    scene.tell(Failed(1, "WeakSignal"))
    assert [one["errorCode"] for one in scene.sent("StatusNotification")] == [
        "GroundFailure",
        "WeakSignal",
    ]


def test_a_faulted_connector_takes_no_tag() -> None:
    scene = a_booted_scene()
    scene.plug_in()
    scene.tell(Failed())
    with pytest.raises(Refused):
        scene.present_tag()


def test_an_answer_about_a_tag_that_comes_after_a_fault_starts_nothing() -> None:
    scene = a_booted_scene()
    scene.on("Authorize", SILENCE)
    scene.charge()
    scene.tell(Failed())
    scene.reply(scene.sent("Authorize")[0], {"idTagInfo": {"status": "Accepted"}})
    scene.tell(FaultCleared())
    assert scene.sent("StartTransaction") == []


def test_cable_moves_during_a_fault_are_noticed_when_it_is_cleared() -> None:
    scene = a_booted_scene()
    scene.plug_in()
    scene.tell(Failed())
    scene.unplug()
    scene.tell(FaultCleared())
    assert scene.statuses() == ["Preparing", "Faulted", "Available"]
    scene.tell(Failed())
    scene.plug_in()
    scene.tell(FaultCleared())
    assert scene.statuses()[-2:] == ["Faulted", "Preparing"]


def test_a_fault_of_the_station_is_told_for_connector_0() -> None:
    scene = a_booted_scene(connectors=2)
    scene.tell(Failed(0, "PowerMeterFailure"))
    scene.tell(FaultCleared(0))
    assert scene.statuses(0) == ["Faulted", "Available"]
    assert scene.statuses(1) == scene.statuses(2) == []


def test_a_fault_without_a_link_is_told_when_it_is_back() -> None:
    scene = a_booted_scene()
    scene.disconnect()
    scene.tell(Failed())
    scene.connect()
    assert scene.statuses() == ["Faulted"]


def test_a_fault_survives_a_reboot() -> None:
    scene = a_booted_scene()
    scene.tell(Failed(1, "GroundFailure"))
    scene.cycle_power()
    status = scene.sent("StatusNotification")[-1]
    assert (status["status"], status["errorCode"]) == ("Faulted", "GroundFailure")


# ── power ───────────────────────────────────────────────────────────────────────────────────────


def test_a_power_loss_says_nothing_on_the_wire() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.mark()
    scene.lose_power()
    scene.run(for_s=1000)
    assert scene.sent() == []
    assert scene.seen(PowerOff) == [PowerOff()]


def test_after_a_power_loss_the_csms_hears_of_the_stop_behind_boot_and_statuses() -> None:
    scene = a_booted_scene(MeterValueSampleInterval=0)
    scene.charge()
    scene.run(for_s=36)
    lost_s = scene.wall_s
    scene.mark()
    scene.cycle_power(for_s=3600)
    assert scene.seen(PowerOn) == [PowerOn()]
    assert scene.actions() == [
        "BootNotification",
        "StatusNotification",
        "StatusNotification",
        "StopTransaction",
    ]
    (stop,) = scene.sent("StopTransaction")
    assert (stop["reason"], stop["transactionId"]) == ("PowerLoss", 701)
    assert stop["meterStop"] == pytest.approx(110, abs=1)
    assert stop.wall_s == pytest.approx(lost_s, abs=0.01)


def test_without_power_nothing_can_happen_but_its_return() -> None:
    scene = a_booted_scene()
    scene.lose_power()
    for event in (PluggedIn(), PowerLost(), Failed()):
        with pytest.raises(Refused):
            scene.tell(event)
    scene.restore_power()
    with pytest.raises(Refused):
        scene.tell(PowerRestored())


def test_a_power_loss_while_the_csms_is_asked_about_a_tag_starts_nothing_in_the_dark() -> None:
    scene = a_booted_scene(AllowOfflineTxForUnknownId="true")
    scene.on("Authorize", SILENCE)
    scene.charge()
    scene.cycle_power(for_s=10)
    scene.run(for_s=100)
    assert scene.sent("StartTransaction") == []


def test_a_power_loss_while_a_soft_reset_waits_forgets_the_reset() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.on("StopTransaction", SILENCE, {})
    scene.call("Reset", type="Soft")
    scene.cycle_power(for_s=1)
    scene.mark()
    scene.run(for_s=100)
    assert "BootNotification" not in scene.actions()
    answer = scene.call("RemoteStartTransaction", idTag=TAG, connectorId=1)
    assert answer.status == "Rejected"  # Finishing, the cable is in
    scene.unplug()
    assert scene.call("RemoteStartTransaction", idTag=TAG, connectorId=1).status == "Accepted"


def test_energy_does_not_flow_in_the_dark() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.run(for_s=36)
    scene.cycle_power(for_s=3600)
    scene.present_tag()
    assert scene.sent("StartTransaction")[-1]["meterStart"] == pytest.approx(110, abs=1)


def test_a_fault_with_a_name_that_ocpp_does_not_know_is_refused_with_the_names_it_knows() -> None:
    scene = a_booted_scene()
    with pytest.raises(Refused, match=r"'GroundFailuer' is no fault; known: .*GroundFailure"):
        scene.station.tell(Failed(1, "GroundFailuer"), at_s=1e4)
    assert scene.station.connectors[0].phase == "Available"
