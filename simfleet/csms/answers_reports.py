"""What the CSMS answers to reports of 2.0.1 and 2.1 that come in parts. Pure; see `reports.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from simfleet.csms.session import Session
    from simfleet.ocpp.wire import Wire

_DER_LISTS: Final = (
    "curve",
    "enter_service",
    "fixed_pf_absorb",
    "fixed_pf_inject",
    "fixed_var",
    "freq_droop",
    "gradient",
    "limit_max_discharge",
)
"""Where ReportDERControl has its settings, by kind."""


def _note(session: Session, kind: str, request: Any, items: Sequence[Any]) -> None:
    session.book.notices.reports.note(
        session.record.notices().reports,
        kind,
        request_id=request.request_id,
        seq_no=getattr(request, "seq_no", None),
        tbc=request.tbc,
        items=items,
    )


def _report(session: Session, request: Any, at_s: float) -> Wire:
    _note(session, "NotifyReport", request, request.report_data or ())
    response: Wire = session.version.m.NotifyReportResponse()
    return response


def _monitoring_report(session: Session, request: Any, at_s: float) -> Wire:
    _note(session, "NotifyMonitoringReport", request, request.monitor or ())
    response: Wire = session.version.m.NotifyMonitoringReportResponse()
    return response


def _customer_information(session: Session, request: Any, at_s: float) -> Wire:
    _note(session, "NotifyCustomerInformation", request, (request.data,))
    response: Wire = session.version.m.NotifyCustomerInformationResponse()
    return response


def _display_messages(session: Session, request: Any, at_s: float) -> Wire:
    _note(session, "NotifyDisplayMessages", request, request.message_info or ())
    response: Wire = session.version.m.NotifyDisplayMessagesResponse()
    return response


def _charging_profiles(session: Session, request: Any, at_s: float) -> Wire:
    items = [
        {
            "evseId": request.evse_id,
            "chargingLimitSource": request.charging_limit_source,
            "chargingProfile": profile,
        }
        for profile in request.charging_profile
    ]
    _note(session, "ReportChargingProfiles", request, items)
    response: Wire = session.version.m.ReportChargingProfilesResponse()
    return response


def _der_control(session: Session, request: Any, at_s: float) -> Wire:
    items = [item for name in _DER_LISTS for item in getattr(request, name) or ()]
    _note(session, "ReportDERControl", request, items)
    response: Wire = session.version.m.ReportDERControlResponse()
    return response


BY_ACTION: Final[Mapping[str, Callable[[Session, Any, float], Wire]]] = {
    "NotifyCustomerInformation": _customer_information,
    "NotifyDisplayMessages": _display_messages,
    "NotifyMonitoringReport": _monitoring_report,
    "NotifyReport": _report,
    "ReportChargingProfiles": _charging_profiles,
    "ReportDERControl": _der_control,
}
