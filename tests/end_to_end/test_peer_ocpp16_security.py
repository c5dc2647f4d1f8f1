"""Certificates and security events, commanded by a CSMS that is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from end_to_end.peer_flow import IDENTITY, commanded
from end_to_end.peer_pki import ForeignCa, subject_of

if TYPE_CHECKING:
    from pathlib import Path

OWNED = "CpoName: Foreign CPO"


def test_roots_are_installed_listed_and_deleted(tmp_path: Path) -> None:
    first, second = ForeignCa("First"), ForeignCa("Second")
    manufacturer = {"certificate_type": "ManufacturerRootCertificate"}
    with commanded(tmp_path, mode="connect") as flow:
        assert flow.status_of("GetInstalledCertificateIds", **manufacturer) == "NotFound"
        for ca in (first, second):
            installed = flow.status_of("InstallCertificate", certificate=ca.pem, **manufacturer)
            assert installed == "Accepted"
        found = flow.ask("GetInstalledCertificateIds", **manufacturer)["certificate_hash_data"]
        assert sorted(found, key=str) == sorted([first.hash_data(), second.hash_data()], key=str)

        gone = {"certificate_hash_data": first.hash_data()}
        assert flow.status_of("DeleteCertificate", **gone) == "Accepted"
        assert flow.status_of("DeleteCertificate", **gone) == "NotFound"
        found = flow.ask("GetInstalledCertificateIds", **manufacturer)["certificate_hash_data"]
        assert found == [second.hash_data()]

        broken = {"certificate_type": "CentralSystemRootCertificate", "certificate": "nonsense"}
        assert flow.status_of("InstallCertificate", **broken) == "Rejected"
        flow.wait_for("SecurityEventNotification", type="InvalidCentralSystemCertificate")


def test_a_certificate_is_asked_for_signed_and_taken(tmp_path: Path) -> None:
    ca = ForeignCa()
    trigger = {"requested_message": "SignChargePointCertificate"}
    with commanded(tmp_path, mode="connect", configuration=OWNED) as flow:
        root = {"certificate_type": "CentralSystemRootCertificate", "certificate": ca.pem}
        assert flow.status_of("InstallCertificate", **root) == "Accepted"
        assert flow.status_of("ExtendedTriggerMessage", **trigger) == "Accepted"
        csr = flow.wait_for("SignCertificate").payload["csr"]
        assert subject_of(csr) == {"CN": IDENTITY, "O": "Foreign CPO"}

        wrong = flow.status_of("CertificateSigned", certificate_chain=ca.unasked(IDENTITY))
        assert wrong == "Rejected"
        flow.wait_for("SecurityEventNotification", type="InvalidChargePointCertificate")

        assert flow.status_of("ExtendedTriggerMessage", **trigger) == "Accepted"
        csr = flow.wait_for("SignCertificate").payload["csr"]
        taken = flow.status_of("CertificateSigned", certificate_chain=ca.signed(csr))
        assert taken == "Accepted"


def test_secrets_and_profiles_are_guarded(tmp_path: Path) -> None:
    with commanded(tmp_path, mode="connect") as flow:
        for key, value, status in (
            ("AuthorizationKey", "short", "Rejected"),
            ("AuthorizationKey", "00112233445566778899aabbccddeeff00112233", "Accepted"),
            ("SecurityProfile", "3", "Rejected"),  # neither root nor certificate
            ("SecurityProfile", "0", "Rejected"),
        ):
            assert flow.status_of("ChangeConfiguration", key=key, value=value) == status, key
        read = flow.ask("GetConfiguration", key=["AuthorizationKey"])
        assert "00112233" not in str(read)
