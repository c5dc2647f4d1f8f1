"""The certificates that a station trusts, and what of all its certificates the CSMS may see and
delete (OCPP 1.6 security whitepaper, use cases M03 to M05).

They are checked by `simfleet.pki`, which is imported only then, as in `certificates.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from simfleet.station import certificates, security
from simfleet.station.security import RootCertificate, SecurityEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.pki.checks import CertificateHashData, HashAlgorithm
    from simfleet.station.station import Station

RootUse = Literal[
    "CentralSystemRootCertificate",
    "ManufacturerRootCertificate",
    "V2GRootCertificate",
    "MORootCertificate",
    "OEMRootCertificate",
]
"""What a root is trusted for: the first two are all that 1.6 knows. 2.x calls the first
CSMSRootCertificate.
"""


def install(
    station: Station, use: RootUse, pem: str, *, at_s: float
) -> Literal["Accepted", "Rejected", "Failed"]:
    """InstallCertificate: trust a root. Failed when the store is full."""
    from simfleet.pki import checks

    state = security.of(station)
    problem = checks.check_authority(pem, at_wall_s=station.wall_s(at_s))
    if problem is not None:
        if use == "CentralSystemRootCertificate":
            security.report(station, SecurityEvent.BAD_CSMS_CERTIFICATE, problem, at_s=at_s)
        return "Rejected"
    root = RootCertificate(use, checks.pem_of(checks.certificates_in(pem)[0]))
    if root in state.roots:
        return "Accepted"
    if len(state.roots) >= station.configuration.whole("CertificateStoreMaxLength"):
        return "Failed"
    state.roots.append(root)
    security.report(station, SecurityEvent.RECONFIGURED, f"{use} installed", at_s=at_s)
    return "Accepted"


def installed(station: Station, use: RootUse) -> list[CertificateHashData]:
    """GetInstalledCertificateIds: what is trusted for this use, as OCPP names it."""
    state = security.of(station)
    return [_named(station, root.pem) for root in state.roots if root.use == use]


def installed_v2g(
    station: Station,
) -> list[tuple[CertificateHashData, list[CertificateHashData]]]:
    """GetInstalledCertificateIds V2GCertificateChain: every certificate for vehicles, and those
    behind it.
    """
    from simfleet.pki import checks

    chains = []
    for own in security.of(station).own:
        if own.use in certificates.V2G:
            pems = [checks.pem_of(one) for one in checks.certificates_in(own.chain_pem)]
            first, *behind = [_named(station, pem, among=pems) for pem in pems]
            chains.append((first, behind))
    return chains


def delete(
    station: Station, wanted: CertificateHashData, *, at_s: float
) -> Literal["Accepted", "Failed", "NotFound"]:
    """DeleteCertificate: Failed for the station's own certificate, and for the last root without
    which it could not come back.
    """
    state = security.of(station)
    for own in state.own:
        named = _named(station, own.chain_pem, wanted.hash_algorithm, among=[own.chain_pem])
        if _is(wanted, named):
            if own == certificates.in_use(station, at_s=at_s):
                return "Failed"
            state.own.remove(own)
            return "Accepted"
    for root in state.roots:
        if _is(wanted, _named(station, root.pem, wanted.hash_algorithm)):
            if _is_needed(station, root):
                return "Failed"
            state.roots.remove(root)
            security.report(station, SecurityEvent.RECONFIGURED, f"{root.use} deleted", at_s=at_s)
            return "Accepted"
    return "NotFound"


def _is_needed(station: Station, root: RootCertificate) -> bool:
    """Whether the station trusts its CSMS for this root alone."""
    return (
        root.use == "CentralSystemRootCertificate"
        and security.profile(station) >= security.TLS
        and not station.given.roots
        and len(csms_roots(station)) == 1
    )


def csms_roots(station: Station) -> list[bytes]:
    """The roots that the CSMS's certificate may come from, PEM."""
    if station.security is None:
        return []
    return [
        root.pem for root in station.security.roots if root.use == "CentralSystemRootCertificate"
    ]


def _named(
    station: Station,
    pem: bytes,
    algorithm: HashAlgorithm = "SHA256",
    *,
    among: Sequence[bytes] = (),
) -> CertificateHashData:
    """`among`: who may have issued it, beside the roots."""
    from simfleet.pki import checks

    issuers = [*among, *(root.pem for root in security.of(station).roots), pem]
    return checks.certificate_hash_data(pem, checks.issuer_among(pem, issuers), algorithm)


def _is(wanted: CertificateHashData, known: CertificateHashData) -> bool:
    """The same certificate, however the CSMS writes its digits."""
    return (
        wanted.issuer_name_hash.lower() == known.issuer_name_hash
        and wanted.issuer_key_hash.lower() == known.issuer_key_hash
        and (wanted.serial_number.lower().lstrip("0") or "0") == known.serial_number
    )
