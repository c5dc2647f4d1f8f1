"""The rule book on security: rows CertificateSigned, DeleteCertificate, GetInstalledCertificateIds,
InstallCertificate and ChangeConfiguration (AuthorizationKey, SecurityProfile) of section 3, and the
rows 'security profile' and 'certificate flow' of section 5.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from builders_pki import DAY, YEAR, Ca
from builders_security import (
    KEY,
    NO_TLS,
    NOW,
    OTHER_KEY,
    SecureScene,
    a_ca,
    a_secure_scene,
)
from builders_station import SILENCE
from simfleet.station.credentials import FALLBACK_ATTEMPTS
from simfleet.station.effects import Reconnect

ROOT = "CentralSystemRootCertificate"
MAKER = "ManufacturerRootCertificate"


def at_profile(profile: str) -> SecureScene:
    scene = a_secure_scene()
    scene.configure("AuthorizationKey", KEY)
    scene.trust()
    scene.certify()
    assert scene.configure("SecurityProfile", profile) == "Accepted"
    scene.mark()
    return scene


def named(scene: SecureScene, use: str = ROOT) -> list[dict[str, str]]:
    return list(scene.installed(use=use).payload.get("certificateHashData", []))


def delete(scene: SecureScene, data: dict[str, str]) -> str:
    return scene.call("DeleteCertificate", certificateHashData=data).status


def own_hash(scene: SecureScene, pem: bytes) -> dict[str, str]:
    from simfleet.pki.checks import certificate_hash_data

    data = certificate_hash_data(pem, scene.ca.pem)
    return {
        "hashAlgorithm": data.hash_algorithm,
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
    }


# ── CertificateSigned ───────────────────────────────────────────────────────────────────────────


def test_certificate_signed_is_accepted_if_the_chain_verifies_against_an_installed_root() -> None:
    scene = a_secure_scene()
    scene.trust()
    assert scene.sign(scene.ca.sign(scene.ask())) == "Accepted"


def test_certificate_signed_is_accepted_without_any_root_if_consistent_in_itself() -> None:
    scene = a_secure_scene()
    assert scene.sign(scene.ca.sign(scene.ask())) == "Accepted"


def assert_refused(scene: SecureScene, chain: bytes | str) -> None:
    scene.mark()
    assert scene.sign(chain) == "Rejected"
    assert scene.events() == ["InvalidChargePointCertificate"]


def test_certificate_signed_of_another_root_is_rejected_with_a_security_event() -> None:
    scene = a_secure_scene()
    scene.trust()
    assert_refused(scene, a_ca("Rival").sign(scene.ask()))


def test_certificate_signed_for_another_key_than_that_of_the_csr_is_rejected() -> None:
    scene = a_secure_scene()
    scene.ask()
    assert_refused(scene, scene.ca.station("CP-1").pem)


@pytest.mark.parametrize(
    ("begins", "lasts"), [(NOW - 10 * DAY, 9 * DAY), (NOW + DAY, YEAR)], ids=["expired", "early"]
)
def test_certificate_signed_with_invalid_dates_is_rejected(begins: object, lasts: object) -> None:
    scene = a_secure_scene()
    chain = scene.ca.sign(scene.ask(), begins=begins, lasts=lasts)  # type: ignore[arg-type]
    assert_refused(scene, chain)


def test_certificate_signed_for_another_station_is_rejected() -> None:
    scene = a_secure_scene()
    assert_refused(scene, scene.ca.sign(scene.ask(), common_name="CP-2"))


def test_certificate_signed_that_is_too_long_is_rejected() -> None:
    scene = a_secure_scene(configuration={"CertificateSignedMaxChainSize": 600})
    chain = scene.ca.sign(scene.ask())
    assert len(chain) > 600
    assert_refused(scene, chain)


def test_certificate_signed_at_profile_3_reconnects_with_the_new_certificate() -> None:
    scene = at_profile("3")
    chain = scene.ca.sign(scene.ask(), begins=NOW)
    assert scene.sign(chain) == "Accepted"
    assert scene.seen(Reconnect)
    assert scene.tried[-1].chain_pem == chain
    assert scene.station.online


def test_certificate_signed_the_newest_valid_one_is_used() -> None:
    scene = at_profile("3")
    newest = scene.ca.sign(scene.ask(), begins=NOW)
    scene.sign(newest)
    scene.sign(scene.ca.sign(scene.ask(), begins=NOW - DAY))
    assert scene.tried[-1].chain_pem == newest


def test_certificate_signed_survives_a_power_cycle() -> None:
    scene = at_profile("3")
    before = scene.tried[-1].chain_pem
    scene.cycle_power(for_s=5)
    scene.run(for_s=30)
    scene.disconnect()
    scene.attempt()
    assert scene.tried[-1].chain_pem == before


# ── InstallCertificate ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("use", [ROOT, MAKER])
def test_install_certificate_accepts_a_root(use: str) -> None:
    scene = a_secure_scene()
    assert scene.trust(use=use) == "Accepted"
    assert len(named(scene, use)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        "hello",
        Ca("Old", now=NOW - 2 * YEAR, lasts=YEAR).pem.decode(),
        a_ca().station("CP-1").pem.decode(),
    ],
    ids=["nonsense", "expired", "not an authority"],
)
def test_install_certificate_rejects_an_invalid_one_with_a_security_event(bad: str) -> None:
    scene = a_secure_scene()
    answer = scene.call("InstallCertificate", certificateType=ROOT, certificate=bad)
    assert answer.status == "Rejected"
    assert scene.events() == ["InvalidCentralSystemCertificate"]
    assert scene.installed().status == "NotFound"


def test_install_certificate_fails_when_the_store_is_full() -> None:
    scene = a_secure_scene(configuration={"CertificateStoreMaxLength": 2})
    assert scene.trust(a_ca("One")) == "Accepted"
    assert scene.trust(a_ca("Two"), use=MAKER) == "Accepted"
    assert scene.trust(a_ca("Three")) == "Failed"
    assert len(named(scene)) == 1


def test_install_certificate_survives_a_power_cycle() -> None:
    scene = a_secure_scene()
    scene.trust()
    scene.cycle_power(for_s=5)
    scene.run(for_s=30)
    assert len(named(scene)) == 1


def test_install_certificate_needs_no_link_between_the_roots() -> None:
    scene = a_secure_scene()
    keys = scene.call("GetConfiguration", key=["AdditionalRootCertificateCheck"]).payload
    assert keys["configurationKey"] == [
        {"key": "AdditionalRootCertificateCheck", "readonly": True, "value": "false"}
    ]
    assert scene.configure("AdditionalRootCertificateCheck", "true") == "Rejected"
    assert scene.trust(a_ca("One")) == scene.trust(a_ca("Two")) == "Accepted"


# ── DeleteCertificate ───────────────────────────────────────────────────────────────────────────


def test_delete_certificate_accepts_an_installed_one() -> None:
    scene = a_secure_scene()
    scene.trust()
    assert delete(scene, named(scene)[0]) == "Accepted"
    assert scene.installed().status == "NotFound"


def test_delete_certificate_does_not_find_an_unknown_one() -> None:
    scene = a_secure_scene()
    scene.trust()
    data = named(scene)[0] | {"serialNumber": "1234"}
    assert delete(scene, data) == "NotFound"
    assert len(named(scene)) == 1


def test_delete_certificate_fails_for_the_own_one_in_use() -> None:
    scene = a_secure_scene()
    scene.trust()
    assert delete(scene, own_hash(scene, scene.certify())) == "Failed"


def test_delete_certificate_accepts_an_own_one_that_is_not_in_use() -> None:
    scene = a_secure_scene()
    scene.trust()
    old = scene.ca.sign(scene.ask(), begins=NOW - DAY)
    scene.sign(old)
    scene.certify()
    assert delete(scene, own_hash(scene, old)) == "Accepted"
    assert delete(scene, own_hash(scene, old)) == "NotFound"


def test_delete_certificate_fails_for_the_only_root_the_connection_hangs_on() -> None:
    scene = at_profile("2")
    [first] = named(scene)
    assert delete(scene, first) == "Failed"
    scene.trust(a_ca("Second"))
    assert delete(scene, first) == "Accepted"


def test_delete_certificate_survives_a_power_cycle() -> None:
    scene = a_secure_scene()
    scene.trust()
    delete(scene, named(scene)[0])
    scene.cycle_power(for_s=5)
    scene.run(for_s=30)
    assert scene.installed().status == "NotFound"


# ── GetInstalledCertificateIds ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("use", [ROOT, MAKER])
def test_get_installed_certificate_ids_finds_nothing_in_a_new_station(use: str) -> None:
    answer = a_secure_scene().installed(use=use)
    assert answer.payload == {"status": "NotFound"}


def test_get_installed_certificate_ids_gives_the_hash_data_of_each() -> None:
    scene = a_secure_scene()
    cas = [a_ca("One"), a_ca("Two")]
    for ca in cas:
        scene.trust(ca)
    serials = [int(data["serialNumber"], 16) for data in named(scene)]
    assert serials == [ca.certificate.serial_number for ca in cas]
    assert scene.installed(use=MAKER).status == "NotFound"


# ── ChangeConfiguration: AuthorizationKey ───────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("0" * 30, "Rejected"),
        ("0" * 32, "Accepted"),
        ("aF" * 20, "Accepted"),
        ("0" * 33, "Rejected"),
        ("0" * 42, "Rejected"),
        ("g" * 32, "Rejected"),
    ],
)
def test_authorization_key_is_32_to_40_hex_digits(key: str, status: str) -> None:
    assert a_secure_scene().configure("AuthorizationKey", key) == status


def test_authorization_key_is_used_by_a_new_connection_at_once() -> None:
    scene = at_profile("1")
    before = scene.connection
    assert scene.configure("AuthorizationKey", OTHER_KEY) == "Accepted"
    assert scene.connection == before + 1
    assert scene.tried[-1].password == bytes.fromhex(OTHER_KEY)


def test_authorization_key_answer_leaves_before_the_link_goes() -> None:
    scene = at_profile("1")
    assert scene.configure("AuthorizationKey", OTHER_KEY) == "Accepted"  # `call` has seen it


def test_authorization_key_is_never_readable() -> None:
    scene = at_profile("1")
    answer = scene.call("GetConfiguration", key=["AuthorizationKey"]).payload
    assert KEY not in str(answer)
    assert KEY not in str(scene.call("GetConfiguration").payload)


def test_authorization_key_survives_a_power_cycle() -> None:
    scene = at_profile("1")
    scene.cycle_power(for_s=5)
    scene.run(for_s=30)
    scene.disconnect()
    scene.attempt()
    assert scene.tried[-1].password == bytes.fromhex(KEY)


# ── ChangeConfiguration: SecurityProfile; row 'security profile' ────────────────────────────────


@pytest.mark.parametrize("lower", ["0", "1", "2"])
def test_security_profile_goes_only_upwards(lower: str) -> None:
    scene = at_profile("2")
    assert scene.configure("SecurityProfile", lower) == "Rejected"
    assert scene.station.online
    assert not scene.seen(Reconnect)


def test_security_profile_1_needs_a_key_first() -> None:
    scene = a_secure_scene()
    assert scene.configure("SecurityProfile", "1") == "Rejected"
    scene.configure("AuthorizationKey", KEY)
    assert scene.configure("SecurityProfile", "1") == "Accepted"


def test_security_profile_2_needs_a_root_first() -> None:
    scene = a_secure_scene()
    scene.configure("AuthorizationKey", KEY)
    scene.trust(use=MAKER)
    assert scene.configure("SecurityProfile", "2") == "Rejected"
    scene.trust()
    assert scene.configure("SecurityProfile", "2") == "Accepted"


def test_security_profile_3_needs_a_certificate_of_its_own_first() -> None:
    scene = a_secure_scene()
    scene.trust()
    assert scene.configure("SecurityProfile", "3") == "Rejected"
    scene.certify()
    assert scene.configure("SecurityProfile", "3") == "Accepted"


@pytest.mark.parametrize(
    ("profile", "password", "roots", "certificate"),
    [("1", True, False, False), ("2", True, True, False), ("3", False, True, True)],
)
def test_security_profile_decides_what_is_used(
    profile: str, password: bool, roots: bool, certificate: bool
) -> None:
    used = at_profile(profile).tried[-1]
    assert (bool(used.password), bool(used.roots_pem), bool(used.chain_pem)) == (
        password,
        roots,
        certificate,
    )


def test_security_profile_is_raised_by_a_new_connection_and_the_old_one_is_closed() -> None:
    scene = a_secure_scene()
    scene.configure("AuthorizationKey", KEY)
    before = scene.connection
    scene.configure("SecurityProfile", "1")
    assert scene.connection == before + 1
    assert scene.tried[-1].profile == 1


def test_security_profile_that_fails_n_times_goes_back_and_is_reported() -> None:
    scene = at_profile("1")
    scene.tried.clear()
    scene.door = lambda credentials: NO_TLS if credentials.profile == 2 else None
    scene.configure("SecurityProfile", "2")
    while not scene.station.online:
        scene.attempt()
    assert [one.profile for one in scene.tried] == [2] * FALLBACK_ATTEMPTS + [1]
    assert "FailedToAuthenticateAtCentralSystem" in scene.events()
    keys = scene.call("GetConfiguration", key=["SecurityProfile"]).payload["configurationKey"]
    assert keys == [{"key": "SecurityProfile", "readonly": False, "value": "1"}]


def test_security_profile_survives_a_power_cycle() -> None:
    scene = at_profile("2")
    scene.cycle_power(for_s=5)
    scene.run(for_s=30)
    scene.disconnect()
    scene.attempt()
    assert scene.tried[-1].profile == 2


# ── row 'certificate flow' ──────────────────────────────────────────────────────────────────────


def test_certificate_flow_begins_with_a_real_csr_of_serial_and_operator() -> None:
    scene = a_secure_scene(configuration={"CpoName": "Voltwerk"})
    answer = scene.call("ExtendedTriggerMessage", requestedMessage="SignChargePointCertificate")
    assert answer.status == "Accepted"
    [sent] = scene.sent("SignCertificate")
    request = x509.load_pem_x509_csr(sent["csr"].encode())
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=CP-1,O=Voltwerk"


def test_certificate_flow_the_csr_is_sent_again_when_certificate_signed_never_comes() -> None:
    scene = a_secure_scene(configuration={"CertSigningWaitMinimum": 10})
    csr = scene.ask()
    scene.run(for_s=11)
    assert [one["csr"] for one in scene.sent("SignCertificate")] == [csr, csr]


def test_certificate_flow_security_events_are_queued_until_accepted() -> None:
    scene = at_profile("1")
    scene.on("SecurityEventNotification", SILENCE)
    scene.sign("nonsense")
    scene.disconnect()
    scene.on("SecurityEventNotification", {})
    scene.connect()
    assert scene.events() == ["InvalidChargePointCertificate"] * 2
    scene.disconnect()
    scene.connect()
    assert len(scene.events()) == 2


def test_certificate_flow_a_certificate_is_replaced_before_it_ends() -> None:
    scene = at_profile("3")
    scene.sign(scene.ca.sign(scene.ask(), begins=NOW, lasts=timedelta(hours=3)))
    scene.mark()
    scene.run(for_s=7201)
    assert scene.sent("SignCertificate")
