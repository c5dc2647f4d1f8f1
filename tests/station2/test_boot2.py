"""Boot, registration and statuses of OCPP 2.0.1 and 2.1 (block B, G01)."""

from __future__ import annotations

import itertools

import pytest

from builders_station2 import SILENCE, Error, Payload, Reply, Scene2, versions
from simfleet.station.events import Failed, FaultCleared

pytestmark = versions


def pending(interval: int = 60) -> Payload:
    return {"status": "Pending", "currentTime": "2026-03-01T12:00:00Z", "interval": interval}


def rejected(interval: int = 60) -> Payload:
    return {"status": "Rejected", "currentTime": "2026-03-01T12:00:00Z", "interval": interval}


# ── boot ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_boot_is_put_down_to_power_up(version: str) -> None:
    """B01: reason PowerUp, model and vendor in chargingStation."""
    scene = Scene2(version=version)
    scene.boot()
    (boot,) = scene.sent("BootNotification")
    assert boot["reason"] == "PowerUp"
    assert boot["chargingStation"]["vendorName"] == "SimFleet"


def test_statuses_follow_the_boot_for_every_connector(version: str) -> None:
    """B01.FR.05: a StatusNotification for each connector once Accepted; none for connector 0."""
    scene = Scene2(version=version, connectors=3)
    scene.boot()
    assert scene.actions() == ["BootNotification", *["StatusNotification"] * 3]
    assert [one["evseId"] for one in scene.sent("StatusNotification")] == [1, 2, 3]


def test_power_that_comes_back_boots_with_power_up(version: str) -> None:
    """B01: boot reason PowerUp after a loss of power."""
    scene = Scene2(version=version)
    scene.boot()
    scene.mark()
    scene.cycle_power(for_s=10)
    assert scene.sent("BootNotification")[0]["reason"] == "PowerUp"


def test_a_reset_boots_with_remote_reset(version: str) -> None:
    """B11: boot reason RemoteReset."""
    scene = Scene2(version=version)
    scene.boot()
    scene.mark()
    assert scene.call("Reset", type="Immediate").status == "Accepted"
    scene.run(for_s=60)
    assert [one["reason"] for one in scene.sent("BootNotification")] == ["RemoteReset"]


def test_a_triggered_boot_says_so(version: str) -> None:
    """F06: reason Triggered, at once and not after the interval."""
    scene = Scene2(version=version)
    scene.on("BootNotification", pending(600))
    scene.boot()
    scene.mark()
    assert scene.call("TriggerMessage", requestedMessage="BootNotification").status == "Accepted"
    assert scene.actions() == ["BootNotification"]
    assert scene.sent()[0]["reason"] == "Triggered"


@pytest.mark.parametrize("answer", ["Pending", "Rejected"])
def test_boot_is_repeated_after_the_interval_of_the_answer(version: str, answer: str) -> None:
    """B02.FR.04, B03.FR.03: the next BootNotification after `interval` seconds."""
    scene = Scene2(version=version)
    scene.on("BootNotification", pending(45) if answer == "Pending" else rejected(45))
    scene.boot()
    scene.run(for_s=44)
    assert len(scene.sent("BootNotification")) == 1
    scene.run(for_s=2)
    assert len(scene.sent("BootNotification")) == 2


@pytest.mark.parametrize("answer", [pending(0), rejected(0), Error(), SILENCE])
def test_without_an_interval_the_station_takes_its_own(version: str, answer: Reply) -> None:
    """B02.FR.05, B03.FR.04: interval 0, an error or no answer: never a busy loop."""
    scene = Scene2(version=version)
    scene.on("BootNotification", answer)
    scene.boot()
    scene.run(for_s=55)
    assert len(scene.sent("BootNotification")) == 1
    scene.run(for_s=60)
    assert len(scene.sent("BootNotification")) == 2


@pytest.mark.parametrize("answer", [pending(), rejected(), SILENCE])
def test_nothing_but_boot_is_sent_before_it_is_accepted(version: str, answer: Reply) -> None:
    """B02.FR.02, B03.FR.02: no Heartbeat, StatusNotification, MeterValues, TransactionEvent."""
    scene = Scene2(
        version=version,
        configuration={"ClockAlignedDataInterval": "60", "TxCtrlr.TxBeforeAcceptedEnabled": "true"},
    )
    scene.on("BootNotification", answer)
    scene.boot()
    scene.charge()
    scene.run(for_s=1000)
    assert set(scene.actions()) == {"BootNotification"}


def test_the_clock_is_set_from_the_boot_answer(version: str) -> None:
    """B01.FR.06: the station's clock becomes currentTime."""
    scene = Scene2(version=version, clock_error_s=-5000.0)
    scene.boot()
    assert abs(scene.sent("StatusNotification")[0].wall_s - scene.wall_s) < 1


# ── what the CSMS may ask before ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("answer", [rejected(), SILENCE])
def test_a_station_not_accepted_refuses_calls_with_security_error(
    version: str, answer: Reply
) -> None:
    """B03.FR.06 and B01: SecurityError while Rejected, and before any answer."""
    scene = Scene2(version=version)
    scene.on("BootNotification", answer)
    scene.boot()
    assert scene.call("GetTransactionStatus").error == "SecurityError"


def test_a_rejected_station_boots_when_it_is_told_to(version: str) -> None:
    """B03: TriggerMessage(BootNotification) is Accepted, and sends it at once [libocpp]."""
    scene = Scene2(version=version)
    scene.on("BootNotification", rejected(600), {**rejected(600), "status": "Accepted"})
    scene.boot()
    assert scene.call("TriggerMessage", requestedMessage="BootNotification").status == "Accepted"
    assert len(scene.sent("BootNotification")) == 2
    assert scene.sent("StatusNotification")


def test_a_pending_station_answers_and_starts_nothing(version: str) -> None:
    """B02.FR.05: RequestStartTransaction and RequestStopTransaction are Rejected."""
    scene = Scene2(version=version)
    scene.on("BootNotification", pending())
    scene.boot()
    token = {"idToken": "04A1B2C3", "type": "ISO14443"}
    start = scene.call("RequestStartTransaction", remoteStartId=1, idToken=token, evseId=1)
    assert start.status == "Rejected"
    assert scene.call("RequestStopTransaction", transactionId="x").status == "Rejected"


def test_transaction_events_wait_for_the_acceptance(version: str) -> None:
    """B02.FR.02: what happened while Pending is told, in order, once Accepted."""
    scene = Scene2(
        version=version,
        configuration={
            "TxCtrlr.TxStartPoint": "EVConnected",
            "TxCtrlr.TxBeforeAcceptedEnabled": "true",
        },
    )
    accepted = {**pending(300), "status": "Accepted"}
    scene.on("BootNotification", pending(60), accepted)
    scene.boot()
    scene.plug_in()
    scene.run(for_s=59)
    assert scene.events() == []
    scene.run(for_s=2)
    assert scene.triggers()[0] == "CablePluggedIn"


def test_no_transaction_starts_before_the_acceptance(version: str) -> None:
    """B02.FR.08 and TxBeforeAcceptedEnabled false: a cable that is in starts it afterwards."""
    scene = Scene2(version=version, configuration={"TxCtrlr.TxStartPoint": "EVConnected"})
    scene.on("BootNotification", pending(60), {**pending(300), "status": "Accepted"})
    scene.boot()
    scene.plug_in()
    scene.present_tag()
    scene.run(for_s=61)
    (started,) = scene.events()
    assert started["triggerReason"] == "CablePluggedIn"
    assert started.at_s == scene.sent("BootNotification")[1].at_s
    assert "idToken" not in started.payload


# ── statuses ──────────────────────────────────────────────────────────────────────────────────────


def test_a_connector_is_occupied_once_however_the_session_goes_on(version: str) -> None:
    """G01: Preparing, Charging, Suspended and Finishing of 1.6 are one status here."""
    scene = Scene2(version=version)
    scene.boot()
    scene.charge()
    scene.run(for_s=100)
    scene.present_tag()
    scene.unplug()
    assert scene.statuses() == ["Available", "Occupied", "Available"]


def test_a_status_that_does_not_last_is_not_told(version: str) -> None:
    """MinimumStatusDuration counts from the first phase that is Occupied."""
    scene = Scene2(version=version, configuration={"MinimumStatusDuration": "10"})
    scene.boot()
    scene.mark()
    scene.plug_in()
    scene.run(for_s=8)
    scene.present_tag()
    scene.run(for_s=3)
    assert scene.statuses() == ["Occupied"]
    scene.mark()
    scene.present_tag()
    scene.unplug()
    scene.run(for_s=5)
    scene.plug_in()
    scene.run(for_s=60)
    assert scene.statuses() == []


def test_a_fault_is_a_status(version: str) -> None:
    """G01: Faulted and back."""
    scene = Scene2(version=version)
    scene.boot()
    scene.mark()
    scene.tell(Failed(1, "GroundFailure"))
    scene.tell(FaultCleared(1))
    assert scene.statuses() == ["Faulted", "Available"]


def test_after_a_short_time_offline_only_changes_are_told(version: str) -> None:
    """B04.FR.02: not longer than OfflineThreshold."""
    scene = Scene2(
        version=version, connectors=3, configuration={"OCPPCommCtrlr.OfflineThreshold": "60"}
    )
    scene.boot()
    scene.mark()
    scene.disconnect()
    scene.plug_in(2)
    scene.run(for_s=60)
    scene.connect()
    assert scene.actions() == ["StatusNotification"]
    assert scene.statuses(2) == ["Occupied"]


def test_after_a_long_time_offline_every_status_is_told(version: str) -> None:
    """B04.FR.01: longer than OfflineThreshold, and without a BootNotification."""
    scene = Scene2(
        version=version, connectors=3, configuration={"OCPPCommCtrlr.OfflineThreshold": "60"}
    )
    scene.boot()
    scene.mark()
    scene.disconnect()
    scene.run(for_s=61)
    scene.connect()
    assert scene.actions() == ["StatusNotification"] * 3


def test_a_status_that_was_on_its_way_when_the_link_was_lost_is_told_again(version: str) -> None:
    """B04: the CSMS has not heard of it, however short the time was."""
    scene = Scene2(version=version)
    scene.boot()
    scene.on("StatusNotification", SILENCE, {})
    scene.plug_in()
    scene.mark()
    scene.disconnect()
    scene.connect()
    assert scene.statuses() == ["Occupied"]


def test_a_status_that_waited_when_the_link_was_lost_is_told_again(version: str) -> None:
    """The same behind an open CALL."""
    scene = Scene2(version=version, connectors=2)
    scene.boot()
    scene.on("StatusNotification", SILENCE, {})
    scene.plug_in(1)
    scene.plug_in(2)
    scene.mark()
    scene.disconnect()
    scene.connect()
    assert (scene.statuses(1), scene.statuses(2)) == (["Occupied"], ["Occupied"])


def test_heartbeats_keep_the_interval_of_the_boot_answer(version: str) -> None:
    """G02: one Heartbeat per interval, and its currentTime sets the clock."""
    scene = Scene2(version=version)
    scene.on(
        "BootNotification", {"status": "Accepted", "currentTime": scene.clock, "interval": 100}
    )
    scene.boot()
    scene.run(for_s=1000)
    beats = [one.at_s for one in scene.sent("Heartbeat")]
    assert len(beats) in (9, 10, 11)
    assert {round(b - a) for a, b in itertools.pairwise(beats)} == {100}
