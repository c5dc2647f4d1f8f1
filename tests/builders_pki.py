"""A certificate authority on a table: it signs what it is asked to, good or bad.

Knows nothing of `simfleet.pki.authority`, so what it signs checks our reading of the standards, not
our own writing.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

DAY: Final = timedelta(days=1)
YEAR: Final = 365 * DAY


def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def name(common_name: str, organization: str = "") -> x509.Name:
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        names.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(names)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    pem: bytes
    key_pem: bytes


class Ca:
    """A root, or (with a `parent`) an intermediate authority."""

    def __init__(
        self,
        common_name: str = "Test Root",
        *,
        now: datetime | None = None,
        lasts: timedelta = 10 * YEAR,
        parent: Ca | None = None,
        serial: int | None = None,
    ) -> None:
        self.now = now or datetime.now(UTC)
        self.key = a_key()
        self.name = name(common_name, "Test PKI")
        signer = parent or self
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.key.public_key())
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(self.now - DAY)
            .not_valid_after(self.now - DAY + lasts)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
            )
        )
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def sign(
        self,
        csr_pem: bytes | str,
        *,
        begins: datetime | None = None,
        lasts: timedelta = YEAR,
        common_name: str | None = None,
        organization: str | None = None,
        ca: bool = False,
        server_only: bool = False,
    ) -> bytes:
        """A station's certificate for a request, whose signature is checked."""
        data = csr_pem.encode() if isinstance(csr_pem, str) else csr_pem
        request = x509.load_pem_x509_csr(data)
        assert request.is_signature_valid
        subject = request.subject
        if common_name is not None:
            subject = name(common_name, organization or "")
        use = ExtendedKeyUsageOID.SERVER_AUTH if server_only else ExtendedKeyUsageOID.CLIENT_AUTH
        return self._issue(
            subject, request.public_key(), use, begins=begins, lasts=lasts, ca=ca
        ).public_bytes(serialization.Encoding.PEM)

    def station(
        self,
        common_name: str,
        *,
        organization: str = "",
        begins: datetime | None = None,
        lasts: timedelta = YEAR,
    ) -> Issued:
        """A client certificate with its key."""
        key = a_key()
        subject = name(common_name, organization)
        use = ExtendedKeyUsageOID.CLIENT_AUTH
        certificate = self._issue(subject, key.public_key(), use, begins=begins, lasts=lasts)
        return Issued(certificate.public_bytes(serialization.Encoding.PEM), pem_key(key))

    def server(
        self, host: str = "127.0.0.1", *, begins: datetime | None = None, lasts: timedelta = YEAR
    ) -> Issued:
        """A server certificate with its key, for an IP address and localhost."""
        key = a_key()
        certificate = self._issue(
            name(host),
            key.public_key(),
            ExtendedKeyUsageOID.SERVER_AUTH,
            begins=begins,
            lasts=lasts,
            names=x509.SubjectAlternativeName(
                [x509.IPAddress(ipaddress.ip_address(host)), x509.DNSName("localhost")]
            ),
        )
        return Issued(certificate.public_bytes(serialization.Encoding.PEM), pem_key(key))

    def _issue(
        self,
        subject: x509.Name,
        public_key: object,
        use: x509.ObjectIdentifier,
        *,
        begins: datetime | None,
        lasts: timedelta,
        names: x509.SubjectAlternativeName | None = None,
        ca: bool = False,
    ) -> x509.Certificate:
        first = begins or self.now - timedelta(hours=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(public_key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(first)
            .not_valid_after(first + lasts)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(_usage(ca=ca), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self.key, hashes.SHA256())


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


@lru_cache(maxsize=1)
def a_ca() -> Ca:
    """One root for tests that need any."""
    return Ca()


def server_context(
    server: Issued, folder: Path, *, client_roots: bytes = b"", tls: str = "any"
) -> ssl.SSLContext:
    """TLS for a server; with `client_roots` it insists on client certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = folder / "server-with-key.pem"
    file.write_bytes(server.pem + server.key_pem)
    context.load_cert_chain(file)
    if client_roots:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_roots.decode())
    if tls == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
