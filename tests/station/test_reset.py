from __future__ import annotations

import pytest

from builders_station import SILENCE, TAG, Scene
from simfleet.errors import Refused
from simfleet.station.effects import Reboot
from simfleet.station.events import PluggedIn, TokenPresented
from simfleet.station.spec import REBOOT_S, SOFT_RESET_MAX_S


def a_charging_scene(**keys: str | int) -> Scene:
    scene = Scene(configuration=keys)
    scene.boot()
    scene.charge()
    scene.run(for_s=36)
    scene.mark()
    return scene


def reset(scene: Scene, kind: str) -> str:
    return scene.call("Reset", type=kind).status


@pytest.mark.parametrize("kind", ["Soft", "Hard"])
def test_an_idle_station_reboots_at_once(kind: str) -> None:
    scene = Scene(connectors=2)
    scene.boot()
    scene.mark()
    assert reset(scene, kind) == "Accepted"
    assert scene.seen(Reboot) == [Reboot(REBOOT_S)]
    assert scene.sent() == []
    scene.run(for_s=REBOOT_S)
    assert scene.actions() == ["BootNotification"] + ["StatusNotification"] * 3


def test_a_soft_reset_ends_its_transactions_and_tells_before_it_goes() -> None:
    scene = a_charging_scene()
    assert reset(scene, "Soft") == "Accepted"
    (stop,) = scene.sent("StopTransaction")
    assert (stop["reason"], stop["meterStop"]) == ("SoftReset", pytest.approx(110, abs=1))
    assert "idTag" not in stop.payload
    assert scene.statuses() == ["Finishing"]
    assert len(scene.seen(Reboot)) == 1
    scene.run(for_s=60)
    assert len(scene.sent("StopTransaction")) == 1
    assert scene.actions()[2] == "BootNotification"


def test_a_soft_reset_waits_for_the_answer_to_its_stop() -> None:
    scene = a_charging_scene()
    scene.on("StopTransaction", SILENCE)
    reset(scene, "Soft")
    scene.run(for_s=10)
    assert scene.seen(Reboot) == []
    scene.reply(scene.sent("StopTransaction")[0], {})
    assert len(scene.seen(Reboot)) == 1


def test_a_soft_reset_does_not_wait_for_ever_and_the_stop_follows_after_the_boot() -> None:
    scene = a_charging_scene()
    scene.on("StopTransaction", SILENCE, {})
    reset(scene, "Soft")
    scene.run(for_s=SOFT_RESET_MAX_S - 0.1)
    assert scene.seen(Reboot) == []
    scene.run(for_s=60)
    assert len(scene.seen(Reboot)) == 1
    first, second = scene.sent("StopTransaction")
    assert first.payload == second.payload
    assert first.id != second.id


def test_a_hard_reset_goes_at_once_and_the_stop_follows_after_the_boot() -> None:
    scene = a_charging_scene()
    assert reset(scene, "Hard") == "Accepted"
    assert len(scene.seen(Reboot)) == 1
    reset_s = scene.wall_s
    scene.run(for_s=60)
    assert scene.actions() == [
        "BootNotification",
        "StatusNotification",
        "StatusNotification",
        "StopTransaction",
    ]
    (stop,) = scene.sent("StopTransaction")
    assert stop["reason"] == "HardReset"
    assert stop["transactionId"] == scene.transaction_id
    assert abs(stop.wall_s - reset_s) < 0.01
    assert scene.statuses() == ["Finishing"]


def test_a_hard_reset_before_the_start_was_answered_loses_nothing() -> None:
    scene = Scene()
    scene.boot()
    scene.on("StartTransaction", SILENCE, {"transactionId": 5, "idTagInfo": {"status": "Accepted"}})
    scene.charge()
    reset(scene, "Hard")
    scene.run(for_s=60)
    assert len(scene.sent("StartTransaction")) == 2
    assert scene.sent("StopTransaction")[0]["transactionId"] == 5


def test_a_remote_start_is_rejected_while_a_soft_reset_waits() -> None:
    scene = a_charging_scene()
    scene.on("StopTransaction", SILENCE)
    reset(scene, "Soft")
    scene.unplug()
    answer = scene.call("RemoteStartTransaction", idTag=TAG, connectorId=1)
    assert answer.status == "Rejected"


def test_a_driver_who_comes_while_a_soft_reset_waits_loses_no_energy_and_no_stop() -> None:
    scene = Scene(free_charging=True)
    scene.boot()
    scene.charge()
    scene.mark()
    scene.on("StopTransaction", SILENCE, {})
    reset(scene, "Soft")
    scene.present_tag()  # starts anew, the cable is still in
    scene.run(for_s=200)
    starts, stops = scene.sent("StartTransaction"), scene.sent("StopTransaction")
    assert all(connector.transaction is None for connector in scene.station.connectors)
    assert len(starts) == 1
    assert {one["transactionId"] for one in stops} == {701, 702}
    assert stops[-1]["reason"] == "SoftReset"


def test_a_second_reset_while_the_first_waits_is_one_reboot() -> None:
    scene = a_charging_scene()
    scene.on("StopTransaction", SILENCE)
    reset(scene, "Soft")
    reset(scene, "Soft")
    assert reset(scene, "Hard") == "Accepted"
    scene.run(for_s=200)
    assert len(scene.seen(Reboot)) == 1


def test_a_rebooting_station_is_dead_to_the_world() -> None:
    scene = a_charging_scene()
    reset(scene, "Hard")
    scene.mark()
    for event in (PluggedIn(), TokenPresented()):
        with pytest.raises(Refused):
            scene.tell(event)
    # The socket may still deliver what the CSMS had sent before it was closed.
    scene.call_without_answer("RemoteStartTransaction", idTag=TAG, connectorId=1)
    scene.call_without_answer("Reset", type="Hard")
    scene.tick()
    assert scene.sent() == []
    assert scene.seen(Reboot) == []
    scene.run(for_s=REBOOT_S)
    assert scene.sent("StartTransaction") == []


def test_a_tag_that_waited_for_its_cable_is_forgotten() -> None:
    scene = Scene()
    scene.boot()
    scene.present_tag()
    reset(scene, "Hard")
    scene.run(for_s=10)
    assert scene.statuses()[-1] == "Available"
    scene.plug_in()
    scene.run(for_s=100)
    assert scene.sent("StartTransaction") == []


def test_a_tag_being_asked_about_is_forgotten_even_where_unknown_tags_may_charge_offline() -> None:
    scene = Scene(configuration={"AllowOfflineTxForUnknownId": "true"})
    scene.boot()
    scene.on("Authorize", SILENCE)
    scene.charge()
    reset(scene, "Hard")
    scene.run(for_s=100)
    assert scene.sent("StartTransaction") == []
    assert scene.statuses()[-1] == "Preparing"


def test_the_reset_is_answered_before_the_station_goes_down() -> None:
    scene = Scene()
    scene.boot()
    scene.station.receive(b'[2,"r","Reset",{"type":"Hard"}]', at_s=scene.now_s)
    assert scene.station.take_frames() == [b'[3,"r",{"status":"Accepted"}]']


def test_a_soft_reset_without_a_link_goes_after_its_patience() -> None:
    scene = a_charging_scene()
    scene.on("StopTransaction", SILENCE, {})
    reset(scene, "Soft")
    scene.disconnect()
    scene.run(for_s=SOFT_RESET_MAX_S + REBOOT_S)
    assert len(scene.seen(Reboot)) == 1
    assert len(scene.sent("StopTransaction")) == 2
    assert "BootNotification" in scene.actions()


def test_a_pending_station_can_be_reset() -> None:
    scene = Scene()
    scene.on(
        "BootNotification",
        lambda _: {"status": "Pending", "currentTime": scene.clock, "interval": 1000},
    )
    scene.boot()
    assert reset(scene, "Soft") == "Accepted"
    scene.run(for_s=REBOOT_S)
    assert len(scene.sent("BootNotification")) == 2
