"""OCPP 2.0.1 and 2.1: certificates, security events and Plug & Charge (blocks A, C, M)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from simfleet.station import certificates, plug_and_charge, security, trust
from simfleet.station.configuration_keys2 import V2G_INSTALLATION
from simfleet.station.messages import (
    CertificateWanted,
    ChainQuestion,
    EvCertificateQuestion,
    OcspQuestion,
    SecurityNotice,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.contract import CertificateName
    from simfleet.station.station import Station

_OWN: Final = "ChargingStationCertificate"
_V2G_CHAIN: Final = "V2GCertificateChain"
_CSMS_ROOT: Final = "CSMSRootCertificate"
_DOMAIN_USES: Final = {_CSMS_ROOT: "CentralSystemRootCertificate"}
"""Uses of a root that 1.6 calls otherwise."""
_ROOT_USES: Final = (
    _CSMS_ROOT,
    "ManufacturerRootCertificate",
    "V2GRootCertificate",
    "MORootCertificate",
    "OEMRootCertificate",
)
_EVENTS: Final = {
    "FailedToAuthenticateAtCentralSystem": "FailedToAuthenticateAtCsms",
    "CentralSystemFailedToAuthenticate": "CsmsFailedToAuthenticate",
    "InvalidCentralSystemCertificate": "InvalidCsmsCertificate",
    "InvalidChargePointCertificate": "InvalidChargingStationCertificate",
}
"""Security events that 1.6 calls otherwise."""
_SIGN_TRIGGERS: Final = {
    "SignChargingStationCertificate": "",
    "SignV2GCertificate": "V2GCertificate",
    "SignV2G20Certificate": "V2G20Certificate",
    "SignCombinedCertificate": certificates.COMBINED,
}
"""What a certificate is for that a TriggerMessage has the station ask for."""
CHAIN_MAX_CHARS: Final = {"ocpp2.0.1": 5500, "ocpp2.1": 10_000}
"""The longest certificate of an Authorize."""


# ── CALLs of the CSMS ─────────────────────────────────────────────────────────────────────────────


def _certificate_signed(station: Station, request: Any, at_s: float) -> Wire:
    use = request.certificate_type
    status = certificates.signed(
        station,
        request.certificate_chain,
        use="" if use == _OWN else use,
        request_id=getattr(request, "request_id", None),
        at_s=at_s,
    )
    response: Wire = station.dialect.m.CertificateSignedResponse(status=status)
    return response


def _install(station: Station, request: Any, at_s: float) -> Wire:
    use = request.certificate_type
    status = trust.install(station, _DOMAIN_USES.get(use, use), request.certificate, at_s=at_s)
    response: Wire = station.dialect.m.InstallCertificateResponse(status=status)
    return response


def _delete(station: Station, request: Any, at_s: float) -> Wire:
    from simfleet.pki.checks import CertificateHashData

    named = request.certificate_hash_data
    wanted = CertificateHashData(
        named.hash_algorithm, named.issuer_name_hash, named.issuer_key_hash, named.serial_number
    )
    status = trust.delete(station, wanted, at_s=at_s)
    response: Wire = station.dialect.m.DeleteCertificateResponse(status=status)
    return response


def _installed(station: Station, request: Any, _: float) -> Wire:
    m = station.dialect.m
    asked = request.certificate_type or (*_ROOT_USES, _V2G_CHAIN)
    found = []
    for use in dict.fromkeys(asked):
        if use == _V2G_CHAIN:
            found += [
                m.CertificateHashDataChain(
                    certificate_hash_data=m.CertificateHashData(*first),
                    certificate_type=use,
                    child_certificate_hash_data=[m.CertificateHashData(*one) for one in behind]
                    or None,
                )
                for first, behind in trust.installed_v2g(station)
            ]
        else:
            found += [
                m.CertificateHashDataChain(
                    certificate_hash_data=m.CertificateHashData(*one), certificate_type=use
                )
                for one in trust.installed(station, _DOMAIN_USES.get(use, use))
            ]
    response: Wire = m.GetInstalledCertificateIdsResponse(
        status="Accepted" if found else "NotFound", certificate_hash_data_chain=found or None
    )
    return response


def trigger(
    station: Station, message: str, *, at_s: float
) -> Literal["Accepted", "Rejected", "NotImplemented"]:
    """TriggerMessage for a certificate request. Rejected: the station has no certificates for
    vehicles (V2GCertificateInstallationEnabled).
    """
    use = _SIGN_TRIGGERS.get(message)
    if use is None:
        return "NotImplemented"
    if use and station.configuration.get(V2G_INSTALLATION) != "true":
        return "Rejected"
    return certificates.ask(station, use=use, at_s=at_s)


# ── what the station says ─────────────────────────────────────────────────────────────────────────


def contract_question(station: Station, id_tag: str, id_token: Any) -> Wire:
    """Authorize for a contract: its certificates' names, or the certificates themselves where the
    station has no root for them (C07.FR.01, .06).
    """
    m = station.dialect.m
    contract = plug_and_charge.contract_of(station, id_tag)
    request: Wire
    if not plug_and_charge.can_check(station, contract):
        text = contract.chain_pem.decode("ascii", "replace")
        request = m.AuthorizeRequest(
            id_token=id_token, certificate=text[: CHAIN_MAX_CHARS[station.spec.version]]
        )
    else:
        names = plug_and_charge.names_of(station, contract)
        request = m.AuthorizeRequest(
            id_token=id_token,
            iso15118_certificate_hash_data=[_ocsp_data(m, name) for name in names],
        )
    return request


def _ocsp_data(m: Any, name: CertificateName) -> Any:
    return m.OCSPRequestData(
        hash_algorithm=name.hash_algorithm,
        issuer_name_hash=name.issuer_name_hash,
        issuer_key_hash=name.issuer_key_hash,
        serial_number=name.serial_number,
        responder_url=name.responder_url,
    )


def _notice(station: Station, message: SecurityNotice) -> Wire:
    request: Wire = station.dialect.m.SecurityEventNotificationRequest(
        type=_EVENTS.get(message.type, message.type),
        timestamp=datetime.fromtimestamp(round(message.wall_s, 3), UTC),
        tech_info=message.tech_info or None,
    )
    return request


def _sign(station: Station, message: CertificateWanted) -> Wire:
    kind = station.dialect.m.SignCertificateRequest
    # Without a type it is for the CSMS and for vehicles (SignCertificateRequest.certificateType).
    use = None if message.use == certificates.COMBINED else message.use or _OWN
    more = {"request_id": message.request_id} if hasattr(kind, "request_id") else {}
    request: Wire = kind(csr=message.csr, certificate_type=use, **more)
    return request


def _ev_certificate(station: Station, message: EvCertificateQuestion) -> Wire:
    kind = station.dialect.m.Get15118EVCertificateRequest
    more: dict[str, Any] = {}
    if hasattr(kind, "prioritized_emai_ds"):
        more["maximum_contract_certificate_chains"] = message.contracts_max
        more["prioritized_emai_ds"] = list(message.emaids) or None
    request: Wire = kind(
        iso15118_schema_version=message.schema_version,
        action=message.action,
        exi_request=message.exi_request,
        **more,
    )
    return request


def _ocsp(station: Station, message: OcspQuestion) -> Wire:
    m = station.dialect.m
    request: Wire = m.GetCertificateStatusRequest(
        ocsp_request_data=_ocsp_data(m, message.certificate)
    )
    return request


def _chain(station: Station, message: ChainQuestion) -> Wire | None:
    m = station.dialect.m
    if not hasattr(m, "GetCertificateChainStatusRequest"):
        return None  # 2.0.1 cannot ask
    request: Wire = m.GetCertificateChainStatusRequest(
        certificate_status_requests=[
            m.CertificateStatusRequestInfo(
                certificate_hash_data=m.CertificateHashData(
                    hash_algorithm=name.hash_algorithm,
                    issuer_name_hash=name.issuer_name_hash,
                    issuer_key_hash=name.issuer_key_hash,
                    serial_number=name.serial_number,
                ),
                source="OCSP",
                urls=[name.responder_url],
            )
            for name in message.certificates
        ]
    )
    return request


# ── what the CSMS answers ─────────────────────────────────────────────────────────────────────────


def _notice_taken(station: Station, _: SecurityNotice, __: Any, at_s: float) -> None:
    security.taken(station, at_s=at_s)


def _sign_answered(station: Station, _: CertificateWanted, response: Any, at_s: float) -> None:
    certificates.answered(station, accepted=response.status == "Accepted", at_s=at_s)


def _ev_answered(
    station: Station, message: EvCertificateQuestion, response: Any, at_s: float
) -> None:
    plug_and_charge.certificate_answered(
        station,
        message,
        response.status,
        response.exi_response,
        remaining=getattr(response, "remaining_contracts", None),
        at_s=at_s,
    )


def _ocsp_answered(station: Station, message: OcspQuestion, response: Any, at_s: float) -> None:
    result = response.ocsp_result if response.status == "Accepted" else None
    plug_and_charge.ocsp_answered(station, message, result, at_s=at_s)


def _chain_answered(station: Station, message: ChainQuestion, response: Any, _: float) -> None:
    plug_and_charge.chain_answered(
        station, message, (one.status for one in response.certificate_status)
    )


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "CertificateSigned": _certificate_signed,
    "InstallCertificate": _install,
    "DeleteCertificate": _delete,
    "GetInstalledCertificateIds": _installed,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {
    SecurityNotice: "SecurityEventNotification",
    CertificateWanted: "SignCertificate",
    EvCertificateQuestion: "Get15118EVCertificate",
    OcspQuestion: "GetCertificateStatus",
    ChainQuestion: "GetCertificateChainStatus",
}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    SecurityNotice: _notice,
    CertificateWanted: _sign,
    EvCertificateQuestion: _ev_certificate,
    OcspQuestion: _ocsp,
    ChainQuestion: _chain,
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {
    SecurityNotice: _notice_taken,
    CertificateWanted: _sign_answered,
    EvCertificateQuestion: _ev_answered,
    OcspQuestion: _ocsp_answered,
    ChainQuestion: _chain_answered,
}
"""What the answers to our messages mean."""
