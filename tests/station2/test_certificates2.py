"""Certificates and security events of OCPP 2.0.1 and 2.1 (blocks A, M)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders_maintenance2 import SecureScene2, a_secure_scene2
from builders_pki import Ca
from builders_security import BAD_SERVER, NOW, a_ca
from builders_station2 import SILENCE, versions
from simfleet.pki.checks import certificate_hash_data
from simfleet.station import certificates, security
from simfleet.station.agenda import Job, due_s
from simfleet.station.chance import Chance
from simfleet.station.dialects import v2x_certificates
from simfleet.station.memory import decode_kept, encode_kept, recall, remember
from simfleet.station.security import SecurityEvent
from simfleet.station.station import Station

V2G = "V2GCertificate"
ROOTS = ["CSMSRootCertificate", "ManufacturerRootCertificate", "V2GRootCertificate"]
ROOTS += ["MORootCertificate"]


def ask(scene: SecureScene2, message: str = "SignChargingStationCertificate") -> dict[str, Any]:
    """Have the station ask for a certificate; the SignCertificate that it sends."""
    before = len(scene.log)
    assert v2x_certificates.trigger(scene.station, message, at_s=scene.now_s) == "Accepted"
    scene.tick()
    (sent,) = [one for one in scene.log[before:] if one.action == "SignCertificate"]
    return sent.payload


def sign(scene: SecureScene2, chain: bytes | str, **more: Any) -> str:
    text = chain if isinstance(chain, str) else chain.decode()
    return scene.call("CertificateSigned", certificateChain=text, **more).status


def hash_data(pem: bytes, issuer: bytes | None = None) -> dict[str, str]:
    name = certificate_hash_data(pem, issuer or pem)
    return {
        "hashAlgorithm": name.hash_algorithm,
        "issuerNameHash": name.issuer_name_hash,
        "issuerKeyHash": name.issuer_key_hash,
        "serialNumber": name.serial_number,
    }


# ── A02: a certificate for the station ────────────────────────────────────────────────────────────


@versions
def test_a_certificate_is_asked_for_signed_and_taken(version: str) -> None:
    """A02: SignCertificate with a real PKCS#10 request and its type; CertificateSigned Accepted."""
    scene = a_secure_scene2(version)
    request = ask(scene)
    assert request["certificateType"] == "ChargingStationCertificate"
    chain = scene.ca.sign(request["csr"])
    assert sign(scene, chain, certificateType="ChargingStationCertificate") == "Accepted"
    own = certificates.in_use(scene.station, at_s=scene.now_s)
    assert own is not None
    assert own.chain_pem == chain
    assert scene.security_events() == []


def test_requests_of_21_are_numbered_and_answered_by_number() -> None:
    """2.1 A02: requestId of SignCertificate and CertificateSigned."""
    scene = a_secure_scene2("ocpp2.1")
    request = ask(scene)
    chain = scene.ca.sign(request["csr"])
    assert sign(scene, chain, requestId=request["requestId"] + 1) == "Rejected"
    assert sign(scene, chain, requestId=request["requestId"]) == "Accepted"


@versions
def test_a_bad_certificate_is_rejected_and_reported(version: str) -> None:
    """A02.FR.07: Rejected and the security event InvalidChargingStationCertificate."""
    scene = a_secure_scene2(version)
    ask(scene)
    assert sign(scene, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----") == "Rejected"
    scene.tick()
    assert scene.security_events() == ["InvalidChargingStationCertificate"]


@versions
def test_a_certificate_for_something_else_is_rejected(version: str) -> None:
    """CertificateSigned.certificateType is that of the request."""
    scene = a_secure_scene2(version)
    chain = scene.ca.sign(ask(scene)["csr"])
    assert sign(scene, chain, certificateType=V2G) == "Rejected"
    assert sign(scene, chain) == "Accepted"


@versions
def test_a_certificate_that_nobody_asked_for_is_rejected(version: str) -> None:
    """A02: there is no key for it."""
    scene = a_secure_scene2(version)
    assert sign(scene, scene.ca.station("CP-1").pem) == "Rejected"


@versions
def test_an_unanswered_request_is_repeated_with_doubled_pauses(version: str) -> None:
    """A02.FR.17 to .19: CertSigningWaitMinimum doubling, CertSigningRepeatTimes."""
    configuration = {"CertSigningWaitMinimum": 10, "CertSigningRepeatTimes": 2}
    scene = a_secure_scene2(version, configuration=configuration)
    began_s = scene.now_s
    ask(scene)
    scene.run(for_s=500)
    assert [one.at_s - began_s for one in scene.sent("SignCertificate")] == [0, 10, 30]


@versions
def test_a_new_certificate_is_tried_at_once_where_it_is_used(version: str) -> None:
    """A02.FR.09: reconnect with it at security profile 3; if that fails, back to the old one."""
    scene = SecureScene2(version=version, configuration={"SecurityProfile": 3})
    scene.boot()
    scene.trust2()
    first = scene.ca.sign(ask(scene)["csr"])
    assert sign(scene, first) == "Accepted"
    scene.tick()
    assert scene.tried[-1].chain_pem == first


# ── A03, M: certificates for vehicles ─────────────────────────────────────────────────────────────


@versions
def test_a_certificate_for_vehicles_is_kept_apart(version: str) -> None:
    """A03: certificateType V2GCertificate; it is no credential for the CSMS."""
    scene = a_secure_scene2(version)
    request = ask(scene, "SignV2GCertificate")
    assert request["certificateType"] == V2G
    assert sign(scene, scene.ca.sign(request["csr"]), certificateType=V2G) == "Accepted"
    assert certificates.in_use(scene.station, at_s=scene.now_s) is None
    found = scene.installed2("V2GCertificateChain")
    assert [one["certificateType"] for one in found] == ["V2GCertificateChain"]


@versions
def test_two_uses_are_asked_for_one_after_the_other(version: str) -> None:
    """Both requests are fulfilled, whichever came first."""
    scene = a_secure_scene2(version)
    first = ask(scene)
    scene.mark()
    v2x_certificates.trigger(scene.station, "SignV2GCertificate", at_s=scene.now_s)
    scene.tick()
    assert scene.sent("SignCertificate") == []
    assert sign(scene, scene.ca.sign(first["csr"])) == "Accepted"
    scene.tick()
    (second,) = scene.sent("SignCertificate")
    assert second["certificateType"] == V2G
    assert sign(scene, scene.ca.sign(second["csr"])) == "Accepted"


@versions
def test_a_combined_certificate_serves_both(version: str) -> None:
    """SignCombinedCertificate: no certificateType, one certificate for CSMS and vehicles."""
    scene = a_secure_scene2(version)
    request = ask(scene, "SignCombinedCertificate")
    assert "certificateType" not in request
    assert sign(scene, scene.ca.sign(request["csr"])) == "Accepted"
    assert certificates.in_use(scene.station, at_s=scene.now_s) is not None
    assert len(scene.installed2("V2GCertificateChain")) == 1


@versions
def test_a_station_may_have_no_certificates_for_vehicles(version: str) -> None:
    """ISO15118Ctrlr.V2GCertificateInstallationEnabled false: the trigger is Rejected."""
    configuration = {"ISO15118Ctrlr.V2GCertificateInstallationEnabled": "false"}
    scene = a_secure_scene2(version, configuration=configuration)
    status = v2x_certificates.trigger(scene.station, "SignV2GCertificate", at_s=scene.now_s)
    assert status == "Rejected"


@versions
def test_the_certificate_for_vehicles_is_looked_up_at_once_and_every_week(version: str) -> None:
    """M06.FR.10: GetCertificateStatus for every certificate of the V2G chain."""
    scene = a_secure_scene2(version)
    scene.on("GetCertificateStatus", {"status": "Accepted", "ocspResult": "MAoKAQA="})
    request = ask(scene, "SignV2GCertificate")
    intermediate = Ca("V2G Sub", now=NOW, parent=scene.ca)
    sign(scene, intermediate.sign(request["csr"]) + intermediate.pem)
    scene.tick()
    asked = scene.sent("GetCertificateStatus")
    assert [one["ocspRequestData"]["serialNumber"] for one in asked] == [
        one["serialNumber"]
        for chain in scene.installed2("V2GCertificateChain")
        for one in (chain["certificateHashData"], *chain["childCertificateHashData"])
    ]
    state = scene.station.plug_and_charge
    assert state is not None
    assert set(state.ocsp.values()) == {"MAoKAQA="}
    scene.mark()
    scene.run(for_s=7 * 86_400 + 1)
    assert len(scene.sent("GetCertificateStatus")) == 2


@versions
def test_an_unknown_status_is_asked_for_again_within_the_hour(version: str) -> None:
    """M06: Failed."""
    scene = a_secure_scene2(version)
    request = ask(scene, "SignV2GCertificate")
    sign(scene, scene.ca.sign(request["csr"]))
    scene.tick()
    assert due_s(scene.station, Job.OCSP) == pytest.approx(scene.now_s + 3600)


# ── M03 to M05: what is trusted ───────────────────────────────────────────────────────────────────


@versions
@pytest.mark.parametrize("use", ROOTS)
def test_a_root_is_installed_found_and_deleted(version: str, use: str) -> None:
    """M05 Accepted, M03 Accepted with its hash data, M04 Accepted, then NotFound."""
    scene = a_secure_scene2(version)
    assert scene.trust2(use=use) == "Accepted"
    named = hash_data(scene.ca.pem)
    expected = [{"certificateType": use, "certificateHashData": named}]
    assert scene.installed2(use) == expected
    assert scene.installed2() == expected
    others = [one for one in ROOTS if one != use]
    assert scene.installed2(*others) == []
    assert scene.call("DeleteCertificate", certificateHashData=named).status == "Accepted"
    assert scene.call("DeleteCertificate", certificateHashData=named).status == "NotFound"
    assert scene.installed2(use) == []


def test_21_knows_roots_of_car_makers() -> None:
    """2.1 InstallCertificateUseEnumType OEMRootCertificate."""
    scene = a_secure_scene2("ocpp2.1")
    assert scene.trust2(use="OEMRootCertificate") == "Accepted"
    assert len(scene.installed2("OEMRootCertificate")) == 1


@versions
def test_a_root_that_has_expired_is_rejected_and_reported(version: str) -> None:
    """M05: Rejected; the security event InvalidCsmsCertificate for a root of the CSMS."""
    scene = a_secure_scene2(version)
    old = Ca("Old", now=NOW - timedelta(days=400), lasts=timedelta(days=30))
    assert scene.trust2(old) == "Rejected"
    scene.tick()
    assert scene.security_events() == ["InvalidCsmsCertificate"]
    scene.mark()
    assert scene.trust2(old, use="MORootCertificate") == "Rejected"
    scene.tick()
    assert scene.security_events() == []


@versions
def test_a_store_that_is_full_fails(version: str) -> None:
    """M05: Failed (CertificateEntries)."""
    scene = a_secure_scene2(version, configuration={"CertificateStoreMaxLength": 1})
    assert scene.trust2() == "Accepted"
    assert scene.trust2(a_ca("Another")) == "Failed"


@versions
def test_the_stations_own_certificate_in_use_cannot_be_deleted(version: str) -> None:
    """M04.FR.06: Failed."""
    scene = a_secure_scene2(version)
    chain = scene.ca.sign(ask(scene)["csr"])
    sign(scene, chain)
    scene.trust2()
    named = hash_data(chain, scene.ca.pem)
    assert scene.call("DeleteCertificate", certificateHashData=named).status == "Failed"


@versions
def test_the_certificate_for_vehicles_can_be_deleted(version: str) -> None:
    """M04: V2GCertificateChain."""
    scene = a_secure_scene2(version)
    sign(scene, scene.ca.sign(ask(scene, "SignV2GCertificate")["csr"]))
    (found,) = scene.installed2("V2GCertificateChain")
    named = found["certificateHashData"]
    assert scene.call("DeleteCertificate", certificateHashData=named).status == "Accepted"
    assert scene.installed2() == []


# ── A04: security events ──────────────────────────────────────────────────────────────────────────


@versions
@pytest.mark.parametrize(
    ("event", "word"),
    [
        (SecurityEvent.REFUSED_BY_CSMS, "FailedToAuthenticateAtCsms"),
        (SecurityEvent.BAD_CSMS_CERTIFICATE, "InvalidCsmsCertificate"),
        (SecurityEvent.BAD_OWN_CERTIFICATE, "InvalidChargingStationCertificate"),
        (SecurityEvent.TAMPERED, "TamperDetectionActivated"),
    ],
)
def test_security_events_have_the_words_of_2x(
    version: str, event: SecurityEvent, word: str
) -> None:
    """2.0.1 part 2 appendix 1: names that differ from those of the 1.6 whitepaper."""
    scene = a_secure_scene2(version, security_events=True)
    scene.mark()
    security.report(scene.station, event, at_s=scene.now_s)
    scene.tick()
    assert scene.security_events() == [word]


@versions
def test_security_events_wait_until_the_station_is_accepted(version: str) -> None:
    """A04.FR.02, section 5 "certificate flow": queued until Accepted, in order."""
    scene = SecureScene2(version=version, security_events=True)
    scene.on("BootNotification", {"status": "Pending", "currentTime": scene.clock, "interval": 30})
    scene.boot()
    for event in (SecurityEvent.TAMPERED, SecurityEvent.BAD_TLS_VERSION):
        security.report(scene.station, event, at_s=scene.now_s)
    scene.run(for_s=10)
    assert scene.sent("SecurityEventNotification") == []
    scene.on(
        "BootNotification", {"status": "Accepted", "currentTime": scene.clock, "interval": 300}
    )
    scene.run(for_s=30)
    told = scene.security_events()
    assert told[:2] == ["TamperDetectionActivated", "InvalidTLSVersion"]


@versions
def test_a_refused_or_unanswered_event_is_sent_again(version: str) -> None:
    """A04: no event is lost."""
    scene = a_secure_scene2(version, security_events=True)
    scene.run(for_s=60)
    scene.mark()
    scene.on("SecurityEventNotification", SILENCE, {})
    security.report(scene.station, SecurityEvent.TAMPERED, at_s=scene.now_s)
    scene.tick()
    scene.run(for_s=300)
    assert scene.security_events() == ["TamperDetectionActivated"] * 2


# ── security profiles ─────────────────────────────────────────────────────────────────────────────


@versions
def test_a_csms_with_a_bad_certificate_is_an_event(version: str) -> None:
    """A01, profile 2 and 3: InvalidCsmsCertificate once the CSMS can be told."""
    scene = SecureScene2(version=version, configuration={"SecurityProfile": 2})
    scene.door = lambda _: BAD_SERVER
    scene.attempt()
    scene.door = lambda _: None
    scene.attempt()
    scene.run(for_s=1)
    assert "InvalidCsmsCertificate" in scene.security_events()


@versions
def test_what_breaks_the_protocol_is_an_event(version: str) -> None:
    """Part 4, 4.2.3 (libocpp): RpcFrameworkError and the security event InvalidMessages."""
    scene = a_secure_scene2(version, security_events=True)
    scene.mark()
    scene.receive(b"{not json")
    scene.run(for_s=1)
    assert scene.security_events() == ["InvalidMessages"]


@versions
def test_a_certificate_for_vehicles_comes_from_a_root_for_vehicles(version: str) -> None:
    """A02, M05: a V2GRootCertificate vouches for V2G certificates, a CSMSRootCertificate does not
    matter to them.
    """
    scene, other = a_secure_scene2(version), a_ca("V2G Root")
    assert scene.trust2(use="CSMSRootCertificate") == "Accepted"
    request = ask(scene, "SignV2GCertificate")
    assert scene.trust2(other, use="V2GRootCertificate") == "Accepted"
    assert sign(scene, scene.ca.sign(request["csr"])) == "Rejected"
    assert sign(scene, other.sign(request["csr"])) == "Accepted"


@versions
def test_certificates_of_both_kinds_outlive_a_new_life(version: str) -> None:
    """Persistence: what the hardware keeps; the V2G chain is looked up anew."""
    scene = a_secure_scene2(version)
    sign(scene, scene.ca.sign(ask(scene)["csr"]))
    sign(scene, scene.ca.sign(ask(scene, "SignV2GCertificate")["csr"]))
    scene.trust2(use="MORootCertificate")
    kept = decode_kept(encode_kept(remember(scene.station)))
    station = scene.station
    again = Station(
        "CP-1", station.spec, station.configuration, chance=Chance.of(2, 1), wall_offset_s=0.0
    )
    recall(again, kept, at_s=0.0)
    assert again.security is not None
    assert station.security is not None
    assert again.security.own == station.security.own
    assert [one.use for one in again.security.own] == ["", V2G]
    assert again.security.roots == station.security.roots
    assert due_s(again, Job.OCSP) == 0.0
