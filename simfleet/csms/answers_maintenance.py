"""What the CSMS answers in 2.0.1 and 2.1 about firmware, logs, security and certificates. Pure."""

from __future__ import annotations

import base64
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.csms.session import Session
    from simfleet.ocpp.wire import Wire

EXI_RESPONSE: Final = base64.b64encode(b"CertificateInstallationRes of SimFleet").decode()
"""What a vehicle's request for a contract certificate is answered: the vehicle's side of ISO 15118
is not simulated, so this is no EXI, and no station looks into it.
"""
CHAIN_STATUS_LASTS: Final = timedelta(days=1)
"""How long the status of a certificate is valid."""
_CHAIN_STATUS: Final = {
    "good": "Good",
    "revoked": "Revoked",
    "unknown": "Unknown",
    "failed": "Failed",
}


def _firmware(session: Session, request: Any, at_s: float) -> Wire:
    told = session.record.upkeep()
    session.book.upkeep.note_firmware(told, request.status)
    told.firmware_request_id = request.request_id
    response: Wire = session.version.m.FirmwareStatusNotificationResponse()
    return response


def _publish_firmware(session: Session, request: Any, at_s: float) -> Wire:
    station = session.record.notices()
    station.publish_firmware = request.status
    if request.location is not None:
        station.published_at = tuple(request.location)
    session.book.notices.count("publish_firmware", request.status)
    response: Wire = session.version.m.PublishFirmwareStatusNotificationResponse()
    return response


def _log(session: Session, request: Any, at_s: float) -> Wire:
    session.book.upkeep.note_log(session.record.upkeep(), request)
    response: Wire = session.version.m.LogStatusNotificationResponse()
    return response


def _security_event(session: Session, request: Any, at_s: float) -> Wire:
    session.book.upkeep.note_event(session.identity, session.record.upkeep(), request)
    response: Wire = session.version.m.SecurityEventNotificationResponse()
    return response


# ── certificates ─────────────────────────────────────────────────────────────────────────────────


def _sign_certificate(session: Session, request: Any, at_s: float) -> Wire:
    m, counts = session.version.m, session.book.upkeep.certificates
    counts["asked"] += 1
    answer = {"certificate_type": request.certificate_type}
    if getattr(request, "request_id", None) is not None:  # 2.1
        answer["request_id"] = request.request_id
    accepted = session.behaviour.sign != "rejected" and session.sign(
        request.csr,
        make=partial(m.CertificateSignedRequest, **answer),
        for_vehicles=(request.certificate_type or "").startswith("V2G"),
    )
    counts["refused"] += not accepted
    response: Wire = m.SignCertificateResponse(status="Accepted" if accepted else "Rejected")
    return response


def _contract(session: Session, request: Any, at_s: float) -> Wire:
    m, status = session.version.m, session.behaviour.contract_certificates
    session.book.notices.count("contract_certificates", f"{request.action} {status}")
    more = {}
    if getattr(request, "maximum_contract_certificate_chains", None) is not None:  # 2.1
        more["remaining_contracts"] = 0
    response: Wire = m.Get15118EVCertificateResponse(
        status=status, exi_response=EXI_RESPONSE if status == "Accepted" else "", **more
    )
    return response


def _ocsp(session: Session, request: Any, at_s: float) -> Wire:
    result = session.ocsp(request.ocsp_request_data)
    status = "Failed" if result is None else "Accepted"
    session.book.notices.count("certificate_status", status)
    response: Wire = session.version.m.GetCertificateStatusResponse(
        status=status, ocsp_result=result
    )
    return response


def _chain_status(session: Session, request: Any, at_s: float) -> Wire:
    m, status = session.version.m, _CHAIN_STATUS[session.behaviour.revocation]
    session.book.notices.count("certificate_status", status)
    next_update = session.now(at_s) + CHAIN_STATUS_LASTS
    response: Wire = m.GetCertificateChainStatusResponse(
        certificate_status=[
            m.CertificateStatus(
                certificate_hash_data=asked.certificate_hash_data,
                source=asked.source,
                status=status,
                next_update=next_update,
            )
            for asked in request.certificate_status_requests
        ]
    )
    return response


BY_ACTION: Final[Mapping[str, Callable[[Session, Any, float], Wire]]] = {
    "FirmwareStatusNotification": _firmware,
    "Get15118EVCertificate": _contract,
    "GetCertificateChainStatus": _chain_status,
    "GetCertificateStatus": _ocsp,
    "LogStatusNotification": _log,
    "PublishFirmwareStatusNotification": _publish_firmware,
    "SecurityEventNotification": _security_event,
    "SignCertificate": _sign_certificate,
}
