"""Battery swap (OCPP 2.1 part 2, block S)."""

from __future__ import annotations

from typing import Any

import pytest

from builders_station2 import TAG, Scene2, refused
from simfleet.errors import Refused
from simfleet.station import battery_swap
from simfleet.station.battery import Battery
from simfleet.station.events import BatteriesInserted, BatteriesTaken, SwapWanted
from simfleet.station.memory import decode_kept, encode_kept, recall, remember

EMPTY_ONE = Battery(3, "OLD-1", 15.0, 90.0)


def a_station(**options: Any) -> Scene2:
    """Slots 1 and 2 have a charged battery, slot 3 is empty."""
    scene = Scene2(version="ocpp2.1", connectors=3, swaps_batteries=True, **options)
    scene.boot()
    return scene


def request(scene: Scene2, request_id: int = 42) -> Any:
    token = {"idToken": TAG, "type": "ISO14443"}
    return scene.call("RequestBatterySwap", requestId=request_id, idToken=token)


def swaps(scene: Scene2) -> list[tuple[str, int, list[int]]]:
    """What was told: the event, the request, the slots."""
    return [
        (one["eventType"], one["requestId"], [data["evseId"] for data in one["batteryData"]])
        for one in scene.sent("BatterySwap")
    ]


def slots(scene: Scene2) -> dict[int, str]:
    """Serial numbers by slot."""
    now = battery_swap.batteries(scene.station, at_s=scene.now_s)
    return {one.slot: one.serial_number for one in now}


def test_a_swap_that_the_csms_asks_for_is_told_in_and_out() -> None:
    """S02, S03: the requestId and the token of RequestBatterySwap in both events."""
    scene = a_station()
    assert request(scene).status == "Accepted"
    scene.tell(BatteriesInserted((EMPTY_ONE,)))
    scene.tell(BatteriesTaken())
    assert swaps(scene) == [("BatteryIn", 42, [3]), ("BatteryOut", 42, [1])]
    came, went = scene.sent("BatterySwap")
    assert came["idToken"] == {"idToken": TAG, "type": "ISO14443"}
    assert came["batteryData"] == [{"evseId": 3, "serialNumber": "OLD-1", "soC": 15.0, "soH": 90.0}]
    assert went["batteryData"][0]["soC"] == 100.0
    assert slots(scene) == {2: "CP-1-2", 3: "OLD-1"}


def test_statuses_of_slots_follow_their_batteries() -> None:
    """S03: Occupied with a battery, Available without."""
    scene = a_station()
    assert [scene.statuses(slot)[-1] for slot in (1, 2, 3)] == [
        "Occupied",
        "Occupied",
        "Available",
    ]
    request(scene)
    scene.tell(BatteriesInserted((EMPTY_ONE,)))
    scene.tell(BatteriesTaken())
    assert [scene.statuses(slot)[-1] for slot in (1, 3)] == ["Available", "Occupied"]


def test_a_swap_by_tag_is_authorized_first() -> None:
    """S01: Authorize, then a requestId of the station's own."""
    scene = a_station()
    scene.tell(SwapWanted())
    assert len(scene.sent("Authorize")) == 1
    scene.tell(BatteriesInserted((EMPTY_ONE,)))
    assert swaps(scene) == [("BatteryIn", 1, [3])]
    assert scene.sent("BatterySwap")[0]["idToken"]["idToken"] == TAG


def test_a_tag_that_is_refused_opens_no_slot() -> None:
    """S01."""
    scene = a_station()
    scene.on("Authorize", **refused())
    scene.tell(SwapWanted())
    with pytest.raises(Refused):
        scene.tell(BatteriesInserted((EMPTY_ONE,)))
    assert swaps(scene) == []


def test_without_a_charged_battery_there_is_no_swap() -> None:
    """S02: Rejected, NoBatteryAvailable (TC_S_102)."""
    scene = a_station()
    for request_id, (slot, serial) in enumerate([(3, "A"), (1, "B")]):
        request(scene, request_id)
        scene.tell(BatteriesInserted((Battery(slot, serial, 5.0),)))
        scene.tell(BatteriesTaken())
    answer = request(scene)
    assert answer.status == "Rejected"
    assert answer.payload["statusInfo"]["reasonCode"] == "NoBatteryAvailable"


def test_only_one_swap_goes_on_at_a_time() -> None:
    """S02."""
    scene = a_station()
    request(scene)
    assert request(scene, 43).status == "Rejected"


def test_a_slot_that_stays_empty_ends_the_swap() -> None:
    """S01, S02: BatterySwapInTimeout; nothing was told, so nothing is."""
    scene = a_station()
    request(scene)
    scene.run(for_s=61)
    assert swaps(scene) == []
    with pytest.raises(Refused):
        scene.tell(BatteriesInserted((EMPTY_ONE,)))
    assert request(scene, 43).status == "Accepted"


def test_a_battery_that_is_not_taken_stays() -> None:
    """S03: BatteryOutTimeout with what was offered."""
    scene = a_station()
    request(scene)
    scene.tell(BatteriesInserted((EMPTY_ONE,)))
    scene.run(for_s=61)
    assert swaps(scene)[-1] == ("BatteryOutTimeout", 42, [1])
    assert sorted(slots(scene)) == [1, 2, 3]
    with pytest.raises(Refused):
        scene.tell(BatteriesTaken())


def test_batteries_charge_in_transactions_of_nobody() -> None:
    """S04: idToken of type NoAuthorization; the battery is charged, and can be given out again."""
    scene = a_station()
    request(scene)
    scene.tell(BatteriesInserted((EMPTY_ONE,)))
    scene.tell(BatteriesTaken())
    (started,) = scene.events("Started")
    assert started["evse"]["id"] == 3
    assert started["idToken"] == {"idToken": "", "type": "NoAuthorization"}
    scene.run(for_s=4 * 3600)
    (charged, _) = battery_swap.charged(scene.station, at_s=scene.now_s)
    assert charged.soc_percent == 100.0
    request(scene, 43)
    scene.tell(BatteriesInserted((Battery(1, "OLD-2"),)))
    scene.tell(BatteriesTaken())
    scene.run(for_s=4 * 3600)
    request(scene, 44)


def test_a_battery_that_is_taken_ends_its_transaction() -> None:
    """S04: stoppedReason EVDisconnected."""
    scene = a_station(configuration={"BatterySwapCtrlr.BatterySwapTargetSoc": "10"})
    for request_id, (slot, serial) in enumerate([(3, "A"), (1, "B"), (2, "C")]):
        request(scene, request_id)
        scene.tell(BatteriesInserted((Battery(slot, serial, 20.0),)))
        scene.run(for_s=30)
        scene.tell(BatteriesTaken())
    (ended,) = scene.events("Ended")
    assert ended["transactionInfo"]["stoppedReason"] == "EVDisconnected"


def test_batteries_survive_a_restart_of_all() -> None:
    """The slots are as they were."""
    scene = a_station()
    request(scene)
    scene.tell(BatteriesInserted((EMPTY_ONE,)))
    scene.tell(BatteriesTaken())
    before = slots(scene)
    kept = decode_kept(encode_kept(remember(scene.station)))
    other = Scene2(version="ocpp2.1", connectors=3, swaps_batteries=True)
    other.witness.gaps_allowed = True  # it goes on where the other one was
    recall(other.station, kept, at_s=other.now_s)
    other.boot()
    assert slots(other) == before
    assert [one["evse"]["id"] for one in other.events("Started")] == [3]


def test_another_station_swaps_no_batteries() -> None:
    """A CALL of a block that a station does not have: NotSupported."""
    scene = Scene2(version="ocpp2.1")
    scene.boot()
    assert request(scene).error == "NotSupported"
    with pytest.raises(Refused):
        scene.tell(SwapWanted())
