from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID

from builders_maintenance import NOW, Signer
from simfleet.pki.firmware import firmware_signature_valid, signer_problem

FILE = b"\x7fELF" * 1000
NOW_S = NOW.timestamp()
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey


def certificate_of(key: Key) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, algorithm)
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def valid(signature: bytes, certificate: str, content: bytes = FILE) -> bool:
    text = base64.b64encode(signature).decode()
    return firmware_signature_valid(content, signature=text, certificate_pem=certificate)


@pytest.mark.parametrize("salt", [32, padding.PSS.MAX_LENGTH])
def test_rsa_with_pss_is_understood(rsa_key: rsa.RSAPrivateKey, salt: int) -> None:
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    signature = rsa_key.sign(FILE, scheme, hashes.SHA256())
    assert valid(signature, certificate_of(rsa_key))
    assert not valid(signature, certificate_of(rsa_key), FILE + b"!")


def test_rsa_with_pkcs1_is_understood(rsa_key: rsa.RSAPrivateKey) -> None:
    signature = rsa_key.sign(FILE, padding.PKCS1v15(), hashes.SHA256())
    assert valid(signature, certificate_of(rsa_key))
    assert not valid(signature, certificate_of(ec.generate_private_key(ec.SECP256R1())))


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
def test_ecdsa_is_understood(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    signature = key.sign(FILE, ec.ECDSA(hashes.SHA256()))
    assert valid(signature, certificate_of(key))
    assert not valid(signature[:-1] + b"\x00", certificate_of(key))


def test_ed25519_is_understood() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    assert valid(key.sign(FILE), certificate_of(key))


def test_a_key_of_another_kind_signs_nothing() -> None:
    key = dsa.generate_private_key(2048)
    assert not valid(key.sign(FILE, hashes.SHA256()), certificate_of(key))


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64!", "ü", "A" * 10_001])
@pytest.mark.parametrize("certificate", ["", "-----BEGIN CERTIFICATE-----", "good"])
def test_what_cannot_be_read_is_not_valid(signature: str, certificate: str) -> None:
    pem = Signer().pem if certificate == "good" else certificate
    assert not firmware_signature_valid(FILE, signature=signature, certificate_pem=pem)


def test_lines_in_the_signature_do_not_matter() -> None:
    signer = Signer()
    signature = signer.sign(FILE)
    broken = f"{signature[:40]}\n{signature[40:]}\n"
    assert firmware_signature_valid(FILE, signature=broken, certificate_pem=signer.pem)


# ── the signer ──────────────────────────────────────────────────────────────────────────────────


def problem(pem: str, *roots: Signer, at_s: float = NOW_S) -> str | None:
    return signer_problem(pem, [root.pem.encode() for root in roots], at_wall_s=at_s)


def test_a_signer_that_is_valid_and_vouched_for_has_no_problem() -> None:
    root = Signer("Maker", authority=True)
    between = Signer("Between", root=root, authority=True)
    assert problem(Signer().pem) is None
    assert problem(Signer(root=root).pem, Signer("Other", authority=True), root) is None
    assert problem(Signer(root=between).pem + between.pem, root) is None
    assert problem(root.pem, root) is None


def test_a_signer_that_nobody_vouches_for_has_a_problem() -> None:
    root, other = (Signer(name, authority=True) for name in ("Maker", "Other"))
    between = Signer("Between", root=root, authority=True)
    assert "vouches" in (problem(Signer(root=other).pem, root) or "")
    assert "vouches" in (problem(Signer(root=between).pem, root) or "")
    assert "vouches" in (problem(Signer().pem, root) or "")


def test_a_signer_cannot_vouch_for_another() -> None:
    root = Signer("Maker", authority=True)
    signer = Signer(root=root)
    assert "vouches" in (problem(Signer("Evil", root=signer).pem + signer.pem, root) or "")


def test_a_signer_must_be_valid_at_this_time_and_so_must_its_root() -> None:
    root = Signer("Maker", authority=True, lasts=timedelta(days=30))
    leaf = Signer(root=root, lasts=timedelta(days=365))
    assert "not valid" in (problem(leaf.pem, at_s=NOW_S + 400 * 86_400) or "")
    assert "root certificate of Maker" in (problem(leaf.pem, root, at_s=NOW_S + 60 * 86_400) or "")


def test_what_is_no_certificate_has_a_problem() -> None:
    assert "no certificate" in (problem("hello") or "")
