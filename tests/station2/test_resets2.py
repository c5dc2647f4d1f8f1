"""B11 and B12 of OCPP 2.0.1 part 2: Reset of the station, and of one EVSE."""

from __future__ import annotations

from typing import Any

import pytest

from builders_station2 import SILENCE, Scene2, id_token, versions
from simfleet.station.effects import Reboot
from simfleet.station.memory import recall, remember
from simfleet.station.spec import REBOOT_S, SOFT_RESET_MAX_S


def a_scene(version: str, *, connectors: int = 2, **options: Any) -> Scene2:
    scene = Scene2(version=version, connectors=connectors, **options)
    scene.boot()
    scene.mark()
    return scene


def reset(scene: Scene2, kind: str, evse_id: int | None = None) -> str:
    more: Any = {} if evse_id is None else {"evseId": evse_id}
    return scene.call("Reset", type=kind, **more).status


def reasons(scene: Scene2) -> list[str]:
    return [one["reason"] for one in scene.sent("BootNotification")]


# ── the station ───────────────────────────────────────────────────────────────────────────────────


@versions
@pytest.mark.parametrize("kind", ["Immediate", "OnIdle"])
def test_an_idle_station_reboots_at_once(version: str, kind: str) -> None:
    """B11.FR.01: boot reason RemoteReset, then the statuses."""
    scene = a_scene(version)
    assert reset(scene, kind) == "Accepted"
    assert scene.seen(Reboot) == [Reboot(REBOOT_S)]
    scene.run(for_s=REBOOT_S)
    assert scene.actions() == ["BootNotification"] + ["StatusNotification"] * 2
    assert reasons(scene) == ["RemoteReset"]


@versions
def test_an_immediate_reset_ends_transactions_and_tells_before_it_goes(version: str) -> None:
    """B12.FR.02: triggerReason ResetCommand, stoppedReason ImmediateReset."""
    scene = a_scene(version)
    scene.charge(1)
    scene.mark()
    assert reset(scene, "Immediate") == "Accepted"
    (ended,) = scene.events()
    assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "ResetCommand")
    assert ended["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    assert len(scene.seen(Reboot)) == 1
    scene.run(for_s=60)
    assert len(scene.events()) == 1
    assert reasons(scene) == ["RemoteReset"]


@versions
def test_an_immediate_reset_ends_a_transaction_without_energy(version: str) -> None:
    """B12.FR.02: one that only the cable has started, too."""
    scene = a_scene(version, configuration={"TxCtrlr.TxStartPoint": "EVConnected"})
    scene.plug_in(1)
    scene.mark()
    reset(scene, "Immediate")
    (ended,) = scene.events("Ended")
    assert ended["transactionInfo"]["stoppedReason"] == "ImmediateReset"


@versions
def test_an_immediate_reset_does_not_wait_for_ever(version: str) -> None:
    """The CSMS does not answer; the event follows after the boot."""
    scene = a_scene(version)
    scene.charge(1)
    scene.mark()
    scene.on("TransactionEvent", SILENCE, {})
    reset(scene, "Immediate")
    assert scene.seen(Reboot) == []
    scene.run(for_s=SOFT_RESET_MAX_S + REBOOT_S + 1)
    assert len(scene.seen(Reboot)) == 1
    assert len(scene.events("Ended")) == 2


@versions
def test_on_idle_waits_for_the_transaction(version: str) -> None:
    """B12.FR.01, .03: Scheduled, then a boot for ScheduledReset."""
    scene = a_scene(version)
    scene.charge(1)
    scene.mark()
    assert reset(scene, "OnIdle") == "Scheduled"
    scene.run(for_s=600)
    assert scene.events("Ended") == []
    assert scene.seen(Reboot) == []
    scene.present_tag(connector_id=1)
    scene.run(for_s=REBOOT_S + 1)
    (ended,) = scene.events("Ended")
    assert ended["transactionInfo"].get("stoppedReason", "Local") == "Local"
    assert len(scene.seen(Reboot)) == 1
    assert reasons(scene) == ["ScheduledReset"]


@versions
def test_no_other_session_begins_before_a_scheduled_reset(version: str) -> None:
    """B12: the free EVSEs are out of service until then, and back after the boot."""
    scene = a_scene(version)
    scene.charge(1)
    scene.mark()
    reset(scene, "OnIdle")
    assert scene.statuses(2) == ["Unavailable"]
    start: Any = {"idToken": id_token(), "remoteStartId": 1, "evseId": 2}
    assert scene.call("RequestStartTransaction", **start).status == "Rejected"
    scene.present_tag(connector_id=1)
    scene.unplug(1)
    scene.run(for_s=REBOOT_S + 1)
    assert [scene.statuses(n)[-1] for n in (1, 2)] == ["Available", "Available"]
    assert scene.call("RequestStartTransaction", **start).status == "Accepted"


@versions
def test_on_idle_waits_for_all_transactions(version: str) -> None:
    scene = a_scene(version)
    scene.charge(1)
    scene.charge(2)
    reset(scene, "OnIdle")
    scene.present_tag(connector_id=1)
    scene.run(for_s=30)
    assert scene.seen(Reboot) == []
    scene.present_tag(connector_id=2)
    scene.run(for_s=1)
    assert len(scene.seen(Reboot)) == 1


@versions
def test_on_idle_waits_for_the_stop_point(version: str) -> None:
    """Idle is without a transaction, not without energy."""
    scene = a_scene(version, configuration={"TxCtrlr.TxStopPoint": "EVConnected"})
    scene.charge(1)
    reset(scene, "OnIdle")
    scene.present_tag(connector_id=1)
    scene.run(for_s=30)
    assert scene.seen(Reboot) == []
    scene.unplug(1)
    scene.run(for_s=1)
    assert len(scene.seen(Reboot)) == 1


@versions
def test_an_immediate_reset_does_not_wait_for_a_scheduled_one(version: str) -> None:
    scene = a_scene(version)
    scene.charge(1)
    scene.mark()
    reset(scene, "OnIdle")
    assert reset(scene, "Immediate") == "Accepted"
    assert len(scene.seen(Reboot)) == 1
    scene.run(for_s=60)
    assert reasons(scene) == ["RemoteReset"]
    assert len(scene.seen(Reboot)) == 1


@versions
def test_a_loss_of_power_is_as_good_as_a_scheduled_reset(version: str) -> None:
    """It is not done twice, and nothing stays out of service."""
    scene = a_scene(version)
    scene.charge(1)
    reset(scene, "OnIdle")
    scene.mark()
    scene.cycle_power(for_s=30)
    scene.run(for_s=60)
    assert reasons(scene) == ["PowerUp"]
    assert scene.statuses(2) == ["Available"]
    assert scene.seen(Reboot) == []


@versions
def test_what_a_reset_keeps_out_of_service_is_not_remembered(version: str) -> None:
    scene = a_scene(version)
    scene.charge(1)
    reset(scene, "OnIdle")
    again = Scene2(version=version, connectors=2)
    again.witness.sequences = scene.witness.sequences
    recall(again.station, remember(scene.station), at_s=again.now_s)
    again.boot()
    assert again.statuses(2) == ["Available"]


def test_a_transaction_goes_on_after_immediate_and_resume() -> None:
    """2.1 B12 with E17: nothing ends; TxResumed after the boot."""
    scene = a_scene("ocpp2.1", configuration={"TxCtrlr.ResumptionTimeout": 300})
    scene.charge(1)
    scene.mark()
    assert reset(scene, "ImmediateAndResume") == "Accepted"
    scene.run(for_s=REBOOT_S + 1)
    assert scene.events("Ended") == []
    assert "TxResumed" in scene.triggers()
    assert reasons(scene) == ["RemoteReset"]


def test_immediate_and_resume_is_rejected_where_nothing_resumes() -> None:
    scene = a_scene("ocpp2.1")
    assert reset(scene, "ImmediateAndResume") == "Rejected"


# ── one EVSE ──────────────────────────────────────────────────────────────────────────────────────


@versions
@pytest.mark.parametrize("kind", ["Immediate", "OnIdle"])
def test_an_idle_evse_is_reset_alone(version: str, kind: str) -> None:
    """B11.FR.08: out of service for a while; the station stays up."""
    scene = a_scene(version)
    assert reset(scene, kind, 1) == "Accepted"
    assert scene.statuses(1) == ["Unavailable"]
    scene.run(for_s=REBOOT_S + 1)
    assert scene.statuses(1) == ["Unavailable", "Available"]
    assert scene.statuses(2) == []
    assert scene.sent("BootNotification") == []
    assert scene.seen(Reboot) == []


@versions
def test_an_immediate_reset_of_an_evse_ends_its_transaction_alone(version: str) -> None:
    """B12.FR.04."""
    scene = a_scene(version)
    scene.charge(1)
    first = scene.transaction
    scene.charge(2)
    scene.mark()
    assert reset(scene, "Immediate", 1) == "Accepted"
    (ended,) = scene.events("Ended")
    assert ended["transactionInfo"]["transactionId"] == first
    assert ended["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    assert scene.station.connectors[1].transaction is not None
    scene.run(for_s=REBOOT_S + 1)
    assert scene.statuses(1) == ["Unavailable", "Occupied"]


@versions
def test_on_idle_waits_for_the_transaction_of_its_evse_only(version: str) -> None:
    """B12.FR.07."""
    scene = a_scene(version)
    scene.charge(1)
    scene.charge(2)
    scene.mark()
    assert reset(scene, "OnIdle", 1) == "Scheduled"
    scene.run(for_s=60)
    assert scene.events("Ended") == []
    scene.present_tag(connector_id=1)
    scene.run(for_s=1)
    assert scene.statuses(1) == ["Unavailable"]
    scene.run(for_s=REBOOT_S)
    assert scene.statuses(1) == ["Unavailable", "Occupied"]
    assert scene.seen(Reboot) == []
    assert len(scene.events("Ended")) == 1


@versions
def test_an_evse_is_reset_only_where_it_can_be(version: str) -> None:
    """B11.FR.09: AllowReset false, or no such EVSE."""
    scene = a_scene(version, configuration={"EVSE.AllowReset": "false"})
    assert reset(scene, "Immediate", 1) == "Rejected"
    assert scene.statuses(1) == []
    assert reset(scene, "Immediate") == "Accepted"


@versions
def test_an_unknown_evse_is_not_reset(version: str) -> None:
    scene = a_scene(version)
    answer = scene.call("Reset", type="Immediate", evseId=3)
    assert answer.status == "Rejected"
    assert answer.payload["statusInfo"]["reasonCode"] == "UnknownEvse"


@versions
def test_an_evse_out_of_service_stays_so_after_its_reset(version: str) -> None:
    scene = a_scene(version)
    scene.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1})
    scene.mark()
    reset(scene, "Immediate", 1)
    scene.run(for_s=REBOOT_S + 1)
    assert scene.statuses(1) == []


# ── as variables ──────────────────────────────────────────────────────────────────────────────────


@versions
def test_the_variables_of_control_are_in_the_device_model(version: str) -> None:
    """What GetVariables shows is what the behaviour hangs on."""
    scene = a_scene(version)
    wanted = [
        ({"name": "EVSE", "evse": {"id": 2}}, "AllowReset", "true"),
        ({"name": "AuthCtrlr"}, "Enabled", "true"),
        ({"name": "ReservationCtrlr"}, "Enabled", "true"),
        ({"name": "ReservationCtrlr"}, "NonEvseSpecific", "true"),
        ({"name": "AuthCacheCtrlr"}, "LifeTime", "0"),
        ({"name": "AuthCacheCtrlr"}, "DisablePostAuthorize", "false"),
        ({"name": "LocalAuthListCtrlr"}, "DisablePostAuthorize", "false"),
    ]
    data = [{"component": one, "variable": {"name": name}} for one, name, _ in wanted]
    answer = scene.call("GetVariables", getVariableData=data)
    values = [one.get("attributeValue") for one in answer.payload["getVariableResult"]]
    assert values == [value for _, _, value in wanted]


@versions
def test_reservations_can_be_switched_off(version: str) -> None:
    """SetVariables takes effect live."""
    scene = a_scene(version)
    where = {"component": {"name": "ReservationCtrlr"}, "variable": {"name": "Enabled"}}
    scene.call("SetVariables", setVariableData=[{**where, "attributeValue": "false"}])
    wish: Any = {"id": 1, "expiryDateTime": "2026-03-02T00:00:00Z", "evseId": 1}
    assert scene.call("ReserveNow", idToken=id_token(), **wish).status == "Rejected"
