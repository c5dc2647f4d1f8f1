"""A certificate authority that issues what OCPP security profiles 2 and 3 need.

Keys are on P-256: small, fast, and among what the Security Whitepaper demands of stations
(A00.FR.504). PEM and the time go in, PEM comes out; key pairs and serial numbers come from the
operating system's randomness. What is wrong with the input is a `PkiInvalid`.
"""

from __future__ import annotations

import base64
import ipaddress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simfleet.pki.checks import CertificateUnreadable, certificates_in, pem_of
from simfleet.pki.requests import NAME_MAX_CHARS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

AUTHORITY_NAME: Final = "SimFleet test CA"
ORGANIZATION: Final = "SimFleet"
AUTHORITY_DAYS: Final = 3650
LEAF_DAYS: Final = 365
DAYS_MAX: Final = 36_500
BACKDATED_S: Final = 3600.0
"""Certificates are valid from an hour ago: clocks of stations differ."""
CSR_MAX_CHARS: Final = 5500
CHAIN_MAX_CHARS: Final = 10_000
"""What OCPP 1.6 leaves for SignCertificate.csr and CertificateSigned.certificateChain."""
RSA_BITS_MIN: Final = 2048
EC_BITS_MIN: Final = 224
"""The least that the Security Whitepaper allows for keys (A00.FR.503 and .504)."""

_CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH
_SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
_SIGNER: Final = ExtendedKeyUsageOID.CODE_SIGNING
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class PkiInvalid(ValueError):
    """A name, a request, a key or a certificate that cannot be used; says what would be."""


class Issued(NamedTuple):
    """A certificate and the private key that belongs to it, both PEM."""

    certificate_pem: bytes
    key_pem: bytes


class Authority:
    """A certificate and the key that signs others with it."""

    __slots__ = ("_certificate", "_identifier", "_key", "certificate_pem", "key_pem")

    def __init__(self, certificate_pem: bytes, key_pem: bytes) -> None:
        """Raises `PkiInvalid` when the two do not belong together, or sign nothing."""
        try:
            self._certificate = certificates_in(certificate_pem)[0]
        except CertificateUnreadable as wrong:
            raise PkiInvalid(f"the CA's certificate: {wrong}") from None
        self._key = _private_key(key_pem)
        if self._key.public_key() != self._certificate.public_key():
            raise PkiInvalid("the CA's key does not belong to its certificate")
        if not _signs_others(self._certificate):
            raise PkiInvalid("the certificate is no CA's: it may not sign others")
        self.certificate_pem = pem_of(self._certificate)
        self.key_pem = key_pem
        self._identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(
            self._certificate.public_key()  # type: ignore[arg-type]  # EC or RSA, as its private key
        )

    @classmethod
    def create(
        cls, name: str = AUTHORITY_NAME, *, at_wall_s: float, days: int = AUTHORITY_DAYS
    ) -> Authority:
        """A new root, self-signed. Raises `PkiInvalid` for a name or a time that cannot be."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            _dated(x509.CertificateBuilder(), at_wall_s, days)
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(pem_of(certificate), _key_pem(key))

    def issue_server(
        self, hosts: Sequence[str], *, at_wall_s: float, days: int = LEAF_DAYS
    ) -> Issued:
        """A certificate for a CSMS that is reached under these DNS names and IP addresses."""
        if not hosts:
            raise PkiInvalid("a server's certificate needs at least one DNS name or IP address")
        names = [_general_name(host) for host in hosts]
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._leaf(
            key.public_key(),
            _subject(hosts[0][:NAME_MAX_CHARS]),
            use=_SERVER,
            names=names,
            at_wall_s=at_wall_s,
            days=days,
        )
        return Issued(certificate, _key_pem(key))

    def issue_client(self, identity: str, *, at_wall_s: float, days: int = LEAF_DAYS) -> Issued:
        """A certificate for the station that calls itself `identity`, which becomes its CN."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._leaf(
            key.public_key(), _subject(identity), use=_CLIENT, at_wall_s=at_wall_s, days=days
        )
        return Issued(certificate, _key_pem(key))

    def issue_signer(
        self, name: str = "SimFleet firmware", *, at_wall_s: float, days: int = LEAF_DAYS
    ) -> Issued:
        """A certificate to sign firmware with, see `sign_content`."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._leaf(
            key.public_key(), _subject(name), use=_SIGNER, at_wall_s=at_wall_s, days=days
        )
        return Issued(certificate, _key_pem(key))

    def sign_request(
        self,
        csr_pem: bytes | str,
        *,
        names: Iterable[str] = (),
        at_wall_s: float,
        days: int = LEAF_DAYS,
    ) -> bytes:
        """The client certificate that a certificate signing request asks for.

        CN and O are taken over from it, everything else is ours to say. `names` are what the CN may
        be; none of them is any. Raises `PkiInvalid` for a request that must not be signed.
        """
        request = read_request(csr_pem)
        allowed = tuple(names)
        if allowed and request.common_name not in allowed:
            wanted = " or ".join(repr(name) for name in allowed)
            raise PkiInvalid(f"the request is for {request.common_name!r}, not for {wanted}")
        return self._leaf(
            request.key,
            _subject(request.common_name, request.organization),
            use=_CLIENT,
            at_wall_s=at_wall_s,
            days=days,
        )

    def problem_with(self, certificate_pem: bytes, *, at_wall_s: float) -> str | None:
        """Why a certificate is none of this CA's or not valid now; None if it can be used."""
        try:
            certificate = certificates_in(certificate_pem)[0]
            certificate.verify_directly_issued_by(self._certificate)
        except CertificateUnreadable as wrong:
            return str(wrong)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return "not issued by this CA"
        at = datetime.fromtimestamp(at_wall_s, UTC)
        if at < certificate.not_valid_before_utc:
            return f"not valid before {certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
        if at > certificate.not_valid_after_utc:
            return f"expired at {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
        return None

    def _leaf(
        self,
        key: _PublicKey,
        subject: x509.Name,
        *,
        use: x509.ObjectIdentifier,
        names: Sequence[x509.GeneralName] = (),
        at_wall_s: float,
        days: int,
    ) -> bytes:
        builder = (
            _dated(x509.CertificateBuilder(), at_wall_s, days)
            .subject_name(subject)
            .issuer_name(self._certificate.subject)
            .public_key(key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(self._identifier, critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return pem_of(builder.sign(self._key, hashes.SHA256()))


class RequestFacts(NamedTuple):
    """What a certificate signing request asks for; its own signature has been checked."""

    common_name: str
    organization: str
    key: _PublicKey


def read_request(csr_pem: bytes | str) -> RequestFacts:
    """Read a PKCS#10 request (RFC 2986). Raises `PkiInvalid` saying what it lacks."""
    data = csr_pem.encode() if isinstance(csr_pem, str) else csr_pem
    if len(data) > CSR_MAX_CHARS:
        raise PkiInvalid(f"the request has {len(data)} characters; at most {CSR_MAX_CHARS} count")
    try:
        request = x509.load_pem_x509_csr(data)
        key = request.public_key()
        names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        genuine = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm) as wrong:
        raise PkiInvalid(f"no certificate signing request in PEM: {wrong}") from None
    if not genuine:
        raise PkiInvalid("the request's own signature is wrong")
    if len(names) != 1 or not names[0].value:
        raise PkiInvalid("the request must name exactly one common name (CN)")
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.key_size >= EC_BITS_MIN:
            pass
        case rsa.RSAPublicKey() if key.key_size >= RSA_BITS_MIN:
            pass
        case _:
            raise PkiInvalid(
                f"the request's key is none of RSA from {RSA_BITS_MIN} bits and elliptic curves"
                f" from {EC_BITS_MIN} bits"
            )
    organization = str(organizations[0].value) if organizations else ""
    return RequestFacts(str(names[0].value), organization, key)


def hosts_in(certificate_pem: bytes) -> list[str]:
    """The DNS names and IP addresses that a certificate is for. Raises `CertificateUnreadable`."""
    try:
        names = certificates_in(certificate_pem)[0].extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except (x509.ExtensionNotFound, ValueError):
        return []
    dns = names.value.get_values_for_type(x509.DNSName)
    return dns + [str(address) for address in names.value.get_values_for_type(x509.IPAddress)]


def chain_of(*certificates_pem: bytes) -> str:
    """The certificates as CertificateSigned carries them: the station's first, in one PEM text.

    Raises `PkiInvalid` when OCPP has no room for them.
    """
    chain = b"".join(certificates_pem).decode("ascii")
    if len(chain) > CHAIN_MAX_CHARS:
        raise PkiInvalid(
            f"a chain of {len(chain)} characters; CertificateSigned takes {CHAIN_MAX_CHARS}"
        )
    return chain


def sign_content(key_pem: bytes, content: bytes) -> str:
    """The signature of a firmware file (SHA-256) as SignedUpdateFirmware carries it, in base64."""
    key = _private_key(key_pem)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(content, ec.ECDSA(hashes.SHA256()))
    else:
        from cryptography.hazmat.primitives.asymmetric import padding

        salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        signature = key.sign(content, salted, hashes.SHA256())
    return base64.b64encode(signature).decode("ascii")


# ── parts of a certificate ────────────────────────────────────────────────────────────────────────


def _subject(common_name: str, organization: str = ORGANIZATION) -> x509.Name:
    if not 1 <= len(common_name) <= NAME_MAX_CHARS:
        raise PkiInvalid(
            f"{common_name!r} has {len(common_name)} characters; a certificate's common name has"
            f" 1 to {NAME_MAX_CHARS}"
        )
    names = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        names.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(names)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        if not host or any(character.isspace() or character in "/:@?#" for character in host):
            raise ValueError
        return x509.DNSName(host.encode("idna").decode("ascii"))
    except ValueError:  # UnicodeError is one
        raise PkiInvalid(
            f"{host!r} is no host; write a DNS name such as csms.example.org, or an IP address"
        ) from None


def _dated(
    builder: x509.CertificateBuilder, at_wall_s: float, days: int
) -> x509.CertificateBuilder:
    if not -DAYS_MAX <= days <= DAYS_MAX or days == 0:
        raise PkiInvalid(f"{days} days cannot be; write 1 to {DAYS_MAX}")
    at = datetime.fromtimestamp(int(at_wall_s), UTC)
    ends = at + timedelta(days=days)
    begins = min(at - timedelta(seconds=BACKDATED_S), ends - timedelta(days=1))
    return (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _signs_others(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _private_key(key_pem: bytes) -> _Key:
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as wrong:
        raise PkiInvalid(f"no private key in PEM without a password: {wrong}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise PkiInvalid("the private key is none of RSA and elliptic curves")
    return key


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
