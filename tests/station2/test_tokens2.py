"""Blocks C and D of OCPP 2.0.1 part 2 as far as tags go: types, groups, cache, local list."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from builders_station2 import OTHER_TAG, TAG, Scene2, accepted, id_token, refused, versions
from simfleet.errors import Refused
from simfleet.station.memory import decode_kept, encode_kept, recall, remember
from simfleet.station.tokens import DEFAULT_TYPE, TOKEN_TYPES, tag_of, typed

TYPES_201 = (
    "eMAID",
    "ISO14443",
    "ISO15693",
    "KeyCode",
    "Local",
    "MacAddress",
)
CACHE = {"AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true"}
LIST = {"LocalPreAuthorize": "true"}
GROUP = id_token("FLEET", "Central")


def a_scene(version: str, *, connectors: int = 1, **options: Any) -> Scene2:
    scene = Scene2(version=version, connectors=connectors, **options)
    scene.boot()
    scene.mark()
    return scene


def moment(scene: Scene2, *, in_s: float) -> str:
    return datetime.fromtimestamp(scene.wall_s + in_s, UTC).isoformat()


def end(scene: Scene2, *, connector_id: int = 1, tag: str = TAG) -> None:
    scene.present_tag(tag, connector_id)
    scene.unplug(connector_id)


# ── types ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", sorted(TOKEN_TYPES | {"Vendor"}))
@pytest.mark.parametrize("text", ["04A1B2C3", "", "a:b", ":a", "::", "Local:x", "Vendor::x"])
def test_a_tag_keeps_its_type_and_its_text(kind: str, text: str) -> None:
    assert typed(tag_of(kind, text)) == (kind, text)


def test_a_plain_text_is_a_tag_of_the_default_type() -> None:
    assert typed("04A1B2C3") == (DEFAULT_TYPE, "04A1B2C3")
    assert typed("a:b") == (DEFAULT_TYPE, "a:b")


@versions
@pytest.mark.parametrize("kind", TYPES_201)
def test_a_tag_of_any_type_is_asked_about_and_told(version: str, kind: str) -> None:
    """C01, C04: Authorize and TransactionEvent name the type."""
    scene = a_scene(version)
    tag = "DE8ACC12E46L89" if kind == "eMAID" else "1234"
    scene.plug_in()
    scene.mark()
    scene.present_tag(tag_of(kind, tag))
    (asked,) = scene.sent("Authorize")
    assert asked["idToken"] == id_token(tag, kind)
    assert scene.events("Started")[0]["idToken"] == id_token(tag, kind)


@pytest.mark.parametrize("kind", ["DirectPayment", "EVCCID", "NEMA", "VIN", "Vendor"])
def test_2_1_has_more_types(kind: str) -> None:
    """IdToken.type is an open string there."""
    scene = a_scene("ocpp2.1")
    scene.plug_in()
    scene.present_tag(tag_of(kind, "1234"))
    assert scene.events("Started")[0]["idToken"] == id_token("1234", kind)


@pytest.mark.parametrize("kind", ["DirectPayment", "VIN", "Vendor"])
def test_2_0_1_cannot_read_them(kind: str) -> None:
    """No frame could carry it."""
    scene = a_scene("ocpp2.0.1")
    with pytest.raises(Refused, match=kind):
        scene.present_tag(tag_of(kind, "1234"))
    assert scene.sent() == []


@versions
def test_a_start_button_needs_no_authorization(version: str) -> None:
    """C02: type NoAuthorization with an empty text; no Authorize."""
    scene = a_scene(version)
    scene.plug_in()
    scene.mark()
    scene.present_tag("NoAuthorization:")
    assert scene.sent("Authorize") == []
    (started,) = scene.events("Started")
    assert started["idToken"] == id_token("", "NoAuthorization")
    scene.present_tag("NoAuthorization:")
    assert len(scene.events("Ended")) == 1


@versions
def test_a_start_button_works_offline(version: str) -> None:
    """C02: and so it does before the link is back."""
    scene = a_scene(version)
    scene.disconnect()
    scene.charge(tag="NoAuthorization:")
    scene.connect()
    assert scene.events("Started")[0]["offline"] is True


@versions
def test_where_authorization_is_off_nobody_is_asked(version: str) -> None:
    """AuthCtrlr.Enabled false."""
    scene = a_scene(version, configuration={"AuthCtrlr.Enabled": "false"})
    scene.charge()
    assert scene.sent("Authorize") == []
    assert len(scene.events("Started")) == 1


@versions
@pytest.mark.parametrize(
    "status",
    [
        "Blocked",
        "ConcurrentTx",
        "Expired",
        "Invalid",
        "NoCredit",
        "NotAllowedTypeEVSE",
        "NotAtThisLocation",
        "NotAtThisTime",
        "Unknown",
    ],
)
def test_no_other_answer_than_accepted_lets_a_tag_charge(version: str, status: str) -> None:
    """C01.FR.02."""
    scene = a_scene(version)
    scene.on("Authorize", refused(status))
    scene.charge()
    assert scene.events() == []


@versions
def test_a_tag_charges_only_where_it_may(version: str) -> None:
    """IdTokenInfo.evseId: valid at these EVSEs."""
    scene = a_scene(version, connectors=2)
    scene.on("Authorize", accepted(evseId=[2]))
    scene.charge(1)
    assert scene.events() == []
    scene.charge(2)
    assert scene.events("Started")[0]["evse"]["id"] == 2


# ── groups ────────────────────────────────────────────────────────────────────────────────────────


@versions
def test_another_tag_of_the_group_ends_the_transaction(version: str) -> None:
    """C09: same groupIdToken; the event names the tag that has ended it."""
    scene = a_scene(version)
    scene.on("Authorize", accepted(groupIdToken=GROUP))
    scene.charge()
    scene.present_tag(OTHER_TAG)
    (ended,) = scene.events("Ended")
    assert ended["idToken"] == id_token(OTHER_TAG)
    assert ended["triggerReason"] == "StopAuthorized"


@versions
@pytest.mark.parametrize("group", [None, id_token("OTHER", "Central"), id_token("FLEET", "Local")])
def test_a_tag_of_another_group_does_not(version: str, group: Any) -> None:
    """C09.FR.04."""
    scene = a_scene(version)
    scene.on("Authorize", accepted(groupIdToken=GROUP))
    scene.charge()
    scene.on("Authorize", accepted() if group is None else accepted(groupIdToken=group))
    scene.present_tag(OTHER_TAG)
    assert scene.events("Ended") == []


@versions
def test_the_same_tag_ends_it_without_a_question(version: str) -> None:
    """C01.FR.03."""
    scene = a_scene(version)
    scene.charge()
    scene.mark()
    scene.present_tag()
    assert scene.sent("Authorize") == []
    assert len(scene.events("Ended")) == 1


@versions
def test_the_group_of_a_cached_tag_is_known_offline(version: str) -> None:
    """C09 with C12: cache entries have their group."""
    scene = a_scene(version, configuration=CACHE)
    for action in ("Authorize", "TransactionEvent"):
        scene.on(action, accepted(groupIdToken=GROUP))
    scene.charge()
    end(scene)
    scene.charge(tag=OTHER_TAG)
    scene.disconnect()
    scene.mark()
    scene.present_tag(TAG)
    scene.connect()
    assert len(scene.events("Ended")) == 1


# ── cache ─────────────────────────────────────────────────────────────────────────────────────────


@versions
def test_a_cached_tag_starts_without_a_question(version: str) -> None:
    """C12.FR.02, LocalPreAuthorize."""
    scene = a_scene(version, configuration=CACHE)
    scene.charge()
    end(scene)
    scene.charge()
    assert len(scene.sent("Authorize")) == 1
    assert len(scene.events("Started")) == 2


@versions
def test_the_cache_is_asked_before_a_remote_start_is(version: str) -> None:
    scene = a_scene(version, configuration={**CACHE, "AuthorizeRemoteTxRequests": "true"})
    scene.charge()
    end(scene)
    scene.plug_in()
    scene.call("RequestStartTransaction", idToken=id_token(), remoteStartId=1, evseId=1)
    assert len(scene.sent("Authorize")) == 1
    assert len(scene.events("Started")) == 2


@versions
def test_an_entry_ends_at_cache_expiry_date_time(version: str) -> None:
    """C10.FR.05."""
    scene = a_scene(version, configuration=CACHE)
    limit = {"cacheExpiryDateTime": moment(scene, in_s=600)}
    scene.on("Authorize", accepted(**limit))
    scene.on("TransactionEvent", idTokenInfo={"status": "Accepted", **limit})
    scene.charge()
    end(scene)
    scene.run(for_s=300)
    scene.charge()
    end(scene)
    assert len(scene.sent("Authorize")) == 1
    scene.run(for_s=400)
    scene.charge()
    assert len(scene.sent("Authorize")) == 2


@versions
def test_an_entry_without_an_expiry_ends_with_its_life_time(version: str) -> None:
    """C10.FR.08, AuthCacheCtrlr.LifeTime."""
    scene = a_scene(version, configuration={**CACHE, "AuthCacheCtrlr.LifeTime": 600})
    scene.charge()
    end(scene)
    scene.run(for_s=700)
    scene.charge()
    assert len(scene.sent("Authorize")) == 2


@versions
def test_a_cached_refusal_is_asked_about_again(version: str) -> None:
    """C12.FR.05; not where AuthCacheCtrlr.DisablePostAuthorize says so (C12.FR.06)."""
    for final, asked in (("false", 2), ("true", 1)):
        keys = {**CACHE, "AuthCacheCtrlr.DisablePostAuthorize": final}
        scene = a_scene(version, configuration=keys)
        scene.on("Authorize", refused("Blocked"))
        scene.plug_in()
        scene.present_tag()
        scene.present_tag()
        assert len(scene.sent("Authorize")) == asked


@versions
def test_clear_cache_makes_the_next_swipe_a_question(version: str) -> None:
    """C11."""
    scene = a_scene(version, configuration=CACHE)
    scene.charge()
    end(scene)
    assert scene.call("ClearCache").status == "Accepted"
    scene.charge()
    assert len(scene.sent("Authorize")) == 2


@versions
def test_there_is_no_cache_to_clear_where_it_is_off(version: str) -> None:
    """C11.FR.04."""
    scene = a_scene(version, configuration={"AuthorizationCacheEnabled": "false"})
    assert scene.call("ClearCache").status == "Rejected"


@versions
def test_what_is_never_asked_about_is_not_cached(version: str) -> None:
    """C02, C05: a button is nobody's, and Central tokens are used once."""
    scene = a_scene(version, configuration=CACHE)
    scene.charge(tag="NoAuthorization:")
    scene.run(for_s=5)
    assert len(scene.station.tokens) == 0


@versions
def test_a_tag_good_at_some_evses_is_not_cached(version: str) -> None:
    """The cache knows no EVSEs."""
    scene = a_scene(version, configuration=CACHE)
    scene.on("Authorize", accepted(evseId=[1]))
    scene.on("TransactionEvent", idTokenInfo={"status": "Accepted", "evseId": [1]})
    scene.charge()
    end(scene)
    scene.charge()
    assert len(scene.sent("Authorize")) == 2


@versions
@pytest.mark.parametrize(("status", "starts"), [("Accepted", 1), ("Blocked", 0)])
def test_offline_the_cache_decides(version: str, status: str, starts: int) -> None:
    """C13, C14, LocalAuthorizeOffline."""
    scene = a_scene(version, configuration=CACHE)
    scene.on("Authorize", {"idTokenInfo": {"status": status}})
    scene.plug_in()
    scene.present_tag()
    if status == "Accepted":
        end(scene)
        scene.plug_in()
    scene.mark()
    scene.disconnect()
    scene.present_tag()
    scene.connect()
    assert len(scene.events("Started")) == starts


@versions
@pytest.mark.parametrize(("allowed", "starts"), [("true", 1), ("false", 0)])
def test_offline_an_unknown_tag_may_charge_if_that_is_allowed(
    version: str, allowed: str, starts: int
) -> None:
    """C15, AuthCtrlr.OfflineTxForUnknownIdEnabled."""
    scene = a_scene(version, configuration={"AllowOfflineTxForUnknownId": allowed})
    scene.disconnect()
    scene.charge()
    scene.connect()
    assert len(scene.events("Started")) == starts


# ── local list ────────────────────────────────────────────────────────────────────────────────────


def entry(tag: str = TAG, kind: str = "ISO14443", status: str = "Accepted", **more: Any) -> Any:
    return {"idToken": id_token(tag, kind), "idTokenInfo": {"status": status, **more}}


def removal(tag: str = TAG, kind: str = "ISO14443") -> Any:
    return {"idToken": id_token(tag, kind)}


def send(scene: Scene2, number: int, *entries: Any, kind: str = "Full") -> str:
    more: Any = {"localAuthorizationList": list(entries)} if entries else {}
    return scene.call("SendLocalList", versionNumber=number, updateType=kind, **more).status


def differ(scene: Scene2, number: int, *entries: Any) -> str:
    return send(scene, number, *entries, kind="Differential")


def version_of(scene: Scene2) -> int:
    return int(scene.call("GetLocalListVersion").payload["versionNumber"])


@versions
def test_an_empty_list_has_version_0(version: str) -> None:
    """D02.FR.02."""
    assert version_of(a_scene(version)) == 0


@versions
def test_a_list_that_is_off_has_version_0_and_takes_nothing(version: str) -> None:
    """D02.FR.03, D01: 2.x has no word NotSupported for it."""
    scene = a_scene(version, configuration={"LocalAuthListEnabled": "false"})
    assert version_of(scene) == 0
    assert send(scene, 1, entry()) == "Failed"


@versions
def test_a_full_list_replaces_the_one_before(version: str) -> None:
    """D01.FR.15: whatever version that had."""
    scene = a_scene(version, configuration=LIST)
    assert send(scene, 9, entry()) == "Accepted"
    assert send(scene, 5, entry(OTHER_TAG)) == "Accepted"
    assert version_of(scene) == 5
    scene.charge(tag=OTHER_TAG)
    assert scene.sent("Authorize") == []
    scene.mark()
    end(scene, tag=OTHER_TAG)
    scene.charge(tag=TAG)
    assert len(scene.sent("Authorize")) == 1


@versions
def test_a_full_update_without_a_list_clears_it(version: str) -> None:
    """D01.FR.04."""
    scene = a_scene(version)
    send(scene, 9, entry())
    assert send(scene, 10) == "Accepted"
    assert version_of(scene) == 0


@versions
def test_a_differential_update_adds_replaces_and_removes(version: str) -> None:
    """D01.FR.16, .17."""
    scene = a_scene(version, configuration=LIST)
    send(scene, 1, entry(TAG), entry(OTHER_TAG))
    assert differ(scene, 2, removal(TAG), entry(OTHER_TAG, status="Blocked")) == "Accepted"
    assert version_of(scene) == 2
    scene.plug_in()
    scene.mark()
    scene.present_tag()
    assert len(scene.sent("Authorize")) == 1


@versions
@pytest.mark.parametrize("number", [4, 5])
def test_a_differential_update_has_to_be_newer(version: str, number: int) -> None:
    """D01.FR.19: VersionMismatch, and nothing has changed."""
    scene = a_scene(version)
    send(scene, 5, entry())
    assert differ(scene, number, removal()) == "VersionMismatch"
    assert version_of(scene) == 5


@versions
def test_a_tag_named_twice_fails(version: str) -> None:
    """D01.FR.13; the same text of another type is another tag."""
    scene = a_scene(version)
    assert send(scene, 1, entry(), entry()) == "Failed"
    assert send(scene, 1, entry(), entry(kind="KeyCode")) == "Accepted"


@versions
def test_the_list_beats_the_cache(version: str) -> None:
    """C13.FR.01 and D01."""
    scene = a_scene(
        version, configuration={**CACHE, "LocalAuthListCtrlr.DisablePostAuthorize": "true"}
    )
    scene.charge()
    end(scene)
    send(scene, 1, entry(status="Blocked"))
    scene.mark()
    scene.charge()
    assert scene.events() == []
    assert scene.sent("Authorize") == []


@versions
def test_a_listed_tag_charges_only_where_it_may(version: str) -> None:
    """IdTokenInfo.evseId in the list; it is kept."""
    scene = a_scene(version, connectors=2, configuration=LIST)
    send(scene, 1, entry(evseId=[2]))
    kept = decode_kept(encode_kept(remember(scene.station)))
    again = a_scene(version, connectors=2, configuration=LIST)
    recall(again.station, kept, at_s=again.now_s)
    again.disconnect()
    again.mark()
    again.charge(1)
    again.charge(2)
    again.connect()
    assert [one["evse"]["id"] for one in again.events("Started")] == [2]


@versions
def test_a_list_survives_a_loss_of_power(version: str) -> None:
    """D01: persistent, types and groups with it."""
    scene = a_scene(version)
    send(scene, 7, entry("1234", "KeyCode", groupIdToken=GROUP))
    kept = decode_kept(encode_kept(remember(scene.station)))
    again = Scene2(version=version, configuration=LIST)
    recall(again.station, kept, at_s=again.now_s)
    again.boot()
    assert version_of(again) == 7
    again.charge(tag="KeyCode:1234")
    assert again.sent("Authorize") == []
    assert again.station.connectors[0].transaction.parent_id_tag == "Central:FLEET"  # type: ignore[union-attr]
