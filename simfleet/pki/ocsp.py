"""Answers of an OCSP responder (RFC 6960), signed by an authority itself."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import ocsp

from simfleet.pki.checks import certificates_in

if TYPE_CHECKING:
    from simfleet.pki.authority import Authority

LASTS: Final = timedelta(days=1)
"""How long an answer is valid."""
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
_STATUSES: Final = {
    "good": ocsp.OCSPCertStatus.GOOD,
    "revoked": ocsp.OCSPCertStatus.REVOKED,
    "unknown": ocsp.OCSPCertStatus.UNKNOWN,
}


def ocsp_response(
    authority: Authority,
    *,
    hash_algorithm: str,
    issuer_name_hash: str,
    issuer_key_hash: str,
    serial_number: str,
    status: Literal["good", "revoked", "unknown"],
    at_wall_s: float,
) -> str | None:
    """Base64 of the DER of an OCSPResponse about the certificate named in OCPP's way (hexadecimal
    digits); None for what names none.
    """
    at = datetime.fromtimestamp(int(at_wall_s), UTC)
    certificate = certificates_in(authority.certificate_pem)[0]
    revoked = status == "revoked"
    try:
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            bytes.fromhex(issuer_name_hash),
            bytes.fromhex(issuer_key_hash),
            int(serial_number, 16),
            _HASHES[hash_algorithm],
            _STATUSES[status],
            at,
            at + LASTS,
            at if revoked else None,
            x509.ReasonFlags.unspecified if revoked else None,
        )
    except (ValueError, KeyError):
        return None
    key = load_pem_private_key(authority.key_pem, None)
    answer = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, certificate).sign(
        key,  # type: ignore[arg-type]  # EC or RSA, as `Authority` has it
        hashes.SHA256(),
    )
    return base64.b64encode(answer.public_bytes(Encoding.DER)).decode()
