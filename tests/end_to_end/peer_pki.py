"""The foreign CSMS's certificate authority and firmware signer, straight from `cryptography`."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class ForeignCa:
    """A root certificate that signs what it is given."""

    def __init__(self, name: str = "Foreign root") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = (
            self._begun(self._subject, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = _pem(self._certificate)

    def _begun(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=30))
        )

    def _leaf(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, use: x509.ObjectIdentifier
    ) -> str:
        return _pem(
            self._begun(subject, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def signed(self, csr_pem: str) -> str:
        """The client certificate that a station's request asks for, and this root behind it."""
        request = x509.load_pem_x509_csr(csr_pem.encode())
        assert request.is_signature_valid
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return self._leaf(request.subject, key, ExtendedKeyUsageOID.CLIENT_AUTH) + self.pem

    def unasked(self, name: str) -> str:
        """A client certificate for a key that no station has."""
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._leaf(subject, key, ExtendedKeyUsageOID.CLIENT_AUTH) + self.pem

    def firmware_signature(self, firmware: bytes) -> tuple[str, str]:
        """The certificate of a signer of this root, and its signature of a file in Base64."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Foreign firmware")])
        certificate = self._leaf(subject, key.public_key(), ExtendedKeyUsageOID.CODE_SIGNING)
        signature = key.sign(firmware, ec.ECDSA(hashes.SHA256()))
        return certificate, base64.b64encode(signature).decode()

    def hash_data(self) -> dict[str, str]:
        """How OCPP names this root, in the spelling of the `ocpp` package."""
        request = (
            ocsp.OCSPRequestBuilder()
            .add_certificate(self._certificate, self._certificate, hashes.SHA256())
            .build()
        )
        return {
            "hash_algorithm": "SHA256",
            "issuer_name_hash": request.issuer_name_hash.hex(),
            "issuer_key_hash": request.issuer_key_hash.hex(),
            "serial_number": format(self._certificate.serial_number, "x"),
        }


def subject_of(csr_pem: str) -> dict[str, str]:
    """The names in a certificate signing request, such as {"CN": ..., "O": ...}."""
    request = x509.load_pem_x509_csr(csr_pem.encode())
    short = {NameOID.COMMON_NAME: "CN", NameOID.ORGANIZATION_NAME: "O"}
    return {short[name.oid]: str(name.value) for name in request.subject if name.oid in short}


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
