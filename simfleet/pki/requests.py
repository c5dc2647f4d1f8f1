"""Certificate signing requests (PKCS#10, RFC 2986) with a key pair of their own."""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME_MAX_CHARS: Final = 64
"""What X.520 leaves for a common name or an organization (ub-common-name); longer ones are cut."""


class CertificateRequest(NamedTuple):
    """A request and the private key that belongs to it, both PEM."""

    csr_pem: bytes
    key_pem: bytes


def make_certificate_request(common_name: str, organization: str = "") -> CertificateRequest:
    """Make a new key on P-256 and a request for a TLS client certificate, signed with it.

    The key comes from the operating system's randomness, so this is for the shell, not for the
    station. `organization` is left out when empty. ValueError without a common name.
    """
    if not common_name:
        raise ValueError("a certificate request needs a common name")
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name[:NAME_MAX_CHARS])]
    if organization:
        organization = organization[:NAME_MAX_CHARS]
        names.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name(names))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return CertificateRequest(
        csr_pem=request.public_bytes(serialization.Encoding.PEM),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
