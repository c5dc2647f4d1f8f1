"""OCPP 1.6J security whitepaper: certificates and security events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from simfleet.ocpp.v16 import messages as v16
from simfleet.station import certificates, security, trust
from simfleet.station.messages import CertificateWanted, SecurityNotice

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station


# ── CALLs of the CSMS ─────────────────────────────────────────────────────────────────────────────


def _certificate_signed(
    station: Station, request: v16.CertificateSignedRequest, at_s: float
) -> Wire:
    status = certificates.signed(station, request.certificate_chain, at_s=at_s)
    return v16.CertificateSignedResponse(status)


def _install(station: Station, request: v16.InstallCertificateRequest, at_s: float) -> Wire:
    status = trust.install(station, request.certificate_type, request.certificate, at_s=at_s)
    return v16.InstallCertificateResponse(status)


def _delete(station: Station, request: v16.DeleteCertificateRequest, at_s: float) -> Wire:
    from simfleet.pki.checks import CertificateHashData

    named = request.certificate_hash_data
    wanted = CertificateHashData(
        named.hash_algorithm, named.issuer_name_hash, named.issuer_key_hash, named.serial_number
    )
    return v16.DeleteCertificateResponse(trust.delete(station, wanted, at_s=at_s))


def _installed(station: Station, request: v16.GetInstalledCertificateIdsRequest, _: float) -> Wire:
    found = trust.installed(station, request.certificate_type)
    if not found:
        return v16.GetInstalledCertificateIdsResponse("NotFound")
    return v16.GetInstalledCertificateIdsResponse(
        "Accepted", [v16.CertificateHashData(*named) for named in found]
    )


# ── what the station says ─────────────────────────────────────────────────────────────────────────


def _notice(_: Station, message: SecurityNotice) -> v16.SecurityEventNotificationRequest:
    moment = datetime.fromtimestamp(round(message.wall_s, 3), UTC)
    return v16.SecurityEventNotificationRequest(message.type, moment, message.tech_info or None)


def _sign(_: Station, message: CertificateWanted) -> v16.SignCertificateRequest:
    return v16.SignCertificateRequest(message.csr)


def _notice_taken(station: Station, _: SecurityNotice, __: Wire, at_s: float) -> None:
    security.taken(station, at_s=at_s)


def _sign_answered(
    station: Station, _: CertificateWanted, response: v16.SignCertificateResponse, at_s: float
) -> None:
    certificates.answered(station, accepted=response.status == "Accepted", at_s=at_s)


HANDLERS: Final[dict[type, Callable[[Station, Any, float], Wire]]] = {
    v16.CertificateSignedRequest: _certificate_signed,
    v16.InstallCertificateRequest: _install,
    v16.DeleteCertificateRequest: _delete,
    v16.GetInstalledCertificateIdsRequest: _installed,
}
"""Answers to CALLs of the CSMS."""
ACTIONS: Final[dict[type, str]] = {
    SecurityNotice: "SecurityEventNotification",
    CertificateWanted: "SignCertificate",
}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    SecurityNotice: _notice,
    CertificateWanted: _sign,
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {
    SecurityNotice: _notice_taken,
    CertificateWanted: _sign_answered,
}
"""What the answers to our messages mean."""
