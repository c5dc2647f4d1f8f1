"""The rule book on tags: rows LocalPreAuthorize / LocalAuthorizeOffline and
StopTransactionOnInvalidId of section 5, and rows ClearCache and RemoteStartTransaction of section
3, as far as tags go.
"""

from __future__ import annotations

import pytest

from builders_station import OTHER_TAG, TAG, Payload, Scene

FAMILY = "FAMILY"
BAD = ["Blocked", "Expired", "Invalid"]
PAST = "2026-03-01T11:59:00Z"


def info(status: str = "Accepted", **more: str) -> Payload:
    return {"status": status, **more}


def asked(status: str = "Accepted", **more: str) -> Payload:
    return {"idTagInfo": info(status, **more)}


def a_booted_scene(**keys: str | int) -> Scene:
    scene = Scene(configuration=keys)
    scene.boot()
    scene.mark()
    return scene


def a_scene_that_lists(
    status: str, *, more: dict[str, str] | None = None, **keys: str | int
) -> Scene:
    """The local list says this of the tag; the CSMS, asked, says Accepted."""
    scene = a_booted_scene(**keys)
    list_tag(scene, info(status, **(more or {})))
    return scene


def list_tag(scene: Scene, tag_info: Payload, version: int = 1) -> None:
    answer = scene.call(
        "SendLocalList",
        listVersion=version,
        updateType="Full",
        localAuthorizationList=[{"idTag": TAG, "idTagInfo": tag_info}],
    )
    assert answer.status == "Accepted"


def cache(scene: Scene, tag_info: Payload) -> None:
    """Let the CSMS say this of the tag once; the cache remembers."""
    scene.on("Authorize", {"idTagInfo": tag_info})
    scene.on("StartTransaction", {"transactionId": 1, "idTagInfo": tag_info})
    scene.charge()
    scene.unplug()
    scene.on("Authorize")
    scene.on("StartTransaction")
    scene.mark()


def charged_offline(scene: Scene, tag: str = TAG) -> bool:
    scene.disconnect()
    scene.charge(tag=tag)
    scene.connect()
    return bool(scene.sent("StartTransaction"))


# ── online: LocalPreAuthorize ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("allowed", "asks"), [("true", 0), ("false", 1)])
def test_a_listed_tag_online_skips_authorize_only_with_local_pre_authorize(
    allowed: str, asks: int
) -> None:
    """Section 5: online, a list hit may skip Authorize only when LocalPreAuthorize."""
    scene = a_scene_that_lists("Accepted", LocalPreAuthorize=allowed)
    scene.charge()
    assert len(scene.sent("Authorize")) == asks
    assert len(scene.sent("StartTransaction")) == 1


@pytest.mark.parametrize("status", BAD)
def test_a_tag_listed_as_bad_is_asked_about_online(status: str) -> None:
    """Section 5: Blocked entries never skip Authorize."""
    scene = a_scene_that_lists(status, LocalPreAuthorize="true")
    scene.charge()
    assert len(scene.sent("Authorize")) == 1


def test_a_listed_tag_that_has_expired_is_asked_about_online() -> None:
    """Section 5: expired entries never skip Authorize."""
    scene = a_scene_that_lists("Accepted", more={"expiryDate": PAST}, LocalPreAuthorize="true")
    scene.charge()
    assert len(scene.sent("Authorize")) == 1


def test_upper_and_lower_case_are_the_same_tag() -> None:
    """An idTag is a CiString: list, cache and the same tag for the stop."""
    scene = a_booted_scene(LocalPreAuthorize="true", AuthorizationCacheEnabled="true")
    scene.charge(tag="abcd")
    scene.present_tag("ABCD")
    scene.unplug()
    assert len(scene.sent("StopTransaction")) == 1
    scene.charge(tag="AbCd")
    assert len(scene.sent("Authorize")) == 1


@pytest.mark.parametrize("listed", ["Blocked", "Expired"])
def test_the_list_beats_the_cache_online(listed: str) -> None:
    """Section 5: list beats cache."""
    scene = a_booted_scene(LocalPreAuthorize="true", AuthorizationCacheEnabled="true")
    cache(scene, info())
    list_tag(scene, info(listed))
    scene.charge()
    assert len(scene.sent("Authorize")) == 1


def test_a_list_that_is_disabled_is_not_used() -> None:
    """Section 5: LocalAuthListEnabled."""
    scene = a_scene_that_lists("Accepted", LocalPreAuthorize="true")
    scene.call("ChangeConfiguration", key="LocalAuthListEnabled", value="false")
    scene.charge()
    assert len(scene.sent("Authorize")) == 1


# ── offline ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("allowed", "starts"), [("true", True), ("false", False)])
def test_a_listed_tag_offline_follows_local_authorize_offline(allowed: str, starts: bool) -> None:
    """Section 5: offline, list."""
    scene = a_scene_that_lists("Accepted", LocalAuthorizeOffline=allowed)
    assert charged_offline(scene) is starts


@pytest.mark.parametrize("status", BAD)
def test_a_tag_listed_as_bad_never_charges_offline(status: str) -> None:
    """Section 5: Blocked entries never, whatever AllowOfflineTxForUnknownId says."""
    scene = a_scene_that_lists(status, AllowOfflineTxForUnknownId="true")
    assert not charged_offline(scene)


def test_a_listed_tag_that_has_expired_never_charges_offline() -> None:
    """Section 5: expired entries never."""
    scene = a_scene_that_lists(
        "Accepted", more={"expiryDate": PAST}, AllowOfflineTxForUnknownId="true"
    )
    assert not charged_offline(scene)


@pytest.mark.parametrize(
    ("listed", "cached", "starts"),
    [("Accepted", "Blocked", True), ("Blocked", "Accepted", False)],
)
def test_the_list_beats_the_cache_offline(listed: str, cached: str, starts: bool) -> None:
    """Section 5: offline list, then cache."""
    scene = a_booted_scene(AuthorizationCacheEnabled="true")
    cache(scene, info(cached))
    list_tag(scene, info(listed))
    assert charged_offline(scene) is starts


def test_the_cache_speaks_for_tags_that_the_list_does_not_name() -> None:
    """Section 5: offline list, then cache."""
    scene = a_booted_scene(AuthorizationCacheEnabled="true")
    cache(scene, info())
    scene.call(
        "SendLocalList",
        listVersion=1,
        updateType="Full",
        localAuthorizationList=[{"idTag": OTHER_TAG, "idTagInfo": info()}],
    )
    assert charged_offline(scene, TAG)


@pytest.mark.parametrize(("allowed", "starts"), [("true", True), ("false", False)])
def test_a_tag_that_neither_knows_follows_allow_offline_tx_for_unknown_id(
    allowed: str, starts: bool
) -> None:
    """Section 5: then AllowOfflineTxForUnknownId."""
    scene = a_scene_that_lists("Accepted", AllowOfflineTxForUnknownId=allowed)
    assert charged_offline(scene, OTHER_TAG) is starts


def test_a_listed_tag_of_the_same_group_stops_offline() -> None:
    """Section 5: another tag, parentIdTag compared."""
    scene = a_scene_that_lists("Accepted", more={"parentIdTag": FAMILY})
    scene.on("Authorize", asked(parentIdTag=FAMILY))
    scene.charge(tag=OTHER_TAG)
    scene.disconnect()
    scene.present_tag(TAG)
    scene.connect()
    (stop,) = scene.sent("StopTransaction")
    assert (stop["idTag"], stop["reason"]) == (TAG, "Local")


# ── what the cache learns ───────────────────────────────────────────────────────────────────────


def test_authorize_start_and_stop_answers_update_the_cache() -> None:
    """Section 5: cache updated by Authorize/Start/Stop .conf."""
    for action in ("Authorize", "StartTransaction", "StopTransaction"):
        scene = a_booted_scene(AuthorizationCacheEnabled="true", LocalPreAuthorize="true")
        bad = asked("Blocked")
        scene.on(action, {"transactionId": 1, **bad} if action == "StartTransaction" else bad)
        scene.charge()
        if scene.station.connectors[0].transaction is not None:
            scene.present_tag()
        scene.unplug()
        known = dict(scene.station.tokens.known())
        assert [one.status for one in known.values()] == ["Blocked"], action


def test_a_tag_that_the_list_names_is_not_cached() -> None:
    """Section 5: list beats cache; StartTransaction.conf updates the cache only for tags that are
    not in the list.
    """
    scene = a_scene_that_lists("Accepted", AuthorizationCacheEnabled="true")
    scene.charge()
    assert len(scene.station.tokens) == 0
    scene.unplug()
    scene.charge(tag=OTHER_TAG)
    assert len(scene.station.tokens) == 1


def test_concurrent_tx_does_not_spoil_what_the_cache_knows() -> None:
    """Section 5: ConcurrentTx is about the transaction, not about the tag."""
    scene = a_booted_scene(AuthorizationCacheEnabled="true")
    cache(scene, info())
    scene.on("StartTransaction", {"transactionId": 3, **asked("ConcurrentTx")})
    scene.charge()
    assert scene.sent("StopTransaction")[0]["reason"] == "DeAuthorized"
    scene.unplug()
    scene.mark()
    scene.on("StartTransaction")
    assert charged_offline(scene)


def test_after_clear_cache_the_next_swipe_sends_authorize() -> None:
    """Section 3, ClearCache: next swipe sends Authorize; the local list stays."""
    scene = a_booted_scene(AuthorizationCacheEnabled="true", LocalPreAuthorize="true")
    cache(scene, info())
    assert scene.call("ClearCache").status == "Accepted"
    scene.charge()
    assert len(scene.sent("Authorize")) == 1
    scene.unplug()
    list_tag(scene, info())
    scene.call("ClearCache")
    scene.mark()
    scene.charge()
    assert scene.sent("Authorize") == []


@pytest.mark.parametrize("reboot", ["reset", "power"])
def test_a_cleared_cache_is_clear_after_a_reboot_and_a_full_one_is_full(reboot: str) -> None:
    """Section 3, ClearCache: persist yes; section 5, power loss: persists the cache."""
    for cleared in (False, True):
        scene = a_booted_scene(AuthorizationCacheEnabled="true", LocalPreAuthorize="true")
        cache(scene, info())
        if cleared:
            scene.call("ClearCache")
        if reboot == "power":
            scene.cycle_power()
        else:
            scene.call("Reset", type="Hard")
        scene.run(for_s=30)
        scene.mark()
        scene.charge()
        assert len(scene.sent("Authorize")) == int(cleared)


# ── RemoteStartTransaction ──────────────────────────────────────────────────────────────────────


def remote_start(scene: Scene) -> str:
    return scene.call("RemoteStartTransaction", idTag=TAG, connectorId=1).status


@pytest.mark.parametrize(("trusted", "asks"), [("true", 0), ("false", 1)])
def test_a_remote_start_that_must_be_authorized_may_rely_on_the_list(
    trusted: str, asks: int
) -> None:
    """Section 3, RemoteStartTransaction: Authorize (cache/list allowed)."""
    scene = a_scene_that_lists(
        "Accepted", AuthorizeRemoteTxRequests="true", LocalPreAuthorize=trusted
    )
    scene.plug_in()
    assert remote_start(scene) == "Accepted"
    assert len(scene.sent("Authorize")) == asks
    assert len(scene.sent("StartTransaction")) == 1


def test_a_remote_start_that_must_be_authorized_may_rely_on_the_cache() -> None:
    """Section 3, RemoteStartTransaction: Authorize (cache/list allowed)."""
    scene = a_booted_scene(
        AuthorizationCacheEnabled="true",
        AuthorizeRemoteTxRequests="true",
        LocalPreAuthorize="true",
    )
    cache(scene, info())
    scene.plug_in()
    assert remote_start(scene) == "Accepted"
    assert scene.sent("Authorize") == []
    assert len(scene.sent("StartTransaction")) == 1


def test_a_remote_start_for_a_blocked_tag_is_asked_about_and_starts_nothing() -> None:
    """Section 3, RemoteStartTransaction: AuthorizeRemoteTxRequests true -> Authorize."""
    scene = a_scene_that_lists(
        "Blocked", AuthorizeRemoteTxRequests="true", LocalPreAuthorize="true"
    )
    scene.on("Authorize", asked("Blocked"))
    scene.plug_in()
    assert remote_start(scene) == "Accepted"
    assert len(scene.sent("Authorize")) == 1
    assert scene.sent("StartTransaction") == []


def test_a_remote_start_without_authorization_asks_nobody() -> None:
    """Section 3, RemoteStartTransaction: AuthorizeRemoteTxRequests false."""
    scene = a_scene_that_lists("Blocked", AuthorizeRemoteTxRequests="false")
    scene.plug_in()
    assert remote_start(scene) == "Accepted"
    assert scene.sent("Authorize") == []
    assert len(scene.sent("StartTransaction")) == 1


# ── StopTransactionOnInvalidId ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [*BAD, "ConcurrentTx"])
def test_an_answer_that_is_not_accepted_stops_with_de_authorized(status: str) -> None:
    """Section 5, StopTransactionOnInvalidId: true -> StopTransaction DeAuthorized."""
    scene = a_booted_scene(StopTransactionOnInvalidId="true")
    scene.on("StartTransaction", {"transactionId": 4, **asked(status)})
    scene.charge()
    assert scene.sent("StopTransaction")[0]["reason"] == "DeAuthorized"
    assert "idTag" not in scene.sent("StopTransaction")[0].payload


@pytest.mark.parametrize("status", [*BAD, "ConcurrentTx"])
def test_where_it_goes_on_the_station_withholds_after_max_energy(status: str) -> None:
    """Section 5, StopTransactionOnInvalidId: false -> keep transaction, deliver at most
    MaxEnergyOnInvalidId Wh then suspend.
    """
    scene = a_booted_scene(StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="300")
    scene.on("StartTransaction", {"transactionId": 4, **asked(status)})
    scene.charge()
    scene.run(for_s=7200)
    assert scene.statuses() == ["Preparing", "Charging", "SuspendedEVSE"]
    scene.present_tag()
    assert 299 <= scene.sent("StopTransaction")[0]["meterStop"] <= 300


def test_without_max_energy_it_is_suspended_at_once() -> None:
    """Section 5, StopTransactionOnInvalidId: false -> SuspendedEVSE."""
    scene = a_booted_scene(StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="0")
    scene.on("StartTransaction", {"transactionId": 4, **asked("Invalid")})
    scene.charge()
    scene.run(for_s=600)
    assert scene.statuses() == ["Preparing", "Charging", "SuspendedEVSE"]


# ── the cable ───────────────────────────────────────────────────────────────────────────────────


def a_scene_with_a_held_cable(**keys: str) -> Scene:
    """The vehicle's end came out while charging, and the station does not let go of its own."""
    scene = a_booted_scene(
        UnlockConnectorOnEVSideDisconnect="false",
        **{"StopTransactionOnEVSideDisconnect": "true"} | keys,
    )
    scene.charge()
    scene.unplug()
    return scene


def test_a_cable_that_is_not_unlocked_keeps_the_connector_finishing() -> None:
    """UnlockConnectorOnEVSideDisconnect false with StopTransactionOnEVSideDisconnect true."""
    scene = a_scene_with_a_held_cable()
    assert scene.sent("StopTransaction")[0]["reason"] == "EVDisconnected"
    scene.run(for_s=3600)
    assert scene.statuses() == ["Preparing", "Charging", "Finishing"]


def test_the_tag_that_started_gets_the_cable_back_without_authorize() -> None:
    """UnlockConnectorOnEVSideDisconnect: unlocked by the tag."""
    scene = a_scene_with_a_held_cable()
    scene.mark()
    scene.present_tag()
    assert scene.actions() == ["StatusNotification"]
    assert scene.statuses() == ["Available"]


@pytest.mark.parametrize(("parent", "freed"), [(FAMILY, True), ("OTHERS", False)])
def test_a_tag_of_the_same_group_gets_the_cable_back(parent: str, freed: bool) -> None:
    """UnlockConnectorOnEVSideDisconnect: unlocked by a tag with the same parentIdTag."""
    scene = a_booted_scene(UnlockConnectorOnEVSideDisconnect="false")
    scene.on("Authorize", asked(parentIdTag=FAMILY), asked(parentIdTag=parent))
    scene.charge()
    scene.unplug()
    scene.present_tag(OTHER_TAG)
    assert (scene.statuses()[-1] == "Available") is freed


def test_unlock_connector_gives_the_cable_back() -> None:
    """Section 3, UnlockConnector; UnlockConnectorOnEVSideDisconnect."""
    scene = a_scene_with_a_held_cable()
    assert scene.call("UnlockConnector", connectorId=1).status == "Unlocked"
    assert scene.statuses()[-1] == "Available"
    assert len(scene.sent("StopTransaction")) == 1


def test_a_cable_that_is_put_into_the_vehicle_again_is_like_any_other() -> None:
    """UnlockConnectorOnEVSideDisconnect: held until the tag comes or the session goes on."""
    scene = a_scene_with_a_held_cable()
    scene.plug_in()
    assert scene.statuses()[-1] == "Finishing"
    scene.present_tag()
    assert scene.statuses()[-2:] == ["Preparing", "Charging"]


def test_a_cable_is_unlocked_where_the_key_says_so() -> None:
    """UnlockConnectorOnEVSideDisconnect true."""
    scene = a_scene_with_a_held_cable()
    scene.present_tag()
    scene.call("ChangeConfiguration", key="UnlockConnectorOnEVSideDisconnect", value="true")
    scene.charge()
    scene.unplug()
    assert scene.statuses()[-2:] == ["Charging", "Available"]


def test_a_transaction_that_goes_on_keeps_its_cable_until_it_ends() -> None:
    """StopTransactionOnEVSideDisconnect false: SuspendedEV; its end unlocks."""
    scene = a_scene_with_a_held_cable(StopTransactionOnEVSideDisconnect="false")
    assert scene.sent("StopTransaction") == []
    assert scene.statuses()[-1] == "SuspendedEV"
    scene.present_tag()
    assert scene.statuses()[-1] == "Available"


def test_a_station_that_boots_lets_go_of_a_cable_whose_tag_it_has_forgotten() -> None:
    """UnlockConnectorOnEVSideDisconnect: a held cable is not for ever."""
    scene = a_scene_with_a_held_cable()
    scene.call("Reset", type="Hard")
    scene.mark()
    scene.run(for_s=30)
    assert scene.statuses() == ["Available"]


def test_a_cable_of_the_stations_own_is_never_held() -> None:
    """UnlockConnectorOnEVSideDisconnect is about a socket's lock."""
    scene = Scene(kind="DC", configuration={"UnlockConnectorOnEVSideDisconnect": "false"})
    scene.boot()
    scene.charge()
    scene.unplug()
    assert scene.statuses()[-1] == "Available"


@pytest.mark.parametrize(("timeout", "status"), [("20", "Available"), ("0", "Preparing")])
def test_a_tag_without_a_cable_waits_for_connection_time_out(timeout: str, status: str) -> None:
    """Section 3, RemoteStartTransaction: ConnectionTimeOut -> Available; 0 = off."""
    scene = a_booted_scene(ConnectionTimeOut=timeout)
    scene.present_tag()
    scene.run(for_s=3600)
    assert scene.statuses()[-1] == status
