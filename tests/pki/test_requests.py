"""Certificate requests: real PKCS#10, with a key of their own."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simfleet.pki.requests import NAME_MAX_CHARS, make_certificate_request

SIGN_CERTIFICATE_CSR_MAX_CHARS = 5500


def names_of(csr_pem: bytes) -> tuple[str, str]:
    subject = x509.load_pem_x509_csr(csr_pem).subject
    return tuple(  # type: ignore[return-value]
        str(found[0].value) if (found := subject.get_attributes_for_oid(oid)) else ""
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    )


def test_a_request_names_the_station_and_is_signed_with_its_own_key() -> None:
    csr_pem, key_pem = make_certificate_request("CP-1", "Operator")
    request = x509.load_pem_x509_csr(csr_pem)
    key = serialization.load_pem_private_key(key_pem, password=None)
    assert request.is_signature_valid
    assert names_of(csr_pem) == ("CP-1", "Operator")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert key.public_key() == request.public_key()


def test_a_request_fits_into_sign_certificate() -> None:
    csr_pem, _ = make_certificate_request("C" * 200, "O" * 200)
    assert len(csr_pem) < SIGN_CERTIFICATE_CSR_MAX_CHARS


def test_every_request_has_a_key_of_its_own() -> None:
    assert make_certificate_request("A").key_pem != make_certificate_request("A").key_pem


def test_an_organization_that_is_not_known_is_left_out() -> None:
    assert names_of(make_certificate_request("CP-1").csr_pem) == ("CP-1", "")


def test_names_are_cut_to_what_x520_allows() -> None:
    common_name, organization = names_of(make_certificate_request("C" * 70, "O" * 70).csr_pem)
    assert len(common_name) == len(organization) == NAME_MAX_CHARS


def test_a_request_needs_a_name() -> None:
    with pytest.raises(ValueError, match="common name"):
        make_certificate_request("")
