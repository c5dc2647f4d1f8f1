"""Signatures of firmware (OCPP 1.6 security whitepaper, use case L01)."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from simfleet.pki.checks import (
    CertificateUnreadable,
    certificates_in,
    facts_of,
    issuer_among,
    pem_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def firmware_signature_valid(content: bytes, *, signature: str, certificate_pem: str) -> bool:
    """Whether `signature` (base64) over the whole file was made with the certificate's key.

    RSA with PSS (of any salt length) or PKCS#1 v1.5, ECDSA, both with SHA-256, and Ed25519 are
    understood. False for whatever cannot be read.
    """
    try:
        raw = base64.b64decode("".join(signature.split()), validate=True)
        key = certificates_in(certificate_pem)[0].public_key()
        match key:
            case rsa.RSAPublicKey():
                return _rsa_valid(key, raw, content)
            case ec.EllipticCurvePublicKey():
                key.verify(raw, content, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PublicKey():
                key.verify(raw, content)
            case _:
                return False
    except (
        *(binascii.Error, ValueError, CertificateUnreadable),
        *(InvalidSignature, UnsupportedAlgorithm),
    ):
        return False
    return True


def _rsa_valid(key: rsa.RSAPublicKey, raw: bytes, content: bytes) -> bool:
    paddings = (
        padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO),
        padding.PKCS1v15(),
    )
    for one in paddings:
        try:
            key.verify(raw, content, one, hashes.SHA256())
        except InvalidSignature:
            continue
        return True
    return False


def signer_problem(
    certificate_pem: str, roots_pem: Sequence[bytes], *, at_wall_s: float
) -> str | None:
    """What is wrong with a signing certificate (and the intermediate ones behind it); None if
    nothing is. It must be valid now and lead to one of the roots; without roots, whoever signs is
    believed. Raises `CertificateUnreadable` only for roots, which are our own.
    """
    try:
        chain = [pem_of(one) for one in certificates_in(certificate_pem)]
    except CertificateUnreadable as unreadable:
        return str(unreadable)
    roots = [pem_of(certificates_in(root)[0]) for root in roots_pem]
    at = chain[0]
    for _ in chain:
        facts = facts_of(at)
        shown = f"the certificate of {facts.common_name or 'nobody'}"
        if not facts.not_before_s <= at_wall_s <= facts.not_after_s:
            return f"{shown} is not valid at this time"
        if not roots or at in roots:
            return None
        root = issuer_among(at, roots)
        if root is not None:
            return _root_problem(root, at_wall_s)
        issuer = issuer_among(at, [one for one in chain if one != at])
        if issuer is None or not facts_of(issuer).authority:
            break
        at = issuer
    return f"no installed ManufacturerRootCertificate vouches for {facts.issuer}"


def _root_problem(root: bytes, at_wall_s: float) -> str | None:
    facts = facts_of(root)
    if facts.not_before_s <= at_wall_s <= facts.not_after_s:
        return None
    return f"the root certificate of {facts.common_name or 'nobody'} is not valid at this time"
