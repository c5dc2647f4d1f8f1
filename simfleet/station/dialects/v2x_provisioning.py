"""OCPP 2.0.1 and 2.1: variables, reports of the device model, network profiles (block B, B05 to
B09).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from simfleet.station import network_profiles, reports
from simfleet.station.device_model import Entry, Refusal, model_of
from simfleet.station.dialects.moments import timestamp
from simfleet.station.dialects.v2x_device import check_size, find, names, selected, why
from simfleet.station.messages import InventoryPart
from simfleet.station.network_profiles import NetworkProfile

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station

DEVICE_DATA: Final = "DeviceDataCtrlr"
SUMMARY: Final = frozenset({"AvailabilityState", "Problem"})
"""Variables of the SummaryInventory: whether the station can be used, and what is wrong."""
_REPORT: Final = "NotifyReport"


# ── variables ─────────────────────────────────────────────────────────────────────────────────────


def _get_variables(station: Station, request: Any, at_s: float) -> Wire:
    m = station.dialect.m
    wanted = request.get_variable_data
    check_size(station, request, len(wanted), DEVICE_DATA, "GetVariables")
    response: Wire = m.GetVariablesResponse(
        get_variable_result=[_got(station, one, at_s=at_s) for one in wanted]
    )
    return response


def _got(station: Station, wanted: Any, *, at_s: float) -> Any:
    attribute = wanted.attribute_type or "Actual"
    entry = find(station, wanted.component, wanted.variable)
    value: str | None = None
    reason = None
    if not isinstance(entry, Entry):
        status: str = entry
    elif attribute not in entry.attributes():
        status = "NotSupportedAttributeType"
    elif attribute == "Actual" and entry.mutability == "WriteOnly":
        status, reason = "Rejected", why(station, "WriteOnly")
    else:
        status = "Accepted"
        value = _cut(station, entry.value(station, at_s=at_s, attribute=attribute) or "")
    return station.dialect.m.GetVariableResult(
        attribute_status=status,
        attribute_status_info=reason,
        attribute_type=attribute,
        attribute_value=value,
        component=wanted.component,
        variable=wanted.variable,
    )


def _cut(station: Station, value: str) -> str:
    """A value as long as this station reports values."""
    return value[: station.configuration.whole("DeviceDataCtrlr.ReportingValueSize")]


def _set_variables(station: Station, request: Any, at_s: float) -> Wire:
    m = station.dialect.m
    wanted = request.set_variable_data
    check_size(station, request, len(wanted), DEVICE_DATA, "SetVariables")
    response: Wire = m.SetVariablesResponse(
        set_variable_result=[_have_set(station, one, at_s=at_s) for one in wanted]
    )
    return response


def _have_set(station: Station, wanted: Any, *, at_s: float) -> Any:
    attribute = wanted.attribute_type or "Actual"
    entry = find(station, wanted.component, wanted.variable)
    reason = None
    if not isinstance(entry, Entry):
        status: str = entry
    elif attribute not in entry.attributes():
        status = "NotSupportedAttributeType"
    elif attribute != "Actual":
        status, reason = "Rejected", why(station, "ReadOnly", f"{attribute} can only be read")
    else:
        done = entry.set(station, wanted.attribute_value, at_s=at_s)
        if isinstance(done, Refusal):
            status, reason = "Rejected", why(station, done.reason_code, done.text)
        else:
            status = done
    return station.dialect.m.SetVariableResult(
        attribute_status=status,
        attribute_status_info=reason,
        attribute_type=attribute,
        component=wanted.component,
        variable=wanted.variable,
    )


# ── reports ───────────────────────────────────────────────────────────────────────────────────────


def _get_base_report(station: Station, request: Any, at_s: float) -> Wire:
    entries = model_of(station).entries
    match request.report_base:
        case "ConfigurationInventory":
            chosen = [entry for entry in entries if entry.mutability != "ReadOnly"]
        case "SummaryInventory":
            chosen = [entry for entry in entries if entry.row.variable in SUMMARY]
        case _:
            chosen = list(entries)
    status = _begin(station, request.request_id, chosen, at_s=at_s)
    response: Wire = station.dialect.m.GetBaseReportResponse(status=status)
    return response


def _get_report(station: Station, request: Any, at_s: float) -> Wire:
    variables = request.component_variable
    check_size(station, request, len(variables or ()), DEVICE_DATA, "GetReport")
    chosen = selected(station, variables)
    if request.component_criteria is not None:
        chosen = _of_components(station, chosen, request.component_criteria, at_s=at_s)
    status = _begin(station, request.request_id, chosen, at_s=at_s)
    response: Wire = station.dialect.m.GetReportResponse(status=status)
    return response


def _of_components(
    station: Station, entries: list[Entry], criteria: list[str], *, at_s: float
) -> list[Entry]:
    """The variables of components that meet one of the criteria. One that has no variable of that
    name is active, available and enabled, and has no problem (B08.FR.07 to .10).
    """
    model = model_of(station)
    known: dict[tuple[str, str, Any], bool] = {}
    chosen = []
    for entry in entries:
        row = entry.row
        whose = (row.component, row.component_instance, entry.place)
        if whose not in known:
            known[whose] = False
            for criterion in criteria:
                said = model.find(
                    row.component,
                    criterion,
                    component_instance=row.component_instance,
                    place=entry.place,
                )
                if isinstance(said, Entry):
                    known[whose] |= said.value(station, at_s=at_s) == "true"
                else:
                    known[whose] |= criterion != "Problem"
        if known[whose]:
            chosen.append(entry)
    return chosen


def _begin(station: Station, request_id: int, entries: list[Entry], *, at_s: float) -> str:
    if reports.running(station, InventoryPart, _REPORT):
        return "Rejected"
    if not entries:
        return "EmptyResultSet"
    reports.begin(station, InventoryPart, request_id, entries, at_s=at_s)
    return "Accepted"


def _inventory_part(station: Station, part: InventoryPart) -> Wire:
    at_s = part.at_s
    settings = station.configuration
    data = part.report.part(
        part.start,
        lambda entry: described(station, entry, at_s=at_s),
        items_max=settings.whole("DeviceDataCtrlr.ItemsPerMessage[GetReport]"),
        bytes_max=settings.whole("DeviceDataCtrlr.BytesPerMessage[GetReport]"),
    )
    request: Wire = station.dialect.m.NotifyReportRequest(
        request_id=part.report.request_id,
        generated_at=timestamp(station.wall_s(at_s)),
        seq_no=part.seq_no,
        tbc=part.report.more,
        report_data=data,
    )
    return request


def described(station: Station, entry: Entry, *, at_s: float) -> Any:
    """A variable as a report shows it."""
    m = station.dialect.m
    component, variable = names(m, entry)
    row = entry.row
    attributes = []
    for attribute in entry.attributes():
        mutability = entry.mutability if attribute == "Actual" else "ReadOnly"
        value = None
        if mutability != "WriteOnly":
            value = entry.value(station, at_s=at_s, attribute=attribute)
        attributes.append(
            m.VariableAttribute(
                type=attribute,
                value=None if value is None else _cut(station, value),
                mutability=mutability,
                persistent=row.persistent,
                constant=row.constant is not None,
            )
        )
    low, high = entry.limits(station.configuration)
    more: dict[str, Any] = {}
    key = entry.configured
    if key is not None and key.max_items_key and _has_max_elements(m):
        more["max_elements"] = station.configuration.whole(key.max_items_key)
    return m.ReportData(
        component=component,
        variable=variable,
        variable_attribute=attributes,
        variable_characteristics=m.VariableCharacteristics(
            data_type=entry.data_type,
            supports_monitoring=row.monitored,
            unit=entry.unit or None,
            min_limit=low,
            max_limit=high,
            values_list=",".join(entry.values) or None,
            **more,
        ),
    )


def _has_max_elements(m: Any) -> bool:
    """Only 2.1 says how long a list may be."""
    return "max_elements" in m.VariableCharacteristics.__struct_fields__


def _part_answered(station: Station, part: Any, _: Any, at_s: float) -> None:
    reports.go_on(station, part, at_s=at_s)


# ── network profiles ──────────────────────────────────────────────────────────────────────────────


def _set_network_profile(station: Station, request: Any, at_s: float) -> Wire:
    said = request.connection_data
    details = {"interface": said.ocpp_interface, "apn": said.apn, "vpn": said.vpn}
    wanted = NetworkProfile(
        url=said.ocpp_csms_url,
        security_profile=said.security_profile,
        version=said.ocpp_version or "OCPP20",
        transport=said.ocpp_transport,
        message_timeout_s=said.message_timeout,
        password=getattr(said, "basic_auth_password", None) or "",
        details=msgspec.json.encode(details).decode(),
    )
    refusal = network_profiles.put(station, request.configuration_slot, wanted, at_s=at_s)
    response: Wire = station.dialect.m.SetNetworkProfileResponse(
        status="Accepted" if refusal is None else "Rejected",
        status_info=None if refusal is None else why(station, refusal.reason_code, refusal.text),
    )
    return response


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "GetVariables": _get_variables,
    "SetVariables": _set_variables,
    "GetBaseReport": _get_base_report,
    "GetReport": _get_report,
    "SetNetworkProfile": _set_network_profile,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {InventoryPart: _REPORT}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {
    InventoryPart: _inventory_part
}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {
    InventoryPart: _part_answered
}
"""What the answers to our messages mean."""
