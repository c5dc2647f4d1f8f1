"""Security events: kept in order until the CSMS has taken them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from builders_security import SecureScene, a_secure_scene
from builders_station import SILENCE, Error, wall_of
from simfleet.station import security
from simfleet.station.memory import decode_kept, encode_kept, recall, remember
from simfleet.station.messages import Beat
from simfleet.station.security import (
    CRITICAL,
    DEMANDED,
    LOG_MAX,
    RETRY_S,
    TECH_INFO_MAX_CHARS,
    WAITING_MAX,
    SecurityEvent,
)

if TYPE_CHECKING:
    from simfleet.station.station import Station

PROFILE_1 = {"SecurityProfile": "1", "AuthorizationKey": "00" * 16}
NOTICE = "SecurityEventNotification"


def note(scene: SecureScene, text: str, event: SecurityEvent = SecurityEvent.TAMPERED) -> None:
    security.report(scene.station, event, text, at_s=scene.now_s)
    scene.tick()


def texts(scene: SecureScene) -> list[str]:
    return [one.payload.get("techInfo", "") for one in scene.sent(NOTICE)]


def after_a_restart_of_simfleet(scene: SecureScene) -> SecureScene:
    """A station made of what the hardware of another one kept."""
    kept = decode_kept(encode_kept(remember(scene.station)))
    again = SecureScene(ca=scene.ca, began_s=scene.now_s, epoch_s=scene.wall_s, seed=7)
    recall(again.station, kept, at_s=again.now_s)
    return again


# ── who speaks ──────────────────────────────────────────────────────────────────────────────────


def test_a_plain_station_sends_no_security_events() -> None:
    scene = SecureScene()
    scene.boot()
    scene.call("Reset", type="Hard")
    scene.run(for_s=60)
    note(scene, "opened")
    assert not scene.sent(NOTICE)
    assert scene.station.security is None


@pytest.mark.parametrize("scene", [{"configuration": PROFILE_1}, {"security_events": True}])
def test_a_station_with_security_tells_that_it_has_started(scene: dict[str, Any]) -> None:
    made = SecureScene(**scene)
    made.boot()
    assert made.events() == ["StartupOfTheDevice"]
    assert made.actions()[:3] == ["BootNotification", "StatusNotification", "StatusNotification"]


def test_a_command_of_the_whitepaper_makes_a_station_speak() -> None:
    scene = a_secure_scene()
    scene.installed()
    note(scene, "opened")
    assert scene.events() == ["TamperDetectionActivated"]


def test_nothing_is_said_before_the_station_is_registered() -> None:
    scene = SecureScene(configuration=PROFILE_1)
    scene.on("BootNotification", {"status": "Pending", "currentTime": scene.clock, "interval": 60})
    scene.boot()
    note(scene, "opened")
    assert not scene.sent(NOTICE)
    scene.on("BootNotification", {"status": "Accepted", "currentTime": scene.clock, "interval": 60})
    scene.run(for_s=60)
    assert scene.events()[0] == "TamperDetectionActivated"
    assert "StartupOfTheDevice" in scene.events()


# ── what is told ────────────────────────────────────────────────────────────────────────────────


def test_a_reset_is_told_after_the_boot_that_follows() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.call("Reset", type="Soft")
    scene.run(for_s=30)
    assert scene.events() == ["ResetOrReboot", "StartupOfTheDevice"]
    assert texts(scene) == ["SoftReset", ""]


def test_a_power_cut_is_a_start_and_no_reset() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.cycle_power(for_s=10)
    scene.run(for_s=30)
    assert scene.events() == ["StartupOfTheDevice"]


def test_a_reconnect_is_no_start() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.disconnect()
    scene.connect()
    assert scene.events() == []


def test_setting_the_clock_is_told_once() -> None:
    scene = SecureScene(configuration=PROFILE_1, clock_error_s=-120.0)
    scene.boot()
    assert scene.events() == ["SettingSystemTime", "StartupOfTheDevice"]
    assert texts(scene)[0] == "set by +120 s"


def test_an_event_carries_the_time_at_which_it_happened() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.disconnect()
    happened_s = scene.wall_s
    note(scene, "opened")
    scene.run(for_s=500)
    scene.connect()
    assert wall_of(scene.sent(NOTICE)[0]["timestamp"]) == pytest.approx(happened_s, abs=0.01)


def test_what_is_not_critical_is_logged_but_not_told() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    note(scene, "garbage", SecurityEvent.INVALID_MESSAGES)
    assert not scene.sent(NOTICE)
    assert scene.station.security is not None
    assert scene.station.security.log[-1].type == "InvalidMessages"


def test_every_event_fits_into_its_field() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    for event in CRITICAL | DEMANDED:
        note(scene, "x" * 300, event)
    assert set(scene.events()) == {event.value for event in CRITICAL | DEMANDED}
    assert {len(text) for text in texts(scene)} == {TECH_INFO_MAX_CHARS}


def test_the_same_trouble_over_and_over_is_one_event() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.disconnect()
    for _ in range(5):
        note(scene, "unknown CA", SecurityEvent.BAD_CSMS_CERTIFICATE)
    note(scene, "expired", SecurityEvent.BAD_CSMS_CERTIFICATE)
    scene.connect()
    assert texts(scene) == ["unknown CA", "expired"]


# ── until it is taken ───────────────────────────────────────────────────────────────────────────


def test_events_are_sent_one_at_a_time_in_order() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.disconnect()
    for text in "abc":
        note(scene, text)
    scene.on(NOTICE, SILENCE)
    scene.connect()
    assert texts(scene) == ["a"]
    [sent] = scene.sent(NOTICE)
    scene.on(NOTICE, {})
    scene.reply(sent, {})
    assert texts(scene) == ["a", "b", "c"]


@pytest.mark.parametrize("refusal", [Error("InternalError"), SILENCE], ids=["error", "silence"])
def test_an_event_that_is_not_taken_is_sent_again_with_growing_pauses(refusal: object) -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.on(NOTICE, refusal, refusal, refusal, {})  # type: ignore[arg-type]
    note(scene, "opened")
    timeout_s = scene.station.spec.call_timeout_s if refusal is SILENCE else 0.0
    scene.run(for_s=6 * RETRY_S + 3 * timeout_s + 1)
    assert texts(scene) == ["opened"] * 4
    moments = [one.at_s for one in scene.sent(NOTICE)]
    pauses = [b - a - timeout_s for a, b in pairwise(moments)]
    assert pauses == pytest.approx([RETRY_S, 2 * RETRY_S, 3 * RETRY_S])
    scene.run(for_s=10 * RETRY_S)
    assert len(texts(scene)) == 4


def test_a_csms_that_knows_no_events_is_left_alone() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.on(NOTICE, Error("NotImplemented"))
    note(scene, "opened")
    scene.run(for_s=10 * RETRY_S)
    assert texts(scene) == ["opened"]
    assert (NOTICE, "attempts_used_up") in scene.dropped()


def test_an_event_in_flight_when_the_link_is_lost_is_sent_again() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.on(NOTICE, SILENCE)
    note(scene, "first")
    note(scene, "second")
    scene.disconnect()
    assert not scene.dropped()
    scene.on(NOTICE, {})
    scene.connect()
    assert texts(scene) == ["first", "first", "second"]


def test_an_event_that_waits_behind_another_call_survives_the_link() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.on("Authorize", SILENCE)
    scene.present_tag()
    note(scene, "opened")
    scene.disconnect()
    assert (NOTICE, "link_lost") not in scene.dropped()
    scene.connect()
    assert texts(scene) == ["opened"]


def test_events_survive_a_power_cut() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.disconnect()
    note(scene, "opened")
    scene.cycle_power(for_s=5)
    scene.run(for_s=30)
    assert texts(scene) == ["opened", ""]


def test_events_survive_simfleet() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.disconnect()
    for text in "abc":
        note(scene, text)
    again = after_a_restart_of_simfleet(scene)
    again.boot()
    assert texts(again)[:3] == ["a", "b", "c"]


def test_a_station_without_security_keeps_nothing_of_it() -> None:
    scene = a_secure_scene()
    assert remember(scene.station).security is None


def test_with_no_room_the_oldest_event_is_given_up_aloud() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.disconnect()
    for number in range(WAITING_MAX + 2):
        note(scene, str(number))
    assert scene.dropped() == [(NOTICE, "queue_full")] * 2
    scene.connect()
    assert texts(scene) == [str(number) for number in range(2, WAITING_MAX + 2)]


def test_the_event_in_flight_is_not_the_one_that_makes_room() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.on(NOTICE, SILENCE)
    for number in range(WAITING_MAX + 1):
        note(scene, str(number))
    [sent] = scene.sent(NOTICE)
    scene.on(NOTICE, {})
    scene.reply(sent, {})
    assert texts(scene) == [str(n) for n in range(WAITING_MAX + 1) if n != 1]


def test_an_event_that_is_crowded_out_of_the_outbox_comes_back() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    scene.on("Authorize", SILENCE)
    scene.present_tag()
    note(scene, "opened")
    station: Station = scene.station
    for _ in range(70):
        station.say(Beat(), due_s=scene.now_s)
    scene.pump()
    assert (NOTICE, "queue_full") in scene.dropped()
    scene.on("Authorize", {"idTagInfo": {"status": "Blocked"}})
    scene.run(for_s=station.spec.call_timeout_s + 2 * RETRY_S)
    assert texts(scene) == ["opened"]


# ── the log ─────────────────────────────────────────────────────────────────────────────────────


def test_the_log_is_bounded() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    for number in range(LOG_MAX + 10):
        note(scene, str(number), SecurityEvent.INVALID_MESSAGES)
    assert scene.station.security is not None
    log = scene.station.security.log
    assert len(log) == LOG_MAX
    assert log[-1].tech_info == str(LOG_MAX + 9)


def test_a_cleared_log_says_so() -> None:
    scene = a_secure_scene(configuration=PROFILE_1)
    security.clear_log(scene.station, at_s=scene.now_s)
    scene.tick()
    assert scene.events() == ["SecurityLogWasCleared"]
    assert scene.station.security is not None
    assert [entry.type for entry in scene.station.security.log] == ["SecurityLogWasCleared"]
