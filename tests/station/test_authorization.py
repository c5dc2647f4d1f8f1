from __future__ import annotations

import pytest

from builders_station import OTHER_TAG, SILENCE, TAG, Error, Payload, Scene
from simfleet.errors import Refused
from simfleet.station.events import StartRequested

GROUP = "FAMILY"


def info(status: str = "Accepted", **more: str) -> Payload:
    return {"idTagInfo": {"status": status, **more}}


def started(status: str, **more: str) -> Payload:
    return {"transactionId": 9, **info(status, **more)}


def a_booted_scene(**configuration: str) -> Scene:
    scene = Scene(configuration=configuration)
    scene.boot()
    scene.mark()
    return scene


def a_scene_that_knows(status: str, *, more: dict[str, str] | None = None, **keys: str) -> Scene:
    """The CSMS has said this of the tag, and the cache remembers."""
    scene = a_booted_scene(AuthorizationCacheEnabled="true", **keys)
    scene.on("Authorize", info(status, **(more or {})))
    scene.on("StartTransaction", lambda _: started(status, **(more or {})))
    scene.present_tag()
    scene.run(for_s=60)  # ConnectionTimeOut
    scene.mark()
    return scene


# ── Authorize ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx"])
def test_a_tag_that_is_refused_starts_nothing(status: str) -> None:
    scene = a_booted_scene()
    scene.on("Authorize", info(status))
    scene.charge()
    scene.run(for_s=600)
    assert scene.sent("StartTransaction") == []
    assert scene.statuses() == ["Preparing"]


def test_a_tag_first_that_is_refused_leaves_the_connector_available() -> None:
    scene = a_booted_scene()
    scene.on("Authorize", info("Blocked"))
    scene.present_tag()
    assert scene.statuses() == []


@pytest.mark.parametrize("reply", [Error(), SILENCE], ids=["CALLERROR", "silence"])
def test_no_answer_about_a_tag_starts_nothing_and_the_tag_can_be_tried_again(
    reply: Payload,
) -> None:
    scene = a_booted_scene()
    scene.on("Authorize", reply, info())
    scene.charge()
    scene.run(for_s=30)
    assert scene.sent("StartTransaction") == []
    scene.present_tag()
    assert len(scene.sent("StartTransaction")) == 1


def test_a_second_tag_has_to_wait_for_the_answer_about_the_first() -> None:
    scene = a_booted_scene()
    scene.on("Authorize", SILENCE)
    scene.charge()
    with pytest.raises(Refused):
        scene.present_tag(OTHER_TAG)
    assert len(scene.sent("Authorize")) == 1


def test_an_answer_after_the_cable_came_out_starts_nothing() -> None:
    scene = a_booted_scene()
    scene.on("Authorize", SILENCE)
    scene.charge()
    scene.unplug()
    scene.reply(scene.sent("Authorize")[0], info())
    scene.plug_in()
    assert scene.sent("StartTransaction") == []
    assert scene.statuses() == ["Preparing", "Available", "Preparing"]


# ── stopping ────────────────────────────────────────────────────────────────────────────────────


def test_the_same_tag_stops_without_authorize() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.mark()
    scene.present_tag()
    assert scene.actions() == ["StopTransaction", "StatusNotification"]


def test_another_tag_of_the_same_group_stops_and_is_named() -> None:
    scene = a_booted_scene()
    scene.on("Authorize", info(parentIdTag=GROUP))
    scene.charge()
    scene.present_tag(OTHER_TAG)
    (stop,) = scene.sent("StopTransaction")
    assert (stop["idTag"], stop["reason"]) == (OTHER_TAG, "Local")


def test_the_group_may_be_learnt_from_the_start_transaction_answer() -> None:
    scene = a_booted_scene()
    scene.on("StartTransaction", started("Accepted", parentIdTag=GROUP))
    scene.on("Authorize", info(), info(parentIdTag=GROUP))
    scene.charge()
    scene.present_tag(OTHER_TAG)
    assert len(scene.sent("StopTransaction")) == 1


@pytest.mark.parametrize(
    "answer",
    [info(), info(parentIdTag="OTHERS"), info("Blocked", parentIdTag=GROUP), Error()],
    ids=["no group", "other group", "blocked", "CALLERROR"],
)
def test_another_tag_without_the_same_group_stops_nothing(answer: Payload) -> None:
    scene = a_booted_scene()
    scene.on("Authorize", info(parentIdTag=GROUP), answer)
    scene.charge()
    scene.present_tag(OTHER_TAG)
    assert len(scene.sent("Authorize")) == 2
    assert scene.sent("StopTransaction") == []
    scene.present_tag()
    assert len(scene.sent("StopTransaction")) == 1


def test_another_tag_stops_nothing_while_the_csms_is_away_nor_when_it_is_back() -> None:
    scene = a_booted_scene()
    scene.on("Authorize", info(parentIdTag=GROUP))
    scene.charge()
    scene.disconnect()
    scene.mark()
    scene.present_tag(OTHER_TAG)
    scene.run(for_s=10)
    scene.connect()
    assert scene.sent("Authorize", "StopTransaction") == []  # Authorize is never queued
    scene.present_tag(OTHER_TAG)
    assert len(scene.sent("StopTransaction")) == 1


# ── the tag of a running transaction turns out invalid ──────────────────────────────────────────

INVALID = ["Invalid", "Blocked", "Expired", "ConcurrentTx"]


@pytest.mark.parametrize("status", INVALID)
def test_an_invalid_tag_ends_the_transaction_where_the_key_says_so(status: str) -> None:
    scene = a_booted_scene(StopTransactionOnInvalidId="true")
    scene.on("StartTransaction", started(status))
    scene.charge()
    (stop,) = scene.sent("StopTransaction")
    assert (stop["reason"], stop["transactionId"]) == ("DeAuthorized", 9)
    assert scene.statuses()[-1] == "Finishing"


@pytest.mark.parametrize("status", INVALID)
def test_an_invalid_tag_only_suspends_where_the_key_says_so(status: str) -> None:
    scene = a_booted_scene(StopTransactionOnInvalidId="false")
    scene.on("StartTransaction", started(status))
    scene.charge()
    scene.run(for_s=3600)
    assert scene.sent("StopTransaction") == []
    assert scene.statuses()[-1] == "SuspendedEVSE"
    scene.present_tag()
    (stop,) = scene.sent("StopTransaction")
    assert stop["meterStop"] == 0
    assert stop["reason"] == "Local"


def test_an_invalid_tag_gets_at_most_max_energy_on_invalid_id() -> None:
    scene = a_booted_scene(StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="500")
    scene.on("StartTransaction", started("Invalid"))
    scene.charge()
    scene.run(for_s=3600)
    assert scene.statuses() == ["Preparing", "Charging", "SuspendedEVSE"]
    scene.present_tag()
    assert 499 <= scene.sent("StopTransaction")[0]["meterStop"] <= 500


def test_what_was_delivered_before_the_answer_counts_for_max_energy_on_invalid_id() -> None:
    scene = a_booted_scene(StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="50")
    scene.on("StartTransaction", SILENCE)
    scene.charge()
    scene.run(for_s=25)  # 76 Wh
    scene.on("StatusNotification", {})
    scene.reply(scene.sent("StartTransaction")[0], started("Invalid"))
    assert scene.statuses()[-1] == "SuspendedEVSE"


def test_max_energy_is_counted_from_the_register_at_the_start() -> None:
    scene = Scene(
        register_wh=10_000,
        configuration={"StopTransactionOnInvalidId": "false", "MaxEnergyOnInvalidId": "500"},
    )
    scene.boot()
    scene.on("StartTransaction", started("Invalid"))
    scene.charge()
    scene.run(for_s=3600)
    scene.present_tag()
    assert 10_499 <= scene.sent("StopTransaction")[0]["meterStop"] <= 10_500


def test_the_next_transaction_is_not_limited_by_the_last() -> None:
    scene = a_booted_scene(StopTransactionOnInvalidId="false")
    scene.on("StartTransaction", started("Invalid"), started("Accepted"))
    scene.charge()
    scene.present_tag()
    scene.present_tag(OTHER_TAG)
    assert scene.statuses()[-2:] == ["Preparing", "Charging"]


def test_a_verdict_that_comes_after_the_end_changes_nothing() -> None:
    scene = a_booted_scene()
    scene.on("StartTransaction", SILENCE)
    scene.charge()
    scene.present_tag()
    scene.reply(scene.sent("StartTransaction")[0], started("Invalid"))
    (stop,) = scene.sent("StopTransaction")
    assert stop["reason"] == "Local"


# ── offline ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("allowed", "starts"), [("true", 1), ("false", 0)])
def test_an_unknown_tag_offline_follows_allow_offline_tx_for_unknown_id(
    allowed: str, starts: int
) -> None:
    scene = a_booted_scene(AllowOfflineTxForUnknownId=allowed)
    scene.disconnect()
    scene.charge()
    scene.run(for_s=10)
    scene.connect()
    assert len(scene.sent("StartTransaction")) == starts
    assert scene.sent("Authorize") == []


@pytest.mark.parametrize(("allowed", "starts"), [("true", 1), ("false", 0)])
def test_a_cached_tag_offline_follows_local_authorize_offline(allowed: str, starts: int) -> None:
    scene = a_scene_that_knows("Accepted", LocalAuthorizeOffline=allowed)
    scene.disconnect()
    scene.charge()
    scene.connect()
    assert len(scene.sent("StartTransaction")) == starts


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid"])
def test_a_tag_known_as_bad_never_charges_offline(status: str) -> None:
    scene = a_scene_that_knows(status, AllowOfflineTxForUnknownId="true")
    scene.disconnect()
    scene.charge()
    scene.connect()
    assert scene.sent("StartTransaction") == []


def test_a_cached_tag_that_has_expired_meanwhile_never_charges_offline() -> None:
    scene = a_scene_that_knows(
        "Accepted",
        more={"expiryDate": "2026-03-01T12:10:00Z"},
        AllowOfflineTxForUnknownId="true",
    )
    scene.disconnect()
    scene.run(for_s=600)
    scene.charge()
    scene.connect()
    assert scene.sent("StartTransaction") == []


def test_a_link_lost_while_the_csms_is_asked_is_like_being_offline() -> None:
    scene = a_booted_scene(AllowOfflineTxForUnknownId="true")
    scene.on("Authorize", SILENCE)
    scene.charge()
    scene.disconnect()
    scene.connect()
    assert len(scene.sent("StartTransaction")) == 1


def test_a_tag_known_as_blocked_does_not_charge_because_the_link_was_lost_while_asking() -> None:
    scene = a_scene_that_knows("Blocked", AllowOfflineTxForUnknownId="true")
    scene.on("Authorize", SILENCE)
    scene.charge()
    scene.disconnect()
    scene.connect()
    assert scene.sent("StartTransaction") == []


def test_a_tag_known_as_good_charges_when_the_link_is_lost_while_asking() -> None:
    scene = a_scene_that_knows("Accepted")
    scene.on("Authorize", SILENCE)
    scene.charge()
    scene.disconnect()
    scene.connect()
    assert len(scene.sent("StartTransaction")) == 1


def test_an_offline_start_that_the_csms_refuses_later_is_ended() -> None:
    scene = a_booted_scene(AllowOfflineTxForUnknownId="true")
    scene.disconnect()
    scene.charge()
    scene.run(for_s=60)
    scene.on("StartTransaction", started("Invalid"))
    scene.connect()
    (stop,) = scene.sent("StopTransaction")
    assert stop["reason"] == "DeAuthorized"


# ── the cache ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("local", "asks"), [("true", 0), ("false", 1)])
def test_a_cached_tag_online_skips_authorize_only_with_local_pre_authorize(
    local: str, asks: int
) -> None:
    scene = a_scene_that_knows("Accepted", LocalPreAuthorize=local)
    scene.charge()
    assert len(scene.sent("Authorize")) == asks
    assert len(scene.sent("StartTransaction")) == 1


def test_a_tag_cached_as_blocked_is_asked_about_again_online() -> None:
    scene = a_scene_that_knows("Blocked", LocalPreAuthorize="true")
    scene.on("Authorize", info())
    scene.charge()
    assert scene.actions().count("Authorize") == 1
    assert len(scene.sent("StartTransaction")) == 1


def test_a_cleared_cache_asks_again() -> None:
    scene = a_scene_that_knows("Accepted", LocalPreAuthorize="true")
    assert scene.call("ClearCache").status == "Accepted"
    scene.charge()
    assert len(scene.sent("Authorize")) == 1


def test_clear_cache_is_rejected_where_there_is_no_cache() -> None:
    assert a_booted_scene().call("ClearCache").status == "Rejected"


def test_without_the_cache_nothing_is_remembered() -> None:
    scene = a_booted_scene(LocalPreAuthorize="true")
    for _ in range(2):
        scene.charge()
        scene.present_tag()
        scene.unplug()
    assert len(scene.sent("Authorize")) == 2


def test_a_cache_that_is_switched_off_is_not_used() -> None:
    scene = a_scene_that_knows("Accepted", LocalPreAuthorize="true")
    scene.call("ChangeConfiguration", key="AuthorizationCacheEnabled", value="false")
    scene.charge()
    assert len(scene.sent("Authorize")) == 1


def test_the_start_transaction_answer_updates_the_cache() -> None:
    scene = a_booted_scene(AuthorizationCacheEnabled="true", LocalPreAuthorize="true")
    scene.on("StartTransaction", started("Blocked"))
    scene.charge()  # asked, accepted, then blocked
    scene.unplug()
    scene.charge()
    assert len(scene.sent("Authorize")) == 2


def test_the_stop_transaction_answer_updates_the_cache() -> None:
    scene = a_booted_scene(AuthorizationCacheEnabled="true", LocalPreAuthorize="true")
    scene.on("StopTransaction", info("Expired"))
    scene.charge()
    scene.present_tag()
    scene.unplug()
    scene.charge()
    assert len(scene.sent("Authorize")) == 2


def test_a_tag_longer_than_ocpp_allows_is_cut() -> None:
    scene = a_booted_scene()
    scene.charge(tag="X" * 30)
    assert scene.sent("Authorize")[0]["idTag"] == "X" * 20
    assert scene.sent("StartTransaction")[0]["idTag"] == "X" * 20


def test_the_default_tag_is_the_chargers_own() -> None:
    scene = a_booted_scene()
    scene.tell(StartRequested())
    assert scene.sent("Authorize")[0]["idTag"] == TAG
