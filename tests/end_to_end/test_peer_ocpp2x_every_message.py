"""One charger and a CSMS that is not ours say what OCPP 2.0.1 and 2.1 have: all 40 and 55 messages
of a CSMS, and those of a station that it says by itself or on request, each understood by the
`ocpp` package.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import ocpp.v21  # type: ignore[import-untyped]
import ocpp.v201  # type: ignore[import-untyped]
import pytest

from end_to_end.peer_files import FIRMWARE, files
from end_to_end.peer_flow import moment
from end_to_end.peer_flow_2x import commanded_2x
from end_to_end.peer_pki import ForeignCa
from end_to_end.peer_process import CallFailed

if TYPE_CHECKING:
    from end_to_end.peer_flow_2x import Flow2

PACKAGES = {"ocpp2.0.1": ocpp.v201, "ocpp2.1": ocpp.v21}
OF_STATION_201 = {
    "Authorize",
    "BootNotification",
    "ClearedChargingLimit",
    "DataTransfer",
    "FirmwareStatusNotification",
    "Get15118EVCertificate",
    "GetCertificateStatus",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "NotifyEVChargingNeeds",
    "NotifyEVChargingSchedule",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyReport",
    "PublishFirmwareStatusNotification",
    "ReportChargingProfiles",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "SignCertificate",
    "StatusNotification",
    "TransactionEvent",
}
SENT = "NotifyPeriodicEventStream"
"""The one SEND; the package knows its schema, and neither a dataclass for it nor the frame type."""
OF_STATION = {
    "ocpp2.0.1": OF_STATION_201,
    "ocpp2.1": OF_STATION_201
    | {
        "BatterySwap",
        "ClosePeriodicEventStream",
        "GetCertificateChainStatus",
        "NotifyDERAlarm",
        "NotifyDERStartStop",
        "NotifyPriorityCharging",
        "NotifySettlement",
        "OpenPeriodicEventStream",
        "PullDynamicScheduleUpdate",
        "ReportDERControl",
        "VatNumberValidation",
        SENT,
    },
}
FROM_OUTSIDE = {
    "NotifyChargingLimit": "an energy manager at the site limits it: station2/test_energy21.py",
    "ClearedChargingLimit": "and lifts the limit: station2/test_smart_charging2.py",
    "NotifyEVChargingNeeds": "a vehicle of ISO 15118 comes: station2/test_schedule_wait2.py",
    "NotifyEVChargingSchedule": "and chooses a schedule: station2/test_schedule_wait2.py",
    "Get15118EVCertificate": "a vehicle wants a contract: station2/test_plug_and_charge2.py",
    "GetCertificateStatus": "a contract is presented: station2/test_certificates2.py",
    "GetCertificateChainStatus": "a contract is presented: station2/test_plug_and_charge2.py",
    "NotifyPriorityCharging": "a driver presses a button: station2/test_energy21.py",
    "NotifyDERAlarm": "the grid is faulty: station2/test_der_controls21.py",
    "NotifySettlement": "a driver pays at a terminal: station2/test_payments.py",
    "VatNumberValidation": "a driver types a VAT number: station2/test_payments.py",
    "BatterySwap": "a driver brings a battery to a swap station: station2/test_battery_swap.py",
}
"""What a charger says only because of something that neither it nor its CSMS does, and the tests
that have it happen.
"""
CACHE = {"component": {"name": "AuthCacheCtrlr"}, "variable": {"name": "Enabled"}}
POWER = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
TAG = {"id_token": "CAFE0001", "type": "ISO14443"}
versions = pytest.mark.parametrize("version", PACKAGES)


def of_csms(version: str) -> set[str]:
    """The CALLs of a CSMS: the package's dataclasses, without a station's and those of types."""
    package = PACKAGES[version]
    both = vars(package.call).keys() & vars(package.call_result).keys()
    names = {name for name in both if hasattr(getattr(package.call, name), "__dataclass_fields__")}
    calls = {name for name in names if not name.endswith("Type") and name != "AuthorizationData"}
    return (calls - OF_STATION[version]) | {"DataTransfer"}


def profile(number: int, purpose: str, *, kind: str = "Relative", **more: Any) -> dict[str, Any]:
    """A charging profile of one period; `period` are fields of that, the rest are the profile's."""
    period = {"start_period": 0, **more.pop("period", {"limit": 10.0})}
    schedule = {"id": number, "charging_rate_unit": "W", "charging_schedule_period": [period]}
    return {
        "id": number,
        "stack_level": number,
        "charging_profile_purpose": purpose,
        "charging_profile_kind": kind,
        "charging_schedule": [schedule],
        **more,
    }


@pytest.mark.parametrize(
    ("version", "csms", "station"), [("ocpp2.0.1", 40, 25), ("ocpp2.1", 55, 37)]
)
def test_the_package_has_all_messages(version: str, csms: int, station: int) -> None:
    """DataTransfer is of both; the package has no dataclass for the SEND."""
    assert (len(of_csms(version)), len(OF_STATION[version])) == (csms, station)
    call = vars(PACKAGES[version].call)
    assert {name for name in OF_STATION[version] if name not in call} <= {SENT}


@pytest.mark.parametrize(("action", "reason"), FROM_OUTSIDE.items())
def test_what_comes_from_outside_is_tested_where_it_says(action: str, reason: str) -> None:
    path = Path(__file__).parents[1] / reason.rsplit(": ", 1)[1]
    assert f'"{action}"' in path.read_text("utf-8")


@versions
def test_every_message_is_said_once_and_understood(tmp_path: Path, version: str) -> None:
    with files() as server, commanded_2x(tmp_path, version) as flow:
        if version == "ocpp2.1":
            _price(flow)
        transaction_id = flow.transaction_id(1)
        _monitor(flow)
        _limit(flow)
        if version == "ocpp2.1":
            _manage_energy(flow, transaction_id)
        _charge(flow, transaction_id)
        _ask_and_set(flow)
        _show(flow)
        _publish(flow, server.url)
        _certify(flow)
        _restart_and_update(flow, server.url)
        _check_all(flow, version)


def _check_all(flow: Flow2, version: str) -> None:
    commands = flow.history.commands
    asked = {command.action for command in commands}
    assert asked == of_csms(version)
    assert all(command.answered for command in commands)
    errors = {command.action: command.error for command in commands if command.error is not None}
    assert errors == ({} if version == "ocpp2.0.1" else {"RequestBatterySwap": "NotSupported"})
    said = {exchange.action for exchange in flow.history.calls}
    said |= {frame[2] for frame in flow.sends()}
    assert said == OF_STATION[version] - FROM_OUTSIDE.keys()


# ── while it charges ──────────────────────────────────────────────────────────────────────────────


def _monitor(flow: Flow2) -> None:
    assert flow.status_of("SetMonitoringBase", monitoring_base="All") == "Accepted"
    assert flow.status_of("SetMonitoringLevel", severity=10) == "Rejected"
    assert flow.status_of("SetMonitoringLevel", severity=9) == "Accepted"
    wanted = {**POWER, "type": "LowerThreshold", "value": 1e6, "severity": 5}
    unknown = {**wanted, "component": {"name": "Toaster"}}
    results = flow.ask("SetVariableMonitoring", set_monitoring_data=[wanted, unknown])
    first, second = results["set_monitoring_result"]
    assert (first["status"], second["status"]) == ("Accepted", "UnknownComponent")
    event = flow.wait_for("NotifyEvent").payload["eventData"][0]
    assert (event["variableMonitoringId"], event["trigger"]) == (first["id"], "Alerting")
    one = [{"component": POWER["component"], "variable": POWER["variable"]}]
    asked = {"request_id": 1, "component_variable": one}
    assert flow.status_of("GetMonitoringReport", **asked) == "Accepted"
    report = flow.wait_for("NotifyMonitoringReport", requestId=1).payload
    monitors = [held["id"] for held in report["monitor"][0]["variableMonitoring"]]
    assert monitors == [first["id"]]
    cleared = flow.ask("ClearVariableMonitoring", id=[first["id"], 99_999])
    statuses = [one["status"] for one in cleared["clear_monitoring_result"]]
    assert statuses == ["Accepted", "NotFound"]


def _limit(flow: Flow2) -> None:
    default = profile(1, "TxDefaultProfile", period={"limit": 9000.0})
    assert flow.status_of("SetChargingProfile", evse_id=1, charging_profile=default) == "Accepted"
    asked = {"duration": 60, "evse_id": 1, "charging_rate_unit": "W"}
    composite = flow.ask("GetCompositeSchedule", **asked)
    assert composite["status"] == "Accepted"
    periods = composite["schedule"]["charging_schedule_period"]
    assert [float(period["limit"]) for period in periods] == [9000.0]
    wanted: dict[str, Any] = {"request_id": 7, "charging_profile": {"charging_profile_id": [1]}}
    assert flow.status_of("GetChargingProfiles", **wanted) == "Accepted"
    report = flow.wait_for("ReportChargingProfiles", requestId=7).payload
    assert [one["id"] for one in report["chargingProfile"]] == [1]
    assert flow.status_of("ClearChargingProfile", charging_profile_id=1) == "Accepted"
    assert flow.status_of("ClearChargingProfile", charging_profile_id=1) == "Unknown"
    assert flow.status_of("GetChargingProfiles", **wanted) == "NoProfiles"


def _charge(flow: Flow2, transaction_id: str) -> None:
    asked = flow.ask("GetTransactionStatus", transaction_id=transaction_id)
    assert asked["ongoing_indicator"] is True
    assert flow.ask("CostUpdated", total_cost=1.5, transaction_id=transaction_id) == {
        "custom_data": None
    }
    trigger = {"requested_message": "MeterValues", "evse": {"id": 1}}
    assert flow.status_of("TriggerMessage", **trigger) == "Accepted"
    flow.wait_for("MeterValues", evseId=1)
    lock = {"evse_id": 1, "connector_id": 1}
    assert flow.status_of("UnlockConnector", **lock) == "OngoingAuthorizedTransaction"
    gone = {"transaction_id": transaction_id}
    assert flow.status_of("RequestStopTransaction", **gone) == "Accepted"
    flow.wait_for("TransactionEvent", eventType="Ended")
    flow.wait_for_connector("Available")
    assert flow.status_of("RequestStopTransaction", **gone) == "Rejected"
    assert flow.status_of("UnlockConnector", **lock) == "Unlocked"

    wish = {"evse_id": 1, "id_token": TAG}
    assert flow.status_of("ReserveNow", id=1, expiry_date_time=moment(600), **wish) == "Accepted"
    flow.wait_for_connector("Reserved")
    assert flow.status_of("CancelReservation", reservation_id=1) == "Accepted"
    assert flow.status_of("CancelReservation", reservation_id=1) == "Rejected"
    assert flow.status_of("ReserveNow", id=2, expiry_date_time=moment(1), **wish) == "Accepted"
    flow.wait_for("ReservationStatusUpdate", reservationId=2, reservationUpdateStatus="Expired")

    start = {"evse_id": 1, "id_token": TAG, "remote_start_id": 77}
    assert flow.status_of("RequestStartTransaction", **start) == "Accepted"
    second = flow.transaction_id(1, remoteStartId=77)
    assert second != transaction_id
    assert flow.status_of("RequestStopTransaction", transaction_id=second) == "Accepted"
    flow.wait_for("TransactionEvent", eventType="Ended")
    flow.wait_for_connector("Available")
    for status, shown in (("Inoperative", "Unavailable"), ("Operative", "Available")):
        change = {"operational_status": status, "evse": {"id": 1}}
        assert flow.status_of("ChangeAvailability", **change) == "Accepted"
        flow.wait_for_connector(shown)


# ── settings, lists, reports, texts ───────────────────────────────────────────────────────────────


def _ask_and_set(flow: Flow2) -> None:
    found = flow.ask("GetVariables", get_variable_data=[CACHE])["get_variable_result"][0]
    assert (found["attribute_status"], found["attribute_value"]) == ("Accepted", "false")
    assert flow.status_of("ClearCache") == "Rejected"
    change = [{**CACHE, "attribute_value": "true"}]
    result = flow.ask("SetVariables", set_variable_data=change)["set_variable_result"][0]
    assert result["attribute_status"] == "Accepted"
    assert flow.status_of("ClearCache") == "Accepted"

    assert flow.status_of("GetBaseReport", request_id=2, report_base="FullInventory") == "Accepted"
    parts = [flow.wait_for("NotifyReport", requestId=2, seqNo=0).payload]
    while parts[-1].get("tbc"):
        number = len(parts)
        parts.append(flow.wait_for("NotifyReport", requestId=2, seqNo=number).payload)
    asked = {"request_id": 3, "component_variable": [CACHE]}
    assert flow.status_of("GetReport", **asked) == "Accepted"
    told = flow.wait_for("NotifyReport", requestId=3).payload["reportData"]
    assert [one["variableAttribute"][0]["value"] for one in told] == ["true"]
    asked["component_variable"] = [{"component": {"name": "Toaster"}}]
    assert flow.status_of("GetReport", **asked) == "EmptyResultSet"

    assert flow.ask("GetLocalListVersion")["version_number"] == 0
    tags = [{"id_token": TAG, "id_token_info": {"status": "Accepted"}}]
    whole = {"update_type": "Full", "local_authorization_list": tags}
    assert flow.status_of("SendLocalList", version_number=4, **whole) == "Accepted"
    assert flow.ask("GetLocalListVersion")["version_number"] == 4

    network = {
        "ocpp_version": "OCPP20",
        "ocpp_transport": "JSON",
        "ocpp_csms_url": flow.peer.url,
        "message_timeout": 30,
        "security_profile": 0,
        "ocpp_interface": "Wired0",
    }
    for slot, status in ((1, "Rejected"), (2, "Accepted")):
        answer = flow.status_of(
            "SetNetworkProfile", configuration_slot=slot, connection_data=network
        )
        assert answer == status
    assert flow.status_of("TriggerMessage", requested_message="Heartbeat") == "Accepted"
    flow.wait_for("Heartbeat")


def _show(flow: Flow2) -> None:
    text = {"format": "UTF8", "content": "Grüezi"}
    message = {"id": 1, "priority": "NormalCycle", "message": text}
    assert flow.status_of("SetDisplayMessage", message=message) == "Accepted"
    assert flow.status_of("GetDisplayMessages", request_id=4, id=[1]) == "Accepted"
    told = flow.wait_for("NotifyDisplayMessages", requestId=4).payload["messageInfo"]
    assert [one["message"]["content"] for one in told] == ["Grüezi"]
    assert flow.status_of("ClearDisplayMessage", id=1) == "Accepted"
    assert flow.status_of("ClearDisplayMessage", id=1) == "Unknown"
    customer = {"report": True, "clear": False, "id_token": TAG}
    assert flow.status_of("CustomerInformation", request_id=5, **customer) == "Accepted"
    assert (
        TAG["id_token"] in flow.wait_for("NotifyCustomerInformation", requestId=5).payload["data"]
    )
    assert flow.status_of("DataTransfer", vendor_id="Nobody") == "UnknownVendorId"
    assert flow.status_of("DataTransfer", vendor_id="SimFleet") == "UnknownMessageId"
    data = {"vendor_id": "SimFleet", "message_id": "Echo", "data": {"text": ["öäü ✓", 1]}}
    assert flow.status_of("DataTransfer", **data) == "Accepted"
    assert flow.wait_for("DataTransfer", messageId="Echo").payload["data"] == data["data"]


# ── files, certificates, reboots ──────────────────────────────────────────────────────────────────


def _publish(flow: Flow2, url: str) -> None:
    log = {"log_type": "SecurityLog", "request_id": 6, "log": {"remote_location": f"{url}/l/"}}
    assert flow.status_of("GetLog", **log) == "Accepted"
    flow.wait_for("LogStatusNotification", status="Uploaded", requestId=6)
    checksum = hashlib.md5(FIRMWARE, usedforsecurity=False).hexdigest()
    assert flow.status_of("UnpublishFirmware", checksum=checksum) == "NoFirmware"
    offer = {"location": f"{url}/firmware-5.bin", "checksum": checksum, "request_id": 8}
    assert flow.status_of("PublishFirmware", **offer) == "Accepted"
    flow.wait_for("PublishFirmwareStatusNotification", status="Published", requestId=8)
    assert flow.status_of("UnpublishFirmware", checksum=checksum) == "Unpublished"


def _certify(flow: Flow2) -> None:
    ca = ForeignCa()
    root = {"certificate_type": "CSMSRootCertificate", "certificate": ca.pem}
    kind = {"certificate_type": ["CSMSRootCertificate"]}
    assert flow.status_of("GetInstalledCertificateIds", **kind) == "NotFound"
    assert flow.status_of("InstallCertificate", **root) == "Accepted"
    installed = flow.ask("GetInstalledCertificateIds", **kind)
    assert installed["status"] == "Accepted"
    (chain,) = installed["certificate_hash_data_chain"]
    assert chain["certificate_hash_data"] == ca.hash_data()
    trigger = {"requested_message": "SignChargingStationCertificate"}
    assert flow.status_of("TriggerMessage", **trigger) == "Accepted"
    wanted = flow.wait_for("SignCertificate").payload
    signed: dict[str, Any] = {"certificate_chain": ca.signed(wanted["csr"])}
    signed["certificate_type"] = wanted["certificateType"]
    if "requestId" in wanted:
        signed["request_id"] = wanted["requestId"]
    assert flow.status_of("CertificateSigned", **signed) == "Accepted"
    gone = {"certificate_hash_data": ca.hash_data()}
    assert flow.status_of("DeleteCertificate", **gone) == "Accepted"
    assert flow.status_of("DeleteCertificate", **gone) == "NotFound"


def _restart_and_update(flow: Flow2, url: str) -> None:
    assert flow.status_of("Reset", type="Immediate") == "Accepted"
    flow.wait_for("BootNotification", reason="RemoteReset")
    flow.wait_for("SecurityEventNotification", type="ResetOrReboot")
    certificate, signature = ForeignCa().firmware_signature(b"another file")
    firmware = {
        "location": f"{url}/firmware-6.0.0.bin",
        "retrieve_date_time": moment(),
        "signing_certificate": certificate,
        "signature": signature,
    }
    asked = flow.status_of("UpdateFirmware", request_id=9, firmware=firmware)
    assert asked == "Accepted"
    flow.wait_for("FirmwareStatusNotification", status="InvalidSignature", requestId=9)
    flow.wait_for("SecurityEventNotification", type="InvalidFirmwareSignature")


# ── what 2.1 adds ─────────────────────────────────────────────────────────────────────────────────


def tariff(name: str, price_kwh: float) -> dict[str, Any]:
    """A tariff by energy alone."""
    prices = [{"price_kwh": price_kwh}]
    return {"tariff_id": name, "currency": "EUR", "energy": {"prices": prices}}


def _price(flow: Flow2) -> None:
    day = {"evse_id": 0, "tariff": tariff("day", 0.5)}
    assert flow.status_of("SetDefaultTariff", **day) == "Accepted"
    assert flow.status_of("SetDefaultTariff", **day) == "DuplicateTariffId"
    found = flow.ask("GetTariffs", evse_id=0)
    assert found["status"] == "Accepted"
    assert {one["tariff_id"] for one in found["tariff_assignments"]} == {"day"}
    change = {"tariff": tariff("night", 0.3)}
    nowhere = flow.status_of("ChangeTransactionTariff", transaction_id="no-such", **change)
    assert nowhere == "TxNotFound"
    transaction_id = flow.transaction_id(2)
    assert (
        flow.status_of("ChangeTransactionTariff", transaction_id=transaction_id, **change)
        == "Accepted"
    )
    flow.wait_for("TransactionEvent", triggerReason="TariffChanged")
    for status in ("Accepted", "NoTariff"):
        cleared = flow.ask("ClearTariffs", tariff_ids=["day"])["clear_tariffs_result"]
        assert {one["status"] for one in cleared} == {status}


def _manage_energy(flow: Flow2, transaction_id: str) -> None:
    _go_first(flow, transaction_id)
    _follow_signals(flow, transaction_id)
    _update_schedules(flow, transaction_id)
    _control_der(flow)
    _stream(flow)
    assert flow.ask("NotifyWebPaymentStarted", evse_id=2, timeout=1) == {"custom_data": None}
    with pytest.raises(CallFailed) as refused:  # it charges, and swaps nothing
        flow.ask("RequestBatterySwap", id_token=TAG, request_id=1)
    assert refused.value.code == "NotSupported"


def _go_first(flow: Flow2, transaction_id: str) -> None:
    wish = {"transaction_id": transaction_id, "activate": True}
    assert flow.status_of("UsePriorityCharging", **wish) == "NoProfile"
    first = profile(2, "PriorityCharging", period={"limit": 20000.0})
    assert flow.status_of("SetChargingProfile", evse_id=1, charging_profile=first) == "Accepted"
    assert flow.status_of("UsePriorityCharging", **wish) == "Accepted"
    wish["activate"] = False
    assert flow.status_of("UsePriorityCharging", **wish) == "Accepted"
    modes = {"transaction_id": transaction_id, "allowed_energy_transfer": ["AC_three_phase"]}
    # The vehicle gives nothing back: there is nothing to choose from.
    assert flow.status_of("NotifyAllowedEnergyTransfer", **modes) == "Rejected"


def _follow_signals(flow: Flow2, transaction_id: str) -> None:
    signal = {"signal": 1, "timestamp": moment()}
    assert flow.status_of("AFRRSignal", **signal) == "Rejected"
    curve = [{"signal": 0, "power": 0.0}, {"signal": 1, "power": 1000.0}]
    period = {
        "operation_mode": "CentralFrequency",
        "setpoint": 5000.0,
        "v2x_baseline": 5000.0,
        "v2x_signal_watt_curve": curve,
    }
    follows = profile(3, "TxProfile", transaction_id=transaction_id, period=period)
    assert flow.status_of("SetChargingProfile", evse_id=1, charging_profile=follows) == "Accepted"
    assert flow.status_of("AFRRSignal", **signal) == "Accepted"
    assert flow.status_of("ClearChargingProfile", charging_profile_id=3) == "Accepted"


def _update_schedules(flow: Flow2, transaction_id: str) -> None:
    changes = profile(
        4,
        "TxProfile",
        kind="Dynamic",
        transaction_id=transaction_id,
        dyn_update_interval=1,
        period={"limit": 9000.0},
    )
    assert flow.status_of("SetChargingProfile", evse_id=1, charging_profile=changes) == "Accepted"
    flow.wait_for("PullDynamicScheduleUpdate", chargingProfileId=4)
    for number, status in ((4, "Accepted"), (99, "Rejected")):
        update = {"charging_profile_id": number, "schedule_update": {"limit": 8000.0}}
        assert flow.status_of("UpdateDynamicSchedule", **update) == status
    assert flow.status_of("ClearChargingProfile", charging_profile_id=4) == "Accepted"


def _control_der(flow: Flow2) -> None:
    scheduled = {
        "is_default": False,
        "control_id": "most",
        "control_type": "LimitMaxDischarge",
        "limit_max_discharge": {
            "priority": 1,
            "pct_max_discharge_power": 50.0,
            "start_time": moment(),
            "duration": 60.0,
        },
    }
    assert flow.status_of("SetDERControl", **scheduled) == "Accepted"
    flow.wait_for("NotifyDERStartStop", controlId="most", started=True)
    assert flow.status_of("GetDERControl", request_id=10, control_id="most") == "Accepted"
    report = flow.wait_for("ReportDERControl", requestId=10).payload
    assert [one["id"] for one in report["limitMaxDischarge"]] == ["most"]
    assert flow.status_of("GetDERControl", request_id=11, control_id="least") == "NotFound"
    gone = {"is_default": False, "control_id": "most"}
    assert flow.status_of("ClearDERControl", **gone) == "Accepted"
    flow.wait_for("NotifyDERStartStop", controlId="most", started=False)
    assert flow.status_of("ClearDERControl", **gone) == "NotFound"


def _stream(flow: Flow2) -> None:
    wanted = {
        **POWER,
        "type": "Periodic",
        "value": 1,
        "severity": 8,
        "periodic_event_stream": {"interval": 1, "values": 1},
    }
    results = flow.ask("SetVariableMonitoring", set_monitoring_data=[wanted])
    (result,) = results["set_monitoring_result"]
    assert result["status"] == "Accepted"
    flow.wait_for("OpenPeriodicEventStream")
    number = result["id"]
    data = flow.wait_for_send(SENT, id=number)
    schema = Path(ocpp.v21.__file__).with_name("schemas") / f"{SENT}.json"
    jsonschema.validate(data, json.loads(schema.read_text("utf-8-sig")))
    (stream,) = flow.ask("GetPeriodicEventStream")["constant_stream_data"]
    assert (stream["id"], stream["variable_monitoring_id"]) == (number, number)
    for known, status in ((number, "Accepted"), (99_999, "Rejected")):
        params = {"interval": 2, "values": 2}
        assert flow.status_of("AdjustPeriodicEventStream", id=known, params=params) == status
    (stream,) = flow.ask("GetPeriodicEventStream")["constant_stream_data"]
    assert stream["params"]["interval"] == 2
    flow.ask("ClearVariableMonitoring", id=[number])
    flow.wait_for("ClosePeriodicEventStream", id=number)
