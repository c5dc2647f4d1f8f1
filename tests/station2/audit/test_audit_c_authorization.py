"""Blocks C and D of OCPP 2.x in sequences: tags, cache, local list, online and offline."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from builders_device import set_to, value
from builders_station2 import (
    OTHER_TAG,
    SILENCE,
    TAG,
    Error,
    Payload,
    Scene2,
    accepted,
    id_token,
    refused,
    versions,
)
from simfleet.errors import Refused

pytestmark = versions
CACHE = {"AuthorizationCacheEnabled": "true", "LocalPreAuthorize": "true"}


def scene_of(version: str, **configuration: str) -> Scene2:
    scene = Scene2(
        version=version,
        configuration={
            "MeterValueSampleInterval": "0",
            **{name.replace("__", "."): value for name, value in configuration.items()},
        },
    )
    scene.boot()
    scene.mark()
    return scene


def send_list(
    scene: Scene2, number: int, tags: dict[str, Payload | None], kind: str = "Full"
) -> str:
    entries: list[Payload] = [
        {"idToken": id_token(tag), **({} if info is None else {"idTokenInfo": info})}
        for tag, info in tags.items()
    ]
    content: Payload = {"localAuthorizationList": entries} if entries else {}
    return scene.call("SendLocalList", versionNumber=number, updateType=kind, **content).status


GOOD: Payload = {"status": "Accepted"}
BAD: Payload = {"status": "Blocked"}


def test_a_refused_tag_leaves_no_trace_but_the_question(version: str) -> None:
    """C01.FR.02, TC_C_02: Invalid: no transaction."""
    scene = scene_of(version)
    scene.on("Authorize", refused("Invalid"))
    scene.charge()
    scene.run(for_s=100)
    assert scene.actions() == ["StatusNotification", "Authorize"]


@pytest.mark.parametrize("answer", [SILENCE, Error()])
def test_a_question_without_an_answer_lets_nobody_charge(version: str, answer: Any) -> None:
    """C01: an unknown tag and no answer; the station works on."""
    scene = scene_of(version)
    scene.on("Authorize", answer)
    scene.charge()
    scene.run(for_s=200)
    assert not scene.events()
    scene.on("Authorize", accepted())
    scene.present_tag()
    assert scene.events("Started")


def test_the_answer_to_an_event_refreshes_the_cache(version: str) -> None:
    """C10.FR.05: idTokenInfo of TransactionEvent goes into the cache: the next swipe, offline, is
    refused.
    """
    scene = scene_of(version, **CACHE, StopTransactionOnInvalidId="true")
    scene.charge()
    scene.present_tag()
    scene.unplug()
    scene.on("TransactionEvent", lambda p: refused("Blocked") if "idToken" in p else {})
    scene.charge()
    assert scene.events()[-1]["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    scene.unplug()
    scene.disconnect()
    scene.mark()
    scene.charge()
    scene.connect()
    scene.run(for_s=10)
    assert not scene.events()


def test_a_cached_tag_that_is_refused_in_the_end_is_asked_about_next_time(version: str) -> None:
    """C10.FR.03, C12.FR.05: a cached entry that is not Accepted is asked about again."""
    scene = scene_of(version, **CACHE)
    scene.on("Authorize", refused("Blocked"))
    scene.charge()
    scene.on("Authorize", accepted())
    scene.mark()
    scene.present_tag()
    assert scene.actions()[0] == "Authorize"
    assert scene.events("Started")


def test_without_post_authorize_a_cached_refusal_is_final(version: str) -> None:
    """C12.FR.05: DisablePostAuthorize true: no Authorize for a tag that the cache refuses."""
    scene = scene_of(version, **CACHE)
    set_to(scene, "AuthCacheCtrlr.DisablePostAuthorize", "true")
    scene.on("Authorize", refused("Blocked"))
    scene.charge()
    scene.mark()
    scene.present_tag()
    assert scene.actions() == []


def test_a_cleared_cache_is_empty_offline_too(version: str) -> None:
    """C11, TC_C_37: ClearCache, then offline: the tag is unknown."""
    scene = scene_of(version, **CACHE, AllowOfflineTxForUnknownId="false")
    scene.charge()
    scene.present_tag()
    scene.unplug()
    assert value(scene, "AuthCacheCtrlr.Storage") != "0"
    assert scene.call("ClearCache").status == "Accepted"
    assert value(scene, "AuthCacheCtrlr.Storage") == "0"
    scene.disconnect()
    scene.mark()
    scene.charge()
    scene.connect()
    assert not scene.events()


def test_the_local_list_beats_the_cache_both_ways(version: str) -> None:
    """C13.FR.01, C14: a tag Blocked in the list is not taken for its entry in the cache; one that
    is Accepted in the list charges offline though the cache says no.
    """
    scene = scene_of(version, **CACHE, LocalAuthListEnabled="true", LocalAuthorizeOffline="true")
    scene.charge()
    scene.present_tag()
    scene.unplug()
    assert send_list(scene, 1, {TAG: BAD, OTHER_TAG: GOOD}) == "Accepted"
    scene.disconnect()
    scene.mark()
    scene.charge()
    scene.present_tag(OTHER_TAG)
    scene.connect()
    scene.run(for_s=5)
    assert [one["idToken"]["idToken"] for one in scene.events("Started")] == [OTHER_TAG]
    assert scene.events("Started")[0]["offline"] is True


def test_a_tag_blocked_in_the_list_is_asked_about_online(version: str) -> None:
    """C14.FR.03: not Accepted in the list: Authorize, unless DisablePostAuthorize."""
    scene = scene_of(version, LocalAuthListEnabled="true", LocalPreAuthorize="true")
    send_list(scene, 1, {TAG: BAD})
    scene.charge()
    assert "Authorize" in scene.actions()
    assert scene.events("Started")


def test_without_local_pre_authorize_the_list_is_for_offline_alone(version: str) -> None:
    """C14.FR.02, section 5: online, LocalPreAuthorize false: Authorize."""
    scene = scene_of(version, LocalAuthListEnabled="true", LocalPreAuthorize="false")
    send_list(scene, 1, {TAG: GOOD})
    scene.charge()
    assert "Authorize" in scene.actions()


def test_no_local_authorization_offline_where_it_is_switched_off(version: str) -> None:
    """C13.FR.02: LocalAuthorizeOffline false: neither list nor cache."""
    scene = scene_of(
        version,
        LocalAuthListEnabled="true",
        LocalAuthorizeOffline="false",
        AllowOfflineTxForUnknownId="false",
    )
    send_list(scene, 1, {TAG: GOOD})
    scene.disconnect()
    scene.charge()
    scene.connect()
    assert not scene.events()


def test_an_expired_entry_of_the_list_is_good_for_nothing_offline(version: str) -> None:
    """Section 5: expired entries never."""
    scene = scene_of(version, LocalAuthListEnabled="true", AllowOfflineTxForUnknownId="false")
    send_list(scene, 1, {TAG: {**GOOD, "cacheExpiryDateTime": "2026-03-01T12:10:00Z"}})
    scene.run(for_s=700)
    scene.disconnect()
    scene.charge()
    scene.connect()
    assert not scene.events()


def test_an_unknown_tag_offline_is_told_and_ended_when_it_turns_out_invalid(version: str) -> None:
    """C15.FR.04, TC_C_33/E_20: OfflineTxForUnknownIdEnabled, then Invalid with StopTxOnInvalidId:
    Ended with DeAuthorized after reconnect; the first events are offline.
    """
    scene = scene_of(version, AllowOfflineTxForUnknownId="true", StopTransactionOnInvalidId="true")
    scene.disconnect()
    scene.charge()
    scene.on("TransactionEvent", lambda p: refused() if "idToken" in p else {})
    scene.run(for_s=30)
    scene.connect()
    scene.run(for_s=5)
    events = scene.events()
    assert events[0]["offline"] is True
    assert events[-1]["triggerReason"] == "Deauthorized"
    assert events[-1]["transactionInfo"]["stoppedReason"] == "DeAuthorized"
    assert events[-1].payload.get("offline", False) is False


def test_an_unknown_tag_offline_may_go_on_up_to_an_amount_of_energy(version: str) -> None:
    """C15.FR.05 to .07, E16: StopTxOnInvalidId false and MaxEnergyOnInvalidId: energy up to it and
    then SuspendedEVSE; the transaction stays.
    """
    scene = scene_of(
        version,
        AllowOfflineTxForUnknownId="true",
        StopTransactionOnInvalidId="false",
        MaxEnergyOnInvalidId="1000",
    )
    scene.disconnect()
    scene.charge()
    scene.on("TransactionEvent", lambda p: refused() if "idToken" in p else {})
    scene.connect()
    scene.run(for_s=7200)
    assert not scene.events("Ended")
    assert scene.events()[-1]["transactionInfo"]["chargingState"] == "SuspendedEVSE"
    scene.present_tag()
    last = scene.events()[-1]["meterValue"]
    energy = [
        float(sample["value"])
        for at in last
        for sample in at["sampledValue"]
        if sample.get("measurand", "Energy.Active.Import.Register")
        == "Energy.Active.Import.Register"
    ]
    assert energy[-1] - energy[0] == pytest.approx(1000, abs=2)


def test_a_group_starts_and_ends_online_and_offline(version: str) -> None:
    """C09.FR.03 to .07, TC_C_39: another tag of the group ends, though offline if it is known."""
    scene = scene_of(version, LocalAuthListEnabled="true")
    group = {**GOOD, "groupIdToken": id_token("FLEET", "Central")}
    send_list(scene, 1, {TAG: group, OTHER_TAG: group})
    scene.on("Authorize", {"idTokenInfo": group})
    scene.on("TransactionEvent", lambda p: {"idTokenInfo": group} if "idToken" in p else {})
    scene.charge()
    scene.disconnect()
    scene.present_tag(OTHER_TAG)
    scene.run(for_s=10)
    scene.connect()
    ended = scene.events("Ended")[-1]
    assert ended["idToken"] == id_token(OTHER_TAG)
    assert ended["offline"] is True
    assert ended["transactionInfo"].get("stoppedReason", "Local") == "Local"


def test_a_stranger_offline_ends_nothing(version: str) -> None:
    """C09, E07: another tag, of no group."""
    scene = scene_of(version, AllowOfflineTxForUnknownId="true")
    scene.charge()
    scene.disconnect()
    scene.present_tag(OTHER_TAG)
    scene.connect()
    scene.run(for_s=5)
    assert not scene.events("Ended")


def test_a_list_is_updated_twice_and_holds_what_was_said_last(version: str) -> None:
    """D01.FR.04 to .18, TC_D_01 to D_09: Full, Differential, mismatch, empty."""
    scene = scene_of(version, LocalAuthListEnabled="true")
    assert send_list(scene, 5, {TAG: GOOD}) == "Accepted"
    assert send_list(scene, 5, {OTHER_TAG: GOOD}, "Differential") == "VersionMismatch"
    assert send_list(scene, 4, {OTHER_TAG: GOOD}, "Differential") == "VersionMismatch"
    assert scene.call("GetLocalListVersion").payload["versionNumber"] == 5
    assert send_list(scene, 6, {OTHER_TAG: GOOD, TAG: None}, "Differential") == "Accepted"
    assert scene.call("GetLocalListVersion").payload["versionNumber"] == 6
    assert value(scene, "LocalAuthListCtrlr.Entries") == "1"
    assert send_list(scene, 3, {TAG: GOOD}) == "Accepted"
    assert scene.call("GetLocalListVersion").payload["versionNumber"] == 3
    assert send_list(scene, 9, {}) == "Accepted"
    assert value(scene, "LocalAuthListCtrlr.Entries") == "0"
    assert scene.call("GetLocalListVersion").payload["versionNumber"] == 0


def test_a_failed_update_leaves_list_and_version(version: str) -> None:
    """D01.FR.07: Failed changes nothing."""
    scene = scene_of(version, LocalAuthListEnabled="true")
    send_list(scene, 5, {TAG: GOOD})
    double = {"idToken": id_token(OTHER_TAG), "idTokenInfo": GOOD}
    answer = scene.call(
        "SendLocalList",
        versionNumber=6,
        updateType="Full",
        localAuthorizationList=[double, double],
    )
    assert answer.status == "Failed"
    assert scene.call("GetLocalListVersion").payload["versionNumber"] == 5
    assert value(scene, "LocalAuthListCtrlr.Entries") == "1"


def test_a_master_pass_ends_every_transaction_of_its_evse_and_starts_none(version: str) -> None:
    """C16, TC_C_47, TC_C_49."""
    scene = scene_of(version, AuthCtrlr__MasterPassGroupId="MASTER")
    master = {**GOOD, "groupIdToken": id_token("MASTER", "Central")}
    scene.charge()
    scene.on("Authorize", {"idTokenInfo": master})
    scene.present_tag(OTHER_TAG)
    ended = scene.events("Ended")[-1]
    assert ended["transactionInfo"]["stoppedReason"] == "MasterPass"
    assert ended["triggerReason"] == "StopAuthorized"
    scene.mark()
    scene.present_tag(OTHER_TAG)
    assert not scene.events()


def test_a_tag_shown_twice_fast_is_asked_about_once_or_ends_what_it_began(version: str) -> None:
    """C01: the second swipe while the question is open makes no second transaction."""
    scene = scene_of(version)
    scene.on("Authorize", SILENCE)
    scene.plug_in()
    scene.present_tag()
    asked = scene.sent("Authorize")[0]
    with contextlib.suppress(Refused):
        scene.present_tag()
    scene.reply(asked, accepted())
    scene.run(for_s=100)
    assert len(scene.events("Started")) <= 1


def test_a_cable_that_goes_while_the_question_is_open_starts_nothing(version: str) -> None:
    """C01, E03: accepted late, with no cable: nothing runs after EVConnectionTimeOut."""
    scene = scene_of(version, ConnectionTimeOut="60")
    scene.on("Authorize", SILENCE)
    scene.charge()
    asked = scene.sent("Authorize")[0]
    scene.unplug()
    scene.reply(asked, accepted())
    scene.run(for_s=100)
    assert not scene.events()
    assert scene.statuses()[-1] == "Available"
