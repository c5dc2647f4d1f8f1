"""The rule book on reservations: rows ReserveNow and CancelReservation of section 3, and the row
'reservation matching' of section 5.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from builders_station import OTHER_TAG, SILENCE, TAG, Error, Payload, Scene
from simfleet.errors import Refused
from simfleet.station.chance import Span
from simfleet.station.events import Failed, FaultCleared, StartRequested
from simfleet.station.spec import Habits

FAMILY = "FAMILY"
HOUR_S = 3600.0


def a_booted_scene(connectors: int = 1, **keys: str | int) -> Scene:
    scene = Scene(connectors=connectors, configuration=keys)
    scene.boot()
    scene.mark()
    return scene


def reserve(
    scene: Scene,
    connector: int = 1,
    *,
    number: int = 1,
    tag: str = TAG,
    parent: str | None = None,
    for_s: float = HOUR_S,
) -> str:
    expires = datetime.fromtimestamp(scene.wall_s + for_s, UTC).isoformat()
    group = {} if parent is None else {"parentIdTag": parent}
    return scene.call(
        "ReserveNow",
        reservationId=number,
        connectorId=connector,
        idTag=tag,
        expiryDate=expires,
        **group,
    ).status


def cancel(scene: Scene, number: int = 1) -> str:
    return scene.call("CancelReservation", reservationId=number).status


def info(status: str = "Accepted", parent: str | None = None) -> Payload:
    group = {} if parent is None else {"parentIdTag": parent}
    return {"idTagInfo": {"status": status, **group}}


# ── the answer to ReserveNow ────────────────────────────────────────────────────────────────────


def test_a_free_connector_is_reserved_and_says_so() -> None:
    """Section 3, ReserveNow: StatusNotification Reserved."""
    scene = a_booted_scene(connectors=2)
    assert reserve(scene, 2) == "Accepted"
    assert scene.statuses(2) == ["Reserved"]
    assert scene.statuses(1) == scene.statuses(0) == []


def test_the_answer_leaves_before_the_status() -> None:
    """Section 3, ReserveNow: an answer, then what follows from it."""
    scene = a_booted_scene()
    scene.station.receive(
        b'[2,"r",'
        b'"ReserveNow",{"connectorId":1,"expiryDate":"2027-01-01T00:00:00Z","idTag":"A",'
        b'"reservationId":7}]',
        at_s=scene.now_s,
    )
    first, second = scene.station.take_frames()
    assert first == b'[3,"r",{"status":"Accepted"}]'
    assert b'"Reserved"' in second


def test_a_faulted_connector_is_not_reserved() -> None:
    """Section 3, ReserveNow: Faulted."""
    scene = a_booted_scene()
    scene.tell(Failed())
    assert reserve(scene) == "Faulted"
    assert scene.statuses() == ["Faulted"]


def test_a_faulted_station_reserves_nothing() -> None:
    """Section 3, ReserveNow: Faulted."""
    scene = a_booted_scene()
    scene.tell(Failed(0))
    assert reserve(scene, 1) == reserve(scene, 0) == "Faulted"


@pytest.mark.parametrize("connector", [0, 1])
def test_a_connector_out_of_service_is_not_reserved(connector: int) -> None:
    """Section 3, ReserveNow: Unavailable."""
    scene = a_booted_scene()
    scene.call("ChangeAvailability", connectorId=1, type="Inoperative")
    assert reserve(scene, connector) == "Unavailable"


@pytest.mark.parametrize("connector", [0, 1])
def test_an_occupied_connector_is_not_reserved(connector: int) -> None:
    """Section 3, ReserveNow: Occupied, from the cable that goes in to the cable that comes out."""
    scene = a_booted_scene()
    scene.plug_in()
    assert reserve(scene, connector) == "Occupied"
    scene.present_tag()
    assert reserve(scene, connector) == "Occupied"
    scene.present_tag()
    assert scene.statuses()[-1] == "Finishing"
    assert reserve(scene, connector) == "Occupied"
    scene.unplug()
    assert reserve(scene, connector) == "Accepted"


def test_a_connector_whose_reader_has_just_taken_a_tag_is_occupied() -> None:
    """Section 3, ReserveNow: Occupied."""
    scene = a_booted_scene()
    scene.on("Authorize", SILENCE)
    scene.present_tag()
    assert reserve(scene, tag=OTHER_TAG) == "Occupied"


def test_a_connector_reserved_by_another_number_is_occupied() -> None:
    """Section 3, ReserveNow: Occupied (incl. reserved by another id)."""
    scene = a_booted_scene()
    reserve(scene, number=1)
    assert reserve(scene, number=2) == "Occupied"


def test_a_station_without_the_profile_rejects() -> None:
    """Section 3, ReserveNow: Rejected (unsupported)."""
    scene = a_booted_scene(SupportedFeatureProfiles="Core,SmartCharging")
    assert reserve(scene) == "Rejected"
    assert scene.sent() == []


def test_connector_0_is_rejected_where_it_is_not_supported() -> None:
    """Section 3, ReserveNow: connector 0 without ReserveConnectorZeroSupported."""
    scene = a_booted_scene(ReserveConnectorZeroSupported="false")
    assert reserve(scene, 0) == "Rejected"
    assert reserve(scene, 1) == "Accepted"


@pytest.mark.parametrize("connector", [-1, 2, 99])
def test_a_connector_that_does_not_exist_is_rejected(connector: int) -> None:
    """Section 3, ReserveNow: Rejected."""
    assert reserve(a_booted_scene(), connector) == "Rejected"


@pytest.mark.parametrize("for_s", [-1.0, 0.0])
def test_an_expiry_in_the_past_is_rejected(for_s: float) -> None:
    """Section 3, ReserveNow: expiry in the past."""
    scene = a_booted_scene()
    assert reserve(scene, for_s=for_s) == "Rejected"
    assert scene.sent() == []


def test_the_same_number_replaces_without_a_word_on_the_same_connector() -> None:
    """Section 3, ReserveNow: same reservationId replaces."""
    scene = a_booted_scene()
    reserve(scene, for_s=60)
    assert reserve(scene, tag=OTHER_TAG, for_s=600) == "Accepted"
    scene.run(for_s=300)
    assert scene.statuses() == ["Reserved"]
    scene.charge(tag=TAG)
    assert scene.sent("StartTransaction") == []
    scene.present_tag(OTHER_TAG)
    assert scene.sent("StartTransaction")[0]["reservationId"] == 1


def test_the_same_number_on_another_connector_frees_the_first() -> None:
    """Section 3, ReserveNow: same reservationId replaces."""
    scene = a_booted_scene(connectors=2)
    reserve(scene, 1)
    assert reserve(scene, 2) == "Accepted"
    assert scene.statuses(1) == ["Reserved", "Available"]
    assert scene.statuses(2) == ["Reserved"]


def test_a_replacement_that_cannot_be_had_leaves_what_was() -> None:
    """Section 3, ReserveNow: same reservationId replaces, if Accepted."""
    scene = a_booted_scene(connectors=2)
    reserve(scene, 1)
    scene.plug_in(2)
    assert reserve(scene, 2) == "Occupied"
    assert scene.statuses(1) == ["Reserved"]
    assert cancel(scene) == "Accepted"


# ── how it ends ─────────────────────────────────────────────────────────────────────────────────


def test_cancelling_makes_the_connector_available() -> None:
    """Section 3, CancelReservation: Accepted if held; StatusNotification Available."""
    scene = a_booted_scene()
    reserve(scene, number=5)
    assert cancel(scene, 4) == "Rejected"
    assert cancel(scene, 5) == "Accepted"
    assert cancel(scene, 5) == "Rejected"
    assert scene.statuses() == ["Reserved", "Available"]


def test_without_any_reservation_cancelling_is_rejected() -> None:
    """Section 3, CancelReservation: else Rejected."""
    scene = a_booted_scene()
    assert cancel(scene) == "Rejected"
    assert scene.sent() == []


def test_cancelling_is_not_supported_without_the_profile() -> None:
    """Section 2: known action, profile off."""
    scene = a_booted_scene(SupportedFeatureProfiles="Core")
    answer = scene.call("CancelReservation", reservationId=1)
    assert answer.error == "NotSupported" or answer.status == "Rejected"


def test_cancelling_while_the_holder_looks_for_the_cable_says_nothing() -> None:
    """Section 3, CancelReservation: StatusNotification Available only if Reserved."""
    scene = a_booted_scene()
    reserve(scene)
    scene.present_tag()
    scene.mark()
    assert cancel(scene) == "Accepted"
    assert scene.sent() == []
    scene.plug_in()
    assert "reservationId" not in scene.sent("StartTransaction")[0].payload


def test_expiry_makes_the_connector_available() -> None:
    """Section 3, ReserveNow: expiry -> Available, to the second."""
    scene = a_booted_scene()
    reserve(scene, for_s=100)
    scene.run(for_s=99.9)
    assert scene.statuses() == ["Reserved"]
    scene.run(for_s=0.2)
    assert scene.statuses() == ["Reserved", "Available"]
    assert cancel(scene) == "Rejected"


def test_expiry_follows_the_clock_when_the_csms_sets_it() -> None:
    """Section 3, ReserveNow: the expiry is a date of the CSMS's clock."""
    scene = a_booted_scene()
    reserve(scene, for_s=1000)
    scene.epoch_s += 900
    scene.call("TriggerMessage", requestedMessage="Heartbeat")
    scene.run(for_s=99)
    assert scene.statuses() == ["Reserved"]
    scene.run(for_s=2)
    assert scene.statuses() == ["Reserved", "Available"]


def test_a_start_uses_the_reservation_up_and_names_it() -> None:
    """Section 5: reservation consumed at start; section 3: StartTransaction carries its id."""
    scene = a_booted_scene()
    reserve(scene, number=42)
    scene.present_tag()
    scene.plug_in()
    assert scene.statuses() == ["Reserved", "Preparing", "Charging"]
    assert scene.sent("StartTransaction")[0]["reservationId"] == 42
    assert cancel(scene, 42) == "Rejected"
    scene.present_tag()
    scene.unplug()
    assert scene.statuses()[-1] == "Available"


def test_the_next_start_names_no_reservation() -> None:
    """Section 5: reservation consumed at start."""
    scene = a_booted_scene()
    reserve(scene)
    for _ in range(2):
        scene.charge()
        scene.present_tag()
        scene.unplug()
    _, second = scene.sent("StartTransaction")
    assert "reservationId" not in second.payload


def test_the_number_is_named_even_if_the_start_is_told_after_a_reboot() -> None:
    """Section 3, ReserveNow: StartTransaction carries reservationId."""
    scene = a_booted_scene()
    reserve(scene, number=42)
    scene.on("StartTransaction", SILENCE, {"transactionId": 5, "idTagInfo": {"status": "Accepted"}})
    scene.charge()
    scene.cycle_power()
    scene.run(for_s=60)
    assert [one["reservationId"] for one in scene.sent("StartTransaction")] == [42, 42]


def test_a_holder_without_a_cable_keeps_the_reservation() -> None:
    """Sections 3 and 5: consumed at start, not by the tag; ConnectionTimeOut -> Available, and
    Reserved again, as Preparing -> Reserved is not in the matrix.
    """
    scene = a_booted_scene(ConnectionTimeOut=30)
    reserve(scene)
    scene.present_tag()
    scene.run(for_s=31)
    assert scene.statuses() == ["Reserved", "Preparing", "Available", "Reserved"]
    scene.charge()
    assert scene.sent("StartTransaction")[0]["reservationId"] == 1


def test_a_fault_drops_the_reservation() -> None:
    """Section 5: fault/unavailable drops it."""
    scene = a_booted_scene()
    reserve(scene)
    scene.tell(Failed())
    scene.tell(FaultCleared())
    assert scene.statuses() == ["Reserved", "Faulted", "Available"]
    assert cancel(scene) == "Rejected"


def test_a_fault_of_the_station_drops_all_reservations() -> None:
    """Section 5: fault/unavailable drops it."""
    scene = a_booted_scene(connectors=2)
    reserve(scene, 1, number=1)
    reserve(scene, 0, number=2)
    scene.tell(Failed(0))
    assert scene.statuses(1)[-1] == scene.statuses(2)[-1] == "Available"
    assert cancel(scene, 1) == cancel(scene, 2) == "Rejected"


def test_going_out_of_service_drops_the_reservation() -> None:
    """Section 5: fault/unavailable drops it."""
    scene = a_booted_scene()
    reserve(scene)
    answer = scene.call("ChangeAvailability", connectorId=1, type="Inoperative")
    assert answer.status == "Accepted"
    scene.call("ChangeAvailability", connectorId=1, type="Operative")
    assert scene.statuses() == ["Reserved", "Unavailable", "Available"]
    assert cancel(scene) == "Rejected"


@pytest.mark.parametrize("reset", ["Soft", "Hard", "power"])
def test_a_reservation_survives_a_reboot(reset: str) -> None:
    """Section 3, ReserveNow: persist yes; section 5, power loss: persists reservations."""
    scene = a_booted_scene()
    reserve(scene, number=9)
    scene.mark()
    if reset == "power":
        scene.cycle_power(for_s=60)
    else:
        scene.call("Reset", type=reset)
        scene.run(for_s=60)
    assert scene.statuses() == ["Reserved"]
    scene.charge()
    assert scene.sent("StartTransaction")[0]["reservationId"] == 9


def test_what_was_cancelled_stays_cancelled_after_a_reboot() -> None:
    """Section 3, CancelReservation: persist yes (removal)."""
    scene = a_booted_scene()
    reserve(scene)
    cancel(scene)
    scene.cycle_power()
    scene.run(for_s=30)
    assert scene.statuses()[-1] == "Available"


def test_what_expired_in_the_dark_is_over_after_the_boot() -> None:
    """Section 3, ReserveNow: expiry -> Available."""
    scene = a_booted_scene()
    reserve(scene, for_s=100)
    scene.mark()
    scene.cycle_power(for_s=200)
    scene.run(for_s=30)
    assert scene.statuses() == ["Available"]


def test_an_expiry_offline_is_told_when_the_link_is_back() -> None:
    """Section 3, ReserveNow: expiry -> Available."""
    scene = a_booted_scene()
    reserve(scene, for_s=100)
    scene.disconnect()
    scene.run(for_s=200)
    scene.mark()
    scene.connect()
    assert scene.statuses() == ["Available"]


# ── who may use it ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cable_first", [True, False])
def test_another_tag_is_refused_without_a_start(cable_first: bool) -> None:
    """Section 5: the other tag gets refused without StartTransaction."""
    scene = a_booted_scene()
    reserve(scene)
    if cable_first:
        scene.plug_in()
    scene.present_tag(OTHER_TAG)
    if not cable_first:
        scene.plug_in()
    scene.run(for_s=600)
    assert scene.sent("Authorize", "StartTransaction") == []
    assert scene.statuses() == ["Reserved"]


def test_the_holder_is_authorized_like_anybody() -> None:
    """Section 5: own idTag; it has to be a good one nevertheless."""
    scene = a_booted_scene()
    scene.on("Authorize", info("Blocked"))
    reserve(scene)
    scene.charge()
    assert len(scene.sent("Authorize")) == 1
    assert scene.sent("StartTransaction") == []
    assert scene.statuses() == ["Reserved"]


def test_upper_and_lower_case_make_no_difference() -> None:
    """Section 3, ReserveNow: usable by idTag, a CiString."""
    scene = a_booted_scene()
    reserve(scene, tag=TAG.lower())
    scene.charge(tag=TAG.upper())
    assert scene.sent("StartTransaction")[0]["reservationId"] == 1


def test_a_tag_of_the_same_group_may_use_it_after_authorize_has_told_its_parent() -> None:
    """Section 3, ReserveNow: usable by parentIdTag (Authorize to learn the parent)."""
    scene = a_booted_scene()
    scene.on("Authorize", info(parent=FAMILY))
    reserve(scene, parent=FAMILY)
    scene.charge(tag=OTHER_TAG)
    assert len(scene.sent("Authorize")) == 1
    (start,) = scene.sent("StartTransaction")
    assert (start["idTag"], start["reservationId"]) == (OTHER_TAG, 1)


@pytest.mark.parametrize(
    "answer",
    [info(), info(parent="OTHERS"), info("Blocked", FAMILY), Error()],
    ids=["no group", "another group", "blocked", "CALLERROR"],
)
def test_a_tag_that_is_not_of_the_group_is_refused(answer: Payload) -> None:
    """Section 5: own idTag or same parent; the other tag gets refused without StartTransaction."""
    scene = a_booted_scene()
    scene.on("Authorize", answer)
    reserve(scene, parent=FAMILY)
    scene.charge(tag=OTHER_TAG)
    assert len(scene.sent("Authorize")) == 1
    assert scene.sent("StartTransaction") == []
    assert scene.statuses() == ["Reserved"]


def test_a_parent_that_the_local_list_knows_needs_no_authorize() -> None:
    """Section 3, ReserveNow: usable by parentIdTag; LocalPreAuthorize."""
    scene = a_booted_scene(LocalPreAuthorize="true")
    entry = {"idTag": OTHER_TAG, "idTagInfo": {"status": "Accepted", "parentIdTag": FAMILY}}
    scene.call("SendLocalList", listVersion=1, updateType="Full", localAuthorizationList=[entry])
    reserve(scene, parent=FAMILY)
    scene.charge(tag=OTHER_TAG)
    assert scene.sent("Authorize") == []
    assert scene.sent("StartTransaction")[0]["reservationId"] == 1


def test_offline_the_holder_follows_the_rules_for_being_offline_and_others_are_refused() -> None:
    """Section 5: reservation matching, and AllowOfflineTxForUnknownId."""
    scene = a_booted_scene(AllowOfflineTxForUnknownId="true")
    reserve(scene, parent=FAMILY)
    scene.disconnect()
    scene.charge(tag=OTHER_TAG)
    scene.present_tag(TAG)
    scene.connect()
    (start,) = scene.sent("StartTransaction")
    assert (start["idTag"], start["reservationId"]) == (TAG, 1)


def test_where_charging_is_free_another_tag_is_refused_all_the_same() -> None:
    """Section 5: the other tag gets refused."""
    scene = Scene(free_charging=True)
    scene.boot()
    reserve(scene, parent=FAMILY)
    scene.charge(tag=OTHER_TAG)
    assert scene.sent("StartTransaction") == []
    scene.present_tag(TAG)
    assert len(scene.sent("StartTransaction")) == 1


def test_a_strangers_cable_leaves_it_reserved_and_counts_when_the_reservation_is_over() -> None:
    """Sections 3 and 5: Reserved until the tag; Reserved -> Preparing is in the matrix."""
    scene = a_booted_scene()
    reserve(scene, for_s=60)
    scene.plug_in()
    assert scene.statuses() == ["Reserved"]
    scene.run(for_s=61)
    assert scene.statuses() == ["Reserved", "Preparing"]
    scene.present_tag(OTHER_TAG)
    assert scene.statuses()[-1] == "Charging"


def test_a_strangers_cable_may_come_out_again() -> None:
    """Section 5: Reserved until the tag."""
    scene = a_booted_scene()
    reserve(scene)
    scene.plug_in()
    scene.unplug()
    assert scene.statuses() == ["Reserved"]
    cancel(scene)
    assert scene.statuses() == ["Reserved", "Available"]


def test_a_tag_that_was_being_asked_about_is_refused_if_it_finds_the_connector_reserved() -> None:
    """Section 5: the other tag gets refused, whenever the answer comes."""
    scene = a_booted_scene(connectors=2)
    scene.on("Authorize", SILENCE)
    reserve(scene, 0)
    scene.present_tag(OTHER_TAG, 2)
    scene.plug_in(1)  # connector 2 is the last one free
    scene.reply(scene.sent("Authorize")[0], info())
    assert scene.statuses(2) == ["Reserved"]
    scene.plug_in(2)
    assert scene.sent("StartTransaction") == []


def test_a_driver_who_is_told_to_start_at_a_reserved_connector_is_refused_at_once() -> None:
    """Section 5: the other tag gets refused; the holder may come."""
    scene = a_booted_scene()
    reserve(scene)
    with pytest.raises(Refused):
        scene.tell(StartRequested(1, OTHER_TAG))
    scene.plug_in()
    scene.unplug()  # no cable was left behind
    scene.tell(StartRequested(1, TAG))
    assert scene.statuses() == ["Reserved", "Preparing", "Charging"]


# ── RemoteStartTransaction ──────────────────────────────────────────────────────────────────────


def remote_start(scene: Scene, tag: str, connector: int | None = 1) -> str:
    where = {} if connector is None else {"connectorId": connector}
    return scene.call("RemoteStartTransaction", idTag=tag, **where).status


def test_a_remote_start_for_another_tag_is_rejected() -> None:
    """Section 3, RemoteStartTransaction: Reserved for another tag."""
    scene = a_booted_scene()
    reserve(scene)
    assert remote_start(scene, OTHER_TAG) == "Rejected"
    assert remote_start(scene, OTHER_TAG, None) == "Rejected"
    assert scene.statuses() == ["Reserved"]


def test_a_remote_start_for_the_holder_uses_the_reservation() -> None:
    """Section 3, RemoteStartTransaction and ReserveNow."""
    scene = a_booted_scene()
    reserve(scene)
    assert remote_start(scene, TAG) == "Accepted"
    scene.plug_in()
    assert scene.sent("StartTransaction")[0]["reservationId"] == 1


def test_a_remote_start_without_connector_goes_where_the_tag_has_reserved() -> None:
    """Section 3, RemoteStartTransaction: no connectorId, the station picks."""
    scene = a_booted_scene(connectors=3)
    reserve(scene, 3)
    assert remote_start(scene, TAG, None) == "Accepted"
    assert scene.statuses(3) == ["Reserved", "Preparing"]
    assert remote_start(scene, OTHER_TAG, None) == "Accepted"
    assert scene.statuses(1) == ["Preparing"]


def test_a_remote_start_asks_for_the_parent_where_it_may_ask() -> None:
    """Section 3, RemoteStartTransaction: AuthorizeRemoteTxRequests true -> Authorize."""
    scene = a_booted_scene(AuthorizeRemoteTxRequests="true")
    scene.on("Authorize", info(parent="OTHERS"), info(parent=FAMILY))
    reserve(scene, parent=FAMILY)
    assert remote_start(scene, OTHER_TAG) == "Accepted"
    assert scene.statuses() == ["Reserved"]
    assert remote_start(scene, OTHER_TAG) == "Accepted"
    assert scene.statuses() == ["Reserved", "Preparing"]


# ── connector 0 ─────────────────────────────────────────────────────────────────────────────────


def test_connector_0_reserves_none_of_many_and_the_last_that_is_left() -> None:
    """Section 5: connector 0 reservation keeps >= 1 connector free."""
    scene = a_booted_scene(connectors=3)
    assert reserve(scene, 0) == "Accepted"
    assert scene.sent() == []
    scene.charge(1, tag=OTHER_TAG)
    scene.charge(2, tag=OTHER_TAG)
    assert scene.statuses(3) == ["Reserved"]
    scene.charge(3, tag=OTHER_TAG)
    assert len(scene.sent("StartTransaction")) == 2


def test_connector_0_of_a_station_with_one_connector_is_that_one() -> None:
    """Section 3, ReserveNow: StatusNotification Reserved; connector 0 itself never is."""
    scene = a_booted_scene()
    reserve(scene, 0)
    assert scene.statuses(1) == ["Reserved"]
    assert scene.statuses(0) == []


def test_a_connector_that_gets_free_lets_the_last_one_go() -> None:
    """Section 5: others may use all but the last free one."""
    scene = a_booted_scene(connectors=2)
    reserve(scene, 0)
    scene.plug_in(1)
    scene.unplug(1)
    assert scene.statuses(2) == ["Reserved", "Available"]
    assert scene.statuses(1) == ["Preparing", "Available"]


@pytest.mark.parametrize("connector", [1, 2])
def test_the_holder_of_connector_0_may_use_any_and_the_start_names_the_number(
    connector: int,
) -> None:
    """Section 3, ReserveNow: StartTransaction carries reservationId, also of connector 0."""
    scene = a_booted_scene(connectors=2)
    reserve(scene, 0, number=8)
    scene.charge(connector)
    (start,) = scene.sent("StartTransaction")
    assert (start["connectorId"], start["reservationId"]) == (connector, 8)
    other = 3 - connector
    assert scene.statuses(other)[-1:] in ([], ["Available"])
    assert cancel(scene, 8) == "Rejected"


def test_a_holder_who_has_a_connector_in_hand_needs_no_second() -> None:
    """Section 5: connector 0 keeps one free for the tag, not one more."""
    scene = a_booted_scene(connectors=2, ConnectionTimeOut=30)
    reserve(scene, 0)
    scene.present_tag(TAG, 1)
    assert scene.statuses(2) == []
    scene.charge(2, tag=OTHER_TAG)
    assert len(scene.sent("StartTransaction")) == 1
    scene.run(for_s=31)
    assert scene.statuses(1) == ["Preparing", "Available", "Reserved"]


def test_as_many_as_there_are_connectors_can_be_reserved_and_no_more() -> None:
    """Sections 3 and 5: Occupied when none is left to give."""
    scene = a_booted_scene(connectors=2)
    assert reserve(scene, 0, number=1) == "Accepted"
    assert reserve(scene, 0, number=2, tag=OTHER_TAG) == "Accepted"
    assert [scene.statuses(n) for n in (1, 2)] == [["Reserved"], ["Reserved"]]
    assert reserve(scene, 0, number=3) == reserve(scene, 1, number=3) == "Occupied"
    assert reserve(scene, 0, number=2, tag="THIRD") == "Accepted"


def test_one_connector_and_any_connector_can_be_reserved_side_by_side() -> None:
    """Section 5: the connector kept free is another one."""
    scene = a_booted_scene(connectors=2)
    reserve(scene, 0, number=1)
    assert reserve(scene, 2, number=2, tag=OTHER_TAG) == "Accepted"
    assert [scene.statuses(n) for n in (1, 2)] == [["Reserved"], ["Reserved"]]
    scene.charge(2, tag=TAG)
    assert scene.sent("StartTransaction") == []
    scene.charge(1, tag=TAG)
    assert scene.sent("StartTransaction")[0]["reservationId"] == 1


def test_a_holder_of_connector_0_cannot_ask_for_numbers_without_end() -> None:
    """Bounds: a station has at most as many reservations as connectors."""
    scene = a_booted_scene(connectors=2)
    reserve(scene, 0, number=1)
    scene.present_tag(TAG, 1)
    answers = {reserve(scene, 0, number=number) for number in range(2, 40)}
    assert "Occupied" in answers
    assert sum(cancel(scene, number) == "Accepted" for number in range(1, 40)) <= 2


def test_connector_0_is_dropped_only_when_no_connector_is_left() -> None:
    """Section 5: fault/unavailable drops it."""
    scene = a_booted_scene(connectors=2)
    reserve(scene, 0)
    scene.tell(Failed(1))
    assert scene.statuses(2) == ["Reserved"]
    scene.tell(Failed(2))
    assert cancel(scene) == "Rejected"


# ── statuses ────────────────────────────────────────────────────────────────────────────────────


def test_with_minimum_status_duration_no_impossible_change_is_shown() -> None:
    """Section 5, statuses 1.6: Preparing -> Reserved is illegal; MinimumStatusDuration."""
    scene = a_booted_scene(ConnectionTimeOut=30, MinimumStatusDuration=5)
    reserve(scene)
    scene.run(for_s=10)
    scene.present_tag()
    scene.run(for_s=100)
    assert scene.statuses() == ["Reserved", "Preparing", "Available", "Reserved"]


def test_an_autopilot_leaves_a_reserved_connector_and_comes_back_when_it_is_free() -> None:
    """Section 5: the other tag gets refused; drivers cope."""
    habits = Habits(Span(1, 1), Span(5, 5), Span(500, 500), Span(0.2, 0.2))
    scene = Scene(autopilot=True, habits=habits)
    scene.boot()
    assert reserve(scene, tag=OTHER_TAG, for_s=600) == "Accepted"
    scene.mark()
    scene.run(for_s=590)
    assert scene.sent("Authorize", "StartTransaction", "StatusNotification") == []
    scene.run(for_s=120)
    assert scene.statuses()[:3] == ["Available", "Preparing", "Charging"]


def test_an_autopilot_uses_its_own_reservation() -> None:
    """Section 5: own idTag."""
    habits = Habits(Span(1, 1), Span(5, 5), Span(500, 500), Span(0.2, 0.2))
    scene = Scene(autopilot=True, habits=habits)
    scene.boot()
    reserve(scene)
    scene.run(for_s=120)
    assert scene.sent("StartTransaction")[0]["reservationId"] == 1
