"""What a station connects with, and how it changes that."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders_pki import DAY, YEAR
from builders_security import (
    BAD_SERVER,
    KEY,
    NO_TLS,
    NOW,
    OTHER_KEY,
    WRONG_PASSWORD,
    Refusal,
    SecureScene,
    a_ca,
    a_secure_scene,
)
from simfleet.station.credentials import (
    FALLBACK_ATTEMPTS,
    PLAIN,
    Credentials,
    Given,
    event_of,
)
from simfleet.station.effects import Reconnect
from simfleet.station.memory import decode_kept, encode_kept, recall, remember


def profile_of(scene: SecureScene) -> int:
    return scene.station.configuration.whole("SecurityProfile")


def prepared(**scene: object) -> SecureScene:
    """A station with all that any profile needs."""
    made = a_secure_scene(**scene)
    assert made.configure("AuthorizationKey", KEY) == "Accepted"
    assert made.trust() == "Accepted"
    made.certify()
    made.mark()
    made.tried.clear()
    return made


def only(profile: int) -> object:
    """A door for stations of one profile."""
    return lambda credentials: None if credentials.profile == profile else NO_TLS


# ── what it connects with ───────────────────────────────────────────────────────────────────────


def test_a_plain_station_has_nothing() -> None:
    scene = a_secure_scene()
    assert scene.tried == [PLAIN]
    assert scene.tried[0] is PLAIN


def test_the_password_is_what_the_key_stands_for() -> None:
    scene = SecureScene(configuration={"SecurityProfile": "1", "AuthorizationKey": KEY})
    scene.boot()
    assert scene.tried == [Credentials(1, b"OCA_OCTT_admin_test")]


def test_profile_2_trusts_the_installed_roots_of_the_csms_only() -> None:
    scene = prepared()
    scene.trust(a_ca("Maker"), use="ManufacturerRootCertificate")
    scene.configure("SecurityProfile", "2")
    assert scene.tried == [Credentials(2, b"OCA_OCTT_admin_test", (scene.ca.pem,))]


def test_profile_3_shows_a_certificate_and_no_password() -> None:
    scene = prepared()
    scene.configure("SecurityProfile", "3")
    [used] = scene.tried
    assert used.profile == 3
    assert used.password == b""
    assert used.chain_pem.startswith(b"-----BEGIN CERTIFICATE")
    assert used.key_pem.startswith(b"-----BEGIN PRIVATE KEY")
    assert used.roots_pem == (scene.ca.pem,)


def test_at_profile_0_a_key_is_kept_for_later() -> None:
    scene = a_secure_scene()
    scene.configure("AuthorizationKey", KEY)
    assert not scene.seen(Reconnect)
    scene.disconnect()
    scene.attempt()
    assert scene.tried[-1].password == b""


def test_a_password_of_the_installer_is_replaced_by_the_key() -> None:
    scene = a_secure_scene(given=Given(password=True))
    scene.configure("AuthorizationKey", KEY)
    assert scene.seen(Reconnect)
    assert scene.tried[-1] == Credentials(0, b"OCA_OCTT_admin_test")


# ── raising the profile ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "wanted", "status"),
    [
        (Given(), "1", "Rejected"),
        (Given(password=True), "1", "Accepted"),
        (Given(password=True), "2", "Rejected"),
        (Given(roots=True), "2", "Rejected"),
        (Given(password=True, roots=True), "2", "Accepted"),
        (Given(password=True, roots=True), "3", "Rejected"),
        (Given(certificate=True), "3", "Rejected"),
        (Given(roots=True, certificate=True), "3", "Accepted"),
    ],
)
def test_what_the_installer_left_counts(given: Given, wanted: str, status: str) -> None:
    scene = a_secure_scene(given=given)
    assert scene.configure("SecurityProfile", wanted) == status
    assert profile_of(scene) == (int(wanted) if status == "Accepted" else 0)


@pytest.mark.parametrize("value", ["", "0", "4", "-1", "1.0", "x", "٣", "03"])
def test_what_is_no_higher_profile_is_rejected(value: str) -> None:
    scene = prepared()
    assert scene.configure("SecurityProfile", value) == "Rejected"
    assert not scene.seen(Reconnect)


def test_the_name_of_the_key_is_compared_without_regard_to_case() -> None:
    scene = prepared()
    assert scene.configure("securityprofile", "1") == "Accepted"
    assert scene.tried[-1].profile == 1


def test_an_expired_certificate_is_none() -> None:
    scene = a_secure_scene()
    scene.trust()
    scene.sign(scene.ca.sign(scene.ask(), begins=NOW - YEAR + DAY / 24, lasts=YEAR))
    scene.run(for_s=2 * 3600)
    assert scene.configure("SecurityProfile", "3") == "Rejected"


def test_one_step_after_the_other_reaches_the_top() -> None:
    scene = prepared()
    for profile in ("1", "2", "3"):
        assert scene.configure("SecurityProfile", profile) == "Accepted"
    assert [one.profile for one in scene.tried] == [1, 2, 3]
    assert profile_of(scene) == 3


def test_transactions_go_on_over_the_new_connection() -> None:
    scene = prepared()
    scene.charge()
    scene.configure("SecurityProfile", "1")
    scene.run(for_s=60)
    assert not scene.sent("StopTransaction")
    assert scene.sent("StartTransaction")[0].connection < scene.connection


def test_no_boot_notification_follows_a_change_of_credentials() -> None:
    scene = prepared()
    scene.configure("SecurityProfile", "1")
    assert "BootNotification" not in scene.actions()


# ── falling back ────────────────────────────────────────────────────────────────────────────────


def test_a_profile_that_never_connects_is_given_up() -> None:
    scene = prepared()
    scene.door = only(0)  # type: ignore[assignment]
    assert scene.configure("SecurityProfile", "2") == "Accepted"
    while not scene.station.online:
        scene.attempt()
    assert [one.profile for one in scene.tried] == [2] * FALLBACK_ATTEMPTS + [0]
    assert profile_of(scene) == 0
    assert scene.events() == ["FailedToAuthenticateAtCentralSystem"]
    [told] = scene.sent("SecurityEventNotification")
    assert told["techInfo"] == (
        "SecurityProfile 2 given up after 3 attempts: tls: WRONG_VERSION_NUMBER"
    )


def test_a_profile_that_has_connected_once_is_kept_through_outages() -> None:
    scene = prepared()
    scene.configure("SecurityProfile", "1")
    scene.disconnect()
    scene.door = lambda credentials: ("refused", "nobody listens there", None)
    for _ in range(10):
        scene.attempt()
    assert profile_of(scene) == 1
    scene.door = lambda credentials: None
    assert scene.attempt()


def test_a_profile_that_connects_at_the_last_attempt_is_kept() -> None:
    scene = prepared()
    failures = [NO_TLS] * (FALLBACK_ATTEMPTS - 1)
    scene.door = lambda credentials: failures.pop() if failures else None
    scene.configure("SecurityProfile", "1")
    while not scene.station.online:
        scene.attempt()
    assert profile_of(scene) == 1


def test_after_a_fallback_the_profile_can_be_raised_again() -> None:
    scene = prepared()
    scene.door = only(0)  # type: ignore[assignment]
    scene.configure("SecurityProfile", "2")
    while not scene.station.online:
        scene.attempt()
    scene.door = lambda credentials: None
    assert scene.configure("SecurityProfile", "2") == "Accepted"
    assert scene.station.online
    assert profile_of(scene) == 2


def test_a_fallback_goes_to_the_profile_before_and_no_further() -> None:
    scene = prepared()
    scene.configure("SecurityProfile", "1")
    scene.door = only(1)  # type: ignore[assignment]
    scene.configure("SecurityProfile", "3")
    while not scene.station.online:
        scene.attempt()
    assert profile_of(scene) == 1


def test_a_trial_survives_simfleet() -> None:
    scene = prepared()
    scene.door = only(0)  # type: ignore[assignment]
    scene.configure("SecurityProfile", "2")
    kept = decode_kept(encode_kept(remember(scene.station)))
    again = SecureScene(ca=scene.ca, began_s=scene.now_s, epoch_s=scene.wall_s, seed=7)
    recall(again.station, kept, at_s=again.now_s)
    assert profile_of(again) == 2
    again.door = only(0)  # type: ignore[assignment]
    while not again.station.online:
        again.attempt()
    assert profile_of(again) == 0


def test_a_new_certificate_that_is_not_taken_gives_way_to_the_old_one() -> None:
    scene = prepared()
    scene.configure("SecurityProfile", "3")
    old = scene.tried[-1].chain_pem
    csr = scene.ask()
    scene.door = lambda credentials: None if credentials.chain_pem == old else NO_TLS
    assert scene.sign(scene.ca.sign(csr, begins=NOW)) == "Accepted"
    while not scene.station.online:
        scene.attempt()
    assert [one.chain_pem == old for one in scene.tried[-4:]] == [False, False, False, True]
    assert profile_of(scene) == 3
    assert scene.events()[-1] == "FailedToAuthenticateAtCentralSystem"


def test_a_certificate_below_profile_3_changes_no_connection() -> None:
    scene = prepared()
    scene.certify()
    assert not scene.seen(Reconnect)


def test_a_wrong_key_is_tried_for_ever_for_the_csms_has_forgotten_the_old_one() -> None:
    scene = prepared()
    scene.configure("SecurityProfile", "1")
    scene.door = lambda credentials: WRONG_PASSWORD
    scene.configure("AuthorizationKey", OTHER_KEY)
    for _ in range(6):
        scene.attempt()
    assert {one.password for one in scene.tried[-6:]} == {bytes.fromhex(OTHER_KEY)}


@given(st.lists(st.sampled_from(["1", "2", "3", "fail", "ok", "drop"]), max_size=25))
@settings(max_examples=60, deadline=None)
def test_the_profile_is_always_one_that_has_connected_or_is_on_trial(steps: list[str]) -> None:
    scene = prepared()
    proved = {0}
    works = True
    scene.door = lambda credentials: None if works or credentials.profile in proved else NO_TLS
    for step in steps:
        match step:
            case "fail" | "ok":
                works = step == "ok"
            case "drop" if scene.station.online:
                scene.disconnect()
            case "1" | "2" | "3" if scene.station.online:
                scene.configure("SecurityProfile", step)
        if not scene.station.online:
            scene.attempt()
        if scene.station.online:
            proved.add(profile_of(scene))
        state = scene.station.security
        assert state is not None
        assert profile_of(scene) in proved or state.trial is not None
    for _ in range(FALLBACK_ATTEMPTS + 1):
        if not scene.station.online:
            scene.attempt()
    assert scene.station.online


# ── what failures are called ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("refusal", "event"),
    [
        (WRONG_PASSWORD, "FailedToAuthenticateAtCentralSystem"),
        (("http_status", "403 Forbidden", 403), "FailedToAuthenticateAtCentralSystem"),
        (("http_status", "503 Service Unavailable", 503), None),
        (BAD_SERVER, "InvalidCentralSystemCertificate"),
        (("tls", "certificate: certificate has expired", None), "InvalidCentralSystemCertificate"),
        (("tls", "TLSV1_ALERT_UNKNOWN_CA", None), "FailedToAuthenticateAtCentralSystem"),
        (("tls", "TLSV13_ALERT_CERTIFICATE_REQUIRED", None), "FailedToAuthenticateAtCentralSystem"),
        (("tls", "SSLV3_ALERT_BAD_CERTIFICATE", None), "FailedToAuthenticateAtCentralSystem"),
        (("tls", "TLSV1_ALERT_PROTOCOL_VERSION", None), "InvalidTLSVersion"),
        (("tls", "UNSUPPORTED_PROTOCOL", None), "InvalidTLSVersion"),
        (("tls", "SSLV3_ALERT_HANDSHAKE_FAILURE", None), "InvalidTLSCipherSuite"),
        (("tls", "NO_SHARED_CIPHER", None), "InvalidTLSCipherSuite"),
        (NO_TLS, None),
        (("refused", "nobody listens there", None), None),
        (("reset", "connection reset before any answer", None), None),
    ],
)
def test_a_failure_is_the_security_event_that_fits(refusal: Refusal, event: str | None) -> None:
    assert event_of(*refusal) == event


def test_a_refusal_is_told_once_the_csms_is_reached() -> None:
    scene = prepared()
    scene.configure("SecurityProfile", "1")
    scene.mark()
    scene.disconnect()
    scene.door = lambda credentials: WRONG_PASSWORD
    for _ in range(5):
        scene.attempt()
    scene.door = lambda credentials: None
    scene.attempt()
    assert scene.events() == ["FailedToAuthenticateAtCentralSystem"]


def test_a_plain_station_that_is_refused_begins_no_security() -> None:
    scene = SecureScene()
    scene.door = lambda credentials: WRONG_PASSWORD
    scene.attempt()
    assert scene.station.security is None
