"""What a certificate says, and whether it may be trusted. Pure: PEM and the time go in.

Whoever sends a certificate over OCPP may send anything, so nothing here raises for bad input but
where it says so.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

HashAlgorithm = Literal["SHA256", "SHA384", "SHA512"]

CHAIN_MAX: Final = 10
"""Certificates in one chain; a longer one is refused."""

_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    UserWarning,  # cryptography's for what it will refuse one day, where warnings are errors
)
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


class CertificateHashData(NamedTuple):
    """How OCPP names a certificate: as an OCSP request does (RFC 6960 section 4.1.1), in lower-case
    hexadecimal digits, the serial number without leading zeros.
    """

    hash_algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


class CertificateFacts(NamedTuple):
    """What is worth knowing of the first certificate of a PEM text. Times are Unix seconds."""

    common_name: str
    organization: str
    issuer: str
    serial_number: str
    not_before_s: float
    not_after_s: float
    authority: bool
    self_signed: bool


class CertificateUnreadable(ValueError):
    """A text that is no certificate; says why."""


# ── reading ───────────────────────────────────────────────────────────────────────────────────────


def certificates_in(pem: bytes | str) -> list[x509.Certificate]:
    """All certificates of a PEM text, in order. Raises `CertificateUnreadable`."""
    data = pem.encode() if isinstance(pem, str) else pem
    try:
        found = x509.load_pem_x509_certificates(data)
    except _UNREADABLE as error:
        raise CertificateUnreadable(f"no certificate in PEM: {error}") from None
    if len(found) > CHAIN_MAX:
        raise CertificateUnreadable(f"{len(found)} certificates; at most {CHAIN_MAX} are taken")
    for certificate in found:
        _read_through(certificate)
    return found


def _read_through(certificate: x509.Certificate) -> None:
    """Read now what cryptography reads only when it is asked for, and may find damaged then."""
    try:
        names = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
        dates = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        rest = (
            certificate.extensions,
            certificate.public_key(),
            certificate.signature_hash_algorithm,
        )
    except _UNREADABLE as error:
        raise CertificateUnreadable(f"a certificate is damaged: {error}") from None
    del names, dates, rest
    if certificate.serial_number <= 0:
        raise CertificateUnreadable("a certificate's serial number is not positive (RFC 5280)")


def facts_of(pem: bytes | str) -> CertificateFacts:
    """What the first certificate says. Raises `CertificateUnreadable`."""
    certificate = certificates_in(pem)[0]
    return CertificateFacts(
        common_name=_name(certificate.subject, NameOID.COMMON_NAME),
        organization=_name(certificate.subject, NameOID.ORGANIZATION_NAME),
        issuer=certificate.issuer.rfc4514_string(),
        serial_number=format(certificate.serial_number, "x"),
        not_before_s=certificate.not_valid_before_utc.timestamp(),
        not_after_s=certificate.not_valid_after_utc.timestamp(),
        authority=_is_authority(certificate),
        self_signed=_issued(certificate, certificate),
    )


def pem_of(certificate: x509.Certificate) -> bytes:
    """One certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _name(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    values = name.get_attributes_for_oid(oid)
    return str(values[0].value) if values else ""


def _is_authority(certificate: x509.Certificate) -> bool:
    """Whether it may sign others; without basic constraints (X.509 v1) only a root does."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    except x509.ExtensionNotFound:
        return False
    except ValueError:
        return False
    return constraints.value.ca


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether `issuer` has signed `certificate`: names and signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


# ── judging ───────────────────────────────────────────────────────────────────────────────────────


def check_chain(
    chain_pem: bytes | str,
    roots_pem: bytes | str = b"",
    *,
    at_wall_s: float | None,
    key_pem: bytes | None = None,
    common_name: str = "",
    organization: str = "",
    any_use: bool = False,
) -> str | None:
    """What is wrong with a station's certificate and the intermediate certificates behind it; None
    if nothing is.

    The chain must lead to one of the roots. Without roots it must be consistent in itself: each
    certificate but the first has signed another one of it. All must be valid at that time, the
    first belong to the private key, and name the station (CN) and its operator (O) where these are
    given; it must be for TLS clients, but for `any_use` (certificates of ISO 15118). Without a time
    (None) it does not matter whether they are valid. Raises `CertificateUnreadable` only for
    `roots_pem`, which is our own.
    """
    roots = certificates_in(roots_pem) if roots_pem.strip() else []
    try:
        chain = certificates_in(chain_pem)
    except CertificateUnreadable as unreadable:
        return str(unreadable)
    leaf = chain[0]
    return (
        _check_subject(leaf, common_name, organization)
        or _check_use(leaf, any_use=any_use)
        or (_check_key(leaf, key_pem) if key_pem is not None else None)
        or _check_path(chain, roots, at_wall_s=at_wall_s)
    )


def check_authority(pem: bytes | str, *, at_wall_s: float) -> str | None:
    """What is wrong with a root certificate that is to be installed; None if nothing is."""
    try:
        found = certificates_in(pem)
    except CertificateUnreadable as unreadable:
        return str(unreadable)
    if len(found) > 1:
        return f"{len(found)} certificates; a root is one"
    root = found[0]
    if not _is_authority(root):
        return f"{_shown(root)} is no certificate authority's"
    if root.subject == root.issuer and not _issued(root, root):
        return f"{_shown(root)}: its own signature is wrong"
    return _check_dates(root, at_wall_s)


def _check_subject(leaf: x509.Certificate, common_name: str, organization: str) -> str | None:
    for label, oid, wanted in (
        ("common name", NameOID.COMMON_NAME, common_name),
        ("organization", NameOID.ORGANIZATION_NAME, organization),
    ):
        said = _name(leaf.subject, oid)
        if wanted and said != wanted:
            return f"the {label} is {said!r}, not {wanted!r}"
    return None


def _check_use(leaf: x509.Certificate, *, any_use: bool) -> str | None:
    if _is_authority(leaf):
        return f"{_shown(leaf)} is a certificate authority's, not a station's"
    try:
        use = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None  # for everything
    except ValueError as error:
        return f"{_shown(leaf)}: its extensions cannot be read: {error}"
    if any_use:
        return None
    allowed = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    if not any(one in use for one in allowed):
        return f"{_shown(leaf)} is not for TLS clients"
    return None


def _check_key(leaf: x509.Certificate, key_pem: bytes) -> str | None:
    try:
        ours = serialization.load_pem_private_key(key_pem, password=None).public_key()
        same = ours == leaf.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return f"{_shown(leaf)}: its key cannot be used: {error}"
    return None if same else f"{_shown(leaf)} is for another key than the one of the request"


def _check_dates(certificate: x509.Certificate, at_wall_s: float | None) -> str | None:
    if at_wall_s is None:
        return None
    if at_wall_s < certificate.not_valid_before_utc.timestamp():
        return f"{_shown(certificate)} is not valid before {_moment(certificate, first=True)}"
    if at_wall_s > certificate.not_valid_after_utc.timestamp():
        return f"{_shown(certificate)} expired at {_moment(certificate, first=False)}"
    return None


def _check_path(
    chain: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    *,
    at_wall_s: float | None,
) -> str | None:
    """Walk from the leaf to a root, in whatever order the certificates came."""
    at, unused = chain[0], list(chain[1:])
    for _ in range(CHAIN_MAX):
        problem = _check_dates(at, at_wall_s)
        if problem is not None:
            return problem
        if at in roots:
            return None
        for root in roots:
            if _is_authority(root) and _issued(root, at):
                return _check_dates(root, at_wall_s)
        issuer = next((one for one in unused if _is_authority(one) and _issued(one, at)), None)
        if issuer is None:
            break
        unused.remove(issuer)
        at = issuer
    if roots:
        return f"{_shown(at)} was issued by {_issuer(at)}, which no installed root vouches for"
    if unused:
        return f"{_shown(unused[0])} has signed nothing in the chain"
    return None


def _shown(certificate: x509.Certificate) -> str:
    return f"the certificate of {certificate.subject.rfc4514_string() or 'nobody'}"


def _issuer(certificate: x509.Certificate) -> str:
    return certificate.issuer.rfc4514_string() or "nobody"


def _moment(certificate: x509.Certificate, *, first: bool) -> str:
    moment: datetime = (
        certificate.not_valid_before_utc if first else certificate.not_valid_after_utc
    )
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# ── OCPP's names for certificates ─────────────────────────────────────────────────────────────────


def certificate_hash_data(
    pem: bytes | str, issuer_pem: bytes | str | None, algorithm: HashAlgorithm = "SHA256"
) -> CertificateHashData:
    """The first certificate of `pem` as OCPP names it. Raises `CertificateUnreadable`.

    A root is its own issuer. Where the issuer is not known, the key that is hashed is the
    certificate's own: there is no other at hand, and the name stays unique and stable.
    """
    certificate = certificates_in(pem)[0]
    issuer = certificate if issuer_pem is None else certificates_in(issuer_pem)[0]
    request = (
        ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, _HASHES[algorithm]).build()
    )
    name = hashlib.new(algorithm.lower(), certificate.issuer.public_bytes())
    return CertificateHashData(
        algorithm,
        name.hexdigest(),
        request.issuer_key_hash.hex(),
        format(certificate.serial_number, "x"),
    )


def issuer_among(pem: bytes | str, candidates_pem: Sequence[bytes]) -> bytes | None:
    """The candidate that has signed the first certificate of `pem`, None if none has. Raises
    `CertificateUnreadable`.
    """
    certificate = certificates_in(pem)[0]
    for candidate_pem in candidates_pem:
        for candidate in certificates_in(candidate_pem):
            if _issued(candidate, certificate):
                return pem_of(candidate)
    return None
