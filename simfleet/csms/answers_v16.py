"""What the CSMS answers in OCPP 1.6 and the Security Whitepaper: one function per message. Pure.

Each takes the session, the request and the time, notes in the book what it means, and returns the
response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.ocpp.v16 import messages as m

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.csms.session import Session
    from simfleet.ocpp.wire import Wire

_KNOWN: Final[tuple[m.AuthorizationStatus, ...]] = (
    "Accepted",
    "Blocked",
    "Expired",
    "Invalid",
    "ConcurrentTx",
)
_INFO: Final = {status: m.IdTagInfo(status=status) for status in _KNOWN}
_NEAREST: Final[dict[str, m.AuthorizationStatus]] = {
    **{status: status for status in _KNOWN},
    "NoCredit": "Blocked",
}
"""What a status means in 1.6; those that only 2.x has and are not here are Invalid."""
_STATUS_NOTED: Final = m.StatusNotificationResponse()
_VALUES_NOTED: Final = m.MeterValuesResponse()
_DIAGNOSTICS_NOTED: Final = m.DiagnosticsStatusNotificationResponse()
_FIRMWARE_NOTED: Final = m.FirmwareStatusNotificationResponse()
_SIGNED_FIRMWARE_NOTED: Final = m.SignedFirmwareStatusNotificationResponse()
_LOG_NOTED: Final = m.LogStatusNotificationResponse()
_EVENT_NOTED: Final = m.SecurityEventNotificationResponse()
_NOT_SIGNED: Final = m.SignCertificateResponse(status="Rejected")
_WILL_SIGN: Final = m.SignCertificateResponse(status="Accepted")
_STOPPED: Final = m.StopTransactionResponse()


def _tag_info(session: Session, id_tag: str, *, may_start: bool) -> m.IdTagInfo:
    """The answer about a tag. `may_start`: it is about to begin another transaction."""
    status = _NEAREST.get(session.behaviour.tag_status(id_tag), "Invalid")
    behaviour = session.behaviour
    if (
        may_start
        and status == "Accepted"
        and behaviour.refuse_concurrent_tx
        and session.book.has_open(id_tag)
    ):
        status = "ConcurrentTx"
    parent = behaviour.parent_tags.get(id_tag)
    if parent is None:
        return _INFO[status]
    return m.IdTagInfo(status=status, parent_id_tag=parent)


def _authorize(session: Session, request: m.AuthorizeRequest, at_s: float) -> Wire:
    # Also asked to stop a transaction, so an open one is no reason to refuse (1.6 section 4.1).
    info = _tag_info(session, request.id_tag, may_start=False)
    if info.status == "Accepted":
        session.record.last_tag = request.id_tag
    return m.AuthorizeResponse(id_tag_info=info)


def _boot(session: Session, request: m.BootNotificationRequest, at_s: float) -> Wire:
    session.book.note_boot(session.record, request)
    status, interval_s = session.registered()
    return m.BootNotificationResponse(
        current_time=session.now(at_s), interval=interval_s, status=status
    )


def _data_transfer(session: Session, request: m.DataTransferRequest, at_s: float) -> Wire:
    session.book.upkeep.note_data(request)
    known = request.vendor_id in session.behaviour.known_vendors
    return m.DataTransferResponse(status="Accepted" if known else "UnknownVendorId")


def _heartbeat(session: Session, request: m.HeartbeatRequest, at_s: float) -> Wire:
    return m.HeartbeatResponse(current_time=session.now(at_s))


def _meter_values(session: Session, request: m.MeterValuesRequest, at_s: float) -> Wire:
    session.book.note_meter_values(session.record, request)
    return _VALUES_NOTED


def _start(session: Session, request: m.StartTransactionRequest, at_s: float) -> Wire:
    # A station that sends the message again asks about the same transaction, not a second one.
    repeated = session.book.is_repeated(session.record, request)
    info = _tag_info(session, request.id_tag, may_start=not repeated)
    transaction_id = session.book.start(session.record, request)
    if info.status == "Accepted":
        session.record.last_tag = request.id_tag
    return m.StartTransactionResponse(id_tag_info=info, transaction_id=transaction_id)


def _status(session: Session, request: m.StatusNotificationRequest, at_s: float) -> Wire:
    session.book.note_status(session.record, request)
    return _STATUS_NOTED


def _stop(session: Session, request: m.StopTransactionRequest, at_s: float) -> Wire:
    session.book.stop(session.record, request)
    if request.id_tag is None:
        return _STOPPED
    info = _tag_info(session, request.id_tag, may_start=False)
    return m.StopTransactionResponse(id_tag_info=info)


def _diagnostics(
    session: Session, request: m.DiagnosticsStatusNotificationRequest, at_s: float
) -> Wire:
    session.book.upkeep.note_diagnostics(session.record.upkeep(), request.status)
    return _DIAGNOSTICS_NOTED


def _firmware(session: Session, request: m.FirmwareStatusNotificationRequest, at_s: float) -> Wire:
    session.book.upkeep.note_firmware(session.record.upkeep(), request.status)
    return _FIRMWARE_NOTED


def _signed_firmware(
    session: Session, request: m.SignedFirmwareStatusNotificationRequest, at_s: float
) -> Wire:
    session.book.upkeep.note_signed_firmware(session.record.upkeep(), request)
    return _SIGNED_FIRMWARE_NOTED


def _log(session: Session, request: m.LogStatusNotificationRequest, at_s: float) -> Wire:
    session.book.upkeep.note_log(session.record.upkeep(), request)
    return _LOG_NOTED


def _security_event(
    session: Session, request: m.SecurityEventNotificationRequest, at_s: float
) -> Wire:
    session.book.upkeep.note_event(session.identity, session.record.upkeep(), request)
    return _EVENT_NOTED


def _sign_certificate(session: Session, request: m.SignCertificateRequest, at_s: float) -> Wire:
    counts = session.book.upkeep.certificates
    counts["asked"] += 1
    if session.behaviour.sign == "rejected" or not session.sign(request.csr):
        counts["refused"] += 1
        return _NOT_SIGNED
    return _WILL_SIGN


ANSWERS: Final[Mapping[type[Wire], Callable[[Session, Any, float], Wire]]] = {
    m.AuthorizeRequest: _authorize,
    m.BootNotificationRequest: _boot,
    m.DataTransferRequest: _data_transfer,
    m.DiagnosticsStatusNotificationRequest: _diagnostics,
    m.FirmwareStatusNotificationRequest: _firmware,
    m.HeartbeatRequest: _heartbeat,
    m.LogStatusNotificationRequest: _log,
    m.MeterValuesRequest: _meter_values,
    m.SecurityEventNotificationRequest: _security_event,
    m.SignCertificateRequest: _sign_certificate,
    m.SignedFirmwareStatusNotificationRequest: _signed_firmware,
    m.StartTransactionRequest: _start,
    m.StatusNotificationRequest: _status,
    m.StopTransactionRequest: _stop,
}
