"""The certificates of a station: asked for, signed, renewed, trusted and deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from builders_pki import DAY, YEAR, Ca
from builders_security import NOW, SecureScene, a_ca, a_secure_scene
from builders_station import SILENCE, Error
from simfleet.pki.checks import facts_of
from simfleet.station import certificates
from simfleet.station.certificates import OWN_MAX, RENEWAL_PAUSE_S
from simfleet.station.memory import decode_kept, encode_kept, recall, remember

DAY_S = 86_400.0


def own_of(scene: SecureScene) -> list[bytes]:
    assert scene.station.security is not None
    return [own.chain_pem for own in scene.station.security.own]


def requests_of(scene: SecureScene) -> list[str]:
    return [one["csr"] for one in scene.sent("SignCertificate")]


def hash_data(scene: SecureScene, use: str = "CentralSystemRootCertificate") -> dict[str, str]:
    [found] = scene.installed(use=use).payload["certificateHashData"]
    return dict(found)


# ── asking ──────────────────────────────────────────────────────────────────────────────────────


def test_the_request_names_station_and_operator() -> None:
    scene = a_secure_scene(configuration={"CpoName": "Voltwerk"})
    request = x509.load_pem_x509_csr(scene.ask().encode())
    assert request.subject.rfc4514_string() == "CN=CP-1,O=Voltwerk"
    assert request.is_signature_valid


def test_a_new_request_replaces_the_open_one() -> None:
    scene = a_secure_scene()
    first, second = scene.ask(), scene.ask()
    assert scene.sign(scene.ca.sign(first)) == "Rejected"
    assert scene.sign(scene.ca.sign(second)) == "Accepted"


def test_a_request_that_nobody_signs_is_repeated_with_doubling_waits_and_given_up() -> None:
    keys = {"CertSigningWaitMinimum": 10, "CertSigningRepeatTimes": 2}
    scene = a_secure_scene(configuration=keys)
    csr = scene.ask()
    scene.run(for_s=500)
    sent = scene.sent("SignCertificate")
    assert [one.at_s - sent[0].at_s for one in sent] == pytest.approx([0, 10, 30])
    assert {one["csr"] for one in sent} == {csr}
    assert scene.sign(scene.ca.sign(csr)) == "Rejected"


def test_a_certificate_that_comes_late_fits_all_the_same() -> None:
    scene = a_secure_scene(configuration={"CertSigningWaitMinimum": 10})
    csr = scene.ask()
    scene.run(for_s=35)
    assert len(requests_of(scene)) > 1
    assert scene.sign(scene.ca.sign(csr)) == "Accepted"
    scene.mark()
    scene.run(for_s=500)
    assert not requests_of(scene)


@pytest.mark.parametrize("answer", [Error("InternalError"), SILENCE], ids=["error", "silence"])
def test_a_request_that_is_not_answered_is_repeated(answer: object) -> None:
    scene = a_secure_scene(configuration={"CertSigningWaitMinimum": 60})
    scene.on("SignCertificate", answer, {"status": "Accepted"})  # type: ignore[arg-type]
    scene.ask()
    scene.run(for_s=100)
    assert len(requests_of(scene)) == 2


def test_a_csms_that_will_not_sign_is_not_asked_again() -> None:
    scene = a_secure_scene(configuration={"CertSigningWaitMinimum": 10})
    scene.on("SignCertificate", {"status": "Rejected"})
    csr = scene.ask()
    scene.run(for_s=1000)
    assert len(requests_of(scene)) == 1
    assert scene.sign(scene.ca.sign(csr)) == "Rejected"


def test_offline_the_request_waits_for_the_link() -> None:
    scene = a_secure_scene(configuration={"CertSigningWaitMinimum": 10})
    scene.disconnect()
    certificates.ask(scene.station, at_s=scene.now_s)
    scene.tick()
    scene.run(for_s=1000)
    assert not requests_of(scene)
    scene.connect()
    scene.run(for_s=10)
    assert len(requests_of(scene)) == 1


def test_a_request_that_could_not_be_made_is_made_again() -> None:
    scene = a_secure_scene(configuration={"CertSigningWaitMinimum": 10})
    scene.errands_work = False
    certificates.ask(scene.station, at_s=scene.now_s)
    scene.tick()
    assert len(scene.requests) == 1
    scene.errands_work = True
    scene.run(for_s=10)
    assert len(requests_of(scene)) == 1
    assert len(scene.requests) == 1  # the first was given up


def test_an_open_request_survives_simfleet_with_its_key() -> None:
    scene = a_secure_scene()
    csr = scene.ask()
    again = restarted(scene)
    again.boot()
    assert again.sign(scene.ca.sign(csr)) == "Accepted"


def restarted(scene: SecureScene) -> SecureScene:
    kept = decode_kept(encode_kept(remember(scene.station)))
    again = SecureScene(ca=scene.ca, began_s=scene.now_s, epoch_s=scene.wall_s, seed=7)
    recall(again.station, kept, at_s=again.now_s)
    return again


# ── signed ──────────────────────────────────────────────────────────────────────────────────────


def test_the_chain_is_kept_as_it_came() -> None:
    scene = a_secure_scene()
    middle = Ca("Middle", now=NOW, parent=scene.ca)
    scene.trust()
    chain = middle.sign(scene.ask()) + middle.pem
    assert scene.sign(chain) == "Accepted"
    assert own_of(scene) == [chain]


def test_a_certificate_without_a_request_is_refused() -> None:
    scene = a_secure_scene()
    assert scene.sign(scene.ca.station("CP-1").pem) == "Rejected"
    assert scene.events() == ["InvalidChargePointCertificate"]


def test_a_refused_certificate_leaves_the_request_open() -> None:
    scene = a_secure_scene()
    csr = scene.ask()
    assert scene.sign("nonsense") == "Rejected"
    assert scene.sign(scene.ca.sign(csr)) == "Accepted"


def test_the_same_certificate_twice_is_refused_the_second_time() -> None:
    scene = a_secure_scene()
    chain = scene.certify()
    assert scene.sign(chain) == "Rejected"
    assert len(own_of(scene)) == 1


def test_few_old_certificates_are_kept() -> None:
    scene = a_secure_scene()
    for _ in range(OWN_MAX + 2):
        scene.certify()
        scene.run(for_s=1)
    assert len(own_of(scene)) == OWN_MAX


def test_the_newest_valid_certificate_is_used() -> None:
    scene = a_secure_scene()
    new = scene.ca.sign(scene.ask(), begins=NOW - timedelta(minutes=1))
    assert scene.sign(new) == "Accepted"
    old = scene.ca.sign(scene.ask(), begins=NOW - DAY)
    assert scene.sign(old) == "Accepted"
    used = certificates.in_use(scene.station, at_s=scene.now_s)
    assert used is not None
    assert used.chain_pem == new


def test_an_expired_newest_certificate_gives_way_to_an_older_valid_one() -> None:
    scene = a_secure_scene()
    lasting = scene.ca.sign(scene.ask(), begins=NOW - DAY)
    scene.sign(lasting)
    scene.sign(scene.ca.sign(scene.ask(), begins=NOW, lasts=timedelta(hours=1)))
    scene.on("SignCertificate", {"status": "Rejected"})
    scene.run(for_s=7200)
    used = certificates.in_use(scene.station, at_s=scene.now_s)
    assert used is not None
    assert used.chain_pem == lasting


@given(st.text(max_size=300))
@settings(max_examples=40, deadline=None)
def test_any_text_is_answered(text: str) -> None:
    scene = a_secure_scene()
    scene.ask()
    assert scene.sign(text) == "Rejected"
    install = scene.call(
        "InstallCertificate", certificateType="CentralSystemRootCertificate", certificate=text
    )
    assert install.status == "Rejected"


# ── renewal ─────────────────────────────────────────────────────────────────────────────────────


def test_a_certificate_is_renewed_a_month_before_it_ends() -> None:
    scene = a_secure_scene()
    begins = NOW - DAY
    scene.sign(scene.ca.sign(scene.ask(), begins=begins, lasts=YEAR))
    scene.mark()
    scene.run(for_s=(365 - 1 - 30) * DAY_S - 60)
    assert not requests_of(scene)
    scene.run(for_s=70)
    assert len(requests_of(scene)) == 1


def test_a_short_certificate_is_renewed_when_a_third_is_left() -> None:
    scene = a_secure_scene()
    scene.sign(scene.ca.sign(scene.ask(), begins=NOW, lasts=timedelta(hours=3)))
    scene.mark()
    scene.run(for_s=7199)
    assert not requests_of(scene)
    scene.run(for_s=2)
    assert len(requests_of(scene)) == 1


def test_the_renewed_certificate_is_the_one_in_use() -> None:
    scene = a_secure_scene()
    scene.sign(scene.ca.sign(scene.ask(), begins=NOW, lasts=timedelta(hours=3)))
    scene.mark()
    scene.run(for_s=7205)
    [csr] = requests_of(scene)
    renewed = scene.ca.sign(csr, begins=NOW + timedelta(hours=1))
    assert scene.sign(renewed) == "Accepted"
    used = certificates.in_use(scene.station, at_s=scene.now_s)
    assert used is not None
    assert used.chain_pem == renewed


def test_a_renewal_that_is_refused_is_tried_again_later_and_never_in_a_storm() -> None:
    scene = a_secure_scene()
    scene.sign(scene.ca.sign(scene.ask(), begins=NOW, lasts=timedelta(days=90)))
    scene.on("SignCertificate", {"status": "Rejected"})
    scene.mark()
    scene.run(for_s=65 * DAY_S)
    moments = [one.at_s for one in scene.sent("SignCertificate")]
    assert moments[1] - moments[0] == pytest.approx(RENEWAL_PAUSE_S, abs=1)
    assert 5 <= len(moments) <= 7
    scene.run(for_s=40 * DAY_S)  # past its end
    assert len(scene.sent("SignCertificate")) < 70


def test_renewal_is_planned_anew_after_simfleet_was_restarted() -> None:
    scene = a_secure_scene()
    scene.sign(scene.ca.sign(scene.ask(), begins=NOW, lasts=timedelta(hours=3)))
    again = restarted(scene)
    again.boot()
    again.run(for_s=7205)
    assert len(requests_of(again)) == 1


def test_renewal_falls_due_while_the_station_is_dark() -> None:
    scene = a_secure_scene()
    scene.sign(scene.ca.sign(scene.ask(), begins=NOW, lasts=timedelta(hours=3)))
    scene.mark()
    scene.cycle_power(for_s=8000)
    scene.run(for_s=300)
    assert len(requests_of(scene)) >= 1


# ── trusted roots ───────────────────────────────────────────────────────────────────────────────


def test_a_root_is_named_by_its_hashes() -> None:
    scene = a_secure_scene()
    assert scene.trust() == "Accepted"
    named = hash_data(scene)
    assert named["hashAlgorithm"] == "SHA256"
    assert int(named["serialNumber"], 16) == scene.ca.certificate.serial_number
    assert facts_of(scene.ca.pem).serial_number == named["serialNumber"]


def test_roots_of_both_kinds_are_apart() -> None:
    scene = a_secure_scene()
    maker = a_ca("Maker")
    scene.trust()
    scene.trust(maker, use="ManufacturerRootCertificate")
    assert hash_data(scene) != hash_data(scene, "ManufacturerRootCertificate")


def test_the_same_root_twice_is_one() -> None:
    scene = a_secure_scene()
    assert scene.trust() == scene.trust() == "Accepted"
    hash_data(scene)


def test_roots_survive_simfleet() -> None:
    scene = a_secure_scene()
    scene.trust()
    before = hash_data(scene)
    again = restarted(scene)
    again.boot()
    assert hash_data(again) == before


def test_deleting_takes_any_spelling_of_the_digits() -> None:
    scene = a_secure_scene()
    scene.trust()
    named = hash_data(scene)
    named["issuerNameHash"] = named["issuerNameHash"].upper()
    named["serialNumber"] = "00" + named["serialNumber"].upper()
    named["serialNumber"] = named["serialNumber"][-40:]
    assert scene.call("DeleteCertificate", certificateHashData=named).status == "Accepted"
    assert scene.installed().status == "NotFound"


@pytest.mark.parametrize("algorithm", ["SHA384", "SHA512"])
def test_deleting_takes_any_hash_algorithm(algorithm: str) -> None:
    from simfleet.pki.checks import certificate_hash_data

    scene = a_secure_scene()
    scene.trust()
    data = certificate_hash_data(scene.ca.pem, None, algorithm)  # type: ignore[arg-type]
    named = {
        "hashAlgorithm": data.hash_algorithm,
        "issuerNameHash": data.issuer_name_hash,
        "issuerKeyHash": data.issuer_key_hash,
        "serialNumber": data.serial_number,
    }
    assert scene.call("DeleteCertificate", certificateHashData=named).status == "Accepted"
