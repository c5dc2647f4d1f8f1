"""Block H of OCPP 2.0.1 part 2: reservations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from builders_station2 import OTHER_TAG, TAG, Scene2, accepted, id_token, refused, versions
from simfleet.station.events import Failed
from simfleet.station.memory import decode_kept, encode_kept, recall, remember
from simfleet.station.meter import ElectricalSpec

GROUP = id_token("FLEET", "Central")


def a_scene(version: str, *, connectors: int = 1, **options: Any) -> Scene2:
    scene = Scene2(version=version, connectors=connectors, **options)
    scene.boot()
    scene.mark()
    return scene


def a_mixed_scene(version: str) -> Scene2:
    """EVSEs 1 and 2 are sockets, 3 is DC."""
    ac, dc = (
        ElectricalSpec.of("AC", max_power_w=22_000),
        ElectricalSpec.of("DC", max_power_w=50_000),
    )
    return a_scene(version, connectors=3, outlets=(ac, ac, dc))


def reserve(
    scene: Scene2, number: int = 1, *, for_s: float = 600, tag: str = TAG, **more: Any
) -> Any:
    moment = datetime.fromtimestamp(scene.wall_s + for_s, UTC).isoformat()
    return scene.call("ReserveNow", id=number, idToken=id_token(tag), expiryDateTime=moment, **more)


def updates(scene: Scene2) -> list[tuple[int, str]]:
    return [
        (one["reservationId"], one["reservationUpdateStatus"])
        for one in scene.sent("ReservationStatusUpdate")
    ]


# ── one EVSE ──────────────────────────────────────────────────────────────────────────────────────


@versions
def test_a_reserved_evse_is_for_its_tag_alone(version: str) -> None:
    """H01.FR.05, H03: the transaction names the reservation, which is used up without a word."""
    scene = a_scene(version)
    assert reserve(scene, 17, evseId=1).status == "Accepted"
    assert scene.statuses() == ["Reserved"]
    scene.plug_in()
    scene.present_tag(OTHER_TAG)
    assert scene.events() == []
    scene.present_tag(TAG)
    named = [one["reservationId"] for one in scene.events() if "reservationId" in one.payload]
    assert named == [17]
    assert updates(scene) == []
    assert scene.call("CancelReservation", reservationId=17).status == "Rejected"


@versions
def test_a_reservation_that_expires_is_told_of(version: str) -> None:
    """H04.FR.01, .02."""
    scene = a_scene(version)
    reserve(scene, 17, evseId=1, for_s=60)
    scene.run(for_s=61)
    assert scene.statuses() == ["Reserved", "Available"]
    assert updates(scene) == [(17, "Expired")]


@versions
def test_a_reservation_that_is_cancelled_is_not_told_of(version: str) -> None:
    """H02.FR.01: the CSMS knows."""
    scene = a_scene(version)
    reserve(scene, 17, evseId=1, for_s=60)
    assert scene.call("CancelReservation", reservationId=17).status == "Accepted"
    scene.run(for_s=120)
    assert scene.statuses() == ["Reserved", "Available"]
    assert updates(scene) == []


@versions
def test_an_unknown_reservation_cannot_be_cancelled(version: str) -> None:
    """H02.FR.02."""
    scene = a_scene(version)
    assert scene.call("CancelReservation", reservationId=5).status == "Rejected"


@versions
def test_a_fault_removes_the_reservation(version: str) -> None:
    """H01: Removed."""
    scene = a_scene(version)
    reserve(scene, 17, evseId=1)
    scene.tell(Failed(1, "GroundFailure"))
    assert updates(scene) == [(17, "Removed")]


@versions
def test_going_out_of_service_removes_the_reservation(version: str) -> None:
    scene = a_scene(version)
    reserve(scene, 17, evseId=1)
    scene.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1})
    assert scene.statuses() == ["Reserved", "Unavailable"]
    assert updates(scene) == [(17, "Removed")]


@pytest.mark.parametrize(("version", "kept"), [("ocpp2.0.1", True), ("ocpp2.1", False)])
def test_a_holder_without_a_cable_has_used_the_reservation_in_2_1(version: str, kept: bool) -> None:
    """2.1 H: NoTransaction; in 2.0.1, which has no such word, it goes on."""
    scene = a_scene(version, configuration={"ConnectionTimeOut": 30})
    reserve(scene, 17, evseId=1)
    scene.present_tag(TAG)
    scene.run(for_s=31)
    assert scene.statuses()[-1] == ("Reserved" if kept else "Available")
    assert updates(scene) == ([] if kept else [(17, "NoTransaction")])


@versions
def test_an_update_waits_for_the_link(version: str) -> None:
    """H04: told when the CSMS can be told."""
    scene = a_scene(version)
    reserve(scene, 17, evseId=1, for_s=60)
    scene.disconnect()
    scene.run(for_s=120)
    assert updates(scene) == []
    scene.connect()
    assert updates(scene) == [(17, "Expired")]


@versions
def test_a_reservation_outlives_a_reboot_and_expires_in_the_dark(version: str) -> None:
    scene = a_scene(version, connectors=2)
    reserve(scene, 17, evseId=1, for_s=600)
    reserve(scene, 18, tag=OTHER_TAG, evseId=2, for_s=60)
    kept = decode_kept(encode_kept(remember(scene.station)))
    again = Scene2(version=version, connectors=2, epoch_s=scene.epoch_s + 120)
    recall(again.station, kept, at_s=again.now_s)
    again.boot()
    assert again.statuses(1) == ["Reserved"]
    assert updates(again) == [(18, "Expired")]


@versions
def test_the_same_number_replaces_the_reservation(version: str) -> None:
    """H01.FR.02."""
    scene = a_scene(version, connectors=2)
    reserve(scene, 17, evseId=1)
    assert reserve(scene, 17, evseId=2).status == "Accepted"
    assert scene.statuses(1) == ["Reserved", "Available"]
    assert scene.statuses(2) == ["Reserved"]
    assert updates(scene) == []


@versions
def test_what_cannot_be_reserved_says_why(version: str) -> None:
    """H01.FR.11 to .15."""
    scene = a_scene(version, connectors=4)
    scene.charge(1)
    scene.tell(Failed(2, "GroundFailure"))
    scene.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 3})
    answers = [reserve(scene, n, evseId=n).status for n in (1, 2, 3, 4)]
    assert answers == ["Occupied", "Faulted", "Unavailable", "Accepted"]
    assert reserve(scene, 9, evseId=4).status == "Occupied"
    assert reserve(scene, 10, evseId=5).status == "Rejected"
    assert reserve(scene, 11, evseId=4, for_s=-1).status == "Rejected"


@versions
def test_nothing_is_reserved_where_reservations_are_off(version: str) -> None:
    """H01.FR.01: ReservationCtrlr.Enabled."""
    scene = a_scene(version, configuration={"ReservationCtrlr.Enabled": "false"})
    assert reserve(scene, evseId=1).status == "Rejected"


# ── groups ────────────────────────────────────────────────────────────────────────────────────────


@versions
def test_the_group_may_use_the_reservation(version: str) -> None:
    """H03.FR.07: groupIdToken; Authorize tells the group of a tag."""
    scene = a_scene(version)
    reserve(scene, 17, evseId=1, groupIdToken=GROUP)
    scene.on("Authorize", accepted(groupIdToken=GROUP))
    scene.plug_in()
    scene.present_tag(OTHER_TAG)
    named = [one["reservationId"] for one in scene.events() if "reservationId" in one.payload]
    assert named == [17]


@versions
def test_a_group_of_another_type_is_another_group(version: str) -> None:
    scene = a_scene(version)
    reserve(scene, 17, evseId=1, groupIdToken=GROUP)
    scene.on("Authorize", accepted(groupIdToken=id_token("FLEET", "Local")))
    scene.plug_in()
    scene.present_tag(OTHER_TAG)
    assert scene.events() == []


@versions
def test_a_refused_tag_of_the_group_does_not_charge(version: str) -> None:
    scene = a_scene(version)
    reserve(scene, 17, evseId=1, groupIdToken=GROUP)
    scene.on("Authorize", refused("Blocked", groupIdToken=GROUP))
    scene.plug_in()
    scene.present_tag(OTHER_TAG)
    assert scene.events() == []


@versions
def test_a_reservation_is_for_a_tag_of_its_type(version: str) -> None:
    """The same text as another type of token is another token."""
    scene = a_scene(version)
    moment = datetime.fromtimestamp(scene.wall_s + 60, UTC).isoformat()
    wish: Any = {"id": 1, "expiryDateTime": moment, "evseId": 1}
    scene.call("ReserveNow", idToken=id_token(TAG, "KeyCode"), **wish)
    scene.plug_in()
    scene.present_tag(TAG)
    assert scene.events() == []
    scene.present_tag(f"KeyCode:{TAG}")
    assert scene.events("Started")[0]["idToken"] == id_token(TAG, "KeyCode")


# ── any EVSE ──────────────────────────────────────────────────────────────────────────────────────


@versions
def test_a_reservation_without_an_evse_keeps_one_free(version: str) -> None:
    """H01.FR.18, NonEvseSpecific."""
    scene = a_scene(version, connectors=2)
    assert reserve(scene).status == "Accepted"
    assert (scene.statuses(1), scene.statuses(2)) == ([], [])
    scene.charge(1, tag=OTHER_TAG)
    assert scene.statuses(2) == ["Reserved"]


@versions
def test_without_non_evse_specific_there_has_to_be_an_evse(version: str) -> None:
    """H01.FR.17."""
    scene = a_scene(version, configuration={"ReserveConnectorZeroSupported": "false"})
    assert reserve(scene).status == "Rejected"


@versions
def test_a_connector_type_keeps_one_of_its_kind_free(version: str) -> None:
    """H01.FR.06: any EVSE with that connector."""
    scene = a_mixed_scene(version)
    assert reserve(scene, connectorType="cCCS2").status == "Accepted"
    assert [scene.statuses(n) for n in (1, 2, 3)] == [[], [], ["Reserved"]]
    assert reserve(scene, 2, tag=OTHER_TAG, connectorType="sType2").status == "Accepted"
    scene.charge(1, tag="04000001")
    assert scene.statuses(2) == ["Reserved"]


@versions
def test_a_reserved_type_is_used_at_that_type_alone(version: str) -> None:
    scene = a_mixed_scene(version)
    reserve(scene, 17, connectorType="cCCS2")
    scene.charge(1, tag=TAG)
    assert not any("reservationId" in one.payload for one in scene.events())
    assert scene.statuses(3) == ["Reserved"]
    scene.mark()
    scene.charge(3, tag=TAG)
    named = [one["reservationId"] for one in scene.events() if "reservationId" in one.payload]
    assert named == [17]


@versions
def test_no_more_of_a_type_are_reserved_than_there_are(version: str) -> None:
    scene = a_mixed_scene(version)
    assert reserve(scene, 1, connectorType="cCCS2").status == "Accepted"
    assert reserve(scene, 2, tag=OTHER_TAG, connectorType="cCCS2").status == "Occupied"
    assert reserve(scene, 3, tag=OTHER_TAG, evseId=3).status == "Occupied"
    assert reserve(scene, 4, tag=OTHER_TAG).status == "Accepted"


@versions
def test_a_type_that_no_evse_has_is_rejected(version: str) -> None:
    scene = a_mixed_scene(version)
    for more in ({"connectorType": "cCCS1"}, {"connectorType": "cCCS2", "evseId": 1}):
        answer = reserve(scene, **more)
        assert answer.status == "Rejected"
        assert answer.payload["statusInfo"]["reasonCode"] == "UnknownConnectorType"


@versions
def test_a_reserved_type_that_breaks_is_occupied_or_faulted(version: str) -> None:
    """H01.FR.13: of the EVSEs that have it."""
    scene = a_mixed_scene(version)
    scene.tell(Failed(3, "GroundFailure"))
    assert reserve(scene, connectorType="cCCS2").status == "Faulted"
    assert reserve(scene, connectorType="sType2").status == "Accepted"


def test_a_reservation_of_a_type_is_remembered_as_such() -> None:
    scene = a_mixed_scene("ocpp2.1")
    reserve(scene, 17, connectorType="cCCS2")
    kept = decode_kept(encode_kept(remember(scene.station)))
    assert kept.reservations[0].connector_type == "cCCS2"


@pytest.mark.parametrize("fixed", [True, False])
def test_the_type_of_an_outlet_is_that_of_its_cable(fixed: bool) -> None:
    scene = a_scene("ocpp2.0.1", fixed_cable=fixed)
    wanted, other = ("cType2", "sType2") if fixed else ("sType2", "cType2")
    assert reserve(scene, evseId=1, connectorType=other).status == "Rejected"
    assert reserve(scene, evseId=1, connectorType=wanted).status == "Accepted"
